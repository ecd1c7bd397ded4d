/*
 * frame.h - whole messages over a socket, with at most one descriptor each.
 *
 * Over SOCK_SEQPACKET (what we use between sandbox and gofer) a message is one
 * packet, so that a hostile peer can never leave us waiting for the rest of it,
 * and threads may send side by side.  Over a stream (independent 9P clients)
 * the length in front delimits it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "core/attr.h"

/* Both ends close-on-exec.  0 or -errno. */
int p9_socketpair(int sv[2]) MUST_CHECK;
int frame_is_stream(int sock);		/* 1, 0 or -errno (-ESOCKTNOSUPPORT: neither kind) */
/* All of @iov as one message; @donate (borrowed) goes with it unless -1.  0 or -errno; -EPIPE when the peer is gone. */
int frame_send(int sock, struct iovec *iov, int niov, int donate) MUST_CHECK;
/*
 * One message.  *@donated: a descriptor that came with it (close-on-exec, the
 * caller's), or -1; NULL: none is taken.  Its length; 0: the peer is gone; -EAGAIN
 * (SO_RCVTIMEO, MSG_DONTWAIT: nothing came), -EMSGSIZE, or another -errno.
 */
ssize_t frame_recv(int sock, bool stream, void *buf, size_t cap, int *donated, int flags) MUST_CHECK;
