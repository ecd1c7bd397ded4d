/*
 * run.c - the main loop of a guest thread.
 *
 * task_main() is the life of the host thread: attach the context, run guest
 * code, serve what stopped it, until task_leave() jumps back here.  A system
 * call takes no lock of ours on its way: one test of t->work before each
 * switch is all that signals, stops, exits and freezes need.
 *
 * System call restart follows Linux (arch/x86/kernel/signal.c): a handler
 * returns -ERESTART*, signal_deliver() either runs a handler (EINTR, or the
 * call again with SA_RESTART) or backs rip up over the instruction.  Calls that
 * replace the registers (execve, rt_sigreturn) set t->orig_rax to -1.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/thread.h"
#include "kernel/arch/arch.h"
#include "kernel/mm/mm.h"
#include "kernel/syscall/strace.h"
#include "kernel/syscall/syscall.h"
#include "kernel/task/internal.h"
#include "platform/platform.h"

/* Virtual size; two pages of it are touched by an ordinary thread. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TASK_STACK (2 << 20)
#else
#define TASK_STACK (160 << 10)
#endif

static _Thread_local jmp_buf *leave;

static long run_syscall_traced(
	struct task *t, unsigned long nr, struct sysargs a)
{
	int64_t began;
	long ret;

	strace_enter(t, nr, &a);
	began = mono_now();
	ret = syscall_dispatch(t, nr, a);
	strace_exit(t, nr, &a, ret, mono_now() - began);
	return ret;
}

static void run_syscall(struct task *t)
{
	struct regs *r = &t->regs;
	unsigned long nr = r->orig_rax;
	struct sysargs a = { { r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 } };
	long ret;

	t->orig_rax = nr;
	t->call_nr = (long)nr;
	memcpy(t->call_args, a.r, sizeof a.r);
	if (unlikely(atomic_load_explicit(&strace_on, memory_order_relaxed)))
		ret = run_syscall_traced(t, nr, a);
	else
		ret = syscall_dispatch(t, nr, a);
	t->call_nr = -1;
	r->rax = (uint64_t)ret;
	/* pselect & co. come back with the old mask, unless a handler is due.
	 */
	if (unlikely(t->restore_blocked) && ret != -ERESTARTNOHAND) {
		t->restore_blocked = false;
		signal_set_blocked(t, t->saved_blocked);
	}
	/* Most calls end here; a restart code needs a decision. */
	if (likely(ret > -ERESTARTSYS || ret < -ERESTART_RESTARTBLOCK))
		t->orig_rax = (uint64_t)-1;
	else if (t->orig_rax != (uint64_t)-1)
		signal_deliver(t);
}

static void run_exception(struct task *t, const struct pevent *ev)
{
	siginfo_t si;

	memset(&si, 0, sizeof si);
	si.si_signo = ev->sig;
	si.si_code = ev->code;
	si.si_addr = (void *)(uintptr_t)ev->addr;
	arch_note_fault(t, ev->trapno, ev->error, ev->addr);
	signal_force(t, &si);
}

#define INSN_MAX 15
#define PF_WRITE 2

/* The error code, with the kind of the access where the platform cannot tell.
 */
static uint64_t fault_error(struct task *t, const struct pevent *ev)
{
	uint8_t code[INSN_MAX];
	uint64_t rip = t->regs.rip;
	size_t n = MIN(PAGE_SIZE - rip % PAGE_SIZE, sizeof code);

	if (ev->access != (PACC_READ | PACC_WRITE) ||
		copyin(t, code, uaddr(rip), n))
		return ev->error;
	if (n < sizeof code &&
		copyin(t, code + n, uaddr(rip + n), sizeof code - n) == 0)
		n = sizeof code;
	return ev->error |
	       (arch_insn_writes(code, n, &t->regs, ev->addr) ? PF_WRITE : 0);
}

static void run_fault(struct task *t, const struct pevent *ev)
{
	siginfo_t si;

	memset(&si, 0, sizeof si);
	if (mm_fault(t->mm, ev->addr, ev->access, &si) == 0)
		return;
	arch_note_fault(t, ev->trapno, fault_error(t, ev), ev->addr);
	signal_force(t, &si);
}

static void run_kicked(struct task *t)
{
	task_called(t);
	atomic_fetch_add_explicit(&t->nivcsw, 1, memory_order_relaxed);
	task_update_times(t);
}

static void run_event(struct task *t, const struct pevent *ev)
{
	switch (ev->kind) {
	case PEV_SYSCALL:
		run_syscall(t);
		break;
	case PEV_FAULT:
		run_fault(t, ev);
		break;
	case PEV_EXCEPTION:
		run_exception(t, ev);
		break;
	case PEV_KICKED:
		run_kicked(t);
		break;
	case PEV_DEAD:
		log_warn("process %d: its stub was killed from outside",
			t->tg->tgid);
		tgroup_kill(t->tg, SIGKILL);
		break;
	}
}

/* Counted for task_barrier(); nobody else writes either field. */
static void task_left_guest(struct task *t)
{
	unsigned n = atomic_load_explicit(&t->switches, memory_order_relaxed);

	atomic_store_explicit(&t->switches, n + 1, memory_order_release);
	atomic_store_explicit(&t->in_guest, false, memory_order_release);
}

NORETURN
static void task_run(struct task *t)
{
	struct pevent ev;
	enum regs_dirty dirty;

	for (;;) {
		atomic_store(&t->in_guest, true);
		if (unlikely(atomic_load(&t->work))) {
			atomic_store(&t->in_guest, false);
			signal_deliver(t);
			continue;
		}
		dirty = (enum regs_dirty)t->regs_dirty;
		t->regs_dirty = REGS_RAX_ONLY;
		platform->pctx_switch(t->pctx, &t->regs, dirty,
			t->step ? SWITCH_STEP : 0, &ev);
		task_left_guest(t);
		run_event(t, &ev);
	}
}

void task_leave(struct task *t)
{
	(void)t; /* its last reference may be gone */
	longjmp(*leave, 1);
}

/* A thread that clone(2) made: its context waits for us. */
static void begin_clone(struct task *t)
{
	uint32_t tid = (uint32_t)t->tid;

	if (platform->pctx_attach(t->pctx) != 0) {
		log_error("process %d: no stub thread to run in", t->tg->tgid);
		tgroup_kill(t->tg, SIGKILL);
		task_exit(t, SIGKILL);
	}
	if (t->set_child_tid) /* a bad address is the guest's affair */
		(void)!copyout(t, uaddr(t->set_child_tid), &tid, sizeof tid);
	t->set_child_tid = 0;
}

void task_main(void *arg)
{
	struct task *t = arg;
	jmp_buf env;

	current = t;
	leave = &env;
	if (setjmp(env) == 0) {
		if (!t->begin)
			begin_clone(t);
		if (!t->begin || t->begin(t) == 0)
			task_run(t);
	}
	current = NULL;
}

int task_start(struct task *t)
{
	snprintf(t->name_host, sizeof t->name_host, "task %d", t->tid);
	return thread_start(task_main, t, t->name_host, TASK_STACK);
}
