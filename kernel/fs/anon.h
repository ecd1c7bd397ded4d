/*
 * anon.h - files without a name: pipes, eventfds, timers...
 */
#pragma once

#include <stdint.h>

#include "core/attr.h"

struct cred;
struct file;
struct file_ops;
struct inode;
struct path;

/* file_init() with an inode of its own that only fstat(2) sees.  Marks @f a stream, unless it has a seek.  0 or -ENOMEM. */
int anon_file_init(struct file *f, const struct file_ops *ops, int flags, uint32_t mode,
	struct cred *cred) MUST_CHECK;
/* A seek that does nothing and succeeds, as Linux has it for eventfds and their kind. */
int64_t anon_seek(struct file *f, int64_t off, int whence);
/*
 * A place for an object that has none, so that /proc/PID/fd/N can lead to it:
 * returns references.  No directory lists it.
 */
int anon_path(struct inode *in, struct path *out) MUST_CHECK;
