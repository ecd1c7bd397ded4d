/*
 * file.h - open files: what an fd points to.
 *
 * A concrete file embeds struct file as its first member and finds itself with
 * container_of().  Nobody calls f->ops directly: file_read() and friends check
 * the open mode and supply the default for a slot left NULL.
 *
 * Operations never block on another guest task: they return -EAGAIN, and the
 * one loop in rw.c (vfs_read, vfs_write) waits on the file's wait queue.  They may
 * block on the host (a 9P request, a host file).
 *
 * Field letters:  I  set before the file is published, then constant
 *                 a  atomic
 */
#pragma once

#include <fcntl.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/list.h"
#include "core/lock.h"
#include "core/ref.h"
#include "core/uaddr.h"
#include "core/uio.h"
#include "kernel/vfs/path.h"

struct cred;
struct dirsink;
struct file;
struct inode;
struct mapping;
struct strbuf;
struct task;
struct waitq;

struct file_ops {
	const char *name;		/* of an anonymous file in /proc/PID/fd: "pipe", "anon_inode:[eventfd]" */
	bool no_content;		/* regular by its mode only: writes need no inode lock, O_APPEND and limits mean nothing */
	/* *@pos is the offset to use, and to advance; streams ignore it. */
	ssize_t (*read)(struct file *f, struct uio *to, int64_t *pos);	/* -EINVAL */
	ssize_t (*write)(struct file *f, struct uio *from, int64_t *pos);	/* -EINVAL */
	/* Where SEEK_SET, END, DATA or HOLE leads; the VFS has lc_filepos, resolves CUR and stores the result. */
	int64_t (*tell)(struct file *f);	/* where SEEK_CUR counts from: f->pos */
	int64_t (*seek)(struct file *f, int64_t off, int whence);	/* by the inode's size; streams: -ESPIPE */
	unsigned (*poll)(struct file *f);		/* EPOLL* now ready; always ready */
	struct waitq *(*waitq)(struct file *f);		/* borrowed; readiness never changes */
	long (*ioctl)(struct file *f, struct task *t, unsigned cmd, uint64_t arg);	/* -ENOTTY */
	/*
	 * Emits entries from *@pos on, advancing it, until dirsink_emit() says stop.
	 * The VFS holds the dir lock of f->inode.
	 */
	int (*readdir)(struct file *f, struct dirsink *to, int64_t *pos);	/* -ENOTDIR */
	/* Returns a reference: what is mapped at offset 0 of the file. */
	int (*mmap)(struct file *f, int prot, int flags, struct mapping **out);	/* -ENODEV */
	int (*fsync)(struct file *f, bool datasync);		/* -EINVAL */
	int (*fallocate)(struct file *f, int mode, int64_t off, int64_t len);	/* -EOPNOTSUPP */
	int (*setfl)(struct file *f, int flags);		/* accepts any F_SETFL */
	void (*fdinfo)(struct file *f, struct strbuf *out);	/* nothing beyond pos, flags, mnt_id */
	void (*flush)(struct file *f);			/* each close(2) of a descriptor; nothing */
	void (*release)(struct file *f);		/* required; frees f.  No lock is held */
};

struct file {
	struct ref ref;
	const struct file_ops *ops;	/* I */
	atomic_int flags;		/* a: O_NONBLOCK, O_APPEND, O_DIRECT... (F_SETFL) */
	int mode;			/* I: O_RDONLY, O_WRONLY, O_RDWR, and O_PATH */
	bool stream;			/* I: no position: pread and lseek fail with ESPIPE */
	bool wrote;			/* I: counted in inode->writers */
	bool reads;			/* I: counted in inode->readers */
	bool created;			/* I: its open(2) made the file */
	struct inode *inode;		/* I: reference; never NULL once published */
	struct path path;		/* I: reference; empty for anonymous files */
	struct cred *cred;		/* I: reference; of the opener */
	struct mutex pos_lock;
	int64_t pos GUARDED_BY(lc_filepos);
	struct fasync *fasync;		/* owned by fasync.c: F_SETOWN, O_ASYNC; NULL */
	struct list epitems;		/* owned by epoll.c: watches on this file */
	atomic_int nepitems;		/* a: lets the last close skip epoll's lock */
};
LOCK_OPS(filepos, struct file, pos_lock)

/*
 * Initialises everything but the concrete part.  Takes its own references to
 * @inode, @path (may be NULL) and @cred.
 */
void file_init(struct file *f, const struct file_ops *ops, int flags,
	struct inode *inode, const struct path *path, struct cred *cred);
/* Releases what file_init() took: the last thing that a release does before free. */
void file_fini(struct file *f);
struct file *file_get(struct file *f);
void file_put(struct file *f);		/* NULL is fine */

/* The position as it may be now, without the lock: for /proc. */
int64_t file_pos(const struct file *f);

/* One attempt each, with mode checks; -EAGAIN when it would block. */
ssize_t file_read(struct file *f, struct uio *to, int64_t *pos) MUST_CHECK;
ssize_t file_write(struct file *f, struct uio *from, int64_t *pos) MUST_CHECK;
unsigned file_poll(struct file *f);
struct waitq *file_waitq(struct file *f);	/* borrowed; NULL: never changes */

/*
 * Blocking forms (rw.c), as read(2) and write(2): wait unless O_NONBLOCK, handle
 * restart, SIGPIPE, RLIMIT_FSIZE, O_APPEND.  @pos NULL: the file's own position.
 */
ssize_t vfs_read(struct task *t, struct file *f, struct uio *to, int64_t *pos) MUST_CHECK;
ssize_t vfs_write(struct task *t, struct file *f, struct uio *from, int64_t *pos) MUST_CHECK;
/* getdents(2) into the guest's @buf: bytes, 0 at the end; @is64: struct linux_dirent64. */
long vfs_getdents(struct task *t, struct file *f, uaddr_t buf, unsigned count, bool is64) MUST_CHECK;
/* The same into kernel memory, as 64-bit entries. */
long file_getdents_kernel(struct file *f, void *buf, size_t n) MUST_CHECK;
/* lseek(2). */
int64_t vfs_seek(struct file *f, int64_t off, int whence) MUST_CHECK;
/* f->ops->fsync, fallocate with the checks of their man pages. */
int vfs_fsync(struct file *f, bool datasync) MUST_CHECK;
int vfs_fallocate(struct file *f, int mode, int64_t off, int64_t len) MUST_CHECK;
int vfs_ftruncate(struct file *f, int64_t size) MUST_CHECK;
#define RW_MAX 0x7ffff000		/* bytes that one call moves */
/* musl's O_ACCMODE has O_PATH in it; this is Linux's. */
#define FILE_ACCMODE 3
/* May it be read, written?  By open mode alone. */
static inline bool file_readable(const struct file *f)
{
	return (f->mode & (O_PATH | FILE_ACCMODE)) == O_RDONLY ||
		(f->mode & (O_PATH | FILE_ACCMODE)) == O_RDWR;
}
static inline bool file_writable(const struct file *f)
{
	return (f->mode & (O_PATH | FILE_ACCMODE)) == O_WRONLY ||
		(f->mode & (O_PATH | FILE_ACCMODE)) == O_RDWR;
}
/* From kernel memory, for our own use (ELF headers, scripts): a short count at end of file. */
ssize_t file_read_kernel(struct file *f, void *buf, size_t n, int64_t pos) MUST_CHECK;
