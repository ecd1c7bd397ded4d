/* loadavg.h - load averages, computed when somebody looks. */
#pragma once

#include <stdint.h>

/* 1, 5 and 15 minutes, in units of 1/65536, as sysinfo(2). */
void loadavg_read(uint64_t loads[3]);
