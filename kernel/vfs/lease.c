/*
 * lease.c - leases on files.
 *
 * All leases are in one list: there are few.  Who breaks a lease marks what it
 * shall become, has the holder sent a signal, and waits; when the time is over
 * it makes the change itself.  fcntl(2) is the contract.
 */
#include "kernel/vfs/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/lock.h"
#include "core/str.h"
#include "core/waitq.h"
#include "kernel/fs/types.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/fasync.h"
#include "kernel/vfs/file.h"

struct lease {
	struct list link;
	struct file *f;    /* borrowed: its end takes the lease along */
	int type;          /* F_RDLCK, F_WRLCK */
	int target;        /* what it is to become; = type: nobody wants it */
	int64_t unlock_at; /* when target is F_UNLCK */
	int64_t share_at;  /* when it is F_RDLCK */
};

static struct leases {
	struct mutex lock;
	struct list all GUARDED_BY(lc_leases);
	struct waitq waitq; /* one was given up, or became weaker */
} leases = { .lock = MUTEX_INIT(leases), .all = LIST_INIT(leases.all) };
LOCK_OPS(leases, struct leases, lock)

void lease_init(void)
{
	waitq_init(&leases.waitq);
}

HOLDS(lc_leases)
static struct lease *lease_of(const struct file *f)
{
	struct lease *l;

	list_for_each (l, &leases.all, link)
		if (l->f == f)
			return l;
	return NULL;
}

HOLDS(lc_leases)
static void lease_drop(struct lease *l)
{
	list_del(&l->link);
	atomic_fetch_sub(&l->f->inode->nleases, 1);
	free(l);
}

/* Who has the file open, but for @f itself, stands in the way of a lease. */
static bool opened_otherwise(const struct file *f, int type)
{
	int w = atomic_load(&f->inode->writers);
	int r = atomic_load(&f->inode->readers);

	if (type == F_RDLCK)
		return w > 0;
	return MAX(w, 0) != (f->wrote ? 1 : 0) || r != (f->reads ? 1 : 0);
}

/* @new (NULL: no memory) is used up when it becomes the lease. */
HOLDS(lc_leases)
static int lease_take(struct file *f, int type, struct lease **new)
{
	struct lease *l, *mine = lease_of(f);

	if (opened_otherwise(f, type))
		return -EAGAIN;
	list_for_each (l, &leases.all, link)
		if (l != mine && l->f->inode == f->inode &&
			(type == F_WRLCK || l->target == F_UNLCK))
			return -EAGAIN;
	if (mine) {
		mine->type = type;
		if (mine->target != F_UNLCK)
			mine->target = type;
		return 0;
	}
	if (!*new)
		return -ENOMEM;
	**new = (struct lease){ .f = f, .type = type, .target = type };
	list_add_tail(&leases.all, &(*new)->link);
	atomic_fetch_add(&f->inode->nleases, 1);
	*new = NULL;
	/* Who opens it counts first and then looks for leases. */
	if (opened_otherwise(f, type)) {
		lease_drop(lease_of(f));
		return -EAGAIN;
	}
	return 0;
}

HOLDS(lc_leases)
static int lease_give(struct file *f)
{
	struct lease *mine = lease_of(f);

	if (!mine)
		return -EAGAIN;
	lease_drop(mine);
	return 0;
}

long lease_set(struct task *t, struct file *f, int fd, int type)
{
	struct lease *new = NULL;
	int err;

	if (type != F_RDLCK && type != F_WRLCK && type != F_UNLCK)
		return -EINVAL;
	if (task_cred(t)->fsuid != f->inode->uid && !task_capable(t, CAP_LEASE))
		return -EACCES;
	if (!S_ISREG(f->inode->mode))
		return -EINVAL;
	if (type != F_UNLCK) {
		err = fasync_claim(t, f, fd);
		if (err)
			return err;
		new = malloc(sizeof *new);
	}
	leases_lock(&leases);
	err = type == F_UNLCK ? lease_give(f) : lease_take(f, type, &new);
	leases_unlock(&leases);
	free(new);
	waitq_wake(&leases.waitq, ~0u);
	return err;
}

int lease_get(struct file *f)
{
	struct lease *l;
	int type;

	leases_lock(&leases);
	l = lease_of(f);
	type = l ? l->target : F_UNLCK;
	leases_unlock(&leases);
	return type;
}

void lease_file_gone(struct file *f)
{
	struct lease *l;

	leases_lock(&leases);
	l = lease_of(f);
	if (l)
		lease_drop(l);
	leases_unlock(&leases);
	if (l)
		waitq_wake(&leases.waitq, ~0u);
}

/* Nobody gave it up in time. */
HOLDS(lc_leases)
static void leases_expire(const struct inode *in, int64_t now)
{
	struct lease *l, *next;

	list_for_each_safe(l, next, &leases.all, link)
	{
		if (l->f->inode != in)
			continue;
		if (l->target == F_UNLCK && now >= l->unlock_at)
			lease_drop(l);
		else if (l->target < l->type && now >= l->share_at)
			l->type = l->target;
	}
}

/* Marks what is in the way, if anything: *@deadline, until when to wait. */
HOLDS(lc_leases)
static bool lease_conflict(struct inode *in, bool write, int64_t *deadline)
{
	int64_t now = mono_now();
	int64_t grace = proc_sysctl_value("lease-break-time") * NSEC_PER_SEC;
	struct lease *l;
	bool found = false;

	leases_expire(in, now);
	*deadline = INT64_MAX;
	list_for_each (l, &leases.all, link) {
		if (l->f->inode != in || (!write && l->type == F_RDLCK))
			continue;
		found = true;
		if (l->target == l->type || (write && l->target != F_UNLCK)) {
			l->target = write ? F_UNLCK : F_RDLCK;
			*(write ? &l->unlock_at : &l->share_at) = now + grace;
			fasync_message(fasync_hold(l->f));
		}
		*deadline = MIN(*deadline,
			l->target == F_UNLCK ? l->unlock_at : l->share_at);
	}
	return found;
}

int lease_break_all(struct inode *in, bool write, bool nonblock)
{
	struct task *t = current;
	int64_t deadline;
	struct waiter w;
	int err = 0;

	if (!t)
		return 0;
	waiter_init_task(&w, t);
	waitq_add(&leases.waitq, &w, 0);
	while (!err) {
		bool wait;

		leases_lock(&leases);
		wait = lease_conflict(in, write, &deadline);
		leases_unlock(&leases);
		if (!wait)
			break;
		err = nonblock ? -EAGAIN : task_block(t, deadline);
		if (err == -ETIMEDOUT)
			err = 0;
	}
	waitq_remove(&leases.waitq, &w);
	return err;
}
