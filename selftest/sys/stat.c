/* stat.c - stat(2), statx(2), mkdir(2), mknod(2), chmod(2), chown(2),
 * access(2), umask(2). */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "selftest/sys/dir.h"
#include "selftest/test.h"

/* Not every C library has it. */
struct statx_ {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, pad;
	uint64_t ino, size, blocks, attributes_mask;
	struct {
		int64_t sec;
		uint32_t nsec, pad;
	} atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t spare[14];
};
#define STATX_BASIC 0x7ffu

static struct stat st;

static int mode_of(const char *name)
{
	return lstat(name, &st) ? -1 : (int)st.st_mode;
}

TEST(stat, kinds_of_files)
{
	in_fresh_dir();
	make_file("f", "12345");
	SEE(mkdir("d", 0755));
	SEE(symlink("f", "s"));
	SEE(mkfifo("p", 0600));
	SEE(stat("f", &st));
	SEE(st.st_mode);
	SEE(st.st_size);
	SEE(st.st_nlink);
	SEE(st.st_uid);
	SEE(lstat("s", &st));
	SEE(st.st_mode);
	SEE(stat("s", &st));
	SEE(st.st_mode);
	SEE(stat("d", &st));
	SEE(st.st_nlink);
	SEE(mode_of("p"));
	SEE(stat("/dev/null", &st));
	SEE(st.st_rdev == makedev(1, 3));
	SEE(st.st_mode);
	SEE(stat("f/", &st));
	SEE(stat("d/", &st));
	SEE(stat("none", &st));
	SEE(stat("", &st));
	SEE(syscall(SYS_stat, "f", bad_addr));
	SEE(stat(bad_addr, &st));
}

TEST(stat, of_descriptors)
{
	struct stat other;
	int fd, p[2];

	in_fresh_dir();
	make_file("f", "12345");
	fd = must_open("f", O_RDONLY, 0);
	SEE(fstat(fd, &st));
	SEE(stat("f", &other));
	SEE(st.st_ino == other.st_ino && st.st_dev == other.st_dev);
	SEE(fstat(-1, &st));
	SEE(pipe(p));
	SEE(fstat(p[0], &st));
	SEE(st.st_mode);
	SEE(fstatat(p[0], "", &st, AT_EMPTY_PATH));
	SEE(fstatat(fd, "", &st, AT_EMPTY_PATH));
	SEE(st.st_size);
	SEE(fstatat(fd, "", &st, 0));
	SEE(fstatat(fd, "x", &st, 0));
	SEE(fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
	SEE(st.st_mode);
	SEE(fstatat(AT_FDCWD, "f", &st, 0x10000));
}

TEST(stat, times_move)
{
	struct timespec before;
	int fd;

	in_fresh_dir();
	make_file("f", "x");
	stat("f", &st);
	before = st.st_mtim;
	nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
	fd = must_open("f", O_WRONLY, 0);
	SEE(write(fd, "y", 1));
	stat("f", &st);
	CHECK(st.st_mtim.tv_sec > before.tv_sec ||
		st.st_mtim.tv_nsec > before.tv_nsec);
	CHECK(st.st_ctim.tv_sec == st.st_mtim.tv_sec);
	before = st.st_ctim;
	nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
	SEE(chmod("f", 0600));
	stat("f", &st);
	CHECK(st.st_ctim.tv_sec > before.tv_sec ||
		st.st_ctim.tv_nsec > before.tv_nsec);
	CHECK(st.st_mtim.tv_nsec == before.tv_nsec);
}

TEST(statx, basic_fields)
{
	struct statx_ sx;
	int fd;

	in_fresh_dir();
	make_file("f", "12345");
	stat("f", &st);
	SEE(syscall(SYS_statx, AT_FDCWD, "f", 0, STATX_BASIC, &sx));
	SEE((sx.mask & STATX_BASIC) == STATX_BASIC);
	SEE(sx.size);
	SEE(sx.mode);
	SEE(sx.ino == st.st_ino);
	SEE(makedev(sx.dev_major, sx.dev_minor) == st.st_dev);
	SEE(sx.mtime.sec == st.st_mtim.tv_sec);
	fd = must_open("f", O_RDONLY, 0);
	SEE(syscall(SYS_statx, fd, "", AT_EMPTY_PATH, 0x200, &sx));
	SEE(sx.size);
	SEE(syscall(SYS_statx, AT_FDCWD, "f", 0x6000, 0, &sx));
	SEE(syscall(SYS_statx, AT_FDCWD, "f", 0x10000, 0, &sx));
	SEE(syscall(SYS_statx, AT_FDCWD, "f", 0, 0x80000000, &sx));
	SEE(syscall(SYS_statx, AT_FDCWD, "none", 0, 0, &sx));
	SEE(syscall(SYS_statx, AT_FDCWD, "f", 0, 0, bad_addr));
}

TEST(mkdir, modes_and_errors)
{
	in_fresh_dir();
	umask(022);
	SEE(mkdir("d", 0777));
	SEE(mode_of("d"));
	SEE(mkdir("e", 07777));
	SEE(mode_of("e"));
	SEE(mkdir("d", 0777));
	make_file("f", "");
	SEE(mkdir("f", 0777));
	SEE(mkdir("f/x", 0777));
	SEE(mkdir("no/x", 0777));
	SEE(mkdir("g/", 0777));
	SEE(mkdir("g//", 0777));
	SEE(mkdir(".", 0777));
	SEE(mkdir("g/..", 0777));
	SEE(mkdir("/", 0777));
	SEE(mkdir("", 0777));
	SEE(symlink("none", "s"));
	SEE(mkdir("s", 0777));
	SEE(mkdir("s/", 0777));
}

TEST(mkdir, set_group_id_is_inherited)
{
	in_fresh_dir();
	SEE(mkdir("d", 0777));
	SEE(chown("d", 0, 1234));
	SEE(chmod("d", 02777));
	SEE(mkdir("d/e", 0755));
	SEE(mode_of("d/e"));
	SEE(st.st_gid);
	make_file("d/f", "");
	SEE(mode_of("d/f"));
	SEE(st.st_gid);
	as_user();
	SEE(ok_fd(open("d/g", O_CREAT | O_RDWR, 02775)));
	SEE(mode_of("d/g"));
	SEE(st.st_gid);
}

TEST(mknod, kinds)
{
	in_fresh_dir();
	umask(022);
	SEE(mknod("f", 0666, 0));
	SEE(mode_of("f"));
	SEE(mknod("g", S_IFREG | 0600, 0));
	SEE(mknod("p", S_IFIFO | 0666, 0));
	SEE(mode_of("p"));
	SEE(mknod("s", S_IFSOCK | 0666, 0));
	SEE(mode_of("s"));
	SEE(ok_fd(open("s", O_RDONLY)));
	SEE(mknod("d", S_IFDIR | 0755, 0));
	SEE(mknod("l", S_IFLNK | 0755, 0));
	SEE(mknod("x", 0170000, 0));
	SEE(mknod("f", S_IFREG, 0));
	SEE(mknod("n/", S_IFREG | 0600, 0));
	as_user();
	SEE(mknod("c", S_IFCHR | 0600, makedev(1, 3)));
	SEE(mknod("q", S_IFIFO | 0600, 0));
}

TEST(chmod, who_may)
{
	in_fresh_dir();
	make_file("f", "x");
	SEE(chmod("f", 07777));
	SEE(mode_of("f"));
	SEE(chmod("f", 0100000 | 0640));
	SEE(mode_of("f"));
	SEE(symlink("f", "s"));
	SEE(chmod("s", 0600));
	SEE(mode_of("s"));
	SEE(mode_of("f"));
	SEE(fchmodat(AT_FDCWD, "s", 0644, 0));
	SEE(chmod("none", 0600));
	SEE(chmod("f/x", 0600));
	as_user();
	SEE(chmod("f", 0666));
	make_file("mine", "");
	SEE(chmod("mine", 06755));
	SEE(mode_of("mine"));
}

TEST(chmod, set_group_id_needs_the_group)
{
	in_fresh_dir();
	make_file("f", "x");
	SEE(chown("f", 1000, 1234));
	as_user();
	SEE(chmod("f", 02755));
	SEE(mode_of("f"));
}

TEST(chown, who_may)
{
	in_fresh_dir();
	make_file("f", "x");
	SEE(chown("f", 1000, 1000));
	SEE(mode_of("f"));
	SEE(st.st_uid * 10000 + st.st_gid);
	SEE(chown("f", -1, 5));
	SEE(mode_of("f"));
	SEE(st.st_uid * 10000 + st.st_gid);
	make_file("root", "x");
	as_user();
	SEE(chown("f", 1000, 1000));
	SEE(chown("f", -1, 1000));
	SEE(chown("f", 1000, -1));
	SEE(chown("f", 1001, -1));
	SEE(chown("f", -1, 5));
	SEE(chown("root", -1, 1000));
	SEE(chown("root", -1, -1));
	SEE(chown("none", -1, -1));
}

TEST(chown, takes_set_id_bits_away)
{
	in_fresh_dir();
	make_file("f", "x");
	SEE(chmod("f", 06755));
	SEE(chown("f", 0, 0));
	SEE(mode_of("f"));
	SEE(chmod("f", 06745));
	SEE(chown("f", 0, 0));
	SEE(mode_of("f"));
	SEE(mkdir("d", 0755));
	SEE(chmod("d", 06755));
	SEE(chown("d", 0, 0));
	SEE(mode_of("d"));
}

static bool ctime_moves(const char *path, uid_t uid)
{
	struct stat a, b;

	CHECK(!lstat(path, &a));
	usleep(20000); /* a tick of the host's clock */
	SEE(lchown(path, uid, -1));
	CHECK(!lstat(path, &b));
	return a.st_ctim.tv_sec != b.st_ctim.tv_sec ||
	       a.st_ctim.tv_nsec != b.st_ctim.tv_nsec;
}

TEST(chown, of_nothing_is_a_change)
{
	in_fresh_dir();
	make_file("f", "x");
	SEE(symlink("f", "l"));
	SEE(mkdir("d", 0755));
	SEE(ctime_moves("f", 0));
	SEE(ctime_moves("f", -1));
	SEE(ctime_moves("l", -1));
	SEE(ctime_moves("d", -1));
	SEE(chmod("f", 06755));
	SEE(chown("f", -1, -1));
	SEE(mode_of("f"));
}

TEST(chown, writing_takes_set_id_bits_away)
{
	int fd;

	in_fresh_dir();
	make_file("f", "xyz");
	SEE(chmod("f", 06777));
	SEE(chown("f", 0, 0));
	SEE(chmod("f", 06777));
	fd = must_open("f", O_WRONLY, 0);
	SEE(write(fd, "a", 1));
	SEE(mode_of("f"));
	as_user();
	SEE(write(fd, "a", 1));
	SEE(mode_of("f"));
}

TEST(access, real_ids_count)
{
	in_fresh_dir();
	make_file("none", "");
	SEE(chmod("none", 0));
	make_file("exec", "");
	SEE(chmod("exec", 0755));
	SEE(symlink("gone", "dangling"));
	SEE(access("none", R_OK | W_OK));
	SEE(access("none", X_OK));
	SEE(access("exec", X_OK));
	SEE(access("none", 8));
	SEE(access("gone", F_OK));
	SEE(access("dangling", F_OK));
	SEE(faccessat(AT_FDCWD, "dangling", F_OK, AT_SYMLINK_NOFOLLOW));
	SEE(seteuid(1000));
	SEE(access("none", R_OK));
	SEE(faccessat(AT_FDCWD, "none", R_OK, AT_EACCESS));
	SEE(seteuid(0));
	as_user();
	SEE(access("none", R_OK));
	SEE(access("none", F_OK));
	SEE(access("exec", W_OK));
	SEE(access("exec", X_OK));
	SEE(access(".", W_OK));
}

TEST(umask, old_value)
{
	SEE(umask(027));
	SEE(umask(07777));
	SEE(umask(0));
}

TEST(statfs, known_fields)
{
	struct statfs s;
	int p[2];

	in_fresh_dir();
	SEE(statfs(".", &s));
	SEE(s.f_namelen);
	SEE(statfs("/proc", &s));
	SEE(s.f_type);
	SEE(pipe(p));
	SEE(fstatfs(p[0], &s));
	SEE(s.f_type);
	SEE(statfs("none", &s));
	SEE(fstatfs(-1, &s));
}

TEST(getcwd, sizes_and_changes)
{
	char buf[256], small[8];
	int fd;

	in_fresh_dir();
	SEE(mkdir("d", 0755));
	SEE(chdir("d"));
	SEE(getcwd(buf, sizeof buf) != NULL);
	SEE(strcmp(strrchr(buf, '/'), "/d"));
	SEE(syscall(SYS_getcwd, small, sizeof small));
	SEE(syscall(SYS_getcwd, bad_addr, 256));
	SEE(rename("../d", "../e"));
	SEE(getcwd(buf, sizeof buf) != NULL);
	SEE(strcmp(strrchr(buf, '/'), "/e"));
	make_file("f", "");
	SEE(chdir("f"));
	SEE(chdir("none"));
	SEE(chdir(""));
	fd = must_open("..", O_RDONLY, 0);
	SEE(fchdir(fd));
	SEE(access("e", F_OK));
	SEE(fchdir(must_open("e/f", O_RDONLY, 0)));
	SEE(fchdir(must_open("e", O_PATH, 0)));
	SEE(fchdir(-1));
	SEE(chdir("/"));
	SEE(syscall(SYS_getcwd, buf, sizeof buf));
	SEE_STR(buf);
}

TEST(chroot, keeps_inside)
{
	char buf[64];

	in_fresh_dir();
	SEE(mkdir("root", 0755));
	SEE(mkdir("root/d", 0755));
	make_file("root/f", "in");
	make_file("f", "out");
	SEE(symlink("/f", "root/s"));
	SEE(chroot("root"));
	SEE(chdir("/"));
	SEE_STR(file_text("../../f"));
	SEE_STR(file_text("/s"));
	SEE_STR(file_text("d/../../f"));
	SEE(syscall(SYS_getcwd, buf, sizeof buf));
	SEE(chroot("none"));
	as_user();
	SEE(chroot("/"));
}
