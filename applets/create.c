/* create.c - runsc create: a container from a bundle, ready to start. */
#include "applets/applet.h"
#include "applets/oci/sandbox.h"

static const char *bundle, *console_socket, *pid_file, *user_log, *restore;
static bool restore_direct;

const struct flag create_flags[] = {
	{ "bundle", FLAG_STR, &bundle, NULL,
		"directory that holds config.json (default: the current one)" },
	{ "console-socket", FLAG_STR, &console_socket, NULL,
		"Unix socket that is sent the terminal's master" },
	{ "pid-file", FLAG_STR, &pid_file, NULL,
		"file to write the sandbox's process id to" },
	{ "user-log", FLAG_STR, &user_log, NULL,
		"file for what the user should know: calls that are not "
		"there" },
	{ "fs-restore-image-path", FLAG_STR, &restore, NULL,
		"not supported yet" },
	{ "fs-restore-direct", FLAG_BOOL, &restore_direct, NULL,
		"not supported yet" },
	{ 0 },
};

int create_main(struct config *c, int argc, char **argv, struct err *e)
{
	int i = applet_args(create_flags, argc, argv, 1, 1, e), err;
	struct create_opts o = { .bundle = bundle,
		.console_socket = console_socket,
		.user_log = user_log,
		.pid_file = pid_file };
	struct cstate s;

	if (i < 0)
		return i;
	if (restore && restore[0])
		return err_set(e, ENOTSUP,
			"--fs-restore-image-path is not supported yet");
	err = sandbox_create(&s, c, argv[i], &o, e);
	if (!err)
		state_fini(&s);
	return err;
}
