/*
 * kernel.h - the root of the sandbox's kernel, and what the control server may do.
 *
 * One kernel a sandbox process; a kernel holds containers, a container owns a
 * mount namespace, a pid namespace, an UTS namespace and its stdio.  Everything here is
 * called from control threads (current == NULL), never from a guest task.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/err.h"
#include "core/list.h"
#include "core/lock.h"

struct container;
struct mnt_ns;
struct pid_ns;
struct strbuf;
struct tgroup;
struct tty;
struct uts_ns;

struct kernel_conf {
	const char *release;		/* uname -r */
	uint64_t memory;		/* bytes the guest may use; total RAM it sees */
	unsigned ncpu;			/* CPUs the guest sees */
	bool strace;
	const char *strace_syscalls;	/* comma-separated; NULL: all */
	unsigned strace_size;		/* bytes of a buffer that are shown */
	bool allow_suid;
	bool marker_file;		/* /proc/gvisor/kernel_is_gvisor */
	const char *override_procs;
	uint64_t mem_reserve;		/* sizes of the physical space, 0: default */
};

struct kernel {
	struct kernel_conf conf;	/* I */
	struct mutex control_lock;
	struct list containers GUARDED_BY(lc_control);
	int64_t boot_time;		/* I: CLOCK_MONOTONIC ns when the sandbox began */
	uint64_t boot_id[2];		/* I: /proc/sys/kernel/random/boot_id */
};
LOCK_OPS(control, struct kernel, control_lock)

extern struct kernel kernel;

/* After isolation, before any container.  Copies what it needs. */
int kernel_init(const struct kernel_conf *conf, struct err *e) MUST_CHECK;

struct rlimit_conf { int resource; uint64_t cur, max; };	/* RLIMIT_* */

struct process_conf {
	const char *const *argv, *const *envp;	/* NULL-terminated */
	const char *cwd;
	uint32_t uid, gid;
	const uint32_t *groups;
	size_t ngroups;
	unsigned umask;
	bool set_umask;
	uint64_t cap_bounding, cap_permitted, cap_effective, cap_inheritable, cap_ambient;
	bool no_new_privs;
	const struct rlimit_conf *rlimits;
	size_t nrlimits;
	int oom_score_adj;
	bool hook;			/* runs before the container's first process, which it is not */
	bool terminal;			/* stdio[0] is a host pty: becomes a guest tty */
	uint16_t rows, cols;		/* first size of the tty, 0: ask the pty */
	int stdio[3];			/* host fds, consumed; -1: /dev/null */
	const int *pass_host, *pass_guest;	/* --pass-fd: host fds (consumed) and their numbers */
	size_t npass;
};

struct mount_conf {
	const char *type;		/* "bind": through @sock; else a kernel filesystem */
	const char *source, *dest;	/* dest: absolute, inside the container */
	const char *data;		/* remaining options, comma-separated; may be NULL */
	unsigned flags;			/* MS_* */
	int sock;			/* bind: its own 9P socket (consumed), else -1 */
	bool exclusive;
	bool is_file;			/* bind of a single file */
	bool copyup;			/* tmpfs: begins with a copy of what lies below */
};

struct device_conf {
	const char *path;		/* absolute, inside the container */
	uint32_t mode;			/* S_IFCHR, S_IFBLK or S_IFIFO, and permissions */
	uint64_t rdev;
	uint32_t uid, gid;
};

struct container_conf {
	const char *id, *hostname, *domainname;
	int root_sock;			/* 9P socket of the rootfs, consumed */
	bool root_readonly, root_exclusive;
	const struct mount_conf *mounts;	/* in order */
	size_t nmounts;
	const struct device_conf *devices;
	size_t ndevices;
	const char *const *masked, *const *readonly;	/* paths, NULL-terminated or NULL */
	const char *const *sysctl;	/* "name=value", NULL-terminated or NULL */
	unsigned pids_limit;		/* 0: none */
};

struct container {
	struct list link;
	char *id;			/* I */
	struct kernel *kernel;		/* I */
	struct mnt_ns *mnt_ns;		/* I: reference */
	struct pid_ns *pid_ns;		/* I: reference */
	struct uts_ns *uts;		/* I: reference */
	struct tgroup *init;		/* reference, once started */
	struct tty *console;		/* reference: of the init process; NULL */
	atomic_uint pids_limit;		/* a: 0 none */
	/* lc_tasklist: the last processes from outside that ended, a ring; nended counts them all */
	struct { int pid, status; } ended[1024];
	unsigned nended;
	bool paused;			/* lc_control */
};

/* Mounts everything; nothing runs yet.  The container lives until the sandbox ends. */
int container_create(const struct container_conf *conf, struct container **out, struct err *e) MUST_CHECK;
/* The mount half: sets c->mnt_ns, consumes the sockets.  container_mounts.c */
int container_mounts(const struct container_conf *conf, struct container *c, struct err *e) MUST_CHECK;
struct container *container_find(const char *id);
/*
 * Would the program start?  Looks it up (PATH of envp, cwd) and reads its header:
 * -ENOENT "executable file not found", -EACCES "permission denied", -ENOEXEC...
 */
int container_check(struct container *c, const struct process_conf *p, struct err *e) MUST_CHECK;
/* Starts a process: the first one is the container's init. *@pid: in the container. */
int container_exec(struct container *c, const struct process_conf *p, pid_t *pid, struct err *e) MUST_CHECK;
/*
 * Blocks until the process has ended: wait(2) status.  Also of one from outside that ended before;
 * nobody has to ask, such a process is no zombie.
 */
int container_wait(struct container *c, pid_t pid, int *status, struct err *e) MUST_CHECK;
/* pid 0: init.  all: every process.  pgid: pid names a group (0: foreground group of the console). */
int container_signal(struct container *c, pid_t pid, bool all, bool pgid, int sig, struct err *e) MUST_CHECK;
/* Limits that change while it runs: processes and threads (0: none), bytes of memory of the whole sandbox. */
void container_set_pids(struct container *c, unsigned limit);
void kernel_set_memory(uint64_t bytes);
int container_pause(struct container *c, struct err *e) MUST_CHECK;	/* returns when all are frozen */
int container_resume(struct container *c, struct err *e) MUST_CHECK;
/* Terminal size, of the tty that process @pid was started with. */
int container_resize(struct container *c, pid_t pid, uint16_t rows, uint16_t cols, struct err *e) MUST_CHECK;

struct process_info {
	int pid, ppid, nthreads;
	uint32_t uid, gid;
	int64_t start_ns;		/* since the sandbox began */
	int64_t cpu_ns;
	const char *tty;		/* "pts/0", "?" */
	const char *cmd;		/* comm */
	char state;
};
/* Calls @fn for each process, in order of pid. */
void container_processes(struct container *c, void (*fn)(void *arg, const struct process_info *p), void *arg);
/* What each task of the sandbox does now: debug --stacks.  Takes no lock that a task may hold for long. */
void kernel_stacks(struct strbuf *out);
void kernel_set_strace(bool on, const char *syscalls);
