/*
 * config.h - the global flags, one struct.
 *
 * flags.def is the table; main parses it before the sub-command's word.  What a
 * container was created with is kept in its state file (config_args), so that
 * later commands need not repeat it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/json.h"

#define CT_BOOL bool
#define CT_INT int
#define CT_U64 uint64_t
#define CT_STR const char *
#define CT_ENUM int
#define CT_DURATION int64_t

struct config {
#define G(type, field, name, values, dflt, state, help) CT_##type field;
#include "applets/flags.def"
#undef G
};

enum { FILE_EXCLUSIVE, FILE_SHARED };		/* --file-access */
enum { MOUNTS_SHARED, MOUNTS_EXCLUSIVE };	/* --file-access-mounts */
enum { NET_SANDBOX, NET_HOST, NET_NONE };	/* --network */

void config_init(struct config *c);
/* The index of the first word that is no flag, or -EINVAL. */
int config_parse(struct config *c, int argc, char **argv, struct err *e) MUST_CHECK;
/* Refuses by name what is not done yet; warns once of what has no effect. */
int config_check(const struct config *c, bool warn, struct err *e) MUST_CHECK;
/* Applies the dev.gvisor.flag.* members of an annotations object. */
int config_annotations(struct config *c, const struct json *annotations, struct err *e) MUST_CHECK;
/*
 * The flags that are not at their default, "--name=value", malloc'ed into @out:
 * the count, at most @max.  Logs and state are for the caller to add.
 */
size_t config_args(const struct config *c, char **out, size_t max);
/* Sets one flag from its "--name=value" form; @arg must live as long as @c. */
int config_apply(struct config *c, const char *arg, struct err *e) MUST_CHECK;
const char *config_root(const struct config *c);
/* Opens what --log and --debug-log name, for @command on container @id (may be NULL). */
int config_logs(const struct config *c, const char *command, const char *id, struct err *e) MUST_CHECK;
/* The debug log of a child process @command, or -1: an owned descriptor. */
int config_debug_log(const struct config *c, const char *command, const char *id);
void config_help(void);
