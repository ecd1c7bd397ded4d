/* lock.c - core/lock: mutual exclusion, hand-over, the order check. */
#include "core/lock.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "core/thread.h"
#include "selftest/unit/unit.h"

#define THREADS 4
#define ROUNDS  20000

static struct mutex mutex;
static struct rwlock rwlock;
static long counter, mirror; /* guarded by the lock under test */
static atomic_int inside;

static void run_threads(int n, void *(*fn)(void *arg))
{
	pthread_t id[16];

	for (int i = 0; i < n; i++)
		CHECK(pthread_create(&id[i], NULL, fn, (void *)(long)i) == 0);
	for (int i = 0; i < n; i++)
		CHECK(pthread_join(id[i], NULL) == 0);
}

static void *mutex_worker(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		mutex_acquire(&mutex);
		counter++;
		mutex_release(&mutex);
	}
	return arg;
}

TEST(lock, mutex_excludes)
{
	mutex_init(&mutex, &lc_pipe);
	run_threads(THREADS, mutex_worker);
	CHECK(counter == (long)THREADS * ROUNDS);
	CHECK(atomic_load(&mutex.word) == 0);
}

TEST(lock, mutex_try_fails_on_a_held_lock)
{
	struct mutex m = MUTEX_INIT(pipe);

	CHECK(mutex_try(&m));
	CHECK(!mutex_try(&m));
	mutex_assert_held(&m);
	mutex_release(&m);
	CHECK(mutex_try(&m));
	mutex_release(&m);
}

/* Longer sections, so that takers really sleep. */
static void *mutex_sleeper(void *arg)
{
	for (int i = 0; i < 20; i++) {
		mutex_acquire(&mutex);
		CHECK(atomic_fetch_add(&inside, 1) == 0);
		usleep(300);
		atomic_fetch_sub(&inside, 1);
		mutex_release(&mutex);
	}
	return arg;
}

TEST(lock, mutex_wakes_sleepers)
{
	mutex_init(&mutex, &lc_pipe);
	run_threads(THREADS, mutex_sleeper);
	CHECK(atomic_load(&mutex.word) == 0 || atomic_load(&mutex.word) == 2);
}

static void *rw_worker(void *arg)
{
	bool writer = (long)arg % 2 == 0;

	for (int i = 0; i < ROUNDS / 4; i++) {
		if (writer) {
			rwlock_write(&rwlock);
			counter++;
			mirror++;
			rwlock_release_write(&rwlock);
		} else {
			rwlock_read(&rwlock);
			CHECK(counter == mirror);
			rwlock_release_read(&rwlock);
		}
	}
	return arg;
}

TEST(lock, rwlock_excludes)
{
	rwlock_init(&rwlock, &lc_mm_active);
	run_threads(6, rw_worker);
	CHECK(counter == 3L * (ROUNDS / 4));
	CHECK(atomic_load(&rwlock.word) == 0);
	CHECK(atomic_load(&rwlock.writers) == 0);
}

static void *rw_sleeper(void *arg)
{
	bool writer = (long)arg % 2 == 0;

	for (int i = 0; i < 30; i++) {
		if (writer) {
			rwlock_write(&rwlock);
			CHECK(atomic_fetch_add(&inside, 100) == 0);
			usleep(200);
			atomic_fetch_sub(&inside, 100);
			rwlock_release_write(&rwlock);
		} else {
			rwlock_read(&rwlock);
			CHECK(atomic_fetch_add(&inside, 1) < 100);
			usleep(100);
			atomic_fetch_sub(&inside, 1);
			rwlock_release_read(&rwlock);
		}
	}
	return arg;
}

TEST(lock, rwlock_wakes_sleepers_of_both_kinds)
{
	rwlock_init(&rwlock, &lc_mm_active);
	run_threads(8, rw_sleeper);
	CHECK((atomic_load(&rwlock.word) & 0x3fffffff) == 0);
}

static void *rw_second_reader(void *arg)
{
	rwlock_read(&rwlock);
	atomic_store(&inside, 1);
	rwlock_release_read(&rwlock);
	return arg;
}

TEST(lock, readers_share)
{
	pthread_t id;

	rwlock_init(&rwlock, &lc_mm_active);
	rwlock_read(&rwlock);
	CHECK(pthread_create(&id, NULL, rw_second_reader, NULL) == 0);
	CHECK(pthread_join(id, NULL) == 0);
	CHECK(atomic_load(&inside) == 1);
	rwlock_release_read(&rwlock);
}

TEST(lock, two_mutexes_in_either_order)
{
	struct mutex m[2] = { MUTEX_INIT(pipe), MUTEX_INIT(pipe) };

	mutex_acquire_two(&m[1], &m[0]);
	CHECK(!mutex_try(&m[0]) && !mutex_try(&m[1]));
	mutex_release_two(&m[1], &m[0]);
	mutex_acquire_two(&m[0], &m[0]);
	mutex_release_two(&m[0], &m[0]);
	CHECK(mutex_try(&m[0]));
	mutex_release(&m[0]);
}

TEST(lock, a_nested_write_ignores_the_address)
{
	struct rwlock l[2];

	for (int i = 0; i < 2; i++)
		rwlock_init(&l[i], &lc_mm_map);
	rwlock_write(&l[1]);
	rwlock_write_nested(&l[0]);
	rwlock_release_write(&l[1]);
	rwlock_release_write(&l[0]);
}

#ifdef LOCK_DEBUG
static void wrong_order(void)
{
	struct mutex outer = MUTEX_INIT(tasklist), inner = MUTEX_INIT(waitq);

	mutex_acquire(&inner);
	mutex_acquire(&outer);
}

static void not_held(void)
{
	struct mutex m = MUTEX_INIT(pipe);

	mutex_assert_held(&m);
}

TEST(lock, wrong_order_aborts)
{
	char err[4096];

	CHECK(test_fork(wrong_order, err, sizeof err) != 0);
	CHECK(strstr(err, "lock order: tasklist taken under waitq"));
}

TEST(lock, assert_held_aborts)
{
	char err[4096];

	CHECK(test_fork(not_held, err, sizeof err) != 0);
	CHECK(strstr(err, "should be held"));
}

TEST(lock, two_of_one_class_in_address_order)
{
	struct mutex m[2] = { MUTEX_INIT(pipe), MUTEX_INIT(pipe) };

	mutex_acquire(&m[0]);
	mutex_acquire(&m[1]);
	mutex_release(&m[0]);
	mutex_release(&m[1]);
}
#endif
