/* fd.c - /proc/PID/{fd,fdinfo,ns}: links that lead straight to an object. */
#include <errno.h>
#include <limits.h>
#undef PAGE_SIZE /* musl's; ours is the same */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/fs/anon.h"
#include "kernel/fs/proc/proc.h"
#include "kernel/kernel.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/flock.h"
#include "kernel/vfs/mount.h"

/* --- fd */

/* The open file @fd of @p's process, a reference; NULL. */
static struct file *fd_file(struct proc_inode *p, int fd, bool *cloexec)
{
	struct fdtable *fdt = task_fdtable(p->task);
	struct file *f = NULL;
	int at;

	if (!fdt)
		return NULL;
	at = fdtable_next(fdt, fd, &f, cloexec);
	fdtable_put(fdt);
	if (at == fd)
		return f;
	if (at >= 0)
		file_put(f);
	return NULL;
}

static int fd_getlink(
	struct proc_inode *p, UNUSED struct task *t, struct path *out)
{
	bool cloexec;
	struct file *f = fd_file(p, (int)p->arg, &cloexec);
	int err = 0;

	if (!f)
		return -ENOENT;
	if (f->path.dentry) {
		*out = f->path;
		path_get(out);
	} else {
		err = anon_path(f->inode, out);
	}
	file_put(f);
	return err;
}

/* "pipe:[12]", "anon_inode:[eventfd]", or a device's own name. */
static char *anon_name(struct file *f)
{
	const char *name = f->ops->name;
	char buf[64];

	if (strchr(name, ':') || *name == '/')
		return strdup(name);
	snprintf(buf, sizeof buf, "%s:[%llu]", name,
		(unsigned long long)f->inode->ino);
	return strdup(buf);
}

static int fd_readlink(struct proc_inode *p, struct task *t, char **target)
{
	bool cloexec;
	struct file *f = fd_file(p, (int)p->arg, &cloexec);
	char *buf, *name;
	struct path root;
	int err = 0;

	if (!f)
		return -ENOENT;
	if (!f->path.dentry) {
		*target = anon_name(f);
		file_put(f);
		return *target ? 0 : -ENOMEM;
	}
	buf = malloc(PATH_MAX);
	proc_root_of(t, &root);
	name = buf ? path_name(&f->path, &root, buf, PATH_MAX, &err) : NULL;
	path_put(&root);
	*target = name ? strdup(name) : NULL;
	free(buf);
	file_put(f);
	if (err)
		return err;
	return *target ? 0 : -ENOMEM;
}

static const struct proc_node fd_link = {
	.name = "fd",
	.mode = S_IFLNK | 0700,
	.readlink = fd_readlink,
	.getlink = fd_getlink,
	.ptrace = true,
};

static int show_fdinfo(struct proc_inode *p, struct strbuf *out)
{
	bool cloexec = false;
	struct file *f = fd_file(p, (int)p->arg, &cloexec);

	if (!f)
		return -ENOENT;
	sb_printf(out, "pos:\t%lld\nflags:\t0%o\nmnt_id:\t%d\nino:\t%llu\n",
		(long long)file_pos(f),
		(unsigned)(f->mode | atomic_load(&f->flags) |
			   (cloexec ? O_CLOEXEC : 0)),
		f->path.mnt ? f->path.mnt->id : 15,
		(unsigned long long)f->inode->ino);
	flock_show(f, out);
	if (f->ops->fdinfo)
		f->ops->fdinfo(f, out);
	file_put(f);
	return 0;
}

static const struct proc_node fdinfo_file = {
	.name = "fdinfo",
	.mode = S_IFREG | 0444,
	.show = show_fdinfo,
	.ptrace = true,
};

static int fd_lookup_as(struct proc_inode *dir, const struct proc_node *node,
	const char *name, size_t len, struct inode **out)
{
	int64_t fd = proc_number(name, len);
	bool cloexec;
	struct file *f;
	int err = fd < 0 ? -ENOENT : proc_may_look(dir);

	if (err)
		return err == -EACCES ? -ENOENT : err;
	f = fd_file(dir, (int)fd, &cloexec);
	if (!f)
		return -ENOENT;
	err = proc_inode_new(dir, node, dir->task, fd, out);
	if (!err && S_ISLNK(node->mode))
		(*out)->mode = S_IFLNK | (file_readable(f) ? 0500 : 0) |
			       (file_writable(f) ? 0300 : 0);
	file_put(f);
	return err;
}

int proc_fd_lookup(struct proc_inode *dir, const char *name, size_t len,
	struct inode **out)
{
	return fd_lookup_as(dir, &fd_link, name, len, out);
}

int proc_fdinfo_lookup(struct proc_inode *dir, const char *name, size_t len,
	struct inode **out)
{
	return fd_lookup_as(dir, &fdinfo_file, name, len, out);
}

void proc_fd_list(struct proc_inode *dir, struct dirsink *to, int64_t *pos)
{
	struct fdtable *fdt = task_fdtable(dir->task);
	bool links = !strcmp(dir->node->name, "fd"), room = true, cloexec;
	struct file *f;
	char name[16];
	int fd;

	while (fdt && room) {
		fd = fdtable_next(fdt, (int)*pos, &f, &cloexec);
		if (fd < 0)
			break;
		file_put(f);
		snprintf(name, sizeof name, "%d", fd);
		room = proc_emit(dir, to, name,
			(links ? S_IFLNK : S_IFREG) >> 12, fd + 1);
		if (room)
			*pos = fd + 1;
	}
	fdtable_put(fdt);
}

/* --- ns */

#define NS_FIRST 4026532000U

struct ns_kind {
	const char *link, *type;
	uint32_t fixed; /* inode number; 0: one for each container */
	unsigned offset;
};

static const struct ns_kind ns_kinds[] = {
	{ "cgroup", "cgroup", 4026531835U, 0 },
	{ "ipc", "ipc", 0, 1 },
	{ "mnt", "mnt", 0, 2 },
	{ "net", "net", 4026531840U, 0 },
	{ "pid", "pid", 0, 3 },
	{ "pid_for_children", "pid", 0, 3 },
	{ "time", "time", 4026531834U, 0 },
	{ "time_for_children", "time", 4026531834U, 0 },
	{ "user", "user", 4026531837U, 0 },
	{ "uts", "uts", 0, 4 },
};

static const struct ns_kind *ns_kind(struct proc_inode *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(ns_kinds); i++)
		if (!strcmp(ns_kinds[i].link, p->node->name))
			return &ns_kinds[i];
	return &ns_kinds[0];
}

/*
 * GAP: a namespace is told by its container, and the mount namespace by its
 * root mount: one made by unshare(CLONE_NEWUTS or CLONE_NEWIPC) has its
 * parent's number.
 */
static uint32_t ns_ino(struct proc_inode *p)
{
	const struct ns_kind *k = ns_kind(p);
	struct task *t = p->task;
	uint32_t id = 0;

	if (k->fixed)
		return k->fixed;
	if (k->offset == 2) {
		mutex_acquire(&t->res_lock);
		if (t->mnt_ns)
			id = (uint32_t)t->mnt_ns->root->id;
		mutex_release(&t->res_lock);
	} else if (t->tg->container && t->tg->container->mnt_ns) {
		id = (uint32_t)t->tg->container->mnt_ns->root->id;
	}
	return NS_FIRST + id * 8 + k->offset;
}

static int ns_readlink(
	struct proc_inode *p, UNUSED struct task *t, char **target)
{
	char buf[64];

	snprintf(buf, sizeof buf, "%s:[%u]", ns_kind(p)->type, ns_ino(p));
	*target = strdup(buf);
	return *target ? 0 : -ENOMEM;
}

static void nsfs_release(struct inode *in)
{
	inode_fini(in);
	free(in);
}

static void nsfs_file_release(struct file *f)
{
	file_fini(f);
	free(f);
}

static const struct file_ops nsfs_file_ops = {
	.name = "nsfs",
	.release = nsfs_file_release,
};

static int nsfs_open(struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	struct file *f = malloc(sizeof *f);

	if (!f)
		return -ENOMEM;
	file_init(f, &nsfs_file_ops, flags, in, path, cred);
	*out = f;
	return 0;
}

static const struct inode_ops nsfs_ops = {
	.open = nsfs_open,
	.release = nsfs_release,
};

static int ns_getlink(
	struct proc_inode *p, UNUSED struct task *t, struct path *out)
{
	struct inode *in = malloc(sizeof *in);
	int err;

	if (!in)
		return -ENOMEM;
	inode_init(in, &nsfs_ops, NULL, ns_ino(p), S_IFREG | 0444, 0, 0);
	err = anon_path(in, out);
	inode_put(in);
	return err;
}

#define NS(n)                                                               \
	{                                                                   \
		.name = n, .mode = S_IFLNK | 0777, .readlink = ns_readlink, \
		.getlink = ns_getlink, .ptrace = true                       \
	}

const struct proc_node proc_ns[] = {
	NS("cgroup"),
	NS("ipc"),
	NS("mnt"),
	NS("net"),
	NS("pid"),
	NS("pid_for_children"),
	NS("time"),
	NS("time_for_children"),
	NS("user"),
	NS("uts"),
	{ .name = NULL },
};
