/* clocks.c - the guest's clocks, and the guest's forms of time. */
#include "kernel/time/clocks.h"

#include <errno.h>
#include <sys/time.h>

#include "core/clock.h"
#include "kernel/mm/mm.h"
#include "kernel/task/task.h"
#include "kernel/time/vdso_data.h"

/* Dynamic clock ids: clock_getcpuclockid(3).  Linux: linux/posix-timers_types.h
 */
#define CPUCLOCK_PID(clk)  (~((clk) >> 3))
#define CPUCLOCK_THREAD    4
#define CPUCLOCK_KIND(clk) ((clk)&3)
#define CPUCLOCK_VIRT      1
#define CPUCLOCK_SCHED     2

#define LOOK_MIN  1000000 /* a CPU clock, ns */
#define LOOK_MAX  50000000
#define COARSE_NS 4000000 /* as a kernel with CONFIG_HZ=250 */

/* Another thread's sums are as old as its last return to the kernel. */
void task_cputime(struct task *t, int64_t *user, int64_t *sys)
{
	if (t == current)
		task_update_times(t);
	else if (atomic_load_explicit(&t->in_guest, memory_order_relaxed))
		task_kick(t, TASK_WORK_CALL); /* the next look sees more */
	*user = atomic_load_explicit(&t->utime, memory_order_relaxed);
	*sys = atomic_load_explicit(&t->stime, memory_order_relaxed);
}

void tgroup_cputime(struct tgroup *tg, int64_t *user, int64_t *sys)
{
	struct task *t;
	int64_t u, s;

	tasklist_lock(&tasklist);
	*user = atomic_load(&tg->dead_utime);
	*sys = atomic_load(&tg->dead_stime);
	list_for_each (t, &tg->threads, thread_link) {
		task_cputime(t, &u, &s);
		*user += u;
		*sys += s;
	}
	tasklist_unlock(&tasklist);
}

/* Threads may look at those of their own process, everybody at processes. */
int cpu_clock_get(struct task *t, clockid_t clk, struct cpu_clock *c)
{
	int pid = clk < 0 ? CPUCLOCK_PID(clk) : 0;
	bool thread = clk == CLOCK_THREAD_CPUTIME_ID ||
		      (clk < 0 && (clk & CPUCLOCK_THREAD));
	int kind = clk < 0 ? CPUCLOCK_KIND(clk) : CPUCLOCK_SCHED;

	if (kind > CPUCLOCK_SCHED)
		return -EINVAL;
	*c = (struct cpu_clock){ .user_only = kind == CPUCLOCK_VIRT };
	if (thread)
		c->thread = pid ? task_lookup(t->tg->pid_ns, pid) : task_get(t);
	else
		c->group = pid ? tgroup_lookup(t->tg->pid_ns, pid)
			       : tgroup_get(t->tg);
	if (!c->group && (!c->thread || c->thread->tg != t->tg)) {
		cpu_clock_put(c);
		return -EINVAL;
	}
	return 0;
}

void cpu_clock_copy(struct cpu_clock *to, const struct cpu_clock *from)
{
	*to = *from;
	if (to->thread)
		task_get(to->thread);
	if (to->group)
		tgroup_get(to->group);
}

void cpu_clock_put(struct cpu_clock *c)
{
	task_put(c->thread);
	tgroup_put(c->group);
	c->thread = NULL;
	c->group = NULL;
}

int64_t cpu_clock_now(const struct cpu_clock *c)
{
	int64_t user, sys;

	if (c->thread)
		task_cputime(c->thread, &user, &sys);
	else
		tgroup_cputime(c->group, &user, &sys);
	return c->user_only ? user : user + sys;
}

bool cpu_clock_ended(const struct cpu_clock *c)
{
	bool ended;

	if (c->thread) {
		enum task_state s = atomic_load(&c->thread->state);

		return s == TASK_ZOMBIE || s == TASK_DEAD;
	}
	tasklist_lock(&tasklist);
	ended = c->group->zombie;
	tasklist_unlock(&tasklist);
	return ended;
}

/*
 * Looks again when the time can have been used at the earliest; while nothing
 * is used at all, less and less often.
 */
long cpu_clock_sleep(struct task *t, const struct cpu_clock *c, int64_t at)
{
	int64_t now = cpu_clock_now(c), before = now, idle = LOOK_MIN;

	while (now < at && !cpu_clock_ended(c)) {
		int n = c->group ? MAX(c->group->nthreads, 1) : 1;
		long err = task_block(t,
			deadline_after(mono_now(), MAX((at - now) / n, idle)));

		if (err && err != -ETIMEDOUT)
			return err;
		now = cpu_clock_now(c);
		idle = now > before ? LOOK_MIN : MIN(idle * 2, LOOK_MAX);
		before = now;
	}
	return 0;
}

static int cpu_clock_read(struct task *t, clockid_t clk, int64_t *ns)
{
	struct cpu_clock c;
	int err = cpu_clock_get(t, clk, &c);

	if (err)
		return err;
	*ns = cpu_clock_now(&c);
	cpu_clock_put(&c);
	return 0;
}

/* The two alarm clocks need a clock chip, which a container has not: EINVAL. */
int clock_read(struct task *t, clockid_t clk, int64_t *ns)
{
	/* The same line as in the vDSO: neither is ever behind the other. */
	if (vdso_clock(clk, ns))
		return 0;
	switch (clk) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
	case CLOCK_TAI:
		*ns = clock_now(clk);
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
	case CLOCK_THREAD_CPUTIME_ID:
		return cpu_clock_read(t, clk, ns);
	}
	return clk < 0 ? cpu_clock_read(t, clk, ns) : -EINVAL;
}

int clock_resolution(struct task *t, clockid_t clk, int64_t *ns)
{
	int64_t now;
	int err = clock_read(t, clk, &now);

	*ns = clk == CLOCK_REALTIME_COARSE || clk == CLOCK_MONOTONIC_COARSE
		      ? COARSE_NS
		      : 1;
	return err;
}

/*
 * GAP: a deadline on CLOCK_REALTIME does not move when the host's clock is set
 * while somebody waits for it.
 */
int64_t clock_deadline(clockid_t clk, int64_t ns)
{
	if (clk == CLOCK_MONOTONIC)
		return ns;
	return deadline_after(mono_now(), ns - clock_now(clk));
}

static int to_ns(const int64_t v[2], int64_t unit, int64_t *ns)
{
	if (v[0] < 0 || v[1] < 0 || v[1] >= NSEC_PER_SEC / unit)
		return -EINVAL;
	*ns = v[0] >= INT64_MAX / NSEC_PER_SEC - 1
		      ? INT64_MAX
		      : v[0] * NSEC_PER_SEC + v[1] * unit;
	return 0;
}

int copyin_timespec(struct task *t, uaddr_t u, int64_t *ns)
{
	int64_t ts[2];
	int err = copyin(t, ts, u, sizeof ts);

	return err ? err : to_ns(ts, 1, ns);
}

int copyin_timeval(struct task *t, uaddr_t u, int64_t *ns)
{
	int64_t tv[2];
	int err = copyin(t, tv, u, sizeof tv);

	return err ? err : to_ns(tv, 1000, ns);
}

int copyout_timespec(struct task *t, uaddr_t u, int64_t ns)
{
	int64_t ts[2] = { ns / NSEC_PER_SEC, ns % NSEC_PER_SEC };

	return copyout(t, u, ts, sizeof ts);
}

int copyout_timeval(struct task *t, uaddr_t u, int64_t ns)
{
	int64_t tv[2] = { ns / NSEC_PER_SEC, ns % NSEC_PER_SEC / 1000 };

	return copyout(t, u, tv, sizeof tv);
}

long sleep_until(struct task *t, int64_t deadline)
{
	long err;

	do
		err = task_block(t, deadline);
	while (!err);
	return err == -ETIMEDOUT ? 0 : err;
}
