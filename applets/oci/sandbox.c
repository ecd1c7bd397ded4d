/* sandbox.c - a container's life as seen by the commands: create, start, end.
 */
#include "applets/oci/sandbox.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "applets/oci/hooks.h"
#include "core/log.h"
#include "core/own.h"
#include "core/str.h"
#include "platform/platform.h"

#define MAX_PASS 64

/* --- the control socket */

static void sock_name(const struct cstate *s, int dirfd, struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(a->sun_path, sizeof a->sun_path, "/proc/self/fd/%d/%s", dirfd,
		s->sock);
}

static int listen_control(const struct cstate *s, struct err *e)
{
	own_fd int dir = open(s->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	own_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un a;
	mode_t old = umask(0177);
	int err;

	sock_name(s, dir, &a);
	err = fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) ||
			      listen(fd, 64)
		      ? errno
		      : 0;
	umask(old);
	if (err)
		return err_set(e, err, "control socket %s/%s: %s", s->root,
			s->sock, strerror(err));
	return give_fd(&fd);
}

int sandbox_connect(const struct cstate *s, struct err *e)
{
	own_fd int dir = open(s->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	own_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un a;

	if (s->status == ST_STOPPED || s->status == ST_CREATING)
		return err_set(e, ESRCH,
			"container \"%s\" is %s: container "
			"not running",
			s->id, status_names[s->status]);
	sock_name(s, dir, &a);
	if (dir < 0 || fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a))
		return err_set(e, errno,
			"container \"%s\": its control "
			"socket %s/%s: %s: container not running",
			s->id, s->root, s->sock, strerror(errno));
	return give_fd(&fd);
}

int sandbox_call(const struct cstate *s, const char *method,
	const struct json *arg, struct urpc_msg *reply, struct err *e)
{
	own_fd int fd = sandbox_connect(s, e);

	if (fd < 0)
		return fd;
	return urpc_call(fd, method, arg, NULL, 0, reply, e);
}

/* --- create */

int write_pid_file(const char *path, pid_t pid, struct err *e)
{
	own_mem char *tmp = xasprintf("%s.%d", path, getpid());
	own_fd int fd =
		open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	char text[16];
	int err = 0;

	snprintf(text, sizeof text, "%d", pid);
	if (fd < 0 || write(fd, text, strlen(text)) < 0 || rename(tmp, path))
		err = errno;
	if (err) {
		unlink(tmp);
		return err_set(
			e, err, "--pid-file=%s: %s", path, strerror(err));
	}
	return 0;
}

int parse_pass_fds(const struct flag_list *l, int *host, int *guest, size_t max,
	struct err *e)
{
	for (size_t i = 0; l && i < l->n; i++) {
		char end;
		if (i == max ||
			sscanf(l->v[i], "%d:%d%c", &host[i], &guest[i], &end) !=
				2 ||
			host[i] < 0 || guest[i] < 0)
			return err_set(e, EINVAL,
				"--pass-fd=%s: must be M:N, "
				"two descriptor numbers",
				l->v[i]);
		if (fcntl(host[i], F_GETFD) < 0)
			return err_set(e, EBADF,
				"--pass-fd=%s: descriptor %d "
				"is not open",
				l->v[i], host[i]);
	}
	return l ? (int)l->n : 0;
}

static int check_spec(struct cstate *s, struct err *e)
{
	const struct platform_ops *p;
	struct stat st;
	char first[200] = "";

	if (config_annotations(&s->conf, s->spec.annotations, e))
		return -e->code;
	p = platform_find(s->conf.platform);
	if (!p) {
		for (int i = 0; platform_list()[i]; i++)
			snprintf(first + strlen(first),
				sizeof first - strlen(first), "%s%s",
				i ? ", " : "", platform_list()[i]->name);
		return err_set(e, ENOTSUP,
			"--platform=%s: there is no such "
			"platform here, only: %s",
			s->conf.platform, first);
	}
	if (p->allowed && p->allowed(e))
		return err_wrap(e, "--platform=%s", p->name);
	if (s->spec.seccomp)
		log_info("linux.seccomp is not applied inside: the guest's "
			 "calls reach no host kernel (see --oci-seccomp)");
	if (stat(s->spec.root, &st))
		return err_set(e, errno, "config.json: root.path %s: %s",
			s->spec.root, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ENOTDIR,
			"config.json: root.path %s: not a "
			"directory",
			s->spec.root);
	if (geteuid() && !s->conf.nonroot)
		return err_set(e, EPERM,
			"containers need root: use sudo, or "
			"try -TESTONLY-unsafe-nonroot");
	if (s->conf.nonroot && geteuid())
		dprintf(2,
			"runsc: -TESTONLY-unsafe-nonroot: gofer and sandbox "
			"run as user %d, with your rights on files and "
			"processes if they escape their namespaces\n",
			geteuid());
	return 0;
}

static int load_spec(
	struct cstate *s, const struct create_opts *o, struct err *e)
{
	if (o->spec_text)
		return spec_parse(&s->spec, o->spec_text, strlen(o->spec_text),
			s->bundle, e);
	return spec_load(&s->spec, s->bundle, e);
}

static int make_cgroup(struct cstate *s, struct cgroup *g, struct err *e)
{
	g->n = 0;
	if (!s->spec.cgroups_path || s->conf.ignore_cgroups)
		return 0;
	if (cgroup_find(g, s->spec.cgroups_path, s->conf.systemd_cgroup, e))
		return -e->code;
	s->cgroup = cgroup_print(g);
	if (state_save(s, e)) /* before there is something to forget */
		return -e->code;
	return cgroup_make(g, s->spec.resources, e);
}

/* The terminal's slave becomes 0, 1 and 2 of the container. */
static int make_console(struct cstate *s, struct create_opts *o,
	struct console *c, int stdio[3], struct err *e)
{
	bool have_socket = o->console_socket && o->console_socket[0];

	for (int i = 0; i < 3; i++)
		stdio[i] = i;
	if (!s->spec.process.terminal) {
		if (have_socket)
			return err_set(e, EINVAL,
				"--console-socket is given, "
				"but process.terminal is false in "
				"config.json");
		return 0;
	}
	if (!have_socket && !o->relay)
		return err_set(e, EINVAL,
			"process.terminal is true in "
			"config.json: --console-socket must say who gets the "
			"terminal");
	if (console_open(c, e))
		return -e->code;
	for (int i = 0; i < 3; i++)
		stdio[i] = c->slave;
	if (have_socket)
		return console_send(c, o->console_socket, e);
	console_take_size(c);
	o->master = give_fd(&c->master);
	return 0;
}

static int run_create_hooks(struct cstate *s, struct err *e)
{
	int err = hooks_run(s, HOOK_PRESTART, e);

	if (!err)
		err = hooks_run(s, HOOK_CREATE_RUNTIME, e);
	if (!err)
		err = hooks_run(s, HOOK_CREATE_CONTAINER, e);
	return err;
}

/* -1 for none, and with @e set when it cannot be. */
static int open_user_log(const char *path, struct err *e)
{
	int fd = -1;

	if (!path || !path[0])
		return -1;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY,
		0644);
	if (fd < 0)
		(void)!err_set(
			e, errno, "--user-log=%s: %s", path, strerror(errno));
	return fd;
}

static int create_steps(struct cstate *s, struct create_opts *o,
	struct cgroup *g, struct console *con, struct spawn *sp, struct err *e)
{
	int host[MAX_PASS], guest[MAX_PASS], n;

	n = parse_pass_fds(o->pass, host, guest, MAX_PASS, e);
	if (n < 0 || state_save(s, e) || make_cgroup(s, g, e) ||
		make_console(s, o, con, sp->stdio, e))
		return -e->code;
	own_fd int control = listen_control(s, e);
	if (control < 0)
		return control;
	own_mem char *path = state_path(s, ".exit");
	own_fd int exit_file = open(path,
		O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (exit_file < 0)
		return err_set(e, errno, "%s: %s", path, strerror(errno));
	own_fd int user_log = open_user_log(o->user_log, e);
	if (user_log < 0 && e->code)
		return -e->code;
	sp->user_log = user_log;
	sp->controller = control;
	sp->exit = exit_file;
	sp->pass_host = host;
	sp->pass_guest = guest;
	sp->npass = n;
	if (spawn_processes(sp, e) || state_save(s, e) ||
		run_create_hooks(s, e) || spawn_go(sp, e))
		return -e->code;
	console_close(con);
	if (spawn_wait(sp, e))
		return -e->code;
	s->status = ST_CREATED;
	if (!o->attached && state_save(s, e))
		return -e->code;
	if (o->pid_file && o->pid_file[0])
		return write_pid_file(o->pid_file, s->sandbox.pid, e);
	return 0;
}

int sandbox_create(struct cstate *s, const struct config *conf, const char *id,
	struct create_opts *o, struct err *e)
{
	struct console con = { -1, -1 };
	struct cgroup g = { .n = 0 };
	struct spawn sp = { .state = s,
		.cgroup = &g,
		.attached = o->attached,
		.hold_gofer = -1,
		.hold_sandbox = -1,
		.boot = -1,
		.gofer_err = -1,
		.last_words = -1 };
	char cwd[PATH_MAX];
	int err;

	o->master = o->last_words = -1;
	if (state_create(s, conf, id, e))
		return -e->code;
	if (o->bundle && o->bundle[0] == '/')
		s->bundle = xstrdup(o->bundle);
	else if (getcwd(cwd, sizeof cwd))
		s->bundle = xasprintf("%s%s%s", cwd,
			o->bundle && o->bundle[0] ? "/" : "",
			o->bundle ? o->bundle : "");
	else
		err_set(e, errno, "current directory: %s", strerror(errno));
	err = s->bundle ? load_spec(s, o, e) : -e->code;
	if (!err)
		err = check_spec(s, e);
	if (!err)
		err = create_steps(s, o, &g, &con, &sp, e);
	if (!err && o->attached)
		o->last_words = give_fd(&sp.last_words);
	spawn_fini(&sp);
	console_close(&con);
	cgroup_fini(&g);
	if (!err)
		return 0;
	if (o->master >= 0)
		close(o->master);
	o->master = -1;
	sandbox_destroy(s);
	state_fini(s);
	return err;
}

/* --- start and end */

/* Until the parent, whoever it is now, has reaped it: engines look at
 * /proc/PID. */
static void wait_reaped(pid_t pid)
{
	struct timespec ts = { 0, 1000000 };
	char path[40];

	snprintf(path, sizeof path, "/proc/%d", pid);
	for (int i = 0; i < 2000 && !access(path, F_OK); i++)
		nanosleep(&ts, NULL);
}

/* The text of a line of the user log. */
static void line_text(const char *line, char *buf, size_t n)
{
	struct err bad;
	struct json_doc *d = json_parse(line, strlen(line), &bad);

	snprintf(buf, n, "%s",
		d ? json_str(json_get(json_root(d), "msg"), "") : line);
	json_free(d);
}

/* A sandbox that died in the middle of a call left its reason in the log. */
static void add_last_line(const struct cstate *s, struct err *e)
{
	own_fd int fd = open(s->conf.log, O_RDONLY | O_CLOEXEC);
	char tail[1200], text[300], *line;
	struct err why = *e;
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	ssize_t n = 0;

	if (size > 0)
		n = pread(fd, tail, sizeof tail - 1,
			MAX(size - (off_t)sizeof tail + 1, (off_t)0));
	while (n > 0 && tail[n - 1] == '\n')
		n--;
	if (n <= 0)
		return;
	tail[n] = 0;
	line = strrchr(tail, '\n');
	line_text(line ? line + 1 : tail, text, sizeof text);
	err_set(e, why.code, "%.180s; the log's last line: %s", why.msg, text);
}

static int start_root(const struct cstate *s, struct err *e)
{
	struct json_doc *d = json_new(JSON_OBJECT);
	int err;

	json_add_str(d, json_root(d), "cid", s->id);
	err = sandbox_call(
		s, "containerManager.StartRoot", json_root(d), NULL, e);
	json_free(d);
	return err;
}

int sandbox_start(struct cstate *s, struct err *e)
{
	int err;

	if (s->status != ST_CREATED)
		return err_set(e, EINVAL,
			"container \"%s\" is %s: only a "
			"created container can be started",
			s->id, status_names[s->status]);
	err = hooks_run_inside(s, e);
	if (!err)
		err = start_root(s, e);
	if (!err) {
		s->status = ST_RUNNING;
		err = state_save(s, e);
	}
	if (err) {
		if (e->code == EPIPE)
			add_last_line(s, e);
		proc_destroy(&s->sandbox);
		wait_reaped(s->sandbox.pid);
		return err_wrap(e, "starting container \"%s\"", s->id);
	}
	hooks_run_lenient(s, HOOK_POSTSTART);
	return 0;
}

void sandbox_destroy(struct cstate *s)
{
	bool existed = s->sandbox.pid > 0;
	struct cgroup g;

	proc_destroy(&s->sandbox);
	proc_destroy(&s->gofer);
	if (s->cgroup) {
		cgroup_scan(&g, s->cgroup);
		cgroup_remove(&g);
		cgroup_fini(&g);
	}
	s->status = ST_STOPPED;
	if (existed)
		hooks_run_lenient(s, HOOK_POSTSTOP);
	state_remove(s);
}

int sandbox_signal(const struct cstate *s, pid_t pid, bool all, bool pgid,
	int sig, struct err *e)
{
	struct json_doc *d = json_new(JSON_OBJECT);
	struct json *o = json_root(d);
	static const char *const modes[] = { "process", "all", "group" };
	int err;

	json_add_str(d, o, "cid", s->id);
	json_add_int(d, o, "signo", sig);
	json_add_int(d, o, "pid", pid);
	json_add_str(d, o, "mode", modes[all ? 1 : pgid ? 2 : 0]);
	err = sandbox_call(s, "containerManager.Signal", o, NULL, e);
	json_free(d);
	return err;
}

/* --- supervising a child */

static int open_signals(void)
{
	sigset_t set;

	sigfillset(&set);
	/* Ours: the pty's, and those that say that we are broken. */
	int const own[] = { SIGTTIN, SIGTTOU, SIGTSTP, SIGPIPE, SIGCHLD,
		SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS };
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		sigdelset(&set, own[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void pass_signals(
	const struct cstate *s, int sfd, const struct relay *relay)
{
	struct signalfd_siginfo si;
	struct err e = { 0 };
	int err;

	while (read(sfd, &si, sizeof si) == sizeof si) {
		if (si.ssi_signo == SIGWINCH && relay) {
			(void)relay_resize(relay);
			continue;
		}
		err = sandbox_signal(
			s, 0, false, relay != NULL, si.ssi_signo, &e);
		if (err)
			log_debug("signal %u not passed on: %s", si.ssi_signo,
				e.msg);
	}
}

static int reap(struct cstate *s, struct err *e)
{
	int status = 0;

	while (waitpid(s->sandbox.pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(e, errno, "waiting for the sandbox: %s",
				strerror(errno));
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	dprintf(2, "runsc: the sandbox was killed by signal %d (%s)\n",
		WTERMSIG(status), strsignal(WTERMSIG(status)));
	return 128 + WTERMSIG(status);
}

int sandbox_supervise(struct cstate *s, struct relay *relay, struct err *e)
{
	own_fd int pidfd = pidfd_open_(s->sandbox.pid);
	own_fd int sfd = open_signals();
	struct pollfd p[5];
	bool talking = relay != NULL;

	signal(SIGPIPE, SIG_IGN);
	while (pidfd >= 0) {
		p[0] = (struct pollfd){ pidfd, POLLIN, 0 };
		p[1] = (struct pollfd){ sfd, POLLIN, 0 };
		if (talking)
			relay_poll(relay, p + 2);
		if (poll(p, talking ? 5 : 2, -1) < 0 && errno != EINTR)
			return err_set(e, errno, "poll: %s", strerror(errno));
		if (p[1].revents)
			pass_signals(s, sfd, relay);
		if (talking)
			talking = relay_step(relay, p + 2);
		if (p[0].revents)
			break;
	}
	if (relay)
		relay_drain(relay);
	return reap(s, e);
}

/* --- names */

static const struct {
	const char *name;
	int sig;
} signals[] = {
	{ "HUP", SIGHUP },
	{ "INT", SIGINT },
	{ "QUIT", SIGQUIT },
	{ "ILL", SIGILL },
	{ "TRAP", SIGTRAP },
	{ "ABRT", SIGABRT },
	{ "IOT", SIGABRT },
	{ "BUS", SIGBUS },
	{ "FPE", SIGFPE },
	{ "KILL", SIGKILL },
	{ "USR1", SIGUSR1 },
	{ "SEGV", SIGSEGV },
	{ "USR2", SIGUSR2 },
	{ "PIPE", SIGPIPE },
	{ "ALRM", SIGALRM },
	{ "TERM", SIGTERM },
	{ "STKFLT", 16 },
	{ "CHLD", SIGCHLD },
	{ "CLD", SIGCHLD },
	{ "CONT", SIGCONT },
	{ "STOP", SIGSTOP },
	{ "TSTP", SIGTSTP },
	{ "TTIN", SIGTTIN },
	{ "TTOU", SIGTTOU },
	{ "URG", SIGURG },
	{ "XCPU", SIGXCPU },
	{ "XFSZ", SIGXFSZ },
	{ "VTALRM", SIGVTALRM },
	{ "PROF", SIGPROF },
	{ "WINCH", SIGWINCH },
	{ "IO", SIGIO },
	{ "POLL", SIGIO },
	{ "PWR", SIGPWR },
	{ "SYS", SIGSYS },
};

int signal_by_name(const char *name)
{
	long long v;

	if (isdigit((unsigned char)name[0]))
		return str_i64(name, &v) || v < 1 || v > 64 ? -EINVAL : (int)v;
	if (!strncasecmp(name, "SIG", 3))
		name += 3;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (!strcasecmp(signals[i].name, name))
			return signals[i].sig;
	if (!strncasecmp(name, "RTMIN+", 6) && !str_i64(name + 6, &v) &&
		v >= 0 && v <= 30)
		return 34 + v;
	return -EINVAL;
}
