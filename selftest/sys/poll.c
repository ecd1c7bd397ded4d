/* poll.c - poll(2), ppoll(2). */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "selftest/test.h"

TEST(poll, closed_negative_and_regular)
{
	struct pollfd p[4] = { { .fd = 999, .events = POLLIN },
		{ .fd = -1, .events = POLLIN },
		{ .events = POLLIN | POLLOUT | POLLPRI },
		{ .events = POLLIN | POLLOUT } };

	p[2].fd = open("/proc/self/exe", O_RDONLY);
	p[3].fd = open("/dev/null", O_RDWR);
	SEE(poll(p, 4, -1));
	SEE(p[0].revents);
	SEE(p[1].revents);
	SEE(p[2].revents);
	SEE(p[3].revents);
}

TEST(poll, wakes_for_the_one_that_changes)
{
	int a[2], b[2];
	struct pollfd p[2];

	SEE(pipe(a));
	SEE(pipe(b));
	if (!fork()) {
		usleep(20000);
		_exit((int)write(b[1], "x", 1));
	}
	p[0] = (struct pollfd){ .fd = a[0], .events = POLLIN };
	p[1] = (struct pollfd){ .fd = b[0], .events = POLLIN };
	SEE(poll(p, 2, 5000));
	SEE(p[0].revents);
	SEE(p[1].revents);
}

TEST(poll, errors_and_timeouts)
{
	struct timespec ts = { 0, 5000000 }, bad = { 0, 1000000000 };
	struct rlimit rl = { 3, 3 };
	struct pollfd p[8] = { { 0 } };

	SEE(poll(NULL, 0, 10));
	SEE(poll(bad_addr, 1, 0));
	SEE(ppoll(NULL, 0, &ts, NULL));
	SEE(ppoll(NULL, 0, &bad, NULL));
	SEE(setrlimit(RLIMIT_NOFILE, &rl));
	SEE(poll(p, 8, 0));
}

static void nothing(int sig)
{
	(void)sig;
}

TEST(poll, ppoll_with_a_mask)
{
	struct sigaction sa = { .sa_handler = nothing };
	sigset_t block, none;

	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	kill(getpid(), SIGUSR1);
	SEE(poll(NULL, 0, 10));
	SEE(ppoll(NULL, 0, NULL, &none));
	sigprocmask(SIG_BLOCK, NULL, &none);
	SEE(sigismember(&none, SIGUSR1));
}

TEST(poll, restarted_only_without_a_handler)
{
	struct sigaction sa = { .sa_handler = nothing, .sa_flags = SA_RESTART };
	struct itimerval it = { .it_value.tv_usec = 20000 };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	SEE(poll(NULL, 0, 10000));
}
