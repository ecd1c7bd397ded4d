/* internal.h - what the files of kernel/task share among themselves. */
#pragma once

#include "kernel/task/signal.h"
#include "kernel/task/task.h"

/* task.c: nothing is published; the caller fills and then calls task_publish(). */
struct task *task_new(struct tgroup *tg);	/* takes a reference to @tg; NULL on OOM */
struct tgroup *tgroup_new(struct pid_ns *ns, struct container *c);	/* no threads yet; NULL on OOM */
/*
 * Gives @t a tid (@want, or the next free one for 0) and enters it in the
 * tables; the table holds a reference.  -EAGAIN, -EEXIST, -ENOMEM (dead).
 */
int task_hash(struct task *t, int want) HOLDS(lc_tasklist) MUST_CHECK;
void task_unhash(struct task *t) HOLDS(lc_tasklist);	/* drops the table's reference */
void task_rehash(struct task *t, int tid) HOLDS(lc_tasklist); /* exec: takes over the leader's */
struct pid_ns *pid_ns_new(struct container *c);		/* NULL on OOM */
void task_drop_resources(struct task *t);
int64_t tgroup_utime(struct tgroup *tg);		/* sums; lc_tasklist or lc_sighand held */
int64_t tgroup_stime(struct tgroup *tg);

/* run.c: one host thread for @t; it begins by attaching its pctx. */
int task_start(struct task *t) MUST_CHECK;
/* Ends the host thread's service of @t: back to task_main(). */
NORETURN void task_leave(struct task *t);
void task_freeze(struct task *t);
void task_called(struct task *t);	/* serves TASK_WORK_CALL */
void task_set_state(struct task *t, enum task_state s);

/* exit.c */
/* All other threads of the caller's group end; -EINTR when it has to end itself. */
int task_dethread(struct task *t) MUST_CHECK;
void task_vfork_done(struct task *t);			/* the mm is let go of: wake the parent */
/* Takes a zombie out of everything; its table reference goes.  @waited: by its parent, which counts its usage. */
void tgroup_reap(struct tgroup *tg, bool waited) HOLDS(lc_tasklist);
/* Group exit begins: every thread is told.  Only the first status counts. */
void tgroup_begin_exit(struct tgroup *tg, int status) HOLDS(lc_sighand);

/* signal.c */
void sigpending_init(struct sigpending *p);
void sigpending_flush(struct sigpending *p);		/* all; no lock needed once private */
void sigpending_remove(struct sigpending *p, ksigset_t set) HOLDS(lc_sighand);
struct sighand *sighand_new(void);
struct sighand *sighand_copy(struct sighand *h);
struct sighand *sighand_get(struct sighand *h);
void sighand_put(struct sighand *h);
void sighand_set_action(struct sighand *h, int sig, const struct sigaction_k *a);
/* exec: handlers become SIG_DFL; with @all ignored ones too. */
void sighand_reset(struct sighand *h, bool all);
void signal_recalc(struct task *t) HOLDS(lc_sighand);
int signal_take(struct task *t, ksigset_t set, siginfo_t *si) HOLDS(lc_sighand);
int signal_send_locked(struct tgroup *tg, struct task *t, int sig, const siginfo_t *si,
	bool outside) HOLDS(lc_sighand);
/* Shared signals that @t would have taken go to other threads. */
void signal_retarget(struct task *t) HOLDS(lc_sighand);
/* rt_sigaction(2)'s action, with its effect on what is pending. */
int signal_action(struct task *t, int sig, const struct sigaction_k *new, struct sigaction_k *old) MUST_CHECK;
long signal_timedwait(struct task *t, ksigset_t set, siginfo_t *si, int64_t deadline) MUST_CHECK;

/* With kill(2)'s checks: permission, range; sig 0 only asks. */
int signal_kill(struct task *t, struct tgroup *tg, int sig, const siginfo_t *si) MUST_CHECK;
/* @pid as kill(2) takes it: process, group, or everyone. */
int signal_kill_pid(struct task *t, int pid, int sig, const siginfo_t *si) MUST_CHECK;

/* deliver.c */
/* SIGCHLD for a stop or continue of @tg, and wakes the parent. */
void tgroup_notify_stop(struct tgroup *tg, int why) HOLDS(lc_tasklist);
/* One thread fewer takes part in a stop: true when the rest are stopped now. */
bool tgroup_stop_left(struct tgroup *tg, struct task *t) HOLDS(lc_sighand);
/* Of the ending @tg.  True: the parent does not care, reap at once. */
bool tgroup_notify_exit(struct tgroup *tg, int sig) HOLDS(lc_tasklist);

/* pgrp.c */
struct session *session_create(struct pid_ns *ns, int id, struct tgroup *leader) HOLDS(lc_tasklist);
struct pgrp *pgrp_create(struct session *s, int id) HOLDS(lc_tasklist);
void pgrp_join(struct tgroup *tg, struct pgrp *pg) HOLDS(lc_tasklist); /* takes a reference */
void pgrp_leave(struct tgroup *tg) HOLDS(lc_tasklist);
struct pgrp *pgrp_peek(struct pid_ns *ns, int id) HOLDS(lc_tasklist);
struct session *session_peek(struct pid_ns *ns, int id) HOLDS(lc_tasklist);
void pgrp_put_locked(struct pgrp *p) HOLDS(lc_tasklist);
void session_put_locked(struct session *s) HOLDS(lc_tasklist);
struct session *session_get(struct session *s);
bool pgrp_orphaned(struct pgrp *pg, struct tgroup *leaving) HOLDS(lc_tasklist);
/* @tg's parent changes from @old, or it ends: SIGHUP, SIGCONT to newly orphaned groups. */
void pgrp_check_orphan(struct tgroup *tg, struct tgroup *old) HOLDS(lc_tasklist);
int pgrp_signal_locked(struct pgrp *pg, int sig, const siginfo_t *si) HOLDS(lc_tasklist);
int task_setpgid(struct task *t, int pid, int pgid) MUST_CHECK;
long task_setsid(struct task *t) MUST_CHECK;
long task_getpgid(struct task *t, int pid) MUST_CHECK;	/* 0: the caller */
long task_getsid(struct task *t, int pid) MUST_CHECK;

/* clone.c */
long task_unshare(struct task *t, uint64_t flags) MUST_CHECK;

/* wait.c */
struct wait_query {
	int type;			/* P_ALL, P_PID, P_PGID */
	int id;				/* P_PGID: resolved, never 0 */
	struct tgroup *pidfd;		/* P_PIDFD: reference */
	int options;			/* WNOHANG, WEXITED... */
};
struct wait_result {
	int pid;			/* 0: nothing with WNOHANG */
	uint32_t uid;
	int status;			/* wait(2) form */
	int code;			/* CLD_* */
	int64_t utime, stime;
	uint64_t maxrss, minflt, majflt, nvcsw, nivcsw;
};
int task_wait(struct task *t, const struct wait_query *q, struct wait_result *r) MUST_CHECK;

/* pidfd.c */
struct file;
int pidfd_create(struct task *t, struct tgroup *tg, int flags, struct file **out) MUST_CHECK;
/* The process a pidfd (or a /proc/PID directory) stands for: reference; -EBADF. */
int pidfd_tgroup(struct file *f, struct tgroup **out) MUST_CHECK;

/* prctl.c */
long task_prctl(struct task *t, int op, const uint64_t *arg) MUST_CHECK;

/* kcmp.c: 0 the same, 1 less, 2 greater. */
long task_kcmp(struct task *a, struct task *b, int type, uint64_t i, uint64_t j) MUST_CHECK;
