/* inotify.c - inotify(7). */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
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
