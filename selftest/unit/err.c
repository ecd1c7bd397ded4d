/* err.c - core/err: an errno and the story behind it. */
#include "core/err.h"

#include <errno.h>
#include <string.h>

#include "selftest/unit/unit.h"

TEST(err, set_returns_the_negative_code)
{
	struct err e;

	CHECK(err_set(&e, ENOENT, "open %s", "x") == -ENOENT);
	CHECK(e.code == ENOENT);
	CHECK(!strcmp(e.msg, "open x"));
}

TEST(err, wrap_puts_the_outer_story_first)
{
	struct err e;

	(void)err_set(&e, EPERM, "inner");
	CHECK(err_wrap(&e, "outer %d", 1) == -EPERM);
	CHECK(!strcmp(e.msg, "outer 1: inner"));
}

TEST(err, wrap_never_overflows)
{
	struct err e;
	char big[600];

	memset(big, 'x', sizeof big);
	big[sizeof big - 1] = 0;
	(void)err_set(&e, EIO, "%s", big);
	for (int i = 0; i < 3; i++)
		CHECK(err_wrap(&e, "%s", big) == -EIO);
	CHECK(strlen(e.msg) == sizeof e.msg - 1);
}
