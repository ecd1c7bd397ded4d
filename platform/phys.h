/*
 * phys.h - the flat "physical" space of a sandbox.
 *
 * One PROT_NONE reserve of host address space.  Offset o in it is physical
 * address o: the first part is one big memory file (a memfd, mapped whole and
 * sparse), the second is cut in 2 MiB windows onto host files.  Every guest page
 * has one physical address, and so one kernel pointer (phys_ptr), one descriptor and
 * offset (phys_backing: what a stub maps), and one place in a KVM slot.
 *
 * kernel/mm/memfile.c allocates frames, kernel/mm/window.c fills windows; this
 * file only knows what is behind an address.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

#define PAGE_SHIFT	12
#undef PAGE_SIZE		/* musl's <limits.h> has one, an int */
#define PAGE_SIZE	4096UL
#define PAGE_MASK	(~(PAGE_SIZE - 1))
#define WINDOW_SIZE	(2UL << 20)

typedef uint64_t paddr_t;
#define PADDR_NONE	(~0ULL)

extern char *phys_base;
extern paddr_t phys_memfile_size;	/* windows begin here; both sizes are set by phys_init */
extern paddr_t phys_size;

/*
 * Reserves the space and makes the memory file.  Sizes default to 256 GiB each
 * (0); sanitizer builds pass less.
 */
int phys_init(uint64_t memfile_size, uint64_t window_size, struct err *e) MUST_CHECK;
int phys_memfd(void);			/* the memory file */

static inline void *phys_ptr(paddr_t pa) { return phys_base + pa; }
static inline bool phys_is_window(paddr_t pa) { return pa >= phys_memfile_size; }
static inline paddr_t phys_of(const void *p) { return (paddr_t)((const char *)p - phys_base); }

/* Which descriptor and offset back @pa (a whole page, borrowed). False: nothing does. */
bool phys_backing(paddr_t pa, int *hfd, uint64_t *off);
/*
 * Maps @len bytes of @hfd from @off (both page-aligned, within one window) at window
 * address @pa, read-only or writable; replaces what was there.  @hfd stays the
 * caller's and must outlive the window.
 */
int phys_window_map(paddr_t pa, int hfd, uint64_t off, size_t len, bool writable) MUST_CHECK;
void phys_window_unmap(paddr_t pa);

/*
 * memcpy that survives SIGBUS (a window past the end of its file).  Returns the
 * bytes copied.  phys_catch_bus() installs the handler, once at start.
 */
size_t phys_copy(void *dst, const void *src, size_t n);
/* The same for one aligned word: 0 and what was there in *@prev, or -EFAULT. */
int phys_cmpxchg32(void *word, uint32_t old, uint32_t new, uint32_t *prev) MUST_CHECK;
void phys_catch_bus(void);
