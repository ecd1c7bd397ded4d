/*
 * xattr.c - who may see and change which extended attribute: xattr(7).
 */
#include "kernel/vfs/xattr.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "core/str.h"
#include "kernel/task/cred.h"
#include "kernel/vfs/acl.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/inotify.h"
#include "kernel/vfs/mount.h"

static bool is_privileged(const struct cred *cred, const char *name)
{
	if (strcmp(name, "security.capability") == 0)
		return cred_capable(cred, CAP_SETFCAP);
	return cred_capable(cred, CAP_SYS_ADMIN);
}

/* Linux: fs/xattr.c xattr_permission(). */
static int xattr_permission(
	struct inode *in, const struct cred *cred, const char *name, bool write)
{
	const char *rest = strchr(name, '.');
	uint32_t mode = in->mode;

	if (!rest || !rest[1])
		return rest ? -EINVAL : -EOPNOTSUPP;
	if (str_prefix(name, "security."))
		return write && !is_privileged(cred, name) ? -EPERM : 0;
	if (str_prefix(name, "system."))
		return write && cred->fsuid != in->uid &&
				       !cred_capable(cred, CAP_FOWNER)
			       ? -EPERM
			       : 0;
	if (str_prefix(name, "trusted.")) {
		if (cred_capable(cred, CAP_SYS_ADMIN))
			return 0;
		return write ? -EPERM : -ENODATA;
	}
	if (!str_prefix(name, "user."))
		return -EOPNOTSUPP;
	if (!S_ISREG(mode) && !S_ISDIR(mode))
		return write ? -EPERM : -ENODATA;
	if (write && S_ISDIR(mode) && mode & S_ISVTX &&
		cred->fsuid != in->uid && !cred_capable(cred, CAP_FOWNER))
		return -EPERM;
	return inode_permission(in, cred, write ? MAY_WRITE : MAY_READ);
}

ssize_t vfs_getxattr(const struct path *p, const struct cred *cred,
	const char *name, void *buf, size_t n)
{
	struct inode *in = path_inode(p);
	int err;

	if (acl_type(name) >= 0)
		return acl_get(in, acl_type(name), buf, n);
	err = xattr_permission(in, cred, name, false);
	if (err)
		return err;
	return in->ops->getxattr ? in->ops->getxattr(in, name, buf, n)
				 : -EOPNOTSUPP;
}

int vfs_setxattr(const struct path *p, const struct cred *cred,
	const char *name, const void *buf, size_t n, int flags)
{
	struct inode *in = path_inode(p);
	int err = mount_want_write(p->mnt);
	bool acl = acl_type(name) >= 0;

	if (!err && !acl)
		err = xattr_permission(in, cred, name, true);
	if (err)
		return err;
	if (acl)
		err = acl_set(in, acl_type(name), cred, buf, n);
	else if (in->ops->setxattr)
		err = in->ops->setxattr(in, name, buf, n, flags);
	else
		err = -EOPNOTSUPP;
	if (!err)
		notify_dentry(p->dentry, IN_ATTRIB);
	return err;
}

/* Takes names that @cred may not know of out of the list. */
static ssize_t list_filter(const struct cred *cred, char *buf, ssize_t len)
{
	ssize_t kept = 0;

	if (cred_capable(cred, CAP_SYS_ADMIN))
		return len;
	for (ssize_t at = 0; at < len;) {
		size_t n = strnlen(buf + at, (size_t)(len - at)) + 1;

		if (at + (ssize_t)n > len)
			break;
		if (!str_prefix(buf + at, "trusted.")) {
			memmove(buf + kept, buf + at, n);
			kept += (ssize_t)n;
		}
		at += (ssize_t)n;
	}
	return kept;
}

ssize_t vfs_listxattr(
	const struct path *p, const struct cred *cred, char *buf, size_t n)
{
	struct inode *in = path_inode(p);
	ssize_t acl = acl_list(in, buf, n), len;

	if (acl < 0 || !in->ops->listxattr)
		return acl;
	if (!n || (size_t)acl == n) {
		len = in->ops->listxattr(in, NULL, 0);
		if (n && len > 0)
			len = -ERANGE;
	} else {
		len = in->ops->listxattr(in, buf + acl, n - (size_t)acl);
		if (len > 0)
			len = list_filter(cred, buf + acl, len);
	}
	return len < 0 ? len : acl + len;
}
