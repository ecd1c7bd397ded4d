/*
 * task.c - tasks, thread groups and pid namespaces as objects.
 *
 * Lifetime: the pid table holds a reference to each task from task_hash() to
 * task_unhash(); a task holds one to its group, a group to its namespace.
 * Whoever finds a task takes his own reference under lc_tasklist.  An
 * ended task keeps its ids and sums, but no mm, files or context.
 */
#include "kernel/task/task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/rbtree.h"
#include "kernel/kernel.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/task/internal.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/mount.h"

#define PID_MAX      4194304 /* /proc/sys/kernel/pid_max of a 64-bit Linux */
#define PID_RESERVED 300     /* after wrapping, low numbers stay free */

_Thread_local struct task *current;

struct tasklist tasklist = { .lock = { .rank = 0 } };

/* --- pid namespaces */

struct pid_ns *pid_ns_new(struct container *c)
{
	struct pid_ns *ns = calloc(1, sizeof *ns);

	if (!ns)
		return NULL;
	ref_init(&ns->ref);
	ns->container = c;
	waitq_init(&ns->waitq);
	return ns;
}

struct pid_ns *pid_ns_get(struct pid_ns *ns)
{
	ref_get(&ns->ref);
	return ns;
}

void pid_ns_put(struct pid_ns *ns)
{
	if (ns && ref_put(&ns->ref))
		free(ns);
}

HOLDS(lc_tasklist)
static struct task *task_peek(struct pid_ns *ns, int tid)
{
	struct rb_node *n = ns->tasks.root;

	while (n) {
		struct task *t = container_of(n, struct task, pid_node);

		if (tid == t->tid)
			return t;
		n = n->child[tid > t->tid];
	}
	return NULL;
}

HOLDS(lc_tasklist)
static bool pid_used(struct pid_ns *ns, int id)
{
	return task_peek(ns, id) || pgrp_peek(ns, id) || session_peek(ns, id);
}

/* The next free number after the last one given, or -EAGAIN. */
HOLDS(lc_tasklist)
static int pid_alloc(struct pid_ns *ns)
{
	int id = ns->last;

	for (int tries = 0; tries < PID_MAX; tries++) {
		if (++id >= PID_MAX)
			id = PID_RESERVED;
		if (!pid_used(ns, id)) {
			ns->last = id;
			return id;
		}
	}
	return -EAGAIN;
}

HOLDS(lc_tasklist)
static void task_link(struct task *t)
{
	struct rb_tree *tree = &t->tg->pid_ns->tasks;
	struct rb_node **link = &tree->root, *parent = NULL;

	while (*link) {
		struct task *o = container_of(*link, struct task, pid_node);

		parent = *link;
		link = &parent->child[t->tid > o->tid];
	}
	rb_link(&t->pid_node, parent, link);
	rb_rebalance(tree, &t->pid_node);
}

int task_hash(struct task *t, int want)
{
	struct pid_ns *ns = t->tg->pid_ns;
	unsigned limit =
		ns->container ? atomic_load(&ns->container->pids_limit) : 0;

	if (ns->dead)
		return -ENOMEM; /* Linux: the same once init has ended */
	if (limit && (unsigned)ns->ntasks >= limit)
		return -EAGAIN;
	if (want && (want >= PID_MAX || want < 0))
		return -EINVAL;
	if (want && pid_used(ns, want))
		return -EEXIST;
	t->tid = want ? want : pid_alloc(ns);
	if (t->tid < 0)
		return t->tid;
	task_link(t);
	task_get(t);
	ns->ntasks++;
	ns->nlive++;
	return 0;
}

void task_unhash(struct task *t)
{
	struct pid_ns *ns = t->tg->pid_ns;

	rb_erase(&ns->tasks, &t->pid_node);
	ns->ntasks--;
	task_put(t);
}

void task_rehash(struct task *t, int tid)
{
	rb_erase(&t->tg->pid_ns->tasks, &t->pid_node);
	t->tid = tid;
	task_link(t);
}

/* --- tasks */

static void rlim_defaults(struct rlim *r)
{
	for (int i = 0; i < RLIM_GUEST; i++)
		r[i] = (struct rlim){ UINT64_MAX, UINT64_MAX };
	r[RLIMIT_STACK].cur = 8 << 20;
	r[RLIMIT_CORE].cur = 0;
	r[RLIMIT_NOFILE] = (struct rlim){ 1024, 4096 };
	r[RLIMIT_MEMLOCK] = (struct rlim){ 8 << 20, 8 << 20 };
	r[RLIMIT_MSGQUEUE] = (struct rlim){ 819200, 819200 };
	r[RLIMIT_NICE] = (struct rlim){ 0, 0 };
	r[RLIMIT_RTPRIO] = (struct rlim){ 0, 0 };
	r[RLIMIT_SIGPENDING] = (struct rlim){ 63432, 63432 };
}

struct tgroup *tgroup_new(struct pid_ns *ns, struct container *c)
{
	struct tgroup *tg = calloc(1, sizeof *tg);

	if (!tg)
		return NULL;
	ref_init(&tg->ref);
	mutex_init(&tg->lock, &lc_sighand);
	tg->pid_ns = pid_ns_get(ns);
	tg->container = c;
	list_init(&tg->threads);
	list_init(&tg->children);
	list_init(&tg->sibling);
	list_init(&tg->pgrp_link);
	tg->exit_signal = SIGCHLD;
	waitq_init(&tg->child_waitq);
	waitq_init(&tg->exit_waitq);
	waitq_init(&tg->signal_waitq);
	sigpending_init(&tg->shared);
	rlim_defaults(tg->rlim);
	atomic_store(&tg->start_time, mono_now());
	return tg;
}

struct tgroup *tgroup_get(struct tgroup *tg)
{
	ref_get(&tg->ref);
	return tg;
}

void tgroup_put(struct tgroup *tg)
{
	if (!tg || !ref_put(&tg->ref))
		return;
	sigpending_flush(&tg->shared);
	sighand_put(tg->sighand);
	pid_ns_put(tg->pid_ns);
	free(tg);
}

void cpus_online(uint64_t mask[2])
{
	unsigned n = MIN(kernel.conf.ncpu, 128U);

	mask[0] = n >= 64 ? ~0ULL : (1ULL << n) - 1;
	mask[1] = n > 64 ? (n == 128 ? ~0ULL : (1ULL << (n - 64)) - 1) : 0;
}

/*
 * Two host threads, their structs, a stub's page tables: about this much of the
 * host's memory that a limit counts too.
 */
#define TASK_FRAMES 24

struct task *task_new(struct tgroup *tg)
{
	struct task *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	memfile_charge_own(TASK_FRAMES);
	ref_init(&t->ref);
	t->kernel = &kernel;
	t->tg = tgroup_get(tg);
	list_init(&t->thread_link);
	mutex_init(&t->res_lock, &lc_fsctx);
	park_init(&t->park);
	sigpending_init(&t->pending);
	waitq_init(&t->vfork_waitq);
	t->orig_rax = (uint64_t)-1;
	t->call_nr = -1;
	t->regs_dirty = REGS_ALL;
	t->restart.deadline = NO_DEADLINE;
	t->sas_flags = SS_DISABLE;
	t->tsc_mode = 1; /* PR_TSC_ENABLE */
	sched_init(&t->sched);
	atomic_store(&t->start_time, mono_now());
	return t;
}

struct task *task_get(struct task *t)
{
	ref_get(&t->ref);
	return t;
}

/* Everything but the identity: on exit, or when a half-made task is given up.
 */
void task_drop_resources(struct task *t)
{
	struct mm *mm;
	struct fdtable *fdt;
	struct fsctx *fs;
	struct mnt_ns *mnt_ns;
	struct uts_ns *uts;
	struct pctx *pctx;

	mutex_acquire(&t->res_lock);
	mm = t->mm;
	fdt = t->fdt;
	fs = t->fs;
	mnt_ns = t->mnt_ns;
	uts = t->uts;
	pctx = t->pctx;
	t->mm = NULL;
	t->fdt = NULL;
	t->fs = NULL;
	t->mnt_ns = NULL;
	t->uts = NULL;
	t->pctx = NULL;
	mutex_release(&t->res_lock);
	if (pctx)
		platform->pctx_free(pctx);
	if (mm)
		mm_put(mm);
	if (fdt)
		fdtable_put(fdt);
	fsctx_put(fs);
	if (mnt_ns)
		mnt_ns_put(mnt_ns);
	uts_ns_put(uts);
}

void task_put(struct task *t)
{
	if (!t || !ref_put(&t->ref))
		return;
	task_drop_resources(t);
	sigpending_flush(&t->pending);
	cred_put(t->cred);
	free(t->fp);
	tgroup_put(t->tg);
	free(t);
	memfile_charge_own(-TASK_FRAMES);
}

/* --- looking up */

struct task *task_lookup(struct pid_ns *ns, int tid)
{
	struct task *t;

	tasklist_lock(&tasklist);
	t = task_peek(ns, tid);
	if (t)
		task_get(t);
	tasklist_unlock(&tasklist);
	return t;
}

struct tgroup *tgroup_lookup(struct pid_ns *ns, int tgid)
{
	struct tgroup *tg = NULL;
	struct task *t;

	tasklist_lock(&tasklist);
	t = task_peek(ns, tgid);
	if (t && t->tg->tgid == tgid)
		tg = tgroup_get(t->tg);
	tasklist_unlock(&tasklist);
	return tg;
}

struct task *task_next(struct pid_ns *ns, int tid)
{
	struct task *found = NULL;
	struct rb_node *n;

	tasklist_lock(&tasklist);
	n = ns->tasks.root;
	while (n) {
		struct task *t = container_of(n, struct task, pid_node);

		if (t->tid >= tid)
			found = t;
		n = n->child[t->tid < tid];
	}
	if (found)
		task_get(found);
	tasklist_unlock(&tasklist);
	return found;
}

/* --- parts of another task */

struct mm *task_mm(struct task *t)
{
	struct mm *mm;

	mutex_acquire(&t->res_lock);
	mm = t->mm ? mm_get(t->mm) : NULL;
	mutex_release(&t->res_lock);
	return mm;
}

struct fdtable *task_fdtable(struct task *t)
{
	struct fdtable *fdt;

	mutex_acquire(&t->res_lock);
	fdt = t->fdt ? fdtable_get(t->fdt) : NULL;
	mutex_release(&t->res_lock);
	return fdt;
}

struct fsctx *task_fsctx(struct task *t)
{
	struct fsctx *fs;

	mutex_acquire(&t->res_lock);
	fs = t->fs ? fsctx_get(t->fs) : NULL;
	mutex_release(&t->res_lock);
	return fs;
}

/* A torn read is harmless: each half is a limit that was or is in force. */
uint64_t task_rlimit(struct task *t, int resource)
{
	return __atomic_load_n(&t->tg->rlim[resource].cur, __ATOMIC_RELAXED);
}

void task_set_comm(struct task *t, const char *name)
{
	char comm[sizeof t->comm] = { 0 };

	memcpy(comm, name, strnlen(name, sizeof comm - 1));
	sighand_lock(t->tg);
	memcpy(t->comm, comm, sizeof comm);
	sighand_unlock(t->tg);
}

/* Linux: kernel/ptrace.c __ptrace_may_access(), with real ids. */
int task_may_access(struct task *t, struct task *target)
{
	const struct cred *c = task_cred(t);
	struct cred *o;
	struct mm *mm;
	bool ok;

	if (t->tg == target->tg)
		return 0;
	o = task_cred_get(target);
	ok = (c->uid == o->euid && c->uid == o->suid && c->uid == o->uid &&
		     c->gid == o->egid && c->gid == o->sgid &&
		     c->gid == o->gid) ||
	     cred_capable(c, 19); /* CAP_SYS_PTRACE */
	if (ok && (o->permitted & ~c->permitted) && !cred_capable(c, 19))
		ok = false;
	cred_put(o);
	mm = task_mm(target);
	if (ok && mm && atomic_load(&mm->dumpable) != 1 && !cred_capable(c, 19))
		ok = false;
	if (mm)
		mm_put(mm);
	return ok ? 0 : -EPERM;
}

/* --- what a process has used */

void task_update_times(struct task *t)
{
	struct timespec ts;

	if (t->pctx)
		atomic_store(&t->utime, platform->pctx_cpu_ns(t->pctx));
	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) == 0)
		atomic_store(&t->stime, ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec);
}

void task_note_rss(struct task *t)
{
	uint64_t now = mm_peak_rss(t->mm);
	uint64_t was = atomic_load(&t->tg->maxrss);

	while (now > was &&
		!atomic_compare_exchange_weak(&t->tg->maxrss, &was, now))
		;
}

int64_t tgroup_utime(struct tgroup *tg)
{
	int64_t sum = atomic_load(&tg->dead_utime);
	struct task *t;

	list_for_each (t, &tg->threads, thread_link)
		sum += atomic_load(&t->utime);
	return sum;
}

int64_t tgroup_stime(struct tgroup *tg)
{
	int64_t sum = atomic_load(&tg->dead_stime);
	struct task *t;

	list_for_each (t, &tg->threads, thread_link)
		sum += atomic_load(&t->stime);
	return sum;
}
