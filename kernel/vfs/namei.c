/*
 * namei.c - path walk.
 *
 * Theory of operation
 *
 * A walk holds a reference on where it is and takes one component after the
 * other.  walk_cached() takes as many plain components as it can in one go
 * under the dcache lock (directories that are cached, allow the search by mode
 * bits and have no mount or symlink on them); walk_one() then does the next one
 * with everything that may come up.  A symlink's target replaces what is left
 * of the name.  path_resolution(7) and openat2(2) are the contract.
 */
#include "kernel/vfs/namei.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/dcache.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/walk.h"

#define LINKS_MAX 40

int task_walk(struct task *t, int dfd, const char *name, struct walk *w)
{
	struct fsctx *fs = t->fs;
	struct fdref r;
	int err = 0;

	*w = (struct walk){ .task = t, .cred = task_cred(t) };
	fsctx_lock(fs);
	w->root = fs->root;
	path_get(&w->root);
	w->umask = fs->umask;
	if (dfd == AT_FDCWD || *name == '/') {
		w->start = fs->cwd;
		path_get(&w->start);
	}
	fsctx_unlock(fs);
	if (w->start.dentry)
		return 0;
	r = fd_borrow_path(t, dfd);
	if (!r.f) {
		err = -EBADF;
	} else if (!r.f->path.dentry || (*name && !S_ISDIR(r.f->inode->mode))) {
		err = -ENOTDIR;
	} else {
		w->start = r.f->path;
		path_get(&w->start);
	}
	fd_done(&r);
	if (err)
		path_put(&w->root);
	return err;
}

void walk_done(struct walk *w)
{
	path_put(&w->start);
	path_put(&w->root);
}

static void nd_jump(struct nd *nd, const struct path *to)
{
	path_get(to);
	path_put(&nd->path);
	nd->path = *to;
}

int nd_start(struct nd *nd, struct walk *w, const char *name, unsigned flags)
{
	bool inside = flags & (LOOKUP_BENEATH | LOOKUP_IN_ROOT);

	*nd = (struct nd){
		.w = w,
		.flags = flags,
		.root = inside ? w->start : w->root,
		.rest = name,
		.path = *name == '/' && !(flags & LOOKUP_BENEATH) && !inside
				? w->root
				: w->start,
	};
	if (*name == '/' && flags & LOOKUP_BENEATH)
		return -EXDEV;
	if (!*name && !(flags & LOOKUP_EMPTY))
		return -ENOENT;
	path_get(&nd->path);
	return 0;
}

void nd_done(struct nd *nd)
{
	path_put(&nd->path);
	free(nd->buf);
	nd->buf = NULL;
}

/* Cuts the next component off @s: its length, and what follows the slashes. */
static size_t component(const char *s, const char **next)
{
	const char *e = strchrnul(s, '/');

	*next = e + strspn(e, "/");
	return (size_t)(e - s);
}

static bool is_dots(const char *s, size_t len)
{
	return s[0] == '.' && (len == 1 || (len == 2 && s[1] == '.'));
}

/* May the walk pass through @d without asking anybody? */
static bool may_pass(const struct nd *nd, const struct dentry *d)
{
	const struct inode *in = dentry_inode(d);

	return in && S_ISDIR(in->mode) && !in->ops->permission &&
	       inode_permission_mode(in, nd->w->cred, MAY_EXEC) == 0;
}

/*
 * Takes plain, cached components.  Stops before whatever needs more: the
 * last component too when @parent, or when it is a symlink or negative.
 */
static void walk_cached(struct nd *nd, bool parent)
{
	struct dentry *old = nd->path.dentry, *d = old;

	if (old->sb->ops->revalidate)
		return;
	dcache_read(&dcache);
	for (;;) {
		const char *next, *s = nd->rest + strspn(nd->rest, "/");
		size_t len = component(s, &next);
		const struct inode *in;
		struct dentry *child;

		if (!len || len > NAME_MAX || is_dots(s, len) ||
			(parent && !*next) || !may_pass(nd, d))
			break;
		child = dentry_peek(d, s, len);
		in = child ? child->inode : NULL;
		if (!in || child->nmounts || S_ISLNK(in->mode))
			break;
		if (s[len] && !S_ISDIR(in->mode))
			break; /* ENOTDIR, decided elsewhere */
		d = child;
		nd->rest = next;
	}
	if (d != old)
		ref_get(&d->ref);
	dcache_read_done(&dcache);
	if (d != old) {
		nd->path.dentry = d;
		dentry_put(old);
	}
}

/* Is what the cache says about @d still so?  If not, forgets it. */
static bool still_valid(struct dentry *d)
{
	struct super *sb = d->sb;

	if (!sb->ops->revalidate || d->synthetic || d->nsynth || d->nmounts ||
		sb->ops->revalidate(sb, d))
		return true;
	dentry_invalidate(d);
	return false;
}

static int lookup_slow(struct inode *dir, struct dentry *parent,
	const char *name, size_t len, struct dentry **out)
{
	struct inode *in = NULL;
	int err = -ENOENT;

	*out = dentry_find(parent, name, len);
	if (*out)
		return 0;
	if (dir->dead)
		return -ENOENT;
	err = dir->ops->lookup ? dir->ops->lookup(dir, name, len, &in)
			       : -ENOTDIR;
	if (err && err != -ENOENT)
		return err;
	*out = dentry_add(parent, name, len, err ? NULL : in);
	return *out ? 0 : -ENOMEM;
}

int lookup_child(const struct path *dir, const char *name, size_t len,
	bool locked, struct dentry **out)
{
	struct inode *in = path_inode(dir);
	int err;

	*out = dentry_find(dir->dentry, name, len);
	if (*out && still_valid(*out))
		return 0;
	dentry_put(*out);
	if (locked)
		return lookup_slow(in, dir->dentry, name, len, out);
	dir_lock(in);
	err = lookup_slow(in, dir->dentry, name, len, out);
	dir_unlock(in);
	return err;
}

/* One component up; "/.." is "/". */
static int walk_up(struct nd *nd)
{
	struct dentry *parent;

	for (;;) {
		if (path_equal(&nd->path, &nd->root))
			return nd->flags & LOOKUP_BENEATH ? -EXDEV : 0;
		if (nd->path.dentry != nd->path.mnt->root)
			break;
		if (!path_leave_mount(&nd->path))
			return 0;
		if (nd->flags & LOOKUP_NO_XDEV)
			return -EXDEV;
	}
	parent = dentry_parent(nd->path.dentry);
	dentry_put(nd->path.dentry);
	nd->path.dentry = parent;
	if (path_follow_mount(&nd->path) && nd->flags & LOOKUP_NO_XDEV)
		return -EXDEV;
	return 0;
}

/* fs.protected_symlinks, as every distribution sets it. */
int may_follow_link(
	const struct cred *cred, struct inode *dir, struct inode *link)
{
	uint32_t mode = dir->mode;

	if (cred->fsuid == link->uid || dir->uid == link->uid)
		return 0;
	return (mode & (S_ISVTX | S_IWOTH)) == (S_ISVTX | S_IWOTH) ? -EACCES
								   : 0;
}

/* The walk goes on with @target, then with what is left. */
static int nd_splice(struct nd *nd, const char *target)
{
	size_t a = strlen(target), b = strlen(nd->rest);
	char *buf;

	if (a + b + 2 > 64 * PATH_MAX)
		return -ENAMETOOLONG; /* more than any real name */
	buf = malloc(a + b + 2);
	if (!buf)
		return -ENOMEM;
	memcpy(buf, target, a);
	if (b)
		buf[a++] = '/';
	memcpy(buf + a, nd->rest, b + 1);
	free(nd->buf);
	nd->buf = buf;
	nd->rest = buf;
	return 0;
}

static int follow_magic(struct nd *nd, struct inode *in)
{
	struct path to;
	int err;

	if (nd->flags & LOOKUP_NO_MAGIC)
		return -ELOOP;
	err = in->ops->getlink(in, nd->w->task, &to);
	if (err)
		return err;
	if (nd->flags & (LOOKUP_BENEATH | LOOKUP_IN_ROOT) ||
		(nd->flags & LOOKUP_NO_XDEV && to.mnt != nd->path.mnt)) {
		path_put(&to);
		return -EXDEV;
	}
	path_put(&nd->path);
	nd->path = to;
	return nd_splice(nd, "");
}

int nd_follow(struct nd *nd, const struct path *link)
{
	struct inode *in = path_inode(link);
	char *target;
	int err;

	if (++nd->nlinks > LINKS_MAX || nd->flags & LOOKUP_NO_LINKS ||
		link->mnt->flags & MS_NOSYMFOLLOW)
		return -ELOOP;
	if (in->ops->getlink)
		return follow_magic(nd, in);
	err = may_follow_link(nd->w->cred, path_inode(&nd->path), in);
	if (err)
		return err;
	if (!in->ops->readlink)
		return -EINVAL;
	err = in->ops->readlink(in, nd->w->task, &target);
	if (err)
		return err;
	if (!*target) {
		err = -ENOENT;
	} else if (*target == '/') {
		if (nd->flags & LOOKUP_BENEATH ||
			(nd->flags & LOOKUP_NO_XDEV &&
				nd->root.mnt != nd->path.mnt))
			err = -EXDEV;
		else
			nd_jump(nd, &nd->root);
	}
	if (!err)
		err = nd_splice(nd, target);
	free(target);
	return err;
}

/* The component @s; nd->rest is behind it already.  @want: follow a symlink. */
static int walk_one(struct nd *nd, const char *s, size_t len, bool want)
{
	struct path child = { mount_get(nd->path.mnt), NULL };
	struct inode *in;
	int err;

	err = lookup_child(&nd->path, s, len, false, &child.dentry);
	if (err)
		goto put;
	if (path_follow_mount(&child) && nd->flags & LOOKUP_NO_XDEV) {
		err = -EXDEV;
		goto put;
	}
	in = path_inode(&child);
	if (!in) {
		err = -ENOENT;
		goto put;
	}
	if (S_ISLNK(in->mode) && want) {
		err = nd_follow(nd, &child);
		goto put;
	}
	path_put(&nd->path);
	nd->path = child;
	return 0;
put:
	path_put(&child);
	return err;
}

/* May we look into where we are? */
static int may_search(struct nd *nd)
{
	struct inode *in = path_inode(&nd->path);

	if (!S_ISDIR(in->mode))
		return -ENOTDIR;
	return inode_permission(in, nd->w->cred, MAY_EXEC);
}

static int nd_run(struct nd *nd, bool parent)
{
	nd->last_type = LAST_ROOT;
	for (;;) {
		const char *s, *next;
		size_t len;
		bool slash, last;
		int err;

		walk_cached(nd, parent);
		s = nd->rest + strspn(nd->rest, "/");
		len = component(s, &next);
		if (!len)
			return 0;
		slash = s[len] == '/';
		last = !*next;
		err = may_search(nd);
		if (err)
			return err;
		if (parent && last) {
			nd->last = s;
			nd->last_len = len;
			nd->last_slash = slash;
			nd->last_type = !is_dots(s, len) ? LAST_NORM
					: len == 1       ? LAST_DOT
							 : LAST_DOTDOT;
			return len > NAME_MAX ? -ENAMETOOLONG : 0;
		}
		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		nd->rest = next;
		if (!is_dots(s, len))
			err = walk_one(nd, s, len,
				!last || slash || nd->flags & LOOKUP_FOLLOW);
		else if (len == 2)
			err = walk_up(nd);
		if (err)
			return err;
		if (slash && last && !*nd->rest &&
			!S_ISDIR(path_inode(&nd->path)->mode))
			return -ENOTDIR;
	}
}

int nd_walk(struct nd *nd)
{
	size_t n = strlen(nd->rest);
	bool slash = n && nd->rest[n - 1] == '/';
	int err = nd_run(nd, false);

	if (!err && (slash || nd->flags & LOOKUP_DIR) &&
		!S_ISDIR(path_inode(&nd->path)->mode))
		err = -ENOTDIR;
	return err;
}

int nd_parent(struct nd *nd)
{
	return nd_run(nd, true);
}

char *nd_last_name(const struct nd *nd, char *buf)
{
	memcpy(buf, nd->last, nd->last_len);
	buf[nd->last_len] = 0;
	return buf;
}

int path_lookup(
	struct walk *w, const char *name, unsigned flags, struct path *out)
{
	struct nd nd;
	int err = nd_start(&nd, w, name, flags);

	if (err)
		return err;
	err = nd_walk(&nd);
	if (!err) {
		*out = nd.path;
		nd.path = (struct path){ NULL, NULL };
	}
	nd_done(&nd);
	return err;
}
