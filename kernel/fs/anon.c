/* anon.c - files without a name. */
#include "kernel/fs/anon.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "kernel/vfs/dcache.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"

int anon_file_init(struct file *f, const struct file_ops *ops, int flags,
	uint32_t mode, struct cred *cred)
{
	struct inode *in;
	int err = inode_new_anon(mode, cred, &in);

	if (err)
		return err;
	file_init(f, ops, flags, in, NULL, cred);
	inode_put(in);
	f->stream = !ops->seek;
	return 0;
}

int64_t anon_seek(UNUSED struct file *f, UNUSED int64_t off, UNUSED int whence)
{
	return 0;
}

/* --- the filesystem that holds them: never mounted anywhere */

#define ANON_MAGIC 0x09041934

static void anon_super_release(struct super *sb)
{
	free(sb);
}

static const struct super_ops anon_super_ops = {
	.release = anon_super_release,
};

static void anon_root_release(struct inode *in)
{
	inode_fini(in);
	free(in);
}

static const struct inode_ops anon_root_ops = {
	.release = anon_root_release,
};

static const struct fs_type anon_fs;

static int anon_mount(UNUSED const struct fs_context *fc, struct super **out)
{
	struct super *sb = malloc(sizeof *sb);
	struct inode *root = malloc(sizeof *root);

	if (!sb || !root) {
		free(sb);
		free(root);
		return -ENOMEM;
	}
	super_init(sb, &anon_super_ops, &anon_fs, ANON_MAGIC);
	inode_init(root, &anon_root_ops, sb, 1, S_IFDIR | 0500, 0, 0);
	sb->root = root;
	*out = sb;
	return 0;
}

static const struct fs_type anon_fs = {
	.name = "anon_inodefs",
	.nodev = true,
	.mount = anon_mount,
};

/* Made by the first who needs it; NULL: no memory. */
static struct mount *anon_mnt(void)
{
	static struct mnt_ns *ns;
	struct mnt_ns *mine, *none = NULL;
	struct fs_context fc = {
		.type = &anon_fs, .source = "anon_inodefs", .sock = -1
	};
	struct mnt_ns *have = __atomic_load_n(&ns, __ATOMIC_ACQUIRE);

	if (have)
		return have->root;
	if (mnt_ns_create(&fc, &mine))
		return NULL;
	if (__atomic_compare_exchange_n(&ns, &none, mine, false,
		    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return mine->root;
	mnt_ns_put(mine);
	return none->root;
}

int anon_path(struct inode *in, struct path *out)
{
	struct mount *m = anon_mnt();
	struct dentry *d;

	if (!m)
		return -ENOMEM;
	d = dentry_nameless(m->root, "anon", 4, inode_get(in));
	if (!d)
		return -ENOMEM;
	*out = (struct path){ mount_get(m), d };
	return 0;
}
