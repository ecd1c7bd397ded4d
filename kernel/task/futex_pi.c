/*
 * futex_pi.c - futexes with an owner: FUTEX_LOCK_PI and its kin.
 *
 * The word holds the owner's tid, and FUTEX_WAITERS where the owner has to call
 * to unlock.  The kernel keeps the order of the waiters and hands the lock
 * over: it writes the next owner's tid into the word and wakes that one.  An
 * owner that ends hands over too, with FUTEX_OWNER_DIED.
 *
 * FUTEX_WAIT_REQUEUE_PI sleeps on a condition's word until FUTEX_CMP_REQUEUE_PI
 * gives it the lock, or moves it to those who wait for the lock.  Nothing else
 * wakes it.
 *
 * GAP: no priority is passed on to the owner: there are none.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>

#include "kernel/mm/mm.h"
#include "kernel/task/futex_int.h"
#include "kernel/task/task.h"

static atomic_int nwaiters; /* in futex_lock_pi(), or moved to a lock */

HOLDS(lc_fbucket)
static struct futex_waiter *first_pi(
	struct bucket *b, const struct futex_key *k)
{
	struct futex_waiter *w;

	list_for_each (w, &b->waiters, link)
		if (w->pi && futex_key_equal(&w->key, k))
			return w;
	return NULL;
}

/*
 * Tries to take the word for the task @tid, else marks it contended.  1: taken,
 * 0: must wait.
 */
static int pi_try(struct mm *mm, int id, uint64_t addr, bool mark)
{
	uint32_t tid = (uint32_t)id, now, prev;
	int err = user_try_load32(mm, addr, &now);

	while (!err) {
		uint32_t new;

		if ((now & FUTEX_TID_MASK) == tid)
			return -EDEADLK;
		if (!(now & FUTEX_TID_MASK))
			new = tid | (now & (FUTEX_WAITERS | FUTEX_OWNER_DIED));
		else if (mark && !(now & FUTEX_WAITERS))
			new = now | FUTEX_WAITERS;
		else
			return 0;
		err = user_try_cmpxchg32(mm, addr, now, new, &prev);
		if (!err && prev == now) {
			if (!(now & FUTEX_TID_MASK))
				return 1;
			now = new;
		} else {
			now = prev;
		}
	}
	return err;
}

static int pi_fault_in(struct mm *mm, uint64_t addr)
{
	uint32_t v;
	int err = user_load32(mm, addr, &v);

	return err ? err : user_cmpxchg32(mm, addr, v, v, &v);
}

/* -ESRCH: it does not exist.  -EAGAIN: it is about to end, and to hand over. */
static int pi_check_owner(struct task *t, uint64_t addr)
{
	struct task *owner;
	uint32_t now;
	int err = user_load32(t->mm, addr, &now);

	if (err || !(now & FUTEX_TID_MASK))
		return err;
	owner = task_lookup(t->tg->pid_ns, (int)(now & FUTEX_TID_MASK));
	if (!owner)
		return -ESRCH;
	sighand_lock(owner->tg);
	if (owner->gone)
		err = owner->mm ? -EAGAIN : -ESRCH;
	sighand_unlock(owner->tg);
	task_put(owner);
	return err;
}

/* One attempt: 1 is the owner, 0 is queued. */
static int pi_lock_or_queue(
	struct task *t, struct futex_waiter *w, uint64_t addr, bool try)
{
	struct bucket *b = futex_bucket(&w->key);
	int err;

	for (;;) {
		fbucket_lock(b);
		err = pi_try(t->mm, t->tid, addr, !try);
		if (err == 0 && !try)
			futex_queue(b, w);
		fbucket_unlock(b);
		if (err != -EFAULT)
			return err;
		err = pi_fault_in(t->mm, addr);
		if (err)
			return err;
	}
}

/* Waits until the lock is handed over. */
static int pi_wait(
	struct task *t, struct futex_waiter *w, const struct futex_op *f)
{
	int err = pi_check_owner(t, f->addr);

	if (err)
		return futex_unqueue(w) ? 0 : err;
	return futex_sleep(t, w, f->deadline);
}

long futex_lock_pi(struct task *t, const struct futex_op *f, bool try)
{
	struct futex_waiter w = { .bitset = FUTEX_BITSET_MATCH_ANY,
		.pi = true,
		.pi_addr = f->addr,
		.task = t };
	int err;

	err = futex_key_get(t, f->addr, f->shared, &w.key);
	if (err)
		return err;
	atomic_fetch_add(&nwaiters, 1);
	do {
		err = pi_lock_or_queue(t, &w, f->addr, try);
		if (err == 0 && try)
			err = -EWOULDBLOCK;
		else if (err == 0)
			err = pi_wait(t, &w, f);
		else if (err == 1)
			err = 0;
		if (err == -EAGAIN && !try)
			(void)sched_yield(); /* for the owner that ends */
	} while (err == -EAGAIN && !try);
	atomic_fetch_sub(&nwaiters, 1);
	futex_key_put(&w.key);
	return err == -ERESTARTSYS ? -ERESTARTNOINTR : err;
}

/*
 * Gives the word, which is @now, to @w, or to nobody.  1: done, 0: it has
 * changed.
 */
HOLDS(lc_fbucket)
static int pi_hand_over(struct mm *mm, uint64_t addr, uint32_t now,
	struct bucket *b, struct futex_waiter *w, uint32_t flags)
{
	uint32_t new = w ? (uint32_t)w->task->tid | FUTEX_WAITERS | flags : 0;
	uint32_t prev;
	int err = user_try_cmpxchg32(mm, addr, now, new, &prev);

	if (err || prev != now)
		return err;
	if (w)
		futex_wake_waiter(b, w);
	return 1;
}

long futex_unlock_pi(struct task *t, const struct futex_op *f)
{
	struct futex_key k;
	struct bucket *b;
	uint32_t now;
	int err;

	err = user_load32(t->mm, f->addr, &now);
	if (err)
		return err;
	if ((now & FUTEX_TID_MASK) != (uint32_t)t->tid)
		return -EPERM;
	err = futex_key_get(t, f->addr, f->shared, &k);
	if (err)
		return err;
	b = futex_bucket(&k);
	do {
		fbucket_lock(b);
		err = user_try_load32(t->mm, f->addr, &now);
		if (!err)
			err = pi_hand_over(
				t->mm, f->addr, now, b, first_pi(b, &k), 0);
		fbucket_unlock(b);
		if (err == -EFAULT)
			err = pi_fault_in(t->mm, f->addr);
	} while (err == 0);
	futex_key_put(&k);
	return err == 1 ? 0 : err;
}

/* --- conditions */

long futex_wait_requeue_pi(struct task *t, const struct futex_op *f)
{
	struct futex_waiter w = {
		.bitset = FUTEX_BITSET_MATCH_ANY, .pi_addr = f->addr2, .task = t
	};
	struct futex_key lock;
	int err;

	if (f->addr == f->addr2)
		return -EINVAL;
	err = futex_keys_get(t, f, &w.key, &lock);
	if (err)
		return err;
	w.requeue_to = &lock;
	atomic_fetch_add(&nwaiters, 1);
	if (futex_key_equal(&w.key, &lock))
		err = -EINVAL;
	if (!err)
		err = futex_queue_if(t, &w, f->addr, f->val);
	if (!err)
		err = futex_sleep(t, &w, f->deadline);
	atomic_fetch_sub(&nwaiters, 1);
	/* Once it waits for the lock, the call cannot begin anew. */
	if (err == -ERESTARTSYS)
		err = w.pi ? -EWOULDBLOCK : -ERESTARTNOINTR;
	futex_key_put(&lock);
	futex_key_put(&w.key);
	return err;
}

/*
 * The first may get the lock at once, all others wait for it, if its owner can
 * be waited for.  How many that are, or -errno; -EFAULT: the lock's page is not
 * there.
 */
HOLDS(lc_fbucket)
static long requeue_pi(struct bucket *bf, const struct futex_key *from,
	struct bucket *bt, const struct futex_key *to, int n, int owner_err)
{
	struct futex_waiter *w, *next;
	int moved = 0, err;

	list_for_each_safe(w, next, &bf->waiters, link)
	{
		if (!futex_key_equal(&w->key, from))
			continue;
		if (moved >= n)
			break;
		if (!w->requeue_to || !futex_key_equal(w->requeue_to, to))
			return -EINVAL;
		err = pi_try(w->task->mm, w->task->tid, w->pi_addr, true);
		if (err == 0)
			err = owner_err;
		if (err < 0)
			return moved ? moved : err;
		if (err == 1) {
			futex_wake_waiter(bf, w);
		} else {
			w->requeue_to = NULL;
			w->pi = true;
			futex_move(bf, w, bt, to);
		}
		moved++;
	}
	return moved;
}

/* With both words in place. */
static long requeue_pi_all(struct task *t, const struct futex_op *f,
	const struct futex_key *from, const struct futex_key *to)
{
	struct bucket *bf = futex_bucket(from), *bt = futex_bucket(to);
	int owner_err = pi_check_owner(t, f->addr2);
	uint64_t missing;
	uint32_t now;
	long ret;

	do {
		futex_lock_two(bf, bt);
		missing = f->addr;
		ret = user_try_load32(t->mm, f->addr, &now);
		if (!ret && now != f->val3) {
			ret = -EAGAIN;
		} else if (!ret) {
			missing = f->addr2;
			ret = requeue_pi(
				bf, from, bt, to, (int)f->val2 + 1, owner_err);
		}
		futex_unlock_two(bf, bt);
		if (ret != -EFAULT)
			return ret;
		ret = pi_fault_in(t->mm, missing);
	} while (!ret);
	return ret;
}

long futex_cmp_requeue_pi(struct task *t, const struct futex_op *f)
{
	struct futex_key from, to;
	long ret;

	if (f->addr == f->addr2 || f->val != 1 || (int)f->val2 < 0 ||
		(int)f->val2 == INT32_MAX)
		return -EINVAL;
	ret = futex_keys_get(t, f, &from, &to);
	if (ret)
		return ret;
	ret = futex_key_equal(&from, &to) ? -EINVAL
					  : requeue_pi_all(t, f, &from, &to);
	futex_key_put(&to);
	futex_key_put(&from);
	return ret;
}

/* --- an owner that ends */

/* Does @t own what @w waits for?  Robust locks have lost their owner already.
 */
static bool waits_for(struct futex_waiter *w, struct task *t, uint32_t now)
{
	uint32_t tid = now & FUTEX_TID_MASK;

	if (!w->pi || w->task->tg->pid_ns != t->tg->pid_ns)
		return false;
	return tid ? tid == (uint32_t)t->tid : now & FUTEX_OWNER_DIED;
}

/*
 * Hands over one lock of the bucket.  1: perhaps there are more, 0: there are
 * none; -EFAULT: *@mm (a reference) and *@addr tell which page is missing.
 */
HOLDS(lc_fbucket)
static int hand_over_one(
	struct bucket *b, struct task *t, struct mm **mm, uint64_t *addr)
{
	struct futex_waiter *w;
	uint32_t now;
	int err;

	list_for_each (w, &b->waiters, link) {
		if (!w->pi)
			continue;
		err = user_try_load32(w->task->mm, w->pi_addr, &now);
		if (!err && !waits_for(w, t, now))
			continue;
		if (!err)
			err = pi_hand_over(w->task->mm, w->pi_addr, now, b, w,
				FUTEX_OWNER_DIED);
		if (err != -EFAULT)
			return 1;
		*mm = mm_get(w->task->mm);
		*addr = w->pi_addr;
		return err;
	}
	return 0;
}

void futex_exit_pi(struct task *t)
{
	if (!atomic_load(&nwaiters))
		return;
	for (int i = 0; i < FUTEX_NBUCKETS; i++) {
		struct bucket *b = &futex_buckets[i];
		int more = atomic_load(&b->n) != 0;

		while (more) {
			struct mm *mm = NULL;
			uint64_t addr;

			fbucket_lock(b);
			more = hand_over_one(b, t, &mm, &addr);
			fbucket_unlock(b);
			if (mm && pi_fault_in(mm, addr))
				more = 0; /* unmapped: nothing to hand over */
			mm_put(mm);
		}
	}
}
