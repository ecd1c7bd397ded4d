/*
 * server_tree.c - requests about names: walking, opening, making, removing.
 */
#include "fs9p/server_int.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* --- walking */

int srv_walk(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Twalk *w = &t->Twalk;
	struct p9_qids *q = &r->Rwalk.qids;
	struct fid *f;
	uint32_t mode;
	int hfd, err = srv_fid(p, w->fid, &f);

	if (err)
		return err;
	if (w->newfid != w->fid && fid_find(&p->fids, w->newfid))
		return -EADDRINUSE;
	hfd = fcntl(f->hfd, F_DUPFD_CLOEXEC, 0);
	if (hfd < 0)
		return -errno;
	mode = f->mode;
	for (q->n = 0; q->n < w->names.n; q->n++) {
		char name[P9_NAME_MAX + 1];
		struct p9_attr a;
		int child = -1;

		err = S_ISDIR(mode) ? export_name(w->names.v[q->n], name)
				    : -ENOTDIR;
		if (!err)
			err = export_child(hfd, name, &child, &a);
		if (err)
			break;
		close(hfd);
		hfd = child;
		mode = a.mode;
		q->v[q->n] = a.qid;
	}
	if (q->n <
		w->names.n) { /* newfid is not made; how far it came is told */
		close(hfd);
		return q->n ? 0 : err;
	}
	if (w->newfid == w->fid)
		fid_remove(&p->fids, f);
	return srv_add_fid(p, w->newfid, hfd, mode, NULL);
}

/*
 * Ours: the i-th name gets fid newfid + i, and ecode says why it stopped early:
 * ELOOP at a symbolic link (which has its fid and attributes), or an error.
 */
int srv_walkattr(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Twalkattr *w = &t->Twalkattr;
	struct p9_attrs *out = &r->Rwalkattr.attrs;
	struct fid *f;
	int err = srv_fid(p, w->fid, &f);

	if (err)
		return err;
	if (w->names.n == 0)
		return srv_clone_fid(p, f, w->newfid, NULL);
	out->raw = p->body;
	for (out->n = 0; !err && out->n < w->names.n;) {
		char name[P9_NAME_MAX + 1];
		struct p9_attr a;
		int child;

		err = S_ISLNK(f->mode) ? -ELOOP
		      : !S_ISDIR(f->mode)
			      ? -ENOTDIR
			      : export_name(w->names.v[out->n], name);
		if (!err)
			err = export_child(f->hfd, name, &child, &a);
		if (!err)
			err = srv_add_fid(
				p, w->newfid + out->n, child, a.mode, &f);
		if (err)
			break;
		p9_attr_put(&a, out->raw + (size_t)out->n * P9_ATTR_SIZE);
		out->n++;
	}
	r->Rwalkattr.ecode = (uint32_t)-err;
	return out->n ? 0 : err;
}

/* --- opening and making */

int srv_lopen(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	struct p9_attr a;
	struct fid *f;
	int err = srv_fid(p, t->Tlopen.fid, &f) ?:
		srv_open_fid(p, f, t->Tlopen.flags) ?: export_stat(f->hfd, &a);

	if (err)
		return err;
	r->Rlopen.qid = a.qid;
	r->Rlopen.iounit = p->msize - P9_IOHEADER;
	return 0;
}

/*
 * Ours.  The descriptor of a regular file, or of a fifo where that is allowed,
 * goes to the client.
 */
int srv_open(struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	const struct p9_Topen *o = &t->Topen;
	struct fid *f;
	int err = srv_fid(p, o->fid, &f);

	if (err)
		return err;
	if (S_ISDIR(f->mode)) /* its descriptor would lead out: never donated */
		return -EISDIR;
	return export_open(&p->x, f->hfd, f->mode, (int)o->flags, &p->donate);
}

/* Everything of the base protocol that makes something: @hfd and @io may be
 * NULL. */
static int make(struct p9_peer *p, uint32_t dfid, struct p9_str name,
	struct export_make *m, struct p9_qid *qid)
{
	struct p9_attr a;
	struct fid *f;
	int hfd, err = srv_entry(p, dfid, name, &f, m->name)
			       ?: export_make(f->hfd, m, &hfd, NULL, &a);

	if (err)
		return err;
	close(hfd);
	*qid = a.qid;
	return 0;
}

int srv_symlink(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Tsymlink *s = &t->Tsymlink;
	struct export_make m = { .mode = S_IFLNK | 0777,
		.uid = P9_NONUID,
		.gid = s->gid,
		.target = s->target };

	return make(p, s->dfid, s->name, &m, &r->Rsymlink.qid);
}

int srv_mknod(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Tmknod *k = &t->Tmknod;
	struct export_make m = { .mode = k->mode,
		.rdev = makedev(k->major, k->minor),
		.uid = P9_NONUID,
		.gid = k->gid };

	return make(p, k->dfid, k->name, &m, &r->Rmknod.qid);
}

int srv_mkdir(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Tmkdir *k = &t->Tmkdir;
	struct export_make m = { .mode = S_IFDIR | (k->mode & 07777),
		.uid = P9_NONUID,
		.gid = k->gid };

	return make(p, k->dfid, k->name, &m, &r->Rmkdir.qid);
}

/* A new file, or without O_EXCL the old one: never through a link, never a
 * device. */
static int create_or_open(struct p9_peer *p, int dir, struct export_make *m,
	int flags, int *hfd, int *io, struct p9_attr *a)
{
	int err = p->x.readonly ? -EROFS : export_make(dir, m, hfd, NULL, a);

	if (err && (err != -EEXIST || flags & O_EXCL))
		return err;
	if (err) {
		err = export_child(dir, m->name, hfd, a);
		if (err)
			return err;
	}
	err = export_open(&p->x, *hfd, a->mode, flags & ~O_EXCL, io);
	if (err)
		close(*hfd);
	return err;
}

/* The directory's fid becomes that of the file, opened. */
int srv_lcreate(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Tlcreate *c = &t->Tlcreate;
	struct export_make m = { .mode = S_IFREG | (c->mode & 07777),
		.uid = P9_NONUID,
		.gid = c->gid };
	struct p9_attr a;
	struct fid *f;
	int hfd, io, err = srv_entry(p, c->fid, c->name, &f, m.name);

	if (!err && (f->io >= 0 || f->xattr))
		err = -EBUSY;
	if (!err)
		err = create_or_open(
			p, f->hfd, &m, (int)c->flags, &hfd, &io, &a);
	if (err)
		return err;
	close(f->hfd);
	f->hfd = hfd;
	f->io = io;
	f->mode = a.mode;
	r->Rlcreate.qid = a.qid;
	r->Rlcreate.iounit = p->msize - P9_IOHEADER;
	return 0;
}

/* Ours: any new object, with its owner, its fid, and a file's descriptor. */
int srv_make(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Tmake *k = &t->Tmake;
	struct export_make m = { .mode = k->mode,
		.rdev = k->rdev,
		.uid = k->uid,
		.gid = k->gid,
		.target = k->target };
	bool nameless = !k->name.n && S_ISREG(k->mode);
	struct fid *f;
	int hfd, err = nameless ? srv_dir(p, k->dfid, &f)
				: srv_entry(p, k->dfid, k->name, &f, m.name);

	if (!err && (k->newfid == P9_NOFID || fid_find(&p->fids, k->newfid)))
		err = -EADDRINUSE; /* before anything is made */
	if (!err)
		err = (nameless ? export_tmpfile : export_make)(
			f->hfd, &m, &hfd, &p->donate, &r->Rmake.attr);
	if (err)
		return err;
	r->Rmake.donated = p->donate >= 0;
	return srv_add_fid(p, k->newfid, hfd, r->Rmake.attr.mode, NULL);
}

int srv_link(struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	char name[P9_NAME_MAX + 1];
	struct fid *dir, *f;

	return srv_fid(p, t->Tlink.fid, &f) ?:
		srv_entry(p, t->Tlink.dfid, t->Tlink.name, &dir, name) ?:
		export_link(dir->hfd, name, f->hfd);
}

/* --- names going and moving */

int srv_unlinkat(struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	const struct p9_Tunlinkat *u = &t->Tunlinkat;
	char name[P9_NAME_MAX + 1];
	struct fid *f;

	if (u->flags & ~(uint32_t)P9_UNLINK_DIR)
		return -EINVAL;
	return srv_entry(p, u->dfid, u->name, &f, name)
		       ?: export_unlink(f->hfd, name, u->flags & P9_UNLINK_DIR);
}

static int move(struct p9_peer *p, uint32_t olddfid, struct p9_str olds,
	uint32_t newdfid, struct p9_str news, uint32_t flags)
{
	char oldname[P9_NAME_MAX + 1], newname[P9_NAME_MAX + 1];
	struct fid *from, *to;

	return srv_entry(p, olddfid, olds, &from, oldname) ?:
		srv_entry(p, newdfid, news, &to, newname) ?:
		export_rename(from->hfd, oldname, to->hfd, newname, flags);
}

int srv_renameat(struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	const struct p9_Trenameat *m = &t->Trenameat;

	return move(p, m->olddfid, m->oldname, m->newdfid, m->newname, 0);
}

int srv_move(struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	const struct p9_Tmove *m = &t->Tmove;

	return move(
		p, m->olddfid, m->oldname, m->newdfid, m->newname, m->flags);
}

int srv_rename(struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	char oldname[P9_NAME_MAX + 1], newname[P9_NAME_MAX + 1];
	struct fid *f, *to;
	int dir, err = srv_fid(p, t->Trename.fid, &f) ?:
		srv_entry(p, t->Trename.dfid, t->Trename.name, &to, newname) ?:
		export_locate(&p->x, f->hfd, &dir, oldname);

	if (err)
		return err;
	err = export_rename(dir, oldname, to->hfd, newname, 0);
	close(dir);
	return err;
}

/* The fid is gone whatever happens. */
int srv_remove(struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	char name[P9_NAME_MAX + 1];
	struct fid *f;
	int dir, err = srv_fid(p, t->Tremove.fid, &f);

	if (err)
		return err;
	err = p->x.readonly ? -EROFS : export_locate(&p->x, f->hfd, &dir, name);
	if (!err) {
		err = export_unlink(dir, name, S_ISDIR(f->mode));
		close(dir);
	}
	fid_remove(&p->fids, f);
	return err;
}
