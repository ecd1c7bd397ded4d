/*
 * devpts.c - /dev/pts: the names of the pseudoterminals.
 *
 * Each mount is an instance of its own, with its own numbers, as with Linux's
 * newinstance.  The root holds "ptmx", which makes a new pair, and one device
 * per pair whose master is open (or whose console is in use).  The table of
 * them is guarded by the lock of the root inode.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "core/str.h"
#include "kernel/fs/tty_int.h"
#include "kernel/fs/types.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/namei.h"

#define DEVPTS_MAGIC 0x1cd1
#define PTS_MAX      4096 /* kernel.pty.max; Linux adds a reserve for itself */
#define INO_PTMX     2
#define INO_FIRST    3

struct pts { /* the inode of /dev/pts/N */
	struct inode in;
	struct tty *tty; /* I: reference */
	atomic_bool dead;
};

struct devpts {
	struct super sb;
	struct inode *ptmx; /* I: reference */
	uint32_t mode, ptmxmode, uid, gid, max;
	bool has_uid, has_gid;
	struct pts **slot; /* lc_inode of the root: references */
	unsigned nslots;   /* lc_inode of the root */
};

static struct devpts *devpts_of(struct super *sb)
{
	return container_of(sb, struct devpts, sb);
}

static struct pts *pts_of(struct inode *in)
{
	return container_of(in, struct pts, in);
}

/* --- devices */

static int pts_open(struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	return tty_open_slave(pts_of(in)->tty, in, path, flags, cred, out);
}

static int node_setattr(struct inode *in, const struct iattr *a)
{
	inode_apply(in, a);
	return 0;
}

static int node_getattr(UNUSED struct inode *in, struct kstat *st)
{
	st->blksize = 1024;
	return 0;
}

static void pts_release(struct inode *in)
{
	struct pts *p = pts_of(in);

	inode_fini(in);
	tty_put(p->tty);
	free(p);
}

static void plain_release(struct inode *in)
{
	inode_fini(in);
	free(in);
}

static const struct inode_ops pts_ops = {
	.open = pts_open,
	.getattr = node_getattr,
	.setattr = node_setattr,
	.release = pts_release,
};

static const struct inode_ops ptmx_ops = {
	.open = ptmx_open,
	.getattr = node_getattr,
	.setattr = node_setattr,
	.release = plain_release,
};

/* The lowest free number, or -ENOSPC, -ENOMEM. */
HOLDS(lc_inode)
static int slot_find(struct devpts *d)
{
	unsigned n = d->nslots ? d->nslots * 2 : 8, i;
	struct pts **more;

	for (i = 0; i < d->nslots; i++)
		if (!d->slot[i])
			break;
	if (i >= d->max)
		return -ENOSPC;
	if (i < d->nslots)
		return (int)i;
	more = realloc(d->slot, n * sizeof(struct pts *));
	if (!more)
		return -ENOMEM;
	memset(more + d->nslots, 0, (n - d->nslots) * sizeof(struct pts *));
	d->slot = more;
	d->nslots = n;
	return (int)i;
}

static struct pts *pts_new(struct devpts *d, struct tty *tty, unsigned i,
	uint32_t uid, uint32_t gid)
{
	struct pts *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	inode_init(&p->in, &pts_ops, &d->sb, INO_FIRST + i, S_IFCHR | d->mode,
		d->has_uid ? d->uid : uid, d->has_gid ? d->gid : gid);
	p->in.rdev = makedev(TTY_PTS_MAJOR, i);
	p->tty = tty_get(tty);
	tty->index = i;
	return p;
}

int devpts_add(struct super *sb, struct tty *tty, uint32_t uid, uint32_t gid)
{
	struct devpts *d = devpts_of(sb);
	struct pts *p = NULL;
	int i;

	inode_lock(sb->root);
	i = slot_find(d);
	if (i >= 0) {
		p = pts_new(d, tty, (unsigned)i, uid, gid);
		d->slot[i] = p;
	}
	inode_unlock(sb->root);
	if (i < 0)
		return i;
	return p ? 0 : -ENOMEM;
}

void devpts_remove(struct super *sb, struct tty *tty)
{
	struct devpts *d = devpts_of(sb);
	struct pts *p = NULL;

	inode_lock(sb->root);
	if (tty->index < d->nslots && d->slot[tty->index] &&
		d->slot[tty->index]->tty == tty) {
		p = d->slot[tty->index];
		d->slot[tty->index] = NULL;
	}
	inode_unlock(sb->root);
	if (!p)
		return;
	atomic_store(&p->in.nlink, 0);
	atomic_store(&p->dead, true);
	inode_put(&p->in);
}

int devpts_open_slave(const struct path *pts, struct tty *tty, int flags,
	struct cred *cred, struct file **out)
{
	struct walk w = {
		.task = current, .cred = cred, .root = *pts, .start = *pts
	};
	struct path p;
	char name[12];
	int err;

	path_get(&w.root);
	path_get(&w.start);
	snprintf(name, sizeof name, "%u", tty->index);
	err = path_lookup(&w, name, 0, &p);
	walk_done(&w);
	if (err)
		return err;
	if (path_inode(&p)->ops == &pts_ops &&
		pts_of(path_inode(&p))->tty == tty)
		err = tty_open_slave(tty, path_inode(&p), &p, flags, cred, out);
	else
		err = -EIO;
	path_put(&p);
	return err;
}

/* --- the directory */

/* "0", "17"; not "017". */
static int parse_index(const char *name, size_t len, unsigned *i)
{
	*i = 0;
	if (!len || len > 7 || (len > 1 && *name == '0'))
		return -ENOENT;
	for (size_t k = 0; k < len; k++) {
		if (name[k] < '0' || name[k] > '9')
			return -ENOENT;
		*i = *i * 10 + (unsigned)(name[k] - '0');
	}
	return 0;
}

static int root_lookup(
	struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct devpts *d = devpts_of(dir->sb);
	unsigned i;

	if (len == 4 && !memcmp(name, "ptmx", 4)) {
		*out = inode_get(d->ptmx);
		return 0;
	}
	if (parse_index(name, len, &i))
		return -ENOENT;
	*out = NULL;
	inode_lock(dir);
	if (i < d->nslots && d->slot[i])
		*out = inode_get(&d->slot[i]->in);
	inode_unlock(dir);
	return *out ? 0 : -ENOENT;
}

/* The number of the first pair at or after @i, or -1. */
static int next_pts(struct inode *dir, unsigned i)
{
	struct devpts *d = devpts_of(dir->sb);

	inode_lock(dir);
	while (i < d->nslots && !d->slot[i])
		i++;
	if (i >= d->nslots)
		i = UINT32_MAX;
	inode_unlock(dir);
	return (int)i;
}

static int root_readdir(struct file *f, struct dirsink *to, int64_t *pos)
{
	char name[12];
	int i, n;

	if (!dirsink_dots(f, to, pos))
		return 0;
	if (*pos == INO_PTMX) {
		if (!dirsink_emit(to, "ptmx", 4, INO_PTMX, S_IFCHR >> 12, 3))
			return 0;
		*pos = INO_FIRST;
	}
	while ((i = next_pts(f->inode, (unsigned)(*pos - INO_FIRST))) >= 0) {
		n = snprintf(name, sizeof name, "%d", i);
		if (!dirsink_emit(to, name, (size_t)n, (uint64_t)i + INO_FIRST,
			    S_IFCHR >> 12, i + INO_FIRST + 1))
			return 0;
		*pos = i + INO_FIRST + 1;
	}
	return 0;
}

static void dir_release(struct file *f)
{
	file_fini(f);
	free(f);
}

static const struct file_ops dir_ops = {
	.name = "devpts",
	.readdir = root_readdir,
	.release = dir_release,
};

static int root_open(struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	struct file *f = malloc(sizeof *f);

	if (!f)
		return -ENOMEM;
	file_init(f, &dir_ops, flags, in, path, cred);
	*out = f;
	return 0;
}

static const struct inode_ops root_ops = {
	.lookup = root_lookup,
	.open = root_open,
	.setattr = node_setattr,
	.release = plain_release,
};

/* --- the filesystem */

/* Names come and go with the masters. */
static int devpts_revalidate(UNUSED struct super *sb, struct dentry *d)
{
	struct inode *in = dentry_inode(d);

	if (!in)
		return 0;
	return in->ops != &pts_ops || !atomic_load(&pts_of(in)->dead);
}

static void devpts_options(struct super *sb, struct strbuf *out)
{
	struct devpts *d = devpts_of(sb);

	if (d->has_uid)
		sb_printf(out, ",uid=%u", d->uid);
	if (d->has_gid)
		sb_printf(out, ",gid=%u", d->gid);
	sb_printf(out, ",mode=%03o,ptmxmode=%03o", d->mode, d->ptmxmode);
	if (d->max < PTS_MAX)
		sb_printf(out, ",max=%u", d->max);
}

static void devpts_kill(struct super *sb)
{
	struct devpts *d = devpts_of(sb);

	for (unsigned i = 0;; i++) {
		struct pts *p;

		inode_lock(sb->root);
		p = i < d->nslots ? d->slot[i] : NULL;
		if (p)
			d->slot[i] = NULL;
		inode_unlock(sb->root);
		if (p)
			inode_put(&p->in);
		else if (i >= d->nslots)
			break;
	}
	inode_put(d->ptmx);
	d->ptmx = NULL;
}

static void devpts_release(struct super *sb)
{
	struct devpts *d = devpts_of(sb);

	free(d->slot);
	free(d);
}

static const struct super_ops super_ops = {
	.revalidate = devpts_revalidate,
	.options = devpts_options,
	.kill = devpts_kill,
	.release = devpts_release,
};

static int parse_option(struct devpts *d, const char *key, const char *val)
{
	static const struct option {
		const char *name;
		size_t at;
		int base;
		uint32_t max;
	} options[] = {
		{ "mode", offsetof(struct devpts, mode), 8, 07777 },
		{ "ptmxmode", offsetof(struct devpts, ptmxmode), 8, 07777 },
		{ "uid", offsetof(struct devpts, uid), 10, UINT32_MAX - 1 },
		{ "gid", offsetof(struct devpts, gid), 10, UINT32_MAX - 1 },
		{ "max", offsetof(struct devpts, max), 10, PTS_MAX },
	};
	unsigned long v;
	char *end;

	if (!strcmp(key, "newinstance") && !val)
		return 0;
	for (size_t i = 0; val && i < ARRAY_SIZE(options); i++) {
		const struct option *o = &options[i];

		if (strcmp(key, o->name))
			continue;
		errno = 0;
		v = strtoul(val, &end, o->base);
		if (errno || *val < '0' || *val > '9' || *end || v > o->max)
			return -EINVAL;
		*(uint32_t *)((char *)d + o->at) = (uint32_t)v;
		d->has_uid |= !strcmp(key, "uid");
		d->has_gid |= !strcmp(key, "gid");
		return 0;
	}
	return -EINVAL;
}

static int parse_options(struct devpts *d, const char *data)
{
	char *copy = strdup(data), *save = NULL, *o, *val;
	int err = copy ? 0 : -ENOMEM;

	for (o = copy ? strtok_r(copy, ",", &save) : NULL; o && !err;
		o = strtok_r(NULL, ",", &save)) {
		val = strchr(o, '=');
		if (val)
			*val++ = 0;
		err = parse_option(d, o, val);
	}
	free(copy);
	return err;
}

static int devpts_mount(const struct fs_context *fc, struct super **out)
{
	struct devpts *d = calloc(1, sizeof *d);
	struct inode *root = malloc(sizeof *root);
	struct inode *ptmx = malloc(sizeof *ptmx);
	int err = d && root && ptmx ? 0 : -ENOMEM;

	if (!err) {
		d->mode = 0600;
		d->max = PTS_MAX;
		err = fc->data ? parse_options(d, fc->data) : 0;
	}
	if (err) {
		free(ptmx);
		free(root);
		free(d);
		return err;
	}
	super_init(&d->sb, &super_ops, &devpts_fs, DEVPTS_MAGIC);
	inode_init(root, &root_ops, &d->sb, 1, S_IFDIR | 0755, 0, 0);
	root->nlink = 2;
	d->sb.root = root;
	inode_init(ptmx, &ptmx_ops, &d->sb, INO_PTMX, S_IFCHR | d->ptmxmode,
		d->has_uid ? d->uid : 0, d->has_gid ? d->gid : 0);
	ptmx->rdev = makedev(TTY_PTMX_MAJOR, 2);
	d->ptmx = ptmx;
	*out = &d->sb;
	return 0;
}

const struct fs_type devpts_fs = {
	.name = "devpts",
	.nodev = true,
	.mount = devpts_mount,
};
