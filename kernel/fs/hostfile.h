/*
 * hostfile.h - open files that are host descriptors: donated stdio.
 *
 * The descriptor is shared with the world outside (it may be the user's
 * shell's terminal), so O_NONBLOCK is never set on it.
 */
#pragma once

#include "core/attr.h"
#include "core/seccomp.h"

struct file;

/* @hfd is consumed on success.  flags: access mode, or -1: as the descriptor's own. */
int hostfile_create(int hfd, int flags, struct file **out) MUST_CHECK;

extern const struct seccomp_rule hostfile_rules[];
