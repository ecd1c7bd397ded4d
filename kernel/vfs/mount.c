/*
 * mount.c - mounts and mount namespaces.
 *
 * A mount that is in a tree is in its namespace's list, which holds a
 * reference, and in one hash table by (parent mount, dentry below it).  Whoever
 * uses a path in it holds further references.  A detached mount keeps working
 * for them, and ends with the last of them.
 *
 * GAP: no propagation between mounts: every mount is private.
 */
#include "kernel/vfs/mount.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/str.h"
#include "kernel/task/task.h"
#include "kernel/vfs/acl.h"
#include "kernel/vfs/dcache.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/lease.h"

#define MOUNT_BUCKETS 64
#define MOUNTS_MAX    100000
#define MNT_FLAGS                                                    \
	(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | \
		MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME | MS_NOSYMFOLLOW)

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

static struct mounts {
	struct rwlock lock;
	struct list bucket[MOUNT_BUCKETS] GUARDED_BY(lc_mounts);
	int last_id GUARDED_BY(lc_mounts);
} mounts;
RWLOCK_OPS(mounts, struct mounts, lock)

void vfs_init(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	rwlock_init(&mounts.lock, &lc_mounts);
	mounts_write(&mounts);
	for (int i = 0; i < MOUNT_BUCKETS; i++)
		list_init(&mounts.bucket[i]);
	mounts_write_done(&mounts);
	dcache_init();
	lease_init();
	acl_init();
}

HOLDS_SHARED(lc_mounts)
static struct list *bucket_of(
	const struct mount *parent, const struct dentry *point)
{
	uintptr_t h = (uintptr_t)parent / 32 * 31 + (uintptr_t)point / 32;

	return &mounts.bucket[(h ^ h >> 9) % MOUNT_BUCKETS];
}

/* What is mounted on (@parent, @point): borrowed, or NULL. */
HOLDS_SHARED(lc_mounts)
static struct mount *mount_peek(
	const struct mount *parent, const struct dentry *point)
{
	struct mount *m;

	list_for_each (m, bucket_of(parent, point), hash_link)
		if (m->parent == parent && m->point == point)
			return m;
	return NULL;
}

struct mount *mount_get(struct mount *m)
{
	ref_get(&m->ref);
	return m;
}

/* One more mount of @sb: makes its root dentry when it is the first. */
static int super_mount(struct super *sb)
{
	int err = 0;

	rename_lock(sb);
	if (!sb->droot)
		sb->droot = dentry_new_root(sb);
	if (sb->droot)
		atomic_fetch_add(&sb->nmounts, 1);
	else
		err = -ENOMEM;
	rename_unlock(sb);
	return err;
}

/* One less: the names of a super that nobody sees are forgotten. */
static void super_unmount(struct super *sb)
{
	struct dentry *root = NULL;

	rename_lock(sb);
	if (atomic_fetch_sub(&sb->nmounts, 1) == 1) {
		root = sb->droot;
		sb->droot = NULL;
		dcache_shrink(sb, root);
		dentry_put(root);
		if (sb->ops->kill)
			sb->ops->kill(sb);
	}
	rename_unlock(sb);
}

void mount_put(struct mount *m)
{
	if (!m || !ref_put(&m->ref))
		return;
	dentry_put(m->root);
	super_unmount(m->sb);
	super_put(m->sb);
	free(m->source);
	free(m);
}

void path_get(const struct path *p)
{
	if (p->mnt)
		mount_get(p->mnt);
	if (p->dentry)
		dentry_get(p->dentry);
}

void path_put(struct path *p)
{
	struct path old = *p;

	*p = (struct path){ NULL, NULL };
	if (old.dentry)
		dentry_put(old.dentry);
	mount_put(old.mnt); /* it holds the dentry's super */
}

/* A mount of @sb (a reference is taken) from @root on (NULL: its root). */
static int mount_new(struct super *sb, struct dentry *root, const char *source,
	unsigned flags, struct mount **out)
{
	struct mount *m = calloc(1, sizeof *m);
	int err;

	if (!m)
		return -ENOMEM;
	m->source = strdup(source && *source ? source : "none");
	err = m->source ? super_mount(sb) : -ENOMEM;
	if (err) {
		free(m->source);
		free(m);
		return err;
	}
	ref_init(&m->ref);
	m->sb = super_get(sb);
	m->root = dentry_get(root ? root : sb->droot);
	m->flags = flags & MNT_FLAGS;
	list_init(&m->link);
	list_init(&m->hash_link);
	*out = m;
	return 0;
}

static int mount_new_fs(const struct fs_context *fc, struct mount **out)
{
	struct super *sb;
	int err = fc->type->mount(fc, &sb);

	if (err) {
		if (fc->sock >= 0)
			close(fc->sock);
		return err;
	}
	err = mount_new(sb, NULL, fc->source, fc->flags, out);
	super_put(sb);
	return err;
}

int mount_internal(const struct fs_type *type, struct mount **out)
{
	static struct mount *_Atomic made; /* tmpfs is the only type so far */
	struct fs_context fc = { .type = type,
		.source = type->name,
		.data = "size=0,nr_inodes=0",
		.sock = -1 };
	struct mount *m = made, *none = NULL;
	int err;

	if (!m) {
		err = mount_new_fs(&fc, &m);
		if (err)
			return err;
		if (!atomic_compare_exchange_strong(&made, &none, m)) {
			mount_put(m);
			m = none;
		}
	}
	*out = mount_get(m);
	return 0;
}

static void ns_changed(struct mnt_ns *ns)
{
	atomic_fetch_add(&ns->seq, 1);
	waitq_wake(&ns->waitq, EPOLLERR | EPOLLPRI);
}

/* Puts @m (its reference is consumed) into @ns at a place, or at the top. */
HOLDS(lc_mounts)
static void mount_attach(struct mnt_ns *ns, struct mount *m,
	struct mount *parent, struct dentry *point)
{
	m->ns = ns;
	if (!m->id)
		m->id = ++mounts.last_id;
	m->parent = parent;
	if (parent) {
		m->point = dentry_get(point);
		atomic_fetch_add(&point->nmounts, 1);
		list_add(bucket_of(parent, point), &m->hash_link);
	}
	list_add_tail(&ns->mounts, &m->link);
}

/* Takes @m out of the tree; *@point is to be put once the lock is dropped. */
HOLDS(lc_mounts)
static struct dentry *mount_unhook(struct mount *m)
{
	struct dentry *point = m->point;

	list_del(&m->hash_link);
	list_del(&m->link);
	if (point)
		atomic_fetch_sub(&point->nmounts, 1);
	m->point = NULL;
	m->parent = NULL;
	return point;
}

bool mount_is_ours(const struct mount *m, const struct mnt_ns *ns)
{
	return m->ns == ns;
}

HOLDS_SHARED(lc_mounts)
static bool mount_below(const struct mount *m, const struct mount *top)
{
	while (m && m != top)
		m = m->parent;
	return m != NULL;
}

/* @m and all that is mounted below it leave the tree; references go to @out. */
HOLDS(lc_mounts)
static void tree_unhook(struct mount *top, struct list *out,
	struct dentry **points, size_t *npoints)
{
	struct mount *m, *next;
	struct list below;

	list_init(&below);
	list_for_each_safe(
		m, next, &top->ns->mounts, link) if (mount_below(m, top))
	{
		list_del(&m->link);
		list_add_tail(&below, &m->link);
	}
	list_for_each_safe(m, next, &below, link)
	{
		struct dentry *point = mount_unhook(m);

		if (point)
			points[(*npoints)++] = point;
		m->ns = NULL;
		list_add_tail(out, &m->link);
	}
}

HOLDS_SHARED(lc_mounts)
static size_t ns_count(const struct mnt_ns *ns)
{
	const struct mount *m;
	size_t n = 0;

	list_for_each (m, &ns->mounts, link)
		n++;
	return n;
}

/* Puts what tree_unhook() took out. */
LOCKS_UNCHECKED /* the list is the caller's own */
	static void
	unhooked_put(struct list *gone, struct dentry **points, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dentry_put(points[i]);
	free(points);
	/* Children were added after their parents. */
	while (!list_empty(gone)) {
		struct mount *m = list_entry(gone->prev, struct mount, link);

		list_del(&m->link);
		mount_put(m);
	}
}

static struct mnt_ns *mnt_ns_new(void)
{
	struct mnt_ns *ns = calloc(1, sizeof *ns);

	if (!ns)
		return NULL;
	ref_init(&ns->ref);
	list_init(&ns->mounts);
	waitq_init(&ns->waitq);
	return ns;
}

struct mnt_ns *mnt_ns_get(struct mnt_ns *ns)
{
	ref_get(&ns->ref);
	return ns;
}

void mnt_ns_put(struct mnt_ns *ns)
{
	struct dentry **points;
	size_t n = 0, room;
	struct list gone;

	if (!ns || !ref_put(&ns->ref))
		return;
	mounts_read(&mounts);
	room = ns_count(ns);
	mounts_read_done(&mounts);
	/* Nobody is left to mount or unmount in it. */
	points = xzalloc((room + 1) * sizeof *points);
	list_init(&gone);
	mounts_write(&mounts);
	if (ns->root)
		tree_unhook(ns->root, &gone, points, &n);
	mounts_write_done(&mounts);
	unhooked_put(&gone, points, n);
	free(ns);
}

int mnt_ns_create(const struct fs_context *fc, struct mnt_ns **out)
{
	struct mnt_ns *ns;
	struct mount *m;
	int err;

	vfs_init();
	ns = mnt_ns_new();
	if (!ns) {
		if (fc->sock >= 0)
			close(fc->sock);
		return -ENOMEM;
	}
	err = mount_new_fs(fc, &m);
	if (err) {
		free(ns);
		return err;
	}
	mounts_write(&mounts);
	ns->root = m;
	mount_attach(ns, m, NULL, NULL);
	mounts_write_done(&mounts);
	*out = ns;
	return 0;
}

static bool is_dir(const struct dentry *d)
{
	const struct inode *in = dentry_inode(d);

	return in && S_ISDIR(in->mode);
}

/* Mounts @m (consumed) on top of what is at @where now. */
static int mount_graft(
	struct mnt_ns *ns, struct mount *m, const struct path *where)
{
	struct path at = *where;
	int err = 0;

	if (is_dir(m->root) != is_dir(at.dentry))
		err = -ENOTDIR;
	mounts_write(&mounts);
	if (!err && (at.mnt->ns != ns || ns_count(ns) >= MOUNTS_MAX))
		err = at.mnt->ns != ns ? -EINVAL : -ENOSPC;
	if (!err) {
		struct mount *top;

		while ((top = mount_peek(at.mnt, at.dentry))) {
			at.mnt = top;
			at.dentry = top->root;
		}
		mount_attach(ns, m, at.mnt, at.dentry);
	}
	mounts_write_done(&mounts);
	if (err)
		mount_put(m);
	else
		ns_changed(ns);
	return err;
}

int mount_add(struct mnt_ns *ns, const struct fs_context *fc,
	const struct path *where)
{
	struct mount *m;
	int err = mount_new_fs(fc, &m);

	return err ? err : mount_graft(ns, m, where);
}

struct pair {
	struct mount *old, *new; /* old: borrowed; new: not yet attached */
};

/* Copies of every mount of @from below @top, in order.  Malloc'ed array. */
HOLDS(lc_mounts)
static int pairs_collect(const struct mnt_ns *from, const struct mount *top,
	struct pair **out, size_t *n)
{
	struct pair *p = calloc(ns_count(from) + 1, sizeof *p);
	struct mount *m;

	if (!p)
		return -ENOMEM;
	*n = 0;
	list_for_each (m, &from->mounts, link)
		if (mount_below(m, top)) {
			mount_get(m);
			p[(*n)++].old = m;
		}
	*out = p;
	return 0;
}

/* Fills in the copies; takes no lock.  On failure the caller drops all. */
static int pairs_copy(struct pair *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct mount *o = p[i].old;
		int err = mount_new(
			o->sb, o->root, o->source, o->flags, &p[i].new);

		if (err)
			return err;
	}
	return 0;
}

static void pairs_drop(struct pair *p, size_t n, bool new_too)
{
	for (size_t i = n; i-- > 0;) {
		if (new_too)
			mount_put(p[i].new);
		mount_put(p[i].old);
	}
	free(p);
}

static struct mount *pair_find(
	const struct pair *p, size_t n, const struct mount *old)
{
	for (size_t i = 0; i < n; i++)
		if (p[i].old == old)
			return p[i].new;
	return NULL;
}

static void path_translate(struct path *p, const struct pair *pairs, size_t n)
{
	struct mount *new = p ? pair_find(pairs, n, p->mnt) : NULL;

	if (!new)
		return;
	mount_get(new);
	mount_put(p->mnt);
	p->mnt = new;
}

int mnt_ns_copy(struct mnt_ns *from, struct path *root, struct path *cwd,
	struct mnt_ns **out)
{
	struct mnt_ns *ns = mnt_ns_new();
	struct pair *p = NULL;
	size_t n = 0;
	int err;

	if (!ns)
		return -ENOMEM;
	mounts_write(&mounts);
	err = pairs_collect(from, from->root, &p, &n);
	mounts_write_done(&mounts);
	if (!err)
		err = pairs_copy(p, n);
	if (err) {
		if (p)
			pairs_drop(p, n, true);
		free(ns);
		return err;
	}
	mounts_write(&mounts);
	for (size_t i = 0; i < n; i++) {
		struct mount *parent = pair_find(p, i, p[i].old->parent);

		if (i == 0)
			ns->root = p[i].new;
		if (i == 0 || (parent && p[i].old->point))
			mount_attach(ns, mount_get(p[i].new), parent,
				p[i].old->point);
	}
	mounts_write_done(&mounts);
	path_translate(root, p, n);
	path_translate(cwd, p, n);
	pairs_drop(p, n, true);
	*out = ns;
	return 0;
}

/* Mounts below @from are copied to the same places in @m, as mount --rbind
 * does. */
static int bind_children(
	struct mnt_ns *ns, const struct path *from, struct mount *m)
{
	struct pair *p;
	size_t n;
	int err;

	mounts_write(&mounts);
	err = pairs_collect(ns, from->mnt, &p, &n);
	mounts_write_done(&mounts);
	if (err)
		return err;
	err = pairs_copy(p, n);
	if (err) {
		pairs_drop(p, n, true);
		return err;
	}
	mounts_write(&mounts);
	for (size_t i = 0; i < n; i++) {
		struct mount *o = p[i].old, *parent;

		if (o == from->mnt || o == m || !o->point)
			continue; /* m may lie on @from itself */
		parent = pair_find(p, n, o->parent);
		if (o->parent == from->mnt)
			parent =
				dentry_below(o->point, from->dentry) ? m : NULL;
		else if (parent && !parent->parent)
			parent = NULL; /* its own place was not copied */
		if (parent && m->parent)
			mount_attach(ns, mount_get(p[i].new), parent, o->point);
	}
	mounts_write_done(&mounts);
	pairs_drop(p, n, true);
	return 0;
}

int mount_bind(struct mnt_ns *ns, const struct path *from,
	const struct path *where, bool recursive)
{
	struct mount *m;
	int err = mount_new(from->mnt->sb, from->dentry, from->mnt->source,
		from->mnt->flags, &m);

	if (err)
		return err;
	mount_get(m);
	err = mount_graft(ns, m, where);
	if (!err && recursive)
		err = bind_children(ns, from, m);
	mount_put(m);
	return err;
}

int mount_remount(
	const struct path *where, unsigned flags, const char *data, bool bind)
{
	struct mount *m = where->mnt;

	(void)bind; /* a super has no flags of its own here */
	(void)data; /* GAP: options of the filesystem stay as they are */
	if (where->dentry != m->root)
		return -EINVAL;
	if (!(flags & (MS_NOATIME | MS_RELATIME | MS_STRICTATIME)))
		flags |= m->flags & (MS_NOATIME | MS_RELATIME | MS_STRICTATIME);
	atomic_store(&m->flags, flags & MNT_FLAGS);
	if (m->ns)
		ns_changed(m->ns);
	return 0;
}

int mount_move(
	struct task *t, const struct path *from, const struct path *where)
{
	struct mnt_ns *ns = t->mnt_ns;
	struct mount *m = from->mnt;
	struct dentry *old = NULL;
	int err = 0;

	if (from->dentry != m->root || is_dir(m->root) != is_dir(where->dentry))
		return -EINVAL;
	mounts_write(&mounts);
	if (m->ns != ns || where->mnt->ns != ns || !m->parent)
		err = -EINVAL;
	else if (mount_below(where->mnt, m))
		err = -ELOOP;
	if (!err) {
		old = mount_unhook(m);
		mount_attach(ns, m, where->mnt, where->dentry);
	}
	mounts_write_done(&mounts);
	dentry_put(old);
	if (!err)
		ns_changed(ns);
	return err;
}

HOLDS_SHARED(lc_mounts)
static bool has_children(const struct mount *m)
{
	const struct mount *c;

	list_for_each (c, &m->ns->mounts, link)
		if (c->parent == m)
			return true;
	return false;
}

/* Why @m may not be unmounted now, when only @p of the caller uses it. */
HOLDS(lc_mounts)
static int umount_check(struct mount *m, const struct path *p, int flags)
{
	if (p->dentry != m->root || !m->ns || !m->parent)
		return -EINVAL;
	if (flags & MNT_DETACH)
		return 0;
	if (has_children(m) || atomic_load(&m->ref.n) > 2)
		return -EBUSY;
	if (flags & MNT_EXPIRE && !m->expired) {
		m->expired = true;
		return -EAGAIN;
	}
	return 0;
}

int mount_remove(struct task *t, const struct path *p, int flags)
{
	struct mount *m = p->mnt;
	struct mnt_ns *ns = t->mnt_ns;
	struct dentry **points;
	size_t n = 0, room;
	struct list gone;
	int err;

	list_init(&gone);
	mounts_read(&mounts);
	room = ns_count(ns) + 16;
	mounts_read_done(&mounts);
	points = calloc(room, sizeof *points);
	if (!points)
		return -ENOMEM;
	mounts_write(&mounts);
	err = m->ns == ns ? umount_check(m, p, flags) : -EINVAL;
	if (!err && ns_count(ns) > room)
		err = -EBUSY; /* others mount like mad */
	if (!err)
		tree_unhook(m, &gone, points, &n);
	mounts_write_done(&mounts);
	unhooked_put(&gone, points, n);
	if (!err)
		ns_changed(ns);
	return err;
}

/* Every task of the namespace that stood at the old root now stands at the new.
 */
static void roots_move(
	struct task *t, const struct path *from, const struct path *to)
{
	struct pid_ns *pns = t->tg->pid_ns;
	struct task *each;

	for (int tid = 1; (each = task_next(pns, tid)); task_put(each)) {
		struct fsctx *fs = task_fsctx(each);
		struct path old[2] = { { NULL, NULL }, { NULL, NULL } };

		tid = each->tid + 1;
		if (!fs)
			continue;
		fsctx_lock(fs);
		if (path_equal(&fs->root, from)) {
			old[0] = fs->root;
			fs->root = *to;
			path_get(to);
		}
		if (path_equal(&fs->cwd, from)) {
			old[1] = fs->cwd;
			fs->cwd = *to;
			path_get(to);
		}
		fsctx_unlock(fs);
		path_put(&old[0]);
		path_put(&old[1]);
		fsctx_put(fs);
	}
}

int mount_pivot(
	struct task *t, const struct path *new_root, const struct path *put_old)
{
	struct mnt_ns *ns = t->mnt_ns;
	struct mount *new = new_root->mnt, *root;
	struct path from, to = *new_root;
	struct dentry *old_point = NULL;
	int err = 0;

	fsctx_lock(t->fs);
	from = t->fs->root;
	path_get(&from);
	fsctx_unlock(t->fs);
	root = from.mnt;
	mounts_write(&mounts);
	if (new->ns != ns || root->ns != ns || put_old->mnt->ns != ns)
		err = -EINVAL;
	else if (new == root || put_old->mnt == root)
		err = -EBUSY;
	else if (new_root->dentry != new->root || from.dentry != root->root ||
		 !new->parent || ns->root != root ||
		 !mount_below(put_old->mnt, new))
		err = -EINVAL;
	if (!err) {
		old_point = mount_unhook(new);
		list_del(&root->link);
		mount_attach(ns, new, NULL, NULL);
		mount_attach(ns, root, put_old->mnt, put_old->dentry);
		list_del(&new->link);
		list_add(&ns->mounts, &new->link);
		ns->root = new;
	}
	mounts_write_done(&mounts);
	dentry_put(old_point);
	if (!err) {
		roots_move(t, &from, &to);
		ns_changed(ns);
	}
	path_put(&from);
	return err;
}

struct mount *mnt_ns_nth(struct mnt_ns *ns, size_t n, int *parent_id)
{
	struct mount *m, *found = NULL;

	mounts_read(&mounts);
	list_for_each (m, &ns->mounts, link)
		if (n-- == 0) {
			found = mount_get(m);
			*parent_id = m->parent ? m->parent->id : m->id;
			break;
		}
	mounts_read_done(&mounts);
	return found;
}

void mnt_ns_sync(struct mnt_ns *ns)
{
	struct mount *m;
	int id;

	for (size_t i = 0; (m = mnt_ns_nth(ns, i, &id)); i++) {
		if (m->sb->ops->sync)
			(void)m->sb->ops->sync(m->sb); /* sync(2) cannot fail */
		mount_put(m);
	}
}

int mount_want_write(const struct mount *m)
{
	if (!m)
		return 0;
	return m->flags & MS_RDONLY || m->sb->readonly ? -EROFS : 0;
}

bool path_follow_mount(struct path *p)
{
	struct mount *m, *found = NULL;
	struct path old = *p;

	if (!atomic_load_explicit(&p->dentry->nmounts, memory_order_relaxed))
		return false;
	mounts_read(&mounts);
	for (struct path at = *p; (m = mount_peek(at.mnt, at.dentry));) {
		found = m;
		at = (struct path){ m, m->root };
	}
	if (found) {
		*p = (struct path){ found, found->root };
		path_get(p);
	}
	mounts_read_done(&mounts);
	if (found)
		path_put(&old);
	return found != NULL;
}

bool path_leave_mount(struct path *p)
{
	struct path up = { NULL, NULL };

	mounts_read(&mounts);
	if (p->mnt->parent) {
		up = (struct path){ p->mnt->parent, p->mnt->point };
		path_get(&up);
	}
	mounts_read_done(&mounts);
	if (!up.mnt)
		return false;
	path_put(p);
	*p = up;
	return true;
}

/* Prepends "/name" to the text that begins at @pos in @buf. */
static int prepend(
	char *buf, size_t *pos, const char *s, size_t len, bool slash)
{
	if (*pos < len + slash)
		return -ENAMETOOLONG;
	*pos -= len;
	memcpy(buf + *pos, s, len);
	if (slash)
		buf[--*pos] = '/';
	return 0;
}

/* path_name() under both locks. */
HOLDS_SHARED(lc_mounts, lc_dcache)
static int name_build(const struct path *p, const struct path *root, char *buf,
	size_t *pos, bool *reached)
{
	const struct mount *m = p->mnt;
	const struct dentry *d = p->dentry;
	size_t end = *pos;
	int err = 0;

	*reached = true;
	while (!err) {
		if (root && m == root->mnt && d == root->dentry)
			break;
		if (d == m->root) {
			if (!m->parent) {
				*reached = root && root->dentry ? false : true;
				break;
			}
			d = m->point;
			m = m->parent;
			continue;
		}
		if (d->parent == d) {
			*reached = false; /* outside of a bind mount */
			break;
		}
		err = prepend(buf, pos, d->name, d->len, true);
		d = d->parent;
	}
	if (!err && *pos == end)
		err = prepend(buf, pos, "/", 1, false);
	return err;
}

char *path_name_reached(const struct path *p, const struct path *root,
	char *buf, size_t n, bool *reached, int *err)
{
	static const char deleted[] = " (deleted)";
	size_t pos = n;

	*err = n ? prepend(buf, &pos, "", 1, false) : -ENAMETOOLONG;
	if (*err)
		return NULL;
	mounts_read(&mounts);
	dcache_read(&dcache);
	if (p->dentry->unhashed && p->dentry->parent != p->dentry)
		*err = prepend(buf, &pos, deleted, sizeof deleted - 1, false);
	if (!*err)
		*err = name_build(p, root, buf, &pos, reached);
	dcache_read_done(&dcache);
	mounts_read_done(&mounts);
	return *err ? NULL : buf + pos;
}

char *path_name(const struct path *p, const struct path *root, char *buf,
	size_t n, int *err)
{
	bool reached;

	return path_name_reached(p, root, buf, n, &reached, err);
}
