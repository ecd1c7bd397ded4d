/*
 * stack.c - the first bytes on a new program's stack.
 *
 * From the top down: a null word, the file name, environment strings, argument
 * strings, the platform's name, sixteen random bytes, then (aligned to 16) the
 * auxiliary vector, envp, argv, argc.  The x86-64 psABI and Linux:
 * fs/binfmt_elf.c create_elf_tables() are the contract.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "kernel/arch/arch.h"
#include "kernel/loader/loader.h"
#include "kernel/mm/mm.h"
#include "kernel/task/task.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif
#define CLOCK_TICKS 100
#define STACK_ROOM                                                 \
	(128 << 10) /* mapped below the first frame from the start \
		     */

/* --- string vectors */

static int strvec_reserve(struct strvec *v, size_t more)
{
	size_t cap = v->cap ? v->cap : 256;
	char *p;

	if (v->len + more <= v->cap)
		return 0;
	while (cap < v->len + more)
		cap *= 2;
	p = realloc(v->buf, cap);
	if (!p)
		return -ENOMEM;
	v->buf = p;
	v->cap = cap;
	return 0;
}

int strvec_add(struct strvec *v, const char *s)
{
	size_t n = strlen(s) + 1;

	if (strvec_reserve(v, n))
		return -ENOMEM;
	memcpy(v->buf + v->len, s, n);
	v->len += n;
	v->n++;
	return 0;
}

int strvec_unshift(struct strvec *v, const char *s)
{
	size_t n = strlen(s) + 1;

	if (strvec_reserve(v, n))
		return -ENOMEM;
	memmove(v->buf + n, v->buf, v->len);
	memcpy(v->buf, s, n);
	v->len += n;
	v->n++;
	return 0;
}

void strvec_shift(struct strvec *v)
{
	size_t n;

	if (!v->n)
		return;
	n = strlen(v->buf) + 1;
	memmove(v->buf, v->buf + n, v->len - n);
	v->len -= n;
	v->n--;
}

void strvec_free(struct strvec *v)
{
	free(v->buf);
	*v = (struct strvec){ 0 };
}

/* --- the stack */

static void aux_put(struct mm *mm, int *n, uint64_t type, uint64_t value)
{
	mm->auxv[(*n)++] = type;
	mm->auxv[(*n)++] = value;
}

/* Returns the number of words, with the null pair at the end. */
static int aux_build(struct exec *x)
{
	const struct cred *c = x->cred;
	struct mm *mm = x->mm;
	int n = 0;

	memset(mm->auxv, 0, sizeof mm->auxv);
	if (x->vdso)
		aux_put(mm, &n, AT_SYSINFO_EHDR, x->vdso);
	aux_put(mm, &n, AT_HWCAP, getauxval(AT_HWCAP));
	aux_put(mm, &n, AT_PAGESZ, PAGE_SIZE);
	aux_put(mm, &n, AT_CLKTCK, CLOCK_TICKS);
	aux_put(mm, &n, AT_PHDR, x->at_phdr);
	aux_put(mm, &n, AT_PHENT, sizeof(Elf64_Phdr));
	aux_put(mm, &n, AT_PHNUM, x->main.eh.e_phnum);
	aux_put(mm, &n, AT_BASE, x->interp ? x->ld.bias : 0);
	aux_put(mm, &n, AT_FLAGS, 0);
	aux_put(mm, &n, AT_ENTRY, x->main.eh.e_entry + x->main.bias);
	aux_put(mm, &n, AT_UID, c->uid);
	aux_put(mm, &n, AT_EUID, c->euid);
	aux_put(mm, &n, AT_GID, c->gid);
	aux_put(mm, &n, AT_EGID, c->egid);
	aux_put(mm, &n, AT_SECURE, x->secure);
	aux_put(mm, &n, AT_RANDOM, x->at_random);
	aux_put(mm, &n, AT_HWCAP2, getauxval(AT_HWCAP2));
	aux_put(mm, &n, AT_EXECFN, x->at_execfn);
	aux_put(mm, &n, AT_PLATFORM, x->at_platform);
	aux_put(mm, &n, AT_MINSIGSTKSZ, arch_min_sigstack());
	aux_put(mm, &n, AT_NULL, 0);
	return n;
}

static uint64_t *put_strings(uint64_t *w, const struct strvec *v, uint64_t at)
{
	const char *s = v->buf;

	for (int i = 0; i < v->n; i++) {
		size_t n = strlen(s) + 1;

		*w++ = at;
		at += n;
		s += n;
	}
	*w++ = 0;
	return w;
}

static int push(struct exec *x, uint64_t *p, const void *data, size_t n)
{
	*p -= n;
	return n ? mm_copyout(x->mm, *p, data, n) : 0;
}

static int push_words(struct exec *x, uint64_t p, uint64_t args, uint64_t env)
{
	int naux = aux_build(x);
	size_t n =
		1 + (size_t)x->args.n + 1 + (size_t)x->env.n + 1 + (size_t)naux;
	uint64_t *words = malloc(n * sizeof *words), *w = words;
	int ret;

	if (!words)
		return -ENOMEM;
	*w++ = (uint64_t)x->args.n;
	w = put_strings(w, &x->args, args);
	w = put_strings(w, &x->env, env);
	memcpy(w, x->mm->auxv, (size_t)naux * sizeof *w);
	x->sp = ALIGN_DOWN(p - n * sizeof *words, 16UL);
	ret = mm_copyout(x->mm, x->sp, words, n * sizeof *words);
	free(words);
	return ret;
}

LOCKS_UNCHECKED /* nobody else has the mm yet */
	static void
	note_strings(
		struct mm *mm, uint64_t args, uint64_t env, uint64_t env_end)
{
	mm->arg_start = args;
	mm->arg_end = mm->env_start = env;
	mm->env_end = env_end;
}

static bool stack_executable(const struct elf_image *img)
{
	for (int i = 0; i < img->eh.e_phnum; i++)
		if (img->ph[i].p_type == PT_GNU_STACK)
			return img->ph[i].p_flags & PF_X;
	return false;
}

int stack_build(struct exec *x)
{
	static const char platform_name[] = "x86_64";
	uint64_t args, env, rnd[2], p, jitter = 0, size;
	static const uint64_t null;
	int ret;

	size = x->args.len + x->env.len + strlen(x->filename) +
	       (size_t)(x->args.n + x->env.n) * 8 + STACK_ROOM + 4 * PAGE_SIZE;
	ret = mm_map_stack(x->mm, ALIGN_UP(size, PAGE_SIZE),
		stack_executable(&x->main), &p);
	if (ret)
		return ret;
	if (!x->mm->fixed_layout && getrandom(rnd, sizeof rnd, 0) == sizeof rnd)
		jitter = rnd[0] % 8192;
	ret = push(x, &p, &null, sizeof null);
	if (!ret)
		ret = push(x, &p, x->filename, strlen(x->filename) + 1);
	x->at_execfn = p;
	if (!ret)
		ret = push(x, &p, x->env.buf, x->env.len);
	env = p;
	if (!ret)
		ret = push(x, &p, x->args.buf, x->args.len);
	args = p;
	p = ALIGN_DOWN(p - jitter, 16UL);
	if (!ret)
		ret = push(x, &p, platform_name, sizeof platform_name);
	x->at_platform = p;
	if (getrandom(rnd, sizeof rnd, 0) != sizeof rnd)
		ret = -EIO;
	if (!ret)
		ret = push(x, &p, rnd, sizeof rnd);
	x->at_random = p;
	if (ret)
		return ret;
	note_strings(x->mm, args, env, x->at_execfn);
	return push_words(x, ALIGN_DOWN(p, 16UL), args, env);
}
