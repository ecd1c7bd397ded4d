/* sys_tty.c - vhangup(2). */
#include "core/attr.h"
#include "kernel/fs/tty.h"
#include "kernel/syscall/syscall.h"

long sys_vhangup(struct task *t, UNUSED struct sysargs a)
{
	return tty_vhangup(t);
}
