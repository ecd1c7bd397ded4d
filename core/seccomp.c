/*
 * seccomp.c - system call filters from rule lists, through libseccomp.
 *
 * What a list does not allow traps: the kernel raises SIGSYS in the thread,
 * and the handler writes one line and ends the whole process.  The handler is
 * part of the defence, so the filter adds rules of its own: rt_sigaction() may
 * not name SIGSYS, whatever a list says.  Masking SIGSYS gains nothing: a
 * blocked SIGSYS kills at once, only without the line.
 */
#include "core/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

#include "core/log.h"
#include "core/str.h"
#include "core/sysname.h"

#define EXIT_TRAPPED (128 + SIGSYS)

/* What pthread_create() of musl passes; 0x400000 is CLONE_DETACHED. */
#define THREAD_FLAGS                                                        \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | \
		CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID |        \
		CLONE_CHILD_CLEARTID | 0x400000)

/* Calls that core/ and libc's malloc and threads make. */
const struct seccomp_rule seccomp_core[] = {
	ALLOW_MASK(futex, 1, ~(uint64_t)FUTEX_CLOCK_REALTIME, FUTEX_WAIT),
	ALLOW_MASK(futex, 1, ~(uint64_t)FUTEX_CLOCK_REALTIME,
		FUTEX_WAIT | FUTEX_PRIVATE_FLAG),
	ALLOW_MASK(futex, 1, ~(uint64_t)FUTEX_CLOCK_REALTIME,
		FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG),
	ALLOW_ARG(futex, 1, FUTEX_WAKE),
	ALLOW_ARG(futex, 1, FUTEX_WAKE | FUTEX_PRIVATE_FLAG),
	ALLOW_ARG(futex, 1, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG),
	ALLOW_ARG(clone, 0, THREAD_FLAGS),
	ALLOW_ARG(prctl, 0, PR_SET_NAME),
	ALLOW_ARG(prctl, 0, PR_SET_TIMERSLACK),
	ALLOW_MASK(mmap, 2, PROT_EXEC, 0),
	ALLOW_MASK(mprotect, 2, PROT_EXEC, 0),
	ALLOW(brk),
	ALLOW(munmap),
	ALLOW(mremap),
	ALLOW(madvise),
	ALLOW(rt_sigprocmask),
	ALLOW(rt_sigreturn),
	ALLOW(clock_gettime),
	ALLOW(gettimeofday),
	ALLOW(sched_yield),
	ALLOW(getpid),
	ALLOW(gettid),
	ALLOW_ARG(tkill, 1, SIGABRT), /* abort() */
	ALLOW(exit),
	ALLOW(exit_group),
	SECCOMP_END,
};

/* What the runtimes of the sanitizers call on top; only in their builds. */
const struct seccomp_rule seccomp_sanitizer[] = {
	ALLOW(mmap),
	ALLOW(mprotect),
	ALLOW(futex),
	ALLOW(clone),
	ALLOW(clone3),
	ALLOW(rseq),
	ALLOW(set_robust_list),
	ALLOW(rt_sigaction),
	ALLOW(sigaltstack),
	ALLOW(sched_getaffinity),
	ALLOW(getrlimit),
	ALLOW(prlimit64),
	ALLOW(tgkill),
	ALLOW(prctl),
	ALLOW(readlink),
	ALLOW(open), /* /proc/self/maps and the program, for a report */
	ALLOW_ARG(ioctl, 1, TCGETS), /* and whether it may have colours */
	ALLOW(openat),
	ALLOW(close),
	ALLOW(read),
	ALLOW(write),
	ALLOW(fstat),
	ALLOW(newfstatat),
	ALLOW(nanosleep),
	ALLOW(clock_nanosleep),
	SECCOMP_END,
};

/* --- the handler */

static const char *trap_who = "runsc";
static atomic_flag trapped = ATOMIC_FLAG_INIT;

static void put_hex(struct strbuf *s, uint64_t v)
{
	int shift = 60;

	sb_puts(s, " 0x");
	while (shift > 0 && !(v >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		sb_putc(s, "0123456789abcdef"[v >> shift & 15]);
}

static void trap_message(
	struct strbuf *s, const siginfo_t *si, const ucontext_t *uc)
{
	static const int args[] = { REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8,
		REG_R9 };

	sb_puts(s, trap_who);
	sb_puts(s, ": refused by its own seccomp filter: system call ");
	sb_syscall(s, si->si_syscall);
	sb_puts(s, ", arguments");
	for (size_t i = 0; i < ARRAY_SIZE(args); i++)
		put_hex(s, (uint64_t)uc->uc_mcontext.gregs[args[i]]);
	sb_puts(s, ", at");
	put_hex(s, (uintptr_t)si->si_call_addr);
}

static void on_sigsys(int sig, siginfo_t *si, void *context)
{
	char room[512];
	struct strbuf s = strbuf(room, sizeof room);

	(void)sig;
	/* A second one means that writing the line is refused, too. */
	if (!atomic_flag_test_and_set(&trapped)) {
		trap_message(&s, si, context);
		log_raw(s.p);
		if (log_user_fd() < 0 && log_debug_fd() < 0) {
			sb_putc(&s, '\n');
			(void)!write(2, s.p, s.len);
		}
	}
	/* Not _exit(): a sanitizer would take locks that we may interrupt. */
	for (;;)
		syscall(SYS_exit_group, EXIT_TRAPPED);
}

static int install_handler(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigsys,
		.sa_flags = SA_SIGINFO | SA_NODEFER };
	sigset_t set;

	sigemptyset(&sa.sa_mask);
	if (sigaction(SIGSYS, &sa, NULL) < 0)
		return -errno;
	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	return sigprocmask(SIG_UNBLOCK, &set, NULL) < 0 ? -errno : 0;
}

/* --- the filter */

/*
 * Every signal but SIGSYS.  The comparison has 64 bits while the kernel looks
 * at 32: only exact values may pass.
 */
static int add_sigaction(scmp_filter_ctx ctx)
{
	int err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_rt_sigaction, 1,
		SCMP_A0(SCMP_CMP_LT, SIGSYS, 0));

	if (!err) /* 32 to 63 */
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_rt_sigaction, 1,
			SCMP_A0(SCMP_CMP_MASKED_EQ, ~(uint64_t)31, 32));
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_rt_sigaction, 1,
			SCMP_A0(SCMP_CMP_EQ, 64, 0));
	return err;
}

/* Arguments of an rt_sigaction() rule are ignored: see add_sigaction(). */
static int add_rule(scmp_filter_ctx ctx, const struct seccomp_rule *r)
{
	struct scmp_arg_cmp cmp[ARRAY_SIZE(r->arg)];

	if (r->nargs > ARRAY_SIZE(r->arg))
		return -EINVAL;
	if (r->nr == SYS_rt_sigaction)
		return add_sigaction(ctx);
	for (int i = 0; i < r->nargs; i++) {
		const struct seccomp_arg *a = &r->arg[i];

		if (a->mask)
			cmp[i] = SCMP_CMP64(
				a->i, SCMP_CMP_MASKED_EQ, a->mask, a->value);
		else
			cmp[i] = SCMP_CMP64(a->i, SCMP_CMP_EQ, a->value, 0);
	}
	return seccomp_rule_add_array(
		ctx, SCMP_ACT_ALLOW, r->nr, r->nargs, cmp);
}

static int add_list(
	scmp_filter_ctx ctx, const struct seccomp_rule *r, struct err *e)
{
	int err;

	for (; r && r->nr >= 0; r++) {
		err = add_rule(ctx, r);
		/* Lists overlap: the same rule twice is one rule. */
		if (err && err != -EEXIST)
			return err_set(e, -err,
				"seccomp rule for system call %d: %s", r->nr,
				strerror(-err));
	}
	return 0;
}

/* What the handler itself needs. */
static int add_own(scmp_filter_ctx ctx, struct err *e)
{
	const int logs[] = { 2, log_user_fd(), log_debug_fd() };
	struct seccomp_rule own[6] = { ALLOW(exit_group), ALLOW(rt_sigreturn) };
	int n = 2;

	for (size_t i = 0; i < ARRAY_SIZE(logs); i++)
		if (logs[i] >= 0)
			own[n++] = (struct seccomp_rule)ALLOW_ARG(
				write, 0, (uint64_t)logs[i]);
	own[n] = (struct seccomp_rule)SECCOMP_END;
	return add_list(ctx, own, e);
}

static int set_attributes(scmp_filter_ctx ctx)
{
	int err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 1);

	if (!err)
		err = seccomp_attr_set(
			ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* A binary tree instead of a chain; older libraries lack it. */
	if (!err)
		(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return err;
}

static int fill(scmp_filter_ctx ctx, const struct seccomp_rule *const *lists,
	size_t n, struct err *e)
{
	int err = set_attributes(ctx);

	if (err)
		return err_set(
			e, -err, "seccomp attributes: %s", strerror(-err));
	err = add_own(ctx, e);
	for (size_t i = 0; i < n && !err; i++)
		err = add_list(ctx, lists[i], e);
#ifdef SANITIZED
	if (!err)
		err = add_list(ctx, seccomp_sanitizer, e);
#endif
	return err;
}

int seccomp_install(const char *who, const struct seccomp_rule *const *lists,
	size_t n, struct err *e)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	int err;

	if (!ctx)
		return err_set(e, ENOMEM, "seccomp filter: out of memory");
	trap_who = who;
#ifdef SANITIZED /* it reports to standard error, which leads nowhere here */
	if (log_user_fd() > 2)
		(void)!dup2(log_user_fd(), 2);
#endif
	err = fill(ctx, lists, n, e);
	if (!err) {
		err = install_handler();
		if (!err)
			err = seccomp_load(ctx);
		if (err)
			err_set(e, -err, "seccomp filter: %s", strerror(-err));
	}
	seccomp_release(ctx);
	return err;
}
