/* memfd.h - files that are only memory: memfd_create(2). */
#pragma once

#include "core/attr.h"

struct cred;
struct file;

#define MEMFD_NAME_MAX 249
#define MEMFD_FLAGS 0x1bu		/* CLOEXEC, ALLOW_SEALING, NOEXEC_SEAL, EXEC; no huge pages */

int memfd_create_file(const char *name, unsigned flags, const struct cred *cred,
	struct file **out) MUST_CHECK;
