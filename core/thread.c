/*
 * thread.c - host threads and parks.
 *
 * A thread starts with every signal blocked but those that its own mistakes
 * raise: a blocked SIGSYS would end the process before the filter's handler
 * could say which call was refused.
 */
#include "core/thread.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/clock.h"

#ifdef SANITIZED
#define STACK_DEFAULT (1024 * 1024) /* red zones and shadow calls */
#else
#define STACK_DEFAULT (128 * 1024)
#endif

#ifndef PR_FUTEX_HASH
#define PR_FUTEX_HASH           78
#define PR_FUTEX_HASH_SET_SLOTS 1
#endif

enum { PARK_IDLE, PARK_WOKEN, PARK_ASLEEP };

int host_futex_wait(atomic_uint *word, unsigned expected, int64_t deadline)
{
	struct timespec ts, *tp = NULL;

	if (deadline != NO_DEADLINE) {
		if (deadline < 0)
			deadline = 0;
		ts = (struct timespec){ deadline / NSEC_PER_SEC,
			deadline % NSEC_PER_SEC };
		tp = &ts;
	}
	/* The bitset form takes an absolute CLOCK_MONOTONIC time. */
	if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
		    expected, tp, NULL, FUTEX_BITSET_MATCH_ANY) == 0)
		return 0;
	return -errno;
}

int host_futex_wake(atomic_uint *word, int n)
{
	return (int)syscall(
		SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n);
}

/*
 * Since 6.16 a process has futex buckets of its own, 16 on two CPUs: with
 * thousands of parked threads each wake-up would walk a long chain.  The table
 * of the whole machine is larger.  Older hosts refuse and have that one only.
 */
void thread_many(void)
{
	(void)prctl(PR_FUTEX_HASH, PR_FUTEX_HASH_SET_SLOTS, 0, 0, 0);
}

void park_init(struct park *p)
{
	atomic_init(&p->word, PARK_IDLE);
}

int park_wait(struct park *p, int64_t deadline)
{
	unsigned was = PARK_IDLE;
	int err = 0;

	if (atomic_compare_exchange_strong(&p->word, &was, PARK_ASLEEP))
		err = host_futex_wait(&p->word, PARK_ASLEEP, deadline);
	was = atomic_exchange(&p->word, PARK_IDLE);
	return was != PARK_WOKEN && err == -ETIMEDOUT ? err : 0;
}

/*
 * Always a read-modify-write: were a word already PARK_WOKEN left alone, the
 * owner could take that wake-up before it sees the caller's stores.
 */
void park_wake(struct park *p)
{
	if (atomic_exchange(&p->word, PARK_WOKEN) == PARK_ASLEEP)
		host_futex_wake(&p->word, 1);
}

void (*thread_on_start)(void);

struct start {
	void (*fn)(void *arg);
	void *arg;
	char name[16];
};

static void *thread_main(void *p)
{
	struct start s = *(struct start *)p;

	free(p);
	if (thread_on_start)
		thread_on_start();
	prctl(PR_SET_NAME, s.name);
	s.fn(s.arg);
	return NULL;
}

static int thread_create(struct start *s, size_t stack)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t id;
	int err;

	sigfillset(&all);
	sigdelset(&all, SIGSYS);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGABRT);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (stack < STACK_DEFAULT)
		stack = STACK_DEFAULT;
	err = pthread_attr_setstacksize(&attr, stack);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (!err)
		err = pthread_create(&id, &attr, thread_main, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

int thread_start(
	void (*fn)(void *arg), void *arg, const char *name, size_t stack)
{
	struct start *s = malloc(sizeof *s);
	int err;

	if (!s)
		return -ENOMEM;
	*s = (struct start){ .fn = fn, .arg = arg };
	strncpy(s->name, name, sizeof s->name - 1);
	err = thread_create(s, stack);
	if (err)
		free(s);
	return err;
}
