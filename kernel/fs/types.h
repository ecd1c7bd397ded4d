/* types.h - the filesystem types of this folder, for the table in kernel/vfs/fs_types.c. */
#pragma once

#include "core/attr.h"
#include "core/seccomp.h"

struct fs_type;

extern const struct fs_type gofer_fs;
extern const struct seccomp_rule gofer_fs_rules[];	/* host calls of kernel/fs/gofer*.c */
extern const struct fs_type proc_fs, sysfs_fs, devtmpfs_fs, devpts_fs;
/* Before anything runs: "kernel.msgmax" to a number, as if written to /proc/sys. -ENOENT, -EACCES, -EINVAL. */
int proc_sysctl(const char *name, const char *value) MUST_CHECK;
/* The number that a name without its folder has now: "lease-break-time". */
int64_t proc_sysctl_value(const char *name);
