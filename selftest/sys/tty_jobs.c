/* tty_jobs.c - ioctl_tty(2): sessions, foreground and background, hang-ups. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "selftest/test.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif
#ifndef TIOCSIG
#define TIOCSIG 0x40045436
#endif
#define TIOCGPTLCK_ 0x80045439
#define TIOCGEXCL_  0x80045440

static int m, s;
static char buf[256];

static void pair(void)
{
	m = posix_openpt(O_RDWR | O_NOCTTY);
	CHECK(m >= 0 && !grantpt(m) && !unlockpt(m));
	s = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	CHECK(s >= 0);
}

/* A process of its own session, with the slave as its terminal. */
static void session(void)
{
	int status, pid;

	pair();
	pid = fork();
	if (pid) {
		waitpid(pid, &status, 0);
		SEE(WIFSIGNALED(status) ? WTERMSIG(status) : -1);
		_exit(WIFEXITED(status) && WEXITSTATUS(status));
	}
	CHECK(setsid() == getpid());
	SEE(ioctl(s, TIOCSCTTY, 0));
}

/* A child in a group of its own, which is not the foreground. */
static int background(void (*fn)(void))
{
	int go[2], pid;
	char c;

	CHECK(!pipe(go));
	pid = fork();
	if (!pid) {
		close(go[1]);
		(void)!read(go[0], &c, 1);
		fn();
		fflush(stdout);
		_exit(7);
	}
	CHECK(!setpgid(pid, pid));
	close(go[0]);
	close(go[1]);
	return pid;
}

static void see_wait(int pid)
{
	int status = 0;

	CHECK(waitpid(pid, &status, WUNTRACED) == pid);
	SEE(WIFSTOPPED(status) ? WSTOPSIG(status) : 0);
	SEE(WIFEXITED(status) ? WEXITSTATUS(status) : 0);
	SEE(WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static void nothing(int sig)
{
	(void)sig;
}

static void read_it(void)
{
	SEE(read(s, buf, sizeof buf));
}

static void write_it(void)
{
	SEE(write(s, "x", 1));
}

static void take_it(void)
{
	SEE(tcsetpgrp(s, getpgrp()));
}

static void ignoring_read(void)
{
	signal(SIGTTIN, SIG_IGN);
	read_it();
}

static void ignoring_take(void)
{
	signal(SIGTTOU, SIG_IGN);
	take_it();
}

static void blocking_read(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTTIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	read_it();
}

static void tostop(void)
{
	struct termios t;

	CHECK(!tcgetattr(s, &t));
	t.c_lflag |= TOSTOP;
	SEE(tcsetattr(s, TCSANOW, &t));
}

static void run_in_background(void (*fn)(void))
{
	int pid = background(fn);

	see_wait(pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

TEST(tty_jobs, what_stops_a_background_job)
{
	session();
	run_in_background(read_it);
	run_in_background(write_it);
	run_in_background(take_it);
	run_in_background(ignoring_read);
	run_in_background(blocking_read);
	tostop();
	run_in_background(write_it);
}

TEST(tty_jobs, the_foreground_by_force)
{
	session();
	run_in_background(ignoring_take);
	SEE(tcgetpgrp(s) != getpgrp());
	signal(SIGTTOU, SIG_IGN);
	SEE(tcsetpgrp(s, getpgrp()));
}

TEST(tty_jobs, a_job_goes_on_in_the_foreground)
{
	int pid;

	session();
	pid = background(read_it);
	see_wait(pid);
	SEE(tcsetpgrp(s, pid));
	SEE(write(m, "line\n", 5));
	CHECK(kill(pid, SIGCONT) == 0); /* the child shows its read */
	see_wait(pid);
	signal(SIGTTOU, SIG_IGN);
	SEE(tcsetpgrp(s, getpgrp()));
}

static int pgrp_of(int fd)
{
	int id = -1;

	return ioctl(fd, TIOCGPGRP, &id) ? -errno : id;
}

static int sid_of(int fd)
{
	int id = -1;

	return ioctl(fd, TIOCGSID, &id) ? -errno : id;
}

TEST(tty_jobs, who_may_ask)
{
	int id = 0;

	pair();
	SEE(pgrp_of(s));
	SEE(pgrp_of(m));
	SEE(sid_of(s));
	SEE(sid_of(m));
	SEE(ioctl(s, TIOCSPGRP, &id));
	SEE(ioctl(s, TIOCNOTTY, 0));
	if (fork()) {
		wait(NULL);
		return;
	}
	CHECK(setsid() == getpid());
	SEE(ioctl(s, TIOCSCTTY, 0));
	SEE(ioctl(s, TIOCSCTTY, 0));
	CHECK(pgrp_of(s) == getpid() && sid_of(s) == getpid());
	CHECK(pgrp_of(m) == getpid() && sid_of(m) == getpid());
	id = -1;
	SEE(ioctl(s, TIOCSPGRP, &id));
	id = 123456789;
	SEE(ioctl(s, TIOCSPGRP, &id));
	SEE(ioctl(s, TIOCSPGRP, bad_addr));
	id = getppid();
	SEE(ioctl(s, TIOCSPGRP, &id));
	fflush(stdout);
	if (!fork()) {
		setsid();
		SEE(ioctl(s, TIOCSCTTY, 0) && errno == EPERM);
		SEE(open("/dev/tty", O_RDWR));
		SEE(pgrp_of(s));
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
	fflush(stdout);
	_exit(0);
}

TEST(tty_jobs, giving_it_up)
{
	int fd;

	session();
	signal(SIGHUP, nothing);
	signal(SIGCONT, nothing);
	fd = open("/dev/tty", O_RDWR);
	SEE(fd >= 0);
	SEE(ioctl(fd, TIOCNOTTY, 0));
	SEE(open("/dev/tty", O_RDWR));
	SEE(pgrp_of(s));
	SEE(write(s, "still\n", 6));
	SEE(ioctl(s, TIOCSCTTY, 0));
	SEE(pgrp_of(s) == getpid());
}

/* A process that does not lead gives it up for itself and for its children. */
TEST(tty_jobs, giving_it_up_alone)
{
	int status;

	session();
	fflush(stdout);
	if (fork() == 0) {
		SEE(ioctl(s, TIOCNOTTY, 0));
		SEE(ioctl(s, TIOCNOTTY, 0));
		SEE(open("/dev/tty", O_RDWR));
		SEE(pgrp_of(s));
		SEE(ioctl(s, TIOCSCTTY, 0));
		fflush(stdout);
		if (fork() == 0) {
			SEE(open("/dev/tty", O_RDWR));
			SEE(setsid() == getpid());
			SEE(open("/dev/tty", O_RDWR));
			fflush(stdout);
			_exit(0);
		}
		wait(&status);
		_exit(0);
	}
	wait(&status);
	SEE(status);
	SEE(open("/dev/tty", O_RDWR) >= 0);
	SEE(pgrp_of(s) == getpid());
}

TEST(tty_jobs, opening_makes_it_mine)
{
	char name[64];
	int fd;

	pair();
	CHECK(!ptsname_r(m, name, sizeof name));
	if (fork()) {
		wait(NULL);
		return;
	}
	setsid();
	fd = open(name, O_RDWR | O_NOCTTY);
	SEE(pgrp_of(fd));
	fd = open(name, O_WRONLY);
	SEE(pgrp_of(fd));
	fd = open(name, O_RDONLY);
	SEE(pgrp_of(fd) == getpid());
	fflush(stdout);
	_exit(0);
}

static void see_signals(const char *keys)
{
	int status, pid = fork();

	if (!pid) {
		pause();
		_exit(0);
	}
	setpgid(pid, pid);
	tcsetpgrp(s, pid);
	CHECK(write(m, keys, strlen(keys)) > 0);
	CHECK(waitpid(pid, &status, WUNTRACED) == pid);
	SEE(WIFSTOPPED(status) ? WSTOPSIG(status) : -1);
	SEE(WIFSIGNALED(status) ? WTERMSIG(status) : -1);
	kill(pid, SIGKILL);
	if (WIFSTOPPED(status))
		waitpid(pid, &status, 0);
}

TEST(tty_jobs, keys_that_signal)
{
	struct termios t;

	session();
	signal(SIGTTOU, SIG_IGN);
	see_signals("\003");
	see_signals("\034");
	see_signals("\032");
	SEE(tcgetattr(s, &t));
	t.c_cc[VINTR] = 'q';
	t.c_cc[VQUIT] = 0;
	SEE(tcsetattr(s, TCSANOW, &t));
	see_signals("\003\034q");
	SEE(ioctl(m, TIOCSIG, SIGKILL));
	SEE(ioctl(m, TIOCSIG, SIGINT));
	SEE(ioctl(s, TIOCSIG, SIGINT));
}

TEST(tty_jobs, input_is_lost_with_a_signal)
{
	struct termios t;

	session();
	signal(SIGINT, nothing);
	fcntl(s, F_SETFL, O_NONBLOCK);
	SEE(write(m, "line\npart\003rest\n", 16));
	usleep(100000);
	SEE(read(s, buf, sizeof buf));
	SEE(read(s, buf, sizeof buf));
	CHECK(!tcgetattr(s, &t));
	t.c_lflag |= NOFLSH;
	SEE(tcsetattr(s, TCSANOW, &t));
	SEE(write(m, "line\npart\003rest\n", 16));
	usleep(100000);
	SEE(read(s, buf, sizeof buf));
	SEE(read(s, buf, sizeof buf));
	SEE(read(s, buf, sizeof buf));
}

/* Exits at once, as a leader: the foreground group hears of it. */
TEST(tty_jobs, the_leader_exits)
{
	int status, pid, p[2];
	char c = 0;

	pair();
	CHECK(!pipe(p));
	pid = fork();
	if (!pid) {
		setsid();
		ioctl(s, TIOCSCTTY, 0);
		if (!fork()) {
			sigset_t set;
			int sig = 0;

			sigemptyset(&set);
			sigaddset(&set, SIGHUP);
			sigprocmask(SIG_BLOCK, &set, NULL);
			(void)!write(p[1], "r", 1);
			sigwait(&set, &sig);
			c = (char)sig;
			(void)!write(p[1], &c, 1);
			c = (char)(write(s, "still here\n", 11) + 64);
			(void)!write(p[1], &c, 1);
			_exit(0);
		}
		(void)!read(p[0], &c, 1);
		_exit(3);
	}
	waitpid(pid, &status, 0);
	SEE(WEXITSTATUS(status));
	close(p[1]);
	SEE(read(p[0], &c, 1));
	SEE(c);
	SEE(read(p[0], &c, 1));
	SEE(c);
	SEE(sid_of(s));
	SEE(read(m, buf, sizeof buf));
}

TEST(tty_jobs, the_master_closes)
{
	struct pollfd p;
	struct termios t;
	int status, pid, go[2];
	sigset_t set;
	char c;

	pair();
	CHECK(!pipe(go));
	pid = fork();
	if (!pid) {
		setsid();
		ioctl(s, TIOCSCTTY, 0);
		close(m);
		sigemptyset(&set);
		sigaddset(&set, SIGHUP);
		sigaddset(&set, SIGCONT);
		sigprocmask(SIG_BLOCK, &set, NULL);
		(void)!write(go[1], "r", 1);
		SEE(read(s, &c, 1));
		p = (struct pollfd){ .fd = s, .events = POLLIN | POLLOUT };
		SEE(poll(&p, 1, 0));
		SEE(p.revents);
		SEE(read(s, &c, 1));
		SEE(write(s, &c, 1));
		SEE(tcgetattr(s, &t));
		SEE(tcsetpgrp(s, getpid()));
		SEE(open("/dev/tty", O_RDWR));
		sigpending(&set);
		SEE(sigismember(&set, SIGHUP));
		SEE(sigismember(&set, SIGCONT));
		fflush(stdout);
		_exit(0);
	}
	close(s);
	(void)!read(go[0], &c, 1);
	usleep(100000);
	close(m);
	waitpid(pid, &status, 0);
	SEE(WEXITSTATUS(status));
}

TEST(tty_jobs, orphans)
{
	int over[2], pid;
	char c;

	session();
	CHECK(!pipe(over));
	pid = fork();
	if (!pid) {
		int parent = getpid(), inner = fork();

		if (!inner) {
			while (getppid() == parent)
				usleep(1000);
			SEE(read(s, buf, 1));
			SEE(tcsetpgrp(s, getpgrp()));
			fflush(stdout);
			_exit(0);
		}
		setpgid(inner, inner);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	close(over[1]);
	CHECK(read(over[0], &c, 1) == 0); /* the orphan is done */
}

TEST(tty_jobs, locks_and_names)
{
	struct stat st, root;
	char name[64];
	int lock = 1, fd, n = -1;

	pair();
	CHECK(!ptsname_r(m, name, sizeof name));
	SEE(stat(name, &st));
	SEE(S_ISCHR(st.st_mode));
	SEE(st.st_mode & 0777);
	SEE(major(st.st_rdev));
	CHECK(!ioctl(m, TIOCGPTN, &n) && (int)minor(st.st_rdev) == n);
	SEE(stat("/dev/pts", &root));
	SEE(root.st_ino);
	SEE((int)st.st_ino - n);
	SEE(ioctl(m, TIOCSPTLCK, &lock));
	SEE(open(name, O_RDWR | O_NOCTTY));
	lock = 0;
	SEE(ioctl(m, TIOCGPTLCK_, &lock));
	SEE(lock);
	lock = 0;
	SEE(ioctl(m, TIOCSPTLCK, &lock));
	SEE(ioctl(s, TIOCGPTN, &n));
	SEE(ioctl(s, TIOCGEXCL_, &n));
	SEE(n);
	SEE(ioctl(s, TIOCEXCL));
	SEE(ioctl(s, TIOCGEXCL_, &n));
	SEE(n);
	if (!fork()) {
		(void)!setuid(65534);
		fd = open(name, O_RDWR | O_NOCTTY);
		CHECK(fd < 0 && (errno == EACCES || errno == EBUSY));
		_exit(0);
	}
	wait(NULL);
	SEE(ioctl(s, TIOCNXCL));
	close(s);
	close(m);
	SEE(stat(name, &st));
	SEE(open(name, O_RDWR | O_NOCTTY));
}

TEST(tty_jobs, what_is_refused)
{
	int n = 0;
	char c = 'x';

	pair();
	n = 1;
	SEE(ioctl(s, TIOCSETD, &n) != 0);
	SEE(ioctl(s, TIOCGETD, &n));
	SEE(n);
	SEE(ioctl(s, 0x54ff, &n));
	SEE(lseek(s, 0, SEEK_SET));
	SEE(pread(s, &c, 1, 0));
	SEE(lseek(m, 0, SEEK_SET));
	SEE(ioctl(m, TIOCSPTLCK, bad_addr));
	SEE(ioctl(s, TCSETS, bad_addr));
	SEE(ioctl(s, TIOCSWINSZ, bad_addr));
	SEE(tcsetattr(0, 99, NULL));
}

TEST(tty_jobs, size)
{
	struct winsize w = { 24, 80, 1, 2 };
	sigset_t set;
	siginfo_t si;

	session();
	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	SEE(ioctl(m, TIOCSWINSZ, &w));
	SEE(sigtimedwait(&set, &si, &(struct timespec){ 1, 0 }));
	SEE(ioctl(s, TIOCSWINSZ, &w));
	SEE(sigtimedwait(&set, &si, &(struct timespec){ 0, 50000000 }));
	memset(&w, 0, sizeof w);
	SEE(ioctl(s, TIOCGWINSZ, &w));
	SEE(w.ws_row * 1000 + w.ws_col);
	SEE(w.ws_xpixel * 1000 + w.ws_ypixel);
}
