/* termios.c - termios(3): what each flag and special character does. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "selftest/test.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif
#ifndef EXTPROC
#define EXTPROC 0200000
#endif

static int m, s;
static char out[16384];

static void pair(void)
{
	m = posix_openpt(O_RDWR | O_NOCTTY);
	CHECK(m >= 0 && !grantpt(m) && !unlockpt(m));
	s = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK);
	CHECK(s >= 0);
	CHECK(!fcntl(m, F_SETFL, O_NONBLOCK));
}

/* All that comes within a while, as C text. */
static const char *text(int fd)
{
	static char quoted[sizeof out * 4 + 1];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	long n, len = 0, k = 0;

	while (poll(&p, 1, len ? 40 : 300) == 1 && p.revents & POLLIN) {
		n = read(fd, out + len, sizeof out - 1 - (size_t)len);
		if (n <= 0)
			break;
		len += n;
	}
	for (long i = 0; i < len; i++) {
		unsigned char c = (unsigned char)out[i];

		k += sprintf(
			quoted + k, c < 32 || c > 126 ? "\\%03o" : "%c", c);
	}
	quoted[k] = 0;
	return quoted;
}

static void type(const char *keys)
{
	CHECK(write(m, keys, strlen(keys)) == (long)strlen(keys));
}

/* What the terminal shows and the program gets for @keys. */
static void session(const char *keys)
{
	type(keys);
	SEE_STR(text(m));
	SEE_STR(text(s));
}

static void lflags(tcflag_t on, tcflag_t off)
{
	struct termios t;

	CHECK(!tcgetattr(s, &t));
	t.c_lflag = (t.c_lflag | on) & ~off;
	SEE(tcsetattr(s, TCSANOW, &t));
}

static void iflags(tcflag_t on, tcflag_t off)
{
	struct termios t;

	CHECK(!tcgetattr(s, &t));
	t.c_iflag = (t.c_iflag | on) & ~off;
	SEE(tcsetattr(s, TCSANOW, &t));
}

static void oflags(tcflag_t on, tcflag_t off)
{
	struct termios t;

	CHECK(!tcgetattr(s, &t));
	t.c_oflag = (t.c_oflag | on) & ~off;
	SEE(tcsetattr(s, TCSANOW, &t));
}

static void raw(int min, int time)
{
	struct termios t;

	CHECK(!tcgetattr(s, &t));
	cfmakeraw(&t);
	t.c_cc[VMIN] = (cc_t)min;
	t.c_cc[VTIME] = (cc_t)time;
	SEE(tcsetattr(s, TCSANOW, &t));
}

TEST(termios, ways_of_showing_erasure)
{
	pair();
	lflags(0, ECHOE);
	session("abc\177\177d\n");
	lflags(ECHOE | ECHOPRT, 0);
	session("abc\177\177d\n");
	lflags(0, ECHOPRT | ECHOCTL);
	session("a\001\177b\n");
	lflags(0, ECHO);
	session("ab\177c\n");
	lflags(ECHONL, 0);
	session("x\n");
}

TEST(termios, killing_a_line)
{
	pair();
	session("one\025two\n");
	lflags(0, ECHOKE);
	session("one\025two\n");
	lflags(0, ECHOK);
	session("one\025two\n");
	lflags(0, ECHO);
	session("one\025two\n");
}

TEST(termios, tabs_are_erased_whole)
{
	pair();
	session("\ta\tb\177\177\177c\n");
	CHECK(write(s, "12345", 5) == 5);
	session("\t\177x\n");
	oflags(XTABS, 0);
	session("ab\tc\177\177d\n");
}

TEST(termios, words_and_reprint)
{
	pair();
	session("foo_1 bar-baz\027\027!\n");
	session("ab\001c\022d\n");
	session("  \027\027x\n");
}

TEST(termios, utf8)
{
	pair();
	iflags(IUTF8, 0);
	session("a\303\244\342\202\254\177\177b\n");
	iflags(0, IUTF8);
	session("\303\244\177b\n");
}

TEST(termios, literal_next)
{
	pair();
	session("a\026\177b\026\026c\026\nd\n");
	lflags(0, ECHOCTL);
	session("a\026\003b\n");
	lflags(0, IEXTEN);
	session("a\026b\027c\n");
}

TEST(termios, further_ends_of_line)
{
	struct termios t;

	pair();
	CHECK(!tcgetattr(s, &t));
	t.c_cc[VEOL] = ';';
	t.c_cc[VEOL2] = '.';
	SEE(tcsetattr(s, TCSANOW, &t));
	type("ab;cd.ef");
	SEE_STR(text(m));
	SEE(read(s, out, 100));
	SEE(read(s, out, 100));
	SEE(read(s, out, 100));
	type("\004");
	SEE_STR(text(m));
	SEE(read(s, out, 2));
	SEE(read(s, out, 2));
}

TEST(termios, input_translations)
{
	pair();
	iflags(INLCR, ICRNL);
	session("a\nb\rc\004");
	iflags(IGNCR, INLCR);
	session("a\rb\n");
	iflags(IUCLC, IGNCR);
	session("ABc\n");
	iflags(ISTRIP, IUCLC);
	session("\341b\n");
	iflags(PARMRK, ISTRIP);
	session("a\377b\n");
}

TEST(termios, output_translations)
{
	pair();
	oflags(OCRNL, ONLCR);
	CHECK(write(s, "a\rb\nc", 5) == 5);
	SEE_STR(text(m));
	oflags(ONOCR, OCRNL);
	CHECK(write(s, "\r\rx\ry\r", 7) == 7);
	SEE_STR(text(m));
	oflags(OLCUC | XTABS, ONOCR);
	CHECK(write(s, "ab\tc\b\b\t.", 9) == 9);
	SEE_STR(text(m));
	oflags(0, OPOST);
	CHECK(write(s, "ab\tc\n", 5) == 5);
	SEE_STR(text(m));
}

TEST(termios, stop_and_start)
{
	struct pollfd p = { .events = POLLOUT };

	pair();
	p.fd = s;
	type("\023");
	usleep(50000);
	SEE(write(s, "lost?", 5));
	SEE(poll(&p, 1, 0));
	type("ab");
	SEE_STR(text(m));
	type("\021");
	SEE_STR(text(m));
	SEE(write(s, "now", 3));
	SEE_STR(text(m));
	iflags(IXANY, 0);
	type("\023");
	usleep(50000);
	SEE(write(s, "lost?", 5));
	type("x");
	SEE_STR(text(m));
	SEE(tcflow(s, TCOOFF));
	SEE(write(s, "lost?", 5));
	type("\021y");
	SEE_STR(text(m));
	SEE(tcflow(s, TCOON));
	SEE_STR(text(m));
	SEE(tcflow(s, TCIOFF));
	SEE(tcflow(s, TCION));
	SEE_STR(text(m));
	iflags(0, IXON);
	session("\023\021\n");
}

TEST(termios, a_line_that_is_too_long)
{
	long n;

	pair();
	lflags(0, ECHO);
	memset(out, 'x', 5000);
	n = write(m, out, 5000);
	SEE(n);
	usleep(100000);
	SEE(read(s, out, sizeof out));
	type("y\n");
	usleep(50000);
	n = read(s, out, sizeof out);
	SEE(n);
	SEE(n > 2 ? out[n - 2] : 0);
	SEE(n > 1 ? out[n - 1] : 0);
	type("next\n");
	SEE_STR(text(s));
}

TEST(termios, much_without_lines)
{
	char buf[6000];

	pair();
	raw(1, 0);
	memset(out, 'x', 6000);
	SEE(write(m, out, 6000));
	usleep(100000);
	SEE(strlen(text(s)));
	memset(buf, '\n', sizeof buf);
	SEE(write(m, buf, sizeof buf));
	SEE(strlen(text(s)));
}

TEST(termios, in_and_out_of_line_mode)
{
	pair();
	type("one\ntwo");
	usleep(50000);
	lflags(0, ICANON);
	SEE_STR(text(s));
	type("three");
	usleep(50000);
	lflags(ICANON, 0);
	SEE(read(s, out, 3));
	SEE(read(s, out, 100));
	SEE(read(s, out, 100));
	type("\004");
	usleep(50000);
	lflags(0, ICANON);
	SEE_STR(text(s));
	lflags(ICANON, 0);
	type("gone");
	usleep(50000);
	SEE(tcsetattr(s, TCSAFLUSH, &(struct termios){ .c_lflag = ICANON }));
	SEE_STR(text(s));
}

static long ms_since(const struct timespec *a)
{
	struct timespec b;

	clock_gettime(CLOCK_MONOTONIC, &b);
	return (b.tv_sec - a->tv_sec) * 1000 +
	       (b.tv_nsec - a->tv_nsec) / 1000000;
}

/* A read that blocks for @ms at least: how much longer is the machine's affair.
 */
static void timed_read(size_t n, long ms)
{
	struct timespec a;

	clock_gettime(CLOCK_MONOTONIC, &a);
	SEE(read(s, out, n));
	SEE(ms_since(&a) >= ms);
}

static void type_later(int ms, const char *keys)
{
	if (fork())
		return;
	usleep((useconds_t)ms * 1000);
	type(keys);
	_exit(0);
}

TEST(termios, vmin_and_vtime)
{
	pair();
	fcntl(s, F_SETFL, 0);
	raw(0, 0);
	timed_read(10, 0);
	raw(0, 3);
	timed_read(10, 280);
	raw(0, 100);
	type_later(110, "ab");
	timed_read(10, 90);
	raw(3, 0);
	type_later(110, "abcd");
	timed_read(10, 90);
	type("xy");
	timed_read(2, 0);
	raw(3, 2);
	type_later(110, "ab");
	timed_read(10, 270);
	type("a");
	usleep(50000);
	timed_read(10, 180);
	fcntl(s, F_SETFL, O_NONBLOCK);
	raw(3, 2);
	timed_read(10, 0);
	type("a");
	usleep(50000);
	timed_read(10, 0);
	raw(0, 5);
	timed_read(10, 0);
}

TEST(termios, ready_at_vmin)
{
	struct pollfd p = { .events = POLLIN };

	pair();
	p.fd = s;
	raw(3, 0);
	type("ab");
	SEE(poll(&p, 1, 50));
	type("c");
	SEE(poll(&p, 1, 1000));
	raw(5, 1);
	SEE(poll(&p, 1, 50));
	lflags(ICANON, 0);
	SEE(poll(&p, 1, 50));
}

static void nothing(int sig)
{
	(void)sig;
}

TEST(termios, interrupted_reads)
{
	struct sigaction a = { .sa_handler = nothing };

	pair();
	fcntl(s, F_SETFL, 0);
	raw(0, 200);
	sigaction(SIGUSR1, &a, NULL);
	if (!fork()) {
		usleep(100000);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	SEE(read(s, out, 10));
	raw(0, 3);
	timed_read(10, 280);
}

TEST(termios, the_old_structure)
{
	struct {
		unsigned short flags[4];
		unsigned char line, cc[8], pad[7];
	} o;

	pair();
	SEE(ioctl(s, TCGETA, &o));
	for (int i = 0; i < 4; i++)
		SEE(o.flags[i]);
	SEE(o.cc[4]);
	o.flags[3] &= (unsigned short)~ECHO;
	SEE(ioctl(m, TCSETA, &o));
	session("quiet\n");
	SEE(ioctl(s, TCGETA, bad_addr));
	SEE(ioctl(s, TCSETA, bad_addr));
}

TEST(termios, speeds)
{
	struct termios t;

	pair();
	CHECK(!tcgetattr(s, &t));
	SEE(cfgetospeed(&t));
	SEE(cfsetspeed(&t, B115200));
	t.c_cflag = (t.c_cflag & ~(tcflag_t)CSIZE) | CS5 | PARENB;
	SEE(tcsetattr(s, TCSANOW, &t));
	SEE(tcgetattr(m, &t));
	SEE(t.c_cflag & (CSIZE | PARENB));
	SEE(cfgetospeed(&t));
}

TEST(termios, packets)
{
	struct pollfd p = { .events = POLLIN | POLLPRI };
	struct termios t;
	int on = 1;

	pair();
	p.fd = m;
	SEE(ioctl(m, TIOCPKT, &on));
	SEE(ioctl(s, TIOCPKT, &on));
	CHECK(write(s, "data", 4) == 4);
	SEE_STR(text(m));
	type("\023");
	SEE(poll(&p, 1, 500));
	SEE(p.revents);
	SEE_STR(text(m));
	type("\021");
	SEE_STR(text(m));
	CHECK(!tcgetattr(s, &t));
	t.c_iflag &= ~(tcflag_t)IXON;
	SEE(tcsetattr(s, TCSANOW, &t));
	SEE_STR(text(m));
	t.c_iflag |= IXON;
	SEE(tcsetattr(s, TCSANOW, &t));
	SEE_STR(text(m));
	SEE(tcflush(s, TCIFLUSH));
	SEE_STR(text(m));
	SEE(tcflush(s, TCOFLUSH));
	SEE_STR(text(m));
	t.c_lflag |= EXTPROC;
	SEE(tcsetattr(s, TCSANOW, &t));
	SEE_STR(text(m));
	on = 0;
	SEE(ioctl(m, TIOCPKT, &on));
	CHECK(write(s, "data", 4) == 4);
	SEE_STR(text(m));
}

TEST(termios, flushing_input)
{
	pair();
	type("one\ntw");
	usleep(50000);
	SEE(tcflush(s, TCIFLUSH));
	SEE(read(s, out, 10));
	type("o\n");
	SEE_STR(text(s));
	SEE(ioctl(s, TCFLSH, 7));
	SEE(ioctl(s, TCXONC, 7));
	SEE(tcdrain(s));
	SEE(tcsendbreak(s, 0));
}
