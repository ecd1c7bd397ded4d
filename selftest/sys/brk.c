/* brk.c - brk(2). */
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "selftest/test.h"

#define PG 4096UL

static char *set(char *to)
{
	return (char *)syscall(SYS_brk, to);
}

TEST(brk, grows_and_shrinks)
{
	char *start = set(NULL);

	SEE((uintptr_t)start != 0);
	SEE(set(start + 10 * PG) - start);
	memset(start, 1, 10 * PG);
	SEE(start[10 * PG - 1]);
	SEE(set(start + 2 * PG) - start);
	SEE(write(1, start + 5 * PG, 1));
	SEE(set(start + 6 * PG) - start);
	SEE(start[5 * PG]);
	SEE(set(start + 6 * PG + 123) - start);
	SEE(set(NULL) - start);
	SEE(set(start) - start);
}

TEST(brk, refuses_what_cannot_be)
{
	char *start = set(NULL);

	SEE(set((char *)8) - start);
	SEE(set((char *)-1L) - start);
	SEE(set((char *)(1UL << 60)) - start);
}

TEST(brk, stops_at_a_mapping)
{
	char *start = set(NULL), *end, *p;

	end = (char *)(((uintptr_t)start + PG - 1) & ~(PG - 1));
	p = mmap(end + 4 * PG, PG, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(p == end + 4 * PG);
	SEE(set(end + 5 * PG) - start == 0);
	SEE(set(end + 2 * PG) - end);
}

TEST(brk, data_limit)
{
	struct rlimit r = { 1 << 20, 1 << 20 };
	char *start = set(NULL);

	SEE(setrlimit(RLIMIT_DATA, &r));
	SEE(set(start + (2 << 20)) - start);
}
