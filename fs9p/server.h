/*
 * server.h - the gofer's side of the protocol.
 *
 * One thread serves any number of connections, each onto one exported tree, one
 * request at a time.  What comes in is hostile: it may make its own connection
 * useless, and nothing else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/seccomp.h"
#include "fs9p/export.h"

/*
 * Serves until every peer has gone.  @proc_fd: see export_init().  Raises
 * RLIMIT_NOFILE to its hard limit.  Consumes the sockets and roots of @exports.
 * 0, or -errno when it could not begin.
 */
int p9_serve(const struct p9_export *exports, size_t n, int proc_fd) MUST_CHECK;

/* What p9_serve() needs of a filter; the second only where host_uds is set. */
extern const struct seccomp_rule p9_server_rules[], p9_export_rules[], p9_export_uds_rules[];

/* One connection, for tests: the caller carries the bytes. */
struct p9_peer;
struct p9_peer *p9_peer_new(const struct p9_export *x);	/* @x is copied; NULL on OOM */
/* Closes its fids; the export's root and socket stay the caller's. */
void p9_peer_free(struct p9_peer *p);
/*
 * Serves the request @in (@n bytes, overwritten never) and writes the reply of
 * at most P9_MSIZE_MAX bytes to @out.  *@donate: a descriptor to send with it (the
 * caller closes it), or -1.  The reply's length, or -EBADMSG: hang up.
 */
int64_t p9_peer_handle(struct p9_peer *p, void *in, size_t n, void *out, int *donate);
