/*
 * memfd.c - files that are only memory: memfd_create(2).
 *
 * They are nameless files of one tmpfs that is mounted nowhere.
 */
#include "kernel/fs/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "kernel/fs/tmpfs.h"
#include "kernel/task/cred.h"
#include "kernel/vfs/dcache.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"

#define MFD_SEALING 2u
#define MFD_NOEXEC  8u
#define SEAL_EXEC   0x20u

int memfd_create_file(const char *name, unsigned flags, const struct cred *cred,
	struct file **out)
{
	uint32_t mode = flags & MFD_NOEXEC ? 0666 : 0777;
	char text[MEMFD_NAME_MAX + 8];
	struct inode *in;
	struct path p;
	int n, err;

	err = mount_internal(&tmpfs_fs, &p.mnt);
	if (err)
		return err;
	err = tmpfs_file_create(p.mnt->sb, S_IFREG | mode, cred, &in);
	if (err)
		goto put;
	tmpfs_set_seals(in, flags & MFD_NOEXEC    ? SEAL_EXEC
			    : flags & MFD_SEALING ? 0
						  : (unsigned)F_SEAL_SEAL);
	n = snprintf(text, sizeof text, "memfd:%s", name);
	p.dentry = dentry_nameless(p.mnt->root, text, (size_t)n, in);
	if (!p.dentry) {
		err = -ENOMEM;
		goto put;
	}
	err = tmpfs_open(in, &p, O_RDWR | 0100000, cred_get(cred), out);
	if (!err) {
		(*out)->wrote = true;
		atomic_fetch_add(&in->writers, 1);
	}
	cred_put((struct cred *)(uintptr_t)cred);
	dentry_put(p.dentry);
put:
	mount_put(p.mnt);
	return err;
}
