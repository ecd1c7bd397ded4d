/* sys_task.c - processes: clone, execve, exit, wait, pidfds. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "kernel/fs/proc/proc.h"
#include "kernel/mm/mm.h"
#include "kernel/syscall/syscall.h"
#include "kernel/task/cred.h"
#include "kernel/task/internal.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef __WNOTHREAD
#define __WNOTHREAD 0x20000000
#endif
#ifndef __WALL
#define __WALL 0x40000000
#endif
#ifndef __WCLONE
#define __WCLONE 0x80000000
#endif
#define WAIT_KIND              ((int)(__WNOTHREAD | __WALL | __WCLONE))
#define CSIGNAL_MASK           0xff
#define CLONE3_FLAGS           0x3ffffffffULL
#define CLONE_ARGS_MIN         64
#define CLONE_ARGS_SIZE        88
#define CAP_SYS_ADMIN          21
#define CAP_CHECKPOINT_RESTORE 40
#define PIDFD_NONBLOCK         O_NONBLOCK
#define PAGE                   4096

/* --- making */

long sys_fork(struct task *t, struct sysargs a)
{
	(void)a;
	return task_clone(t, &(struct clone_args_k){ .exit_signal = SIGCHLD });
}

long sys_vfork(struct task *t, struct sysargs a)
{
	(void)a;
	return task_clone(
		t, &(struct clone_args_k){ .flags = CLONE_VFORK | CLONE_VM,
			   .exit_signal = SIGCHLD });
}

/* GAP: of the namespaces only CLONE_NEWUTS can be new. */
long sys_clone(struct task *t, struct sysargs a)
{
	struct clone_args_k c = {
		.flags = a.r[0] & 0xffffffff & ~(uint64_t)CSIGNAL_MASK,
		.exit_signal = (int)(a.r[0] & CSIGNAL_MASK),
		.stack = a.r[1],
		.pidfd = a.r[2],
		.parent_tid = a.r[2],
		.child_tid = a.r[3],
		.tls = a.r[4],
	};

	if ((c.flags & CLONE_PIDFD) && (c.flags & CLONE_PARENT_SETTID))
		return -EINVAL; /* one word cannot hold both */
	return task_clone(t, &c);
}

static int copyin_set_tid(struct task *t, struct clone_args_k *c)
{
	int32_t tid;

	if (!c->set_tid_size && !c->set_tid)
		return 0;
	/* There is one level of pid namespaces. */
	if (c->set_tid_size != 1 || !c->set_tid)
		return -EINVAL;
	if (copyin(t, &tid, uaddr(c->set_tid), sizeof tid))
		return -EFAULT;
	if (tid < 1)
		return -EINVAL;
	if (!task_capable(t, CAP_SYS_ADMIN) &&
		!task_capable(t, CAP_CHECKPOINT_RESTORE))
		return -EPERM;
	c->set_tid = (uint64_t)tid;
	return 0;
}

/* GAP: as clone; no CLONE_INTO_CGROUP. */
long sys_clone3(struct task *t, struct sysargs a)
{
	size_t size = arg_size(a, 1);
	uint64_t u[CLONE_ARGS_SIZE / 8];
	struct clone_args_k c;
	int ret;

	if (size > PAGE)
		return -E2BIG;
	if (size < CLONE_ARGS_MIN)
		return -EINVAL;
	ret = copyin_struct(t, u, sizeof u, arg_addr(a, 0), size);
	if (ret)
		return ret;
	c = (struct clone_args_k){ .flags = u[0],
		.pidfd = u[1],
		.child_tid = u[2],
		.parent_tid = u[3],
		.stack = u[5],
		.stack_size = u[6],
		.tls = u[7],
		.set_tid = u[8],
		.set_tid_size = u[9],
		.cgroup = u[10] };
	if (u[4] > NSIG_GUEST || (c.flags & ~CLONE3_FLAGS) ||
		(c.flags & (CLONE_DETACHED | (CSIGNAL_MASK & ~0x80))))
		return -EINVAL;
	c.exit_signal = (int)u[4];
	if ((c.flags & (CLONE_THREAD | CLONE_PARENT)) && c.exit_signal)
		return -EINVAL;
	if (!c.stack != !c.stack_size)
		return -EINVAL;
	ret = copyin_set_tid(t, &c);
	return ret ? ret : task_clone(t, &c);
}

/* --- exec */

static long do_execve(struct task *t, int dfd, uaddr_t upath, uaddr_t argv,
	uaddr_t envp, int flags)
{
	char *path;
	long ret;

	ret = copyin_path(t, upath, &path);
	if (ret)
		return ret;
	ret = task_exec(t, dfd, path, argv, envp, flags);
	free(path);
	return ret;
}

long sys_execve(struct task *t, struct sysargs a)
{
	return do_execve(
		t, AT_FDCWD, arg_addr(a, 0), arg_addr(a, 1), arg_addr(a, 2), 0);
}

long sys_execveat(struct task *t, struct sysargs a)
{
	return do_execve(t, arg_int(a, 0), arg_addr(a, 1), arg_addr(a, 2),
		arg_addr(a, 3), arg_int(a, 4));
}

/* --- exit */

long sys_exit(struct task *t, struct sysargs a)
{
	task_exit(t, (arg_int(a, 0) & 0xff) << 8);
}

long sys_exit_group(struct task *t, struct sysargs a)
{
	task_exit_group(t, (arg_int(a, 0) & 0xff) << 8);
}

/* --- wait */

struct rusage_abi {
	int64_t utime[2], stime[2];
	int64_t maxrss, ixrss, idrss, isrss, minflt, majflt, nswap;
	int64_t inblock, oublock, msgsnd, msgrcv, nsignals, nvcsw, nivcsw;
};

static void fill_time(int64_t *tv, int64_t ns)
{
	tv[0] = ns / 1000000000;
	tv[1] = ns % 1000000000 / 1000;
}

static int copyout_rusage(
	struct task *t, uaddr_t u, const struct wait_result *r)
{
	struct rusage_abi ru = { .maxrss = (int64_t)r->maxrss * 4,
		.minflt = (int64_t)r->minflt,
		.majflt = (int64_t)r->majflt,
		.nvcsw = (int64_t)r->nvcsw,
		.nivcsw = (int64_t)r->nivcsw };

	if (uaddr_null(u) || !r->pid)
		return 0;
	fill_time(ru.utime, r->utime);
	fill_time(ru.stime, r->stime);
	return copyout(t, u, &ru, sizeof ru);
}

static int own_pgid(struct task *t)
{
	int id;

	tasklist_lock(&tasklist);
	id = t->tg->pgrp ? t->tg->pgrp->id : 0;
	tasklist_unlock(&tasklist);
	return id;
}

long sys_wait4(struct task *t, struct sysargs a)
{
	int pid = arg_int(a, 0), options = arg_int(a, 2), ret;
	struct wait_query q = { .type = P_ALL };
	struct wait_result r;

	if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | WAIT_KIND))
		return -EINVAL;
	if (pid == INT32_MIN)
		return -ESRCH;
	q.options = options | WEXITED;
	if (pid < -1 || pid == 0) {
		q.type = P_PGID;
		q.id = pid ? -pid : own_pgid(t);
	} else if (pid > 0) {
		q.type = P_PID;
		q.id = pid;
	}
	ret = task_wait(t, &q, &r);
	if (ret)
		return ret;
	if (r.pid && !uaddr_null(arg_addr(a, 1)) &&
		copyout(t, arg_addr(a, 1), &r.status, sizeof r.status))
		return -EFAULT;
	if (copyout_rusage(t, arg_addr(a, 3), &r))
		return -EFAULT;
	return r.pid;
}

static int pidfd_query(
	struct task *t, int fd, struct wait_query *q, bool *nonblock)
{
	struct file *f;
	int ret;

	if (fd < 0)
		return -EINVAL;
	f = fd_lookup(t, fd);
	if (!f)
		return -EBADF;
	ret = pidfd_tgroup(f, &q->pidfd);
	*nonblock = atomic_load(&f->flags) & O_NONBLOCK;
	file_put(f);
	q->type = P_PID;
	return ret;
}

static int waitid_query(
	struct task *t, struct sysargs a, struct wait_query *q, bool *nonblock)
{
	int type = arg_int(a, 0), id = arg_int(a, 1), options = arg_int(a, 3);

	if (options & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED |
			      WAIT_KIND))
		return -EINVAL;
	if (!(options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	*q = (struct wait_query){ .type = type, .id = id, .options = options };
	switch (type) {
	case P_ALL:
		return 0;
	case P_PID:
		return id > 0 ? 0 : -EINVAL;
	case P_PGID:
		if (!id)
			q->id = own_pgid(t);
		return id >= 0 ? 0 : -EINVAL;
	case P_PIDFD:
		return pidfd_query(t, id, q, nonblock);
	}
	return -EINVAL;
}

/* siginfo's first words, as waitid(2) fills them; all zero without a child. */
static int copyout_waitid(
	struct task *t, uaddr_t u, const struct wait_result *r)
{
	int32_t si[7] = { 0 };

	if (uaddr_null(u))
		return 0;
	if (r->pid) {
		si[0] = SIGCHLD;
		si[2] = r->code;
		si[4] = r->pid;
		si[5] = (int32_t)r->uid;
		si[6] = r->code == CLD_EXITED      ? r->status >> 8 & 0xff
			: r->code == CLD_CONTINUED ? SIGCONT
			: r->code == CLD_STOPPED   ? r->status >> 8 & 0xff
						   : r->status & 0x7f;
	}
	return copyout(t, u, si, sizeof si);
}

long sys_waitid(struct task *t, struct sysargs a)
{
	struct wait_query q;
	struct wait_result r;
	bool nonblock = false;
	int ret;

	ret = waitid_query(t, a, &q, &nonblock);
	if (ret)
		return ret;
	if (nonblock)
		q.options |= WNOHANG;
	ret = task_wait(t, &q, &r);
	tgroup_put(q.pidfd);
	if (!ret && !r.pid && nonblock && !(arg_int(a, 3) & WNOHANG))
		return -EAGAIN;
	if (ret)
		return ret;
	if (copyout_rusage(t, arg_addr(a, 4), &r) ||
		copyout_waitid(t, arg_addr(a, 2), &r))
		return -EFAULT;
	return 0;
}

/* --- small ones */

long sys_set_tid_address(struct task *t, struct sysargs a)
{
	t->clear_tid = a.r[0];
	return t->tid;
}

/*
 * GAP: only CLONE_FILES, CLONE_FS, CLONE_SYSVSEM (nothing to do) and
 * CLONE_NEWUTS; other namespaces are EPERM.
 */
long sys_unshare(struct task *t, struct sysargs a)
{
	return task_unshare(t, a.r[0]);
}

/* GAP: a task stays in its namespaces: EPERM, as without CAP_SYS_ADMIN. */
long sys_setns(struct task *t, struct sysargs a)
{
	struct file *f = fd_lookup(t, arg_int(a, 0));

	if (!f)
		return -EBADF;
	file_put(f);
	return -EPERM;
}

/* GAP: what an epoll instance watches (KCMP_EPOLL_TFD) cannot be compared. */
long sys_kcmp(struct task *t, struct sysargs a)
{
	struct task *x = task_lookup(t->tg->pid_ns, arg_int(a, 0));
	struct task *y = task_lookup(t->tg->pid_ns, arg_int(a, 1));
	long ret = x && y ? 0 : -ESRCH;

	if (!ret)
		ret = task_may_access(t, x);
	if (!ret)
		ret = task_may_access(t, y);
	if (!ret)
		ret = task_kcmp(x, y, arg_int(a, 2), a.r[3], a.r[4]);
	task_put(x);
	task_put(y);
	return ret;
}

/* --- pidfds */

/* GAP: no PIDFD_THREAD. */
long sys_pidfd_open(struct task *t, struct sysargs a)
{
	int pid = arg_int(a, 0);
	unsigned flags = arg_uint(a, 1);
	struct tgroup *tg;
	struct task *o;
	struct file *f;
	int ret;

	if (flags & ~(unsigned)PIDFD_NONBLOCK || pid <= 0)
		return -EINVAL;
	o = task_lookup(t->tg->pid_ns, pid);
	if (!o)
		return -ESRCH;
	tg = o->tg;
	ret = tg->tgid == pid ? pidfd_create(t, tg, (int)flags, &f) : -ENOENT;
	task_put(o);
	return ret ? ret : fd_open(t, f, O_CLOEXEC);
}

static int lookup_pidfd(struct task *t, int fd, bool proc, struct tgroup **out)
{
	struct file *f = fd_lookup(t, fd);
	int ret;

	if (!f)
		return -EBADF;
	ret = pidfd_tgroup(f, out);
	if (ret && proc) { /* an open /proc/PID does as well */
		*out = proc_file_tgroup(f);
		ret = *out ? 0 : -EBADF;
	}
	file_put(f);
	return ret;
}

long sys_pidfd_send_signal(struct task *t, struct sysargs a)
{
	int sig = arg_int(a, 1), ret;
	struct tgroup *tg;
	siginfo_t si;

	if (arg_uint(a, 3))
		return -EINVAL;
	ret = lookup_pidfd(t, arg_int(a, 0), true, &tg);
	if (ret)
		return ret;
	if (uaddr_null(arg_addr(a, 2)))
		siginfo_user(&si, sig, SI_USER, t);
	else if (copyin(t, &si, arg_addr(a, 2), sizeof si))
		ret = -EFAULT;
	else if (si.si_signo != sig)
		ret = -EINVAL;
	else if ((si.si_code >= 0 || si.si_code == SI_TKILL) && tg != t->tg)
		ret = -EPERM;
	if (!ret)
		ret = signal_kill(t, tg, sig, &si);
	tgroup_put(tg);
	return ret;
}

long sys_pidfd_getfd(struct task *t, struct sysargs a)
{
	struct task *target = NULL;
	struct fdtable *fdt;
	struct tgroup *tg;
	struct file *f = NULL;
	bool cloexec;
	int fd = arg_int(a, 1), ret;

	if (arg_uint(a, 2))
		return -EINVAL;
	ret = lookup_pidfd(t, arg_int(a, 0), false, &tg);
	if (ret)
		return ret;
	tasklist_lock(&tasklist);
	if (tg->leader)
		target = task_get(tg->leader);
	tasklist_unlock(&tasklist);
	tgroup_put(tg);
	if (!target)
		return -ESRCH;
	ret = task_may_access(t, target);
	fdt = task_fdtable(target);
	task_put(target);
	if (!ret && !fdt)
		ret = -ESRCH;
	if (!ret && (fd < 0 || fdtable_next(fdt, fd, &f, &cloexec) != fd)) {
		if (f)
			file_put(f);
		ret = -EBADF;
	}
	if (fdt)
		fdtable_put(fdt);
	return ret ? ret : fd_open(t, f, O_CLOEXEC);
}
