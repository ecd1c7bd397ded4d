/*
 * memfile.c - frames of the memory file: who has them, which are free.
 *
 * Theory of operation
 *
 * Each chunk (512 frames) has a bitmap of used frames and one of dirty frames:
 * free, but backed by host memory with old bytes in it.  A frame that is
 * neither is a hole of the memfd and reads as zeros.  Freed frames become
 * dirty; they are zeroed when handed out again, and punched out of the memfd
 * when there are too many (trim) or when they were left alone for a second.
 *
 * States of a chunk:
 *	fresh	never used: at or above next_chunk, on no list
 *	idle	nothing used; keeps its dirty frames and remembers its last
 *		slot, so that the next process at the same addresses finds
 *		warm frames (those without dirty frames are on another list)
 *	bound	serves one slot of one address space; on the bound list
 *	open	serves single frames (open[0]) or short runs (open[1])
 *	full	was open; on no list until a frame comes back
 *	busy	being punched by somebody without the lock; on no list
 * A binding is soft: nobody has to undo it.  The owner's number never comes
 * again, and a chunk with nothing used goes idle by itself.  When no chunk is
 * left, a bound one becomes open.
 *
 * Limits: charged frames never exceed the limit, and dirty frames are punched
 * when the sum of both does: the host may count every one of them against us.
 * When memory is tight nothing is mapped ahead any more, and reclaim.c takes
 * back what was never touched.
 *
 * Field letters:  a  atomic    unlettered: lc_memfile
 */
#include "kernel/mm/frames.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/list.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/seccomp.h"
#include "core/timer.h"
#include "kernel/mm/mm.h"

#define WORDS       (CHUNK_FRAMES / 64)
#define TRIM_FRAMES (32UL << 20 >> PAGE_SHIFT) /* dirty ones we keep */
#define TRIM_DELAY  NSEC_PER_SEC
#define GRANULE     16 /* frames punched at once: 64 KiB */

enum chunk_state { FRESH, IDLE, BOUND, OPEN, FULL, BUSY };

struct chunk {
	struct list link;
	uint64_t used[WORDS], dirty[WORDS];
	uint64_t owner, slot; /* of the last binding */
	uint16_t nused, ndirty;
	uint8_t state;
	uint8_t kind; /* open: 0 singles, 1 runs */
};

struct frame_slot {
	uint32_t key;       /* va >> SLOT_SHIFT, plus 1; 0: empty */
	uint32_t cur, prev; /* chunk numbers, plus 1; 0: none */
};

static struct memfile {
	struct mutex lock;
	struct chunk *chunks;
	atomic_uint *refs; /* a: one a frame */
	uint32_t nchunks, next_chunk;
	struct list idle, clean, bound, open[2];
	uint64_t ndirty;
	uint64_t trim_at;   /* dirty frames: trim beyond */
	uint64_t check_at;  /* frames, used and dirty: punch beyond */
	atomic_ulong used;  /* a: frames, changes under the lock */
	atomic_ulong limit; /* a: frames */
	struct timer trim_timer;
	bool trim_armed;
} mf;
LOCK_OPS(memfile, struct memfile, lock)

static atomic_ulong next_owner = 1;

static uint32_t chunk_no(const struct chunk *c)
{
	return (uint32_t)(c - mf.chunks);
}

static paddr_t chunk_pa(const struct chunk *c, unsigned i)
{
	return ((paddr_t)chunk_no(c) * CHUNK_FRAMES + i) << PAGE_SHIFT;
}

static bool bit(const uint64_t *map, unsigned i)
{
	return map[i / 64] >> (i % 64) & 1;
}

static void set_bit(uint64_t *map, unsigned i)
{
	map[i / 64] |= 1ULL << (i % 64);
}

static void clear_bit(uint64_t *map, unsigned i)
{
	map[i / 64] &= ~(1ULL << (i % 64));
}

/* --- punching */

HOLDS(lc_memfile)
static void chunk_place(struct chunk *c)
{
	list_del(&c->link);
	if (c->nused == 0) {
		c->state = IDLE;
		list_add(c->ndirty ? &mf.idle : &mf.clean, &c->link);
	} else if (c->state == BOUND) {
		list_add(&mf.bound, &c->link);
	} else if (c->nused == CHUNK_FRAMES) {
		c->state = FULL;
	} else {
		c->state = OPEN;
		list_add(&mf.open[c->kind], &c->link);
	}
}

static int punch(paddr_t pa, size_t len)
{
	if (fallocate(phys_memfd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		    (off_t)pa, (off_t)len) == 0)
		return 0;
	return -errno;
}

/*
 * Punches the free granules of a chunk that have something dirty in them.  The
 * frames count as used meanwhile, and the chunk as busy, so that the
 * host call runs without the lock.  False: there are none.
 */
HOLDS(lc_memfile)
static bool chunk_punch(struct chunk *c)
{
	uint32_t mine = 0; /* granules */
	int state = c->state;

	for (unsigned g = 0; g < CHUNK_FRAMES / GRANULE; g++) {
		uint64_t m = 0xffffULL << (g * GRANULE % 64);
		uint64_t *used = &c->used[g * GRANULE / 64];

		if (!(*used & m) && (c->dirty[g * GRANULE / 64] & m)) {
			*used |= m;
			mine |= 1u << g;
		}
	}
	if (!mine)
		return false;
	list_del(&c->link);
	c->state = BUSY;
	memfile_unlock(&mf);
	for (unsigned g = 0, n; g < CHUNK_FRAMES / GRANULE; g += n) {
		for (n = 0; g + n < CHUNK_FRAMES / GRANULE &&
			    (mine >> (g + n) & 1);)
			n++;
		if (n && punch(chunk_pa(c, g * GRANULE),
				 n * GRANULE * PAGE_SIZE) < 0)
			memset(phys_ptr(chunk_pa(c, g * GRANULE)), 0,
				n * GRANULE * PAGE_SIZE);
		n += !n;
	}
	memfile_lock(&mf);
	for (unsigned g = 0; g < CHUNK_FRAMES / GRANULE; g++) {
		uint64_t m = 0xffffULL << (g * GRANULE % 64);
		uint64_t *dirty = &c->dirty[g * GRANULE / 64];
		unsigned n = (unsigned)__builtin_popcountll(*dirty & m);

		if (!(mine >> g & 1))
			continue;
		*dirty &= ~m;
		c->used[g * GRANULE / 64] &= ~m;
		c->ndirty -= n;
		mf.ndirty -= n;
	}
	c->state = (uint8_t)state;
	chunk_place(c);
	return true;
}

/* Punches until at most @keep dirty frames are left, idle chunks first. */
HOLDS(lc_memfile)
static void trim(uint64_t keep)
{
	struct list *lists[] = { &mf.idle, &mf.bound, &mf.open[1],
		&mf.open[0] };

	for (unsigned i = 0; i < ARRAY_SIZE(lists); i++) {
		struct list *h = lists[i];

		/* Few holes can be punched in chunks that are in use. */
		for (unsigned n = i ? 64U : ~0U;
			n && mf.ndirty > keep && !list_empty(h); n--) {
			struct chunk *c =
				list_entry(h->prev, struct chunk, link);

			if (chunk_punch(c))
				continue;
			list_del(&c->link);
			list_add(h, &c->link);
		}
	}
	mf.trim_at = MAX(TRIM_FRAMES, mf.ndirty + TRIM_FRAMES / 4);
}

void memfile_trim(bool all)
{
	memfile_lock(&mf);
	trim(all ? 0 : TRIM_FRAMES / 2);
	memfile_unlock(&mf);
}

static void trim_fire(struct timer *t)
{
	(void)t;
	memfile_lock(&mf);
	trim(mf.ndirty > TRIM_FRAMES ? TRIM_FRAMES / 2 : mf.ndirty / 2);
	if (mf.ndirty > 64)
		timer_set(&mf.trim_timer, mono_now() + TRIM_DELAY);
	else
		mf.trim_armed = false;
	memfile_unlock(&mf);
}

/* --- references */

void frames_get(paddr_t pa, unsigned n)
{
	if (phys_is_window(pa)) {
		window_get(pa, n);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		atomic_fetch_add_explicit(&mf.refs[(pa >> PAGE_SHIFT) + i], 1,
			memory_order_relaxed);
}

/* @n frames of one chunk have lost their last reference. */
HOLDS(lc_memfile)
static void chunk_release(struct chunk *c, unsigned first, unsigned n)
{
	bool was_full = c->state == FULL;

	for (unsigned i = first; i < first + n; i++) {
		bug_on(!bit(c->used, i));
		clear_bit(c->used, i);
		set_bit(c->dirty, i);
	}
	c->nused -= n;
	c->ndirty += n;
	mf.ndirty += n;
	atomic_fetch_sub(&mf.used, n);
	if (c->state != BUSY && (c->nused == 0 || was_full))
		chunk_place(c);
}

static void frames_free(paddr_t pa, unsigned n)
{
	uint64_t f = pa >> PAGE_SHIFT;

	memfile_lock(&mf);
	while (n) {
		unsigned first = f % CHUNK_FRAMES;
		unsigned k = MIN(n, CHUNK_FRAMES - first);

		chunk_release(&mf.chunks[f / CHUNK_FRAMES], first, k);
		f += k;
		n -= k;
	}
	if (mf.ndirty > mf.trim_at)
		trim(TRIM_FRAMES / 2);
	if (!mf.trim_armed && mf.ndirty > 64) {
		mf.trim_armed = true;
		timer_set(&mf.trim_timer, mono_now() + TRIM_DELAY);
	}
	memfile_unlock(&mf);
}

void frames_put(paddr_t pa, unsigned n)
{
	paddr_t start = pa;
	unsigned run = 0;

	if (phys_is_window(pa)) {
		window_put(pa, n);
		return;
	}
	for (unsigned i = 0; i < n; i++, pa += PAGE_SIZE) {
		unsigned old = atomic_fetch_sub_explicit(
			&mf.refs[pa >> PAGE_SHIFT], 1, memory_order_acq_rel);

		bug_on(old == 0);
		if (old == 1) {
			if (!run)
				start = pa;
			run++;
		} else if (run) {
			frames_free(start, run);
			run = 0;
		}
	}
	if (run)
		frames_free(start, run);
}

void frame_get(paddr_t pa)
{
	frames_get(pa & PAGE_MASK, 1);
}

void frame_put(paddr_t pa)
{
	frames_put(pa & PAGE_MASK, 1);
}

unsigned frame_refs(paddr_t pa)
{
	if (phys_is_window(pa))
		return window_refs(pa);
	return atomic_load_explicit(
		&mf.refs[pa >> PAGE_SHIFT], memory_order_acquire);
}

bool frame_batch_add(struct frame_batch *b, paddr_t pa)
{
	if (b->n) {
		paddr_t last = b->run[b->n - 1].pa;
		unsigned n = b->run[b->n - 1].n;

		if (pa == last + n * PAGE_SIZE &&
			phys_is_window(pa) == phys_is_window(last)) {
			b->run[b->n - 1].n++;
			return true;
		}
	}
	if (b->n == FRAME_BATCH)
		return false;
	b->run[b->n].pa = pa;
	b->run[b->n].n = 1;
	b->n++;
	return true;
}

void frame_batch_put(struct frame_batch *b)
{
	for (unsigned i = 0; i < b->n; i++)
		frames_put(b->run[i].pa, b->run[i].n);
	b->n = 0;
}

/* --- allocation */

/* True when @n more frames are charged.  May let go of the lock to punch. */
HOLDS(lc_memfile)
static bool charge(unsigned n)
{
	uint64_t used = atomic_load(&mf.used) + n;
	uint64_t limit = atomic_load(&mf.limit);

	if (mf.ndirty && used + mf.ndirty > mf.check_at) {
		trim(0); /* what cannot be punched now: not at each call */
		mf.check_at = MAX(limit, used + mf.ndirty + limit / 64);
	} else if (mf.check_at > limit && used + mf.ndirty < limit) {
		mf.check_at = limit;
	}
	if (used > limit)
		return false;
	atomic_fetch_add(&mf.used, n);
	return true;
}

/* How many frames from @first on are free, at most @n. */
static unsigned free_run(const struct chunk *c, unsigned first, unsigned n)
{
	unsigned i = 0;

	while (i < n && first + i < CHUNK_FRAMES && !bit(c->used, first + i))
		i++;
	return i;
}

/*
 * Takes @n free frames (fewer than CHUNK_FRAMES + 1) from @first on.  Sets in
 * @old those that hold old bytes.  The caller places the chunk.
 */
HOLDS(lc_memfile)
static void claim(struct chunk *c, unsigned first, unsigned n, uint64_t *old)
{
	uint64_t f = chunk_pa(c, first) >> PAGE_SHIFT;
	unsigned stale = 0;

	for (unsigned i = 0; i < n; i++) {
		set_bit(c->used, first + i);
		if (bit(c->dirty, first + i)) {
			clear_bit(c->dirty, first + i);
			set_bit(old, i);
			stale++;
		}
		atomic_store_explicit(&mf.refs[f + i], 1, memory_order_relaxed);
	}
	c->nused += n;
	c->ndirty -= stale;
	mf.ndirty -= stale;
}

static void zero_old(paddr_t pa, unsigned n, const uint64_t *old)
{
	for (unsigned i = 0; i < n; i++)
		if (bit(old, i))
			memset(phys_ptr(pa + i * PAGE_SIZE), 0, PAGE_SIZE);
}

/* A chunk with nothing used: one that served @slot before, a warm one, a new
 * one. */
HOLDS(lc_memfile)
static struct chunk *chunk_take(uint64_t owner, uint64_t slot)
{
	struct chunk *c, *best = NULL;
	int tries = 16;

	list_for_each (c, &mf.idle, link) {
		if (!best || c->slot == slot)
			best = c;
		if (c->slot == slot || --tries == 0)
			break;
	}
	if (!best)
		best = list_first(&mf.clean, struct chunk, link);
	if (!best && mf.next_chunk < mf.nchunks) {
		best = &mf.chunks[mf.next_chunk++];
		list_init(&best->link);
	}
	if (!best)
		return NULL;
	list_del(&best->link);
	best->owner = owner;
	best->slot = slot;
	return best;
}

/* A run of @n free frames at a multiple of @n, preferably warm; -1: none. */
static int find_run(const struct chunk *c, unsigned n)
{
	int found = -1;

	for (unsigned i = 0; n == 1 && i < WORDS; i++) {
		if (c->dirty[i] & ~c->used[i])
			return (int)(i * 64) +
			       __builtin_ctzll(c->dirty[i] & ~c->used[i]);
		if (found < 0 && ~c->used[i])
			found = (int)(i * 64) + __builtin_ctzll(~c->used[i]);
	}
	for (unsigned i = 0; n > 1 && i + n <= CHUNK_FRAMES; i += n)
		if (free_run(c, i, n) == n)
			return (int)i;
	return found;
}

/* An open chunk that has @n free frames in a row at *@at. */
HOLDS(lc_memfile)
static struct chunk *open_chunk(unsigned n, int *at)
{
	int kind = n > 1, tries = 8;
	struct chunk *c;

	list_for_each (c, &mf.open[kind], link) {
		*at = find_run(c, n);
		if (*at >= 0)
			return c;
		if (--tries == 0)
			break;
	}
	c = chunk_take(0, 0);
	if (!c) { /* the space is used up: anything with a free frame */
		struct list *from = &mf.open[!kind];

		if (list_empty(from))
			from = &mf.bound;
		c = list_first(from, struct chunk, link);
		if (!c)
			return NULL;
		list_del(&c->link);
		c->owner = 0;
	}
	c->state = OPEN;
	c->kind = kind;
	list_add(&mf.open[kind], &c->link);
	*at = find_run(c, n);
	return *at >= 0 ? c : NULL;
}

HOLDS(lc_memfile)
static void claim_open(struct chunk *c, unsigned at, unsigned n, uint64_t *old)
{
	claim(c, at, n, old);
	if (c->nused == CHUNK_FRAMES)
		chunk_place(c);
}

/* @n frames in a row of whatever chunk, or fewer. */
static unsigned alloc_open(unsigned n, bool zero, paddr_t *pa)
{
	uint64_t old[WORDS] = { 0 };
	struct chunk *c = NULL;
	int at = -1;

	memfile_lock(&mf);
	for (; n; n /= 2) {
		if (!charge(n))
			continue;
		c = open_chunk(n, &at);
		if (c)
			break;
		atomic_fetch_sub(&mf.used, n);
	}
	if (n) {
		claim_open(c, (unsigned)at, n, old);
		*pa = chunk_pa(c, (unsigned)at);
	}
	memfile_unlock(&mf);
	if (n && zero)
		zero_old(*pa, n, old);
	return n;
}

paddr_t frame_alloc(void)
{
	paddr_t pa;

	return alloc_open(1, true, &pa) ? pa : PADDR_NONE;
}

paddr_t frame_alloc_run(unsigned n, unsigned *got)
{
	paddr_t pa;

	*got = alloc_open(MIN(n, (unsigned)CHUNK_FRAMES), true, &pa);
	return *got ? pa : PADDR_NONE;
}

unsigned frames_alloc_at(paddr_t pa, unsigned n)
{
	uint64_t old[WORDS] = { 0 }, f = pa >> PAGE_SHIFT;
	struct chunk *c = &mf.chunks[f / CHUNK_FRAMES];
	unsigned first = f % CHUNK_FRAMES;

	if (f / CHUNK_FRAMES >= mf.nchunks || n > CHUNK_FRAMES)
		return 0;
	memfile_lock(&mf);
	if (c->state == OPEN && charge(n)) {
		unsigned k = c->state == OPEN ? free_run(c, first, n) : 0;

		atomic_fetch_sub(&mf.used, n - k);
		n = k;
		if (n)
			claim_open(c, first, n, old);
	} else {
		n = 0;
	}
	memfile_unlock(&mf);
	zero_old(pa, n, old);
	return n;
}

/* --- slots */

void frame_slots_init(struct frame_slots *s)
{
	*s = (struct frame_slots){ .owner = atomic_fetch_add(&next_owner, 1) };
}

void frame_slots_fini(struct frame_slots *s)
{
	free(s->slot);
	s->slot = NULL;
	s->size = 0;
}

static struct frame_slot *slot_place(struct frame_slots *s, uint32_t key)
{
	uint32_t i = key * 2654435761u & (s->size - 1);

	while (s->slot[i].key && s->slot[i].key != key)
		i = (i + 1) & (s->size - 1);
	return &s->slot[i];
}

static int slots_grow(struct frame_slots *s)
{
	struct frame_slots bigger = *s;

	bigger.size = s->size ? s->size * 2 : 16;
	bigger.slot = calloc(bigger.size, sizeof *bigger.slot);
	if (!bigger.slot)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->size; i++)
		if (s->slot[i].key)
			*slot_place(&bigger, s->slot[i].key) = s->slot[i];
	free(s->slot);
	*s = bigger;
	return 0;
}

static struct frame_slot *slot_find(struct frame_slots *s, uint64_t va)
{
	uint32_t key = (uint32_t)(va >> SLOT_SHIFT) + 1;
	struct frame_slot *e;

	if (s->used >= s->size / 2 && slots_grow(s) < 0)
		return NULL;
	e = slot_place(s, key);
	if (!e->key) {
		e->key = key;
		s->used++;
	}
	return e;
}

/* The chunk number @no (plus 1) if it still serves this slot. */
HOLDS(lc_memfile)
static struct chunk *slot_chunk(struct frame_slots *s, uint32_t no, uint64_t va)
{
	struct chunk *c = no ? &mf.chunks[no - 1] : NULL;

	if (!c || c->owner != s->owner || c->slot != va >> SLOT_SHIFT)
		return NULL;
	return c->state == BOUND || c->state == IDLE ? c : NULL;
}

unsigned frames_alloc_slot(
	struct frame_slots *s, uint64_t va, unsigned n, bool zero, paddr_t *pa)
{
	unsigned at = va >> PAGE_SHIFT & (CHUNK_FRAMES - 1), k = 0;
	struct frame_slot *e = slot_find(s, va);
	uint64_t old[WORDS] = { 0 };
	struct chunk *c = NULL;

	n = MIN(n, CHUNK_FRAMES - at);
	if (!e)
		return 0;
	memfile_lock(&mf);
	if (!charge(n) && (n = 1, !charge(1))) {
		memfile_unlock(&mf);
		return 0;
	}
	for (int i = 0; i < 2 && !k; i++) {
		c = slot_chunk(s, i ? e->prev : e->cur, va);
		k = c ? free_run(c, at, n) : 0;
	}
	if (!k) {
		c = chunk_take(s->owner, va >> SLOT_SHIFT);
		if (c) {
			e->prev = e->cur;
			e->cur = chunk_no(c) + 1;
			k = n;
		}
	}
	atomic_fetch_sub(&mf.used, n - k);
	if (k) {
		claim(c, at, k, old);
		c->state = BOUND;
		list_del(&c->link);
		list_add(&mf.bound, &c->link);
		*pa = chunk_pa(c, at);
	}
	memfile_unlock(&mf);
	if (!k)
		return alloc_open(MIN(n, (unsigned)GRANULE), zero, pa);
	if (zero)
		zero_old(*pa, k, old);
	return k;
}

/* --- the whole */

bool memfile_tight(void)
{
	uint64_t limit = atomic_load(&mf.limit);

	return atomic_load(&mf.used) > limit - limit / 8;
}

uint64_t memfile_used(void)
{
	return atomic_load(&mf.used) << PAGE_SHIFT;
}

uint64_t memfile_limit(void)
{
	return atomic_load(&mf.limit) << PAGE_SHIFT;
}

static uint64_t limit_frames(uint64_t bytes)
{
	uint64_t frames = phys_memfile_size >> PAGE_SHIFT;

	return bytes ? MIN(bytes >> PAGE_SHIFT, frames) : frames;
}

void memfile_charge_own(int frames)
{
	atomic_fetch_add(&mf.used, (unsigned long)(long)frames);
}

void memfile_set_limit(uint64_t bytes)
{
	memfile_lock(&mf);
	atomic_store(&mf.limit, limit_frames(bytes));
	mf.check_at = atomic_load(&mf.limit);
	memfile_unlock(&mf);
}

static void *lazy_array(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int memfile_init(uint64_t limit_bytes)
{
	uint64_t frames = phys_memfile_size >> PAGE_SHIFT;

	mutex_init(&mf.lock, &lc_memfile);
	mf.nchunks = (uint32_t)(frames / CHUNK_FRAMES);
	mf.chunks = lazy_array(mf.nchunks * sizeof *mf.chunks);
	mf.refs = lazy_array(frames * sizeof *mf.refs);
	if (!mf.chunks || !mf.refs)
		return -ENOMEM;
	list_init(&mf.idle);
	list_init(&mf.clean);
	list_init(&mf.bound);
	list_init(&mf.open[0]);
	list_init(&mf.open[1]);
	atomic_init(&mf.limit, limit_frames(limit_bytes));
	mf.check_at = atomic_load(&mf.limit);
	mf.trim_at = TRIM_FRAMES;
	timer_init(&mf.trim_timer, trim_fire);
	return window_init();
}

static const struct seccomp_rule rules[] = {
	ALLOW(fallocate), /* memfile.c, mapping.c: punch holes */
	ALLOW(fstatfs),   /* window.c */
	ALLOW(getrandom), /* layout.c */
	ALLOW_MASK(mmap, 2, PROT_EXEC, 0), /* window.c; malloc */
	ALLOW(munmap),
	ALLOW(mincore), /* madvise.c */
	ALLOW(lseek),   /* reclaim.c */
	ALLOW(close),
	SECCOMP_END,
};
const struct seccomp_rule *const mm_rules = rules;
