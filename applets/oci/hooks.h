/* hooks.h - programs of the engine, run at points of a container's life. */
#pragma once

#include "applets/oci/state.h"

/*
 * Runs the hooks of @kind in order, with the state JSON on their standard input, as
 * children of the caller: createContainer hooks in the mount namespace that the
 * gofer will make the container's tree of and in the sandbox's network, IPC and
 * UTS namespaces, the others in the host's.  The first failure ends it:
 * -ECANCELED and what the hook said.
 */
int hooks_run(const struct cstate *s, enum spec_hook_kind kind, struct err *e) MUST_CHECK;
/* The same for poststart and poststop: failures are logged, all hooks run. */
void hooks_run_lenient(const struct cstate *s, enum spec_hook_kind kind);
/* startContainer hooks: inside, before the first process.  The container is created. */
int hooks_run_inside(const struct cstate *s, struct err *e) MUST_CHECK;
