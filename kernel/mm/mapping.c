/*
 * mapping.c - the pages of files in memory, and who maps them.
 *
 * A radix tree of 64 entries a node keeps (frame, dirty) by page index.  Pages
 * of one file that are made one after the other get neighbouring frames where
 * the memory file has them.
 *
 * A truncate bumps unmap_seq and then visits every vma on the list under that
 * address space's mm_active: a fault that took frames before compares the
 * number under the same lock and starts again.
 */
#include "kernel/mm/mapping.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/mm/fault.h"
#include "kernel/mm/frames.h"

#define FAN_SHIFT  6
#define FAN        (1U << FAN_SHIFT)
#define PAGE_THERE 1ULL
#define PAGE_DIRTY 2ULL
#define RUN_MAX    512
#define INDEX_MAX  ((uint64_t)INT64_MAX >> PAGE_SHIFT)

struct node {
	uint64_t slot[FAN]; /* a page, or a struct node * */
	unsigned used;
};

struct pagetree {
	struct node *root;
	unsigned height; /* levels; 0: empty */
};

void mapping_init(struct mapping *m, const struct mapping_ops *ops)
{
	*m = (struct mapping){ .ops = ops };
	ref_init(&m->ref);
	mutex_init(&m->lock, &lc_mapping);
	list_init(&m->vmas);
}

struct mapping *mapping_get(struct mapping *m)
{
	ref_get(&m->ref);
	return m;
}

void mapping_put(struct mapping *m)
{
	if (m && ref_put(&m->ref))
		m->ops->release(m);
}

/* --- the tree; all with lc_mapping */

static struct node *node_at(uint64_t slot)
{
	return (struct node *)(uintptr_t)slot;
}

static bool covers(const struct pagetree *t, uint64_t index)
{
	return t->height && (t->height * FAN_SHIFT >= 64 ||
				    index >> (t->height * FAN_SHIFT) == 0);
}

/* The entry of @index; 0: absent. */
static uint64_t page_get(const struct mapping *m, uint64_t index)
{
	const struct pagetree *t = m->pages;
	struct node *n;

	if (!t || !covers(t, index))
		return 0;
	n = t->root;
	for (unsigned l = t->height - 1; l && n; l--)
		n = node_at(n->slot[index >> (l * FAN_SHIFT) & (FAN - 1)]);
	return n ? n->slot[index & (FAN - 1)] : 0;
}

static int tree_raise(struct pagetree *t, uint64_t index)
{
	while (!covers(t, index)) {
		struct node *n = calloc(1, sizeof *n);

		if (!n)
			return -ENOMEM;
		if (t->root) {
			n->slot[0] = (uintptr_t)t->root;
			n->used = 1;
		}
		t->root = n;
		t->height++;
	}
	return 0;
}

/* Where the entry of @index is stored, making the way; NULL on OOM. */
static uint64_t *page_slot(
	struct mapping *m, uint64_t index, struct node **leaf)
{
	struct node *n;

	if (!m->pages) {
		m->pages = calloc(1, sizeof *m->pages);
		if (!m->pages)
			return NULL;
	}
	if (tree_raise(m->pages, index) < 0)
		return NULL;
	n = m->pages->root;
	for (unsigned l = m->pages->height - 1; l; l--) {
		uint64_t *s = &n->slot[index >> (l * FAN_SHIFT) & (FAN - 1)];

		if (!*s) {
			struct node *child = calloc(1, sizeof *child);

			if (!child)
				return NULL;
			*s = (uintptr_t)child;
			n->used++;
		}
		n = node_at(*s);
	}
	*leaf = n;
	return &n->slot[index & (FAN - 1)];
}

/* Puts @pa (its reference moves) at @index, which is absent. */
static int page_set(struct mapping *m, uint64_t index, paddr_t pa)
{
	struct node *leaf;
	uint64_t *s = page_slot(m, index, &leaf);

	if (!s)
		return -ENOMEM;
	*s = pa | PAGE_THERE;
	leaf->used++;
	m->npages++;
	return 0;
}

static void page_mark(struct mapping *m, uint64_t index, bool dirty)
{
	struct node *leaf;
	uint64_t *s = page_slot(m, index, &leaf);

	if (s && (*s & PAGE_THERE))
		*s = dirty ? *s | PAGE_DIRTY : *s & ~PAGE_DIRTY;
}

/* First index at or after @index, at most @last, that has a page; UINT64_MAX.
 */
static uint64_t next_page(const struct node *n, unsigned level, uint64_t base,
	uint64_t index, uint64_t last)
{
	unsigned shift = level * FAN_SHIFT;
	unsigned i = index > base ? (unsigned)((index - base) >> shift) : 0;

	for (; i < FAN; i++) {
		uint64_t at = base + ((uint64_t)i << shift), found;

		if (at > last)
			return UINT64_MAX;
		if (!n->slot[i])
			continue;
		if (!level)
			return at;
		found = next_page(node_at(n->slot[i]), level - 1, at,
			MAX(index, at), last);
		if (found != UINT64_MAX)
			return found;
	}
	return UINT64_MAX;
}

static uint64_t page_next(
	const struct mapping *m, uint64_t index, uint64_t last)
{
	if (!m->pages || !covers(m->pages, index))
		return UINT64_MAX;
	return next_page(m->pages->root, m->pages->height - 1, 0, index, last);
}

/* Frees pages [first, last] below @n; true when @n is empty then. */
static bool drop_pages(struct mapping *m, struct node *n, unsigned level,
	uint64_t base, uint64_t first, uint64_t last, struct frame_batch *b)
{
	unsigned shift = level * FAN_SHIFT;
	unsigned i = first > base ? (unsigned)((first - base) >> shift) : 0;

	for (; i < FAN; i++) {
		uint64_t at = base + ((uint64_t)i << shift);

		if (at > last)
			break;
		if (!n->slot[i])
			continue;
		if (level) {
			struct node *c = node_at(n->slot[i]);

			if (!drop_pages(m, c, level - 1, at, MAX(first, at),
				    last, b))
				continue;
			free(c);
		} else {
			paddr_t pa = n->slot[i] & PAGE_MASK;

			if (!frame_batch_add(b, pa)) {
				frame_batch_put(b);
				(void)frame_batch_add(b, pa); /* has room */
			}
			m->npages--;
		}
		n->slot[i] = 0;
		n->used--;
	}
	return n->used == 0;
}

static void pages_drop(struct mapping *m, uint64_t first, uint64_t last)
{
	struct pagetree *t = m->pages;
	struct frame_batch b;

	b.n = 0;
	if (!t || !covers(t, first))
		return;
	if (drop_pages(m, t->root, t->height - 1, 0, first, last, &b)) {
		free(t->root);
		*t = (struct pagetree){ 0 };
	}
	frame_batch_put(&b);
}

void mapping_fini(struct mapping *m)
{
	if (m->host)
		host_fini(m);
	pages_drop(m, 0, UINT64_MAX);
	free(m->pages);
	m->pages = NULL;
}

/* --- making pages */

/* New zeroed pages from @index on, at most @n: how many, or -ENOMEM. */
HOLDS(lc_mapping)
static int64_t make_pages(struct mapping *m, uint64_t index, uint64_t n)
{
	uint64_t prev = index ? page_get(m, index - 1) : 0, k = 1;
	unsigned got = 0;
	paddr_t pa = 0;

	n = MIN(n, (uint64_t)RUN_MAX);
	while (k < n && !page_get(m, index + k))
		k++;
	if (prev) {
		pa = (prev & PAGE_MASK) + PAGE_SIZE;
		got = frames_alloc_at(pa, (unsigned)k);
	}
	if (!got) {
		unsigned want = 1U << (31 - __builtin_clz((unsigned)k));

		pa = frame_alloc_run(want, &got);
		if (pa == PADDR_NONE)
			return -ENOMEM;
	}
	for (unsigned i = 0; i < got; i++)
		if (page_set(m, index + i, pa + i * PAGE_SIZE) < 0) {
			frames_put(pa + i * PAGE_SIZE, got - i);
			return i ? (int64_t)i : -ENOMEM;
		}
	return got;
}

/* The entry of @index, read or made when absent (@ahead: and that many more, if
 * cheap). */
HOLDS(lc_mapping)
static int make_page(
	struct mapping *m, uint64_t index, uint64_t ahead, uint64_t *entry)
{
	int64_t got;
	int err;

	*entry = page_get(m, index);
	if (*entry)
		return 0;
	got = make_pages(m, index, m->ops->fill ? 1 : ahead);
	if (got < 0)
		return (int)got;
	*entry = page_get(m, index);
	if (!m->ops->fill)
		return 0;
	err = m->ops->fill(m, index, phys_ptr(*entry & PAGE_MASK));
	if (err)
		pages_drop(m, index, index);
	return err;
}

/* Pages below the end of the object, from @index on: 0 beyond it. */
HOLDS(lc_mapping)
static uint64_t pages_left(struct mapping *m, uint64_t index)
{
	uint64_t n = INDEX_MAX;

	if (m->ops->size)
		n = ((uint64_t)m->ops->size(m) + PAGE_SIZE - 1) >> PAGE_SHIFT;
	return index < n ? n - index : 0;
}

/* How many pages are absent from @index on. */
HOLDS(lc_mapping)
static int absent_run(
	struct mapping *m, uint64_t index, uint64_t n, uint64_t *got)
{
	uint64_t next = page_next(m, index, index + n - 1);

	*got = next == UINT64_MAX ? n : next - index;
	return -ENOENT;
}

int mapping_frames(struct mapping *m, uint64_t index, uint64_t n, unsigned how,
	paddr_t *pa, uint64_t *got)
{
	uint64_t left, entry, k = 1;
	int err = 0;

	if (m->host)
		return host_frames(m, index, n, pa, got);
	mapping_lock(m);
	left = pages_left(m, index);
	entry = page_get(m, index);
	if (!left)
		err = -EFAULT;
	else if (!entry && !(how & FRAMES_MAKE))
		err = absent_run(m, index, MIN(n, left), got);
	else if (!entry)
		err = make_page(
			m, index, m->ops->size ? 1 : MIN(n, left), &entry);
	if (err) {
		mapping_unlock(m);
		return err;
	}
	n = MIN(n, left);
	*pa = entry & PAGE_MASK;
	while (k < n && (page_get(m, index + k) & ~PAGE_DIRTY) ==
				((*pa + k * PAGE_SIZE) | PAGE_THERE))
		k++;
	if (how & FRAMES_WRITE)
		for (uint64_t i = 0; i < (m->ops->writeback ? k : 0); i++)
			page_mark(m, index + i, true);
	frames_get(*pa, (unsigned)k);
	*got = k;
	mapping_unlock(m);
	return 0;
}

int mapping_frame(struct mapping *m, uint64_t index, bool write, paddr_t *pa,
	uint64_t *run)
{
	int err = mapping_frames(m, index, write ? 1 : RUN_MAX,
		FRAMES_MAKE | (write ? FRAMES_WRITE : 0), pa, run);

	if (!err && *run > 1)
		frames_put(*pa + PAGE_SIZE, (unsigned)*run - 1);
	return err;
}

/* --- read and write */

ssize_t mapping_read(
	struct mapping *m, struct uio *to, int64_t pos, int64_t size)
{
	ssize_t done = 0;
	int err = 0;

	mapping_lock(m);
	while (pos < size && uio_left(to) && !err) {
		size_t off = (size_t)pos & (PAGE_SIZE - 1);
		size_t n = MIN(PAGE_SIZE - off, uio_left(to)), k;
		uint64_t index = (uint64_t)pos >> PAGE_SHIFT, e;

		n = (size_t)MIN((int64_t)n, size - pos);
		e = page_get(m, index);
		if (!e && m->ops->fill)
			err = make_page(m, index, 1, &e);
		if (err)
			break;
		if (e)
			k = uio_put(
				to, (char *)phys_ptr(e & PAGE_MASK) + off, n);
		else
			k = uio_put_zero(to, n);
		done += (ssize_t)k;
		pos += (int64_t)k;
		if (k < n)
			err = -EFAULT;
	}
	mapping_unlock(m);
	return done ? done : err;
}

ssize_t mapping_write(struct mapping *m, struct uio *from, int64_t pos)
{
	uint64_t made = UINT64_MAX,
		 made_end = 0; /* pages that were not there */
	ssize_t done = 0;
	int err = 0;

	mapping_lock(m);
	while (uio_left(from) && !err) {
		size_t off = (size_t)pos & (PAGE_SIZE - 1);
		size_t n = MIN(PAGE_SIZE - off, uio_left(from)), k;
		uint64_t index = (uint64_t)pos >> PAGE_SHIFT, e;
		bool absent = !page_get(m, index);

		/* A page that is overwritten whole need not be read. */
		if (absent && (!m->ops->fill || n == PAGE_SIZE)) {
			uint64_t want =
				(off + uio_left(from) + PAGE_SIZE - 1) >>
				PAGE_SHIFT;
			int64_t got =
				make_pages(m, index, m->ops->fill ? 1 : want);

			err = got < 0 ? (int)got : 0;
			if (err)
				break;
			made = index;
			made_end = index + (uint64_t)got;
			e = page_get(m, index);
		} else {
			err = make_page(m, index, 1, &e);
			if (err)
				break;
		}
		k = uio_get(from, (char *)phys_ptr(e & PAGE_MASK) + off, n);
		done += (ssize_t)k;
		pos += (int64_t)k;
		if (m->ops->writeback && k)
			page_mark(m, index, true);
		if (k < n)
			err = -EFAULT;
	}
	/* Pages made for bytes that did not come. */
	if (err && made != UINT64_MAX) {
		made = MAX(made, ((uint64_t)pos + PAGE_SIZE - 1) >> PAGE_SHIFT);
		if (made < made_end)
			pages_drop(m, made, made_end - 1);
	}
	mapping_unlock(m);
	return done ? done : err;
}

/* --- out of address spaces */

struct unmap {
	struct mapping *m;
	struct vma *v;
	struct frame_batch batch;
	bool even_private;
	uint64_t first, last;
};

HOLDS(lc_mapping)
static int unmap_entry(void *arg, uint64_t va, pte_t *pte)
{
	struct unmap *u = arg;
	paddr_t pa = *pte & PTE_ADDR;

	if (!(*pte & PTE_P))
		return 0;
	if (!u->even_private && vma_is_cow(u->v) && !phys_is_window(pa) &&
		(page_get(u->m, vma_offset(u->v, va) >> PAGE_SHIFT) &
			PAGE_MASK) != pa)
		return 0; /* a private copy stays */
	if (!frame_batch_add(&u->batch, pa))
		return 1;
	ptable_clear(&u->v->mm->as.pt, va);
	u->first = MIN(u->first, va);
	u->last = va + PAGE_SIZE;
	return 0;
}

HOLDS(lc_mapping)
static void unmap_vma(struct mapping *m, struct vma *v, uint64_t start,
	uint64_t end, bool even_private)
{
	struct unmap u = { .m = m, .v = v, .even_private = even_private };
	int more;

	mm_active_write(&v->mm->as);
	do {
		u.first = UINT64_MAX;
		more = ptable_walk(&v->mm->as.pt, start, end, unmap_entry, &u);
		if (u.first == UINT64_MAX)
			break;
		mm_sync(v->mm, u.first, u.last);
		frame_batch_put(&u.batch);
		start = u.last;
	} while (more);
	mm_active_write_done(&v->mm->as);
}

/* Pages [first, last] of every vma. */
HOLDS(lc_mapping)
static void unmap_pages(
	struct mapping *m, uint64_t first, uint64_t last, bool even_private)
{
	struct vma *v;

	atomic_fetch_add(&m->unmap_seq, 1);
	list_for_each (v, &m->vmas, mapped) {
		uint64_t vfirst = v->off >> PAGE_SHIFT;
		uint64_t vlast = vfirst + vma_pages(v) - 1;
		uint64_t s = MAX(first, vfirst), e = MIN(last, vlast);

		if (s <= e)
			unmap_vma(m, v, v->start + ((s - vfirst) << PAGE_SHIFT),
				v->start + ((e - vfirst + 1) << PAGE_SHIFT),
				even_private);
	}
}

/* Zeroes [start, end), which lies in one page. */
HOLDS(lc_mapping)
static void zero_part(struct mapping *m, int64_t start, int64_t end)
{
	uint64_t index = (uint64_t)start >> PAGE_SHIFT, e = page_get(m, index);

	if (!e || start >= end)
		return;
	memset((char *)phys_ptr(e & PAGE_MASK) + (start & (PAGE_SIZE - 1)), 0,
		(size_t)(end - start));
	if (m->ops->writeback)
		page_mark(m, index, true);
}

/* Is everything from @start on beyond the end, or about to be? */
HOLDS(lc_mapping)
static bool truncates(struct mapping *m, int64_t start, int64_t end)
{
	return end == INT64_MAX || (m->ops->size && m->ops->size(m) <= start);
}

void mapping_punch(struct mapping *m, int64_t start, int64_t end)
{
	int64_t from = (int64_t)ALIGN_UP((uint64_t)start, PAGE_SIZE), to;
	bool all;

	if (start < 0 || start >= end)
		return;
	mapping_lock(m);
	all = truncates(m, start, end);
	to = all ? INT64_MAX : (int64_t)ALIGN_DOWN((uint64_t)end, PAGE_SIZE);
	if (from > to) {
		zero_part(m, start, end);
	} else {
		zero_part(m, start, from);
		if (!all)
			zero_part(m, to, end);
	}
	if (from < to) {
		uint64_t first = (uint64_t)from >> PAGE_SHIFT;
		uint64_t last = ((uint64_t)to - 1) >> PAGE_SHIFT;

		unmap_pages(m, first, last, all);
		pages_drop(m, first, last);
	}
	mapping_unlock(m);
}

void mapping_unmap(struct mapping *m, int64_t start, int64_t end)
{
	if (start < 0 || start >= end)
		return;
	mapping_lock(m);
	unmap_pages(m, ((uint64_t)start + PAGE_SIZE - 1) >> PAGE_SHIFT,
		((uint64_t)end - 1) >> PAGE_SHIFT, end == INT64_MAX);
	mapping_unlock(m);
}

/* --- the rest */

/* Can a guest write to pages through the page table, without our notice? */
HOLDS(lc_mapping)
static bool written_unseen(struct mapping *m)
{
	struct vma *v;

	list_for_each (v, &m->vmas, mapped)
		if (!vma_is_cow(v) && (v->flags & VM_MAYWRITE))
			return true;
	return false;
}

int mapping_seal(struct mapping *m, bool all)
{
	int err = 0;

	mapping_lock(m);
	if (all && written_unseen(m))
		err = -EBUSY;
	else
		m->sealed = true;
	mapping_unlock(m);
	return err;
}

int mapping_sync(struct mapping *m, int64_t start, int64_t end)
{
	uint64_t last = end > 0 ? ((uint64_t)end - 1) >> PAGE_SHIFT : 0;
	uint64_t i = (uint64_t)start >> PAGE_SHIFT;
	int err = 0;
	bool keep;

	if (start < 0 || start >= end || !m->ops->writeback || m->host)
		return 0;
	mapping_lock(m);
	keep = written_unseen(m);
	for (; !err && (i = page_next(m, i, last)) != UINT64_MAX; i++) {
		uint64_t e = page_get(m, i);
		int64_t size = m->ops->size ? m->ops->size(m) : INT64_MAX;
		int64_t n = size - (int64_t)(i << PAGE_SHIFT);

		if (!(e & PAGE_DIRTY) || n <= 0)
			continue;
		err = m->ops->writeback(m, i, phys_ptr(e & PAGE_MASK),
			(size_t)MIN(n, (int64_t)PAGE_SIZE));
		if (!err && !keep)
			page_mark(m, i, false);
	}
	mapping_unlock(m);
	return err;
}

void mapping_reread(struct mapping *m, int64_t start, int64_t end)
{
	uint64_t last = end > 0 ? ((uint64_t)end - 1) >> PAGE_SHIFT : 0;
	uint64_t i = (uint64_t)start >> PAGE_SHIFT;
	char fresh[PAGE_SIZE];

	if (start < 0 || start >= end || !m->ops->fill || m->host)
		return;
	mapping_lock(m);
	for (; (i = page_next(m, i, last)) != UINT64_MAX; i++) {
		char *page = phys_ptr(page_get(m, i) & PAGE_MASK);
		int64_t at = (int64_t)(i << PAGE_SHIFT);
		int64_t from = MAX(start, at) - at;
		int64_t to = MIN(end - at, (int64_t)PAGE_SIZE);

		memset(fresh, 0, sizeof fresh);
		if (!m->ops->fill(m, i, fresh)) {
			memcpy(page + from, fresh + from, (size_t)(to - from));
		} else {
			unmap_pages(m, i, i, false);
			pages_drop(m, i, i);
		}
	}
	mapping_unlock(m);
}

int64_t mapping_seek(struct mapping *m, int64_t pos, int64_t size, bool data)
{
	uint64_t i, last;

	if (pos < 0 || pos >= size)
		return -ENXIO;
	i = (uint64_t)pos >> PAGE_SHIFT;
	last = ((uint64_t)size - 1) >> PAGE_SHIFT;
	mapping_lock(m);
	if (data) {
		i = page_next(m, i, last);
	} else {
		while (i <= last && page_get(m, i))
			i++;
	}
	mapping_unlock(m);
	if (data && i == UINT64_MAX)
		return -ENXIO;
	if (i > last)
		return size;
	return MAX(pos, (int64_t)(i << PAGE_SHIFT));
}

int mapping_allocate(struct mapping *m, int64_t start, int64_t end)
{
	uint64_t i = (uint64_t)start >> PAGE_SHIFT;
	uint64_t last = ((uint64_t)end - 1) >> PAGE_SHIFT, e;
	int err = 0;

	if (start < 0 || start >= end)
		return -EINVAL;
	while (!err && i <= last) {
		/* In pieces: others may want the lock. */
		uint64_t stop = MIN(last, i + RUN_MAX - 1);

		mapping_lock(m);
		for (; !err && i <= stop; i++)
			err = make_page(m, i, stop - i + 1, &e);
		mapping_unlock(m);
	}
	return err;
}

static void anon_release(struct mapping *m)
{
	mapping_fini(m);
	free(m);
}

static const struct mapping_ops anon_ops = {
	.release = anon_release,
};

int mapping_new_anon(struct mapping **out)
{
	struct mapping *m = malloc(sizeof *m);

	if (!m)
		return -ENOMEM;
	mapping_init(m, &anon_ops);
	*out = m;
	return 0;
}
