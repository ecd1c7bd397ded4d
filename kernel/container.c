/*
 * container.c - containers as the control server sees them.
 *
 * A process from outside begins as a task without memory: its own host thread
 * loads the program, publishes it and reports to the control thread that waits
 * for it; nothing of a program that cannot start is ever visible in the
 * container.  Such a process has no parent and leads a session of its own.  The
 * first one is reaped by container_wait(); others are reaped when they end, and
 * the container remembers their status for whoever asks.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/str.h"
#include "core/thread.h"
#include "core/waitq.h"
#include "kernel/fs/hostfile.h"
#include "kernel/fs/tty.h"
#include "kernel/kernel.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/task/exec.h"
#include "kernel/task/internal.h"
#include "kernel/time/ptimer.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/namei.h"

#define DEFAULT_PATH \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* --- making */

int container_create(const struct container_conf *conf, struct container **out,
	struct err *e)
{
	struct container *c = xzalloc(sizeof *c);

	c->id = xstrdup(conf->id);
	c->kernel = &kernel;
	atomic_init(&c->pids_limit, conf->pids_limit);
	c->pid_ns = pid_ns_new(c);
	c->uts = uts_ns_new(conf->hostname ? conf->hostname : "",
		conf->domainname ? conf->domainname : "(none)");
	if (!c->pid_ns || !c->uts)
		return err_set(e, ENOMEM, "out of memory");
	if (container_mounts(conf, c, e))
		return -e->code;
	control_lock(&kernel);
	tasklist_lock(&tasklist); /* load averages count under this one */
	list_add_tail(&kernel.containers, &c->link);
	tasklist_unlock(&tasklist);
	control_unlock(&kernel);
	*out = c;
	return 0;
}

struct container *container_find(const char *id)
{
	struct container *c, *found = NULL;

	control_lock(&kernel);
	list_for_each (c, &kernel.containers, link)
		if (!strcmp(c->id, id)) {
			found = c;
			break;
		}
	control_unlock(&kernel);
	return found;
}

/* --- a task from a process_conf */

static struct cred *make_cred(const struct process_conf *p)
{
	struct cred *c =
		cred_new(p->uid, p->gid, p->groups, (uint32_t)p->ngroups);

	if (!c)
		return NULL;
	c->bounding = p->cap_bounding & CAP_ALL;
	c->permitted = p->cap_permitted & CAP_ALL;
	c->effective = p->cap_effective & c->permitted;
	c->inheritable = p->cap_inheritable & CAP_ALL;
	c->ambient = p->cap_ambient & c->permitted & c->inheritable;
	c->no_new_privs = p->no_new_privs;
	return c;
}

LOCKS_UNCHECKED /* the namespace's root mount never changes */
	static struct path
	root_of(struct container *c)
{
	return (struct path){ c->mnt_ns->root, c->mnt_ns->root->root };
}

/* Root of the container, and the working directory as @cred finds it. */
static int make_fsctx(struct container *c, const struct process_conf *p,
	const struct cred *cred, struct fsctx **out, struct err *e)
{
	const char *dir = p->cwd && *p->cwd ? p->cwd : "/";
	struct path root = root_of(c), cwd;
	struct walk w = { .cred = cred, .root = root, .start = root };
	int ret;

	ret = path_lookup(&w, dir, LOOKUP_FOLLOW | LOOKUP_DIR, &cwd);
	if (!ret && !S_ISDIR(atomic_load(&path_inode(&cwd)->mode))) {
		path_put(&cwd);
		ret = -ENOTDIR;
	}
	if (ret)
		return err_set(e, -ret, "working directory %s: %s", dir,
			strerror(-ret));
	*out = fsctx_new(&root, &cwd, p->set_umask ? p->umask : 022);
	path_put(&cwd);
	return *out ? 0 : err_set(e, ENOMEM, "out of memory");
}

static int make_group(
	struct container *c, const struct process_conf *p, struct tgroup **out)
{
	struct tgroup *tg = tgroup_new(c->pid_ns, c);

	if (!tg)
		return -ENOMEM;
	tg->sighand = sighand_new();
	if (!tg->sighand) {
		tgroup_put(tg);
		return -ENOMEM;
	}
	for (size_t i = 0; i < p->nrlimits; i++) {
		const struct rlimit_conf *l = &p->rlimits[i];

		if (l->resource >= 0 && l->resource < RLIM_GUEST)
			tg->rlim[l->resource] = (struct rlim){ l->cur, l->max };
	}
	atomic_store(&tg->oom_score_adj, p->oom_score_adj);
	tg->exit_signal = SIGCHLD;
	*out = tg;
	return 0;
}

/* Everything but memory, descriptors and a tid.  Returns a reference. */
static int make_task(struct container *c, const struct process_conf *p,
	struct task **out, struct err *e)
{
	struct tgroup *tg;
	struct task *t;

	if (make_group(c, p, &tg))
		return err_set(e, ENOMEM, "out of memory");
	t = task_new(tg);
	tgroup_put(tg);
	if (!t)
		return err_set(e, ENOMEM, "out of memory");
	t->cred = make_cred(p);
	t->mnt_ns = mnt_ns_get(c->mnt_ns);
	t->uts = uts_ns_get(c->uts);
	t->fdt = fdtable_new();
	if (!t->cred || !t->fdt)
		(void)err_set(e, ENOMEM, "out of memory");
	else if (make_fsctx(c, p, t->cred, &t->fs, e) == 0) {
		*out = t;
		return 0;
	}
	task_put(t);
	return -e->code;
}

/* --- which file */

static const char *get_env(const struct process_conf *p, const char *name)
{
	size_t n = strlen(name);

	for (const char *const *v = p->envp; v && *v; v++)
		if (!strncmp(*v, name, n) && (*v)[n] == '=')
			return *v + n + 1;
	return NULL;
}

/* A regular file with an x bit, as the shells and runc look for it. */
static bool looks_executable(struct task *t, const char *path)
{
	struct path found;
	struct walk w;
	uint32_t mode;
	int ret;

	if (task_walk(t, AT_FDCWD, path, &w))
		return false;
	ret = path_lookup(&w, path, LOOKUP_FOLLOW, &found);
	walk_done(&w);
	if (ret)
		return false;
	mode = atomic_load(&path_inode(&found)->mode);
	path_put(&found);
	return S_ISREG(mode) && (mode & 0111);
}

/* Full name of argv[0], malloc'ed. */
static int find_program(
	struct task *t, const struct process_conf *p, char **out, struct err *e)
{
	const char *name = p->argv ? p->argv[0] : NULL, *path, *end;

	if (!name || !*name)
		return err_set(e, EINVAL, "process.args is empty");
	if (strchr(name, '/')) {
		*out = xstrdup(name);
		return 0;
	}
	path = get_env(p, "PATH");
	if (!path)
		path = DEFAULT_PATH;
	for (;; path = end + 1) {
		end = strchrnul(path, ':');
		*out = xasprintf("%.*s%s%s", (int)(end - path), path,
			end == path ? "./" : "/", name);
		if (looks_executable(t, *out))
			return 0;
		free(*out);
		if (!*end)
			break;
	}
	return err_set(e, ENOENT,
		"exec: \"%s\": executable file not found in $PATH", name);
}

static int start_error(struct err *e, int ret, const char *path)
{
	if (ret == -ENOEXEC)
		return err_set(e, ENOEXEC,
			"exec %s: exec format error: not a program for this "
			"machine",
			path);
	if (ret == -ELIBBAD)
		return err_set(e, ELIBBAD,
			"exec %s: its ELF interpreter is damaged", path);
	/* musl has other words; engines look for these. */
	if (ret == -EACCES)
		return err_set(e, EACCES, "exec %s: permission denied", path);
	if (ret == -ENOENT)
		return err_set(
			e, ENOENT, "exec %s: no such file or directory", path);
	return err_set(e, -ret, "exec %s: %s", path, strerror(-ret));
}

int container_check(
	struct container *c, const struct process_conf *p, struct err *e)
{
	struct task *t;
	char *path;
	int ret;

	if (make_task(c, p, &t, e))
		return -e->code;
	ret = find_program(t, p, &path, e);
	if (!ret) {
		ret = exec_check(t, path);
		if (ret)
			ret = start_error(e, ret, path);
		free(path);
	}
	task_put(t);
	return ret;
}

/* --- descriptors */

static int open_null(struct task *t, struct file **out)
{
	struct walk w;
	int ret;

	ret = task_walk(t, AT_FDCWD, "/dev/null", &w);
	if (ret)
		return ret;
	ret = vfs_open(&w, "/dev/null", O_RDWR, 0, 0, out);
	walk_done(&w);
	return ret;
}

static int add_host_fd(struct task *t, int hfd, int fd, struct err *e)
{
	struct file *f;
	int ret;

	if (hfd >= 0)
		ret = hostfile_create(hfd, -1, &f);
	else
		ret = open_null(t, &f);
	if (ret && hfd >= 0)
		close(hfd);
	if (!ret)
		ret = fd_replace(t, fd, f, 0);
	if (ret < 0)
		return err_set(e, -ret, "descriptor %d of the process: %s", fd,
			strerror(-ret));
	return 0;
}

static int add_terminal(struct task *t, const struct process_conf *p,
	struct tty **tty, struct err *e)
{
	struct file *f;
	int ret;

	ret = tty_console_create(p->stdio[0], p->rows, p->cols, tty, &f);
	if (ret)
		return err_set(e, -ret, "terminal: %s", strerror(-ret));
	/* Without a devpts it has no name, and works all the same. */
	(void)!tty_console_publish(t, *tty, f);
	for (int fd = 0; fd < 3; fd++) {
		ret = fd_replace(t, fd, file_get(f), 0);
		if (ret < 0)
			break;
	}
	file_put(f);
	for (int fd = 1; fd < 3; fd++)
		if (p->stdio[fd] >= 0 && p->stdio[fd] != p->stdio[0])
			close(p->stdio[fd]);
	return ret < 0 ? err_set(e, -ret, "terminal: %s", strerror(-ret)) : 0;
}

static int add_files(struct task *t, const struct process_conf *p,
	struct tty **tty, struct err *e)
{
	int ret = 0;

	*tty = NULL;
	if (p->terminal)
		ret = add_terminal(t, p, tty, e);
	for (int fd = 0; fd < 3 && !p->terminal && !ret; fd++)
		ret = add_host_fd(t, p->stdio[fd], fd, e);
	for (size_t i = 0; i < p->npass && !ret; i++)
		ret = add_host_fd(t, p->pass_host[i], p->pass_guest[i], e);
	return ret;
}

/* --- starting */

struct start { /* on the control thread's stack */
	struct container *c;
	const struct process_conf *p;
	const char *path;
	struct tty *tty; /* borrowed */
	struct park park;
	atomic_bool done;
	int result; /* 0 or -errno */
	int pid;
};

/* The new process appears: pid, session, group. */
static int publish_first(struct task *t, bool hook)
{
	struct tgroup *tg = t->tg;
	struct pid_ns *ns = tg->pid_ns;
	struct session *s;
	struct pgrp *pg = NULL;
	bool first;
	int ret;

	tasklist_lock(&tasklist);
	first = !ns->init && !hook;
	if (!ns->init && ns->last < 1)
		ns->last = 1;
	ret = task_hash(t, first ? 1 : 0);
	if (ret)
		goto unlock;
	tg->tgid = t->tid;
	tg->leader = t;
	tg->nthreads = tg->unfinished = 1;
	list_add_tail(&tg->threads, &t->thread_link);
	atomic_fetch_add(&t->cred->user->ntasks, 1);
	s = session_create(ns, t->tid, tg);
	if (s)
		pg = pgrp_create(s, t->tid);
	if (pg) {
		pgrp_join(tg, pg);
		pgrp_put_locked(pg);
	}
	session_put_locked(s);
	if (ns->frozen)
		atomic_fetch_or(&t->work, TASK_WORK_FREEZE);
	if (first) {
		ns->init = tg;
		tg->unkillable = true;
	}
unlock:
	tasklist_unlock(&tasklist);
	return ret;
}

static int begin_process(struct task *t)
{
	struct start *s = t->begin_arg;
	int ret;

	t->begin_arg = NULL;
	ret = exec_first(t, s->path, s->p->argv, s->p->envp);
	if (!ret)
		ret = publish_first(t, s->p->hook);
	if (!ret && s->tty && tty_set_controlling(t, s->tty, false))
		log_warn("process %d gets no controlling terminal", t->tid);
	s->result = ret;
	s->pid = t->tid;
	if (ret) {
		task_drop_resources(t);
		current = NULL;
		task_put(t);
	}
	if (!ret && t->tg->rlim[RLIMIT_CPU].cur != RLIM_INFINITY)
		ptimers_limit_cpu(t->tg);
	/* @s goes away once done is set: the park belongs to the waiter's
	 * frame. */
	atomic_store(&s->done, true);
	park_wake(&s->park);
	return ret;
}

static int start_process(struct task *t, struct start *s, struct err *e)
{
	park_init(&s->park);
	t->begin = begin_process;
	t->begin_arg = s;
	task_get(t); /* the host thread's */
	if (task_start(t)) {
		task_put(t);
		return err_set(e, EAGAIN, "no thread for the process");
	}
	while (!atomic_load(&s->done))
		(void)park_wait(&s->park, NO_DEADLINE); /* no deadline: 0 */
	return s->result ? start_error(e, s->result, s->path) : 0;
}

static int exec_task(struct container *c, struct task *t,
	const struct process_conf *p, pid_t *pid, struct err *e)
{
	struct start s = { .c = c, .p = p };
	char *path;
	int ret;

	if (add_files(t, p, &s.tty, e))
		return -e->code;
	ret = find_program(t, p, &path, e);
	if (ret)
		goto put_tty;
	s.path = path;
	ret = start_process(t, &s, e);
	free(path);
	if (ret)
		goto put_tty;
	*pid = s.pid;
	control_lock(&kernel);
	if (!c->init && !p->hook) {
		c->init = tgroup_get(t->tg);
		c->console = s.tty ? tty_get(s.tty) : NULL;
	}
	control_unlock(&kernel);
	/* A resize that came before there was a process to tell. */
	if (s.tty)
		tty_resize(s.tty, 0, 0);
put_tty:
	tty_put(s.tty);
	return ret;
}

int container_exec(struct container *c, const struct process_conf *p,
	pid_t *pid, struct err *e)
{
	struct task *t;
	bool dead;
	int ret;

	tasklist_lock(&tasklist);
	dead = c->pid_ns->dead;
	tasklist_unlock(&tasklist);
	if (dead)
		return err_set(e, ESRCH, "container %s is not running", c->id);
	if (make_task(c, p, &t, e))
		return -e->code;
	ret = exec_task(c, t, p, pid, e);
	task_put(t);
	return ret;
}

/* --- waiting */

/* @pid's process, or the container's init even after it was reaped: reference.
 */
static struct tgroup *find_process(struct container *c, pid_t pid)
{
	struct tgroup *tg = NULL;

	control_lock(&kernel);
	if (c->init && (pid == 0 || pid == c->init->tgid))
		tg = tgroup_get(c->init);
	control_unlock(&kernel);
	return tg ? tg : pid > 0 ? tgroup_lookup(c->pid_ns, pid) : NULL;
}

/* True once it has ended; reaps init. */
static bool take_status(struct tgroup *tg, int *status)
{
	bool ended;

	tasklist_lock(&tasklist);
	ended = !tg->leader || tg->zombie;
	if (ended) {
		*status = tg->exit_status;
		if (!tg->parent)
			tgroup_reap(tg, false);
	}
	tasklist_unlock(&tasklist);
	return ended;
}

/* Did a process from outside end as @pid?  The newest counts. */
static bool recall_status(struct container *c, pid_t pid, int *status)
{
	unsigned i;
	bool found = false;

	tasklist_lock(&tasklist);
	for (i = c->nended; i && c->nended - i < ARRAY_SIZE(c->ended); i--) {
		found = c->ended[(i - 1) % ARRAY_SIZE(c->ended)].pid == pid;
		if (!found)
			continue;
		*status = c->ended[(i - 1) % ARRAY_SIZE(c->ended)].status;
		break;
	}
	tasklist_unlock(&tasklist);
	return found;
}

int container_wait(struct container *c, pid_t pid, int *status, struct err *e)
{
	struct tgroup *tg = find_process(c, pid);
	struct waiter w = { 0 };
	struct park park;

	if (!tg && pid > 0 && recall_status(c, pid, status))
		return 0;
	if (!tg)
		return err_set(e, ESRCH, "process %d not found", pid);
	park_init(&park);
	w.park = &park;
	list_init(&w.link);
	waitq_add(&tg->exit_waitq, &w, 0);
	while (!take_status(tg, status))
		(void)park_wait(&park, NO_DEADLINE); /* no deadline: 0 */
	waitq_remove(&tg->exit_waitq, &w);
	tgroup_put(tg);
	return 0;
}

/* --- limits */

void container_set_pids(struct container *c, unsigned limit)
{
	atomic_store(&c->pids_limit, limit);
}

/* --- signals */

static int signal_all(struct container *c, int sig)
{
	struct task *t;
	int sent = 0;

	for (int tid = 1; (t = task_next(c->pid_ns, tid)); task_put(t)) {
		tid = t->tid + 1;
		if (t != t->tg->leader)
			continue;
		if (sig)
			(void)signal_send_group(t->tg, sig, NULL);
		sent++;
	}
	return sent ? 0 : -ESRCH;
}

static int signal_group(struct container *c, pid_t id, int sig)
{
	struct pgrp *pg;
	int ret;

	if (!id && c->console)
		id = tty_foreground(c->console);
	pg = id > 0 ? pgrp_lookup(c->pid_ns, id) : NULL;
	if (!pg)
		return -ESRCH;
	ret = sig ? signal_send_pgrp(pg, sig, NULL) : 0;
	pgrp_put(pg);
	return ret;
}

static int signal_one(struct container *c, pid_t pid, int sig)
{
	struct tgroup *tg = find_process(c, pid);
	siginfo_t si;
	bool ended;

	if (!tg)
		return -ESRCH;
	tasklist_lock(&tasklist);
	ended = !tg->leader || tg->zombie;
	tasklist_unlock(&tasklist);
	siginfo_user(&si, sig, SI_USER, NULL);
	if (!ended && sig)
		(void)signal_send_group(tg, sig, &si);
	tgroup_put(tg);
	return ended ? -ESRCH : 0;
}

int container_signal(struct container *c, pid_t pid, bool all, bool pgid,
	int sig, struct err *e)
{
	int ret;

	if (sig < 0 || sig > NSIG_GUEST)
		return err_set(e, EINVAL, "bad signal %d", sig);
	if (all)
		ret = signal_all(c, sig);
	else if (pgid)
		ret = signal_group(c, pid, sig);
	else
		ret = signal_one(c, pid, sig);
	return ret ? err_set(e, -ret, "no such process") : 0;
}

/* --- pause */

HOLDS(lc_tasklist)
static bool all_frozen(struct pid_ns *ns)
{
	struct rb_node *n;

	for (n = rb_first(&ns->tasks); n; n = rb_next(n)) {
		struct task *t = container_of(n, struct task, pid_node);

		if (!t->gone && !atomic_load(&t->frozen) &&
			!(atomic_load(&t->work) & TASK_WORK_EXIT))
			return false;
	}
	return true;
}

HOLDS(lc_tasklist)
static void freeze_tasks(struct pid_ns *ns, bool on)
{
	struct rb_node *n;

	ns->frozen = on;
	for (n = rb_first(&ns->tasks); n; n = rb_next(n)) {
		struct task *t = container_of(n, struct task, pid_node);

		if (on) {
			task_kick(t, TASK_WORK_FREEZE);
		} else {
			atomic_fetch_and(&t->work, ~TASK_WORK_FREEZE);
			park_wake(&t->park);
		}
	}
}

int container_pause(struct container *c, struct err *e)
{
	struct pid_ns *ns = c->pid_ns;
	struct waiter w = { 0 };
	struct park park;
	bool frozen;

	control_lock(&kernel);
	if (c->paused || !c->init) {
		control_unlock(&kernel);
		return err_set(e, EINVAL, "container %s is not running", c->id);
	}
	c->paused = true;
	control_unlock(&kernel);
	park_init(&park);
	w.park = &park;
	list_init(&w.link);
	waitq_add(&ns->waitq, &w, 0);
	tasklist_lock(&tasklist);
	freeze_tasks(ns, true);
	do {
		frozen = all_frozen(ns);
		tasklist_unlock(&tasklist);
		if (!frozen)
			(void)park_wait(
				&park, NO_DEADLINE); /* no deadline: 0 */
		tasklist_lock(&tasklist);
	} while (!frozen);
	tasklist_unlock(&tasklist);
	waitq_remove(&ns->waitq, &w);
	return 0;
}

int container_resume(struct container *c, struct err *e)
{
	control_lock(&kernel);
	if (!c->paused) {
		control_unlock(&kernel);
		return err_set(e, EINVAL, "container %s is not paused", c->id);
	}
	c->paused = false;
	control_unlock(&kernel);
	tasklist_lock(&tasklist);
	freeze_tasks(c->pid_ns, false);
	tasklist_unlock(&tasklist);
	return 0;
}

/* --- looking */

int container_resize(struct container *c, pid_t pid, uint16_t rows,
	uint16_t cols, struct err *e)
{
	struct tgroup *tg = find_process(c, pid);
	struct tty *tty = NULL;

	if (!tg)
		return err_set(e, ESRCH, "process %d not found", pid);
	tasklist_lock(&tasklist);
	if (tg->pgrp && tg->pgrp->session->tty)
		tty = tty_get(tg->pgrp->session->tty);
	tasklist_unlock(&tasklist);
	tgroup_put(tg);
	if (!tty)
		return err_set(e, ENOTTY, "process %d has no terminal", pid);
	tty_resize(tty, rows, cols);
	tty_put(tty);
	return 0;
}

static char state_letter(struct tgroup *tg)
{
	static const char letter[] = { [TASK_RUNNING] = 'R',
		[TASK_SLEEPING] = 'S',
		[TASK_DISK] = 'D',
		[TASK_STOPPED] = 'T',
		[TASK_ZOMBIE] = 'Z',
		[TASK_DEAD] = 'X' };

	return tg->zombie ? 'Z' : letter[atomic_load(&tg->leader->state)];
}

/* False: it is no process's leader. */
static bool describe(
	struct task *t, struct process_info *p, struct strbuf *tty, char *comm)
{
	struct tgroup *tg = t->tg;
	struct tty *term = NULL;
	struct cred *c;

	tasklist_lock(&tasklist);
	if (t != tg->leader) {
		tasklist_unlock(&tasklist);
		return false;
	}
	*p = (struct process_info){ .pid = tg->tgid,
		.ppid = atomic_load(&tg->ppid),
		.nthreads = tg->nthreads,
		.start_ns = atomic_load(&tg->start_time) - kernel.boot_time,
		.cpu_ns = tgroup_utime(tg) + tgroup_stime(tg),
		.state = state_letter(tg) };
	if (tg->pgrp && tg->pgrp->session->tty)
		term = tty_get(tg->pgrp->session->tty);
	tasklist_unlock(&tasklist);
	c = task_cred_get(t);
	p->uid = c->euid;
	p->gid = c->egid;
	cred_put(c);
	memcpy(comm, t->comm, sizeof t->comm);
	p->cmd = comm;
	sb_puts(tty, "");
	if (term)
		tty_name(term, tty);
	else
		sb_puts(tty, "?");
	tty_put(term);
	p->tty = tty->p;
	return true;
}

void container_processes(struct container *c,
	void (*fn)(void *arg, const struct process_info *p), void *arg)
{
	char name[64], comm[17] = { 0 };
	struct process_info p;
	struct task *t;

	for (int tid = 1; (t = task_next(c->pid_ns, tid)); task_put(t)) {
		struct strbuf tty = strbuf(name, sizeof name);

		tid = t->tid + 1;
		if (describe(t, &p, &tty, comm))
			fn(arg, &p);
	}
}
