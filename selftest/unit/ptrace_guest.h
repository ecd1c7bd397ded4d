/*
 * ptrace_guest.h - the smallest kernel that can run a few instructions.
 *
 * For the unit tests and the benchmark of the ptrace platform: frames from a
 * pointer that only grows, guest programs as bytes of the test's own text, one
 * context at a time per struct guest.  All of it is here, so that a test is one file.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "platform/ptrace/ptrace.h"
#include "selftest/unit/unit.h"

#define CODE_VA	 0x400000ULL
#define DATA_VA	 0x10000000ULL
#define STACK_VA 0x7f0000000000ULL /* lowest byte of the stack page */

struct guest {
	struct aspace *as;
	struct pctx *c;
	struct regs r;
	struct pevent ev;
	enum regs_dirty dirty;
};

/* Defines guest code @name in assembly; @name##_end follows it. */
#define GUEST(name, text)						\
	extern const char name[], name##_end[];				\
	__asm__(".pushsection .rodata\n" #name ":\n" text "\n" #name "_end:\n.popsection")

static atomic_ullong next_frame = PAGE_SIZE;

static UNUSED paddr_t guest_frame(void)
{
	paddr_t pa = atomic_fetch_add(&next_frame, PAGE_SIZE);

	CHECK(pa < phys_memfile_size);
	return pa;
}

static void no_free(paddr_t pa)
{
	(void)pa;
}

static const struct ptable_alloc frames = { guest_frame, no_free };

static UNUSED void guest_init(void)
{
	struct err e;

	platform = platform_find("ptrace");
	CHECK(platform != NULL);
	if (phys_init(1ULL << 30, 64ULL << 20, &e) || platform->init(-1, &e)) {
		printf("\t%s\n", e.msg);
		CHECK(!"platform init");
	}
	phys_catch_bus();
}

static UNUSED struct aspace *guest_aspace(void)
{
	struct aspace *as = calloc(1, sizeof *as);

	rwlock_init(&as->active_lock, &lc_mm_active);
	CHECK(ptable_init(&as->pt, &frames) == 0);
	return as;
}

static UNUSED void guest_map(struct aspace *as, struct pctx *self, uint64_t va, paddr_t pa, pte_t bits)
{
	mm_active_write(as);
	CHECK(ptable_set(&as->pt, va, pa, bits) == 0);
	platform->aspace_sync(as, self, va, va + PAGE_SIZE);
	mm_active_write_done(as);
}

static UNUSED void guest_unmap(struct aspace *as, struct pctx *self, uint64_t va, unsigned pages)
{
	mm_active_write(as);
	for (unsigned i = 0; i < pages; i++)
		(void)ptable_clear(&as->pt, va + i * PAGE_SIZE);
	platform->aspace_sync(as, self, va, va + pages * PAGE_SIZE);
	mm_active_write_done(as);
}

static UNUSED paddr_t guest_data(struct guest *g)
{
	paddr_t pa;

	mm_active_read(g->as);
	pa = ptable_get(&g->as->pt, DATA_VA) & PTE_ADDR;
	mm_active_read_done(g->as);
	return pa;
}

static UNUSED pid_t guest_pid(struct aspace *as)
{
	return as->host->pid;
}

static UNUSED void guest_start(struct guest *g, uint64_t rip)
{
	g->r = (struct regs){ .rip = rip,
		.cs = 0x33,
		.ss = 0x2b,
		.eflags = 0x202,
		.rsp = STACK_VA + PAGE_SIZE - 64,
		.orig_rax = ~0ULL };
	g->dirty = REGS_ALL;
}

static UNUSED void guest_load(struct guest *g, const char *code, const char *end)
{
	paddr_t pa = guest_frame();

	memset(g, 0, sizeof *g);
	g->as = guest_aspace();
	CHECK(platform->aspace_new(g->as) == 0);
	CHECK(platform->pctx_new(g->as, NULL, &g->c) == 0);
	CHECK(platform->pctx_attach(g->c) == 0);
	memcpy(phys_ptr(pa), code, (size_t)(end - code));
	guest_map(g->as, g->c, CODE_VA, pa, 0);
	guest_map(g->as, g->c, DATA_VA, guest_frame(), PTE_W | PTE_NX);
	guest_map(g->as, g->c, STACK_VA, guest_frame(), PTE_W | PTE_NX);
	guest_start(g, CODE_VA);
}

/* A page that is there, but not mapped on the host: kernel/mm does the same. */
static bool guest_serve(struct guest *g)
{
	uint64_t va = g->ev.addr & PAGE_MASK;
	bool served = false;
	pte_t e;

	if (g->ev.kind != PEV_FAULT || va >= platform_max_addr)
		return false;
	mm_active_write(g->as);
	e = ptable_get(&g->as->pt, va);
	if ((e & PTE_P) && !(e & (PTE_HOST | PTE_NONE))) {
		platform->aspace_sync(g->as, g->c, va, va + PAGE_SIZE);
		served = true;
	}
	mm_active_write_done(g->as);
	return served;
}

static UNUSED void guest_switch(struct guest *g)
{
	do {
		platform->pctx_switch(g->c, &g->r, g->dirty, 0, &g->ev);
		g->dirty = REGS_RAX_ONLY;
	} while (guest_serve(g));
}

/* Runs up to the next event, which must be a call of @nr. */
static UNUSED void guest_expect(struct guest *g, long nr)
{
	guest_switch(g);
	if (g->ev.kind != PEV_SYSCALL || (long)g->r.orig_rax != nr)
		printf("\tkind %d nr %ld sig %d code %d addr %#llx rip %#llx\n",
			g->ev.kind, (long)g->r.orig_rax, g->ev.sig, g->ev.code,
			(unsigned long long)g->ev.addr,
			(unsigned long long)g->r.rip);
	CHECK(g->ev.kind == PEV_SYSCALL);
	CHECK((long)g->r.orig_rax == nr);
}

static UNUSED void guest_return(struct guest *g, uint64_t rax)
{
	g->r.rax = rax;
}

static UNUSED void guest_free(struct guest *g)
{
	platform->pctx_free(g->c);
	platform->aspace_free(g->as);
	free(g->as);
}
