/* server_int.h - what the handlers of requests share. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "fs9p/export.h"
#include "fs9p/fid.h"
#include "fs9p/msg.h"

struct p9_peer {
	struct p9_export x; /* x.sock is -1 in a test */
	struct fid_table fids;
	uint32_t msize; /* 0: no Tversion yet */
	bool ours;      /* 9P2000.L.runsc */
	bool stream;
	int donate;    /* of the reply being made; owned; -1 */
	uint8_t *body; /* where data of the reply goes */
};

/*
 * A handler fills in the reply @r, whose type and tag are there already.  0 or -errno,
 * which becomes an Rlerror.
 */
#define REQUEST(message, handler, flags) \
	int handler(struct p9_peer *p, const struct msg *t, struct msg *r);
#include "fs9p/requests.def"
#undef REQUEST

int srv_fid(struct p9_peer *p, uint32_t num, struct fid **f) MUST_CHECK;	/* -EBADF */
int srv_dir(struct p9_peer *p, uint32_t num, struct fid **f) MUST_CHECK;	/* -ENOTDIR */
/* A directory's fid and a name in it, the beginning of most requests. */
int srv_entry(struct p9_peer *p, uint32_t num, struct p9_str s, struct fid **f,
	char name[P9_NAME_MAX + 1]) MUST_CHECK;
/* Bytes of data that a reply may carry. */
uint32_t srv_room(const struct p9_peer *p, uint32_t count);
/* Consumes @hfd, also when it fails. */
int srv_add_fid(struct p9_peer *p, uint32_t num, int hfd, uint32_t mode, struct fid **out) MUST_CHECK;
/* @out may be NULL. */
int srv_clone_fid(struct p9_peer *p, const struct fid *f, uint32_t newfid, struct fid **out) MUST_CHECK;
int srv_open_fid(struct p9_peer *p, struct fid *f, uint32_t flags) MUST_CHECK;	/* -EBUSY */
