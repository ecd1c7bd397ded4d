/* syscall.h - the shape of a system call handler. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/uaddr.h"

struct task;

/* The six argument registers, exactly as the guest left them. */
struct sysargs {
	uint64_t r[6];
};

/* Truncate as Linux does: the upper half of an int argument is ignored. */
static inline int arg_int(struct sysargs a, int i) { return (int)a.r[i]; }
static inline unsigned arg_uint(struct sysargs a, int i) { return (unsigned)a.r[i]; }
static inline size_t arg_size(struct sysargs a, int i) { return a.r[i]; }
static inline int64_t arg_i64(struct sysargs a, int i) { return (int64_t)a.r[i]; }
static inline uaddr_t arg_addr(struct sysargs a, int i) { return uaddr(a.r[i]); }

enum sys_level { SYS_full, SYS_part, SYS_refused };

struct syscall {
	const char *name;
	const char *fmt;
	enum sys_level level;
	long (*fn)(struct task *t, struct sysargs a);
};

#define SYS(nr, name, fmt, level) \
	long sys_##name(struct task *t, struct sysargs a);
#include "kernel/syscall/syscalls.def"
#undef SYS

/* NULL when the number is not known. */
const struct syscall *syscall_find(unsigned long nr);
#define SYSCALL_MAX 512			/* numbers are below */
long syscall_dispatch(struct task *t, unsigned long nr, struct sysargs a);
