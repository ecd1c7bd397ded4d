/*
 * msg.c - the codec: msg.def expanded over a bounds-checked cursor.
 *
 * One put_ and one get_ function per kind of field; the two switches are made
 * from the table.  A get_ function that meets a count beyond its limit marks
 * the cursor bad, so a message is judged once, at its end.
 */
#include "fs9p/msg.h"

#include <errno.h>
#include <string.h>

#include "core/cursor.h"

static void put_u8(struct cursor *c, const uint8_t *v)
{
	cur_put_u8(c, *v);
}

static void put_u16(struct cursor *c, const uint16_t *v)
{
	cur_put_u16(c, *v);
}

static void put_u32(struct cursor *c, const uint32_t *v)
{
	cur_put_u32(c, *v);
}

static void put_u64(struct cursor *c, const uint64_t *v)
{
	cur_put_u64(c, *v);
}

static void put_str(struct cursor *c, const struct p9_str *v)
{
	cur_put_u16(c, v->n);
	cur_put_bytes(c, v->s, v->n);
}

static void put_data(struct cursor *c, const struct p9_data *v)
{
	cur_put_u32(c, v->n);
	if (v->p && v->p != c->p) {
		cur_put_bytes(c, v->p, v->n);
	} else if (v->p) { /* the caller built it in place */
		if (v->n > cur_left(c))
			c->bad = true;
		else
			c->p += v->n;
	}
}

static void put_qid(struct cursor *c, const struct p9_qid *v)
{
	cur_put_u8(c, v->type);
	cur_put_u32(c, v->version);
	cur_put_u64(c, v->path);
}

static void put_names(struct cursor *c, const struct p9_names *v)
{
	cur_put_u16(c, v->n);
	for (unsigned i = 0; i < v->n; i++)
		put_str(c, &v->v[i]);
}

static void put_qids(struct cursor *c, const struct p9_qids *v)
{
	cur_put_u16(c, v->n);
	for (unsigned i = 0; i < v->n; i++)
		put_qid(c, &v->v[i]);
}

static void put_fids(struct cursor *c, const struct p9_fids *v)
{
	cur_put_u16(c, v->n);
	for (unsigned i = 0; i < v->n; i++)
		cur_put_u32(c, v->v[i]);
}

static void put_attr(struct cursor *c, const struct p9_attr *v)
{
	put_qid(c, &v->qid);
	cur_put_u64(c, v->dev);
	cur_put_u64(c, v->ino);
	cur_put_u32(c, v->mode);
	cur_put_u32(c, v->nlink);
	cur_put_u32(c, v->uid);
	cur_put_u32(c, v->gid);
	cur_put_u64(c, v->rdev);
	cur_put_u64(c, v->size);
	cur_put_u64(c, v->blocks);
	cur_put_u32(c, v->blksize);
	cur_put_u64(c, (uint64_t)v->atime);
	cur_put_u64(c, (uint64_t)v->mtime);
	cur_put_u64(c, (uint64_t)v->ctime);
	cur_put_u64(c, (uint64_t)v->btime);
}

static void put_attrs(struct cursor *c, const struct p9_attrs *v)
{
	cur_put_u16(c, v->n);
	cur_put_bytes(c, v->raw, (size_t)v->n * P9_ATTR_SIZE);
}

static void get_u8(struct cursor *c, uint8_t *v)
{
	*v = cur_u8(c);
}

static void get_u16(struct cursor *c, uint16_t *v)
{
	*v = cur_u16(c);
}

static void get_u32(struct cursor *c, uint32_t *v)
{
	*v = cur_u32(c);
}

static void get_u64(struct cursor *c, uint64_t *v)
{
	*v = cur_u64(c);
}

static void get_str(struct cursor *c, struct p9_str *v)
{
	v->n = cur_u16(c);
	v->s = cur_bytes(c, v->n);
}

static void get_data(struct cursor *c, struct p9_data *v)
{
	v->n = cur_u32(c);
	v->p = cur_bytes(c, v->n);
}

static void get_qid(struct cursor *c, struct p9_qid *v)
{
	v->type = cur_u8(c);
	v->version = cur_u32(c);
	v->path = cur_u64(c);
}

static unsigned get_count(struct cursor *c, unsigned max)
{
	unsigned n = cur_u16(c);

	if (n <= max)
		return n;
	c->bad = true;
	return 0;
}

static void get_names(struct cursor *c, struct p9_names *v)
{
	v->n = (uint16_t)get_count(c, P9_WALK_MAX);
	for (unsigned i = 0; i < v->n; i++)
		get_str(c, &v->v[i]);
}

static void get_qids(struct cursor *c, struct p9_qids *v)
{
	v->n = (uint16_t)get_count(c, P9_WALK_MAX);
	for (unsigned i = 0; i < v->n; i++)
		get_qid(c, &v->v[i]);
}

static void get_fids(struct cursor *c, struct p9_fids *v)
{
	v->n = (uint16_t)get_count(c, P9_CLUNK_MAX);
	for (unsigned i = 0; i < v->n; i++)
		v->v[i] = cur_u32(c);
}

static void get_attr(struct cursor *c, struct p9_attr *v)
{
	get_qid(c, &v->qid);
	v->dev = cur_u64(c);
	v->ino = cur_u64(c);
	v->mode = cur_u32(c);
	v->nlink = cur_u32(c);
	v->uid = cur_u32(c);
	v->gid = cur_u32(c);
	v->rdev = cur_u64(c);
	v->size = cur_u64(c);
	v->blocks = cur_u64(c);
	v->blksize = cur_u32(c);
	v->atime = (int64_t)cur_u64(c);
	v->mtime = (int64_t)cur_u64(c);
	v->ctime = (int64_t)cur_u64(c);
	v->btime = (int64_t)cur_u64(c);
}

static void get_attrs(struct cursor *c, struct p9_attrs *v)
{
	v->n = (uint16_t)get_count(c, P9_WALK_MAX);
	v->raw = cur_bytes(c, (size_t)v->n * P9_ATTR_SIZE);
}

/* Data whose bytes the caller sends itself, of the message that has any. */
static uint32_t data_outside(const struct msg *m)
{
	if (m->type == P9_Twrite && !m->Twrite.data.p)
		return m->Twrite.data.n;
	return 0;
}

ssize_t p9_encode(const struct msg *m, void *buf, size_t cap)
{
	struct cursor c = cursor(buf, cap);
	size_t n;

	cur_put_u32(&c, 0);
	cur_put_u8(&c, m->type);
	cur_put_u16(&c, m->tag);
	switch (m->type) {
#define F(kind, field) put_##kind(&c, &b->field);
#define MSG(nr, name, fields)                                \
	case nr: {                                           \
		const struct p9_##name *b UNUSED = &m->name; \
		fields break;                                \
	}
#include "fs9p/msg.def"
#undef MSG
#undef F
	default:
		return -EOPNOTSUPP;
	}
	if (c.bad)
		return -EMSGSIZE;
	n = (size_t)(c.p - (uint8_t *)buf) + data_outside(m);
	c = cursor(buf, cap);
	cur_put_u32(&c, (uint32_t)n);
	return (ssize_t)n;
}

int p9_decode(struct msg *m, void *buf, size_t n)
{
	struct cursor c = cursor(buf, n);

	if (cur_u32(&c) != n || n < P9_HEADER)
		return -EBADMSG;
	m->type = cur_u8(&c);
	m->tag = cur_u16(&c);
	switch (m->type) {
#define F(kind, field) get_##kind(&c, &b->field);
#define MSG(nr, name, fields)                          \
	case nr: {                                     \
		struct p9_##name *b UNUSED = &m->name; \
		fields break;                          \
	}
#include "fs9p/msg.def"
#undef MSG
#undef F
	default:
		return -EOPNOTSUPP;
	}
	return c.bad || cur_left(&c) ? -EBADMSG : 0;
}

const char *p9_type_name(uint8_t type)
{
	switch (type) {
#define MSG(nr, name, fields) \
	case nr:              \
		return #name;
#include "fs9p/msg.def"
#undef MSG
	}
	return NULL;
}

void p9_attrs_get(const struct p9_attrs *a, unsigned i, struct p9_attr *out)
{
	struct cursor c = cursor(a->raw + i * P9_ATTR_SIZE, P9_ATTR_SIZE);

	get_attr(&c, out);
}

void p9_attr_put(const struct p9_attr *a, uint8_t *raw)
{
	struct cursor c = cursor(raw, P9_ATTR_SIZE);

	put_attr(&c, a);
}

bool p9_dirent_get(struct p9_data *d, bool plus, struct p9_dirent *e)
{
	struct cursor c = cursor(d->p, d->n);

	if (!d->n)
		return false;
	if (plus)
		get_attr(&c, &e->attr);
	else
		get_qid(&c, &e->attr.qid);
	e->next = cur_u64(&c);
	e->type = cur_u8(&c);
	get_str(&c, &e->name);
	if (c.bad)
		return false;
	d->p = c.p;
	d->n = (uint32_t)cur_left(&c);
	return true;
}

size_t p9_dirent_put(
	void *buf, size_t cap, bool plus, const struct p9_dirent *e)
{
	struct cursor c = cursor(buf, cap);

	if (plus)
		put_attr(&c, &e->attr);
	else
		put_qid(&c, &e->attr.qid);
	cur_put_u64(&c, e->next);
	cur_put_u8(&c, e->type);
	put_str(&c, &e->name);
	return c.bad ? 0 : (size_t)(c.p - (uint8_t *)buf);
}
