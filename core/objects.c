/*
 * objects.c - counts what lives on the heap, and fails allocations on demand.
 *
 * Only in sanitizer builds, where the linker sends our own calls of malloc()
 * and its kin here (--wrap).  A block is noted with the place in the code that
 * asked for it, which is what a type is here.  What libraries allocate for us
 * is not noted: free() of a stranger is none of our business.
 *
 * "nth" belongs to one thread: a guest that asks for a failure gets it in its
 * own next calls, not in another task's.
 */
#include "core/objects.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS (1u << 19) /* open addressing: a power of two */
#define SITES  (1u << 12)
#define GONE   ((uintptr_t)1)

struct block {
	uintptr_t p; /* 0: never used */
	uint32_t site;
	uint32_t size;
};
struct site {
	uintptr_t pc;
	long live, bytes;
};

static struct block blocks[BLOCKS];
static struct site sites[SITES];
static unsigned used; /* entries of blocks that are not 0 */
static atomic_flag busy = ATOMIC_FLAG_INIT;
static _Thread_local int nth;

extern const char __executable_start[];

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
void __wrap_free(void *p);

static void enter(void)
{
	while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
		;
}

static void leave(void)
{
	atomic_flag_clear_explicit(&busy, memory_order_release);
}

static unsigned hash(uintptr_t v, unsigned size)
{
	return (unsigned)(v * 0x9e3779b97f4a7c15u >> 40) & (size - 1);
}

static unsigned site_of(uintptr_t pc)
{
	unsigned i = hash(pc, SITES);

	for (unsigned n = 0; n < SITES; n++, i = (i + 1) & (SITES - 1))
		if (sites[i].pc == pc || !sites[i].pc) {
			sites[i].pc = pc;
			return i;
		}
	return 0; /* more places than there are in the program */
}

/* Its own entry, or the first free one on the way; NULL: neither. */
static struct block *block_find(uintptr_t p, bool make)
{
	unsigned i = hash(p, BLOCKS);
	struct block *room = NULL;

	for (unsigned n = 0; n < BLOCKS; n++, i = (i + 1) & (BLOCKS - 1)) {
		struct block *b = &blocks[i];

		if (b->p == p)
			return b;
		if (b->p <= GONE && make && !room)
			room = b;
		if (!b->p)
			break;
	}
	return room;
}

static void *note(void *p, size_t n, void *pc)
{
	struct block *b;

	if (!p)
		return NULL;
	enter();
	b = used < BLOCKS / 4 * 3 ? block_find((uintptr_t)p, true) : NULL;
	if (b) {
		used += !b->p;
		*b = (struct block){ (uintptr_t)p, site_of((uintptr_t)pc),
			(uint32_t)n };
		sites[b->site].live++;
		sites[b->site].bytes += b->size;
	}
	leave();
	return p;
}

static void forget(void *p)
{
	struct block *b;

	if (!p)
		return;
	enter();
	b = block_find((uintptr_t)p, false);
	if (b) {
		sites[b->site].live--;
		sites[b->site].bytes -= b->size;
		b->p = GONE;
	}
	leave();
}

static bool fails(void)
{
	return nth && --nth == 0;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL
		       : note(__real_malloc(n), n, __builtin_return_address(0));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL
		       : note(__real_calloc(n, size), n * size,
				 __builtin_return_address(0));
}

static void *move(void *p, size_t n, void *pc)
{
	void *q;

	if (fails())
		return NULL;
	/* Before: another thread may get the old address at once. */
	forget(p);
	q = __real_realloc(p, n);
	if (!q && n)
		note(p, 0, pc);
	return note(q, n, pc);
}

void *__wrap_realloc(void *p, size_t n)
{
	return move(p, n, __builtin_return_address(0));
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	size_t all;

	if (__builtin_mul_overflow(n, size, &all))
		return NULL;
	return move(p, all, __builtin_return_address(0));
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
	return fails() ? NULL
		       : note(__real_aligned_alloc(align, n), n,
				 __builtin_return_address(0));
}

static char *copy(const char *s, size_t n, void *pc)
{
	char *p = fails() ? NULL : note(__real_malloc(n + 1), n + 1, pc);

	if (p) {
		memcpy(p, s, n);
		p[n] = 0;
	}
	return p;
}

char *__wrap_strdup(const char *s)
{
	return copy(s, strlen(s), __builtin_return_address(0));
}

char *__wrap_strndup(const char *s, size_t n)
{
	return copy(s, strnlen(s, n), __builtin_return_address(0));
}

void __wrap_free(void *p)
{
	forget(p);
	__real_free(p);
}

void objects_fail_nth(int n)
{
	nth = n;
}

int objects_failing(void)
{
	return nth;
}

void objects_print(struct strbuf *out)
{
	for (unsigned i = 0; i < SITES; i++) {
		struct site s;

		enter();
		s = sites[i];
		leave();
		if (s.live)
			sb_printf(out, "%ld %ld 0x%llx\n", s.live, s.bytes,
				(unsigned long long)(s.pc -
						     (uintptr_t)
							     __executable_start));
	}
}
