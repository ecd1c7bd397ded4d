/*
 * conn.h - the client's end of a connection: tags, waiting, and who reads.
 *
 * Any number of threads call at once; each request has a tag, and its reply finds
 * the caller by it.  There is no reader thread: see conn.c.  A connection that
 * breaks stays broken: every call in progress and every later one is -EIO.
 *
 * Field letters:  I  constant after create    a  atomic
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/list.h"
#include "core/lock.h"
#include "fs9p/msg.h"

#define P9_CLUNK_QUEUE 256

struct p9_client {
	int sock;			/* I: owned; SOCK_SEQPACKET */
	bool (*interrupted)(void);	/* I: must the calling thread give up? NULL: never */
	uint8_t *rx;			/* of the thread that reads */
	atomic_uint next_fid;		/* a */
	/* a, relaxed: where the calls come from, for Tplace */
	atomic_int cpu, placed;		/* of the last call; where the server is, -1 anywhere */
	atomic_uint stays, moves;	/* calls in a row from cpu; changes of it since the last long row */
	struct mutex lock;
	struct p9_slot *slots GUARDED_BY(lc_p9client);	/* by tag */
	unsigned nslots GUARDED_BY(lc_p9client);
	unsigned free_slot GUARDED_BY(lc_p9client);	/* first of a list; nslots: none */
	struct p9_call *reader GUARDED_BY(lc_p9client);	/* whose thread waits in recvmsg; NULL: nobody's */
	bool dead GUARDED_BY(lc_p9client);
	unsigned posted GUARDED_BY(lc_p9client);	/* requests whose reply nobody waits for */
	struct list waiters GUARDED_BY(lc_p9client);	/* calls asleep */
	uint32_t clunks[P9_CLUNK_QUEUE] GUARDED_BY(lc_p9client);
	unsigned nclunks GUARDED_BY(lc_p9client);
};
LOCK_OPS(p9client, struct p9_client, lock)

/* What a call brings, and what it gets.  The buffers are the caller's. */
struct p9_call {
	uint32_t newfid, nnew;		/* fids that it may make; given back if nobody waits for the reply */
	void *reply;			/* room for the whole reply message */
	size_t cap;
	size_t len;			/* of the reply */
	int donated;			/* descriptor that came with it (the caller's), or -1 */
	/* conn.c's own */
	struct list link;
	atomic_uint word;
	int err;
	bool done;
};

int conn_init(struct p9_client *c, int sock, bool (*interrupted)(void)) MUST_CHECK;
void conn_fini(struct p9_client *c);
/*
 * Sends the message in @iov (its tag is filled in: iov[0] holds the header) and waits.
 * 0; -EIO: the connection is broken; -EINTR: interrupted() said so.
 */
int conn_call(struct p9_client *c, struct iovec *iov, int niov, struct p9_call *call) MUST_CHECK;
/* Sends without waiting: the reply is dropped when it comes.  -EAGAIN: too many are under way. */
int conn_post(struct p9_client *c, struct iovec *iov, int niov) MUST_CHECK;
/* client.c: posts a Tplace; -1: anywhere. */
void p9_place(struct p9_client *c, int cpu);
/* Fids to give back some time; takes up to P9_CLUNK_MAX of them when @min are there. */
void conn_clunk_later(struct p9_client *c, uint32_t fid, uint32_t n) EXCLUDES(lc_p9client);
unsigned conn_clunks_take(struct p9_client *c, unsigned min, struct p9_fids *out) EXCLUDES(lc_p9client);
