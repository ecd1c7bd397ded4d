/*
 * ptimer.h - POSIX timers and interval timers of a process.
 *
 * Both send signals from the timer thread.  Timers on a CPU clock are checked
 * when they could have expired at the earliest, so an idle process costs nothing
 * more than a look now and then.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "core/attr.h"

struct task;
struct tgroup;

struct itimer_k {			/* nanoseconds; value 0: disarmed */
	int64_t interval, value;
};

/* setitimer(2): which is ITIMER_*.  @new NULL only reads. */
int itimer_set(struct task *t, int which, const struct itimer_k *new, struct itimer_k *old) MUST_CHECK;

struct ptimer_event {			/* struct sigevent, decoded */
	int notify, sig, tid;
	uint64_t value;
};
/* timer_create(2): the id, or -errno. */
int ptimer_create(struct task *t, clockid_t clk, const struct ptimer_event *ev) MUST_CHECK;
int ptimer_delete(struct task *t, int id);
int ptimer_settime(struct task *t, int id, bool absolute, const struct itimer_k *new,
	struct itimer_k *old) MUST_CHECK;
int ptimer_gettime(struct task *t, int id, struct itimer_k *now) MUST_CHECK;
int ptimer_getoverrun(struct task *t, int id) MUST_CHECK;
/* A SI_TIMER signal leaves the queue: remembers its overrun.  Takes lc_alarm. */
void ptimer_delivered(struct tgroup *tg, const siginfo_t *si);

/* RLIMIT_CPU of @tg has changed, or come with fork(2). */
void ptimers_limit_cpu(struct tgroup *tg);
void ptimers_exec(struct tgroup *tg);	/* deletes POSIX timers; itimers go on */
void ptimers_exit(struct tgroup *tg);	/* the last thread ended: stops and frees all */
