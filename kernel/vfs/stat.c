/*
 * stat.c - describing objects and filesystems to the guest.
 */
#include "kernel/vfs/stat.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/clock.h"
#include "kernel/abi/stat.h"
#include "kernel/task/cred.h"
#include "kernel/vfs/dcache.h"
#include "kernel/vfs/inode.h"

#define ANON_MAGIC 0x09041934
#define PIPE_MAGIC 0x50495045
#define SOCK_MAGIC 0x534f434b

#define STATX_BASIC      0x7ffu
#define STATX_BTIME_BIT  0x800u
#define STATX_MNT_ID_BIT 0x1000u
#define STATX_ATTR_ROOT  0x2000u /* STATX_ATTR_MOUNT_ROOT */

static struct timespec_abi to_timespec(int64_t ns)
{
	struct timespec_abi t = { ns / NSEC_PER_SEC, ns % NSEC_PER_SEC };

	if (t.nsec < 0) {
		t.nsec += NSEC_PER_SEC;
		t.sec--;
	}
	return t;
}

void kstat_to_stat(const struct kstat *k, struct stat_abi *st)
{
	*st = (struct stat_abi){
		.dev = k->dev,
		.ino = k->ino,
		.nlink = k->nlink,
		.mode = k->mode,
		.uid = k->uid,
		.gid = k->gid,
		.rdev = k->rdev,
		.size = (int64_t)k->size,
		.blksize = k->blksize,
		.blocks = (int64_t)k->blocks,
		.atime = to_timespec(k->atime),
		.mtime = to_timespec(k->mtime),
		.ctime = to_timespec(k->ctime),
	};
}

static struct statx_time_abi to_statx_time(int64_t ns)
{
	struct timespec_abi t = to_timespec(ns);

	return (struct statx_time_abi){ t.sec, (uint32_t)t.nsec, 0 };
}

void kstat_to_statx(
	const struct kstat *k, const struct path *p, struct statx_abi *sx)
{
	*sx = (struct statx_abi){
		.mask = k->mask ? k->mask : STATX_BASIC,
		.blksize = k->blksize,
		.attributes = k->attributes,
		.attributes_mask = k->attributes | STATX_ATTR_ROOT,
		.nlink = k->nlink,
		.uid = k->uid,
		.gid = k->gid,
		.mode = (uint16_t)k->mode,
		.ino = k->ino,
		.size = k->size,
		.blocks = k->blocks,
		.atime = to_statx_time(k->atime),
		.ctime = to_statx_time(k->ctime),
		.mtime = to_statx_time(k->mtime),
		.rdev_major = major(k->rdev),
		.rdev_minor = minor(k->rdev),
		.dev_major = major(k->dev),
		.dev_minor = minor(k->dev),
	};
	if (k->btime) {
		sx->btime = to_statx_time(k->btime);
		sx->mask |= STATX_BTIME_BIT;
	}
	if (p->mnt) {
		sx->mnt_id = (uint64_t)p->mnt->id;
		sx->mask |= STATX_MNT_ID_BIT;
		if (p->dentry == p->mnt->root)
			sx->attributes |= STATX_ATTR_ROOT;
	}
}

/* statvfs(3)'s ST_ flags; 0x20 says that they are valid. */
static int64_t mount_flags(const struct mount *m)
{
	static const struct {
		unsigned ms, st;
	} map[] = {
		{ MS_RDONLY, 1 },
		{ MS_NOSUID, 2 },
		{ MS_NODEV, 4 },
		{ MS_NOEXEC, 8 },
		{ MS_NOATIME, 1024 },
		{ MS_NODIRATIME, 2048 },
	};
	unsigned have = m->flags;
	int64_t st = 0x20;

	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		if (have & map[i].ms)
			st |= map[i].st;
	if (!(have & (MS_NOATIME | MS_STRICTATIME)))
		st |= 4096;
	return st;
}

int vfs_statfs(
	struct inode *in, const struct mount *mnt, struct statfs_abi *out)
{
	struct super *sb = in->sb;

	*out = (struct statfs_abi){
		.bsize = 4096,
		.namelen = 255,
		.flags = 0x20,
	};
	if (!sb) {
		out->type = S_ISFIFO(in->mode)   ? PIPE_MAGIC
			    : S_ISSOCK(in->mode) ? SOCK_MAGIC
						 : ANON_MAGIC;
		out->frsize = out->bsize;
		return 0;
	}
	out->type = sb->magic;
	out->fsid[0] = (int32_t)sb->dev;
	if (sb->ops->statfs) {
		int err = sb->ops->statfs(sb, out);

		if (err)
			return err;
	}
	out->frsize = out->bsize;
	if (mnt)
		out->flags = mount_flags(mnt);
	return 0;
}

int access_cred(const struct cred *cred, struct cred **out)
{
	uint64_t effective = cred->uid ? 0 : cred->permitted;
	struct cred *c;

	*out = NULL;
	if (cred->fsuid == cred->uid && cred->fsgid == cred->gid &&
		cred->effective == effective)
		return 0;
	c = cred_copy(cred, -1);
	if (!c)
		return -ENOMEM;
	c->fsuid = c->uid;
	c->fsgid = c->gid;
	c->effective = effective;
	*out = c;
	return 0;
}

int path_access(const struct path *p, const struct cred *cred, unsigned mode)
{
	struct inode *in = path_inode(p);
	uint32_t type = in->mode;
	int err;

	if (mode & MAY_EXEC && S_ISREG(type) && p->mnt->flags & MS_NOEXEC)
		return -EACCES;
	err = inode_permission(in, cred, mode);
	if (err || !(mode & MAY_WRITE) ||
		!(S_ISREG(type) || S_ISDIR(type) || S_ISLNK(type)))
		return err;
	return mount_want_write(p->mnt);
}

bool path_is_deleted(const struct path *p)
{
	bool yes;

	dcache_read(&dcache);
	yes = p->dentry->unhashed && p->dentry->parent != p->dentry;
	dcache_read_done(&dcache);
	return yes;
}
