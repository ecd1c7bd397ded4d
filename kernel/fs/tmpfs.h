/* tmpfs.h - files in memory: tmpfs(5), and what memfd_create(2) is made of. */
#pragma once

#include <stdint.h>

#include "core/attr.h"

struct cred;
struct file;
struct fs_type;
struct inode;
struct path;
struct super;

extern const struct fs_type tmpfs_fs, ramfs_fs;

/* A regular file without a name on the tmpfs @sb, with no pages.  Returns a reference. */
int tmpfs_file_create(struct super *sb, uint32_t mode, const struct cred *cred,
	struct inode **out) MUST_CHECK;
int tmpfs_open(struct inode *in, const struct path *path, int flags, struct cred *cred,
	struct file **out) MUST_CHECK;

/* F_SEAL_* of a regular file on a tmpfs; -EINVAL for every other file. */
int tmpfs_get_seals(const struct file *f);
int tmpfs_add_seals(struct file *f, unsigned seals) MUST_CHECK;
void tmpfs_set_seals(struct inode *in, unsigned seals);	/* a new memfd's */
