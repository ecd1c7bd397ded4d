/*
 * context.c - stub threads: one per guest thread.
 *
 * A context is made by one thread and attached by another, its tracer for life.
 * In between the stub thread sits in stub_park, untraced, and costs nothing. It
 * must be gone before its tracer ends: the end of a tracer kills the
 * whole stub process (PTRACE_O_EXITKILL).
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "platform/ptrace/ptrace.h"

#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif

#define ASK_SHARE   16
#define ASK_MAX     1000000000
#define FXSAVE_SIZE 512
#define FP_MAX      16384

int ptrace_pctx_new(struct aspace *as, struct pctx *self, struct pctx **out)
{
	struct aspace_host *s = as->host;
	struct pctx *c = calloc(1, sizeof *c);
	pid_t tid = 0;
	int err;

	if (!c)
		return -ENOMEM;
	err = process_thread(s, self, &tid);
	if (err) {
		free(c);
		return err;
	}
	process_enter(s);
	*c = (struct pctx){
		.as = as, .stub = s, .tid = tid, .clobbered = true
	};
	atomic_init(&c->pair.state, -1);
	list_init(&c->pair.link);
	*out = c;
	return 0;
}

int ptrace_pctx_attach(struct pctx *c)
{
	int err = tracee_seize(c->tid, TRACEE_THREAD);

	if (err) {
		c->dead = true;
		atomic_store(&c->stub->killed, true);
		return -ESRCH;
	}
	c->attached = true;
	pair_attach(c);
	return 0;
}

/* Ends a stopped stub thread while others of its process go on. */
static void end_thread(struct pctx *c)
{
	struct regs r = stub_regs(stub_exit);
	int status;

	(void)pt(PTRACE_SETREGS, c->tid, 0, (uintptr_t)&r);
	do
		(void)pt(PTRACE_CONT, c->tid, 0, 0);
	while (!tracee_wait(c->tid, &status) && WIFSTOPPED(status));
}

/* The whole process is being killed. */
static void await_end(struct pctx *c)
{
	int status;

	while (!tracee_wait(c->tid, &status) && WIFSTOPPED(status))
		(void)pt(PTRACE_CONT, c->tid, 0, 0);
}

void ptrace_pctx_free(struct pctx *c)
{
	if (c->attached)
		pair_detach(c);
	switch (process_leave(c->stub, c)) {
	case LEFT_OTHERS:
		if (!c->attached && !c->dead)
			c->dead = tracee_seize(c->tid, TRACEE_THREAD) != 0;
		if (!c->dead)
			end_thread(c);
		break;
	case LEFT_KILLED:
		if (c->attached && !c->dead)
			await_end(c);
		break;
	case LEFT_PARKED:
		break;
	}
	free(c);
}

/* CPUs without XSAVE have the FXSAVE area only. */
static int fp_request(pid_t tid, bool set, void *fp, size_t n)
{
	struct iovec iov = { fp, n };
	long err;

	if (n == FXSAVE_SIZE)
		err = pt(set ? PTRACE_SETFPREGS : PTRACE_GETFPREGS, tid, 0,
			(uintptr_t)fp);
	else
		err = pt(set ? PTRACE_SETREGSET : PTRACE_GETREGSET, tid,
			NT_X86_XSTATE, (uintptr_t)&iov);
	return (int)err;
}

int ptrace_pctx_get_fp(struct pctx *c, void *fp)
{
	if (c->dead)
		return -ESRCH;
	return fp_request(c->tid, false, fp, platform_fp_size);
}

int ptrace_pctx_set_fp(struct pctx *c, const void *fp)
{
	if (c->dead)
		return -ESRCH;
	return fp_request(
		c->tid, true, (void *)(uintptr_t)fp, platform_fp_size);
}

/* The state that exec gives, and nothing of anybody's own registers. */
static char clean_fp[FP_MAX] __attribute__((aligned(64)));

int clean_fp_init(void)
{
	static const uint16_t fcw = 0x37f;
	static const uint32_t mxcsr = 0x1f80;

	if (platform_fp_size > sizeof clean_fp)
		return -E2BIG;
	memcpy(clean_fp, &fcw, sizeof fcw);
	memcpy(clean_fp + 24, &mxcsr, sizeof mxcsr);
	return 0;
}

int tracee_reset_fp(pid_t tid)
{
	return fp_request(tid, true, clean_fp, platform_fp_size);
}

/*
 * How much of the time in guest code was CPU time.  The host adds up all
 * threads of the stub to answer: with thousands that takes long, so the answer
 * serves for ASK_SHARE times as long as it took.
 */
static double cpu_share(struct aspace_host *s, long long now, long long all)
{
	long long until = atomic_load(&s->share_until), cpu;
	double share = 1;

	if (now < until || !atomic_compare_exchange_strong(
				   &s->share_until, &until, now + ASK_MAX))
		return atomic_load(&s->cpu_share); /* or another asks */
	cpu = process_cpu_ns(s);
	if (cpu >= 0 && cpu < all)
		share = (double)cpu / (double)all;
	atomic_store(&s->cpu_share, share);
	atomic_store(&s->share_until, now + (mono_now() - now) * ASK_SHARE);
	return share;
}

/*
 * The host tells the CPU time of a stub process, not of one thread in it: a
 * context gets the share of it that it has of the time which all of them
 * spent in guest code.  Never less than what was said before.
 */
int64_t ptrace_pctx_cpu_ns(struct pctx *c)
{
	long long since = atomic_load(&c->since), now = mono_now();
	long long live = since && now > since ? now - since : 0;
	long long mine = atomic_load(&c->wall) + live;
	long long all = atomic_load(&c->stub->wall) + live;
	long long seen = atomic_load(&c->cpu_seen);

	mine = (long long)((double)mine * cpu_share(c->stub, now, all));
	while (mine > seen)
		if (atomic_compare_exchange_weak(&c->cpu_seen, &seen, mine))
			return mine;
	return seen;
}
