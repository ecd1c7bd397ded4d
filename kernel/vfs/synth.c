/*
 * synth.c - mount points that the filesystem below does not have.
 *
 * A container may ask for a mount on a path that its image lacks, and the image
 * may be read-only.  Then the name exists in the dentry cache alone, pinned for
 * as long as the super is mounted.
 */
#include "kernel/vfs/synth.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/vfs/dcache.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/namei.h"

static int synth_lookup(
	struct inode *dir, const char *name, size_t len, struct inode **out)
{
	(void)dir;
	(void)name;
	(void)len;
	(void)out;
	return -ENOENT;
}

static int synth_readdir(struct file *f, struct dirsink *to, int64_t *pos)
{
	(void)dirsink_dots(f, to, pos); /* full or not: there is no more */
	return 0;
}

static ssize_t synth_read(struct file *f, struct uio *to, int64_t *pos)
{
	(void)f;
	(void)to;
	(void)pos;
	return 0;
}

static void synth_file_release(struct file *f)
{
	file_fini(f);
	free(f);
}

static const struct file_ops synth_dir_file_ops = {
	.name = "synthetic",
	.readdir = synth_readdir,
	.release = synth_file_release,
};

static const struct file_ops synth_file_ops = {
	.name = "synthetic",
	.read = synth_read,
	.release = synth_file_release,
};

static int synth_open(struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	struct file *f = malloc(sizeof *f);

	if (!f)
		return -ENOMEM;
	file_init(f, S_ISDIR(in->mode) ? &synth_dir_file_ops : &synth_file_ops,
		flags, in, path, cred);
	*out = f;
	return 0;
}

static void synth_release(struct inode *in)
{
	inode_fini(in);
	free(in);
}

static const struct inode_ops synth_dir_ops = {
	.lookup = synth_lookup,
	.open = synth_open,
	.release = synth_release,
};

static const struct inode_ops synth_node_ops = {
	.open = synth_open,
	.release = synth_release,
};

static int synth_add(const struct path *dir, const char *name, size_t len,
	bool file, struct dentry **out)
{
	struct inode *parent = path_inode(dir), *in = malloc(sizeof *in);

	if (!in)
		return -ENOMEM;
	inode_init(in, file ? &synth_node_ops : &synth_dir_ops, parent->sb, 0,
		file ? S_IFREG | 0444 : S_IFDIR | 0755, 0, 0);
	if (!file)
		in->nlink = 2;
	dir_lock(parent);
	*out = dentry_add_synthetic(dir->dentry, name, len, in);
	dir_unlock(parent);
	return *out ? 0 : -ENOMEM;
}

/* Makes @name where @w starts, on the filesystem. */
static int real_add(struct walk *w, const char *name, bool file)
{
	return file ? vfs_mknod(w, name, S_IFREG | 0644, 0, NULL)
		    : vfs_mkdir(w, name, 0755);
}

/* The next component @name, from *@at on; made when missing.  Moves *@at there.
 */
static int point_step(
	struct walk *w, struct path *at, const char *name, bool file)
{
	struct walk here = { .cred = w->cred, .root = w->root, .start = *at };
	struct path to;
	int err = path_lookup(&here, name, LOOKUP_FOLLOW, &to);

	if (err == -ENOENT && real_add(&here, name, file) == 0)
		err = path_lookup(&here, name, LOOKUP_FOLLOW, &to);
	else if (err == -ENOENT && S_ISDIR(path_inode(at)->mode)) {
		to.dentry = NULL;
		err = synth_add(at, name, strlen(name), file, &to.dentry);
		to.mnt = at->mnt;
		if (!err)
			mount_get(to.mnt);
	}
	if (err)
		return err;
	path_put(at);
	*at = to;
	return 0;
}

int mount_point(struct walk *w, const char *name, bool file, struct path *out)
{
	char part[NAME_MAX + 1];
	int err = 0;

	*out = w->root;
	path_get(out);
	for (const char *s = name + strspn(name, "/"); !err && *s;) {
		const char *e = strchrnul(s, '/');
		size_t len = (size_t)(e - s);

		if (len > NAME_MAX) {
			err = -ENAMETOOLONG;
			break;
		}
		memcpy(part, s, len);
		part[len] = 0;
		s = e + strspn(e, "/");
		err = point_step(w, out, part, file && !*s);
	}
	if (err)
		path_put(out);
	return err;
}
