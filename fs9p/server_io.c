/*
 * server_io.c - requests about objects: attributes, contents, extended
 * attributes.
 */
#include "fs9p/server_int.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "core/clock.h"

#define XATTR_VALUE_MAX 65536
#define LOCK_SUCCESS    0 /* Rlock */
#define LOCK_TYPE_UNLCK 2 /* Rgetlock */
#define NS(sec, frac)   ((int64_t)((sec)*NSEC_PER_SEC + (frac)))

/* --- attributes */

int srv_getattr(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	struct p9_Rgetattr *o = &r->Rgetattr;
	struct p9_attr a;
	struct fid *f;
	int err = srv_fid(p, t->Tgetattr.fid, &f) ?: export_stat(f->hfd, &a);

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

int srv_stat(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	struct fid *f;

	return srv_fid(p, t->Tstat.fid, &f)
		       ?: export_stat(f->hfd, &r->Rstat.attr);
}

int srv_setattr(struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
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
	return srv_fid(p, s->fid, &f)
		       ?: export_change(&p->x, f->hfd, f->mode, f->io, &c);
}

int srv_change(struct p9_peer *p, const struct msg *t, struct msg *r)
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

	return srv_fid(p, s->fid, &f) ?:
		export_change(&p->x, f->hfd, f->mode, f->io, &c) ?:
		export_stat(f->hfd, &r->Rchange.attr);
}

int srv_allocate(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Tallocate *a = &t->Tallocate;
	struct fid *f;

	return srv_fid(p, a->fid, &f) ?:
		export_allocate(&p->x, f->hfd, f->mode, f->io, (int)a->mode,
			a->offset, a->length) ?:
		export_stat(f->hfd, &r->Rallocate.attr);
}

int srv_statfs(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	struct statfs s;
	struct fid *f;
	int err = srv_fid(p, t->Tstatfs.fid, &f);

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

int srv_readlink(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	struct fid *f;
	ssize_t n;
	int err = srv_fid(p, t->Treadlink.fid, &f);

	if (err)
		return err;
	if (!S_ISLNK(f->mode))
		return -EINVAL;
	n = export_readlink(f->hfd, (char *)p->body, srv_room(p, PATH_MAX));
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

int srv_read(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	uint32_t n = srv_room(p, t->Tread.count);
	struct fid *f;
	ssize_t got;
	int err = srv_fid(p, t->Tread.fid, &f);

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

int srv_write(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Twrite *w = &t->Twrite;
	struct fid *f;
	ssize_t n;
	int err = srv_fid(p, w->fid, &f);

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
	struct p9_data room = { p->body, srv_room(p, count) };
	struct fid *f;
	bool end;
	ssize_t n;
	int err = srv_dir(p, num, &f);

	if (err)
		return err;
	if (f->io < 0)
		return -EBADF;
	n = export_readdir(f->io, &f->dirpos, offset, plus, room, &end);
	if (n < 0)
		return (int)n;
	*out = (struct p9_data){ p->body, (uint32_t)n };
	return 0;
}

int srv_readdir(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Treaddir *d = &t->Treaddir;

	return readdir_into(
		p, d->fid, d->offset, d->count, false, &r->Rreaddir.data);
}

int srv_readplus(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Treadplus *d = &t->Treadplus;

	return readdir_into(
		p, d->fid, d->offset, d->count, true, &r->Rreadplus.data);
}

/* A new fid for the directory that @f names, opened as @io (consumed) at @pos.
 */
static int keep_listing(struct p9_peer *p, const struct fid *f, uint32_t newfid,
	int io, int64_t pos)
{
	struct fid *n;
	int err = srv_clone_fid(p, f, newfid, &n);

	if (err) {
		close(io);
		return err;
	}
	n->io = io;
	n->dirpos = pos;
	return 0;
}

int srv_list(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Tlist *l = &t->Tlist;
	struct p9_data room = { p->body, srv_room(p, l->count) };
	struct fid *f;
	int64_t pos = 0;
	bool end;
	ssize_t n;
	int io;
	int err = srv_dir(p, l->fid, &f)
			  ?: export_open(&p->x, f->hfd, f->mode,
				     O_RDONLY | O_DIRECTORY, &io);

	if (err)
		return err;
	n = export_readdir(io, &pos, 0, true, room, &end);
	if (n < 0 || end) {
		close(io);
		err = n < 0 ? (int)n : 0;
	} else {
		err = keep_listing(p, f, l->newfid, io, pos);
	}
	if (err)
		return err;
	r->Rlist.more = !end;
	r->Rlist.data = (struct p9_data){ p->body, (uint32_t)n };
	return 0;
}

static int sync_fd(int fd, bool datasync)
{
	return (datasync ? fdatasync(fd) : fsync(fd)) ? -errno : 0;
}

int srv_fsync(struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	struct fid *f;
	int io, err = srv_fid(p, t->Tfsync.fid, &f);

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
int srv_lock(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	struct fid *f;

	r->Rlock.status = LOCK_SUCCESS;
	return srv_fid(p, t->Tlock.fid, &f);
}

int srv_getlock(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Tgetlock *l = &t->Tgetlock;
	struct fid *f;

	r->Rgetlock = (struct p9_Rgetlock){ LOCK_TYPE_UNLCK, l->start,
		l->length, l->pid, l->client };
	return srv_fid(p, l->fid, &f);
}

int srv_connect(struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	struct fid *f;

	return srv_fid(p, t->Tconnect.fid, &f)
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

int srv_xattrwalk(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	char name[P9_NAME_MAX + 1] = "";
	struct fid_xattr *v;
	struct fid *f;
	ssize_t n;
	int err = srv_fid(p, t->Txattrwalk.fid, &f);

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
	err = n < 0 ? (int)n : srv_clone_fid(p, f, t->Txattrwalk.newfid, NULL);
	if (err) {
		free(v);
		return err;
	}
	v->size = (size_t)n;
	fid_find(&p->fids, t->Txattrwalk.newfid)->xattr = v;
	r->Rxattrwalk.size = v->size;
	return 0;
}

int srv_xattrcreate(
	struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	const struct p9_Txattrcreate *x = &t->Txattrcreate;
	char name[P9_NAME_MAX + 1];
	struct fid *f;
	int err = srv_fid(p, x->fid, &f) ?: xattr_name(x->name, name);

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

int srv_getxattr(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Tgetxattr *x = &t->Tgetxattr;
	char name[P9_NAME_MAX + 1];
	struct fid *f;
	ssize_t n;
	int err = srv_fid(p, x->fid, &f) ?: xattr_name(x->name, name);

	if (err)
		return err;
	n = export_getxattr(f->hfd, name, p->body, srv_room(p, x->count));
	if (n < 0)
		return (int)n;
	r->Rgetxattr.size = (uint32_t)n;
	r->Rgetxattr.data =
		(struct p9_data){ p->body, x->count ? (uint32_t)n : 0 };
	return 0;
}

int srv_listxattr(struct p9_peer *p, const struct msg *t, struct msg *r)
{
	const struct p9_Tlistxattr *x = &t->Tlistxattr;
	struct fid *f;
	ssize_t n;
	int err = srv_fid(p, x->fid, &f);

	if (err)
		return err;
	n = export_listxattr(f->hfd, (char *)p->body, srv_room(p, x->count));
	if (n < 0)
		return (int)n;
	r->Rlistxattr.size = (uint32_t)n;
	r->Rlistxattr.data =
		(struct p9_data){ p->body, x->count ? (uint32_t)n : 0 };
	return 0;
}

int srv_setxattr(struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	const struct p9_Tsetxattr *x = &t->Tsetxattr;
	char name[P9_NAME_MAX + 1];
	struct fid *f;

	return srv_fid(p, x->fid, &f) ?: xattr_name(x->name, name) ?:
		export_setxattr(f->hfd, name, x->data.p, x->data.n,
			(int)x->flags);
}
