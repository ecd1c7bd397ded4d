/* hooks.h - programs of the engine, run at points of a container's life. */
#pragma once

#include "applets/oci/state.h"

/*
 * Runs the hooks of @kind in order, with the state JSON on their standard input, as
 * children of the caller, in the host's namespaces.  The first failure ends
 * it: -ECANCELED and what the hook said.
 */
int hooks_run(const struct cstate *s, enum spec_hook_kind kind, struct err *e) MUST_CHECK;
/* The same for poststart and poststop: failures are logged, all hooks run. */
void hooks_run_lenient(const struct cstate *s, enum spec_hook_kind kind);
