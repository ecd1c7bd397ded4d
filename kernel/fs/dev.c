/*
 * dev.c - device nodes and the /dev filesystem.
 *
 * A device is what its number says, on whatever filesystem the node lies.
 * /dev itself is a tmpfs that is born with the usual nodes: a container may
 * add to it and take away.
 */
#include "kernel/fs/dev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "kernel/fs/tty.h"
#include "kernel/fs/types.h"
#include "kernel/mm/mapping.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"

#define RNDGETENTCNT 0x80045200
#define ENTROPY_BITS 256

/* --- null, zero, full */

static ssize_t null_read(
	UNUSED struct file *f, UNUSED struct uio *to, UNUSED int64_t *pos)
{
	return 0;
}

static ssize_t null_write(
	UNUSED struct file *f, struct uio *from, UNUSED int64_t *pos)
{
	size_t n = uio_left(from);

	uio_skip(from, n);
	return (ssize_t)n;
}

static ssize_t zero_read(
	UNUSED struct file *f, struct uio *to, UNUSED int64_t *pos)
{
	size_t want = uio_left(to), n = uio_put_zero(to, want);

	return n || !want ? (ssize_t)n : -EFAULT;
}

static ssize_t full_write(
	UNUSED struct file *f, UNUSED struct uio *from, UNUSED int64_t *pos)
{
	return -ENOSPC;
}

/* The position stays where it is. */
static int64_t dev_seek(
	UNUSED struct file *f, UNUSED int64_t off, UNUSED int whence)
{
	return 0;
}

static int zero_mmap(UNUSED struct file *f, UNUSED int prot, UNUSED int flags,
	struct mapping **out)
{
	return mapping_new_anon(out);
}

static void dev_release(struct file *f)
{
	file_fini(f);
	free(f);
}

/* --- random, urandom: the host's generator is always seeded */

static ssize_t random_read(
	UNUSED struct file *f, struct uio *to, UNUSED int64_t *pos)
{
	unsigned char buf[256];
	size_t done = 0, n, put;

	while (uio_left(to)) {
		n = MIN(uio_left(to), sizeof buf);
		if (getrandom(buf, n, 0) != (ssize_t)n)
			return done ? (ssize_t)done : -EIO;
		put = uio_put(to, buf, n);
		done += put;
		if (put < n)
			break;
	}
	return done || !uio_left(to) ? (ssize_t)done : -EFAULT;
}

static unsigned random_poll(UNUSED struct file *f)
{
	return EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM;
}

static long random_ioctl(
	UNUSED struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	int bits = ENTROPY_BITS;

	if (cmd != RNDGETENTCNT)
		return -EINVAL;
	return copyout(t, uaddr(arg), &bits, sizeof bits);
}

static const struct file_ops null_ops = {
	.name = "/dev/null",
	.read = null_read,
	.write = null_write,
	.seek = dev_seek,
	.release = dev_release,
};

static const struct file_ops zero_ops = {
	.name = "/dev/zero",
	.read = zero_read,
	.write = null_write,
	.seek = dev_seek,
	.mmap = zero_mmap,
	.release = dev_release,
};

static const struct file_ops full_ops = {
	.name = "/dev/full",
	.read = zero_read,
	.write = full_write,
	.seek = dev_seek,
	.release = dev_release,
};

static const struct file_ops random_ops = {
	.name = "/dev/urandom",
	.read = random_read,
	.write = null_write,
	.seek = dev_seek,
	.poll = random_poll,
	.ioctl = random_ioctl,
	.release = dev_release,
};

/* --- by number */

typedef int dev_open_fn(struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out);

static const struct dev {
	unsigned maj, min;
	const struct file_ops *ops; /* a file that needs no state, or ... */
	dev_open_fn *open;
} devs[] = {
	{ 1, 3, &null_ops, NULL },
	{ 1, 5, &zero_ops, NULL },
	{ 1, 7, &full_ops, NULL },
	{ 1, 8, &random_ops, NULL },
	{ 1, 9, &random_ops, NULL },
	{ 5, 0, NULL, tty_open_current },
	{ 5, 1, NULL, tty_open_console },
	{ 5, 2, NULL, ptmx_open },
};

static const struct dev *dev_find(const struct inode *in)
{
	for (size_t i = 0; i < ARRAY_SIZE(devs); i++)
		if (S_ISCHR(in->mode) && major(in->rdev) == devs[i].maj &&
			minor(in->rdev) == devs[i].min)
			return &devs[i];
	return NULL;
}

int dev_open(struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	const struct dev *d;
	struct file *f;

	/* A filesystem of devices (devpts, donated ones) knows its own. */
	if (in->ops->open && (!in->sb || in->sb->type == &devpts_fs))
		return in->ops->open(in, path, flags, cred, out);
	d = dev_find(in);
	if (!d)
		return -ENXIO;
	if (d->open)
		return d->open(in, path, flags, cred, out);
	f = malloc(sizeof *f);
	if (!f)
		return -ENOMEM;
	file_init(f, d->ops, flags, in, path, cred);
	*out = f;
	return 0;
}

/* --- the filesystem */

static const struct node {
	const char *name;
	uint32_t mode;
	unsigned maj, min;
	const char *target; /* of a symlink */
} nodes[] = {
	{ "null", S_IFCHR | 0666, 1, 3, NULL },
	{ "zero", S_IFCHR | 0666, 1, 5, NULL },
	{ "full", S_IFCHR | 0666, 1, 7, NULL },
	{ "random", S_IFCHR | 0666, 1, 8, NULL },
	{ "urandom", S_IFCHR | 0666, 1, 9, NULL },
	{ "tty", S_IFCHR | 0666, 5, 0, NULL },
	{ "console", S_IFCHR | 0620, 5, 1, NULL },
	{ "ptmx", S_IFLNK, 0, 0, "pts/ptmx" },
	{ "fd", S_IFLNK, 0, 0, "/proc/self/fd" },
	{ "stdin", S_IFLNK, 0, 0, "/proc/self/fd/0" },
	{ "stdout", S_IFLNK, 0, 0, "/proc/self/fd/1" },
	{ "stderr", S_IFLNK, 0, 0, "/proc/self/fd/2" },
	{ "core", S_IFLNK, 0, 0, "/proc/kcore" },
	{ "pts", S_IFDIR | 0755, 0, 0, NULL },
	{ "shm", S_IFDIR | 01777, 0, 0, NULL },
	{ "mqueue", S_IFDIR | 01777, 0, 0, NULL },
};

HOLDS(lc_dir)
static int node_make(
	struct inode *dir, const struct node *n, const struct cred *cred)
{
	const struct inode_ops *ops = dir->ops;
	size_t len = strlen(n->name);
	struct inode *in;
	int err;

	if (S_ISLNK(n->mode))
		err = ops->symlink(dir, n->name, len, n->target, cred, &in);
	else if (S_ISDIR(n->mode))
		err = ops->mkdir(dir, n->name, len, n->mode, cred, &in);
	else
		err = ops->mknod(dir, n->name, len, n->mode,
			makedev(n->maj, n->min), cred, &in);
	if (!err)
		inode_put(in);
	return err;
}

static int devtmpfs_mount(const struct fs_context *fc, struct super **out)
{
	const struct fs_type *tmpfs = fs_type_find("tmpfs");
	struct fs_context sub = *fc;
	struct cred *cred;
	struct super *sb;
	int err;

	cred = cred_new(0, 0, NULL, 0);
	if (!cred)
		return -ENOMEM;
	sub.data = fc->data && *fc->data ? fc->data : "mode=755";
	err = tmpfs->mount(&sub, &sb);
	if (err) {
		cred_put(cred);
		return err;
	}
	sb->type = &devtmpfs_fs;
	dir_lock(sb->root);
	for (size_t i = 0; !err && i < ARRAY_SIZE(nodes); i++)
		err = node_make(sb->root, &nodes[i], cred);
	dir_unlock(sb->root);
	cred_put(cred);
	if (err)
		super_put(sb);
	else
		*out = sb;
	return err;
}

const struct fs_type devtmpfs_fs = {
	.name = "devtmpfs",
	.nodev = true,
	.mount = devtmpfs_mount,
};
