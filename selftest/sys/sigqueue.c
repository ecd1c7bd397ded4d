/* sigqueue.c - rt_sigqueueinfo(2), rt_sigtimedwait(2), real-time signals. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "selftest/test.h"

static void block(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

TEST(sigqueue, values_arrive_in_order)
{
	siginfo_t si;
	sigset_t set;

	block(SIGRTMIN);
	for (int i = 1; i <= 3; i++)
		SEE(sigqueue(
			getpid(), SIGRTMIN, (union sigval){ .sival_int = i }));
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	for (int i = 0; i < 3; i++) {
		SEE(sigwaitinfo(&set, &si) == SIGRTMIN);
		SEE(si.si_value.sival_int);
		SEE(si.si_code);
		SEE(si.si_pid == getpid());
	}
}

TEST(sigqueue, standard_signals_queue_once)
{
	struct timespec ts = { 0, 0 };
	siginfo_t si;
	sigset_t set;

	block(SIGUSR1);
	for (int i = 1; i <= 3; i++)
		SEE(sigqueue(
			getpid(), SIGUSR1, (union sigval){ .sival_int = i }));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	SEE(sigtimedwait(&set, &si, &ts));
	SEE(si.si_value.sival_int);
	SEE(sigtimedwait(&set, &si, &ts));
}

TEST(sigqueue, limit_of_pending_signals)
{
	struct rlimit rl = { 0, 0 };
	union sigval v = { 0 };

	block(SIGRTMIN);
	SEE(setrlimit(RLIMIT_SIGPENDING, &rl));
	SEE(sigqueue(getpid(), SIGRTMIN, v));
	SEE(kill(getpid(), SIGRTMIN));
	signal(SIGUSR1, SIG_IGN);
	SEE(kill(getpid(), SIGUSR1));
}

TEST(sigqueue, timedwait)
{
	struct timespec ts = { 0, 20000000 }, bad = { 0, -1 };
	siginfo_t si;
	sigset_t set;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	block(SIGUSR1);
	SEE(sigtimedwait(&set, &si, &ts));
	SEE(sigtimedwait(&set, &si, &bad));
	SEE(syscall(SYS_rt_sigtimedwait, bad_addr, NULL, NULL, 8));
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		usleep(20000);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	SEE(sigtimedwait(&set, &si, NULL));
	SEE(si.si_code);
	SEE(si.si_pid == pid);
	waitpid(pid, NULL, 0);
}

static void nothing(int sig)
{
	(void)sig;
}

TEST(sigqueue, timedwait_is_interrupted_by_others)
{
	struct timespec ts = { 5, 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	block(SIGUSR1);
	signal(SIGALRM, nothing);
	ualarm(20000, 0);
	SEE(sigtimedwait(&set, NULL, &ts));
}

TEST(sigqueue, forged_codes)
{
	siginfo_t si;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	memset(&si, 0, sizeof si);
	si.si_code = SI_USER;
	SEE(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &si));
	si.si_code = SI_TKILL;
	SEE(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &si));
	si.si_code = SI_KERNEL;
	SEE(syscall(SYS_rt_tgsigqueueinfo, pid, pid, SIGUSR1, &si));
	SEE(syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, bad_addr));
	si.si_code = SI_QUEUE;
	SEE(syscall(SYS_rt_sigqueueinfo, pid, 99, &si));
	SEE(syscall(SYS_rt_sigqueueinfo, pid, SIGKILL, &si));
	waitpid(pid, NULL, 0);
}
