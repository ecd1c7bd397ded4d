/*
 * tty.c - terminals: the two ends of a pseudoterminal as open files.
 *
 * The slave is a terminal to the programs that have it open; the master is what
 * a terminal emulator, an ssh server or script(1) reads and writes.  A hang-up
 * makes every open file of the slave dead: its generation is then behind the
 * tty's.  pty(7), tty(4) and ioctl_tty(2) are the contract.
 */
#include "kernel/fs/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/str.h"
#include "core/uio.h"
#include "kernel/fs/tty_int.h"
#include "kernel/fs/types.h"
#include "kernel/kernel.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/dcache.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/namei.h"

#define CHUNK       512 /* bytes on the stack on their way */
#define POLL_READ   (EPOLLIN | EPOLLRDNORM)
#define POLL_WRITE  (EPOLLOUT | EPOLLWRNORM)
#define RWF_NOWAIT_ 8 /* not in every C library */

static const struct file_ops slave_ops, master_ops;

/* --- life */

static void tty_timer(struct timer *timer)
{
	struct tty *tty = container_of(timer, struct tty, timer);

	tty_lock(tty);
	tty->look = 0;
	tty_unlock(tty);
	waitq_wake(&tty->slave_waitq, POLL_READ);
}

LOCKS_UNCHECKED /* not published yet */
	struct tty *
	tty_new(void)
{
	struct tty *tty = calloc(1, sizeof *tty);

	if (!tty)
		return NULL;
	ref_init(&tty->ref);
	mutex_init(&tty->lock, &lc_tty);
	ldisc_init(&tty->l);
	waitq_init(&tty->slave_waitq);
	waitq_init(&tty->master_waitq);
	timer_init(&tty->timer, tty_timer);
	tty->con.hfd = -1;
	tty->index = TTY_NO_INDEX;
	return tty;
}

struct tty *tty_get(struct tty *tty)
{
	ref_get(&tty->ref);
	return tty;
}

LOCKS_UNCHECKED /* the last one */
	void
	tty_put(struct tty *tty)
{
	if (!tty || !ref_put(&tty->ref))
		return;
	timer_cancel(&tty->timer);
	tty_console_close(tty);
	ldisc_fini(&tty->l);
	free(tty);
}

void tty_done(struct tty *tty)
{
	uint64_t sigs = tty->l.sigs;
	unsigned wake = tty->l.wake;
	bool pump = tty->con.hfd >= 0 && wake & LDISC_WAKE_MASTER &&
		    (tty->l.out.used || tty->con.full);
	struct pgrp *pg = NULL;

	tty->l.sigs = 0;
	tty->l.wake = 0;
	if (sigs && tty->fg)
		pg = pgrp_get(tty->fg);
	tty_unlock(tty);
	if (wake & LDISC_WAKE_READ)
		waitq_wake(&tty->slave_waitq, POLL_READ);
	if (wake & LDISC_WAKE_WRITE)
		waitq_wake(&tty->slave_waitq, POLL_WRITE);
	if (wake & LDISC_WAKE_MASTER)
		waitq_wake(
			&tty->master_waitq, POLL_READ | POLL_WRITE | EPOLLPRI);
	for (int sig = 1; pg && sigs >> (sig - 1); sig++)
		if (sigs & SIGBIT(sig))
			(void)signal_send_pgrp(pg, sig, NULL);
	pgrp_put(pg);
	if (pump)
		tty_console_pump(tty);
}

static bool nonblocking(struct file *f, const struct uio *u)
{
	return atomic_load(&f->flags) & O_NONBLOCK || u->rwf & RWF_NOWAIT_;
}

HOLDS(lc_tty)
static bool is_dead(const struct tty_file *tf)
{
	return tf->gen != tf->tty->gen;
}

/* --- the slave */

/* Readers look again at @when, if nothing comes before. */
HOLDS(lc_tty)
static void look_at(struct tty *tty, int64_t when)
{
	if (tty->look && tty->look <= when)
		return;
	tty->look = when;
	timer_set(&tty->timer, when);
}

static ssize_t slave_read(struct file *f, struct uio *to, UNUSED int64_t *pos)
{
	struct tty_file *tf = tty_file_of(f);
	struct tty *tty = tf->tty;
	int64_t since = to->since, again = 0;
	ssize_t ret;

	tty_lock(tty);
	if (is_dead(tf)) {
		tty_unlock(tty);
		return since ? -EIO : 0;
	}
	tty_unlock(tty);
	ret = tty_check_job(current, tty, SIGTTIN);
	if (ret)
		return ret;
	tty_lock(tty);
	ret = is_dead(tf) ? 0
			  : ldisc_read(&tty->l, to, nonblocking(f, to), &since,
				    &again);
	if (again)
		look_at(tty, again);
	tty_done(tty);
	if (ret > 0)
		file_accessed(f);
	if (ret == -EAGAIN)
		to->since = since ? since : mono_now();
	return ret;
}

/* Feeds @from to @fn until it takes no more. */
static ssize_t feed(struct ldisc *l, struct uio *from,
	size_t (*fn)(struct ldisc *l, const void *p, size_t n))
{
	char buf[CHUNK];
	size_t done = 0, n, took;

	while (uio_left(from)) {
		struct uio look = *from;

		n = uio_get(&look, buf, sizeof buf);
		if (!n)
			return done ? (ssize_t)done : -EFAULT;
		took = fn(l, buf, n);
		uio_skip(from, took);
		done += took;
		if (took < n)
			return done ? (ssize_t)done : -EAGAIN;
	}
	return (ssize_t)done;
}

static ssize_t slave_write(
	struct file *f, struct uio *from, UNUSED int64_t *pos)
{
	struct tty_file *tf = tty_file_of(f);
	struct tty *tty = tf->tty;
	ssize_t ret = 0;
	bool tostop;

	tty_lock(tty);
	tostop = tty->l.t.lflag & TOSTOP && !is_dead(tf);
	tty_unlock(tty);
	if (tostop)
		ret = tty_check_job(current, tty, SIGTTOU);
	if (ret)
		return ret;
	tty_lock(tty);
	ret = is_dead(tf) ? -EIO : feed(&tty->l, from, ldisc_write);
	tty_done(tty);
	if (ret > 0)
		inode_touch(f->inode);
	return ret;
}

static unsigned slave_poll(struct file *f)
{
	struct tty_file *tf = tty_file_of(f);
	struct tty *tty = tf->tty;
	unsigned ev = 0;

	tty_lock(tty);
	if (is_dead(tf))
		ev = POLL_READ | POLL_WRITE | EPOLLERR | EPOLLHUP;
	if (ldisc_readable(&tty->l))
		ev |= POLL_READ;
	if (ldisc_write_room(&tty->l))
		ev |= POLL_WRITE;
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
	last = !--tty->nslaves;
	if (last)
		tty->exclusive = false;
	tty_unlock(tty);
	if (last) {
		waitq_wake(&tty->master_waitq, POLL_READ | EPOLLHUP);
		tty_console_pump(tty); /* it may be over */
	}
	file_fini(f);
	tty_put(tty);
	free(tf);
}

static const struct file_ops slave_ops = {
	.name = "/dev/console",
	.read = slave_read,
	.write = slave_write,
	.poll = slave_poll,
	.waitq = slave_waitq,
	.ioctl = tty_slave_ioctl,
	.release = slave_release,
};

/* One more open file: 0, or why there must be none. */
HOLDS(lc_tty)
static int slave_join(struct tty *tty, const struct cred *cred)
{
	if (tty->gone || tty->locked)
		return -EIO;
	if (tty->exclusive && cred && !cred_capable(cred, CAP_SYS_ADMIN))
		return -EBUSY;
	tty->nslaves++;
	tty->was_open = true;
	return 0;
}

int tty_open_slave(struct tty *tty, struct inode *in, const struct path *path,
	int flags, struct cred *cred, struct file **out)
{
	struct tty_file *tf = calloc(1, sizeof *tf);
	int err;

	if (!tf)
		return -ENOMEM;
	tty_lock(tty);
	err = slave_join(tty, cred);
	tf->gen = tty->gen;
	tty_unlock(tty);
	if (err) {
		free(tf);
		return err;
	}
	file_init(&tf->f, &slave_ops, flags, in, path, cred);
	tf->f.stream = true;
	tf->tty = tty_get(tty);
	if (current && !(flags & O_NOCTTY) && file_readable(&tf->f))
		tty_maybe_controlling(current, tty);
	*out = &tf->f;
	return 0;
}

/* --- the master */

HOLDS(lc_tty)
static bool slaves_closed(const struct tty *tty)
{
	return tty->was_open && !tty->nslaves;
}

HOLDS(lc_tty)
static ssize_t master_take(struct tty *tty, struct uio *to)
{
	struct ldisc *l = &tty->l;
	const unsigned char *p;
	size_t done = 0, n, put;

	if (l->packet && l->pkt) {
		if (!uio_put(to, &l->pkt, 1))
			return -EFAULT;
		l->pkt = 0;
		return 1;
	}
	if (!l->out.used)
		return slaves_closed(tty) ? -EIO : -EAGAIN;
	if (l->packet) {
		done = uio_put(to, "", 1); /* TIOCPKT_DATA */
		if (!done)
			return -EFAULT;
	}
	while (uio_left(to) && (n = ring_peek(&l->out, &p))) {
		put = uio_put(to, p, n);
		ring_drop(&l->out, put);
		done += put;
		if (!put)
			break;
	}
	l->wake |= LDISC_WAKE_WRITE;
	return done ? (ssize_t)done : -EFAULT;
}

static ssize_t master_read(struct file *f, struct uio *to, UNUSED int64_t *pos)
{
	struct tty *tty = tty_file_of(f)->tty;
	ssize_t ret;

	tty_lock(tty);
	ret = master_take(tty, to);
	tty_done(tty);
	return ret;
}

static ssize_t master_write(
	struct file *f, struct uio *from, UNUSED int64_t *pos)
{
	struct tty *tty = tty_file_of(f)->tty;
	ssize_t ret = -EAGAIN;

	tty_lock(tty);
	if (!tty->master_stopped)
		ret = feed(&tty->l, from, ldisc_receive);
	tty_done(tty);
	return ret;
}

static unsigned master_poll(struct file *f)
{
	struct tty *tty = tty_file_of(f)->tty;
	unsigned ev = 0;

	tty_lock(tty);
	if (tty->l.out.used)
		ev |= POLL_READ;
	if (tty->l.packet && tty->l.pkt)
		ev |= POLL_READ | EPOLLPRI;
	if (slaves_closed(tty))
		ev |= EPOLLHUP;
	if (ldisc_receive_room(&tty->l) && !tty->master_stopped)
		ev |= POLL_WRITE;
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

	tty_hangup(tf->tty, true);
	devpts_remove(tf->pts.mnt->sb, tf->tty);
	path_put(&tf->pts);
	file_fini(f);
	tty_put(tf->tty);
	free(tf);
}

static const struct file_ops master_ops = {
	.name = "/dev/ptmx",
	.read = master_read,
	.write = master_write,
	.poll = master_poll,
	.waitq = master_waitq,
	.ioctl = tty_master_ioctl,
	.release = master_release,
};

bool tty_is_master(const struct file *f)
{
	return f->ops == &master_ops;
}

/* The devpts beside a device node: "pts" in the directory that it is in. */
static int sibling_pts(
	const struct path *path, struct cred *cred, struct path *out)
{
	struct walk w = { .task = current, .cred = cred, .start = *path };
	struct dentry *dir;
	int err;

	path_get(&w.start);
	if (w.start.dentry == w.start.mnt->root)
		(void)path_leave_mount(&w.start); /* a bind mount */
	dir = dentry_parent(w.start.dentry);
	dentry_put(w.start.dentry);
	w.start.dentry = dir;
	w.root = w.start;
	path_get(&w.root);
	err = path_lookup(&w, "pts", LOOKUP_FOLLOW | LOOKUP_DIR, out);
	walk_done(&w);
	return err;
}

/* The root of the devpts that a ptmx is for: references. */
static int ptmx_pts(struct inode *in, const struct path *path,
	struct cred *cred, struct path *out)
{
	struct path pts;
	int err;

	if (!path || !path->mnt)
		return -ENODEV;
	if (in->sb && in->sb->type == &devpts_fs) {
		*out = (struct path){ mount_get(path->mnt),
			dentry_get(path->mnt->sb->droot) };
		return 0;
	}
	err = sibling_pts(path, cred, &pts);
	if (err)
		return err;
	if (pts.mnt->sb->type != &devpts_fs) {
		path_put(&pts);
		return -ENODEV;
	}
	*out = pts;
	return 0;
}

/* Consumes the reference to @tty and the path, unless it fails. */
static int master_create(struct tty *tty, const struct path *pts,
	struct inode *in, const struct path *path, int flags, struct cred *cred,
	struct file **out)
{
	struct tty_file *tf = calloc(1, sizeof *tf);
	int err;

	if (!tf)
		return -ENOMEM;
	err = devpts_add(pts->mnt->sb, tty, cred->fsuid, cred->fsgid);
	if (err) {
		free(tf);
		return err;
	}
	file_init(&tf->f, &master_ops, flags, in, path, cred);
	tf->f.stream = true;
	tf->tty = tty;
	tf->pts = *pts;
	*out = &tf->f;
	return 0;
}

LOCKS_UNCHECKED /* the tty is not published yet */
	int
	ptmx_open(struct inode *in, const struct path *path, int flags,
		struct cred *cred, struct file **out)
{
	struct path pts;
	struct tty *tty;
	int err = ptmx_pts(in, path, cred, &pts);

	if (err)
		return err;
	tty = tty_new();
	if (!tty) {
		path_put(&pts);
		return -ENOMEM;
	}
	tty->locked = true;
	err = master_create(tty, &pts, in, path, flags, cred, out);
	if (err) {
		tty_put(tty);
		path_put(&pts);
	}
	return err;
}

/* --- /dev/tty, /dev/console */

int tty_open_current(struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	struct tty *tty = current ? tty_of_task(current) : NULL;
	int err;

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
	struct tty *tty =
		c ? __atomic_load_n(&c->console, __ATOMIC_ACQUIRE) : NULL;

	/* The container keeps its console for as long as it runs. */
	if (!tty)
		return -ENODEV;
	return tty_open_slave(tty, in, path, flags | O_NOCTTY, cred, out);
}

/* --- for others */

void tty_set_size(struct tty *tty, const struct winsize *w)
{
	bool same;

	tty_lock(tty);
	same = !memcmp(&tty->size, w, sizeof *w);
	tty->size = *w;
	tty_unlock(tty);
	if (!same)
		tty_signal_foreground(tty, SIGWINCH);
}

void tty_resize(struct tty *tty, uint16_t rows, uint16_t cols)
{
	struct winsize w;

	if (!rows && !cols) {
		tty_console_ask_size(tty);
		return;
	}
	tty_lock(tty);
	w = tty->size;
	tty_unlock(tty);
	w.ws_row = rows;
	w.ws_col = cols;
	tty_set_size(tty, &w);
}

void tty_name(struct tty *tty, struct strbuf *out)
{
	if (tty->index != TTY_NO_INDEX)
		sb_printf(out, "pts/%u", tty->index);
	else
		sb_puts(out, "console");
}

uint64_t tty_dev(struct tty *tty)
{
	if (tty->index == TTY_NO_INDEX)
		return TTY_PTMX_MAJOR << 8 | 1;
	return (tty->index & 0xff) | TTY_PTS_MAJOR << 8 |
	       (uint64_t)(tty->index & ~0xffU) << 12;
}
