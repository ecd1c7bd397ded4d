/*
 * usermem.c - the only ways across to guest memory.
 *
 * A copy holds mm_active shared over walk and memcpy, so that no frame is freed
 * under it; it stops at a page that is not there, and faults it in with no lock
 * held.  Windows are copied with phys_copy(): beyond the end of a host file
 * there is SIGBUS, which is EFAULT here.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "core/uio.h"
#include "kernel/mm/fault.h"
#include "kernel/mm/frames.h"
#include "kernel/task/task.h"

#define FAULT_PAGES 16 /* uio_user.fault_in looks this far */
#define PIN_PAGES   512
#define ANY_PROT    1 /* mm_peek, mm_poke */

static bool pte_ok(pte_t pte, bool write, unsigned how)
{
	if (!(pte & PTE_P))
		return false;
	if (how & ANY_PROT)
		return !write || !(pte & PTE_COW);
	return !(pte & PTE_NONE) && (!write || (pte & PTE_W));
}

/* Physically contiguous bytes from @addr on, at most @n: 0 when not accessible.
 */
HOLDS_SHARED(lc_mm_active)
static size_t extent(struct mm *mm, uint64_t addr, size_t n, bool write,
	unsigned how, paddr_t *pa)
{
	size_t off = addr & (PAGE_SIZE - 1), len = PAGE_SIZE - off;
	pte_t pte;

	if (addr >= platform_max_addr)
		return 0;
	pte = ptable_get(&mm->as.pt, addr);
	if (!pte_ok(pte, write, how))
		return 0;
	*pa = (pte & PTE_ADDR) + off;
	while (len < n && addr + len < platform_max_addr) {
		pte = ptable_get(&mm->as.pt, addr + len);
		if (!pte_ok(pte, write, how) || (pte & PTE_ADDR) != *pa + len ||
			phys_is_window(pte & PTE_ADDR) != phys_is_window(*pa))
			break;
		len += PAGE_SIZE;
	}
	return MIN(len, n);
}

/* Copies between @p and guest memory; stops at a page that is not there. */
HOLDS_SHARED(lc_mm_active)
static size_t copy_locked(struct mm *mm, uint64_t addr, void *p, size_t n,
	bool write, unsigned how, bool *bus)
{
	size_t done = 0;
	paddr_t pa;

	while (done < n) {
		size_t k = extent(mm, addr + done, n - done, write, how, &pa);
		char *buf = (char *)p + done;
		size_t got = k;

		if (!k)
			break;
		if (phys_is_window(pa)) {
			if (write)
				got = phys_copy(phys_ptr(pa), buf, k);
			else
				got = phys_copy(buf, phys_ptr(pa), k);
		} else if (write) {
			memcpy(phys_ptr(pa), buf, k);
		} else {
			memcpy(buf, phys_ptr(pa), k);
		}
		done += got;
		if (got < k) {
			*bus = true;
			break;
		}
	}
	return done;
}

/* How much came across; faults pages in. */
static size_t copy(struct mm *mm, uint64_t addr, void *p, size_t n, bool write,
	unsigned how)
{
	unsigned flags = FAULT_KERNEL | (how & ANY_PROT ? FAULT_FORCE : 0);
	size_t done = 0;
	bool bus = false;

	if (addr + n < addr)
		n = -addr;
	for (;;) {
		mm_active_read(&mm->as);
		done += copy_locked(mm, addr + done, (char *)p + done, n - done,
			write, how, &bus);
		mm_active_read_done(&mm->as);
		if (done == n || bus)
			return done;
		if (fault_in(mm, addr + done, write ? PACC_WRITE : PACC_READ,
			    flags, 0))
			return done;
	}
}

int mm_copyin(struct mm *mm, void *dst, uint64_t src, size_t n)
{
	return copy(mm, src, dst, n, false, 0) == n ? 0 : -EFAULT;
}

int mm_copyout(struct mm *mm, uint64_t dst, const void *src, size_t n)
{
	/* The cast is safe: a write only reads the buffer. */
	return copy(mm, dst, (void *)(uintptr_t)src, n, true, 0) == n ? 0
								      : -EFAULT;
}

int copyin(struct task *t, void *dst, uaddr_t src, size_t n)
{
	return mm_copyin(t->mm, dst, src.v, n);
}

int copyout(struct task *t, uaddr_t dst, const void *src, size_t n)
{
	return mm_copyout(t->mm, dst.v, src, n);
}

ssize_t mm_peek(struct mm *mm, uint64_t addr, void *buf, size_t n)
{
	size_t k = copy(mm, addr, buf, n, false, ANY_PROT);

	return k || !n ? (ssize_t)k : -EIO;
}

ssize_t mm_poke(struct mm *mm, uint64_t addr, const void *buf, size_t n)
{
	size_t k = copy(mm, addr, (void *)(uintptr_t)buf, n, true, ANY_PROT);

	return k || !n ? (ssize_t)k : -EIO;
}

ssize_t copyinstr(struct task *t, char *dst, uaddr_t src, size_t n)
{
	size_t done = 0;

	while (done < n) {
		uint64_t addr = src.v + done;
		size_t want = MIN(n - done, PAGE_SIZE - addr % PAGE_SIZE), k;
		char *nul;

		/* Little of what most strings need: then the rest of the page.
		 */
		want = MIN(want, done ? PAGE_SIZE : 128UL);
		k = copy(t->mm, addr, dst + done, want, false, 0);
		nul = memchr(dst + done, 0, k);
		if (nul)
			return nul - dst;
		if (k < want)
			return -EFAULT;
		done += k;
	}
	return -ENAMETOOLONG;
}

int copyin_struct(
	struct task *t, void *dst, size_t size, uaddr_t src, size_t given)
{
	char tail[64];

	memset(dst, 0, size);
	for (size_t off = size; off < given; off += sizeof tail) {
		size_t n = MIN(given - off, sizeof tail);

		if (copyin(t, tail, uaddr_add(src, off), n))
			return -EFAULT;
		for (size_t i = 0; i < n; i++)
			if (tail[i])
				return -E2BIG;
	}
	return copyin(t, dst, src, MIN(size, given));
}

int copyin_path(struct task *t, uaddr_t src, char **out)
{
	char *buf = malloc(PATH_MAX), *fit;
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	n = copyinstr(t, buf, src, PATH_MAX);
	if (n < 0) {
		free(buf);
		return (int)n;
	}
	fit = realloc(buf, (size_t)n + 1);
	*out = fit ? fit : buf;
	return 0;
}

int clear_user(struct task *t, uaddr_t dst, size_t n)
{
	static const char zeros[PAGE_SIZE];

	while (n) {
		size_t k = MIN(n, sizeof zeros);
		int err = copyout(t, dst, zeros, k);

		if (err)
			return err;
		dst = uaddr_add(dst, k);
		n -= k;
	}
	return 0;
}

int copyin_iovec(
	struct task *t, uaddr_t iov, int n, struct uio_seg **seg, size_t *total)
{
	struct uio_seg *s;
	int err;

	*seg = NULL;
	*total = 0;
	if (n < 0 || n > IOV_MAX)
		return -EINVAL;
	/* struct iovec and struct uio_seg have one layout. */
	s = malloc((size_t)n * sizeof *s + 1);
	if (!s)
		return -ENOMEM;
	err = copyin(t, s, iov, (size_t)n * sizeof *s);
	for (int i = 0; !err && i < n; i++) {
		if ((int64_t)s[i].len < 0) {
			err = -EINVAL;
		} else if (s[i].base + s[i].len < s[i].base ||
			   s[i].base + s[i].len > platform_max_addr) {
			err = s[i].len ? -EFAULT : 0;
		} else if (s[i].len >
			   (size_t)INT_MAX - PAGE_SIZE + 1 - *total) {
			/* MAX_RW_COUNT: what is beyond is not moved. */
			s[i].len = (size_t)INT_MAX - PAGE_SIZE + 1 - *total;
			*total += s[i].len;
		} else {
			*total += s[i].len;
		}
	}
	if (err) {
		free(s);
		return err;
	}
	*seg = s;
	return 0;
}

/* --- struct uio */

static size_t user_copy_to(void *space, uint64_t dst, const void *src, size_t n)
{
	struct mm *mm = space;
	bool bus = false;
	size_t k;

	mm_active_read(&mm->as);
	k = copy_locked(mm, dst, (void *)(uintptr_t)src, n, true, 0, &bus);
	mm_active_read_done(&mm->as);
	return k;
}

static size_t user_copy_from(void *space, void *dst, uint64_t src, size_t n)
{
	struct mm *mm = space;
	bool bus = false;
	size_t k;

	mm_active_read(&mm->as);
	k = copy_locked(mm, src, dst, n, false, 0, &bus);
	mm_active_read_done(&mm->as);
	return k;
}

/*
 * Is the byte at @addr there, and not beyond the end of a host file?  *@end:
 * how far pages are present, at most to @end.
 */
static bool present(
	struct mm *mm, uint64_t addr, uint64_t *end, bool write, bool *bus)
{
	uint64_t n = *end - addr, k = 0, len;
	paddr_t pa;
	char c;

	mm_active_read(&mm->as);
	while (k < n) {
		len = extent(mm, addr + k, n - k, write, 0, &pa);
		if (!len)
			break;
		if (!k && phys_is_window(pa) &&
			phys_copy(&c, phys_ptr(pa), 1) < 1)
			*bus = true;
		k += len;
	}
	mm_active_read_done(&mm->as);
	*end = addr + k;
	return k > 0;
}

static int user_fault_in(void *space, uint64_t addr, size_t n, bool write)
{
	uint64_t limit = addr + MIN(n, FAULT_PAGES * PAGE_SIZE), end;
	uint64_t at = addr;
	struct mm *mm = space;
	bool bus = false;

	if (limit < addr || limit > platform_max_addr)
		limit = platform_max_addr;
	while (at < limit) {
		end = limit;
		if (present(mm, at, &end, write, &bus)) {
			if (bus)
				return at > addr ? 0 : -EFAULT;
			at = end;
			continue;
		}
		if (fault_in(mm, at, write ? PACC_WRITE : PACC_READ,
			    FAULT_KERNEL,
			    (limit - at + PAGE_SIZE - 1) >> PAGE_SHIFT))
			return at > addr ? 0 : -EFAULT;
	}
	return at > addr || !n ? 0 : -EFAULT;
}

/* The cookie is the first page's address and, in its low bits, how many. */
static size_t user_pin_run(void *space, uint64_t addr, size_t n, bool write,
	void **host, uint64_t *cookie)
{
	struct mm *mm = space;
	uint64_t pages;
	paddr_t pa;
	size_t k;

	n = MIN(n, PIN_PAGES * PAGE_SIZE);
	mm_active_read(&mm->as);
	k = extent(mm, addr, n, write, 0, &pa);
	if (k) {
		pages = (pa % PAGE_SIZE + k + PAGE_SIZE - 1) >> PAGE_SHIFT;
		frames_get(pa & PAGE_MASK, (unsigned)pages);
		*cookie = (pa & PAGE_MASK) | pages;
		*host = phys_ptr(pa);
	}
	mm_active_read_done(&mm->as);
	return k;
}

static void user_unpin(uint64_t cookie)
{
	frames_put(cookie & PAGE_MASK, cookie & (PAGE_SIZE - 1));
}

const struct uio_ops uio_user = {
	.copy_to = user_copy_to,
	.copy_from = user_copy_from,
	.fault_in = user_fault_in,
	.pin = user_pin_run,
	.unpin = user_unpin,
};

/* --- words */

int user_try_load32(struct mm *mm, uint64_t addr, uint32_t *v)
{
	int err = -EFAULT;
	paddr_t pa;

	if (addr % 4)
		return -EFAULT;
	mm_active_read(&mm->as);
	if (extent(mm, addr, 4, false, 0, &pa)) {
		if (!phys_is_window(pa)) {
			*v = __atomic_load_n(
				(uint32_t *)phys_ptr(pa), __ATOMIC_SEQ_CST);
			err = 0;
		} else if (phys_copy(v, phys_ptr(pa), 4) == 4) {
			err = 0;
		}
	}
	mm_active_read_done(&mm->as);
	return err;
}

int user_try_cmpxchg32(struct mm *mm, uint64_t addr, uint32_t old, uint32_t new,
	uint32_t *prev)
{
	int err = -EFAULT;
	paddr_t pa;

	if (addr % 4)
		return -EFAULT;
	mm_active_read(&mm->as);
	if (extent(mm, addr, 4, true, 0, &pa))
		err = phys_cmpxchg32(phys_ptr(pa), old, new, prev);
	mm_active_read_done(&mm->as);
	return err;
}

int user_load32(struct mm *mm, uint64_t addr, uint32_t *v)
{
	if (user_try_load32(mm, addr, v) == 0)
		return 0;
	if (addr % 4 || user_fault_in(mm, addr, 4, false))
		return -EFAULT;
	return user_try_load32(mm, addr, v);
}

int user_cmpxchg32(struct mm *mm, uint64_t addr, uint32_t old, uint32_t new,
	uint32_t *prev)
{
	if (user_try_cmpxchg32(mm, addr, old, new, prev) == 0)
		return 0;
	if (addr % 4 || user_fault_in(mm, addr, 4, true))
		return -EFAULT;
	return user_try_cmpxchg32(mm, addr, old, new, prev);
}

int user_pin(struct mm *mm, uint64_t addr, bool write, paddr_t *pa)
{
	for (;;) {
		size_t k;

		mm_active_read(&mm->as);
		k = extent(mm, addr, 1, write, 0, pa);
		if (k)
			frames_get(*pa & PAGE_MASK, 1);
		mm_active_read_done(&mm->as);
		if (k)
			return 0;
		if (fault_in(mm, addr, write ? PACC_WRITE : PACC_READ,
			    FAULT_KERNEL, 1))
			return -EFAULT;
	}
}

int user_futex_key(struct mm *mm, uint64_t addr, paddr_t *pa)
{
	struct vma *v;
	bool mapped, shared;

	mm_map_read(mm);
	v = vma_find(mm, addr);
	mapped = v && v->start <= addr;
	shared = mapped && (v->flags & VM_SHARED);
	mm_map_read_done(mm);
	if (!mapped)
		return -EFAULT;
	if (!shared)
		return 0;
	return user_pin(mm, addr, false, pa) ? -EFAULT : 1;
}
