/* kill.c - kill(2), tgkill(2), tkill(2). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

static pid_t sleeper(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static int end(pid_t pid)
{
	int status;

	waitpid(pid, &status, 0);
	return status;
}

TEST(kill, default_actions)
{
	static const int sigs[] = { SIGHUP, SIGINT, SIGKILL, SIGPIPE, SIGALRM,
		SIGTERM, SIGUSR1, SIGUSR2, SIGPOLL, SIGPROF, SIGVTALRM,
		SIGSTKFLT, SIGPWR, 34, 64 };

	for (unsigned i = 0; i < sizeof sigs / sizeof sigs[0]; i++) {
		pid_t pid = sleeper();

		kill(pid, sigs[i]);
		SEE(end(pid));
	}
}

TEST(kill, core_signals_kill)
{
	static const int sigs[] = { SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS,
		SIGFPE, SIGSEGV, SIGSYS, SIGXCPU, SIGXFSZ };

	for (unsigned i = 0; i < sizeof sigs / sizeof sigs[0]; i++) {
		pid_t pid = sleeper();

		kill(pid, sigs[i]);
		SEE(end(pid) & 0x7f);
	}
}

TEST(kill, ignored_by_default)
{
	pid_t pid = sleeper();

	SEE(kill(pid, SIGCHLD));
	SEE(kill(pid, SIGURG));
	SEE(kill(pid, SIGWINCH));
	SEE(kill(pid, SIGCONT));
	SEE(kill(pid, 0));
	usleep(10000);
	SEE(kill(pid, SIGKILL));
	SEE(end(pid));
	SEE(kill(pid, 0));
}

TEST(kill, errors)
{
	SEE(kill(getpid(), 65));
	SEE(kill(getpid(), -1));
	SEE(kill(4194303, 0));
	SEE(kill(-4194303, SIGTERM));
	SEE(syscall(SYS_tgkill, 0, 1, 0));
	SEE(syscall(SYS_tgkill, getpid(), 0, 0));
	SEE(syscall(SYS_tgkill, getpid(), 4194303, 0));
	SEE(syscall(SYS_tgkill, getpid() + 1, getpid(), 0));
	SEE(syscall(SYS_tkill, 0, 0));
	SEE(syscall(SYS_tkill, getpid(), 0));
	SEE(syscall(SYS_tkill, getpid(), 65));
}

TEST(kill, a_group)
{
	pid_t a = sleeper(), b = sleeper();

	setpgid(a, 0);
	setpgid(b, a);
	SEE(kill(-a, SIGUSR1));
	SEE(end(a));
	SEE(end(b));
	SEE(kill(-a, 0));
}

static volatile int count;

static void counting(int sig)
{
	count = count * 10 + sig - SIGRTMIN + 1;
}

TEST(kill, real_time_order)
{
	sigset_t set;

	for (int i = 0; i < 3; i++)
		signal(SIGRTMIN + i, counting);
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	kill(getpid(), SIGRTMIN + 2);
	kill(getpid(), SIGRTMIN);
	kill(getpid(), SIGRTMIN + 1);
	kill(getpid(), SIGRTMIN);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	/* The last frame built runs first: the lowest number is deepest. */
	SEE(count);
}

TEST(kill, stop_is_not_blockable)
{
	sigset_t set;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		sigfillset(&set);
		sigprocmask(SIG_BLOCK, &set, NULL);
		for (;;)
			pause();
	}
	usleep(20000);
	kill(pid, SIGSTOP);
	SEE(waitpid(pid, &status, WUNTRACED) == pid);
	SEE(status);
	kill(pid, SIGTERM);
	kill(pid, SIGKILL);
	SEE(end(pid));
}

TEST(kill, permission)
{
	pid_t pid;
	int status;

	if (getuid() != 0) {
		SEE(0);
		return;
	}
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		setuid(12345);
		errno = 0;
		kill(getppid(), 0);
		_exit(errno);
	}
	waitpid(pid, &status, 0);
	SEE(WEXITSTATUS(status) == EPERM);
}
