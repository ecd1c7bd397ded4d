/*
 * dev.h - device nodes and the /dev filesystem.
 */
#pragma once

#include "core/attr.h"

struct cred;
struct file;
struct inode;
struct path;

/* Opens the character device that @in->rdev names, whatever filesystem @in is on.  -ENXIO: there is none. */
int dev_open(struct inode *in, const struct path *path, int flags, struct cred *cred,
	struct file **out) MUST_CHECK;
