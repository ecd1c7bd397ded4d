/* setpgid.c - setpgid(2), getpgid(2), setsid(2), getsid(2), job control. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int ret = fn();

		fflush(stdout);
		_exit(ret);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static int become_leader(void)
{
	SEE(setpgid(0, 0));
	SEE(getpgrp() == getpid());
	SEE(setsid());
	return 0;
}

static int new_session(void)
{
	SEE(setsid() == getpid());
	SEE(getsid(0) == getpid());
	SEE(getpgrp() == getpid());
	SEE(setsid());
	SEE(setpgid(0, 0));
	SEE(setpgid(getppid(), 0));
	return 0;
}

TEST(setpgid, leaders)
{
	SEE(in_child(become_leader));
	SEE(in_child(new_session));
}

TEST(setpgid, errors)
{
	SEE(setpgid(-1, 0));
	SEE(setpgid(0, -1));
	SEE(setpgid(4194303, 0));
	SEE(setpgid(0, 4194303));
	SEE(getpgid(4194303));
	SEE(getpgid(-1));
	SEE(getsid(4194303));
	SEE(getpgid(0) == getpgrp());
}

static int exec_then_sleep(void)
{
	execl("/bin/sh", "sh", "-c", "read x", NULL);
	return 1;
}

TEST(setpgid, not_after_exec)
{
	int p[2];
	pid_t pid;

	pipe(p);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		dup2(p[0], 0);
		close(p[1]);
		_exit(exec_then_sleep());
	}
	close(p[0]);
	while (setpgid(pid, 0) == 0) /* until the child has called execve */
		usleep(1000);
	SEE(setpgid(pid, 0));
	close(p[1]);
	waitpid(pid, NULL, 0);
}

static volatile int hup, cont;

static void on_hup(int sig)
{
	if (sig == SIGHUP)
		hup = 1;
	else
		cont = 1;
}

/* The grandchild's group is orphaned while it is stopped. */
TEST(setpgid, orphaned_group_gets_sighup)
{
	int p[2], status;
	char c = 0;
	pid_t pid;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pipe(p);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		pid_t g;

		setsid();
		g = fork();
		if (g == 0) {
			setpgid(0, 0);
			signal(SIGHUP, on_hup);
			signal(SIGCONT, on_hup);
			raise(SIGSTOP);
			while (!hup || !cont)
				usleep(1000);
			write(p[1], "y", 1);
			_exit(0);
		}
		waitpid(g, &status, WUNTRACED);
		_exit(0);
	}
	close(p[1]);
	SEE(waitpid(pid, &status, 0) == pid);
	SEE(read(p[0], &c, 1));
	SEE(c);
	SEE(wait(&status) > 0);
}

static int tstp_in_orphaned_group(void)
{
	int status;
	pid_t pid;

	setsid();
	raise(SIGTSTP); /* nobody could continue us: no effect */
	SEE(1);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		raise(SIGTSTP); /* our parent could */
		_exit(7);
	}
	SEE(waitpid(pid, &status, WUNTRACED) == pid);
	SEE(status);
	kill(pid, SIGCONT);
	SEE(waitpid(pid, &status, 0) == pid);
	SEE(status);
	return 0;
}

TEST(setpgid, terminal_stops_need_someone_to_continue)
{
	SEE(in_child(tstp_in_orphaned_group));
}
