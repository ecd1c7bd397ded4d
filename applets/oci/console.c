/* console.c - terminals of containers on the host: pty pairs and the relay. */
#include "applets/oci/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/fdio.h"
#include "core/fdpass.h"
#include "core/own.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif

static int open_slave(int master, struct err *e)
{
	char name[40];
	int n, fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (ioctl(master, TIOCGPTN, &n))
		return err_set(e, errno, "pty: %s", strerror(errno));
	snprintf(name, sizeof name, "/dev/pts/%d", n);
	fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? err_set(e, errno, "%s: %s", name, strerror(errno)) : fd;
}

int console_open(struct console *c, struct err *e)
{
	struct termios t;
	int zero = 0;

	*c = (struct console){ -1, -1 };
	own_fd int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0)
		return err_set(e, errno,
			"/dev/ptmx: %s (process.terminal "
			"needs a pseudoterminal of the host)",
			strerror(errno));
	if (ioctl(master, TIOCSPTLCK, &zero))
		return err_set(e, errno, "pty: %s", strerror(errno));
	own_fd int slave = open_slave(master, e);
	if (slave < 0)
		return -e->code;
	if (!tcgetattr(slave, &t)) {
		cfmakeraw(&t);
		tcsetattr(slave, TCSANOW, &t);
	}
	c->master = give_fd(&master);
	c->slave = give_fd(&slave);
	return 0;
}

void console_take_size(const struct console *c)
{
	struct winsize w;

	if (!ioctl(0, TIOCGWINSZ, &w))
		ioctl(c->master, TIOCSWINSZ, &w);
}

void console_close(struct console *c)
{
	if (c->master >= 0)
		close(c->master);
	if (c->slave >= 0)
		close(c->slave);
	c->master = c->slave = -1;
}

int console_send(struct console *c, const char *path, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	own_fd int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t n;

	if (strlen(path) >= sizeof a.sun_path)
		return err_set(e, ENAMETOOLONG,
			"--console-socket=%s: longer "
			"than a socket address",
			path);
	strcpy(a.sun_path, path);
	if (s < 0 || connect(s, (struct sockaddr *)&a, sizeof a))
		return err_set(e, errno, "--console-socket=%s: %s", path,
			strerror(errno));
	n = fd_send(s, "pty-master", 10, &c->master, 1);
	if (n < 0)
		return err_set(
			e, -n, "--console-socket=%s: %s", path, strerror(-n));
	close(c->master);
	c->master = -1;
	return 0;
}

void relay_enter(struct relay *r, int master)
{
	struct termios t;

	*r = (struct relay){ .master = master, .in_open = true };
	if (tcgetattr(0, &r->saved))
		return;
	t = r->saved;
	cfmakeraw(&t);
	r->raw = !tcsetattr(0, TCSANOW, &t);
	(void)relay_resize(r);
}

void relay_leave(struct relay *r)
{
	if (r->raw)
		tcsetattr(0, TCSADRAIN, &r->saved);
	r->raw = false;
}

bool relay_resize(const struct relay *r)
{
	struct winsize w;

	return !ioctl(0, TIOCGWINSZ, &w) && !ioctl(r->master, TIOCSWINSZ, &w);
}

void relay_poll(const struct relay *r, struct pollfd *p)
{
	p[0] = (struct pollfd){ r->in_open && !r->nin ? 0 : -1, POLLIN, 0 };
	p[1] = (struct pollfd){ r->master, 0, 0 };
	p[1].events = (r->nout ? 0 : POLLIN) | (r->nin ? POLLOUT : 0);
	p[2] = (struct pollfd){ r->nout ? 1 : -1, POLLOUT, 0 };
}

/* Writes what it can of @buf and moves the rest to its front. */
static bool flush(int fd, char *buf, size_t *n)
{
	ssize_t w = write(fd, buf, *n);

	if (w < 0)
		return errno == EAGAIN || errno == EINTR;
	memmove(buf, buf + w, *n - w);
	*n -= w;
	return true;
}

bool relay_step(struct relay *r, const struct pollfd *p)
{
	ssize_t n;

	if (p[0].revents) {
		n = read(0, r->in, sizeof r->in);
		if (n > 0)
			r->nin = n;
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			r->in_open = false;
	}
	if (p[1].revents & POLLOUT && r->nin &&
		!flush(r->master, r->in, &r->nin))
		r->nin = 0;
	if (p[1].revents & POLLIN) {
		n = read(r->master, r->out, sizeof r->out);
		if (n > 0)
			r->nout = n;
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return false;
	} else if (p[1].revents & (POLLHUP | POLLERR)) {
		return false;
	}
	if (r->nout && !flush(1, r->out, &r->nout))
		r->nout = 0; /* nobody reads: the guest goes on */
	return true;
}

void relay_drain(struct relay *r)
{
	ssize_t n;

	if (r->nout && write_full(1, r->out, r->nout))
		return;
	r->nout = 0;
	fcntl(r->master, F_SETFL, O_NONBLOCK);
	while ((n = read(r->master, r->out, sizeof r->out)) > 0)
		if (write_full(1, r->out, n))
			return;
}
