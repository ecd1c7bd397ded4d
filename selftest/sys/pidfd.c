/* pidfd.c - pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2), P_PIDFD. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#define PIDFD_P 3

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

TEST(pidfd, becomes_readable_at_the_end)
{
	pid_t pid = sleeper();
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd pf = { .fd = fd, .events = POLLIN };

	SEE(fcntl(fd, F_GETFD));
	SEE(poll(&pf, 1, 0));
	SEE(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
	SEE(poll(&pf, 1, 5000));
	SEE(pf.revents);
	SEE(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	SEE(waitpid(pid, NULL, 0) == pid);
	SEE(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
}

TEST(pidfd, waitid_by_it)
{
	pid_t pid = sleeper();
	int fd = (int)syscall(SYS_pidfd_open, pid, O_NONBLOCK);
	siginfo_t si;

	SEE(waitid((idtype_t)PIDFD_P, (id_t)fd, &si, WEXITED));
	kill(pid, SIGKILL);
	fcntl(fd, F_SETFL, 0);
	SEE(waitid((idtype_t)PIDFD_P, (id_t)fd, &si, WEXITED));
	SEE(si.si_pid == pid);
	SEE(si.si_status);
	SEE(waitid((idtype_t)PIDFD_P, (id_t)fd, &si, WEXITED));
	SEE(waitid((idtype_t)PIDFD_P, 0, &si, WEXITED));
}

TEST(pidfd, errors)
{
	siginfo_t si;
	char c;
	int fd;

	SEE(syscall(SYS_pidfd_open, 0, 0));
	SEE(syscall(SYS_pidfd_open, -1, 0));
	SEE(syscall(SYS_pidfd_open, 4194303, 0));
	SEE(syscall(SYS_pidfd_open, getpid(), 1));
	SEE(syscall(SYS_pidfd_send_signal, 0, 0, NULL, 0));
	SEE(syscall(SYS_pidfd_send_signal, 1234, 0, NULL, 0));
	fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	SEE(read(fd, &c, 1));
	SEE(write(fd, &c, 1));
	SEE(syscall(SYS_pidfd_send_signal, fd, 99, NULL, 0));
	SEE(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 77));
	memset(&si, 0, sizeof si);
	si.si_signo = SIGUSR1;
	SEE(syscall(SYS_pidfd_send_signal, fd, SIGUSR2, &si, 0));
	SEE(syscall(SYS_pidfd_send_signal, fd, SIGUSR2, bad_addr, 0));
	SEE(syscall(SYS_pidfd_getfd, fd, 1234, 0));
	SEE(syscall(SYS_pidfd_getfd, fd, 0, 1));
	SEE(syscall(SYS_pidfd_getfd, 0, 0, 0));
}

TEST(pidfd, getfd_takes_a_copy)
{
	int p[2], fd, copy;
	char c = 0;

	pipe(p);
	fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	copy = (int)syscall(SYS_pidfd_getfd, fd, p[1], 0);
	SEE(copy > 0);
	SEE(fcntl(copy, F_GETFD));
	SEE(write(copy, "z", 1));
	SEE(read(p[0], &c, 1));
	SEE(c);
}

TEST(pidfd, from_clone)
{
	int fd = -1, status;
	long pid;

	fflush(stdout);
	pid = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &fd, 0, 0);
	if (pid == 0)
		_exit(2);
	SEE(fd >= 0);
	SEE(fcntl(fd, F_GETFD));
	SEE(waitpid((pid_t)pid, &status, 0) == pid);
	SEE(WEXITSTATUS(status));
}
