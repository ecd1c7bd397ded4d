/*
 * anon.h - files without a name: pipes, eventfds, timers...
 *
 * Also the few files that exist in no tree: memory that every one of them shares.
 */
#pragma once

#include <stdint.h>

#include "core/attr.h"

struct cred;
struct file;
struct file_ops;

/* file_init() with an inode of its own that only fstat(2) sees.  Marks @f a stream.  0 or -ENOMEM. */
int anon_file_init(struct file *f, const struct file_ops *ops, int flags, uint32_t mode,
	struct cred *cred) MUST_CHECK;
