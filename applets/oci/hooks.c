/*
 * hooks.c - programs of the engine, run at points of a container's life.
 *
 * A createContainer hook is to see the container's namespaces before the root
 * changes: what it mounts below the root tree shall be there inside.  That
 * place is the gofer's mount namespace while the gofer waits for its start: the
 * tree that it serves is a recursive bind of what it finds.
 */
#include "applets/oci/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/fdio.h"
#include "core/log.h"
#include "core/own.h"

extern char **environ;

#define SAID_MAX 400

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static bool enter(pid_t pid, const char *ns)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, ns);
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && !setns(fd, 0);
}

/* The mount namespace last: /proc may look different there. */
static bool enter_container(const struct cstate *s)
{
	static const char *const shared[] = { "net", "ipc", "uts" };

	for (size_t i = 0; i < ARRAY_SIZE(shared); i++)
		if (!enter(s->sandbox.pid, shared[i]))
			return false;
	/* Afterwards no mount of the hook's is seen by the host. */
	return enter(s->gofer.pid, "mnt") &&
	       !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	       !chdir(s->bundle);
}

static NORETURN void hook_child(const struct cstate *s,
	enum spec_hook_kind kind, const struct spec_hook *h, int in, int out)
{
	const char *dflt[] = { h->path, NULL };
	const char *none[] = { NULL };
	const char **args = h->args && h->args[0] ? h->args : dflt;
	sigset_t set;

	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(127);
	close_others(3, NULL, 0);
	if (kind == HOOK_CREATE_CONTAINER && !enter_container(s)) {
		dprintf(2, "entering the container's namespaces: %s",
			strerror(errno));
		_exit(127);
	}
	execve(h->path, (char **)(uintptr_t)args,
		h->env ? (char **)(uintptr_t)h->env : (char **)(uintptr_t)none);
	dprintf(2, "%s: %s", h->path, strerror(errno));
	_exit(127);
}

/*
 * Feeds the state to the hook, gathers what it says, and waits for its end; a
 * grandchild that keeps the pipe open does not hold us up.
 */
static int hook_talk(
	pid_t pid, int in, int out, const char *json, char *said, int timeout)
{
	int64_t end = timeout ? now_ms() + timeout * 1000LL : 0;
	own_fd int pidfd = pidfd_open_(pid);
	size_t done = 0, len = strlen(json), n = 0;
	bool open_in = true;

	while (pidfd >= 0) {
		struct pollfd p[3] = { { pidfd, POLLIN, 0 }, { out, POLLIN, 0 },
			{ open_in ? in : -1, POLLOUT, 0 } };
		int64_t left = end - now_ms();
		if (end && left <= 0)
			return -ETIMEDOUT;
		if (poll(p, 3, end ? (int)left : -1) < 0)
			continue;
		if (p[2].revents) {
			ssize_t w = write(in, json + done, len - done);
			done += w > 0 ? (size_t)w : 0;
			if (done == len || (w < 0 && errno != EAGAIN)) {
				open_in = false;
				close(in);
			}
		}
		if (p[1].revents) {
			char buf[512];
			ssize_t r = read(out, buf, sizeof buf);
			size_t take = r > 0 ? MIN((size_t)r, SAID_MAX - n) : 0;
			memcpy(said + n, buf, take);
			n += take;
			said[n] = 0;
			if (r > 0)
				continue;
		}
		if (p[0].revents)
			break;
		if (p[1].revents) /* closed: only the end is left */
			out = -1;
	}
	if (open_in)
		close(in);
	return 0;
}

static int hook_status(const struct spec_hook *h, const char *kind, int status,
	const char *said, struct err *e)
{
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	if (WIFSIGNALED(status))
		return err_set(e, ECANCELED,
			"%s hook %s was killed by signal "
			"%d: %s",
			kind, h->path, WTERMSIG(status), said);
	return err_set(e, ECANCELED, "%s hook %s failed with status %d: %s",
		kind, h->path, WEXITSTATUS(status), said);
}

static int hook_run(const struct cstate *s, enum spec_hook_kind kind,
	const struct spec_hook *h, const char *json, struct err *e)
{
	char said[SAID_MAX + 1] = "";
	int in[2], out[2], status = 0, err;
	pid_t pid;

	if (pipe2(in, O_CLOEXEC))
		return err_set(e, errno, "pipe: %s", strerror(errno));
	if (pipe2(out, O_CLOEXEC)) {
		close(in[0]);
		close(in[1]);
		return err_set(e, errno, "pipe: %s", strerror(errno));
	}
	fcntl(in[1], F_SETFL, O_NONBLOCK);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	pid = fork();
	if (pid == 0)
		hook_child(s, kind, h, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	if (pid < 0) {
		close(in[1]);
		close(out[0]);
		return err_set(e, errno, "fork: %s", strerror(errno));
	}
	err = hook_talk(pid, in[1], out[0], json, said, h->timeout);
	if (err)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	close(out[0]);
	if (err)
		return err_set(e, ETIMEDOUT,
			"%s hook %s took longer than its "
			"%d seconds",
			spec_hook_names[kind], h->path, h->timeout);
	return hook_status(h, spec_hook_names[kind], status, said, e);
}

static int run_all(const struct cstate *s, enum spec_hook_kind kind,
	bool lenient, struct err *e)
{
	if (!s->spec.nhooks[kind])
		return 0;
	own_mem char *json = state_oci_json(s, 0);
	struct sigaction old, ign = { .sa_handler = SIG_IGN };
	int err = 0;

	sigaction(SIGPIPE, &ign, &old);
	for (size_t i = 0; i < s->spec.nhooks[kind]; i++) {
		err = hook_run(s, kind, &s->spec.hooks[kind][i], json, e);
		if (err && !lenient)
			break;
		if (err)
			log_warn("%s", e->msg);
	}
	sigaction(SIGPIPE, &old, NULL);
	return err;
}

int hooks_run(const struct cstate *s, enum spec_hook_kind kind, struct err *e)
{
	return run_all(s, kind, false, e);
}

void hooks_run_lenient(const struct cstate *s, enum spec_hook_kind kind)
{
	struct err e = { 0 };

	(void)!run_all(s, kind, true, &e); /* each failure is logged */
}
