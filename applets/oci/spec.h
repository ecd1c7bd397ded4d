/*
 * spec.h - config.json of an OCI bundle, as structs.
 *
 * Everything borrows from the parsed document, which the spec owns.  A mistake
 * is reported with the line and the field: "config.json line 12: process.cwd: ...".
 * The contract is the OCI runtime specification, config.md and config-linux.md.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/json.h"

struct spec_rlimit { int resource; uint64_t soft, hard; };

struct spec_process {
	bool terminal;
	uint16_t rows, cols;
	uint32_t uid, gid;
	uint32_t *groups;
	size_t ngroups;
	bool set_umask;
	unsigned umask;
	const char **args, **env;	/* NULL-terminated */
	const char *cwd;
	bool has_caps;
	uint64_t bounding, permitted, effective, inheritable, ambient;
	struct spec_rlimit *rlimits;
	size_t nrlimits;
	bool no_new_privs;
	bool set_oom;
	int oom_score_adj;
};

struct spec_mount {
	const char *dest, *type, *source;
	char *data;			/* options that are no flags, comma-separated; or NULL */
	unsigned flags;			/* MS_* */
	bool copyup;			/* tmpfs: begins with a copy of what lies below */
	bool bind;			/* a host tree: through the gofer */
	unsigned line;
};

struct spec_device {
	const char *path;
	uint32_t mode;			/* S_IFCHR, S_IFBLK or S_IFIFO, and permissions */
	unsigned major, minor;
	uint32_t uid, gid;
};

enum spec_ns { NS_USER, NS_PID, NS_NET, NS_IPC, NS_UTS, NS_MNT, NS_CGROUP, NS_TIME, NS_COUNT };

struct spec_hook {
	const char *path;
	const char **args, **env;	/* NULL-terminated; env NULL: ours */
	int timeout;			/* seconds, 0: none */
};
enum spec_hook_kind { HOOK_PRESTART, HOOK_CREATE_RUNTIME, HOOK_CREATE_CONTAINER,
	HOOK_START_CONTAINER, HOOK_POSTSTART, HOOK_POSTSTOP, HOOK_COUNT };
extern const char *const spec_hook_names[HOOK_COUNT];

struct spec {
	struct json_doc *doc;		/* owned */
	const char *version;
	bool has_process;
	struct spec_process process;
	char *root;			/* absolute path on the host; owned */
	bool root_readonly;
	const char *hostname, *domainname;
	struct spec_mount *mounts;
	size_t nmounts;
	struct { bool present; const char *path; } ns[NS_COUNT];
	const char *cgroups_path;	/* NULL: none */
	const struct json *resources;	/* linux.resources, NULL */
	struct spec_hook *hooks[HOOK_COUNT];
	size_t nhooks[HOOK_COUNT];
	struct spec_device *devices;
	size_t ndevices;
	const char **masked, **readonly;	/* NULL-terminated, or NULL */
	const char **sysctl;		/* "name=value", NULL-terminated, or NULL */
	const struct json *annotations;	/* object, NULL */
	bool seccomp;			/* a seccomp section is there */
	char *text;			/* what was parsed; owned */
	size_t len;
};

/* Parses @text (copied).  @bundle makes a relative root.path absolute; NULL: left alone. */
int spec_parse(struct spec *s, const char *text, size_t len, const char *bundle,
	struct err *e) MUST_CHECK;
int spec_load(struct spec *s, const char *bundle, struct err *e) MUST_CHECK;
void spec_fini(struct spec *s);
/* A process object by itself, as exec --process has it: @what names it in errors. */
int spec_parse_process(const struct json *j, const char *what, struct spec_process *p,
	struct err *e) MUST_CHECK;
void spec_process_fini(struct spec_process *p);
int rlimit_by_name(const char *name);	/* "RLIMIT_NOFILE": its number, or -1 */
