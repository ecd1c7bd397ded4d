/* eventfd.c - eventfd(2). */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "selftest/test.h"

static long take(int fd)
{
	uint64_t v = 0;
	long n = read(fd, &v, sizeof v);

	return n == 8 ? (long)v : n;
}

static long give(int fd, uint64_t v)
{
	return write(fd, &v, sizeof v);
}

static int ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	poll(&p, 1, 0);
	return p.revents;
}

TEST(eventfd, counter)
{
	int fd = eventfd(3, EFD_NONBLOCK);

	SEE(take(fd));
	SEE(take(fd));
	SEE(give(fd, 5));
	SEE(give(fd, 6));
	SEE(ready(fd));
	SEE(take(fd));
	SEE(ready(fd));
	SEE(give(fd, 0));
	SEE(take(fd));
}

TEST(eventfd, semaphore)
{
	int fd = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE);

	SEE(take(fd));
	SEE(take(fd));
	SEE(take(fd));
}

TEST(eventfd, limits)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	char small[4] = "";

	SEE(give(fd, UINT64_MAX));
	SEE(give(fd, UINT64_MAX - 1));
	SEE(ready(fd));
	SEE(give(fd, 1));
	SEE(read(fd, small, 4));
	SEE(write(fd, small, 4));
	SEE(take(fd));
	SEE(eventfd(0, 2));
	SEE(lseek(fd, 0, SEEK_SET));
}
