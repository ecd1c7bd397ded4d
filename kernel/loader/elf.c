/*
 * elf.c - ELF headers, checked, and their segments, mapped.
 *
 * Every number in the file is hostile.  elf_read() refuses what Linux refuses,
 * and makes sure that no sum of an address and a size overflows or leaves the
 * guest's address space; elf_map() needs no further check.  Linux:
 * fs/binfmt_elf.c load_elf_binary().
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel/loader/loader.h"
#include "kernel/mm/mm.h"
#include "kernel/vfs/file.h"
#include "platform/platform.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static int elf_check_header(const Elf64_Ehdr *eh)
{
	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 ||
		eh->e_ident[EI_CLASS] != ELFCLASS64 ||
		eh->e_ident[EI_DATA] != ELFDATA2LSB)
		return -ENOEXEC;
	if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN)
		return -ENOEXEC;
	if (eh->e_machine != EM_X86_64)
		return -ENOEXEC;
	if (eh->e_phentsize != sizeof(Elf64_Phdr) || eh->e_phnum == 0 ||
		eh->e_phnum > PAGE_SIZE / sizeof(Elf64_Phdr))
		return -ENOEXEC;
	return 0;
}

/* One PT_LOAD: inside the address space, in step with its file offset. */
static int elf_check_segment(const Elf64_Phdr *p)
{
	if (p->p_filesz > p->p_memsz || p->p_memsz >= platform_max_addr ||
		p->p_vaddr >= platform_max_addr - p->p_memsz)
		return -EINVAL;
	if (p->p_filesz && (p->p_vaddr - p->p_offset) % PAGE_SIZE)
		return -EINVAL;
	if (p->p_offset > INT64_MAX - p->p_memsz - PAGE_SIZE)
		return -EINVAL;
	return 0;
}

static int elf_span(struct elf_image *img)
{
	img->low = UINT64_MAX;
	img->align = PAGE_SIZE;
	for (int i = 0; i < img->eh.e_phnum; i++) {
		const Elf64_Phdr *p = &img->ph[i];
		int ret;

		if (p->p_type != PT_LOAD || !p->p_memsz)
			continue;
		ret = elf_check_segment(p);
		if (ret)
			return ret;
		img->low = MIN(img->low, ALIGN_DOWN(p->p_vaddr, PAGE_SIZE));
		img->high = MAX(img->high,
			ALIGN_UP(p->p_vaddr + p->p_memsz, PAGE_SIZE));
		if (p->p_align > img->align &&
			(p->p_align & (p->p_align - 1)) == 0 &&
			p->p_align <= 1UL << 30)
			img->align = p->p_align;
	}
	return img->low < img->high ? 0 : -EINVAL;
}

int elf_read(struct file *f, const char *head, struct elf_image *img)
{
	ssize_t n;
	size_t len;
	int ret;

	memset(img, 0, sizeof *img);
	memcpy(&img->eh, head, sizeof img->eh);
	ret = elf_check_header(&img->eh);
	if (ret)
		return ret;
	if (img->eh.e_phoff > INT64_MAX - PAGE_SIZE)
		return -ENOEXEC;
	len = img->eh.e_phnum * sizeof(Elf64_Phdr);
	img->ph = malloc(len);
	if (!img->ph)
		return -ENOMEM;
	n = file_read_kernel(f, img->ph, len, (int64_t)img->eh.e_phoff);
	if (n != (ssize_t)len)
		return n < 0 ? (int)n : -EIO;
	return elf_span(img);
}

int elf_interp(struct file *f, const struct elf_image *img, char **name)
{
	*name = NULL;
	for (int i = 0; i < img->eh.e_phnum; i++) {
		const Elf64_Phdr *p = &img->ph[i];
		ssize_t n;

		if (p->p_type != PT_INTERP)
			continue;
		if (p->p_filesz < 2 || p->p_filesz > PATH_MAX ||
			p->p_offset > INT64_MAX - PATH_MAX)
			return -ENOEXEC;
		*name = malloc(p->p_filesz);
		if (!*name)
			return -ENOMEM;
		n = file_read_kernel(
			f, *name, p->p_filesz, (int64_t)p->p_offset);
		if (n == (ssize_t)p->p_filesz && !(*name)[p->p_filesz - 1])
			return 0;
		free(*name);
		*name = NULL;
		return n < 0                       ? (int)n
		       : n == (ssize_t)p->p_filesz ? -ENOEXEC
						   : -EIO;
	}
	return 0;
}

static int elf_prot(const Elf64_Phdr *p)
{
	return (p->p_flags & PF_R ? PROT_READ : 0) |
	       (p->p_flags & PF_W ? PROT_WRITE : 0) |
	       (p->p_flags & PF_X ? PROT_EXEC : 0);
}

/* The part that comes from the file. */
static int map_file(
	struct mm *mm, struct file *f, const Elf64_Phdr *p, uint64_t bias)
{
	uint64_t start = ALIGN_DOWN(p->p_vaddr + bias, PAGE_SIZE);
	uint64_t end = p->p_vaddr + bias + p->p_filesz;
	int64_t at;

	if (!p->p_filesz)
		return 0;
	at = mm_mmap(mm, &(struct mmap_req){ .addr = start,
				 .len = ALIGN_UP(end, PAGE_SIZE) - start,
				 .prot = elf_prot(p),
				 .flags = MAP_PRIVATE | MAP_FIXED,
				 .file = f,
				 .off = ALIGN_DOWN(p->p_offset, PAGE_SIZE) });
	return at < 0 ? (int)at : 0;
}

/* The part beyond the file: the rest of its last page, and fresh pages. */
static int map_bss(struct mm *mm, const Elf64_Phdr *p, uint64_t bias)
{
	static const char zeros[PAGE_SIZE];
	uint64_t start = p->p_vaddr + bias + p->p_filesz;
	uint64_t page = ALIGN_UP(start, PAGE_SIZE);
	uint64_t end = ALIGN_UP(p->p_vaddr + bias + p->p_memsz, PAGE_SIZE);
	int64_t at;

	if (p->p_memsz == p->p_filesz)
		return 0;
	if (!p->p_filesz)
		page = ALIGN_DOWN(start, PAGE_SIZE);
	else if (start < page && (p->p_flags & PF_W) &&
		 mm_copyout(mm, start, zeros, page - start))
		return -EFAULT;
	if (page >= end)
		return 0;
	at = mm_mmap(
		mm, &(struct mmap_req){ .addr = page,
			    .len = end - page,
			    .prot = elf_prot(p),
			    .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED });
	return at < 0 ? (int)at : 0;
}

/* Where the image goes: its own addresses, at @base, or where there is room. */
static int elf_place(struct mm *mm, struct elf_image *img, uint64_t base)
{
	uint64_t len = img->high - img->low;
	int64_t at;

	if (!base) {
		at = mm_mmap(mm,
			&(struct mmap_req){ .len = len + img->align - PAGE_SIZE,
				.prot = PROT_NONE,
				.flags = MAP_PRIVATE | MAP_ANONYMOUS |
					 MAP_NORESERVE });
		if (at < 0)
			return (int)at;
		base = ALIGN_UP((uint64_t)at, img->align);
		if (mm_munmap(mm, (uint64_t)at, len + img->align - PAGE_SIZE))
			return -ENOMEM;
	}
	base = ALIGN_DOWN(base, img->align);
	if (base >= platform_max_addr || platform_max_addr - base < len)
		return -ENOMEM;
	img->bias = base - img->low;
	return 0;
}

int elf_map(struct mm *mm, struct file *f, struct elf_image *img, uint64_t base,
	bool fixed)
{
	int ret = fixed ? 0 : elf_place(mm, img, base);

	for (int i = 0; i < img->eh.e_phnum && !ret; i++) {
		const Elf64_Phdr *p = &img->ph[i];

		if (p->p_type != PT_LOAD || !p->p_memsz)
			continue;
		ret = map_file(mm, f, p, img->bias);
		if (!ret)
			ret = map_bss(mm, p, img->bias);
	}
	return ret;
}
