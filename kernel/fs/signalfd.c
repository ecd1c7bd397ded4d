/*
 * signalfd.c - signals that are read: signalfd(2).
 *
 * What is read are the signals of the process that reads, whoever made the
 * file. An epoll watch outlives the call that made it, so it waits on the queue
 * of the maker, whom the file keeps.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "core/str.h"
#include "core/waitq.h"
#include "kernel/fs/anon.h"
#include "kernel/fs/eventfd.h"
#include "kernel/task/task.h"
#include "kernel/vfs/file.h"

struct signalfd {
	struct file f;
	_Atomic ksigset_t mask; /* a */
	struct tgroup *maker;   /* I: reference */
	struct waitq waitq;     /* woken when the mask changes */
};

static struct signalfd *signalfd_of(struct file *f)
{
	return container_of(f, struct signalfd, f);
}

/* siginfo_t as signalfd(2) shows it: by what kind of signal it is. */
static void signalfd_info(struct signalfd_siginfo *o, const siginfo_t *si)
{
	*o = (struct signalfd_siginfo){
		.ssi_signo = (uint32_t)si->si_signo,
		.ssi_errno = si->si_errno,
		.ssi_code = si->si_code,
	};
	if (si->si_signo == SIGCHLD && si->si_code > 0) {
		o->ssi_pid = (uint32_t)si->si_pid;
		o->ssi_uid = si->si_uid;
		o->ssi_status = si->si_status;
		o->ssi_utime = (uint64_t)si->si_utime;
		o->ssi_stime = (uint64_t)si->si_stime;
	} else if (si->si_code == SI_TIMER) {
		o->ssi_tid = (uint32_t)si->si_timerid;
		o->ssi_overrun = (uint32_t)si->si_overrun;
		o->ssi_ptr = (uintptr_t)si->si_ptr;
		o->ssi_int = si->si_int;
	} else if (si->si_signo == SIGPOLL && si->si_code > 0) {
		o->ssi_band = (uint32_t)si->si_band;
		o->ssi_fd = si->si_fd;
	} else if (si->si_code > 0 &&
		   (SIGBIT(si->si_signo) &
			   (SIGBIT(SIGSEGV) | SIGBIT(SIGBUS) | SIGBIT(SIGILL) |
				   SIGBIT(SIGFPE) | SIGBIT(SIGTRAP)))) {
		o->ssi_addr = (uintptr_t)si->si_addr;
	} else {
		o->ssi_pid = (uint32_t)si->si_pid;
		o->ssi_uid = si->si_uid;
		if (si->si_code < 0) {
			o->ssi_ptr = (uintptr_t)si->si_ptr;
			o->ssi_int = si->si_int;
		}
	}
}

static ssize_t signalfd_read(
	struct file *f, struct uio *to, UNUSED int64_t *pos)
{
	ksigset_t mask = atomic_load(&signalfd_of(f)->mask);
	struct signalfd_siginfo info;
	struct task *t = current;
	siginfo_t si;
	ssize_t done = 0;

	if (uio_left(to) < sizeof info)
		return -EINVAL;
	while (t && uio_left(to) >= sizeof info) {
		if (signal_dequeue(t, mask, &si))
			break;
		signalfd_info(&info, &si);
		/* As in Linux, a signal that cannot be stored is lost. */
		if (uio_put(to, &info, sizeof info) < sizeof info)
			return done ? done : -EFAULT;
		done += (ssize_t)sizeof info;
	}
	return done ? done : -EAGAIN;
}

static unsigned signalfd_poll(struct file *f)
{
	ksigset_t mask = atomic_load(&signalfd_of(f)->mask);

	return current && signal_pending_set(current) & mask ? EPOLLIN : 0;
}

static struct waitq *signalfd_waitq(struct file *f)
{
	return current ? signal_waitq(current) : &signalfd_of(f)->waitq;
}

static void signalfd_fdinfo(struct file *f, struct strbuf *out)
{
	sb_printf(out, "sigmask:\t%016llx\n",
		(unsigned long long)atomic_load(&signalfd_of(f)->mask));
}

static void signalfd_release(struct file *f)
{
	struct signalfd *s = signalfd_of(f);

	tgroup_put(s->maker);
	file_fini(f);
	free(s);
}

static const struct file_ops signalfd_ops = {
	.name = "anon_inode:[signalfd]",
	.seek = anon_seek,
	.read = signalfd_read,
	.poll = signalfd_poll,
	.waitq = signalfd_waitq,
	.fdinfo = signalfd_fdinfo,
	.release = signalfd_release,
};

struct waitq *signalfd_own_waitq(struct file *f)
{
	if (f->ops != &signalfd_ops)
		return NULL;
	return &signalfd_of(f)->maker->signal_waitq;
}

#define NEVER (SIGBIT(SIGKILL) | SIGBIT(SIGSTOP))

int signalfd_create(
	struct task *t, ksigset_t mask, int flags, struct file **out)
{
	struct signalfd *s = calloc(1, sizeof *s);
	int err;

	if (!s)
		return -ENOMEM;
	err = anon_file_init(&s->f, &signalfd_ops,
		O_RDWR | (flags & O_NONBLOCK), 0600, t->cred);
	if (err) {
		free(s);
		return err;
	}
	waitq_init(&s->waitq);
	atomic_init(&s->mask, mask & ~NEVER);
	s->maker = tgroup_get(t->tg);
	*out = &s->f;
	return 0;
}

int signalfd_set_mask(struct file *f, ksigset_t mask)
{
	struct signalfd *s;

	if (f->ops != &signalfd_ops)
		return -EINVAL;
	s = signalfd_of(f);
	atomic_store(&s->mask, mask & ~NEVER);
	waitq_wake(&s->maker->signal_waitq, EPOLLIN);
	return 0;
}
