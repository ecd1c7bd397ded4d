/*
 * ldisc.c - the line discipline: what happens between a keyboard and a program.
 *
 * Input passes through ldisc_char() one byte at a time: special characters act,
 * the rest is echoed and queued.  Output passes through ldisc_out(), which
 * also keeps the cursor's column so that tabs and erasures come out right.
 * termios(3) is the contract, Linux's drivers/tty/n_tty.c the detail.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>

#include "core/uio.h"
#include "kernel/fs/tty_int.h"

#ifndef IUTF8
#define IUTF8 040000
#endif
#define MASK       (TTY_IN - 1)
#define DISABLED   0    /* _POSIX_VDISABLE */
#define ECHO_SLACK 4096 /* output that only echoes may use */
#define EXPANSION  8    /* bytes that one byte may become */
#define OUT_FIRST  256
#define OUT_SENT \
	4096 /* output that has reached the master, and cannot be flushed */

#define IFLAG(t, f) ((t)->tios.iflag & (f))
#define OFLAG(t, f) ((t)->tios.oflag & (f))
#define LFLAG(t, f) ((t)->tios.lflag & (f))
#define CC(t, i)    ((t)->tios.cc[i])

/* --- rings */

static bool bytes_grow(struct bytes *b, size_t need, size_t max)
{
	size_t cap = b->cap ? b->cap : OUT_FIRST;
	uint8_t *p;

	if (need > max)
		return false;
	while (cap < need)
		cap *= 2;
	if (cap == b->cap)
		return true;
	p = malloc(cap);
	if (!p)
		return false;
	bytes_peek(b, p, b->len);
	free(b->p);
	b->p = p;
	b->cap = cap;
	b->head = 0;
	return true;
}

bool bytes_put(struct bytes *b, const void *p, size_t n, size_t max)
{
	size_t at, k;

	if (b->len + n > b->cap && !bytes_grow(b, b->len + n, max))
		return false;
	if (b->len + n > max)
		return false;
	for (size_t done = 0; done < n; done += k) {
		at = (b->head + b->len) & (b->cap - 1);
		k = MIN(n - done, b->cap - at);
		memcpy(b->p + at, (const uint8_t *)p + done, k);
		b->len += k;
	}
	return true;
}

size_t bytes_peek(const struct bytes *b, void *p, size_t n)
{
	size_t done = 0, at, k;

	n = MIN(n, b->len);
	for (; done < n; done += k) {
		at = (b->head + done) & (b->cap - 1);
		k = MIN(n - done, b->cap - at);
		memcpy((uint8_t *)p + done, b->p + at, k);
	}
	return n;
}

/* A ring that is empty again gives its memory back when it is large. */
void bytes_drop(struct bytes *b, size_t n)
{
	b->head += n;
	b->len -= n;
	if (b->len || b->cap <= 4096)
		return;
	free(b->p);
	*b = (struct bytes){ NULL, 0, 0, 0 };
}

/* --- output */

static bool is_cntrl(uint8_t c)
{
	return c < 32 || c == 127;
}

/* The second and later bytes of a UTF-8 character. */
static bool continues(const struct tty *tty, uint8_t c)
{
	return IFLAG(tty, IUTF8) && (c & 0xc0) == 0x80;
}

HOLDS(lc_tty)
static void emit(struct tty *tty, const char *s, size_t n)
{
	/* No room: an echo is lost, as with a full echo buffer. */
	(void)bytes_put(&tty->out, s, n, TTY_OUT + ECHO_SLACK);
}

HOLDS(lc_tty)
static void out_tab(struct tty *tty)
{
	unsigned n = 8 - (tty->column & 7);

	tty->column += n;
	if (OFLAG(tty, TABDLY) == TAB3)
		emit(tty, "        ", n);
	else
		emit(tty, "\t", 1);
}

HOLDS(lc_tty)
static void ldisc_out(struct tty *tty, uint8_t c)
{
	char raw = (char)c;

	if (!OFLAG(tty, OPOST)) {
		emit(tty, &raw, 1);
		return;
	}
	switch (c) {
	case '\n':
		if (OFLAG(tty, ONLRET))
			tty->column = 0;
		if (OFLAG(tty, ONLCR)) {
			tty->column = tty->canon_column = 0;
			emit(tty, "\r\n", 2);
			return;
		}
		tty->canon_column = tty->column;
		break;
	case '\r':
		if (OFLAG(tty, ONOCR) && !tty->column)
			return;
		if (OFLAG(tty, OCRNL)) {
			raw = '\n';
			if (OFLAG(tty, ONLRET))
				tty->column = tty->canon_column = 0;
			break;
		}
		tty->column = tty->canon_column = 0;
		break;
	case '\t':
		out_tab(tty);
		return;
	case '\b':
		if (tty->column)
			tty->column--;
		break;
	default:
		if (is_cntrl(c))
			break;
		if (OFLAG(tty, OLCUC))
			raw = (char)toupper(c);
		if (!continues(tty, c))
			tty->column++;
	}
	emit(tty, &raw, 1);
}

size_t ldisc_write(struct tty *tty, const uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n && !tty->stopped; i++) {
		if (tty->out.len + EXPANSION > TTY_OUT)
			break;
		ldisc_out(tty, p[i]);
	}
	return i;
}

void ldisc_stop(struct tty *tty, bool stop)
{
	if (tty->stopped == stop)
		return;
	tty->stopped = stop;
	if (!tty->packet)
		return;
	tty->pkt = (uint8_t)(tty->pkt & ~(TIOCPKT_STOP | TIOCPKT_START));
	tty->pkt |= stop ? TIOCPKT_STOP : TIOCPKT_START;
}

/* --- echo */

/* Control characters as ^X. */
HOLDS(lc_tty)
static void echo(struct tty *tty, uint8_t c)
{
	char caret[2] = { '^', (char)(c ^ 0100) };

	if (LFLAG(tty, ECHOCTL) && is_cntrl(c) && c != '\t') {
		emit(tty, caret, 2);
		tty->column += 2;
	} else {
		ldisc_out(tty, c);
	}
}

HOLDS(lc_tty)
static void echo_back(struct tty *tty)
{
	ldisc_out(tty, '\b');
	ldisc_out(tty, ' ');
	ldisc_out(tty, '\b');
}

HOLDS(lc_tty)
static void finish_erasing(struct tty *tty)
{
	if (!tty->erasing)
		return;
	ldisc_out(tty, '/');
	tty->erasing = false;
}

/* Goes back to where the cursor was before a tab. */
HOLDS(lc_tty)
static void erase_tab(struct tty *tty)
{
	size_t at = tty->head;
	unsigned n = 0;
	bool after_tab = false;

	while (at != tty->canon) {
		uint8_t c = tty->in[--at & MASK];

		if (c == '\t') {
			after_tab = true;
			break;
		}
		if (is_cntrl(c))
			n += LFLAG(tty, ECHOCTL) ? 2 : 0;
		else if (!continues(tty, c))
			n++;
	}
	if (!after_tab)
		n += tty->canon_column;
	for (n = 8 - (n & 7); n; n--) {
		emit(tty, "\b", 1);
		if (tty->column)
			tty->column--;
	}
}

/* Shows that the character of @cnt bytes, now beyond head, is gone. */
HOLDS(lc_tty)
static void echo_erase(struct tty *tty, size_t cnt, bool one)
{
	uint8_t c = tty->in[tty->head & MASK];

	if (LFLAG(tty, ECHOPRT)) {
		if (!tty->erasing) {
			ldisc_out(tty, '\\');
			tty->erasing = true;
		}
		echo(tty, c);
		for (size_t i = 1; i < cnt; i++)
			ldisc_out(tty, tty->in[(tty->head + i) & MASK]);
	} else if (one && !LFLAG(tty, ECHOE)) {
		echo(tty, CC(tty, VERASE));
	} else if (c == '\t') {
		erase_tab(tty);
	} else {
		if (is_cntrl(c) && LFLAG(tty, ECHOCTL))
			echo_back(tty);
		if (!is_cntrl(c) || LFLAG(tty, ECHOCTL))
			echo_back(tty);
	}
}

/* VKILL without the means to show it: true when that was all. */
HOLDS(lc_tty)
static bool kill_line(struct tty *tty)
{
	if (!LFLAG(tty, ECHO)) {
		tty->head = tty->canon;
		return true;
	}
	if (LFLAG(tty, ECHOK) && LFLAG(tty, ECHOKE) && LFLAG(tty, ECHOE))
		return false;
	tty->head = tty->canon;
	finish_erasing(tty);
	echo(tty, CC(tty, VKILL));
	if (LFLAG(tty, ECHOK))
		ldisc_out(tty, '\n');
	return true;
}

HOLDS(lc_tty)
static void ldisc_erase(struct tty *tty, uint8_t by)
{
	bool one = by == CC(tty, VERASE), word = !one && by == CC(tty, VWERASE);
	bool seen = false;
	uint8_t c;

	if (tty->head == tty->canon)
		return;
	if (!one && !word && kill_line(tty))
		return;
	while (tty->head != tty->canon) {
		size_t at = tty->head, cnt;

		do
			c = tty->in[--at & MASK];
		while (continues(tty, c) && at != tty->canon);
		if (continues(tty, c))
			break; /* no partial character */
		if (word) {
			if (isalnum(c) || c == '_')
				seen = true;
			else if (seen)
				break;
		}
		cnt = tty->head - at;
		tty->head = at;
		if (LFLAG(tty, ECHO))
			echo_erase(tty, cnt, one);
		if (one)
			break;
	}
	if (tty->head == tty->canon && LFLAG(tty, ECHO))
		finish_erasing(tty);
}

/* --- input */

HOLDS(lc_tty)
static void queue(struct tty *tty, uint8_t c)
{
	if (tty->head - tty->tail < TTY_IN) {
		tty->mark[(tty->head & MASK) / 64] &=
			~(1ULL << (tty->head & 63));
		tty->in[tty->head++ & MASK] = c;
	}
}

HOLDS(lc_tty)
static void queue_data(struct tty *tty, uint8_t c)
{
	if (c == 0xff && IFLAG(tty, PARMRK) && !IFLAG(tty, IGNPAR))
		queue(tty, c);
	queue(tty, c);
}

HOLDS(lc_tty)
static void queue_line_end(struct tty *tty, uint8_t c)
{
	size_t at = tty->head;

	queue(tty, c);
	if (tty->head == at) /* full of one long line: it ends here */
		at--;
	tty->mark[(at & MASK) / 64] |= 1ULL << (at & 63);
	tty->canon = tty->head;
}

void ldisc_flush_input(struct tty *tty)
{
	tty->head = tty->canon = tty->tail = 0;
	tty->erasing = tty->lnext = false;
	bytes_drop(&tty->pend, tty->pend.len);
	if (tty->packet)
		tty->pkt |= TIOCPKT_FLUSHREAD;
}

void ldisc_flush_output(struct tty *tty)
{
	tty->out.len = MIN(tty->out.len, (size_t)OUT_SENT);
	if (tty->packet)
		tty->pkt |= TIOCPKT_FLUSHWRITE;
}

HOLDS(lc_tty)
static void ldisc_signal(struct tty *tty, uint8_t c, unsigned raise)
{
	tty->raise |= raise;
	if (!LFLAG(tty, NOFLSH)) {
		tty->head = tty->canon = tty->tail = 0;
		tty->erasing = tty->lnext = false;
		ldisc_flush_output(tty);
		if (tty->packet)
			tty->pkt |= TIOCPKT_FLUSHREAD;
	}
	if (IFLAG(tty, IXON))
		ldisc_stop(tty, false);
	if (LFLAG(tty, ECHO))
		echo(tty, c);
}

HOLDS(lc_tty)
static void reprint_line(struct tty *tty, uint8_t c)
{
	finish_erasing(tty);
	echo(tty, c);
	ldisc_out(tty, '\n');
	for (size_t at = tty->canon; at != tty->head; at++)
		echo(tty, tty->in[at & MASK]);
}

static bool is_cc(const struct tty *tty, uint8_t c, int i)
{
	return c == CC(tty, i) && CC(tty, i) != DISABLED;
}

/* Characters that act at once, in any mode.  True: @c was one. */
HOLDS(lc_tty)
static bool char_controls(struct tty *tty, uint8_t c)
{
	if (IFLAG(tty, IXON)) {
		if (is_cc(tty, c, VSTART)) {
			ldisc_stop(tty, false);
			return true;
		}
		if (is_cc(tty, c, VSTOP)) {
			ldisc_stop(tty, true);
			return true;
		}
	}
	if (!LFLAG(tty, ISIG))
		return false;
	if (is_cc(tty, c, VINTR))
		ldisc_signal(tty, c, TTY_RAISE_INT);
	else if (is_cc(tty, c, VQUIT))
		ldisc_signal(tty, c, TTY_RAISE_QUIT);
	else if (is_cc(tty, c, VSUSP))
		ldisc_signal(tty, c, TTY_RAISE_SUSP);
	else
		return false;
	return true;
}

/* Line editing.  True: @c needs nothing more. */
HOLDS(lc_tty)
static bool char_edits(struct tty *tty, uint8_t c)
{
	bool ext = LFLAG(tty, IEXTEN);

	if (is_cc(tty, c, VERASE) || is_cc(tty, c, VKILL) ||
		(ext && is_cc(tty, c, VWERASE))) {
		ldisc_erase(tty, c);
		return true;
	}
	if (ext && is_cc(tty, c, VLNEXT)) {
		tty->lnext = true;
		if (LFLAG(tty, ECHO)) {
			finish_erasing(tty);
			if (LFLAG(tty, ECHOCTL))
				emit(tty, "^\b", 2);
		}
		return true;
	}
	if (ext && LFLAG(tty, ECHO) && is_cc(tty, c, VREPRINT)) {
		reprint_line(tty, c);
		return true;
	}
	if (c == '\n') {
		if (LFLAG(tty, ECHO) || LFLAG(tty, ECHONL))
			ldisc_out(tty, '\n');
		queue_line_end(tty, c);
		return true;
	}
	if (is_cc(tty, c, VEOF)) {
		queue_line_end(tty, DISABLED);
		return true;
	}
	if (is_cc(tty, c, VEOL) || (ext && is_cc(tty, c, VEOL2))) {
		if (LFLAG(tty, ECHO)) {
			if (tty->canon == tty->head)
				tty->canon_column = tty->column;
			echo(tty, c);
		}
		queue_line_end(tty, c);
		return true;
	}
	return false;
}

HOLDS(lc_tty)
static void char_plain(struct tty *tty, uint8_t c)
{
	if (LFLAG(tty, ICANON) && tty->head - tty->tail >= TTY_IN - 1) {
		if (IFLAG(tty, IMAXBEL))
			emit(tty, "\a", 1);
		return;
	}
	if (LFLAG(tty, ECHO)) {
		finish_erasing(tty);
		if (tty->canon == tty->head)
			tty->canon_column = tty->column;
		if (c == '\n')
			ldisc_out(tty, c);
		else
			echo(tty, c);
	}
	queue_data(tty, c);
}

HOLDS(lc_tty)
static void ldisc_char(struct tty *tty, uint8_t c)
{
	if (IFLAG(tty, ISTRIP))
		c &= 0x7f;
	if (tty->lnext) {
		tty->lnext = false;
		char_plain(tty, c);
		return;
	}
	if (IFLAG(tty, IUCLC) && LFLAG(tty, IEXTEN))
		c = (uint8_t)tolower(c);
	if (char_controls(tty, c))
		return;
	if (tty->stopped && IFLAG(tty, IXON) && IFLAG(tty, IXANY))
		ldisc_stop(tty, false);
	if (c == '\r') {
		if (IFLAG(tty, IGNCR))
			return;
		if (IFLAG(tty, ICRNL))
			c = '\n';
	} else if (c == '\n' && IFLAG(tty, INLCR)) {
		c = '\r';
	}
	if (LFLAG(tty, ICANON) && char_edits(tty, c))
		return;
	char_plain(tty, c);
}

/* May another byte come in?  In line mode an unfinished line may overflow. */
HOLDS(lc_tty)
static bool ldisc_room(struct tty *tty)
{
	if (tty->head - tty->tail < TTY_IN - 2)
		return true;
	return LFLAG(tty, ICANON) && tty->canon == tty->tail;
}

void ldisc_receive(struct tty *tty)
{
	uint8_t c;

	while (tty->pend.len && ldisc_room(tty)) {
		bytes_peek(&tty->pend, &c, 1);
		bytes_drop(&tty->pend, 1);
		ldisc_char(tty, c);
	}
}

/* --- reading */

size_t ldisc_available(struct tty *tty)
{
	if (LFLAG(tty, ICANON))
		return tty->canon != tty->tail;
	return tty->head - tty->tail;
}

bool ldisc_has_input(struct tty *tty, bool poll)
{
	size_t need = 1;

	if (poll && !LFLAG(tty, ICANON) && !CC(tty, VTIME) && CC(tty, VMIN))
		need = CC(tty, VMIN);
	return ldisc_available(tty) >= need;
}

/* Copies @n bytes from tail on, which stay. */
HOLDS(lc_tty)
static size_t in_copy(struct tty *tty, struct uio *to, size_t n)
{
	size_t done = 0, at, k, put;

	for (; done < n; done += put) {
		at = (tty->tail + done) & MASK;
		k = MIN(n - done, TTY_IN - at);
		put = uio_put(to, tty->in + at, k);
		if (put < k)
			return done + put;
	}
	return done;
}

HOLDS(lc_tty)
static bool marked(const struct tty *tty, size_t at)
{
	return tty->mark[(at & MASK) / 64] >> (at & 63) & 1;
}

/* One line, or as much of it as fits. */
HOLDS(lc_tty)
static ssize_t read_line(struct tty *tty, struct uio *to)
{
	size_t want = uio_left(to), have = tty->canon - tty->tail, n, put;
	bool found, eof;

	for (n = 0; n < have && n <= want; n++)
		if (marked(tty, tty->tail + n))
			break;
	found = n < have && n <= want && marked(tty, tty->tail + n);
	eof = found && tty->in[(tty->tail + n) & MASK] == DISABLED;
	if (found && !eof && n < want)
		n++;
	n = MIN(n, want);
	put = in_copy(tty, to, n);
	if (n && !put)
		return -EFAULT;
	tty->tail += put;
	if (eof && put == n)
		tty->tail++; /* the end of file itself is no character */
	return (ssize_t)put;
}

ssize_t ldisc_read(struct tty *tty, struct uio *to)
{
	size_t n, put;

	if (LFLAG(tty, ICANON))
		return read_line(tty, to);
	n = MIN(uio_left(to), tty->head - tty->tail);
	put = in_copy(tty, to, n);
	if (n && !put)
		return -EFAULT;
	tty->tail += put;
	if (tty->canon - tty->tail > TTY_IN) /* no lines here */
		tty->canon = tty->tail;
	return (ssize_t)put;
}

/* --- settings */

void ldisc_set_termios(struct tty *tty, const struct termios_k *tios)
{
	bool mode = (tios->lflag ^ tty->tios.lflag) & ICANON;
	bool flow = CC(tty, VSTOP) == 023 && CC(tty, VSTART) == 021 &&
		    IFLAG(tty, IXON);
	bool newflow;

	tty->tios = *tios;
	newflow = CC(tty, VSTOP) == 023 && CC(tty, VSTART) == 021 &&
		  IFLAG(tty, IXON);
	if (tty->packet && flow != newflow) {
		tty->pkt = (uint8_t)(tty->pkt &
				     ~(TIOCPKT_DOSTOP | TIOCPKT_NOSTOP));
		tty->pkt |= newflow ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP;
	}
	if (!IFLAG(tty, IXON))
		ldisc_stop(tty, false);
	if (!mode)
		return;
	memset(tty->mark, 0, sizeof tty->mark);
	tty->erasing = tty->lnext = false;
	if (LFLAG(tty, ICANON) && tty->head != tty->tail) {
		/* What was typed so far can be read as a line. */
		size_t at = tty->head - 1;

		tty->mark[(at & MASK) / 64] |= 1ULL << (at & 63);
		tty->canon = tty->head;
	} else {
		tty->canon = tty->tail;
	}
}

LOCKS_UNCHECKED /* not published yet */
	void
	ldisc_init(struct tty *tty)
{
	static const uint8_t cc[TTY_NCC] = {
		[VINTR] = 3,
		[VQUIT] = 28,
		[VERASE] = 127,
		[VKILL] = 21,
		[VEOF] = 4,
		[VMIN] = 1,
		[VSTART] = 17,
		[VSTOP] = 19,
		[VSUSP] = 26,
		[VREPRINT] = 18,
		[VDISCARD] = 15,
		[VWERASE] = 23,
		[VLNEXT] = 22,
	};

	tty->tios = (struct termios_k){
		.iflag = ICRNL | IXON,
		.oflag = OPOST | ONLCR,
		.cflag = B38400 | CS8 | CREAD,
		.lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL |
			 ECHOKE | IEXTEN,
	};
	memcpy(tty->tios.cc, cc, sizeof cc);
}
