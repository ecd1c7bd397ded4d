/*
 * permission.c - may these credentials do that to this inode?
 *
 * path_resolution(7) and capabilities(7) are the contract.
 */
#include "kernel/vfs/inode.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/stat.h>

#include "kernel/task/cred.h"
#include "kernel/vfs/acl.h"

int inode_permission_mode(
	const struct inode *in, const struct cred *cred, unsigned mask)
{
	uint32_t mode = in->mode, bits = mode;
	int acl = ACL_NONE;

	if (cred->fsuid != in->uid)
		acl = acl_permission(in, cred, mask);
	if (acl != ACL_NONE)
		bits = acl ? 0 : 7;
	else if (cred->fsuid == in->uid)
		bits >>= 6;
	else if ((mode >> 3 & 7) != (mode & 7) && cred_in_group(cred, in->gid))
		bits >>= 3;
	if (!(mask & ~bits & 7))
		return 0;
	if (S_ISDIR(mode)) {
		if (!(mask & MAY_WRITE) &&
			cred_capable(cred, CAP_DAC_READ_SEARCH))
			return 0;
		return cred_capable(cred, CAP_DAC_OVERRIDE) ? 0 : -EACCES;
	}
	if (mask == MAY_READ && cred_capable(cred, CAP_DAC_READ_SEARCH))
		return 0;
	if ((!(mask & MAY_EXEC) || mode & 0111) &&
		cred_capable(cred, CAP_DAC_OVERRIDE))
		return 0;
	return -EACCES;
}

int inode_permission(struct inode *in, const struct cred *cred, unsigned mask)
{
	if (!mask)
		return 0;
	if (mask & MAY_WRITE && in->sb && in->sb->readonly &&
		(S_ISREG(in->mode) || S_ISDIR(in->mode) || S_ISLNK(in->mode)))
		return -EROFS;
	if (in->ops->permission)
		return in->ops->permission(in, cred, mask);
	return inode_permission_mode(in, cred, mask);
}
