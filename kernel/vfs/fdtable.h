/*
 * fdtable.h - descriptors of a process.
 *
 * A new descriptor is made in two steps, so that no other thread of the guest
 * ever sees one that may still be taken back: fd_reserve() takes the lowest
 * free number >= @min (or -EMFILE), fd_install() publishes @f there and
 * consumes the reference; fd_unreserve() gives the number back instead.
 */
#pragma once

#include <stdbool.h>

#include "core/attr.h"

struct fdtable;
struct file;
struct task;

struct fdtable *fdtable_new(void);			/* empty; NULL on OOM */
int fdtable_copy(struct fdtable *from, struct fdtable **out) MUST_CHECK;	/* fork */
struct fdtable *fdtable_get(struct fdtable *t);
void fdtable_put(struct fdtable *t);			/* the last one closes all */
/* @t gets a table of its own: 0 or -ENOMEM. */
int fdtable_unshare(struct task *t) MUST_CHECK;
void fdtable_exec(struct task *t);			/* unshares, closes FD_CLOEXEC */

int fd_reserve(struct task *t, int min) MUST_CHECK;	/* -EINVAL: @min is beyond the limit */
void fd_install(struct task *t, int fd, struct file *f, int flags);	/* O_CLOEXEC counts */
void fd_unreserve(struct task *t, int fd);
/* Both steps at once.  Consumes @f even on failure.  Returns the fd. */
int fd_open(struct task *t, struct file *f, int flags) MUST_CHECK;
/* Returns a reference, or NULL: not open, or O_PATH (fd_lookup_path takes that too). */
struct file *fd_lookup(struct task *t, int fd) MUST_CHECK;
struct file *fd_lookup_path(struct task *t, int fd) MUST_CHECK;
/*
 * The cheap form for one system call: borrows when nobody shares the table.
 * fd_done() ends it; r.f is NULL as with fd_lookup.
 */
struct fdref { struct file *f; bool owned; };
struct fdref fd_borrow(struct task *t, int fd) MUST_CHECK;
struct fdref fd_borrow_path(struct task *t, int fd) MUST_CHECK;
void fd_done(struct fdref *r);
/* dup2/dup3: closes what was there.  Consumes @f. */
int fd_replace(struct task *t, int fd, struct file *f, int flags) MUST_CHECK;
int fd_close(struct task *t, int fd) MUST_CHECK;	/* 0 or -EBADF */
int fd_close_range(struct task *t, unsigned first, unsigned last, bool cloexec) MUST_CHECK;
int fd_get_cloexec(struct task *t, int fd);		/* 0, 1 or -EBADF */
int fd_set_cloexec(struct task *t, int fd, bool on) MUST_CHECK;
/* Next open fd >= @fd with a reference in *@f, or -1: for /proc/PID/fd (any table). */
int fdtable_next(struct fdtable *t, int fd, struct file **f, bool *cloexec);
int fdtable_count(struct fdtable *t);
/* Numbers that the table has room for: what FDSize and select(2) mean. */
int fdtable_size(struct fdtable *t);
