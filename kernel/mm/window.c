/*
 * window.c - windows: 2 MiB of a host file, mapped into the physical space.
 *
 * One window serves one (file, offset) for everybody, found by a hash.  Its
 * references count the pages that page tables map and the pins of host I/O;
 * with none it stays mapped, on the LRU list, until windows are scarce.  A
 * window whose file went away while a pin was held is an orphan, and is
 * unmapped by the last put.
 *
 * Field letters:  I  constant    a  atomic    unlettered: lc_windows
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/list.h"
#include "core/log.h"
#include "kernel/mm/fault.h"
#include "kernel/mm/frames.h"

#define HASH_BITS 16
#define MAPPED_MAX \
	24576 /* vm.max_map_count is shared with malloc and threads */
#define WINDOW_PAGES (WINDOW_SIZE >> PAGE_SHIFT)

/* A file on the host. */
struct host_map {
	struct ref ref;   /* its mapping, and each window */
	int hfd, old_hfd; /* old: before the upgrade; a batch may still name it
			   */
	bool writable;
	bool noexec; /* I */
	struct list windows;
};

struct window {
	atomic_uint refs; /* a; from 0 only under the lock */
	bool on_lru;
	struct host_map *host; /* reference; NULL: free */
	bool orphan;
	uint64_t index; /* offset / WINDOW_SIZE */
	uint32_t next;  /* in its bucket or the free list, plus 1 */
	struct list lru, of_host;
};

static struct windows {
	struct mutex lock;
	struct window *win;
	uint32_t n, next_fresh, free, mapped;
	uint32_t hash[1 << HASH_BITS];
	struct list lru;
} ws;
LOCK_OPS(windows, struct windows, lock)

static paddr_t window_pa(const struct window *w)
{
	return phys_memfile_size + (paddr_t)(w - ws.win) * WINDOW_SIZE;
}

static struct window *window_of(paddr_t pa)
{
	return &ws.win[(pa - phys_memfile_size) / WINDOW_SIZE];
}

static uint32_t *bucket(const struct host_map *h, uint64_t index)
{
	uint64_t k = ((uint64_t)(uintptr_t)h >> 4) + index;

	return &ws.hash[k * 0x9e3779b97f4a7c15ULL >> (64 - HASH_BITS)];
}

HOLDS(lc_windows)
static void unhash(struct window *w)
{
	uint32_t *p = bucket(w->host, w->index),
		 no = (uint32_t)(w - ws.win) + 1;

	while (*p && *p != no)
		p = &ws.win[*p - 1].next;
	if (*p)
		*p = w->next;
}

static void host_put(struct host_map *h)
{
	if (!ref_put(&h->ref))
		return;
	close(h->hfd);
	if (h->old_hfd >= 0)
		close(h->old_hfd);
	free(h);
}

/* Takes the window from its file.  The file's reference is the caller's to put.
 */
HOLDS(lc_windows)
static struct host_map *window_free(struct window *w)
{
	struct host_map *h = w->host;

	if (!w->orphan)
		unhash(w);
	if (w->on_lru)
		list_del(&w->lru);
	list_del(&w->of_host);
	phys_window_unmap(window_pa(w));
	w->on_lru = w->orphan = false;
	w->host = NULL;
	w->next = ws.free;
	ws.free = (uint32_t)(w - ws.win) + 1;
	ws.mapped--;
	return h;
}

void window_get(paddr_t pa, unsigned n)
{
	while (n) {
		unsigned k = (unsigned)((WINDOW_SIZE - pa % WINDOW_SIZE) >>
					PAGE_SHIFT);

		k = MIN(k, n);
		atomic_fetch_add(&window_of(pa)->refs, k);
		pa += (paddr_t)k << PAGE_SHIFT;
		n -= k;
	}
}

static void window_idle(struct window *w)
{
	struct host_map *dead = NULL;

	windows_lock(&ws);
	if (atomic_load(&w->refs) == 0 && w->host && !w->on_lru) {
		if (w->orphan) {
			dead = window_free(w);
		} else {
			list_add_tail(&ws.lru, &w->lru);
			w->on_lru = true;
		}
	}
	windows_unlock(&ws);
	if (dead)
		host_put(dead);
}

void window_put(paddr_t pa, unsigned n)
{
	while (n) {
		unsigned k = (unsigned)((WINDOW_SIZE - pa % WINDOW_SIZE) >>
					PAGE_SHIFT);
		struct window *w = window_of(pa);
		unsigned old;

		k = MIN(k, n);
		old = atomic_fetch_sub(&w->refs, k);
		bug_on(old < k);
		if (old == k)
			window_idle(w);
		pa += (paddr_t)k << PAGE_SHIFT;
		n -= k;
	}
}

unsigned window_refs(paddr_t pa)
{
	return atomic_load(&window_of(pa)->refs);
}

HOLDS(lc_windows)
static struct window *find(struct host_map *h, uint64_t index)
{
	for (uint32_t no = *bucket(h, index); no; no = ws.win[no - 1].next)
		if (ws.win[no - 1].host == h && ws.win[no - 1].index == index)
			return &ws.win[no - 1];
	return NULL;
}

/* A window that is mapped nowhere; *@dead: a file to put later. */
HOLDS(lc_windows)
static struct window *take(struct host_map **dead)
{
	struct window *w;

	if (ws.mapped >= MAPPED_MAX || (!ws.free && ws.next_fresh == ws.n)) {
		/* GAP: windows that are all in use are not taken away. */
		w = list_first(&ws.lru, struct window, lru);
		if (!w)
			return NULL;
		*dead = window_free(w);
	}
	if (ws.free) {
		w = &ws.win[ws.free - 1];
		ws.free = w->next;
		return w;
	}
	w = &ws.win[ws.next_fresh++];
	list_init(&w->lru);
	list_init(&w->of_host);
	return w;
}

HOLDS(lc_windows)
static int map_new(struct host_map *h, uint64_t index, struct window **out,
	struct host_map **dead)
{
	struct window *w = take(dead);
	uint32_t *b = bucket(h, index);
	int err;

	if (!w)
		return -ENOMEM;
	err = phys_window_map(window_pa(w), h->hfd, index * WINDOW_SIZE,
		WINDOW_SIZE, h->writable);
	if (err) {
		w->next = ws.free;
		ws.free = (uint32_t)(w - ws.win) + 1;
		return err;
	}
	ref_get(&h->ref);
	w->host = h;
	w->index = index;
	w->next = *b;
	*b = (uint32_t)(w - ws.win) + 1;
	list_add(&h->windows, &w->of_host);
	ws.mapped++;
	*out = w;
	return 0;
}

int host_frames(struct mapping *m, uint64_t index, uint64_t n, paddr_t *pa,
	uint64_t *got)
{
	uint64_t first = index % WINDOW_PAGES;
	struct host_map *h = m->host, *dead = NULL;
	struct window *w;
	int err = 0;

	n = MIN(n, WINDOW_PAGES - first);
	windows_lock(&ws);
	w = find(h, index / WINDOW_PAGES);
	if (!w)
		err = map_new(h, index / WINDOW_PAGES, &w, &dead);
	if (!err) {
		atomic_fetch_add(&w->refs, (unsigned)n);
		if (w->on_lru)
			list_del(&w->lru);
		w->on_lru = false;
		*pa = window_pa(w) + (first << PAGE_SHIFT);
		*got = n;
	}
	windows_unlock(&ws);
	if (dead)
		host_put(dead);
	return err;
}

bool host_noexec(const struct mapping *m)
{
	return m->host && m->host->noexec;
}

LOCKS_UNCHECKED /* only ever becomes true */
	bool
	host_writable(const struct mapping *m)
{
	return m->host->writable;
}

static int windows_init(void)
{
	size_t n = (phys_size - phys_memfile_size) / WINDOW_SIZE;
	void *p = mmap(NULL, n * sizeof *ws.win, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -ENOMEM;
	ws.win = p;
	ws.n = (uint32_t)n;
	list_init(&ws.lru);
	mutex_init(&ws.lock, &lc_windows);
	return 0;
}

int window_init(void)
{
	return ws.win ? 0 : windows_init();
}

static void host_release(struct mapping *m)
{
	mapping_fini(m);
	free(m);
}

static const struct mapping_ops host_ops = {
	.release = host_release,
};

/* Does the host let us map @hfd at all? */
static int probe(int hfd, bool writable)
{
	void *p = mmap(NULL, PAGE_SIZE, PROT_READ | (writable ? PROT_WRITE : 0),
		MAP_SHARED, hfd, 0);

	if (p == MAP_FAILED)
		return errno == ENOMEM ? -ENOMEM : -ENODEV;
	munmap(p, PAGE_SIZE);
	return 0;
}

int mapping_new_host(int hfd, bool writable, struct mapping **out)
{
	struct mapping *m = malloc(sizeof *m);
	struct host_map *h = malloc(sizeof *h);
	struct statvfs fs;
	int err = m && h ? probe(hfd, writable) : -ENOMEM;

	if (err) {
		free(m);
		free(h);
		return err;
	}
	*h = (struct host_map){
		.hfd = hfd, .old_hfd = -1, .writable = writable
	};
	ref_init(&h->ref);
	list_init(&h->windows);
	h->noexec = fstatvfs(hfd, &fs) == 0 && (fs.f_flag & ST_NOEXEC);
	mapping_init(m, &host_ops);
	m->host = h;
	*out = m;
	return 0;
}

int mapping_host_upgrade(struct mapping *m, int hfd)
{
	struct host_map *h = m->host;
	struct window *w;
	int err = h->writable ? 0 : probe(hfd, true);

	if (err)
		return err;
	windows_lock(&ws);
	if (h->writable) {
		windows_unlock(&ws);
		close(hfd);
		return 0;
	}
	list_for_each (w, &h->windows, of_host) {
		err = phys_window_map(window_pa(w), hfd, w->index * WINDOW_SIZE,
			WINDOW_SIZE, true);
		if (err)
			break;
	}
	if (!err) {
		h->old_hfd = h->hfd;
		h->hfd = hfd;
		h->writable = true;
	}
	windows_unlock(&ws);
	return err;
}

void host_fini(struct mapping *m)
{
	struct host_map *h = m->host;
	struct window *w, *next;
	unsigned freed = 0;

	windows_lock(&ws);
	list_for_each_safe(w, next, &h->windows, of_host)
	{
		if (atomic_load(&w->refs) == 0) {
			(void)window_free(w); /* h: counted, put below */
			freed++;
		} else {
			unhash(w);
			w->orphan = true;
		}
	}
	windows_unlock(&ws);
	m->host = NULL;
	while (freed--)
		host_put(h);
	host_put(h);
}
