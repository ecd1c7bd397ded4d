/*
 * client.h - one function per request of our side of the protocol.
 *
 * All return 0 (or a count) or -errno: what the server said, -EIO when the
 * connection is broken, -EINTR when the caller's interrupted() said so.  They
 * block; any thread may call.  A fid that a function makes is the caller's until
 * p9_clunk(); a descriptor too, until close(2).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "core/seccomp.h"
#include "fs9p/msg.h"

struct p9_client;

/* Agrees on the version.  Consumes @sock (SOCK_SEQPACKET) on success. */
int p9_client_create(int sock, bool (*interrupted)(void), struct p9_client **out) MUST_CHECK;
void p9_client_free(struct p9_client *c);	/* nobody calls any more */
bool p9_client_dead(struct p9_client *c);

int p9_attach(struct p9_client *c, uint32_t *fid, struct p9_attr *a) MUST_CHECK;
/*
 * Walks up to P9_WALK_MAX names.  The first *@got exist: name i has attributes
 * @attrs[i] and fid *@first + i.  0 when all do; else why it stopped: -ELOOP at a
 * symbolic link (the last one got), -ENOENT, -ENOTDIR...
 */
int p9_walk(struct p9_client *c, uint32_t fid, const struct p9_str *names, unsigned n,
	uint32_t *first, struct p9_attr *attrs, unsigned *got) MUST_CHECK;
int p9_clone(struct p9_client *c, uint32_t fid, uint32_t *newfid) MUST_CHECK;
/* Never fails: at once when @now (the object was deleted: its space counts), else in company. */
void p9_clunk(struct p9_client *c, uint32_t fid, bool now);
/* Sends every clunk that waits for company. */
void p9_clunk_flush(struct p9_client *c);

int p9_stat(struct p9_client *c, uint32_t fid, struct p9_attr *a) MUST_CHECK;
/* ch->fid names it; *@a (may be NULL): the attributes afterwards. */
int p9_change(struct p9_client *c, const struct p9_Tchange *ch, struct p9_attr *a) MUST_CHECK;
int p9_allocate(struct p9_client *c, uint32_t fid, int mode, uint64_t off, uint64_t len, struct p9_attr *a) MUST_CHECK;
int p9_statfs(struct p9_client *c, uint32_t fid, struct p9_Rstatfs *s) MUST_CHECK;

/* *@hfd: the host's descriptor of the file. */
int p9_open(struct p9_client *c, uint32_t fid, int flags, int *hfd) MUST_CHECK;
/* k->newfid is chosen here.  *@hfd: a regular file's descriptor, read and write; else -1. */
int p9_make(struct p9_client *c, struct p9_Tmake *k, int *hfd, struct p9_attr *a) MUST_CHECK;
int p9_connect(struct p9_client *c, uint32_t fid, int type, int *sock) MUST_CHECK;

/* Opens @fid itself, for p9_read(), p9_write() and p9_fsync() without a descriptor. */
int p9_lopen(struct p9_client *c, uint32_t fid, int flags) MUST_CHECK;
/* One message at most: may be short of P9_IO_MAX. */
#define P9_IO_MAX (P9_MSIZE - P9_IOHEADER)
ssize_t p9_read(struct p9_client *c, uint32_t fid, void *buf, size_t n, uint64_t off) MUST_CHECK;
ssize_t p9_write(struct p9_client *c, uint32_t fid, const void *buf, size_t n, uint64_t off) MUST_CHECK;
int p9_fsync(struct p9_client *c, uint32_t fid, bool datasync) MUST_CHECK;
/*
 * The first entries of the directory @fid: @buf (P9_MSIZE bytes) holds what *@out lists.  *@newfid is for
 * p9_readplus() and to be clunked, or P9_NOFID when these are all.
 */
int p9_list(struct p9_client *c, uint32_t fid, uint32_t *newfid, void *buf, struct p9_data *out) MUST_CHECK;
/* Entries of that directory from @off on: @buf (P9_MSIZE bytes) holds what *@out lists. */
int p9_readplus(struct p9_client *c, uint32_t fid, uint64_t off, void *buf, struct p9_data *out) MUST_CHECK;

/* Target, malloc'ed and NUL-terminated. */
int p9_readlink(struct p9_client *c, uint32_t fid, char **target) MUST_CHECK;
int p9_link(struct p9_client *c, uint32_t dfid, uint32_t fid, struct p9_str name) MUST_CHECK;
int p9_unlink(struct p9_client *c, uint32_t dfid, struct p9_str name, bool is_dir) MUST_CHECK;
int p9_rename(struct p9_client *c, uint32_t olddfid, struct p9_str oldname, uint32_t newdfid,
	struct p9_str newname, unsigned flags) MUST_CHECK;

/* Length, or -errno (-ERANGE); @n 0 asks for the length. */
ssize_t p9_getxattr(struct p9_client *c, uint32_t fid, const char *name, void *buf, size_t n) MUST_CHECK;
ssize_t p9_listxattr(struct p9_client *c, uint32_t fid, char *buf, size_t n) MUST_CHECK;
/* flags: XATTR_CREATE, XATTR_REPLACE or P9_XATTR_REMOVE. */
int p9_setxattr(struct p9_client *c, uint32_t fid, const char *name, const void *value, size_t n, int flags) MUST_CHECK;

static inline struct p9_str p9_str(const char *s, size_t n)
{
	return (struct p9_str){ s, (uint16_t)n };
}

extern const struct seccomp_rule p9_client_rules[];
