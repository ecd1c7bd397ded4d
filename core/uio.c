/*
 * uio.c - a cursor over guest or kernel memory.
 *
 * No call here faults but uio_fault_in().  A copy advances the cursor by what
 * it copied, so that the caller may fault in the rest and go on.
 */
#include "core/uio.h"

#include <string.h>

#define FAULT_AHEAD (256 * 1024) /* one call brings in at most about this */
#define FAULT_PAGE  4096UL

void uio_init(struct uio *u, const struct uio_ops *ops, void *space,
	const struct uio_seg *seg, size_t nseg, bool to)
{
	*u = (struct uio){ .ops = ops, .space = space, .seg = seg, .to = to };
	for (size_t i = 0; i < nseg; i++)
		if (__builtin_add_overflow(u->left, seg[i].len, &u->left))
			u->left = SIZE_MAX;
}

void uio_kernel(
	struct uio *u, struct uio_seg *seg, void *buf, size_t n, bool to)
{
	*seg = (struct uio_seg){ (uintptr_t)buf, n };
	uio_init(u, NULL, NULL, seg, 1, to);
}

/* The run at the cursor, at most @n bytes; steps over segments that are done.
 */
static size_t uio_run(struct uio *u, size_t n, uint64_t *addr)
{
	if (n > u->left)
		n = u->left;
	if (!n)
		return 0;
	while (u->off == u->seg->len) {
		u->seg++;
		u->off = 0;
	}
	*addr = u->seg->base + u->off;
	return n < u->seg->len - u->off ? n : u->seg->len - u->off;
}

static void uio_advance(struct uio *u, size_t n)
{
	u->off += n;
	u->left -= n;
}

static size_t run_put(struct uio *u, uint64_t addr, const void *p, size_t n)
{
	if (u->ops)
		return u->ops->copy_to(u->space, addr, p, n);
	memcpy((void *)(uintptr_t)addr, p, n);
	return n;
}

static size_t run_get(struct uio *u, uint64_t addr, void *p, size_t n)
{
	if (u->ops)
		return u->ops->copy_from(u->space, p, addr, n);
	memcpy(p, (const void *)(uintptr_t)addr, n);
	return n;
}

size_t uio_put(struct uio *to, const void *p, size_t n)
{
	size_t done = 0, run, got;
	uint64_t addr;

	while ((run = uio_run(to, n - done, &addr)) > 0) {
		got = run_put(to, addr, (const char *)p + done, run);
		uio_advance(to, got);
		done += got;
		if (got < run)
			break;
	}
	return done;
}

size_t uio_get(struct uio *from, void *p, size_t n)
{
	size_t done = 0, run, got;
	uint64_t addr;

	while ((run = uio_run(from, n - done, &addr)) > 0) {
		got = run_get(from, addr, (char *)p + done, run);
		uio_advance(from, got);
		done += got;
		if (got < run)
			break;
	}
	return done;
}

size_t uio_put_zero(struct uio *to, size_t n)
{
	static const char zeros[4096];
	size_t done = 0, want, got;

	while (done < n && to->left) {
		want = n - done < sizeof zeros ? n - done : sizeof zeros;
		got = uio_put(to, zeros, want);
		done += got;
		if (got < want)
			break;
	}
	return done;
}

void uio_skip(struct uio *u, size_t n)
{
	uint64_t addr;
	size_t run;

	for (; (run = uio_run(u, n, &addr)) > 0; n -= run)
		uio_advance(u, run);
}

void uio_limit(struct uio *u, size_t n)
{
	if (u->left > n)
		u->left = n;
}

/* Every page of the first u->need bytes, once. */
static int fault_in_needed(struct uio *u)
{
	size_t need = u->need, run;
	struct uio at = *u;
	uint64_t addr;
	int err = 0;

	u->need = 0;
	while (!err && (run = uio_run(&at, need, &addr)) > 0) {
		run = MIN(run, FAULT_PAGE - addr % FAULT_PAGE);
		err = u->ops->fault_in(u->space, addr, run, u->to);
		uio_advance(&at, run);
		need -= run;
	}
	return err;
}

int uio_fault_in(struct uio *u)
{
	struct uio ahead = *u;
	size_t run, done = 0;
	uint64_t addr;
	int err;

	if (!u->ops)
		return 0;
	if (u->need)
		return fault_in_needed(u);
	while (done < FAULT_AHEAD &&
		(run = uio_run(&ahead, SIZE_MAX, &addr)) > 0) {
		err = u->ops->fault_in(u->space, addr, run, u->to);
		if (err)
			return done ? 0 : err;
		uio_advance(&ahead, run);
		done += run;
	}
	return 0;
}

int uio_pin(struct uio *u, size_t len, struct uio_pins *p)
{
	struct uio at = *u;
	uint64_t addr;
	void *host;
	size_t run;

	p->ops = u->ops;
	p->total = 0;
	for (p->n = 0; p->n < UIO_PIN_MAX; p->n++) {
		run = uio_run(&at, len - p->total, &addr);
		host = (void *)(uintptr_t)addr;
		p->cookie[p->n] = 0;
		if (run && u->ops)
			run = u->ops->pin(u->space, addr, run, u->to, &host,
				&p->cookie[p->n]);
		if (!run)
			break;
		p->iov[p->n] = (struct iovec){ host, run };
		p->total += run;
		uio_advance(&at, run);
	}
	return p->n;
}

void uio_unpin(struct uio_pins *p)
{
	for (int i = 0; i < p->n && p->ops; i++)
		p->ops->unpin(p->cookie[i]);
	p->n = 0;
}
