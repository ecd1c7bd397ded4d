/* debug.c - runsc debug: look into a running sandbox. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "applets/applet.h"
#include "applets/oci/sandbox.h"
#include "core/own.h"

static bool stacks, ps;
static int pid, sig = -1;
static const char *strace, *level, *packets, *go, *mount_;
static int64_t duration;

const struct flag debug_flags[] = {
	{ "pid", FLAG_INT, &pid, NULL,
		"process id of the sandbox, in place of a container id" },
	{ "stacks", FLAG_BOOL, &stacks, NULL,
		"print what each task of the sandbox does" },
	{ "ps", FLAG_BOOL, &ps, NULL, "list the processes" },
	{ "signal", FLAG_INT, &sig, NULL, "send a signal to the sandbox" },
	{ "strace", FLAG_STR, &strace, NULL,
		"calls to trace: a list, \"all\" or \"off\"" },
	{ "log-level", FLAG_STR, &level, NULL, "warning, info or debug" },
	{ "log-packets", FLAG_STR, &packets, NULL, "true or false" },
	{ "profile-block", FLAG_STR, &go, NULL, "Go only" },
	{ "profile-cpu", FLAG_STR, &go, NULL, "Go only" },
	{ "profile-heap", FLAG_STR, &go, NULL, "Go only" },
	{ "profile-mutex", FLAG_STR, &go, NULL, "Go only" },
	{ "trace", FLAG_STR, &go, NULL, "Go only" },
	{ "delay", FLAG_DURATION, &duration, NULL, "Go only" },
	{ "duration", FLAG_DURATION, &duration, NULL, "Go only" },
	{ "mount", FLAG_STR, &mount_, NULL, "not supported yet" },
	{ 0 },
};

static int print_stacks(struct cstate *s, struct err *e)
{
	struct urpc_msg reply;
	int err = sandbox_call(s, "debug.Stacks", NULL, &reply, e);

	if (err)
		return err;
	put_clean(json_str(json_get(json_root(reply.doc), "result"), ""), true);
	urpc_msg_fini(&reply);
	return 0;
}

static const char *level_name(const char *text)
{
	static const char *const names[] = { "warning", "info", "debug" };

	return text[0] >= '0' && text[0] <= '2' && !text[1]
		       ? names[text[0] - '0']
		       : text;
}

static int change_logging(struct cstate *s, struct err *e)
{
	struct json_doc *d = json_new(JSON_OBJECT);
	int err;

	if (level && level[0])
		json_add_str(d, json_root(d), "level", level_name(level));
	if (strace && strace[0])
		json_add_str(d, json_root(d), "strace", strace);
	if (packets && packets[0])
		json_add_bool(d, json_root(d), "logPackets",
			!strcmp(packets, "true"));
	err = sandbox_call(s, "Logging.Change", json_root(d), NULL, e);
	json_free(d);
	return err;
}

static int act(struct config *c, struct cstate *s, struct err *e)
{
	char *words[] = { (char[]){ "ps" }, s->id, NULL };
	int err = 0;

	if (sig >= 0)
		err = proc_kill(&s->sandbox, sig);
	if (err)
		return err_set(
			e, -err, "signalling the sandbox: %s", strerror(-err));
	if (stacks)
		err = print_stacks(s, e);
	if (!err && ((strace && strace[0]) || (level && level[0]) ||
			    (packets && packets[0])))
		err = change_logging(s, e);
	if (!err && ps)
		err = ps_main(c, 2, words, e);
	return err;
}

/* The container whose sandbox is process @want. */
static int find_pid(struct config *c, int want, struct cstate *s, struct err *e)
{
	char **ids = state_list(c, e);
	bool found = false;

	if (!ids)
		return -e->code;
	for (size_t n = 0; ids[n]; n++) {
		struct err gone;
		if (!found && !state_load(s, c, ids[n], false, &gone)) {
			found = s->sandbox.pid == want &&
				s->status != ST_STOPPED;
			if (!found)
				state_fini(s);
		}
		free(ids[n]);
	}
	free(ids);
	return found ? 0
		     : err_set(e, ESRCH,
			       "--pid=%d: no sandbox below %s is that process",
			       want, config_root(c));
}

int debug_main(struct config *c, int argc, char **argv, struct err *e)
{
	int i = applet_args(debug_flags, argc, argv, 0, 1, e), err;
	struct cstate s;

	if (i < 0)
		return i;
	if (mount_ || go)
		return err_set(e, ENOTSUP,
			"--mount, --trace and the Go profiles are not "
			"supported");
	if ((i < argc) == (pid > 0))
		return err_set(e, EINVAL,
			"usage: runsc debug [flags] <id>, or --pid in place "
			"of the id");
	err = pid ? find_pid(c, pid, &s, e)
		  : state_load(&s, c, argv[i], false, e);
	if (err)
		return err;
	err = act(c, &s, e);
	state_fini(&s);
	return err;
}
