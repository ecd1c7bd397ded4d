/*
 * unix_msg.c - messages of Unix sockets: sending, queues, receiving.
 *
 * A message waits in the queue of its receiver, under that one's lock.  A
 * stream is the same queue with boundaries ignored.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "kernel/mm/mm.h"
#include "kernel/socket/scm.h"
#include "kernel/socket/unix_int.h"
#include "kernel/task/task.h"

#define CHUNK       32768 /* most bytes of a stream in one message */
#define DGRAM_QUEUE 10    /* net.unix.max_dgram_qlen */

void umsg_free(struct umsg *m)
{
	scm_free(m->scm);
	free(m->from);
	free(m);
}

/* sending */

HOLDS(lc_usock)
bool unix_queue_full(struct usock *to, struct socket *from)
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
	return unix_queue_full(to, s) ? -EAGAIN : 0;
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
	if (err == -EFAULT && s->type != SOCK_STREAM)
		m->uio->need = len;
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
		err = unix_check_name(&m->name);
		if (!err)
			err = unix_find_bound(t, &m->name, to);
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

ssize_t unix_send(struct socket *s, struct task *t, struct sockmsg *m)
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
		m->uio->need = want;
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

ssize_t unix_recv(struct socket *s, struct task *t, struct sockmsg *m)
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
		waitq_wake(&unix_room, EPOLLOUT | EPOLLWRNORM);
		if (peer)
			usock_wake(peer, EPOLLOUT | EPOLLWRNORM);
	}
	usock_put(peer);
	list_for_each_safe(msg, next, &freed, link) umsg_free(msg);
	return n;
}

/* A stream's receiver wakes its sender; others wait for room anywhere. */
struct waitq *unix_send_waitq(struct socket *s)
{
	struct usock *u = usock_of(s);
	bool stream;

	usock_lock(u);
	stream = u->state == CONNECTED;
	usock_unlock(u);
	return stream ? &s->waitq : &unix_room;
}
