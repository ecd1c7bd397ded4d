/* eventfd.c - a counter to wait on: eventfd(2). */
#include "kernel/fs/eventfd.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "core/str.h"
#include "core/waitq.h"
#include "kernel/fs/anon.h"
#include "kernel/vfs/file.h"

#define COUNT_MAX (UINT64_MAX - 1)

struct eventfd {
	struct file f;
	struct mutex lock;
	uint64_t count GUARDED_BY(lc_evfile);
	bool semaphore; /* I */
	struct waitq waitq;
};
LOCK_OPS(evfile, struct eventfd, lock)

static struct eventfd *eventfd_of(struct file *f)
{
	return container_of(f, struct eventfd, f);
}

static ssize_t eventfd_read(struct file *f, struct uio *to, UNUSED int64_t *pos)
{
	struct eventfd *e = eventfd_of(f);
	ssize_t ret = -EAGAIN;
	uint64_t v;

	if (uio_left(to) < sizeof v)
		return -EINVAL;
	evfile_lock(e);
	if (e->count) {
		v = e->semaphore ? 1 : e->count;
		ret = uio_put(to, &v, sizeof v) == sizeof v ? 8 : -EFAULT;
		if (ret > 0)
			e->count -= v;
	}
	evfile_unlock(e);
	if (ret > 0)
		waitq_wake(&e->waitq, EPOLLOUT | EPOLLWRNORM);
	return ret;
}

static ssize_t eventfd_write(
	struct file *f, struct uio *from, UNUSED int64_t *pos)
{
	struct eventfd *e = eventfd_of(f);
	struct uio at = *from;
	ssize_t ret = -EAGAIN;
	uint64_t v;

	if (uio_left(from) < sizeof v)
		return -EINVAL;
	if (uio_get(&at, &v, sizeof v) < sizeof v)
		return -EFAULT;
	if (v == UINT64_MAX)
		return -EINVAL;
	evfile_lock(e);
	if (v <= COUNT_MAX - e->count) {
		e->count += v;
		ret = sizeof v;
	}
	evfile_unlock(e);
	if (ret < 0)
		return ret;
	*from = at;
	waitq_wake(&e->waitq, EPOLLIN | EPOLLRDNORM);
	return ret;
}

static unsigned eventfd_poll(struct file *f)
{
	struct eventfd *e = eventfd_of(f);
	unsigned ev = 0;

	evfile_lock(e);
	if (e->count)
		ev |= EPOLLIN;
	if (e->count == UINT64_MAX)
		ev |= EPOLLERR;
	if (e->count < COUNT_MAX)
		ev |= EPOLLOUT;
	evfile_unlock(e);
	return ev;
}

static struct waitq *eventfd_waitq(struct file *f)
{
	return &eventfd_of(f)->waitq;
}

static void eventfd_fdinfo(struct file *f, struct strbuf *out)
{
	struct eventfd *e = eventfd_of(f);
	uint64_t n;

	evfile_lock(e);
	n = e->count;
	evfile_unlock(e);
	sb_printf(out, "eventfd-count: %16llx\neventfd-semaphore: %d\n",
		(unsigned long long)n, e->semaphore);
}

static void eventfd_release(struct file *f)
{
	file_fini(f);
	free(eventfd_of(f));
}

static const struct file_ops eventfd_ops = {
	.name = "anon_inode:[eventfd]",
	.seek = anon_seek,
	.read = eventfd_read,
	.write = eventfd_write,
	.poll = eventfd_poll,
	.waitq = eventfd_waitq,
	.fdinfo = eventfd_fdinfo,
	.release = eventfd_release,
};

bool file_is_eventfd(const struct file *f)
{
	return f->ops == &eventfd_ops;
}

void eventfd_signal(struct file *f)
{
	struct eventfd *e = eventfd_of(f);

	evfile_lock(e);
	if (e->count < UINT64_MAX)
		e->count++;
	evfile_unlock(e);
	waitq_wake(&e->waitq, EPOLLIN | EPOLLRDNORM);
}

LOCKS_UNCHECKED /* not published yet */
	int
	eventfd_create(struct cred *cred, unsigned count, bool semaphore,
		int flags, struct file **out)
{
	struct eventfd *e = malloc(sizeof *e);
	int err;

	if (!e)
		return -ENOMEM;
	err = anon_file_init(
		&e->f, &eventfd_ops, O_RDWR | (flags & O_NONBLOCK), 0600, cred);
	if (err) {
		free(e);
		return err;
	}
	mutex_init(&e->lock, &lc_evfile);
	waitq_init(&e->waitq);
	e->count = count;
	e->semaphore = semaphore;
	*out = &e->f;
	return 0;
}
