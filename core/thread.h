/*
 * thread.h - host threads, and the one word a thread sleeps on.
 *
 * A park is owned by one thread and woken by any: park_wake() before
 * park_wait() makes the wait return at once, so "register, test, wait" loses
 * no wake-up.  Both are one futex call at most; waking a thread that is not
 * asleep is none.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "core/attr.h"

#define NO_DEADLINE INT64_MAX	/* CLOCK_MONOTONIC nanoseconds, as all deadlines */

struct park {
	atomic_uint word;		/* 0 idle, 1 woken, 2 asleep */
};

void park_init(struct park *p);
/* Sleeps until woken or @deadline.  Returns 0, or -ETIMEDOUT.  May wake early. */
int park_wait(struct park *p, int64_t deadline);
void park_wake(struct park *p);

/*
 * Starts a detached thread with the smallest stack that is safe (@stack bytes,
 * 0: the default), all signals blocked.  Returns 0 or -errno.
 */
int thread_start(void (*fn)(void *arg), void *arg, const char *name, size_t stack)
	MUST_CHECK;

/*
 * What every new thread calls first; NULL: nothing.  Set before there are any: a thread
 * inherits the CPU that its creator is pinned to, and should not.
 */
extern void (*thread_on_start)(void);
/* For a process that may come to have thousands of threads; before there are any. */
void thread_many(void);

/* FUTEX_WAIT/WAKE on a host word, private.  wait: 0, -EAGAIN, -ETIMEDOUT, -EINTR */
int host_futex_wait(atomic_uint *word, unsigned expected, int64_t deadline);
int host_futex_wake(atomic_uint *word, int n);
