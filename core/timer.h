/*
 * timer.h - call me at a time.
 *
 * One thread, started by the first timer_set(), sleeps until the earliest
 * deadline; with no timer armed it sleeps for ever.  Callbacks run on it one at
 * a time, with no lock held; they may take locks and may re-arm or cancel
 * their own timer, but must not block for long.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/rbtree.h"

struct timer {
	struct rb_node node;		/* all guarded by lc_timers */
	int64_t when;			/* CLOCK_MONOTONIC ns; 0: not armed */
	void (*fire)(struct timer *t);	/* I */
};

void timer_init(struct timer *t, void (*fire)(struct timer *t));
/* Arms, or moves, @t. */
void timer_set(struct timer *t, int64_t when);
/* Disarms @t; afterwards its callback is not running, unless called from it. */
void timer_cancel(struct timer *t);
/* Disarms without waiting for a running callback: callers hold a lock that it takes. */
bool timer_cancel_nowait(struct timer *t);
