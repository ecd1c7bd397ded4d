/*
 * tracee.c - the few things that are done to a stopped stub thread.
 *
 * Every wait names one thread and asks for children and tracees of the calling
 * thread only (__WNOTHREAD): it costs no search, and one tracer never takes
 * another's event.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "platform/ptrace/ptrace.h"

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

#define USER_CS     0x33
#define USER_SS     0x2b
#define USER_EFLAGS 0x202
#define INT3        ((char)0xcc)
#define SPINS       100

/* The raw call: PEEK requests store through @data. */
long pt(int request, pid_t tid, uint64_t addr, uint64_t data)
{
	return syscall(SYS_ptrace, request, tid, addr, data) < 0 ? -errno : 0;
}

int tracee_wait(pid_t tid, int *status)
{
	pid_t ret;

	do
		ret = (pid_t)syscall(
			SYS_wait4, tid, status, __WALL | __WNOTHREAD, NULL);
	while (ret < 0 && errno == EINTR);
	return ret == tid ? 0 : -ECHILD;
}

/* Has it memory still?  An exiting task gives that up early. */
static bool has_memory(pid_t pid)
{
	char c;
	struct iovec to = { &c, 1 }, from = { (void *)STUB_BASE, 1 };

	return syscall(SYS_process_vm_readv, pid, &to, 1, &from, 1, 0) == 1;
}

/*
 * The end of a leader can only be waited for when all threads of its process
 * have been reaped, and their tracers, or we ourselves, may be unable to do
 * that before this wait is over.  So the wait for a leader must not block when
 * the process is being killed.  No event tells that reliably: ask again and
 * again.  This is rare (changes of a live address space from outside) and
 * short (the leader has microseconds of work).
 */
static int leader_wait(pid_t pid, int *status)
{
	static const struct timespec nap = { .tv_nsec = 20000 };
	pid_t ret;

	for (int i = 0;; i++) {
		ret = (pid_t)syscall(SYS_wait4, pid, status,
			__WALL | __WNOTHREAD | WNOHANG, NULL);
		if (ret == pid)
			return 0;
		if (ret < 0 && errno != EINTR)
			return -ECHILD;
		if (!has_memory(pid))
			return -ESRCH;
		if (i < SPINS)
			sched_yield();
		else
			syscall(SYS_nanosleep, &nap, NULL);
	}
}

static int wait_for(pid_t tid, enum tracee_kind kind, int *status)
{
	int err = kind == TRACEE_CROWDED_LEADER ? leader_wait(tid, status)
						: tracee_wait(tid, status);

	if (err)
		return err;
	if (!WIFSTOPPED(*status))
		return -ECHILD;
	if (*status >> 16 != PTRACE_EVENT_EXIT)
		return 0;
	(void)pt(PTRACE_DETACH, tid, 0, 0);
	return -ESRCH;
}

int tracee_seize(pid_t tid, enum tracee_kind kind)
{
	long opts = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL |
		    (kind != TRACEE_THREAD ? PTRACE_O_TRACEEXIT : 0);
	int err = (int)pt(PTRACE_SEIZE, tid, 0, (uint64_t)opts);
	int status;

	if (err)
		return err == -EPERM ? -ESRCH : err; /* EPERM: a zombie */
	(void)pt(
		PTRACE_INTERRUPT, tid, 0, 0); /* fails when dying: wait tells */
	return wait_for(tid, kind, &status);
}

struct regs stub_regs(const char *routine)
{
	return (struct regs){ .rip = STUB_ADDR(routine),
		.cs = USER_CS,
		.ss = USER_SS,
		.eflags = USER_EFLAGS,
		.orig_rax = ~0ULL };
}

/* Is @rip just behind an int3 of ours? */
static bool at_int3(uint64_t rip)
{
	uint64_t off = rip - STUB_BASE;

	return off > 0 && off < (uint64_t)(stub_end - stub_start) &&
	       stub_start[off - 1] == INT3;
}

/* Did its own code raise the signal that it stopped with? */
static bool is_fault(pid_t tid)
{
	siginfo_t si;

	return !pt(PTRACE_GETSIGINFO, tid, 0, (uintptr_t)&si) && si.si_code > 0;
}

/* From where it stands to a SIGTRAP, which may be that of a routine's int3. */
static int run_on(pid_t tid, enum tracee_kind kind, atomic_bool *kicked)
{
	int status, err;

	for (;;) {
		err = (int)pt(PTRACE_CONT, tid, 0, 0);
		if (err && err != -ESRCH)
			return err;
		err = wait_for(tid, kind, &status);
		if (err || status >> 8 == SIGTRAP)
			return err;
		if (status >> 8 == KICK_SIGNAL && kicked)
			atomic_store(kicked, true);
		else if (!(status >> 16) && is_fault(tid))
			(void)kill(tid, SIGKILL); /* our code is broken */
	}
}

/* A tracee that was killed refuses requests; then the next wait says so. */
int tracee_run(
	pid_t tid, enum tracee_kind kind, struct regs *r, atomic_bool *kicked)
{
	int err;

	(void)pt(PTRACE_SETREGS, tid, 0, (uintptr_t)r);
	for (;;) {
		err = run_on(tid, kind, kicked);
		if (err)
			return err;
		if (!pt(PTRACE_GETREGS, tid, 0, (uintptr_t)r) &&
			at_int3(r->rip))
			return 0;
	}
}

int tracee_batch(pid_t tid, enum tracee_kind kind, bool plain, uint64_t last,
	struct regs *r, atomic_bool *kicked)
{
	uint64_t at;
	int err;

	if (!plain ||
		pt(PTRACE_POKEUSER, tid, offsetof(struct regs, rip), r->rip))
		(void)pt(PTRACE_SETREGS, tid, 0, (uintptr_t)r);
	for (;;) {
		err = run_on(tid, kind, kicked);
		if (err)
			return err;
		err = (int)pt(PTRACE_PEEKUSER, tid, offsetof(struct regs, r12),
			(uintptr_t)&at);
		if (!err && at == last) {
			r->r12 = at;
			return 0;
		}
		if (!pt(PTRACE_GETREGS, tid, 0, (uintptr_t)r) &&
			at_int3(r->rip))
			return 0;
	}
}
