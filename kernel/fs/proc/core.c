/*
 * core.c - inodes, directories and text files of /proc.
 *
 * Nothing is cached: a lookup makes an inode, an open file keeps the text that
 * it showed until it is read from the start again, as a seq_file does.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "kernel/fs/proc/proc.h"
#include "kernel/fs/types.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/mount.h"

#define PROC_MAGIC 0x9fa0
#define TEXT_FIRST 4096
#define TEXT_MAX   (64U << 20)
#define STORE_MAX  4096
#define LIST_FIRST 256 /* positions below are the fixed names */

struct proc_super {
	struct super sb;
	struct pid_ns *ns; /* reference */
};

struct proc_file {
	struct file f;
	struct mutex lock;
	char *text GUARDED_BY(lc_evfile); /* malloc'ed; NULL: not shown yet */
	size_t len GUARDED_BY(lc_evfile);
	struct mnt_ns *ns; /* I: reference, of a file with node->mounts; NULL */
	atomic_uint seen;  /* a: its seq when somebody last polled */
};
LOCK_OPS(evfile, struct proc_file, lock)

static const struct inode_ops proc_inode_ops, proc_link_ops, proc_magic_ops;

/* --- helpers of the nodes */

int64_t proc_number(const char *name, size_t len)
{
	int64_t v = 0;

	if (!len || len > 10 || (name[0] == '0' && len > 1))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		v = v * 10 + name[i] - '0';
	}
	return v > INT32_MAX ? -1 : v;
}

void proc_bytes(struct strbuf *out, const void *p, size_t n)
{
	size_t room = out->cap - out->len;

	if (n + 1 > room) {
		out->cut = true;
		return;
	}
	memcpy(out->p + out->len, p, n);
	out->len += n;
	out->p[out->len] = 0;
}

void proc_root_of(struct task *t, struct path *root)
{
	struct fsctx *fs = t ? task_fsctx(t) : NULL;

	*root = (struct path){ NULL, NULL };
	if (!fs)
		return;
	fsctx_lock(fs);
	*root = fs->root;
	path_get(root);
	fsctx_unlock(fs);
	fsctx_put(fs);
}

int proc_may_look(struct proc_inode *p)
{
	if (!p->task || !current)
		return 0;
	return task_may_access(current, p->task) ? -EACCES : 0;
}

bool proc_gone(struct proc_inode *p)
{
	struct task *t;
	bool gone;

	if (!p->task)
		return false;
	t = task_lookup(p->ns, p->task->tid);
	gone = t != p->task;
	task_put(t);
	return gone;
}

int proc_show_nothing(UNUSED struct proc_inode *p, UNUSED struct strbuf *out)
{
	return 0;
}

int proc_text(int (*show)(struct proc_inode *p, struct strbuf *out),
	struct proc_inode *p, char **text, size_t *n)
{
	for (size_t size = TEXT_FIRST; size <= TEXT_MAX; size *= 2) {
		char *buf = malloc(size);
		struct strbuf sb;
		int err;

		if (!buf)
			return -ENOMEM;
		sb = strbuf(buf, size);
		err = show(p, &sb);
		if (!err && !sb.cut) {
			*text = buf;
			*n = sb.len;
			return 0;
		}
		free(buf);
		if (err)
			return err;
	}
	return -ENOMEM;
}

/* --- text files */

static struct proc_file *proc_file_of(struct file *f)
{
	return container_of(f, struct proc_file, f);
}

/* Prints the text anew when reading begins. */
static int proc_file_refresh(struct proc_file *pf, int64_t pos)
{
	struct proc_inode *p = proc_of(pf->f.inode);
	char *text, *old;
	size_t len;
	bool have;
	int err;

	evfile_lock(pf);
	have = pf->text != NULL;
	evfile_unlock(pf);
	if (have && pos)
		return 0;
	if (!p->node->show)
		return -EINVAL;
	if (proc_gone(p))
		return -ESRCH;
	err = proc_text(p->node->show, p, &text, &len);
	if (err)
		return err;
	evfile_lock(pf);
	old = pf->text;
	pf->text = text;
	pf->len = len;
	evfile_unlock(pf);
	free(old);
	return 0;
}

static ssize_t proc_file_read(struct file *f, struct uio *to, int64_t *pos)
{
	struct proc_file *pf = proc_file_of(f);
	ssize_t ret;
	int err;

	if (*pos < 0)
		return -EINVAL;
	err = proc_file_refresh(pf, *pos);
	if (err)
		return err;
	evfile_lock(pf);
	if ((uint64_t)*pos >= pf->len || !uio_left(to)) {
		ret = 0;
	} else {
		ret = (ssize_t)uio_put(
			to, pf->text + *pos, pf->len - (size_t)*pos);
		if (!ret)
			ret = -EFAULT;
	}
	evfile_unlock(pf);
	if (ret > 0)
		*pos += ret;
	return ret;
}

static ssize_t proc_file_write(struct file *f, struct uio *from, int64_t *pos)
{
	struct proc_inode *p = proc_of(f->inode);
	char text[STORE_MAX];
	struct uio at = *from;
	size_t n = uio_left(from);
	int err;

	if (!p->node->store || !current)
		return -EIO;
	if (!n)
		return 0;
	n = MIN(n, sizeof text - 1);
	if (uio_get(&at, text, n) < n)
		return -EFAULT;
	text[n] = 0;
	if (proc_gone(p))
		return -ESRCH;
	err = p->node->store(p, current, text, n);
	if (err)
		return err;
	uio_skip(from, n);
	*pos += (int64_t)n;
	return (ssize_t)n;
}

LOCKS_UNCHECKED /* the caller holds the position's lock */
	static int64_t
	proc_file_seek(struct file *f, int64_t off, int whence)
{
	int64_t base = 0;

	(void)f;
	if (whence == SEEK_CUR)
		base = f->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (__builtin_add_overflow(base, off, &off) || off < 0)
		return -EINVAL;
	return off;
}

LOCKS_UNCHECKED /* nobody else has it */
	static void
	proc_file_release(struct file *f)
{
	struct proc_file *pf = proc_file_of(f);

	free(pf->text);
	mnt_ns_put(pf->ns);
	file_fini(f);
	free(pf);
}

static const struct file_ops proc_file_ops = {
	.name = "proc",
	.no_content = true, /* a write takes locks of processes */
	.read = proc_file_read,
	.write = proc_file_write,
	.seek = proc_file_seek,
	.release = proc_file_release,
};

/* A change of the mounts since the last look is an error and "priority":
 * proc(5). */
static unsigned proc_mounts_poll(struct file *f)
{
	struct proc_file *pf = proc_file_of(f);
	unsigned now = atomic_load(&pf->ns->seq);

	if (atomic_exchange(&pf->seen, now) == now)
		return EPOLLIN | EPOLLRDNORM;
	return EPOLLIN | EPOLLRDNORM | EPOLLERR | EPOLLPRI;
}

static struct waitq *proc_mounts_waitq(struct file *f)
{
	return &proc_file_of(f)->ns->waitq;
}

static const struct file_ops proc_mounts_ops = {
	.name = "proc",
	.read = proc_file_read,
	.seek = proc_file_seek,
	.poll = proc_mounts_poll,
	.waitq = proc_mounts_waitq,
	.release = proc_file_release,
};

static struct mnt_ns *proc_mnt_ns(struct proc_inode *p)
{
	struct mnt_ns *ns = NULL;

	if (!p->node->mounts || !p->task)
		return NULL;
	mutex_acquire(&p->task->res_lock);
	if (p->task->mnt_ns)
		ns = mnt_ns_get(p->task->mnt_ns);
	mutex_release(&p->task->res_lock);
	return ns;
}

/* --- directories */

bool proc_emit(struct proc_inode *dir, struct dirsink *to, const char *name,
	unsigned type, int64_t next)
{
	uint64_t h = 14695981039346656037ULL ^ dir->in.ino;

	for (const char *s = name; *s; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211ULL;
	return dirsink_emit(
		to, name, strlen(name), h >> 16, type, LIST_FIRST + next);
}

static int proc_readdir(struct file *f, struct dirsink *to, int64_t *pos)
{
	struct proc_inode *dir = proc_of(f->inode);
	const struct proc_node *kids = dir->node->children;
	int64_t i, at;

	if (proc_gone(dir))
		return -ENOENT;
	if (!dirsink_dots(f, to, pos))
		return 0;
	for (i = 0; kids && kids[i].name; i++) {
		if (i + 2 < *pos)
			continue;
		if (!proc_emit(dir, to, kids[i].name, kids[i].mode >> 12,
			    i + 3 - LIST_FIRST))
			return 0;
		*pos = i + 3;
	}
	if (!dir->node->list)
		return 0;
	at = MAX(*pos - LIST_FIRST, 0L);
	dir->node->list(dir, to, &at);
	*pos = at + LIST_FIRST;
	return 0;
}

static void proc_dir_release(struct file *f)
{
	file_fini(f);
	free(f);
}

static const struct file_ops proc_dir_ops = {
	.name = "proc",
	.readdir = proc_readdir,
	.release = proc_dir_release,
};

static int proc_lookup(
	struct inode *in, const char *name, size_t len, struct inode **out)
{
	struct proc_inode *dir = proc_of(in);
	const struct proc_node *n = dir->node->children;

	if (!S_ISDIR(dir->node->mode))
		return -ENOTDIR;
	if (proc_gone(dir))
		return -ENOENT;
	for (; n && n->name; n++)
		if (strlen(n->name) == len && !memcmp(n->name, name, len))
			return proc_inode_new(dir, n, dir->task, dir->arg, out);
	if (!dir->node->lookup)
		return -ENOENT;
	return dir->node->lookup(dir, name, len, out);
}

/* Nothing can be made here: Linux says that there is no such place. */
static int proc_create(UNUSED struct inode *dir, UNUSED const char *name,
	UNUSED size_t len, UNUSED uint32_t mode, UNUSED const struct cred *cred,
	UNUSED struct inode **out)
{
	return -ENOENT;
}

/* --- inodes */

/* Files of a process belong to whom it runs as, if it may be looked into. */
static void proc_refresh_owner(struct proc_inode *p)
{
	struct cred *c;
	struct mm *mm;

	if (!p->task)
		return;
	mm = task_mm(p->task);
	if ((mm && atomic_load(&mm->dumpable) == 1) ||
		p->node->mode == (S_IFDIR | 0555)) {
		c = task_cred_get(p->task);
		p->in.uid = c->euid;
		p->in.gid = c->egid;
		cred_put(c);
	} else {
		p->in.uid = 0;
		p->in.gid = 0;
	}
	if (mm)
		mm_put(mm);
}

static int proc_getattr(struct inode *in, struct kstat *st)
{
	proc_refresh_owner(proc_of(in));
	st->uid = in->uid;
	st->gid = in->gid;
	st->blksize = 1024;
	return 0;
}

static int proc_permission(
	struct inode *in, const struct cred *cred, unsigned mask)
{
	struct proc_inode *p = proc_of(in);

	proc_refresh_owner(p);
	/* One's own descriptors are one's own, setuid or not. */
	if (p->node->ptrace && S_ISDIR(in->mode) && current && p->task &&
		current->tg == p->task->tg)
		return 0;
	return inode_permission_mode(in, cred, mask);
}

static int proc_open(struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	struct proc_inode *p = proc_of(in);
	struct proc_file *pf;
	struct file *f;
	int err;

	err = p->node->ptrace ? proc_may_look(p) : 0;
	if (err)
		return err;
	if (p->node->open)
		return p->node->open(p, path, flags, cred, out);
	if (S_ISDIR(in->mode)) {
		f = malloc(sizeof *f);
		if (!f)
			return -ENOMEM;
		file_init(f, &proc_dir_ops, flags, in, path, cred);
		*out = f;
		return 0;
	}
	pf = calloc(1, sizeof *pf);
	if (!pf)
		return -ENOMEM;
	pf->ns = proc_mnt_ns(p);
	if (pf->ns)
		atomic_init(&pf->seen, atomic_load(&pf->ns->seq));
	file_init(&pf->f, pf->ns ? &proc_mounts_ops : &proc_file_ops, flags, in,
		path, cred);
	mutex_init(&pf->lock, &lc_evfile);
	*out = &pf->f;
	return 0;
}

static int proc_readlink(struct inode *in, struct task *t, char **target)
{
	struct proc_inode *p = proc_of(in);
	int err = p->node->ptrace ? proc_may_look(p) : 0;

	if (!err && proc_gone(p))
		err = -ENOENT;
	return err ? err : p->node->readlink(p, t, target);
}

static int proc_getlink(struct inode *in, struct task *t, struct path *out)
{
	struct proc_inode *p = proc_of(in);
	int err = p->node->ptrace ? proc_may_look(p) : 0;

	if (!err && proc_gone(p))
		err = -ENOENT;
	return err ? err : p->node->getlink(p, t, out);
}

/* Modes and owners are not the guest's to change; sizes are ignored. */
static int proc_setattr(UNUSED struct inode *in, const struct iattr *a)
{
	return a->valid & (ATTR_MODE | ATTR_UID | ATTR_GID) ? -EPERM : 0;
}

static void proc_inode_release(struct inode *in)
{
	struct proc_inode *p = proc_of(in);

	task_put(p->task);
	inode_fini(in);
	free(p);
}

static const struct inode_ops proc_inode_ops = {
	.lookup = proc_lookup,
	.create = proc_create,
	.mkdir = proc_create,
	.open = proc_open,
	.getattr = proc_getattr,
	.setattr = proc_setattr,
	.permission = proc_permission,
	.release = proc_inode_release,
};

static const struct inode_ops proc_link_ops = {
	.readlink = proc_readlink,
	.getattr = proc_getattr,
	.setattr = proc_setattr,
	.release = proc_inode_release,
};

static const struct inode_ops proc_magic_ops = {
	.readlink = proc_readlink,
	.getlink = proc_getlink,
	.getattr = proc_getattr,
	.setattr = proc_setattr,
	.release = proc_inode_release,
};

static uint64_t proc_ino(
	const struct proc_node *node, struct task *task, int64_t arg)
{
	uint64_t h = (uintptr_t)node / 8;

	if (node->magic_ino)
		return node->magic_ino;
	h = (h * 31 + (uint64_t)(task ? task->tid : 0)) * 0x9e3779b97f4a7c15;
	h = (h + (uint64_t)arg + 1) * 0xff51afd7ed558ccd;
	return h >> 24 | 1;
}

static int proc_inode_make(struct super *sb, struct pid_ns *ns,
	const struct proc_node *node, struct task *task, int64_t arg,
	struct proc_inode **out)
{
	struct proc_inode *p = calloc(1, sizeof *p);
	const struct inode_ops *ops = &proc_inode_ops;

	if (!p)
		return -ENOMEM;
	if (S_ISLNK(node->mode))
		ops = node->getlink ? &proc_magic_ops : &proc_link_ops;
	inode_init(
		&p->in, ops, sb, proc_ino(node, task, arg), node->mode, 0, 0);
	if (S_ISDIR(node->mode))
		p->in.nlink = 2;
	p->node = node;
	p->ns = ns;
	p->task = task ? task_get(task) : NULL;
	p->arg = arg;
	*out = p;
	return 0;
}

int proc_inode_new(struct proc_inode *dir, const struct proc_node *node,
	struct task *task, int64_t arg, struct inode **out)
{
	struct proc_inode *p;
	int err = proc_inode_make(dir->in.sb, dir->ns, node, task, arg, &p);

	if (err)
		return err;
	if (node == &proc_pid_node)
		p->group = true;
	else if (node != &proc_tid_node)
		p->group = dir->group;
	*out = &p->in;
	return 0;
}

/* --- the filesystem */

static void proc_super_release(struct super *sb)
{
	struct proc_super *ps = container_of(sb, struct proc_super, sb);

	pid_ns_put(ps->ns);
	free(ps);
}

/* A name that somebody still uses may be that of a process that is gone. */
static int proc_revalidate(UNUSED struct super *sb, struct dentry *d)
{
	struct inode *in = dentry_inode(d);

	return in && !proc_gone(proc_of(in));
}

static const struct super_ops proc_super_ops = {
	.revalidate = proc_revalidate,
	.release = proc_super_release,
};

static int proc_mount(const struct fs_context *fc, struct super **out)
{
	struct pid_ns *ns = fc->pid_ns;
	struct proc_super *ps;
	struct proc_inode *root;
	int err;

	if (!ns && fc->task)
		ns = fc->task->tg->pid_ns;
	if (!ns)
		return -EINVAL;
	ps = calloc(1, sizeof *ps);
	if (!ps)
		return -ENOMEM;
	super_init(&ps->sb, &proc_super_ops, &proc_fs, PROC_MAGIC);
	ps->sb.uncached = true;
	ps->ns = pid_ns_get(ns);
	err = proc_inode_make(&ps->sb, ns, proc_root_node(), NULL, 0, &root);
	if (err) {
		pid_ns_put(ns);
		free(ps);
		return err;
	}
	root->in.ino = 1;
	ps->sb.root = &root->in;
	*out = &ps->sb;
	return 0;
}

const struct fs_type proc_fs = {
	.name = "proc",
	.nodev = true,
	.mount = proc_mount,
};

struct tgroup *proc_file_tgroup(struct file *f)
{
	struct proc_inode *p;

	if (f->ops != &proc_dir_ops)
		return NULL;
	p = proc_of(f->inode);
	if (p->node != &proc_pid_node || !p->task)
		return NULL;
	return tgroup_get(p->task->tg);
}
