/*
 * fasync.h - signals for I/O: O_ASYNC, F_SETOWN, F_SETSIG.
 *
 * Works for every file that has a wait queue: the watcher is a waiter on it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"

struct fasync;
struct file;
struct task;

/* F_SETOWN, F_GETOWN, F_SETOWN_EX, F_GETOWN_EX, F_SETSIG, F_GETSIG. */
long fasync_fcntl(struct task *t, struct file *f, int cmd, uint64_t arg) MUST_CHECK;
/* O_ASYNC was set or cleared through descriptor @fd, by F_SETFL or FIOASYNC.  0 or -ENOMEM. */
int fasync_set(struct file *f, int fd, bool on) MUST_CHECK;
/* For leases and dnotify, set through @fd: the caller's process gets the signal, unless F_SETOWN said who. */
int fasync_claim(struct task *t, struct file *f, int fd) MUST_CHECK;
/* Of a claimed file: to send a signal later, soon. */
struct fasync *fasync_hold(struct file *f);
void fasync_message(struct fasync *fa);	/* sends it (POLL_MSG), ends the hold; takes lc_tasklist */
/* The last reference is gone; call when f->fasync is not NULL, before release. */
void fasync_file_gone(struct file *f);
/* The process or group that F_SETOWN named, as F_GETOWN shows it: SIGURG of sockets. */
void fasync_signal(struct file *f, int sig);
