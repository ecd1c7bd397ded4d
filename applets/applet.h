/*
 * applet.h - one row of applets.def per sub-command.
 *
 * An applet gets its own words (argv[0] is its name) after the global flags were
 * parsed.  It returns the exit status, or -errno with a sentence in @e, which
 * main writes to the log and to standard error before it exits with 128.
 */
#pragma once

#include <errno.h>

#include "applets/config.h"
#include "core/err.h"
#include "core/flag.h"


#define EXIT_FAILED 128			/* our own failure */
#define EXIT_USAGE 2			/* a bad global flag */

struct applet {
	const char *name;
	const char *group;		/* of the list that help prints */
	const char *usage;		/* its arguments */
	const char *summary;
	const struct flag *flags;	/* NULL: none */
	int (*run)(struct config *c, int argc, char **argv, struct err *e);
};

/*
 * Parses the flags of @a; then [@min, @max] words must follow (max -1: any number).
 * The index of the first one, or -EINVAL.
 */
int applet_args(const struct flag *flags, int argc, char **argv, int min, int max,
	struct err *e) MUST_CHECK;
/* A word that is an applet's name; NULL. */
const struct applet *applet_find(const char *name);
const struct applet *applet_table(size_t *n);

#define APPLET(name, fn, flags, group, usage, summary) \
	int fn##_main(struct config *c, int argc, char **argv, struct err *e); \
	extern const struct flag flags[];
#include "applets/applets.def"
#undef APPLET

/* Text that a guest may have chosen, to stdout: no control character reaches the
 * terminal but, with @lines, newlines. */
void put_clean(const char *text, bool lines);
/* argv[0] of the waiter that `exec --detach` leaves behind. */
int exec_waiter_main(int argc, char **argv);
