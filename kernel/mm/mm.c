/*
 * mm.c - the life of an address space: make, copy, take apart.
 *
 * fork(2) copies in this order: the regions, each hung on its mapping behind
 * the parent's, so that a truncate sees the parent first; then, with both page
 * tables locked, the entries.  Private ones lose PTE_W and gain PTE_COW in the
 * parent, and one sync tells the platform, before the child's table and host
 * map are made.
 */
#include "kernel/mm/mm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "kernel/mm/fault.h"
#include "kernel/mm/frames.h"
#include "kernel/task/task.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"

#define STACK_RANDOM (16ULL << 30) /* Linux: stack_maxrandom_size() */
#define MMAP_RANDOM  (1ULL << 40)  /* 28 bits of pages */
#define BRK_RANDOM   (32ULL << 20)

static const struct ptable_alloc table_alloc = {
	.alloc = frame_alloc,
	.free = frame_put,
};

static uint64_t random_below(uint64_t n)
{
	uint64_t r = 0;

	if (getrandom(&r, sizeof r, 0) != sizeof r)
		r = (uint64_t)(uintptr_t)&r >> 4; /* better than nothing */
	return r % n & PAGE_MASK;
}

/* Linux: arch/x86/mm/mmap.c mmap_base() */
static uint64_t pick_mmap_base(uint64_t stack_limit)
{
	uint64_t gap = stack_limit, pad = STACK_RANDOM + STACK_GAP;

	if (gap + pad > gap)
		gap += pad;
	gap = MAX(gap, 128ULL << 20);
	gap = MIN(gap, platform_max_addr / 6 * 5);
	return ALIGN_DOWN(
		platform_max_addr - gap -
			random_below(MIN(MMAP_RANDOM, platform_max_addr / 16)),
		PAGE_SIZE);
}

LOCKS_UNCHECKED /* not published yet */
	static int
	mm_alloc(struct mm **out)
{
	struct mm *mm = calloc(1, sizeof *mm);
	int err;

	if (!mm)
		return -ENOMEM;
	ref_init(&mm->ref);
	rwlock_init(&mm->map_lock, &lc_mm_map);
	rwlock_init(&mm->as.active_lock, &lc_mm_active);
	vmas_init(mm);
	frame_slots_init(&mm->slots);
	err = ptable_init(&mm->as.pt, &table_alloc);
	if (err) {
		free(mm);
		return err;
	}
	*out = mm;
	return 0;
}

LOCKS_UNCHECKED /* nobody else has it, or has it any more */
	static void
	mm_free(struct mm *mm)
{
	ptable_fini(&mm->as.pt);
	frame_slots_fini(&mm->slots);
	file_put(mm->exe);
	free(mm);
}

LOCKS_UNCHECKED /* not published yet */
	int
	mm_create(struct mm **out)
{
	struct mm *mm;
	int err = mm_alloc(&mm);

	if (err)
		return err;
	mm->rlimit_as = mm->rlimit_data = RLIM_INFINITY;
	mm->rlimit_stack = 8UL << 20;
	mm->rlimit_memlock = 8UL << 20;
	mm->stack_top = platform_max_addr - PAGE_SIZE -
			random_below(MIN(STACK_RANDOM, platform_max_addr / 64));
	mm->mmap_base = pick_mmap_base(mm->rlimit_stack);
	atomic_init(&mm->dumpable, 1);
	err = platform->aspace_new(&mm->as);
	if (err) {
		mm_free(mm);
		return err;
	}
	*out = mm;
	return 0;
}

struct mm *mm_get(struct mm *mm)
{
	ref_get(&mm->ref);
	return mm;
}

struct put_all {
	struct ptable *pt;
	struct frame_batch b;
};

static int put_entry(void *arg, uint64_t va, pte_t *pte)
{
	struct put_all *z = arg;
	paddr_t pa = *pte & PTE_ADDR;

	if (!(*pte & PTE_P))
		return 0;
	if (!frame_batch_add(&z->b, pa)) {
		frame_batch_put(&z->b);
		(void)frame_batch_add(&z->b, pa); /* has room */
	}
	ptable_clear(z->pt, va);
	return 0;
}

/* No context is left and no mapping knows us: all pages go, without a sync. */
LOCKS_UNCHECKED
static void put_pages(struct mm *mm)
{
	struct put_all z = { .pt = &mm->as.pt };

	(void)ptable_walk(&mm->as.pt, 0, UINT64_MAX, put_entry, &z);
	frame_batch_put(&z.b);
}

static void drop_vmas(struct mm *mm, struct list *dead)
{
	struct vma *v, *next;

	mm_map_write(mm);
	for (v = vma_first(mm); v; v = next) {
		next = vma_next(v);
		vma_remove(mm, v);
		list_add_tail(dead, &v->mapped);
	}
	mm_map_write_done(mm);
}

void mm_put(struct mm *mm)
{
	struct list dead = LIST_INIT(dead);

	if (!mm || !ref_put(&mm->ref))
		return;
	drop_vmas(mm, &dead);
	platform->aspace_free(&mm->as);
	put_pages(mm);
	vmas_free(&dead);
	mm_free(mm);
}

/* --- fork */

/* The parent's regions and numbers; the child is not published. */
LOCKS_UNCHECKED
static int fork_vmas(struct mm *mm, struct mm *child)
{
	child->mmap_base = mm->mmap_base;
	child->brk_start = mm->brk_start;
	child->brk = mm->brk;
	child->stack_top = mm->stack_top;
	child->exe = mm->exe ? file_get(mm->exe) : NULL;
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
	uint64_t first, last;
};

HOLDS(lc_mm_active)
static int protect_entry(void *arg, uint64_t va, pte_t *pte)
{
	struct protect *p = arg;
	pte_t old = *pte;

	if (!(old & PTE_P) || (old & PTE_COW))
		return 0;
	ptable_protect(&p->mm->as.pt, va, vma_pte(p->v, true));
	if (old & PTE_W) {
		p->first = MIN(p->first, va);
		p->last = va + PAGE_SIZE;
	}
	return 0;
}

HOLDS_SHARED(lc_mm_map)
HOLDS(lc_mm_active) static void write_protect(struct mm *mm)
{
	struct protect p = { .mm = mm, .first = UINT64_MAX };

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
static bool share_frames(struct mm *mm, struct mm *child)
{
	struct share s = { .pt = &child->as.pt };
	bool dropped = false;

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
	int err;

	rwlock_write(&mm->as.active_lock);
	rwlock_write_nested(&child->as.active_lock);
	write_protect(mm);
	err = ptable_copy(&child->as.pt, &mm->as.pt, 0, platform_max_addr);
	if (err) {
		(void)ptable_walk(
			&child->as.pt, 0, UINT64_MAX, share_entry, &none);
	} else {
		dropped = share_frames(mm, child);
		err = platform->aspace_fork(
			&child->as, &mm->as, current ? current->pctx : NULL);
	}
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
	drop_vmas(child, &dead);
	put_pages(child);
	vmas_free(&dead);
	mm_free(child);
	return err;
}

/* --- what others want to know */

uint64_t mm_rss(struct mm *mm)
{
	uint64_t n;

	mm_active_read(&mm->as);
	n = mm->as.pt.npresent;
	mm_active_read_done(&mm->as);
	return n;
}

static int count_entry(void *arg, uint64_t va, pte_t *pte)
{
	struct vma_info *i = arg;

	(void)va;
	if (!(*pte & PTE_P))
		return 0;
	i->rss++;
	if (!(*pte & PTE_COW) && !i->shared)
		i->anon++;
	if (*pte & PTE_W)
		i->dirty++;
	return 0;
}

static void fill_info(struct vma_info *i, const struct vma *v)
{
	*i = (struct vma_info){
		.start = v->start,
		.end = v->end,
		.off = v->mapping ? v->off : 0,
		.prot = v->prot,
		.shared = v->flags & VM_SHARED,
		.grows_down = v->flags & VM_GROWSDOWN,
		.flags = v->flags,
		.file = v->file,
		.name = v->name,
	};
	if (v->file && v->file->inode) {
		i->ino = v->file->inode->ino;
		i->dev = v->file->inode->sb ? v->file->inode->sb->dev : 0;
	}
}

int mm_for_each_vma(struct mm *mm, uint64_t from, bool count,
	int (*fn)(void *arg, const struct vma_info *v), void *arg)
{
	struct vma_info i;
	int ret = 0;

	mm_map_read(mm);
	for (struct vma *v = vma_find(mm, from); v && !ret; v = vma_next(v)) {
		fill_info(&i, v);
		if (count) {
			mm_active_read(&mm->as);
			(void)ptable_walk(
				&mm->as.pt, v->start, v->end, count_entry, &i);
			mm_active_read_done(&mm->as);
		}
		ret = fn(arg, &i);
	}
	mm_map_read_done(mm);
	return ret;
}

/* --- exec */

void mm_set_brk(struct mm *mm, uint64_t start)
{
	mm_map_write(mm);
	mm->brk_start = ALIGN_UP(start, PAGE_SIZE) + random_below(BRK_RANDOM);
	mm->brk = mm->brk_start;
	mm_map_write_done(mm);
}

int mm_map_stack(struct mm *mm, uint64_t top, uint64_t size, bool exec)
{
	struct mmap_req r = {
		.prot = PROT_READ | PROT_WRITE | (exec ? PROT_EXEC : 0),
		.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
			 MAP_GROWSDOWN | MAP_STACK,
		.name = "[stack]",
	};
	int64_t at;

	mm_map_write(mm);
	if (top)
		mm->stack_top = ALIGN_DOWN(top, PAGE_SIZE);
	top = mm->stack_top;
	mm->mmap_base = pick_mmap_base(mm->rlimit_stack);
	mm_map_write_done(mm);
	r.len = MIN(ALIGN_UP(size, PAGE_SIZE), ALIGN_DOWN(top, PAGE_SIZE));
	r.addr = top - r.len;
	at = mm_mmap(mm, &r);
	return at < 0 ? (int)at : 0;
}
