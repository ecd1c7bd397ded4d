/*
 * mountinfo.c - the text of /proc/PID/mounts, mountinfo and mountstats.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "core/str.h"
#include "kernel/vfs/dcache.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"

/* A field: what would end it is written in octal. */
static void put_field(struct strbuf *out, const char *s)
{
	for (; *s; s++) {
		if (strchr(" \t\n\\#", *s))
			sb_printf(out, "\\%03o", (unsigned char)*s);
		else
			sb_putc(out, *s);
	}
}

static void put_flags(struct strbuf *out, const struct mount *m)
{
	static const struct {
		unsigned flag;
		const char *name;
	} names[] = {
		{ MS_NOSUID, ",nosuid" },
		{ MS_NODEV, ",nodev" },
		{ MS_NOEXEC, ",noexec" },
		{ MS_NOATIME, ",noatime" },
		{ MS_NODIRATIME, ",nodiratime" },
	};
	unsigned flags = m->flags;

	sb_puts(out, flags & MS_RDONLY ? "ro" : "rw");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (flags & names[i].flag)
			sb_puts(out, names[i].name);
	if (!(flags & (MS_NOATIME | MS_STRICTATIME)))
		sb_puts(out, ",relatime");
}

static void put_super_options(struct strbuf *out, struct super *sb)
{
	if (sb->ops->options)
		sb->ops->options(sb, out);
}

static void show_mtab(
	struct strbuf *out, const struct mount *m, const char *where)
{
	put_field(out, m->source);
	sb_putc(out, ' ');
	put_field(out, where);
	sb_printf(out, " %s ", m->sb->type->name);
	put_flags(out, m);
	put_super_options(out, m->sb);
	sb_puts(out, " 0 0\n");
}

static void show_info(struct strbuf *out, const struct mount *m, int parent,
	const char *where, char *buf)
{
	const char *root = dentry_path(m->root, buf, PATH_MAX);

	sb_printf(out, "%d %d %u:%u ", m->id, parent, major(m->sb->dev),
		minor(m->sb->dev));
	put_field(out, root ? root : "/");
	sb_putc(out, ' ');
	put_field(out, where);
	sb_putc(out, ' ');
	put_flags(out, m);
	sb_printf(out, " - %s ", m->sb->type->name);
	put_field(out, m->source);
	sb_puts(out, m->sb->readonly ? " ro" : " rw");
	put_super_options(out, m->sb);
	sb_putc(out, '\n');
}

static void show_stats(
	struct strbuf *out, const struct mount *m, const char *where)
{
	sb_puts(out, "device ");
	put_field(out, m->source);
	sb_puts(out, " mounted on ");
	put_field(out, where);
	sb_printf(out, " with fstype %s\n", m->sb->type->name);
}

void mounts_show(struct mnt_ns *ns, const struct path *root,
	enum mounts_format how, struct strbuf *out)
{
	char *buf = malloc(2 * PATH_MAX);
	struct mount *m;
	int parent, err;
	bool reached;

	if (!buf)
		return;
	for (size_t i = 0; (m = mnt_ns_nth(ns, i, &parent)); i++) {
		struct path p = { m, m->root };
		const char *where = path_name_reached(
			&p, root, buf, PATH_MAX, &reached, &err);

		if (where && reached) { /* else it is out of reach */
			if (how == MOUNTS_MTAB)
				show_mtab(out, m, where);
			else if (how == MOUNTS_INFO)
				show_info(
					out, m, parent, where, buf + PATH_MAX);
			else
				show_stats(out, m, where);
		}
		mount_put(m);
	}
	free(buf);
}
