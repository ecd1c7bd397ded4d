/* fid.c - the fids of one connection: a hash table that grows. */
#include "fs9p/fid.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs9p/msg.h"

#define FID_BUCKETS_MIN 32

static struct fid **bucket_of(const struct fid_table *t, uint32_t num)
{
	/* Clients count up: the low bits spread them evenly. */
	return &t->buckets[num & (t->nbuckets - 1)];
}

struct fid *fid_find(const struct fid_table *t, uint32_t num)
{
	struct fid *f;

	if (!t->nbuckets)
		return NULL;
	for (f = *bucket_of(t, num); f && f->num != num; f = f->next)
		;
	return f;
}

static int fid_table_grow(struct fid_table *t)
{
	struct fid_table bigger = { .nbuckets = t->nbuckets ? t->nbuckets * 2
							    : FID_BUCKETS_MIN,
		.n = t->n };

	bigger.buckets = calloc(bigger.nbuckets, sizeof *bigger.buckets);
	if (!bigger.buckets)
		return -ENOMEM;
	for (unsigned i = 0; i < t->nbuckets; i++) {
		for (struct fid *f = t->buckets[i], *next; f; f = next) {
			struct fid **b = bucket_of(&bigger, f->num);

			next = f->next;
			f->next = *b;
			*b = f;
		}
	}
	free(t->buckets);
	*t = bigger;
	return 0;
}

int fid_add(struct fid_table *t, uint32_t num, int hfd, uint32_t mode,
	struct fid **out)
{
	struct fid **b, *f;
	int err;

	if (num == P9_NOFID)
		return -EINVAL;
	if (fid_find(t, num))
		return -EADDRINUSE;
	if (t->n >= t->nbuckets) {
		err = fid_table_grow(t);
		if (err)
			return err;
	}
	f = malloc(sizeof *f);
	if (!f)
		return -ENOMEM;
	b = bucket_of(t, num);
	*f = (struct fid){
		.next = *b, .num = num, .mode = mode, .hfd = hfd, .io = -1
	};
	*b = f;
	t->n++;
	if (out)
		*out = f;
	return 0;
}

void fid_remove(struct fid_table *t, struct fid *f)
{
	struct fid **p = bucket_of(t, f->num);

	while (*p != f)
		p = &(*p)->next;
	*p = f->next;
	t->n--;
	if (f->hfd >= 0)
		close(f->hfd);
	if (f->io >= 0)
		close(f->io);
	free(f->xattr);
	free(f);
}

void fid_table_fini(struct fid_table *t)
{
	for (unsigned i = 0; i < t->nbuckets; i++)
		while (t->buckets[i])
			fid_remove(t, t->buckets[i]);
	free(t->buckets);
	*t = (struct fid_table){ 0 };
}
