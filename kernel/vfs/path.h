/*
 * path.h - a place in the tree: a dentry as seen through a mount.
 *
 * A struct path owns a reference on each half, or is empty (both NULL).
 */
#pragma once

#include <stdbool.h>

struct dentry;
struct mount;

struct path {
	struct mount *mnt;
	struct dentry *dentry;
};

void path_get(const struct path *p);	/* one more reference on each half */
void path_put(struct path *p);		/* drops both and empties @p */
static inline bool path_equal(const struct path *a, const struct path *b)
{
	return a->mnt == b->mnt && a->dentry == b->dentry;
}
