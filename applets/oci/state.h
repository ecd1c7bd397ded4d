/*
 * state.h - what is kept of a container between commands.
 *
 * ROOT/ID_sandbox:ID.state is JSON, replaced by rename so that a reader needs
 * no lock.  ROOT/ID_sandbox:ID.lock is locked (flock) by every command that
 * changes something, for as long as it does.  The state is written before anything else is
 * made, so that whatever a killed command leaves behind can be found.  The sandbox
 * writes its exit status to .exit, through a descriptor that it was given.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "applets/config.h"
#include "applets/oci/proc.h"
#include "applets/oci/spec.h"
#include "core/err.h"

enum status { ST_CREATING, ST_CREATED, ST_RUNNING, ST_PAUSED, ST_STOPPED };
extern const char *const status_names[];

#define ID_MAX 200

struct cstate {
	char id[ID_MAX + 1];
	enum status status;		/* as it is now: a dead sandbox is ST_STOPPED */
	char *bundle;
	struct proc sandbox, gofer;
	int64_t created;		/* ns since 1970 */
	uint32_t owner;			/* uid of who created it */
	char *cgroup;			/* newline-separated directories that we made; NULL */
	char sock[48];			/* name of the control socket in the root */
	struct spec spec;
	struct config conf;		/* flags it was created with; logs are the caller's */
	char root[400];
	int lock;			/* held, or -1 */
};

/* -EINVAL unless @id may name a container. */
int state_check_id(const char *id, struct err *e) MUST_CHECK;
/*
 * Takes the lock of a new @id and fills @s (the spec is moved in).  -EEXIST when the id is in use.
 */
int state_create(struct cstate *s, const struct config *conf, const char *id, struct err *e) MUST_CHECK;
/* Loads @id, locked or not.  -ENOENT: "container "x" does not exist". */
int state_load(struct cstate *s, const struct config *conf, const char *id, bool lock,
	struct err *e) MUST_CHECK;
int state_save(struct cstate *s, struct err *e) MUST_CHECK;
/* Reads the file again: another command may have written. */
int state_reload(struct cstate *s, struct err *e) MUST_CHECK;
int state_lock(struct cstate *s, struct err *e) MUST_CHECK;
void state_unlock(struct cstate *s);
/* Removes state, socket and lock file. */
void state_remove(struct cstate *s);
void state_fini(struct cstate *s);
/* What the container ended with, or -ENODATA: it runs, or was killed with its sandbox. */
int state_exit_status(const struct cstate *s);
void state_refresh(struct cstate *s);	/* looks whether the sandbox lives */
/* Path of a file of this container: ".state", ".lock". */
char *state_path(const struct cstate *s, const char *suffix);	/* malloc'ed */
/* The ids under the root, sorted; NULL-terminated, malloc'ed with its strings. */
char **state_list(const struct config *conf, struct err *e);
/* The JSON that hooks get on standard input and that `state` prints. */
char *state_oci_json(const struct cstate *s, int indent);
