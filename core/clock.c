/* clock.c - time as 64-bit nanoseconds. */
#include "core/clock.h"

#include "core/thread.h"

int64_t clock_now(clockid_t clk)
{
	struct timespec ts = { 0 };

	clock_gettime(clk, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

int64_t mono_now(void)
{
	return clock_now(CLOCK_MONOTONIC);
}

int64_t deadline_after(int64_t now, int64_t ns)
{
	int64_t sum;

	if (ns <= 0)
		return now;
	return __builtin_add_overflow(now, ns, &sum) ? NO_DEADLINE : sum;
}
