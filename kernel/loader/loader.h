/*
 * loader.h - from a program file to an address space that is ready to run.
 *
 * exec.c (kernel/task) drives: it fills a struct exec with names and strings,
 * load_file() finds out what really runs (#! lines), load_map() builds the
 * new mm.  Nothing of the calling task changes until both have succeeded.
 */
#pragma once

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attr.h"
#include "kernel/task/cred.h"

struct file;
struct mapping;
struct mm;
struct task;

#define EXEC_HEAD 256			/* BINPRM_BUF_SIZE: what a #! line may take */

/* Strings of argv or envp, one after the other with their NULs. */
struct strvec {
	char *buf;
	size_t len, cap;
	int n;
};
int strvec_add(struct strvec *v, const char *s) MUST_CHECK;
/* In front of the others; -ENOMEM. */
int strvec_unshift(struct strvec *v, const char *s) MUST_CHECK;
void strvec_shift(struct strvec *v);	/* drops the first, if any */
void strvec_free(struct strvec *v);

struct elf_image {			/* a checked ELF header and its segments */
	Elf64_Ehdr eh;
	Elf64_Phdr *ph;			/* eh.e_phnum of them; malloc'ed */
	uint64_t low, high;		/* page-aligned span of the segments */
	uint64_t align;			/* largest p_align */
	uint64_t bias;			/* added to every address, once mapped */
};

struct exec {
	struct task *t;
	struct file *file;		/* reference: the ELF file, after #! lines */
	struct file *interp;		/* reference: PT_INTERP; NULL */
	char *filename;			/* malloc'ed: AT_EXECFN, comm */
	char *script;			/* malloc'ed: interpreter of the last #! line; NULL */
	bool hidden;			/* by a close-on-exec fd: no script can open it */
	struct strvec args, env;
	size_t limit;			/* bytes that strings and pointers may take */
	char head[EXEC_HEAD];
	struct cred *cred;		/* reference: of the new program */
	bool secure;			/* AT_SECURE */
	unsigned personality;		/* of the new program */
	struct elf_image main, ld;
	struct mm *mm;			/* reference: being filled */
	struct pctx *old_pctx;		/* to free once the new one is in use */
	uint64_t entry, sp;
	uint64_t at_phdr, at_random, at_execfn, at_platform, vdso;
};

/* Opens @path for execution as @t would.  -EACCES, -ENOENT, -ETXTBSY... */
int exec_open(struct task *t, int dfd, const char *path, int flags, struct file **out) MUST_CHECK;

/* Follows #! lines, reads and checks ELF headers, opens the interpreter. */
int load_file(struct exec *x) MUST_CHECK;
/* Maps everything into x->mm and builds the stack: sets entry and sp. */
int load_map(struct exec *x) MUST_CHECK;
void exec_fini(struct exec *x);

/* elf.c */
int elf_read(struct file *f, const char *head, struct elf_image *img) MUST_CHECK;
/* Name of the interpreter, malloc'ed, or NULL: there is none. */
int elf_interp(struct file *f, const struct elf_image *img, char **name) MUST_CHECK;
int elf_map(struct mm *mm, struct file *f, struct elf_image *img, uint64_t base, bool fixed) MUST_CHECK;

/* stack.c: strings, vectors and auxv; x->entry and the at_ fields are set. */
int stack_build(struct exec *x) MUST_CHECK;

/* script.c: splits the #! line in x->head; @name and @arg point into it (arg may be NULL). */
int script_parse(char *head, char **name, char **arg) MUST_CHECK;

/* vdso.c */
int vdso_init(void) MUST_CHECK;		/* once, after memfile_init() */
int vdso_map(struct mm *mm, uint64_t *base) MUST_CHECK;
