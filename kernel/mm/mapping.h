/*
 * mapping.h - what can be mapped: the pages behind a file or a shared object.
 *
 * A mapping hands out frames by page index.  Three kinds exist: pages in the
 * memory file kept in a tree (tmpfs, memfd, shared anonymous memory, and files of
 * a gofer that gave no descriptor: @fill reads a page), windows onto a host
 * file (host_mapping_create()), and special pages (vDSO).
 *
 * The frame path never calls back into a filesystem with a lock of its own held
 * other than lc_mapping, which may sleep.
 *
 * Field letters:  I  constant    unlettered: lc_mapping
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/list.h"
#include "core/lock.h"
#include "core/ref.h"
#include "core/uio.h"
#include "platform/phys.h"

struct mapping;

struct mapping_ops {
	/*
	 * Reads page @index into @page (zeroed before).  0 or -errno (the guest gets
	 * SIGBUS).  NULL: pages begin as zeros.
	 */
	int (*fill)(struct mapping *m, uint64_t index, void *page);
	/* Writes a dirty page back.  NULL: memory is the file. */
	int (*writeback)(struct mapping *m, uint64_t index, const void *page, size_t len);
	/* Size in bytes now: pages wholly beyond it are SIGBUS.  NULL: no end. */
	int64_t (*size)(struct mapping *m);
	void (*release)(struct mapping *m);	/* frees m after mapping_fini() */
};

struct mapping {
	struct ref ref;
	const struct mapping_ops *ops;	/* I */
	struct mutex lock;
	struct pagetree *pages;		/* index -> frame; memory-file kind */
	struct list vmas;		/* who maps this: struct vma.mapped */
	uint64_t npages;
	atomic_bool sealed;		/* a: new shared mappings are for reading only */
	atomic_uint unmap_seq;		/* a: pages were taken out of address spaces (fault.c) */
	struct host_map *host;		/* I: window kind, else NULL */
	struct memcg *charge;		/* room for later: who pays */
};
LOCK_OPS(mapping, struct mapping, lock)

void mapping_init(struct mapping *m, const struct mapping_ops *ops);
void mapping_fini(struct mapping *m);	/* frees the pages */
struct mapping *mapping_get(struct mapping *m);
void mapping_put(struct mapping *m);	/* NULL is fine */

/* Shared anonymous memory (MAP_SHARED|MAP_ANONYMOUS, /dev/zero, SysV shm). */
int mapping_new_anon(struct mapping **out) MUST_CHECK;
/*
 * A file on the host, through @hfd (consumed on success; stays the mapping's own).
 * -ENODEV when the host refuses to mmap it: fall back to fill/writeback.
 */
int mapping_new_host(int hfd, bool writable, struct mapping **out) MUST_CHECK;
/* A writable descriptor arrived for a mapping that was made read-only (consumed). */
int mapping_host_upgrade(struct mapping *m, int hfd) MUST_CHECK;

/*
 * The frame of page @index, with a reference (frame_put()).  *@run: how many
 * following pages are contiguous in physical space and present too (at least
 * 1).  -EFAULT beyond the end (SIGBUS), -ENOMEM, or what fill said.
 */
int mapping_frame(struct mapping *m, uint64_t index, bool write, paddr_t *pa, uint64_t *run) MUST_CHECK;

/* Reads and writes through the page tree (memory-file kind): tmpfs's read and write. */
ssize_t mapping_read(struct mapping *m, struct uio *to, int64_t pos, int64_t size);
ssize_t mapping_write(struct mapping *m, struct uio *from, int64_t pos);
/*
 * Frees pages of [start, end) bytes, zeroes the partial ones, unmaps them everywhere.
 * At or beyond the size (set it first), or up to INT64_MAX, it is a truncate: all that
 * follows goes, and private copies too.
 */
void mapping_punch(struct mapping *m, int64_t start, int64_t end);
/* Takes pages of [start, end) bytes out of every address space (truncate of a host file: end INT64_MAX). */
void mapping_unmap(struct mapping *m, int64_t start, int64_t end);
/*
 * No new shared mapping may be written, or become so.  With @all no old one either:
 * -EBUSY when there is one.
 */
int mapping_seal(struct mapping *m, bool all) MUST_CHECK;
int mapping_sync(struct mapping *m, int64_t start, int64_t end) MUST_CHECK;
/* Bytes [start, end) of the object changed behind the pages: those that are there read them again. */
void mapping_reread(struct mapping *m, int64_t start, int64_t end);
/* Next data or hole at or after @pos (SEEK_DATA, SEEK_HOLE), bounded by @size; -ENXIO. */
int64_t mapping_seek(struct mapping *m, int64_t pos, int64_t size, bool data);
/* Makes the pages of a range exist (fallocate). */
int mapping_allocate(struct mapping *m, int64_t start, int64_t end) MUST_CHECK;
