/*
 * ptable.c - page tables of a guest address space, in x86-64 format.
 *
 * Level 3 is the root, level 0 holds the leaves.  A table exists while it was
 * needed once; ptable_prune() takes empty ones back.
 */
#include "platform/ptable.h"

#include <errno.h>

#include "core/log.h"

#define ENTRIES   512
#define TOP       3
#define VA_END    (1ULL << 47)
#define PTE_TABLE (PTE_P | PTE_W | PTE_U | PTE_A)
#define PTE_DEBTS (PTE_HOST | PTE_STALE | PTE_PROT)

static unsigned pt_shift(int level)
{
	return PAGE_SHIFT + 9 * (unsigned)level;
}

static unsigned pt_index(uint64_t va, int level)
{
	return (va >> pt_shift(level)) % ENTRIES;
}

static pte_t *pt_table(pte_t e)
{
	return phys_ptr(e & PTE_ADDR);
}

static paddr_t pt_alloc(struct ptable *pt)
{
	paddr_t pa = pt->alloc->alloc();

	if (pa != PADDR_NONE)
		pt->ntables++;
	return pa;
}

int ptable_init(struct ptable *pt, const struct ptable_alloc *a)
{
	*pt = (struct ptable){ .alloc = a };
	pt->root = pt_alloc(pt);
	return pt->root == PADDR_NONE ? -ENOMEM : 0;
}

static void pt_free(struct ptable *pt, paddr_t pa, int level)
{
	pte_t *t = phys_ptr(pa);

	for (int i = 0; level > 0 && i < ENTRIES; i++)
		if (t[i])
			pt_free(pt, t[i] & PTE_ADDR, level - 1);
	pt->alloc->free(pa);
	pt->ntables--;
}

void ptable_fini(struct ptable *pt)
{
	if (pt->root == PADDR_NONE)
		return;
	bug_on(pt->npresent != 0);
	pt_free(pt, pt->root, TOP);
	pt->root = PADDR_NONE;
}

/* The leaf entry of @va, or NULL. */
static pte_t *pt_leaf(const struct ptable *pt, uint64_t va)
{
	pte_t *t = phys_ptr(pt->root);

	if (va >= VA_END)
		return NULL;
	for (int level = TOP; level > 0; level--) {
		pte_t e = t[pt_index(va, level)];

		if (!e)
			return NULL;
		t = pt_table(e);
	}
	return &t[pt_index(va, 0)];
}

/* The same, making the tables on the way. */
static pte_t *pt_leaf_make(struct ptable *pt, uint64_t va)
{
	pte_t *t = phys_ptr(pt->root);

	bug_on(va >= VA_END);
	for (int level = TOP; level > 0; level--) {
		pte_t *e = &t[pt_index(va, level)];

		if (!*e) {
			paddr_t pa = pt_alloc(pt);

			if (pa == PADDR_NONE)
				return NULL;
			*e = pa | PTE_TABLE;
		}
		t = pt_table(*e);
	}
	return &t[pt_index(va, 0)];
}

pte_t ptable_get(const struct ptable *pt, uint64_t va)
{
	pte_t *p = pt_leaf(pt, va);

	return p ? *p : 0;
}

static pte_t pt_leaf_bits(pte_t bits)
{
	bits &= PTE_W | PTE_NX | PTE_COW | PTE_NONE;
	return bits | PTE_P | PTE_A | PTE_D | (bits & PTE_NONE ? 0 : PTE_U);
}

/* What the host owes when @old is replaced by the present entry @new. */
static pte_t pt_debts(pte_t old, pte_t new)
{
	if (!(old & PTE_HOST))
		return 0;
	if ((old & PTE_STALE) || !(old & PTE_P) || ((old ^ new) & PTE_ADDR))
		return PTE_HOST | PTE_STALE;
	return PTE_HOST | (old & PTE_PROT) |
	       ((old ^ new) & PTE_PERM ? PTE_PROT : 0);
}

int ptable_set(struct ptable *pt, uint64_t va, paddr_t pa, pte_t bits)
{
	pte_t new = (pa & PTE_ADDR) | pt_leaf_bits(bits);
	pte_t *p = pt_leaf_make(pt, va);

	if (!p)
		return -ENOMEM;
	if (!(*p & PTE_P))
		pt->npresent++;
	*p = new | pt_debts(*p, new);
	return 0;
}

pte_t ptable_clear(struct ptable *pt, uint64_t va)
{
	pte_t *p = pt_leaf(pt, va);
	pte_t old = p ? *p : 0;

	if (!(old & PTE_P))
		return 0;
	pt->npresent--;
	*p = old & PTE_HOST ? PTE_HOST | PTE_STALE : 0;
	return old;
}

void ptable_protect(struct ptable *pt, uint64_t va, pte_t bits)
{
	pte_t *p = pt_leaf(pt, va);
	pte_t new;

	if (!p || !(*p & PTE_P))
		return;
	new = (*p & PTE_ADDR) | pt_leaf_bits(bits);
	*p = new | pt_debts(*p, new);
}

struct walk {
	uint64_t start, end;
	ptable_fn fn;
	void *arg;
};

static int pt_walk(const struct walk *w, pte_t *t, uint64_t base, int level)
{
	uint64_t size = 1ULL << pt_shift(level);
	uint64_t va = MAX(base, w->start & ~(size - 1));
	uint64_t end = MIN(base + size * ENTRIES, w->end);
	int ret = 0;

	for (; !ret && va < end; va += size) {
		pte_t *e = &t[pt_index(va, level)];

		if (!*e)
			continue;
		ret = level ? pt_walk(w, pt_table(*e), va, level - 1)
			    : w->fn(w->arg, va, e);
	}
	return ret;
}

int ptable_walk(struct ptable *pt, uint64_t start, uint64_t end, ptable_fn fn,
	void *arg)
{
	struct walk w = { start, MIN(end, VA_END), fn, arg };

	return pt_walk(&w, phys_ptr(pt->root), 0, TOP);
}

static int pt_copy_one(void *arg, uint64_t va, pte_t *pte)
{
	struct ptable *to = arg;
	pte_t *p = pt_leaf_make(to, va);

	if (!p)
		return -ENOMEM;
	if (*pte & PTE_P)
		to->npresent++;
	*p = *pte;
	return 0;
}

int ptable_copy(
	struct ptable *to, struct ptable *from, uint64_t start, uint64_t end)
{
	return ptable_walk(from, start, end, pt_copy_one, to);
}

/* Returns whether the table is empty afterwards. */
static bool pt_prune(struct ptable *pt, const struct walk *w, pte_t *t,
	uint64_t base, int level)
{
	uint64_t size = 1ULL << pt_shift(level);
	uint64_t va = MAX(base, w->start & ~(size - 1));
	uint64_t end = MIN(base + size * ENTRIES, w->end);

	for (; level && va < end; va += size) {
		pte_t *e = &t[pt_index(va, level)];

		if (!*e || !pt_prune(pt, w, pt_table(*e), va, level - 1))
			continue;
		pt->alloc->free(*e & PTE_ADDR);
		pt->ntables--;
		*e = 0;
	}
	for (int i = 0; i < ENTRIES; i++)
		if (t[i])
			return false;
	return true;
}

void ptable_prune(struct ptable *pt, uint64_t start, uint64_t end)
{
	struct walk w = { .start = start, .end = MIN(end, VA_END) };

	(void)pt_prune(pt, &w, phys_ptr(pt->root), 0, TOP);
}
