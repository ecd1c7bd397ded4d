/*
 * export.c - the host side: objects behind O_PATH descriptors.
 *
 * Theory of operation
 *
 * Containment.  The only ways from one object to another are openat(dir, name,
 * O_PATH|O_NOFOLLOW) with a checked name, and calls of the *at family that
 * never follow a last component.  A directory swapped for a symbolic link at
 * any moment yields a descriptor of the link itself, of which nothing can be
 * opened or listed.
 *
 * Re-opening.  "/proc/self/fd/N" is a magic link to the object of descriptor N,
 * not a path.  proc_name() writes N; no text of the client ever reaches a path
 * under proc_fd.  A symbolic link re-opened this way is ELOOP, not followed.
 *
 * New objects get owner and mode of the client: made with O_EXCL (or a call
 * that never replaces), then changed where the host's rules (a set-group-id
 * directory, a default ACL, set-user-id bits lost in chown) made it different.
 */
#include "fs9p/export.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/seccomp.h"
#include "fs9p/server.h"

#include <linux/stat.h> /* struct statx and STATX_*, in any libc */

#define PERM_BITS 07777u
/* What of a client's open flags reaches the host. */
#define OPEN_FLAGS (O_TRUNC | O_APPEND | O_DIRECTORY | O_NOATIME | O_DSYNC)

static int proc_fd = -1;

struct proc_name {
	char s[12];
};

static struct proc_name proc_name(int hfd)
{
	struct proc_name p;

	snprintf(p.s, sizeof p.s, "%d", hfd);
	return p;
}

int export_init(int fd)
{
	if (fchdir(fd))
		return -errno;
	proc_fd = fd;
	umask(0);
	return 0;
}

int export_name(struct p9_str s, char name[P9_NAME_MAX + 1])
{
	if (s.n > P9_NAME_MAX)
		return -ENAMETOOLONG;
	if (s.n == 0)
		return -ENOENT;
	if (memchr(s.s, '/', s.n) || memchr(s.s, 0, s.n))
		return -EINVAL;
	memcpy(name, s.s, s.n);
	name[s.n] = 0;
	return strcmp(name, ".") && strcmp(name, "..") ? 0 : -EINVAL;
}

/* --- attributes */

static int64_t ns_of(struct statx_timestamp t)
{
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

static void attr_of(const struct statx *s, struct p9_attr *a)
{
	uint64_t dev = makedev(s->stx_dev_major, s->stx_dev_minor);
	uint8_t type = S_ISDIR(s->stx_mode)   ? P9_QTDIR
		       : S_ISLNK(s->stx_mode) ? P9_QTSYMLINK
					      : P9_QTFILE;
	uint64_t version =
		(uint64_t)(ns_of(s->stx_mtime) ^ ns_of(s->stx_ctime));

	*a = (struct p9_attr){
		/* The inode number alone collides when filesystems are mounted
		 * inside the tree. */
		.qid = { type, (uint32_t)(version ^ version >> 32),
			s->stx_ino ^ dev << 40 },
		.dev = dev,
		.ino = s->stx_ino,
		.mode = s->stx_mode,
		.nlink = s->stx_nlink,
		.uid = s->stx_uid,
		.gid = s->stx_gid,
		.rdev = makedev(s->stx_rdev_major, s->stx_rdev_minor),
		.size = s->stx_size,
		.blocks = s->stx_blocks,
		.blksize = s->stx_blksize,
		.atime = ns_of(s->stx_atime),
		.mtime = ns_of(s->stx_mtime),
		.ctime = ns_of(s->stx_ctime),
		.btime = s->stx_mask & STATX_BTIME ? ns_of(s->stx_btime) : 0,
	};
}

static int attr_at(int dir, const char *name, int flags, struct p9_attr *a)
{
	struct statx s;

	if (syscall(SYS_statx, dir, name, flags | AT_NO_AUTOMOUNT,
		    STATX_BASIC_STATS | STATX_BTIME, &s))
		return -errno;
	attr_of(&s, a);
	return 0;
}

int export_stat(int hfd, struct p9_attr *a)
{
	return attr_at(hfd, "", AT_EMPTY_PATH, a);
}

int export_child(int dir, const char *name, int *hfd, struct p9_attr *a)
{
	int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = export_stat(fd, a);
	if (err) {
		close(fd);
		return err;
	}
	*hfd = fd;
	return 0;
}

/* --- opening */

static int open_allowed(const struct p9_export *x, uint32_t mode, int flags)
{
	bool writes = (flags & 3) != O_RDONLY || flags & O_TRUNC;

	if ((flags & 3) == 3)
		return -EINVAL;
	switch (mode & S_IFMT) {
	case S_IFREG:
		break;
	case S_IFDIR:
		return writes ? -EISDIR : 0;
	case S_IFLNK:
		return -ELOOP;
	case S_IFIFO:
		return x->host_fifo ? 0 : -ENXIO;
	default: /* a device is the guest's own, a socket is connected to */
		return -ENXIO;
	}
	if (flags & O_DIRECTORY)
		return -ENOTDIR;
	return writes && x->readonly ? -EROFS : 0;
}

static int reopen(int hfd, int flags)
{
	int fd = openat(proc_fd, proc_name(hfd).s,
		flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int export_open(
	const struct p9_export *x, int hfd, uint32_t mode, int flags, int *io)
{
	int err = open_allowed(x, mode, flags);
	int fd;

	if (err)
		return err;
	flags &= 3 | OPEN_FLAGS;
	if (S_ISDIR(mode))
		flags |= O_DIRECTORY;
	fd = reopen(hfd, flags);
	if (fd == -EPERM && flags & O_NOATIME)
		fd = reopen(hfd, flags & ~O_NOATIME);
	if (fd < 0)
		return fd;
	*io = fd;
	return 0;
}

/* --- new objects */

static int chmod_fd(int hfd, uint32_t mode)
{
	if (fchmodat(proc_fd, proc_name(hfd).s, mode & PERM_BITS, 0))
		return -errno;
	return 0;
}

static int chown_fd(int hfd, uint32_t uid, uint32_t gid)
{
	if (fchownat(hfd, "", uid, gid, AT_EMPTY_PATH))
		return -errno;
	return 0;
}

/* Owner and mode as the client wants them, where the host chose others. */
static int adopt(int hfd, const struct export_make *m, struct p9_attr *a)
{
	uint32_t uid = m->uid == P9_NONUID ? a->uid : m->uid;
	uint32_t gid = m->gid == P9_NONUID ? a->gid : m->gid;
	bool changed = false;
	int err;

	if (uid != a->uid || gid != a->gid) {
		err = chown_fd(hfd, uid, gid);
		if (err)
			return err;
		err = export_stat(hfd, a);
		if (err)
			return err;
	}
	if (!S_ISLNK(a->mode) &&
		(a->mode & PERM_BITS) != (m->mode & PERM_BITS)) {
		err = chmod_fd(hfd, m->mode);
		if (err)
			return err;
		changed = true;
	}
	return changed ? export_stat(hfd, a) : 0;
}

static int make_symlink(int dir, const struct export_make *m)
{
	char target[PATH_MAX];

	if (m->target.n >= sizeof target)
		return -ENAMETOOLONG;
	if (m->target.n == 0 || memchr(m->target.s, 0, m->target.n))
		return -ENOENT;
	memcpy(target, m->target.s, m->target.n);
	target[m->target.n] = 0;
	return symlinkat(target, dir, m->name) ? -errno : 0;
}

/* Everything but a regular file.  Real devices stay the host's own affair. */
static int make_node(int dir, const struct export_make *m)
{
	int err;

	switch (m->mode & S_IFMT) {
	case S_IFDIR:
		err = mkdirat(dir, m->name, m->mode & PERM_BITS);
		break;
	case S_IFLNK:
		return make_symlink(dir, m);
	case S_IFCHR: /* 0:0 is an overlay's whiteout, and opens nothing */
		if (m->rdev != 0)
			return -EPERM;
		/* fall through */
	case S_IFIFO:
	case S_IFSOCK:
		err = mknodat(dir, m->name, m->mode & (S_IFMT | PERM_BITS), 0);
		break;
	case S_IFBLK:
		return -EPERM;
	default:
		return -EINVAL;
	}
	return err ? -errno : 0;
}

static int make_file(int dir, const struct export_make *m, int *io)
{
	int fd = openat(dir, m->name,
		O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
		m->mode & 0777); /* set-id bits wait for the right owner */

	if (fd < 0)
		return -errno;
	*io = fd;
	return 0;
}

int export_make(int dir, const struct export_make *m, int *hfd, int *io,
	struct p9_attr *a)
{
	bool regular = S_ISREG(m->mode);
	int file = -1, fd = -1, err;

	err = regular ? make_file(dir, m, &file) : make_node(dir, m);
	if (err)
		return err;
	err = export_child(dir, m->name, &fd, a);
	if (err) /* no descriptor left: as if it had not been made */
		goto remove;
	/* Someone on the host may have replaced the name meanwhile. */
	err = (a->mode & S_IFMT) == (m->mode & S_IFMT) ? adopt(fd, m, a)
						       : -ESTALE;
	if (err)
		goto remove;
	*hfd = fd;
	if (io)
		*io = file;
	else if (file >= 0)
		close(file);
	return 0;
remove:
	unlinkat(dir, m->name, S_ISDIR(m->mode) ? AT_REMOVEDIR : 0);
	if (fd >= 0)
		close(fd);
	if (file >= 0)
		close(file);
	return err;
}

int export_tmpfile(int dir, const struct export_make *m, int *hfd, int *io,
	struct p9_attr *a)
{
	int err, fd = -1;
	int file = openat(
		dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, m->mode & 0777);

	if (file < 0)
		return -errno;
	fd = openat(proc_fd, proc_name(file).s, O_PATH | O_CLOEXEC);
	err = fd < 0 ? -errno : export_stat(fd, a) ?: adopt(fd, m, a);
	if (err) {
		if (fd >= 0)
			close(fd);
		close(file);
		return err;
	}
	*hfd = fd;
	*io = file;
	return 0;
}

/* --- changes */

/* Runs @fn on a writable descriptor of a regular file: @io, or one of its own.
 */
static int with_writable(const struct p9_export *x, int hfd, uint32_t mode,
	int io, int (*fn)(int fd, void *arg), void *arg)
{
	int fd, err;

	if (!S_ISREG(mode))
		return S_ISDIR(mode) ? -EISDIR : -EINVAL;
	if (x->readonly)
		return -EROFS;
	if (io >= 0 && (fcntl(io, F_GETFL) & 3) != O_RDONLY)
		return fn(io, arg);
	fd = reopen(hfd, O_WRONLY);
	if (fd < 0)
		return fd;
	err = fn(fd, arg);
	close(fd);
	return err;
}

static int do_truncate(int fd, void *arg)
{
	return ftruncate(fd, *(off_t *)arg) ? -errno : 0;
}

static struct timespec time_of(
	uint32_t valid, uint32_t bit, uint32_t set, int64_t ns)
{
	int64_t sec = ns / NSEC_PER_SEC, frac = ns % NSEC_PER_SEC;

	if (!(valid & bit))
		return (struct timespec){ .tv_nsec = UTIME_OMIT };
	if (!(valid & set))
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	if (frac < 0) {
		frac += NSEC_PER_SEC;
		sec--;
	}
	return (struct timespec){ .tv_sec = sec, .tv_nsec = frac };
}

static int change_times(int hfd, const struct export_change *c)
{
	struct timespec ts[2] = {
		time_of(c->valid, P9_SET_ATIME, P9_SET_ATIME_SET, c->atime),
		time_of(c->valid, P9_SET_MTIME, P9_SET_MTIME_SET, c->mtime),
	};

	return utimensat(proc_fd, proc_name(hfd).s, ts, 0) ? -errno : 0;
}

int export_change(const struct p9_export *x, int hfd, uint32_t mode, int io,
	const struct export_change *c)
{
	off_t size = (off_t)c->size;
	int err = 0;

	if (x->readonly)
		return -EROFS;
	if (c->valid & ~(uint32_t)P9_SET_ALL ||
		(c->valid & P9_SET_SIZE && size < 0))
		return -EINVAL;
	if (c->valid & P9_SET_SIZE)
		err = with_writable(x, hfd, mode, io, do_truncate, &size);
	/* The host sets a ctime by itself, unless there is nothing else. */
	if (!err && (c->valid & (P9_SET_UID | P9_SET_GID) ||
			    c->valid == P9_SET_CTIME))
		err = chown_fd(hfd, c->valid & P9_SET_UID ? c->uid : P9_NONUID,
			c->valid & P9_SET_GID ? c->gid : P9_NONUID);
	if (!err && c->valid & P9_SET_MODE)
		err = S_ISLNK(mode) ? -EOPNOTSUPP : chmod_fd(hfd, c->mode);
	if (!err && c->valid & (P9_SET_ATIME | P9_SET_MTIME))
		err = change_times(hfd, c);
	return err;
}

struct allocation {
	int mode;
	off_t off, len;
};

static int do_allocate(int fd, void *arg)
{
	struct allocation *a = arg;

	return fallocate(fd, a->mode, a->off, a->len) ? -errno : 0;
}

int export_allocate(const struct p9_export *x, int hfd, uint32_t mode, int io,
	int how, uint64_t off, uint64_t len)
{
	struct allocation a = { how, (off_t)off, (off_t)len };

	if (a.off < 0 || a.len <= 0)
		return -EINVAL;
	return with_writable(x, hfd, mode, io, do_allocate, &a);
}

int export_link(int dir, const char *name, int hfd)
{
	/* AT_EMPTY_PATH would want CAP_DAC_READ_SEARCH. */
	if (linkat(proc_fd, proc_name(hfd).s, dir, name, AT_SYMLINK_FOLLOW))
		return -errno;
	return 0;
}

int export_rename(int olddir, const char *oldname, int newdir,
	const char *newname, unsigned flags)
{
	if (flags == 0)
		return renameat(olddir, oldname, newdir, newname) ? -errno : 0;
	if (syscall(SYS_renameat2, olddir, oldname, newdir, newname, flags))
		return -errno;
	return 0;
}

int export_unlink(int dir, const char *name, bool is_dir)
{
	return unlinkat(dir, name, is_dir ? AT_REMOVEDIR : 0) ? -errno : 0;
}

ssize_t export_readlink(int hfd, char *buf, size_t n)
{
	ssize_t len = readlinkat(hfd, "", buf, n);

	return len < 0 ? (errno == ENOENT ? -EINVAL : -errno) : len;
}

/* --- where a descriptor is now */

static int proc_path(int hfd, char *buf, size_t n)
{
	ssize_t len = readlinkat(proc_fd, proc_name(hfd).s, buf, n);

	if (len < 0)
		return -errno;
	if ((size_t)len == n)
		return -ENAMETOOLONG;
	buf[len] = 0;
	return 0;
}

/* Opens the directories of @path, which begins below @root; *@last: the name
 * left. */
static int walk_down(int root, char *path, char **last)
{
	int fd = fcntl(root, F_DUPFD_CLOEXEC, 0);

	while (*path == '/')
		path++;
	for (char *slash; fd >= 0 && (slash = strchr(path, '/'));
		path = slash + 1) {
		int next;

		*slash = 0;
		next = openat(fd, path,
			O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = next;
	}
	*last = path;
	return fd < 0 ? -errno : fd;
}

static bool same_object(int dir, const char *name, int hfd)
{
	struct p9_attr a, b;

	return !attr_at(dir, name, AT_SYMLINK_NOFOLLOW, &a) &&
	       !export_stat(hfd, &b) && a.ino == b.ino && a.dev == b.dev;
}

int export_locate(const struct p9_export *x, int hfd, int *dir,
	char name[P9_NAME_MAX + 1])
{
	char root[PATH_MAX], path[PATH_MAX], *last;
	size_t n;
	int fd, err = proc_path(x->root, root, sizeof root)
			      ?: proc_path(hfd, path, sizeof path);

	if (err)
		return err;
	n = strcmp(root, "/") ? strlen(root) : 0;
	if (!strcmp(root, path))
		return -EBUSY;
	if (strncmp(path, root, n) || path[n] != '/')
		return -ESTALE;
	fd = walk_down(x->root, path + n, &last);
	if (fd < 0)
		return fd;
	/* The text is a hint; the object decides. */
	if (strlen(last) > P9_NAME_MAX || !same_object(fd, last, hfd)) {
		close(fd);
		return -ESTALE;
	}
	strcpy(name, last);
	*dir = fd;
	return 0;
}

/* --- sockets */

int export_connect(
	const struct p9_export *x, int hfd, uint32_t mode, int type, int *sock)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd, err;

	if (!x->host_uds || !S_ISSOCK(mode))
		return -ECONNREFUSED;
	if (type != SOCK_STREAM && type != SOCK_SEQPACKET && type != SOCK_DGRAM)
		return -EPROTOTYPE;
	memcpy(sa.sun_path, proc_name(hfd).s, sizeof(struct proc_name));
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa)) {
		err = -errno;
		close(fd);
		return err;
	}
	*sock = fd;
	return 0;
}

/* --- extended attributes */

/*
 * The xattr calls, and connect(2), have no *at form that 4.14 knows: they go
 * through the current directory, which export_init() makes /proc/self/fd.
 */
static bool xattr_allowed(const char *name)
{
	return !strncmp(name, "user.", 5) ||
	       !strcmp(name, "security.capability");
}

ssize_t export_getxattr(int hfd, const char *name, void *buf, size_t n)
{
	ssize_t len;

	if (!xattr_allowed(name))
		return -EOPNOTSUPP;
	len = getxattr(proc_name(hfd).s, name, buf, n);
	return len < 0 ? -errno : len;
}

ssize_t export_listxattr(int hfd, char *buf, size_t n)
{
	static char all[65536]; /* XATTR_LIST_MAX */
	size_t out = 0;
	ssize_t len;

	len = listxattr(proc_name(hfd).s, all, sizeof all);
	if (len < 0)
		return -errno;
	for (size_t i = 0; i < (size_t)len; i += strlen(all + i) + 1) {
		size_t size = strlen(all + i) + 1;

		if (!xattr_allowed(all + i))
			continue;
		if (n && out + size > n)
			return -ERANGE;
		if (n)
			memcpy(buf + out, all + i, size);
		out += size;
	}
	return (ssize_t)out;
}

int export_setxattr(
	int hfd, const char *name, const void *value, size_t n, int flags)
{

	if (!xattr_allowed(name))
		return strncmp(name, "trusted.", 8) ? -EOPNOTSUPP : -EPERM;
	if (flags & ~(XATTR_CREATE | XATTR_REPLACE | P9_XATTR_REMOVE))
		return -EINVAL;
	if (flags & P9_XATTR_REMOVE)
		return removexattr(proc_name(hfd).s, name) ? -errno : 0;
	return setxattr(proc_name(hfd).s, name, value, n, flags) ? -errno : 0;
}

/* --- directories */

struct host_dirent { /* getdents64(2) */
	uint64_t ino;
	int64_t next;
	uint16_t len;
	uint8_t type;
	char name[];
};

/* One host entry as ours; false when it is gone meanwhile. */
static bool convert_dirent(
	int io, const struct host_dirent *h, bool plus, struct p9_dirent *e)
{
	uint8_t type = h->type == DT_DIR   ? P9_QTDIR
		       : h->type == DT_LNK ? P9_QTSYMLINK
					   : P9_QTFILE;

	*e = (struct p9_dirent){ .attr.qid = { type, 0, h->ino },
		.next = (uint64_t)h->next,
		.type = h->type,
		.name = { h->name, (uint16_t)strlen(h->name) } };
	if (!strcmp(h->name, "..")) /* may be above the root */
		return !export_stat(io, &e->attr);
	if (!plus)
		return true;
	if (attr_at(io, h->name, AT_SYMLINK_NOFOLLOW, &e->attr))
		return false;
	e->type = (uint8_t)(e->attr.mode >> 12);
	return true;
}

/*
 * Converts what getdents64 gave.  Returns the bytes made; *@pos moves past the
 * entries done, *@full says that the next one did not fit.
 */
static size_t convert_dirents(int io, const uint8_t *host, size_t n, bool plus,
	struct p9_data out, int64_t *pos, bool *full)
{
	size_t used = 0;

	for (size_t i = 0; i < n;) {
		const struct host_dirent *h = (const void *)(host + i);
		struct p9_dirent e;
		size_t size;

		if (convert_dirent(io, h, plus, &e)) {
			size = p9_dirent_put((uint8_t *)out.p + used,
				out.n - used, plus, &e);
			*full = size == 0;
			if (*full)
				break;
			used += size;
		}
		*pos = h->next;
		i += h->len;
	}
	return used;
}

ssize_t export_readdir(int io, int64_t *pos, uint64_t offset, bool plus,
	struct p9_data buf, bool *end)
{
	static uint8_t host[16384] __attribute__((aligned(8)));
	bool full = false;
	size_t used = 0;

	if ((int64_t)offset != *pos && lseek(io, (off_t)offset, SEEK_SET) < 0)
		return -errno;
	*pos = (int64_t)offset;
	*end = false;
	while (!full) {
		struct p9_data room = { (uint8_t *)buf.p + used,
			buf.n - (uint32_t)used };
		long n = syscall(SYS_getdents64, io, host, sizeof host);

		if (n < 0 && used == 0)
			return -errno;
		*end = n == 0;
		if (n <= 0)
			return (ssize_t)used;
		used += convert_dirents(
			io, host, (size_t)n, plus, room, pos, &full);
	}
	/* The host is ahead of what was sent. */
	if (lseek(io, *pos, SEEK_SET) < 0)
		*pos = -1;
	return used ? (ssize_t)used : -EINVAL;
}

const struct seccomp_rule p9_export_rules[] = { ALLOW(statx), ALLOW(openat),
	ALLOW(close), ALLOW(fcntl), ALLOW(fchmodat), ALLOW(fchownat),
	ALLOW(symlinkat), ALLOW(mkdirat), ALLOW(mknodat), ALLOW(ftruncate),
	ALLOW(utimensat), ALLOW(fallocate), ALLOW(linkat), ALLOW(renameat),
	ALLOW(renameat2), ALLOW(unlinkat), ALLOW(readlinkat), ALLOW(getxattr),
	ALLOW(listxattr), ALLOW(setxattr), ALLOW(removexattr),
	ALLOW(getdents64), ALLOW(lseek), SECCOMP_END };

const struct seccomp_rule p9_export_uds_rules[] = {
	ALLOW_ARG(socket, 0, AF_UNIX), ALLOW(connect), SECCOMP_END
};
