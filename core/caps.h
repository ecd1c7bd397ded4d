/* caps.h - capability sets by number and name (capabilities(7)). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

#define CAP_LAST 40			/* CAP_CHECKPOINT_RESTORE */
#define CAP_ALL ((1ULL << (CAP_LAST + 1)) - 1)

/* "CAP_SYS_ADMIN" or "sys_admin" to its number; -EINVAL. */
int cap_by_name(const char *name);
const char *cap_name(int cap);		/* "CAP_SYS_ADMIN", NULL when out of range */
/*
 * Reduces the calling (single-threaded) process to @keep: bounding, permitted,
 * effective and, when @ambient, inheritable and ambient too.
 */
int caps_keep(uint64_t keep, bool ambient, struct err *e) MUST_CHECK;
