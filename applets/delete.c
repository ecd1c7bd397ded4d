/* delete.c - runsc delete: remove what a container holds. */
#include <errno.h>

#include "applets/applet.h"
#include "applets/oci/sandbox.h"
#include "core/log.h"

static bool force;

const struct flag delete_flags[] = {
	{ "force", FLAG_BOOL, &force, NULL,
		"kill it first when it runs; succeed when there is none" },
	{ 0 },
};

static int delete_one(struct config *c, const char *id, struct err *e)
{
	struct cstate s;
	int err = state_load(&s, c, id, true, e);

	if (err == -ENOENT && force)
		return 0;
	if (err)
		return err;
	if (!force && s.status != ST_STOPPED && s.status != ST_CREATED &&
		s.status != ST_CREATING)
		err = err_set(e, EBUSY,
			"container \"%s\" is %s: kill it "
			"first, or use --force",
			id, status_names[s.status]);
	else
		sandbox_destroy(&s);
	state_fini(&s);
	return err;
}

int delete_main(struct config *c, int argc, char **argv, struct err *e)
{
	int i = applet_args(delete_flags, argc, argv, 1, -1, e), err = 0;

	if (i < 0)
		return i;
	for (; i < argc; i++) {
		struct err one = { 0 };
		if (!delete_one(c, argv[i], &one))
			continue;
		if (err)
			log_error("%s", e->msg);
		*e = one;
		err = -one.code;
	}
	return err;
}
