/* filters.c - what the sandbox may not ask of the host: applets/boot/filters.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "applets/boot/boot.h"
#include "core/log.h"
#include "core/seccomp.h"
#include "platform/platform.h"
#include "selftest/unit/unit.h"

#define TRAPPED (128 + SIGSYS)

static const struct refusal {
	const char *name;
	long nr;
	uint64_t a[6];
} refusals[] = {
#define REFUSE(name, ...)           \
	{                           \
#name, SYS_##name,  \
		{                   \
			__VA_ARGS__ \
		}                   \
	}
	REFUSE(open, 0),
	REFUSE(openat, 0),
	REFUSE(openat2, 0),
	REFUSE(creat, 0),
	REFUSE(newfstatat, 0),
	REFUSE(statx, 0),
	REFUSE(readlink, 0),
	REFUSE(getdents, 0),
	REFUSE(mount, 0),
	REFUSE(socket, 1, 1),
	REFUSE(socketpair, 1, 1),
	REFUSE(connect, 0),
	REFUSE(bind, 0),
	REFUSE(execve, 0),
	REFUSE(execveat, 0),
	REFUSE(fork, 0),
	REFUSE(vfork, 0),
	REFUSE(clone, SIGCHLD),
	REFUSE(clone, CLONE_VM | CLONE_FILES),
	REFUSE(clone3, 0),
	REFUSE(unshare, CLONE_NEWUSER),
	REFUSE(setns, 0),
	REFUSE(setuid, 0),
	REFUSE(capset, 0),
	REFUSE(mmap, 0, 4096, PROT_READ | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
	REFUSE(mprotect, 0, 4096, PROT_EXEC),
	REFUSE(pkey_mprotect, 0, 4096, PROT_EXEC, -1),
	REFUSE(memfd_create, 0),
	REFUSE(shmat, 0),
	REFUSE(remap_file_pages, 0),
	REFUSE(kill, -1, SIGTERM),
	REFUSE(tkill, 1, SIGKILL),
	REFUSE(tgkill, 1, 1, SIGKILL),
	REFUSE(tgkill, 1, 1, SIGSTOP),
	REFUSE(rt_sigqueueinfo, 1, SIGUSR1),
	REFUSE(rt_sigaction, SIGSYS),
	REFUSE(pidfd_open, 1),
	REFUSE(pidfd_getfd, 1),
	REFUSE(ptrace, PTRACE_TRACEME),
	REFUSE(ptrace, PTRACE_ATTACH, 1),
	REFUSE(ptrace, PTRACE_PEEKDATA, 1),
	REFUSE(ptrace, PTRACE_POKEDATA, 1),
	REFUSE(ptrace, PTRACE_POKETEXT, 1),
	REFUSE(ptrace, PTRACE_SETOPTIONS, 1),
	REFUSE(process_vm_writev, 1),
	REFUSE(futex, 0, FUTEX_LOCK_PI),
	REFUSE(futex, 0, FUTEX_CMP_REQUEUE),
	REFUSE(futex, 0, FUTEX_CMP_REQUEUE_PI | FUTEX_PRIVATE_FLAG),
	REFUSE(futex, 0, FUTEX_WAKE_OP),
	REFUSE(prctl, PR_SET_DUMPABLE, 1),
	REFUSE(prctl, PR_SET_PTRACER, 1),
	REFUSE(seccomp, SECCOMP_SET_MODE_STRICT),
	REFUSE(ioctl, 0, TIOCSTI),
	REFUSE(ioctl, 0, TIOCSCTTY),
	REFUSE(ioctl, 0, FIOASYNC),
	REFUSE(fcntl, 0, F_SETOWN, 1),
	REFUSE(fcntl, 0, F_SETSIG, SIGIO),
	REFUSE(fcntl, 0, F_NOTIFY, 1),
	REFUSE(fcntl, 0, F_SETLK, 1),
	REFUSE(splice, 0),
	REFUSE(vmsplice, 0),
	REFUSE(userfaultfd, 0),
	REFUSE(io_uring_setup, 1),
	REFUSE(io_uring_enter, 0),
	REFUSE(bpf, 0),
	REFUSE(perf_event_open, 0),
	REFUSE(keyctl, 0),
	REFUSE(add_key, 0),
	REFUSE(personality, 0),
	REFUSE(modify_ldt, 0),
	REFUSE(arch_prctl, 0x1003),
	REFUSE(reboot, 0),
	REFUSE(quotactl, 0),
	{ "x32 getpid", SYS_getpid | 0x40000000, { 0 } },
};

static const struct refusal *now;

static void refused(void)
{
	const uint64_t *a = now->a;
	struct err e = { 0 };

	platform = platform_find("ptrace");
	log_set_user(2, LOG_TEXT);
	if (!platform || filters_install(&e))
		_exit(2);
	syscall(now->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	_exit(0);
}

TEST(filters, what_a_broken_sandbox_is_refused)
{
	char err[1024], line[80];
	int status;

#ifdef SANITIZED
	SKIP("a sanitizer needs a wider filter");
#endif
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		now = &refusals[i];
		status = test_fork(refused, err, sizeof err);
		/* x32 is another architecture: the process is killed. */
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
			continue;
		snprintf(line, sizeof line, "system call %s (%ld)", now->name,
			now->nr);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != TRAPPED ||
			!strstr(err, line)) {
			printf("%s: not refused, status %#x: %s\n", now->name,
				status, err);
			CHECK(!"refused");
		}
	}
}

/* A filter that refuses everything would pass the test above. */
static void granted(void)
{
	struct err e = { 0 };
	char c;

	platform = platform_find("ptrace");
	log_set_user(2, LOG_TEXT);
	if (!platform || filters_install(&e))
		_exit(2);
	if (mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ||
		syscall(SYS_tgkill, 1 << 30, 1 << 30, SIGUSR1) == 0 ||
		read(-1, &c, 1) == 0)
		_exit(3);
	_exit(errno == EBADF ? 0 : 4);
}

TEST(filters, what_a_sandbox_needs_is_allowed)
{
	char err[1024];
	int status = test_fork(granted, err, sizeof err);

	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
