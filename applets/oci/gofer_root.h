/* gofer_root.h - the tree that the gofer process sees. */
#pragma once

#include "applets/oci/spec.h"
#include "core/err.h"

/*
 * In the gofer's own mount namespace: binds the rootfs and each bind mount's source to
 * /0, /1... of a private tree, and makes that the root.  @place is a directory of
 * the host to build it on.  Writes to @mounts what each is, one character: 'd' or 'f'.
 */
int gofer_root(const struct spec *spec, const char *place, int mounts, struct err *e) MUST_CHECK;
