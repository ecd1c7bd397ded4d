/* mprotect.c - mprotect(2), pkey_mprotect(2). */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

#define PG   4096UL
#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static sigjmp_buf jump;

static void on_fault(int sig, siginfo_t *si, void *ctx)
{
	(void)sig;
	(void)ctx;
	siglongjmp(jump, si->si_code);
}

/* 0, or the si_code of the fault. */
static int poke(volatile char *p, int write)
{
	struct sigaction sa = { .sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO };
	int code = sigsetjmp(jump, 1);

	sigaction(SIGSEGV, &sa, NULL);
	if (code)
		return code;
	if (write)
		*p = 1;
	else
		(void)*p;
	return 0;
}

TEST(mprotect, bad_arguments)
{
	char *p = mmap(NULL, 4 * PG, RW, ANON, -1, 0);

	CHECK(p != MAP_FAILED);
	SEE(mprotect(p + 1, PG, PROT_READ));
	SEE(mprotect(p, 0, PROT_READ));
	SEE(mprotect(p, PG, 0x100));
	SEE(mprotect(p, -PG, PROT_READ));
	SEE(mprotect(p, PG, PROT_READ | PROT_GROWSUP));
	SEE(mprotect(p, PG, PROT_READ | PROT_GROWSDOWN));
	SEE(munmap(p + 2 * PG, PG));
	SEE(mprotect(p, 4 * PG, PROT_READ));
	SEE(poke(p + PG, 1));
	SEE(poke(p + 3 * PG, 1));
	SEE(mprotect(p + 2 * PG, PG, PROT_READ));
}

TEST(mprotect, middle_of_a_mapping)
{
	char *p = mmap(NULL, 5 * PG, RW, ANON, -1, 0);

	CHECK(p != MAP_FAILED);
	memset(p, 7, 5 * PG);
	SEE(mprotect(p + 2 * PG, PG, PROT_READ));
	SEE(poke(p + 2 * PG, 0));
	SEE(poke(p + 2 * PG, 1));
	SEE(poke(p + PG, 1));
	SEE(poke(p + 3 * PG, 1));
	SEE(p[2 * PG]);
	SEE(mprotect(p + 2 * PG, PG, RW));
	SEE(poke(p + 2 * PG, 1));
}

TEST(mprotect, none_keeps_the_contents)
{
	char *p = mmap(NULL, 2 * PG, RW, ANON, -1, 0);
	int status;

	CHECK(p != MAP_FAILED);
	strcpy(p, "kept");
	SEE(mprotect(p, 2 * PG, PROT_NONE));
	SEE(poke(p, 0));
	SEE(write(1, p, 4));
	if (fork() == 0) {
		mprotect(p, PG, RW);
		_exit(memcmp(p, "kept", 4) || (p[1]++, 0));
	}
	CHECK(wait(&status) > 0);
	SEE(status);
	SEE(mprotect(p, 2 * PG, PROT_READ));
	SEE_STR(p);
}

TEST(mprotect, read_only_file_stays_read_only)
{
	char name[] = "/tmp/mprotect.XXXXXX", *p;
	int fd = mkstemp(name), ro = open(name, O_RDONLY);

	CHECK(fd >= 0 && ro >= 0 && ftruncate(fd, PG) == 0);
	unlink(name);
	p = mmap(NULL, PG, PROT_READ, MAP_SHARED, ro, 0);
	CHECK(p != MAP_FAILED);
	SEE(mprotect(p, PG, RW));
	SEE(poke(p, 0));
	p = mmap(NULL, PG, PROT_READ, MAP_PRIVATE, ro, 0);
	CHECK(p != MAP_FAILED);
	SEE(mprotect(p, PG, RW));
	SEE(poke(p, 1));
	p = mmap(NULL, PG, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	SEE(mprotect(p, PG, RW));
	SEE(poke(p, 1));
}

TEST(mprotect, code_runs_once_it_is_executable)
{
	static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
	char *p = mmap(NULL, PG, RW, ANON, -1, 0);
	int (*fn)(void);

	CHECK(p != MAP_FAILED);
	memcpy(p, code, sizeof code);
	memcpy(&fn, &p, sizeof fn);
	SEE(mprotect(p, PG, PROT_READ | PROT_EXEC));
	SEE(fn());
	SEE(poke(p, 1));
	SEE(mprotect(p, PG, RW));
	p[1] = 43;
	SEE(mprotect(p, PG, PROT_READ | PROT_EXEC));
	SEE(fn());
}

TEST(mprotect, execution_of_data_is_refused)
{
	char *p = mmap(NULL, PG, RW, ANON, -1, 0);
	void (*fn)(void);

	CHECK(p != MAP_FAILED);
	*p = (char)0xc3;
	memcpy(&fn, &p, sizeof fn);
	fn();
}

TEST(mprotect, without_protection_keys)
{
	char *p = mmap(NULL, PG, RW, ANON, -1, 0);

	SEE(syscall(SYS_pkey_mprotect, p, PG, PROT_READ, -1));
	SEE(poke(p, 1));
	SEE(syscall(SYS_pkey_mprotect, p, PG, PROT_READ, 99));
}
