/*
 * exit.c - the end of threads, processes and namespaces.
 *
 * A thread ends in three steps: it leaves the group (no more signals come), it
 * lets go of memory, files and context with no lock held, and it takes itself
 * out of the tables.  The last thread to take the third step makes the group a
 * zombie and tells the parent.  The leader's task stays until the group is
 * reaped, by wait(2) or by a parent that does not care.  A process that came
 * from outside has no parent: it is reaped at once, and its container keeps the
 * status; init alone stays until the control server has seen its end.
 *
 * The end of a namespace's init kills everyone in it, and waits for them.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "core/log.h"
#include "core/waitq.h"
#include "kernel/fs/tty.h"
#include "kernel/kernel.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/task/futex.h"
#include "kernel/task/internal.h"
#include "kernel/time/ptimer.h"

/* --- reaping */

static void sums_of_child(struct tgroup *parent, struct tgroup *tg)
{
	uint64_t rss =
		MAX(atomic_load(&tg->maxrss), atomic_load(&tg->child_maxrss));

	atomic_fetch_add(&parent->child_utime,
		tgroup_utime(tg) + atomic_load(&tg->child_utime));
	atomic_fetch_add(&parent->child_stime,
		tgroup_stime(tg) + atomic_load(&tg->child_stime));
	atomic_fetch_add(&parent->child_minflt,
		atomic_load(&tg->minflt) + atomic_load(&tg->child_minflt));
	atomic_fetch_add(&parent->child_majflt,
		atomic_load(&tg->majflt) + atomic_load(&tg->child_majflt));
	if (rss > atomic_load(&parent->child_maxrss))
		atomic_store(&parent->child_maxrss, rss);
}

/* An ended thread's counts become the group's. */
HOLDS(lc_tasklist)
static void sums_of_thread(struct task *t)
{
	struct tgroup *tg = t->tg;

	atomic_fetch_add(&tg->dead_utime, atomic_load(&t->utime));
	atomic_fetch_add(&tg->dead_stime, atomic_load(&t->stime));
	atomic_fetch_add(&tg->minflt, atomic_load(&t->minflt));
	atomic_fetch_add(&tg->majflt, atomic_load(&t->majflt));
	atomic_fetch_add(&tg->nvcsw, atomic_load(&t->nvcsw));
	atomic_fetch_add(&tg->nivcsw, atomic_load(&t->nivcsw));
}

/* Out of group and table; the table's reference goes with it. */
HOLDS(lc_tasklist)
static void thread_unlink(struct task *t)
{
	struct tgroup *tg = t->tg;

	sums_of_thread(t);
	sighand_lock(tg);
	list_del(&t->thread_link);
	if (tg->signal_turn == t)
		tg->signal_turn = NULL;
	sighand_unlock(tg);
	task_unhash(t);
}

void tgroup_reap(struct tgroup *tg, bool waited)
{
	struct task *leader = tg->leader;

	if (!leader)
		return;
	if (tg->parent && waited)
		sums_of_child(tg->parent, tg);
	list_del(&tg->sibling);
	tg->parent = NULL;
	pgrp_leave(tg);
	if (tg->pid_ns->init == tg)
		tg->pid_ns->init = NULL;
	tg->leader = NULL;
	thread_unlink(leader);
}

/* --- orphans */

/* Who adopts the children of @tg: the nearest subreaper, or init. */
HOLDS(lc_tasklist)
static struct tgroup *find_reaper(struct tgroup *tg)
{
	struct tgroup *init = tg->pid_ns->init;

	for (struct tgroup *p = tg->parent; p; p = p->parent)
		if (p->subreaper && !p->zombie && p->nthreads > 0)
			return p;
	return init != tg ? init : NULL;
}

HOLDS(lc_tasklist)
static void send_pdeath(struct tgroup *child)
{
	struct task *t;
	siginfo_t si;

	list_for_each (t, &child->threads, thread_link) {
		if (!t->pdeath_signal)
			continue;
		siginfo_user(&si, t->pdeath_signal, SI_USER, NULL);
		(void)signal_send_group(child, t->pdeath_signal, &si);
	}
}

HOLDS(lc_tasklist)
static void adopt(
	struct tgroup *child, struct tgroup *from, struct tgroup *reaper)
{
	list_del(&child->sibling);
	child->parent = reaper;
	atomic_store(&child->ppid, reaper ? reaper->tgid : 0);
	child->parent_tid = reaper ? reaper->tgid : 0;
	if (reaper)
		list_add_tail(&reaper->children, &child->sibling);
	send_pdeath(child);
	child->exit_signal = SIGCHLD;
	if (!reaper && child->zombie) {
		tgroup_reap(child, false);
		return;
	}
	if (child->zombie && tgroup_notify_exit(child, SIGCHLD)) {
		tgroup_reap(child, false);
		return;
	}
	pgrp_check_orphan(child, from);
}

HOLDS(lc_tasklist)
static void forget_children(struct tgroup *tg)
{
	struct tgroup *reaper = find_reaper(tg), *child, *next;

	list_for_each_safe(child, next, &tg->children, sibling)
		adopt(child, tg, reaper);
}

/* --- the namespace's init */

HOLDS(lc_tasklist)
static void kill_everyone(struct pid_ns *ns, struct tgroup *but)
{
	struct rb_node *n;

	for (n = rb_first(&ns->tasks); n; n = rb_next(n)) {
		struct task *t = container_of(n, struct task, pid_node);

		if (t->tg != but && t == t->tg->leader && !t->tg->zombie)
			tgroup_kill(t->tg, SIGKILL);
	}
}

/* The last thread of init: nobody outlives it. */
static void init_exit(struct task *t)
{
	struct pid_ns *ns = t->tg->pid_ns;
	struct waiter w;

	waiter_init_task(&w, t);
	waitq_add(&ns->waitq, &w, 0);
	tasklist_lock(&tasklist);
	ns->dead = true;
	kill_everyone(ns, t->tg);
	while (ns->nlive > 1) {
		tasklist_unlock(&tasklist);
		(void)park_wait(&t->park, NO_DEADLINE); /* no deadline: 0 */
		tasklist_lock(&tasklist);
	}
	tasklist_unlock(&tasklist);
	waitq_remove(&ns->waitq, &w);
}

/* --- the three steps */

/* Leaves the group.  True for the last thread. */
static bool exit_leave_group(struct task *t)
{
	struct tgroup *tg = t->tg;
	bool last, stopped;

	sighand_lock(tg);
	t->gone = true;
	last = --tg->nthreads == 0;
	stopped = !last && tgroup_stop_left(tg, t);
	if (!last && !tg->exiting)
		signal_retarget(t);
	sighand_unlock(tg);
	if (stopped) {
		tasklist_lock(&tasklist);
		tgroup_notify_stop(tg, CLD_STOPPED);
		tasklist_unlock(&tasklist);
	}
	return last;
}

void task_vfork_done(struct task *t)
{
	struct task *parent;

	if (!t->vfork_child_of)
		return;
	tasklist_lock(&tasklist);
	parent = t->vfork_child_of;
	t->vfork_child_of = NULL;
	if (parent) {
		atomic_store(&parent->vfork_done, true);
		park_wake(&parent->park);
	}
	tasklist_unlock(&tasklist);
}

/* What others see in shared memory: robust locks, CLONE_CHILD_CLEARTID. */
static void exit_memory(struct task *t)
{
	static const uint32_t zero;

	if (!t->mm)
		return;
	futex_exit_robust(t);
	futex_exit_pi(t);
	if (t->clear_tid && atomic_load(&t->mm->ref.n) > 1 &&
		copyout(t, uaddr(t->clear_tid), &zero, sizeof zero) == 0)
		(void)futex_wake_addr(t, t->clear_tid, 1);
	t->clear_tid = 0;
	if (t->tg->nthreads == 0)
		task_note_rss(t);
}

HOLDS(lc_tasklist)
static void session_leader_exit(struct tgroup *tg)
{
	struct session *s = tg->pgrp ? tg->pgrp->session : NULL;

	if (s && s->leader == tg)
		s->leader = NULL;
}

/* Nobody inside will wait for @tg: what its end was is kept for outside. */
HOLDS(lc_tasklist)
static bool keep_status(struct tgroup *tg)
{
	struct container *c = tg->container;

	if (tg->parent || tg == tg->pid_ns->init)
		return false;
	if (c) {
		unsigned i = c->nended++ % ARRAY_SIZE(c->ended);

		c->ended[i].pid = tg->tgid;
		c->ended[i].status = tg->exit_status;
	}
	return true;
}

HOLDS(lc_tasklist)
static void tgroup_finish(struct tgroup *tg)
{
	struct task *leader = tg->leader;

	forget_children(tg);
	session_leader_exit(tg);
	sighand_lock(tg);
	if (!tg->exiting)
		tg->exit_status = leader->exit_code;
	sighand_unlock(tg);
	task_set_state(leader, TASK_ZOMBIE);
	tg->zombie = true;
	pgrp_check_orphan(tg, NULL);
	if (tgroup_notify_exit(tg, tg->exit_signal) || keep_status(tg) ||
		(tg->parent && tg->parent == tg->pid_ns->init &&
			tg->pid_ns->dead))
		tgroup_reap(tg, false);
	waitq_wake(&tg->exit_waitq, 0);
}

static void exit_unlink(struct task *t)
{
	struct tgroup *tg = t->tg;
	bool dead;

	tasklist_lock(&tasklist);
	sighand_lock(tg);
	dead = --tg->unfinished == 0;
	if (tg->execing)
		park_wake(&tg->execing->park);
	sighand_unlock(tg);
	tg->pid_ns->nlive--;
	task_set_state(t, t == tg->leader ? TASK_ZOMBIE : TASK_DEAD);
	if (t != tg->leader)
		thread_unlink(t);
	if (dead)
		tgroup_finish(tg);
	tasklist_unlock(&tasklist);
	waitq_wake(&tg->pid_ns->waitq, 0);
}

/* Timers and terminal go while nobody else of the group is left to use them. */
static void exit_group_parts(struct task *t)
{
	struct tgroup *tg = t->tg;
	struct session *s = NULL;

	ptimers_exit(tg);
	tasklist_lock(&tasklist);
	if (tg->pgrp && tg->pgrp->session->leader == tg)
		s = session_get(tg->pgrp->session);
	tasklist_unlock(&tasklist);
	if (!s)
		return;
	tty_session_end(s);
	session_put(s);
}

void task_exit(struct task *t, int code)
{
	struct tgroup *tg = t->tg;
	bool last;

	t->exit_code = code;
	last = exit_leave_group(t);
	exit_memory(t);
	task_vfork_done(t);
	if (last)
		exit_group_parts(t);
	task_update_times(t);
	task_drop_resources(t);
	if (last && tg == tg->pid_ns->init)
		init_exit(t);
	exit_unlink(t);
	current = NULL;
	task_put(t);
	task_leave(t);
}

/* --- whole processes */

void tgroup_begin_exit(struct tgroup *tg, int status)
{
	struct task *t;

	if (tg->exiting)
		return;
	tg->exiting = true;
	tg->exit_status = status;
	tg->stop_sig = 0;
	tg->stopped = false;
	tg->stop_report = 0;
	list_for_each (t, &tg->threads, thread_link)
		if (!t->gone)
			task_kick(t, TASK_WORK_EXIT);
}

void tgroup_kill(struct tgroup *tg, int sig)
{
	sighand_lock(tg);
	tgroup_begin_exit(tg, sig);
	sighand_unlock(tg);
}

void task_exit_group(struct task *t, int code)
{
	struct tgroup *tg = t->tg;

	sighand_lock(tg);
	tgroup_begin_exit(tg, code);
	code = tg->exit_status;
	sighand_unlock(tg);
	task_exit(t, code);
}

/* --- execve(2) of a process with several threads */

/* The caller becomes the leader: it takes over the tid of the one that ended.
 */
static void take_leadership(struct task *t)
{
	struct tgroup *tg = t->tg;
	struct task *old;

	tasklist_lock(&tasklist);
	old = tg->leader;
	if (old != t) {
		atomic_store(&t->start_time, atomic_load(&old->start_time));
		thread_unlink(old);
		sighand_lock(tg);
		tg->leader = t;
		sighand_unlock(tg);
		task_rehash(t, tg->tgid);
	}
	tasklist_unlock(&tasklist);
}

int task_dethread(struct task *t)
{
	struct tgroup *tg = t->tg;
	struct task *o;

	sighand_lock(tg);
	if (tg->exiting || tg->execing || t->exec_killed) {
		sighand_unlock(tg);
		return -EAGAIN; /* never seen: the caller is on its way out */
	}
	tg->execing = t;
	list_for_each (o, &tg->threads, thread_link) {
		if (o == t || o->gone)
			continue;
		o->exec_killed = true;
		task_kick(o, TASK_WORK_EXIT);
	}
	while (tg->unfinished > 1 && !tg->exiting) {
		sighand_unlock(tg);
		(void)park_wait(&t->park, NO_DEADLINE); /* no deadline: 0 */
		sighand_lock(tg);
	}
	tg->execing = NULL;
	if (tg->exiting) {
		sighand_unlock(tg);
		return -EINTR;
	}
	sighand_unlock(tg);
	take_leadership(t);
	return 0;
}
