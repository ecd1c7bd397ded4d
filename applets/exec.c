/*
 * exec.c - runsc exec: one more process in a running container.
 *
 * Attached, the command waits on the connection over which it started the
 * process.  Detached, a helper called runsc-exec inherits that connection: its
 * pid goes to the pid file, and it ends with the process's exit status.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "applets/applet.h"
#include "applets/boot/isolate.h"
#include "applets/oci/sandbox.h"
#include "core/caps.h"
#include "core/fdio.h"
#include "core/log.h"
#include "core/own.h"
#include "core/seccomp.h"
#include "core/str.h"

static const char *cwd, *user, *process_file, *pid_file, *internal_pid_file;
static const char *console_socket;
static struct flag_list env, gids, caps, pass;
static bool detach, tty;
static int exec_fd = -1;

const struct flag exec_flags[] = {
	{ "cwd", FLAG_STR, &cwd, NULL, "working directory" },
	{ "env", FLAG_LIST, &env, NULL, "NAME=value for the environment" },
	{ "user", FLAG_STR, &user, NULL, "uid[:gid] to run as" },
	{ "additional-gids", FLAG_LIST, &gids, NULL, "one more group" },
	{ "cap", FLAG_LIST, &caps, NULL, "one more capability" },
	{ "tty", FLAG_BOOL, &tty, NULL, "give it a terminal" },
	{ "detach", FLAG_BOOL, &detach, NULL, "do not wait for its end" },
	{ "process", FLAG_STR, &process_file, NULL,
		"file with an OCI process object, in place of the arguments" },
	{ "pid-file", FLAG_STR, &pid_file, NULL,
		"file to write a process id of the host to" },
	{ "internal-pid-file", FLAG_STR, &internal_pid_file, NULL,
		"file to write the process id inside to" },
	{ "console-socket", FLAG_STR, &console_socket, NULL,
		"Unix socket that is sent the terminal's master" },
	{ "pass-fd", FLAG_LIST, &pass, NULL,
		"M:N: our descriptor M becomes the process's N" },
	{ "exec-fd", FLAG_INT, &exec_fd, NULL, "not supported yet" },
	{ 0 },
};

#define MAX_PASS 16

/* --- the process object */

static int set_user(struct json_doc *d, struct json *p, struct err *e)
{
	struct json *u;
	unsigned uid, gid = 0;
	char end;
	int n;

	if (!user || !user[0])
		return 0;
	n = sscanf(user, "%u:%u%c", &uid, &gid, &end);
	if (n < 1 || n > 2 || (n == 1 && strchr(user, ':')))
		return err_set(e, EINVAL,
			"--user=%s: must be uid or uid:gid, "
			"as numbers",
			user);
	json_remove(p, "user");
	u = json_add(d, p, "user", JSON_OBJECT);
	json_add_uint(d, u, "uid", uid);
	json_add_uint(d, u, "gid", gid);
	return 0;
}

static int set_groups(struct json_doc *d, struct json *p, struct err *e)
{
	struct json *u, *a;
	unsigned long long gid;

	if (!gids.n)
		return 0;
	u = (struct json *)(uintptr_t)json_get(p, "user");
	if (!u)
		u = json_add(d, p, "user", JSON_OBJECT);
	a = json_add(d, u, "additionalGids", JSON_ARRAY);
	for (size_t i = 0; i < gids.n; i++) {
		if (str_u64(gids.v[i], &gid) || gid >= UINT32_MAX)
			return err_set(e, EINVAL,
				"--additional-gids=%s: must "
				"be a number",
				gids.v[i]);
		json_add_uint(d, a, NULL, gid);
	}
	return 0;
}

/* An added capability goes into every set that makes it usable. */
static int add_caps(struct json_doc *d, struct json *p, struct err *e)
{
	static const char *const sets[] = { "bounding", "permitted",
		"effective", "inheritable", "ambient" };
	struct json *o;

	if (!caps.n)
		return 0;
	o = (struct json *)(uintptr_t)json_get(p, "capabilities");
	if (!o)
		o = json_add(d, p, "capabilities", JSON_OBJECT);
	for (size_t i = 0; i < caps.n; i++) {
		int cap = cap_by_name(caps.v[i]);
		if (cap < 0)
			return err_set(e, EINVAL,
				"--cap=%s: there is no such "
				"capability",
				caps.v[i]);
		for (size_t k = 0; k < ARRAY_SIZE(sets); k++) {
			struct json *a =
				(struct json *)(uintptr_t)json_get(o, sets[k]);
			if (!a)
				a = json_add(d, o, sets[k], JSON_ARRAY);
			json_add_str(d, a, NULL, cap_name(cap));
		}
	}
	return 0;
}

/* The container's own process with our arguments in place of its. */
static struct json_doc *from_args(
	const struct cstate *s, int argc, char **argv, struct err *e)
{
	struct json_doc *d = json_new(JSON_OBJECT);
	const struct json *own = json_get(json_root(s->spec.doc), "process");
	struct json *p = json_root(d), *a;
	const struct json *m;

	json_for_each(m, own) if (strcmp(m->key, "args") &&
				  strcmp(m->key, "terminal") &&
				  strcmp(m->key, "consoleSize"))
		json_add_copy(d, p, m->key, m);
	a = json_add(d, p, "args", JSON_ARRAY);
	for (int i = 0; i < argc; i++)
		json_add_str(d, a, NULL, argv[i]);
	if (cwd && cwd[0])
		json_add_str(d, p, "cwd", cwd);
	a = (struct json *)(uintptr_t)json_get(p, "env");
	if (!a)
		a = json_add(d, p, "env", JSON_ARRAY);
	for (size_t i = 0; i < env.n; i++)
		json_add_str(d, a, NULL, env.v[i]);
	json_add_bool(
		d, p, "terminal", tty || (console_socket && console_socket[0]));
	if (set_user(d, p, e) || set_groups(d, p, e) || add_caps(d, p, e)) {
		json_free(d);
		return NULL;
	}
	return d;
}

static struct json_doc *from_file(const char *path, struct err *e)
{
	size_t len;
	own_mem char *text = read_file(AT_FDCWD, path, 4 << 20, &len, e);
	struct json_doc *d = text ? json_parse(text, len, e) : NULL;

	if (!d) {
		(void)!err_wrap(e, "--process=%s", path);
		return NULL;
	}
	if (tty)
		json_add_bool(d, json_root(d), "terminal", true);
	return d;
}

/* --- starting it */

struct running {
	int sock;   /* owned: the connection that started it */
	int pid;    /* in the container */
	int master; /* owned, -1: terminal that we serve */
	int slave;  /* owned, -1: for runsc-exec's SIGWINCH */
};

static int request(int sock, const struct cstate *s, const struct json *p,
	const int *fds, const int *guest, size_t npass, int *pid, struct err *e)
{
	struct json_doc *d = json_new(JSON_OBJECT);
	struct urpc_msg reply;
	struct json *a;
	int err;

	json_add_str(d, json_root(d), "cid", s->id);
	json_add_copy(d, json_root(d), "process", p);
	a = json_add(d, json_root(d), "passFds", JSON_ARRAY);
	for (size_t i = 0; i < npass; i++)
		json_add_int(d, a, NULL, guest[i]);
	err = urpc_call(sock, "containerManager.ExecuteAsync", json_root(d),
		fds, 3 + npass, &reply, e);
	json_free(d);
	if (err)
		return err;
	*pid = json_int(json_path(json_root(reply.doc), "result.pid"), 0);
	urpc_msg_fini(&reply);
	return 0;
}

static int start(const struct cstate *s, const struct json *p,
	struct running *r, struct err *e)
{
	int fds[3 + MAX_PASS] = { 0, 1, 2 }, guest[MAX_PASS], n, err;
	bool terminal = json_bool(json_get(p, "terminal"), false);
	bool have_socket = console_socket && console_socket[0];
	struct console con = { -1, -1 };

	n = parse_pass_fds(&pass, fds + 3, guest, MAX_PASS, e);
	if (n < 0)
		return n;
	if (terminal && detach && !have_socket)
		return err_set(e, EINVAL,
			"a detached process with a terminal "
			"needs --console-socket");
	r->sock = sandbox_connect(s, e);
	if (r->sock < 0 || (terminal && console_open(&con, e)))
		return -e->code;
	if (terminal && !have_socket)
		console_take_size(&con);
	for (int i = 0; i < 3 && terminal; i++)
		fds[i] = con.slave;
	err = request(r->sock, s, p, fds, guest, n, &r->pid, e);
	if (!err && terminal && have_socket)
		err = console_send(&con, console_socket, e);
	r->master = give_fd(&con.master);
	r->slave = give_fd(&con.slave);
	return err;
}

static int wait_reply(struct running *r, int *status, struct err *e)
{
	struct urpc_msg m;
	int err = urpc_recv(r->sock, &m, e);

	if (err)
		return err_set(e, EPIPE, "the sandbox ended");
	*status =
		json_int(json_path(json_root(m.doc), "result.exitStatus"), -1);
	if (*status < 0)
		err = err_set(e, EIO, "%s",
			json_str(json_get(json_root(m.doc), "err"),
				"bad reply"));
	urpc_msg_fini(&m);
	return err;
}

static int ask_wait(struct running *r, const char *cid, struct err *e)
{
	struct json_doc *d = json_new(JSON_OBJECT);
	struct json *o = json_root(d), *arg;
	int err;

	json_add_str(d, o, "method", "containerManager.WaitPID");
	arg = json_add(d, o, "arg", JSON_OBJECT);
	json_add_str(d, arg, "cid", cid);
	json_add_int(d, arg, "pid", r->pid);
	err = urpc_send(r->sock, o, NULL, 0, e);
	json_free(d);
	return err;
}

/* --- attached */

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (int sig = 1; sig <= SIGUSR2; sig++)
		if (sig == SIGHUP || sig == SIGINT || sig == SIGQUIT ||
			sig == SIGUSR1 || sig == SIGUSR2)
			sigaddset(&set, sig);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void resize(const struct cstate *s, const struct running *r)
{
	struct json_doc *d;
	struct winsize w;
	struct err e;

	if (ioctl(r->master >= 0 ? r->master : r->slave, TIOCGWINSZ, &w))
		return;
	d = json_new(JSON_OBJECT);
	json_add_str(d, json_root(d), "cid", s->id);
	json_add_int(d, json_root(d), "pid", r->pid);
	json_add_int(d, json_root(d), "rows", w.ws_row);
	json_add_int(d, json_root(d), "cols", w.ws_col);
	(void)!sandbox_call(s, "containerManager.Resize", json_root(d), NULL,
		&e); /* it may have ended */
	json_free(d);
}

static void pass_signals(const struct cstate *s, const struct running *r,
	int sfd, struct relay *relay)
{
	struct signalfd_siginfo si;
	struct err e;

	while (read(sfd, &si, sizeof si) == sizeof si) {
		if (si.ssi_signo == SIGWINCH) {
			if (relay && relay_resize(relay))
				resize(s, r);
			continue;
		}
		(void)!sandbox_signal(s, r->pid, false, false, si.ssi_signo,
			&e); /* it may have ended */
	}
}

static int attend(const struct cstate *s, struct running *r, struct err *e)
{
	own_fd int sfd = open_signals();
	struct relay relay;
	struct pollfd p[5];
	bool talking = r->master >= 0;
	int status = 0, err = ask_wait(r, s->id, e);

	if (err)
		return err;
	signal(SIGPIPE, SIG_IGN);
	if (r->slave >= 0)
		close(r->slave);
	r->slave = -1;
	if (talking) {
		relay_enter(&relay, r->master);
		resize(s, r);
	}
	for (;;) {
		p[0] = (struct pollfd){ r->sock, POLLIN, 0 };
		p[1] = (struct pollfd){ sfd, POLLIN, 0 };
		if (talking)
			relay_poll(&relay, p + 2);
		if (poll(p, talking ? 5 : 2, -1) < 0)
			continue;
		if (p[1].revents)
			pass_signals(s, r, sfd, r->master >= 0 ? &relay : NULL);
		if (talking)
			talking = relay_step(&relay, p + 2);
		if (p[0].revents)
			break;
	}
	err = wait_reply(r, &status, e);
	if (r->master >= 0) {
		relay_drain(&relay);
		relay_leave(&relay);
	}
	return err ? err : status;
}

/* --- detached */

static const struct seccomp_rule waiter_rules[] = {
	ALLOW(read),
	ALLOW(write),
	ALLOW(writev),
	ALLOW(recvmsg),
	ALLOW(sendmsg),
	ALLOW(poll),
	ALLOW(close),
	ALLOW(restart_syscall),
	ALLOW_ARG(ioctl, 1, TIOCGWINSZ),
	SECCOMP_END,
};

/* runsc-exec ID PID: connection on 3, a second one on 4, perhaps a terminal
 * on 5. */
static void waiter_resize(const char *cid, int pid)
{
	struct json_doc *d = json_new(JSON_OBJECT);
	struct winsize w;
	struct err e;

	if (!ioctl(5, TIOCGWINSZ, &w)) {
		json_add_str(d, json_root(d), "cid", cid);
		json_add_int(d, json_root(d), "pid", pid);
		json_add_int(d, json_root(d), "rows", w.ws_row);
		json_add_int(d, json_root(d), "cols", w.ws_col);
		(void)!urpc_call(4, "containerManager.Resize", json_root(d),
			NULL, 0, NULL, &e); /* the size is a courtesy */
	}
	json_free(d);
}

int exec_waiter_main(int argc, char **argv)
{
	const struct seccomp_rule *const lists[] = { seccomp_core,
		waiter_rules };
	struct running r = { .sock = 3, .master = -1, .slave = -1 };
	struct signalfd_siginfo si;
	struct pollfd p[2] = { { 3, POLLIN, 0 }, { -1, POLLIN, 0 } };
	struct err e = { 0 };
	int status = EXIT_FAILED;
	sigset_t set;

	if (argc != 3) {
		dprintf(2, "runsc-exec: started by `runsc exec --detach`\n");
		return EXIT_FAILED;
	}
	if (chdir("/")) /* see exec_own() */
		return EXIT_FAILED;
	prctl(PR_SET_NAME, "runsc-exec");
	r.pid = atoi(argv[2]);
	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	if (fcntl(5, F_GETFD) >= 0 && !ioctl(5, TIOCSCTTY, 0)) {
		sigprocmask(SIG_BLOCK, &set, NULL);
		p[1].fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	}
	/* Nothing but these descriptors is left to us afterwards. */
	if (isolate_caps(0, false, &e) || seccomp_install("exec", lists, 2, &e))
		return EXIT_FAILED;
	if (p[1].fd >= 0)
		waiter_resize(argv[1], r.pid);
	while (!p[0].revents) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents && read(p[1].fd, &si, sizeof si) == sizeof si)
			waiter_resize(argv[1], r.pid);
	}
	/* Without an answer the sandbox was killed, and the process with it. */
	if (wait_reply(&r, &status, &e))
		return 128 + SIGKILL;
	return status;
}

/* The waiter's pid, or -errno.  It has been executed when this returns. */
static int leave_waiter(
	const struct cstate *s, struct running *r, struct err *e)
{
	const int stdio[3] = { -1, -1, -1 };
	own_fd int exe = self_exe(e);
	own_fd int second = sandbox_connect(s, e);
	char text[16], c;
	struct donor d;
	int done[2];
	pid_t pid;

	if (exe < 0 || second < 0 || ask_wait(r, s->id, e))
		return -e->code;
	if (pipe2(done, O_CLOEXEC))
		return err_set(e, errno, "pipe: %s", strerror(errno));
	snprintf(text, sizeof text, "%d", r->pid);
	donor_init(&d, "runsc-exec");
	donor_arg(&d, "%s", s->id);
	donor_arg(&d, "%s", text);
	d.fd[d.nfds++] = r->sock;
	d.fd[d.nfds++] = second;
	if (r->slave >= 0)
		d.fd[d.nfds++] = r->slave;
	pid = fork();
	if (pid == 0) {
		int x = exe, hold = done[1], fds = -1;
		setsid();
		if (!donor_place(&d, stdio, &x, &hold, e))
			fds = own_fds(e);
		if (fds >= 0)
			exec_own(x, fds, d.argv, e);
		(void)!write(hold, "!", 1); /* tell that it failed */
		_exit(127);
	}
	close(done[1]);
	donor_fini(&d);
	/* End of file: it executes itself. */
	if (pid < 0 || read(done[0], &c, 1) != 0)
		pid = err_set(
			e, pid < 0 ? errno : EIO, "starting runsc-exec failed");
	close(done[0]);
	return pid;
}

static int detached(const struct cstate *s, struct running *r, struct err *e)
{
	int pid = leave_waiter(s, r, e);

	if (pid < 0)
		return pid;
	if (pid_file && pid_file[0])
		return write_pid_file(pid_file, pid, e);
	return 0;
}

int exec_main(struct config *c, int argc, char **argv, struct err *e)
{
	struct running r = { -1, 0, -1, -1 };
	struct json_doc *d;
	struct cstate s;
	int i, ret;

	i = applet_args(exec_flags, argc, argv, 1, -1, e);
	if (i < 0)
		return i;
	if (exec_fd >= 0)
		return err_set(e, ENOTSUP, "--exec-fd is not supported yet");
	ret = state_load(&s, c, argv[i], false, e);
	if (ret)
		return ret;
	if (s.status != ST_RUNNING) {
		ret = err_set(e, EINVAL,
			"container \"%s\" is %s: container "
			"not running",
			s.id, status_names[s.status]);
		state_fini(&s);
		return ret;
	}
	if (process_file && process_file[0])
		d = from_file(process_file, e);
	else if (i + 1 < argc)
		d = from_args(&s, argc - i - 1, argv + i + 1, e);
	else
		d = NULL, err_set(e, EINVAL,
				  "usage: runsc exec [flags] <id> "
				  "<command> [args...]");
	ret = d ? start(&s, json_root(d), &r, e) : -e->code;
	json_free(d);
	if (!ret && internal_pid_file && internal_pid_file[0])
		ret = write_pid_file(internal_pid_file, r.pid, e);
	if (!ret && !detach && pid_file && pid_file[0])
		ret = write_pid_file(pid_file, getpid(), e);
	if (!ret)
		ret = detach ? detached(&s, &r, e) : attend(&s, &r, e);
	state_fini(&s);
	return ret;
}
