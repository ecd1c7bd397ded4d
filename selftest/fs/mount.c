/* mount.c - mount(2), umount2(2), pivot_root(2): what paths see of mounts. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "selftest/sys/dir.h"
#include "selftest/test.h"

/* On the host the machine's own mounts stay as they are. */
static void in_own_mounts(void)
{
	in_fresh_dir();
	if (unshare(CLONE_NEWNS) == 0)
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static struct stat st;

TEST(mount, covers_and_uncovers)
{
	in_own_mounts();
	SEE(mkdir("m", 0755));
	make_file("m/under", "u");
	SEE(mount("none", "m", "tmpfs", 0, NULL));
	SEE_STR(file_text("m/under"));
	make_file("m/over", "o");
	SEE_STR(file_text("m/../m/over"));
	SEE(rename("m/over", "over"));
	SEE(link("m/over", "over"));
	SEE(rmdir("m"));
	SEE(rename("m", "n"));
	SEE(umount("m"));
	SEE_STR(file_text("m/under"));
	SEE(umount("m"));
	SEE(umount("none"));
	SEE(umount2("m", 0x100));
}

TEST(mount, arguments)
{
	in_own_mounts();
	SEE(mkdir("m", 0755));
	make_file("f", "");
	SEE(mount("none", "m", "nosuchfs", 0, NULL));
	SEE(mount("none", "m", NULL, 0, NULL));
	SEE(mount("none", "none", "tmpfs", 0, NULL));
	SEE(mount("none", "f", "tmpfs", 0, NULL));
	SEE(mount("none", "m", "tmpfs", 0, "size=banana"));
	SEE(mount("none", "m", "tmpfs", 0, "nosuchoption"));
	SEE(mount("none", "m", "tmpfs", 0, "mode=700,uid=7,gid=8,size=64k"));
	SEE(stat("m", &st));
	SEE(st.st_mode);
	SEE(st.st_uid * 10 + st.st_gid);
	SEE(mount("m", "f", NULL, MS_BIND, NULL));
	SEE(mount("none", "m", NULL, MS_BIND, NULL));
	SEE(umount("m"));
	as_user();
	SEE(mount("none", "m", "tmpfs", 0, NULL));
	SEE(umount("m"));
}

TEST(mount, read_only)
{
	struct statvfs v;

	in_own_mounts();
	SEE(mkdir("m", 0755));
	SEE(mount("none", "m", "tmpfs", 0, NULL));
	make_file("m/f", "x");
	SEE(mount("none", "m", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	SEE(statvfs("m", &v) || !(v.f_flag & ST_RDONLY));
	SEE(ok_fd(open("m/f", O_RDONLY)));
	SEE(ok_fd(open("m/f", O_RDWR)));
	SEE(ok_fd(open("m/f", O_RDONLY | O_TRUNC)));
	SEE(ok_fd(open("m/f", O_RDONLY | O_CREAT, 0644)));
	SEE(ok_fd(open("m/g", O_RDONLY | O_CREAT, 0644)));
	SEE(ok_fd(open("m/f", O_CREAT | O_EXCL | O_RDWR, 0644)));
	SEE(mkdir("m/d", 0755));
	SEE(mkdir("m/f", 0755));
	SEE(unlink("m/f"));
	SEE(unlink("m/none"));
	SEE(rmdir("m/none"));
	SEE(rename("m/f", "m/g"));
	SEE(link("m/f", "m/g"));
	SEE(symlink("x", "m/s"));
	SEE(mknod("m/n", S_IFREG | 0644, 0));
	SEE(chmod("m/f", 0600));
	SEE(chown("m/f", 0, 0));
	SEE(truncate("m/f", 0));
	SEE(utimensat(AT_FDCWD, "m/f", NULL, 0));
	SEE(access("m/f", W_OK));
	SEE(access("m/f", R_OK));
	SEE(mount("none", "m", NULL, MS_REMOUNT | MS_BIND, NULL));
	SEE(unlink("m/f"));
	SEE(umount("m"));
}

TEST(mount, options_of_the_mount)
{
	in_own_mounts();
	SEE(mkdir("m", 0755));
	SEE(mount("none", "m", "tmpfs", MS_NODEV | MS_NOEXEC, NULL));
	SEE(mknod("m/null", S_IFCHR | 0666, 0x103));
	SEE(ok_fd(open("m/null", O_RDWR)));
	make_file("m/x", "#!/bin/sh\n");
	SEE(chmod("m/x", 0755));
	SEE(access("m/x", X_OK));
	SEE(execl("m/x", "x", NULL));
	SEE(umount("m"));
}

TEST(mount, bind)
{
	in_own_mounts();
	SEE(mkdir("a", 0755));
	SEE(mkdir("a/sub", 0755));
	SEE(mkdir("b", 0755));
	make_file("a/f", "in a");
	make_file("g", "g");
	SEE(mount("a", "b", NULL, MS_BIND, NULL));
	SEE_STR(file_text("b/f"));
	make_file("b/new", "n");
	SEE_STR(file_text("a/new"));
	SEE(stat("b/..", &st));
	SEE(rename("a/f", "b/f2"));
	SEE(mount("none", "a/sub", "tmpfs", 0, NULL));
	make_file("a/sub/deep", "d");
	SEE_STR(file_text("b/sub/deep"));
	SEE(umount("b"));
	SEE(mount("a", "b", NULL, MS_BIND | MS_REC, NULL));
	SEE_STR(file_text("b/sub/deep"));
	SEE(umount("b"));
	SEE(umount2("b", MNT_DETACH));
	SEE(mount("g", "a/f", NULL, MS_BIND, NULL));
	make_file("a/f", "");
	SEE(mount("g", "a/f", NULL, MS_BIND, NULL));
	SEE_STR(file_text("a/f"));
	SEE(unlink("a/f"));
	SEE(umount("a/f"));
	SEE(umount("a/f"));
	SEE(umount("a/sub"));
}

TEST(mount, bind_on_itself)
{
	in_own_mounts();
	SEE(mkdir("a", 0755));
	SEE(mkdir("a/sub", 0755));
	SEE(mount("none", "a/sub", "tmpfs", 0, NULL));
	make_file("a/sub/f", "x");
	SEE(mount("a", "a", NULL, MS_BIND | MS_REC, NULL));
	SEE_STR(file_text("a/sub/f"));
	SEE(mount("none", "a", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	SEE(mkdir("a/d", 0755));
	SEE(umount("a/sub"));
	SEE(access("a/sub/f", F_OK));
	SEE(umount("a"));
	SEE_STR(file_text("a/sub/f"));
	SEE(umount("a"));
	SEE(umount("a/sub"));
}

TEST(mount, move_and_busy)
{
	int fd;

	in_own_mounts();
	SEE(mkdir("a", 0755));
	SEE(mkdir("b", 0755));
	SEE(mount("none", "a", "tmpfs", 0, NULL));
	make_file("a/f", "x");
	SEE(mount("a", "b", NULL, MS_MOVE, NULL));
	SEE_STR(file_text("a/f"));
	SEE_STR(file_text("b/f"));
	fd = must_open("b/f", O_RDONLY, 0);
	SEE(umount("b"));
	SEE(umount2("b", MNT_EXPIRE));
	SEE(umount2("b", MNT_DETACH));
	SEE_STR(file_text("b/f"));
	SEE(lseek(fd, 0, SEEK_END));
	SEE(close(fd));
	SEE(mount("none", "a", "tmpfs", 0, NULL));
	SEE(umount2("a", MNT_EXPIRE));
	SEE(umount2("a", MNT_EXPIRE | MNT_FORCE));
	SEE(umount2("a", MNT_EXPIRE));
	SEE(chdir("a"));
	SEE(mount("none", ".", "tmpfs", 0, NULL));
	SEE(umount("../a"));
}

TEST(mount, stacked_on_one_place)
{
	in_own_mounts();
	SEE(mkdir("m", 0755));
	SEE(mount("none", "m", "tmpfs", 0, NULL));
	make_file("m/one", "1");
	SEE(mount("none", "m", "tmpfs", 0, NULL));
	SEE(access("m/one", F_OK));
	make_file("m/two", "2");
	SEE(umount("m"));
	SEE(access("m/one", F_OK));
	SEE(access("m/two", F_OK));
	SEE(umount("m"));
}

TEST(mount, tmpfs_limits)
{
	static char block[65536];
	int fd;

	in_own_mounts();
	SEE(mkdir("m", 0755));
	SEE(mount("none", "m", "tmpfs", 0, "size=64k,nr_inodes=3"));
	fd = must_open("m/f", O_CREAT | O_RDWR, 0644);
	SEE(write(fd, block, 40000));
	SEE(write(fd, block, 40000));
	SEE(write(fd, block, 1));
	SEE(pwrite(fd, block, 100, 0));
	SEE(fallocate(fd, 0, 65536, 4096));
	SEE(fallocate(fd, 3, 0, 8192));
	SEE(lseek(fd, 0, SEEK_DATA));
	SEE(lseek(fd, 8192, SEEK_HOLE));
	SEE(stat("m/f", &st) || st.st_blocks != 112);
	make_file("m/g", "");
	SEE(ok_fd(open("m/h", O_CREAT | O_RDWR, 0644)));
	SEE(mkdir("m/d", 0755));
	SEE(unlink("m/g"));
	SEE(mkdir("m/d", 0755));
	SEE(close(fd));
	SEE(umount("m"));
}

TEST(mount, new_root)
{
	in_own_mounts();
	SEE(mkdir("new", 0755));
	SEE(syscall(SYS_pivot_root, "none", "new"));
	as_user();
	SEE(syscall(SYS_pivot_root, "new", "new"));
}
