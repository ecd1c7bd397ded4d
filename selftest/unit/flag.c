/* flag.c - core/flag: Go's syntax, Go's sentences. */
#include "core/flag.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "selftest/unit/unit.h"

static bool b;
static int n, choice;
static int64_t i64, d;
static uint64_t u64;
static const char *s;
static struct flag_list list;
static struct err e;

static const struct flag table[] = {
	{ "b", FLAG_BOOL, &b, NULL, "a bool" },
	{ "n", FLAG_INT, &n, NULL, "an int" },
	{ "i64", FLAG_I64, &i64, NULL, NULL },
	{ "u64", FLAG_U64, &u64, NULL, NULL },
	{ "s", FLAG_STR, &s, NULL, NULL },
	{ "list", FLAG_LIST, &list, NULL, NULL },
	{ "d", FLAG_DURATION, &d, NULL, NULL },
	{ "choice", FLAG_ENUM, &choice, "red|green|blue", NULL },
	{ 0 },
};

static int parse(const char *const *words)
{
	char *argv[16] = { (char *)(uintptr_t) "runsc" };
	int argc = 1;

	for (; words[argc - 1]; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc - 1];
	e = (struct err){ 0 };
	return flags_parse(table, argc, argv, &e);
}
#define PARSE(...)       parse((const char *const[]){ __VA_ARGS__, NULL })
#define FAILS(want, ...) (PARSE(__VA_ARGS__) == -EINVAL && !strcmp(e.msg, want))

TEST(flag, every_spelling)
{
	CHECK(PARSE("-s", "x", "--n", "5", "-i64=-7", "--u64=0x10", "-b",
		      "rest") == 8);
	CHECK(!strcmp(s, "x") && n == 5 && i64 == -7 && u64 == 16 && b);
	CHECK(PARSE("--b=false", "-n=0o17") == 3 && !b && n == 15);
	CHECK(PARSE("-b=T", "-s=", "-s", "-n") == 5 && b && !strcmp(s, "-n"));
	CHECK(PARSE("-s=a=b", "--", "-n") == 3 && !strcmp(s, "a=b"));
	CHECK(PARSE("-", "-n") == 1);
	CHECK(PARSE("word") == 1);
	CHECK(PARSE("-b", "false") == 2 &&
		b); /* "false" is a word of its own */
}

TEST(flag, lists_and_choices)
{
	CHECK(PARSE("-list", "a", "-list=b", "-choice", "blue") == 6);
	CHECK(list.n == 2 && !strcmp(list.v[1], "b") && choice == 2);
	CHECK(FAILS("invalid value \"re\" for flag -choice: must be one of "
		    "red|green|blue",
		"-choice=re"));
	CHECK(FAILS("invalid value \"\" for flag -choice: must be one of "
		    "red|green|blue",
		"-choice="));
	free(list.v);
}

TEST(flag, durations)
{
	CHECK(PARSE("-d=1m30s") == 2 && d == 90000000000);
	CHECK(PARSE("-d=-1.5h") == 2 && d == -5400000000000);
	CHECK(PARSE("-d=100ms") == 2 && d == 100000000);
	CHECK(PARSE("-d=.5us") == 2 && d == 500);
	CHECK(PARSE("-d=3\xc2\xb5s") == 2 && d == 3000);
	CHECK(PARSE("-d=0") == 2 && d == 0);
	CHECK(FAILS("invalid value \"5\" for flag -d: parse error", "-d=5"));
	CHECK(FAILS("invalid value \"\" for flag -d: parse error", "-d="));
	CHECK(FAILS("invalid value \".s\" for flag -d: parse error", "-d=.s"));
	CHECK(FAILS(
		"invalid value \"1s2\" for flag -d: parse error", "-d=1s2"));
	CHECK(FAILS("invalid value \"1.2.3s\" for flag -d: parse error",
		"-d=1.2.3s"));
	CHECK(FAILS(
		"invalid value \"9999999h\" for flag -d: value out of range",
		"-d=9999999h"));
}

TEST(flag, bad_ones_are_explained)
{
	CHECK(FAILS("flag provided but not defined: -x", "--x=1"));
	CHECK(FAILS("flag needs an argument: -s", "-s"));
	CHECK(FAILS("bad flag syntax: ---s", "---s"));
	CHECK(FAILS("bad flag syntax: --=x", "--=x"));
	CHECK(FAILS(
		"invalid boolean value \"no\" for -b: parse error", "-b=no"));
	CHECK(FAILS(
		"invalid value \"1x\" for flag -n: parse error", "-n", "1x"));
	CHECK(FAILS(
		"invalid value \"2147483648\" for flag -n: value out of range",
		"-n=2147483648"));
	CHECK(FAILS(
		"invalid value \"-1\" for flag -u64: parse error", "-u64=-1"));
}

TEST(flag, set_by_name)
{
	CHECK(flag_set(table, "n", "12", &e) == 0 && n == 12);
	CHECK(flag_set(table, "nope", "1", &e) == -ENOENT);
	CHECK(flag_set(table, "n", "x", &e) == -EINVAL);
	CHECK(flag_find(table, "choice")->type == FLAG_ENUM);
}
