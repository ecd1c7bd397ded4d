/*
 * leak.c - what a guest does many times must not make the kernel grow, and what
 * fails half-way must leave nothing behind.
 *
 * The sandbox of a sanitizer build counts its objects in /proc/objects, and
 * lets a thread's nth allocation fail by Linux's /proc/thread-self/fail-nth.
 * Where there are no such files nothing is counted and nothing fails.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "selftest/test.h"

#define TIMES   100
#define SLACK   12 /* caches, threads on their way out */
#define NTH_MAX 400

static long objects(void)
{
	static char text[1 << 18];
	int fd = open("/proc/objects", O_RDONLY);
	size_t n = 0;
	long sum = 0;
	ssize_t k;

	if (fd < 0)
		return 0;
	while ((k = read(fd, text + n, sizeof text - 1 - n)) > 0)
		n += (size_t)k;
	close(fd);
	text[n] = 0;
	for (char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		sum += atol(line);
	}
	return sum;
}

/* Threads end a little after those who wait for them: look again. */
static void check_growth(long before, int max)
{
	long grown = objects() - before;

	for (int i = 0; grown >= max && i < 100; i++) {
		usleep(20000);
		grown = objects() - before;
	}
	if (grown >= max)
		printf("\t%ld objects more\n", grown);
	CHECK(grown < max);
}

static void repeat(void (*once)(void))
{
	long before;

	for (int i = 0; i < 8; i++)
		once();
	before = objects();
	for (int i = 0; i < TIMES; i++)
		once();
	check_growth(before, SLACK);
}

/* --- things to do */

static void close_all(int *fd, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fd[i] >= 0)
			close(fd[i]);
}

static void forks(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void *nothing(void *arg)
{
	return arg;
}

static void threads(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, nothing, NULL) == 0)
		pthread_join(t, NULL);
}

static void tmp_files(void)
{
	int fd = open("leak-a", O_RDWR | O_CREAT, 0600);
	struct stat st;
	char c;

	(void)!write(fd, "hello", 5);
	(void)!pread(fd, &c, 1, 0);
	(void)!ftruncate(fd, 100000);
	(void)fsetxattr(fd, "user.leak", "x", 1, 0);
	(void)symlink("leak-a", "leak-l");
	(void)mkdir("leak-d", 0700);
	(void)link("leak-a", "leak-d/b");
	(void)rename("leak-d/b", "leak-d/c");
	(void)stat("leak-l", &st);
	(void)unlink("leak-d/c");
	(void)rmdir("leak-d");
	(void)unlink("leak-l");
	(void)unlink("leak-a");
	close_all(&fd, 1);
}

static void host_files(void)
{
	int fd = open("/etc/passwd", O_RDONLY), dir = open("/etc", O_RDONLY);
	char buf[4096];
	struct stat st;
	void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);

	(void)!read(fd, buf, sizeof buf);
	(void)syscall(SYS_getdents64, dir, buf, sizeof buf);
	(void)stat("/etc/no-such-file", &st);
	(void)access("/usr/bin/env", X_OK);
	if (p != MAP_FAILED) {
		*(volatile char *)p;
		munmap(p, 4096);
	}
	close_all(&fd, 1);
	close_all(&dir, 1);
}

static void pipes(void)
{
	int p[2] = { -1, -1 }, q[2] = { -1, -1 };

	(void)!pipe2(p, O_NONBLOCK);
	(void)!pipe2(q, O_NONBLOCK);
	(void)!write(p[1], "some bytes", 10);
	(void)tee(p[0], q[1], 5, SPLICE_F_NONBLOCK);
	(void)splice(p[0], NULL, q[1], NULL, 5, SPLICE_F_NONBLOCK);
	(void)fcntl(p[0], F_SETPIPE_SZ, 1 << 17);
	close_all(p, 2);
	close_all(q, 2);
}

/* Descriptors in flight: one message is read, one dies with the socket. */
static void rights(void)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} c = { .h = { CMSG_LEN(2 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	char byte = 0;
	struct iovec v = { &byte, 1 };
	struct msghdr m = { .msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = &c,
		.msg_controllen = sizeof c };
	int s[2] = { -1, -1 }, got[2] = { -1, -1 };

	(void)socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s);
	memcpy(CMSG_DATA(&c.h), s, sizeof s);
	(void)sendmsg(s[0], &m, MSG_NOSIGNAL);
	(void)sendmsg(s[0], &m, MSG_NOSIGNAL);
	if (recvmsg(s[1], &m, 0) == 1 && m.msg_controllen >= sizeof c)
		memcpy(got, CMSG_DATA(&c.h), sizeof got);
	close_all(got, 2);
	/* The other message holds s: take it out of the circle. */
	m.msg_control = NULL;
	m.msg_controllen = 0;
	(void)recvmsg(s[1], &m, 0);
	close_all(s, 2);
}

static void connections(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t n = offsetof(struct sockaddr_un, sun_path) + 6;
	int l = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int c = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), a;
	int d = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	memcpy(un.sun_path, "\0leak", 6);
	(void)bind(l, (struct sockaddr *)&un, n);
	(void)listen(l, 4);
	(void)connect(c, (struct sockaddr *)&un, n);
	a = accept(l, NULL, NULL);
	(void)send(c, "x", 1, MSG_NOSIGNAL);
	un.sun_path[1] = 'd';
	(void)bind(d, (struct sockaddr *)&un, n);
	(void)sendto(d, "x", 1, 0, (struct sockaddr *)&un, n);
	close_all(&a, 1);
	close_all(&c, 1);
	close_all(&l, 1);
	close_all(&d, 1);
}

static void events(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct itimerspec it = { .it_value = { 0, 1000 } };
	int fd[5] = { epoll_create1(0), eventfd(1, EFD_NONBLOCK),
		inotify_init1(IN_NONBLOCK),
		timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), -1 };
	struct pollfd p[5];
	sigset_t set;
	timer_t t;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	fd[4] = signalfd(-1, &set, SFD_NONBLOCK);
	for (int i = 1; i < 5; i++)
		(void)epoll_ctl(fd[0], EPOLL_CTL_ADD, fd[i], &ev);
	for (int i = 0; i < 5; i++)
		p[i] = (struct pollfd){ fd[i], POLLIN, 0 };
	(void)inotify_add_watch(fd[2], ".", IN_ALL_EVENTS);
	(void)close(open("leak-w", O_CREAT | O_RDWR, 0600));
	(void)unlink("leak-w");
	(void)timerfd_settime(fd[3], 0, &it, NULL);
	(void)epoll_wait(fd[0], &ev, 1, 0);
	(void)poll(p, 5, 0);
	if (timer_create(CLOCK_MONOTONIC,
		    &(struct sigevent){ .sigev_notify = SIGEV_NONE }, &t) == 0)
		timer_delete(t);
	close_all(fd, 5);
}

static void memory(void)
{
	int fd = memfd_create("leak", 0);
	char *p = mmap(NULL, 64 << 10, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *q;

	(void)!ftruncate(fd, 64 << 10);
	q = mmap(NULL, 64 << 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED && q != MAP_FAILED) {
		(void)!read(fd, p, 20000);
		(void)!write(fd, p, 20000);
		(void)mprotect(p + 4096, 4096, PROT_READ);
		(void)madvise(p + 8192, 8192, MADV_DONTNEED);
		(void)mlock(p, 8192);
		(void)munmap(q + 8192, 4096);
	}
	if (p != MAP_FAILED)
		munmap(p, 64 << 10);
	if (q != MAP_FAILED)
		munmap(q, 64 << 10);
	close_all(&fd, 1);
}

static void signals(void)
{
	sigset_t set, old;
	siginfo_t si;
	struct timespec now = { 0, 0 };

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, &old);
	for (int i = 0; i < 4; i++)
		(void)sigqueue(getpid(), SIGRTMIN, (union sigval){ i });
	while (sigtimedwait(&set, &si, &now) > 0)
		;
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void terminals(void)
{
	int m = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK), s = -1;
	char name[32];
	int n = 0, off = 0;

	if (m >= 0 && ioctl(m, TIOCSPTLCK, &off) == 0 &&
		ioctl(m, TIOCGPTN, &n) == 0) {
		snprintf(name, sizeof name, "/dev/pts/%d", n);
		s = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
		(void)!write(s, "out\n", 4);
		(void)!write(m, "in\n", 3);
	}
	close_all(&s, 1);
	close_all(&m, 1);
}

/* --- a nth allocation that fails */

static int nth_file(void)
{
	return open("/proc/thread-self/fail-nth", O_RDWR);
}

static void nth_set(int fd, int n)
{
	char text[16];

	(void)!pwrite(
		fd, text, (size_t)snprintf(text, sizeof text, "%d", n), 0);
}

static int nth_left(int fd)
{
	char text[16] = "";

	(void)!pread(fd, text, sizeof text - 1, 0);
	nth_set(fd, 0);
	return atoi(text);
}

/* In a child: what it does to itself cannot be undone. */
static void execs(void)
{
	static char name[] = "selftest", group[] = "no-such-group";
	char *argv[] = { name, group, NULL };
	static int n;
	pid_t pid = fork();
	int fd;

	if (pid == 0) {
		n = n % 150 + 1;
		close(1);
		close(2);
		fd = nth_file();
		if (fd >= 0)
			nth_set(fd, n);
		execv("/proc/self/exe", argv);
		_exit(1);
	}
	n = n % 150 + 1;
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void namespaces(void)
{
	static int n;
	pid_t pid = fork();
	int fd;

	if (pid == 0) {
		fd = nth_file();
		if (fd >= 0)
			nth_set(fd, n % 100 + 1);
		if (unshare(CLONE_NEWNS) == 0 &&
			mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ==
				0) {
			(void)mount("x", "/tmp", "tmpfs", 0, "size=64k");
			(void)mkdir("/tmp/leak", 0700);
			(void)mount(
				"/tmp/leak", "/tmp/leak", NULL, MS_BIND, NULL);
			(void)umount2("/tmp/leak", MNT_DETACH);
		}
		(void)unshare(CLONE_NEWUTS | CLONE_FILES | CLONE_FS);
		_exit(0);
	}
	n++;
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

/* Every allocation of @once fails, one after the other, twice over. */
static void fail_each(void (*once)(void))
{
	int fd = nth_file(), n;
	long before = 0;

	if (fd < 0) {
		once();
		return;
	}
	for (int round = 0; round < 3; round++) {
		if (round == 1)
			before = objects();
		for (n = 1; n < NTH_MAX; n++) {
			nth_set(fd, n);
			once();
			if (nth_left(fd))
				break;
		}
		CHECK(n > 1);
		CHECK(n < NTH_MAX);
	}
	close(fd);
	check_growth(before, SLACK);
}

#define THING(name)                  \
	TEST(leak, name)             \
	{                            \
		repeat(name);        \
	}                            \
	TEST(leak, name##_that_fail) \
	{                            \
		fail_each(name);     \
	}

/* clang-format off */
THING(forks)
THING(threads)
THING(tmp_files)
THING(host_files)
THING(pipes)
THING(rights)
THING(connections)
THING(events)
THING(memory)
THING(signals)
THING(terminals)
TEST(leak, execs) { repeat(execs); }
TEST(leak, namespaces) { repeat(namespaces); }
