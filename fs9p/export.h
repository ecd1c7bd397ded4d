/*
 * export.h - the host side: one exported tree, reached by descriptors only.
 *
 * No function takes a path.  A name is one component: never empty, "." or "..",
 * without '/' and NUL; it is always opened with O_NOFOLLOW relative to a
 * directory that is already held, so no symbolic or magic link is ever
 * followed and nothing above the root can be named.
 *
 * Objects are held by O_PATH descriptors.  What such a descriptor cannot do
 * (open for I/O, change mode, extended attributes) goes through its name in
 * /proc/self/fd, of which export_init() keeps a descriptor: it leads
 * back to the very same object, whatever the tree looks like by then.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/attr.h"
#include "fs9p/msg.h"

struct p9_export {
	int sock;			/* the connection that it is served on */
	int root;			/* O_PATH: a directory, or a single file */
	bool readonly;			/* every change is EROFS */
	bool host_uds;			/* sockets may be connected to, else ECONNREFUSED */
	bool host_fifo;			/* fifos may be opened, else ENXIO */
};

/*
 * Once.  @proc_fd: O_PATH descriptor of this process's own /proc/self/fd, borrowed
 * for ever.  It becomes the current directory; the umask becomes 0.  0 or -errno.
 */
int export_init(int proc_fd) MUST_CHECK;
/* The name as a C string, if it is a proper one: 0, -EINVAL, -ENOENT or -ENAMETOOLONG. */
int export_name(struct p9_str s, char name[P9_NAME_MAX + 1]) MUST_CHECK;

int export_stat(int hfd, struct p9_attr *a) MUST_CHECK;
/* A new O_PATH descriptor of the child. */
int export_child(int dir, const char *name, int *hfd, struct p9_attr *a) MUST_CHECK;
/* A descriptor for I/O on what @hfd names.  Never blocks, never opens a device. */
int export_open(const struct p9_export *x, int hfd, uint32_t mode, int flags, int *io) MUST_CHECK;

struct export_make {
	char name[P9_NAME_MAX + 1];
	uint32_t mode;			/* with type bits */
	uint64_t rdev;
	uint32_t uid, gid;		/* P9_NONUID: the server's own */
	struct p9_str target;		/* of a symbolic link */
};
/*
 * Makes a new object (never opens an old one: -EEXIST).  *@hfd: O_PATH; *@io: a
 * regular file opened for reading and writing, else -1 (NULL: not wanted).
 */
int export_make(int dir, const struct export_make *m, int *hfd, int *io, struct p9_attr *a) MUST_CHECK;

/* A regular file without a name, in the filesystem of @dir; m->name does not count. */
int export_tmpfile(int dir, const struct export_make *m, int *hfd, int *io, struct p9_attr *a) MUST_CHECK;

struct export_change {
	uint32_t valid;			/* P9_SET_* */
	uint32_t mode, uid, gid;
	uint64_t size;
	int64_t atime, mtime;		/* ns */
};
/* @io: a writable descriptor of it, or -1. */
int export_change(const struct p9_export *x, int hfd, uint32_t mode, int io, const struct export_change *c) MUST_CHECK;
int export_allocate(const struct p9_export *x, int hfd, uint32_t mode, int io, int how, uint64_t off, uint64_t len) MUST_CHECK;
int export_link(int dir, const char *name, int hfd) MUST_CHECK;
int export_rename(int olddir, const char *oldname, int newdir, const char *newname, unsigned flags) MUST_CHECK;
int export_unlink(int dir, const char *name, bool is_dir) MUST_CHECK;
/* Where @hfd is now: its directory (the caller's descriptor) and name.  -ESTALE, -EBUSY (the root). */
int export_locate(const struct p9_export *x, int hfd, int *dir, char name[P9_NAME_MAX + 1]) MUST_CHECK;
ssize_t export_readlink(int hfd, char *buf, size_t n) MUST_CHECK;
/* A socket connected to the one that @hfd names; @type: SOCK_STREAM... */
int export_connect(const struct p9_export *x, int hfd, uint32_t mode, int type, int *sock) MUST_CHECK;

/* Length, or -errno; @n 0 asks for the length. */
ssize_t export_getxattr(int hfd, const char *name, void *buf, size_t n) MUST_CHECK;
ssize_t export_listxattr(int hfd, char *buf, size_t n) MUST_CHECK;
int export_setxattr(int hfd, const char *name, const void *value, size_t n, int flags) MUST_CHECK;

/*
 * Entries from @offset on, as many as @buf holds; @pos is where @io stands
 * (-1: unknown) and is kept up to date.  Returns the bytes; *@end: there is no more.
 */
ssize_t export_readdir(int io, int64_t *pos, uint64_t offset, bool plus, struct p9_data buf, bool *end) MUST_CHECK;
