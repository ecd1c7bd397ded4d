/*
 * scm.h - ancillary data of Unix sockets: descriptors and credentials.
 *
 * A struct scm travels with a message.  unix(7), cmsg(3) are the contract.
 * GAP: sockets that are only reachable through each other's queues are not
 * collected until the sandbox ends; RLIMIT_NOFILE bounds the files in flight.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attr.h"

struct file;
struct task;

#define SCM_MAX_FDS 253

struct scm {
	struct file **files;		/* references */
	int nfiles;
	bool has_cred;
	int pid;
	uint32_t uid, gid;
};

/* Parses @n bytes of control messages.  *@out NULL when there are none. */
int scm_parse(struct task *t, const void *control, size_t n, struct scm **out) MUST_CHECK;
/* An empty one with @t's credentials; NULL on OOM. */
struct scm *scm_new_cred(struct task *t);
/* Only its files are copied (MSG_PEEK): each gets a reference.  NULL on OOM or for NULL. */
struct scm *scm_copy(const struct scm *s);
void scm_free(struct scm *s);		/* NULL is fine */
/*
 * Writes control messages of @s to @buf (at most @cap bytes), installing
 * descriptors in @t.  Returns the bytes; sets MSG_CTRUNC in *@flags.
 */
size_t scm_deliver(struct task *t, struct scm *s, bool want_cred, bool cloexec, void *buf,
	size_t cap, int *flags);
