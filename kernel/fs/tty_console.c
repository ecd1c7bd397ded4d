/*
 * tty_console.c - the terminal of a container: a tty that ends in a host's one.
 *
 * The host terminal (in raw mode, for our line discipline does the work) takes
 * the place of the master: what programs write goes there, what comes from
 * there is received.  It is shared with the world outside, so O_NONBLOCK is
 * never set on it: each read and write is preceded by a poll, and so small that
 * it does not block then.
 *
 * Whoever made output, or room for input, pumps at once; the poll thread pumps
 * when the host is ready again.  One at a time: who finds it busy leaves
 * "again".
 *
 * A console ends when the host hangs up, or when no file of it is open, no
 * session has it, and all its output is out.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "kernel/fs/tty_int.h"
#include "kernel/fs/types.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/namei.h"

#define SMALL      512 /* what a terminal that is ready takes without blocking */
#define DRAIN_TIME (3 * NSEC_PER_SEC)

static bool ready(int hfd, short events)
{
	struct pollfd p = { .fd = hfd, .events = events };

	return poll(&p, 1, 0) > 0;
}

/* The host is gone, or a signal and the like came between. */
static bool is_fatal(ssize_t n)
{
	return n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN);
}

/* The oldest bytes of output, which stay where they are. */
static size_t console_peek(struct tty *tty, char *buf)
{
	const unsigned char *p;
	size_t n;

	tty_lock(tty);
	n = MIN(ring_peek(&tty->l.out, &p), (size_t)SMALL);
	for (size_t i = 0; i < n; i++)
		buf[i] = (char)p[i];
	tty_unlock(tty);
	return n;
}

static bool pump_out(struct tty *tty)
{
	char buf[SMALL];
	bool some = false;
	size_t len;
	ssize_t n;

	while ((len = console_peek(tty, buf)) && ready(tty->con.hfd, POLLOUT)) {
		n = write(tty->con.hfd, buf, len);
		if (is_fatal(n))
			return false;
		if (n < 0)
			continue;
		tty_lock(tty);
		ring_drop(&tty->l.out, (size_t)n);
		tty->l.wake |= LDISC_WAKE_WRITE;
		tty_done(tty);
		some = true;
	}
	if (some && !len)
		waitq_wake(&tty->master_waitq, EPOLLOUT);
	return true;
}

/* How much may be read; none: whoever makes room pumps again. */
static size_t console_room(struct tty *tty)
{
	size_t room;

	tty_lock(tty);
	room = ldisc_receive_room(&tty->l);
	tty->con.full = !room;
	tty_unlock(tty);
	return room;
}

static bool pump_in(struct tty *tty)
{
	char buf[SMALL];
	size_t room;
	ssize_t n;

	while ((room = console_room(tty)) && ready(tty->con.hfd, POLLIN)) {
		n = read(tty->con.hfd, buf, MIN(room, sizeof buf));
		if (is_fatal(n))
			return false;
		if (n < 0)
			continue;
		tty_lock(tty);
		(void)ldisc_receive(&tty->l, buf, (size_t)n);
		tty_done(tty);
	}
	return true;
}

/* Nobody is left who could use it. */
HOLDS(lc_tty)
static bool is_unused(struct tty *tty)
{
	return !tty->nslaves && !tty->session && tty->was_open &&
	       !tty->l.out.used;
}

/* Begins to pump: false when another one does, or there is no host any more. */
static bool pump_begin(struct tty *tty)
{
	bool go = false;

	tty_lock(tty);
	if (tty->con.busy)
		tty->con.again = true;
	else if (tty->con.hfd >= 0 && !tty->con.ended)
		go = tty->con.busy = true;
	tty_unlock(tty);
	return go;
}

/* False: once more. */
static bool pump_end(struct tty *tty, bool *unused)
{
	bool done;

	tty_lock(tty);
	done = !tty->con.again;
	tty->con.again = false;
	*unused = done && is_unused(tty);
	if (*unused)
		tty->gone = true; /* from here on nobody opens it */
	if (done && !*unused)
		tty->con.busy = false;
	tty_unlock(tty);
	return done;
}

/* We are the ones who pump, and the last. */
static void console_end(struct tty *tty)
{
	struct super *sb;

	hostpoll_remove(&tty->con.hp);
	tty_lock(tty);
	tty->con.ended = true;
	tty->con.busy = false;
	tty->l.out.used = 0;
	sb = tty->con.sb;
	tty->con.sb = NULL;
	tty_unlock(tty);
	tty_hangup(tty, true);
	waitq_wake(&tty->master_waitq, EPOLLOUT);
	if (sb) {
		devpts_remove(sb, tty);
		super_put(sb);
	}
}

void tty_console_pump(struct tty *tty)
{
	bool unused, alive;

	if (tty->con.hfd < 0 || !pump_begin(tty))
		return;
	tty_get(tty);
	do {
		alive = pump_out(tty) && pump_in(tty);
		if (!alive)
			log_debug("the host terminal hung up");
	} while (alive && !pump_end(tty, &unused));
	if (!alive || unused)
		console_end(tty);
	tty_put(tty);
}

static void console_event(struct hostpoll *hp, UNUSED unsigned events)
{
	tty_console_pump(container_of(hp, struct tty, con.hp));
}

/* The tty is going away, and with it our descriptor. */
void tty_console_close(struct tty *tty)
{
	if (tty->con.hfd < 0)
		return;
	hostpoll_remove(&tty->con.hp);
	if (tty->con.sb)
		super_put(tty->con.sb);
	close(tty->con.hfd);
}

void tty_console_ask_size(struct tty *tty)
{
	struct winsize w;

	if (tty->con.hfd >= 0 && !ioctl(tty->con.hfd, TIOCGWINSZ, &w) &&
		(w.ws_row || w.ws_col))
		tty_set_size(tty, &w);
}

static bool console_idle(struct tty *tty)
{
	bool idle;

	tty_lock(tty);
	idle = !tty->l.out.used;
	tty_unlock(tty);
	return idle;
}

void tty_drain(struct tty *tty)
{
	int64_t deadline = mono_now() + DRAIN_TIME;
	struct park park;
	struct waiter w = { .park = &park };

	park_init(&park);
	waitq_add(&tty->master_waitq, &w, 0);
	tty_console_pump(tty);
	while (!console_idle(tty) && park_wait(&park, deadline) == 0)
		continue;
	waitq_remove(&tty->master_waitq, &w);
}

/* --- making one */

static int raw_mode(int hfd)
{
	struct termios_abi t;

	if (ioctl(hfd, TCGETS, &t))
		return -errno;
	t.iflag = 0;
	t.oflag &= ~(unsigned)OPOST;
	t.lflag &= ~(unsigned)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
	t.cflag = (t.cflag & ~(unsigned)(CSIZE | PARENB)) | CS8;
	t.cc[VMIN] = 1;
	t.cc[VTIME] = 0;
	return ioctl(hfd, TCSETS, &t) ? -errno : 0;
}

/* What @name leads @t to, if that is on a devpts: references in *@out. */
static int devpts_lookup(struct task *t, const char *name, struct path *out)
{
	struct walk w;
	int err = task_walk(t, AT_FDCWD, name, &w);

	if (err)
		return err;
	err = path_lookup(&w, name, LOOKUP_FOLLOW, out);
	walk_done(&w);
	if (!err && out->mnt->sb->type != &devpts_fs) {
		path_put(out);
		err = -ENODEV;
	}
	return err;
}

int tty_console_publish(struct task *t, struct tty *tty, struct file *slave)
{
	struct cred *cred = task_cred_get(t);
	struct inode *old = slave->inode;
	char name[24];
	struct path at;
	int err = devpts_lookup(t, "/dev/pts", &at);

	if (!err) {
		err = devpts_add(at.mnt->sb, tty, cred->fsuid, cred->fsgid);
		if (!err)
			tty->con.sb = super_get(at.mnt->sb);
		path_put(&at);
	}
	cred_put(cred);
	if (err)
		return err;
	snprintf(name, sizeof name, "/dev/pts/%u", tty->index);
	err = devpts_lookup(t, name, &at);
	if (err)
		return err;
	slave->path = at;
	slave->inode = inode_get(path_inode(&at));
	inode_put(old);
	return 0;
}

int tty_console_create(int hfd, uint16_t rows, uint16_t cols, struct tty **out,
	struct file **slave)
{
	struct tty *tty = tty_new();
	struct inode *in;
	int err = tty ? raw_mode(hfd) : -ENOMEM;

	if (!err)
		err = inode_new_anon(S_IFCHR | 0620, NULL, &in);
	if (err) {
		tty_put(tty);
		return err;
	}
	in->rdev = makedev(TTY_PTMX_MAJOR, 1);
	err = tty_open_slave(tty, in, NULL, O_RDWR | O_NOCTTY, NULL, slave);
	inode_put(in);
	if (err) {
		tty_put(tty);
		return err;
	}
	tty->con.hfd = hfd;
	tty_resize(tty, rows, cols);
	err = hostpoll_add(&tty->con.hp, hfd, console_event);
	if (err) {
		tty->con.hfd = -1; /* stays the caller's */
		file_put(*slave);
		tty_put(tty);
		return err;
	}
	tty_console_pump(tty); /* what was typed ahead */
	*out = tty;
	return 0;
}

const struct seccomp_rule tty_rules[] = {
	ALLOW(poll),
	ALLOW(read),
	ALLOW(write),
	ALLOW(close),
	ALLOW_ARG(ioctl, 1, TCGETS),
	ALLOW_ARG(ioctl, 1, TCSETS),
	ALLOW_ARG(ioctl, 1, TIOCGWINSZ),
	SECCOMP_END,
};
