/*
 * urpc.h - the control channel between the CLI and a sandbox.
 *
 * A frame is a 32-bit little-endian length and that many bytes of JSON, with
 * descriptors by SCM_RIGHTS on its first byte.  Request {"method":"containerManager.
 * StartRoot","arg":{…}}; reply {"success":true,"result":…} or {"success":false,"err":"…",
 * "errno":N}.  One request at a time on a connection.  A peer that closes early is
 * an error ("the sandbox ended"), never a hang.
 */
#pragma once

#include <stddef.h>

#include "core/err.h"
#include "core/json.h"

#define URPC_MAX (4u << 20)
#define URPC_FDS 32

struct urpc_msg {
	struct json_doc *doc;		/* owned: json_free() */
	int fds[URPC_FDS];		/* owned */
	size_t nfds;
};

/* Sends one frame; descriptors are borrowed. */
int urpc_send(int sock, const struct json *body, const int *fds, size_t nfds, struct err *e) MUST_CHECK;
/* Receives one.  0; -ENODATA at a clean end of file; else -errno. */
int urpc_recv(int sock, struct urpc_msg *m, struct err *e) MUST_CHECK;
void urpc_msg_fini(struct urpc_msg *m);
/*
 * Client: sends method and arg (may be NULL), waits for the reply, turns a failed one
 * into @e.  @reply may be NULL; its "result" is json_get(json_root(reply->doc), "result").
 */
int urpc_call(int sock, const char *method, const struct json *arg, const int *fds, size_t nfds,
	struct urpc_msg *reply, struct err *e) MUST_CHECK;
