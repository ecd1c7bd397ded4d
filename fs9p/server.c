/*
 * server.c - the gofer's side: requests in, replies out.
 *
 * Theory of operation
 *
 * A request is decoded whole, looked up in the table at the end of this file,
 * checked there (is the extension negotiated, may this export change), handled,
 * and answered with its own R-message or with Rlerror.  A message that is no
 * message at all (wrong length, trailing bytes) ends the connection.
 *
 * States.  A connection knows nothing but Tversion until that succeeded; a
 * second Tversion drops all fids and begins again.  A fid is made by attach,
 * walk, or a message with a "newfid"; opening adds a descriptor; clunk ends it.
 *
 * Limits.  The fids of all connections share RLIMIT_NOFILE: beyond it requests
 * fail with EMFILE, and clunks bring them back.  Counts of the client are cut
 * to what fits into its msize.
 */
#include "fs9p/server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/seccomp.h"
#include "fs9p/fid.h"
#include "fs9p/frame.h"

#define XATTR_VALUE_MAX 65536
#define LOCK_SUCCESS    0 /* Rlock */
#define LOCK_TYPE_UNLCK 2 /* Rgetlock */
#define NS(sec, frac)   ((int64_t)((sec)*NSEC_PER_SEC + (frac)))

struct p9_peer {
	struct p9_export x; /* x.sock is -1 in a test */
	struct fid_table fids;
	uint32_t msize; /* 0: no Tversion yet */
	bool ours;      /* 9P2000.L.runsc */
	bool stream;
	int donate;    /* of the reply being made; owned; -1 */
	uint8_t *body; /* where data of the reply goes */
};

/* --- help for the handlers */

static int fid_get(struct p9_peer *p, uint32_t num, struct fid **f)
{
	*f = fid_find(&p->fids, num);
	return *f ? 0 : -EBADF;
}

static int dir_get(struct p9_peer *p, uint32_t num, struct fid **f)
{
	int err = fid_get(p, num, f);

	return err ? err : S_ISDIR((*f)->mode) ? 0 : -ENOTDIR;
}

/* A directory's fid and a name in it, the beginning of most requests. */
static int entry_get(struct p9_peer *p, uint32_t num, struct p9_str s,
	struct fid **f, char name[P9_NAME_MAX + 1])
{
	return dir_get(p, num, f) ?: export_name(s, name);
}

/* Bytes of data that a reply may carry. */
static uint32_t room(const struct p9_peer *p, uint32_t count)
{
	return MIN(count, p->msize - P9_IOHEADER);
}

static int add_fid(struct p9_peer *p, uint32_t num, int hfd, uint32_t mode,
	struct fid **out)
{
	int err = fid_add(&p->fids, num, hfd, mode, out);

	if (err)
		close(hfd);
	return err;
}

static int clone_fid(struct p9_peer *p, const struct fid *f, uint32_t newfid)
{
	int hfd = fcntl(f->hfd, F_DUPFD_CLOEXEC, 0);

	return hfd < 0 ? -errno : add_fid(p, newfid, hfd, f->mode, NULL);
}

static int open_fid(struct p9_peer *p, struct fid *f, uint32_t flags)
{
	if (f->io >= 0 || f->xattr)
		return -EBUSY;
	f->dirpos = 0;
	return export_open(&p->x, f->hfd, f->mode, (int)flags, &f->io);
}

/* Closes the descriptor of a finished write of an attribute, then the fid. */
static int clunk_fid(struct p9_peer *p, struct fid *f)
{
	struct fid_xattr *v = f->xattr;
	int err = 0;

	if (v && v->writing) {
		if (v->done != v->size)
			err = -EINVAL;
		else if (v->size == 0) /* v9fs: an empty value removes */
			err = export_setxattr(
				f->hfd, v->name, NULL, 0, P9_XATTR_REMOVE);
		else
			err = export_setxattr(
				f->hfd, v->name, v->value, v->size, v->flags);
	}
	fid_remove(&p->fids, f);
	return err;
}

/* --- session */

static int srv_version(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_str *v = &t->Tversion.version;
	const char *answer = "unknown";
	bool ours = v->n == strlen(P9_VERSION_OURS) &&
		    !memcmp(v->s, P9_VERSION_OURS, v->n);
	bool base = v->n == strlen(P9_VERSION_L) &&
		    !memcmp(v->s, P9_VERSION_L, v->n);

	if (t->Tversion.msize < P9_MSIZE_MIN)
		return -EINVAL;
	fid_table_fini(&p->fids);
	p->ours = ours;
	p->msize = 0;
	if (ours || base) {
		p->msize = MIN(t->Tversion.msize, P9_MSIZE_MAX);
		answer = ours ? P9_VERSION_OURS : P9_VERSION_L;
	}
	r->Rversion.msize = MIN(t->Tversion.msize, P9_MSIZE_MAX);
	r->Rversion.version =
		(struct p9_str){ answer, (uint16_t)strlen(answer) };
	return 0;
}

static int srv_auth(struct p9_peer *p UNUSED, const struct msg *t UNUSED,
	struct msg *r UNUSED)
{
	return -ENOENT; /* as the protocol says when no authentication is needed
			 */
}

/* The tree is the connection's: "aname" names nothing. */
static int srv_attach(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	struct p9_attr a;
	int hfd, err;

	if (t->Tattach.afid != P9_NOFID)
		return -EINVAL;
	err = export_stat(p->x.root, &a);
	if (err)
		return err;
	hfd = fcntl(p->x.root, F_DUPFD_CLOEXEC, 0);
	if (hfd < 0)
		return -errno;
	r->Rattach.qid = a.qid;
	return add_fid(p, t->Tattach.fid, hfd, a.mode, NULL);
}

/* One request is served at a time: whatever is to be flushed has its reply. */
static int srv_flush(struct p9_peer *p UNUSED, const struct msg *t UNUSED,
	struct msg *r UNUSED)
{
	return 0;
}

static int srv_clunk(
	struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	struct fid *f;

	return fid_get(p, t->Tclunk.fid, &f) ?: clunk_fid(p, f);
}

static int srv_clunks(
	struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	int err = 0;

	for (unsigned i = 0; i < t->Tclunks.fids.n; i++) {
		struct fid *f;
		int one = fid_get(p, t->Tclunks.fids.v[i], &f);

		if (!one)
			one = clunk_fid(p, f);
		err = err ? err : one;
	}
	return err;
}

/*
 * A caller waits for us, so its CPU is free, and a wake-up on another costs
 * several times what a request does.  Only a hint: a CPU that we may not use is
 * no error.
 */
static int srv_place(
	struct p9_peer *p UNUSED, const struct msg *t, struct msg *r UNUSED)
{
	static cpu_set_t any;
	cpu_set_t set;

	if (!CPU_COUNT(&any) && sched_getaffinity(0, sizeof any, &any))
		return 0;
	CPU_ZERO(&set);
	if (t->Tplace.cpu < CPU_SETSIZE && CPU_ISSET(t->Tplace.cpu, &any))
		CPU_SET(t->Tplace.cpu, &set);
	else
		set = any;
	(void)sched_setaffinity(0, sizeof set, &set);
	return 0;
}

/* --- walking */

static int srv_walk(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Twalk *w = &t->Twalk;
	struct p9_qids *q = &r->Rwalk.qids;
	struct fid *f;
	uint32_t mode;
	int hfd, err = fid_get(p, w->fid, &f);

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
	return add_fid(p, w->newfid, hfd, mode, NULL);
}

/*
 * Ours: the i-th name gets fid newfid + i, and ecode says why it stopped early:
 * ELOOP at a symbolic link (which has its fid and attributes), or an error.
 */
static int srv_walkattr(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Twalkattr *w = &t->Twalkattr;
	struct p9_attrs *out = &r->Rwalkattr.attrs;
	struct fid *f;
	int err = fid_get(p, w->fid, &f);

	if (err)
		return err;
	if (w->names.n == 0)
		return clone_fid(p, f, w->newfid);
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
			err = add_fid(p, w->newfid + out->n, child, a.mode, &f);
		if (err)
			break;
		p9_attr_put(&a, out->raw + (size_t)out->n * P9_ATTR_SIZE);
		out->n++;
	}
	r->Rwalkattr.ecode = (uint32_t)-err;
	return out->n ? 0 : err;
}

/* --- opening and making */

static int srv_lopen(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	struct p9_attr a;
	struct fid *f;
	int err = fid_get(p, t->Tlopen.fid, &f) ?:
		open_fid(p, f, t->Tlopen.flags) ?: export_stat(f->hfd, &a);

	if (err)
		return err;
	r->Rlopen.qid = a.qid;
	r->Rlopen.iounit = p->msize - P9_IOHEADER;
	return 0;
}

/*
 * Ours.  A regular file's (a fifo's) descriptor goes to the client.  Anything
 * else is opened here, under newfid.
 */
static int srv_open(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Topen *o = &t->Topen;
	struct fid *f, *n;
	int hfd, err = fid_get(p, o->fid, &f);

	if (err)
		return err;
	if (!S_ISDIR(f->mode)) {
		r->Ropen.donated = 1;
		return export_open(
			&p->x, f->hfd, f->mode, (int)o->flags, &p->donate);
	}
	r->Ropen.donated = 0;
	hfd = fcntl(f->hfd, F_DUPFD_CLOEXEC, 0);
	if (hfd < 0)
		return -errno;
	err = add_fid(p, o->newfid, hfd, f->mode, &n);
	if (err)
		return err;
	err = open_fid(p, n, o->flags);
	if (err)
		fid_remove(&p->fids, n);
	return err;
}

/* Everything of the base protocol that makes something: @hfd and @io may be
 * NULL. */
static int make(struct p9_peer *p, uint32_t dfid, struct p9_str name,
	struct export_make *m, struct p9_qid *qid)
{
	struct p9_attr a;
	struct fid *f;
	int hfd, err = entry_get(p, dfid, name, &f, m->name)
			       ?: export_make(f->hfd, m, &hfd, NULL, &a);

	if (err)
		return err;
	close(hfd);
	*qid = a.qid;
	return 0;
}

static int srv_symlink(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Tsymlink *s = &t->Tsymlink;
	struct export_make m = { .mode = S_IFLNK | 0777,
		.uid = P9_NONUID,
		.gid = s->gid,
		.target = s->target };

	return make(p, s->dfid, s->name, &m, &r->Rsymlink.qid);
}

static int srv_mknod(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Tmknod *k = &t->Tmknod;
	struct export_make m = { .mode = k->mode,
		.rdev = makedev(k->major, k->minor),
		.uid = P9_NONUID,
		.gid = k->gid };

	return make(p, k->dfid, k->name, &m, &r->Rmknod.qid);
}

static int srv_mkdir(struct p9_peer *p, const struct msg *t, struct msg *r)
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
static int srv_lcreate(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Tlcreate *c = &t->Tlcreate;
	struct export_make m = { .mode = S_IFREG | (c->mode & 07777),
		.uid = P9_NONUID,
		.gid = c->gid };
	struct p9_attr a;
	struct fid *f;
	int hfd, io, err = entry_get(p, c->fid, c->name, &f, m.name);

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
static int srv_make(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Tmake *k = &t->Tmake;
	struct export_make m = { .mode = k->mode,
		.rdev = k->rdev,
		.uid = k->uid,
		.gid = k->gid,
		.target = k->target };
	bool nameless = !k->name.n && S_ISREG(k->mode);
	struct fid *f;
	int hfd, err = nameless ? dir_get(p, k->dfid, &f)
				: entry_get(p, k->dfid, k->name, &f, m.name);

	if (!err && (k->newfid == P9_NOFID || fid_find(&p->fids, k->newfid)))
		err = -EADDRINUSE; /* before anything is made */
	if (!err)
		err = (nameless ? export_tmpfile : export_make)(
			f->hfd, &m, &hfd, &p->donate, &r->Rmake.attr);
	if (err)
		return err;
	r->Rmake.donated = p->donate >= 0;
	return add_fid(p, k->newfid, hfd, r->Rmake.attr.mode, NULL);
}

static int srv_link(
	struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	char name[P9_NAME_MAX + 1];
	struct fid *dir, *f;

	return fid_get(p, t->Tlink.fid, &f) ?:
		entry_get(p, t->Tlink.dfid, t->Tlink.name, &dir, name) ?:
		export_link(dir->hfd, name, f->hfd);
}

/* --- names going and moving */

static int srv_unlinkat(
	struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	const struct p9_Tunlinkat *u = &t->Tunlinkat;
	char name[P9_NAME_MAX + 1];
	struct fid *f;

	if (u->flags & ~(uint32_t)P9_UNLINK_DIR)
		return -EINVAL;
	return entry_get(p, u->dfid, u->name, &f, name)
		       ?: export_unlink(f->hfd, name, u->flags & P9_UNLINK_DIR);
}

static int move(struct p9_peer *p, uint32_t olddfid, struct p9_str olds,
	uint32_t newdfid, struct p9_str news, uint32_t flags)
{
	char oldname[P9_NAME_MAX + 1], newname[P9_NAME_MAX + 1];
	struct fid *from, *to;

	return entry_get(p, olddfid, olds, &from, oldname) ?:
		entry_get(p, newdfid, news, &to, newname) ?:
		export_rename(from->hfd, oldname, to->hfd, newname, flags);
}

static int srv_renameat(
	struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	const struct p9_Trenameat *m = &t->Trenameat;

	return move(p, m->olddfid, m->oldname, m->newdfid, m->newname, 0);
}

static int srv_move(
	struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	const struct p9_Tmove *m = &t->Tmove;

	return move(
		p, m->olddfid, m->oldname, m->newdfid, m->newname, m->flags);
}

static int srv_rename(
	struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	char oldname[P9_NAME_MAX + 1], newname[P9_NAME_MAX + 1];
	struct fid *f, *to;
	int dir, err = fid_get(p, t->Trename.fid, &f) ?:
		entry_get(p, t->Trename.dfid, t->Trename.name, &to, newname) ?:
		export_locate(&p->x, f->hfd, &dir, oldname);

	if (err)
		return err;
	err = export_rename(dir, oldname, to->hfd, newname, 0);
	close(dir);
	return err;
}

/* The fid is gone whatever happens. */
static int srv_remove(
	struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	char name[P9_NAME_MAX + 1];
	struct fid *f;
	int dir, err = fid_get(p, t->Tremove.fid, &f);

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

/* --- attributes */

static int srv_getattr(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	struct p9_Rgetattr *o = &r->Rgetattr;
	struct p9_attr a;
	struct fid *f;
	int err = fid_get(p, t->Tgetattr.fid, &f) ?: export_stat(f->hfd, &a);

	if (err)
		return err;
	*o = (struct p9_Rgetattr){
		.valid = P9_GETATTR_BASIC | (a.btime ? P9_GETATTR_BTIME : 0),
		.qid = a.qid,
		.mode = a.mode,
		.uid = a.uid,
		.gid = a.gid,
		.nlink = a.nlink,
		.rdev = a.rdev,
		.size = a.size,
		.blksize = a.blksize,
		.blocks = a.blocks,
		.atime = (uint64_t)(a.atime / NSEC_PER_SEC),
		.atime_ns = (uint64_t)(a.atime % NSEC_PER_SEC),
		.mtime = (uint64_t)(a.mtime / NSEC_PER_SEC),
		.mtime_ns = (uint64_t)(a.mtime % NSEC_PER_SEC),
		.ctime = (uint64_t)(a.ctime / NSEC_PER_SEC),
		.ctime_ns = (uint64_t)(a.ctime % NSEC_PER_SEC),
		.btime = (uint64_t)(a.btime / NSEC_PER_SEC),
		.btime_ns = (uint64_t)(a.btime % NSEC_PER_SEC),
	};
	return 0;
}

static int srv_stat(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	struct fid *f;

	return fid_get(p, t->Tstat.fid, &f)
		       ?: export_stat(f->hfd, &r->Rstat.attr);
}

static int srv_setattr(
	struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	const struct p9_Tsetattr *s = &t->Tsetattr;
	struct export_change c = { .valid = s->valid,
		.mode = s->mode,
		.uid = s->uid,
		.gid = s->gid,
		.size = s->size };
	struct fid *f;

	if (s->atime_ns >= NSEC_PER_SEC || s->mtime_ns >= NSEC_PER_SEC ||
		s->atime > INT32_MAX * 4ULL || s->mtime > INT32_MAX * 4ULL)
		return -EINVAL;
	c.atime = NS(s->atime, s->atime_ns);
	c.mtime = NS(s->mtime, s->mtime_ns);
	return fid_get(p, s->fid, &f)
		       ?: export_change(&p->x, f->hfd, f->mode, f->io, &c);
}

static int srv_change(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Tchange *s = &t->Tchange;
	struct export_change c = { .valid = s->valid,
		.mode = s->mode,
		.uid = s->uid,
		.gid = s->gid,
		.size = s->size,
		.atime = (int64_t)s->atime,
		.mtime = (int64_t)s->mtime };
	struct fid *f;

	return fid_get(p, s->fid, &f) ?:
		export_change(&p->x, f->hfd, f->mode, f->io, &c) ?:
		export_stat(f->hfd, &r->Rchange.attr);
}

static int srv_allocate(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Tallocate *a = &t->Tallocate;
	struct fid *f;

	return fid_get(p, a->fid, &f) ?:
		export_allocate(&p->x, f->hfd, f->mode, f->io, (int)a->mode,
			a->offset, a->length) ?:
		export_stat(f->hfd, &r->Rallocate.attr);
}

static int srv_statfs(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	struct statfs s;
	struct fid *f;
	int err = fid_get(p, t->Tstatfs.fid, &f);

	if (err)
		return err;
	if (fstatfs(f->hfd, &s))
		return -errno;
	r->Rstatfs = (struct p9_Rstatfs){ .fstype = (uint32_t)s.f_type,
		.bsize = (uint32_t)s.f_bsize,
		.blocks = s.f_blocks,
		.bfree = s.f_bfree,
		.bavail = s.f_bavail,
		.files = s.f_files,
		.ffree = s.f_ffree,
		.namelen = (uint32_t)s.f_namelen };
	memcpy(&r->Rstatfs.fsid, &s.f_fsid, sizeof r->Rstatfs.fsid);
	return 0;
}

static int srv_readlink(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	struct fid *f;
	ssize_t n;
	int err = fid_get(p, t->Treadlink.fid, &f);

	if (err)
		return err;
	if (!S_ISLNK(f->mode))
		return -EINVAL;
	n = export_readlink(f->hfd, (char *)p->body, room(p, PATH_MAX));
	if (n < 0)
		return (int)n;
	r->Rreadlink.target = (struct p9_str){ (char *)p->body, (uint16_t)n };
	return 0;
}

/* --- data */

static ssize_t xattr_read(
	const struct fid_xattr *v, uint64_t off, void *buf, uint32_t n)
{
	if (v->writing)
		return -EINVAL;
	if (off >= v->size)
		return 0;
	n = (uint32_t)MIN((uint64_t)n, v->size - off);
	memcpy(buf, v->value + off, n);
	return n;
}

static ssize_t xattr_write(
	struct fid_xattr *v, uint64_t off, const void *buf, uint32_t n)
{
	if (!v->writing || off != v->done || n > v->size - v->done)
		return -EINVAL;
	memcpy(v->value + off, buf, n);
	v->done += n;
	return n;
}

/* Of a fifo, which has no offsets. */
static ssize_t host_read(const struct fid *f, void *buf, size_t n, off_t off)
{
	ssize_t got = S_ISREG(f->mode) ? pread(f->io, buf, n, off)
				       : read(f->io, buf, n);

	return got < 0 ? -errno : got;
}

static ssize_t host_write(
	const struct fid *f, const void *buf, size_t n, off_t off)
{
	ssize_t got = S_ISREG(f->mode) ? pwrite(f->io, buf, n, off)
				       : write(f->io, buf, n);

	return got < 0 ? -errno : got;
}

static int srv_read(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	uint32_t n = room(p, t->Tread.count);
	struct fid *f;
	ssize_t got;
	int err = fid_get(p, t->Tread.fid, &f);

	if (err)
		return err;
	if (f->io < 0 && !f->xattr)
		return -EBADF;
	if (S_ISDIR(f->mode) && !f->xattr)
		return -EISDIR;
	got = f->xattr ? xattr_read(f->xattr, t->Tread.offset, p->body, n)
		       : host_read(f, p->body, n, (off_t)t->Tread.offset);
	if (got < 0)
		return (int)got;
	r->Rread.data = (struct p9_data){ p->body, (uint32_t)got };
	return 0;
}

static int srv_write(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Twrite *w = &t->Twrite;
	struct fid *f;
	ssize_t n;
	int err = fid_get(p, w->fid, &f);

	if (err)
		return err;
	if (f->io < 0 && !f->xattr)
		return -EBADF;
	n = f->xattr ? xattr_write(f->xattr, w->offset, w->data.p, w->data.n)
		     : host_write(f, w->data.p, w->data.n, (off_t)w->offset);
	if (n < 0)
		return (int)n;
	r->Rwrite.count = (uint32_t)n;
	return 0;
}

static int readdir_into(struct p9_peer *p, uint32_t num, uint64_t offset,
	uint32_t count, bool plus, struct p9_data *out)
{
	struct fid *f;
	ssize_t n;
	int err = dir_get(p, num, &f);

	if (err)
		return err;
	if (f->io < 0)
		return -EBADF;
	n = export_readdir(
		f->io, &f->dirpos, offset, plus, p->body, room(p, count));
	if (n < 0)
		return (int)n;
	*out = (struct p9_data){ p->body, (uint32_t)n };
	return 0;
}

static int srv_readdir(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Treaddir *d = &t->Treaddir;

	return readdir_into(
		p, d->fid, d->offset, d->count, false, &r->Rreaddir.data);
}

static int srv_readplus(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Treadplus *d = &t->Treadplus;

	return readdir_into(
		p, d->fid, d->offset, d->count, true, &r->Rreadplus.data);
}

static int sync_fd(int fd, bool datasync)
{
	return (datasync ? fdatasync(fd) : fsync(fd)) ? -errno : 0;
}

static int srv_fsync(
	struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	struct fid *f;
	int io, err = fid_get(p, t->Tfsync.fid, &f);

	if (err)
		return err;
	if (f->io >= 0)
		return sync_fd(f->io, t->Tfsync.datasync);
	if (!S_ISREG(f->mode) && !S_ISDIR(f->mode))
		return -EINVAL;
	err = export_open(&p->x, f->hfd, f->mode, O_RDONLY, &io);
	if (err)
		return err;
	err = sync_fd(io, t->Tfsync.datasync);
	close(io);
	return err;
}

/* Locks are between processes of the guest, whose kernel keeps them. */
static int srv_lock(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	struct fid *f;

	r->Rlock.status = LOCK_SUCCESS;
	return fid_get(p, t->Tlock.fid, &f);
}

static int srv_getlock(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Tgetlock *l = &t->Tgetlock;
	struct fid *f;

	r->Rgetlock = (struct p9_Rgetlock){ LOCK_TYPE_UNLCK, l->start,
		l->length, l->pid, l->client };
	return fid_get(p, l->fid, &f);
}

static int srv_connect(
	struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	struct fid *f;

	return fid_get(p, t->Tconnect.fid, &f)
		       ?: export_connect(&p->x, f->hfd, f->mode,
				  (int)t->Tconnect.type, &p->donate);
}

/* --- extended attributes */

static int xattr_name(struct p9_str s, char name[P9_NAME_MAX + 1])
{
	if (s.n == 0 || s.n > P9_NAME_MAX || memchr(s.s, 0, s.n))
		return -ERANGE;
	memcpy(name, s.s, s.n);
	name[s.n] = 0;
	return 0;
}

static struct fid_xattr *xattr_new(const char *name, size_t size)
{
	struct fid_xattr *v = malloc(sizeof *v + size);

	if (!v)
		return NULL;
	*v = (struct fid_xattr){ .size = size };
	strcpy(v->name, name);
	return v;
}

/* The value (the list, when @name is empty) as it is now. */
static ssize_t xattr_fetch(int hfd, const char *name, void *buf, size_t n)
{
	return *name ? export_getxattr(hfd, name, buf, n)
		     : export_listxattr(hfd, buf, n);
}

static int srv_xattrwalk(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	char name[P9_NAME_MAX + 1] = "";
	struct fid_xattr *v;
	struct fid *f;
	ssize_t n;
	int err = fid_get(p, t->Txattrwalk.fid, &f);

	if (!err && t->Txattrwalk.name.n)
		err = xattr_name(t->Txattrwalk.name, name);
	if (err)
		return err;
	n = xattr_fetch(f->hfd, name, NULL, 0);
	if (n < 0)
		return (int)n;
	v = xattr_new(name, (size_t)n);
	if (!v)
		return -ENOMEM;
	n = n ? xattr_fetch(f->hfd, name, v->value, (size_t)n) : 0;
	err = n < 0 ? (int)n : clone_fid(p, f, t->Txattrwalk.newfid);
	if (err) {
		free(v);
		return err;
	}
	v->size = (size_t)n;
	fid_find(&p->fids, t->Txattrwalk.newfid)->xattr = v;
	r->Rxattrwalk.size = v->size;
	return 0;
}

static int srv_xattrcreate(
	struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	const struct p9_Txattrcreate *x = &t->Txattrcreate;
	char name[P9_NAME_MAX + 1];
	struct fid *f;
	int err = fid_get(p, x->fid, &f) ?: xattr_name(x->name, name);

	if (err)
		return err;
	if (f->io >= 0 || f->xattr)
		return -EBUSY;
	if (x->size > XATTR_VALUE_MAX)
		return -E2BIG;
	f->xattr = xattr_new(name, x->size);
	if (!f->xattr)
		return -ENOMEM;
	f->xattr->writing = true;
	f->xattr->flags = (int)x->flags;
	return 0;
}

static int srv_getxattr(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Tgetxattr *x = &t->Tgetxattr;
	char name[P9_NAME_MAX + 1];
	struct fid *f;
	ssize_t n;
	int err = fid_get(p, x->fid, &f) ?: xattr_name(x->name, name);

	if (err)
		return err;
	n = export_getxattr(f->hfd, name, p->body, room(p, x->count));
	if (n < 0)
		return (int)n;
	r->Rgetxattr.size = (uint32_t)n;
	r->Rgetxattr.data =
		(struct p9_data){ p->body, x->count ? (uint32_t)n : 0 };
	return 0;
}

static int srv_listxattr(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Tlistxattr *x = &t->Tlistxattr;
	struct fid *f;
	ssize_t n;
	int err = fid_get(p, x->fid, &f);

	if (err)
		return err;
	n = export_listxattr(f->hfd, (char *)p->body, room(p, x->count));
	if (n < 0)
		return (int)n;
	r->Rlistxattr.size = (uint32_t)n;
	r->Rlistxattr.data =
		(struct p9_data){ p->body, x->count ? (uint32_t)n : 0 };
	return 0;
}

static int srv_setxattr(
	struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	const struct p9_Tsetxattr *x = &t->Tsetxattr;
	char name[P9_NAME_MAX + 1];
	struct fid *f;

	return fid_get(p, x->fid, &f) ?: xattr_name(x->name, name) ?:
		export_setxattr(f->hfd, name, x->data.p, x->data.n,
			(int)x->flags);
}

/* --- dispatch */

#define CHANGES 1 /* EROFS on a read-only export */
#define OURS    2 /* only in 9P2000.L.runsc */

static const struct request {
	int (*fn)(struct p9_peer *p, const struct msg *t, struct msg *r);
	int flags;
} requests[256] = {
	[P9_Tversion] = { srv_version, 0 },
	[P9_Tauth] = { srv_auth, 0 },
	[P9_Tattach] = { srv_attach, 0 },
	[P9_Tflush] = { srv_flush, 0 },
	[P9_Twalk] = { srv_walk, 0 },
	[P9_Tlopen] = { srv_lopen, 0 },
	[P9_Tlcreate] = { srv_lcreate, 0 },
	[P9_Tsymlink] = { srv_symlink, CHANGES },
	[P9_Tmknod] = { srv_mknod, CHANGES },
	[P9_Trename] = { srv_rename, CHANGES },
	[P9_Treadlink] = { srv_readlink, 0 },
	[P9_Tgetattr] = { srv_getattr, 0 },
	[P9_Tsetattr] = { srv_setattr, CHANGES },
	[P9_Txattrwalk] = { srv_xattrwalk, 0 },
	[P9_Txattrcreate] = { srv_xattrcreate, CHANGES },
	[P9_Treaddir] = { srv_readdir, 0 },
	[P9_Tfsync] = { srv_fsync, 0 },
	[P9_Tlock] = { srv_lock, 0 },
	[P9_Tgetlock] = { srv_getlock, 0 },
	[P9_Tlink] = { srv_link, CHANGES },
	[P9_Tmkdir] = { srv_mkdir, CHANGES },
	[P9_Trenameat] = { srv_renameat, CHANGES },
	[P9_Tunlinkat] = { srv_unlinkat, CHANGES },
	[P9_Tread] = { srv_read, 0 },
	[P9_Twrite] = { srv_write, 0 },
	[P9_Tclunk] = { srv_clunk, 0 },
	[P9_Tremove] = { srv_remove, 0 },
	[P9_Tstatfs] = { srv_statfs, 0 },
	[P9_Twalkattr] = { srv_walkattr, OURS },
	[P9_Treadplus] = { srv_readplus, OURS },
	[P9_Topen] = { srv_open, OURS },
	[P9_Tmake] = { srv_make, OURS | CHANGES },
	[P9_Tstat] = { srv_stat, OURS },
	[P9_Tchange] = { srv_change, OURS | CHANGES },
	[P9_Tmove] = { srv_move, OURS | CHANGES },
	[P9_Tconnect] = { srv_connect, OURS },
	[P9_Tallocate] = { srv_allocate, OURS | CHANGES },
	[P9_Tclunks] = { srv_clunks, OURS },
	[P9_Tgetxattr] = { srv_getxattr, OURS },
	[P9_Tsetxattr] = { srv_setxattr, OURS | CHANGES },
	[P9_Tplace] = { srv_place, OURS },
	[P9_Tlistxattr] = { srv_listxattr, OURS },
};

static int serve_one(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct request *q = &requests[t->type];

	if (!q->fn || (q->flags & OURS && !p->ours))
		return -EOPNOTSUPP;
	if (!p->msize && t->type != P9_Tversion)
		return -EPROTO;
	if (q->flags & CHANGES && p->x.readonly)
		return -EROFS;
	return q->fn(p, t, r);
}

/*
 * Variable parts of a reply are built where they will be sent from: behind the
 * header and the fields in front of them.
 */
static uint8_t *body_of(void *out, uint8_t type)
{
	uint8_t *p = (uint8_t *)out + P9_HEADER;

	switch (type) {
	case P9_Treadlink: /* str: length[2] */
		return p + 2;
	case P9_Twalkattr: /* ecode[4], attrs: count[2] */
		return p + 6;
	case P9_Tgetxattr: /* size[4], data: length[4] */
	case P9_Tlistxattr:
		return p + 8;
	default: /* data: length[4] */
		return p + 4;
	}
}

int64_t p9_peer_handle(
	struct p9_peer *p, void *in, size_t n, void *out, int *donate)
{
	struct msg t = { .type = 0 }, r;
	int err = p9_decode(&t, in, n);
	ssize_t len;

	*donate = -1;
	if (err == -EBADMSG)
		return err;
	p->donate = -1;
	p->body = body_of(out, t.type);
	r = (struct msg){ .type = (uint8_t)(t.type + 1), .tag = t.tag };
	if (!err)
		err = serve_one(p, &t, &r);
	if (err && p->donate >= 0) {
		close(p->donate);
		p->donate = -1;
	}
	if (err) {
		r.type = P9_Rlerror;
		r.Rlerror.ecode = (uint32_t)-err;
	}
	len = p9_encode(&r, out, p->msize ? p->msize : P9_MSIZE_MIN);
	if (len < 0)
		return -EBADMSG;
	*donate = p->donate;
	return len;
}

/* --- connections */

struct p9_peer *p9_peer_new(const struct p9_export *x)
{
	struct p9_peer *p = malloc(sizeof *p);

	if (p)
		*p = (struct p9_peer){ .x = *x, .donate = -1 };
	return p;
}

void p9_peer_free(struct p9_peer *p)
{
	fid_table_fini(&p->fids);
	free(p);
}

struct server {
	struct p9_peer **peers;
	struct pollfd *polls; /* one a peer, same order */
	size_t n;
	uint8_t *in, *out; /* P9_MSIZE_MAX each, touched as needed */
};

static void server_hangup(struct server *s, size_t i)
{
	struct p9_peer *p = s->peers[i];

	close(p->x.sock);
	close(p->x.root);
	p9_peer_free(p);
	s->n--;
	s->peers[i] = s->peers[s->n];
	s->polls[i] = s->polls[s->n];
}

/* One request of peer @i.  False: it has gone, or must go. */
static bool server_step(struct server *s, size_t i)
{
	struct p9_peer *p = s->peers[i];
	struct iovec iov;
	int64_t len;
	ssize_t n;
	int donate, err;

	n = frame_recv(p->x.sock, p->stream, s->in, P9_MSIZE_MAX, NULL, 0);
	if (n <= 0)
		return false;
	len = p9_peer_handle(p, s->in, (size_t)n, s->out, &donate);
	if (len < 0) {
		log_warn("gofer: malformed message: closing the connection");
		return false;
	}
	iov = (struct iovec){ s->out, (size_t)len };
	err = frame_send(p->x.sock, &iov, 1, donate);
	if (donate >= 0)
		close(donate);
	return !err;
}

static int server_run(struct server *s)
{
	while (s->n) {
		/* A lone connection is read without asking first. */
		if (s->n > 1 && poll(s->polls, s->n, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		for (size_t i = s->n; i-- > 0;)
			if ((s->n == 1 || s->polls[i].revents) &&
				!server_step(s, i))
				server_hangup(s, i);
	}
	return 0;
}

static void raise_nofile(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur == r.rlim_max)
		return;
	r.rlim_cur = r.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &r); /* fewer then */
}

static int server_add(struct server *s, const struct p9_export *x)
{
	int stream = frame_is_stream(x->sock);
	struct p9_peer *p;

	if (stream < 0)
		return stream;
	p = p9_peer_new(x);
	if (!p)
		return -ENOMEM;
	p->stream = stream;
	s->peers[s->n] = p;
	s->polls[s->n] = (struct pollfd){ x->sock, POLLIN, 0 };
	s->n++;
	return 0;
}

int p9_serve(const struct p9_export *exports, size_t n, int proc)
{
	struct server s = { 0 };
	int err = export_init(proc);

	if (err)
		return err;
	raise_nofile();
	s.peers = calloc(n, sizeof *s.peers);
	s.polls = calloc(n, sizeof *s.polls);
	s.in = mmap(NULL, 2 * P9_MSIZE_MAX, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!s.peers || !s.polls || s.in == MAP_FAILED)
		err = -ENOMEM;
	s.out = s.in + P9_MSIZE_MAX;
	for (size_t i = 0; !err && i < n; i++)
		err = server_add(&s, &exports[i]);
	if (!err)
		err = server_run(&s);
	while (s.n)
		server_hangup(&s, 0);
	if (s.in != MAP_FAILED)
		munmap(s.in, 2 * P9_MSIZE_MAX);
	free(s.peers);
	free(s.polls);
	return err;
}

const struct seccomp_rule p9_server_rules[] = { ALLOW(recvmsg), ALLOW(sendmsg),
	ALLOW(poll), ALLOW(ppoll), ALLOW(close), ALLOW(getsockopt),
	ALLOW(sched_getaffinity), ALLOW(sched_setaffinity), ALLOW(getrlimit),
	ALLOW(setrlimit), ALLOW(prlimit64), ALLOW(umask), ALLOW(fchdir),
	ALLOW(fcntl), ALLOW(fstatfs), ALLOW(fsync), ALLOW(fdatasync),
	ALLOW(pread64), ALLOW(pwrite64), ALLOW(read), ALLOW(write),
	/* malloc, log lines, the end */
	ALLOW_ARG(mmap, 2, PROT_READ | PROT_WRITE),
	ALLOW_ARG(mmap, 2, PROT_NONE), ALLOW(munmap), ALLOW(mremap),
	ALLOW(madvise), ALLOW(brk),
	ALLOW_ARG(mprotect, 2, PROT_READ | PROT_WRITE), ALLOW(clock_gettime),
	ALLOW(getpid), ALLOW(gettid), ALLOW(exit), ALLOW(exit_group),
	ALLOW(rt_sigreturn), ALLOW(restart_syscall), ALLOW(futex),
	SECCOMP_END };
