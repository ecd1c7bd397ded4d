/* anon.c - files without a name. */
#include "kernel/fs/anon.h"

#include <errno.h>

#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"

int anon_file_init(struct file *f, const struct file_ops *ops, int flags,
	uint32_t mode, struct cred *cred)
{
	struct inode *in;
	int err = inode_new_anon(mode, cred, &in);

	if (err)
		return err;
	file_init(f, ops, flags, in, NULL, cred);
	inode_put(in);
	f->stream = true;
	return 0;
}
