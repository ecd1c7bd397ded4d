/*
 * flock.c - advisory locks: flock(2) and fcntl(2).
 *
 * Two lists on the inode: ranges (record and OFD locks) and whole files
 * (flock).  They do not see each other.  One owner's ranges never overlap, and
 * neighbours of one type are merged.  Who waits is in a global list with the
 * owner that it waits for, so that a ring of waiters is seen: EDEADLK.
 */
#include "kernel/vfs/flock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/str.h"
#include "core/waitq.h"
#include "kernel/mm/mm.h"
#include "kernel/task/task.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"

#define DEADLOCK_DEPTH 64

struct range {
	struct list link;
	const void *owner; /* struct fdtable, or struct file */
	bool ofd;
	short type; /* F_RDLCK, F_WRLCK */
	int pid;
	int64_t start, end; /* end is inclusive */
};

struct flock_list {
	struct list ranges GUARDED_BY(lc_inode);
	struct list whole GUARDED_BY(lc_inode);
	struct waitq waitq; /* something was unlocked */
};

struct waiting {
	struct list link;
	const void *owner, *for_owner;
};

static struct flocks {
	struct mutex lock;
	struct list waiting GUARDED_BY(lc_flocks);
} flocks = { MUTEX_INIT(flocks), LIST_INIT(flocks.waiting) };
LOCK_OPS(flocks, struct flocks, lock)

struct flock_abi {
	int16_t type, whence;
	int32_t pad0;
	int64_t start, len;
	int32_t pid, pad1;
};

/* The inode's lists, made at first use. */
static int lists_of(struct inode *in, struct flock_list **out)
{
	struct flock_list *fl = calloc(1, sizeof *fl);

	if (!fl)
		return -ENOMEM;
	*fl = (struct flock_list){ .ranges = LIST_INIT(fl->ranges),
		.whole = LIST_INIT(fl->whole) };
	waitq_init(&fl->waitq);
	inode_lock(in);
	if (in->locks) {
		free(fl);
		fl = in->locks;
	} else {
		__atomic_store_n(&in->locks, fl, __ATOMIC_RELEASE);
	}
	inode_unlock(in);
	*out = fl;
	return 0;
}

static int locks_get(struct inode *in, struct flock_list **out)
{
	*out = __atomic_load_n(&in->locks, __ATOMIC_ACQUIRE);
	return *out ? 0 : lists_of(in, out);
}

LOCKS_UNCHECKED /* the inode has no user left */
	static void
	list_free(struct list *l)
{
	while (!list_empty(l)) {
		struct range *r = list_entry(l->next, struct range, link);

		list_del(&r->link);
		free(r);
	}
}

LOCKS_UNCHECKED
void flock_inode_fini(struct inode *in)
{
	struct flock_list *fl = in->locks;

	if (!fl)
		return;
	list_free(&fl->ranges);
	list_free(&fl->whole);
	free(fl);
	in->locks = NULL;
}

static bool conflicts(const struct range *a, const struct range *b)
{
	return a->owner != b->owner && a->start <= b->end &&
	       b->start <= a->end && (a->type == F_WRLCK || b->type == F_WRLCK);
}

static struct range *conflict_find(struct list *l, const struct range *want)
{
	struct range *r;

	list_for_each (r, l, link)
		if (conflicts(r, want))
			return r;
	return NULL;
}

static void range_insert(struct list *l, struct range *new)
{
	struct range *r;

	list_for_each (r, l, link)
		if (r->start > new->start)
			break;
	list_add_tail(&r->link, &new->link);
}

/*
 * Makes @want true (F_UNLCK takes away).  @spare: two fresh ranges; what is
 * used of them is set to NULL.
 */
HOLDS(lc_inode)
static void range_apply(
	struct flock_list *fl, const struct range *want, struct range *spare[2])
{
	struct range cur = *want, *r, *next;

	list_for_each_safe(r, next, &fl->ranges, link)
	{
		bool same = r->type == cur.type;

		if (r->owner != cur.owner)
			continue;
		/* Neighbours count only when they are merged. */
		if (r->end < cur.start - same || r->start - same > cur.end)
			continue;
		if (same) {
			cur.start = MIN(cur.start, r->start);
			cur.end = MAX(cur.end, r->end);
		} else if (r->start < cur.start && r->end > cur.end) {
			*spare[1] = *r; /* what is right of it */
			spare[1]->start = cur.end + 1;
			r->end = cur.start - 1;
			range_insert(&fl->ranges, spare[1]);
			spare[1] = NULL;
			continue;
		} else if (r->start < cur.start) {
			r->end = cur.start - 1;
			continue;
		} else if (r->end > cur.end) {
			r->start = cur.end + 1;
			continue;
		}
		list_del(&r->link);
		free(r);
	}
	if (cur.type == F_UNLCK)
		return;
	*spare[0] = cur;
	range_insert(&fl->ranges, spare[0]);
	spare[0] = NULL;
}

/* Would waiting of @owner for @other close a ring?  If not, it is noted in @w.
 */
static bool wait_begin(struct waiting *w, const void *owner, const void *other)
{
	const void *at = other;
	bool ring = false;

	flocks_lock(&flocks);
	for (int i = 0; i < DEADLOCK_DEPTH && at && !ring; i++) {
		const struct waiting *each;
		const void *to = NULL;

		list_for_each (each, &flocks.waiting, link)
			if (each->owner == at)
				to = each->for_owner;
		at = to;
		ring = at == owner;
	}
	if (!ring) {
		w->owner = owner;
		w->for_owner = other;
		list_add(&flocks.waiting, &w->link);
	}
	flocks_unlock(&flocks);
	return !ring;
}

static void wait_end(struct waiting *w)
{
	flocks_lock(&flocks);
	list_del(&w->link);
	flocks_unlock(&flocks);
}

/* One try: 0, or -EAGAIN with the owner in the way. */
static int range_try(struct inode *in, struct flock_list *fl,
	const struct range *want, struct range *spare[2], const void **other)
{
	const struct range *c = NULL;

	inode_lock(in);
	if (want->type != F_UNLCK)
		c = conflict_find(&fl->ranges, want);
	if (c)
		*other = c->owner;
	else
		range_apply(fl, want, spare);
	inode_unlock(in);
	return c ? -EAGAIN : 0;
}

static int range_wait(struct task *t, struct inode *in, struct flock_list *fl,
	const struct range *want, struct range *spare[2])
{
	const void *other;
	struct waiter w;
	int err;

	waiter_init_task(&w, t);
	waitq_add(&fl->waitq, &w, 0);
	while ((err = range_try(in, fl, want, spare, &other)) == -EAGAIN) {
		struct waiting wait;

		list_init(&wait.link);
		if (want->ofd) {
			err = task_block(t, NO_DEADLINE);
		} else if (wait_begin(&wait, want->owner, other)) {
			err = task_block(t, NO_DEADLINE);
			wait_end(&wait);
		} else {
			err = -EDEADLK;
		}
		if (err)
			break;
	}
	waitq_remove(&fl->waitq, &w);
	return err;
}

static int range_set(
	struct task *t, struct file *f, const struct range *want, bool block)
{
	struct range *spare[2] = { calloc(1, sizeof(struct range)),
		calloc(1, sizeof(struct range)) };
	struct inode *in = f->inode;
	struct flock_list *fl;
	const void *other;
	int err = locks_get(in, &fl);

	if (!err && (!spare[0] || !spare[1]))
		err = -ENOMEM;
	if (!err)
		err = range_try(in, fl, want, spare, &other);
	if (err == -EAGAIN && block)
		err = range_wait(t, in, fl, want, spare);
	free(spare[0]);
	free(spare[1]);
	if (!err)
		waitq_wake(
			&fl->waitq, ~0u); /* weaker or none: others may try */
	return err;
}

/* Where struct flock's numbers lie in the file. */
static int range_decode(
	struct file *f, const struct flock_abi *a, struct range *r)
{
	int64_t base = 0, start, end = INT64_MAX;
	struct kstat st;
	int err;

	if (a->whence == SEEK_CUR) {
		filepos_lock(f);
		base = f->pos;
		filepos_unlock(f);
	} else if (a->whence == SEEK_END) {
		err = inode_getattr(f->inode, &st);
		if (err)
			return err;
		base = (int64_t)st.size;
	} else if (a->whence != SEEK_SET) {
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, a->start, &start))
		return -EOVERFLOW;
	if (start < 0)
		return -EINVAL;
	if (a->len > 0) {
		if (__builtin_add_overflow(start, a->len - 1, &end))
			return -EOVERFLOW;
	} else if (a->len < 0) {
		end = start - 1;
		start += a->len;
		if (start < 0)
			return -EINVAL;
	}
	r->start = start;
	r->end = end;
	r->type = a->type;
	return 0;
}

static int lock_query(struct file *f, struct range *r, struct flock_abi *a)
{
	const struct range *c;
	struct flock_list *fl;
	int err;

	if (r->type != F_RDLCK && r->type != F_WRLCK)
		return -EINVAL;
	err = locks_get(f->inode, &fl);
	if (err)
		return err;
	inode_lock(f->inode);
	c = conflict_find(&fl->ranges, r);
	if (c) {
		a->type = c->type;
		a->whence = SEEK_SET;
		a->start = c->start;
		a->len = c->end == INT64_MAX ? 0 : c->end - c->start + 1;
		a->pid = c->ofd ? -1 : c->pid;
	} else {
		a->type = F_UNLCK;
	}
	inode_unlock(f->inode);
	return 0;
}

int vfs_lock(struct task *t, struct file *f, int cmd, uint64_t arg)
{
	bool ofd =
		cmd == F_OFD_GETLK || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW;
	struct flock_abi a;
	struct range r = {
		.owner = ofd ? (const void *)f : (const void *)t->fdt,
		.ofd = ofd,
		.pid = t->tg->tgid,
	};
	int err = copyin(t, &a, uaddr(arg), sizeof a);

	if (!err && ofd && a.pid)
		err = -EINVAL;
	if (!err)
		err = range_decode(f, &a, &r);
	if (err)
		return err;
	if (cmd == F_GETLK || cmd == F_OFD_GETLK) {
		err = lock_query(f, &r, &a);
		return err ? err : copyout(t, uaddr(arg), &a, sizeof a);
	}
	switch (r.type) {
	case F_RDLCK:
		if (!file_readable(f))
			return -EBADF;
		break;
	case F_WRLCK:
		if (!file_writable(f))
			return -EBADF;
		break;
	case F_UNLCK:
		break;
	default:
		return -EINVAL;
	}
	return range_set(t, f, &r, cmd == F_SETLKW || cmd == F_OFD_SETLKW);
}

/* Takes @owner's ranges away. */
static void ranges_drop(struct inode *in, const void *owner)
{
	struct flock_list *fl = in->locks;
	struct range *r, *next;
	bool some = false;

	inode_lock(in);
	list_for_each_safe(r, next, &fl->ranges, link) if (r->owner == owner)
	{
		list_del(&r->link);
		free(r);
		some = true;
	}
	inode_unlock(in);
	if (some)
		waitq_wake(&fl->waitq, ~0u);
}

void flock_close(struct fdtable *t, struct file *f)
{
	ranges_drop(f->inode, t);
}

/* flock(2), one try.  *@freed: an old lock was given up. */
static int whole_try(struct inode *in, struct flock_list *fl, struct file *f,
	short type, struct range **spare, bool *freed)
{
	struct range want = { .owner = f, .type = type, .end = INT64_MAX };
	struct range *r, *next;
	int err = 0;

	inode_lock(in);
	list_for_each_safe(r, next, &fl->whole, link) if (r->owner == f)
	{
		if (r->type == type)
			goto unlock;
		list_del(&r->link);
		free(r);
		*freed = true;
	}
	if (type == F_UNLCK)
		goto unlock;
	if (conflict_find(&fl->whole, &want)) {
		err = -EAGAIN;
		goto unlock;
	}
	**spare = want;
	list_add_tail(&fl->whole, &(*spare)->link);
	*spare = NULL;
unlock:
	inode_unlock(in);
	return err;
}

int vfs_flock(struct task *t, struct file *f, int op)
{
	struct range *spare;
	struct flock_list *fl;
	struct waiter w;
	short type;
	int err;

	if (op & 32) /* LOCK_MAND, which Linux ignores */
		return 0;
	switch (op & ~LOCK_NB) {
	case LOCK_SH:
		type = F_RDLCK;
		break;
	case LOCK_EX:
		type = F_WRLCK;
		break;
	case LOCK_UN:
		type = F_UNLCK;
		break;
	default:
		return -EINVAL;
	}
	err = locks_get(f->inode, &fl);
	spare = calloc(1, sizeof *spare);
	if (err || !spare) {
		free(spare);
		return err ? err : -ENOMEM;
	}
	waiter_init_task(&w, t);
	waitq_add(&fl->waitq, &w, 0);
	for (;;) {
		bool freed = false;

		err = whole_try(f->inode, fl, f, type, &spare, &freed);
		if (freed)
			waitq_wake(&fl->waitq, ~0u);
		if (err != -EAGAIN || op & LOCK_NB)
			break;
		err = task_block(t, NO_DEADLINE);
		if (err)
			break;
	}
	waitq_remove(&fl->waitq, &w);
	free(spare);
	return err;
}

void flock_release(struct file *f)
{
	struct inode *in = f->inode;
	struct flock_list *fl = in->locks;
	struct range *r, *next;

	ranges_drop(in, f);
	inode_lock(in);
	list_for_each_safe(r, next, &fl->whole, link) if (r->owner == f)
	{
		list_del(&r->link);
		free(r);
	}
	inode_unlock(in);
	waitq_wake(&fl->waitq, ~0u);
}

LOCKS_UNCHECKED /* reads through the list under lc_inode */
	void
	flock_show(struct file *f, struct strbuf *out)
{
	struct flock_list *fl = f->inode->locks;
	const struct range *r;
	int n = 0;

	if (!fl)
		return;
	inode_lock(f->inode);
	list_for_each (r, &fl->whole, link)
		if (r->owner == f)
			sb_printf(out,
				"lock:\t%d: FLOCK  ADVISORY  %s 0 "
				"00:00:%llu 0 EOF\n",
				++n, r->type == F_WRLCK ? "WRITE" : "READ",
				(unsigned long long)f->inode->ino);
	inode_unlock(f->inode);
}
