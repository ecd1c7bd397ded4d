/* table.c - from system call number to handler. */
#include "kernel/syscall/syscall.h"

#include <errno.h>

#include <stdbool.h>

#include "core/attr.h"
#include "core/log.h"
#include "kernel/task/task.h"

static const struct syscall table[SYSCALL_MAX] = {
#define SYS(nr, name, fmt, level) \
	[nr] = { #name, fmt, SYS_##level, sys_##name },
#include "kernel/syscall/syscalls.def"
#undef SYS
};

const struct syscall *syscall_find(unsigned long nr)
{
	return nr < SYSCALL_MAX && table[nr].fn ? &table[nr] : NULL;
}

long syscall_dispatch(struct task *t, unsigned long nr, struct sysargs a)
{
	static _Atomic bool logged[SYSCALL_MAX + 1];
	const struct syscall *s = syscall_find(nr);

	if (likely(s != NULL))
		return s->fn(t, a);
	if (!logged[MIN(nr, (unsigned long)SYSCALL_MAX)]) {
		logged[MIN(nr, (unsigned long)SYSCALL_MAX)] = true;
		log_warn("system call %lu is not implemented (%#lx, %#lx, "
			 "%#lx, %#lx, %#lx, %#lx): ENOSYS",
			nr, (long)a.r[0], (long)a.r[1], (long)a.r[2],
			(long)a.r[3], (long)a.r[4], (long)a.r[5]);
		log_guest("%.15s: system call %lu is not implemented", t->comm,
			nr);
	}
	return -ENOSYS;
}
