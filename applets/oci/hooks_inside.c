/*
 * hooks_inside.c - startContainer hooks: programs of the container's own tree.
 *
 * They run in the sandbox like a process of `exec`, as root with every
 * capability, before the container's first process exists.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "applets/oci/hooks.h"
#include "applets/oci/sandbox.h"
#include "core/caps.h"
#include "core/fdio.h"
#include "core/own.h"

#define SAID_MAX 400

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static void add_strings(struct json_doc *d, struct json *o, const char *key,
	const char *const *v)
{
	struct json *a = json_add(d, o, key, JSON_ARRAY);

	for (; v && *v; v++)
		json_add_str(d, a, NULL, *v);
}

/* The program sees its path as args[0], whatever the hook says. */
static struct json_doc *hook_request(
	const struct cstate *s, const struct spec_hook *h)
{
	static const char *const sets[] = { "bounding", "permitted",
		"effective" };
	const char *all[CAP_LAST + 2] = { NULL };
	struct json_doc *d = json_new(JSON_OBJECT);
	struct json *p, *caps, *args;

	json_add_str(d, json_root(d), "cid", s->id);
	json_add_bool(d, json_root(d), "hook", true);
	json_add(d, json_root(d), "passFds", JSON_ARRAY);
	p = json_add(d, json_root(d), "process", JSON_OBJECT);
	args = json_add(d, p, "args", JSON_ARRAY);
	json_add_str(d, args, NULL, h->path);
	for (const char **v = h->args; v && *v; v++)
		if (v != h->args)
			json_add_str(d, args, NULL, *v);
	add_strings(d, p, "env", h->env);
	json_add_str(d, p, "cwd", "/");
	for (int i = 0; i <= CAP_LAST; i++)
		all[i] = cap_name(i);
	caps = json_add(d, p, "capabilities", JSON_OBJECT);
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		add_strings(d, caps, sets[i], all);
	return d;
}

/* The state, for the hook's standard input. */
static int state_fd(const char *json, struct err *e)
{
	own_fd int fd = memfd_create("state", MFD_CLOEXEC);

	if (fd < 0 || write_full(fd, json, strlen(json)) ||
		lseek(fd, 0, SEEK_SET))
		return err_set(
			e, errno, "the hook's input: %s", strerror(errno));
	return give_fd(&fd);
}

struct hook {
	const struct cstate *s;
	const struct spec_hook *h;
	int sock, out, pid;
	char said[SAID_MAX + 1];
	size_t nsaid;
};

static int hook_begin(struct hook *k, const char *json, int out, struct err *e)
{
	own_fd int in = state_fd(json, e);
	const int fds[3] = { in, out, out };
	struct urpc_msg reply;
	struct json_doc *d;
	int err;

	if (in < 0)
		return in;
	d = hook_request(k->s, k->h);
	err = urpc_call(k->sock, "containerManager.ExecuteAsync", json_root(d),
		fds, 3, &reply, e);
	json_free(d);
	if (err)
		return err;
	k->pid = json_int(json_path(json_root(reply.doc), "result.pid"), 0);
	urpc_msg_fini(&reply);
	return 0;
}

static int ask_end(struct hook *k, struct err *e)
{
	struct json_doc *d = json_new(JSON_OBJECT);
	struct json *arg;
	int err;

	json_add_str(d, json_root(d), "method", "containerManager.WaitPID");
	arg = json_add(d, json_root(d), "arg", JSON_OBJECT);
	json_add_str(d, arg, "cid", k->s->id);
	json_add_int(d, arg, "pid", k->pid);
	err = urpc_send(k->sock, json_root(d), NULL, 0, e);
	json_free(d);
	return err;
}

static void gather(struct hook *k)
{
	char buf[512];
	ssize_t n = read(k->out, buf, sizeof buf);
	size_t take = n > 0 ? MIN((size_t)n, SAID_MAX - k->nsaid) : 0;

	memcpy(k->said + k->nsaid, buf, take);
	k->nsaid += take;
	if (n == 0) {
		close(k->out);
		k->out = -1;
	}
}

static int hook_end(struct hook *k, struct err *e)
{
	int64_t end = k->h->timeout ? now_ms() + k->h->timeout * 1000LL : 0;
	struct urpc_msg m;
	int status;

	for (;;) {
		struct pollfd p[2] = { { k->sock, POLLIN, 0 },
			{ k->out, POLLIN, 0 } };
		int64_t left = end - now_ms();
		if (end && left <= 0) {
			(void)!sandbox_signal(
				k->s, k->pid, false, false, SIGKILL, e);
			return err_set(e, ETIMEDOUT,
				"startContainer hook %s took longer than its "
				"%d seconds",
				k->h->path, k->h->timeout);
		}
		if (poll(p, 2, end ? (int)MIN(left, 60000LL) : -1) < 0)
			continue;
		if (p[1].revents)
			gather(k);
		else if (p[0].revents)
			break;
	}
	if (urpc_recv(k->sock, &m, e))
		return -e->code;
	status = json_int(json_path(json_root(m.doc), "result.exitStatus"), -1);
	urpc_msg_fini(&m);
	return status ? err_set(e, ECANCELED,
				"startContainer hook %s failed with status "
				"%d: %s",
				k->h->path, status, k->said)
		      : 0;
}

static int hook_run(const struct cstate *s, const struct spec_hook *h,
	const char *json, struct err *e)
{
	struct hook k = { .s = s, .h = h, .out = -1 };
	int out[2], err;

	own_fd int sock = sandbox_connect(s, e);
	if (sock < 0)
		return sock;
	if (pipe2(out, O_CLOEXEC))
		return err_set(e, errno, "pipe: %s", strerror(errno));
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	k.sock = sock;
	k.out = out[0];
	err = hook_begin(&k, json, out[1], e);
	close(out[1]);
	if (err)
		err = err_wrap(e, "startContainer hook %s", h->path);
	else if (!(err = ask_end(&k, e)))
		err = hook_end(&k, e);
	if (k.out >= 0)
		close(k.out);
	return err;
}

int hooks_run_inside(const struct cstate *s, struct err *e)
{
	size_t n = s->spec.nhooks[HOOK_START_CONTAINER];

	if (!n)
		return 0;
	own_mem char *json = state_oci_json(s, 0);
	for (size_t i = 0; i < n; i++) {
		int err = hook_run(
			s, &s->spec.hooks[HOOK_START_CONTAINER][i], json, e);
		if (err)
			return err;
	}
	return 0;
}
