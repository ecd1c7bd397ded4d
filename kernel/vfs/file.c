/*
 * file.c - open files: life, defaults, one attempt at reading and writing.
 */
#include "kernel/vfs/file.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "core/waitq.h"
#include "kernel/task/cred.h"
#include "kernel/vfs/dnotify.h"
#include "kernel/vfs/epoll.h"
#include "kernel/vfs/fasync.h"
#include "kernel/vfs/flock.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/inotify.h"
#include "kernel/vfs/lease.h"
#include "kernel/vfs/mount.h"

#define OPEN_ONLY (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC)

void file_init(struct file *f, const struct file_ops *ops, int flags,
	struct inode *inode, const struct path *path, struct cred *cred)
{
	*f = (struct file){
		.ops = ops,
		.flags = flags & ~OPEN_ONLY,
		.mode = flags & (FILE_ACCMODE | O_PATH),
		.inode = inode ? inode_get(inode) : NULL,
		.cred = cred ? cred_get(cred) : NULL,
	};
	ref_init(&f->ref);
	mutex_init(&f->pos_lock, &lc_filepos);
	list_init(&f->epitems);
	if (path && path->dentry) {
		f->path = *path;
		path_get(path);
	}
}

void file_fini(struct file *f)
{
	path_put(&f->path);
	inode_put(f->inode);
	cred_put(f->cred);
}

struct file *file_get(struct file *f)
{
	ref_get(&f->ref);
	return f;
}

void file_put(struct file *f)
{
	if (!f || !ref_put(&f->ref))
		return;
	if (f->nepitems)
		epoll_file_gone(f);
	if (f->inode && f->inode->locks)
		flock_release(f);
	if (f->path.dentry && !(f->mode & O_PATH))
		notify_dentry(f->path.dentry,
			file_writable(f) ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
	if (f->inode && unlikely(atomic_load(&f->inode->nleases)))
		lease_file_gone(f);
	if (f->inode && unlikely(f->inode->dnotify != NULL))
		dnotify_file_gone(f);
	if (f->wrote)
		atomic_fetch_sub(&f->inode->writers, 1);
	if (f->reads)
		atomic_fetch_sub(&f->inode->readers, 1);
	if (f->fasync)
		fasync_file_gone(f);
	f->ops->release(f);
}

LOCKS_UNCHECKED /* one word, and only to look at */
	int64_t
	file_pos(const struct file *f)
{
	if (f->ops->tell)
		return f->ops->tell((struct file *)(uintptr_t)f);
	return __atomic_load_n(&f->pos, __ATOMIC_RELAXED);
}

ssize_t file_read(struct file *f, struct uio *to, int64_t *pos)
{
	if (!file_readable(f))
		return -EBADF;
	return f->ops->read ? f->ops->read(f, to, pos) : -EINVAL;
}

ssize_t file_write(struct file *f, struct uio *from, int64_t *pos)
{
	if (!file_writable(f))
		return -EBADF;
	return f->ops->write ? f->ops->write(f, from, pos) : -EINVAL;
}

unsigned file_poll(struct file *f)
{
	if (!f->ops->poll)
		return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
	return f->ops->poll(f);
}

struct waitq *file_waitq(struct file *f)
{
	return f->ops->waitq ? f->ops->waitq(f) : NULL;
}

ssize_t file_read_kernel(struct file *f, void *buf, size_t n, int64_t pos)
{
	size_t done = 0;

	if (!f->ops->read)
		return S_ISDIR(f->inode->mode) ? -EISDIR : -EINVAL;
	while (done < n) {
		struct uio_seg seg;
		struct uio u;
		ssize_t ret;

		uio_kernel(&u, &seg, (char *)buf + done, n - done, true);
		ret = f->ops->read(f, &u, &pos);
		if (ret < 0)
			return done ? (ssize_t)done : ret;
		if (ret == 0)
			break;
		done += (size_t)ret;
	}
	return (ssize_t)done;
}
