/*
 * dcache.h - the cache of names, for the files of kernel/vfs.
 *
 * One reader-writer lock guards all links between dentries.  A walk reads
 * under it; references go from 0 to 1 under it; a dentry dies under it held
 * exclusively.  A child holds a reference on its parent, so only leaves are on the LRU.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/attr.h"
#include "core/lock.h"
#include "kernel/vfs/mount.h"

struct inode;
struct super;

struct dcache {
	struct rwlock lock;
	struct list *bucket GUARDED_BY(lc_dcache);
	size_t nbuckets GUARDED_BY(lc_dcache);	/* a power of two */
	size_t n GUARDED_BY(lc_dcache);		/* hashed ones */
	size_t nlru GUARDED_BY(lc_dcache);
	struct list lru GUARDED_BY(lc_dcache);	/* newest first */
};
RWLOCK_OPS(dcache, struct dcache, lock)
extern struct dcache dcache;

void dcache_init(void);
/* One reference; NULL on OOM. */
struct dentry *dentry_new_root(struct super *sb);
/* Among the cached: borrowed, for as long as the lock is held. */
struct dentry *dentry_peek(struct dentry *parent, const char *name, size_t len)
	HOLDS_SHARED(lc_dcache);
/* A cached name: a reference, or NULL. */
struct dentry *dentry_find(struct dentry *parent, const char *name, size_t len);
/*
 * A new name, hashed; the caller holds the parent's dir lock and has seen that
 * there is none.  Consumes @in (NULL: negative).  A reference, or NULL on OOM.
 */
struct dentry *dentry_add(struct dentry *parent, const char *name, size_t len,
	struct inode *in);
/* A dentry for an object without a name below @parent's super.  Consumes @in. */
struct dentry *dentry_nameless(struct dentry *parent, const char *name, size_t len,
	struct inode *in);
/* A negative one becomes @in (consumed).  Dir lock held. */
void dentry_instantiate(struct dentry *d, struct inode *in);
/* Takes the name out of the cache; who holds it keeps a deleted name. */
void dentry_drop(struct dentry *d);
/* Drops @d and every unused name below it: what was cached is wrong. */
void dentry_invalidate(struct dentry *d);
/* @d becomes @name in @parent.  What had that name was dropped before. 0 or -ENOMEM. */
int dentry_rename(struct dentry *d, struct dentry *parent, const char *name,
	size_t len) MUST_CHECK;
int dentry_exchange(struct dentry *a, struct dentry *b) MUST_CHECK;
/*
 * A made-up child: it stays until the super goes.  Consumes @in.  The parent's dir
 * lock is held, and a cached name is negative at most.  A reference, or NULL on OOM.
 */
struct dentry *dentry_add_synthetic(struct dentry *parent, const char *name, size_t len,
	struct inode *in);
/* The @i-th made-up child of @d, see struct dentry.synthetic: a reference, or NULL. */
struct dentry *dentry_synthetic(struct dentry *d, unsigned i);
/* The name as it is now, NUL-terminated, into @buf (NAME_MAX + 1): its length. */
size_t dentry_name(struct dentry *d, char *buf);
/* The name from the super's root on, "/a/b", into the end of @buf: its start, or NULL. */
char *dentry_path(struct dentry *d, char *buf, size_t n);
struct dentry *dentry_parent(struct dentry *d);		/* a reference */
bool dentry_below(struct dentry *d, const struct dentry *top);	/* or equal */
bool dentry_is_child(struct dentry *d, const struct dentry *parent);	/* and not deleted */
/* Forgets up to @n unused names, for a filesystem whose inodes hold what has run out. */
void dcache_prune(size_t n);
/* Frees the whole tree of a super that has no mount any more. */
void dcache_shrink(struct super *sb, struct dentry *root);
