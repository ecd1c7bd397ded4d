/* mmap.c - mmap(2). */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

#define PG   4096UL
#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 3
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static sigjmp_buf jump;
static volatile int got_sig, got_code;
static void *volatile got_addr;

static void on_fault(int sig, siginfo_t *si, void *ctx)
{
	(void)ctx;
	got_sig = sig;
	got_code = si->si_code;
	got_addr = si->si_addr;
	siglongjmp(jump, 1);
}

/* Reads or writes a byte: 0, or the signal * 100 + its code. */
static int poke(volatile char *p, int write)
{
	struct sigaction sa = { .sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	if (sigsetjmp(jump, 1)) {
		CHECK(got_addr == (void *)p);
		return got_sig * 100 + got_code;
	}
	if (write)
		*p = 1;
	else
		(void)*p;
	return 0;
}

/* 0 or -1. */
static int try(void *at, size_t len, int prot, int flags, int fd, off_t off)
{
	return mmap(at, len, prot, flags, fd, off) == MAP_FAILED ? -1 : 0;
}

static int temp_file(size_t size)
{
	char name[] = "/tmp/mmap.XXXXXX";
	int fd = mkstemp(name);

	CHECK(fd >= 0);
	unlink(name);
	CHECK(ftruncate(fd, (off_t)size) == 0);
	return fd;
}

TEST(mmap, anonymous_memory_is_zero_and_writable)
{
	char *p = mmap(NULL, 8 * PG, RW, ANON, -1, 0);

	CHECK(p != MAP_FAILED);
	SEE(p[0] + p[8 * PG - 1]);
	memset(p, 5, 8 * PG);
	SEE(p[3 * PG + 7]);
	SEE(poke(p, 1));
	SEE(munmap(p, 8 * PG));
	SEE(poke(p, 0));
}

TEST(mmap, bad_arguments)
{
	SEE(try(NULL, 0, RW, ANON, -1, 0));
	SEE(try(NULL, PG, RW, ANON, -1, 1));
	SEE(try(NULL, PG, RW, MAP_ANONYMOUS, -1, 0));
	SEE(try(NULL, PG, RW, MAP_PRIVATE, -1, 0));
	SEE(try(NULL, PG, RW, MAP_PRIVATE, 12345, 0));
	SEE(try(NULL, 1UL << 60, RW, ANON, -1, 0));
	SEE(try(NULL, -1UL, RW, ANON, -1, 0));
	SEE(try((void *)1, PG, RW, ANON | MAP_FIXED, -1, 0));
	SEE(try((void *)(1UL << 62), PG, RW, ANON | MAP_FIXED, -1, 0));
	SEE(try(NULL, PG, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1,
		0));
}

TEST(mmap, file_modes_decide)
{
	char name[] = "/tmp/mmap.XXXXXX";
	int fd = mkstemp(name), p[2];
	int ro = open(name, O_RDONLY), wo = open(name, O_WRONLY);

	CHECK(ro >= 0 && wo >= 0 && pipe(p) == 0);
	CHECK(unlink(name) == 0 && ftruncate(fd, PG) == 0);
	SEE(try(NULL, PG, RW, MAP_SHARED, ro, 0));
	SEE(try(NULL, PG, RW, MAP_PRIVATE, ro, 0));
	SEE(try(NULL, PG, PROT_READ, MAP_SHARED, ro, 0));
	SEE(try(NULL, PG, PROT_WRITE, MAP_SHARED, wo, 0));
	SEE(try(NULL, PG, PROT_READ, MAP_PRIVATE, wo, 0));
	SEE(try(NULL, PG, PROT_READ, MAP_SHARED, p[0], 0));
	SEE(try(NULL, PG, RW, MAP_SHARED_VALIDATE, fd, 0));
	SEE(try(NULL, PG, RW, MAP_SHARED_VALIDATE | 0x10000000, fd, 0));
	SEE(try(NULL, PG, RW, MAP_SHARED | 0x10000000, fd, 0));
	SEE(try(NULL, PG, RW, 0, fd, 0));
	SEE(try(NULL, 2 * PG, RW, MAP_SHARED, fd, INT64_MAX & ~(PG - 1)));
}

TEST(mmap, shared_file_shows_writes_both_ways)
{
	int fd = temp_file(2 * PG);
	char *p = mmap(NULL, 2 * PG, RW, MAP_SHARED, fd, 0), c = 0;

	CHECK(p != MAP_FAILED);
	p[PG + 1] = 'x';
	SEE(pread(fd, &c, 1, PG + 1));
	SEE(c);
	SEE(pwrite(fd, "y", 1, 5));
	SEE(p[5]);
}

TEST(mmap, private_file_keeps_its_writes)
{
	int fd = temp_file(2 * PG);
	char *p = mmap(NULL, 2 * PG, RW, MAP_PRIVATE, fd, 0), c = 0;

	CHECK(p != MAP_FAILED);
	SEE(pwrite(fd, "a", 1, 0));
	SEE(p[0]);
	p[0] = 'b';
	SEE(pread(fd, &c, 1, 0));
	SEE(c);
	SEE(pwrite(fd, "c", 1, 0));
	SEE(p[0]);
	SEE(pwrite(fd, "d", 1, PG));
	SEE(p[PG]);
}

TEST(mmap, beyond_the_end_of_a_file)
{
	int fd = temp_file(PG + 100);
	char *p = mmap(NULL, 4 * PG, RW, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED);
	SEE(poke(p + PG + 99, 0));
	SEE(p[PG + 100] + p[2 * PG - 1]);
	SEE(poke(p + 2 * PG, 0));
	SEE(poke(p + 3 * PG, 1));
	SEE(read(fd, p + 3 * PG, 1));
	SEE(write(fd, p + 2 * PG, 1));
	SEE(ftruncate(fd, 4 * PG));
	SEE(poke(p + 3 * PG, 1));
	SEE(ftruncate(fd, 10));
	SEE(poke(p + PG, 0));
	SEE(p[10]);
}

TEST(mmap, truncate_takes_private_copies)
{
	int fd = temp_file(2 * PG);
	char *p = mmap(NULL, 2 * PG, RW, MAP_PRIVATE, fd, 0);

	CHECK(p != MAP_FAILED);
	p[PG] = 1;
	SEE(ftruncate(fd, PG));
	SEE(poke(p + PG, 0));
	SEE(ftruncate(fd, 2 * PG));
	SEE(p[PG]);
}

TEST(mmap, fixed_replaces_noreplace_refuses)
{
	char *p = mmap(NULL, 4 * PG, RW, ANON, -1, 0);

	CHECK(p != MAP_FAILED);
	p[PG] = 1;
	p[2 * PG] = 2;
	SEE(try(p + PG, PG, RW, ANON | MAP_FIXED, -1, 0));
	SEE(p[PG]);
	SEE(p[2 * PG]);
	SEE(try(p + PG, PG, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
	SEE(munmap(p + PG, PG));
	SEE(try(p + PG, PG, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
	SEE(poke(p + PG, 1));
}

TEST(mmap, hint_is_taken_when_free)
{
	char *p = mmap(NULL, 4 * PG, RW, ANON, -1, 0), *q;

	CHECK(p != MAP_FAILED && munmap(p, 4 * PG) == 0);
	q = mmap(p + PG + 1, PG, RW, ANON, -1, 0);
	SEE(q - p);
	q = mmap(p + 2 * PG, PG, RW, ANON, -1, 0);
	SEE(q == p + 2 * PG);
	SEE(try(p, PG, RW, ANON | MAP_32BIT, -1, 0));
	q = mmap(NULL, PG, RW, ANON | MAP_32BIT, -1, 0);
	SEE((uintptr_t)q < 1UL << 31);
}

TEST(mmap, protections)
{
	char *p = mmap(NULL, 4 * PG, PROT_NONE, ANON, -1, 0);

	CHECK(p != MAP_FAILED);
	SEE(poke(p, 0));
	SEE(try(p, PG, PROT_READ, ANON | MAP_FIXED, -1, 0));
	SEE(poke(p, 0));
	SEE(poke(p, 1));
	SEE(try(p, PG, PROT_WRITE, ANON | MAP_FIXED, -1, 0));
	SEE(poke(p, 1));
	SEE(poke(p, 0));
	SEE(poke((char *)8, 0));
}

TEST(mmap, shared_anonymous_is_shared_with_children)
{
	char *s = mmap(NULL, PG, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *p = mmap(NULL, PG, RW, ANON, -1, 0);
	int status;

	CHECK(s != MAP_FAILED && p != MAP_FAILED);
	*p = 1;
	if (fork() == 0) {
		*s = *p + 1;
		*p = 9;
		_exit(*p);
	}
	SEE(wait(&status) > 0);
	SEE(status);
	SEE(*s);
	SEE(*p);
}

TEST(mmap, fork_copies_on_write_both_sides)
{
	char *p = mmap(NULL, 64 * PG, RW, ANON, -1, 0);
	int status, sum = 0;

	CHECK(p != MAP_FAILED);
	for (int i = 0; i < 64; i++)
		p[i * PG] = (char)i;
	for (int k = 0; k < 8; k++) {
		if (fork() == 0) {
			for (int i = 0; i < 64; i += 3)
				p[i * PG]++;
			for (int i = 0; i < 64; i++)
				sum += p[i * PG];
			_exit(sum % 251);
		}
		p[k * 5 * PG] += 2;
		CHECK(wait(&status) > 0);
		SEE(WEXITSTATUS(status));
	}
	for (int i = 0; i < 64; i++)
		sum += p[i * PG];
	SEE(sum);
}

TEST(mmap, address_space_limit)
{
	struct rlimit r = { 64UL << 20, 64UL << 20 };

	SEE(setrlimit(RLIMIT_AS, &r));
	SEE(try(NULL, 128UL << 20, RW, ANON, -1, 0));
	SEE(try(NULL, PG, RW, ANON, -1, 0));
}

TEST(mmap, populate_and_large_sparse)
{
	char *p = mmap(NULL, 32 * PG, RW, ANON | MAP_POPULATE, -1, 0);
	char *q = mmap(NULL, 1UL << 36, RW, ANON | MAP_NORESERVE, -1, 0);

	CHECK(p != MAP_FAILED && q != MAP_FAILED);
	SEE(p[31 * PG]);
	for (size_t i = 0; i < 1UL << 36; i += 1UL << 32)
		q[i + 12345] = (char)(i >> 32);
	SEE(q[(7UL << 32) + 12345]);
	SEE(q[(7UL << 32) + PG + 12345]);
}

TEST(mmap, growsdown_grows)
{
	char *p = mmap(NULL, 512 * PG, PROT_NONE, ANON, -1, 0), *s;

	CHECK(p != MAP_FAILED && munmap(p, 512 * PG) == 0);
	s = mmap(p + 500 * PG, 4 * PG, RW, ANON | MAP_GROWSDOWN | MAP_FIXED, -1,
		0);
	CHECK(s == p + 500 * PG);
	SEE(poke(s, 1));
	SEE(poke(s - PG, 1));
	SEE(poke(s - 20 * PG, 1));
	SEE(s[-10 * (long)PG]);
}

TEST(mmap, dev_zero)
{
	int fd = open("/dev/zero", O_RDWR), status;
	char *p = mmap(NULL, PG, RW, MAP_PRIVATE, fd, 0);
	char *s = mmap(NULL, PG, RW, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED && s != MAP_FAILED);
	SEE(*p + *s);
	*p = 3;
	if (fork() == 0) {
		*s = *p;
		_exit(0);
	}
	CHECK(wait(&status) > 0);
	SEE(*s);
}

TEST(mmap, read_and_write_through_fresh_pages)
{
	char *p = mmap(NULL, 301 * PG, RW, ANON, -1, 0);
	int fd = temp_file(0);

	CHECK(p != MAP_FAILED && munmap(p + 300 * PG, PG) == 0);
	SEE(write(fd, p, 300 * PG));
	memset(p, 1, 300 * PG);
	SEE(pwrite(fd, p, 150 * PG, 0));
	memset(p, 2, 300 * PG);
	SEE(pread(fd, p, 300 * PG, 0));
	SEE(p[149 * PG] + 10 * p[150 * PG]);
	SEE(munmap(p + 100 * PG, PG));
	SEE(pread(fd, p, 300 * PG, 0));
	SEE(pwrite(fd, p + 101 * PG, 300 * PG, 0));
	SEE(pread(fd, p + 100 * PG, 1, 0));
}

TEST(mmap, huge_pages_of_no_size_that_there_is)
{
	SEE(mmap(NULL, PG, PROT_READ,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 63 << 26, -1,
		    0) == MAP_FAILED);
	SEE(errno == EINVAL);
}
