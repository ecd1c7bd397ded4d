/*
 * dirent.c - reading directories: getdents(2).
 *
 * Entries are formatted in a kernel buffer and copied out once no lock is held:
 * on the stack first, and in allocated memory when they are more.
 * Mount points that were made up for a container (struct dentry.synthetic)
 * follow the entries of the filesystem.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "kernel/mm/mm.h"
#include "kernel/vfs/dcache.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/inotify.h"

#define DIRBUF_MAX 32768u
#define SMALL      2048u /* holds an entry with the longest name */
#define SYNTH_BASE (1LL << 62)

struct dirsink {
	char *buf;
	size_t size, used;
	bool is64;
	bool full; /* an entry did not fit */
};

bool dirsink_emit(struct dirsink *to, const char *name, size_t len,
	uint64_t ino, unsigned type, int64_t next)
{
	size_t head = to->is64 ? 19 : 18;
	size_t reclen = ALIGN_UP(head + len + (to->is64 ? 1 : 2), 8);
	char *p = to->buf + to->used;
	uint16_t rl = (uint16_t)reclen;

	if (len > NAME_MAX)
		return true; /* a name that nobody could use */
	if (reclen > to->size - to->used) {
		to->full = true;
		return false;
	}
	memset(p, 0, reclen);
	memcpy(p, &ino, 8);
	memcpy(p + 8, &next, 8);
	memcpy(p + 16, &rl, 2);
	memcpy(p + head, name, len);
	if (to->is64)
		p[18] = (char)type;
	else
		p[reclen - 1] = (char)type;
	to->used += reclen;
	return true;
}

bool dirsink_dots(struct file *f, struct dirsink *to, int64_t *pos)
{
	uint64_t ino = f->inode->ino;

	if (*pos <= 0) {
		if (!dirsink_emit(to, ".", 1, ino, DT_DIR, 1))
			return false;
		*pos = 1;
	}
	if (*pos == 1) {
		if (f->path.dentry) {
			struct dentry *up = dentry_parent(f->path.dentry);

			ino = dentry_inode(up)->ino;
			dentry_put(up);
		}
		if (!dirsink_emit(to, "..", 2, ino, DT_DIR, 2))
			return false;
		*pos = 2;
	}
	return true;
}

/* What the filesystem does not know of. */
static void emit_synthetic(struct file *f, struct dirsink *to, int64_t *pos)
{
	struct dentry *d;

	if (!f->path.dentry || !f->path.dentry->nsynth)
		return;
	if (*pos < SYNTH_BASE)
		*pos = SYNTH_BASE;
	while ((d = dentry_synthetic(
			f->path.dentry, (unsigned)(*pos - SYNTH_BASE)))) {
		struct inode *in = dentry_inode(d);
		char name[NAME_MAX + 1];
		bool more = dirsink_emit(to, name, dentry_name(d, name),
			in->ino, (in->mode & S_IFMT) >> 12, *pos + 1);

		dentry_put(d);
		if (!more)
			break;
		++*pos;
	}
}

static int read_entries(struct file *f, struct dirsink *to, int64_t *from)
{
	struct inode *dir = f->inode;
	int err;

	filepos_lock(f);
	*from = f->pos;
	dir_lock(dir);
	err = dir->dead ? -ENOENT : 0;
	if (!err && f->pos < SYNTH_BASE)
		err = f->ops->readdir(f, to, &f->pos);
	if (!err && !to->full)
		emit_synthetic(f, to, &f->pos);
	dir_unlock(dir);
	filepos_unlock(f);
	if (!err && !to->used && to->full)
		err = -EINVAL;
	return err;
}

/*
 * One buffer full, copied to @buf.  The bytes; 0 at the end; *@full: there is
 * more, but no room.
 */
static long getdents_part(
	struct task *t, struct file *f, uaddr_t buf, struct dirsink *to)
{
	int64_t from;
	int err = read_entries(f, to, &from);

	if (to->used)
		err = copyout(t, buf, to->buf, to->used);
	if (err) {
		filepos_lock(f);
		f->pos = from; /* nothing was read */
		filepos_unlock(f);
	}
	return err ? err : (long)to->used;
}

long vfs_getdents(
	struct task *t, struct file *f, uaddr_t buf, unsigned count, bool is64)
{
	char small[SMALL]; /* enough for most directories */
	struct dirsink to = {
		.buf = small, .size = MIN(count, SMALL), .is64 = is64
	};
	long ret, more;

	if (!f->ops->readdir || !S_ISDIR(f->inode->mode))
		return -ENOTDIR;
	ret = getdents_part(t, f, buf, &to);
	if (ret > 0 && to.full && count > SMALL) {
		to = (struct dirsink){ .size = MIN(count - (unsigned)ret,
					       DIRBUF_MAX),
			.is64 = is64 };
		to.buf = malloc(to.size);
		more = to.buf ? getdents_part(t, f,
					uaddr(buf.v + (unsigned long)ret), &to)
			      : 0;
		free(to.buf);
		ret += MAX(more, 0L);
	}
	if (ret >= 0 && f->path.dentry)
		notify_dentry(f->path.dentry, IN_ACCESS);
	return ret;
}

long file_getdents_kernel(struct file *f, void *buf, size_t n)
{
	struct dirsink to = { .buf = buf, .size = n, .is64 = true };
	int64_t from;
	int err;

	if (!f->ops->readdir || !S_ISDIR(f->inode->mode))
		return -ENOTDIR;
	err = read_entries(f, &to, &from);
	return err ? err : (long)to.used;
}
