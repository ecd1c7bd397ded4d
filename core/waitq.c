/*
 * waitq.c - wait queues.
 *
 * Exclusive waiters stand behind all others, so that a wake-up may stop at the
 * first of them that accepts it.
 */
#include "core/waitq.h"

#include <stddef.h>

#define BATCH 16

LOCK_OPS(waitq, struct waitq, lock)

void waitq_init(struct waitq *q)
{
	mutex_init(&q->lock, &lc_waitq);
	waitq_lock(q);
	list_init(&q->waiters);
	waitq_unlock(q);
	atomic_init(&q->n, 0);
}

void waitq_add(struct waitq *q, struct waiter *w, unsigned events)
{
	w->events = events;
	w->due = 0;
	waitq_lock(q);
	if (w->exclusive)
		list_add_tail(&q->waiters, &w->link);
	else
		list_add(&q->waiters, &w->link);
	/* Pairs with the load in waitq_wake(): the caller tests after this. */
	atomic_fetch_add(&q->n, 1);
	waitq_unlock(q);
}

void waitq_remove(struct waitq *q, struct waiter *w)
{
	waitq_lock(q);
	if (!list_empty(&w->link)) {
		list_del(&w->link);
		atomic_fetch_sub(&q->n, 1);
	}
	waitq_unlock(q);
}

/* Tells one waiter; true when it took the event. */
static bool waiter_wake(struct waiter *w, unsigned events)
{
	if (w->wake)
		return w->wake(w, events);
	park_wake(w->park);
	return true;
}

/* Wakes under the lock; returns the chain of waiters whose after() is due. */
HOLDS(lc_waitq)
static struct waiter *wake_all(struct waitq *q, unsigned events)
{
	struct waiter *w, *due = NULL;

	list_for_each (w, &q->waiters, link) {
		if (w->events && !(w->events & events))
			continue;
		if (w->due) {
			w->due |= events;
		} else {
			if (!waiter_wake(w, events))
				continue;
			if (w->after) {
				w->due = events;
				w->due_next = due;
				due = w;
			}
		}
		if (w->exclusive)
			break;
	}
	return due;
}

struct due_batch {
	struct waiter *w[BATCH];
	unsigned events[BATCH];
	size_t n;
};

/* Moves waiters from the chain into @b; afterwards they may become due again.
 */
HOLDS(lc_waitq)
static struct waiter *due_take(struct waiter *due, struct due_batch *b)
{
	for (b->n = 0; due && b->n < BATCH; due = due->due_next) {
		b->w[b->n] = due;
		b->events[b->n++] = due->due;
		due->due = 0;
	}
	return due;
}

static void due_run(const struct due_batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		b->w[i]->after(b->w[i], b->events[i]);
}

/* Of its own, because the compiler clears @b on entry. */
__attribute__((noinline)) static void wake_waiters(
	struct waitq *q, unsigned events)
{
	struct due_batch b;
	struct waiter *due;

	waitq_lock(q);
	due = wake_all(q, events);
	due = due_take(due, &b);
	waitq_unlock(q);
	due_run(&b);
	while (unlikely(due)) {
		waitq_lock(q);
		due = due_take(due, &b);
		waitq_unlock(q);
		due_run(&b);
	}
}

void waitq_wake(struct waitq *q, unsigned events)
{
	/* No events means all: an after() is due as long as its are not 0. */
	if (atomic_load(&q->n))
		wake_waiters(q, events ? events : ~0u);
}
