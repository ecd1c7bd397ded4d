/*
 * regs.h - the general registers of a guest thread, x86-64.
 *
 * The layout is Linux's struct user_regs_struct, so that ptrace reads and
 * writes it as it is.
 */
#pragma once

#include <stdint.h>

struct regs {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8;
	uint64_t rax, rcx, rdx, rsi, rdi;
	uint64_t orig_rax;		/* system call number, or -1 */
	uint64_t rip, cs, eflags, rsp, ss;
	uint64_t fs_base, gs_base;
	uint64_t ds, es, fs, gs;
};
