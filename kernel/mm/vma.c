/*
 * vma.c - the tree of regions: search, gaps, split and merge.
 *
 * A red-black tree by address in which each node knows the free space in front
 * of it and the most of that in its subtree, so that finding room for a
 * mapping is O(log n).
 */
#include "kernel/mm/vma.h"

#include <errno.h>
#include <stdlib.h>

#include "kernel/vfs/file.h"

static bool gap_augment(struct rb_node *n)
{
	struct vma *v = vma_of(n), *l = vma_of(n->child[0]),
		   *r = vma_of(n->child[1]);
	uint64_t m = v->gap;

	if (l && l->gap_max > m)
		m = l->gap_max;
	if (r && r->gap_max > m)
		m = r->gap_max;
	if (v->gap_max == m)
		return false;
	v->gap_max = m;
	return true;
}

LOCKS_UNCHECKED /* not published yet */
	void
	vmas_init(struct mm *mm)
{
	mm->vmas = (struct rb_tree){ .augment = gap_augment };
}

struct vma *vma_next(const struct vma *v)
{
	return vma_of(rb_next(&v->node));
}

struct vma *vma_prev(const struct vma *v)
{
	return vma_of(rb_prev(&v->node));
}

struct vma *vma_first(struct mm *mm)
{
	return vma_of(rb_first(&mm->vmas));
}

struct vma *vma_find(struct mm *mm, uint64_t addr)
{
	struct rb_node *n = mm->vmas.root;
	struct vma *found = NULL;

	while (n) {
		struct vma *v = vma_of(n);

		if (v->end > addr) {
			found = v;
			n = n->child[0];
		} else {
			n = n->child[1];
		}
	}
	return found;
}

static void update_gap(struct mm *mm, struct vma *v) HOLDS(lc_mm_map);
static void update_gap(struct mm *mm, struct vma *v)
{
	struct vma *p = vma_prev(v);

	v->gap = v->start - (p ? p->end : 0);
	rb_propagate(&mm->vmas, &v->node);
}

/* --- counters */

static void count(struct mm *mm, const struct vma *v, int64_t pages)
	HOLDS(lc_mm_map);
static void count(struct mm *mm, const struct vma *v, int64_t pages)
{
	uint64_t n = (uint64_t)pages;

	mm->total_pages += n;
	if (v->flags & VM_LOCKED)
		mm->locked_pages += n;
	if (v->flags & VM_SHARED)
		mm->shared_pages += n;
	if (v->flags & VM_GROWSDOWN)
		mm->stack_pages += n;
	else if (vma_is_cow(v) && (v->prot & PROT_WRITE))
		mm->data_pages += n;
	if ((v->prot & PROT_EXEC) && !(v->prot & PROT_WRITE) && v->file)
		mm->exec_pages += n;
}

void vma_set(struct mm *mm, struct vma *v, int prot, unsigned flags)
{
	count(mm, v, -(int64_t)vma_pages(v));
	v->prot = prot;
	v->flags = flags;
	count(mm, v, (int64_t)vma_pages(v));
}

/* --- insertion and removal */

static void tree_insert(struct mm *mm, struct vma *v) HOLDS(lc_mm_map);
static void tree_insert(struct mm *mm, struct vma *v)
{
	struct rb_node **link = &mm->vmas.root, *parent = NULL;
	struct vma *next;

	while (*link) {
		parent = *link;
		link = &parent->child[v->start >= vma_of(parent)->start];
	}
	v->gap = v->gap_max = 0;
	rb_link(&v->node, parent, link);
	rb_rebalance(&mm->vmas, &v->node);
	mm->nvmas++;
	update_gap(mm, v);
	next = vma_next(v);
	if (next)
		update_gap(mm, next);
}

static void vma_hang(struct vma *v, struct vma *behind)
{
	struct mapping *m = v->mapping;

	if (!m)
		return;
	mapping_lock(m);
	if (m->sealed && !behind && v->flags & VM_SHARED) {
		/* Sealed since mmap(2) looked. */
		v->flags &= ~(unsigned)VM_MAYWRITE;
		v->prot &= ~PROT_WRITE;
	}
	list_add(behind ? &behind->mapped : &m->vmas, &v->mapped);
	mapping_unlock(m);
}

void vma_insert_behind(struct mm *mm, struct vma *v, struct vma *like)
{
	tree_insert(mm, v);
	count(mm, v, (int64_t)vma_pages(v));
	vma_hang(v, like);
}

void vma_insert(struct mm *mm, struct vma *v)
{
	vma_insert_behind(mm, v, NULL);
}

void vma_remove(struct mm *mm, struct vma *v)
{
	struct vma *next = vma_next(v);

	if (v->mapping) {
		mapping_lock(v->mapping);
		list_del(&v->mapped);
		mapping_unlock(v->mapping);
	}
	count(mm, v, -(int64_t)vma_pages(v));
	rb_erase(&mm->vmas, &v->node);
	mm->nvmas--;
	if (next)
		update_gap(mm, next);
}

/* The lock on the bounds, where the region has a mapping. */
LOCKS_UNCHECKED
static void bounds_lock(struct vma *v)
{
	if (v->mapping)
		mapping_lock(v->mapping);
}

LOCKS_UNCHECKED
static void bounds_unlock(struct vma *v)
{
	if (v->mapping)
		mapping_unlock(v->mapping);
}

static void set_bounds(struct vma *v, uint64_t start, uint64_t end)
{
	bounds_lock(v);
	v->off += start - v->start;
	v->start = start;
	v->end = end;
	bounds_unlock(v);
}

void vma_resize(struct vma *v, uint64_t start, uint64_t end)
{
	struct vma *next = vma_next(v);

	count(v->mm, v, -(int64_t)vma_pages(v));
	set_bounds(v, start, end);
	count(v->mm, v, (int64_t)vma_pages(v));
	update_gap(v->mm, v);
	if (next)
		update_gap(v->mm, next);
}

struct vma *vma_copy(const struct vma *v, struct mm *mm)
{
	struct vma *c = malloc(sizeof *c);

	if (!c)
		return NULL;
	*c = (struct vma){
		/* but for the links: they have another lock */
		.mm = mm,
		.start = v->start,
		.end = v->end,
		.off = v->off,
		.prot = v->prot,
		.flags = v->flags,
		.mapping = v->mapping ? mapping_get(v->mapping) : NULL,
		.file = v->file ? file_get(v->file) : NULL,
		.name = v->name,
	};
	list_init(&c->mapped);
	return c;
}

void vmas_free(struct list *dead)
{
	while (!list_empty(dead)) {
		struct vma *v = list_first(dead, struct vma, mapped);

		list_del(&v->mapped);
		mapping_put(v->mapping);
		file_put(v->file);
		free(v);
	}
}

/* --- split and merge */

int vma_split(struct mm *mm, struct vma *v, uint64_t addr)
{
	struct vma *hi;

	if (mm->nvmas >= VMA_MAX)
		return -ENOMEM;
	hi = vma_copy(v, mm);
	if (!hi)
		return -ENOMEM;
	bounds_lock(v);
	hi->off = vma_offset(v, addr);
	hi->start = addr;
	v->end = addr;
	if (v->mapping)
		list_add(&v->mapped, &hi->mapped);
	bounds_unlock(v);
	tree_insert(mm, hi);
	return 0;
}

int vma_isolate(struct mm *mm, uint64_t start, uint64_t end)
{
	struct vma *v = vma_find(mm, start);
	int err;

	if (v && v->start < start) {
		err = vma_split(mm, v, start);
		if (err)
			return err;
	}
	v = vma_find(mm, end - 1);
	if (v && v->start < end && v->end > end)
		return vma_split(mm, v, end);
	return 0;
}

static bool alike(const struct vma *a, const struct vma *b)
{
	if (a->end != b->start || a->prot != b->prot || a->flags != b->flags ||
		a->mapping != b->mapping || a->file != b->file ||
		a->name != b->name || (a->flags & VM_SPECIAL))
		return false;
	return !a->mapping || vma_offset(a, a->end) == b->off;
}

void vma_merge(struct mm *mm, uint64_t start, uint64_t end, struct list *dead)
{
	struct vma *v = vma_find(mm, start ? start - 1 : 0), *next;

	while (v && v->start <= end) {
		next = vma_next(v);
		if (!next || next->start > end)
			return;
		if (!alike(v, next)) {
			v = next;
			continue;
		}
		vma_remove(mm, next);
		vma_resize(v, v->start, next->end);
		list_add_tail(dead, &next->mapped);
	}
}

/* --- gaps */

/* The highest start of a hole of @len within [low, high) in the subtree, or 0.
 */
static uint64_t gap_down(
	struct rb_node *n, uint64_t len, uint64_t low, uint64_t high)
{
	while (n) {
		struct vma *v = vma_of(n);
		uint64_t s = v->start - v->gap, e = v->start, at;

		if (v->gap_max < len)
			return 0;
		if (e < high && n->child[1]) {
			at = gap_down(n->child[1], len, low, high);
			if (at)
				return at;
		}
		s = MAX(s, low);
		e = MIN(e, high);
		if (e > s && e - s >= len)
			return e - len;
		if (v->start - v->gap <= low)
			return 0;
		n = n->child[0];
	}
	return 0;
}

static uint64_t highest_gap(struct mm *mm, uint64_t len, uint64_t low,
	uint64_t high) HOLDS_SHARED(lc_mm_map);
static uint64_t highest_gap(
	struct mm *mm, uint64_t len, uint64_t low, uint64_t high)
{
	struct vma *last = vma_of(rb_last(&mm->vmas));
	uint64_t s = last ? MAX(last->end, low) : low;

	if (high > s && high - s >= len)
		return high - len;
	return gap_down(mm->vmas.root, len, low, high);
}

uint64_t vma_gap(struct mm *mm, uint64_t len, uint64_t align, uint64_t phase,
	uint64_t low, uint64_t high)
{
	uint64_t at;

	if (align > PAGE_SIZE && len + align > len) {
		at = highest_gap(mm, len + align - PAGE_SIZE, low, high);
		if (at) {
			at += align - PAGE_SIZE;
			return at - ((at - phase) & (align - 1));
		}
	}
	return highest_gap(mm, len, low, high);
}

bool vma_range_free(struct mm *mm, uint64_t start, uint64_t end)
{
	struct vma *v = vma_find(mm, start);

	return !v || v->start >= end;
}

bool vma_range_mapped(struct mm *mm, uint64_t start, uint64_t end)
{
	struct vma *v = vma_find(mm, start);

	while (v && v->start <= start) {
		start = v->end;
		if (start >= end)
			return true;
		v = vma_next(v);
	}
	return false;
}
