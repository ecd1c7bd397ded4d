/*
 * switch.c - runs guest code in a stub thread until something happens.
 *
 * Guest code runs under PTRACE_SYSEMU: a system call stops the thread before
 *the host sees it.  Everything else arrives as a signal that is about to be
 * delivered, and is swallowed.  ptrace tells no page-fault error code; fault()
 * works out what the access may have been.
 *
 * Kicks.  The kicker sets "kicked" and then looks at "running"; the tracer sets
 * "running" and then looks at "kicked" (both sequentially consistent), so one
 *of them sees the other:
 *
 *	tracer				kicker
 *	running = true			kicked = true
 *	kicked? then return		running? then send KICK_SIGNAL
 *	PTRACE_SYSEMU
 *
 * A signal to a stopped thread stays pending until it runs again, so it does
 *not matter whether it comes before or after PTRACE_SYSEMU.  One that comes
 *late ends the next run, or is remembered by a batch (tracee_run).
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "platform/ptrace/ptrace.h"

/* musl and glibc disagree about where these are. */
#define REQ_SYSEMU            31
#define REQ_SYSEMU_SINGLESTEP 32
#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1
#endif
#ifndef TRAP_TRACE
#define TRAP_TRACE 2
#endif

#define STOP_SYSCALL  (SIGTRAP | 0x80)
#define USER_CS       0x33
#define EFLAGS_TF     0x100
#define MAX_INSN      15
#define VSYSCALL_PAGE 0xffffffffff600000ULL

/* x86 vectors, and bits of the page-fault error code */
enum {
	VEC_DE = 0,
	VEC_DB = 1,
	VEC_BP = 3,
	VEC_UD = 6,
	VEC_GP = 13,
	VEC_PF = 14,
	VEC_AC = 17,
	VEC_XM = 19
};
enum { PF_PROT = 1, PF_WRITE = 2, PF_USER = 4, PF_INSTR = 16, PF_KEY = 32 };

/*
 * Reads guest memory through the page table: at most @n bytes of one page.
 * False when the page is not there.
 */
static bool peek_guest(struct pctx *c, uint64_t addr, void *buf, size_t n)
{
	pte_t e;

	mm_active_read(c->as);
	e = addr < STUB_BASE ? ptable_get(&c->as->pt, addr) : 0;
	if ((e & PTE_P) && (addr % PAGE_SIZE) + n <= PAGE_SIZE)
		n -= phys_copy(
			buf, phys_ptr((e & PTE_ADDR) + addr % PAGE_SIZE), n);
	mm_active_read_done(c->as);
	return n == 0;
}

static pte_t peek_pte(struct pctx *c, uint64_t addr)
{
	pte_t e;

	mm_active_read(c->as);
	e = addr < STUB_BASE ? ptable_get(&c->as->pt, addr) : 0;
	mm_active_read_done(c->as);
	return e;
}

static void exception(struct pevent *ev, int sig, int code, uint64_t addr,
	uint64_t trapno, uint64_t error)
{
	*ev = (struct pevent){ .kind = PEV_EXCEPTION,
		.sig = sig,
		.code = code,
		.addr = addr,
		.trapno = trapno,
		.error = error };
}

/*
 * `syscall` leaves the return address in rcx and the flags in r11; where these
 * differ, the bytes before rip tell it from `int $0x80`.  A guest that writes
 * both registers to look alike fools itself only.
 */
static bool is_syscall(struct pctx *c, const struct regs *r)
{
	unsigned char insn[2];

	if (r->cs != USER_CS)
		return false;
	if (r->rcx == r->rip && r->r11 == r->eflags)
		return true;
	for (unsigned i = 0; i < 2; i++)
		if (!peek_guest(c, r->rip - 2 + i, &insn[i], 1))
			return true;
	return !(insn[0] == 0xcd && insn[1] == 0x80);
}

/* The 32-bit ways into the kernel do not exist: a general protection fault. */
static void syscall_event(struct pctx *c, struct regs *r, struct pevent *ev)
{
	if (is_syscall(c, r)) {
		/* Linux takes eax, with its sign, for the number. */
		r->orig_rax = (uint64_t)(int64_t)(int32_t)r->orig_rax;
		ev->kind = PEV_SYSCALL;
		return;
	}
	r->rip -= 2;
	r->rax = r->orig_rax;
	r->orig_rax = ~0ULL;
	c->clobbered = true;
	exception(ev, SIGSEGV, SI_KERNEL, 0, VEC_GP, 0x80 << 3 | 2);
}

static int vsyscall_nr(uint64_t addr)
{
	static const int nr[] = { SYS_gettimeofday, SYS_time, SYS_getcpu };
	uint64_t off = addr - VSYSCALL_PAGE;

	return off % 1024 == 0 && off / 1024 < 3 ? nr[off / 1024] : -1;
}

/*
 * A call into the vsyscall page is a system call and a `ret`.  With @returned
 * the host has done the `ret`.
 */
static void vsyscall(struct pctx *c, struct regs *r, int nr, bool returned,
	struct pevent *ev)
{
	uint64_t caller;

	c->clobbered = true;
	if (!returned) {
		if (!peek_guest(c, r->rsp, &caller, sizeof caller)) {
			*ev = (struct pevent){ .kind = PEV_FAULT,
				.sig = SIGSEGV,
				.code = SEGV_MAPERR,
				.addr = r->rsp,
				.access = PACC_READ,
				.trapno = VEC_PF,
				.error = PF_USER };
			return;
		}
		r->rip = caller;
		r->rsp += 8;
	}
	r->orig_rax = (uint64_t)nr;
	r->rax = (uint64_t)-ENOSYS;
	ev->kind = PEV_SYSCALL;
}

/*
 * Every host mapping is readable, so a refusal (SEGV_ACCERR) is of a write or
 * of an execution; the latter when the fault is at rip, or where an instruction
 * crosses into the next page, unless that page can be executed.
 */
static unsigned fault_access(
	struct pctx *c, uint64_t rip, uint64_t addr, bool denied)
{
	unsigned data = denied ? PACC_WRITE : PACC_READ | PACC_WRITE;
	bool crossing =
		addr > rip && addr - rip < MAX_INSN && addr % PAGE_SIZE == 0;
	pte_t e;

	if (addr != rip && !crossing)
		return data;
	e = peek_pte(c, addr);
	if ((e & PTE_P) && (e & PTE_HOST) && !(e & (PTE_STALE | PTE_NX)))
		return data;
	return crossing ? PACC_EXEC | data : PACC_EXEC;
}

static void fault(
	struct pctx *c, struct regs *r, const siginfo_t *si, struct pevent *ev)
{
	uint64_t addr = (uintptr_t)si->si_addr;
	bool denied = si->si_code != SEGV_MAPERR;
	unsigned access;
	int nr = vsyscall_nr(r->rip);

	if (addr == r->rip && nr >= 0) {
		vsyscall(c, r, nr, false, ev);
		return;
	}
	access = fault_access(c, r->rip, addr, denied);
	*ev = (struct pevent){ .kind = PEV_FAULT,
		.sig = SIGSEGV,
		.code = si->si_code,
		.addr = addr,
		.access = access,
		.trapno = VEC_PF,
		.error = PF_USER | (denied ? PF_PROT : 0) |
			 (access == PACC_WRITE ? PF_WRITE : 0) |
			 (access == PACC_EXEC ? PF_INSTR : 0) };
}

static uint64_t trap_vector(int sig, int code)
{
	switch (sig) {
	case SIGTRAP:
		return code == SI_KERNEL ? VEC_BP : VEC_DB;
	case SIGILL:
		return VEC_UD;
	case SIGFPE:
		return code == FPE_INTDIV ? VEC_DE : VEC_XM;
	case SIGBUS:
		return code == BUS_ADRALN ? VEC_AC : VEC_PF;
	default:
		return VEC_GP;
	}
}

/*
 * A signal is about to be delivered.  Returns false when it means nothing: only
 * the host's kernel raises faults (si_code > 0), anything else was sent by
 * someone.
 */
static bool signal_event(
	struct pctx *c, int sig, struct regs *r, struct pevent *ev)
{
	siginfo_t si;

	if (sig == KICK_SIGNAL) {
		ev->kind = PEV_KICKED;
		return true;
	}
	if (pt(PTRACE_GETSIGINFO, c->tid, 0, (uintptr_t)&si) || si.si_code <= 0)
		return false;
	switch (sig) {
	case SIGSEGV:
		if (si.si_code == SI_KERNEL && vsyscall_nr(r->rip) >= 0)
			vsyscall(c, r, vsyscall_nr(r->rip), false, ev);
		else if (si.si_code == SI_KERNEL)
			exception(ev, sig, SI_KERNEL, 0, VEC_GP, 0);
		else if (si.si_code == SEGV_MAPERR || si.si_code == SEGV_ACCERR)
			fault(c, r, &si, ev);
		else /* the guest's own protection keys: not a missing page */
			exception(ev, sig, si.si_code, (uintptr_t)si.si_addr,
				VEC_PF, PF_USER | PF_PROT | PF_KEY);
		return true;
	case SIGSYS:
		vsyscall(c, r, si.si_syscall, vsyscall_nr(r->rip) < 0, ev);
		return true;
	case SIGTRAP:
	case SIGILL:
	case SIGFPE:
	case SIGBUS:
		exception(ev, sig, si.si_code, (uintptr_t)si.si_addr,
			trap_vector(sig, si.si_code),
			sig == SIGBUS ? PF_USER : 0);
		return true;
	default:
		return false;
	}
}

static int put_regs(struct pctx *c, const struct regs *r, enum regs_dirty dirty)
{
	struct regs copy;
	int err;

	if (dirty == REGS_RAX_ONLY && !c->clobbered)
		return (int)pt(PTRACE_POKEUSER, c->tid,
			offsetof(struct regs, rax), r->rax);
	copy = *r;
	copy.orig_rax = ~0ULL; /* not in a call: the host restarts none */
	err = (int)pt(PTRACE_SETREGS, c->tid, 0, (uintptr_t)&copy);
	c->clobbered = err != 0;
	return err;
}

static int wait_stop(struct pctx *c, int *status)
{
	if (tracee_wait(c->tid, status) || !WIFSTOPPED(*status)) {
		c->dead = true;
		atomic_store(&c->stub->killed, true);
		return -ESRCH;
	}
	return 0;
}

/* One run: resumes, waits, reads.  False: nothing that the kernel should see.
 */
static bool run_once(
	struct pctx *c, int request, struct regs *r, struct pevent *ev)
{
	long err = pt(request, c->tid, 0, 0);
	int status;

	if ((err && err != -ESRCH) || wait_stop(c, &status)) {
		ev->kind = PEV_DEAD;
		return true;
	}
	if (status >> 16) /* group stops and PTRACE_INTERRUPT */
		return false;
	if (pt(PTRACE_GETREGS, c->tid, 0, (uintptr_t)r))
		return false; /* killed meanwhile: the next wait says so */
	c->plain = r->cs == USER_CS && !(r->eflags & EFLAGS_TF);
	if (WSTOPSIG(status) == STOP_SYSCALL) {
		syscall_event(c, r, ev);
		return true;
	}
	r->orig_rax = ~0ULL;
	return signal_event(c, WSTOPSIG(status), r, ev);
}

/*
 * Registers that the host refuses (a selector from a forged signal frame) are
 * the fault of the instruction that would have loaded them.
 */
static void run(struct pctx *c, struct regs *r, enum regs_dirty dirty,
	int flags, struct pevent *ev)
{
	int request = flags & SWITCH_STEP ? REQ_SYSEMU_SINGLESTEP : REQ_SYSEMU;
	int err = put_regs(c, r, dirty);
	int64_t began, now;

	if (err == -EIO) {
		exception(ev, SIGSEGV, SI_KERNEL, 0, VEC_GP, 0);
		return;
	}
	began = mono_now();
	atomic_store_explicit(&c->since, began, memory_order_relaxed);
	while (!run_once(c, request, r, ev))
		;
	now = mono_now();
	atomic_store_explicit(&c->since, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->wall, now - began, memory_order_relaxed);
	atomic_fetch_add_explicit(
		&c->stub->wall, now - began, memory_order_relaxed);
	if (!c->dead)
		pair_ran(c, now, now - began);
}

void ptrace_pctx_switch(struct pctx *c, struct regs *r, enum regs_dirty dirty,
	int flags, struct pevent *ev)
{
	memset(ev, 0, sizeof *ev);
	if (c->dead) { /* its ids may be another thread's by now: no kicks */
		ev->kind = PEV_DEAD;
		return;
	}
	atomic_store(&c->running, true);
	if (atomic_load(&c->kicked)) {
		c->clobbered |= dirty == REGS_ALL;
		ev->kind = PEV_KICKED;
	} else {
		run(c, r, dirty, flags, ev);
	}
	atomic_store(&c->running, false);
	if (ev->kind == PEV_KICKED)
		atomic_store(&c->kicked, false);
}

void ptrace_pctx_kick(struct pctx *c)
{
	atomic_store(&c->kicked, true);
	if (atomic_load(&c->running))
		(void)syscall(SYS_tgkill, c->stub->pid, c->tid, KICK_SIGNAL);
}
