/*
 * tmpfs_dir.c - directories in memory.
 *
 * Entries hang in two trees: by name, and by the position that they got when
 * they were made, which is what getdents(2) goes by: it never changes, so a
 * listing neither skips nor repeats what stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/fs/tmpfs.h"
#include "kernel/fs/tmpfs_int.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/namei.h"

static uint32_t name_hash(const char *name, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * 16777619u;
	return h;
}

static int name_cmp(
	const struct tentry *e, uint32_t hash, const char *name, size_t len)
{
	if (e->hash != hash)
		return hash < e->hash ? -1 : 1;
	if (e->len != len)
		return len < e->len ? -1 : 1;
	return memcmp(name, e->name, len);
}

static struct tentry *entry_find(
	struct tnode *dir, const char *name, size_t len)
{
	struct rb_node *n = dir->names.root;
	uint32_t hash = name_hash(name, len);

	while (n) {
		struct tentry *e = rb_entry(n, struct tentry, by_name);
		int c = name_cmp(e, hash, name, len);

		if (c == 0)
			return e;
		n = n->child[c > 0];
	}
	return NULL;
}

static void name_insert(struct tnode *dir, struct tentry *e)
{
	struct rb_node **link = &dir->names.root, *parent = NULL;

	while (*link) {
		struct tentry *at = rb_entry(*link, struct tentry, by_name);

		parent = *link;
		link = &parent->child[name_cmp(at, e->hash, e->name, e->len) >
				      0];
	}
	rb_link(&e->by_name, parent, link);
	rb_rebalance(&dir->names, &e->by_name);
}

/* Positions only grow: the new one is the last. */
static void order_append(struct tnode *dir, struct tentry *e)
{
	struct rb_node *last = rb_last(&dir->order);

	e->pos = dir->next_pos++;
	rb_link(&e->by_pos, last, last ? &last->child[1] : &dir->order.root);
	rb_rebalance(&dir->order, &e->by_pos);
}

/* Adds @name for @in (the reference is consumed, unless it fails). */
static int entry_add(
	struct tnode *dir, const char *name, size_t len, struct inode *in)
{
	struct tentry *e = malloc(sizeof *e + len + 1);

	if (!e)
		return -ENOMEM;
	memcpy(e->name, name, len);
	e->name[len] = 0;
	e->len = (uint16_t)len;
	e->hash = name_hash(name, len);
	e->in = in;
	name_insert(dir, e);
	order_append(dir, e);
	atomic_fetch_add(&dir->nentries, 1);
	return 0;
}

/* The reference of the entry goes to the caller. */
static struct inode *entry_remove(struct tnode *dir, struct tentry *e)
{
	struct inode *in = e->in;

	rb_erase(&dir->names, &e->by_name);
	rb_erase(&dir->order, &e->by_pos);
	atomic_fetch_sub(&dir->nentries, 1);
	free(e);
	return in;
}

void tmpfs_dir_clear(struct tnode *dir, struct list *dirs)
{
	struct rb_node *n;

	while ((n = rb_first(&dir->names))) {
		struct inode *in =
			entry_remove(dir, rb_entry(n, struct tentry, by_name));

		if (S_ISDIR(in->mode))
			list_add(dirs, &tnode_of(in)->kill_link);
		else
			inode_put(in);
	}
}

static int dir_lookup(
	struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct tentry *e = entry_find(tnode_of(dir), name, len);

	if (!e)
		return -ENOENT;
	*out = inode_get(e->in);
	return 0;
}

/* A new object with a name in @dir. */
static int dir_make(struct inode *dir, const char *name, size_t len,
	uint32_t mode, uint64_t rdev, const struct cred *cred, char *target,
	struct inode **out)
{
	struct tnode *tn;
	uint32_t gid;
	int err;

	inode_init_owner(dir, cred, &mode, &gid);
	err = tnode_create(dir->sb, mode, cred->fsuid, gid, rdev, &tn);
	if (err)
		return err;
	tn->target = target;
	err = entry_add(tnode_of(dir), name, len, inode_get(&tn->in));
	if (err) {
		tn->target = NULL; /* stays the caller's */
		inode_put(&tn->in);
		inode_put(&tn->in);
		return err;
	}
	if (target)
		tn->in.size = (int64_t)strlen(target);
	if (S_ISDIR(mode))
		dir->nlink++;
	inode_touch(dir);
	*out = &tn->in;
	return 0;
}

static int dir_create(struct inode *dir, const char *name, size_t len,
	uint32_t mode, const struct cred *cred, struct inode **out)
{
	return dir_make(dir, name, len, mode, 0, cred, NULL, out);
}

static int dir_mknod(struct inode *dir, const char *name, size_t len,
	uint32_t mode, uint64_t rdev, const struct cred *cred,
	struct inode **out)
{
	return dir_make(dir, name, len, mode, rdev, cred, NULL, out);
}

static int dir_symlink(struct inode *dir, const char *name, size_t len,
	const char *target, const struct cred *cred, struct inode **out)
{
	char *copy = strdup(target);
	int err;

	if (!copy)
		return -ENOMEM;
	err = dir_make(dir, name, len, S_IFLNK | 0777, 0, cred, copy, out);
	if (err)
		free(copy);
	return err;
}

static int dir_tmpfile(struct inode *dir, uint32_t mode,
	const struct cred *cred, struct inode **out)
{
	struct tnode *tn;
	uint32_t gid;
	int err;

	inode_init_owner(dir, cred, &mode, &gid);
	err = tnode_create(dir->sb, mode, cred->fsuid, gid, 0, &tn);
	if (err)
		return err;
	tn->in.nlink = 0;
	*out = &tn->in;
	return 0;
}

static int dir_link(
	struct inode *dir, const char *name, size_t len, struct inode *target)
{
	int err = entry_add(tnode_of(dir), name, len, inode_get(target));

	if (err) {
		inode_put(target);
		return err;
	}
	target->nlink++;
	target->ctime = inode_now();
	inode_touch(dir);
	return 0;
}

static int dir_unlink(
	struct inode *dir, const char *name, size_t len, struct inode *victim)
{
	struct tentry *e = entry_find(tnode_of(dir), name, len);

	if (!e || e->in != victim)
		return -ENOENT;
	victim->nlink--;
	victim->ctime = inode_now();
	inode_touch(dir);
	inode_put(entry_remove(tnode_of(dir), e));
	return 0;
}

static int dir_rmdir(
	struct inode *dir, const char *name, size_t len, struct inode *victim)
{
	struct tentry *e = entry_find(tnode_of(dir), name, len);

	if (!e || e->in != victim)
		return -ENOENT;
	if (tnode_of(victim)->nentries)
		return -ENOTEMPTY;
	victim->nlink = 0;
	dir->nlink--;
	inode_touch(victim);
	inode_touch(dir);
	inode_put(entry_remove(tnode_of(dir), e));
	return 0;
}

/* ".." of a directory that moved counts for another parent. */
static void parent_changed(
	const struct inode *in, struct inode *from, struct inode *to)
{
	if (!S_ISDIR(in->mode))
		return;
	from->nlink--;
	to->nlink++;
}

/* What stays where something was: a character device 0:0, for overlays. */
static int whiteout_create(struct super *sb, struct inode **out)
{
	const struct cred *c = task_cred(current);
	struct tnode *tn;
	int err = tnode_create(sb, S_IFCHR, c->fsuid, c->fsgid, 0, &tn);

	if (!err)
		*out = &tn->in;
	return err;
}

/* The name @e goes, or leads to @hole (consumed).  Its reference is the
 * caller's. */
static struct inode *entry_leave(
	struct tnode *dir, struct tentry *e, struct inode *hole)
{
	struct inode *in = e->in;

	if (!hole)
		return entry_remove(dir, e);
	e->in = hole;
	return in;
}

static int dir_rename(struct inode *odir, const char *oname,
	struct inode *moved, struct inode *ndir, const char *nname,
	struct inode *victim, unsigned flags)
{
	struct tentry *o = entry_find(tnode_of(odir), oname, strlen(oname));
	struct tentry *n = entry_find(tnode_of(ndir), nname, strlen(nname));
	struct inode *hole = NULL;
	int err;

	if (!o || o->in != moved || (n ? n->in : NULL) != victim)
		return -ENOENT;
	if (victim && !(flags & RENAME_EXCHANGE) && S_ISDIR(victim->mode) &&
		tnode_of(victim)->nentries)
		return -ENOTEMPTY;
	err = flags & RENAME_WHITEOUT ? whiteout_create(odir->sb, &hole) : 0;
	if (err)
		return err;
	if (flags & RENAME_EXCHANGE) {
		o->in = victim;
		n->in = moved;
		parent_changed(moved, odir, ndir);
		parent_changed(victim, ndir, odir);
		victim->ctime = inode_now();
	} else if (victim) {
		n->in = inode_get(moved);
		if (S_ISDIR(victim->mode)) {
			victim->nlink = 0;
			ndir->nlink--;
		} else {
			victim->nlink--;
		}
		victim->ctime = inode_now();
		parent_changed(moved, odir, ndir);
		inode_put(victim);
		inode_put(entry_leave(tnode_of(odir), o, hole));
	} else {
		err = entry_add(tnode_of(ndir), nname, strlen(nname), moved);
		if (err) {
			inode_put(hole);
			return err;
		}
		parent_changed(moved, odir, ndir);
		/* The reference moved with it. */
		(void)entry_leave(tnode_of(odir), o, hole);
	}
	moved->ctime = inode_now();
	inode_touch(odir);
	inode_touch(ndir);
	return 0;
}

/* The first entry at or after @pos. */
static struct tentry *entry_at(struct tnode *dir, int64_t pos)
{
	struct rb_node *n = dir->order.root, *best = NULL;

	while (n) {
		if (rb_entry(n, struct tentry, by_pos)->pos >= pos) {
			best = n;
			n = n->child[0];
		} else {
			n = n->child[1];
		}
	}
	return rb_entry(best, struct tentry, by_pos);
}

static int dir_readdir(struct file *f, struct dirsink *to, int64_t *pos)
{
	struct tnode *dir = tnode_of(f->inode);
	struct tentry *e;

	if (!dirsink_dots(f, to, pos))
		return 0;
	for (e = entry_at(dir, *pos); e;
		e = rb_entry(rb_next(&e->by_pos), struct tentry, by_pos)) {
		if (!dirsink_emit(to, e->name, e->len, e->in->ino,
			    (e->in->mode & S_IFMT) >> 12, e->pos + 1))
			return 0;
		*pos = e->pos + 1;
	}
	file_accessed(f);
	return 0;
}

static int dir_fsync(struct file *f, bool datasync)
{
	(void)f;
	(void)datasync;
	return 0; /* memory is all the storage there is */
}

static void dir_release(struct file *f)
{
	file_fini(f);
	free(f);
}

static const struct file_ops dir_file_ops = {
	.name = "tmpfs",
	.readdir = dir_readdir,
	.fsync = dir_fsync,
	.release = dir_release,
};

int tmpfs_dir_open(struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	struct file *f = malloc(sizeof *f);

	if (!f)
		return -ENOMEM;
	file_init(f, &dir_file_ops, flags, in, path, cred);
	*out = f;
	return 0;
}

const struct inode_ops tmpfs_dir_ops = {
	.lookup = dir_lookup,
	.create = dir_create,
	.mkdir = dir_create,
	.mknod = dir_mknod,
	.symlink = dir_symlink,
	.link = dir_link,
	.unlink = dir_unlink,
	.rmdir = dir_rmdir,
	.rename = dir_rename,
	.tmpfile = dir_tmpfile,
	.open = tmpfs_dir_open,
	.getattr = tmpfs_getattr,
	.setattr = tmpfs_setattr,
	.getxattr = tmpfs_getxattr,
	.setxattr = tmpfs_setxattr,
	.listxattr = tmpfs_listxattr,
	.release = tmpfs_release,
};
