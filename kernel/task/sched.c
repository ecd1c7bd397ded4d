/*
 * sched.c - checks and changes of scheduling parameters.
 *
 * Linux: kernel/sched/syscalls.c, block/ioprio.c.
 *
 * GAP: nothing is scheduled by these; SCHED_DEADLINE has no admission control,
 * and utilisation clamps are checked and forgotten.
 */
#include "kernel/task/sched.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#include "kernel/kernel.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"

#define CAP_SYS_ADMIN_K  21
#define CAP_SYS_NICE_K   23
#define SCHED_DEADLINE_K 6
#define SLACK_DEFAULT    50000

#define FLAG_RESET_ON_FORK 1
#define FLAG_KEEP_POLICY   8
#define FLAG_KEEP_PARAMS   16
#define FLAGS_DEADLINE     6 /* RECLAIM, DL_OVERRUN */
#define FLAGS_ALL          0x7f

#define DL_RUNTIME_MIN (1U << 10)
#define DL_PERIOD_MIN  (100 * 1000UL)
#define DL_PERIOD_MAX  ((1UL << 22) * 1000)

#define IO_CLASS(p)  ((p) >> 13)
#define IO_DATA(p)   ((p)&0x1fff)
#define IO_LEVELS    8
#define IO_CLASS_RT  1
#define IO_CLASS_BE  2
#define IO_CLASS_IDL 3

void sched_init(struct sched *s)
{
	s->slack = s->default_slack = SLACK_DEFAULT;
	cpus_online(s->cpu_mask);
}

int sched_fork(const struct sched *from, struct sched *to)
{
	if (from->policy == SCHED_DEADLINE_K && !from->reset_on_fork)
		return -EAGAIN;
	*to = *from;
	to->default_slack = from->slack;
	if (!from->reset_on_fork)
		return 0;
	to->reset_on_fork = false;
	if (sched_is_rt(from->policy) || from->policy == SCHED_DEADLINE_K) {
		to->policy = SCHED_OTHER;
		to->prio = to->nice = 0;
	} else if (from->nice < 0) {
		to->nice = 0;
	}
	return 0;
}

static bool same_user(struct task *t, struct task *of)
{
	const struct cred *c = task_cred(t);
	struct cred *o = task_cred_get(of);
	bool ok = c->euid == o->uid || c->euid == o->euid;

	cred_put(o);
	return ok;
}

bool sched_is_rt(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static bool is_fair(int policy)
{
	return policy == SCHED_OTHER || policy == SCHED_BATCH;
}

static bool valid_deadline(const struct sched_attr_abi *a)
{
	uint64_t period = a->period ? a->period : a->deadline;

	return a->deadline && a->runtime >= DL_RUNTIME_MIN &&
	       (int64_t)a->deadline >= 0 && (int64_t)a->period >= 0 &&
	       period >= a->deadline && a->deadline >= a->runtime &&
	       period >= DL_PERIOD_MIN && period <= DL_PERIOD_MAX;
}

static int check_attr(const struct sched_attr_abi *a, int policy)
{
	if (!is_fair(policy) && policy != SCHED_IDLE && !sched_is_rt(policy) &&
		policy != SCHED_DEADLINE_K)
		return -EINVAL;
	if (a->flags & ~(uint64_t)FLAGS_ALL || a->priority > 99)
		return -EINVAL;
	if (policy == SCHED_DEADLINE_K && !valid_deadline(a))
		return -EINVAL;
	return sched_is_rt(policy) == (a->priority != 0) ? 0 : -EINVAL;
}

static bool nice_allowed(struct task *of, int nice)
{
	return (uint64_t)(20 - nice) <= task_rlimit(of, RLIMIT_NICE);
}

/* Is it something that only CAP_SYS_NICE allows? */
static bool is_privileged(struct task *t, struct task *of,
	const struct sched_attr_abi *a, int policy, bool reset)
{
	const struct sched *s = &of->sched;
	uint64_t rt = task_rlimit(of, RLIMIT_RTPRIO);

	if (is_fair(policy) && a->nice < s->nice && !nice_allowed(of, a->nice))
		return true;
	if (sched_is_rt(policy) &&
		((policy != s->policy && !rt) ||
			((int)a->priority > s->prio && a->priority > rt)))
		return true;
	if (policy == SCHED_DEADLINE_K)
		return true;
	if (s->policy == SCHED_IDLE && policy != SCHED_IDLE &&
		!nice_allowed(of, s->nice))
		return true;
	return !same_user(t, of) || (s->reset_on_fork && !reset);
}

/* A deadline is a promise for all CPUs: the task may not be kept to some. */
static bool on_all_cpus(const struct sched *s)
{
	uint64_t online[2];

	cpus_online(online);
	return s->cpu_mask[0] == online[0] && s->cpu_mask[1] == online[1];
}

int sched_set(struct task *t, struct task *of, const struct sched_attr_abi *a)
{
	struct sched *s = &of->sched;
	bool keep = a->policy == SCHED_KEEP_POLICY;
	int policy = keep ? s->policy : (int)a->policy, err;
	bool reset = keep ? s->reset_on_fork : a->flags & FLAG_RESET_ON_FORK;

	err = check_attr(a, policy);
	if (err)
		return err;
	if (is_privileged(t, of, a, policy, reset) &&
		!task_capable(t, CAP_SYS_NICE_K))
		return -EPERM;
	if (policy == SCHED_DEADLINE_K && !on_all_cpus(s))
		return -EPERM;
	s->reset_on_fork = reset;
	s->policy = policy;
	if (a->flags & FLAG_KEEP_PARAMS)
		return 0;
	s->prio = (int)a->priority;
	if (is_fair(policy) || policy == SCHED_IDLE)
		s->nice = a->nice;
	if (policy == SCHED_DEADLINE_K) {
		s->runtime = a->runtime;
		s->deadline = a->deadline;
		s->period = a->period ? a->period : a->deadline;
		s->dl_flags = a->flags & FLAGS_DEADLINE;
	}
	return 0;
}

void sched_params(struct task *of, struct sched_attr_abi *a)
{
	const struct sched *s = &of->sched;

	if (s->policy == SCHED_DEADLINE_K) {
		a->priority = 0;
		a->runtime = s->runtime;
		a->deadline = s->deadline;
		a->period = s->period;
		a->flags &= ~(uint64_t)FLAGS_DEADLINE;
		a->flags |= s->dl_flags;
	} else if (sched_is_rt(s->policy)) {
		a->priority = (uint32_t)s->prio;
	} else {
		a->nice = s->nice;
	}
}

int sched_set_affinity(struct task *t, struct task *of, const uint64_t mask[2])
{
	uint64_t online[2];

	if (!same_user(t, of) && !task_capable(t, CAP_SYS_NICE_K))
		return -EPERM;
	cpus_online(online);
	if (!(mask[0] & online[0]) && !(mask[1] & online[1]))
		return -EINVAL;
	of->sched.cpu_mask[0] = mask[0] & online[0];
	of->sched.cpu_mask[1] = mask[1] & online[1];
	return 0;
}

/* The host's choice, where it is one of ours that the task allows itself. */
unsigned sched_cpu(struct task *t)
{
	const uint64_t *m = t->sched.cpu_mask;
	int host = sched_getcpu();
	unsigned cpu = host < 0 ? 0 : (unsigned)host % kernel.conf.ncpu;

	if (cpu >= 128 || (m[cpu / 64] >> (cpu % 64) & 1))
		return cpu;
	return (unsigned)(m[0] ? __builtin_ctzll(m[0])
			       : 64 + __builtin_ctzll(m[1]));
}

int sched_set_nice(struct task *t, struct task *of, int nice)
{
	bool can = task_capable(t, CAP_SYS_NICE_K);

	if (!can && !same_user(t, of))
		return -EPERM;
	if (!can && nice < of->sched.nice && !nice_allowed(of, nice))
		return -EACCES;
	of->sched.nice = nice;
	return 0;
}

static int check_ioprio(struct task *t, int ioprio)
{
	switch (IO_CLASS(ioprio)) {
	case 0:
		return IO_DATA(ioprio) ? -EINVAL : 0;
	case IO_CLASS_RT:
		if (!task_capable(t, CAP_SYS_ADMIN_K) &&
			!task_capable(t, CAP_SYS_NICE_K))
			return -EPERM;
		/* fall through */
	case IO_CLASS_BE:
		return IO_DATA(ioprio) < IO_LEVELS ? 0 : -EINVAL;
	case IO_CLASS_IDL:
		return 0;
	}
	return -EINVAL;
}

int sched_set_ioprio(struct task *t, struct task *of, int ioprio)
{
	int err = check_ioprio(t, ioprio);

	if (err)
		return err;
	if (of && !same_user(t, of) && !task_capable(t, CAP_SYS_NICE_K))
		return -EPERM;
	if (of)
		of->sched.ioprio = ioprio;
	return 0;
}

int sched_ioprio(struct task *of)
{
	const struct sched *s = &of->sched;
	int class = IO_CLASS_BE;

	if (IO_CLASS(s->ioprio))
		return s->ioprio;
	if (s->policy == SCHED_IDLE)
		class = IO_CLASS_IDL;
	else if (sched_is_rt(s->policy))
		class = IO_CLASS_RT;
	return class << 13 | (s->nice + 20) / 5;
}

void sched_set_slack(struct task *of, uint64_t ns)
{
	struct sched *s = &of->sched;

	if (!sched_is_rt(s->policy) && s->policy != SCHED_DEADLINE_K)
		s->slack = ns ? ns : s->default_slack;
}
