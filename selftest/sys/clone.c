/* clone.c - clone(2), clone3(2), unshare(2), set_tid_address(2). */
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

static char stack[65536] __attribute__((aligned(16)));
static volatile int shared;

static int set_shared(void *arg)
{
	shared = (int)(intptr_t)arg;
	return 5;
}

TEST(clone, vm_is_shared)
{
	int status;
	pid_t pid;

	shared = 0;
	pid = clone(set_shared, stack + sizeof stack, CLONE_VM | SIGCHLD,
		(void *)9);
	SEE(waitpid(pid, &status, 0) == pid);
	SEE(WEXITSTATUS(status));
	SEE(shared);
}

static int close_fd(void *arg)
{
	return close((int)(intptr_t)arg);
}

TEST(clone, files_shared_or_not)
{
	int fd = open("/", O_RDONLY);
	pid_t pid;

	pid = clone(
		close_fd, stack + sizeof stack, SIGCHLD, (void *)(intptr_t)fd);
	waitpid(pid, NULL, 0);
	SEE(fcntl(fd, F_GETFD));
	pid = clone(close_fd, stack + sizeof stack, CLONE_FILES | SIGCHLD,
		(void *)(intptr_t)fd);
	waitpid(pid, NULL, 0);
	SEE(fcntl(fd, F_GETFD));
}

static int go_tmp(void *arg)
{
	(void)arg;
	return chdir("/tmp");
}

TEST(clone, fs_shared_or_not)
{
	char cwd[256];
	pid_t pid;

	chdir("/");
	pid = clone(go_tmp, stack + sizeof stack, SIGCHLD, NULL);
	waitpid(pid, NULL, 0);
	SEE_STR(getcwd(cwd, sizeof cwd));
	pid = clone(go_tmp, stack + sizeof stack, CLONE_FS | SIGCHLD, NULL);
	waitpid(pid, NULL, 0);
	SEE_STR(getcwd(cwd, sizeof cwd));
}

static int read_tid(void *arg)
{
	return *(pid_t *)arg == (pid_t)syscall(SYS_gettid);
}

TEST(clone, tids_are_stored)
{
	static pid_t ptid, ctid;
	int status;
	pid_t pid;

	pid = clone(read_tid, stack + sizeof stack,
		CLONE_VM | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID |
			CLONE_CHILD_CLEARTID | SIGCHLD,
		&ctid, &ptid, NULL, &ctid);
	waitpid(pid, &status, 0);
	SEE(WEXITSTATUS(status));
	SEE(ptid == pid);
	SEE(ctid);
}

TEST(clone, child_without_signal_needs_wclone)
{
	int status;
	pid_t pid;

	pid = clone(set_shared, stack + sizeof stack, 0, NULL);
	SEE(waitpid(pid, &status, 0));
	SEE(waitpid(pid, &status, __WCLONE) == pid);
	SEE(WEXITSTATUS(status));
	signal(SIGUSR1, SIG_IGN);
	pid = clone(set_shared, stack + sizeof stack, SIGUSR1, NULL);
	SEE(waitpid(pid, &status, __WALL) == pid);
}

static int get_parent(void *arg)
{
	(void)arg;
	return getppid() == shared;
}

static int clone_sibling(void *arg)
{
	static char inner[32768] __attribute__((aligned(16)));

	(void)arg;
	return clone(get_parent, inner + sizeof inner, CLONE_PARENT | SIGCHLD,
		       NULL) < 0;
}

TEST(clone, parent_makes_a_sibling)
{
	int status, ok = 0;

	shared = getpid();
	clone(clone_sibling, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
	for (int i = 0; i < 2; i++) {
		SEE(wait(&status) > 0);
		ok += WEXITSTATUS(status);
	}
	SEE(ok);
}

TEST(clone, impossible_flags)
{
	SEE(syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0));
	SEE(syscall(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0));
	SEE(syscall(SYS_clone, CLONE_NEWNS | CLONE_FS, 0, 0, 0, 0));
	SEE(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID, 0, 0, 0, 0));
}

TEST(clone, clone3_arguments)
{
	uint64_t a[11] = { 0 };

	SEE(syscall(SYS_clone3, a, 8));
	SEE(syscall(SYS_clone3, bad_addr, 88));
	SEE(syscall(SYS_clone3, a, 8192));
	a[4] = 65;
	SEE(syscall(SYS_clone3, a, 88));
	a[4] = SIGCHLD;
	a[5] = 4096;
	SEE(syscall(SYS_clone3, a, 88));
	a[5] = 0;
	a[0] = 1ULL << 62;
	SEE(syscall(SYS_clone3, a, 88));
	a[0] = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
	SEE(syscall(SYS_clone3, a, 88));
}

TEST(clone, clone3_forks)
{
	uint64_t a[8] = { 0 };
	int status;
	long pid;

	a[4] = SIGCHLD;
	fflush(stdout);
	pid = syscall(SYS_clone3, a, 64);
	if (pid == 0)
		_exit(11);
	SEE(waitpid((pid_t)pid, &status, 0) == pid);
	SEE(WEXITSTATUS(status));
}

static void *thread_body(void *arg)
{
	return (void *)((intptr_t)arg + (syscall(SYS_gettid) != getpid()));
}

TEST(clone, threads_return_values)
{
	pthread_t t[20];
	intptr_t sum = 0;
	void *ret;

	for (intptr_t i = 0; i < 20; i++)
		CHECK(pthread_create(&t[i], NULL, thread_body, (void *)i) == 0);
	for (int i = 0; i < 20; i++) {
		pthread_join(t[i], &ret);
		sum += (intptr_t)ret;
	}
	SEE(sum);
}

static void *exit_thread(void *arg)
{
	(void)arg;
	usleep(20000);
	syscall(SYS_exit_group, 33);
	return NULL;
}

TEST(clone, leader_ends_before_its_threads)
{
	pthread_t t;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		pthread_create(&t, NULL, exit_thread, NULL);
		syscall(SYS_exit, 1);
	}
	SEE(waitpid(pid, &status, 0) == pid);
	SEE(WEXITSTATUS(status));
}

static void *sleep_thread(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

TEST(clone, exit_group_ends_all_threads)
{
	pthread_t t;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 8; i++)
			pthread_create(&t, NULL, sleep_thread, NULL);
		_exit(4);
	}
	SEE(waitpid(pid, &status, 0) == pid);
	SEE(WEXITSTATUS(status));
}

TEST(clone, unshare_files)
{
	SEE(unshare(CLONE_FILES | CLONE_FS));
	SEE(syscall(SYS_unshare, 1));
}

/* Any number below 256 may be the exit signal: what is none is not sent. */
TEST(clone, exit_signals_that_are_none)
{
	static const int sigs[] = { 0, 64, 65, 66, 127, 128, 255 };
	int status;

	signal(64, SIG_IGN);
	for (size_t i = 0; i < sizeof sigs / sizeof sigs[0]; i++) {
		long pid = syscall(SYS_clone, sigs[i], 0, 0, 0, 0);

		if (pid == 0)
			_exit(7);
		SEE(waitpid((pid_t)pid, &status, __WALL) == pid);
		SEE(WEXITSTATUS(status));
	}
}
