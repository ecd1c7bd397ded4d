/* json.c - core/json: what is accepted, what is kept exact, what comes back. */
#include "core/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/own.h"
#include "core/str.h"
#include "selftest/unit/unit.h"

static struct json_doc *parse(const char *text)
{
	struct err e = { 0 };
	struct json_doc *d = json_parse(text, strlen(text), &e);

	if (!d)
		printf("%s: %s\n", text, e.msg);
	CHECK(d);
	return d;
}

/* Text, parsed and printed on one line. */
static bool prints(const char *text, const char *want)
{
	struct json_doc *d = parse(text);
	own_mem char *got = json_print(json_root(d), 0, false);

	json_free(d);
	if (strcmp(got, want))
		printf("%s\n", got);
	return !strcmp(got, want);
}

TEST(json, round_trips)
{
	CHECK(prints(" { } ", "{}"));
	CHECK(prints("[ ]", "[]"));
	CHECK(prints("[1, -2 ,[{}],{\"a\" :null}, true,false]",
		"[1,-2,[{}],{\"a\":null},true,false]"));
	CHECK(prints("\"a\\u0000\\u00e9\\ud83d\\ude00\\n\\/\\u007f\"",
		"\"a\\u0000\xc3\xa9\xf0\x9f\x98\x80\\n/\\u007f\""));
	CHECK(prints("[18446744073709551615,9223372036854775807,"
		     "-9223372036854775808,0]",
		"[18446744073709551615,9223372036854775807,-"
		"9223372036854775808,0]"));
	CHECK(prints("[1.5,1e3,-0.0,1E-2]", "[1.5,1000.0,-0.0,0.01]"));
}

TEST(json, bytes_that_are_no_utf8)
{
	static const char bytes[] = "a\xff\xc3\xa9\x80\xed\xb2\x80\xc3";
	struct json_doc *d = json_new(JSON_ARRAY), *back;
	char *exact, *plain;

	json_add_str(d, json_root(d), NULL, bytes);
	exact = json_print_exact(json_root(d));
	plain = json_print(json_root(d), 0, false);
	CHECK(!strcmp(exact, "[\"a\\udcff\xc3\xa9\\udc80\\udced\\udcb2\\udc80"
			     "\\udcc3\"]"));
	CHECK(!strncmp(plain, "[\"a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd", 11));
	back = parse(exact);
	CHECK(!strcmp(json_str(json_first(json_root(back)), ""), bytes));
	json_free(back);
	json_free(d);
	free(exact);
	free(plain);
}

TEST(json, accessors_default_on_null_and_wrong_type)
{
	struct json_doc *d =
		parse("{\"s\":\"x\",\"i\":-5,\"u\":18446744073709551615,"
		      "\"t\":true,\"o\":{\"p\":{\"q\":7}},\"a.b\":1}");
	const struct json *r = json_root(d);

	CHECK(!strcmp(json_str(json_get(r, "s"), "d"), "x"));
	CHECK(!strcmp(json_str(json_get(r, "i"), "d"), "d"));
	CHECK(!strcmp(json_str(NULL, "d"), "d"));
	CHECK(json_int(json_get(r, "i"), 1) == -5);
	CHECK(json_int(json_get(r, "u"), 1) == 1);
	CHECK(json_uint(json_get(r, "u"), 1) == UINT64_MAX);
	CHECK(json_uint(json_get(r, "i"), 1) == 1);
	CHECK(json_bool(json_get(r, "t"), false) &&
		!json_bool(json_get(r, "s"), false));
	CHECK(json_int(json_path(r, "o.p.q"), 0) == 7);
	CHECK(json_path(r, "o.x.q") == NULL && json_path(r, "s.x") == NULL);
	CHECK(json_path(r, "o.") == json_get(r, "o") &&
		json_path(NULL, "o") == NULL);
	CHECK(json_get(r, "") == NULL &&
		json_get(json_get(r, "s"), "x") == NULL);
	CHECK(json_first(json_get(r, "s")) == NULL);
	json_free(d);
}

TEST(json, errors_name_the_place)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "", "line 1, column 1: the text ends too early" },
		{ "{\n  \"a\": 1\n  \"b\": 2}",
			"line 3, column 3: ',' or '}' expected" },
		{ "[1,]", "line 1, column 4: a value is expected" },
		{ "[1 2]", "',' or ']' expected" },
		{ "{\"a\" 1}", "':' expected" },
		{ "{a:1}", "a key is expected" },
		{ "{\"a\":1,\"a\":2}", "duplicate key" },
		{ "{\"a\":1,}", "a key is expected" },
		{ "1 2", "something follows the end" },
		{ "01", "bad number" },
		{ "1.", "bad number" },
		{ "-", "bad number" },
		{ "1e", "bad number" },
		{ "1e400", "number out of range" },
		{ "18446744073709551616", "integer out of range" },
		{ "-9223372036854775809", "integer out of range" },
		{ "\"abc", "the string does not end" },
		{ "\"\\", "bad escape" },
		{ "\"\\x\"", "bad escape" },
		{ "\"\\u12\"", "bad \\u escape" },
		{ "\"\\ud800\"", "bad \\u escape" },
		{ "\"\\udc00\"", "bad \\u escape" },
		{ "\"\\udd00\"", "bad \\u escape" },
		{ "\"\\ud800\\u0041\"", "bad \\u escape" },
		{ "\"\xff\"", "bad UTF-8" },
		{ "\"\xc0\x80\"", "bad UTF-8" },
		{ "\"\xed\xa0\x80\"", "bad UTF-8" },
		{ "\"a\nb\"", "control character" },
		{ "{\"\\u0000\":1}", "NUL in a key" },
		{ "tru", "a value is expected" },
		{ "nan", "a value is expected" },
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		e = (struct err){ 0 };
		CHECK(!json_parse(cases[i].text, strlen(cases[i].text), &e));
		if (!strstr(e.msg, cases[i].want) || e.code != EINVAL)
			printf("%s: %s\n", cases[i].text, e.msg);
		CHECK(strstr(e.msg, cases[i].want) && e.code == EINVAL);
	}
}

TEST(json, nul_bytes_and_length_are_respected)
{
	struct err e;

	CHECK(!json_parse("1\0", 2, &e));
	CHECK(!json_parse("\"a\0b\"", 5, &e));
	CHECK(!json_parse("[1]", 2, &e));
}

TEST(json, depth_is_limited)
{
	char text[400];
	struct err e;

	memset(text, '[', 200);
	memset(text + 200, ']', 200);
	CHECK(!json_parse(text, 400, &e) && strstr(e.msg, "nested too deeply"));
	json_free(parse("[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]"));
	text[264] = 0;
	json_free(parse(text + 136)); /* 64 of each */
}

TEST(json, duplicates_are_found_in_large_objects)
{
	char text[4096];
	struct strbuf s = strbuf(text, sizeof text);
	struct err e;

	sb_putc(&s, '{');
	for (int i = 0; i < 100; i++)
		sb_printf(&s, "\"k%d\":%d,", i, i);
	sb_puts(&s, "\"k50\":0}");
	CHECK(!json_parse(text, s.len, &e) && strstr(e.msg, "duplicate key"));
	text[s.len - 6] = '!';
	json_free(parse(text));
}

TEST(json, lines_are_known)
{
	struct json_doc *d = parse("{\n\"a\": 1,\n\n\"b\": [\n2]}");
	const struct json *b = json_get(json_root(d), "b");

	CHECK(json_root(d)->line == 1 && b->line == 4);
	CHECK(json_first(b)->line == 5 && b->n == 1);
	json_free(d);
}

TEST(json, building)
{
	struct json_doc *d = json_new(JSON_OBJECT),
			*src = parse("{\"k\":[\"v\",1.5]}");
	struct json *r = json_root(d), *list;
	own_mem char *a = NULL;
	own_mem char *b = NULL;

	json_add_str(d, r, "z", "old");
	json_add_int(d, r, "i", -1);
	json_add_uint(d, r, "u", 5);
	json_add_bool(d, r, "yes", true);
	list = json_add(d, r, "list", JSON_ARRAY);
	for (int i = 0; i < 3; i++)
		json_add_int(d, list, NULL, i);
	json_add_copy(d, r, "copy", json_root(src));
	json_add_str(d, r, "z", "new \"\xff");
	json_remove(r, "i");
	json_remove(r, "absent");
	json_free(src);
	a = json_print(r, 0, false);
	CHECK(!strcmp(a, "{\"u\":5,\"yes\":true,\"list\":[0,1,2],"
			 "\"copy\":{\"k\":[\"v\",1.5]},\"z\":\"new "
			 "\\\"\xef\xbf\xbd\"}"));
	json_remove(r, "copy");
	json_remove(r, "list");
	b = json_print(r, 2, true);
	CHECK(!strcmp(b, "{\n  \"u\": 5,\n  \"yes\": true,\n"
			 "  \"z\": \"new \\\"\xef\xbf\xbd\"\n}"));
	json_free(d);
}

TEST(json, arrays_grow_in_linear_time)
{
	struct json_doc *d = json_new(JSON_ARRAY);
	const struct json *m;
	int n = 0;

	for (int i = 0; i < 200000; i++)
		json_add_int(d, json_root(d), NULL, i);
	json_for_each(m, json_root(d)) CHECK(json_int(m, -1) == n++);
	CHECK(n == 200000);
	json_free(d);
}
