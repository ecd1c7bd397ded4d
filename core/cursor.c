/* cursor.c - bounds-checked reading and writing of packed bytes. */
#include "core/cursor.h"

#include <string.h>

void *cur_bytes(struct cursor *c, size_t n)
{
	uint8_t *p = c->p;

	if (c->bad || n > cur_left(c)) {
		c->bad = true;
		return NULL;
	}
	c->p += n;
	return p;
}

static uint64_t cur_get(struct cursor *c, size_t n)
{
	const uint8_t *p = cur_bytes(c, n);
	uint64_t v = 0;

	if (p)
		memcpy(&v, p,
			n); /* little-endian, like the only machine so far */
	return v;
}

uint8_t cur_u8(struct cursor *c)
{
	return (uint8_t)cur_get(c, 1);
}

uint16_t cur_u16(struct cursor *c)
{
	return (uint16_t)cur_get(c, 2);
}

uint32_t cur_u32(struct cursor *c)
{
	return (uint32_t)cur_get(c, 4);
}

uint64_t cur_u64(struct cursor *c)
{
	return cur_get(c, 8);
}

void cur_put_bytes(struct cursor *c, const void *p, size_t n)
{
	void *to = cur_bytes(c, n);

	if (to && n)
		memcpy(to, p, n);
}

void cur_put_u8(struct cursor *c, uint8_t v)
{
	cur_put_bytes(c, &v, sizeof v);
}

void cur_put_u16(struct cursor *c, uint16_t v)
{
	cur_put_bytes(c, &v, sizeof v);
}

void cur_put_u32(struct cursor *c, uint32_t v)
{
	cur_put_bytes(c, &v, sizeof v);
}

void cur_put_u64(struct cursor *c, uint64_t v)
{
	cur_put_bytes(c, &v, sizeof v);
}
