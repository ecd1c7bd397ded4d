/* futex.c - futex(2). */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "selftest/test.h"

static long futex(void *addr, int op, uint32_t val, const void *timeout,
	void *addr2, uint32_t val3)
{
	return syscall(SYS_futex, addr, op, val, timeout, addr2, val3);
}

static _Atomic uint32_t word, word2;
static atomic_int woken;

TEST(futex, wait_needs_the_expected_value)
{
	struct timespec ts = { 0, 1000000 };

	SEE(futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0));
	SEE(futex(&word, FUTEX_WAIT, 0, &ts, NULL, 0));
	SEE(futex(&word, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0));
	SEE(futex((char *)&word + 1, FUTEX_WAIT, 0, &ts, NULL, 0));
	SEE(futex(bad_addr, FUTEX_WAIT, 0, &ts, NULL, 0));
	SEE(futex(&word, FUTEX_WAIT, 0, bad_addr, NULL, 0));
	SEE(futex(&word, FUTEX_WAIT_BITSET, 0, &ts, NULL, 0));
	SEE(futex(&word, 99, 0, NULL, NULL, 0));
	ts.tv_nsec = 1000000000;
	SEE(futex(&word, FUTEX_WAIT, 0, &ts, NULL, 0));
}

static void *waiter(void *arg)
{
	(void)arg;
	while (futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) &&
		errno == EINTR)
		;
	atomic_fetch_add(&woken, 1);
	return NULL;
}

TEST(futex, wake_wakes_as_many_as_asked)
{
	pthread_t th[4];
	long n = 0;

	for (int i = 0; i < 4; i++)
		pthread_create(&th[i], NULL, waiter, NULL);
	while (n < 2)
		n += futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	while (atomic_load(&woken) < 2)
		usleep(100);
	SEE(n);
	while (n < 4)
		n += futex(&word, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0);
	for (int i = 0; i < 4; i++)
		pthread_join(th[i], NULL);
	SEE(n);
	SEE(atomic_load(&woken));
}

static atomic_int order[2], nordered;

/* @arg: real-time priority. */
static void *wait_with_priority(void *arg)
{
	int prio = (int)(intptr_t)arg;

	if (prio)
		syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &prio);
	while (futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) &&
		errno == EINTR)
		;
	order[atomic_fetch_add(&nordered, 1)] = (int)(intptr_t)arg;
	return NULL;
}

/* The ordinary thread waits first, the urgent one is woken first. */
TEST(futex, the_highest_priority_is_woken_first)
{
	pthread_t th[2];

	for (int i = 0; i < 2; i++) {
		pthread_create(&th[i], NULL, wait_with_priority,
			(void *)(intptr_t)(i * 10));
		/* Moved, so it waits. */
		while (futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)1,
			       &word2, 0) != 1)
			usleep(1000);
	}
	for (int i = 0; i < 2; i++) {
		SEE(futex(&word2, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
		while (atomic_load(&nordered) == i)
			usleep(1000);
		SEE(order[i]);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(th[i], NULL);
}

TEST(futex, requeue_moves_waiters)
{
	pthread_t th[3];
	long moved = 0;

	for (int i = 0; i < 3; i++)
		pthread_create(&th[i], NULL, waiter, NULL);
	SEE(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)1, &word2, 7));
	while (moved < 3)
		moved += futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)9,
			&word2, 0);
	SEE(moved);
	SEE(futex(&word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0));
	SEE(futex(&word2, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0));
	for (int i = 0; i < 3; i++)
		pthread_join(th[i], NULL);
}

TEST(futex, wake_op_changes_the_second_word)
{
	word2 = 5;
	SEE(futex(&word, FUTEX_WAKE_OP, 1, (void *)1, &word2,
		FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5)));
	SEE(word2);
	SEE(futex(&word, FUTEX_WAKE_OP, 1, (void *)1, &word2,
		FUTEX_OP((FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT), 4,
			FUTEX_OP_CMP_LT, 5)));
	SEE(word2);
	SEE(futex(&word, FUTEX_WAKE_OP, 1, (void *)1, bad_addr,
		FUTEX_OP(FUTEX_OP_SET, 0, FUTEX_OP_CMP_EQ, 0)));
}

TEST(futex, shared_memory_wakes_across_processes)
{
	_Atomic uint32_t *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int st;

	if (fork() == 0) {
		while (*p == 0)
			futex((void *)p, FUTEX_WAIT, 0, NULL, NULL, 0);
		_exit(7);
	}
	usleep(5000);
	*p = 1;
	futex((void *)p, FUTEX_WAKE, 1, NULL, NULL, 0);
	SEE(wait(&st) > 0);
	SEE(WEXITSTATUS(st));
}

static void *shared_waiter(void *arg)
{
	(void)arg;
	while (futex(&word, FUTEX_WAIT, 0, NULL, NULL, 0) && errno == EINTR)
		;
	return NULL;
}

/* As pthread_join does it: a shared operation on private memory. */
TEST(futex, private_memory_with_a_shared_op_survives_fork)
{
	pthread_t th;
	int st;

	pthread_create(&th, NULL, shared_waiter, NULL);
	if (fork() == 0) {
		word = 3;
		_exit(0);
	}
	wait(&st);
	while (!futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0))
		usleep(100);
	SEE(pthread_join(th, NULL));
}

TEST(futex, pi_lock_has_an_owner)
{
	SEE(futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	CHECK(word == (uint32_t)getpid());
	SEE(futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	SEE(futex(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
	SEE(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	SEE(word);
	SEE(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
}

/* Owns a lock, waits until somebody waits for it, and ends. */
static void *owner_that_ends(void *arg)
{
	futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
	atomic_store(&woken, 1);
	while (!(atomic_load(&word) & FUTEX_WAITERS))
		usleep(100);
	return arg;
}

TEST(futex, pi_lock_of_a_thread_that_ended_is_handed_over)
{
	pthread_t th;

	pthread_create(&th, NULL, owner_that_ends, NULL);
	while (!atomic_load(&woken))
		usleep(100);
	SEE(futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	CHECK((word & FUTEX_TID_MASK) == (uint32_t)getpid());
	SEE((word & FUTEX_OWNER_DIED) != 0);
	SEE(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	SEE(pthread_join(th, NULL));
}

/* A nobody's lock: its owner never was there, or has ended. */
TEST(futex, pi_lock_of_nobody)
{
	word = 999999;
	SEE(futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	SEE(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	word2 = 999999;
	word = 0;
	SEE(futex(&word, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, &word2, 0));
}

static atomic_int owned;

static void *wait_requeue_pi(void *arg)
{
	uint32_t me = (uint32_t)syscall(SYS_gettid);

	if (futex(&word, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &word2, 0) == 0 &&
		(atomic_load(&word2) & FUTEX_TID_MASK) == me)
		atomic_fetch_add(&owned, 1);
	futex(&word2, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
	return arg;
}

TEST(futex, requeue_pi_gives_the_lock_to_one_after_the_other)
{
	pthread_t th[3];
	int n = 0;

	SEE(futex(&word2, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	for (int i = 0; i < 3; i++)
		pthread_create(&th[i], NULL, wait_requeue_pi, NULL);
	while (n < 3)
		n += (int)futex(
			&word, FUTEX_CMP_REQUEUE_PI, 1, (void *)8, &word2, 0);
	SEE(owned);
	SEE(futex(&word2, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	for (int i = 0; i < 3; i++)
		pthread_join(th[i], NULL);
	SEE(owned);
	SEE(word2);
	/* A free lock: the first gets it at once. */
	pthread_create(&th[0], NULL, wait_requeue_pi, NULL);
	while (!futex(&word, FUTEX_CMP_REQUEUE_PI, 1, NULL, &word2, 0))
		usleep(100);
	pthread_join(th[0], NULL);
	SEE(owned);
}

TEST(futex, requeue_pi_errors)
{
	struct timespec past = { 1, 0 };
	pthread_t th;

	SEE(futex(&word, FUTEX_CMP_REQUEUE_PI, 1, NULL, &word, 0));
	SEE(futex(&word, FUTEX_CMP_REQUEUE_PI, 2, NULL, &word2, 0));
	SEE(futex(&word, FUTEX_CMP_REQUEUE_PI, 1, (void *)-1, &word2, 0));
	SEE(futex(&word, FUTEX_CMP_REQUEUE_PI, 1, NULL, &word2, 5));
	SEE(futex(&word, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &word, 0));
	SEE(futex(&word, FUTEX_WAIT_REQUEUE_PI, 5, NULL, &word2, 0));
	SEE(futex(&word, FUTEX_WAIT_REQUEUE_PI, 0, &past, &word2, 0));
	SEE(futex(&word, FUTEX_WAIT_REQUEUE_PI | FUTEX_CLOCK_REALTIME, 0, &past,
		&word2, 0));
	SEE(futex(&word, FUTEX_WAIT_REQUEUE_PI, 0, NULL, bad_addr, 0));
	pthread_create(&th, NULL, wait_requeue_pi, NULL);
	while (!futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0))
		usleep(100);
	SEE(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0)); /* not for it */
	SEE(futex(&word, FUTEX_REQUEUE, 0, (void *)1, &word2, 0));
	SEE(futex(&word, FUTEX_CMP_REQUEUE_PI, 1, NULL, &woken, 0));
	SEE(futex(&word, FUTEX_CMP_REQUEUE_PI, 1, NULL, &word2, 0));
	pthread_join(th, NULL);
	SEE(owned);
}

TEST(futex, robust_mutex_tells_of_a_dead_owner)
{
	pthread_mutexattr_t a;
	pthread_mutex_t *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(m, &a);
	if (fork() == 0) {
		pthread_mutex_lock(m);
		_exit(0);
	}
	wait(NULL);
	SEE(pthread_mutex_lock(m) == EOWNERDEAD);
}
