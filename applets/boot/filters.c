/*
 * filters.c - everything that the sandbox may ask of the host.
 *
 * The filter is the union of the platform's rules and the lists here; no call
 * that takes a path, makes a socket or a process, or changes an identity is on
 * them. What a descriptor can be used for was decided by who donated it.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include "applets/boot/boot.h"
#include "core/seccomp.h"
#include "fs9p/client.h"
#include "kernel/fs/hostfile.h"
#include "kernel/fs/hostpoll.h"
#include "kernel/fs/tty.h"
#include "kernel/fs/types.h"
#include "kernel/mm/mm.h"
#include "platform/platform.h"

/* Threads, time and signals of our own. */
static const struct seccomp_rule base[] = {
	ALLOW(rt_sigtimedwait),
	ALLOW(sigaltstack),
	ALLOW(signalfd4),
	ALLOW(restart_syscall),
	ALLOW(set_robust_list),
	ALLOW(set_tid_address),
	ALLOW(sched_setaffinity),
	ALLOW(sched_getaffinity),
	ALLOW(sched_getparam),
	ALLOW(sched_getscheduler),
	ALLOW(getcpu),
	ALLOW(membarrier),
	ALLOW(clock_getres),
	ALLOW(clock_nanosleep),
	ALLOW(nanosleep),
	ALLOW(getrandom),
	ALLOW(sysinfo),
	ALLOW(getrusage),
	ALLOW_ARG(prctl, 0, 0x53564d41), /* PR_SET_VMA, names of mappings */
	SECCOMP_END,
};

/* Memory of our own. */
static const struct seccomp_rule memory[] = {
	ALLOW(mincore),
	ALLOW(fallocate),
	ALLOW(ftruncate),
	SECCOMP_END,
};

/* Descriptors that we have, and those that the gofer or a command hands over.
 */
static const struct seccomp_rule files[] = {
	ALLOW(read),
	ALLOW(write),
	ALLOW(readv),
	ALLOW(writev),
	ALLOW(pread64),
	ALLOW(pwrite64),
	ALLOW(preadv),
	ALLOW(pwritev),
	ALLOW(preadv2),
	ALLOW(pwritev2),
	ALLOW(lseek),
	ALLOW(fstat),
	ALLOW(fstatfs),
	ALLOW(fsync),
	ALLOW(fdatasync),
	ALLOW(sync_file_range),
	ALLOW(fadvise64),
	ALLOW(getdents64),
	ALLOW(close),
	ALLOW(dup),
	ALLOW(dup2),
	ALLOW(dup3),
	ALLOW(pipe2),
	ALLOW(eventfd2),
	ALLOW(poll),
	ALLOW(ppoll),
	ALLOW(epoll_create1),
	ALLOW(epoll_ctl),
	ALLOW(epoll_wait),
	ALLOW(epoll_pwait),
	ALLOW(timerfd_create),
	ALLOW(timerfd_settime),
	ALLOW_ARG(fcntl, 1, F_GETFL),
	ALLOW_ARG(fcntl, 1, F_SETFL),
	ALLOW_ARG(fcntl, 1, F_GETFD),
	ALLOW_ARG(fcntl, 1, F_SETFD),
	ALLOW_ARG(fcntl, 1, F_DUPFD_CLOEXEC),
	ALLOW_ARG(fcntl, 1, F_ADD_SEALS),
	ALLOW_ARG(fcntl, 1, F_GET_SEALS),
	SECCOMP_END,
};

/* Unix sockets that we have: control, gofer, sockets donated as stdio. */
static const struct seccomp_rule sockets[] = {
	ALLOW(sendmsg),
	ALLOW(recvmsg),
	ALLOW(sendto),
	ALLOW(recvfrom),
	ALLOW(accept4),
	ALLOW(shutdown),
	SECCOMP_END,
};

/* Terminals that we have: their size and mode; never TIOCSTI. */
static const struct seccomp_rule terminals[] = {
	ALLOW_ARG(ioctl, 1, TCGETS),
	ALLOW_ARG(ioctl, 1, TCSETS),
	ALLOW_ARG(ioctl, 1, TCSETSW),
	ALLOW_ARG(ioctl, 1, TCSETSF),
	ALLOW_ARG(ioctl, 1, TIOCGWINSZ),
	ALLOW_ARG(ioctl, 1, TIOCSWINSZ),
	ALLOW_ARG(ioctl, 1, TIOCOUTQ),
	ALLOW_ARG(ioctl, 1, FIONREAD),
	ALLOW_ARG(ioctl, 1, FIONBIO),
	SECCOMP_END,
};

int filters_install(struct err *e)
{
	const struct seccomp_rule *const lists[] = { seccomp_core, base, memory,
		files, sockets, terminals, mm_rules, hostpoll_rules,
		hostfile_rules, tty_rules, gofer_fs_rules, p9_client_rules,
		platform->rules };

	return seccomp_install("sandbox", lists, ARRAY_SIZE(lists), e);
}
