/*
 * uio.h - a cursor over guest or kernel memory.
 *
 * uio_put() and uio_get() never fault: they stop at the first page that is not
 * there, so they may be called under a lock.  The caller of an operation runs
 * uio_fault_in() before it, with no lock held, and retries a short copy.  An
 * operation that had data but could copy none of it returns -EFAULT; the
 * generic loop (kernel/vfs/rw.c) then faults in and tries again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/attr.h"

struct uio;

/* A run of guest memory, or of kernel memory (base is then a pointer). */
struct uio_seg {
	uint64_t base;
	size_t len;
};

/* How to reach the memory.  kernel/mm/usermem.c has the one for guests. */
struct uio_ops {
	/* Copies at most @n bytes; returns how many before a missing page. */
	size_t (*copy_to)(void *space, uint64_t dst, const void *src, size_t n);
	size_t (*copy_from)(void *space, void *dst, uint64_t src, size_t n);
	/* Makes the first of @n bytes accessible, and as many more as is cheap.
	 * Returns 0, or -EFAULT when the first byte is not to be had. */
	int (*fault_in)(void *space, uint64_t addr, size_t n, bool write);
	/* References the page of @addr; returns its host address and how many
	 * of @n bytes are contiguous there, 0: not present.  @cookie unpins. */
	size_t (*pin)(void *space, uint64_t addr, size_t n, bool write, void **host, uint64_t *cookie);
	void (*unpin)(uint64_t cookie);
};

struct uio {
	const struct uio_ops *ops;	/* NULL: kernel memory */
	void *space;			/* struct mm */
	const struct uio_seg *seg;	/* current segment; borrowed, caller keeps */
	size_t off;			/* into it */
	size_t left;			/* bytes to go, all segments */
	size_t need;			/* an operation that takes all or nothing sets it with -EFAULT: how much is all */
	int rwf;			/* RWF_* of this call */
	int64_t since;			/* for the file: when this call found nothing first; 0: not yet */
	bool to;			/* memory is the destination (a read) */
};

void uio_init(struct uio *u, const struct uio_ops *ops, void *space,
	const struct uio_seg *seg, size_t nseg, bool to);
/* One kernel buffer; @seg is storage for the cursor. */
void uio_kernel(struct uio *u, struct uio_seg *seg, void *buf, size_t n, bool to);

static inline size_t uio_left(const struct uio *u) { return u->left; }
size_t uio_put(struct uio *to, const void *p, size_t n);
size_t uio_get(struct uio *from, void *p, size_t n);
size_t uio_put_zero(struct uio *to, size_t n);
void uio_skip(struct uio *u, size_t n);
/* Shortens what is left to at most @n bytes. */
void uio_limit(struct uio *u, size_t n);
/* 0, or -EFAULT when not even the first byte is accessible, or not all that an operation needs. */
int uio_fault_in(struct uio *u) MUST_CHECK;

/*
 * Host I/O straight into guest pages: collects at most @max host ranges for the
 * next bytes (at most @len), each page referenced.  Does not advance.  Returns
 * the count of ranges (0: first page not present) and the bytes in *@total.
 */
#define UIO_PIN_MAX 64
struct uio_pins {
	struct iovec iov[UIO_PIN_MAX];
	uint64_t cookie[UIO_PIN_MAX];
	int n;
	size_t total;
	const struct uio_ops *ops;
};
int uio_pin(struct uio *u, size_t len, struct uio_pins *p);
void uio_unpin(struct uio_pins *p);
