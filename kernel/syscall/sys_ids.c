/* sys_ids.c - who a process is: ids, groups, capabilities, prctl. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/arch/arch.h"
#include "kernel/mm/mm.h"
#include "kernel/syscall/syscall.h"
#include "kernel/task/cred.h"
#include "kernel/task/ids.h"
#include "kernel/task/internal.h"

#define NGROUPS_MAX_K 65536

/* --- pids */

long sys_getpid(struct task *t, struct sysargs a)
{
	(void)a;
	return t->tg->tgid;
}

long sys_gettid(struct task *t, struct sysargs a)
{
	(void)a;
	return t->tid;
}

long sys_getppid(struct task *t, struct sysargs a)
{
	(void)a;
	return atomic_load_explicit(&t->tg->ppid, memory_order_relaxed);
}

long sys_setpgid(struct task *t, struct sysargs a)
{
	return task_setpgid(t, arg_int(a, 0), arg_int(a, 1));
}

long sys_getpgid(struct task *t, struct sysargs a)
{
	return task_getpgid(t, arg_int(a, 0));
}

long sys_getpgrp(struct task *t, struct sysargs a)
{
	(void)a;
	return task_getpgid(t, 0);
}

long sys_setsid(struct task *t, struct sysargs a)
{
	(void)a;
	return task_setsid(t);
}

long sys_getsid(struct task *t, struct sysargs a)
{
	return task_getsid(t, arg_int(a, 0));
}

/* --- user and group ids */

long sys_getuid(struct task *t, struct sysargs a)
{
	(void)a;
	return task_cred(t)->uid;
}

long sys_geteuid(struct task *t, struct sysargs a)
{
	(void)a;
	return task_cred(t)->euid;
}

long sys_getgid(struct task *t, struct sysargs a)
{
	(void)a;
	return task_cred(t)->gid;
}

long sys_getegid(struct task *t, struct sysargs a)
{
	(void)a;
	return task_cred(t)->egid;
}

static long copyout_three(struct task *t, struct sysargs a, const uint32_t *id)
{
	for (int i = 0; i < 3; i++)
		if (copyout(t, arg_addr(a, i), &id[i], sizeof id[i]))
			return -EFAULT;
	return 0;
}

long sys_getresuid(struct task *t, struct sysargs a)
{
	const struct cred *c = task_cred(t);

	return copyout_three(
		t, a, (const uint32_t[]){ c->uid, c->euid, c->suid });
}

long sys_getresgid(struct task *t, struct sysargs a)
{
	const struct cred *c = task_cred(t);

	return copyout_three(
		t, a, (const uint32_t[]){ c->gid, c->egid, c->sgid });
}

long sys_setuid(struct task *t, struct sysargs a)
{
	return ids_setuid(t, arg_uint(a, 0));
}

long sys_setgid(struct task *t, struct sysargs a)
{
	return ids_setgid(t, arg_uint(a, 0));
}

long sys_setreuid(struct task *t, struct sysargs a)
{
	return ids_setreuid(t, arg_uint(a, 0), arg_uint(a, 1));
}

long sys_setregid(struct task *t, struct sysargs a)
{
	return ids_setregid(t, arg_uint(a, 0), arg_uint(a, 1));
}

long sys_setresuid(struct task *t, struct sysargs a)
{
	return ids_setresuid(t, arg_uint(a, 0), arg_uint(a, 1), arg_uint(a, 2));
}

long sys_setresgid(struct task *t, struct sysargs a)
{
	return ids_setresgid(t, arg_uint(a, 0), arg_uint(a, 1), arg_uint(a, 2));
}

long sys_setfsuid(struct task *t, struct sysargs a)
{
	return ids_setfsuid(t, arg_uint(a, 0));
}

long sys_setfsgid(struct task *t, struct sysargs a)
{
	return ids_setfsgid(t, arg_uint(a, 0));
}

long sys_getgroups(struct task *t, struct sysargs a)
{
	const struct cred *c = task_cred(t);
	int size = arg_int(a, 0);

	if (size < 0)
		return -EINVAL;
	if (!size)
		return c->ngroups;
	if ((uint32_t)size < c->ngroups)
		return -EINVAL;
	if (copyout(t, arg_addr(a, 1), c->groups,
		    c->ngroups * sizeof c->groups[0]))
		return -EFAULT;
	return c->ngroups;
}

long sys_setgroups(struct task *t, struct sysargs a)
{
	unsigned n = arg_uint(a, 0);
	uint32_t *groups;
	long ret;

	if (!ids_may_setgroups(t))
		return -EPERM;
	if (n > NGROUPS_MAX_K)
		return -EINVAL;
	groups = calloc(n + 1, sizeof *groups);
	if (!groups)
		return -ENOMEM;
	ret = copyin(t, groups, arg_addr(a, 1), n * sizeof *groups);
	if (!ret)
		ret = ids_setgroups(t, groups, n);
	free(groups);
	return ret;
}

/* --- capabilities */

#define CAP_VERSION_1 0x19980330u
#define CAP_VERSION_2 0x20071026u
#define CAP_VERSION_3 0x20080522u

struct cap_header {
	uint32_t version;
	int32_t pid;
};
struct cap_data {
	uint32_t effective, permitted, inheritable;
};

/* How many cap_data there are: 1 or 2; tells the caller our version otherwise.
 */
static int cap_words(struct task *t, uaddr_t u, struct cap_header *h)
{
	const uint32_t ours = CAP_VERSION_3;

	if (copyin(t, h, u, sizeof *h))
		return -EFAULT;
	if (h->version == CAP_VERSION_1)
		return 1;
	if (h->version == CAP_VERSION_2 || h->version == CAP_VERSION_3)
		return 2;
	if (copyout(t, u, &ours, sizeof ours))
		return -EFAULT;
	return -EINVAL;
}

long sys_capget(struct task *t, struct sysargs a)
{
	struct cap_data d[2];
	struct cap_header h;
	struct task *o;
	struct cred *c;
	int n;

	n = cap_words(t, arg_addr(a, 0), &h);
	if (n < 0) /* asking only for the version is no error */
		return n == -EINVAL && uaddr_null(arg_addr(a, 1)) ? 0 : n;
	if (h.pid < 0)
		return -EINVAL;
	o = h.pid ? task_lookup(t->tg->pid_ns, h.pid) : task_get(t);
	if (!o)
		return -ESRCH;
	c = task_cred_get(o);
	task_put(o);
	for (int i = 0; i < 2; i++)
		d[i] = (struct cap_data){ (uint32_t)(c->effective >> 32 * i),
			(uint32_t)(c->permitted >> 32 * i),
			(uint32_t)(c->inheritable >> 32 * i) };
	cred_put(c);
	if (uaddr_null(arg_addr(a, 1)))
		return 0;
	return copyout(t, arg_addr(a, 1), d, (size_t)n * sizeof d[0]);
}

long sys_capset(struct task *t, struct sysargs a)
{
	struct cap_data d[2] = { 0 };
	uint64_t set[3] = { 0 };
	struct cap_header h;
	int n;

	n = cap_words(t, arg_addr(a, 0), &h);
	if (n < 0)
		return n;
	if (h.pid && h.pid != t->tid)
		return -EPERM;
	if (copyin(t, d, arg_addr(a, 1), (size_t)n * sizeof d[0]))
		return -EFAULT;
	for (int i = 0; i < n; i++) {
		set[0] |= (uint64_t)d[i].effective << 32 * i;
		set[1] |= (uint64_t)d[i].permitted << 32 * i;
		set[2] |= (uint64_t)d[i].inheritable << 32 * i;
	}
	return ids_capset(t, set[0], set[1], set[2]);
}

/* --- the rest */

long sys_prctl(struct task *t, struct sysargs a)
{
	return task_prctl(t, arg_int(a, 0), &a.r[1]);
}

long sys_arch_prctl(struct task *t, struct sysargs a)
{
	return arch_prctl(t, arg_int(a, 0), a.r[1]);
}
