/*
 * tty_ioctl.c - ioctl(2) on terminals: ioctl_tty(2).
 *
 * Most requests mean the slave, on whichever end they are made; a few are for
 * the master only.  Requests that change the terminal stop a background job
 * (SIGTTOU) as a write with TOSTOP does.
 */
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/restart.h"
#include "kernel/fs/tty_int.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/fdtable.h"

/* Not in every C library. */
#define G_TCGETS2        0x802c542a
#define G_TCSETS2        0x402c542b
#define G_TCSETSW2       0x402c542c
#define G_TCSETSF2       0x402c542d
#define G_TIOCGPTPEER    0x5441
#define G_TIOCGPTLCK     0x80045439
#define G_TIOCGPKT       0x80045438
#define G_TIOCGEXCL      0x80045440
#define G_TIOCGDEV       0x80045432
#define G_TIOCSIG        0x40045436
#define G_TIOCVHANGUP    0x5437
#define G_TIOCGLCKTRMIOS 0x5456
#define G_TIOCSLCKTRMIOS 0x5457
#define G_TIOCGSOFTCAR   0x5419
#define G_TIOCSSOFTCAR   0x541a
#define G_BOTHER         0010000
#define G_CBAUD          0010017

struct termio_abi { /* TCGETA: what there was before termios */
	uint16_t iflag, oflag, cflag, lflag;
	uint8_t line, cc[8];
};

/* An int to the guest, at the address that is the request's argument. */
static long put_int(struct task *t, uint64_t arg, int v)
{
	return copyout(t, uaddr(arg), &v, sizeof v);
}

static int get_int(struct task *t, uint64_t arg, int *v)
{
	return copyin(t, v, uaddr(arg), sizeof *v);
}

/* --- settings */

static uint32_t baud_of(const struct termios_abi *t)
{
	static const uint32_t low[] = { 0, 50, 75, 110, 134, 150, 200, 300, 600,
		1200, 1800, 2400, 4800, 9600, 19200, 38400 };
	static const uint32_t high[] = { 0, 57600, 115200, 230400, 460800,
		500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000,
		2500000, 3000000, 3500000, 4000000 };
	unsigned b = t->cflag & G_CBAUD;

	if (b == G_BOTHER)
		return t->ospeed;
	return b & G_BOTHER ? high[b & 15] : low[b & 15];
}

static struct termios_abi tty_termios(struct tty *tty)
{
	struct termios_abi t;

	tty_lock(tty);
	t = tty->l.t;
	tty_unlock(tty);
	return t;
}

static long get_termios(struct tty *tty, struct task *t, uint64_t arg, size_t n)
{
	struct termios_abi k = tty_termios(tty);

	return copyout(t, uaddr(arg), &k, n);
}

/* Bits that TIOCSLCKTRMIOS locked stay as they are. */
HOLDS(lc_tty)
static void keep_locked(struct ldisc *l, struct termios_abi *new)
{
	const struct termios_abi *k = &l->locked, *old = &l->t;

	new->iflag ^= (new->iflag ^ old->iflag) & k->iflag;
	new->oflag ^= (new->oflag ^ old->oflag) & k->oflag;
	new->cflag ^= (new->cflag ^ old->cflag) & k->cflag;
	new->lflag ^= (new->lflag ^ old->lflag) & k->lflag;
	if (k->line)
		new->line = old->line;
	for (size_t i = 0; i < LDISC_NCC; i++)
		if (k->cc[i])
			new->cc[i] = old->cc[i];
}

static long apply_termios(
	struct tty *tty, struct task *t, struct termios_abi *k, bool flush)
{
	long err = tty_check_job(t, tty, SIGTTOU);

	if (err)
		return err;
	tty_lock(tty);
	if (flush)
		ldisc_flush_input(&tty->l);
	keep_locked(&tty->l, k);
	ldisc_set_termios(&tty->l, k);
	tty_done(tty);
	return 0;
}

/* @n: with or without the speeds. */
static long set_termios(
	struct tty *tty, struct task *t, uint64_t arg, size_t n, bool flush)
{
	struct termios_abi k = tty_termios(tty);

	if (copyin(t, &k, uaddr(arg), n))
		return -EFAULT;
	if (n == TERMIOS1_SIZE || (k.cflag & G_CBAUD) != G_BOTHER)
		k.ispeed = k.ospeed = baud_of(&k);
	return apply_termios(tty, t, &k, flush);
}

static long get_termio(struct tty *tty, struct task *t, uint64_t arg)
{
	struct termios_abi k = tty_termios(tty);
	struct termio_abi o = { (uint16_t)k.iflag, (uint16_t)k.oflag,
		(uint16_t)k.cflag, (uint16_t)k.lflag, k.line, { 0 } };

	memcpy(o.cc, k.cc, sizeof o.cc);
	return copyout(t, uaddr(arg), &o, sizeof o);
}

static long set_termio(
	struct tty *tty, struct task *t, uint64_t arg, bool flush)
{
	struct termios_abi k = tty_termios(tty);
	struct termio_abi o;

	if (copyin(t, &o, uaddr(arg), sizeof o))
		return -EFAULT;
	k.iflag = (k.iflag & ~0xffffU) | o.iflag;
	k.oflag = (k.oflag & ~0xffffU) | o.oflag;
	k.cflag = (k.cflag & ~0xffffU) | o.cflag;
	k.lflag = (k.lflag & ~0xffffU) | o.lflag;
	k.line = o.line;
	memcpy(k.cc, o.cc, sizeof o.cc);
	return apply_termios(tty, t, &k, flush);
}

static long get_locks(struct tty *tty, struct task *t, uint64_t arg)
{
	struct termios_abi k;

	tty_lock(tty);
	k = tty->l.locked;
	tty_unlock(tty);
	return copyout(t, uaddr(arg), &k, TERMIOS1_SIZE);
}

static long set_locks(struct tty *tty, struct task *t, uint64_t arg)
{
	struct termios_abi k = { 0 };

	if (!task_capable(t, CAP_SYS_ADMIN))
		return -EPERM;
	if (copyin(t, &k, uaddr(arg), TERMIOS1_SIZE))
		return -EFAULT;
	tty_lock(tty);
	tty->l.locked = k;
	tty_unlock(tty);
	return 0;
}

static long soft_carrier(
	struct tty *tty, struct task *t, unsigned cmd, uint64_t arg)
{
	struct termios_abi k = tty_termios(tty);
	int on;

	if (cmd == G_TIOCGSOFTCAR)
		return put_int(t, arg, !!(k.cflag & CLOCAL));
	if (get_int(t, arg, &on))
		return -EFAULT;
	k.cflag = on ? k.cflag | CLOCAL : k.cflag & ~(uint32_t)CLOCAL;
	return apply_termios(tty, t, &k, false);
}

/* Requests about struct termios and its relatives; NO_REQUEST: it is none. */
#define NO_REQUEST (-515) /* no errno that a guest sees */
static long termios_ioctl(
	struct tty *tty, struct task *t, unsigned cmd, uint64_t arg)
{
	switch (cmd) {
	case TCGETS:
		return get_termios(tty, t, arg, TERMIOS1_SIZE);
	case G_TCGETS2:
		return get_termios(tty, t, arg, sizeof(struct termios_abi));
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return set_termios(tty, t, arg, TERMIOS1_SIZE, cmd == TCSETSF);
	case G_TCSETS2:
	case G_TCSETSW2:
	case G_TCSETSF2:
		return set_termios(tty, t, arg, sizeof(struct termios_abi),
			cmd == G_TCSETSF2);
	case TCGETA:
		return get_termio(tty, t, arg);
	case TCSETA:
	case TCSETAW:
	case TCSETAF:
		return set_termio(tty, t, arg, cmd == TCSETAF);
	case G_TIOCGLCKTRMIOS:
		return get_locks(tty, t, arg);
	case G_TIOCSLCKTRMIOS:
		return set_locks(tty, t, arg);
	case G_TIOCGSOFTCAR:
	case G_TIOCSSOFTCAR:
		return soft_carrier(tty, t, cmd, arg);
	}
	return NO_REQUEST;
}

/* --- window, line discipline, flow */

static long get_size(struct tty *tty, struct task *t, uint64_t arg)
{
	struct winsize w;

	tty_lock(tty);
	w = tty->size;
	tty_unlock(tty);
	return copyout(t, uaddr(arg), &w, sizeof w);
}

static long set_size(struct tty *tty, struct task *t, uint64_t arg)
{
	struct winsize w;

	if (copyin(t, &w, uaddr(arg), sizeof w))
		return -EFAULT;
	tty_set_size(tty, &w);
	return 0;
}

static long set_ldisc(struct task *t, uint64_t arg)
{
	int n;

	if (get_int(t, arg, &n))
		return -EFAULT;
	return n == 0 ? 0 : -EINVAL; /* N_TTY is the only one there is */
}

/* TCFLSH on the slave; what the master's end holds is the other's. */
static long flush(struct tty *tty, bool master, uint64_t what)
{
	bool in = what == TCIFLUSH || what == TCIOFLUSH;
	bool out = what == TCOFLUSH || what == TCIOFLUSH;

	if (!in && !out)
		return -EINVAL;
	tty_lock(tty);
	if (master) {
		if (in)
			ring_drop(&tty->l.out, tty->l.out.used);
		if (out)
			ring_drop(&tty->l.raw, tty->l.raw.used);
		tty->l.wake |= LDISC_WAKE_WRITE | LDISC_WAKE_MASTER;
	} else {
		if (in)
			ldisc_flush_input(&tty->l);
		if (out)
			ldisc_flush_output(&tty->l);
	}
	tty_done(tty);
	return 0;
}

/* TCXONC; TCIOFF and TCION send a character to the other end. */
static long flow(struct tty *tty, bool master, uint64_t what)
{
	struct ldisc *l;
	unsigned char c;
	long ret = 0;

	tty_lock(tty);
	l = &tty->l;
	switch (what) {
	case TCOOFF:
		if (master) {
			tty->master_stopped = true;
		} else if (!l->tco_stopped) {
			l->tco_stopped = true;
			ldisc_stop(l);
		}
		break;
	case TCOON:
		if (master) {
			tty->master_stopped = false;
			l->wake |= LDISC_WAKE_MASTER;
		} else if (l->tco_stopped) {
			l->tco_stopped = false;
			ldisc_start(l);
		}
		break;
	case TCIOFF:
	case TCION:
		c = l->t.cc[what == TCIOFF ? VSTOP : VSTART];
		if (!c)
			break;
		if (master)
			(void)ldisc_receive(l, &c, 1);
		else
			(void)ring_put(&l->out, &c, 1, SIZE_MAX / 2);
		l->wake |= LDISC_WAKE_MASTER;
		break;
	default:
		ret = -EINVAL;
	}
	tty_done(tty);
	return ret;
}

static long set_exclusive(struct tty *tty, bool on)
{
	tty_lock(tty);
	tty->exclusive = on;
	tty_unlock(tty);
	return 0;
}

static long get_exclusive(struct tty *tty, struct task *t, uint64_t arg)
{
	bool on;

	tty_lock(tty);
	on = tty->exclusive;
	tty_unlock(tty);
	return put_int(t, arg, on);
}

/* Requests that a background job may not make. */
static long flow_ioctl(
	struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	struct tty *tty = tty_file_of(f)->tty;
	bool master = tty_is_master(f);
	long err = master ? 0 : tty_check_job(t, tty, SIGTTOU);

	if (err)
		return err;
	switch (cmd) {
	case TCFLSH:
		return flush(tty, master, arg);
	case TCXONC:
		return flow(tty, master, arg);
	case TIOCSETD:
		return set_ldisc(t, arg);
	}
	return 0; /* a break goes nowhere, and nothing has to drain */
}

/* --- sessions */

/* TIOCGPGRP and TIOCGSID: from a slave, by those whose terminal it is only. */
static long get_job_id(struct file *f, struct task *t, int id, uint64_t arg)
{
	if (!tty_is_master(f) && !tty_is_controlling(t, tty_file_of(f)->tty))
		return -ENOTTY;
	return put_int(t, arg, id);
}

static long get_session(struct file *f, struct task *t, uint64_t arg)
{
	int id = tty_session_id(tty_file_of(f)->tty);

	return id < 0 ? -ENOTTY : get_job_id(f, t, id, arg);
}

static long set_foreground(struct tty *tty, struct task *t, uint64_t arg)
{
	long err = tty_check_job(t, tty, SIGTTOU);
	int pgid;

	if (err)
		return err == -EIO ? -ENOTTY : err;
	if (get_int(t, arg, &pgid))
		return -EFAULT;
	return tty_set_foreground(t, tty, pgid);
}

static long set_controlling(struct file *f, struct task *t, uint64_t arg)
{
	struct tty *tty = tty_file_of(f)->tty;
	bool admin = task_capable(t, CAP_SYS_ADMIN);

	if (!file_readable(f) && !admin && !tty_is_controlling(t, tty))
		return -EPERM;
	return tty_set_controlling(t, tty, arg == 1 && admin);
}

/* --- both ends */

static long common_ioctl(
	struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	struct tty *tty = tty_file_of(f)->tty;
	long ret = termios_ioctl(tty, t, cmd, arg);

	if (ret != NO_REQUEST)
		return ret;
	switch (cmd) {
	case TIOCGWINSZ:
		return get_size(tty, t, arg);
	case TIOCSWINSZ:
		return set_size(tty, t, arg);
	case TIOCGPGRP:
		return get_job_id(f, t, MAX(tty_foreground(tty), 0), arg);
	case TIOCSPGRP:
		return set_foreground(tty, t, arg);
	case TIOCGSID:
		return get_session(f, t, arg);
	case TIOCEXCL:
	case TIOCNXCL:
		return set_exclusive(tty, cmd == TIOCEXCL);
	case G_TIOCGEXCL:
		return get_exclusive(tty, t, arg);
	case TIOCGETD:
		return put_int(t, arg, 0); /* N_TTY */
	case TIOCOUTQ:
		return put_int(t, arg, 0); /* written is delivered */
	case TIOCSETD:
	case TIOCSBRK:
	case TIOCCBRK:
	case TCSBRK:
	case TCSBRKP:
	case TCXONC:
	case TCFLSH:
		return flow_ioctl(f, t, cmd, arg);
	case TIOCSTI:
		return -EIO; /* as with dev.tty.legacy_tiocsti=0 */
	case TIOCCONS:
		return -EPERM;
	case G_TIOCVHANGUP:
		if (!task_capable(t, CAP_SYS_ADMIN))
			return -EPERM;
		tty_hangup(tty, false);
		return 0;
	}
	return -ENOTTY;
}

static bool slave_is_dead(struct file *f)
{
	struct tty_file *tf = tty_file_of(f);
	bool dead;

	tty_lock(tf->tty);
	dead = tf->gen != tf->tty->gen;
	tty_unlock(tf->tty);
	return dead;
}

static long slave_pending(struct tty *tty, struct task *t, uint64_t arg)
{
	int n;

	tty_lock(tty);
	n = ldisc_pending(&tty->l);
	tty_unlock(tty);
	return put_int(t, arg, n);
}

long tty_slave_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	struct tty *tty = tty_file_of(f)->tty;

	if (slave_is_dead(f))
		return cmd == TIOCSPGRP ? -ENOTTY : -EIO;
	switch (cmd) {
	case FIONREAD:
		return slave_pending(tty, t, arg);
	case TIOCSCTTY:
		return set_controlling(f, t, arg);
	case TIOCNOTTY:
		return tty_give_up(t, tty);
	case G_TIOCGDEV:
		return put_int(t, arg, (int)tty_dev(tty));
	}
	return common_ioctl(f, t, cmd, arg);
}

/* --- the master only */

static long set_lock(struct tty *tty, struct task *t, uint64_t arg)
{
	int on;

	if (get_int(t, arg, &on))
		return -EFAULT;
	tty_lock(tty);
	tty->locked = on;
	tty_unlock(tty);
	return 0;
}

static long set_packet(struct tty *tty, struct task *t, uint64_t arg)
{
	int on;

	if (get_int(t, arg, &on))
		return -EFAULT;
	tty_lock(tty);
	if (on && !tty->l.packet)
		tty->l.pkt = 0;
	tty->l.packet = on;
	tty_unlock(tty);
	return 0;
}

static long get_state(
	struct tty *tty, struct task *t, unsigned cmd, uint64_t arg)
{
	int v;

	tty_lock(tty);
	if (cmd == G_TIOCGPTLCK)
		v = tty->locked;
	else if (cmd == G_TIOCGPKT)
		v = tty->l.packet;
	else
		v = (int)tty->l.out.used;
	tty_unlock(tty);
	return put_int(t, arg, v);
}

static long open_peer(struct file *f, struct task *t, uint64_t flags)
{
	struct tty_file *tf = tty_file_of(f);
	struct file *slave;
	int err = devpts_open_slave(
		&tf->pts, tf->tty, (int)flags & ~O_CREAT, t->cred, &slave);

	return err ? err : fd_open(t, slave, (int)flags & O_CLOEXEC);
}

static long send_signal(struct tty *tty, uint64_t sig)
{
	if (sig != SIGINT && sig != SIGQUIT && sig != SIGTSTP)
		return -EINVAL;
	tty_signal_foreground(tty, (int)sig);
	return 0;
}

long tty_master_ioctl(
	struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	struct tty *tty = tty_file_of(f)->tty;

	switch (cmd) {
	case TIOCGPTN:
		return put_int(t, arg, (int)tty->index);
	case TIOCSPTLCK:
		return set_lock(tty, t, arg);
	case TIOCPKT:
		return set_packet(tty, t, arg);
	case G_TIOCGPTLCK:
	case G_TIOCGPKT:
	case FIONREAD:
		return get_state(tty, t, cmd, arg);
	case G_TIOCGPTPEER:
		return open_peer(f, t, arg);
	case G_TIOCSIG:
		return send_signal(tty, arg);
	case TIOCSCTTY:
	case TIOCNOTTY:
		return -ENOTTY; /* GAP: a master is nobody's terminal */
	case G_TIOCGDEV:
		return put_int(t, arg, TTY_PTMX_MAJOR << 8 | 2);
	}
	return common_ioctl(f, t, cmd, arg);
}
