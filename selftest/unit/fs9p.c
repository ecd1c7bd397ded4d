/*
 * fs9p.c - client and server over a socket pair, on a temporary tree.
 *
 * The server runs in a child process, as a gofer does.  The second half speaks
 * raw messages, as a hostile sandbox might.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "fs9p/client.h"
#include "fs9p/frame.h"
#include "fs9p/server.h"
#include "selftest/unit/unit.h"

static char tree[64];
static pid_t server;
static int raw_sock = -1; /* ours, when no client owns it */

#define S(text) p9_str(text, strlen(text))

/* --- set-up */

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

static void make_tree(void)
{
	strcpy(tree, "/tmp/fs9p.XXXXXX");
	CHECK(mkdtemp(tree));
	CHECK(!mkdir(under("dir"), 0755));
	CHECK(!mkdir(under("dir/sub"), 0755));
	spit("file", "hello");
	spit("dir/sub/deep", "down here");
	CHECK(!symlink("dir", under("link")));
	CHECK(!symlink("/etc", under("etc")));
}

static void remove_tree(void)
{
	char cmd[128];

	snprintf(cmd, sizeof cmd, "rm -rf %s", tree);
	CHECK(system(cmd) == 0);
}

static void serve(int sock, const struct p9_export *like)
{
	struct p9_export x = *like;
	int proc;

	log_set_user(-1, LOG_TEXT);
	x.sock = sock;
	x.root = open(tree, O_PATH | O_DIRECTORY | O_CLOEXEC);
	proc = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_exit(p9_serve(&x, 1, proc) ? 1 : 0);
}

static int start_sock(const struct p9_export *x, bool stream)
{
	int sv[2];

	make_tree();
	if (stream)
		CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv));
	else
		CHECK(!p9_socketpair(sv));
	server = fork();
	CHECK(server >= 0);
	if (server == 0) {
		close(sv[0]);
		serve(sv[1], x);
	}
	close(sv[1]);
	raw_sock = sv[0];
	return sv[0];
}

/* The server must have survived whatever the test did, and end by itself. */
static void finish(struct p9_client *c)
{
	int status;

	if (c)
		p9_client_free(c);
	else
		close(raw_sock);
	CHECK(waitpid(server, &status, 0) == server);
	CHECK(status == 0);
	remove_tree();
}

static struct p9_client *start_as(const struct p9_export *x, uint32_t *root)
{
	struct p9_client *c;
	struct p9_attr a;

	CHECK(!p9_client_create(start_sock(x, false), NULL, &c));
	CHECK(!p9_attach(c, root, &a));
	CHECK(S_ISDIR(a.mode));
	return c;
}

static struct p9_client *start(uint32_t *root)
{
	static const struct p9_export plain;

	return start_as(&plain, root);
}

static int walk1(struct p9_client *c, uint32_t fid, const char *name,
	uint32_t *out, struct p9_attr *a)
{
	struct p9_str s = S(name);
	unsigned got;

	return p9_walk(c, fid, &s, 1, out, a, &got);
}

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

/* --- a client that lies */

static uint8_t wire[P9_MSIZE_MAX];

/* Sends @m and returns the reply's type in @m itself; -1: the server hung up.
 */
static int ask(struct msg *m)
{
	ssize_t n = p9_encode(m, wire, sizeof wire);
	int fd;

	CHECK(n > 0);
	CHECK(send(raw_sock, wire, (size_t)n, MSG_NOSIGNAL) == n);
	n = frame_recv(
		raw_sock, frame_is_stream(raw_sock), wire, sizeof wire, &fd, 0);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return -1;
	CHECK(!p9_decode(m, wire, (size_t)n));
	return m->type;
}

#define ASK(name_, ...)    \
	ask(&(struct msg){ \
		.type = P9_##name_, .tag = 3, .name_ = { __VA_ARGS__ } })

/* The errno that a request gets, 0 when it works, -1 when the server hangs up.
 */
static int errno_of(struct msg m)
{
	int type = ask(&m);

	return type < 0 ? -1 : type == P9_Rlerror ? (int)m.Rlerror.ecode : 0;
}

#define TRY(name_, ...)        \
	errno_of((struct msg){ \
		.type = P9_##name_, .tag = 3, .name_ = { __VA_ARGS__ } })

static void start_raw(const char *version)
{
	static const struct p9_export plain;

	start_sock(&plain, false);
	CHECK(!TRY(Tversion, 8192, S(version)));
	CHECK(!TRY(Tattach, 0, P9_NOFID, S("u"), S(""), 0));
}

TEST(fs9p_lies, names_that_lead_out)
{
	static const struct p9_str bad[] = { { "..", 2 }, { ".", 1 }, { "", 0 },
		{ "dir/sub", 7 }, { "../etc", 6 }, { "/", 1 }, { "a\0b", 3 } };

	start_raw(P9_VERSION_OURS);
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		CHECK(TRY(Twalk, 0, 1, { 1, { bad[i] } }) > 0);
		CHECK(TRY(Twalk, 0, 1, { 2, { S("dir"), bad[i] } }) == 0);
		CHECK(TRY(Tclunk, 1) == EBADF);
		CHECK(TRY(Twalkattr, 0, 1, { 1, { bad[i] } }) > 0);
		CHECK(TRY(Tmkdir, 0, bad[i], 0755, 0) > 0);
		CHECK(TRY(Tmake, 0, 9, bad[i], S_IFDIR | 0755, 0, 0, 0, S("")) >
			0);
		CHECK(TRY(Tsymlink, 0, bad[i], S("x"), 0) > 0);
		CHECK(TRY(Tlcreate, 0, bad[i], O_RDWR, 0644, 0) > 0);
		CHECK(TRY(Tunlinkat, 0, bad[i], 0) > 0);
		CHECK(TRY(Trenameat, 0, S("file"), 0, bad[i]) > 0);
		CHECK(TRY(Trenameat, 0, bad[i], 0, S("x")) > 0);
		CHECK(TRY(Tlink, 0, 0, bad[i]) > 0);
	}
	finish(NULL);
}

TEST(fs9p_lies, symbolic_links_are_never_followed)
{
	start_raw(P9_VERSION_OURS);
	CHECK(!TRY(Twalk, 0, 1, { 1, { S("etc") } }));
	CHECK(TRY(Tlopen, 1, O_RDONLY) == ELOOP);
	CHECK(TRY(Topen, 1, O_RDONLY) == ELOOP);
	CHECK(TRY(Twalk, 1, 2, { 1, { S("passwd") } }) == ENOTDIR);
	CHECK(TRY(Twalkattr, 1, 2, { 1, { S("passwd") } }) == ELOOP);
	CHECK(TRY(Tmkdir, 1, S("x"), 0755, 0) == ENOTDIR);
	/* create on a link does not go through it */
	CHECK(!symlink("/tmp/fs9p-must-not-be", under("trap")));
	CHECK(TRY(Tlcreate, 0, S("trap"), O_RDWR, 0644, 0) == ELOOP);
	CHECK(access("/tmp/fs9p-must-not-be", F_OK));
	finish(NULL);
}

TEST(fs9p_lies, fids_unknown_taken_open_and_reserved)
{
	start_raw(P9_VERSION_OURS);
	CHECK(TRY(Twalk, 77, 1, { 0 }) == EBADF);
	CHECK(TRY(Tclunk, 77) == EBADF);
	CHECK(TRY(Tstat, 77) == EBADF);
	CHECK(TRY(Tread, 77, 0, 10) == EBADF);
	CHECK(TRY(Tread, 0, 0, 10) == EBADF);
	CHECK(!TRY(Twalk, 0, 1, { 1, { S("file") } }));
	CHECK(TRY(Twalk, 0, 1, { 1, { S("file") } }) == EADDRINUSE);
	CHECK(TRY(Twalkattr, 0, 1, { 1, { S("file") } }) == EADDRINUSE);
	CHECK(TRY(Twalkattr, 0, P9_NOFID, { 1, { S("file") } }) == EINVAL);
	CHECK(TRY(Tattach, 1, P9_NOFID, S(""), S(""), 0) == EADDRINUSE);
	CHECK(TRY(Tattach, P9_NOFID, P9_NOFID, S(""), S(""), 0) == EINVAL);
	CHECK(!TRY(Tlopen, 1, O_RDONLY));
	/* from an opened one: what it names, not what is open */
	CHECK(!TRY(Twalk, 1, 2, { 0 }));
	CHECK(TRY(Tread, 2, 0, 10) == EBADF && !TRY(Tclunk, 2));
	CHECK(TRY(Tlopen, 1, O_RDONLY) == EBUSY);
	CHECK(TRY(Twrite, 1, 0, { (void *)(uintptr_t) "x", 1 }) == EBADF);
	CHECK(TRY(Treaddir, 1, 0, 100) == ENOTDIR);
	CHECK(TRY(Tauth, 5, S(""), S(""), 0) == ENOENT);
	CHECK(TRY(Rwalk, { 0 }) == EOPNOTSUPP);
	/* nothing but a new version clears the table */
	CHECK(!TRY(Tversion, 8192, S(P9_VERSION_L)));
	CHECK(TRY(Tclunk, 1) == EBADF);
	finish(NULL);
}

TEST(fs9p_lies, extensions_only_when_agreed_and_version_first)
{
	start_raw(P9_VERSION_L);
	CHECK(TRY(Tstat, 0) == EOPNOTSUPP);
	CHECK(!TRY(Tgetattr, 0, P9_GETATTR_BASIC));
	CHECK(!TRY(Tversion, 8192, S("9P3000")));
	CHECK(TRY(Tattach, 0, P9_NOFID, S("u"), S(""), 0) == EPROTO);
	CHECK(TRY(Tversion, 10, S(P9_VERSION_L)) == EINVAL);
	finish(NULL);
}

TEST(fs9p_lies, counts_are_cut_to_the_message)
{
	struct msg m = { .type = P9_Tread, .tag = 1, .Tread = { 1, 0, ~0u } };

	start_raw(P9_VERSION_OURS);
	CHECK(!truncate(under("file"), 1 << 20));
	CHECK(!TRY(Twalk, 0, 1, { 1, { S("file") } }));
	CHECK(!TRY(Tlopen, 1, O_RDONLY));
	CHECK(ask(&m) == P9_Rread && m.Rread.data.n == 8192 - P9_IOHEADER);
	CHECK(TRY(Tread, 1, ~0ULL, 10) == EINVAL);
	CHECK(!TRY(Twalk, 0, 2, { 0 }));
	CHECK(!TRY(Tlopen, 2, O_RDONLY | O_DIRECTORY));
	m = (struct msg){ .type = P9_Treadplus, .Treadplus = { 2, 0, ~0u } };
	CHECK(ask(&m) == P9_Rreadplus && m.Rreadplus.data.n > 100);
	CHECK(TRY(Treadplus, 2, 0, 20) == EINVAL);
	CHECK(TRY(Tlist, 2, 7, 20) == EINVAL);
	CHECK(TRY(Tlist, 0, 1, 200) == EADDRINUSE);
	m = (struct msg){ .type = P9_Tlist, .Tlist = { 0, 7, 200 } };
	CHECK(ask(&m) == P9_Rlist && m.Rlist.more && m.Rlist.data.n);
	m = (struct msg){ .type = P9_Tlist, .Tlist = { 0, 8, ~0u } };
	CHECK(ask(&m) == P9_Rlist && !m.Rlist.more);
	CHECK(TRY(Tclunk, 8) == EBADF && !TRY(Tclunk, 7));
	CHECK(TRY(Treadplus, 2, ~0ULL, 4000) == EINVAL);
	CHECK(TRY(Txattrcreate, 0, S("user.x"), ~0ULL, 0) == E2BIG);
	CHECK(TRY(Tallocate, 1, 0, ~0ULL, 1) == EINVAL);
	finish(NULL);
}

/* Every message, cut short by every number of bytes: never an answer but EOF.
 */
TEST(fs9p_lies, truncated_messages_end_the_connection)
{
	struct msg m = { .type = P9_Twalk,
		.Twalk = { 0, 1, { 1, { S("file") } } } };
	uint8_t buf[256];
	ssize_t n = p9_encode(&m, buf, sizeof buf);
	int full = (int)n;

	for (int cut = 1; cut < full; cut += 3) {
		start_raw(P9_VERSION_OURS);
		buf[0] = (uint8_t)(full - cut);
		CHECK(send(raw_sock, buf, (size_t)(full - cut), MSG_NOSIGNAL) >
			0);
		CHECK(recv(raw_sock, buf + 100, 100, 0) == 0);
		finish(NULL);
	}
	start_raw(P9_VERSION_OURS); /* a length that lies */
	buf[0] = (uint8_t)(full + 1);
	CHECK(send(raw_sock, buf, (size_t)full, MSG_NOSIGNAL) > 0);
	CHECK(recv(raw_sock, buf + 100, 100, 0) == 0);
	finish(NULL);
}

TEST(fs9p_lies, counts_inside_a_message)
{
	uint8_t buf[] = { 17, 0, 0, 0, P9_Twalk, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0,
		0xff, 0xff };

	start_raw(P9_VERSION_OURS);
	CHECK(send(raw_sock, buf, sizeof buf, MSG_NOSIGNAL) > 0);
	CHECK(recv(raw_sock, buf, sizeof buf, 0) == 0);
	finish(NULL);
}

TEST(fs9p_lies, descriptors_are_not_taken)
{
	struct msg m = { .type = P9_Tclunk, .Tclunk = { 99 } };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(30 * sizeof(int))];
	} ctl = { .room = { 0 } };
	int fds[30];
	uint8_t buf[64];
	struct iovec iov = { buf, (size_t)p9_encode(&m, buf, sizeof buf) };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &ctl,
		.msg_controllen = sizeof ctl };
	char path[64];
	int before = 0, after = 0;
	DIR *d;

	start_raw(P9_VERSION_OURS);
	for (int i = 0; i < 30; i++)
		fds[i] = 0;
	ctl.align.cmsg_level = SOL_SOCKET;
	ctl.align.cmsg_type = SCM_RIGHTS;
	ctl.align.cmsg_len = CMSG_LEN(sizeof fds);
	memcpy(CMSG_DATA(&ctl.align), fds, sizeof fds);
	snprintf(path, sizeof path, "/proc/%d/fd", server);
	for (d = opendir(path); d && readdir(d); before++)
		;
	closedir(d);
	for (int i = 0; i < 5; i++) {
		CHECK(sendmsg(raw_sock, &mh, MSG_NOSIGNAL) > 0);
		CHECK(recv(raw_sock, wire, sizeof wire, 0) > 0);
	}
	for (d = opendir(path); d && readdir(d); after++)
		;
	closedir(d);
	CHECK(before == after);
	finish(NULL);
}

static atomic_bool stop_swapping;

static void *swap_dir_and_link(void *arg)
{
	char a[256], b[256], t[256];

	(void)arg;
	strcpy(a, under("dir"));
	strcpy(b, under("etc"));
	strcpy(t, under("tmpname"));
	while (!atomic_load(&stop_swapping)) {
		rename(a, t);
		rename(b, a);
		rename(t, b);
	}
	return NULL;
}

TEST(fs9p_lies, a_directory_swapped_for_a_link)
{
	pthread_t th;
	int inside = 0;

	start_raw(P9_VERSION_OURS);
	CHECK(!pthread_create(&th, NULL, swap_dir_and_link, NULL));
	for (int i = 0; i < 3000; i++) {
		/* "passwd" exists behind the link only, "sub" in the directory
		 * only */
		struct msg m = { .type = P9_Twalkattr,
			.Twalkattr = { 0, 10,
				{ 2, { S("dir"), S(i % 2 ? "passwd"
							 : "sub") } } } };
		int type = ask(&m);

		CHECK(type == P9_Rwalkattr || type == P9_Rlerror);
		if (type == P9_Rwalkattr) {
			unsigned n = m.Rwalkattr.attrs.n;
			struct p9_attr a;

			p9_attrs_get(&m.Rwalkattr.attrs, 0, &a);
			inside += n == 2;
			CHECK(!(n == 2 && i % 2));
			CHECK(!(n == 2 && S_ISLNK(a.mode)));
			for (unsigned k = 0; k < n; k++)
				CHECK(!TRY(Tclunk, 10 + k));
		}
	}
	atomic_store(&stop_swapping, true);
	pthread_join(th, NULL);
	CHECK(inside > 0);
	finish(NULL);
}

TEST(fs9p_lies, a_flood_of_fids)
{
	struct rlimit r = { 100, 100 };
	int err = 0;

	CHECK(!setrlimit(RLIMIT_NOFILE, &r));
	start_raw(P9_VERSION_OURS);
	for (uint32_t i = 1; i < 3000 && !err; i++)
		err = TRY(Twalk, 0, i, { 0 });
	CHECK(err == EMFILE);
	CHECK(!TRY(Tclunk, 1));
	CHECK(!TRY(Twalk, 0, 1, { 0 }));
	finish(NULL);
}

TEST(fs9p_lies, devices_and_fifos_are_never_opened)
{
	start_raw(P9_VERSION_OURS);
	CHECK(!mkfifo(under("fifo"), 0644));
	CHECK(!TRY(Twalk, 0, 1, { 1, { S("fifo") } }));
	CHECK(TRY(Topen, 1, O_RDONLY) == ENXIO);
	CHECK(TRY(Tlopen, 1, O_RDWR) == ENXIO);
	CHECK(TRY(Tlcreate, 0, S("fifo"), O_WRONLY, 0644, 0) == ENXIO);
	if (!mknod(under("null"), S_IFCHR | 0666, 0x103)) {
		CHECK(!TRY(Twalk, 0, 2, { 1, { S("null") } }));
		CHECK(TRY(Topen, 2, O_RDONLY) == ENXIO);
		CHECK(TRY(Tlcreate, 0, S("null"), O_RDWR, 0644, 0) == ENXIO);
	}
	CHECK(TRY(Tmknod, 0, S("mem"), S_IFCHR | 0666, 1, 1, 0) == EPERM);
	CHECK(TRY(Tmknod, 0, S("disk"), S_IFBLK | 0666, 8, 0, 0) == EPERM);
	finish(NULL);
}

/* --- the base protocol, over a stream */

TEST(fs9p, base_protocol_over_a_stream)
{
	static const struct p9_export plain;
	struct msg m;

	start_sock(&plain, true);
	CHECK(!TRY(Tversion, 8192, S(P9_VERSION_L)));
	CHECK(!TRY(Tattach, 0, P9_NOFID, S("u"), S(""), 0));
	CHECK(!TRY(Twalk, 0, 1, { 2, { S("dir"), S("sub") } }));
	CHECK(!TRY(Tlcreate, 1, S("made"), O_RDWR | O_EXCL, 0640, P9_NONUID));
	CHECK(!TRY(Twrite, 1, 0, { (void *)(uintptr_t) "12345", 5 }));
	m = (struct msg){ .type = P9_Tread, .Tread = { 1, 1, 100 } };
	CHECK(ask(&m) == P9_Rread && m.Rread.data.n == 4);
	CHECK(!memcmp(m.Rread.data.p, "2345", 4));
	m = (struct msg){ .type = P9_Tgetattr, .Tgetattr = { 1, 0x7ff } };
	CHECK(ask(&m) == P9_Rgetattr && m.Rgetattr.size == 5);
	CHECK((m.Rgetattr.mode & 07777) == 0640 && m.Rgetattr.nlink == 1);
	CHECK(!TRY(Tsetattr, 1, P9_SET_MTIME | P9_SET_MTIME_SET, 0, 0, 0, 0, 0,
		0, 99, 5));
	CHECK(!TRY(Tfsync, 1, 0) && !TRY(Tflush, 7));
	CHECK(!TRY(Twalk, 0, 2, { 3, { S("dir"), S("sub"), S("made") } }));
	CHECK(!TRY(Trename, 2, 0, S("moved")));
	CHECK(!access(under("moved"), F_OK));
	CHECK(!TRY(Tremove, 2) && TRY(Tclunk, 2) == EBADF);
	CHECK(access(under("moved"), F_OK) && TRY(Tremove, 0) == EBUSY);
	CHECK(!TRY(Tattach, 0, P9_NOFID, S("u"), S(""), 0));
	CHECK(!TRY(Tsymlink, 0, S("sl"), S("t"), P9_NONUID));
	CHECK(!TRY(Twalk, 0, 3, { 1, { S("sl") } }));
	m = (struct msg){ .type = P9_Treadlink, .Treadlink = { 3 } };
	CHECK(ask(&m) == P9_Rreadlink && m.Rreadlink.target.n == 1);
	CHECK(!TRY(Twalk, 0, 4, { 0 }) && !TRY(Tlopen, 4, O_DIRECTORY));
	m = (struct msg){ .type = P9_Treaddir, .Treaddir = { 4, 0, 4000 } };
	CHECK(ask(&m) == P9_Rreaddir && m.Rreaddir.data.n > 24 * 6);
	CHECK(!TRY(Tlock, 1, 1, 0, 0, 0, 1, S("c")));
	CHECK(!TRY(Tgetlock, 1, 1, 0, 0, 1, S("c")));
	finish(NULL);
}

TEST(fs9p, base_extended_attributes)
{
	static const struct p9_export plain;
	struct msg m;

	start_sock(&plain, true);
	CHECK(!TRY(Tversion, 8192, S(P9_VERSION_L)));
	CHECK(!TRY(Tattach, 0, P9_NOFID, S("u"), S(""), 0));
	CHECK(!TRY(Twalk, 0, 1, { 1, { S("file") } }));
	CHECK(!TRY(Twalk, 1, 2, { 0 }));
	CHECK(!TRY(Txattrcreate, 2, S("user.k"), 3, 0));
	CHECK(TRY(Twrite, 2, 1, { (void *)(uintptr_t) "a", 1 }) == EINVAL);
	CHECK(!TRY(Twrite, 2, 0, { (void *)(uintptr_t) "abc", 3 }));
	if (TRY(Tclunk, 2)) {
		finish(NULL);
		SKIP("no user attributes on /tmp");
	}
	m = (struct msg){ .type = P9_Txattrwalk,
		.Txattrwalk = { 1, 3, S("user.k") } };
	CHECK(ask(&m) == P9_Rxattrwalk && m.Rxattrwalk.size == 3);
	m = (struct msg){ .type = P9_Tread, .Tread = { 3, 0, 100 } };
	CHECK(ask(&m) == P9_Rread && !memcmp(m.Rread.data.p, "abc", 3));
	CHECK(!TRY(Tclunk, 3));
	m = (struct msg){ .type = P9_Txattrwalk,
		.Txattrwalk = { 1, 3, S("") } };
	CHECK(ask(&m) == P9_Rxattrwalk && m.Rxattrwalk.size == 7);
	CHECK(TRY(Txattrwalk, 1, 9, S("user.none")) == ENODATA);
	finish(NULL);
}

/* --- the codec alone */

TEST(fs9p, every_message_survives_the_codec)
{
	static const uint8_t types[] = {
#define MSG(nr, name, fields) nr,
#include "fs9p/msg.def"
#undef MSG
	};
	static uint8_t zeros[4096], again[4096];

	for (unsigned i = 0; i < sizeof types; i++) {
		struct msg m = { .type = types[i], .tag = 0x1234 }, back;
		ssize_t n;

		if (m.type == P9_Twrite)
			m.Twrite.data.p = zeros;
		n = p9_encode(&m, zeros, sizeof zeros);
		CHECK(n >= P9_HEADER);
		CHECK(!p9_decode(&back, zeros, (size_t)n));
		CHECK(back.type == m.type && back.tag == m.tag);
		CHECK(p9_encode(&back, again, sizeof again) == n);
		CHECK(!memcmp(zeros, again, (size_t)n));
		CHECK(p9_type_name(m.type));
		memset(zeros, 0, sizeof zeros);
	}
	CHECK(!p9_type_name(127));
}
