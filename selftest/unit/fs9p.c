/*
 * fs9p.c - client and server over a socket pair, on a temporary tree.
 */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "core/clock.h"
#include "selftest/unit/fs9p_tree.h"

/* --- what works */

TEST(fs9p, multi_walk_tells_attributes_and_where_it_stopped)
{
	struct p9_str ok[] = { S("dir"), S("sub"), S("deep") };
	struct p9_str gone[] = { S("dir"), S("none"), S("x") };
	struct p9_str through[] = { S("link"), S("sub") };
	struct p9_attr a[3];
	uint32_t root, first;
	unsigned got;
	struct p9_client *c = start(&root);
	struct stat st;

	CHECK(!p9_walk(c, root, ok, 3, &first, a, &got));
	CHECK(got == 3);
	CHECK(!stat(under("dir/sub/deep"), &st));
	CHECK(a[2].ino == st.st_ino && a[2].size == 9 &&
		a[2].mode == st.st_mode);
	CHECK(a[2].dev == st.st_dev && a[2].nlink == 1 &&
		a[2].uid == st.st_uid);
	CHECK(a[2].mtime ==
		st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec);
	CHECK(!p9_stat(c, first + 1, &a[0]) && S_ISDIR(a[0].mode));
	CHECK(p9_walk(c, root, gone, 3, &first, a, &got) == -ENOENT);
	CHECK(got == 1 && S_ISDIR(a[0].mode));
	CHECK(p9_walk(c, root, through, 2, &first, a, &got) == -ELOOP);
	CHECK(got == 1 && S_ISLNK(a[0].mode));
	CHECK(p9_walk(c, root, gone + 1, 1, &first, a, &got) == -ENOENT);
	CHECK(got == 0);
	finish(c);
}

TEST(fs9p, open_donates_the_hosts_descriptor)
{
	uint32_t root, fid;
	struct p9_client *c = start(&root);
	struct p9_attr a;
	char buf[16];
	int hfd;

	CHECK(!walk1(c, root, "file", &fid, &a));
	CHECK(!p9_open(c, fid, O_RDWR, &hfd));
	CHECK(hfd >= 0);
	CHECK(pread(hfd, buf, sizeof buf, 0) == 5 && !memcmp(buf, "hello", 5));
	CHECK(pwrite(hfd, "J", 1, 0) == 1);
	CHECK(fcntl(hfd, F_GETFD) & FD_CLOEXEC);
	close(hfd);
	CHECK(!p9_open(c, fid, O_RDONLY | O_TRUNC, &hfd));
	close(hfd);
	CHECK(!p9_stat(c, fid, &a) && a.size == 0);
	finish(c);
}

TEST(fs9p, read_and_write_without_a_descriptor)
{
	uint32_t root, fid;
	struct p9_client *c = start(&root);
	struct p9_attr a;
	static char big[P9_IO_MAX], back[P9_IO_MAX];

	for (size_t i = 0; i < sizeof big; i++)
		big[i] = (char)(i * 7);
	CHECK(!walk1(c, root, "file", &fid, &a));
	CHECK(p9_read(c, fid, back, 5, 0) == -EBADF);
	CHECK(!p9_lopen(c, fid, O_RDWR));
	CHECK(p9_lopen(c, fid, O_RDWR) == -EBUSY);
	CHECK(p9_write(c, fid, big, sizeof big, 3) == sizeof big);
	CHECK(p9_read(c, fid, back, sizeof back, 3) == sizeof big);
	CHECK(!memcmp(big, back, sizeof big));
	CHECK(p9_read(c, fid, back, 100, 1 << 20) == 0);
	CHECK(!p9_fsync(c, fid, true));
	finish(c);
}

TEST(fs9p, makes_every_kind_of_object_with_its_owner)
{
	uint32_t root;
	struct p9_client *c = start(&root);
	struct p9_Tmake k = { .dfid = root, .uid = 1234, .gid = 77 };
	struct p9_attr a;
	struct stat st;
	char *target;
	int hfd, err;

	if (geteuid() != 0)
		k.uid = geteuid(), k.gid = getegid();
	k.name = S("new");
	k.mode = S_IFREG | 06751;
	CHECK(!p9_make(c, &k, &hfd, &a) && hfd >= 0);
	CHECK(write(hfd, "abc", 3) == 3);
	close(hfd);
	CHECK(!stat(under("new"), &st) && st.st_mode == (S_IFREG | 06751));
	CHECK(st.st_uid == k.uid && st.st_gid == k.gid && a.uid == k.uid);
	CHECK(p9_make(c, &k, &hfd, &a) == -EEXIST && hfd < 0);
	k.name = S("d");
	k.mode = S_IFDIR | 02775;
	CHECK(!p9_make(c, &k, &hfd, &a) && hfd < 0 && a.mode == k.mode);
	k.name = S("p");
	k.mode = S_IFIFO | 0600;
	CHECK(!p9_make(c, &k, &hfd, &a) && a.mode == k.mode && hfd < 0);
	CHECK(p9_open(c, k.newfid, O_RDONLY, &hfd) == -ENXIO);
	k.name = S("s");
	k.mode = S_IFSOCK | 0600;
	CHECK(!p9_make(c, &k, &hfd, &a) && a.mode == k.mode);
	k.name = S("l");
	k.mode = S_IFLNK | 0777;
	k.target = S("/some/where");
	CHECK(!p9_make(c, &k, &hfd, &a) && S_ISLNK(a.mode) && a.uid == k.uid);
	CHECK(!p9_readlink(c, k.newfid, &target));
	CHECK(!strcmp(target, "/some/where"));
	free(target);
	k.name = S("c");
	k.mode = S_IFCHR | 0666;
	k.rdev = 0x103;
	CHECK(p9_make(c, &k, &hfd, &a) == -EPERM);
	k.name = S("");
	k.mode = S_IFREG | 0600;
	k.rdev = 0;
	err = p9_make(c, &k, &hfd, &a);
	CHECK(err == -EOPNOTSUPP || (!err && hfd >= 0 && a.nlink == 0));
	if (!err) {
		CHECK(write(hfd, "tmp", 3) == 3);
		CHECK(!p9_link(c, root, k.newfid, S("named")));
		CHECK(!stat(under("named"), &st) && st.st_size == 3);
	}
	finish(c);
}

TEST(fs9p, changes_attributes)
{
	uint32_t root, fid;
	struct p9_client *c = start(&root);
	struct p9_Tchange ch = { 0 };
	struct p9_attr a;
	struct stat st;

	CHECK(!walk1(c, root, "file", &fid, &a));
	ch.fid = fid;
	ch.valid = P9_SET_MODE | P9_SET_SIZE | P9_SET_ATIME | P9_SET_ATIME_SET |
		   P9_SET_MTIME | P9_SET_MTIME_SET;
	ch.mode = 0640;
	ch.size = 100000;
	ch.atime = (uint64_t)(1234567890 * NSEC_PER_SEC + 987654321);
	ch.mtime = (uint64_t)-1; /* the last ns of 1969 */
	CHECK(!p9_change(c, &ch, &a));
	CHECK(!stat(under("file"), &st));
	CHECK((st.st_mode & 07777) == 0640 && st.st_size == 100000);
	CHECK(st.st_atim.tv_sec == 1234567890 &&
		st.st_atim.tv_nsec == 987654321);
	CHECK(a.mtime == -1 && a.size == 100000);
	ch.valid = P9_SET_SIZE;
	ch.size = 1ULL << 63;
	CHECK(p9_change(c, &ch, NULL) == -EINVAL);
	CHECK(!p9_allocate(c, fid, 0, 0, 200000, &a) && a.size == 200000);
	CHECK(p9_allocate(c, fid, 0, 0, 0, &a) == -EINVAL);
	CHECK(!walk1(c, root, "link", &fid, &a));
	ch = (struct p9_Tchange){ .fid = fid, .valid = P9_SET_MODE };
	CHECK(p9_change(c, &ch, NULL) == -EOPNOTSUPP);
	ch.valid = P9_SET_MTIME | P9_SET_MTIME_SET;
	ch.mtime = (uint64_t)(5 * NSEC_PER_SEC);
	CHECK(!p9_change(c, &ch, &a) && a.mtime == 5 * NSEC_PER_SEC);
	CHECK(!lstat(under("link"), &st) && st.st_mtime == 5);
	finish(c);
}

TEST(fs9p, readplus_lists_all_with_attributes)
{
	static uint8_t buf[P9_MSIZE];
	enum { N = 2000 };
	static char seen[N];
	uint32_t root, fid, io;
	struct p9_client *c = start(&root);
	struct p9_data d;
	struct p9_dirent e;
	struct p9_attr a;
	uint64_t off = 0;
	int hfd, n = 0, dots = 0;

	CHECK(!mkdir(under("many"), 0755));
	for (int i = 0; i < N; i++) {
		char name[32];

		snprintf(name, sizeof name, "many/%d", i);
		spit(name, "");
	}
	CHECK(!walk1(c, root, "many", &fid, &a));
	CHECK(!p9_list(c, fid, &io, buf, &d) && io != P9_NOFID);
	while (d.n) {
		while (p9_dirent_get(&d, true, &e)) {
			char name[256];

			memcpy(name, e.name.s, e.name.n);
			name[e.name.n] = 0;
			off = e.next;
			if (name[0] == '.') {
				CHECK(e.type == DT_DIR);
				dots++;
				continue;
			}
			CHECK(e.type == DT_REG && S_ISREG(e.attr.mode));
			CHECK(!seen[atoi(name)]++);
			n++;
		}
		CHECK(!d.n);
		CHECK(!p9_readplus(c, io, off, buf, &d));
	}
	CHECK(n == N && dots == 2);
	CHECK(!walk1(c, root, "dir", &fid, &a));
	CHECK(!p9_list(c, fid, &io, buf, &d) && io == P9_NOFID && d.n);
	CHECK(p9_open(c, fid, O_RDONLY, &hfd) == -EISDIR && hfd < 0);
	CHECK(!walk1(c, root, "file", &fid, &a));
	CHECK(p9_list(c, fid, &io, buf, &d) == -ENOTDIR);
	finish(c);
}

TEST(fs9p, names_come_go_and_move)
{
	uint32_t root, dir, f, g;
	struct p9_client *c = start(&root);
	struct p9_attr a;
	char buf[8];
	int hfd;

	CHECK(!walk1(c, root, "dir", &dir, &a));
	CHECK(!walk1(c, root, "file", &f, &a));
	CHECK(!p9_link(c, dir, f, S("second")));
	CHECK(!p9_stat(c, f, &a) && a.nlink == 2);
	CHECK(!p9_rename(c, dir, S("second"), root, S("third"), 0));
	CHECK(p9_rename(c, root, S("third"), root, S("file"), 1) == -EEXIST);
	CHECK(!p9_rename(c, root, S("third"), root, S("dir"), 2));
	CHECK(!walk1(c, root, "dir", &g, &a) && S_ISREG(a.mode));
	CHECK(p9_unlink(c, root, S("third"), false) == -EISDIR);
	CHECK(p9_unlink(c, root, S("third"), true) == -ENOTEMPTY);
	CHECK(!p9_unlink(c, root, S("dir"), false));
	CHECK(!p9_unlink(c, root, S("file"), false));
	/* deleted, and still there for those who hold it */
	CHECK(!p9_stat(c, f, &a) && a.nlink == 0);
	CHECK(!p9_open(c, f, O_RDONLY, &hfd));
	CHECK(read(hfd, buf, 5) == 5);
	close(hfd);
	p9_clunk(c, f, true);
	CHECK(p9_stat(c, f, &a) == -EBADF);
	finish(c);
}

TEST(fs9p, extended_attributes)
{
	uint32_t root, fid;
	struct p9_client *c = start(&root);
	struct p9_attr a;
	char buf[64];
	int err;

	CHECK(!walk1(c, root, "file", &fid, &a));
	err = p9_setxattr(c, fid, "user.colour", "blue", 4, 0);
	if (err == -EOPNOTSUPP || err == -EPERM) {
		finish(c);
		SKIP("no user attributes on /tmp");
	}
	CHECK(!err);
	CHECK(p9_setxattr(c, fid, "user.colour", "x", 1, XATTR_CREATE) ==
		-EEXIST);
	CHECK(p9_getxattr(c, fid, "user.colour", NULL, 0) == 4);
	CHECK(p9_getxattr(c, fid, "user.colour", buf, 2) == -ERANGE);
	CHECK(p9_getxattr(c, fid, "user.colour", buf, 64) == 4);
	CHECK(!memcmp(buf, "blue", 4));
	CHECK(p9_listxattr(c, fid, buf, 64) == 12 &&
		!strcmp(buf, "user.colour"));
	CHECK(!p9_setxattr(c, fid, "user.colour", NULL, 0, P9_XATTR_REMOVE));
	CHECK(p9_getxattr(c, fid, "user.colour", buf, 64) == -ENODATA);
	CHECK(p9_setxattr(c, fid, "trusted.x", "1", 1, 0) == -EPERM);
	CHECK(p9_setxattr(c, fid, "system.x", "1", 1, 0) == -EOPNOTSUPP);
	finish(c);
}

TEST(fs9p, statfs_and_many_clunks)
{
	uint32_t root, fids[300];
	struct p9_client *c = start(&root);
	struct p9_Rstatfs s;
	struct p9_attr a;

	CHECK(!p9_statfs(c, root, &s) && s.bsize && s.namelen == 255);
	for (int i = 0; i < 300; i++)
		CHECK(!walk1(c, root, "file", &fids[i], &a));
	for (int i = 0; i < 300; i++)
		p9_clunk(c, fids[i], false);
	p9_clunk_flush(c);
	for (int i = 0; i < 300; i++)
		CHECK(p9_stat(c, fids[i], &a) == -EBADF);
	finish(c);
}

TEST(fs9p, sockets_only_when_allowed)
{
	struct p9_export uds = { .host_uds = true };
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	uint32_t root, fid;
	struct p9_client *c = start_as(&uds, &root);
	struct p9_attr a;
	int l = socket(AF_UNIX, SOCK_STREAM, 0), hfd, peer;

	strcpy(sa.sun_path, under("sock"));
	CHECK(!bind(l, (struct sockaddr *)&sa, sizeof sa) && !listen(l, 1));
	CHECK(!walk1(c, root, "sock", &fid, &a));
	CHECK(!p9_connect(c, fid, SOCK_STREAM, &hfd));
	peer = accept(l, NULL, NULL);
	CHECK(peer >= 0 && write(peer, "x", 1) == 1);
	CHECK(fcntl(hfd, F_SETFL, 0) == 0 && read(hfd, sa.sun_path, 1) == 1);
	CHECK(p9_connect(c, root, SOCK_STREAM, &hfd) == -ECONNREFUSED);
	finish(c);
	c = start(&root);
	close(socket(AF_UNIX, SOCK_STREAM, 0));
	CHECK(!walk1(c, root, "file", &fid, &a));
	CHECK(p9_connect(c, fid, SOCK_STREAM, &hfd) == -ECONNREFUSED);
	finish(c);
}

TEST(fs9p, read_only_refuses_every_change)
{
	struct p9_export ro = { .readonly = true };
	uint32_t root, fid;
	struct p9_client *c = start_as(&ro, &root);
	struct p9_Tmake k = { .dfid = root, .name = S("x"), .mode = S_IFREG };
	struct p9_Tchange ch = { .valid = P9_SET_MODE };
	struct p9_attr a;
	int hfd;

	CHECK(!walk1(c, root, "file", &fid, &a));
	CHECK(p9_make(c, &k, &hfd, &a) == -EROFS);
	ch.fid = fid;
	CHECK(p9_change(c, &ch, &a) == -EROFS);
	CHECK(p9_open(c, fid, O_RDWR, &hfd) == -EROFS);
	CHECK(p9_open(c, fid, O_RDONLY | O_TRUNC, &hfd) == -EROFS);
	CHECK(p9_unlink(c, root, S("file"), false) == -EROFS);
	CHECK(p9_rename(c, root, S("file"), root, S("y"), 0) == -EROFS);
	CHECK(p9_link(c, root, fid, S("y")) == -EROFS);
	CHECK(p9_setxattr(c, fid, "user.a", "", 0, 0) == -EROFS);
	CHECK(!p9_open(c, fid, O_RDONLY, &hfd));
	CHECK(write(hfd, "x", 1) < 0 && errno == EBADF);
	close(hfd);
	finish(c);
}

/* --- many threads, and the end of the gofer */

struct hammer {
	struct p9_client *c;
	uint32_t root;
	int n;
};

static void *hammer(void *arg)
{
	struct hammer *h = arg;

	for (int i = 0; i < h->n; i++) {
		struct p9_str path[] = { S("dir"), S("sub"), S("deep") };
		struct p9_attr a[3];
		uint32_t first;
		unsigned got;
		char buf[16];
		int hfd;

		CHECK(!p9_walk(h->c, h->root, path, 3, &first, a, &got));
		CHECK(a[2].size == 9);
		CHECK(!p9_open(h->c, first + 2, O_RDONLY, &hfd));
		CHECK(read(hfd, buf, sizeof buf) == 9);
		close(hfd);
		for (unsigned j = 0; j < 3; j++)
			p9_clunk(h->c, first + j, false);
	}
	return NULL;
}

TEST(fs9p, many_threads_share_a_connection)
{
	pthread_t t[16];
	struct hammer h = { .n = 300 };

	h.c = start(&h.root);
	for (int i = 0; i < 16; i++)
		CHECK(!pthread_create(&t[i], NULL, hammer, &h));
	for (int i = 0; i < 16; i++)
		pthread_join(t[i], NULL);
	finish(h.c);
}

static void *call_until_error(void *arg)
{
	struct hammer *h = arg;
	struct p9_attr a;
	int err;

	do {
		err = p9_stat(h->c, h->root, &a);
	} while (!err);
	return (void *)(intptr_t)err;
}

TEST(fs9p, death_of_the_gofer_is_eio_for_all)
{
	pthread_t t[8];
	struct hammer h;
	struct p9_attr a;

	log_set_user(-1, LOG_TEXT);
	h.c = start(&h.root);
	for (int i = 0; i < 8; i++)
		CHECK(!pthread_create(&t[i], NULL, call_until_error, &h));
	usleep(20000);
	kill(server, SIGKILL);
	for (int i = 0; i < 8; i++) {
		void *err;

		pthread_join(t[i], &err);
		CHECK((intptr_t)err == -EIO);
	}
	CHECK(p9_stat(h.c, h.root, &a) == -EIO && p9_client_dead(h.c));
	p9_client_free(h.c);
	waitpid(server, NULL, 0);
	remove_tree();
}

static atomic_bool give_up;

static bool interrupted(void)
{
	return atomic_load(&give_up);
}

TEST(fs9p, a_wait_can_be_given_up)
{
	struct p9_client *c;
	struct p9_attr a;
	uint32_t root, fid;

	CHECK(!p9_client_create(
		start_sock(&(struct p9_export){ 0 }, false), interrupted, &c));
	CHECK(!p9_attach(c, &root, &a));
	kill(server, SIGSTOP);
	atomic_store(&give_up, true);
	CHECK(walk1(c, root, "file", &fid, &a) == -EINTR);
	atomic_store(&give_up, false);
	kill(server, SIGCONT);
	/* its reply comes now, and its fid is given back */
	CHECK(!walk1(c, root, "dir", &fid, &a) && S_ISDIR(a.mode));
	p9_clunk_flush(c);
	CHECK(p9_stat(c, fid - 1, &a) == -EBADF);
	CHECK(!p9_stat(c, fid, &a));
	finish(c);
}

TEST(fs9p, fids_beyond_the_limit_are_emfile)
{
	struct rlimit r = { 40, 40 };
	uint32_t root, fid[64];
	struct p9_client *c;
	struct p9_attr a;
	int n = 0, err;

	CHECK(!setrlimit(RLIMIT_NOFILE, &r));
	c = start(&root);
	while (!(err = walk1(c, root, "file", &fid[n], &a)))
		n++;
	CHECK(err == -EMFILE && n > 10);
	while (n)
		p9_clunk(c, fid[--n], true);
	CHECK(!walk1(c, root, "file", &fid[0], &a));
	finish(c);
}
