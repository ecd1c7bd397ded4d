/*
 * waitq.h - "tell me when it may be worth looking again".
 *
 * A wakeup is a hint, never a promise: the waiter re-tests its condition under
 * the object's own lock.  Register first, test second, block third; in that
 * order no wakeup between the test and the block can be lost:
 *
 *	waiter				waker
 *	waitq_add()			make the condition true (object lock)
 *	test: false			waitq_wake()
 *	park_wait()  <- returns at once when waitq_wake() saw the entry;
 *			when it did not, the test came after the change
 *
 * waitq_wake() of a queue without waiters is one load, so the change must be
 * globally visible before it: made under a mutex, or by an atomic
 * read-modify-write.
 *
 * A callback runs under lc_waitq: it may set a bit and wake one park, and
 * nothing else.  Epoll, whose wake-ups nest, propagates from after(), once the
 * lock is dropped: wake() takes a reference that after() gives back.  While an
 * after() is due, wake() is not called again; the events add up.
 */
#pragma once

#include <stdbool.h>

#include "core/list.h"
#include "core/lock.h"
#include "core/thread.h"

struct waiter {
	struct list link;		/* GUARDED_BY lc_waitq of its queue */
	unsigned events;		/* I: EPOLLIN... this waiter cares about; 0: all */
	bool exclusive;			/* I: stop waking after the first exclusive one */
	bool (*wake)(struct waiter *w, unsigned events); /* NULL: park_wake(park);
					 * false: "not for me, try the next exclusive" */
	void (*after)(struct waiter *w, unsigned events); /* NULL; else called once the
					 * lock is dropped; @w must outlive it (epoll refs) */
	struct park *park;		/* I */
	struct waiter *due_next;	/* these two: GUARDED_BY lc_waitq */
	unsigned due;			/* events that after() has yet to be told */
};

struct waitq {
	struct mutex lock;
	struct list waiters GUARDED_BY(lc_waitq);
	atomic_int n;			/* a: entries; lets waitq_wake() skip the lock */
};

void waitq_init(struct waitq *q);
/* @w lives until waitq_remove() has returned. */
void waitq_add(struct waitq *q, struct waiter *w, unsigned events) EXCLUDES(lc_waitq);
void waitq_remove(struct waitq *q, struct waiter *w) EXCLUDES(lc_waitq);
/* Wakes all whose events intersect @events (all non-exclusive, one exclusive). */
void waitq_wake(struct waitq *q, unsigned events) EXCLUDES(lc_waitq);
