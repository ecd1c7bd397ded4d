/*
 * strace.h - prints system calls as the reference does (--strace).
 *
 *	[   1:   1] bash E openat(AT_FDCWD /, 0x55d0 /etc/passwd, O_RDONLY|O_CLOEXEC, 0o0)
 *	[   1:   1] bash X openat(AT_FDCWD /, 0x55d0 /etc/passwd, O_RDONLY|O_CLOEXEC, 0o0) = 3 (0x3) (12.3µs)
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "kernel/syscall/syscall.h"

extern atomic_bool strace_on;		/* test this before calling in */

/* @list: comma-separated names, NULL or "" for all.  Unknown names are an error. */
int strace_set(bool on, const char *list, unsigned blob_size, struct err *e) MUST_CHECK;
/* @nr may be unknown.  Both do nothing for a call that is not selected. */
void strace_enter(struct task *t, unsigned long nr, const struct sysargs *a);
void strace_exit(struct task *t, unsigned long nr, const struct sysargs *a, long ret, int64_t ns);
