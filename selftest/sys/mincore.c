/* mincore.c - mincore(2). */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

#define PG   4096UL
#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

TEST(mincore, bad_arguments)
{
	char *p = mmap(NULL, 4 * PG, RW, ANON, -1, 0);
	unsigned char v[4];

	SEE(mincore(p + 1, PG, v));
	SEE(mincore(p, PG, bad_addr));
	SEE(mincore(p, -PG, v));
	SEE(mincore(p, 0, v));
	SEE(munmap(p + 2 * PG, PG));
	SEE(mincore(p, 4 * PG, v));
}

TEST(mincore, touched_pages_are_there)
{
	char *p = mmap(NULL, 4 * PG, RW, ANON, -1, 0);
	unsigned char v[4] = { 0 };

	memset(p, 1, 4 * PG);
	SEE(mincore(p, 4 * PG, v));
	SEE((v[0] & 1) + (v[1] & 1) + (v[2] & 1) + (v[3] & 1));
	SEE(mincore(p, 1, v));
}

TEST(mincore, pages_of_a_file_that_another_locked)
{
	char name[] = "/tmp/mincore.XXXXXX";
	int fd = mkstemp(name), there = 0;
	unsigned char vec[4] = { 0 };
	char *p;

	CHECK(fd >= 0 && !unlink(name) && !ftruncate(fd, 4 * PG));
	p = mmap(NULL, 4 * PG, RW, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED);
	if (!fork())
		_exit(mlock(p, 4 * PG)); /* each is read, and then copied */
	wait(NULL);
	SEE(mincore(p, 4 * PG, vec));
	for (int i = 0; i < 4; i++)
		there += vec[i] & 1;
	SEE(there);
}
