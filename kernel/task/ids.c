/*
 * ids.c - setuid(2) and its kin, setgroups(2), capset(2).
 *
 * An id of -1 means "leave it"; as an id to set it is EINVAL.  What a change of
 * user ids does to capabilities stands in capabilities(7), "Effect of user ID
 * changes on capabilities".
 */
#include "kernel/task/ids.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/task/cred.h"
#include "kernel/task/internal.h"

#define KEEP                   UINT32_MAX
#define CAP_SETGID             6
#define CAP_SETUID             7
#define CAP_SETPCAP            8
#define SECBIT_NO_SETUID_FIXUP 4
/* CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID, LINUX_IMMUTABLE, MKNOD,
 * MAC_OVERRIDE */
#define CAPS_FS (0x1fULL | 1ULL << 9 | 1ULL << 27 | 1ULL << 32)

static int sort_groups(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Linux: security/commoncap.c cap_emulate_setxuid() */
static void fix_caps(const struct cred *old, struct cred *c)
{
	bool was = old->uid == 0 || old->euid == 0 || old->suid == 0;
	bool is = c->uid == 0 || c->euid == 0 || c->suid == 0;

	if (c->securebits & SECBIT_NO_SETUID_FIXUP)
		return;
	if (was && !is) {
		if (!c->keep_caps) {
			c->permitted = 0;
			c->effective = 0;
		}
		c->ambient = 0;
	}
	if (old->euid == 0 && c->euid != 0)
		c->effective = 0;
	if (old->euid != 0 && c->euid == 0)
		c->effective = c->permitted;
}

static void fix_fscaps(const struct cred *old, struct cred *c)
{
	if (c->securebits & SECBIT_NO_SETUID_FIXUP)
		return;
	if (old->fsuid == 0 && c->fsuid != 0)
		c->effective &= ~CAPS_FS;
	if (old->fsuid != 0 && c->fsuid == 0)
		c->effective |= c->permitted & CAPS_FS;
}

long ids_setuid(struct task *t, uint32_t uid)
{
	const struct cred *old = task_cred(t);
	struct cred *c;

	if (uid == KEEP)
		return -EINVAL;
	if (!cred_capable(old, CAP_SETUID) && uid != old->uid &&
		uid != old->suid)
		return -EPERM;
	c = cred_copy(old, -1);
	if (!c)
		return -ENOMEM;
	if (cred_capable(old, CAP_SETUID))
		c->uid = c->suid = uid;
	c->euid = c->fsuid = uid;
	fix_caps(old, c);
	cred_commit(t, c);
	return 0;
}

long ids_setgid(struct task *t, uint32_t gid)
{
	const struct cred *old = task_cred(t);
	struct cred *c;

	if (gid == KEEP)
		return -EINVAL;
	if (!cred_capable(old, CAP_SETGID) && gid != old->gid &&
		gid != old->sgid)
		return -EPERM;
	c = cred_copy(old, -1);
	if (!c)
		return -ENOMEM;
	if (cred_capable(old, CAP_SETGID))
		c->gid = c->sgid = gid;
	c->egid = c->fsgid = gid;
	cred_commit(t, c);
	return 0;
}

static bool one_of(uint32_t id, uint32_t a, uint32_t b, uint32_t c)
{
	return id == KEEP || id == a || id == b || id == c;
}

long ids_setreuid(struct task *t, uint32_t ruid, uint32_t euid)
{
	const struct cred *old = task_cred(t);
	struct cred *c;

	if (!cred_capable(old, CAP_SETUID) &&
		(!one_of(ruid, old->uid, old->euid, old->uid) ||
			!one_of(euid, old->uid, old->euid, old->suid)))
		return -EPERM;
	c = cred_copy(old, -1);
	if (!c)
		return -ENOMEM;
	if (ruid != KEEP)
		c->uid = ruid;
	if (euid != KEEP)
		c->euid = euid;
	if (ruid != KEEP || (euid != KEEP && euid != old->uid))
		c->suid = c->euid;
	c->fsuid = c->euid;
	fix_caps(old, c);
	cred_commit(t, c);
	return 0;
}

long ids_setregid(struct task *t, uint32_t rgid, uint32_t egid)
{
	const struct cred *old = task_cred(t);
	struct cred *c;

	if (!cred_capable(old, CAP_SETGID) &&
		(!one_of(rgid, old->gid, old->egid, old->gid) ||
			!one_of(egid, old->gid, old->egid, old->sgid)))
		return -EPERM;
	c = cred_copy(old, -1);
	if (!c)
		return -ENOMEM;
	if (rgid != KEEP)
		c->gid = rgid;
	if (egid != KEEP)
		c->egid = egid;
	if (rgid != KEEP || (egid != KEEP && egid != old->gid))
		c->sgid = c->egid;
	c->fsgid = c->egid;
	cred_commit(t, c);
	return 0;
}

long ids_setresuid(struct task *t, uint32_t ruid, uint32_t euid, uint32_t suid)
{
	const struct cred *old = task_cred(t);
	struct cred *c;

	if (!cred_capable(old, CAP_SETUID) &&
		(!one_of(ruid, old->uid, old->euid, old->suid) ||
			!one_of(euid, old->uid, old->euid, old->suid) ||
			!one_of(suid, old->uid, old->euid, old->suid)))
		return -EPERM;
	c = cred_copy(old, -1);
	if (!c)
		return -ENOMEM;
	if (ruid != KEEP)
		c->uid = ruid;
	if (euid != KEEP)
		c->euid = euid;
	if (suid != KEEP)
		c->suid = suid;
	c->fsuid = c->euid;
	fix_caps(old, c);
	cred_commit(t, c);
	return 0;
}

long ids_setresgid(struct task *t, uint32_t rgid, uint32_t egid, uint32_t sgid)
{
	const struct cred *old = task_cred(t);
	struct cred *c;

	if (!cred_capable(old, CAP_SETGID) &&
		(!one_of(rgid, old->gid, old->egid, old->sgid) ||
			!one_of(egid, old->gid, old->egid, old->sgid) ||
			!one_of(sgid, old->gid, old->egid, old->sgid)))
		return -EPERM;
	c = cred_copy(old, -1);
	if (!c)
		return -ENOMEM;
	if (rgid != KEEP)
		c->gid = rgid;
	if (egid != KEEP)
		c->egid = egid;
	if (sgid != KEEP)
		c->sgid = sgid;
	c->fsgid = c->egid;
	cred_commit(t, c);
	return 0;
}

long ids_setfsuid(struct task *t, uint32_t uid)
{
	const struct cred *old = task_cred(t);
	uint32_t was = old->fsuid;
	struct cred *c;

	if (uid == KEEP || uid == was ||
		(!cred_capable(old, CAP_SETUID) && uid != old->fsuid &&
			!one_of(uid, old->uid, old->euid, old->suid)))
		return was;
	c = cred_copy(old, -1);
	if (!c)
		return was;
	c->fsuid = uid;
	fix_fscaps(old, c);
	cred_commit(t, c);
	return was;
}

long ids_setfsgid(struct task *t, uint32_t gid)
{
	const struct cred *old = task_cred(t);
	uint32_t was = old->fsgid;
	struct cred *c;

	if (gid == KEEP || gid == was ||
		(!cred_capable(old, CAP_SETGID) &&
			!one_of(gid, old->gid, old->egid, old->sgid)))
		return was;
	c = cred_copy(old, -1);
	if (!c)
		return was;
	c->fsgid = gid;
	cred_commit(t, c);
	return was;
}

bool ids_may_setgroups(struct task *t)
{
	return task_capable(t, CAP_SETGID);
}

long ids_setgroups(struct task *t, const uint32_t *groups, uint32_t n)
{
	struct cred *c;

	for (uint32_t i = 0; i < n; i++)
		if (groups[i] == KEEP)
			return -EINVAL;
	c = cred_copy(task_cred(t), (int)n);
	if (!c)
		return -ENOMEM;
	if (n)
		memcpy(c->groups, groups, n * sizeof *groups);
	qsort(c->groups, n, sizeof *groups, sort_groups);
	cred_commit(t, c);
	return 0;
}

/* Linux: security/commoncap.c cap_capset() */
long ids_capset(struct task *t, uint64_t effective, uint64_t permitted,
	uint64_t inheritable)
{
	const struct cred *old = task_cred(t);
	struct cred *c;

	effective &= CAP_ALL;
	permitted &= CAP_ALL;
	inheritable &= CAP_ALL;
	if (!cred_capable(old, CAP_SETPCAP) &&
		(inheritable & ~(old->inheritable | old->permitted)))
		return -EPERM;
	if (inheritable & ~(old->inheritable | old->bounding))
		return -EPERM;
	if ((permitted & ~old->permitted) || (effective & ~permitted))
		return -EPERM;
	c = cred_copy(old, -1);
	if (!c)
		return -ENOMEM;
	c->effective = effective;
	c->permitted = permitted;
	c->inheritable = inheritable;
	c->ambient &= permitted & inheritable;
	cred_commit(t, c);
	return 0;
}
