/*
 * master.c - probe, and the stub that all others are cloned from.
 *
 * The master stub is made while the sentry has one thread, after its
 * namespaces, ids and root have changed and before its own filter: filters
 * stack, and a stub must be able to clone stubs when the sentry no longer may.
 * It is cloned from the sentry like a fork, strips itself of everything (see
 * strip()) and jumps into its stub page, which unmaps the rest: C stack, heap,
 * vDSO.
 *
 * What a stub may do afterwards: map, unmap and protect memory, clone stubs and
 * stub threads, pause, exit.  Guest code does not even reach that filter,
 * because it runs under PTRACE_SYSEMU.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/seccomp.h"
#include "platform/ptrace/ptrace.h"

#define OOM_SCORE   "900"
#define NSIGNALS    64
#define REQ_SYSEMU  31
#define STRIP_STACK (64 << 10)
#define RSEQ_SIG    0x53053053

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

/* clang-format off */
#define LOAD_NR		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define LOAD_ARCH	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch))
#define LOAD_LO(n)	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n]))
#define LOAD_HI(n)	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n]) + 4)
#define RET(action)	BPF_STMT(BPF_RET | BPF_K, action)
#define SKIP_IF(v, n)	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, v, n, 0)
#define SKIP_IF_NOT(v, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, v, 0, n)
#define ON(nr, action)	SKIP_IF_NOT(nr, 1), RET(action)

static const struct sock_filter filter[] = {
	LOAD_ARCH,
	SKIP_IF(AUDIT_ARCH_X86_64, 1),
	RET(SECCOMP_RET_KILL_PROCESS),
	LOAD_NR,
	ON(SYS_mmap, SECCOMP_RET_ALLOW),
	ON(SYS_munmap, SECCOMP_RET_ALLOW),
	ON(SYS_mprotect, SECCOMP_RET_ALLOW),
	ON(SYS_madvise, SECCOMP_RET_ALLOW),
	ON(SYS_pause, SECCOMP_RET_ALLOW),
	ON(SYS_exit, SECCOMP_RET_ALLOW),
	/* The host emulates vsyscalls, and asks seccomp and not ptrace about them. */
	ON(SYS_gettimeofday, SECCOMP_RET_TRAP),
	ON(SYS_time, SECCOMP_RET_TRAP),
	ON(SYS_getcpu, SECCOMP_RET_TRAP),
	ON(SYS_clone3, SECCOMP_RET_ERRNO | ENOSYS),
	SKIP_IF_NOT(SYS_clone, 6),
		LOAD_HI(0),
		SKIP_IF_NOT(0, 9),
		LOAD_LO(0),
		SKIP_IF(STUB_CLONE_THREAD, 1),
		SKIP_IF_NOT(STUB_CLONE_FORK, 6),
		RET(SECCOMP_RET_ALLOW),
	SKIP_IF_NOT(SYS_prctl, 4),
		LOAD_LO(0),
		SKIP_IF_NOT(PR_SET_PDEATHSIG, 2),
		LOAD_LO(1),
		SKIP_IF(SIGKILL, 1),
	RET(SECCOMP_RET_KILL_PROCESS),
	RET(SECCOMP_RET_ALLOW),
};
/* clang-format on */

/* --- in the master stub: an exit status says which step failed */

enum step { STEP_OK, STEP_SESSION, STEP_CAPS, STEP_MAP, STEP_FILTER };
static const char *const step_names[] = {
	[STEP_SESSION] = "setsid",
	[STEP_CAPS] = "drop capabilities",
	[STEP_MAP] = "map the stub's pages",
	[STEP_FILTER] = "load the seccomp filter",
};

/* Faults must reach the tracer, and nothing else may end a stub. */
static void reset_signals(void)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP,
		SIGSYS };
	stack_t none = { .ss_flags = SS_DISABLE };
	sigset_t empty;

	for (int sig = 1; sig <= NSIGNALS; sig++)
		signal(sig, SIG_IGN);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		signal(faults[i], SIG_DFL);
	sigaltstack(&none, NULL);
	sigemptyset(&empty);
	sigprocmask(SIG_SETMASK, &empty, NULL);
}

/*
 * glibc registers a restartable sequence in memory that will be unmapped: the
 * host's kernel would end the stub for it.
 */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned __rseq_size __attribute__((weak));

static void drop_rseq(void)
{
	char *self = __builtin_thread_pointer();

	if (&__rseq_offset && __rseq_size)
		syscall(SYS_rseq, self + __rseq_offset, MAX(__rseq_size, 32u),
			1 /* RSEQ_FLAG_UNREGISTER */, RSEQ_SIG);
}

/* Only before isolation is there a /proc to do it in. */
static void raise_oom_score(void)
{
	int hfd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (hfd < 0)
		return;
	(void)!write(hfd, OOM_SCORE, sizeof OOM_SCORE - 1);
	close(hfd);
}

static enum step drop_rights(void)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct none[2] = { 0 };

	if (setsid() < 0)
		return STEP_SESSION;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "runsc-stub");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		syscall(SYS_capset, &h, none))
		return STEP_CAPS;
	return STEP_OK;
}

static enum step map_page(uint64_t addr, int prot, int hfd, unsigned page)
{
	void *p = mmap((void *)(uintptr_t)addr, STUB_PAGE, prot,
		MAP_SHARED | MAP_FIXED, hfd, (off_t)page * STUB_PAGE);

	return p == MAP_FAILED ? STEP_MAP : STEP_OK;
}

static enum step load_filter(void)
{
	struct sock_fprog prog = { ARRAY_SIZE(filter),
		(struct sock_filter *)(uintptr_t)filter };

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog)
		       ? STEP_FILTER
		       : STEP_OK;
}

static struct {
	int go_hfd, list_hfd;
	unsigned page;
} order; /* what strip() is to work with */

/* Gives up, in this order: signals, the host's services, rights, memory, calls.
 */
static NORETURN void strip(void)
{
	uint64_t go;
	enum step bad = STEP_OK;

	while (read(order.go_hfd, &go, sizeof go) < 0 && errno == EINTR)
		;
	reset_signals();
	drop_rseq();
	raise_oom_score();
	bad = drop_rights();
	if (!bad)
		bad = map_page(
			STUB_BASE, PROT_READ | PROT_EXEC, order.list_hfd, 0);
	if (!bad)
		bad = map_page(
			STUB_LIST, PROT_READ, order.list_hfd, order.page);
	if (!bad)
		bad = load_filter();
	if (!bad)
		((void (*)(void))(uintptr_t)STUB_ADDR(stub_empty))();
	syscall(SYS_exit_group, bad);
	__builtin_unreachable();
}

/*
 * On a stack of its own: where addresses are not random (setarch -R, or the
 * whole host) the process's lies where the stub's pages come.
 */
static NORETURN void strip_elsewhere(void)
{
	char *p = mmap(NULL, STRIP_STACK, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		_exit(STEP_MAP);
	__asm__ volatile("mov %0, %%rsp\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "call *%1\n\t"
			 "ud2"
			 :
			 : "r"(p + STRIP_STACK), "r"(strip)
			 : "memory");
	__builtin_unreachable();
}

/* --- in the sentry */

static int list_file(struct err *e)
{
	int hfd = (int)syscall(
		SYS_memfd_create, "runsc-stubs", MFD_CLOEXEC | MFD_EXEC);
	size_t n = (size_t)(stub_end - stub_start);

	if (hfd < 0 && errno == EINVAL)
		hfd = (int)syscall(
			SYS_memfd_create, "runsc-stubs", MFD_CLOEXEC);
	if (hfd < 0)
		return err_set(e, errno, "memfd_create: %s", strerror(errno));
	if (write(hfd, stub_start, n) != (ssize_t)n)
		return err_set(e, EIO, "write the stub's code");
	return hfd;
}

/*
 * Runs the seized master from its eventfd to the int3 in stub_empty, and makes
 * its floating-point registers fit to be inherited by guest programs.
 */
static int master_strip(pid_t pid, int go_hfd, struct err *e)
{
	uint64_t go = 1;
	struct regs r;
	int status, err;

	if (write(go_hfd, &go, sizeof go) != sizeof go)
		return err_set(e, errno, "start the stub: %s", strerror(errno));
	do {
		if (pt(PTRACE_CONT, pid, 0, 0) || tracee_wait(pid, &status))
			return err_set(e, ESRCH, "the master stub is gone");
		if (WIFEXITED(status) &&
			(size_t)WEXITSTATUS(status) < ARRAY_SIZE(step_names))
			return err_set(e, EPERM,
				"make the master stub: cannot %s",
				step_names[WEXITSTATUS(status)]);
		if (!WIFSTOPPED(status))
			return err_set(e, EPERM,
				"make the master stub: wait status %#x",
				status);
		if (status >> 8 == SIGSEGV || status >> 8 == SIGBUS)
			return err_set(
				e, EFAULT, "make the master stub: it crashed");
	} while (status >> 8 != SIGTRAP);
	err = (int)pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&r);
	if (!err && r.rax != 0)
		err = (int)r.rax;
	if (err)
		return err_set(
			e, -err, "empty the master stub: %s", strerror(-err));
	err = tracee_reset_fp(pid);
	if (err)
		return err_set(e, -err,
			"set the floating-point state of a stub: %s",
			strerror(-err));
	return 0;
}

static int master_take(pid_t pid, int go_hfd, struct err *e)
{
	int err;

	if (tracee_seize(pid, TRACEE_LEADER))
		return err_set(e, EPERM,
			"the host does not let us trace a child "
			"(kernel.yama.ptrace_scope, or a seccomp filter)");
	err = master_strip(pid, go_hfd, e);
	if (!err)
		(void)pt(PTRACE_DETACH, pid, 0, 0);
	return err;
}

static int master_make(int list_hfd, struct err *e)
{
	int go = eventfd(0, EFD_CLOEXEC), err;
	struct aspace_host *s;
	unsigned page;
	pid_t pid;

	if (go < 0)
		return err_set(e, errno, "eventfd: %s", strerror(errno));
	err = list_page_alloc(&page);
	if (err)
		return err_set(e, -err, "no page for the master stub");
	order.go_hfd = go;
	order.list_hfd = list_hfd;
	order.page = page;
	pid = (pid_t)syscall(SYS_clone, CLONE_FILES, 0, 0, 0, 0);
	if (pid == 0)
		strip_elsewhere();
	if (pid < 0)
		return err_set(e, errno, "clone: %s", strerror(errno));
	err = master_take(pid, go, e);
	close(go);
	if (err) {
		kill_and_reap(pid);
		return err;
	}
	s = process_new(pid, page);
	if (!s)
		return err_set(e, ENOMEM, "out of memory");
	process_set_master(s);
	return 0;
}

/* Stops of stubs are waited for, not signalled. */
static void no_stop_signals(void)
{
	struct sigaction sa;

	if (sigaction(SIGCHLD, NULL, &sa) < 0)
		return;
	sa.sa_flags |= SA_NOCLDSTOP;
	if (sa.sa_handler == SIG_IGN) /* would reap our children for us */
		sa.sa_handler = SIG_DFL;
	sigaction(SIGCHLD, &sa, NULL);
}

int ptrace_init(int device, struct err *e)
{
	int hfd, err;

	(void)device;
	platform_max_addr = STUB_BASE;
	platform_fp_size = fp_area_size();
	if (clean_fp_init())
		return err_set(
			e, E2BIG, "XSAVE area of %zu bytes", platform_fp_size);
	no_stop_signals();
	pairs_init();
	/* Changed ids make a process undumpable, and its children untraceable.
	 */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		return err_set(
			e, errno, "PR_SET_DUMPABLE: %s", strerror(errno));
	hfd = list_file(e);
	if (hfd < 0)
		return hfd;
	err = processes_init(hfd, e);
	return err ?: master_make(hfd, e);
}

/* --- probe: really trace a child */

static NORETURN void probe_child(void)
{
	for (;;) {
		syscall(SYS_getppid);
		syscall(SYS_pause);
	}
}

/* Two stops at system calls, which must not happen. */
static int probe_trace(pid_t pid, struct err *e)
{
	int err = tracee_seize(pid, TRACEE_THREAD);
	int status;
	struct regs r;

	if (err)
		return err_set(e, EPERM, "PTRACE_SEIZE of a child is refused");
	for (int i = 0; i < 2;) {
		if (pt(REQ_SYSEMU, pid, 0, 0))
			return err_set(e, ENOSYS, "PTRACE_SYSEMU is refused");
		if (tracee_wait(pid, &status) || !WIFSTOPPED(status))
			return err_set(e, ESRCH, "the traced child died");
		if (status >> 8 == (SIGTRAP | 0x80))
			i++;
	}
	if (pt(PTRACE_GETREGS, pid, 0, (uintptr_t)&r))
		return err_set(e, EIO, "PTRACE_GETREGS is refused");
	return 0;
}

static int yama_scope(void)
{
	char c = '0';
	int hfd = open(
		"/proc/sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC);

	if (hfd < 0)
		return 0;
	if (read(hfd, &c, 1) != 1)
		c = '0';
	close(hfd);
	return c - '0';
}

int ptrace_allowed(struct err *e)
{
	if (yama_scope() != 3)
		return 0;
	return err_set(e, EPERM,
		"kernel.yama.ptrace_scope is 3, which forbids all tracing: set "
		"it to 2 or less in /etc/sysctl.d and restart this host, it "
		"cannot be lowered before");
}

int ptrace_probe(struct err *e)
{
	pid_t pid;
	int err = ptrace_allowed(e);

	if (err)
		return err;
	pid = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
	if (pid == 0)
		probe_child();
	if (pid < 0)
		return err_set(e, errno, "clone: %s", strerror(errno));
	err = probe_trace(pid, e);
	kill_and_reap(pid);
	if (err == -EPERM && yama_scope() == 2)
		err = err_set(e, EPERM,
			"ptrace needs CAP_SYS_PTRACE on this host "
			"(kernel.yama.ptrace_scope is 2)");
	else if (err)
		err = err_wrap(e,
			"ptrace does not work here "
			"(a seccomp filter or a security module forbids it)");
	return err;
}

/* clang-format off */
#define ALLOW_PTRACE(req)	ALLOW_ARG(ptrace, 0, req)
#define REQ_GETREGSET		0x4204
#define REQ_SETREGSET		0x4205

static const struct seccomp_rule rules[] = {
	ALLOW_PTRACE(PTRACE_PEEKUSER),
	ALLOW_PTRACE(PTRACE_POKEUSER),
	ALLOW_PTRACE(PTRACE_CONT),
	ALLOW_PTRACE(PTRACE_GETREGS),
	ALLOW_PTRACE(PTRACE_SETREGS),
	ALLOW_PTRACE(PTRACE_GETFPREGS),
	ALLOW_PTRACE(PTRACE_SETFPREGS),
	ALLOW_PTRACE(PTRACE_DETACH),
	ALLOW_PTRACE(REQ_SYSEMU),
	ALLOW_PTRACE(REQ_SYSEMU + 1),		/* SYSEMU_SINGLESTEP */
	ALLOW_PTRACE(PTRACE_GETSIGINFO),
	ALLOW_PTRACE(REQ_GETREGSET),
	ALLOW_PTRACE(REQ_SETREGSET),
	ALLOW_PTRACE(PTRACE_SEIZE),
	ALLOW_PTRACE(PTRACE_INTERRUPT),
	ALLOW(wait4),
	ALLOW(process_vm_readv),		/* is a stub's leader alive? */
	ALLOW(sched_yield),
	ALLOW(nanosleep),
	ALLOW_ARG(kill, 1, SIGKILL),
	ALLOW_ARG(tgkill, 2, KICK_SIGNAL),
	ALLOW(sched_setaffinity),
	ALLOW(getcpu),
	ALLOW(gettid),
	ALLOW(clock_gettime),			/* CPU time of a stub: not in the vDSO */
	SECCOMP_END
};

const struct platform_ops ptrace_ops = {
	.name = "ptrace",
	.probe = ptrace_probe,
	.allowed = ptrace_allowed,
	.init = ptrace_init,
	.rules = rules,
	.aspace_new = ptrace_aspace_new,
	.aspace_fork = ptrace_aspace_fork,
	.aspace_free = ptrace_aspace_free,
	.aspace_sync = ptrace_aspace_sync,
	.pctx_new = ptrace_pctx_new,
	.pctx_attach = ptrace_pctx_attach,
	.pctx_free = ptrace_pctx_free,
	.pctx_switch = ptrace_pctx_switch,
	.pctx_kick = ptrace_pctx_kick,
	.pctx_get_fp = ptrace_pctx_get_fp,
	.pctx_set_fp = ptrace_pctx_set_fp,
	.pctx_cpu_ns = ptrace_pctx_cpu_ns,
	.pctx_block = ptrace_pctx_block,
};
/* clang-format on */
