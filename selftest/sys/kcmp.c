/* kcmp.c - kcmp(2). */
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

static long kcmp(pid_t a, pid_t b, int type, unsigned long i, unsigned long j)
{
	return syscall(SYS_kcmp, a, b, type, i, j);
}

/* 1 and 2 depend on addresses. */
static long same(pid_t a, pid_t b, int type, unsigned long i, unsigned long j)
{
	long ret = kcmp(a, b, type, i, j);

	return ret > 0 ? 0 : ret == 0 ? 1 : ret;
}

TEST(kcmp, files_of_descriptors)
{
	int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY);
	int c = dup(a);
	pid_t me = getpid();

	SEE(same(me, me, KCMP_FILE, a, a));
	SEE(same(me, me, KCMP_FILE, a, b));
	SEE(same(me, me, KCMP_FILE, a, c));
	CHECK(kcmp(me, me, KCMP_FILE, a, b) + kcmp(me, me, KCMP_FILE, b, a) ==
		3);
	SEE(kcmp(me, me, KCMP_FILE, 999, a));
	SEE(kcmp(me, me, KCMP_FILE, -1, a));
	SEE(kcmp(me, 999999, KCMP_FILE, a, a));
	SEE(kcmp(me, me, 99, 0, 0));
}

static void see_shared(int flags)
{
	pid_t me = getpid(),
	      child = (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

	if (child == 0)
		for (;;)
			pause();
	SEE(same(me, child, KCMP_VM, 0, 0));
	SEE(same(me, child, KCMP_FILES, 0, 0));
	SEE(same(me, child, KCMP_FS, 0, 0));
	SEE(same(me, child, KCMP_SIGHAND, 0, 0));
	SEE(same(me, child, KCMP_SYSVSEM, 0, 0));
	SEE(same(me, child, KCMP_FILE, 0, 0));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

TEST(kcmp, what_a_child_shares)
{
	see_shared(0);
	see_shared(CLONE_FS);
	see_shared(CLONE_FILES);
}

TEST(kcmp, of_another_user)
{
	pid_t parent = getppid();

	setresuid(77777, 77777, 77777);
	SEE(kcmp(getpid(), parent, KCMP_VM, 0, 0));
}
