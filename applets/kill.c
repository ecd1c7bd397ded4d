/* kill.c - runsc kill: a signal to a container's processes. */
#include <signal.h>

#include "applets/applet.h"
#include "applets/oci/sandbox.h"

static bool all;
static int pid, pgid;

const struct flag kill_flags[] = {
	{ "all", FLAG_BOOL, &all, NULL, "to every process inside" },
	{ "pid", FLAG_INT, &pid, NULL, "to this process, numbered as inside" },
	{ "pgid", FLAG_INT, &pgid, NULL, "to this process group" },
	{ 0 },
};

/*
 * A container that was never started has no process to signal: what would end
 * one ends the sandbox.
 */
static int kill_created(struct cstate *s, int sig)
{
	if (sig == SIGKILL || sig == SIGTERM || sig == SIGINT)
		(void)!proc_kill(&s->sandbox, SIGKILL); /* dead is fine */
	return 0;
}

int kill_main(struct config *c, int argc, char **argv, struct err *e)
{
	int i = applet_args(kill_flags, argc, argv, 1, 2, e), err, sig;
	struct cstate s;

	if (i < 0)
		return i;
	sig = i + 1 < argc ? signal_by_name(argv[i + 1]) : SIGTERM;
	if (sig < 0)
		return err_set(e, EINVAL,
			"\"%s\" is no signal: use a name "
			"or a number from 1 to 64",
			argv[i + 1]);
	if (all + (pid != 0) + (pgid != 0) > 1)
		return err_set(e, EINVAL,
			"--all, --pid and --pgid exclude each other");
	err = state_load(&s, c, argv[i], false, e);
	if (err)
		return err;
	if (s.status == ST_CREATED)
		err = kill_created(&s, sig);
	else if (s.status == ST_STOPPED && all)
		err = 0; /* nobody is left: done */
	else
		err = sandbox_signal(
			&s, pid ? pid : pgid, all, pgid != 0, sig, e);
	state_fini(&s);
	return err;
}
