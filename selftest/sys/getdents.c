/* getdents.c - getdents(2), readdir(3), utimensat(2), xattr(7),
 * memfd_create(2). */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

#include "selftest/sys/dir.h"
#include "selftest/test.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 16
#endif

static struct stat st;

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The names of a directory, sorted, with the type after each. */
static const char *names(DIR *d)
{
	static char text[2048], list[64][32];
	struct dirent *e;
	int n = 0;

	while ((e = readdir(d)) && n < 64)
		snprintf(list[n++], 32, "%.20s:%d", e->d_name, e->d_type);
	qsort(list, (size_t)n, 32, by_name);
	text[0] = 0;
	for (int i = 0; i < n; i++) {
		strcat(text, list[i]);
		strcat(text, " ");
	}
	return text;
}

TEST(getdents, names_and_types)
{
	DIR *d;

	in_fresh_dir();
	make_file("file", "");
	SEE(mkdir("dir", 0755));
	SEE(symlink("x", "link"));
	SEE(mkfifo("fifo", 0600));
	d = opendir(".");
	SEE_STR(names(d));
	SEE_STR(names(d));
	rewinddir(d);
	SEE(unlink("file"));
	make_file("new", "");
	SEE_STR(names(d));
	d = opendir("dir");
	SEE_STR(names(d));
}

TEST(getdents, many_names_once_each)
{
	static char seen[500];
	struct dirent *e;
	char name[32];
	long where = 0;
	DIR *d;
	int n = 0;

	in_fresh_dir();
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof name, "name%03d", i);
		make_file(name, "");
	}
	d = opendir(".");
	while ((e = readdir(d)))
		if (e->d_name[0] == 'n') {
			seen[atoi(e->d_name + 4)]++;
			unlink(e->d_name);
		}
	for (int i = 0; i < 500; i++)
		n += seen[i] == 1;
	SEE(n);
	make_file("a", "");
	make_file("b", "");
	make_file("c", "");
	rewinddir(d);
	for (int i = 0; i < 3; i++)
		e = readdir(d);
	where = telldir(d);
	e = readdir(d);
	snprintf(name, sizeof name, "%.20s", e->d_name);
	readdir(d);
	seekdir(d, where);
	SEE(strcmp(readdir(d)->d_name, name));
}

TEST(getdents, errors)
{
	char buf[512];
	int d, f;

	in_fresh_dir();
	make_file("f", "");
	SEE(mkdir("d", 0755));
	d = must_open("d", O_RDONLY, 0);
	f = must_open("f", O_RDONLY, 0);
	SEE(syscall(SYS_getdents64, f, buf, sizeof buf));
	SEE(syscall(SYS_getdents64, d, buf, 4));
	SEE(syscall(SYS_getdents64, d, bad_addr, sizeof buf));
	SEE(syscall(SYS_getdents64, -1, buf, sizeof buf));
	SEE(syscall(SYS_getdents64, d, buf, 24));
	SEE(syscall(SYS_getdents64, d, buf, sizeof buf));
	SEE(syscall(SYS_getdents64, d, buf, sizeof buf));
	SEE(lseek(d, 0, SEEK_SET));
	SEE(syscall(SYS_getdents, d, buf, sizeof buf));
	SEE(lseek(d, 0, SEEK_SET));
	SEE(rmdir("d"));
	SEE(syscall(SYS_getdents64, d, buf, sizeof buf));
}

#define NOW  0x3fffffff
#define OMIT 0x3ffffffe

TEST(utimensat, values)
{
	struct timespec t[2] = { { 100, 5 }, { 200, 999999999 } };
	int fd;

	in_fresh_dir();
	make_file("f", "");
	SEE(utimensat(AT_FDCWD, "f", t, 0));
	SEE(stat("f", &st));
	SEE(st.st_atim.tv_sec * 10 + st.st_atim.tv_nsec);
	SEE(st.st_mtim.tv_sec);
	SEE(st.st_mtim.tv_nsec);
	t[0].tv_nsec = OMIT;
	t[1] = (struct timespec){ -5, 7 };
	SEE(utimensat(AT_FDCWD, "f", t, 0));
	SEE(stat("f", &st));
	SEE(st.st_atim.tv_sec);
	SEE(st.st_mtim.tv_sec);
	SEE(st.st_mtim.tv_nsec);
	t[1].tv_nsec = 1000000000;
	SEE(utimensat(AT_FDCWD, "f", t, 0));
	t[1].tv_nsec = OMIT;
	SEE(utimensat(AT_FDCWD, "none", t, 0));
	SEE(utimensat(AT_FDCWD, "f", NULL, 0));
	SEE(stat("f", &st));
	CHECK(st.st_mtim.tv_sec > 1000000);
	SEE(utimensat(AT_FDCWD, "f", NULL, 0x20000));
	fd = must_open("f", O_RDONLY, 0);
	SEE(futimens(fd, NULL));
	SEE(symlink("none", "s"));
	t[1].tv_nsec = 0;
	SEE(utimensat(AT_FDCWD, "s", t, 0));
	SEE(utimensat(AT_FDCWD, "s", t, AT_SYMLINK_NOFOLLOW));
	SEE(utime("f", &(struct utimbuf){ 11, 12 }));
	SEE(stat("f", &st));
	SEE(st.st_atim.tv_sec * 100 + st.st_mtim.tv_sec);
}

TEST(utimensat, who_may)
{
	struct timespec t[2] = { { 1, 0 }, { 2, 0 } };

	in_fresh_dir();
	make_file("writable", "");
	SEE(chmod("writable", 0666));
	make_file("readable", "");
	as_user();
	SEE(utimensat(AT_FDCWD, "writable", NULL, 0));
	SEE(utimensat(AT_FDCWD, "writable", t, 0));
	SEE(utimensat(AT_FDCWD, "readable", NULL, 0));
	t[0].tv_nsec = t[1].tv_nsec = NOW;
	SEE(utimensat(AT_FDCWD, "writable", t, 0));
	t[0].tv_nsec = OMIT;
	SEE(utimensat(AT_FDCWD, "writable", t, 0));
	t[1].tv_nsec = OMIT;
	SEE(utimensat(AT_FDCWD, "readable", t, 0));
}

TEST(xattr, user_attributes)
{
	char buf[64] = "";
	int fd;

	in_fresh_dir();
	make_file("f", "");
	fd = must_open("f", O_RDONLY, 0);
	SEE(setxattr("f", "user.a", "value", 5, 0));
	SEE(getxattr("f", "user.a", buf, sizeof buf));
	SEE_STR(buf);
	SEE(getxattr("f", "user.a", NULL, 0));
	SEE(getxattr("f", "user.a", buf, 2));
	SEE(getxattr("f", "user.b", buf, 2));
	SEE(setxattr("f", "user.a", "v", 1, XATTR_CREATE));
	SEE(setxattr("f", "user.b", "v", 1, XATTR_REPLACE));
	SEE(setxattr("f", "user.a", "", 0, XATTR_REPLACE));
	SEE(fgetxattr(fd, "user.a", buf, sizeof buf));
	SEE(listxattr("f", buf, sizeof buf));
	SEE_STR(buf);
	SEE(listxattr("f", buf, 3));
	SEE(flistxattr(fd, NULL, 0));
	SEE(removexattr("f", "user.a"));
	SEE(removexattr("f", "user.a"));
	SEE(setxattr("f", "user.", "", 0, 0));
	SEE(setxattr("f", "nothing", "", 0, 0));
	SEE(setxattr("f", "other.a", "", 0, 0));
	SEE(setxattr("f", "", "", 0, 0));
	SEE(setxattr("f", "user.a", "", 0, 8));
	SEE(setxattr("f", "user.a", buf, 65537, 0));
	SEE(setxattr("none", "user.a", "", 0, 0));
	SEE(symlink("f", "s"));
	SEE(lsetxattr("s", "user.a", "", 0, 0));
	SEE(lgetxattr("s", "user.a", buf, sizeof buf));
	SEE(setxattr("f", bad_addr, "", 0, 0));
}

TEST(xattr, privileged_names)
{
	char buf[64];

	in_fresh_dir();
	make_file("f", "");
	SEE(setxattr("f", "trusted.a", "v", 1, 0));
	SEE(getxattr("f", "trusted.a", buf, sizeof buf));
	SEE(chmod("f", 0666));
	as_user();
	SEE(getxattr("f", "trusted.a", buf, sizeof buf));
	SEE(setxattr("f", "trusted.a", "v", 1, 0));
	SEE(listxattr("f", buf, sizeof buf));
	SEE(setxattr("f", "user.a", "v", 1, 0));
	SEE(setxattr("f", "security.a", "v", 1, 0));
	SEE(setxattr(".", "user.a", "v", 1, 0));
}

TEST(memfd_create, seals)
{
	char link[64], target[64] = "";
	void *m;
	int fd;

	fd = memfd_create("name", MFD_ALLOW_SEALING);
	SEE(fd < 0);
	SEE(write(fd, "text", 4));
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	SEE(readlink(link, target, sizeof target - 1));
	SEE_STR(target);
	SEE(fcntl(fd, F_GETFL));
	SEE(fstat(fd, &st));
	SEE(st.st_mode);
	SEE(st.st_nlink);
	SEE(fcntl(fd, F_GET_SEALS));
	SEE(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	SEE(ftruncate(fd, 2));
	SEE(ftruncate(fd, 8));
	SEE(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	SEE(ftruncate(fd, 9));
	SEE(pwrite(fd, "x", 1, 8));
	SEE(pwrite(fd, "xyz", 3, 6));
	SEE(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	SEE(pwrite(fd, "x", 1, 0));
	m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	SEE(m == MAP_FAILED);
	m = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	SEE(m == MAP_FAILED);
	SEE(fcntl(fd, F_GET_SEALS));
	SEE(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	SEE(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	SEE(fcntl(fd, F_ADD_SEALS, 1 << 20));
}

static void *map_shared(int fd, int prot)
{
	return mmap(NULL, 4096, prot, MAP_SHARED, fd, 0);
}

TEST(memfd_create, seals_against_mappings)
{
	int fd = memfd_create("m", MFD_ALLOW_SEALING);
	char *w, *r;

	SEE(ftruncate(fd, 4096));
	w = map_shared(fd, PROT_READ | PROT_WRITE);
	SEE(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	SEE(munmap(w, 4096));
	r = map_shared(fd, PROT_READ); /* could be made writable */
	SEE(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	SEE(munmap(r, 4096));
	SEE(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	SEE(map_shared(fd, PROT_WRITE) == MAP_FAILED);
	w = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	SEE(w[0] = 'p');

	fd = memfd_create("m", MFD_ALLOW_SEALING);
	SEE(ftruncate(fd, 4096));
	w = map_shared(fd, PROT_READ | PROT_WRITE);
	SEE(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	SEE(w[0] = 'w');
	SEE(write(fd, "x", 1));
	SEE(map_shared(fd, PROT_WRITE) == MAP_FAILED);
	r = map_shared(fd, PROT_READ);
	SEE(r[0]);
	SEE(mprotect(r, 4096, PROT_READ | PROT_WRITE));
}

TEST(memfd_create, arguments)
{
	char name[300];
	int p[2];

	memset(name, 'n', sizeof name);
	name[249] = 0;
	SEE(ok_fd(memfd_create(name, 0)));
	name[249] = 'n';
	name[250] = 0;
	SEE(ok_fd(memfd_create(name, 0)));
	SEE(ok_fd(memfd_create("", 0)));
	SEE(ok_fd(memfd_create("x", 1 << 20)));
	SEE(ok_fd(memfd_create(bad_addr, 0)));
	SEE(fcntl(memfd_create("x", 0), F_GET_SEALS));
	SEE(fcntl(memfd_create("x", MFD_CLOEXEC), F_GETFD));
	SEE(pipe(p));
	SEE(fcntl(p[0], F_GET_SEALS));
}
