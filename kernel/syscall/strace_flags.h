/* strace_flags.h - names of flag bits and numbers, for strace only. */
#pragma once

#include <stdint.h>

struct strbuf;

struct flag_name {
	uint64_t bit;			/* all of them set: the name is printed */
	const char *name;
};

void strace_open_flags(struct strbuf *s, uint64_t v);
void strace_prot(struct strbuf *s, uint64_t v);
void strace_map_flags(struct strbuf *s, uint64_t v);
void strace_clone_flags(struct strbuf *s, uint64_t v);
void strace_signal(struct strbuf *s, uint64_t sig);
void strace_futex_op(struct strbuf *s, uint64_t op);
void strace_family(struct strbuf *s, uint64_t family);
void strace_rlimit(struct strbuf *s, uint64_t resource);
void strace_sigset(struct strbuf *s, uint64_t set);
