/* sigaltstack.c - sigaltstack(2). */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "selftest/test.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static char stack[65536];
static volatile int on_it, flags_inside, set_inside;

static void look(int sig)
{
	stack_t ss, off = { .ss_flags = SS_DISABLE };
	char here;

	(void)sig;
	on_it = &here >= stack && &here < stack + sizeof stack;
	sigaltstack(NULL, &ss);
	flags_inside = ss.ss_flags;
	errno = 0;
	sigaltstack(&off, NULL);
	set_inside = errno;
}

TEST(sigaltstack, handler_runs_on_it)
{
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof stack }, old;
	struct sigaction sa = { .sa_handler = look, .sa_flags = SA_ONSTACK };

	SEE(sigaltstack(&ss, NULL));
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	SEE(on_it);
	SEE(flags_inside);
	SEE(set_inside == EPERM);
	SEE(sigaltstack(NULL, &old));
	SEE(old.ss_flags);
	SEE(old.ss_sp == stack);
	SEE(old.ss_size);
	sa.sa_flags = 0;
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	SEE(on_it);
}

TEST(sigaltstack, arguments)
{
	stack_t ss = { .ss_sp = stack, .ss_size = 100 }, old;

	SEE(sigaltstack(NULL, &old));
	SEE(old.ss_flags);
	SEE(sigaltstack(&ss, NULL));
	ss.ss_flags = 8;
	SEE(sigaltstack(&ss, NULL));
	ss.ss_flags = SS_DISABLE;
	SEE(sigaltstack(&ss, NULL));
	SEE(sigaltstack(bad_addr, NULL));
	SEE(sigaltstack(NULL, bad_addr));
}

TEST(sigaltstack, autodisarm)
{
	stack_t ss = { .ss_sp = stack,
		.ss_size = sizeof stack,
		.ss_flags = (int)SS_AUTODISARM },
		old;
	struct sigaction sa = { .sa_handler = look, .sa_flags = SA_ONSTACK };

	SEE(sigaltstack(&ss, NULL));
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	SEE(on_it);
	SEE(flags_inside);
	SEE(set_inside);
	sigaltstack(NULL, &old);
	SEE(old.ss_flags == (int)SS_AUTODISARM);
}

static void overflowed(int sig)
{
	(void)sig;
	write(1, "\ton the other stack\n", 20);
	_exit(0);
}

static int recurse(volatile int n)
{
	volatile char frame[4096];

	frame[0] = (char)n;
	return n < 0 ? 0 : recurse(n + 1) + frame[0];
}

TEST(sigaltstack, catches_stack_overflow)
{
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof stack };
	struct sigaction sa = { .sa_handler = overflowed,
		.sa_flags = SA_ONSTACK };
	struct rlimit rl = { 1 << 20, 1 << 20 };

	fflush(stdout);
	setrlimit(RLIMIT_STACK, &rl);
	sigaltstack(&ss, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	SEE(recurse(0));
}
