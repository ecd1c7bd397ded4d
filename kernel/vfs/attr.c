/*
 * attr.c - changing attributes: chmod(2), chown(2), utimensat(2), truncate(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/acl.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/inotify.h"
#include "kernel/vfs/lease.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/namei.h"
#include "kernel/vfs/walk.h"

static bool is_owner(const struct inode *in, const struct cred *cred)
{
	return cred->fsuid == in->uid || cred_capable(cred, CAP_FOWNER);
}

static int may_chown(
	const struct inode *in, const struct cred *cred, const struct iattr *a)
{
	bool mine = cred->fsuid == in->uid;

	if (cred_capable(cred, CAP_CHOWN))
		return 0;
	if (a->valid & ATTR_UID && !(mine && a->uid == in->uid))
		return -EPERM;
	if (a->valid & ATTR_GID &&
		!(mine && (a->gid == in->gid || cred_in_group(cred, a->gid))))
		return -EPERM;
	return 0;
}

static int may_set_times(
	struct inode *in, const struct cred *cred, const struct iattr *a)
{
	const unsigned now = ATTR_ATIME_NOW | ATTR_MTIME_NOW;

	if (is_owner(in, cred))
		return 0;
	if ((a->valid & now) != now)
		return -EPERM;
	return inode_permission(in, cred, MAY_WRITE);
}

/* The mode without what a change by somebody must take away. */
static uint32_t mode_killed(uint32_t mode)
{
	mode &= ~(uint32_t)S_ISUID;
	if (mode & S_IXGRP)
		mode &= ~(uint32_t)S_ISGID;
	return mode;
}

static int setattr_do(struct inode *in, const struct iattr *a)
{
	return in->ops->setattr ? in->ops->setattr(in, a) : -EPERM;
}

int inode_change(struct inode *in, const struct mount *mnt,
	const struct cred *cred, struct iattr *a)
{
	int err = mount_want_write(mnt);

	if (!err && a->valid & (ATTR_UID | ATTR_GID))
		err = may_chown(in, cred, a);
	if (!err && a->valid & ATTR_MODE && !is_owner(in, cred))
		err = -EPERM;
	if (!err && a->valid & (ATTR_ATIME | ATTR_MTIME))
		err = may_set_times(in, cred, a);
	if (err)
		return err;
	if (a->valid & ATTR_MODE && !cred_in_group(cred, in->gid) &&
		!cred_capable(cred, CAP_FSETID))
		a->mode &= ~(uint32_t)S_ISGID;
	if (a->valid & ATTR_OWNER && !S_ISDIR(in->mode) &&
		mode_killed(in->mode) != in->mode) {
		a->mode = mode_killed(in->mode);
		a->valid |= ATTR_MODE;
	}
	err = setattr_do(in, a);
	if (!err && a->valid & ATTR_MODE)
		acl_chmod(in);
	return err;
}

int vfs_setattr(const struct path *p, const struct cred *cred, struct iattr *a)
{
	int err = inode_change(path_inode(p), p->mnt, cred, a);

	if (!err)
		notify_dentry(p->dentry, IN_ATTRIB);
	return err;
}

void inode_init_owner(const struct inode *dir, const struct cred *cred,
	uint32_t *mode, uint32_t *gid)
{
	*gid = cred->fsgid;
	if (!(dir->mode & S_ISGID))
		return;
	*gid = dir->gid;
	if (S_ISDIR(*mode))
		*mode |= S_ISGID;
	else if ((*mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
		 !cred_in_group(cred, *gid) && !cred_capable(cred, CAP_FSETID))
		*mode &= ~(uint32_t)S_ISGID;
}

int inode_kill_priv(struct inode *in)
{
	struct iattr a = { .valid = ATTR_MODE };
	uint32_t mode = in->mode;

	if (likely(!(mode & (S_ISUID | S_ISGID))) ||
		mode_killed(mode) == mode || !S_ISREG(mode) ||
		(current && task_capable(current, CAP_FSETID)))
		return 0;
	a.mode = mode_killed(mode);
	return setattr_do(in, &a);
}

/* RLIMIT_FSIZE: a file may not grow beyond it. */
static int size_allowed(const struct inode *in, int64_t size)
{
	siginfo_t si;

	if (!current || size <= in->size ||
		(uint64_t)size <= task_rlimit(current, RLIMIT_FSIZE))
		return 0;
	siginfo_kernel(&si, SIGXFSZ);
	signal_send(current, SIGXFSZ, &si);
	return -EFBIG;
}

int vfs_truncate_open(struct inode *in, int64_t size)
{
	struct iattr a = { .valid = ATTR_SIZE, .size = size };
	int err = size_allowed(in, size);

	if (err)
		return err;
	write_lock(in);
	err = inode_kill_priv(in);
	if (!err)
		err = setattr_do(in, &a);
	write_unlock(in);
	return err;
}

int vfs_truncate(const struct path *p, const struct cred *cred, int64_t size)
{
	struct inode *in = path_inode(p);
	int err;

	if (S_ISDIR(in->mode))
		return -EISDIR;
	if (!S_ISREG(in->mode))
		return -EINVAL;
	err = mount_want_write(p->mnt);
	if (!err)
		err = inode_permission(in, cred, MAY_WRITE);
	if (!err)
		err = inode_add_writer(in);
	if (err)
		return err;
	err = lease_break(in, true, false) ?: vfs_truncate_open(in, size);
	atomic_fetch_sub(&in->writers, 1);
	if (!err)
		notify_dentry(p->dentry, IN_MODIFY);
	return err;
}
