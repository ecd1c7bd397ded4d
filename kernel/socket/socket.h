/*
 * socket.h - sockets, whatever their family.
 *
 * A family embeds struct socket first and fills socket_ops; socket.c supplies
 * the file, the blocking loops with their time-outs, and the SOL_SOCKET options
 * common to all.  Operations never block: -EAGAIN, and the wait queue tells.
 * socket(7) is the contract.
 *
 * Field letters:  I  constant once published    a  atomic
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/list.h"
#include "core/waitq.h"
#include "kernel/vfs/file.h"

struct cred;
struct scm;
struct socket;

#define SOCK_NAME_MAX sizeof(struct sockaddr_storage)
#define SOCK_BUF_DEFAULT 212992		/* net.core.wmem_default */

struct sockaddr_k {			/* an address on its way in or out */
	socklen_t len;			/* 0: none */
	struct sockaddr_storage a;
};

struct sockmsg {			/* one sendmsg or recvmsg */
	struct uio *uio;
	int flags;			/* MSG_* of the call */
	struct sockaddr_k name;		/* destination, or where it came from */
	struct scm *scm;		/* ancillary data; send takes it over (NULL after), recv gives it */
	int out_flags;			/* MSG_TRUNC, MSG_CTRUNC, MSG_EOR... of the result */
};

struct socket_ops {
	int (*bind)(struct socket *s, struct task *t, const struct sockaddr_k *a);	/* -EOPNOTSUPP, as all */
	int (*connect)(struct socket *s, struct task *t, const struct sockaddr_k *a);
	int (*listen)(struct socket *s, struct task *t, int backlog);
	int (*accept)(struct socket *s, struct task *t, struct socket **out);	/* file reference */
	int (*getname)(struct socket *s, bool peer, struct sockaddr_k *a);
	ssize_t (*send)(struct socket *s, struct task *t, struct sockmsg *m);
	ssize_t (*recv)(struct socket *s, struct task *t, struct sockmsg *m);
	int (*shutdown)(struct socket *s, int how);
	/* SOL_SOCKET options of the family itself, and other levels. -ENOPROTOOPT: unknown */
	int (*getopt)(struct socket *s, struct task *t, int level, int name, void *buf, socklen_t *len);
	int (*setopt)(struct socket *s, struct task *t, int level, int name, const void *buf, socklen_t len);
	long (*ioctl)(struct socket *s, struct task *t, unsigned cmd, uint64_t arg);	/* -ENOTTY */
	/* What to wait on for @s to become writable, if not its own queue. */
	struct waitq *(*send_waitq)(struct socket *s);	/* own */
	unsigned (*poll)(struct socket *s);
	void (*release)(struct socket *s);		/* frees it, after file_fini() */
};

struct socket {
	struct file file;		/* first */
	const struct socket_ops *ops;	/* I */
	int family, type, protocol;	/* I */
	struct waitq waitq;
	_Atomic int64_t rcvtimeo, sndtimeo;	/* a: ns, 0: for ever */
	atomic_int sndbuf, rcvbuf, rcvlowat;	/* a */
	atomic_int err;			/* a: SO_ERROR, positive errno */
	atomic_uint opts;		/* a: bit n is a boolean SO_* of number n (< 32) */
	atomic_int linger;		/* a: seconds, -1 off */
};

/* One row a family: makes an unconnected socket (its file reference). */
struct socket_family {
	int family;
	int (*create)(struct task *t, int type, int protocol, struct socket **out);
	int (*pair)(struct task *t, int type, int protocol, struct socket *out[2]);
};
const struct socket_family *socket_family_find(int family);

/* For a family's create: fills everything but the concrete part. */
int socket_init(struct socket *s, const struct socket_ops *ops, struct task *t, int family,
	int type, int protocol) MUST_CHECK;
/* NULL when @f is no socket. */
struct socket *socket_of(struct file *f);
static inline bool socket_opt(struct socket *s, int name)
{
	return atomic_load(&s->opts) >> name & 1;
}

/* The blocking forms, with MSG_DONTWAIT, O_NONBLOCK, SO_RCVTIMEO and restart rules. */
ssize_t socket_send(struct task *t, struct socket *s, struct sockmsg *m) MUST_CHECK;
ssize_t socket_recv(struct task *t, struct socket *s, struct sockmsg *m) MUST_CHECK;
int socket_accept(struct task *t, struct socket *s, int flags, struct socket **out) MUST_CHECK;
int socket_connect(struct task *t, struct socket *s, const struct sockaddr_k *a) MUST_CHECK;
int socket_getopt(struct task *t, struct socket *s, int level, int name, void *buf, socklen_t *len) MUST_CHECK;
int socket_setopt(struct task *t, struct socket *s, int level, int name, const void *buf, socklen_t len) MUST_CHECK;
