/*
 * fs9p_lies.c - the wire: a client that lies, the base protocol, the codec.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "selftest/unit/fs9p_tree.h"

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
