/*
 * gofer.c - files of the host, through the gofer: mounts, inodes, attributes.
 *
 * gofer_int.h has the theory of operation.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/str.h"
#include "kernel/abi/stat.h"
#include "kernel/fs/gofer_int.h"
#include "kernel/fs/types.h"
#include "kernel/task/task.h"
#include "kernel/vfs/dcache.h"
#include "kernel/vfs/mount.h"

#define V9FS_MAGIC 0x01021997
#define RELIEF                                                                 \
	32 /* names forgotten when descriptors run out: 4 times more each time \
	    */
#define RELIEF_TRIES 5

/* --- the table of inodes */

HOLDS(lc_gofer)
static struct list *bucket_of(struct gsuper *s, uint64_t dev, uint64_t ino)
{
	uint64_t h = (ino ^ dev << 32) * 0x9e3779b97f4a7c15ULL;

	return &s->buckets[(h >> 32) & (s->nbuckets - 1)];
}

HOLDS(lc_gofer)
static void table_grow(struct gsuper *s)
{
	unsigned n = s->nbuckets * 2, old = s->nbuckets;
	struct list *from = s->buckets, *b = malloc(n * sizeof *b);

	if (!b)
		return; /* longer chains, then */
	for (unsigned i = 0; i < n; i++)
		list_init(&b[i]);
	s->buckets = b;
	s->nbuckets = n;
	for (unsigned i = 0; i < old; i++)
		while (!list_empty(&from[i])) {
			struct ginode *g = list_entry(
				from[i].next, struct ginode, hash_link);

			list_del(&g->hash_link);
			list_add(bucket_of(s, g->dev, g->ino), &g->hash_link);
		}
	free(from);
}

HOLDS(lc_gofer)
static struct ginode *table_find(struct gsuper *s, uint64_t dev, uint64_t ino)
{
	struct ginode *g;

	list_for_each (g, bucket_of(s, dev, ino), hash_link)
		if (g->ino == ino && g->dev == dev && ref_tryget(&g->in.ref))
			return g;
	return NULL;
}

HOLDS(lc_gofer)
static void table_add(struct gsuper *s, struct ginode *g)
{
	if (s->n++ >= s->nbuckets)
		table_grow(s);
	list_add(bucket_of(s, g->dev, g->ino), &g->hash_link);
}

void ginode_unhash(struct ginode *g)
{
	struct gsuper *s = gsuper_of(g->in.sb);

	gofer_lock(s);
	if (!list_empty(&g->hash_link)) {
		list_del(&g->hash_link);
		s->n--;
	}
	gofer_unlock(s);
}

/* --- inodes */

void ginode_refresh(struct ginode *g, const struct p9_attr *a)
{
	struct inode *in = &g->in;

	in->mode = (in->mode & S_IFMT) | (a->mode & 07777);
	in->uid = a->uid;
	in->gid = a->gid;
	in->nlink = a->nlink;
	in->size = (int64_t)a->size;
	in->blocks = a->blocks;
	in->atime = a->atime;
	in->mtime = a->mtime;
	in->ctime = a->ctime;
}

static const struct inode_ops *ops_of(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return &gofer_dir_ops;
	case S_IFLNK:
		return &gofer_link_ops;
	/*
	 * The VFS opens FIFOs, sockets and devices itself.  GAP: those of the
	 * host (--host-fifo, --host-uds) are not reached: p9_open() and
	 * p9_connect() would give their descriptors.
	 */
	default:
		return &gofer_file_ops;
	}
}

static struct ginode *ginode_new(struct gsuper *s, const struct p9_attr *a)
{
	struct ginode *g = calloc(1, sizeof *g);
	/* Filesystems mounted inside the tree have numbers of their own. */
	uint64_t ino = a->dev == s->dev ? a->ino : a->ino ^ a->dev << 40;

	if (!g)
		return NULL;
	inode_init(
		&g->in, ops_of(a->mode), &s->sb, ino, a->mode, a->uid, a->gid);
	g->in.rdev = a->rdev;
	g->dev = a->dev;
	g->ino = a->ino;
	g->btime = a->btime;
	g->blksize = a->blksize;
	g->fid = P9_NOFID;
	g->rfd = g->wfd = -1;
	list_init(&g->hash_link);
	list_init(&g->idle_link);
	list_init(&g->kept_link);
	ginode_refresh(g, a);
	return g;
}

/* A fid for an inode that may have one by now.  Consumes @fid. */
static void ginode_adopt_fid(struct ginode *g, uint32_t fid)
{
	uint32_t none = P9_NOFID;

	if (fid == P9_NOFID)
		return;
	if (!atomic_compare_exchange_strong(&g->fid, &none, fid))
		p9_clunk(gclient(&g->in), fid, false);
}

static int ginode_name(
	struct ginode *g, struct ginode *up, const char *name, size_t len)
{
	g->name = strndup(name, len);
	if (!g->name)
		return -ENOMEM;
	inode_get(&up->in);
	g->up = up;
	return 0;
}

int ginode_find(struct gsuper *s, const struct p9_attr *a, uint32_t fid,
	struct ginode *up, const char *name, size_t len, struct ginode **out)
{
	struct ginode *g, *fresh;
	bool found;

	gofer_lock(s);
	g = table_find(s, a->dev, a->ino);
	gofer_unlock(s);
	fresh = g ? NULL : ginode_new(s, a);
	if (!g && (!fresh || (fid == P9_NOFID &&
				     ginode_name(fresh, up, name, len)))) {
		if (fid != P9_NOFID)
			p9_clunk(s->c, fid, false);
		if (fresh)
			inode_put(&fresh->in);
		return -ENOMEM;
	}
	if (fresh) {
		gofer_lock(s);
		g = table_find(s, a->dev, a->ino);
		if (!g)
			table_add(s, fresh);
		gofer_unlock(s);
	}
	found = g != NULL;
	if (!found)
		g = fresh;
	else if (fresh)
		inode_put(&fresh->in);
	if (found && fid != P9_NOFID)
		ginode_refresh(g, a);
	ginode_adopt_fid(g, fid);
	*out = g;
	return 0;
}

HOLDS(lc_inode)
static int ginode_walk(struct ginode *g)
{
	struct p9_str name = p9_str(g->name, strlen(g->name));
	struct p9_client *c = gclient(&g->in);
	uint32_t dir, fid;
	struct p9_attr a;
	unsigned got;
	int err;

	/* A directory that was listed has its fid: no lock is taken for it. */
	dir = atomic_load(&g->up->fid);
	bug_on(dir == P9_NOFID);
	err = p9_walk(c, dir, &name, 1, &fid, &a, &got);
	if (err)
		return err;
	if (a.ino != g->ino || a.dev != g->dev) {
		p9_clunk(c, fid, false);
		return -ESTALE;
	}
	ginode_refresh(g, &a);
	atomic_store(&g->fid, fid);
	return 0;
}

bool gofer_retry(struct p9_client *c, int err, int *tries)
{
	if ((err != -EMFILE && err != -ENFILE) || ++*tries > RELIEF_TRIES)
		return false;
	gofer_idle_cut();
	/* Many names have no fid, and give nothing back. */
	dcache_prune((size_t)RELIEF << 2 * *tries);
	p9_clunk_flush(c);
	return true;
}

int ginode_fid(struct ginode *g, uint32_t *fid)
{
	struct ginode *up = NULL;
	int err, tries = 0;

	*fid = atomic_load(&g->fid);
	if (likely(*fid != P9_NOFID))
		return 0;
	do {
		inode_lock(&g->in);
		err = atomic_load(&g->fid) == P9_NOFID ? ginode_walk(g) : 0;
		if (!err) {
			up = g->up;
			g->up = NULL;
			free(g->name);
			g->name = NULL;
		}
		inode_unlock(&g->in);
	} while (gofer_retry(gclient(&g->in), err, &tries));
	if (up)
		inode_put(&up->in);
	*fid = atomic_load(&g->fid);
	return err;
}

LOCKS_UNCHECKED /* the last reference: nobody else looks at it */
	void
	gofer_release(struct inode *in)
{
	struct gsuper *s = gsuper_of(in->sb);
	struct ginode *g = ginode_of(in);
	uint32_t fid = g->fid;

	ginode_unhash(g);
	gofer_file_fini(g);
	gofer_dir_fini(g);
	if (g->changed)
		atomic_fetch_add(&s->changes, 1);
	if (fid != P9_NOFID)
		p9_clunk(s->c, fid, in->nlink == 0);
	if (g->up)
		inode_put(&g->up->in);
	free(g->name);
	free(g->target);
	inode_fini(in);
	free(g);
}

/* --- attributes */

static int ginode_fetch(struct ginode *g)
{
	struct p9_attr a;
	uint32_t fid;
	int err;

	atomic_store(&g->stale, false); /* a change from now on counts again */
	if (gofer_file_stat(g))
		return 0;
	err = ginode_fid(g, &fid);
	if (!err)
		err = p9_stat(gclient(&g->in), fid, &a);
	if (err) {
		atomic_store(&g->stale, true);
		return err;
	}
	ginode_refresh(g, &a);
	return 0;
}

int gofer_getattr(struct inode *in, struct kstat *st)
{
	struct ginode *g = ginode_of(in);
	int err;

	if (atomic_load(&g->stale) || !gsuper_of(in->sb)->exclusive) {
		err = ginode_fetch(g);
		if (err)
			return err;
		st->mode = in->mode;
		st->uid = in->uid;
		st->gid = in->gid;
		st->nlink = in->nlink;
		st->size = (uint64_t)in->size;
		st->blocks = in->blocks;
		st->atime = in->atime;
		st->mtime = in->mtime;
		st->ctime = in->ctime;
	}
	st->blksize = g->blksize;
	st->btime = g->btime;
	if (g->btime)
		st->mask = 0xfff; /* STATX_BASIC_STATS | STATX_BTIME */
	return 0;
}

static struct p9_Tchange change_of(uint32_t fid, const struct iattr *a)
{
	struct p9_Tchange c = { .fid = fid,
		.mode = a->mode,
		.uid = a->uid,
		.gid = a->gid,
		.size = (uint64_t)a->size,
		.atime = (uint64_t)a->atime,
		.mtime = (uint64_t)a->mtime };
	static const struct {
		unsigned ours, theirs;
	} bits[] = { { ATTR_MODE, P9_SET_MODE }, { ATTR_UID, P9_SET_UID },
		{ ATTR_GID, P9_SET_GID }, { ATTR_ATIME, P9_SET_ATIME },
		{ ATTR_MTIME, P9_SET_MTIME }, { ATTR_OWNER, P9_SET_CTIME } };

	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		if (a->valid & bits[i].ours)
			c.valid |= bits[i].theirs;
	if (a->valid & ATTR_ATIME && !(a->valid & ATTR_ATIME_NOW))
		c.valid |= P9_SET_ATIME_SET;
	if (a->valid & ATTR_MTIME && !(a->valid & ATTR_MTIME_NOW))
		c.valid |= P9_SET_MTIME_SET;
	return c;
}

int gofer_setattr(struct inode *in, const struct iattr *a)
{
	struct ginode *g = ginode_of(in);
	struct p9_Tchange c;
	struct p9_attr after;
	uint32_t fid;
	int err = 0;

	if (a->valid & ATTR_SIZE)
		err = gofer_file_truncate(g, a->size);
	if (err || !(a->valid & ~(unsigned)ATTR_SIZE))
		return err;
	err = ginode_fid(g, &fid);
	if (err)
		return err;
	c = change_of(fid, a);
	inode_lock(in); /* the last to ask is the last to tell */
	err = p9_change(gclient(in), &c, &after);
	if (!err)
		ginode_refresh(g, &after);
	inode_unlock(in);
	atomic_store(&g->changed, true);
	return err;
}

ssize_t gofer_getxattr(struct inode *in, const char *name, void *buf, size_t n)
{
	uint32_t fid;
	int err = ginode_fid(ginode_of(in), &fid);

	return err ? err : p9_getxattr(gclient(in), fid, name, buf, n);
}

int gofer_setxattr(struct inode *in, const char *name, const void *buf,
	size_t n, int flags)
{
	struct ginode *g = ginode_of(in);
	uint32_t fid;
	int err = ginode_fid(g, &fid);

	if (err)
		return err;
	if (!buf)
		flags = P9_XATTR_REMOVE;
	err = p9_setxattr(gclient(in), fid, name, buf, n, flags);
	if (!err)
		ginode_touch(g);
	return err;
}

ssize_t gofer_listxattr(struct inode *in, char *buf, size_t n)
{
	uint32_t fid;
	int err = ginode_fid(ginode_of(in), &fid);

	return err ? err : p9_listxattr(gclient(in), fid, buf, n);
}

/* --- mounts */

/* A task that is to die does not wait for the gofer. */
static bool gofer_interrupted(void)
{
	return current && atomic_load(&current->work) & TASK_WORK_EXIT;
}

static int gofer_statfs(struct super *sb, struct statfs_abi *out)
{
	struct gsuper *s = gsuper_of(sb);
	struct p9_Rstatfs r;
	uint32_t fid;
	int err = ginode_fid(ginode_of(sb->root), &fid)
			  ?: p9_statfs(s->c, fid, &r);

	if (err)
		return err;
	*out = (struct statfs_abi){ .type = V9FS_MAGIC,
		.bsize = r.bsize,
		.blocks = r.blocks,
		.bfree = r.bfree,
		.bavail = r.bavail,
		.files = r.files,
		.ffree = r.ffree,
		.namelen = r.namelen,
		.frsize = r.bsize };
	memcpy(out->fsid, &r.fsid, sizeof out->fsid);
	return 0;
}

/* Only of shared trees: the names of an exclusive one cannot change. */
static int gofer_revalidate(struct super *sb UNUSED, struct dentry *d)
{
	char name[256];
	struct dentry *up = dentry_parent(d);
	struct inode *in = dentry_inode(d), *dir = dentry_inode(up);
	size_t len = dentry_name(d, name);
	bool same = up == d || gofer_dir_same(ginode_of(dir), name, len,
				       in ? ginode_of(in) : NULL);

	dentry_put(up);
	return same;
}

LOCKS_UNCHECKED /* nobody else is left */
	static void
	gofer_super_release(struct super *sb)
{
	struct gsuper *s = gsuper_of(sb);

	p9_client_free(s->c);
	free(s->buckets);
	free(atomic_load(&s->listbuf));
	free(s);
}

static void gofer_options(struct super *sb, struct strbuf *out)
{
	sb_puts(out,
		gsuper_of(sb)->exclusive ? ",cache=exclusive" : ",cache=none");
}

static const struct super_ops exclusive_ops = {
	.statfs = gofer_statfs,
	.options = gofer_options,
	.release = gofer_super_release,
};

static const struct super_ops shared_ops = {
	.statfs = gofer_statfs,
	.revalidate = gofer_revalidate,
	.options = gofer_options,
	.release = gofer_super_release,
};

/* The super without its root; the socket stays the caller's when it fails. */
LOCKS_UNCHECKED /* not published */
	static int
	gsuper_create(const struct fs_context *fc, struct gsuper **out)
{
	struct gsuper *s = calloc(1, sizeof *s);
	int err = -ENOMEM;

	if (!s)
		return -ENOMEM;
	mutex_init(&s->lock, &lc_gofer);
	s->nbuckets = GOFER_BUCKETS_MIN;
	s->buckets = malloc(s->nbuckets * sizeof *s->buckets);
	if (s->buckets)
		err = p9_client_create(fc->sock, gofer_interrupted, &s->c);
	if (err) {
		free(s->buckets);
		free(s);
		return err;
	}
	for (unsigned i = 0; i < s->nbuckets; i++)
		list_init(&s->buckets[i]);
	s->exclusive = fc->exclusive;
	super_init(&s->sb, fc->exclusive ? &exclusive_ops : &shared_ops,
		fc->type, V9FS_MAGIC);
	*out = s;
	return 0;
}

static int gofer_mount(const struct fs_context *fc, struct super **out)
{
	struct p9_attr a;
	struct gsuper *s;
	struct ginode *g;
	uint32_t fid;
	int err;

	if (fc->sock < 0)
		return -EINVAL;
	err = gsuper_create(fc, &s);
	if (err)
		return err;
	err = p9_attach(s->c, &fid, &a);
	if (!err) {
		s->dev = a.dev;
		err = ginode_find(s, &a, fid, NULL, NULL, 0, &g);
	}
	if (err) {
		s->sb.ops->release(&s->sb);
		return err;
	}
	s->sb.root = &g->in;
	*out = &s->sb;
	return 0;
}

const struct fs_type gofer_fs = { "9p", true, gofer_mount };
