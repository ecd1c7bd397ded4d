/*
 * ptable.h - page tables of a guest address space, in x86-64 format.
 *
 * Four levels of 512 entries in frames of the memory file.  kernel/mm fills
 * them, KVM loads them, ptrace mirrors them into the stub's host mappings.
 * The table is the truth about pages; a host mapping is a cache of it.
 *
 * Software bits:
 *	PTE_COW		write-protected only because the frame is shared: a write
 *			fault copies or takes the frame over
 *	PTE_HOST	the host maps something at this page for us (ptrace), maybe stale
 *	PTE_STALE	with PTE_HOST: what the host maps there is not this frame (mmap or
 *			munmap is due).  Without it the frame is right
 *	PTE_PROT	with PTE_HOST: the host's permission differs (mprotect is due)
 *	PTE_NONE	PROT_NONE with a frame kept: PTE_U is clear, so that user code may
 *			not touch it (a host mapping of it is PROT_NONE)
 * PTE_HOST, PTE_STALE and PTE_PROT belong to the platform: kernel/mm goes through ptable_set()
 * and ptable_clear(), which keep them true, and then calls aspace_sync().
 *
 * A not-present entry may carry PTE_HOST|PTE_STALE: a munmap is still due.
 *
 * Locking: all calls need the address space's mm_active lock, shared for
 * ptable_get() and walks, exclusive for changes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"
#include "platform/phys.h"

typedef uint64_t pte_t;

#define PTE_P		0x001ULL
#define PTE_W		0x002ULL
#define PTE_U		0x004ULL
#define PTE_A		0x020ULL
#define PTE_D		0x040ULL
#define PTE_COW		(1ULL << 9)
#define PTE_HOST	(1ULL << 10)
#define PTE_STALE	(1ULL << 11)
#define PTE_PROT	(1ULL << 52)
#define PTE_NONE	(1ULL << 53)
#define PTE_NX		(1ULL << 63)
#define PTE_ADDR	0x000ffffffffff000ULL
#define PTE_PERM	(PTE_W | PTE_NX | PTE_U | PTE_NONE)

struct ptable_alloc {			/* where table frames come from: kernel/mm/memfile.c */
	paddr_t (*alloc)(void);		/* a zeroed frame, or PADDR_NONE */
	void (*free)(paddr_t pa);
};

struct ptable {
	paddr_t root;
	const struct ptable_alloc *alloc;
	uint64_t npresent;		/* present leaf entries: RSS in pages */
	uint64_t ntables;		/* frames of the table itself */
};

int ptable_init(struct ptable *pt, const struct ptable_alloc *a) MUST_CHECK;
/* Every entry must have been cleared (PTE_HOST may remain: the host map dies with it). */
void ptable_fini(struct ptable *pt);

/* The entry of @va; 0 when its table is missing. */
pte_t ptable_get(const struct ptable *pt, uint64_t va);
/*
 * Makes @va map @pa with @bits (PTE_W, PTE_NX, PTE_COW, PTE_NONE; present, A, D and,
 * but for PTE_NONE, PTE_U are added), whatever was there: the caller has dealt with the old frame.
 * 0 or -ENOMEM.
 */
int ptable_set(struct ptable *pt, uint64_t va, paddr_t pa, pte_t bits) MUST_CHECK;
/* Returns the old entry (0: was not present); keeps the debt of a host unmapping. */
pte_t ptable_clear(struct ptable *pt, uint64_t va);
/* Changes permission and PTE_COW of a present entry; @bits as above. */
void ptable_protect(struct ptable *pt, uint64_t va, pte_t bits);

/*
 * Calls @fn on each entry in [start, end) that is not zero, in order, skipping
 * empty tables in one step.  @fn may change the entry through the functions above (at its own
 * address) or by *@pte.  Stops at the first non-zero return, and returns it.
 */
typedef int (*ptable_fn)(void *arg, uint64_t va, pte_t *pte);
int ptable_walk(struct ptable *pt, uint64_t start, uint64_t end, ptable_fn fn, void *arg);
/*
 * Copies the entries of [start, end) as they are, all software bits included, to
 * @to, which has none there (fork).  References are the caller's.  0 or -ENOMEM.
 */
int ptable_copy(struct ptable *to, struct ptable *from, uint64_t start, uint64_t end) MUST_CHECK;
/* Frees tables that hold no entry in [start, end). */
void ptable_prune(struct ptable *pt, uint64_t start, uint64_t end);
