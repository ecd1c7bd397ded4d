/*
 * sys_mm.c - system calls on the address space: mmap(2) and its family.
 */
#include "kernel/syscall/syscall.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "core/attr.h"
#include "core/uio.h"
#include "kernel/mm/mm.h"
#include "kernel/task/task.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"

long sys_mmap(struct task *t, struct sysargs a)
{
	struct mmap_req r = {
		.addr = a.r[0],
		.len = a.r[1],
		.prot = arg_int(a, 2),
		.flags = arg_int(a, 3),
		.off = a.r[5],
	};
	struct fdref f = { 0 };
	long ret;

	if (r.off % PAGE_SIZE)
		return -EINVAL;
	if (!(r.flags & MAP_ANONYMOUS)) {
		f = fd_borrow(t, arg_int(a, 4));
		if (!f.f)
			return -EBADF;
		r.file = f.f;
	} else {
		r.off = 0;
	}
	ret = mm_mmap(t->mm, &r);
	if (f.f)
		fd_done(&f);
	return ret;
}

long sys_munmap(struct task *t, struct sysargs a)
{
	return mm_munmap(t->mm, a.r[0], a.r[1]);
}

long sys_mprotect(struct task *t, struct sysargs a)
{
	return mm_mprotect(t->mm, a.r[0], a.r[1], arg_int(a, 2));
}

long sys_brk(struct task *t, struct sysargs a)
{
	return (long)mm_brk(t->mm, a.r[0]);
}

long sys_mremap(struct task *t, struct sysargs a)
{
	return mm_mremap(t->mm, a.r[0], a.r[1], a.r[2], arg_int(a, 3), a.r[4]);
}

long sys_remap_file_pages(struct task *t, struct sysargs a)
{
	uint64_t start = a.r[0] & PAGE_MASK, len = a.r[1] & PAGE_MASK;

	if (a.r[2] || start + len <= start ||
		a.r[3] + (len >> PAGE_SHIFT) < a.r[3] ||
		a.r[3] >> (64 - PAGE_SHIFT))
		return -EINVAL;
	return mm_remap_pages(t->mm, start, len, a.r[3] << PAGE_SHIFT);
}

/* GAP: MADV_COLLAPSE and guard pages are refused. */
long sys_madvise(struct task *t, struct sysargs a)
{
	return mm_madvise(t->mm, a.r[0], a.r[1], arg_int(a, 2));
}

long sys_msync(struct task *t, struct sysargs a)
{
	return mm_msync(t->mm, a.r[0], a.r[1], arg_int(a, 2));
}

long sys_mincore(struct task *t, struct sysargs a)
{
	uint64_t addr = a.r[0], pages, len = a.r[1];
	unsigned char vec[256];

	if (addr % PAGE_SIZE)
		return -EINVAL;
	if (addr > platform_max_addr || len > platform_max_addr - addr)
		return -ENOMEM;
	pages = (len + PAGE_SIZE - 1) >> PAGE_SHIFT;
	for (uint64_t i = 0; i < pages; i += sizeof vec) {
		size_t n = MIN(pages - i, sizeof vec);
		int err = mm_mincore(t->mm, addr + (i << PAGE_SHIFT), vec, n);

		if (!err)
			err = copyout(t, uaddr(a.r[2] + i), vec, n);
		if (err)
			return err;
	}
	return 0;
}

long sys_mlock(struct task *t, struct sysargs a)
{
	return mm_mlock(t->mm, a.r[0], a.r[1], false);
}

long sys_mlock2(struct task *t, struct sysargs a)
{
	int flags = arg_int(a, 2);

	if (flags & ~1 /* MLOCK_ONFAULT */)
		return -EINVAL;
	return mm_mlock(t->mm, a.r[0], a.r[1], flags);
}

long sys_munlock(struct task *t, struct sysargs a)
{
	return mm_munlock(t->mm, a.r[0], a.r[1]);
}

long sys_mlockall(struct task *t, struct sysargs a)
{
	return mm_mlockall(t->mm, arg_int(a, 0));
}

long sys_munlockall(struct task *t, struct sysargs a)
{
	(void)a;
	mm_munlockall(t->mm);
	return 0;
}

/* --- other processes */

/* The address space of @pid, if the caller may look into it: a reference. */
static int other_mm(struct task *t, int pid, struct mm **mm)
{
	struct task *o = task_lookup(t->tg->pid_ns, pid);
	int err;

	if (!o)
		return -ESRCH;
	err = task_may_access(t, o);
	*mm = err ? NULL : task_mm(o);
	task_put(o);
	if (err)
		return err;
	return *mm ? 0 : -ESRCH;
}

static long process_vm(struct task *t, struct sysargs a, bool write)
{
	struct uio_seg *local = NULL, *remote = NULL;
	struct mm *mm = NULL;
	size_t nl, nr;
	long ret;

	if (a.r[5])
		return -EINVAL;
	if (a.r[2] > IOV_MAX || a.r[4] > IOV_MAX)
		return -EINVAL;
	ret = copyin_iovec(t, arg_addr(a, 1), arg_int(a, 2), &local, &nl);
	if (ret)
		return ret;
	ret = copyin_iovec(t, arg_addr(a, 3), arg_int(a, 4), &remote, &nr);
	if (!ret && nl && nr)
		ret = other_mm(t, arg_int(a, 0), &mm);
	if (mm && write)
		ret = mm_transfer(mm, remote, a.r[4], t->mm, local, a.r[2]);
	else if (mm)
		ret = mm_transfer(t->mm, local, a.r[2], mm, remote, a.r[4]);
	mm_put(mm);
	free(remote);
	free(local);
	return ret;
}

long sys_process_vm_readv(struct task *t, struct sysargs a)
{
	return process_vm(t, a, false);
}

long sys_process_vm_writev(struct task *t, struct sysargs a)
{
	return process_vm(t, a, true);
}

/* --- protection keys: a CPU without them */

long sys_pkey_mprotect(struct task *t, struct sysargs a)
{
	if (arg_int(a, 3) != -1)
		return -EINVAL;
	return mm_mprotect(t->mm, a.r[0], a.r[1], arg_int(a, 2));
}

long sys_pkey_alloc(struct task *t, struct sysargs a)
{
	(void)t;
	if (a.r[0] || a.r[1] & ~3UL)
		return -EINVAL;
	return -ENOSPC;
}

long sys_pkey_free(struct task *t, struct sysargs a)
{
	(void)t;
	(void)a;
	return -EINVAL;
}

/* --- memory policy: a machine with one node, number 0 */

enum {
	POL_DEFAULT,
	POL_PREFERRED,
	POL_BIND,
	POL_INTERLEAVE,
	POL_LOCAL,
	POL_PREFERRED_MANY,
	POL_WEIGHTED,
	POL_MAX
};
#define POL_MODE_FLAGS     (1 << 15 | 1 << 14 | 1 << 13)
#define POL_F_NODE         1
#define POL_F_ADDR         2
#define POL_F_MEMS_ALLOWED 4
#define MBIND_FLAGS        7 /* STRICT, MOVE, MOVE_ALL */
#define NODES_MAX          (PAGE_SIZE * 8)

/* A node mask of @maxnode bits: whether node 0 is in it, and others. */
static int copyin_nodes(struct task *t, uaddr_t mask, uint64_t maxnode,
	bool *zero, bool *others)
{
	*zero = *others = false;
	if (maxnode)
		maxnode--; /* Linux: get_nodes() */
	if (!maxnode || uaddr_null(mask))
		return 0;
	if (maxnode > NODES_MAX)
		return -EINVAL;
	for (uint64_t i = 0; i < maxnode; i += 64) {
		uint64_t w;
		int err = copyin(t, &w, uaddr_add(mask, i / 8), sizeof w);

		if (err)
			return err;
		if (maxnode - i < 64)
			w &= (1ULL << (maxnode - i)) - 1;
		*zero |= !i && (w & 1);
		*others |= (i ? w : w & ~1ULL) != 0;
	}
	return 0;
}

static int check_policy(
	struct task *t, int mode, uaddr_t mask, uint64_t maxnode)
{
	int flags = mode & POL_MODE_FLAGS, err;
	bool zero, others;

	mode &= ~POL_MODE_FLAGS;
	if (mode < 0 || mode >= POL_MAX || (flags & (3 << 14)) == 3 << 14)
		return -EINVAL;
	err = copyin_nodes(t, mask, maxnode, &zero, &others);
	if (err)
		return err;
	if (mode == POL_DEFAULT || mode == POL_LOCAL)
		return zero || others || (mode == POL_LOCAL && flags) ? -EINVAL
								      : 0;
	if (mode == POL_PREFERRED && !zero && !others)
		return flags ? -EINVAL : 0;
	return zero ? 0 : -EINVAL;
}

/* GAP: the policy is checked and forgotten: get_mempolicy says MPOL_DEFAULT. */
long sys_set_mempolicy(struct task *t, struct sysargs a)
{
	return check_policy(t, arg_int(a, 0), arg_addr(a, 1), a.r[2]);
}

/* GAP: as set_mempolicy. */
long sys_mbind(struct task *t, struct sysargs a)
{
	uint64_t end = a.r[0] + ((a.r[1] + PAGE_SIZE - 1) & PAGE_MASK);

	if (a.r[5] & ~(uint64_t)MBIND_FLAGS)
		return -EINVAL;
	if (a.r[0] % PAGE_SIZE || end < a.r[0])
		return -EINVAL;
	return check_policy(t, arg_int(a, 2), arg_addr(a, 3), a.r[4]);
}

/* GAP: as set_mempolicy. */
long sys_get_mempolicy(struct task *t, struct sysargs a)
{
	uint64_t maxnode = a.r[2], flags = a.r[4], w;
	int value = 0, err = 0; /* MPOL_DEFAULT, or node 0 */

	if (flags & ~(uint64_t)(POL_F_NODE | POL_F_ADDR | POL_F_MEMS_ALLOWED))
		return -EINVAL;
	if (a.r[1] && maxnode < 1)
		return -EINVAL;
	if ((flags & POL_F_MEMS_ALLOWED) && (flags & (POL_F_NODE | POL_F_ADDR)))
		return -EINVAL;
	if (!(flags & POL_F_ADDR) && a.r[3])
		return -EINVAL;
	if (flags == POL_F_NODE)
		return -EINVAL; /* only for an interleaved policy */
	if (flags & POL_F_ADDR) {
		char c;

		err = copyin(t, &c, uaddr(a.r[3]), 1);
	}
	if (!err && a.r[0])
		err = copyout(t, arg_addr(a, 0), &value, sizeof value);
	for (uint64_t i = 0; !err && a.r[1] && i < MIN(maxnode, NODES_MAX);
		i += 64) {
		w = !i && (flags & POL_F_MEMS_ALLOWED);
		err = copyout(t, uaddr(a.r[1] + i / 8), &w, sizeof w);
	}
	return err;
}

long sys_migrate_pages(struct task *t, struct sysargs a)
{
	bool old_zero, new_zero, others;
	struct mm *mm;
	int err = copyin_nodes(t, arg_addr(a, 2), a.r[1], &old_zero, &others);

	if (!err)
		err = copyin_nodes(
			t, arg_addr(a, 3), a.r[1], &new_zero, &others);
	if (err)
		return err;
	if (arg_int(a, 0)) {
		err = other_mm(t, arg_int(a, 0), &mm);
		if (err)
			return err;
		mm_put(mm);
	}
	return new_zero && !others ? 0 : -EINVAL;
}

/* One page of move_pages(2): its node, or -errno. */
static int page_node(struct mm *mm, uint64_t addr)
{
	unsigned char c;

	if (mm_mincore(mm, addr & PAGE_MASK, &c, 1))
		return -EFAULT;
	return c & 1 ? 0 : -ENOENT;
}

long sys_move_pages(struct task *t, struct sysargs a)
{
	struct mm *mm = mm_get(t->mm);
	uint64_t n = a.r[1];
	long err = 0;

	if (a.r[5] & ~6UL /* MPOL_MF_MOVE, MPOL_MF_MOVE_ALL */) {
		mm_put(mm);
		return -EINVAL;
	}
	if (arg_int(a, 0)) {
		mm_put(mm);
		err = other_mm(t, arg_int(a, 0), &mm);
		if (err)
			return err;
	}
	for (uint64_t i = 0; !err && i < n; i++) {
		uint64_t addr;
		int node = 0, status;

		err = copyin(t, &addr, uaddr(a.r[2] + i * 8), sizeof addr);
		if (!err && a.r[3])
			err = copyin(
				t, &node, uaddr(a.r[3] + i * 4), sizeof node);
		if (!err && node)
			err = -ENODEV;
		if (err)
			break;
		status = page_node(mm, addr);
		err = copyout(t, uaddr(a.r[4] + i * 4), &status, sizeof status);
		/* A signal does not end it, only the end of the process. */
		if (!err && (i & 1023) == 1023 &&
			atomic_load(&t->work) & TASK_WORK_EXIT)
			err = -EINTR;
	}
	mm_put(mm);
	return err;
}
