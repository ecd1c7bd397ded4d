/* sys_rw.c - reading and writing open files. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/mm/mm.h"
#include "kernel/syscall/syscall.h"
#include "kernel/task/task.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/splice.h"

#define RWF_KNOWN 0x3f /* HIPRI DSYNC SYNC NOWAIT APPEND NOAPPEND */

/* One buffer.  @pos NULL: the file's own position. */
static long rw_buffer(
	struct task *t, int fd, uaddr_t buf, size_t n, int64_t *pos, bool write)
{
	struct uio_seg seg = { buf.v, n };
	struct fdref r = fd_borrow(t, fd);
	struct uio u;
	long ret;

	if (!r.f)
		return -EBADF;
	uio_init(&u, &uio_user, t->mm, &seg, 1, !write);
	if (pos && r.f->stream)
		ret = -ESPIPE;
	else if ((ssize_t)n < 0)
		ret = -EFAULT; /* beyond all guest memory */
	else
		ret = write ? vfs_write(t, r.f, &u, pos)
			    : vfs_read(t, r.f, &u, pos);
	fd_done(&r);
	return ret;
}

static long rw_vector(struct task *t, int fd, uaddr_t iov, int niov,
	int64_t *pos, int flags, bool write)
{
	struct fdref r = fd_borrow(t, fd);
	struct uio_seg *seg = NULL;
	struct uio u;
	size_t total;
	long ret;

	if (!r.f)
		return -EBADF;
	if (pos && r.f->stream)
		ret = -ESPIPE;
	else
		ret = copyin_iovec(t, iov, niov, &seg, &total);
	if (!ret && flags & ~RWF_KNOWN)
		ret = -EOPNOTSUPP;
	if (!ret) {
		uio_init(&u, &uio_user, t->mm, seg, (size_t)niov, !write);
		u.rwf = flags;
		ret = write ? vfs_write(t, r.f, &u, pos)
			    : vfs_read(t, r.f, &u, pos);
	}
	free(seg);
	fd_done(&r);
	return ret;
}

long sys_read(struct task *t, struct sysargs a)
{
	return rw_buffer(
		t, arg_int(a, 0), arg_addr(a, 1), arg_size(a, 2), NULL, false);
}

long sys_write(struct task *t, struct sysargs a)
{
	return rw_buffer(
		t, arg_int(a, 0), arg_addr(a, 1), arg_size(a, 2), NULL, true);
}

long sys_pread64(struct task *t, struct sysargs a)
{
	int64_t pos = arg_i64(a, 3);

	if (pos < 0)
		return -EINVAL;
	return rw_buffer(
		t, arg_int(a, 0), arg_addr(a, 1), arg_size(a, 2), &pos, false);
}

long sys_pwrite64(struct task *t, struct sysargs a)
{
	int64_t pos = arg_i64(a, 3);

	if (pos < 0)
		return -EINVAL;
	return rw_buffer(
		t, arg_int(a, 0), arg_addr(a, 1), arg_size(a, 2), &pos, true);
}

long sys_readv(struct task *t, struct sysargs a)
{
	return rw_vector(t, arg_int(a, 0), arg_addr(a, 1), arg_int(a, 2), NULL,
		0, false);
}

long sys_writev(struct task *t, struct sysargs a)
{
	return rw_vector(
		t, arg_int(a, 0), arg_addr(a, 1), arg_int(a, 2), NULL, 0, true);
}

/* The upper half of the position, argument 4, is empty on 64-bit machines. */
static long rw_vector_at(
	struct task *t, struct sysargs a, int flags, bool write)
{
	int64_t pos = arg_i64(a, 3);

	if (pos < 0)
		return -EINVAL;
	return rw_vector(t, arg_int(a, 0), arg_addr(a, 1), arg_int(a, 2), &pos,
		flags, write);
}

long sys_preadv(struct task *t, struct sysargs a)
{
	return rw_vector_at(t, a, 0, false);
}

long sys_pwritev(struct task *t, struct sysargs a)
{
	return rw_vector_at(t, a, 0, true);
}

long sys_preadv2(struct task *t, struct sysargs a)
{
	if (arg_i64(a, 3) == -1)
		return rw_vector(t, arg_int(a, 0), arg_addr(a, 1),
			arg_int(a, 2), NULL, arg_int(a, 5), false);
	return rw_vector_at(t, a, arg_int(a, 5), false);
}

long sys_pwritev2(struct task *t, struct sysargs a)
{
	if (arg_i64(a, 3) == -1)
		return rw_vector(t, arg_int(a, 0), arg_addr(a, 1),
			arg_int(a, 2), NULL, arg_int(a, 5), true);
	return rw_vector_at(t, a, arg_int(a, 5), true);
}

long sys_lseek(struct task *t, struct sysargs a)
{
	struct fdref r = fd_borrow(t, arg_int(a, 0));
	long ret;

	if (!r.f)
		return -EBADF;
	ret = vfs_seek(r.f, arg_i64(a, 1), arg_int(a, 2));
	fd_done(&r);
	return ret;
}

static long do_fsync(struct task *t, int fd, bool datasync)
{
	struct fdref r = fd_borrow(t, fd);
	long ret;

	if (!r.f)
		return -EBADF;
	ret = vfs_fsync(r.f, datasync);
	fd_done(&r);
	return ret;
}

long sys_fsync(struct task *t, struct sysargs a)
{
	return do_fsync(t, arg_int(a, 0), false);
}

long sys_fdatasync(struct task *t, struct sysargs a)
{
	return do_fsync(t, arg_int(a, 0), true);
}

long sys_sync_file_range(struct task *t, struct sysargs a)
{
	int64_t off = arg_i64(a, 1), len = arg_i64(a, 2), end;
	struct fdref r;
	mode_t mode;
	long ret;

	if (arg_uint(a, 3) & ~7u || off < 0 || len < 0 ||
		__builtin_add_overflow(off, len, &end))
		return -EINVAL;
	r = fd_borrow(t, arg_int(a, 0));
	if (!r.f)
		return -EBADF;
	mode = r.f->inode->mode;
	if (!S_ISREG(mode) && !S_ISDIR(mode) && !S_ISBLK(mode) &&
		!S_ISLNK(mode))
		ret = -ESPIPE;
	else
		ret = r.f->ops->fsync ? r.f->ops->fsync(r.f, true) : 0;
	fd_done(&r);
	return ret;
}

long sys_fallocate(struct task *t, struct sysargs a)
{
	struct fdref r = fd_borrow(t, arg_int(a, 0));
	long ret;

	if (!r.f)
		return -EBADF;
	ret = vfs_fallocate(r.f, arg_int(a, 1), arg_i64(a, 2), arg_i64(a, 3));
	fd_done(&r);
	return ret;
}

/* Advice: what is cached is so already, the host reads ahead by itself. */
long sys_readahead(struct task *t, struct sysargs a)
{
	struct fdref r = fd_borrow(t, arg_int(a, 0));
	long ret = 0;

	if (!r.f)
		return -EBADF;
	if (!file_readable(r.f))
		ret = -EBADF;
	else if (!S_ISREG(r.f->inode->mode))
		ret = -EINVAL;
	fd_done(&r);
	return ret;
}

long sys_fadvise64(struct task *t, struct sysargs a)
{
	struct fdref r = fd_borrow(t, arg_int(a, 0));
	unsigned advice = arg_uint(a, 3);
	long ret = 0;

	if (!r.f)
		return -EBADF;
	if (S_ISFIFO(r.f->inode->mode))
		ret = -ESPIPE;
	else if (arg_i64(a, 2) < 0 || advice > POSIX_FADV_NOREUSE)
		ret = -EINVAL;
	fd_done(&r);
	return ret;
}

long sys_sendfile(struct task *t, struct sysargs a)
{
	uaddr_t upos = arg_addr(a, 2);
	int64_t pos = 0;
	long ret;

	if (!uaddr_null(upos)) {
		ret = copyin(t, &pos, upos, sizeof pos);
		if (ret)
			return ret;
	}
	ret = vfs_sendfile(t, arg_int(a, 0), arg_int(a, 1),
		uaddr_null(upos) ? NULL : &pos, arg_size(a, 3));
	if (!uaddr_null(upos) && copyout(t, upos, &pos, sizeof pos))
		return -EFAULT;
	return ret;
}

/* Two optional positions in guest memory. */
struct two_pos {
	uaddr_t u[2];
	int64_t v[2];
	int64_t *p[2]; /* NULL: not given */
};

static int two_pos_in(
	struct task *t, struct two_pos *p, uaddr_t in, uaddr_t out)
{
	p->u[0] = in;
	p->u[1] = out;
	for (int i = 0; i < 2; i++) {
		p->p[i] = uaddr_null(p->u[i]) ? NULL : &p->v[i];
		if (p->p[i] && copyin(t, p->p[i], p->u[i], 8))
			return -EFAULT;
	}
	return 0;
}

static long two_pos_out(struct task *t, struct two_pos *p, long ret)
{
	for (int i = 0; ret > 0 && i < 2; i++)
		if (p->p[i] && copyout(t, p->u[i], p->p[i], 8))
			return -EFAULT;
	return ret;
}

long sys_splice(struct task *t, struct sysargs a)
{
	struct two_pos p;
	int err;

	if (!arg_size(a, 4))
		return 0;
	if (arg_uint(a, 5) & ~SPLICE_FLAGS)
		return -EINVAL;
	err = two_pos_in(t, &p, arg_addr(a, 1), arg_addr(a, 3));
	if (err)
		return err;
	return two_pos_out(t, &p,
		vfs_splice(t, arg_int(a, 0), p.p[0], arg_int(a, 2), p.p[1],
			arg_size(a, 4), arg_uint(a, 5)));
}

long sys_tee(struct task *t, struct sysargs a)
{
	if (arg_uint(a, 3) & ~SPLICE_FLAGS)
		return -EINVAL;
	if (!arg_size(a, 2))
		return 0;
	return vfs_tee(t, arg_int(a, 0), arg_int(a, 1), arg_size(a, 2),
		arg_uint(a, 3));
}

long sys_vmsplice(struct task *t, struct sysargs a)
{
	unsigned flags = arg_uint(a, 3);
	struct uio_seg *seg = NULL;
	struct fdref r;
	struct uio u;
	size_t total;
	long ret;

	if (flags & ~SPLICE_FLAGS)
		return -EINVAL;
	r = fd_borrow(t, arg_int(a, 0));
	if (!r.f)
		return -EBADF;
	ret = copyin_iovec(t, arg_addr(a, 1), arg_int(a, 2), &seg, &total);
	if (!ret) {
		uio_init(&u, &uio_user, t->mm, seg, (size_t)arg_int(a, 2),
			!file_writable(r.f));
		ret = vfs_vmsplice(t, r.f, &u, flags);
	}
	free(seg);
	fd_done(&r);
	return ret;
}

long sys_copy_file_range(struct task *t, struct sysargs a)
{
	struct two_pos p;
	int err;

	if (arg_uint(a, 5))
		return -EINVAL;
	err = two_pos_in(t, &p, arg_addr(a, 1), arg_addr(a, 3));
	if (err)
		return err;
	return two_pos_out(t, &p,
		vfs_copy_range(t, arg_int(a, 0), p.p[0], arg_int(a, 2), p.p[1],
			arg_size(a, 4)));
}
