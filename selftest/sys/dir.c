/* dir.c - a directory of its own for a test that makes files. */
#include "selftest/sys/dir.h"

#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

#define TEST_USER 1000

static int remove_one(
	const char *name, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(name);
}

void in_fresh_dir(void)
{
	static char dir[] = "/tmp/selftest.XXXXXX";
	int status;
	pid_t pid;

	umask(022);
	if (!mkdtemp(dir) || chmod(dir, 0777) || chdir(dir)) {
		perror(dir);
		_exit(1);
	}
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(15);
		return;
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		_exit(1);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	if (WIFSIGNALED(status))
		kill(getpid(), WTERMSIG(status));
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

void as_user(void)
{
	fflush(stdout);
	if (setgroups(0, NULL) || setgid(TEST_USER) || setuid(TEST_USER)) {
		perror("setuid");
		_exit(1);
	}
}

int must_open(const char *name, int flags, int mode)
{
	int fd = open(name, flags, mode);

	if (fd < 0) {
		perror(name);
		_exit(1);
	}
	return fd;
}

void make_file(const char *name, const char *text)
{
	int fd = must_open(name, O_CREAT | O_TRUNC | O_WRONLY, 0644);

	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

const char *file_text(const char *name)
{
	static char text[4096];
	int fd = open(name, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return strerror(errno);
	n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n < 0 ? 0 : n] = 0;
	return text;
}

int ok_fd(int r)
{
	if (r < 0)
		return -1;
	close(r);
	return 0;
}
