/*
 * cred.h - who a task is: ids, groups, capabilities.  credentials(7).
 *
 * A cred is shared and never changed once published: a change makes a copy and
 * swaps it in (cred_commit), so readers need no lock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/attr.h"
#include "core/caps.h"
#include "core/list.h"
#include "core/ref.h"

struct task;
struct user_ns;

/* What one real uid has in use: RLIMIT_NPROC, RLIMIT_SIGPENDING. */
struct user {
	struct ref ref;
	struct list link;		/* lc_user */
	uint32_t uid;			/* I */
	atomic_int ntasks, nsignals;	/* a */
};
void users_init(void);			/* once, before the first cred */
struct user *user_lookup(uint32_t uid);	/* made when new; NULL on OOM */
struct user *user_get(struct user *u);
void user_put(struct user *u);

struct cred {
	struct ref ref;
	uint32_t uid, euid, suid, fsuid;
	uint32_t gid, egid, sgid, fsgid;
	uint64_t permitted, effective, inheritable, bounding, ambient;
	unsigned securebits;
	bool keep_caps;			/* PR_SET_KEEPCAPS */
	bool no_new_privs;
	struct user *user;		/* reference: of the real uid */
	struct user_ns *user_ns;	/* borrowed while there is only the container's */
	uint32_t ngroups;
	uint32_t groups[];		/* sorted */
};

struct cred *cred_get(const struct cred *c);
void cred_put(struct cred *c);
/* A private copy to change, with room for @ngroups (-1: the same groups); NULL on OOM. */
struct cred *cred_copy(const struct cred *c, int ngroups);
struct cred *cred_new(uint32_t uid, uint32_t gid, const uint32_t *groups, uint32_t ngroups);
/* Publishes @c (consumed) as @t's credentials; @t is the calling task. */
void cred_commit(struct task *t, struct cred *c);
/* The calling task's, borrowed until it changes them itself. */
const struct cred *task_cred(struct task *t);
/* Any task's: returns a reference. */
struct cred *task_cred_get(struct task *t);

static inline bool cred_capable(const struct cred *c, int cap)
{
	return c->effective >> cap & 1;
}
bool task_capable(struct task *t, int cap);
bool cred_in_group(const struct cred *c, uint32_t gid);	/* fsgid or a supplementary group */
/* What execve(2) makes of capabilities and ids (setuid bits when @suid allowed). NULL on OOM. */
struct cred *cred_for_exec(const struct cred *old, uint32_t mode, uint32_t uid, uint32_t gid,
	uint64_t file_permitted, uint64_t file_inheritable, bool file_effective, bool allow_suid, bool *secure);
