/*
 * conn.c - the client's end of a connection: tags, waiting, and who reads.
 *
 * Theory of operation
 *
 * Who reads.  A caller sends its request and then, if nobody reads, reads
 *itself until its own reply is there, handing other replies to their callers.
 *If somebody reads, it sleeps on a word of its own.  A reader that is done
 *wakes one sleeper, who finds that nobody reads.  So a lone caller costs
 *sendmsg and recvmsg, and no futex.
 *
 *	sleeper				reader
 *	lock: reader; joins waiters	recvmsg
 *	word = 0; unlock		lock; its reply: done = true
 *	futex_wait(word, 0)		word = 1, futex_wake; or, when leaving,
 *	lock; done, or reads itself	word = 1 of the first waiter
 *
 * Locks.  lc_p9client covers tags and who reads; it is not held across sendmsg
 * and recvmsg.  The receive buffer belongs to "reader".
 *
 * Limits.  A wait looks once a second whether the thread must give up (the
 *socket has a receive time-out; nothing polls while replies come within it).
 *Then the tag is left to the reply, which is dropped when it comes, together
 *with the descriptor and the fids that it brings.
 */
#include "fs9p/conn.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/cursor.h"
#include "core/log.h"
#include "core/seccomp.h"
#include "core/thread.h"
#include "fs9p/client.h"
#include "fs9p/frame.h"

#define SLOTS_MIN  16
#define SLOTS_MAX  0x8000u
#define POSTED_MAX 8
#define PLACE_STAYS                                                           \
	8              /* calls in a row from one CPU: the server comes there \
			*/
#define PLACE_MOVES 16 /* changes of CPU without such a row: it is let go */
#define LOOK_AROUND NSEC_PER_SEC /* how often a wait asks interrupted() */

struct p9_slot {
	enum { SLOT_FREE, SLOT_WAITED, SLOT_LEFT } state;
	struct p9_call *call;  /* WAITED: borrowed from its caller */
	uint32_t newfid, nnew; /* LEFT: to be clunked */
	unsigned next;         /* FREE: list */
};

/* --- tags */

HOLDS(lc_p9client)
static int slots_grow(struct p9_client *c)
{
	unsigned n = c->nslots ? c->nslots * 2 : SLOTS_MIN;
	struct p9_slot *v;

	if (n > SLOTS_MAX)
		return -ENOBUFS;
	v = realloc(c->slots, n * sizeof *v);
	if (!v)
		return -ENOMEM;
	for (unsigned i = c->nslots; i < n; i++)
		v[i] = (struct p9_slot){ .state = SLOT_FREE, .next = i + 1 };
	c->slots = v;
	c->free_slot = c->nslots;
	c->nslots = n;
	return 0;
}

/* A tag for @call; NULL: nobody will wait. */
HOLDS(lc_p9client)
static int tag_take(struct p9_client *c, struct p9_call *call)
{
	struct p9_slot *s;
	unsigned tag;
	int err;

	if (c->dead)
		return -EIO;
	if (c->free_slot == c->nslots) {
		err = slots_grow(c);
		if (err)
			return err;
	}
	tag = c->free_slot;
	s = &c->slots[tag];
	c->free_slot = s->next;
	*s = (struct p9_slot){ .state = call ? SLOT_WAITED : SLOT_LEFT,
		.call = call };
	return (int)tag;
}

HOLDS(lc_p9client)
static void tag_give(struct p9_client *c, unsigned tag)
{
	c->slots[tag] =
		(struct p9_slot){ .state = SLOT_FREE, .next = c->free_slot };
	c->free_slot = tag;
}

HOLDS(lc_p9client)
static void clunk_later(struct p9_client *c, uint32_t fid, uint32_t n)
{
	while (n-- && c->nclunks < P9_CLUNK_QUEUE)
		c->clunks[c->nclunks++] = fid++;
}

/* --- replies */

static void call_wake(struct p9_call *call)
{
	atomic_store(&call->word, 1);
	host_futex_wake(&call->word, 1);
}

HOLDS(lc_p9client)
static void conn_die(struct p9_client *c, const char *why)
{
	if (c->dead)
		return;
	c->dead = true;
	log_error("gofer: %s: its files give EIO from now on", why);
	for (unsigned i = 0; i < c->nslots; i++) {
		struct p9_slot *s = &c->slots[i];

		if (s->state != SLOT_WAITED)
			continue;
		s->call->err = -EIO;
		s->call->done = true;
		call_wake(s->call);
		tag_give(c, i);
	}
}

/* Somebody's reply is in c->rx.  Consumes @donated. */
HOLDS(lc_p9client)
static void conn_deliver(struct p9_client *c, size_t n, int donated)
{
	struct cursor cur = cursor(c->rx, n);
	struct p9_slot *s;
	unsigned tag;

	(void)cur_u32(&cur); /* checked with the rest of it by the caller */
	(void)cur_u8(&cur);
	tag = cur_u16(&cur);
	if (cur.bad || tag >= c->nslots || c->slots[tag].state == SLOT_FREE) {
		conn_die(c, "a reply that nobody asked for");
		goto drop;
	}
	s = &c->slots[tag];
	if (s->state == SLOT_LEFT) {
		if (s->nnew)
			clunk_later(c, s->newfid, s->nnew);
		else
			c->posted--;
		tag_give(c, tag);
		goto drop;
	}
	s->call->err = n > s->call->cap ? -EIO : 0;
	if (!s->call->err) {
		memcpy(s->call->reply, c->rx, n);
		s->call->len = n;
		s->call->donated = donated;
		donated = -1;
	}
	s->call->done = true;
	if (s->call != c->reader)
		call_wake(s->call);
	tag_give(c, tag);
drop:
	if (donated >= 0)
		close(donated);
}

/* --- waiting */

/* Reads one message, with the lock dropped meanwhile. -EAGAIN: none within
 * LOOK_AROUND. */
HOLDS(lc_p9client)
static int conn_read(struct p9_client *c, struct p9_call *call)
{
	int donated;
	ssize_t n;

	c->reader = call;
	p9client_unlock(c);
	n = frame_recv(c->sock, false, c->rx, P9_MSIZE, &donated, 0);
	p9client_lock(c);
	if (n > 0)
		conn_deliver(c, (size_t)n, donated);
	else if (n != -EAGAIN)
		conn_die(c, n == 0 ? "ended" : "unreadable");
	c->reader = NULL;
	return n == -EAGAIN ? -EAGAIN : 0;
}

HOLDS(lc_p9client)
static int conn_sleep(struct p9_client *c, struct p9_call *call)
{
	int err;

	atomic_store(&call->word, 0);
	list_add_tail(&c->waiters, &call->link);
	p9client_unlock(c);
	err = host_futex_wait(&call->word, 0, mono_now() + LOOK_AROUND);
	p9client_lock(c);
	list_del(&call->link);
	return err == -ETIMEDOUT ? -EAGAIN : 0;
}

/* The reply is not waited for any more: it will be dropped. */
HOLDS(lc_p9client)
static int conn_leave(struct p9_client *c, struct p9_call *call, unsigned tag)
{
	struct p9_slot *s = &c->slots[tag];

	s->state = SLOT_LEFT;
	s->call = NULL;
	s->newfid = call->newfid;
	s->nnew = call->nnew;
	if (!s->nnew)
		c->posted++;
	return -EINTR;
}

static int conn_wait(struct p9_client *c, struct p9_call *call, unsigned tag)
{
	int err = 0;

	p9client_lock(c);
	while (!call->done && !err) {
		int quiet =
			c->reader ? conn_sleep(c, call) : conn_read(c, call);

		if (quiet && !call->done && c->interrupted && c->interrupted())
			err = conn_leave(c, call, tag);
	}
	if (!c->reader && !list_empty(&c->waiters))
		call_wake(list_first(&c->waiters, struct p9_call, link));
	p9client_unlock(c);
	return err ? err : call->err;
}

/*
 * Asks the server to be where the calls come from, once that is clear, and to
 * be anywhere when it is not.
 */
static void conn_place(struct p9_client *c)
{
	int cpu = sched_getcpu(), want = atomic_load(&c->placed);

	if (likely(cpu == atomic_load(&c->cpu))) {
		if (atomic_fetch_add(&c->stays, 1) == PLACE_STAYS) {
			atomic_store(&c->moves, 0);
			want = cpu;
		}
	} else {
		atomic_store(&c->cpu, cpu);
		atomic_store(&c->stays, 0);
		if (atomic_fetch_add(&c->moves, 1) == PLACE_MOVES)
			want = -1;
	}
	if (unlikely(want != atomic_exchange(&c->placed, want)))
		p9_place(c, want);
}

/* The whole message or nothing; waits while the socket is full. */
static int conn_send(
	struct p9_client *c, struct iovec *iov, int niov, unsigned tag)
{
	struct cursor cur = cursor((uint8_t *)iov[0].iov_base + 5, 2);
	int err;

	cur_put_u16(&cur, (uint16_t)tag);
	do {
		err = frame_send(c->sock, iov, niov, -1);
	} while (err == -EAGAIN && !(c->interrupted && c->interrupted()));
	if (!err)
		return 0;
	p9client_lock(c);
	if (err == -EAGAIN) {
		err = -EINTR;
	} else {
		conn_die(c, "ended");
		err = -EIO;
	}
	/* conn_die() gives back the tags of those who wait. */
	if (c->slots[tag].state != SLOT_FREE)
		tag_give(c, tag);
	p9client_unlock(c);
	return err;
}

int conn_call(
	struct p9_client *c, struct iovec *iov, int niov, struct p9_call *call)
{
	int tag, err;

	conn_place(c);
	call->donated = -1;
	call->done = false;
	call->err = 0;
	list_init(&call->link);
	atomic_init(&call->word, 0);
	p9client_lock(c);
	tag = tag_take(c, call);
	p9client_unlock(c);
	if (tag < 0)
		return tag;
	err = conn_send(c, iov, niov, (unsigned)tag);
	return err ? err : conn_wait(c, call, (unsigned)tag);
}

int conn_post(struct p9_client *c, struct iovec *iov, int niov)
{
	int tag = -EAGAIN;

	p9client_lock(c);
	if (c->posted < POSTED_MAX)
		tag = tag_take(c, NULL);
	if (tag >= 0)
		c->posted++;
	p9client_unlock(c);
	return tag < 0 ? tag : conn_send(c, iov, niov, (unsigned)tag);
}

void conn_clunk_later(struct p9_client *c, uint32_t fid, uint32_t n)
{
	p9client_lock(c);
	clunk_later(c, fid, n);
	p9client_unlock(c);
}

unsigned conn_clunks_take(
	struct p9_client *c, unsigned min, struct p9_fids *out)
{
	out->n = 0;
	p9client_lock(c);
	if (c->nclunks >= min && !c->dead) {
		out->n = (uint16_t)MIN(c->nclunks, (unsigned)P9_CLUNK_MAX);
		c->nclunks -= out->n;
		memcpy(out->v, c->clunks + c->nclunks,
			out->n * sizeof out->v[0]);
	}
	p9client_unlock(c);
	return out->n;
}

int conn_init(struct p9_client *c, int sock, bool (*interrupted)(void))
{
	struct timeval tv = { .tv_sec = LOOK_AROUND / NSEC_PER_SEC };
	int stream = frame_is_stream(sock);

	if (stream)
		return stream < 0 ? stream : -EPROTOTYPE;
	if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) ||
		setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv))
		return -errno;
	*c = (struct p9_client){ .sock = sock,
		.interrupted = interrupted,
		.cpu = -1,
		.placed = -1 };
	c->rx = malloc(P9_MSIZE);
	if (!c->rx)
		return -ENOMEM;
	mutex_init(&c->lock, &lc_p9client);
	list_init(&c->waiters);
	return 0;
}

void conn_fini(struct p9_client *c)
{
	close(c->sock);
	free(c->rx);
	p9client_lock(c); /* nobody else is left: for the checker */
	free(c->slots);
	p9client_unlock(c);
}

const struct seccomp_rule p9_client_rules[] = { ALLOW(sendmsg), ALLOW(recvmsg),
	ALLOW(close), ALLOW_ARG2(getsockopt, 1, SOL_SOCKET, 2, SO_TYPE),
	ALLOW_ARG2(setsockopt, 1, SOL_SOCKET, 2, SO_RCVTIMEO),
	ALLOW_ARG2(setsockopt, 1, SOL_SOCKET, 2, SO_SNDTIMEO), SECCOMP_END };
