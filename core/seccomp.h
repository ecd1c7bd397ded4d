/*
 * seccomp.h - system call filters from rule lists, through libseccomp.
 *
 * Each source file that makes host calls in a filtered process ends with its
 * rules as data; the filter of a process is the union of the lists it needs.
 * What is not allowed traps: the handler logs the call's name, arguments and
 * address and ends the process at once.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "core/err.h"

struct seccomp_arg {
	uint8_t i;			/* argument 0-5 */
	uint64_t mask;			/* (arg & mask) == value; 0: compare all bits */
	uint64_t value;
};
struct seccomp_rule {
	int nr;				/* SYS_xxx; number 0 is read: see SECCOMP_END */
	uint8_t nargs;
	struct seccomp_arg arg[3];
};
#define SECCOMP_END { .nr = -1 }
#define ALLOW(name)		{ .nr = SYS_##name }
#define ALLOW_ARG(name, n, val)	\
	{ .nr = SYS_##name, .nargs = 1, .arg = { { n, 0, val } } }
#define ALLOW_MASK(name, n, m, val) \
	{ .nr = SYS_##name, .nargs = 1, .arg = { { n, m, val } } }
#define ALLOW_ARG2(name, n1, v1, n2, v2) \
	{ .nr = SYS_##name, .nargs = 2, .arg = { { n1, 0, v1 }, { n2, 0, v2 } } }

/* What core/, malloc and threads call: part of every filter with more than one thread. */
extern const struct seccomp_rule seccomp_core[];
/* Added by itself in sanitizer builds. */
extern const struct seccomp_rule seccomp_sanitizer[];

/*
 * Loads the union of @lists (each ends with SECCOMP_END; NULL lists are
 * skipped) for this thread, default: trap to our handler, which also gets
 * installed and which no rule can replace: rt_sigaction is allowed for every signal
 * but SIGSYS.  Sets no_new_privs first.  @who (borrowed for ever) is the name in the
 * log line; set up the log before, its descriptors are part of the filter.
 */
int seccomp_install(const char *who, const struct seccomp_rule *const *lists, size_t n,
	struct err *e) MUST_CHECK;
