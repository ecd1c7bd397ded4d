/*
 * poll.c - waiting for several files at once.
 *
 * Both calls come down to one list of (file, events): a first pass registers a
 * waiter on each queue, then all are asked after every wake-up.
 */
#include "kernel/vfs/poll.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "core/waitq.h"
#include "kernel/task/task.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"

#define FEW 8

struct poll_entry {
	struct fdref ref; /* f NULL: not waited for */
	struct waiter w;
	struct waitq *wq;
	unsigned events;
	unsigned ready;
};

struct poll_list {
	struct poll_entry *e;
	unsigned n;
	struct poll_entry few[FEW];
};

static int poll_list_init(struct poll_list *l, unsigned n)
{
	l->n = n;
	l->e = l->few;
	if (n > FEW)
		l->e = malloc(n * sizeof *l->e);
	if (!l->e)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++)
		l->e[i] = (struct poll_entry){ .ref = { NULL, false } };
	return 0;
}

static void poll_list_fini(struct poll_list *l)
{
	for (unsigned i = 0; i < l->n; i++) {
		struct poll_entry *e = &l->e[i];

		if (e->wq)
			waitq_remove(e->wq, &e->w);
		if (e->ref.f)
			fd_done(&e->ref);
	}
	if (l->e != l->few)
		free(l->e);
}

/* Asks every file; registers first when @t. */
static unsigned poll_pass(struct poll_list *l, struct task *t)
{
	unsigned found = 0;

	for (unsigned i = 0; i < l->n; i++) {
		struct poll_entry *e = &l->e[i];

		if (!e->ref.f)
			continue;
		if (t && !e->wq) {
			waiter_init_task(&e->w, t);
			e->wq = file_waitq(e->ref.f);
			if (e->wq)
				waitq_add(e->wq, &e->w, e->events);
		}
		e->ready = file_poll(e->ref.f) & e->events;
		found += e->ready != 0;
	}
	return found;
}

/* @found: entries that need no file to be ready (closed ones). */
static long poll_run(
	struct task *t, struct poll_list *l, unsigned found, int64_t deadline)
{
	long n = found + poll_pass(l, NULL);

	if (n || !deadline)
		return n;
	for (;;) {
		n = poll_pass(l, t);
		if (n)
			return n;
		n = task_block(t, deadline);
		if (n == -ETIMEDOUT)
			return poll_pass(l, NULL);
		if (n)
			return n;
	}
}

long poll_files(
	struct task *t, struct pollfd *fds, unsigned n, int64_t deadline)
{
	struct poll_list l;
	unsigned bad = 0;
	long ret;

	if (poll_list_init(&l, n))
		return -ENOMEM;
	t->wait_what = "poll";
	for (unsigned i = 0; i < n; i++) {
		fds[i].revents = 0;
		if (fds[i].fd < 0)
			continue;
		l.e[i].ref = fd_borrow(t, fds[i].fd);
		l.e[i].events =
			(unsigned short)fds[i].events | POLLERR | POLLHUP;
		if (!l.e[i].ref.f) {
			fds[i].revents = POLLNVAL;
			bad++;
		}
	}
	ret = poll_run(t, &l, bad, deadline);
	for (unsigned i = 0; i < n; i++)
		if (l.e[i].ref.f)
			fds[i].revents = (short)l.e[i].ready;
	poll_list_fini(&l);
	return ret;
}

#define SEL_IN  (EPOLLRDNORM | EPOLLRDBAND | EPOLLIN | EPOLLHUP | EPOLLERR)
#define SEL_OUT (EPOLLWRBAND | EPOLLWRNORM | EPOLLOUT | EPOLLERR)
#define SEL_EX  EPOLLPRI

static const unsigned select_events[3] = { SEL_IN, SEL_OUT, SEL_EX };

static bool bit_test(const uint64_t *map, int i)
{
	return map && map[i / 64] >> (i % 64) & 1;
}

static unsigned select_asked(uint64_t *const in[3], int fd)
{
	unsigned ev = 0;

	for (int k = 0; k < 3; k++)
		if (bit_test(in[k], fd))
			ev |= select_events[k];
	return ev;
}

static int select_collect(struct task *t, struct poll_list *l, const int *fds,
	uint64_t *const in[3])
{
	for (unsigned i = 0; i < l->n; i++) {
		l->e[i].ref = fd_borrow(t, fds[i]);
		if (!l->e[i].ref.f)
			return -EBADF;
		l->e[i].events = select_asked(in, fds[i]);
	}
	return 0;
}

static long select_store(const struct poll_list *l, const int *fds,
	uint64_t *const in[3], uint64_t *const out[3])
{
	long n = 0;

	for (unsigned i = 0; i < l->n; i++) {
		for (int k = 0; k < 3; k++) {
			if (!bit_test(in[k], fds[i]) ||
				!(l->e[i].ready & select_events[k]))
				continue;
			out[k][fds[i] / 64] |= 1ULL << (fds[i] % 64);
			n++;
		}
	}
	return n;
}

long select_files(struct task *t, int n, uint64_t *const in[3],
	uint64_t *const out[3], int64_t deadline)
{
	struct poll_list l;
	unsigned count = 0;
	long ret;
	int *fds = malloc((size_t)(n ? n : 1) * sizeof *fds);

	if (!fds)
		return -ENOMEM;
	for (int fd = 0; fd < n; fd++)
		if (select_asked(in, fd))
			fds[count++] = fd;
	if (poll_list_init(&l, count)) {
		free(fds);
		return -ENOMEM;
	}
	t->wait_what = "select";
	ret = select_collect(t, &l, fds, in);
	if (!ret)
		ret = poll_run(t, &l, 0, deadline);
	if (ret >= 0)
		ret = select_store(&l, fds, in, out);
	poll_list_fini(&l);
	free(fds);
	return ret;
}
