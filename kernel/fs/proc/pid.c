/* pid.c - /proc/PID and /proc/PID/task/TID: the names, and the small files. */
#include <errno.h>
#include <limits.h>
#undef PAGE_SIZE /* musl's; ours is the same */
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/fs/proc/proc.h"
#include "kernel/kernel.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/time/clocks.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/mount.h"

#define ARGS_MAX         (16U << 20)
#define DUMP_FILTER_BITS 0x1ffU

/* --- text from the process's own memory */

/* Appends [start, end) of @mm; stops at a page that is not there. */
static void show_memory(
	struct strbuf *out, struct mm *mm, uint64_t start, uint64_t end)
{
	char buf[1024];
	ssize_t n;

	if (end > start + ARGS_MAX)
		end = start + ARGS_MAX;
	for (; start < end && !out->cut; start += (uint64_t)n) {
		n = mm_peek(mm, start, buf, MIN(end - start, sizeof buf));
		if (n <= 0)
			break;
		proc_bytes(out, buf, (size_t)n);
	}
}

/*
 * The argument strings.  A process that overwrote the last NUL has put a title
 * there, which may go on into its environment: it ends at the first NUL.
 */
static int show_cmdline(struct proc_inode *p, struct strbuf *out)
{
	struct mm *mm = task_mm(p->task);
	uint64_t arg, arg_end, env_end;
	size_t from = out->len;
	char last = 0;

	if (!mm)
		return 0;
	mm_map_read(mm);
	arg = mm->arg_start;
	arg_end = mm->arg_end;
	env_end = mm->env_end;
	mm_map_read_done(mm);
	if (arg_end > arg && mm_peek(mm, arg_end - 1, &last, 1) == 1 && last) {
		env_end = MIN(env_end, arg + 4096);
		arg_end = MAX(arg_end, env_end);
	}
	show_memory(out, mm, arg, arg_end);
	if (last)
		out->len = from + strnlen(out->p + from, out->len - from);
	mm_put(mm);
	return 0;
}

static int show_environ(struct proc_inode *p, struct strbuf *out)
{
	struct mm *mm = task_mm(p->task);
	uint64_t start, end;

	if (!mm)
		return 0;
	mm_map_read(mm);
	start = mm->env_start;
	end = mm->env_end;
	mm_map_read_done(mm);
	show_memory(out, mm, start, end);
	mm_put(mm);
	return 0;
}

static int show_auxv(struct proc_inode *p, struct strbuf *out)
{
	struct mm *mm = task_mm(p->task);
	size_t n = 0;

	if (!mm)
		return 0;
	while (n + 2 < ARRAY_SIZE(mm->auxv) && mm->auxv[n])
		n += 2;
	proc_bytes(out, mm->auxv, (n + 2) * sizeof mm->auxv[0]);
	mm_put(mm);
	return 0;
}

static int show_comm(struct proc_inode *p, struct strbuf *out)
{
	struct task *t = p->task;
	char comm[17] = "";

	sighand_lock(t->tg);
	memcpy(comm, t->comm, 16);
	sighand_unlock(t->tg);
	sb_printf(out, "%s\n", comm);
	return 0;
}

static int store_comm(
	struct proc_inode *p, struct task *t, char *text, UNUSED size_t n)
{
	if (p->task->tg != t->tg)
		return -EINVAL;
	text[MIN(n, (size_t)15)] = 0;
	task_set_comm(p->task, text);
	return 0;
}

/* --- links */

static int link_text(const struct path *to, struct task *t, char **target)
{
	char *buf = malloc(PATH_MAX), *name;
	struct path root;
	int err = 0;

	if (!buf)
		return -ENOMEM;
	proc_root_of(t, &root);
	name = path_name(to, &root, buf, PATH_MAX, &err);
	path_put(&root);
	*target = name ? strdup(name) : NULL;
	free(buf);
	if (!name)
		return err;
	return *target ? 0 : -ENOMEM;
}

static int exe_getlink(
	struct proc_inode *p, UNUSED struct task *t, struct path *out)
{
	struct mm *mm = task_mm(p->task);
	int err = -ENOENT;

	if (!mm)
		return err;
	mm_map_read(mm);
	if (mm->exe && mm->exe->path.dentry) {
		*out = mm->exe->path;
		path_get(out);
		err = 0;
	}
	mm_map_read_done(mm);
	mm_put(mm);
	return err;
}

static int fs_getlink(struct proc_inode *p, struct path *out, bool root)
{
	struct fsctx *fs = task_fsctx(p->task);

	if (!fs)
		return -ENOENT;
	fsctx_lock(fs);
	*out = root ? fs->root : fs->cwd;
	path_get(out);
	fsctx_unlock(fs);
	fsctx_put(fs);
	return 0;
}

static int cwd_getlink(
	struct proc_inode *p, UNUSED struct task *t, struct path *out)
{
	return fs_getlink(p, out, false);
}

static int root_getlink(
	struct proc_inode *p, UNUSED struct task *t, struct path *out)
{
	return fs_getlink(p, out, true);
}

static int place_readlink(struct proc_inode *p, struct task *t, char **target)
{
	struct path to;
	int err = p->node->getlink(p, t, &to);

	if (err)
		return err;
	err = link_text(&to, t, target);
	path_put(&to);
	return err;
}

/* --- mounts */

static int show_mounts_as(
	struct proc_inode *p, struct strbuf *out, enum mounts_format how)
{
	struct task *t = p->task;
	struct mnt_ns *ns;
	struct path root;

	mutex_acquire(&t->res_lock);
	ns = t->mnt_ns ? mnt_ns_get(t->mnt_ns) : NULL;
	mutex_release(&t->res_lock);
	if (!ns)
		return -EINVAL;
	proc_root_of(t, &root);
	mounts_show(ns, &root, how, out);
	path_put(&root);
	mnt_ns_put(ns);
	return 0;
}

static int show_mounts(struct proc_inode *p, struct strbuf *out)
{
	return show_mounts_as(p, out, MOUNTS_MTAB);
}

static int show_mountinfo(struct proc_inode *p, struct strbuf *out)
{
	return show_mounts_as(p, out, MOUNTS_INFO);
}

static int show_mountstats(struct proc_inode *p, struct strbuf *out)
{
	return show_mounts_as(p, out, MOUNTS_STATS);
}

/* --- numbers */

static int show_io(struct proc_inode *p, struct strbuf *out)
{
	struct tgroup *tg = p->task->tg;

	sb_printf(out,
		"rchar: %llu\nwchar: %llu\nsyscr: %llu\nsyscw: %llu\n"
		"read_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n",
		(unsigned long long)tg->io_rchar,
		(unsigned long long)tg->io_wchar,
		(unsigned long long)tg->io_syscr,
		(unsigned long long)tg->io_syscw);
	return 0;
}

static int show_oom_score(struct proc_inode *p, struct strbuf *out)
{
	struct mm *mm = task_mm(p->task);
	int64_t rss = 0, total = (int64_t)(memfile_limit() / 4096), score;

	if (mm) {
		rss = (int64_t)mm_rss(mm);
		mm_put(mm);
	}
	/* Linux: thousandths of memory, scaled so that adj 0 begins at 666. */
	score = total ? rss * 1000 / total : 0;
	score = (1000 + score + p->task->tg->oom_score_adj) * 2 / 3;
	sb_printf(out, "%lld\n", (long long)MAX(score, 0L));
	return 0;
}

static int show_oom_score_adj(struct proc_inode *p, struct strbuf *out)
{
	sb_printf(out, "%d\n", p->task->tg->oom_score_adj);
	return 0;
}

static int store_oom_score_adj(
	struct proc_inode *p, struct task *t, char *text, UNUSED size_t n)
{
	struct tgroup *tg = p->task->tg;
	char *end;
	long v;

	v = strtol(text, &end, 0);
	while (*end == '\n' || *end == ' ')
		end++;
	if (*end || end == text || v < -1000 || v > 1000)
		return -EINVAL;
	if (v < tg->oom_score_adj && !task_capable(t, CAP_SYS_RESOURCE))
		return -EACCES;
	tg->oom_score_adj = (int)v;
	return 0;
}

static int show_oom_adj(struct proc_inode *p, struct strbuf *out)
{
	sb_printf(out, "%d\n", p->task->tg->oom_score_adj * 17 / 1000);
	return 0;
}

static int show_personality(struct proc_inode *p, struct strbuf *out)
{
	sb_printf(out, "%08x\n", p->task->personality);
	return 0;
}

static int show_schedstat(struct proc_inode *p, struct strbuf *out)
{
	int64_t user, sys;

	task_cputime(p->task, &user, &sys);
	sb_printf(out, "%lld 0 %llu\n", (long long)(user + sys),
		(unsigned long long)p->task->nvcsw);
	return 0;
}

static int show_sched(struct proc_inode *p, struct strbuf *out)
{
	struct task *t = p->task;
	char comm[17] = "";
	int64_t user, sys;

	sighand_lock(t->tg);
	memcpy(comm, t->comm, 16);
	sighand_unlock(t->tg);
	task_cputime(t, &user, &sys);
	sb_printf(out,
		"%s (%d, #threads: %d)\n"
		"---------------------------------------------------------\n",
		comm, t->tid, MAX(t->tg->nthreads, 1));
	sb_printf(out,
		"se.sum_exec_runtime                          :"
		"    %14lld.%06lld\n",
		(long long)(user + sys) / 1000000,
		(long long)(user + sys) % 1000000);
	sb_printf(out,
		"nr_switches                                  :"
		"    %21llu\n",
		(unsigned long long)(t->nvcsw + t->nivcsw));
	sb_printf(out,
		"policy                                       :"
		"    %21d\nprio                                         :"
		"    %21d\n",
		t->sched.policy, 120 + t->sched.nice);
	return 0;
}

static int show_children(struct proc_inode *p, struct strbuf *out)
{
	struct tgroup *c;

	tasklist_lock(&tasklist);
	list_for_each (c, &p->task->tg->children, sibling)
		if (c->parent_tid == p->task->tid || !c->parent_tid)
			sb_printf(out, "%d ", c->tgid);
	tasklist_unlock(&tasklist);
	return 0;
}

static int show_cgroup(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "0::/\n");
	return 0;
}

static int show_cpuset(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "/\n");
	return 0;
}

static int show_id_map(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_printf(out, "%10u %10u %10u\n", 0, 0, UINT32_MAX);
	return 0;
}

static int show_setgroups(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "allow\n");
	return 0;
}

/* The one user namespace has its maps already. */
static int store_refused(UNUSED struct proc_inode *p, UNUSED struct task *t,
	UNUSED char *text, UNUSED size_t n)
{
	return -EPERM;
}

static int show_no_id(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_printf(out, "%u", UINT32_MAX);
	return 0;
}

static int show_wchan(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "0");
	return 0;
}

static int show_coredump_filter(struct proc_inode *p, struct strbuf *out)
{
	struct mm *mm = task_mm(p->task);

	if (mm)
		sb_printf(out, "%08x\n", atomic_load(&mm->dump_filter));
	mm_put(mm);
	return 0;
}

static int store_coredump_filter(
	struct proc_inode *p, UNUSED struct task *t, char *text, size_t n)
{
	struct mm *mm;
	char *end;
	unsigned long v;

	if (n && text[n - 1] == '\n')
		text[--n] = 0;
	v = strtoul(text, &end, 0);
	if (!(*text >= '0' && *text <= '9') || end != text + n)
		return -EINVAL;
	if (v > UINT32_MAX)
		return -ERANGE;
	mm = task_mm(p->task);
	if (!mm)
		return -ESRCH;
	atomic_store(&mm->dump_filter, (unsigned)v & DUMP_FILTER_BITS);
	mm_put(mm);
	return 0;
}

static int show_timens(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "monotonic           0         0\n"
		     "boottime            0         0\n");
	return 0;
}

static int show_timerslack(struct proc_inode *p, struct strbuf *out)
{
	struct task *t = p->task;

	if (t != current && !task_capable(current, CAP_SYS_NICE))
		return -EPERM;
	sb_printf(out, "%llu\n", (unsigned long long)t->sched.slack);
	return 0;
}

static int store_timerslack(
	struct proc_inode *p, struct task *t, char *text, UNUSED size_t n)
{
	unsigned long long ns;
	char *end;

	if (p->task != t && !task_capable(t, CAP_SYS_NICE))
		return -EPERM;
	errno = 0;
	ns = strtoull(text, &end, 0);
	while (*end == '\n')
		end++;
	if (*end || end == text || *text == '-' || errno)
		return -EINVAL;
	sched_set_slack(p->task, ns);
	return 0;
}

/* The call that the task is in: its number, arguments, stack and place. */
static int show_syscall(struct proc_inode *p, struct strbuf *out)
{
	struct task *t = p->task;
	const uint64_t *a = t->call_args;

	if (t != current && atomic_load(&t->state) == TASK_RUNNING) {
		sb_puts(out, "running\n");
		return 0;
	}
	sb_printf(out, "%ld", t->call_nr);
	for (int i = 0; i < 6 && t->call_nr >= 0; i++)
		sb_printf(out, " 0x%llx", (unsigned long long)a[i]);
	sb_printf(out, " 0x%llx 0x%llx\n", (unsigned long long)t->regs.rsp,
		(unsigned long long)t->regs.rip);
	return 0;
}

/* No security module is there to say anything. */
static int show_attr(UNUSED struct proc_inode *p, UNUSED struct strbuf *out)
{
	return -EINVAL;
}

static int store_attr(UNUSED struct proc_inode *p, UNUSED struct task *t,
	UNUSED char *text, UNUSED size_t n)
{
	return -EINVAL;
}

/* --- task/ */

static int task_dir_lookup(struct proc_inode *dir, const char *name, size_t len,
	struct inode **out)
{
	int64_t tid = proc_number(name, len);
	struct task *t;
	int err;

	if (tid <= 0)
		return -ENOENT;
	t = task_lookup(dir->ns, (int)tid);
	if (!t)
		return -ENOENT;
	err = t->tg == dir->task->tg
		      ? proc_inode_new(dir, &proc_tid_node, t, 0, out)
		      : -ENOENT;
	task_put(t);
	return err;
}

static void task_dir_list(
	struct proc_inode *dir, struct dirsink *to, int64_t *pos)
{
	char name[16];
	struct task *t;
	bool room = true;

	while (room && *pos <= INT32_MAX) {
		t = task_next(dir->ns, (int)*pos);
		if (!t)
			break;
		if (t->tg == dir->task->tg) {
			snprintf(name, sizeof name, "%d", t->tid);
			room = proc_emit(
				dir, to, name, S_IFDIR >> 12, t->tid + 1);
		}
		if (room)
			*pos = (int64_t)t->tid + 1;
		task_put(t);
	}
}

/* --- the tables */

#define TEXT(n, m, fn)                                       \
	{                                                    \
		.name = n, .mode = S_IFREG | (m), .show = fn \
	}
#define MOUNTS(n, fn)                                                         \
	{                                                                     \
		.name = n, .mode = S_IFREG | 0444, .show = fn, .mounts = true \
	}
#define SECRET(n, m, fn)                                                     \
	{                                                                    \
		.name = n, .mode = S_IFREG | (m), .show = fn, .ptrace = true \
	}
#define LINK(n, fn)                                                            \
	{                                                                      \
		.name = n, .mode = S_IFLNK | 0777, .readlink = place_readlink, \
		.getlink = fn, .ptrace = true                                  \
	}

#define ATTR(n)                                                       \
	{                                                             \
		.name = n, .mode = S_IFREG | 0666, .show = show_attr, \
		.store = store_attr                                   \
	}

static const struct proc_node attr_dir[] = {
	ATTR("current"),
	ATTR("exec"),
	ATTR("fscreate"),
	ATTR("keycreate"),
	{ .name = "prev", .mode = S_IFREG | 0444, .show = show_attr },
	ATTR("sockcreate"),
	{ .name = NULL },
};

#define COMMON                                                               \
	PROC_DIR("attr", attr_dir), SECRET("auxv", 0400, show_auxv),         \
		TEXT("cgroup", 0444, show_cgroup),                           \
		TEXT("cmdline", 0444, show_cmdline),                         \
		{ .name = "comm",                                            \
			.mode = S_IFREG | 0644,                              \
			.show = show_comm,                                   \
			.store = store_comm },                               \
		TEXT("cpuset", 0444, show_cpuset), LINK("cwd", cwd_getlink), \
		SECRET("environ", 0400, show_environ),                       \
		LINK("exe", exe_getlink),                                    \
		{ .name = "gid_map",                                         \
			.mode = S_IFREG | 0644,                              \
			.show = show_id_map,                                 \
			.store = store_refused },                            \
		SECRET("io", 0400, show_io),                                 \
		TEXT("limits", 0444, proc_show_limits),                      \
		{ .name = "loginuid",                                        \
			.mode = S_IFREG | 0644,                              \
			.show = show_no_id,                                  \
			.store = store_refused },                            \
		SECRET("maps", 0444, proc_show_maps),                        \
		{ .name = "mem",                                             \
			.mode = S_IFREG | 0600,                              \
			.open = proc_open_mem,                               \
			.ptrace = true },                                    \
		MOUNTS("mountinfo", show_mountinfo),                         \
		MOUNTS("mounts", show_mounts),                               \
		TEXT("oom_adj", 0444, show_oom_adj),                         \
		TEXT("oom_score", 0444, show_oom_score),                     \
		{ .name = "oom_score_adj",                                   \
			.mode = S_IFREG | 0644,                              \
			.show = show_oom_score_adj,                          \
			.store = store_oom_score_adj },                      \
		{ .name = "pagemap",                                         \
			.mode = S_IFREG | 0400,                              \
			.open = proc_open_pagemap,                           \
			.ptrace = true },                                    \
		SECRET("personality", 0400, show_personality),               \
		{ .name = "projid_map",                                      \
			.mode = S_IFREG | 0644,                              \
			.show = show_id_map,                                 \
			.store = store_refused },                            \
		LINK("root", root_getlink), TEXT("sched", 0444, show_sched), \
		TEXT("schedstat", 0444, show_schedstat),                     \
		TEXT("sessionid", 0444, show_no_id),                         \
		{ .name = "setgroups",                                       \
			.mode = S_IFREG | 0644,                              \
			.show = show_setgroups,                              \
			.store = store_refused },                            \
		SECRET("smaps", 0444, proc_show_smaps),                      \
		SECRET("smaps_rollup", 0444, proc_show_rollup),              \
		TEXT("stat", 0444, proc_show_stat),                          \
		TEXT("statm", 0444, proc_show_statm),                        \
		TEXT("status", 0444, proc_show_status),                      \
		SECRET("syscall", 0400, show_syscall),                       \
		{ .name = "uid_map",                                         \
			.mode = S_IFREG | 0644,                              \
			.show = show_id_map,                                 \
			.store = store_refused },                            \
		TEXT("wchan", 0444, show_wchan),                             \
		{ .name = "fd",                                              \
			.mode = S_IFDIR | 0500,                              \
			.lookup = proc_fd_lookup,                            \
			.list = proc_fd_list,                                \
			.ptrace = true },                                    \
		{ .name = "fdinfo",                                          \
			.mode = S_IFDIR | 0555,                              \
			.lookup = proc_fdinfo_lookup,                        \
			.list = proc_fd_list,                                \
			.ptrace = true },                                    \
		{ .name = "ns",                                              \
			.mode = S_IFDIR | 0511,                              \
			.children = proc_ns,                                 \
			.ptrace = true },                                    \
		PROC_DIR("net", proc_net)

static const struct proc_node pid_files[] = {
	COMMON,
	{ .name = "coredump_filter",
		.mode = S_IFREG | 0644,
		.show = show_coredump_filter,
		.store = store_coredump_filter },
	TEXT("mountstats", 0400, show_mountstats),
	TEXT("timens_offsets", 0644, show_timens),
	{ .name = "timerslack_ns",
		.mode = S_IFREG | 0666,
		.show = show_timerslack,
		.store = store_timerslack },
	{ .name = "task",
		.mode = S_IFDIR | 0555,
		.lookup = task_dir_lookup,
		.list = task_dir_list },
	{ .name = NULL },
};

static const struct proc_node tid_files[] = {
	COMMON,
	TEXT("children", 0444, show_children),
	PROC_DEBUG_TASK,
	{ .name = NULL },
};

const struct proc_node proc_pid_node = PROC_DIR("pid", pid_files);
const struct proc_node proc_tid_node = PROC_DIR("tid", tid_files);
