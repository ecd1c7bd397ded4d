/* fork.c - fork(2), vfork(2). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

TEST(fork, child_has_its_own_memory)
{
	volatile int v = 1;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		v = 2;
		_exit(v);
	}
	SEE(waitpid(pid, &status, 0) == pid);
	SEE(WEXITSTATUS(status));
	SEE(v);
}

TEST(fork, shared_memory_stays_shared)
{
	int *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		p[0] = 42;
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	SEE(p[0]);
}

TEST(fork, parent_writes_are_not_seen)
{
	static char area[64 * 4096];
	int to[2], status;
	char c;
	pid_t pid;

	memset(area, 1, sizeof area);
	pipe(to);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		read(to[0], &c, 1);
		for (size_t i = 0; i < sizeof area; i++)
			if (area[i] != 1)
				_exit(1);
		_exit(0);
	}
	memset(area, 2, sizeof area);
	write(to[1], "x", 1);
	waitpid(pid, &status, 0);
	SEE(status);
}

TEST(fork, ids_of_the_family)
{
	pid_t me = getpid(), pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(getppid() == me && getpid() != me &&
			getpgrp() == getpgid(me));
	waitpid(pid, &status, 0);
	SEE(WEXITSTATUS(status));
}

TEST(fork, alarms_and_pending_signals_are_not_inherited)
{
	sigset_t set, pending;
	int status;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		sigpending(&pending);
		sigprocmask(SIG_BLOCK, NULL, &set);
		_exit(alarm(0) | sigismember(&pending, SIGUSR1) << 1 |
			sigismember(&set, SIGUSR1) << 2);
	}
	waitpid(pid, &status, 0);
	SEE(WEXITSTATUS(status));
}

TEST(fork, vfork_parent_waits)
{
	volatile int v = 0;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = vfork();
	if (pid == 0) {
		v = 7;
		_exit(3);
	}
	SEE(v);
	SEE(waitpid(pid, &status, 0) == pid);
	SEE(WEXITSTATUS(status));
}

TEST(fork, many_children)
{
	int n = 0, status, sum = 0;

	fflush(stdout);
	for (int i = 0; i < 50; i++)
		if (fork() == 0)
			_exit(i);
	while (wait(&status) > 0) {
		n++;
		sum += WEXITSTATUS(status);
	}
	SEE(n);
	SEE(sum);
	SEE(wait(&status));
}

TEST(fork, deep_family)
{
	int status;

	fflush(stdout);
	for (int depth = 0; depth < 10; depth++) {
		pid_t pid = fork();

		if (pid > 0) {
			waitpid(pid, &status, 0);
			if (depth)
				_exit(WEXITSTATUS(status) + 1);
			SEE(WEXITSTATUS(status));
			return;
		}
	}
	_exit(0);
}
