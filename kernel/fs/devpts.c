/*
 * devpts.c - /dev/pts and /dev/ptmx: names of pseudoterminals.
 *
 * Every mount is an instance of its own.  A tty is in its instance from the
 * opening of its master until that is closed; then the name is gone and the
 * number free, whoever still has the slave open.
 */
#include <errno.h>
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
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/namei.h"

#define DEVPTS_MAGIC 0x1cd1
#define PTS_MAJOR    136
#define PTS_LIMIT    4096 /* of one instance: max= */
#define PTS_MODE     0600
#define PTS_INO      3 /* of /dev/pts/0 */

struct devpts {
	struct super sb;
	struct mutex lock;
	struct tty **slot GUARDED_BY(
		lc_devpts); /* borrowed: they leave first */
	int nslots GUARDED_BY(lc_devpts);
	int max;                 /* I */
	uint32_t mode, ptmxmode; /* I */
	uint32_t uid, gid;       /* I; UINT32_MAX: the opener's */
};
LOCK_OPS(devpts, struct devpts, lock)

struct pts_inode {
	struct inode in;
	struct tty *tty; /* reference */
};

static const struct inode_ops ptmx_ops, pts_ops, root_ops;

static struct devpts *devpts_of(struct super *sb)
{
	return container_of(sb, struct devpts, sb);
}

/* --- slaves */

static void pts_release(struct inode *in)
{
	struct pts_inode *pi = container_of(in, struct pts_inode, in);

	tty_put(pi->tty);
	inode_fini(in);
	free(pi);
}

static int pts_open(struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	return tty_open_slave(container_of(in, struct pts_inode, in)->tty, in,
		path, flags, cred, out);
}

static int pts_setattr(struct inode *in, const struct iattr *a)
{
	inode_apply(in, a);
	return 0;
}

static const struct inode_ops pts_ops = {
	.open = pts_open,
	.setattr = pts_setattr,
	.release = pts_release,
};

/* The lowest free number; -ENOSPC. */
HOLDS(lc_devpts)
static int slot_find(struct devpts *dp)
{
	struct tty **more;
	int n = dp->nslots ? dp->nslots * 2 : 8;

	for (int i = 0; i < dp->nslots; i++)
		if (!dp->slot[i])
			return i;
	if (dp->nslots >= dp->max)
		return -ENOSPC;
	more = realloc(dp->slot, (size_t)n * sizeof(struct tty *));
	if (!more)
		return -ENOMEM;
	memset(more + dp->nslots, 0,
		(size_t)(n - dp->nslots) * sizeof(struct tty *));
	dp->slot = more;
	dp->nslots = n;
	return n == 8 ? 0 : n / 2;
}

/* Gives @tty a number and a name in @dp. */
static int devpts_add(
	struct devpts *dp, struct tty *tty, const struct cred *cred)
{
	struct pts_inode *pi = calloc(1, sizeof *pi);
	uint32_t uid, gid;
	int i;

	if (!pi)
		return -ENOMEM;
	uid = dp->uid != UINT32_MAX || !cred ? dp->uid : cred->fsuid;
	gid = dp->gid != UINT32_MAX || !cred ? dp->gid : cred->fsgid;
	devpts_lock(dp);
	i = slot_find(dp);
	if (i >= 0)
		dp->slot[i] = tty;
	devpts_unlock(dp);
	if (i < 0) {
		free(pi);
		return i;
	}
	inode_init(&pi->in, &pts_ops, &dp->sb, (uint64_t)i + PTS_INO,
		S_IFCHR | dp->mode, uid == UINT32_MAX ? 0 : uid,
		gid == UINT32_MAX ? 0 : gid);
	pi->in.rdev = makedev(PTS_MAJOR, i);
	pi->tty = tty_get(tty);
	super_get(&dp->sb);
	tty_lock(tty);
	tty->pts = dp;
	tty->inode = &pi->in;
	tty->index = i;
	tty_unlock(tty);
	return 0;
}

void devpts_remove(struct tty *tty)
{
	struct devpts *dp;
	struct inode *in;
	int i;

	tty_lock(tty);
	dp = tty->pts;
	in = tty->inode;
	i = tty->index;
	tty->pts = NULL;
	tty->inode = NULL;
	tty_unlock(tty);
	if (!dp)
		return;
	devpts_lock(dp);
	dp->slot[i] = NULL;
	devpts_unlock(dp);
	inode_put(in);
	super_put(&dp->sb);
}

/* The inode of number @i, a reference; NULL. */
static struct inode *devpts_inode(struct devpts *dp, int64_t i)
{
	struct inode *in = NULL;

	devpts_lock(dp);
	if (i >= 0 && i < dp->nslots && dp->slot[i]) {
		/* In a slot, the tty has its inode but for a moment. */
		tty_lock(dp->slot[i]);
		if (dp->slot[i]->inode)
			in = inode_get(dp->slot[i]->inode);
		tty_unlock(dp->slot[i]);
	}
	devpts_unlock(dp);
	return in;
}

/* --- the root directory: ptmx and numbers */

static int64_t parse_number(const char *name, size_t len)
{
	int64_t v = 0;

	if (!len || len > 7 || (name[0] == '0' && len > 1))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		v = v * 10 + name[i] - '0';
	}
	return v;
}

static int ptmx_inode_new(struct devpts *dp, struct inode **out)
{
	struct inode *in = malloc(sizeof *in);

	if (!in)
		return -ENOMEM;
	inode_init(in, &ptmx_ops, &dp->sb, 2, S_IFCHR | dp->ptmxmode, 0, 0);
	in->rdev = makedev(5, 2);
	*out = in;
	return 0;
}

static int root_lookup(
	struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct devpts *dp = devpts_of(dir->sb);

	if (len == 4 && !memcmp(name, "ptmx", 4))
		return ptmx_inode_new(dp, out);
	*out = devpts_inode(dp, parse_number(name, len));
	return *out ? 0 : -ENOENT;
}

static int root_readdir(struct file *f, struct dirsink *to, int64_t *pos)
{
	struct devpts *dp = devpts_of(f->inode->sb);
	char name[16];
	struct inode *in;
	int n;

	if (!dirsink_dots(f, to, pos))
		return 0;
	if (*pos == 2) {
		if (!dirsink_emit(to, "ptmx", 4, 2, S_IFCHR >> 12, 3))
			return 0;
		*pos = 3;
	}
	devpts_lock(dp);
	n = dp->nslots;
	devpts_unlock(dp);
	for (; *pos - 3 < n; ++*pos) {
		in = devpts_inode(dp, *pos - 3);
		if (!in)
			continue;
		inode_put(in);
		snprintf(name, sizeof name, "%d", (int)(*pos - 3));
		if (!dirsink_emit(to, name, strlen(name),
			    (uint64_t)(*pos - 3) + PTS_INO, S_IFCHR >> 12,
			    *pos + 1))
			return 0;
	}
	return 0;
}

static void root_file_release(struct file *f)
{
	file_fini(f);
	free(f);
}

static const struct file_ops root_file_ops = {
	.name = "devpts",
	.readdir = root_readdir,
	.release = root_file_release,
};

static int root_open(struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	struct file *f = malloc(sizeof *f);

	if (!f)
		return -ENOMEM;
	file_init(f, &root_file_ops, flags, in, path, cred);
	*out = f;
	return 0;
}

static void plain_release(struct inode *in)
{
	inode_fini(in);
	free(in);
}

static const struct inode_ops root_ops = {
	.lookup = root_lookup,
	.open = root_open,
	.setattr = pts_setattr,
	.release = plain_release,
};

/* --- masters */

static int master_open(struct devpts *dp, struct inode *in,
	const struct path *path, int flags, struct cred *cred,
	struct file **out)
{
	struct tty *tty = tty_new();
	int err;

	if (!tty)
		return -ENOMEM;
	tty_lock(tty);
	tty->locked = true;
	tty_unlock(tty);
	err = devpts_add(dp, tty, cred);
	if (!err)
		err = tty_open_master(tty, in, path, flags, cred, out);
	if (err)
		devpts_remove(tty);
	tty_put(tty);
	return err;
}

static int ptmx_inode_open(struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	return master_open(devpts_of(in->sb), in, path, flags, cred, out);
}

static const struct inode_ops ptmx_ops = {
	.open = ptmx_inode_open,
	.setattr = pts_setattr,
	.release = plain_release,
};

/* What is mounted on /dev/pts, as @t sees it: references in @out. */
static int devpts_lookup(struct task *t, const char *name, struct path *out)
{
	struct walk w;
	int err;

	if (!t)
		return -ENODEV;
	err = task_walk(t, AT_FDCWD, name, &w);
	if (err)
		return err;
	err = path_lookup(&w, name, LOOKUP_FOLLOW, out);
	walk_done(&w);
	if (!err && out->mnt->sb->type != &devpts_fs) {
		path_put(out);
		err = -ENODEV;
	}
	return err;
}

int ptmx_open(struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	struct path pts;
	int err = devpts_lookup(current, "/dev/pts", &pts);

	if (err)
		return -ENODEV;
	err = master_open(devpts_of(pts.mnt->sb), in, path, flags, cred, out);
	path_put(&pts);
	return err;
}

int devpts_open_peer(
	struct tty *tty, int flags, struct cred *cred, struct file **out)
{
	struct inode *in = NULL;
	char name[32];
	struct path at;
	int err;

	tty_lock(tty);
	if (tty->inode)
		in = inode_get(tty->inode);
	snprintf(name, sizeof name, "/dev/pts/%d", tty->index);
	tty_unlock(tty);
	if (!in)
		return -EIO;
	err = devpts_lookup(current, name, &at);
	if (!err && path_inode(&at) != in) {
		path_put(&at); /* another instance is mounted there */
		err = -ENOENT;
	}
	if (!err) {
		err = tty_open_slave(tty, in, &at, flags, cred, out);
		path_put(&at);
	} else {
		err = tty_open_slave(tty, in, NULL, flags, cred, out);
	}
	inode_put(in);
	return err;
}

int tty_console_publish(struct task *t, struct tty *tty, struct file *slave)
{
	struct inode *old = slave->inode;
	char name[32];
	struct path at;
	int err = devpts_lookup(t, "/dev/pts", &at);

	if (err)
		return err;
	err = devpts_add(devpts_of(at.mnt->sb), tty, t->cred);
	path_put(&at);
	if (err)
		return err;
	snprintf(name, sizeof name, "/dev/pts/%d", tty->index);
	err = devpts_lookup(t, name, &at);
	if (err)
		return err;
	slave->path = at;
	slave->inode = inode_get(path_inode(&at));
	slave->inode->mode = S_IFCHR | 0620;
	slave->inode->uid = t->cred->uid;
	inode_put(old);
	return 0;
}

/* --- the filesystem */

static void devpts_options(struct super *sb, struct strbuf *out)
{
	struct devpts *dp = devpts_of(sb);

	if (dp->gid != UINT32_MAX)
		sb_printf(out, ",gid=%u", dp->gid);
	sb_printf(out, ",mode=%03o,ptmxmode=%03o", dp->mode, dp->ptmxmode);
}

LOCKS_UNCHECKED /* the last reference */
	static void
	devpts_release(struct super *sb)
{
	struct devpts *dp = devpts_of(sb);

	free(dp->slot);
	free(dp);
}

/* An open slave keeps its name in use after the master has gone. */
static int devpts_revalidate(struct super *sb, struct dentry *d)
{
	struct inode *in = dentry_inode(d), *now;
	bool same;

	if (!in)
		return 0;
	if (in->ops != &pts_ops)
		return 1;
	now = devpts_inode(devpts_of(sb), (int64_t)(in->ino - PTS_INO));
	same = now == in;
	inode_put(now);
	return same;
}

static const struct super_ops devpts_super_ops = {
	.revalidate = devpts_revalidate,
	.options = devpts_options,
	.release = devpts_release,
};

static int parse_option(struct devpts *dp, char *opt)
{
	char *eq = strchr(opt, '='), *end;
	unsigned long v;

	if (!strcmp(opt, "newinstance") || !*opt)
		return 0;
	if (!eq)
		return -EINVAL;
	*eq++ = 0;
	v = strtoul(eq, &end, strstr(opt, "mode") ? 8 : 10);
	if (*end || end == eq || v > UINT32_MAX)
		return -EINVAL;
	if (!strcmp(opt, "mode"))
		dp->mode = v & 07777;
	else if (!strcmp(opt, "ptmxmode"))
		dp->ptmxmode = v & 07777;
	else if (!strcmp(opt, "uid"))
		dp->uid = (uint32_t)v;
	else if (!strcmp(opt, "gid"))
		dp->gid = (uint32_t)v;
	else if (!strcmp(opt, "max"))
		dp->max = v < PTS_LIMIT ? (int)v : PTS_LIMIT;
	else
		return -EINVAL;
	return 0;
}

static int parse_options(struct devpts *dp, const char *data)
{
	char *copy = strdup(data ? data : ""), *rest = copy, *opt;
	int err = copy ? 0 : -ENOMEM;

	while (!err && (opt = strsep(&rest, ",")) != NULL)
		err = parse_option(dp, opt);
	free(copy);
	return err;
}

LOCKS_UNCHECKED /* not published yet */
	static int
	devpts_mount(const struct fs_context *fc, struct super **out)
{
	struct devpts *dp = calloc(1, sizeof *dp);
	struct inode *root = malloc(sizeof *root);
	int err = dp && root ? 0 : -ENOMEM;

	if (!err) {
		dp->max = PTS_LIMIT;
		dp->mode = PTS_MODE;
		dp->uid = dp->gid = UINT32_MAX;
		err = parse_options(dp, fc->data);
	}
	if (err) {
		free(dp);
		free(root);
		return err;
	}
	super_init(&dp->sb, &devpts_super_ops, &devpts_fs, DEVPTS_MAGIC);
	dp->sb.uncached = true;
	mutex_init(&dp->lock, &lc_devpts);
	inode_init(root, &root_ops, &dp->sb, 1, S_IFDIR | 0755, 0, 0);
	root->nlink = 2;
	dp->sb.root = root;
	*out = &dp->sb;
	return 0;
}

const struct fs_type devpts_fs = {
	.name = "devpts",
	.nodev = true,
	.mount = devpts_mount,
};
