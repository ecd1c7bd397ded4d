/*
 * dirops.c - making, removing and renaming names.
 *
 * Locks: a name is added under the directory's dir lock and write lock, removed
 * under its dir lock.  Who removes a directory also holds the victim's write
 * lock, so that it stays empty.  A rename between directories holds the super's
 * rename lock before, so that the shape of the tree stands still.
 *
 * The order of the checks is Linux's (fs/namei.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "kernel/task/cred.h"
#include "kernel/vfs/acl.h"
#include "kernel/vfs/dcache.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/inotify.h"
#include "kernel/vfs/namei.h"
#include "kernel/vfs/walk.h"

int may_create(const struct path *dir, const struct cred *cred)
{
	struct inode *in = path_inode(dir);

	if (in->dead)
		return -ENOENT;
	return inode_permission(in, cred, MAY_WRITE | MAY_EXEC);
}

int may_delete(struct inode *dir, struct inode *victim, const struct cred *cred,
	bool isdir)
{
	int err = inode_permission(dir, cred, MAY_WRITE | MAY_EXEC);

	if (err)
		return err;
	if (dir->mode & S_ISVTX && cred->fsuid != victim->uid &&
		cred->fsuid != dir->uid && !cred_capable(cred, CAP_FOWNER))
		return -EPERM;
	if (isdir && !S_ISDIR(victim->mode))
		return -ENOTDIR;
	if (!isdir && S_ISDIR(victim->mode))
		return -EISDIR;
	return dir->dead ? -ENOENT : 0;
}

/* A place for a new name: its directory is locked, d is negative. */
struct newname {
	struct nd nd;
	struct inode *dir; /* borrowed from nd */
	struct dentry *d;  /* reference */
};

LOCKS_UNCHECKED /* newname_end() releases */
	static void
	adder_lock(struct inode *dir)
{
	dir_lock(dir);
	write_lock(dir);
}

LOCKS_UNCHECKED
static void adder_unlock(struct inode *dir)
{
	write_unlock(dir);
	dir_unlock(dir);
}

static int newname_begin(
	struct newname *n, struct walk *w, const char *name, bool isdir)
{
	struct nd *nd = &n->nd;
	int err = nd_start(nd, w, name, 0);

	if (err)
		return err;
	err = nd_parent(nd);
	if (!err && nd->last_type != LAST_NORM)
		err = -EEXIST;
	if (err) {
		nd_done(nd);
		return err;
	}
	n->dir = path_inode(&nd->path);
	adder_lock(n->dir);
	n->d = NULL;
	err = n->dir->dead ? -ENOENT
			   : lookup_child(&nd->path, nd->last, nd->last_len,
				     true, &n->d);
	if (!err && dentry_inode(n->d))
		err = -EEXIST;
	else if (!err && nd->last_slash && !isdir)
		err = -ENOENT;
	if (!err)
		err = mount_want_write(nd->path.mnt);
	if (!err)
		err = may_create(&nd->path, w->cred);
	if (err) {
		adder_unlock(n->dir);
		dentry_put(n->d);
		nd_done(nd);
	}
	return err;
}

/* The name now is @in (consumed), unless @err. */
static int newname_end(
	struct newname *n, struct inode *in, int err, struct path *out)
{
	char name[NAME_MAX + 1];

	if (!err) {
		dentry_instantiate(n->d, in);
		notify_dir(n->dir,
			IN_CREATE |
				(S_ISDIR(in->mode) ? (uint32_t)IN_ISDIR : 0),
			0, nd_last_name(&n->nd, name));
		if (out)
			*out = (struct path){ mount_get(n->nd.path.mnt),
				dentry_get(n->d) };
	}
	adder_unlock(n->dir);
	dentry_put(n->d);
	nd_done(&n->nd);
	return err;
}

int vfs_mkdir(struct walk *w, const char *name, uint32_t mode)
{
	struct inode *in = NULL;
	struct newname n;
	int err = newname_begin(&n, w, name, true);

	if (err)
		return err;
	mode = acl_new_mode(n.dir, mode & 01777, w->umask) | S_IFDIR;
	err = -EPERM;
	if (n.dir->ops->mkdir)
		err = n.dir->ops->mkdir(
			n.dir, n.nd.last, n.nd.last_len, mode, w->cred, &in);
	if (!err)
		acl_inherit(n.dir, in);
	return newname_end(&n, in, err, NULL);
}

int vfs_mknod(struct walk *w, const char *name, uint32_t mode, uint64_t rdev,
	struct path *out)
{
	bool device = S_ISCHR(mode) || S_ISBLK(mode);
	struct inode *in = NULL;
	struct newname n;
	int err = newname_begin(&n, w, name, false);

	if (err)
		return err;
	mode = acl_new_mode(n.dir, mode & 07777, w->umask) | (mode & S_IFMT);
	if (device && !cred_capable(w->cred, CAP_MKNOD))
		err = -EPERM;
	else if (S_ISREG(mode))
		err = n.dir->ops->create
			      ? n.dir->ops->create(n.dir, n.nd.last,
					n.nd.last_len, mode, w->cred, &in)
			      : -EPERM;
	else
		err = n.dir->ops->mknod
			      ? n.dir->ops->mknod(n.dir, n.nd.last,
					n.nd.last_len, mode, rdev, w->cred, &in)
			      : -EPERM;
	if (!err)
		acl_inherit(n.dir, in);
	return newname_end(&n, in, err, out);
}

int vfs_symlink(struct walk *w, const char *target, const char *name)
{
	struct inode *in = NULL;
	struct newname n;
	int err = newname_begin(&n, w, name, false);

	if (err)
		return err;
	err = -EPERM;
	if (n.dir->ops->symlink)
		err = n.dir->ops->symlink(
			n.dir, n.nd.last, n.nd.last_len, target, w->cred, &in);
	return newname_end(&n, in, err, NULL);
}

/* fs.protected_hardlinks: not to what one could not write anyway. */
static int may_link(struct inode *in, const struct cred *cred)
{
	uint32_t mode = in->mode;

	if (cred->fsuid == in->uid || cred_capable(cred, CAP_FOWNER))
		return 0;
	if (S_ISREG(mode) && !(mode & S_ISUID) &&
		(mode & (S_ISGID | S_IXGRP)) != (S_ISGID | S_IXGRP) &&
		inode_permission(in, cred, MAY_READ | MAY_WRITE) == 0)
		return 0;
	return -EPERM;
}

static int link_check(const struct path *from, const struct newname *n,
	const struct cred *cred)
{
	struct inode *in = path_inode(from);
	int err;

	if (from->mnt != n->nd.path.mnt)
		return -EXDEV;
	err = may_link(in, cred);
	if (err)
		return err;
	if (in->sb != n->dir->sb)
		return -EXDEV;
	if (!n->dir->ops->link || S_ISDIR(in->mode))
		return -EPERM;
	return in->nlink == 0 && !in->linkable ? -ENOENT : 0;
}

int vfs_link(const struct path *from, struct walk *w, const char *name)
{
	struct inode *in = path_inode(from);
	struct newname n;
	int err = newname_begin(&n, w, name, false);

	if (err)
		return err;
	err = link_check(from, &n, w->cred);
	if (!err)
		err = n.dir->ops->link(n.dir, n.nd.last, n.nd.last_len, in);
	if (!err) {
		in->linkable = false;
		inode_get(in);
		notify_inode(in, IN_ATTRIB);
	}
	return newname_end(&n, in, err, NULL);
}

/* The locked lookup of what is to be removed: a reference in *@out. */
static int victim_find(struct nd *nd, struct dentry **out)
{
	int err = lookup_child(&nd->path, nd->last, nd->last_len, true, out);

	if (!err && !dentry_inode(*out)) {
		dentry_put(*out);
		err = -ENOENT;
	}
	return err;
}

static int unlink_locked(struct nd *nd, struct inode *dir, struct dentry *d)
{
	struct inode *in = dentry_inode(d);
	int err;

	if (nd->last_slash)
		return S_ISDIR(in->mode) ? -EISDIR : -ENOTDIR;
	err = may_delete(dir, in, nd->w->cred, false);
	if (err)
		return err;
	if (!dir->ops->unlink)
		return -EPERM;
	if (d->nmounts)
		return -EBUSY;
	err = dir->ops->unlink(dir, nd->last, nd->last_len, in);
	if (!err)
		dentry_drop(d);
	return err;
}

int vfs_unlink(struct walk *w, const char *name)
{
	char buf[NAME_MAX + 1];
	struct dentry *d = NULL;
	struct inode *dir;
	struct nd nd;
	int err = nd_start(&nd, w, name, 0);

	if (err)
		return err;
	err = nd_parent(&nd);
	if (!err && nd.last_type != LAST_NORM)
		err = -EISDIR;
	if (!err)
		err = mount_want_write(nd.path.mnt);
	if (err)
		goto done;
	dir = path_inode(&nd.path);
	dir_lock(dir);
	err = victim_find(&nd, &d);
	if (!err)
		err = unlink_locked(&nd, dir, d);
	else
		d = NULL;
	dir_unlock(dir);
	if (!err) {
		notify_unlinked(d);
		notify_dir(dir, IN_DELETE, 0, nd_last_name(&nd, buf));
	}
	dentry_put(d);
done:
	nd_done(&nd);
	return err;
}

static int rmdir_locked(struct nd *nd, struct inode *dir, struct dentry *d)
{
	struct inode *in = dentry_inode(d);
	int err = may_delete(dir, in, nd->w->cred, true);

	if (err)
		return err;
	if (!dir->ops->rmdir)
		return -EPERM;
	if (d->nmounts || d->synthetic || d->nsynth)
		return -EBUSY;
	write_lock(in);
	err = dir->ops->rmdir(dir, nd->last, nd->last_len, in);
	if (!err)
		in->dead = true;
	write_unlock(in);
	if (!err)
		dentry_invalidate(d);
	return err;
}

int vfs_rmdir(struct walk *w, const char *name)
{
	char buf[NAME_MAX + 1];
	struct dentry *d = NULL;
	struct inode *dir;
	struct nd nd;
	int err = nd_start(&nd, w, name, 0);

	if (err)
		return err;
	err = nd_parent(&nd);
	if (!err && nd.last_type != LAST_NORM)
		err = nd.last_type == LAST_DOTDOT ? -ENOTEMPTY
		      : nd.last_type == LAST_DOT  ? -EINVAL
						  : -EBUSY;
	if (!err)
		err = mount_want_write(nd.path.mnt);
	if (err)
		goto done;
	dir = path_inode(&nd.path);
	dir_lock(dir);
	err = victim_find(&nd, &d);
	if (!err)
		err = rmdir_locked(&nd, dir, d);
	else
		d = NULL;
	dir_unlock(dir);
	if (!err) {
		if (atomic_load(&d->ref.n) == 1) /* else with the last user */
			notify_dead(dentry_inode(d));
		notify_dir(
			dir, IN_DELETE | IN_ISDIR, 0, nd_last_name(&nd, buf));
	}
	dentry_put(d);
done:
	nd_done(&nd);
	return err;
}

/* Both ends of a rename, directories locked. */
struct renaming {
	struct nd *o, *n;
	struct inode *odir, *ndir;
	struct dentry *od, *nd; /* references */
	char oname[NAME_MAX + 1], nname[NAME_MAX + 1];
	unsigned flags;
};

LOCKS_UNCHECKED /* two of one class, by address */
	static void
	dirs_lock(struct inode *a, struct inode *b)
{
	mutex_acquire_two(&a->dir_lock, &b->dir_lock);
}

LOCKS_UNCHECKED
static void dirs_unlock(struct inode *a, struct inode *b)
{
	mutex_release_two(&a->dir_lock, &b->dir_lock);
}

LOCKS_UNCHECKED
static void writes_lock(struct inode *a, struct inode *b)
{
	mutex_acquire_two(&a->write_lock, &b->write_lock);
}

LOCKS_UNCHECKED
static void writes_unlock(struct inode *a, struct inode *b)
{
	mutex_release_two(&a->write_lock, &b->write_lock);
}

static int rename_lookup(struct renaming *r)
{
	int err = r->odir->dead || r->ndir->dead ? -ENOENT : 0;
	bool exchange = r->flags & RENAME_EXCHANGE;
	struct inode *in, *to;

	if (!err)
		err = victim_find(r->o, &r->od);
	if (err) {
		r->od = NULL;
		return err;
	}
	err = lookup_child(
		&r->n->path, r->n->last, r->n->last_len, true, &r->nd);
	if (err) {
		r->nd = NULL;
		return err;
	}
	in = dentry_inode(r->od);
	to = dentry_inode(r->nd);
	if (r->flags & RENAME_NOREPLACE && to)
		return -EEXIST;
	if (exchange) {
		if (!to)
			return -ENOENT;
		if (!S_ISDIR(to->mode) && r->n->last_slash)
			return -ENOTDIR;
	}
	if (!S_ISDIR(in->mode) &&
		(r->o->last_slash || (!exchange && r->n->last_slash)))
		return -ENOTDIR;
	if (dentry_below(r->n->path.dentry, r->od))
		return -EINVAL;
	if (dentry_below(r->o->path.dentry, r->nd))
		return exchange ? -EINVAL : -ENOTEMPTY;
	return 0;
}

static int rename_check(const struct renaming *r, const struct cred *cred)
{
	struct inode *in = dentry_inode(r->od), *to = dentry_inode(r->nd);
	bool isdir = S_ISDIR(in->mode);
	int err = may_delete(r->odir, in, cred, isdir);

	if (!err)
		err = !to ? may_create(&r->n->path, cred)
			  : may_delete(r->ndir, to, cred,
				    r->flags & RENAME_EXCHANGE
					    ? S_ISDIR(to->mode)
					    : isdir);
	if (err)
		return err;
	if (!r->odir->ops->rename)
		return -EPERM;
	if (r->odir != r->ndir) {
		if (isdir)
			err = inode_permission(in, cred, MAY_WRITE);
		if (!err && r->flags & RENAME_EXCHANGE && S_ISDIR(to->mode))
			err = inode_permission(to, cred, MAY_WRITE);
		if (err)
			return err;
	}
	if (r->od->nmounts || r->nd->nmounts || r->od->synthetic ||
		r->nd->synthetic)
		return -EBUSY;
	return 0;
}

/* The filesystem's part, and the cache's. */
static int rename_do(struct renaming *r)
{
	struct inode *in = dentry_inode(r->od), *to = dentry_inode(r->nd);
	bool over_dir =
		to && S_ISDIR(to->mode) && !(r->flags & RENAME_EXCHANGE);
	int err;

	writes_lock(r->ndir, over_dir ? to : r->ndir);
	err = r->odir->ops->rename(
		r->odir, r->oname, in, r->ndir, r->nname, to, r->flags);
	if (!err && over_dir)
		to->dead = true;
	writes_unlock(r->ndir, over_dir ? to : r->ndir);
	if (err)
		return err;
	if (r->flags & RENAME_EXCHANGE) {
		err = dentry_exchange(r->od, r->nd);
	} else {
		dentry_invalidate(r->nd);
		err = dentry_rename(
			r->od, r->n->path.dentry, r->nname, strlen(r->nname));
	}
	if (err) { /* no memory for a name: the cache forgets both */
		dentry_invalidate(r->od);
		dentry_invalidate(r->nd);
	}
	return 0;
}

static void rename_notify(
	const struct renaming *r, struct inode *in, struct inode *to)
{
	uint32_t dir = S_ISDIR(in->mode) ? IN_ISDIR : 0;
	uint32_t cookie;

	if (likely(!inotify_nwatches))
		return;
	cookie = inotify_cookie();
	notify_dir(r->odir,
		IN_MOVED_FROM | dir |
			(r->odir == r->ndir ? (uint32_t)NOTIFY_RENAMED : 0),
		cookie, r->oname);
	notify_dir(r->ndir, IN_MOVED_TO | dir, cookie, r->nname);
	if (to && !(r->flags & RENAME_EXCHANGE)) /* its link count */
		notify_inode(
			to, IN_ATTRIB | (S_ISDIR(to->mode) ? IN_ISDIR : 0));
	notify_inode(in, IN_MOVE_SELF);
}

static int rename_locked(struct renaming *r, const struct cred *cred)
{
	struct inode *in, *to;
	int err;

	dirs_lock(r->odir, r->ndir);
	err = rename_lookup(r);
	if (err)
		goto unlock;
	in = dentry_inode(r->od);
	to = dentry_inode(r->nd);
	if (in == to)
		goto unlock; /* two names of one object: nothing */
	err = rename_check(r, cred);
	if (!err)
		err = rename_do(r);
	if (!err) {
		if (to)
			inode_get(to); /* a replaced dentry may go now */
		dirs_unlock(r->odir, r->ndir);
		rename_notify(r, in, to);
		inode_put(to);
		return 0;
	}
unlock:
	dirs_unlock(r->odir, r->ndir);
	return err;
}

static int rename_parents(struct nd *o, struct nd *n, unsigned flags)
{
	int err = nd_parent(o);

	if (!err)
		err = nd_parent(n);
	if (err)
		return err;
	if (o->path.mnt != n->path.mnt)
		return -EXDEV;
	if (o->last_type != LAST_NORM)
		return -EBUSY;
	if (n->last_type != LAST_NORM)
		return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	return mount_want_write(o->path.mnt);
}

int vfs_rename(struct walk *from, const char *oldname, struct walk *to,
	const char *newname, unsigned flags)
{
	struct renaming r = { .flags = flags };
	struct super *sb;
	struct nd o, n;
	int err = nd_start(&o, from, oldname, 0);

	if (err)
		return err;
	err = nd_start(&n, to, newname, 0);
	if (err) {
		nd_done(&o);
		return err;
	}
	err = rename_parents(&o, &n, flags);
	if (err)
		goto done;
	r.o = &o;
	r.n = &n;
	r.odir = path_inode(&o.path);
	r.ndir = path_inode(&n.path);
	nd_last_name(&o, r.oname);
	nd_last_name(&n, r.nname);
	sb = o.path.mnt->sb;
	rename_lock(sb);
	err = rename_locked(&r, from->cred);
	rename_unlock(sb);
	dentry_put(r.od);
	dentry_put(r.nd);
done:
	nd_done(&o);
	nd_done(&n);
	return err;
}

int vfs_readlink(struct walk *w, const char *name, char **target)
{
	struct path p;
	int err = path_lookup(w, name, LOOKUP_EMPTY, &p);

	if (err)
		return err;
	if (!S_ISLNK(path_inode(&p)->mode) || !path_inode(&p)->ops->readlink)
		err = *name ? -EINVAL : -ENOENT;
	else
		err = path_inode(&p)->ops->readlink(
			path_inode(&p), w->task, target);
	path_put(&p);
	return err;
}
