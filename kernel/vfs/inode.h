/*
 * inode.h - filesystem objects and the filesystems that they live in.
 *
 * A concrete inode embeds struct inode first.  Attributes are single atomic
 * words: they may be read at any time, and change under the inode's lock (a reader
 * may see a new size with an old mtime, never a torn value).  A filesystem whose
 * attributes live elsewhere (gofer, proc) refreshes them in getattr.
 *
 * A directory's entries are looked up and changed under its dir lock, which the
 * VFS takes; the slots below that name a dir run with it held.  Names are never
 * empty, ".", "..", nor contain '/' or NUL; they are at most NAME_MAX long.
 *
 * Field letters:  I  constant once published    a  atomic
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/list.h"
#include "core/lock.h"
#include "core/ref.h"
#include "kernel/vfs/path.h"

struct cred;
struct dentry;
struct dirsink;
struct file;
struct inode;
struct iovec;
struct mapping;
struct mount;
struct strbuf;
struct super;
struct task;
struct waitq;

struct kstat {				/* what statx(2) can say */
	uint32_t mask;			/* STATX_* that are valid; 0: basic stats */
	uint64_t ino, size, blocks;	/* blocks of 512 bytes */
	uint32_t mode, nlink, uid, gid, blksize;
	uint64_t dev, rdev;		/* makedev(3) form */
	int64_t atime, mtime, ctime, btime;	/* ns since 1970 */
	uint64_t attributes;
};

struct iattr {				/* a change of attributes */
	unsigned valid;			/* ATTR_* */
	uint32_t mode, uid, gid;
	int64_t size;
	int64_t atime, mtime;		/* ns */
};
#define ATTR_MODE	1
#define ATTR_UID	2
#define ATTR_GID	4
#define ATTR_SIZE	8
#define ATTR_ATIME	16
#define ATTR_MTIME	32
#define ATTR_ATIME_NOW	64		/* with ATTR_ATIME: the time is "now" */
#define ATTR_MTIME_NOW	128
#define ATTR_OWNER	256		/* chown(2), even of nothing: set-id bits and ctime change */

struct inode_ops {
	/* The slots without a dir run with no lock held. */
	/* Returns a reference in *@out; -ENOENT makes a negative dentry. */
	int (*lookup)(struct inode *dir, const char *name, size_t len, struct inode **out);	/* -ENOTDIR */
	/* The next six make an object owned by @cred and return a reference to it. */
	int (*create)(struct inode *dir, const char *name, size_t len, uint32_t mode,
		const struct cred *cred, struct inode **out);	/* regular file; -EPERM */
	int (*mkdir)(struct inode *dir, const char *name, size_t len, uint32_t mode,
		const struct cred *cred, struct inode **out);	/* -EPERM */
	int (*mknod)(struct inode *dir, const char *name, size_t len, uint32_t mode, uint64_t rdev,
		const struct cred *cred, struct inode **out);	/* fifo, socket, device; -EPERM */
	int (*symlink)(struct inode *dir, const char *name, size_t len, const char *target,
		const struct cred *cred, struct inode **out);	/* -EPERM */
	int (*link)(struct inode *dir, const char *name, size_t len, struct inode *target); /* -EPERM */
	int (*unlink)(struct inode *dir, const char *name, size_t len, struct inode *victim); /* -EPERM */
	int (*rmdir)(struct inode *dir, const char *name, size_t len, struct inode *victim); /* -EPERM */
	/* @victim: what @newname is now, or NULL.  flags: RENAME_NOREPLACE (checked by the VFS), RENAME_EXCHANGE, RENAME_WHITEOUT */
	int (*rename)(struct inode *olddir, const char *oldname, struct inode *moved,
		struct inode *newdir, const char *newname, struct inode *victim, unsigned flags); /* -EPERM */
	/* malloc'ed text, NUL-terminated; the caller frees. */
	int (*readlink)(struct inode *in, struct task *t, char **target);	/* -EINVAL */
	/* A magic link (/proc/PID/fd/N): jumps straight to *@out (references). */
	int (*getlink)(struct inode *in, struct task *t, struct path *out);	/* by readlink */
	/* A regular file that has no name yet (O_TMPFILE), nlink 0. */
	int (*tmpfile)(struct inode *dir, uint32_t mode, const struct cred *cred,
		struct inode **out);				/* -EOPNOTSUPP */
	/*
	 * Makes an open file (not yet in a table).  The VFS has checked permission,
	 * and has done O_CREAT, O_EXCL and O_TRUNC.
	 */
	int (*open)(struct inode *in, const struct path *path, int flags, struct cred *cred,
		struct file **out);				/* -ENXIO */
	int (*getattr)(struct inode *in, struct kstat *st);	/* from the fields below */
	int (*setattr)(struct inode *in, const struct iattr *a);	/* permission already checked; -EPERM */
	int (*permission)(struct inode *in, const struct cred *cred, unsigned mask);	/* mode bits */
	/* Extended attributes: value length or -errno (-ENODATA, -ERANGE when @n is short and not 0). */
	ssize_t (*getxattr)(struct inode *in, const char *name, void *buf, size_t n);	/* -EOPNOTSUPP */
	int (*setxattr)(struct inode *in, const char *name, const void *buf, size_t n, int flags); /* NULL buf removes; -EOPNOTSUPP */
	ssize_t (*listxattr)(struct inode *in, char *buf, size_t n);	/* empty list */
	void (*release)(struct inode *in);	/* last reference: frees */
};

struct inode {
	struct ref ref;
	const struct inode_ops *ops;	/* I */
	struct super *sb;		/* I: reference, but for anonymous inodes */
	uint64_t ino;			/* I */
	uint64_t rdev;			/* I */
	_Atomic uint32_t mode;		/* a: type bits never change */
	_Atomic uint32_t uid, gid, nlink;	/* a */
	_Atomic int64_t size;		/* a */
	_Atomic int64_t atime, mtime, ctime;	/* a: ns */
	_Atomic uint64_t blocks;	/* a */
	atomic_int writers;		/* a: open for writing; < 0: being executed (ETXTBSY) */
	atomic_int readers;		/* a: regular files: open for reading only */
	atomic_int nleases;		/* a: owned by lease.c */
	struct mutex lock;		/* lc_inode: attribute changes; setattr takes it itself */
	struct mutex write_lock;	/* lc_write: the VFS serialises write, truncate, fallocate of a regular
					 * file; of a directory: whoever adds a name holds it, and who removes
					 * the directory, so that it stays empty meanwhile */
	atomic_bool linkable;		/* a: link(2) may give it its first name (O_TMPFILE) */
	atomic_bool dead;		/* a: a removed directory: no name can be made in it */
	struct mutex dir_lock;		/* lc_dir: entries, when a directory */
	struct flock_list *locks;	/* owned by flock.c; NULL until used */
	struct watch_list *watches;	/* owned by inotify.c; NULL until used */
	struct acl *acl[2];		/* owned by acl.c: access, default; NULL: none */
	struct dnotify *dnotify;	/* owned by dnotify.c; NULL: none */
	struct pipe *fifo;		/* owned by pipefs.c: an open FIFO's pipe */
	struct usock *bound;		/* owned by unix.c: the socket bound here */
};
LOCK_OPS(inode, struct inode, lock)
LOCK_OPS(dir, struct inode, dir_lock)
LOCK_OPS(write, struct inode, write_lock)

/* @sb may be NULL (anonymous): else a reference is taken.  ino 0: a fresh number. */
void inode_init(struct inode *in, const struct inode_ops *ops, struct super *sb,
	uint64_t ino, uint32_t mode, uint32_t uid, uint32_t gid);
void inode_fini(struct inode *in);
struct inode *inode_get(struct inode *in);
void inode_put(struct inode *in);	/* NULL is fine */
/* For pipes, eventfds, sockets...: an inode that only fstat(2) sees. */
int inode_new_anon(uint32_t mode, const struct cred *cred, struct inode **out) MUST_CHECK;
int inode_getattr(struct inode *in, struct kstat *st) MUST_CHECK;
/* mask: MAY_READ|MAY_WRITE|MAY_EXEC.  Mode bits, then CAP_DAC_OVERRIDE and friends. */
int inode_permission(struct inode *in, const struct cred *cred, unsigned mask) MUST_CHECK;
#define MAY_EXEC	1
#define MAY_WRITE	2
#define MAY_READ	4
/* By mode bits and capabilities alone: never sleeps. */
int inode_permission_mode(const struct inode *in, const struct cred *cred, unsigned mask) MUST_CHECK;
/* Group and mode of a new object in @dir: set-group-ID directories hand theirs down. */
void inode_init_owner(const struct inode *dir, const struct cred *cred, uint32_t *mode, uint32_t *gid);
/* "now" for timestamps, ns. */
int64_t inode_now(void);
/* Stores what @a says (not the size) in the fields and sets ctime: setattr of a filesystem in memory. */
void inode_apply(struct inode *in, const struct iattr *a);
/* A read of @f happened: relatime, MS_NOATIME, O_NOATIME.  For filesystems in memory. */
void file_accessed(struct file *f);
/* A change of contents or entries happened: mtime and ctime are now. */
void inode_touch(struct inode *in);
/* exec(2) and O_WRONLY exclude each other: 0, or -ETXTBSY. */
int inode_deny_write(struct inode *in) MUST_CHECK;
void inode_allow_write(struct inode *in);
int inode_add_writer(struct inode *in) MUST_CHECK;	/* counts one in in->writers */

struct fs_context;			/* mount.h */
struct fs_type {
	const char *name;
	bool nodev;			/* shown so in /proc/filesystems */
	/* Makes or finds the filesystem; returns a reference to its super. */
	int (*mount)(const struct fs_context *fc, struct super **out);
};

struct statfs_abi;
struct super_ops {
	int (*statfs)(struct super *sb, struct statfs_abi *out);	/* type and zeros */
	int (*sync)(struct super *sb);			/* nothing to do */
	/* Is the cached dentry still right?  Called with no lock. 1 yes, 0 look it up again. */
	int (*revalidate)(struct super *sb, struct dentry *d);	/* always */
	void (*options)(struct super *sb, struct strbuf *out);	/* for /proc/mounts: ",size=4k" */
	/* The last mount is gone: drop the references that the tree holds on itself.  Nothing to do */
	void (*kill)(struct super *sb);
	void (*release)(struct super *sb);		/* frees */
};

struct super {
	struct ref ref;
	const struct super_ops *ops;	/* I */
	const struct fs_type *type;	/* I */
	uint64_t dev;			/* I: st_dev */
	uint32_t magic;			/* I: statfs f_type */
	struct inode *root;		/* I: reference (broken by the last put: see super_put) */
	struct mutex rename_lock;	/* lc_rename */
	bool readonly;			/* I: EROFS for every change */
	bool acls;			/* I: objects may have access control lists */
	bool uncached;			/* I: names are not kept once unused (proc) */
	atomic_int nmounts;		/* a: mounts of this super; owned by mount.c */
	struct dentry *droot;		/* owned by mount.c: reference while mounted */
};
LOCK_OPS(rename, struct super, rename_lock)
/* One reference; ops->release is called when nobody but its own root inode holds it. */
void super_init(struct super *sb, const struct super_ops *ops, const struct fs_type *type, uint32_t magic);
struct super *super_get(struct super *sb);
void super_put(struct super *sb);

/*
 * A directory listing.  Returns false when the buffer is full: stop, without
 * advancing past this entry.  @next is the position after it (d_off).
 */
bool dirsink_emit(struct dirsink *to, const char *name, size_t len, uint64_t ino,
	unsigned type, int64_t next);
/*
 * A filesystem emits "." and ".." itself.  This does it for one whose own
 * positions begin at 2: false when the buffer is full.
 */
bool dirsink_dots(struct file *f, struct dirsink *to, int64_t *pos);
