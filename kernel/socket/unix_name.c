/*
 * unix_name.c - addresses of Unix sockets: in the file system, and abstract.
 *
 * The names table has a lock of its own, outside of any usock's, which also
 * orders changes to inode->bound.  unix(7) is the contract.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/hash.h"
#include "kernel/socket/unix_int.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/namei.h"

#define NBUCKETS 64

/* Abstract names, and the order of changes to inode->bound. */
static struct names {
	struct mutex lock;
	struct list bucket[NBUCKETS];
} names;
LOCK_OPS(unames, struct names, lock)

static uint32_t name_hash(const struct sockaddr_k *a)
{
	return hash_bytes(&a->a, a->len) % NBUCKETS;
}

HOLDS(lc_unames)
static struct usock *abstract_peek(const struct sockaddr_k *a)
{
	struct usock *u;

	list_for_each (u, &names.bucket[name_hash(a)], name_link)
		if (u->name.len == a->len && !memcmp(&u->name.a, &a->a, a->len))
			return u;
	return NULL;
}

static bool is_abstract(const struct sockaddr_k *a)
{
	const struct sockaddr_un *un = (const void *)&a->a;

	return a->len > NAME_HDR && un->sun_path[0] == 0;
}

int unix_check_name(const struct sockaddr_k *a)
{
	const struct sockaddr_un *un = (const void *)&a->a;

	if (a->len < sizeof un->sun_family || a->len > sizeof *un ||
		un->sun_family != AF_UNIX)
		return -EINVAL;
	return 0;
}

/* A path of 108 bytes need not end with a NUL: unix(7). */
static void path_of(const struct sockaddr_k *a, char path[109])
{
	const struct sockaddr_un *un = (const void *)&a->a;
	size_t n = a->len - NAME_HDR;

	memcpy(path, un->sun_path, n);
	path[n] = 0;
}

static int bind_abstract(struct usock *u, const struct sockaddr_k *a)
{
	int err = -EADDRINUSE;

	unames_lock(&names);
	if (!abstract_peek(a)) {
		u->name = *a;
		list_add(&names.bucket[name_hash(a)], &u->name_link);
		err = 0;
	}
	unames_unlock(&names);
	return err;
}

/* Linux picks five hexadecimal digits. */
static int autobind(struct usock *u)
{
	static atomic_uint next;
	struct sockaddr_k a = { .len = NAME_HDR + 6 };
	struct sockaddr_un *un = (void *)&a.a;
	char digits[8];
	int err;

	un->sun_family = AF_UNIX;
	for (int i = 0; i < 0x100000; i++) {
		snprintf(digits, sizeof digits, "%05x",
			atomic_fetch_add(&next, 1) & 0xfffff);
		memcpy(un->sun_path + 1, digits, 5);
		err = bind_abstract(u, &a);
		if (err != -EADDRINUSE)
			return err;
	}
	return -ENOSPC;
}

static int bind_path(
	struct usock *u, struct task *t, const struct sockaddr_k *a)
{
	struct path p;
	struct walk w;
	char path[109];
	int err;

	path_of(a, path);
	err = task_walk(t, AT_FDCWD, path, &w);
	if (err)
		return err;
	err = vfs_mknod(&w, path, S_IFSOCK | 0777, 0, &p);
	walk_done(&w);
	if (err)
		return err == -EEXIST ? -EADDRINUSE : err;
	unames_lock(&names);
	if (u->name.len) {
		err = -EINVAL; /* found out after the name was made: unix(7) */
	} else {
		u->inode = inode_get(path_inode(&p));
		u->inode->bound = u;
		u->name = *a;
	}
	unames_unlock(&names);
	path_put(&p);
	if (err && !task_walk(t, AT_FDCWD, path, &w)) {
		(void)!vfs_unlink(&w, path); /* it is ours */
		walk_done(&w);
	}
	return err;
}

int unix_bind(struct socket *s, struct task *t, const struct sockaddr_k *a)
{
	struct usock *u = usock_of(s);
	int err = unix_check_name(a);

	if (err)
		return err;
	if (a->len > NAME_HDR && !is_abstract(a))
		return bind_path(u, t, a);
	if (u->name.len)
		return a->len == NAME_HDR ? 0 : -EINVAL;
	return a->len == NAME_HDR ? autobind(u) : bind_abstract(u, a);
}

void unix_unbind(struct usock *u)
{
	unames_lock(&names);
	list_del(&u->name_link);
	if (u->inode && u->inode->bound == u)
		u->inode->bound = NULL;
	unames_unlock(&names);
}

int unix_find_bound(
	struct task *t, const struct sockaddr_k *a, struct usock **out)
{
	struct usock *u = NULL;
	struct inode *in;
	char path[109];
	struct path p;
	struct walk w;
	int err;

	if (a->len <= NAME_HDR)
		return -EINVAL;
	if (is_abstract(a)) {
		unames_lock(&names);
		u = abstract_peek(a);
		if (u && !ref_tryget(&u->ref))
			u = NULL;
		unames_unlock(&names);
		*out = u;
		return u ? 0 : -ECONNREFUSED;
	}
	path_of(a, path);
	err = task_walk(t, AT_FDCWD, path, &w);
	if (err)
		return err;
	err = path_lookup(&w, path, LOOKUP_FOLLOW, &p);
	walk_done(&w);
	if (err)
		return err;
	in = path_inode(&p);
	err = inode_permission(in, task_cred(t), MAY_WRITE);
	if (!err && !S_ISSOCK(in->mode))
		err = -ECONNREFUSED;
	unames_lock(&names);
	u = in->bound;
	if (u && !ref_tryget(&u->ref))
		u = NULL;
	unames_unlock(&names);
	path_put(&p);
	if (!err && !u)
		err = -ECONNREFUSED;
	if (err)
		usock_put(u);
	else
		*out = u;
	return err;
}

void unix_names_init(void)
{
	mutex_init(&names.lock, &lc_unames);
	for (int i = 0; i < NBUCKETS; i++)
		list_init(&names.bucket[i]);
}
