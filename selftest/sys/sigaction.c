/* sigaction.c - rt_sigaction(2), sigprocmask(2), sigsuspend(2), restart of
 * calls. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "selftest/test.h"

static volatile int got, code, depth, max_depth;
static volatile uintptr_t addr;
static sigjmp_buf env;

static void on_signal(int sig)
{
	got = sig;
}

static void on_info(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	got = sig;
	code = si->si_code;
	addr = (uintptr_t)si->si_addr;
	siglongjmp(env, 1);
}

static void catch (int sig, int flags)
{
	struct sigaction sa = { .sa_sigaction = on_info,
		.sa_flags = SA_SIGINFO | flags };

	sigaction(sig, &sa, NULL);
}

TEST(sigaction, old_action_comes_back)
{
	struct sigaction sa = { .sa_handler = on_signal,
		.sa_flags = SA_RESTART },
			 old;

	SEE(sigaction(SIGUSR1, NULL, &old));
	SEE(old.sa_handler == SIG_DFL);
	sigaddset(&sa.sa_mask, SIGUSR2);
	sigaddset(&sa.sa_mask, SIGKILL);
	SEE(sigaction(SIGUSR1, &sa, NULL));
	SEE(sigaction(SIGUSR1, NULL, &old));
	SEE(old.sa_handler == on_signal);
	SEE(!!(old.sa_flags & SA_RESTART));
	SEE(sigismember(&old.sa_mask, SIGUSR2));
	SEE(sigismember(&old.sa_mask, SIGKILL));
}

TEST(sigaction, errors)
{
	uint64_t k[4] = { 0 };

	SEE(syscall(SYS_rt_sigaction, 0, NULL, k, 8));
	SEE(syscall(SYS_rt_sigaction, 65, NULL, k, 8));
	SEE(syscall(SYS_rt_sigaction, SIGKILL, NULL, k, 8));
	SEE(syscall(SYS_rt_sigaction, SIGKILL, k, NULL, 8));
	SEE(syscall(SYS_rt_sigaction, SIGUSR1, k, NULL, 4));
	SEE(syscall(SYS_rt_sigaction, SIGUSR1, bad_addr, NULL, 8));
	SEE(syscall(SYS_rt_sigaction, SIGUSR1, NULL, bad_addr, 8));
	SEE(syscall(SYS_rt_sigprocmask, 77, k, NULL, 8));
	SEE(syscall(SYS_rt_sigprocmask, 77, NULL, k, 8));
	SEE(syscall(SYS_rt_sigprocmask, 0, k, NULL, 16));
	SEE(syscall(SYS_rt_sigprocmask, 0, bad_addr, NULL, 8));
	SEE(syscall(SYS_rt_sigpending, k, 16));
	SEE(syscall(SYS_rt_sigsuspend, k, 4));
	SEE(syscall(SYS_rt_sigtimedwait, k, NULL, NULL, 4));
}

TEST(sigaction, fault_addresses_and_codes)
{
	static char page[8192] __attribute__((aligned(4096)));

	catch (SIGSEGV, SA_NODEFER);
	if (!sigsetjmp(env, 1))
		*(volatile char *)bad_addr = 1;
	SEE(got);
	SEE(code);
	SEE(addr);
	mprotect(page, 4096, PROT_READ);
	if (!sigsetjmp(env, 1))
		page[5] = 1;
	SEE(code);
	SEE(addr == (uintptr_t)page + 5);
	if (!sigsetjmp(env, 1))
		((void (*)(void))(uintptr_t)page)();
	SEE(code);
	if (!sigsetjmp(env, 1))
		*(volatile char *)0x8000000000000000 = 1;
	SEE(code);
	SEE(addr);
}

TEST(sigaction, other_exceptions)
{
	volatile int zero = 0;

	catch (SIGFPE, SA_NODEFER);
	catch (SIGILL, SA_NODEFER);
	catch (SIGTRAP, SA_NODEFER);
	if (!sigsetjmp(env, 1))
		code = 1 / zero;
	SEE(got);
	SEE(code);
	if (!sigsetjmp(env, 1))
		__asm__ volatile("ud2");
	SEE(got);
	SEE(code);
	if (!sigsetjmp(env, 1))
		__asm__ volatile("int3");
	SEE(got);
	SEE(code);
}

TEST(sigaction, blocked_fault_kills)
{
	sigset_t set;

	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGSEGV, on_signal);
	*(volatile char *)bad_addr = 1;
}

TEST(sigaction, ignored_fault_kills)
{
	signal(SIGSEGV, SIG_IGN);
	*(volatile char *)bad_addr = 1;
}

static void nested(int sig)
{
	depth++;
	if (depth > max_depth)
		max_depth = depth;
	if (max_depth < 3)
		raise(sig);
	depth--;
}

TEST(sigaction, nodefer_nests)
{
	struct sigaction sa = { .sa_handler = nested, .sa_flags = SA_NODEFER };

	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	SEE(max_depth);
}

TEST(sigaction, resethand_runs_once)
{
	struct sigaction sa = { .sa_handler = on_signal,
		.sa_flags = (int)SA_RESETHAND };

	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	SEE(got);
	raise(SIGUSR1);
}

TEST(sigaction, mask_during_handler)
{
	struct sigaction sa = { .sa_handler = nested };
	sigset_t set;

	sigaddset(&sa.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &sa, NULL);
	max_depth = 5;
	raise(SIGUSR1);
	sigprocmask(SIG_BLOCK, NULL, &set);
	SEE(sigismember(&set, SIGUSR1));
	SEE(sigismember(&set, SIGUSR2));
}

static void interrupt_in(int usec, int flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };
	struct itimerval it = { .it_value = { 0, usec } };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
}

static void *write_late(void *arg)
{
	sigset_t set;

	sigfillset(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	usleep(60000);
	write(*(int *)arg, "x", 1);
	return NULL;
}

TEST(sigaction, restart_of_read)
{
	pthread_t t;
	int p[2];
	char c;

	pipe(p);
	interrupt_in(20000, 0);
	SEE(read(p[0], &c, 1));
	interrupt_in(20000, SA_RESTART);
	pthread_create(&t, NULL, write_late, &p[1]);
	SEE(read(p[0], &c, 1));
	SEE(got);
	pthread_join(t, NULL);
}

TEST(sigaction, never_restarted)
{
	struct timespec ts = { 5, 0 }, rem;
	struct pollfd pf = { .fd = -1 };

	interrupt_in(20000, SA_RESTART);
	SEE(nanosleep(&ts, &rem));
	SEE(rem.tv_sec);
	interrupt_in(20000, SA_RESTART);
	SEE(poll(&pf, 1, 5000));
	interrupt_in(20000, SA_RESTART);
	SEE(pause());
}

TEST(sigaction, ignored_signal_does_not_interrupt)
{
	struct timespec ts = { 0, 60000000 };

	signal(SIGUSR1, SIG_IGN);
	interrupt_in(20000, 0);
	signal(SIGALRM, SIG_IGN);
	SEE(nanosleep(&ts, NULL));
}

TEST(sigaction, stop_and_continue_restart_sleep)
{
	struct timespec ts = { 0, 100000000 };
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(nanosleep(&ts, NULL) ? 1 : 2);
	usleep(20000);
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	kill(pid, SIGCONT);
	waitpid(pid, &status, 0);
	SEE(WEXITSTATUS(status));
}

TEST(sigaction, suspend_swaps_the_mask)
{
	sigset_t block, none, now;

	sigemptyset(&block);
	sigemptyset(&none);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, NULL);
	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
	SEE(got);
	SEE(sigsuspend(&none));
	SEE(got);
	sigprocmask(SIG_BLOCK, NULL, &now);
	SEE(sigismember(&now, SIGUSR1));
}

TEST(sigaction, setting_ignore_discards_pending)
{
	sigset_t set, pending;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	sigpending(&pending);
	SEE(sigismember(&pending, SIGUSR1));
	signal(SIGUSR1, SIG_IGN);
	sigpending(&pending);
	SEE(sigismember(&pending, SIGUSR1));
}

static void change_context(int sig, siginfo_t *si, void *p)
{
	ucontext_t *uc = p;

	(void)sig;
	(void)si;
	uc->uc_mcontext.gregs[REG_RBX] = 0x1234;
	uc->uc_mcontext.gregs[REG_RIP] += 2; /* over ud2 */
	sigaddset(&uc->uc_sigmask, SIGUSR2);
}

TEST(sigaction, context_changes_take_effect)
{
	struct sigaction sa = { .sa_sigaction = change_context,
		.sa_flags = SA_SIGINFO };
	uint64_t rbx = 0;
	sigset_t now;

	sigaction(SIGILL, &sa, NULL);
	__asm__ volatile("ud2" : "+b"(rbx));
	SEE(rbx);
	sigprocmask(SIG_BLOCK, NULL, &now);
	SEE(sigismember(&now, SIGUSR2));
}

static void clobber_fp(int sig)
{
	double ones[2] = { 1, 1 };

	(void)sig;
	__asm__ volatile("movupd %0, %%xmm7\n\tfninit"
			 :
			 : "m"(ones)
			 : "xmm7", "memory");
}

TEST(sigaction, fp_state_survives)
{
	double in[2] = { 2.5, -3.5 }, out[2];

	signal(SIGUSR1, clobber_fp);
	__asm__ volatile("movupd %1, %%xmm7\n\t"
			 "syscall\n\t"
			 "movupd %%xmm7, %0"
			 : "=m"(out)
			 : "m"(in), "a"(SYS_kill), "D"(getpid()), "S"(SIGUSR1)
			 : "rcx", "r11", "xmm7", "memory");
	SEE(out[0] == 2.5);
	SEE(out[1] == -3.5);
}

static void bad_rip(int sig, siginfo_t *si, void *p)
{
	ucontext_t *uc = p;

	(void)sig;
	(void)si;
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)0x8000000000000000;
}

TEST(sigaction, return_to_nowhere_kills)
{
	struct sigaction sa = { .sa_sigaction = bad_rip,
		.sa_flags = SA_SIGINFO };

	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
}

TEST(sigaction, sigreturn_without_a_frame_kills)
{
	__asm__ volatile("mov %0, %%rsp\n\tmov $15, %%eax\n\tsyscall"
			 :
			 : "r"(bad_addr));
}

TEST(sigaction, no_stack_for_the_frame_kills)
{
	signal(SIGUSR1, on_signal);
	__asm__ volatile(
		"mov %0, %%rsp\n\tsyscall"
		:
		: "r"(bad_addr), "a"(SYS_kill), "D"(getpid()), "S"(SIGUSR1)
		: "rcx", "r11");
}
