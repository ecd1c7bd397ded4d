/*
 * server.c - the gofer's side: requests in, replies out.
 *
 * Theory of operation
 *
 * A request is decoded whole, looked up in requests.def, checked (is the
 * extension negotiated, may this export change), handled, and answered with its
 * own R-message or with Rlerror.  A message that is no message at all (wrong
 * length, trailing bytes) ends the connection.
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
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log.h"
#include "core/seccomp.h"
#include "fs9p/frame.h"
#include "fs9p/server_int.h"

/* --- help for the handlers */

int srv_fid(struct p9_peer *p, uint32_t num, struct fid **f)
{
	*f = fid_find(&p->fids, num);
	return *f ? 0 : -EBADF;
}

int srv_dir(struct p9_peer *p, uint32_t num, struct fid **f)
{
	int err = srv_fid(p, num, f);

	return err ? err : S_ISDIR((*f)->mode) ? 0 : -ENOTDIR;
}

int srv_entry(struct p9_peer *p, uint32_t num, struct p9_str s, struct fid **f,
	char name[P9_NAME_MAX + 1])
{
	return srv_dir(p, num, f) ?: export_name(s, name);
}

uint32_t srv_room(const struct p9_peer *p, uint32_t count)
{
	return MIN(count, p->msize - P9_IOHEADER);
}

int srv_add_fid(struct p9_peer *p, uint32_t num, int hfd, uint32_t mode,
	struct fid **out)
{
	int err = fid_add(&p->fids, num, hfd, mode, out);

	if (err)
		close(hfd);
	return err;
}

int srv_clone_fid(struct p9_peer *p, const struct fid *f, uint32_t newfid,
	struct fid **out)
{
	int hfd = fcntl(f->hfd, F_DUPFD_CLOEXEC, 0);

	return hfd < 0 ? -errno : srv_add_fid(p, newfid, hfd, f->mode, out);
}

int srv_open_fid(struct p9_peer *p, struct fid *f, uint32_t flags)
{
	if (f->io >= 0 || f->xattr)
		return -EBUSY;
	f->dirpos = 0;
	return export_open(&p->x, f->hfd, f->mode, (int)flags, &f->io);
}

/* Closes the descriptor of a finished write of an attribute, then the fid. */
static int srv_clunk_fid(struct p9_peer *p, struct fid *f)
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

int srv_version(struct p9_peer *p, const struct msg *t, struct msg *r)
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

int srv_auth(struct p9_peer *p UNUSED, const struct msg *t UNUSED,
	struct msg *r UNUSED)
{
	return -ENOENT; /* as the protocol says when no authentication is needed
			 */
}

/* The tree is the connection's: "aname" names nothing. */
int srv_attach(struct p9_peer *p, const struct msg *t, struct msg *r)
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
	return srv_add_fid(p, t->Tattach.fid, hfd, a.mode, NULL);
}

/* One request is served at a time: whatever is to be flushed has its reply. */
int srv_flush(struct p9_peer *p UNUSED, const struct msg *t UNUSED,
	struct msg *r UNUSED)
{
	return 0;
}

int srv_clunk(struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	struct fid *f;

	return srv_fid(p, t->Tclunk.fid, &f) ?: srv_clunk_fid(p, f);
}

int srv_clunks(struct p9_peer *p, const struct msg *t, struct msg *r UNUSED)
{
	int err = 0;

	for (unsigned i = 0; i < t->Tclunks.fids.n; i++) {
		struct fid *f;
		int one = srv_fid(p, t->Tclunks.fids.v[i], &f);

		if (!one)
			one = srv_clunk_fid(p, f);
		err = err ? err : one;
	}
	return err;
}

/*
 * A caller waits for us, so its CPU is free, and a wake-up on another costs
 * several times what a request does.  Only a hint: a CPU that we may not use is
 * no error.
 */
int srv_place(
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

/* --- dispatch */

#define CHANGES 1 /* EROFS on a read-only export */
#define OURS    2 /* only in 9P2000.L.runsc */

static const struct request {
	int (*fn)(struct p9_peer *p, const struct msg *t, struct msg *r);
	int flags;
} requests[256] = {
#define REQUEST(message, handler, flags) [P9_##message] = { handler, flags },
#include "fs9p/requests.def"
#undef REQUEST
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
	case P9_Tlist: /* more[1], data: length[4] */
		return p + 5;
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
