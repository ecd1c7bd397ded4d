/*
 * pipefs.h - pipes and FIFOs: pipe(7), fifo(7).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/attr.h"

struct cred;
struct file;
struct inode;
struct path;
struct task;
struct uio;

/* Two ends of a new pipe; flags: O_CLOEXEC is the caller's, O_NONBLOCK, O_DIRECT.  Returns references. */
int pipe_create(struct cred *cred, int flags, struct file **r, struct file **w) MUST_CHECK;
/*
 * Opens the FIFO @in, which any filesystem may hold.  Blocks until the other end
 * is there, unless O_NONBLOCK or O_RDWR: -ERESTARTSYS when a signal comes, -ENXIO.
 */
int fifo_open(struct inode *in, const struct path *path, int flags, struct cred *cred,
	struct file **out) MUST_CHECK;
bool file_is_pipe(const struct file *f);
/* F_SETPIPE_SZ, F_GETPIPE_SZ; -EBADF when @f is no pipe. */
long pipe_fcntl(struct file *f, struct task *t, int cmd, uint64_t arg) MUST_CHECK;

/* For splice(2) and tee(2), without waiting. */
/* Copies to @to what a read @skip bytes further would see; takes nothing out. */
ssize_t pipe_peek(struct file *f, size_t skip, struct uio *to);
/* Takes out @n bytes that pipe_peek() showed. */
void pipe_consume(struct file *f, size_t n);
/* Bytes that a write would take now: whole free pages only. */
size_t pipe_room(struct file *f);
