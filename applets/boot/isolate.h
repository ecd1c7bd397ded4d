/*
 * isolate.h - how the sandbox and the gofer lose the host, stage by stage.
 *
 * The first stages run in the cloned child, before it executes itself again; the
 * last ones in the new program, when everything it needs is open.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

#define NOBODY 65534

/* Stage 1: mounts made here stay here. */
int isolate_mounts(struct err *e) MUST_CHECK;
/* Stage 2: the root is an empty, read-only directory: no host file can be named. */
int isolate_empty_root(struct err *e) MUST_CHECK;
/* Makes the mount at @dir (an absolute path) the root and forgets the old one. */
int isolate_pivot(const char *dir, struct err *e) MUST_CHECK;
/* Stage 3: we are nobody: no host file is ours, no process of the host obeys us. */
int isolate_nobody(struct err *e) MUST_CHECK;
/*
 * Stage 4: @keep are the only capabilities that we or a successor can have.  @exec: an
 * executed program keeps them.
 */
int isolate_caps(uint64_t keep, bool exec, struct err *e) MUST_CHECK;
