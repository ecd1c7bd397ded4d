/* uio.c - core/uio and core/cursor: copies that stop where memory stops. */
#include "core/uio.h"

#include <errno.h>
#include <string.h>

#include "core/cursor.h"
#include "selftest/unit/unit.h"

/* A guest of 64 bytes, of which those from "hole" on are not present. */
struct space {
	char mem[64];
	uint64_t hole, limit; /* present; accessible once faulted in */
	int pinned;
};
static struct space *pinned_space;

static size_t present(const struct space *s, uint64_t addr, size_t n)
{
	return addr >= s->hole ? 0 : n < s->hole - addr ? n : s->hole - addr;
}

static size_t space_to(void *space, uint64_t dst, const void *src, size_t n)
{
	struct space *s = space;

	n = present(s, dst, n);
	memcpy(s->mem + dst, src, n);
	return n;
}

static size_t space_from(void *space, void *dst, uint64_t src, size_t n)
{
	struct space *s = space;

	n = present(s, src, n);
	memcpy(dst, s->mem + src, n);
	return n;
}

static int space_fault(void *space, uint64_t addr, size_t n, bool write)
{
	struct space *s = space;

	(void)write;
	if (addr >= s->limit)
		return -EFAULT;
	if (addr + n > s->hole)
		s->hole = addr + n < s->limit ? addr + n : s->limit;
	return 0;
}

static size_t space_pin(void *space, uint64_t addr, size_t n, bool write,
	void **host, uint64_t *cookie)
{
	struct space *s = space;

	(void)write;
	n = present(s, addr, n < 8 ? n : 8); /* "pages" of 8 bytes */
	*host = s->mem + addr;
	*cookie = addr;
	s->pinned += n > 0;
	pinned_space = s;
	return n;
}

static void space_unpin(uint64_t cookie)
{
	(void)cookie;
	pinned_space->pinned--;
}

static const struct uio_ops ops = { space_to, space_from, space_fault,
	space_pin, space_unpin };

TEST(uio, kernel_buffer_both_ways)
{
	char b[8] = "abcdefg", got[8];
	struct uio_seg seg;
	struct uio u;

	uio_kernel(&u, &seg, b, 8, false);
	CHECK(uio_fault_in(&u) == 0);
	CHECK(uio_get(&u, got, 3) == 3 && uio_get(&u, got + 3, 99) == 5);
	CHECK(!memcmp(got, b, 8) && uio_left(&u) == 0);
	CHECK(uio_get(&u, got, 1) == 0);
	uio_kernel(&u, &seg, b, 8, true);
	CHECK(uio_put(&u, "12", 2) == 2 && uio_put_zero(&u, 100) == 6);
	CHECK(!memcmp(b, "12\0\0\0\0\0\0", 8));
}

TEST(uio, steps_over_empty_segments)
{
	char a[2], b[3];
	struct uio_seg seg[] = { { 0, 0 }, { (uintptr_t)a, 2 }, { 0, 0 },
		{ (uintptr_t)b, 3 }, { 0, 0 } };
	struct uio u;

	uio_init(&u, NULL, NULL, seg, 5, true);
	CHECK(uio_left(&u) == 5);
	CHECK(uio_put(&u, "12345", 5) == 5);
	CHECK(!memcmp(a, "12", 2) && !memcmp(b, "345", 3));
}

TEST(uio, stops_at_a_hole_and_goes_on_after_a_fault)
{
	struct space s = { .hole = 5, .limit = 40 };
	struct uio_seg seg[] = { { 2, 10 }, { 30, 20 } };
	char p[30];
	struct uio u;

	memset(p, 'x', sizeof p);
	uio_init(&u, &ops, &s, seg, 2, true);
	CHECK(uio_put(&u, p, 30) == 3);
	CHECK(uio_left(&u) == 27);
	CHECK(uio_fault_in(&u) == 0);
	CHECK(uio_put(&u, p, 27) == 7 + 10);
	CHECK(uio_fault_in(&u) == -EFAULT);
	CHECK(uio_left(&u) == 10);
}

TEST(uio, skip_and_limit)
{
	struct space s = { .hole = 64, .limit = 64 };
	struct uio_seg seg[] = { { 0, 4 }, { 10, 4 }, { 20, 4 } };
	char p[8];
	struct uio u;

	for (int i = 0; i < 64; i++)
		s.mem[i] = (char)i;
	uio_init(&u, &ops, &s, seg, 3, false);
	uio_skip(&u, 6);
	uio_limit(&u, 3);
	uio_limit(&u, 100);
	CHECK(uio_left(&u) == 3);
	CHECK(uio_get(&u, p, 8) == 3);
	CHECK(p[0] == 12 && p[1] == 13 && p[2] == 20);
}

TEST(uio, pin_collects_host_ranges)
{
	struct space s = { .hole = 24, .limit = 64 };
	struct uio_seg seg[] = { { 0, 10 }, { 16, 20 } };
	struct uio_pins p;
	struct uio u;

	uio_init(&u, &ops, &s, seg, 2, true);
	CHECK(uio_pin(&u, 100, &p) == 3); /* 8 + 2, 8, then the hole */
	CHECK(p.total == 18 && s.pinned == 3);
	CHECK(p.iov[2].iov_base == s.mem + 16);
	CHECK(uio_left(&u) == 30);
	uio_unpin(&p);
	CHECK(s.pinned == 0);
	CHECK(uio_pin(&u, 9, &p) == 2 && p.total == 9);
	uio_unpin(&p);
}

TEST(cursor, reads_what_was_written)
{
	char buf[32];
	struct cursor c = cursor(buf, sizeof buf);

	cur_put_u8(&c, 1);
	cur_put_u16(&c, 0x0203);
	cur_put_u32(&c, 0x04050607);
	cur_put_u64(&c, 0x08090a0b0c0d0e0full);
	cur_put_bytes(&c, "xy", 2);
	CHECK(!c.bad && cur_left(&c) == 15);
	CHECK(buf[1] == 3 && buf[2] == 2);
	c = cursor(buf, 17);
	CHECK(cur_u8(&c) == 1 && cur_u16(&c) == 0x0203);
	CHECK(cur_u32(&c) == 0x04050607);
	CHECK(cur_u64(&c) == 0x08090a0b0c0d0e0full);
	CHECK(!memcmp(cur_bytes(&c, 2), "xy", 2));
	CHECK(!c.bad && cur_left(&c) == 0);
}

TEST(cursor, the_first_short_read_spoils_all_later_ones)
{
	char buf[3] = { 1, 2, 3 };
	struct cursor c = cursor(buf, sizeof buf);

	CHECK(cur_u32(&c) == 0 && c.bad);
	CHECK(cur_u8(&c) == 0);
	CHECK(cur_bytes(&c, 0) == NULL);
	c = cursor(buf, sizeof buf);
	CHECK(cur_bytes(&c, (size_t)-1) == NULL && c.bad);
}
