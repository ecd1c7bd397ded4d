/*
 * mount.h - dentries, mounts and mount namespaces.
 *
 * A dentry is a name in a parent; inode NULL makes it a negative one.  The
 * dentry tree of a super is a cache of its names; a used dentry pins its
 * parents.  A mount puts the tree of a super (from some dentry on) on top of a
 * dentry of another mount.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/list.h"
#include "core/lock.h"
#include "core/ref.h"
#include "core/waitq.h"
#include "kernel/vfs/path.h"

struct cred;
struct file;
struct fs_type;
struct inode;
struct kernel;
struct strbuf;
struct super;
struct task;

struct dentry {
	struct ref ref;			/* 0: cached, on the LRU */
	struct super *sb;		/* I: borrowed: the mount holds it */
	struct dentry *parent GUARDED_BY(lc_dcache);	/* itself at the root */
	struct inode *inode GUARDED_BY(lc_dcache);	/* reference; NULL: negative.  Only a positive
					 * dentry's own reference may read it without the lock */
	struct list hash_link, sibling, children, lru GUARDED_BY(lc_dcache);
	uint32_t hash GUARDED_BY(lc_dcache);
	atomic_int nmounts;		/* a: mounts on this dentry, any namespace */
	atomic_int nsynth;		/* a: synthetic children, made for mount points */
	bool synthetic;			/* I: not in the filesystem: a mount point made up for a container */
	atomic_bool referenced;		/* a: used since it went on the LRU */
	bool unhashed GUARDED_BY(lc_dcache);	/* deleted, or replaced by a rename */
	uint16_t len GUARDED_BY(lc_dcache);
	char *name GUARDED_BY(lc_dcache);	/* inline_name, or malloc'ed */
	char inline_name[40];
};

struct mnt_ns;
struct mount {
	struct ref ref;
	int id;				/* I */
	struct super *sb;		/* I: reference */
	struct dentry *root;		/* I: reference */
	struct mnt_ns *ns;		/* I: borrowed */
	struct mount *parent GUARDED_BY(lc_mounts);	/* NULL: root, or detached */
	struct dentry *point GUARDED_BY(lc_mounts);	/* reference: where, in parent */
	struct list link GUARDED_BY(lc_mounts);		/* in ns->mounts, mount order */
	atomic_uint flags;		/* a: MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME... */
	char *source;			/* I: first column of /proc/mounts */
	struct list hash_link GUARDED_BY(lc_mounts);	/* by (parent, point) */
	bool expired GUARDED_BY(lc_mounts);		/* umount2(MNT_EXPIRE) was here once */
};

struct mnt_ns {
	struct ref ref;
	struct mount *root;		/* I after creation: reference */
	struct list mounts GUARDED_BY(lc_mounts);
	atomic_uint seq;		/* a: changes with each mount and umount (poll of /proc/mounts) */
	struct waitq waitq;		/* woken (EPOLLERR|EPOLLPRI) with each change of seq */
};

/* What a mount(2), or a mount of the OCI spec, asks for. */
struct fs_context {
	const struct fs_type *type;
	const char *source;
	const char *data;		/* comma-separated options of the filesystem; may be NULL */
	unsigned flags;			/* MS_* */
	const struct cred *cred;
	int sock;			/* gofer: 9P socket, else -1.  fs_type.mount consumes it on success,
					 * mount_add() and mnt_ns_create() in any case */
	bool exclusive;			/* gofer: --file-access=exclusive */
	struct task *task;		/* who asks; NULL at start-up */
	struct pid_ns *pid_ns;		/* proc */
};

void vfs_init(void);			/* before all else; a second call does nothing */

/* The object behind a name that the caller holds a reference on: borrowed; NULL: negative. */
static inline struct inode *dentry_inode(const struct dentry *d)
{
	return __atomic_load_n(&d->inode, __ATOMIC_ACQUIRE);
}
static inline struct inode *path_inode(const struct path *p)
{
	return dentry_inode(p->dentry);
}
struct dentry *dentry_get(struct dentry *d);
void dentry_put(struct dentry *d);
struct mount *mount_get(struct mount *m);
void mount_put(struct mount *m);
struct mnt_ns *mnt_ns_get(struct mnt_ns *ns);
void mnt_ns_put(struct mnt_ns *ns);	/* the last one unmounts everything */

const struct fs_type *fs_type_find(const char *name);	/* table in fs_types.c */
const struct fs_type *fs_type_next(unsigned i);		/* the i-th row, NULL after the last: /proc/filesystems */
/* A new namespace whose root is a fresh mount of @fc.  Returns a reference. */
int mnt_ns_create(const struct fs_context *fc, struct mnt_ns **out) MUST_CHECK;
/* The one mount of @type that is in no namespace: a reference.  Made at the first call. */
int mount_internal(const struct fs_type *type, struct mount **out) MUST_CHECK;
/* Mounts @fc on @where (borrowed). */
int mount_add(struct mnt_ns *ns, const struct fs_context *fc, const struct path *where) MUST_CHECK;
int mount_bind(struct mnt_ns *ns, const struct path *from, const struct path *where, bool recursive) MUST_CHECK;
/* A copy of all mounts (CLONE_NEWNS); @root and @cwd move to their counterparts in it. */
int mnt_ns_copy(struct mnt_ns *from, struct path *root, struct path *cwd, struct mnt_ns **out) MUST_CHECK;
int mount_remount(const struct path *where, unsigned flags, const char *data, bool bind) MUST_CHECK;
int mount_move(struct task *t, const struct path *from, const struct path *where) MUST_CHECK;
/* Text of /proc/PID/mounts, mountinfo or mountstats, as seen from @root. */
enum mounts_format { MOUNTS_MTAB, MOUNTS_INFO, MOUNTS_STATS };
void mounts_show(struct mnt_ns *ns, const struct path *root, enum mounts_format how, struct strbuf *out);
/* pivot_root(2): both are mount roots or directories as it demands; already looked up. */
int mount_pivot(struct task *t, const struct path *new_root, const struct path *put_old) MUST_CHECK;
/* The topmost mount on @p, if any: replaces @p by its root.  True when it did. */
bool path_follow_mount(struct path *p);
/* From the root of a mount to the place that it covers; false at the top of the tree. */
bool path_leave_mount(struct path *p);
/* The n-th mount in order of mounting: a reference, or NULL after the last. */
struct mount *mnt_ns_nth(struct mnt_ns *ns, size_t n, int *parent_id);
void mnt_ns_sync(struct mnt_ns *ns);	/* sync(2): every super in it */
bool mount_is_ours(const struct mount *m, const struct mnt_ns *ns);
int mount_remove(struct task *t, const struct path *p, int flags) MUST_CHECK;
/* -EROFS when the mount or its super is read-only. */
int mount_want_write(const struct mount *m) MUST_CHECK;

/*
 * Absolute path of @p as seen from @root, into the end of @buf (size @n): returns
 * the start inside it; NULL and *@err = -ENAMETOOLONG.  A deleted name gets
 * " (deleted)".  A place outside of root (*@reached is then false) is named from
 * the top of its mount on.
 */
char *path_name(const struct path *p, const struct path *root, char *buf, size_t n, int *err);
char *path_name_reached(const struct path *p, const struct path *root, char *buf, size_t n,
	bool *reached, int *err);
