/*
 * gofer_file.c - regular files of the gofer filesystem.
 *
 * Contents move between guest pages and the donated descriptor, without a stop
 * here.  Where the gofer gave none (it, or we, ran out of numbers), they
 * travel by 9P through a buffer, under a fid that the open file owns.
 *
 * A descriptor is open for reading, or for reading and writing; an inode may
 * have one of each.  They stay while there are users (open files), and
 * are then on the idle list, whose oldest are closed when it gets long.  A
 * file that is opened again is left on the list: who closes sorts that out.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/seccomp.h"
#include "kernel/fs/gofer_int.h"
#include "kernel/mm/mapping.h"

#ifndef RWF_APPEND
#define RWF_APPEND 16
#endif
#define IO_MAX   (1 << 20) /* bytes in one attempt */
#define IDLE_MAX 1024      /* descriptors kept for later */
#define IDLE_CUT 64        /* closed at once when there are more */

/* --- idle descriptors */

static struct {
	struct mutex lock; /* lc_gofer */
	struct list files; /* struct ginode.idle_link, oldest first */
	unsigned n;
} idle = { .lock = MUTEX_INIT(gofer), .files = LIST_INIT(idle.files) };

/* The oldest, off the list, with a reference; NULL: the list is empty. */
LOCKS_UNCHECKED /* idle.lock */
	static struct ginode *
	idle_oldest(void)
{
	struct ginode *g = NULL;

	mutex_acquire(&idle.lock);
	while (!g && !list_empty(&idle.files)) {
		g = list_first(&idle.files, struct ginode, idle_link);
		list_del(&g->idle_link);
		idle.n--;
		if (!ref_tryget(&g->in.ref))
			g = NULL; /* its release closes them */
	}
	mutex_release(&idle.lock);
	return g;
}

static void close_atomic(atomic_int *fd)
{
	int hfd = atomic_exchange(fd, -1);

	if (hfd >= 0)
		close(hfd);
}

/* Closes the descriptors of up to @n files that nobody has open. */
static void idle_close(unsigned n)
{
	struct ginode *g;

	while (n-- && (g = idle_oldest())) {
		inode_lock(&g->in);
		if (!g->users) {
			if (atomic_load(&g->stale))
				(void)gofer_file_stat(g);
			close_atomic(&g->rfd);
			close_atomic(&g->wfd);
		}
		inode_unlock(&g->in);
		inode_put(&g->in);
	}
}

LOCKS_UNCHECKED /* idle.lock */
	static bool
	idle_add(struct ginode *g)
{
	bool full;

	mutex_acquire(&idle.lock);
	if (list_empty(&g->idle_link)) {
		list_add_tail(&idle.files, &g->idle_link);
		idle.n++;
	}
	full = idle.n > IDLE_MAX;
	mutex_release(&idle.lock);
	return full;
}

LOCKS_UNCHECKED /* idle.lock; the last reference */
	void
	gofer_file_fini(struct ginode *g)
{
	mutex_acquire(&idle.lock);
	if (!list_empty(&g->idle_link)) {
		list_del(&g->idle_link);
		idle.n--;
	}
	mutex_release(&idle.lock);
	if (g->map && !g->map->host)
		(void)!mapping_sync(g->map, 0, INT64_MAX); /* nobody to tell */
	mapping_put(g->map);
	close_atomic(&g->rfd);
	close_atomic(&g->wfd);
}

void gofer_idle_cut(void)
{
	idle_close(IDLE_CUT);
}

/* --- descriptors */

int gofer_fd(struct ginode *g, bool write)
{
	int hfd = atomic_load_explicit(&g->wfd, memory_order_relaxed);

	return hfd >= 0 || write
		       ? hfd
		       : atomic_load_explicit(&g->rfd, memory_order_relaxed);
}

/* Has the gofer give a descriptor.  -EMFILE: neither side has a number left. */
HOLDS(lc_inode)
static int fd_fetch(struct ginode *g, bool write)
{
	int hfd, err = p9_open(gclient(&g->in), atomic_load(&g->fid),
			 write ? O_RDWR : O_RDONLY, &hfd);

	if (err)
		return err;
	atomic_store(write ? &g->wfd : &g->rfd, hfd);
	return 0;
}

/*
 * Makes sure of a descriptor, and counts a user of it.  Without one
 * (-EMFILE) no user is counted.
 */
static int fd_use(struct ginode *g, bool write)
{
	int err, tries = 0;
	uint32_t fid;

	do {
		err = gofer_fd(g, write) < 0 ? ginode_fid(g, &fid) : 0;
		if (err)
			return err;
		inode_lock(&g->in);
		err = gofer_fd(g, write) < 0 ? fd_fetch(g, write) : 0;
		if (!err)
			g->users++;
		inode_unlock(&g->in);
	} while (gofer_retry(gclient(&g->in), err, &tries));
	return err == -ENFILE ? -EMFILE : err;
}

static void fd_unuse(struct ginode *g)
{
	bool last;

	inode_lock(&g->in);
	last = --g->users == 0;
	inode_unlock(&g->in);
	if (last && idle_add(g))
		idle_close(IDLE_CUT);
}

void gofer_file_adopt(struct ginode *g, int hfd)
{
	int none = -1;

	if (hfd < 0)
		return;
	if (!S_ISREG(g->in.mode) ||
		!atomic_compare_exchange_strong(&g->wfd, &none, hfd)) {
		close(hfd);
		return;
	}
	(void)idle_add(g); /* who opens the next file cuts the list */
}

bool gofer_file_stat(struct ginode *g)
{
	int hfd = S_ISREG(g->in.mode) ? gofer_fd(g, false) : -1;
	struct p9_attr a;
	struct stat st;

	/* It may be closed just now: then the number may be another file's. */
	if (hfd < 0 || fstat(hfd, &st) || st.st_ino != g->ino ||
		st.st_dev != g->dev)
		return false;
	a = (struct p9_attr){ .mode = st.st_mode,
		.nlink = (uint32_t)st.st_nlink,
		/* The host shows ids as our own user namespace has them. */
		.uid = g->in.uid,
		.gid = g->in.gid,
		.size = (uint64_t)st.st_size,
		.blocks = (uint64_t)st.st_blocks,
		.atime = st.st_atim.tv_sec * NSEC_PER_SEC + st.st_atim.tv_nsec,
		.mtime = st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec,
		.ctime =
			st.st_ctim.tv_sec * NSEC_PER_SEC + st.st_ctim.tv_nsec };
	/* Somebody else's chown would show in the ctime. */
	if (!gsuper_of(g->in.sb)->exclusive && a.ctime != g->in.ctime)
		return false;
	ginode_refresh(g, &a);
	return true;
}

/* --- reading and writing */

static ssize_t read_9p(struct gfile *gf, struct uio *to, int64_t pos)
{
	char *buf = malloc(P9_IO_MAX);
	size_t done = 0;
	ssize_t ret;

	if (!buf)
		return -ENOMEM;
	do {
		size_t n = MIN(uio_left(to), (size_t)P9_IO_MAX), put = 0;

		ret = p9_read(gclient(gf->f.inode), gf->fid, buf, n,
			(uint64_t)pos + done);
		if (ret > 0) {
			put = uio_put(to, buf, (size_t)ret);
			ret = put < (size_t)ret ? -EFAULT : ret;
		}
		done += put;
	} while (ret == P9_IO_MAX && uio_left(to));
	free(buf);
	return done ? (ssize_t)done : ret;
}

static ssize_t write_9p(struct gfile *gf, struct uio *from, int64_t pos)
{
	size_t n = MIN(uio_left(from), (size_t)P9_IO_MAX);
	struct uio probe = *from; /* a short write leaves the rest unread */
	char *buf = malloc(n);
	ssize_t ret = -EFAULT;

	if (!buf)
		return -ENOMEM;
	n = uio_get(&probe, buf, n);
	if (n)
		ret = p9_write(
			gclient(gf->f.inode), gf->fid, buf, n, (uint64_t)pos);
	if (ret > 0)
		uio_skip(from, (size_t)ret);
	free(buf);
	return ret;
}

/* Short only at the end of the file, or where guest memory is not there. */
static ssize_t read_host(struct ginode *g, struct uio *to, int64_t pos)
{
	struct uio_pins pins;
	size_t done = 0;
	ssize_t ret;

	while (uio_left(to) && uio_pin(to, IO_MAX, &pins)) {
		size_t want = pins.total;

		ret = preadv(gofer_fd(g, false), pins.iov, pins.n,
			pos + (int64_t)done);
		if (ret < 0)
			ret = -errno;
		uio_unpin(&pins);
		if (ret <= 0)
			return done ? (ssize_t)done : ret;
		uio_skip(to, (size_t)ret);
		done += (size_t)ret;
		if ((size_t)ret < want)
			return (ssize_t)done;
	}
	return done || !uio_left(to) ? (ssize_t)done : -EFAULT;
}

static ssize_t gofer_read(struct file *f, struct uio *to, int64_t *pos)
{
	struct ginode *g = ginode_of(f->inode);
	struct gfile *gf = gfile_of(f);
	ssize_t ret;

	gofer_map_flush(g, *pos, uio_left(to));
	ret = gf->fid == P9_NOFID ? read_host(g, to, *pos)
				  : read_9p(gf, to, *pos);
	if (ret <= 0)
		return ret;
	*pos += ret;
	file_accessed(f); /* as the host's own inode is by now */
	return ret;
}

/*
 * The VFS took set-id bits away where the writer may not keep them.  The host
 * takes them from whatever we write, so those that are left are put back.
 */
static void keep_setid(struct ginode *g, uint32_t mode)
{
	struct iattr a = { .valid = ATTR_MODE, .mode = mode };

	if (mode & S_ISUID ||
		(mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		(void)!gofer_setattr(&g->in, &a); /* the data is written */
}

/* With shared access the end of the file is where the host says it is. */
static ssize_t host_write(
	struct ginode *g, const struct uio_pins *p, int64_t *pos, bool append)
{
	int hfd = gofer_fd(g, true);
	struct stat st;
	ssize_t ret;

	if (!append) {
		ret = pwritev(hfd, p->iov, p->n, *pos);
		return ret < 0 ? -errno : ret;
	}
	ret = syscall(SYS_pwritev2, hfd, p->iov, p->n, 0L, 0L, RWF_APPEND);
	if (ret < 0)
		return -errno;
	if (!fstat(hfd, &st))
		*pos = st.st_size - ret;
	return ret;
}

static ssize_t gofer_write(struct file *f, struct uio *from, int64_t *pos)
{
	struct ginode *g = ginode_of(f->inode);
	struct gfile *gf = gfile_of(f);
	bool append = atomic_load(&f->flags) & O_APPEND &&
		      !gsuper_of(f->inode->sb)->exclusive;
	uint32_t mode = f->inode->mode;
	struct uio_pins pins;
	ssize_t ret;

	gofer_map_flush(g, *pos, uio_left(from));
	if (gf->fid != P9_NOFID) {
		ret = write_9p(gf, from, *pos);
	} else {
		if (!uio_pin(from, IO_MAX, &pins))
			return uio_left(from) ? -EFAULT : 0;
		ret = host_write(g, &pins, pos, append);
		uio_unpin(&pins);
		if (ret > 0)
			uio_skip(from, (size_t)ret);
	}
	if (ret <= 0)
		return ret;
	gofer_map_changed(g, *pos, (size_t)ret);
	*pos += ret;
	if (*pos > f->inode->size)
		f->inode->size = *pos;
	ginode_touch(g);
	if (unlikely(mode & (S_ISUID | S_ISGID)))
		keep_setid(g, mode);
	return ret;
}

static int64_t gofer_seek(struct file *f, int64_t off, int whence)
{
	int hfd = gfile_of(f)->fid == P9_NOFID
			  ? gofer_fd(ginode_of(f->inode), false)
			  : -1;
	struct kstat st;
	int64_t ret;
	int err;

	if (whence == SEEK_SET)
		return off < 0 ? -EINVAL : off;
	if (hfd >= 0 && (whence == SEEK_DATA || whence == SEEK_HOLE)) {
		gofer_map_flush(ginode_of(f->inode), 0, INT64_MAX / 2);
		ret = lseek(hfd, off, whence);
		return ret < 0 ? -errno : ret;
	}
	err = inode_getattr(f->inode, &st);
	if (err)
		return err;
	if (whence == SEEK_END) {
		if (__builtin_add_overflow(off, (int64_t)st.size, &off))
			return -EOVERFLOW;
		return off < 0 ? -EINVAL : off;
	}
	if (off < 0 || off >= (int64_t)st.size)
		return -ENXIO;
	return whence == SEEK_HOLE ? (int64_t)st.size : off;
}

static int gofer_fsync(struct file *f, bool datasync)
{
	struct ginode *g = ginode_of(f->inode);
	struct gfile *gf = gfile_of(f);
	int hfd;

	if (gofer_map_ours(g)) {
		int err = mapping_sync(g->map, 0, INT64_MAX);

		if (err)
			return err;
	}
	if (gf->fid != P9_NOFID)
		return p9_fsync(gclient(f->inode), gf->fid, datasync);
	hfd = gofer_fd(g, false);
	return (datasync ? fdatasync(hfd) : fsync(hfd)) ? -errno : 0;
}

static int gofer_fallocate(struct file *f, int mode, int64_t off, int64_t len)
{
	struct ginode *g = ginode_of(f->inode);
	uint32_t bits = f->inode->mode;
	struct p9_attr a;
	uint32_t fid;
	int err;

	gofer_map_flush(g, 0, INT64_MAX / 2);
	if (gfile_of(f)->fid == P9_NOFID) {
		err = fallocate(gofer_fd(g, true), mode, off, len) ? -errno : 0;
	} else {
		err = ginode_fid(g, &fid)
			      ?: p9_allocate(gclient(f->inode), fid, mode,
					 (uint64_t)off, (uint64_t)len, &a);
	}
	if (err)
		return err;
	gofer_map_changed(g, 0, INT64_MAX / 2);
	if (!(mode & FALLOC_FL_KEEP_SIZE) && off + len > f->inode->size)
		f->inode->size = off + len;
	ginode_touch(g);
	keep_setid(g, bits);
	return 0;
}

int gofer_file_truncate(struct ginode *g, int64_t size)
{
	struct p9_Tchange c = { .valid = P9_SET_SIZE, .size = (uint64_t)size };
	uint32_t mode = g->in.mode;
	int64_t old = g->in.size;
	int hfd, err = 0;

	if (!S_ISREG(g->in.mode))
		return -EINVAL;
	inode_lock(&g->in); /* keeps the descriptor */
	gofer_map_flush(g, 0, INT64_MAX / 2);
	hfd = gofer_fd(g, true);
	if (hfd >= 0) {
		err = ftruncate(hfd, size) ? -errno : 0;
		inode_unlock(&g->in);
	} else {
		inode_unlock(&g->in);
		err = ginode_fid(g, &c.fid)
			      ?: p9_change(gclient(&g->in), &c, NULL);
	}
	if (err)
		return err;
	g->in.size = size;
	ginode_touch(g);
	keep_setid(g, mode);
	if (g->map && size < old) {
		int64_t cut = ALIGN_UP(size, (int64_t)PAGE_SIZE);

		if (g->map->host)
			mapping_unmap(g->map, cut, INT64_MAX);
		else
			mapping_punch(g->map, size, INT64_MAX);
	}
	return 0;
}

/* --- opening */

static void gofer_file_close(struct file *f)
{
	struct ginode *g = ginode_of(f->inode);
	struct gfile *gf = gfile_of(f);

	if (file_writable(f) && g->map)
		ginode_touch(
			g); /* it may have been written through a mapping */
	if (gf->fid == P9_NOFID)
		fd_unuse(g);
	else
		p9_clunk(gclient(f->inode), gf->fid, false);
	file_fini(f);
	free(gf);
}

static const struct file_ops gofer_regular_ops = {
	.name = "file",
	.read = gofer_read,
	.write = gofer_write,
	.seek = gofer_seek,
	.mmap = gofer_mmap,
	.fsync = gofer_fsync,
	.fallocate = gofer_fallocate,
	.release = gofer_file_close,
};

int gofer_open_9p(struct ginode *g, bool write, uint32_t *out)
{
	struct p9_client *c = gclient(&g->in);
	uint32_t fid;
	int err = ginode_fid(g, &fid) ?: p9_clone(c, fid, out);

	if (err)
		return err;
	err = p9_lopen(c, *out, write ? O_RDWR : O_RDONLY);
	if (err)
		p9_clunk(c, *out, false);
	return err;
}

static int gofer_file_open(struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	bool write = (flags & FILE_ACCMODE) != O_RDONLY;
	struct ginode *g = ginode_of(in);
	struct gfile *gf;
	int err;

	if (!S_ISREG(in->mode))
		return -ENXIO;
	gf = malloc(sizeof *gf);
	if (!gf)
		return -ENOMEM;
	gf->fid = P9_NOFID;
	gf->list = NULL;
	err = fd_use(g, write);
	if (err == -EMFILE)
		err = gofer_open_9p(g, write, &gf->fid);
	if (err) {
		free(gf);
		return err;
	}
	file_init(&gf->f, &gofer_regular_ops, flags, in, path, cred);
	*out = &gf->f;
	return 0;
}

const struct inode_ops gofer_file_ops = {
	.open = gofer_file_open,
	.getattr = gofer_getattr,
	.setattr = gofer_setattr,
	.getxattr = gofer_getxattr,
	.setxattr = gofer_setxattr,
	.listxattr = gofer_listxattr,
	.release = gofer_release,
};

const struct seccomp_rule gofer_fs_rules[] = { ALLOW(preadv), ALLOW(pwritev),
	ALLOW(pwritev2), ALLOW(pread64), ALLOW(pwrite64), ALLOW(fstat),
	ALLOW_ARG(newfstatat, 3, AT_EMPTY_PATH), ALLOW(lseek), ALLOW(fsync),
	ALLOW(fdatasync), ALLOW(ftruncate), ALLOW(fallocate), ALLOW(close),
	ALLOW_ARG(fcntl, 1, F_DUPFD_CLOEXEC), SECCOMP_END };
