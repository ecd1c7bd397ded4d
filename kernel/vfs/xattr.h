/* xattr.h - extended attributes: xattr(7). */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "core/attr.h"

struct cred;
struct path;

#define XATTR_VALUE_MAX 65536
#define XATTR_LIST_ALL	65536

/* As getxattr(2) and friends, on kernel buffers; @n 0 asks for the size. */
ssize_t vfs_getxattr(const struct path *p, const struct cred *cred, const char *name,
	void *buf, size_t n) MUST_CHECK;
ssize_t vfs_listxattr(const struct path *p, const struct cred *cred, char *buf, size_t n) MUST_CHECK;
/* @buf NULL removes. */
int vfs_setxattr(const struct path *p, const struct cred *cred, const char *name,
	const void *buf, size_t n, int flags) MUST_CHECK;
