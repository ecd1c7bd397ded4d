/*
 * copytree.c - a copy of what a directory holds.
 *
 * For a tmpfs that begins with what lies below it (the mount option tmpcopyup).
 * It runs before the container does, so nothing moves meanwhile.
 */
#include "kernel/vfs/copytree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/uio.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/namei.h"

#define CHUNK     65536
#define MAX_DEPTH 100

struct ends {
	struct walk from, to; /* borrowed references */
	int depth;
};

static int copy_dir(const struct ends *x);

static int write_all(struct file *f, char *buf, size_t n, int64_t *pos)
{
	while (n) {
		struct uio_seg seg;
		struct uio u;
		ssize_t k;

		uio_kernel(&u, &seg, buf, n, false);
		k = file_write(f, &u, pos);
		if (k <= 0)
			return k ? (int)k : -EIO;
		buf += k;
		n -= (size_t)k;
	}
	return 0;
}

static int copy_data(struct file *from, struct file *to)
{
	char *buf = malloc(CHUNK);
	int64_t pos = 0;
	ssize_t n;
	int err = buf ? 0 : -ENOMEM;

	while (!err) {
		n = file_read_kernel(from, buf, CHUNK, pos);
		if (n <= 0)
			err = (int)n;
		if (n <= 0)
			break;
		err = write_all(to, buf, (size_t)n, &pos);
	}
	free(buf);
	return err;
}

static int copy_file(struct ends *x, const char *name)
{
	struct file *from, *to;
	int err = vfs_open(&x->from, name, O_RDONLY | O_NOFOLLOW, 0, 0, &from);

	if (err)
		return err;
	err = vfs_open(&x->to, name, O_WRONLY | O_CREAT | O_EXCL, 0600, 0, &to);
	if (!err) {
		err = copy_data(from, to);
		file_put(to);
	}
	file_put(from);
	return err;
}

static int copy_link(struct ends *x, const char *name)
{
	char *target;
	int err = vfs_readlink(&x->from, name, &target);

	if (err < 0)
		return err;
	err = vfs_symlink(&x->to, target, name);
	free(target);
	return err;
}

static int copy_subdir(
	struct ends *x, const char *name, const struct path *from)
{
	struct ends sub = *x;
	int err = ++sub.depth > MAX_DEPTH ? -ELOOP : 0;

	if (!err)
		err = vfs_mkdir(&sub.to, name, 0700);
	if (!err)
		err = path_lookup(&x->to, name, LOOKUP_DIR, &sub.to.start);
	if (err)
		return err;
	sub.from.start = *from;
	err = copy_dir(&sub);
	path_put(&sub.to.start);
	return err;
}

static int copy_object(struct ends *x, const char *name,
	const struct path *from, const struct kstat *st)
{
	switch (st->mode & S_IFMT) {
	case S_IFREG:
		return copy_file(x, name);
	case S_IFLNK:
		return copy_link(x, name);
	case S_IFDIR:
		return copy_subdir(x, name, from);
	default:
		return vfs_mknod(&x->to, name, st->mode, st->rdev, NULL);
	}
}

static int copy_attributes(const struct path *to, const struct walk *w,
	const struct kstat *st, bool link)
{
	struct iattr a = {
		.valid = ATTR_UID | ATTR_GID,
		.uid = st->uid,
		.gid = st->gid,
	};
	int err = vfs_setattr(to, w->cred, &a);

	if (err)
		return err;
	/* The owner first: it may take set-user-ID bits away. */
	a = (struct iattr){
		.valid = ATTR_ATIME | ATTR_MTIME | (link ? 0 : ATTR_MODE),
		.mode = st->mode & 07777,
		.atime = st->atime,
		.mtime = st->mtime,
	};
	return vfs_setattr(to, w->cred, &a);
}

static int copy_entry(struct ends *x, const char *name)
{
	struct path from, to;
	struct kstat st;
	int err = path_lookup(&x->from, name, 0, &from);

	if (err)
		return err;
	err = inode_getattr(path_inode(&from), &st);
	if (!err)
		err = copy_object(x, name, &from, &st);
	path_put(&from);
	if (!err)
		err = path_lookup(&x->to, name, 0, &to);
	if (err)
		return err;
	err = copy_attributes(&to, &x->to, &st, S_ISLNK(st.mode));
	path_put(&to);
	return err;
}

static int copy_dir(const struct ends *x)
{
	struct ends here = *x;
	struct file *dir;
	char buf[2048];
	long n, err = vfs_open(
			&here.from, ".", O_RDONLY | O_DIRECTORY, 0, 0, &dir);

	if (err)
		return (int)err;
	while (!err && (n = file_getdents_kernel(dir, buf, sizeof buf)) != 0) {
		err = n < 0 ? n : 0;
		for (long at = 0; !err && at < n;) {
			struct dirent *d = (void *)(buf + at);

			if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
				err = copy_entry(&here, d->d_name);
			at += d->d_reclen;
		}
	}
	file_put(dir);
	return (int)err;
}

int copy_tree(
	const struct path *from, const struct path *to, const struct cred *cred)
{
	struct ends x = {
		.from = { .cred = cred, .root = *from, .start = *from },
		.to = { .cred = cred, .root = *to, .start = *to },
	};

	return copy_dir(&x);
}
