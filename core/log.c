/*
 * log.c - one line per event, to up to two places.
 *
 * Every line is put together in a fixed buffer under lc_log and leaves by one
 * write(2), so that lines of several threads and processes do not mix.  Times
 * are UTC: a sandbox cannot see the host's time zone.  Nothing here allocates;
 * log_raw() takes no lock either.
 */
#include "core/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/lock.h"
#include "core/str.h"

#define MSG_MAX     4096
#define LOGLINE_MAX (2 * MSG_MAX)
#define RAW_MAX     1024

struct sink {
	int hfd; /* -1: off */
	enum log_format format;
};

enum log_level log_level = LOG_WARNING;

/* The sinks are set at start-up, before there is a second thread. */
static struct sink user = { -1, LOG_TEXT };
static struct sink debug = { -1, LOG_TEXT };
static int guest_hfd = -1;
static bool to_stderr;

static struct log_buf {
	struct mutex lock;
	char msg[MSG_MAX] GUARDED_BY(lc_log);
	char line[LOGLINE_MAX] GUARDED_BY(lc_log);
} buf = { .lock = MUTEX_INIT(log) };
LOCK_OPS(log, struct log_buf, lock)

void log_set_user(int hfd, enum log_format format)
{
	user = (struct sink){ hfd, format };
}

void log_set_debug(int hfd, enum log_format format)
{
	debug = (struct sink){ hfd, format };
}

void log_set_guest(int hfd)
{
	guest_hfd = hfd;
}

void log_set_stderr(bool also)
{
	to_stderr = also;
}

int log_user_fd(void)
{
	return user.hfd;
}

int log_debug_fd(void)
{
	return debug.hfd;
}

/* Best effort: there is nobody to tell when the log cannot be written. */
static void emit(int hfd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(hfd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return;
		p += w;
		n -= (size_t)w;
	}
}

struct date {
	int year, month, day, hour, minute, second;
	long nsec;
};

/*
 * The date of now, UTC; libc's own is not async-signal-safe.  Years begin in
 * March here, so that the leap day is the last of its year.
 */
static struct date date_now(void)
{
	struct timespec ts = { 0 };
	long days, era, doe, yoe, doy, mp;

	clock_gettime(CLOCK_REALTIME, &ts);
	days = ts.tv_sec / 86400 + 719468; /* since 1 March of year 0 */
	era = days / 146097;
	doe = days % 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	return (struct date){
		.year = (int)(yoe + era * 400 + (mp >= 10)),
		.month = (int)(mp < 10 ? mp + 3 : mp - 9),
		.day = (int)(doy - (153 * mp + 2) / 5 + 1),
		.hour = (int)(ts.tv_sec / 3600 % 24),
		.minute = (int)(ts.tv_sec / 60 % 60),
		.second = (int)(ts.tv_sec % 60),
		.nsec = ts.tv_nsec,
	};
}

/* @v in decimal, filled up with @pad to @width. */
static void put_num(struct strbuf *s, long v, int width, char pad)
{
	char digits[24];
	int n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
	} while ((v /= 10) && n < (int)sizeof digits);
	for (; width > n; width--)
		sb_putc(s, pad);
	while (n)
		sb_putc(s, digits[--n]);
}

static const char *const level_names[] = { "error", "warning", "info",
	"debug" };

/* I1123 21:50:25.123456   PID file:line] msg */
static void put_text(struct strbuf *s, enum log_level level, const char *file,
	int line, const char *msg)
{
	struct date d = date_now();

	sb_putc(s, "EWID"[level]);
	put_num(s, d.month, 2, '0');
	put_num(s, d.day, 2, '0');
	sb_putc(s, ' ');
	put_num(s, d.hour, 2, '0');
	sb_putc(s, ':');
	put_num(s, d.minute, 2, '0');
	sb_putc(s, ':');
	put_num(s, d.second, 2, '0');
	sb_putc(s, '.');
	put_num(s, d.nsec / 1000, 6, '0');
	put_num(s, getpid(), 8, ' ');
	sb_putc(s, ' ');
	sb_puts(s, file);
	sb_putc(s, ':');
	put_num(s, line, 1, ' ');
	sb_puts(s, "] ");
	sb_puts(s, msg);
}

/* 2006-01-02T15:04:05.999999999Z */
static void put_rfc3339(struct strbuf *s)
{
	struct date d = date_now();

	put_num(s, d.year, 4, '0');
	sb_putc(s, '-');
	put_num(s, d.month, 2, '0');
	sb_putc(s, '-');
	put_num(s, d.day, 2, '0');
	sb_putc(s, 'T');
	put_num(s, d.hour, 2, '0');
	sb_putc(s, ':');
	put_num(s, d.minute, 2, '0');
	sb_putc(s, ':');
	put_num(s, d.second, 2, '0');
	sb_putc(s, '.');
	put_num(s, d.nsec, 9, '0');
	sb_putc(s, 'Z');
}

/* Bytes of the UTF-8 sequence at @s, 0 when it is none. */
static int utf8_len(const unsigned char *s)
{
	int n = s[0] < 0x80                   ? 1
		: s[0] >= 0xc2 && s[0] < 0xe0 ? 2
		: s[0] >= 0xe0 && s[0] < 0xf0 ? 3
		: s[0] >= 0xf0 && s[0] < 0xf5 ? 4
					      : 0;

	for (int i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static void put_json_string(struct strbuf *s, const char *text)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *p = (const unsigned char *)text;
	int n;

	sb_putc(s, '"');
	for (; *p && s->len + 96 < s->cap; p += n) {
		n = utf8_len(p);
		if (n == 0) {
			sb_puts(s, "\xef\xbf\xbd"); /* U+FFFD */
			n = 1;
		} else if (*p == '"' || *p == '\\') {
			sb_putc(s, '\\');
			sb_putc(s, (char)*p);
		} else if (*p == '\n') {
			sb_puts(s, "\\n");
		} else if (*p < 0x20 || *p == 0x7f) {
			sb_puts(s, "\\u00");
			sb_putc(s, hex[*p >> 4]);
			sb_putc(s, hex[*p & 15]);
		} else {
			for (int i = 0; i < n; i++)
				sb_putc(s, (char)p[i]);
		}
	}
	sb_putc(s, '"');
}

static void put_json(struct strbuf *s, const struct sink *k,
	enum log_level level, const char *msg)
{
	sb_puts(s, k->format == LOG_JSON ? "{\"msg\":" : "{\"log\":");
	put_json_string(s, msg);
	sb_puts(s, ",\"level\":\"");
	sb_puts(s, level_names[level]);
	sb_puts(s, "\",\"time\":\"");
	put_rfc3339(s);
	sb_puts(s, "\"}");
}

/* Ends the line, over the last byte when it was cut. */
static void put_newline(struct strbuf *s)
{
	if (s->len + 1 >= s->cap)
		s->len = s->cap - 2;
	s->p[s->len++] = '\n';
	s->p[s->len] = 0;
}

HOLDS(lc_log)
static void sink_write(
	const struct sink *k, enum log_level level, const char *file, int line)
{
	struct strbuf s = strbuf(buf.line, sizeof buf.line);

	if (k->format == LOG_TEXT)
		put_text(&s, level, file, line, buf.msg);
	else
		put_json(&s, k, level, buf.msg);
	put_newline(&s);
	emit(k->hfd, s.p, s.len);
}

void log_guest(const char *fmt, ...)
{
	struct strbuf s;
	va_list ap;

	if (guest_hfd < 0)
		return;
	va_start(ap, fmt);
	log_lock(&buf);
	vsnprintf(buf.msg, sizeof buf.msg, fmt, ap);
	s = strbuf(buf.line, sizeof buf.line);
	put_rfc3339(&s);
	sb_printf(&s, " %s\n", buf.msg);
	emit(guest_hfd, buf.line, s.len);
	log_unlock(&buf);
	va_end(ap);
}

void log_at(
	enum log_level level, const char *file, int line, const char *fmt, ...)
{
	static const struct sink err = { 2, LOG_TEXT };
	bool debugging = level <= log_level;
	int saved = errno;
	va_list ap;

	log_lock(&buf);
	va_start(ap, fmt);
	vsnprintf(buf.msg, sizeof buf.msg, fmt, ap);
	va_end(ap);
	if (user.hfd >= 0 && level <= LOG_WARNING)
		sink_write(&user, level, file, line);
	if (debug.hfd >= 0 && debugging)
		sink_write(&debug, level, file, line);
	if (to_stderr && debugging)
		sink_write(&err, level, file, line);
	log_unlock(&buf);
	errno = saved;
}

void log_line(const char *text, unsigned long len)
{
	int saved = errno;

	log_lock(&buf);
	if (len > sizeof buf.msg - 2)
		len = sizeof buf.msg - 2;
	while (len && text[len - 1] == '\n')
		len--;
	memcpy(buf.msg, text, len);
	buf.msg[len] = 0;
	if (debug.hfd >= 0 && debug.format != LOG_TEXT)
		sink_write(&debug, LOG_DEBUG, "", 0);
	buf.msg[len++] = '\n';
	if (debug.hfd >= 0 && debug.format == LOG_TEXT)
		emit(debug.hfd, buf.msg, len);
	if (to_stderr)
		emit(2, buf.msg, len);
	log_unlock(&buf);
	errno = saved;
}

static void raw_write(const struct sink *k, const char *text)
{
	char room[RAW_MAX];
	struct strbuf s = strbuf(room, sizeof room);

	if (k->hfd < 0)
		return;
	if (k->format == LOG_TEXT)
		sb_puts(&s, text);
	else
		put_json(&s, k, LOG_ERROR, text);
	put_newline(&s);
	emit(k->hfd, s.p, s.len);
}

void log_raw(const char *text)
{
	int saved = errno;

	raw_write(&user, text);
	raw_write(&debug, text);
	if (to_stderr)
		raw_write(&(struct sink){ 2, LOG_TEXT }, text);
	errno = saved;
}

NORETURN void bug_(const char *file, int line, const char *cond)
{
	char room[RAW_MAX];
	struct strbuf s = strbuf(room, sizeof room);

	sb_puts(&s, "runsc: bug: ");
	sb_puts(&s, file);
	sb_putc(&s, ':');
	put_num(&s, line, 1, ' ');
	sb_puts(&s, ": ");
	sb_puts(&s, cond);
	log_raw(s.p);
	if (!to_stderr)
		raw_write(&(struct sink){ 2, LOG_TEXT }, s.p);
	abort();
}
