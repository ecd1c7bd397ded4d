/*
 * sys_mm.c - system calls on the address space: mmap(2) and its family.
 */
#include "kernel/syscall/syscall.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

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
