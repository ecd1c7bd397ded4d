/*
 * fid.h - the fids of one connection: what the client has hold of.
 *
 * A fid names an object by an O_PATH descriptor, which stays right whatever
 * happens to its name.  Opening it adds a second descriptor for I/O.  The server
 * serves one request at a time, so the table needs no lock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/attr.h"

struct fid {
	struct fid *next;		/* in its bucket */
	uint32_t num;			/* I: what the client calls it */
	uint32_t mode;			/* I: type bits of st_mode */
	int hfd;			/* I: O_PATH, owned */
	int io;				/* owned: opened, for I/O; -1 */
	int64_t dirpos;			/* where io stands, when a directory */
	struct fid_xattr *xattr;	/* Txattrwalk, Txattrcreate; NULL */
};

/* An attribute being read, or collected until the clunk. */
struct fid_xattr {
	char name[256];
	bool writing;
	int flags;
	size_t size, done;		/* bytes; written so far */
	char value[];
};

struct fid_table {
	struct fid **buckets;
	unsigned nbuckets;		/* a power of two, or 0 */
	unsigned n;
};

struct fid *fid_find(const struct fid_table *t, uint32_t num);	/* NULL: none */
/* Consumes @hfd on success.  0, -EADDRINUSE (the number is taken), -EINVAL (P9_NOFID), -ENOMEM. */
int fid_add(struct fid_table *t, uint32_t num, int hfd, uint32_t mode, struct fid **out) MUST_CHECK;
void fid_remove(struct fid_table *t, struct fid *f);	/* closes what it owns */
void fid_table_fini(struct fid_table *t);
