/*
 * inotify.c - who wants to know what happens to a file.
 *
 * A watch holds its inode and hangs on two lists: the inode's, for those who
 * report events, and its instance's tree of numbers.  One lock guards all
 * watches and queues: who uses no inotify never takes it.
 */
#include "kernel/vfs/inotify.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#undef PAGE_SIZE /* musl's; ours is the same */

#include "core/rbtree.h"
#include "core/str.h"
#include "core/waitq.h"
#include "kernel/fs/anon.h"
#include "kernel/mm/mm.h"
#include "kernel/task/task.h"
#include "kernel/vfs/dcache.h"
#include "kernel/vfs/dnotify.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/mount.h"

#define QUEUE_MAX   16384
#define WATCHES_MAX 1048576
#define NAME_ALIGN  16

_Atomic unsigned inotify_nwatches;

static struct inotify_all {
	struct mutex lock;
} all = { .lock = MUTEX_INIT(inotify) };
LOCK_OPS(inotify, struct inotify_all, lock)

struct event_abi { /* struct inotify_event, but for its name */
	int wd;
	uint32_t mask, cookie, len;
};

struct event {
	struct list link;
	struct event_abi e;
	char name[];
};

struct inotify {
	struct file f;
	struct rb_tree watches GUARDED_BY(lc_inotify); /* by wd */
	int last_wd GUARDED_BY(lc_inotify);
	struct list queue GUARDED_BY(lc_inotify);
	unsigned nevents GUARDED_BY(lc_inotify);
	unsigned nwatches GUARDED_BY(lc_inotify);
	struct waitq waitq;
};

struct watch { /* lc_inotify */
	struct rb_node node;
	struct list on_inode;
	struct inode *in;      /* reference */
	struct inotify *owner; /* borrowed: it removes its watches first */
	int wd;
	uint32_t mask;
};

struct watch_list {
	struct list head; /* lc_inotify */
};

static const struct file_ops inotify_ops;

static struct inotify *inotify_of(struct file *f)
{
	return container_of(f, struct inotify, f);
}

/* --- the queue of an instance */

HOLDS(lc_inotify)
static bool same_as_last(struct inotify *n, int wd, uint32_t mask,
	uint32_t cookie, const char *name)
{
	struct event *ev;

	if (list_empty(&n->queue))
		return false;
	ev = list_entry(n->queue.prev, struct event, link);
	if (ev->e.wd != wd || ev->e.mask != mask || ev->e.cookie != cookie)
		return false;
	return !ev->e.len ? !name : name && !strcmp(ev->name, name);
}

HOLDS(lc_inotify)
static void enqueue(struct inotify *n, int wd, uint32_t mask, uint32_t cookie,
	const char *name)
{
	size_t len = name ? ALIGN_UP(strlen(name) + 1, NAME_ALIGN) : 0;
	struct event *ev;

	if (same_as_last(n, wd, mask, cookie, name))
		return;
	if (n->nevents >= QUEUE_MAX) {
		wd = -1;
		mask = IN_Q_OVERFLOW;
		cookie = 0;
		len = 0;
		if (same_as_last(n, wd, mask, 0, NULL))
			return;
	}
	ev = calloc(1, sizeof *ev + len);
	if (!ev)
		return; /* as an overflow that nobody is told of */
	ev->e = (struct event_abi){
		.wd = wd, .mask = mask, .cookie = cookie, .len = (uint32_t)len
	};
	if (len)
		memcpy(ev->name, name, strlen(name));
	list_add_tail(&n->queue, &ev->link);
	n->nevents++;
	waitq_wake(&n->waitq, EPOLLIN | EPOLLRDNORM);
}

static size_t event_size(const struct event *ev)
{
	return sizeof ev->e + ev->e.len;
}

/* --- watches */

HOLDS(lc_inotify)
static struct watch *watch_find(struct inotify *n, int wd)
{
	struct rb_node *at = n->watches.root;

	while (at) {
		struct watch *w = container_of(at, struct watch, node);

		if (w->wd == wd)
			return w;
		at = at->child[wd > w->wd];
	}
	return NULL;
}

HOLDS(lc_inotify)
static void watch_insert(struct inotify *n, struct watch *w)
{
	struct rb_node **link = &n->watches.root, *parent = NULL;

	while (*link) {
		parent = *link;
		link = &parent->child[w->wd >
				      container_of(parent, struct watch, node)
					      ->wd];
	}
	rb_link(&w->node, parent, link);
	rb_rebalance(&n->watches, &w->node);
	n->nwatches++;
	atomic_fetch_add(&inotify_nwatches, 1);
}

/* Takes @w out of everything.  The caller frees it after the lock, see
 * watch_free(). */
HOLDS(lc_inotify)
static void watch_unlink(struct watch *w)
{
	rb_erase(&w->owner->watches, &w->node);
	list_del(&w->on_inode);
	w->owner->nwatches--;
	atomic_fetch_sub(&inotify_nwatches, 1);
}

static void watch_free(struct watch *w)
{
	inode_put(w->in);
	free(w);
}

/* The list of an inode's watches, made when there is the first. */
HOLDS(lc_inotify)
static struct list *watches_of(struct inode *in)
{
	if (!in->watches) {
		struct watch_list *wl = malloc(sizeof *wl);

		if (!wl)
			return NULL;
		list_init(&wl->head);
		in->watches = wl;
	}
	return &in->watches->head;
}

HOLDS(lc_inotify)
static struct watch *watch_on(struct inotify *n, struct inode *in)
{
	struct watch *w;

	if (!in->watches)
		return NULL;
	list_for_each (w, &in->watches->head, on_inode)
		if (w->owner == n)
			return w;
	return NULL;
}

HOLDS(lc_inotify)
static int watch_update(struct watch *w, uint32_t mask)
{
	uint32_t keep = IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK;

	if (mask & IN_MASK_CREATE)
		return -EEXIST;
	if (mask & IN_MASK_ADD)
		w->mask |= mask & keep;
	else
		w->mask = mask & keep;
	return w->wd;
}

HOLDS(lc_inotify)
static int watch_new(struct inotify *n, struct inode *in, uint32_t mask)
{
	struct list *list = watches_of(in);
	struct watch *w;

	if (n->nwatches >= WATCHES_MAX)
		return -ENOSPC;
	w = list ? calloc(1, sizeof *w) : NULL;
	if (!w)
		return -ENOMEM;
	w->owner = n;
	w->in = inode_get(in);
	w->mask = mask & (IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK);
	w->wd = ++n->last_wd;
	list_add_tail(list, &w->on_inode);
	watch_insert(n, w);
	return w->wd;
}

int inotify_add(struct file *f, struct inode *in, uint32_t mask)
{
	struct inotify *n;
	struct watch *w;
	int ret;

	if (f->ops != &inotify_ops)
		return -EINVAL;
	n = inotify_of(f);
	inotify_lock(&all);
	w = watch_on(n, in);
	ret = w ? watch_update(w, mask) : watch_new(n, in, mask);
	inotify_unlock(&all);
	return ret;
}

int inotify_remove(struct file *f, int wd)
{
	struct inotify *n;
	struct watch *w;

	if (f->ops != &inotify_ops)
		return -EINVAL;
	n = inotify_of(f);
	inotify_lock(&all);
	w = watch_find(n, wd);
	if (w) {
		watch_unlink(w);
		enqueue(n, wd, IN_IGNORED, 0, NULL);
	}
	inotify_unlock(&all);
	if (!w)
		return -EINVAL;
	watch_free(w);
	return 0;
}

/* --- events */

/* @unlinked: it came by a name that is gone (IN_EXCL_UNLINK). */
static void post(struct inode *in, uint32_t mask, uint32_t cookie,
	const char *name, bool unlinked)
{
	struct list dead = LIST_INIT(dead);
	struct watch *w, *next;

	dnotify_post(in, mask);
	mask &= ~(uint32_t)NOTIFY_RENAMED;
	if (mask & (IN_DELETE_SELF | IN_MOVE_SELF))
		mask &= ~(uint32_t)IN_ISDIR;
	inotify_lock(&all);
	if (!in->watches) {
		inotify_unlock(&all);
		return;
	}
	list_for_each_safe(w, next, &in->watches->head, on_inode)
	{
		bool hit = w->mask & mask & IN_ALL_EVENTS;

		if (unlinked && w->mask & IN_EXCL_UNLINK)
			continue;

		if (hit)
			enqueue(w->owner, w->wd, mask, cookie, name);
		if ((hit && w->mask & IN_ONESHOT) || mask & IN_DELETE_SELF) {
			watch_unlink(w);
			enqueue(w->owner, w->wd, IN_IGNORED, 0, NULL);
			list_add_tail(&dead, &w->on_inode);
		}
	}
	inotify_unlock(&all);
	list_for_each_safe(w, next, &dead, on_inode) watch_free(w);
}

void inotify_post(
	struct inode *in, uint32_t mask, uint32_t cookie, const char *name)
{
	post(in, mask, cookie, name, false);
}

void inotify_post_unlinked(struct dentry *d)
{
	struct inode *in = dentry_inode(d);

	post(in, IN_ATTRIB, 0, NULL, false); /* its link count */
	if (atomic_load(&d->ref.n) == 1)
		inotify_post_dead(in);
}

void inotify_post_dead(struct inode *in)
{
	if (in->watches && (!in->nlink || in->dead))
		post(in, IN_DELETE_SELF, 0, NULL, false);
}

void inotify_post_dentry(struct dentry *d, uint32_t mask)
{
	struct inode *in = dentry_inode(d), *dir;
	struct dentry *parent;
	char name[NAME_MAX + 1];
	bool gone;

	if (!in)
		return;
	if (S_ISDIR(in->mode))
		mask |= IN_ISDIR;
	parent = dentry_parent(d);
	gone = parent != d && !dentry_is_child(d, parent);
	dir = parent != d ? dentry_inode(parent) : NULL;
	if (dir && (dir->watches || dir->dnotify)) {
		dentry_name(d, name);
		post(dir, mask, 0, name, gone);
	}
	dentry_put(parent);
	if (in->watches || in->dnotify)
		post(in, mask, 0, NULL, gone);
}

uint32_t inotify_cookie(void)
{
	static atomic_uint last;

	return atomic_fetch_add(&last, 1) + 1;
}

/* A watch holds its inode: there is none left, only the head of their list. */
void inotify_inode_gone(struct inode *in)
{
	free(in->watches);
	in->watches = NULL;
}

/* --- the file */

static ssize_t inotify_read(struct file *f, struct uio *to, UNUSED int64_t *pos)
{
	struct inotify *n = inotify_of(f);
	ssize_t done = 0, err = -EAGAIN;
	struct event *ev;

	inotify_lock(&all);
	while ((ev = list_first(&n->queue, struct event, link)) != NULL) {
		struct uio at = *to;
		size_t len = event_size(ev);

		if (uio_left(to) < len) {
			err = -EINVAL;
			break;
		}
		if (uio_put(&at, &ev->e, sizeof ev->e) < sizeof ev->e ||
			uio_put(&at, ev->name, ev->e.len) < ev->e.len) {
			err = -EFAULT;
			break;
		}
		*to = at;
		done += (ssize_t)len;
		list_del(&ev->link);
		n->nevents--;
		free(ev);
	}
	inotify_unlock(&all);
	return done ? done : err;
}

static unsigned inotify_poll(struct file *f)
{
	struct inotify *n = inotify_of(f);
	unsigned ev;

	inotify_lock(&all);
	ev = n->nevents ? EPOLLIN | EPOLLRDNORM : 0;
	inotify_unlock(&all);
	return ev;
}

static struct waitq *inotify_waitq(struct file *f)
{
	return &inotify_of(f)->waitq;
}

static long inotify_ioctl(
	struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	struct inotify *n = inotify_of(f);
	struct event *ev;
	int len = 0;

	if (cmd != FIONREAD)
		return -ENOTTY;
	inotify_lock(&all);
	list_for_each (ev, &n->queue, link)
		len += (int)event_size(ev);
	inotify_unlock(&all);
	return copyout(t, uaddr(arg), &len, sizeof len);
}

static void inotify_fdinfo(struct file *f, struct strbuf *out)
{
	struct inotify *n = inotify_of(f);
	struct rb_node *at;

	inotify_lock(&all);
	for (at = rb_first(&n->watches); at; at = rb_next(at)) {
		struct watch *w = container_of(at, struct watch, node);

		sb_printf(out,
			"inotify wd:%x ino:%llx sdev:%llx mask:%x "
			"ignored_mask:0\n",
			w->wd, (unsigned long long)w->in->ino,
			(unsigned long long)(w->in->sb ? w->in->sb->dev : 0),
			w->mask);
	}
	inotify_unlock(&all);
}

static void inotify_release(struct file *f)
{
	struct inotify *n = inotify_of(f);
	struct event *ev, *next;
	struct watch *w;

	for (;;) {
		inotify_lock(&all);
		w = rb_entry(rb_first(&n->watches), struct watch, node);
		if (w)
			watch_unlink(w);
		inotify_unlock(&all);
		if (!w)
			break;
		watch_free(w);
	}
	inotify_lock(&all);
	list_for_each_safe(ev, next, &n->queue, link) free(ev);
	inotify_unlock(&all);
	file_fini(f);
	free(n);
}

static const struct file_ops inotify_ops = {
	.name = "anon_inode:inotify",
	.seek = anon_seek,
	.read = inotify_read,
	.poll = inotify_poll,
	.waitq = inotify_waitq,
	.ioctl = inotify_ioctl,
	.fdinfo = inotify_fdinfo,
	.release = inotify_release,
};

LOCKS_UNCHECKED /* not published yet */
	int
	inotify_create(struct task *t, int flags, struct file **out)
{
	struct inotify *n = calloc(1, sizeof *n);
	int err;

	if (!n)
		return -ENOMEM;
	err = anon_file_init(&n->f, &inotify_ops,
		O_RDONLY | (flags & O_NONBLOCK), 0600, t->cred);
	if (err) {
		free(n);
		return err;
	}
	list_init(&n->queue);
	waitq_init(&n->waitq);
	*out = &n->f;
	return 0;
}
