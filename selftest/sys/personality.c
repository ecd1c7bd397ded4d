/* personality.c - personality(2). */
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/select.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

#define QUERY 0xffffffff

TEST(personality, is_kept_and_inherited)
{
	int status;

	SEE(personality(QUERY));
	SEE(personality(ADDR_NO_RANDOMIZE | PER_BSD));
	SEE(personality(QUERY));
	SEE(personality(0x12345678));
	SEE(personality(QUERY));
	fflush(stdout);
	if (fork() == 0)
		_exit(personality(QUERY) == 0x12345678);
	wait(&status);
	SEE(WEXITSTATUS(status));
}

TEST(personality, read_implies_exec_ends_with_execve)
{
	personality(READ_IMPLIES_EXEC | STICKY_TIMEOUTS);
	fflush(stdout);
	execl("/bin/cat", "cat", "/proc/self/personality", NULL);
}

TEST(personality, another_name_for_the_machine)
{
	struct utsname u;

	personality(PER_LINUX32);
	uname(&u);
	SEE_STR(u.machine);
	personality(PER_LINUX | UNAME26);
	uname(&u);
	SEE_STR(u.machine);
	SEE(strncmp(u.release, "2.6.", 4));
}

TEST(personality, sticky_timeouts)
{
	struct timeval tv = { 0, 20000 };

	SEE(select(0, NULL, NULL, NULL, &tv));
	SEE(tv.tv_usec);
	personality(STICKY_TIMEOUTS);
	tv.tv_usec = 20000;
	SEE(select(0, NULL, NULL, NULL, &tv));
	SEE(tv.tv_usec);
}

/* What a new program sees of its own layout: the lines without the files. */
static size_t layout_of_child(char *buf, size_t size)
{
	size_t n = 0;
	ssize_t got;
	int p[2];

	pipe(p);
	if (fork() == 0) {
		dup2(p[1], 1);
		execl("/bin/cat", "cat", "/proc/self/maps", NULL);
		_exit(1);
	}
	close(p[1]);
	while (n < size && (got = read(p[0], buf + n, size - n)) > 0)
		n += (size_t)got;
	close(p[0]);
	wait(NULL);
	return n;
}

static bool same_layout_twice(void)
{
	static char a[65536], b[65536];
	size_t n = layout_of_child(a, sizeof a);

	return layout_of_child(b, sizeof b) == n && n && !memcmp(a, b, n);
}

TEST(personality, without_randomization_the_layout_is_the_same)
{
	fflush(stdout);
	SEE(same_layout_twice());
	personality(ADDR_NO_RANDOMIZE);
	SEE(same_layout_twice());
}
