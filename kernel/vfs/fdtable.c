/*
 * fdtable.c - from descriptor numbers to open files.
 *
 * A slot is free, reserved (its bit is set, no file yet) or open.  Two bitmaps
 * say which numbers are taken and which close on exec; "full" has a bit for
 * each word of the first that has no free number left, so the lowest free one
 * is found in a few steps even among a million.
 *
 * Only a task that uses the table changes it.  A task that is the only user may
 * therefore read it without the lock, and borrow a file for the length of a
 * system call: nobody else can close it.  Others (/proc) read under the lock.
 */
#include "kernel/vfs/fdtable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/lock.h"
#include "core/ref.h"
#include "kernel/task/task.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/flock.h"
#include "kernel/vfs/inode.h"

#define FD_FIRST 64
#define FD_MAX   (1 << 20)
#define WORDS(n) ((n) / 64)

struct fdtable {
	struct ref ref; /* tasks that use it, and those who look */
	struct rwlock lock;
	int size GUARDED_BY(lc_fdtable);  /* slots; a multiple of 64 */
	int count GUARDED_BY(lc_fdtable); /* open ones */
	struct file **file GUARDED_BY(lc_fdtable);
	uint64_t *taken GUARDED_BY(lc_fdtable);
	uint64_t *cloexec GUARDED_BY(lc_fdtable);
	uint64_t *full GUARDED_BY(lc_fdtable);
};
RWLOCK_OPS(fdtable, struct fdtable, lock)

static bool bit_test(const uint64_t *map, int i)
{
	return map[i / 64] >> (i % 64) & 1;
}

static void bit_set(uint64_t *map, int i, bool on)
{
	if (on)
		map[i / 64] |= 1ULL << (i % 64);
	else
		map[i / 64] &= ~(1ULL << (i % 64));
}

static size_t full_words(int size)
{
	return (size_t)(WORDS(size) + 63) / 64;
}

static void *grown(const void *old, size_t oldlen, size_t len)
{
	char *p = malloc(len);

	if (p) {
		if (oldlen)
			memcpy(p, old, oldlen);
		memset(p + oldlen, 0, len - oldlen);
	}
	return p;
}

static void arrays_free(
	struct file **file, uint64_t *a, uint64_t *b, uint64_t *c)
{
	free(file);
	free(a);
	free(b);
	free(c);
}

/* A copy of the arrays with room for @size slots. */
HOLDS(lc_fdtable)
static int table_resize(struct fdtable *ft, int size)
{
	size_t o = (size_t)ft->size, n = (size_t)size;
	struct file **file =
		grown(ft->file, o * sizeof *file, n * sizeof *file);
	uint64_t *taken = grown(ft->taken, o / 8, n / 8);
	uint64_t *cloexec = grown(ft->cloexec, o / 8, n / 8);
	uint64_t *full =
		grown(ft->full, full_words(ft->size) * 8, full_words(size) * 8);

	if (!file || !taken || !cloexec || !full) {
		arrays_free(file, taken, cloexec, full);
		return -ENOMEM;
	}
	arrays_free(ft->file, ft->taken, ft->cloexec, ft->full);
	ft->file = file;
	ft->taken = taken;
	ft->cloexec = cloexec;
	ft->full = full;
	ft->size = size;
	return 0;
}

struct fdtable *fdtable_new(void)
{
	struct fdtable *ft = calloc(1, sizeof *ft);
	int err;

	if (!ft)
		return NULL;
	ref_init(&ft->ref);
	rwlock_init(&ft->lock, &lc_fdtable);
	fdtable_write(ft);
	err = table_resize(ft, FD_FIRST);
	fdtable_write_done(ft);
	if (err) {
		free(ft);
		return NULL;
	}
	return ft;
}

struct fdtable *fdtable_get(struct fdtable *ft)
{
	ref_get(&ft->ref);
	return ft;
}

/* What close(2) does to a file taken out of @ft.  Consumes the reference. */
static void file_close(struct fdtable *ft, struct file *f)
{
	if (f->inode && f->inode->locks)
		flock_close(ft, f);
	if (f->ops->flush)
		f->ops->flush(f);
	file_put(f);
}

void fdtable_put(struct fdtable *ft)
{
	if (!ft || !ref_put(&ft->ref))
		return;
	fdtable_write(ft);
	for (int w = 0; w < WORDS(ft->size); w++) {
		while (ft->taken[w]) {
			int fd = w * 64 + __builtin_ctzll(ft->taken[w]);
			struct file *f = ft->file[fd];

			bit_set(ft->taken, fd, false);
			ft->file[fd] = NULL;
			fdtable_write_done(ft);
			if (f)
				file_close(ft, f);
			fdtable_write(ft);
		}
	}
	arrays_free(ft->file, ft->taken, ft->cloexec, ft->full);
	fdtable_write_done(ft);
	free(ft);
}

LOCKS_UNCHECKED /* nobody else knows @ft yet */
	static int
	slots_copy(struct fdtable *ft, const struct fdtable *from)
{
	int err = 0, last = 0;

	for (int w = 0; w < WORDS(from->size); w++)
		if (from->taken[w])
			last = w;
	if ((last + 1) * 64 > ft->size)
		err = table_resize(ft, (last + 1) * 64);
	for (int fd = 0; !err && fd < (last + 1) * 64; fd++) {
		if (!bit_test(from->taken, fd) || !from->file[fd])
			continue; /* reserved ones are another's */
		ft->file[fd] = file_get(from->file[fd]);
		ft->count++;
		bit_set(ft->taken, fd, true);
		bit_set(ft->cloexec, fd, bit_test(from->cloexec, fd));
		if (!~ft->taken[fd / 64])
			bit_set(ft->full, fd / 64, true);
	}
	return err;
}

int fdtable_copy(struct fdtable *from, struct fdtable **out)
{
	struct fdtable *ft = fdtable_new();
	int err;

	if (!ft)
		return -ENOMEM;
	fdtable_read(from);
	err = slots_copy(ft, from);
	fdtable_read_done(from);
	if (err) {
		fdtable_put(ft);
		return err;
	}
	*out = ft;
	return 0;
}

int fdtable_unshare(struct task *t)
{
	struct fdtable *copy, *old = t->fdt;
	int err;

	if (atomic_load(&old->ref.n) == 1)
		return 0;
	err = fdtable_copy(old, &copy);
	if (err)
		return err;
	mutex_acquire(&t->res_lock);
	t->fdt = copy;
	mutex_release(&t->res_lock);
	fdtable_put(old);
	return 0;
}

/* Frees the number @fd: what was there, or NULL. */
HOLDS(lc_fdtable)
static struct file *slot_clear(struct fdtable *ft, int fd)
{
	struct file *f = ft->file[fd];

	if (f)
		ft->count--;
	ft->file[fd] = NULL;
	bit_set(ft->taken, fd, false);
	bit_set(ft->cloexec, fd, false);
	bit_set(ft->full, fd / 64, false);
	return f;
}

void fdtable_exec(struct task *t)
{
	struct fdtable *ft;

	if (fdtable_unshare(t)) {
		/* It must not go on with a table that others share. */
		tgroup_kill(t->tg, SIGKILL);
		return;
	}
	ft = t->fdt;
	fdtable_write(ft);
	for (int w = 0; w < WORDS(ft->size); w++) {
		while (ft->cloexec[w] & ft->taken[w]) {
			uint64_t both = ft->cloexec[w] & ft->taken[w];
			int fd = w * 64 + __builtin_ctzll(both);
			struct file *f = slot_clear(ft, fd);

			fdtable_write_done(ft);
			if (f)
				file_close(ft, f);
			fdtable_write(ft);
		}
	}
	fdtable_write_done(ft);
}

/* The lowest free number >= @min, or ft->size. */
HOLDS(lc_fdtable)
static int free_from(const struct fdtable *ft, int min)
{
	int w = min / 64;
	uint64_t m;

	if (min >= ft->size)
		return min;
	m = ~ft->taken[w] & ~0ULL << (min % 64);
	if (m)
		return w * 64 + __builtin_ctzll(m);
	for (w++; w < WORDS(ft->size);) {
		m = ~ft->full[w / 64] & ~0ULL << (w % 64);
		if (!m) {
			w = (w / 64 + 1) * 64;
			continue;
		}
		w = w / 64 * 64 + __builtin_ctzll(m);
		if (w < WORDS(ft->size) && ~ft->taken[w])
			return w * 64 + __builtin_ctzll(~ft->taken[w]);
		w++;
	}
	return ft->size;
}

static int fd_limit(struct task *t)
{
	uint64_t n = task_rlimit(t, RLIMIT_NOFILE);

	return n > FD_MAX ? FD_MAX : (int)n;
}

/* Makes room for @fd. */
HOLDS(lc_fdtable)
static int table_reach(struct fdtable *ft, int fd)
{
	int size = ft->size;

	if (fd < size)
		return 0;
	while (size <= fd)
		size *= 2;
	return table_resize(ft, size);
}

HOLDS(lc_fdtable)
static void slot_take(struct fdtable *ft, int fd)
{
	bit_set(ft->taken, fd, true);
	if (!~ft->taken[fd / 64])
		bit_set(ft->full, fd / 64, true);
}

int fd_reserve(struct task *t, int min)
{
	struct fdtable *ft = t->fdt;
	int limit = fd_limit(t), fd, err;

	if (min < 0 || (min > 0 && min >= limit))
		return -EINVAL;
	fdtable_write(ft);
	fd = free_from(ft, min);
	err = fd >= limit ? -EMFILE : table_reach(ft, fd);
	if (!err)
		slot_take(ft, fd);
	fdtable_write_done(ft);
	return err ? err : fd;
}

void fd_install(struct task *t, int fd, struct file *f, int flags)
{
	struct fdtable *ft = t->fdt;

	fdtable_write(ft);
	ft->file[fd] = f;
	ft->count++;
	bit_set(ft->cloexec, fd, flags & O_CLOEXEC);
	fdtable_write_done(ft);
}

void fd_unreserve(struct task *t, int fd)
{
	struct fdtable *ft = t->fdt;

	fdtable_write(ft);
	(void)slot_clear(ft, fd); /* nothing was there */
	fdtable_write_done(ft);
}

int fd_open(struct task *t, struct file *f, int flags)
{
	int fd = fd_reserve(t, 0);

	if (fd < 0)
		file_put(f);
	else
		fd_install(t, fd, f, flags);
	return fd;
}

LOCKS_UNCHECKED /* the caller holds it, or is alone */
	static struct file *
	slot_file(const struct fdtable *ft, int fd)
{
	if ((unsigned)fd >= (unsigned)ft->size)
		return NULL;
	return ft->file[fd];
}

struct file *fd_lookup_path(struct task *t, int fd)
{
	struct fdtable *ft = t->fdt;
	struct file *f;

	fdtable_read(ft);
	f = slot_file(ft, fd);
	if (f)
		file_get(f);
	fdtable_read_done(ft);
	return f;
}

struct file *fd_lookup(struct task *t, int fd)
{
	struct file *f = fd_lookup_path(t, fd);

	if (f && f->mode & O_PATH) {
		file_put(f);
		return NULL;
	}
	return f;
}

struct fdref fd_borrow_path(struct task *t, int fd)
{
	if (atomic_load_explicit(&t->fdt->ref.n, memory_order_acquire) == 1)
		return (struct fdref){ slot_file(t->fdt, fd), false };
	return (struct fdref){ fd_lookup_path(t, fd), true };
}

struct fdref fd_borrow(struct task *t, int fd)
{
	struct fdref r = fd_borrow_path(t, fd);

	if (r.f && r.f->mode & O_PATH) {
		fd_done(&r);
		r.f = NULL;
	}
	return r;
}

void fd_done(struct fdref *r)
{
	if (r->owned)
		file_put(r->f);
	r->f = NULL;
}

int fd_replace(struct task *t, int fd, struct file *f, int flags)
{
	struct fdtable *ft = t->fdt;
	struct file *old = NULL;
	int err;

	if (fd < 0 || fd >= fd_limit(t)) {
		file_put(f);
		return -EBADF;
	}
	fdtable_write(ft);
	err = table_reach(ft, fd);
	if (!err && bit_test(ft->taken, fd) && !ft->file[fd])
		err = -EBUSY; /* an open(2) is about to use it */
	if (!err) {
		old = ft->file[fd];
		slot_take(ft, fd);
		ft->file[fd] = f;
		ft->count += !old;
		bit_set(ft->cloexec, fd, flags & O_CLOEXEC);
	}
	fdtable_write_done(ft);
	if (old)
		file_close(ft, old);
	if (err)
		file_put(f);
	return err ? err : fd;
}

int fd_close(struct task *t, int fd)
{
	struct fdtable *ft = t->fdt;
	struct file *f;

	fdtable_write(ft);
	f = slot_file(ft, fd);
	if (f)
		(void)slot_clear(ft, fd); /* it is f */
	fdtable_write_done(ft);
	if (!f)
		return -EBADF;
	file_close(ft, f);
	return 0;
}

int fd_close_range(struct task *t, unsigned first, unsigned last, bool cloexec)
{
	struct fdtable *ft = t->fdt;

	if (first > last)
		return -EINVAL;
	fdtable_write(ft);
	for (unsigned fd = first; fd <= last && fd < (unsigned)ft->size; fd++) {
		struct file *f = ft->file[fd];

		if (!f)
			continue;
		if (cloexec) {
			bit_set(ft->cloexec, (int)fd, true);
			continue;
		}
		(void)slot_clear(ft, (int)fd); /* it is f */
		fdtable_write_done(ft);
		file_close(ft, f);
		fdtable_write(ft);
	}
	fdtable_write_done(ft);
	return 0;
}

int fd_get_cloexec(struct task *t, int fd)
{
	struct fdtable *ft = t->fdt;
	int ret = -EBADF;

	fdtable_read(ft);
	if (slot_file(ft, fd))
		ret = bit_test(ft->cloexec, fd);
	fdtable_read_done(ft);
	return ret;
}

int fd_set_cloexec(struct task *t, int fd, bool on)
{
	struct fdtable *ft = t->fdt;
	int ret = -EBADF;

	fdtable_write(ft);
	if (slot_file(ft, fd)) {
		bit_set(ft->cloexec, fd, on);
		ret = 0;
	}
	fdtable_write_done(ft);
	return ret;
}

int fdtable_next(struct fdtable *ft, int fd, struct file **f, bool *cloexec)
{
	int ret = -1;

	fdtable_read(ft);
	for (fd = MAX(fd, 0); fd < ft->size; fd++) {
		if (!ft->file[fd])
			continue;
		*f = file_get(ft->file[fd]);
		if (cloexec)
			*cloexec = bit_test(ft->cloexec, fd);
		ret = fd;
		break;
	}
	fdtable_read_done(ft);
	return ret;
}

int fdtable_count(struct fdtable *ft)
{
	int n;

	fdtable_read(ft);
	n = ft->count;
	fdtable_read_done(ft);
	return n;
}

int fdtable_size(struct fdtable *ft)
{
	int n;

	fdtable_read(ft);
	n = ft->size;
	fdtable_read_done(ft);
	return n;
}
