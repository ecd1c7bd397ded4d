/* str.c - bounded text. */
#include "core/str.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sb_vprintf(struct strbuf *s, const char *fmt, va_list ap)
{
	size_t room = s->cap - s->len;
	int n = vsnprintf(s->p + s->len, room, fmt, ap);

	if (n < 0)
		return;
	if ((size_t)n < room) {
		s->len += (size_t)n;
	} else {
		s->cut = true;
		s->len = s->cap ? s->cap - 1 : 0;
	}
}

void sb_printf(struct strbuf *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	sb_vprintf(s, fmt, ap);
	va_end(ap);
}

void sb_putc(struct strbuf *s, char c)
{
	if (s->len + 1 >= s->cap) {
		s->cut = true;
		return;
	}
	s->p[s->len++] = c;
	s->p[s->len] = 0;
}

void sb_puts(struct strbuf *s, const char *str)
{
	while (*str && !s->cut)
		sb_putc(s, *str++);
}

bool str_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

int str_u64(const char *s, unsigned long long *v)
{
	char *end;

	if (!isdigit((unsigned char)*s))
		return -EINVAL; /* strtoull() takes blanks and signs */
	errno = 0;
	*v = strtoull(s, &end, 0);
	if (*end)
		return -EINVAL;
	return errno ? -ERANGE : 0;
}

int str_i64(const char *s, long long *v)
{
	const char *digits = s + (*s == '-' || *s == '+');
	char *end;

	if (!isdigit((unsigned char)*digits))
		return -EINVAL;
	errno = 0;
	*v = strtoll(s, &end, 0);
	if (*end)
		return -EINVAL;
	return errno ? -ERANGE : 0;
}

NORETURN static void out_of_memory(void)
{
	fputs("runsc: out of memory\n", stderr);
	exit(128);
}

void *xzalloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	if (!p)
		out_of_memory();
	return p;
}

char *xstrdup(const char *s)
{
	char *p = strdup(s);

	if (!p)
		out_of_memory();
	return p;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&p, fmt, ap);
	va_end(ap);
	if (n < 0)
		out_of_memory();
	return p;
}

int utf8_seq(const unsigned char *s, const unsigned char *end)
{
	int n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (end - s < n)
		return 0;
	for (int i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* No overlong forms, no surrogates, nothing above U+10FFFF. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
		(s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}
