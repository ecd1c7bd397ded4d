/* signalfd.c - signalfd(2). */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

static int block(int sig1, int sig2)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig1);
	sigaddset(&set, sig2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_NONBLOCK);
}

TEST(signalfd, reads_what_kill_sent)
{
	int fd = block(SIGUSR1, SIGUSR2);
	struct signalfd_siginfo si[3];

	SEE(read(fd, si, sizeof si));
	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR1);
	SEE(read(fd, si, sizeof si) / (long)sizeof si[0]);
	SEE(si[0].ssi_signo);
	SEE(si[0].ssi_code);
	SEE(si[0].ssi_pid == (unsigned)getpid());
	SEE(si[1].ssi_signo);
	SEE(read(fd, si, 10));
}

TEST(signalfd, queued_value)
{
	int fd = block(SIGRTMIN, SIGUSR1);
	struct signalfd_siginfo si;
	union sigval v = { .sival_int = 42 };

	SEE(sigqueue(getpid(), SIGRTMIN, v));
	SEE(read(fd, &si, sizeof si));
	SEE(si.ssi_code);
	SEE(si.ssi_int);
}

TEST(signalfd, poll_and_epoll)
{
	int fd = block(SIGUSR1, SIGCHLD), ep = epoll_create1(0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct epoll_event ev = { .events = EPOLLIN };
	struct signalfd_siginfo si;

	SEE(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	SEE(epoll_wait(ep, &ev, 1, 0));
	SEE(poll(&p, 1, 0));
	if (!fork())
		_exit(5);
	SEE(epoll_wait(ep, &ev, 1, 5000));
	SEE(poll(&p, 1, 5000));
	SEE(read(fd, &si, sizeof si));
	SEE(si.ssi_signo);
	SEE(si.ssi_status);
	SEE(si.ssi_code);
	SEE(wait(NULL) > 0);
	SEE(epoll_wait(ep, &ev, 1, 0));
}

TEST(signalfd, new_mask)
{
	int fd = block(SIGUSR1, SIGUSR2);
	struct signalfd_siginfo si;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	SEE(signalfd(fd, &set, 0) == fd);
	kill(getpid(), SIGUSR1);
	SEE(read(fd, &si, sizeof si));
	kill(getpid(), SIGUSR2);
	SEE(read(fd, &si, sizeof si));
	SEE(si.ssi_signo);
	SEE(signalfd(0, &set, 0));
	SEE(signalfd(-1, &set, 1));
}
