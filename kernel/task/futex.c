/*
 * futex.c - fast user-space locks.
 *
 * Theory of operation
 *
 * A waiter sits on its own stack in the bucket that its key hashes to.  A key
 * is (mm, address) for private memory and a physical address, with a reference
 * on its frame, for shared memory.  futex(2) is the contract.
 *
 * States.  A waiter is queued, or woken: the waker takes it off the list and
 * then sets w->woken, which is the last that it touches; only then may the
 * waiter's stack frame go.
 *
 * Locks.  One bucket, or two in order of address (futex_lock_two).  The word
 * is read under the bucket's lock with the non-faulting accessors; when its
 * page is missing the lock is dropped, the page faulted in, and all begins
 * anew.
 *
 * Locks with an owner are in futex_pi.c.
 */
#include "kernel/task/futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdbool.h>

#include "core/clock.h"
#include "core/list.h"
#include "core/lock.h"
#include "kernel/mm/mm.h"
#include "kernel/task/futex_int.h"
#include "kernel/task/task.h"

#define ROBUST_LIMIT 2048

struct bucket futex_buckets[FUTEX_NBUCKETS];

void futex_init(void)
{
	for (int i = 0; i < FUTEX_NBUCKETS; i++) {
		mutex_init(&futex_buckets[i].lock, &lc_fbucket);
		list_init(&futex_buckets[i].waiters);
	}
}

struct bucket *futex_bucket(const struct futex_key *k)
{
	uint64_t h = (k->addr >> 2) ^ ((uintptr_t)k->mm >> 6);

	h *= 0x9e3779b97f4a7c15ULL;
	return &futex_buckets[h >> 56];
}

ACQUIRES(lc_fbucket)
LOCKS_UNCHECKED void futex_lock_two(struct bucket *a, struct bucket *b)
{
	mutex_acquire_two(&a->lock, &b->lock);
}

RELEASES(lc_fbucket)
LOCKS_UNCHECKED
void futex_unlock_two(struct bucket *a, struct bucket *b)
{
	mutex_release_two(&a->lock, &b->lock);
}

bool futex_key_equal(const struct futex_key *a, const struct futex_key *b)
{
	return a->mm == b->mm && a->addr == b->addr;
}

int futex_key_get(
	struct task *t, uint64_t addr, bool shared, struct futex_key *k)
{
	paddr_t pa;
	int err;

	if (addr & 3)
		return -EINVAL;
	if (addr >= platform_max_addr)
		return -EFAULT;
	*k = (struct futex_key){ t->mm, addr };
	if (!shared)
		return 0;
	err = user_futex_key(t->mm, addr, &pa);
	if (err == 1)
		*k = (struct futex_key){ NULL, pa };
	return err < 0 ? err : 0;
}

void futex_key_put(struct futex_key *k)
{
	if (!k->mm)
		frame_put(k->addr & PAGE_MASK);
}

int futex_keys_get(struct task *t, const struct futex_op *f,
	struct futex_key *a, struct futex_key *b)
{
	int err = futex_key_get(t, f->addr, f->shared, a);

	if (err)
		return err;
	err = futex_key_get(t, f->addr2, f->shared, b);
	if (err)
		futex_key_put(a);
	return err;
}

void futex_queue(struct bucket *b, struct futex_waiter *w)
{
	struct sched *sched = &w->task->sched;
	struct futex_waiter *o;

	atomic_store(&w->bucket, b);
	atomic_fetch_add(&b->n, 1);
	w->prio = sched_is_rt(sched->policy) ? sched->prio : 0;
	if (w->prio)
		list_for_each (o, &b->waiters, link)
			if (o->prio < w->prio) {
				list_add_tail(&o->link, &w->link);
				return;
			}
	list_add_tail(&b->waiters, &w->link);
}

/* @w is gone for its owner once w->woken is set: nothing touches it after. */
void futex_wake_waiter(struct bucket *b, struct futex_waiter *w)
{
	struct task *t = task_get(w->task);

	list_del(&w->link);
	atomic_fetch_sub(&b->n, 1);
	atomic_store(&w->woken, true);
	park_wake(&t->park);
	task_put(t);
}

bool futex_unqueue(struct futex_waiter *w)
{
	for (;;) {
		struct bucket *b = atomic_load(&w->bucket);

		fbucket_lock(b);
		if (atomic_load(&w->bucket) != b) {
			fbucket_unlock(b); /* requeued meanwhile */
			continue;
		}
		if (!atomic_load(&w->woken)) {
			list_del(&w->link);
			atomic_fetch_sub(&b->n, 1);
			fbucket_unlock(b);
			return false;
		}
		fbucket_unlock(b);
		return true;
	}
}

int futex_sleep(struct task *t, struct futex_waiter *w, int64_t deadline)
{
	int err = 0;

	t->wait_what = "futex";
	while (!atomic_load(&w->woken) && !err)
		err = task_block(t, deadline);
	t->wait_what = NULL;
	return futex_unqueue(w) ? 0 : err;
}

/* Under the bucket's lock, so that a wake-up after a change finds the waiter.
 */
int futex_queue_if(
	struct task *t, struct futex_waiter *w, uint64_t addr, uint32_t val)
{
	struct bucket *b = futex_bucket(&w->key);
	uint32_t now;
	int err;

	/*
	 * Counted before the word is read: a waker that changes the word after
	 * our read sees the count, one that changed it before is seen by us.
	 */
	atomic_fetch_add(&b->n, 1);
	for (;;) {
		fbucket_lock(b);
		err = user_try_load32(t->mm, addr, &now);
		if (!err) {
			err = now == val ? 0 : -EAGAIN;
			if (!err)
				futex_queue(b, w);
			fbucket_unlock(b);
			break;
		}
		fbucket_unlock(b);
		err = user_load32(t->mm, addr, &now);
		if (err)
			break;
	}
	atomic_fetch_sub(&b->n, 1);
	return err;
}

static long restart_wait(struct task *t);

static long do_wait(struct task *t, const struct futex_op *f)
{
	struct futex_waiter w = { .bitset = f->val3, .task = t };
	int err;

	if (!f->val3)
		return -EINVAL;
	err = futex_key_get(t, f->addr, f->shared, &w.key);
	if (err)
		return err;
	t->wait_on = (void *)(uintptr_t)f->addr;
	err = futex_queue_if(t, &w, f->addr, f->val);
	if (!err)
		err = futex_sleep(t, &w, f->deadline);
	futex_key_put(&w.key);
	if (err != -ERESTARTSYS || f->deadline == NO_DEADLINE)
		return err;
	t->restart = (struct restart){ .fn = restart_wait,
		.deadline = f->deadline,
		.arg = { f->addr, f->val, f->val3, f->shared } };
	return -ERESTART_RESTARTBLOCK;
}

static long restart_wait(struct task *t)
{
	struct futex_op f = { .addr = t->restart.arg[0],
		.val = (uint32_t)t->restart.arg[1],
		.val3 = (uint32_t)t->restart.arg[2],
		.shared = t->restart.arg[3] != 0,
		.deadline = t->restart.deadline };

	return do_wait(t, &f);
}

HOLDS(lc_fbucket)
static int wake_matching(
	struct bucket *b, const struct futex_key *k, int n, uint32_t bitset)
{
	struct futex_waiter *w, *next;
	int woken = 0;

	list_for_each_safe(w, next, &b->waiters, link)
	{
		if (woken >= n)
			break;
		if (!futex_key_equal(&w->key, k))
			continue;
		if (w->pi || w->requeue_to)
			return -EINVAL; /* no plain wake-up is for it */
		if (!(w->bitset & bitset))
			continue;
		futex_wake_waiter(b, w);
		woken++;
	}
	return woken;
}

static long do_wake(
	struct task *t, uint64_t addr, bool shared, int n, uint32_t bitset)
{
	struct futex_key k;
	struct bucket *b;
	int ret;

	if (!bitset)
		return -EINVAL;
	ret = futex_key_get(t, addr, shared, &k);
	if (ret)
		return ret;
	b = futex_bucket(&k);
	atomic_thread_fence(
		memory_order_seq_cst); /* pairs with futex_queue_if */
	if (atomic_load(&b->n)) {
		fbucket_lock(b);
		ret = wake_matching(b, &k, n > 0 ? n : 1, bitset);
		fbucket_unlock(b);
	}
	futex_key_put(&k);
	return ret;
}

int futex_wake_addr(struct task *t, uint64_t addr, int n)
{
	return (int)do_wake(t, addr, true, n, FUTEX_BITSET_MATCH_ANY);
}

void futex_move(struct bucket *bf, struct futex_waiter *w, struct bucket *bt,
	const struct futex_key *to)
{
	list_del(&w->link);
	atomic_fetch_sub(&bf->n, 1);
	if (!to->mm)
		frame_get(to->addr & PAGE_MASK);
	futex_key_put(&w->key);
	w->key = *to;
	futex_queue(bt, w);
}

/* Moves at most @n waiters of @from to @to; the key's frame reference is the
 * caller's of the call. */
HOLDS(lc_fbucket)
static int move_waiters(struct bucket *bf, const struct futex_key *from,
	struct bucket *bt, const struct futex_key *to, int n)
{
	struct futex_waiter *w, *next;
	int moved = 0;

	list_for_each_safe(w, next, &bf->waiters, link)
	{
		if (moved >= n)
			break;
		if (!futex_key_equal(&w->key, from))
			continue;
		if (w->pi || w->requeue_to)
			return -EINVAL;
		futex_move(bf, w, bt, to);
		moved++;
	}
	return moved;
}

static long do_requeue(struct task *t, const struct futex_op *f, bool compare)
{
	int nwake = (int)f->val, nmove = (int)f->val2;
	struct futex_key from, to;
	struct bucket *bf, *bt;
	int moved = 0;
	uint32_t now;
	long ret;

	if (nwake < 0 || nmove < 0)
		return -EINVAL;
	ret = futex_keys_get(t, f, &from, &to);
	if (ret)
		return ret;
	bf = futex_bucket(&from);
	bt = futex_bucket(&to);
	for (;;) {
		futex_lock_two(bf, bt);
		ret = compare ? user_try_load32(t->mm, f->addr, &now) : 0;
		if (!ret)
			break;
		futex_unlock_two(bf, bt);
		ret = user_load32(t->mm, f->addr, &now);
		if (ret)
			goto put_keys;
	}
	if (compare && now != f->val3) {
		ret = -EAGAIN;
	} else {
		ret = nwake ? wake_matching(
				      bf, &from, nwake, FUTEX_BITSET_MATCH_ANY)
			    : 0;
		if (ret >= 0)
			moved = move_waiters(bf, &from, bt, &to, nmove);
		ret = moved < 0 ? moved : ret + moved;
	}
	futex_unlock_two(bf, bt);
put_keys:
	futex_key_put(&to);
	futex_key_put(&from);
	return ret;
}

static int wake_op_apply(uint32_t code, uint32_t old, uint32_t *new)
{
	uint32_t arg = (uint32_t)((int32_t)(code << 8) >> 20);

	if (code >> 31)
		arg = 1U << (arg & 31); /* FUTEX_OP_OPARG_SHIFT */
	switch (code >> 28 & 7) {
	case FUTEX_OP_SET:
		*new = arg;
		return 0;
	case FUTEX_OP_ADD:
		*new = old + arg;
		return 0;
	case FUTEX_OP_OR:
		*new = old | arg;
		return 0;
	case FUTEX_OP_ANDN:
		*new = old & ~arg;
		return 0;
	case FUTEX_OP_XOR:
		*new = old ^ arg;
		return 0;
	}
	return -ENOSYS;
}

static int wake_op_compare(uint32_t code, uint32_t old)
{
	int32_t arg = (int32_t)(code << 20) >> 20;
	int32_t v = (int32_t)old;

	switch (code >> 24 & 15) {
	case FUTEX_OP_CMP_EQ:
		return v == arg;
	case FUTEX_OP_CMP_NE:
		return v != arg;
	case FUTEX_OP_CMP_LT:
		return v < arg;
	case FUTEX_OP_CMP_GE:
		return v >= arg;
	case FUTEX_OP_CMP_LE:
		return v <= arg;
	case FUTEX_OP_CMP_GT:
		return v > arg;
	}
	return -ENOSYS;
}

/* Atomically old = *addr2; *addr2 = op(old).  Runs with both buckets locked. */
static int wake_op_word(struct task *t, const struct futex_op *f, uint32_t *old)
{
	uint32_t now, new, prev;
	int err = user_try_load32(t->mm, f->addr2, &now);

	while (!err) {
		err = wake_op_apply(f->val3, now, &new);
		if (err)
			return err;
		err = user_try_cmpxchg32(t->mm, f->addr2, now, new, &prev);
		if (!err && prev == now) {
			*old = now;
			return 0;
		}
		now = prev;
	}
	return err;
}

static long do_wake_op(struct task *t, const struct futex_op *f)
{
	struct futex_key k1, k2;
	struct bucket *b1, *b2;
	uint32_t old = 0, v;
	int more = 0;
	long ret;

	ret = futex_keys_get(t, f, &k1, &k2);
	if (ret)
		return ret;
	b1 = futex_bucket(&k1);
	b2 = futex_bucket(&k2);
	for (;;) {
		futex_lock_two(b1, b2);
		ret = wake_op_word(t, f, &old);
		if (ret != -EFAULT)
			break;
		futex_unlock_two(b1, b2);
		ret = user_load32(t->mm, f->addr2, &v);
		if (!ret) /* for write access: an exchange that changes nothing
			   */
			ret = user_cmpxchg32(t->mm, f->addr2, v, v, &v);
		if (ret)
			goto put_keys;
	}
	if (!ret) {
		int hit = wake_op_compare(f->val3, old);

		ret = hit < 0 ? hit
			      : wake_matching(b1, &k1, MAX((int)f->val, 1),
					FUTEX_BITSET_MATCH_ANY);
		if (hit > 0 && ret >= 0)
			more = wake_matching(b2, &k2, MAX((int)f->val2, 1),
				FUTEX_BITSET_MATCH_ANY);
		ret = more < 0 ? more : ret + more;
	}
	futex_unlock_two(b1, b2);
put_keys:
	futex_key_put(&k2);
	futex_key_put(&k1);
	return ret;
}

long futex_do(struct task *t, const struct futex_op *f)
{
	struct futex_op op = *f;

	switch (f->op) {
	case FUTEX_WAIT:
		op.val3 = FUTEX_BITSET_MATCH_ANY;
		return do_wait(t, &op);
	case FUTEX_WAIT_BITSET:
		return do_wait(t, f);
	case FUTEX_WAKE:
		return do_wake(t, f->addr, f->shared, (int)f->val,
			FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAKE_BITSET:
		return do_wake(t, f->addr, f->shared, (int)f->val, f->val3);
	case FUTEX_REQUEUE:
		return do_requeue(t, f, false);
	case FUTEX_CMP_REQUEUE:
		return do_requeue(t, f, true);
	case FUTEX_WAKE_OP:
		return do_wake_op(t, f);
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		return futex_lock_pi(t, f, false);
	case FUTEX_TRYLOCK_PI:
		return futex_lock_pi(t, f, true);
	case FUTEX_UNLOCK_PI:
		return futex_unlock_pi(t, f);
	case FUTEX_WAIT_REQUEUE_PI:
		return futex_wait_requeue_pi(t, f);
	case FUTEX_CMP_REQUEUE_PI:
		return futex_cmp_requeue_pi(t, f);
	}
	return -ENOSYS;
}

/* One park serves all of the waiters: the first one woken ends the wait. */
long futex_wait_many(struct task *t, const struct futex_waitv_k *v, unsigned n,
	int64_t deadline)
{
	struct futex_waiter w[FUTEX_WAITV_MAX];
	unsigned queued = 0, keys = 0;
	long ret = 0;
	int woken = -1;

	for (; keys < n && !ret; keys += !ret) {
		w[keys] = (struct futex_waiter){ .task = t,
			.bitset = FUTEX_BITSET_MATCH_ANY };
		ret = futex_key_get(t, v[keys].addr,
			!(v[keys].flags & FUTEX_PRIVATE_FLAG), &w[keys].key);
	}
	for (; queued < n && !ret; queued += !ret)
		ret = futex_queue_if(
			t, &w[queued], v[queued].addr, (uint32_t)v[queued].val);
	while (!ret) {
		for (unsigned i = 0; i < n && woken < 0; i++)
			if (atomic_load(&w[i].woken))
				woken = (int)i;
		if (woken >= 0)
			break;
		ret = task_block(t, deadline);
	}
	for (unsigned i = 0; i < queued; i++)
		if (futex_unqueue(&w[i]) && woken < 0)
			woken = (int)i;
	for (unsigned i = 0; i < keys; i++)
		futex_key_put(&w[i].key);
	return woken >= 0 ? woken : ret;
}

/*
 * The robust list: a linked list in guest memory whose head names the offset
 * of the lock word in each entry.  Linux: kernel/futex/core.c
 * exit_robust_list().
 */
static int robust_word(struct task *t, uint64_t addr, bool pi, bool pending)
{
	uint32_t now, new, prev;
	int err = user_load32(t->mm, addr, &now);

	if (addr & 3)
		return -EINVAL;
	while (!err) {
		if (pending && !pi && !now) {
			futex_wake_addr(t, addr, 1);
			return 0;
		}
		if ((now & FUTEX_TID_MASK) != (uint32_t)t->tid)
			return 0;
		new = (now & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
		err = user_cmpxchg32(t->mm, addr, now, new, &prev);
		if (!err && prev == now) {
			if (!pi && (now & FUTEX_WAITERS))
				futex_wake_addr(t, addr, 1);
			return 0;
		}
		now = prev;
	}
	return err;
}

void futex_exit_robust(struct task *t)
{
	struct {
		uint64_t next;
		int64_t offset;
		uint64_t pending;
	} head;
	uint64_t entry, next;
	int limit = ROBUST_LIMIT;

	if (!t->robust_list || !t->mm ||
		mm_copyin(t->mm, &head, t->robust_list, sizeof head))
		return;
	for (entry = head.next; (entry & ~1ULL) != t->robust_list && limit--;
		entry = next) {
		int err = mm_copyin(t->mm, &next, entry & ~1ULL, sizeof next);

		if ((entry & ~1ULL) != (head.pending & ~1ULL) &&
			robust_word(t, (entry & ~1ULL) + (uint64_t)head.offset,
				entry & 1, false))
			return;
		if (err)
			return;
	}
	if (head.pending & ~1ULL)
		(void)robust_word(t,
			(head.pending & ~1ULL) + (uint64_t)head.offset,
			head.pending & 1, true); /* nobody left to tell */
}
