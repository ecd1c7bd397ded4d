/* mincore.c - mincore(2). */
#include <string.h>
#include <sys/mman.h>
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
