/* wait.c - runsc wait: the exit status of a container or a process in it. */
#include <stdio.h>

#include "applets/applet.h"
#include "applets/oci/sandbox.h"
#include "core/log.h"

static int rootpid, pid;
static bool checkpoint, restore, fscheckpoint, fsrestore;

const struct flag wait_flags[] = {
	{ "rootpid", FLAG_INT, &rootpid, NULL,
		"this process, numbered as in the sandbox" },
	{ "pid", FLAG_INT, &pid, NULL,
		"this process, numbered as in the container" },
	{ "checkpoint", FLAG_BOOL, &checkpoint, NULL, "not supported yet" },
	{ "restore", FLAG_BOOL, &restore, NULL, "not supported yet" },
	{ "fscheckpoint", FLAG_BOOL, &fscheckpoint, NULL, "not supported yet" },
	{ "fsrestore", FLAG_BOOL, &fsrestore, NULL, "not supported yet" },
	{ 0 },
};

int wait_main(struct config *c, int argc, char **argv, struct err *e)
{
	int i = applet_args(wait_flags, argc, argv, 1, 1, e), err;
	struct urpc_msg reply;
	struct json_doc *d;
	struct cstate s;
	int status = -1;

	if (i < 0)
		return i;
	if (checkpoint || restore || fscheckpoint || fsrestore)
		return err_set(e, ENOTSUP,
			"waiting for a checkpoint or a "
			"restore is not supported yet");
	pid = pid ? pid : rootpid;
	err = state_load(&s, c, argv[i], false, e);
	if (err)
		return err;
	d = json_new(JSON_OBJECT);
	json_add_str(d, json_root(d), "cid", s.id);
	json_add_int(d, json_root(d), "pid", pid);
	err = sandbox_call(&s,
		pid ? "containerManager.WaitPID" : "containerManager.Wait",
		json_root(d), &reply, e);
	json_free(d);
	if (!err) {
		status = json_int(
			json_path(json_root(reply.doc), "result.exitStatus"),
			-1);
		urpc_msg_fini(&reply);
	}
	/* The answer comes first: who waited may delete at once. */
	if (!pid && s.status != ST_CREATING &&
		proc_wait_dead(&s.sandbox, err ? 1000 : -1))
		log_debug("the sandbox of %s still runs", s.id);
	/* It ended while, or before, we asked. */
	if (err && !pid && (status = state_exit_status(&s)) >= 0)
		err = 0;
	if (!err)
		printf("{\"id\":\"%s\",\"exitStatus\":%d}\n", s.id, status);
	state_fini(&s);
	return err;
}
