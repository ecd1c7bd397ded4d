/*
 * lock.c - mutexes, reader-writer locks, and the run-time order check.
 *
 * A mutex is the three-state futex lock: free, held, held with sleepers.  One
 * atomic operation takes a free one, one gives it back; only a lock with
 * sleepers costs a system call.  Waking a thread on another CPU takes tens of
 * microseconds, so a taker spins for about one before it sleeps.
 *
 * Theory of operation of a rwlock
 *
 * "word" counts readers; RW_WRITER means held for writing; RW_WAITERS that
 * somebody may sleep on "seq", and that whoever makes the lock free must clear
 * the bit, bump "seq" and wake.  "writers" counts writers on their way: readers
 * that come later wait for them, so a stream of readers cannot starve a writer.
 *
 * A sleeper reads seq, then tests word and writers, then sleeps only when
 * RW_WAITERS was already set in the word it tested:
 *
 *	sleeper				releaser
 *	set RW_WAITERS, start over	free the lock, RW_WAITERS was set:
 *	s = seq				    clear it, seq++, wake
 *	test word and writers: busy
 *	sleep unless seq != s
 *
 * A release after the test changes seq; one before it cleared the bit, which
 * the sleeper sees.  A wake lets one writer go, or all readers when no writer
 * slept; that writer takes the lock with RW_WAITERS set, because others may
 * still sleep.
 */
#include "core/lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/thread.h"

#define RW_WRITER  0x80000000u
#define RW_WAITERS 0x40000000u
#define RW_READERS 0x3fffffffu

#define WAKE_READERS 1u
#define WAKE_WRITER  2u

#define SPINS 60

struct lock_class lc_root = { "root", 0 };
#define LOCK(name, after, what) \
	struct lock_class lc_##name = { #name, __LINE__ };
#include "core/lockorder.def"
#undef LOCK

/* --- the order check: who holds what, in debug builds */

#ifdef LOCK_DEBUG
#define HELD_MAX 24

struct held {
	const void *lock;
	int rank;
};

static _Thread_local struct held held[HELD_MAX];
static _Thread_local int nheld;

static const char *rank_name(int rank)
{
	static const char *const names[LOCK_RANKS] = {
		"root",
#define LOCK(name, after, what) [RANK_##name] = #name,
#include "core/lockorder.def"
#undef LOCK
	};

	return rank >= 0 && rank < LOCK_RANKS && names[rank] ? names[rank]
							     : "?";
}

NORETURN static void order_abort(int rank, const char *what, int other)
{
	fprintf(stderr, "lock order: %s %s %s\n", rank_name(rank), what,
		rank_name(other));
	abort();
}

/* Two locks of one class are legal in the order of their addresses. */
static void order_check(const void *lock, int rank)
{
	for (int i = 0; i < nheld; i++)
		if (held[i].rank > rank ||
			(held[i].rank == rank && held[i].lock >= lock))
			order_abort(rank, "taken under", held[i].rank);
}

/* As above, for a second lock of a class whatever its address. */
static void order_check_nested(const void *lock, int rank)
{
	for (int i = 0; i < nheld; i++)
		if (held[i].rank > rank || held[i].lock == lock)
			order_abort(rank, "taken under", held[i].rank);
}

static void order_push(const void *lock, int rank)
{
	if (nheld == HELD_MAX)
		order_abort(rank, "is one lock too many after", held[0].rank);
	held[nheld++] = (struct held){ lock, rank };
}

static int order_find(const void *lock)
{
	int i = nheld - 1;

	while (i >= 0 && held[i].lock != lock)
		i--;
	return i;
}

static void order_pop(const void *lock, int rank)
{
	int i = order_find(lock);

	if (i < 0)
		order_abort(rank, "released but not held, class", rank);
	for (nheld--; i < nheld; i++)
		held[i] = held[i + 1];
}
#else
static inline void order_check(const void *lock, int rank)
{
	(void)lock;
	(void)rank;
}
static inline void order_check_nested(const void *lock, int rank)
{
	(void)lock;
	(void)rank;
}
static inline void order_push(const void *lock, int rank)
{
	(void)lock;
	(void)rank;
}
static inline void order_pop(const void *lock, int rank)
{
	(void)lock;
	(void)rank;
}
#endif

/* --- mutex */

static atomic_int spins = -1; /* 0 on one CPU: spinning would only delay it */

static void spins_init(void)
{
	cpu_set_t set;

	if (atomic_load_explicit(&spins, memory_order_relaxed) >= 0)
		return;
	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof set, &set) < 0 || CPU_COUNT(&set) > 1)
		atomic_store(&spins, SPINS);
	else
		atomic_store(&spins, 0);
}

/* Waits a little for @word to leave @busy: true when it did. */
static bool spin_while(atomic_uint *word, unsigned busy)
{
	int n = atomic_load_explicit(&spins, memory_order_relaxed);

	while (n-- > 0) {
		if (!(atomic_load_explicit(word, memory_order_relaxed) & busy))
			return true;
		__builtin_ia32_pause();
	}
	return false;
}

void mutex_init(struct mutex *m, struct lock_class *class)
{
	spins_init();
	atomic_init(&m->word, 0);
	m->rank = class->rank;
}

static bool mutex_grab(struct mutex *m)
{
	unsigned free = 0;

	return atomic_compare_exchange_strong_explicit(
		&m->word, &free, 1, memory_order_acquire, memory_order_relaxed);
}

static void mutex_wait(struct mutex *m)
{
	if (spin_while(&m->word, ~0u) && mutex_grab(m))
		return;
	while (atomic_exchange_explicit(&m->word, 2, memory_order_acquire))
		host_futex_wait(&m->word, 2, NO_DEADLINE);
}

void mutex_acquire(struct mutex *m)
{
	order_check(m, m->rank);
	if (unlikely(!mutex_grab(m)))
		mutex_wait(m);
	order_push(m, m->rank);
}

bool mutex_try(struct mutex *m)
{
	if (!mutex_grab(m))
		return false;
	order_push(m, m->rank); /* cannot deadlock: any order is fine */
	return true;
}

void mutex_release(struct mutex *m)
{
	order_pop(m, m->rank);
	/* Sequentially consistent: waitq_wake() reads its count after it. */
	if (unlikely(atomic_exchange(&m->word, 0) == 2))
		host_futex_wake(&m->word, 1);
}

void mutex_acquire_two(struct mutex *a, struct mutex *b)
{
	mutex_acquire(a < b ? a : b);
	if (a != b)
		mutex_acquire(a < b ? b : a);
}

void mutex_release_two(struct mutex *a, struct mutex *b)
{
	mutex_release(a);
	if (a != b)
		mutex_release(b);
}

void mutex_assert_held(struct mutex *m)
{
#ifdef LOCK_DEBUG
	if (order_find(m) < 0)
		order_abort(m->rank, "should be held, class", m->rank);
#else
	(void)m;
#endif
}

/* --- rwlock */

void rwlock_init(struct rwlock *l, struct lock_class *class)
{
	spins_init();
	atomic_init(&l->word, 0);
	atomic_init(&l->writers, 0);
	atomic_init(&l->seq, 0);
	l->rank = class->rank;
}

/* Sleeps until woken with a bit of @mask, unless seq is no longer @seq. */
static void rw_sleep(struct rwlock *l, unsigned seq, unsigned mask)
{
	syscall(SYS_futex, &l->seq, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, seq,
		NULL, NULL, mask);
}

static long rw_wake(struct rwlock *l, int n, unsigned mask)
{
	return syscall(SYS_futex, &l->seq,
		FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, n, NULL, NULL, mask);
}

/* The lock is free and RW_WAITERS was cleared by the caller. */
static void rw_wake_next(struct rwlock *l)
{
	atomic_fetch_add(&l->seq, 1);
	if (rw_wake(l, 1, WAKE_WRITER) <= 0)
		rw_wake(l, INT32_MAX, WAKE_READERS);
}

/*
 * One step towards sleeping: takes the lock when @busy and @queue allow it,
 * announces a sleeper, or sleeps.  True when the lock was taken.
 */
static bool rw_step(struct rwlock *l, bool write, unsigned take)
{
	unsigned seq = atomic_load(&l->seq);
	unsigned w = atomic_load(&l->word);
	bool busy = write ? (w & (RW_WRITER | RW_READERS)) != 0
			  : (w & RW_WRITER) || atomic_load(&l->writers);

	if (!busy)
		return atomic_compare_exchange_strong(
			&l->word, &w, write ? w | take : w + take);
	if (w & RW_WAITERS)
		rw_sleep(l, seq, write ? WAKE_WRITER : WAKE_READERS);
	else
		atomic_compare_exchange_strong(&l->word, &w, w | RW_WAITERS);
	return false;
}

void rwlock_read(struct rwlock *l)
{
	unsigned w = atomic_load_explicit(&l->word, memory_order_relaxed);

	order_check(l, l->rank);
	while (!(w & (RW_WRITER | RW_WAITERS)))
		if (atomic_compare_exchange_weak_explicit(&l->word, &w, w + 1,
			    memory_order_acquire, memory_order_relaxed))
			goto taken;
	spin_while(&l->word, RW_WRITER);
	while (!rw_step(l, false, 1))
		;
taken:
	order_push(l, l->rank);
}

static void rw_write(struct rwlock *l)
{
	unsigned w = 0;

	if (likely(atomic_compare_exchange_strong_explicit(&l->word, &w,
		    RW_WRITER, memory_order_acquire, memory_order_relaxed)))
		goto taken;
	atomic_fetch_add(&l->writers, 1);
	spin_while(&l->word, RW_WRITER | RW_READERS);
	/* RW_WAITERS: this writer may have been woken in front of others. */
	while (!rw_step(l, true, RW_WRITER | RW_WAITERS))
		;
	atomic_fetch_sub(&l->writers, 1);
taken:
	order_push(l, l->rank);
}

void rwlock_write(struct rwlock *l)
{
	order_check(l, l->rank);
	rw_write(l);
}

void rwlock_write_nested(struct rwlock *l)
{
	order_check_nested(l, l->rank);
	rw_write(l);
}

void rwlock_release_read(struct rwlock *l)
{
	unsigned left;

	order_pop(l, l->rank);
	left = atomic_fetch_sub(&l->word, 1) - 1;
	if (unlikely(left == RW_WAITERS) &&
		atomic_compare_exchange_strong(&l->word, &left, 0))
		rw_wake_next(l);
}

void rwlock_release_write(struct rwlock *l)
{
	order_pop(l, l->rank);
	if (unlikely(atomic_exchange(&l->word, 0) & RW_WAITERS))
		rw_wake_next(l);
}
