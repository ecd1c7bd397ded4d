/*
 * signal.h - sending, blocking and delivering signals.  signal(7).
 *
 * Pending signals and actions are guarded by the thread group's sighand lock.
 * A sender queues the signal, picks a thread that does not block it, sets
 * that task's TASK_WORK_SIGNAL and kicks it: a task that blocks returns
 * -ERESTARTSYS from task_block(), one in guest code leaves pctx_switch().
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/list.h"
#include "core/lock.h"
#include "core/ref.h"

struct task;
struct tgroup;
struct pgrp;

#define NSIG_GUEST 64
typedef uint64_t ksigset_t;		/* bit n-1 is signal n */
#define SIGBIT(sig) (1ULL << ((sig) - 1))

struct sigaction_k {			/* the kernel's layout, as the guest passes it */
	uint64_t handler;		/* SIG_DFL 0, SIG_IGN 1 */
	uint64_t flags;			/* SA_* */
	uint64_t restorer;
	ksigset_t mask;
};

#define SIG_KERNEL_ONLY	(SIGBIT(SIGKILL) | SIGBIT(SIGSTOP))
#define SIG_STOPS	(SIGBIT(SIGSTOP) | SIGBIT(SIGTSTP) | SIGBIT(SIGTTIN) | SIGBIT(SIGTTOU))
#define SIG_IGNORED	(SIGBIT(SIGCONT) | SIGBIT(SIGCHLD) | SIGBIT(SIGWINCH) | SIGBIT(SIGURG))
#define SIG_DUMPS	(SIGBIT(SIGQUIT) | SIGBIT(SIGILL) | SIGBIT(SIGTRAP) | SIGBIT(SIGABRT) | \
			 SIGBIT(SIGFPE) | SIGBIT(SIGSEGV) | SIGBIT(SIGBUS) | SIGBIT(SIGSYS) | \
			 SIGBIT(SIGXCPU) | SIGBIT(SIGXFSZ))

struct sigpending {
	struct list queue;		/* struct sigqueue, in order of arrival */
	ksigset_t set;
};

struct sighand {			/* shared by CLONE_SIGHAND, even between processes */
	struct ref ref;
	struct mutex lock;
	struct sigaction_k action[NSIG_GUEST] GUARDED_BY(lc_sigact);
};
LOCK_OPS(sigact, struct sighand, lock)

struct sigaction_k sighand_action(struct sighand *h, int sig);

/* siginfo_t of the C library has Linux's layout.  SI_USER, filled with the sender. */
void siginfo_user(siginfo_t *si, int sig, int code, struct task *from);
void siginfo_kernel(siginfo_t *si, int sig);

/*
 * Queue to one thread, or to a process.  @si NULL: like siginfo_kernel().
 * 0, or -EAGAIN (RLIMIT_SIGPENDING, for real-time signals from sigqueue).  The
 * caller has checked permission.  Take lc_sighand themselves.
 */
int signal_send(struct task *t, int sig, const siginfo_t *si);
int signal_send_group(struct tgroup *tg, int sig, const siginfo_t *si);
/* To each process of a group; takes lc_tasklist.  0 or -ESRCH. */
int signal_send_pgrp(struct pgrp *pg, int sig, const siginfo_t *si);
/* A fault of the calling task: cannot be blocked or ignored (then it kills). */
void signal_force(struct task *t, const siginfo_t *si);
/* May @from send @sig to @to?  kill(2).  0 or -EPERM. */
int signal_permitted(struct task *from, struct tgroup *to, int sig) MUST_CHECK;

/* An unblocked signal (or stop, exit, freeze) waits for the calling task. */
bool signal_waits(struct task *t);
/* Is @sig ignored by @t's group, or blocked by @t? (job control on ttys) */
bool signal_is_ignored(struct task *t, int sig);
bool signal_is_blocked(struct task *t, int sig);
void signal_set_blocked(struct task *t, ksigset_t set);	/* of the calling task */
/* For pselect & co.: installs @set until the call returns (restored by delivery). */
void signal_set_temporary(struct task *t, ksigset_t set);
/* Takes one pending signal out of @set (signalfd, sigtimedwait): 0, or -EAGAIN. */
int signal_dequeue(struct task *t, ksigset_t set, siginfo_t *si);
ksigset_t signal_pending_set(struct task *t);
/* Woken (EPOLLIN) when a signal is queued to @t or its group: signalfd. */
struct waitq *signal_waitq(struct task *t);

/* On the way back to the guest, by task_run(): delivers, stops, or ends the task. */
void signal_deliver(struct task *t);
