/*
 * deliver.c - what a pending signal does to the task that takes it.
 *
 * signal_deliver() runs on the task's own thread between two stretches of
 * guest code.  It serves everything in t->work, takes signals one by one, and
 * either builds a handler's frame, stops, or ends the process.  When it
 * returns, the interrupted system call has been decided: EINTR, or again.
 *
 * Group stop: the thread that takes a stop signal sets tg->stop_sig and marks
 * all threads with TASK_WORK_STOP; each joins as it passes here, and the last
 * one tells the parent.  SIGCONT (signal.c, end_stop) clears the stop and wakes
 * all; the first to run tells the parent.  No job control question is asked
 * under lc_sighand: the lock is dropped for lc_tasklist, and stop_dequeued
 * shows whether a SIGCONT came in between.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "core/waitq.h"
#include "kernel/arch/arch.h"
#include "kernel/task/cred.h"
#include "kernel/task/internal.h"
#include "platform/platform.h"

#define NR_RESTART_SYSCALL 219
#ifndef SA_RESTART
#define SA_RESTART 0x10000000
#endif

struct taken { /* a signal that has a handler */
	siginfo_t info;
	struct sigaction_k action;
};

/* --- telling the parent */

static void siginfo_child(
	siginfo_t *si, struct tgroup *tg, int sig, int code, int status)
{
	struct cred *c = tg->leader ? task_cred_get(tg->leader) : NULL;

	memset(si, 0, sizeof *si);
	si->si_signo = sig;
	si->si_code = code;
	si->si_pid = tg->tgid;
	si->si_uid = c ? c->uid : 0;
	si->si_status = status;
	si->si_utime = tgroup_utime(tg) / 10000000; /* clock ticks */
	si->si_stime = tgroup_stime(tg) / 10000000;
	cred_put(c);
}

void tgroup_notify_stop(struct tgroup *tg, int why)
{
	struct tgroup *parent = tg->parent;
	struct sigaction_k a;
	siginfo_t si;
	int status;

	waitq_wake(
		&tg->exit_waitq, EPOLLPRI); /* the control server may watch */
	if (!parent)
		return;
	sighand_lock(tg);
	status = why == CLD_CONTINUED ? SIGCONT
		 : tg->stop_sig       ? tg->stop_sig
				      : SIGSTOP;
	sighand_unlock(tg);
	siginfo_child(&si, tg, SIGCHLD, why, status);
	sighand_lock(parent);
	a = sighand_action(parent->sighand, SIGCHLD);
	if (a.handler != 1 && !(a.flags & SA_NOCLDSTOP))
		(void)signal_send_locked(parent, NULL, SIGCHLD, &si, false);
	sighand_unlock(parent);
	waitq_wake(&parent->child_waitq, 0);
}

bool tgroup_notify_exit(struct tgroup *tg, int sig)
{
	struct tgroup *parent = tg->parent;
	int status = tg->exit_status;
	bool reap = false;
	struct sigaction_k a;
	siginfo_t si;

	if (!parent)
		return false;
	if (status & 0x7f)
		siginfo_child(&si, tg, sig,
			status & 0x80 ? CLD_DUMPED : CLD_KILLED, status & 0x7f);
	else
		siginfo_child(&si, tg, sig, CLD_EXITED, status >> 8 & 0xff);
	sighand_lock(parent);
	if (sig == SIGCHLD) {
		a = sighand_action(parent->sighand, SIGCHLD);
		reap = a.handler == 1 || (a.flags & SA_NOCLDWAIT);
		if (a.handler == 1)
			sig = 0; /* SA_NOCLDWAIT alone still gets the signal */
	}
	/* clone(2) takes any number below 256 for the exit signal. */
	if (sig > 0 && sig <= NSIG_GUEST)
		(void)signal_send_locked(parent, NULL, sig, &si, false);
	sighand_unlock(parent);
	waitq_wake(&parent->child_waitq, 0);
	return reap;
}

/* --- stopping */

bool tgroup_stop_left(struct tgroup *tg, struct task *t)
{
	if (!tg->stop_sig || t->stop_joined)
		return false;
	t->stop_joined = true;
	if (--tg->stop_count > 0)
		return false;
	tg->stopped = true;
	tg->stop_report = tg->stop_sig << 8 | 0x7f;
	return true;
}

/* Takes part in a stop until SIGCONT or the end.  Releases lc_sighand. */
RELEASES(lc_sighand)
static void stop_join(struct task *t)
{
	struct tgroup *tg = t->tg;
	bool last;

	atomic_fetch_and(&t->work, ~TASK_WORK_STOP);
	last = tgroup_stop_left(tg, t);
	sighand_unlock(tg);
	if (last) {
		tasklist_lock(&tasklist);
		tgroup_notify_stop(tg, CLD_STOPPED);
		tasklist_unlock(&tasklist);
	}
	task_set_state(t, TASK_STOPPED);
	for (;;) {
		bool go;

		sighand_lock(tg);
		go = !t->stop_joined || tg->exiting || t->exec_killed;
		if (go)
			t->stop_joined = false;
		sighand_unlock(tg);
		if (go)
			break;
		if (atomic_load(&t->work) & TASK_WORK_FREEZE)
			task_freeze(t);
		else
			(void)park_wait(&t->park, NO_DEADLINE);
		task_set_state(t, TASK_STOPPED);
	}
	task_set_state(t, TASK_RUNNING);
}

/* A stop signal was taken: everyone is to stop, unless SIGCONT came. */
HOLDS(lc_sighand)
static void stop_begin(struct tgroup *tg, int sig)
{
	struct task *o;

	if (!tg->stop_dequeued || tg->exiting || tg->stop_sig)
		return;
	tg->stop_sig = sig;
	tg->stop_count = 0;
	tg->stopped = false;
	list_for_each (o, &tg->threads, thread_link) {
		if (o->gone)
			continue;
		o->stop_joined = false;
		tg->stop_count++;
		task_kick(o, TASK_WORK_STOP);
	}
}

/* SIGTSTP, SIGTTIN, SIGTTOU do nothing in an orphaned group. */
static bool stop_allowed(struct tgroup *tg)
{
	bool orphaned;

	tasklist_lock(&tasklist);
	orphaned = !tg->pgrp || pgrp_orphaned(tg->pgrp, NULL);
	tasklist_unlock(&tasklist);
	return !orphaned;
}

static void default_stop(struct task *t, int sig)
{
	struct tgroup *tg = t->tg;

	if (sig != SIGSTOP && !stop_allowed(tg))
		return;
	sighand_lock(tg);
	stop_begin(tg, sig);
	sighand_unlock(tg);
}

static void report_continued(struct task *t, int why)
{
	tasklist_lock(&tasklist);
	tgroup_notify_stop(t->tg, why);
	tasklist_unlock(&tasklist);
}

/* --- taking a signal */

/* Ends the caller when it has to.  Enters and leaves with lc_sighand. */
HOLDS(lc_sighand)
static void check_exit(struct task *t)
{
	struct tgroup *tg = t->tg;
	int code;

	if (!tg->exiting && !t->exec_killed)
		return;
	code = tg->exiting ? tg->exit_status : 0;
	sighand_unlock(tg);
	task_exit(t, code);
}

/*
 * GAP: no core file is ever written, so the status of a signal that dumps core
 * lacks the core bit, as under RLIMIT_CORE 0.
 */
static void default_action(struct task *t, int sig)
{
	if (SIGBIT(sig) & SIG_STOPS)
		default_stop(t, sig);
	else
		task_exit_group(t, sig);
}

/* What the next signal asks for: true with a handler to run in *@k. */
static bool signal_get(struct task *t, struct taken *k)
{
	struct tgroup *tg = t->tg;

	for (;;) {
		int sig, why;

		if (atomic_load(&t->work) & TASK_WORK_FREEZE)
			task_freeze(t);
		sighand_lock(tg);
		check_exit(t);
		if (tg->cld_pending) {
			why = tg->cld_pending;
			tg->cld_pending = 0;
			sighand_unlock(tg);
			report_continued(t, why);
			continue;
		}
		if (tg->stop_sig && !t->stop_joined &&
			(atomic_load(&t->work) & TASK_WORK_STOP)) {
			stop_join(t);
			continue;
		}
		sig = signal_take(t, ~t->blocked, &k->info);
		if (!sig) {
			signal_recalc(t);
			sighand_unlock(tg);
			return false;
		}
		k->action = sighand_action(tg->sighand, sig);
		if (k->action.handler > 1) {
			if (k->action.flags & SA_RESETHAND) {
				struct sigaction_k dfl = k->action;

				dfl.handler = 0;
				sighand_set_action(tg->sighand, sig, &dfl);
			}
			signal_recalc(t);
			sighand_unlock(tg);
			return true;
		}
		if (SIGBIT(sig) & SIG_STOPS)
			tg->stop_dequeued = true;
		why = k->action.handler == 1 || (SIGBIT(sig) & SIG_IGNORED) ||
		      (tg->unkillable && !(SIGBIT(sig) & SIG_KERNEL_ONLY));
		sighand_unlock(tg);
		if (!why)
			default_action(t, sig);
	}
}

/* --- the interrupted call */

/* A handler runs: EINTR, or the call again after it. */
static void restart_for_handler(struct task *t, const struct sigaction_k *a)
{
	uint64_t nr = t->orig_rax;
	long ret = (long)t->regs.rax;

	if (nr == (uint64_t)-1)
		return;
	t->orig_rax = (uint64_t)-1;
	switch (-ret) {
	case ERESTART_RESTARTBLOCK:
	case ERESTARTNOHAND:
		t->regs.rax = (uint64_t)-EINTR;
		break;
	case ERESTARTSYS:
		if (!(a->flags & SA_RESTART)) {
			t->regs.rax = (uint64_t)-EINTR;
			break;
		}
		/* fall through */
	case ERESTARTNOINTR:
		arch_restart_syscall(t, nr);
		break;
	}
}

static void restart_without_handler(struct task *t)
{
	uint64_t nr = t->orig_rax;
	long ret = (long)t->regs.rax;

	if (nr == (uint64_t)-1)
		return;
	t->orig_rax = (uint64_t)-1;
	switch (-ret) {
	case ERESTART_RESTARTBLOCK:
		arch_restart_syscall(t, NR_RESTART_SYSCALL);
		break;
	case ERESTARTNOHAND:
	case ERESTARTSYS:
	case ERESTARTNOINTR:
		arch_restart_syscall(t, nr);
		break;
	}
}

/* The mask that rt_sigreturn brings back: that of before pselect & co. */
static ksigset_t frame_mask(struct task *t)
{
	if (!t->restore_blocked)
		return t->blocked;
	t->restore_blocked = false;
	return t->saved_blocked;
}

static void run_handler(struct task *t, struct taken *k)
{
	const struct sigaction_k *a = &k->action;
	int sig = k->info.si_signo;
	ksigset_t mask;
	siginfo_t si;

	restart_for_handler(t, a);
	mask = frame_mask(t);
	if (arch_signal_frame(t, &k->info, a, mask) == 0) {
		mask = t->blocked | a->mask;
		if (!(a->flags & SA_NODEFER))
			mask |= SIGBIT(sig);
		signal_set_blocked(t, mask);
		return;
	}
	/* No stack to run it on.  A second fault in SIGSEGV's own handler
	 * kills. */
	if (sig == SIGSEGV) {
		struct sigaction_k dfl = { .handler = 0 };

		sighand_lock(t->tg);
		sighand_set_action(t->tg->sighand, SIGSEGV, &dfl);
		sighand_unlock(t->tg);
	}
	siginfo_kernel(&si, SIGSEGV);
	signal_force(t, &si);
}

void signal_deliver(struct task *t)
{
	struct taken k;

	task_called(t);
	while (signal_get(t, &k))
		run_handler(t, &k);
	restart_without_handler(t);
	if (t->restore_blocked) {
		t->restore_blocked = false;
		signal_set_blocked(t, t->saved_blocked);
	}
}
