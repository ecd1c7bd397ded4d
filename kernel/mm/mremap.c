/*
 * mremap.c - mremap(2) and remap_file_pages(2): growing, shrinking and moving.
 *
 * A move hangs the new region on the mapping before it moves the entries, so
 * that a truncate finds a page in one of the two places; the frames stay what
 * they are, only their addresses change.
 */
#include <errno.h>
#include <stdlib.h>

#include "kernel/mm/fault.h"
#include "kernel/vfs/file.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#define MOVE_BATCH 64

struct remap {
	uint64_t old, oldlen, newlen, to;
	int flags;
};

struct move {
	struct mm *mm;
	unsigned n;
	struct {
		uint64_t va;
		pte_t pte;
	} e[MOVE_BATCH];
};

HOLDS(lc_mm_active)
static int take_entry(void *arg, uint64_t va, pte_t *pte)
{
	struct move *m = arg;
	pte_t old = *pte;

	if (!(old & PTE_P))
		return 0;
	if (m->n == MOVE_BATCH)
		return 1;
	ptable_clear(&m->mm->as.pt, va);
	m->e[m->n].va = va;
	m->e[m->n++].pte = old;
	return 0;
}

/* Entries of [from, from + len) go to @to, in a region like @v. */
static void move_pages(
	struct mm *mm, struct vma *v, uint64_t from, uint64_t len, uint64_t to)
{
	bool track = v->mapping && !vma_is_cow(v) && !v->mapping->host &&
		     v->mapping->ops->writeback;
	uint64_t at = from, first = UINT64_MAX, last = 0;
	struct move m = { .mm = mm };
	struct frame_batch lost;
	int more;

	lost.n = 0;
	mm_active_write(&mm->as);
	do {
		m.n = 0;
		more = ptable_walk(&mm->as.pt, at, from + len, take_entry, &m);
		for (unsigned i = 0; i < m.n; i++) {
			pte_t pte = m.e[i].pte,
			      bits = vma_pte(v, pte & PTE_COW);

			at = m.e[i].va + PAGE_SIZE;
			if (track && !(pte & PTE_W))
				bits &= ~PTE_W;
			first = MIN(first, m.e[i].va);
			last = at;
			/* No memory for a table: the page is lost, as on a
			 * machine that is out of memory. */
			if (ptable_set(&mm->as.pt, m.e[i].va - from + to,
				    pte & PTE_ADDR, bits) < 0)
				(void)frame_batch_add(&lost, pte & PTE_ADDR);
		}
	} while (more);
	if (last) {
		mm_sync(mm, first, last);
		mm_sync(mm, first - from + to, last - from + to);
	}
	frame_batch_put(&lost);
	mm_active_write_done(&mm->as);
}

/* Moves [old, old + oldlen) of one region to @r->to, where nothing is. */
HOLDS(lc_mm_map)
static int64_t move_vma(struct mm *mm, const struct remap *r, struct list *dead)
{
	uint64_t n = MIN(r->oldlen, r->newlen);
	struct vma *v, *new;
	int err;

	if (mm->nvmas >= VMA_MAX - 3)
		return -ENOMEM;
	if (r->oldlen) {
		err = vma_isolate(mm, r->old, r->old + r->oldlen);
		if (err)
			return err;
	}
	v = vma_find(mm, r->old);
	new = vma_copy(v, mm);
	if (!new)
		return -ENOMEM;
	new->off = vma_offset(v, r->old);
	new->start = r->to;
	new->end = r->to + r->newlen;
	if (r->flags & MREMAP_DONTUNMAP)
		vma_set(mm, v, v->prot,
			v->flags & ~(unsigned)(VM_LOCKED | VM_LOCKONFAULT));
	vma_insert_behind(mm, new, v);
	if (r->oldlen)
		move_pages(mm, new, r->old, n, r->to);
	if (r->oldlen && !(r->flags & MREMAP_DONTUNMAP)) {
		vma_remove(mm, v);
		list_add_tail(dead, &v->mapped);
		mm_zap(mm, r->old, r->old + r->oldlen);
	}
	vma_merge(mm, r->old, r->old + r->oldlen, dead);
	vma_merge(mm, r->to, r->to + r->newlen, dead);
	return (int64_t)r->to;
}

/* May the region grow by @more bytes? */
HOLDS_SHARED(lc_mm_map)
static int may_grow(struct mm *mm, const struct vma *v, uint64_t more)
{
	if (v->flags & VM_SPECIAL)
		return -EFAULT;
	if ((v->flags & VM_LOCKED) && may_lock(mm, more >> PAGE_SHIFT))
		return -EAGAIN;
	if (v->mapping && v->off + (v->end - v->start) + more < v->off)
		return -EINVAL;
	return may_expand(mm, v->prot, v->flags, more >> PAGE_SHIFT);
}

/* The checks that a move or growth of one region needs. */
HOLDS_SHARED(lc_mm_map)
static int check_vma(struct mm *mm, const struct remap *r)
{
	struct vma *v = vma_find(mm, r->old);

	if (!v || v->start > r->old)
		return -EFAULT;
	if (!r->oldlen && !(v->flags & VM_SHARED))
		return -EINVAL;
	if (r->oldlen > v->end - r->old)
		return -EFAULT;
	if ((r->flags & MREMAP_DONTUNMAP) && (v->flags & VM_SPECIAL))
		return -EINVAL;
	if (r->newlen > r->oldlen)
		return may_grow(mm, v, r->newlen - r->oldlen);
	if (r->flags & MREMAP_DONTUNMAP)
		return may_expand(
			mm, v->prot, v->flags, r->newlen >> PAGE_SHIFT);
	return 0;
}

/* Does every region of the range move as it is?  Linux 6.17 moves several. */
HOLDS(lc_mm_map)
static int64_t move_many(
	struct mm *mm, const struct remap *all, struct list *dead)
{
	uint64_t at = all->old, end = all->old + all->oldlen;
	struct vma *v;

	while (at < end && (v = vma_find(mm, at)) && v->start < end) {
		uint64_t s = MAX(v->start, at), e = MIN(v->end, end);
		struct remap r = { s, e - s, e - s, s - all->old + all->to,
			all->flags };
		int64_t ret = check_vma(mm, &r);

		if (!ret)
			ret = move_vma(mm, &r, dead);
		if (ret < 0)
			return ret;
		at = e;
	}
	return (int64_t)all->to;
}

HOLDS(lc_mm_map)
static int64_t remap_to(struct mm *mm, struct remap *r, struct list *dead)
{
	bool many = r->oldlen == r->newlen && r->oldlen &&
		    (r->flags & MREMAP_FIXED);
	struct vma *v = vma_find(mm, r->old);
	int err;

	if (!v || v->start > r->old)
		return -EFAULT;
	many = many && r->oldlen > v->end - r->old;
	if (r->newlen < r->oldlen) {
		err = unmap_range(
			mm, r->old + r->newlen, r->old + r->oldlen, dead);
		if (err)
			return err;
		r->oldlen = r->newlen;
	}
	err = many ? 0 : check_vma(mm, r);
	if (err)
		return err;
	if (r->flags & MREMAP_FIXED) {
		err = unmap_range(mm, r->to, r->to + r->newlen, dead);
		if (err)
			return err;
	} else if (!vma_range_free(mm, r->to, r->to + r->newlen) || !r->to) {
		r->to = vma_gap(mm, r->newlen, PAGE_SIZE, 0, MMAP_MIN_ADDR,
			mm->mmap_base);
		if (!r->to)
			return -ENOMEM;
	}
	return many ? move_many(mm, r, dead) : move_vma(mm, r, dead);
}

HOLDS(lc_mm_map)
static int64_t remap_anywhere(struct mm *mm, struct remap *r, struct list *dead)
{
	struct vma *v = vma_find(mm, r->old);
	uint64_t more = r->newlen - r->oldlen;
	int err;

	if (!v || v->start > r->old)
		return -EFAULT;
	if (r->newlen <= r->oldlen && (r->oldlen || r->newlen == r->oldlen)) {
		err = r->newlen == r->oldlen
			      ? 0
			      : unmap_range(mm, r->old + r->newlen,
					r->old + r->oldlen, dead);
		return err ? err : (int64_t)r->old;
	}
	err = check_vma(mm, r);
	if (err)
		return err;
	if (r->oldlen && r->old + r->oldlen == v->end &&
		v->end + more <= platform_max_addr && v->end + more > v->end &&
		vma_range_free(mm, v->end, v->end + more)) {
		vma_resize(v, v->start, v->end + more);
		vma_merge(mm, v->start, v->end, dead);
		return (int64_t)r->old;
	}
	if (!(r->flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	r->to = vma_gap(mm, r->newlen,
		r->newlen >= WINDOW_SIZE ? WINDOW_SIZE : PAGE_SIZE,
		vma_offset(v, r->old), MMAP_MIN_ADDR, mm->mmap_base);
	return r->to ? move_vma(mm, r, dead) : -ENOMEM;
}

static int check_args(const struct remap *r)
{
	bool fixed = r->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP);

	if (r->flags & ~(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP))
		return -EINVAL;
	if (fixed && !(r->flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if ((r->flags & MREMAP_DONTUNMAP) && r->oldlen != r->newlen)
		return -EINVAL;
	if (r->old % PAGE_SIZE || !r->newlen || r->newlen > platform_max_addr)
		return -EINVAL;
	if (r->old + r->oldlen < r->old)
		return -EINVAL;
	if (!fixed)
		return 0;
	if (r->to % PAGE_SIZE || r->to > platform_max_addr - r->newlen)
		return -EINVAL;
	if (r->old + r->oldlen > r->to && r->to + r->newlen > r->old)
		return -EINVAL;
	if ((r->flags & MREMAP_FIXED) && r->to < MMAP_MIN_ADDR)
		return -EPERM;
	return 0;
}

int64_t mm_mremap(struct mm *mm, uint64_t old, uint64_t oldlen, uint64_t newlen,
	int flags, uint64_t to)
{
	struct remap r = { old, ALIGN_UP(oldlen, PAGE_SIZE),
		ALIGN_UP(newlen, PAGE_SIZE), to, flags };
	struct list dead = LIST_INIT(dead);
	uint64_t had = r.oldlen;
	bool locked = false;
	struct vma *v;
	int64_t at = check_args(&r);

	if (at)
		return at;
	mm_map_write(mm);
	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
		at = remap_to(mm, &r, &dead);
	else
		at = remap_anywhere(mm, &r, &dead);
	if (at >= 0) {
		v = vma_find(mm, (uint64_t)at);
		locked = v && (v->flags & VM_LOCKED) &&
			 !(v->flags & VM_LOCKONFAULT);
	}
	mm_map_write_done(mm);
	vmas_free(&dead);
	if (locked && r.newlen > had)
		fault_range(
			mm, (uint64_t)at + had, (uint64_t)at + r.newlen, false);
	return at;
}

int mm_remap_pages(struct mm *mm, uint64_t start, uint64_t len, uint64_t off)
{
	struct mmap_req r = { .addr = start,
		.len = len,
		.off = off,
		.flags = MAP_SHARED | MAP_FIXED };
	struct mapping *m = NULL;
	struct file *f = NULL;
	struct vma *v;
	int64_t at = -EINVAL;

	mm_map_read(mm);
	v = vma_find(mm, start);
	if (v && v->start <= start && (v->flags & VM_SHARED) && v->mapping &&
		!(v->flags & VM_SPECIAL) && v->end - start >= len) {
		r.prot = v->prot;
		m = mapping_get(v->mapping);
		f = v->file ? file_get(v->file) : NULL;
	}
	mm_map_read_done(mm);
	r.mapping = m;
	r.file = f;
	if (m)
		at = mm_mmap(mm, &r);
	mapping_put(m);
	file_put(f);
	return at < 0 ? (int)at : 0;
}
