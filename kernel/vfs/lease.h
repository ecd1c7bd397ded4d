/*
 * lease.h - leases on files: fcntl(2), F_SETLEASE and F_GETLEASE.
 *
 * Whoever opens a file so that it conflicts with a lease waits until the holder
 * gave it up, or lease-break-time is over.
 */
#pragma once

#include <stdbool.h>

#include "core/attr.h"
#include "kernel/vfs/inode.h"

struct file;
struct task;

void lease_init(void);			/* once */
/* @type: F_RDLCK, F_WRLCK or F_UNLCK; @fd: the number that @f came from. */
long lease_set(struct task *t, struct file *f, int fd, int type) MUST_CHECK;
/* What @f's lease is, or is about to be. */
int lease_get(struct file *f);
/* The last reference to @f, which may have a lease, is gone. */
void lease_file_gone(struct file *f);

int lease_break_all(struct inode *in, bool write, bool nonblock) MUST_CHECK;	/* for the next one */
/*
 * The file is about to be read, or with @write changed: waits until no lease is
 * in the way.  0, -EAGAIN (@nonblock), -ERESTARTSYS.  No lock is held.
 */
static inline int lease_break(struct inode *in, bool write, bool nonblock)
{
	return likely(!atomic_load(&in->nleases)) ? 0 : lease_break_all(in, write, nonblock);
}
