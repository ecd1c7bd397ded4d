/*
 * process_vm.c - process_vm_readv(2) and process_vm_writev(2).
 *
 * Bytes go through a buffer of ours, so that never two address spaces are
 * locked.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/uio.h"
#include "kernel/mm/fault.h"

#define BUFFER (64UL << 10)

struct side {
	struct mm *mm;
	const struct uio_seg *seg;
	size_t nseg, off; /* of the first that is left */
};

static size_t side_left(struct side *s)
{
	while (s->nseg && s->off == s->seg->len) {
		s->seg++;
		s->nseg--;
		s->off = 0;
	}
	return s->nseg ? s->seg->len - s->off : 0;
}

ssize_t mm_transfer(struct mm *dst, const struct uio_seg *dseg, size_t ndst,
	struct mm *src, const struct uio_seg *sseg, size_t nsrc)
{
	struct side to = { dst, dseg, ndst, 0 }, from = { src, sseg, nsrc, 0 };
	char *buf = malloc(BUFFER);
	ssize_t done = 0;
	int err = 0;

	if (!buf)
		return -ENOMEM;
	while (!err) {
		size_t n = MIN(side_left(&to), side_left(&from)), got;

		if (!n || mm_interrupted())
			break;
		n = MIN(n, BUFFER);
		err = mm_copyin(src, buf, from.seg->base + from.off, n);
		/* What comes before the page that is missing. */
		got = PAGE_SIZE - (from.seg->base + from.off) % PAGE_SIZE;
		if (err && n > got)
			err = mm_copyin(
				src, buf, from.seg->base + from.off, n = got);
		if (!err)
			err = mm_copyout(dst, to.seg->base + to.off, buf, n);
		if (err)
			break;
		to.off += n;
		from.off += n;
		done += (ssize_t)n;
	}
	free(buf);
	return done ? done : err;
}
