/* splice.c - sendfile(2), splice(2), tee(2), vmsplice(2), copy_file_range(2).
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "selftest/sys/dir.h"
#include "selftest/test.h"

static long copy_range(
	int in, off_t *ip, int out, off_t *op, size_t n, unsigned flags)
{
	return syscall(SYS_copy_file_range, in, ip, out, op, n, flags);
}

TEST(sendfile, file_to_file_pipe_and_socket)
{
	char buf[32] = "";
	off_t pos = 2;
	int in, out, p[2], s[2];

	in_fresh_dir();
	make_file("in", "0123456789");
	in = must_open("in", O_RDONLY, 0);
	out = must_open("out", O_CREAT | O_RDWR, 0644);
	SEE(sendfile(out, in, NULL, 4));
	SEE(lseek(in, 0, SEEK_CUR));
	SEE(sendfile(out, in, &pos, 100));
	SEE(pos);
	SEE(lseek(in, 0, SEEK_CUR));
	SEE_STR(file_text("out"));
	SEE(sendfile(out, in, &pos, 100));
	SEE(pipe(p));
	pos = 0;
	SEE(sendfile(p[1], in, &pos, 5));
	SEE(read(p[0], buf, sizeof buf));
	SEE_STR(buf);
	SEE(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	SEE(sendfile(s[0], in, NULL, 3));
	SEE(read(s[1], buf, sizeof buf));
	SEE(sendfile(out, p[0], NULL, 1));
	SEE(sendfile(out, p[0], &pos, 1));
	SEE(sendfile(in, in, NULL, 1));
	SEE(sendfile(out, out, NULL, 0));
	SEE(sendfile(-1, in, NULL, 1));
	pos = -1;
	SEE(sendfile(out, in, &pos, 1));
	SEE(sendfile(out, in, bad_addr, 1));
}

TEST(splice, through_a_pipe)
{
	char buf[32] = "";
	loff_t pos = 4;
	int in, out, p[2];

	in_fresh_dir();
	make_file("in", "0123456789");
	in = must_open("in", O_RDONLY, 0);
	out = must_open("out", O_CREAT | O_RDWR, 0644);
	SEE(pipe(p));
	SEE(splice(in, &pos, p[1], NULL, 100, 0));
	SEE(pos);
	SEE(splice(in, NULL, p[1], NULL, 3, 0));
	SEE(lseek(in, 0, SEEK_CUR));
	pos = 1;
	SEE(splice(p[0], NULL, out, &pos, 4, 0));
	SEE(pos);
	SEE(splice(p[0], NULL, out, NULL, 1, 0));
	SEE(read(p[0], buf, sizeof buf));
	SEE_STR(buf);
	SEE_STR(file_text("out"));
	SEE(splice(p[0], NULL, out, NULL, 1, SPLICE_F_NONBLOCK));
	SEE(splice(in, NULL, out, NULL, 1, 0));
	SEE(splice(p[0], &pos, out, NULL, 1, 0));
	SEE(splice(p[0], NULL, p[1], NULL, 1, 0));
	SEE(splice(in, NULL, p[1], NULL, 1, 16));
	SEE(splice(-1, NULL, p[1], NULL, 1, 0));
	SEE(splice(in, NULL, p[1], NULL, 0, 0));
	SEE(close(p[1]));
	SEE(splice(p[0], NULL, out, NULL, 1, 0));
}

TEST(tee, leaves_the_bytes)
{
	char buf[32] = "";
	int p[2], q[2], fd;

	in_fresh_dir();
	SEE(pipe(p));
	SEE(pipe(q));
	SEE(write(p[1], "hello", 5));
	SEE(tee(p[0], q[1], 100, 0));
	SEE(tee(p[0], q[1], 2, 0));
	SEE(read(p[0], buf, sizeof buf));
	SEE_STR(buf);
	SEE(read(q[0], buf, sizeof buf));
	SEE_STR(buf);
	SEE(tee(p[0], q[1], 1, SPLICE_F_NONBLOCK));
	SEE(tee(p[0], p[1], 1, 0));
	fd = must_open("f", O_CREAT | O_RDWR, 0644);
	SEE(tee(fd, q[1], 1, 0));
	SEE(tee(p[0], q[1], 0, 0));
	SEE(close(p[1]));
	SEE(tee(p[0], q[1], 1, 0));
}

TEST(vmsplice, both_ways)
{
	char buf[32] = "";
	struct iovec v[2] = { { (void *)"abc", 3 }, { (void *)"de", 2 } };
	struct iovec to = { buf, 31 };
	int p[2], fd;

	in_fresh_dir();
	SEE(pipe(p));
	SEE(vmsplice(p[1], v, 2, 0));
	SEE(vmsplice(p[0], &to, 1, 0));
	SEE_STR(buf);
	fd = must_open("f", O_CREAT | O_RDWR, 0644);
	SEE(vmsplice(fd, v, 1, 0));
	SEE(vmsplice(p[1], v, 1, 16));
}

TEST(vmsplice, a_full_pipe_ends_it)
{
	static char big[3 * 65536] __attribute__((aligned(4096)));
	struct iovec v = { big, sizeof big };
	int p[2];

	SEE(pipe(p));
	SEE(vmsplice(p[1], &v, 1, 0));
	SEE(read(p[0], big, 8192));
	SEE(vmsplice(p[1], &v, 1, 0));
	SEE(vmsplice(p[1], &v, 1, SPLICE_F_NONBLOCK));
}

TEST(copy_file_range, positions_and_errors)
{
	loff_t a = 2, b = 1;
	int in, out, p[2];

	in_fresh_dir();
	make_file("in", "0123456789");
	in = must_open("in", O_RDWR, 0);
	out = must_open("out", O_CREAT | O_RDWR, 0644);
	SEE(copy_range(in, NULL, out, NULL, 3, 0));
	SEE(lseek(in, 0, SEEK_CUR) * 10 + lseek(out, 0, SEEK_CUR));
	SEE(copy_range(in, &a, out, &b, 3, 0));
	SEE(a * 10 + b);
	SEE_STR(file_text("out"));
	SEE(copy_range(in, &a, out, &b, 100, 0));
	SEE(copy_range(in, &a, out, &b, 100, 0));
	SEE(copy_range(in, NULL, out, NULL, 3, 1));
	a = 0;
	b = 2;
	SEE(copy_range(in, &a, in, &b, 3, 0));
	b = 5;
	SEE(copy_range(in, &a, in, &b, 3, 0));
	SEE_STR(file_text("in"));
	SEE(pipe(p));
	SEE(copy_range(in, NULL, p[1], NULL, 1, 0));
	SEE(copy_range(must_open(".", O_RDONLY, 0), NULL, out, NULL, 1, 0));
	SEE(copy_range(in, NULL, must_open("out", O_RDONLY, 0), NULL, 1, 0));
	SEE(copy_range(in, NULL, must_open("out", O_WRONLY | O_APPEND, 0), NULL,
		1, 0));
	SEE(copy_range(-1, NULL, out, NULL, 1, 0));
}
