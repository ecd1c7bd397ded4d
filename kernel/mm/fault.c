/*
 * fault.c - page faults: what a vma promises becomes a page table entry.
 *
 * Rules about entries:
 *	- in a private vma, PTE_COW is set if and only if the frame may be
 *	  shared (with a file, or with another process after fork), whatever
 *	  the protection is; without it the frame is this address space's own
 *	- in a shared vma PTE_COW is never set; PTE_W is missing where the
 *	  mapping must hear of the first write (mapping_ops.writeback)
 *
 * The platform may not know which kind of access it was.  When the host maps
 * what the entry says, the access was one that the entry does not allow; when
 * the host's map is behind, the fault is answered by a sync, and the next one
 * tells.  Another thread may have changed the entry since the fault: nobody is
 * accused before the same fault came twice with no change in between.
 *
 * Frames of a mapping are taken with references before mm_active; the
 * mapping's unmap_seq, read before and compared after, tells when a truncate
 * went through the address spaces in between.
 */
#include "kernel/mm/fault.h"

#include <errno.h>
#include <string.h>

#include "core/log.h"
#include "kernel/mm/frames.h"
#include "kernel/task/task.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"

#define AROUND    16UL /* pages mapped at a first fault: 64 KiB */
#define AHEAD_MAX 512UL
#define SMALL_VMA 64 /* pages: mapped whole at once */
#define EAGER_MAX 16 /* pages that mmap(2) itself maps */
#define MAX_RUNS  32

void mm_sync(struct mm *mm, uint64_t start, uint64_t end)
{
	atomic_fetch_add(&mm->sync_seq, 1);
	platform->aspace_sync(
		&mm->as, current ? current->pctx : NULL, start, end);
}

pte_t vma_pte(const struct vma *v, bool cow)
{
	pte_t bits = 0;

	if (!(v->prot & PROT_EXEC))
		bits |= PTE_NX;
	if (!(v->prot & (PROT_READ | PROT_WRITE | PROT_EXEC)))
		bits |= PTE_NONE;
	if (cow)
		bits |= PTE_COW;
	else if (v->prot & PROT_WRITE)
		bits |= PTE_W;
	return bits;
}

static unsigned pte_access(pte_t pte)
{
	if (!(pte & PTE_P) || (pte & PTE_NONE))
		return 0;
	return PACC_READ | (pte & PTE_W ? PACC_WRITE : 0) |
	       (pte & PTE_NX ? 0 : PACC_EXEC);
}

static unsigned vma_access(const struct vma *v)
{
	unsigned a = 0;

	if (v->prot & (PROT_READ | PROT_WRITE | PROT_EXEC))
		a |= PACC_READ;
	if (v->prot & PROT_WRITE)
		a |= PACC_WRITE;
	if (v->prot & PROT_EXEC)
		a |= PACC_EXEC;
	return a;
}

/* --- taking pages out */

struct zap {
	struct mm *mm;
	struct frame_batch batch;
	bool windows;         /* only those */
	uint64_t first, last; /* cleared */
};

static int zap_entry(void *arg, uint64_t va, pte_t *pte)
{
	struct zap *z = arg;
	paddr_t pa = *pte & PTE_ADDR;

	if (!(*pte & PTE_P) || (z->windows && !phys_is_window(pa)))
		return 0;
	if (!frame_batch_add(&z->batch, pa))
		return 1;
	ptable_clear(&z->mm->as.pt, va);
	if (z->first == UINT64_MAX)
		z->first = va;
	z->last = va + PAGE_SIZE;
	return 0;
}

static void note_rss(struct mm *mm) HOLDS(lc_mm_active);
static void note_rss(struct mm *mm)
{
	if (mm->as.pt.npresent > atomic_load(&mm->max_rss))
		atomic_store(&mm->max_rss, mm->as.pt.npresent);
}

static void zap(struct zap *z, uint64_t start, uint64_t end)
	HOLDS(lc_mm_active);
static void zap(struct zap *z, uint64_t start, uint64_t end)
{
	int more;

	note_rss(z->mm);
	do {
		z->first = UINT64_MAX;
		more = ptable_walk(&z->mm->as.pt, start, end, zap_entry, z);
		if (z->first == UINT64_MAX)
			break;
		mm_sync(z->mm, z->first, z->last);
		frame_batch_put(&z->batch);
		start = z->last;
	} while (more);
}

void mm_zap_locked(struct mm *mm, uint64_t start, uint64_t end)
{
	struct zap z = { .mm = mm };

	zap(&z, start, end);
	if (end - start >= 1UL << SLOT_SHIFT)
		ptable_prune(&mm->as.pt, start, end);
}

void mm_zap_windows(struct mm *mm, uint64_t start, uint64_t end)
{
	struct zap z = { .mm = mm, .windows = true };

	zap(&z, start, end);
}

void mm_zap(struct mm *mm, uint64_t start, uint64_t end)
{
	mm_active_write(&mm->as);
	mm_zap_locked(mm, start, end);
	mm_active_write_done(&mm->as);
}

/* --- anonymous pages */

/* Which absent pages around @addr a fault fills. */
HOLDS(lc_mm_active)
static void ahead_range(struct mm *mm, struct vma *v, uint64_t addr,
	uint64_t ahead, uint64_t *start, uint64_t *end)
{
	uint64_t s, e, n = AROUND;

	if (ahead) {
		s = addr;
		e = addr + MIN(ahead, AHEAD_MAX) * PAGE_SIZE;
	} else if ((v->flags & VM_RANDOM) || memfile_tight()) {
		s = addr;
		e = addr + PAGE_SIZE;
	} else if (vma_pages(v) <= SMALL_VMA) {
		s = v->start;
		e = v->end;
	} else if (addr == v->next_fault && v->ahead) {
		n = MIN(v->ahead * 2UL, AHEAD_MAX);
		s = addr;
		e = addr + n * PAGE_SIZE;
	} else {
		s = ALIGN_DOWN(addr, AROUND * PAGE_SIZE);
		e = s + AROUND * PAGE_SIZE;
	}
	v->ahead = (unsigned)n;
	s = MAX(s, v->start);
	e = MIN(e, v->end);
	for (*start = addr; *start > s; *start -= PAGE_SIZE)
		if (ptable_get(&mm->as.pt, *start - PAGE_SIZE) & PTE_P)
			break;
	for (*end = addr + PAGE_SIZE; *end < e; *end += PAGE_SIZE)
		if (ptable_get(&mm->as.pt, *end) & PTE_P)
			break;
	v->next_fault = *end;
}

/* Zeroed frames for [va, end); returns how far it came. */
HOLDS(lc_mm_active)
static uint64_t fill_anon(
	struct mm *mm, struct vma *v, uint64_t va, uint64_t end)
{
	pte_t bits = vma_pte(v, false);

	while (va < end) {
		paddr_t pa;
		unsigned n = frames_alloc_slot(&mm->slots, va,
			(unsigned)MIN((end - va) >> PAGE_SHIFT, 1UL << 20),
			true, &pa);

		if (!n)
			return va;
		for (unsigned i = 0; i < n; i++, va += PAGE_SIZE)
			if (ptable_set(&mm->as.pt, va, pa + i * PAGE_SIZE,
				    bits) < 0) {
				frames_put(pa + i * PAGE_SIZE, n - i);
				return va;
			}
	}
	return va;
}

HOLDS(lc_mm_active)
static int anon_absent(
	struct mm *mm, struct vma *v, uint64_t addr, uint64_t ahead)
{
	uint64_t start, end, done;

	ahead_range(mm, v, addr, ahead, &start, &end);
	done = fill_anon(mm, v, start, end);
	if (done > start)
		mm_sync(mm, start, done);
	if (done > addr)
		return 0;
	/* Memory is short: the one page that is needed. */
	if (fill_anon(mm, v, addr, addr + PAGE_SIZE) == addr &&
		(!reclaim_untouched(mm) ||
			fill_anon(mm, v, addr, addr + PAGE_SIZE) == addr))
		return -ENOMEM;
	mm_sync(mm, addr, addr + PAGE_SIZE);
	return 0;
}

void fault_eager(struct mm *mm, struct vma *v)
{
	if (v->mapping || vma_pages(v) > EAGER_MAX || !(v->prot & PROT_WRITE) ||
		(v->flags & VM_GROWSDOWN))
		return;
	mm_active_write(&mm->as);
	(void)anon_absent(mm, v, v->start, 0); /* a fault says ENOMEM */
	mm_active_write_done(&mm->as);
}

/* --- copy on write */

/*
 * May pages be copied before they are written?  A private page of a file shows
 * what others write to the file until it is copied: so only if nobody can.
 */
static bool copies_early(const struct vma *v)
{
	if (!v->mapping)
		return true;
	return v->file && v->file->inode &&
	       atomic_load(&v->file->inode->writers) <= 0;
}

HOLDS(lc_mm_active)
static bool is_shared_cow(struct mm *mm, uint64_t va, bool want_shared)
{
	pte_t pte = ptable_get(&mm->as.pt, va);
	paddr_t pa = pte & PTE_ADDR;

	if (!(pte & PTE_P) || !(pte & PTE_COW))
		return false;
	return (phys_is_window(pa) || frame_refs(pa) > 1) == want_shared;
}

/*
 * Copies the pages of [va, va + n) to own frames; returns how many it could,
 * and in *@err why not more.
 */
HOLDS(lc_mm_active)
static unsigned copy_pages(struct mm *mm, struct vma *v, uint64_t va,
	unsigned n, struct frame_batch *old, int *err)
{
	paddr_t pa;
	unsigned k = frames_alloc_slot(&mm->slots, va, n, false, &pa), i;

	*err = -ENOMEM;
	for (i = 0; i < k; i++, va += PAGE_SIZE) {
		paddr_t from = ptable_get(&mm->as.pt, va) & PTE_ADDR;
		void *dst = phys_ptr(pa + i * PAGE_SIZE);

		if (phys_is_window(from)) {
			if (phys_copy(dst, phys_ptr(from), PAGE_SIZE) <
				PAGE_SIZE) {
				*err = -EIO; /* beyond the end of the file */
				break;
			}
		} else {
			memcpy(dst, phys_ptr(from), PAGE_SIZE);
		}
		if (ptable_set(&mm->as.pt, va, pa + i * PAGE_SIZE,
			    vma_pte(v, false)) < 0)
			break;
		bug_on(!frame_batch_add(old, from));
	}
	if (i < k)
		frames_put(pa + i * PAGE_SIZE, k - i);
	return i;
}

/*
 * A write to a present page whose frame may be shared.  Handles up to 64 KiB of
 * neighbours in the same state.  Syncs them, and [@start, @end) too.
 */
HOLDS(lc_mm_active)
static int break_cow(struct mm *mm, struct vma *v, uint64_t addr, bool around,
	uint64_t start, uint64_t end)
{
	bool shared = !is_shared_cow(mm, addr, false);
	uint64_t s = addr, e = addr + PAGE_SIZE, va;
	uint64_t lo = ALIGN_DOWN(addr, AROUND * PAGE_SIZE);
	uint64_t hi = MIN(lo + AROUND * PAGE_SIZE, v->end);
	struct frame_batch old;
	int err = 0;

	old.n = 0;
	lo = MAX(lo, v->start);
	around = around && !memfile_tight();
	while (around && s > lo && is_shared_cow(mm, s - PAGE_SIZE, shared))
		s -= PAGE_SIZE;
	while (around && e < hi && is_shared_cow(mm, e, shared))
		e += PAGE_SIZE;
	hotset_note(mm->hot, s, e);
	for (va = s; !shared && va < e; va += PAGE_SIZE)
		ptable_protect(&mm->as.pt, va, vma_pte(v, false));
	for (va = s; shared && va < e;) {
		unsigned n = copy_pages(mm, v, va,
			(unsigned)((e - va) >> PAGE_SHIFT), &old, &err);

		va += n * PAGE_SIZE;
		if (n)
			continue;
		if (va >= addr)
			break;
		va = addr; /* neighbours can wait */
	}
	mm_sync(mm, MIN(s, start), MAX(e, end));
	frame_batch_put(&old);
	return !shared || va > addr ? 0 : err;
}

/* --- pages of mappings */

struct run {
	uint64_t va;
	paddr_t pa;
	uint64_t n;
};

struct runs {
	struct run run[MAX_RUNS];
	unsigned n;
};

static void put_runs(const struct runs *r)
{
	for (unsigned i = 0; i < r->n; i++)
		frames_put(r->run[i].pa, (unsigned)r->run[i].n);
}

/* What is present of [va, end), as far as there is room; stops at an error. */
static int get_present(
	struct vma *v, uint64_t va, uint64_t end, unsigned how, struct runs *r)
{
	while (va < end && r->n < MAX_RUNS) {
		struct run *run = &r->run[r->n];
		int err = mapping_frames(v->mapping,
			vma_offset(v, va) >> PAGE_SHIFT,
			(end - va) >> PAGE_SHIFT, how, &run->pa, &run->n);

		run->va = va;
		va += run->n << PAGE_SHIFT;
		if (!err)
			r->n++;
		else if (err != -ENOENT)
			return err;
		how &= ~(unsigned)FRAMES_MAKE; /* only the first page */
	}
	return 0;
}

/*
 * Takes frames for [start, end) of @v: the one at @addr, with up to @make that
 * follow it when they need only be made, and what is present around it.
 */
static int get_runs(struct vma *v, uint64_t start, uint64_t addr, uint64_t end,
	uint64_t make, unsigned how, struct runs *r)
{
	uint64_t stop = MIN(end, addr + make * PAGE_SIZE);
	int err;

	r->n = 0;
	/* A window is one run. */
	if (v->mapping->host && get_present(v, start, end, how, r) == 0)
		return 0;
	err = get_present(v, addr, stop, how | FRAMES_MAKE, r);
	if (err && !r->n)
		return err == -ENOMEM ? err : -EIO;
	if (!err)
		err = get_present(v, stop, end, how, r);
	if (!err)
		(void)!get_present(v, start, addr, how, r);
	return 0;
}

/* Installs the runs where nothing is; the references move or go. */
HOLDS(lc_mm_active)
static int install_runs(struct mm *mm, const struct runs *r, pte_t bits)
{
	int err = 0;

	for (const struct run *p = r->run; p < r->run + r->n; p++)
		for (uint64_t k = 0; k < p->n; k++) {
			uint64_t va = p->va + k * PAGE_SIZE;
			paddr_t pa = p->pa + k * PAGE_SIZE;

			if (!err && !(ptable_get(&mm->as.pt, va) & PTE_P)) {
				err = ptable_set(&mm->as.pt, va, pa, bits);
				if (!err)
					continue;
			}
			frames_put(pa, 1);
		}
	return err;
}

/*
 * The part of @v that one fault at @addr maps, if its pages are present: the 2
 * MiB of the file around it, up to the next page that is mapped.
 */
static void mapped_range(struct mm *mm, struct vma *v, uint64_t addr,
	uint64_t *start, uint64_t *end)
{
	uint64_t back = vma_offset(v, addr) & (WINDOW_SIZE - 1);
	uint64_t s = addr - MIN(back, addr - v->start);
	uint64_t e = MIN(addr - back + WINDOW_SIZE, v->end);

	if (v->flags & VM_RANDOM) {
		s = addr;
		e = addr + PAGE_SIZE;
	}
	mm_active_read(&mm->as);
	for (*start = addr; *start > s; *start -= PAGE_SIZE)
		if (ptable_get(&mm->as.pt, *start - PAGE_SIZE) & PTE_P)
			break;
	for (*end = addr + PAGE_SIZE; *end < e; *end += PAGE_SIZE)
		if (ptable_get(&mm->as.pt, *end) & PTE_P)
			break;
	mm_active_read_done(&mm->as);
}

/* How many absent pages of shared memory one fault makes. */
static uint64_t make_ahead(struct vma *v, uint64_t addr, uint64_t ahead)
{
	uint64_t n = AROUND;

	if (ahead)
		n = MIN(ahead, AHEAD_MAX);
	else if ((v->flags & VM_RANDOM) || memfile_tight())
		n = 1;
	else if (addr == v->next_fault && v->ahead)
		n = MIN(v->ahead * 2UL, AHEAD_MAX);
	v->ahead = (unsigned)n;
	v->next_fault = addr + n * PAGE_SIZE;
	return n;
}

/* -EAGAIN: a truncate came in between. */
static int mapped_absent(
	struct mm *mm, struct vma *v, uint64_t addr, bool write, uint64_t ahead)
{
	struct mapping *m = v->mapping;
	unsigned seq = atomic_load(&m->unmap_seq), how = 0;
	bool track = m->ops->writeback && !m->host;
	bool shared_write = write && !vma_is_cow(v);
	pte_t bits = vma_pte(v, vma_is_cow(v));
	uint64_t start = addr, end = addr + PAGE_SIZE;
	struct runs r;
	int err;

	if (shared_write)
		how = FRAMES_WRITE;
	/* Of tracked pages only this one is dirty; what the host will not map
	 * executable is copied bit by bit. */
	if (!(track && shared_write) &&
		!((v->prot & PROT_EXEC) && host_noexec(m)))
		mapped_range(mm, v, addr, &start, &end);
	err = get_runs(
		v, start, addr, end, make_ahead(v, addr, ahead), how, &r);
	if (err)
		return err;
	if (track && !write)
		bits &= ~PTE_W;
	mm_active_write(&mm->as);
	if (atomic_load(&m->unmap_seq) != seq) {
		mm_active_write_done(&mm->as);
		put_runs(&r);
		return -EAGAIN;
	}
	err = install_runs(mm, &r, bits);
	if (!err && write && vma_is_cow(v) &&
		(ptable_get(&mm->as.pt, addr) & PTE_COW))
		err = break_cow(mm, v, addr, copies_early(v), start, end);
	else
		mm_sync(mm, start, end);
	mm_active_write_done(&mm->as);
	return err;
}

/* The first write to a page of a shared mapping that wants to know. */
static int mapped_dirty(struct mm *mm, struct vma *v, uint64_t addr)
{
	unsigned seq = atomic_load(&v->mapping->unmap_seq);
	uint64_t n;
	paddr_t pa;
	int err = mapping_frames(v->mapping, vma_offset(v, addr) >> PAGE_SHIFT,
		1, FRAMES_WRITE | FRAMES_MAKE, &pa, &n);

	if (err)
		return err == -ENOMEM ? err : -EIO;
	mm_active_write(&mm->as);
	if (atomic_load(&v->mapping->unmap_seq) == seq &&
		(ptable_get(&mm->as.pt, addr) & PTE_P) &&
		(ptable_get(&mm->as.pt, addr) & PTE_ADDR) == pa) {
		ptable_protect(&mm->as.pt, addr, vma_pte(v, false));
		mm_sync(mm, addr, addr + PAGE_SIZE);
	}
	mm_active_write_done(&mm->as);
	frames_put(pa, 1);
	return 0;
}

/* --- the fault */

enum verdict { GONE, SPURIOUS, SYNC, MISSING };

/*
 * What a fault means, given the entry: GONE nothing is there; SPURIOUS it is
 * all right by now; SYNC the host's map is behind; MISSING @access has been
 * reduced to what the entry lacks.
 */
static enum verdict judge(pte_t pte, unsigned *access)
{
	bool known = (pte & PTE_HOST) && !(pte & (PTE_STALE | PTE_PROT));
	bool exact = !(*access & (*access - 1));
	unsigned lacks = *access & ~pte_access(pte);

	if (!(pte & PTE_P))
		return GONE;
	if (!known && !exact && lacks != *access)
		return SYNC;
	if (!lacks)
		return known ? SPURIOUS : SYNC;
	*access = lacks;
	return MISSING;
}

/* Small private data of a file is about to be written: the linker's
 * relocations. */
static bool expect_write(const struct vma *v, unsigned access)
{
	if (!(access & PACC_WRITE))
		return false;
	return !v->mapping || !vma_is_cow(v) ||
	       (vma_pages(v) <= AROUND && copies_early(v));
}

static int fault_absent(struct mm *mm, struct vma *v, uint64_t addr,
	unsigned access, uint64_t ahead)
{
	bool write = access == PACC_WRITE || expect_write(v, access);
	int err = 0;

	/* The host will not map it executable: run a copy. */
	if (v->mapping && (v->prot & PROT_EXEC) && host_noexec(v->mapping))
		write = true;

	if (v->mapping) {
		if (write && !vma_is_cow(v) && access != PACC_WRITE &&
			v->mapping->ops->writeback)
			write = false; /* not dirty until we know */
		return mapped_absent(mm, v, addr, write, ahead);
	}
	mm_active_write(&mm->as);
	if (!(ptable_get(&mm->as.pt, addr) & PTE_P))
		err = anon_absent(mm, v, addr, ahead);
	mm_active_write_done(&mm->as);
	return err;
}

/* Something is there, but not for this access. */
static int fault_present(
	struct mm *mm, struct vma *v, uint64_t addr, unsigned access)
{
	bool track =
		v->mapping && v->mapping->ops->writeback && !v->mapping->host;
	pte_t pte;
	int err = 0;

	if ((access & PACC_WRITE) && track && !vma_is_cow(v))
		return mapped_dirty(mm, v, addr);
	mm_active_write(&mm->as);
	pte = ptable_get(&mm->as.pt, addr);
	if (!(pte & PTE_P)) {
		err = 0; /* gone meanwhile: the next fault sees to it */
	} else if ((access & PACC_WRITE) && (pte & PTE_COW)) {
		err = break_cow(mm, v, addr, copies_early(v), addr, addr);
	} else {
		ptable_protect(&mm->as.pt, addr, vma_pte(v, pte & PTE_COW));
		mm_sync(mm, addr, addr + PAGE_SIZE);
	}
	mm_active_write_done(&mm->as);
	return err;
}

/*
 * ptrace(2) and /proc/PID/mem: a page of our own to write to, in a private vma,
 * that keeps the protection of the vma.
 */
static int fault_force(
	struct mm *mm, struct vma *v, uint64_t addr, unsigned access)
{
	pte_t pte;
	int err = 0;

	mm_active_read(&mm->as);
	pte = ptable_get(&mm->as.pt, addr);
	mm_active_read_done(&mm->as);
	if (!(pte & PTE_P))
		return fault_absent(mm, v, addr, PACC_READ, 1);
	if (!(access & PACC_WRITE))
		return 0;
	if (!vma_is_cow(v))
		return v->prot & PROT_WRITE ? fault_present(mm, v, addr, access)
					    : -EACCES;
	mm_active_write(&mm->as);
	if (ptable_get(&mm->as.pt, addr) & PTE_COW)
		err = break_cow(mm, v, addr, false, addr, addr);
	mm_active_write_done(&mm->as);
	return err;
}

/* The last fault of this thread that looked forbidden. */
static _Thread_local struct {
	const struct mm *mm;
	uint64_t addr;
	unsigned seq;
} suspect;

static int accuse(const struct mm *mm, uint64_t addr, unsigned seq)
{
	if (suspect.mm == mm && suspect.addr == addr && suspect.seq == seq) {
		suspect.mm = NULL;
		return -EACCES;
	}
	suspect.mm = mm;
	suspect.addr = addr;
	suspect.seq = seq;
	return 0;
}

HOLDS_SHARED(lc_mm_map)
static int fault_vma(struct mm *mm, struct vma *v, uint64_t addr,
	unsigned access, unsigned flags, uint64_t ahead)
{
	bool exact = !(access & (access - 1));
	unsigned seq;
	pte_t pte;

	if (flags & FAULT_FORCE)
		return fault_force(mm, v, addr, access);
	mm_active_read(&mm->as);
	pte = ptable_get(&mm->as.pt, addr);
	seq = atomic_load(&mm->sync_seq);
	mm_active_read_done(&mm->as);
	switch (judge(pte, &access)) {
	case SPURIOUS:
		return 0;
	case SYNC:
		if (flags & FAULT_KERNEL)
			return 0;
		mm_active_write(&mm->as);
		mm_sync(mm, addr, addr + PAGE_SIZE);
		mm_active_write_done(&mm->as);
		return 0;
	case GONE:
		access &= vma_access(v);
		return access ? fault_absent(mm, v, addr, access, ahead)
			      : -EACCES;
	default:
		access &= vma_access(v);
		if (access)
			return fault_present(mm, v, addr, access);
		return exact ? -EACCES : accuse(mm, addr, seq);
	}
}

int fault_in(struct mm *mm, uint64_t addr, unsigned access, unsigned flags,
	uint64_t ahead)
{
	struct vma *v;
	int err;

	addr &= PAGE_MASK;
	if (addr >= platform_max_addr)
		return -EFAULT;
	do {
		mm_map_read(mm);
		v = vma_find(mm, addr);
		if (v && v->start <= addr)
			err = fault_vma(mm, v, addr, access, flags, ahead);
		else
			err = v && (v->flags & VM_GROWSDOWN) ? -ENOENT
							     : -EFAULT;
		mm_map_read_done(mm);
		if (err == -ENOENT)
			err = stack_grow(mm, addr) ? -EFAULT : -EAGAIN;
		if (err == -ENOMEM && current && current->mm == mm)
			err = oom_kill();
	} while (err == -EAGAIN);
	return err;
}

bool mm_interrupted(void)
{
	return current && (atomic_load(&current->work) & TASK_WORK_EXIT);
}

int fault_range(struct mm *mm, uint64_t start, uint64_t end, bool write)
{
	for (uint64_t va = start; va < end; va += PAGE_SIZE) {
		unsigned access = write ? PACC_WRITE : PACC_READ;
		pte_t pte;
		int err;

		mm_active_read(&mm->as);
		pte = ptable_get(&mm->as.pt, va);
		mm_active_read_done(&mm->as);
		if ((pte_access(pte) & access) == access)
			continue;
		if (mm_interrupted())
			return -EINTR;
		err = fault_in(
			mm, va, access, FAULT_KERNEL, (end - va) >> PAGE_SHIFT);
		if (err)
			return err;
	}
	return 0;
}

int stack_grow(struct mm *mm, uint64_t addr)
{
	uint64_t to = ALIGN_DOWN(addr, PAGE_SIZE), low, more;
	struct vma *v, *p;
	int err = -EFAULT;

	mm_map_write(mm);
	v = vma_find(mm, addr);
	if (v && v->start <= addr) {
		err = 0;
		goto unlock;
	}
	if (!v || !(v->flags & VM_GROWSDOWN))
		goto unlock;
	p = vma_prev(v);
	low = MMAP_MIN_ADDR;
	if (p && (p->prot & (PROT_READ | PROT_WRITE | PROT_EXEC)))
		low = p->end + (p->flags & VM_GROWSDOWN ? 0 : STACK_GAP);
	else if (p)
		low = p->end;
	if (to < low || v->end - to > mm->rlimit_stack)
		goto unlock;
	/* 64 KiB at a time saves faults, where it is allowed. */
	more = ALIGN_DOWN(to, AROUND * PAGE_SIZE);
	if (more >= low && v->end - more <= mm->rlimit_stack)
		to = more;
	more = (v->start - to) >> PAGE_SHIFT;
	if (may_expand(mm, v->prot, v->flags, more) ||
		((v->flags & VM_LOCKED) && may_lock(mm, more)))
		goto unlock;
	vma_resize(v, to, v->end);
	err = 0;
unlock:
	mm_map_write_done(mm);
	return err;
}

int mm_fault(struct mm *mm, uint64_t addr, unsigned access, siginfo_t *si)
{
	int err = fault_in(mm, addr, access, 0, 0);

	if (current)
		atomic_fetch_add(&current->minflt, 1);
	if (!err)
		return 0;
	*si = (siginfo_t){ .si_signo = SIGSEGV, .si_code = SEGV_MAPERR };
	si->si_addr = (void *)(uintptr_t)addr;
	if (err == -EACCES) {
		si->si_code = SEGV_ACCERR;
	} else if (err == -ENOMEM) {
		si->si_signo = SIGKILL;
		si->si_code = SI_KERNEL;
	} else if (err != -EFAULT) {
		si->si_signo = SIGBUS;
		si->si_code = BUS_ADRERR;
	}
	return err;
}
