/* mremap.c - mremap(2). */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "selftest/test.h"

#define PG   4096UL
#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static int try(void *p, size_t old, size_t new, int flags, void *to)
{
	return mremap(p, old, new, flags, to) == MAP_FAILED ? -1 : 0;
}

/* A free place with room around it. */
static char *area(size_t pages)
{
	char *p = mmap(NULL, pages * PG, PROT_NONE, ANON, -1, 0);

	CHECK(p != MAP_FAILED && munmap(p, pages * PG) == 0);
	return p;
}

static char *map(char *at, size_t pages)
{
	char *p = mmap(at, pages * PG, RW, ANON | MAP_FIXED, -1, 0);

	CHECK(p == at);
	for (size_t i = 0; i < pages; i++)
		p[i * PG] = (char)(i + 1);
	return p;
}

TEST(mremap, bad_arguments)
{
	char *p = map(area(32), 4);

	SEE(try(p + 1, PG, PG, 0, NULL));
	SEE(try(p, PG, 0, 0, NULL));
	SEE(try(p, PG, 1UL << 60, MREMAP_MAYMOVE, NULL));
	SEE(try(p, PG, PG, 64, NULL));
	SEE(try(p, PG, PG, MREMAP_FIXED, p + 8 * PG));
	SEE(try(p, PG, PG, MREMAP_FIXED | MREMAP_MAYMOVE, p + 8 * PG + 1));
	SEE(try(p, 2 * PG, 2 * PG, MREMAP_FIXED | MREMAP_MAYMOVE, p + PG));
	SEE(try(p, 0, PG, MREMAP_MAYMOVE, NULL));
	SEE(try(p, PG, 2 * PG, MREMAP_DONTUNMAP | MREMAP_MAYMOVE, NULL));
	SEE(try(p, PG, PG, MREMAP_DONTUNMAP, NULL));
	SEE(try(p + 8 * PG, PG, PG, 0, NULL));
	SEE(try(p, 8 * PG, 16 * PG, MREMAP_MAYMOVE, NULL));
}

TEST(mremap, grows_and_shrinks_in_place)
{
	char *p = map(area(32), 4);

	SEE(mremap(p, 4 * PG, 8 * PG, 0) == p);
	SEE(p[3 * PG] + p[7 * PG]);
	SEE(mremap(p, 8 * PG, 2 * PG, 0) == p);
	SEE(p[PG]);
	SEE(write(1, p + 2 * PG, 1));
	SEE(mremap(p, 2 * PG, 2 * PG, 0) == p);
}

TEST(mremap, neighbour_forces_a_move)
{
	char *p = map(area(32), 8), *q;

	SEE(mprotect(p + 4 * PG, PG, PROT_READ));
	SEE(try(p, 4 * PG, 6 * PG, 0, NULL));
	q = mremap(p, 4 * PG, 6 * PG, MREMAP_MAYMOVE);
	SEE(q != p && q != MAP_FAILED);
	SEE(q[0] + q[3 * PG] + q[5 * PG]);
	SEE(write(1, p, 1));
	SEE(p[4 * PG]);
}

TEST(mremap, fixed_move_replaces_the_target)
{
	char *p = map(area(64), 8), *t = map(p + 32 * PG, 8);

	SEE(mremap(p + 2 * PG, 3 * PG, 3 * PG, MREMAP_MAYMOVE | MREMAP_FIXED,
		    t + PG) == t + PG);
	SEE(t[0]);
	SEE(t[PG]);
	SEE(t[3 * PG]);
	SEE(t[4 * PG]);
	SEE(write(1, p + 2 * PG, 1));
	SEE(p[5 * PG]);
	t[PG] = 99;
	SEE(t[PG]);
}

TEST(mremap, move_that_shrinks_or_grows)
{
	char *p = map(area(64), 8), *t = p + 32 * PG;

	SEE(mremap(p, 8 * PG, 2 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, t) == t);
	SEE(t[PG]);
	SEE(write(1, p + 2 * PG, 1));
	SEE(mremap(t, 2 * PG, 6 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, p) == p);
	SEE(p[PG] + p[2 * PG]);
}

TEST(mremap, dontunmap_leaves_an_empty_mapping)
{
	char *p = map(area(64), 2), *q;

	q = mremap(p, 2 * PG, 2 * PG, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	CHECK(q != MAP_FAILED);
	SEE(q != p);
	SEE(q[0] + q[PG]);
	SEE(p[0] + p[PG]);
	p[0] = 5;
	SEE(q[0]);
}

TEST(mremap, old_length_zero_duplicates_shared_memory)
{
	char *p = mmap(NULL, 2 * PG, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0), *q;

	CHECK(p != MAP_FAILED);
	p[PG] = 1;
	q = mremap(p, 0, 2 * PG, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED);
	SEE(q[PG]);
	q[0] = 4;
	SEE(p[0]);
}

TEST(mremap, shared_file_grows)
{
	char name[] = "/tmp/mremap.XXXXXX", *p, *q;
	int fd = mkstemp(name);

	CHECK(fd >= 0 && ftruncate(fd, 4 * PG) == 0);
	unlink(name);
	p = mmap(NULL, PG, RW, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	p[0] = 1;
	q = mremap(p, PG, 4 * PG, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED);
	q[3 * PG] = 7;
	SEE(pread(fd, name, 1, 3 * PG));
	SEE(name[0]);
	SEE(q[0]);
}

TEST(mremap, realloc_of_large_blocks)
{
	size_t n = 1 << 18;
	char *p = malloc(n);
	int bad = 0;

	memset(p, 3, n);
	for (; n < 1 << 24; n *= 2) {
		p = realloc(p, n * 2);
		CHECK(p);
		memset(p + n, 3, n);
		for (size_t i = 0; i < 2 * n; i += 1000)
			bad += p[i] != 3;
	}
	SEE(bad);
	free(p);
}

TEST(mremap, several_mappings_move_at_once)
{
	char *p = map(area(64), 8), *t = p + 32 * PG;

	SEE(mprotect(p + 2 * PG, PG, PROT_READ));
	SEE(mremap(p + PG, 4 * PG, 4 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, t) ==
		t);
	SEE(t[0] + 10 * t[3 * PG]);
	SEE(write(1, p + PG, 1));
	SEE(p[5 * PG]);
}
