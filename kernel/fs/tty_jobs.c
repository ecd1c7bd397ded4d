/*
 * tty_jobs.c - terminals and sessions: job control and hang-ups.
 *
 * A session has at most one controlling terminal and a terminal controls at
 * most one session; each points to the other and holds a reference, from
 * TIOCSCTTY until the leader exits or the terminal hangs up.
 * credentials(7), ioctl_tty(2).  Linux: drivers/tty/tty_jobctrl.c.
 */
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/epoll.h>

#include "core/restart.h"
#include "kernel/fs/tty_int.h"
#include "kernel/task/cred.h"
#include "kernel/task/internal.h"

HOLDS(lc_tasklist)
static struct session *session_of(struct task *t)
{
	return t->tg->pgrp ? t->tg->pgrp->session : NULL;
}

/* The terminal that @t may use as its own; borrowed. */
HOLDS(lc_tasklist)
static struct tty *own_tty(struct task *t)
{
	struct session *s = session_of(t);

	return s && !t->tg->gave_up_tty ? s->tty : NULL;
}

int tty_check_job(struct task *t, struct tty *tty, int sig)
{
	struct pgrp *pg = NULL;
	bool orphaned = false;
	int ret = -ERESTARTSYS;

	if (!t)
		return 0;
	tasklist_lock(&tasklist);
	if (own_tty(t) == tty && tty->fg && tty->fg != t->tg->pgrp) {
		pg = pgrp_get(t->tg->pgrp);
		orphaned = pgrp_orphaned(pg, NULL);
	}
	tasklist_unlock(&tasklist);
	if (!pg)
		return 0;
	if (signal_is_blocked(t, sig) || signal_is_ignored(t, sig))
		ret = sig == SIGTTIN ? -EIO : 0;
	else if (orphaned)
		ret = -EIO;
	else
		(void)signal_send_pgrp(pg, sig, NULL);
	pgrp_put(pg);
	return ret;
}

struct tty *tty_of_task(struct task *t)
{
	struct tty *tty;

	tasklist_lock(&tasklist);
	tty = own_tty(t);
	if (tty)
		tty_get(tty);
	tasklist_unlock(&tasklist);
	return tty;
}

bool tty_is_controlling(struct task *t, struct tty *tty)
{
	bool ret;

	tasklist_lock(&tasklist);
	ret = own_tty(t) == tty;
	tasklist_unlock(&tasklist);
	return ret;
}

/* What a terminal and its session let go of. */
struct parted {
	struct tty *tty;
	struct session *session;
	struct pgrp *fg;
};

/* The caller puts what comes out, with no lock held. */
HOLDS(lc_tasklist, lc_tty)
static void part(struct tty *tty, struct parted *p)
{
	struct session *s = tty->session;

	*p = (struct parted){ NULL, s, tty->fg };
	tty->session = NULL;
	tty->fg = NULL;
	if (!s)
		return;
	p->tty = s->tty;
	s->tty = NULL;
}

static void parted_put(struct parted *p)
{
	pgrp_put(p->fg);
	session_put(p->session);
	tty_put(p->tty);
}

HOLDS(lc_tasklist, lc_tty)
static int set_controlling(
	struct tgroup *tg, struct tty *tty, bool steal, struct parted *old)
{
	struct session *s = tg->pgrp ? tg->pgrp->session : NULL;

	if (tty->gone)
		return -EIO;
	if (!s || s->leader != tg)
		return -EPERM;
	if (s->tty == tty)
		return 0;
	if (s->tty || (tty->session && !steal))
		return -EPERM;
	part(tty, old);
	tty->session = session_get(s);
	tty->fg = pgrp_get(tg->pgrp);
	s->tty = tty_get(tty);
	return 0;
}

int tty_set_controlling(struct task *t, struct tty *tty, bool steal)
{
	struct parted old = { .tty = NULL };
	int err;

	tasklist_lock(&tasklist);
	tty_lock(tty);
	err = set_controlling(t->tg, tty, steal, &old);
	tty_unlock(tty);
	tasklist_unlock(&tasklist);
	parted_put(&old);
	return err;
}

void tty_maybe_controlling(struct task *t, struct tty *tty)
{
	/* A leader without a terminal takes one that is free, others do not. */
	(void)!tty_set_controlling(t, tty, false);
}

/* The leader for its whole session, any other process for itself. */
int tty_give_up(struct task *t, struct tty *tty)
{
	struct parted old = { .tty = NULL };
	int err = -ENOTTY;

	tasklist_lock(&tasklist);
	if (own_tty(t) == tty) {
		err = 0;
		if (session_of(t)->leader == t->tg) {
			tty_lock(tty);
			part(tty, &old);
			tty_unlock(tty);
		} else {
			t->tg->gave_up_tty = true;
		}
	}
	tasklist_unlock(&tasklist);
	if (old.fg) {
		(void)signal_send_pgrp(old.fg, SIGHUP, NULL);
		(void)signal_send_pgrp(old.fg, SIGCONT, NULL);
	}
	parted_put(&old);
	return err;
}

/*
 * The group @pgid: a reference.  Linux takes a process's number, too, even
 * before there is a group of that number: the process may be about to make it.
 */
HOLDS(lc_tasklist)
static int find_pgrp(struct task *t, struct session *s, int pgid,
	struct tgroup *tg, struct pgrp **out)
{
	struct pgrp *pg = pgrp_peek(t->tg->pid_ns, pgid);

	if (pg && !list_empty(&pg->members)) {
		*out = pgrp_get(pg);
		return pg->session == s ? 0 : -EPERM;
	}
	*out = NULL;
	if (!tg || !tg->pgrp)
		return -ESRCH;
	if (tg->pgrp->session != s)
		return -EPERM;
	*out = pg ? pgrp_get(pg) : pgrp_create(s, pgid);
	return *out ? 0 : -ENOMEM;
}

/* *@put: a group that the caller puts. */
HOLDS(lc_tasklist)
static int set_foreground(struct task *t, struct tty *tty, int pgid,
	struct tgroup *tg, struct pgrp **put)
{
	struct session *s = session_of(t);
	struct pgrp *old;
	int err;

	if (!s || own_tty(t) != tty || tty->session != s)
		return -ENOTTY;
	err = find_pgrp(t, s, pgid, tg, put);
	if (err)
		return err;
	tty_lock(tty);
	old = tty->fg;
	tty->fg = *put;
	tty_unlock(tty);
	*put = old;
	return 0;
}

int tty_set_foreground(struct task *t, struct tty *tty, int pgid)
{
	struct pgrp *put = NULL;
	struct tgroup *tg;
	int err;

	if (pgid < 0)
		return -EINVAL;
	tg = tgroup_lookup(t->tg->pid_ns, pgid);
	tasklist_lock(&tasklist);
	err = set_foreground(t, tty, pgid, tg, &put);
	tasklist_unlock(&tasklist);
	pgrp_put(put);
	tgroup_put(tg);
	return err;
}

int tty_foreground(struct tty *tty)
{
	int id;

	tty_lock(tty);
	id = tty->fg ? tty->fg->id : -1;
	tty_unlock(tty);
	return id;
}

int tty_session_id(struct tty *tty)
{
	int id;

	tty_lock(tty);
	id = tty->session ? tty->session->id : -1;
	tty_unlock(tty);
	return id;
}

void tty_signal_foreground(struct tty *tty, int sig)
{
	struct pgrp *pg;

	tty_lock(tty);
	pg = tty->fg ? pgrp_get(tty->fg) : NULL;
	tty_unlock(tty);
	if (pg)
		(void)signal_send_pgrp(pg, sig, NULL);
	pgrp_put(pg);
}

/*
 * The session loses its terminal, and its leader is told.  The foreground group
 * hears of it when the leader, who usually dies of it, has exited.
 */
void tty_hangup(struct tty *tty, bool gone)
{
	struct tgroup *leader = NULL;
	struct parted old;
	struct pgrp *before = NULL;

	tasklist_lock(&tasklist);
	tty_lock(tty);
	tty->gen++;
	tty->gone |= gone;
	part(tty, &old);
	tty_unlock(tty);
	if (old.session && old.session->leader) {
		leader = tgroup_get(old.session->leader);
		before = old.session->hup_pgrp;
		old.session->hup_pgrp = old.fg;
		old.fg = NULL;
	}
	tasklist_unlock(&tasklist);
	waitq_wake(&tty->slave_waitq, EPOLLIN | EPOLLOUT | EPOLLRDNORM |
					      EPOLLWRNORM | EPOLLHUP |
					      EPOLLERR);
	if (leader) {
		(void)signal_send_group(leader, SIGHUP, NULL);
		(void)signal_send_group(leader, SIGCONT, NULL);
		tgroup_put(leader);
	}
	pgrp_put(before);
	parted_put(&old);
}

void tty_session_end(struct session *s)
{
	struct parted old = { .tty = NULL };
	struct pgrp *hup;
	struct tty *tty;

	tasklist_lock(&tasklist);
	hup = s->hup_pgrp;
	s->hup_pgrp = NULL;
	tty = s->tty ? tty_get(s->tty) : NULL;
	if (tty) {
		tty_lock(tty);
		part(tty, &old);
		tty_unlock(tty);
	}
	tasklist_unlock(&tasklist);
	if (old.fg)
		(void)signal_send_pgrp(old.fg, SIGHUP, NULL);
	if (hup) {
		(void)signal_send_pgrp(hup, SIGHUP, NULL);
		(void)signal_send_pgrp(hup, SIGCONT, NULL);
	}
	pgrp_put(hup);
	parted_put(&old);
	if (tty)
		tty_console_pump(tty); /* it may have been the last user */
	tty_put(tty);
}

int tty_vhangup(struct task *t)
{
	struct tty *tty;

	if (!task_capable(t, CAP_SYS_TTY_CONFIG))
		return -EPERM;
	tty = tty_of_task(t);
	if (tty)
		tty_hangup(tty, false);
	tty_put(tty);
	return 0;
}
