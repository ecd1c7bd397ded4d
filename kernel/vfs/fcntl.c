/*
 * fcntl.c - fcntl(2), and the ioctl(2) numbers that every file has.
 */
#include "kernel/vfs/fcntl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>

#include "kernel/fs/pipefs.h"
#include "kernel/fs/tmpfs.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/dnotify.h"
#include "kernel/vfs/fasync.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/flock.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/lease.h"

#define SETFL_MASK    (O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME)
#define ALL_SEALS     0x1f
#define FCNTL_CREATED 1028 /* F_CREATED_QUERY */

/* Linux's numbers, which not every C library has. */
#define G_FIONCLEX 0x5450
#define G_FIOCLEX  0x5451
#define G_FIONBIO  0x5421
#define G_FIOASYNC 0x5452
#define G_FIONREAD 0x541b

static int setfl(struct file *f, int fd, int arg)
{
	int old = atomic_load(&f->flags);
	int new = (old & ~SETFL_MASK) | (arg & SETFL_MASK);
	int err = 0;

	if (new & ~old &
			O_NOATIME &&current &&task_cred(current)->fsuid !=
				f->inode->uid &&
		!task_capable(current, CAP_FOWNER))
		return -EPERM;
	if (f->ops->setfl)
		err = f->ops->setfl(f, new);
	if (!err && (new ^ old) & O_ASYNC)
		err = fasync_set(f, fd, new &O_ASYNC);
	if (!err)
		atomic_store(&f->flags, new);
	return err;
}

static int setfl_bit(struct file *f, int fd, int bit, bool on)
{
	int old = atomic_load(&f->flags);

	return setfl(f, fd, on ? old | bit : old & ~bit);
}

static long dup_from(struct task *t, struct file *f, uint64_t min, int flags)
{
	int fd;

	if (min > INT32_MAX)
		return -EINVAL;
	fd = fd_reserve(t, (int)min);
	if (fd >= 0)
		fd_install(t, fd, file_get(f), flags);
	return fd;
}

static long fcntl_seals(struct file *f, int cmd, uint64_t arg)
{
	if (cmd == F_GET_SEALS)
		return tmpfs_get_seals(f);
	if (arg & ~(uint64_t)ALL_SEALS)
		return -EINVAL;
	return tmpfs_add_seals(f, (unsigned)arg);
}

long vfs_fcntl(struct task *t, int fd, struct file *f, int cmd, uint64_t arg)
{
	switch (cmd) {
	case F_DUPFD:
		return dup_from(t, f, (uint32_t)arg, 0);
	case F_DUPFD_CLOEXEC:
		return dup_from(t, f, (uint32_t)arg, O_CLOEXEC);
	case F_GETFD:
		return fd_get_cloexec(t, fd);
	case F_SETFD:
		return fd_set_cloexec(t, fd, arg & FD_CLOEXEC);
	case F_GETFL:
		return atomic_load(&f->flags);
	}
	if (f->mode & O_PATH)
		return -EBADF;
	switch (cmd) {
	case F_SETFL:
		return setfl(f, fd, (int)arg);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return vfs_lock(t, f, cmd, arg);
	case F_SETOWN:
	case F_GETOWN:
	case F_SETOWN_EX:
	case F_GETOWN_EX:
	case F_SETSIG:
	case F_GETSIG:
		return fasync_fcntl(t, f, cmd, arg);
	case F_SETPIPE_SZ:
	case F_GETPIPE_SZ:
		return pipe_fcntl(f, t, cmd, arg);
	case F_ADD_SEALS:
	case F_GET_SEALS:
		return fcntl_seals(f, cmd, arg);
	case F_SETLEASE:
		return lease_set(t, f, fd, (int)arg);
	case F_GETLEASE:
		return lease_get(f);
	case FCNTL_CREATED:
		return f->created;
	case F_NOTIFY:
		return dnotify_set(t, f, fd, (unsigned)arg);
	}
	return -EINVAL;
}

/* FIONREAD of a regular file: what is left of it. */
static long bytes_left(struct task *t, struct file *f, uint64_t arg)
{
	struct kstat st;
	int err = inode_getattr(f->inode, &st), n;

	if (err)
		return err;
	filepos_lock(f);
	n = (int)((int64_t)st.size - f->pos);
	filepos_unlock(f);
	return copyout(t, uaddr(arg), &n, sizeof n);
}

long vfs_ioctl(
	struct task *t, int fd, struct file *f, unsigned cmd, uint64_t arg)
{
	int on, err;

	switch (cmd) {
	case G_FIOCLEX:
		return fd_set_cloexec(t, fd, true);
	case G_FIONCLEX:
		return fd_set_cloexec(t, fd, false);
	case G_FIONBIO:
	case G_FIOASYNC:
		err = copyin(t, &on, uaddr(arg), sizeof on);
		if (err)
			return err;
		return setfl_bit(
			f, fd, cmd == G_FIONBIO ? O_NONBLOCK : O_ASYNC, on);
	case G_FIONREAD:
		if (S_ISREG(f->inode->mode))
			return bytes_left(t, f, arg);
		break;
	}
	return f->ops->ioctl ? f->ops->ioctl(f, t, cmd, arg) : -ENOTTY;
}
