/* futex.h - fast user-space locks: futex(2). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"

struct task;

void futex_init(void);			/* once, before the first task */
/* FUTEX_WAKE of a word: the exit path's CLONE_CHILD_CLEARTID and robust lists. */
int futex_wake_addr(struct task *t, uint64_t addr, int n);
/* Marks and wakes the robust locks that the calling, ending task still holds. */
void futex_exit_robust(struct task *t);
/* After that: hands over the locks that others wait for in FUTEX_LOCK_PI. */
void futex_exit_pi(struct task *t);

struct futex_op {			/* futex(2), decoded */
	uint64_t addr, addr2;
	int op;				/* command without flags */
	bool shared, realtime;
	uint32_t val, val2, val3;
	int64_t deadline;		/* CLOCK_MONOTONIC ns, or NO_DEADLINE */
};
long futex_do(struct task *t, const struct futex_op *f) MUST_CHECK;

struct futex_waitv_k {			/* struct futex_waitv of Linux */
	uint64_t val, addr;
	uint32_t flags, reserved;
};
long futex_wait_many(struct task *t, const struct futex_waitv_k *v, unsigned n, int64_t deadline) MUST_CHECK;
