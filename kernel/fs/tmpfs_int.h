/*
 * tmpfs_int.h - what the files of tmpfs share.
 *
 * Entries of a directory are guarded by its dir lock, which the VFS holds;
 * contents of a file by the VFS's write lock and the mapping's own.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "core/list.h"
#include "core/rbtree.h"
#include "kernel/mm/mapping.h"
#include "kernel/vfs/inode.h"

struct tsuper {
	struct super sb;
	_Atomic int64_t pages, inodes;	/* a: in use */
	int64_t max_pages, max_inodes;	/* I: 0 is without limit */
	uint32_t mode, uid, gid;	/* I: of the root, as mounted */
	bool limits_shown;		/* I: size= was given */
};

struct tentry {				/* lc_dir of the directory */
	struct rb_node by_name, by_pos;
	struct inode *in;		/* reference */
	int64_t pos;
	uint32_t hash;
	uint16_t len;
	char name[];
};

struct txattr {
	struct list link;
	size_t len;
	char *value;
	char name[];
};

struct tnode {
	struct inode in;
	struct list xattrs;		/* lc_inode */
	struct list kill_link;		/* tmpfs_kill() only */
	atomic_uint seals;		/* a: F_SEAL_* */
	/* directory */
	struct rb_tree names, order;	/* lc_dir */
	int64_t next_pos;		/* lc_dir */
	atomic_int nentries;		/* a: also read by rmdir under lc_write */
	/* symlink */
	char *target;			/* I */
	/* regular file */
	struct mapping map;		/* its last reference frees the tnode */
	int64_t charged;		/* lc_mapping: pages counted in the super */
};

static inline struct tnode *tnode_of(struct inode *in)
{
	return container_of(in, struct tnode, in);
}
static inline struct tsuper *tsuper_of(struct super *sb)
{
	return container_of(sb, struct tsuper, sb);
}

extern const struct inode_ops tmpfs_dir_ops, tmpfs_file_ops, tmpfs_link_ops, tmpfs_node_ops;

int tnode_create(struct super *sb, uint32_t mode, uint32_t uid, uint32_t gid, uint64_t rdev,
	struct tnode **out) MUST_CHECK;
/* Drops all entries; directories among them, and their references, go to @dirs. */
void tmpfs_dir_clear(struct tnode *dir, struct list *dirs);
int tmpfs_dir_open(struct inode *in, const struct path *path, int flags, struct cred *cred,
	struct file **out) MUST_CHECK;
void tmpfs_mapping_init(struct tnode *tn);
int tmpfs_setattr(struct inode *in, const struct iattr *a) MUST_CHECK;
int tmpfs_getattr(struct inode *in, struct kstat *st) MUST_CHECK;
void tmpfs_release(struct inode *in);
void tnode_free(struct tnode *tn);
ssize_t tmpfs_getxattr(struct inode *in, const char *name, void *buf, size_t n);
int tmpfs_setxattr(struct inode *in, const char *name, const void *buf, size_t n, int flags);
ssize_t tmpfs_listxattr(struct inode *in, char *buf, size_t n);
