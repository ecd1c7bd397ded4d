/* run.c - runsc run: create, start, and wait in the foreground. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "applets/applet.h"
#include "applets/oci/sandbox.h"
#include "applets/run.h"

static const char *bundle, *console_socket, *pid_file, *user_log;
static bool detach;
static int exec_fd = -1;
static struct flag_list pass;

const struct flag run_flags[] = {
	{ "bundle", FLAG_STR, &bundle, NULL,
		"directory that holds config.json (default: the current one)" },
	{ "console-socket", FLAG_STR, &console_socket, NULL,
		"Unix socket that is sent the terminal's master" },
	{ "pid-file", FLAG_STR, &pid_file, NULL,
		"file to write the sandbox's process id to" },
	{ "user-log", FLAG_STR, &user_log, NULL,
		"file for what the user should know: calls that are not "
		"there" },
	{ "detach", FLAG_BOOL, &detach, NULL,
		"return when it runs, and leave it running" },
	{ "pass-fd", FLAG_LIST, &pass, NULL,
		"M:N: our descriptor M becomes the container's N" },
	{ "exec-fd", FLAG_INT, &exec_fd, NULL, "not supported yet" },
	{ 0 },
};

/* With a pty of ours the user's terminal is raw until the end. */
static int supervise(struct cstate *s, int master, struct err *e)
{
	struct relay relay;
	int ret;

	if (master < 0)
		return sandbox_supervise(s, NULL, e);
	relay_enter(&relay, master);
	ret = sandbox_supervise(s, &relay, e);
	relay_leave(&relay);
	return ret;
}

/* A sandbox that broke says why, also to a user who asked for no log. */
static void say_last_words(int fd, int status)
{
	char words[400];

	if (fd < 0)
		return;
	if (status < 0 || status == 128 + SIGSYS || status == 128 + SIGABRT) {
		last_words(fd, words, sizeof words);
		if (words[0])
			dprintf(2, "runsc: the sandbox said: %s\n", words);
	}
	close(fd);
}

int run_foreground(
	struct config *c, const char *id, struct create_opts *o, struct err *e)
{
	struct cstate s;
	int ret;

	o->attached = o->relay = true;
	ret = sandbox_create(&s, c, id, o, e);
	if (ret)
		return ret;
	ret = sandbox_start(&s, e);
	if (!ret) {
		state_unlock(&s);
		ret = supervise(&s, o->master, e);
		/* Another command may have deleted it meanwhile. */
		struct err gone;
		if (!state_lock(&s, &gone) && !state_reload(&s, &gone))
			sandbox_destroy(&s);
		else
			state_remove(&s);
	} else {
		sandbox_destroy(&s);
	}
	say_last_words(o->last_words, ret);
	if (o->master >= 0)
		close(o->master);
	state_fini(&s);
	return ret;
}

static int run_detached(
	struct config *c, const char *id, struct create_opts *o, struct err *e)
{
	struct cstate s;
	int ret = sandbox_create(&s, c, id, o, e);

	if (ret)
		return ret;
	ret = sandbox_start(&s, e);
	if (ret)
		sandbox_destroy(&s);
	state_fini(&s);
	return ret;
}

int run_main(struct config *c, int argc, char **argv, struct err *e)
{
	int i = applet_args(run_flags, argc, argv, 1, 1, e);
	struct create_opts o = { .bundle = bundle,
		.console_socket = console_socket,
		.user_log = user_log,
		.pid_file = pid_file,
		.pass = &pass };

	if (i < 0)
		return i;
	if (exec_fd >= 0)
		return err_set(e, ENOTSUP, "--exec-fd is not supported yet");
	return detach ? run_detached(c, argv[i], &o, e)
		      : run_foreground(c, argv[i], &o, e);
}
