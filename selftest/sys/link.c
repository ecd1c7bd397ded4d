/* link.c - link(2), linkat(2), unlink(2), rmdir(2), symlink(2), readlink(2). */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "selftest/sys/dir.h"
#include "selftest/test.h"

static long nlink(const char *name)
{
	struct stat st;

	return lstat(name, &st) ? -1 : (long)st.st_nlink;
}

TEST(link, files)
{
	in_fresh_dir();
	make_file("a", "x");
	SEE(mkdir("d", 0755));
	SEE(link("a", "b"));
	SEE(nlink("a"));
	SEE(link("a", "b"));
	SEE(link("a", "d"));
	SEE(link("d", "e"));
	SEE(link("none", "e"));
	SEE(link("a", "no/e"));
	SEE(link("a", "e/"));
	SEE(link("a", "a"));
	SEE(link("", "e"));
	SEE(link("a", ""));
	SEE(unlink("a"));
	SEE(nlink("b"));
	SEE_STR(file_text("b"));
}

TEST(link, symlinks_themselves)
{
	in_fresh_dir();
	make_file("f", "x");
	SEE(symlink("f", "s"));
	SEE(link("s", "t"));
	SEE(nlink("s"));
	SEE(nlink("f"));
	SEE(linkat(AT_FDCWD, "s", AT_FDCWD, "u", AT_SYMLINK_FOLLOW));
	SEE(nlink("f"));
	SEE(linkat(AT_FDCWD, "s", AT_FDCWD, "v", 0x40));
}

TEST(link, of_an_open_descriptor)
{
	int fd;

	in_fresh_dir();
	make_file("f", "x");
	fd = must_open("f", O_RDONLY, 0);
	SEE(linkat(fd, "", AT_FDCWD, "g", AT_EMPTY_PATH));
	SEE(nlink("g"));
	SEE(unlink("f"));
	SEE(unlink("g"));
	SEE(linkat(fd, "", AT_FDCWD, "h", AT_EMPTY_PATH));
	SEE(linkat(fd, "", AT_FDCWD, "h", 0));
}

TEST(unlink, what_can_go)
{
	in_fresh_dir();
	make_file("f", "x");
	SEE(mkdir("d", 0755));
	SEE(symlink("d", "s"));
	SEE(unlink("d"));
	SEE(unlink("s/"));
	SEE(unlink("s"));
	SEE(unlink("f/"));
	SEE(unlink("none"));
	SEE(unlink("none/"));
	SEE(unlink("."));
	SEE(unlink(".."));
	SEE(unlink("/"));
	SEE(unlink(""));
	SEE(unlink("f"));
	SEE(unlink("f"));
	SEE(unlinkat(AT_FDCWD, "d", 0));
	SEE(unlinkat(AT_FDCWD, "d", 1));
	SEE(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
	SEE(unlink(bad_addr));
}

TEST(unlink, permissions)
{
	in_fresh_dir();
	SEE(mkdir("closed", 0755));
	make_file("closed/f", "x");
	SEE(mkdir("sticky", 0777) || chmod("sticky", 01777));
	make_file("sticky/root", "x");
	SEE(mkdir("open", 0777) || chmod("open", 0777));
	make_file("open/root", "x");
	SEE(chmod("open/root", 0));
	as_user();
	SEE(unlink("closed/f"));
	SEE(unlink("closed/none"));
	SEE(unlink("sticky/root"));
	SEE(unlink("open/root"));
}

TEST(rmdir, what_can_go)
{
	in_fresh_dir();
	make_file("f", "x");
	SEE(mkdir("d", 0755));
	SEE(mkdir("d/e", 0755));
	SEE(symlink("d/e", "s"));
	SEE(rmdir("f"));
	SEE(rmdir("s"));
	SEE(rmdir("s/"));
	SEE(rmdir("d"));
	SEE(rmdir("d/e/."));
	SEE(rmdir("d/e/.."));
	SEE(rmdir("/"));
	SEE(rmdir("none"));
	SEE(rmdir("d/e/"));
	SEE(rmdir("d"));
	SEE(rmdir(""));
}

TEST(rmdir, removed_working_directory)
{
	char buf[64];

	in_fresh_dir();
	SEE(mkdir("d", 0755));
	SEE(chdir("d"));
	SEE(rmdir("../d"));
	SEE(getcwd(buf, sizeof buf) == NULL);
	SEE(ok_fd(open("f", O_CREAT | O_RDWR, 0644)));
	SEE(mkdir("e", 0755));
	SEE(ok_fd(open(".", O_RDONLY)));
	SEE(chdir("."));
	SEE(chdir(".."));
	SEE(access("d", F_OK));
}

TEST(symlink, targets_are_only_text)
{
	char buf[8], big[5000];

	in_fresh_dir();
	SEE(symlink("any//text/", "s"));
	memset(buf, '#', sizeof buf);
	SEE(readlink("s", buf, 4));
	SEE(buf[3] * 256 + buf[4]);
	SEE(symlink("x", "s"));
	SEE(symlink("", "t"));
	SEE(symlink("x", ""));
	SEE(symlink("x", "t/"));
	SEE(symlink("x", "no/t"));
	memset(big, 'x', sizeof big);
	big[4095] = 0;
	SEE(symlink(big, "t"));
	big[4095] = 'x';
	big[4096] = 0;
	SEE(symlink(big, "u"));
	SEE(symlink(bad_addr, "u"));
}

TEST(symlink, mode_size_and_owner)
{
	struct stat st;

	in_fresh_dir();
	umask(077);
	SEE(symlink("target", "s"));
	SEE(lstat("s", &st));
	SEE(st.st_mode);
	SEE(st.st_size);
	SEE(stat("s", &st));
	SEE(lchown("s", 1000, 1000));
	SEE(lstat("s", &st));
	SEE(st.st_uid);
	SEE(chown("s", 1, 1));
}

TEST(symlink, in_sticky_directories)
{
	in_fresh_dir();
	make_file("f", "x");
	SEE(mkdir("sticky", 0777) || chmod("sticky", 01777));
	SEE(symlink("../f", "sticky/root"));
	SEE(symlink("../f", "sticky/other"));
	SEE(lchown("sticky/other", 1234, 1234));
	as_user();
	SEE(symlink("../f", "sticky/mine"));
	SEE_STR(file_text("sticky/root"));
	SEE_STR(file_text("sticky/mine"));
}

TEST(readlink, errors)
{
	char buf[64];
	int fd;

	in_fresh_dir();
	make_file("f", "x");
	SEE(symlink("f", "s"));
	SEE(readlink("f", buf, sizeof buf));
	SEE(readlink("none", buf, sizeof buf));
	SEE(readlink("s/", buf, sizeof buf));
	SEE(readlink("f/x", buf, sizeof buf));
	SEE(readlink(".", buf, sizeof buf));
	SEE(readlink("", buf, sizeof buf));
	SEE(readlink("s", buf, 0));
	SEE(readlink("s", bad_addr, 8));
	fd = must_open("s", O_PATH | O_NOFOLLOW, 0);
	SEE(readlinkat(fd, "", buf, sizeof buf));
	SEE(readlinkat(AT_FDCWD, "", buf, sizeof buf));
}
