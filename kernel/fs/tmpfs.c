/*
 * tmpfs.c - a filesystem in memory: its super, its inodes, their attributes.
 *
 * tmpfs(5) is the contract.  Entries live in tmpfs_dir.c, contents in
 * tmpfs_file.c.  An entry holds a reference on its inode, so the tree is a set
 * of references on itself: tmpfs_kill() drops them once the last mount is gone.
 */
#include "kernel/fs/tmpfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "core/str.h"
#include "kernel/abi/stat.h"
#include "kernel/fs/tmpfs_int.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/mount.h"

#define TMPFS_MAGIC     0x01021994
#define RAMFS_MAGIC     0x858458f6
#define XATTR_TOTAL_MAX (128 << 10) /* of one inode */

static const struct inode_ops *ops_of(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return &tmpfs_dir_ops;
	case S_IFREG:
		return &tmpfs_file_ops;
	case S_IFLNK:
		return &tmpfs_link_ops;
	}
	return &tmpfs_node_ops;
}

int tnode_create(struct super *sb, uint32_t mode, uint32_t uid, uint32_t gid,
	uint64_t rdev, struct tnode **out)
{
	struct tsuper *ts = tsuper_of(sb);
	struct tnode *tn;

	if (atomic_fetch_add(&ts->inodes, 1) >= ts->max_inodes &&
		ts->max_inodes) {
		atomic_fetch_sub(&ts->inodes, 1);
		return -ENOSPC;
	}
	tn = calloc(1, sizeof *tn);
	if (!tn) {
		atomic_fetch_sub(&ts->inodes, 1);
		return -ENOMEM;
	}
	inode_init(&tn->in, ops_of(mode), sb, 0, mode, uid, gid);
	tn->in.rdev = rdev;
	list_init(&tn->xattrs);
	list_init(&tn->kill_link);
	tn->next_pos = 2;
	atomic_store(&tn->seals, F_SEAL_SEAL);
	if (S_ISDIR(mode))
		tn->in.nlink = 2;
	if (S_ISREG(mode))
		tmpfs_mapping_init(tn);
	*out = tn;
	return 0;
}

void tnode_free(struct tnode *tn)
{
	struct tsuper *ts = tsuper_of(tn->in.sb);

	while (!list_empty(&tn->xattrs)) {
		struct txattr *x =
			list_entry(tn->xattrs.next, struct txattr, link);

		list_del(&x->link);
		free(x->value);
		free(x);
	}
	atomic_fetch_sub(&ts->inodes, 1);
	free(tn->target);
	inode_fini(&tn->in);
	free(tn);
}

void tmpfs_release(struct inode *in)
{
	struct tnode *tn = tnode_of(in);

	if (S_ISREG(in->mode))
		mapping_put(&tn->map);
	else
		tnode_free(tn);
}

int tmpfs_getattr(struct inode *in, struct kstat *st)
{
	struct tnode *tn = tnode_of(in);

	if (S_ISREG(in->mode)) {
		mapping_lock(&tn->map);
		st->blocks = tn->map.npages * (PAGE_SIZE / 512);
		mapping_unlock(&tn->map);
	} else if (S_ISDIR(in->mode)) {
		st->size = 40 + 20 * (uint64_t)tn->nentries;
	}
	return 0;
}

static struct txattr *xattr_find(struct tnode *tn, const char *name)
{
	struct txattr *x;

	list_for_each (x, &tn->xattrs, link)
		if (strcmp(x->name, name) == 0)
			return x;
	return NULL;
}

/* Access control lists are the VFS's; there are no others. */
static bool is_system(const char *name)
{
	return str_prefix(name, "system.");
}

ssize_t tmpfs_getxattr(struct inode *in, const char *name, void *buf, size_t n)
{
	struct tnode *tn = tnode_of(in);
	const struct txattr *x;
	ssize_t ret = -ENODATA;

	if (is_system(name))
		return -EOPNOTSUPP;
	inode_lock(in);
	x = xattr_find(tn, name);
	if (x) {
		ret = (ssize_t)x->len;
		if (n && n < x->len)
			ret = -ERANGE;
		else if (n && x->len)
			memcpy(buf, x->value, x->len);
	}
	inode_unlock(in);
	return ret;
}

static struct txattr *xattr_new(const char *name, const void *buf, size_t n)
{
	size_t len = strlen(name);
	struct txattr *x = malloc(sizeof *x + len + 1);

	if (!x)
		return NULL;
	x->value = malloc(n + 1);
	if (!x->value) {
		free(x);
		return NULL;
	}
	memcpy(x->value, buf, n);
	memcpy(x->name, name, len + 1);
	x->len = n;
	list_init(&x->link);
	return x;
}

static size_t xattr_cost(const struct txattr *x)
{
	return x ? x->len + strlen(x->name) + sizeof *x : 0;
}

/* May @new take the place of @old (NULL: there was none)? */
static bool xattr_fits(const struct tnode *tn, const struct txattr *old,
	const struct txattr *new)
{
	size_t n = xattr_cost(new), gone = xattr_cost(old);
	const struct txattr *x;

	if (n <= gone)
		return true;
	list_for_each (x, &tn->xattrs, link)
		n += xattr_cost(x);
	return n - gone <= XATTR_TOTAL_MAX;
}

int tmpfs_setxattr(struct inode *in, const char *name, const void *buf,
	size_t n, int flags)
{
	struct tnode *tn = tnode_of(in);
	struct txattr *x = NULL, *old;
	int err = 0;

	if (is_system(name))
		return -EOPNOTSUPP;
	if (buf) {
		x = xattr_new(name, buf, n);
		if (!x)
			return -ENOMEM;
	}
	inode_lock(in);
	old = xattr_find(tn, name);
	if (old && flags & XATTR_CREATE)
		err = -EEXIST;
	else if (!old && (!buf || flags & XATTR_REPLACE))
		err = -ENODATA;
	else if (x && !xattr_fits(tn, old, x))
		err = -ENOSPC;
	if (!err) {
		if (x)
			list_add_tail(&tn->xattrs, &x->link);
		if (old)
			list_del(&old->link);
		in->ctime = inode_now();
	}
	inode_unlock(in);
	if (err)
		old = x;
	if (old) {
		free(old->value);
		free(old);
	}
	return err;
}

ssize_t tmpfs_listxattr(struct inode *in, char *buf, size_t n)
{
	struct tnode *tn = tnode_of(in);
	const struct txattr *x;
	size_t used = 0;

	inode_lock(in);
	list_for_each (x, &tn->xattrs, link) {
		size_t len = strlen(x->name) + 1;

		if (used + len <= n)
			memcpy(buf + used, x->name, len);
		used += len;
	}
	inode_unlock(in);
	return n && used > n ? -ERANGE : (ssize_t)used;
}

static int link_readlink(struct inode *in, struct task *t, char **target)
{
	(void)t;
	*target = strdup(tnode_of(in)->target);
	return *target ? 0 : -ENOMEM;
}

const struct inode_ops tmpfs_link_ops = {
	.readlink = link_readlink,
	.getattr = tmpfs_getattr,
	.setattr = tmpfs_setattr,
	.getxattr = tmpfs_getxattr,
	.setxattr = tmpfs_setxattr,
	.listxattr = tmpfs_listxattr,
	.release = tmpfs_release,
};

const struct inode_ops tmpfs_node_ops = {
	/* fifo, socket, device */
	.getattr = tmpfs_getattr,
	.setattr = tmpfs_setattr,
	.getxattr = tmpfs_getxattr,
	.setxattr = tmpfs_setxattr,
	.listxattr = tmpfs_listxattr,
	.release = tmpfs_release,
};

static int tmpfs_statfs(struct super *sb, struct statfs_abi *out)
{
	struct tsuper *ts = tsuper_of(sb);
	int64_t free_pages = ts->max_pages - ts->pages;

	out->bsize = PAGE_SIZE;
	if (ts->max_pages) {
		out->blocks = (uint64_t)ts->max_pages;
		out->bfree = free_pages > 0 ? (uint64_t)free_pages : 0;
		out->bavail = out->bfree;
	}
	if (ts->max_inodes) {
		out->files = (uint64_t)ts->max_inodes;
		out->ffree = (uint64_t)(ts->max_inodes - ts->inodes);
	}
	return 0;
}

static void tmpfs_options(struct super *sb, struct strbuf *out)
{
	struct tsuper *ts = tsuper_of(sb);

	if (ts->limits_shown && ts->max_pages)
		sb_printf(out, ",size=%lluk",
			(unsigned long long)ts->max_pages * 4);
	if (ts->mode != 01777)
		sb_printf(out, ",mode=%o", ts->mode);
	if (ts->uid)
		sb_printf(out, ",uid=%u", ts->uid);
	if (ts->gid)
		sb_printf(out, ",gid=%u", ts->gid);
}

/* One directory after the other, for no depth of tree may use up the stack. */
static void tmpfs_kill(struct super *sb)
{
	struct list dirs;

	list_init(&dirs);
	inode_get(sb->root);
	list_add(&dirs, &tnode_of(sb->root)->kill_link);
	while (!list_empty(&dirs)) {
		struct tnode *dir =
			list_entry(dirs.next, struct tnode, kill_link);

		list_del(&dir->kill_link);
		tmpfs_dir_clear(dir, &dirs);
		inode_put(&dir->in);
	}
}

static void tmpfs_super_release(struct super *sb)
{
	free(tsuper_of(sb));
}

static const struct super_ops super_ops = {
	.statfs = tmpfs_statfs,
	.options = tmpfs_options,
	.kill = tmpfs_kill,
	.release = tmpfs_super_release,
};

/* "64m", "50%" of @whole, "4096": bytes, pages or inodes. */
static int parse_amount(const char *s, uint64_t whole, int64_t *out)
{
	static const char units[] = "kmgt";
	char *end;
	unsigned long long v;
	const char *u;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	v = strtoull(s, &end, 0);
	if (errno)
		return -EINVAL;
	if (*end == '%') {
		v = v > 1000 ? 1000 : v;
		v = whole / 100 * v;
		end++;
	} else if (*end && (u = strchr(units, *end | 0x20))) {
		unsigned shift = 10 * (unsigned)(u - units + 1);

		if (v > (UINT64_MAX >> 1) >> shift)
			return -EINVAL;
		v <<= shift;
		end++;
	}
	if (*end || v > INT64_MAX)
		return -EINVAL;
	*out = (int64_t)v;
	return 0;
}

static int parse_number(const char *s, int base, uint32_t *out)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(s, &end, base);
	if (errno || end == s || *end || v > UINT32_MAX)
		return -EINVAL;
	*out = (uint32_t)v;
	return 0;
}

static int parse_option(struct tsuper *ts, const char *key, const char *val)
{
	static const char *const ignored[] = {
		"huge",
		"mpol",
		"inode32",
		"inode64",
		"noswap",
		"swap",
		NULL,
	};
	uint64_t ram = memfile_limit();
	int64_t bytes;
	int err;

	if (!strcmp(key, "size") && val) {
		err = parse_amount(val, ram, &bytes);
		if (err)
			return err;
		ts->max_pages =
			(bytes + (int64_t)PAGE_SIZE - 1) / (int64_t)PAGE_SIZE;
		ts->limits_shown = true;
		return 0;
	}
	if (!strcmp(key, "nr_blocks") && val) {
		ts->limits_shown = true;
		return parse_amount(val, ram / PAGE_SIZE, &ts->max_pages);
	}
	if (!strcmp(key, "nr_inodes") && val)
		return parse_amount(val, ram / PAGE_SIZE, &ts->max_inodes);
	if (!strcmp(key, "mode") && val) {
		err = parse_number(val, 8, &ts->mode);
		ts->mode &= 07777;
		return err;
	}
	if (!strcmp(key, "uid") && val)
		return parse_number(val, 10, &ts->uid);
	if (!strcmp(key, "gid") && val)
		return parse_number(val, 10, &ts->gid);
	for (int i = 0; ignored[i]; i++)
		if (!strcmp(key, ignored[i]))
			return 0;
	return -EINVAL;
}

static int parse_options(struct tsuper *ts, const char *data)
{
	char *copy = strdup(data), *save = NULL, *o;
	int err = copy ? 0 : -ENOMEM;

	if (err)
		return err;
	for (o = strtok_r(copy, ",", &save); o && !err;
		o = strtok_r(NULL, ",", &save)) {
		char *val = strchr(o, '=');

		if (val)
			*val++ = 0;
		err = parse_option(ts, o, val);
	}
	free(copy);
	return err;
}

static int tmpfs_new(
	const struct fs_context *fc, uint32_t magic, struct super **out)
{
	struct tsuper *ts = calloc(1, sizeof *ts);
	struct tnode *root;
	int err;

	if (!ts)
		return -ENOMEM;
	super_init(&ts->sb, &super_ops, fc->type, magic);
	ts->sb.acls = magic == TMPFS_MAGIC;
	ts->mode = 01777;
	if (magic == TMPFS_MAGIC) {
		ts->max_pages = (int64_t)(memfile_limit() / PAGE_SIZE / 2);
		ts->max_inodes = ts->max_pages;
	} else {
		ts->mode = 0755;
	}
	err = fc->data ? parse_options(ts, fc->data) : 0;
	if (!err)
		err = tnode_create(&ts->sb, S_IFDIR | ts->mode, ts->uid,
			ts->gid, 0, &root);
	if (err) {
		free(ts);
		return err;
	}
	ts->sb.root = &root->in;
	*out = &ts->sb;
	return 0;
}

static int tmpfs_mount(const struct fs_context *fc, struct super **out)
{
	return tmpfs_new(fc, TMPFS_MAGIC, out);
}

static int ramfs_mount(const struct fs_context *fc, struct super **out)
{
	return tmpfs_new(fc, RAMFS_MAGIC, out);
}

const struct fs_type tmpfs_fs = {
	.name = "tmpfs",
	.nodev = true,
	.mount = tmpfs_mount,
};

const struct fs_type ramfs_fs = {
	.name = "ramfs",
	.nodev = true,
	.mount = ramfs_mount,
};
