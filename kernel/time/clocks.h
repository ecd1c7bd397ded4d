/*
 * clocks.h - the guest's clocks: clock_gettime(2).
 *
 * REALTIME, MONOTONIC and their kin are the host's; CPU clocks add up what tasks
 * used.  All times are nanoseconds in int64_t.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "core/attr.h"
#include "core/uaddr.h"

struct task;
struct tgroup;

/* Time of @clk as @t sees it.  -EINVAL: no such clock (or no such process). */
int clock_read(struct task *t, clockid_t clk, int64_t *ns) MUST_CHECK;
int clock_resolution(struct task *t, clockid_t clk, int64_t *ns) MUST_CHECK;
/* An absolute time of REALTIME, TAI or a MONOTONIC-like clock as a CLOCK_MONOTONIC deadline. */
int64_t clock_deadline(clockid_t clk, int64_t ns);

/* CPU time, ns: of one task; of all tasks of a process, ended ones included. */
void task_cputime(struct task *t, int64_t *user, int64_t *sys);
void tgroup_cputime(struct tgroup *tg, int64_t *user, int64_t *sys);

/* Whose CPU time a clock counts: of one thread, or of a whole process. */
struct cpu_clock {
	struct task *thread;		/* reference, or NULL */
	struct tgroup *group;		/* reference, or NULL */
	bool user_only;			/* CPUCLOCK_VIRT */
};
/* What the CPU clock @clk means to @t; released with cpu_clock_put().  -EINVAL. */
int cpu_clock_get(struct task *t, clockid_t clk, struct cpu_clock *c) MUST_CHECK;
void cpu_clock_copy(struct cpu_clock *to, const struct cpu_clock *from);
void cpu_clock_put(struct cpu_clock *c);
int64_t cpu_clock_now(const struct cpu_clock *c);
bool cpu_clock_ended(const struct cpu_clock *c);	/* it will never move again */
/* Sleeps until the CPU clock shows @at. */
long cpu_clock_sleep(struct task *t, const struct cpu_clock *c, int64_t at) MUST_CHECK;

/* A struct timespec of the guest; -EINVAL when negative or not normal. */
int copyin_timespec(struct task *t, uaddr_t u, int64_t *ns) MUST_CHECK;
int copyout_timespec(struct task *t, uaddr_t u, int64_t ns) MUST_CHECK;
int copyin_timeval(struct task *t, uaddr_t u, int64_t *ns) MUST_CHECK;
int copyout_timeval(struct task *t, uaddr_t u, int64_t ns) MUST_CHECK;

/* Sleeps until @deadline; -ERESTARTSYS... as task_block(). */
long sleep_until(struct task *t, int64_t deadline) MUST_CHECK;
