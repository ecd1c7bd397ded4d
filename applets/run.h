/* run.h - a container in the foreground, for run and do. */
#pragma once

#include "applets/oci/sandbox.h"

/* Creates, starts, waits and removes: the exit status, or -errno. */
int run_foreground(struct config *c, const char *id, struct create_opts *o,
	struct err *e) MUST_CHECK;
