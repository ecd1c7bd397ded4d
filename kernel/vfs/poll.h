/* poll.h - waiting for several files at once: poll(2), select(2). */
#pragma once

#include <poll.h>
#include <stdint.h>

#include "core/attr.h"

struct task;

/*
 * Fills in revents of @fds; waits until one is not 0, or @deadline (0: not at all).
 * How many are not 0, or -ERESTARTSYS, -ENOMEM.
 */
long poll_files(struct task *t, struct pollfd *fds, unsigned n, int64_t deadline) MUST_CHECK;
/*
 * select(2) on bitmaps of @n bits, 64-bit words: in[3] are what is asked
 * (read, write, except), out[3] what is ready.  -EBADF: one is not open.
 */
long select_files(struct task *t, int n, uint64_t *const in[3], uint64_t *const out[3],
	int64_t deadline) MUST_CHECK;
