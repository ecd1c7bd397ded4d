/*
 * ptimer.c - POSIX timers and interval timers.
 *
 * An alarm is one armed time with an interval, on a real clock or a CPU clock.
 * Real ones are host timers.  A CPU one is looked at when it could have expired
 * at the earliest (remaining time / threads) and, because a thread's CPU time
 * is booked when it leaves guest code, the threads are kicked first.
 *
 * Locks.  lc_alarm guards everything here but the host timer itself, which is
 * cancelled without the lock (its callback takes it).  CPU time is read before
 * the lock is taken: that needs lc_tasklist.  timer_create(2),
 * setitimer(2) and their kin are the contract.
 */
#include "kernel/time/ptimer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "core/clock.h"
#include "core/list.h"
#include "core/timer.h"
#include "kernel/task/task.h"
#include "kernel/time/clocks.h"

#define CPU_LOOK_NS 1000000  /* the finest look at a CPU clock */
#define CPU_IDLE_NS 20000000 /* the rarest, while it stands still */

struct alarm {
	struct timer timer;
	struct ptimers *owner; /* I */
	void (*expire)(
		struct alarm *a, uint64_t times); /* I: sends; no lock held */
	clockid_t clk;                            /* I */
	bool cpu;            /* I: clk counts CPU time, that of */
	struct cpu_clock of; /* I: with references */
	int64_t seen, idle;  /* CPU time at the last look; how long to wait */
	bool kicked;         /* threads were told to book their time */
	int64_t at;          /* deadline, or CPU time; 0: disarmed */
	int64_t interval;
};

struct itimer {
	struct alarm alarm;
	int sig;
};

struct ptimer {
	struct alarm alarm;
	struct list link;
	int id;
	struct ptimer_event ev;
	int overrun; /* of the last signal that was delivered */
};

struct ptimers {
	struct mutex lock;
	struct tgroup *tg; /* borrowed: ptimers_exit() runs before it goes */
	struct list timers GUARDED_BY(lc_alarm);
	int next_id GUARDED_BY(lc_alarm);
	struct itimer itimers[3];
	struct alarm cpu_limit; /* RLIMIT_CPU */
};
LOCK_OPS(alarm, struct ptimers, lock)

static void kick(struct task *t)
{
	if (atomic_load(&t->in_guest))
		task_kick(t, TASK_WORK_CALL);
}

static void kick_threads(const struct cpu_clock *of)
{
	struct task *t;

	if (of->thread) {
		kick(of->thread);
		return;
	}
	tasklist_lock(&tasklist);
	list_for_each (t, &of->group->threads, thread_link)
		kick(t);
	tasklist_unlock(&tasklist);
}

/* At CPU time @now, with @left to go.  A clock that stands is not looked at as
 * often. */
static void arm_cpu(struct alarm *a, int64_t now, int64_t left)
{
	int n = a->of.thread ? 1 : MAX(a->of.group->nthreads, 1);

	a->idle = now > a->seen ? CPU_LOOK_NS : MIN(a->idle * 2, CPU_IDLE_NS);
	a->seen = now;
	a->kicked = false;
	timer_set(
		&a->timer, deadline_after(mono_now(), MAX(left / n, a->idle)));
}

/* Books the expirations up to @now and re-arms.  Returns their number. */
HOLDS(lc_alarm)
static uint64_t alarm_expired(struct alarm *a, int64_t now)
{
	uint64_t times = 1;

	if (a->interval) {
		times += (uint64_t)(now - a->at) / (uint64_t)a->interval;
		/* Up to now it fits; one more may not. */
		a->at = deadline_after(
			a->at + (int64_t)(times - 1) * a->interval,
			a->interval);
	} else {
		a->at = 0;
	}
	if (a->at && a->cpu)
		arm_cpu(a, now, a->at - now);
	else if (a->at)
		timer_set(&a->timer, a->at);
	return times;
}

static void alarm_fire(struct timer *timer)
{
	struct alarm *a = container_of(timer, struct alarm, timer);
	bool ended = a->cpu && cpu_clock_ended(&a->of);
	uint64_t times = 0;
	int64_t now;

	if (a->cpu && !a->kicked && !ended) {
		a->kicked = true;
		kick_threads(&a->of);
		timer_set(&a->timer, mono_now() + CPU_LOOK_NS);
		return;
	}
	now = a->cpu ? cpu_clock_now(&a->of) : mono_now();
	alarm_lock(a->owner);
	if (a->at && now >= a->at)
		times = alarm_expired(a, now);
	else if (a->at && a->cpu && ended)
		a->at = 0;
	else if (a->at && a->cpu)
		arm_cpu(a, now, a->at - now);
	else if (a->at)
		timer_set(&a->timer, a->at);
	alarm_unlock(a->owner);
	if (times) /* whoever deletes @a waits in timer_cancel() */
		a->expire(a, times);
}

static void alarm_init(struct alarm *a, struct ptimers *owner, clockid_t clk,
	bool cpu, void (*expire)(struct alarm *a, uint64_t times))
{
	a->owner = owner;
	a->clk = clk;
	a->cpu = cpu;
	a->expire = expire;
	timer_init(&a->timer, alarm_fire);
}

/* What timer_gettime(2) shows: time to go, at least 1 ns while armed. */
static void alarm_show(struct alarm *a, int64_t now, struct itimer_k *out)
{
	out->interval = a->interval;
	out->value = a->at ? MAX(a->at - now, (int64_t)1) : 0;
}

static void alarm_arm(
	struct alarm *a, const struct itimer_k *new, bool absolute, int64_t now)
{
	a->interval = new->interval;
	a->at = 0;
	if (!new->value) {
		(void)timer_cancel_nowait(
			&a->timer); /* a late one finds at == 0 */
		return;
	}
	if (a->cpu) {
		a->at = absolute ? new->value : deadline_after(now, new->value);
		a->seen = -1; /* it moves until the opposite is seen */
		arm_cpu(a, now, a->at - now);
		return;
	}
	a->at = absolute ? clock_deadline(a->clk, new->value)
			 : deadline_after(now, new->value);
	a->at = MAX(a->at, (int64_t)1);
	timer_set(&a->timer, a->at);
}

static int64_t alarm_now(struct alarm *a)
{
	return a->cpu ? cpu_clock_now(&a->of) : mono_now();
}

/* interval timers */

static void itimer_expire(struct alarm *a, uint64_t times)
{
	struct itimer *it = container_of(a, struct itimer, alarm);
	siginfo_t si;

	(void)times; /* an itimer's signal does not count */
	siginfo_kernel(&si, it->sig);
	(void)signal_send_group(
		a->owner->tg, it->sig, &si); /* or pending already */
}

static void limit_expire(struct alarm *a, uint64_t times);

static struct ptimers *ptimers_new(struct tgroup *tg)
{
	static const int sigs[3] = { SIGALRM, SIGVTALRM, SIGPROF };
	struct ptimers *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	mutex_init(&p->lock, &lc_alarm);
	p->tg = tg;
	list_init(&p->timers);
	for (int i = 0; i < 3; i++) {
		p->itimers[i].sig = sigs[i];
		alarm_init(&p->itimers[i].alarm, p, CLOCK_MONOTONIC,
			i != ITIMER_REAL, itimer_expire);
		/* Borrowed: the process outlives its timers. */
		p->itimers[i].alarm.of = (struct cpu_clock){ .group = tg,
			.user_only = i == ITIMER_VIRTUAL };
	}
	alarm_init(&p->cpu_limit, p, CLOCK_MONOTONIC, true, limit_expire);
	p->cpu_limit.of = (struct cpu_clock){ .group = tg };
	return p;
}

/* Those of a process that has not ended; NULL also without memory. */
HOLDS(lc_sighand)
static struct ptimers *ptimers_made(struct tgroup *tg)
{
	if (!tg->timers && tg->nthreads > 0)
		tg->timers = ptimers_new(tg);
	return tg->timers;
}

static struct ptimers *ptimers_of(struct tgroup *tg)
{
	struct ptimers *p;

	sighand_lock(tg);
	p = ptimers_made(tg);
	sighand_unlock(tg);
	return p;
}

static bool has_timers(struct tgroup *tg)
{
	bool has;

	sighand_lock(tg);
	has = tg->timers != NULL;
	sighand_unlock(tg);
	return has;
}

/*
 * RLIMIT_CPU: SIGXCPU at the soft limit and each second from then on, which is
 * shown as a limit that grows; SIGKILL at the hard one.
 */
static void limit_expire(struct alarm *a, uint64_t times)
{
	struct tgroup *tg = a->owner->tg;
	int64_t used = cpu_clock_now(&a->of) / NSEC_PER_SEC;
	struct rlim *l = &tg->rlim[RLIMIT_CPU];
	int sig = 0;
	siginfo_t si;

	(void)times;
	sighand_lock(tg);
	if (l->max != RLIM_INFINITY && (uint64_t)used >= l->max) {
		sig = SIGKILL;
	} else if (l->cur != RLIM_INFINITY && (uint64_t)used >= l->cur) {
		sig = SIGXCPU;
		l->cur++;
	}
	sighand_unlock(tg);
	if (sig) {
		siginfo_kernel(&si, sig);
		(void)signal_send_group(tg, sig, &si); /* never EAGAIN */
	}
	if (sig != SIGKILL)
		ptimers_limit_cpu(tg);
}

void ptimers_limit_cpu(struct tgroup *tg)
{
	struct cpu_clock of = { .group = tg };
	int64_t now = cpu_clock_now(&of);
	struct itimer_k at = { 0 };
	struct ptimers *p;
	uint64_t cur;

	sighand_lock(tg);
	cur = tg->rlim[RLIMIT_CPU].cur;
	if (cur != RLIM_INFINITY)
		at.value = cur < INT64_MAX / NSEC_PER_SEC
				   ? MAX((int64_t)cur * NSEC_PER_SEC, 1L)
				   : INT64_MAX;
	p = at.value ? ptimers_made(tg) : tg->timers;
	if (p) { /* under both locks: ptimers_exit() does not come between */
		alarm_lock(p);
		alarm_arm(&p->cpu_limit, &at, true, now);
		alarm_unlock(p);
	}
	sighand_unlock(tg);
}

int itimer_set(struct task *t, int which, const struct itimer_k *new,
	struct itimer_k *old)
{
	struct ptimers *p;
	struct alarm *a;
	int64_t now;

	if (which < 0 || which > 2)
		return -EINVAL;
	if (!new && !has_timers(t->tg)) {
		*old = (struct itimer_k){ 0 };
		return 0;
	}
	p = ptimers_of(t->tg);
	if (!p)
		return -ENOMEM;
	a = &p->itimers[which].alarm;
	now = alarm_now(a);
	alarm_lock(p);
	alarm_show(a, now, old);
	if (new)
		alarm_arm(a, new, false, now);
	alarm_unlock(p);
	return 0;
}

/* POSIX timers */

static void ptimer_expire(struct alarm *a, uint64_t times)
{
	struct ptimer *pt = container_of(a, struct ptimer, alarm);
	struct tgroup *tg = a->owner->tg;
	struct task *to;
	siginfo_t si;

	if (pt->ev.notify == SIGEV_NONE)
		return;
	memset(&si, 0, sizeof si);
	si.si_signo = pt->ev.sig;
	si.si_code = SI_TIMER;
	si.si_timerid = pt->id;
	si.si_overrun = (int)MIN(times - 1, (uint64_t)INT32_MAX);
	si.si_value.sival_ptr = (void *)pt->ev.value;
	if (pt->ev.notify != SIGEV_THREAD_ID) {
		(void)signal_send_group(tg, pt->ev.sig, &si);
		return;
	}
	to = task_lookup(tg->pid_ns, pt->ev.tid);
	if (to && to->tg == tg)
		(void)signal_send(to, pt->ev.sig, &si);
	task_put(to);
}

static bool clock_known(clockid_t clk, bool *cpu)
{
	*cpu = clk == CLOCK_PROCESS_CPUTIME_ID ||
	       clk == CLOCK_THREAD_CPUTIME_ID || clk < 0;
	return *cpu || clk == CLOCK_REALTIME || clk == CLOCK_MONOTONIC ||
	       clk == CLOCK_BOOTTIME || clk == CLOCK_TAI;
}

int ptimer_create(struct task *t, clockid_t clk, const struct ptimer_event *ev)
{
	struct ptimers *p = ptimers_of(t->tg);
	struct cpu_clock of = { 0 };
	struct ptimer *pt;
	int64_t probe;
	bool cpu;
	int id;

	if (clk == CLOCK_MONOTONIC_RAW || clk == CLOCK_REALTIME_COARSE ||
		clk == CLOCK_MONOTONIC_COARSE)
		return -EOPNOTSUPP;
	if (!clock_known(clk, &cpu) || clock_read(t, clk, &probe) ||
		(cpu && cpu_clock_get(t, clk, &of)))
		return -EINVAL;
	pt = calloc(1, sizeof *pt);
	if (!p || !pt) {
		free(pt);
		cpu_clock_put(&of);
		return -ENOMEM;
	}
	alarm_init(&pt->alarm, p, clk, cpu, ptimer_expire);
	pt->alarm.of = of;
	pt->ev = *ev;
	alarm_lock(p);
	id = pt->id = p->next_id++;
	if (ev->notify == SIGEV_SIGNAL &&
		ev->sig == 0) { /* no sigevent given */
		pt->ev.sig = SIGALRM;
		pt->ev.value = (uint64_t)id;
	}
	list_add_tail(&p->timers, &pt->link);
	alarm_unlock(p);
	return id;
}

HOLDS(lc_alarm)
static struct ptimer *ptimer_peek(struct ptimers *p, int id)
{
	struct ptimer *pt;

	list_for_each (pt, &p->timers, link)
		if (pt->id == id)
			return pt;
	return NULL;
}

/* Off the list already.  Waits for an expiration that is under way. */
static void ptimer_free(struct ptimer *pt)
{
	timer_cancel(&pt->alarm.timer);
	cpu_clock_put(&pt->alarm.of);
	free(pt);
}

int ptimer_delete(struct task *t, int id)
{
	struct ptimers *p = ptimers_of(t->tg);
	struct ptimer *pt;

	if (!p)
		return -EINVAL;
	alarm_lock(p);
	pt = ptimer_peek(p, id);
	if (pt) {
		pt->alarm.at = 0;
		list_del(&pt->link);
	}
	alarm_unlock(p);
	if (!pt)
		return -EINVAL;
	ptimer_free(pt);
	return 0;
}

/* What a timer counts by, now; 0 when there is none. */
static int64_t ptimer_now(struct ptimers *p, int id)
{
	struct cpu_clock of = { 0 };
	struct ptimer *pt;
	int64_t now = 0;

	alarm_lock(p);
	pt = ptimer_peek(p, id);
	if (pt && pt->alarm.cpu)
		cpu_clock_copy(&of, &pt->alarm.of);
	alarm_unlock(p);
	if (pt)
		now = of.thread || of.group ? cpu_clock_now(&of) : mono_now();
	cpu_clock_put(&of);
	return now;
}

int ptimer_settime(struct task *t, int id, bool absolute,
	const struct itimer_k *new, struct itimer_k *old)
{
	struct ptimers *p = ptimers_of(t->tg);
	struct itimer_k was = { 0 };
	struct ptimer *pt;
	int64_t now;

	if (!p)
		return -EINVAL;
	now = ptimer_now(p, id);
	alarm_lock(p);
	pt = ptimer_peek(p, id);
	if (pt) {
		alarm_show(&pt->alarm, now, &was);
		alarm_arm(&pt->alarm, new, absolute, now);
	}
	alarm_unlock(p);
	if (!pt)
		return -EINVAL;
	*old = was;
	return 0;
}

int ptimer_gettime(struct task *t, int id, struct itimer_k *out)
{
	struct ptimers *p = ptimers_of(t->tg);
	struct ptimer *pt;
	int64_t now;

	if (!p)
		return -EINVAL;
	now = ptimer_now(p, id);
	alarm_lock(p);
	pt = ptimer_peek(p, id);
	if (pt)
		alarm_show(&pt->alarm, now, out);
	alarm_unlock(p);
	return pt ? 0 : -EINVAL;
}

int ptimer_getoverrun(struct task *t, int id)
{
	struct ptimers *p = ptimers_of(t->tg);
	struct ptimer *pt;
	int ret = -EINVAL;

	if (!p)
		return -EINVAL;
	alarm_lock(p);
	pt = ptimer_peek(p, id);
	if (pt)
		ret = pt->overrun;
	alarm_unlock(p);
	return ret;
}

void ptimer_delivered(struct tgroup *tg, const siginfo_t *si)
{
	struct ptimers *p = tg->timers;
	struct ptimer *pt;

	if (!p)
		return;
	alarm_lock(p);
	pt = ptimer_peek(p, si->si_timerid);
	if (pt)
		pt->overrun = si->si_overrun;
	alarm_unlock(p);
}

static void delete_all(struct ptimers *p)
{
	struct ptimer *pt, *next;
	struct list gone;

	list_init(&gone);
	alarm_lock(p);
	list_for_each (pt, &p->timers, link)
		pt->alarm.at = 0;
	list_splice_tail(&gone, &p->timers);
	alarm_unlock(p);
	list_for_each_safe(pt, next, &gone, link)
	{
		ptimer_free(pt);
	}
}

void ptimers_exec(struct tgroup *tg)
{
	if (tg->timers)
		delete_all(tg->timers);
}

static void alarm_end(struct alarm *a)
{
	alarm_lock(a->owner);
	a->at = 0;
	alarm_unlock(a->owner);
	timer_cancel(&a->timer);
}

void ptimers_exit(struct tgroup *tg)
{
	struct ptimers *p;

	sighand_lock(tg);
	p = tg->timers;
	tg->timers = NULL; /* from here on nothing is armed */
	sighand_unlock(tg);
	if (!p)
		return;
	delete_all(p);
	for (int i = 0; i < 3; i++)
		alarm_end(&p->itimers[i].alarm);
	alarm_end(&p->cpu_limit);
	free(p);
}
