/*
 * vfs.c - names, mounts and files on a tmpfs, from inside.
 *
 * There is no guest: one struct task of ours lends its credentials, limits and
 * descriptor table.  What a guest can see is tested by selftest/sys and fs.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/caps.h"
#include "core/str.h"
#include "kernel/fs/memfd.h"
#include "kernel/fs/tmpfs.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/dcache.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/namei.h"
#include "kernel/vfs/synth.h"
#include "platform/phys.h"
#include "selftest/unit/unit.h"

static struct mnt_ns *ns;
static struct cred *root_cred;
static struct task *me;

static struct walk walk_root(void)
{
	struct path top = { ns->root, ns->root->root };

	return (struct walk){
		.task = me,
		.cred = root_cred,
		.root = top,
		.start = top,
	};
}

static void fake_task(void)
{
	me = calloc(1, sizeof *me);
	me->tg = calloc(1, sizeof *me->tg);
	ref_init(&me->ref);
	mutex_init(&me->tg->lock, &lc_sighand);
	mutex_init(&me->res_lock, &lc_fsctx);
	for (int i = 0; i < RLIM_GUEST; i++)
		me->tg->rlim[i] = (struct rlim){ ~0ULL, ~0ULL };
	me->tg->rlim[RLIMIT_NOFILE].cur = 4096;
	me->cred = root_cred;
	me->fdt = fdtable_new();
	park_init(&me->park);
	current = me;
}

static void setup(void)
{
	struct fs_context fc = { .source = "root", .sock = -1 };
	struct err e;

	CHECK(phys_init(1ULL << 30, 1ULL << 26, &e) == 0);
	CHECK(memfile_init(256 << 20) == 0);
	users_init();
	root_cred = cred_new(0, 0, NULL, 0);
	root_cred->permitted = root_cred->effective = CAP_ALL;
	fc.type = &tmpfs_fs;
	fc.cred = root_cred;
	fc.data = "mode=755";
	CHECK(mnt_ns_create(&fc, &ns) == 0);
	fake_task();
}

static int mkdir_at(const char *name)
{
	struct walk w = walk_root();

	return vfs_mkdir(&w, name, 0755);
}

static int open_at(const char *name, int flags, struct file **f)
{
	struct walk w = walk_root();

	return vfs_open(&w, name, flags, 0644, 0, f);
}

static int make(const char *name, const char *text)
{
	struct file *f;
	struct uio_seg seg;
	struct uio u;
	size_t n = strlen(text);
	int err = open_at(name, O_CREAT | O_WRONLY | O_TRUNC, &f);

	if (err)
		return err;
	uio_kernel(&u, &seg, (void *)(uintptr_t)text, n, false);
	err = vfs_write(me, f, &u, NULL) == (ssize_t)n ? 0 : -EIO;
	file_put(f);
	return err;
}

static int holds(const char *name, const char *text)
{
	char buf[256] = "";
	struct file *f;
	int err = open_at(name, O_RDONLY, &f);
	ssize_t n;

	if (err)
		return err;
	n = file_read_kernel(f, buf, sizeof buf - 1, 0);
	file_put(f);
	return n < 0 ? (int)n : strcmp(buf, text) == 0;
}

static int lookup(const char *name, unsigned flags)
{
	struct walk w = walk_root();
	struct path p;
	int err = path_lookup(&w, name, flags, &p);

	if (!err)
		path_put(&p);
	return err;
}

static int rename_at(const char *from, const char *to, unsigned flags)
{
	struct walk a = walk_root(), b = walk_root();

	return vfs_rename(&a, from, &b, to, flags);
}

static int unlink_at(const char *name)
{
	struct walk w = walk_root();

	return vfs_unlink(&w, name);
}

static int rmdir_at(const char *name)
{
	struct walk w = walk_root();

	return vfs_rmdir(&w, name);
}

static int symlink_at(const char *target, const char *name)
{
	struct walk w = walk_root();

	return vfs_symlink(&w, target, name);
}

static int link_at(const char *from, const char *to)
{
	struct walk w = walk_root();
	struct path p;
	int err = path_lookup(&w, from, 0, &p);

	if (err)
		return err;
	err = vfs_link(&p, &w, to);
	path_put(&p);
	return err;
}

TEST(vfs, files_and_directories)
{
	setup();
	CHECK(mkdir_at("/a") == 0);
	CHECK(mkdir_at("/a") == -EEXIST);
	CHECK(mkdir_at("/a/b/") == 0);
	CHECK(mkdir_at("/x/b") == -ENOENT);
	CHECK(make("/a/f", "hello") == 0);
	CHECK(holds("a/../a/./f", "hello") == 1);
	CHECK(lookup("/a/f/", LOOKUP_FOLLOW) == -ENOTDIR);
	CHECK(lookup("/a/f/x", 0) == -ENOTDIR);
	CHECK(lookup("/a/none", 0) == -ENOENT);
	CHECK(lookup("", 0) == -ENOENT);
	CHECK(unlink_at("/a") == -EISDIR);
	CHECK(rmdir_at("/a") == -ENOTEMPTY);
	CHECK(rmdir_at("/a/f") == -ENOTDIR);
	CHECK(unlink_at("/a/f") == 0);
	CHECK(holds("/a/f", "") == -ENOENT);
	CHECK(rmdir_at("/a/b/.") == -EINVAL);
	CHECK(rmdir_at("/a/b/..") == -ENOTEMPTY);
	CHECK(rmdir_at("/a/b") == 0);
	CHECK(rmdir_at("/a") == 0);
	mnt_ns_put(ns);
	CHECK(memfile_used() == 0);
}

TEST(vfs, symlinks)
{
	char name[600];

	setup();
	CHECK(mkdir_at("/d") == 0);
	CHECK(make("/d/f", "x") == 0);
	CHECK(symlink_at("d", "/s") == 0);
	CHECK(symlink_at("/d/f", "/d/t") == 0);
	CHECK(symlink_at("loop", "/loop") == 0);
	CHECK(symlink_at("nowhere", "/dangling") == 0);
	CHECK(holds("/s/t", "x") == 1);
	CHECK(lookup("/s/", 0) == 0);
	CHECK(lookup("/d/t/", LOOKUP_FOLLOW) == -ENOTDIR);
	CHECK(lookup("/loop", LOOKUP_FOLLOW) == -ELOOP);
	CHECK(lookup("/loop", 0) == 0);
	CHECK(make("/dangling", "made") == 0);
	CHECK(holds("/nowhere", "made") == 1);
	CHECK(lookup("/s/t", LOOKUP_FOLLOW | LOOKUP_NO_LINKS) == -ELOOP);
	CHECK(lookup("/s", LOOKUP_FOLLOW | LOOKUP_BENEATH) == -EXDEV);
	CHECK(lookup("s/f", LOOKUP_FOLLOW | LOOKUP_BENEATH) == 0);
	CHECK(lookup("../f", LOOKUP_BENEATH) == -EXDEV);
	for (int i = 0; i < 41; i++) {
		char target[16], link[16];

		snprintf(target, sizeof target, i ? "l%d" : "d", i - 1);
		snprintf(link, sizeof link, "/l%d", i);
		CHECK(symlink_at(target, link) == 0);
	}
	CHECK(lookup("/l39", LOOKUP_FOLLOW) == 0);
	CHECK(lookup("/l40", LOOKUP_FOLLOW) == -ELOOP);
	memset(name, 'n', sizeof name);
	name[0] = '/';
	name[257] = 0;
	CHECK(lookup(name, 0) == -ENAMETOOLONG);
	name[256] = 0;
	CHECK(make(name, "long") == 0);
	CHECK(holds(name, "long") == 1);
	mnt_ns_put(ns);
	CHECK(memfile_used() == 0);
}

TEST(vfs, renames)
{
	setup();
	CHECK(mkdir_at("/a") == 0 && mkdir_at("/b") == 0);
	CHECK(mkdir_at("/a/sub") == 0);
	CHECK(make("/a/f", "f") == 0 && make("/b/g", "g") == 0);
	CHECK(rename_at("/a", "/a/sub/x", 0) == -EINVAL);
	CHECK(rename_at("/a/sub", "/a", 0) == -ENOTEMPTY);
	CHECK(rename_at("/a/f", "/b", 0) == -EISDIR);
	CHECK(rename_at("/a/sub", "/a/f", 0) == -ENOTDIR);
	CHECK(rename_at("/a/f", "/b/g", RENAME_NOREPLACE) == -EEXIST);
	CHECK(rename_at("/a/f", "/b/g", RENAME_EXCHANGE) == 0);
	CHECK(holds("/a/f", "g") == 1 && holds("/b/g", "f") == 1);
	CHECK(rename_at("/a/f", "/b/g", 0) == 0);
	CHECK(lookup("/a/f", 0) == -ENOENT && holds("/b/g", "g") == 1);
	CHECK(rename_at("/b", "/a/sub", 0) == 0); /* over an empty one */
	CHECK(holds("/a/sub/g", "g") == 1);
	CHECK(rename_at("/a/.", "/c", 0) == -EBUSY);
	CHECK(rename_at("/none", "/c", 0) == -ENOENT);
	CHECK(link_at("/a/sub/g", "/h") == 0);
	CHECK(rename_at("/h", "/a/sub/g", 0) == 0); /* the same object */
	CHECK(holds("/h", "g") == 1);
	CHECK(link_at("/a", "/dirlink") == -EPERM);
	mnt_ns_put(ns);
	CHECK(memfile_used() == 0);
}

static struct fs_context tmpfs_on(const char *data)
{
	return (struct fs_context){
		.type = &tmpfs_fs,
		.source = "tmpfs",
		.data = data,
		.cred = root_cred,
		.sock = -1,
	};
}

static int mount_on(const char *name, const char *data)
{
	struct fs_context fc = tmpfs_on(data);
	struct walk w = walk_root();
	struct path p;
	int err = path_lookup(&w, name, LOOKUP_FOLLOW, &p);

	if (err)
		return err;
	err = mount_add(ns, &fc, &p);
	path_put(&p);
	return err;
}

static int bind_at(const char *from, const char *to, bool recursive)
{
	struct walk w = walk_root();
	struct path a, b;
	int err = path_lookup(&w, from, LOOKUP_FOLLOW, &a);

	if (err)
		return err;
	err = path_lookup(&w, to, LOOKUP_FOLLOW, &b);
	if (!err) {
		err = mount_bind(ns, &a, &b, recursive);
		path_put(&b);
	}
	path_put(&a);
	return err;
}

static int umount_at(const char *name, int flags)
{
	struct walk w = walk_root();
	struct path p;
	int err = path_lookup(&w, name, LOOKUP_FOLLOW, &p);

	if (err)
		return err;
	me->mnt_ns = ns;
	err = mount_remove(me, &p, flags);
	path_put(&p);
	return err;
}

TEST(vfs, mounts)
{
	struct mnt_ns *copy;
	char text[4096];
	struct strbuf sb = strbuf(text, sizeof text);
	struct file *f;
	struct path top;

	setup();
	CHECK(mkdir_at("/m") == 0 && mkdir_at("/b") == 0);
	CHECK(make("/m/under", "u") == 0);
	CHECK(mount_on("/m", "size=1m") == 0);
	CHECK(lookup("/m/under", 0) == -ENOENT);
	CHECK(make("/m/over", "o") == 0);
	CHECK(mkdir_at("/m/in") == 0);
	CHECK(mount_on("/m/in", NULL) == 0);
	CHECK(make("/m/in/deep", "d") == 0);
	CHECK(holds("/m/in/../over", "o") == 1);
	CHECK(rename_at("/m/over", "/over", 0) == -EXDEV);
	CHECK(rmdir_at("/m") == -EBUSY);
	CHECK(bind_at("/m", "/b", false) == 0);
	CHECK(lookup("/b/in/deep", 0) == -ENOENT);
	CHECK(umount_at("/b", 0) == 0);
	CHECK(bind_at("/m", "/b", true) == 0);
	CHECK(holds("/b/in/deep", "d") == 1);
	CHECK(mnt_ns_copy(ns, NULL, NULL, &copy) == 0);
	top = (struct path){ ns->root, ns->root->root };
	mounts_show(copy, NULL, MOUNTS_MTAB, &sb);
	mounts_show(ns, &top, MOUNTS_INFO, &sb);
	CHECK(!sb.cut && strstr(text, "tmpfs /b/in tmpfs rw,relatime"));
	CHECK(umount_at("/m", 0) == -EBUSY);
	CHECK(umount_at("/m/in", MNT_EXPIRE) == -EAGAIN);
	CHECK(umount_at("/m/in", MNT_EXPIRE) == 0);
	CHECK(umount_at("/m", 0) == 0);
	CHECK(holds("/m/under", "u") == 1);
	CHECK(open_at("/b/over", O_RDONLY, &f) == 0);
	CHECK(umount_at("/b", 0) == -EBUSY);
	CHECK(umount_at("/b", MNT_DETACH) == 0);
	mnt_ns_put(copy);
	CHECK(file_read_kernel(f, text, 8, 0) == 1 && text[0] == 'o');
	file_put(f);
	mnt_ns_put(ns);
	CHECK(memfile_used() == 0);
}

TEST(vfs, made_up_mount_points)
{
	struct walk w;
	struct path p;

	setup();
	CHECK(mkdir_at("/etc") == 0);
	CHECK(symlink_at("/etc", "/link") == 0);
	atomic_store(&ns->root->flags, MS_RDONLY);
	w = walk_root();
	CHECK(mount_point(&w, "/link/a/b", false, &p) == 0);
	path_put(&p);
	CHECK(mount_point(&w, "/etc/file", true, &p) == 0);
	CHECK(S_ISREG(path_inode(&p)->mode));
	path_put(&p);
	CHECK(lookup("/etc/a/b/", 0) == 0);
	CHECK(mount_on("/etc/a/b", NULL) == 0);
	CHECK(make("/etc/a/b/f", "x") == 0);
	CHECK(make("/etc/a/f", "x") == -EROFS);
	CHECK(holds("/etc/file", "") == 1);
	mnt_ns_put(ns);
}

TEST(vfs, limits_and_holes)
{
	static char big[3 << 20];
	struct file *f;
	struct uio_seg seg;
	struct uio u;
	struct kstat st;

	setup();
	CHECK(mkdir_at("/m") == 0);
	CHECK(mount_on("/m", "size=1m,nr_inodes=4") == 0);
	CHECK(open_at("/m/f", O_CREAT | O_RDWR, &f) == 0);
	uio_kernel(&u, &seg, big, sizeof big, false);
	CHECK(vfs_write(me, f, &u, NULL) == 1 << 20);
	uio_kernel(&u, &seg, big, 10, false);
	CHECK(vfs_write(me, f, &u, NULL) == -ENOSPC);
	CHECK(vfs_seek(f, 0, SEEK_SET) == 0);
	uio_kernel(&u, &seg, big, 10, false);
	CHECK(vfs_write(me, f, &u, NULL) == 10);     /* those exist */
	CHECK(vfs_fallocate(f, 3, 4096, 8192) == 0); /* punch */
	CHECK(inode_getattr(f->inode, &st) == 0);
	CHECK(st.blocks == (1 << 11) - 16 && st.size == 1 << 20);
	CHECK(vfs_seek(f, 0, SEEK_HOLE) == 4096);
	CHECK(vfs_seek(f, 4096, SEEK_DATA) == 12288);
	CHECK(vfs_ftruncate(f, 5000) == 0);
	CHECK(vfs_ftruncate(f, 10000) == 0);
	CHECK(vfs_seek(f, 0, SEEK_END) == 10000);
	CHECK(make("/m/1", "") == 0 && make("/m/2", "") == 0);
	CHECK(make("/m/3", "") == -ENOSPC);
	CHECK(unlink_at("/m/f") == 0);
	CHECK(make("/m/3", "") == -ENOSPC);
	file_put(f);
	CHECK(make("/m/3", "now") == 0);
	mnt_ns_put(ns);
	CHECK(memfile_used() == 0);
}

TEST(vfs, descriptors)
{
	struct fdtable *copy;
	struct file *f;

	setup();
	CHECK(make("/f", "x") == 0);
	CHECK(open_at("/f", O_RDONLY, &f) == 0);
	for (int i = 0; i < 300; i++)
		CHECK(fd_open(me, file_get(f), i & 1 ? O_CLOEXEC : 0) == i);
	CHECK(fdtable_count(me->fdt) == 300);
	CHECK(fd_close(me, 70) == 0 && fd_close(me, 7) == 0);
	CHECK(fd_close(me, 7) == -EBADF);
	CHECK(fd_open(me, file_get(f), 0) == 7);
	CHECK(fd_open(me, file_get(f), 0) == 70);
	CHECK(fd_open(me, file_get(f), 0) == 300);
	CHECK(fd_replace(me, 4000, file_get(f), 0) == 4000);
	CHECK(fd_replace(me, 4096, file_get(f), 0) == -EBADF);
	CHECK(fd_reserve(me, 4095) == 4095);
	CHECK(fd_reserve(me, 4095) == -EMFILE);
	fd_unreserve(me, 4095);
	CHECK(fdtable_copy(me->fdt, &copy) == 0);
	CHECK(fdtable_count(copy) == 302);
	fdtable_put(copy);
	fdtable_exec(me);
	CHECK(fdtable_count(me->fdt) == 153); /* half, 7, 70, 300, 4000 */
	CHECK(fd_close_range(me, 5, ~0u, false) == 0);
	CHECK(fdtable_count(me->fdt) == 3);
	fdtable_put(me->fdt);
	CHECK(atomic_load(&f->ref.n) == 1);
	file_put(f);
	mnt_ns_put(ns);
}

TEST(vfs, memfd)
{
	struct file *f;
	char name[64], *s;
	int err;

	setup();
	CHECK(memfd_create_file("me", 2, root_cred, &f) == 0);
	s = path_name(&f->path, NULL, name, sizeof name, &err);
	CHECK(s && strcmp(s, "/memfd:me (deleted)") == 0);
	CHECK(vfs_ftruncate(f, 100) == 0);
	CHECK(tmpfs_add_seals(f, F_SEAL_GROW | F_SEAL_SEAL) == 0);
	CHECK(vfs_ftruncate(f, 101) == -EPERM);
	CHECK(vfs_ftruncate(f, 99) == 0);
	CHECK(tmpfs_add_seals(f, F_SEAL_SHRINK) == -EPERM);
	file_put(f);
	mnt_ns_put(ns);
	CHECK(memfile_used() == 0);
}

/* Many threads make, move and remove the same few names. */
static void *churn(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	char a[32], b[32];

	current = me;
	for (int i = 0; i < 3000; i++) {
		snprintf(a, sizeof a, "/%d/%d", rand_r(&seed) % 4,
			rand_r(&seed) % 4);
		snprintf(b, sizeof b, "/%d/%d", rand_r(&seed) % 4,
			rand_r(&seed) % 4);
		switch (rand_r(&seed) % 8) {
		case 0:
			(void)!make(a, "text");
			break;
		case 1:
			(void)!unlink_at(a);
			break;
		case 2:
			(void)!rename_at(a, b, 0);
			break;
		case 3:
			(void)!rename_at(a, b, RENAME_EXCHANGE);
			break;
		case 4:
			(void)!mkdir_at(a);
			break;
		case 5:
			(void)!rmdir_at(a);
			break;
		case 6:
			(void)!rename_at("/0", "/1/9", 0);
			(void)!rename_at("/1/9", "/0", 0);
			break;
		default:
			(void)!lookup(a, LOOKUP_FOLLOW);
		}
	}
	return NULL;
}

TEST(vfs, threads)
{
	pthread_t t[4];
	char name[8];

	setup();
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof name, "/%d", i);
		CHECK(mkdir_at(name) == 0);
	}
	for (uintptr_t i = 0; i < 4; i++)
		CHECK(pthread_create(&t[i], NULL, churn, (void *)i) == 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	mnt_ns_put(ns);
	CHECK(memfile_used() == 0);
}
