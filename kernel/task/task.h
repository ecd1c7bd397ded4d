/*
 * task.h - threads and processes of the guest.
 *
 * A task is one guest thread; a tgroup is a process.  One host thread serves a
 * task: task_run() switches to guest code, serves what stopped it, delivers
 * signals, repeats.  There is no scheduler and no global kernel lock.
 *
 * Field letters:  I  constant once published    a  atomic
 *                 o  only the task's own host thread
 * Unlettered fields are guarded as their heading says.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/list.h"
#include "core/lock.h"
#include "core/ref.h"
#include "core/restart.h"
#include "core/thread.h"
#include "core/timer.h"
#include "core/uaddr.h"
#include "core/waitq.h"
#include "kernel/task/sched.h"
#include "kernel/task/signal.h"
#include "kernel/vfs/path.h"
#include "platform/regs.h"

struct container;
struct cred;
struct fdtable;
struct kernel;
struct mm;
struct mnt_ns;
struct pctx;
struct ptimers;
struct strbuf;
struct tty;

/* A pid namespace: pid -> task.  One a container. */
struct pid_ns {
	struct ref ref;
	struct container *container;	/* I: borrowed */
	struct rb_tree tasks;		/* lc_tasklist */
	int last;			/* lc_tasklist: next pid is looked for after it */
	int ntasks;			/* lc_tasklist: in the table, zombies included */
	int nlive;			/* lc_tasklist: that have not ended */
	struct rb_tree pgrps, sessions;	/* lc_tasklist: by id */
	struct tgroup *init;		/* lc_tasklist: its death ends the namespace */
	bool dead;			/* lc_tasklist: no new tasks */
	bool frozen;			/* lc_tasklist: runsc pause */
	struct waitq waitq;		/* a task froze, thawed or ended */
};

struct pgrp {				/* lc_tasklist */
	struct ref ref;
	struct rb_node node;		/* pid_ns->pgrps */
	struct pid_ns *ns;		/* I: reference */
	int id;
	struct session *session;	/* reference */
	struct list members;		/* struct tgroup.pgrp_link */
	struct list link;		/* session->pgrps */
};

struct session {			/* lc_tasklist */
	struct ref ref;
	struct rb_node node;		/* pid_ns->sessions */
	struct pid_ns *ns;		/* I: reference */
	int id;
	struct tgroup *leader;		/* NULL once dead */
	struct list pgrps;
	struct tty *tty;		/* controlling terminal, reference; changes under lc_tasklist */
	struct pgrp *hup_pgrp;		/* reference: who was in the foreground when it hung up; until the leader exits */
};

struct fsctx {				/* shared by CLONE_FS */
	struct ref ref;
	struct mutex lock;
	struct path root, cwd GUARDED_BY(lc_fsctx);
	unsigned umask GUARDED_BY(lc_fsctx);
};
LOCK_OPS(fsctx, struct fsctx, lock)
struct fsctx *fsctx_new(const struct path *root, const struct path *cwd, unsigned umask);	/* takes references; NULL on OOM */
struct fsctx *fsctx_copy(struct fsctx *f);
struct fsctx *fsctx_get(struct fsctx *f);
void fsctx_put(struct fsctx *f);

struct uts_ns {
	struct ref ref;
	struct mutex lock;		/* lc_fsctx class: leaf */
	char nodename[65], domainname[65];
};
struct uts_ns *uts_ns_new(const char *nodename, const char *domainname);	/* NULL on OOM */
struct uts_ns *uts_ns_copy(struct uts_ns *u);
struct uts_ns *uts_ns_get(struct uts_ns *u);
void uts_ns_put(struct uts_ns *u);
/* A consistent copy of both names (65 bytes each; either may be NULL). */
void uts_ns_names(struct uts_ns *u, char *nodename, char *domainname);
void uts_ns_set(struct uts_ns *u, const char *nodename, const char *domainname);	/* NULL: keep */

/* Limits by resource: getrlimit(2). */
#define RLIM_GUEST 16
struct rlim { uint64_t cur, max; };

struct tgroup {
	struct ref ref;
	struct mutex lock;		/* lc_sighand */

	/* lc_tasklist */
	int tgid;			/* I */
	struct pid_ns *pid_ns;		/* I: reference */
	struct task *leader;		/* stays until the group is reaped */
	struct list threads;		/* struct task.thread_link */
	struct tgroup *parent;		/* NULL: the namespace's outside */
	_Atomic int ppid;		/* a: parent's tgid, 0 outside; changes under lc_tasklist */
	int parent_tid;			/* the thread that made us: __WNOTHREAD */
	struct list children, sibling;
	struct pgrp *pgrp;		/* reference */
	struct list pgrp_link;
	int exit_signal;		/* to the parent; SIGCHLD */
	bool zombie;			/* all threads ended; waits to be reaped */
	bool did_exec;			/* setpgid(2) EACCES */
	bool subreaper;			/* PR_SET_CHILD_SUBREAPER */
	bool gave_up_tty;		/* TIOCNOTTY: the session's terminal is not ours; until setsid(2) */
	struct waitq child_waitq;	/* woken when a child changes state */
	struct waitq exit_waitq;	/* pidfd and the control server: this one ended */

	/* lc_sighand */
	struct sighand *sighand;	/* reference */
	struct sigpending shared;	/* for the whole process */
	atomic_int nthreads;		/* a: live ones; changed with the lock, looked at without by timers too */
	int unfinished;			/* live ones, and those still on their way out */
	bool exiting;			/* group exit has begun */
	int exit_status;		/* wait(2) form, once exiting or zombie */
	struct task *execing;		/* the thread that waits to be the only one */
	int stop_sig;			/* a group stop is on, for this signal; 0 none */
	int stop_count;			/* threads still to stop */
	bool stopped;			/* all have */
	int stop_report;		/* CLD_STOPPED/CLD_CONTINUED not yet waited for: status, or 0 */
	bool stop_dequeued;		/* a stop signal is being acted on, no SIGCONT since */
	int cld_pending;		/* CLD_* that a thread has to tell the parent; 0 none */
	bool unkillable;		/* init of its namespace: default actions do not kill it */
	struct task *signal_turn;	/* who was given the last shared signal; compared only */
	struct waitq signal_waitq;	/* signalfd: something was queued */
	struct rlim rlim[RLIM_GUEST];
	struct ptimers *timers;		/* posix timers and itimers; time/ptimer.c */

	struct container *container;	/* I: borrowed: outlives its processes */
	_Atomic int64_t start_time;	/* a: CLOCK_MONOTONIC ns */
	/* a: sums over ended threads, and over waited-for children */
	_Atomic int64_t dead_utime, dead_stime, child_utime, child_stime;
	_Atomic uint64_t maxrss, child_maxrss;	/* a: pages, of former address spaces; of children */
	_Atomic uint64_t minflt, majflt, child_minflt, child_majflt, nvcsw, nivcsw;
	_Atomic int oom_score_adj;	/* a */
	atomic_uint membarrier;		/* a: MEMBARRIER_CMD_REGISTER_* done since execve */
	_Atomic uint64_t io_rchar, io_wchar, io_syscr, io_syscw;
};
LOCK_OPS(sighand, struct tgroup, lock)

/* t->work: why the task must not go back to guest code, or to sleep. */
#define TASK_WORK_SIGNAL	1	/* an unblocked signal is pending */
#define TASK_WORK_EXIT		2	/* the group exits, or exec kills this thread */
#define TASK_WORK_STOP		4	/* join a group stop */
#define TASK_WORK_FREEZE	8	/* runsc pause */
#define TASK_WORK_CALL		16	/* membarrier, CPU clocks: leave guest code once, then go on */

/* Progress of a call that a signal or a freeze interrupted: DESIGN "Tasks". */
struct restart {
	long (*fn)(struct task *t);	/* for ERESTART_RESTARTBLOCK: restart_syscall(2) */
	int64_t deadline;		/* absolute, CLOCK_MONOTONIC; NO_DEADLINE */
	uint64_t arg[5];
	size_t done;			/* bytes already moved */
};

enum task_state {			/* a: what /proc and debug --stacks show */
	TASK_RUNNING, TASK_SLEEPING, TASK_DISK, TASK_STOPPED, TASK_ZOMBIE, TASK_DEAD,
};

struct task {
	struct ref ref;
	struct kernel *kernel;		/* I */
	struct tgroup *tg;		/* I: reference */
	int tid;			/* I (exec gives the leader's to another: lc_tasklist) */
	struct rb_node pid_node;	/* lc_tasklist: in pid_ns->tasks */
	struct list thread_link;	/* lc_tasklist and lc_sighand: change under both */

	/* own thread; others read mm, fdt, fs through task_mm() and friends */
	struct mutex res_lock;		/* lc_fsctx class: swaps of the next four */
	struct mm *mm;			/* reference; NULL once exited */
	struct fdtable *fdt;
	struct fsctx *fs;
	struct cred *cred;
	struct mnt_ns *mnt_ns;		/* reference */
	struct uts_ns *uts;		/* reference */

	struct pctx *pctx;		/* o */
	struct regs regs;		/* o while running */
	int regs_dirty;			/* o: enum regs_dirty for the next switch */
	uint64_t orig_rax;		/* o: system call being served, -1 none (restart) */
	void *fp;			/* o: scratch XSAVE area, allocated on first use */
	bool step;			/* o: single-step the guest */

	struct park park;		/* woken by waiters, kicks */
	atomic_uint work;		/* a: TASK_WORK_* */
	atomic_bool in_guest;		/* a: inside pctx_switch() */
	atomic_bool frozen;		/* a: waits for runsc resume */
	atomic_uint switches;		/* a: how often it left guest code */
	_Atomic(enum task_state) state;	/* a */
	const char *_Atomic wait_what;	/* a: static text: what it blocks on */
	const void *_Atomic wait_on;	/* a: object, for debug --stacks only */

	/* lc_sighand of tg */
	struct sigpending pending;
	ksigset_t blocked;		/* changed by the own thread only */
	ksigset_t saved_blocked;	/* o: pselect, sigsuspend */
	bool restore_blocked;		/* o */
	ksigset_t real_blocked;		/* sigtimedwait */
	bool stop_joined;
	bool gone;			/* has left the group: takes no signals */
	bool exec_killed;		/* another thread's execve(2) ends this one */

	uint64_t sas_sp, sas_size;	/* o: sigaltstack(2) */
	int sas_flags;			/* o */
	struct restart restart;		/* o */
	uint64_t clear_tid;		/* o: CLONE_CHILD_CLEARTID */
	uint64_t set_child_tid;		/* o: CLONE_CHILD_SETTID, still to be stored */
	struct { uint64_t trapno, error, cr2; } fault;	/* o: of the last exception: signal frames */
	uint64_t robust_list;		/* o */
	size_t robust_len;
	char comm[16];			/* lc_sighand to write; readers may see a mix */
	int pdeath_signal;		/* o, and lc_tasklist */
	struct task *vfork_child_of;	/* the parent that waits in vfork(2); lc_tasklist */
	struct waitq vfork_waitq;	/* the child woke us */
	atomic_bool vfork_done;
	struct sched sched;		/* a: kept, shown, no effect */
	int exit_code;			/* o: wait(2) form */
	int thp_disable, tsc_mode;
	_Atomic int64_t utime, stime;	/* a: ns */
	_Atomic uint64_t nvcsw, nivcsw, minflt, majflt;
	_Atomic int64_t start_time;
	char name_host[16];
	/*
	 * The first thing that the host thread does for a process that comes from
	 * outside: loads its program.  Not 0: the task has ended already.
	 */
	int (*begin)(struct task *t);
	void *begin_arg;
	long call_nr;			/* a by convention: call being served, -1 none; debug --stacks */
	uint64_t call_args[6];
	bool in_execve;			/* o */
	unsigned personality;		/* o: personality(2) */
};

extern _Thread_local struct task *current;	/* the task that this host thread serves, or NULL */

/* The address space of @t may be let go of: its size counts for getrusage(2). */
void task_note_rss(struct task *t);
/* Brings utime and stime of the calling task up to date. */
void task_update_times(struct task *t);
struct task *task_get(struct task *t);
void task_put(struct task *t);
struct tgroup *tgroup_get(struct tgroup *tg);
void tgroup_put(struct tgroup *tg);
struct pid_ns *pid_ns_get(struct pid_ns *ns);
void pid_ns_put(struct pid_ns *ns);

/* One lock for all links between tasks, groups, sessions, pids. */
struct tasklist { struct mutex lock; };
extern struct tasklist tasklist;
LOCK_OPS(tasklist, struct tasklist, lock)

/* Return references, or NULL.  task_lookup takes a tid, tgroup_lookup a tgid. */
struct task *task_lookup(struct pid_ns *ns, int tid);
struct tgroup *tgroup_lookup(struct pid_ns *ns, int tgid);
struct pgrp *pgrp_lookup(struct pid_ns *ns, int id);
struct pgrp *pgrp_get(struct pgrp *p);
void pgrp_put(struct pgrp *p);		/* takes lc_tasklist; NULL is fine */
void session_put(struct session *s);	/* so does this */
void cpus_online(uint64_t mask[2]);	/* every CPU that the guest sees */
/* Next task with tid >= @tid (reference), or NULL: /proc, kill(-1). */
struct task *task_next(struct pid_ns *ns, int tid);

/*
 * The only way to sleep.  Returns 0 (woken: look again), -ETIMEDOUT, or
 * -ERESTARTSYS when a signal, a stop, a freeze, exec or exit wants the thread.
 */
int task_block(struct task *t, int64_t deadline) MUST_CHECK;
/* Sleeps through signals; only the end of the task (-EINTR) gets it out. */
int task_block_killable(struct task *t, int64_t deadline) MUST_CHECK;
/* Something in t->work changed: gets @t out of guest code or out of its sleep. */
void task_kick(struct task *t, unsigned work);
/*
 * Returns once every other thread of @t's process (or of its container, with
 * @everyone) that was in guest code has left it: a full barrier for each.
 */
void task_block_init(void);		/* once, before the first task */
int task_barrier(struct task *t, bool everyone) MUST_CHECK;
/* A waiter that wakes the task's park. */
void waiter_init_task(struct waiter *w, struct task *t);

/* References to parts of another task (NULL when it has ended). */
struct mm *task_mm(struct task *t);
struct fdtable *task_fdtable(struct task *t);
struct fsctx *task_fsctx(struct task *t);

uint64_t task_rlimit(struct task *t, int resource);	/* the soft one */
void task_set_comm(struct task *t, const char *name);
/* ptrace_may_access: for /proc/PID and process_vm_readv.  0 or -EPERM. */
int task_may_access(struct task *t, struct task *target) MUST_CHECK;

struct clone_args_k {			/* what fork, vfork, clone and clone3 come down to */
	uint64_t flags;			/* CLONE_*, without the signal */
	uint64_t pidfd, child_tid, parent_tid;	/* guest addresses */
	int exit_signal;
	uint64_t stack, stack_size, tls;
	uint64_t set_tid, set_tid_size, cgroup;
};
long task_clone(struct task *t, const struct clone_args_k *a) MUST_CHECK;
/* execve(2).  @argv and @envp are guest arrays; consumes nothing. */
long task_exec(struct task *t, int dfd, const char *path, uaddr_t argv, uaddr_t envp, int flags) MUST_CHECK;
NORETURN void task_exit(struct task *t, int code);	/* this thread; wait(2) form */
NORETURN void task_exit_group(struct task *t, int code);
/* From anyone: the whole process dies with @sig as its status. */
void tgroup_kill(struct tgroup *tg, int sig);
/* The host thread's main loop (thread_start() function). */
void task_main(void *task);
