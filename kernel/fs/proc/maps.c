/* maps.c - /proc/PID/{maps,smaps,smaps_rollup,mem,pagemap}: the address space
 * of a process. */
#include <errno.h>
#include <limits.h>
#undef PAGE_SIZE /* musl's; ours is the same */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "kernel/fs/proc/proc.h"
#include "kernel/mm/mm.h"
#include "kernel/task/task.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/mount.h"

#define NAME_COLUMN 73
#define MEM_CHUNK   4096

struct maps {
	struct strbuf *out;
	struct path root; /* of the reader */
	char *buf;        /* PATH_MAX */
	bool detail;
	struct vma_info sum; /* rollup */
	uint64_t first, last, locked;
};

static void show_escaped(struct strbuf *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '\n')
			sb_puts(out, "\\012");
		else
			sb_putc(out, *s);
	}
}

static const char *vma_name(struct maps *m, const struct vma_info *v)
{
	char *name;
	int err;

	if (v->name || !v->file)
		return v->name;
	if (!v->file->path.dentry)
		return v->file->ops->name;
	name = path_name(&v->file->path, &m->root, m->buf, PATH_MAX, &err);
	return name ? name : "(unreachable)";
}

static int show_vma(void *arg, const struct vma_info *v)
{
	struct maps *m = arg;
	const char *name = vma_name(m, v);
	size_t start = m->out->len;

	sb_printf(m->out, "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu",
		(unsigned long long)v->start, (unsigned long long)v->end,
		v->prot & PROT_READ ? 'r' : '-',
		v->prot & PROT_WRITE ? 'w' : '-',
		v->prot & PROT_EXEC ? 'x' : '-', v->shared ? 's' : 'p',
		(unsigned long long)v->off, major(v->dev), minor(v->dev),
		(unsigned long long)v->ino);
	sb_putc(m->out, ' ');
	if (name && *name) {
		while (m->out->len - start < NAME_COLUMN && !m->out->cut)
			sb_putc(m->out, ' ');
		show_escaped(m->out, name);
	}
	sb_putc(m->out, '\n');
	return m->out->cut ? -ENOSPC : 0;
}

static unsigned long long kb(uint64_t pages)
{
	return (unsigned long long)pages * 4;
}

static void show_counts(struct strbuf *out, const struct vma_info *v,
	bool rollup, uint64_t locked)
{
	uint64_t clean = v->rss - MIN(v->dirty, v->rss);

	sb_printf(out,
		"Rss:            %8llu kB\nPss:            %8llu kB\n"
		"Pss_Dirty:      %8llu kB\n",
		kb(v->rss), kb(v->rss), kb(v->dirty));
	if (rollup)
		sb_printf(out,
			"Pss_Anon:       %8llu kB\nPss_File:       %8llu kB\n"
			"Pss_Shmem:      %8llu kB\n",
			kb(v->anon), kb(v->hosted),
			kb(v->rss - v->anon - v->hosted));
	sb_printf(out,
		"Shared_Clean:   %8llu kB\n"
		"Shared_Dirty:   %8llu kB\nPrivate_Clean:  %8llu kB\n"
		"Private_Dirty:  %8llu kB\nReferenced:     %8llu kB\n"
		"Anonymous:      %8llu kB\n",
		v->shared ? kb(clean) : 0ULL, v->shared ? kb(v->dirty) : 0ULL,
		v->shared ? 0ULL : kb(clean), v->shared ? 0ULL : kb(v->dirty),
		kb(v->rss), kb(v->anon));
	sb_printf(out,
		"KSM:            %8u kB\nLazyFree:       %8u kB\n"
		"AnonHugePages:  %8u kB\nShmemPmdMapped: %8u kB\n"
		"FilePmdMapped:  %8u kB\nShared_Hugetlb: %8u kB\n"
		"Private_Hugetlb: %7u kB\nSwap:           %8u kB\n"
		"SwapPss:        %8u kB\nLocked:         %8llu kB\n",
		0, 0, 0, 0, 0, 0, 0, 0, 0, kb(locked));
}

static int show_smap(void *arg, const struct vma_info *v)
{
	struct maps *m = arg;

	(void)show_vma(m, v);
	sb_printf(m->out,
		"Size:           %8llu kB\n"
		"KernelPageSize: %8u kB\nMMUPageSize:    %8u kB\n",
		(unsigned long long)(v->end - v->start) / 1024, 4, 4);
	show_counts(m->out, v, false, v->locked ? v->rss : 0);
	sb_printf(m->out, "THPeligible:    %8u\nVmFlags: %s%s%s%s%s%s%s%s\n", 0,
		v->prot & PROT_READ ? "rd " : "",
		v->prot & PROT_WRITE ? "wr " : "",
		v->prot & PROT_EXEC ? "ex " : "", v->shared ? "sh " : "",
		"mr mw me ", v->grows_down ? "gd " : "", v->locked ? "lo " : "",
		"sd ");
	return m->out->cut ? -ENOSPC : 0;
}

static int add_up(void *arg, const struct vma_info *v)
{
	struct maps *m = arg;

	if (!m->last)
		m->first = v->start;
	m->last = v->end;
	m->sum.rss += v->rss;
	m->sum.anon += v->anon;
	m->sum.hosted += v->hosted;
	m->sum.dirty += v->dirty;
	m->locked += v->locked ? v->rss : 0;
	return 0;
}

static int show_with(struct proc_inode *p, struct strbuf *out, bool count,
	int (*fn)(void *arg, const struct vma_info *v), struct maps *m)
{
	struct mm *mm = task_mm(p->task);

	if (!mm)
		return 0;
	m->out = out;
	m->buf = malloc(PATH_MAX);
	if (!m->buf) {
		mm_put(mm);
		return -ENOMEM;
	}
	proc_root_of(current, &m->root);
	(void)mm_for_each_vma(mm, 0, count, fn, m);
	path_put(&m->root);
	free(m->buf);
	mm_put(mm);
	return 0;
}

int proc_show_maps(struct proc_inode *p, struct strbuf *out)
{
	struct maps m = { 0 };

	return show_with(p, out, false, show_vma, &m);
}

int proc_show_smaps(struct proc_inode *p, struct strbuf *out)
{
	struct maps m = { 0 };

	return show_with(p, out, true, show_smap, &m);
}

int proc_show_rollup(struct proc_inode *p, struct strbuf *out)
{
	struct maps m = { 0 };
	int err = show_with(p, out, true, add_up, &m);

	if (err)
		return err;
	sb_printf(out, "%08llx-%08llx ---p 00000000 00:00 0",
		(unsigned long long)m.first, (unsigned long long)m.last);
	sb_printf(out, "%*s[rollup]\n", 22, "");
	show_counts(out, &m.sum, true, m.locked);
	return 0;
}

/* --- mem */

struct mem_file {
	struct file f;
	struct mm *mm; /* I: reference; NULL: the process had ended */
};

static ssize_t mem_move(struct file *f, struct uio *u, int64_t *pos, bool write)
{
	struct mm *mm = container_of(f, struct mem_file, f)->mm;
	char buf[MEM_CHUNK];
	ssize_t done = 0, n, got;
	struct uio at;

	while (mm && uio_left(u)) {
		n = (ssize_t)MIN(uio_left(u), sizeof buf);
		at = *u;
		if (write) {
			n = (ssize_t)uio_get(&at, buf, (size_t)n);
			got = n ? mm_poke(mm, (uint64_t)*pos, buf, (size_t)n)
				: -EFAULT;
		} else {
			got = mm_peek(mm, (uint64_t)*pos, buf, (size_t)n);
			if (got > 0)
				got = (ssize_t)uio_put(&at, buf, (size_t)got);
		}
		if (got <= 0)
			return done ? done : -EIO;
		uio_skip(u, (size_t)got);
		*pos += got;
		done += got;
		if (got < n)
			break;
	}
	return done;
}

static ssize_t mem_read(struct file *f, struct uio *to, int64_t *pos)
{
	return mem_move(f, to, pos, false);
}

static ssize_t mem_write(struct file *f, struct uio *from, int64_t *pos)
{
	return mem_move(f, from, pos, true);
}

/* Any address is a position, the upper half too. */
LOCKS_UNCHECKED /* the caller holds the position's lock */
	static int64_t
	mem_seek(struct file *f, int64_t off, int whence)
{
	if (whence == SEEK_CUR)
		off += f->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	return off < 0 ? -EINVAL : off;
}

static void mem_release(struct file *f)
{
	struct mem_file *m = container_of(f, struct mem_file, f);

	if (m->mm)
		mm_put(m->mm);
	file_fini(f);
	free(m);
}

#define PAGEMAP_CHUNK 64

/* Words of eight bytes, one a page; only whole ones can be asked for. */
static ssize_t pagemap_read(struct file *f, struct uio *to, int64_t *pos)
{
	struct mm *mm = container_of(f, struct mem_file, f)->mm;
	const uint64_t end = 1ULL << 47 >> PAGE_SHIFT;
	uint64_t word[PAGEMAP_CHUNK];
	ssize_t done = 0;

	if (*pos % 8 || uio_left(to) % 8)
		return -EINVAL;
	while (mm && uio_left(to) && (uint64_t)*pos / 8 < end) {
		uint64_t at = (uint64_t)*pos / 8;
		size_t n = MIN(uio_left(to) / 8, (size_t)PAGEMAP_CHUNK), k;

		n = MIN(n, end - at);
		mm_pagemap(mm, at << PAGE_SHIFT, word, n);
		k = uio_put(to, word, n * 8);
		*pos += (int64_t)k;
		done += (ssize_t)k;
		if (k < n * 8)
			return done ? done : -EFAULT;
	}
	return done;
}

static const struct file_ops pagemap_ops = {
	.name = "pagemap",
	.read = pagemap_read,
	.seek = mem_seek,
	.release = mem_release,
};

static const struct file_ops mem_ops = {
	.name = "mem",
	.no_content = true, /* a write may fault, in any address space */
	.read = mem_read,
	.write = mem_write,
	.seek = mem_seek,
	.release = mem_release,
};

static int open_memory(struct proc_inode *p, const struct path *path, int flags,
	struct cred *cred, const struct file_ops *ops, struct file **out)
{
	struct mem_file *m = malloc(sizeof *m);

	if (!m)
		return -ENOMEM;
	file_init(&m->f, ops, flags, &p->in, path, cred);
	m->mm = task_mm(p->task);
	*out = &m->f;
	return 0;
}

int proc_open_mem(struct proc_inode *p, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	return open_memory(p, path, flags, cred, &mem_ops, out);
}

int proc_open_pagemap(struct proc_inode *p, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	return open_memory(p, path, flags, cred, &pagemap_ops, out);
}
