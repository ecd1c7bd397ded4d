/*
 * platform.h - how guest code runs: address spaces, contexts, switch.
 *
 * An aspace is one guest address space: a page table and whatever the platform
 * keeps to run code under it (a stub process, a KVM root).  A pctx is one guest
 * thread's place to run in an aspace (a stub thread, a vCPU).  A pctx
 * belongs to one host thread: only that thread calls pctx_* on it, except
 * pctx_kick(), which anyone may call.
 *
 * kernel/ changes the page table under mm_active held exclusively and then calls
 * aspace_sync() for the changed range before it lets go of the lock or of
 * any frame.  That is the whole memory contract: ptrace turns the difference
 * into one batch of host mmap/munmap/mprotect calls, KVM into a TLB flush.
 *
 * Field letters:  I  constant after init    o  owner thread only
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/lock.h"
#include "platform/ptable.h"
#include "platform/regs.h"

struct seccomp_rule;
struct pctx;

/* An address space.  kernel/mm embeds it in struct mm. */
struct aspace {
	struct rwlock active_lock;
	struct ptable pt GUARDED_BY(lc_mm_active);
	struct aspace_host *host;	/* I: the platform's part */
};
RWLOCK_OPS(mm_active, struct aspace, active_lock)

enum pevent_kind {
	PEV_SYSCALL,			/* number in regs->orig_rax, rip after the instruction, rax = -ENOSYS */
	PEV_FAULT,			/* a page fault at addr: perhaps ours to serve */
	PEV_EXCEPTION,			/* any other trap: sig, code, addr as Linux would report */
	PEV_KICKED,			/* someone called pctx_kick(), or it may have been so */
	PEV_DEAD,			/* the context was killed from outside: treat as SIGKILL */
};

#define PACC_READ	1
#define PACC_WRITE	2
#define PACC_EXEC	4

struct pevent {
	enum pevent_kind kind;
	int sig;			/* SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP */
	int code;			/* si_code: SEGV_MAPERR, TRAP_BRKPT, FPE_INTDIV... */
	uint64_t addr;			/* si_addr */
	unsigned access;		/* PACC_*: every kind that it may have been (ptrace cannot tell) */
	uint64_t trapno, error;		/* x86 vector and error code, for the signal frame */
};

/* What the kernel changed in the registers since the last pctx_switch(). */
enum regs_dirty { REGS_RAX_ONLY, REGS_ALL };

/*
 * Single-step one instruction (TF): PEV_EXCEPTION, SIGTRAP.  When it is a system call,
 * PEV_SYSCALL, and that was the step.
 */
#define SWITCH_STEP	1

struct platform_ops {
	const char *name;
	/* Can this host do it?  -errno and a sentence that says what is missing. */
	int (*probe)(struct err *e);
	/*
	 * A quick look before anything is made, where /proc can still be read:
	 * -EPERM and a sentence when the host forbids it.  NULL: it never does.
	 */
	int (*allowed)(struct err *e);
	/*
	 * Called once, single-threaded, after namespaces, uid and root have
	 * changed and before the sandbox's own seccomp filter.  @device: hfd of
	 * /dev/kvm or -1.
	 */
	int (*init)(int device, struct err *e);
	const struct seccomp_rule *rules;	/* what it needs of the sandbox's filter */

	/* An empty address space. pt is initialised by the caller first. */
	int (*aspace_new)(struct aspace *as);
	/*
	 * @as becomes a copy of @parent's host map (fork): the caller holds
	 * @parent's mm_active exclusively, has write-protected and synced it, and
	 * has copied the page table (software bits included) to @as.
	 * @self is the calling thread's context in @parent.
	 */
	int (*aspace_fork)(struct aspace *as, struct aspace *parent, struct pctx *self);
	/* No context is left in it.  Its page table is the caller's to free. */
	void (*aspace_free)(struct aspace *as);
	/*
	 * Makes what runs see the page table's [start, end): see above.  Never fails:
	 * what the host refuses is unmapped and left to fault in again.  @self: the calling
	 * thread's context, in any address space, or NULL; when it is not in @as, new
	 * pages may be left to faults too: only what must not stay is certain to go.
	 */
	void (*aspace_sync)(struct aspace *as, struct pctx *self, uint64_t start, uint64_t end);

	/*
	 * A place to run a new guest thread in @as.  @self as above; its FP state,
	 * and nothing else, is inherited when it is in @as or in @as's fork parent.
	 * The result is inert until its own host thread calls attach.
	 */
	int (*pctx_new)(struct aspace *as, struct pctx *self, struct pctx **out);
	int (*pctx_attach)(struct pctx *c);
	/*
	 * By its own thread (attached), or by anyone while it was never attached.  When it
	 * was the last, @as can only be freed: no new contexts, and syncs do nothing.
	 */
	void (*pctx_free)(struct pctx *c);
	/*
	 * Runs guest code from *@r until something happens, and stores the
	 * registers back.  @dirty: REGS_RAX_ONLY promises that nothing but rax
	 * differs from what the last switch returned.
	 */
	void (*pctx_switch)(struct pctx *c, struct regs *r, enum regs_dirty dirty,
		int flags, struct pevent *ev);
	/* The current or next pctx_switch() returns PEV_KICKED soon.  Any thread. */
	void (*pctx_kick)(struct pctx *c);
	/* The XSAVE area as the host lays it out (fp_size bytes, standard format). */
	int (*pctx_get_fp)(struct pctx *c, void *fp);
	int (*pctx_set_fp)(struct pctx *c, const void *fp);
	/* CPU time spent in guest code by this thread so far, ns (an estimate). */
	int64_t (*pctx_cpu_ns)(struct pctx *c);
	/* About to block / woke up: a hint for CPU pairing.  NULL: no-op. */
	void (*pctx_block)(struct pctx *c, bool enter);
};

extern const struct platform_ops *platform;	/* I: the one in use */
extern uint64_t platform_max_addr;	/* I after init: guest addresses are below it */
extern size_t platform_fp_size;		/* I after init: bytes of the XSAVE area */

/* "ptrace", "kvm"...; NULL when there is no such platform. */
const struct platform_ops *platform_find(const char *name);
/* All that are compiled in, for `help platforms`; NULL ends. */
const struct platform_ops *const *platform_list(void);
/* XSAVE size and layout of this CPU by CPUID (Intel SDM 1, chapter 13). */
size_t fp_area_size(void);
