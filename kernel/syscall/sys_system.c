/* sys_system.c - the machine and its limits: uname, sysinfo, rlimits, usage. */
#include <errno.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "core/clock.h"
#include "kernel/kernel.h"
#include "kernel/mm/mm.h"
#include "kernel/syscall/syscall.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/time/clocks.h"
#include "kernel/time/loadavg.h"
#include "kernel/time/ptimer.h"

#define CAP_SYS_ADMIN_K    21
#define CAP_SYS_BOOT_K     22
#define CAP_SYS_RESOURCE_K 24
#define CAP_SYSLOG_K       34
#define NAME_MAX_UTS       64
#define RANDOM_CHUNK       256
#define USEC               1000

const char kernel_version[] =
	"#1 SMP PREEMPT_DYNAMIC Debian 6.1.0 (2022-12-11)";

/* "6.1.0-x" as a program that knows no 3.0 wants to see it: "2.6.61-x". */
static void release_26(char *out, size_t size, const char *release)
{
	unsigned major = 0, minor = 0;
	const char *rest = release;

	(void)sscanf(release, "%u.%u", &major, &minor);
	for (int dots = 0; *rest; rest++)
		if (*rest == '.' ? ++dots == 3 : !strchr("0123456789", *rest))
			break;
	snprintf(out, size, "2.6.%u%s", minor + 60, rest);
}

long sys_uname(struct task *t, struct sysargs a)
{
	struct utsname u = { .sysname = "Linux", .machine = "x86_64" };
	struct uts_ns *ns = t->uts;

	if ((t->personality & PER_MASK) == PER_LINUX32)
		memcpy(u.machine, "i686", 5);
	if (t->personality & UNAME26)
		release_26(u.release, sizeof u.release, kernel.conf.release);
	else
		strncpy(u.release, kernel.conf.release, sizeof u.release - 1);
	strncpy(u.version, kernel_version, sizeof u.version - 1);
	mutex_acquire(&ns->lock);
	memcpy(u.nodename, ns->nodename, sizeof u.nodename);
	memcpy(u.domainname, ns->domainname, sizeof u.domainname);
	mutex_release(&ns->lock);
	return copyout(t, arg_addr(a, 0), &u, sizeof u);
}

static long set_name(struct task *t, uaddr_t src, int len, char *name)
{
	char buf[NAME_MAX_UTS + 1] = "";
	int err;

	if (!task_capable(t, CAP_SYS_ADMIN_K))
		return -EPERM;
	if (len < 0 || len > NAME_MAX_UTS)
		return -EINVAL;
	err = copyin(t, buf, src, (size_t)len);
	if (err)
		return err;
	mutex_acquire(&t->uts->lock);
	memcpy(name, buf, sizeof buf);
	mutex_release(&t->uts->lock);
	return 0;
}

long sys_sethostname(struct task *t, struct sysargs a)
{
	return set_name(t, arg_addr(a, 0), arg_int(a, 1), t->uts->nodename);
}

long sys_setdomainname(struct task *t, struct sysargs a)
{
	return set_name(t, arg_addr(a, 0), arg_int(a, 1), t->uts->domainname);
}

/* The kernel's structure has one-byte padding of its own: sysinfo(2). */
long sys_sysinfo(struct task *t, struct sysargs a)
{
	struct {
		int64_t uptime;
		uint64_t loads[3], totalram, freeram, sharedram, bufferram;
		uint64_t totalswap, freeswap;
		uint16_t procs, pad;
		uint64_t totalhigh, freehigh;
		uint32_t mem_unit;
	} si = { .mem_unit = 1 };
	uint64_t used = memfile_used();

	si.uptime = (mono_now() - kernel.boot_time) / NSEC_PER_SEC;
	loadavg_read(si.loads);
	si.totalram = memfile_limit();
	si.freeram = used < si.totalram ? si.totalram - used : 0;
	tasklist_lock(&tasklist);
	si.procs = (uint16_t)MIN(t->tg->pid_ns->ntasks, UINT16_MAX);
	tasklist_unlock(&tasklist);
	return copyout(t, arg_addr(a, 0), &si, sizeof si);
}

long sys_getrandom(struct task *t, struct sysargs a)
{
	size_t len = MIN(arg_size(a, 1), (size_t)INT32_MAX), done = 0;
	unsigned flags = arg_uint(a, 2);
	uint8_t buf[RANDOM_CHUNK];

	if (flags & ~(unsigned)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	if ((flags & GRND_RANDOM) && (flags & GRND_INSECURE))
		return -EINVAL;
	while (done < len) {
		size_t n = MIN(len - done, sizeof buf);

		if (getrandom(buf, n, 0) != (ssize_t)n)
			return -EAGAIN;
		if (copyout(t, uaddr_add(arg_addr(a, 0), done), buf, n))
			return done ? (long)done : -EFAULT;
		done += n;
		if (done < len && signal_waits(t))
			break;
	}
	return (long)done;
}

/* limits: getrlimit(2) */

static int check_rlimit(struct task *t, int resource, const struct rlim *old,
	const struct rlim *new)
{
	if (new->cur > new->max)
		return -EINVAL;
	if (resource == RLIMIT_NOFILE && new->max > 1048576) /* fs.nr_open */
		return -EPERM;
	if (new->max > old->max && !task_capable(t, CAP_SYS_RESOURCE_K))
		return -EPERM;
	return 0;
}

/* The address space keeps copies of what its checks need. */
static void limit_memory(struct task *of, int resource, uint64_t cur)
{
	struct mm *mm = task_mm(of);

	if (!mm)
		return;
	if (resource == RLIMIT_AS)
		mm->rlimit_as = cur;
	else if (resource == RLIMIT_DATA)
		mm->rlimit_data = cur;
	else if (resource == RLIMIT_STACK)
		mm->rlimit_stack = cur;
	else if (resource == RLIMIT_MEMLOCK)
		mm->rlimit_memlock = cur;
	mm_put(mm);
}

static int do_rlimit(struct task *t, struct task *of, int resource,
	const struct rlim *new, struct rlim *old)
{
	int err = 0;

	if (resource < 0 || resource >= RLIM_GUEST)
		return -EINVAL;
	sighand_lock(of->tg);
	*old = of->tg->rlim[resource];
	if (new)
		err = check_rlimit(t, resource, old, new);
	if (new && !err)
		of->tg->rlim[resource] = *new;
	sighand_unlock(of->tg);
	if (new && !err)
		limit_memory(of, resource, new->cur);
	if (new && !err && resource == RLIMIT_CPU)
		ptimers_limit_cpu(of->tg);
	return err;
}

long sys_getrlimit(struct task *t, struct sysargs a)
{
	struct rlim old;
	int err = do_rlimit(t, t, arg_int(a, 0), NULL, &old);

	return err ? err : copyout(t, arg_addr(a, 1), &old, sizeof old);
}

long sys_setrlimit(struct task *t, struct sysargs a)
{
	struct rlim new, old;
	int err = copyin(t, &new, arg_addr(a, 1), sizeof new);

	return err ? err : do_rlimit(t, t, arg_int(a, 0), &new, &old);
}

static int may_limit(struct task *t, struct task *of)
{
	const struct cred *c = task_cred(t);
	struct cred *o;
	bool ok;

	if (t->tg == of->tg)
		return 0;
	o = task_cred_get(of);
	ok = (c->uid == o->euid && c->uid == o->suid && c->uid == o->uid &&
		     c->gid == o->egid && c->gid == o->sgid &&
		     c->gid == o->gid) ||
	     cred_capable(c, CAP_SYS_RESOURCE_K);
	cred_put(o);
	return ok ? 0 : -EPERM;
}

long sys_prlimit64(struct task *t, struct sysargs a)
{
	bool set = !uaddr_null(arg_addr(a, 2));
	struct rlim new, old;
	struct task *of;
	int pid = arg_int(a, 0), err = 0;

	if (set)
		err = copyin(t, &new, arg_addr(a, 2), sizeof new);
	if (err)
		return err;
	of = pid ? task_lookup(t->tg->pid_ns, pid) : task_get(t);
	if (!of)
		return -ESRCH;
	err = may_limit(t, of);
	if (!err)
		err = do_rlimit(t, of, arg_int(a, 1), set ? &new : NULL, &old);
	task_put(of);
	if (!err && !uaddr_null(arg_addr(a, 3)))
		err = copyout(t, arg_addr(a, 3), &old, sizeof old);
	return err;
}

struct rusage_abi {
	int64_t utime[2], stime[2];
	int64_t maxrss, ixrss, idrss, isrss, minflt, majflt, nswap, inblock,
		oublock, msgsnd, msgrcv, nsignals, nvcsw, nivcsw;
};

static void usage_time(struct rusage_abi *r, int64_t user, int64_t sys)
{
	r->utime[0] = user / NSEC_PER_SEC;
	r->utime[1] = user % NSEC_PER_SEC / USEC;
	r->stime[0] = sys / NSEC_PER_SEC;
	r->stime[1] = sys % NSEC_PER_SEC / USEC;
}

static void usage_thread(struct task *t, struct rusage_abi *r)
{
	r->minflt += (int64_t)atomic_load(&t->minflt);
	r->majflt += (int64_t)atomic_load(&t->majflt);
	r->nvcsw += (int64_t)atomic_load(&t->nvcsw);
	r->nivcsw += (int64_t)atomic_load(&t->nivcsw);
}

static void usage_group(struct tgroup *tg, struct rusage_abi *r)
{
	struct task *t;

	r->minflt = (int64_t)atomic_load(&tg->minflt);
	r->majflt = (int64_t)atomic_load(&tg->majflt);
	r->nvcsw = (int64_t)atomic_load(&tg->nvcsw);
	r->nivcsw = (int64_t)atomic_load(&tg->nivcsw);
	tasklist_lock(&tasklist);
	list_for_each (t, &tg->threads, thread_link)
		usage_thread(t, r);
	tasklist_unlock(&tasklist);
}

long sys_getrusage(struct task *t, struct sysargs a)
{
	struct tgroup *tg = t->tg;
	struct rusage_abi r = { 0 };
	int64_t user, sys;

	switch (arg_int(a, 0)) {
	case RUSAGE_SELF:
		tgroup_cputime(tg, &user, &sys);
		usage_group(tg, &r);
		break;
	case RUSAGE_THREAD:
		task_cputime(t, &user, &sys);
		usage_thread(t, &r);
		break;
	case RUSAGE_CHILDREN:
		user = atomic_load(&tg->child_utime);
		sys = atomic_load(&tg->child_stime);
		r.minflt = (int64_t)atomic_load(&tg->child_minflt);
		r.majflt = (int64_t)atomic_load(&tg->child_majflt);
		r.maxrss = (int64_t)atomic_load(&tg->child_maxrss);
		break;
	default:
		return -EINVAL;
	}
	usage_time(&r, user, sys);
	if (arg_int(a, 0) != RUSAGE_CHILDREN) {
		task_note_rss(t);
		r.maxrss = (int64_t)atomic_load(&tg->maxrss);
	}
	r.maxrss *= PAGE_SIZE / 1024;
	return copyout(t, arg_addr(a, 1), &r, sizeof r);
}

#define PERSONALITY_QUERY 0xffffffffU

/*
 * GAP: READ_IMPLIES_EXEC, MMAP_PAGE_ZERO and ADDR_COMPAT_LAYOUT are kept and
 * shown, without effect.
 */
long sys_personality(struct task *t, struct sysargs a)
{
	unsigned persona = arg_uint(a, 0), old = t->personality;

	if (persona != PERSONALITY_QUERY)
		t->personality = persona;
	return (long)old;
}

#define SYSLOG_READ          2
#define SYSLOG_READ_ALL      3
#define SYSLOG_READ_CLEAR    4
#define SYSLOG_CONSOLE_LEVEL 8
#define SYSLOG_SIZE_UNREAD   9
#define SYSLOG_SIZE_BUFFER   10

static const char boot_log[] =
	"<6>[    0.000000] Linux version 6.1.0 (runsc user-space kernel)\n"
	"<6>[    0.000000] Command line: BOOT_IMAGE=runsc\n";
static atomic_bool boot_log_read; /* by SYSLOG_READ, once */

/* Nothing is ever added: whoever has read it all waits. */
static long syslog_wait(struct task *t)
{
	int err = 0;

	t->wait_what = "syslog";
	while (!err && atomic_exchange(&boot_log_read, true))
		err = task_block(t, NO_DEADLINE);
	t->wait_what = NULL;
	return err;
}

static long syslog_read(struct task *t, int type, uaddr_t to, int len)
{
	long n = MIN((long)sizeof boot_log - 1, (long)len), err = 0;

	if (len < 0 || uaddr_null(to))
		return -EINVAL;
	if (!len)
		return 0;
	if (type == SYSLOG_READ)
		err = syslog_wait(t);
	return err ? err : (copyout(t, to, boot_log, (size_t)n) ?: n);
}

long sys_syslog(struct task *t, struct sysargs a)
{
	int type = arg_int(a, 0), len = arg_int(a, 2);

	if (type != SYSLOG_READ_ALL && type != SYSLOG_SIZE_BUFFER &&
		!task_capable(t, CAP_SYSLOG_K))
		return -EPERM;
	switch (type) {
	case SYSLOG_READ:
	case SYSLOG_READ_ALL:
	case SYSLOG_READ_CLEAR:
		return syslog_read(t, type, arg_addr(a, 1), len);
	case SYSLOG_CONSOLE_LEVEL:
		return len < 1 || len > 8 ? -EINVAL : 0;
	case SYSLOG_SIZE_UNREAD:
		return atomic_load(&boot_log_read) ? 0
						   : (long)sizeof boot_log - 1;
	case SYSLOG_SIZE_BUFFER:
		return (long)sizeof boot_log - 1;
	}
	return type < 0 || type > SYSLOG_SIZE_BUFFER ? -EINVAL : 0;
}

/* Process accounting and swap are the machine's, not a container's. */
long sys_acct(struct task *t, struct sysargs a)
{
	(void)t;
	(void)a;
	return -EPERM;
}

long sys_swapon(struct task *t, struct sysargs a)
{
	(void)t;
	(void)a;
	return -EPERM;
}

long sys_swapoff(struct task *t, struct sysargs a)
{
	(void)t;
	(void)a;
	return -EPERM;
}

/* A container does not boot the machine: reboot(2) outside the first pid
 * namespace. */
long sys_reboot(struct task *t, struct sysargs a)
{
	(void)a;
	return task_capable(t, CAP_SYS_BOOT_K) ? -EINVAL : -EPERM;
}

#define MEMBARRIER_KNOWN                                           \
	(MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED | \
		MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED |         \
		MEMBARRIER_CMD_PRIVATE_EXPEDITED |                 \
		MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED |        \
		MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE |       \
		MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE)

/* Leaving guest code and coming back also serialises the instruction stream. */
long sys_membarrier(struct task *t, struct sysargs a)
{
	int cmd = arg_int(a, 0);

	if (arg_uint(a, 1))
		return -EINVAL;
	switch (cmd) {
	case MEMBARRIER_CMD_QUERY:
		return MEMBARRIER_KNOWN;
	case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE:
		atomic_fetch_or(&t->tg->membarrier, (unsigned)cmd);
		return 0;
	case MEMBARRIER_CMD_GLOBAL:
	case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
		return task_barrier(t, true);
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE:
		/* The next bit is the one that registers for it. */
		if (!(atomic_load(&t->tg->membarrier) & (unsigned)cmd << 1))
			return -EPERM;
		return task_barrier(t, false);
	}
	return -EINVAL;
}
