/*
 * tty.h - terminals of the guest: line discipline, sessions, pseudoterminals.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/seccomp.h"

struct cred;
struct file;
struct inode;
struct path;
struct session;
struct strbuf;
struct tty;

struct tty *tty_get(struct tty *tty);
void tty_put(struct tty *tty);		/* NULL is fine */

/*
 * A container's console: a tty whose far side is the host terminal @hfd
 * (consumed on success; set to raw mode, restoring it is the CLI's).  rows, cols 0:
 * ask @hfd.  Returns references: the tty, and an open file of it.
 */
int tty_console_create(int hfd, uint16_t rows, uint16_t cols, struct tty **out,
	struct file **slave) MUST_CHECK;
/*
 * Gives the console a name below /dev/pts, as @t sees it, and its open file (in no
 * table yet) that path.  -ENODEV: no devpts is there; the console works without.
 */
struct task;
int tty_console_publish(struct task *t, struct tty *tty, struct file *slave) MUST_CHECK;
/* Sets the size (0, 0: the host terminal's); the foreground group gets SIGWINCH when it changed. */
void tty_resize(struct tty *tty, uint16_t rows, uint16_t cols);
/* Waits (a few seconds at most) until the console's output has reached the host. */
void tty_drain(struct tty *tty);
/* Makes @tty the controlling terminal of the session of @t's process, which leads it. */
int tty_set_controlling(struct task *t, struct tty *tty, bool steal) MUST_CHECK;

/* "pts/0", "console": for ps. */
void tty_name(struct tty *tty, struct strbuf *out);
uint64_t tty_dev(struct tty *tty);	/* tty_nr of /proc/PID/stat: new_encode_dev form */
/* Foreground process group, -1: none. */
int tty_foreground(struct tty *tty);

/*
 * The leader of @s is going: the foreground group gets SIGHUP, the session loses
 * its terminal.  Called with no lock held.
 */
void tty_session_end(struct session *s);
int tty_vhangup(struct task *t) MUST_CHECK;	/* vhangup(2) */
/* /dev/tty, /dev/console, /dev/ptmx. */
int tty_open_current(struct inode *in, const struct path *path, int flags, struct cred *cred,
	struct file **out) MUST_CHECK;
int tty_open_console(struct inode *in, const struct path *path, int flags, struct cred *cred,
	struct file **out) MUST_CHECK;
int ptmx_open(struct inode *in, const struct path *path, int flags, struct cred *cred,
	struct file **out) MUST_CHECK;

extern const struct seccomp_rule tty_rules[];	/* host calls of tty_console.c */
