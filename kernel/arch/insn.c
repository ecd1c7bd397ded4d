/*
 * insn.c - does an instruction write to memory?
 *
 * ptrace tells where a fault was, not of what kind.  Where a page is there, its
 * protection tells; where nothing is mapped, only the instruction does, and the
 * handler of the signal may want to know: bit 1 of the error code in its frame.
 * The answer is used for nothing else, so the rare instruction that is not
 * known here, and counts as a read, does no harm.
 *
 * Of an instruction with two memory operands (string moves, push and call from
 * memory) the one that is written is told by its address.
 */
#include "kernel/arch/arch.h"

#include <stddef.h>

#define PREFIX_66 1
#define PREFIX_F3 2
#define PREFIX_F2 4

struct insn {
	const uint8_t *p;
	size_t n, at; /* bytes; next one */
	unsigned prefixes;
};

/* The next byte; beyond the end one that means nothing here. */
static uint8_t next(struct insn *i)
{
	return i->at < i->n ? i->p[i->at++] : 0x90;
}

static bool in(uint8_t op, const uint8_t *set, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (set[i] == op)
			return true;
	return false;
}

#define IN(op, ...)                              \
	in(op, (const uint8_t[]){ __VA_ARGS__ }, \
		sizeof(const uint8_t[]){ __VA_ARGS__ })

static unsigned reg_field(uint8_t modrm)
{
	return modrm >> 3 & 7;
}

static bool is_prefix(struct insn *i, uint8_t b)
{
	i->prefixes |= b == 0x66   ? PREFIX_66
		       : b == 0xf3 ? PREFIX_F3
		       : b == 0xf2 ? PREFIX_F2
				   : 0;
	return (b & 0xf0) == 0x40 || /* REX */
	       IN(b, 0x66, 0xf2, 0xf3, 0xf0, 0x26, 0x2e, 0x36, 0x3e, 0x64,
		       0x65);
}

/* Map 0f, plain or behind a VEX prefix. */
static bool writes_0f(struct insn *i, uint8_t op)
{
	unsigned reg;

	if (op == 0x7e) /* movd, movq: with f3 it loads */
		return !(i->prefixes & PREFIX_F3);
	if ((op & 0xf0) == 0x90) /* setcc */
		return true;
	if (IN(op, 0x11, 0x13, 0x17, 0x29, 0x2b, 0x7f, 0xa4, 0xa5, 0xab, 0xac,
		    0xad, 0xb0, 0xb1, 0xb3, 0xbb, 0xc0, 0xc1, 0xc3, 0xd6, 0xe7))
		return true;
	if (!IN(op, 0xba, 0xc7, 0xae))
		return false;
	reg = reg_field(next(i));
	return op == 0xba   ? reg >= 5             /* bts, btr, btc */
	       : op == 0xc7 ? reg == 1 || reg == 4 /* cmpxchg16b, xsavec */
			    : reg == 0 || reg == 3 || reg == 4 || reg == 6;
}

static bool writes_0f38(struct insn *i, uint8_t op)
{
	if (op == 0xf1) /* movbe; with f2 it is crc32 */
		return !(i->prefixes & PREFIX_F2);
	return IN(op, 0xf8, 0xf9, 0x2e, 0x2f, 0x8e, 0x8a, 0x8b, 0xa0, 0xa1,
		0xa2, 0xa3);
}

static bool writes_0f3a(uint8_t op)
{
	return IN(op, 0x14, 0x15, 0x16, 0x17, 0x19, 0x1b, 0x1d, 0x39, 0x3b);
}

static bool writes_map(struct insn *i, unsigned map)
{
	uint8_t op = next(i);

	return map == 1   ? writes_0f(i, op)
	       : map == 2 ? writes_0f38(i, op)
	       : map == 3 ? writes_0f3a(op)
			  : false;
}

/* VEX (c5, c4) and EVEX (62): pp, the two lowest bits, stands for a prefix. */
static bool writes_vex(struct insn *i, uint8_t kind)
{
	static const uint8_t prefix[4] = { 0, PREFIX_66, PREFIX_F3, PREFIX_F2 };
	unsigned map = kind == 0xc5 ? 1 : next(i) & (kind == 0xc4 ? 31 : 7);

	i->prefixes = prefix[next(i) & 3];
	if (kind == 0x62)
		(void)next(i);
	return writes_map(i, map);
}

static bool writes_x87(struct insn *i, uint8_t op)
{
	unsigned stores = op == 0xd9   ? 0xcc /* fst, fstp, fnstenv, fnstcw */
			  : op == 0xdb ? 0x8e /* fisttp, fist, fistp, fstp */
			  : op == 0xdd ? 0xce /* those, fnsave, fnstsw */
			  : op == 0xdf ? 0xce
				       : 0;

	return stores >> reg_field(next(i)) & 1;
}

/* An operand that the opcode's register field selects. */
static bool writes_group(uint8_t op, unsigned reg)
{
	switch (op) {
	case 0x80:
	case 0x81:
	case 0x83:
		return reg != 7; /* cmp */
	case 0xf6:
	case 0xf7:
		return reg == 2 || reg == 3; /* not, neg */
	default:                             /* fe, ff: inc, dec */
		return reg < 2;
	}
}

static bool writes_one(struct insn *i, uint8_t op)
{
	if (op < 0x40) /* add, or, adc, sbb, and, sub, xor to memory; not cmp */
		return (op & 7) < 2 && op < 0x38;
	if (op >= 0xd8 && op <= 0xdf)
		return writes_x87(i, op);
	if (IN(op, 0x80, 0x81, 0x83, 0xf6, 0xf7, 0xfe, 0xff))
		return writes_group(op, reg_field(next(i)));
	return IN(op, 0x86, 0x87, 0x88, 0x89, 0x8c, 0x8f, 0xa2, 0xa3, 0xaa,
		0xab, 0xc0, 0xc1, 0xc6, 0xc7, 0xd0, 0xd1, 0xd2, 0xd3);
}

static bool writes_stack(uint8_t op, uint8_t modrm)
{
	if (op == 0xff) /* call, call far, push */
		return IN(reg_field(modrm), 2, 3, 6);
	return (op & 0xf8) == 0x50 || IN(op, 0x68, 0x6a, 0x9c, 0xc8, 0xe8);
}

bool arch_insn_writes(
	const uint8_t *code, size_t n, const struct regs *r, uint64_t addr)
{
	struct insn i = { .p = code, .n = n };
	uint8_t op = next(&i);

	while (i.at < n && is_prefix(&i, op))
		op = next(&i);
	if (addr < r->rsp && r->rsp - addr <= sizeof(uint64_t) &&
		writes_stack(op, i.at < n ? code[i.at] : 0))
		return true;
	if (op == 0xa4 || op == 0xa5) /* movs */
		return addr >= r->rdi && addr - r->rdi < sizeof(uint64_t);
	if (op == 0xc5 || op == 0xc4 || op == 0x62)
		return writes_vex(&i, op);
	if (op != 0x0f)
		return writes_one(&i, op);
	op = next(&i);
	if (op == 0x38)
		return writes_map(&i, 2);
	if (op == 0x3a)
		return writes_map(&i, 3);
	return writes_0f(&i, op);
}
