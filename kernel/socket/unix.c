/*
 * unix.c - Unix domain sockets: stream, datagram, sequenced packets.
 *
 * Theory of operation
 *
 * A usock is the kernel half of a socket; the file (struct socket) owns one
 * reference, a connected peer another, and a listener's queue one for each
 * connection nobody has accepted.  Messages wait in the queue of the receiver.
 * A stream is the same queue with boundaries ignored.  unix(7) is the contract.
 *
 * Locks.  One usock lock at a time: a sender looks its peer up under its own
 * lock, takes a reference, and then works under the peer's lock alone.  The
 * names table has a lock of its own in the same class and is never held with a
 * usock's.
 *
 * States.  Streams and packets: UNCONNECTED, LISTENING, CONNECTED, CLOSED. When
 * one end closes, it takes itself out of its peer: the peer reads what is
 * queued, then end of file; writes are EPIPE.  Datagram sockets stay
 * UNCONNECTED; a default peer is only a reference.
 *
 * Limits.  A queue holds what the sender's SO_SNDBUF allows (streams), or
 * DGRAM_QUEUE messages.  GAP: MSG_OOB is EOPNOTSUPP; a poll for EPOLLOUT on a
 * connected datagram socket is not woken by its receiver unless that one is
 * connected back.
 */
#include "kernel/socket/unix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/hash.h"
#include "core/list.h"
#include "kernel/mm/mm.h"
#include "kernel/socket/scm.h"
#include "kernel/socket/socket.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/namei.h"

#define CHUNK       32768 /* most bytes of a stream in one message */
#define DGRAM_QUEUE 10    /* net.unix.max_dgram_qlen */
#define NAME_HDR    offsetof(struct sockaddr_un, sun_path)
#define SIOCOUTQ_K  0x5411
#define NBUCKETS    64

enum ustate { UNCONNECTED, LISTENING, CONNECTED, CLOSED };

struct umsg {
	struct list link;
	size_t len, off;
	struct scm *scm;
	struct sockaddr_k *from; /* datagrams of a bound sender; malloc'ed */
	char data[];
};

struct usock {
	struct ref ref;
	struct mutex lock;
	struct socket *sock GUARDED_BY(
		lc_usock); /* NULL before accept, after close */
	enum ustate state GUARDED_BY(lc_usock);
	int type;
	struct usock *peer GUARDED_BY(lc_usock); /* reference */
	struct list queue GUARDED_BY(lc_usock);  /* struct umsg */
	size_t queued GUARDED_BY(lc_usock);      /* bytes */
	int nqueued GUARDED_BY(lc_usock);
	bool rcv_shut, snd_shut GUARDED_BY(lc_usock);
	bool peer_gone GUARDED_BY(lc_usock);
	struct list backlog GUARDED_BY(lc_usock); /* accepted-to-be, by .link */
	int nbacklog, backlog_max GUARDED_BY(lc_usock);
	struct list link;       /* in a listener's backlog, under its lock */
	struct sockaddr_k name; /* I once bound (len > 0) */
	struct list name_link;  /* abstract names */
	struct inode *inode;    /* reference: bound in the file system */
	int pid; /* credentials for SO_PEERCRED: at connect or listen */
	uint32_t uid, gid;
};
LOCK_OPS(usock, struct usock, lock)

struct unix_socket {
	struct socket s; /* first */
	struct usock *u;
};

static struct usock *usock_of(struct socket *s)
{
	return container_of(s, struct unix_socket, s)->u;
}

/*
 * Who sends datagrams to a full queue, or connects to a full backlog, waits
 * here for any of them to drain: rare, and then one more look costs little.
 */
static struct waitq room;

/* Abstract names, and the order of changes to inode->bound. */
static struct names {
	struct mutex lock;
	struct list bucket[NBUCKETS];
} names;
LOCK_OPS(unames, struct names, lock)

static struct usock *usock_new(int type)
{
	struct usock *u = calloc(1, sizeof *u);

	if (!u)
		return NULL;
	ref_init(&u->ref);
	mutex_init(&u->lock, &lc_usock);
	list_init(&u->queue);
	list_init(&u->backlog);
	list_init(&u->link);
	list_init(&u->name_link);
	u->type = type;
	return u;
}

static struct usock *usock_get(struct usock *u)
{
	ref_get(&u->ref);
	return u;
}

static void umsg_free(struct umsg *m)
{
	scm_free(m->scm);
	free(m->from);
	free(m);
}

static void usock_put(struct usock *u)
{
	struct umsg *m, *next;

	if (!u || !ref_put(&u->ref))
		return;
	list_for_each_safe(m, next, &u->queue, link) umsg_free(m);
	inode_put(u->inode);
	free(u);
}

static void set_cred(struct usock *u, struct task *t)
{
	const struct cred *c = task_cred(t);

	u->pid = t->tg->tgid;
	u->uid = c->euid;
	u->gid = c->egid;
}

/* Wakes whoever waits on the socket of @u. */
static void usock_wake(struct usock *u, unsigned events)
{
	struct file *f = NULL;

	usock_lock(u);
	if (u->sock)
		f = ref_tryget(&u->sock->file.ref) ? &u->sock->file : NULL;
	usock_unlock(u);
	if (!f)
		return;
	waitq_wake(&socket_of(f)->waitq, events);
	file_put(f);
}

static struct usock *peer_get(struct usock *u)
{
	struct usock *p;

	usock_lock(u);
	p = u->peer ? usock_get(u->peer) : NULL;
	usock_unlock(u);
	return p;
}

/* names */

static uint32_t name_hash(const struct sockaddr_k *a)
{
	return hash_bytes(&a->a, a->len) % NBUCKETS;
}

HOLDS(lc_unames)
static struct usock *abstract_peek(const struct sockaddr_k *a)
{
	struct usock *u;

	list_for_each (u, &names.bucket[name_hash(a)], name_link)
		if (u->name.len == a->len && !memcmp(&u->name.a, &a->a, a->len))
			return u;
	return NULL;
}

static bool is_abstract(const struct sockaddr_k *a)
{
	const struct sockaddr_un *un = (const void *)&a->a;

	return a->len > NAME_HDR && un->sun_path[0] == 0;
}

static int check_name(const struct sockaddr_k *a)
{
	const struct sockaddr_un *un = (const void *)&a->a;

	if (a->len < sizeof un->sun_family || a->len > sizeof *un ||
		un->sun_family != AF_UNIX)
		return -EINVAL;
	return 0;
}

/* A path of 108 bytes need not end with a NUL: unix(7). */
static void path_of(const struct sockaddr_k *a, char path[109])
{
	const struct sockaddr_un *un = (const void *)&a->a;
	size_t n = a->len - NAME_HDR;

	memcpy(path, un->sun_path, n);
	path[n] = 0;
}

static int bind_abstract(struct usock *u, const struct sockaddr_k *a)
{
	int err = -EADDRINUSE;

	unames_lock(&names);
	if (!abstract_peek(a)) {
		u->name = *a;
		list_add(&names.bucket[name_hash(a)], &u->name_link);
		err = 0;
	}
	unames_unlock(&names);
	return err;
}

/* Linux picks five hexadecimal digits. */
static int autobind(struct usock *u)
{
	static atomic_uint next;
	struct sockaddr_k a = { .len = NAME_HDR + 6 };
	struct sockaddr_un *un = (void *)&a.a;
	char digits[8];
	int err;

	un->sun_family = AF_UNIX;
	for (int i = 0; i < 0x100000; i++) {
		snprintf(digits, sizeof digits, "%05x",
			atomic_fetch_add(&next, 1) & 0xfffff);
		memcpy(un->sun_path + 1, digits, 5);
		err = bind_abstract(u, &a);
		if (err != -EADDRINUSE)
			return err;
	}
	return -ENOSPC;
}

static int bind_path(
	struct usock *u, struct task *t, const struct sockaddr_k *a)
{
	struct path p;
	struct walk w;
	char path[109];
	int err;

	path_of(a, path);
	err = task_walk(t, AT_FDCWD, path, &w);
	if (err)
		return err;
	err = vfs_mknod(&w, path, S_IFSOCK | 0777, 0, &p);
	walk_done(&w);
	if (err)
		return err == -EEXIST ? -EADDRINUSE : err;
	unames_lock(&names);
	if (u->name.len) {
		err = -EINVAL; /* found out after the name was made: unix(7) */
	} else {
		u->inode = inode_get(path_inode(&p));
		u->inode->bound = u;
		u->name = *a;
	}
	unames_unlock(&names);
	path_put(&p);
	if (err && !task_walk(t, AT_FDCWD, path, &w)) {
		(void)!vfs_unlink(&w, path); /* it is ours */
		walk_done(&w);
	}
	return err;
}

static int unix_bind(
	struct socket *s, struct task *t, const struct sockaddr_k *a)
{
	struct usock *u = usock_of(s);
	int err = check_name(a);

	if (err)
		return err;
	if (a->len > NAME_HDR && !is_abstract(a))
		return bind_path(u, t, a);
	if (u->name.len)
		return a->len == NAME_HDR ? 0 : -EINVAL;
	return a->len == NAME_HDR ? autobind(u) : bind_abstract(u, a);
}

static void unbind(struct usock *u)
{
	unames_lock(&names);
	list_del(&u->name_link);
	if (u->inode && u->inode->bound == u)
		u->inode->bound = NULL;
	unames_unlock(&names);
}

/* Who listens at @a: a reference. */
static int find_bound(
	struct task *t, const struct sockaddr_k *a, struct usock **out)
{
	struct usock *u = NULL;
	struct inode *in;
	char path[109];
	struct path p;
	struct walk w;
	int err;

	if (a->len <= NAME_HDR)
		return -EINVAL;
	if (is_abstract(a)) {
		unames_lock(&names);
		u = abstract_peek(a);
		if (u && !ref_tryget(&u->ref))
			u = NULL;
		unames_unlock(&names);
		*out = u;
		return u ? 0 : -ECONNREFUSED;
	}
	path_of(a, path);
	err = task_walk(t, AT_FDCWD, path, &w);
	if (err)
		return err;
	err = path_lookup(&w, path, LOOKUP_FOLLOW, &p);
	walk_done(&w);
	if (err)
		return err;
	in = path_inode(&p);
	err = inode_permission(in, task_cred(t), MAY_WRITE);
	if (!err && !S_ISSOCK(in->mode))
		err = -ECONNREFUSED;
	unames_lock(&names);
	u = in->bound;
	if (u && !ref_tryget(&u->ref))
		u = NULL;
	unames_unlock(&names);
	path_put(&p);
	if (!err && !u)
		err = -ECONNREFUSED;
	if (err)
		usock_put(u);
	else
		*out = u;
	return err;
}

/* connections */

static int begin_connect(struct usock *u)
{
	int err = 0;

	usock_lock(u);
	if (u->state == CONNECTED)
		err = -EISCONN;
	else if (u->state != UNCONNECTED)
		err = -EINVAL;
	usock_unlock(u);
	return err;
}

/* Queues @server at @l.  -EAGAIN when the backlog is full. */
static int enqueue(struct usock *l, struct usock *server)
{
	int err = 0;

	usock_lock(l);
	if (l->state != LISTENING || l->rcv_shut) {
		err = -ECONNREFUSED;
	} else if (l->nbacklog > l->backlog_max) {
		err = -EAGAIN;
	} else {
		list_add_tail(&l->backlog, &usock_get(server)->link);
		l->nbacklog++;
	}
	usock_unlock(l);
	return err;
}

static void attach(struct usock *u, struct usock *peer)
{
	usock_lock(u);
	u->peer = usock_get(peer);
	u->state = CONNECTED;
	usock_unlock(u);
}

/* Takes the peer away from @u, as its last use. */
static void detach(struct usock *u)
{
	struct usock *p;

	usock_lock(u);
	p = u->peer;
	u->peer = NULL;
	u->state = UNCONNECTED;
	usock_unlock(u);
	usock_put(p);
}

static int connect_stream(
	struct socket *s, struct task *t, const struct sockaddr_k *a)
{
	struct usock *u = usock_of(s), *l = NULL, *server;
	int err = begin_connect(u);

	if (err)
		return err;
	err = find_bound(t, a, &l);
	if (err)
		return err;
	server = l->type == u->type ? usock_new(u->type) : NULL;
	if (!server) {
		err = l->type == u->type ? -ENOMEM : -EPROTOTYPE;
		usock_put(l);
		return err;
	}
	set_cred(u, t);
	server->pid = l->pid; /* what our SO_PEERCRED shows: who listens */
	server->uid = l->uid;
	server->gid = l->gid;
	server->name = l->name;
	attach(server, u);
	attach(u, server);
	err = enqueue(l, server);
	if (err) {
		detach(u);
		detach(server);
	} else {
		usock_wake(l, EPOLLIN | EPOLLRDNORM);
	}
	usock_put(server);
	usock_put(l);
	return err;
}

/* An AF_UNSPEC address takes the default peer away again. */
static int connect_dgram(
	struct socket *s, struct task *t, const struct sockaddr_k *a)
{
	struct usock *u = usock_of(s), *to = NULL, *old;
	int err;

	if (a->a.ss_family != AF_UNSPEC) {
		err = find_bound(t, a, &to);
		if (!err && to->type != u->type)
			err = -EPROTOTYPE;
		if (err) {
			usock_put(to);
			return err;
		}
	}
	usock_lock(u);
	old = u->peer;
	u->peer = to;
	u->peer_gone = false;
	usock_unlock(u);
	usock_put(old);
	return 0;
}

static int unix_connect(
	struct socket *s, struct task *t, const struct sockaddr_k *a)
{
	int err = 0;

	if (a->len < sizeof(sa_family_t))
		return -EINVAL;
	if (a->a.ss_family != AF_UNSPEC || s->type != SOCK_DGRAM)
		err = check_name(a);
	if (err)
		return err;
	return s->type == SOCK_DGRAM ? connect_dgram(s, t, a)
				     : connect_stream(s, t, a);
}

static int unix_listen(struct socket *s, struct task *t, int backlog)
{
	struct usock *u = usock_of(s);
	int err = 0;

	if (s->type == SOCK_DGRAM)
		return -EOPNOTSUPP;
	if (!u->name.len)
		return -EINVAL;
	usock_lock(u);
	if (u->state != UNCONNECTED && u->state != LISTENING) {
		err = -EINVAL;
	} else {
		u->state = LISTENING;
		u->backlog_max = backlog < 0 || backlog > 4096 ? 4096 : backlog;
		set_cred(u, t);
	}
	usock_unlock(u);
	waitq_wake(&room, EPOLLOUT); /* connects that waited for room */
	return err;
}

static int socket_for(struct task *t, struct usock *u, struct socket **out);

static int unix_accept(struct socket *s, struct task *t, struct socket **out)
{
	struct usock *l = usock_of(s), *u = NULL;
	int err = 0;

	usock_lock(l);
	if (l->state != LISTENING)
		err = s->type == SOCK_DGRAM ? -EOPNOTSUPP : -EINVAL;
	else if (!list_empty(&l->backlog)) {
		u = list_first(&l->backlog, struct usock, link);
		list_del(&u->link);
		l->nbacklog--;
	} else {
		err = l->rcv_shut ? -EINVAL : -EAGAIN;
	}
	usock_unlock(l);
	if (err)
		return err;
	waitq_wake(&room, EPOLLOUT);
	return socket_for(t, u, out);
}

static int unix_getname(struct socket *s, bool peer, struct sockaddr_k *a)
{
	struct usock *u = usock_of(s), *p = NULL;
	struct sockaddr_un *un = (void *)&a->a;

	if (peer) {
		p = peer_get(u);
		if (!p)
			return -ENOTCONN;
		u = p;
	}
	memset(a, 0, sizeof *a);
	*a = u->name;
	if (!a->len) {
		a->len = sizeof un->sun_family;
		un->sun_family = AF_UNIX;
	}
	usock_put(p);
	return 0;
}

/* sending */

HOLDS(lc_usock)
static bool queue_full(struct usock *to, struct socket *from)
{
	if (to->type == SOCK_STREAM)
		return to->queued >= (size_t)atomic_load(&from->sndbuf);
	return to->nqueued > DGRAM_QUEUE ||
	       (to->nqueued &&
		       to->queued >= (size_t)atomic_load(&from->sndbuf));
}

/* May @from put a message into @to's queue?  Called with @to locked. */
HOLDS(lc_usock)
static int may_queue(struct usock *to, struct usock *from, struct socket *s)
{
	if (to->rcv_shut || to->state == CLOSED)
		return to->type == SOCK_DGRAM && to->state == CLOSED
			       ? -ECONNREFUSED
			       : -EPIPE;
	if (to->type == SOCK_DGRAM && to->peer && to->peer != from)
		return -EPERM;
	return queue_full(to, s) ? -EAGAIN : 0;
}

static struct umsg *umsg_new(
	struct usock *u, struct uio *uio, size_t len, ssize_t *got)
{
	struct umsg *m = malloc(sizeof *m + len);

	if (!m)
		return NULL;
	*m = (struct umsg){ .len = len };
	*got = (ssize_t)uio_get(uio, m->data, len);
	if (u->type == SOCK_DGRAM && u->name.len) {
		m->from = malloc(sizeof *m->from);
		if (!m->from) {
			free(m);
			return NULL;
		}
		*m->from = u->name;
	}
	return m;
}

/* Credentials travel when either side wants them: unix(7). */
static int add_cred(
	struct sockmsg *m, struct task *t, struct usock *to, struct socket *s)
{
	struct scm *c;
	bool want;

	usock_lock(to);
	want = !to->sock || socket_opt(to->sock, SO_PASSCRED);
	usock_unlock(to);
	if ((!want && !socket_opt(s, SO_PASSCRED)) ||
		(m->scm && m->scm->has_cred))
		return 0;
	c = scm_new_cred(t);
	if (!c)
		return -ENOMEM;
	if (m->scm) {
		c->files = m->scm->files;
		c->nfiles = m->scm->nfiles;
		free(m->scm);
	}
	m->scm = c;
	return 0;
}

/* Copies one message in, and queues it, unless the queue has filled meanwhile.
 */
static ssize_t send_one(struct socket *s, struct task *t, struct usock *to,
	struct sockmsg *m, size_t len)
{
	struct uio was = *m->uio;
	struct usock *u = usock_of(s);
	struct umsg *msg;
	ssize_t got = 0;
	int err;

	usock_lock(to);
	err = may_queue(to, u, s);
	usock_unlock(to);
	if (err)
		return err;
	err = add_cred(m, t, to, s);
	if (err)
		return err;
	msg = umsg_new(u, m->uio, len, &got);
	if (!msg)
		return -ENOMEM;
	if ((size_t)got < len && (s->type != SOCK_STREAM || !got)) {
		err = -EFAULT;
		goto undo;
	}
	msg->len = (size_t)got;
	usock_lock(to);
	err = may_queue(to, u, s);
	if (!err) {
		msg->scm = m->scm;
		m->scm = NULL;
		list_add_tail(&to->queue, &msg->link);
		to->queued += msg->len;
		to->nqueued++;
	}
	usock_unlock(to);
	if (err)
		goto undo;
	usock_wake(to, EPOLLIN | EPOLLRDNORM);
	return got;

undo:
	*m->uio = was;
	umsg_free(msg);
	return err;
}

static ssize_t send_stream(
	struct socket *s, struct task *t, struct usock *to, struct sockmsg *m)
{
	ssize_t done = 0, n = 0;

	while (uio_left(m->uio)) {
		n = send_one(s, t, to, m, MIN(uio_left(m->uio), (size_t)CHUNK));
		if (n < 0)
			break;
		done += n;
	}
	return done ? done : n;
}

static ssize_t send_packet(
	struct socket *s, struct task *t, struct usock *to, struct sockmsg *m)
{
	size_t len = uio_left(m->uio);

	if (len > (size_t)atomic_load(&s->sndbuf))
		return -EMSGSIZE;
	return send_one(s, t, to, m, len);
}

/* The receiver of a message: a reference. */
static int target(
	struct socket *s, struct task *t, struct sockmsg *m, struct usock **to)
{
	struct usock *u = usock_of(s);
	bool shut, gone;
	int err;

	usock_lock(u);
	shut = u->snd_shut;
	gone = u->peer_gone;
	*to = u->peer ? usock_get(u->peer) : NULL;
	usock_unlock(u);
	if (shut || (gone && s->type != SOCK_DGRAM)) {
		err = -EPIPE;
	} else if (m->name.len && s->type != SOCK_DGRAM) {
		err = *to ? -EISCONN : -EOPNOTSUPP;
		if (s->type == SOCK_SEQPACKET && *to)
			return 0; /* Linux ignores the name */
	} else if (m->name.len) {
		usock_put(*to);
		*to = NULL;
		err = check_name(&m->name);
		if (!err)
			err = find_bound(t, &m->name, to);
		if (!err && (*to)->type != u->type)
			err = -EPROTOTYPE;
	} else if (!*to) {
		err = gone ? -ECONNREFUSED : -ENOTCONN;
	} else {
		return 0;
	}
	if (err) {
		usock_put(*to);
		*to = NULL;
	}
	return err;
}

static ssize_t unix_send(struct socket *s, struct task *t, struct sockmsg *m)
{
	struct usock *to;
	ssize_t n;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	n = target(s, t, m, &to);
	if (n)
		return n;
	n = s->type == SOCK_STREAM ? send_stream(s, t, to, m)
				   : send_packet(s, t, to, m);
	usock_put(to);
	return n;
}

/* receiving */

/* Streams: as many messages as fit, but never past one with ancillary data. */
HOLDS(lc_usock)
static ssize_t take_stream(
	struct usock *u, struct sockmsg *m, struct list *freed)
{
	struct umsg *msg, *next;
	ssize_t done = 0;

	list_for_each_safe(msg, next, &u->queue, link)
	{
		size_t n;

		if (msg->scm && done)
			break;
		n = uio_put(m->uio, msg->data + msg->off, msg->len - msg->off);
		if (!n && msg->len > msg->off)
			break;
		done += (ssize_t)n;
		if (m->flags & MSG_PEEK) {
			if (msg->scm && !m->scm)
				m->scm = scm_copy(msg->scm);
			if (n < msg->len - msg->off)
				break;
			continue;
		}
		if (msg->scm) {
			m->scm = msg->scm;
			msg->scm = NULL;
		}
		msg->off += n;
		u->queued -= n;
		if (msg->off < msg->len)
			break;
		list_del(&msg->link);
		list_add_tail(freed, &msg->link);
		u->nqueued--;
		if (m->scm || !uio_left(m->uio))
			break;
	}
	return done;
}

HOLDS(lc_usock)
static ssize_t take_packet(
	struct usock *u, struct sockmsg *m, struct list *freed)
{
	struct umsg *msg = list_first(&u->queue, struct umsg, link);
	size_t want = MIN(uio_left(m->uio), msg->len);
	struct uio was = *m->uio;
	size_t n = uio_put(m->uio, msg->data, want);

	if (n < want) {
		*m->uio = was;
		return -EFAULT;
	}
	if (n < msg->len)
		m->out_flags |= MSG_TRUNC;
	if (u->type == SOCK_SEQPACKET)
		m->out_flags |= MSG_EOR;
	if (msg->from)
		m->name = *msg->from;
	if (m->flags & MSG_TRUNC)
		n = msg->len;
	if (m->flags & MSG_PEEK) {
		m->scm = scm_copy(msg->scm);
		return (ssize_t)n;
	}
	m->scm = msg->scm;
	msg->scm = NULL;
	list_del(&msg->link);
	list_add_tail(freed, &msg->link);
	u->queued -= msg->len;
	u->nqueued--;
	return (ssize_t)n;
}

HOLDS(lc_usock)
static ssize_t nothing_queued(struct usock *u, struct socket *s)
{
	int err = atomic_exchange(&s->err, 0);

	if (err)
		return -err;
	if (u->rcv_shut || u->peer_gone)
		return s->type == SOCK_DGRAM && !u->rcv_shut ? -EAGAIN : 0;
	if (s->type != SOCK_DGRAM && u->state != CONNECTED)
		return s->type == SOCK_STREAM ? -EINVAL : -ENOTCONN;
	return -EAGAIN;
}

static ssize_t unix_recv(struct socket *s, struct task *t, struct sockmsg *m)
{
	struct usock *u = usock_of(s), *peer;
	struct umsg *msg, *next;
	struct list freed;
	ssize_t n;

	(void)t;
	if (m->flags & MSG_OOB)
		return s->type == SOCK_STREAM ? -EINVAL : -EOPNOTSUPP;
	list_init(&freed);
	usock_lock(u);
	if (list_empty(&u->queue))
		n = nothing_queued(u, s);
	else if (s->type == SOCK_STREAM)
		n = take_stream(u, m, &freed);
	else
		n = take_packet(u, m, &freed);
	if (s->type == SOCK_STREAM && !n && uio_left(m->uio) &&
		!list_empty(&u->queue) && !m->scm)
		n = -EFAULT;
	peer = u->peer && n >= 0 ? usock_get(u->peer) : NULL;
	usock_unlock(u);
	if (n >= 0 && !(m->flags & MSG_PEEK)) {
		waitq_wake(&room, EPOLLOUT | EPOLLWRNORM);
		if (peer)
			usock_wake(peer, EPOLLOUT | EPOLLWRNORM);
	}
	usock_put(peer);
	list_for_each_safe(msg, next, &freed, link) umsg_free(msg);
	return n;
}

/* A stream's receiver wakes its sender; others wait for room anywhere. */
static struct waitq *unix_send_waitq(struct socket *s)
{
	struct usock *u = usock_of(s);
	bool stream;

	usock_lock(u);
	stream = u->state == CONNECTED;
	usock_unlock(u);
	return stream ? &s->waitq : &room;
}

static int unix_shutdown(struct socket *s, int how)
{
	struct usock *u = usock_of(s), *p;
	bool rd = how != SHUT_WR, wr = how != SHUT_RD;

	usock_lock(u);
	u->rcv_shut |= rd;
	u->snd_shut |= wr;
	p = u->peer && s->type != SOCK_DGRAM ? usock_get(u->peer) : NULL;
	usock_unlock(u);
	if (p) {
		usock_lock(p);
		p->rcv_shut |= wr;
		p->snd_shut |= rd;
		usock_unlock(p);
		usock_wake(p, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
		usock_put(p);
	}
	waitq_wake(&room, EPOLLOUT);
	waitq_wake(&s->waitq, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
	return 0;
}

static unsigned unix_poll(struct socket *s)
{
	struct usock *u = usock_of(s), *to;
	unsigned ev = 0;

	usock_lock(u);
	to = u->peer ? usock_get(u->peer) : NULL;
	if (atomic_load(&s->err))
		ev |= EPOLLERR;
	if (!list_empty(&u->queue) || !list_empty(&u->backlog))
		ev |= EPOLLIN | EPOLLRDNORM;
	if (u->rcv_shut || (u->peer_gone && s->type != SOCK_DGRAM))
		ev |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
	if ((u->rcv_shut && u->snd_shut) ||
		(s->type != SOCK_DGRAM &&
			(u->peer_gone || u->state == UNCONNECTED)))
		ev |= EPOLLHUP;
	if (!to && u->state != LISTENING)
		ev |= EPOLLOUT | EPOLLWRNORM;
	usock_unlock(u);
	if (!to)
		return ev;
	usock_lock(to);
	if (!queue_full(to, s))
		ev |= EPOLLOUT | EPOLLWRNORM;
	usock_unlock(to);
	usock_put(to);
	return ev;
}

static long unix_ioctl(
	struct socket *s, struct task *t, unsigned cmd, uint64_t arg)
{
	struct usock *u = usock_of(s), *to;
	struct umsg *m;
	int n = 0;

	switch (cmd) {
	case FIONREAD:
		usock_lock(u);
		m = list_first(&u->queue, struct umsg, link);
		n = s->type == SOCK_STREAM ? (int)u->queued
		    : m                    ? (int)m->len
					   : 0;
		if (u->state == LISTENING)
			n = -EINVAL;
		usock_unlock(u);
		if (n < 0)
			return n;
		break;
	case SIOCOUTQ_K:
		to = peer_get(u);
		if (to) {
			usock_lock(to);
			n = (int)to->queued;
			usock_unlock(to);
			usock_put(to);
		}
		break;
	default:
		return -ENOTTY;
	}
	return copyout(t, uaddr(arg), &n, sizeof n);
}

static int unix_getopt(struct socket *s, struct task *t, int level, int name,
	void *buf, socklen_t *len)
{
	struct usock *u = usock_of(s), *p;
	struct {
		int pid;
		uint32_t uid, gid;
	} cr = { 0, ~0U, ~0U };
	int v;

	(void)t;
	if (level != SOL_SOCKET)
		return -ENOPROTOOPT;
	switch (name) {
	case SO_PEERCRED:
		p = peer_get(u);
		if (p && s->type != SOCK_DGRAM) {
			cr.pid = p->pid;
			cr.uid = p->uid;
			cr.gid = p->gid;
		}
		usock_put(p);
		*len = MIN(*len, (socklen_t)sizeof cr);
		memcpy(buf, &cr, *len);
		return 0;
	case SO_ACCEPTCONN:
		usock_lock(u);
		v = u->state == LISTENING;
		usock_unlock(u);
		*len = MIN(*len, (socklen_t)sizeof v);
		memcpy(buf, &v, *len);
		return 0;
	}
	return -ENOPROTOOPT;
}

/* Tells the other end that @u is gone. */
static void leave_peer(struct usock *u, struct usock *p, bool unread)
{
	struct usock *back = NULL;
	struct file *f = NULL;

	usock_lock(p);
	if (p->peer == u) {
		back = p->peer;
		if (p->type != SOCK_DGRAM)
			p->peer = NULL;
		else
			back = NULL;
		p->peer_gone = true;
		if (unread && p->sock && ref_tryget(&p->sock->file.ref))
			f = &p->sock->file;
	}
	usock_unlock(p);
	if (f) {
		atomic_store(&socket_of(f)->err, ECONNRESET);
		file_put(f);
	}
	usock_put(back);
	usock_wake(p, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP | EPOLLERR);
}

/* Nobody will accept these any more. */
static void drop_backlog(struct list *backlog)
{
	struct usock *u, *next;

	list_for_each_safe(u, next, backlog, link)
	{
		struct usock *p;

		list_del(&u->link);
		usock_lock(u);
		u->state = CLOSED;
		p = u->peer;
		u->peer = NULL;
		usock_unlock(u);
		if (p)
			leave_peer(u, p, true);
		usock_put(p);
		usock_put(u);
	}
}

static void unix_release(struct socket *s)
{
	struct usock *u = usock_of(s), *p;
	struct umsg *m, *next;
	struct list queue, backlog;
	bool unread;

	if (u) {
		unbind(u);
		list_init(&queue);
		list_init(&backlog);
		usock_lock(u);
		u->state = CLOSED;
		u->sock = NULL;
		p = u->peer;
		u->peer = NULL;
		unread = !list_empty(&u->queue);
		list_splice_tail(&queue, &u->queue);
		list_splice_tail(&backlog, &u->backlog);
		u->queued = 0;
		u->nqueued = 0;
		usock_unlock(u);
		if (p && (u->type != SOCK_DGRAM))
			leave_peer(u, p, unread);
		waitq_wake(&room, EPOLLOUT | EPOLLERR);
		drop_backlog(&backlog);
		list_for_each_safe(m, next, &queue, link) umsg_free(m);
		usock_put(p);
		usock_put(u);
	}
	file_fini(&s->file);
	free(container_of(s, struct unix_socket, s));
}

static const struct socket_ops unix_ops = {
	.bind = unix_bind,
	.connect = unix_connect,
	.listen = unix_listen,
	.accept = unix_accept,
	.getname = unix_getname,
	.send = unix_send,
	.recv = unix_recv,
	.shutdown = unix_shutdown,
	.getopt = unix_getopt,
	.ioctl = unix_ioctl,
	.send_waitq = unix_send_waitq,
	.poll = unix_poll,
	.release = unix_release,
};

/* Puts a socket file around @u (consumed, even on failure). */
static int socket_for(struct task *t, struct usock *u, struct socket **out)
{
	struct unix_socket *us = calloc(1, sizeof *us);
	int err = us ? socket_init(&us->s, &unix_ops, t, AF_UNIX, u->type, 0)
		     : -ENOMEM;

	if (err) {
		struct list one;

		free(us);
		list_init(&one);
		list_add(&one, &u->link);
		drop_backlog(&one);
		return err;
	}
	us->u = u;
	usock_lock(u);
	u->sock = &us->s;
	usock_unlock(u);
	*out = &us->s;
	return 0;
}

static int check_type(int *type, int protocol)
{
	if (protocol && protocol != AF_UNIX)
		return -EPROTONOSUPPORT;
	if (*type == SOCK_RAW)
		*type = SOCK_DGRAM; /* as Linux does */
	return *type == SOCK_STREAM || *type == SOCK_DGRAM ||
			       *type == SOCK_SEQPACKET
		       ? 0
		       : -ESOCKTNOSUPPORT;
}

static int unix_create(
	struct task *t, int type, int protocol, struct socket **out)
{
	int err = check_type(&type, protocol);
	struct usock *u;

	if (err)
		return err;
	u = usock_new(type);
	return u ? socket_for(t, u, out) : -ENOMEM;
}

static int unix_pair(
	struct task *t, int type, int protocol, struct socket *out[2])
{
	int err = unix_create(t, type, protocol, &out[0]);

	if (err)
		return err;
	err = unix_create(t, type, protocol, &out[1]);
	if (err) {
		file_put(&out[0]->file);
		return err;
	}
	for (int i = 0; i < 2; i++) {
		struct usock *u = usock_of(out[i]);

		set_cred(u, t);
		attach(u, usock_of(out[!i]));
	}
	return 0;
}

const struct socket_family unix_family = {
	.family = AF_UNIX,
	.create = unix_create,
	.pair = unix_pair,
};

void unix_init(void)
{
	waitq_init(&room);
	mutex_init(&names.lock, &lc_unames);
	for (int i = 0; i < NBUCKETS; i++)
		list_init(&names.bucket[i]);
}
