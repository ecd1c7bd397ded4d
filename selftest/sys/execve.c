/* execve.c - execve(2), execveat(2). */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

static const char *no_env[] = { NULL };

/* String literals are const: the C library's prototype is not. */
static int exec(const char *path, const void *argv, const void *envp)
{
	return (int)syscall(SYS_execve, path, argv, envp);
}

/* Runs argv in a child; the status of its end. */
static int run(const char *path, const void *argv, const void *envp)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		exec(path, argv, envp);
		_exit(200 + (errno & 31));
	}
	waitpid(pid, &status, 0);
	return status;
}

static void make_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0755);

	write(fd, text, strlen(text));
	close(fd);
	chmod(path, mode);
}

TEST(execve, arguments_and_environment_arrive)
{
	const char *argv[] = { "sh", "-c", "echo $0 $1 $X; exit 3", "zero",
		"one", NULL };
	const char *envp[] = { "X=value", NULL };

	SEE(WEXITSTATUS(run("/bin/sh", argv, envp)));
}

TEST(execve, errors)
{
	const char *argv[] = { "x", NULL };
	char dir[] = "/tmp/execXXXXXX", path[64];

	mkdtemp(dir);
	SEE(exec("/nonexistent", argv, no_env));
	SEE(exec("", argv, no_env));
	SEE(exec("/", argv, no_env));
	SEE(exec("/tmp", argv, no_env));
	SEE(exec(bad_addr, argv, no_env));
	SEE(exec("/bin/sh", bad_addr, no_env));
	SEE(exec("/bin/sh", argv, bad_addr));
	snprintf(path, sizeof path, "%s/f", dir);
	make_file(path, "not a program", 0755);
	SEE(exec(path, argv, no_env));
	make_file(path, "", 0755);
	SEE(exec(path, argv, no_env));
	make_file(path, "\177ELF\2\1\1", 0755);
	SEE(exec(path, argv, no_env));
	make_file(path, "#!/bin/sh\n", 0644);
	SEE(exec(path, argv, no_env));
	make_file(path, "#!/nonexistent\n", 0755);
	SEE(exec(path, argv, no_env));
	make_file(path, "#!   \n", 0755);
	SEE(exec(path, argv, no_env));
	strcat(path, "/x");
	SEE(exec(path, argv, no_env));
	path[strlen(path) - 2] = 0;
	unlink(path);
	rmdir(dir);
}

TEST(execve, scripts)
{
	char dir[] = "/tmp/execXXXXXX", a[64], b[64], line[128];
	const char *argv[] = { "zero", "one two", NULL };

	mkdtemp(dir);
	snprintf(a, sizeof a, "%s/a", dir);
	make_file(a, "#! /bin/sh -e \necho $# \"$1\"; exit 9\n", 0755);
	SEE(WEXITSTATUS(run(a, argv, no_env)));
	snprintf(line, sizeof line, "#!%s arg\n", a);
	snprintf(b, sizeof b, "%s/b", dir);
	make_file(b, line, 0755);
	SEE(WEXITSTATUS(run(b, argv, no_env)) == 9);
	unlink(a);
	unlink(b);
	rmdir(dir);
}

TEST(execve, script_chain_ends)
{
	char dir[] = "/tmp/execXXXXXX", a[64], line[128];
	const char *argv[] = { "zero", NULL };

	mkdtemp(dir);
	snprintf(a, sizeof a, "%s/a", dir);
	snprintf(line, sizeof line, "#!%s\n", a);
	make_file(a, line, 0755);
	SEE(exec(a, argv, no_env));
	unlink(a);
	rmdir(dir);
}

TEST(execve, too_many_arguments)
{
	static char big[200000];
	const char *argv[] = { "sh", "-c", ":", big, NULL };
	const char **many = calloc(300001, sizeof *many);

	memset(big, 'x', sizeof big - 1);
	SEE(exec("/bin/sh", argv, no_env));
	for (int i = 0; i < 300000; i++)
		many[i] = "0123456789";
	SEE(exec("/bin/sh", many, no_env));
	many[0] = "sh";
	many[1] = "-c";
	many[2] = "exit $#";
	many[3] = "zero";
	many[103] = NULL;
	SEE(WEXITSTATUS(run("/bin/sh", many, no_env)));
}

TEST(execve, close_on_exec)
{
	const char *argv[] = { "sh", "-c", "echo a >&7 && exit 1; exit 2",
		NULL };
	int p[2];

	pipe(p);
	dup2(p[1], 7);
	SEE(WEXITSTATUS(run("/bin/sh", argv, no_env)));
	fcntl(7, F_SETFD, FD_CLOEXEC);
	close(2); /* the shell complains */
	SEE(WEXITSTATUS(run("/bin/sh", argv, no_env)));
}

TEST(execve, ignored_signals_stay_and_handlers_go)
{
	const char *usr1[] = { "sh", "-c", "kill -USR1 $$; exit 5", NULL };

	signal(SIGUSR1, SIG_IGN);
	SEE(WEXITSTATUS(run("/bin/sh", usr1, no_env)));
	signal(SIGUSR1, (void (*)(int))abort);
	SEE(WTERMSIG(run("/bin/sh", usr1, no_env)));
}

static void *exec_from_thread(void *arg)
{
	const char *argv[] = { "sh", "-c", "exit $(( $$ == $1 ))", "x", arg,
		NULL };

	exec("/bin/sh", argv, no_env);
	return NULL;
}

static void *wait_forever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

TEST(execve, thread_takes_over_the_process)
{
	char pid_text[32];
	pthread_t t;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		snprintf(pid_text, sizeof pid_text, "%d", getpid());
		for (int i = 0; i < 4; i++)
			pthread_create(&t, NULL, wait_forever, NULL);
		pthread_create(&t, NULL, exec_from_thread, pid_text);
		wait_forever(NULL);
	}
	SEE(waitpid(pid, &status, 0) == pid);
	SEE(WEXITSTATUS(status));
}

TEST(execve, vfork_and_exec)
{
	const char *argv[] = { "sh", "-c", "exit 6", NULL };
	int status;
	pid_t pid;

	fflush(stdout);
	pid = vfork();
	if (pid == 0) {
		exec("/bin/sh", argv, no_env);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	SEE(WEXITSTATUS(status));
}

TEST(execve, execveat_by_descriptor)
{
	const char *argv[] = { "sh", "-c", "exit 8", NULL };
	int fd = open("/bin/sh", O_RDONLY | O_CLOEXEC), status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		syscall(SYS_execveat, fd, "", argv, no_env, AT_EMPTY_PATH);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	SEE(WEXITSTATUS(status));
	SEE(syscall(SYS_execveat, fd, "", argv, no_env, 0));
	SEE(syscall(SYS_execveat, fd, "x", argv, no_env, 0));
	SEE(syscall(SYS_execveat, 1234, "x", argv, no_env, 0));
	SEE(syscall(SYS_execveat, AT_FDCWD, "/bin/sh", argv, no_env, 1));
}

/* A copy of a program that is there on every machine, run until @stop is
 * closed. */
static void copy_program(const char *to)
{
	static char buf[65536];
	int in = open("/bin/cat", O_RDONLY);
	int out = open(to, O_CREAT | O_WRONLY | O_TRUNC, 0755);
	ssize_t n;

	while ((n = read(in, buf, sizeof buf)) > 0)
		write(out, buf, (size_t)n);
	close(in);
	close(out);
}

static void see_writers(const char *path)
{
	int fd;

	SEE((fd = open(path, O_WRONLY)) < 0 ? errno : 0);
	if (fd >= 0)
		close(fd);
	SEE((fd = open(path, O_RDWR | O_TRUNC)) < 0 ? errno : 0);
	if (fd >= 0)
		close(fd);
	SEE(truncate(path, 100));
}

TEST(execve, nobody_writes_to_a_running_program)
{
	const char *path = "running-program";
	int in[2], out[2];
	pid_t pid;
	char c;

	copy_program(path);
	pipe(in);
	pipe(out);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		execl(path, "cat", NULL); /* busybox goes by the name */
		_exit(1);
	}
	write(in[1], "x", 1);
	read(out[0], &c, 1); /* it runs */
	see_writers(path);
	SEE(unlink(path));
	copy_program(path); /* another file */
	close(in[1]);
	waitpid(pid, NULL, 0);
	see_writers(path);
	unlink(path);
}
