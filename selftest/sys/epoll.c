/* epoll.c - epoll(7). */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "selftest/test.h"

static int add(int ep, int op, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.u64 = 7 };

	return epoll_ctl(ep, op, fd, &ev);
}

/* The events of the one that is ready, 0, or -1. */
static long get(int ep)
{
	struct epoll_event ev = { 0 };
	int n = epoll_wait(ep, &ev, 1, 0);

	return n == 1 ? (long)ev.events : n;
}

TEST(epoll, level_triggered)
{
	int ep = epoll_create1(0), p[2];
	char c;

	SEE(pipe(p));
	SEE(add(ep, EPOLL_CTL_ADD, p[0], EPOLLIN));
	SEE(get(ep));
	SEE(write(p[1], "x", 1));
	SEE(get(ep));
	SEE(get(ep));
	SEE(read(p[0], &c, 1));
	SEE(get(ep));
	SEE(close(p[1]));
	SEE(get(ep));
}

TEST(epoll, edge_triggered)
{
	int ep = epoll_create1(0), p[2];

	SEE(pipe(p));
	SEE(write(p[1], "x", 1));
	SEE(add(ep, EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLET));
	SEE(get(ep));
	SEE(get(ep));
	SEE(write(p[1], "y", 1));
	SEE(get(ep));
	SEE(get(ep));
	SEE(add(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET));
	SEE(get(ep));
}

TEST(epoll, oneshot)
{
	int ep = epoll_create1(0), p[2];

	SEE(pipe(p));
	SEE(add(ep, EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLONESHOT));
	SEE(write(p[1], "x", 1));
	SEE(get(ep));
	SEE(get(ep));
	SEE(write(p[1], "x", 1));
	SEE(get(ep));
	SEE(add(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT));
	SEE(get(ep));
}

TEST(epoll, errors_of_ctl)
{
	int ep = epoll_create1(0), p[2],
	    file = open("/proc/self/exe", O_RDONLY);

	SEE(pipe(p));
	SEE(add(ep, EPOLL_CTL_MOD, p[0], EPOLLIN));
	SEE(add(ep, EPOLL_CTL_DEL, p[0], 0));
	SEE(add(ep, EPOLL_CTL_ADD, p[0], EPOLLIN));
	SEE(add(ep, EPOLL_CTL_ADD, p[0], EPOLLIN));
	SEE(add(ep, EPOLL_CTL_ADD, ep, EPOLLIN));
	SEE(add(ep, EPOLL_CTL_ADD, file, EPOLLIN));
	SEE(add(ep, EPOLL_CTL_ADD, 999, EPOLLIN));
	SEE(add(999, EPOLL_CTL_ADD, p[0], EPOLLIN));
	SEE(add(p[0], EPOLL_CTL_ADD, p[1], EPOLLIN));
	SEE(add(ep, 9, p[1], EPOLLIN));
	SEE(epoll_ctl(ep, EPOLL_CTL_ADD, p[1], bad_addr));
	SEE(epoll_create1(1));
	SEE(syscall(SYS_epoll_create, 0));
	SEE(epoll_wait(ep, bad_addr, 0, 0));
	SEE(epoll_wait(p[0], bad_addr, 1, 0));
}

TEST(epoll, exclusive_rules)
{
	int ep = epoll_create1(0), e2 = epoll_create1(0), p[2];

	SEE(pipe(p));
	SEE(add(ep, EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLEXCLUSIVE));
	SEE(add(ep, EPOLL_CTL_MOD, p[0], EPOLLIN));
	SEE(add(ep, EPOLL_CTL_ADD, e2, EPOLLIN | EPOLLEXCLUSIVE));
	SEE(add(ep, EPOLL_CTL_ADD, p[1],
		EPOLLOUT | EPOLLEXCLUSIVE | EPOLLONESHOT));
	SEE(write(p[1], "x", 1));
	SEE(get(ep));
}

TEST(epoll, nested)
{
	int in = epoll_create1(0), out = epoll_create1(0), p[2];
	struct pollfd pf = { .fd = out, .events = POLLIN };
	char c;

	SEE(pipe(p));
	SEE(add(in, EPOLL_CTL_ADD, p[0], EPOLLIN));
	SEE(add(out, EPOLL_CTL_ADD, in, EPOLLIN));
	SEE(get(out));
	SEE(poll(&pf, 1, 0));
	SEE(write(p[1], "x", 1));
	SEE(get(out));
	SEE(poll(&pf, 1, 0));
	SEE(get(in));
	SEE(read(p[0], &c, 1));
	SEE(poll(&pf, 1, 0));
	SEE(get(out));
}

TEST(epoll, loops_are_refused)
{
	int e[7];

	for (int i = 0; i < 7; i++)
		e[i] = epoll_create1(0);
	for (int i = 0; i < 6; i++)
		SEE(add(e[i], EPOLL_CTL_ADD, e[i + 1], EPOLLIN));
	SEE(add(e[1], EPOLL_CTL_ADD, e[0], EPOLLIN));
	SEE(add(e[3], EPOLL_CTL_ADD, e[0], EPOLLIN));
}

TEST(epoll, watch_lives_with_the_open_file)
{
	int ep = epoll_create1(0), p[2], copy;

	SEE(pipe(p));
	SEE(add(ep, EPOLL_CTL_ADD, p[0], EPOLLIN));
	SEE((copy = dup(p[0])) >= 0);
	SEE(close(p[0]));
	SEE(write(p[1], "x", 1));
	SEE(get(ep));
	SEE(add(ep, EPOLL_CTL_DEL, p[0], 0));
	SEE(close(copy));
	SEE(get(ep));
}

TEST(epoll, many_at_once)
{
	struct epoll_event ev[100];
	int ep = epoll_create1(0), fd[100];

	for (int i = 0; i < 100; i++) {
		fd[i] = eventfd(1, 0);
		ev[0] = (struct epoll_event){ EPOLLIN, { .u32 = (unsigned)i } };
		epoll_ctl(ep, EPOLL_CTL_ADD, fd[i], ev);
	}
	SEE(epoll_wait(ep, ev, 10, 0));
	SEE(ev[0].data.u32);
	SEE(epoll_wait(ep, ev, 100, 0));
	SEE(ev[0].data.u32);
	SEE(epoll_wait(ep, ev, 1000000, 0));
}

TEST(epoll, timeout)
{
	struct epoll_event ev;
	int ep = epoll_create1(0);

	SEE(epoll_wait(ep, &ev, 1, 20));
	SEE(epoll_pwait(ep, &ev, 1, 1, NULL));
}
