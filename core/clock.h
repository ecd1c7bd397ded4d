/* clock.h - time as 64-bit nanoseconds. */
#pragma once

#include <stdint.h>
#include <time.h>

#define NSEC_PER_SEC 1000000000LL

int64_t clock_now(clockid_t clk);	/* host clock, nanoseconds */
int64_t mono_now(void);			/* CLOCK_MONOTONIC */
/* Adds without overflow: saturates at NO_DEADLINE. */
int64_t deadline_after(int64_t now, int64_t ns);
