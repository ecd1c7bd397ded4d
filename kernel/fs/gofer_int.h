/*
 * gofer_int.h - what the files of the gofer filesystem share.
 *
 * Theory of operation
 *
 * Names and attributes come from the gofer by 9P (fs9p/client.h), contents
 * through host descriptors that it donates.  With exclusive access nobody else
 * changes the tree: names (negative ones too), attributes, listings and link
 * targets are then trusted for as long as they are cached; changes of ours make
 * attributes stale, and the next who asks fetches them (with fstat(2) where there
 * is a descriptor).  With shared access each name is asked for again, and each
 * stat(2) too.
 *
 * An inode stands for one host object, found by (device, number).  It
 * holds a fid, so it stays right when its name goes.  One that a directory
 * listing brought has no fid until somebody needs it: until then its name is
 * known, and whoever changes names in a directory gets the fid first.
 *
 * A regular file gets a descriptor with its first open, and keeps it when it is
 * closed, for the next; idle ones are closed, oldest first, when there are many.
 * A file that the gofer gave no descriptor of is read and written by 9P.
 *
 * Locks: lc_gofer guards the table of inodes of one super, the list of idle files
 * and the listings that are kept; it never sleeps.  An inode's own lock guards how
 * it gets its fid, descriptors and mapping, and sleeps.
 *
 * Field letters:  I  constant once published    a  atomic
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/list.h"
#include "core/lock.h"
#include "core/ref.h"
#include "fs9p/client.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"

#define GOFER_BUCKETS_MIN 64

struct gsuper {
	struct super sb;
	struct p9_client *c;		/* I: owned */
	bool exclusive;			/* I */
	uint64_t dev;			/* I: of the root, on the host */
	void *_Atomic listbuf;		/* a: P9_MSIZE bytes for whoever lists next; NULL: in use, or none yet */
	atomic_ulong changes;		/* a: inodes that left the cache after their attributes changed */
	struct mutex lock;
	struct list *buckets GUARDED_BY(lc_gofer);	/* inodes by (dev, ino) */
	unsigned nbuckets GUARDED_BY(lc_gofer);
	unsigned n GUARDED_BY(lc_gofer);
};

struct ginode {
	struct inode in;
	uint64_t dev, ino;		/* I: of the host */
	int64_t btime;			/* I: ns, 0 unknown */
	uint32_t blksize;		/* I */
	struct list hash_link GUARDED_BY(lc_gofer);
	atomic_uint fid;		/* a, set under lc_inode: P9_NOFID not yet */
	struct ginode *up;		/* lc_inode: reference; where to find it while it has no fid */
	char *name;			/* lc_inode: in @up */
	atomic_bool stale;		/* a: attributes differ from the host's */
	atomic_bool changed;		/* a: its attributes changed since it was cached */
	/* regular files: descriptors stay while users > 0 */
	atomic_int rfd, wfd;		/* a, set under lc_inode: read-only; read and write; -1 */
	int users;			/* lc_inode: open files, and I/O for mappings */
	struct mapping *_Atomic map;	/* a, set once under lc_inode: reference */
	bool map_writable;		/* lc_inode */
	struct list idle_link GUARDED_BY(lc_gofer);
	/* directories, symbolic links */
	struct glist *_Atomic list;	/* a, changed under lc_gofer: reference; the entries, if known */
	struct list kept_link GUARDED_BY(lc_gofer);	/* of those with a listing */
	char *_Atomic target;		/* a: set once */
};

struct gent {				/* an entry of a listing */
	uint64_t ino;
	uint32_t name;			/* offset in names */
	uint8_t type, len;
};

/* A directory as it was at one moment.  Never changes once made. */
struct glist {
	struct ref ref;
	unsigned n, cap;
	struct gent *ent;
	struct p9_attr *attr;		/* one an entry; NULL: too many */
	char *names;
	size_t used, size;
	uint32_t *hash;			/* entry number + 1, open addressing; NULL: none */
	unsigned mask;
	unsigned long changes;		/* gsuper.changes at that moment */
	size_t bytes;			/* of memory */
};

struct gfile {				/* an open regular file or directory */
	struct file f;
	uint32_t fid;			/* opened for 9P I/O; P9_NOFID: by descriptor */
	struct glist *list;		/* lc_filepos: what is being listed */
};

static inline void gofer_lock(struct gsuper *s) ACQUIRES(lc_gofer) LOCKS_UNCHECKED;
static inline void gofer_lock(struct gsuper *s) { mutex_acquire(&s->lock); }
static inline void gofer_unlock(struct gsuper *s) RELEASES(lc_gofer) LOCKS_UNCHECKED;
static inline void gofer_unlock(struct gsuper *s) { mutex_release(&s->lock); }

static inline struct gsuper *gsuper_of(struct super *sb)
{
	return container_of(sb, struct gsuper, sb);
}
static inline struct ginode *ginode_of(struct inode *in)
{
	return container_of(in, struct ginode, in);
}
static inline struct gfile *gfile_of(struct file *f)
{
	return container_of(f, struct gfile, f);
}
static inline struct p9_client *gclient(struct inode *in)
{
	return gsuper_of(in->sb)->c;
}

/*
 * The inode of the object @a: a reference.  @fid names it and is consumed, or is P9_NOFID:
 * then it is @name in @up, and @a may be old.
 */
int ginode_find(struct gsuper *s, const struct p9_attr *a, uint32_t fid, struct ginode *up,
	const char *name, size_t len, struct ginode **out) MUST_CHECK;
void ginode_unhash(struct ginode *g);		/* nobody finds it any more */
/* Its fid, looked up if need be.  -ENOENT, -ESTALE: its name is gone. */
int ginode_fid(struct ginode *g, uint32_t *fid) MUST_CHECK;
/* Takes over what the host says. */
void ginode_refresh(struct ginode *g, const struct p9_attr *a);
static inline void ginode_touch(struct ginode *g)	/* something of it changed on the host */
{
	if (!atomic_load_explicit(&g->stale, memory_order_relaxed))
		atomic_store(&g->stale, true);
	if (!atomic_load_explicit(&g->changed, memory_order_relaxed))
		atomic_store(&g->changed, true);
}

/*
 * After @err: is it worth trying again?  When the gofer, or we, ran out of descriptors,
 * lets go of what is only cached.  Only the dir lock may be held.
 */
bool gofer_retry(struct p9_client *c, int err, int *tries);

/* gofer.c: operations that every kind of inode has. */
int gofer_getattr(struct inode *in, struct kstat *st);
int gofer_setattr(struct inode *in, const struct iattr *a);
ssize_t gofer_getxattr(struct inode *in, const char *name, void *buf, size_t n);
int gofer_setxattr(struct inode *in, const char *name, const void *buf, size_t n, int flags);
ssize_t gofer_listxattr(struct inode *in, char *buf, size_t n);
void gofer_release(struct inode *in);

/* gofer_file.c */
extern const struct inode_ops gofer_file_ops;
/* A file that was just made: @hfd (may be -1) is its descriptor, consumed. */
void gofer_file_adopt(struct ginode *g, int hfd);
/* fstat(2) on a descriptor that is there: false when there is none. */
bool gofer_file_stat(struct ginode *g);
int gofer_file_truncate(struct ginode *g, int64_t size) MUST_CHECK;
void gofer_idle_cut(void);			/* closes descriptors that nobody uses */
void gofer_file_fini(struct ginode *g);		/* last reference */

/* An opened fid, for want of a descriptor: the caller's.  @g has one of its own. */
int gofer_open_9p(struct ginode *g, bool write, uint32_t *out) MUST_CHECK;
/* A descriptor that is there now, or -1: it stays while there is a user. */
int gofer_fd(struct ginode *g, bool write);

/* gofer_map.c */
int gofer_mmap(struct file *f, int prot, int flags, struct mapping **out);
bool gofer_map_ours(struct ginode *g);		/* its pages are kept here */
/*
 * Before a read or write of [@pos, @pos + @len): what was written through a
 * mapping is written back.  After a write: the pages have what was written.
 */
void gofer_map_flush(struct ginode *g, int64_t pos, size_t len);
void gofer_map_changed(struct ginode *g, int64_t pos, size_t len);

/* gofer_dir.c */
extern const struct inode_ops gofer_dir_ops, gofer_link_ops;
void gofer_dir_fini(struct ginode *g);
/* Is @name in @dir still @g (NULL: nothing)?  Asks the gofer. */
bool gofer_dir_same(struct ginode *dir, const char *name, size_t len, struct ginode *g);
void glist_put(struct glist *l);		/* NULL is fine */
