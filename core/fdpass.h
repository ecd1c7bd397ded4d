/* fdpass.h - messages with descriptors over Unix sockets (SCM_RIGHTS). */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "core/attr.h"

#define FDPASS_MAX 64

/* One sendmsg(2): @n bytes and @nfds descriptors (borrowed).  Bytes sent or -errno. */
ssize_t fd_send(int sock, const void *buf, size_t n, const int *fds, size_t nfds) MUST_CHECK;
/*
 * One recvmsg(2).  *@nfds holds the room in @fds on entry, the count on return;
 * they arrive close-on-exec and the caller owns them; surplus ones are closed.
 * Bytes received (0: end of file) or -errno.
 */
ssize_t fd_recv(int sock, void *buf, size_t n, int *fds, size_t *nfds, int flags) MUST_CHECK;
