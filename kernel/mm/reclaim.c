/*
 * reclaim.c - takes back frames that were mapped ahead and never touched.
 *
 * Such a frame is a hole of the memory file.  A guest thread may touch it at
 * any moment without our notice, so its entry is cleared and the platform told
 * before the hole is looked for again: what has become data goes back.
 * (Not mincore(2): that says no for a page that the host has swapped out.)
 */
#include <unistd.h>

#include "kernel/mm/fault.h"

#define BATCH 128

struct reclaim {
	struct mm *mm;
	uint64_t hole_end; /* of the hole that was found last: [hole_start,
			      hole_end) */
	uint64_t hole_start;
	uint64_t data_end; /* [hole_end, data_end) is data */
	unsigned n;
	struct {
		uint64_t va;
		pte_t pte;
	} e[BATCH];
	uint64_t freed;
};

/* Does the memory file hold nothing at @pa?  Remembers what it learns. */
static bool is_hole(struct reclaim *r, paddr_t pa)
{
	off_t off;

	if (pa >= r->hole_start && pa < r->data_end)
		return pa < r->hole_end;
	off = lseek(phys_memfd(), (off_t)pa, SEEK_DATA);
	r->hole_start = pa;
	r->hole_end = off < 0 ? pa + PAGE_SIZE : (uint64_t)off;
	r->data_end = r->hole_end + (r->hole_end == pa ? PAGE_SIZE : 0);
	return pa < r->hole_end;
}

static int collect(void *arg, uint64_t va, pte_t *pte)
{
	struct reclaim *r = arg;
	paddr_t pa = *pte & PTE_ADDR;

	if (!(*pte & PTE_P) || (*pte & PTE_COW) || phys_is_window(pa) ||
		frame_refs(pa) != 1 || !is_hole(r, pa))
		return 0;
	if (r->n == BATCH)
		return 1;
	r->e[r->n].va = va;
	r->e[r->n++].pte = *pte;
	ptable_clear(&r->mm->as.pt, va);
	return 0;
}

/* The entries are cleared and the platform knows: which are still holes? */
HOLDS(lc_mm_active)
static void settle(struct reclaim *r)
{
	r->hole_start = r->data_end = 0; /* look again */
	for (unsigned i = 0; i < r->n; i++) {
		paddr_t pa = r->e[i].pte & PTE_ADDR;

		if (is_hole(r, pa)) {
			frames_put(pa, 1);
			r->freed++;
		} else if (ptable_set(&r->mm->as.pt, r->e[i].va, pa,
				   r->e[i].pte & (PTE_W | PTE_NX | PTE_NONE)) <
			   0) {
			frames_put(pa, 1); /* cannot be: its table is there */
		}
	}
}

uint64_t reclaim_untouched(struct mm *mm)
{
	struct reclaim r = { .mm = mm };
	uint64_t at = 0;
	int more;

	do {
		r.n = 0;
		more = ptable_walk(
			&mm->as.pt, at, platform_max_addr, collect, &r);
		if (!r.n)
			break;
		at = r.e[r.n - 1].va + PAGE_SIZE;
		mm_sync(mm, r.e[0].va, at);
		settle(&r);
		mm_sync(mm, r.e[0].va, at);
	} while (more);
	return r.freed;
}
