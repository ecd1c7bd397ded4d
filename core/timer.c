/*
 * timer.c - the timer thread and its queue.
 *
 * Armed timers stand in a tree ordered by time.  The thread parks until the
 * first is due; whoever arms an earlier one wakes it.
 */
#include "core/timer.h"

#include <stddef.h>
#include <sys/prctl.h>

#include "core/clock.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/thread.h"

static struct timers {
	struct mutex lock;
	bool started GUARDED_BY(lc_timers);
	struct rb_tree tree GUARDED_BY(lc_timers);
	struct timer *running GUARDED_BY(lc_timers);
	bool awaited GUARDED_BY(lc_timers); /* somebody sleeps on "done" */
	atomic_uint done; /* a: callbacks that have returned */
	struct park park; /* the thread's */
} timers = { .lock = MUTEX_INIT(timers) };

static _Thread_local bool on_timer_thread;

LOCK_OPS(timers, struct timers, lock)

static struct timer *timer_of(struct rb_node *n)
{
	return rb_entry(n, struct timer, node);
}

HOLDS(lc_timers)
static void timer_insert(struct timer *t)
{
	struct rb_node **link = &timers.tree.root, *up = NULL;

	while (*link) {
		up = *link;
		link = &up->child[t->when >= timer_of(up)->when];
	}
	rb_link(&t->node, up, link);
	rb_rebalance(&timers.tree, &t->node);
}

/* True when @t was armed. */
HOLDS(lc_timers)
static bool timer_disarm(struct timer *t)
{
	if (!t->when)
		return false;
	rb_erase(&timers.tree, &t->node);
	t->when = 0;
	return true;
}

/* Takes the first timer when it is due; else *@next is when to look again. */
HOLDS(lc_timers)
static struct timer *timer_due(int64_t *next)
{
	struct timer *t = timer_of(rb_first(&timers.tree));

	*next = t ? t->when : NO_DEADLINE;
	if (!t || t->when > mono_now())
		return NULL;
	timer_disarm(t);
	return t;
}

HOLDS(lc_timers)
static void timer_returned(void)
{
	timers.running = NULL;
	atomic_fetch_add(&timers.done, 1);
	if (timers.awaited)
		host_futex_wake(&timers.done, INT32_MAX);
	timers.awaited = false;
}

static void timer_main(void *arg)
{
	struct timer *t;
	int64_t next;

	(void)arg;
	on_timer_thread = true;
	prctl(PR_SET_TIMERSLACK,
		1); /* nanosecond: the guest sees our latency */
	for (;;) {
		timers_lock(&timers);
		t = timer_due(&next);
		timers.running = t;
		timers_unlock(&timers);
		if (!t) {
			park_wait(&timers.park, next);
			continue;
		}
		t->fire(t);
		timers_lock(&timers);
		timer_returned();
		timers_unlock(&timers);
	}
}

HOLDS(lc_timers)
static void timers_start(void)
{
	int err;

	if (timers.started)
		return;
	park_init(&timers.park);
	err = thread_start(timer_main, NULL, "timers", 0);
	if (err)
		log_error("cannot start the timer thread: error %d", -err);
	bug_on(err);
	timers.started = true;
}

void timer_init(struct timer *t, void (*fire)(struct timer *t))
{
	*t = (struct timer){ .fire = fire };
}

void timer_set(struct timer *t, int64_t when)
{
	bool first;

	timers_lock(&timers);
	timers_start();
	timer_disarm(t);
	t->when = when > 0 ? when : 1; /* 0 means not armed */
	timer_insert(t);
	first = rb_first(&timers.tree) == &t->node;
	timers_unlock(&timers);
	if (first)
		park_wake(&timers.park);
}

void timer_cancel(struct timer *t)
{
	timers_lock(&timers);
	while (timer_disarm(t), timers.running == t && !on_timer_thread) {
		unsigned done = atomic_load(&timers.done);

		timers.awaited = true;
		timers_unlock(&timers);
		host_futex_wait(&timers.done, done, NO_DEADLINE);
		timers_lock(&timers);
	}
	timers_unlock(&timers);
}

bool timer_cancel_nowait(struct timer *t)
{
	bool armed;

	timers_lock(&timers);
	armed = timer_disarm(t);
	timers_unlock(&timers);
	return armed;
}
