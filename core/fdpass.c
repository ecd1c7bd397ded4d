/* fdpass.c - messages with descriptors over Unix sockets. */
#include "core/fdpass.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(FDPASS_MAX * sizeof(int))];
};

ssize_t fd_send(
	int sock, const void *buf, size_t n, const int *fds, size_t nfds)
{
	struct iovec iov = { (void *)(uintptr_t)buf, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	union control ctl;
	ssize_t sent;

	if (nfds > FDPASS_MAX)
		return -EINVAL;
	if (nfds) {
		memset(&ctl, 0, sizeof ctl);
		m.msg_control = &ctl;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	do {
		sent = sendmsg(sock, &m, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

/* Hands out the descriptors of one control message; closes what has no room. */
static void take_fds(struct cmsghdr *c, int *fds, size_t room, size_t *got)
{
	size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int fd;

	for (size_t i = 0; i < n; i++) {
		memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
		if (*got < room)
			fds[(*got)++] = fd;
		else
			close(fd);
	}
}

ssize_t fd_recv(
	int sock, void *buf, size_t n, int *fds, size_t *nfds, int flags)
{
	struct iovec iov = { buf, n };
	union control ctl;
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &ctl,
		.msg_controllen = sizeof ctl };
	size_t room = *nfds;
	ssize_t got;

	*nfds = 0;
	do {
		got = recvmsg(sock, &m, flags | MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			take_fds(c, fds, room, nfds);
	return got;
}
