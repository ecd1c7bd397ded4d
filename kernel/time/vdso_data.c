/*
 * vdso_data.c - measuring the host's clock against the TSC.
 *
 * Theory of operation
 *
 * A sample is a pair (tsc, CLOCK_MONOTONIC) read as close together as possible;
 * its error is at most the time between two reads of the TSC around the clock's
 * (tens of nanoseconds).  Two samples give a rate.  The rate's error times the
 * length of use is the error of an extrapolated time, so parameters are valid
 * for no longer than they were measured over, and for a second at most: the
 * first call after that measures again, and validity doubles from a few
 * milliseconds to a second within ten calls.  An idle guest causes no work.
 *
 * The line never steps back.  A new line begins where the old one is, and
 * its rate is bent so that it meets the host's clock at the end of its
 * validity. A gap of more than MAX_ERROR (the host's clock was not the TSC, or
 * a virtual machine was moved) drops the parameters: until two samples agree
 * again every call goes to the host.
 *
 * CLOCK_REALTIME and CLOCK_BOOTTIME are offsets: they change only when the
 * host's clock is set or the host sleeps, and small differences are noise.
 */
#include "kernel/time/vdso_data.h"

#include <cpuid.h>

#include "core/clock.h"
#include "core/lock.h"
#include "kernel/loader/vdso/vvar.h"

#define SHIFT           32
#define VALID_MAX       NSEC_PER_SEC
#define BASELINE_MIN    2000000LL /* 2 ms: shorter ones say nothing */
#define MAX_ERROR       20000     /* ns: more is another clock */
#define NOISE           2000      /* ns: smaller steps of an offset are none */
#define TRIES           5
#define UNCHECKED_RACES __attribute__((no_sanitize("thread")))

struct sample {
	uint64_t tsc;
	int64_t mono;
	uint64_t width; /* TSC ticks around the clock's read */
};

static struct {
	struct mutex lock; /* lc_timers: innermost but the log */
	struct vvar *page;
	struct sample first; /* where the baseline begins */
	bool usable;
} vd;

static struct sample take_sample(void)
{
	struct sample best = { .width = UINT64_MAX };

	for (int i = 0; i < TRIES; i++) {
		uint64_t before = vvar_tsc();
		int64_t mono = clock_now(CLOCK_MONOTONIC);
		uint64_t after = vvar_tsc();

		if (after - before < best.width)
			best = (struct sample){ before + (after - before) / 2,
				mono, after - before };
	}
	return best;
}

/* The invariant TSC: CPUID 0x80000007, EDX bit 8. */
static bool tsc_invariant(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1u << 8);
}

/*
 * Stores are seen in order on x86; the compiler is kept from moving them.  The
 * guest reads while we write, and finds out by seq: not a race for a checker.
 */
UNCHECKED_RACES
static void page_begin(volatile struct vvar *p)
{
	p->seq = p->seq + 1;
	__asm__ volatile("" : : : "memory");
}

UNCHECKED_RACES
static void page_end(volatile struct vvar *p)
{
	__asm__ volatile("" : : : "memory");
	p->seq = p->seq + 1;
}

/* Unchanged unless it moved by more than noise. */
static int64_t offset_of(clockid_t clk, int64_t old)
{
	int64_t before = clock_now(CLOCK_MONOTONIC), there = clock_now(clk);
	int64_t after = clock_now(CLOCK_MONOTONIC);
	int64_t off = there - before - (after - before) / 2;

	return off - old < NOISE && old - off < NOISE ? old : off;
}

/* What the page says at @tsc; it may be past its validity. */
static int64_t line_at(const struct vvar *p, uint64_t tsc)
{
	return p->base_mono +
	       (int64_t)((unsigned __int128)(tsc - p->base_tsc) * p->mult >>
			 SHIFT);
}

UNCHECKED_RACES
static void drop(volatile struct vvar *p, const struct sample *now)
{
	page_begin(p);
	p->valid = 0;
	page_end(p);
	vd.first = *now;
	vd.usable = false;
}

UNCHECKED_RACES
static void publish(volatile struct vvar *p, uint64_t tsc, int64_t mono,
	uint64_t mult, uint64_t valid)
{
	int64_t real = offset_of(CLOCK_REALTIME, p->real_off);
	int64_t boot = offset_of(CLOCK_BOOTTIME, p->boot_off);

	page_begin(p);
	p->base_tsc = tsc;
	p->base_mono = mono;
	p->mult = mult;
	p->shift = SHIFT;
	p->valid = valid;
	p->real_off = real;
	p->boot_off = boot;
	page_end(p);
	vd.usable = true;
}

/* Draws the line anew through a fresh sample. */
static void measure(void)
{
	struct vvar *p = vd.page;
	struct sample now = take_sample();
	int64_t span = now.mono - vd.first.mono, start = now.mono, valid, err;
	uint64_t ticks = now.tsc - vd.first.tsc, mult, vticks;

	if (span < BASELINE_MIN)
		return;
	mult = (uint64_t)(((unsigned __int128)span << SHIFT) / ticks);
	valid = span < VALID_MAX ? span : VALID_MAX;
	vticks = (uint64_t)((unsigned __int128)ticks * (uint64_t)valid /
			    (uint64_t)span);
	if (vd.usable) {
		err = line_at(p, now.tsc) - now.mono;
		/* Long unused: the old line ends where it was last valid. */
		if (now.tsc - p->base_tsc > 2 * p->valid && err > 0)
			err = line_at(p, p->base_tsc + p->valid) > now.mono
				      ? err
				      : 0;
		if (err > MAX_ERROR || err < -MAX_ERROR) {
			if (now.tsc - p->base_tsc <= 2 * p->valid) {
				drop(p, &now);
				return;
			}
			err = err > 0 ? err : 0; /* forward is always allowed */
		}
		start += err;
		mult -= (uint64_t)(((__int128)err * (1LL << SHIFT)) /
				   (int64_t)vticks);
	}
	publish(p, now.tsc, start, mult, vticks);
	/* A baseline of a few seconds follows the host's own corrections. */
	if (span > 4 * VALID_MAX)
		vd.first = now;
}

void vdso_data_init(void *page)
{
	mutex_init(&vd.lock, &lc_timers);
	vd.page = page;
	vd.first = take_sample();
	if (!tsc_invariant())
		vd.first.mono = INT64_MAX; /* no span is ever long enough */
}

UNCHECKED_RACES
static bool read_page(clockid_t clk, int64_t *ns)
{
	int64_t mono, real, boot;

	if (!vvar_read(vd.page, &mono, &real, &boot))
		return false;
	*ns = mono;
	if (clk == CLOCK_REALTIME || clk == CLOCK_REALTIME_COARSE)
		*ns += real;
	else if (clk == CLOCK_BOOTTIME)
		*ns += boot;
	return true;
}

bool vdso_clock(clockid_t clk, int64_t *ns)
{
	switch (clk) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
		break;
	default:
		return false;
	}
	if (!vd.page)
		return false;
	if (read_page(clk, ns))
		return true;
	mutex_acquire(&vd.lock);
	if (!read_page(clk, ns))
		measure();
	mutex_release(&vd.lock);
	return read_page(clk, ns);
}
