/* sys_path.c - names: looking them up, making, removing and describing them. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "kernel/abi/stat.h"
#include "kernel/mm/mm.h"
#include "kernel/syscall/syscall.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/namei.h"
#include "kernel/vfs/stat.h"

#define G_AT_EACCESS         0x200
#define G_AT_NO_AUTOMOUNT    0x800
#define G_AT_STATX_SYNC_TYPE 0x6000
#define G_UTIME_NOW          0x3fffffff
#define G_UTIME_OMIT         0x3ffffffe

/* A name of the guest, and from where it is looked up. */
struct named {
	char *name;
	struct walk w;
};

static int named_in(struct task *t, int dfd, uaddr_t u, struct named *n)
{
	int err = copyin_path(t, u, &n->name);

	if (err)
		return err;
	err = task_walk(t, dfd, n->name, &n->w);
	if (err)
		free(n->name);
	return err;
}

static void named_done(struct named *n)
{
	walk_done(&n->w);
	free(n->name);
}

/*
 * What a call acts on: a looked-up name, or the file of a descriptor.  The
 * path is empty for a file that has none.
 */
struct target {
	struct path path; /* reference */
	struct inode *in; /* borrowed */
	struct fdref fd;
};

static int target_fd(struct task *t, int fd, bool place, struct target *o)
{
	o->fd = place ? fd_borrow_path(t, fd) : fd_borrow(t, fd);
	if (!o->fd.f)
		return -EBADF;
	o->in = o->fd.f->inode;
	o->path = o->fd.f->path;
	path_get(&o->path);
	return 0;
}

static void target_done(struct target *o)
{
	path_put(&o->path);
	fd_done(&o->fd);
}

static int target_name(
	struct task *t, int dfd, uaddr_t u, int at, struct target *o)
{
	unsigned flags = at & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct named n;
	int err;

	*o = (struct target){ .in = NULL };
	err = copyin_path(t, u, &n.name);
	if (err)
		return err;
	if (!*n.name && at & AT_EMPTY_PATH && dfd != AT_FDCWD) {
		free(n.name);
		return target_fd(t, dfd, true, o);
	}
	if (at & AT_EMPTY_PATH)
		flags |= LOOKUP_EMPTY;
	err = task_walk(t, dfd, n.name, &n.w);
	if (!err) {
		err = path_lookup(&n.w, n.name, flags, &o->path);
		walk_done(&n.w);
	}
	free(n.name);
	if (!err)
		o->in = path_inode(&o->path);
	return err;
}

static long stat_out(struct task *t, struct target *o, uaddr_t buf)
{
	struct stat_abi st;
	struct kstat k;
	int err = inode_getattr(o->in, &k);

	if (err)
		return err;
	kstat_to_stat(&k, &st);
	return copyout(t, buf, &st, sizeof st);
}

static long do_stat(struct task *t, int dfd, uaddr_t name, uaddr_t buf, int at)
{
	struct target o;
	long err;

	if (at & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | G_AT_NO_AUTOMOUNT |
			 G_AT_STATX_SYNC_TYPE))
		return -EINVAL;
	err = target_name(t, dfd, name, at, &o);
	if (err)
		return err;
	err = stat_out(t, &o, buf);
	target_done(&o);
	return err;
}

long sys_stat(struct task *t, struct sysargs a)
{
	return do_stat(t, AT_FDCWD, arg_addr(a, 0), arg_addr(a, 1), 0);
}

long sys_lstat(struct task *t, struct sysargs a)
{
	return do_stat(t, AT_FDCWD, arg_addr(a, 0), arg_addr(a, 1),
		AT_SYMLINK_NOFOLLOW);
}

long sys_newfstatat(struct task *t, struct sysargs a)
{
	return do_stat(t, arg_int(a, 0), arg_addr(a, 1), arg_addr(a, 2),
		arg_int(a, 3));
}

long sys_fstat(struct task *t, struct sysargs a)
{
	struct target o = { .fd = fd_borrow_path(t, arg_int(a, 0)) };
	long err;

	if (!o.fd.f)
		return -EBADF;
	o.in = o.fd.f->inode;
	err = stat_out(t, &o, arg_addr(a, 1));
	fd_done(&o.fd);
	return err;
}

long sys_statx(struct task *t, struct sysargs a)
{
	int at = arg_int(a, 2);
	struct statx_abi sx;
	struct target o;
	struct kstat k;
	long err;

	if (arg_uint(a, 3) & 0x80000000u ||
		(at & G_AT_STATX_SYNC_TYPE) == G_AT_STATX_SYNC_TYPE ||
		at & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | G_AT_NO_AUTOMOUNT |
			     G_AT_STATX_SYNC_TYPE))
		return -EINVAL;
	err = target_name(t, arg_int(a, 0), arg_addr(a, 1), at, &o);
	if (err)
		return err;
	err = inode_getattr(o.in, &k);
	if (!err) {
		kstat_to_statx(&k, &o.path, &sx);
		err = copyout(t, arg_addr(a, 4), &sx, sizeof sx);
	}
	target_done(&o);
	return err;
}

static long do_access(
	struct task *t, int dfd, uaddr_t name, unsigned mode, int at)
{
	struct cred *real = NULL;
	struct named n;
	struct path p;
	long err;

	if (mode & ~7u ||
		at & ~(G_AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = named_in(t, dfd, name, &n);
	if (err)
		return err;
	if (!(at & G_AT_EACCESS)) {
		err = access_cred(n.w.cred, &real);
		if (real)
			n.w.cred = real;
	}
	if (!err)
		err = path_lookup(&n.w, n.name,
			(at & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
				(at & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0),
			&p);
	if (!err) {
		err = path_access(&p, n.w.cred, mode);
		path_put(&p);
	}
	cred_put(real);
	named_done(&n);
	return err;
}

long sys_access(struct task *t, struct sysargs a)
{
	return do_access(t, AT_FDCWD, arg_addr(a, 0), arg_uint(a, 1), 0);
}

long sys_faccessat(struct task *t, struct sysargs a)
{
	return do_access(t, arg_int(a, 0), arg_addr(a, 1), arg_uint(a, 2), 0);
}

long sys_faccessat2(struct task *t, struct sysargs a)
{
	return do_access(t, arg_int(a, 0), arg_addr(a, 1), arg_uint(a, 2),
		arg_int(a, 3));
}

static long do_mkdir(struct task *t, int dfd, uaddr_t name, unsigned mode)
{
	struct named n;
	long err = named_in(t, dfd, name, &n);

	if (err)
		return err;
	err = vfs_mkdir(&n.w, n.name, mode);
	named_done(&n);
	return err;
}

long sys_mkdir(struct task *t, struct sysargs a)
{
	return do_mkdir(t, AT_FDCWD, arg_addr(a, 0), arg_uint(a, 1));
}

long sys_mkdirat(struct task *t, struct sysargs a)
{
	return do_mkdir(t, arg_int(a, 0), arg_addr(a, 1), arg_uint(a, 2));
}

static long do_mknod(
	struct task *t, int dfd, uaddr_t name, unsigned mode, unsigned dev)
{
	struct named n;
	long err;

	switch (mode & S_IFMT) {
	case 0:
		mode |= S_IFREG;
		break;
	case S_IFREG:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		break;
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
	err = named_in(t, dfd, name, &n);
	if (err)
		return err;
	if (!S_ISCHR(mode) && !S_ISBLK(mode))
		dev = 0;
	err = vfs_mknod(&n.w, n.name, mode, dev, NULL);
	named_done(&n);
	return err;
}

long sys_mknod(struct task *t, struct sysargs a)
{
	return do_mknod(
		t, AT_FDCWD, arg_addr(a, 0), arg_uint(a, 1), arg_uint(a, 2));
}

long sys_mknodat(struct task *t, struct sysargs a)
{
	return do_mknod(t, arg_int(a, 0), arg_addr(a, 1), arg_uint(a, 2),
		arg_uint(a, 3));
}

static long do_unlink(struct task *t, int dfd, uaddr_t name, bool dir)
{
	struct named n;
	long err = named_in(t, dfd, name, &n);

	if (err)
		return err;
	err = dir ? vfs_rmdir(&n.w, n.name) : vfs_unlink(&n.w, n.name);
	named_done(&n);
	return err;
}

long sys_unlink(struct task *t, struct sysargs a)
{
	return do_unlink(t, AT_FDCWD, arg_addr(a, 0), false);
}

long sys_rmdir(struct task *t, struct sysargs a)
{
	return do_unlink(t, AT_FDCWD, arg_addr(a, 0), true);
}

long sys_unlinkat(struct task *t, struct sysargs a)
{
	int flags = arg_int(a, 2);

	if (flags & ~AT_REMOVEDIR)
		return -EINVAL;
	return do_unlink(
		t, arg_int(a, 0), arg_addr(a, 1), flags & AT_REMOVEDIR);
}

static long do_rename(struct task *t, int odfd, uaddr_t oname, int ndfd,
	uaddr_t nname, unsigned flags)
{
	struct named o, n;
	long err;

	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE |
				RENAME_WHITEOUT))
		return -EINVAL;
	if (flags & RENAME_EXCHANGE &&
		flags & (RENAME_NOREPLACE | RENAME_WHITEOUT))
		return -EINVAL;
	err = named_in(t, odfd, oname, &o);
	if (err)
		return err;
	err = named_in(t, ndfd, nname, &n);
	if (!err) {
		err = vfs_rename(&o.w, o.name, &n.w, n.name, flags);
		named_done(&n);
	}
	named_done(&o);
	return err;
}

long sys_rename(struct task *t, struct sysargs a)
{
	return do_rename(
		t, AT_FDCWD, arg_addr(a, 0), AT_FDCWD, arg_addr(a, 1), 0);
}

long sys_renameat(struct task *t, struct sysargs a)
{
	return do_rename(t, arg_int(a, 0), arg_addr(a, 1), arg_int(a, 2),
		arg_addr(a, 3), 0);
}

long sys_renameat2(struct task *t, struct sysargs a)
{
	return do_rename(t, arg_int(a, 0), arg_addr(a, 1), arg_int(a, 2),
		arg_addr(a, 3), arg_uint(a, 4));
}

static long do_link(struct task *t, int odfd, uaddr_t oname, int ndfd,
	uaddr_t nname, int at)
{
	struct target from;
	struct named n;
	long err;

	if (at & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (at & AT_EMPTY_PATH && !task_capable(t, CAP_DAC_READ_SEARCH))
		return -ENOENT;
	err = target_name(t, odfd, oname,
		(at & AT_EMPTY_PATH) |
			(at & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW),
		&from);
	if (err)
		return err;
	err = named_in(t, ndfd, nname, &n);
	if (!err) {
		err = from.path.dentry ? vfs_link(&from.path, &n.w, n.name)
				       : -EXDEV;
		named_done(&n);
	}
	target_done(&from);
	return err;
}

long sys_link(struct task *t, struct sysargs a)
{
	return do_link(
		t, AT_FDCWD, arg_addr(a, 0), AT_FDCWD, arg_addr(a, 1), 0);
}

long sys_linkat(struct task *t, struct sysargs a)
{
	return do_link(t, arg_int(a, 0), arg_addr(a, 1), arg_int(a, 2),
		arg_addr(a, 3), arg_int(a, 4));
}

static long do_symlink(struct task *t, uaddr_t target, int dfd, uaddr_t name)
{
	struct named n;
	char *text;
	long err = copyin_path(t, target, &text);

	if (err)
		return err;
	err = *text ? named_in(t, dfd, name, &n) : -ENOENT;
	if (!err) {
		err = vfs_symlink(&n.w, text, n.name);
		named_done(&n);
	}
	free(text);
	return err;
}

long sys_symlink(struct task *t, struct sysargs a)
{
	return do_symlink(t, arg_addr(a, 0), AT_FDCWD, arg_addr(a, 1));
}

long sys_symlinkat(struct task *t, struct sysargs a)
{
	return do_symlink(t, arg_addr(a, 0), arg_int(a, 1), arg_addr(a, 2));
}

static long do_readlink(
	struct task *t, int dfd, uaddr_t name, uaddr_t buf, int size)
{
	struct named n;
	char *text;
	long ret;

	if (size <= 0)
		return -EINVAL;
	ret = named_in(t, dfd, name, &n);
	if (ret)
		return ret;
	ret = vfs_readlink(&n.w, n.name, &text);
	named_done(&n);
	if (ret)
		return ret;
	ret = (long)MIN(strlen(text), (size_t)size);
	if (copyout(t, buf, text, (size_t)ret))
		ret = -EFAULT;
	free(text);
	return ret;
}

long sys_readlink(struct task *t, struct sysargs a)
{
	return do_readlink(
		t, AT_FDCWD, arg_addr(a, 0), arg_addr(a, 1), arg_int(a, 2));
}

long sys_readlinkat(struct task *t, struct sysargs a)
{
	return do_readlink(t, arg_int(a, 0), arg_addr(a, 1), arg_addr(a, 2),
		arg_int(a, 3));
}

/* Applies @change to @o (whose references end here). */
static long target_change(
	struct task *t, struct target *o, struct iattr *change)
{
	long err;

	if (o->path.dentry)
		err = vfs_setattr(&o->path, task_cred(t), change);
	else
		err = inode_change(o->in, NULL, task_cred(t), change);
	target_done(o);
	return err;
}

static long do_chmod(
	struct task *t, int dfd, uaddr_t name, unsigned mode, int at)
{
	struct iattr change = { .valid = ATTR_MODE, .mode = mode & 07777 };
	struct target o;
	long err;

	if (at & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = target_name(t, dfd, name, at, &o);
	if (err)
		return err;
	if (S_ISLNK(o.in->mode)) {
		target_done(&o);
		return -EOPNOTSUPP;
	}
	return target_change(t, &o, &change);
}

long sys_chmod(struct task *t, struct sysargs a)
{
	return do_chmod(t, AT_FDCWD, arg_addr(a, 0), arg_uint(a, 1), 0);
}

long sys_fchmodat(struct task *t, struct sysargs a)
{
	return do_chmod(t, arg_int(a, 0), arg_addr(a, 1), arg_uint(a, 2), 0);
}

long sys_fchmodat2(struct task *t, struct sysargs a)
{
	return do_chmod(t, arg_int(a, 0), arg_addr(a, 1), arg_uint(a, 2),
		arg_int(a, 3));
}

long sys_fchmod(struct task *t, struct sysargs a)
{
	struct iattr change = { .valid = ATTR_MODE,
		.mode = arg_uint(a, 1) & 07777 };
	struct target o = { .in = NULL };
	long err = target_fd(t, arg_int(a, 0), false, &o);

	return err ? err : target_change(t, &o, &change);
}

static struct iattr owner_change(unsigned uid, unsigned gid)
{
	return (struct iattr){
		.valid = ATTR_OWNER | (uid != ~0u ? (unsigned)ATTR_UID : 0) |
			 (gid != ~0u ? (unsigned)ATTR_GID : 0),
		.uid = uid,
		.gid = gid,
	};
}

static long do_chown(struct task *t, int dfd, uaddr_t name, unsigned uid,
	unsigned gid, int at)
{
	struct iattr change = owner_change(uid, gid);
	struct target o;
	long err;

	if (at & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = target_name(t, dfd, name, at, &o);
	return err ? err : target_change(t, &o, &change);
}

long sys_chown(struct task *t, struct sysargs a)
{
	return do_chown(
		t, AT_FDCWD, arg_addr(a, 0), arg_uint(a, 1), arg_uint(a, 2), 0);
}

long sys_lchown(struct task *t, struct sysargs a)
{
	return do_chown(t, AT_FDCWD, arg_addr(a, 0), arg_uint(a, 1),
		arg_uint(a, 2), AT_SYMLINK_NOFOLLOW);
}

long sys_fchownat(struct task *t, struct sysargs a)
{
	return do_chown(t, arg_int(a, 0), arg_addr(a, 1), arg_uint(a, 2),
		arg_uint(a, 3), arg_int(a, 4));
}

long sys_fchown(struct task *t, struct sysargs a)
{
	struct iattr change = owner_change(arg_uint(a, 1), arg_uint(a, 2));
	struct target o = { .in = NULL };
	long err = target_fd(t, arg_int(a, 0), false, &o);

	return err ? err : target_change(t, &o, &change);
}

long sys_umask(struct task *t, struct sysargs a)
{
	long old;

	fsctx_lock(t->fs);
	old = (long)t->fs->umask;
	t->fs->umask = arg_uint(a, 0) & 0777;
	fsctx_unlock(t->fs);
	return old;
}

/* NULL: both now.  1: nothing is to be changed. */
static int times_decode(const struct timespec_abi *ts, struct iattr *c)
{
	static const unsigned set[2] = { ATTR_ATIME, ATTR_MTIME };
	static const unsigned now[2] = { ATTR_ATIME_NOW, ATTR_MTIME_NOW };

	*c = (struct iattr){ .valid = 0 };
	for (int i = 0; i < 2; i++) {
		int64_t v = 0;

		if (ts && ts[i].nsec == G_UTIME_OMIT)
			continue;
		c->valid |= set[i];
		if (!ts || ts[i].nsec == G_UTIME_NOW) {
			c->valid |= now[i];
			continue;
		}
		if (ts[i].nsec < 0 || ts[i].nsec >= NSEC_PER_SEC)
			return -EINVAL;
		/* Beyond what 64 bits of nanoseconds hold: the nearest. */
		if (__builtin_mul_overflow(ts[i].sec, NSEC_PER_SEC, &v) ||
			__builtin_add_overflow(v, ts[i].nsec, &v))
			v = ts[i].sec < 0 ? INT64_MIN : INT64_MAX;
		*(i ? &c->mtime : &c->atime) = v;
	}
	return c->valid ? 0 : 1;
}

static long do_utimens(struct task *t, int dfd, uaddr_t name,
	const struct timespec_abi *ts, int at)
{
	struct iattr change;
	struct target o = { .in = NULL };
	long err = times_decode(ts, &change);

	if (err)
		return err > 0 ? 0 : err;
	if (at & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (uaddr_null(name) && dfd != AT_FDCWD) {
		if (at)
			return -EINVAL;
		err = target_fd(t, dfd, false, &o);
	} else {
		err = target_name(t, dfd, name, at, &o);
	}
	return err ? err : target_change(t, &o, &change);
}

long sys_utimensat(struct task *t, struct sysargs a)
{
	bool given = !uaddr_null(arg_addr(a, 2));
	struct timespec_abi ts[2];

	if (given && copyin(t, ts, arg_addr(a, 2), sizeof ts))
		return -EFAULT;
	return do_utimens(t, arg_int(a, 0), arg_addr(a, 1), given ? ts : NULL,
		arg_int(a, 3));
}

/* struct timeval and struct utimbuf have microseconds, or only seconds. */
static long do_utimes(struct task *t, int dfd, uaddr_t name, uaddr_t times)
{
	struct timespec_abi ts[2];

	if (uaddr_null(times))
		return do_utimens(t, dfd, name, NULL, 0);
	if (copyin(t, ts, times, sizeof ts))
		return -EFAULT;
	for (int i = 0; i < 2; i++) {
		if (ts[i].nsec < 0 || ts[i].nsec >= 1000000)
			return -EINVAL;
		ts[i].nsec *= 1000;
	}
	return do_utimens(t, dfd, name, ts, 0);
}

long sys_utimes(struct task *t, struct sysargs a)
{
	return do_utimes(t, AT_FDCWD, arg_addr(a, 0), arg_addr(a, 1));
}

long sys_futimesat(struct task *t, struct sysargs a)
{
	return do_utimes(t, arg_int(a, 0), arg_addr(a, 1), arg_addr(a, 2));
}

long sys_utime(struct task *t, struct sysargs a)
{
	struct timespec_abi ts[2] = { { 0, 0 }, { 0, 0 } };
	int64_t sec[2];

	if (uaddr_null(arg_addr(a, 1)))
		return do_utimens(t, AT_FDCWD, arg_addr(a, 0), NULL, 0);
	if (copyin(t, sec, arg_addr(a, 1), sizeof sec))
		return -EFAULT;
	ts[0].sec = sec[0];
	ts[1].sec = sec[1];
	return do_utimens(t, AT_FDCWD, arg_addr(a, 0), ts, 0);
}

static long statfs_out(struct task *t, struct target *o, uaddr_t buf)
{
	struct statfs_abi s;
	int err = vfs_statfs(o->in, o->path.mnt, &s);

	target_done(o);
	return err ? err : copyout(t, buf, &s, sizeof s);
}

long sys_statfs(struct task *t, struct sysargs a)
{
	struct target o;
	long err = target_name(t, AT_FDCWD, arg_addr(a, 0), 0, &o);

	return err ? err : statfs_out(t, &o, arg_addr(a, 1));
}

long sys_fstatfs(struct task *t, struct sysargs a)
{
	struct target o = { .in = NULL };
	long err = target_fd(t, arg_int(a, 0), true, &o);

	return err ? err : statfs_out(t, &o, arg_addr(a, 1));
}

long sys_getcwd(struct task *t, struct sysargs a)
{
	static const char lost[] = "(unreachable)";
	char *buf = malloc(PATH_MAX + sizeof lost), *s;
	struct path cwd, root;
	bool reached;
	size_t n = 0;
	int err;

	if (!buf)
		return -ENOMEM;
	fsctx_lock(t->fs);
	cwd = t->fs->cwd;
	root = t->fs->root;
	path_get(&cwd);
	path_get(&root);
	fsctx_unlock(t->fs);
	s = path_name_reached(
		&cwd, &root, buf + sizeof lost, PATH_MAX, &reached, &err);
	if (!err && path_is_deleted(&cwd))
		err = -ENOENT;
	if (!err) {
		if (!reached) {
			s -= sizeof lost - 1;
			memcpy(s, lost, sizeof lost - 1);
		}
		n = strlen(s) + 1;
		err = n > arg_size(a, 1) ? -ERANGE
					 : copyout(t, arg_addr(a, 0), s, n);
	}
	path_put(&cwd);
	path_put(&root);
	free(buf);
	return err ? err : (long)n;
}

static long do_getdents(struct task *t, struct sysargs a, bool is64)
{
	struct fdref r = fd_borrow(t, arg_int(a, 0));
	long ret;

	if (!r.f)
		return -EBADF;
	ret = vfs_getdents(t, r.f, arg_addr(a, 1), arg_uint(a, 2), is64);
	fd_done(&r);
	return ret;
}

long sys_getdents(struct task *t, struct sysargs a)
{
	return do_getdents(t, a, false);
}

long sys_getdents64(struct task *t, struct sysargs a)
{
	return do_getdents(t, a, true);
}

/* File handles: no filesystem has them. */
long sys_name_to_handle_at(struct task *t, struct sysargs a)
{
	(void)t;
	(void)a;
	return -EOPNOTSUPP;
}
