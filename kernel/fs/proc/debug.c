/*
 * debug.c - /proc/objects and /proc/PID/fail-nth, only in sanitizer builds.
 *
 * fail-nth is Linux's own interface for fault injection
 * (Documentation/fault-injection), objects is ours: see core/objects.h.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/objects.h"
#include "kernel/fs/proc/proc.h"
#include "kernel/task/task.h"

int proc_show_objects(UNUSED struct proc_inode *p, struct strbuf *out)
{
	objects_print(out);
	return 0;
}

/* Each task has one, but may only see its own: it is its thread's. */
int proc_show_fail_nth(struct proc_inode *p, struct strbuf *out)
{
	if (p->task != current)
		return -EPERM;
	sb_printf(out, "%d\n", objects_failing());
	return 0;
}

int proc_store_fail_nth(
	struct proc_inode *p, struct task *t, char *text, UNUSED size_t n)
{
	char *end;
	long v = strtol(text, &end, 10);

	if (p->task != t)
		return -EPERM;
	if (end == text || v < 0 || v > INT32_MAX)
		return -EINVAL;
	objects_fail_nth((int)v);
	return 0;
}
