/* sys_file.c - opening and closing, and what is done to a descriptor. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/fs/memfd.h"
#include "kernel/mm/mm.h"
#include "kernel/syscall/syscall.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/fcntl.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/flock.h"
#include "kernel/vfs/namei.h"

#define G_O_LARGEFILE 0100000
#define G_O_TMPFILE   020000000 /* without O_DIRECTORY */
#define OPEN_KNOWN                                                         \
	(FILE_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | \
		O_NONBLOCK | O_SYNC | O_DSYNC | O_ASYNC | O_DIRECT |       \
		G_O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME |     \
		O_CLOEXEC | O_PATH | G_O_TMPFILE)
#define OPEN_CREATES  (O_CREAT | G_O_TMPFILE)
#define RANGE_UNSHARE 2u
#define RANGE_CLOEXEC 4u

struct open_how_abi {
	uint64_t flags, mode, resolve;
};

static int open_flags_check(int flags)
{
	if (flags & G_O_TMPFILE &&
		(!(flags & O_DIRECTORY) || flags & O_CREAT ||
			(flags & FILE_ACCMODE) == O_RDONLY) &&
		!(flags & O_PATH))
		return -EINVAL;
	return 0;
}

static long do_open(struct task *t, int dfd, uaddr_t upath, int flags,
	uint32_t mode, unsigned lookup)
{
	struct file *f;
	struct walk w;
	char *name;
	int fd, err = open_flags_check(flags);

	if (err)
		return err;
	err = copyin_path(t, upath, &name);
	if (err)
		return err;
	fd = fd_reserve(t, 0);
	if (fd < 0) {
		free(name);
		return fd;
	}
	err = task_walk(t, dfd, name, &w);
	if (!err) {
		err = vfs_open(&w, name, flags, mode, lookup, &f);
		walk_done(&w);
	}
	free(name);
	if (err) {
		fd_unreserve(t, fd);
		return err;
	}
	fd_install(t, fd, f, flags);
	return fd;
}

long sys_open(struct task *t, struct sysargs a)
{
	return do_open(t, AT_FDCWD, arg_addr(a, 0), arg_int(a, 1) & OPEN_KNOWN,
		arg_uint(a, 2), 0);
}

long sys_openat(struct task *t, struct sysargs a)
{
	return do_open(t, arg_int(a, 0), arg_addr(a, 1),
		arg_int(a, 2) & OPEN_KNOWN, arg_uint(a, 3), 0);
}

long sys_creat(struct task *t, struct sysargs a)
{
	return do_open(t, AT_FDCWD, arg_addr(a, 0),
		O_CREAT | O_WRONLY | O_TRUNC, arg_uint(a, 1), 0);
}

/* Reads struct open_how of any size: what we do not know must be zero. */
static int copyin_how(
	struct task *t, uaddr_t u, size_t n, struct open_how_abi *how)
{
	char extra[64];
	int err;

	if (n < sizeof *how)
		return -EINVAL;
	if (n > PAGE_SIZE)
		return -E2BIG;
	err = copyin(t, how, u, sizeof *how);
	for (size_t at = sizeof *how; !err && at < n;) {
		size_t len = MIN(n - at, sizeof extra);

		err = copyin(t, extra, uaddr_add(u, at), len);
		for (size_t i = 0; !err && i < len; i++)
			if (extra[i])
				err = -E2BIG;
		at += len;
	}
	return err;
}

/* RESOLVE_* to LOOKUP_*. */
static int resolve_flags(uint64_t resolve, unsigned *lookup)
{
	static const unsigned map[] = {
		LOOKUP_NO_XDEV,
		LOOKUP_NO_MAGIC,
		LOOKUP_NO_LINKS,
		LOOKUP_BENEATH,
		LOOKUP_IN_ROOT,
	};

	*lookup = 0;
	if (resolve & ~63ULL || (resolve & 24) == 24)
		return -EINVAL;
	if (resolve & 32) /* RESOLVE_CACHED */
		return -EAGAIN;
	for (int i = 0; i < 5; i++)
		if (resolve >> i & 1)
			*lookup |= map[i];
	if (*lookup & LOOKUP_NO_LINKS)
		*lookup |= LOOKUP_NO_MAGIC;
	return 0;
}

long sys_openat2(struct task *t, struct sysargs a)
{
	struct open_how_abi how;
	unsigned lookup;
	int err = copyin_how(t, arg_addr(a, 2), arg_size(a, 3), &how);

	if (err)
		return err;
	if (how.flags & ~(uint64_t)OPEN_KNOWN || how.mode & ~07777ULL ||
		(how.mode && !(how.flags & OPEN_CREATES)))
		return -EINVAL;
	if (how.flags & O_PATH &&
		how.flags & ~(uint64_t)(O_PATH | O_DIRECTORY | O_NOFOLLOW |
					O_CLOEXEC))
		return -EINVAL;
	err = resolve_flags(how.resolve, &lookup);
	if (err)
		return err;
	return do_open(t, arg_int(a, 0), arg_addr(a, 1), (int)how.flags,
		(uint32_t)how.mode, lookup);
}

long sys_close(struct task *t, struct sysargs a)
{
	return fd_close(t, arg_int(a, 0));
}

long sys_close_range(struct task *t, struct sysargs a)
{
	unsigned first = arg_uint(a, 0), last = arg_uint(a, 1);
	unsigned flags = arg_uint(a, 2);
	int err;

	if (flags & ~(RANGE_UNSHARE | RANGE_CLOEXEC) || first > last)
		return -EINVAL;
	if (flags & RANGE_UNSHARE) {
		err = fdtable_unshare(t);
		if (err)
			return err;
	}
	return fd_close_range(t, first, last, flags & RANGE_CLOEXEC);
}

long sys_dup(struct task *t, struct sysargs a)
{
	struct file *f = fd_lookup_path(t, arg_int(a, 0));

	return f ? fd_open(t, f, 0) : -EBADF;
}

static long do_dup3(struct task *t, int from, int to, int flags)
{
	struct file *f = fd_lookup_path(t, from);

	if (!f)
		return -EBADF;
	return fd_replace(t, to, f, flags);
}

long sys_dup2(struct task *t, struct sysargs a)
{
	int from = arg_int(a, 0), to = arg_int(a, 1);

	if (from == to)
		return fd_get_cloexec(t, from) < 0 ? -EBADF : to;
	return do_dup3(t, from, to, 0);
}

long sys_dup3(struct task *t, struct sysargs a)
{
	int from = arg_int(a, 0), to = arg_int(a, 1), flags = arg_int(a, 2);

	if (flags & ~O_CLOEXEC || from == to)
		return -EINVAL;
	return do_dup3(t, from, to, flags);
}

long sys_fcntl(struct task *t, struct sysargs a)
{
	int fd = arg_int(a, 0);
	struct fdref r = fd_borrow_path(t, fd);
	long ret;

	if (!r.f)
		return -EBADF;
	ret = vfs_fcntl(t, fd, r.f, arg_int(a, 1), a.r[2]);
	fd_done(&r);
	return ret;
}

long sys_ioctl(struct task *t, struct sysargs a)
{
	int fd = arg_int(a, 0);
	struct fdref r = fd_borrow(t, fd);
	long ret;

	if (!r.f)
		return -EBADF;
	ret = vfs_ioctl(t, fd, r.f, arg_uint(a, 1), a.r[2]);
	fd_done(&r);
	return ret;
}

long sys_flock(struct task *t, struct sysargs a)
{
	struct fdref r = fd_borrow(t, arg_int(a, 0));
	long ret;

	if (!r.f)
		return -EBADF;
	ret = vfs_flock(t, r.f, arg_int(a, 1));
	fd_done(&r);
	return ret;
}

long sys_truncate(struct task *t, struct sysargs a)
{
	struct path p;
	struct walk w;
	char *name;
	int err;

	if (arg_i64(a, 1) < 0)
		return -EINVAL;
	err = copyin_path(t, arg_addr(a, 0), &name);
	if (err)
		return err;
	err = task_walk(t, AT_FDCWD, name, &w);
	if (!err) {
		err = path_lookup(&w, name, LOOKUP_FOLLOW, &p);
		walk_done(&w);
	}
	free(name);
	if (err)
		return err;
	err = vfs_truncate(&p, task_cred(t), arg_i64(a, 1));
	path_put(&p);
	return err;
}

long sys_ftruncate(struct task *t, struct sysargs a)
{
	struct fdref r;
	long ret;

	if (arg_i64(a, 1) < 0)
		return -EINVAL;
	r = fd_borrow(t, arg_int(a, 0));
	if (!r.f)
		return -EBADF;
	ret = vfs_ftruncate(r.f, arg_i64(a, 1));
	fd_done(&r);
	return ret;
}

long sys_memfd_create(struct task *t, struct sysargs a)
{
	char name[MEMFD_NAME_MAX + 1];
	unsigned flags = arg_uint(a, 1);
	struct file *f;
	ssize_t n;
	int err;

	if (flags & ~MEMFD_FLAGS)
		return -EINVAL;
	n = copyinstr(t, name, arg_addr(a, 0), sizeof name);
	if (n < 0)
		return n == -ENAMETOOLONG ? -EINVAL : n;
	err = memfd_create_file(name, flags, task_cred(t), &f);
	return err ? err : fd_open(t, f, flags & 1 ? O_CLOEXEC : 0);
}
