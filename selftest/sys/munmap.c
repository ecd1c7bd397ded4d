/* munmap.c - munmap(2). */
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "selftest/test.h"

#define PG   4096UL
#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

TEST(munmap, bad_arguments)
{
	char *p = mmap(NULL, PG, RW, ANON, -1, 0);

	CHECK(p != MAP_FAILED);
	SEE(munmap(p + 1, PG));
	SEE(munmap(p, 0));
	SEE(munmap((void *)(1UL << 60), PG));
	SEE(munmap(p, 1UL << 60));
	SEE(munmap(p, -1UL));
	SEE(munmap(p, 1));
	SEE(munmap(p, 1));
}

TEST(munmap, hole_in_the_middle)
{
	char *p = mmap(NULL, 8 * PG, RW, ANON, -1, 0);

	CHECK(p != MAP_FAILED);
	for (int i = 0; i < 8; i++)
		p[i * PG] = (char)(i + 1);
	SEE(munmap(p + 2 * PG, 3 * PG));
	SEE(p[PG] + p[5 * PG]);
	SEE(munmap(p, 8 * PG));
}

TEST(munmap, access_afterwards_is_maperr)
{
	char *p = mmap(NULL, PG, RW, ANON, -1, 0);

	*p = 1;
	SEE(munmap(p, PG));
	SEE(write(1, p, 1));
	*p = 1;
}

TEST(munmap, many_small_regions)
{
	char *p = mmap(NULL, 2000 * PG, RW, ANON, -1, 0);
	int bad = 0;

	CHECK(p != MAP_FAILED);
	for (int i = 0; i < 2000; i++)
		p[i * PG] = (char)i;
	for (int i = 0; i < 2000; i += 2)
		bad += munmap(p + i * PG, PG) != 0;
	for (int i = 1; i < 2000; i += 2)
		bad += p[i * PG] != (char)i;
	SEE(bad);
	SEE(munmap(p, 2000 * PG));
}

TEST(munmap, fresh_pages_are_zero_again)
{
	int bad = 0;

	for (int r = 0; r < 50; r++) {
		unsigned char *p = mmap(NULL, 40 * PG, RW, ANON, -1, 0);

		for (unsigned i = 0; i < 40 * PG; i += 512) {
			bad += p[i] != 0;
			p[i] = 0xff;
		}
		munmap(p, 40 * PG);
	}
	SEE(bad);
}
