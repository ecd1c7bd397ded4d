/*
 * cred.c - credentials: making, changing, and what execve(2) does to them.
 *
 * credentials(7) and capabilities(7) are the contract.  A published cred never
 * changes; cred_commit() swaps the pointer under the task's res_lock.
 */
#include "kernel/task/cred.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/mm/mm.h"
#include "kernel/task/internal.h"

#define SECBIT_NOROOT 1

/* --- users: a short list, since a container has few of them */

static struct {
	struct mutex lock;
	struct list all GUARDED_BY(lc_user);
} users;
LOCK_OPS(user, __typeof__(users), lock)

void users_init(void)
{
	mutex_init(&users.lock, &lc_user);
	list_init(&users.all);
}

struct user *user_get(struct user *u)
{
	ref_get(&u->ref);
	return u;
}

struct user *user_lookup(uint32_t uid)
{
	struct user *u;

	user_lock(&users);
	list_for_each (u, &users.all, link)
		if (u->uid == uid) {
			user_get(u);
			user_unlock(&users);
			return u;
		}
	u = calloc(1, sizeof *u);
	if (u) {
		ref_init(&u->ref);
		u->uid = uid;
		list_add(&users.all, &u->link);
	}
	user_unlock(&users);
	return u;
}

/* The count falls to zero only under the lock that lookups take. */
void user_put(struct user *u)
{
	int n = u ? atomic_load(&u->ref.n) : 2;

	while (n > 1)
		if (!u || atomic_compare_exchange_weak(&u->ref.n, &n, n - 1))
			return;
	user_lock(&users);
	if (ref_put(&u->ref)) {
		list_del(&u->link);
		free(u);
	}
	user_unlock(&users);
}

/* --- objects */

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

struct cred *cred_new(
	uint32_t uid, uint32_t gid, const uint32_t *groups, uint32_t ngroups)
{
	struct cred *c = calloc(1, sizeof *c + ngroups * sizeof c->groups[0]);

	if (!c)
		return NULL;
	ref_init(&c->ref);
	c->user = user_lookup(uid);
	if (!c->user) {
		free(c);
		return NULL;
	}
	c->uid = c->euid = c->suid = c->fsuid = uid;
	c->gid = c->egid = c->sgid = c->fsgid = gid;
	c->ngroups = ngroups;
	if (ngroups)
		memcpy(c->groups, groups, ngroups * sizeof c->groups[0]);
	qsort(c->groups, ngroups, sizeof c->groups[0], by_number);
	return c;
}

struct cred *cred_copy(const struct cred *from, int ngroups)
{
	uint32_t n = ngroups < 0 ? from->ngroups : (uint32_t)ngroups;
	uint32_t keep = MIN(n, from->ngroups);
	struct cred *c = calloc(1, sizeof *c + n * sizeof c->groups[0]);

	if (!c)
		return NULL;
	/* All but the count, which others change meanwhile. */
	memcpy((char *)c + sizeof c->ref, (const char *)from + sizeof c->ref,
		sizeof *c - sizeof c->ref);
	ref_init(&c->ref);
	user_get(c->user);
	memcpy(c->groups, from->groups, keep * sizeof c->groups[0]);
	c->ngroups = n;
	return c;
}

struct cred *cred_get(const struct cred *c)
{
	struct cred *m =
		(struct cred *)(uintptr_t)c; /* only its count changes */

	ref_get(&m->ref);
	return m;
}

void cred_put(struct cred *c)
{
	if (!c || !ref_put(&c->ref))
		return;
	user_put(c->user);
	free(c);
}

const struct cred *task_cred(struct task *t)
{
	return t->cred;
}

struct cred *task_cred_get(struct task *t)
{
	struct cred *c;

	mutex_acquire(&t->res_lock);
	c = cred_get(t->cred);
	mutex_release(&t->res_lock);
	return c;
}

/* A changed real uid moves the task to another user's count. */
static void cred_fix_user(struct task *t, struct cred *c)
{
	struct user *u;

	if (c->user->uid == c->uid)
		return;
	u = user_lookup(c->uid);
	if (!u)
		return; /* no memory: it goes on counting for the old one */
	if (t) {
		atomic_fetch_sub(&c->user->ntasks, 1);
		atomic_fetch_add(&u->ntasks, 1);
	}
	user_put(c->user);
	c->user = u;
}

static bool ids_changed(const struct cred *a, const struct cred *b)
{
	return a->euid != b->euid || a->egid != b->egid ||
	       a->fsuid != b->fsuid || a->fsgid != b->fsgid ||
	       (b->permitted & ~a->permitted);
}

void cred_commit(struct task *t, struct cred *c)
{
	struct cred *old = t->cred;

	cred_fix_user(t, c);
	/* Linux: commit_creds() makes such a process undumpable. */
	if (ids_changed(old, c)) {
		if (t->mm)
			atomic_store(&t->mm->dumpable, 0);
		t->pdeath_signal = 0;
	}
	mutex_acquire(&t->res_lock);
	t->cred = c;
	mutex_release(&t->res_lock);
	cred_put(old);
}

bool task_capable(struct task *t, int cap)
{
	return cred_capable(t->cred, cap);
}

bool cred_in_group(const struct cred *c, uint32_t gid)
{
	return c->fsgid == gid ||
	       bsearch(&gid, c->groups, c->ngroups, sizeof gid, by_number);
}

/* --- exec */

/* Linux: security/commoncap.c cap_bprm_creds_from_file() */
struct cred *cred_for_exec(const struct cred *old, uint32_t mode, uint32_t uid,
	uint32_t gid, uint64_t file_permitted, uint64_t file_inheritable,
	bool file_effective, bool allow_suid, bool *secure)
{
	bool has_fcap = file_permitted || file_inheritable || file_effective;
	struct cred *c = cred_copy(old, -1);
	bool set_id, root;

	if (!c)
		return NULL;
	if (!allow_suid || old->no_new_privs) {
		has_fcap = false;
		mode &= ~06000u;
	}
	if (mode & 04000)
		c->euid = uid;
	if ((mode & 02010) == 02010)
		c->egid = gid;
	c->suid = c->fsuid = c->euid;
	c->sgid = c->fsgid = c->egid;
	set_id = c->euid != old->uid || c->egid != old->gid;
	if (!has_fcap)
		file_permitted = file_inheritable = file_effective = 0;

	/* Root's files have all capabilities, unless SECBIT_NOROOT. */
	root = false;
	if (!(c->securebits & SECBIT_NOROOT) &&
		!(has_fcap && c->uid != 0 && c->euid == 0)) {
		if (c->euid == 0 || c->uid == 0) {
			file_permitted = file_inheritable = ~0ULL;
			root = true;
		}
		if (c->euid == 0)
			file_effective = true;
	}
	if (has_fcap || set_id)
		c->ambient = 0;
	c->permitted = (old->inheritable & file_inheritable) |
		       (old->bounding & file_permitted);
	c->permitted &= old->bounding | old->inheritable;
	c->permitted |= c->ambient;
	c->effective = file_effective ? c->permitted : c->ambient;
	c->keep_caps = false;
	c->securebits &= ~16u; /* SECBIT_KEEP_CAPS */
	*secure = c->euid != old->uid || c->egid != old->gid ||
		  (old->uid != 0 && !root && (c->effective & ~c->ambient)) ||
		  (c->uid != 0 && root && file_effective);
	return c;
}
