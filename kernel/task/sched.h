/*
 * sched.h - scheduling parameters: sched(7), ioprio_set(2).
 *
 * There is no scheduler here: the host's runs our threads.  What a program sets
 * is checked as Linux checks it, kept, inherited and shown.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"

struct task;

/* A task's own.  Words that who may sets, and all may read: relaxed by convention. */
struct sched {
	int policy, prio, nice;		/* SCHED_*; 1 to 99 under a real-time one; -20 to 19 */
	bool reset_on_fork;
	uint64_t dl_flags, runtime, deadline, period;	/* SCHED_DEADLINE, ns */
	int ioprio;			/* class << 13 | level; 0: follows nice */
	uint64_t cpu_mask[2];		/* sched_setaffinity(2) */
	uint64_t slack, default_slack;	/* PR_SET_TIMERSLACK, ns */
};

struct sched_attr_abi {			/* struct sched_attr */
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

#define SCHED_KEEP_POLICY UINT32_MAX	/* sched_attr_abi.policy: as it is */

void sched_init(struct sched *s);
/* A new task's, from its maker's.  -EAGAIN: a deadline is not shared. */
int sched_fork(const struct sched *from, struct sched *to) MUST_CHECK;
bool sched_is_rt(int policy);
int sched_set(struct task *t, struct task *of, const struct sched_attr_abi *a) MUST_CHECK;
/* Parameters without size and policy; what does not belong to the policy stays as it is. */
void sched_params(struct task *of, struct sched_attr_abi *a);
int sched_set_affinity(struct task *t, struct task *of, const uint64_t mask[2]) MUST_CHECK;
/* The guest's number of the CPU that the caller may think it runs on. */
unsigned sched_cpu(struct task *t);
int sched_set_nice(struct task *t, struct task *of, int nice) MUST_CHECK;
int sched_set_ioprio(struct task *t, struct task *of, int ioprio) MUST_CHECK;
/* With class none resolved: what follows from policy and nice. */
int sched_ioprio(struct task *of);
void sched_set_slack(struct task *of, uint64_t ns);	/* 0: the default */
