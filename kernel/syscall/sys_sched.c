/*
 * sys_sched.c - scheduling parameters.
 *
 * There is no scheduler here: the host's runs our threads.  What a program sets
 * is kept and shown, and checked as Linux checks it.  sched(7) is the contract.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#include "kernel/kernel.h"
#include "kernel/mm/mm.h"
#include "kernel/syscall/syscall.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"

#define CAP_SYS_NICE_K   23
#define POLICY_MASK      7
#define RESET_ON_FORK    0x40000000
#define SCHED_DEADLINE_K 6
#define ATTR_SIZE_V0     48
#define ATTR_SIZE_V1     56

struct sched_attr_abi {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

/* A reference to the task that @pid names (0: the caller), or NULL. */
static struct task *target(struct task *t, int pid)
{
	return pid ? task_lookup(t->tg->pid_ns, pid) : task_get(t);
}

static bool same_user(struct task *t, struct task *of)
{
	const struct cred *c = task_cred(t);
	struct cred *o = task_cred_get(of);
	bool ok = c->euid == o->uid || c->euid == o->euid ||
		  cred_capable(c, CAP_SYS_NICE_K);

	cred_put(o);
	return ok;
}

static int clamp_nice(int nice)
{
	return nice > 19 ? 19 : nice < -20 ? -20 : nice;
}

static bool is_rt(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static int check_policy(int policy, int prio)
{
	if (policy != SCHED_OTHER && policy != SCHED_BATCH &&
		policy != SCHED_IDLE && !is_rt(policy))
		return -EINVAL;
	if (is_rt(policy) ? prio < 1 || prio > 99 : prio != 0)
		return -EINVAL;
	return 0;
}

static int set_policy(struct task *t, struct task *of, int policy, int prio)
{
	int err = check_policy(policy, prio);

	if (err)
		return err;
	if (!same_user(t, of))
		return -EPERM;
	if (is_rt(policy) && !task_capable(t, CAP_SYS_NICE_K) &&
		task_rlimit(of, RLIMIT_RTPRIO) < (uint64_t)prio)
		return -EPERM;
	of->sched_policy = policy;
	of->sched_prio = prio;
	return 0;
}

static long do_setscheduler(struct task *t, int pid, int policy, uaddr_t param)
{
	struct task *of;
	int prio, err;

	if (pid < 0 || uaddr_null(param))
		return -EINVAL;
	err = copyin(t, &prio, param, sizeof prio);
	if (err)
		return err;
	of = target(t, pid);
	if (!of)
		return -ESRCH;
	err = set_policy(t, of, policy < 0 ? of->sched_policy : policy, prio);
	task_put(of);
	return err;
}

long sys_sched_setscheduler(struct task *t, struct sysargs a)
{
	int policy = arg_int(a, 1);

	if (policy < 0)
		return -EINVAL;
	return do_setscheduler(
		t, arg_int(a, 0), policy & ~RESET_ON_FORK, arg_addr(a, 2));
}

long sys_sched_setparam(struct task *t, struct sysargs a)
{
	return do_setscheduler(t, arg_int(a, 0), -1, arg_addr(a, 1));
}

long sys_sched_getscheduler(struct task *t, struct sysargs a)
{
	struct task *of;
	int ret;

	if (arg_int(a, 0) < 0)
		return -EINVAL;
	of = target(t, arg_int(a, 0));
	if (!of)
		return -ESRCH;
	ret = of->sched_policy;
	task_put(of);
	return ret;
}

long sys_sched_getparam(struct task *t, struct sysargs a)
{
	struct task *of;
	int prio;

	if (arg_int(a, 0) < 0 || uaddr_null(arg_addr(a, 1)))
		return -EINVAL;
	of = target(t, arg_int(a, 0));
	if (!of)
		return -ESRCH;
	prio = of->sched_prio;
	task_put(of);
	return copyout(t, arg_addr(a, 1), &prio, sizeof prio);
}

/* GAP: SCHED_DEADLINE is refused (EPERM), utilisation clamps are ignored. */
long sys_sched_setattr(struct task *t, struct sysargs a)
{
	struct sched_attr_abi sa = { 0 };
	uint32_t size;
	struct task *of;
	int err;

	if (arg_int(a, 0) < 0 || arg_uint(a, 2))
		return -EINVAL;
	err = copyin(t, &size, arg_addr(a, 1), sizeof size);
	if (err)
		return err;
	if (size == 0)
		size = ATTR_SIZE_V0;
	if (size < ATTR_SIZE_V0 || size > PAGE_SIZE)
		return -E2BIG;
	err = copyin(t, &sa, arg_addr(a, 1), MIN((size_t)size, sizeof sa));
	if (err)
		return err;
	if (sa.policy == SCHED_DEADLINE_K)
		return -EPERM;
	of = target(t, arg_int(a, 0));
	if (!of)
		return -ESRCH;
	err = set_policy(t, of, (int)sa.policy, (int)sa.priority);
	if (!err && !is_rt((int)sa.policy))
		of->nice = clamp_nice(sa.nice);
	task_put(of);
	return err;
}

long sys_sched_getattr(struct task *t, struct sysargs a)
{
	struct sched_attr_abi sa = { 0 };
	unsigned size = arg_uint(a, 2);
	struct task *of;

	if (arg_int(a, 0) < 0 || uaddr_null(arg_addr(a, 1)) ||
		size < ATTR_SIZE_V0 || size > PAGE_SIZE || arg_uint(a, 3))
		return -EINVAL;
	of = target(t, arg_int(a, 0));
	if (!of)
		return -ESRCH;
	sa.policy = (uint32_t)of->sched_policy;
	sa.nice = of->nice;
	sa.priority = (uint32_t)of->sched_prio;
	task_put(of);
	sa.size = MIN(size, (unsigned)ATTR_SIZE_V1);
	return copyout(t, arg_addr(a, 1), &sa, sa.size);
}

long sys_sched_get_priority_max(struct task *t, struct sysargs a)
{
	int policy = arg_int(a, 0);

	(void)t;
	if (is_rt(policy))
		return 99;
	return policy == SCHED_OTHER || policy == SCHED_BATCH ||
			       policy == SCHED_IDLE ||
			       policy == SCHED_DEADLINE_K
		       ? 0
		       : -EINVAL;
}

long sys_sched_get_priority_min(struct task *t, struct sysargs a)
{
	long max = sys_sched_get_priority_max(t, a);

	return max > 0 ? 1 : max;
}

long sys_sched_rr_get_interval(struct task *t, struct sysargs a)
{
	int64_t ts[2] = { 0, 0 };
	struct task *of;

	if (arg_int(a, 0) < 0)
		return -EINVAL;
	of = target(t, arg_int(a, 0));
	if (!of)
		return -ESRCH;
	if (of->sched_policy == SCHED_RR)
		ts[1] = 100000000;
	else if (of->sched_policy != SCHED_FIFO)
		ts[1] = 4000000;
	task_put(of);
	return copyout(t, arg_addr(a, 1), ts, sizeof ts);
}

long sys_sched_yield(struct task *t, struct sysargs a)
{
	(void)t;
	(void)a;
	sched_yield();
	return 0;
}

/* Kept and shown: the host's scheduler places our threads. */
long sys_sched_setaffinity(struct task *t, struct sysargs a)
{
	uint64_t mask[2] = { 0 }, online[2];
	struct task *of;
	int err;

	err = copyin(t, mask, arg_addr(a, 2), MIN(arg_size(a, 1), sizeof mask));
	if (err)
		return err;
	of = target(t, arg_int(a, 0));
	if (!of)
		return -ESRCH;
	cpus_online(online);
	mask[0] &= online[0];
	mask[1] &= online[1];
	if (!same_user(t, of)) {
		err = -EPERM;
	} else if (!mask[0] && !mask[1]) {
		err = -EINVAL;
	} else {
		of->cpu_mask[0] = mask[0];
		of->cpu_mask[1] = mask[1];
	}
	task_put(of);
	return err;
}

/* Returns the bytes written, a multiple of 8 that holds every CPU. */
long sys_sched_getaffinity(struct task *t, struct sysargs a)
{
	size_t len = arg_uint(a, 1), n = kernel.conf.ncpu > 64 ? 16 : 8;
	uint64_t mask[2];
	struct task *of;
	int err;

	if (len * 8 < kernel.conf.ncpu || len % 8)
		return -EINVAL;
	of = target(t, arg_int(a, 0));
	if (!of)
		return -ESRCH;
	mask[0] = of->cpu_mask[0];
	mask[1] = of->cpu_mask[1];
	task_put(of);
	err = copyout(t, arg_addr(a, 2), mask, n);
	return err ? err : (long)n;
}

/* The guest's CPUs are numbered by what sched_getaffinity(2) shows first. */
long sys_getcpu(struct task *t, struct sysargs a)
{
	unsigned cpu = 0, node = 0;
	int host = sched_getcpu(), err = 0;

	if (host >= 0)
		cpu = (unsigned)host % kernel.conf.ncpu;
	if (!uaddr_null(arg_addr(a, 0)))
		err = copyout(t, arg_addr(a, 0), &cpu, sizeof cpu);
	if (!err && !uaddr_null(arg_addr(a, 1)))
		err = copyout(t, arg_addr(a, 1), &node, sizeof node);
	return err;
}

static bool is_named(struct task *t, int which, int who, struct task *of)
{
	struct cred *c;
	bool hit;

	if (which == PRIO_USER) {
		c = task_cred_get(of);
		hit = c->uid == (who ? (uint32_t)who : task_cred(t)->uid);
		cred_put(c);
		return hit;
	}
	tasklist_lock(&tasklist);
	hit = of->tg->pgrp && of->tg->pgrp->id == (who ? who : t->tg->pgrp->id);
	tasklist_unlock(&tasklist);
	return hit;
}

/*
 * Calls @fn on each task that (which, who) names; returns how many.  @fn puts
 * what the call returns together in *@ret.
 */
static int for_each_named(struct task *t, int which, int who,
	void (*fn)(struct task *t, struct task *of, int nice, int *ret),
	int nice, int *ret)
{
	struct task *of;
	int n = 0;

	if (which == PRIO_PROCESS) {
		of = target(t, who);
		if (!of)
			return 0;
		fn(t, of, nice, ret);
		task_put(of);
		return 1;
	}
	for (int tid = 1; (of = task_next(t->tg->pid_ns, tid));
		tid = of->tid + 1, task_put(of)) {
		if (!is_named(t, which, who, of))
			continue;
		fn(t, of, nice, ret);
		n++;
	}
	return n;
}

/* The highest, as the call returns it: 20 - nice, so that it is never negative.
 */
static void get_nice(struct task *t, struct task *of, int nice, int *ret)
{
	(void)t;
	(void)nice;
	*ret = MAX(*ret, 20 - of->nice);
}

static int may_set_nice(struct task *t, struct task *of, int nice)
{
	if (!same_user(t, of))
		return -EPERM;
	if (nice < of->nice && !task_capable(t, CAP_SYS_NICE_K) &&
		(uint64_t)(20 - nice) > task_rlimit(of, RLIMIT_NICE))
		return -EACCES;
	return 0;
}

static void set_nice(struct task *t, struct task *of, int nice, int *ret)
{
	*ret = may_set_nice(t, of, nice);
	if (!*ret)
		of->nice = nice;
}

long sys_getpriority(struct task *t, struct sysargs a)
{
	int which = arg_int(a, 0), ret = 0;

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	if (!for_each_named(t, which, arg_int(a, 1), get_nice, 0, &ret))
		return -ESRCH;
	return ret;
}

long sys_setpriority(struct task *t, struct sysargs a)
{
	int which = arg_int(a, 0), ret = 0;
	int nice = clamp_nice(arg_int(a, 2));

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	if (!for_each_named(t, which, arg_int(a, 1), set_nice, nice, &ret))
		return -ESRCH;
	return ret;
}

#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_WHO_USER    3
#define IOPRIO_CLASS(p)    ((p) >> 13)

/* GAP: I/O priorities are checked and forgotten: ioprio_get shows "none". */
long sys_ioprio_set(struct task *t, struct sysargs a)
{
	int class = IOPRIO_CLASS(arg_int(a, 2));
	struct task *of;

	if (arg_int(a, 0) < IOPRIO_WHO_PROCESS ||
		arg_int(a, 0) > IOPRIO_WHO_USER || class > 3)
		return -EINVAL;
	if (class == 1 && !task_capable(t, CAP_SYS_NICE_K))
		return -EPERM;
	if (arg_int(a, 0) != IOPRIO_WHO_PROCESS)
		return 0;
	of = target(t, arg_int(a, 1));
	task_put(of);
	return of ? 0 : -ESRCH;
}

long sys_ioprio_get(struct task *t, struct sysargs a)
{
	struct task *of;

	if (arg_int(a, 0) < IOPRIO_WHO_PROCESS ||
		arg_int(a, 0) > IOPRIO_WHO_USER)
		return -EINVAL;
	if (arg_int(a, 0) != IOPRIO_WHO_PROCESS)
		return 0;
	of = target(t, arg_int(a, 1));
	task_put(of);
	return of ? 0 : -ESRCH;
}
