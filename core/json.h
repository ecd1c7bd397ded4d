/*
 * json.h - RFC 8259 text to a tree and back.
 *
 * The parser is strict (UTF-8, no duplicate keys, no trailing bytes, depth at
 * most 64), keeps 64-bit integers exact and names line and column of an error.
 * "\udc80" to "\udcff" outside of a pair are the bytes 80 to ff, which are no
 * UTF-8 by themselves: names and arguments of Unix need not be any.
 * A tree lives in an arena: json_free() releases all of it.  Accessors take
 * NULL and the wrong type, and return the default: look-ups need no tests.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_INT, JSON_UINT, JSON_DOUBLE,
	JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_type type;
	uint32_t n;			/* members, or bytes of a string */
	uint32_t line;			/* where it began, from 1 */
	const char *key;		/* in an object, else NULL */
	struct json *next;		/* sibling */
	union {
		int64_t i;
		uint64_t u;
		double d;
		const char *s;		/* NUL-terminated; may hold NULs */
		struct json *child;
	} v;
};

/* A parsed or built document: free with json_free() (NULL is fine). */
struct json_doc;
/* NULL and @e ("line 3: ',' expected") on error.  The text is copied. */
struct json_doc *json_parse(const char *text, size_t n, struct err *e);
struct json_doc *json_new(enum json_type root);	/* JSON_OBJECT or JSON_ARRAY */
struct json *json_root(struct json_doc *d);
void json_free(struct json_doc *d);

/* Borrow from the document. */
const struct json *json_get(const struct json *obj, const char *key);
/* A dotted path: json_path(root, "linux.resources.memory"). */
const struct json *json_path(const struct json *obj, const char *path);
const char *json_str(const struct json *j, const char *dflt);
int64_t json_int(const struct json *j, int64_t dflt);
uint64_t json_uint(const struct json *j, uint64_t dflt);
bool json_bool(const struct json *j, bool dflt);
#define json_for_each(p, j) \
	for (p = json_first(j); p; p = p->next)
const struct json *json_first(const struct json *container);	/* NULL for a scalar */

/* Building: @key is NULL in an array.  Strings are copied.  Replaces an equal key. */
struct json *json_add(struct json_doc *d, struct json *parent, const char *key, enum json_type t);
void json_add_str(struct json_doc *d, struct json *parent, const char *key, const char *s);
void json_add_int(struct json_doc *d, struct json *parent, const char *key, int64_t v);
void json_add_uint(struct json_doc *d, struct json *parent, const char *key, uint64_t v);
void json_add_bool(struct json_doc *d, struct json *parent, const char *key, bool v);
/* Deep copy of @src under @parent. */
void json_add_copy(struct json_doc *d, struct json *parent, const char *key, const struct json *src);
void json_remove(struct json *parent, const char *key);

/* Text of @j; indent 0: one line.  Returns malloc'ed, NUL-terminated text. */
char *json_print(const struct json *j, int indent, bool sort_keys);
/* One line, for ourselves: bytes that are no UTF-8 come back as they were.  json_print() replaces them. */
char *json_print_exact(const struct json *j);
