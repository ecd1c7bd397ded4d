/* storm.c - many processes, threads and signals at once; what hangs or is lost.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

static void *busy(void *arg)
{
	for (;;)
		getppid();
	return arg;
}

/* Threads that fork, call and compute, killed at any moment. */
TEST(storm, kill_in_full_flight)
{
	int killed = 0, status;

	fflush(stdout);
	for (int i = 0; i < 30; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			pthread_t t;

			for (int k = 0; k < 4; k++)
				pthread_create(&t, NULL, busy, NULL);
			for (;;) {
				pid_t c = fork();

				if (c == 0)
					_exit(0);
				waitpid(c, NULL, 0);
			}
		}
		usleep(1000 * (unsigned)(i % 7));
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	}
	SEE(killed);
}

static void *nothing(void *arg)
{
	return arg;
}

TEST(storm, threads_come_and_go)
{
	pthread_t t[10];
	intptr_t sum = 0;
	void *ret;

	for (int round = 0; round < 40; round++) {
		for (intptr_t i = 0; i < 10; i++)
			CHECK(!pthread_create(&t[i], NULL, nothing, (void *)i));
		for (int i = 0; i < 10; i++) {
			pthread_join(t[i], &ret);
			sum += (intptr_t)ret;
		}
	}
	SEE(sum);
}

static atomic_int handled;

static void count(int sig)
{
	(void)sig;
	atomic_fetch_add(&handled, 1);
}

/* Real-time signals are never lost, whoever takes them. */
TEST(storm, queued_signals_all_arrive)
{
	pthread_t t;
	int sent = 0;

	signal(SIGRTMIN, count);
	for (int i = 0; i < 3; i++)
		pthread_create(&t, NULL, busy, NULL);
	for (int i = 0; i < 500; i++)
		sent += sigqueue(getpid(), SIGRTMIN,
				(union sigval){ .sival_int = i }) == 0;
	for (int i = 0; i < 1000 && handled < sent; i++)
		usleep(1000);
	SEE(handled == sent);
	SEE(sent);
}

TEST(storm, stop_and_continue_under_load)
{
	int status, stops = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		pthread_t t;

		for (int k = 0; k < 3; k++)
			pthread_create(&t, NULL, busy, NULL);
		busy(NULL);
	}
	for (int i = 0; i < 50; i++) {
		kill(pid, SIGSTOP);
		CHECK(waitpid(pid, &status, WUNTRACED) == pid);
		stops += WIFSTOPPED(status);
		kill(pid, SIGCONT);
		CHECK(waitpid(pid, &status, WCONTINUED) == pid);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	SEE(stops);
	SEE(status);
}

static void *exec_now(void *arg)
{
	(void)arg;
	execl("/bin/sh", "sh", "-c", "exit 7", NULL);
	return NULL;
}

TEST(storm, threads_race_to_exec)
{
	int status, won = 0;

	fflush(stdout);
	for (int i = 0; i < 10; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			pthread_t t;

			for (int k = 0; k < 4; k++)
				pthread_create(&t, NULL, exec_now, NULL);
			busy(NULL);
		}
		waitpid(pid, &status, 0);
		won += WIFEXITED(status) && WEXITSTATUS(status) == 7;
	}
	SEE(won);
}

TEST(storm, a_thousand_children)
{
	int n = 0, status;

	fflush(stdout);
	for (int i = 0; i < 1000; i++) {
		if (fork() == 0)
			_exit(0);
		if (i % 10 == 9)
			while (waitpid(-1, &status, 0) > 0)
				n += status == 0;
	}
	SEE(n);
}

static void *exit_soon(void *arg)
{
	usleep((unsigned)(intptr_t)arg);
	syscall(SYS_exit_group, 9);
	return NULL;
}

TEST(storm, exit_while_others_start_threads)
{
	int status, ok = 0;

	fflush(stdout);
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			pthread_t t;

			pthread_create(&t, NULL, exit_soon,
				(void *)(intptr_t)(i * 200));
			for (;;)
				if (!pthread_create(&t, NULL, nothing, NULL))
					pthread_join(t, NULL);
		}
		waitpid(pid, &status, 0);
		ok += WIFEXITED(status) && WEXITSTATUS(status) == 9;
	}
	SEE(ok);
}
