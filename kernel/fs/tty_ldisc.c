/*
 * tty_ldisc.c - the line discipline: what a terminal does with bytes.
 *
 * Theory of operation
 *
 * Bytes from the master first lie in "raw" and are looked at as the input
 * buffer has room for them; each may be kept, edit the line, be echoed, start
 * or stop output, or become a signal.  In canonical mode [tail, canon) are
 * whole lines, [canon, head) is the one being typed; a set bit in delim[] is
 * the last byte of a line, which is not given to the reader when it is NUL (an
 * end of file).  Otherwise everything in [tail, head) may be read.
 *
 * Output of programs and echoes go through the output processing into "out",
 * from where the master reads.  Echoes may exceed the limit that makes a
 * program wait, and are held back in "echo" while output is stopped.
 *
 * Linux: drivers/tty/n_tty.c; what a full buffer loses is lost there, too.
 */
#include "kernel/fs/tty_ldisc.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/clock.h"
#include "core/uio.h"

#define RAW_MAX  8192 /* from the master, beyond the input buffer */
#define OUT_MAX  8192 /* then programs wait */
#define ECHO_MAX 4096 /* more than that, of echoes */
#define OUT_KEPT 4096 /* what a flush finds already delivered */
#define ONE_MAX  8    /* bytes that one byte of output can become */
#define MASK     (LDISC_BUF - 1)
#define NO_CHAR  0 /* _POSIX_VDISABLE, and the mark of an end of file */
#define TENTH    (NSEC_PER_SEC / 10)

/* --- rings */

static bool ring_grow(struct ring *r, size_t want, size_t limit)
{
	size_t size = r->size ? r->size : 256, first;
	const unsigned char *p;
	unsigned char *new;

	while (size < want && size < limit)
		size *= 2;
	if (size == r->size)
		return true;
	new = malloc(size);
	if (!new)
		return false;
	first = ring_peek(r, &p);
	if (first) {
		memcpy(new, p, first);
		memcpy(new + first, r->p, r->used - first);
	}
	free(r->p);
	r->p = new;
	r->size = size;
	r->head = 0;
	return true;
}

size_t ring_put(struct ring *r, const void *src, size_t n, size_t limit)
{
	const unsigned char *p = src;
	size_t at, first;

	if (r->used >= limit)
		return 0;
	n = MIN(n, limit - r->used);
	if (r->used + n > r->size)
		(void)ring_grow(r, r->used + n, limit);
	n = MIN(n, r->size - r->used);
	if (!n)
		return 0;
	at = (r->head + r->used) & (r->size - 1);
	first = MIN(n, r->size - at);
	memcpy(r->p + at, p, first);
	memcpy(r->p, p + first, n - first);
	r->used += n;
	return n;
}

size_t ring_peek(const struct ring *r, const unsigned char **p)
{
	*p = r->p ? r->p + r->head : NULL;
	return MIN(r->used, r->size - r->head);
}

void ring_drop(struct ring *r, size_t n)
{
	r->used -= n;
	r->head = r->used ? (r->head + n) & (r->size - 1) : 0;
}

void ring_free(struct ring *r)
{
	free(r->p);
	*r = (struct ring){ .p = NULL };
}

/* --- small questions */

static bool iflag(const struct ldisc *l, unsigned f)
{
	return l->t.iflag & f;
}

static bool oflag(const struct ldisc *l, unsigned f)
{
	return l->t.oflag & f;
}

static bool lflag(const struct ldisc *l, unsigned f)
{
	return l->t.lflag & f;
}

/* Input is given out by lines. */
static bool by_line(const struct ldisc *l)
{
	return lflag(l, ICANON) && !lflag(l, EXTPROC);
}

/* Is @c the special character @i, and that one not disabled? */
static bool is_cc(const struct ldisc *l, unsigned char c, int i)
{
	return c != NO_CHAR && c == l->t.cc[i];
}

static bool is_cntrl(unsigned char c)
{
	return c < 0x20 || c == 0x7f;
}

static bool is_alnum(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
	       c >= 0xc0;
}

static unsigned char lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? c | 32 : c;
}

static unsigned char upper(unsigned char c)
{
	return c >= 'a' && c <= 'z' ? c & ~32 : c;
}

/* The second or a later byte of a UTF-8 character. */
static bool is_continuation(const struct ldisc *l, unsigned char c)
{
	return iflag(l, IUTF8) && (c & 0xc0) == 0x80;
}

static unsigned char at(const struct ldisc *l, size_t i)
{
	return l->buf[i & MASK];
}

static bool delim_test(const struct ldisc *l, size_t i)
{
	return l->delim[(i & MASK) / 8] >> (i & 7) & 1;
}

static void delim_set(struct ldisc *l, size_t i)
{
	l->delim[(i & MASK) / 8] |= (uint8_t)(1 << (i & 7));
}

static void delim_clear(struct ldisc *l, size_t i)
{
	l->delim[(i & MASK) / 8] &= (uint8_t) ~(1 << (i & 7));
}

/* --- output */

/* What one byte becomes, at most ONE_MAX bytes; moves the column. */
static size_t opost(struct ldisc *l, unsigned char c, char *to)
{
	size_t n;

	switch (c) {
	case '\n':
		if (oflag(l, ONLRET | ONLCR))
			l->column = 0;
		l->canon_column = l->column;
		if (oflag(l, ONLCR)) {
			memcpy(to, "\r\n", 2);
			return 2;
		}
		break;
	case '\r':
		if (oflag(l, ONOCR) && !l->column)
			return 0;
		if (oflag(l, OCRNL)) {
			c = '\n';
			if (!oflag(l, ONLRET))
				break;
		}
		l->column = l->canon_column = 0;
		break;
	case '\t':
		n = 8 - (l->column & 7);
		l->column += (unsigned)n;
		if ((l->t.oflag & TABDLY) == XTABS) {
			memset(to, ' ', n);
			return n;
		}
		break;
	case '\b':
		if (l->column)
			l->column--;
		break;
	default:
		if (is_cntrl(c))
			break;
		if (oflag(l, OLCUC))
			c = upper(c);
		if (!is_continuation(l, c))
			l->column++;
	}
	*to = (char)c;
	return 1;
}

bool ldisc_write_room(const struct ldisc *l)
{
	return !l->stopped && l->out.used + ONE_MAX <= OUT_MAX;
}

static void out_put(struct ldisc *l, const char *p, size_t n, size_t limit)
{
	(void)ring_put(&l->out, p, n, limit);
	l->wake |= LDISC_WAKE_MASTER;
}

/* What was held back, once output goes on. */
static void echo_flush(struct ldisc *l)
{
	const unsigned char *p;
	size_t n;

	while (!l->stopped && (n = ring_peek(&l->echo, &p))) {
		out_put(l, (const char *)p, n, OUT_MAX + ECHO_MAX);
		ring_drop(&l->echo, n);
	}
}

size_t ldisc_write(struct ldisc *l, const void *src, size_t n)
{
	const unsigned char *p = src;
	char one[ONE_MAX];
	size_t i;

	echo_flush(l);
	if (!ldisc_write_room(l))
		return 0;
	if (!oflag(l, OPOST)) {
		l->wake |= LDISC_WAKE_MASTER;
		return ring_put(&l->out, p, n, OUT_MAX);
	}
	for (i = 0; i < n && ldisc_write_room(l); i++)
		out_put(l, one, opost(l, p[i], one), OUT_MAX);
	return i;
}

/* --- echo */

static void echo_bytes(struct ldisc *l, const char *p, size_t n)
{
	echo_flush(l);
	if (l->stopped)
		(void)ring_put(&l->echo, p, n, ECHO_MAX);
	else
		out_put(l, p, n, OUT_MAX + ECHO_MAX);
}

/* As a program would write it. */
static void echo_raw(struct ldisc *l, unsigned char c)
{
	char one[ONE_MAX];

	if (oflag(l, OPOST)) {
		echo_bytes(l, one, opost(l, c, one));
	} else {
		*one = (char)c;
		echo_bytes(l, one, 1);
	}
}

static void echo_char(struct ldisc *l, unsigned char c)
{
	char two[2] = { '^', (char)(c ^ 0100) };

	if (!lflag(l, ECHOCTL) || !is_cntrl(c) || c == '\t') {
		echo_raw(l, c);
		return;
	}
	echo_bytes(l, two, 2);
	l->column += 2;
}

static void echo_finish_erasing(struct ldisc *l)
{
	if (l->erasing)
		echo_raw(l, '/');
	l->erasing = false;
}

/* A character of the line that is being typed. */
static void echo_typed(struct ldisc *l, unsigned char c)
{
	echo_finish_erasing(l);
	if (l->canon == l->head)
		l->canon_column = l->column;
	echo_char(l, c);
}

static void echo_rubout(struct ldisc *l)
{
	echo_raw(l, '\b');
	echo_raw(l, ' ');
	echo_raw(l, '\b');
}

/* The cursor goes back to where it was before the tab that was at head. */
static void echo_erase_tab(struct ldisc *l)
{
	bool after_tab = false;
	size_t i = l->head;
	unsigned n = 0;

	while (i != l->canon && !after_tab) {
		unsigned char c = at(l, --i);

		if (c == '\t')
			after_tab = true;
		else if (is_cntrl(c))
			n += lflag(l, ECHOCTL) ? 2 : 0;
		else if (!is_continuation(l, c))
			n++;
	}
	if (!after_tab)
		n += l->canon_column;
	for (n = 8 - (n & 7); n; n--) {
		echo_bytes(l, "\b", 1);
		if (l->column)
			l->column--;
	}
}

/* --- flow */

static void packet_status(struct ldisc *l, unsigned set, unsigned clear)
{
	if (!l->packet)
		return;
	l->pkt = (unsigned char)((l->pkt & ~clear) | set);
	l->wake |= LDISC_WAKE_MASTER;
}

void ldisc_stop(struct ldisc *l)
{
	if (l->stopped)
		return;
	l->stopped = true;
	packet_status(l, TIOCPKT_STOP, TIOCPKT_START);
}

void ldisc_start(struct ldisc *l)
{
	if (!l->stopped || l->tco_stopped)
		return;
	l->stopped = false;
	packet_status(l, TIOCPKT_START, TIOCPKT_STOP);
	l->wake |= LDISC_WAKE_WRITE;
}

void ldisc_flush_output(struct ldisc *l)
{
	if (l->out.used > OUT_KEPT) /* the newest go */
		l->out.used = OUT_KEPT;
	l->echo.used = 0;
	packet_status(l, TIOCPKT_FLUSHWRITE, 0);
	l->wake |= LDISC_WAKE_WRITE;
}

/* A key starts it, and shows what was typed meanwhile; TCOON does not. */
static void start_by_key(struct ldisc *l)
{
	ldisc_start(l);
	echo_flush(l);
}

static void input_forget(struct ldisc *l)
{
	l->head = l->canon = l->tail = 0;
	l->lnext = l->erasing = false;
	memset(l->delim, 0, sizeof l->delim);
	packet_status(l, TIOCPKT_FLUSHREAD, 0);
}

void ldisc_flush_input(struct ldisc *l)
{
	input_forget(l);
	l->raw.used = l->raw.head = 0;
	l->wake |= LDISC_WAKE_MASTER;
}

/* --- input */

static void keep(struct ldisc *l, unsigned char c)
{
	l->buf[l->head++ & MASK] = c;
	if (!by_line(l))
		l->wake |= LDISC_WAKE_READ;
}

/* With PARMRK a 0xff that was typed is told from the mark by doubling it. */
static void keep_marked(struct ldisc *l, unsigned char c)
{
	if (c == 0xff && iflag(l, PARMRK))
		keep(l, c);
	keep(l, c);
}

static void end_line(struct ldisc *l, unsigned char c)
{
	delim_set(l, l->head);
	keep(l, c);
	l->canon = l->head;
	l->wake |= LDISC_WAKE_READ;
}

static void receive_plain(struct ldisc *l, unsigned char c)
{
	if (l->stopped && iflag(l, IXON) && iflag(l, IXANY))
		start_by_key(l);
	if (lflag(l, ECHO))
		echo_typed(l, c);
	keep_marked(l, c);
}

/* Takes the last character of the line away and gives its first byte. */
static bool erase_one(struct ldisc *l, size_t *len, unsigned char *first)
{
	size_t i = l->head;

	do {
		*first = at(l, --i);
	} while (is_continuation(l, *first) && i != l->canon);
	if (is_continuation(l, *first))
		return false; /* not the whole of one */
	*len = l->head - i;
	return true;
}

/* Shows that the character @c, @len bytes from head on, is gone. */
static void erase_echo(struct ldisc *l, unsigned char c, size_t len, bool erase)
{
	if (lflag(l, ECHOPRT)) {
		if (!l->erasing)
			echo_raw(l, '\\');
		l->erasing = true;
		echo_char(l, c);
		for (size_t i = 1; i < len; i++) {
			char b = (char)at(l, l->head + i);

			echo_bytes(l, &b, 1);
		}
	} else if (erase && !lflag(l, ECHOE)) {
		echo_char(l, l->t.cc[VERASE]);
	} else if (c == '\t') {
		echo_erase_tab(l);
	} else {
		if (is_cntrl(c) && lflag(l, ECHOCTL))
			echo_rubout(l);
		if (!is_cntrl(c) || lflag(l, ECHOCTL))
			echo_rubout(l);
	}
}

/* VKILL where the line cannot be wiped off the screen. */
static bool kill_plain(struct ldisc *l)
{
	if (lflag(l, ECHO) && lflag(l, ECHOK) && lflag(l, ECHOKE) &&
		lflag(l, ECHOE))
		return false;
	l->head = l->canon;
	if (!lflag(l, ECHO))
		return true;
	echo_finish_erasing(l);
	echo_char(l, l->t.cc[VKILL]);
	if (lflag(l, ECHOK))
		echo_raw(l, '\n');
	return true;
}

/* VERASE, VWERASE, VKILL */
static void receive_erase(struct ldisc *l, unsigned char key)
{
	bool erase = is_cc(l, key, VERASE);
	bool word = !erase && is_cc(l, key, VWERASE);
	bool in_word = false;
	unsigned char c;
	size_t len;

	if (l->head == l->canon)
		return;
	if (!erase && !word && kill_plain(l))
		return;
	while (l->head != l->canon && erase_one(l, &len, &c)) {
		if (word && (is_alnum(c) || c == '_'))
			in_word = true;
		else if (word && in_word)
			break;
		l->head -= len;
		if (lflag(l, ECHO))
			erase_echo(l, c, len, erase);
		if (erase)
			break;
	}
	if (l->head == l->canon && lflag(l, ECHO))
		echo_finish_erasing(l);
}

static void receive_reprint(struct ldisc *l, unsigned char c)
{
	echo_finish_erasing(l);
	echo_char(l, c);
	echo_raw(l, '\n');
	for (size_t i = l->canon; i != l->head; i++)
		echo_char(l, at(l, i));
}

static void receive_lnext(struct ldisc *l)
{
	l->lnext = true;
	if (!lflag(l, ECHO))
		return;
	echo_finish_erasing(l);
	if (lflag(l, ECHOCTL)) {
		echo_raw(l, '^');
		echo_raw(l, '\b');
	}
}

/* What is special in canonical mode only; false: nothing. */
static bool receive_canon(struct ldisc *l, unsigned char c)
{
	bool ext = lflag(l, IEXTEN);

	if (is_cc(l, c, VERASE) || is_cc(l, c, VKILL) ||
		(ext && is_cc(l, c, VWERASE))) {
		receive_erase(l, c);
	} else if (ext && is_cc(l, c, VLNEXT)) {
		receive_lnext(l);
	} else if (ext && lflag(l, ECHO) && is_cc(l, c, VREPRINT)) {
		receive_reprint(l, c);
	} else if (c == '\n') {
		if (lflag(l, ECHO) || lflag(l, ECHONL))
			echo_raw(l, '\n');
		end_line(l, c);
	} else if (is_cc(l, c, VEOF)) {
		end_line(l, NO_CHAR);
	} else if (is_cc(l, c, VEOL) || (ext && is_cc(l, c, VEOL2))) {
		if (lflag(l, ECHO))
			echo_typed(l, c);
		if (c == 0xff && iflag(l, PARMRK))
			keep(l, c);
		end_line(l, c);
	} else {
		return false;
	}
	return true;
}

static void receive_signal(struct ldisc *l, int sig, unsigned char c)
{
	l->sigs |= 1ULL << (sig - 1);
	if (!lflag(l, NOFLSH)) {
		ldisc_flush_output(l);
		input_forget(l);
	}
	if (iflag(l, IXON))
		ldisc_start(l);
	if (lflag(l, ECHO))
		echo_char(l, c);
	else
		echo_flush(l);
}

static int signal_of(const struct ldisc *l, unsigned char c)
{
	if (!lflag(l, ISIG))
		return 0;
	if (is_cc(l, c, VINTR))
		return SIGINT;
	if (is_cc(l, c, VQUIT))
		return SIGQUIT;
	return is_cc(l, c, VSUSP) ? SIGTSTP : 0;
}

static bool receive_flow(struct ldisc *l, unsigned char c)
{
	if (!iflag(l, IXON))
		return false;
	if (is_cc(l, c, VSTART))
		start_by_key(l);
	else if (is_cc(l, c, VSTOP))
		ldisc_stop(l);
	else
		return false;
	return true;
}

/* One byte that has passed ISTRIP and IUCLC. */
static void receive_char(struct ldisc *l, unsigned char c)
{
	int sig;

	if (lflag(l, EXTPROC)) { /* the master does it all */
		keep(l, c);
		return;
	}
	if (receive_flow(l, c))
		return;
	sig = signal_of(l, c);
	if (sig) {
		receive_signal(l, sig, c);
		return;
	}
	if (l->stopped && iflag(l, IXON) && iflag(l, IXANY))
		start_by_key(l);
	if (c == '\r' && iflag(l, IGNCR))
		return;
	if (c == '\r' && iflag(l, ICRNL))
		c = '\n';
	else if (c == '\n' && iflag(l, INLCR))
		c = '\r';
	if (lflag(l, ICANON) && receive_canon(l, c))
		return;
	if (c == '\n' && lflag(l, ECHO)) {
		echo_finish_erasing(l);
		echo_raw(l, c);
		keep(l, c);
		return;
	}
	receive_plain(l, c);
}

static void receive_one(struct ldisc *l, unsigned char c)
{
	if (iflag(l, ISTRIP))
		c &= 0x7f;
	if (iflag(l, IUCLC) && lflag(l, IEXTEN))
		c = lower(c);
	if (!l->lnext) {
		receive_char(l, c);
		return;
	}
	l->lnext = false;
	receive_plain(l, c);
}

/*
 * May the next byte be looked at?  A line that is longer than the buffer goes
 * on replacing its last byte, so that it can still be ended, or interrupted.
 */
static bool input_room(struct ldisc *l)
{
	size_t used = l->head - l->tail;
	size_t need = iflag(l, PARMRK) ? 3 : 1;

	if (used + need < LDISC_BUF)
		return true;
	if (!lflag(l, ICANON) || l->canon != l->tail)
		return false;
	if (used + (need + 1) / 2 > LDISC_BUF)
		l->head = l->tail + LDISC_BUF - (need + 1) / 2;
	return true;
}

/* Looks at what the master sent, as far as there is room. */
static void receive_raw(struct ldisc *l)
{
	const unsigned char *p;
	size_t n, i;

	while ((n = ring_peek(&l->raw, &p))) {
		for (i = 0; i < n && input_room(l); i++)
			receive_one(l, p[i]);
		if (i && !by_line(l) && l->t.cc[VTIME])
			l->last_input = mono_now();
		if (i)
			l->wake |= LDISC_WAKE_MASTER;
		ring_drop(&l->raw, i);
		if (i < n)
			return;
	}
}

size_t ldisc_receive_room(const struct ldisc *l)
{
	return RAW_MAX - MIN(l->raw.used, (size_t)RAW_MAX);
}

size_t ldisc_receive(struct ldisc *l, const void *p, size_t n)
{
	n = ring_put(&l->raw, p, n, RAW_MAX);
	receive_raw(l);
	return n;
}

/* --- reading */

/* Up to @n bytes from the tail on. */
static size_t input_copy(const struct ldisc *l, struct uio *to, size_t n)
{
	size_t from = l->tail & MASK, first = MIN(n, LDISC_BUF - from);
	size_t done = uio_put(to, l->buf + from, first);

	if (done == first && n > first)
		done += uio_put(to, l->buf, n - first);
	return done;
}

static ssize_t read_line(struct ldisc *l, struct uio *to)
{
	size_t end = l->tail, n, done;
	bool eof;

	if (l->canon == l->tail)
		return -EAGAIN;
	while (end != l->canon && !delim_test(l, end))
		end++;
	eof = end != l->canon && at(l, end) == NO_CHAR;
	n = end - l->tail;
	done = MIN(n + (end != l->canon && !eof), uio_left(to));
	if (done && !(n = input_copy(l, to, done)))
		return -EFAULT;
	if (done)
		done = n;
	l->tail += done;
	/* The end of file goes with the last byte before it. */
	if (eof && l->tail == end)
		l->tail++;
	if (l->tail > end && end != l->canon)
		delim_clear(l, end);
	return (ssize_t)done;
}

static ssize_t read_bytes(struct ldisc *l, struct uio *to)
{
	size_t n = MIN(l->head - l->tail, uio_left(to));
	size_t done = input_copy(l, to, n);

	if (n && !done)
		return -EFAULT;
	l->tail += done;
	l->canon = l->tail;
	return (ssize_t)done;
}

/* Nothing (or not enough) is there: is the time up? */
static bool time_over(int64_t from, int64_t tenths, int64_t *again)
{
	int64_t when = from + tenths * TENTH;

	if (mono_now() >= when)
		return true;
	*again = when;
	return false;
}

static ssize_t read_raw(struct ldisc *l, struct uio *to, bool nonblock,
	int64_t *since, int64_t *again)
{
	size_t have = l->head - l->tail, min = l->t.cc[VMIN];
	int64_t time = l->t.cc[VTIME];

	if (have && have >= MIN(min, uio_left(to)))
		return read_bytes(l, to);
	if (nonblock && have)
		return read_bytes(l, to);
	if (!min && !time)
		return 0;
	if (nonblock)
		return -EAGAIN;
	if (!*since)
		*since = mono_now();
	if (!min)
		return time_over(*since, time, again) ? 0 : -EAGAIN;
	if (time && have && time_over(MAX(*since, l->last_input), time, again))
		return read_bytes(l, to);
	return -EAGAIN;
}

ssize_t ldisc_read(struct ldisc *l, struct uio *to, bool nonblock,
	int64_t *since, int64_t *again)
{
	ssize_t ret;

	if (by_line(l))
		ret = read_line(l, to);
	else
		ret = read_raw(l, to, nonblock, since, again);
	if (ret >= 0 && l->raw.used)
		receive_raw(l);
	return ret;
}

bool ldisc_readable(const struct ldisc *l)
{
	size_t need = 1;

	if (by_line(l))
		return l->canon != l->tail;
	if (!l->t.cc[VTIME] && l->t.cc[VMIN])
		need = l->t.cc[VMIN];
	return l->head - l->tail >= need;
}

int ldisc_pending(const struct ldisc *l)
{
	size_t n = 0;

	if (!by_line(l))
		return (int)(l->head - l->tail);
	for (size_t i = l->tail; i != l->canon; i++)
		n += !(delim_test(l, i) && at(l, i) == NO_CHAR);
	return (int)n;
}

/* --- settings */

/* What lies in the buffer when line editing starts or ends. */
static void canon_changed(struct ldisc *l)
{
	memset(l->delim, 0, sizeof l->delim);
	if (lflag(l, ICANON) && l->head != l->tail)
		l->canon = l->head; /* one line, without an end */
	else
		l->canon = l->tail;
	l->erasing = l->lnext = false;
}

static bool usual_flow(const struct termios_abi *t)
{
	return t->iflag & IXON && t->cc[VSTOP] == 023 && t->cc[VSTART] == 021;
}

void ldisc_set_termios(struct ldisc *l, const struct termios_abi *t)
{
	struct termios_abi old = l->t;
	bool flow;

	l->t = *t;
	l->t.cflag = (l->t.cflag & ~(unsigned)(CSIZE | PARENB)) | CS8 | CREAD;
	if ((old.lflag ^ l->t.lflag) & (ICANON | EXTPROC))
		canon_changed(l);
	if (old.iflag & IXON && !iflag(l, IXON))
		start_by_key(l);
	flow = usual_flow(&l->t);
	if (flow != usual_flow(&old))
		packet_status(l, flow ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP,
			TIOCPKT_DOSTOP | TIOCPKT_NOSTOP);
	if ((old.lflag | l->t.lflag) & EXTPROC)
		packet_status(l, TIOCPKT_IOCTL, 0);
	receive_raw(l);
	l->wake |= LDISC_WAKE_READ | LDISC_WAKE_WRITE;
}

void ldisc_init(struct ldisc *l)
{
	memset(l, 0, sizeof *l);
	l->t = (struct termios_abi){
		.iflag = ICRNL | IXON,
		.oflag = OPOST | ONLCR,
		.cflag = B38400 | CS8 | CREAD,
		.lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL |
			 ECHOKE | IEXTEN,
		.cc = { [VINTR] = 003,
			[VQUIT] = 034,
			[VERASE] = 0177,
			[VKILL] = 025,
			[VEOF] = 004,
			[VMIN] = 1,
			[VSTART] = 021,
			[VSTOP] = 023,
			[VSUSP] = 032,
			[VREPRINT] = 022,
			[VDISCARD] = 017,
			[VWERASE] = 027,
			[VLNEXT] = 026 },
		.ispeed = 38400,
		.ospeed = 38400,
	};
}

void ldisc_fini(struct ldisc *l)
{
	ring_free(&l->raw);
	ring_free(&l->out);
	ring_free(&l->echo);
}
