/*
 * fault.h - page tables and what fills them; private to kernel/mm.
 */
#pragma once

#include "kernel/mm/vma.h"

/* PTE bits of a page of @v; @cow: its frame may be shared. */
pte_t vma_pte(const struct vma *v, bool cow);
/* aspace_sync() with the calling task's context. */
void mm_sync(struct mm *mm, uint64_t start, uint64_t end) HOLDS(lc_mm_active);
/* Takes the pages of [start, end) out of the page table and puts their frames. */
void mm_zap(struct mm *mm, uint64_t start, uint64_t end) EXCLUDES(lc_mm_active);
/* The same with the lock held. */
void mm_zap_locked(struct mm *mm, uint64_t start, uint64_t end) HOLDS(lc_mm_active);
/* Only pages of host files: they cannot be what they should (PROT_EXEC). */
void mm_zap_windows(struct mm *mm, uint64_t start, uint64_t end) HOLDS(lc_mm_active);

/* reclaim.c: frees private frames that nobody has touched; how many. */
uint64_t reclaim_untouched(struct mm *mm) HOLDS(lc_mm_active);

/*
 * oom.c: the calling task's fault found no memory.  -EAGAIN: another process was killed and has
 * ended; -ENOMEM: the caller's is killed, or was already.  No lock but lc_filepos is held.
 */
int oom_kill(void) MUST_CHECK;

#define FAULT_KERNEL	1		/* for a copy: the stub need not see it */
#define FAULT_FORCE	2		/* whatever the protection (ptrace) */
/*
 * Makes the page of @addr accessible.  0 (try again), -EFAULT (nothing there),
 * -EACCES, -EIO (SIGBUS), -ENOMEM.  @ahead: pages that will be wanted, 0: guess.
 */
int fault_in(struct mm *mm, uint64_t addr, unsigned access, unsigned flags, uint64_t ahead) MUST_CHECK;
/* Eager mapping of a new private anonymous @v, as far as it is cheap. */
void fault_eager(struct mm *mm, struct vma *v) HOLDS(lc_mm_map);
/* Faults in [start, end), like mlock(2) and MAP_POPULATE: as the vma allows.  0 or as fault_in. */
int fault_range(struct mm *mm, uint64_t start, uint64_t end, bool write);
/* The calling task is being killed: give up what takes long. */
bool mm_interrupted(void);
/* Grows the stack above @addr down to it.  0 or -EFAULT. */
int stack_grow(struct mm *mm, uint64_t addr) MUST_CHECK;

/* mm.c, for fork.c: an empty one without a host half; and its end. */
int mm_alloc(struct mm **out) MUST_CHECK;
void mm_free(struct mm *mm);
void mm_drop_vmas(struct mm *mm, struct list *dead);
void mm_put_pages(struct mm *mm);	/* no context is left, no mapping knows it */

/* fork.c: pages that a family of processes writes right after fork; NULL is fine. */
struct hotset *hotset_new(void);
struct hotset *hotset_get(struct hotset *h);
void hotset_put(struct hotset *h);
void hotset_note(struct hotset *h, uint64_t start, uint64_t end);

/* mmap.c: detaches [start, end) and frees its pages; vmas go to @dead. */
int unmap_range(struct mm *mm, uint64_t start, uint64_t end, struct list *dead) MUST_CHECK HOLDS(lc_mm_map);
/* May @pages more be mapped (RLIMIT_AS, RLIMIT_DATA)?  0 or -ENOMEM. */
int may_expand(struct mm *mm, int prot, unsigned flags, uint64_t pages) MUST_CHECK HOLDS_SHARED(lc_mm_map);
/* RLIMIT_MEMLOCK: 0, or -EAGAIN. */
int may_lock(struct mm *mm, uint64_t pages) MUST_CHECK HOLDS_SHARED(lc_mm_map);
bool may_lock_any(struct mm *mm);	/* else EPERM */

/*
 * mapping.c: up to @n frames in a row from @index on, each with a reference.
 * @how: FRAMES_*.  -ENOENT: absent, and not to be made; *@got pages are (at most @n).
 */
#define FRAMES_WRITE	1		/* they will be dirty */
#define FRAMES_MAKE	2		/* read or make the first page if it is absent */
int mapping_frames(struct mapping *m, uint64_t index, uint64_t n, unsigned how, paddr_t *pa, uint64_t *got) MUST_CHECK;
/* window.c: the same for the window kind. */
int host_frames(struct mapping *m, uint64_t index, uint64_t n, paddr_t *pa, uint64_t *got) MUST_CHECK;
void host_fini(struct mapping *m);
bool host_writable(const struct mapping *m);	/* a window kind: through this descriptor */
bool host_noexec(const struct mapping *m);	/* the host refuses PROT_EXEC: pages are copied */
