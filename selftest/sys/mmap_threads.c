/* mmap_threads.c - address spaces under several threads, fork and signals. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

#define PG      4096UL
#define RW      (PROT_READ | PROT_WRITE)
#define ANON    (MAP_PRIVATE | MAP_ANONYMOUS)
#define THREADS 4

static atomic_int bad;
static char *area;
static atomic_bool stop;

static void run(void *(*fn)(void *arg), int n)
{
	pthread_t th[16];

	for (int i = 0; i < n; i++)
		CHECK(pthread_create(&th[i], NULL, fn, (void *)(long)i) == 0);
	for (int i = 0; i < n; i++)
		CHECK(pthread_join(th[i], NULL) == 0);
}

/* Maps, fills, checks and unmaps its own memory. */
static void *mapper(void *arg)
{
	unsigned seed = (unsigned)(long)arg + 1;

	for (int r = 0; r < 150; r++) {
		size_t n = 1 + (size_t)rand_r(&seed) % 60;
		unsigned char *p = mmap(NULL, n * PG, RW, ANON, -1, 0);

		CHECK(p != MAP_FAILED);
		for (size_t i = 0; i < n; i++) {
			bad += p[i * PG + 17] != 0;
			p[i * PG + 17] = (unsigned char)(r + (long)arg);
		}
		for (size_t i = 0; i < n; i++)
			bad += p[i * PG + 17] != (unsigned char)(r + (long)arg);
		munmap(p, n * PG);
	}
	return NULL;
}

TEST(mmap_threads, map_and_unmap_at_once)
{
	run(mapper, THREADS);
	SEE(bad);
}

/* All fault in the same fresh pages; each has its own bytes in them. */
static void *toucher(void *arg)
{
	long me = (long)arg;

	for (size_t i = 0; i < 600; i++)
		area[i * PG + (size_t)me * 8] = (char)(me + 1);
	return NULL;
}

TEST(mmap_threads, fault_on_the_same_pages)
{
	for (int r = 0; r < 5; r++) {
		area = mmap(NULL, 600 * PG, RW, ANON, -1, 0);
		CHECK(area != MAP_FAILED);
		run(toucher, THREADS);
		for (size_t i = 0; i < 600; i++)
			for (long k = 0; k < THREADS; k++)
				bad += area[i * PG + (size_t)k * 8] != k + 1;
		munmap(area, 600 * PG);
	}
	SEE(bad);
}

static void *reader(void *arg)
{
	volatile char *p = area;

	(void)arg;
	for (int r = 0; r < 40; r++)
		for (size_t i = 0; i < 64; i++)
			bad += p[i * PG] != 'f';
	return NULL;
}

TEST(mmap_threads, read_only_pages_of_a_file)
{
	char name[] = "/tmp/threads.XXXXXX", buf[PG];
	int fd = mkstemp(name);

	unlink(name);
	memset(buf, 'f', PG);
	for (int i = 0; i < 64; i++)
		CHECK(write(fd, buf, PG) == (ssize_t)PG);
	for (int r = 0; r < 10; r++) {
		area = mmap(NULL, 64 * PG, PROT_READ,
			r & 1 ? MAP_SHARED : MAP_PRIVATE, fd, 0);
		CHECK(area != MAP_FAILED);
		run(reader, THREADS);
		munmap(area, 64 * PG);
	}
	SEE(bad);
}

/* Writes to its quarter while others fork. */
static void *writer(void *arg)
{
	char *p = area + (long)arg * 64 * (long)PG;

	for (int r = 0; !stop || r < 20; r++) {
		for (size_t i = 0; i < 64; i++)
			p[i * PG] = (char)r;
		for (size_t i = 0; i < 64; i++)
			bad += p[i * PG] != (char)r;
	}
	return NULL;
}

static void *forker(void *arg)
{
	int status;

	(void)arg;
	for (int r = 0; r < 25; r++) {
		pid_t pid = fork();

		if (pid == 0) {
			/* The child's memory stands still. */
			unsigned a = 0, b = 0;

			for (size_t i = 0; i < 256; i++)
				a = a * 31 + (unsigned char)area[i * PG];
			area[5 * PG] ^= 1;
			area[5 * PG] ^= 1;
			for (size_t i = 0; i < 256; i++)
				b = b * 31 + (unsigned char)area[i * PG];
			_exit(a != b);
		}
		bad += waitpid(pid, &status, 0) != pid || status != 0;
	}
	stop = true;
	return NULL;
}

static void *writer_or_forker(void *arg)
{
	return (long)arg == 3 ? forker(arg) : writer(arg);
}

TEST(mmap_threads, writers_while_forking)
{
	area = mmap(NULL, 256 * PG, RW, ANON, -1, 0);
	CHECK(area != MAP_FAILED);
	memset(area, 0, 256 * PG);
	run(writer_or_forker, THREADS);
	SEE(bad);
}

/* One thread reads from a pipe into pages that another takes away. */
static void *unmapper(void *arg)
{
	(void)arg;
	while (!stop) {
		char *p = mmap(area, 16 * PG, RW, ANON | MAP_FIXED, -1, 0);

		CHECK(p == area);
		p[3 * PG] = 1;
		munmap(area, 8 * PG);
		mprotect(area + 8 * PG, 4 * PG, PROT_READ);
	}
	return NULL;
}

static void *copier(void *arg)
{
	struct iovec v = { area, 16 * PG };
	static char buf[16 * PG];
	int p[2];

	if ((long)arg == 0)
		return unmapper(arg);
	CHECK(pipe(p) == 0);
	for (int r = 0; r < 300; r++) {
		ssize_t n = write(p[1], buf, 8 * PG), k;

		CHECK(n > 0);
		k = readv(p[0], &v, 1);
		bad += k < 0 && errno != EFAULT;
		n -= k > 0 ? k : 0;
		while (n > 0)
			n -= read(p[0], buf, (size_t)n);
	}
	stop = true;
	return NULL;
}

TEST(mmap_threads, copies_into_vanishing_pages)
{
	area = mmap(NULL, 16 * PG, RW, ANON, -1, 0);
	CHECK(area != MAP_FAILED);
	run(copier, 2);
	SEE(bad);
}

static void *protector(void *arg)
{
	if ((long)arg == 0) {
		while (!stop) {
			mprotect(area, 32 * PG, PROT_READ);
			mprotect(area, 32 * PG, RW);
		}
		return NULL;
	}
	for (int r = 0; r < 60; r++)
		for (size_t i = 0; i < 32; i++)
			bad += ((volatile char *)area)[i * PG] != (char)i;
	stop = true;
	return NULL;
}

TEST(mmap_threads, readers_while_protection_changes)
{
	area = mmap(NULL, 32 * PG, RW, ANON, -1, 0);
	CHECK(area != MAP_FAILED);
	for (size_t i = 0; i < 32; i++)
		area[i * PG] = (char)i;
	run(protector, 2);
	SEE(bad);
}

static void *truncator(void *arg)
{
	int fd = (int)(long)arg;

	while (!stop) {
		CHECK(ftruncate(fd, PG) == 0);
		CHECK(ftruncate(fd, 32 * PG) == 0);
	}
	return NULL;
}

/* read(2) and write(2) on pages of a file that shrinks: EFAULT, or zeros. */
TEST(mmap_threads, copies_from_a_file_that_shrinks)
{
	char name[] = "/tmp/threads.XXXXXX", buf[16];
	int fd = mkstemp(name), p[2];
	pthread_t th;

	unlink(name);
	CHECK(pipe(p) == 0 && ftruncate(fd, 32 * PG) == 0);
	area = mmap(NULL, 32 * PG, RW, MAP_SHARED, fd, 0);
	CHECK(area != MAP_FAILED);
	CHECK(pthread_create(&th, NULL, truncator, (void *)(long)fd) == 0);
	for (int r = 0; r < 300; r++) {
		ssize_t n = write(p[1], area + 20 * PG, 8);

		bad += n < 0 ? errno != EFAULT : n != 8;
		if (n == 8)
			n = read(p[0], buf, 8);
		bad += n == 8 && buf[0] != 0;
	}
	stop = true;
	pthread_join(th, NULL);
	SEE(bad);
}
