/*
 * container_mounts.c - the mounts that a container starts with.
 *
 * Order: the root; what every container needs and the spec forgot of /proc,
 * /sys and /dev; the spec's mounts, in its order; /dev/pts and /dev/shm where
 * it has none; devices; then the masked and the read-only paths.  Mount points
 * are made when they are missing (kernel/vfs/synth.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/caps.h"
#include "core/log.h"
#include "core/str.h"
#include "kernel/fs/tmpfs.h"
#include "kernel/fs/types.h"
#include "kernel/kernel.h"
#include "kernel/task/cred.h"
#include "kernel/vfs/copytree.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/namei.h"
#include "kernel/vfs/synth.h"

#define COMMON (MS_NOSUID | MS_NOEXEC)

static const struct mount_conf first[] = {
	{ .type = "proc",
		.source = "proc",
		.dest = "/proc",
		.flags = COMMON | MS_NODEV,
		.sock = -1 },
	{ .type = "sysfs",
		.source = "sysfs",
		.dest = "/sys",
		.flags = COMMON | MS_NODEV | MS_RDONLY,
		.sock = -1 },
	{ .type = "devtmpfs",
		.source = "tmpfs",
		.dest = "/dev",
		.data = "mode=755",
		.flags = MS_NOSUID,
		.sock = -1 },
};

static const struct mount_conf last[] = {
	{ .type = "devpts",
		.source = "devpts",
		.dest = "/dev/pts",
		.data = "newinstance,ptmxmode=0666,mode=0620,gid=5",
		.flags = COMMON,
		.sock = -1 },
	{ .type = "tmpfs",
		.source = "shm",
		.dest = "/dev/shm",
		.flags = COMMON | MS_NODEV,
		.sock = -1 },
};

/* Everything that one container_mounts() call needs. */
struct setup {
	struct container *c;
	struct cred *cred; /* root, with every capability */
	struct walk w;
	struct err *e;
};

static int mount_failed(struct setup *s, const struct mount_conf *m, int err)
{
	return err_set(s->e, -err, "mount %s on %s (type %s): %s",
		m->source ? m->source : "none", m->dest, m->type,
		strerror(-err));
}

/* A tmpfs on /dev is the runtime's business to fill: it becomes a devtmpfs. */
static const char *type_of(const struct mount_conf *m)
{
	if (m->sock >= 0)
		return "9p";
	if (strcmp(m->type, "tmpfs") == 0 && strcmp(m->dest, "/dev") == 0)
		return "devtmpfs";
	return m->type;
}

/* What is at @name, topmost mount first; -ENOENT is fine for our callers. */
static int look(struct setup *s, const char *name, struct path *out)
{
	return path_lookup(&s->w, name, LOOKUP_FOLLOW, out);
}

/* @below has just been covered by the mount of @m. */
static int copy_up(
	struct setup *s, const struct mount_conf *m, const struct path *below)
{
	unsigned flags;
	struct path top;
	int err = look(s, m->dest, &top);

	if (err)
		return err;
	flags = atomic_exchange(&top.mnt->flags, m->flags & ~MS_RDONLY);
	err = copy_tree(below, &top, s->cred);
	atomic_store(&top.mnt->flags, flags);
	path_put(&top);
	return err;
}

static int mount_one(struct setup *s, const struct mount_conf *m)
{
	struct fs_context fc = {
		.type = fs_type_find(type_of(m)),
		.source = m->source,
		.data = m->data,
		.flags = m->flags,
		.cred = s->cred,
		.sock = m->sock,
		.exclusive = m->exclusive,
		.pid_ns = s->c->pid_ns,
	};
	struct path where;
	int err;

	err = fc.type ? mount_point(&s->w, m->dest, m->is_file, &where)
		      : -ENODEV;
	if (err) {
		if (m->sock >= 0)
			close(m->sock);
		return mount_failed(s, m, err);
	}
	err = mount_add(s->c->mnt_ns, &fc, &where);
	if (!err && m->copyup && fc.type == &tmpfs_fs)
		err = copy_up(s, m, &where);
	path_put(&where);
	return err ? mount_failed(s, m, err) : 0;
}

static bool spec_has(const struct container_conf *conf, const char *dest)
{
	for (size_t i = 0; i < conf->nmounts; i++)
		if (strcmp(conf->mounts[i].dest, dest) == 0)
			return true;
	return false;
}

static int mount_defaults(struct setup *s, const struct container_conf *conf,
	const struct mount_conf *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int err = spec_has(conf, list[i].dest) ? 0
						       : mount_one(s, &list[i]);

		if (err)
			return err;
	}
	return 0;
}

/* Nothing can be read below @name any more. */
static int mask_path(struct setup *s, const char *name)
{
	struct fs_context empty = {
		.type = fs_type_find("tmpfs"),
		.source = "tmpfs",
		.data = "size=0",
		.flags = MS_RDONLY,
		.cred = s->cred,
		.sock = -1,
	};
	struct path p, null;
	int err = look(s, name, &p);

	if (err)
		return err == -ENOENT || err == -ENOTDIR ? 0 : err;
	if (S_ISDIR(path_inode(&p)->mode)) {
		err = mount_add(s->c->mnt_ns, &empty, &p);
	} else {
		err = look(s, "/dev/null", &null);
		if (!err) {
			err = mount_bind(s->c->mnt_ns, &null, &p, false);
			path_put(&null);
		}
	}
	path_put(&p);
	return err;
}

static int readonly_path(struct setup *s, const char *name)
{
	struct path p;
	int err = look(s, name, &p);

	if (err)
		return err == -ENOENT || err == -ENOTDIR ? 0 : err;
	err = mount_bind(s->c->mnt_ns, &p, &p, true);
	path_put(&p);
	if (err)
		return err;
	err = look(s, name, &p);
	if (err)
		return err;
	err = mount_remount(&p, p.mnt->flags | MS_RDONLY, NULL, true);
	path_put(&p);
	return err;
}

/* The directories that lead to @name. */
static int make_parents(struct setup *s, const char *name)
{
	char *copy = xstrdup(name);
	int err = 0;

	for (char *p = copy + 1; !err && (p = strchr(p, '/')); p++) {
		*p = 0;
		err = vfs_mkdir(&s->w, copy, 0755);
		if (err == -EEXIST || err == -EROFS)
			err = 0; /* what is missing shows below */
		*p = '/';
	}
	free(copy);
	return err;
}

/* Is @p, which was there before, what @d asks for? */
static int check_device(const struct path *p, const struct device_conf *d)
{
	struct inode *in = path_inode(p);

	if ((in->mode & S_IFMT) != (d->mode & S_IFMT) ||
		(!S_ISFIFO(d->mode) && in->rdev != d->rdev))
		return -EEXIST;
	return 0;
}

static int make_device(struct setup *s, const struct device_conf *d)
{
	struct iattr a = {
		.valid = ATTR_MODE | ATTR_UID | ATTR_GID,
		.mode = d->mode & 07777,
		.uid = d->uid,
		.gid = d->gid,
	};
	struct path p;
	int err;

	/* Ours leads to the devpts of the container. */
	if (!strcmp(d->path, "/dev/ptmx"))
		return 0;
	err = make_parents(s, d->path);
	if (!err)
		err = vfs_mknod(&s->w, d->path, d->mode, d->rdev, NULL);
	if (err && err != -EEXIST)
		return err;
	err = path_lookup(&s->w, d->path, 0, &p);
	if (err)
		return err;
	err = check_device(&p, d);
	if (!err)
		err = vfs_setattr(&p, s->cred, &a);
	path_put(&p);
	return err;
}

static int make_devices(struct setup *s, const struct container_conf *conf)
{
	/* The host's own /dev: what is there is there. */
	for (size_t i = 0; i < conf->nmounts; i++)
		if (!strcmp(conf->mounts[i].dest, "/dev") &&
			!strcmp(conf->mounts[i].type, "bind"))
			return 0;
	for (size_t i = 0; i < conf->ndevices; i++) {
		const struct device_conf *d = &conf->devices[i];
		int err = make_device(s, d);

		if (err == -EPERM || err == -EROFS)
			return err_set(s->e, -err,
				"linux.devices: %s: %s: devices can be made in "
				"/dev and on other filesystems in memory only",
				d->path, strerror(-err));
		if (err == -EEXIST)
			return err_set(s->e, EEXIST,
				"linux.devices: %s: something else is there",
				d->path);
		if (err)
			return err_set(s->e, -err, "linux.devices: %s: %s",
				d->path, strerror(-err));
	}
	return 0;
}

/* @text: "name=value" */
static int set_sysctl(UNUSED struct setup *s, const char *text)
{
	const char *eq = strchr(text, '=');
	char *name = eq ? strndup(text, (size_t)(eq - text)) : NULL;
	int err = eq ? name ? proc_sysctl(name, eq + 1) : -ENOMEM : -EINVAL;

	free(name);
	if (err == -ENOENT) {
		log_warn("sysctl %s is left out: there is no such file", text);
		return 0;
	}
	return err;
}

static int for_paths(struct setup *s, const char *const *list, const char *what,
	int (*fn)(struct setup *s, const char *name))
{
	for (size_t i = 0; list && list[i]; i++) {
		int err = fn(s, list[i]);

		if (err)
			return err_set(s->e, -err, "%s %s: %s", what, list[i],
				strerror(-err));
	}
	return 0;
}

static int mount_root(struct setup *s, const struct container_conf *conf)
{
	struct fs_context fc = {
		.type = fs_type_find("9p"),
		.source = "none",
		.flags = conf->root_readonly ? MS_RDONLY : 0,
		.cred = s->cred,
		.sock = conf->root_sock,
		.exclusive = conf->root_exclusive,
		.pid_ns = s->c->pid_ns,
	};
	int err = mnt_ns_create(&fc, &s->c->mnt_ns);

	if (err)
		return err_set(
			s->e, -err, "root filesystem: %s", strerror(-err));
	s->w.root =
		(struct path){ s->c->mnt_ns->root, s->c->mnt_ns->root->root };
	s->w.start = s->w.root;
	return 0;
}

/* The sockets of the mounts from number @i on are not used any more. */
static void drop_sockets(const struct container_conf *conf, size_t i)
{
	for (; i < conf->nmounts; i++)
		if (conf->mounts[i].sock >= 0)
			close(conf->mounts[i].sock);
}

static int mount_spec(struct setup *s, const struct container_conf *conf)
{
	size_t i = 0;
	int err = mount_defaults(s, conf, first, ARRAY_SIZE(first));

	for (; !err && i < conf->nmounts; i++)
		err = mount_one(s, &conf->mounts[i]);
	if (err)
		drop_sockets(conf, i);
	if (!err)
		err = mount_defaults(s, conf, last, ARRAY_SIZE(last));
	if (!err)
		err = make_devices(s, conf);
	if (!err)
		err = for_paths(s, conf->sysctl, "sysctl", set_sysctl);
	if (!err)
		err = for_paths(s, conf->masked, "masked path", mask_path);
	if (!err)
		err = for_paths(
			s, conf->readonly, "read-only path", readonly_path);
	return err;
}

int container_mounts(
	const struct container_conf *conf, struct container *c, struct err *e)
{
	struct setup s = { .c = c, .e = e, .cred = cred_new(0, 0, NULL, 0) };
	int err;

	if (!s.cred)
		return err_set(e, ENOMEM, "out of memory");
	s.cred->permitted = s.cred->effective = CAP_ALL;
	s.w.cred = s.cred;
	err = mount_root(&s, conf);
	if (err)
		drop_sockets(conf, 0);
	else
		err = mount_spec(&s, conf);
	cred_put(s.cred);
	return err;
}
