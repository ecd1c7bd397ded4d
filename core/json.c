/*
 * json.c - RFC 8259 text to a tree and back.
 *
 * A document is an arena: blocks of memory that only grow and go together.
 * The text is copied into it first and strings are unescaped in place, so a
 * parsed string costs no memory of its own.  The parser recurses at most
 * DEPTH_MAX deep; everything it builds is proportional to the text.
 */
#include "core/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/str.h"

#define DEPTH_MAX 64
#define TEXT_MAX  (1u << 30)
#define BLOCK_MIN 4096
#define SCAN_MAX  8 /* objects up to this size: duplicates by comparing all */

struct block {
	struct block *next;
	size_t used, size;
	_Alignas(8) char mem[];
};

struct json_doc {
	struct block *blocks;
	struct json *root;
	struct json *grown,
		*tail; /* last container appended to, its last member */
};

/* --- the arena */

static void *arena_alloc(struct json_doc *d, size_t n)
{
	struct block *b = d->blocks;
	size_t size;
	void *p;

	n = ALIGN_UP(n, (size_t)8);
	if (!b || b->size - b->used < n) {
		size = n > BLOCK_MIN ? n : BLOCK_MIN;
		b = malloc(sizeof *b + size);
		if (!b)
			return NULL;
		*b = (struct block){ d->blocks, 0, size };
		d->blocks = b;
	}
	p = b->mem + b->used;
	b->used += n;
	return p;
}

void json_free(struct json_doc *d)
{
	struct block *b, *next;

	if (!d)
		return;
	for (b = d->blocks; b; b = next) {
		next = b->next;
		free(b);
	}
	free(d);
}

struct json *json_root(struct json_doc *d)
{
	return d->root;
}

/* --- UTF-8 */

static char *utf8_put(char *w, unsigned c)
{
	if (c < 0x80) {
		*w++ = (char)c;
		return w;
	}
	if (c < 0x800) {
		*w++ = (char)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*w++ = (char)(0xe0 | c >> 12);
		} else {
			*w++ = (char)(0xf0 | c >> 18);
			*w++ = (char)(0x80 | (c >> 12 & 63));
		}
		*w++ = (char)(0x80 | (c >> 6 & 63));
	}
	*w++ = (char)(0x80 | (c & 63));
	return w;
}

/* --- the parser.  Functions return false with p->what set. */

struct parser {
	struct json_doc *doc;
	char *start, *p, *end; /* *end is NUL, so looking one ahead is safe */
	char *counted;         /* lines are counted up to here */
	uint32_t line;
	int depth;
	const char *what;
};

static bool fail(struct parser *p, const char *what)
{
	p->what = what;
	return false;
}

static uint32_t parser_line(struct parser *p)
{
	for (; p->counted < p->p; p->counted++)
		p->line += *p->counted == '\n';
	return p->line;
}

static void blank(struct parser *p)
{
	while (*p->p == ' ' || *p->p == '\n' || *p->p == '\t' || *p->p == '\r')
		p->p++;
}

static struct json *parser_node(struct parser *p)
{
	struct json *j = arena_alloc(p->doc, sizeof *j);

	if (j)
		*j = (struct json){ .line = parser_line(p) };
	else
		fail(p, "out of memory");
	return j;
}

static int hex4(const char *s)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		int c = s[i] | 32;

		if (s[i] >= '0' && s[i] <= '9')
			v = v << 4 | (s[i] - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (c - 'a' + 10);
		else
			return -1; /* the NUL at the end stops here, too */
	}
	return v;
}

#define BYTE 0x110000 /* beyond Unicode: one byte that is no UTF-8 */

/*
 * Behind "\u": one code point, of one escape or of a surrogate pair; or BYTE
 * and the byte that json_print_exact() wrote as half a pair.
 */
static int unicode_escape(struct parser *p)
{
	int hi = hex4(p->p), lo;

	if (hi < 0 || (hi >= 0xdc00 && hi < 0xdc80) ||
		(hi > 0xdcff && hi < 0xe000))
		return -1;
	p->p += 4;
	if (hi >= 0xdc80 && hi <= 0xdcff)
		return BYTE | (hi & 0xff);
	if (hi < 0xd800 || hi >= 0xe000)
		return hi;
	if (p->p[0] != '\\' || p->p[1] != 'u')
		return -1;
	lo = hex4(p->p + 2);
	if (lo < 0xdc00 || lo >= 0xe000)
		return -1;
	p->p += 6;
	return 0x10000 + ((hi - 0xd800) << 10) + (lo - 0xdc00);
}

/* At a backslash: appends what it stands for to *@w. */
static bool escape(struct parser *p, char **w)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	int c;

	p->p++;
	if (*p->p == 'u') {
		p->p++;
		c = unicode_escape(p);
		if (c < 0)
			return fail(p, "bad \\u escape");
		if (c >= BYTE)
			*(*w)++ = (char)c;
		else
			*w = utf8_put(*w, (unsigned)c);
		return true;
	}
	at = *p->p ? strchr(from, *p->p) : NULL;
	if (!at)
		return fail(p, "bad escape");
	*(*w)++ = to[at - from];
	p->p++;
	return true;
}

/* At a quote: unescapes in place; what is written never overtakes what is read.
 */
static bool string(struct parser *p, const char **s, uint32_t *len)
{
	char *w = ++p->p;
	int n;

	*s = w;
	while (*p->p != '"') {
		if (p->p == p->end)
			return fail(p, "the string does not end");
		if ((unsigned char)*p->p < 0x20)
			return fail(p, "control character in a string");
		if (*p->p == '\\') {
			if (!escape(p, &w))
				return false;
			continue;
		}
		n = utf8_seq((unsigned char *)p->p, (unsigned char *)p->end);
		if (!n)
			return fail(p, "bad UTF-8");
		while (n--)
			*w++ = *p->p++;
	}
	p->p++;
	*len = (uint32_t)(w - *s);
	*w = 0;
	return true;
}

static char *digits(char *s)
{
	while (*s >= '0' && *s <= '9')
		s++;
	return s;
}

/* The grammar of a number: its end, or NULL; *@integer unless it has a
 * fraction. */
static char *number_end(char *s, bool *integer)
{
	char *first, *end;

	s += *s == '-';
	first = s;
	end = digits(s);
	if (end == first || (*first == '0' && end > first + 1))
		return NULL;
	*integer = true;
	if (*end == '.') {
		*integer = false;
		first = end + 1;
		end = digits(first);
		if (end == first)
			return NULL;
	}
	if (*end == 'e' || *end == 'E') {
		*integer = false;
		first = end + 1;
		first += *first == '+' || *first == '-';
		end = digits(first);
		if (end == first)
			return NULL;
	}
	return end;
}

static bool number(struct parser *p, struct json *j)
{
	bool integer;
	char *end = number_end(p->p, &integer);

	if (!end)
		return fail(p, "bad number");
	errno = 0;
	if (!integer) {
		j->type = JSON_DOUBLE;
		j->v.d = strtod(p->p, NULL);
		if (isinf(j->v.d))
			return fail(p, "number out of range");
	} else if (*p->p == '-') {
		j->type = JSON_INT;
		j->v.i = strtoll(p->p, NULL, 10);
	} else {
		j->v.u = strtoull(p->p, NULL, 10);
		j->type = j->v.u > INT64_MAX ? JSON_UINT : JSON_INT;
	}
	if (integer && errno)
		return fail(p, "integer out of range");
	p->p = end;
	return true;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool many_unique(struct parser *p, const struct json *obj)
{
	const char **keys = malloc(obj->n * sizeof *keys);
	const struct json *m;
	bool unique = true;
	size_t n = 0;

	if (!keys)
		return fail(p, "out of memory");
	json_for_each(m, obj) keys[n++] = m->key;
	qsort(keys, n, sizeof *keys, by_key);
	for (size_t i = 1; i < n && unique; i++)
		unique = strcmp(keys[i - 1], keys[i]) != 0;
	free(keys);
	return unique || fail(p, "duplicate key");
}

static bool keys_unique(struct parser *p, const struct json *obj)
{
	const struct json *m, *o;

	if (obj->n > SCAN_MAX)
		return many_unique(p, obj);
	json_for_each(
		m, obj) for (o = m->next; o;
			     o = o->next) if (!strcmp(o->key,
						      m->key)) return fail(p,
		"duplicate key");
	return true;
}

static bool member_key(struct parser *p, const char **key)
{
	uint32_t len;

	if (*p->p != '"')
		return fail(p, "a key is expected");
	if (!string(p, key, &len))
		return false;
	if (strlen(*key) != len)
		return fail(p, "NUL in a key");
	blank(p);
	if (*p->p != ':')
		return fail(p, "':' expected");
	p->p++;
	return true;
}

static bool value(struct parser *p, struct json **out);

static bool members(struct parser *p, struct json *j, char close)
{
	struct json **tail = &j->v.child;
	const char *key = NULL;

	p->p++;
	blank(p);
	if (*p->p == close) {
		p->p++;
		return true;
	}
	for (;;) {
		blank(p);
		if (close == '}' && !member_key(p, &key))
			return false;
		if (!value(p, tail))
			return false;
		(*tail)->key = key;
		tail = &(*tail)->next;
		j->n++;
		blank(p);
		if (*p->p == close)
			break;
		if (*p->p != ',')
			return fail(p, close == '}' ? "',' or '}' expected"
						    : "',' or ']' expected");
		p->p++;
	}
	p->p++;
	return close == ']' || keys_unique(p, j);
}

static bool container(struct parser *p, struct json *j)
{
	bool object = *p->p == '{', ok;

	if (p->depth == DEPTH_MAX)
		return fail(p, "nested too deeply");
	j->type = object ? JSON_OBJECT : JSON_ARRAY;
	p->depth++;
	ok = members(p, j, object ? '}' : ']');
	p->depth--;
	return ok;
}

static bool word(struct parser *p, struct json *j)
{
	static const struct {
		const char *text;
		enum json_type type;
	} words[] = { { "true", JSON_TRUE }, { "false", JSON_FALSE },
		{ "null", JSON_NULL } };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (str_prefix(p->p, words[i].text)) {
			j->type = words[i].type;
			p->p += strlen(words[i].text);
			return true;
		}
	return fail(p, p->p == p->end ? "the text ends too early"
				      : "a value is expected");
}

static bool value(struct parser *p, struct json **out)
{
	struct json *j;

	blank(p);
	j = parser_node(p);
	if (!j)
		return false;
	*out = j;
	switch (*p->p) {
	case '{':
	case '[':
		return container(p, j);
	case '"':
		j->type = JSON_STRING;
		return string(p, &j->v.s, &j->n);
	case '-':
	case '0' ... '9':
		return number(p, j);
	}
	return word(p, j);
}

static bool document(struct parser *p)
{
	if (!value(p, &p->doc->root))
		return false;
	blank(p);
	return p->p == p->end || fail(p, "something follows the end");
}

static int parse_error(struct parser *p, struct err *e)
{
	const char *bol = p->p;

	while (bol > p->start && bol[-1] != '\n')
		bol--;
	return err_set(e, EINVAL, "line %u, column %ld: %s", parser_line(p),
		(long)(p->p - bol) + 1, p->what);
}

struct json_doc *json_parse(const char *text, size_t n, struct err *e)
{
	struct parser p = { .line = 1 };

	if (n > TEXT_MAX) {
		err_set(e, EFBIG, "%zu bytes of JSON are too much", n);
		return NULL;
	}
	p.doc = calloc(1, sizeof *p.doc);
	p.start = p.doc ? arena_alloc(p.doc, n + 1) : NULL;
	if (!p.start) {
		err_set(e, ENOMEM, "out of memory");
		json_free(p.doc);
		return NULL;
	}
	if (n)
		memcpy(p.start, text, n);
	p.start[n] = 0;
	p.p = p.counted = p.start;
	p.end = p.start + n;
	if (document(&p))
		return p.doc;
	parse_error(&p, e);
	json_free(p.doc);
	return NULL;
}

/* --- looking */

const struct json *json_first(const struct json *j)
{
	if (!j || (j->type != JSON_ARRAY && j->type != JSON_OBJECT))
		return NULL;
	return j->v.child;
}

static const struct json *find(
	const struct json *obj, const char *key, size_t len)
{
	const struct json *m;

	if (!obj || obj->type != JSON_OBJECT)
		return NULL;
	json_for_each(m,
		obj) if (!strncmp(m->key, key, len) && !m->key[len]) return m;
	return NULL;
}

const struct json *json_get(const struct json *obj, const char *key)
{
	return find(obj, key, strlen(key));
}

const struct json *json_path(const struct json *j, const char *path)
{
	size_t len;

	for (; j && *path; path += len + (path[len] == '.')) {
		len = strcspn(path, ".");
		j = find(j, path, len);
	}
	return j;
}

const char *json_str(const struct json *j, const char *dflt)
{
	return j && j->type == JSON_STRING ? j->v.s : dflt;
}

int64_t json_int(const struct json *j, int64_t dflt)
{
	return j && j->type == JSON_INT ? j->v.i : dflt;
}

uint64_t json_uint(const struct json *j, uint64_t dflt)
{
	if (j && j->type == JSON_UINT)
		return j->v.u;
	return j && j->type == JSON_INT && j->v.i >= 0 ? (uint64_t)j->v.i
						       : dflt;
}

bool json_bool(const struct json *j, bool dflt)
{
	if (j && (j->type == JSON_TRUE || j->type == JSON_FALSE))
		return j->type == JSON_TRUE;
	return dflt;
}

/* --- building */

static void *doc_alloc(struct json_doc *d, size_t n)
{
	void *p = arena_alloc(d, n);

	if (!p)
		free(xzalloc(SIZE_MAX / 2)); /* ends the process, saying why */
	return p;
}

static const char *doc_strdup(struct json_doc *d, const char *s, size_t n)
{
	char *p = doc_alloc(d, n + 1);

	memcpy(p, s, n);
	p[n] = 0;
	return p;
}

struct json_doc *json_new(enum json_type root)
{
	struct json_doc *d = xzalloc(sizeof *d);

	d->root = doc_alloc(d, sizeof *d->root);
	*d->root = (struct json){ .type = root };
	return d;
}

void json_remove(struct json *parent, const char *key)
{
	struct json **link;

	if (!json_first(parent))
		return;
	for (link = &parent->v.child; *link; link = &(*link)->next)
		if ((*link)->key && !strcmp((*link)->key, key)) {
			*link = (*link)->next;
			parent->n--;
			return;
		}
}

static void append(struct json_doc *d, struct json *parent, struct json *j)
{
	struct json **link = &parent->v.child;

	/* Long arrays are built by appending: remember where their end is. */
	if (parent->type == JSON_ARRAY && d->grown == parent)
		link = &d->tail->next;
	while (*link)
		link = &(*link)->next;
	*link = j;
	parent->n++;
	if (parent->type == JSON_ARRAY) {
		d->grown = parent;
		d->tail = j;
	}
}

struct json *json_add(struct json_doc *d, struct json *parent, const char *key,
	enum json_type t)
{
	struct json *j = doc_alloc(d, sizeof *j);

	*j = (struct json){ .type = t };
	if (key && parent->type == JSON_OBJECT) {
		json_remove(parent, key);
		j->key = doc_strdup(d, key, strlen(key));
	}
	append(d, parent, j);
	return j;
}

static void set_str(struct json_doc *d, struct json *j, const char *s, size_t n)
{
	j->v.s = doc_strdup(d, s, n);
	j->n = (uint32_t)n;
}

void json_add_str(
	struct json_doc *d, struct json *parent, const char *key, const char *s)
{
	set_str(d, json_add(d, parent, key, JSON_STRING), s, strlen(s));
}

void json_add_int(
	struct json_doc *d, struct json *parent, const char *key, int64_t v)
{
	json_add(d, parent, key, JSON_INT)->v.i = v;
}

void json_add_uint(
	struct json_doc *d, struct json *parent, const char *key, uint64_t v)
{
	struct json *j =
		json_add(d, parent, key, v > INT64_MAX ? JSON_UINT : JSON_INT);

	j->v.u = v;
}

void json_add_bool(
	struct json_doc *d, struct json *parent, const char *key, bool v)
{
	json_add(d, parent, key, v ? JSON_TRUE : JSON_FALSE);
}

void json_add_copy(struct json_doc *d, struct json *parent, const char *key,
	const struct json *src)
{
	struct json *j = json_add(d, parent, key, src->type);
	const struct json *m;

	if (src->type == JSON_STRING)
		set_str(d, j, src->v.s, src->n);
	else if (src->type == JSON_ARRAY || src->type == JSON_OBJECT)
		json_for_each(m, src) json_add_copy(d, j, m->key, m);
	else
		j->v = src->v;
}

/* --- printing */

struct printer {
	char *p;
	size_t len, cap;
	int indent, level;
	bool sort, exact;
};

static void put(struct printer *o, const char *s, size_t n)
{
	if (o->cap - o->len <= n) {
		size_t cap = (o->cap + n + 64) * 2;
		char *p = realloc(o->p, cap);

		if (!p)
			free(xzalloc(SIZE_MAX / 2)); /* ends the process */
		o->p = p;
		o->cap = cap;
	}
	memcpy(o->p + o->len, s, n);
	o->len += n;
	o->p[o->len] = 0;
}

static void put_str(struct printer *o, const char *s)
{
	put(o, s, strlen(s));
}

static void put_newline(struct printer *o)
{
	if (!o->indent)
		return;
	put(o, "\n", 1);
	for (int i = 0; i < o->indent * o->level; i++)
		put(o, " ", 1);
}

static void put_char(struct printer *o, unsigned char c)
{
	static const char special[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
	const char *at = c ? strchr(special, c) : NULL;
	char esc[8];

	if (at) {
		esc[0] = '\\';
		esc[1] = names[at - special];
		put(o, esc, 2);
	} else {
		put(o, esc, (size_t)snprintf(esc, sizeof esc, "\\u%04x", c));
	}
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c != '"' && c != '\\' && c != 0x7f;
}

static void put_quoted(struct printer *o, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text, *end = s + len;
	int n;

	put(o, "\"", 1);
	for (; s < end; s += n) {
		n = utf8_seq(s, end);
		if (n == 0 && o->exact) {
			char esc[8];
			put(o, esc,
				(size_t)snprintf(
					esc, sizeof esc, "\\udc%02x", *s));
			n = 1;
		} else if (n == 0) {
			put_str(o,
				"\xef\xbf\xbd"); /* U+FFFD, as Go prints it */
			n = 1;
		} else if (is_plain(*s)) {
			put(o, (const char *)s, (size_t)n);
		} else {
			put_char(o, *s);
		}
	}
	put(o, "\"", 1);
}

static int by_member_key(const void *a, const void *b)
{
	return strcmp((*(const struct json *const *)a)->key,
		(*(const struct json *const *)b)->key);
}

static void put_value(struct printer *o, const struct json *j);

static void put_member(struct printer *o, const struct json *m, bool first)
{
	if (!first)
		put(o, ",", 1);
	put_newline(o);
	if (m->key) {
		put_quoted(o, m->key, strlen(m->key));
		put_str(o, o->indent ? ": " : ":");
	}
	put_value(o, m);
}

static void put_sorted(struct printer *o, const struct json *j)
{
	const struct json **list = xzalloc(j->n * sizeof *list), *m;
	size_t n = 0;

	json_for_each(m, j) list[n++] = m;
	qsort(list, n, sizeof *list, by_member_key);
	for (size_t i = 0; i < n; i++)
		put_member(o, list[i], i == 0);
	free(list);
}

static void put_container(struct printer *o, const struct json *j)
{
	bool object = j->type == JSON_OBJECT;
	const struct json *m;

	put(o, object ? "{" : "[", 1);
	o->level++;
	if (object && o->sort)
		put_sorted(o, j);
	else
		json_for_each(m, j) put_member(o, m, m == json_first(j));
	o->level--;
	if (json_first(j))
		put_newline(o);
	put(o, object ? "}" : "]", 1);
}

static void put_number(struct printer *o, const struct json *j)
{
	char b[40];
	int n;

	if (j->type == JSON_INT)
		n = snprintf(b, sizeof b, "%lld", (long long)j->v.i);
	else if (j->type == JSON_UINT)
		n = snprintf(b, sizeof b, "%llu", (unsigned long long)j->v.u);
	else
		n = snprintf(b, sizeof b, "%.17g", j->v.d);
	put(o, b, (size_t)n);
	/* A double without a fraction must not come back as an integer. */
	if (j->type == JSON_DOUBLE && !strpbrk(b, ".e"))
		put_str(o, ".0");
}

static void put_value(struct printer *o, const struct json *j)
{
	switch (j->type) {
	case JSON_NULL:
		put_str(o, "null");
		break;
	case JSON_FALSE:
		put_str(o, "false");
		break;
	case JSON_TRUE:
		put_str(o, "true");
		break;
	case JSON_STRING:
		put_quoted(o, j->v.s, j->n);
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		put_container(o, j);
		break;
	default:
		put_number(o, j);
	}
}

char *json_print(const struct json *j, int indent, bool sort_keys)
{
	struct printer o = { .indent = indent, .sort = sort_keys };

	put(&o, "", 0);
	put_value(&o, j);
	return o.p;
}

char *json_print_exact(const struct json *j)
{
	struct printer o = { .exact = true };

	put(&o, "", 0);
	put_value(&o, j);
	return o.p;
}
