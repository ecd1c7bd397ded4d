/*
 * madvise.c - madvise(2), msync(2), mincore(2): what the guest says and asks of
 * pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/mm/fault.h"
#include "kernel/vfs/file.h"

/* musl has not all of them. */
#define ADV_COLD           20
#define ADV_PAGEOUT        21
#define ADV_POPULATE_READ  22
#define ADV_POPULATE_WRITE 23

/* Sets and clears flags of a region: 0 or -EINVAL; -1: not such an advice. */
static int flag_advice(const struct vma *v, int advice, unsigned *flags)
{
	unsigned f = v->flags;

	switch (advice) {
	case MADV_NORMAL:
		f &= ~(unsigned)(VM_SEQ | VM_RANDOM);
		break;
	case MADV_SEQUENTIAL:
		f = (f & ~(unsigned)VM_RANDOM) | VM_SEQ;
		break;
	case MADV_RANDOM:
		f = (f & ~(unsigned)VM_SEQ) | VM_RANDOM;
		break;
	case MADV_DONTFORK:
		f |= VM_DONTFORK;
		break;
	case MADV_DOFORK:
		f &= ~(unsigned)VM_DONTFORK;
		break;
	case MADV_WIPEONFORK:
		if (v->mapping)
			return -EINVAL;
		f |= VM_WIPEONFORK;
		break;
	case MADV_KEEPONFORK:
		f &= ~(unsigned)VM_WIPEONFORK;
		break;
	case MADV_DONTDUMP:
		f |= VM_DONTDUMP;
		break;
	case MADV_DODUMP:
		if (v->flags & VM_SPECIAL)
			return -EINVAL;
		f &= ~(unsigned)VM_DONTDUMP;
		break;
	case MADV_MERGEABLE:
		f |= VM_MERGEABLE;
		break;
	case MADV_UNMERGEABLE:
		f &= ~(unsigned)VM_MERGEABLE;
		break;
	case MADV_HUGEPAGE:
		f = (f & ~(unsigned)VM_NOHUGE) | VM_HUGE;
		break;
	case MADV_NOHUGEPAGE:
		f = (f & ~(unsigned)VM_HUGE) | VM_NOHUGE;
		break;
	default:
		return -1;
	}
	*flags = f;
	return 0;
}

static bool known_advice(int advice)
{
	switch (advice) {
	case MADV_NORMAL:
	case MADV_SEQUENTIAL:
	case MADV_RANDOM:
	case MADV_WILLNEED:
	case MADV_DONTNEED:
	case MADV_FREE:
	case MADV_REMOVE:
	case MADV_DONTFORK:
	case MADV_DOFORK:
	case MADV_WIPEONFORK:
	case MADV_KEEPONFORK:
	case MADV_DONTDUMP:
	case MADV_DODUMP:
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case ADV_COLD:
	case ADV_PAGEOUT:
		return true;
	default:
		return false; /* GAP: MADV_COLLAPSE, guard pages */
	}
}

/* A file or shared memory region, kept across the end of the map lock. */
struct held {
	struct file *file;
	struct mapping *mapping;
	uint64_t off, len;
	bool writable, shared, locked;
};

static void hold(
	struct held *h, const struct vma *v, uint64_t start, uint64_t end)
{
	*h = (struct held){
		.file = v->file ? file_get(v->file) : NULL,
		.mapping = v->mapping ? mapping_get(v->mapping) : NULL,
		.off = vma_offset(v, start),
		.len = end - start,
		.writable = v->flags & VM_MAYWRITE,
		.shared = v->flags & VM_SHARED,
		.locked = v->flags & VM_LOCKED,
	};
}

static void release(struct held *h)
{
	file_put(h->file);
	mapping_put(h->mapping);
}

/* MADV_REMOVE of a shared region: a hole in what it maps. */
static int remove_pages(struct held *h)
{
	const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	if (h->locked || !h->mapping)
		return -EINVAL;
	if (!h->shared || !h->writable)
		return -EACCES;
	if (!h->file) {
		mapping_punch(h->mapping, (int64_t)h->off,
			(int64_t)(h->off + h->len));
		return 0;
	}
	if (!h->file->ops->fallocate)
		return -EOPNOTSUPP;
	return h->file->ops->fallocate(
		h->file, mode, (int64_t)h->off, (int64_t)h->len);
}

/* Advice that only drops pages, with the map lock shared. */
HOLDS_SHARED(lc_mm_map)
static int drop_advice(struct mm *mm, const struct vma *v, uint64_t start,
	uint64_t end, int advice)
{
	switch (advice) {
	case MADV_FREE:
		if (v->mapping)
			return -EINVAL;
		/* fallthrough */
	case MADV_DONTNEED: /* MADV_FREE: at once is soon enough */
		if (v->flags & (VM_LOCKED | VM_SPECIAL))
			return -EINVAL;
		mm_zap(mm, start, end);
		return 0;
	case ADV_COLD:
	case ADV_PAGEOUT:
		return v->flags & VM_LOCKED ? -EINVAL : 0;
	default:
		return 0; /* MADV_WILLNEED */
	}
}

static bool drops(int advice)
{
	return advice == MADV_DONTNEED || advice == MADV_FREE ||
	       advice == ADV_COLD || advice == ADV_PAGEOUT ||
	       advice == MADV_WILLNEED;
}

static int advise_drop(struct mm *mm, uint64_t start, uint64_t end, int advice)
{
	int err = 0, hole = 0;
	struct vma *v;

	mm_map_read(mm);
	for (v = vma_find(mm, start); !err && start < end; v = vma_next(v)) {
		if (!v || v->start > start)
			hole = -ENOMEM;
		if (!v || v->start >= end)
			break;
		start = MAX(start, v->start);
		err = drop_advice(mm, v, start, MIN(end, v->end), advice);
		start = v->end;
	}
	mm_map_read_done(mm);
	return err ? err : hole;
}

HOLDS(lc_mm_map)
static int set_flags(
	struct mm *mm, struct vma *v, uint64_t start, uint64_t end, int advice)
{
	unsigned flags = v->flags;
	int err = flag_advice(v, advice, &flags);

	if (err || flags == v->flags)
		return err;
	err = vma_isolate(mm, start, end);
	if (err)
		return err;
	v = vma_find(mm, start);
	vma_set(mm, v, v->prot, flags);
	return 0;
}

static int advise_flags(struct mm *mm, uint64_t start, uint64_t end, int advice)
{
	uint64_t first = start;
	struct list dead = LIST_INIT(dead);
	int err = 0, hole = 0;

	mm_map_write(mm);
	while (!err && start < end) {
		struct vma *v = vma_find(mm, start);
		uint64_t next;

		if (!v || v->start > start)
			hole = -ENOMEM;
		if (!v || v->start >= end)
			break;
		start = MAX(start, v->start);
		next = MIN(end, v->end);
		err = set_flags(mm, v, start, next, advice);
		start = next;
	}
	vma_merge(mm, first, end, &dead);
	mm_map_write_done(mm);
	vmas_free(&dead);
	return err ? err : hole;
}

/* The region at or after @start: false when there is none below @end. */
static bool next_held(
	struct mm *mm, uint64_t *start, uint64_t end, struct held *h, int *hole)
{
	struct vma *v;

	mm_map_read(mm);
	v = vma_find(mm, *start);
	if (!v || v->start > *start)
		*hole = -ENOMEM;
	if (v && v->start < end) {
		*start = MAX(*start, v->start);
		hold(h, v, *start, MIN(end, v->end));
	} else {
		v = NULL;
	}
	mm_map_read_done(mm);
	return v != NULL;
}

static int advise_remove(struct mm *mm, uint64_t start, uint64_t end)
{
	int err = 0, hole = 0;
	struct held h;

	while (!err && start < end && next_held(mm, &start, end, &h, &hole)) {
		err = remove_pages(&h);
		start += h.len;
		release(&h);
	}
	return err ? err : hole;
}

static int advise_populate(
	struct mm *mm, uint64_t start, uint64_t end, bool write)
{
	int err = fault_range(mm, start, end, write);

	if (err == -EFAULT)
		return -ENOMEM; /* a hole */
	if (err == -EACCES)
		return -EINVAL;
	return err == -EIO ? -EFAULT : err;
}

int mm_madvise(struct mm *mm, uint64_t addr, uint64_t len, int advice)
{
	uint64_t end = addr + ALIGN_UP(len, PAGE_SIZE);
	bool populate =
		advice == ADV_POPULATE_READ || advice == ADV_POPULATE_WRITE;

	if ((!known_advice(advice) && !populate) || addr % PAGE_SIZE)
		return -EINVAL;
	if (len && (ALIGN_UP(len, PAGE_SIZE) == 0 || end < addr))
		return -EINVAL;
	if (end == addr)
		return 0;
	if (populate)
		return advise_populate(
			mm, addr, end, advice == ADV_POPULATE_WRITE);
	if (advice == MADV_REMOVE)
		return advise_remove(mm, addr, end);
	if (drops(advice))
		return advise_drop(mm, addr, end, advice);
	return advise_flags(mm, addr, end, advice);
}

/* --- msync */

static int sync_held(struct held *h, int flags)
{
	int err;

	if ((flags & MS_INVALIDATE) && h->locked)
		return -EBUSY;
	if (!(flags & MS_SYNC) || !h->shared || !h->file)
		return 0;
	err = mapping_sync(
		h->mapping, (int64_t)h->off, (int64_t)(h->off + h->len));
	if (!err && h->file->ops->fsync)
		err = h->file->ops->fsync(h->file, true);
	return err;
}

int mm_msync(struct mm *mm, uint64_t addr, uint64_t len, int flags)
{
	uint64_t end = addr + ALIGN_UP(len, PAGE_SIZE);
	int err = 0, hole = 0;
	struct held h;

	if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) ||
		addr % PAGE_SIZE || ((flags & MS_ASYNC) && (flags & MS_SYNC)))
		return -EINVAL;
	if (end < addr)
		return -ENOMEM;
	while (!err && addr < end && next_held(mm, &addr, end, &h, &hole)) {
		err = sync_held(&h, flags);
		addr += h.len;
		release(&h);
	}
	return err ? err : hole;
}

/* --- mincore */

/* Is the frame backed by memory on the host? */
static bool resident(paddr_t pa)
{
	unsigned char c = 1;

	return mincore(phys_ptr(pa), PAGE_SIZE, &c) < 0 || (c & 1);
}

HOLDS_SHARED(lc_mm_map)
static unsigned char page_state(
	struct mm *mm, const struct vma *v, uint64_t addr)
{
	uint64_t n;
	paddr_t pa;
	pte_t pte;
	bool in;

	mm_active_read(&mm->as);
	pte = ptable_get(&mm->as.pt, addr);
	in = (pte & PTE_P) && resident(pte & PTE_ADDR);
	mm_active_read_done(&mm->as);
	if (pte & PTE_P || !v->mapping)
		return in;
	if (mapping_frames(v->mapping, vma_offset(v, addr) >> PAGE_SHIFT, 1, 0,
		    &pa, &n))
		return 0;
	/* What a file in memory has is there, touched by us or not. */
	in = (!v->mapping->host && v->mapping->ops->size) || resident(pa);
	frames_put(pa, 1);
	return in;
}

int mm_mincore(struct mm *mm, uint64_t addr, unsigned char *vec, size_t n)
{
	struct vma *v;

	if (mm_interrupted())
		return -EINTR;
	mm_map_read(mm);
	v = vma_find(mm, addr);
	for (size_t i = 0; i < n; i++, addr += PAGE_SIZE) {
		if (v && v->end <= addr)
			v = vma_next(v);
		if (!v || v->start > addr) {
			mm_map_read_done(mm);
			return -ENOMEM;
		}
		vec[i] = page_state(mm, v, addr);
	}
	mm_map_read_done(mm);
	return 0;
}
