/*
 * sys.c - /proc/sys: sysctl(2)'s names.
 *
 * Numbers that a program may set and then expects to read back are kept; they
 * change nothing else unless a show function says so.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "kernel/fs/proc/proc.h"
#include "kernel/fs/types.h"
#include "kernel/kernel.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"

#define UTS_MAX 64

extern const char kernel_version[];

/* --- values that are kept */

static struct knob {
	const char *name;
	_Atomic int64_t value;
	int64_t min, max;
} knobs[] = {
	{ "overcommit_memory", 0, 0, 2 },
	{ "overcommit_ratio", 50, 0, INT32_MAX },
	{ "swappiness", 60, 0, 200 },
	{ "max_map_count", 65530, 0, INT32_MAX },
	{ "mmap_min_addr", 65536, 0, INT32_MAX },
	{ "dirty_ratio", 20, 0, 100 },
	{ "dirty_background_ratio", 10, 0, 100 },
	{ "panic_on_oom", 0, 0, 2 },
	{ "overcommit_kbytes", 0, 0, INT64_MAX },
	{ "admin_reserve_kbytes", 8192, 0, INT64_MAX },
	{ "user_reserve_kbytes", 131072, 0, INT64_MAX },
	{ "min_free_kbytes", 67584, 0, INT32_MAX },
	{ "page-cluster", 3, 0, 31 },
	{ "vfs_cache_pressure", 100, 0, INT32_MAX },
	{ "dirty_bytes", 0, 0, INT64_MAX },
	{ "dirty_background_bytes", 0, 0, INT64_MAX },
	{ "dirty_expire_centisecs", 3000, 0, INT32_MAX },
	{ "dirty_writeback_centisecs", 500, 0, INT32_MAX },
	{ "laptop_mode", 0, 0, INT32_MAX },
	{ "legacy_va_layout", 0, 0, 1 },
	{ "nr_overcommit_hugepages", 0, 0, INT64_MAX },
	{ "oom_dump_tasks", 1, 0, 1 },
	{ "oom_kill_allocating_task", 0, 0, 1 },
	{ "stat_interval", 1, 0, INT32_MAX },
	{ "unprivileged_userfaultfd", 0, 0, 1 },
	{ "watermark_scale_factor", 10, 1, 3000 },
	{ "zone_reclaim_mode", 0, 0, 7 },
	{ "panic_on_oops", 0, 0, 1 },
	{ "panic_on_warn", 0, 0, 1 },
	{ "print-fatal-signals", 0, 0, 1 },
	{ "printk_delay", 0, 0, 10000 },
	{ "printk_ratelimit", 5, 0, INT32_MAX },
	{ "printk_ratelimit_burst", 10, 0, INT32_MAX },
	{ "sched_rr_timeslice_ms", 100, 0, INT32_MAX },
	{ "shm_rmid_forced", 0, 0, 1 },
	{ "dir-notify-enable", 1, 0, 1 },
	{ "nr_hugepages", 0, 0, 0 },
	{ "file-max", 9223372036854775807, 0, INT64_MAX },
	{ "nr_open", 1048576, 8, 2147483584 },
	{ "pipe-max-size", 1048576, 4096, INT32_MAX },
	{ "pipe-user-pages-soft", 16384, 0, INT32_MAX },
	{ "pipe-user-pages-hard", 0, 0, INT32_MAX },
	{ "aio-max-nr", 65536, 0, INT32_MAX },
	{ "protected_hardlinks", 1, 0, 1 },
	{ "protected_symlinks", 1, 0, 1 },
	{ "protected_regular", 1, 0, 2 },
	{ "protected_fifos", 1, 0, 2 },
	{ "suid_dumpable", 0, 0, 2 },
	{ "lease-break-time", 45, 0, INT32_MAX },
	{ "max_user_watches", 1048576, 0, INT32_MAX },
	{ "max_user_instances", 8192, 0, INT32_MAX },
	{ "max_queued_events", 16384, 0, INT32_MAX },
	{ "queues_max", 256, 0, INT32_MAX },
	{ "msg_max", 10, 1, 65536 },
	{ "msgsize_max", 8192, 128, 16777216 },
	{ "msg_default", 10, 1, 65536 },
	{ "msgsize_default", 8192, 128, 16777216 },
	{ "pid_max", 4194304, 301, 4194304 },
	{ "threads-max", 127234, 20, INT32_MAX },
	{ "shmall", INT64_MAX, 0, INT64_MAX },
	{ "shmmax", INT64_MAX, 0, INT64_MAX },
	{ "shmmni", 4096, 0, 32768 },
	{ "msgmax", 8192, 0, INT32_MAX },
	{ "msgmnb", 16384, 0, INT32_MAX },
	{ "msgmni", 32000, 0, INT32_MAX },
	{ "randomize_va_space", 2, 0, 2 },
	{ "core_uses_pid", 0, 0, 1 },
	{ "dmesg_restrict", 1, 0, 1 },
	{ "kptr_restrict", 1, 0, 2 },
	{ "perf_event_paranoid", 4, -1, 4 },
	{ "panic", 0, 0, INT32_MAX },
	{ "sysrq", 0, 0, 511 },
	{ "sched_rt_runtime_us", 950000, -1, INT32_MAX },
	{ "sched_rt_period_us", 1000000, 1, INT32_MAX },
	{ "unprivileged_bpf_disabled", 2, 0, 2 },
	{ "somaxconn", 4096, 0, INT32_MAX },
	{ "rmem_max", 212992, 2304, INT32_MAX },
	{ "wmem_max", 212992, 4608, INT32_MAX },
	{ "rmem_default", 212992, 2304, INT32_MAX },
	{ "wmem_default", 212992, 4608, INT32_MAX },
	{ "netdev_max_backlog", 1000, 0, INT32_MAX },
	{ "ip_forward", 0, 0, 1 },
	{ "ip_unprivileged_port_start", 1024, 0, 65535 },
	{ "tcp_syncookies", 1, 0, 2 },
	{ "tcp_timestamps", 1, 0, 2 },
	{ "tcp_sack", 1, 0, 1 },
	{ "tcp_fin_timeout", 60, 1, INT32_MAX },
	{ "tcp_keepalive_time", 7200, 1, INT32_MAX },
	{ "tcp_keepalive_intvl", 75, 1, INT32_MAX },
	{ "tcp_keepalive_probes", 9, 1, 127 },
	{ "tcp_max_syn_backlog", 1024, 0, INT32_MAX },
	{ "tcp_tw_reuse", 2, 0, 2 },
	{ "tcp_window_scaling", 1, 0, 1 },
	{ "max_dgram_qlen", 512, 0, INT32_MAX },
	{ "disable_ipv6", 0, 0, 1 },
	{ "bindv6only", 0, 0, 1 },
};

static struct knob *knob_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(knobs); i++)
		if (!strcmp(knobs[i].name, name))
			return &knobs[i];
	return NULL;
}

static struct knob *knob_of(struct proc_inode *p)
{
	return knob_find(p->node->name);
}

int64_t proc_sysctl_value(const char *name)
{
	struct knob *k = knob_find(name);

	return k ? k->value : 0;
}

static int show_knob(struct proc_inode *p, struct strbuf *out)
{
	struct knob *k = knob_of(p);

	sb_printf(out, "%lld\n", k ? (long long)k->value : 0LL);
	return 0;
}

static int store_knob(
	struct proc_inode *p, struct task *t, char *text, UNUSED size_t n)
{
	struct knob *k = knob_of(p);
	char *end;
	long long v = strtoll(text, &end, 0);

	if (!task_capable(t, CAP_SYS_ADMIN))
		return -EPERM;
	while (*end == '\n' || *end == ' ')
		end++;
	if (!k || end == text || *end || v < k->min || v > k->max)
		return -EINVAL;
	k->value = v;
	return 0;
}

#define KNOB(n)                                                       \
	{                                                             \
		.name = n, .mode = S_IFREG | 0644, .show = show_knob, \
		.store = store_knob                                   \
	}
#define KNOB_RO(n)                                                   \
	{                                                            \
		.name = n, .mode = S_IFREG | 0444, .show = show_knob \
	}
#define END                  \
	{                    \
		.name = NULL \
	}

/* --- kernel/ */

static int show_names(struct strbuf *out, bool domain)
{
	struct uts_ns *uts = current ? current->uts : NULL;
	char name[65] = "", dom[65] = "";

	if (uts)
		uts_ns_names(uts, name, dom);
	sb_printf(out, "%s\n", domain ? dom : name);
	return 0;
}

static int show_hostname(UNUSED struct proc_inode *p, struct strbuf *out)
{
	return show_names(out, false);
}

static int show_domainname(UNUSED struct proc_inode *p, struct strbuf *out)
{
	return show_names(out, true);
}

static int store_name(
	struct proc_inode *p, struct task *t, char *text, size_t n)
{
	bool domain = p->node->name[0] == 'd';

	if (!task_capable(t, CAP_SYS_ADMIN))
		return -EPERM;
	if (n && text[n - 1] == '\n')
		text[--n] = 0;
	text[MIN(n, (size_t)UTS_MAX)] = 0;
	uts_ns_set(t->uts, domain ? NULL : text, domain ? text : NULL);
	return 0;
}

static int show_osrelease(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_printf(out, "%s\n", kernel.conf.release);
	return 0;
}

static int show_ostype(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "Linux\n");
	return 0;
}

static int show_version(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_printf(out, "%s\n", kernel_version);
	return 0;
}

static int show_cap_last_cap(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_printf(out, "%d\n", CAP_LAST);
	return 0;
}

static int show_ngroups_max(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "65536\n");
	return 0;
}

static int show_overflow(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "65534\n");
	return 0;
}

static int show_core_pattern(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "core\n");
	return 0;
}

static int show_sem(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "32000\t1024000000\t500\t32000\n");
	return 0;
}

static int show_printk(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "4\t4\t1\t7\n");
	return 0;
}

static int show_tainted(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "0\n");
	return 0;
}

static int show_seccomp_actions(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "kill_process kill_thread trap errno user_notif trace "
		     "log allow\n");
	return 0;
}

static void show_uuid(struct strbuf *out, const uint8_t b[16])
{
	for (int i = 0; i < 16; i++)
		sb_printf(out, "%02x%s", b[i],
			i == 3 || i == 5 || i == 7 || i == 9 ? "-" : "");
	sb_puts(out, "\n");
}

static void uuid_stamp(uint8_t b[16])
{
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
}

static int show_uuid_new(UNUSED struct proc_inode *p, struct strbuf *out)
{
	uint8_t b[16];

	if (getrandom(b, sizeof b, 0) != sizeof b)
		return -EIO;
	uuid_stamp(b);
	show_uuid(out, b);
	return 0;
}

static int show_boot_id(UNUSED struct proc_inode *p, struct strbuf *out)
{
	uint8_t b[16];

	memcpy(b, kernel.boot_id, sizeof b);
	uuid_stamp(b);
	show_uuid(out, b);
	return 0;
}

static int show_entropy(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "256\n");
	return 0;
}

static const struct proc_node random_dir[] = {
	PROC_FILE("boot_id", show_boot_id),
	PROC_FILE("entropy_avail", show_entropy),
	PROC_FILE("poolsize", show_entropy),
	PROC_FILE("uuid", show_uuid_new),
	END,
};

static const struct proc_node seccomp_dir[] = {
	PROC_FILE("actions_avail", show_seccomp_actions),
	END,
};

static const struct proc_node kernel_dir[] = {
	PROC_FILE("cap_last_cap", show_cap_last_cap),
	PROC_FILE("core_pattern", show_core_pattern),
	KNOB("core_uses_pid"),
	KNOB("dmesg_restrict"),
	{ .name = "domainname",
		.mode = S_IFREG | 0644,
		.show = show_domainname,
		.store = store_name },
	{ .name = "hostname",
		.mode = S_IFREG | 0644,
		.show = show_hostname,
		.store = store_name },
	KNOB("kptr_restrict"),
	KNOB("msgmax"),
	KNOB("msgmnb"),
	KNOB("msgmni"),
	PROC_FILE("ngroups_max", show_ngroups_max),
	PROC_FILE("osrelease", show_osrelease),
	PROC_FILE("ostype", show_ostype),
	PROC_FILE("overflowgid", show_overflow),
	PROC_FILE("overflowuid", show_overflow),
	KNOB("panic"),
	KNOB("panic_on_oops"),
	KNOB("panic_on_warn"),
	KNOB("perf_event_paranoid"),
	KNOB("pid_max"),
	KNOB("print-fatal-signals"),
	PROC_FILE("printk", show_printk),
	KNOB("printk_delay"),
	KNOB("printk_ratelimit"),
	KNOB("printk_ratelimit_burst"),
	PROC_DIR("random", random_dir),
	KNOB("randomize_va_space"),
	KNOB("sched_rr_timeslice_ms"),
	KNOB("sched_rt_period_us"),
	KNOB("sched_rt_runtime_us"),
	PROC_DIR("seccomp", seccomp_dir),
	PROC_FILE("sem", show_sem),
	KNOB("shm_rmid_forced"),
	KNOB("shmall"),
	KNOB("shmmax"),
	KNOB("shmmni"),
	KNOB("sysrq"),
	PROC_FILE("tainted", show_tainted),
	KNOB("threads-max"),
	KNOB("unprivileged_bpf_disabled"),
	PROC_FILE("version", show_version),
	END,
};

/* --- fs/, vm/ */

static int show_file_nr(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "0\t0\t9223372036854775807\n");
	return 0;
}

static const struct proc_node inotify_dir[] = {
	KNOB("max_queued_events"),
	KNOB("max_user_instances"),
	KNOB("max_user_watches"),
	END,
};

static const struct proc_node epoll_dir[] = {
	KNOB("max_user_watches"),
	END,
};

static const struct proc_node mqueue_dir[] = {
	KNOB("msg_default"),
	KNOB("msg_max"),
	KNOB("msgsize_default"),
	KNOB("msgsize_max"),
	KNOB("queues_max"),
	END,
};

static const struct proc_node fs_dir[] = {
	KNOB("aio-max-nr"),
	KNOB("dir-notify-enable"),
	PROC_DIR("epoll", epoll_dir),
	KNOB("file-max"),
	PROC_FILE("file-nr", show_file_nr),
	PROC_DIR("inotify", inotify_dir),
	KNOB("lease-break-time"),
	PROC_DIR("mqueue", mqueue_dir),
	KNOB("nr_open"),
	KNOB("pipe-max-size"),
	KNOB("pipe-user-pages-hard"),
	KNOB("pipe-user-pages-soft"),
	KNOB_RO("protected_fifos"),
	KNOB_RO("protected_hardlinks"),
	KNOB_RO("protected_regular"),
	KNOB_RO("protected_symlinks"),
	KNOB("suid_dumpable"),
	END,
};

static const struct proc_node vm_dir[] = {
	KNOB("admin_reserve_kbytes"),
	KNOB("dirty_background_bytes"),
	KNOB("dirty_background_ratio"),
	KNOB("dirty_bytes"),
	KNOB("dirty_expire_centisecs"),
	KNOB("dirty_ratio"),
	KNOB("dirty_writeback_centisecs"),
	KNOB("laptop_mode"),
	KNOB("legacy_va_layout"),
	KNOB("max_map_count"),
	KNOB("min_free_kbytes"),
	KNOB("mmap_min_addr"),
	KNOB("nr_hugepages"),
	KNOB("nr_overcommit_hugepages"),
	KNOB("oom_dump_tasks"),
	KNOB("oom_kill_allocating_task"),
	KNOB("overcommit_kbytes"),
	KNOB("overcommit_memory"),
	KNOB("overcommit_ratio"),
	KNOB("page-cluster"),
	KNOB("panic_on_oom"),
	KNOB("stat_interval"),
	KNOB("swappiness"),
	KNOB("unprivileged_userfaultfd"),
	KNOB("user_reserve_kbytes"),
	KNOB("vfs_cache_pressure"),
	KNOB("watermark_scale_factor"),
	KNOB("zone_reclaim_mode"),
	END,
};

/* --- net/ */

static int show_port_range(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, "32768\t60999\n");
	return 0;
}

static int show_tcp_mem(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, p->node->name[4] == 'r' ? "4096\t131072\t6291456\n"
					     : "4096\t16384\t4194304\n");
	return 0;
}

static int show_cc(UNUSED struct proc_inode *p, struct strbuf *out)
{
	sb_puts(out, p->node->name[4] == 'a' ? "reno cubic\n" : "cubic\n");
	return 0;
}

static const struct proc_node net_core[] = {
	KNOB("netdev_max_backlog"),
	KNOB("rmem_default"),
	KNOB("rmem_max"),
	KNOB("somaxconn"),
	KNOB("wmem_default"),
	KNOB("wmem_max"),
	END,
};

static const struct proc_node net_ipv4[] = {
	KNOB("ip_forward"),
	PROC_FILE("ip_local_port_range", show_port_range),
	KNOB("ip_unprivileged_port_start"),
	PROC_FILE("tcp_allowed_congestion_control", show_cc),
	PROC_FILE("tcp_available_congestion_control", show_cc),
	PROC_FILE("tcp_congestion_control", show_cc),
	KNOB("tcp_fin_timeout"),
	KNOB("tcp_keepalive_intvl"),
	KNOB("tcp_keepalive_probes"),
	KNOB("tcp_keepalive_time"),
	KNOB("tcp_max_syn_backlog"),
	PROC_FILE("tcp_rmem", show_tcp_mem),
	KNOB("tcp_sack"),
	KNOB("tcp_syncookies"),
	KNOB("tcp_timestamps"),
	KNOB("tcp_tw_reuse"),
	KNOB("tcp_window_scaling"),
	PROC_FILE("tcp_wmem", show_tcp_mem),
	END,
};

static const struct proc_node net_unix[] = {
	KNOB("max_dgram_qlen"),
	END,
};

static const struct proc_node net_ipv6_conf_any[] = {
	KNOB("disable_ipv6"),
	END,
};

static const struct proc_node net_ipv6_conf[] = {
	PROC_DIR("all", net_ipv6_conf_any),
	PROC_DIR("default", net_ipv6_conf_any),
	END,
};

static const struct proc_node net_ipv6[] = {
	KNOB("bindv6only"),
	PROC_DIR("conf", net_ipv6_conf),
	END,
};

static const struct proc_node net_dir[] = {
	PROC_DIR("core", net_core),
	PROC_DIR("ipv4", net_ipv4),
	PROC_DIR("ipv6", net_ipv6),
	PROC_DIR("unix", net_unix),
	END,
};

const struct proc_node proc_sys[] = {
	PROC_DIR("fs", fs_dir),
	PROC_DIR("kernel", kernel_dir),
	PROC_DIR("net", net_dir),
	PROC_DIR("vm", vm_dir),
	END,
};

/* The node of "net.core.somaxconn", where a name may hold dots: also with
 * slashes. */
static const struct proc_node *find_node(const char *name)
{
	const struct proc_node *dir = proc_sys, *n = NULL;

	for (size_t len; *name; name += len + (name[len] != 0)) {
		len = strcspn(name, "./");
		for (n = dir; n && n->name; n++)
			if (strlen(n->name) == len &&
				!strncmp(n->name, name, len))
				break;
		if (!n || !n->name)
			return NULL;
		dir = n->children;
	}
	return n;
}

int proc_sysctl(const char *name, const char *value)
{
	const struct proc_node *n = find_node(name);
	char *end;
	long long v = strtoll(value, &end, 0);

	if (!n || n->children)
		return -ENOENT;
	if (n->store != store_knob)
		return -EACCES;
	for (size_t i = 0; i < ARRAY_SIZE(knobs); i++) {
		if (strcmp(knobs[i].name, n->name))
			continue;
		if (end == value || *end || v < knobs[i].min ||
			v > knobs[i].max)
			return -EINVAL;
		knobs[i].value = v;
		return 0;
	}
	return -ENOENT;
}
