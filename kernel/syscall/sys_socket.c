/* sys_socket.c - sockets: decode, look up, hand on. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "kernel/mm/mm.h"
#include "kernel/socket/scm.h"
#include "kernel/socket/socket.h"
#include "kernel/syscall/syscall.h"
#include "kernel/task/task.h"
#include "kernel/time/clocks.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"

#define TYPE_FLAGS  (SOCK_CLOEXEC | SOCK_NONBLOCK)
#define TYPE_MASK   0xf
#define OPT_MAX     256
#define CONTROL_MAX 20480 /* net.core.optmem_max */
#define MMSG_MAX    1024
#define AF_MAX_K    46

struct msghdr_abi {
	uint64_t name;
	int namelen, pad0;
	uint64_t iov, iovlen, control, controllen;
	int flags, pad1;
};

struct mmsghdr_abi {
	struct msghdr_abi hdr;
	unsigned len, pad;
};

/* A reference on the file; *@s borrowed through it. */
static int socket_get(
	struct task *t, int fd, struct file **f, struct socket **s)
{
	*f = fd_lookup(t, fd);
	if (!*f)
		return -EBADF;
	*s = socket_of(*f);
	if (*s)
		return 0;
	file_put(*f);
	return -ENOTSOCK;
}

static int name_in(struct task *t, uaddr_t u, int len, struct sockaddr_k *a)
{
	memset(a, 0, sizeof *a);
	if (len < 0 || (size_t)len > sizeof a->a)
		return -EINVAL;
	a->len = (socklen_t)len;
	return copyin(t, &a->a, u, (size_t)len);
}

/* Stores at most *@ulen bytes, and the true length. */
static int name_out(
	struct task *t, uaddr_t u, uaddr_t ulen, const struct sockaddr_k *a)
{
	int room, err;

	if (uaddr_null(u))
		return 0;
	err = copyin(t, &room, ulen, sizeof room);
	if (err)
		return err;
	if (room < 0)
		return -EINVAL;
	err = copyout(t, u, &a->a, MIN((size_t)room, (size_t)a->len));
	return err ? err : copyout(t, ulen, &a->len, sizeof a->len);
}

static int fd_flags(int type)
{
	return (type & SOCK_CLOEXEC ? O_CLOEXEC : 0) |
	       (type & SOCK_NONBLOCK ? O_NONBLOCK : 0);
}

static void set_nonblock(struct socket *s, int type)
{
	if (type & SOCK_NONBLOCK)
		atomic_fetch_or(&s->file.flags, O_NONBLOCK);
}

static int find_family(int family, int type, const struct socket_family **f)
{
	if (family < 0 || family >= AF_MAX_K)
		return -EAFNOSUPPORT;
	if (type & ~(TYPE_MASK | TYPE_FLAGS))
		return -EINVAL;
	*f = socket_family_find(family);
	return *f ? 0 : -EAFNOSUPPORT;
}

/* GAP: AF_UNIX is the only family; the others are EAFNOSUPPORT. */
long sys_socket(struct task *t, struct sysargs a)
{
	const struct socket_family *f;
	struct socket *s;
	int type = arg_int(a, 1);
	int err = find_family(arg_int(a, 0), type, &f);

	if (!err)
		err = f->create(t, type & TYPE_MASK, arg_int(a, 2), &s);
	if (err)
		return err;
	set_nonblock(s, type);
	return fd_open(t, &s->file, fd_flags(type));
}

long sys_socketpair(struct task *t, struct sysargs a)
{
	const struct socket_family *f;
	struct socket *s[2];
	int type = arg_int(a, 1), fds[2];
	int err = find_family(arg_int(a, 0), type, &f);

	if (!err && !f->pair)
		err = -EOPNOTSUPP;
	if (!err)
		err = f->pair(t, type & TYPE_MASK, arg_int(a, 2), s);
	if (err)
		return err;
	set_nonblock(s[0], type);
	set_nonblock(s[1], type);
	err = fds[0] = fd_reserve(t, 0);
	if (err < 0)
		goto put;
	err = fds[1] = fd_reserve(t, 0);
	if (err < 0)
		goto unreserve_0;
	err = copyout(t, arg_addr(a, 3), fds, sizeof fds);
	if (err)
		goto unreserve_1;
	fd_install(t, fds[0], &s[0]->file, fd_flags(type));
	fd_install(t, fds[1], &s[1]->file, fd_flags(type));
	return 0;

unreserve_1:
	fd_unreserve(t, fds[1]);
unreserve_0:
	fd_unreserve(t, fds[0]);
put:
	file_put(&s[0]->file);
	file_put(&s[1]->file);
	return err;
}

long sys_bind(struct task *t, struct sysargs a)
{
	struct sockaddr_k name;
	struct socket *s;
	struct file *f;
	int err = socket_get(t, arg_int(a, 0), &f, &s);

	if (err)
		return err;
	err = name_in(t, arg_addr(a, 1), arg_int(a, 2), &name);
	if (!err)
		err = s->ops->bind ? s->ops->bind(s, t, &name) : -EOPNOTSUPP;
	file_put(f);
	return err;
}

long sys_connect(struct task *t, struct sysargs a)
{
	struct sockaddr_k name;
	struct socket *s;
	struct file *f;
	int err = socket_get(t, arg_int(a, 0), &f, &s);

	if (err)
		return err;
	err = name_in(t, arg_addr(a, 1), arg_int(a, 2), &name);
	if (!err)
		err = socket_connect(t, s, &name);
	file_put(f);
	return err;
}

long sys_listen(struct task *t, struct sysargs a)
{
	struct socket *s;
	struct file *f;
	int err = socket_get(t, arg_int(a, 0), &f, &s);

	if (err)
		return err;
	err = s->ops->listen ? s->ops->listen(s, t, arg_int(a, 1))
			     : -EOPNOTSUPP;
	file_put(f);
	return err;
}

static long do_accept(struct task *t, struct sysargs a, int flags)
{
	struct sockaddr_k name = { 0 };
	struct socket *s, *new;
	struct file *f;
	int err;

	if (flags & ~TYPE_FLAGS)
		return -EINVAL;
	err = socket_get(t, arg_int(a, 0), &f, &s);
	if (err)
		return err;
	err = socket_accept(t, s, flags, &new);
	file_put(f);
	if (err)
		return err;
	if (!uaddr_null(arg_addr(a, 1))) {
		err = new->ops->getname(new, true, &name);
		if (err)
			err = -ECONNABORTED;
		else
			err = name_out(
				t, arg_addr(a, 1), arg_addr(a, 2), &name);
	}
	if (err) {
		file_put(&new->file);
		return err;
	}
	return fd_open(t, &new->file, fd_flags(flags));
}

long sys_accept(struct task *t, struct sysargs a)
{
	return do_accept(t, a, 0);
}

long sys_accept4(struct task *t, struct sysargs a)
{
	return do_accept(t, a, arg_int(a, 3));
}

static long do_getname(struct task *t, struct sysargs a, bool peer)
{
	struct sockaddr_k name;
	struct socket *s;
	struct file *f;
	int err = socket_get(t, arg_int(a, 0), &f, &s);

	if (err)
		return err;
	err = s->ops->getname ? s->ops->getname(s, peer, &name) : -EOPNOTSUPP;
	file_put(f);
	if (err)
		return err;
	if (uaddr_null(arg_addr(a, 1)))
		return -EFAULT;
	return name_out(t, arg_addr(a, 1), arg_addr(a, 2), &name);
}

long sys_getsockname(struct task *t, struct sysargs a)
{
	return do_getname(t, a, false);
}

long sys_getpeername(struct task *t, struct sysargs a)
{
	return do_getname(t, a, true);
}

long sys_shutdown(struct task *t, struct sysargs a)
{
	int how = arg_int(a, 1), err;
	struct sockaddr_k name;
	struct socket *s;
	struct file *f;

	err = socket_get(t, arg_int(a, 0), &f, &s);
	if (err)
		return err;
	if (how < SHUT_RD || how > SHUT_RDWR)
		err = -EINVAL;
	else if (s->type != SOCK_DGRAM && s->ops->getname(s, true, &name))
		err = -ENOTCONN;
	else
		err = s->ops->shutdown ? s->ops->shutdown(s, how) : -EOPNOTSUPP;
	file_put(f);
	return err;
}

long sys_getsockopt(struct task *t, struct sysargs a)
{
	uint8_t buf[OPT_MAX];
	struct socket *s;
	struct file *f;
	int room, err;
	socklen_t len;

	err = socket_get(t, arg_int(a, 0), &f, &s);
	if (err)
		return err;
	err = copyin(t, &room, arg_addr(a, 4), sizeof room);
	if (!err && room < 0)
		err = -EINVAL;
	if (!err) {
		len = MIN((socklen_t)room, (socklen_t)sizeof buf);
		err = socket_getopt(
			t, s, arg_int(a, 1), arg_int(a, 2), buf, &len);
	}
	file_put(f);
	if (!err)
		err = copyout(t, arg_addr(a, 3), buf, len);
	return err ? err : copyout(t, arg_addr(a, 4), &len, sizeof len);
}

long sys_setsockopt(struct task *t, struct sysargs a)
{
	int len = arg_int(a, 4), err;
	uint8_t buf[OPT_MAX];
	struct socket *s;
	struct file *f;

	err = socket_get(t, arg_int(a, 0), &f, &s);
	if (err)
		return err;
	if (len < 0)
		err = -EINVAL;
	if (!err)
		err = copyin(
			t, buf, arg_addr(a, 3), MIN((size_t)len, sizeof buf));
	if (!err)
		err = socket_setopt(t, s, arg_int(a, 1), arg_int(a, 2), buf,
			MIN((socklen_t)len, (socklen_t)sizeof buf));
	file_put(f);
	return err;
}

long sys_sendto(struct task *t, struct sysargs a)
{
	struct uio_seg seg = { a.r[1], MIN(arg_size(a, 2), (size_t)INT_MAX) };
	struct sockmsg m = { .flags = arg_int(a, 3) };
	struct socket *s;
	struct file *f;
	struct uio uio;
	ssize_t n = socket_get(t, arg_int(a, 0), &f, &s);

	if (n)
		return n;
	if (!uaddr_null(arg_addr(a, 4)))
		n = name_in(t, arg_addr(a, 4), arg_int(a, 5), &m.name);
	if (!n) {
		uio_init(&uio, &uio_user, t->mm, &seg, 1, false);
		m.uio = &uio;
		n = socket_send(t, s, &m);
		scm_free(m.scm);
	}
	file_put(f);
	return n;
}

long sys_recvfrom(struct task *t, struct sysargs a)
{
	struct uio_seg seg = { a.r[1], MIN(arg_size(a, 2), (size_t)INT_MAX) };
	struct sockmsg m = { .flags = arg_int(a, 3) };
	struct socket *s;
	struct file *f;
	struct uio uio;
	ssize_t n = socket_get(t, arg_int(a, 0), &f, &s);
	int err = 0;

	if (n)
		return n;
	uio_init(&uio, &uio_user, t->mm, &seg, 1, true);
	m.uio = &uio;
	n = socket_recv(t, s, &m);
	scm_free(m.scm);
	file_put(f);
	if (n >= 0 && !uaddr_null(arg_addr(a, 4)))
		err = name_out(t, arg_addr(a, 4), arg_addr(a, 5), &m.name);
	return err ? err : n;
}

static int control_in(
	struct task *t, const struct msghdr_abi *h, struct sockmsg *m)
{
	void *buf;
	int err;

	if (!h->controllen)
		return 0;
	if (h->controllen > CONTROL_MAX)
		return -ENOBUFS;
	buf = malloc(h->controllen);
	if (!buf)
		return -ENOMEM;
	err = copyin(t, buf, uaddr(h->control), h->controllen);
	if (!err)
		err = scm_parse(t, buf, h->controllen, &m->scm);
	free(buf);
	return err;
}

static int iov_in(
	struct task *t, const struct msghdr_abi *h, struct uio_seg **seg)
{
	size_t total;

	if (h->iovlen > IOV_MAX)
		return -EMSGSIZE;
	return copyin_iovec(t, uaddr(h->iov), (int)h->iovlen, seg, &total);
}

static ssize_t send_hdr(
	struct task *t, struct socket *s, const struct msghdr_abi *h, int flags)
{
	struct sockmsg m = { .flags = flags };
	struct uio_seg *seg = NULL;
	struct uio uio;
	ssize_t n = 0;

	if (h->name && h->namelen > 0)
		n = name_in(t, uaddr(h->name),
			MIN(h->namelen, (int)sizeof m.name.a), &m.name);
	else if (h->namelen < 0)
		n = -EINVAL;
	if (!n)
		n = iov_in(t, h, &seg);
	if (n)
		return n;
	n = control_in(t, h, &m);
	if (!n) {
		uio_init(&uio, &uio_user, t->mm, seg, h->iovlen, false);
		m.uio = &uio;
		n = socket_send(t, s, &m);
	}
	scm_free(m.scm);
	free(seg);
	return n;
}

/* Writes back what recvmsg(2) does: name, control data, flags. */
static int hdr_out(struct task *t, struct socket *s, uaddr_t uhdr,
	struct msghdr_abi *h, struct sockmsg *m)
{
	size_t cap = MIN(h->controllen, (uint64_t)CONTROL_MAX), n;
	uint8_t *buf = cap ? malloc(cap) : NULL;
	int err = 0;

	if (cap && !buf)
		return -ENOMEM;
	n = scm_deliver(t, m->scm, socket_opt(s, SO_PASSCRED),
		m->flags & MSG_CMSG_CLOEXEC, buf, cap, &m->out_flags);
	if (n)
		err = copyout(t, uaddr(h->control), buf, n);
	free(buf);
	if (!err && h->name)
		err = copyout(t, uaddr(h->name), &m->name.a,
			MIN((size_t)m->name.len, (size_t)h->namelen));
	if (err)
		return err;
	if (h->name)
		h->namelen = (int)m->name.len;
	h->controllen = n;
	h->flags = m->out_flags | (m->flags & MSG_CMSG_CLOEXEC);
	return copyout(t, uhdr, h, sizeof *h);
}

static ssize_t recv_hdr(struct task *t, struct socket *s, uaddr_t uhdr,
	struct msghdr_abi *h, int flags)
{
	struct sockmsg m = { .flags = flags };
	struct uio_seg *seg = NULL;
	struct uio uio;
	ssize_t n;
	int err;

	if (h->namelen < 0)
		return -EINVAL;
	n = iov_in(t, h, &seg);
	if (n)
		return n;
	uio_init(&uio, &uio_user, t->mm, seg, h->iovlen, true);
	m.uio = &uio;
	n = socket_recv(t, s, &m);
	free(seg);
	err = n < 0 ? 0 : hdr_out(t, s, uhdr, h, &m);
	scm_free(m.scm);
	return err ? err : n;
}

long sys_sendmsg(struct task *t, struct sysargs a)
{
	struct msghdr_abi h;
	struct socket *s;
	struct file *f;
	ssize_t n = socket_get(t, arg_int(a, 0), &f, &s);

	if (n)
		return n;
	n = copyin(t, &h, arg_addr(a, 1), sizeof h);
	if (!n)
		n = send_hdr(t, s, &h, arg_int(a, 2));
	file_put(f);
	return n;
}

long sys_recvmsg(struct task *t, struct sysargs a)
{
	struct msghdr_abi h;
	struct socket *s;
	struct file *f;
	ssize_t n = socket_get(t, arg_int(a, 0), &f, &s);

	if (n)
		return n;
	n = copyin(t, &h, arg_addr(a, 1), sizeof h);
	if (!n)
		n = recv_hdr(t, s, arg_addr(a, 1), &h, arg_int(a, 2));
	file_put(f);
	return n;
}

/* One element of sendmmsg or recvmmsg at @u. */
static ssize_t one_of_many(
	struct task *t, struct socket *s, uaddr_t u, int flags, bool recv)
{
	struct mmsghdr_abi mm;
	unsigned len;
	ssize_t n = copyin(t, &mm, u, sizeof mm);

	if (n)
		return n;
	n = recv ? recv_hdr(t, s, u, &mm.hdr, flags)
		 : send_hdr(t, s, &mm.hdr, flags);
	if (n < 0)
		return n;
	len = (unsigned)n;
	return copyout(t, uaddr_add(u, offsetof(struct mmsghdr_abi, len)), &len,
		sizeof len);
}

long sys_sendmmsg(struct task *t, struct sysargs a)
{
	unsigned n = MIN(arg_uint(a, 2), (unsigned)MMSG_MAX), i;
	struct socket *s;
	struct file *f;
	ssize_t err = socket_get(t, arg_int(a, 0), &f, &s);

	if (err)
		return err;
	for (i = 0; i < n && !err; i += !err)
		err = one_of_many(t, s,
			uaddr_add(
				arg_addr(a, 1), i * sizeof(struct mmsghdr_abi)),
			arg_int(a, 3), false);
	file_put(f);
	return i ? (long)i : err;
}

#define MSG_WAITFORONE_K 0x10000

/* The time-out is looked at between messages only: recvmmsg(2), BUGS. */
long sys_recvmmsg(struct task *t, struct sysargs a)
{
	unsigned n = MIN(arg_uint(a, 2), (unsigned)MMSG_MAX), i;
	int flags = arg_int(a, 3);
	int64_t deadline = NO_DEADLINE, ns;
	struct socket *s;
	struct file *f;
	ssize_t err;

	if (!uaddr_null(arg_addr(a, 4))) {
		err = copyin_timespec(t, arg_addr(a, 4), &ns);
		if (err)
			return err;
		deadline = deadline_after(mono_now(), ns);
	}
	err = socket_get(t, arg_int(a, 0), &f, &s);
	if (err)
		return err;
	for (i = 0; i < n && !err; i += !err) {
		if (i && deadline != NO_DEADLINE && mono_now() >= deadline)
			break;
		err = one_of_many(t, s,
			uaddr_add(
				arg_addr(a, 1), i * sizeof(struct mmsghdr_abi)),
			(flags & ~MSG_WAITFORONE_K) |
				(i && (flags & MSG_WAITFORONE_K) ? MSG_DONTWAIT
								 : 0),
			true);
	}
	file_put(f);
	return i ? (long)i : err;
}
