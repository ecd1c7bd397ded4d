/* open.c - open(2), openat(2), openat2(2), creat(2). */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "selftest/sys/dir.h"
#include "selftest/test.h"

struct how {
	uint64_t flags, mode, resolve;
};

static int openat2_(int dfd, const char *name, uint64_t flags, uint64_t mode,
	uint64_t resolve)
{
	struct how how = { flags, mode, resolve };

	return (int)syscall(SYS_openat2, dfd, name, &how, sizeof how);
}

static int mode_of(const char *name)
{
	struct stat st;

	return stat(name, &st) ? -1 : (int)st.st_mode;
}

TEST(open, creates_with_mode_and_umask)
{
	in_fresh_dir();
	umask(027);
	SEE(ok_fd(open("f", O_CREAT | O_RDWR, 0777)));
	SEE(mode_of("f"));
	SEE(ok_fd(open("g", O_CREAT | O_RDWR, 07777)));
	SEE(mode_of("g"));
	SEE(ok_fd(open("f", O_CREAT | O_EXCL, 0644)));
	SEE(ok_fd(open("none", O_RDONLY)));
	SEE(ok_fd(creat("c", 0)));
	SEE(mode_of("c"));
	SEE(ok_fd(open("new/f", O_CREAT | O_RDWR, 0644)));
}

TEST(open, read_only_mode_of_a_new_file_does_not_bind_its_creator)
{
	int fd;

	in_fresh_dir();
	as_user();
	fd = must_open("f", O_CREAT | O_RDWR, 0400);
	SEE(write(fd, "x", 1));
	SEE(ok_fd(open("f", O_RDWR)));
	SEE(ok_fd(open("f", O_RDONLY)));
	SEE(ok_fd(open("f", O_RDONLY | O_TRUNC)));
}

TEST(open, directories)
{
	in_fresh_dir();
	SEE(mkdir("d", 0755));
	make_file("f", "");
	SEE(ok_fd(open("d", O_RDONLY)));
	SEE(ok_fd(open("d", O_WRONLY)));
	SEE(ok_fd(open("d", O_RDWR)));
	SEE(ok_fd(open("d", O_RDONLY | O_TRUNC)));
	SEE(ok_fd(open("d", O_RDONLY | O_CREAT, 0644)));
	SEE(ok_fd(open("f", O_RDONLY | O_DIRECTORY)));
	SEE(ok_fd(open("d/", O_RDONLY)));
	SEE(ok_fd(open("f/", O_RDONLY)));
	SEE(ok_fd(open("n/", O_RDONLY)));
	SEE(ok_fd(open("n/", O_CREAT | O_RDWR, 0644)));
	SEE(ok_fd(open("f/", O_CREAT | O_RDWR, 0644)));
	SEE(ok_fd(open("d/.", O_CREAT | O_RDWR, 0644)));
	SEE(ok_fd(open("d/..", O_CREAT | O_RDWR, 0644)));
	SEE(ok_fd(open("/", O_CREAT | O_RDWR, 0644)));
	SEE(ok_fd(open("f/x", O_RDONLY)));
	SEE(ok_fd(open("", O_RDONLY)));
}

TEST(open, read_of_a_directory)
{
	char c;
	int fd;

	in_fresh_dir();
	fd = must_open(".", O_RDONLY, 0);
	SEE(read(fd, &c, 1));
	SEE(write(fd, &c, 1));
	SEE(pread(fd, &c, 1, 0));
	SEE(ftruncate(fd, 0));
	SEE(fsync(fd));
}

TEST(open, symlinks)
{
	in_fresh_dir();
	make_file("f", "text");
	SEE(symlink("f", "s"));
	SEE(symlink("none", "dangling"));
	SEE(symlink("loop", "loop"));
	SEE(symlink("f/", "slash"));
	SEE(ok_fd(open("s", O_RDONLY)));
	SEE(ok_fd(open("s/", O_RDONLY)));
	SEE(ok_fd(open("slash", O_RDONLY)));
	SEE(ok_fd(open("s", O_RDONLY | O_NOFOLLOW)));
	SEE(ok_fd(open("s", O_RDONLY | O_NOFOLLOW | O_DIRECTORY)));
	SEE(ok_fd(open("s", O_PATH | O_NOFOLLOW)));
	SEE(ok_fd(open("s", O_CREAT | O_EXCL, 0644)));
	SEE(ok_fd(open("dangling", O_RDONLY)));
	SEE(ok_fd(open("dangling", O_CREAT | O_EXCL | O_RDWR, 0644)));
	SEE(ok_fd(open("dangling", O_CREAT | O_NOFOLLOW | O_RDWR, 0644)));
	SEE(ok_fd(open("dangling", O_CREAT | O_RDWR, 0644)));
	SEE(access("none", F_OK));
	SEE(ok_fd(open("loop", O_RDONLY)));
	SEE(ok_fd(open("loop", O_CREAT | O_RDWR, 0644)));
	SEE(ok_fd(open("loop/x", O_RDONLY)));
}

TEST(open, truncates_and_appends)
{
	int a, b;

	in_fresh_dir();
	make_file("f", "0123456789");
	SEE(ok_fd(open("f", O_WRONLY)));
	SEE_STR(file_text("f"));
	SEE(ok_fd(open("f", O_WRONLY | O_TRUNC)));
	SEE_STR(file_text("f"));
	a = must_open("f", O_WRONLY | O_APPEND, 0);
	b = must_open("f", O_WRONLY | O_APPEND, 0);
	SEE(write(a, "aa", 2));
	SEE(write(b, "bb", 2));
	SEE(pwrite(a, "cc", 2, 0));
	SEE(lseek(a, 0, SEEK_CUR));
	SEE(write(a, "dd", 2));
	SEE(lseek(a, 0, SEEK_CUR));
	SEE_STR(file_text("f"));
}

TEST(open, names_too_long)
{
	char name[5000];

	in_fresh_dir();
	memset(name, 'n', sizeof name);
	name[255] = 0;
	SEE(ok_fd(open(name, O_CREAT | O_RDWR, 0644)));
	name[255] = 'n';
	name[256] = 0;
	SEE(ok_fd(open(name, O_CREAT | O_RDWR, 0644)));
	SEE(ok_fd(open(name, O_RDONLY)));
	for (size_t i = 0; i < sizeof name; i++)
		name[i] = i & 1 ? '/' : '.';
	name[4095] = 0;
	SEE(ok_fd(open(name, O_RDONLY)));
	name[4095] = '/';
	name[4096] = 0;
	SEE(ok_fd(open(name, O_RDONLY)));
	SEE(open(bad_addr, O_RDONLY));
}

TEST(open, permissions_of_others)
{
	in_fresh_dir();
	make_file("none", "x");
	make_file("read", "x");
	SEE(chmod("none", 0));
	SEE(chmod("read", 0444));
	SEE(mkdir("closed", 0700));
	make_file("closed/f", "x");
	SEE(mkdir("search", 0711));
	make_file("search/f", "x");
	SEE(ok_fd(open("none", O_RDWR)));
	as_user();
	SEE(ok_fd(open("none", O_RDONLY)));
	SEE(ok_fd(open("read", O_RDONLY)));
	SEE(ok_fd(open("read", O_RDWR)));
	SEE(ok_fd(open("read", O_RDONLY | O_TRUNC)));
	SEE(ok_fd(open("none", O_PATH)));
	SEE(ok_fd(open("closed/f", O_RDONLY)));
	SEE(ok_fd(open("closed/none", O_RDONLY)));
	SEE(ok_fd(open("search/f", O_RDONLY)));
	SEE(ok_fd(open("search", O_RDONLY)));
	SEE(ok_fd(open("search/g", O_CREAT | O_RDWR, 0644)));
	SEE(ok_fd(open("search/f", O_CREAT | O_RDONLY, 0644)));
	SEE(ok_fd(open("read", O_RDONLY | O_NOATIME)));
}

TEST(open, path_only_descriptors)
{
	struct stat st;
	char c;
	int fd;

	in_fresh_dir();
	make_file("f", "x");
	fd = must_open("f", O_PATH, 0);
	SEE(read(fd, &c, 1));
	SEE(write(fd, &c, 1));
	SEE(lseek(fd, 0, SEEK_SET));
	SEE(fchmod(fd, 0600));
	SEE(fchown(fd, 0, 0));
	SEE(ftruncate(fd, 0));
	SEE(fsync(fd));
	SEE(fstat(fd, &st));
	SEE(st.st_size);
	SEE(fcntl(fd, F_GETFL));
	SEE(fcntl(fd, F_SETFL, O_APPEND));
	SEE(fcntl(fd, F_GETFD));
	SEE(ok_fd(dup(fd)));
	SEE(ok_fd(openat(fd, "x", O_RDONLY)));
	SEE(ok_fd(openat(fd, "", O_RDONLY)));
}

TEST(open, status_flags_that_stay)
{
	in_fresh_dir();
	make_file("f", "x");
	SEE(fcntl(must_open("f", O_RDONLY, 0), F_GETFL));
	SEE(fcntl(must_open("f", O_RDWR | O_CREAT | O_TRUNC, 0), F_GETFL));
	SEE(fcntl(must_open("f", O_WRONLY | O_APPEND | O_CLOEXEC, 0), F_GETFL));
	SEE(fcntl(
		must_open("f", O_RDONLY | O_NONBLOCK | O_NOCTTY, 0), F_GETFL));
	SEE(fcntl(must_open("f", O_RDWR | O_SYNC, 0), F_GETFL));
	SEE(fcntl(must_open("f", O_RDWR | O_DSYNC, 0), F_GETFL));
	SEE(fcntl(must_open(".", O_RDONLY | O_DIRECTORY, 0), F_GETFL));
	SEE(fcntl(must_open(".", O_PATH | O_DIRECTORY, 0), F_GETFL));
}

TEST(open, access_mode_three)
{
	char c = 'x';
	int fd;

	in_fresh_dir();
	make_file("f", "x");
	fd = must_open("f", 3, 0);
	SEE(read(fd, &c, 1));
	SEE(write(fd, &c, 1));
	SEE(fcntl(fd, F_GETFL));
}

TEST(open, unlinked_while_open)
{
	struct stat st;
	char buf[8] = "";
	int fd;

	in_fresh_dir();
	make_file("f", "text");
	fd = must_open("f", O_RDWR, 0);
	SEE(unlink("f"));
	SEE(ok_fd(open("f", O_RDONLY)));
	SEE(fstat(fd, &st));
	SEE(st.st_nlink);
	SEE(read(fd, buf, 8));
	SEE_STR(buf);
	SEE(ftruncate(fd, 1));
	SEE(fstat(fd, &st));
	SEE(st.st_size);
}

TEST(open, relative_to_a_directory)
{
	int d, f;

	in_fresh_dir();
	SEE(mkdir("d", 0755));
	make_file("d/f", "in d");
	d = must_open("d", O_RDONLY | O_DIRECTORY, 0);
	f = must_open("d/f", O_RDONLY, 0);
	SEE(ok_fd(openat(d, "f", O_RDONLY)));
	SEE(ok_fd(openat(d, "../d/f", O_RDONLY)));
	SEE(ok_fd(openat(f, "f", O_RDONLY)));
	SEE(ok_fd(openat(f, "/", O_RDONLY)));
	SEE(ok_fd(openat(-1, "f", O_RDONLY)));
	SEE(ok_fd(openat(-1, "/", O_RDONLY)));
	SEE(ok_fd(openat(12345, "f", O_RDONLY)));
	SEE(rename("d", "e"));
	SEE(ok_fd(openat(d, "f", O_RDONLY)));
	SEE(unlink("e/f"));
	SEE(rmdir("e"));
	SEE(ok_fd(openat(d, "f", O_RDONLY)));
	SEE(ok_fd(openat(d, "f", O_CREAT | O_RDWR, 0644)));
	SEE(ok_fd(openat(d, ".", O_RDONLY)));
	SEE(ok_fd(openat(d, "..", O_RDONLY)));
}

TEST(open, nameless_files)
{
	struct stat st;
	char link[64];
	int fd;

	in_fresh_dir();
	fd = open(".", O_TMPFILE | O_RDWR, 0640);
	SEE(fd < 0);
	SEE(fstat(fd, &st));
	SEE(st.st_nlink);
	SEE(st.st_mode);
	SEE(write(fd, "text", 4));
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	SEE(linkat(AT_FDCWD, link, AT_FDCWD, "f", AT_SYMLINK_FOLLOW));
	SEE_STR(file_text("f"));
	SEE(fstat(fd, &st));
	SEE(st.st_nlink);
	fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0640);
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	SEE(linkat(AT_FDCWD, link, AT_FDCWD, "g", AT_SYMLINK_FOLLOW));
	SEE(ok_fd(open(".", O_TMPFILE | O_RDONLY, 0640)));
	SEE(ok_fd(open(".", O_TMPFILE | O_RDWR | O_CREAT, 0640)));
	SEE(ok_fd(open("f", O_TMPFILE | O_RDWR, 0640)));
	SEE(ok_fd(open("none", O_TMPFILE | O_RDWR, 0640)));
}

#define NO_XDEV  1
#define NO_MAGIC 2
#define NO_LINKS 4
#define BENEATH  8
#define IN_ROOT  16

TEST(openat2, resolve_flags)
{
	int d;

	in_fresh_dir();
	SEE(mkdir("d", 0755));
	make_file("f", "out");
	make_file("d/f", "in");
	SEE(symlink("../f", "d/up"));
	SEE(symlink("/f", "d/abs"));
	SEE(symlink("f", "d/same"));
	d = must_open("d", O_PATH, 0);
	SEE(ok_fd(openat2_(d, "f", O_RDONLY, 0, BENEATH)));
	SEE(ok_fd(openat2_(d, "same", O_RDONLY, 0, BENEATH)));
	SEE(ok_fd(openat2_(d, "up", O_RDONLY, 0, BENEATH)));
	SEE(ok_fd(openat2_(d, "abs", O_RDONLY, 0, BENEATH)));
	SEE(ok_fd(openat2_(d, "../d/f", O_RDONLY, 0, BENEATH)));
	SEE(ok_fd(openat2_(d, "/f", O_RDONLY, 0, BENEATH)));
	SEE(ok_fd(openat2_(d, "up", O_RDONLY, 0, IN_ROOT)));
	SEE(ok_fd(openat2_(d, "abs", O_RDONLY, 0, IN_ROOT)));
	SEE(ok_fd(openat2_(d, "/../../f", O_RDONLY, 0, IN_ROOT)));
	SEE(ok_fd(openat2_(d, "same", O_RDONLY, 0, NO_LINKS)));
	SEE(ok_fd(openat2_(d, "same", O_PATH | O_NOFOLLOW, 0, NO_LINKS)));
	SEE(ok_fd(openat2_(d, "f", O_RDONLY, 0, NO_LINKS)));
	SEE(ok_fd(
		openat2_(AT_FDCWD, "/proc/self/status", O_RDONLY, 0, NO_XDEV)));
	SEE(ok_fd(openat2_(AT_FDCWD, "/proc/self/cwd", O_RDONLY, 0, NO_MAGIC)));
	SEE(ok_fd(openat2_(d, "f", O_RDONLY, 0, BENEATH | IN_ROOT)));
}

TEST(openat2, arguments)
{
	uint64_t how[4] = { 0, 0, 0, 0 };

	in_fresh_dir();
	make_file("f", "");
	SEE(ok_fd(openat2_(AT_FDCWD, "f", O_RDONLY, 0644, 0)));
	SEE(ok_fd(openat2_(AT_FDCWD, "f", O_CREAT, 010000, 0)));
	SEE(ok_fd(openat2_(AT_FDCWD, "f", 1ULL << 40, 0, 0)));
	SEE(ok_fd(openat2_(AT_FDCWD, "f", O_RDONLY, 0, 1 << 10)));
	SEE(ok_fd(openat2_(AT_FDCWD, "f", O_RDONLY, 0, ~0ULL)));
	SEE(ok_fd(openat2_(AT_FDCWD, "f", O_PATH | O_RDWR, 0, 0)));
	SEE(ok_fd((int)syscall(SYS_openat2, AT_FDCWD, "f", how, 16)));
	SEE(ok_fd((int)syscall(SYS_openat2, AT_FDCWD, "f", how, 32)));
	how[3] = 1;
	SEE(ok_fd((int)syscall(SYS_openat2, AT_FDCWD, "f", how, 32)));
	SEE(ok_fd((int)syscall(SYS_openat2, AT_FDCWD, "f", how, 8192)));
	SEE(ok_fd((int)syscall(SYS_openat2, AT_FDCWD, "f", bad_addr, 24)));
}
