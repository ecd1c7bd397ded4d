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

static int thread_clock(struct task *t, int tid, int64_t *user, int64_t *sys)
{
	struct task *of = tid ? task_lookup(t->tg->pid_ns, tid) : task_get(t);

	if (!of || of->tg != t->tg) {
		task_put(of);
		return -EINVAL;
	}
	task_cputime(of, user, sys);
	task_put(of);
	return 0;
}

static int group_clock(struct task *t, int pid, int64_t *user, int64_t *sys)
{
	struct tgroup *of =
		pid ? tgroup_lookup(t->tg->pid_ns, pid) : tgroup_get(t->tg);

	if (!of)
		return -EINVAL;
	tgroup_cputime(of, user, sys);
	tgroup_put(of);
	return 0;
}

static int cpu_clock(struct task *t, clockid_t clk, int64_t *ns)
{
	int pid = CPUCLOCK_PID(clk), kind = CPUCLOCK_KIND(clk);
	int64_t user, sys;
	int err;

	if (kind > CPUCLOCK_SCHED)
		return -EINVAL;
	err = clk & CPUCLOCK_THREAD ? thread_clock(t, pid, &user, &sys)
				    : group_clock(t, pid, &user, &sys);
	if (!err)
		*ns = kind == CPUCLOCK_VIRT ? user : user + sys;
	return err;
}

/* The two alarm clocks need a clock chip, which a container has not: EINVAL. */
int clock_read(struct task *t, clockid_t clk, int64_t *ns)
{
	int64_t user = 0, sys = 0;

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
		tgroup_cputime(t->tg, &user, &sys);
		*ns = user + sys;
		return 0;
	case CLOCK_THREAD_CPUTIME_ID:
		task_cputime(t, &user, &sys);
		*ns = user + sys;
		return 0;
	}
	return clk < 0 ? cpu_clock(t, clk, ns) : -EINVAL;
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
