/* ldisc.c - fuzz: the line discipline under any keys, flags, reads and writes.
 */
#include "kernel/fs/tty_ldisc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>

#include "core/uio.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

struct input {
	const unsigned char *p;
	size_t n;
};

static unsigned char byte(struct input *in)
{
	if (!in->n)
		return 0;
	in->n--;
	return *in->p++;
}

static size_t some(struct input *in, const unsigned char **p)
{
	size_t n = MIN((size_t)byte(in), in->n);

	*p = in->p;
	in->p += n;
	in->n -= n;
	return n;
}

static void settings(struct ldisc *l, struct input *in)
{
	struct termios_abi t = l->t;

	t.iflag = byte(in) | (uint32_t)byte(in) << 8;
	t.oflag = byte(in) | (uint32_t)byte(in) << 8;
	t.lflag = byte(in) | (uint32_t)byte(in) << 8;
	t.lflag |= byte(in) & 1 ? EXTPROC : 0;
	t.cc[byte(in) % LDISC_NCC] = byte(in);
	ldisc_set_termios(l, &t);
}

static void reading(struct ldisc *l, size_t n)
{
	static unsigned char buf[512];
	int64_t since = 0, again = 0;
	struct uio_seg seg;
	struct uio u;
	ssize_t got;

	uio_kernel(&u, &seg, buf, n + 1, true);
	got = ldisc_read(l, &u, true, &since, &again);
	if (got > (ssize_t)n + 1)
		abort();
}

static void repeat(struct ldisc *l, unsigned char c, size_t n)
{
	char buf[255];

	memset(buf, c, sizeof buf);
	for (size_t i = 0; i < n; i += 32)
		(void)ldisc_receive(l, buf, sizeof buf);
}

static void step(struct ldisc *l, struct input *in)
{
	const unsigned char *p;
	size_t n;

	switch (byte(in) % 10) {
	case 0:
	case 1:
		n = some(in, &p);
		(void)ldisc_receive(l, p, n);
		break;
	case 2:
		n = some(in, &p);
		(void)ldisc_write(l, p, n);
		break;
	case 3:
		settings(l, in);
		break;
	case 4:
		reading(l, byte(in));
		break;
	case 5:
		n = byte(in);
		repeat(l, byte(in), n);
		break;
	case 6:
		l->packet = !l->packet;
		break;
	case 7:
		ring_drop(&l->out, MIN(l->out.used, (size_t)byte(in) * 16));
		break;
	case 8:
		if (byte(in) & 1)
			ldisc_flush_input(l);
		else
			ldisc_flush_output(l);
		break;
	case 9:
		l->tco_stopped = byte(in) & 1;
		if (l->tco_stopped)
			ldisc_stop(l);
		else
			ldisc_start(l);
	}
}

/* What must hold between any two steps. */
static void check(const struct ldisc *l)
{
	if (l->head - l->tail > LDISC_BUF + 1 ||
		l->canon - l->tail > l->head - l->tail)
		abort();
	if (l->out.used > l->out.size || l->raw.used > l->raw.size ||
		l->echo.used > l->echo.size)
		abort();
	if (ldisc_pending(l) < 0 || ldisc_pending(l) > LDISC_BUF + 1)
		abort();
	(void)ldisc_readable(l);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct input in = { data, size };
	struct ldisc l;

	ldisc_init(&l);
	while (in.n) {
		step(&l, &in);
		check(&l);
	}
	ldisc_fini(&l);
	return 0;
}
