/*
 * acl.c - POSIX access control lists.
 *
 * A list never changes once it hangs on an inode; another takes its place.  One
 * lock guards all of them: few files have any, and the others are never locked
 * for it.  The mode's group bits are the mask of a list that has one.
 */
#include "kernel/vfs/acl.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/lock.h"
#include "core/str.h"
#include "kernel/task/cred.h"
#include "kernel/vfs/inode.h"

#define ACL_VERSION 2
#define ACL_NO_ID   UINT32_MAX

enum {
	USER_OBJ = 1,
	USER = 2,
	GROUP_OBJ = 4,
	GROUP = 8,
	MASK = 16,
	OTHER = 32
};

struct ace { /* as in the attribute */
	uint16_t tag, perm;
	uint32_t id;
};

struct acl {
	unsigned n;
	struct ace e[];
};

static struct acls {
	struct rwlock lock;
} all;
RWLOCK_OPS(acl, struct acls, lock)

static const char *const names[] = {
	[ACL_ACCESS] = "system.posix_acl_access",
	[ACL_DEFAULT] = "system.posix_acl_default",
};

void acl_init(void)
{
	rwlock_init(&all.lock, &lc_acl);
}

int acl_type(const char *name)
{
	for (int i = 0; i < 2; i++)
		if (!strcmp(name, names[i]))
			return i;
	return -1;
}

/* --- lists by themselves */

static struct acl *acl_new(const struct ace *e, unsigned n)
{
	struct acl *a = malloc(sizeof *a + n * sizeof *e);

	if (!a)
		return NULL;
	a->n = n;
	memcpy(a->e, e, n * sizeof *e);
	return a;
}

/* Each kind in its place, the single ones once, a mask where it is needed. */
static bool acl_valid(const struct acl *a)
{
	unsigned last = 0, seen = 0;

	for (unsigned i = 0; i < a->n; i++) {
		unsigned tag = a->e[i].tag;
		bool many = tag == USER || tag == GROUP;

		if (!tag || tag & (tag - 1) || tag > OTHER ||
			a->e[i].perm & ~7 || tag < last ||
			(tag == last && !many) ||
			(many && a->e[i].id == ACL_NO_ID))
			return false;
		last = tag;
		seen |= tag;
	}
	return (seen & (USER_OBJ | GROUP_OBJ | OTHER)) ==
		       (USER_OBJ | GROUP_OBJ | OTHER) &&
	       (!(seen & (USER | GROUP)) || seen & MASK);
}

/* *@out is NULL when the value has no entries. */
static int acl_parse(const void *buf, size_t n, struct acl **out)
{
	uint32_t version;

	*out = NULL;
	if (!n)
		return 0;
	if (n < sizeof version)
		return -EINVAL;
	memcpy(&version, buf, sizeof version);
	if (version != ACL_VERSION)
		return -EOPNOTSUPP;
	n -= sizeof version;
	if (n % sizeof(struct ace))
		return -EINVAL;
	if (!n)
		return 0;
	*out = acl_new((const void *)((const char *)buf + sizeof version),
		(unsigned)(n / sizeof(struct ace)));
	return *out ? 0 : -ENOMEM;
}

/* The entry whose permissions the mode's group bits show. */
static struct ace *acl_group_bits(struct acl *a)
{
	struct ace *e = NULL;

	for (unsigned i = 0; i < a->n; i++)
		if (a->e[i].tag == MASK || (a->e[i].tag == GROUP_OBJ && !e))
			e = &a->e[i];
	return e;
}

static bool acl_is_mode(const struct acl *a)
{
	return a->n == 3; /* a valid one: owner, group, others */
}

/* The entries that stand for the mode's bits, as a mode. */
static uint32_t acl_mode(struct acl *a)
{
	uint32_t mode = (uint32_t)acl_group_bits(a)->perm << 3;

	for (unsigned i = 0; i < a->n; i++)
		if (a->e[i].tag == USER_OBJ)
			mode |= (uint32_t)a->e[i].perm << 6;
		else if (a->e[i].tag == OTHER)
			mode |= a->e[i].perm;
	return mode;
}

/* The other way round: what the mode says goes into the entries. */
static void acl_apply_mode(struct acl *a, uint32_t mode)
{
	acl_group_bits(a)->perm = mode >> 3 & 7;
	for (unsigned i = 0; i < a->n; i++)
		if (a->e[i].tag == USER_OBJ)
			a->e[i].perm = mode >> 6 & 7;
		else if (a->e[i].tag == OTHER)
			a->e[i].perm = mode & 7;
}

/* --- of inodes */

static bool may_have(const struct inode *in)
{
	return in->sb && in->sb->acls && !S_ISLNK(in->mode);
}

static struct acl *peek(const struct inode *in, int type)
{
	return __atomic_load_n(&in->acl[type], __ATOMIC_ACQUIRE);
}

/* Hangs @a (consumed) on @in. */
static void put_in_place(struct inode *in, int type, struct acl *a)
{
	struct acl *old;

	acl_write(&all);
	old = in->acl[type];
	__atomic_store_n(&in->acl[type], a, __ATOMIC_RELEASE);
	acl_write_done(&all);
	free(old);
}

/* A copy, NULL when there is none; *@err when there is no memory. */
static struct acl *copy_of(const struct inode *in, int type, int *err)
{
	struct acl *a, *copy = NULL;

	*err = 0;
	if (!peek(in, type))
		return NULL;
	acl_read(&all);
	a = in->acl[type];
	if (a) {
		copy = acl_new(a->e, a->n);
		*err = copy ? 0 : -ENOMEM;
	}
	acl_read_done(&all);
	return copy;
}

ssize_t acl_get(struct inode *in, int type, void *buf, size_t n)
{
	const uint32_t version = ACL_VERSION;
	struct acl *a;
	ssize_t len;
	int err;

	if (!may_have(in))
		return -EOPNOTSUPP;
	a = copy_of(in, type, &err);
	if (!a)
		return err ? err : -ENODATA;
	len = (ssize_t)(sizeof version + a->n * sizeof *a->e);
	if (n >= (size_t)len) {
		memcpy(buf, &version, sizeof version);
		memcpy((char *)buf + sizeof version, a->e, a->n * sizeof *a->e);
	} else if (n) {
		len = -ERANGE;
	}
	free(a);
	return len;
}

/* The mode follows an access list; one that says no more than the mode goes. */
static int set_mode(struct inode *in, const struct cred *cred, struct acl **a)
{
	struct iattr change = { .valid = ATTR_MODE };
	int err;

	if (!*a)
		return 0;
	change.mode = (in->mode & 07000) | acl_mode(*a);
	if (!cred_in_group(cred, in->gid) && !cred_capable(cred, CAP_FSETID))
		change.mode &= ~(uint32_t)S_ISGID;
	err = in->ops->setattr(in, &change);
	if (!err && acl_is_mode(*a)) {
		free(*a);
		*a = NULL;
	}
	return err;
}

int acl_set(struct inode *in, int type, const struct cred *cred,
	const void *buf, size_t n)
{
	struct acl *a;
	int err = acl_parse(buf, n, &a);

	if (err)
		return err;
	if (!may_have(in))
		err = -EOPNOTSUPP;
	else if (type == ACL_DEFAULT && !S_ISDIR(in->mode))
		err = a ? -EACCES : 0;
	else if (cred->fsuid != in->uid && !cred_capable(cred, CAP_FOWNER))
		err = -EPERM;
	else if (a && !acl_valid(a))
		err = -EINVAL;
	else if (type == ACL_ACCESS)
		err = set_mode(in, cred, &a);
	if (err || (type == ACL_DEFAULT && !S_ISDIR(in->mode))) {
		free(a);
		return err;
	}
	put_in_place(in, type, a);
	in->ctime = inode_now();
	return 0;
}

ssize_t acl_list(struct inode *in, char *buf, size_t n)
{
	size_t len = 0;

	for (int i = 0; i < 2; i++) {
		size_t one = strlen(names[i]) + 1;

		if (!peek(in, i))
			continue;
		if (n && len + one > n)
			return -ERANGE;
		if (n)
			memcpy(buf + len, names[i], one);
		len += one;
	}
	return (ssize_t)len;
}

/* Linux: fs/posix_acl.c posix_acl_permission(); the owner was asked before. */
HOLDS_SHARED(lc_acl)
static int acl_allows(const struct acl *a, const struct inode *in,
	const struct cred *cred, unsigned want)
{
	unsigned limit = 7, allowed = 0;
	bool named = false;

	for (unsigned i = 0; i < a->n; i++)
		if (a->e[i].tag == MASK)
			limit = a->e[i].perm;
	for (unsigned i = 0; i < a->n; i++) {
		const struct ace *e = &a->e[i];

		switch (e->tag) {
		case USER:
			if (e->id == cred->fsuid)
				return want & ~(e->perm & limit) ? -EACCES : 0;
			break;
		case GROUP_OBJ:
		case GROUP:
			if (!cred_in_group(
				    cred, e->tag == GROUP ? e->id : in->gid))
				break;
			named = true;
			if (!(want &
				    ~(unsigned)e->perm)) /* one must do alone */
				return want & ~limit ? -EACCES : 0;
			break;
		case OTHER:
			allowed = e->perm;
			break;
		}
	}
	return named || want & ~allowed ? -EACCES : 0;
}

int acl_permission(
	const struct inode *in, const struct cred *cred, unsigned mask)
{
	int ret = ACL_NONE;

	if (likely(!peek(in, ACL_ACCESS)) || !(in->mode & 070))
		return ACL_NONE;
	acl_read(&all);
	if (in->acl[ACL_ACCESS])
		ret = acl_allows(in->acl[ACL_ACCESS], in, cred, mask & 7);
	acl_read_done(&all);
	return ret;
}

void acl_chmod(struct inode *in)
{
	if (likely(!peek(in, ACL_ACCESS)))
		return;
	acl_write(&all);
	if (in->acl[ACL_ACCESS])
		acl_apply_mode(in->acl[ACL_ACCESS], in->mode);
	acl_write_done(&all);
}

uint32_t acl_new_mode(const struct inode *dir, uint32_t mode, unsigned umask)
{
	uint32_t bits = ~(uint32_t)umask;

	if (unlikely(peek(dir, ACL_DEFAULT))) {
		acl_read(&all);
		if (dir->acl[ACL_DEFAULT])
			bits = ~0777u | acl_mode(dir->acl[ACL_DEFAULT]);
		acl_read_done(&all);
	}
	return mode & bits;
}

void acl_inherit(const struct inode *dir, struct inode *in)
{
	struct acl *a;
	int err, err2 = 0;

	if (likely(!peek(dir, ACL_DEFAULT)) || !may_have(in))
		return;
	a = copy_of(dir, ACL_DEFAULT, &err);
	if (a && !acl_is_mode(a)) {
		acl_apply_mode(a, in->mode);
		put_in_place(in, ACL_ACCESS, a);
		a = NULL;
	}
	free(a);
	if (S_ISDIR(in->mode)) {
		a = copy_of(dir, ACL_DEFAULT, &err2);
		if (a)
			put_in_place(in, ACL_DEFAULT, a);
	}
	/* No memory: the group bits must not do more than the list would have.
	 */
	if (err || err2)
		in->mode &= ~(uint32_t)070;
}

void acl_inode_gone(struct inode *in)
{
	free(in->acl[ACL_ACCESS]);
	free(in->acl[ACL_DEFAULT]);
}
