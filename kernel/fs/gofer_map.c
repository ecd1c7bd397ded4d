/*
 * gofer_map.c - mappings of files of the gofer filesystem.
 *
 * A mapping is a window onto the host's file (kernel/mm/window.c), or where the
 * host refuses that or 9P serves the file, pages filled and written back from
 * here; then reads and writes meet those pages half-way: see gofer_map_flush().
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/fs/gofer_int.h"
#include "kernel/mm/mapping.h"

bool gofer_map_ours(struct ginode *g)
{
	struct mapping *m = atomic_load_explicit(&g->map, memory_order_acquire);

	return m && !m->host;
}

static int64_t end_of(int64_t pos, size_t len)
{
	int64_t end;

	return __builtin_add_overflow(pos, len, &end) ? INT64_MAX : end;
}

void gofer_map_flush(struct ginode *g, int64_t pos, size_t len)
{
	if (unlikely(gofer_map_ours(g)))
		(void)!mapping_sync(g->map, pos, end_of(pos, len));
}

void gofer_map_changed(struct ginode *g, int64_t pos, size_t len)
{
	if (unlikely(gofer_map_ours(g)))
		mapping_reread(g->map, pos, end_of(pos, len));
}

/*
 * Pages kept here, for a host that does not let its file be mapped, or that
 * gave no descriptor of it.
 */
struct gmapping {
	struct mapping m;
	struct gio {
		int hfd;      /* -1: by 9P */
		uint32_t fid; /* opened, or P9_NOFID */
	} io;                 /* lc_mapping: owned */
	struct ginode *g;     /* borrowed: a vma holds the file */
};

static struct gmapping *gmapping_of(struct mapping *m)
{
	return container_of(m, struct gmapping, m);
}

static int gmapping_fill(struct mapping *m, uint64_t index, void *page)
{
	struct gmapping *gm = gmapping_of(m);
	off_t off = (off_t)(index << PAGE_SHIFT);
	ssize_t n;

	if (gm->io.hfd >= 0)
		return pread(gm->io.hfd, page, PAGE_SIZE, off) < 0 ? -errno : 0;
	n = p9_read(gclient(&gm->g->in), gm->io.fid, page, PAGE_SIZE,
		(uint64_t)off);
	return n < 0 ? (int)n : 0;
}

static int gmapping_writeback(
	struct mapping *m, uint64_t index, const void *page, size_t len)
{
	struct gmapping *gm = gmapping_of(m);
	off_t off = (off_t)(index << PAGE_SHIFT);
	ssize_t n;

	if (gm->io.hfd >= 0) {
		n = pwrite(gm->io.hfd, page, len, off);
		n = n < 0 ? -errno : n;
	} else {
		n = p9_write(gclient(&gm->g->in), gm->io.fid, page, len,
			(uint64_t)off);
	}
	if (n < 0)
		return (int)n;
	ginode_touch(gm->g);
	return 0;
}

static int64_t gmapping_size(struct mapping *m)
{
	return gmapping_of(m)->g->in.size;
}

static void gio_close(struct ginode *g, struct gio io)
{
	if (io.hfd >= 0)
		close(io.hfd);
	if (io.fid != P9_NOFID)
		p9_clunk(gclient(&g->in), io.fid, false);
}

static void gmapping_release(struct mapping *m)
{
	struct gmapping *gm = gmapping_of(m);

	mapping_fini(m);
	gio_close(gm->g, gm->io);
	free(gm);
}

static const struct mapping_ops gmapping_ops = {
	.fill = gmapping_fill,
	.writeback = gmapping_writeback,
	.size = gmapping_size,
	.release = gmapping_release,
};

/* Consumes @io on success. */
static int gmapping_create(
	struct ginode *g, struct gio io, struct mapping **out)
{
	struct gmapping *gm = malloc(sizeof *gm);

	if (!gm)
		return -ENOMEM;
	mapping_init(&gm->m, &gmapping_ops);
	gm->io = io;
	gm->g = g;
	*out = &gm->m;
	return 0;
}

static void gmapping_upgrade(struct gmapping *gm, struct gio io)
{
	struct gio old;

	mapping_lock(&gm->m);
	old = gm->io;
	gm->io = io;
	mapping_unlock(&gm->m);
	gio_close(gm->g, old);
}

/* A copy of the descriptor, the mapping's own; without one, a fid. */
HOLDS(lc_inode)
static int gio_open(struct ginode *g, bool write, struct gio *io)
{
	int fd = gofer_fd(g, write);

	*io = (struct gio){ .hfd = -1, .fid = P9_NOFID };
	if (fd >= 0) {
		io->hfd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (io->hfd >= 0)
			return 0;
		if (errno != EMFILE)
			return -errno;
	}
	return gofer_open_9p(g, write, &io->fid);
}

HOLDS(lc_inode)
static int map_create(struct ginode *g, bool write)
{
	struct mapping *m;
	struct gio io;
	int err = gio_open(g, write, &io);

	if (err)
		return err;
	err = io.hfd >= 0 ? mapping_new_host(io.hfd, write, &m) : -ENODEV;
	if (err == -ENODEV)
		err = gmapping_create(g, io, &m);
	if (err) {
		gio_close(g, io);
		return err;
	}
	atomic_store(&g->map, m);
	g->map_writable = write;
	return 0;
}

/* A window needs a descriptor: -EMFILE when there is none. */
HOLDS(lc_inode)
static int map_upgrade(struct ginode *g)
{
	struct gio io;
	int err = gio_open(g, true, &io);

	if (err)
		return err;
	if (!g->map->host)
		gmapping_upgrade(gmapping_of(g->map), io);
	else
		err = io.hfd >= 0 ? mapping_host_upgrade(g->map, io.hfd)
				  : -EMFILE;
	if (err)
		gio_close(g, io);
	else
		g->map_writable = true;
	return err;
}

int gofer_mmap(struct file *f, int prot UNUSED, int flags, struct mapping **out)
{
	struct ginode *g = ginode_of(f->inode);
	bool write = file_writable(f) && (flags & MAP_TYPE) != MAP_PRIVATE;
	uint32_t fid;
	int err = ginode_fid(g, &fid); /* takes the inode's lock */

	if (err)
		return err;
	inode_lock(f->inode);
	if (!g->map)
		err = map_create(g, write);
	else if (write && !g->map_writable)
		err = map_upgrade(g);
	if (!err)
		*out = mapping_get(g->map);
	inode_unlock(f->inode);
	if (!err && write)
		ginode_touch(g);
	return err;
}
