/*
 * objects.h - the heap of a sanitizer build: counted, and refused on demand.
 *
 * kernel/fs/proc/debug.c shows both to the guest, so that guest tests can see a
 * leak and make an allocation fail.
 */
#pragma once

#include "core/str.h"

/* The calling thread's @n-th allocation from now on fails; 0: none. */
void objects_fail_nth(int n);
/* How many it is still away; 0: it has failed, or none was asked for. */
int objects_failing(void);
/* One line for each place in the code whose blocks are alive: count, bytes, address in the program. */
void objects_print(struct strbuf *out);
