/*
 * ptrace_escape.c - what guest code and a broken stub can ask of the host:
 * nothing.
 *
 * Guest code runs under PTRACE_SYSEMU wherever it is, in our own two pages as
 * well.  Behind that stands the stubs' filter: the second test lets a stub
 * run as if the first line had fallen.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "selftest/unit/ptrace_guest.h"

GUEST(g_jump, "jmp *%rsi");
GUEST(g_store, "mov %rax, (%rsi)");

/* The first event of guest code that goes to @addr with @rax and @rdi. */
static void jump(struct guest *g, uint64_t addr, uint64_t rdi)
{
	guest_load(g, g_jump, g_jump_end);
	g->r.rsi = addr;
	g->r.rdi = rdi;
	guest_switch(g);
}

TEST(ptrace_escape, our_own_code_is_no_way_out)
{
	struct guest g;
	pid_t pid;

	guest_init();
	jump(&g, STUB_ADDR(stub_clone), STUB_CLONE_FORK);
	CHECK(g.ev.kind == PEV_SYSCALL && g.r.orig_rax == SYS_clone);
	guest_free(&g);
	jump(&g, STUB_ADDR(stub_park), 0);
	CHECK(g.ev.kind == PEV_SYSCALL && g.r.orig_rax == SYS_pause);
	guest_free(&g);
	jump(&g, STUB_ADDR(stub_empty), 0);
	CHECK(g.ev.kind == PEV_SYSCALL && g.r.orig_rax == SYS_munmap);
	guest_free(&g);
	/* whatever stands in the list: the calls of the last batch */
	jump(&g, STUB_ADDR(stub_batch), 0);
	CHECK(g.ev.kind == PEV_SYSCALL || g.ev.sig == SIGTRAP);
	pid = guest_pid(g.as);
	CHECK(pid > 0);
	guest_free(&g);
}

TEST(ptrace_escape, our_own_pages_cannot_be_written)
{
	static const uint64_t pages[] = { STUB_BASE, STUB_LIST };
	struct guest g;

	guest_init();
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		guest_load(&g, g_store, g_store_end);
		g.r.rsi = pages[i] + 8;
		guest_switch(&g);
		CHECK(g.ev.kind == PEV_FAULT && g.ev.access == PACC_WRITE);
		guest_free(&g);
	}
}

GUEST(g_syscall, "syscall; hlt");
GUEST(g_int80_only, "int $0x80; hlt");

static const struct call {
	const char *name;
	long nr;
	uint64_t a[3];
} refused[] = {
	{ "getpid", SYS_getpid, { 0 } },
	{ "read", SYS_read, { 0 } },
	{ "open", SYS_open, { 0 } },
	{ "close", SYS_close, { 5 } },
	{ "dup2", SYS_dup2, { 5, 6 } },
	{ "sendmsg", SYS_sendmsg, { 5 } },
	{ "socket", SYS_socket, { 1, 1 } },
	{ "execve", SYS_execve, { 0 } },
	{ "fork", SYS_fork, { 0 } },
	{ "clone of memory", SYS_clone, { CLONE_VM | CLONE_FILES } },
	{ "clone without files", SYS_clone, { SIGCHLD } },
	{ "clone, high half", SYS_clone, { STUB_CLONE_FORK | 1ULL << 32 } },
	{ "kill", SYS_kill, { 1, SIGKILL } },
	{ "tgkill", SYS_tgkill, { 1, 1, SIGKILL } },
	{ "ptrace", SYS_ptrace, { PTRACE_TRACEME } },
	{ "process_vm_writev", SYS_process_vm_writev, { 1 } },
	{ "prctl", SYS_prctl, { PR_SET_DUMPABLE, 1 } },
	{ "prctl, no death", SYS_prctl, { PR_SET_PDEATHSIG, 0 } },
	{ "seccomp", SYS_seccomp, { 0 } },
	{ "mremap", SYS_mremap, { 0 } },
	{ "mmap, x32", SYS_mmap | 0x40000000, { 0 } },
	{ "io_uring_setup", SYS_io_uring_setup, { 1 } },
	{ "userfaultfd", SYS_userfaultfd, { 0 } },
	{ "exit_group", SYS_exit_group, { 0 } },
	{ "rt_sigreturn", SYS_rt_sigreturn, { 0 } },
	{ "arch_prctl", SYS_arch_prctl, { 0x1002 } },
	{ "modify_ldt", SYS_modify_ldt, { 1 } },
};

/* The same instruction without PTRACE_SYSEMU: the signal that ends the stub, or
 * 0. */
static int let_go(struct guest *g, long nr, const uint64_t *a)
{
	struct regs r = g->r;
	int status;

	r.rax = (uint64_t)nr;
	r.rdi = a[0];
	r.rsi = a[1];
	r.rdx = a[2];
	CHECK(!pt(PTRACE_SETREGS, g->c->tid, 0, (uintptr_t)&r));
	CHECK(!pt(PTRACE_CONT, g->c->tid, 0, 0));
	CHECK(!tracee_wait(g->c->tid, &status));
	if (WIFSTOPPED(status))
		return 0;
	g->c->dead = true;
	atomic_store(&g->c->stub->killed, true);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}

TEST(ptrace_escape, a_stub_let_loose_is_killed_at_its_first_call)
{
	static const uint64_t none[3];
	struct guest g;

	guest_init();
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		guest_load(&g, g_syscall, g_syscall_end);
		if (let_go(&g, refused[i].nr, refused[i].a) != SIGSYS) {
			printf("\t%s\n", refused[i].name);
			CHECK(!"allowed");
		}
		guest_free(&g);
	}
	/* the 32-bit entry: 20 is getpid there; without it, a fault */
	guest_load(&g, g_int80_only, g_int80_only_end);
	CHECK(let_go(&g, 20, none) == SIGSYS || !g.c->dead);
	guest_free(&g);
	/* and what it may do does not kill it */
	guest_load(&g, g_syscall, g_syscall_end);
	CHECK(let_go(&g, SYS_munmap, none) == 0);
	guest_free(&g);
}
