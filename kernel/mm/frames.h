/*
 * frames.h - frames of the memory file, as kernel/mm takes and returns them.
 *
 * The memory file is cut in chunks of 2 MiB.  A chunk is bound to one slot (2 MiB
 * of addresses) of one address space, so that neighbouring pages get neighbouring
 * frames and the host keeps few mappings; or it is open, and serves single
 * frames and short runs to everybody.  mm.h has the calls for the rest of the
 * kernel.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"
#include "platform/phys.h"

#define CHUNK_FRAMES 512
#define SLOT_SHIFT 21

/* Which chunks serve the slots of one address space; guarded by its mm_active. */
struct frame_slots {
	uint64_t owner;			/* I: unique for ever */
	struct frame_slot *slot;	/* open hash, a power of two, or NULL */
	uint32_t size, used;
};
void frame_slots_init(struct frame_slots *s);
void frame_slots_fini(struct frame_slots *s);

/*
 * Frames in a row for the pages of @va on, at most @n and not beyond its slot;
 * returns how many (0: out of memory), each with one reference.  @zero: they are
 * zeroed; else they may hold old bytes, all of which the caller overwrites.
 */
unsigned frames_alloc_slot(struct frame_slots *s, uint64_t va, unsigned n, bool zero, paddr_t *pa);
/* The frames right behind @pa's run, to make it longer: as above, 0 when they are taken. */
unsigned frames_alloc_at(paddr_t pa, unsigned n);

void frames_get(paddr_t pa, unsigned n);	/* @n in a row, one kind */
void frames_put(paddr_t pa, unsigned n);

/* Collects references to put once aspace_sync() has run. */
#define FRAME_BATCH 128
struct frame_batch {
	unsigned n;
	struct { paddr_t pa; unsigned n; } run[FRAME_BATCH];
};
/* False: full, the frame was not taken. */
bool frame_batch_add(struct frame_batch *b, paddr_t pa);
void frame_batch_put(struct frame_batch *b);	/* puts all, empties */

/* Little is left: nothing should be mapped ahead. */
bool memfile_tight(void);
/* Gives unused frames back to the host; @all: every one. */
void memfile_trim(bool all);

/* window.c: references on windows count pages, like those on frames. */
int window_init(void) MUST_CHECK;	/* once, after phys_init() */
void window_get(paddr_t pa, unsigned n);
void window_put(paddr_t pa, unsigned n);
unsigned window_refs(paddr_t pa);
