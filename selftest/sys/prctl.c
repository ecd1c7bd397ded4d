/* prctl.c - prctl(2), arch_prctl(2). */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

TEST(prctl, names)
{
	char name[16];

	SEE(prctl(PR_SET_NAME, "a name that is far too long"));
	SEE(prctl(PR_GET_NAME, name));
	SEE_STR(name);
	SEE(prctl(PR_SET_NAME, bad_addr));
	SEE(prctl(PR_GET_NAME, bad_addr));
	SEE(prctl(PR_SET_NAME, ""));
	SEE(prctl(PR_GET_NAME, name));
	SEE_STR(name);
}

TEST(prctl, dumpable)
{
	SEE(prctl(PR_SET_DUMPABLE, 0));
	SEE(prctl(PR_GET_DUMPABLE));
	SEE(prctl(PR_SET_DUMPABLE, 1));
	SEE(prctl(PR_GET_DUMPABLE));
	SEE(prctl(PR_SET_DUMPABLE, 2));
}

TEST(prctl, parent_death_signal)
{
	int sig = 0, p[2];
	char c = 0;
	pid_t pid;

	SEE(prctl(PR_SET_PDEATHSIG, 65));
	SEE(prctl(PR_SET_PDEATHSIG, SIGUSR1));
	SEE(prctl(PR_GET_PDEATHSIG, &sig));
	SEE(sig);
	SEE(prctl(PR_GET_PDEATHSIG, bad_addr));
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pipe(p);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGTERM);
			write(p[1], "r", 1);
			for (;;)
				pause();
		}
		read(p[0], &c, 1);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	SEE(waitpid(-1, &sig, 0) > 0);
	SEE(sig);
}

TEST(prctl, subreaper_adopts)
{
	int on = -1, status;
	pid_t pid;

	SEE(prctl(PR_GET_CHILD_SUBREAPER, &on));
	SEE(on);
	SEE(prctl(PR_SET_CHILD_SUBREAPER, 1));
	SEE(prctl(PR_GET_CHILD_SUBREAPER, &on));
	SEE(on);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		pid_t me = getpid();

		if (fork() == 0) {
			while (getppid() == me)
				usleep(1000);
			_exit(21);
		}
		_exit(20);
	}
	SEE(waitpid(pid, &status, 0) == pid);
	SEE(WEXITSTATUS(status));
	SEE(waitpid(-1, &status, 0) > 0);
	SEE(WEXITSTATUS(status));
}

TEST(prctl, odds_and_ends)
{
	int v = 0;

	SEE(prctl(PR_GET_TIMING));
	SEE(prctl(PR_SET_TIMING, 1));
	SEE(prctl(PR_SET_TIMERSLACK, 12345));
	SEE(prctl(PR_GET_TIMERSLACK));
	SEE(prctl(PR_SET_TIMERSLACK, 0));
	SEE(prctl(PR_GET_TSC, &v));
	SEE(v);
	SEE(prctl(PR_GET_SECCOMP));
	SEE(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	SEE(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
	SEE(prctl(PR_SET_THP_DISABLE, 1, 1, 0, 0));
	SEE(prctl(12345678));
}

#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

TEST(prctl, segment_bases)
{
	static uint64_t cell = 77;
	uint64_t base = 1, v;

	SEE(syscall(SYS_arch_prctl, ARCH_SET_GS, &cell));
	SEE(syscall(SYS_arch_prctl, ARCH_GET_GS, &base));
	SEE(base == (uint64_t)(uintptr_t)&cell);
	__asm__ volatile("mov %%gs:0, %0" : "=r"(v));
	SEE(v);
	SEE(syscall(SYS_arch_prctl, ARCH_GET_FS, &base));
	SEE(base != 0);
	SEE(syscall(SYS_arch_prctl, ARCH_SET_GS, 1UL << 63));
	SEE(syscall(SYS_arch_prctl, ARCH_SET_FS, 1UL << 63));
	SEE(syscall(SYS_arch_prctl, ARCH_GET_GS, bad_addr));
	SEE(syscall(SYS_arch_prctl, 1, 0));
}
