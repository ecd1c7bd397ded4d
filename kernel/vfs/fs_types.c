/*
 * fs_types.c - the filesystems that can be mounted.
 *
 * One row a type; most live in kernel/fs.  An "empty" one has a root directory
 * and nothing in it: cgroup hierarchies and message queues are there to be
 * found, not yet to be used.
 */
#include <errno.h>
#include <string.h>

#include "core/attr.h"
#include "kernel/fs/tmpfs.h"
#include "kernel/fs/types.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"

/* An empty directory tree; it can be written to as a ramfs can. */
static int empty_mount(const struct fs_context *fc, struct super **out)
{
	struct fs_context plain = *fc;

	plain.data = NULL; /* their options mean nothing here */
	return ramfs_fs.mount(&plain, out);
}

/* GAP: cgroups and message queues have no files. */
static const struct fs_type cgroup_fs = { "cgroup", true, empty_mount };
static const struct fs_type cgroup2_fs = { "cgroup2", true, empty_mount };
static const struct fs_type mqueue_fs = { "mqueue", true, empty_mount };

static const struct fs_type *const types[] = {
	&gofer_fs,
	&tmpfs_fs,
	&ramfs_fs,
	&proc_fs,
	&sysfs_fs,
	&devtmpfs_fs,
	&devpts_fs,
	&cgroup_fs,
	&cgroup2_fs,
	&mqueue_fs,
};

const struct fs_type *fs_type_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(types[i]->name, name) == 0)
			return types[i];
	return NULL;
}

const struct fs_type *fs_type_next(unsigned i)
{
	return i < ARRAY_SIZE(types) ? types[i] : NULL;
}
