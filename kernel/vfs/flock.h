/*
 * flock.h - advisory locks: flock(2), fcntl(2) record locks, OFD locks.
 *
 * A lock list hangs on the inode and is guarded by lc_inode.  A record lock is
 * owned by a descriptor table (a process, as far as locks go), an OFD lock and
 * a flock(2) by the open file.
 */
#pragma once

#include <stdint.h>

#include "core/attr.h"

struct fdtable;
struct file;
struct inode;
struct strbuf;
struct task;

int vfs_flock(struct task *t, struct file *f, int op) MUST_CHECK;
/* F_GETLK, F_SETLK, F_SETLKW and the F_OFD_ forms; @arg: guest's struct flock. */
int vfs_lock(struct task *t, struct file *f, int cmd, uint64_t arg) MUST_CHECK;
/* close(2) of any descriptor: the table's record locks on the file go. */
void flock_close(struct fdtable *t, struct file *f);
/* The last reference to the open file goes: its flock and OFD locks too. */
void flock_release(struct file *f);
void flock_inode_fini(struct inode *in);
/* Lines of /proc/PID/fdinfo/N for this file. */
void flock_show(struct file *f, struct strbuf *out);
