/* sys_poll.c - poll, select, epoll. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include "core/clock.h"
#include "kernel/mm/mm.h"
#include "kernel/syscall/syscall.h"
#include "kernel/task/task.h"
#include "kernel/time/clocks.h"
#include "kernel/vfs/epoll.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/poll.h"

#define POLL_FEW 32

/* Milliseconds; negative is for ever, 0 does not wait. */
static int64_t deadline_ms(int64_t ms)
{
	if (ms < 0)
		return NO_DEADLINE;
	return ms ? deadline_after(mono_now(), ms * 1000000) : 0;
}

/* A mask for the time of the call, from the guest.  NULL: none. */
static int use_sigmask(struct task *t, uaddr_t u, size_t size)
{
	ksigset_t set;
	int err;

	if (uaddr_null(u))
		return 0;
	if (size != sizeof set)
		return -EINVAL;
	err = copyin(t, &set, u, sizeof set);
	if (!err)
		signal_set_temporary(t, set);
	return err;
}

static long do_poll(struct task *t, uaddr_t u, unsigned n, int64_t deadline)
{
	struct pollfd few[POLL_FEW], *fds = few;
	size_t len = (size_t)n * sizeof *fds;
	long ret;

	if (n > task_rlimit(t, RLIMIT_NOFILE))
		return -EINVAL;
	if (n > POLL_FEW)
		fds = malloc(len);
	if (!fds)
		return -ENOMEM;
	ret = copyin(t, fds, u, len);
	if (!ret)
		ret = poll_files(t, fds, n, deadline);
	for (unsigned i = 0; ret >= 0 && i < n; i++) {
		uaddr_t to = uaddr_add(
			u, i * sizeof *fds + offsetof(struct pollfd, revents));
		int err =
			copyout(t, to, &fds[i].revents, sizeof fds[i].revents);

		if (err)
			ret = err;
	}
	if (fds != few)
		free(fds);
	return ret;
}

static long poll_again(struct task *t)
{
	long ret = do_poll(t, uaddr(t->restart.arg[0]),
		(unsigned)t->restart.arg[1], t->restart.deadline);

	return ret == -ERESTARTSYS ? -ERESTART_RESTARTBLOCK : ret;
}

long sys_poll(struct task *t, struct sysargs a)
{
	t->restart = (struct restart){ .fn = poll_again,
		.deadline = deadline_ms(arg_int(a, 2)),
		.arg = { a.r[0], arg_uint(a, 1) } };
	return poll_again(t);
}

/* Writes back how much time is left: ppoll(2), pselect(2). */
static void time_left(struct task *t, uaddr_t u, int64_t deadline,
	int (*out)(struct task *t, uaddr_t u, int64_t ns))
{
	int64_t left = 0;

	if (uaddr_null(u) || (t->personality & STICKY_TIMEOUTS))
		return;
	if (deadline)
		left = MAX(deadline - mono_now(), 0L);
	/* As Linux: the result of the call counts more than this. */
	if (out(t, u, left))
		return;
}

/* An optional relative time as a deadline; 0 does not wait. */
static int read_timeout(struct task *t, uaddr_t u, int64_t *deadline,
	int (*in)(struct task *t, uaddr_t u, int64_t *ns))
{
	int64_t ns;
	int err;

	*deadline = NO_DEADLINE;
	if (uaddr_null(u))
		return 0;
	err = in(t, u, &ns);
	if (!err)
		*deadline = ns ? deadline_after(mono_now(), ns) : 0;
	return err;
}

long sys_ppoll(struct task *t, struct sysargs a)
{
	uaddr_t timeout = arg_addr(a, 2);
	int64_t deadline;
	long ret;

	ret = read_timeout(t, timeout, &deadline, copyin_timespec);
	if (!ret)
		ret = use_sigmask(t, arg_addr(a, 3), arg_size(a, 4));
	if (ret)
		return ret;
	ret = do_poll(t, arg_addr(a, 0), arg_uint(a, 1), deadline);
	time_left(t, timeout, deadline, copyout_timespec);
	return ret == -ERESTARTSYS ? -ERESTARTNOHAND : ret;
}

static int select_maps(struct task *t, uint64_t *words, size_t len,
	const uaddr_t set[3], uint64_t *in[3], uint64_t *out[3])
{
	int err;

	for (int k = 0; k < 3; k++) {
		in[k] = words + (size_t)k * len / 8;
		out[k] = words + (size_t)(k + 3) * len / 8;
		if (uaddr_null(set[k])) {
			in[k] = NULL;
			continue;
		}
		err = copyin(t, in[k], set[k], len);
		if (err)
			return err;
	}
	return 0;
}

static long do_select(
	struct task *t, int n, const uaddr_t set[3], int64_t deadline)
{
	uint64_t *words, *in[3], *out[3];
	size_t len;
	long ret;

	if (n < 0)
		return -EINVAL;
	n = (int)MIN((uint64_t)n, task_rlimit(t, RLIMIT_NOFILE));
	n = MIN(n, fdtable_size(t->fdt)); /* beyond it nothing is open */
	len = ((size_t)n + 63) / 64 * 8;
	words = calloc(6, len ? len : 8);
	if (!words)
		return -ENOMEM;
	ret = select_maps(t, words, len, set, in, out);
	if (!ret)
		ret = select_files(t, n, in, out, deadline);
	for (int k = 0; ret >= 0 && k < 3; k++)
		if (in[k] && copyout(t, set[k], out[k], len))
			ret = -EFAULT;
	free(words);
	return ret;
}

long sys_select(struct task *t, struct sysargs a)
{
	uaddr_t set[3] = { arg_addr(a, 1), arg_addr(a, 2), arg_addr(a, 3) };
	uaddr_t timeout = arg_addr(a, 4);
	int64_t deadline;
	long ret;

	ret = read_timeout(t, timeout, &deadline, copyin_timeval);
	if (ret)
		return ret;
	ret = do_select(t, arg_int(a, 0), set, deadline);
	time_left(t, timeout, deadline, copyout_timeval);
	return ret == -ERESTARTSYS ? -ERESTARTNOHAND : ret;
}

long sys_pselect6(struct task *t, struct sysargs a)
{
	uaddr_t set[3] = { arg_addr(a, 1), arg_addr(a, 2), arg_addr(a, 3) };
	uaddr_t timeout = arg_addr(a, 4);
	uint64_t sig[2] = { 0, 0 };
	int64_t deadline;
	long ret = 0;

	if (!uaddr_null(arg_addr(a, 5)))
		ret = copyin(t, sig, arg_addr(a, 5), sizeof sig);
	if (!ret)
		ret = read_timeout(t, timeout, &deadline, copyin_timespec);
	if (!ret)
		ret = use_sigmask(t, uaddr(sig[0]), sig[1]);
	if (ret)
		return ret;
	ret = do_select(t, arg_int(a, 0), set, deadline);
	time_left(t, timeout, deadline, copyout_timespec);
	return ret == -ERESTARTSYS ? -ERESTARTNOHAND : ret;
}

static long do_epoll_create(struct task *t, int flags)
{
	struct file *f;
	int err;

	if (flags & ~EPOLL_CLOEXEC)
		return -EINVAL;
	err = epoll_open(t, &f);
	return err ? err : fd_open(t, f, flags & O_CLOEXEC);
}

long sys_epoll_create(struct task *t, struct sysargs a)
{
	return arg_int(a, 0) <= 0 ? -EINVAL : do_epoll_create(t, 0);
}

long sys_epoll_create1(struct task *t, struct sysargs a)
{
	return do_epoll_create(t, arg_int(a, 0));
}

long sys_epoll_ctl(struct task *t, struct sysargs a)
{
	struct epoll_event_abi ev = { 0, 0 };
	struct fdref ep, target;
	long ret = 0;

	if (arg_int(a, 1) != EPOLL_CTL_DEL)
		ret = copyin(t, &ev, arg_addr(a, 3), sizeof ev);
	if (ret)
		return ret;
	ep = fd_borrow(t, arg_int(a, 0));
	if (!ep.f)
		return -EBADF;
	target = fd_borrow(t, arg_int(a, 2));
	ret = -EBADF;
	if (target.f) {
		ret = epoll_control(
			ep.f, arg_int(a, 1), arg_int(a, 2), target.f, &ev);
		fd_done(&target);
	}
	fd_done(&ep);
	return ret;
}

static long do_epoll_wait(struct task *t, struct sysargs a, int64_t deadline)
{
	struct fdref ep;
	long ret;

	if (arg_int(a, 2) <= 0)
		return -EINVAL;
	ep = fd_borrow(t, arg_int(a, 0));
	if (!ep.f)
		return -EBADF;
	ret = epoll_wait_events(t, ep.f, a.r[1], arg_int(a, 2), deadline);
	fd_done(&ep);
	return ret == -ERESTARTSYS ? -EINTR : ret;
}

long sys_epoll_wait(struct task *t, struct sysargs a)
{
	return do_epoll_wait(t, a, deadline_ms(arg_int(a, 3)));
}

long sys_epoll_pwait(struct task *t, struct sysargs a)
{
	int err = use_sigmask(t, arg_addr(a, 4), arg_size(a, 5));

	if (err)
		return err;
	return do_epoll_wait(t, a, deadline_ms(arg_int(a, 3)));
}

long sys_epoll_pwait2(struct task *t, struct sysargs a)
{
	int64_t deadline;
	int err;

	err = read_timeout(t, arg_addr(a, 3), &deadline, copyin_timespec);
	if (!err)
		err = use_sigmask(t, arg_addr(a, 4), arg_size(a, 5));
	return err ? err : do_epoll_wait(t, a, deadline);
}
