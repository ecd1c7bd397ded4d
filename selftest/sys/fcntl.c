/* fcntl.c - fcntl(2), flock(2), dup(2), close(2), close_range(2), ioctl(2)'s
 * common numbers. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/sys/dir.h"
#include "selftest/test.h"

#define OFD_GETLK 36
#define OFD_SETLK 37

TEST(fcntl, descriptor_flags)
{
	int fd, d;

	in_fresh_dir();
	fd = must_open("f", O_CREAT | O_RDWR, 0644);
	SEE(fcntl(fd, F_GETFD));
	SEE(fcntl(fd, F_SETFD, FD_CLOEXEC));
	SEE(fcntl(fd, F_GETFD));
	SEE(ioctl(fd, FIONCLEX));
	SEE(fcntl(fd, F_GETFD));
	SEE(ioctl(fd, FIOCLEX));
	SEE(fcntl(fd, F_GETFD));
	d = fcntl(fd, F_DUPFD, 100);
	SEE(d);
	SEE(fcntl(d, F_GETFD));
	d = fcntl(fd, F_DUPFD_CLOEXEC, 100);
	SEE(d);
	SEE(fcntl(d, F_GETFD));
	SEE(fcntl(fd, F_DUPFD, -1));
	SEE(fcntl(fd, F_DUPFD, 1 << 30));
	SEE(fcntl(fd, 9999));
	SEE(fcntl(-1, F_GETFD));
	SEE(fcntl(fd, F_GETPIPE_SZ));
}

TEST(fcntl, status_flags)
{
	int fd, one = 1, zero = 0;

	in_fresh_dir();
	fd = must_open("f", O_CREAT | O_RDWR, 0644);
	SEE(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
	SEE(fcntl(fd, F_GETFL));
	SEE(fcntl(dup(fd), F_GETFL));
	SEE(fcntl(fd, F_SETFL, O_WRONLY | O_CREAT | O_SYNC));
	SEE(fcntl(fd, F_GETFL));
	SEE(ioctl(fd, FIONBIO, &one));
	SEE(fcntl(fd, F_GETFL));
	SEE(ioctl(fd, FIONBIO, &zero));
	SEE(fcntl(fd, F_GETFL));
	SEE(write(fd, "12345", 5));
	SEE(lseek(fd, 2, SEEK_SET));
	SEE(ioctl(fd, FIONREAD, &one));
	SEE(one);
	SEE(ioctl(fd, TIOCGWINSZ, &one));
	SEE(ioctl(-1, FIOCLEX));
	SEE(ioctl(fd, FIONBIO, bad_addr));
}

TEST(dup, numbers)
{
	struct rlimit l = { 110, 110 };
	int fd;

	in_fresh_dir();
	fd = must_open("f", O_CREAT | O_RDWR, 0644);
	SEE(dup2(fd, 105));
	SEE(dup2(105, 105));
	SEE(dup2(104, 104));
	SEE(dup3(fd, 106, O_CLOEXEC));
	SEE(fcntl(106, F_GETFD));
	SEE(dup3(106, 106, 0));
	SEE(dup3(fd, 107, O_NONBLOCK));
	SEE(dup2(fd, -1));
	SEE(dup2(-1, 105));
	SEE(setrlimit(RLIMIT_NOFILE, &l));
	SEE(dup2(fd, 110));
	SEE(dup2(fd, 109));
	SEE(fcntl(fd, F_DUPFD, 110));
	SEE(fcntl(fd, F_DUPFD, 109));
	for (int i = 3; i < 109; i++)
		dup2(fd, i);
	SEE(dup(fd));
	SEE(open("f", O_RDONLY));
	SEE(open("none", O_RDONLY));
	SEE(close(50));
	SEE(close(50));
	SEE(dup(fd));
}

TEST(close_range, what_goes)
{
	in_fresh_dir();
	dup2(1, 50);
	dup2(1, 51);
	dup2(1, 60);
	SEE(syscall(SYS_close_range, 50, 51, 0));
	SEE(fcntl(50, F_GETFD));
	SEE(fcntl(60, F_GETFD));
	SEE(syscall(SYS_close_range, 55, ~0u, 4));
	SEE(fcntl(60, F_GETFD));
	SEE(syscall(SYS_close_range, 55, 50, 0));
	SEE(syscall(SYS_close_range, 50, 51, 64));
	SEE(syscall(SYS_close_range, 55, ~0u, 2));
	SEE(fcntl(60, F_GETFD));
	SEE(close(-1));
}

static int lock(int fd, int cmd, int type, long start, long len)
{
	struct flock l = { .l_type = (short)type,
		.l_whence = SEEK_SET,
		.l_start = start,
		.l_len = len };

	return fcntl(fd, cmd, &l);
}

/* Who is in the way, in a child: type * 1000000 + start * 1000 + len. */
static long in_the_way(
	const char *name, int cmd, int type, long start, long len)
{
	struct flock l = { .l_type = (short)type,
		.l_whence = SEEK_SET,
		.l_start = start,
		.l_len = len };
	int p[2], fd;
	long ret = -1;

	if (pipe(p))
		return -1;
	if (fork() == 0) {
		fd = open(name, O_RDWR);
		if (fcntl(fd, cmd, &l) == 0)
			ret = l.l_type * 1000000 + l.l_start * 1000 + l.l_len;
		(void)!write(p[1], &ret, sizeof ret);
		_exit(0);
	}
	(void)!read(p[0], &ret, sizeof ret);
	wait(NULL);
	close(p[0]);
	close(p[1]);
	return ret;
}

TEST(fcntl, record_locks)
{
	int fd;

	in_fresh_dir();
	fd = must_open("f", O_CREAT | O_RDWR, 0644);
	SEE(lock(fd, F_SETLK, F_WRLCK, 10, 10));
	SEE(in_the_way("f", F_GETLK, F_WRLCK, 0, 0));
	SEE(in_the_way("f", F_GETLK, F_RDLCK, 20, 5));
	SEE(lock(fd, F_SETLK, F_RDLCK, 12, 3));
	SEE(in_the_way("f", F_GETLK, F_RDLCK, 0, 0));
	SEE(in_the_way("f", F_GETLK, F_RDLCK, 12, 3));
	SEE(in_the_way("f", F_GETLK, F_WRLCK, 12, 3));
	SEE(lock(fd, F_SETLK, F_WRLCK, 20, 5));
	SEE(in_the_way("f", F_GETLK, F_RDLCK, 16, 0));
	SEE(lock(fd, F_SETLK, F_UNLCK, 0, 18));
	SEE(in_the_way("f", F_GETLK, F_RDLCK, 0, 0));
	SEE(lock(fd, F_SETLK, F_WRLCK, 30, 0));
	SEE(in_the_way("f", F_GETLK, F_RDLCK, 26, 0));
	SEE(in_the_way("f", F_SETLK, F_RDLCK, 40, 1));
	SEE(ok_fd(open("f", O_RDONLY))); /* closing any drops all */
	SEE(in_the_way("f", F_GETLK, F_WRLCK, 0, 0));
	SEE(lock(fd, F_SETLK, F_WRLCK, -1, 1));
	SEE(lock(fd, F_SETLK, 7, 0, 1));
	SEE(lock(fd, F_GETLK, F_UNLCK, 0, 1));
	SEE(lock(must_open("f", O_RDONLY, 0), F_SETLK, F_WRLCK, 0, 1));
	SEE(lock(must_open("f", O_WRONLY, 0), F_SETLK, F_RDLCK, 0, 1));
	SEE(fcntl(fd, F_SETLK, bad_addr));
}

TEST(fcntl, open_file_locks)
{
	int a, b;

	in_fresh_dir();
	a = must_open("f", O_CREAT | O_RDWR, 0644);
	b = must_open("f", O_RDWR, 0);
	SEE(lock(a, OFD_SETLK, F_WRLCK, 0, 10));
	SEE(lock(b, OFD_SETLK, F_RDLCK, 5, 1));
	SEE(lock(a, OFD_SETLK, F_RDLCK, 0, 10));
	SEE(lock(b, OFD_SETLK, F_RDLCK, 5, 1));
	SEE(lock(b, F_SETLK, F_WRLCK, 0, 10));
	SEE(close(a));
	SEE(lock(b, OFD_SETLK, F_WRLCK, 0, 10));
}

TEST(fcntl, waiting_for_a_lock)
{
	int fd, p[2], status;
	char c;

	in_fresh_dir();
	fd = must_open("f", O_CREAT | O_RDWR, 0644);
	SEE(pipe(p));
	SEE(lock(fd, F_SETLKW, F_WRLCK, 0, 1));
	if (fork() == 0) {
		(void)!write(p[1], "x", 1);
		_exit(lock(fd, F_SETLKW, F_WRLCK, 0, 1));
	}
	SEE(read(p[0], &c, 1));
	usleep(50000);
	SEE(lock(fd, F_SETLK, F_UNLCK, 0, 1));
	SEE(wait(&status) < 0);
	SEE(status);
}

TEST(fcntl, deadlock_is_seen)
{
	int fd, p[2];
	char c;

	in_fresh_dir();
	fd = must_open("f", O_CREAT | O_RDWR, 0644);
	SEE(pipe(p));
	SEE(lock(fd, F_SETLKW, F_WRLCK, 0, 1));
	if (fork() == 0) {
		lock(fd, F_SETLKW, F_WRLCK, 1, 1);
		(void)!write(p[1], "x", 1);
		lock(fd, F_SETLKW, F_WRLCK, 0, 1);
		_exit(0);
	}
	SEE(read(p[0], &c, 1));
	usleep(100000);
	SEE(lock(fd, F_SETLKW, F_WRLCK, 1, 1));
	SEE(lock(fd, F_SETLK, F_UNLCK, 0, 1));
	SEE(wait(NULL) < 0);
}

TEST(fcntl, notify_of_nothing)
{
	int fd = open("/tmp", O_RDONLY | O_DIRECTORY);

	SEE(fcntl(fd, F_NOTIFY, DN_MULTISHOT));
}

TEST(flock, modes)
{
	int a, b;

	in_fresh_dir();
	a = must_open("f", O_CREAT | O_RDWR, 0644);
	b = must_open("f", O_RDONLY, 0);
	SEE(flock(a, LOCK_SH));
	SEE(flock(b, LOCK_SH | LOCK_NB));
	SEE(flock(a, LOCK_EX | LOCK_NB));
	SEE(flock(b, LOCK_UN));
	SEE(flock(a, LOCK_EX | LOCK_NB));
	SEE(flock(b, LOCK_SH | LOCK_NB));
	SEE(flock(dup(a), LOCK_UN));
	SEE(flock(b, LOCK_EX | LOCK_NB));
	SEE(close(b));
	SEE(flock(a, LOCK_EX | LOCK_NB));
	SEE(flock(a, 0));
	SEE(flock(a, 99));
	SEE(flock(-1, LOCK_SH));
}

static void on_alarm(int sig)
{
	(void)sig;
}

TEST(flock, interrupted)
{
	int a, b;

	in_fresh_dir();
	a = must_open("f", O_CREAT | O_RDWR, 0644);
	b = must_open("f", O_RDONLY, 0);
	sigaction(SIGALRM, &(struct sigaction){ .sa_handler = on_alarm }, NULL);
	SEE(flock(a, LOCK_EX));
	ualarm(50000, 0);
	SEE(flock(b, LOCK_EX));
	ualarm(50000, 0);
	SEE(lock(a, F_SETLKW, F_WRLCK, 0, 0));
	ualarm(0, 0);
}
