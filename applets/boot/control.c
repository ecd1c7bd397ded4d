/*
 * control.c - the control server of a sandbox.
 *
 * The main thread accepts; each connection has a thread that serves one request
 * after the other, so a Wait blocks nobody else.  One more thread waits for the
 * container's first process: its end is the end of the sandbox, after those
 * who wait for it by a call have had their answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "applets/boot/boot.h"
#include "core/clock.h"
#include "core/fdio.h"
#include "core/log.h"
#include "core/own.h"
#include "core/thread.h"
#include "kernel/kernel.h"

#define ANSWER_NS 1000000000LL /* how long a waiter's answer may hold us up */

struct connection {
	struct boot *boot;
	int sock; /* owned */
};

/*
 * ended: 0 while the first process runs, else 1; pending: calls that have not
 * been answered, WaitPID's apart, which may never be.  Both are futex words.
 */
static atomic_uint ended, pending;
static int init_status;              /* written before ended is set */
static int end_pipe[2] = { -1, -1 }; /* wakes the main thread */

int control_wait_init(void)
{
	while (!atomic_load(&ended))
		host_futex_wait(&ended, 0, NO_DEADLINE);
	return init_status;
}

struct init_wait {
	struct container *c;
	pid_t pid;
};

static void init_waiter(void *arg)
{
	struct init_wait *w = arg;
	struct err e = { 0 };
	int64_t deadline;
	unsigned n;

	if (container_wait(w->c, w->pid, &init_status, &e)) {
		log_error("waiting for the first process: %s", e.msg);
		init_status = 255 << 8;
	}
	free(w);
	atomic_store(&ended, 1);
	host_futex_wake(&ended, INT32_MAX);
	deadline = mono_now() + ANSWER_NS;
	while ((n = atomic_load(&pending)) != 0)
		if (host_futex_wait(&pending, n, deadline) == -ETIMEDOUT)
			break;
	(void)!write_full(end_pipe[1], "e", 1); /* cannot be full */
}

int control_started(struct container *c, pid_t pid, struct err *e)
{
	struct init_wait *w = malloc(sizeof *w);
	int err;

	if (!w)
		return err_set(e, ENOMEM, "out of memory");
	*w = (struct init_wait){ c, pid };
	err = thread_start(init_waiter, w, "init-waiter", 0);
	if (err) {
		free(w);
		return err_set(
			e, -err, "starting a thread: %s", strerror(-err));
	}
	return 0;
}

static const struct control_method *find_method(const char *name)
{
	static const struct control_method *const tables[] = {
		control_task_methods, control_debug_methods
	};

	for (size_t t = 0; t < ARRAY_SIZE(tables); t++)
		for (const struct control_method *m = tables[t]; m->name; m++)
			if (!strcmp(m->name, name))
				return m;
	return NULL;
}

static int serve_one(struct connection *c, struct urpc_msg *m)
{
	const struct json *req = json_root(m->doc);
	const char *name = json_str(json_get(req, "method"), "");
	const struct control_method *method = find_method(name);
	struct err e = { 0 }, sent;
	struct control_call call = { c->boot, json_get(req, "arg"), m,
		json_new(JSON_OBJECT), NULL };
	bool counted = strcmp(name, "containerManager.WaitPID");
	int err;

	if (counted)
		atomic_fetch_add(&pending, 1);
	call.root = json_root(call.doc);
	log_debug("control: %s", name);
	err = method ? method->run(&call, &e)
		     : err_set(&e, ENOSYS, "there is no method \"%.60s\"",
			       name);
	json_add_bool(call.doc, call.root, "success", err == 0);
	if (err) {
		json_add_str(call.doc, call.root, "err", e.msg);
		json_add_int(call.doc, call.root, "errno", e.code);
		log_debug("control: %s: %s", name, e.msg);
	}
	err = urpc_send(c->sock, call.root, NULL, 0, &sent);
	json_free(call.doc);
	if (counted) {
		atomic_fetch_sub(&pending, 1);
		host_futex_wake(&pending, 1);
	}
	return err;
}

static void serve_connection(void *arg)
{
	struct connection *c = arg;
	struct urpc_msg m;
	struct err e = { 0 };
	int err = 0;

	while (!err && !urpc_recv(c->sock, &m, &e)) {
		err = serve_one(c, &m);
		urpc_msg_fini(&m);
	}
	close(c->sock);
	free(c);
}

static void accept_one(struct boot *b)
{
	int sock = accept4(b->controller, NULL, NULL, SOCK_CLOEXEC);
	struct connection *c = sock < 0 ? NULL : malloc(sizeof *c);

	if (!c) {
		if (sock >= 0)
			close(sock);
		return;
	}
	*c = (struct connection){ b, sock };
	if (thread_start(serve_connection, c, "control", 0)) {
		log_warn("control: no thread for a connection");
		close(sock);
		free(c);
	}
}

/* The terminal that we were given was resized. */
static void pass_winch(struct boot *b, struct container *c, int sfd)
{
	struct signalfd_siginfo si;
	struct winsize w;
	struct err e = { 0 };

	while (read(sfd, &si, sizeof si) == sizeof si)
		if (!ioctl(atoi(b->stdio.v[0]), TIOCGWINSZ, &w) &&
			container_resize(c, 0, w.ws_row, w.ws_col, &e))
			log_debug("resize: %s", e.msg);
}

int control_serve(struct boot *b, struct container *c)
{
	struct pollfd p[3] = { { b->controller, POLLIN, 0 }, { -1, POLLIN, 0 },
		{ -1, POLLIN, 0 } };
	sigset_t set;
	char byte;

	if (pipe2(end_pipe, O_CLOEXEC))
		return 128;
	p[1].fd = end_pipe[0];
	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (b->spec.process.terminal)
		p[2].fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	for (;;) {
		if (poll(p, 3, -1) < 0)
			continue;
		if (p[1].revents)
			break; /* init_status is there */
		if (p[2].revents)
			pass_winch(b, c, p[2].fd);
		if (p[0].revents)
			accept_one(b);
	}
	/* Nobody but init_waiter() writes it. */
	if (read_full(end_pipe[0], &byte, 1) != 0)
		return 128;
	return WIFSIGNALED(init_status) ? 128 + WTERMSIG(init_status)
					: WEXITSTATUS(init_status);
}
