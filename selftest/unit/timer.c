/* timer.c - core/timer: order, re-arming, cancelling. */
#include "core/timer.h"

#include <stdatomic.h>
#include <unistd.h>

#include "core/attr.h"
#include "core/clock.h"
#include "core/thread.h"
#include "selftest/unit/unit.h"

#define MSEC 1000000LL

struct ring {
	struct timer t;
	atomic_int fired, order;
	int64_t at;
	int again; /* re-arms itself so often */
	int sleep_us;
};

static atomic_int order;

static void ring_fire(struct timer *t)
{
	struct ring *r = container_of(t, struct ring, t);

	r->at = mono_now();
	atomic_store(&r->order, atomic_fetch_add(&order, 1));
	if (r->again-- > 0)
		timer_set(t, mono_now() + MSEC);
	if (r->sleep_us)
		usleep((unsigned)r->sleep_us);
	atomic_fetch_add(&r->fired, 1);
}

static void ring_init(struct ring *r)
{
	*r = (struct ring){ 0 };
	timer_init(&r->t, ring_fire);
}

static void wait_fired(struct ring *r, int n)
{
	while (atomic_load(&r->fired) < n)
		usleep(200);
}

TEST(timer, fires_in_order_and_not_early)
{
	int64_t now = mono_now();
	static struct ring r[3];

	for (int i = 0; i < 3; i++)
		ring_init(&r[i]);
	timer_set(&r[0].t, now + 30 * MSEC);
	timer_set(&r[1].t, now + 10 * MSEC);
	timer_set(&r[2].t, now + 20 * MSEC);
	wait_fired(&r[0], 1);
	CHECK(r[1].order == 0 && r[2].order == 1 && r[0].order == 2);
	CHECK(r[1].at >= now + 10 * MSEC && r[0].at >= now + 30 * MSEC);
}

TEST(timer, a_time_in_the_past_fires_at_once)
{
	static struct ring r;

	ring_init(&r);
	timer_set(&r.t, -5);
	wait_fired(&r, 1);
	CHECK(r.t.when == 0);
}

TEST(timer, moves_when_set_again)
{
	static struct ring r;

	ring_init(&r);
	timer_set(&r.t, NO_DEADLINE);
	timer_set(&r.t, mono_now() + 5 * MSEC);
	wait_fired(&r, 1);
	usleep(2000);
	CHECK(atomic_load(&r.fired) == 1);
}

TEST(timer, rearms_itself)
{
	static struct ring r;

	ring_init(&r);
	r.again = 4;
	timer_set(&r.t, mono_now());
	wait_fired(&r, 5);
}

TEST(timer, cancelled_timers_do_not_fire)
{
	static struct ring r;

	ring_init(&r);
	timer_cancel(&r.t);
	timer_set(&r.t, mono_now() + 10 * MSEC);
	timer_cancel(&r.t);
	timer_set(&r.t, mono_now() + 10 * MSEC);
	CHECK(timer_cancel_nowait(&r.t));
	CHECK(!timer_cancel_nowait(&r.t));
	usleep(20000);
	CHECK(atomic_load(&r.fired) == 0);
}

TEST(timer, cancel_waits_for_a_running_callback)
{
	static struct ring r;

	ring_init(&r);
	r.sleep_us = 20000;
	timer_set(&r.t, mono_now());
	while (atomic_load(&order) == 0)
		usleep(100);
	CHECK(atomic_load(&r.fired) == 0);
	timer_cancel(&r.t);
	CHECK(atomic_load(&r.fired) == 1);
}

TEST(timer, cancel_beats_a_callback_that_rearms)
{
	static struct ring r;
	int fired;

	ring_init(&r);
	r.again = 1000000;
	timer_set(&r.t, mono_now());
	wait_fired(&r, 3);
	timer_cancel(&r.t);
	fired = atomic_load(&r.fired);
	usleep(5000);
	CHECK(atomic_load(&r.fired) == fired);
}

TEST(timer, hundreds)
{
	static struct ring r[500];
	int64_t now = mono_now();

	for (int i = 0; i < 500; i++) {
		ring_init(&r[i]);
		timer_set(&r[i].t, now + (i * 7919 % 500) * 20000);
	}
	for (int i = 0; i < 500; i += 3)
		timer_cancel(&r[i].t);
	for (int i = 0; i < 500; i++)
		if (i % 3)
			wait_fired(&r[i], 1);
}
