/* sched.c - sched(7), setrlimit(2), getrusage(2), getrandom(2), uname(2). */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
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

/* In a group of its own; what the child says ends it. */
static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		_exit(fn());
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The best of the group: a child with 3 and ourselves with 9. */
static int nice_of_group(void)
{
	int p[2], ret;
	pid_t pid;

	pipe(p);
	pid = fork();
	if (pid == 0) {
		setpriority(PRIO_PROCESS, 0, 3);
		close(p[1]);
		for (;;)
			pause();
	}
	close(p[1]);
	read(p[0], &ret, 1);
	setpriority(PRIO_PROCESS, 0, 9);
	ret = (int)syscall(SYS_getpriority, PRIO_PGRP, 0);
	setpriority(PRIO_PGRP, 0, 12);
	ret += 100 * (int)syscall(SYS_getpriority, PRIO_PROCESS, pid);
	kill(pid, SIGKILL);
	return ret % 251;
}

/* Others run as the user that we are; of one that nobody is, there is none. */
TEST(sched, nice_of_a_group_and_a_user)
{
	SEE(in_child(nice_of_group));
	SEE(syscall(SYS_getpriority, PRIO_PGRP, 999999));
	SEE(syscall(SYS_getpriority, PRIO_USER, 77777));
	SEE(setpriority(PRIO_USER, 77777, 0));
	SEE(setpriority(PRIO_PGRP, 999999, 0));
	SEE(setpriority(PRIO_PROCESS, 0, 5));
	SEE(syscall(SYS_getpriority, PRIO_USER, 0) >= 15);
	setresuid(77777, 77777, 77777);
	SEE(syscall(SYS_getpriority, PRIO_USER, 0));
	SEE(setpriority(PRIO_USER, 0, 11));
	SEE(syscall(SYS_getpriority, PRIO_PROCESS, 0));
	SEE(setpriority(PRIO_USER, 77777, 3));
	SEE(setpriority(PRIO_PROCESS, getppid(), 19));
}

static int policy_of_child(void)
{
	int prio = -1;

	syscall(SYS_sched_getparam, 0, &prio);
	return (int)syscall(SYS_sched_getscheduler, 0) * 16 + prio;
}

TEST(sched, reset_on_fork)
{
	int prio = 10;

	SEE(syscall(SYS_sched_setscheduler, 0, SCHED_RR | 0x40000000, &prio));
	SEE(syscall(SYS_sched_getscheduler, 0));
	SEE(in_child(policy_of_child));
	SEE(syscall(SYS_sched_setscheduler, 0, SCHED_RR, &prio));
	SEE(in_child(policy_of_child));
}

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t more[8];
};

static long set_attr(struct attr a)
{
	return syscall(SYS_sched_setattr, 0, &a, 0);
}

TEST(sched, attributes)
{
	struct attr a = { .size = 48, .policy = SCHED_BATCH, .nice = 4 };

	SEE(set_attr(a));
	memset(&a, 0, sizeof a);
	SEE(syscall(SYS_sched_getattr, 0, &a, 48, 0));
	SEE(a.size);
	SEE(a.policy);
	SEE(a.nice);
	SEE(set_attr((struct attr){
		.size = 48, .policy = SCHED_RR, .priority = 7, .flags = 1 }));
	memset(&a, 0, sizeof a);
	SEE(syscall(SYS_sched_getattr, 0, &a, 48, 0));
	SEE(a.policy);
	SEE(a.nice);
	SEE(a.priority);
	SEE(a.flags);
	SEE(set_attr(
		(struct attr){ .size = 48, .policy = 99, .flags = 8 | 16 }));
	SEE(syscall(SYS_sched_getscheduler, 0));
	SEE(set_attr((struct attr){ .size = 48, .policy = 99 }));
	SEE(set_attr((struct attr){ .size = 48, .flags = 0x80 }));
	SEE(set_attr((struct attr){ .size = 48, .flags = 0x20 }));
	a = (struct attr){ .size = 47 };
	SEE(syscall(SYS_sched_setattr, 0, &a, 0));
	SEE(a.size >= 56);
	SEE(set_attr((struct attr){ .size = sizeof a, .more[7] = 1 }));
	SEE(set_attr((struct attr){ .size = sizeof a }));
	SEE(syscall(SYS_sched_setattr, 0, NULL, 0));
	SEE(syscall(SYS_sched_setattr, 0, bad_addr, 0));
	SEE(syscall(SYS_sched_setattr, 999999, &a, 0));
	SEE(syscall(SYS_sched_getattr, 0, &a, 47, 0));
}

static long set_deadline(uint64_t runtime, uint64_t deadline, uint64_t period)
{
	return set_attr((struct attr){ .size = 48,
		.policy = 6,
		.runtime = runtime,
		.deadline = deadline,
		.period = period });
}

static int fork_fails(void)
{
	return fork() == -1 ? errno : 0;
}

TEST(sched, deadline_parameters)
{
	struct attr a;

	SEE(set_deadline(0, 0, 0));
	SEE(set_deadline(100, 1000000, 0));
	SEE(set_deadline(2000000, 1000000, 3000000));
	SEE(set_deadline(1000000, 3000000, 2000000));
	SEE(set_deadline(1000000, 1ULL << 63, 0));
	SEE(set_deadline(2000, 3000, 5000));
	SEE(in_child(fork_fails));
	if (set_deadline(1000000, 30000000, 0) == 0) { /* where it may */
		CHECK(fork_fails() == EAGAIN);
		CHECK(syscall(SYS_sched_getattr, 0, &a, 48, 0) == 0);
		CHECK(a.policy == 6 && a.runtime == 1000000);
		CHECK(a.period == 30000000);
	}
}

static long ioprio_set(int which, int who, int prio)
{
	return syscall(SYS_ioprio_set, which, who, prio);
}

static int own_ioprio(void)
{
	return (int)syscall(SYS_ioprio_get, 1, 0) & 0xff;
}

TEST(sched, io_priorities)
{
	SEE(ioprio_set(1, 0, 2 << 13 | 3));
	SEE(syscall(SYS_ioprio_get, 1, 0));
	SEE(in_child(own_ioprio));
	SEE(ioprio_set(1, getpid(), 3 << 13));
	SEE(syscall(SYS_ioprio_get, 1, getpid()));
	SEE(ioprio_set(1, 0, 0));
	SEE(ioprio_set(1, 0, 4));
	SEE(ioprio_set(1, 0, 4 << 13));
	SEE(ioprio_set(4, 0, 0));
	SEE(ioprio_set(1, 999999, 0));
	SEE(ioprio_set(3, 77777, 0));
	SEE(syscall(SYS_ioprio_get, 4, 0));
	SEE(syscall(SYS_ioprio_get, 2, 999999));
	setpgid(0, 0);
	setpriority(PRIO_PROCESS, 0, 10);
	SEE(syscall(SYS_ioprio_get, 2, 0));
	SEE(ioprio_set(2, 0, 2 << 13 | 1));
	SEE(syscall(SYS_ioprio_get, 2, 0));
	setresuid(77777, 77777, 77777);
	SEE(ioprio_set(1, 0, 1 << 13 | 1));
	SEE(ioprio_set(1, getppid(), 2 << 13 | 1));
}

static int slack_of_child(void)
{
	int slack = prctl(PR_GET_TIMERSLACK);

	prctl(PR_SET_TIMERSLACK, 0);
	return slack / 1000 + prctl(PR_GET_TIMERSLACK) / 1000;
}

TEST(sched, timer_slack)
{
	SEE(prctl(PR_SET_TIMERSLACK, 70000));
	SEE(in_child(slack_of_child));
	SEE(prctl(PR_SET_TIMERSLACK, 0));
	SEE(prctl(PR_GET_TIMERSLACK));
}

TEST(sched, affinity_names_the_processors_there_are)
{
	unsigned long m[16] = { 0 };
	unsigned cpu = 99;
	cpu_set_t set;

	sched_getaffinity(0, sizeof set, &set);
	SEE(CPU_COUNT(&set) == sysconf(_SC_NPROCESSORS_ONLN));
	syscall(SYS_sched_getaffinity, 0, sizeof m, m);
	for (int i = 63; i >= 0; i--) {
		if (!(m[0] >> i & 1))
			continue;
		m[0] = 1UL << i;
		CHECK(syscall(SYS_sched_setaffinity, 0, sizeof m, m) == 0);
		CHECK(syscall(SYS_getcpu, &cpu, NULL, NULL) == 0);
		CHECK(cpu == (unsigned)i);
		break;
	}
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

#define BIG (40L << 20)

static bool about_big(long kb)
{
	return kb >= BIG / 1024 && kb < 2 * BIG / 1024;
}

static int use_memory(bool again)
{
	char *p = mmap(NULL, BIG, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | (again ? MAP_POPULATE : 0), -1,
		0);
	struct rusage r;

	if (!again)
		memset(p, 1, BIG);
	getrusage(RUSAGE_SELF, &r);
	if (!about_big(r.ru_maxrss))
		return 1;
	munmap(p, BIG);
	getrusage(RUSAGE_SELF, &r);
	return about_big(r.ru_maxrss) ? 0 : 2;
}

static int touch_it(void)
{
	return use_memory(false);
}

static int populate_it(void)
{
	return use_memory(true);
}

/* The memory goes with the old program; the process has used it all the same.
 */
static int exec_after(void)
{
	memset(mmap(NULL, BIG, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		1, BIG);
	execl("/bin/true", "true", NULL);
	return 9;
}

TEST(getrusage, the_most_memory_ever)
{
	struct rusage r;
	int status;

	SEE(in_child(touch_it));
	getrusage(RUSAGE_CHILDREN, &r);
	SEE(about_big(r.ru_maxrss));
	getrusage(RUSAGE_SELF, &r);
	SEE(about_big(r.ru_maxrss));
	SEE(in_child(populate_it));
	fflush(stdout);
	if (fork() == 0)
		_exit(exec_after());
	wait4(-1, &status, 0, &r);
	SEE(status);
	SEE(about_big(r.ru_maxrss));
}

/* Nobody waited for it: its usage is nobody's. */
TEST(getrusage, of_children_that_nobody_waits_for)
{
	struct rusage r;

	signal(SIGCHLD, SIG_IGN);
	fflush(stdout);
	if (fork() == 0)
		_exit(touch_it());
	SEE(wait(NULL));
	getrusage(RUSAGE_CHILDREN, &r);
	SEE(r.ru_maxrss);
	SEE(r.ru_minflt);
}

static int limit_cpu(rlim_t soft, rlim_t hard)
{
	struct rlimit r = { soft, hard };

	return setrlimit(RLIMIT_CPU, &r);
}

static volatile sig_atomic_t warned;

static void warn(int sig)
{
	(void)sig;
	warned++;
}

static void burn(void)
{
	while (getpid())
		;
}

/* Status of a child under the limits of its parent. */
static int end_of_burning_child(void)
{
	int status;

	fflush(stdout);
	if (fork() == 0)
		burn();
	wait(&status);
	return status;
}

TEST(rlimit, cpu_time_warns)
{
	struct rlimit r;

	signal(SIGXCPU, warn);
	SEE(limit_cpu(1, 9));
	while (!warned)
		;
	SEE(getrlimit(RLIMIT_CPU, &r));
	SEE(r.rlim_cur);
	SEE(r.rlim_max);
}

TEST(rlimit, cpu_time_kills_at_the_hard_limit)
{
	signal(SIGXCPU, warn);
	SEE(limit_cpu(1, 1));
	SEE(end_of_burning_child());
}

TEST(rlimit, cpu_time_kills_without_a_handler)
{
	signal(SIGXCPU, SIG_DFL);
	SEE(limit_cpu(1, RLIM_INFINITY));
	SEE(WTERMSIG(end_of_burning_child()));
	SEE(limit_cpu(RLIM_INFINITY, RLIM_INFINITY));
}
