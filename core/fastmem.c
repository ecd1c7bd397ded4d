/*
 * fastmem.c - memcpy, memmove and memcmp.
 *
 * musl's memcpy is "rep movsq": it costs 9-20 ns for a small copy, and more
 * when source and destination overlap modulo a page.  The kernel copies small
 * structs all day; these take 2-5 ns up to 128 bytes.  SSE2 only, which every
 * x86-64 has.  All loads of a block come before its stores, so that up to 64
 * bytes one path serves overlapping ranges too.
 *
 * Left out of sanitizer builds.  The Makefile compiles this file with
 * -fno-builtin, so that no loop here becomes a call of itself.
 */
#include <emmintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define REP_MIN 2048 /* from here on the microcode wins */

/* Unaligned words that may alias anything. */
typedef uint64_t word64 __attribute__((may_alias, aligned(1)));
typedef uint32_t word32 __attribute__((may_alias, aligned(1)));

static inline __m128i load(const unsigned char *p)
{
	return _mm_loadu_si128((const __m128i *)p);
}

static inline void store(unsigned char *p, __m128i v)
{
	_mm_storeu_si128((__m128i *)p, v);
}

struct block {
	__m128i v[4];
};

static inline struct block load_block(const unsigned char *p)
{
	return (struct block){ { load(p), load(p + 16), load(p + 32),
		load(p + 48) } };
}

static inline void store_block(unsigned char *p, struct block b)
{
	store(p, b.v[0]);
	store(p + 16, b.v[1]);
	store(p + 32, b.v[2]);
	store(p + 48, b.v[3]);
}

/* Less than 16 bytes: two words that overlap in the middle. */
static inline void move_tiny(unsigned char *d, const unsigned char *s, size_t n)
{
	if (n >= 8) {
		uint64_t a = *(const word64 *)s,
			 b = *(const word64 *)(s + n - 8);

		*(word64 *)d = a;
		*(word64 *)(d + n - 8) = b;
	} else if (n >= 4) {
		uint32_t a = *(const word32 *)s,
			 b = *(const word32 *)(s + n - 4);

		*(word32 *)d = a;
		*(word32 *)(d + n - 4) = b;
	} else if (n) {
		unsigned char a = s[0], b = s[n / 2], c = s[n - 1];

		d[0] = a;
		d[n / 2] = b;
		d[n - 1] = c;
	}
}

static inline void move_small(
	unsigned char *d, const unsigned char *s, size_t n)
{
	__m128i a = load(s), z = load(s + n - 16);

	if (n > 32) {
		__m128i b = load(s + 16), y = load(s + n - 32);

		store(d + 16, b);
		store(d + n - 32, y);
	}
	store(d, a);
	store(d + n - 16, z);
}

/* More than 64 bytes, @d not inside [s, s + n): ascending. */
static inline void move_up(unsigned char *d, const unsigned char *s, size_t n)
{
	struct block tail = load_block(s + n - 64);
	unsigned char *end = d + n;

	for (; n > 64; n -= 64, s += 64, d += 64)
		store_block(d, load_block(s));
	store_block(end - 64, tail);
}

/* More than 64 bytes, @d inside (s, s + n): descending. */
static inline void move_down(unsigned char *d, const unsigned char *s, size_t n)
{
	struct block head = load_block(s);

	while (n > 64) {
		n -= 64;
		store_block(d + n, load_block(s + n));
	}
	store_block(d, head);
}

static inline void *move(void *dst, const void *src, size_t n)
{
	unsigned char *d = dst;
	const unsigned char *s = src;

	if (n < 16)
		move_tiny(d, s, n);
	else if (n <= 64)
		move_small(d, s, n);
	else if ((uintptr_t)d - (uintptr_t)s < n)
		move_down(d, s, n);
	else if (n < REP_MIN || (uintptr_t)s - (uintptr_t)d < 64)
		move_up(d, s, n);
	else
		__asm__ volatile("rep movsb"
				 : "+D"(d), "+S"(s), "+c"(n)
				 :
				 : "memory");
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	return move(dst, src, n);
}

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	return move(dst, src, n);
}

int memcmp(const void *pa, const void *pb, size_t n)
{
	const unsigned char *a = pa, *b = pb;

	for (; n >= 16; n -= 16, a += 16, b += 16) {
		unsigned eq = (unsigned)_mm_movemask_epi8(
			_mm_cmpeq_epi8(load(a), load(b)));

		if (eq != 0xffff) {
			int i = __builtin_ctz(~eq);

			return a[i] - b[i];
		}
	}
	for (; n; n--, a++, b++)
		if (*a != *b)
			return *a - *b;
	return 0;
}
