/* sys_mount.c - mounts, roots, and flushing of whole filesystems. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "kernel/mm/mm.h"
#include "kernel/syscall/syscall.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/namei.h"

#define PROPAGATION  (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)
#define G_MS_MGC_VAL 0xc0ed0000u
#define G_MS_MGC_MSK 0xffff0000u

/* A path name of the guest, looked up: references in *@out. */
static int lookup_user(
	struct task *t, uaddr_t u, unsigned flags, struct path *out)
{
	struct walk w;
	char *name;
	int err = copyin_path(t, u, &name);

	if (err)
		return err;
	err = task_walk(t, AT_FDCWD, name, &w);
	if (!err) {
		err = path_lookup(&w, name, flags, out);
		walk_done(&w);
	}
	free(name);
	return err;
}

/* An optional string: NULL stays NULL. */
static int string_in(struct task *t, uaddr_t u, char **out)
{
	char *s;
	ssize_t n;

	*out = NULL;
	if (uaddr_null(u))
		return 0;
	s = malloc(PAGE_SIZE);
	if (!s)
		return -ENOMEM;
	n = copyinstr(t, s, u, PAGE_SIZE);
	if (n < 0) {
		free(s);
		return n == -ENAMETOOLONG ? -EINVAL : (int)n;
	}
	*out = s;
	return 0;
}

static int mount_new_type(struct task *t, const struct path *where,
	const char *source, const char *type, unsigned flags, const char *data)
{
	struct fs_context fc = {
		.type = type ? fs_type_find(type) : NULL,
		.source = source,
		.data = data,
		.flags = flags,
		.cred = task_cred(t),
		.sock = -1,
		.task = t,
		.pid_ns = t->tg->pid_ns,
	};

	if (!type)
		return -EINVAL;
	/* A gofer's socket only comes from outside. */
	if (!fc.type || strcmp(type, "9p") == 0)
		return -ENODEV;
	return mount_add(t->mnt_ns, &fc, where);
}

/* GAP: every mount is private; sharing is accepted for the mount alone. */
static int mount_propagation(const struct path *where, unsigned flags)
{
	unsigned type = flags & PROPAGATION;

	if (flags & ~(PROPAGATION | MS_REC | MS_SILENT) || type & (type - 1))
		return -EINVAL;
	if (where->dentry != where->mnt->root)
		return -EINVAL;
	return type == MS_UNBINDABLE ? -EINVAL : 0;
}

static int mount_from(struct task *t, const char *source,
	const struct path *where, unsigned flags)
{
	struct path from;
	struct walk w;
	int err;

	if (!source || !*source)
		return source ? -ENOENT : -EINVAL;
	err = task_walk(t, AT_FDCWD, source, &w);
	if (err)
		return err;
	err = path_lookup(&w, source, LOOKUP_FOLLOW, &from);
	walk_done(&w);
	if (err)
		return err;
	if (flags & MS_MOVE)
		err = mount_move(t, &from, where);
	else if (!mount_is_ours(from.mnt, t->mnt_ns))
		err = -EINVAL;
	else
		err = mount_bind(t->mnt_ns, &from, where, flags & MS_REC);
	path_put(&from);
	return err;
}

static int do_mount(struct task *t, const struct path *where,
	const char *source, const char *type, unsigned flags, const char *data)
{
	if ((flags & (MS_REMOUNT | MS_BIND)) == (MS_REMOUNT | MS_BIND))
		return mount_remount(where, flags, data, true);
	if (flags & MS_REMOUNT)
		return mount_remount(where, flags, data, false);
	if (flags & (MS_BIND | MS_MOVE) && !(flags & PROPAGATION))
		return mount_from(t, source, where, flags);
	if (flags & PROPAGATION)
		return mount_propagation(where, flags);
	return mount_new_type(t, where, source, type, flags, data);
}

long sys_mount(struct task *t, struct sysargs a)
{
	unsigned flags = arg_uint(a, 3);
	char *source, *type = NULL, *data = NULL;
	struct path where;
	int err = string_in(t, arg_addr(a, 2), &type);

	if (err)
		return err;
	err = string_in(t, arg_addr(a, 0), &source);
	if (!err)
		err = string_in(t, arg_addr(a, 4), &data);
	if (!err)
		err = lookup_user(t, arg_addr(a, 1), LOOKUP_FOLLOW, &where);
	if (!err) {
		if ((flags & G_MS_MGC_MSK) == G_MS_MGC_VAL)
			flags &= ~G_MS_MGC_MSK;
		err = !task_capable(t, CAP_SYS_ADMIN)
			      ? -EPERM
			      : do_mount(t, &where, source, type, flags, data);
		path_put(&where);
	}
	free(source);
	free(type);
	free(data);
	return err;
}

long sys_umount2(struct task *t, struct sysargs a)
{
	int flags = arg_int(a, 1);
	struct path p;
	int err;

	if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))
		return -EINVAL;
	if (!task_capable(t, CAP_SYS_ADMIN))
		return -EPERM;
	if (flags & MNT_EXPIRE && flags & (MNT_FORCE | MNT_DETACH))
		return -EINVAL;
	err = lookup_user(t, arg_addr(a, 0),
		flags & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	err = mount_remove(t, &p, flags);
	path_put(&p);
	return err;
}

long sys_pivot_root(struct task *t, struct sysargs a)
{
	struct path new, old;
	int err;

	if (!task_capable(t, CAP_SYS_ADMIN))
		return -EPERM;
	err = lookup_user(t, arg_addr(a, 0), LOOKUP_FOLLOW | LOOKUP_DIR, &new);
	if (err)
		return err;
	err = lookup_user(t, arg_addr(a, 1), LOOKUP_FOLLOW | LOOKUP_DIR, &old);
	if (!err) {
		err = mount_pivot(t, &new, &old);
		path_put(&old);
	}
	path_put(&new);
	return err;
}

/* The task's root or working directory becomes @p, whose references it takes.
 */
static void fsctx_set(struct task *t, struct path *p, bool root)
{
	struct path *at = root ? &t->fs->root : &t->fs->cwd, old;

	fsctx_lock(t->fs);
	old = *at;
	*at = *p;
	fsctx_unlock(t->fs);
	*p = old;
}

static long change_dir(struct task *t, uaddr_t name, bool root)
{
	struct path p;
	long err = lookup_user(t, name, LOOKUP_FOLLOW | LOOKUP_DIR, &p);

	if (err)
		return err;
	err = inode_permission(path_inode(&p), task_cred(t), MAY_EXEC);
	if (!err && root && !task_capable(t, CAP_SYS_CHROOT))
		err = -EPERM;
	if (!err)
		fsctx_set(t, &p, root);
	path_put(&p);
	return err;
}

long sys_chdir(struct task *t, struct sysargs a)
{
	return change_dir(t, arg_addr(a, 0), false);
}

long sys_chroot(struct task *t, struct sysargs a)
{
	return change_dir(t, arg_addr(a, 0), true);
}

long sys_fchdir(struct task *t, struct sysargs a)
{
	struct fdref r = fd_borrow_path(t, arg_int(a, 0));
	struct path p = { NULL, NULL };
	long err;

	if (!r.f)
		return -EBADF;
	if (!S_ISDIR(r.f->inode->mode) || !r.f->path.dentry)
		err = -ENOTDIR;
	else
		err = inode_permission(r.f->inode, task_cred(t), MAY_EXEC);
	if (!err) {
		p = r.f->path;
		path_get(&p);
		fsctx_set(t, &p, false);
	}
	fd_done(&r);
	path_put(&p);
	return err;
}

long sys_sync(struct task *t, struct sysargs a)
{
	(void)a;
	mnt_ns_sync(t->mnt_ns);
	return 0;
}

long sys_syncfs(struct task *t, struct sysargs a)
{
	struct fdref r = fd_borrow(t, arg_int(a, 0));
	struct super *sb;
	long err = 0;

	if (!r.f)
		return -EBADF;
	sb = r.f->inode->sb;
	if (sb && sb->ops->sync)
		err = sb->ops->sync(sb);
	fd_done(&r);
	return err;
}

/* No filesystem has quotas. */
long sys_quotactl(struct task *t, struct sysargs a)
{
	(void)t;
	(void)a;
	return -ENOSYS;
}
