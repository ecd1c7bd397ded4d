/* fasync.c - O_ASYNC, F_SETOWN, F_SETSIG of fcntl(2). */
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "selftest/test.h"

static volatile sig_atomic_t got, code, band, on_fd;

static void on_io(int sig, siginfo_t *si, void *ctx)
{
	(void)ctx;
	got = sig;
	code = si->si_code;
	band = (int)si->si_band;
	on_fd = si->si_fd;
}

static void wait_io(void)
{
	for (int i = 0; i < 100 && !got; i++)
		usleep(10000);
}

TEST(fasync, owner)
{
	struct f_owner_ex ex = { F_OWNER_PID, 0 };
	int p[2];

	SEE(pipe(p));
	SEE(fcntl(p[0], F_GETOWN));
	SEE(fcntl(p[0], F_SETOWN, getpid()));
	SEE(fcntl(p[0], F_GETOWN) == getpid());
	SEE(fcntl(p[0], F_SETOWN, -getpgrp()));
	SEE(fcntl(p[0], F_GETOWN_EX, &ex));
	SEE(ex.type);
	SEE(ex.pid == getpgrp());
	SEE(fcntl(p[0], F_SETOWN, 3999999));
	ex.type = 9;
	SEE(fcntl(p[0], F_SETOWN_EX, &ex));
	SEE(fcntl(p[0], F_SETSIG, 99));
	SEE(fcntl(p[0], F_GETSIG));
}

TEST(fasync, sigio_when_data_comes)
{
	struct sigaction sa = { .sa_sigaction = on_io, .sa_flags = SA_SIGINFO };
	int p[2];

	sigaction(SIGIO, &sa, NULL);
	SEE(pipe(p));
	SEE(fcntl(p[0], F_SETOWN, getpid()));
	SEE(fcntl(p[0], F_SETFL, O_ASYNC));
	SEE(fcntl(p[0], F_GETFL) & O_ASYNC);
	SEE(write(p[1], "x", 1));
	wait_io();
	SEE(got);
	SEE(fcntl(p[0], F_SETFL, 0));
	got = 0;
	SEE(write(p[1], "x", 1));
	usleep(50000);
	SEE(got);
}

TEST(fasync, chosen_signal_names_the_descriptor)
{
	struct sigaction sa = { .sa_sigaction = on_io, .sa_flags = SA_SIGINFO };
	int p[2];

	sigaction(SIGRTMIN, &sa, NULL);
	SEE(pipe(p));
	SEE(fcntl(p[0], F_SETOWN, getpid()));
	SEE(fcntl(p[0], F_SETSIG, SIGRTMIN) ||
		fcntl(p[0], F_GETSIG) != SIGRTMIN);
	SEE(fcntl(p[0], F_SETFL, O_ASYNC));
	SEE(write(p[1], "x", 1));
	wait_io();
	SEE(got == SIGRTMIN);
	SEE(code);
	SEE(band);
	SEE(on_fd == p[0]);
}
