/*
 * sigframe.c - signal frames of x86-64.
 *
 * From the handler's rsp up: return address (the restorer), ucontext, siginfo;
 * above them, aligned to 64, the FP state in XSAVE's standard format with
 * Linux's markers, so that unwinders and libraries find what they expect; above
 * that the red zone of 128 bytes, or the alternate stack's end.  Linux:
 * arch/x86/kernel/signal.c, fpu/signal.c.
 *
 * rt_sigreturn takes back whatever the guest left there: selectors are ours,
 * flags are masked, and a broken frame is a SIGSEGV.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/arch/arch.h"
#include "kernel/mm/mm.h"
#include "kernel/task/task.h"
#include "platform/platform.h"

#define XSTATE_MAGIC1        0x46505853u
#define XSTATE_MAGIC2        0x46505845u
#define FXSAVE_SIZE          512
#define XSAVE_HEADER_END     576
#define SW_RESERVED          464 /* struct fpx_sw_bytes in the legacy area */
#define UC_FP_XSTATE         1
#define UC_SIGCONTEXT_SS     2
#define UC_STRICT_RESTORE_SS 4
#define RED_ZONE             128
#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif
#ifndef SA_RESTORER
#define SA_RESTORER 0x04000000
#endif
#ifndef SA_EXPOSE_TAGBITS
#define SA_EXPOSE_TAGBITS 0x800
#endif

/* AC OF DF TF SF ZF AF PF CF and RF: what a program may set. */
#define EFLAGS_USER 0x50dd5ULL
#define EFLAGS_RF   0x10000ULL
#define EFLAGS_TF   0x100ULL
#define EFLAGS_DF   0x400ULL

struct sigcontext_abi {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2, fpstate, reserved[8];
};

struct stack_abi {
	uint64_t sp;
	int32_t flags;
	uint32_t pad;
	uint64_t size;
};

struct ucontext_abi {
	uint64_t flags, link;
	struct stack_abi stack;
	struct sigcontext_abi mc;
	uint64_t sigmask;
};

struct rt_sigframe_abi {
	uint64_t pretcode;
	struct ucontext_abi uc;
	siginfo_t info;
};

struct fpx_sw_abi {
	uint32_t magic1, extended_size;
	uint64_t xfeatures;
	uint32_t xstate_size, padding[7];
};

_Static_assert(sizeof(struct sigcontext_abi) == 256, "struct sigcontext");
_Static_assert(sizeof(struct ucontext_abi) == 304, "struct ucontext");
_Static_assert(sizeof(siginfo_t) == 128, "siginfo_t");

void arch_note_fault(
	struct task *t, uint64_t trapno, uint64_t error, uint64_t cr2)
{
	t->fault.trapno = trapno;
	t->fault.error = error;
	t->fault.cr2 = cr2;
}

static bool fp_buffer(struct task *t)
{
	if (!t->fp)
		t->fp = aligned_alloc(64, ALIGN_UP(platform_fp_size + 64, 64));
	return t->fp != NULL;
}

/* XCR0: the components that the XSAVE area can hold. */
static uint64_t xfeatures(void)
{
	uint32_t lo, hi;

	if (platform_fp_size <= FXSAVE_SIZE)
		return 3;
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (uint64_t)hi << 32 | lo;
}

static size_t fp_frame_size(void)
{
	return platform_fp_size > FXSAVE_SIZE ? platform_fp_size + 4
					      : FXSAVE_SIZE;
}

uint64_t arch_min_sigstack(void)
{
	return ALIGN_UP(sizeof(struct rt_sigframe_abi) + fp_frame_size() + 64 +
				16 + RED_ZONE,
		16UL);
}

/* --- where the frame goes */

static bool on_altstack(struct task *t, uint64_t sp)
{
	if ((unsigned)t->sas_flags & SS_AUTODISARM)
		return false;
	return t->sas_size && sp > t->sas_sp && sp - t->sas_sp <= t->sas_size;
}

static int frame_place(struct task *t, const struct sigaction_k *a,
	uint64_t *frame, uint64_t *fp)
{
	uint64_t sp = t->regs.rsp - RED_ZONE;
	bool nested = on_altstack(t, t->regs.rsp), entering = false;

	if ((a->flags & SA_ONSTACK) && t->sas_size && !nested) {
		sp = t->sas_sp + t->sas_size;
		entering = true;
	}
	*fp = ALIGN_DOWN(sp - fp_frame_size(), 64UL);
	/* The handler sees the stack as after a call: 16n + 8. */
	*frame = ALIGN_DOWN(*fp - sizeof(struct rt_sigframe_abi), 16UL) - 8;
	if ((nested || entering) &&
		(*frame <= t->sas_sp || *frame - t->sas_sp > t->sas_size))
		return -EFAULT;
	if (*frame >= platform_max_addr)
		return -EFAULT;
	return 0;
}

/* --- writing it */

static int put_fp(struct task *t, uint64_t to)
{
	struct fpx_sw_abi sw = { 0 };
	const uint32_t magic2 = XSTATE_MAGIC2;
	char *fp;

	if (!fp_buffer(t) || platform->pctx_get_fp(t->pctx, t->fp))
		return -EFAULT;
	fp = t->fp;
	if (platform_fp_size > FXSAVE_SIZE) {
		sw.magic1 = XSTATE_MAGIC1;
		sw.extended_size = (uint32_t)platform_fp_size + 4;
		sw.xfeatures = xfeatures();
		sw.xstate_size = (uint32_t)platform_fp_size;
		memcpy(fp + platform_fp_size, &magic2, sizeof magic2);
	}
	memcpy(fp + SW_RESERVED, &sw, sizeof sw);
	return copyout(t, uaddr(to), fp, fp_frame_size());
}

static void fill_context(
	struct task *t, struct sigcontext_abi *mc, uint64_t fp, ksigset_t mask)
{
	const struct regs *r = &t->regs;

	*mc = (struct sigcontext_abi){
		.r8 = r->r8,
		.r9 = r->r9,
		.r10 = r->r10,
		.r11 = r->r11,
		.r12 = r->r12,
		.r13 = r->r13,
		.r14 = r->r14,
		.r15 = r->r15,
		.rdi = r->rdi,
		.rsi = r->rsi,
		.rbp = r->rbp,
		.rbx = r->rbx,
		.rdx = r->rdx,
		.rax = r->rax,
		.rcx = r->rcx,
		.rsp = r->rsp,
		.rip = r->rip,
		.eflags = r->eflags,
		.cs = (uint16_t)r->cs,
		.ss = (uint16_t)r->ss,
		.err = t->fault.error,
		.trapno = t->fault.trapno,
		.cr2 = t->fault.cr2,
		.oldmask = mask,
		.fpstate = fp,
	};
}

static void fill_stack(struct task *t, struct stack_abi *s)
{
	s->sp = t->sas_sp;
	s->size = t->sas_size;
	s->flags = (int32_t)((unsigned)t->sas_flags & SS_AUTODISARM);
	if (!t->sas_size)
		s->flags |= SS_DISABLE;
	else if (on_altstack(t, t->regs.rsp))
		s->flags |= SS_ONSTACK;
}

static void enter_handler(
	struct task *t, const struct sigaction_k *a, int sig, uint64_t frame)
{
	struct regs *r = &t->regs;

	r->rdi = (uint64_t)sig;
	r->rsi = frame + offsetof(struct rt_sigframe_abi, info);
	r->rdx = frame + offsetof(struct rt_sigframe_abi, uc);
	r->rax = 0;
	r->rip = a->handler;
	r->rsp = frame;
	r->cs = 0x33;
	r->ss = 0x2b;
	r->eflags &= ~(EFLAGS_DF | EFLAGS_RF | EFLAGS_TF);
	t->regs_dirty = REGS_ALL;
	if ((unsigned)t->sas_flags & SS_AUTODISARM) {
		t->sas_sp = t->sas_size = 0;
		t->sas_flags = SS_DISABLE;
	}
}

int arch_signal_frame(struct task *t, const siginfo_t *si,
	const struct sigaction_k *a, ksigset_t mask)
{
	struct rt_sigframe_abi f;
	uint64_t frame, fp;
	int ret;

	if (!(a->flags & SA_RESTORER))
		return -EFAULT; /* as Linux: there is nowhere to return to */
	ret = frame_place(t, a, &frame, &fp);
	if (ret)
		return ret;
	ret = put_fp(t, fp);
	if (ret)
		return ret;
	memset(&f, 0, sizeof f);
	f.pretcode = a->restorer;
	f.uc.flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS |
		     (platform_fp_size > FXSAVE_SIZE ? UC_FP_XSTATE : 0);
	fill_stack(t, &f.uc.stack);
	fill_context(t, &f.uc.mc, fp, mask);
	f.uc.sigmask = mask;
	f.info = *si;
	ret = copyout(t, uaddr(frame), &f, sizeof f);
	if (ret)
		return ret;
	enter_handler(t, a, si->si_signo, frame);
	return 0;
}

/* --- taking it back */

/*
 * With both markers in place all of the XSAVE area counts; else only the 512
 * bytes that every x86-64 has, and the rest goes to its initial state.
 */
static int get_fp(struct task *t, uint64_t from)
{
	struct fpx_sw_abi sw;
	uint64_t features = 3;
	uint32_t magic2 = 0, mxcsr;
	char *fp;

	if (!from) {
		arch_reset_fp(t);
		return 0;
	}
	if (!fp_buffer(t))
		return -EFAULT;
	fp = t->fp;
	memset(fp, 0, platform_fp_size);
	if (copyin(t, fp, uaddr(from), FXSAVE_SIZE))
		return -EFAULT;
	memcpy(&sw, fp + SW_RESERVED, sizeof sw);
	if (platform_fp_size > FXSAVE_SIZE && sw.magic1 == XSTATE_MAGIC1 &&
		sw.xstate_size >= XSAVE_HEADER_END &&
		sw.xstate_size <= platform_fp_size &&
		sw.xstate_size <= sw.extended_size &&
		copyin(t, &magic2, uaddr(from + sw.xstate_size),
			sizeof magic2) == 0 &&
		magic2 == XSTATE_MAGIC2) {
		if (copyin(t, fp, uaddr(from), sw.xstate_size))
			return -EFAULT;
		memcpy(&features, fp + FXSAVE_SIZE, sizeof features);
		features &= sw.xfeatures & xfeatures();
	}
	if (platform_fp_size > FXSAVE_SIZE) {
		memset(fp + FXSAVE_SIZE, 0, XSAVE_HEADER_END - FXSAVE_SIZE);
		memcpy(fp + FXSAVE_SIZE, &features, sizeof features);
	}
	/* Reserved MXCSR bits would fault when loaded. */
	memcpy(&mxcsr, fp + 24, sizeof mxcsr);
	mxcsr &= 0xffff;
	memcpy(fp + 24, &mxcsr, sizeof mxcsr);
	return platform->pctx_set_fp(t->pctx, fp) ? -EFAULT : 0;
}

static void take_context(struct task *t, const struct sigcontext_abi *mc)
{
	struct regs *r = &t->regs;

	r->r8 = mc->r8;
	r->r9 = mc->r9;
	r->r10 = mc->r10;
	r->r11 = mc->r11;
	r->r12 = mc->r12;
	r->r13 = mc->r13;
	r->r14 = mc->r14;
	r->r15 = mc->r15;
	r->rdi = mc->rdi;
	r->rsi = mc->rsi;
	r->rbp = mc->rbp;
	r->rbx = mc->rbx;
	r->rdx = mc->rdx;
	r->rax = mc->rax;
	r->rcx = mc->rcx;
	r->rsp = mc->rsp;
	r->rip = mc->rip;
	r->eflags = (r->eflags & ~EFLAGS_USER) | (mc->eflags & EFLAGS_USER);
	r->cs = 0x33;
	r->ss = 0x2b;
	r->orig_rax = (uint64_t)-1;
	t->regs_dirty = REGS_ALL;
	t->orig_rax = (uint64_t)-1;
}

static long bad_frame(struct task *t)
{
	siginfo_t si;

	siginfo_kernel(&si, SIGSEGV);
	signal_force(t, &si);
	t->orig_rax = (uint64_t)-1;
	return (long)t->regs.rax;
}

/* A context that iret could not return to ends in SIGSEGV, not in an error of
 * ours. */
static bool canonical(uint64_t a)
{
	return a < platform_max_addr;
}

long arch_sigreturn(struct task *t)
{
	uint64_t frame = t->regs.rsp - 8;
	struct rt_sigframe_abi f;

	if (copyin(t, &f.uc,
		    uaddr(frame + offsetof(struct rt_sigframe_abi, uc)),
		    sizeof f.uc))
		return bad_frame(t);
	signal_set_blocked(t, f.uc.sigmask);
	if ((f.uc.mc.cs & 3) != 3 || !canonical(f.uc.mc.rip) ||
		get_fp(t, f.uc.mc.fpstate))
		return bad_frame(t);
	take_context(t, &f.uc.mc);
	/* Linux ignores a bad stack_t here, and does not check where rsp is. */
	if (!on_altstack(t, t->regs.rsp)) {
		unsigned mode = (unsigned)f.uc.stack.flags & ~SS_AUTODISARM;

		if (mode & SS_DISABLE) {
			t->sas_sp = t->sas_size = 0;
			t->sas_flags = SS_DISABLE;
		} else if ((mode == 0 || mode == SS_ONSTACK) &&
			   f.uc.stack.size >= 2048) {
			t->sas_sp = f.uc.stack.sp;
			t->sas_size = f.uc.stack.size;
			t->sas_flags =
				f.uc.stack.flags & (int32_t)SS_AUTODISARM;
		}
	}
	return (long)t->regs.rax;
}
