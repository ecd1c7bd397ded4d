/* frame.c - whole messages over a socket, with at most one descriptor each. */
#include "fs9p/frame.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cursor.h"
#include "fs9p/msg.h"

/* Two big messages fit into the socket, so that a write rarely waits. */
#define FRAME_SNDBUF (4 * P9_MSIZE)

int p9_socketpair(int sv[2])
{
	int size = FRAME_SNDBUF;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
		return -errno;
	/* A limit of the host may make it less: then a sender waits. */
	(void)setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	(void)setsockopt(sv[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	return 0;
}

int frame_is_stream(int sock)
{
	int type;
	socklen_t len = sizeof type;

	if (getsockopt(sock, SOL_SOCKET, SO_TYPE, &type, &len))
		return -errno;
	if (type != SOCK_STREAM && type != SOCK_SEQPACKET)
		return -ESOCKTNOSUPPORT;
	return type == SOCK_STREAM;
}

static void iov_skip(struct iovec *iov, int niov, size_t n)
{
	for (int i = 0; i < niov; i++) {
		size_t some = MIN(n, iov[i].iov_len);

		iov[i].iov_base = (char *)iov[i].iov_base + some;
		iov[i].iov_len -= some;
		n -= some;
	}
}

static size_t iov_total(const struct iovec *iov, int niov)
{
	size_t n = 0;

	for (int i = 0; i < niov; i++)
		n += iov[i].iov_len;
	return n;
}

int frame_send(int sock, struct iovec *iov, int niov, int donate)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} ctl = { .room = { 0 } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = (size_t)niov };
	size_t left = iov_total(iov, niov);
	ssize_t n;

	if (donate >= 0) {
		struct cmsghdr *c = &ctl.align;

		mh.msg_control = &ctl;
		mh.msg_controllen = sizeof ctl;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &donate, sizeof donate);
	}
	while (left) {
		n = sendmsg(sock, &mh, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		left -= (size_t)n;
		iov_skip(iov, niov, (size_t)n);
		mh.msg_control = NULL;
		mh.msg_controllen = 0;
	}
	return 0;
}

/* What came as ancillary data: keeps one descriptor, closes the rest. */
static void take_fds(struct msghdr *mh, int *donated)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int hfd;

			memcpy(&hfd, CMSG_DATA(c) + i * sizeof hfd, sizeof hfd);
			if (*donated < 0)
				*donated = hfd;
			else
				close(hfd);
		}
	}
}

static ssize_t recv_some(int sock, void *buf, size_t n, int *donated, int flags)
{
	union {
		struct cmsghdr align;
		/* One descriptor asked for: Linux fills the room's padding too.
		 */
		char room[CMSG_SPACE(sizeof(int))];
	} ctl;
	struct iovec iov = { buf, n };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t got;

	if (donated) {
		mh.msg_control = &ctl;
		mh.msg_controllen = sizeof ctl;
	}
	do {
		got = recvmsg(sock, &mh, flags | MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	if (donated)
		take_fds(&mh, donated);
	return mh.msg_flags & MSG_TRUNC ? -EMSGSIZE : got;
}

static ssize_t recv_stream(
	int sock, uint8_t *buf, size_t cap, int *donated, int flags)
{
	ssize_t n =
		recv_some(sock, buf, P9_HEADER, donated, flags | MSG_WAITALL);
	struct cursor c = cursor(buf, cap);
	size_t size = cur_u32(&c);

	if (n <= 0)
		return n;
	if (n != P9_HEADER || size < P9_HEADER || size > cap)
		return -EMSGSIZE;
	if (size == P9_HEADER)
		return P9_HEADER;
	n = recv_some(
		sock, buf + P9_HEADER, size - P9_HEADER, donated, MSG_WAITALL);
	if (n < 0)
		return n;
	return (size_t)n == size - P9_HEADER ? (ssize_t)size : 0;
}

ssize_t frame_recv(
	int sock, bool stream, void *buf, size_t cap, int *donated, int flags)
{
	ssize_t n;

	if (donated)
		*donated = -1;
	n = stream ? recv_stream(sock, buf, cap, donated, flags)
		   : recv_some(sock, buf, cap, donated, flags);
	if (n <= 0 && donated && *donated >= 0) {
		close(*donated);
		*donated = -1;
	}
	return n;
}
