/* fastmem.c - memcpy, memmove and memcmp, over all small sizes and overlaps. */
#include <string.h>

#include "selftest/unit/unit.h"

#define ROOM 512

static unsigned char a[2 * 8192], b[2 * 8192], want[2 * 8192];

static void fill(unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(i * 31 + i / 256);
}

/* Volatile pointers: the compiler must not put in copies of its own. */
static void *(*volatile copy)(void *, const void *, size_t) = memcpy;
static void *(*volatile move)(void *, const void *, size_t) = memmove;
static int (*volatile compare)(const void *, const void *, size_t) = memcmp;

static void check_move(size_t to, size_t from, size_t n)
{
	fill(a, sizeof a);
	fill(want, sizeof want);
	for (size_t i = 0; i < n; i++)
		want[to + i] = a[from + i];
	CHECK(move(a + to, a + from, n) == a + to);
	for (size_t i = 0; i < sizeof a; i++)
		CHECK(a[i] == want[i]);
}

TEST(fastmem, copies)
{
	for (size_t n = 0; n < 300; n++)
		for (size_t off = 0; off < 3; off++) {
			fill(a, ROOM);
			memset(b, 0xee, ROOM);
			CHECK(copy(b + 8 + off, a + off, n) == b + 8 + off);
			for (size_t i = 0; i < n; i++)
				CHECK(b[8 + off + i] == a[off + i]);
			CHECK(b[7 + off] == 0xee && b[8 + off + n] == 0xee);
		}
}

TEST(fastmem, overlapping_moves)
{
	static const size_t sizes[] = { 1, 5, 15, 16, 17, 31, 33, 63, 64, 65,
		127, 128, 129, 200, 2047, 2048, 5000 };
	static const size_t steps[] = { 0, 1, 7, 15, 16, 17, 33, 63, 64, 65,
		100, 1000 };

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
			check_move(1100, 1100 + steps[k], sizes[i]);
			check_move(1100 + steps[k], 1100, sizes[i]);
		}
}

TEST(fastmem, compares)
{
	for (size_t n = 0; n < 100; n++) {
		fill(a, ROOM);
		fill(b, ROOM);
		CHECK(compare(a, b, n) == 0);
		if (!n)
			continue;
		for (size_t i = 0; i < n; i++) {
			a[i] = 1;
			b[i] = 200;
			CHECK(compare(a, b, n) < 0 && compare(b, a, n) > 0);
			a[i] = b[i] = 7;
		}
	}
}
