/*
 * rw.c - read(2), write(2) and lseek(2) on any open file.
 *
 * Theory of operation
 *
 * A file's operation makes one attempt, never blocks and never faults.  The
 * loop here makes the guest's memory accessible first, calls it, and waits on
 * the file's wait queue for as long as it says -EAGAIN: register, test, block.
 *
 * A short count means one of three things: no more data (or room), end of file,
 * or a guest page that is not there.  Only in the last case is it worth going
 * on with a read, and memory_absent() tells; a write goes on in all of them, as
 * write(2) promises for a blocking one.
 *
 * Locks: the position's, over the whole call but not while it sleeps.  For a
 * regular file each attempt to write runs under the inode's write lock, which
 * is what makes O_APPEND atomic.
 */
#include "kernel/vfs/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/task/task.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/inotify.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/splice.h"
#include "kernel/vfs/walk.h"

#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x20
#endif

#define FAULT_TRIES 16 /* without progress, before EFAULT */
#define ERRHUP      (EPOLLERR | EPOLLHUP)

/* One call's way through the loop. */
struct rw {
	struct task *t;
	struct file *f;
	struct uio *u;
	int64_t *pos;    /* the caller's, or NULL: the file's */
	bool shared_pos; /* lc_filepos is ours to hold */
	bool reg;
	size_t done;
	struct waitq *q; /* waiting on it since the first -EAGAIN */
	struct waiter w;
	int tries;
};

LOCKS_UNCHECKED /* conditional: only where there is a position */
	static void
	rw_lock(struct rw *r)
{
	if (r->shared_pos)
		mutex_acquire(&r->f->pos_lock);
}

LOCKS_UNCHECKED
static void rw_unlock(struct rw *r)
{
	if (r->shared_pos)
		mutex_release(&r->f->pos_lock);
}

LOCKS_UNCHECKED /* under rw_lock() when it is the file's */
	static int64_t *
	rw_pos(struct rw *r)
{
	return r->pos ? r->pos : &r->f->pos;
}

/* Does a guest page stand in the way of the next byte? */
static bool memory_absent(struct uio *u)
{
	struct uio_pins pins;

	if (!u->ops || !uio_left(u))
		return false;
	if (!uio_pin(u, 1, &pins))
		return true;
	uio_unpin(&pins);
	return false;
}

/* The same, or of any byte without which the operation does nothing. */
static bool absent(struct uio *u)
{
	return u->need || memory_absent(u);
}

static bool rw_nonblocking(const struct rw *r)
{
	return atomic_load(&r->f->flags) & O_NONBLOCK || r->u->rwf & RWF_NOWAIT;
}

/* -EAGAIN came: 0 to try again, or what to return. */
static int rw_wait(struct rw *r, unsigned events)
{
	int err;

	if (rw_nonblocking(r))
		return -EAGAIN;
	if (!r->q) {
		r->q = file_waitq(r->f);
		if (!r->q)
			return -EAGAIN;
		waiter_init_task(&r->w, r->t);
		waitq_add(r->q, &r->w, events);
		return 0; /* test once more before sleeping */
	}
	rw_unlock(r);
	err = task_block(r->t, NO_DEADLINE);
	rw_lock(r);
	return err;
}

static void rw_end(struct rw *r)
{
	if (r->q)
		waitq_remove(r->q, &r->w);
	rw_unlock(r);
}

static ssize_t read_loop(struct rw *r)
{
	while (uio_left(r->u)) {
		/* A file may be at its end: then no memory is touched. */
		ssize_t ret = r->f->stream ? uio_fault_in(r->u) : 0;

		if (!ret)
			ret = r->f->ops->read(r->f, r->u, rw_pos(r));
		if (ret == -EAGAIN && !r->done) {
			ret = rw_wait(r, EPOLLIN | EPOLLPRI | ERRHUP);
			if (ret)
				return ret;
			continue;
		}
		if (ret == -EFAULT && ++r->tries < FAULT_TRIES &&
			absent(r->u) && uio_fault_in(r->u) == 0)
			continue;
		if (ret <= 0)
			return ret;
		r->done += (size_t)ret;
		r->tries = 0;
		if (r->f->stream || !memory_absent(r->u))
			return 0;
	}
	return 0;
}

ssize_t vfs_read(struct task *t, struct file *f, struct uio *to, int64_t *pos)
{
	struct rw r = { .t = t, .f = f, .u = to, .pos = pos };
	ssize_t err;

	if (!file_readable(f))
		return -EBADF;
	if (!f->ops->read)
		return S_ISDIR(f->inode->mode) ? -EISDIR : -EINVAL;
	if (pos && *pos < 0)
		return -EINVAL;
	uio_limit(to, RW_MAX);
	if (!uio_left(to))
		return 0;
	r.shared_pos = !pos && !f->stream;
	rw_lock(&r);
	err = read_loop(&r);
	rw_end(&r);
	if (r.done && f->path.dentry)
		notify_dentry(f->path.dentry, IN_ACCESS);
	if (r.done && t)
		atomic_fetch_add_explicit(
			&t->tg->io_rchar, r.done, memory_order_relaxed);
	return r.done ? (ssize_t)r.done : err;
}

/* RLIMIT_FSIZE and the largest offset: shortens the write, or -EFBIG. */
static int write_limit(struct rw *r, int64_t at)
{
	uint64_t max = r->t ? task_rlimit(r->t, RLIMIT_FSIZE) : RLIM_INFINITY;
	siginfo_t si;

	if ((uint64_t)at >= max) {
		siginfo_kernel(&si, SIGXFSZ);
		signal_send(r->t, SIGXFSZ, &si);
		return -EFBIG;
	}
	if (at == INT64_MAX)
		return -EFBIG;
	max = MIN(max, (uint64_t)INT64_MAX);
	uio_limit(r->u,
		(size_t)MIN((uint64_t)uio_left(r->u), max - (uint64_t)at));
	return 0;
}

/* One attempt on a regular file. */
static ssize_t write_regular(struct rw *r)
{
	struct inode *in = r->f->inode;
	int64_t *pos = rw_pos(r), end;
	bool append = (atomic_load(&r->f->flags) & O_APPEND &&
			      !(r->u->rwf & RWF_NOAPPEND)) ||
		      r->u->rwf & RWF_APPEND;
	ssize_t ret;

	write_lock(in);
	ret = inode_kill_priv(in);
	if (!ret && append) {
		struct kstat st;

		ret = inode_getattr(in, &st);
		end = (int64_t)st.size;
	}
	if (!ret)
		ret = r->f->ops->write(r->f, r->u, append ? &end : pos);
	write_unlock(in);
	if (ret > 0 && append)
		*pos = end;
	return ret;
}

static ssize_t write_loop(struct rw *r)
{
	while (uio_left(r->u)) {
		ssize_t ret = uio_fault_in(r->u);

		if (!ret)
			ret = r->reg ? write_regular(r)
				     : r->f->ops->write(r->f, r->u, rw_pos(r));
		if (ret == -EAGAIN) {
			if (r->done && r->u->rwf & SPLICE_RWF_SOME)
				return 0;
			ret = rw_wait(r, EPOLLOUT | ERRHUP);
			if (ret)
				return ret;
			continue;
		}
		if (ret == -EFAULT && ++r->tries < FAULT_TRIES &&
			absent(r->u) && uio_fault_in(r->u) == 0)
			continue;
		if (ret <= 0)
			return ret;
		r->done += (size_t)ret;
		r->tries = 0;
	}
	return 0;
}

/* Is what was written to be on stable storage before the call returns? */
static int write_sync(struct rw *r)
{
	int flags = atomic_load(&r->f->flags);
	bool full = (flags & O_SYNC) == O_SYNC || r->u->rwf & RWF_SYNC;

	if (!full && !(flags & O_DSYNC) && !(r->u->rwf & RWF_DSYNC))
		return 0;
	return r->f->ops->fsync ? r->f->ops->fsync(r->f, !full) : 0;
}

/* Limits count from where the bytes go; an append's place is known roughly. */
static int write_begin(struct rw *r)
{
	if (!r->reg)
		return 0;
	if (atomic_load(&r->f->flags) & O_APPEND)
		return write_limit(r, r->f->inode->size);
	return write_limit(r, *rw_pos(r));
}

ssize_t vfs_write(
	struct task *t, struct file *f, struct uio *from, int64_t *pos)
{
	struct rw r = { .t = t, .f = f, .u = from, .pos = pos };
	ssize_t err;
	int bad;

	if (!file_writable(f))
		return -EBADF;
	if (!f->ops->write)
		return -EINVAL;
	if (pos && *pos < 0)
		return -EINVAL;
	uio_limit(from, RW_MAX);
	r.reg = S_ISREG(f->inode->mode) && !f->stream && !f->ops->no_content;
	if (!uio_left(from) && r.reg)
		return 0;
	r.shared_pos = !pos && !f->stream;
	rw_lock(&r);
	if (!uio_left(from)) {
		/* A datagram may be empty. */
		err = f->ops->write(f, from, rw_pos(&r));
		rw_end(&r);
		return err;
	}
	err = write_begin(&r);
	if (!err)
		err = write_loop(&r);
	rw_end(&r);
	if (r.done) {
		if (f->path.dentry)
			notify_dentry(f->path.dentry, IN_MODIFY);
		if (t)
			atomic_fetch_add_explicit(
				&t->tg->io_wchar, r.done, memory_order_relaxed);
		bad = write_sync(&r);
		if (bad)
			return bad;
	}
	if (err == -EPIPE && t) {
		siginfo_t si;

		siginfo_kernel(&si, SIGPIPE);
		signal_send(t, SIGPIPE, &si);
	}
	return r.done ? (ssize_t)r.done : err;
}

/* SEEK_END and friends by the size, for files that are not sparse to us. */
static int64_t seek_by_size(struct file *f, int64_t off, int whence)
{
	struct kstat st;
	int err;

	if (whence == SEEK_SET)
		return off < 0 ? -EINVAL : off;
	if (S_ISDIR(f->inode->mode))
		return -EINVAL;
	err = inode_getattr(f->inode, &st);
	if (err)
		return err;
	if (whence == SEEK_END) {
		if (__builtin_add_overflow(off, (int64_t)st.size, &off))
			return -EOVERFLOW;
		return off < 0 ? -EINVAL : off;
	}
	if (off < 0 || off >= (int64_t)st.size)
		return -ENXIO;
	return whence == SEEK_HOLE ? (int64_t)st.size : off;
}

int64_t vfs_seek(struct file *f, int64_t off, int whence)
{
	int64_t ret;

	if (whence != SEEK_SET && whence != SEEK_CUR && whence != SEEK_END &&
		whence != SEEK_DATA && whence != SEEK_HOLE)
		return -EINVAL;
	if (f->stream)
		return -ESPIPE;
	filepos_lock(f);
	ret = 0;
	if (whence == SEEK_CUR) {
		whence = SEEK_SET;
		if (__builtin_add_overflow(
			    off, f->ops->tell ? f->ops->tell(f) : f->pos, &off))
			ret = -EOVERFLOW;
	}
	if (!ret)
		ret = f->ops->seek ? f->ops->seek(f, off, whence)
				   : seek_by_size(f, off, whence);
	if (ret >= 0)
		f->pos = ret;
	filepos_unlock(f);
	return ret;
}

int vfs_fsync(struct file *f, bool datasync)
{
	return f->ops->fsync ? f->ops->fsync(f, datasync) : -EINVAL;
}

int vfs_ftruncate(struct file *f, int64_t size)
{
	int err;

	if (size < 0)
		return -EINVAL;
	if (!file_writable(f) || !S_ISREG(f->inode->mode))
		return -EINVAL;
	err = vfs_truncate_open(f->inode, size);
	if (!err && f->path.dentry)
		notify_dentry(f->path.dentry, IN_MODIFY);
	return err;
}

int vfs_fallocate(struct file *f, int mode, int64_t off, int64_t len)
{
	const int known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE |
			  FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_ZERO_RANGE |
			  FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE;
	struct inode *in = f->inode;
	int64_t end;
	int err;

	if (off < 0 || len <= 0)
		return -EINVAL;
	if (mode & ~known)
		return -EOPNOTSUPP;
	if (mode & FALLOC_FL_PUNCH_HOLE && !(mode & FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if (!file_writable(f))
		return -EBADF;
	if (S_ISFIFO(in->mode))
		return -ESPIPE;
	if (S_ISDIR(in->mode))
		return -EISDIR;
	if (!S_ISREG(in->mode))
		return -ENODEV;
	if (__builtin_add_overflow(off, len, &end))
		return -EFBIG;
	if (!f->ops->fallocate)
		return -EOPNOTSUPP;
	if (!(mode & FALLOC_FL_KEEP_SIZE) && current && end > in->size &&
		(uint64_t)end > task_rlimit(current, RLIMIT_FSIZE)) {
		siginfo_t si;

		siginfo_kernel(&si, SIGXFSZ);
		signal_send(current, SIGXFSZ, &si);
		return -EFBIG;
	}
	write_lock(in);
	err = inode_kill_priv(in);
	if (!err)
		err = f->ops->fallocate(f, mode, off, len);
	write_unlock(in);
	if (!err && f->path.dentry)
		notify_dentry(f->path.dentry, IN_MODIFY);
	return err;
}
