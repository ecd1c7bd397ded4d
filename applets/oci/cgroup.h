/*
 * cgroup.h - the sandbox's cgroup on the host, version 1, 2 or both mounted.
 *
 * Limits count for the sandbox as a whole.  A host whose cgroups cannot be
 * written gets one warning and a container without limits.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "applets/oci/spec.h"
#include "core/err.h"

#define CG_DIRS 16

struct cgroup {
	char *dir[CG_DIRS];		/* absolute, one a hierarchy; owned */
	const char *ctl[CG_DIRS];	/* controllers of it: "memory", "cpu,cpuacct", "" for v2; owned */
	bool v2[CG_DIRS];
	size_t n;
};

/*
 * Names the directories for @path (linux.cgroupsPath); makes nothing.  A path
 * without a leading slash is relative to ours; with @systemd it has that form.
 */
int cgroup_find(struct cgroup *g, const char *path, bool systemd, struct err *e) MUST_CHECK;
/* Makes them and writes the limits.  Fails only when a limit that was asked for is refused. */
int cgroup_make(struct cgroup *g, const struct json *resources, struct err *e) MUST_CHECK;
int cgroup_limits(struct cgroup *g, const struct json *resources, struct err *e) MUST_CHECK;
int cgroup_enter(const struct cgroup *g, pid_t pid, struct err *e) MUST_CHECK;
/* The directories as one newline-separated string, malloc'ed, and back. */
char *cgroup_print(const struct cgroup *g);
void cgroup_scan(struct cgroup *g, const char *text);
/* Kills what is left in it and removes the directories. */
void cgroup_remove(struct cgroup *g);
void cgroup_fini(struct cgroup *g);
/* The file of a v1 controller or of v2: its number, or @dflt. */
int64_t cgroup_read(const struct cgroup *g, const char *ctl, const char *file, int64_t dflt);
/* The number after @key in a file of v2 with a line for each. */
int64_t cgroup_read_key(const struct cgroup *g, const char *file, const char *key, int64_t dflt);

/* For cgroup_limits.c: writes @text, -errno; is @ctl a controller of directory @i? */
int cgroup_put(const char *dir, const char *file, const char *text) MUST_CHECK;
bool cgroup_controls(const struct cgroup *g, size_t i, const char *ctl);
