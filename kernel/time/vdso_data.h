/*
 * vdso_data.h - time from the TSC, for the vDSO and for our own clock calls.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* @page: the vvar page.  Takes the first measurement.  Once, at start. */
void vdso_data_init(void *page);
/*
 * CLOCK_REALTIME, MONOTONIC, BOOTTIME (and _COARSE) exactly as the vDSO would
 * say; measures anew when the parameters are too old.  False: not one of these
 * clocks, or this host's TSC cannot be trusted; the caller asks the host.
 */
bool vdso_clock(clockid_t clk, int64_t *ns);
