/* root.c - the fixed names of /proc, and which processes it lists. */
#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "kernel/fs/proc/proc.h"
#include "kernel/kernel.h"
#include "kernel/mm/mm.h"
#include "kernel/syscall/syscall.h"
#include "kernel/task/task.h"
#include "kernel/time/loadavg.h"
#include "kernel/vfs/mount.h"

#define USER_HZ 100
#define TICK_NS (NSEC_PER_SEC / USER_HZ)

extern const char kernel_version[];

int proc_ncpu(void)
{
	return kernel.conf.ncpu ? (int)kernel.conf.ncpu : 1;
}

/* --- processes */

static int root_lookup(struct proc_inode *dir, const char *name, size_t len,
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
	err = proc_inode_new(dir, &proc_pid_node, t, 0, out);
	task_put(t);
	return err;
}

static void root_list(struct proc_inode *dir, struct dirsink *to, int64_t *pos)
{
	char name[16];
	struct task *t;
	bool room = true;

	while (room && *pos <= INT32_MAX) {
		t = task_next(dir->ns, (int)*pos);
		if (!t)
			break;
		if (t->tid == t->tg->tgid) {
			snprintf(name, sizeof name, "%d", t->tid);
			room = proc_emit(
				dir, to, name, S_IFDIR >> 12, t->tid + 1);
		}
		if (room)
			*pos = (int64_t)t->tid + 1;
		task_put(t);
	}
}

static int self_readlink(
	UNUSED struct proc_inode *p, struct task *t, char **target)
{
	char buf[32];

	if (!t)
		return -ENOENT;
	snprintf(buf, sizeof buf, "%d", t->tg->tgid);
	*target = strdup(buf);
	return *target ? 0 : -ENOMEM;
}

static int thread_self_readlink(
	UNUSED struct proc_inode *p, struct task *t, char **target)
{
	char buf[32];

	if (!t)
		return -ENOENT;
	snprintf(buf, sizeof buf, "%d/task/%d", t->tg->tgid, t->tid);
	*target = strdup(buf);
	return *target ? 0 : -ENOMEM;
}

static int mounts_readlink(
	UNUSED struct proc_inode *p, UNUSED struct task *t, char **target)
{
	*target = strdup("self/mounts");
	return *target ? 0 : -ENOMEM;
}

static int net_readlink(
	UNUSED struct proc_inode *p, UNUSED struct task *t, char **target)
{
	*target = strdup("self/net");
	return *target ? 0 : -ENOMEM;
}

/* --- memory */

static int show_meminfo(UNUSED struct proc_inode *p, struct strbuf *out)
{
	unsigned long long total = memfile_limit() / 1024;
	unsigned long long used = memfile_used() / 1024;
	unsigned long long avail = total > used ? total - used : 0;

	sb_printf(out,
		"MemTotal:       %8llu kB\nMemFree:        %8llu kB\n"
		"MemAvailable:   %8llu kB\n",
		total, avail, avail);
	sb_printf(out,
		"Buffers:        %8u kB\nCached:         %8u kB\n"
		"SwapCached:     %8u kB\nActive:         %8llu kB\n"
		"Inactive:       %8u kB\nActive(anon):   %8llu kB\n"
		"Inactive(anon): %8u kB\nActive(file):   %8u kB\n"
		"Inactive(file): %8u kB\nUnevictable:    %8u kB\n"
		"Mlocked:        %8u kB\nSwapTotal:      %8u kB\n"
		"SwapFree:       %8u kB\nDirty:          %8u kB\n"
		"Writeback:      %8u kB\nAnonPages:      %8llu kB\n"
		"Mapped:         %8u kB\nShmem:          %8u kB\n",
		0, 0, 0, used, 0, used, 0, 0, 0, 0, 0, 0, 0, 0, 0, used, 0, 0);
	sb_printf(out,
		"KReclaimable:   %8u kB\nSlab:           %8u kB\n"
		"SReclaimable:   %8u kB\nSUnreclaim:     %8u kB\n"
		"KernelStack:    %8u kB\nPageTables:     %8u kB\n"
		"SecPageTables:  %8u kB\nNFS_Unstable:   %8u kB\n"
		"Bounce:         %8u kB\nWritebackTmp:   %8u kB\n"
		"CommitLimit:    %8llu kB\nCommitted_AS:   %8llu kB\n"
		"VmallocTotal:   34359738367 kB\nVmallocUsed:    %8u kB\n"
		"VmallocChunk:   %8u kB\nPercpu:         %8u kB\n",
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, total, used, 0, 0, 0);
	sb_printf(out,
		"AnonHugePages:  %8u kB\nShmemHugePages: %8u kB\n"
		"ShmemPmdMapped: %8u kB\nFileHugePages:  %8u kB\n"
		"FilePmdMapped:  %8u kB\n"
		"HugePages_Total: %7u\nHugePages_Free:  %7u\n"
		"HugePages_Rsvd:  %7u\nHugePages_Surp:  %7u\n"
		"Hugepagesize:   %8u kB\nHugetlb:        %8u kB\n",
		0, 0, 0, 0, 0, 0, 0, 0, 0, 2048, 0);
	return 0;
}

static int show_vmstat(UNUSED struct proc_inode *p, struct strbuf *out)
{
	uint64_t used = memfile_used(), total = memfile_limit();

	sb_printf(out,
		"nr_free_pages %llu\nnr_anon_pages %llu\n"
		"pgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault 0\n"
		"pgmajfault 0\n",
		(unsigned long long)(total > used ? (total - used) / 4096 : 0),
		(unsigned long long)used / 4096);
	return 0;
}

static int show_swaps(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	return 0;
}

/* --- processors */

struct flag_bit {
	unsigned leaf, reg, bit; /* reg 0-3: eax ebx ecx edx */
	const char *name;
};

static const struct flag_bit cpu_flags[] = {
	{ 1, 3, 0, "fpu" },
	{ 1, 3, 3, "pse" },
	{ 1, 3, 4, "tsc" },
	{ 1, 3, 5, "msr" },
	{ 1, 3, 6, "pae" },
	{ 1, 3, 8, "cx8" },
	{ 1, 3, 11, "sep" },
	{ 1, 3, 13, "pge" },
	{ 1, 3, 15, "cmov" },
	{ 1, 3, 16, "pat" },
	{ 1, 3, 17, "pse36" },
	{ 1, 3, 19, "clflush" },
	{ 1, 3, 23, "mmx" },
	{ 1, 3, 24, "fxsr" },
	{ 1, 3, 25, "sse" },
	{ 1, 3, 26, "sse2" },
	{ 1, 3, 28, "ht" },
	{ 0x80000001, 3, 11, "syscall" },
	{ 0x80000001, 3, 20, "nx" },
	{ 0x80000001, 3, 26, "pdpe1gb" },
	{ 0x80000001, 3, 27, "rdtscp" },
	{ 0x80000001, 3, 29, "lm" },
	{ 1, 2, 0, "pni" },
	{ 1, 2, 1, "pclmulqdq" },
	{ 1, 2, 9, "ssse3" },
	{ 1, 2, 12, "fma" },
	{ 1, 2, 13, "cx16" },
	{ 1, 2, 19, "sse4_1" },
	{ 1, 2, 20, "sse4_2" },
	{ 1, 2, 22, "movbe" },
	{ 1, 2, 23, "popcnt" },
	{ 1, 2, 25, "aes" },
	{ 1, 2, 26, "xsave" },
	{ 1, 2, 28, "avx" },
	{ 1, 2, 29, "f16c" },
	{ 1, 2, 30, "rdrand" },
	{ 1, 2, 31, "hypervisor" },
	{ 0x80000001, 2, 0, "lahf_lm" },
	{ 0x80000001, 2, 5, "abm" },
	{ 0x80000001, 2, 6, "sse4a" },
	{ 7, 1, 0, "fsgsbase" },
	{ 7, 1, 3, "bmi1" },
	{ 7, 1, 5, "avx2" },
	{ 7, 1, 7, "smep" },
	{ 7, 1, 8, "bmi2" },
	{ 7, 1, 9, "erms" },
	{ 7, 1, 16, "avx512f" },
	{ 7, 1, 17, "avx512dq" },
	{ 7, 1, 18, "rdseed" },
	{ 7, 1, 19, "adx" },
	{ 7, 1, 20, "smap" },
	{ 7, 1, 23, "clflushopt" },
	{ 7, 1, 24, "clwb" },
	{ 7, 1, 28, "avx512cd" },
	{ 7, 1, 29, "sha_ni" },
	{ 7, 1, 30, "avx512bw" },
	{ 7, 1, 31, "avx512vl" },
	{ 7, 2, 1, "avx512vbmi" },
	{ 7, 2, 8, "gfni" },
	{ 7, 2, 9, "vaes" },
	{ 7, 2, 10, "vpclmulqdq" },
	{ 7, 2, 11, "avx512_vnni" },
	{ 7, 2, 22, "rdpid" },
	{ 7, 3, 4, "fsrm" },
};

static void show_cpu_flags(struct strbuf *out)
{
	unsigned r[4];

	for (size_t i = 0; i < ARRAY_SIZE(cpu_flags); i++) {
		const struct flag_bit *f = &cpu_flags[i];

		if (__get_cpuid_count(f->leaf, 0, &r[0], &r[1], &r[2], &r[3]) &&
			r[f->reg] >> f->bit & 1)
			sb_printf(out, " %s", f->name);
	}
}

static void cpu_strings(char vendor[13], char model[49])
{
	unsigned r[12] = { 0 }, a, b, c, d;

	if (__get_cpuid(0, &a, &b, &c, &d)) {
		memcpy(vendor, &b, 4);
		memcpy(vendor + 4, &d, 4);
		memcpy(vendor + 8, &c, 4);
	}
	vendor[12] = 0;
	for (unsigned i = 0; i < 3; i++)
		if (!__get_cpuid(0x80000002 + i, &r[i * 4], &r[i * 4 + 1],
			    &r[i * 4 + 2], &r[i * 4 + 3]))
			break;
	memcpy(model, r, 48);
	model[48] = 0;
}

static int show_cpuinfo(UNUSED struct proc_inode *p, struct strbuf *out)
{
	char vendor[13] = "", model[49] = "";
	unsigned a = 0, b = 0, c = 0, d = 0, family, nr, n, cache = 0, x;

	cpu_strings(vendor, model);
	(void)__get_cpuid(1, &a, &b, &c, &d);
	family = (a >> 8 & 15) + ((a >> 8 & 15) == 15 ? a >> 20 & 255 : 0);
	nr = (a >> 4 & 15) | (a >> 12 & 0xf0);
	(void)__get_cpuid(
		0x80000006, &x, &x, &cache, &x); /* the second level */
	n = (unsigned)proc_ncpu();
	for (unsigned i = 0; i < n; i++) {
		sb_printf(out,
			"processor\t: %u\nvendor_id\t: %s\n"
			"cpu family\t: %u\nmodel\t\t: %u\nmodel name\t: %s\n"
			"stepping\t: %u\ncpu MHz\t\t: %s\n"
			"cache size\t: %u KB\nphysical id\t: 0\n"
			"siblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\n"
			"apicid\t\t: %u\ninitial apicid\t: %u\nfpu\t\t: yes\n"
			"fpu_exception\t: yes\ncpuid level\t: 13\nwp\t\t: yes\n"
			"flags\t\t:",
			i, vendor, family, nr, model, a & 15, "2000.000",
			cache >> 16, n, i, n, i, i);
		show_cpu_flags(out);
		sb_printf(out,
			"\nbugs\t\t:\nbogomips\t: 4000.00\nclflush size\t: %u\n"
			"cache_alignment\t: 64\n"
			"address sizes\t: 46 bits physical, 48 bits virtual\n"
			"power management:\n\n",
			(b >> 8 & 255) * 8);
	}
	return 0;
}

/* --- time and load */

static int64_t uptime_ns(void)
{
	return MAX(mono_now() - kernel.boot_time, 0L);
}

/* Idle time of all processors together: what we did not use. */
static int64_t idle_ns(int64_t up)
{
	int64_t used = clock_now(CLOCK_PROCESS_CPUTIME_ID);

	return MAX(up * proc_ncpu() - used, 0L);
}

static int show_uptime(UNUSED struct proc_inode *p, struct strbuf *out)
{
	int64_t up = uptime_ns(), idle = idle_ns(up);

	sb_printf(out, "%lld.%02lld %lld.%02lld\n",
		(long long)(up / NSEC_PER_SEC),
		(long long)(up % NSEC_PER_SEC / 10000000),
		(long long)(idle / NSEC_PER_SEC),
		(long long)(idle % NSEC_PER_SEC / 10000000));
	return 0;
}

/* How many tasks there are, how many run now, and the last tid given. */
static void count_tasks(struct pid_ns *ns, int *running, int *total, int *last)
{
	int tid = 0;
	struct task *t;

	*running = *total = *last = 0;
	while ((t = task_next(ns, tid)) != NULL) {
		++*total;
		if (atomic_load(&t->state) == TASK_RUNNING)
			++*running;
		tid = t->tid + 1;
		task_put(t);
	}
	tasklist_lock(&tasklist);
	*last = ns->last;
	tasklist_unlock(&tasklist);
}

static int show_loadavg(struct proc_inode *p, struct strbuf *out)
{
	int running, total, last;
	uint64_t loads[3];

	loadavg_read(loads);
	count_tasks(p->ns, &running, &total, &last);
	for (int i = 0; i < 3; i++)
		sb_printf(out, "%llu.%02llu ",
			(unsigned long long)(loads[i] >> 16),
			(unsigned long long)((loads[i] & 0xffff) * 100 >> 16));
	sb_printf(out, "%d/%d %d\n", running, total, last);
	return 0;
}

static int show_stat(struct proc_inode *p, struct strbuf *out)
{
	int64_t up = uptime_ns(), idle = idle_ns(up);
	int64_t used = up * proc_ncpu() - idle;
	int running, total, last, n = proc_ncpu();

	count_tasks(p->ns, &running, &total, &last);
	sb_printf(out, "cpu  %lld 0 0 %lld 0 0 0 0 0 0\n",
		(long long)(used / TICK_NS), (long long)(idle / TICK_NS));
	for (int i = 0; i < n; i++)
		sb_printf(out, "cpu%d %lld 0 0 %lld 0 0 0 0 0 0\n", i,
			(long long)(used / n / TICK_NS),
			(long long)(idle / n / TICK_NS));
	sb_printf(out,
		"intr 0\nctxt 0\nbtime %lld\nprocesses %d\n"
		"procs_running %d\nprocs_blocked 0\n"
		"softirq 0 0 0 0 0 0 0 0 0 0 0\n",
		(long long)((clock_now(CLOCK_REALTIME) - up) / NSEC_PER_SEC),
		last, MAX(running, 1));
	return 0;
}

/* --- constants */

static int show_version(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_printf(out,
		"Linux version %s (root@localhost) (gcc version 12.2.0)"
		" %s\n",
		kernel.conf.release, kernel_version);
	return 0;
}

static int show_cmdline(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "BOOT_IMAGE=/vmlinuz quiet\n");
	return 0;
}

static int show_devices(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "Character devices:\n  1 mem\n  5 /dev/tty\n"
		     "  5 /dev/console\n  5 /dev/ptmx\n136 pts\n\n"
		     "Block devices:\n");
	return 0;
}

static int show_cgroups(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "#subsys_name\thierarchy\tnum_cgroups\tenabled\n");
	return 0;
}

static int show_partitions(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "major minor  #blocks  name\n\n");
	return 0;
}

static int show_filesystems(UNUSED struct proc_inode *p, struct strbuf *out)
{
	const struct fs_type *type;

	for (unsigned i = 0; (type = fs_type_next(i)) != NULL; i++)
		sb_printf(out, "%s\t%s\n", type->nodev ? "nodev" : "",
			type->name);
	return 0;
}

static int show_sysvipc_shm(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out,
		"       key      shmid perms                  size  "
		"cpid  lpid nattch   uid   gid  cuid  cgid      atime      "
		"dtime      ctime                   rss                  "
		"swap\n");
	return 0;
}

static int show_sysvipc_sem(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "       key      semid perms      nsems   uid   gid  "
		     "cuid  cgid      otime      ctime\n");
	return 0;
}

static int show_sysvipc_msg(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "       key      msqid perms      cbytes       qnum "
		     "lspid lrpid   uid   gid  cuid  cgid      stime      "
		     "rtime      "
		     "ctime\n");
	return 0;
}

/* GAP: objects of SysV IPC are not listed. */
static const struct proc_node sysvipc[] = {
	PROC_FILE("msg", show_sysvipc_msg),
	PROC_FILE("sem", show_sysvipc_sem),
	PROC_FILE("shm", show_sysvipc_shm),
	{ .name = NULL },
};

static int show_marker(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "runsc\n");
	return 0;
}

static const struct proc_node gvisor[] = {
	PROC_FILE("kernel_is_gvisor", show_marker),
	{ .name = NULL },
};

#define SYMLINK(n, fn)                                            \
	{                                                         \
		.name = n, .mode = S_IFLNK | 0777, .readlink = fn \
	}

#define ROOT_FILES                                                            \
	PROC_FILE("cgroups", show_cgroups),                                   \
		PROC_FILE("cmdline", show_cmdline),                           \
		PROC_FILE("cpuinfo", show_cpuinfo),                           \
		PROC_FILE("devices", show_devices),                           \
		PROC_FILE("diskstats", proc_show_nothing),                    \
		PROC_FILE("filesystems", show_filesystems),                   \
		PROC_FILE("loadavg", show_loadavg),                           \
		PROC_FILE("meminfo", show_meminfo),                           \
		PROC_FILE("modules", proc_show_nothing),                      \
		SYMLINK("mounts", mounts_readlink),                           \
		SYMLINK("net", net_readlink),                                 \
		PROC_FILE("partitions", show_partitions),                     \
		SYMLINK("self", self_readlink), PROC_FILE("stat", show_stat), \
		PROC_FILE("swaps", show_swaps), PROC_DIR("sys", proc_sys),    \
		PROC_DIR("sysvipc", sysvipc),                                 \
		SYMLINK("thread-self", thread_self_readlink),                 \
		PROC_FILE("uptime", show_uptime),                             \
		PROC_FILE("version", show_version),                           \
		PROC_FILE("vmstat", show_vmstat)

static const struct proc_node root_files[] = {
	ROOT_FILES,
	PROC_DEBUG_ROOT,
	{ .name = NULL },
};

static const struct proc_node root_files_marked[] = {
	ROOT_FILES,
	PROC_DIR("gvisor", gvisor),
	{ .name = NULL },
};

static const struct proc_node root_plain = {
	.name = "/",
	.mode = S_IFDIR | 0555,
	.children = root_files,
	.lookup = root_lookup,
	.list = root_list,
};

static const struct proc_node root_marked = {
	.name = "/",
	.mode = S_IFDIR | 0555,
	.children = root_files_marked,
	.lookup = root_lookup,
	.list = root_list,
};

const struct proc_node *proc_root_node(void)
{
	return kernel.conf.marker_file ? &root_marked : &root_plain;
}
