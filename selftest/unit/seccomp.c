/* seccomp.c - core/seccomp: what is refused ends the process, with a line. */
#include "core/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/log.h"
#include "core/sysname.h"
#include "core/thread.h"
#include "selftest/unit/unit.h"

#define TRAPPED (128 + SIGSYS)

static const struct seccomp_rule some[] = {
	ALLOW(rt_sigaction),
	ALLOW_ARG(fcntl, 1, F_GETFD),
	ALLOW_ARG2(dup3, 1, 77, 2, 0),
	ALLOW_MASK(lseek, 2, ~(uint64_t)1, 0),
	ALLOW(getpid),
	ALLOW(getpid),
	SECCOMP_END,
};
static const struct seccomp_rule *const lists[] = { some, NULL, seccomp_core };

static void install(void)
{
	struct err e = { 0 };

	if (seccomp_install("unit", lists, 3, &e)) {
		fprintf(stderr, "%s\n", e.msg);
		_exit(1);
	}
}

static void allowed(void)
{
	struct sigaction sa = { .sa_handler = SIG_IGN };

	install();
	if (fcntl(0, F_GETFD) < 0 && errno != EBADF)
		_exit(2);
	lseek(0, 0, SEEK_CUR);
	if (syscall(SYS_dup3, 0, 77, 0) != 77)
		_exit(3);
	for (int sig = 1; sig <= 64; sig++)
		if (sig != SIGSYS && sig != SIGKILL && sig != SIGSTOP &&
			(sig < 32 || sig > 34) && sigaction(sig, &sa, NULL))
			_exit(4);
	_exit(0);
}

TEST(seccomp, lists_are_joined)
{
	char err[1024];
	int status = test_fork(allowed, err, sizeof err);

	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0 && !*err);
}

static void refused(void)
{
	install();
	syscall(SYS_ptrace, 0x11, 0x22, 0, 0xffffffffffffffff, 5, 6);
	_exit(0);
}

TEST(seccomp, a_refused_call_is_named_and_fatal)
{
	char err[1024];
	int status = test_fork(refused, err, sizeof err);

	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == TRAPPED);
	CHECK(strstr(err,
		"unit: refused by its own seccomp filter: system call "
		"ptrace (101), arguments 0x11 0x22 0x0 "
		"0xffffffffffffffff 0x5 0x6, at 0x"));
	CHECK(strchr(err, '\n') == err + strlen(err) - 1);
}

static void refused_argument(void)
{
	install();
	syscall(SYS_lseek, 0, 0, SEEK_END);
	_exit(0);
}

static void refused_second_argument(void)
{
	install();
	syscall(SYS_dup3, 0, 77, O_CLOEXEC);
	_exit(0);
}

static void refused_high_half(void)
{
	install();
	syscall(SYS_dup3, 0, 77 | 1ull << 32, 0);
	_exit(0);
}

static void refused_number(void)
{
	install();
	syscall(9999);
	_exit(0);
}

#ifndef SANITIZED
static void replace_handler(void)
{
	struct sigaction sa = { .sa_handler = SIG_IGN };

	install();
	sigaction(SIGSYS, &sa, NULL);
	_exit(0);
}

/* The kernel sees 31, a 64-bit comparison does not. */
static void replace_handler_slyly(void)
{
	install();
	syscall(SYS_rt_sigaction, SIGSYS | 1ull << 32, NULL, NULL, 8);
	_exit(0);
}

static void map_code(void)
{
	install();
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		0);
	_exit(0);
}
#endif

TEST(seccomp, arguments_are_compared_in_full)
{
	static const struct {
		void (*fn)(void);
		const char *name;
	} cases[] = {
		{ refused_argument, "lseek (8)" },
		{ refused_second_argument, "dup3 (292)" },
		{ refused_high_half, "dup3 (292)" },
		{ refused_number, "unknown (9999)" },
#ifndef SANITIZED
		{ replace_handler, "rt_sigaction (13)" },
		{ replace_handler_slyly, "rt_sigaction (13)" },
		{ map_code, "mmap (9)" },
#endif
	};
	char err[1024];
	int status;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		status = test_fork(cases[i].fn, err, sizeof err);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == TRAPPED);
		CHECK(strstr(err, cases[i].name));
	}
}

static void use_ptrace(void *arg)
{
	(void)arg;
	syscall(SYS_ptrace, 0, 0, 0, 0);
}

static void refused_in_a_thread(void)
{
	log_set_user(2, LOG_JSON);
	install();
	if (thread_start(use_ptrace, NULL, "bad", 0))
		_exit(3);
	for (;;)
		sched_yield();
}

TEST(seccomp, a_thread_takes_the_process_with_it)
{
	char err[1024];
	int status = test_fork(refused_in_a_thread, err, sizeof err);

	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == TRAPPED);
	CHECK(!strncmp(err,
		"{\"msg\":\"unit: refused by its own seccomp filter: ", 49));
}

TEST(seccomp, names_of_calls)
{
	char b[64];
	struct strbuf s = strbuf(b, sizeof b);

	sb_syscall(&s, 0);
	sb_putc(&s, ',');
	sb_syscall(&s, 334);
	sb_putc(&s, ',');
	sb_syscall(&s, 424);
	CHECK(!strcmp(b, "read (0),rseq (334),pidfd_send_signal (424)"));
	s = strbuf(b, sizeof b);
	sb_syscall(&s, 335);
	sb_syscall(&s, 450);
	sb_syscall(&s, -1);
	CHECK(!strcmp(
		b, "unknown (335)set_mempolicy_home_node (450)unknown (-1)"));
}
