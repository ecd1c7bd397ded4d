/* sys_anon.c - files without a name: pipes, eventfds, timers, signals, inotify.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "kernel/fs/eventfd.h"
#include "kernel/fs/pipefs.h"
#include "kernel/mm/mm.h"
#include "kernel/syscall/syscall.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/time/clocks.h"
#include "kernel/time/ptimer.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inotify.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/namei.h"

#ifndef O_NOTIFICATION_PIPE
#define O_NOTIFICATION_PIPE O_EXCL
#endif

/* Publishes both ends, or neither. */
static long install_two(
	struct task *t, struct file *const f[2], uaddr_t u, int flags)
{
	int fd[2], err;

	fd[0] = fd_reserve(t, 0);
	if (fd[0] < 0)
		return fd[0];
	fd[1] = fd_reserve(t, 0);
	err = fd[1] < 0 ? fd[1] : copyout(t, u, fd, sizeof fd);
	if (err) {
		if (fd[1] >= 0)
			fd_unreserve(t, fd[1]);
		fd_unreserve(t, fd[0]);
		return err;
	}
	fd_install(t, fd[0], f[0], flags);
	fd_install(t, fd[1], f[1], flags);
	return 0;
}

static long do_pipe(struct task *t, uaddr_t u, int flags)
{
	struct file *f[2];
	long err;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT | O_NOTIFICATION_PIPE))
		return -EINVAL;
	if (flags & O_NOTIFICATION_PIPE)
		return -ENOPKG;
	err = pipe_create(t->cred, flags, &f[0], &f[1]);
	if (err)
		return err;
	err = install_two(t, f, u, flags & O_CLOEXEC);
	if (err) {
		file_put(f[0]);
		file_put(f[1]);
	}
	return err;
}

long sys_pipe(struct task *t, struct sysargs a)
{
	return do_pipe(t, arg_addr(a, 0), 0);
}

long sys_pipe2(struct task *t, struct sysargs a)
{
	return do_pipe(t, arg_addr(a, 0), arg_int(a, 1));
}

static long do_eventfd(struct task *t, unsigned count, int flags)
{
	struct file *f;
	int err;

	if (flags & ~(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK))
		return -EINVAL;
	err = eventfd_create(t->cred, count, flags & EFD_SEMAPHORE, flags, &f);
	return err ? err : fd_open(t, f, flags & O_CLOEXEC);
}

long sys_eventfd(struct task *t, struct sysargs a)
{
	return do_eventfd(t, arg_uint(a, 0), 0);
}

long sys_eventfd2(struct task *t, struct sysargs a)
{
	return do_eventfd(t, arg_uint(a, 0), arg_int(a, 1));
}

long sys_timerfd_create(struct task *t, struct sysargs a)
{
	int flags = arg_int(a, 1);
	struct file *f;
	int err;

	if (flags & ~(TFD_CLOEXEC | TFD_NONBLOCK))
		return -EINVAL;
	err = timerfd_open(t, arg_int(a, 0), flags, &f);
	return err ? err : fd_open(t, f, flags & O_CLOEXEC);
}

static int copyin_itimerspec(struct task *t, uaddr_t u, struct itimer_k *it)
{
	int err = copyin_timespec(t, u, &it->interval);

	return err ? err : copyin_timespec(t, uaddr_add(u, 16), &it->value);
}

static int copyout_itimerspec(
	struct task *t, uaddr_t u, const struct itimer_k *it)
{
	int err = copyout_timespec(t, u, it->interval);

	return err ? err : copyout_timespec(t, uaddr_add(u, 16), it->value);
}

long sys_timerfd_settime(struct task *t, struct sysargs a)
{
	int flags = arg_int(a, 1);
	struct itimer_k new, old;
	struct fdref r;
	int err;

	err = copyin_itimerspec(t, arg_addr(a, 2), &new);
	if (err)
		return err;
	if (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
		return -EINVAL;
	r = fd_borrow(t, arg_int(a, 0));
	if (!r.f)
		return -EBADF;
	err = timerfd_set(r.f, flags, &new, &old);
	fd_done(&r);
	if (err || uaddr_null(arg_addr(a, 3)))
		return err;
	return copyout_itimerspec(t, arg_addr(a, 3), &old);
}

long sys_timerfd_gettime(struct task *t, struct sysargs a)
{
	struct fdref r = fd_borrow(t, arg_int(a, 0));
	struct itimer_k now;
	int err;

	if (!r.f)
		return -EBADF;
	err = timerfd_left(r.f, &now);
	fd_done(&r);
	return err ? err : copyout_itimerspec(t, arg_addr(a, 1), &now);
}

static long do_signalfd(struct task *t, struct sysargs a, int flags)
{
	int fd = arg_int(a, 0), err;
	struct file *f;
	ksigset_t mask;
	struct fdref r;

	if (flags & ~(SFD_CLOEXEC | SFD_NONBLOCK) ||
		arg_size(a, 2) != sizeof mask)
		return -EINVAL;
	err = copyin(t, &mask, arg_addr(a, 1), sizeof mask);
	if (err)
		return err;
	if (fd == -1) {
		err = signalfd_create(t, mask, flags, &f);
		return err ? err : fd_open(t, f, flags & O_CLOEXEC);
	}
	r = fd_borrow(t, fd);
	if (!r.f)
		return -EBADF;
	err = signalfd_set_mask(r.f, mask);
	fd_done(&r);
	return err ? err : fd;
}

long sys_signalfd(struct task *t, struct sysargs a)
{
	return do_signalfd(t, a, 0);
}

long sys_signalfd4(struct task *t, struct sysargs a)
{
	return do_signalfd(t, a, arg_int(a, 3));
}

static long do_inotify_init(struct task *t, int flags)
{
	struct file *f;
	int err;

	if (flags & ~(IN_CLOEXEC | IN_NONBLOCK))
		return -EINVAL;
	err = inotify_create(t, flags, &f);
	return err ? err : fd_open(t, f, flags & O_CLOEXEC);
}

long sys_inotify_init(struct task *t, UNUSED struct sysargs a)
{
	return do_inotify_init(t, 0);
}

long sys_inotify_init1(struct task *t, struct sysargs a)
{
	return do_inotify_init(t, arg_int(a, 0));
}

static int watch_path(
	struct task *t, struct file *f, const char *name, uint32_t mask)
{
	unsigned how = mask & IN_DONT_FOLLOW ? 0 : LOOKUP_FOLLOW;
	struct path at;
	struct walk w;
	int ret;

	if (mask & IN_ONLYDIR)
		how |= LOOKUP_DIR;
	ret = task_walk(t, AT_FDCWD, name, &w);
	if (ret)
		return ret;
	ret = path_lookup(&w, name, how, &at);
	walk_done(&w);
	if (ret)
		return ret;
	ret = inode_permission(path_inode(&at), task_cred(t), MAY_READ);
	if (!ret)
		ret = inotify_add(f, path_inode(&at), mask);
	path_put(&at);
	return ret;
}

long sys_inotify_add_watch(struct task *t, struct sysargs a)
{
	uint32_t mask = arg_uint(a, 2);
	struct fdref r;
	char *name;
	long ret;

	if (!(mask & (IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW)))
		return -EINVAL;
	if (mask & IN_MASK_ADD && mask & IN_MASK_CREATE)
		return -EINVAL;
	ret = copyin_path(t, arg_addr(a, 1), &name);
	if (ret)
		return ret;
	r = fd_borrow(t, arg_int(a, 0));
	ret = -EBADF;
	if (r.f) {
		ret = watch_path(t, r.f, name, mask);
		fd_done(&r);
	}
	free(name);
	return ret;
}

long sys_inotify_rm_watch(struct task *t, struct sysargs a)
{
	struct fdref r = fd_borrow(t, arg_int(a, 0));
	long ret;

	if (!r.f)
		return -EBADF;
	ret = inotify_remove(r.f, arg_int(a, 1));
	fd_done(&r);
	return ret;
}
