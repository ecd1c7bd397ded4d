/*
 * sysfs.c - the part of /sys that programs look at: processors, memory, lo.
 *
 * A tree of constant nodes; a file's text is made when it is opened.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/str.h"
#include "kernel/fs/types.h"
#include "kernel/kernel.h"
#include "kernel/mm/mm.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"

#define SYSFS_MAGIC 0x62656572
#define TEXT_MAX    4096

struct sys_node {
	const char *name;
	uint32_t mode;
	void (*show)(struct strbuf *out, int arg);
	const char *text; /* of a file without show; of a link, where to */
	const struct sys_node *children; /* ends with a NULL name */
	const struct sys_node
		*each_cpu; /* also has cpu0, cpu1...: all this node */
};

struct sys_inode {
	struct inode in;
	const struct sys_node *node; /* I */
	int arg;                     /* I: number of the processor */
};

static const struct inode_ops sys_ops, sys_link_ops;

static struct sys_inode *sys_of(struct inode *in)
{
	return container_of(in, struct sys_inode, in);
}

static int ncpu(void)
{
	return kernel.conf.ncpu ? (int)kernel.conf.ncpu : 1;
}

/* --- what files say */

static void show_cpus(struct strbuf *out, UNUSED int arg)
{
	if (ncpu() == 1)
		sb_puts(out, "0\n");
	else
		sb_printf(out, "0-%d\n", ncpu() - 1);
}

static void show_cpu_mask(struct strbuf *out, UNUSED int arg)
{
	int n = ncpu(), words = (n + 31) / 32;

	for (int w = words - 1; w >= 0; w--) {
		int bits = MIN(n - w * 32, 32);
		unsigned v = bits == 32 ? ~0U : (1U << bits) - 1;

		sb_printf(out, w == words - 1 ? "%x" : ",%08x", v);
	}
	sb_puts(out, "\n");
}

static void show_kernel_max(struct strbuf *out, UNUSED int arg)
{
	sb_puts(out, "8191\n");
}

static void show_arg(struct strbuf *out, int arg)
{
	sb_printf(out, "%d\n", arg);
}

static void show_arg_mask(struct strbuf *out, int arg)
{
	sb_printf(out, "%x", 1U << (arg % 32));
	for (int w = 0; w < arg / 32; w++)
		sb_puts(out, ",00000000");
	sb_puts(out, "\n");
}

static void show_meminfo(struct strbuf *out, UNUSED int arg)
{
	unsigned long long total = memfile_limit() / 1024;
	unsigned long long used = memfile_used() / 1024;

	sb_printf(out,
		"Node 0 MemTotal:       %8llu kB\n"
		"Node 0 MemFree:        %8llu kB\n"
		"Node 0 MemUsed:        %8llu kB\n",
		total, total > used ? total - used : 0, used);
}

/* --- the tree */

#define FILE_SHOW(n, fn)                                      \
	{                                                     \
		.name = n, .mode = S_IFREG | 0444, .show = fn \
	}
#define FILE_TEXT(n, t)                                      \
	{                                                    \
		.name = n, .mode = S_IFREG | 0444, .text = t \
	}
#define DIR(n, kids)                                                \
	{                                                           \
		.name = n, .mode = S_IFDIR | 0755, .children = kids \
	}
#define LINK(n, to)                                           \
	{                                                     \
		.name = n, .mode = S_IFLNK | 0777, .text = to \
	}
#define END                  \
	{                    \
		.name = NULL \
	}

static const struct sys_node empty[] = { END };

static const struct sys_node topology[] = {
	FILE_SHOW("core_cpus", show_arg_mask),
	FILE_SHOW("core_cpus_list", show_arg),
	FILE_SHOW("core_id", show_arg),
	FILE_SHOW("core_siblings", show_cpu_mask),
	FILE_SHOW("core_siblings_list", show_cpus),
	FILE_TEXT("die_id", "0\n"),
	FILE_SHOW("package_cpus", show_cpu_mask),
	FILE_SHOW("package_cpus_list", show_cpus),
	FILE_TEXT("physical_package_id", "0\n"),
	FILE_SHOW("thread_siblings", show_arg_mask),
	FILE_SHOW("thread_siblings_list", show_arg),
	END,
};

static const struct sys_node cpu_n_files[] = {
	DIR("topology", topology),
	FILE_TEXT("online", "1\n"),
	END,
};

static const struct sys_node cpu_n = DIR("cpu", cpu_n_files);

static const struct sys_node smt[] = {
	FILE_TEXT("active", "0\n"),
	FILE_TEXT("control", "notsupported\n"),
	END,
};

static const struct sys_node cpus[] = {
	FILE_SHOW("kernel_max", show_kernel_max),
	FILE_TEXT("offline", "\n"),
	FILE_SHOW("online", show_cpus),
	FILE_SHOW("possible", show_cpus),
	FILE_SHOW("present", show_cpus),
	DIR("smt", smt),
	END,
};

static const struct sys_node node0[] = {
	FILE_SHOW("cpulist", show_cpus),
	FILE_SHOW("cpumap", show_cpu_mask),
	FILE_TEXT("distance", "10\n"),
	FILE_SHOW("meminfo", show_meminfo),
	END,
};

static const struct sys_node nodes[] = {
	FILE_TEXT("has_cpu", "0\n"),
	FILE_TEXT("has_memory", "0\n"),
	FILE_TEXT("has_normal_memory", "0\n"),
	DIR("node0", node0),
	FILE_TEXT("online", "0\n"),
	FILE_TEXT("possible", "0\n"),
	END,
};

static const struct sys_node system_dir[] = {
	{ .name = "cpu",
		.mode = S_IFDIR | 0755,
		.children = cpus,
		.each_cpu = &cpu_n },
	DIR("node", nodes),
	END,
};

static const struct sys_node lo_files[] = {
	FILE_TEXT("addr_len", "6\n"),
	FILE_TEXT("address", "00:00:00:00:00:00\n"),
	FILE_TEXT("carrier", "1\n"),
	FILE_TEXT("flags", "0x9\n"),
	FILE_TEXT("ifindex", "1\n"),
	FILE_TEXT("iflink", "1\n"),
	FILE_TEXT("mtu", "65536\n"),
	FILE_TEXT("operstate", "unknown\n"),
	FILE_TEXT("tx_queue_len", "1000\n"),
	FILE_TEXT("type", "772\n"),
	END,
};

static const struct sys_node virtual_net[] = { DIR("lo", lo_files), END };
static const struct sys_node virtual_dir[] = { DIR("net", virtual_net), END };
static const struct sys_node devices[] = {
	DIR("system", system_dir),
	DIR("virtual", virtual_dir),
	END,
};

static const struct sys_node class_net[] = {
	LINK("lo", "../../devices/virtual/net/lo"),
	END,
};

static const struct sys_node class_dir[] = {
	DIR("block", empty),
	DIR("mem", empty),
	DIR("net", class_net),
	DIR("power_supply", empty),
	DIR("tty", empty),
	END,
};

static const struct sys_node thp[] = {
	FILE_TEXT("defrag", "always defer defer+madvise [madvise] never\n"),
	FILE_TEXT("enabled", "always [madvise] never\n"),
	FILE_TEXT("hpage_pmd_size", "2097152\n"),
	FILE_TEXT("shmem_enabled",
		"always within_size advise [never] deny force\n"),
	END,
};

static const struct sys_node kernel_mm[] = {
	DIR("hugepages", empty),
	DIR("transparent_hugepage", thp),
	END,
};

static const struct sys_node kernel_dir[] = {
	DIR("debug", empty),
	DIR("mm", kernel_mm),
	DIR("security", empty),
	END,
};

static const struct sys_node fs_dir[] = {
	DIR("cgroup", empty),
	DIR("fuse", empty),
	DIR("selinux", empty),
	END,
};

static const struct sys_node bus_dir[] = {
	DIR("cpu", empty),
	DIR("pci", empty),
	END,
};

static const struct sys_node root_dir[] = {
	DIR("block", empty),
	DIR("bus", bus_dir),
	DIR("class", class_dir),
	DIR("dev", empty),
	DIR("devices", devices),
	DIR("firmware", empty),
	DIR("fs", fs_dir),
	DIR("kernel", kernel_dir),
	DIR("module", empty),
	DIR("power", empty),
	END,
};

static const struct sys_node root_node = DIR("/", root_dir);

/* --- inodes */

static uint64_t sys_ino(const struct sys_node *n, int arg)
{
	uint64_t h = (uintptr_t)n / 8 + (uint64_t)arg * 1000003;

	return (h * 0x9e3779b97f4a7c15) >> 24 | 1;
}

static int sys_inode_new(
	struct super *sb, const struct sys_node *n, int arg, struct inode **out)
{
	struct sys_inode *si = malloc(sizeof *si);

	if (!si)
		return -ENOMEM;
	inode_init(&si->in, S_ISLNK(n->mode) ? &sys_link_ops : &sys_ops, sb,
		n == &root_node ? 1 : sys_ino(n, arg), n->mode, 0, 0);
	if (S_ISDIR(n->mode))
		si->in.nlink = 2;
	if (S_ISREG(n->mode))
		si->in.size = TEXT_MAX;
	si->node = n;
	si->arg = arg;
	*out = &si->in;
	return 0;
}

/* "cpu12" of those there are: 12, else -1. */
static int cpu_number(const char *name, size_t len)
{
	int v = 0;

	if (len < 4 || len > 7 || memcmp(name, "cpu", 3) ||
		(name[3] == '0' && len > 4))
		return -1;
	for (size_t i = 3; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		v = v * 10 + name[i] - '0';
	}
	return v < ncpu() ? v : -1;
}

static int sys_lookup(
	struct inode *in, const char *name, size_t len, struct inode **out)
{
	struct sys_inode *dir = sys_of(in);
	const struct sys_node *n = dir->node->children;
	int cpu;

	if (!n)
		return -ENOTDIR;
	for (; n->name; n++)
		if (strlen(n->name) == len && !memcmp(n->name, name, len))
			return sys_inode_new(in->sb, n, dir->arg, out);
	cpu = dir->node->each_cpu ? cpu_number(name, len) : -1;
	if (cpu < 0)
		return -ENOENT;
	return sys_inode_new(in->sb, dir->node->each_cpu, cpu, out);
}

static int sys_readlink(struct inode *in, UNUSED struct task *t, char **target)
{
	*target = strdup(sys_of(in)->node->text);
	return *target ? 0 : -ENOMEM;
}

static int sys_setattr(UNUSED struct inode *in, const struct iattr *a)
{
	return a->valid & ATTR_SIZE ? 0 : -EPERM;
}

static void sys_release(struct inode *in)
{
	inode_fini(in);
	free(sys_of(in));
}

/* --- open files */

struct sys_file {
	struct file f;
	size_t len;          /* I */
	char text[TEXT_MAX]; /* I */
};

static ssize_t sys_read(struct file *f, struct uio *to, int64_t *pos)
{
	struct sys_file *sf = container_of(f, struct sys_file, f);
	size_t n;

	if (*pos < 0)
		return -EINVAL;
	if ((uint64_t)*pos >= sf->len || !uio_left(to))
		return 0;
	n = uio_put(to, sf->text + *pos, sf->len - (size_t)*pos);
	*pos += (int64_t)n;
	return n ? (ssize_t)n : -EFAULT;
}

static void sys_file_release(struct file *f)
{
	file_fini(f);
	free(container_of(f, struct sys_file, f));
}

static const struct file_ops sys_file_ops = {
	.name = "sysfs",
	.read = sys_read,
	.release = sys_file_release,
};

static int sys_readdir(struct file *f, struct dirsink *to, int64_t *pos)
{
	const struct sys_node *d = sys_of(f->inode)->node;
	const struct sys_node *n = d->children;
	char name[16];
	int64_t i = 2;

	if (!dirsink_dots(f, to, pos))
		return 0;
	for (; n->name; n++, i++) {
		if (i < *pos)
			continue;
		if (!dirsink_emit(to, n->name, strlen(n->name), sys_ino(n, 0),
			    n->mode >> 12, i + 1))
			return 0;
		*pos = i + 1;
	}
	for (int c = 0; d->each_cpu && c < ncpu(); c++, i++) {
		if (i < *pos)
			continue;
		snprintf(name, sizeof name, "cpu%d", c);
		if (!dirsink_emit(to, name, strlen(name),
			    sys_ino(d->each_cpu, c), S_IFDIR >> 12, i + 1))
			return 0;
		*pos = i + 1;
	}
	return 0;
}

static void sys_dir_release(struct file *f)
{
	file_fini(f);
	free(f);
}

static const struct file_ops sys_dir_ops = {
	.name = "sysfs",
	.readdir = sys_readdir,
	.release = sys_dir_release,
};

static int sys_open_dir(struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	struct file *f = malloc(sizeof *f);

	if (!f)
		return -ENOMEM;
	file_init(f, &sys_dir_ops, flags, in, path, cred);
	*out = f;
	return 0;
}

static int sys_open(struct inode *in, const struct path *path, int flags,
	struct cred *cred, struct file **out)
{
	const struct sys_node *n = sys_of(in)->node;
	struct sys_file *sf;
	struct strbuf sb;

	if (S_ISDIR(in->mode))
		return sys_open_dir(in, path, flags, cred, out);
	if ((flags & FILE_ACCMODE) != O_RDONLY)
		return -EACCES;
	sf = malloc(sizeof *sf);
	if (!sf)
		return -ENOMEM;
	file_init(&sf->f, &sys_file_ops, flags, in, path, cred);
	sb = strbuf(sf->text, sizeof sf->text);
	if (n->show)
		n->show(&sb, sys_of(in)->arg);
	else
		sb_puts(&sb, n->text);
	sf->len = sb.len;
	*out = &sf->f;
	return 0;
}

static const struct inode_ops sys_ops = {
	.lookup = sys_lookup,
	.open = sys_open,
	.setattr = sys_setattr,
	.release = sys_release,
};

static const struct inode_ops sys_link_ops = {
	.readlink = sys_readlink,
	.setattr = sys_setattr,
	.release = sys_release,
};

/* --- the filesystem */

static void sysfs_release(struct super *sb)
{
	free(sb);
}

static const struct super_ops sysfs_super_ops = {
	.release = sysfs_release,
};

static int sysfs_mount(UNUSED const struct fs_context *fc, struct super **out)
{
	struct super *sb = malloc(sizeof *sb);
	int err;

	if (!sb)
		return -ENOMEM;
	super_init(sb, &sysfs_super_ops, &sysfs_fs, SYSFS_MAGIC);
	err = sys_inode_new(sb, &root_node, 0, &sb->root);
	if (err) {
		free(sb);
		return err;
	}
	*out = sb;
	return 0;
}

const struct fs_type sysfs_fs = {
	.name = "sysfs",
	.nodev = true,
	.mount = sysfs_mount,
};
