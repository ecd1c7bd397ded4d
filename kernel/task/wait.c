/*
 * wait.c - wait4(2), waitid(2): looking for a child that changed state.
 *
 * All threads of a process wait for the children of all (but __WNOTHREAD).  A
 * child that is looked at is consumed under lc_tasklist in the same step, so
 * two waiters never get the same one.
 */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "core/waitq.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/task/internal.h"

#ifndef __WNOTHREAD
#define __WNOTHREAD 0x20000000
#endif
#ifndef __WALL
#define __WALL 0x40000000
#endif
#ifndef __WCLONE
#define __WCLONE 0x80000000
#endif

HOLDS(lc_tasklist)
static bool eligible(
	struct task *t, struct tgroup *c, const struct wait_query *q)
{
	switch (q->type) {
	case P_PID:
		if (q->pidfd ? c != q->pidfd : c->tgid != q->id)
			return false;
		break;
	case P_PGID:
		if (!c->pgrp || c->pgrp->id != q->id)
			return false;
		break;
	}
	if ((q->options & __WNOTHREAD) && c->parent_tid != t->tid)
		return false;
	/* A "clone" child is one that does not send SIGCHLD. */
	if (!(q->options & __WALL) &&
		(c->exit_signal != SIGCHLD) != !!(q->options & __WCLONE))
		return false;
	return true;
}

HOLDS(lc_tasklist)
static void fill_result(struct tgroup *c, struct wait_result *r)
{
	struct cred *cred = task_cred_get(c->leader);
	struct task *o;

	memset(r, 0, sizeof *r);
	r->pid = c->tgid;
	r->uid = cred->uid;
	cred_put(cred);
	r->utime = tgroup_utime(c) + atomic_load(&c->child_utime);
	r->stime = tgroup_stime(c) + atomic_load(&c->child_stime);
	r->maxrss = MAX(atomic_load(&c->maxrss), atomic_load(&c->child_maxrss));
	r->minflt = atomic_load(&c->minflt) + atomic_load(&c->child_minflt);
	r->majflt = atomic_load(&c->majflt) + atomic_load(&c->child_majflt);
	r->nvcsw = atomic_load(&c->nvcsw);
	r->nivcsw = atomic_load(&c->nivcsw);
	list_for_each (o, &c->threads, thread_link) {
		r->minflt += atomic_load(&o->minflt);
		r->majflt += atomic_load(&o->majflt);
		r->nvcsw += atomic_load(&o->nvcsw);
		r->nivcsw += atomic_load(&o->nivcsw);
	}
}

HOLDS(lc_tasklist)
static bool take_zombie(struct tgroup *c, int options, struct wait_result *r)
{
	if (!(options & WEXITED))
		return false;
	fill_result(c, r);
	r->status = c->exit_status;
	r->code = !(r->status & 0x7f) ? CLD_EXITED
		  : r->status & 0x80  ? CLD_DUMPED
				      : CLD_KILLED;
	if (!(options & WNOWAIT))
		tgroup_reap(c, true);
	return true;
}

/* A stop or a continue that nobody has waited for yet. */
HOLDS(lc_tasklist)
static bool take_stop(struct tgroup *c, int options, struct wait_result *r)
{
	int status;

	sighand_lock(c);
	status = c->stop_report;
	if (!status || !(options & (status == 0xffff ? WCONTINUED : WUNTRACED)))
		status = 0;
	else if (!(options & WNOWAIT))
		c->stop_report = 0;
	sighand_unlock(c);
	if (!status)
		return false;
	fill_result(c, r);
	r->status = status;
	r->code = status == 0xffff ? CLD_CONTINUED : CLD_STOPPED;
	return true;
}

/* 1: found one.  0: there may be one later.  -ECHILD: never. */
HOLDS(lc_tasklist)
static int wait_scan(
	struct task *t, const struct wait_query *q, struct wait_result *r)
{
	struct tgroup *c, *next;
	int ret = -ECHILD;

	list_for_each_safe(c, next, &t->tg->children, sibling)
	{
		if (!eligible(t, c, q))
			continue;
		ret = 0;
		if (c->zombie ? take_zombie(c, q->options, r)
			      : take_stop(c, q->options, r))
			return 1;
	}
	return ret;
}

int task_wait(struct task *t, const struct wait_query *q, struct wait_result *r)
{
	struct waiter w;
	int ret;

	memset(r, 0, sizeof *r);
	waiter_init_task(&w, t);
	waitq_add(&t->tg->child_waitq, &w, 0);
	t->wait_what = "child";
	for (;;) {
		tasklist_lock(&tasklist);
		ret = wait_scan(t, q, r);
		tasklist_unlock(&tasklist);
		if (ret || (q->options & WNOHANG))
			break;
		ret = task_block(t, NO_DEADLINE);
		if (ret)
			break;
	}
	t->wait_what = NULL;
	waitq_remove(&t->tg->child_waitq, &w);
	return ret < 0 ? ret : 0;
}
