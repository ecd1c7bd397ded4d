/*
 * fork.c - the copy of an address space for fork(2).
 *
 * It is made in this order: the regions, each hung on its mapping behind the
 * parent's, so that a truncate sees the parent first; then, with both page
 * tables locked, the entries.  Private ones lose PTE_W and gain PTE_COW in the
 * parent, and one sync tells the platform, before the child's table and host
 * map are made.
 *
 * Pages that are written right after each fork (stack, allocator, stdio) would
 * cost both sides a fault.  A set shared by a family of processes remembers
 * where copies were broken.  At fork such a page is not write-protected: the
 * child keeps the frame, writable, and the parent gets a copy, mapped once the
 * child's host map has been cloned.  Only where nobody but the caller can run
 * in the parent, as what is written in between would be lost.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/mm/fault.h"
#include "kernel/mm/frames.h"
#include "kernel/task/task.h"
#include "kernel/vfs/file.h"

#define HOT_SLOTS 8
#define HOT_MAX   64 /* pages copied at one fork */
#define BLOCK     (16 * PAGE_SIZE)
#define SMALL_MM  2048 /* pages present */

/* --- the set */

/* Each slot: a block of 64 KiB and a bit for each of its pages; 0: free. */
struct hotset {
	struct ref ref;
	atomic_ulong slot[HOT_SLOTS]; /* a */
	atomic_uint forks;            /* a: says when to forget which slot */
};

struct hotset *hotset_new(void)
{
	struct hotset *h = calloc(1, sizeof *h);

	if (h)
		ref_init(&h->ref);
	return h;
}

struct hotset *hotset_get(struct hotset *h)
{
	if (h)
		ref_get(&h->ref);
	return h;
}

void hotset_put(struct hotset *h)
{
	if (h && ref_put(&h->ref))
		free(h);
}

void hotset_note(struct hotset *h, uint64_t start, uint64_t end)
{
	uint64_t block = ALIGN_DOWN(start, BLOCK), bits = 0, old;
	atomic_ulong *s;

	if (!h)
		return;
	for (; start < end && start < block + BLOCK; start += PAGE_SIZE)
		bits |= 1ULL << ((start - block) >> PAGE_SHIFT);
	s = &h->slot[(block >> 16) * 0x9e3779b97f4a7c15ULL >> 61];
	old = atomic_load(s);
	/* A race loses a hint at most. */
	if (ALIGN_DOWN(old, BLOCK) == block)
		bits |= old;
	atomic_store(s, block | bits);
}

/* --- hot pages at fork */

struct hot {
	unsigned n, next; /* next: of a walk in order of address */
	struct {
		uint64_t va;
		paddr_t copy;
		pte_t pte;
	} page[HOT_MAX];
};

/* Is @va one of them?  Asked in order of address. */
static bool is_hot(struct hot *h, uint64_t va)
{
	while (h->next < h->n && h->page[h->next].va < va)
		h->next++;
	return h->next < h->n && h->page[h->next].va == va;
}

/* Own, private and writable: what the child may keep as it is. */
HOLDS_SHARED(lc_mm_map)
HOLDS(lc_mm_active)
static bool may_be_hot(struct mm *mm, uint64_t va, pte_t *pte)
{
	struct vma *v;

	*pte = ptable_get(&mm->as.pt, va);
	if (!(*pte & PTE_P) || !(*pte & PTE_W) || (*pte & PTE_COW) ||
		phys_is_window(*pte & PTE_ADDR) ||
		frame_refs(*pte & PTE_ADDR) != 1)
		return false;
	v = vma_find(mm, va);
	return v && v->start <= va && vma_is_cow(v) &&
	       !(v->flags & (VM_DONTFORK | VM_WIPEONFORK));
}

HOLDS(lc_mm_active)
static void copy_hot(struct mm *mm, struct hot *h, uint64_t va, pte_t pte)
{
	paddr_t copy;

	if (!frames_alloc_slot(&mm->slots, va, 1, false, &copy))
		return;
	memcpy(phys_ptr(copy), phys_ptr(pte & PTE_ADDR), PAGE_SIZE);
	h->page[h->n].va = va;
	h->page[h->n].copy = copy;
	h->page[h->n++].pte = pte;
}

static int by_address(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Copies the pages that will be written at once anyhow. */
HOLDS_SHARED(lc_mm_map)
HOLDS(lc_mm_active)
static void hot_begin(struct mm *mm, struct hot *h)
{
	uint64_t slot[HOT_SLOTS];
	unsigned turn;
	pte_t pte;

	h->n = h->next = 0;
	if (!mm->hot || atomic_load(&mm->ref.n) != 1 || memfile_tight())
		return;
	/* What is hot no more must not be copied for ever. */
	turn = atomic_fetch_add(&mm->hot->forks, 1);
	if (turn % 8 == 7)
		atomic_store(&mm->hot->slot[turn / 8 % HOT_SLOTS], 0);
	for (int i = 0; i < HOT_SLOTS; i++)
		slot[i] = atomic_load(&mm->hot->slot[i]);
	qsort(slot, HOT_SLOTS, sizeof slot[0], by_address);
	for (int i = 0; i < HOT_SLOTS; i++)
		for (unsigned k = 0; k < 16 && h->n < HOT_MAX; k++) {
			uint64_t va =
				ALIGN_DOWN(slot[i], BLOCK) + k * PAGE_SIZE;

			if ((slot[i] >> k & 1) && may_be_hot(mm, va, &pte))
				copy_hot(mm, h, va, pte);
		}
}

/* The child has its map: the parent goes on with the copies. */
HOLDS(lc_mm_active)
static void hot_end(struct mm *mm, struct hot *h)
{
	for (unsigned i = 0; i < h->n; i++) /* the tables are there */
		if (ptable_set(&mm->as.pt, h->page[i].va, h->page[i].copy,
			    h->page[i].pte & (PTE_W | PTE_NX)) < 0)
			frames_put(h->page[i].copy, 1);
	/* A sync walks its range: one for all only where little lies between.
	 */
	for (unsigned i = 0, k; i < h->n; i = k) {
		for (k = i + 1; k < h->n; k++)
			if (mm->as.pt.npresent > SMALL_MM &&
				h->page[k].va - h->page[k - 1].va > BLOCK)
				break;
		mm_sync(mm, h->page[i].va, h->page[k - 1].va + PAGE_SIZE);
	}
}

/* There will be no child: what it would have kept is the parent's still. */
LOCKS_UNCHECKED
static void hot_undo(struct mm *child, struct hot *h)
{
	for (unsigned i = 0; i < h->n; i++) {
		ptable_clear(&child->as.pt, h->page[i].va);
		frames_put(h->page[i].copy, 1);
	}
}

/* --- the copy */

/* The parent's regions and numbers; the child is not published. */
LOCKS_UNCHECKED
static int fork_vmas(struct mm *mm, struct mm *child)
{
	/* The parent's keeps writers away already. */
	int err = mm->exe ? mm_set_exe(child, mm->exe) : 0;

	if (err)
		return err;
	child->mmap_base = mm->mmap_base;
	child->brk_start = mm->brk_start;
	child->brk = mm->brk;
	child->stack_top = mm->stack_top;
	child->hot = hotset_get(mm->hot);
	child->code_start = mm->code_start;
	child->code_end = mm->code_end;
	child->data_start = mm->data_start;
	child->data_end = mm->data_end;
	child->arg_start = mm->arg_start;
	child->arg_end = mm->arg_end;
	child->env_start = mm->env_start;
	child->env_end = mm->env_end;
	memcpy(child->auxv, mm->auxv, sizeof mm->auxv);
	child->vdso = mm->vdso;
	atomic_init(&child->dumpable, atomic_load(&mm->dumpable));
	atomic_init(&child->dump_filter, atomic_load(&mm->dump_filter));
	child->rlimit_as = mm->rlimit_as;
	child->rlimit_data = mm->rlimit_data;
	child->rlimit_memlock = mm->rlimit_memlock;
	child->rlimit_stack = mm->rlimit_stack;
	for (struct vma *v = vma_first(mm); v; v = vma_next(v)) {
		struct vma *c;

		if (v->flags & VM_DONTFORK)
			continue;
		c = vma_copy(v, child);
		if (!c)
			return -ENOMEM;
		c->flags &= ~(VM_LOCKED | VM_LOCKONFAULT);
		vma_insert_behind(child, c, v);
	}
	return 0;
}

struct protect {
	struct mm *mm;
	struct vma *v;
	struct hot *hot;
	uint64_t first, last;
};

HOLDS(lc_mm_active)
static int protect_entry(void *arg, uint64_t va, pte_t *pte)
{
	struct protect *p = arg;
	pte_t old = *pte;

	if (!(old & PTE_P) || (old & PTE_COW) || is_hot(p->hot, va))
		return 0;
	ptable_protect(&p->mm->as.pt, va, vma_pte(p->v, true));
	if (old & PTE_W) {
		p->first = MIN(p->first, va);
		p->last = va + PAGE_SIZE;
	}
	return 0;
}

HOLDS_SHARED(lc_mm_map)
HOLDS(lc_mm_active) static void write_protect(struct mm *mm, struct hot *hot)
{
	struct protect p = { .mm = mm, .hot = hot, .first = UINT64_MAX };

	hot->next = 0;

	for (struct vma *v = vma_first(mm); v; v = vma_next(v)) {
		p.v = v;
		if (vma_is_cow(v) && !(v->flags & VM_DONTFORK))
			(void)ptable_walk(&mm->as.pt, v->start, v->end,
				protect_entry, &p);
	}
	if (p.first != UINT64_MAX)
		mm_sync(mm, p.first, p.last);
}

struct share {
	struct ptable *pt; /* the child's */
	struct hot *hot;   /* these take over the parent's reference */
	paddr_t pa;
	unsigned n;
	bool drop; /* these are not inherited */
};

static int share_entry(void *arg, uint64_t va, pte_t *pte)
{
	struct share *s = arg;
	paddr_t pa = *pte & PTE_ADDR;

	if (!(*pte & PTE_P))
		return 0;
	if (s->drop) {
		ptable_clear(s->pt, va);
		return 0;
	}
	if (is_hot(s->hot, va))
		return 0;
	if (s->n && (pa != s->pa + s->n * PAGE_SIZE ||
			    phys_is_window(pa) != phys_is_window(s->pa))) {
		frames_get(s->pa, s->n);
		s->n = 0;
	}
	if (!s->n)
		s->pa = pa;
	s->n++;
	return 0;
}

/*
 * Drops what the child must not have, and takes a reference for the rest.
 * Returns whether the child's host map must be told.
 */
LOCKS_UNCHECKED
static bool share_frames(struct mm *mm, struct mm *child, struct hot *hot)
{
	struct share s = { .pt = &child->as.pt, .hot = hot };
	bool dropped = false;

	hot->next = 0;
	for (struct vma *v = vma_first(mm); v; v = vma_next(v)) {
		s.drop = v->flags & (VM_DONTFORK | VM_WIPEONFORK);
		dropped |= s.drop;
		(void)ptable_walk(
			&child->as.pt, v->start, v->end, share_entry, &s);
	}
	if (s.n)
		frames_get(s.pa, s.n);
	return dropped;
}

LOCKS_UNCHECKED
static void sync_dropped(struct mm *mm, struct mm *child)
{
	for (struct vma *v = vma_first(mm); v; v = vma_next(v))
		if (v->flags & (VM_DONTFORK | VM_WIPEONFORK))
			mm_sync(child, v->start, v->end);
}

LOCKS_UNCHECKED /* two of one class: see rwlock_write_nested() */
	static int
	fork_pages(struct mm *mm, struct mm *child)
{
	struct share none = { .pt = &child->as.pt, .drop = true };
	bool dropped = false;
	struct hot hot;
	int err;

	rwlock_write(&mm->as.active_lock);
	rwlock_write_nested(&child->as.active_lock);
	hot_begin(mm, &hot);
	write_protect(mm, &hot);
	err = ptable_copy(&child->as.pt, &mm->as.pt, 0, platform_max_addr);
	if (err) {
		(void)ptable_walk(
			&child->as.pt, 0, UINT64_MAX, share_entry, &none);
	} else {
		dropped = share_frames(mm, child, &hot);
		err = platform->aspace_fork(
			&child->as, &mm->as, current ? current->pctx : NULL);
	}
	if (err)
		hot_undo(child, &hot);
	else
		hot_end(mm, &hot);
	if (!err && dropped)
		sync_dropped(mm, child);
	atomic_store(&child->max_rss, child->as.pt.npresent);
	rwlock_release_write(&child->as.active_lock);
	rwlock_release_write(&mm->as.active_lock);
	return err;
}

int mm_fork(struct task *t, struct mm **out)
{
	struct list dead = LIST_INIT(dead);
	struct mm *mm = t->mm, *child;
	int err = mm_alloc(&child);

	if (err)
		return err;
	mm_map_write(mm);
	err = fork_vmas(mm, child);
	if (!err)
		err = fork_pages(mm, child);
	mm_map_write_done(mm);
	if (!err) {
		*out = child;
		return 0;
	}
	mm_drop_vmas(child, &dead);
	mm_put_pages(child);
	vmas_free(&dead);
	mm_free(child);
	return err;
}
