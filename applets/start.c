/* start.c - runsc start: run a created container's program. */
#include "applets/applet.h"
#include "applets/oci/sandbox.h"

int start_main(struct config *c, int argc, char **argv, struct err *e)
{
	int i = applet_args(no_flags, argc, argv, 1, 1, e), err;
	struct cstate s;

	if (i < 0)
		return i;
	err = state_load(&s, c, argv[i], true, e);
	if (err)
		return err;
	err = sandbox_start(&s, e);
	state_fini(&s);
	return err;
}
