/* lease.c - fcntl(2): leases, and signals about directories (dnotify). */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/sys/dir.h"
#include "selftest/test.h"

#define F_CREATED 1028 /* F_CREATED_QUERY */

static volatile int got, from_fd, code;

static void on_io(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	got++;
	from_fd = si->si_fd;
	code = si->si_code;
}

static void catch_io(void)
{
	struct sigaction sa = { .sa_sigaction = on_io, .sa_flags = SA_SIGINFO };

	sigaction(SIGIO, &sa, NULL);
	sigaction(SIGRTMIN, &sa, NULL);
}

TEST(lease, who_may_have_one)
{
	int r, w, d;

	in_fresh_dir();
	make_file("f", "x");
	r = must_open("f", O_RDONLY, 0);
	SEE(fcntl(r, F_GETLEASE));
	SEE(fcntl(r, F_SETLEASE, F_UNLCK));
	SEE(fcntl(r, F_SETLEASE, 7));
	SEE(fcntl(r, F_SETLEASE, F_RDLCK));
	SEE(fcntl(r, F_GETLEASE));
	SEE(fcntl(r, F_SETLEASE, F_WRLCK));
	SEE(fcntl(r, F_GETLEASE));
	SEE(fcntl(r, F_SETLEASE, F_RDLCK));
	SEE(open("f", O_WRONLY | O_NONBLOCK));
	SEE(fcntl(r, F_GETLEASE));
	SEE(fcntl(r, F_SETLEASE, F_UNLCK));
	SEE(fcntl(r, F_GETLEASE));
	w = must_open("f", O_RDWR, 0);
	SEE(fcntl(r, F_SETLEASE, F_RDLCK));
	SEE(fcntl(w, F_SETLEASE, F_RDLCK));
	SEE(fcntl(w, F_SETLEASE, F_WRLCK));
	close(r);
	SEE(fcntl(w, F_SETLEASE, F_WRLCK));
	SEE(open("f", O_RDONLY | O_NONBLOCK));
	SEE(fcntl(w, F_GETLEASE));
	close(w);
	SEE(ok_fd(open("f", O_RDONLY | O_NONBLOCK)));
	d = must_open(".", O_RDONLY, 0);
	SEE(fcntl(d, F_SETLEASE, F_WRLCK));
	as_user();
	r = must_open("f", O_RDONLY, 0);
	SEE(fcntl(r, F_SETLEASE, F_RDLCK));
}

TEST(lease, the_breaker_waits_for_the_holder)
{
	int r, st;
	pid_t pid;

	in_fresh_dir();
	make_file("f", "x");
	catch_io();
	r = must_open("f", O_RDONLY, 0);
	SEE(fcntl(r, F_SETSIG, SIGRTMIN));
	SEE(fcntl(r, F_SETLEASE, F_WRLCK));
	pid = fork();
	if (!pid) {
		close(r); /* the lease stays: it is the open file's */
		_exit(open("f", O_WRONLY) < 0);
	}
	while (!got)
		pause();
	SEE(from_fd - r);
	SEE(code);
	SEE(fcntl(r, F_GETLEASE));
	SEE(waitpid(pid, &st, WNOHANG));
	SEE(fcntl(r, F_SETLEASE, F_RDLCK));
	SEE(fcntl(r, F_SETLEASE, F_UNLCK));
	CHECK(waitpid(pid, &st, 0) == pid);
	SEE(st);
	SEE(got);
}

TEST(lease, a_reader_makes_it_weaker)
{
	int r, st;
	pid_t pid;

	in_fresh_dir();
	make_file("f", "x");
	catch_io();
	r = must_open("f", O_RDONLY, 0);
	SEE(fcntl(r, F_SETLEASE, F_WRLCK));
	pid = fork();
	if (!pid) {
		close(r);
		_exit(open("f", O_RDONLY) < 0);
	}
	while (!got)
		pause();
	SEE(fcntl(r, F_GETLEASE));
	SEE(fcntl(r, F_SETLEASE, F_RDLCK));
	CHECK(waitpid(pid, &st, 0) == pid);
	SEE(st);
	SEE(fcntl(r, F_GETLEASE));
	SEE(truncate("none", 0));
	SEE(got);
}

static int told(void)
{
	int n = got;

	got = 0;
	return n;
}

TEST(dnotify, what_is_told)
{
	int d;

	in_fresh_dir();
	SEE(mkdir("d", 0755));
	make_file("f", "x");
	catch_io();
	SEE(fcntl(must_open("f", O_RDONLY, 0), F_NOTIFY, DN_ACCESS));
	d = must_open("d", O_RDONLY, 0);
	SEE(fcntl(d, F_SETSIG, SIGRTMIN));
	SEE(fcntl(d, F_NOTIFY, DN_CREATE | DN_RENAME | DN_MULTISHOT));
	make_file("d/a", "");
	SEE(told());
	SEE(from_fd - d);
	SEE(code);
	SEE(rename("d/a", "d/b"));
	SEE(told());
	SEE(rename("f", "d/f"));
	SEE(told());
	SEE(rename("d/f", "f"));
	SEE(told());
	SEE(unlink("d/b"));
	SEE(told());
	SEE(fcntl(d, F_NOTIFY, DN_DELETE | DN_ATTRIB | DN_MODIFY));
	make_file("d/c", "text");
	told();
	SEE(chmod("d/c", 0600));
	SEE(told());
	SEE(chmod("d", 0700));
	SEE(told());
	SEE(unlink("d/c"));
	SEE(told());
	SEE(fcntl(d, F_NOTIFY, 0));
	make_file("d/e", "");
	SEE(told());
}

TEST(dnotify, once)
{
	int d;

	in_fresh_dir();
	SEE(mkdir("d", 0755));
	catch_io();
	d = must_open("d", O_RDONLY, 0);
	SEE(fcntl(d, F_NOTIFY, DN_CREATE));
	make_file("d/a", "");
	SEE(told());
	make_file("d/b", "");
	SEE(told());
	SEE(fcntl(d, F_NOTIFY, DN_CREATE));
	close(d);
	make_file("d/c", "");
	SEE(told());
}

TEST(fcntl, was_it_created)
{
	int fd;

	in_fresh_dir();
	fd = must_open("f", O_CREAT | O_RDWR, 0600);
	SEE(fcntl(fd, F_CREATED));
	SEE(fcntl(must_open("f", O_CREAT | O_RDWR, 0600), F_CREATED));
	SEE(fcntl(dup(fd), F_CREATED));
}
