/*
 * vma.h - regions of an address space; private to kernel/mm.
 *
 * A vma that has a mapping hangs on the mapping's list: its range and offset
 * change only with lc_mapping held too, so that a truncate can walk the list
 * without the map lock of every address space.
 *
 * Field letters:  I  constant    m  lc_mm_map, and lc_mapping when there is a mapping
 *                 a  atomic    unlettered: lc_mm_map
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "core/list.h"
#include "core/rbtree.h"
#include "kernel/mm/mapping.h"
#include "kernel/mm/mm.h"

#define VM_SHARED	0x0001
#define VM_MAYREAD	0x0002
#define VM_MAYWRITE	0x0004		/* mprotect may add it */
#define VM_MAYEXEC	0x0008
#define VM_GROWSDOWN	0x0010
#define VM_LOCKED	0x0020
#define VM_LOCKONFAULT	0x0040
#define VM_DONTFORK	0x0080
#define VM_WIPEONFORK	0x0100
#define VM_DONTDUMP	0x0200
#define VM_NORESERVE	0x0400
#define VM_HUGE		0x0800
#define VM_NOHUGE	0x1000
#define VM_SEQ		0x2000
#define VM_RANDOM	0x4000
#define VM_SPECIAL	0x8000		/* vDSO: never merged, not resized */
#define VM_STACK	0x10000
#define VM_ACCOUNT	0x20000		/* private and writable once: counts for RLIMIT_DATA */
#define VM_MERGEABLE	0x40000		/* madvise(MADV_MERGEABLE), no effect */

#define VMA_MAX 65530			/* vm.max_map_count */
#define STACK_GAP (256 * PAGE_SIZE)	/* what stays free below a stack */
#define MMAP_MIN_ADDR 0x10000UL

struct vma {
	struct rb_node node;
	struct mm *mm;			/* I */
	uint64_t start, end;		/* m */
	uint64_t off;			/* m: bytes into the mapping at start; anonymous: start when made */
	uint64_t gap, gap_max;		/* free bytes before start; most in this subtree */
	int prot;
	unsigned flags;			/* VM_* */
	struct mapping *mapping;	/* I: reference; NULL: private anonymous */
	struct file *file;		/* I: reference, or NULL */
	const char *name;		/* I: static, or NULL */
	struct list mapped;		/* m: mapping->vmas; when free: to be freed */
	_Atomic uint64_t next_fault;	/* a: a fault here is sequential */
	atomic_uint ahead;		/* a: pages mapped at the last fault */
};

#define vma_of(n) rb_entry(n, struct vma, node)

static inline uint64_t vma_pages(const struct vma *v)
{
	return (v->end - v->start) >> PAGE_SHIFT;
}

/* Private and its pages may be copied on write. */
static inline bool vma_is_cow(const struct vma *v)
{
	return !(v->flags & VM_SHARED);
}

/* Offset in the mapping of @addr. */
static inline uint64_t vma_offset(const struct vma *v, uint64_t addr)
{
	return v->off + (addr - v->start);
}

void vmas_init(struct mm *mm);
/* The first vma that ends above @addr, or NULL. */
struct vma *vma_find(struct mm *mm, uint64_t addr) HOLDS_SHARED(lc_mm_map);
struct vma *vma_next(const struct vma *v);
struct vma *vma_prev(const struct vma *v);
struct vma *vma_first(struct mm *mm) HOLDS_SHARED(lc_mm_map);
/* A copy of @v's attributes, with references, in no tree; NULL on OOM. */
struct vma *vma_copy(const struct vma *v, struct mm *mm);
/* Into the tree and onto its mapping's list; charges the counters. */
void vma_insert(struct mm *mm, struct vma *v) HOLDS(lc_mm_map);
/* The same, hung behind @like: fork. */
void vma_insert_behind(struct mm *mm, struct vma *v, struct vma *like) HOLDS(lc_mm_map);
void vma_remove(struct mm *mm, struct vma *v) HOLDS(lc_mm_map);
/* Moves the bounds; @off follows start. */
void vma_resize(struct vma *v, uint64_t start, uint64_t end) HOLDS(lc_mm_map);
/* Cuts @v at @addr: v keeps the lower part.  0, -ENOMEM. */
int vma_split(struct mm *mm, struct vma *v, uint64_t addr) MUST_CHECK HOLDS(lc_mm_map);
/* Splits so that [start, end) begins and ends at vma borders. */
int vma_isolate(struct mm *mm, uint64_t start, uint64_t end) MUST_CHECK HOLDS(lc_mm_map);
/* Joins neighbours that are alike in [start, end] and at its borders; dead ones go to @dead. */
void vma_merge(struct mm *mm, uint64_t start, uint64_t end, struct list *dead) HOLDS(lc_mm_map);
/* Changes protection or flags, and what is counted by them. */
void vma_set(struct mm *mm, struct vma *v, int prot, unsigned flags) HOLDS(lc_mm_map);
/* Frees those collected in @dead (by vma.mapped): no lock may be held. */
void vmas_free(struct list *dead);
/* The highest free range of @len in [low, high), if it can be with start % align == phase % align; 0: none. */
uint64_t vma_gap(struct mm *mm, uint64_t len, uint64_t align, uint64_t phase, uint64_t low, uint64_t high) HOLDS_SHARED(lc_mm_map);
/* Is [start, end) free (guard gaps of stacks aside)? */
bool vma_range_free(struct mm *mm, uint64_t start, uint64_t end) HOLDS_SHARED(lc_mm_map);
/* Is every byte of [start, end) mapped? */
bool vma_range_mapped(struct mm *mm, uint64_t start, uint64_t end) HOLDS_SHARED(lc_mm_map);
