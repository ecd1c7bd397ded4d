/* types.h - the filesystem types of this folder, for the table in kernel/vfs/fs_types.c. */
#pragma once

struct fs_type;

extern const struct fs_type gofer_fs;
extern const struct fs_type proc_fs, sysfs_fs, devtmpfs_fs, devpts_fs;
