/*
 * mm.h - address spaces of guest processes.
 *
 * The vma tree says what the guest mapped, the page table (platform/ptable) what
 * is there now.  mm_map (shared for faults, exclusive for changes) guards the
 * first, mm_active the second; see DESIGN "Memory": frames are taken with a reference
 * first, then installed under mm_active, and nothing is freed before
 * aspace_sync() has run.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/lock.h"
#include "core/rbtree.h"
#include "core/ref.h"
#include "core/uaddr.h"
#include "kernel/mm/frames.h"
#include "platform/platform.h"

struct file;
struct hotset;
struct mapping;
struct seccomp_rule;
struct strbuf;
struct task;
struct uio_seg;
struct vma;

struct mm {
	struct aspace as;
	struct ref ref;			/* tasks, and others who look inside */
	struct rwlock map_lock;
	struct rb_tree vmas GUARDED_BY(lc_mm_map);
	uint64_t mmap_base GUARDED_BY(lc_mm_map);	/* top of the mmap area */
	uint64_t brk_start, brk GUARDED_BY(lc_mm_map);
	uint64_t stack_top GUARDED_BY(lc_mm_map);
	uint64_t total_pages, locked_pages, data_pages, stack_pages, exec_pages, shared_pages GUARDED_BY(lc_mm_map);
	int nvmas GUARDED_BY(lc_mm_map);
	int def_flags GUARDED_BY(lc_mm_map);		/* mlockall(MCL_FUTURE) */
	struct file *exe GUARDED_BY(lc_mm_map);		/* reference: /proc/PID/exe */
	uint64_t code_start, code_end, data_start, data_end GUARDED_BY(lc_mm_map);
	uint64_t arg_start, arg_end, env_start, env_end GUARDED_BY(lc_mm_map);	/* prctl(PR_SET_MM) may move them */
	uint64_t auxv[2 * 24];		/* I after exec: /proc/PID/auxv */
	uint64_t vdso;			/* I after exec: base of the vDSO */
	bool fixed_layout;		/* I after exec: ADDR_NO_RANDOMIZE */
	atomic_uint sync_seq;		/* a: the platform was told of a change */
	atomic_ulong max_rss;		/* a: pages, high-water mark */
	atomic_int dumpable;		/* a: PR_SET_DUMPABLE */
	atomic_uint dump_filter;	/* a: /proc/PID/coredump_filter: kept and shown */
	struct frame_slots slots GUARDED_BY(lc_mm_active);	/* where anonymous pages come from */
	struct hotset *hot;		/* I: reference, or NULL: what is written after fork (fork.c) */
	uint64_t rlimit_as, rlimit_data, rlimit_memlock, rlimit_stack;	/* a copy set by setrlimit and exec; relaxed */
};
RWLOCK_OPS(mm_map, struct mm, map_lock)

/* Empty, one reference; stack_top and mmap_base are chosen at random, limits are the defaults. */
int mm_create(struct mm **out) MUST_CHECK;
/* The copy-on-write copy for fork(2).  Called by the parent's own task. */
int mm_fork(struct task *t, struct mm **out) MUST_CHECK;
struct mm *mm_get(struct mm *mm);
/* The last one unmaps all and frees the address space: no context may be left in it. */
void mm_put(struct mm *mm);

struct mmap_req {
	uint64_t addr, len;		/* len > 0; addr page-aligned with MAP_FIXED */
	int prot, flags;		/* PROT_*, MAP_* as in mmap(2) */
	struct file *file;		/* borrowed; NULL: anonymous, or @mapping */
	struct mapping *mapping;	/* borrowed; overrides file's (vDSO, SysV shm) */
	uint64_t off;			/* bytes, page-aligned */
	const char *name;		/* "[vdso]"..., static; NULL */
};
/* The address, or -errno as mmap(2). */
int64_t mm_mmap(struct mm *mm, const struct mmap_req *r) MUST_CHECK;
int mm_munmap(struct mm *mm, uint64_t addr, uint64_t len) MUST_CHECK;
int mm_mprotect(struct mm *mm, uint64_t addr, uint64_t len, int prot) MUST_CHECK;
int64_t mm_mremap(struct mm *mm, uint64_t old, uint64_t oldlen, uint64_t newlen, int flags, uint64_t to) MUST_CHECK;
uint64_t mm_brk(struct mm *mm, uint64_t to);	/* the new break, or the old one */
int mm_madvise(struct mm *mm, uint64_t addr, uint64_t len, int advice) MUST_CHECK;
int mm_msync(struct mm *mm, uint64_t addr, uint64_t len, int flags) MUST_CHECK;
/* One byte a page for the @n pages from @addr on. */
int mm_mincore(struct mm *mm, uint64_t addr, unsigned char *vec, size_t n) MUST_CHECK;
int mm_mlock(struct mm *mm, uint64_t addr, uint64_t len, bool onfault) MUST_CHECK;
int mm_munlock(struct mm *mm, uint64_t addr, uint64_t len) MUST_CHECK;
int mm_mlockall(struct mm *mm, int flags) MUST_CHECK;
void mm_munlockall(struct mm *mm);
int mm_remap_pages(struct mm *mm, uint64_t start, uint64_t len, uint64_t off) MUST_CHECK;
/* Copies between two address spaces: the bytes moved, or -errno when none were. */
ssize_t mm_transfer(struct mm *dst, const struct uio_seg *dseg, size_t ndst,
	struct mm *src, const struct uio_seg *sseg, size_t nsrc) MUST_CHECK;
/* exec: the program, which nobody may write to while it runs: 0, or -ETXTBSY.  @mm has none yet. */
int mm_set_exe(struct mm *mm, struct file *f) MUST_CHECK;
/* exec: where the program's break and stack are. */
void mm_set_brk(struct mm *mm, uint64_t start);		/* a random gap is added */
/* Chooses stack_top and mmap_base anew, for the limits as they are now. */
void mm_layout(struct mm *mm, bool fixed);
uint64_t mm_random(struct mm *mm, uint64_t n);		/* whole pages below @n; 0 in a fixed layout */
/* @size: of the first mapping; it grows down to RLIMIT_STACK (set before).  *@top: where it ends. */
int mm_map_stack(struct mm *mm, uint64_t size, bool exec, uint64_t *top) MUST_CHECK;

/*
 * A page fault at @addr of a kind in @access (PACC_*).  0: try again.  Else the
 * signal to deliver is in *@si (SIGSEGV MAPERR/ACCERR, SIGBUS ADRERR).
 */
int mm_fault(struct mm *mm, uint64_t addr, unsigned access, siginfo_t *si) MUST_CHECK;

/*
 * Guest memory.  The forms without "nofault" may fault pages in, so no lock may
 * be held; all return 0 or -EFAULT, having copied a prefix at most.
 */
int copyin(struct task *t, void *dst, uaddr_t src, size_t n) MUST_CHECK;
int copyout(struct task *t, uaddr_t dst, const void *src, size_t n) MUST_CHECK;
/* A NUL-terminated string: its length, -EFAULT, or -ENAMETOOLONG when @n bytes hold no NUL. */
ssize_t copyinstr(struct task *t, char *dst, uaddr_t src, size_t n) MUST_CHECK;
/* A path name, malloc'ed (PATH_MAX rules: -ENOENT is left to the walk for ""). */
int copyin_path(struct task *t, uaddr_t src, char **out) MUST_CHECK;
/* A structure of @given bytes into @size: those beyond must be zero (-E2BIG), missing ones are. */
int copyin_struct(struct task *t, void *dst, size_t size, uaddr_t src, size_t given) MUST_CHECK;
int clear_user(struct task *t, uaddr_t dst, size_t n) MUST_CHECK;
int mm_copyin(struct mm *mm, void *dst, uint64_t src, size_t n) MUST_CHECK;
int mm_copyout(struct mm *mm, uint64_t dst, const void *src, size_t n) MUST_CHECK;
/* Ignores protection, as ptrace(2) and /proc/PID/mem do. */
ssize_t mm_peek(struct mm *mm, uint64_t addr, void *buf, size_t n);
ssize_t mm_poke(struct mm *mm, uint64_t addr, const void *buf, size_t n);
extern const struct uio_ops uio_user;	/* space: struct mm */

/*
 * One aligned 32-bit word, atomically; for futexes.  0 or -EFAULT.  The try forms
 * never fault (a missing page, or one not writable for cmpxchg, is -EFAULT): they
 * may be called under lc_fbucket.
 */
int user_load32(struct mm *mm, uint64_t addr, uint32_t *v) MUST_CHECK;
int user_cmpxchg32(struct mm *mm, uint64_t addr, uint32_t old, uint32_t new, uint32_t *prev) MUST_CHECK;
int user_try_load32(struct mm *mm, uint64_t addr, uint32_t *v) MUST_CHECK;
int user_try_cmpxchg32(struct mm *mm, uint64_t addr, uint32_t old, uint32_t new, uint32_t *prev) MUST_CHECK;
/* The frame of a word, with a reference. */
int user_pin(struct mm *mm, uint64_t addr, bool write, paddr_t *pa) MUST_CHECK;
/*
 * The key of a futex that other processes may share: when @addr lies in a shared
 * mapping, 1 and the word's physical address with a reference on its frame
 * (frame_put(*pa & PAGE_MASK)); 0 when it is private memory; or -EFAULT.
 */
int user_futex_key(struct mm *mm, uint64_t addr, paddr_t *pa) MUST_CHECK;

/* iovec array of the guest: checked as readv(2), at most IOV_MAX.  Caller frees *@seg. */
int copyin_iovec(struct task *t, uaddr_t iov, int n, struct uio_seg **seg, size_t *total) MUST_CHECK;

/* For /proc: calls @fn on each vma in order, under mm_map shared. */
struct vma_info {
	uint64_t start, end, off, dev, ino;
	int prot;
	bool shared, grows_down, locked;
	unsigned flags;
	struct file *file;		/* borrowed during the call */
	const char *name;
	struct mapping *mapping;	/* borrowed during the call */
	uint64_t rss, anon, hosted, dirty;	/* pages, filled only when @count; hosted: in files of the host */
};
int mm_for_each_vma(struct mm *mm, uint64_t from, bool count,
	int (*fn)(void *arg, const struct vma_info *v), void *arg);
uint64_t mm_rss(struct mm *mm);		/* pages */
struct mm_resident { uint64_t anon, file, shmem; };	/* pages */
struct mm_resident mm_resident(struct mm *mm);		/* walks all of it */
/* Words of /proc/PID/pagemap for the @n pages from @start on. */
void mm_pagemap(struct mm *mm, uint64_t start, uint64_t *word, size_t n);
uint64_t mm_peak_rss(struct mm *mm);	/* the most that there ever were */

/* Memory of the sandbox. */
int memfile_init(uint64_t limit_bytes) MUST_CHECK;	/* after phys_init() */
uint64_t memfile_used(void);		/* bytes charged */
uint64_t memfile_limit(void);
/* What the host spends for us elsewhere: only counted, never refused.  Negative: gives back. */
void memfile_charge_own(int frames);
void memfile_set_limit(uint64_t bytes);	/* at any time; below what is used: nothing more is granted */
/* One zeroed frame with one reference, or PADDR_NONE. */
paddr_t frame_alloc(void);
/* @n frames in a row (a power of two up to 512), each with one reference; may give fewer: *@got. */
paddr_t frame_alloc_run(unsigned n, unsigned *got);
void frame_get(paddr_t pa);		/* windows too */
void frame_put(paddr_t pa);
unsigned frame_refs(paddr_t pa);

extern const struct seccomp_rule *const mm_rules;	/* host calls of kernel/mm */
