/*
 * socket.c - sockets, whatever their family: file operations, the blocking
 * loops, and the options of SOL_SOCKET.
 */
#include "kernel/socket/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "core/clock.h"
#include "kernel/socket/scm.h"
#include "kernel/socket/unix.h"
#include "kernel/task/cred.h"
#include "kernel/task/signal.h"
#include "kernel/task/task.h"
#include "kernel/vfs/inode.h"

#define CAP_NET_ADMIN_K 12
#define SOCK_BUF_MAX    212992
#define SOCK_BUF_MIN    4608

const struct socket_family *socket_family_find(int family)
{
	static const struct socket_family *const families[] = { &unix_family };

	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (families[i]->family == family)
			return families[i];
	return NULL;
}

static struct socket *sock(struct file *f)
{
	return container_of(f, struct socket, file);
}

/* One try, as read(2) on the file makes it. */
static ssize_t socket_file_read(struct file *f, struct uio *to, int64_t *pos)
{
	struct sockmsg m = { .uio = to };
	ssize_t n;

	(void)pos;
	if (!uio_left(to))
		return 0;
	n = sock(f)->ops->recv(sock(f), current, &m);
	scm_free(m.scm); /* descriptors sent to someone who reads are closed */
	return n;
}

static ssize_t socket_file_write(struct file *f, struct uio *from, int64_t *pos)
{
	struct sockmsg m = { .uio = from };

	(void)pos;
	return sock(f)->ops->send(sock(f), current, &m);
}

static unsigned socket_file_poll(struct file *f)
{
	return sock(f)->ops->poll(sock(f));
}

static struct waitq *socket_file_waitq(struct file *f)
{
	return &sock(f)->waitq;
}

static long socket_file_ioctl(
	struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	struct socket *s = sock(f);

	return s->ops->ioctl ? s->ops->ioctl(s, t, cmd, arg) : -ENOTTY;
}

static void socket_file_release(struct file *f)
{
	sock(f)->ops->release(sock(f));
}

static const struct file_ops socket_file_ops = {
	.name = "socket",
	.read = socket_file_read,
	.write = socket_file_write,
	.poll = socket_file_poll,
	.waitq = socket_file_waitq,
	.ioctl = socket_file_ioctl,
	.release = socket_file_release,
};

struct socket *socket_of(struct file *f)
{
	return f->ops == &socket_file_ops ? sock(f) : NULL;
}

int socket_init(struct socket *s, const struct socket_ops *ops, struct task *t,
	int family, int type, int protocol)
{
	struct inode *in;
	int err;

	err = inode_new_anon(S_IFSOCK | 0777, task_cred(t), &in);
	if (err)
		return err;
	file_init(&s->file, &socket_file_ops, O_RDWR, in, NULL, t->cred);
	inode_put(in);
	s->file.stream = true;
	s->ops = ops;
	s->family = family;
	s->type = type;
	s->protocol = protocol;
	waitq_init(&s->waitq);
	atomic_init(&s->sndbuf, SOCK_BUF_DEFAULT);
	atomic_init(&s->rcvbuf, SOCK_BUF_DEFAULT);
	atomic_init(&s->rcvlowat, 1);
	atomic_init(&s->linger, -1);
	return 0;
}

/* A wait with a time-out is not restarted: signal(7). */
struct wait {
	struct task *t;
	struct waiter w;
	struct waitq *q;
	int64_t deadline;
	bool nonblock;
};

static void wait_begin(struct wait *w, struct task *t, struct socket *s,
	struct waitq *q, unsigned events, int64_t timeo, int flags)
{
	w->t = t;
	w->q = q;
	w->nonblock = (flags & MSG_DONTWAIT) ||
		      (atomic_load(&s->file.flags) & O_NONBLOCK);
	w->deadline = timeo ? deadline_after(mono_now(), timeo) : NO_DEADLINE;
	waiter_init_task(&w->w, t);
	waitq_add(q, &w->w, events);
}

/* After -EAGAIN: 0 try again, else what the call returns. */
static int wait_more(struct wait *w, const char *what)
{
	int err;

	if (w->nonblock)
		return -EAGAIN;
	w->t->wait_what = what;
	err = task_block(w->t, w->deadline);
	w->t->wait_what = NULL;
	if (err == -ETIMEDOUT)
		return -EAGAIN;
	return err == -ERESTARTSYS && w->deadline != NO_DEADLINE ? -EINTR : err;
}

static void wait_end(struct wait *w)
{
	waitq_remove(w->q, &w->w);
}

ssize_t socket_send(struct task *t, struct socket *s, struct sockmsg *m)
{
	struct waitq *q = s->ops->send_waitq ? s->ops->send_waitq(s) : NULL;
	size_t total = uio_left(m->uio);
	struct wait w;
	ssize_t n;

	n = uio_fault_in(m->uio);
	if (n && total)
		return n;
	n = s->ops->send(s, t, m);
	if (n == (ssize_t)total || (n < 0 && n != -EAGAIN && n != -EFAULT))
		goto done;
	wait_begin(&w, t, s, q ? q : &s->waitq, EPOLLOUT | EPOLLERR | EPOLLHUP,
		atomic_load(&s->sndtimeo), m->flags);
	while (uio_left(m->uio) || n == -EAGAIN) {
		n = uio_left(m->uio) ? uio_fault_in(m->uio) : 0;
		if (!n)
			n = s->ops->send(s, t, m);
		if (n == -EFAULT && !uio_fault_in(m->uio))
			continue;
		if (n == -EAGAIN)
			n = wait_more(&w, "socket send");
		if (n < 0)
			break;
	}
	wait_end(&w);
done:
	if (uio_left(m->uio) < total)
		return (ssize_t)(total - uio_left(m->uio));
	if (n == -EPIPE && !(m->flags & MSG_NOSIGNAL)) {
		siginfo_t si;

		siginfo_user(&si, SIGPIPE, SI_USER, t);
		signal_send(t, SIGPIPE, &si);
	}
	return n;
}

/* MSG_WAITALL goes on until the buffer is full, on streams. */
static bool recv_more(struct socket *s, struct sockmsg *m, ssize_t n)
{
	return n > 0 && (m->flags & MSG_WAITALL) && s->type == SOCK_STREAM &&
	       !(m->flags & MSG_PEEK) && uio_left(m->uio) && !m->scm;
}

ssize_t socket_recv(struct task *t, struct socket *s, struct sockmsg *m)
{
	size_t total = uio_left(m->uio);
	struct wait w;
	ssize_t n = 0;

	if (total)
		n = uio_fault_in(m->uio);
	if (n)
		return n;
	n = s->ops->recv(s, t, m);
	if (n != -EAGAIN && n != -EFAULT && !recv_more(s, m, n))
		return n;
	wait_begin(&w, t, s, &s->waitq,
		EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP,
		atomic_load(&s->rcvtimeo), m->flags);
	for (;;) {
		n = s->ops->recv(s, t, m);
		if (n == -EFAULT && !uio_fault_in(m->uio))
			continue;
		if (n == -EAGAIN) {
			n = wait_more(&w, "socket receive");
			if (n)
				break;
		} else if (!recv_more(s, m, n)) {
			break;
		}
	}
	wait_end(&w);
	if ((m->flags & MSG_WAITALL) && s->type == SOCK_STREAM &&
		uio_left(m->uio) < total && !(m->flags & MSG_PEEK))
		return (ssize_t)(total - uio_left(m->uio));
	return n;
}

int socket_accept(
	struct task *t, struct socket *s, int flags, struct socket **out)
{
	struct wait w;
	int err;

	if (!s->ops->accept)
		return -EOPNOTSUPP;
	wait_begin(&w, t, s, &s->waitq, EPOLLIN | EPOLLERR | EPOLLHUP,
		atomic_load(&s->rcvtimeo), 0);
	do
		err = s->ops->accept(s, t, out);
	while (err == -EAGAIN && !(err = wait_more(&w, "accept")));
	wait_end(&w);
	if (!err && (flags & SOCK_NONBLOCK))
		atomic_fetch_or(&(*out)->file.flags, O_NONBLOCK);
	return err;
}

int socket_connect(struct task *t, struct socket *s, const struct sockaddr_k *a)
{
	struct waitq *q = s->ops->send_waitq ? s->ops->send_waitq(s) : NULL;
	struct wait w;
	int err;

	if (!s->ops->connect)
		return -EOPNOTSUPP;
	wait_begin(&w, t, s, q ? q : &s->waitq, EPOLLOUT | EPOLLERR | EPOLLHUP,
		atomic_load(&s->sndtimeo), 0);
	do
		err = s->ops->connect(s, t, a);
	while (err == -EAGAIN && !(err = wait_more(&w, "connect")));
	wait_end(&w);
	return err;
}

/* options */

static bool is_flag_option(int name)
{
	switch (name) {
	case SO_DEBUG:
	case SO_REUSEADDR:
	case SO_DONTROUTE:
	case SO_BROADCAST:
	case SO_KEEPALIVE:
	case SO_OOBINLINE:
	case SO_NO_CHECK:
	case SO_REUSEPORT:
	case SO_PASSCRED:
	case SO_TIMESTAMP:
		return true;
	}
	return false;
}

static int get_int(struct task *t, struct socket *s, int name, int *v)
{
	(void)t;
	switch (name) {
	case SO_TYPE:
		*v = s->type;
		return 0;
	case SO_DOMAIN:
		*v = s->family;
		return 0;
	case SO_PROTOCOL:
		*v = s->protocol;
		return 0;
	case SO_ERROR:
		*v = atomic_exchange(&s->err, 0);
		return 0;
	case SO_SNDBUF:
		*v = atomic_load(&s->sndbuf);
		return 0;
	case SO_RCVBUF:
		*v = atomic_load(&s->rcvbuf);
		return 0;
	case SO_RCVLOWAT:
		*v = atomic_load(&s->rcvlowat);
		return 0;
	case SO_SNDLOWAT:
		*v = 1;
		return 0;
	case SO_PRIORITY:
	case SO_MARK:
		*v = 0;
		return 0;
	}
	if (!is_flag_option(name))
		return -ENOPROTOOPT;
	*v = socket_opt(s, name);
	return 0;
}

static int put_opt(void *buf, socklen_t *len, const void *v, size_t n)
{
	*len = MIN(*len, (socklen_t)n);
	memcpy(buf, v, *len);
	return 0;
}

static int get_timeo(void *buf, socklen_t *len, int64_t ns)
{
	int64_t tv[2] = { ns / NSEC_PER_SEC, ns % NSEC_PER_SEC / 1000 };

	return put_opt(buf, len, tv, sizeof tv);
}

int socket_getopt(struct task *t, struct socket *s, int level, int name,
	void *buf, socklen_t *len)
{
	struct linger l;
	int err, v;

	if (s->ops->getopt) {
		err = s->ops->getopt(s, t, level, name, buf, len);
		if (err != -ENOPROTOOPT)
			return err;
	}
	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	switch (name) {
	case SO_RCVTIMEO:
		return get_timeo(buf, len, atomic_load(&s->rcvtimeo));
	case SO_SNDTIMEO:
		return get_timeo(buf, len, atomic_load(&s->sndtimeo));
	case SO_LINGER:
		v = atomic_load(&s->linger);
		l = (struct linger){ v >= 0, v >= 0 ? v : 0 };
		return put_opt(buf, len, &l, sizeof l);
	}
	err = get_int(t, s, name, &v);
	return err ? err : put_opt(buf, len, &v, sizeof v);
}

static int set_timeo(_Atomic int64_t *to, const void *buf, socklen_t len)
{
	int64_t tv[2];

	if (len < sizeof tv)
		return -EINVAL;
	memcpy(tv, buf, sizeof tv);
	if (tv[1] < 0 || tv[1] >= 1000000)
		return -EDOM;
	atomic_store(to, tv[0] < 0 || tv[0] > INT64_MAX / NSEC_PER_SEC - 1
				 ? 0
				 : tv[0] * NSEC_PER_SEC + tv[1] * 1000);
	return 0;
}

/* The kernel doubles what is asked for: socket(7). */
static int buf_size(int v, bool force)
{
	if (!force && v > SOCK_BUF_MAX)
		v = SOCK_BUF_MAX;
	v = v > INT32_MAX / 2 ? INT32_MAX : v * 2;
	return MAX(v, SOCK_BUF_MIN);
}

static int set_int(struct task *t, struct socket *s, int name, int v)
{
	switch (name) {
	case SO_SNDBUFFORCE:
	case SO_RCVBUFFORCE:
		if (!task_capable(t, CAP_NET_ADMIN_K))
			return -EPERM;
		/* fall through */
	case SO_SNDBUF:
	case SO_RCVBUF:
		atomic_store(name == SO_SNDBUF || name == SO_SNDBUFFORCE
				     ? &s->sndbuf
				     : &s->rcvbuf,
			buf_size(v, name != SO_SNDBUF && name != SO_RCVBUF));
		return 0;
	case SO_RCVLOWAT:
		atomic_store(&s->rcvlowat, v > 0 ? v : 1);
		return 0;
	case SO_PRIORITY:
		return v >= 0 && v <= 6 ? 0 : -EPERM;
	case SO_MARK:
		return task_capable(t, CAP_NET_ADMIN_K) ? 0 : -EPERM;
	}
	if (!is_flag_option(name))
		return -ENOPROTOOPT;
	if (v)
		atomic_fetch_or(&s->opts, 1U << name);
	else
		atomic_fetch_and(&s->opts, ~(1U << name));
	return 0;
}

static int set_linger(struct socket *s, const void *buf, socklen_t len)
{
	struct linger l;

	if (len < sizeof l)
		return -EINVAL;
	memcpy(&l, buf, sizeof l);
	atomic_store(&s->linger, l.l_onoff ? l.l_linger : -1);
	return 0;
}

int socket_setopt(struct task *t, struct socket *s, int level, int name,
	const void *buf, socklen_t len)
{
	int err, v;

	if (s->ops->setopt) {
		err = s->ops->setopt(s, t, level, name, buf, len);
		if (err != -ENOPROTOOPT)
			return err;
	}
	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	switch (name) {
	case SO_RCVTIMEO:
		return set_timeo(&s->rcvtimeo, buf, len);
	case SO_SNDTIMEO:
		return set_timeo(&s->sndtimeo, buf, len);
	}
	if (len < sizeof v)
		return -EINVAL;
	if (name == SO_LINGER)
		return set_linger(s, buf, len);
	memcpy(&v, buf, sizeof v);
	return set_int(t, s, name, v);
}
