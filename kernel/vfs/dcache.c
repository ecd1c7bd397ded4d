/*
 * dcache.c - the cache of names.
 *
 * Theory of operation
 *
 * States: a dentry is hashed (a lookup finds it) or unhashed (its name is
 * deleted, or was replaced).  Used: somebody holds a reference; a child counts
 * as somebody.  An unused hashed one stays on the LRU until there are
 * more than LRU_MAX, or its super goes.  It is left on the list when it gets
 * used again; the pruner sorts that out, so that looking up a cached name and
 * dropping it again never writes to shared lists.
 *
 * Locks: dcache.lock.  dentry_put() to 0 needs it shared (the dentry is on the
 * LRU already) or exclusive (it goes on the LRU, or dies).  Between the moment
 * that the count falls to 0 and the end of the lock nobody can kill it.
 *
 * Inodes are put after the lock is dropped: their release may ask the gofer.
 */
#include "kernel/vfs/dcache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/inotify.h"

#define BUCKETS_FIRST 512
#define BUCKETS_MAX   (1u << 20)
#define LRU_MAX       16384
#define LRU_BATCH     64

struct dcache dcache;

static struct list *buckets_new(size_t n)
{
	struct list *b = malloc(n * sizeof *b);

	for (size_t i = 0; b && i < n; i++)
		list_init(&b[i]);
	return b;
}

void dcache_init(void)
{
	rwlock_init(&dcache.lock, &lc_dcache);
	dcache_write(&dcache);
	dcache.bucket = buckets_new(BUCKETS_FIRST);
	bug_on(!dcache.bucket);
	dcache.nbuckets = BUCKETS_FIRST;
	list_init(&dcache.lru);
	dcache_write_done(&dcache);
}

static uint32_t name_hash(
	const struct dentry *parent, const char *name, size_t len)
{
	uint64_t h = (uintptr_t)parent >> 4;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * 0x100000001b3ULL;
	h ^= h >> 32;
	return (uint32_t)(h * 0x9e3779b1u >> 3);
}

HOLDS_SHARED(lc_dcache)
static struct list *bucket_of(uint32_t hash)
{
	return &dcache.bucket[hash & (dcache.nbuckets - 1)];
}

/* Doubles the table when it is full; stays as it is without memory. */
HOLDS(lc_dcache)
static void hash_grow(void)
{
	size_t n = dcache.nbuckets * 2, old = dcache.nbuckets;
	struct list *b, *from = dcache.bucket;

	if (dcache.n < old || n > BUCKETS_MAX)
		return;
	b = buckets_new(n);
	if (!b)
		return;
	dcache.bucket = b;
	dcache.nbuckets = n;
	for (size_t i = 0; i < old; i++)
		while (!list_empty(&from[i])) {
			struct dentry *d = list_entry(
				from[i].next, struct dentry, hash_link);

			list_del(&d->hash_link);
			list_add(bucket_of(d->hash), &d->hash_link);
		}
	free(from);
}

HOLDS(lc_dcache)
static void dentry_hash(struct dentry *d)
{
	d->hash = name_hash(d->parent, d->name, d->len);
	list_add(bucket_of(d->hash), &d->hash_link);
	d->unhashed = false;
	dcache.n++;
	hash_grow();
}

HOLDS(lc_dcache)
static void dentry_unhash(struct dentry *d)
{
	if (d->unhashed)
		return;
	list_del(&d->hash_link);
	d->unhashed = true;
	dcache.n--;
}

HOLDS(lc_dcache)
static void lru_del(struct dentry *d)
{
	if (list_empty(&d->lru))
		return;
	list_del(&d->lru);
	dcache.nlru--;
}

/* Nobody refers to @d any more: onto the LRU, or with its free parents to
 * @dead. */
HOLDS(lc_dcache)
static void dentry_retire(struct dentry *d, struct list *dead)
{
	for (;;) {
		struct dentry *parent = d->parent;

		if (!d->unhashed && !d->sb->uncached) {
			d->referenced = true;
			if (list_empty(&d->lru)) {
				list_add(&dcache.lru, &d->lru);
				dcache.nlru++;
			}
			return;
		}
		dentry_unhash(d);
		lru_del(d);
		list_del(&d->sibling);
		list_add_tail(dead, &d->lru);
		if (parent == d || !ref_put(&parent->ref))
			return;
		d = parent;
	}
}

/* Takes the oldest unused names out of the cache, until @keep are left. */
HOLDS(lc_dcache)
static void lru_prune(struct list *dead, size_t keep, size_t tries)
{
	for (size_t i = 0; i < tries && dcache.nlru > keep; i++) {
		struct dentry *d =
			list_entry(dcache.lru.prev, struct dentry, lru);

		lru_del(d);
		if (atomic_load(&d->ref.n))
			continue; /* it comes back when it is put */
		if (d->referenced) {
			d->referenced = false;
			list_add(&dcache.lru, &d->lru);
			dcache.nlru++;
			continue;
		}
		dentry_unhash(d);
		dentry_retire(d, dead);
	}
}

LOCKS_UNCHECKED /* the dead belong to nobody else */
	static void
	dispose(struct list *dead)
{
	while (!list_empty(dead)) {
		struct dentry *d = list_entry(dead->next, struct dentry, lru);

		list_del(&d->lru);
		notify_dead(d->inode);
		inode_put(d->inode);
		if (d->name != d->inline_name)
			free(d->name);
		free(d);
	}
}

struct dentry *dentry_get(struct dentry *d)
{
	ref_get(&d->ref);
	return d;
}

/* Drops a reference that is not the last one, or one of a cached name. */
static bool put_fast(struct dentry *d)
{
	int n = atomic_load_explicit(&d->ref.n, memory_order_relaxed);
	bool done;

	while (n > 1)
		if (atomic_compare_exchange_weak(&d->ref.n, &n, n - 1))
			return true;
	dcache_read(&dcache);
	done = !d->unhashed && !list_empty(&d->lru) && !d->sb->uncached;
	if (done) {
		if (!d->referenced)
			d->referenced = true;
		atomic_fetch_sub(&d->ref.n, 1); /* 0: it is on the LRU */
	}
	dcache_read_done(&dcache);
	return done;
}

void dentry_put(struct dentry *d)
{
	struct list dead;

	if (!d || put_fast(d))
		return;
	list_init(&dead);
	dcache_write(&dcache);
	if (ref_put(&d->ref))
		dentry_retire(d, &dead);
	lru_prune(&dead, LRU_MAX, LRU_BATCH);
	dcache_write_done(&dcache);
	dispose(&dead);
}

void dcache_prune(size_t n)
{
	struct list dead;
	size_t have;

	list_init(&dead);
	dcache_write(&dcache);
	have = dcache.nlru;
	/* Each gets its second chance, and is met again. */
	lru_prune(&dead, have > n ? have - n : 0, 2 * have);
	dcache_write_done(&dcache);
	dispose(&dead);
}

/* A new one, not linked to anything but its parent. */
LOCKS_UNCHECKED /* not published */
	static struct dentry *
	dentry_alloc(struct super *sb, struct dentry *parent, const char *name,
		size_t len)
{
	struct dentry *d = calloc(1, sizeof *d);

	if (!d)
		return NULL;
	d->name = d->inline_name;
	if (len >= sizeof d->inline_name)
		d->name = malloc(len + 1);
	if (!d->name) {
		free(d);
		return NULL;
	}
	memcpy(d->name, name, len);
	d->name[len] = 0;
	d->len = (uint16_t)len;
	d->sb = sb;
	d->parent = parent ? dentry_get(parent) : d;
	d->unhashed = true;
	ref_init(&d->ref);
	list_init(&d->hash_link);
	list_init(&d->sibling);
	list_init(&d->children);
	list_init(&d->lru);
	return d;
}

LOCKS_UNCHECKED /* not published */
	struct dentry *
	dentry_new_root(struct super *sb)
{
	struct dentry *d = dentry_alloc(sb, NULL, "/", 1);

	if (d)
		d->inode = inode_get(sb->root);
	return d;
}

struct dentry *dentry_peek(struct dentry *parent, const char *name, size_t len)
{
	uint32_t hash = name_hash(parent, name, len);
	struct dentry *d;

	list_for_each (d, bucket_of(hash), hash_link)
		if (d->hash == hash && d->parent == parent && d->len == len &&
			memcmp(d->name, name, len) == 0)
			return d;
	return NULL;
}

struct dentry *dentry_find(struct dentry *parent, const char *name, size_t len)
{
	struct dentry *d;

	dcache_read(&dcache);
	d = dentry_peek(parent, name, len);
	if (d)
		ref_get(&d->ref);
	dcache_read_done(&dcache);
	return d;
}

struct dentry *dentry_add(
	struct dentry *parent, const char *name, size_t len, struct inode *in)
{
	struct dentry *d = dentry_alloc(parent->sb, parent, name, len);

	if (!d) {
		inode_put(in);
		return NULL;
	}
	dcache_write(&dcache);
	d->inode = in;
	list_add(&parent->children, &d->sibling);
	dentry_hash(d);
	dcache_write_done(&dcache);
	return d;
}

LOCKS_UNCHECKED /* not published */
	struct dentry *
	dentry_nameless(struct dentry *parent, const char *name, size_t len,
		struct inode *in)
{
	struct dentry *d = dentry_alloc(parent->sb, parent, name, len);

	if (!d) {
		inode_put(in);
		return NULL;
	}
	d->inode = in;
	dcache_write(&dcache);
	list_add(&parent->children, &d->sibling);
	dcache_write_done(&dcache);
	return d;
}

void dentry_instantiate(struct dentry *d, struct inode *in)
{
	dcache_write(&dcache);
	bug_on(d->inode);
	__atomic_store_n(&d->inode, in, __ATOMIC_RELEASE);
	dcache_write_done(&dcache);
}

void dentry_drop(struct dentry *d)
{
	dcache_write(&dcache);
	dentry_unhash(d);
	dcache_write_done(&dcache);
}

/* The next of a walk through the tree below @top, children before parents. */
HOLDS_SHARED(lc_dcache)
static struct dentry *leaf_of(struct dentry *d)
{
	while (!list_empty(&d->children))
		d = list_entry(d->children.next, struct dentry, sibling);
	return d;
}

HOLDS_SHARED(lc_dcache)
static struct dentry *post_next(struct dentry *d, const struct dentry *top)
{
	struct dentry *parent = d->parent;

	if (d == top)
		return NULL;
	if (d->sibling.next != &parent->children)
		return leaf_of(
			list_entry(d->sibling.next, struct dentry, sibling));
	return parent;
}

void dentry_invalidate(struct dentry *top)
{
	struct list dead;
	struct dentry *d, *next;

	list_init(&dead);
	dcache_write(&dcache);
	/* @top is the caller's, so its parents stay while leaves die. */
	for (d = leaf_of(top); d != top; d = next) {
		next = post_next(d, top);
		if (d->nmounts || d->synthetic)
			continue;
		dentry_unhash(d);
		if (!atomic_load(&d->ref.n)) {
			/* Keep the parent until its turn comes. */
			struct dentry *parent = d->parent;

			ref_get(&parent->ref);
			dentry_retire(d, &dead);
			atomic_fetch_sub(&parent->ref.n, 1);
		}
	}
	if (!top->synthetic)
		dentry_unhash(top);
	dcache_write_done(&dcache);
	dispose(&dead);
}

/* A copy of the name, or what is in the dentry itself. */
static int name_store(
	struct dentry *d, const char *name, size_t len, char **heap)
{
	*heap = NULL;
	if (len < sizeof d->inline_name)
		return 0;
	*heap = strndup(name, len);
	return *heap ? 0 : -ENOMEM;
}

HOLDS(lc_dcache)
static char *name_swap(
	struct dentry *d, const char *name, size_t len, char *heap)
{
	char *old = d->name == d->inline_name ? NULL : d->name;

	d->name = heap ? heap : d->inline_name;
	if (!heap) {
		memcpy(d->name, name, len);
		d->name[len] = 0;
	}
	d->len = (uint16_t)len;
	return old;
}

int dentry_rename(
	struct dentry *d, struct dentry *parent, const char *name, size_t len)
{
	struct dentry *old;
	char *heap;

	if (name_store(d, name, len, &heap))
		return -ENOMEM;
	dcache_write(&dcache);
	dentry_unhash(d);
	heap = name_swap(d, name, len, heap);
	old = d->parent;
	d->parent = dentry_get(parent);
	list_del(&d->sibling);
	list_add(&parent->children, &d->sibling);
	dentry_hash(d);
	dcache_write_done(&dcache);
	free(heap);
	dentry_put(old);
	return 0;
}

int dentry_exchange(struct dentry *a, struct dentry *b)
{
	char na[256], nb[256], *ha, *hb;
	struct dentry *pa;
	size_t la, lb;

	dcache_write(&dcache);
	la = a->len;
	lb = b->len;
	memcpy(na, a->name, la);
	memcpy(nb, b->name, lb);
	dcache_write_done(&dcache); /* the dir locks keep the names */
	if (name_store(a, nb, lb, &ha))
		return -ENOMEM;
	if (name_store(b, na, la, &hb)) {
		free(ha);
		return -ENOMEM;
	}
	dcache_write(&dcache);
	dentry_unhash(a);
	dentry_unhash(b);
	ha = name_swap(a, nb, lb, ha);
	hb = name_swap(b, na, la, hb);
	pa = a->parent;
	a->parent = b->parent;
	b->parent = pa; /* the references change sides too */
	list_del(&a->sibling);
	list_del(&b->sibling);
	list_add(&a->parent->children, &a->sibling);
	list_add(&b->parent->children, &b->sibling);
	dentry_hash(a);
	dentry_hash(b);
	dcache_write_done(&dcache);
	free(ha);
	free(hb);
	return 0;
}

struct dentry *dentry_add_synthetic(
	struct dentry *parent, const char *name, size_t len, struct inode *in)
{
	struct dentry *old = dentry_find(parent, name, len), *d;

	if (old) {
		dentry_drop(old);
		dentry_put(old);
	}
	d = dentry_add(parent, name, len, in);
	if (!d)
		return NULL;
	dcache_write(&dcache);
	d->synthetic = true;
	dentry_get(d); /* its pin */
	atomic_fetch_add(&parent->nsynth, 1);
	dcache_write_done(&dcache);
	return d;
}

struct dentry *dentry_synthetic(struct dentry *d, unsigned i)
{
	struct dentry *c, *found = NULL;

	dcache_read(&dcache);
	list_for_each (c, &d->children, sibling)
		if (c->synthetic && i-- == 0) {
			found = dentry_get(c);
			break;
		}
	dcache_read_done(&dcache);
	return found;
}

size_t dentry_name(struct dentry *d, char *buf)
{
	size_t len;

	dcache_read(&dcache);
	len = d->len;
	memcpy(buf, d->name, len + 1);
	dcache_read_done(&dcache);
	return len;
}

char *dentry_path(struct dentry *d, char *buf, size_t n)
{
	char *p = buf + n - 1;

	*p = 0;
	dcache_read(&dcache);
	for (; d->parent != d; d = d->parent) {
		if ((size_t)(p - buf) < (size_t)d->len + 1) {
			p = NULL;
			break;
		}
		p -= d->len;
		memcpy(p, d->name, d->len);
		*--p = '/';
	}
	dcache_read_done(&dcache);
	if (p && !*p)
		*--p = '/';
	return p;
}

struct dentry *dentry_parent(struct dentry *d)
{
	struct dentry *parent;

	dcache_read(&dcache);
	parent = dentry_get(d->parent);
	dcache_read_done(&dcache);
	return parent;
}

bool dentry_below(struct dentry *d, const struct dentry *top)
{
	dcache_read(&dcache);
	while (d != top && d->parent != d)
		d = d->parent;
	dcache_read_done(&dcache);
	return d == top;
}

bool dentry_is_child(struct dentry *d, const struct dentry *parent)
{
	bool yes;

	dcache_read(&dcache);
	yes = d->parent == parent && !d->unhashed;
	dcache_read_done(&dcache);
	return yes;
}

void dcache_shrink(struct super *sb, struct dentry *root)
{
	struct list dead;
	struct dentry *d, *next;

	list_init(&dead);
	dcache_write(&dcache);
	for (d = leaf_of(root); d != root; d = next) {
		struct dentry *parent = d->parent;

		next = post_next(d, root);
		dentry_unhash(d);
		if (d->synthetic) {
			d->synthetic = false;
			atomic_fetch_sub(&d->ref.n, 1); /* its pin */
		}
		if (atomic_load(&d->ref.n)) {
			log_warn("dcache: \"%s\" of %s is still in use",
				d->name, sb->type->name);
			continue;
		}
		ref_get(&parent->ref);
		dentry_retire(d, &dead);
		atomic_fetch_sub(&parent->ref.n, 1);
	}
	dentry_unhash(root);
	dcache_write_done(&dcache);
	dispose(&dead);
}
