/*
 * pidfd.c - files that stand for processes.  pidfd_open(2).
 *
 * A pidfd holds its thread group, so it never comes to mean another process. It
 * is readable once the process has ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "core/str.h"
#include "kernel/fs/anon.h"
#include "kernel/task/cred.h"
#include "kernel/task/internal.h"
#include "kernel/vfs/file.h"

struct pidfd {
	struct file file;
	struct tgroup *tg; /* reference */
};

static struct pidfd *pidfd_of(struct file *f)
{
	return container_of(f, struct pidfd, file);
}

static unsigned pidfd_poll(struct file *f)
{
	struct tgroup *tg = pidfd_of(f)->tg;
	unsigned ev = 0;

	tasklist_lock(&tasklist);
	if (!tg->leader)
		ev = EPOLLIN | EPOLLRDNORM | EPOLLHUP; /* reaped */
	else if (tg->zombie)
		ev = EPOLLIN | EPOLLRDNORM;
	tasklist_unlock(&tasklist);
	return ev;
}

static struct waitq *pidfd_waitq(struct file *f)
{
	return &pidfd_of(f)->tg->exit_waitq;
}

static void pidfd_fdinfo(struct file *f, struct strbuf *out)
{
	struct tgroup *tg = pidfd_of(f)->tg;
	int pid;

	tasklist_lock(&tasklist);
	pid = tg->leader ? tg->tgid : -1;
	tasklist_unlock(&tasklist);
	sb_printf(out, "Pid:\t%d\nNSpid:\t%d\n", pid, pid);
}

static void pidfd_release(struct file *f)
{
	struct pidfd *p = pidfd_of(f);

	tgroup_put(p->tg);
	file_fini(f);
	free(p);
}

static const struct file_ops pidfd_ops = {
	.name = "anon_inode:[pidfd]",
	.poll = pidfd_poll,
	.waitq = pidfd_waitq,
	.fdinfo = pidfd_fdinfo,
	.release = pidfd_release,
};

int pidfd_create(
	struct task *t, struct tgroup *tg, int flags, struct file **out)
{
	struct pidfd *p = calloc(1, sizeof *p);
	int ret;

	if (!p)
		return -ENOMEM;
	ret = anon_file_init(
		&p->file, &pidfd_ops, O_RDWR | flags, S_IFREG | 0600, t->cred);
	if (ret) {
		free(p);
		return ret;
	}
	p->tg = tgroup_get(tg);
	*out = &p->file;
	return 0;
}

int pidfd_tgroup(struct file *f, struct tgroup **out)
{
	if (f->ops != &pidfd_ops)
		return -EBADF;
	*out = tgroup_get(pidfd_of(f)->tg);
	return 0;
}
