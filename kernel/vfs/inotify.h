/*
 * inotify.h - who wants to know what happens to a file: inotify(7).
 *
 * The VFS reports each event once; these return at once when nobody watches.
 */
#pragma once

#include <stdint.h>

#include "core/attr.h"
#include "kernel/vfs/inode.h"

struct dentry;
struct file;
struct task;

#define NOTIFY_RENAMED 0x10000000	/* with IN_MOVED_FROM: to a name in the same directory; for dnotify */

int inotify_create(struct task *t, int flags, struct file **out) MUST_CHECK;
/* The watch descriptor, or -errno. */
int inotify_add(struct file *f, struct inode *in, uint32_t mask) MUST_CHECK;
int inotify_remove(struct file *f, int wd) MUST_CHECK;

extern _Atomic unsigned inotify_nwatches;	/* a: on all inodes together */

/* For the inline functions below. */
void inotify_post(struct inode *in, uint32_t mask, uint32_t cookie, const char *name);
void inotify_post_dentry(struct dentry *d, uint32_t mask);
void inotify_post_unlinked(struct dentry *d);
void inotify_post_dead(struct inode *in);
uint32_t inotify_cookie(void);

/* Something happened in the directory @dir to the entry @name (IN_CREATE, IN_DELETE, IN_MOVED_*). */
static inline void notify_dir(struct inode *dir, uint32_t mask, uint32_t cookie, const char *name)
{
	if (unlikely(inotify_nwatches))
		inotify_post(dir, mask, cookie, name);
}

/* Something happened to the object itself (IN_DELETE_SELF, IN_MOVE_SELF). */
static inline void notify_inode(struct inode *in, uint32_t mask)
{
	if (unlikely(inotify_nwatches))
		inotify_post(in, mask, 0, NULL);
}

/* To the object that @d names and to its directory: IN_ACCESS, IN_MODIFY, IN_OPEN, IN_CLOSE_*, IN_ATTRIB. */
static inline void notify_dentry(struct dentry *d, uint32_t mask)
{
	if (unlikely(inotify_nwatches) && d)
		inotify_post_dentry(d, mask);
}

/* The name @d of a file (not a directory) is gone; the caller still has it. */
static inline void notify_unlinked(struct dentry *d)
{
	if (unlikely(inotify_nwatches))
		inotify_post_unlinked(d);
}

/* Nobody has a deleted name of @in any more: IN_DELETE_SELF, unless it has others. */
static inline void notify_dead(struct inode *in)
{
	if (unlikely(inotify_nwatches) && in)
		inotify_post_dead(in);
}

/* The inode is being freed: takes its watches with it (IN_IGNORED). */
void inotify_inode_gone(struct inode *in);
