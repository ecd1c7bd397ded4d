/*
 * gofer.c - the gofer filesystem under the VFS, with a real server behind it.
 *
 * "No request" is proved by stopping the server: what still answers then asked
 * nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "fs9p/frame.h"
#include "fs9p/server.h"
#include "kernel/fs/types.h"
#include "kernel/mm/mapping.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/vfs/dcache.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/namei.h"
#include "kernel/vfs/xattr.h"
#include "selftest/unit/unit.h"

static char tree[64];
static pid_t server;
static struct mnt_ns *ns;
static struct walk w;

static char *under(const char *name)
{
	static char path[4][256];
	static unsigned i;
	char *p = path[i++ % 4];

	snprintf(p, sizeof path[0], "%s/%s", tree, name);
	return p;
}

static void spit(const char *name, const char *text)
{
	FILE *f = fopen(under(name), "w");

	CHECK(f);
	fputs(text, f);
	fclose(f);
}

static void serve(int sock)
{
	struct p9_export x = { .sock = sock };

	x.root = open(tree, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_exit(p9_serve(&x, 1, open("/proc/self/fd", O_PATH | O_CLOEXEC)) ? 1
									 : 0);
}

static void start(bool exclusive)
{
	struct fs_context fc = {
		.type = &gofer_fs, .source = "none", .exclusive = exclusive
	};
	struct err e;
	int sv[2];

	strcpy(tree, "/tmp/gofer.XXXXXX");
	CHECK(mkdtemp(tree));
	CHECK(!mkdir(under("dir"), 0755));
	spit("file", "hello");
	spit("dir/inner", "inside");
	CHECK(!symlink("dir/inner", under("link")));
	CHECK(!p9_socketpair(sv));
	server = fork();
	if (server == 0) {
		close(sv[0]);
		serve(sv[1]);
	}
	close(sv[1]);
	CHECK(!phys_init(1 << 30, 1 << 30, &e));
	CHECK(!memfile_init(1 << 28));
	users_init();
	vfs_init();
	fc.sock = sv[0];
	CHECK(!mnt_ns_create(&fc, &ns));
	w = (struct walk){ .cred = cred_new(geteuid(), getegid(), NULL, 0) };
	w.root.mnt = mount_get(ns->root);
	w.root.dentry = dentry_get(ns->root->root);
	w.start = w.root;
	path_get(&w.start);
}

static void remove_tree(void)
{
	char cmd[128];

	snprintf(cmd, sizeof cmd, "rm -rf %s", tree);
	CHECK(system(cmd) == 0);
}

static void finish(void)
{
	int status;

	walk_done(&w);
	mnt_ns_put(ns);
	/* the connection is closed when nothing of the mount is left */
	CHECK(waitpid(server, &status, 0) == server && status == 0);
	remove_tree();
}

static int look(const char *name, struct kstat *st)
{
	struct path p;
	int err = path_lookup(&w, name, 0, &p);

	if (err)
		return err;
	err = inode_getattr(path_inode(&p), st);
	path_put(&p);
	return err;
}

static struct file *must_open(const char *name, int flags)
{
	struct file *f;

	CHECK(!vfs_open(&w, name, flags, 0644, 0, &f));
	return f;
}

static ssize_t put(struct file *f, const char *text)
{
	struct uio_seg seg;
	struct uio u;

	uio_kernel(&u, &seg, (void *)(uintptr_t)text, strlen(text), false);
	return vfs_write(NULL, f, &u, NULL);
}

TEST(gofer, reads_and_stats_like_the_host)
{
	struct kstat st;
	struct stat host;
	struct file *f;
	char buf[16], *target;

	start(true);
	CHECK(!look("/dir/inner", &st));
	CHECK(!stat(under("dir/inner"), &host));
	CHECK(st.ino == host.st_ino && st.size == 6 && st.mode == host.st_mode);
	CHECK(st.mtime ==
		host.st_mtim.tv_sec * NSEC_PER_SEC + host.st_mtim.tv_nsec);
	CHECK(look("/none", &st) == -ENOENT);
	CHECK(look("/file/x", &st) == -ENOTDIR);
	f = must_open("/link", O_RDONLY);
	CHECK(file_read_kernel(f, buf, sizeof buf, 0) == 6);
	CHECK(!memcmp(buf, "inside", 6));
	file_put(f);
	CHECK(!vfs_readlink(&w, "/link", &target) &&
		!strcmp(target, "dir/inner"));
	free(target);
	finish();
}

TEST(gofer, cached_things_ask_nobody)
{
	struct kstat st;
	struct file *f;
	char buf[16], *target;

	start(true);
	f = must_open("/dir/inner", O_RDWR);
	file_put(f);
	CHECK(look("/none", &st) == -ENOENT);
	CHECK(!vfs_readlink(&w, "/link", &target));
	free(target);
	kill(server, SIGSTOP);
	alarm(5);
	for (int i = 0; i < 1000; i++) {
		CHECK(!look("/dir/inner", &st));
		CHECK(look("/none", &st) == -ENOENT);
		f = must_open("/link", i % 2 ? O_RDONLY : O_RDWR);
		CHECK(file_read_kernel(f, buf, 6, 0) == 6);
		file_put(f);
	}
	f = must_open("/dir/inner", O_WRONLY | O_TRUNC);
	CHECK(put(f, "and written") == 11);
	file_put(f);
	CHECK(!look("/dir/inner", &st) && st.size == 11);
	kill(server, SIGCONT);
	finish();
}

TEST(gofer, writes_change_size_and_times_as_on_the_host)
{
	struct kstat st;
	struct stat host;
	struct file *f;

	start(true);
	f = must_open("/file", O_RDWR | O_APPEND);
	CHECK(put(f, " world") == 6);
	CHECK(put(f, "!") == 1);
	CHECK(!look("/file", &st) && !stat(under("file"), &host));
	CHECK(st.size == 12 && host.st_size == 12);
	CHECK(st.mtime ==
		host.st_mtim.tv_sec * NSEC_PER_SEC + host.st_mtim.tv_nsec);
	CHECK(st.blocks == (uint64_t)host.st_blocks);
	CHECK(!vfs_ftruncate(f, 3));
	CHECK(!look("/file", &st) && st.size == 3);
	CHECK(!vfs_fallocate(f, 0, 0, 10000));
	CHECK(!look("/file", &st) && st.size == 10000);
	CHECK(!vfs_fsync(f, false));
	CHECK(vfs_seek(f, 0, SEEK_END) == 10000);
	file_put(f);
	finish();
}

TEST(gofer, names_are_made_moved_and_removed)
{
	struct kstat st, st2;
	struct stat host;
	struct file *f;
	struct path p;
	char buf[8];

	start(true);
	f = must_open("/new", O_CREAT | O_EXCL | O_RDWR);
	CHECK(put(f, "fresh") == 5);
	CHECK(!stat(under("new"), &host) && (host.st_mode & 0777) == 0644);
	CHECK(!vfs_mkdir(&w, "/d", 0750) && !look("/d", &st) && st.nlink == 2);
	CHECK(!vfs_mkdir(&w, "/d/e", 0750) && !look("/d", &st) &&
		st.nlink == 3);
	CHECK(!vfs_symlink(&w, "e", "/d/l"));
	CHECK(!vfs_mknod(&w, "/d/p", S_IFIFO | 0600, 0, NULL));
	CHECK(!lstat(under("d/p"), &host) && S_ISFIFO(host.st_mode));
	CHECK(!path_lookup(&w, "/new", 0, &p));
	CHECK(!vfs_link(&p, &w, "/d/hard"));
	path_put(&p);
	CHECK(!look("/new", &st) && !look("/d/hard", &st2));
	CHECK(st.ino == st2.ino && st.nlink == 2 && st2.nlink == 2);
	CHECK(!vfs_rename(&w, "/d/hard", &w, "/moved", 0));
	CHECK(look("/d/hard", &st) == -ENOENT && !look("/moved", &st));
	CHECK(!vfs_unlink(&w, "/moved") && !vfs_unlink(&w, "/new"));
	CHECK(look("/new", &st) == -ENOENT);
	/* deleted, and open */
	CHECK(file_read_kernel(f, buf, 5, 0) == 5 && !memcmp(buf, "fresh", 5));
	CHECK(!inode_getattr(f->inode, &st) && st.nlink == 0);
	file_put(f);
	CHECK(vfs_rmdir(&w, "/d") == -ENOTEMPTY);
	CHECK(!vfs_unlink(&w, "/d/l") && !vfs_unlink(&w, "/d/p"));
	CHECK(!vfs_rmdir(&w, "/d/e") && !vfs_rmdir(&w, "/d"));
	CHECK(stat(under("d"), &host) && errno == ENOENT);
	finish();
}

TEST(gofer, attributes_are_changed_on_the_host)
{
	struct iattr a = { .valid = ATTR_MODE | ATTR_MTIME,
		.mode = 0600,
		.mtime = 1234567890123456789LL };
	struct stat host;
	struct kstat st;
	struct path p;
	char buf[8];

	start(true);
	CHECK(!path_lookup(&w, "/file", 0, &p));
	CHECK(!vfs_setattr(&p, w.cred, &a));
	CHECK(!stat(under("file"), &host) && (host.st_mode & 07777) == 0600);
	CHECK(host.st_mtim.tv_nsec == 123456789);
	CHECK(!inode_getattr(path_inode(&p), &st));
	CHECK(st.mtime == a.mtime && (st.mode & 07777) == 0600);
	CHECK(st.ctime ==
		host.st_ctim.tv_sec * NSEC_PER_SEC + host.st_ctim.tv_nsec);
	if (!vfs_setxattr(&p, w.cred, "user.k", "v", 1, 0)) {
		CHECK(vfs_getxattr(&p, w.cred, "user.k", buf, 8) == 1);
		CHECK(vfs_listxattr(&p, w.cred, buf, 8) == 7);
		CHECK(!vfs_setxattr(&p, w.cred, "user.k", NULL, 0, 0));
		CHECK(vfs_getxattr(&p, w.cred, "user.k", buf, 8) == -ENODATA);
	}
	path_put(&p);
	finish();
}

TEST(gofer, shared_access_sees_what_the_host_does)
{
	struct kstat st;
	struct file *f;

	start(false);
	CHECK(look("/later", &st) == -ENOENT && !look("/file", &st));
	spit("later", "12");
	spit("file", "longer than before");
	CHECK(!look("/later", &st) && st.size == 2);
	CHECK(!look("/file", &st) && st.size == 18);
	f = must_open("/file", O_WRONLY | O_APPEND);
	CHECK(!truncate(under("file"), 2));
	CHECK(put(f, "x") == 1);
	CHECK(!look("/file", &st) && st.size == 3);
	file_put(f);
	CHECK(!unlink(under("file")));
	CHECK(look("/file", &st) == -ENOENT);
	CHECK(!rename(under("later"), under("file")));
	CHECK(!look("/file", &st) && st.size == 2);
	finish();
}

TEST(gofer, mappings_are_windows_onto_the_host)
{
	struct mapping *m, *m2;
	struct file *f;
	uint64_t run;
	char buf[8];
	paddr_t pa;

	start(true);
	f = must_open("/file", O_RDONLY);
	CHECK(!f->ops->mmap(f, PROT_READ, MAP_PRIVATE, &m));
	CHECK(!mapping_frame(m, 0, false, &pa, &run));
	CHECK(!memcmp(phys_ptr(pa), "hello", 5));
	frame_put(pa);
	file_put(f);
	f = must_open("/file", O_RDWR);
	CHECK(!f->ops->mmap(f, PROT_READ | PROT_WRITE, MAP_SHARED, &m2));
	CHECK(m2 == m);
	CHECK(!mapping_frame(m2, 0, true, &pa, &run));
	memcpy(phys_ptr(pa), "J", 1);
	frame_put(pa);
	CHECK(file_read_kernel(f, buf, 5, 0) == 5 && !memcmp(buf, "Jello", 5));
	mapping_put(m);
	mapping_put(m2);
	file_put(f);
	finish();
}

TEST(gofer, works_without_descriptors)
{
	struct rlimit r, few;
	struct kstat st;
	struct file *f;
	char buf[8];
	int dup_of;

	start(true);
	CHECK(!look("/file", &st));
	CHECK(!getrlimit(RLIMIT_NOFILE, &r));
	dup_of = dup(0);
	few = (struct rlimit){ (rlim_t)dup_of, r.rlim_max };
	close(dup_of);
	CHECK(!setrlimit(RLIMIT_NOFILE, &few));
	f = must_open("/file", O_RDWR);
	CHECK(put(f, "HE") == 2);
	CHECK(file_read_kernel(f, buf, 5, 0) == 5 && !memcmp(buf, "HEllo", 5));
	CHECK(!vfs_ftruncate(f, 4) && !vfs_fsync(f, true));
	CHECK(!look("/file", &st) && st.size == 4);
	file_put(f);
	CHECK(!setrlimit(RLIMIT_NOFILE, &r));
	finish();
}

TEST(gofer, death_of_the_server_is_eio)
{
	struct kstat st;

	log_set_user(-1, LOG_TEXT);
	start(true);
	CHECK(!look("/file", &st));
	kill(server, SIGKILL);
	CHECK(waitpid(server, NULL, 0) == server);
	CHECK(!look("/file", &st));
	CHECK(look("/dir/inner", &st) == -EIO);
	CHECK(vfs_unlink(&w, "/file") == -EIO);
	remove_tree();
}
