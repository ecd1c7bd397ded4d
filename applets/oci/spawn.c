/*
 * spawn.c - the two processes of a sandbox: gofer and kernel.
 *
 * Theory of operation.  The command clones the gofer (mount namespace) and the
 * sandbox (user, pid, ipc, uts, mount and, when the spec asks, net namespace).
 * Each child first waits for one byte on its hold pipe; end of file there means
 * that the command died, and the child ends.  Between clone and that byte the
 * command writes the id maps, moves the sandbox into its cgroup, saves both
 * pids in the state file and runs the hooks that want to see the namespaces.
 *
 * The children do the isolation that needs privilege before they execute
 * themselves: the new program begins where no host file has a name.
 */
#include "applets/oci/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "applets/boot/isolate.h"
#include "applets/oci/gofer_root.h"
#include "core/fdio.h"
#include "core/fdpass.h"
#include "core/log.h"
#include "core/own.h"
#include "core/str.h"
#include "fs9p/frame.h"

/* --- what a child is given */

void donor_init(struct donor *d, const char *name)
{
	*d = (struct donor){ .cap = 64 };
	d->argv = xzalloc(d->cap * sizeof *d->argv);
	donor_arg(d, "%s", name);
}

static void push(struct donor *d, char *arg)
{
	if (d->argc + 2 > d->cap) {
		char **more = xzalloc(2 * d->cap * sizeof *more);
		memcpy(more, d->argv, d->argc * sizeof *more);
		free(d->argv);
		d->argv = more;
		d->cap *= 2;
	}
	d->argv[d->argc++] = arg;
}

void donor_arg(struct donor *d, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	push(d, text);
}

void donor_fd(struct donor *d, const char *flag, int fd)
{
	if (fd < 0 || d->nfds == DONOR_FDS)
		return;
	donor_arg(d, "--%s=%zu", flag, 3 + d->nfds);
	d->fd[d->nfds++] = fd;
}

void donor_globals(
	struct donor *d, const struct config *conf, int log_fd, int debug_fd)
{
	static const char *const formats[] = { "text", "json", "json-k8s" };
	char *args[64];
	size_t n = config_args(conf, args, ARRAY_SIZE(args));

	donor_arg(d, "--root=%s", config_root(conf));
	if (conf->log[0]) {
		donor_arg(d, "--log=%s", conf->log);
		donor_arg(d, "--log-format=%s", formats[conf->log_format]);
	}
	donor_fd(d, "log-fd", log_fd);
	donor_fd(d, "debug-log-fd", debug_fd);
	for (size_t i = 0; i < n; i++)
		push(d, args[i]);
}

void donor_fini(struct donor *d)
{
	for (size_t i = 0; i < d->argc; i++)
		free(d->argv[i]);
	free(d->argv);
	*d = (struct donor){ 0 };
}

static int lift(int fd, int min, struct err *e)
{
	int up = fcntl(fd, F_DUPFD_CLOEXEC, min);

	return up < 0 ? err_set(e, errno, "descriptor %d: %s", fd,
				strerror(errno))
		      : up;
}

int donor_place(
	struct donor *d, const int stdio[3], int *exe, int *hold, struct err *e)
{
	int top = 3 + (int)d->nfds + 2, std[3], keep[2];
	int *extra[2] = { exe, hold };
	size_t nkeep = 0;

	/* First everything out of the way, then each to its place. */
	for (size_t i = 0; i < d->nfds; i++)
		if ((d->fd[i] = lift(d->fd[i], top, e)) < 0)
			return -e->code;
	for (int i = 0; i < 3; i++) {
		int fd = stdio[i] >= 0 ? stdio[i]
				       : open("/dev/null", O_RDWR | O_CLOEXEC);
		if ((std[i] = lift(fd, top, e)) < 0)
			return -e->code;
	}
	for (int i = 0; i < 2; i++)
		if (extra[i] && (*extra[i] = lift(*extra[i], top, e)) < 0)
			return -e->code;
	for (int i = 0; i < 3; i++)
		if (dup2(std[i], i) < 0)
			return err_set(e, errno, "dup2: %s", strerror(errno));
	for (size_t i = 0; i < d->nfds; i++) {
		if (dup2(d->fd[i], 3 + i) < 0)
			return err_set(e, errno, "dup2: %s", strerror(errno));
		d->fd[i] = 3 + i;
	}
	for (int i = 0; i < 2; i++) {
		int to = top - 2 + i;
		if (!extra[i])
			continue;
		if (dup3(*extra[i], to, O_CLOEXEC) < 0)
			return err_set(e, errno, "dup3: %s", strerror(errno));
		*extra[i] = keep[nkeep++] = to;
	}
	close_others(3 + d->nfds, keep, nkeep);
	return 0;
}

/* A copy in memory, for an executable that nobody may not read. */
static int copy_exe(int fd, struct err *e)
{
	char buf[65536];
	ssize_t n;
	own_fd int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	own_fd int out = memfd_create("runsc", MFD_CLOEXEC);

	if (in < 0 || out < 0)
		return err_set(
			e, errno, "copying the program: %s", strerror(errno));
	while ((n = read(in, buf, sizeof buf)) > 0)
		if (write_full(out, buf, n))
			n = -1;
	if (n < 0 || fchmod(out, 0755))
		return err_set(
			e, errno, "copying the program: %s", strerror(errno));
	close(fd);
	return give_fd(&out);
}

int self_exe(struct err *e)
{
	int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return err_set(e, errno,
			"/proc/self/exe: %s (is /proc "
			"mounted?)",
			strerror(errno));
	if (fstat(fd, &st) == 0 && (st.st_mode & 05) == 05)
		return fd;
	return copy_exe(fd, e);
}

/* --- the children */

static pid_t clone_child(unsigned long flags)
{
	return syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
}

static void wait_hold(int hold)
{
	char c;
	ssize_t n;

	do
		n = read(hold, &c, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(0);
	close(hold);
}

static void reset_signals(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int i = 1; i < 32; i++)
		if (i != SIGKILL && i != SIGSTOP)
			sigaction(i, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void boot_tell(int sock, const struct err *e)
{
	struct boot_result r = { .code = e->code };

	memcpy(r.msg, e->msg, sizeof r.msg);
	(void)!write_full(sock, &r, sizeof r); /* the reader may be gone */
}

static NORETURN void tell_and_die(int sock, struct err *e)
{
	e->code = e->code ? e->code : EIO;
	boot_tell(sock, e);
	_exit(1);
}

int own_fds(struct err *e)
{
	int fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_set(e, errno,
				"/proc/self/fd: %s (is /proc mounted?)",
				strerror(errno))
		      : fd;
}

/*
 * Not by execveat(2): TOMOYO, which Debian's kernels have switched on, looks
 * up the name of what is executed, and a descriptor's is /dev/fd/N: there is
 * none in an empty root.
 */
int exec_own(int exe, int fds, char **argv, struct err *e)
{
	static char *envp[] = { NULL };
	char name[16];

	snprintf(name, sizeof name, "%d", exe);
	if (!fchdir(fds))
		execve(name, argv, envp);
	return err_set(e, errno, "executing %s: %s", argv[0], strerror(errno));
}

struct child {
	struct spawn *s;
	struct donor d;
	int exe, hold;
	size_t report;    /* index in donor of the socket for errors */
	int mounts, proc; /* gofer: indices of --mounts-fd, --proc-fd */
	bool userns;
	int words;     /* sandbox: its standard error */
	uint64_t caps; /* sandbox: kept in its user namespace */
};

/*
 * A sanitizer build is a dynamic program: its interpreter and libraries must
 * have names when it executes itself.  Its gofer changes the root afterwards;
 * its sandbox, a tool for tests, does not.
 */
static bool needs_files(void)
{
	return getauxval(AT_BASE) != 0;
}

static NORETURN void gofer_child(struct child *c)
{
	const int stdio[3] = { -1, -1, -1 };
	struct err e = { 0 };
	int report = c->d.fd[c->report];

	reset_signals();
	setsid();
	if (donor_place(&c->d, stdio, &c->exe, &c->hold, &e))
		tell_and_die(report, &e);
	report = 3 + c->report;
	wait_hold(c->hold);
	if (c->userns && (setresgid(0, 0, 0) || setresuid(0, 0, 0))) {
		err_set(&e, errno, "setuid: %s", strerror(errno));
		tell_and_die(report, &e);
	}
	/* The server reaches through it what an O_PATH descriptor cannot do. */
	int fds = own_fds(&e);
	if (fds < 0)
		tell_and_die(report, &e);
	if (dup2(fds, 3 + c->proc) < 0) {
		err_set(&e, errno, "dup2: %s", strerror(errno));
		tell_and_die(report, &e);
	}
	/* A relative source of a mount is one in the bundle. */
	if (chdir(c->s->state->bundle)) {
		err_set(&e, errno, "bundle %s: %s", c->s->state->bundle,
			strerror(errno));
		tell_and_die(report, &e);
	}
	if (!needs_files() &&
		gofer_root(&c->s->state->spec, config_root(&c->s->state->conf),
			3 + c->mounts, &e))
		tell_and_die(report, &e);
	exec_own(c->exe, fds, c->d.argv, &e);
	tell_and_die(report, &e);
}

static NORETURN void sandbox_child(struct child *c)
{
	const int stdio[3] = { -1, -1, c->words };
	struct err e = { 0 };
	int report = c->d.fd[c->report];

	reset_signals();
	setsid();
	if (donor_place(&c->d, stdio, &c->exe, &c->hold, &e))
		tell_and_die(report, &e);
	report = 3 + c->report;
	wait_hold(c->hold);
	int fds = own_fds(&e);
	/* In a new user namespace only nobody can own the empty root. */
	if (fds < 0 || isolate_mounts(&e) ||
		(!c->userns && !needs_files() && isolate_empty_root(&e)) ||
		isolate_nobody(&e) ||
		(c->userns && !needs_files() && isolate_empty_root(&e)) ||
		isolate_caps(c->userns ? c->caps : 0, true, &e))
		tell_and_die(report, &e);
	exec_own(c->exe, fds, c->d.argv, &e);
	tell_and_die(report, &e);
}

/* --- sizes that the guest sees */

/* How many of @set are in a list like "0-2,4"; all for one that is no list. */
static unsigned count_list(const char *list, const cpu_set_t *set)
{
	unsigned n = 0, from, to;
	int len;

	for (const char *p = list; *p; p += len + (p[len] == ',')) {
		if (sscanf(p, "%u-%u%n", &from, &to, &len) != 2) {
			if (sscanf(p, "%u%n", &from, &len) != 1)
				return CPU_COUNT(set);
			to = from;
		}
		for (; from <= to && from < CPU_SETSIZE; from++)
			n += CPU_ISSET(from, set) ? 1 : 0;
	}
	return n ? n : CPU_COUNT(set);
}

static unsigned count_cpus(const struct spawn *s)
{
	const struct json *res = s->state->spec.resources;
	int64_t quota = json_int(json_path(res, "cpu.quota"), 0);
	int64_t period = json_int(json_path(res, "cpu.period"), 0);
	unsigned n = 1, want;
	cpu_set_t set;

	if (!sched_getaffinity(0, sizeof set, &set))
		n = count_list(json_str(json_path(res, "cpu.cpus"), ""), &set);
	if (!s->state->conf.cpu_from_quota || quota <= 0)
		return n;
	want = (quota + (period > 0 ? period : 100000) - 1) /
	       (period > 0 ? period : 100000);
	return want < 2 ? MIN(n, 2U) : MIN(n, want);
}

/*
 * The host's cgroup counts what the sandbox itself needs too, its processes'
 * page tables included.  Were the guest given all, the host would end the whole
 * sandbox where our kernel ends one process.
 */
#define OWN_MEMORY (8ULL << 20)

uint64_t guest_memory(int64_t limit)
{
	uint64_t total = 0, want = limit > 0 ? (uint64_t)limit : UINT64_MAX;
	struct sysinfo si;

	if (!sysinfo(&si))
		total = (uint64_t)si.totalram * si.mem_unit;
	if (want >= total)
		return total;
	return want - MIN(want / 2, OWN_MEMORY + want / 32);
}

/* --- both */

#define MAX_IO 250

struct plumbing {
	int io[MAX_IO][2]; /* [0] gofer, [1] sandbox */
	size_t nio;
	int spec, mounts[2], boot[2], gofer_err[2], words[2];
};

static void plumbing_init(struct plumbing *p)
{
	*p = (struct plumbing){ .spec = -1 };
	p->mounts[0] = p->mounts[1] = p->boot[0] = p->boot[1] = -1;
	p->gofer_err[0] = p->gofer_err[1] = -1;
	p->words[0] = p->words[1] = -1;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void plumbing_fini(struct plumbing *p)
{
	for (size_t i = 0; i < p->nio; i++) {
		close_fd(&p->io[i][0]);
		close_fd(&p->io[i][1]);
	}
	close_fd(&p->spec);
	for (int i = 0; i < 2; i++) {
		close_fd(&p->mounts[i]);
		close_fd(&p->boot[i]);
		close_fd(&p->gofer_err[i]);
		close_fd(&p->words[i]);
	}
}

static int spec_memfd(const struct spec *spec, struct err *e)
{
	own_fd int fd =
		memfd_create("config.json", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || write_full(fd, spec->text, spec->len) ||
		lseek(fd, 0, SEEK_SET))
		return err_set(e, errno, "passing the specification on: %s",
			strerror(errno));
	fcntl(fd, F_ADD_SEALS,
		F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	return give_fd(&fd);
}

static int plumb(struct plumbing *p, const struct spec *spec, struct err *e)
{
	size_t want = 1;

	for (size_t i = 0; i < spec->nmounts; i++)
		want += spec->mounts[i].bind;
	if (want > MAX_IO)
		return err_set(e, E2BIG,
			"%zu bind mounts: at most %d are "
			"possible",
			want - 1, MAX_IO - 1);
	p->spec = spec_memfd(spec, e);
	if (p->spec < 0)
		return -e->code;
	for (; p->nio < want; p->nio++)
		if (p9_socketpair(p->io[p->nio]))
			return err_set(
				e, errno, "socketpair: %s", strerror(errno));
	/* Full or without a reader, the words are dropped. */
	if (pipe2(p->words, O_CLOEXEC | O_NONBLOCK) ||
		pipe2(p->mounts, O_CLOEXEC) || pipe2(p->gofer_err, O_CLOEXEC) ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p->boot))
		return err_set(e, errno, "pipe: %s", strerror(errno));
	return 0;
}

static int start_gofer(
	struct spawn *s, struct plumbing *p, int exe, struct err *e)
{
	struct child c = { .s = s, .exe = exe };
	const struct config *conf = &s->state->conf;
	unsigned long flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;
	int hold[2];
	pid_t pid;

	own_fd int debug = config_debug_log(conf, "gofer", s->state->id);
	if (pipe2(hold, O_CLOEXEC))
		return err_set(e, errno, "pipe: %s", strerror(errno));
	c.hold = hold[0];
	c.userns = conf->nonroot && geteuid();
	donor_init(&c.d, "runsc-gofer");
	donor_globals(&c.d, conf, log_user_fd(), debug);
	donor_arg(&c.d, "gofer");
	donor_arg(&c.d, "--bundle=%s", s->state->bundle);
	donor_fd(&c.d, "spec-fd", p->spec);
	c.mounts = c.d.nfds;
	donor_fd(&c.d, "mounts-fd", p->mounts[1]);
	for (size_t i = 0; i < p->nio; i++)
		donor_fd(&c.d, "io-fds", p->io[i][0]);
	c.report = c.d.nfds;
	donor_fd(&c.d, "sync-fd", p->gofer_err[1]);
	c.proc = c.d.nfds; /* a place: the child puts its own there */
	donor_fd(&c.d, "proc-fd", p->gofer_err[1]);
	donor_arg(&c.d, "--setup-root=%s", needs_files() ? "true" : "false");
	donor_arg(&c.d, "%s", s->state->id);
	pid = clone_child(flags | (c.userns ? CLONE_NEWUSER : 0));
	if (pid == 0)
		gofer_child(&c);
	donor_fini(&c.d);
	close(hold[0]);
	s->hold_gofer = hold[1];
	if (pid < 0)
		return err_set(
			e, errno, "starting the gofer: %s", strerror(errno));
	s->state->gofer = proc_of(pid);
	return 0;
}

/* clone(2) with the namespaces, without the one that this host refuses. */
static pid_t clone_sandbox(struct child *c, unsigned long flags, struct err *e)
{
	pid_t pid = clone_child(flags | CLONE_NEWUSER);

	c->userns = true;
	if (pid >= 0 || (errno != EPERM && errno != EINVAL && errno != ENOSPC &&
				errno != EUSERS))
		return pid;
	if (c->s->state->spec.ns[NS_USER].present)
		return err_set(e, errno,
			"linux.namespaces asks for a user "
			"namespace, but this host makes none (%s): see "
			"user.max_user_namespaces in sysctl",
			strerror(errno));
	log_warn("this host makes no user namespace (%s): the sandbox runs "
		 "as nobody without one",
		strerror(errno));
	c->userns = false;
	return clone_child(flags);
}

static unsigned long sandbox_namespaces(const struct spec *spec)
{
	unsigned long flags =
		CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;

	if (spec->ns[NS_NET].present && !spec->ns[NS_NET].path)
		flags |= CLONE_NEWNET;
	return flags;
}

/* Enters the network namespace at linux.namespaces' path; *@old leads back. */
static int enter_netns(const struct spec *spec, int *old, struct err *e)
{
	const char *path = spec->ns[NS_NET].path;

	*old = -1;
	if (!path)
		return 0;
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno,
			"linux.namespaces: network namespace "
			"%s: %s",
			path, strerror(errno));
	*old = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (*old < 0 || setns(fd, CLONE_NEWNET))
		return err_set(e, errno, "entering network namespace %s: %s",
			path, strerror(errno));
	return 0;
}

/* Yama, from "admin only" on, wants CAP_SYS_PTRACE of a tracer, over its own
 * children too. */
static uint64_t platform_caps(void)
{
	struct err none;
	size_t len;
	own_mem char *scope = read_file(AT_FDCWD,
		"/proc/sys/kernel/yama/ptrace_scope", 16, &len, &none);

	return scope && atoi(scope) >= 2 ? 1ULL << CAP_SYS_PTRACE : 0;
}

static int start_sandbox(
	struct spawn *s, struct plumbing *p, int exe, struct err *e)
{
	struct child c = { .s = s, .exe = exe, .words = p->words[1] };
	const struct config *conf = &s->state->conf;
	int hold[2], netns;
	pid_t pid;

	own_fd int debug = config_debug_log(conf, "boot", s->state->id);
	if (enter_netns(&s->state->spec, &netns, e))
		return -e->code;
	if (pipe2(hold, O_CLOEXEC))
		return err_set(e, errno, "pipe: %s", strerror(errno));
	c.hold = hold[0];
	c.caps = platform_caps();
	donor_init(&c.d, "runsc-sandbox");
	donor_globals(&c.d, conf, log_user_fd(), debug);
	donor_arg(&c.d, "boot");
	donor_arg(&c.d, "--bundle=%s", s->state->bundle);
	donor_fd(&c.d, "controller-fd", s->controller);
	donor_fd(&c.d, "mounts-fd", p->mounts[0]);
	donor_fd(&c.d, "spec-fd", p->spec);
	c.report = c.d.nfds;
	donor_fd(&c.d, "start-sync-fd", p->boot[1]);
	for (size_t i = 0; i < p->nio; i++)
		donor_fd(&c.d, "io-fds", p->io[i][1]);
	for (int i = 0; i < 3; i++)
		donor_fd(&c.d, "stdio-fds", s->stdio[i]);
	for (size_t i = 0; i < s->npass; i++) {
		donor_arg(&c.d, "--pass-fd=%zu:%d", 3 + c.d.nfds,
			s->pass_guest[i]);
		c.d.fd[c.d.nfds++] = s->pass_host[i];
	}
	donor_fd(&c.d, "exit-fd", s->exit);
	donor_fd(&c.d, "user-log-fd", s->user_log);
	donor_arg(&c.d, "--cpu-num");
	donor_arg(&c.d, "%u", count_cpus(s));
	donor_arg(&c.d, "--total-memory");
	donor_arg(&c.d, "%llu",
		(unsigned long long)guest_memory(json_int(
			json_path(s->state->spec.resources, "memory.limit"),
			0)));
	if (s->attached)
		donor_arg(&c.d, "--attached");
	donor_arg(&c.d, "%s", s->state->id);
	pid = clone_sandbox(&c, sandbox_namespaces(&s->state->spec), e);
	if (pid == 0)
		sandbox_child(&c);
	if (netns >= 0) {
		(void)!setns(netns, CLONE_NEWNET); /* back to our own */
		close(netns);
	}
	donor_fini(&c.d);
	close(hold[0]);
	s->hold_sandbox = hold[1];
	if (pid < 0)
		return e->code ? -e->code
			       : err_set(e, errno, "starting the sandbox: %s",
					 strerror(errno));
	s->state->sandbox = proc_of(pid);
	return 0;
}

int spawn_processes(struct spawn *s, struct err *e)
{
	struct plumbing p;
	int exe, err;

	s->hold_gofer = s->hold_sandbox = s->boot = s->gofer_err = -1;
	s->last_words = -1;
	plumbing_init(&p);
	exe = self_exe(e);
	err = exe < 0 ? exe : plumb(&p, &s->state->spec, e);
	if (!err)
		err = start_gofer(s, &p, exe, e);
	if (!err)
		err = start_sandbox(s, &p, exe, e);
	if (exe >= 0)
		close(exe);
	s->boot = give_fd(&p.boot[0]);
	s->gofer_err = give_fd(&p.gofer_err[0]);
	s->last_words = give_fd(&p.words[0]);
	plumbing_fini(&p);
	return err;
}

static int write_proc(pid_t pid, const char *file, const char *text)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
	own_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int write_maps(
	pid_t pid, unsigned inside, unsigned uid, unsigned gid, struct err *e)
{
	char umap[40], gmap[40];
	int err;

	snprintf(umap, sizeof umap, "%u %u 1", inside, uid);
	snprintf(gmap, sizeof gmap, "%u %u 1", inside, gid);
	if (geteuid())
		(void)!write_proc(pid, "setgroups", "deny");
	err = write_proc(pid, "uid_map", umap);
	if (!err)
		err = write_proc(pid, "gid_map", gmap);
	return err ? err_set(e, -err, "user id map of process %d: %s", pid,
			     strerror(-err))
		   : 0;
}

static bool same_userns(pid_t pid)
{
	struct stat a, b;
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
	return !stat(path, &a) && !stat("/proc/self/ns/user", &b) &&
	       a.st_ino == b.st_ino;
}

/* Score first: lowering it needs a capability that some hosts withhold. */
static void set_oom_score(const struct spawn *s)
{
	const struct spec_process *p = &s->state->spec.process;
	char text[16];
	int err;

	if (!p->set_oom)
		return;
	snprintf(text, sizeof text, "%d", p->oom_score_adj);
	err = write_proc(s->state->sandbox.pid, "oom_score_adj", text);
	if (err)
		log_warn("process.oomScoreAdj %s: %s", text, strerror(-err));
}

static int let_go(int *hold)
{
	int err = write_full(*hold, "g", 1);

	close_fd(hold);
	return err;
}

int spawn_go(struct spawn *s, struct err *e)
{
	pid_t pid = s->state->sandbox.pid, gofer = s->state->gofer.pid;
	unsigned uid = geteuid(), gid = getegid();

	if (uid && !same_userns(gofer) && write_maps(gofer, 0, uid, gid, e))
		return -e->code;
	if (!same_userns(pid) && write_maps(pid, NOBODY, uid ? uid : NOBODY,
					 uid ? gid : NOBODY, e))
		return -e->code;
	set_oom_score(s);
	if (cgroup_enter(s->cgroup, pid, e))
		return -e->code;
	/* A child that is gone already shows in spawn_wait(). */
	(void)!let_go(&s->hold_gofer);
	(void)!let_go(&s->hold_sandbox);
	return 0;
}

void last_words(int fd, char *buf, size_t n)
{
	ssize_t len;
	size_t have = 0;

	while (fd >= 0 && n > 2) {
		if (have == n - 1) { /* the newer half is worth more */
			memmove(buf, buf + n / 2, have - n / 2);
			have -= n / 2;
		}
		len = read(fd, buf + have, n - 1 - have);
		if (len <= 0)
			break;
		have += len;
	}
	buf[have] = 0;
	for (char *p = buf; *p; p++)
		if (*p == '\n')
			*p = p[1] ? ';' : 0;
}

static int sandbox_died(struct spawn *s, struct err *e)
{
	char words[300];
	int status = 0;
	pid_t pid = s->state->sandbox.pid;

	kill(pid, SIGKILL); /* it closed its end: it is dead or broken */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	last_words(s->last_words, words, sizeof words);
	if (WIFSIGNALED(status))
		return err_set(e, EPIPE,
			"the sandbox was killed by signal %d "
			"(%s) before it was ready%s%s",
			WTERMSIG(status), strsignal(WTERMSIG(status)),
			words[0] ? ": " : "", words);
	return err_set(e, EPIPE,
		"the sandbox ended with status %d before it "
		"was ready%s%s",
		WEXITSTATUS(status), words[0] ? ": " : "", words);
}

/* True, with the gofer's own sentence in @e, when it failed. */
static bool gofer_failed(struct spawn *s, struct err *e)
{
	struct boot_result r;

	if (s->gofer_err < 0 || read_full(s->gofer_err, &r, sizeof r))
		return false;
	r.msg[sizeof r.msg - 1] = 0;
	err_set(e, r.code ? r.code : EIO, "%s", r.msg);
	return true;
}

int spawn_wait(struct spawn *s, struct err *e)
{
	struct boot_result r;
	int err = read_full(s->boot, &r, sizeof r);

	if (!err && r.code == 0)
		return 0;
	/* A gofer that could not start is the cause of what the sandbox saw. */
	if (gofer_failed(s, e))
		return -e->code;
	if (err)
		return sandbox_died(s, e);
	r.msg[sizeof r.msg - 1] = 0;
	return err_set(e, r.code, "%s", r.msg);
}

void spawn_fini(struct spawn *s)
{
	close_fd(&s->hold_gofer);
	close_fd(&s->hold_sandbox);
	close_fd(&s->boot);
	close_fd(&s->gofer_err);
	close_fd(&s->last_words);
}
