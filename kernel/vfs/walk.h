/*
 * walk.h - a path walk under way, for the files of kernel/vfs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/attr.h"
#include "kernel/vfs/namei.h"

struct inode;

enum last_type { LAST_NORM, LAST_DOT, LAST_DOTDOT, LAST_ROOT };

struct nd {
	struct walk *w;			/* borrowed */
	unsigned flags;			/* LOOKUP_* */
	struct path root;		/* borrowed: what "/" is */
	struct path path;		/* reference: where we are */
	const char *rest;		/* still to be walked */
	char *buf;			/* what rest points into after a symlink; malloc'ed */
	int nlinks;
	/* set by nd_parent() */
	enum last_type last_type;
	const char *last;		/* into rest or buf */
	size_t last_len;
	bool last_slash;		/* slashes followed */
};

int nd_start(struct nd *nd, struct walk *w, const char *name, unsigned flags) MUST_CHECK;
void nd_done(struct nd *nd);
/* All of the name; result in nd->path. */
int nd_walk(struct nd *nd) MUST_CHECK;
/* All but the last component. */
int nd_parent(struct nd *nd) MUST_CHECK;
/* The symlink @link (borrowed), found in nd->path: the walk goes on with its target. */
int nd_follow(struct nd *nd, const struct path *link) MUST_CHECK;
/* nd->last as a string of its own, in @buf (NAME_MAX + 1). */
char *nd_last_name(const struct nd *nd, char *buf);
/*
 * A name in a directory that the caller may search: cached or asked for.  The result
 * may be negative.  @locked: the dir lock is held.
 */
int lookup_child(const struct path *dir, const char *name, size_t len, bool locked,
	struct dentry **out) MUST_CHECK;
/* May a name be added to, or @victim be taken from, @dir? */
int may_create(const struct path *dir, const struct cred *cred) MUST_CHECK;
int may_delete(struct inode *dir, struct inode *victim, const struct cred *cred,
	bool isdir) MUST_CHECK;
/* A write takes the set-user-ID bits away, unless CAP_FSETID. */
int inode_kill_priv(struct inode *in) MUST_CHECK;
/* ftruncate(2) once all is checked; takes the write lock. */
int vfs_truncate_open(struct inode *in, int64_t size) MUST_CHECK;
/* Is the follower of a link, the opener of a file in a sticky directory allowed to? */
int may_follow_link(const struct cred *cred, struct inode *dir, struct inode *link) MUST_CHECK;
int may_create_in_sticky(const struct cred *cred, struct inode *dir, struct inode *in) MUST_CHECK;
