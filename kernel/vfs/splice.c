/*
 * splice.c - from one open file to another, through a kernel buffer.
 *
 * Bytes are never lost: from a pipe they are looked at first (pipe_peek) and
 * taken out once the other side has them; a file's position moves by what was
 * written.  What blocks is one side at a time, in vfs_read's and vfs_write's
 * loop or, for a pipe to be read, in wait_pipe().
 */
#include "kernel/vfs/splice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "kernel/fs/pipefs.h"
#include "kernel/task/task.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"

#define CHUNK 65536u

/* One call: both ends, and the buffer between them. */
struct transfer {
	struct task *t;
	struct file *in, *out;
	int64_t *inpos, *outpos; /* NULL: the file's own */
	unsigned flags;          /* SPLICE_F_ */
	char *buf;
};

static int transfer_begin(struct transfer *x, int in, int out)
{
	x->in = fd_lookup(x->t, in);
	x->out = fd_lookup(x->t, out);
	x->buf = malloc(CHUNK);
	if (!x->in || !x->out)
		return -EBADF;
	if (!file_readable(x->in) || !file_writable(x->out))
		return -EBADF;
	return x->buf ? 0 : -ENOMEM;
}

static void transfer_end(struct transfer *x)
{
	file_put(x->in);
	file_put(x->out);
	free(x->buf);
}

static ssize_t write_out(struct transfer *x, const char *p, size_t n)
{
	struct uio_seg seg;
	struct uio u;

	uio_kernel(&u, &seg, (void *)(uintptr_t)p, n, false);
	if (x->flags & SPLICE_NONBLOCK && file_is_pipe(x->out))
		u.rwf = SPLICE_RWF_NOWAIT;
	return vfs_write(x->t, x->out, &u, x->outpos);
}

static ssize_t read_in(struct transfer *x, size_t n)
{
	struct uio_seg seg;
	struct uio u;

	uio_kernel(&u, &seg, x->buf, n, true);
	return vfs_read(x->t, x->in, &u, x->inpos);
}

/* Waits until the pipe @f has bytes: 1, 0 at its end, or -errno. */
static int wait_pipe(struct transfer *x, struct file *f, size_t skip)
{
	bool nonblock = x->flags & SPLICE_NONBLOCK ||
			atomic_load(&f->flags) & O_NONBLOCK;
	struct waiter w;
	int err;

	waiter_init_task(&w, x->t);
	waitq_add(file_waitq(f), &w, EPOLLIN | EPOLLHUP);
	for (;;) {
		struct uio_seg seg;
		struct uio u;
		ssize_t n;
		char c;

		uio_kernel(&u, &seg, &c, 1, true);
		n = pipe_peek(f, skip, &u);
		err = n > 0 ? 1 : (int)n;
		if (err != -EAGAIN || nonblock)
			break;
		err = task_block(x->t, NO_DEADLINE);
		if (err)
			break;
	}
	waitq_remove(file_waitq(f), &w);
	return err;
}

/* Out of a pipe: only what the other side took is taken out. */
static ssize_t from_pipe(struct transfer *x, size_t n)
{
	struct uio_seg seg;
	struct uio u;
	ssize_t got, put;
	int err = wait_pipe(x, x->in, 0);

	if (err <= 0)
		return err;
	if (file_is_pipe(x->out)) {
		size_t room = pipe_room(x->out);

		if (room) /* else the write waits for a page */
			n = MIN(n, room);
	}
	uio_kernel(&u, &seg, x->buf, MIN(n, CHUNK), true);
	got = pipe_peek(x->in, 0, &u);
	if (got <= 0)
		return got;
	put = write_out(x, x->buf, (size_t)got);
	if (put > 0)
		pipe_consume(x->in, (size_t)put);
	return put;
}

/* Out of a seekable file: the position goes back over what was not taken. */
static ssize_t from_file(struct transfer *x, size_t n)
{
	int64_t own = 0, *pos = x->inpos;
	ssize_t got, put;

	if (!pos) {
		own = vfs_seek(x->in, 0, SEEK_CUR);
		if (own < 0)
			return own;
		x->inpos = &own;
	}
	got = read_in(x, MIN(n, CHUNK));
	put = got > 0 ? write_out(x, x->buf, (size_t)got) : got;
	if (got > 0)
		*x->inpos -= got - MAX(put, 0);
	if (!pos) {
		int64_t to = put > 0 ? vfs_seek(x->in, own, SEEK_SET) : 0;

		x->inpos = NULL;
		if (to < 0)
			return to;
	}
	return put;
}

/* Out of another stream: all of what was read is written, or as much as can be.
 */
static ssize_t from_stream(struct transfer *x, size_t n)
{
	ssize_t got = read_in(x, MIN(n, CHUNK));

	return got > 0 ? write_out(x, x->buf, (size_t)got) : got;
}

static ssize_t transfer_some(struct transfer *x, size_t n)
{
	if (file_is_pipe(x->in))
		return from_pipe(x, n);
	return x->in->stream ? from_stream(x, n) : from_file(x, n);
}

/* Until @n bytes are moved, the input ends, or something stops it. */
static long transfer_all(struct transfer *x, size_t n)
{
	size_t done = 0;

	n = MIN(n, (size_t)RW_MAX);
	while (done < n) {
		ssize_t ret = transfer_some(x, n - done);

		if (ret < 0)
			return done ? (long)done : ret;
		if (ret == 0)
			break;
		done += (size_t)ret;
		if (signal_waits(x->t))
			break;
	}
	return (long)done;
}

long vfs_sendfile(struct task *t, int out, int in, int64_t *pos, size_t n)
{
	struct transfer x = { .t = t, .inpos = pos };
	long ret;

	ret = transfer_begin(&x, in, out);
	if (!ret && pos && *pos < 0)
		ret = -EINVAL;
	if (!ret && (x.in->stream || !x.in->ops->read))
		ret = pos ? -ESPIPE : -EINVAL;
	if (!ret && atomic_load(&x.out->flags) & O_APPEND)
		ret = -EINVAL;
	if (!ret)
		ret = transfer_all(&x, n);
	transfer_end(&x);
	return ret;
}

static int splice_check(const struct transfer *x)
{
	bool pin = file_is_pipe(x->in), pout = file_is_pipe(x->out);

	if (pin && x->inpos)
		return -ESPIPE;
	if (pout && x->outpos)
		return -ESPIPE;
	if (!pin && !pout)
		return -EINVAL;
	if (pin && pout && x->in->inode == x->out->inode)
		return -EINVAL;
	if ((!pin && x->in->stream && x->inpos) ||
		(!pout && x->out->stream && x->outpos))
		return -EINVAL;
	if (!pout && atomic_load(&x->out->flags) & O_APPEND)
		return -EINVAL;
	if ((x->inpos && *x->inpos < 0) || (x->outpos && *x->outpos < 0))
		return -EINVAL;
	if (!x->in->ops->read || !x->out->ops->write)
		return -EINVAL;
	return 0;
}

/* Into a pipe no more than fits is read, for nothing can be put back. */
static long splice_into_pipe(struct transfer *x, size_t n)
{
	size_t room = pipe_room(x->out);

	if (!room) {
		if (x->flags & SPLICE_NONBLOCK ||
			atomic_load(&x->out->flags) & O_NONBLOCK)
			return -EAGAIN;
		room = 4096; /* the write waits for one page */
	}
	return transfer_some(x, MIN(n, room));
}

long vfs_splice(struct task *t, int in, int64_t *inpos, int out,
	int64_t *outpos, size_t n, unsigned flags)
{
	struct transfer x = {
		.t = t,
		.inpos = inpos,
		.outpos = outpos,
		.flags = flags,
	};
	long ret = transfer_begin(&x, in, out);

	if (!ret)
		ret = splice_check(&x);
	if (!ret) {
		n = MIN(n, (size_t)RW_MAX);
		ret = file_is_pipe(x.out) && !file_is_pipe(x.in)
			      ? splice_into_pipe(&x, n)
			      : transfer_some(&x, n);
	}
	transfer_end(&x);
	return ret;
}

long vfs_tee(struct task *t, int in, int out, size_t n, unsigned flags)
{
	struct transfer x = { .t = t, .flags = flags };
	long ret = transfer_begin(&x, in, out);
	struct uio_seg seg;
	struct uio u;
	size_t room;

	if (!ret && (!file_is_pipe(x.in) || !file_is_pipe(x.out) ||
			    x.in->inode == x.out->inode))
		ret = -EINVAL;
	if (!ret)
		ret = wait_pipe(&x, x.in, 0);
	if (ret > 0) {
		room = pipe_room(x.out);
		n = MIN(n, room ? room : 4096);
		n = MIN(n, CHUNK);
		uio_kernel(&u, &seg, x.buf, n, true);
		ret = pipe_peek(x.in, 0, &u);
		if (ret > 0)
			ret = write_out(&x, x.buf, (size_t)ret);
	}
	transfer_end(&x);
	return ret;
}

/* Into a pipe goes what fits; only for the first byte is it worth waiting. */
long vfs_vmsplice(struct task *t, struct file *f, struct uio *u, unsigned flags)
{
	if (!uio_left(u))
		return 0;
	if (!file_is_pipe(f))
		return -EBADF;
	u->rwf = flags & SPLICE_NONBLOCK ? SPLICE_RWF_NOWAIT : SPLICE_RWF_SOME;
	return file_writable(f) ? vfs_write(t, f, u, NULL)
				: vfs_read(t, f, u, NULL);
}

static int copy_check(const struct transfer *x, size_t n)
{
	const struct inode *in = x->in->inode, *out = x->out->inode;
	int64_t a, b;

	if (S_ISDIR(in->mode) || S_ISDIR(out->mode))
		return -EISDIR;
	if (!S_ISREG(in->mode) || !S_ISREG(out->mode))
		return -EINVAL;
	if (atomic_load(&x->out->flags) & O_APPEND)
		return -EBADF;
	if ((x->inpos && *x->inpos < 0) || (x->outpos && *x->outpos < 0))
		return -EINVAL;
	a = x->inpos ? *x->inpos : vfs_seek(x->in, 0, SEEK_CUR);
	b = x->outpos ? *x->outpos : vfs_seek(x->out, 0, SEEK_CUR);
	n = MIN(n, (size_t)RW_MAX);
	if (in == out && a < b + (int64_t)n && b < a + (int64_t)n)
		return -EINVAL;
	return 0;
}

long vfs_copy_range(struct task *t, int in, int64_t *inpos, int out,
	int64_t *outpos, size_t n)
{
	struct transfer x = { .t = t, .inpos = inpos, .outpos = outpos };
	long ret = transfer_begin(&x, in, out);

	if (!ret)
		ret = copy_check(&x, n);
	if (!ret)
		ret = transfer_all(&x, n);
	transfer_end(&x);
	return ret;
}
