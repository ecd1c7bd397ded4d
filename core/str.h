/* str.h - bounded text: a growing-nowhere formatter, and small helpers. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/attr.h"

/* Appends to a fixed buffer, always NUL-terminated; @cut remembers truncation. */
struct strbuf {
	char *p;
	size_t len, cap;
	bool cut;
};

static inline struct strbuf strbuf(char *buf, size_t cap)
{
	if (cap)
		buf[0] = 0;
	return (struct strbuf){ buf, 0, cap, false };
}
void sb_printf(struct strbuf *s, const char *fmt, ...) PRINTF(2, 3);
void sb_vprintf(struct strbuf *s, const char *fmt, va_list ap) PRINTF(2, 0);
void sb_putc(struct strbuf *s, char c);
void sb_puts(struct strbuf *s, const char *str);

bool str_prefix(const char *s, const char *prefix);
/* Parses a whole string as a number (base 0).  0, -EINVAL or -ERANGE. */
int str_u64(const char *s, unsigned long long *v) MUST_CHECK;
int str_i64(const char *s, long long *v) MUST_CHECK;
/* Never return NULL: out of memory ends the process.  Start-up and host side only. */
void *xzalloc(size_t n);
char *xstrdup(const char *s);
char *xasprintf(const char *fmt, ...) PRINTF(1, 2);

/* Bytes of the well-formed UTF-8 sequence at @s (before @end), or 0. */
int utf8_seq(const unsigned char *s, const unsigned char *end);
