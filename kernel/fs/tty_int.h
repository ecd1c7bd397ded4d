/*
 * tty_int.h - one terminal, for tty.c, ldisc.c and devpts.c.
 *
 * A tty has a slave side (what programs open) and a master side: an open file of
 * /dev/ptmx, or for a console a host descriptor.  Bytes from the master wait in
 * "pend" until the line discipline takes them into "in"; bytes to the master wait
 * in "out".
 *
 * Field letters:  I  constant    a  atomic    unlettered: lc_tty
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>

#include "core/lock.h"
#include "core/ref.h"
#include "core/waitq.h"
#include "kernel/fs/hostpoll.h"
#include "kernel/fs/tty.h"

#define TTY_IN	  4096		/* Linux: N_TTY_BUF_SIZE */
#define TTY_PEND  65536
#define TTY_OUT	  65536
#define TTY_NCC	  19

struct pgrp;
struct uio;

struct termios_k {		/* the kernel's struct termios */
	uint32_t iflag, oflag, cflag, lflag;
	uint8_t line, cc[TTY_NCC];
};

struct bytes {			/* a ring that grows up to a limit */
	uint8_t *p;
	size_t cap, head, len;
};

struct tty {
	struct ref ref;
	struct mutex lock;
	struct termios_k tios;
	struct winsize size;
	struct waitq slave_waitq, master_waitq;

	/* line discipline */
	uint8_t in[TTY_IN];
	uint64_t mark[TTY_IN / 64];	/* a line ends here */
	size_t head, canon, tail;	/* free-running: next in, end of last line, next out */
	unsigned column, canon_column;	/* of the cursor; where the line began */
	bool erasing, lnext, stopped;
	struct bytes pend, out;
	unsigned raise;			/* signals for the foreground group: TTY_RAISE_* */

	/* both sides */
	int nslaves;			/* open files */
	bool opened;			/* a slave was opened at least once */
	bool master_gone;		/* nobody reads the output: EIO */
	bool locked, exclusive, packet;
	uint8_t pkt;			/* TIOCPKT_* to report */
	atomic_uint hangups;		/* a: open files older than the last are dead */
	struct session *session;	/* borrowed: it clears this when it ends */
	struct pgrp *fg;		/* reference */

	/* console */
	int hfd;			/* I: -1: no console */
	struct hostpoll hp;
	bool pumping_in, pumping_out, pump_again;

	/* devpts; index -1: in none */
	int index;
	struct devpts *pts;		/* reference of its super, while index >= 0 */
	struct inode *inode;		/* reference */
};
LOCK_OPS(tty, struct tty, lock)

#define TTY_RAISE_INT	1
#define TTY_RAISE_QUIT	2
#define TTY_RAISE_SUSP	4
#define TTY_RAISE_WINCH	8

bool bytes_put(struct bytes *b, const void *p, size_t n, size_t max);	/* all or nothing */
size_t bytes_peek(const struct bytes *b, void *p, size_t n);
void bytes_drop(struct bytes *b, size_t n);

/* ldisc.c */
void ldisc_init(struct tty *tty);
/* Moves what it can from pend to in: echo, signals, lines. */
void ldisc_receive(struct tty *tty) HOLDS(lc_tty);
/* Bytes a read would find now; in line mode, 1 when there is a line. */
size_t ldisc_available(struct tty *tty) HOLDS(lc_tty);
bool ldisc_has_input(struct tty *tty, bool poll) HOLDS(lc_tty);
/* Up to @to's bytes; -EFAULT when none could be stored.  0: end of file. */
ssize_t ldisc_read(struct tty *tty, struct uio *to) HOLDS(lc_tty);
/* How much of @p was taken: less when the output is full. */
size_t ldisc_write(struct tty *tty, const uint8_t *p, size_t n) HOLDS(lc_tty);
void ldisc_set_termios(struct tty *tty, const struct termios_k *tios) HOLDS(lc_tty);
void ldisc_flush_input(struct tty *tty) HOLDS(lc_tty);
void ldisc_flush_output(struct tty *tty) HOLDS(lc_tty);
void ldisc_stop(struct tty *tty, bool stop) HOLDS(lc_tty);

/* tty.c */
struct tty *tty_new(void);	/* one reference; NULL on OOM */
struct cred;
struct file;
struct inode;
struct path;
int tty_open_slave(struct tty *tty, struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out) MUST_CHECK;
int tty_open_master(struct tty *tty, struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out) MUST_CHECK;	/* consumes nothing */
/* After the lock was let go: signals, wake-ups, host output. */
void tty_settle(struct tty *tty);

/* devpts.c */
/* Takes the tty out of its filesystem: the name is gone, the index free. */
void devpts_remove(struct tty *tty);
/* Opens the slave of the master @tty, for TIOCGPTPEER. */
int devpts_open_peer(struct tty *tty, int flags, struct cred *cred, struct file **out) MUST_CHECK;
