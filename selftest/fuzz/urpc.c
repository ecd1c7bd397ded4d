/* urpc.c - fuzz: bytes from a peer on the control channel. */
#include "core/urpc.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SENT_MAX 65536 /* fits the socket: nobody reads while we write */

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct urpc_msg m;
	struct err e;
	int s[2];

	if (size > SENT_MAX || socketpair(AF_UNIX, SOCK_STREAM, 0, s))
		return 0;
	if (write(s[1], data, size) != (ssize_t)size)
		abort();
	shutdown(s[1], SHUT_WR);
	while (urpc_recv(s[0], &m, &e) == 0) {
		if (!m.doc)
			abort();
		urpc_msg_fini(&m);
	}
	close(s[0]);
	close(s[1]);
	return 0;
}
