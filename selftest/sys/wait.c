/* wait.c - wait4(2), waitid(2). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

static pid_t child(void (*fn)(void))
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		fn();
		_exit(0);
	}
	return pid;
}

static void exit_3(void)
{
	_exit(3);
}

static void sleep_long(void)
{
	for (;;)
		pause();
}

TEST(wait, status_of_exit_and_signal)
{
	int status;
	pid_t pid;

	pid = child(exit_3);
	SEE(wait4(pid, &status, 0, NULL) == pid);
	SEE(status);
	pid = child(sleep_long);
	kill(pid, SIGTERM);
	SEE(wait4(pid, &status, 0, NULL) == pid);
	SEE(status);
}

TEST(wait, nothing_to_wait_for)
{
	int status;
	pid_t pid;

	SEE(wait4(-1, &status, 0, NULL));
	SEE(wait4(getpid(), &status, 0, NULL));
	pid = child(sleep_long);
	SEE(wait4(-1, &status, WNOHANG, NULL));
	SEE(wait4(pid + 1000, &status, WNOHANG, NULL));
	SEE(wait4(-1, &status, 0x100, NULL));
	kill(pid, SIGKILL);
	SEE(wait4(-1, &status, 0, NULL) == pid);
	SEE(wait4(-1, &status, 0, NULL));
}

TEST(wait, stopped_and_continued)
{
	int status;
	pid_t pid = child(sleep_long);

	kill(pid, SIGSTOP);
	SEE(waitpid(pid, &status, WUNTRACED) == pid);
	SEE(status);
	SEE(waitpid(pid, &status, WUNTRACED | WNOHANG));
	kill(pid, SIGCONT);
	SEE(waitpid(pid, &status, WCONTINUED) == pid);
	SEE(status);
	SEE(waitpid(pid, &status, WCONTINUED | WNOHANG));
	kill(pid, SIGKILL);
	SEE(waitpid(pid, &status, 0) == pid);
	SEE(status);
}

static void show(const siginfo_t *si, pid_t pid)
{
	SEE(si->si_signo);
	SEE(si->si_code);
	SEE(si->si_status);
	SEE(si->si_pid == pid);
	SEE(si->si_uid == getuid());
}

TEST(wait, waitid_tells_what_happened)
{
	siginfo_t si;
	pid_t pid = child(exit_3);

	memset(&si, 0xff, sizeof si);
	SEE(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT));
	show(&si, pid);
	SEE(waitid(P_ALL, 0, &si, WEXITED));
	show(&si, pid);
	SEE(waitid(P_ALL, 0, &si, WEXITED));
	pid = child(sleep_long);
	kill(pid, SIGSTOP);
	SEE(waitid(P_PID, (id_t)pid, &si, WSTOPPED));
	show(&si, pid);
	kill(pid, SIGCONT);
	SEE(waitid(P_PID, (id_t)pid, &si, WCONTINUED));
	show(&si, pid);
	memset(&si, 0, sizeof si);
	SEE(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG));
	show(&si, 0);
	kill(pid, SIGKILL);
	SEE(waitid(P_PID, (id_t)pid, &si, WEXITED));
	show(&si, pid);
}

TEST(wait, waitid_arguments)
{
	siginfo_t si;

	SEE(waitid(P_ALL, 0, &si, 0));
	SEE(waitid(P_ALL, 0, &si, WEXITED | 0x100000));
	SEE(waitid(99, 0, &si, WEXITED));
	SEE(waitid(P_PID, 0, &si, WEXITED));
	SEE(waitid(P_PID, (id_t)-1, &si, WEXITED));
	SEE(waitid(P_PGID, 0, &si, WEXITED));
	SEE(waitid(3, 1234, &si, WEXITED));
}

TEST(wait, by_process_group)
{
	int status;
	pid_t a = child(sleep_long), b = child(sleep_long);

	setpgid(a, a);
	setpgid(b, a);
	SEE(waitpid(0, &status, WNOHANG));
	kill(-a, SIGTERM);
	SEE(waitpid(-a, &status, 0) > 0);
	SEE(status);
	SEE(waitpid(-a, &status, 0) > 0);
	SEE(waitpid(-a, &status, 0));
}

TEST(wait, ignored_sigchld_reaps)
{
	int status;
	pid_t pid;

	signal(SIGCHLD, SIG_IGN);
	pid = child(exit_3);
	SEE(waitpid(pid, &status, 0));
	SEE(kill(pid, 0));
}

static volatile int got;

static void on_chld(int sig)
{
	(void)sig;
	got++;
}

TEST(wait, nocldwait_still_signals)
{
	struct sigaction sa = { .sa_handler = on_chld,
		.sa_flags = SA_NOCLDWAIT | SA_RESTART };
	int status;
	pid_t pid;

	sigaction(SIGCHLD, &sa, NULL);
	pid = child(exit_3);
	SEE(waitpid(pid, &status, 0));
	SEE(got);
}

TEST(wait, nocldstop)
{
	struct sigaction sa = { .sa_handler = on_chld,
		.sa_flags = SA_NOCLDSTOP | SA_RESTART };
	int status;
	pid_t pid;

	got = 0;
	sigaction(SIGCHLD, &sa, NULL);
	pid = child(sleep_long);
	kill(pid, SIGSTOP);
	SEE(waitpid(pid, &status, WUNTRACED) == pid);
	SEE(got);
	kill(pid, SIGKILL);
	SEE(waitpid(pid, &status, 0) == pid);
	SEE(got);
}

static void fork_and_leave(void)
{
	pid_t me = getpid();

	if (fork() == 0) {
		while (getppid() == me)
			usleep(1000);
		_exit(0);
	}
}

TEST(wait, orphans_go_to_init)
{
	int status;
	pid_t pid = child(fork_and_leave);

	SEE(waitpid(pid, &status, 0) == pid);
	SEE(waitpid(-1, &status, 0));
}

TEST(wait, interrupted)
{
	struct sigaction sa = { .sa_handler = on_chld };
	int status;
	pid_t pid;

	sigaction(SIGALRM, &sa, NULL);
	pid = child(sleep_long);
	ualarm(20000, 0);
	SEE(waitpid(pid, &status, 0));
	kill(pid, SIGKILL);
	SEE(waitpid(pid, &status, 0) == pid);
}

TEST(wait, rusage)
{
	struct rusage ru;
	int status;
	pid_t pid = child(exit_3);

	memset(&ru, 0xff, sizeof ru);
	SEE(wait4(pid, &status, 0, &ru) == pid);
	SEE(ru.ru_nswap);
	CHECK(ru.ru_utime.tv_sec < 5 && ru.ru_utime.tv_usec < 1000000);
	pid = child(exit_3);
	SEE(wait4(pid, &status, 0, bad_addr));
	pid = child(exit_3);
	SEE(wait4(pid, bad_addr, 0, NULL));
}
