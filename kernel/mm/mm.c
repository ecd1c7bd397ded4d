/*
 * mm.c - the life of an address space: make, take apart, look at.
 */
#include "kernel/mm/mm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "kernel/mm/fault.h"
#include "kernel/mm/frames.h"
#include "kernel/mm/mapping.h"
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

uint64_t mm_random(struct mm *mm, uint64_t n)
{
	uint64_t r = 0;

	if (mm->fixed_layout)
		return 0;
	if (getrandom(&r, sizeof r, 0) != sizeof r)
		r = (uint64_t)(uintptr_t)&r >> 4; /* better than nothing */
	return r % n & PAGE_MASK;
}

/* Linux: arch/x86/mm/mmap.c mmap_base() */
static uint64_t pick_mmap_base(struct mm *mm)
{
	uint64_t gap = mm->rlimit_stack, pad = STACK_RANDOM + STACK_GAP;

	if (gap + pad > gap)
		gap += pad;
	gap = MAX(gap, 128ULL << 20);
	gap = MIN(gap, platform_max_addr / 6 * 5);
	return ALIGN_DOWN(
		platform_max_addr - gap -
			mm_random(mm, MIN(MMAP_RANDOM, platform_max_addr / 16)),
		PAGE_SIZE);
}

LOCKS_UNCHECKED /* not published yet */
	void
	mm_layout(struct mm *mm, bool fixed)
{
	mm->fixed_layout = fixed;
	mm->stack_top =
		platform_max_addr - PAGE_SIZE -
		mm_random(mm, MIN(STACK_RANDOM, platform_max_addr / 64));
	mm->mmap_base = pick_mmap_base(mm);
}

LOCKS_UNCHECKED /* not published yet */
	int
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
	void
	mm_free(struct mm *mm)
{
	ptable_fini(&mm->as.pt);
	frame_slots_fini(&mm->slots);
	hotset_put(mm->hot);
	if (mm->exe)
		inode_allow_write(mm->exe->inode);
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
	mm_layout(mm, false);
	atomic_init(&mm->dumpable, 1);
	atomic_init(&mm->dump_filter, 0x33);
	mm->hot = hotset_new();
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
void mm_put_pages(struct mm *mm)
{
	struct put_all z = { .pt = &mm->as.pt };

	(void)ptable_walk(&mm->as.pt, 0, UINT64_MAX, put_entry, &z);
	frame_batch_put(&z.b);
}

void mm_drop_vmas(struct mm *mm, struct list *dead)
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
	mm_drop_vmas(mm, &dead);
	platform->aspace_free(&mm->as);
	mm_put_pages(mm);
	vmas_free(&dead);
	mm_free(mm);
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

/* max_rss is brought up to date where pages go, not where they come. */
uint64_t mm_peak_rss(struct mm *mm)
{
	return MAX(mm_rss(mm), (uint64_t)atomic_load(&mm->max_rss));
}

/* Of a private mapping of a file the pages that were written; all without a
 * file. */
static bool is_anon(const struct mapping *m, bool shared, pte_t pte)
{
	if (!m || shared)
		return !shared;
	if (m->host)
		return !phys_is_window(pte & PTE_ADDR);
	return pte & PTE_W; /* ones made read-only since pass for the file's */
}

static int count_entry(void *arg, uint64_t va, pte_t *pte)
{
	struct vma_info *i = arg;

	(void)va;
	if (!(*pte & PTE_P))
		return 0;
	i->rss++;
	if (is_anon(i->mapping, i->shared, *pte))
		i->anon++;
	else if (i->mapping && i->mapping->host)
		i->hosted++;
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
		.locked = v->flags & VM_LOCKED,
		.flags = v->flags,
		.file = v->file,
		.name = v->name,
		.mapping = v->mapping,
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

static int add_resident(void *arg, const struct vma_info *v)
{
	struct mm_resident *r = arg;

	r->anon += v->anon;
	r->file += v->hosted;
	r->shmem += v->rss - v->anon - v->hosted;
	return 0;
}

struct mm_resident mm_resident(struct mm *mm)
{
	struct mm_resident r = { 0 };

	(void)mm_for_each_vma(mm, 0, true, add_resident, &r);
	return r;
}

struct pagemap {
	const struct vma *v;
	uint64_t start, *word;
};

static int pagemap_entry(void *arg, uint64_t va, pte_t *pte)
{
	const uint64_t present = 1ULL << 63, file = 1ULL << 61,
		       soft_dirty = 1ULL << 55;
	struct pagemap *p = arg;

	if (*pte & PTE_P)
		p->word[(va - p->start) >> PAGE_SHIFT] =
			present | soft_dirty |
			(is_anon(p->v->mapping, p->v->flags & VM_SHARED, *pte)
					? 0
					: file);
	return 0;
}

void mm_pagemap(struct mm *mm, uint64_t start, uint64_t *word, size_t n)
{
	uint64_t end = start + n * PAGE_SIZE;
	struct pagemap p = { .start = start, .word = word };

	memset(word, 0, n * sizeof *word);
	mm_map_read(mm);
	for (p.v = vma_find(mm, start); p.v && p.v->start < end;
		p.v = vma_next(p.v)) {
		mm_active_read(&mm->as);
		(void)ptable_walk(&mm->as.pt, MAX(p.v->start, start),
			MIN(p.v->end, end), pagemap_entry, &p);
		mm_active_read_done(&mm->as);
	}
	mm_map_read_done(mm);
}

/* --- exec */

LOCKS_UNCHECKED /* nobody else has it yet */
	int
	mm_set_exe(struct mm *mm, struct file *f)
{
	int err = inode_deny_write(f->inode);

	if (!err)
		mm->exe = file_get(f);
	return err;
}

void mm_set_brk(struct mm *mm, uint64_t start)
{
	mm_map_write(mm);
	mm->brk_start = ALIGN_UP(start, PAGE_SIZE) + mm_random(mm, BRK_RANDOM);
	mm->brk = mm->brk_start;
	mm_map_write_done(mm);
}

int mm_map_stack(struct mm *mm, uint64_t size, bool exec, uint64_t *top)
{
	struct mmap_req r = {
		.prot = PROT_READ | PROT_WRITE | (exec ? PROT_EXEC : 0),
		.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
			 MAP_GROWSDOWN | MAP_STACK,
		.name = "[stack]",
	};
	int64_t at;

	mm_map_read(mm);
	*top = mm->stack_top;
	mm_map_read_done(mm);
	r.len = MIN(ALIGN_UP(size, PAGE_SIZE), *top);
	r.addr = *top - r.len;
	at = mm_mmap(mm, &r);
	return at < 0 ? (int)at : 0;
}
