/*
 * fasync.c - signals for I/O: fcntl(2), F_SETOWN and F_SETSIG.
 *
 * O_ASYNC puts a waiter on the file's wait queue.  A wake-up may come with any
 * lock held, and sending a signal takes outer ones, so the timer thread sends
 * it.
 */
#include "kernel/vfs/fasync.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "core/clock.h"
#include "core/timer.h"
#include "core/waitq.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"

#define OWN_TID  0
#define OWN_PID  1
#define OWN_PGRP 2

#define EV_MESSAGE (1u << 31) /* not of the wait queue: fasync_message() */

struct f_owner_abi {
	int type, pid;
};

struct owner {
	int type;          /* of what follows, at most one is set */
	struct task *task; /* references */
	struct tgroup *tg;
	struct pgrp *pgrp;
	int id;
};

struct fasync {
	struct ref ref; /* the file, and a signal that is due */
	struct mutex lock;
	struct owner owner GUARDED_BY(lc_evfile);
	struct cred *cred GUARDED_BY(lc_evfile); /* who set the owner */
	int sig GUARDED_BY(lc_evfile);           /* 0: SIGIO */
	int fd GUARDED_BY(lc_evfile);
	struct waitq *wq GUARDED_BY(lc_evfile); /* NULL: O_ASYNC is off */
	struct waiter w;
	struct timer timer;
	atomic_uint events; /* a: to tell */
};
LOCK_OPS(evfile, struct fasync, lock)

static void owner_put(struct owner *o)
{
	task_put(o->task);
	if (o->tg)
		tgroup_put(o->tg);
	pgrp_put(o->pgrp);
	*o = (struct owner){ .type = OWN_PID };
}

static void fasync_put(struct fasync *fa)
{
	if (!ref_put(&fa->ref))
		return;
	free(fa);
}

/* Linux: sigio_perm() */
static bool may_signal(const struct cred *from, struct tgroup *to)
{
	struct cred *c = task_cred_get(to->leader);
	bool ok = from->euid == 0 || from->euid == c->suid ||
		  from->euid == c->uid || from->uid == c->suid ||
		  from->uid == c->uid;

	cred_put(c);
	return ok;
}

static void owner_signal(const struct owner *o, const struct cred *cred,
	int sig, const siginfo_t *si)
{
	if (o->pgrp) {
		/* The group's processes are its session's own business. */
		(void)signal_send_pgrp(o->pgrp, sig, si);
		return;
	}
	if (o->task && may_signal(cred, o->task->tg))
		(void)signal_send(o->task, sig, si);
	if (o->tg && may_signal(cred, o->tg))
		(void)signal_send_group(o->tg, sig, si);
}

/* A copy with its own references. */
static void owner_copy(const struct owner *from, struct owner *to)
{
	*to = *from;
	if (to->task)
		task_get(to->task);
	if (to->tg)
		tgroup_get(to->tg);
	if (to->pgrp)
		pgrp_get(to->pgrp);
}

static int io_code(unsigned ev, long *band)
{
	*band = (long)(ev & 0xffff);
	if (ev & EV_MESSAGE) {
		*band = EPOLLIN | EPOLLRDNORM | EPOLLMSG;
		return POLL_MSG;
	}
	if (ev & EPOLLHUP)
		return POLL_HUP;
	if (ev & EPOLLERR)
		return POLL_ERR;
	if (ev & EPOLLPRI)
		return POLL_PRI;
	return ev & EPOLLIN ? POLL_IN : POLL_OUT;
}

/* Sends the signal for @ev. */
static void fasync_send(struct fasync *fa, unsigned ev)
{
	struct cred *cred = NULL;
	struct owner o;
	siginfo_t si;
	int sig, fd;

	evfile_lock(fa);
	owner_copy(&fa->owner, &o);
	if (fa->cred)
		cred = cred_get(fa->cred);
	sig = fa->sig;
	fd = fa->fd;
	evfile_unlock(fa);
	if (cred && ev) {
		siginfo_kernel(&si, sig ? sig : SIGIO);
		if (sig) {
			long band;

			si.si_code = io_code(ev, &band);
			si.si_band = band;
			si.si_fd = fd;
		}
		owner_signal(&o, cred, sig ? sig : SIGIO, &si);
	}
	owner_put(&o);
	cred_put(cred);
}

/* On the timer thread, with no lock held. */
static void fasync_fire(struct timer *timer)
{
	struct fasync *fa = container_of(timer, struct fasync, timer);

	fasync_send(fa, atomic_exchange(&fa->events, 0));
}

/* Under lc_waitq of the file's queue. */
static bool fasync_wake(struct waiter *w, unsigned events)
{
	struct fasync *fa = container_of(w, struct fasync, w);

	atomic_fetch_or(&fa->events, events ? events : EPOLLIN);
	ref_get(&fa->ref);
	return true;
}

static void fasync_after(struct waiter *w, UNUSED unsigned events)
{
	struct fasync *fa = container_of(w, struct fasync, w);

	timer_set(&fa->timer, mono_now());
	fasync_put(fa);
}

/* The file's state, made when it is first needed; NULL: no memory. */
static struct fasync *fasync_of(struct file *f)
{
	struct fasync *fa = __atomic_load_n(&f->fasync, __ATOMIC_ACQUIRE);
	struct fasync *none = NULL;

	if (fa)
		return fa;
	fa = calloc(1, sizeof *fa);
	if (!fa)
		return NULL;
	ref_init(&fa->ref);
	mutex_init(&fa->lock, &lc_evfile);
	timer_init(&fa->timer, fasync_fire);
	fa->w = (struct waiter){ .wake = fasync_wake, .after = fasync_after };
	list_init(&fa->w.link);
	if (__atomic_compare_exchange_n(&f->fasync, &none, fa, false,
		    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return fa;
	free(fa);
	return none;
}

int fasync_set(struct file *f, int fd, bool on)
{
	struct fasync *fa;

	if (!on && !f->fasync)
		return 0;
	fa = fasync_of(f);
	if (!fa)
		return -ENOMEM;
	evfile_lock(fa);
	fa->fd = fd;
	if (on && !fa->wq) {
		fa->wq = file_waitq(f);
		if (fa->wq)
			waitq_add(fa->wq, &fa->w, 0);
	} else if (!on && fa->wq) {
		waitq_remove(fa->wq, &fa->w);
		fa->wq = NULL;
	}
	evfile_unlock(fa);
	return 0;
}

LOCKS_UNCHECKED /* nobody else uses it any more */
	void
	fasync_file_gone(struct file *f)
{
	struct fasync *fa = f->fasync;

	f->fasync = NULL;
	if (fa->wq)
		waitq_remove(fa->wq, &fa->w);
	/* An after() that is under way holds a reference until it is done. */
	while (atomic_load(&fa->ref.n) > 1)
		sched_yield();
	timer_cancel(&fa->timer);
	owner_put(&fa->owner);
	cred_put(fa->cred);
	fasync_put(fa);
}

void fasync_signal(struct file *f, int sig)
{
	struct fasync *fa = __atomic_load_n(&f->fasync, __ATOMIC_ACQUIRE);
	struct cred *cred = NULL;
	struct owner o;
	siginfo_t si;

	if (!fa)
		return;
	evfile_lock(fa);
	owner_copy(&fa->owner, &o);
	if (fa->cred)
		cred = cred_get(fa->cred);
	evfile_unlock(fa);
	siginfo_kernel(&si, sig);
	if (cred)
		owner_signal(&o, cred, sig, &si);
	owner_put(&o);
	cred_put(cred);
}

/* Finds whom the guest means; -ESRCH. */
static int owner_find(struct task *t, int type, int id, struct owner *o)
{
	struct pid_ns *ns = t->tg->pid_ns;

	*o = (struct owner){ .type = type, .id = id };
	if (!id)
		return 0;
	switch (type) {
	case OWN_TID:
		o->task = task_lookup(ns, id);
		return o->task ? 0 : -ESRCH;
	case OWN_PID:
		o->tg = tgroup_lookup(ns, id);
		return o->tg ? 0 : -ESRCH;
	case OWN_PGRP:
		o->pgrp = pgrp_lookup(ns, id);
		return o->pgrp ? 0 : -ESRCH;
	}
	return -EINVAL;
}

static long owner_set(struct task *t, struct file *f, int type, int id)
{
	struct cred *cred, *oldcred;
	struct owner new, old;
	struct fasync *fa;
	int err = owner_find(t, type, id, &new);

	if (err)
		return err;
	fa = fasync_of(f);
	if (!fa) {
		owner_put(&new);
		return -ENOMEM;
	}
	cred = cred_get(t->cred);
	evfile_lock(fa);
	old = fa->owner;
	oldcred = fa->cred;
	fa->owner = new;
	fa->cred = cred;
	evfile_unlock(fa);
	owner_put(&old);
	cred_put(oldcred);
	return 0;
}

int fasync_claim(struct task *t, struct file *f, int fd)
{
	struct fasync *fa = fasync_of(f);
	bool owned;

	if (!fa)
		return -ENOMEM;
	evfile_lock(fa);
	owned = fa->cred != NULL;
	if (!fa->wq)
		fa->fd = fd;
	evfile_unlock(fa);
	return owned ? 0 : (int)owner_set(t, f, OWN_PID, t->tg->tgid);
}

struct fasync *fasync_hold(struct file *f)
{
	ref_get(&f->fasync->ref);
	return f->fasync;
}

void fasync_message(struct fasync *fa)
{
	fasync_send(fa, EV_MESSAGE);
	fasync_put(fa);
}

static struct f_owner_abi owner_show(struct file *f)
{
	struct fasync *fa = __atomic_load_n(&f->fasync, __ATOMIC_ACQUIRE);
	struct f_owner_abi o = { OWN_TID, 0 };

	if (!fa)
		return o;
	evfile_lock(fa);
	o = (struct f_owner_abi){ fa->owner.type, fa->owner.id };
	evfile_unlock(fa);
	return o;
}

static long set_owner_ex(struct task *t, struct file *f, uint64_t arg)
{
	struct f_owner_abi o;
	int err = copyin(t, &o, uaddr(arg), sizeof o);

	if (err)
		return err;
	if (o.type < OWN_TID || o.type > OWN_PGRP)
		return -EINVAL;
	return owner_set(t, f, o.type, o.pid);
}

static long set_sig(struct file *f, uint64_t arg)
{
	struct fasync *fa;

	if (arg > NSIG_GUEST)
		return -EINVAL;
	fa = fasync_of(f);
	if (!fa)
		return -ENOMEM;
	evfile_lock(fa);
	fa->sig = (int)arg;
	evfile_unlock(fa);
	return 0;
}

static long get_sig(struct file *f)
{
	struct fasync *fa = __atomic_load_n(&f->fasync, __ATOMIC_ACQUIRE);
	long sig;

	if (!fa)
		return 0;
	evfile_lock(fa);
	sig = fa->sig;
	evfile_unlock(fa);
	return sig;
}

long fasync_fcntl(struct task *t, struct file *f, int cmd, uint64_t arg)
{
	int id = (int)arg;
	struct f_owner_abi o;

	switch (cmd) {
	case F_SETOWN:
		if (id == INT32_MIN)
			return -EINVAL;
		return id < 0 ? owner_set(t, f, OWN_PGRP, -id)
			      : owner_set(t, f, OWN_PID, id);
	case F_GETOWN:
		o = owner_show(f);
		return o.type == OWN_PGRP ? -o.pid : o.pid;
	case F_SETOWN_EX:
		return set_owner_ex(t, f, arg);
	case F_GETOWN_EX:
		o = owner_show(f);
		return copyout(t, uaddr(arg), &o, sizeof o);
	case F_SETSIG:
		return set_sig(f, arg);
	case F_GETSIG:
		return get_sig(f);
	}
	return -EINVAL;
}
