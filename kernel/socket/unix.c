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
 * lock, takes a reference, and then works under the peer's lock alone.
 *
 * States.  Streams and packets: UNCONNECTED, LISTENING, CONNECTED, CLOSED. When
 * one end closes, the other has "peer_gone": it reads what is queued, then end
 * of file; writes are EPIPE.  Its peer stays, empty, for who asks after its
 * name and credentials, accept(2) among them.  Datagram sockets stay
 * UNCONNECTED, but for a pair; a default peer is only a reference.
 *
 * Limits.  A queue holds what the sender's SO_SNDBUF allows (streams), or
 * DGRAM_QUEUE messages.  GAP: MSG_OOB is EOPNOTSUPP; a poll for EPOLLOUT on a
 * connected datagram socket is not woken by its receiver unless that one is
 * connected back.
 */
#include "kernel/socket/unix.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "kernel/mm/mm.h"
#include "kernel/socket/unix_int.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/inode.h"

#define SIOCOUTQ_K 0x5411

struct waitq unix_room;

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

struct usock *usock_get(struct usock *u)
{
	ref_get(&u->ref);
	return u;
}

void usock_put(struct usock *u)
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

void usock_wake(struct usock *u, unsigned events)
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
	err = unix_find_bound(t, a, &l);
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
		err = unix_find_bound(t, a, &to);
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
		err = unix_check_name(a);
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
	waitq_wake(&unix_room, EPOLLOUT); /* connects that waited for room */
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
	waitq_wake(&unix_room, EPOLLOUT);
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
	waitq_wake(&unix_room, EPOLLOUT);
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
	if (!unix_queue_full(to, s))
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
		usock_lock(u);
		/* Of datagram sockets only those that socketpair(2) made. */
		p = u->peer && (s->type != SOCK_DGRAM || u->state == CONNECTED)
			    ? usock_get(u->peer)
			    : NULL;
		usock_unlock(u);
		if (p) {
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

/* Tells the other end that @u is gone.  It keeps its reference: see States. */
static void leave_peer(struct usock *u, struct usock *p, bool unread)
{
	struct file *f = NULL;

	usock_lock(p);
	if (p->peer == u) {
		p->peer_gone = true;
		if (unread && p->sock && ref_tryget(&p->sock->file.ref))
			f = &p->sock->file;
	}
	usock_unlock(p);
	if (f) {
		atomic_store(&socket_of(f)->err, ECONNRESET);
		file_put(f);
	}
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
		unix_unbind(u);
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
		waitq_wake(&unix_room, EPOLLOUT | EPOLLERR);
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
	waitq_init(&unix_room);
	unix_names_init();
}
