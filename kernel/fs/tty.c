/*
 * tty.c - terminals: open files, job control, consoles.
 *
 * Locks: lc_tasklist guards which terminal a session has, lc_tty everything in
 * the terminal.  Signals and wake-ups are noted under lc_tty and sent by
 * tty_settle() after it.
 *
 * A console's master side is a host terminal in raw mode.  Whoever makes bytes
 * for it writes them out at once, as long as the host takes them; the poll
 * thread goes on when the host is ready again.
 */
#include "kernel/fs/tty.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/str.h"
#include "kernel/fs/tty_int.h"
#include "kernel/kernel.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/task/internal.h"
#include "kernel/task/task.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"

#define POLL_IN_EV  (EPOLLIN | EPOLLRDNORM)
#define POLL_OUT_EV (EPOLLOUT | EPOLLWRNORM)
#define POLL_GONE   (POLL_IN_EV | POLL_OUT_EV | EPOLLERR | EPOLLHUP)
#define CHUNK       1024
#define HOST_CHUNK  512 /* what a terminal that polls writable surely takes */
#define DRAIN_NS    (3 * NSEC_PER_SEC)
#define PTS_MAJOR   136

struct tty_file {
	struct file f;
	struct tty *tty;  /* I: reference */
	bool master;      /* I */
	unsigned hangups; /* I: tty's at open */
};

static const struct file_ops slave_ops, master_ops;

static struct tty_file *tty_file_of(struct file *f)
{
	return container_of(f, struct tty_file, f);
}

/* --- life */

LOCKS_UNCHECKED /* not published yet */
	struct tty *
	tty_new(void)
{
	struct tty *tty = calloc(1, sizeof *tty);

	if (!tty)
		return NULL;
	ref_init(&tty->ref);
	mutex_init(&tty->lock, &lc_tty);
	waitq_init(&tty->slave_waitq);
	waitq_init(&tty->master_waitq);
	ldisc_init(tty);
	tty->hfd = -1;
	tty->hp.slot = -1;
	tty->index = -1;
	return tty;
}

struct tty *tty_get(struct tty *tty)
{
	ref_get(&tty->ref);
	return tty;
}

LOCKS_UNCHECKED /* the last reference */
	void
	tty_put(struct tty *tty)
{
	if (!tty || !ref_put(&tty->ref))
		return;
	devpts_remove(tty);
	if (tty->hfd >= 0) {
		hostpoll_remove(&tty->hp);
		close(tty->hfd);
	}
	pgrp_put(tty->fg);
	free(tty->pend.p);
	free(tty->out.p);
	free(tty);
}

static bool tty_hung(const struct tty_file *tf)
{
	return atomic_load(&tf->tty->hangups) != tf->hangups;
}

/* --- the console's host side */

static bool host_ready(int hfd, short events, int ms)
{
	struct pollfd p = { .fd = hfd, .events = events };

	return poll(&p, 1, ms) > 0 && p.revents & (events | POLLHUP | POLLERR);
}

/* Writes out what the host takes now.  One thread at a time. */
static void console_push(struct tty *tty)
{
	char buf[HOST_CHUNK];
	size_t n;
	ssize_t put;

	tty_lock(tty);
	if (tty->pumping_out) {
		tty->pump_again = true;
		tty_unlock(tty);
		return;
	}
	tty->pumping_out = true;
	for (;;) {
		tty->pump_again = false;
		n = bytes_peek(&tty->out, buf, sizeof buf);
		tty_unlock(tty);
		put = 0;
		if (n && host_ready(tty->hfd, POLLOUT, 0))
			put = write(tty->hfd, buf, n);
		tty_lock(tty);
		if (put > 0)
			bytes_drop(&tty->out, (size_t)put);
		else if (put < 0 && errno != EAGAIN && errno != EINTR)
			bytes_drop(&tty->out, tty->out.len); /* it is gone */
		if (put <= 0 && !tty->pump_again)
			break;
	}
	tty->pumping_out = false;
	tty_unlock(tty);
	waitq_wake(&tty->slave_waitq, POLL_OUT_EV);
}

static void tty_hangup(struct tty *tty, bool foreground);

/* Takes in what the host has, while there is room.  One thread at a time. */
static void console_pull(struct tty *tty)
{
	char buf[CHUNK];
	bool eof = false;
	ssize_t n;

	tty_lock(tty);
	if (tty->pumping_in || tty->master_gone) {
		tty_unlock(tty);
		return;
	}
	tty->pumping_in = true;
	while (tty->pend.len < CHUNK && !eof) {
		tty_unlock(tty);
		n = -1;
		errno = EAGAIN;
		if (host_ready(tty->hfd, POLLIN, 0))
			n = read(tty->hfd, buf, sizeof buf);
		eof = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
		tty_lock(tty);
		if (n <= 0)
			break;
		if (!bytes_put(&tty->pend, buf, (size_t)n, TTY_PEND))
			break;
		ldisc_receive(tty);
	}
	tty->pumping_in = false;
	if (eof)
		tty->master_gone = true;
	tty_unlock(tty);
	if (eof)
		tty_hangup(tty, true);
}

static void console_event(struct hostpoll *hp, unsigned events)
{
	struct tty *tty = container_of(hp, struct tty, hp);

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		console_pull(tty);
	tty_settle(tty);
}

/* --- signals and wake-ups */

static const struct {
	unsigned raise;
	int sig;
} raises[] = {
	{ TTY_RAISE_INT, SIGINT },
	{ TTY_RAISE_QUIT, SIGQUIT },
	{ TTY_RAISE_SUSP, SIGTSTP },
	{ TTY_RAISE_WINCH, SIGWINCH },
};

void tty_settle(struct tty *tty)
{
	struct pgrp *fg = NULL;
	unsigned raise;
	bool out;

	tty_lock(tty);
	raise = tty->raise;
	tty->raise = 0;
	if (raise && tty->fg)
		fg = pgrp_get(tty->fg);
	out = tty->out.len > 0;
	tty_unlock(tty);
	for (size_t i = 0; fg && i < ARRAY_SIZE(raises); i++)
		if (raise & raises[i].raise)
			(void)signal_send_pgrp(fg, raises[i].sig, NULL);
	pgrp_put(fg);
	if (tty->hfd >= 0 && out)
		console_push(tty);
	waitq_wake(&tty->slave_waitq, POLL_IN_EV | POLL_OUT_EV);
	waitq_wake(&tty->master_waitq, POLL_IN_EV | POLL_OUT_EV | EPOLLPRI);
}

/*
 * May the calling task read (SIGTTIN) from, or change (SIGTTOU), @tty?  0 when
 * it is in the foreground or the terminal is not its own.
 */
static int tty_job_control(struct tty *tty, int sig)
{
	struct task *t = current;
	struct pgrp *pg;
	bool background, orphaned = false;
	int err;

	if (!t)
		return 0;
	tasklist_lock(&tasklist);
	pg = t->tg->pgrp;
	background = false;
	if (pg && pg->session->tty == tty) {
		tty_lock(tty);
		background = tty->fg && tty->fg != pg;
		tty_unlock(tty);
	}
	if (background) {
		orphaned = pgrp_orphaned(pg, NULL);
		pgrp_get(pg);
	}
	tasklist_unlock(&tasklist);
	if (!background)
		return 0;
	if (signal_is_ignored(t, sig) || signal_is_blocked(t, sig)) {
		err = sig == SIGTTIN ? -EIO : 0;
	} else if (orphaned) {
		err = -EIO;
	} else {
		(void)signal_send_pgrp(pg, sig, NULL);
		err = -ERESTARTSYS;
	}
	pgrp_put(pg);
	return err;
}

/*
 * Nobody is at the other end any more: open files are dead, the session loses
 * its terminal, its leader gets SIGHUP and SIGCONT, and so does the foreground.
 */
static void tty_hangup(struct tty *tty, bool foreground)
{
	struct tgroup *leader = NULL;
	struct tty *was = NULL;
	struct session *s;
	struct pgrp *fg;

	tasklist_lock(&tasklist);
	tty_lock(tty);
	s = tty->session;
	fg = tty->fg;
	tty->session = NULL;
	tty->fg = NULL;
	atomic_fetch_add(&tty->hangups, 1);
	ldisc_flush_input(tty);
	tty->stopped = false;
	tty_unlock(tty);
	if (s) {
		was = s->tty;
		s->tty = NULL;
		leader = s->leader ? tgroup_get(s->leader) : NULL;
	}
	tasklist_unlock(&tasklist);
	if (leader) {
		(void)signal_send_group(leader, SIGHUP, NULL);
		(void)signal_send_group(leader, SIGCONT, NULL);
		tgroup_put(leader);
	}
	if (fg && foreground) {
		(void)signal_send_pgrp(fg, SIGHUP, NULL);
		(void)signal_send_pgrp(fg, SIGCONT, NULL);
	}
	pgrp_put(fg);
	waitq_wake(&tty->slave_waitq, POLL_GONE);
	waitq_wake(&tty->master_waitq, POLL_GONE);
	tty_put(was);
}

void tty_session_end(struct session *s)
{
	struct tty *tty;

	tasklist_lock(&tasklist);
	tty = s->tty ? tty_get(s->tty) : NULL;
	tasklist_unlock(&tasklist);
	if (!tty)
		return;
	tty_hangup(tty, true);
	tty_put(tty);
}

/* --- slave: what programs read and write */

/* Sleeps until there may be input.  0, -ETIMEDOUT, -ERESTARTSYS. */
static int tty_wait_input(struct tty_file *tf, size_t need, int64_t deadline)
{
	struct tty *tty = tf->tty;
	struct waiter w;
	size_t have;
	int err = 0;

	waiter_init_task(&w, current);
	waitq_add(&tty->slave_waitq, &w, 0);
	for (;;) {
		tty_lock(tty);
		have = ldisc_available(tty);
		tty_unlock(tty);
		if (have >= need || tty_hung(tf))
			break;
		err = task_block(current, deadline);
		if (err)
			break;
	}
	waitq_remove(&tty->slave_waitq, &w);
	return err;
}

/*
 * VMIN and VTIME: waits as long as they ask for, beyond the wait for the first
 * byte.  0: read what there is, -EAGAIN: wait for more.
 */
static int raw_wait(struct tty_file *tf, size_t want)
{
	struct tty *tty = tf->tty;
	size_t have, min;
	int64_t time;
	bool canon;

	tty_lock(tty);
	canon = tty->tios.lflag & ICANON;
	have = ldisc_available(tty);
	min = MIN((size_t)tty->tios.cc[VMIN], want);
	time = tty->tios.cc[VTIME] * (NSEC_PER_SEC / 10);
	tty_unlock(tty);
	if (canon)
		return have ? 0 : -EAGAIN;
	if (atomic_load(&tf->f.flags) & O_NONBLOCK)
		return have || !(min || time) ? 0 : -EAGAIN;
	if (!time)
		return have >= min ? 0 : -EAGAIN;
	if (!have && min)
		return -EAGAIN;
	if (!min)
		min = 1;
	while (have < min && current) {
		int err = tty_wait_input(
			tf, have + 1, deadline_after(mono_now(), time));

		if (err == -ETIMEDOUT || tty_hung(tf))
			break;
		if (err)
			return have ? 0 : err;
		tty_lock(tty);
		have = ldisc_available(tty);
		tty_unlock(tty);
	}
	return 0;
}

static ssize_t slave_read(struct file *f, struct uio *to, UNUSED int64_t *pos)
{
	struct tty_file *tf = tty_file_of(f);
	struct tty *tty = tf->tty;
	ssize_t ret;

	if (tty_hung(tf) || !uio_left(to))
		return 0;
	ret = tty_job_control(tty, SIGTTIN);
	if (!ret)
		ret = raw_wait(tf, uio_left(to));
	if (ret)
		return ret == -EAGAIN && tty_hung(tf) ? 0 : ret;
	tty_lock(tty);
	if (tty->tios.lflag & ICANON && !ldisc_available(tty))
		ret = -EAGAIN;
	else
		ret = ldisc_read(tty, to);
	ldisc_receive(tty);
	tty_unlock(tty);
	if (tty->hfd >= 0)
		console_pull(tty);
	tty_settle(tty);
	return ret;
}

static ssize_t slave_write(
	struct file *f, struct uio *from, UNUSED int64_t *pos)
{
	struct tty_file *tf = tty_file_of(f);
	struct tty *tty = tf->tty;
	uint8_t buf[CHUNK];
	size_t done = 0, n, put;
	struct uio at;
	bool tostop;
	int err;

	tty_lock(tty);
	tostop = tty->tios.lflag & TOSTOP;
	tty_unlock(tty);
	err = tostop ? tty_job_control(tty, SIGTTOU) : 0;
	if (err)
		return err;
	while (uio_left(from)) {
		if (tty_hung(tf))
			return done ? (ssize_t)done : -EIO;
		at = *from;
		n = uio_get(&at, buf, MIN(uio_left(from), sizeof buf));
		if (!n) {
			err = -EFAULT;
			break;
		}
		tty_lock(tty);
		put = ldisc_write(tty, buf, n);
		tty_unlock(tty);
		uio_skip(from, put);
		done += put;
		tty_settle(tty);
		err = -EAGAIN;
		if (put < n && tty->hfd < 0)
			break;
		if (!put)
			break;
	}
	return done || !uio_left(from) ? (ssize_t)done : err;
}

static unsigned slave_poll(struct file *f)
{
	struct tty_file *tf = tty_file_of(f);
	struct tty *tty = tf->tty;
	unsigned ev = 0;

	if (tty_hung(tf))
		return POLL_GONE;
	tty_lock(tty);
	if (ldisc_has_input(tty, true))
		ev |= POLL_IN_EV;
	if (!tty->stopped && tty->out.len < TTY_OUT / 2)
		ev |= POLL_OUT_EV;
	tty_unlock(tty);
	return ev;
}

static struct waitq *slave_waitq(struct file *f)
{
	return &tty_file_of(f)->tty->slave_waitq;
}

static void slave_release(struct file *f)
{
	struct tty_file *tf = tty_file_of(f);
	struct tty *tty = tf->tty;
	bool last;

	tty_lock(tty);
	last = --tty->nslaves == 0;
	if (last)
		tty->exclusive = false;
	tty_unlock(tty);
	waitq_wake(&tty->master_waitq, POLL_IN_EV | EPOLLHUP);
	if (last && tty->hfd >= 0) {
		/* A console's name goes with its last user. */
		tty_drain(tty);
		devpts_remove(tty);
	}
	file_fini(f);
	tty_put(tty);
	free(tf);
}

/* --- master */

static ssize_t master_read(struct file *f, struct uio *to, UNUSED int64_t *pos)
{
	struct tty *tty = tty_file_of(f)->tty;
	uint8_t buf[CHUNK];
	size_t n, put;
	ssize_t ret = 0;
	uint8_t zero = TIOCPKT_DATA;

	tty_lock(tty);
	if (tty->packet && tty->pkt) {
		ret = uio_put(to, &tty->pkt, 1) ? 1 : -EFAULT;
		if (ret > 0)
			tty->pkt = 0;
		tty_unlock(tty);
		return ret;
	}
	if (tty->out.len && tty->packet) {
		if (!uio_put(to, &zero, 1)) {
			tty_unlock(tty);
			return -EFAULT;
		}
		ret = 1;
	}
	while (tty->out.len && uio_left(to)) {
		n = bytes_peek(&tty->out, buf, MIN(uio_left(to), sizeof buf));
		put = uio_put(to, buf, n);
		bytes_drop(&tty->out, put);
		ret += (ssize_t)put;
		if (put < n)
			break;
	}
	if (!ret) {
		if (tty->out.len)
			ret = -EFAULT;
		else
			ret = tty->opened && !tty->nslaves ? -EIO : -EAGAIN;
	}
	tty_unlock(tty);
	if (ret > 0)
		waitq_wake(&tty->slave_waitq, POLL_OUT_EV);
	return ret;
}

static ssize_t master_write(
	struct file *f, struct uio *from, UNUSED int64_t *pos)
{
	struct tty *tty = tty_file_of(f)->tty;
	uint8_t buf[CHUNK];
	size_t done = 0, n;
	struct uio at;
	int err = -EAGAIN;
	bool ok;

	while (uio_left(from)) {
		at = *from;
		n = uio_get(&at, buf, MIN(uio_left(from), sizeof buf));
		if (!n) {
			err = -EFAULT;
			break;
		}
		tty_lock(tty);
		n = MIN(n, TTY_PEND - tty->pend.len);
		ok = n && bytes_put(&tty->pend, buf, n, TTY_PEND);
		ldisc_receive(tty);
		tty_unlock(tty);
		if (!ok)
			break;
		uio_skip(from, n);
		done += n;
	}
	tty_settle(tty);
	return done ? (ssize_t)done : err;
}

static unsigned master_poll(struct file *f)
{
	struct tty *tty = tty_file_of(f)->tty;
	unsigned ev = 0;

	tty_lock(tty);
	if (tty->out.len)
		ev |= POLL_IN_EV;
	if (tty->packet && tty->pkt)
		ev |= POLL_IN_EV | EPOLLPRI;
	if (tty->pend.len < TTY_PEND)
		ev |= POLL_OUT_EV;
	if (tty->opened && !tty->nslaves)
		ev |= EPOLLHUP;
	tty_unlock(tty);
	return ev;
}

static struct waitq *master_waitq(struct file *f)
{
	return &tty_file_of(f)->tty->master_waitq;
}

static void master_release(struct file *f)
{
	struct tty_file *tf = tty_file_of(f);
	struct tty *tty = tf->tty;

	tty_lock(tty);
	tty->master_gone = true;
	tty_unlock(tty);
	devpts_remove(tty);
	tty_hangup(tty, false);
	file_fini(f);
	tty_put(tty);
	free(tf);
}

/* --- ioctl_tty(2) */

#define TCGETS2_NR  0x802c542aU
#define TCSETS2_NR  0x402c542bU
#define TCSETSW2_NR 0x402c542cU
#define TCSETSF2_NR 0x402c542dU
#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif

struct termios_abi {
	uint32_t iflag, oflag, cflag, lflag;
	uint8_t line, cc[TTY_NCC];
	uint32_t ispeed, ospeed; /* termios2 only */
};

static const unsigned speeds[] = { 0, 50, 75, 110, 134, 150, 200, 300, 600,
	1200, 1800, 2400, 4800, 9600, 19200, 38400 };
static const unsigned speeds_ext[] = { 0, 57600, 115200, 230400, 460800, 500000,
	576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000,
	3500000, 4000000 };

static unsigned speed_of(uint32_t cflag)
{
	return cflag & 010000 ? speeds_ext[cflag & 15] : speeds[cflag & 15];
}

static long get_termios(struct tty *tty, struct task *t, uint64_t arg, bool two)
{
	struct termios_abi o = { 0 };

	tty_lock(tty);
	o.iflag = tty->tios.iflag;
	o.oflag = tty->tios.oflag;
	o.cflag = tty->tios.cflag;
	o.lflag = tty->tios.lflag;
	o.line = tty->tios.line;
	memcpy(o.cc, tty->tios.cc, sizeof o.cc);
	tty_unlock(tty);
	o.ispeed = o.ospeed = speed_of(o.cflag);
	return copyout(t, uaddr(arg), &o,
		two ? sizeof o : offsetof(struct termios_abi, ispeed));
}

static int tty_wait_output(struct tty *tty)
{
	struct waiter w;
	bool empty;
	int err = 0;

	if (!current)
		return 0;
	waiter_init_task(&w, current);
	waitq_add(&tty->slave_waitq, &w, 0);
	for (;;) {
		tty_lock(tty);
		/* What the master has not read yet counts as sent. */
		empty = tty->hfd < 0 || !tty->out.len || tty->master_gone;
		tty_unlock(tty);
		if (empty)
			break;
		err = task_block(current, NO_DEADLINE);
		if (err)
			break;
	}
	waitq_remove(&tty->slave_waitq, &w);
	return err;
}

static long set_termios(struct tty *tty, struct task *t, uint64_t arg, bool two,
	bool wait, bool flush)
{
	struct termios_abi in = { 0 };
	struct termios_k k;
	int err = copyin(t, &in, uaddr(arg),
		two ? sizeof in : offsetof(struct termios_abi, ispeed));

	if (!err && wait)
		err = tty_wait_output(tty);
	if (err)
		return err;
	k = (struct termios_k){ in.iflag, in.oflag, in.cflag, in.lflag, 0,
		{ 0 } };
	memcpy(k.cc, in.cc, sizeof k.cc);
	k.cflag |= CREAD; /* as Linux's pty driver, which is always 8 bits */
	k.cflag = (k.cflag & ~(uint32_t)(CSIZE | PARENB)) | CS8;
	tty_lock(tty);
	if (flush)
		ldisc_flush_input(tty);
	ldisc_set_termios(tty, &k);
	tty_unlock(tty);
	tty_settle(tty);
	return 0;
}

static bool sizes_differ(const struct winsize *a, const struct winsize *b)
{
	return memcmp(a, b, sizeof *a) != 0;
}

static void tty_set_size(struct tty *tty, const struct winsize *ws)
{
	tty_lock(tty);
	if (sizes_differ(&tty->size, ws)) {
		tty->size = *ws;
		tty->raise |= TTY_RAISE_WINCH;
	}
	tty_unlock(tty);
	tty_settle(tty);
}

static long ioctl_size(struct tty *tty, struct task *t, bool set, uint64_t arg)
{
	struct winsize ws;
	int err;

	if (set) {
		err = copyin(t, &ws, uaddr(arg), sizeof ws);
		if (!err)
			tty_set_size(tty, &ws);
		return err;
	}
	tty_lock(tty);
	ws = tty->size;
	tty_unlock(tty);
	return copyout(t, uaddr(arg), &ws, sizeof ws);
}

/* Is @tty the terminal of the caller's session? */
HOLDS(lc_tasklist)
static bool is_controlling(struct task *t, struct tty *tty)
{
	return t->tg->pgrp && t->tg->pgrp->session->tty == tty;
}

static long get_pgrp(struct tty *tty, struct task *t, bool master, uint64_t arg)
{
	int id = 0;
	bool own;

	tasklist_lock(&tasklist);
	own = master || is_controlling(t, tty);
	tty_lock(tty);
	if (tty->fg)
		id = tty->fg->id;
	tty_unlock(tty);
	tasklist_unlock(&tasklist);
	return own ? copyout(t, uaddr(arg), &id, sizeof id) : -ENOTTY;
}

static long get_sid(struct tty *tty, struct task *t, bool master, uint64_t arg)
{
	int id = -1;

	tasklist_lock(&tasklist);
	tty_lock(tty);
	if (tty->session && (master || is_controlling(t, tty)))
		id = tty->session->id;
	tty_unlock(tty);
	tasklist_unlock(&tasklist);
	return id < 0 ? -ENOTTY : copyout(t, uaddr(arg), &id, sizeof id);
}

static long set_pgrp(struct tty *tty, struct task *t, uint64_t arg)
{
	struct pgrp *pg, *old = NULL;
	int id, err;

	err = tty_job_control(tty, SIGTTOU);
	if (err)
		return err == -EIO ? -ENOTTY : err;
	err = copyin(t, &id, uaddr(arg), sizeof id);
	if (err)
		return err;
	if (id < 0)
		return -EINVAL;
	pg = pgrp_lookup(t->tg->pid_ns, id);
	tasklist_lock(&tasklist);
	tty_lock(tty);
	if (!is_controlling(t, tty) || tty->session != t->tg->pgrp->session) {
		err = -ENOTTY;
	} else if (!pg) {
		err = -ESRCH;
	} else if (pg->session != tty->session) {
		err = -EPERM;
	} else {
		old = tty->fg;
		tty->fg = pgrp_get(pg);
	}
	tty_unlock(tty);
	tasklist_unlock(&tasklist);
	pgrp_put(old);
	pgrp_put(pg);
	return err;
}

/* The session @s of process @tg gets @tty; whoever had it loses it. */
HOLDS(lc_tasklist)
static void attach(struct tgroup *tg, struct tty *tty, struct tty **dead,
	struct pgrp **oldfg)
{
	struct session *s = tg->pgrp->session;

	tty_lock(tty);
	if (tty->session && tty->session->tty == tty) {
		*dead = tty->session->tty;
		tty->session->tty = NULL;
	}
	tty->session = s;
	*oldfg = tty->fg;
	tty->fg = pgrp_get(tg->pgrp);
	tty_unlock(tty);
	s->tty = tty_get(tty);
}

int tty_set_controlling(struct task *t, struct tty *tty, bool steal)
{
	struct tgroup *tg = t->tg;
	struct pgrp *oldfg = NULL;
	struct tty *dead = NULL;
	struct session *s, *has;
	int err = -EPERM;

	tasklist_lock(&tasklist);
	s = tg->pgrp->session;
	tty_lock(tty);
	has = tty->session;
	tty_unlock(tty);
	if (s->leader == tg && s->tty == tty) {
		err = 0;
	} else if (s->leader == tg && !s->tty && (!has || steal)) {
		attach(tg, tty, &dead, &oldfg);
		err = 0;
	}
	tasklist_unlock(&tasklist);
	pgrp_put(oldfg);
	tty_put(dead);
	return err;
}

/* TIOCNOTTY.  GAP: a member that is not the leader keeps the terminal. */
static long give_up(struct tty *tty, struct task *t)
{
	struct pgrp *fg = NULL;
	struct tty *was = NULL;
	struct session *s;
	bool own;

	tasklist_lock(&tasklist);
	own = is_controlling(t, tty);
	s = t->tg->pgrp->session;
	if (own && s->leader == t->tg) {
		was = s->tty;
		s->tty = NULL;
		tty_lock(tty);
		fg = tty->fg;
		tty->fg = NULL;
		tty->session = NULL;
		tty_unlock(tty);
	}
	tasklist_unlock(&tasklist);
	if (fg) {
		(void)signal_send_pgrp(fg, SIGHUP, NULL);
		(void)signal_send_pgrp(fg, SIGCONT, NULL);
	}
	pgrp_put(fg);
	tty_put(was);
	return own ? 0 : -ENOTTY;
}

static long flush(struct tty *tty, uint64_t what)
{
	if (what > TCIOFLUSH)
		return -EINVAL;
	tty_lock(tty);
	if (what != TCOFLUSH)
		ldisc_flush_input(tty);
	if (what != TCIFLUSH)
		ldisc_flush_output(tty);
	tty_unlock(tty);
	tty_settle(tty);
	return 0;
}

/* tcflow(3): of output, or by sending a control character. */
static long flow(struct tty *tty, uint64_t what)
{
	int cc = what == TCIOFF ? VSTOP : VSTART;

	if (what > TCION)
		return -EINVAL;
	tty_lock(tty);
	if (what == TCOOFF || what == TCOON)
		ldisc_stop(tty, what == TCOOFF);
	else if (tty->tios.cc[cc])
		(void)bytes_put(&tty->out, &tty->tios.cc[cc], 1, TTY_OUT);
	tty_unlock(tty);
	tty_settle(tty);
	return 0;
}

static long count(
	struct tty *tty, struct task *t, bool output, bool master, uint64_t arg)
{
	int n;

	tty_lock(tty);
	if (master)
		n = (int)(output ? 0 : tty->out.len);
	else if (output)
		n = tty->hfd >= 0 ? (int)tty->out.len : 0;
	else if (tty->tios.lflag & ICANON)
		n = (int)(tty->canon - tty->tail);
	else
		n = (int)(tty->head - tty->tail);
	tty_unlock(tty);
	return copyout(t, uaddr(arg), &n, sizeof n);
}

static long set_flag(struct tty *tty, struct task *t, bool *flag, uint64_t arg,
	bool by_address)
{
	int on = 1, err = 0;

	if (by_address)
		err = copyin(t, &on, uaddr(arg), sizeof on);
	if (err)
		return err;
	tty_lock(tty);
	*flag = on;
	if (flag == &tty->packet)
		tty->pkt = 0;
	tty_unlock(tty);
	return 0;
}

static long get_flag(
	struct tty *tty, struct task *t, const bool *flag, uint64_t arg)
{
	int v;

	tty_lock(tty);
	v = *flag;
	tty_unlock(tty);
	return copyout(t, uaddr(arg), &v, sizeof v);
}

static long steal_tty(
	struct file *f, struct task *t, struct tty *tty, uint64_t arg)
{
	bool admin = task_capable(t, CAP_SYS_ADMIN);

	if (!file_readable(f) && !admin)
		return -EPERM;
	return tty_set_controlling(t, tty, arg == 1 && admin);
}

/* Requests that change the terminal: not from the background. */
static bool changes(unsigned cmd)
{
	switch (cmd) {
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
	case TCSETS2_NR:
	case TCSETSW2_NR:
	case TCSETSF2_NR:
	case TCXONC:
	case TCFLSH:
	case TCSBRK:
	case TCSBRKP:
	case TIOCSETD:
		return true;
	}
	return false;
}

static long tty_ioctl(
	struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	struct tty_file *tf = tty_file_of(f);
	struct tty *tty = tf->tty;
	bool master = tf->master;
	int zero = 0, err;

	if (!master && tty_hung(tf))
		return cmd == TIOCSPGRP ? -ENOTTY : -EIO;
	err = !master && changes(cmd) ? tty_job_control(tty, SIGTTOU) : 0;
	if (err)
		return err;
	switch (cmd) {
	case TCGETS:
	case TCGETS2_NR:
		return get_termios(tty, t, arg, cmd == TCGETS2_NR);
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return set_termios(
			tty, t, arg, false, cmd != TCSETS, cmd == TCSETSF);
	case TCSETS2_NR:
	case TCSETSW2_NR:
	case TCSETSF2_NR:
		return set_termios(tty, t, arg, true, cmd != TCSETS2_NR,
			cmd == TCSETSF2_NR);
	case TIOCGWINSZ:
	case TIOCSWINSZ:
		return ioctl_size(tty, t, cmd == TIOCSWINSZ, arg);
	case TIOCGPGRP:
		return get_pgrp(tty, t, master, arg);
	case TIOCSPGRP:
		return set_pgrp(tty, t, arg);
	case TIOCGSID:
		return get_sid(tty, t, master, arg);
	case TIOCSCTTY:
		return master ? -ENOTTY : steal_tty(f, t, tty, arg);
	case TIOCNOTTY:
		return give_up(tty, t);
	case TIOCEXCL:
	case TIOCNXCL:
		tty_lock(tty);
		tty->exclusive = cmd == TIOCEXCL;
		tty_unlock(tty);
		return 0;
	case TIOCGEXCL:
		return get_flag(tty, t, &tty->exclusive, arg);
	case TIOCOUTQ:
		return count(tty, t, true, master, arg);
	case FIONREAD:
		return count(tty, t, false, master, arg);
	case TCFLSH:
		return flush(tty, arg);
	case TCXONC:
		return flow(tty, arg);
	case TCSBRK:
	case TCSBRKP:
		return tty_wait_output(tty);
	case TIOCGETD:
		return copyout(t, uaddr(arg), &zero, sizeof zero);
	case TIOCSETD:
		err = copyin(t, &zero, uaddr(arg), sizeof zero);
		return err ? err : zero ? -EINVAL : 0;
	case TIOCSTI: /* typing into one's own terminal: refused for all */
		return -EIO;
	case TIOCCONS:
		return -EPERM;
	}
	return -ENOTTY;
}

static long master_ioctl(
	struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	struct tty *tty = tty_file_of(f)->tty;
	struct file *peer;
	int err;

	switch (cmd) {
	case TIOCGPTN:
		return copyout(t, uaddr(arg), &tty->index, sizeof tty->index);
	case TIOCSPTLCK:
		return set_flag(tty, t, &tty->locked, arg, true);
	case TIOCGPTLCK:
		return get_flag(tty, t, &tty->locked, arg);
	case TIOCPKT:
		return set_flag(tty, t, &tty->packet, arg, true);
	case TIOCGPKT:
		return get_flag(tty, t, &tty->packet, arg);
	case TIOCGPTPEER:
		err = devpts_open_peer(tty, (int)arg, t->cred, &peer);
		return err ? err : fd_open(t, peer, (int)arg & O_CLOEXEC);
	case TIOCSIG: {
		struct pgrp *fg = NULL;

		if ((int)arg != SIGINT && (int)arg != SIGQUIT &&
			(int)arg != SIGTSTP)
			return -EINVAL;
		tty_lock(tty);
		if (tty->fg)
			fg = pgrp_get(tty->fg);
		tty_unlock(tty);
		if (fg)
			(void)signal_send_pgrp(fg, (int)arg, NULL);
		pgrp_put(fg);
		return 0;
	}
	}
	return tty_ioctl(f, t, cmd, arg);
}

static const struct file_ops slave_ops = {
	.name = "/dev/console",
	.read = slave_read,
	.write = slave_write,
	.poll = slave_poll,
	.waitq = slave_waitq,
	.ioctl = tty_ioctl,
	.release = slave_release,
};

static const struct file_ops master_ops = {
	.name = "/dev/ptmx",
	.read = master_read,
	.write = master_write,
	.poll = master_poll,
	.waitq = master_waitq,
	.ioctl = master_ioctl,
	.release = master_release,
};

/* --- opening */

static struct tty_file *tty_file_new(struct tty *tty, struct inode *in,
	const struct path *path, int flags, struct cred *cred, bool master)
{
	struct tty_file *tf = malloc(sizeof *tf);

	if (!tf)
		return NULL;
	file_init(&tf->f, master ? &master_ops : &slave_ops, flags, in, path,
		cred);
	tf->f.stream = true;
	tf->tty = tty_get(tty);
	tf->master = master;
	tf->hangups = atomic_load(&tty->hangups);
	return tf;
}

int tty_open_master(struct tty *tty, struct inode *in, const struct path *path,
	int flags, struct cred *cred, struct file **out)
{
	struct tty_file *tf = tty_file_new(tty, in, path, flags, cred, true);

	if (!tf)
		return -ENOMEM;
	*out = &tf->f;
	return 0;
}

/* A session leader without a terminal gets the first one that it opens. */
static void maybe_attach(struct tty *tty, const struct file *f, int flags)
{
	struct task *t = current;
	bool want = false;

	if (!t || flags & O_NOCTTY || !file_readable(f))
		return;
	tasklist_lock(&tasklist);
	if (t->tg->pgrp) {
		struct session *s = t->tg->pgrp->session;

		want = s->leader == t->tg && !s->tty;
	}
	tasklist_unlock(&tasklist);
	/* Someone else may be faster: then there is none. */
	if (want)
		(void)!tty_set_controlling(t, tty, false);
}

int tty_open_slave(struct tty *tty, struct inode *in, const struct path *path,
	int flags, struct cred *cred, struct file **out)
{
	struct tty_file *tf;
	int err = 0;

	tty_lock(tty);
	if (tty->master_gone || tty->locked)
		err = -EIO;
	else if (tty->exclusive && tty->nslaves &&
		 !(current && task_capable(current, CAP_SYS_ADMIN)))
		err = -EBUSY;
	else {
		tty->nslaves++;
		tty->opened = true;
	}
	tty_unlock(tty);
	if (err)
		return err;
	tf = tty_file_new(tty, in, path, flags, cred, false);
	if (!tf) {
		tty_lock(tty);
		tty->nslaves--;
		tty_unlock(tty);
		return -ENOMEM;
	}
	maybe_attach(tty, &tf->f, flags);
	*out = &tf->f;
	return 0;
}

int tty_open_current(struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	struct tty *tty = NULL;
	int err;

	if (!current)
		return -ENXIO;
	tasklist_lock(&tasklist);
	if (current->tg->pgrp && current->tg->pgrp->session->tty)
		tty = tty_get(current->tg->pgrp->session->tty);
	tasklist_unlock(&tasklist);
	if (!tty)
		return -ENXIO;
	err = tty_open_slave(tty, in, path, flags | O_NOCTTY, cred, out);
	tty_put(tty);
	return err;
}

int tty_open_console(struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	struct container *c = current ? current->tg->container : NULL;

	if (!c || !c->console)
		return -EIO;
	return tty_open_slave(
		c->console, in, path, flags | O_NOCTTY, cred, out);
}

/* --- consoles */

LOCKS_UNCHECKED /* not published yet */
	static int
	console_host(struct tty *tty, int hfd, uint16_t rows, uint16_t cols)
{
	struct termios raw;
	struct winsize ws;

	if (tcgetattr(hfd, &raw))
		return -errno;
	cfmakeraw(&raw);
	if (tcsetattr(hfd, TCSANOW, &raw))
		return -errno;
	if (ioctl(hfd, TIOCGWINSZ, &ws) == 0)
		tty->size = ws;
	if (rows || cols) {
		tty->size.ws_row = rows;
		tty->size.ws_col = cols;
	}
	return 0;
}

static void console_inode_release(struct inode *in)
{
	inode_fini(in);
	free(in);
}

static const struct inode_ops console_inode_ops = {
	.release = console_inode_release,
};

int tty_console_create(int hfd, uint16_t rows, uint16_t cols, struct tty **out,
	struct file **slave)
{
	struct inode *in = malloc(sizeof *in);
	struct tty *tty = in ? tty_new() : NULL;
	int err;

	if (!tty) {
		free(in);
		return -ENOMEM;
	}
	inode_init(in, &console_inode_ops, NULL, 0, S_IFCHR | 0620, 0, 5);
	in->rdev = makedev(5, 1);
	err = console_host(tty, hfd, rows, cols);
	if (!err)
		err = tty_open_slave(
			tty, in, NULL, O_RDWR | O_NOCTTY, NULL, slave);
	inode_put(in);
	if (err) {
		tty_put(tty);
		return err;
	}
	tty->hfd = hfd;
	err = hostpoll_add(&tty->hp, hfd, console_event);
	if (err) {
		tty->hfd = -1;
		file_put(*slave);
		tty_put(tty);
		return err;
	}
	*out = tty;
	return 0;
}

void tty_resize(struct tty *tty, uint16_t rows, uint16_t cols)
{
	struct winsize ws = { .ws_row = rows, .ws_col = cols };

	tty_set_size(tty, &ws);
}

void tty_drain(struct tty *tty)
{
	int64_t end = mono_now() + DRAIN_NS;
	bool empty;

	while (tty->hfd >= 0) {
		console_push(tty);
		tty_lock(tty);
		empty = !tty->out.len && !tty->pumping_out;
		tty_unlock(tty);
		if (empty || mono_now() > end)
			break;
		(void)host_ready(tty->hfd, POLLOUT, 20);
	}
}

/* --- names */

void tty_name(struct tty *tty, struct strbuf *out)
{
	int index;

	tty_lock(tty);
	index = tty->index;
	tty_unlock(tty);
	if (index >= 0)
		sb_printf(out, "pts/%d", index);
	else
		sb_puts(out, "console");
}

uint64_t tty_dev(struct tty *tty)
{
	unsigned maj = 5, min = 1;

	tty_lock(tty);
	if (tty->index >= 0) {
		maj = PTS_MAJOR;
		min = (unsigned)tty->index;
	}
	tty_unlock(tty);
	return (min & 0xff) | maj << 8 | (min & ~0xffU) << 12;
}

int tty_foreground(struct tty *tty)
{
	int id;

	tty_lock(tty);
	id = tty->fg ? tty->fg->id : -1;
	tty_unlock(tty);
	return id;
}
