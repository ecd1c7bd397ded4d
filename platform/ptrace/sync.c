/*
 * sync.c - makes a stub's host mappings agree with the page table.
 *
 * The walk meets what the host owes in address order and merges neighbours: one
 * mmap for a run of pages that is contiguous in its file and equal in
 * permission, one mprotect likewise, one munmap over a whole stretch in which
 * nothing is present.  The calls are collected in the stub's list page and made
 * by one run of stub_batch.  Entries are marked as done when their call is
 * listed; a call that fails puts that right.
 *
 * When the host has no room for another mapping (ENOMEM, vm.max_map_count),
 * everything in the stub is unmapped and the range is tried once more: the map
 * is only a cache, and faults fill it again.  What fails then stays unmapped.
 *
 * A caller who is no thread of the stub has its leader seized for a batch,
 * which is dear. It only takes away what must not stay: new mappings are left
 * to faults.
 *
 * All of it runs with the address space's mm_active held exclusively, so there
 * is one batch at a time in a stub.
 */
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "core/log.h"
#include "platform/ptrace/ptrace.h"

#define PTE_DEBTS (PTE_HOST | PTE_STALE | PTE_PROT)

enum call_kind { CALL_NONE, CALL_MAP, CALL_UNMAP, CALL_PROTECT };

struct call {
	enum call_kind kind;
	uint64_t start, end;
	int prot;
	int hfd;
	uint64_t off;
};

struct sync {
	struct aspace *as;
	struct pctx *self;
	struct call open; /* may still grow */
	uint64_t reach;   /* where a page would join the open call */
	struct call listed[STUB_CALLS];
	unsigned n;
	bool second; /* the second walk */
	bool again;  /* something was unmapped that should be mapped */
	bool no_map; /* the host has no room, or it can wait: see below */
	bool gone;   /* everything was unmapped: what is listed is void */
	bool dead;
};

static int prot_of(pte_t e)
{
	if (e & PTE_NONE)
		return PROT_NONE;
	return PROT_READ | (e & PTE_W ? PROT_WRITE : 0) |
	       (e & PTE_NX ? 0 : PROT_EXEC);
}

static void call_encode(const struct call *c, struct stub_call *s)
{
	uint64_t len = c->end - c->start;

	*s = (struct stub_call){ .a = { c->start, len, (unsigned)c->prot } };
	switch (c->kind) {
	case CALL_MAP:
		s->nr = SYS_mmap;
		s->a[3] = MAP_SHARED | MAP_FIXED;
		s->a[4] = (unsigned)c->hfd;
		s->a[5] = c->off;
		break;
	case CALL_PROTECT:
		s->nr = SYS_mprotect;
		break;
	default:
		s->nr = SYS_munmap;
	}
}

/* Makes calls [from, n).  Returns the index of one that failed (*@err), or n.
 */
static unsigned run_calls(struct sync *s, const struct call *c, unsigned from,
	unsigned n, int *err)
{
	struct aspace_host *stub = s->as->host;
	unsigned done;

	for (unsigned i = from; i < n; i++)
		call_encode(&c[i], &stub->list[i - from]);
	if (stub_calls(stub, s->self, n - from, &done, err)) {
		s->dead = true;
		return n;
	}
	return from + done;
}

/* For a range that the host does not map any more. */
static int forget(void *arg, uint64_t va, pte_t *pte)
{
	(void)arg;
	(void)va;
	*pte &= ~PTE_DEBTS;
	return 0;
}

HOLDS(lc_mm_active)
static void unmap_all(struct sync *s)
{
	struct call c = { CALL_UNMAP, 0, STUB_BASE, 0, -1, 0 };
	int err = 0;

	if (run_calls(s, &c, 0, 1, &err) == 0)
		log_error("munmap of all of a stub: error %d", -err);
	(void)ptable_walk(&s->as->pt, 0, STUB_BASE, forget, NULL);
	s->gone = true;
}

HOLDS(lc_mm_active)
static void unmap_range(struct sync *s, uint64_t start, uint64_t end)
{
	struct call c = { CALL_UNMAP, start, end, 0, -1, 0 };
	int err = 0;

	if (run_calls(s, &c, 0, 1, &err) == 1)
		(void)ptable_walk(&s->as->pt, start, end, forget, NULL);
	else /* a hole in a mapping makes two of it: no room for that either */
		unmap_all(s);
}

HOLDS(lc_mm_active)
static void call_failed(struct sync *s, const struct call *c, int err)
{
	static atomic_bool said;

	if (err == -ENOMEM && !s->second) {
		unmap_all(s);
		s->again = true;
		return;
	}
	unmap_range(s, c->start, c->end);
	if (err == -ENOMEM)
		s->no_map = true;
	else if (c->kind == CALL_PROTECT && !s->second)
		s->again = true; /* mapped when the descriptor could do less */
	else if (!atomic_exchange(&said, true))
		log_warn("the host refuses to map descriptor %d: error %d",
			c->hfd, -err);
}

/* Makes the calls listed so far. */
HOLDS(lc_mm_active)
static void flush(struct sync *s)
{
	unsigned n = s->n, i = 0;
	int err = 0;

	s->n = 0;
	s->gone = false;
	for (; i < n && !s->gone; i++) {
		i = run_calls(s, s->listed, i, n, &err);
		if (i < n)
			call_failed(s, &s->listed[i], err);
	}
}

/* No more pages join the open call. */
HOLDS(lc_mm_active)
static void close_call(struct sync *s)
{
	if (s->open.kind == CALL_NONE)
		return;
	s->listed[s->n++] = s->open;
	s->open.kind = CALL_NONE;
	if (s->n == STUB_CALLS)
		flush(s);
}

/* The call that the host owes for one page. */
static struct call page_call(const struct sync *s, uint64_t va, pte_t e)
{
	struct call c = { .start = va, .end = va + PAGE_SIZE, .hfd = -1 };

	c.prot = e & PTE_P ? prot_of(e) : PROT_NONE;
	if ((e & PTE_P) && (e & PTE_HOST) && !(e & PTE_STALE))
		c.kind = e & PTE_PROT ? CALL_PROTECT : CALL_NONE;
	else if ((e & PTE_P) && c.prot != PROT_NONE && !s->no_map &&
		 phys_backing(e & PTE_ADDR, &c.hfd, &c.off))
		c.kind = CALL_MAP;
	else
		c.kind = e & PTE_HOST ? CALL_UNMAP : CALL_NONE;
	return c;
}

/* Between two calls of munmap there is nothing present: anything may lie there.
 */
static bool joins(const struct sync *s, const struct call *c)
{
	const struct call *o = &s->open;

	if (o->kind != c->kind)
		return false;
	if (c->kind == CALL_UNMAP)
		return true;
	return s->reach == c->start && o->prot == c->prot && o->hfd == c->hfd &&
	       (c->kind != CALL_MAP ||
		       o->off + (c->start - o->start) == c->off);
}

static pte_t settled(enum call_kind kind, pte_t e)
{
	if (kind == CALL_MAP)
		return (e | PTE_HOST) & ~(PTE_STALE | PTE_PROT);
	return kind == CALL_PROTECT ? e & ~PTE_PROT : e & ~PTE_DEBTS;
}

/* Nothing that is still to be met can be done in this walk. */
static bool stopped(const struct sync *s)
{
	return s->dead || (s->gone && s->again);
}

/* A page that is as it should be: an mprotect may pass over its equals. */
HOLDS(lc_mm_active)
static void pass_over(struct sync *s, const struct call *c)
{
	if (s->open.kind == CALL_PROTECT && s->open.prot == c->prot &&
		s->reach == c->start)
		s->reach = c->end;
	else
		close_call(s);
}

/*
 * Closing a call may run a batch, which may fail and unmap everything, this
 * page too: then it owes something else than before.
 */
HOLDS(lc_mm_active)
static int sync_page(void *arg, uint64_t va, pte_t *pte)
{
	struct sync *s = arg;
	struct call c = page_call(s, va, *pte);

	if (c.kind != CALL_NONE && !joins(s, &c)) {
		close_call(s);
		if (stopped(s))
			return 1;
		c = page_call(s, va, *pte);
		if (c.kind != CALL_NONE)
			s->open = c;
	}
	if (c.kind != CALL_NONE) {
		s->open.end = s->reach = c.end;
		*pte = settled(c.kind, *pte);
	} else if (*pte & PTE_HOST) {
		pass_over(s, &c);
	}
	return stopped(s);
}

HOLDS(lc_mm_active)
static void sync_walk(struct sync *s, uint64_t start, uint64_t end)
{
	if (ptable_walk(&s->as->pt, start, end, sync_page, s))
		return;
	close_call(s);
	flush(s);
}

static bool is_inside(const struct pctx *self, const struct aspace *as)
{
	return self && self->as == as && self->attached;
}

/*
 * A stub that died has no mappings to be wrong: its threads learn of
 * it at their next switch.
 */
HOLDS(lc_mm_active)
void ptrace_aspace_sync(
	struct aspace *as, struct pctx *self, uint64_t start, uint64_t end)
{
	struct sync s = {
		.as = as, .self = self, .no_map = !is_inside(self, as)
	};

	end = MIN(end, (uint64_t)STUB_BASE);
	sync_walk(&s, start, end);
	if (!s.again || s.dead)
		return;
	s = (struct sync){ .as = as,
		.self = self,
		.no_map = !is_inside(self, as),
		.second = true };
	sync_walk(&s, start, end);
}
