/*
 * client.c - one function per request.
 *
 * Each fills a struct msg, calls rpc(), and takes what it wants from the reply.
 * Requests are encoded on the stack when they are small, as nearly all are.
 * New fids are numbers counted up by the client; when the count has gone
 * round and meets one still in use, the server says -EADDRINUSE and the next is
 * tried.
 */
#include "fs9p/client.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "fs9p/conn.h"

#define SMALL       512 /* request on the stack */
#define SMALL_REPLY 256 /* any reply without text, data or many attrs */
#define CLUNK_BATCH 32

struct rpc {
	struct msg t, r;
	struct p9_call call;
	const void *data;           /* of a Twrite, sent from where it is */
	uint8_t small[SMALL_REPLY]; /* default room for the reply */
};

/*
 * One round trip.  0: q->r is the reply, of the right type.  A descriptor that
 * came is in q->call.donated if @donates.
 */
static int rpc_send(struct p9_client *c, struct rpc *q, void *buf, size_t cap)
{
	ssize_t n = p9_encode(&q->t, buf, cap);
	size_t outside = q->data ? q->t.Twrite.data.n : 0;
	struct iovec iov[2];

	if (n < 0)
		return (int)n;
	iov[0] = (struct iovec){ buf, (size_t)n - outside };
	iov[1] = (struct iovec){ (void *)(uintptr_t)q->data, outside };
	return conn_call(c, iov, outside ? 2 : 1, &q->call);
}

static int rpc_reply(struct rpc *q)
{
	int err = p9_decode(&q->r, q->call.reply, q->call.len);

	if (!err && q->r.type == P9_Rlerror)
		/* Only what can be an errno: nothing internal is to be faked.
		 */
		err = q->r.Rlerror.ecode > 0 && q->r.Rlerror.ecode < 512
			      ? -(int)q->r.Rlerror.ecode
			      : -EIO;
	else if (err || q->r.type != q->t.type + 1)
		err = -EIO;
	return err;
}

static int rpc(struct p9_client *c, struct rpc *q)
{
	uint8_t small[SMALL], *big;
	int err;

	if (!q->call.reply) {
		q->call.reply = q->small;
		q->call.cap = sizeof q->small;
	}
	err = rpc_send(c, q, small, sizeof small);
	if (err == -EMSGSIZE) {
		big = malloc(P9_MSIZE);
		if (!big)
			return -ENOMEM;
		err = rpc_send(c, q, big, P9_MSIZE);
		free(big);
	}
	if (err)
		return err;
	err = rpc_reply(q);
	if (err && q->call.donated >= 0) {
		close(q->call.donated);
		q->call.donated = -1;
	}
	return err;
}

/* For requests that bring no descriptor. */
static int rpc_plain(struct p9_client *c, struct rpc *q)
{
	int err = rpc(c, q);

	if (q->call.donated >= 0)
		close(q->call.donated);
	return err;
}

#define RPC(name, ...)                                               \
	{                                                            \
		.t = { .type = P9_##name, .name = { __VA_ARGS__ } }, \
		.call.donated = -1                                   \
	}

/* @n numbers in a row, none of them P9_NOFID. */
static uint32_t new_fids(struct p9_client *c, unsigned n)
{
	uint32_t first;

	do {
		first = atomic_fetch_add(&c->next_fid, n);
	} while (first > P9_NOFID - n);
	return first;
}

/* --- session */

static int p9_version(struct p9_client *c)
{
	struct rpc q = RPC(Tversion, P9_MSIZE,
		p9_str(P9_VERSION_OURS, strlen(P9_VERSION_OURS)));
	int err = rpc_plain(c, &q);

	if (err)
		return err;
	if (q.r.Rversion.version.n != strlen(P9_VERSION_OURS) ||
		memcmp(q.r.Rversion.version.s, P9_VERSION_OURS,
			strlen(P9_VERSION_OURS)) ||
		q.r.Rversion.msize < P9_MSIZE)
		return -EPROTO;
	return 0;
}

int p9_client_create(
	int sock, bool (*interrupted)(void), struct p9_client **out)
{
	struct p9_client *c = malloc(sizeof *c);
	int err;

	if (!c)
		return -ENOMEM;
	err = conn_init(c, sock, interrupted);
	if (err) {
		free(c);
		return err;
	}
	err = p9_version(c);
	if (err) {
		c->sock = -1; /* stays the caller's */
		p9_client_free(c);
		return err;
	}
	*out = c;
	return 0;
}

void p9_client_free(struct p9_client *c)
{
	conn_fini(c);
	free(c);
}

bool p9_client_dead(struct p9_client *c)
{
	bool dead;

	p9client_lock(c);
	dead = c->dead;
	p9client_unlock(c);
	return dead;
}

int p9_attach(struct p9_client *c, uint32_t *fid, struct p9_attr *a)
{
	uint32_t new = new_fids(c, 1);
	struct rpc q = RPC(Tattach, new, P9_NOFID, p9_str("", 0), p9_str("", 0),
		P9_NONUID);
	int err;

	q.call.newfid = new;
	q.call.nnew = 1;
	err = rpc_plain(c, &q);
	if (err)
		return err;
	err = p9_stat(c, new, a);
	if (err) {
		p9_clunk(c, new, false);
		return err;
	}
	*fid = new;
	return 0;
}

static void p9_clunk_send(struct p9_client *c, const struct p9_fids *fids)
{
	struct rpc q = RPC(Tclunks, *fids);
	uint8_t buf[SMALL];
	ssize_t n = p9_encode(&q.t, buf, sizeof buf);
	struct iovec iov = { buf, (size_t)n };

	bug_on(n < 0);
	/* When many are under way, wait once, which also reads their replies.
	 */
	if (conn_post(c, &iov, 1) == -EAGAIN)
		(void)rpc_plain(c, &q); /* a fid that is not there is as good */
}

void p9_clunk(struct p9_client *c, uint32_t fid, bool now)
{
	struct p9_fids fids;

	conn_clunk_later(c, fid, 1);
	if (conn_clunks_take(c, now ? 1 : CLUNK_BATCH, &fids))
		p9_clunk_send(c, &fids);
}

void p9_clunk_flush(struct p9_client *c)
{
	struct p9_fids fids;

	while (conn_clunks_take(c, 1, &fids))
		p9_clunk_send(c, &fids);
}

void p9_place(struct p9_client *c, int cpu)
{
	struct msg t = { .type = P9_Tplace, .Tplace = { (uint32_t)cpu } };
	uint8_t buf[P9_HEADER + 4];
	struct iovec iov = { buf, sizeof buf };

	bug_on(p9_encode(&t, buf, sizeof buf) != sizeof buf);
	(void)!conn_post(c, &iov, 1); /* a hint that may be lost */
}

int p9_walk(struct p9_client *c, uint32_t fid, const struct p9_str *names,
	unsigned n, uint32_t *first, struct p9_attr *attrs, unsigned *got)
{
	uint8_t reply[P9_HEADER + 6 + P9_WALK_MAX * P9_ATTR_SIZE];
	int err;

	*got = 0;
	if (n == 0 || n > P9_WALK_MAX)
		return -EINVAL;
	do {
		struct rpc q = RPC(Twalkattr, fid, new_fids(c, n), { 0 });

		*first = q.t.Twalkattr.newfid;
		q.t.Twalkattr.names.n = (uint16_t)n;
		memcpy(q.t.Twalkattr.names.v, names, n * sizeof *names);
		q.call.newfid = *first;
		q.call.nnew = n;
		q.call.reply = reply;
		q.call.cap = sizeof reply;
		err = rpc_plain(c, &q);
		if (err)
			continue;
		if (q.r.Rwalkattr.attrs.n > n || q.r.Rwalkattr.ecode >= 512)
			return -EIO;
		*got = q.r.Rwalkattr.attrs.n;
		for (unsigned i = 0; i < *got; i++)
			p9_attrs_get(&q.r.Rwalkattr.attrs, i, &attrs[i]);
		if (*got < n)
			return q.r.Rwalkattr.ecode ? -(int)q.r.Rwalkattr.ecode
						   : -EIO;
	} while (err == -EADDRINUSE);
	return err;
}

int p9_clone(struct p9_client *c, uint32_t fid, uint32_t *newfid)
{
	int err;

	do {
		struct rpc q = RPC(Twalkattr, fid, new_fids(c, 1), { 0 });

		*newfid = q.call.newfid = q.t.Twalkattr.newfid;
		q.call.nnew = 1;
		err = rpc_plain(c, &q);
	} while (err == -EADDRINUSE);
	return err;
}

/* --- attributes */

int p9_stat(struct p9_client *c, uint32_t fid, struct p9_attr *a)
{
	struct rpc q = RPC(Tstat, fid);
	int err = rpc_plain(c, &q);

	if (!err)
		*a = q.r.Rstat.attr;
	return err;
}

int p9_change(
	struct p9_client *c, const struct p9_Tchange *ch, struct p9_attr *a)
{
	struct rpc q = { .t = { .type = P9_Tchange, .Tchange = *ch } };
	int err = rpc_plain(c, &q);

	if (!err && a)
		*a = q.r.Rchange.attr;
	return err;
}

int p9_allocate(struct p9_client *c, uint32_t fid, int mode, uint64_t off,
	uint64_t len, struct p9_attr *a)
{
	struct rpc q = RPC(Tallocate, fid, (uint32_t)mode, off, len);
	int err = rpc_plain(c, &q);

	if (!err)
		*a = q.r.Rallocate.attr;
	return err;
}

int p9_statfs(struct p9_client *c, uint32_t fid, struct p9_Rstatfs *s)
{
	struct rpc q = RPC(Tstatfs, fid);
	int err = rpc_plain(c, &q);

	if (!err)
		*s = q.r.Rstatfs;
	return err;
}

/* --- opening and making */

int p9_open(struct p9_client *c, uint32_t fid, int flags, int *hfd)
{
	struct rpc q = RPC(Topen, fid, (uint32_t)flags);
	int err = rpc(c, &q);

	*hfd = q.call.donated;
	/* Lost on the way when our numbers were all in use. */
	return err || *hfd >= 0 ? err : -EMFILE;
}

int p9_make(
	struct p9_client *c, struct p9_Tmake *k, int *hfd, struct p9_attr *a)
{
	int err;

	do {
		struct rpc q = { .t = { .type = P9_Tmake } };

		k->newfid = new_fids(c, 1);
		q.t.Tmake = *k;
		q.call.newfid = k->newfid;
		q.call.nnew = 1;
		err = rpc(c, &q);
		*hfd = q.call.donated;
		if (!err)
			*a = q.r.Rmake.attr;
	} while (err == -EADDRINUSE);
	return err;
}

int p9_connect(struct p9_client *c, uint32_t fid, int type, int *sock)
{
	struct rpc q = RPC(Tconnect, fid, (uint32_t)type);
	int err = rpc(c, &q);

	if (err)
		return err;
	*sock = q.call.donated;
	return *sock < 0 ? -EMFILE : 0;
}

int p9_lopen(struct p9_client *c, uint32_t fid, int flags)
{
	struct rpc q = RPC(Tlopen, fid, (uint32_t)flags);

	return rpc_plain(c, &q);
}

/* --- data */

ssize_t p9_read(
	struct p9_client *c, uint32_t fid, void *buf, size_t n, uint64_t off)
{
	struct rpc q =
		RPC(Tread, fid, off, (uint32_t)MIN(n, (size_t)P9_IO_MAX));
	ssize_t ret;

	q.call.cap = q.t.Tread.count + P9_IOHEADER;
	q.call.reply = malloc(q.call.cap);
	if (!q.call.reply)
		return -ENOMEM;
	ret = rpc_plain(c, &q);
	if (!ret && q.r.Rread.data.n > q.t.Tread.count)
		ret = -EIO;
	if (!ret) {
		ret = q.r.Rread.data.n;
		memcpy(buf, q.r.Rread.data.p, (size_t)ret);
	}
	free(q.call.reply);
	return ret;
}

ssize_t p9_write(struct p9_client *c, uint32_t fid, const void *buf, size_t n,
	uint64_t off)
{
	struct rpc q = RPC(Twrite, fid, off,
		{ NULL, (uint32_t)MIN(n, (size_t)P9_IO_MAX) });
	int err;

	q.data = buf;
	err = rpc_plain(c, &q);
	if (err)
		return err;
	return q.r.Rwrite.count > q.t.Twrite.data.n ? -EIO
						    : (ssize_t)q.r.Rwrite.count;
}

int p9_fsync(struct p9_client *c, uint32_t fid, bool datasync)
{
	struct rpc q = RPC(Tfsync, fid, datasync);

	return rpc_plain(c, &q);
}

int p9_list(struct p9_client *c, uint32_t fid, uint32_t *newfid, void *buf,
	struct p9_data *out)
{
	int err;

	do {
		struct rpc q = RPC(Tlist, fid, new_fids(c, 1), P9_IO_MAX);

		q.call.newfid = q.t.Tlist.newfid;
		q.call.nnew = 1;
		q.call.reply = buf;
		q.call.cap = P9_MSIZE;
		err = rpc_plain(c, &q);
		if (err)
			continue;
		*newfid = q.r.Rlist.more ? q.call.newfid : P9_NOFID;
		*out = q.r.Rlist.data;
	} while (err == -EADDRINUSE);
	return err;
}

int p9_readplus(struct p9_client *c, uint32_t fid, uint64_t off, void *buf,
	struct p9_data *out)
{
	struct rpc q = RPC(Treadplus, fid, off, P9_IO_MAX);
	int err;

	q.call.reply = buf;
	q.call.cap = P9_MSIZE;
	err = rpc_plain(c, &q);
	if (!err)
		*out = q.r.Rreadplus.data;
	return err;
}

/* --- names */

int p9_readlink(struct p9_client *c, uint32_t fid, char **target)
{
	struct rpc q = RPC(Treadlink, fid);
	char *s;
	int err;

	q.call.cap = P9_HEADER + 2 + PATH_MAX;
	q.call.reply = malloc(q.call.cap);
	if (!q.call.reply)
		return -ENOMEM;
	err = rpc_plain(c, &q);
	s = err ? NULL
		: strndup(q.r.Rreadlink.target.s, q.r.Rreadlink.target.n);
	free(q.call.reply);
	if (err)
		return err;
	*target = s;
	return s ? 0 : -ENOMEM;
}

int p9_link(
	struct p9_client *c, uint32_t dfid, uint32_t fid, struct p9_str name)
{
	struct rpc q = RPC(Tlink, dfid, fid, name);

	return rpc_plain(c, &q);
}

int p9_unlink(
	struct p9_client *c, uint32_t dfid, struct p9_str name, bool is_dir)
{
	struct rpc q = RPC(Tunlinkat, dfid, name, is_dir ? P9_UNLINK_DIR : 0);

	return rpc_plain(c, &q);
}

int p9_rename(struct p9_client *c, uint32_t olddfid, struct p9_str oldname,
	uint32_t newdfid, struct p9_str newname, unsigned flags)
{
	struct rpc q = RPC(Tmove, olddfid, oldname, newdfid, newname, flags);

	return rpc_plain(c, &q);
}

/* --- extended attributes */

static ssize_t xattr_result(
	uint32_t size, struct p9_data d, void *buf, size_t n)
{
	if (n == 0)
		return size;
	if (d.n > n)
		return -EIO;
	memcpy(buf, d.p, d.n);
	return d.n;
}

static ssize_t xattr_rpc(
	struct p9_client *c, struct rpc *q, void *buf, size_t n)
{
	ssize_t ret;

	q->call.cap = MIN(n, (size_t)P9_IO_MAX) + P9_IOHEADER;
	q->call.reply = malloc(q->call.cap);
	if (!q->call.reply)
		return -ENOMEM;
	ret = rpc_plain(c, q);
	/* Rgetxattr and Rlistxattr have the same fields. */
	if (!ret)
		ret = xattr_result(
			q->r.Rgetxattr.size, q->r.Rgetxattr.data, buf, n);
	free(q->call.reply);
	return ret;
}

ssize_t p9_getxattr(struct p9_client *c, uint32_t fid, const char *name,
	void *buf, size_t n)
{
	struct rpc q = RPC(Tgetxattr, fid, p9_str(name, strlen(name)),
		(uint32_t)MIN(n, (size_t)P9_IO_MAX));

	return xattr_rpc(c, &q, buf, n);
}

ssize_t p9_listxattr(struct p9_client *c, uint32_t fid, char *buf, size_t n)
{
	struct rpc q =
		RPC(Tlistxattr, fid, (uint32_t)MIN(n, (size_t)P9_IO_MAX));

	return xattr_rpc(c, &q, buf, n);
}

int p9_setxattr(struct p9_client *c, uint32_t fid, const char *name,
	const void *value, size_t n, int flags)
{
	struct rpc q = RPC(Tsetxattr, fid, p9_str(name, strlen(name)),
		(uint32_t)flags, { (void *)(uintptr_t)value, (uint32_t)n });

	if (n > P9_IO_MAX)
		return -E2BIG;
	return rpc_plain(c, &q);
}
