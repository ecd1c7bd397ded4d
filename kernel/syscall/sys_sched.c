/*
 * sys_sched.c - scheduling parameters.  sched(7) is the contract.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#include "kernel/kernel.h"
#include "kernel/mm/mm.h"
#include "kernel/syscall/syscall.h"
#include "kernel/task/cred.h"
#include "kernel/task/sched.h"
#include "kernel/task/task.h"

#define RESET_ON_FORK    0x40000000
#define SCHED_DEADLINE_K 6
#define ATTR_SIZE_V0     48
#define ATTR_SIZE_V1     56

#define FLAG_RESET_ON_FORK 1
#define FLAG_KEEP_POLICY   8
#define FLAG_KEEP_PARAMS   16
#define FLAGS_CLAMP        0x60

/* A reference to the task that @pid names (0: the caller), or NULL. */
static struct task *target(struct task *t, int pid)
{
	return pid ? task_lookup(t->tg->pid_ns, pid) : task_get(t);
}

static int clamp_nice(int nice)
{
	return nice > 19 ? 19 : nice < -20 ? -20 : nice;
}

static long do_setscheduler(
	struct task *t, int pid, uint32_t policy, uaddr_t param)
{
	struct sched_attr_abi sa = { .policy = policy };
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
	if (policy != SCHED_KEEP_POLICY && (policy & RESET_ON_FORK)) {
		sa.policy &= ~(uint32_t)RESET_ON_FORK;
		sa.flags = FLAG_RESET_ON_FORK;
	}
	sa.priority = (uint32_t)prio;
	sa.nice = of->sched.nice;
	err = sched_set(t, of, &sa);
	task_put(of);
	return err;
}

long sys_sched_setscheduler(struct task *t, struct sysargs a)
{
	if (arg_int(a, 1) < 0)
		return -EINVAL;
	return do_setscheduler(
		t, arg_int(a, 0), arg_uint(a, 1), arg_addr(a, 2));
}

long sys_sched_setparam(struct task *t, struct sysargs a)
{
	return do_setscheduler(
		t, arg_int(a, 0), SCHED_KEEP_POLICY, arg_addr(a, 1));
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
	ret = of->sched.policy | (of->sched.reset_on_fork ? RESET_ON_FORK : 0);
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
	prio = of->sched.prio;
	task_put(of);
	return copyout(t, arg_addr(a, 1), &prio, sizeof prio);
}

/* A later version's bytes must be zero; E2BIG tells the size that we know. */
static int copyin_attr(struct task *t, uaddr_t u, struct sched_attr_abi *sa)
{
	uint32_t size, known = ATTR_SIZE_V1;
	int err;

	memset(sa, 0, sizeof *sa);
	err = copyin(t, &size, u, sizeof size);
	if (err)
		return err;
	if (!size)
		size = ATTR_SIZE_V0;
	err = size < ATTR_SIZE_V0 || size > PAGE_SIZE
		      ? -E2BIG
		      : copyin_struct(t, sa, sizeof *sa, u, size);
	if (err == -E2BIG)
		(void)!copyout(t, u, &known, sizeof known);
	if (!err && (sa->flags & FLAGS_CLAMP) && size < ATTR_SIZE_V1)
		err = -EINVAL;
	sa->nice = clamp_nice(sa->nice);
	return err;
}

/* GAP: no admission of deadlines, no utilisation clamps: task/sched.c. */
long sys_sched_setattr(struct task *t, struct sysargs a)
{
	struct sched_attr_abi sa;
	struct task *of;
	int err;

	if (arg_int(a, 0) < 0 || uaddr_null(arg_addr(a, 1)) || arg_uint(a, 2))
		return -EINVAL;
	err = copyin_attr(t, arg_addr(a, 1), &sa);
	if (err)
		return err;
	if ((int)sa.policy < 0)
		return -EINVAL;
	if (sa.flags & FLAG_KEEP_POLICY)
		sa.policy = SCHED_KEEP_POLICY;
	of = target(t, arg_int(a, 0));
	if (!of)
		return -ESRCH;
	if (sa.flags & FLAG_KEEP_PARAMS)
		sched_params(of, &sa);
	err = sched_set(t, of, &sa);
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
	sa.policy = (uint32_t)of->sched.policy;
	sa.flags = of->sched.reset_on_fork ? FLAG_RESET_ON_FORK : 0;
	sched_params(of, &sa);
	task_put(of);
	sa.size = MIN(size, (unsigned)ATTR_SIZE_V1);
	return copyout(t, arg_addr(a, 1), &sa, sa.size);
}

long sys_sched_get_priority_max(struct task *t, struct sysargs a)
{
	int policy = arg_int(a, 0);

	(void)t;
	if (sched_is_rt(policy))
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
	if (of->sched.policy == SCHED_RR)
		ts[1] = 100000000;
	else if (of->sched.policy != SCHED_FIFO)
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

long sys_sched_setaffinity(struct task *t, struct sysargs a)
{
	uint64_t mask[2] = { 0 };
	struct task *of;
	int err;

	err = copyin(t, mask, arg_addr(a, 2), MIN(arg_uint(a, 1), sizeof mask));
	if (err)
		return err;
	of = target(t, arg_int(a, 0));
	if (!of)
		return -ESRCH;
	err = sched_set_affinity(t, of, mask);
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
	memcpy(mask, of->sched.cpu_mask, sizeof mask);
	task_put(of);
	err = copyout(t, arg_addr(a, 2), mask, n);
	return err ? err : (long)n;
}

/* The guest's CPUs are numbered by what sched_getaffinity(2) shows first. */
long sys_getcpu(struct task *t, struct sysargs a)
{
	unsigned cpu = sched_cpu(t), node = 0;
	int err = 0;

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
	*ret = MAX(*ret, 20 - of->sched.nice);
}

/* The last failure counts, whatever succeeds besides. */
static void set_nice(struct task *t, struct task *of, int nice, int *ret)
{
	int err = sched_set_nice(t, of, nice);

	if (err)
		*ret = err;
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

#define IOPRIO_WHO_PROCESS 1 /* the others follow, as PRIO_* do */
#define IOPRIO_WHO_USER    3

static void set_ioprio(struct task *t, struct task *of, int ioprio, int *ret)
{
	int err = sched_set_ioprio(t, of, ioprio);

	if (err)
		*ret = err;
}

long sys_ioprio_set(struct task *t, struct sysargs a)
{
	int which = arg_int(a, 0), ioprio = arg_int(a, 2), ret;

	ret = sched_set_ioprio(t, NULL, ioprio); /* asks only */
	if (ret)
		return ret;
	if (which < IOPRIO_WHO_PROCESS || which > IOPRIO_WHO_USER)
		return -EINVAL;
	if (!for_each_named(t, which - IOPRIO_WHO_PROCESS, arg_int(a, 1),
		    set_ioprio, ioprio, &ret))
		return -ESRCH;
	return ret;
}

/* One process shows what it was given; several, the best that applies. */
static void get_ioprio(struct task *t, struct task *of, int which, int *ret)
{
	(void)t;
	*ret = which == IOPRIO_WHO_PROCESS ? of->sched.ioprio
					   : MIN(*ret, sched_ioprio(of));
}

long sys_ioprio_get(struct task *t, struct sysargs a)
{
	int which = arg_int(a, 0), ret = INT32_MAX;

	if (which < IOPRIO_WHO_PROCESS || which > IOPRIO_WHO_USER)
		return -EINVAL;
	if (!for_each_named(t, which - IOPRIO_WHO_PROCESS, arg_int(a, 1),
		    get_ioprio, which, &ret))
		return -ESRCH;
	return ret;
}
