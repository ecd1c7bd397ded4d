/* fifo.c - fifo(7). */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

#define NAME "/tmp/selftest-fifo"

static void make(void)
{
	unlink(NAME);
	SEE(mkfifo(NAME, 0600));
}

TEST(fifo, open_without_blocking)
{
	int r, w;

	make();
	SEE(open(NAME, O_WRONLY | O_NONBLOCK));
	SEE((r = open(NAME, O_RDONLY | O_NONBLOCK)) >= 0);
	SEE((w = open(NAME, O_WRONLY | O_NONBLOCK)) >= 0);
	SEE(write(w, "abc", 3));
	SEE(close(w));
	char buf[8];
	SEE(read(r, buf, 8));
	SEE(read(r, buf, 8));
	unlink(NAME);
}

TEST(fifo, open_waits_for_the_other_end)
{
	char buf[8] = "";
	int fd, status;

	make();
	if (!fork()) {
		fd = open(NAME, O_WRONLY);
		_exit(write(fd, "hello", 5) == 5 ? 7 : 8);
	}
	SEE((fd = open(NAME, O_RDONLY)) >= 0);
	SEE(read(fd, buf, 5));
	SEE_STR(buf);
	SEE(read(fd, buf, 5));
	SEE(wait(&status) > 0);
	SEE(WEXITSTATUS(status));
	unlink(NAME);
}

TEST(fifo, no_hangup_before_the_first_writer)
{
	struct pollfd p = { .events = POLLIN };
	int w;

	make();
	SEE((p.fd = open(NAME, O_RDONLY | O_NONBLOCK)) >= 0);
	SEE(poll(&p, 1, 0));
	SEE(p.revents);
	SEE((w = open(NAME, O_WRONLY)) >= 0);
	SEE(close(w));
	SEE(poll(&p, 1, 0));
	SEE(p.revents);
	unlink(NAME);
}

TEST(fifo, both_ways)
{
	char c;
	int fd;

	make();
	SEE((fd = open(NAME, O_RDWR)) >= 0);
	SEE(write(fd, "q", 1));
	SEE(read(fd, &c, 1));
	SEE(lseek(fd, 0, SEEK_SET));
	unlink(NAME);
}
