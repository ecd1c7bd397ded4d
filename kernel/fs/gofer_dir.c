/*
 * gofer_dir.c - directories and symbolic links of the gofer filesystem.
 *
 * A directory is listed whole, with attributes, in as few messages as they fit
 * in. The listing serves the open file that asked, and, with exclusive access,
 * is kept with the inode until a name in it changes: then a lookup is answered
 * from it, found or not, without asking the gofer.  What all kept listings take
 * is bounded.
 *
 * The VFS holds the dir lock in everything here but readlink and open.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/fs/gofer_int.h"
#include "kernel/task/cred.h"

#define ATTRS_MAX  8192        /* entries whose attributes are kept */
#define KEPT_BYTES (8u << 20)  /* of all kept listings together */
#define LIST_MAX   (64u << 20) /* bytes of one listing */
#define EXCHANGE   2           /* RENAME_EXCHANGE */

/* --- listings */

void glist_put(struct glist *l)
{
	if (!l || !ref_put(&l->ref))
		return;
	free(l->ent);
	free(l->attr);
	free(l->names);
	free(l->hash);
	free(l);
}

static uint32_t name_hash(const char *name, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * 16777619u;
	return h;
}

/* Doubles an array: false without memory, and then it is as it was. */
static bool grow(void *array, size_t item, size_t n)
{
	void **p = array, *v = realloc(*p, n * item);

	if (v)
		*p = v;
	return v;
}

static int glist_reserve(struct glist *l, size_t len)
{
	if (l->n == l->cap) {
		unsigned cap = l->cap ? l->cap * 2 : 32;

		if (cap > ATTRS_MAX) {
			free(l->attr);
			l->attr = NULL;
		} else if (!grow(&l->attr, sizeof *l->attr, cap)) {
			return -ENOMEM;
		}
		if (!grow(&l->ent, sizeof *l->ent, cap))
			return -ENOMEM;
		l->cap = cap;
	}
	if (l->used + len > l->size) {
		size_t size = MAX(l->size * 2, (size_t)1024);

		if (size > LIST_MAX || !grow(&l->names, 1, size))
			return -ENOMEM;
		l->size = size;
	}
	return 0;
}

static int glist_add(
	struct gsuper *s, struct glist *l, const struct p9_dirent *e)
{
	int err;

	if (e->name.n == 0 || e->name.n > P9_NAME_MAX)
		return -EIO;
	/* "." and ".." are the VFS's to show. */
	if (e->name.s[0] == '.' &&
		(e->name.n == 1 || (e->name.n == 2 && e->name.s[1] == '.')))
		return 0;
	err = glist_reserve(l, e->name.n);
	if (err)
		return err;
	l->ent[l->n] = (struct gent){
		.ino = e->attr.dev == s->dev ? e->attr.ino
					     : e->attr.ino ^ e->attr.dev << 40,
		.name = (uint32_t)l->used,
		.type = e->type,
		.len = (uint8_t)e->name.n,
	};
	if (l->attr)
		l->attr[l->n] = e->attr;
	memcpy(l->names + l->used, e->name.s, e->name.n);
	l->used += e->name.n;
	l->n++;
	return 0;
}

/* Makes lookups by name possible; without memory they are not. */
static void glist_index(struct glist *l)
{
	unsigned n = 16;

	while (n < l->n * 2)
		n *= 2;
	l->mask = n - 1;
	l->hash = calloc(n, sizeof *l->hash);
	for (unsigned i = 0; l->hash && i < l->n; i++) {
		const struct gent *e = &l->ent[i];
		unsigned h = name_hash(l->names + e->name, e->len) & l->mask;

		while (l->hash[h])
			h = (h + 1) & l->mask;
		l->hash[h] = i + 1;
	}
	l->bytes = sizeof *l + l->size + l->cap * sizeof *l->ent +
		   n * sizeof *l->hash +
		   (l->attr ? l->cap * sizeof *l->attr : 0);
}

/* The entry's number, or -1. */
static int glist_find(const struct glist *l, const char *name, size_t len)
{
	for (unsigned h = name_hash(name, len) & l->mask; l->hash[h];
		h = (h + 1) & l->mask) {
		const struct gent *e = &l->ent[l->hash[h] - 1];

		if (e->len == len && !memcmp(l->names + e->name, name, len))
			return (int)l->hash[h] - 1;
	}
	return -1;
}

/* The entries of one message. */
static int glist_take(
	struct gsuper *s, struct glist *l, struct p9_data d, uint64_t *off)
{
	struct p9_dirent e;
	uint64_t from = *off;
	int err = 0;

	while (!err && p9_dirent_get(&d, true, &e)) {
		*off = e.next;
		err = glist_add(s, l, &e);
	}
	if (!err && (d.n || *off == from))
		err = -EIO; /* malformed, or no progress */
	return err;
}

static int glist_read(
	struct gsuper *s, uint32_t fid, void *buf, struct glist *l)
{
	uint64_t off = 0;
	struct p9_data d;
	uint32_t io;
	int tries = 0, err;

	do {
		err = p9_list(s->c, fid, &io, buf, &d);
	} while (gofer_retry(s->c, err, &tries));
	if (err || (!d.n && io == P9_NOFID))
		return err;
	err = glist_take(s, l, d, &off);
	if (io == P9_NOFID)
		return err;
	while (!err) {
		err = p9_readplus(s->c, io, off, buf, &d);
		if (err || !d.n)
			break;
		err = glist_take(s, l, d, &off);
	}
	p9_clunk(s->c, io, false);
	return err;
}

/* Most listings are small: what doubling took too much goes back. */
static void glist_trim(struct glist *l)
{
	l->cap = MAX(l->n, 1u);
	l->size = MAX(l->used, (size_t)1);
	(void)grow(&l->ent, sizeof *l->ent, l->cap);
	(void)grow(&l->names, 1, l->size);
	if (l->attr)
		(void)grow(&l->attr, sizeof *l->attr, l->cap);
}

static int glist_create(struct ginode *dir, struct glist **out)
{
	struct gsuper *s = gsuper_of(dir->in.sb);
	struct glist *l;
	uint32_t fid;
	int err = ginode_fid(dir, &fid);
	void *buf;

	if (err)
		return err;
	buf = atomic_exchange(&s->listbuf, NULL) ?: malloc(P9_MSIZE);
	l = calloc(1, sizeof *l);
	if (l) {
		ref_init(&l->ref);
		l->changes = atomic_load(&s->changes);
	}
	err = l && buf ? glist_read(s, fid, buf, l) : -ENOMEM;
	free(atomic_exchange(&s->listbuf, buf));
	if (err) {
		glist_put(l);
		return err;
	}
	glist_trim(l);
	glist_index(l);
	*out = l;
	return 0;
}

/* --- kept listings */

static struct {
	struct mutex lock;
	struct list dirs; /* struct ginode.kept_link, oldest first */
	size_t bytes;
} kept = { .lock = MUTEX_INIT(gofer), .dirs = LIST_INIT(kept.dirs) };

/* Takes the listing from @dir: the reference is the caller's. */
LOCKS_UNCHECKED /* kept.lock, of class lc_gofer, is held */
	static struct glist *
	kept_take(struct ginode *dir)
{
	struct glist *l = atomic_exchange(&dir->list, NULL);

	if (l) {
		kept.bytes -= l->bytes;
		list_del(&dir->kept_link);
	}
	return l;
}

/* Names in @dir change: what was kept is wrong. */
static void glist_forget(struct ginode *dir)
{
	struct glist *l;

	if (!atomic_load(&dir->list))
		return;
	mutex_acquire(&kept.lock);
	l = kept_take(dir);
	mutex_release(&kept.lock);
	glist_put(l);
}

/* Keeps @l (not consumed) with @dir, and lets the oldest go. */
LOCKS_UNCHECKED /* takes kept.lock itself */
	static void
	glist_keep(struct ginode *dir, struct glist *l)
{
	struct glist *out[16];
	unsigned n = 0;

	if (!l->hash || l->bytes > KEPT_BYTES / 2)
		return;
	ref_get(&l->ref);
	mutex_acquire(&kept.lock);
	out[n++] = kept_take(dir);
	atomic_store(&dir->list, l);
	list_add_tail(&kept.dirs, &dir->kept_link);
	kept.bytes += l->bytes;
	while (kept.bytes > KEPT_BYTES && n < ARRAY_SIZE(out)) {
		struct ginode *old =
			list_first(&kept.dirs, struct ginode, kept_link);

		out[n++] = kept_take(old);
	}
	mutex_release(&kept.lock);
	while (n)
		glist_put(out[--n]);
}

/* What is known of @dir: a reference, or NULL. */
static struct glist *glist_known(struct ginode *dir)
{
	struct glist *l;

	if (!atomic_load(&dir->list))
		return NULL;
	mutex_acquire(&kept.lock);
	l = atomic_load(&dir->list);
	if (l)
		ref_get(&l->ref);
	mutex_release(&kept.lock);
	return l;
}

void gofer_dir_fini(struct ginode *g)
{
	glist_forget(g);
}

/* --- lookup */

/* From the listing, if that knows: 0, -ENOENT, or -EAGAIN to ask the gofer. */
static int lookup_listed(
	struct ginode *dir, const char *name, size_t len, struct inode **out)
{
	struct gsuper *s = gsuper_of(dir->in.sb);
	struct glist *l = glist_known(dir);
	struct ginode *g;
	int i, err = -EAGAIN;

	if (!l)
		return -EAGAIN;
	i = glist_find(l, name, len);
	if (i < 0)
		err = -ENOENT;
	else if (l->attr && l->changes == atomic_load(&s->changes))
		err = ginode_find(s, &l->attr[i], P9_NOFID, dir, name, len, &g);
	glist_put(l);
	if (!err)
		*out = &g->in;
	return err;
}

/* One name, asked of the gofer. */
static int walk_one(struct ginode *dir, const char *name, size_t len,
	uint32_t *fid, struct p9_attr *a)
{
	struct p9_client *c = gclient(&dir->in);
	struct p9_str str = p9_str(name, len);
	int tries = 0, err;
	unsigned got;
	uint32_t up;

	err = ginode_fid(dir, &up);
	if (err)
		return err;
	do {
		err = p9_walk(c, up, &str, 1, fid, a, &got);
	} while (gofer_retry(c, err, &tries));
	return err;
}

static int gofer_lookup(
	struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct p9_attr a;
	struct ginode *g;
	uint32_t fid;
	int err = lookup_listed(ginode_of(dir), name, len, out);

	if (err != -EAGAIN)
		return err;
	err = walk_one(ginode_of(dir), name, len, &fid, &a)
		      ?: ginode_find(gsuper_of(dir->sb), &a, fid, NULL, NULL, 0,
				 &g);
	if (!err)
		*out = &g->in;
	return err;
}

bool gofer_dir_same(
	struct ginode *dir, const char *name, size_t len, struct ginode *g)
{
	struct p9_attr a;
	uint32_t fid;
	int err = walk_one(dir, name, len, &fid, &a);

	if (err)
		return err == -ENOENT && !g;
	p9_clunk(gclient(&dir->in), fid, false);
	if (!g || a.ino != g->ino || a.dev != g->dev)
		return false;
	ginode_refresh(g, &a);
	return true;
}

/* --- making */

/* The directory's entries and times are no longer what they were. */
static void dir_changed(struct inode *dir)
{
	glist_forget(ginode_of(dir));
	ginode_touch(ginode_of(dir));
}

static int dir_make(struct inode *dir, struct p9_str name, uint32_t mode,
	uint64_t rdev, const char *target, const struct cred *cred,
	struct inode **out)
{
	struct gsuper *s = gsuper_of(dir->sb);
	struct p9_Tmake k = { .name = name,
		.rdev = rdev,
		.uid = cred->fsuid,
		.target = p9_str(target, strlen(target)) };
	struct p9_attr a;
	struct ginode *g;
	int hfd, tries = 0, err;

	inode_init_owner(dir, cred, &mode, &k.gid);
	k.mode = mode;
	err = ginode_fid(ginode_of(dir), &k.dfid);
	if (err)
		return err;
	do {
		err = p9_make(s->c, &k, &hfd, &a);
	} while (gofer_retry(s->c, err, &tries));
	if (err)
		return err;
	if (name.n)
		dir_changed(dir);
	err = ginode_find(s, &a, k.newfid, NULL, NULL, 0, &g);
	if (err) {
		if (hfd >= 0)
			close(hfd);
		return err;
	}
	atomic_store(&g->changed, true); /* no listing knows it */
	gofer_file_adopt(g, hfd);
	*out = &g->in;
	return 0;
}

static int gofer_create(struct inode *dir, const char *name, size_t len,
	uint32_t mode, const struct cred *cred, struct inode **out)
{
	return dir_make(dir, p9_str(name, len), S_IFREG | (mode & 07777), 0, "",
		cred, out);
}

static int gofer_mkdir(struct inode *dir, const char *name, size_t len,
	uint32_t mode, const struct cred *cred, struct inode **out)
{
	return dir_make(dir, p9_str(name, len), S_IFDIR | (mode & 07777), 0, "",
		cred, out);
}

static int gofer_mknod(struct inode *dir, const char *name, size_t len,
	uint32_t mode, uint64_t rdev, const struct cred *cred,
	struct inode **out)
{
	return dir_make(dir, p9_str(name, len), mode, rdev, "", cred, out);
}

static int gofer_symlink(struct inode *dir, const char *name, size_t len,
	const char *target, const struct cred *cred, struct inode **out)
{
	return dir_make(
		dir, p9_str(name, len), S_IFLNK | 0777, 0, target, cred, out);
}

/* A file without a name: the protocol's name for it is the empty one. */
static int gofer_tmpfile(struct inode *dir, uint32_t mode,
	const struct cred *cred, struct inode **out)
{
	return dir_make(
		dir, p9_str("", 0), S_IFREG | (mode & 07777), 0, "", cred, out);
}

static int gofer_link(
	struct inode *dir, const char *name, size_t len, struct inode *target)
{
	uint32_t up, fid;
	int err = ginode_fid(ginode_of(dir), &up) ?:
			ginode_fid(ginode_of(target), &fid) ?:
			p9_link(gclient(dir), up, fid, p9_str(name, len));

	if (err)
		return err;
	target->nlink++;
	ginode_touch(ginode_of(target));
	dir_changed(dir);
	return 0;
}

/* --- names going and moving */

/* Before its name goes: whoever holds it besides the cache needs its fid. */
static int keep_hold(struct inode *in)
{
	uint32_t fid;

	if (atomic_load(&in->ref.n) == 1)
		return 0;
	return ginode_fid(ginode_of(in), &fid);
}

static void name_gone(struct inode *in)
{
	if (S_ISDIR(in->mode))
		in->nlink = 0;
	else if (in->nlink)
		in->nlink--;
	ginode_touch(ginode_of(in));
	/* Nothing pins it on the host: its number may be another's soon. */
	if (!in->nlink && atomic_load(&ginode_of(in)->fid) == P9_NOFID)
		ginode_unhash(ginode_of(in));
}

static int dir_remove(struct inode *dir, const char *name, size_t len,
	struct inode *victim, bool is_dir)
{
	uint32_t up;
	int err = keep_hold(victim) ?:
			ginode_fid(ginode_of(dir), &up) ?:
			p9_unlink(gclient(dir), up, p9_str(name, len), is_dir);

	if (err)
		return err;
	name_gone(victim);
	dir_changed(dir);
	return 0;
}

static int gofer_unlink(
	struct inode *dir, const char *name, size_t len, struct inode *victim)
{
	return dir_remove(dir, name, len, victim, false);
}

static int gofer_rmdir(
	struct inode *dir, const char *name, size_t len, struct inode *victim)
{
	return dir_remove(dir, name, len, victim, true);
}

static int gofer_rename(struct inode *olddir, const char *oldname,
	struct inode *moved, struct inode *newdir, const char *newname,
	struct inode *victim, unsigned flags)
{
	uint32_t from, to, fid;
	int err = ginode_fid(ginode_of(moved), &fid) ?:
			ginode_fid(ginode_of(olddir), &from) ?:
			ginode_fid(ginode_of(newdir), &to);

	if (!err && victim)
		err = flags & EXCHANGE ? ginode_fid(ginode_of(victim), &fid)
				       : keep_hold(victim);
	if (!err)
		err = p9_rename(gclient(olddir), from,
			p9_str(oldname, strlen(oldname)), to,
			p9_str(newname, strlen(newname)), flags);
	if (err)
		return err;
	ginode_touch(ginode_of(moved));
	if (victim && flags & EXCHANGE)
		ginode_touch(ginode_of(victim));
	else if (victim)
		name_gone(victim);
	dir_changed(olddir);
	dir_changed(newdir);
	return 0;
}

/* --- symbolic links */

static int gofer_readlink(
	struct inode *in, struct task *t UNUSED, char **target)
{
	struct ginode *g = ginode_of(in);
	char *text = atomic_load(&g->target), *none = NULL;
	uint32_t fid;
	int err;

	/* The text of a link never changes: another link has another inode. */
	if (!text) {
		err = ginode_fid(g, &fid)
			      ?: p9_readlink(gclient(in), fid, &text);
		if (err)
			return err;
		if (!atomic_compare_exchange_strong(&g->target, &none, text)) {
			free(text);
			text = none;
		}
	}
	*target = strdup(text);
	return *target ? 0 : -ENOMEM;
}

/* --- open directories */

LOCKS_UNCHECKED /* gf->list: the VFS holds the position's lock */
	static int
	gofer_readdir(struct file *f, struct dirsink *to, int64_t *pos)
{
	struct ginode *dir = ginode_of(f->inode);
	struct gfile *gf = gfile_of(f);
	struct glist *l;
	int err;

	if (*pos < 2 && !dirsink_dots(f, to, pos))
		return 0;
	if (*pos == 2 || !gf->list) {
		glist_put(gf->list);
		gf->list = glist_known(dir);
	}
	if (!gf->list) {
		err = glist_create(dir, &gf->list);
		if (err)
			return err;
		if (gsuper_of(dir->in.sb)->exclusive)
			glist_keep(dir, gf->list);
	}
	l = gf->list;
	while (*pos - 2 < l->n) {
		const struct gent *e = &l->ent[*pos - 2];

		if (!dirsink_emit(to, l->names + e->name, e->len, e->ino,
			    e->type, *pos + 1))
			break;
		++*pos;
	}
	return 0;
}

static int gofer_dir_fsync(struct file *f, bool datasync)
{
	uint32_t fid;
	int err = ginode_fid(ginode_of(f->inode), &fid);

	return err ? err : p9_fsync(gclient(f->inode), fid, datasync);
}

static void gofer_dir_close(struct file *f)
{
	struct gfile *gf = gfile_of(f);

	glist_put(gf->list);
	file_fini(f);
	free(gf);
}

static const struct file_ops gofer_dirfile_ops = {
	.name = "dir",
	.readdir = gofer_readdir,
	.fsync = gofer_dir_fsync,
	.release = gofer_dir_close,
};

static int gofer_dir_open(struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	struct gfile *gf = malloc(sizeof *gf);

	if (!gf)
		return -ENOMEM;
	gf->fid = P9_NOFID;
	gf->list = NULL;
	file_init(&gf->f, &gofer_dirfile_ops, flags, in, path, cred);
	*out = &gf->f;
	return 0;
}

const struct inode_ops gofer_dir_ops = {
	.lookup = gofer_lookup,
	.create = gofer_create,
	.mkdir = gofer_mkdir,
	.mknod = gofer_mknod,
	.symlink = gofer_symlink,
	.tmpfile = gofer_tmpfile,
	.link = gofer_link,
	.unlink = gofer_unlink,
	.rmdir = gofer_rmdir,
	.rename = gofer_rename,
	.open = gofer_dir_open,
	.getattr = gofer_getattr,
	.setattr = gofer_setattr,
	.getxattr = gofer_getxattr,
	.setxattr = gofer_setxattr,
	.listxattr = gofer_listxattr,
	.release = gofer_release,
};

const struct inode_ops gofer_link_ops = {
	.readlink = gofer_readlink,
	.getattr = gofer_getattr,
	.setattr = gofer_setattr,
	.getxattr = gofer_getxattr,
	.setxattr = gofer_setxattr,
	.listxattr = gofer_listxattr,
	.release = gofer_release,
};
