/*
 * flag.h - command-line flags as Go's flag package reads them.
 *
 * -x v, --x v, -x=v, --x=v; a bool takes --x or --x=true|false only; parsing
 * stops at the first word that is not a flag, or after "--".  A table of
 * struct flag ends with a NULL name; values are written to *target.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

enum flag_type {
	FLAG_BOOL,			/* bool * */
	FLAG_INT,			/* int * */
	FLAG_I64,			/* int64_t * */
	FLAG_U64,			/* uint64_t * */
	FLAG_STR,			/* const char **: borrowed from argv */
	FLAG_LIST,			/* struct flag_list *: may be repeated */
	FLAG_DURATION,			/* int64_t * nanoseconds: "1m30s", "100ms" */
	FLAG_ENUM,			/* int *: index into ->values ("a|b|c") */
};

struct flag_list {
	const char **v;			/* malloc'ed array of borrowed strings */
	size_t n;
};

struct flag {
	const char *name;
	enum flag_type type;
	void *target;
	const char *values;		/* FLAG_ENUM: "a|b|c" */
	const char *help;
};

/*
 * Returns the index of the first argument that is no flag, or -EINVAL with a
 * sentence in @e.  @argv[0] is skipped.
 */
int flags_parse(const struct flag *table, int argc, char **argv, struct err *e) MUST_CHECK;
/* Sets one flag by name, as from an annotation. 0, -ENOENT or -EINVAL. */
int flag_set(const struct flag *table, const char *name, const char *value, struct err *e) MUST_CHECK;
const struct flag *flag_find(const struct flag *table, const char *name);
void flags_print(const struct flag *table);	/* to stdout, for help */
