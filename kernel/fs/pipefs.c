/*
 * pipefs.c - pipes and FIFOs.
 *
 * A pipe is a ring of pages shared by the files of its two ends; "readers" and
 * "writers" count open ends and decide EOF and EPIPE.  Pages are frames of the
 * memory file (charged to the guest), allocated as bytes arrive and given back
 * as they are read, but for one that waits for the next write.  pipe(7) is the
 * contract: a write of at most a page is atomic because it needs one slot.
 */
#include "kernel/fs/pipefs.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "core/waitq.h"
#include "kernel/fs/anon.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "platform/phys.h"

#define PIPE_SLOTS 16
#define PIPE_MAX   (1U << 20) /* fs.pipe-max-size */
#define POLL_READ  (EPOLLIN | EPOLLRDNORM)
#define POLL_WRITE (EPOLLOUT | EPOLLWRNORM)

struct pipe_slot {
	paddr_t page;
	unsigned off, len;
	bool packet; /* O_DIRECT: never merged, read as one */
};

struct pipe {
	struct mutex lock;
	struct pipe_slot *ring GUARDED_BY(lc_pipe);
	unsigned nslots GUARDED_BY(lc_pipe); /* a power of two */
	unsigned head, used GUARDED_BY(lc_pipe);
	paddr_t spare GUARDED_BY(lc_pipe); /* PADDR_NONE: none */
	int readers, writers GUARDED_BY(lc_pipe);
	/* Opens so far: what an open of a FIFO waits for. */
	unsigned ropens, wopens GUARDED_BY(lc_pipe);
	struct waitq waitq;
};
LOCK_OPS(pipe, struct pipe, lock)

struct pipe_file {
	struct file f;
	struct pipe *pipe; /* I */
	/* I: wopens at a non-blocking open for reading: no hang-up before */
	unsigned wseen;
};

static const struct file_ops pipe_ops;

static struct pipe_file *pipe_file_of(struct file *f)
{
	return container_of(f, struct pipe_file, f);
}

bool file_is_pipe(const struct file *f)
{
	return f->ops == &pipe_ops;
}

static struct pipe *pipe_new(void)
{
	struct pipe *p = malloc(sizeof *p);
	struct pipe_slot *ring = calloc(PIPE_SLOTS, sizeof *ring);

	if (!p || !ring) {
		free(p);
		free(ring);
		return NULL;
	}
	*p = (struct pipe){
		.ring = ring, .nslots = PIPE_SLOTS, .spare = PADDR_NONE
	};
	mutex_init(&p->lock, &lc_pipe);
	waitq_init(&p->waitq);
	return p;
}

HOLDS(lc_pipe)
static struct pipe_slot *pipe_slot(struct pipe *p, unsigned i)
{
	return &p->ring[(p->head + i) & (p->nslots - 1)];
}

HOLDS(lc_pipe)
static void pipe_page_free(struct pipe *p, paddr_t page)
{
	if (p->spare == PADDR_NONE)
		p->spare = page;
	else
		frame_put(page);
}

HOLDS(lc_pipe)
static void pipe_drop_head(struct pipe *p)
{
	pipe_page_free(p, pipe_slot(p, 0)->page);
	p->head++;
	p->used--;
}

LOCKS_UNCHECKED /* nobody else knows it any more */
	static void
	pipe_free(struct pipe *p)
{
	while (p->used)
		pipe_drop_head(p);
	if (p->spare != PADDR_NONE)
		frame_put(p->spare);
	free(p->ring);
	free(p);
}

/* Moves bytes of the first @n of slot @s to @to. */
static size_t slot_put(const struct pipe_slot *s, size_t skip, struct uio *to)
{
	const char *data = phys_ptr(s->page);

	return uio_put(to, data + s->off + skip, s->len - skip);
}

HOLDS(lc_pipe)
static size_t pipe_take(struct pipe *p, struct uio *to)
{
	size_t done = 0, n;

	while (p->used && uio_left(to)) {
		struct pipe_slot *s = pipe_slot(p, 0);
		bool packet = s->packet;

		n = slot_put(s, 0, to);
		if (!n && s->len)
			break;
		done += n;
		s->off += n;
		s->len -= n;
		if (!s->len || packet)
			pipe_drop_head(p);
		if (packet)
			break;
	}
	return done;
}

static ssize_t pipe_read(struct file *f, struct uio *to, UNUSED int64_t *pos)
{
	struct pipe *p = pipe_file_of(f)->pipe;
	bool was_full;
	ssize_t ret;

	if (!uio_left(to))
		return 0;
	pipe_lock(p);
	was_full = p->used == p->nslots;
	if (p->used) {
		ret = (ssize_t)pipe_take(p, to);
		if (!ret)
			ret = -EFAULT;
	} else {
		ret = p->writers ? -EAGAIN : 0;
	}
	was_full = was_full && p->used < p->nslots;
	pipe_unlock(p);
	if (was_full)
		waitq_wake(&p->waitq, POLL_WRITE);
	if (ret > 0)
		file_accessed(f);
	return ret;
}

/* Adds to the last page, when all of @n fits there. */
HOLDS(lc_pipe)
static size_t pipe_merge(struct pipe *p, struct uio *from, size_t n)
{
	struct pipe_slot *s;
	size_t got;

	if (!p->used || !n)
		return 0;
	s = pipe_slot(p, p->used - 1);
	if (s->packet || s->off + s->len + n > PAGE_SIZE)
		return 0;
	got = uio_get(from, (char *)phys_ptr(s->page) + s->off + s->len, n);
	s->len += got;
	return got;
}

/* 0, or why no byte of a further page could be written. */
HOLDS(lc_pipe)
static int pipe_append(struct pipe *p, struct uio *from, bool packet)
{
	struct pipe_slot *s;
	size_t got;

	if (p->spare == PADDR_NONE)
		p->spare = frame_alloc();
	if (p->spare == PADDR_NONE)
		return -ENOMEM;
	got = uio_get(from, phys_ptr(p->spare), PAGE_SIZE);
	if (!got)
		return -EFAULT;
	s = pipe_slot(p, p->used++);
	*s = (struct pipe_slot){ p->spare, 0, got, packet };
	p->spare = PADDR_NONE;
	return 0;
}

/* Bytes written, or why there are none. */
HOLDS(lc_pipe)
static ssize_t pipe_fill(struct pipe *p, struct uio *from, bool packet)
{
	size_t want = uio_left(from), tail = want % PAGE_SIZE, got;
	int err = 0;

	if (!packet && tail) {
		got = pipe_merge(p, from, tail);
		if (got && got < tail)
			return (ssize_t)got;
	}
	while (uio_left(from) && !err) {
		if (p->used == p->nslots)
			err = -EAGAIN;
		else
			err = pipe_append(p, from, packet);
	}
	got = want - uio_left(from);
	return got ? (ssize_t)got : err;
}

static ssize_t pipe_write(struct file *f, struct uio *from, UNUSED int64_t *pos)
{
	struct pipe *p = pipe_file_of(f)->pipe;
	ssize_t ret = -EPIPE;

	if (!uio_left(from))
		return 0;
	pipe_lock(p);
	if (p->readers)
		ret = pipe_fill(p, from, atomic_load(&f->flags) & O_DIRECT);
	pipe_unlock(p);
	if (ret > 0) {
		waitq_wake(&p->waitq, POLL_READ);
		inode_touch(f->inode);
	}
	return ret;
}

static unsigned pipe_poll(struct file *f)
{
	struct pipe_file *pf = pipe_file_of(f);
	struct pipe *p = pf->pipe;
	unsigned ev = 0;

	pipe_lock(p);
	if (file_readable(f)) {
		if (p->used)
			ev |= POLL_READ;
		if (!p->writers && p->wopens != pf->wseen)
			ev |= EPOLLHUP;
	}
	if (file_writable(f)) {
		if (p->used < p->nslots)
			ev |= POLL_WRITE;
		if (!p->readers)
			ev |= EPOLLERR;
	}
	pipe_unlock(p);
	return ev;
}

static struct waitq *pipe_waitq(struct file *f)
{
	return &pipe_file_of(f)->pipe->waitq;
}

static long pipe_ioctl(
	struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	struct pipe *p = pipe_file_of(f)->pipe;
	int n = 0;

	if (cmd != FIONREAD)
		return -ENOTTY;
	pipe_lock(p);
	for (unsigned i = 0; i < p->used; i++)
		n += (int)pipe_slot(p, i)->len;
	pipe_unlock(p);
	return copyout(t, uaddr(arg), &n, sizeof n);
}

/* Takes one end away; true when nobody is left. */
static bool pipe_close_end(struct pipe *p, bool r, bool w)
{
	bool last;

	pipe_lock(p);
	p->readers -= r;
	p->writers -= w;
	last = !p->readers && !p->writers;
	pipe_unlock(p);
	return last;
}

/*
 * A FIFO's inode points to its pipe while an end is open.  The count falls
 * and rises from zero under the inode's lock only.
 */
static void pipe_put_end(struct inode *in, struct pipe *p, bool r, bool w)
{
	bool last;

	inode_lock(in);
	last = pipe_close_end(p, r, w);
	if (last && in->fifo == p)
		in->fifo = NULL;
	inode_unlock(in);
	if (last)
		pipe_free(p);
	else
		waitq_wake(&p->waitq,
			POLL_READ | POLL_WRITE | EPOLLERR | EPOLLHUP);
}

static void pipe_release(struct file *f)
{
	struct pipe_file *pf = pipe_file_of(f);

	pipe_put_end(f->inode, pf->pipe, file_readable(f), file_writable(f));
	file_fini(f);
	free(pf);
}

static const struct file_ops pipe_ops = {
	.name = "pipe",
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.waitq = pipe_waitq,
	.ioctl = pipe_ioctl,
	.release = pipe_release,
};

static struct pipe_file *pipe_file_new(struct pipe *p, struct inode *in,
	const struct path *path, int flags, struct cred *cred)
{
	struct pipe_file *pf = malloc(sizeof *pf);

	if (!pf)
		return NULL;
	file_init(&pf->f, &pipe_ops, flags, in, path, cred);
	pf->f.stream = true;
	pf->pipe = p;
	pf->wseen = 0;
	return pf;
}

int pipe_create(struct cred *cred, int flags, struct file **r, struct file **w)
{
	struct pipe_file *rf, *wf;
	struct inode *in;
	struct pipe *p;
	int err = inode_new_anon(S_IFIFO | 0600, cred, &in);

	if (err)
		return err;
	p = pipe_new();
	flags &= O_NONBLOCK | O_DIRECT;
	rf = p ? pipe_file_new(p, in, NULL, O_RDONLY | flags, cred) : NULL;
	wf = rf ? pipe_file_new(p, in, NULL, O_WRONLY | flags, cred) : NULL;
	inode_put(in);
	if (!wf) {
		if (rf) {
			file_fini(&rf->f);
			free(rf);
		}
		if (p)
			pipe_free(p);
		return -ENOMEM;
	}
	in->fifo = p; /* for those who open it again through /proc */
	pipe_lock(p);
	p->readers = p->writers = 1;
	p->ropens = p->wopens = 1;
	pipe_unlock(p);
	*r = &rf->f;
	*w = &wf->f;
	return 0;
}

/* What an opener of one end found of the other kind, at the moment it came. */
struct partner {
	bool there;
	unsigned opens; /* so far */
};

/* The pipe of a FIFO with one more end open; NULL: no memory. */
static struct pipe *fifo_join(
	struct inode *in, bool r, bool w, struct partner *other)
{
	struct pipe *p;

	inode_lock(in);
	if (!in->fifo)
		in->fifo = pipe_new();
	p = in->fifo;
	if (p) {
		pipe_lock(p);
		p->readers += r;
		p->writers += w;
		p->ropens += r;
		p->wopens += w;
		*other = (struct partner){ r ? p->writers : p->readers,
			r ? p->wopens : p->ropens };
		pipe_unlock(p);
	}
	inode_unlock(in);
	return p;
}

/*
 * Waits until an end of the other kind has been opened since we came.  It may
 * be closed again by now: the count of opens tells, not who is there.
 */
static int fifo_wait(
	struct task *t, struct pipe *p, bool for_writer, unsigned first)
{
	struct waiter w;
	unsigned now;
	int err = 0;

	t->wait_what = "open of a fifo";
	waiter_init_task(&w, t);
	waitq_add(&p->waitq, &w, 0);
	for (;;) {
		pipe_lock(p);
		now = for_writer ? p->wopens : p->ropens;
		pipe_unlock(p);
		if (now != first)
			break;
		err = task_block(t, NO_DEADLINE);
		if (err)
			break;
	}
	waitq_remove(&p->waitq, &w);
	return err;
}

static bool fifo_has_reader(struct inode *in)
{
	bool has = false;

	inode_lock(in);
	if (in->fifo) {
		pipe_lock(in->fifo);
		has = in->fifo->readers > 0;
		pipe_unlock(in->fifo);
	}
	inode_unlock(in);
	return has;
}

int fifo_open(struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	int acc = flags & FILE_ACCMODE;
	bool r = acc != O_WRONLY, w = acc != O_RDONLY;
	bool pipe = !in->sb; /* by /proc/PID/fd: Linux waits for nobody */
	bool wait = r != w && !(flags & O_NONBLOCK) && current && !pipe;
	struct pipe_file *pf;
	struct partner other;
	struct pipe *p;
	int err = 0;

	if (!in->sb && in->ops->open) /* a host's pipe */
		return in->ops->open(in, path, flags, cred, out);
	if (acc == FILE_ACCMODE)
		return -EINVAL;
	if (!r && flags & O_NONBLOCK && !pipe && !fifo_has_reader(in))
		return -ENXIO;
	p = fifo_join(in, r, w, &other);
	if (!p)
		return -ENOMEM;
	pf = pipe_file_new(p, in, path, flags, cred);
	if (!pf) {
		pipe_put_end(in, p, r, w);
		return -ENOMEM;
	}
	waitq_wake(&p->waitq, 0);
	if (wait && !other.there)
		err = fifo_wait(current, p, r, other.opens);
	else if (!wait && r && !w && !pipe && !other.there)
		pf->wseen = other.opens;
	if (err) {
		pipe_release(&pf->f);
		return err;
	}
	*out = &pf->f;
	return 0;
}

static long pipe_resize(struct pipe *p, struct task *t, uint64_t arg)
{
	unsigned n = 1, bytes = (unsigned)arg;
	struct pipe_slot *ring, *old;
	long ret;

	if (bytes > 1U << 31)
		return -EINVAL;
	while ((uint64_t)n * PAGE_SIZE < bytes)
		n *= 2;
	ring = NULL;
	pipe_lock(p);
	if (n > p->nslots && (uint64_t)n * PAGE_SIZE > PIPE_MAX &&
		!task_capable(t, CAP_SYS_RESOURCE))
		ret = -EPERM;
	else if (n < p->used)
		ret = -EBUSY;
	else if (!(ring = calloc(n, sizeof *ring)))
		ret = -ENOMEM;
	else
		ret = (long)(n * PAGE_SIZE);
	if (ret > 0) {
		for (unsigned i = 0; i < p->used; i++)
			ring[i] = *pipe_slot(p, i);
		old = p->ring;
		p->ring = ring;
		p->nslots = n;
		p->head = 0;
		ring = old;
	}
	pipe_unlock(p);
	free(ring);
	if (ret > 0)
		waitq_wake(&p->waitq, POLL_WRITE);
	return ret;
}

long pipe_fcntl(struct file *f, struct task *t, int cmd, uint64_t arg)
{
	struct pipe *p;
	long ret;

	if (!file_is_pipe(f))
		return -EBADF;
	p = pipe_file_of(f)->pipe;
	if (cmd == F_SETPIPE_SZ)
		return pipe_resize(p, t, arg);
	pipe_lock(p);
	ret = (long)(p->nslots * PAGE_SIZE);
	pipe_unlock(p);
	return ret;
}

ssize_t pipe_peek(struct file *f, size_t skip, struct uio *to)
{
	struct pipe *p = pipe_file_of(f)->pipe;
	size_t done = 0, n, len;

	pipe_lock(p);
	for (unsigned i = 0; i < p->used && uio_left(to); i++) {
		len = pipe_slot(p, i)->len;
		if (skip >= len) {
			skip -= len;
			continue;
		}
		n = slot_put(pipe_slot(p, i), skip, to);
		done += n;
		if (n < len - skip)
			break;
		skip = 0;
	}
	n = p->used || p->writers;
	pipe_unlock(p);
	return done || !n ? (ssize_t)done : -EAGAIN;
}

void pipe_consume(struct file *f, size_t n)
{
	struct pipe *p = pipe_file_of(f)->pipe;

	pipe_lock(p);
	while (n && p->used) {
		struct pipe_slot *s = pipe_slot(p, 0);
		size_t k = MIN(n, (size_t)s->len);

		s->off += k;
		s->len -= k;
		n -= k;
		if (!s->len)
			pipe_drop_head(p);
	}
	pipe_unlock(p);
	waitq_wake(&p->waitq, POLL_WRITE);
}

size_t pipe_room(struct file *f)
{
	struct pipe *p = pipe_file_of(f)->pipe;
	size_t n;

	pipe_lock(p);
	n = (p->nslots - p->used) * PAGE_SIZE;
	pipe_unlock(p);
	return n;
}
