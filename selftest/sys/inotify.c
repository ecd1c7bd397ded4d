/* inotify.c - inotify(7). */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "selftest/test.h"

#define DIR_ "/tmp/selftest-inotify"

static int setup(void)
{
	unlink(DIR_ "/a");
	unlink(DIR_ "/b");
	rmdir(DIR_ "/d");
	rmdir(DIR_);
	mkdir(DIR_, 0700);
	return inotify_init1(IN_NONBLOCK);
}

static void show(int fd)
{
	char buf[4096] __attribute__((aligned(8)));
	long n = SEE(read(fd, buf, sizeof buf));
	static unsigned cookie;

	for (char *p = buf; n > 0 && p < buf + n;) {
		struct inotify_event *e = (void *)p;

		SEE(e->wd);
		SEE(e->mask);
		SEE(e->len);
		SEE(e->cookie == cookie);
		cookie = e->cookie;
		if (e->len)
			SEE_STR(e->name);
		p += sizeof *e + e->len;
	}
}

TEST(inotify, names_in_a_directory)
{
	int fd = setup(), f;

	SEE(inotify_add_watch(fd, DIR_, IN_ALL_EVENTS));
	SEE((f = open(DIR_ "/a", O_CREAT | O_WRONLY, 0600)) >= 0);
	SEE(write(f, "x", 1));
	SEE(close(f));
	show(fd);
	SEE(rename(DIR_ "/a", DIR_ "/b"));
	show(fd);
	SEE(mkdir(DIR_ "/d", 0700));
	SEE(chmod(DIR_ "/b", 0644));
	SEE(unlink(DIR_ "/b"));
	show(fd);
	SEE(rmdir(DIR_ "/d"));
	show(fd);
	SEE(rmdir(DIR_));
	show(fd);
}

TEST(inotify, one_file)
{
	int fd = setup(), f, wd, n = 0;
	char c;

	SEE((f = open(DIR_ "/a", O_CREAT | O_RDWR, 0600)) >= 0);
	SEE((wd = inotify_add_watch(fd, DIR_ "/a", IN_MODIFY | IN_ACCESS)));
	SEE(write(f, "x", 1));
	SEE(write(f, "y", 1));
	SEE(pread(f, &c, 1, 0));
	SEE(ioctl(fd, FIONREAD, &n));
	SEE(n);
	show(fd);
	SEE(inotify_rm_watch(fd, wd));
	show(fd);
	SEE(inotify_rm_watch(fd, wd));
	SEE(write(f, "z", 1));
	show(fd);
}

TEST(inotify, masks)
{
	int fd = setup(), f;

	SEE((f = open(DIR_ "/a", O_CREAT | O_RDWR, 0600)) >= 0);
	SEE(inotify_add_watch(fd, DIR_ "/a", 0));
	SEE(inotify_add_watch(fd, DIR_ "/none", IN_OPEN));
	SEE(inotify_add_watch(fd, DIR_ "/a", IN_OPEN | IN_ONLYDIR));
	SEE(inotify_add_watch(fd, DIR_ "/a", IN_OPEN | IN_ONESHOT));
	SEE(inotify_add_watch(fd, DIR_ "/a", IN_OPEN | IN_MASK_CREATE));
	SEE(close(open(DIR_ "/a", O_RDONLY)));
	SEE(close(open(DIR_ "/a", O_RDONLY)));
	show(fd);
	SEE(inotify_add_watch(f, DIR_ "/a", IN_OPEN));
	SEE(inotify_add_watch(999, DIR_ "/a", IN_OPEN));
	SEE(inotify_init1(1));
}

TEST(inotify, small_buffer)
{
	int fd = setup();
	char c[8];

	SEE(inotify_add_watch(fd, DIR_, IN_CREATE));
	SEE(mkdir(DIR_ "/d", 0700));
	SEE(read(fd, c, 8));
	show(fd);
	SEE(rmdir(DIR_ "/d"));
}

/* Masks and names only, for long stories. */
static void story(int fd)
{
	char buf[8192] __attribute__((aligned(8)));
	long n = read(fd, buf, sizeof buf);

	SEE(n < 0);
	for (char *p = buf; n > 0 && p < buf + n;) {
		struct inotify_event *e = (void *)p;

		SEE(e->wd * 0x10000000000L + e->mask);
		if (e->len)
			SEE_STR(e->name);
		p += sizeof *e + e->len;
	}
}

static int touch(const char *name)
{
	return close(open(name, O_CREAT | O_WRONLY, 0600));
}

TEST(inotify, a_file_that_is_unlinked_while_open)
{
	int fd = setup(), f;
	char c;

	SEE((f = open(DIR_ "/a", O_CREAT | O_RDWR, 0600)) >= 0);
	SEE(inotify_add_watch(fd, DIR_ "/a", IN_ALL_EVENTS));
	SEE(inotify_add_watch(fd, DIR_, IN_ALL_EVENTS));
	SEE(unlink(DIR_ "/a"));
	story(fd);
	SEE(write(f, "x", 1));
	SEE(pread(f, &c, 1, 0));
	story(fd);
	SEE(close(f));
	story(fd);
}

TEST(inotify, children_that_are_unlinked)
{
	int fd = setup(), f;

	SEE((f = open(DIR_ "/a", O_CREAT | O_RDWR, 0600)) >= 0);
	SEE(inotify_add_watch(fd, DIR_, IN_ALL_EVENTS | IN_EXCL_UNLINK));
	SEE(write(f, "x", 1));
	SEE(unlink(DIR_ "/a"));
	SEE(write(f, "y", 1));
	SEE(close(f));
	story(fd);
}

TEST(inotify, a_file_that_is_replaced)
{
	int fd = setup();

	SEE(touch(DIR_ "/a"));
	SEE(touch(DIR_ "/b"));
	SEE(inotify_add_watch(fd, DIR_ "/a", IN_ALL_EVENTS));
	SEE(inotify_add_watch(fd, DIR_ "/b", IN_ALL_EVENTS));
	SEE(inotify_add_watch(fd, DIR_, IN_ALL_EVENTS));
	SEE(rename(DIR_ "/b", DIR_ "/a"));
	story(fd);
	SEE(unlink(DIR_ "/a"));
	story(fd);
}

TEST(inotify, a_file_with_two_names)
{
	int fd = setup();

	SEE(touch(DIR_ "/a"));
	SEE(inotify_add_watch(fd, DIR_ "/a", IN_ALL_EVENTS));
	SEE(inotify_add_watch(fd, DIR_, IN_ALL_EVENTS));
	SEE(link(DIR_ "/a", DIR_ "/b"));
	story(fd);
	SEE(unlink(DIR_ "/a"));
	story(fd);
	SEE(chmod(DIR_ "/b", 0644));
	story(fd);
	SEE(unlink(DIR_ "/b"));
	story(fd);
}

TEST(inotify, changes_of_attributes)
{
	int fd = setup();

	SEE(touch(DIR_ "/a"));
	SEE(inotify_add_watch(fd, DIR_ "/a", IN_ALL_EVENTS));
	SEE(truncate(DIR_ "/a", 10));
	SEE(chmod(DIR_ "/a", 0600));
	SEE(chown(DIR_ "/a", (uid_t)-1, (gid_t)-1));
	SEE(utimensat(AT_FDCWD, DIR_ "/a", NULL, 0));
	story(fd);
	SEE(close(open(DIR_ "/a", O_WRONLY | O_TRUNC)));
	story(fd);
	SEE(unlink(DIR_ "/a"));
}

TEST(inotify, directories)
{
	int fd = setup(), d;
	char buf[1024];

	SEE(mkdir(DIR_ "/d", 0700));
	SEE(inotify_add_watch(fd, DIR_ "/d", IN_ALL_EVENTS | IN_ONLYDIR));
	SEE(inotify_add_watch(fd, DIR_, IN_ALL_EVENTS));
	SEE((d = open(DIR_ "/d", O_RDONLY | O_DIRECTORY)) >= 0);
	SEE(syscall(SYS_getdents64, d, buf, sizeof buf) > 0);
	SEE(close(d));
	story(fd);
	SEE(rmdir(DIR_ "/d"));
	story(fd);
	SEE(symlink("x", DIR_ "/b"));
	SEE(inotify_add_watch(fd, DIR_ "/b", IN_ALL_EVENTS));
	SEE(inotify_add_watch(fd, DIR_ "/b", IN_ALL_EVENTS | IN_DONT_FOLLOW));
	SEE(unlink(DIR_ "/b"));
	story(fd);
}

TEST(inotify, adding_to_a_mask)
{
	int fd = setup();

	SEE(touch(DIR_ "/a"));
	SEE(inotify_add_watch(fd, DIR_ "/a", IN_OPEN));
	SEE(inotify_add_watch(fd, DIR_ "/a", IN_ATTRIB | IN_MASK_ADD));
	SEE(inotify_add_watch(
		fd, DIR_ "/a", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE));
	SEE(touch(DIR_ "/a"));
	SEE(chmod(DIR_ "/a", 0640));
	story(fd);
	SEE(inotify_add_watch(fd, DIR_ "/a", IN_CLOSE));
	SEE(touch(DIR_ "/a"));
	SEE(chmod(DIR_ "/a", 0600));
	story(fd);
	SEE(unlink(DIR_ "/a"));
}

TEST(inotify, waiting)
{
	int fd = setup(), n = -1;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buf[256];

	SEE(inotify_add_watch(fd, DIR_, IN_CREATE));
	SEE(poll(&p, 1, 0));
	SEE(ioctl(fd, FIONREAD, &n));
	SEE(n);
	SEE(fcntl(fd, F_SETFL, 0));
	fflush(stdout);
	if (!fork()) {
		usleep(50000);
		touch(DIR_ "/a");
		_exit(0);
	}
	SEE(read(fd, buf, sizeof buf));
	SEE(poll(&p, 1, 0));
	SEE(write(fd, buf, 1));
	SEE(lseek(fd, 0, SEEK_SET));
	SEE(unlink(DIR_ "/a"));
}
