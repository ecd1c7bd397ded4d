/* unix.c - unix(7), socketpair(2), sendmsg(2), recvmsg(2). */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/test.h"

static struct sockaddr_un name(const char *s)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	strcpy(un.sun_path, s);
	return un;
}

/* "@x" is the abstract name x. */
static socklen_t abstract(struct sockaddr_un *un, const char *s)
{
	memset(un, 0, sizeof *un);
	un->sun_family = AF_UNIX;
	strcpy(un->sun_path + 1, s);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   strlen(s));
}

TEST(unix, pair_moves_bytes_both_ways)
{
	char buf[16] = "";
	int p[2];

	SEE(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	SEE(write(p[0], "hello", 5));
	SEE(read(p[1], buf, 3));
	SEE_STR(buf);
	SEE(write(p[1], "world", 5));
	SEE(read(p[0], buf, sizeof buf));
	SEE_STR(buf);
	SEE(read(p[1], buf, sizeof buf));
	SEE(close(p[0]));
	SEE(read(p[1], buf, sizeof buf));
	signal(SIGPIPE, SIG_IGN);
	SEE(write(p[1], "x", 1));
	SEE(send(p[1], "x", 1, MSG_NOSIGNAL));
}

TEST(unix, socket_errors)
{
	int p[2];

	SEE(socket(AF_UNIX, 99, 0));
	SEE(socket(AF_UNIX, SOCK_STREAM, 99));
	SEE(socket(9999, SOCK_STREAM, 0));
	SEE(socket(AF_UNIX, SOCK_STREAM | 0x100000, 0));
	SEE(socketpair(AF_UNIX, SOCK_STREAM, 0, bad_addr));
	SEE(socketpair(AF_UNIX, SOCK_RDM, 0, p));
	SEE(bind(0, bad_addr, 0));
	SEE(listen(99, 1));
}

TEST(unix, datagrams_keep_their_boundaries)
{
	char buf[16] = "";
	int p[2];

	SEE(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
	SEE(send(p[0], "one", 3, 0));
	SEE(send(p[0], "", 0, 0));
	SEE(send(p[0], "three", 5, 0));
	SEE(recv(p[1], buf, sizeof buf, MSG_PEEK));
	SEE(recv(p[1], buf, sizeof buf, 0));
	SEE(recv(p[1], buf, sizeof buf, 0));
	SEE(recv(p[1], buf, 2, MSG_TRUNC));
	SEE(recv(p[1], buf, sizeof buf, MSG_DONTWAIT));
}

TEST(unix, seqpacket_ends_records)
{
	struct iovec iov;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	char buf[4];
	int p[2];

	iov = (struct iovec){ buf, sizeof buf };
	SEE(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p));
	SEE(write(p[0], "abcdefgh", 8));
	SEE(recvmsg(p[1], &m, 0));
	SEE(!!(m.msg_flags & MSG_TRUNC));
	SEE(close(p[0]));
	SEE(read(p[1], buf, 1));
}

TEST(unix, bind_listen_connect_accept_by_path)
{
	struct sockaddr_un un = name("/tmp/unix-test.sock"), peer;
	socklen_t len = sizeof peer;
	int l, c, s;
	char b;

	unlink(un.sun_path);
	l = socket(AF_UNIX, SOCK_STREAM, 0);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	SEE(connect(c, (void *)&un, sizeof un));
	SEE(bind(l, (void *)&un, sizeof un));
	SEE(bind(l, (void *)&un, sizeof un));
	SEE(connect(c, (void *)&un, sizeof un));
	SEE(listen(l, 1));
	SEE(connect(c, (void *)&un, sizeof un));
	SEE(connect(c, (void *)&un, sizeof un));
	s = accept(l, (void *)&peer, &len);
	CHECK(s > 0);
	SEE(len);
	len = sizeof peer;
	SEE(getpeername(c, (void *)&peer, &len));
	SEE_STR(peer.sun_path);
	SEE(write(c, "!", 1));
	SEE(read(s, &b, 1));
	SEE(fcntl(l, F_SETFL, O_NONBLOCK));
	SEE(accept(l, NULL, NULL));
	close(l);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	SEE(connect(c, (void *)&un, sizeof un));
	SEE(unlink(un.sun_path));
	SEE(connect(c, (void *)&un, sizeof un));
}

static void see_peer(int s)
{
	struct sockaddr_un peer = { 0 };
	struct ucred cr = { 0 };
	socklen_t len = sizeof peer;

	SEE(getpeername(s, (void *)&peer, &len));
	SEE(len);
	SEE(peer.sun_family);
	len = sizeof cr;
	SEE(getsockopt(s, SOL_SOCKET, SO_PEERCRED, &cr, &len));
	SEE(cr.pid == getpid());
	SEE(cr.uid == getuid());
}

TEST(unix, a_client_that_has_closed_is_accepted)
{
	struct sockaddr_un un = name("/tmp/unix-test.sock"), peer;
	socklen_t len = sizeof peer;
	int l, c, s;
	char b[2];

	unlink(un.sun_path);
	l = socket(AF_UNIX, SOCK_STREAM, 0);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	SEE(bind(l, (void *)&un, sizeof un));
	SEE(listen(l, 1));
	SEE(connect(c, (void *)&un, sizeof un));
	SEE(write(c, "x", 1));
	SEE(close(c));
	s = accept(l, (void *)&peer, &len);
	CHECK(s > 0);
	SEE(len);
	see_peer(s);
	SEE(read(s, b, sizeof b));
	SEE(read(s, b, sizeof b));
	signal(SIGPIPE, SIG_IGN);
	SEE(write(s, "y", 1));
	SEE(shutdown(s, SHUT_RDWR));
	SEE(unlink(un.sun_path));
}

TEST(unix, a_peer_that_has_closed_has_a_name)
{
	int types[] = { SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM };
	struct pollfd p = { .events = POLLIN | POLLOUT | POLLRDHUP };
	int s[2], n;

	for (int i = 0; i < 3; i++) {
		SEE(socketpair(AF_UNIX, types[i], 0, s));
		SEE(close(s[0]));
		see_peer(s[1]);
		p.fd = s[1];
		SEE(poll(&p, 1, 0));
		SEE(p.revents);
		SEE(ioctl(s[1], TIOCOUTQ, &n));
		SEE(close(s[1]));
	}
}

TEST(unix, a_used_path_is_in_use)
{
	struct sockaddr_un un = name("/tmp/unix-test2.sock");
	struct stat st;
	int a = socket(AF_UNIX, SOCK_DGRAM, 0);
	int b = socket(AF_UNIX, SOCK_DGRAM, 0);

	unlink(un.sun_path);
	umask(022);
	SEE(bind(a, (void *)&un, sizeof un));
	SEE(bind(b, (void *)&un, sizeof un));
	SEE(stat(un.sun_path, &st));
	SEE(st.st_mode);
	SEE(open(un.sun_path, O_RDWR));
	un = name("/nonexistent/x");
	SEE(bind(b, (void *)&un, sizeof un));
	unlink("/tmp/unix-test2.sock");
}

TEST(unix, abstract_names)
{
	struct sockaddr_un un, got;
	socklen_t len = abstract(&un, "runsc-test"), n = sizeof got;
	int a = socket(AF_UNIX, SOCK_DGRAM, 0);
	int b = socket(AF_UNIX, SOCK_DGRAM, 0);
	char buf[8];

	SEE(bind(a, (void *)&un, len));
	SEE(bind(b, (void *)&un, len));
	SEE(sendto(b, "hi", 2, 0, (void *)&un, len));
	SEE(recvfrom(a, buf, sizeof buf, 0, (void *)&got, &n));
	SEE(n);
	n = sizeof got;
	SEE(getsockname(a, (void *)&got, &n));
	CHECK(n == len);
	close(a);
	SEE(sendto(b, "hi", 2, 0, (void *)&un, len));
}

TEST(unix, autobind_makes_an_abstract_name)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t n = sizeof un;
	int a = socket(AF_UNIX, SOCK_DGRAM, 0);

	SEE(bind(a, (void *)&un, sizeof(sa_family_t)));
	SEE(getsockname(a, (void *)&un, &n));
	SEE(n);
	SEE(un.sun_path[0]);
}

static ssize_t send_fd(int sock, int fd)
{
	char c[CMSG_SPACE(sizeof fd)] = "", data = 'x';
	struct iovec iov = { &data, 1 };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = c,
		.msg_controllen = sizeof c };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_len = CMSG_LEN(sizeof fd);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(h), &fd, sizeof fd);
	return sendmsg(sock, &m, 0);
}

static int recv_fd(int sock, int flags, int *out_flags, size_t room)
{
	char c[CMSG_SPACE(sizeof(int))] = "", data;
	struct iovec iov = { &data, 1 };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = c,
		.msg_controllen = room };
	int fd = -1;

	if (recvmsg(sock, &m, flags) < 0)
		return -1;
	*out_flags = m.msg_flags;
	if (CMSG_FIRSTHDR(&m))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
	return fd;
}

TEST(unix, descriptors_travel)
{
	int p[2], q[2], fd, flags;
	char buf[4] = "";

	SEE(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	SEE(pipe(q));
	SEE(send_fd(p[0], q[1]));
	SEE(close(q[1]));
	fd = recv_fd(p[1], MSG_CMSG_CLOEXEC, &flags, CMSG_SPACE(sizeof(int)));
	CHECK(fd >= 0);
	SEE(fcntl(fd, F_GETFD));
	SEE(!!(flags & MSG_CMSG_CLOEXEC));
	SEE(write(fd, "yes", 3));
	SEE(read(q[0], buf, 3));
	SEE(close(fd));
	SEE(read(q[0], buf, 3));
	SEE(send_fd(p[0], 999));
	SEE(send_fd(p[0], q[0]));
	fd = recv_fd(p[1], 0, &flags, 0);
	SEE(!!(flags & MSG_CTRUNC));
}

TEST(unix, queued_descriptors_die_with_the_socket)
{
	int p[2], q[2];
	char c;

	SEE(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	SEE(pipe(q));
	SEE(send_fd(p[0], q[1]));
	SEE(close(q[1]));
	SEE(close(p[1]));
	SEE(read(q[0], &c, 1));
}

TEST(unix, credentials)
{
	struct ucred cr = { 0 };
	socklen_t len = sizeof cr;
	char c[CMSG_SPACE(sizeof cr)], data = 'x';
	struct iovec iov = { &data, 1 };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = c,
		.msg_controllen = sizeof c };
	int p[2], one = 1;

	SEE(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	SEE(getsockopt(p[0], SOL_SOCKET, SO_PEERCRED, &cr, &len));
	CHECK(cr.pid == getpid());
	SEE(setsockopt(p[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof one));
	SEE(write(p[0], "x", 1));
	SEE(recvmsg(p[1], &m, 0));
	SEE(CMSG_FIRSTHDR(&m)->cmsg_type);
	memcpy(&cr, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof cr);
	CHECK(cr.pid == getpid() && cr.uid == getuid());
}

TEST(unix, poll_sees_data_room_and_hangup)
{
	struct pollfd f;
	int p[2];

	SEE(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	f = (struct pollfd){ p[0], POLLIN | POLLOUT | POLLRDHUP, 0 };
	SEE(poll(&f, 1, 0));
	SEE(f.revents);
	SEE(write(p[1], "x", 1));
	SEE(poll(&f, 1, 0));
	SEE(f.revents);
	SEE(shutdown(p[1], SHUT_WR));
	SEE(poll(&f, 1, 0));
	SEE(f.revents);
	close(p[1]);
	SEE(poll(&f, 1, 0));
	SEE(f.revents);
}

TEST(unix, fionread)
{
	int p[2], n = -1;

	SEE(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	SEE(write(p[0], "abc", 3));
	SEE(write(p[0], "de", 2));
	SEE(ioctl(p[1], FIONREAD, &n));
	SEE(n);
}

TEST(unix, receive_timeout)
{
	struct timeval tv = { 0, 20000 };
	int p[2];
	char c;

	SEE(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	SEE(setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
	SEE(recv(p[0], &c, 1, 0));
}

TEST(unix, waitall_collects)
{
	char buf[6] = "";
	int p[2];

	SEE(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	if (fork() == 0) {
		for (int i = 0; i < 5; i++) {
			usleep(1000);
			if (write(p[0], "abcde" + i, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	SEE(recv(p[1], buf, 5, MSG_WAITALL));
	SEE_STR(buf);
	wait(NULL);
}

TEST(unix, big_writes_block_until_read)
{
	static char big[1 << 20];
	size_t sum = 0;
	ssize_t n;
	int p[2];

	SEE(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	if (fork() == 0) {
		close(p[1]);
		_exit(write(p[0], big, sizeof big) != sizeof big);
	}
	close(p[0]);
	while ((n = read(p[1], big, 100000)) > 0)
		sum += (size_t)n;
	SEE(sum);
	SEE(n);
	wait(NULL);
}

TEST(unix, options)
{
	int p[2], v = -1;
	socklen_t len = sizeof v;

	SEE(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	SEE(getsockopt(p[0], SOL_SOCKET, SO_TYPE, &v, &len));
	SEE(v);
	SEE(getsockopt(p[0], SOL_SOCKET, SO_DOMAIN, &v, &len));
	SEE(v);
	SEE(getsockopt(p[0], SOL_SOCKET, SO_ERROR, &v, &len));
	SEE(v);
	SEE(getsockopt(p[0], SOL_SOCKET, SO_ACCEPTCONN, &v, &len));
	SEE(v);
	SEE(getsockopt(p[0], SOL_SOCKET, 12345, &v, &len));
	SEE(getsockopt(p[0], 77, 1, &v, &len));
	v = 4096;
	SEE(setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &v, sizeof v));
	SEE(getsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &v, &len));
	SEE(v);
	SEE(setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &v, 1));
	SEE(setsockopt(1234, SOL_SOCKET, SO_SNDBUF, &v, 4));
	SEE(shutdown(p[0], 9));
}

#define PACKET 150000

/* A message from or to memory that is there only in part, or not yet. */
static void packets_and_memory(int type)
{
	char *fresh = mmap(NULL, 2 * PACKET, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *cut = mmap(NULL, 65536 + 4096, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int p[2];

	munmap(cut + 65536, 4096);
	SEE(socketpair(AF_UNIX, type, 0, p));
	SEE(send(p[0], cut, 65536 + 1, 0));
	SEE(send(p[0], cut + 100, 65536, MSG_DONTWAIT));
	SEE(write(p[0], cut + 65536 - 10, 11));
	SEE(send(p[0], fresh, PACKET, 0));
	SEE(recv(p[1], fresh + PACKET, PACKET, 0));
	SEE(write(p[0], fresh, PACKET));
	SEE(read(p[1], fresh + PACKET, PACKET));
	SEE(send(p[0], "12345678", 8, 0));
	SEE(recv(p[1], cut + 65536 - 8, 4096, 0));
	SEE(send(p[0], "12345678", 8, 0));
	SEE(recv(p[1], cut + 65536 - 7, 4096, 0));
}

TEST(unix, datagrams_and_absent_memory)
{
	packets_and_memory(SOCK_DGRAM);
}

TEST(unix, records_and_absent_memory)
{
	packets_and_memory(SOCK_SEQPACKET);
}
