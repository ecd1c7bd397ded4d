/*
 * unix_int.h - what the files of Unix sockets share.
 *
 * unix.c has the sockets and their states, unix_name.c the addresses,
 * unix_msg.c the messages.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include "core/list.h"
#include "core/lock.h"
#include "core/ref.h"
#include "kernel/socket/socket.h"

#define NAME_HDR    offsetof(struct sockaddr_un, sun_path)

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

static inline struct usock *usock_of(struct socket *s)
{
	return container_of(s, struct unix_socket, s)->u;
}

/* unix.c */
struct usock *usock_get(struct usock *u);
void usock_put(struct usock *u);	/* NULL is fine */
/* Wakes whoever waits on the socket of @u. */
void usock_wake(struct usock *u, unsigned events);
/*
 * Who sends datagrams to a full queue, or connects to a full backlog, waits
 * here for any of them to drain: rare, and then one more look costs little.
 */
extern struct waitq unix_room;

/* unix_name.c */
int unix_check_name(const struct sockaddr_k *a) MUST_CHECK;
int unix_bind(struct socket *s, struct task *t, const struct sockaddr_k *a);
void unix_unbind(struct usock *u);
/* Who is bound to @a: returns a reference. */
int unix_find_bound(struct task *t, const struct sockaddr_k *a, struct usock **out) MUST_CHECK;
void unix_names_init(void);

/* unix_msg.c */
void umsg_free(struct umsg *m);
/* Has @to, which is locked, no room for what @from would send? */
HOLDS(lc_usock)
bool unix_queue_full(struct usock *to, struct socket *from);
ssize_t unix_send(struct socket *s, struct task *t, struct sockmsg *m);
ssize_t unix_recv(struct socket *s, struct task *t, struct sockmsg *m);
struct waitq *unix_send_waitq(struct socket *s);
