/*
 * load.c - what a file asks to be run by, and its address space.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "kernel/loader/loader.h"
#include "kernel/mm/mm.h"
#include "kernel/task/task.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/namei.h"
#include "platform/platform.h"

#define SCRIPTS_MAX         5 /* Linux: fs/exec.c exec_binprm() */
#define CAP_DAC_OVERRIDE    1
#define CAP_DAC_READ_SEARCH 2
#define MS_NOEXEC_FLAG      8

/* --- opening */

/* Execute permission suffices: the file is read with more than the task's
 * rights. */
static int open_for_kernel(
	const struct path *p, const struct cred *c, struct file **out)
{
	struct cred *all = cred_copy(c, -1);
	int ret;

	if (!all)
		return -ENOMEM;
	all->fsuid = 0;
	all->effective |=
		1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_DAC_READ_SEARCH;
	ret = vfs_open_path(p, O_RDONLY | O_CLOEXEC, all, out);
	cred_put(all);
	return ret;
}

static int open_checked(
	const struct path *p, const struct cred *c, struct file **out)
{
	struct inode *in = path_inode(p);
	int ret;

	if (!S_ISREG(atomic_load(&in->mode)) ||
		(atomic_load(&p->mnt->flags) & MS_NOEXEC_FLAG))
		return -EACCES;
	ret = inode_permission(in, c, MAY_EXEC);
	if (ret)
		return ret;
	ret = inode_deny_write(in); /* for good: mm_set_exe() */
	if (ret)
		return ret;
	inode_allow_write(in);
	return open_for_kernel(p, c, out);
}

static int open_path(
	struct walk *w, const char *path, int flags, struct file **out)
{
	unsigned lookup = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct path p;
	int ret;

	if (flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	ret = path_lookup(w, path, lookup, &p);
	if (ret)
		return ret;
	if (S_ISLNK(atomic_load(&path_inode(&p)->mode)))
		ret = -ELOOP;
	else
		ret = open_checked(&p, w->cred, out);
	path_put(&p);
	return ret;
}

int exec_open(
	struct task *t, int dfd, const char *path, int flags, struct file **out)
{
	struct walk w;
	int ret;

	if (!*path && !(flags & AT_EMPTY_PATH))
		return -ENOENT;
	ret = task_walk(t, dfd, path, &w);
	if (ret)
		return ret;
	ret = open_path(&w, path, flags, out);
	walk_done(&w);
	return ret;
}

/* --- headers */

static int read_head(struct file *f, char *head)
{
	ssize_t n;

	memset(head, 0, EXEC_HEAD);
	n = file_read_kernel(f, head, EXEC_HEAD, 0);
	return n < 0 ? (int)n : 0;
}

/* One "#!" line: argv[0] becomes interpreter, argument and script. */
static int follow_script(struct exec *x)
{
	char *name, *arg, *script;
	struct file *f;
	int ret;

	ret = script_parse(x->head, &name, &arg);
	if (ret)
		return ret;
	if (x->hidden)
		return -ENOENT;
	script = x->script ? x->script : x->filename;
	strvec_shift(&x->args);
	ret = strvec_unshift(&x->args, script);
	if (!ret && arg)
		ret = strvec_unshift(&x->args, arg);
	if (!ret)
		ret = strvec_unshift(&x->args, name);
	if (ret)
		return ret;
	ret = exec_open(x->t, AT_FDCWD, name, 0, &f);
	if (ret)
		return ret;
	file_put(x->file);
	x->file = f;
	name = strdup(name);
	if (!name)
		return -ENOMEM;
	free(x->script);
	x->script = name; /* what the next "#!" line is given */
	return 0;
}

static int load_interp(struct exec *x)
{
	char head[EXEC_HEAD], *name;
	int ret;

	ret = elf_interp(x->file, &x->main, &name);
	if (ret || !name)
		return ret;
	ret = exec_open(x->t, AT_FDCWD, name, 0, &x->interp);
	free(name);
	if (ret)
		return ret;
	ret = read_head(x->interp, head);
	if (ret)
		return ret;
	ret = elf_read(x->interp, head, &x->ld);
	return ret == -ENOEXEC || ret == -EINVAL ? -ELIBBAD : ret;
}

int load_file(struct exec *x)
{
	int ret;

	for (int depth = 0;; depth++) {
		if (depth > SCRIPTS_MAX)
			return -ELOOP;
		ret = read_head(x->file, x->head);
		if (ret)
			return ret;
		if (x->head[0] != '#' || x->head[1] != '!')
			break;
		ret = follow_script(x);
		if (ret)
			return ret;
	}
	ret = elf_read(x->file, x->head, &x->main);
	if (ret)
		return ret;
	return load_interp(x);
}

/* --- mapping */

static uint64_t find_phdr(const struct elf_image *img)
{
	uint64_t off = img->eh.e_phoff;

	for (int i = 0; i < img->eh.e_phnum; i++) {
		const Elf64_Phdr *p = &img->ph[i];

		if (p->p_type == PT_PHDR)
			return p->p_vaddr + img->bias;
	}
	for (int i = 0; i < img->eh.e_phnum; i++) {
		const Elf64_Phdr *p = &img->ph[i];

		if (p->p_type == PT_LOAD && off >= p->p_offset &&
			off - p->p_offset < p->p_filesz)
			return off - p->p_offset + p->p_vaddr + img->bias;
	}
	return 0;
}

LOCKS_UNCHECKED /* nobody else has the mm yet */
	static void
	note_segments(struct exec *x)
{
	const struct elf_image *img = &x->main;
	struct mm *mm = x->mm;

	mm->code_start = UINT64_MAX;
	for (int i = 0; i < img->eh.e_phnum; i++) {
		const Elf64_Phdr *p = &img->ph[i];
		uint64_t start = p->p_vaddr + img->bias;
		uint64_t end = start + p->p_filesz;

		if (p->p_type != PT_LOAD)
			continue;
		mm->code_start = MIN(mm->code_start, start);
		if (mm->data_start < start)
			mm->data_start = start;
		if ((p->p_flags & PF_X) && mm->code_end < end)
			mm->code_end = end;
		if (mm->data_end < end)
			mm->data_end = end;
	}
	mm->vdso = x->vdso;
}

static void set_limits(struct exec *x)
{
	struct mm *mm = x->mm;

	mm->rlimit_as = task_rlimit(x->t, RLIMIT_AS);
	mm->rlimit_data = task_rlimit(x->t, RLIMIT_DATA);
	mm->rlimit_memlock = task_rlimit(x->t, RLIMIT_MEMLOCK);
	mm->rlimit_stack = task_rlimit(x->t, RLIMIT_STACK);
}

static int map_images(struct exec *x)
{
	/* A PIE with an interpreter sits at two thirds; one without is a
	 * loader. */
	uint64_t base = x->interp ? platform_max_addr / 3 * 2 +
					    mm_random(x->mm, 1UL << 40)
				  : 0;
	int ret;

	ret = elf_map(
		x->mm, x->file, &x->main, base, x->main.eh.e_type == ET_EXEC);
	if (ret)
		return ret;
	x->entry = x->main.eh.e_entry + x->main.bias;
	if (x->interp) {
		ret = elf_map(x->mm, x->interp, &x->ld, 0,
			x->ld.eh.e_type == ET_EXEC);
		x->entry = x->ld.eh.e_entry + x->ld.bias;
	}
	if (!ret && x->entry >= platform_max_addr)
		ret = -EINVAL;
	return ret;
}

int load_map(struct exec *x)
{
	int ret;

	set_limits(x);
	mm_layout(x->mm, x->personality & ADDR_NO_RANDOMIZE);
	ret = mm_set_exe(x->mm, x->file);
	if (!ret)
		ret = map_images(x);
	if (ret)
		return ret;
	mm_set_brk(x->mm, x->main.high + x->main.bias);
	ret = vdso_map(x->mm, &x->vdso);
	if (ret)
		return ret;
	x->at_phdr = find_phdr(&x->main);
	ret = stack_build(x);
	if (!ret)
		note_segments(x);
	return ret;
}

void exec_fini(struct exec *x)
{
	if (x->file)
		file_put(x->file);
	if (x->interp)
		file_put(x->interp);
	free(x->filename);
	free(x->script);
	strvec_free(&x->args);
	strvec_free(&x->env);
	cred_put(x->cred);
	free(x->main.ph);
	free(x->ld.ph);
	if (x->mm)
		mm_put(x->mm);
}
