/*
 * kernel.c - the root object: start of the sandbox's kernel, and what it does
 * now.
 */
#include "kernel/kernel.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/str.h"
#include "kernel/loader/loader.h"
#include "kernel/mm/mm.h"
#include "kernel/socket/unix.h"
#include "kernel/syscall/strace.h"
#include "kernel/syscall/syscall.h"
#include "kernel/task/cred.h"
#include "kernel/task/futex.h"
#include "kernel/task/task.h"
#include "kernel/vfs/mount.h"
#include "platform/phys.h"

struct kernel kernel;

static int init_memory(const struct kernel_conf *conf, struct err *e)
{
	int ret;

	/* A filtered process has made it before its filter. */
	if (!phys_base) {
		ret = phys_init(conf->mem_reserve, conf->mem_reserve, e);
		if (ret)
			return ret;
		phys_catch_bus();
	}
	ret = memfile_init(conf->memory);
	if (ret)
		return err_set(e, -ret, "memory file: %s", strerror(-ret));
	return 0;
}

LOCKS_UNCHECKED /* single-threaded */
	int
	kernel_init(const struct kernel_conf *conf, struct err *e)
{
	int ret;

	kernel.conf = *conf;
	kernel.conf.release = xstrdup(conf->release ? conf->release : "6.1.0");
	kernel.conf.strace_syscalls =
		conf->strace_syscalls ? xstrdup(conf->strace_syscalls) : NULL;
	kernel.conf.override_procs =
		conf->override_procs ? xstrdup(conf->override_procs) : NULL;
	mutex_init(&kernel.control_lock, &lc_control);
	mutex_init(&tasklist.lock, &lc_tasklist);
	list_init(&kernel.containers);
	kernel.boot_time = mono_now();
	if (getrandom(kernel.boot_id, sizeof kernel.boot_id, 0) !=
		sizeof kernel.boot_id)
		return err_set(e, errno, "getrandom: %s", strerror(errno));
	task_block_init();
	users_init();
	futex_init();
	unix_init();
	vfs_init();
	ret = init_memory(conf, e);
	if (ret)
		return ret;
	ret = vdso_init();
	if (ret)
		return err_set(e, -ret, "vDSO: %s", strerror(-ret));
	return strace_set(
		conf->strace, conf->strace_syscalls, conf->strace_size, e);
}

void kernel_set_memory(uint64_t bytes)
{
	memfile_set_limit(bytes);
}

void kernel_set_strace(bool on, const char *syscalls)
{
	struct err e;

	if (strace_set(on, syscalls, kernel.conf.strace_size, &e))
		log_warn("strace: %s", e.msg);
}

/* --- debug --stacks */

static const char *state_name(struct task *t)
{
	static const char *const name[] = {
		[TASK_RUNNING] = "running",
		[TASK_SLEEPING] = "sleeping",
		[TASK_DISK] = "waiting",
		[TASK_STOPPED] = "stopped",
		[TASK_ZOMBIE] = "zombie",
		[TASK_DEAD] = "dead",
	};

	if (atomic_load(&t->frozen))
		return "frozen";
	if (atomic_load(&t->in_guest))
		return "in guest code";
	return name[atomic_load(&t->state)];
}

static void show_call(struct task *t, struct strbuf *out)
{
	long nr = t->call_nr;
	const struct syscall *s =
		nr < 0 ? NULL : syscall_find((unsigned long)nr);
	const uint64_t *a = t->call_args;

	if (nr < 0)
		return;
	if (s)
		sb_printf(out, ", in %s(", s->name);
	else
		sb_printf(out, ", in call %ld(", nr);
	for (size_t i = 0; i < (s ? strlen(s->fmt) : 6); i++)
		sb_printf(out, "%s%#lx", i ? ", " : "", (long)a[i]);
	sb_putc(out, ')');
}

/* The fields may change while we look: this is for a person, of a hung sandbox
 * too. */
static void show_task(struct task *t, struct strbuf *out)
{
	const char *what = atomic_load(&t->wait_what);
	const void *on = atomic_load(&t->wait_on);

	sb_printf(out, "[%4d:%4d] %.15s: %s", t->tg->tgid, t->tid, t->comm,
		state_name(t));
	show_call(t, out);
	if (what)
		sb_printf(out, ", waits for %s", what);
	if (what && on)
		sb_printf(out, " %p", on);
	if (atomic_load(&t->work))
		sb_printf(out, ", work %#x", atomic_load(&t->work));
	sb_printf(out, ", rip %#lx\n", (long)t->regs.rip);
}

LOCKS_UNCHECKED /* containers are only ever added; a hung one may hold the lock
		 */
	void
	kernel_stacks(struct strbuf *out)
{
	struct container *c;
	struct task *t;

	list_for_each (c, &kernel.containers, link) {
		sb_printf(out, "container %s:\n", c->id);
		for (int tid = 0; (t = task_next(c->pid_ns, tid));) {
			tid = t->tid + 1;
			show_task(t, out);
			task_put(t);
		}
	}
}
