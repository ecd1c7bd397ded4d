/* prctl.c - prctl(2): odds and ends of a process's own settings. */
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/task/internal.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#ifndef PR_SET_VMA_ANON_NAME
#define PR_SET_VMA_ANON_NAME 0
#endif
#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#define PR_GET_IO_FLUSHER 58
#endif
#ifndef PR_GET_TAGGED_ADDR_CTRL
#define PR_GET_TAGGED_ADDR_CTRL 56
#endif
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif
#ifndef PR_GET_AUXV
#define PR_GET_AUXV 0x41555856
#endif

/* --- capabilities and securebits */

static long set_securebits(struct task *t, uint64_t bits)
{
	const struct cred *old = task_cred(t);
	unsigned was = old->securebits;
	struct cred *c;

	/* A locked bit stays, a lock stays, and nothing unknown is set. */
	if ((((was & SECURE_ALL_LOCKS) >> 1) & (was ^ bits)) ||
		(was & SECURE_ALL_LOCKS & ~bits) ||
		(bits & ~(uint64_t)(SECURE_ALL_LOCKS | SECURE_ALL_BITS)) ||
		!cred_capable(old, CAP_SETPCAP))
		return -EPERM;
	c = cred_copy(old, -1);
	if (!c)
		return -ENOMEM;
	c->securebits = (unsigned)bits;
	c->keep_caps = bits & SECBIT_KEEP_CAPS;
	cred_commit(t, c);
	return 0;
}

static long set_keep_caps(struct task *t, uint64_t on)
{
	struct cred *c;

	if (on > 1)
		return -EINVAL;
	if (task_cred(t)->securebits & SECBIT_KEEP_CAPS_LOCKED)
		return -EPERM;
	c = cred_copy(task_cred(t), -1);
	if (!c)
		return -ENOMEM;
	c->keep_caps = on;
	if (on)
		c->securebits |= SECBIT_KEEP_CAPS;
	else
		c->securebits &= ~(unsigned)SECBIT_KEEP_CAPS;
	cred_commit(t, c);
	return 0;
}

static long drop_bounding(struct task *t, uint64_t cap)
{
	struct cred *c;

	if (!task_capable(t, CAP_SETPCAP))
		return -EPERM;
	if (cap > CAP_LAST)
		return -EINVAL;
	c = cred_copy(task_cred(t), -1);
	if (!c)
		return -ENOMEM;
	c->bounding &= ~(1ULL << cap);
	cred_commit(t, c);
	return 0;
}

static long change_ambient(struct task *t, uint64_t op, uint64_t cap)
{
	const struct cred *old = task_cred(t);
	uint64_t bit = 1ULL << (cap & 63);
	struct cred *c;

	if (op == PR_CAP_AMBIENT_RAISE &&
		(!(old->permitted & bit) || !(old->inheritable & bit) ||
			(old->securebits & SECBIT_NO_CAP_AMBIENT_RAISE)))
		return -EPERM;
	c = cred_copy(old, -1);
	if (!c)
		return -ENOMEM;
	if (op == PR_CAP_AMBIENT_CLEAR_ALL)
		c->ambient = 0;
	else if (op == PR_CAP_AMBIENT_RAISE)
		c->ambient |= bit;
	else
		c->ambient &= ~bit;
	cred_commit(t, c);
	return 0;
}

static long do_ambient(struct task *t, const uint64_t *arg)
{
	if (arg[0] == PR_CAP_AMBIENT_CLEAR_ALL) {
		if (arg[1] | arg[2] | arg[3])
			return -EINVAL;
		return change_ambient(t, arg[0], 0);
	}
	if ((arg[2] | arg[3]) || arg[1] > CAP_LAST)
		return -EINVAL;
	switch (arg[0]) {
	case PR_CAP_AMBIENT_IS_SET:
		return task_cred(t)->ambient >> arg[1] & 1;
	case PR_CAP_AMBIENT_RAISE:
	case PR_CAP_AMBIENT_LOWER:
		return change_ambient(t, arg[0], arg[1]);
	}
	return -EINVAL;
}

static long set_no_new_privs(struct task *t, const uint64_t *arg)
{
	struct cred *c;

	if (arg[0] != 1 || arg[1] || arg[2] || arg[3])
		return -EINVAL;
	c = cred_copy(task_cred(t), -1);
	if (!c)
		return -ENOMEM;
	c->no_new_privs = true;
	cred_commit(t, c);
	return 0;
}

/* --- names, signals, memory */

static long set_name(struct task *t, uint64_t addr)
{
	char name[16] = { 0 };
	ssize_t n = copyinstr(t, name, uaddr(addr), sizeof name - 1);

	if (n < 0 && n != -ENAMETOOLONG)
		return n;
	task_set_comm(t, name);
	return 0;
}

static long get_name(struct task *t, uint64_t addr)
{
	char name[16];

	sighand_lock(t->tg);
	memcpy(name, t->comm, sizeof name);
	sighand_unlock(t->tg);
	return copyout(t, uaddr(addr), name, sizeof name);
}

static long set_pdeathsig(struct task *t, uint64_t sig)
{
	if (sig > NSIG_GUEST)
		return -EINVAL;
	tasklist_lock(&tasklist);
	t->pdeath_signal = (int)sig;
	tasklist_unlock(&tasklist);
	return 0;
}

static long set_subreaper(struct task *t, bool on)
{
	tasklist_lock(&tasklist);
	t->tg->subreaper = on;
	tasklist_unlock(&tasklist);
	return 0;
}

static long put_int(struct task *t, uint64_t addr, int v)
{
	return copyout(t, uaddr(addr), &v, sizeof v);
}

static long set_dumpable(struct task *t, uint64_t v)
{
	if (v > 1)
		return -EINVAL;
	atomic_store(&t->mm->dumpable, (int)v);
	return 0;
}

/* GAP: of PR_SET_MM the addresses and PR_SET_MM_MAP_SIZE; not EXE_FILE, AUXV,
 * MAP. */
static long set_mm(struct task *t, const uint64_t *arg)
{
	static const uint32_t map_size = 104; /* struct prctl_mm_map */
	struct mm *mm = t->mm;
	uint64_t *field = NULL;

	if (arg[3] || (arg[2] && arg[0] != PR_SET_MM_AUXV &&
			      arg[0] != PR_SET_MM_MAP &&
			      arg[0] != PR_SET_MM_MAP_SIZE))
		return -EINVAL;
	if (arg[0] == PR_SET_MM_MAP_SIZE)
		return copyout(t, uaddr(arg[1]), &map_size, sizeof map_size);
	if (!task_capable(t, CAP_SYS_RESOURCE))
		return -EPERM;
	if (arg[1] >= platform_max_addr)
		return -EINVAL;
	mm_map_write(mm);
	switch (arg[0]) {
	case PR_SET_MM_START_CODE:
		field = &mm->code_start;
		break;
	case PR_SET_MM_END_CODE:
		field = &mm->code_end;
		break;
	case PR_SET_MM_START_DATA:
		field = &mm->data_start;
		break;
	case PR_SET_MM_END_DATA:
		field = &mm->data_end;
		break;
	case PR_SET_MM_ARG_START:
		field = &mm->arg_start;
		break;
	case PR_SET_MM_ARG_END:
		field = &mm->arg_end;
		break;
	case PR_SET_MM_ENV_START:
		field = &mm->env_start;
		break;
	case PR_SET_MM_ENV_END:
		field = &mm->env_end;
		break;
	}
	if (field)
		*field = arg[1];
	mm_map_write_done(mm);
	return field ? 0 : -EINVAL;
}

static long get_auxv(struct task *t, const uint64_t *arg)
{
	size_t size = sizeof t->mm->auxv, n = MIN((size_t)arg[1], size);

	if (arg[2] || arg[3])
		return -EINVAL;
	if (copyout(t, uaddr(arg[0]), t->mm->auxv, n))
		return -EFAULT;
	return (long)size;
}

static bool any(const uint64_t *arg, int from)
{
	for (int i = from; i < 4; i++)
		if (arg[i])
			return true;
	return false;
}

/*
 * GAP: seccomp (PR_SET_SECCOMP) is refused with EINVAL, as by a kernel without
 * it; PR_TASK_PERF_EVENTS_*, PR_SCHED_CORE, speculation control and anonymous
 * VMA names likewise.
 */
long task_prctl(struct task *t, int op, const uint64_t *arg)
{
	switch (op) {
	case PR_SET_PDEATHSIG:
		return set_pdeathsig(t, arg[0]);
	case PR_GET_PDEATHSIG:
		return put_int(t, arg[0], t->pdeath_signal);
	case PR_GET_DUMPABLE:
		return atomic_load(&t->mm->dumpable);
	case PR_SET_DUMPABLE:
		return set_dumpable(t, arg[0]);
	case PR_GET_KEEPCAPS:
		return task_cred(t)->keep_caps;
	case PR_SET_KEEPCAPS:
		return set_keep_caps(t, arg[0]);
	case PR_GET_TIMING:
		return 0; /* PR_TIMING_STATISTICAL */
	case PR_SET_TIMING:
		return arg[0] ? -EINVAL : 0;
	case PR_SET_NAME:
		return set_name(t, arg[0]);
	case PR_GET_NAME:
		return get_name(t, arg[0]);
	case PR_GET_SECCOMP:
		return 0;
	case PR_CAPBSET_READ:
		if (arg[0] > CAP_LAST)
			return -EINVAL;
		return task_cred(t)->bounding >> arg[0] & 1;
	case PR_CAPBSET_DROP:
		return drop_bounding(t, arg[0]);
	case PR_GET_TSC:
		return put_int(t, arg[0], t->tsc_mode);
	case PR_SET_TSC:
		return arg[0] == PR_TSC_ENABLE ? 0 : -EINVAL;
	case PR_GET_SECUREBITS:
		return task_cred(t)->securebits;
	case PR_SET_SECUREBITS:
		return set_securebits(t, arg[0]);
	case PR_SET_TIMERSLACK:
		sched_set_slack(t, (int64_t)arg[0] > 0 ? arg[0] : 0);
		return 0;
	case PR_GET_TIMERSLACK:
		return (long)MIN(t->sched.slack, (uint64_t)INT64_MAX);
	case PR_MCE_KILL_GET:
		return any(arg, 0) ? -EINVAL : PR_MCE_KILL_DEFAULT;
	case PR_SET_MM:
		return set_mm(t, arg);
	case PR_SET_CHILD_SUBREAPER:
		return set_subreaper(t, arg[0]);
	case PR_GET_CHILD_SUBREAPER:
		return put_int(t, arg[0], t->tg->subreaper);
	case PR_SET_NO_NEW_PRIVS:
		return set_no_new_privs(t, arg);
	case PR_GET_NO_NEW_PRIVS:
		return any(arg, 0) ? -EINVAL : task_cred(t)->no_new_privs;
	case PR_GET_TID_ADDRESS:
		return copyout(
			t, uaddr(arg[0]), &t->clear_tid, sizeof t->clear_tid);
	case PR_SET_THP_DISABLE:
		if (any(arg, 1))
			return -EINVAL;
		t->thp_disable = arg[0] != 0;
		return 0;
	case PR_GET_THP_DISABLE:
		return any(arg, 0) ? -EINVAL : t->thp_disable;
	case PR_CAP_AMBIENT:
		return do_ambient(t, arg);
	case PR_GET_AUXV:
		return get_auxv(t, arg);
	}
	return -EINVAL;
}
