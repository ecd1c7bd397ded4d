/*
 * goferfs.c - a hostile gofer under the VFS.
 *
 * A thread answers each request: mostly with a well-formed reply whose fields
 * come from the input, now and then with an error, a descriptor that it should
 * not have, or bytes that are no reply at all.  Input: one byte of operations
 * for each of OPS calls, then what the thread says; when that has run out it
 * says zeros, and after REPLIES nothing.  Every call returns, and what it made
 * can be taken down.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cursor.h"
#include "core/log.h"
#include "core/uio.h"
#include "fs9p/frame.h"
#include "fs9p/msg.h"
#include "kernel/abi/stat.h"
#include "kernel/fs/types.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/mount.h"
#include "kernel/vfs/namei.h"
#include "kernel/vfs/stat.h"
#include "kernel/vfs/xattr.h"
#include "platform/phys.h"

#define OPS     10
#define REPLIES 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- the gofer */

static const uint8_t *in;
static size_t left;
static int memfd = -1;

static uint8_t byte(void)
{
	return left ? (left--, *in++) : 0;
}

static uint64_t number(void)
{
	uint64_t v = byte();

	return v < 0xc0 ? v : v << byte() % 64 | byte();
}

static struct p9_attr attr(void)
{
	static const uint32_t kinds[] = { S_IFDIR | 0755, S_IFREG | 0644,
		S_IFDIR | 0755, S_IFREG | 0777, S_IFLNK | 0777, S_IFIFO | 0600,
		S_IFSOCK | 0600, S_IFCHR | 0666, S_IFBLK | 0600, 0 };
	uint32_t mode = kinds[byte() % ARRAY_SIZE(kinds)];

	return (struct p9_attr){
		.qid = { S_ISDIR(mode) ? P9_QTDIR : 0, (uint32_t)number(),
			number() },
		.dev = byte() % 2,
		.ino = number(),
		.mode = mode | (byte() == 7 ? (uint32_t)number() : 0),
		.nlink = (uint32_t)number(),
		.size = number(),
		.blocks = number(),
		.blksize = (uint32_t)number(),
		.mtime = (int64_t)number(),
	};
}

static struct p9_str str(void)
{
	static const char *const names[] = { "a", "b", "..", ".", "", "a/b",
		"link", "/", "../../etc", "x\0y" };
	const char *s = names[byte() % ARRAY_SIZE(names)];

	if (byte() % 32 == 1) {
		size_t want = (size_t)byte() * 16, n = MIN(left, want);
		struct p9_str r = { (const char *)in, (uint16_t)n };

		in += n;
		left -= n;
		return r;
	}
	return (struct p9_str){ s, (uint16_t)strlen(s) };
}

static void entries(struct p9_data *d, bool plus)
{
	static uint8_t room[4096];
	unsigned n = byte() % 5;
	size_t len = 0;

	for (unsigned i = 0; i < n; i++) {
		struct p9_dirent e = { .attr = attr(),
			.next = byte() % 8 ? i + 1 : number(),
			.type = byte() % 16,
			.name = str() };

		len += p9_dirent_put(room + len, sizeof room - len, plus, &e);
	}
	*d = (struct p9_data){ room, (uint32_t)len };
}

/* What an honest server might say, up to the values. */
static void answer(const struct msg *t, struct msg *r)
{
	static uint8_t raw[P9_WALK_MAX * P9_ATTR_SIZE];

	switch (t->type) {
	case P9_Tversion:
		r->Rversion.msize = byte() % 8 ? P9_MSIZE : (uint32_t)number();
		r->Rversion.version = (struct p9_str){ P9_VERSION_OURS,
			sizeof P9_VERSION_OURS - 1 };
		break;
	case P9_Tattach:
		r->Rattach.qid = attr().qid;
		break;
	case P9_Twalkattr:
		r->Rwalkattr.attrs.raw = raw;
		r->Rwalkattr.attrs.n = byte() % 8 ? t->Twalkattr.names.n
						  : byte() % P9_WALK_MAX;
		for (unsigned i = 0; i < r->Rwalkattr.attrs.n; i++) {
			struct p9_attr a = attr();

			p9_attr_put(&a, raw + i * P9_ATTR_SIZE);
		}
		r->Rwalkattr.ecode = byte() % 8 ? 0 : byte();
		break;
	case P9_Tstat:
		r->Rstat.attr = attr();
		break;
	case P9_Tmake:
		r->Rmake.donated = byte();
		r->Rmake.attr = attr();
		break;
	case P9_Tchange:
		r->Rchange.attr = attr();
		break;
	case P9_Tallocate:
		r->Rallocate.attr = attr();
		break;
	case P9_Treadlink:
		r->Rreadlink.target = str();
		break;
	case P9_Tlist:
		r->Rlist.more = byte() % 4 == 1;
		entries(&r->Rlist.data, true);
		break;
	case P9_Treadplus:
		entries(&r->Rreadplus.data, true);
		break;
	case P9_Tread:
		r->Rread.data = (struct p9_data){ raw, byte() };
		break;
	case P9_Twrite:
		r->Rwrite.count = (uint32_t)number();
		break;
	case P9_Tgetxattr:
		r->Rgetxattr.size = (uint32_t)number();
		r->Rgetxattr.data = (struct p9_data){ raw, byte() };
		break;
	case P9_Tlistxattr:
		r->Rlistxattr.size = (uint32_t)number();
		r->Rlistxattr.data = (struct p9_data){ raw, byte() };
		break;
	}
}

static void *gofer(void *arg)
{
	static uint8_t buf[P9_MSIZE], out[P9_MSIZE];
	int sock = *(int *)arg;
	ssize_t n;

	for (int i = 0; i < REPLIES; i++) {
		unsigned mood = byte();
		struct iovec v = { out, 0 };
		struct msg t, r;

		n = frame_recv(sock, false, buf, sizeof buf, NULL, 0);
		if (n <= 0 || p9_decode(&t, buf, (size_t)n))
			break;
		memset(&r, 0, sizeof r);
		r.type = t.type + 1;
		r.tag = mood == 0xfe ? byte() : t.tag;
		answer(&t, &r);
		if (mood % 16 == 15) {
			r.type = P9_Rlerror;
			r.Rlerror.ecode = byte();
		}
		n = p9_encode(&r, out, sizeof out);
		if (n < 0)
			break;
		if (mood == 0xfd) /* not what it says it is */
			for (ssize_t k = P9_HEADER; k < n; k++)
				out[k] ^= byte();
		v.iov_len = (size_t)n - (mood == 0xfc && n > P9_HEADER);
		if (frame_send(sock, &v, 1,
			    mood % 4 == 2 || (t.type == P9_Topen && mood % 2)
				    ? memfd
				    : -1))
			break;
	}
	shutdown(sock, SHUT_RDWR);
	return NULL;
}

/* --- the guest */

static struct walk walk;

static void use_file(const char *name, int flags)
{
	char room[512];
	struct uio_seg seg;
	struct file *f;
	struct uio u;

	if (vfs_open(&walk, name, flags | O_NONBLOCK, 0644, 0, &f))
		return;
	uio_kernel(&u, &seg, room, sizeof room, true);
	(void)!vfs_read(NULL, f, &u, NULL);
	uio_kernel(&u, &seg, room, 10, false);
	(void)!vfs_write(NULL, f, &u, NULL);
	(void)!vfs_seek(f, 0, SEEK_END);
	(void)!vfs_ftruncate(f, 5);
	for (int i = 0; i < 20; i++)
		if (file_getdents_kernel(f, room, sizeof room) <= 0)
			break;
	file_put(f);
}

static void use_path(const char *name)
{
	struct statfs_abi fs;
	struct kstat st;
	struct path p;
	char room[64];

	if (path_lookup(&walk, name, LOOKUP_FOLLOW, &p))
		return;
	(void)!inode_getattr(path_inode(&p), &st);
	(void)!vfs_statfs(path_inode(&p), p.mnt, &fs);
	(void)!vfs_getxattr(&p, walk.cred, "user.a", room, sizeof room);
	(void)!vfs_listxattr(&p, walk.cred, room, sizeof room);
	(void)!vfs_truncate(&p, walk.cred, 3);
	(void)!vfs_link(&p, &walk, "b");
	path_put(&p);
}

static void operate(uint8_t op)
{
	static const char *const names[] = { "a", "b", "a/b", "a/../b", ".",
		"a/b/a/b", "link", "link/a" };
	const char *name = names[op >> 5];
	char *target;

	switch (op % 12) {
	case 0:
		use_path(name);
		break;
	case 1:
		use_file(name, O_RDONLY);
		break;
	case 2:
		use_file(name, O_RDWR | O_CREAT);
		break;
	case 3:
		use_file(name, O_WRONLY | O_TRUNC | O_APPEND);
		break;
	case 4:
		use_file(name, O_RDONLY | O_DIRECTORY);
		break;
	case 5:
		(void)!vfs_mkdir(&walk, name, 0755);
		break;
	case 6:
		(void)!vfs_unlink(&walk, name);
		break;
	case 7:
		(void)!vfs_rmdir(&walk, name);
		break;
	case 8:
		(void)!vfs_rename(&walk, name, &walk, "b", 0);
		break;
	case 9:
		(void)!vfs_symlink(&walk, "a/b", name);
		break;
	case 10:
		if (!vfs_readlink(&walk, name, &target))
			free(target);
		break;
	default:
		(void)!vfs_mknod(&walk, name, S_IFIFO | 0600, 0, NULL);
	}
}

static void begin(void)
{
	struct err e;

	log_set_user(-1, LOG_TEXT);
	if (phys_init(1 << 30, 1 << 30, &e) || memfile_init(1 << 28))
		abort();
	phys_catch_bus();
	users_init();
	vfs_init();
	memfd = (int)memfd_create("goferfs", MFD_CLOEXEC);
	walk.cred = cred_new(0, 0, NULL, 0);
	if (memfd < 0 || ftruncate(memfd, 100))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fs_context fc = { .type = &gofer_fs, .source = "none" };
	struct mnt_ns *ns;
	pthread_t id;
	int sv[2];

	if (size < OPS)
		return 0;
	if (memfd < 0)
		begin();
	in = data + OPS;
	left = size - OPS;
	if (p9_socketpair(sv) || pthread_create(&id, NULL, gofer, &sv[1]))
		abort();
	fc.cred = walk.cred;
	fc.sock = sv[0];
	fc.exclusive = data[0] & 1;
	if (!mnt_ns_create(&fc, &ns)) {
		walk.root.mnt = mount_get(ns->root);
		walk.root.dentry = dentry_get(ns->root->root);
		walk.start = walk.root;
		path_get(&walk.start);
		for (int i = 0; i < OPS; i++)
			operate(data[i]);
		path_put(&walk.root);
		path_put(&walk.start);
		mnt_ns_put(ns);
	}
	pthread_join(id, NULL);
	close(sv[1]);
	return 0;
}
