/*
 * compat_chk.c - fortified functions that musl does not have.
 *
 * Only in builds with DEPS=system: the distribution's static libraries were
 * compiled against glibc with _FORTIFY_SOURCE and call these.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

int __fprintf_chk(FILE *f, int flag, const char *fmt, ...);
int __snprintf_chk(
	char *s, size_t n, int flag, size_t len, const char *fmt, ...);
int __vsnprintf_chk(
	char *s, size_t n, int flag, size_t len, const char *fmt, va_list ap);

int __fprintf_chk(FILE *f, int flag, const char *fmt, ...)
{
	va_list ap;
	int n;

	(void)flag;
	va_start(ap, fmt);
	n = vfprintf(f, fmt, ap);
	va_end(ap);
	return n;
}

int __vsnprintf_chk(
	char *s, size_t n, int flag, size_t len, const char *fmt, va_list ap)
{
	(void)flag;
	if (len < n)
		__builtin_trap();
	return vsnprintf(s, n, fmt, ap);
}

int __snprintf_chk(
	char *s, size_t n, int flag, size_t len, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = __vsnprintf_chk(s, n, flag, len, fmt, ap);
	va_end(ap);
	return r;
}
