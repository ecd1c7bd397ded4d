/* rw.c - lseek(2), pread(2), readv(2), preadv2(2), truncate(2), fallocate(2),
 * write(2)'s limits. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "selftest/sys/dir.h"
#include "selftest/test.h"

static struct stat st;

TEST(lseek, positions)
{
	char c;
	int fd, p[2];

	in_fresh_dir();
	fd = must_open("f", O_CREAT | O_RDWR, 0644);
	SEE(write(fd, "0123456789", 10));
	SEE(lseek(fd, 0, SEEK_CUR));
	SEE(lseek(fd, 3, SEEK_SET));
	SEE(lseek(fd, 2, SEEK_CUR));
	SEE(lseek(fd, -1, SEEK_END));
	SEE(read(fd, &c, 1) * c);
	SEE(read(fd, &c, 1));
	SEE(lseek(fd, -11, SEEK_END));
	SEE(lseek(fd, -1, SEEK_SET));
	SEE(lseek(fd, 5, SEEK_END));
	SEE(read(fd, &c, 1));
	SEE(write(fd, "x", 1));
	SEE(fstat(fd, &st) || st.st_size != 16);
	SEE(lseek(fd, 0, 77));
	SEE(lseek(-1, 0, SEEK_SET));
	SEE(lseek(fd, 0, SEEK_DATA));
	SEE(lseek(fd, 0, SEEK_HOLE));
	SEE(lseek(fd, 16, SEEK_DATA));
	SEE(lseek(fd, -1, SEEK_DATA));
	SEE(pipe(p));
	SEE(lseek(p[0], 0, SEEK_SET));
	SEE(lseek(p[0], 0, 77));
}

TEST(lseek, shared_by_dup_and_fork_not_by_open)
{
	int a, b, c;

	in_fresh_dir();
	make_file("f", "0123456789");
	a = must_open("f", O_RDONLY, 0);
	b = dup(a);
	c = must_open("f", O_RDONLY, 0);
	SEE(lseek(a, 4, SEEK_SET));
	SEE(lseek(b, 0, SEEK_CUR));
	SEE(lseek(c, 0, SEEK_CUR));
}

TEST(pread, does_not_move)
{
	char buf[16] = "";
	int fd, p[2];

	in_fresh_dir();
	make_file("f", "0123456789");
	fd = must_open("f", O_RDWR, 0);
	SEE(pread(fd, buf, 4, 8));
	SEE(pread(fd, buf, 4, 10));
	SEE(pread(fd, buf, 4, 1000));
	SEE(pread(fd, buf, 4, -1));
	SEE(pwrite(fd, "AB", 2, 4));
	SEE(pwrite(fd, "AB", 2, -1));
	SEE(lseek(fd, 0, SEEK_CUR));
	SEE_STR(file_text("f"));
	SEE(pipe(p));
	SEE(pread(p[0], buf, 1, 0));
	SEE(pwrite(p[1], buf, 1, 0));
	SEE(pread(fd, bad_addr, 4, 0));
	SEE(pread(fd, bad_addr, 4, 100));
	SEE(pread(fd, bad_addr, 0, 0));
}

TEST(readv, vectors)
{
	char a[4] = "", b[16] = "";
	struct iovec v[3] = { { a, 3 }, { NULL, 0 }, { b, 15 } };
	struct iovec many[1025];
	int fd;

	in_fresh_dir();
	make_file("f", "0123456789");
	fd = must_open("f", O_RDWR, 0);
	SEE(readv(fd, v, 3));
	SEE_STR(a);
	SEE_STR(b);
	SEE(readv(fd, v, 0));
	SEE(readv(fd, v, -1));
	SEE(readv(fd, bad_addr, 1));
	SEE(readv(fd, NULL, 0));
	memset(many, 0, sizeof many);
	SEE(readv(fd, many, 1024));
	SEE(readv(fd, many, 1025));
	v[0].iov_len = (size_t)-1;
	SEE(readv(fd, v, 1));
	v[0] = (struct iovec){ bad_addr, 3 };
	SEE(lseek(fd, 0, SEEK_SET));
	SEE(readv(fd, v, 3));
	v[0] = (struct iovec){ (void *)"ab", 2 };
	v[1] = (struct iovec){ (void *)"cd", 2 };
	SEE(writev(fd, v, 2));
	SEE_STR(file_text("f"));
	SEE(preadv(fd, v, 0, -1));
	v[0] = (struct iovec){ a, 2 };
	SEE(preadv(fd, v, 1, 2));
	SEE_STR(a);
}

static long preadv2_(int fd, const struct iovec *v, int n, long pos, int flags)
{
	return syscall(SYS_preadv2, fd, v, n, pos, 0L, flags);
}

static long pwritev2_(int fd, const struct iovec *v, int n, long pos, int flags)
{
	return syscall(SYS_pwritev2, fd, v, n, pos, 0L, flags);
}

TEST(preadv2, flags)
{
	char a[8] = "";
	struct iovec v = { a, 2 }, w = { (void *)"XY", 2 };
	int fd;

	in_fresh_dir();
	make_file("f", "0123456789");
	fd = must_open("f", O_RDWR, 0);
	SEE(preadv2_(fd, &v, 1, -1, 0));
	SEE(preadv2_(fd, &v, 1, -1, 0));
	SEE_STR(a);
	SEE(preadv2_(fd, &v, 1, 8, 0));
	SEE(lseek(fd, 0, SEEK_CUR));
	SEE(preadv2_(fd, &v, 1, -2, 0));
	SEE(preadv2_(fd, &v, 1, 0, 1 << 20));
	SEE(pwritev2_(fd, &w, 1, 0, 16));
	SEE_STR(file_text("f"));
	SEE(pwritev2_(fd, &w, 1, 0, 2));
	SEE_STR(file_text("f"));
}

TEST(write, errors)
{
	char c = 'x';
	int fd;

	in_fresh_dir();
	fd = must_open("f", O_CREAT | O_RDONLY, 0644);
	SEE(write(fd, &c, 1));
	SEE(write(-1, &c, 1));
	SEE(read(-1, &c, 1));
	fd = must_open("f", O_WRONLY, 0);
	SEE(read(fd, &c, 1));
	SEE(write(fd, bad_addr, 1));
	SEE(write(fd, bad_addr, 0));
	SEE(write(fd, &c, (size_t)-1));
	SEE(write(fd, &c, 0));
	SEE(fstat(fd, &st) || st.st_size);
}

TEST(write, file_size_limit)
{
	struct rlimit l = { 10, 10 };
	int fd;

	in_fresh_dir();
	fd = must_open("f", O_CREAT | O_RDWR, 0644);
	SEE(setrlimit(RLIMIT_FSIZE, &l));
	SEE(write(fd, "0123456", 7));
	SEE(write(fd, "0123456", 7));
	signal(SIGXFSZ, SIG_IGN);
	SEE(write(fd, "0123456", 7));
	SEE(ftruncate(fd, 11));
	SEE(ftruncate(fd, 10));
	SEE(pwrite(fd, "x", 1, 100));
	SEE(lseek(fd, 5, SEEK_SET));
	SEE(write(fd, "x", 1));
	signal(SIGXFSZ, SIG_DFL);
	SEE(pwrite(fd, "x", 1, 100));
}

TEST(truncate, sizes)
{
	char buf[32] = "";
	int fd;

	in_fresh_dir();
	make_file("f", "0123456789");
	SEE(truncate("f", 4));
	SEE_STR(file_text("f"));
	SEE(truncate("f", 8));
	fd = must_open("f", O_RDWR, 0);
	SEE(read(fd, buf, 32));
	SEE(buf[3] * 100 + buf[4]);
	SEE(truncate("f", -1));
	SEE(ftruncate(fd, -1));
	SEE(truncate("none", 1));
	SEE(truncate(".", 1));
	SEE(mkfifo("p", 0600));
	SEE(truncate("p", 1));
	SEE(truncate("f/", 1));
	SEE(ftruncate(must_open("f", O_RDONLY, 0), 1));
	SEE(ftruncate(-1, 1));
	SEE(chmod("f", 0444));
	as_user();
	SEE(truncate("f", 1));
}

TEST(truncate, what_was_cut_off_is_zero_later)
{
	char buf[8192];
	int fd, bad = 0;

	in_fresh_dir();
	fd = must_open("f", O_CREAT | O_RDWR, 0644);
	memset(buf, 'x', sizeof buf);
	SEE(write(fd, buf, sizeof buf));
	SEE(ftruncate(fd, 100));
	SEE(ftruncate(fd, 8192));
	SEE(pread(fd, buf, sizeof buf, 0));
	for (int i = 0; i < 8192; i++)
		bad += buf[i] != (i < 100 ? 'x' : 0);
	SEE(bad);
}

TEST(fallocate, modes)
{
	char c = 1;
	int fd, p[2];

	in_fresh_dir();
	fd = must_open("f", O_CREAT | O_RDWR, 0644);
	SEE(fallocate(fd, 0, 0, 8192));
	SEE(fstat(fd, &st) || st.st_size != 8192);
	SEE(fallocate(fd, FALLOC_FL_KEEP_SIZE, 8192, 4096));
	SEE(fstat(fd, &st) || st.st_size != 8192);
	SEE(pwrite(fd, "x", 1, 4096));
	SEE(fallocate(
		fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096));
	SEE(pread(fd, &c, 1, 4096));
	SEE(c);
	SEE(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096));
	SEE(fallocate(fd, 0, -1, 1));
	SEE(fallocate(fd, 0, 0, 0));
	SEE(fallocate(fd, 0, 0x7fffffffffffffff, 1));
	SEE(fallocate(must_open("f", O_RDONLY, 0), 0, 0, 1));
	SEE(fallocate(-1, 0, 0, 1));
	SEE(pipe(p));
	SEE(fallocate(p[1], 0, 0, 1));
	SEE(posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED));
	SEE(posix_fadvise(fd, 0, 0, 99));
	SEE(posix_fadvise(p[0], 0, 0, POSIX_FADV_NORMAL));
	SEE(sync_file_range(fd, 0, 0, 7));
	SEE(sync_file_range(fd, 0, 0, 8));
	SEE(sync_file_range(fd, -1, 0, 7));
	SEE(fsync(p[0]));
	SEE(fdatasync(fd));
	SEE(syncfs(fd));
	SEE(syncfs(-1));
}
