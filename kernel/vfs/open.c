/*
 * open.c - open(2).
 *
 * The order of the checks is Linux's (fs/namei.c path_openat() and do_open()),
 * because programs see which of several errors they get.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "kernel/fs/dev.h"
#include "kernel/fs/pipefs.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/acl.h"
#include "kernel/vfs/dcache.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/inotify.h"
#include "kernel/vfs/lease.h"
#include "kernel/vfs/namei.h"
#include "kernel/vfs/walk.h"

#define OPEN_LARGEFILE 0100000   /* a 64-bit program's F_GETFL shows it */
#define OPEN_TMPFILE   020000000 /* __O_TMPFILE, without O_DIRECTORY */

struct pathfile {
	struct file f;
};

static void pathfile_release(struct file *f)
{
	file_fini(f);
	free(f);
}

static const struct file_ops pathfile_ops = {
	.name = "path",
	.release = pathfile_release,
};

/* O_PATH: a name for the place, with no permission asked. */
static int open_place(
	const struct path *p, int flags, struct cred *cred, struct file **out)
{
	struct pathfile *pf = malloc(sizeof *pf);

	if (!pf)
		return -ENOMEM;
	flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW;
	file_init(&pf->f, &pathfile_ops, flags, path_inode(p), p, cred);
	*out = &pf->f;
	return 0;
}

/* What the open mode needs: 3 needs both, and gives neither. */
static unsigned mode_mask(int flags)
{
	static const unsigned char mask[4] = {
		MAY_READ,
		MAY_WRITE,
		MAY_READ | MAY_WRITE,
		MAY_READ | MAY_WRITE,
	};

	return mask[flags & FILE_ACCMODE] |
	       (flags & O_TRUNC ? (unsigned)MAY_WRITE : 0);
}

static int may_open(const struct path *p, int *flags, unsigned mask,
	const struct cred *cred)
{
	struct inode *in = path_inode(p);
	int err;

	switch (in->mode & S_IFMT) {
	case S_IFLNK:
		return -ELOOP;
	case S_IFDIR:
		if (mask & MAY_WRITE)
			return -EISDIR;
		break;
	case S_IFBLK:
	case S_IFCHR:
		if (p->mnt->flags & MS_NODEV)
			return -EACCES;
		*flags &= ~O_TRUNC;
		break;
	case S_IFIFO:
	case S_IFSOCK:
		*flags &= ~O_TRUNC;
		break;
	}
	err = inode_permission(in, cred, mask);
	if (err)
		return err;
	if (*flags & O_NOATIME && cred->fsuid != in->uid &&
		!cred_capable(cred, CAP_FOWNER))
		return -EPERM;
	return 0;
}

/* The open file itself, of whatever kind. */
static int open_kind(
	const struct path *p, int flags, struct cred *cred, struct file **out)
{
	struct inode *in = path_inode(p);

	switch (in->mode & S_IFMT) {
	case S_IFIFO:
		return fifo_open(in, p, flags, cred, out);
	case S_IFCHR:
	case S_IFBLK:
		return dev_open(in, p, flags, cred, out);
	case S_IFSOCK:
		return -ENXIO;
	}
	return in->ops->open ? in->ops->open(in, p, flags, cred, out) : -ENXIO;
}

/* Everything after the permission checks. */
static int open_finish(
	const struct path *p, int flags, struct cred *cred, struct file **out)
{
	struct inode *in = path_inode(p);
	bool writes = (flags & FILE_ACCMODE) != O_RDONLY && S_ISREG(in->mode);
	bool reads = (flags & FILE_ACCMODE) == O_RDONLY && S_ISREG(in->mode);
	struct file *f;
	int err;

	if ((flags & FILE_ACCMODE) != O_RDONLY && (writes || S_ISDIR(in->mode)))
		err = mount_want_write(p->mnt);
	else
		err = 0;
	if (!err && writes)
		err = inode_add_writer(in);
	if (err)
		return err;
	if (reads)
		atomic_fetch_add(&in->readers, 1);
	err = lease_break(in, writes, flags & O_NONBLOCK)
		      ?: open_kind(p, flags | OPEN_LARGEFILE, cred, &f);
	if (!err && flags & O_TRUNC && S_ISREG(in->mode)) {
		err = vfs_truncate_open(in, 0);
		if (err)
			file_put(f);
	}
	if (err) {
		if (writes)
			atomic_fetch_sub(&in->writers, 1);
		if (reads)
			atomic_fetch_sub(&in->readers, 1);
		return err;
	}
	f->wrote = writes;
	f->reads = reads;
	notify_dentry(p->dentry, IN_OPEN);
	if (flags & O_TRUNC && S_ISREG(in->mode))
		notify_dentry(p->dentry, IN_MODIFY);
	*out = f;
	return 0;
}

int vfs_open_path(
	const struct path *p, int flags, struct cred *cred, struct file **out)
{
	struct inode *in = path_inode(p);
	unsigned mask = mode_mask(flags);
	int err;

	if (flags & O_PATH)
		return open_place(p, flags, cred, out);
	if (flags & O_DIRECTORY && !S_ISDIR(in->mode))
		return -ENOTDIR;
	err = may_open(p, &flags, mask, cred);
	if (!err && flags & O_TRUNC && S_ISREG(in->mode))
		err = mount_want_write(p->mnt);
	return err ? err : open_finish(p, flags, cred, out);
}

/* fs.protected_regular and fs.protected_fifos at 1: not in others' sticky
 * directories. */
int may_create_in_sticky(
	const struct cred *cred, struct inode *dir, struct inode *in)
{
	uint32_t mode = dir->mode;

	if (!(mode & S_ISVTX) || !(mode & S_IWOTH) ||
		!(S_ISREG(in->mode) || S_ISFIFO(in->mode)) ||
		in->uid == dir->uid || in->uid == cred->fsuid)
		return 0;
	return -EACCES;
}

/* Makes the regular file that @d (negative, dir lock and write lock held)
 * names. */
static int create_here(struct nd *nd, struct dentry *d, uint32_t mode)
{
	char name[NAME_MAX + 1];
	struct inode *dir = path_inode(&nd->path), *in;
	int err = mount_want_write(nd->path.mnt);

	if (!err)
		err = may_create(&nd->path, nd->w->cred);
	if (err)
		return err;
	if (!dir->ops->create)
		return -EACCES;
	mode = acl_new_mode(dir, mode & 07777, nd->w->umask) | S_IFREG;
	err = dir->ops->create(
		dir, nd->last, nd->last_len, mode, nd->w->cred, &in);
	if (err)
		return err;
	acl_inherit(dir, in);
	dentry_instantiate(d, in);
	notify_dir(dir, IN_CREATE, 0, nd_last_name(nd, name));
	return 0;
}

/* The last component of an O_CREAT open: *@child gets references. */
static int lookup_or_create(struct nd *nd, int flags, uint32_t mode,
	struct path *child, bool *created)
{
	struct inode *dir = path_inode(&nd->path);
	struct dentry *d = dentry_find(nd->path.dentry, nd->last, nd->last_len);
	int err = 0;

	*created = false;
	/* The common case, and no lock: it is there. */
	if (!d || !dentry_inode(d) || d->sb->ops->revalidate) {
		dentry_put(d);
		dir_lock(dir);
		write_lock(dir);
		err = dir->dead ? -ENOENT
				: lookup_child(&nd->path, nd->last,
					  nd->last_len, true, &d);
		if (!err && !dentry_inode(d)) {
			err = create_here(nd, d, mode);
			if (err)
				dentry_put(d);
			*created = !err;
		}
		write_unlock(dir);
		dir_unlock(dir);
	}
	if (err)
		return err;
	*child = (struct path){ mount_get(nd->path.mnt), d };
	if (!*created && path_follow_mount(child) &&
		nd->flags & LOOKUP_NO_XDEV && !(flags & O_EXCL)) {
		path_put(child);
		return -EXDEV;
	}
	return 0;
}

/* Where the name leads, made if it was not there.  Result in nd->path. */
static int open_create(struct nd *nd, int flags, uint32_t mode, bool *created)
{
	struct path child;
	int err;

	for (;;) {
		err = nd_parent(nd);
		if (err)
			return err;
		if (nd->last_type != LAST_NORM || nd->last_slash)
			return -EISDIR;
		err = lookup_or_create(nd, flags, mode, &child, created);
		if (err)
			return err;
		if (*created)
			break;
		if (flags & O_EXCL)
			err = -EEXIST;
		else if (S_ISLNK(path_inode(&child)->mode) &&
			 !(flags & O_NOFOLLOW)) {
			nd->rest += strlen(nd->rest);
			err = nd_follow(nd, &child);
			path_put(&child);
			if (err)
				return err;
			if (!*nd->rest)
				return 0; /* a magic link: we are there */
			continue;
		} else if (S_ISDIR(path_inode(&child)->mode)) {
			err = -EISDIR;
		} else {
			err = may_create_in_sticky(nd->w->cred,
				path_inode(&nd->path), path_inode(&child));
		}
		break;
	}
	if (err) {
		path_put(&child);
		return err;
	}
	path_put(&nd->path);
	nd->path = child;
	return 0;
}

/* O_TMPFILE: a regular file without a name, in the directory @nd came to. */
static int open_tmpfile(struct nd *nd, int flags, uint32_t mode,
	struct cred *cred, struct file **out)
{
	struct inode *dir, *in;
	char name[32];
	struct path p;
	int n, err;

	nd->flags |= LOOKUP_DIR;
	err = nd_walk(nd);
	if (err)
		return err;
	dir = path_inode(&nd->path);
	err = mount_want_write(nd->path.mnt);
	if (!err)
		err = inode_permission(dir, cred, MAY_WRITE | MAY_EXEC);
	if (err)
		return err;
	if (!dir->ops->tmpfile)
		return -EOPNOTSUPP;
	mode = acl_new_mode(dir, mode & 07777, nd->w->umask) | S_IFREG;
	err = dir->ops->tmpfile(dir, mode, cred, &in);
	if (err)
		return err;
	acl_inherit(dir, in);
	n = snprintf(name, sizeof name, "#%llu", (unsigned long long)in->ino);
	p.mnt = nd->path.mnt;
	p.dentry = dentry_nameless(nd->path.dentry, name, (size_t)n, in);
	if (!p.dentry)
		return -ENOMEM;
	in->linkable = !(flags & O_EXCL);
	err = open_finish(&p, flags & ~(O_TRUNC | O_DIRECTORY), cred, out);
	dentry_put(p.dentry);
	return err;
}

static int open_walk(struct nd *nd, int flags, uint32_t mode, struct cred *cred,
	struct file **out)
{
	bool created = false;
	int err;

	if (flags & OPEN_TMPFILE)
		return open_tmpfile(nd, flags, mode, cred, out);
	err = flags & O_CREAT ? open_create(nd, flags, mode, &created)
			      : nd_walk(nd);
	if (err)
		return err;
	if (!created) {
		if (flags & O_PATH && flags & O_DIRECTORY &&
			!S_ISDIR(path_inode(&nd->path)->mode))
			return -ENOTDIR;
		return vfs_open_path(&nd->path, flags, cred, out);
	}
	/* The creator gets what it asks for, whatever the mode is. */
	err = open_finish(&nd->path, flags & ~O_TRUNC, cred, out);
	if (!err)
		(*out)->created = true;
	return err;
}

int vfs_open(struct walk *w, const char *name, int flags, uint32_t mode,
	unsigned lookup, struct file **out)
{
	struct nd nd;
	int err;

	if (!(flags & O_NOFOLLOW))
		lookup |= LOOKUP_FOLLOW;
	if (flags & O_CREAT && flags & O_EXCL)
		flags |= O_NOFOLLOW;
	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	else if (flags & O_DIRECTORY && flags & O_CREAT &&
		 !(flags & OPEN_TMPFILE))
		return -EINVAL;
	err = nd_start(&nd, w, name, lookup);
	if (err)
		return err;
	err = open_walk(
		&nd, flags, mode, (struct cred *)(uintptr_t)w->cred, out);
	nd_done(&nd);
	return err;
}
