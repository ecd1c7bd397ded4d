/*
 * arch.h - x86-64: registers, signal frames, system call convention.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attr.h"
#include "kernel/task/signal.h"
#include "platform/regs.h"

struct task;

/* Registers of a new program: everything zero but rip, rsp and segments. */
void arch_start_regs(struct regs *r, uint64_t rip, uint64_t rsp);
/* The FP state of a new program, into the calling task's context. */
void arch_reset_fp(struct task *t);

/*
 * Whether the instruction in @code, which faulted at @addr with @r, would have
 * written there.  insn.c says how far to trust the answer.
 */
bool arch_insn_writes(const uint8_t *code, size_t n, const struct regs *r, uint64_t addr);
/* The vector, error code and cr2 that the next signal frame shows. */
void arch_note_fault(struct task *t, uint64_t trapno, uint64_t error, uint64_t cr2);
/*
 * Builds the frame of a handler on the guest's stack and points the registers
 * at it.  @mask: what rt_sigreturn restores.  -EFAULT: the stack is not there.
 */
int arch_signal_frame(struct task *t, const siginfo_t *si, const struct sigaction_k *a,
	ksigset_t mask) MUST_CHECK;
/* rt_sigreturn(2): the value for rax. */
long arch_sigreturn(struct task *t);
/* AT_MINSIGSTKSZ: the largest frame. */
uint64_t arch_min_sigstack(void);
/* Backs up over the system call instruction, to run @nr. */
void arch_restart_syscall(struct task *t, uint64_t nr);
long arch_prctl(struct task *t, int code, uint64_t addr);
