/* pty.c - pty(7), termios(3), ioctl_tty(2). */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "selftest/test.h"

static int m, s;
static char out[4096];

static void pair(void)
{
	char name[64];
	int n = -1, unlock = 0;

	m = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
	SEE(m >= 0);
	SEE(ioctl(m, TIOCGPTN, &n));
	SEE(ioctl(m, TIOCSPTLCK, &unlock));
	snprintf(name, sizeof name, "/dev/pts/%d", n);
	s = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
	SEE(s >= 0);
}

/* Bytes pass through a kernel thread on Linux: wait for them. */
static long get(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	long n, len = 0;

	memset(out, 0, sizeof out);
	while (poll(&p, 1, len ? 30 : 200) == 1 && p.revents & POLLIN) {
		n = read(fd, out + len, sizeof out - 1 - (size_t)len);
		if (n <= 0)
			return len ? len : n;
		len += n;
	}
	return len;
}

static long put(int fd, const char *text)
{
	long n = write(fd, text, strlen(text));

	usleep(20000);
	return n;
}

static void mode(void (*change)(struct termios *))
{
	struct termios t;

	SEE(tcgetattr(s, &t));
	change(&t);
	SEE(tcsetattr(s, TCSANOW, &t));
}

static void show(const char *what)
{
	char quoted[4096];
	size_t n = 0;

	for (const char *p = what; *p && n < sizeof quoted - 8; p++)
		n += (size_t)(*p < 32 ? sprintf(quoted + n, "\\%03o", *p)
				      : sprintf(quoted + n, "%c", *p));
	quoted[n] = 0;
	SEE_STR(quoted);
}

TEST(pty, settings_at_first)
{
	struct termios t;
	struct winsize w;

	pair();
	SEE(tcgetattr(s, &t));
	SEE(t.c_iflag);
	SEE(t.c_oflag);
	SEE(t.c_cflag);
	SEE(t.c_lflag);
	for (int i = 0; i < 17; i++)
		SEE(t.c_cc[i]);
	SEE(ioctl(s, TIOCGWINSZ, &w));
	SEE(w.ws_row + w.ws_col);
	SEE(isatty(m));
	SEE(isatty(s));
}

TEST(pty, a_line_with_echo)
{
	pair();
	SEE(put(m, "hello\r"));
	SEE(get(m));
	show(out);
	SEE(get(s));
	show(out);
	SEE(put(m, "no end"));
	SEE(read(s, out, 10));
	SEE(put(m, "\n"));
	SEE(read(s, out, 3));
	SEE(get(s));
	show(out);
}

TEST(pty, erasing)
{
	pair();
	SEE(put(m, "abx\177c\001\177d\n"));
	SEE(get(m));
	show(out);
	SEE(get(s));
	show(out);
	SEE(put(m, "one two  \027three\n"));
	SEE(get(m));
	show(out);
	SEE(get(s));
	show(out);
	SEE(put(m, "all gone\025x\ty\177\177\177z\n"));
	SEE(get(m));
	show(out);
	SEE(get(s));
	show(out);
}

TEST(pty, end_of_file_and_literal_next)
{
	pair();
	SEE(put(m, "\004"));
	SEE(read(s, out, 10));
	SEE(put(m, "ab\004"));
	SEE(get(s));
	show(out);
	SEE(put(m, "a\026\004b\026\003\n"));
	SEE(get(m));
	show(out);
	SEE(get(s));
	show(out);
	SEE(put(m, "redo\022\n"));
	SEE(get(m));
	show(out);
}

static void no_canon(struct termios *t)
{
	t->c_lflag &= ~(unsigned)(ICANON | ECHO);
	t->c_cc[VMIN] = 3;
	t->c_cc[VTIME] = 0;
}

static void min_zero(struct termios *t)
{
	t->c_cc[VMIN] = 0;
}

static void timed(struct termios *t)
{
	t->c_cc[VMIN] = 0;
	t->c_cc[VTIME] = 1;
}

TEST(pty, without_lines)
{
	struct pollfd p = { .events = POLLIN };

	pair();
	mode(no_canon);
	p.fd = s;
	SEE(put(m, "ab"));
	SEE(poll(&p, 1, 0));
	SEE(put(m, "c"));
	SEE(poll(&p, 1, 0));
	SEE(read(s, out, 100));
	mode(min_zero);
	SEE(read(s, out, 100));
	SEE(fcntl(s, F_SETFL, 0));
	SEE(read(s, out, 100));
	mode(timed);
	SEE(read(s, out, 100));
	SEE(put(m, "\rx\n"));
	SEE(get(s));
	show(out);
}

TEST(pty, output)
{
	pair();
	SEE(put(s, "a\nb\tc\r\n"));
	SEE(get(m));
	show(out);
	SEE(put(m, "\023"));
	SEE(put(s, "stopped"));
	SEE(get(m));
	SEE(put(m, "\021"));
	SEE(put(s, "go"));
	SEE(get(m));
	show(out);
}

static void tabs(struct termios *t)
{
	t->c_oflag |= TAB3 | OCRNL;
	t->c_iflag |= INLCR | IGNCR;
	t->c_lflag &= ~(unsigned)ICANON;
}

TEST(pty, translations)
{
	pair();
	mode(tabs);
	SEE(put(s, "ab\tc\rd"));
	SEE(get(m));
	show(out);
	SEE(put(m, "x\ry\n"));
	SEE(get(s));
	show(out);
}

TEST(pty, window_size)
{
	struct winsize w = { 24, 80, 1, 2 }, r = { 0 };

	pair();
	SEE(ioctl(m, TIOCSWINSZ, &w));
	SEE(ioctl(s, TIOCGWINSZ, &r));
	SEE(r.ws_row * 1000 + r.ws_col);
	SEE(ioctl(s, TIOCGPGRP, &r));
	SEE(ioctl(s, TIOCGSID, &r));
	SEE(ioctl(s, 0x5499, &r));
}

TEST(pty, closing_the_slave)
{
	pair();
	SEE(put(s, "last"));
	SEE(close(s));
	SEE(get(m));
	show(out);
	SEE(read(m, out, 10));
	struct pollfd p = { .fd = m, .events = POLLIN | POLLOUT };
	SEE(poll(&p, 1, 0));
	SEE(p.revents & POLLHUP);
}

TEST(pty, closing_the_master)
{
	struct pollfd p = { .events = POLLIN | POLLOUT };

	pair();
	SEE(close(m));
	p.fd = s;
	SEE(poll(&p, 1, 0));
	SEE(p.revents);
	SEE(read(s, out, 10));
	SEE(write(s, "x", 1));
	SEE(ioctl(s, TCGETS, out));
}

TEST(pty, packet_mode)
{
	int on = 1;

	pair();
	SEE(ioctl(m, TIOCPKT, &on));
	SEE(put(s, "data"));
	SEE(get(m));
	SEE(out[0]);
	show(out + 1);
	SEE(tcflush(s, TCIFLUSH));
	SEE(read(m, out, 10));
	SEE(out[0]);
	SEE(tcflow(s, TCOOFF));
	SEE(read(m, out, 10));
	SEE(out[0]);
	SEE(read(m, out, 10));
}

TEST(pty, counts)
{
	int n = -1;

	pair();
	SEE(put(m, "abc\nd"));
	SEE(ioctl(s, FIONREAD, &n));
	SEE(n);
	SEE(tcflush(s, TCIOFLUSH));
	SEE(ioctl(s, FIONREAD, &n));
	SEE(n);
	SEE(put(s, "12345"));
	SEE(ioctl(m, FIONREAD, &n));
	SEE(n);
}

static volatile sig_atomic_t got;

static void on_signal(int sig)
{
	got = sig;
}

/* A new session with the slave as its terminal; runs @fn there. */
static int in_session(int (*fn)(void))
{
	int status, pid = fork();

	if (!pid) {
		setsid();
		if (ioctl(s, TIOCSCTTY, 0))
			_exit(99);
		_exit(fn());
	}
	waitpid(pid, &status, 0);
	return status;
}

static int wait_signal(int sig)
{
	signal(sig, on_signal);
	(void)!write(s, "ready", 5);
	for (int i = 0; i < 100 && !got; i++)
		usleep(20000);
	return got;
}

static int type_interrupt(void)
{
	(void)!write(m, "\003", 1);
	return wait_signal(SIGINT);
}

static int resize(void)
{
	struct winsize w = { 10, 20, 0, 0 };

	signal(SIGWINCH, on_signal);
	ioctl(m, TIOCSWINSZ, &w);
	return wait_signal(SIGWINCH);
}

static int own_group(void)
{
	int g = -1, sid = -1;

	ioctl(s, TIOCGPGRP, &g);
	ioctl(s, TIOCGSID, &sid);
	return (g == getpgrp()) + 2 * (sid == getpid()) +
	       4 * (open("/dev/tty", O_RDWR) >= 0);
}

TEST(pty, signals_to_the_foreground)
{
	signal(SIGINT, on_signal);
	pair();
	SEE(WEXITSTATUS(in_session(type_interrupt)));
	pair();
	SEE(WEXITSTATUS(in_session(resize)));
	pair();
	SEE(WEXITSTATUS(in_session(own_group)));
}

static int background(void)
{
	int status, pid = fork();

	if (!pid) {
		setpgid(0, 0);
		char c;
		_exit(read(s, &c, 1) == 1);
	}
	waitpid(pid, &status, WUNTRACED);
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTTIN)
		return 1;
	tcsetpgrp(s, pid);
	(void)!write(m, "k\n", 2);
	kill(pid, SIGCONT);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? 10 + WEXITSTATUS(status) : 2;
}

static int background_change(void)
{
	struct termios t;
	int status, pid = fork();

	if (!pid) {
		setpgid(0, 0);
		tcgetattr(s, &t);
		tcsetattr(s, TCSANOW, &t);
		_exit(0);
	}
	waitpid(pid, &status, WUNTRACED);
	kill(pid, SIGKILL);
	return WIFSTOPPED(status) ? WSTOPSIG(status) : 1;
}

static int orphan(void)
{
	setpgid(0, 0);
	signal(SIGTTIN, SIG_IGN);
	int status, pid = fork();

	if (!pid) {
		char c;

		setpgid(0, 0);
		_exit(read(s, &c, 1) < 0 ? errno : 0);
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

TEST(pty, job_control)
{
	pair();
	fcntl(s, F_SETFL, 0);
	SEE(WEXITSTATUS(in_session(background)));
	pair();
	SEE(WEXITSTATUS(in_session(background_change)));
	pair();
	SEE(WEXITSTATUS(in_session(orphan)));
}

static int hangup(void)
{
	signal(SIGHUP, on_signal);
	close(m);
	for (int i = 0; i < 100 && !got; i++)
		usleep(20000);
	return got;
}

TEST(pty, hangup_of_the_leader)
{
	pair();
	int fd = m;
	if (!fork()) {
		setsid();
		ioctl(s, TIOCSCTTY, 0);
		_exit(hangup());
	}
	close(fd);
	int status;
	SEE(wait(&status) > 0);
	SEE(WEXITSTATUS(status));
}

TEST(pty, no_terminal)
{
	setsid();
	SEE(open("/dev/tty", O_RDWR));
	SEE(ioctl(0, TIOCGPGRP, out) == 0 || errno == ENOTTY);
}
