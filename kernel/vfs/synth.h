/* synth.h - mount points that the filesystem below does not have. */
#pragma once

#include <stdbool.h>

#include "core/attr.h"

struct path;
struct walk;

/*
 * The place @name (absolute, symlinks followed) below w->root, made when it is
 * missing: on the filesystem if that can be written to, else as a synthetic
 * directory or, the last component when @file, an empty file.  References in *@out.
 */
int mount_point(struct walk *w, const char *name, bool file, struct path *out) MUST_CHECK;
