/*
 * gofer_map.c - mappings of files of the gofer filesystem.
 *
 * A mapping is a window onto the host's file (kernel/mm/window.c), or where the
 * host refuses that, pages filled and written back from here; then reads and
 * writes meet those pages half-way: see gofer_map_flush().
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

void gofer_map_flush(struct ginode *g, int64_t pos, size_t len, bool drop)
{
	int64_t from = pos & ~(int64_t)(PAGE_SIZE - 1);
	int64_t to = (pos + (int64_t)len + (int64_t)PAGE_SIZE - 1) &
		     ~(int64_t)(PAGE_SIZE - 1);

	if (likely(!gofer_map_ours(g)))
		return;
	(void)!mapping_sync(g->map, from, to);
	if (drop)
		mapping_punch(g->map, from, to);
}

/* Pages kept here, for a host that does not let its file be mapped. */
struct gmapping {
	struct mapping m;
	int hfd;          /* lc_mapping: owned */
	struct ginode *g; /* borrowed: a vma holds the file */
};

static struct gmapping *gmapping_of(struct mapping *m)
{
	return container_of(m, struct gmapping, m);
}

static int gmapping_fill(struct mapping *m, uint64_t index, void *page)
{
	off_t off = (off_t)(index << PAGE_SHIFT);

	return pread(gmapping_of(m)->hfd, page, PAGE_SIZE, off) < 0 ? -errno
								    : 0;
}

static int gmapping_writeback(
	struct mapping *m, uint64_t index, const void *page, size_t len)
{
	off_t off = (off_t)(index << PAGE_SHIFT);

	if (pwrite(gmapping_of(m)->hfd, page, len, off) < 0)
		return -errno;
	ginode_touch(gmapping_of(m)->g);
	return 0;
}

static int64_t gmapping_size(struct mapping *m)
{
	return gmapping_of(m)->g->in.size;
}

static void gmapping_release(struct mapping *m)
{
	mapping_fini(m);
	close(gmapping_of(m)->hfd);
	free(gmapping_of(m));
}

static const struct mapping_ops gmapping_ops = {
	.fill = gmapping_fill,
	.writeback = gmapping_writeback,
	.size = gmapping_size,
	.release = gmapping_release,
};

/* Consumes @hfd on success. */
static int gmapping_create(struct ginode *g, int hfd, struct mapping **out)
{
	struct gmapping *gm = malloc(sizeof *gm);

	if (!gm)
		return -ENOMEM;
	mapping_init(&gm->m, &gmapping_ops);
	gm->hfd = hfd;
	gm->g = g;
	*out = &gm->m;
	return 0;
}

static void gmapping_upgrade(struct mapping *m, int hfd)
{
	int old;

	mapping_lock(m);
	old = gmapping_of(m)->hfd;
	gmapping_of(m)->hfd = hfd;
	mapping_unlock(m);
	close(old);
}

/* A copy of the descriptor: the mapping's own. */
static int fd_copy(struct ginode *g, bool write)
{
	int hfd = fcntl(gofer_fd(g, write), F_DUPFD_CLOEXEC, 0);

	return hfd < 0 ? -errno : hfd;
}

HOLDS(lc_inode)
static int map_create(struct ginode *g, bool write)
{
	int err, hfd = fd_copy(g, write);
	struct mapping *m;

	if (hfd < 0)
		return hfd;
	err = mapping_new_host(hfd, write, &m);
	if (err == -ENODEV)
		err = gmapping_create(g, hfd, &m);
	if (err) {
		close(hfd);
		return err;
	}
	atomic_store(&g->map, m);
	g->map_writable = write;
	return 0;
}

HOLDS(lc_inode)
static int map_upgrade(struct ginode *g)
{
	int hfd = fd_copy(g, true), err = 0;

	if (hfd < 0)
		return hfd;
	if (g->map->host)
		err = mapping_host_upgrade(g->map, hfd);
	else
		gmapping_upgrade(g->map, hfd);
	if (err)
		close(hfd);
	else
		g->map_writable = true;
	return err;
}

int gofer_mmap(struct file *f, int prot UNUSED, int flags, struct mapping **out)
{
	struct ginode *g = ginode_of(f->inode);
	bool write = file_writable(f) && (flags & MAP_TYPE) != MAP_PRIVATE;
	int err = 0;

	if (gfile_of(f)->fid != P9_NOFID)
		return -ENODEV; /* GAP: no mapping of a file that 9P serves */
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
