/*
 * splice.h - from one open file to another: sendfile(2), splice(2), tee(2),
 * copy_file_range(2).
 *
 * Positions are optional (NULL: the file's own) and are advanced.  All return the
 * bytes moved, or -errno.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/attr.h"

struct file;
struct task;
struct uio;

#define SPLICE_FLAGS	  15u		/* MOVE NONBLOCK MORE GIFT */
#define SPLICE_NONBLOCK	  2u
#define SPLICE_RWF_NOWAIT 8		/* RWF_NOWAIT */
#define SPLICE_RWF_SOME	  0x10000	/* ours: no wait once some bytes are written */

long vfs_sendfile(struct task *t, int out, int in, int64_t *pos, size_t n) MUST_CHECK;
long vfs_splice(struct task *t, int in, int64_t *inpos, int out, int64_t *outpos,
	size_t n, unsigned flags) MUST_CHECK;
long vfs_tee(struct task *t, int in, int out, size_t n, unsigned flags) MUST_CHECK;
long vfs_vmsplice(struct task *t, struct file *f, struct uio *u, unsigned flags) MUST_CHECK;
long vfs_copy_range(struct task *t, int in, int64_t *inpos, int out, int64_t *outpos,
	size_t n) MUST_CHECK;
