/*
 * guest.c - what the basic operations of a Linux system cost.
 *
 * A static program: run.sh runs it on the host and under each runtime, and
 * compares.  Each measurement is the median of several rounds, in nanoseconds.
 *
 *	guest [name...]		prints "name nanoseconds", one a line
 *	guest exit		does nothing: what fork+exec starts
 *	guest start command...	prints the nanoseconds that a run of it takes
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS      7
#define STARTS      41
#define PAGE        4096UL
#define TOUCH_PAGES 4096L

static char page[PAGE];
static const char *self;
static int file_fd;

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void check(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static void do_getppid(long n)
{
	while (n--)
		syscall(SYS_getppid);
}

static void do_clock_gettime(long n)
{
	struct timespec ts;

	while (n--)
		clock_gettime(CLOCK_MONOTONIC, &ts);
}

static void do_stat(long n)
{
	struct stat st;

	while (n--)
		check(!stat(self, &st), "stat");
}

static void do_open_close(long n)
{
	while (n--) {
		int fd = open(self, O_RDONLY);

		check(fd >= 0, "open");
		close(fd);
	}
}

static void do_read(long n)
{
	while (n--)
		check(pread(file_fd, page, PAGE, 0) == PAGE, "pread");
}

static void do_write(long n)
{
	int fd = open("/dev/shm/bench", O_RDWR | O_CREAT | O_TRUNC, 0600);

	check(fd >= 0, "open /dev/shm/bench");
	while (n--)
		check(pwrite(fd, page, PAGE, 0) == PAGE, "pwrite");
	close(fd);
	unlink("/dev/shm/bench");
}

struct pair {
	int to[2], from[2];
	long n;
};

static void *echo(void *arg)
{
	struct pair *p = arg;
	char c;

	for (long i = 0; i < p->n; i++)
		if (read(p->to[0], &c, 1) != 1 || write(p->from[1], &c, 1) != 1)
			break;
	return NULL;
}

static void do_pipe_pingpong(long n)
{
	struct pair p = { .n = n };
	pthread_t th;
	char c = 0;

	check(!pipe(p.to) && !pipe(p.from), "pipe");
	check(!pthread_create(&th, NULL, echo, &p), "thread");
	while (n--)
		check(write(p.to[1], &c, 1) == 1 && read(p.from[0], &c, 1) == 1,
			"ping");
	pthread_join(th, NULL);
	for (int i = 0; i < 2; i++) {
		close(p.to[i]);
		close(p.from[i]);
	}
}

static void do_fork(long n)
{
	while (n--) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		check(pid > 0 && waitpid(pid, NULL, 0) == pid, "fork");
	}
}

static void do_fork_exec(long n)
{
	while (n--) {
		pid_t pid = fork();
		int st;

		if (!pid) {
			execl(self, self, "exit", (char *)NULL);
			_exit(127);
		}
		check(pid > 0 && waitpid(pid, &st, 0) == pid && !st, "exec");
	}
}

static void *nothing(void *arg)
{
	return arg;
}

static void do_thread(long n)
{
	while (n--) {
		pthread_t th;

		check(!pthread_create(&th, NULL, nothing, NULL), "thread");
		pthread_join(th, NULL);
	}
}

static void *map(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	check(p != MAP_FAILED, "mmap");
	return p;
}

static void do_mmap(long n)
{
	while (n--) {
		char *p = map(PAGE);

		*(volatile char *)p = 1;
		munmap(p, PAGE);
	}
}

/* One unit is a page. */
static void do_first_touch(long n)
{
	for (; n > 0; n -= TOUCH_PAGES) {
		char *p = map(TOUCH_PAGES * PAGE);

		for (size_t i = 0; i < TOUCH_PAGES; i++)
			((volatile char *)p)[i * PAGE] = 1;
		munmap(p, TOUCH_PAGES * PAGE);
	}
}

static const struct bench {
	const char *name;
	void (*fn)(long n);
	long n;
} benches[] = {
	{ "getppid", do_getppid, 5000 },
	{ "clock_gettime", do_clock_gettime, 100000 },
	{ "stat", do_stat, 3000 },
	{ "open+close", do_open_close, 2000 },
	{ "read-4k", do_read, 3000 },
	{ "write-4k-tmpfs", do_write, 3000 },
	{ "pipe-pingpong", do_pipe_pingpong, 1000 },
	{ "fork+wait", do_fork, 100 },
	{ "fork+exec+wait", do_fork_exec, 50 },
	{ "thread-create+join", do_thread, 200 },
	{ "mmap+touch+munmap", do_mmap, 1000 },
	{ "first-touch-page", do_first_touch, 4096 },
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void run(const struct bench *b)
{
	double t[ROUNDS];

	b->fn(b->n / 10 + 1);
	for (int i = 0; i < ROUNDS; i++) {
		int64_t start = now();

		b->fn(b->n);
		t[i] = (double)(now() - start) / (double)b->n;
	}
	qsort(t, ROUNDS, sizeof t[0], by_value);
	printf("%s %.1f\n", b->name, t[ROUNDS / 2]);
	fflush(stdout);
}

static int wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return 1;
	return argc == 1;
}

/* The median wall time of a command that must succeed. */
static int start(char **argv)
{
	double t[STARTS];

	for (int i = 0; i < STARTS; i++) {
		int64_t began = now();
		pid_t pid = vfork();
		int status;

		if (pid == 0) {
			execv(argv[0], argv);
			_exit(127);
		}
		check(pid > 0 && waitpid(pid, &status, 0) == pid, "start");
		if (status)
			return 1;
		t[i] = (double)(now() - began);
	}
	qsort(t, STARTS, sizeof t[0], by_value);
	printf("%.0f\n", t[STARTS / 2]);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "exit"))
		return 0;
	if (argc > 2 && !strcmp(argv[1], "start"))
		return start(argv + 2);
	self = argv[0];
	file_fd = open(self, O_RDONLY);
	check(file_fd >= 0, self);
	for (size_t i = 0; i < sizeof benches / sizeof benches[0]; i++)
		if (wanted(benches[i].name, argc, argv))
			run(&benches[i]);
	return 0;
}
