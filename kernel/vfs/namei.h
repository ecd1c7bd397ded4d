/*
 * namei.h - from names to paths, and the operations on names.
 *
 * A struct walk says from where and as whom a name is looked up; task_walk()
 * fills it for a task.  All names are kernel strings, already copied in.
 * path_resolution(7) is the contract.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attr.h"
#include "kernel/vfs/path.h"

struct cred;
struct file;
struct iattr;
struct inode;
struct kstat;
struct mount;
struct task;

#ifndef RENAME_NOREPLACE		/* not in every C library */
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE	 2
#define RENAME_WHITEOUT	 4
#endif

struct walk {
	struct task *task;		/* for magic links and signals; may be NULL at start-up */
	const struct cred *cred;	/* borrowed */
	struct path root, start;	/* references: walk_done() puts them */
	unsigned umask;
};

/* @dfd: AT_FDCWD or a directory's fd.  -EBADF, -ENOTDIR only for relative names. */
int task_walk(struct task *t, int dfd, const char *name, struct walk *w) MUST_CHECK;
void walk_done(struct walk *w);

#define LOOKUP_FOLLOW	1	/* a trailing symlink too */
#define LOOKUP_DIR	2	/* must be a directory */
#define LOOKUP_EMPTY	4	/* "" is the start itself (AT_EMPTY_PATH) */
#define LOOKUP_NO_XDEV	8	/* openat2(2) RESOLVE_* */
#define LOOKUP_NO_MAGIC	16
#define LOOKUP_NO_LINKS	32
#define LOOKUP_BENEATH	64
#define LOOKUP_IN_ROOT	128

/* Returns references in *@out. */
int path_lookup(struct walk *w, const char *name, unsigned flags, struct path *out) MUST_CHECK;
/* Follows open(2): O_CREAT, O_EXCL, O_TRUNC, O_NOFOLLOW, O_DIRECTORY, O_PATH, O_TMPFILE. */
int vfs_open(struct walk *w, const char *name, int flags, uint32_t mode, unsigned lookup,
	struct file **out) MUST_CHECK;
/* Opens what @p is, by permission of @cred: for magic links, exec, O_PATH re-opens. */
int vfs_open_path(const struct path *p, int flags, struct cred *cred, struct file **out) MUST_CHECK;

int vfs_mkdir(struct walk *w, const char *name, uint32_t mode) MUST_CHECK;
int vfs_mknod(struct walk *w, const char *name, uint32_t mode, uint64_t rdev, struct path *out) MUST_CHECK; /* out may be NULL */
int vfs_symlink(struct walk *w, const char *target, const char *name) MUST_CHECK;
int vfs_link(const struct path *from, struct walk *w, const char *name) MUST_CHECK;
int vfs_unlink(struct walk *w, const char *name) MUST_CHECK;
int vfs_rmdir(struct walk *w, const char *name) MUST_CHECK;
int vfs_rename(struct walk *from, const char *oldname, struct walk *to, const char *newname,
	unsigned flags) MUST_CHECK;
int vfs_readlink(struct walk *w, const char *name, char **target) MUST_CHECK;
/* setattr with the permission rules of chmod(2), chown(2), truncate(2), utimensat(2). */
int vfs_setattr(const struct path *p, const struct cred *cred, struct iattr *a) MUST_CHECK;
/* The same on the object alone, @mnt may be NULL: for files without a path. */
int inode_change(struct inode *in, const struct mount *mnt, const struct cred *cred, struct iattr *a) MUST_CHECK;
int vfs_truncate(const struct path *p, const struct cred *cred, int64_t size) MUST_CHECK;
