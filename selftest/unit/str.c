/* str.c - core/str: nothing overflows, nothing is half parsed. */
#include "core/str.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "selftest/unit/unit.h"

TEST(str, buffer_remembers_truncation)
{
	char b[8];
	struct strbuf s = strbuf(b, sizeof b);

	sb_printf(&s, "%d", 123);
	sb_putc(&s, '-');
	sb_puts(&s, "abc");
	CHECK(!strcmp(b, "123-abc") && !s.cut && s.len == 7);
	sb_putc(&s, 'x');
	CHECK(!strcmp(b, "123-abc") && s.cut && s.len == 7);
	s = strbuf(b, sizeof b);
	sb_printf(&s, "%s", "longer than eight");
	CHECK(s.cut && s.len == 7 && b[7] == 0);
	sb_printf(&s, "%s", "more");
	CHECK(s.len == 7);
	s = strbuf(b, 0);
	sb_printf(&s, "x");
	sb_putc(&s, 'y');
	CHECK(s.cut && s.len == 0);
}

TEST(str, numbers_are_whole_strings)
{
	unsigned long long u;
	long long i;

	CHECK(str_u64("0x10", &u) == 0 && u == 16);
	CHECK(str_u64("010", &u) == 0 && u == 8);
	CHECK(str_u64("18446744073709551615", &u) == 0 && u == ULLONG_MAX);
	CHECK(str_u64("18446744073709551616", &u) == -ERANGE);
	CHECK(str_u64("", &u) == -EINVAL && str_u64("-1", &u) == -EINVAL);
	CHECK(str_u64(" 1", &u) == -EINVAL && str_u64("1x", &u) == -EINVAL);
	CHECK(str_i64("-9223372036854775808", &i) == 0 && i == LLONG_MIN);
	CHECK(str_i64("9223372036854775808", &i) == -ERANGE);
	CHECK(str_i64("- 1", &i) == -EINVAL && str_i64("+7", &i) == 0 &&
		i == 7);
}

TEST(str, helpers)
{
	char *p = xasprintf("%s-%d", "a", 1), *q = xstrdup(p), *z = xzalloc(0);

	CHECK(!strcmp(p, "a-1") && !strcmp(q, p) && z);
	CHECK(str_prefix("runsc-gofer", "runsc-") &&
		!str_prefix("run", "runsc"));
	free(p);
	free(q);
	free(z);
}
