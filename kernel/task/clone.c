/*
 * clone.c - fork(2), vfork(2), clone(2), clone3(2): one function.
 *
 * The child is built complete, then published under lc_tasklist and lc_sighand
 * in one step: that is also where an exit, exec or stop of the group that began
 * meanwhile is seen, and the whole attempt given up and restarted.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/waitq.h"
#include "kernel/kernel.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/task/internal.h"
#include "kernel/time/ptimer.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/mount.h"
#include "platform/platform.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

#define CAP_SYS_ADMIN    21
#define CAP_SYS_RESOURCE 24
#define CLONE_NAMESPACES                                          \
	((uint64_t)(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC |   \
		    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | \
		    CLONE_NEWCGROUP | CLONE_NEWTIME))

/*
 * GAP: of the namespaces only CLONE_NEWUTS can be new; the others are refused
 * with EPERM, as to a task without CAP_SYS_ADMIN.
 */
static int check_flags(struct task *t, const struct clone_args_k *a)
{
	uint64_t f = a->flags;

	if ((f & CLONE_FS) && (f & (CLONE_NEWNS | CLONE_NEWUSER)))
		return -EINVAL;
	if ((f & CLONE_THREAD) && !(f & CLONE_SIGHAND))
		return -EINVAL;
	if ((f & CLONE_SIGHAND) && !(f & CLONE_VM))
		return -EINVAL;
	if ((f & CLONE_SIGHAND) && (f & CLONE_CLEAR_SIGHAND))
		return -EINVAL;
	if ((f & CLONE_PARENT) && t->tg == t->tg->pid_ns->init)
		return -EINVAL;
	if ((f & CLONE_THREAD) && (f & (CLONE_NEWUSER | CLONE_NEWPID)))
		return -EINVAL;
	if ((f & CLONE_PIDFD) && (f & (CLONE_THREAD | CLONE_DETACHED)))
		return -EINVAL;
	if (f & CLONE_INTO_CGROUP)
		return -EINVAL;
	if ((f & CLONE_NAMESPACES & ~(uint64_t)CLONE_NEWUTS) ||
		((f & CLONE_NEWUTS) && !task_capable(t, CAP_SYS_ADMIN)))
		return -EPERM;
	return 0;
}

static int check_nproc(struct task *t)
{
	const struct cred *c = task_cred(t);

	if (c->uid == 0 || cred_capable(c, CAP_SYS_RESOURCE) ||
		cred_capable(c, CAP_SYS_ADMIN))
		return 0;
	if ((uint64_t)atomic_load(&c->user->ntasks) >=
		task_rlimit(t, RLIMIT_NPROC))
		return -EAGAIN;
	return 0;
}

static int copy_sighand(struct task *t, struct tgroup *tg, uint64_t flags)
{
	struct sighand *h = t->tg->sighand;

	tg->sighand = flags & CLONE_SIGHAND ? sighand_get(h) : sighand_copy(h);
	if (!tg->sighand)
		return -ENOMEM;
	if (flags & CLONE_CLEAR_SIGHAND)
		sighand_reset(tg->sighand, false);
	return 0;
}

/* A new process's group, from that of @t. */
static int copy_tgroup(
	struct task *t, const struct clone_args_k *a, struct tgroup **out)
{
	struct tgroup *old = t->tg, *tg;
	int ret;

	if (a->flags & CLONE_THREAD) {
		*out = tgroup_get(old);
		return 0;
	}
	tg = tgroup_new(old->pid_ns, old->container);
	if (!tg)
		return -ENOMEM;
	ret = copy_sighand(t, tg, a->flags);
	if (ret) {
		tgroup_put(tg);
		return ret;
	}
	sighand_lock(old);
	memcpy(tg->rlim, old->rlim, sizeof tg->rlim);
	sighand_unlock(old);
	tg->exit_signal = a->exit_signal;
	atomic_store(&tg->oom_score_adj, atomic_load(&old->oom_score_adj));
	atomic_store(&tg->membarrier, atomic_load(&old->membarrier));
	*out = tg;
	return 0;
}

static int copy_files(struct task *t, struct task *c, uint64_t flags)
{
	if (flags & CLONE_FILES) {
		c->fdt = fdtable_get(t->fdt);
		return 0;
	}
	return fdtable_copy(t->fdt, &c->fdt);
}

static int copy_resources(struct task *t, struct task *c, uint64_t flags)
{
	int ret;

	c->cred = cred_get(t->cred);
	c->mnt_ns = mnt_ns_get(t->mnt_ns);
	c->fs = flags & CLONE_FS ? fsctx_get(t->fs) : fsctx_copy(t->fs);
	c->uts =
		flags & CLONE_NEWUTS ? uts_ns_copy(t->uts) : uts_ns_get(t->uts);
	if (!c->fs || !c->uts)
		return -ENOMEM;
	ret = copy_files(t, c, flags);
	if (ret)
		return ret;
	if (flags & CLONE_VM) {
		c->mm = mm_get(t->mm);
		return 0;
	}
	return mm_fork(t, &c->mm);
}

static void copy_state(
	struct task *t, struct task *c, const struct clone_args_k *a)
{
	uint64_t f = a->flags;

	c->regs = t->regs;
	c->regs.rax = 0;
	c->regs.orig_rax = (uint64_t)-1;
	if (a->stack)
		c->regs.rsp = a->stack + a->stack_size;
	if (f & CLONE_SETTLS)
		c->regs.fs_base = a->tls;
	if (f & CLONE_CHILD_SETTID)
		c->set_child_tid = a->child_tid;
	if (f & CLONE_CHILD_CLEARTID)
		c->clear_tid = a->child_tid;
	/* An alternate stack is of no use to two at once. */
	if ((f & (CLONE_VM | CLONE_VFORK)) != CLONE_VM) {
		c->sas_sp = t->sas_sp;
		c->sas_size = t->sas_size;
		c->sas_flags = t->sas_flags;
	}
	c->blocked = t->blocked;
	if (t->restore_blocked)
		c->blocked = t->saved_blocked;
	memcpy(c->comm, t->comm, sizeof c->comm);
	c->thp_disable = t->thp_disable;
	c->tsc_mode = t->tsc_mode;
	c->personality = t->personality;
}

/* Family ties of a new process. */
HOLDS(lc_tasklist)
static void link_process(
	struct task *t, struct task *c, const struct clone_args_k *a)
{
	struct tgroup *old = t->tg, *tg = c->tg, *parent = old;

	tg->tgid = c->tid;
	tg->leader = c;
	tg->parent_tid = t->tid;
	if (a->flags & CLONE_PARENT) {
		parent = old->parent;
		tg->exit_signal = old->exit_signal;
		tg->parent_tid = old->parent_tid;
	}
	tg->parent = parent;
	tg->gave_up_tty = old->gave_up_tty;
	atomic_store(&tg->ppid, parent ? parent->tgid : 0);
	if (parent)
		list_add_tail(&parent->children, &tg->sibling);
	if (old->pgrp)
		pgrp_join(tg, old->pgrp);
}

/* The one moment in which the child begins to exist. */
static int publish(
	struct task *t, struct task *c, const struct clone_args_k *a, int want)
{
	struct tgroup *old = t->tg, *tg = c->tg;
	int ret = 0;

	tasklist_lock(&tasklist);
	sighand_lock(old);
	/* Signals to the group now come before the fork, or reach the child
	 * too. */
	if (old->exiting || old->execing || t->exec_killed || old->stop_sig)
		ret = -ERESTARTNOINTR;
	if (!ret)
		ret = task_hash(c, want);
	if (!ret && tg == old) {
		list_add_tail(&tg->threads, &c->thread_link);
		tg->nthreads++;
		tg->unfinished++;
	}
	sighand_unlock(old);
	if (!ret && tg != old) {
		tg->nthreads = tg->unfinished = 1;
		list_add_tail(&tg->threads, &c->thread_link);
		link_process(t, c, a);
	}
	if (!ret) {
		atomic_fetch_add(&c->cred->user->ntasks, 1);
		if (tg->pid_ns->frozen)
			atomic_fetch_or(&c->work, TASK_WORK_FREEZE);
		if (a->flags & CLONE_VFORK)
			c->vfork_child_of = t;
	}
	tasklist_unlock(&tasklist);
	return ret;
}

/* The host has no thread for it: out of the tables again, as if it had ended.
 */
static void unpublish(struct task *c)
{
	struct tgroup *tg = c->tg;

	tasklist_lock(&tasklist);
	sighand_lock(tg);
	c->gone = true;
	tg->nthreads--;
	tg->unfinished--;
	list_del(&c->thread_link);
	if (tg->execing)
		park_wake(&tg->execing->park);
	sighand_unlock(tg);
	c->vfork_child_of = NULL;
	if (tg->leader == c) {
		list_del(&tg->sibling);
		tg->parent = NULL;
		pgrp_leave(tg);
		tg->leader = NULL;
	}
	tg->pid_ns->nlive--;
	task_unhash(c);
	tasklist_unlock(&tasklist);
}

/* Sleeps until the child lets go of our memory; only death ends it early. */
static void wait_vfork(struct task *t, struct task *c)
{
	t->wait_what = "vfork";
	while (!atomic_load(&t->vfork_done))
		if (task_block_killable(t, NO_DEADLINE))
			break;
	t->wait_what = NULL;
	tasklist_lock(&tasklist);
	if (c->vfork_child_of == t)
		c->vfork_child_of = NULL;
	tasklist_unlock(&tasklist);
}

static int make_child(
	struct task *t, const struct clone_args_k *a, struct task **out)
{
	struct tgroup *tg;
	struct task *c;
	int ret;

	ret = copy_tgroup(t, a, &tg);
	if (ret)
		return ret;
	c = task_new(tg);
	tgroup_put(tg);
	if (!c)
		return -ENOMEM;
	ret = sched_fork(&t->sched, &c->sched);
	if (!ret)
		ret = copy_resources(t, c, a->flags);
	if (!ret) {
		copy_state(t, c, a);
		ret = platform->pctx_new(&c->mm->as, t->pctx, &c->pctx);
	}
	if (ret) {
		task_put(c);
		return ret;
	}
	*out = c;
	return 0;
}

/* Descriptor and parent's copies of the tid: before the child can run. */
static int store_ids(
	struct task *t, struct task *c, const struct clone_args_k *a, int pidfd)
{
	uint32_t tid = (uint32_t)c->tid, fd = (uint32_t)pidfd;

	if ((a->flags & CLONE_PIDFD) &&
		copyout(t, uaddr(a->pidfd), &fd, sizeof fd))
		return -EFAULT;
	if (a->flags & CLONE_PARENT_SETTID)
		(void)!copyout(t, uaddr(a->parent_tid), &tid, sizeof tid);
	return 0;
}

static long start_child(
	struct task *t, struct task *c, const struct clone_args_k *a, int want)
{
	struct file *pf = NULL;
	int tid, ret, fd = -1;

	if (a->flags & CLONE_PIDFD) {
		fd = fd_reserve(t, 0);
		if (fd < 0)
			return fd;
		ret = pidfd_create(t, c->tg, 0, &pf);
		if (ret)
			goto unreserve;
	}
	ret = publish(t, c, a, want);
	if (ret)
		goto unreserve;
	tid = c->tid;
	if (c->tg != t->tg && c->tg->rlim[RLIMIT_CPU].cur != RLIM_INFINITY)
		ptimers_limit_cpu(c->tg);
	ret = store_ids(t, c, a, fd);
	if (ret)
		goto unpublish;
	atomic_store(&t->vfork_done, false);
	task_get(c); /* the host thread's */
	if (task_start(c) != 0) {
		task_put(c);
		ret = -EAGAIN;
		goto unpublish;
	}
	if (pf)
		fd_install(t, fd, pf, O_CLOEXEC);
	if (a->flags & CLONE_VFORK)
		wait_vfork(t, c);
	return tid;
unpublish:
	unpublish(c);
	if (c->tg != t->tg)
		ptimers_exit(c->tg);
unreserve:
	if (fd >= 0)
		fd_unreserve(t, fd);
	if (pf)
		file_put(pf);
	return ret;
}

long task_clone(struct task *t, const struct clone_args_k *a)
{
	int want = (int)a->set_tid;
	struct task *c;
	long ret;

	ret = check_flags(t, a);
	if (!ret)
		ret = check_nproc(t);
	if (!ret && signal_waits(t) && !(a->flags & CLONE_THREAD))
		ret = -ERESTARTNOINTR; /* serve it first: no endless fork */
	if (!ret)
		ret = make_child(t, a, &c);
	if (ret)
		return ret;
	ret = start_child(t, c, a, want);
	task_put(c);
	return ret;
}

/* --- unshare(2) */

static int unshare_check(struct task *t, uint64_t flags)
{
	uint64_t can = CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_NEWUTS |
		       CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;

	if (flags & ~(can | CLONE_NAMESPACES))
		return -EINVAL;
	if ((flags & CLONE_NAMESPACES & ~(uint64_t)CLONE_NEWUTS) ||
		((flags & CLONE_NEWUTS) && !task_capable(t, CAP_SYS_ADMIN)))
		return -EPERM;
	if ((flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)) &&
		t->tg->nthreads > 1)
		return -EINVAL;
	if ((flags & (CLONE_SIGHAND | CLONE_VM)) &&
		atomic_load(&t->tg->sighand->ref.n) > 1)
		return -EINVAL;
	if ((flags & CLONE_VM) && atomic_load(&t->mm->ref.n) > 1)
		return -EINVAL;
	return 0;
}

long task_unshare(struct task *t, uint64_t flags)
{
	struct fdtable *fdt = NULL, *old_fdt;
	struct fsctx *fs = NULL, *old_fs;
	struct uts_ns *uts = NULL, *old_uts;
	int ret;

	ret = unshare_check(t, flags);
	if (ret)
		return ret;
	if (flags & CLONE_FILES) {
		ret = fdtable_copy(t->fdt, &fdt);
		if (ret)
			return ret;
	}
	if (flags & CLONE_FS)
		fs = fsctx_copy(t->fs);
	if (flags & CLONE_NEWUTS)
		uts = uts_ns_copy(t->uts);
	if (((flags & CLONE_FS) && !fs) || ((flags & CLONE_NEWUTS) && !uts)) {
		if (fdt)
			fdtable_put(fdt);
		fsctx_put(fs);
		uts_ns_put(uts);
		return -ENOMEM;
	}
	mutex_acquire(&t->res_lock);
	old_fdt = fdt ? t->fdt : NULL;
	old_fs = fs ? t->fs : NULL;
	old_uts = uts ? t->uts : NULL;
	t->fdt = fdt ? fdt : t->fdt;
	t->fs = fs ? fs : t->fs;
	t->uts = uts ? uts : t->uts;
	mutex_release(&t->res_lock);
	if (old_fdt)
		fdtable_put(old_fdt);
	fsctx_put(old_fs);
	uts_ns_put(old_uts);
	return 0;
}
