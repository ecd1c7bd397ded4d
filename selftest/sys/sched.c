/* sched.c - sched(7), setrlimit(2), getrusage(2), getrandom(2), uname(2). */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "selftest/test.h"

TEST(sched, policies)
{
	int prio = 0;

	SEE(syscall(SYS_sched_getscheduler, 0));
	SEE(syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &prio));
	SEE(syscall(SYS_sched_getscheduler, 0));
	SEE(syscall(SYS_sched_setscheduler, 0, 99, &prio));
	prio = 5;
	SEE(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &prio));
	SEE(syscall(SYS_sched_getparam, 0, &prio));
	SEE(prio);
	SEE(syscall(SYS_sched_getparam, -1, &prio));
	SEE(syscall(SYS_sched_getscheduler, 999999));
	SEE(sched_get_priority_max(SCHED_FIFO));
	SEE(sched_get_priority_min(SCHED_FIFO));
	SEE(sched_get_priority_max(77));
	SEE(sched_yield());
}

TEST(sched, nice_values)
{
	SEE(syscall(SYS_getpriority, PRIO_PROCESS, 0));
	SEE(setpriority(PRIO_PROCESS, 0, 7));
	SEE(syscall(SYS_getpriority, PRIO_PROCESS, 0));
	SEE(setpriority(PRIO_PROCESS, 0, 100));
	SEE(syscall(SYS_getpriority, PRIO_PROCESS, 0));
	SEE(setpriority(9, 0, 0));
	SEE(setpriority(PRIO_PROCESS, 999999, 0));
}

TEST(sched, affinity)
{
	unsigned long m[16] = { 0 };
	long n = 0;

	CHECK(syscall(SYS_sched_getaffinity, 0, sizeof m, m) >= 8);
	CHECK(m[0]);
	/* Programs start as many threads as there are bits. */
	for (int i = 0; i < 16; i++)
		n += __builtin_popcountl(m[i]);
	CHECK(n <= sysconf(_SC_NPROCESSORS_CONF));
	m[0] = 1;
	SEE(syscall(SYS_sched_setaffinity, 0, sizeof m, m));
	CHECK(syscall(SYS_sched_getaffinity, 0, sizeof m, m) >= 8);
	SEE(m[0]);
	m[0] = 0;
	SEE(syscall(SYS_sched_setaffinity, 0, sizeof m, m));
	SEE(syscall(SYS_sched_getaffinity, 0, 1, m));
}

TEST(sched, limits_are_kept_and_checked)
{
	struct rlimit r;

	SEE(getrlimit(RLIMIT_NOFILE, &r));
	r.rlim_cur = 100;
	SEE(setrlimit(RLIMIT_NOFILE, &r));
	SEE(getrlimit(RLIMIT_NOFILE, &r));
	SEE(r.rlim_cur);
	SEE(dup2(0, 100));
	SEE(dup2(0, 99));
	r.rlim_cur = r.rlim_max + 1;
	SEE(syscall(SYS_setrlimit, 3, &(struct rlimit){ 2, 1 }));
	SEE(syscall(SYS_getrlimit, 99, &r));
	SEE(syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, NULL));
	SEE(syscall(SYS_prlimit64, 999999, RLIMIT_CORE, NULL, &r));
	SEE(syscall(SYS_getrlimit, RLIMIT_CORE, bad_addr));
}

TEST(sched, usage)
{
	struct rusage r;

	SEE(getrusage(RUSAGE_SELF, &r));
	CHECK(r.ru_maxrss >= 0);
	SEE(getrusage(RUSAGE_CHILDREN, &r));
	SEE(getrusage(RUSAGE_THREAD, &r));
	SEE(getrusage(77, &r));
}

TEST(sched, random_bytes)
{
	char a[600] = "", b[600] = "";

	SEE(getrandom(a, sizeof a, 0));
	SEE(getrandom(b, sizeof b, GRND_NONBLOCK));
	CHECK(memcmp(a, b, sizeof a));
	SEE(getrandom(a, 1, 0x80));
	SEE(syscall(SYS_getrandom, bad_addr, 8, 0));
	SEE(getrandom(a, 0, 0));
}

TEST(sched, names_of_the_system)
{
	struct utsname u;

	SEE(uname(&u));
	SEE_STR(u.sysname);
	SEE_STR(u.machine);
	SEE(syscall(SYS_uname, bad_addr));
	SEE(syscall(SYS_sethostname, "x", -1));
	SEE(syscall(SYS_sethostname, "x", 65));
}
