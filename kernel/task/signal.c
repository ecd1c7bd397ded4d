/*
 * signal.c - sending signals: queues, masks, who is woken.
 *
 * A signal is pending on one task or on its whole group.  Its bit in the set is
 * the truth; the queue holds the siginfo of each instance that had room
 * (a standard signal is pending once, a real-time signal is queued each time).
 * Ignored signals are dropped when sent, unless someone blocks them.
 *
 * Sending SIGCONT or a stop signal takes the other kind out of every queue at
 * once, and SIGCONT ends a stop, whatever becomes of the signal itself.  A
 * signal that is sure to kill begins the group exit here, so that it never
 * waits behind others.  Linux: kernel/signal.c.
 */
#include "kernel/task/signal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "core/waitq.h"
#include "kernel/task/cred.h"
#include "kernel/task/internal.h"
#include "kernel/time/ptimer.h"

#ifndef SI_ASYNCNL
#define SI_ASYNCNL (-60)
#endif
#define CAP_KILL     5
#define SIG_FIRST_RT 32 /* the kernel's; the C library keeps two */
#define SYNCHRONOUS                                                            \
	(SIGBIT(SIGSEGV) | SIGBIT(SIGBUS) | SIGBIT(SIGILL) | SIGBIT(SIGTRAP) | \
		SIGBIT(SIGFPE) | SIGBIT(SIGSYS))
#define HANDLER_DFL 0
#define HANDLER_IGN 1

struct sigqueue {
	struct list link;
	siginfo_t info;
	struct user *user; /* whose RLIMIT_SIGPENDING it counts against */
};

/* --- queues */

void sigpending_init(struct sigpending *p)
{
	list_init(&p->queue);
	p->set = 0;
}

static void sigqueue_free(struct sigqueue *q)
{
	list_del(&q->link);
	atomic_fetch_sub(&q->user->nsignals, 1);
	user_put(q->user);
	free(q);
}

void sigpending_flush(struct sigpending *p)
{
	struct sigqueue *q, *next;

	list_for_each_safe(q, next, &p->queue, link) sigqueue_free(q);
	p->set = 0;
}

void sigpending_remove(struct sigpending *p, ksigset_t set)
{
	struct sigqueue *q, *next;

	if (!(p->set & set))
		return;
	p->set &= ~set;
	list_for_each_safe(q, next, &p->queue,
		link) if (SIGBIT(q->info.si_signo) & set) sigqueue_free(q);
}

/* Charged to the receiver's uid.  NULL: over the limit, or no memory. */
static struct sigqueue *sigqueue_new(struct task *t, bool override)
{
	struct cred *c = task_cred_get(t);
	struct user *u = user_get(c->user);
	struct sigqueue *q = NULL;

	cred_put(c);
	if ((uint64_t)atomic_fetch_add(&u->nsignals, 1) <
			task_rlimit(t, RLIMIT_SIGPENDING) ||
		override)
		q = malloc(sizeof *q);
	if (!q) {
		atomic_fetch_sub(&u->nsignals, 1);
		user_put(u);
		return NULL;
	}
	q->user = u;
	return q;
}

/* The first instance of @sig, out of @p; keeps the bit when more follow. */
static void pending_take(struct sigpending *p, int sig, siginfo_t *si)
{
	struct sigqueue *q, *first = NULL;
	bool more = false;

	list_for_each (q, &p->queue, link) {
		if (q->info.si_signo != sig)
			continue;
		if (first) {
			more = true;
			break;
		}
		first = q;
	}
	if (!more)
		p->set &= ~SIGBIT(sig);
	if (!first) {
		memset(si, 0, sizeof *si); /* there was no room: SI_USER, 0 */
		si->si_signo = sig;
		return;
	}
	*si = first->info;
	sigqueue_free(first);
}

/* Faults of the program first, then the lowest number. */
static int pending_next(ksigset_t set)
{
	if (!set)
		return 0;
	if (set & SYNCHRONOUS)
		set &= SYNCHRONOUS;
	return __builtin_ctzll(set) + 1;
}

int signal_take(struct task *t, ksigset_t set, siginfo_t *si)
{
	struct sigpending *p = &t->pending;
	int sig = pending_next(p->set & set);

	if (!sig) {
		p = &t->tg->shared;
		sig = pending_next(p->set & set);
	}
	if (!sig)
		return 0;
	pending_take(p, sig, si);
	if (si->si_code == SI_TIMER)
		ptimer_delivered(t->tg, si);
	return sig;
}

/* --- actions */

struct sighand *sighand_new(void)
{
	struct sighand *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	ref_init(&h->ref);
	mutex_init(&h->lock, &lc_sigact);
	return h;
}

LOCKS_UNCHECKED /* the copy is not published */
	struct sighand *
	sighand_copy(struct sighand *from)
{
	struct sighand *h = sighand_new();

	if (!h)
		return NULL;
	sigact_lock(from);
	memcpy(h->action, from->action, sizeof h->action);
	sigact_unlock(from);
	return h;
}

struct sighand *sighand_get(struct sighand *h)
{
	ref_get(&h->ref);
	return h;
}

void sighand_put(struct sighand *h)
{
	if (h && ref_put(&h->ref))
		free(h);
}

struct sigaction_k sighand_action(struct sighand *h, int sig)
{
	struct sigaction_k a;

	sigact_lock(h);
	a = h->action[sig - 1];
	sigact_unlock(h);
	return a;
}

void sighand_set_action(struct sighand *h, int sig, const struct sigaction_k *a)
{
	sigact_lock(h);
	h->action[sig - 1] = *a;
	sigact_unlock(h);
}

void sighand_reset(struct sighand *h, bool all)
{
	sigact_lock(h);
	for (int i = 0; i < NSIG_GUEST; i++) {
		uint64_t handler = h->action[i].handler;

		if (all || handler != HANDLER_IGN)
			handler = HANDLER_DFL;
		h->action[i] = (struct sigaction_k){ .handler = handler };
	}
	sigact_unlock(h);
}

HOLDS(lc_sighand)
static uint64_t group_handler(struct tgroup *tg, int sig)
{
	return sighand_action(tg->sighand, sig).handler;
}

HOLDS(lc_sighand)
static bool handler_ignores(struct tgroup *tg, int sig)
{
	uint64_t h = group_handler(tg, sig);

	return h == HANDLER_IGN ||
	       (h == HANDLER_DFL && (SIGBIT(sig) & SIG_IGNORED));
}

/* Would @sig, sent to @t, have no effect at all? */
HOLDS(lc_sighand)
static bool send_ignored(struct task *t, int sig, bool outside)
{
	/* Blocked: the action may change before it is unblocked. */
	if ((t->blocked | t->real_blocked) & SIGBIT(sig))
		return false;
	if (t->tg->unkillable && group_handler(t->tg, sig) == HANDLER_DFL &&
		!(outside && (SIGBIT(sig) & SIG_KERNEL_ONLY)))
		return true;
	return handler_ignores(t->tg, sig);
}

/* --- sending */

void siginfo_user(siginfo_t *si, int sig, int code, struct task *from)
{
	memset(si, 0, sizeof *si);
	si->si_signo = sig;
	si->si_code = code;
	if (from) {
		si->si_pid = from->tg->tgid;
		si->si_uid = task_cred(from)->uid;
	}
}

void siginfo_kernel(siginfo_t *si, int sig)
{
	memset(si, 0, sizeof *si);
	si->si_signo = sig;
	si->si_code = SI_KERNEL;
}

void signal_recalc(struct task *t)
{
	if ((t->pending.set | t->tg->shared.set) & ~t->blocked)
		atomic_fetch_or(&t->work, TASK_WORK_SIGNAL);
	else
		atomic_fetch_and(&t->work, ~TASK_WORK_SIGNAL);
}

HOLDS(lc_sighand)
static void remove_everywhere(struct tgroup *tg, ksigset_t set)
{
	struct task *t;

	sigpending_remove(&tg->shared, set);
	list_for_each (t, &tg->threads, thread_link)
		sigpending_remove(&t->pending, set);
}

/* SIGCONT: a stop that is on, or on its way, ends. */
HOLDS(lc_sighand)
static void end_stop(struct tgroup *tg)
{
	struct task *t;

	tg->stop_dequeued = false;
	if (!tg->stop_sig)
		return;
	tg->cld_pending = tg->stopped ? CLD_CONTINUED : CLD_STOPPED;
	tg->stop_report = 0xffff;
	tg->stop_sig = 0;
	tg->stop_count = 0;
	tg->stopped = false;
	list_for_each (t, &tg->threads, thread_link) {
		t->stop_joined = false;
		atomic_fetch_and(&t->work, ~TASK_WORK_STOP);
		if (!t->gone) /* one of them tells the parent */
			task_kick(t, TASK_WORK_SIGNAL);
	}
}

HOLDS(lc_sighand)
static bool wants_signal(struct task *t, int sig)
{
	if (t->gone || (t->blocked & SIGBIT(sig)))
		return false;
	if (sig == SIGKILL)
		return true;
	if (t->stop_joined)
		return false;
	return t == current || !(atomic_load(&t->work) & TASK_WORK_SIGNAL);
}

/* The thread to disturb, or NULL: each has enough to do, or blocks it. */
HOLDS(lc_sighand)
static struct task *choose_thread(struct tgroup *tg, struct task *only, int sig)
{
	struct task *t, *after = NULL, *any = NULL;
	bool passed = false;

	if (only)
		return wants_signal(only, sig) ? only : NULL;
	if (tg->leader && wants_signal(tg->leader, sig))
		return tg->leader;
	/* Round robin: the one after whoever had the last one. */
	list_for_each (t, &tg->threads, thread_link) {
		if (wants_signal(t, sig)) {
			if (!any)
				any = t;
			if (passed && !after)
				after = t;
		}
		if (t == tg->signal_turn)
			passed = true;
	}
	t = after ? after : any;
	if (t)
		tg->signal_turn = t;
	return t;
}

HOLDS(lc_sighand)
static bool sure_to_kill(struct tgroup *tg, struct task *t, int sig)
{
	if (group_handler(tg, sig) != HANDLER_DFL || tg->exiting)
		return false;
	if (SIGBIT(sig) & (SIG_IGNORED | SIG_STOPS | SIG_DUMPS))
		return false;
	if (tg->unkillable && sig != SIGKILL)
		return false;
	return !(t->real_blocked & SIGBIT(sig));
}

HOLDS(lc_sighand)
static void signal_pick(struct tgroup *tg, struct task *only, int sig)
{
	struct task *t = choose_thread(tg, only, sig);

	if (!t)
		return;
	if (sure_to_kill(tg, t, sig))
		tgroup_begin_exit(tg, sig);
	else
		task_kick(t, TASK_WORK_SIGNAL);
}

/* A timer's signal that still waits counts the next ones: timer_getoverrun(2).
 */
static bool timer_overran(struct sigpending *p, const siginfo_t *si)
{
	struct sigqueue *q;

	if (!si || si->si_code != SI_TIMER)
		return false;
	list_for_each (q, &p->queue, link) {
		if (q->info.si_code != SI_TIMER ||
			q->info.si_signo != si->si_signo ||
			q->info.si_timerid != si->si_timerid)
			continue;
		if (q->info.si_overrun < INT32_MAX - si->si_overrun)
			q->info.si_overrun += si->si_overrun + 1;
		return true;
	}
	return false;
}

int signal_send_locked(struct tgroup *tg, struct task *only, int sig,
	const siginfo_t *si, bool outside)
{
	struct sigpending *p = only ? &only->pending : &tg->shared;
	struct task *t = only ? only : tg->leader;
	bool kernel_made = !si || si->si_code >= 0;
	struct sigqueue *q = NULL;

	if (!t || (only && only->gone) || tg->nthreads == 0)
		return 0;
	if (SIGBIT(sig) & SIG_STOPS)
		remove_everywhere(tg, SIGBIT(SIGCONT));
	if (sig == SIGCONT) {
		remove_everywhere(tg, SIG_STOPS);
		end_stop(tg);
	}
	if (send_ignored(t, sig, outside))
		return 0;
	if (timer_overran(p, si) ||
		(sig < SIG_FIRST_RT && (p->set & SIGBIT(sig))))
		return 0;
	if (sig != SIGKILL) {
		q = sigqueue_new(t, sig < SIG_FIRST_RT && kernel_made);
		if (!q && sig >= SIG_FIRST_RT && si && si->si_code != SI_USER)
			return -EAGAIN;
	}
	if (q) {
		if (si)
			q->info = *si;
		else
			siginfo_kernel(&q->info, sig);
		q->info.si_signo = sig;
		list_add_tail(&p->queue, &q->link);
	}
	p->set |= SIGBIT(sig);
	waitq_wake(&tg->signal_waitq, EPOLLIN);
	signal_pick(tg, only, sig);
	return 0;
}

int signal_send(struct task *t, int sig, const siginfo_t *si)
{
	int ret;

	sighand_lock(t->tg);
	ret = signal_send_locked(t->tg, t, sig, si, !current);
	sighand_unlock(t->tg);
	return ret;
}

int signal_send_group(struct tgroup *tg, int sig, const siginfo_t *si)
{
	int ret;

	sighand_lock(tg);
	ret = signal_send_locked(tg, NULL, sig, si, !current);
	sighand_unlock(tg);
	return ret;
}

int pgrp_signal_locked(struct pgrp *pg, int sig, const siginfo_t *si)
{
	struct tgroup *tg;
	int ret = -ESRCH;

	list_for_each (tg, &pg->members, pgrp_link) {
		(void)signal_send_group(
			tg, sig, si); /* as Linux: any success */
		ret = 0;
	}
	return ret;
}

int signal_send_pgrp(struct pgrp *pg, int sig, const siginfo_t *si)
{
	int ret;

	tasklist_lock(&tasklist);
	ret = pgrp_signal_locked(pg, sig, si);
	tasklist_unlock(&tasklist);
	return ret;
}

void signal_force(struct task *t, const siginfo_t *si)
{
	int sig = si->si_signo;
	struct sigaction_k a;
	bool blocked;

	sighand_lock(t->tg);
	a = sighand_action(t->tg->sighand, sig);
	blocked = t->blocked & SIGBIT(sig);
	if (blocked || a.handler == HANDLER_IGN) {
		a.handler = HANDLER_DFL;
		sighand_set_action(t->tg->sighand, sig, &a);
		t->blocked &= ~SIGBIT(sig);
		signal_recalc(t);
	}
	if (a.handler == HANDLER_DFL)
		t->tg->unkillable = false;
	(void)signal_send_locked(
		t->tg, t, sig, si, true); /* standard: never EAGAIN */
	sighand_unlock(t->tg);
}

int signal_permitted(struct task *from, struct tgroup *to, int sig)
{
	const struct cred *c = task_cred(from);
	struct session *s;
	struct cred *o;
	bool ok;

	if (from->tg == to)
		return 0;
	tasklist_lock(&tasklist);
	o = to->leader ? task_cred_get(to->leader) : NULL;
	s = to->pgrp ? to->pgrp->session : NULL;
	ok = sig == SIGCONT && s && from->tg->pgrp &&
	     s == from->tg->pgrp->session;
	tasklist_unlock(&tasklist);
	if (!o)
		return -ESRCH;
	ok = ok || c->euid == o->suid || c->euid == o->uid ||
	     c->uid == o->suid || c->uid == o->uid || cred_capable(c, CAP_KILL);
	cred_put(o);
	return ok ? 0 : -EPERM;
}

int signal_kill(struct task *t, struct tgroup *tg, int sig, const siginfo_t *si)
{
	int ret;

	if (sig < 0 || sig > NSIG_GUEST)
		return -EINVAL;
	ret = signal_permitted(t, tg, sig);
	return ret || !sig ? ret : signal_send_group(tg, sig, si);
}

/* Which processes a kill(2) of more than one means. */
static bool kill_means(struct task *t, struct tgroup *tg, int pid, int pgid)
{
	if (pid == -1)
		return tg != t->tg && tg != tg->pid_ns->init;
	return tg->pgrp && tg->pgrp->id == pgid;
}

/*
 * Process groups and -1: success with any one, EPERM only when none may be
 * signalled.  The walk goes by pid, so that no lock is held while sending.
 */
static int kill_many(struct task *t, int pid, int sig, const siginfo_t *si)
{
	bool found = false, sent = false;
	int pgid = pid == 0 ? (int)task_getpgid(t, 0) : -pid, ret = 0;
	struct task *o;

	for (int next = 1; (o = task_next(t->tg->pid_ns, next)); task_put(o)) {
		bool mine;

		next = o->tid + 1;
		tasklist_lock(&tasklist);
		mine = o == o->tg->leader && kill_means(t, o->tg, pid, pgid);
		tasklist_unlock(&tasklist);
		if (!mine)
			continue;
		found = true;
		ret = signal_kill(t, o->tg, sig, si);
		sent |= !ret;
	}
	return sent ? 0 : !found ? -ESRCH : ret;
}

int signal_kill_pid(struct task *t, int pid, int sig, const siginfo_t *si)
{
	struct task *o;
	int ret;

	if (pid == INT32_MIN)
		return -ESRCH;
	if (pid <= 0)
		return sig < 0 || sig > NSIG_GUEST ? -EINVAL
						   : kill_many(t, pid, sig, si);
	o = task_lookup(t->tg->pid_ns, pid);
	if (!o)
		return -ESRCH;
	ret = signal_kill(t, o->tg, sig, si);
	task_put(o);
	return ret;
}

void signal_retarget(struct task *t)
{
	ksigset_t left = t->tg->shared.set & ~t->blocked;

	while (left) {
		int sig = __builtin_ctzll(left) + 1;

		left &= left - 1;
		signal_pick(t->tg, NULL, sig);
	}
}

/* --- the calling task's own view */

bool signal_waits(struct task *t)
{
	return atomic_load(&t->work) &
	       (TASK_WORK_SIGNAL | TASK_WORK_EXIT | TASK_WORK_STOP |
		       TASK_WORK_FREEZE);
}

bool signal_is_ignored(struct task *t, int sig)
{
	bool ret;

	sighand_lock(t->tg);
	ret = group_handler(t->tg, sig) == HANDLER_IGN;
	sighand_unlock(t->tg);
	return ret;
}

bool signal_is_blocked(struct task *t, int sig)
{
	return t->blocked & SIGBIT(sig);
}

/* Newly blocked ones that we were woken for go to another thread. */
HOLDS(lc_sighand)
static void set_blocked(struct task *t, ksigset_t set)
{
	ksigset_t newly = set & ~t->blocked, left;

	set &= ~SIG_KERNEL_ONLY;
	t->blocked = set;
	if (t->tg->nthreads > 1 && (t->tg->shared.set & newly)) {
		for (left = t->tg->shared.set & newly; left; left &= left - 1)
			signal_pick(t->tg, NULL, __builtin_ctzll(left) + 1);
	}
	signal_recalc(t);
}

void signal_set_blocked(struct task *t, ksigset_t set)
{
	set &= ~SIG_KERNEL_ONLY;
	if (t->blocked == set)
		return;
	sighand_lock(t->tg);
	set_blocked(t, set);
	sighand_unlock(t->tg);
}

void signal_set_temporary(struct task *t, ksigset_t set)
{
	t->saved_blocked = t->blocked;
	t->restore_blocked = true;
	signal_set_blocked(t, set);
}

int signal_dequeue(struct task *t, ksigset_t set, siginfo_t *si)
{
	int sig;

	sighand_lock(t->tg);
	sig = signal_take(t, set, si);
	signal_recalc(t);
	sighand_unlock(t->tg);
	return sig ? 0 : -EAGAIN;
}

ksigset_t signal_pending_set(struct task *t)
{
	ksigset_t set;

	sighand_lock(t->tg);
	set = t->pending.set | t->tg->shared.set;
	sighand_unlock(t->tg);
	return set;
}

struct waitq *signal_waitq(struct task *t)
{
	return &t->tg->signal_waitq;
}

int signal_action(struct task *t, int sig, const struct sigaction_k *new,
	struct sigaction_k *old)
{
	struct sigaction_k a;
	struct task *o;

	if (sig < 1 || sig > NSIG_GUEST)
		return -EINVAL;
	if (new && (SIGBIT(sig) & SIG_KERNEL_ONLY))
		return -EINVAL;
	sighand_lock(t->tg);
	*old = sighand_action(t->tg->sighand, sig);
	if (new) {
		a = *new;
		a.mask &= ~SIG_KERNEL_ONLY;
		sighand_set_action(t->tg->sighand, sig, &a);
		/* POSIX: what is now ignored and pending is discarded. */
		if (handler_ignores(t->tg, sig)) {
			remove_everywhere(t->tg, SIGBIT(sig));
			list_for_each (o, &t->tg->threads, thread_link)
				signal_recalc(o);
		}
	}
	sighand_unlock(t->tg);
	return 0;
}

/* Looks again each time something comes; lc_sighand is dropped to sleep. */
HOLDS(lc_sighand)
static int wait_for_signal(
	struct task *t, ksigset_t set, siginfo_t *si, int64_t deadline)
{
	int sig, ret;

	for (;;) {
		sighand_unlock(t->tg);
		ret = task_block(t, deadline);
		sighand_lock(t->tg);
		sig = signal_take(t, set, si);
		if (sig)
			return sig;
		if (ret)
			return ret == -ERESTARTSYS ? -EINTR : -EAGAIN;
	}
}

/*
 * The set is unblocked while we sleep, with real_blocked telling senders that
 * it is not for a handler.
 */
long signal_timedwait(
	struct task *t, ksigset_t set, siginfo_t *si, int64_t deadline)
{
	int ret;

	set &= ~SIG_KERNEL_ONLY;
	sighand_lock(t->tg);
	ret = signal_take(t, set, si);
	if (!ret && deadline > 0) {
		t->real_blocked = t->blocked;
		t->blocked &= ~set;
		signal_recalc(t);
		ret = wait_for_signal(t, set, si, deadline);
		set_blocked(t, t->real_blocked);
		t->real_blocked = 0;
	}
	signal_recalc(t);
	sighand_unlock(t->tg);
	return ret ? ret : -EAGAIN;
}
