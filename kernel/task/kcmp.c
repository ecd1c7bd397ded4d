/*
 * kcmp.c - kcmp(2): do two tasks share an object of the kernel?
 *
 * The answer orders them, too, so that a program can sort what it has: by
 * their addresses, disguised by two random numbers.  Linux: kernel/kcmp.c.
 */
#include <errno.h>
#include <linux/kcmp.h>
#include <stdint.h>
#include <sys/random.h>

#include "kernel/mm/mm.h"
#include "kernel/task/internal.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"

static uintptr_t disguise(const void *p)
{
	static _Atomic uintptr_t cookie[2];

	for (int i = 0; i < 2; i++) {
		uintptr_t none = 0, now;

		if (atomic_load(&cookie[i]))
			continue;
		if (getrandom(&now, sizeof now, 0) != sizeof now)
			now = (uintptr_t)&cookie;
		(void)atomic_compare_exchange_strong(
			&cookie[i], &none, now | 1);
	}
	return ((uintptr_t)p ^ atomic_load(&cookie[0])) *
	       atomic_load(&cookie[1]);
}

static long compare(const void *a, const void *b)
{
	uintptr_t x = disguise(a), y = disguise(b);

	return x == y ? 0 : x < y ? 1 : 2;
}

/* The file behind a descriptor of @t: only its address is of interest. */
static int file_address(struct task *t, uint64_t fd, const void **out)
{
	struct fdtable *fdt = task_fdtable(t);
	struct file *f = NULL;
	bool cloexec;
	int err = 0;

	if (!fdt)
		return -EBADF;
	if (fd > INT32_MAX ||
		fdtable_next(fdt, (int)fd, &f, &cloexec) != (int)fd)
		err = -EBADF;
	*out = f;
	if (f)
		file_put(f);
	fdtable_put(fdt);
	return err;
}

/* References are dropped at once: the address says enough. */
static int object_address(
	struct task *t, int type, uint64_t index, const void **out)
{
	struct fdtable *fdt;
	struct fsctx *fs;
	struct mm *mm;

	*out = NULL;
	switch (type) {
	case KCMP_FILE:
		return file_address(t, index, out);
	case KCMP_VM:
		*out = mm = task_mm(t);
		mm_put(mm);
		return 0;
	case KCMP_FILES:
		*out = fdt = task_fdtable(t);
		if (fdt)
			fdtable_put(fdt);
		return 0;
	case KCMP_FS:
		*out = fs = task_fsctx(t);
		fsctx_put(fs);
		return 0;
	case KCMP_SIGHAND:
		sighand_lock(t->tg);
		*out = t->tg->sighand;
		sighand_unlock(t->tg);
		return 0;
	case KCMP_IO: /* nobody has them */
	case KCMP_SYSVSEM:
		return 0;
	case KCMP_EPOLL_TFD:
		return -EOPNOTSUPP;
	}
	return -EINVAL;
}

long task_kcmp(struct task *a, struct task *b, int type, uint64_t i, uint64_t j)
{
	const void *x, *y;
	int err = object_address(a, type, i, &x);

	if (!err)
		err = object_address(b, type, j, &y);
	return err ? err : compare(x, y);
}
