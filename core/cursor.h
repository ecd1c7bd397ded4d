/*
 * cursor.h - bounds-checked reading and writing of packed bytes.
 *
 * A short buffer sets c->bad and every later call returns zeros: parse the
 * whole message, then test c->bad once.  Integers are little-endian.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor {
	uint8_t *p, *end;
	bool bad;
};

static inline struct cursor cursor(void *buf, size_t n)
{
	return (struct cursor){ buf, (uint8_t *)buf + n, false };
}
static inline size_t cur_left(const struct cursor *c) { return (size_t)(c->end - c->p); }

uint8_t cur_u8(struct cursor *c);
uint16_t cur_u16(struct cursor *c);
uint32_t cur_u32(struct cursor *c);
uint64_t cur_u64(struct cursor *c);
/* Borrows @n bytes of the buffer; NULL (and bad) when there are fewer. */
void *cur_bytes(struct cursor *c, size_t n);
void cur_put_u8(struct cursor *c, uint8_t v);
void cur_put_u16(struct cursor *c, uint16_t v);
void cur_put_u32(struct cursor *c, uint32_t v);
void cur_put_u64(struct cursor *c, uint64_t v);
void cur_put_bytes(struct cursor *c, const void *p, size_t n);
