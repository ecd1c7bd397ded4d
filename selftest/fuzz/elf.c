/*
 * elf.c - fuzz: what execve(2) reads of a program: "#!" lines, ELF headers,
 * the interpreter's name.  What passes must lie inside the address space.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/loader/loader.h"
#include "kernel/vfs/file.h"
#include "platform/platform.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const unsigned char *bytes;
static size_t nbytes;

static ssize_t mem_read(struct file *f, struct uio *to, int64_t *pos)
{
	size_t n;

	(void)f;
	if (*pos < 0 || (uint64_t)*pos >= nbytes)
		return 0;
	n = uio_put(to, bytes + *pos, nbytes - (size_t)*pos);
	*pos += (int64_t)n;
	return (ssize_t)n;
}

static const struct file_ops mem_ops = { .name = "memory", .read = mem_read };

static void check_image(const struct elf_image *img)
{
	if (img->low >= img->high || img->high > platform_max_addr + PAGE_SIZE)
		abort();
	for (int i = 0; i < img->eh.e_phnum; i++) {
		const Elf64_Phdr *p = &img->ph[i];

		if (p->p_type != PT_LOAD || !p->p_memsz)
			continue;
		if (p->p_vaddr < img->low ||
			p->p_vaddr + p->p_memsz > img->high ||
			p->p_filesz > p->p_memsz)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct file f = { .ops = &mem_ops, .mode = O_RDONLY };
	char head[EXEC_HEAD] = { 0 }, *name = NULL, *arg;
	struct elf_image img = { 0 };

	platform_max_addr = 0x7ffffffff000;
	bytes = data;
	nbytes = size;
	memcpy(head, data, MIN(size, sizeof head));
	if (elf_read(&f, head, &img) == 0) {
		check_image(&img);
		if (elf_interp(&f, &img, &name) == 0 && name &&
			strlen(name) > PATH_MAX)
			abort();
		free(name);
	}
	free(img.ph);
	if (script_parse(head, &name, &arg) == 0 &&
		(!*name || strlen(name) >= EXEC_HEAD))
		abort();
	return 0;
}
