/* fdio.c - core/fdio and core/fdpass: files and descriptors arrive whole. */
#include "core/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fdpass.h"
#include "core/own.h"
#include "selftest/unit/unit.h"

static char dir[] = "/tmp/unit-fdio-XXXXXX";
static struct err e;

static int temp_dir(void)
{
	CHECK(mkdtemp(dir));
	return open(dir, O_RDONLY | O_DIRECTORY);
}

TEST(fdio, replace_and_read)
{
	int d = temp_dir();
	struct stat st;
	size_t n;
	char *p;

	CHECK(replace_file(d, "f", "one", 3, 0600, &e) == 0);
	CHECK(replace_file(d, "f", "two\0x", 5, 0640, &e) == 0);
	p = read_file(d, "f", 100, &n, &e);
	CHECK(p && n == 5 && !memcmp(p, "two\0x", 6));
	free(p);
	CHECK(fstatat(d, "f", &st, 0) == 0 && (st.st_mode & 07777) == 0640);
	CHECK(!read_file(d, "f", 4, &n, &e) && e.code == EFBIG);
	CHECK(!read_file(d, "g", 4, &n, &e) && e.code == ENOENT);
	CHECK(replace_file(d, "no/f", "x", 1, 0600, &e) == -ENOENT);
	CHECK(write_file(d, "f", "3", &e) == 0 &&
		write_file(d, "new", "4", &e) == 0);
	p = read_file(d, "f", 100, NULL, &e);
	CHECK(p && !strcmp(p, "3"));
	free(p);
	unlinkat(d, "f", 0);
	unlinkat(d, "new", 0);
	CHECK(rmdir(dir) == 0); /* no temporary file is left */
	close(d);
}

TEST(fdio, reads_files_without_a_size)
{
	size_t n;
	char *p = read_file(AT_FDCWD, "/proc/self/status", 1 << 20, &n, &e);

	CHECK(p && n > 100 && strlen(p) == n);
	free(p);
}

TEST(fdio, full_reads_and_writes)
{
	char b[8];
	int p[2];

	CHECK(pipe(p) == 0);
	CHECK(write_full(p[1], "abc", 3) == 0 &&
		write_full(p[1], "defgh", 5) == 0);
	CHECK(read_full(p[0], b, 8) == 0 && !memcmp(b, "abcdefgh", 8));
	CHECK(write_full(p[1], "xy", 2) == 0);
	close(p[1]);
	CHECK(read_full(p[0], b, 3) == -ENODATA);
	CHECK(read_full(-1, b, 3) == -EBADF && write_full(-1, b, 3) == -EBADF);
	close(p[0]);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void close_some(void)
{
	static const int keep[] = { 1, 51, 52, 60 };

	for (int fd = 50; fd < 64; fd++)
		dup2(0, fd);
	close_others(50, keep, 4);
	for (int fd = 50; fd < 64; fd++)
		if (is_open(fd) != (fd == 51 || fd == 52 || fd == 60))
			_exit(1);
	if (!is_open(1))
		_exit(2);
}

TEST(fdio, close_others_keeps_what_it_should)
{
	char err[100];

	CHECK(test_fork(close_some, err, sizeof err) == 0);
}

TEST(fdpass, descriptors_travel_and_surplus_is_closed)
{
	int s[2], fds[3] = { 0, 1, 2 }, got[2] = { -1, -1 };
	size_t n = 2;
	char b[8];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	CHECK(fd_send(s[0], "hello", 5, fds, 3) == 5);
	CHECK(fd_recv(s[1], b, sizeof b, got, &n, 0) == 5);
	CHECK(n == 2 && !memcmp(b, "hello", 5));
	CHECK(fcntl(got[0], F_GETFD) == FD_CLOEXEC);
	CHECK(!is_open(got[1] + 1));
	close(got[0]);
	close(got[1]);
	CHECK(fd_send(s[0], "x", 1, NULL, 0) == 1);
	n = 2;
	CHECK(fd_recv(s[1], b, sizeof b, got, &n, 0) == 1 && n == 0);
	n = 2;
	CHECK(fd_recv(s[1], b, sizeof b, got, &n, MSG_DONTWAIT) == -EAGAIN);
	close(s[0]);
	CHECK(fd_recv(s[1], b, sizeof b, got, &n, 0) == 0);
	CHECK(fd_send(s[1], "x", 1, NULL, 0) == -EPIPE);
	CHECK(fd_send(s[1], "x", 1, fds, FDPASS_MAX + 1) == -EINVAL);
	close(s[1]);
}
