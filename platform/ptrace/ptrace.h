/*
 * ptrace.h - the ptrace platform's own types.
 *
 * One stub process per address space, one stub thread per context; see README.md
 * and "Theory of operation" in process.c.
 *
 * Field letters:  I  constant once made    a  atomic    o  the context's own thread
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/list.h"
#include "platform/platform.h"
#include "platform/ptrace/stub.h"

/* A signal that means "look at the kernel": ignored by stubs, seen by tracers. */
#define KICK_SIGNAL SIGUSR1

struct aspace_host {			/* a stub process */
	struct mutex lock;
	pid_t pid;			/* I: its leader */
	unsigned page;			/* I: its page of the list file */
	struct stub_call *list;		/* I: the same, as we see it; written under mm_active exclusive */
	bool listed;			/* the list page was written; guarded as it is */
	pid_t spare GUARDED_BY(lc_stubs);	/* a thread that no context owns yet; 0 */
	int ncontexts GUARDED_BY(lc_stubs);
	bool booted GUARDED_BY(lc_stubs);	/* stub_boot has run */
	bool reaped GUARDED_BY(lc_stubs);	/* nothing is left to wait for */
	bool parked GUARDED_BY(lc_stubs);	/* emptied: aspace_free gives it to the pool */
	bool used GUARDED_BY(lc_stubs);		/* its leader has some guest's FP state */
	int64_t cpu_base;		/* I while in use: CPU time of its former life */
	atomic_bool killed;		/* a: by us, or found dead */
	atomic_llong wall;		/* a: ns that all its threads spent in guest code */
	_Atomic double cpu_share;	/* a: CPU time a unit of wall, when it was last asked for */
	atomic_llong share_until;	/* a: when to ask again */
	struct list link;		/* in the pool: lc_stubpool */
};
LOCK_OPS(stubs, struct aspace_host, lock)

struct pair {				/* see pair.c */
	atomic_int state;		/* a: where both threads are pinned, and whether blocked; -1: free */
	int shorts;			/* o: short runs in a row */
	int pulls;			/* o: wake-ups in a row that came from another CPU */
	int64_t not_before;		/* o: no pinning until then */
	pid_t tracer;			/* I after attach */
	struct list link;		/* lc_pairs */
};

struct pctx {				/* a stub thread */
	struct aspace *as;		/* I */
	struct aspace_host *stub;	/* I */
	pid_t tid;			/* I */
	atomic_bool kicked;		/* a: see pctx_kick in switch.c */
	atomic_bool running;		/* a */
	bool attached;			/* o */
	bool dead;			/* o: reaped */
	bool clobbered;			/* o: its registers are not the guest's */
	bool plain;			/* o: ours can run with its flags and segments */
	atomic_llong since;		/* a: when the present run began; 0: none */
	atomic_llong wall;		/* a: ns in guest code so far */
	atomic_llong cpu_seen;		/* a: the most that pctx_cpu_ns() ever said */
	struct pair pair;
};

extern const struct platform_ops ptrace_ops;

/* tracee.c: 0 or -errno; -ECHILD: it is dead and reaped, -ESRCH: it is dying. */
enum tracee_kind {
	TRACEE_THREAD,
	TRACEE_LEADER,			/* of a process without contexts */
	TRACEE_CROWDED_LEADER,		/* of one with: see leader_wait() */
};
long pt(int request, pid_t tid, uint64_t addr, uint64_t data);
int tracee_seize(pid_t tid, enum tracee_kind kind) MUST_CHECK;
int tracee_wait(pid_t tid, int *status) MUST_CHECK;
/*
 * Runs a routine of stub.S (@r from stub_regs()) in a stopped tracee up to its
 * int3, and stores the registers back.  A kick on the way sets *@kicked.
 */
int tracee_run(pid_t tid, enum tracee_kind kind, struct regs *r, atomic_bool *kicked) MUST_CHECK;
/*
 * Runs stub_batch (@r as above) until r12 is @last or a call has failed.  @plain:
 * nothing but rip need be set.
 */
int tracee_batch(pid_t tid, enum tracee_kind kind, bool plain, uint64_t last, struct regs *r,
	atomic_bool *kicked) MUST_CHECK;
struct regs stub_regs(const char *routine);

/* process.c */
int processes_init(int list_hfd, struct err *e) MUST_CHECK;
/* Takes @pid and its list page over; NULL: out of memory, and @pid is killed. */
struct aspace_host *process_new(pid_t pid, unsigned page);
/* All of its threads must have been reaped by their tracers. */
void kill_and_reap(pid_t pid);
void process_set_master(struct aspace_host *master);
int list_page_alloc(unsigned *page) MUST_CHECK;
struct stub_call *list_page_ptr(unsigned page);
/* Runs one routine in the leader: seize, run, let go. */
int leader_run(struct aspace_host *s, struct regs *r) MUST_CHECK EXCLUDES(lc_stubs);
/* A new thread of @s, made by @self where it is one of its threads; 0 or -errno. */
int process_thread(struct aspace_host *s, struct pctx *self, pid_t *tid) MUST_CHECK EXCLUDES(lc_stubs);
/*
 * Count the contexts of @s.  When the last one leaves, the process is of no more
 * use: it is emptied and kept (@c's thread too) where the pool has room, else
 * killed, which is cheaper than ending the thread first.
 */
void process_enter(struct aspace_host *s) EXCLUDES(lc_stubs);
enum leave { LEFT_OTHERS, LEFT_KILLED, LEFT_PARKED };
enum leave process_leave(struct aspace_host *s, struct pctx *c) EXCLUDES(lc_stubs);
int64_t process_cpu_ns(const struct aspace_host *s);
/* As leader_run(), but through @self where it is a thread of @s, else through the leader. */
/* Makes the first @n calls of the list page; *@done, *@failed as in run_calls() of sync.c. */
int stub_calls(struct aspace_host *s, struct pctx *self, unsigned n, unsigned *done, int *failed)
	MUST_CHECK EXCLUDES(lc_stubs);
int stub_run(struct aspace_host *s, struct pctx *self, struct regs *r) MUST_CHECK EXCLUDES(lc_stubs);
int ptrace_aspace_new(struct aspace *as);
int ptrace_aspace_fork(struct aspace *as, struct aspace *parent, struct pctx *self);
void ptrace_aspace_free(struct aspace *as);

/* context.c */
int ptrace_pctx_new(struct aspace *as, struct pctx *self, struct pctx **out);
int ptrace_pctx_attach(struct pctx *c);
void ptrace_pctx_free(struct pctx *c);
int ptrace_pctx_get_fp(struct pctx *c, void *fp);
int ptrace_pctx_set_fp(struct pctx *c, const void *fp);
int clean_fp_init(void) MUST_CHECK;
int tracee_reset_fp(pid_t tid) MUST_CHECK;
int64_t ptrace_pctx_cpu_ns(struct pctx *c);

/* sync.c */
void ptrace_aspace_sync(struct aspace *as, struct pctx *self, uint64_t start, uint64_t end);

/* switch.c */
void ptrace_pctx_switch(struct pctx *c, struct regs *r, enum regs_dirty dirty, int flags,
	struct pevent *ev);
void ptrace_pctx_kick(struct pctx *c);

/* master.c */
int ptrace_probe(struct err *e);
int ptrace_allowed(struct err *e);
int ptrace_init(int device, struct err *e);

/* pair.c */
void pairs_init(void);
void pair_attach(struct pctx *c);	/* by its own thread, tracee stopped */
void pair_detach(struct pctx *c);
void pair_here(pid_t pid);
void pair_ran(struct pctx *c, int64_t now, int64_t ns);
void ptrace_pctx_block(struct pctx *c, bool enter);
