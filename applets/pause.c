/* pause.c - runsc pause and resume. */
#include "applets/applet.h"
#include "applets/oci/sandbox.h"

static int change(
	struct config *c, int argc, char **argv, bool pausing, struct err *e)
{
	const enum status from = pausing ? ST_RUNNING : ST_PAUSED;
	int i = applet_args(no_flags, argc, argv, 1, 1, e), err;
	struct json_doc *d;
	struct cstate s;

	if (i < 0)
		return i;
	err = state_load(&s, c, argv[i], true, e);
	if (err)
		return err;
	d = json_new(JSON_OBJECT);
	json_add_str(d, json_root(d), "cid", s.id);
	if (s.status != from)
		err = err_set(e, EINVAL, "container \"%s\" is %s, not %s", s.id,
			status_names[s.status], status_names[from]);
	else
		err = sandbox_call(&s,
			pausing ? "containerManager.Pause"
				: "containerManager.Resume",
			json_root(d), NULL, e);
	json_free(d);
	if (!err) {
		s.status = pausing ? ST_PAUSED : ST_RUNNING;
		err = state_save(&s, e);
	}
	state_fini(&s);
	return err;
}

int pause_main(struct config *c, int argc, char **argv, struct err *e)
{
	return change(c, argc, argv, true, e);
}

int resume_main(struct config *c, int argc, char **argv, struct err *e)
{
	return change(c, argc, argv, false, e);
}
