/* state.c - runsc state: a container's state as JSON. */
#include <stdio.h>

#include "applets/applet.h"
#include "applets/oci/state.h"
#include "core/own.h"

int state_main(struct config *c, int argc, char **argv, struct err *e)
{
	int i = applet_args(no_flags, argc, argv, 1, 1, e), err;
	struct cstate s;

	if (i < 0)
		return i;
	err = state_load(&s, c, argv[i], false, e);
	if (err)
		return err;
	own_mem char *text = state_oci_json(&s, 2);
	puts(text);
	state_fini(&s);
	return 0;
}
