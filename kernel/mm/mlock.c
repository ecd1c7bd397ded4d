/*
 * mlock.c - mlock(2), munlock(2), mlockall(2).
 *
 * Nothing is ever swapped out here; locking faults pages in, counts them
 * against RLIMIT_MEMLOCK, and keeps MADV_DONTNEED away.
 */
#include <errno.h>
#include <sys/resource.h>

#include "kernel/mm/fault.h"

#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4
#endif
#define LOCK_FLAGS (VM_LOCKED | VM_LOCKONFAULT)

/* Sets the lock flags of [start, end) to @flags; -ENOMEM at a hole. */
HOLDS(lc_mm_map)
static int apply(struct mm *mm, uint64_t start, uint64_t end, unsigned flags,
	struct list *dead)
{
	uint64_t first = start;
	int err = 0;

	while (start < end && !err) {
		struct vma *v = vma_find(mm, start);
		uint64_t next;

		if (!v || v->start > start) {
			err = -ENOMEM;
			break;
		}
		next = MIN(v->end, end);
		if ((v->flags & LOCK_FLAGS) != flags &&
			!(v->flags & VM_SPECIAL)) {
			err = vma_isolate(mm, start, next);
			if (err)
				break;
			v = vma_find(mm, start);
			vma_set(mm, v, v->prot,
				(v->flags & ~(unsigned)LOCK_FLAGS) | flags);
		}
		start = next;
	}
	vma_merge(mm, first, start, dead);
	return err;
}

HOLDS_SHARED(lc_mm_map)
static uint64_t locked_in(struct mm *mm, uint64_t start, uint64_t end)
{
	uint64_t n = 0;

	for (struct vma *v = vma_find(mm, start); v && v->start < end;
		v = vma_next(v))
		if (v->flags & VM_LOCKED)
			n += MIN(v->end, end) - MAX(v->start, start);
	return n >> PAGE_SHIFT;
}

/* What populating failed with, as mlock(2) says it. */
static int populate(struct mm *mm, uint64_t start, uint64_t end)
{
	int err = fault_range(mm, start, end, false);

	if (err == -ENOMEM)
		return -EAGAIN;
	return err ? -ENOMEM : 0;
}

int mm_mlock(struct mm *mm, uint64_t addr, uint64_t len, bool onfault)
{
	uint64_t start = ALIGN_DOWN(addr, PAGE_SIZE);
	uint64_t end = ALIGN_UP(addr + len, PAGE_SIZE);
	struct list dead = LIST_INIT(dead);
	int err = 0;

	if (!may_lock_any(mm))
		return -EPERM;
	if (end < start || addr + len < addr)
		return -EINVAL;
	mm_map_write(mm);
	if (may_lock(mm, (end - start) >> PAGE_SHIFT) &&
		may_lock(mm, ((end - start) >> PAGE_SHIFT) -
				     locked_in(mm, start, end)))
		err = -ENOMEM;
	if (!err)
		err = apply(mm, start, end,
			VM_LOCKED | (onfault ? VM_LOCKONFAULT : 0), &dead);
	mm_map_write_done(mm);
	vmas_free(&dead);
	if (err || onfault)
		return err;
	return populate(mm, start, end);
}

int mm_munlock(struct mm *mm, uint64_t addr, uint64_t len)
{
	uint64_t start = ALIGN_DOWN(addr, PAGE_SIZE);
	uint64_t end = ALIGN_UP(addr + len, PAGE_SIZE);
	struct list dead = LIST_INIT(dead);
	int err;

	if (end < start || addr + len < addr)
		return -EINVAL;
	mm_map_write(mm);
	err = apply(mm, start, end, 0, &dead);
	mm_map_write_done(mm);
	vmas_free(&dead);
	return err;
}

/* Each region by itself: holes are no error. */
HOLDS(lc_mm_map)
static void apply_all(struct mm *mm, unsigned flags)
{
	for (struct vma *v = vma_first(mm); v; v = vma_next(v))
		if (!(v->flags & VM_SPECIAL))
			vma_set(mm, v, v->prot,
				(v->flags & ~(unsigned)LOCK_FLAGS) | flags);
}

static void populate_all(struct mm *mm)
{
	uint64_t at = 0, end;
	struct vma *v;

	do {
		mm_map_read(mm);
		v = vma_find(mm, at);
		at = v ? v->start : 0;
		end = v ? v->end : 0;
		mm_map_read_done(mm);
		/* As far as it goes. */
		if (fault_range(mm, at, end, false) == -EINTR)
			return;
		at = end;
	} while (v);
}

int mm_mlockall(struct mm *mm, int flags)
{
	unsigned set = VM_LOCKED | (flags & MCL_ONFAULT ? VM_LOCKONFAULT : 0);
	int err = 0;

	if (!flags || flags == MCL_ONFAULT ||
		(flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)))
		return -EINVAL;
	if (!may_lock_any(mm))
		return -EPERM;
	mm_map_write(mm);
	if ((flags & MCL_CURRENT) && mm->total_pages > mm->locked_pages &&
		may_lock(mm, mm->total_pages - mm->locked_pages))
		err = -ENOMEM;
	if (!err) {
		mm->def_flags = flags & MCL_FUTURE ? (int)set : 0;
		if (flags & MCL_CURRENT)
			apply_all(mm, set);
	}
	mm_map_write_done(mm);
	if (!err && (flags & MCL_CURRENT) && !(flags & MCL_ONFAULT))
		populate_all(mm);
	return err;
}

void mm_munlockall(struct mm *mm)
{
	mm_map_write(mm);
	mm->def_flags = 0;
	apply_all(mm, 0);
	mm_map_write_done(mm);
}
