/* regs.c - registers of a new program; arch_prctl(2). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/arch/arch.h"
#include "kernel/mm/mm.h"
#include "kernel/task/task.h"
#include "platform/platform.h"

#define USER_CS      0x33
#define USER_DS      0x2b
#define EFLAGS_START 0x202 /* interrupts on, and the bit that is always 1 */

#define ARCH_SET_GS    0x1001
#define ARCH_SET_FS    0x1002
#define ARCH_GET_FS    0x1003
#define ARCH_GET_GS    0x1004
#define ARCH_GET_CPUID 0x1011
#define ARCH_SET_CPUID 0x1012

void arch_start_regs(struct regs *r, uint64_t rip, uint64_t rsp)
{
	*r = (struct regs){
		.orig_rax = (uint64_t)-1,
		.rip = rip,
		.rsp = rsp,
		.cs = USER_CS,
		.ss = USER_DS,
		.eflags = EFLAGS_START,
	};
}

/* FCW and MXCSR at their defaults, every component in its initial state. */
void arch_reset_fp(struct task *t)
{
	static const uint16_t fcw = 0x37f;
	static const uint32_t mxcsr = 0x1f80;
	char *fp = aligned_alloc(64, ALIGN_UP(platform_fp_size, 64));

	if (!fp)
		return; /* what the platform starts with has to do */
	memset(fp, 0, platform_fp_size);
	memcpy(fp, &fcw, sizeof fcw);
	memcpy(fp + 24, &mxcsr, sizeof mxcsr);
	(void)platform->pctx_set_fp(t->pctx, fp);
	free(fp);
}

void arch_restart_syscall(struct task *t, uint64_t nr)
{
	t->regs.rax = nr;
	t->regs.rip -= 2;
	t->regs_dirty = REGS_ALL;
}

static int set_base(struct task *t, uint64_t *base, uint64_t addr)
{
	if (addr >= platform_max_addr)
		return -EPERM;
	*base = addr;
	t->regs_dirty = REGS_ALL;
	return 0;
}

/* GAP: CPUID faulting (ARCH_SET_CPUID 0) is refused with ENODEV, as without the
 * CPU feature. */
long arch_prctl(struct task *t, int code, uint64_t addr)
{
	switch (code) {
	case ARCH_SET_FS:
		return set_base(t, &t->regs.fs_base, addr);
	case ARCH_SET_GS:
		return set_base(t, &t->regs.gs_base, addr);
	case ARCH_GET_FS:
		return copyout(t, uaddr(addr), &t->regs.fs_base, 8);
	case ARCH_GET_GS:
		return copyout(t, uaddr(addr), &t->regs.gs_base, 8);
	case ARCH_GET_CPUID:
		return 1;
	case ARCH_SET_CPUID:
		return -ENODEV;
	}
	return -EINVAL;
}
