/*
 * vdso.c - the vDSO in an address space.
 *
 * One mapping for the whole sandbox: page 0 is the vvar page, the image
 * follows.  Each mm maps the same frames, read-only.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel/loader/loader.h"
#include "kernel/loader/vdso/vvar.h"
#include "kernel/mm/mapping.h"
#include "kernel/mm/mm.h"
#include "kernel/time/vdso_data.h"

extern const char vdso_image[], vdso_image_end[];

static struct mapping *vdso_mapping;

static size_t image_size(void)
{
	return (size_t)(vdso_image_end - vdso_image);
}

static int vdso_fill(struct mapping *m, uint64_t index, void *page)
{
	size_t off = (index - VVAR_PAGES) * PAGE_SIZE;

	(void)m;
	if (index < VVAR_PAGES)
		return 0; /* vdso_data.c writes it */
	if (off >= image_size())
		return -EFAULT;
	memcpy(page, vdso_image + off, MIN(image_size() - off, PAGE_SIZE));
	return 0;
}

static int64_t vdso_size(struct mapping *m)
{
	(void)m;
	return (int64_t)(VVAR_PAGES * PAGE_SIZE +
			 ALIGN_UP(image_size(), PAGE_SIZE));
}

static void vdso_release(struct mapping *m)
{
	mapping_fini(m);
	free(m);
}

static const struct mapping_ops vdso_ops = {
	.fill = vdso_fill,
	.size = vdso_size,
	.release = vdso_release,
};

int vdso_init(void)
{
	uint64_t run;
	paddr_t pa;
	int ret;

	vdso_mapping = calloc(1, sizeof *vdso_mapping);
	if (!vdso_mapping)
		return -ENOMEM;
	mapping_init(vdso_mapping, &vdso_ops);
	ret = mapping_frame(vdso_mapping, 0, true, &pa, &run);
	if (ret)
		return ret;
	vdso_data_init(phys_ptr(pa)); /* keeps the frame's reference */
	return 0;
}

int vdso_map(struct mm *mm, uint64_t *base)
{
	uint64_t len = ALIGN_UP(image_size(), PAGE_SIZE);
	int64_t at;

	at = mm_mmap(
		mm, &(struct mmap_req){ .len = VVAR_PAGES * PAGE_SIZE + len,
			    .prot = PROT_READ,
			    .flags = MAP_PRIVATE,
			    .mapping = vdso_mapping,
			    .name = "[vvar]" });
	if (at < 0)
		return (int)at;
	at = mm_mmap(mm, &(struct mmap_req){
				 .addr = (uint64_t)at + VVAR_PAGES * PAGE_SIZE,
				 .len = len,
				 .prot = PROT_READ | PROT_EXEC,
				 .flags = MAP_PRIVATE | MAP_FIXED,
				 .mapping = vdso_mapping,
				 .off = VVAR_PAGES * PAGE_SIZE,
				 .name = "[vdso]" });
	if (at < 0)
		return (int)at;
	*base = (uint64_t)at;
	return 0;
}
