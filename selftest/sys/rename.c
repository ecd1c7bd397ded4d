/* rename.c - rename(2), renameat2(2). */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "selftest/sys/dir.h"
#include "selftest/test.h"

#define NOREPLACE 1
#define EXCHANGE  2
#define WHITEOUT  4

static int rename2(const char *from, const char *to, unsigned flags)
{
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

TEST(rename, files)
{
	in_fresh_dir();
	make_file("a", "a");
	make_file("b", "b");
	SEE(rename("a", "c"));
	SEE_STR(file_text("a"));
	SEE_STR(file_text("c"));
	SEE(rename("c", "b"));
	SEE_STR(file_text("b"));
	SEE(rename("b", "b"));
	SEE(rename("none", "b"));
	SEE(rename("b", "no/b"));
	SEE(rename("b", ""));
	SEE(rename("", "b"));
	SEE(rename("b", "c/"));
	SEE(rename("b/", "c"));
	SEE_STR(file_text("b"));
	SEE(rename(bad_addr, "b"));
	SEE(rename("b", bad_addr));
}

TEST(rename, directories)
{
	in_fresh_dir();
	SEE(mkdir("a", 0755));
	SEE(mkdir("a/sub", 0755));
	SEE(mkdir("b", 0755));
	make_file("f", "f");
	SEE(rename("a", "a/sub/a"));
	SEE(rename("a", "a/a"));
	SEE(rename("a/sub", "a"));
	SEE(rename("a", "f"));
	SEE(rename("f", "a"));
	SEE(rename("f", "b"));
	SEE(rename("a", "b"));
	SEE(access("b/sub", F_OK));
	SEE(mkdir("a", 0755));
	SEE(rename("a", "b"));
	SEE(rename("b/", "c/"));
	SEE(access("c/sub", F_OK));
	SEE(rename("c/.", "d"));
	SEE(rename("c/..", "d"));
	SEE(rename("c", "."));
	SEE(rename("c", "a/.."));
}

TEST(rename, hard_links_to_one_file)
{
	struct stat st;

	in_fresh_dir();
	make_file("a", "x");
	SEE(link("a", "b"));
	SEE(rename("a", "b"));
	SEE(access("a", F_OK));
	SEE(stat("b", &st));
	SEE(st.st_nlink);
	make_file("c", "y");
	SEE(rename("c", "b"));
	SEE(stat("a", &st));
	SEE(st.st_nlink);
}

TEST(rename, link_counts_of_directories)
{
	struct stat st;

	in_fresh_dir();
	SEE(mkdir("a", 0755));
	SEE(mkdir("b", 0755));
	SEE(mkdir("a/d", 0755));
	SEE(rename("a/d", "b/d"));
	SEE(stat("a", &st) || st.st_nlink != 2);
	SEE(stat("b", &st) || st.st_nlink != 3);
	SEE(mkdir("a/d", 0755));
	SEE(rename("a/d", "b/d"));
	SEE(stat("a", &st) || st.st_nlink != 2);
	SEE(stat("b", &st) || st.st_nlink != 3);
}

TEST(rename, flags)
{
	in_fresh_dir();
	make_file("a", "a");
	make_file("b", "b");
	SEE(mkdir("d", 0755));
	make_file("d/f", "f");
	SEE(rename2("a", "b", NOREPLACE));
	SEE(rename2("a", "c", NOREPLACE));
	SEE(rename2("c", "b", EXCHANGE));
	SEE_STR(file_text("b"));
	SEE_STR(file_text("c"));
	SEE(rename2("c", "none", EXCHANGE));
	SEE(rename2("c", "d", EXCHANGE));
	SEE_STR(file_text("c/f"));
	SEE_STR(file_text("d"));
	SEE(rename2("c", "c/f", EXCHANGE));
	SEE(rename2("c/f", "c", EXCHANGE));
	SEE(rename2("b", "d", EXCHANGE | NOREPLACE));
	SEE(rename2("b", "d", EXCHANGE | WHITEOUT));
	SEE(rename2("b", "d", 8));
	SEE(rename2("b", "d/", EXCHANGE));
}

TEST(rename, permissions)
{
	in_fresh_dir();
	SEE(mkdir("closed", 0755));
	make_file("closed/f", "x");
	SEE(mkdir("sticky", 0777) || chmod("sticky", 01777));
	make_file("sticky/root", "x");
	SEE(mkdir("mine", 0777) || chmod("mine", 0777));
	SEE(mkdir("mine/dir", 0755));
	as_user();
	make_file("mine/f", "x");
	make_file("sticky/f", "x");
	SEE(rename("closed/f", "mine/g"));
	SEE(rename("mine/f", "closed/g"));
	SEE(rename("mine/f", "closed/f"));
	SEE(rename("sticky/root", "sticky/x"));
	SEE(rename("sticky/f", "sticky/root"));
	SEE(rename("sticky/f", "mine/h"));
	SEE(rename("mine/dir", "sticky/dir"));
	SEE(rename("mine/dir", "mine/dir2"));
}

TEST(rename, open_file_keeps_its_object)
{
	char buf[8] = "";
	int fd;

	in_fresh_dir();
	make_file("a", "old");
	make_file("b", "new");
	fd = must_open("a", O_RDONLY, 0);
	SEE(rename("b", "a"));
	SEE(read(fd, buf, sizeof buf - 1));
	SEE_STR(buf);
	SEE_STR(file_text("a"));
}

static long type_of(const char *name)
{
	struct stat st;

	return lstat(name, &st) ? -1L
				: (long)(st.st_mode * 1000 + st.st_rdev * 10 +
					  st.st_nlink);
}

TEST(rename, leaves_a_whiteout)
{
	in_fresh_dir();
	make_file("a", "a");
	make_file("b", "b");
	SEE(mkdir("d", 0755));
	SEE(mkdir("e", 0755));
	SEE(rename2("a", "c", WHITEOUT));
	SEE(type_of("a"));
	SEE_STR(file_text("c"));
	SEE(rename2("b", "c", WHITEOUT | NOREPLACE));
	SEE(rename2("b", "c", WHITEOUT | EXCHANGE));
	SEE(rename2("b", "c", WHITEOUT));
	SEE(type_of("b"));
	SEE_STR(file_text("c"));
	SEE(rename2("c", "d/c", WHITEOUT));
	SEE(type_of("c"));
	SEE(rename2("d", "e", WHITEOUT));
	SEE(type_of("d"));
	SEE_STR(file_text("e/c"));
	SEE(open("a", O_RDONLY));
	SEE(unlink("a"));
	SEE(type_of("a"));
	as_user();
	SEE(rename2("e/c", "f", WHITEOUT));
	make_file("mine", "x");
	SEE(rename2("mine", "yours", WHITEOUT));
	SEE(type_of("mine"));
}
