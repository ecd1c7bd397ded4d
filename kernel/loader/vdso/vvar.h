/*
 * vvar.h - the page that the vDSO reads the time from.
 *
 * kernel/time/vdso_data.c writes it, the vDSO and our own clock calls read it,
 * with the same arithmetic: a guest cannot tell one from the other.
 *
 *	ns = base_ns + ((tsc - base_tsc) * mult >> shift)
 *
 * holds while tsc - base_tsc < valid; beyond it, the real call is made, which
 * measures anew.  seq is odd while the page changes.
 */
#pragma once

#include <stdint.h>

struct vvar {
	uint32_t seq;
	uint32_t shift;
	uint64_t base_tsc;
	uint64_t valid;			/* TSC ticks; 0: do not use */
	uint64_t mult;
	int64_t base_mono;		/* CLOCK_MONOTONIC ns at base_tsc */
	int64_t real_off;		/* CLOCK_REALTIME - CLOCK_MONOTONIC */
	int64_t boot_off;		/* CLOCK_BOOTTIME - CLOCK_MONOTONIC */
};

/* Pages of the mapping: this one, then the image. */
#define VVAR_PAGES 1

static inline uint64_t vvar_tsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

/* CLOCK_MONOTONIC and the two offsets; 0 when the parameters are too old. */
static inline int vvar_read(const volatile struct vvar *v, int64_t *mono,
	int64_t *real_off, int64_t *boot_off)
{
	uint64_t delta;
	uint32_t seq;
	int ok;

	do {
		seq = v->seq & ~1u;
		__asm__ volatile("" : : : "memory");
		delta = vvar_tsc() - v->base_tsc;
		ok = delta < v->valid;
		*mono = v->base_mono +
			(int64_t)((unsigned __int128)delta * v->mult >>
				v->shift);
		*real_off = v->real_off;
		*boot_off = v->boot_off;
		__asm__ volatile("" : : : "memory");
	} while (v->seq != seq);
	return ok;
}
