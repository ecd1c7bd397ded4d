/*
 * tty_int.h - what the files of the terminals share.
 *
 * A struct tty is both sides of a pseudoterminal: the slave, which programs use
 * as their terminal, and the master, which is a file, or, for a console, the host
 * terminal that tty_console.c pumps to and from.
 *
 * Locks: lc_tty guards everything that changes.  session and fg change under
 * lc_tasklist and lc_tty together, so either is enough to read them.  What an
 * operation leaves to be done (signals, wake-ups, the pump) waits in the line
 * discipline until tty_done() unlocks.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "core/lock.h"
#include "core/ref.h"
#include "core/timer.h"
#include "core/waitq.h"
#include "kernel/fs/hostpoll.h"
#include "kernel/fs/tty.h"
#include "kernel/fs/tty_ldisc.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/path.h"

struct pgrp;
struct super;

#define TTY_PTS_MAJOR	 136		/* of the slaves; their minor is the number */
#define TTY_PTMX_MAJOR	 5
#define TTY_NO_INDEX	 UINT32_MAX

struct console {			/* the far side of a console */
	int hfd;			/* I: -1: it is no console */
	struct hostpoll hp;
	bool busy;			/* lc_tty: someone pumps */
	bool again;			/* lc_tty: it must look once more */
	bool full;			/* lc_tty: input waits on the host for room */
	bool ended;			/* lc_tty: the host hung up, or nobody uses it any more */
	struct super *sb;		/* lc_tty: reference: the devpts that it has a name in */
};

struct tty {
	struct ref ref;
	struct mutex lock;
	unsigned index;			/* I once it has a name: /dev/pts/N */
	struct ldisc l GUARDED_BY(lc_tty);
	struct winsize size GUARDED_BY(lc_tty);
	struct session *session;	/* reference; see above */
	struct pgrp *fg;		/* reference; see above */
	unsigned gen GUARDED_BY(lc_tty);	/* hang-ups so far: files opened before one are dead */
	bool gone GUARDED_BY(lc_tty);		/* the master side is closed */
	bool locked GUARDED_BY(lc_tty);		/* TIOCSPTLCK */
	bool exclusive GUARDED_BY(lc_tty);	/* TIOCEXCL */
	bool was_open GUARDED_BY(lc_tty);	/* the slave, at least once since ... */
	bool master_stopped GUARDED_BY(lc_tty);	/* TCOOFF on the master */
	int64_t look GUARDED_BY(lc_tty);	/* when the timer fires; 0: it does not */
	int nslaves GUARDED_BY(lc_tty);		/* open files of the slave */
	struct waitq slave_waitq, master_waitq;
	struct timer timer;		/* VTIME: readers look again */
	struct console con;
};
LOCK_OPS(tty, struct tty, lock)

struct tty_file {
	struct file f;
	struct tty *tty;		/* I: reference */
	unsigned gen;			/* I: tty->gen at the open */
	struct path pts;		/* I: master: the root of the devpts, for TIOCGPTPEER */
};

static inline struct tty_file *tty_file_of(struct file *f)
{
	return container_of(f, struct tty_file, f);
}

/* tty.c */
struct tty *tty_new(void);		/* one reference; NULL on OOM */
/* Unlocks, and does what the line discipline asks for. */
void tty_done(struct tty *tty) RELEASES(lc_tty);
int tty_open_slave(struct tty *tty, struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out) MUST_CHECK;
bool tty_is_master(const struct file *f);
void tty_set_size(struct tty *tty, const struct winsize *w);

/* tty_ioctl.c */
long tty_slave_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg);
long tty_master_ioctl(struct file *f, struct task *t, unsigned cmd, uint64_t arg);

/* tty_jobs.c */
/*
 * May @t, from its place in the session, do what background jobs are stopped
 * for?  @sig: SIGTTIN for reading, SIGTTOU otherwise.  0, -EIO, or -ERESTARTSYS
 * with the signal sent.
 */
int tty_check_job(struct task *t, struct tty *tty, int sig) MUST_CHECK;
/* open(2) without O_NOCTTY. */
void tty_maybe_controlling(struct task *t, struct tty *tty);
struct tty *tty_of_task(struct task *t);	/* controlling terminal: a reference, or NULL */
int tty_give_up(struct task *t, struct tty *tty) MUST_CHECK;	/* TIOCNOTTY */
int tty_set_foreground(struct task *t, struct tty *tty, int pgid) MUST_CHECK;
int tty_session_id(struct tty *tty);		/* -1: none */
bool tty_is_controlling(struct task *t, struct tty *tty);
/* Every open file of the slave is dead from now on; @gone: for ever. */
void tty_hangup(struct tty *tty, bool gone);
void tty_signal_foreground(struct tty *tty, int sig);

/* tty_console.c */
void tty_console_pump(struct tty *tty);
void tty_console_close(struct tty *tty);
void tty_console_ask_size(struct tty *tty);

/* devpts.c */
/* Gives @tty a number and a name in the devpts @sb, owned by @uid and @gid.  -ENOSPC. */
int devpts_add(struct super *sb, struct tty *tty, uint32_t uid, uint32_t gid) MUST_CHECK;
void devpts_remove(struct super *sb, struct tty *tty);
/* Opens the slave @tty, whose name is in the root directory @pts. */
int devpts_open_slave(const struct path *pts, struct tty *tty, int flags, struct cred *cred,
	struct file **out) MUST_CHECK;
