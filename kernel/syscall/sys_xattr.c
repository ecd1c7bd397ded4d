/* sys_xattr.c - extended attributes. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "kernel/mm/mm.h"
#include "kernel/syscall/syscall.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/namei.h"
#include "kernel/vfs/xattr.h"

#define XNAME_MAX 255

enum how { FOLLOW, NOFOLLOW, BY_FD };

/* The path that argument 0 means: references in *@out. */
static int xattr_path(
	struct task *t, struct sysargs a, enum how how, struct path *out)
{
	struct fdref r;
	struct walk w;
	char *name;
	int err = 0;

	if (how == BY_FD) {
		r = fd_borrow(t, arg_int(a, 0));
		if (!r.f)
			return -EBADF;
		*out = r.f->path;
		path_get(out);
		if (!out->dentry)
			err = -EOPNOTSUPP;
		fd_done(&r);
		return err;
	}
	err = copyin_path(t, arg_addr(a, 0), &name);
	if (err)
		return err;
	err = task_walk(t, AT_FDCWD, name, &w);
	if (!err) {
		err = path_lookup(
			&w, name, how == FOLLOW ? LOOKUP_FOLLOW : 0, out);
		walk_done(&w);
	}
	free(name);
	return err;
}

static int xattr_name(struct task *t, uaddr_t u, char name[XNAME_MAX + 1])
{
	ssize_t n = copyinstr(t, name, u, XNAME_MAX + 1);

	if (n == -ENAMETOOLONG || n == 0)
		return -ERANGE;
	return n < 0 ? (int)n : 0;
}

static long do_set(struct task *t, struct sysargs a, enum how how)
{
	size_t n = arg_size(a, 3);
	int flags = arg_int(a, 4);
	char name[XNAME_MAX + 1];
	struct path p;
	void *value;
	long err;

	if (flags & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	err = xattr_name(t, arg_addr(a, 1), name);
	if (err)
		return err;
	if (n > XATTR_VALUE_MAX)
		return -E2BIG;
	value = malloc(n + 1);
	if (!value)
		return -ENOMEM;
	err = n ? copyin(t, value, arg_addr(a, 2), n) : 0;
	if (!err)
		err = xattr_path(t, a, how, &p);
	if (!err) {
		err = vfs_setxattr(&p, task_cred(t), name, value, n, flags);
		path_put(&p);
	}
	free(value);
	return err;
}

long sys_setxattr(struct task *t, struct sysargs a)
{
	return do_set(t, a, FOLLOW);
}

long sys_lsetxattr(struct task *t, struct sysargs a)
{
	return do_set(t, a, NOFOLLOW);
}

long sys_fsetxattr(struct task *t, struct sysargs a)
{
	return do_set(t, a, BY_FD);
}

static long do_get(struct task *t, struct sysargs a, enum how how)
{
	size_t n = MIN(arg_size(a, 3), (size_t)XATTR_VALUE_MAX);
	char name[XNAME_MAX + 1];
	struct path p;
	void *value;
	long ret = xattr_name(t, arg_addr(a, 1), name);

	if (ret)
		return ret;
	value = malloc(n + 1);
	if (!value)
		return -ENOMEM;
	ret = xattr_path(t, a, how, &p);
	if (!ret) {
		ret = vfs_getxattr(&p, task_cred(t), name, value, n);
		path_put(&p);
	}
	if (ret > 0 && n && copyout(t, arg_addr(a, 2), value, (size_t)ret))
		ret = -EFAULT;
	free(value);
	return ret;
}

long sys_getxattr(struct task *t, struct sysargs a)
{
	return do_get(t, a, FOLLOW);
}

long sys_lgetxattr(struct task *t, struct sysargs a)
{
	return do_get(t, a, NOFOLLOW);
}

long sys_fgetxattr(struct task *t, struct sysargs a)
{
	return do_get(t, a, BY_FD);
}

static long do_list(struct task *t, struct sysargs a, enum how how)
{
	size_t n = MIN(arg_size(a, 2), (size_t)XATTR_LIST_ALL);
	struct path p;
	char *list = malloc(n + 1);
	long ret;

	if (!list)
		return -ENOMEM;
	ret = xattr_path(t, a, how, &p);
	if (!ret) {
		ret = vfs_listxattr(&p, task_cred(t), list, n);
		path_put(&p);
	}
	if (ret > 0 && n && copyout(t, arg_addr(a, 1), list, (size_t)ret))
		ret = -EFAULT;
	free(list);
	return ret;
}

long sys_listxattr(struct task *t, struct sysargs a)
{
	return do_list(t, a, FOLLOW);
}

long sys_llistxattr(struct task *t, struct sysargs a)
{
	return do_list(t, a, NOFOLLOW);
}

long sys_flistxattr(struct task *t, struct sysargs a)
{
	return do_list(t, a, BY_FD);
}

static long do_remove(struct task *t, struct sysargs a, enum how how)
{
	char name[XNAME_MAX + 1];
	struct path p;
	long err = xattr_name(t, arg_addr(a, 1), name);

	if (err)
		return err;
	err = xattr_path(t, a, how, &p);
	if (!err) {
		err = vfs_setxattr(&p, task_cred(t), name, NULL, 0, 0);
		path_put(&p);
	}
	return err;
}

long sys_removexattr(struct task *t, struct sysargs a)
{
	return do_remove(t, a, FOLLOW);
}

long sys_lremovexattr(struct task *t, struct sysargs a)
{
	return do_remove(t, a, NOFOLLOW);
}

long sys_fremovexattr(struct task *t, struct sysargs a)
{
	return do_remove(t, a, BY_FD);
}
