/*
 * mmap.c - mmap(2), munmap(2), mprotect(2), brk(2).
 *
 * Each changes the regions under mm_map held exclusively, then the page table
 * in one section of mm_active with one sync.  What a file says to being mapped
 * is asked before any lock; references go after the last.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "kernel/mm/fault.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 0x03
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MAP_SYNC
#define MAP_SYNC 0x80000
#endif
#define LOW_32BIT       0x40000000UL /* MAP_32BIT: between these */
#define HIGH_32BIT      0x80000000UL
#define MS_NOEXEC_MOUNT 8 /* MS_NOEXEC */

#define PROT_ALL       (PROT_READ | PROT_WRITE | PROT_EXEC)
#define PROT_SEM_ABI   8
#define MAP_HUGE_SIZES (int)0xfc000000
/* What MAP_SHARED_VALIDATE knows; Linux: LEGACY_MAP_MASK. */
#define MAP_KNOWN                                                             \
	(MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS |               \
		MAP_DENYWRITE | MAP_EXECUTABLE | MAP_GROWSDOWN | MAP_LOCKED | \
		MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK |     \
		MAP_HUGETLB | MAP_32BIT | MAP_HUGE_SIZES)

/* --- limits */

static bool capable(int cap)
{
	return !current || task_capable(current, cap);
}

int may_expand(struct mm *mm, int prot, unsigned flags, uint64_t pages)
{
	uint64_t as = mm->rlimit_as, data = mm->rlimit_data;

	if (as != RLIM_INFINITY && mm->total_pages + pages > as >> PAGE_SHIFT)
		return -ENOMEM;
	if (data != RLIM_INFINITY && (prot & PROT_WRITE) &&
		!(flags & (VM_SHARED | VM_GROWSDOWN)) &&
		mm->data_pages + pages > data >> PAGE_SHIFT)
		return -ENOMEM;
	return 0;
}

int may_lock(struct mm *mm, uint64_t pages)
{
	uint64_t limit = mm->rlimit_memlock;

	if (limit == RLIM_INFINITY ||
		mm->locked_pages + pages <= limit >> PAGE_SHIFT ||
		capable(CAP_IPC_LOCK))
		return 0;
	return -EAGAIN;
}

bool may_lock_any(struct mm *mm)
{
	return mm->rlimit_memlock != 0 || capable(CAP_IPC_LOCK);
}

/* --- munmap */

int unmap_range(struct mm *mm, uint64_t start, uint64_t end, struct list *dead)
{
	struct vma *v, *next;
	int err;

	if (vma_range_free(mm, start, end))
		return 0;
	err = vma_isolate(mm, start, end);
	if (err)
		return err;
	for (v = vma_find(mm, start); v && v->start < end; v = next) {
		next = vma_next(v);
		vma_remove(mm, v);
		list_add_tail(dead, &v->mapped);
	}
	mm_zap(mm, start, end);
	return 0;
}

int mm_munmap(struct mm *mm, uint64_t addr, uint64_t len)
{
	struct list dead = LIST_INIT(dead);
	int err;

	if (addr % PAGE_SIZE || addr > platform_max_addr ||
		len > platform_max_addr - addr)
		return -EINVAL;
	len = ALIGN_UP(len, PAGE_SIZE);
	if (!len)
		return -EINVAL;
	mm_map_write(mm);
	err = unmap_range(mm, addr, addr + len, &dead);
	mm_map_write_done(mm);
	vmas_free(&dead);
	return err;
}

/* --- mmap */

/* Logarithm of the page size in a request for huge pages; 0: the default. */
#define HUGE_SHIFT 26
#define HUGE_MASK  63
#define HUGE_2M    21
#define HUGE_1G    30

/* Checks @r against the file's mode and makes VM_* of it. */
static int file_flags(const struct mmap_req *r, unsigned *vm)
{
	struct file *f = r->file;
	int type = r->flags & MAP_TYPE;

	if (r->flags & MAP_HUGETLB)
		return -EINVAL;
	switch (type) {
	case MAP_SHARED_VALIDATE:
		/* MAP_SYNC too. */
		if (r->flags & ~(MAP_KNOWN | MAP_TYPE | MAP_FIXED_NOREPLACE))
			return -EOPNOTSUPP;
		/* fallthrough */
	case MAP_SHARED:
		if ((r->prot & PROT_WRITE) && !file_writable(f))
			return -EACCES;
		*vm |= VM_SHARED;
		if (!file_writable(f))
			*vm &= ~(unsigned)VM_MAYWRITE;
		break;
	case MAP_PRIVATE:
		break;
	default:
		return -EINVAL;
	}
	if (!file_readable(f))
		return -EACCES;
	if (f->path.mnt &&
		(atomic_load(&f->path.mnt->flags) & MS_NOEXEC_MOUNT)) {
		if (r->prot & PROT_EXEC)
			return -EPERM;
		*vm &= ~(unsigned)VM_MAYEXEC;
	}
	if (!f->ops->mmap)
		return -ENODEV;
	return r->flags & MAP_GROWSDOWN ? -EINVAL : 0;
}

static int anon_flags(const struct mmap_req *r, unsigned *vm)
{
	int size = r->flags >> HUGE_SHIFT & HUGE_MASK;

	if ((r->flags & MAP_HUGETLB) && !r->mapping) /* pools of no pages */
		return size && size != HUGE_2M && size != HUGE_1G ? -EINVAL
								  : -ENOMEM;
	switch (r->flags & MAP_TYPE) {
	case MAP_SHARED:
		if (r->flags & MAP_GROWSDOWN)
			return -EINVAL;
		*vm |= VM_SHARED;
		return 0;
	case MAP_PRIVATE:
		return 0;
	default:
		return -EINVAL;
	}
}

static int request_flags(struct mm *mm, const struct mmap_req *r, unsigned *vm)
	HOLDS_SHARED(lc_mm_map);
static int request_flags(struct mm *mm, const struct mmap_req *r, unsigned *vm)
{
	*vm = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | (unsigned)mm->def_flags;
	if (r->flags & MAP_LOCKED)
		*vm |= VM_LOCKED;
	if (r->flags & MAP_GROWSDOWN)
		*vm |= VM_GROWSDOWN;
	if (r->flags & MAP_NORESERVE)
		*vm |= VM_NORESERVE;
	if (r->mapping && r->name)
		*vm |= VM_SPECIAL | VM_DONTDUMP;
	if ((r->flags & MAP_LOCKED) && !may_lock_any(mm))
		return -EPERM;
	return r->file && !r->mapping ? file_flags(r, vm) : anon_flags(r, vm);
}

/* Where: the address, or -errno. */
HOLDS_SHARED(lc_mm_map)
static int64_t choose(struct mm *mm, const struct mmap_req *r, uint64_t len)
{
	uint64_t addr = r->addr, align = PAGE_SIZE, at;
	struct vma *next;

	if (r->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
		if (addr % PAGE_SIZE)
			return -EINVAL;
		if (len > platform_max_addr || addr > platform_max_addr - len)
			return -ENOMEM;
		if (addr < MMAP_MIN_ADDR)
			return -EPERM;
		if ((r->flags & MAP_FIXED_NOREPLACE) &&
			!vma_range_free(mm, addr, addr + len))
			return -EEXIST;
		return (int64_t)addr;
	}
	if (len > platform_max_addr)
		return -ENOMEM;
	addr = ALIGN_DOWN(addr, PAGE_SIZE);
	if (addr >= MMAP_MIN_ADDR && addr <= platform_max_addr - len &&
		vma_range_free(mm, addr, addr + len)) {
		next = vma_find(mm, addr + len);
		if (!next || !(next->flags & VM_GROWSDOWN) ||
			addr + len + STACK_GAP <= next->start)
			return (int64_t)addr;
	}
	if (r->flags & MAP_32BIT) {
		at = vma_gap(mm, len, PAGE_SIZE, 0, LOW_32BIT, HIGH_32BIT);
		return at ? (int64_t)at : -ENOMEM;
	}
	/* Slots of frames and windows are 2 MiB: large mappings fit them. */
	if (len >= WINDOW_SIZE)
		align = WINDOW_SIZE;
	at = vma_gap(mm, len, align, r->off, MMAP_MIN_ADDR, mm->mmap_base);
	if (!at)
		at = vma_gap(mm, len, PAGE_SIZE, 0, mm->mmap_base,
			platform_max_addr);
	return at ? (int64_t)at : -ENOMEM;
}

/* Linux's heuristic: more than there is at all is refused. */
static bool overcommits(const struct mmap_req *r, unsigned vm, uint64_t len)
{
	return (r->prot & PROT_WRITE) && !(vm & (VM_SHARED | VM_NORESERVE)) &&
	       len > memfile_limit();
}

static struct vma *vma_make(struct mm *mm, const struct mmap_req *r,
	uint64_t at, uint64_t len, unsigned vm, struct mapping *m)
{
	struct vma *v = calloc(1, sizeof *v);

	if (!v)
		return NULL;
	*v = (struct vma){
		.mm = mm,
		.start = at,
		.end = at + len,
		.off = m ? r->off : at,
		.prot = r->prot & PROT_ALL,
		.flags = vm,
		.mapping = m ? mapping_get(m) : NULL,
		.file = r->file ? file_get(r->file) : NULL,
		.name = r->name,
	};
	list_init(&v->mapped);
	return v;
}

HOLDS_SHARED(lc_mm_map)
static uint64_t mapped_pages(struct mm *mm, uint64_t start, uint64_t end)
{
	uint64_t n = 0;

	for (struct vma *v = vma_find(mm, start); v && v->start < end;
		v = vma_next(v))
		n += MIN(v->end, end) - MAX(v->start, start);
	return n >> PAGE_SHIFT;
}

HOLDS(lc_mm_map)
static int64_t mmap_locked(struct mm *mm, const struct mmap_req *r,
	uint64_t len, struct mapping *m, struct list *dead)
{
	unsigned vm;
	struct vma *v;
	int64_t at = choose(mm, r, len);
	int err;

	if (at < 0)
		return at;
	err = request_flags(mm, r, &vm);
	if (m && m->host && (vm & VM_SHARED) && !host_writable(m)) {
		vm &= ~(unsigned)VM_MAYWRITE;
		if (r->prot & PROT_WRITE)
			err = -EACCES;
	}
	if (m && m->sealed && (vm & VM_SHARED)) {
		vm &= ~(unsigned)VM_MAYWRITE;
		if (r->prot & PROT_WRITE)
			err = -EPERM;
	}
	if (!err && (vm & VM_LOCKED))
		err = may_lock(mm, len >> PAGE_SHIFT);
	if (!err && mm->nvmas >= VMA_MAX)
		err = -ENOMEM;
	if (!err && overcommits(r, vm, len))
		err = -ENOMEM;
	if (!err && may_expand(mm, r->prot, vm, len >> PAGE_SHIFT)) {
		/* What MAP_FIXED replaces is given back. */
		uint64_t old =
			mapped_pages(mm, (uint64_t)at, (uint64_t)at + len);

		err = may_expand(mm, r->prot, vm, (len >> PAGE_SHIFT) - old);
	}
	if (err)
		return err;
	v = vma_make(mm, r, (uint64_t)at, len, vm, m);
	if (!v)
		return -ENOMEM;
	err = unmap_range(mm, v->start, v->end, dead);
	if (err) {
		list_add_tail(dead, &v->mapped);
		return err;
	}
	vma_insert(mm, v);
	fault_eager(mm, v);
	vma_merge(mm, (uint64_t)at, (uint64_t)at + len, dead);
	return at;
}

/* The mapping of the file, or fresh shared memory: a reference, or NULL. */
static int get_mapping(
	struct mm *mm, const struct mmap_req *r, struct mapping **m)
{
	unsigned vm;
	int err;

	*m = NULL;
	if (r->mapping) {
		*m = mapping_get(r->mapping);
		return 0;
	}
	if (!r->file) {
		if ((r->flags & MAP_TYPE) != MAP_SHARED)
			return 0;
		return mapping_new_anon(m);
	}
	mm_map_read(mm);
	err = request_flags(mm, r, &vm);
	mm_map_read_done(mm);
	return err ? err : r->file->ops->mmap(r->file, r->prot, r->flags, m);
}

int64_t mm_mmap(struct mm *mm, const struct mmap_req *r)
{
	uint64_t len = ALIGN_UP(r->len, PAGE_SIZE);
	struct list dead = LIST_INIT(dead);
	struct mapping *m;
	bool populate;
	int64_t at;
	int err;

	if (!r->len)
		return -EINVAL;
	if (!len || len > platform_max_addr)
		return -ENOMEM;
	if (r->off % PAGE_SIZE)
		return -EINVAL;
	if (r->off + len < r->off || (r->file && r->off + len > INT64_MAX))
		return -EOVERFLOW;
	err = get_mapping(mm, r, &m);
	if (err)
		return err;
	mm_map_write(mm);
	at = mmap_locked(mm, r, len, m, &dead);
	populate =
		at >= 0 &&
		((r->flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE ||
			(r->flags & MAP_LOCKED) ||
			(mm->def_flags & (VM_LOCKED | VM_LOCKONFAULT)) ==
				VM_LOCKED);
	mm_map_write_done(mm);
	vmas_free(&dead);
	mapping_put(m);
	if (populate && (r->prot & PROT_ALL)) /* failures show when touched */
		(void)fault_range(mm, (uint64_t)at, (uint64_t)at + len,
			(r->prot & PROT_WRITE) &&
				(r->flags & MAP_TYPE) == MAP_PRIVATE);
	return at;
}

/* --- mprotect */

struct reprotect {
	struct mm *mm;
	struct vma *v;
	bool track;
	uint64_t first, last;
};

HOLDS(lc_mm_active)
static int reprotect_entry(void *arg, uint64_t va, pte_t *pte)
{
	struct reprotect *r = arg;
	pte_t old = *pte, bits;

	if (!(old & PTE_P))
		return 0;
	bits = vma_pte(r->v, old & PTE_COW);
	if (r->track && !(old & PTE_W))
		bits &= ~PTE_W;
	ptable_protect(&r->mm->as.pt, va, bits);
	if ((*pte ^ old) & PTE_PERM) {
		r->first = MIN(r->first, va);
		r->last = MAX(r->last, va + PAGE_SIZE);
	}
	return 0;
}

/* Entries follow the regions of [start, end). */
HOLDS_SHARED(lc_mm_map)
static void reprotect(struct mm *mm, uint64_t start, uint64_t end)
{
	struct reprotect r = { .mm = mm, .first = UINT64_MAX };
	struct vma *v = vma_find(mm, start);

	mm_active_write(&mm->as);
	for (; v && v->start < end; v = vma_next(v)) {
		uint64_t s = MAX(v->start, start), e = MIN(v->end, end);

		r.v = v;
		r.track = v->mapping && !vma_is_cow(v) && !v->mapping->host &&
			  v->mapping->ops->writeback;
		if (v->mapping && (v->prot & PROT_EXEC) &&
			host_noexec(v->mapping))
			mm_zap_windows(mm, s, e); /* they come back as copies */
		(void)ptable_walk(&mm->as.pt, s, e, reprotect_entry, &r);
	}
	if (r.first != UINT64_MAX)
		mm_sync(mm, r.first, r.last);
	mm_active_write_done(&mm->as);
}

HOLDS(lc_mm_map)
static int protect_vma(
	struct mm *mm, struct vma *v, uint64_t start, uint64_t end, int prot)
{
	unsigned may = (v->flags & VM_MAYREAD ? PROT_READ : 0) |
		       (v->flags & VM_MAYWRITE ? PROT_WRITE : 0) |
		       (v->flags & VM_MAYEXEC ? PROT_EXEC : 0);
	int err;

	if ((unsigned)prot & ~may)
		return -EACCES;
	if (v->prot == prot)
		return 0;
	if ((prot & PROT_WRITE) && !(v->prot & PROT_WRITE) &&
		!(v->flags & VM_SHARED) && mm->rlimit_data != RLIM_INFINITY &&
		mm->data_pages + ((end - start) >> PAGE_SHIFT) >
			mm->rlimit_data >> PAGE_SHIFT)
		return -ENOMEM;
	err = vma_isolate(mm, MAX(v->start, start), MIN(v->end, end));
	if (err)
		return err;
	v = vma_find(mm, start);
	vma_set(mm, v, prot, v->flags);
	return 0;
}

/* PROT_GROWSDOWN and PROT_GROWSUP widen the range to the whole region. */
HOLDS_SHARED(lc_mm_map)
static int widen(struct mm *mm, uint64_t *start, uint64_t end, int prot)
{
	struct vma *v = vma_find(mm, *start);

	if (!v)
		return -ENOMEM;
	if (prot & PROT_GROWSDOWN) {
		if (v->start >= end)
			return -ENOMEM;
		if (!(v->flags & VM_GROWSDOWN))
			return -EINVAL;
		*start = v->start;
		return 0;
	}
	if (v->start > *start)
		return -ENOMEM;
	return prot & PROT_GROWSUP ? -EINVAL : 0; /* none grows up here */
}

int mm_mprotect(struct mm *mm, uint64_t addr, uint64_t len, int prot)
{
	const int grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
	struct list dead = LIST_INIT(dead);
	uint64_t end, at;
	int err;

	prot &= ~(PROT_GROWSDOWN | PROT_GROWSUP);
	if (grows == (PROT_GROWSDOWN | PROT_GROWSUP) || addr % PAGE_SIZE)
		return -EINVAL;
	if (!len)
		return 0;
	len = ALIGN_UP(len, PAGE_SIZE);
	end = addr + len;
	if (end <= addr)
		return -ENOMEM;
	if (prot & ~(PROT_ALL | PROT_SEM_ABI))
		return -EINVAL;
	prot &= PROT_ALL;
	mm_map_write(mm);
	err = widen(mm, &addr, end, grows);
	for (at = addr; !err && at < end;) {
		struct vma *v = vma_find(mm, at);
		uint64_t next;

		if (!v || v->start > at) {
			err = -ENOMEM;
			break;
		}
		next = MIN(v->end, end);
		err = protect_vma(mm, v, at, next, prot);
		if (!err)
			at = next;
	}
	if (at > addr) {
		reprotect(mm, addr, at);
		vma_merge(mm, addr, at, &dead);
	}
	mm_map_write_done(mm);
	vmas_free(&dead);
	return err;
}

/* --- brk */

HOLDS(lc_mm_map)
static bool brk_grow(
	struct mm *mm, uint64_t from, uint64_t to, struct list *dead)
{
	unsigned vm =
		VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | (unsigned)mm->def_flags;
	struct mmap_req r = { .prot = PROT_READ | PROT_WRITE,
		.name = "[heap]" };
	struct vma *next = vma_find(mm, from), *v;
	uint64_t pages = (to - from) >> PAGE_SHIFT;

	if (next &&
		to > next->start - (next->flags & VM_GROWSDOWN
						   ? MIN(STACK_GAP, next->start)
						   : 0))
		return false;
	if (may_expand(mm, r.prot, vm, pages) ||
		((vm & VM_LOCKED) && may_lock(mm, pages)) ||
		mm->nvmas >= VMA_MAX || overcommits(&r, vm, to - from))
		return false;
	v = vma_make(mm, &r, from, to - from, vm, NULL);
	if (!v)
		return false;
	vma_insert(mm, v);
	fault_eager(mm, v);
	vma_merge(mm, from, to, dead);
	return true;
}

HOLDS(lc_mm_map)
static bool brk_set(struct mm *mm, uint64_t to, struct list *dead)
{
	uint64_t old = ALIGN_UP(mm->brk, PAGE_SIZE),
		 new = ALIGN_UP(to, PAGE_SIZE);

	if (to < mm->brk_start || new < to || new > platform_max_addr)
		return false;
	if (mm->rlimit_data != RLIM_INFINITY &&
		(to - mm->brk_start) + (mm->data_end - mm->data_start) >
			mm->rlimit_data)
		return false;
	if (new < old)
		return unmap_range(mm, new, old, dead) == 0;
	return new == old || brk_grow(mm, old, new, dead);
}

uint64_t mm_brk(struct mm *mm, uint64_t to)
{
	struct list dead = LIST_INIT(dead);
	uint64_t old, now;
	bool populate;

	mm_map_write(mm);
	old = mm->brk;
	if (brk_set(mm, to, &dead))
		mm->brk = to;
	now = mm->brk;
	populate = now > old && (mm->def_flags & VM_LOCKED) &&
		   !(mm->def_flags & VM_LOCKONFAULT);
	mm_map_write_done(mm);
	vmas_free(&dead);
	if (populate)
		(void)fault_range(mm, ALIGN_UP(old, PAGE_SIZE),
			ALIGN_UP(now, PAGE_SIZE), true);
	return now;
}
