/*
 * stub.h - what a stub process looks like: two pages at the top of its address space.
 *
 * The first holds the code in stub.S, the second the list of calls that a batch
 * makes.  Both are shared, and read-only in the stub; the sentry writes the list
 * through a mapping of its own.  Everything below STUB_BASE is the guest's.
 * Included by assembly too.
 */
#pragma once

#define STUB_TOP	0x7ffffffff000	/* TASK_SIZE with four levels */
#define STUB_BASE	0x7fffffffd000	/* code */
#define STUB_LIST	0x7fffffffe000	/* calls of a batch */
#define STUB_PAGE	0x1000

#define STUB_CALL_SIZE	64		/* sizeof(struct stub_call) */

/* The two sets of clone flags that the stub's filter knows.  No exit signal in either. */
#define STUB_CLONE_THREAD 0x00010f00	/* VM, FS, FILES, SIGHAND, THREAD */
#define STUB_CLONE_FORK	0x00008400	/* PARENT, FILES */

#ifndef __ASSEMBLER__
#include <stdint.h>

struct stub_call {
	uint64_t nr, a[6], pad;
};
#define STUB_CALLS (STUB_PAGE / STUB_CALL_SIZE - 1)
#define STUB_CALL_END (~0ULL)		/* nr of what follows the last call */

/* In stub.S: copied to STUB_BASE, so only distances between them mean anything. */
extern const char stub_start[], stub_end[], stub_park[], stub_batch[], stub_batch_pk[],
	stub_clone[], stub_boot[], stub_exit[], stub_empty[];

/* The address of a routine in a stub. */
#define STUB_ADDR(sym)	((uint64_t)STUB_BASE + (uint64_t)((sym) - stub_start))
#endif
