/*
 * phys.c - the flat "physical" space of a sandbox.
 *
 * The reserve is one PROT_NONE mapping; the memory file is mapped over its
 * first part once and for ever.  Each 2 MiB window remembers which descriptor
 * and offset lie behind it.  A window is set up and torn down under its owner's
 * lock, and never torn down while a page table refers to it; only its
 * descriptor may be exchanged under readers' eyes, hence the atomics.
 */
#include "platform/phys.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define DEFAULT_SIZE (256ULL << 30)

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

struct window {
	atomic_int hfd;          /* valid while last > first */
	atomic_uint first, last; /* bytes of the window that are mapped */
	atomic_ullong off;       /* file offset of the window's byte 0 */
};

char *phys_base;
paddr_t phys_memfile_size;
paddr_t phys_size;

static int memfd = -1;
static struct window *windows;

int phys_memfd(void)
{
	return memfd;
}

static void *map_anon(size_t len, int prot)
{
	return mmap(NULL, len, prot,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/* Guests execute from it: say so where vm.memfd_noexec asks. */
static int open_memfd(const char *name)
{
	int hfd = (int)syscall(SYS_memfd_create, name, MFD_CLOEXEC | MFD_EXEC);

	if (hfd < 0 && errno == EINVAL)
		hfd = (int)syscall(SYS_memfd_create, name, MFD_CLOEXEC);
	return hfd;
}

int phys_init(uint64_t memfile_size, uint64_t window_size, struct err *e)
{
	uint64_t mem = ALIGN_UP(memfile_size ?: DEFAULT_SIZE, WINDOW_SIZE);
	uint64_t win = ALIGN_UP(window_size ?: DEFAULT_SIZE, WINDOW_SIZE);
	void *p;

	p = map_anon(mem + win + WINDOW_SIZE, PROT_NONE);
	if (p == MAP_FAILED)
		return err_set(e, errno, "reserve %llu MiB of addresses: %s",
			(unsigned long long)(mem + win) >> 20, strerror(errno));
	phys_base = (char *)ALIGN_UP((uintptr_t)p, WINDOW_SIZE);
	memfd = open_memfd("runsc-memory");
	if (memfd < 0)
		return err_set(e, errno, "memfd_create: %s", strerror(errno));
	if (ftruncate(memfd, (off_t)mem) < 0)
		return err_set(e, errno, "size of the memory file: %s",
			strerror(errno));
	p = mmap(phys_base, mem, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_FIXED | MAP_NORESERVE, memfd, 0);
	if (p == MAP_FAILED)
		return err_set(
			e, errno, "map the memory file: %s", strerror(errno));
	windows = map_anon(
		win / WINDOW_SIZE * sizeof *windows, PROT_READ | PROT_WRITE);
	if (windows == MAP_FAILED)
		return err_set(
			e, errno, "table of windows: %s", strerror(errno));
	phys_memfile_size = mem;
	phys_size = mem + win;
	return 0;
}

static struct window *window_of(paddr_t pa)
{
	return &windows[(pa - phys_memfile_size) / WINDOW_SIZE];
}

bool phys_backing(paddr_t pa, int *hfd, uint64_t *off)
{
	struct window *w;
	uint64_t in = pa % WINDOW_SIZE;

	if (pa < phys_memfile_size) {
		*hfd = memfd;
		*off = pa;
		return true;
	}
	if (pa >= phys_size)
		return false;
	w = window_of(pa);
	if (in < atomic_load(&w->first) || in >= atomic_load(&w->last))
		return false;
	*hfd = atomic_load(&w->hfd);
	*off = atomic_load(&w->off) + in;
	return true;
}

int phys_window_map(
	paddr_t pa, int hfd, uint64_t off, size_t len, bool writable)
{
	uint64_t in = pa % WINDOW_SIZE;
	struct window *w;
	void *p;

	if (pa < phys_memfile_size || pa >= phys_size || !len ||
		len > WINDOW_SIZE - in || ((pa | off | len) & ~PAGE_MASK))
		return -EINVAL;
	w = window_of(pa);
	p = mmap(phys_ptr(pa), len, PROT_READ | (writable ? PROT_WRITE : 0),
		MAP_SHARED | MAP_FIXED, hfd, (off_t)off);
	if (p == MAP_FAILED)
		return -errno;
	atomic_store(&w->hfd, hfd);
	atomic_store(&w->off, off - in);
	atomic_store(&w->first, (unsigned)in);
	atomic_store(&w->last, (unsigned)(in + len));
	return 0;
}

void phys_window_unmap(paddr_t pa)
{
	struct window *w = window_of(pa);

	atomic_store(&w->last, 0);
	atomic_store(&w->first, 0);
	/* Cannot fail but for want of a host vma: then the old mapping, which
	 * nothing refers to any more, stays until the window is used again. */
	(void)!mmap(phys_ptr(ALIGN_DOWN(pa, WINDOW_SIZE)), WINDOW_SIZE,
		PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
}

/* In copy.S. */
extern const char phys_copy_words[], phys_copy_bytes[], phys_copy_tail[],
	phys_copy_short[], phys_cmpxchg_word[], phys_cmpxchg_bad[];

static void on_bus(int sig, siginfo_t *si, void *ctx)
{
	greg_t *rip = &((ucontext_t *)ctx)->uc_mcontext.gregs[REG_RIP];

	(void)si;
	if (*rip == (greg_t)(uintptr_t)phys_copy_words)
		*rip = (greg_t)(uintptr_t)phys_copy_bytes;
	else if (*rip == (greg_t)(uintptr_t)phys_copy_tail)
		*rip = (greg_t)(uintptr_t)phys_copy_short;
	else if (*rip == (greg_t)(uintptr_t)phys_cmpxchg_word)
		*rip = (greg_t)(uintptr_t)phys_cmpxchg_bad;
	else
		signal(sig, SIG_DFL); /* not ours: fault again, and die of it */
}

void phys_catch_bus(void)
{
	struct sigaction sa = { .sa_sigaction = on_bus,
		.sa_flags = SA_SIGINFO | SA_NODEFER };

	sigemptyset(&sa.sa_mask);
	sigaction(SIGBUS, &sa, NULL);
}
