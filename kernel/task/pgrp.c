/*
 * pgrp.c - process groups and sessions.  setpgid(2), setsid(2), credentials(7).
 *
 * A group lives as long as it has members (or someone holds a reference), a
 * session as long as it has groups.  All links are under lc_tasklist.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "core/rbtree.h"
#include "kernel/task/internal.h"

/* --- tables */

struct pgrp *pgrp_peek(struct pid_ns *ns, int id)
{
	struct rb_node *n = ns->pgrps.root;

	while (n) {
		struct pgrp *p = container_of(n, struct pgrp, node);

		if (p->id == id)
			return p;
		n = n->child[id > p->id];
	}
	return NULL;
}

struct session *session_peek(struct pid_ns *ns, int id)
{
	struct rb_node *n = ns->sessions.root;

	while (n) {
		struct session *s = container_of(n, struct session, node);

		if (s->id == id)
			return s;
		n = n->child[id > s->id];
	}
	return NULL;
}

HOLDS(lc_tasklist)
static void pgrp_link(struct pgrp *p)
{
	struct rb_node **link = &p->ns->pgrps.root, *parent = NULL;

	while (*link) {
		parent = *link;
		link = &parent->child[p->id >
				      container_of(parent, struct pgrp, node)
					      ->id];
	}
	rb_link(&p->node, parent, link);
	rb_rebalance(&p->ns->pgrps, &p->node);
}

HOLDS(lc_tasklist)
static void session_link(struct session *s)
{
	struct rb_node **link = &s->ns->sessions.root, *parent = NULL;

	while (*link) {
		parent = *link;
		link = &parent->child[s->id >
				      container_of(parent, struct session, node)
					      ->id];
	}
	rb_link(&s->node, parent, link);
	rb_rebalance(&s->ns->sessions, &s->node);
}

/* --- lifetime */

struct session *session_create(struct pid_ns *ns, int id, struct tgroup *leader)
{
	struct session *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	ref_init(&s->ref);
	s->ns = pid_ns_get(ns);
	s->id = id;
	s->leader = leader;
	list_init(&s->pgrps);
	session_link(s);
	return s;
}

struct session *session_get(struct session *s)
{
	ref_get(&s->ref);
	return s;
}

void session_put_locked(struct session *s)
{
	if (!s || !ref_put(&s->ref))
		return;
	rb_erase(&s->ns->sessions, &s->node);
	pid_ns_put(s->ns);
	free(s);
}

struct pgrp *pgrp_create(struct session *s, int id)
{
	struct pgrp *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	ref_init(&p->ref);
	p->ns = pid_ns_get(s->ns);
	p->id = id;
	p->session = session_get(s);
	list_init(&p->members);
	list_add_tail(&s->pgrps, &p->link);
	pgrp_link(p);
	return p;
}

void pgrp_put_locked(struct pgrp *p)
{
	if (!p || !ref_put(&p->ref))
		return;
	rb_erase(&p->ns->pgrps, &p->node);
	list_del(&p->link);
	session_put_locked(p->session);
	pid_ns_put(p->ns);
	free(p);
}

void pgrp_put(struct pgrp *p)
{
	if (!p)
		return;
	tasklist_lock(&tasklist);
	pgrp_put_locked(p);
	tasklist_unlock(&tasklist);
}

void session_put(struct session *s)
{
	if (!s)
		return;
	tasklist_lock(&tasklist);
	session_put_locked(s);
	tasklist_unlock(&tasklist);
}

struct pgrp *pgrp_get(struct pgrp *p)
{
	ref_get(&p->ref);
	return p;
}

struct pgrp *pgrp_lookup(struct pid_ns *ns, int id)
{
	struct pgrp *p;

	tasklist_lock(&tasklist);
	p = pgrp_peek(ns, id);
	if (p)
		pgrp_get(p);
	tasklist_unlock(&tasklist);
	return p;
}

void pgrp_join(struct tgroup *tg, struct pgrp *pg)
{
	tg->pgrp = pgrp_get(pg);
	list_add_tail(&pg->members, &tg->pgrp_link);
}

void pgrp_leave(struct tgroup *tg)
{
	struct pgrp *p = tg->pgrp;

	list_del(&tg->pgrp_link);
	tg->pgrp = NULL;
	pgrp_put_locked(p);
}

/* --- orphaned groups */

/*
 * No member has a parent in another group of the same session, who could
 * continue it.  @leaving does not count as a member.
 */
bool pgrp_orphaned(struct pgrp *pg, struct tgroup *leaving)
{
	struct tgroup *tg;

	list_for_each (tg, &pg->members, pgrp_link) {
		struct tgroup *p = tg->parent;

		/* A shell may well be its namespace's first process. */
		if (tg == leaving || tg->zombie || !p || !p->pgrp)
			continue;
		if (p->pgrp != pg && p->pgrp->session == pg->session)
			return false;
	}
	return true;
}

HOLDS(lc_tasklist)
static bool pgrp_has_stopped(struct pgrp *pg)
{
	struct tgroup *tg;
	bool stopped;

	list_for_each (tg, &pg->members, pgrp_link) {
		sighand_lock(tg);
		stopped = tg->stopped;
		sighand_unlock(tg);
		if (stopped)
			return true;
	}
	return false;
}

/* Linux: kernel/exit.c kill_orphaned_pgrp() */
void pgrp_check_orphan(struct tgroup *tg, struct tgroup *old)
{
	struct tgroup *parent = old ? old : tg->parent;
	struct pgrp *pg = tg->pgrp;
	siginfo_t si;

	if (!pg || !parent || !parent->pgrp || parent->pgrp == pg ||
		parent->pgrp->session != pg->session)
		return; /* it was no link that this one broke */
	if (!pgrp_orphaned(pg, old ? NULL : tg) || !pgrp_has_stopped(pg))
		return;
	siginfo_kernel(&si, SIGHUP);
	(void)pgrp_signal_locked(pg, SIGHUP, &si);
	siginfo_kernel(&si, SIGCONT);
	(void)pgrp_signal_locked(pg, SIGCONT, &si);
}

/* --- setpgid, setsid */

/* The process that setpgid(2) names: the caller or its child. */
HOLDS(lc_tasklist)
static int setpgid_target(struct task *t, int pid, struct tgroup **out)
{
	struct tgroup *tg = t->tg, *c;

	*out = tg;
	if (pid == tg->tgid)
		return 0;
	list_for_each (c, &tg->children, sibling) {
		if (c->tgid != pid)
			continue;
		*out = c;
		if (!c->pgrp || c->pgrp->session != tg->pgrp->session)
			return -EPERM;
		return c->did_exec ? -EACCES : 0;
	}
	return -ESRCH;
}

HOLDS(lc_tasklist)
static int setpgid_locked(struct task *t, int pid, int pgid)
{
	struct pgrp *pg;
	struct tgroup *tg;
	int ret;

	ret = setpgid_target(t, pid, &tg);
	if (ret)
		return ret;
	if (!tg->pgrp || tg->pgrp->session->leader == tg)
		return -EPERM;
	if (tg->pgrp->id == pgid)
		return 0;
	pg = pgrp_peek(tg->pid_ns, pgid);
	if (pgid != tg->tgid && (!pg || list_empty(&pg->members) ||
					pg->session != t->tg->pgrp->session))
		return -EPERM;
	if (pg)
		pgrp_get(pg);
	else
		pg = pgrp_create(tg->pgrp->session, pgid);
	if (!pg)
		return -ENOMEM;
	pgrp_leave(tg);
	pgrp_join(tg, pg);
	pgrp_put_locked(pg);
	return 0;
}

int task_setpgid(struct task *t, int pid, int pgid)
{
	int ret;

	if (!pid)
		pid = t->tg->tgid;
	if (!pgid)
		pgid = pid;
	if (pgid < 0)
		return -EINVAL;
	tasklist_lock(&tasklist);
	ret = setpgid_locked(t, pid, pgid);
	tasklist_unlock(&tasklist);
	return ret;
}

long task_setsid(struct task *t)
{
	struct tgroup *tg = t->tg;
	struct session *s = NULL;
	struct pgrp *pg = NULL;
	long ret = -EPERM;

	tasklist_lock(&tasklist);
	if (pgrp_peek(tg->pid_ns, tg->tgid) ||
		session_peek(tg->pid_ns, tg->tgid))
		goto unlock; /* a group leader already */
	ret = -ENOMEM;
	s = session_create(tg->pid_ns, tg->tgid, tg);
	if (!s)
		goto unlock;
	pg = pgrp_create(s, tg->tgid);
	if (!pg)
		goto put;
	pgrp_leave(tg);
	pgrp_join(tg, pg);
	pgrp_put_locked(pg);
	tg->gave_up_tty = false;
	ret = tg->tgid;
put:
	session_put_locked(s);
unlock:
	tasklist_unlock(&tasklist);
	return ret;
}

/* What @fn reads of process @pid; 0 is the caller. */
static long of_process(struct task *t, int pid, int (*fn)(struct pgrp *p))
{
	struct task *o = pid ? task_lookup(t->tg->pid_ns, pid) : task_get(t);
	long ret;

	if (!o)
		return -ESRCH;
	tasklist_lock(&tasklist);
	ret = o->tg->pgrp ? fn(o->tg->pgrp) : -ESRCH;
	tasklist_unlock(&tasklist);
	task_put(o);
	return ret;
}

static int pgrp_id(struct pgrp *p)
{
	return p->id;
}

static int pgrp_session_id(struct pgrp *p)
{
	return p->session->id;
}

long task_getpgid(struct task *t, int pid)
{
	return of_process(t, pid, pgrp_id);
}

long task_getsid(struct task *t, int pid)
{
	return of_process(t, pid, pgrp_session_id);
}
