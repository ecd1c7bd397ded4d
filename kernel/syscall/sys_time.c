/* sys_time.c - clocks, sleeping, timers. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>

#include "core/clock.h"
#include "kernel/mm/mm.h"
#include "kernel/syscall/syscall.h"
#include "kernel/task/task.h"
#include "kernel/time/clocks.h"
#include "kernel/time/ptimer.h"

#define USER_HZ 100

long sys_clock_gettime(struct task *t, struct sysargs a)
{
	int64_t ns;
	int err = clock_read(t, arg_int(a, 0), &ns);

	return err ? err : copyout_timespec(t, arg_addr(a, 1), ns);
}

long sys_clock_getres(struct task *t, struct sysargs a)
{
	int64_t ns;
	int err = clock_resolution(t, arg_int(a, 0), &ns);

	if (err || uaddr_null(arg_addr(a, 1)))
		return err;
	return copyout_timespec(t, arg_addr(a, 1), ns);
}

/* The host's clock is not the guest's to set. */
long sys_clock_settime(struct task *t, struct sysargs a)
{
	int64_t ns;
	int err;

	if (arg_int(a, 0) != CLOCK_REALTIME)
		return -EINVAL;
	err = copyin_timespec(t, arg_addr(a, 1), &ns);
	return err ? err : -EPERM;
}

long sys_settimeofday(struct task *t, struct sysargs a)
{
	int64_t ns;
	int err = 0;

	if (!uaddr_null(arg_addr(a, 0)))
		err = copyin_timeval(t, arg_addr(a, 0), &ns);
	return err ? err : -EPERM;
}

long sys_gettimeofday(struct task *t, struct sysargs a)
{
	struct timezone tz = { 0 };
	int err = 0;

	if (!uaddr_null(arg_addr(a, 0)))
		err = copyout_timeval(
			t, arg_addr(a, 0), clock_now(CLOCK_REALTIME));
	if (!err && !uaddr_null(arg_addr(a, 1)))
		err = copyout(t, arg_addr(a, 1), &tz, sizeof tz);
	return err;
}

long sys_time(struct task *t, struct sysargs a)
{
	int64_t s = clock_now(CLOCK_REALTIME) / NSEC_PER_SEC;
	int err = 0;

	if (!uaddr_null(arg_addr(a, 0)))
		err = copyout(t, arg_addr(a, 0), &s, sizeof s);
	return err ? err : s;
}

/* After a handler ran, the caller learns how much was left: nanosleep(2). */
static long finish_sleep(
	struct task *t, long err, int64_t deadline, uint64_t rem)
{
	if (err != -ERESTARTSYS || !rem)
		return err;
	err = copyout_timespec(t, uaddr(rem), MAX(deadline - mono_now(), 0L));
	return err ? err : -ERESTARTSYS;
}

static long sleep_again(struct task *t)
{
	int64_t deadline = t->restart.deadline;
	long err = sleep_until(t, deadline);

	err = finish_sleep(t, err, deadline, t->restart.arg[0]);
	return err == -ERESTARTSYS ? -ERESTART_RESTARTBLOCK : err;
}

static long sleep_for(struct task *t, int64_t deadline, uaddr_t rem)
{
	t->wait_what = "nanosleep";
	t->restart = (struct restart){
		.fn = sleep_again, .deadline = deadline, .arg = { rem.v }
	};
	return sleep_again(t);
}

long sys_nanosleep(struct task *t, struct sysargs a)
{
	int64_t ns;
	int err = copyin_timespec(t, arg_addr(a, 0), &ns);

	if (err)
		return err;
	return sleep_for(t, deadline_after(mono_now(), ns), arg_addr(a, 1));
}

static bool can_sleep_on(clockid_t clk)
{
	return clk == CLOCK_REALTIME || clk == CLOCK_MONOTONIC ||
	       clk == CLOCK_BOOTTIME || clk == CLOCK_TAI;
}

/* How long until the CPU clock of @t->restart shows its deadline. */
static long cpu_sleep_again(struct task *t)
{
	clockid_t clk = (clockid_t)t->restart.arg[1];
	int64_t at = t->restart.deadline, left;
	uint64_t rem = t->restart.arg[0];
	struct cpu_clock c;
	long err;

	err = cpu_clock_get(t, clk, &c);
	if (err)
		return 0; /* it has ended */
	err = cpu_clock_sleep(t, &c, at);
	left = MAX(at - cpu_clock_now(&c), 0L);
	cpu_clock_put(&c);
	if (err == -ERESTARTSYS && rem && copyout_timespec(t, uaddr(rem), left))
		err = -EFAULT;
	return err == -ERESTARTSYS ? -ERESTART_RESTARTBLOCK : err;
}

/* A thread cannot wait for its own CPU time: nothing would use it. */
static long sleep_on_cpu_clock(
	struct task *t, clockid_t clk, bool absolute, struct sysargs a)
{
	struct cpu_clock c;
	int64_t ns;
	long err;

	if (clk == CLOCK_THREAD_CPUTIME_ID)
		return -EOPNOTSUPP;
	if (clk != CLOCK_PROCESS_CPUTIME_ID && clk >= 0)
		return clock_read(t, clk, &ns) ? -EINVAL : -EOPNOTSUPP;
	err = copyin_timespec(t, arg_addr(a, 2), &ns);
	if (!err)
		err = cpu_clock_get(t, clk, &c);
	if (err)
		return err;
	if (!absolute)
		ns = deadline_after(cpu_clock_now(&c), ns);
	if (c.thread == t)
		err = -EINVAL;
	cpu_clock_put(&c);
	if (err)
		return err;
	t->wait_what = "nanosleep";
	t->restart = (struct restart){ .fn = cpu_sleep_again,
		.deadline = ns,
		.arg = { absolute ? 0 : a.r[3], (uint64_t)clk } };
	err = cpu_sleep_again(t);
	return absolute && err == -ERESTART_RESTARTBLOCK ? -ERESTARTNOHAND
							 : err;
}

long sys_clock_nanosleep(struct task *t, struct sysargs a)
{
	clockid_t clk = arg_int(a, 0);
	bool absolute = arg_int(a, 1) & TIMER_ABSTIME;
	int64_t ns, deadline;
	long err;

	if (!can_sleep_on(clk))
		return sleep_on_cpu_clock(t, clk, absolute, a);
	err = copyin_timespec(t, arg_addr(a, 2), &ns);
	if (err)
		return err;
	if (!absolute)
		return sleep_for(
			t, deadline_after(mono_now(), ns), arg_addr(a, 3));
	deadline = clock_deadline(clk, ns);
	err = sleep_until(t, deadline);
	return err == -ERESTARTSYS ? -ERESTARTNOHAND : err;
}

/* struct itimerspec and itimerval: interval first. */
static int copyin_itimer(struct task *t, uaddr_t u, struct itimer_k *it,
	int (*in)(struct task *t, uaddr_t u, int64_t *ns))
{
	int err = in(t, u, &it->interval);

	return err ? err : in(t, uaddr_add(u, 16), &it->value);
}

static int copyout_itimer(struct task *t, uaddr_t u, const struct itimer_k *it,
	int (*out)(struct task *t, uaddr_t u, int64_t ns))
{
	int err = out(t, u, it->interval);

	return err ? err : out(t, uaddr_add(u, 16), it->value);
}

long sys_getitimer(struct task *t, struct sysargs a)
{
	struct itimer_k old;
	int err = itimer_set(t, arg_int(a, 0), NULL, &old);

	return err ? err
		   : copyout_itimer(t, arg_addr(a, 1), &old, copyout_timeval);
}

/* A NULL new value disarms, as Linux still allows. */
long sys_setitimer(struct task *t, struct sysargs a)
{
	struct itimer_k new = { 0 }, old;
	int err = 0;

	if (!uaddr_null(arg_addr(a, 1)))
		err = copyin_itimer(t, arg_addr(a, 1), &new, copyin_timeval);
	if (!err)
		err = itimer_set(t, arg_int(a, 0), &new, &old);
	if (err || uaddr_null(arg_addr(a, 2)))
		return err;
	return copyout_itimer(t, arg_addr(a, 2), &old, copyout_timeval);
}

long sys_alarm(struct task *t, struct sysargs a)
{
	struct itimer_k new = { 0, (int64_t)arg_uint(a, 0) * NSEC_PER_SEC };
	struct itimer_k old;
	int err = itimer_set(t, ITIMER_REAL, &new, &old);

	return err ? err : (old.value + NSEC_PER_SEC - 1) / NSEC_PER_SEC;
}

static int read_sigevent(struct task *t, uaddr_t u, struct ptimer_event *ev)
{
	struct {
		uint64_t value;
		int sig, notify, tid;
		char pad[44];
	} se;
	int err;

	*ev = (struct ptimer_event){ .notify = SIGEV_SIGNAL };
	if (uaddr_null(u))
		return 0;
	err = copyin(t, &se, u, sizeof se);
	if (err)
		return err;
	*ev = (struct ptimer_event){ se.notify, se.sig, se.tid, se.value };
	switch (se.notify) {
	case SIGEV_NONE:
		return 0;
	case SIGEV_THREAD: /* a thread of the C library waits for it */
		ev->notify = SIGEV_SIGNAL;
		/* fall through */
	case SIGEV_SIGNAL:
	case SIGEV_THREAD_ID:
		return se.sig < 1 || se.sig > NSIG_GUEST ? -EINVAL : 0;
	}
	return -EINVAL;
}

static int check_target(struct task *t, const struct ptimer_event *ev)
{
	struct task *to;
	int err;

	if (ev->notify != SIGEV_THREAD_ID)
		return 0;
	to = task_lookup(t->tg->pid_ns, ev->tid);
	err = to && to->tg == t->tg ? 0 : -EINVAL;
	task_put(to);
	return err;
}

long sys_timer_create(struct task *t, struct sysargs a)
{
	struct ptimer_event ev;
	int err, id;

	err = read_sigevent(t, arg_addr(a, 1), &ev);
	if (!err)
		err = check_target(t, &ev);
	if (err)
		return err;
	id = ptimer_create(t, arg_int(a, 0), &ev);
	if (id < 0)
		return id;
	err = copyout(t, arg_addr(a, 2), &id, sizeof id);
	if (err)
		ptimer_delete(t, id);
	return err;
}

long sys_timer_settime(struct task *t, struct sysargs a)
{
	struct itimer_k new, old;
	int err;

	if (uaddr_null(arg_addr(a, 2)))
		return -EINVAL;
	err = copyin_itimer(t, arg_addr(a, 2), &new, copyin_timespec);
	if (!err)
		err = ptimer_settime(t, arg_int(a, 0),
			arg_int(a, 1) & TIMER_ABSTIME, &new, &old);
	if (err || uaddr_null(arg_addr(a, 3)))
		return err;
	return copyout_itimer(t, arg_addr(a, 3), &old, copyout_timespec);
}

long sys_timer_gettime(struct task *t, struct sysargs a)
{
	struct itimer_k now;
	int err = ptimer_gettime(t, arg_int(a, 0), &now);

	return err ? err
		   : copyout_itimer(t, arg_addr(a, 1), &now, copyout_timespec);
}

long sys_timer_getoverrun(struct task *t, struct sysargs a)
{
	return ptimer_getoverrun(t, arg_int(a, 0));
}

long sys_timer_delete(struct task *t, struct sysargs a)
{
	return ptimer_delete(t, arg_int(a, 0));
}

static int64_t ticks(int64_t ns)
{
	return ns / (NSEC_PER_SEC / USER_HZ);
}

long sys_times(struct task *t, struct sysargs a)
{
	int64_t user, sys, tms[4];
	int err = 0;

	tgroup_cputime(t->tg, &user, &sys);
	tms[0] = ticks(user);
	tms[1] = ticks(sys);
	tms[2] = ticks(atomic_load(&t->tg->child_utime));
	tms[3] = ticks(atomic_load(&t->tg->child_stime));
	if (!uaddr_null(arg_addr(a, 0)))
		err = copyout(t, arg_addr(a, 0), tms, sizeof tms);
	return err ? err : ticks(clock_now(CLOCK_BOOTTIME));
}

/*
 * Reading the clock's state is all that a container may do: adjtimex(2).
 * GAP: offsets and error estimates read as those of a perfect clock.
 */
static long do_adjtimex(struct task *t, clockid_t clk, uaddr_t u)
{
	struct timex tx;
	int64_t now;
	int err = copyin(t, &tx, u, sizeof tx);

	if (err)
		return err;
	if (clk != CLOCK_REALTIME)
		return clk == CLOCK_MONOTONIC ? -EOPNOTSUPP : -EINVAL;
	if (tx.modes)
		return -EPERM;
	now = clock_now(CLOCK_REALTIME);
	memset(&tx, 0, sizeof tx);
	tx.tick = 1000000 / USER_HZ;
	tx.precision = 1;
	tx.tolerance = 32768000;
	tx.status = STA_NANO;
	tx.time.tv_sec = now / NSEC_PER_SEC;
	tx.time.tv_usec = now % NSEC_PER_SEC; /* nanoseconds, by STA_NANO */
	err = copyout(t, u, &tx, sizeof tx);
	return err ? err : TIME_OK;
}

long sys_adjtimex(struct task *t, struct sysargs a)
{
	return do_adjtimex(t, CLOCK_REALTIME, arg_addr(a, 0));
}

long sys_clock_adjtime(struct task *t, struct sysargs a)
{
	return do_adjtimex(t, arg_int(a, 0), arg_addr(a, 1));
}
