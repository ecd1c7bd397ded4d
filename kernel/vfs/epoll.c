/*
 * epoll.c - interest lists.
 *
 * Theory of operation
 *
 * A watch ("item") is a waiter on the wait queue of the file that it watches.
 * When the file wakes its queue, the item is put on the ready list of its epoll
 * and those who wait for the epoll are woken, which may be another epoll: that
 * happens after the file's queue has been unlocked (waitq.h, "after").  A wait
 * takes the ready list, asks each file what is ready now, and puts items that
 * stay ready (level-triggered) back at the end.  Everything is O(1) but the
 * tree of (file, fd), O(log n).
 *
 * Locks.  lc_epoll guards the tree and is held while files are polled; an
 * epoll inside another is locked second, and the loop check keeps them in one
 * order.  lc_epready guards the ready list: wakers take it with any other
 * lock held.  lc_epfile guards the lists of watches of all files.
 *
 * Lifetime.  An item has a reference from the tree and one from each wake-up
 * on its way; it holds its epoll, but not its file: the last file_put() takes
 * the items out before the file goes, and waits for lc_epoll to do so.  So
 * whoever finds an item in the tree under lc_epoll may use its file.
 */
#include "kernel/vfs/epoll.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "core/rbtree.h"
#include "core/str.h"
#include "core/waitq.h"
#include "kernel/fs/anon.h"
#include "kernel/fs/eventfd.h"
#include "kernel/mm/mm.h"
#include "kernel/task/task.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"

#define EP_NESTS     4 /* epolls inside epolls */
#define EP_ITEMS_MAX 1000000
#define EP_PRIVATE   (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)
#define EP_EXCL_OK                                                          \
	(EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | \
		EPOLLEXCLUSIVE)
#define EP_BATCH 64

struct epoll {
	struct ref ref;     /* the file and the items */
	struct rwlock lock; /* only ever taken exclusively */
	struct rb_tree items GUARDED_BY(lc_epoll);
	unsigned nitems GUARDED_BY(lc_epoll);
	struct mutex ready_lock;
	struct list ready GUARDED_BY(lc_epready);
	struct epitem *_Atomic lazy; /* a: ready, see epitem_wake() */
	struct waitq waitq;
	struct file *file; /* I: borrowed: it goes after the last item */
	unsigned gen;      /* lc_epnest: of the last loop check */
	int depth;         /* lc_epnest: what it found */
};
RWLOCK_OPS(epoll, struct epoll, lock)
LOCK_OPS(epready, struct epoll, ready_lock)

struct epoll_file {
	struct file f;
	struct epoll *ep; /* I: reference */
};

struct epitem {
	struct ref ref;
	struct waiter w;
	struct epoll *ep;       /* I: reference */
	struct file *file;      /* I: borrowed; see Lifetime */
	int fd;                 /* I */
	struct waitq *wq;       /* I: NULL: readiness never changes */
	struct rb_node node;    /* lc_epoll */
	struct list file_link;  /* lc_epfile: file->epitems */
	struct list ready_link; /* lc_epready */
	bool gone;              /* lc_epready: never queue it again */
	atomic_bool is_lazy;    /* a: on ep->lazy, which has a reference */
	struct epitem *lazy_next;
	_Atomic uint32_t events; /* a: changes under lc_epoll */
	uint64_t data;           /* lc_epoll */
};

/* Guards file->epitems of every file. */
static struct epfiles {
	struct mutex lock;
} epfiles = { .lock = MUTEX_INIT(epfile) };
LOCK_OPS(epfile, struct epfiles, lock)
/* Serialises changes to which epoll is inside which. */
static struct epnest {
	struct mutex lock;
	unsigned gen;
} epnest = { .lock = MUTEX_INIT(epnest) };
LOCK_OPS(epnest, struct epnest, lock)

static const struct file_ops epoll_ops;

static struct epoll *epoll_of(struct file *f)
{
	return container_of(f, struct epoll_file, f)->ep;
}

static void epoll_put(struct epoll *ep)
{
	if (ref_put(&ep->ref))
		free(ep);
}

static void epitem_put(struct epitem *it)
{
	if (!ref_put(&it->ref))
		return;
	epoll_put(it->ep);
	free(it);
}

/* The lock of an epoll while that of another, which contains it, is held. */
ACQUIRES(lc_epoll)
LOCKS_UNCHECKED static void epoll_lock_inner(struct epoll *ep)
{
	rwlock_write_nested(&ep->lock);
}

/* Puts @it on the ready list, unless it is there. */
static void epitem_queue(struct epitem *it)
{
	struct epoll *ep = it->ep;

	epready_lock(ep);
	if (!it->gone && list_empty(&it->ready_link))
		list_add_tail(&ep->ready, &it->ready_link);
	epready_unlock(ep);
}

/* Notes that @it is ready without taking a lock. */
static void epitem_queue_lazily(struct epitem *it)
{
	struct epitem *head;

	if (atomic_exchange(&it->is_lazy, true))
		return;
	ref_get(&it->ref);
	head = atomic_load(&it->ep->lazy);
	do
		it->lazy_next = head;
	while (!atomic_compare_exchange_weak(&it->ep->lazy, &head, it));
}

/* Moves what epitem_queue_lazily() noted to the ready list. */
static void epoll_collect(struct epoll *ep)
{
	struct epitem *it, *next;

	if (likely(!atomic_load(&ep->lazy)))
		return;
	for (it = atomic_exchange(&ep->lazy, NULL); it; it = next) {
		next = it->lazy_next;
		atomic_store(&it->is_lazy, false);
		epitem_queue(it);
		epitem_put(it);
	}
}

/*
 * Runs under lc_waitq of the file's queue.  An exclusive item takes the wake-up
 * only if somebody waits for its epoll: noted first, then looked, as the
 * one who waits registers first and then looks for what was noted.
 */
static bool epitem_wake(struct waiter *w, unsigned events)
{
	struct epitem *it = container_of(w, struct epitem, w);
	uint32_t want = atomic_load(&it->events);

	if (!(want & ~EP_PRIVATE) || (events && !(events & want)))
		return false;
	if (want & EPOLLEXCLUSIVE) {
		epitem_queue_lazily(it);
		if (!atomic_load(&it->ep->waitq.n))
			return false;
	}
	ref_get(&it->ref);
	return true;
}

static void epitem_after(struct waiter *w, UNUSED unsigned events)
{
	struct epitem *it = container_of(w, struct epitem, w);

	epitem_queue(it);
	waitq_wake(&it->ep->waitq, EPOLLIN | EPOLLRDNORM);
	epitem_put(it);
}

static int epitem_cmp(const struct epitem *it, const struct file *f, int fd)
{
	if (it->file != f)
		return it->file < f ? -1 : 1;
	return it->fd < fd ? -1 : it->fd > fd;
}

/* Finds (f, fd), or where it would hang. */
HOLDS(lc_epoll)
static struct epitem *epitem_find(struct epoll *ep, struct file *f, int fd,
	struct rb_node **parent, struct rb_node ***link)
{
	*link = &ep->items.root;
	*parent = NULL;
	while (**link) {
		struct epitem *it = container_of(**link, struct epitem, node);
		int c = epitem_cmp(it, f, fd);

		if (!c)
			return it;
		*parent = **link;
		*link = &(**link)->child[c < 0];
	}
	return NULL;
}

/* Takes @it out of everything; drops the tree's reference. */
HOLDS(lc_epoll)
static void epitem_remove(struct epitem *it)
{
	struct epoll *ep = it->ep;

	if (it->wq)
		waitq_remove(it->wq, &it->w);
	epfile_lock(&epfiles);
	list_del(&it->file_link);
	atomic_fetch_sub(&it->file->nepitems, 1);
	epfile_unlock(&epfiles);
	epready_lock(ep);
	it->gone = true;
	list_del(&it->ready_link);
	epready_unlock(ep);
	rb_erase(&ep->items, &it->node);
	ep->nitems--;
}

void epoll_file_gone(struct file *f)
{
	struct epitem *it;
	bool mine;

	for (;;) {
		epfile_lock(&epfiles);
		it = list_first(&f->epitems, struct epitem, file_link);
		if (it)
			ref_get(&it->ref);
		epfile_unlock(&epfiles);
		if (!it)
			return;
		epoll_write(it->ep);
		epready_lock(it->ep);
		mine = !it->gone;
		epready_unlock(it->ep);
		if (mine)
			epitem_remove(it);
		epoll_write_done(it->ep);
		if (mine)
			epitem_put(it);
		epitem_put(it);
	}
}

/* What of @it's interest is ready now. */
static uint32_t epitem_poll(struct epitem *it)
{
	return file_poll(it->file) & atomic_load(&it->events) & ~EP_PRIVATE;
}

HOLDS(lc_epready)
static struct epitem *ready_pop(struct list *from)
{
	struct epitem *it = list_first(from, struct epitem, ready_link);

	if (it)
		list_del(&it->ready_link);
	return it;
}

/* Is any watch ready?  Leaves the list as it is, but for stale entries. */
HOLDS(lc_epoll)
static bool epoll_any_ready(struct epoll *ep)
{
	struct epitem *it;

	for (;;) {
		epready_lock(ep);
		it = ready_pop(&ep->ready);
		epready_unlock(ep);
		if (!it)
			return false;
		if (!epitem_poll(it))
			continue;
		epready_lock(ep);
		if (list_empty(&it->ready_link))
			list_add(&ep->ready, &it->ready_link);
		epready_unlock(ep);
		return true;
	}
}

static unsigned epoll_poll(struct file *f)
{
	static _Thread_local int depth;
	struct epoll *ep = epoll_of(f);
	bool any;

	if (depth > EP_NESTS)
		return 0;
	epoll_collect(ep);
	depth++;
	epoll_lock_inner(ep);
	any = epoll_any_ready(ep);
	epoll_write_done(ep);
	depth--;
	return any ? EPOLLIN | EPOLLRDNORM : 0;
}

static struct waitq *epoll_waitq(struct file *f)
{
	return &epoll_of(f)->waitq;
}

static void epoll_fdinfo(struct file *f, struct strbuf *out)
{
	struct epoll *ep = epoll_of(f);
	struct rb_node *n;

	epoll_write(ep);
	for (n = rb_first(&ep->items); n; n = rb_next(n)) {
		struct epitem *it = container_of(n, struct epitem, node);

		sb_printf(out,
			"tfd: %8d events: %8x data: %16llx  pos:%lli "
			"ino:%llx sdev:%x\n",
			it->fd, atomic_load(&it->events),
			(unsigned long long)it->data, 0LL,
			(unsigned long long)it->file->inode->ino, 0);
	}
	epoll_write_done(ep);
}

static void epoll_release(struct file *f)
{
	struct epoll *ep = epoll_of(f);
	struct epitem *it;

	for (;;) {
		epoll_write(ep);
		it = rb_entry(rb_first(&ep->items), struct epitem, node);
		if (it)
			epitem_remove(it);
		epoll_write_done(ep);
		if (!it)
			break;
		epitem_put(it);
	}
	epoll_collect(ep);
	epoll_put(ep);
	file_fini(f);
	free(container_of(f, struct epoll_file, f));
}

static const struct file_ops epoll_ops = {
	.name = "anon_inode:[eventpoll]",
	.seek = anon_seek,
	.poll = epoll_poll,
	.waitq = epoll_waitq,
	.fdinfo = epoll_fdinfo,
	.release = epoll_release,
};

LOCKS_UNCHECKED /* not published yet */
	int
	epoll_open(struct task *t, struct file **out)
{
	struct epoll_file *ef = malloc(sizeof *ef);
	struct epoll *ep = calloc(1, sizeof *ep);
	int err = -ENOMEM;

	if (ef && ep)
		err = anon_file_init(&ef->f, &epoll_ops, O_RDWR, 0600, t->cred);
	if (err) {
		free(ef);
		free(ep);
		return err;
	}
	ref_init(&ep->ref);
	rwlock_init(&ep->lock, &lc_epoll);
	mutex_init(&ep->ready_lock, &lc_epready);
	list_init(&ep->ready);
	waitq_init(&ep->waitq);
	ep->file = &ef->f;
	ef->ep = ep;
	*out = &ef->f;
	return 0;
}

/*
 * How many epolls are below @ep; more than EP_NESTS when @find is among them.
 * An epoll that was reached before is not looked into again.
 */
HOLDS(lc_epnest)
static int epoll_below(struct epoll *ep, const struct epoll *find, int level)
{
	struct rb_node *n;
	int deepest = 0;

	if (ep == find || level > EP_NESTS)
		return EP_NESTS + 1;
	if (ep->gen == epnest.gen)
		return ep->depth;
	epoll_lock_inner(ep);
	for (n = rb_first(&ep->items); n; n = rb_next(n)) {
		struct epitem *it = container_of(n, struct epitem, node);

		if (it->file->ops == &epoll_ops)
			deepest =
				MAX(deepest, 1 + epoll_below(epoll_of(it->file),
							 find, level + 1));
	}
	epoll_write_done(ep);
	ep->gen = epnest.gen;
	ep->depth = deepest;
	return deepest;
}

/* How many epolls are above @ep, which watch it directly or not. */
HOLDS(lc_epnest, lc_epfile)
static int epoll_above(struct epoll *ep, int level)
{
	struct epitem *it;
	int highest = 0;

	if (level > EP_NESTS)
		return level;
	if (ep->gen == epnest.gen)
		return ep->depth;
	list_for_each (it, &ep->file->epitems, file_link)
		highest = MAX(highest, 1 + epoll_above(it->ep, level + 1));
	ep->gen = epnest.gen;
	ep->depth = highest;
	return highest;
}

HOLDS(lc_epnest)
static int epoll_check_loop(struct epoll *ep, struct epoll *inner)
{
	int below, above;

	epnest.gen++;
	below = epoll_below(inner, ep, 0);
	if (below > EP_NESTS)
		return -ELOOP;
	epnest.gen++;
	epfile_lock(&epfiles);
	above = epoll_above(ep, 0);
	epfile_unlock(&epfiles);
	return below + 1 + above > EP_NESTS ? -ELOOP : 0;
}

static struct epitem *epitem_new(struct epoll *ep, struct file *f, int fd,
	const struct epoll_event_abi *ev)
{
	struct epitem *it = calloc(1, sizeof *it);

	if (!it)
		return NULL;
	ref_init(&it->ref);
	ref_get(&ep->ref);
	it->ep = ep;
	it->file = f;
	it->fd = fd;
	it->wq = signalfd_own_waitq(f);
	if (!it->wq)
		it->wq = file_waitq(f);
	it->w = (struct waiter){ .wake = epitem_wake,
		.after = epitem_after,
		.exclusive = ev->events & EPOLLEXCLUSIVE };
	list_init(&it->w.link);
	list_init(&it->file_link);
	list_init(&it->ready_link);
	atomic_init(&it->events, ev->events | EPOLLERR | EPOLLHUP);
	it->data = ev->data;
	return it;
}

/* Queues @it when it is ready already; the caller then wakes the epoll. */
static bool epitem_check(struct epitem *it)
{
	if (!epitem_poll(it))
		return false;
	epitem_queue(it);
	return true;
}

HOLDS(lc_epoll)
static int epoll_add(struct epoll *ep, struct file *f, int fd,
	const struct epoll_event_abi *ev, bool *ready)
{
	struct rb_node *parent, **link;
	struct epitem *it;

	if (epitem_find(ep, f, fd, &parent, &link))
		return -EEXIST;
	if (ep->nitems >= EP_ITEMS_MAX)
		return -ENOSPC;
	it = epitem_new(ep, f, fd, ev);
	if (!it)
		return -ENOMEM;
	rb_link(&it->node, parent, link);
	rb_rebalance(&ep->items, &it->node);
	ep->nitems++;
	epfile_lock(&epfiles);
	list_add_tail(&f->epitems, &it->file_link);
	atomic_fetch_add(&f->nepitems, 1);
	epfile_unlock(&epfiles);
	if (it->wq)
		waitq_add(it->wq, &it->w, 0);
	*ready = epitem_check(it);
	return 0;
}

HOLDS(lc_epoll)
static int epoll_modify(struct epoll *ep, struct file *f, int fd,
	const struct epoll_event_abi *ev, bool *ready)
{
	struct rb_node *parent, **link;
	struct epitem *it = epitem_find(ep, f, fd, &parent, &link);

	if (!it)
		return -ENOENT;
	if (atomic_load(&it->events) & EPOLLEXCLUSIVE)
		return -EINVAL;
	it->data = ev->data;
	atomic_store(&it->events, ev->events | EPOLLERR | EPOLLHUP);
	*ready = epitem_check(it);
	return 0;
}

HOLDS(lc_epoll)
static int epoll_delete(
	struct epoll *ep, struct file *f, int fd, struct epitem **out)
{
	struct rb_node *parent, **link;

	*out = epitem_find(ep, f, fd, &parent, &link);
	if (!*out)
		return -ENOENT;
	epitem_remove(*out);
	return 0;
}

static int epoll_change(struct epoll *ep, int op, int fd, struct file *f,
	const struct epoll_event_abi *ev)
{
	struct epitem *removed = NULL;
	bool ready = false;
	int err;

	epoll_write(ep);
	if (op == EPOLL_CTL_ADD)
		err = epoll_add(ep, f, fd, ev, &ready);
	else if (op == EPOLL_CTL_MOD)
		err = epoll_modify(ep, f, fd, ev, &ready);
	else
		err = epoll_delete(ep, f, fd, &removed);
	epoll_write_done(ep);
	if (removed)
		epitem_put(removed);
	if (ready)
		waitq_wake(&ep->waitq, EPOLLIN | EPOLLRDNORM);
	return err;
}

int epoll_control(struct file *ef, int op, int fd, struct file *target,
	const struct epoll_event_abi *ev)
{
	bool nested = target->ops == &epoll_ops;
	struct epoll *ep;
	int err;

	if (!target->ops->poll)
		return -EPERM;
	if (ef == target || ef->ops != &epoll_ops)
		return -EINVAL;
	if (op != EPOLL_CTL_DEL && ev->events & EPOLLEXCLUSIVE &&
		(op == EPOLL_CTL_MOD || nested || ev->events & ~EP_EXCL_OK))
		return -EINVAL;
	if (op != EPOLL_CTL_ADD && op != EPOLL_CTL_MOD && op != EPOLL_CTL_DEL)
		return -EINVAL;
	ep = epoll_of(ef);
	if (op != EPOLL_CTL_ADD || !nested)
		return epoll_change(ep, op, fd, target, ev);
	epnest_lock(&epnest);
	err = epoll_check_loop(ep, epoll_of(target));
	if (!err)
		err = epoll_change(ep, op, fd, target, ev);
	epnest_unlock(&epnest);
	return err;
}

/* One event of a ready item; puts it back when it stays ready. */
HOLDS(lc_epoll)
static bool epitem_harvest(
	struct epitem *it, struct epoll_event_abi *ev, struct list *again)
{
	uint32_t want = atomic_load(&it->events), got = epitem_poll(it);

	if (!got)
		return false;
	*ev = (struct epoll_event_abi){ got, it->data };
	if (want & EPOLLONESHOT) {
		atomic_store(&it->events, want & EP_PRIVATE);
	} else if (!(want & EPOLLET)) {
		epready_lock(it->ep);
		if (list_empty(&it->ready_link))
			list_add_tail(again, &it->ready_link);
		epready_unlock(it->ep);
	}
	return true;
}

/* Up to @max events that are ready now. */
static int epoll_harvest(struct epoll *ep, struct epoll_event_abi *ev, int max)
{
	struct list again = LIST_INIT(again);
	struct epitem *it;
	bool more;
	int n = 0;

	epoll_collect(ep);
	epoll_write(ep);
	while (n < max) {
		epready_lock(ep);
		it = ready_pop(&ep->ready);
		epready_unlock(ep);
		if (!it)
			break;
		n += epitem_harvest(it, &ev[n], &again);
	}
	epready_lock(ep);
	list_splice_tail(&ep->ready, &again);
	more = !list_empty(&ep->ready);
	epready_unlock(ep);
	epoll_write_done(ep);
	if (more)
		waitq_wake(&ep->waitq, EPOLLIN | EPOLLRDNORM);
	return n;
}

static bool epoll_maybe_ready(struct epoll *ep)
{
	bool any;

	epready_lock(ep);
	any = !list_empty(&ep->ready) || atomic_load(&ep->lazy);
	epready_unlock(ep);
	return any;
}

/* Harvests, or waits until there may be something to harvest. */
static long epoll_wait_kernel(struct task *t, struct epoll *ep,
	struct epoll_event_abi *ev, int max, int64_t deadline)
{
	struct waiter w;
	long n;

	n = epoll_harvest(ep, ev, max);
	if (n || !deadline)
		return n;
	waiter_init_task(&w, t);
	w.exclusive = true;
	t->wait_what = "epoll_wait";
	waitq_add(&ep->waitq, &w, 0);
	for (;;) {
		n = epoll_maybe_ready(ep) ? epoll_harvest(ep, ev, max) : 0;
		if (n)
			break;
		n = task_block(t, deadline);
		if (n)
			break;
	}
	waitq_remove(&ep->waitq, &w);
	if (n == -ETIMEDOUT)
		n = epoll_harvest(ep, ev, max);
	return n;
}

long epoll_wait_events(
	struct task *t, struct file *ef, uint64_t u, int max, int64_t deadline)
{
	struct epoll_event_abi few[EP_BATCH], *ev = few;
	struct epoll *ep;
	unsigned nitems;
	long n;
	int err;

	if (max <= 0 || max > INT32_MAX / (int)sizeof *ev)
		return -EINVAL;
	if (ef->ops != &epoll_ops)
		return -EINVAL;
	ep = epoll_of(ef);
	epoll_write(ep);
	nitems = ep->nitems;
	epoll_write_done(ep);
	if (max > EP_BATCH)
		max = MIN(max, (int)nitems + EP_BATCH);
	if (max > EP_BATCH) {
		ev = malloc((size_t)max * sizeof *ev);
		if (!ev) {
			ev = few;
			max = EP_BATCH;
		}
	}
	n = epoll_wait_kernel(t, ep, ev, max, deadline);
	if (n > 0) {
		err = copyout(t, uaddr(u), ev, (size_t)n * sizeof *ev);
		if (err)
			n = err;
	}
	if (ev != few)
		free(ev);
	return n;
}
