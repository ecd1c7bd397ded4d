/*
 * futex_int.h - what futex.c and futex_pi.c share.
 *
 * Unlettered fields of a waiter are guarded by its bucket's lock while it is
 * queued, and belong to the waiting task before and after.
 */
#pragma once

#include <stdatomic.h>

#include "core/list.h"
#include "core/lock.h"
#include "kernel/task/futex.h"

struct mm;

struct futex_key {
	struct mm *mm;			/* NULL: shared */
	uint64_t addr;			/* guest address, or physical */
};

struct futex_waiter {
	struct list link;
	struct futex_key key;
	uint32_t bitset;
	bool pi;			/* waits for a lock with an owner: handed over, not woken */
	uint64_t pi_addr;		/* then: the lock's address in the task's memory */
	const struct futex_key *requeue_to;	/* FUTEX_WAIT_REQUEUE_PI: the lock it is to be moved to */
	struct task *task;
	int prio;			/* real-time priority when it was queued, or 0 */
	struct bucket *_Atomic bucket;	/* moves by requeue */
	atomic_bool woken;
};

struct bucket {
	struct mutex lock;
	struct list waiters GUARDED_BY(lc_fbucket);
	atomic_int n;			/* a: lets a wake-up skip the lock */
};
LOCK_OPS(fbucket, struct bucket, lock)

#define FUTEX_NBUCKETS 256
extern struct bucket futex_buckets[FUTEX_NBUCKETS];

struct bucket *futex_bucket(const struct futex_key *k);
void futex_lock_two(struct bucket *a, struct bucket *b) ACQUIRES(lc_fbucket);
void futex_unlock_two(struct bucket *a, struct bucket *b) RELEASES(lc_fbucket);
/* The key of @addr; released with futex_key_put(). */
int futex_key_get(struct task *t, uint64_t addr, bool shared, struct futex_key *k) MUST_CHECK;
/* The keys of @f's two words, both or none. */
int futex_keys_get(struct task *t, const struct futex_op *f, struct futex_key *a, struct futex_key *b) MUST_CHECK;
void futex_key_put(struct futex_key *k);
bool futex_key_equal(const struct futex_key *a, const struct futex_key *b);

/* Behind those of its priority and above: real-time tasks come first. */
void futex_queue(struct bucket *b, struct futex_waiter *w);
/* Queues @w if the word at @addr still is @val; -EAGAIN when it is not. */
int futex_queue_if(struct task *t, struct futex_waiter *w, uint64_t addr, uint32_t val) MUST_CHECK;
/* To another key, whose frame reference is the caller's; takes one for @w.  Both buckets are locked. */
void futex_move(struct bucket *bf, struct futex_waiter *w, struct bucket *bt, const struct futex_key *to);
void futex_wake_waiter(struct bucket *b, struct futex_waiter *w);
/* Takes @w off its queue.  True when it had been woken already. */
bool futex_unqueue(struct futex_waiter *w);
/* Until it is woken; -ETIMEDOUT, -ERESTARTSYS.  @w is off its queue then. */
int futex_sleep(struct task *t, struct futex_waiter *w, int64_t deadline) MUST_CHECK;

/* futex_pi.c */
long futex_lock_pi(struct task *t, const struct futex_op *f, bool try) MUST_CHECK;
long futex_unlock_pi(struct task *t, const struct futex_op *f) MUST_CHECK;
long futex_wait_requeue_pi(struct task *t, const struct futex_op *f) MUST_CHECK;
long futex_cmp_requeue_pi(struct task *t, const struct futex_op *f) MUST_CHECK;
