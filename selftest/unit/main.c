/*
 * main.c - runs unit tests, each in its own process.
 *
 * unit [group[.name]]...	prints what fails or is skipped, then the sum
 *
 * UNIT_SECONDS replaces the limit for one test, for an emulated machine.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/unit/unit.h"

#define TEST_SECONDS 60
#define TEST_MAX     4096
#define EXIT_SKIP    77

extern const struct test __start_tests[], __stop_tests[];

void test_fail(const char *file, int line, const char *cond)
{
	printf("%s:%d: CHECK(%s) failed\n", file, line, cond);
	fflush(stdout);
	_exit(1);
}

void test_skip(const char *why)
{
	printf("\tskipped: %s\n", why);
	fflush(stdout);
	_exit(EXIT_SKIP);
}

int test_fork(void (*fn)(void), char *err, unsigned long cap)
{
	int status, p[2];
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	if (pipe(p))
		abort();
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		dup2(p[1], 2);
		close(p[0]);
		close(p[1]);
		fn();
		_exit(0);
	}
	close(p[1]);
	while (pid > 0 && len + 1 < cap &&
		(n = read(p[0], err + len, cap - 1 - len)) > 0)
		len += (size_t)n;
	if (cap)
		err[len] = 0;
	close(p[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		abort();
	return status;
}

static int run(const struct test *t)
{
	const char *limit = getenv("UNIT_SECONDS");
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(limit ? atoi(limit) : TEST_SECONDS);
		t->fn();
		exit(0); /* not _exit(): leak checks and coverage run here */
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		abort();
	if (status == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP) {
		printf("skip %s.%s\n", t->group, t->name);
		return EXIT_SKIP;
	}
	printf("FAIL %s.%s", t->group, t->name);
	if (WIFSIGNALED(status))
		printf(": %s", strsignal(WTERMSIG(status)));
	putchar('\n');
	return 1;
}

/* The linker may reverse a section: sort, so that output is stable. */
static int by_group_then_line(const void *a, const void *b)
{
	const struct test *x = *(const struct test *const *)a;
	const struct test *y = *(const struct test *const *)b;
	int d = strcmp(x->group, y->group);

	return d ? d : x->line - y->line;
}

static bool wanted(const struct test *t, int argc, char **argv)
{
	char full[256];

	if (argc < 2)
		return true;
	snprintf(full, sizeof full, "%s.%s", t->group, t->name);
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], t->group) || !strcmp(argv[i], full))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	size_t n = (size_t)(__stop_tests - __start_tests);
	static const struct test *order[TEST_MAX];
	int passed = 0, failed = 0, skipped = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < n && i < TEST_MAX; i++)
		order[i] = &__start_tests[i];
	qsort(order, n, sizeof order[0], by_group_then_line);
	for (size_t i = 0; i < n; i++) {
		if (!wanted(order[i], argc, argv))
			continue;
		switch (run(order[i])) {
		case 0:
			passed++;
			break;
		case EXIT_SKIP:
			skipped++;
			break;
		default:
			failed++;
		}
	}
	printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
	return failed != 0 || passed + skipped == 0;
}
