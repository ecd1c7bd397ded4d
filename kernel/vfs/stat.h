/* stat.h - describing objects and filesystems to the guest. */
#pragma once

#include <stdbool.h>

#include "core/attr.h"

struct cred;
struct inode;
struct kstat;
struct mount;
struct path;
struct stat_abi;
struct statfs_abi;
struct statx_abi;

void kstat_to_stat(const struct kstat *k, struct stat_abi *st);
/* @p may be empty: a file without a path. */
void kstat_to_statx(const struct kstat *k, const struct path *p, struct statx_abi *sx);
/* @mnt may be NULL. */
int vfs_statfs(struct inode *in, const struct mount *mnt, struct statfs_abi *out) MUST_CHECK;
/*
 * access(2) asks for the real ids: the credentials to ask with, a reference in
 * *@out, or NULL there when @cred itself will do.
 */
int access_cred(const struct cred *cred, struct cred **out) MUST_CHECK;
int path_access(const struct path *p, const struct cred *cred, unsigned mode) MUST_CHECK;
bool path_is_deleted(const struct path *p);
