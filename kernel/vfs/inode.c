/*
 * inode.c - the parts common to every filesystem object, and its super.
 *
 * Inodes hold a reference on their super, the super one on its root inode.
 * That cycle is broken in super_put(): a count of one means that only the root
 * inode is left, and nobody can find the super any more.
 */
#include "kernel/vfs/inode.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "core/clock.h"
#include "kernel/task/cred.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/acl.h"
#include "kernel/vfs/flock.h"
#include "kernel/vfs/inotify.h"
#include "kernel/vfs/mount.h"

#define ANON_DEV makedev(0, 14)
#define DAY_NS   (24 * 3600 * NSEC_PER_SEC)

static uint64_t ino_fresh(void)
{
	static _Atomic uint64_t last = 1;

	return atomic_fetch_add(&last, 1) + 1;
}

int64_t inode_now(void)
{
	return clock_now(CLOCK_REALTIME_COARSE);
}

void inode_init(struct inode *in, const struct inode_ops *ops, struct super *sb,
	uint64_t ino, uint32_t mode, uint32_t uid, uint32_t gid)
{
	int64_t now = inode_now();

	*in = (struct inode){
		.ops = ops,
		.sb = sb ? super_get(sb) : NULL,
		.ino = ino ? ino : ino_fresh(),
		.mode = mode,
		.uid = uid,
		.gid = gid,
		.nlink = 1,
		.atime = now,
		.mtime = now,
		.ctime = now,
	};
	ref_init(&in->ref);
	mutex_init(&in->lock, &lc_inode);
	mutex_init(&in->write_lock, &lc_write);
	mutex_init(&in->dir_lock, &lc_dir);
}

void inode_fini(struct inode *in)
{
	flock_inode_fini(in);
	if (in->watches)
		inotify_inode_gone(in);
	acl_inode_gone(in);
	super_put(in->sb);
}

struct inode *inode_get(struct inode *in)
{
	ref_get(&in->ref);
	return in;
}

void inode_put(struct inode *in)
{
	if (in && ref_put(&in->ref))
		in->ops->release(in);
}

static void anon_release(struct inode *in)
{
	inode_fini(in);
	free(in);
}

static int anon_setattr(struct inode *in, const struct iattr *a)
{
	inode_apply(in, a);
	return 0;
}

static const struct inode_ops anon_ops = {
	.setattr = anon_setattr,
	.release = anon_release,
};

int inode_new_anon(uint32_t mode, const struct cred *cred, struct inode **out)
{
	struct inode *in = malloc(sizeof *in);

	if (!in)
		return -ENOMEM;
	inode_init(in, &anon_ops, NULL, 0, mode, cred ? cred->fsuid : 0,
		cred ? cred->fsgid : 0);
	*out = in;
	return 0;
}

int inode_getattr(struct inode *in, struct kstat *st)
{
	*st = (struct kstat){
		.ino = in->ino,
		.size = (uint64_t)in->size,
		.blocks = in->blocks,
		.mode = in->mode,
		.nlink = in->nlink,
		.uid = in->uid,
		.gid = in->gid,
		.blksize = 4096,
		.dev = in->sb ? in->sb->dev : ANON_DEV,
		.rdev = in->rdev,
		.atime = in->atime,
		.mtime = in->mtime,
		.ctime = in->ctime,
	};
	return in->ops->getattr ? in->ops->getattr(in, st) : 0;
}

void inode_apply(struct inode *in, const struct iattr *a)
{
	int64_t now = inode_now();

	inode_lock(in);
	if (a->valid & ATTR_MODE)
		in->mode = (in->mode & S_IFMT) | (a->mode & 07777);
	if (a->valid & ATTR_UID)
		in->uid = a->uid;
	if (a->valid & ATTR_GID)
		in->gid = a->gid;
	if (a->valid & ATTR_ATIME)
		in->atime = a->valid & ATTR_ATIME_NOW ? now : a->atime;
	if (a->valid & ATTR_MTIME)
		in->mtime = a->valid & ATTR_MTIME_NOW ? now : a->mtime;
	if (a->valid)
		in->ctime = now;
	inode_unlock(in);
}

void inode_touch(struct inode *in)
{
	int64_t now = inode_now();

	if (in->mtime != now)
		in->mtime = now;
	if (in->ctime != now)
		in->ctime = now;
}

void file_accessed(struct file *f)
{
	struct inode *in = f->inode;
	unsigned mf = f->path.mnt ? f->path.mnt->flags : 0;
	int64_t now, atime = in->atime;

	if (atomic_load(&f->flags) & O_NOATIME || mf & (MS_NOATIME | MS_RDONLY))
		return;
	if (S_ISDIR(in->mode) && mf & MS_NODIRATIME)
		return;
	now = inode_now();
	if (!(mf & MS_STRICTATIME) && atime > in->mtime && atime > in->ctime &&
		now - atime < DAY_NS)
		return;
	in->atime = now;
}

int inode_deny_write(struct inode *in)
{
	int n = atomic_load(&in->writers);

	do {
		if (n > 0)
			return -ETXTBSY;
	} while (!atomic_compare_exchange_weak(&in->writers, &n, n - 1));
	return 0;
}

int inode_add_writer(struct inode *in)
{
	int n = atomic_load(&in->writers);

	do {
		if (n < 0)
			return -ETXTBSY;
	} while (!atomic_compare_exchange_weak(&in->writers, &n, n + 1));
	return 0;
}

void inode_allow_write(struct inode *in)
{
	atomic_fetch_add(&in->writers, 1);
}

void super_init(struct super *sb, const struct super_ops *ops,
	const struct fs_type *type, uint32_t magic)
{
	static atomic_uint minor_last = 20;

	*sb = (struct super){
		.ops = ops,
		.type = type,
		.dev = makedev(0, atomic_fetch_add(&minor_last, 1) + 1),
		.magic = magic,
	};
	ref_init(&sb->ref);
	mutex_init(&sb->rename_lock, &lc_rename);
}

struct super *super_get(struct super *sb)
{
	ref_get(&sb->ref);
	return sb;
}

void super_put(struct super *sb)
{
	struct inode *root;
	int left;

	if (!sb)
		return;
	left = atomic_fetch_sub(&sb->ref.n, 1) - 1;
	if (left == 1) {
		root = __atomic_exchange_n(&sb->root, NULL, __ATOMIC_ACQ_REL);
		inode_put(root);
	} else if (left == 0) {
		sb->ops->release(sb);
	}
}
