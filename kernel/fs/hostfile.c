/*
 * hostfile.c - open files that are host descriptors: donated stdio.
 *
 * Data goes straight between the descriptor and guest pages.  No call here may
 * block for another's sake, and O_NONBLOCK must not be set, so each attempt is
 * made with RWF_NOWAIT or MSG_DONTWAIT; a descriptor that knows neither (a
 * terminal) is polled first, and then asked for little.
 *
 * A regular file is read and written at the host's own position, which
 * others may share with us, unless the guest names a position.
 */
#include "kernel/fs/hostfile.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/waitq.h"
#include "kernel/fs/hostpoll.h"
#include "kernel/mm/mapping.h"
#include "kernel/mm/mm.h"
#include "kernel/task/task.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif
#ifndef RWF_APPEND
#define RWF_APPEND 16
#endif
#define IO_MAX   (1 << 20) /* bytes in one attempt */
#define SMALL    512       /* ... when it might block after all */
#define KTERMIOS 36        /* struct termios of the kernel */

enum host_kind { HOST_FILE, HOST_STREAM, HOST_SOCKET };

/* The descriptor, shared by every open of /proc/self/fd/N. */
struct hostinode {
	struct inode in;
	int hfd;               /* I */
	enum host_kind kind;   /* I */
	atomic_bool no_nowait; /* a: RWF_NOWAIT is not for this one */
	struct waitq waitq;
	struct hostpoll hp;  /* lc_inode */
	bool polled;         /* lc_inode */
	struct mapping *map; /* lc_inode: reference */
};

struct hostfile {
	struct file f;
};

static struct hostinode *host_of(struct file *f)
{
	return container_of(f->inode, struct hostinode, in);
}

static ssize_t host_preadv2(int hfd, struct uio_pins *p, int64_t pos, int rwf)
{
	long ret = syscall(SYS_preadv2, hfd, p->iov, p->n, (long)pos, 0L, rwf);

	return ret < 0 ? -errno : ret;
}

static ssize_t host_pwritev2(int hfd, struct uio_pins *p, int64_t pos, int rwf)
{
	long ret = syscall(SYS_pwritev2, hfd, p->iov, p->n, (long)pos, 0L, rwf);

	return ret < 0 ? -errno : ret;
}

static bool host_ready(int hfd, short events)
{
	struct pollfd p = { .fd = hfd, .events = events };

	return poll(&p, 1, 0) > 0;
}

/* One attempt on a stream, without waiting. */
static ssize_t stream_io(struct hostinode *h, struct uio_pins *p, bool write)
{
	ssize_t ret;

	if (!atomic_load(&h->no_nowait)) {
		ret = write ? host_pwritev2(h->hfd, p, -1, RWF_NOWAIT)
			    : host_preadv2(h->hfd, p, -1, RWF_NOWAIT);
		if (ret != -EOPNOTSUPP && ret != -EINVAL && ret != -ENOSYS)
			return ret;
		atomic_store(&h->no_nowait, true);
	}
	if (!host_ready(h->hfd, write ? POLLOUT : POLLIN))
		return -EAGAIN;
	p->iov[0].iov_len = MIN(p->iov[0].iov_len, (size_t)SMALL);
	ret = write ? writev(h->hfd, p->iov, 1) : readv(h->hfd, p->iov, 1);
	return ret < 0 ? -errno : ret;
}

static ssize_t socket_io(struct hostinode *h, struct uio_pins *p, bool write)
{
	struct msghdr m = { .msg_iov = p->iov, .msg_iovlen = (size_t)p->n };
	ssize_t ret = write ? sendmsg(h->hfd, &m, MSG_DONTWAIT | MSG_NOSIGNAL)
			    : recvmsg(h->hfd, &m, MSG_DONTWAIT);

	return ret < 0 ? -errno : ret;
}

static ssize_t regular_io(
	struct file *f, struct uio_pins *p, int64_t pos, bool write)
{
	struct hostinode *h = host_of(f);

	if (!write)
		return host_preadv2(h->hfd, p, pos, 0);
	if (atomic_load(&f->flags) & O_APPEND)
		return host_pwritev2(h->hfd, p, -1, RWF_APPEND);
	return host_pwritev2(h->hfd, p, pos, 0);
}

/*
 * Is it the file's own position, and not that of a pwrite(2)?  A write gets a
 * copy of it, so the value decides.
 */
LOCKS_UNCHECKED
static bool own_position(struct file *f, const int64_t *pos)
{
	return pos == &f->pos || *pos == f->pos;
}

static ssize_t hostfile_io(
	struct file *f, struct uio *u, int64_t *pos, bool write)
{
	struct hostinode *h = host_of(f);
	struct uio_pins pins;
	bool own = own_position(f, pos);
	ssize_t ret;

	if (!uio_left(u))
		return 0;
	if (!uio_pin(u, IO_MAX, &pins))
		return -EFAULT;
	switch (h->kind) {
	case HOST_SOCKET:
		ret = socket_io(h, &pins, write);
		break;
	case HOST_STREAM:
		ret = stream_io(h, &pins, write);
		break;
	default:
		ret = regular_io(f, &pins, own ? -1 : *pos, write);
	}
	uio_unpin(&pins);
	if (ret == -EINTR)
		ret = -EAGAIN;
	if (ret <= 0)
		return ret;
	uio_skip(u, (size_t)ret);
	*pos += ret;
	return ret;
}

static ssize_t hostfile_read(struct file *f, struct uio *to, int64_t *pos)
{
	return hostfile_io(f, to, pos, false);
}

static ssize_t hostfile_write(struct file *f, struct uio *from, int64_t *pos)
{
	return hostfile_io(f, from, pos, true);
}

static int64_t hostfile_seek(struct file *f, int64_t off, int whence)
{
	int64_t ret = lseek(host_of(f)->hfd, off, whence);

	return ret < 0 ? -errno : ret;
}

static int64_t hostfile_tell(struct file *f)
{
	return lseek(host_of(f)->hfd, 0, SEEK_CUR);
}

static unsigned hostfile_poll(struct file *f)
{
	struct pollfd p = { .fd = host_of(f)->hfd,
		.events = POLLIN | POLLOUT | POLLPRI | POLLRDNORM | POLLWRNORM |
			  POLLRDHUP };

	if (poll(&p, 1, 0) <= 0)
		return 0;
	return (unsigned short)p.revents;
}

static void hostinode_event(struct hostpoll *hp, unsigned events)
{
	struct hostinode *h = container_of(hp, struct hostinode, hp);

	waitq_wake(&h->waitq, events & 0x7fff);
}

/* The first one who waits has the descriptor watched. */
static struct waitq *hostfile_waitq(struct file *f)
{
	struct hostinode *h = host_of(f);

	inode_lock(&h->in);
	if (!h->polled) {
		h->polled = true;
		/* Always ready, or no memory: then nothing wakes the queue. */
		(void)!hostpoll_add(&h->hp, h->hfd, hostinode_event);
	}
	inode_unlock(&h->in);
	return &h->waitq;
}

static int hostfile_mmap(
	struct file *f, UNUSED int prot, UNUSED int flags, struct mapping **out)
{
	struct hostinode *h = host_of(f);
	int err = 0, hfd;

	inode_lock(&h->in);
	if (!h->map) {
		hfd = fcntl(h->hfd, F_DUPFD_CLOEXEC, 0);
		err = hfd < 0 ? -errno
			      : mapping_new_host(
					hfd, file_writable(f), &h->map);
		if (err && hfd >= 0)
			close(hfd);
	}
	if (!err)
		*out = mapping_get(h->map);
	inode_unlock(&h->in);
	return err;
}

static int hostfile_fsync(struct file *f, bool datasync)
{
	int hfd = host_of(f)->hfd;

	return (datasync ? fdatasync(hfd) : fsync(hfd)) ? -errno : 0;
}

/* Those requests of a host terminal that do no harm outside. */
static long hostfile_ioctl(
	struct file *f, struct task *t, unsigned cmd, uint64_t arg)
{
	struct hostinode *h = host_of(f);
	char buf[64] = { 0 };
	size_t in = 0, out = 0;
	int err;

	switch (cmd) {
	case TCGETS:
		out = KTERMIOS;
		break;
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		in = KTERMIOS;
		break;
	case TIOCGWINSZ:
		out = sizeof(struct winsize);
		break;
	case FIONREAD:
	case TIOCOUTQ:
		out = sizeof(int);
		break;
	default:
		return -ENOTTY;
	}
	if (in && copyin(t, buf, uaddr(arg), in))
		return -EFAULT;
	err = ioctl(h->hfd, (int)cmd, buf) < 0 ? -errno : 0;
	if (!err && out)
		err = copyout(t, uaddr(arg), buf, out);
	return err;
}

static void hostfile_release(struct file *f)
{
	file_fini(f);
	free(container_of(f, struct hostfile, f));
}

static const struct file_ops hostfile_regular_ops = {
	.name = "host:[file]",
	.read = hostfile_read,
	.write = hostfile_write,
	.tell = hostfile_tell,
	.seek = hostfile_seek,
	.mmap = hostfile_mmap,
	.fsync = hostfile_fsync,
	.release = hostfile_release,
};

#define STREAM_OPS(what)                                                      \
	{                                                                     \
		.name = what, .read = hostfile_read, .write = hostfile_write, \
		.poll = hostfile_poll, .waitq = hostfile_waitq,               \
		.ioctl = hostfile_ioctl, .release = hostfile_release,         \
	}
static const struct file_ops hostfile_pipe_ops = STREAM_OPS("pipe");
static const struct file_ops hostfile_socket_ops = STREAM_OPS("socket");
static const struct file_ops hostfile_chr_ops = STREAM_OPS("host:[tty]");
static const struct file_ops hostfile_null_ops = STREAM_OPS("/dev/null");

static const struct file_ops *ops_for(const struct inode *in)
{
	switch (in->mode & S_IFMT) {
	case S_IFREG:
	case S_IFBLK:
		return &hostfile_regular_ops;
	case S_IFIFO:
		return &hostfile_pipe_ops;
	case S_IFSOCK:
		return &hostfile_socket_ops;
	}
	if (in->rdev == makedev(1, 3))
		return &hostfile_null_ops;
	return &hostfile_chr_ops;
}

static int hostinode_getattr(struct inode *in, struct kstat *st)
{
	struct hostinode *h = container_of(in, struct hostinode, in);
	struct stat s;

	if (fstat(h->hfd, &s))
		return -errno;
	st->size = (uint64_t)s.st_size;
	in->size = s.st_size;
	st->blocks = (uint64_t)s.st_blocks;
	st->blksize = (uint32_t)s.st_blksize;
	st->mtime = s.st_mtim.tv_sec * NSEC_PER_SEC + s.st_mtim.tv_nsec;
	st->atime = s.st_atim.tv_sec * NSEC_PER_SEC + s.st_atim.tv_nsec;
	st->ctime = s.st_ctim.tv_sec * NSEC_PER_SEC + s.st_ctim.tv_nsec;
	return 0;
}

static int hostinode_setattr(struct inode *in, const struct iattr *a)
{
	struct hostinode *h = container_of(in, struct hostinode, in);

	if (a->valid & ATTR_SIZE && ftruncate(h->hfd, a->size))
		return -errno;
	if (a->valid & ATTR_SIZE)
		in->size = a->size;
	/* Owner and mode change for the guest only. */
	inode_apply(in, a);
	return 0;
}

/* It was given to this container; how it is open says what may be done. */
static int hostinode_permission(UNUSED struct inode *in,
	UNUSED const struct cred *cred, UNUSED unsigned mask)
{
	return 0;
}

static void hostinode_release(struct inode *in)
{
	struct hostinode *h = container_of(in, struct hostinode, in);

	if (h->polled)
		hostpoll_remove(&h->hp);
	mapping_put(h->map);
	close(h->hfd);
	inode_fini(in);
	free(h);
}

static int hostinode_open(struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	struct hostinode *h = container_of(in, struct hostinode, in);
	int had = fcntl(h->hfd, F_GETFL) & FILE_ACCMODE;
	struct hostfile *hf;

	if (had != O_RDWR && (flags & FILE_ACCMODE) != had)
		return -EACCES;
	hf = malloc(sizeof *hf);
	if (!hf)
		return -ENOMEM;
	file_init(&hf->f, ops_for(in), flags, in, path, cred);
	hf->f.stream = h->kind != HOST_FILE;
	*out = &hf->f;
	return 0;
}

static const struct inode_ops hostinode_ops = {
	.open = hostinode_open,
	.getattr = hostinode_getattr,
	.setattr = hostinode_setattr,
	.permission = hostinode_permission,
	.release = hostinode_release,
};

static enum host_kind kind_of(mode_t mode)
{
	if (S_ISSOCK(mode))
		return HOST_SOCKET;
	return S_ISREG(mode) || S_ISBLK(mode) ? HOST_FILE : HOST_STREAM;
}

LOCKS_UNCHECKED /* not published */
	static void
	hostfile_start(struct file *f)
{
	int64_t at = lseek(host_of(f)->hfd, 0, SEEK_CUR);

	f->pos = MAX(at, 0L);
}

int hostfile_create(int hfd, int flags, struct file **out)
{
	struct hostinode *h;
	struct stat st;
	int err, fl = fcntl(hfd, F_GETFL);

	if (fl < 0 || fstat(hfd, &st))
		return -errno;
	if (S_ISDIR(st.st_mode) || fl & O_PATH)
		return -EINVAL;
	h = calloc(1, sizeof *h);
	if (!h)
		return -ENOMEM;
	inode_init(&h->in, &hostinode_ops, NULL, 0, st.st_mode, 0, 0);
	h->in.rdev = st.st_rdev;
	h->in.size = st.st_size;
	h->hfd = hfd;
	h->kind = kind_of(st.st_mode);
	h->hp.slot = -1;
	waitq_init(&h->waitq);
	if (flags < 0)
		flags = fl & (FILE_ACCMODE | O_APPEND | O_NONBLOCK);
	err = hostinode_open(&h->in, NULL, flags, NULL, out);
	if (err)
		h->hfd = -1; /* stays the caller's */
	else if (h->kind == HOST_FILE)
		hostfile_start(*out);
	inode_put(&h->in);
	return err;
}

const struct seccomp_rule hostfile_rules[] = {
	ALLOW(preadv2),
	ALLOW(pwritev2),
	ALLOW(read),
	ALLOW(write),
	ALLOW(readv),
	ALLOW(writev),
	ALLOW(poll),
	ALLOW(sendmsg),
	ALLOW(recvmsg),
	ALLOW(lseek),
	ALLOW(fstat),
	ALLOW(fsync),
	ALLOW(fdatasync),
	ALLOW(ftruncate),
	ALLOW(close),
	ALLOW_ARG(fcntl, 1, F_GETFL),
	ALLOW_ARG(fcntl, 1, F_DUPFD_CLOEXEC),
	ALLOW_ARG(ioctl, 1, TCGETS),
	ALLOW_ARG(ioctl, 1, TCSETS),
	ALLOW_ARG(ioctl, 1, TCSETSW),
	ALLOW_ARG(ioctl, 1, TCSETSF),
	ALLOW_ARG(ioctl, 1, TIOCGWINSZ),
	ALLOW_ARG(ioctl, 1, FIONREAD),
	ALLOW_ARG(ioctl, 1, TIOCOUTQ),
	SECCOMP_END,
};
