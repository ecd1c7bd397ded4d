/*
 * tmpfs_file.c - regular files in memory.
 *
 * The pages are a mapping's (kernel/mm/mapping.h), so read, write and mmap see
 * the same ones.  The VFS holds the inode's write lock in write, fallocate and
 * in a setattr of the size.
 *
 * Limits: pages count against size= when a write or fallocate makes them.  A
 * fault of a shared mapping makes pages unasked; those are counted at the next
 * call that looks, and can exceed the limit until then.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/fs/tmpfs.h"
#include "kernel/fs/tmpfs_int.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/vfs/file.h"

#define WRITE_SEALS (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10
#endif

static struct tnode *tnode_of_mapping(struct mapping *m)
{
	return container_of(m, struct tnode, map);
}

static int64_t file_size(struct mapping *m)
{
	return tnode_of_mapping(m)->in.size;
}

/* Counts the pages that came or went since the last time. */
static void charge_sync(struct tnode *tn)
{
	struct tsuper *ts = tsuper_of(tn->in.sb);
	int64_t now;

	mapping_lock(&tn->map);
	now = (int64_t)tn->map.npages;
	atomic_fetch_add(&ts->pages, now - tn->charged);
	tn->charged = now;
	mapping_unlock(&tn->map);
}

static void file_mapping_release(struct mapping *m)
{
	struct tnode *tn = tnode_of_mapping(m);
	struct tsuper *ts = tsuper_of(tn->in.sb);

	atomic_fetch_sub(&ts->pages, tn->charged);
	mapping_fini(m);
	tnode_free(tn);
}

static const struct mapping_ops file_mapping_ops = {
	.size = file_size,
	.release = file_mapping_release,
};

void tmpfs_mapping_init(struct tnode *tn)
{
	mapping_init(&tn->map, &file_mapping_ops);
}

/* How many bytes from @pos on may get pages, at most @len. */
static uint64_t room_for(struct tnode *tn, int64_t pos, uint64_t len)
{
	struct tsuper *ts = tsuper_of(tn->in.sb);
	const int64_t page = (int64_t)PAGE_SIZE;
	int64_t left, at, end = pos + (int64_t)len;

	charge_sync(tn);
	if (!ts->max_pages)
		return len;
	left = ts->max_pages - ts->pages;
	if ((end + page - 1) / page - pos / page <= left)
		return len;
	/* Nearly full: pages that exist already cost nothing. */
	for (at = pos / page * page; at < end; at += page) {
		if (mapping_seek(&tn->map, at, at + page, true) == at)
			continue;
		if (left-- <= 0)
			break;
	}
	return at <= pos ? 0 : (uint64_t)(MIN(at, end) - pos);
}

static ssize_t file_do_read(struct file *f, struct uio *to, int64_t *pos)
{
	struct tnode *tn = tnode_of(f->inode);
	int64_t size = tn->in.size;
	ssize_t n;

	if (*pos >= size)
		return 0;
	n = mapping_read(&tn->map, to, *pos, size);
	if (n > 0)
		*pos += n;
	file_accessed(f);
	return n;
}

static ssize_t file_do_write(struct file *f, struct uio *from, int64_t *pos)
{
	struct tnode *tn = tnode_of(f->inode);
	struct inode *in = f->inode;
	uint64_t want = uio_left(from), room;
	ssize_t n;

	if (tn->seals & WRITE_SEALS)
		return -EPERM;
	if (tn->seals & F_SEAL_GROW && *pos + (int64_t)want > in->size) {
		/* Whole pages that lie inside may still be written. */
		int64_t inside = in->size & ~(int64_t)(PAGE_SIZE - 1);

		if (*pos >= inside)
			return -EPERM;
		want = (uint64_t)(inside - *pos);
		uio_limit(from, want);
	}
	room = room_for(tn, *pos, want);
	if (!room)
		return -ENOSPC;
	if (room < want)
		uio_limit(from, room);
	n = mapping_write(&tn->map, from, *pos);
	if (n > 0) {
		*pos += n;
		if (*pos > in->size)
			in->size = *pos;
		inode_touch(in);
	}
	charge_sync(tn);
	return n == -ENOMEM ? -ENOSPC : n;
}

static int64_t file_seek(struct file *f, int64_t off, int whence)
{
	struct tnode *tn = tnode_of(f->inode);
	int64_t size = tn->in.size;

	if (whence == SEEK_END && __builtin_add_overflow(off, size, &off))
		return -EOVERFLOW;
	if (whence == SEEK_SET || whence == SEEK_END)
		return off < 0 ? -EINVAL : off;
	if (off < 0 || off >= size)
		return -ENXIO;
	return mapping_seek(&tn->map, off, size, whence == SEEK_DATA);
}

static int file_mmap(
	struct file *f, int prot UNUSED, int flags UNUSED, struct mapping **out)
{
	*out = mapping_get(&tnode_of(f->inode)->map); /* it may be sealed */
	return 0;
}

static int file_fsync(struct file *f, bool datasync)
{
	(void)f;
	(void)datasync;
	return 0; /* memory is all the storage there is */
}

static int file_fallocate(struct file *f, int mode, int64_t off, int64_t len)
{
	struct tnode *tn = tnode_of(f->inode);
	struct inode *in = f->inode;
	int64_t end = off + len;
	int err = 0;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	if (mode & FALLOC_FL_PUNCH_HOLE) {
		if (tn->seals & WRITE_SEALS)
			return -EPERM;
		mapping_punch(&tn->map, off, end);
		inode_touch(in);
		charge_sync(tn);
		return 0;
	}
	if (tn->seals & F_SEAL_GROW && end > in->size)
		return -EPERM;
	if (room_for(tn, off, (uint64_t)len) < (uint64_t)len)
		return -ENOSPC;
	err = mapping_allocate(&tn->map, off, end);
	if (!err && !(mode & FALLOC_FL_KEEP_SIZE) && end > in->size)
		in->size = end;
	if (!err)
		in->ctime = inode_now();
	charge_sync(tn);
	return err == -ENOMEM ? -ENOSPC : err;
}

static void file_release(struct file *f)
{
	file_fini(f);
	free(f);
}

static const struct file_ops file_ops = {
	.name = "tmpfs",
	.read = file_do_read,
	.write = file_do_write,
	.seek = file_seek,
	.mmap = file_mmap,
	.fsync = file_fsync,
	.fallocate = file_fallocate,
	.release = file_release,
};

int tmpfs_open(struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	struct file *f = malloc(sizeof *f);

	if (!f)
		return -ENOMEM;
	file_init(f, &file_ops, flags, in, path, cred);
	*out = f;
	return 0;
}

static int resize(struct tnode *tn, int64_t size)
{
	struct inode *in = &tn->in;
	int64_t old = in->size;

	if (size < old && tn->seals & F_SEAL_SHRINK)
		return -EPERM;
	if (size > old && tn->seals & F_SEAL_GROW)
		return -EPERM;
	in->size = size;
	if (size < old) {
		mapping_punch(
			&tn->map, size, ALIGN_UP(old, (int64_t)PAGE_SIZE));
		charge_sync(tn);
	}
	inode_touch(in);
	return 0;
}

int tmpfs_setattr(struct inode *in, const struct iattr *a)
{
	int err = 0;

	if (a->valid & ATTR_SIZE)
		err = resize(tnode_of(in), a->size);
	if (!err && a->valid & ~(unsigned)ATTR_SIZE)
		inode_apply(in, a);
	return err;
}

int tmpfs_file_create(struct super *sb, uint32_t mode, const struct cred *cred,
	struct inode **out)
{
	struct tnode *tn;
	int err = tnode_create(sb, mode, cred->fsuid, cred->fsgid, 0, &tn);

	if (err)
		return err;
	tn->in.nlink = 0;
	*out = &tn->in;
	return 0;
}

int tmpfs_get_seals(const struct file *f)
{
	if (f->ops != &file_ops)
		return -EINVAL;
	return (int)tnode_of(f->inode)->seals;
}

int tmpfs_add_seals(struct file *f, unsigned seals)
{
	struct tnode *tn;
	int err = 0;

	if (!file_writable(f))
		return f->ops == &file_ops ? -EPERM : -EINVAL;
	if (f->ops != &file_ops)
		return -EINVAL;
	tn = tnode_of(f->inode);
	write_lock(f->inode);
	if (tn->seals & F_SEAL_SEAL)
		err = -EPERM;
	else if (seals & ~tn->seals & WRITE_SEALS)
		err = mapping_seal(&tn->map, seals & F_SEAL_WRITE);
	if (!err)
		atomic_fetch_or(&tn->seals, seals);
	write_unlock(f->inode);
	return err;
}

void tmpfs_set_seals(struct inode *in, unsigned seals)
{
	atomic_store(&tnode_of(in)->seals, seals);
}

const struct inode_ops tmpfs_file_ops = {
	.open = tmpfs_open,
	.getattr = tmpfs_getattr,
	.setattr = tmpfs_setattr,
	.getxattr = tmpfs_getxattr,
	.setxattr = tmpfs_setxattr,
	.listxattr = tmpfs_listxattr,
	.release = tmpfs_release,
};
