/*
 * flag.c - command-line flags as Go's flag package reads them.
 *
 * The sentences for a bad flag are Go's too: scripts look for them.
 */
#include "core/flag.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/str.h"

const struct flag *flag_find(const struct flag *table, const char *name)
{
	for (; table->name; table++)
		if (!strcmp(table->name, name))
			return table;
	return NULL;
}

static int parse_bool(const char *s, bool *v)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE",
		"True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE",
		"False" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (strcmp(s, yes[i]) && strcmp(s, no[i]))
			continue;
		*v = !strcmp(s, yes[i]);
		return 0;
	}
	return -EINVAL;
}

/* Go's spelling of octal; C has only the bare leading zero. */
static const char *go_number(const char *s, char *room, size_t cap)
{
	size_t sign = *s == '-' || *s == '+';

	if (s[sign] != '0' || (s[sign + 1] | 32) != 'o' || strlen(s) >= cap)
		return s;
	snprintf(room, cap, "%.*s0%s", (int)sign, s, s + sign + 2);
	return room;
}

static int parse_i64(const char *s, int64_t min, int64_t max, int64_t *v)
{
	char room[40];
	long long n;
	int err = str_i64(go_number(s, room, sizeof room), &n);

	if (err)
		return err;
	if (n < min || n > max)
		return -ERANGE;
	*v = n;
	return 0;
}

static int parse_u64(const char *s, uint64_t *v)
{
	char room[40];
	unsigned long long n;
	int err = str_u64(go_number(s, room, sizeof room), &n);

	if (!err)
		*v = n;
	return err;
}

static int64_t duration_unit(const char *s, size_t *len)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = { { "ns", 1 }, { "us", 1000 }, { "\xc2\xb5s", 1000 },
		{ "\xce\xbcs", 1000 }, { "ms", 1000000 }, { "s", 1000000000 },
		{ "m", 60000000000 }, { "h", 3600000000000 } };

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (str_prefix(s, units[i].name)) {
			*len = strlen(units[i].name);
			return units[i].ns;
		}
	return 0;
}

/* One "1.5h" of a duration: adds it to *@sum and returns its length, or 0. */
static size_t duration_part(const char *s, double *sum)
{
	size_t digits = strspn(s, "0123456789."), unit = 0;
	char number[32], *end;
	int64_t ns;

	if (!digits || digits >= sizeof number)
		return 0;
	memcpy(number, s, digits);
	number[digits] = 0;
	ns = duration_unit(s + digits, &unit);
	*sum += strtod(number, &end) * (double)ns;
	return ns && !*end && strcmp(number, ".") ? digits + unit : 0;
}

static int parse_duration(const char *s, int64_t *v)
{
	bool negative = *s == '-';
	double sum = 0;
	size_t n;

	s += *s == '-' || *s == '+';
	if (!strcmp(s, "0")) {
		*v = 0;
		return 0;
	}
	do {
		n = duration_part(s, &sum);
		s += n;
	} while (n && *s);
	if (!n)
		return -EINVAL;
	if (sum >= 0x1p63)
		return -ERANGE;
	*v = (int64_t)(negative ? -round(sum) : round(sum));
	return 0;
}

static int parse_enum(const char *values, const char *s, int *v)
{
	size_t len;

	for (int i = 0; *values; i++, values += len + (values[len] == '|')) {
		len = strcspn(values, "|");
		if (strlen(s) == len && !memcmp(values, s, len)) {
			*v = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int list_add_word(struct flag_list *l, const char *s)
{
	const char **v = realloc(l->v, (l->n + 1) * sizeof *v);

	if (!v)
		return -ENOMEM;
	l->v = v;
	l->v[l->n++] = s;
	return 0;
}

static int assign(const struct flag *f, const char *s)
{
	int64_t n;
	int err;

	switch (f->type) {
	case FLAG_BOOL:
		return parse_bool(s, f->target);
	case FLAG_INT:
		err = parse_i64(s, INT_MIN, INT_MAX, &n);
		if (!err)
			*(int *)f->target = (int)n;
		return err;
	case FLAG_I64:
		return parse_i64(s, INT64_MIN, INT64_MAX, f->target);
	case FLAG_U64:
		return parse_u64(s, f->target);
	case FLAG_STR:
		*(const char **)f->target = s;
		return 0;
	case FLAG_LIST:
		return list_add_word(f->target, s);
	case FLAG_DURATION:
		return parse_duration(s, f->target);
	case FLAG_ENUM:
		return parse_enum(f->values, s, f->target);
	}
	return -EINVAL;
}

static int bad_value(
	const struct flag *f, const char *value, int err, struct err *e)
{
	const char *why = err == -ERANGE ? "value out of range" : "parse error";

	if (f->type == FLAG_BOOL)
		return err_set(e, EINVAL,
			"invalid boolean value \"%s\" for -%s: %s", value,
			f->name, why);
	if (f->type == FLAG_ENUM)
		return err_set(e, EINVAL,
			"invalid value \"%s\" for flag -%s: must be one of %s",
			value, f->name, f->values);
	return err_set(e, EINVAL, "invalid value \"%s\" for flag -%s: %s",
		value, f->name, why);
}

static int flag_assign(const struct flag *f, const char *value, struct err *e)
{
	int err = assign(f, value);

	return err ? bad_value(f, value, err, e) : 0;
}

int flag_set(const struct flag *table, const char *name, const char *value,
	struct err *e)
{
	const struct flag *f = flag_find(table, name);

	if (!f)
		return err_set(e, ENOENT, "there is no flag %s", name);
	return flag_assign(f, value, e);
}

/* The flag called by @len bytes of @name. */
static const struct flag *find_len(
	const struct flag *table, const char *name, size_t len)
{
	for (; table->name; table++)
		if (strlen(table->name) == len &&
			!memcmp(table->name, name, len))
			return table;
	return NULL;
}

/* One flag at @argv[@i]; returns how many words it took. */
static int parse_one(
	const struct flag *table, int i, int argc, char **argv, struct err *e)
{
	const char *name = argv[i] + 1 + (argv[i][1] == '-'), *value;
	size_t len = strcspn(name, "=");
	const struct flag *f;
	int err;

	if (!*name || *name == '-' || *name == '=')
		return err_set(e, EINVAL, "bad flag syntax: %s", argv[i]);
	f = find_len(table, name, len);
	if (!f)
		return err_set(e, EINVAL,
			"flag provided but not defined: -%.*s", (int)len, name);
	if (name[len] == '=')
		value = name + len + 1;
	else if (f->type == FLAG_BOOL)
		value = "true";
	else if (i + 1 < argc)
		value = argv[i + 1];
	else
		return err_set(
			e, EINVAL, "flag needs an argument: -%s", f->name);
	err = flag_assign(f, value, e);
	if (err)
		return err;
	return i + 1 < argc && value == argv[i + 1] ? 2 : 1;
}

int flags_parse(const struct flag *table, int argc, char **argv, struct err *e)
{
	int i = 1, n;

	for (; i < argc && argv[i][0] == '-' && argv[i][1]; i += n) {
		if (!strcmp(argv[i], "--"))
			return i + 1;
		n = parse_one(table, i, argc, argv, e);
		if (n < 0)
			return n;
	}
	return i;
}

static void print_default(const struct flag *f)
{
	const void *t = f->target;
	const char *v = f->values;

	switch (f->type) {
	case FLAG_BOOL:
		if (*(const bool *)t)
			fputs(" (default true)", stdout);
		break;
	case FLAG_INT:
		if (*(const int *)t)
			printf(" (default %d)", *(const int *)t);
		break;
	case FLAG_I64:
		if (*(const int64_t *)t)
			printf(" (default %" PRId64 ")", *(const int64_t *)t);
		break;
	case FLAG_U64:
		if (*(const uint64_t *)t)
			printf(" (default %" PRIu64 ")", *(const uint64_t *)t);
		break;
	case FLAG_STR:
		if (*(const char *const *)t && **(const char *const *)t)
			printf(" (default \"%s\")", *(const char *const *)t);
		break;
	case FLAG_DURATION:
		if (*(const int64_t *)t)
			printf(" (default %gs)",
				(double)*(const int64_t *)t / 1e9);
		break;
	case FLAG_ENUM:
		for (int i = *(const int *)t; i > 0 && strchr(v, '|'); i--)
			v = strchr(v, '|') + 1;
		printf(" (default %.*s)", (int)strcspn(v, "|"), v);
		break;
	case FLAG_LIST:
		break;
	}
}

void flags_print(const struct flag *table)
{
	static const char *const types[] = { [FLAG_BOOL] = "",
		[FLAG_INT] = " int",
		[FLAG_I64] = " int",
		[FLAG_U64] = " uint",
		[FLAG_STR] = " string",
		[FLAG_LIST] = " value",
		[FLAG_DURATION] = " duration",
		[FLAG_ENUM] = " value" };

	for (; table->name; table++) {
		printf("  -%s%s\n    \t%s", table->name, types[table->type],
			table->help ? table->help : "");
		print_default(table);
		putchar('\n');
	}
}
