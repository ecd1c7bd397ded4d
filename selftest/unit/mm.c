/*
 * mm.c - address spaces against a model, on a platform that only keeps books.
 *
 * The fake platform mirrors a window of each address space as a host would:
 * its mirror changes in aspace_sync() alone.  A guest access goes through the
 * mirror, and faults when it must, so a change that was not synced, or a frame
 * that was freed too early, shows.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/uio.h"
#include "kernel/mm/mapping.h"
#include "kernel/mm/mm.h"
#include "kernel/task/task.h"
#include "selftest/unit/unit.h"

#define BASE       0x10000000000ULL
#define PAGES      160
#define FILE_PAGES 64
#define ALL        (PACC_READ | PACC_WRITE | PACC_EXEC)

struct mirror {
	struct {
		paddr_t pa;
		int prot;
	} page[PAGES];
};

static atomic_ulong nsyncs;

static int fake_new(struct aspace *as)
{
	as->host = calloc(1, sizeof(struct mirror));
	return as->host ? 0 : -ENOMEM;
}

static int fake_fork(
	struct aspace *as, struct aspace *parent, struct pctx *self)
{
	(void)self;
	fake_new(as);
	memcpy(as->host, parent->host, sizeof(struct mirror));
	return 0;
}

static void fake_free(struct aspace *as)
{
	free(as->host);
}

static int fake_page(void *arg, uint64_t va, pte_t *pte)
{
	struct mirror *m = arg;
	unsigned i = (unsigned)((va - BASE) >> PAGE_SHIFT);

	m->page[i].prot = 0;
	if (!(*pte & PTE_P)) {
		*pte = 0;
		return 0;
	}
	/* Without a debt the mirror must be right already. */
	if ((*pte & (PTE_HOST | PTE_STALE)) == PTE_HOST)
		CHECK(m->page[i].pa == (*pte & PTE_ADDR));
	*pte = (*pte & ~(PTE_STALE | PTE_PROT)) | PTE_HOST;
	m->page[i].pa = *pte & PTE_ADDR;
	if (!(*pte & PTE_NONE))
		m->page[i].prot = PACC_READ | (*pte & PTE_W ? PACC_WRITE : 0) |
				  (*pte & PTE_NX ? 0 : PACC_EXEC);
	return 0;
}

static void fake_sync(
	struct aspace *as, struct pctx *self, uint64_t start, uint64_t end)
{
	(void)self;
	atomic_fetch_add(&nsyncs, 1);
	start = MAX(start, BASE);
	end = MIN(end, BASE + PAGES * PAGE_SIZE);
	if (start < end)
		ptable_walk(&as->pt, start, end, fake_page, as->host);
}

static const struct platform_ops fake = {
	.name = "fake",
	.aspace_new = fake_new,
	.aspace_fork = fake_fork,
	.aspace_free = fake_free,
	.aspace_sync = fake_sync,
};

static void setup(uint64_t limit)
{
	struct err e;

	platform = &fake;
	platform_max_addr = 0x7ffffffff000;
	CHECK(phys_init(1ULL << 30, 1ULL << 28, &e) == 0);
	phys_catch_bus();
	CHECK(memfile_init(limit) == 0);
}

/* A guest instruction at @addr: the signal that it raises, or 0. */
static int touch(struct mm *mm, uint64_t addr, bool write, uint64_t *value)
{
	unsigned i = (unsigned)((addr - BASE) >> PAGE_SHIFT);
	struct mirror *m = (struct mirror *)mm->as.host;
	siginfo_t si;

	for (int tries = 0; tries < 20; tries++) {
		mm_active_read(&mm->as);
		if (m->page[i].prot & (write ? PACC_WRITE : PACC_READ)) {
			paddr_t pa = m->page[i].pa;
			size_t n;

			CHECK(frame_refs(pa) > 0);
			pa += addr % PAGE_SIZE;
			if (write)
				n = phys_copy(phys_ptr(pa), value, 8);
			else
				n = phys_copy(value, phys_ptr(pa), 8);
			mm_active_read_done(&mm->as);
			return n == 8 ? 0 : SIGBUS;
		}
		mm_active_read_done(&mm->as);
		if (mm_fault(mm, addr, ALL, &si))
			return si.si_signo;
	}
	CHECK(!"the fault does not end");
	return -1;
}

static uint64_t at(unsigned page)
{
	return BASE + page * PAGE_SIZE;
}

static int64_t map(struct mm *mm, unsigned page, unsigned n, int prot,
	int flags, struct mapping *m, unsigned off)
{
	struct mmap_req r = { at(page), n * PAGE_SIZE, prot,
		flags | MAP_FIXED | (m ? 0 : MAP_ANONYMOUS), NULL, m,
		off * PAGE_SIZE, NULL };

	return mm_mmap(mm, &r);
}

TEST(mm, private_pages_are_zero_and_stay)
{
	struct mm *mm;
	uint64_t v = 7;

	setup(0);
	CHECK(mm_create(&mm) == 0);
	CHECK(map(mm, 3, 20, PROT_READ | PROT_WRITE, MAP_PRIVATE, NULL, 0) > 0);
	CHECK(touch(mm, at(5), false, &v) == 0 && v == 0);
	v = 42;
	CHECK(touch(mm, at(5), true, &v) == 0);
	CHECK(mm_copyin(mm, &v, at(5), 8) == 0 && v == 42);
	CHECK(mm_mprotect(mm, at(4), 4 * PAGE_SIZE, PROT_NONE) == 0);
	CHECK(touch(mm, at(5), false, &v) == SIGSEGV);
	CHECK(mm_copyin(mm, &v, at(5), 8) == -EFAULT);
	CHECK(mm_peek(mm, at(5), &v, 8) == 8 && v == 42);
	CHECK(mm_mprotect(mm, at(4), 4 * PAGE_SIZE, PROT_READ) == 0);
	v = 0;
	CHECK(touch(mm, at(5), false, &v) == 0 && v == 42);
	CHECK(touch(mm, at(5), true, &v) == SIGSEGV);
	CHECK(mm_munmap(mm, at(5), PAGE_SIZE) == 0);
	CHECK(touch(mm, at(5), false, &v) == SIGSEGV);
	CHECK(mm_copyout(mm, at(4) + PAGE_SIZE - 4, &v, 8) == -EFAULT);
	mm_put(mm);
	CHECK(memfile_used() == 0);
}

TEST(mm, map_touch_unmap_takes_two_syncs)
{
	struct mm *mm;
	uint64_t v = 1;

	setup(0);
	CHECK(mm_create(&mm) == 0);
	nsyncs = 0;
	CHECK(map(mm, 0, 8, PROT_READ | PROT_WRITE, MAP_PRIVATE, NULL, 0) > 0);
	for (unsigned i = 0; i < 8; i++)
		CHECK(touch(mm, at(i), true, &v) == 0);
	CHECK(mm_munmap(mm, at(0), 8 * PAGE_SIZE) == 0);
	CHECK(nsyncs == 2);
	mm_put(mm);
}

TEST(mm, limit_kills_and_memory_comes_back)
{
	struct mm *mm;
	uint64_t v = 1;
	int sig = 0;

	setup(64 * PAGE_SIZE);
	for (int round = 0; round < 3; round++) {
		CHECK(mm_create(&mm) == 0);
		mm->rlimit_as = 1ULL << 30;
		CHECK(map(mm, 0, PAGES / 4, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			      NULL, 0) > 0);
		CHECK(map(mm, PAGES / 4, PAGES / 4, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE, NULL, 0) > 0);
		sig = 0;
		for (unsigned i = 0; i < PAGES / 2 && !sig; i++)
			sig = touch(mm, at(i), true, &v);
		CHECK(sig == SIGKILL);
		mm_put(mm);
		CHECK(memfile_used() == 0);
	}
}

TEST(mm, words_beyond_the_end_of_a_host_file)
{
	int hfd = memfd_create("t", 0);
	struct mapping *m;
	struct mm *mm;
	uint32_t v;

	setup(0);
	CHECK(ftruncate(hfd, PAGE_SIZE) == 0);
	CHECK(mm_create(&mm) == 0);
	CHECK(mapping_new_host(hfd, true, &m) == 0);
	CHECK(map(mm, 0, 2, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0) > 0);
	CHECK(user_cmpxchg32(mm, at(0), 0, 5, &v) == 0 && v == 0);
	CHECK(user_cmpxchg32(mm, at(0), 0, 6, &v) == 0 && v == 5);
	CHECK(user_load32(mm, at(0), &v) == 0 && v == 5);
	CHECK(user_cmpxchg32(mm, at(1), 0, 5, &v) == -EFAULT);
	CHECK(user_load32(mm, at(1), &v) == -EFAULT);
	CHECK(mm_copyout(mm, at(1) - 2, &v, 4) == -EFAULT);
	CHECK(user_load32(mm, at(0) + 1, &v) == -EFAULT);
	mm_put(mm);
	mapping_put(m);
}

TEST(mm, untouched_frames_are_taken_back)
{
	const uint64_t base = 0x20000000000ULL;
	struct mm *mm;
	uint64_t v;

	setup(128 * PAGE_SIZE);
	CHECK(mm_create(&mm) == 0);
	/* Regions of 16 pages are mapped whole; one page of each is used. */
	for (uint64_t i = 0; i < 100; i++) {
		struct mmap_req r = { base + i * 17 * PAGE_SIZE, 16 * PAGE_SIZE,
			PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, NULL, 0,
			NULL };

		CHECK(mm_mmap(mm, &r) == (int64_t)r.addr);
		v = i;
		CHECK(mm_copyout(mm, r.addr + 5 * PAGE_SIZE, &v, 8) == 0);
	}
	for (uint64_t i = 0; i < 100; i++) {
		v = 0;
		CHECK(mm_copyin(mm, &v, base + (i * 17 + 5) * PAGE_SIZE, 8) ==
			0);
		CHECK(v == i);
	}
	mm_put(mm);
	CHECK(memfile_used() == 0);
}

/* More slots than there are chunks: frames come from wherever there are any. */
TEST(mm, sparse_memory_uses_up_the_chunks)
{
	const uint64_t base = 0x20000000000ULL, n = 1500;
	struct mmap_req r = { base, n << 21, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, NULL,
		NULL, 0, NULL };
	struct mm *mm;
	uint64_t v;

	setup(0);
	CHECK(phys_memfile_size >> 21 < n);
	for (int round = 0; round < 2; round++) {
		CHECK(mm_create(&mm) == 0);
		CHECK(mm_mmap(mm, &r) == (int64_t)base);
		for (uint64_t i = 0; i < n; i++)
			CHECK(mm_copyout(mm,
				      base + (i << 21) + 4096 * (i % 500), &i,
				      8) == 0);
		for (uint64_t i = 0; i < n; i++) {
			CHECK(mm_copyin(mm, &v,
				      base + (i << 21) + 4096 * (i % 500),
				      8) == 0);
			CHECK(v == i);
		}
		mm_put(mm);
		CHECK(memfile_used() == 0);
	}
}

TEST(mm, trimmed_frames_are_zero)
{
	struct mm *mm;
	uint64_t v;

	setup(0);
	for (int round = 0; round < 3; round++) {
		CHECK(mm_create(&mm) == 0);
		CHECK(map(mm, 0, PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			      NULL, 0) > 0);
		for (unsigned i = 0; i < PAGES; i++) {
			CHECK(touch(mm, at(i) + 16, false, &v) == 0 && v == 0);
			v = i + 1;
			CHECK(touch(mm, at(i) + 16, true, &v) == 0);
		}
		CHECK(mm_munmap(mm, at(3), 50 * PAGE_SIZE) == 0);
		memfile_trim(round & 1);
		CHECK(touch(mm, at(2) + 16, false, &v) == 0 && v == 3);
		CHECK(touch(mm, at(53) + 16, false, &v) == 0 && v == 54);
		mm_put(mm);
		memfile_trim(round & 1);
	}
}

/* --- the model */

#define MMS 4
#define OBJECTS                                                       \
	4 /* two in memory, a host file, one read and written by page \
	   */

struct page {           /* what a page of the window should be */
	int prot;       /* -1: not mapped */
	int obj;        /* -1: private memory */
	unsigned idx;   /* page of the object */
	bool priv, own; /* private mapping of obj; already copied */
	uint64_t value;
};

static struct {
	struct mm *mm;
	struct page page[PAGES];
} space[MMS];
static struct mapping *object[OBJECTS];
static uint64_t content[OBJECTS][FILE_PAGES];
static int host_file;
static uint64_t disk[FILE_PAGES]; /* of object 3 */
static unsigned host_pages;

static int disk_fill(struct mapping *m, uint64_t index, void *page)
{
	(void)m;
	memcpy(page, &disk[index], 8);
	return 0;
}

static int disk_writeback(
	struct mapping *m, uint64_t index, const void *page, size_t len)
{
	(void)m;
	CHECK(len == PAGE_SIZE);
	memcpy(&disk[index], page, 8);
	return 0;
}

static int64_t disk_size(struct mapping *m)
{
	(void)m;
	return FILE_PAGES * PAGE_SIZE;
}

static void disk_release(struct mapping *m)
{
	mapping_fini(m);
	free(m);
}

static const struct mapping_ops disk_ops = {
	.fill = disk_fill,
	.writeback = disk_writeback,
	.size = disk_size,
	.release = disk_release,
};

static unsigned rnd(unsigned n)
{
	return (unsigned)random() % n;
}

static uint64_t *value_of(struct page *p)
{
	return p->obj < 0 || p->own ? &p->value : &content[p->obj][p->idx];
}

static bool beyond(const struct page *p)
{
	return p->obj == 2 && !p->own && p->idx >= host_pages;
}

static void check_page(int s, unsigned i)
{
	struct page *p = &space[s].page[i];
	uint64_t v = 0xdead;
	int sig = touch(space[s].mm, at(i) + 8 * (i % 16), false, &v);

	if (p->prot <= 0) {
		CHECK(sig == SIGSEGV);
		return;
	}
	if (beyond(p)) {
		CHECK(sig == SIGBUS);
		return;
	}
	CHECK(sig == 0);
	/* Values live at offset 0; elsewhere is zero. */
	CHECK(i % 16 == 0 || v == 0);
	CHECK(mm_copyin(space[s].mm, &v, at(i), 8) == 0);
	CHECK(v == *value_of(p));
}

static void write_page(int s, unsigned i)
{
	struct page *p = &space[s].page[i];
	uint64_t v = (uint64_t)random();
	int sig;

	if (rnd(2)) {
		sig = touch(space[s].mm, at(i), true, &v);
	} else {
		sig = mm_copyout(space[s].mm, at(i), &v, 8) ? SIGSEGV : 0;
		if (sig && beyond(p))
			sig = SIGBUS;
	}
	if (p->prot <= 0 || !(p->prot & PROT_WRITE)) {
		CHECK(sig == SIGSEGV || (beyond(p) && sig == SIGBUS));
		return;
	}
	if (beyond(p)) {
		CHECK(sig == SIGBUS);
		return;
	}
	CHECK(sig == 0);
	if (p->obj >= 0 && p->priv)
		p->own = true;
	*value_of(p) = v;
}

static const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
	PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC };

static void do_map(int s, unsigned i, unsigned n)
{
	int prot = prots[rnd(5)], obj = (int)rnd(OBJECTS + 2) - 2;
	bool priv = obj < 0 || rnd(2);
	unsigned off = 0;

	if (obj >= 0) {
		off = rnd(FILE_PAGES - 1);
		n = MIN(n, FILE_PAGES - off);
	} else {
		obj = -1;
	}
	CHECK(map(space[s].mm, i, n, prot, priv ? MAP_PRIVATE : MAP_SHARED,
		      obj < 0 ? NULL : object[obj], off) == (int64_t)at(i));
	for (unsigned k = 0; k < n; k++)
		space[s].page[i + k] =
			(struct page){ prot, obj, off + k, priv, false, 0 };
}

static void do_protect(int s, unsigned i, unsigned n)
{
	int prot = prots[rnd(5)], err, want = 0;

	for (unsigned k = i; k < i + n && !want; k++) {
		if (space[s].page[k].prot < 0)
			want = -ENOMEM;
		else
			space[s].page[k].prot = prot;
	}
	err = mm_mprotect(space[s].mm, at(i), n * PAGE_SIZE, prot);
	CHECK(err == want);
}

static void do_dontneed(int s, unsigned i, unsigned n)
{
	(void)!mm_madvise(space[s].mm, at(i), n * PAGE_SIZE, MADV_DONTNEED);
	for (unsigned k = i; k < i + n; k++) {
		space[s].page[k].own = false;
		space[s].page[k].value = 0;
	}
}

/* Moves a range that lies in one region by model; any errno is fine otherwise.
 */
static void do_move(int s, unsigned i, unsigned n)
{
	unsigned to = rnd(PAGES - n);
	struct page tmp[PAGES];
	int64_t ret = mm_mremap(space[s].mm, at(i), n * PAGE_SIZE,
		n * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, at(to));

	if (ret < 0) {
		bool hole = to + n > i && i + n > to;

		hole |= space[s].page[i].prot < 0;
		CHECK(hole);
		return;
	}
	for (unsigned k = 0; k < n; k++) {
		tmp[k] = space[s].page[i + k];
		space[s].page[i + k].prot = -1;
	}
	memcpy(&space[s].page[to], tmp, n * sizeof *tmp);
}

static void do_fork(int s)
{
	struct task t = { .mm = space[s].mm };
	int to = (int)rnd(MMS);

	if (to == s)
		return;
	mm_put(space[to].mm);
	memcpy(space[to].page, space[s].page, sizeof space[s].page);
	CHECK(mm_fork(&t, &space[to].mm) == 0);
}

static void do_punch(void)
{
	int obj = (int)rnd(2);
	unsigned i = rnd(FILE_PAGES - 4), n = 1 + rnd(4);

	mapping_punch(object[obj], (int64_t)(i * PAGE_SIZE),
		(int64_t)((i + n) * PAGE_SIZE));
	memset(&content[obj][i], 0, n * sizeof **content);
}

static void do_sync(void)
{
	CHECK(mapping_sync(object[3], 0, FILE_PAGES * PAGE_SIZE) == 0);
	CHECK(memcmp(disk, content[3], sizeof disk) == 0);
}

/* read(2) and write(2) of a file, from a buffer of ours. */
static void do_file_io(void)
{
	static const int objs[] = { 0, 1, 3 };
	int obj = objs[rnd(3)];
	unsigned i = rnd(FILE_PAGES - 3);
	int64_t pos = (int64_t)(i * PAGE_SIZE) - (i ? 4 : 0);
	char buf[2 * PAGE_SIZE];
	struct uio_seg seg;
	struct uio u;
	uint64_t v;

	uio_kernel(&u, &seg, buf, sizeof buf, true);
	CHECK(mapping_read(object[obj], &u, pos, FILE_PAGES * PAGE_SIZE) ==
		(ssize_t)sizeof buf);
	memcpy(&v, buf + (i ? 4 : 0), 8);
	CHECK(v == content[obj][i]);
	v = (uint64_t)random();
	memcpy(buf + (i ? 4 : 0), &v, 8);
	uio_kernel(&u, &seg, buf, sizeof buf, false);
	CHECK(mapping_write(object[obj], &u, pos) == (ssize_t)sizeof buf);
	content[obj][i] = v;
}

static void do_truncate(void)
{
	host_pages = 1 + rnd(FILE_PAGES - 1);
	CHECK(ftruncate(host_file, host_pages * (off_t)PAGE_SIZE) == 0);
	mapping_unmap(object[2], host_pages * (int64_t)PAGE_SIZE, INT64_MAX);
	for (unsigned i = host_pages; i < FILE_PAGES; i++)
		content[2][i] = 0;
	for (int s = 0; s < MMS; s++)
		for (unsigned i = 0; i < PAGES; i++)
			if (space[s].page[i].obj == 2 &&
				space[s].page[i].idx >= host_pages)
				space[s].page[i].own = false;
}

/* The host drops a mapping of its own accord. */
static void do_evict(int s, unsigned i)
{
	struct mirror *m = (struct mirror *)space[s].mm->as.host;
	struct ptable *pt = &space[s].mm->as.pt;
	pte_t pte = ptable_get(pt, at(i));

	if (!(pte & PTE_P))
		return;
	m->page[i].prot = 0;
	ptable_clear(pt, at(i));
	fake_sync(&space[s].mm->as, NULL, at(i), at(i + 1));
	CHECK(ptable_set(pt, at(i), pte & PTE_ADDR,
		      pte & (PTE_W | PTE_NX | PTE_COW | PTE_NONE)) == 0);
}

static void step(void)
{
	int s = (int)rnd(MMS);
	unsigned i = rnd(PAGES - 24), n = 1 + rnd(rnd(4) ? 6 : 24);

	switch (rnd(32)) {
	case 0:
	case 1:
	case 2:
	case 3:
		do_map(s, i, n);
		break;
	case 4:
	case 5:
		CHECK(mm_munmap(space[s].mm, at(i), n * PAGE_SIZE) == 0);
		for (unsigned k = i; k < i + n; k++)
			space[s].page[k].prot = -1;
		break;
	case 6:
	case 7:
	case 8:
		do_protect(s, i, n);
		break;
	case 9:
		do_dontneed(s, i, n);
		break;
	case 10:
		do_move(s, i, n);
		break;
	case 11:
		do_fork(s);
		break;
	case 12:
		do_punch();
		break;
	case 13:
		if (rnd(4) == 0)
			do_truncate();
		break;
	case 14:
		do_evict(s, i);
		break;
	case 22:
		do_sync();
		break;
	case 23:
	case 24:
		do_file_io();
		break;
	case 15:
	case 16:
	case 17:
	case 18:
	case 19:
	case 20:
	case 21:
		for (unsigned k = i; k < i + n; k++)
			write_page(s, k);
		break;
	default:
		for (unsigned k = i; k < i + n; k++)
			check_page(s, k);
	}
}

static void model(unsigned seed, int steps)
{
	srandom(seed);
	host_pages = 40;
	host_file = memfd_create("t", 0);
	CHECK(ftruncate(host_file, 40 * PAGE_SIZE) == 0);
	CHECK(mapping_new_anon(&object[0]) == 0);
	CHECK(mapping_new_anon(&object[1]) == 0);
	CHECK(mapping_new_host(dup(host_file), true, &object[2]) == 0);
	object[3] = malloc(sizeof *object[3]);
	mapping_init(object[3], &disk_ops);
	for (int s = 0; s < MMS; s++) {
		CHECK(mm_create(&space[s].mm) == 0);
		for (unsigned i = 0; i < PAGES; i++)
			space[s].page[i].prot = -1;
	}
	memset(content, 0, sizeof content);
	for (unsigned i = 0; i < FILE_PAGES; i++)
		content[3][i] = disk[i] = i * 77;
	while (steps--)
		step();
	for (int s = 0; s < MMS; s++)
		for (unsigned i = 0; i < PAGES; i++)
			check_page(s, i);
	for (int s = 0; s < MMS; s++)
		mm_put(space[s].mm);
	for (int i = 0; i < OBJECTS; i++)
		mapping_put(object[i]);
	close(host_file);
	CHECK(memfile_used() == 0);
}

TEST(mm, random_calls_match_the_model)
{
	setup(0);
	for (unsigned seed = 1; seed <= 20; seed++)
		model(seed, 3000);
}

/* --- threads */

#define THREADS 4
#define ROUNDS  400

static struct mm *shared_mm;

/* Each thread changes its own part; all fault, copy and fork in one mm. */
static void *worker(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg, base = me * 32, seed = me + 1;
	struct task t = { .mm = shared_mm };

	for (int r = 0; r < ROUNDS; r++) {
		unsigned i = base + (unsigned)rand_r(&seed) % 16;
		uint64_t v = (uint64_t)r * 64 + me, got = 0;
		struct mm *child;

		CHECK(map(shared_mm, i, 16, PROT_READ | PROT_WRITE,
			      r % 3 ? MAP_PRIVATE : MAP_SHARED,
			      r % 3 == 1 ? object[0] : NULL, 0) > 0);
		CHECK(touch(shared_mm, at(i + 3), true, &v) == 0);
		if (r % 16 == 0) {
			CHECK(mm_fork(&t, &child) == 0);
			CHECK(touch(child, at(i + 3), false, &got) == 0);
			CHECK(got == v);
			mm_put(child);
		}
		v++;
		CHECK(mm_copyout(shared_mm, at(i + 3), &v, 8) == 0);
		CHECK(touch(shared_mm, at(i + 3), false, &got) == 0);
		CHECK(got == v);
		/* Somebody else's part: whatever comes, no harm. */
		(void)!mm_copyin(
			shared_mm, &got, at((unsigned)rand_r(&seed) % 128), 8);
		if (r % 7 == 0)
			mapping_punch(
				object[0], 20 * PAGE_SIZE, 40 * PAGE_SIZE);
		if (r % 4 == 0)
			CHECK(mm_munmap(shared_mm, at(i), 16 * PAGE_SIZE) == 0);
	}
	return NULL;
}

TEST(mm, threads_share_an_address_space)
{
	pthread_t th[THREADS];

	setup(0);
	CHECK(mm_create(&shared_mm) == 0);
	CHECK(mapping_new_anon(&object[0]) == 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&th[i], NULL, worker, (void *)i) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(th[i], NULL);
	mm_put(shared_mm);
	mapping_put(object[0]);
	CHECK(memfile_used() == 0);
}
