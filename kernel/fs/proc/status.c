/* status.c - /proc/PID/{stat,statm,status,limits}: numbers about a process. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/clock.h"
#include "kernel/fs/proc/proc.h"
#include "kernel/fs/tty.h"
#include "kernel/kernel.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/task/signal.h"
#include "kernel/task/task.h"
#include "kernel/time/clocks.h"
#include "kernel/vfs/fdtable.h"

#define TICK_NS    (NSEC_PER_SEC / 100)
#define PAGE_KB(n) ((unsigned long long)(n)*4)

/* What hangs on lc_tasklist and lc_sighand, copied out at once. */
struct ids {
	int pid, tgid, ppid, pgrp, session, tpgid, nthreads;
	uint64_t tty_nr;
	int exit_signal, exit_code;
	ksigset_t pending, shared, blocked, ignored, caught;
	char comm[16];
	char state;
};

static char state_letter(struct task *t)
{
	switch (atomic_load(&t->state)) {
	case TASK_RUNNING:
		return 'R';
	case TASK_SLEEPING:
		return 'S';
	case TASK_DISK:
		return 'D';
	case TASK_STOPPED:
		return 'T';
	case TASK_ZOMBIE:
		return 'Z';
	case TASK_DEAD:
		break;
	}
	return 'X';
}

/* Signals that have a handler, and those that are ignored. */
HOLDS(lc_sighand)
static void ids_actions(struct tgroup *tg, struct ids *o)
{
	for (int sig = 1; sig <= NSIG_GUEST && tg->sighand; sig++) {
		struct sigaction_k a = sighand_action(tg->sighand, sig);

		if (a.handler == (uint64_t)(uintptr_t)SIG_IGN)
			o->ignored |= SIGBIT(sig);
		else if (a.handler != (uint64_t)(uintptr_t)SIG_DFL)
			o->caught |= SIGBIT(sig);
	}
}

static void ids_read(struct task *t, struct ids *o)
{
	struct tgroup *tg = t->tg;
	struct tty *tty = NULL;

	*o = (struct ids){ .pid = t->tid, .tgid = tg->tgid, .tpgid = -1 };
	o->state = state_letter(t);
	tasklist_lock(&tasklist);
	o->ppid = tg->parent ? tg->parent->tgid : 0;
	if (tg->pgrp) {
		o->pgrp = tg->pgrp->id;
		o->session = tg->pgrp->session->id;
		if (tg->pgrp->session->tty)
			tty = tty_get(tg->pgrp->session->tty);
	}
	o->exit_signal = tg->exit_signal;
	sighand_lock(tg);
	o->nthreads = MAX(tg->nthreads, 1);
	o->pending = t->pending.set;
	o->shared = tg->shared.set;
	o->blocked = t->blocked;
	o->exit_code = tg->exit_status;
	memcpy(o->comm, t->comm, sizeof o->comm);
	ids_actions(tg, o);
	sighand_unlock(tg);
	tasklist_unlock(&tasklist);
	if (tty) {
		o->tty_nr = tty_dev(tty);
		o->tpgid = tty_foreground(tty);
		tty_put(tty);
	}
	o->comm[15] = 0;
}

/* Address space numbers, in pages and bytes; zeros for one that has ended. */
struct sizes {
	uint64_t total, locked, data, stack, exec, shared, rss, hwm;
	uint64_t code_start, code_end, data_start, data_end, brk, stack_top;
	uint64_t arg_start, arg_end, env_start, env_end, tables;
	bool have;
};

static void sizes_read(struct task *t, struct sizes *s)
{
	struct mm *mm = task_mm(t);

	memset(s, 0, sizeof *s);
	if (!mm)
		return;
	mm_map_read(mm);
	*s = (struct sizes){ .have = true,
		.total = mm->total_pages,
		.locked = mm->locked_pages,
		.data = mm->data_pages,
		.stack = mm->stack_pages,
		.exec = mm->exec_pages,
		.shared = mm->shared_pages,
		.code_start = mm->code_start,
		.code_end = mm->code_end,
		.data_start = mm->data_start,
		.data_end = mm->data_end,
		.brk = mm->brk_start,
		.stack_top = mm->stack_top,
		.arg_start = mm->arg_start,
		.arg_end = mm->arg_end,
		.env_start = mm->env_start,
		.env_end = mm->env_end };
	mm_map_read_done(mm);
	s->rss = mm_rss(mm);
	s->hwm = MAX(mm_peak_rss(mm), s->rss);
	mm_put(mm);
}

static unsigned long long ticks(int64_t ns)
{
	return ns > 0 ? (unsigned long long)(ns / TICK_NS) : 0;
}

int proc_show_stat(struct proc_inode *p, struct strbuf *out)
{
	struct task *t = p->task;
	struct tgroup *tg = t->tg;
	bool may = proc_may_look(p) == 0;
	int64_t user, sys;
	struct sizes s;
	struct ids o;

	ids_read(t, &o);
	sizes_read(t, &s);
	if (p->group)
		tgroup_cputime(tg, &user, &sys);
	else
		task_cputime(t, &user, &sys);
	if (!may)
		s.code_start = s.code_end = s.stack_top = s.data_start =
			s.data_end = s.brk = s.arg_start = s.arg_end =
				s.env_start = s.env_end = 0;
	sb_printf(out,
		"%d (%s) %c %d %d %d %llu %d 4194304 %llu %llu %llu 0 "
		"%llu %llu %llu %llu %d %d %d 0 %llu ",
		o.pid, o.comm, o.state, o.ppid, o.pgrp, o.session,
		(unsigned long long)o.tty_nr, o.tpgid,
		(unsigned long long)tg->minflt,
		(unsigned long long)tg->child_minflt,
		(unsigned long long)tg->majflt, ticks(user), ticks(sys),
		ticks(tg->child_utime), ticks(tg->child_stime),
		20 + t->sched.nice, t->sched.nice, o.nthreads,
		ticks(t->start_time - kernel.boot_time));
	sb_printf(out,
		"%llu %llu %llu %llu %llu %llu 0 0 %llu %llu %llu %llu "
		"0 0 0 %d 0 %d %d 0 0 0 ",
		(unsigned long long)s.total * 4096, (unsigned long long)s.rss,
		(unsigned long long)task_rlimit(t, RLIMIT_RSS),
		(unsigned long long)s.code_start,
		(unsigned long long)s.code_end, (unsigned long long)s.stack_top,
		(unsigned long long)(o.pending & 0x7fffffff),
		(unsigned long long)(o.blocked & 0x7fffffff),
		(unsigned long long)(o.ignored & 0x7fffffff),
		(unsigned long long)(o.caught & 0x7fffffff), o.exit_signal,
		t->sched.prio, t->sched.policy);
	sb_printf(out, "%llu %llu %llu %llu %llu %llu %llu %d\n",
		(unsigned long long)s.data_start,
		(unsigned long long)s.data_end, (unsigned long long)s.brk,
		(unsigned long long)s.arg_start, (unsigned long long)s.arg_end,
		(unsigned long long)s.env_start, (unsigned long long)s.env_end,
		may ? o.exit_code : 0);
	return 0;
}

int proc_show_statm(struct proc_inode *p, struct strbuf *out)
{
	struct sizes s;

	sizes_read(p->task, &s);
	sb_printf(out, "%llu %llu %llu %llu 0 %llu 0\n",
		(unsigned long long)s.total, (unsigned long long)s.rss,
		(unsigned long long)MIN(s.shared, s.rss),
		(unsigned long long)s.exec,
		(unsigned long long)(s.data + s.stack));
	return 0;
}

static const char *state_name(char c)
{
	switch (c) {
	case 'R':
		return "R (running)";
	case 'S':
		return "S (sleeping)";
	case 'D':
		return "D (disk sleep)";
	case 'T':
		return "T (stopped)";
	case 'Z':
		return "Z (zombie)";
	}
	return "X (dead)";
}

/* A name in status and comm: newlines and backslashes escaped. */
static void show_name(struct strbuf *out, const char *comm)
{
	for (; *comm; comm++) {
		if (*comm == '\n')
			sb_puts(out, "\\n");
		else if (*comm == '\\')
			sb_puts(out, "\\\\");
		else
			sb_putc(out, *comm);
	}
}

static void status_ids(
	struct proc_inode *p, const struct ids *o, struct strbuf *out)
{
	struct cred *c = task_cred_get(p->task);
	struct fdtable *fdt = task_fdtable(p->task);
	struct fsctx *fs = task_fsctx(p->task);
	unsigned umask = 022;

	if (fs) {
		fsctx_lock(fs);
		umask = fs->umask;
		fsctx_unlock(fs);
		fsctx_put(fs);
	}
	sb_puts(out, "Name:\t");
	show_name(out, o->comm);
	if (fs)
		sb_printf(out, "\nUmask:\t%04o", umask);
	sb_printf(out,
		"\nState:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\n"
		"PPid:\t%d\nTracerPid:\t0\n",
		state_name(o->state), o->tgid, o->pid, o->ppid);
	sb_printf(out, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n", c->uid,
		c->euid, c->suid, c->fsuid, c->gid, c->egid, c->sgid, c->fsgid);
	sb_printf(out, "FDSize:\t%d\nGroups:\t", fdt ? fdtable_size(fdt) : 0);
	for (uint32_t i = 0; i < c->ngroups; i++)
		sb_printf(out, "%u ", c->groups[i]);
	sb_printf(out,
		"\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n"
		"Kthread:\t0\n",
		o->tgid, o->pid, o->pgrp, o->session);
	fdtable_put(fdt);
	cred_put(c);
}

static void status_memory(struct task *t, struct strbuf *out)
{
	struct mm_resident r = { 0 };
	struct mm *mm = task_mm(t);
	struct sizes s;

	sizes_read(t, &s);
	if (mm)
		r = mm_resident(mm);
	mm_put(mm);
	if (!s.have)
		return;
	s.rss = r.anon + r.file + r.shmem; /* they are to add up */
	sb_printf(out,
		"VmPeak:\t%8llu kB\nVmSize:\t%8llu kB\nVmLck:\t%8llu kB\n"
		"VmPin:\t%8u kB\nVmHWM:\t%8llu kB\nVmRSS:\t%8llu kB\n"
		"RssAnon:\t%8llu kB\nRssFile:\t%8llu kB\nRssShmem:\t%8llu kB\n",
		PAGE_KB(s.total), PAGE_KB(s.total), PAGE_KB(s.locked), 0,
		PAGE_KB(MAX(s.hwm, s.rss)), PAGE_KB(s.rss), PAGE_KB(r.anon),
		PAGE_KB(r.file), PAGE_KB(r.shmem));
	sb_printf(out,
		"VmData:\t%8llu kB\nVmStk:\t%8llu kB\nVmExe:\t%8llu kB\n"
		"VmLib:\t%8llu kB\nVmPTE:\t%8llu kB\nVmSwap:\t%8u kB\n"
		"HugetlbPages:\t%8u kB\nCoreDumping:\t0\nTHP_enabled:\t1\n"
		"untag_mask:\t0xffffffffffffffff\n",
		PAGE_KB(s.data), PAGE_KB(s.stack),
		(unsigned long long)((s.code_end - s.code_start) / 1024),
		PAGE_KB(s.exec) - MIN(PAGE_KB(s.exec),
					  (unsigned long long)(s.code_end -
							       s.code_start) /
						  1024),
		PAGE_KB(s.rss / 512 + 4), 0, 0);
}

static void show_cpu_mask(struct task *t, struct strbuf *out)
{
	unsigned n = (unsigned)proc_ncpu();
	bool first = true;

	sb_puts(out, "Cpus_allowed:\t");
	if (n > 64)
		sb_printf(out, "%08llx,%08llx,",
			(unsigned long long)(t->sched.cpu_mask[1] >> 32),
			(unsigned long long)(t->sched.cpu_mask[1] &
					     0xffffffff));
	if (n > 32)
		sb_printf(out, "%08llx,",
			(unsigned long long)(t->sched.cpu_mask[0] >> 32));
	sb_printf(out, n > 32 ? "%08llx" : "%llx",
		(unsigned long long)(t->sched.cpu_mask[0] & 0xffffffff));
	sb_puts(out, "\nCpus_allowed_list:\t");
	for (unsigned i = 0, j; i < n && i < 128; i = j + 1) {
		for (j = i; j < n && j < 128 &&
			    t->sched.cpu_mask[j / 64] >> (j % 64) & 1;
			j++)
			;
		if (j == i)
			continue;
		sb_printf(out, "%s%u", first ? "" : ",", i);
		if (j - 1 > i)
			sb_printf(out, "-%u", j - 1);
		first = false;
	}
	sb_puts(out, "\n");
}

static void status_signals(
	struct task *t, const struct ids *o, struct strbuf *out)
{
	sb_printf(out, "Threads:\t%d\nSigQ:\t0/%llu\n", o->nthreads,
		(unsigned long long)task_rlimit(t, RLIMIT_SIGPENDING));
	sb_printf(out,
		"SigPnd:\t%016llx\nShdPnd:\t%016llx\nSigBlk:\t%016llx\n"
		"SigIgn:\t%016llx\nSigCgt:\t%016llx\n",
		(unsigned long long)o->pending, (unsigned long long)o->shared,
		(unsigned long long)o->blocked, (unsigned long long)o->ignored,
		(unsigned long long)o->caught);
}

static void status_caps(struct task *t, struct strbuf *out)
{
	struct cred *c = task_cred_get(t);

	sb_printf(out,
		"CapInh:\t%016llx\nCapPrm:\t%016llx\nCapEff:\t%016llx\n"
		"CapBnd:\t%016llx\nCapAmb:\t%016llx\nNoNewPrivs:\t%d\n",
		(unsigned long long)c->inheritable,
		(unsigned long long)c->permitted,
		(unsigned long long)c->effective,
		(unsigned long long)c->bounding, (unsigned long long)c->ambient,
		c->no_new_privs);
	cred_put(c);
}

int proc_show_status(struct proc_inode *p, struct strbuf *out)
{
	struct task *t = p->task;
	struct ids o;

	ids_read(t, &o);
	status_ids(p, &o, out);
	status_memory(t, out);
	status_signals(t, &o, out);
	status_caps(t, out);
	sb_puts(out, "Seccomp:\t0\nSeccomp_filters:\t0\n"
		     "Speculation_Store_Bypass:\tvulnerable\n"
		     "SpeculationIndirectBranch:\tunknown\n");
	show_cpu_mask(t, out);
	sb_printf(out,
		"Mems_allowed:\t1\nMems_allowed_list:\t0\n"
		"voluntary_ctxt_switches:\t%llu\n"
		"nonvoluntary_ctxt_switches:\t%llu\n",
		(unsigned long long)t->nvcsw, (unsigned long long)t->nivcsw);
	return 0;
}

static const struct limit {
	int resource;
	const char *name, *unit;
} limits[] = {
	{ RLIMIT_CPU, "Max cpu time", "seconds" },
	{ RLIMIT_FSIZE, "Max file size", "bytes" },
	{ RLIMIT_DATA, "Max data size", "bytes" },
	{ RLIMIT_STACK, "Max stack size", "bytes" },
	{ RLIMIT_CORE, "Max core file size", "bytes" },
	{ RLIMIT_RSS, "Max resident set", "bytes" },
	{ RLIMIT_NPROC, "Max processes", "processes" },
	{ RLIMIT_NOFILE, "Max open files", "files" },
	{ RLIMIT_MEMLOCK, "Max locked memory", "bytes" },
	{ RLIMIT_AS, "Max address space", "bytes" },
	{ RLIMIT_LOCKS, "Max file locks", "locks" },
	{ RLIMIT_SIGPENDING, "Max pending signals", "signals" },
	{ RLIMIT_MSGQUEUE, "Max msgqueue size", "bytes" },
	{ RLIMIT_NICE, "Max nice priority", "" },
	{ RLIMIT_RTPRIO, "Max realtime priority", "" },
	{ RLIMIT_RTTIME, "Max realtime timeout", "us" },
};

static void show_limit(struct strbuf *out, uint64_t v)
{
	if (v == UINT64_MAX)
		sb_printf(out, "%-20s ", "unlimited");
	else
		sb_printf(out, "%-20llu ", (unsigned long long)v);
}

int proc_show_limits(struct proc_inode *p, struct strbuf *out)
{
	struct tgroup *tg = p->task->tg;
	struct rlim rl[RLIM_GUEST];

	sighand_lock(tg);
	memcpy(rl, tg->rlim, sizeof rl);
	sighand_unlock(tg);
	sb_printf(out, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit",
		"Hard Limit", "Units");
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		const struct limit *l = &limits[i];

		sb_printf(out, "%-25s ", l->name);
		show_limit(out, rl[l->resource].cur);
		show_limit(out, rl[l->resource].max);
		if (*l->unit)
			sb_printf(out, "%-10s", l->unit);
		sb_puts(out, "\n");
	}
	return 0;
}
