/* scm.c - ancillary data of Unix sockets: descriptors and credentials. */
#include "kernel/socket/scm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"

#define CAP_SETGID_K    6
#define CAP_SETUID_K    7
#define CAP_SYS_ADMIN_K 21

struct ucred_abi {
	int pid;
	uint32_t uid, gid;
};

struct cmsg_abi {
	size_t len;
	int level, type;
};
#define CMSG_HDR     sizeof(struct cmsg_abi)
#define CMSG_STEP(n) ALIGN_UP(n, sizeof(size_t))

static atomic_int in_flight; /* files in all queues of the sandbox */

void scm_free(struct scm *s)
{
	if (!s)
		return;
	for (int i = 0; i < s->nfiles; i++)
		file_put(s->files[i]);
	atomic_fetch_sub(&in_flight, s->nfiles);
	free(s->files);
	free(s);
}

struct scm *scm_new_cred(struct task *t)
{
	const struct cred *c = task_cred(t);
	struct scm *s = calloc(1, sizeof *s);

	if (s)
		*s = (struct scm){ .has_cred = true,
			.pid = t->tg->tgid,
			.uid = c->uid,
			.gid = c->gid };
	return s;
}

struct scm *scm_copy(const struct scm *from)
{
	struct scm *s;

	if (!from)
		return NULL;
	s = malloc(sizeof *s);
	if (!s)
		return NULL;
	*s = *from;
	s->files = NULL;
	if (!from->nfiles)
		return s;
	s->files = malloc((size_t)from->nfiles * sizeof s->files[0]);
	if (!s->files) {
		free(s);
		return NULL;
	}
	for (int i = 0; i < s->nfiles; i++)
		s->files[i] = file_get(from->files[i]);
	atomic_fetch_add(&in_flight, s->nfiles);
	return s;
}

static int parse_rights(
	struct task *t, const uint8_t *p, size_t n, struct scm *s)
{
	int count = (int)(n / sizeof(int)), fd;
	struct file **files;

	if (s->nfiles + count > SCM_MAX_FDS)
		return -EINVAL;
	if (atomic_load(&in_flight) > 0 &&
		(uint64_t)atomic_load(&in_flight) >
			task_rlimit(t, RLIMIT_NOFILE) &&
		!task_capable(t, CAP_SYS_ADMIN_K))
		return -ETOOMANYREFS;
	if (!count)
		return 0;
	files = realloc(
		s->files, (size_t)(s->nfiles + count) * sizeof files[0]);
	if (!files)
		return -ENOMEM;
	s->files = files;
	for (int i = 0; i < count; i++) {
		memcpy(&fd, p + (size_t)i * sizeof fd, sizeof fd);
		files[s->nfiles] = fd_lookup_path(t, fd);
		if (!files[s->nfiles])
			return -EBADF;
		s->nfiles++;
		atomic_fetch_add(&in_flight, 1);
	}
	return 0;
}

/* One may claim to be oneself; more needs the capability for it. */
static int parse_cred(struct task *t, const uint8_t *p, size_t n, struct scm *s)
{
	const struct cred *c = task_cred(t);
	struct ucred_abi u;

	if (n != sizeof u)
		return -EINVAL;
	memcpy(&u, p, sizeof u);
	if (u.pid != t->tg->tgid && !cred_capable(c, CAP_SYS_ADMIN_K))
		return -EPERM;
	if (u.uid != c->uid && u.uid != c->euid && u.uid != c->suid &&
		!cred_capable(c, CAP_SETUID_K))
		return -EPERM;
	if (u.gid != c->gid && u.gid != c->egid && u.gid != c->sgid &&
		!cred_capable(c, CAP_SETGID_K))
		return -EPERM;
	s->has_cred = true;
	s->pid = u.pid;
	s->uid = u.uid;
	s->gid = u.gid;
	return 0;
}

static int parse_one(struct task *t, const struct cmsg_abi *h,
	const uint8_t *data, struct scm *s)
{
	size_t n = h->len - CMSG_HDR;

	if (h->level != SOL_SOCKET)
		return 0;
	if (h->type == SCM_RIGHTS)
		return parse_rights(t, data, n, s);
	if (h->type == SCM_CREDENTIALS)
		return parse_cred(t, data, n, s);
	return -EINVAL;
}

int scm_parse(struct task *t, const void *control, size_t n, struct scm **out)
{
	const uint8_t *p = control;
	struct cmsg_abi h;
	struct scm *s;
	int err = 0;

	*out = NULL;
	if (n < CMSG_HDR)
		return 0;
	s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	for (size_t off = 0; n - off >= CMSG_HDR && !err;) {
		memcpy(&h, p + off, sizeof h);
		if (h.len < CMSG_HDR || h.len > n - off) {
			err = -EINVAL;
			break;
		}
		err = parse_one(t, &h, p + off + CMSG_HDR, s);
		if (n - off < CMSG_STEP(h.len))
			break;
		off += CMSG_STEP(h.len);
	}
	if (err || (!s->nfiles && !s->has_cred)) {
		scm_free(s);
		s = NULL;
	}
	*out = s;
	return err;
}

static size_t put_cmsg(uint8_t *buf, size_t cap, int type, const void *data,
	size_t n, int *flags)
{
	struct cmsg_abi h = { CMSG_HDR + n, SOL_SOCKET, type };

	if (cap < CMSG_HDR) {
		*flags |= MSG_CTRUNC;
		return 0;
	}
	if (h.len > cap) {
		*flags |= MSG_CTRUNC;
		h.len = cap;
	}
	memcpy(buf, &h, sizeof h);
	memcpy(buf + CMSG_HDR, data, h.len - CMSG_HDR);
	return MIN(CMSG_STEP(h.len), cap);
}

/* As many descriptors as there is room for; the others are closed. */
static size_t put_rights(struct task *t, struct scm *s, bool cloexec,
	uint8_t *buf, size_t cap, int *flags)
{
	int fds[SCM_MAX_FDS], n = 0;
	size_t room = cap < CMSG_HDR ? 0 : (cap - CMSG_HDR) / sizeof(int);

	while (n < s->nfiles && (size_t)n < room) {
		int fd = fd_open(
			t, file_get(s->files[n]), cloexec ? O_CLOEXEC : 0);

		if (fd < 0)
			break;
		fds[n++] = fd;
	}
	if (n < s->nfiles)
		*flags |= MSG_CTRUNC;
	return n ? put_cmsg(buf, cap, SCM_RIGHTS, fds,
			   (size_t)n * sizeof fds[0], flags)
		 : 0;
}

size_t scm_deliver(struct task *t, struct scm *s, bool want_cred, bool cloexec,
	void *buf, size_t cap, int *flags)
{
	struct ucred_abi u = { 0, 65534, 65534 };
	size_t n = 0;

	if (want_cred) {
		if (s && s->has_cred)
			u = (struct ucred_abi){ s->pid, s->uid, s->gid };
		n = put_cmsg(buf, cap, SCM_CREDENTIALS, &u, sizeof u, flags);
	}
	if (s && s->nfiles)
		n += put_rights(
			t, s, cloexec, (uint8_t *)buf + n, cap - n, flags);
	return n;
}
