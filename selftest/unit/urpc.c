/* urpc.c - core/urpc: frames, replies, and peers that go away or lie. */
#include "core/urpc.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "selftest/unit/unit.h"

static int sock[2];
static struct err e;

static void open_channel(void)
{
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, sock) == 0);
}

static void reply(const char *text)
{
	struct json_doc *d = json_parse(text, strlen(text), &e);

	CHECK(d && urpc_send(sock[1], json_root(d), NULL, 0, &e) == 0);
	json_free(d);
}

TEST(urpc, a_call_and_its_reply)
{
	struct json_doc *arg = json_new(JSON_OBJECT);
	struct urpc_msg req, rep;
	const struct json *r;
	int fds[] = { 0, 1 };

	open_channel();
	json_add_str(arg, json_root(arg), "cid", "c1");
	reply("{\"success\":true,\"result\":{\"pid\":42}}");
	CHECK(urpc_call(sock[0], "containerManager.StartRoot", json_root(arg),
		      fds, 2, &rep, &e) == 0);
	r = json_get(json_root(rep.doc), "result");
	CHECK(json_int(json_get(r, "pid"), 0) == 42);
	urpc_msg_fini(&rep);
	CHECK(urpc_recv(sock[1], &req, &e) == 0);
	r = json_root(req.doc);
	CHECK(!strcmp(json_str(json_get(r, "method"), ""),
		"containerManager.StartRoot"));
	CHECK(!strcmp(json_str(json_path(r, "arg.cid"), ""), "c1"));
	CHECK(req.nfds == 2);
	urpc_msg_fini(&req);
	json_free(arg);
}

TEST(urpc, a_failed_call_carries_the_story)
{
	open_channel();
	reply("{\"success\":false,\"err\":\"no such container\",\"errno\":2}");
	CHECK(urpc_call(sock[0], "m", NULL, NULL, 0, NULL, &e) == -ENOENT);
	CHECK(!strcmp(e.msg, "no such container"));
	reply("{\"success\":false,\"errno\":-7}");
	CHECK(urpc_call(sock[0], "m", NULL, NULL, 0, NULL, &e) == -EIO);
	reply("[]");
	CHECK(urpc_call(sock[0], "m", NULL, NULL, 0, NULL, &e) == -EIO);
}

TEST(urpc, a_dead_peer_is_an_error)
{
	open_channel();
	close(sock[1]);
	CHECK(urpc_call(sock[0], "m", NULL, NULL, 0, NULL, &e) == -EPIPE);
	open_channel();
	CHECK(write(sock[1], "\5\0\0\0{", 5) == 5);
	shutdown(sock[1], SHUT_WR);
	CHECK(urpc_call(sock[0], "m", NULL, NULL, 0, NULL, &e) == -EPIPE);
	CHECK(!strcmp(e.msg, "m: the sandbox ended before it replied"));
}

TEST(urpc, bad_frames)
{
	struct urpc_msg m;

	open_channel();
	CHECK(write(sock[1], "\xff\xff\xff\x7f", 4) == 4);
	CHECK(urpc_recv(sock[0], &m, &e) == -EMSGSIZE);
	CHECK(write(sock[1], "\2\0\0\0{x", 6) == 6);
	CHECK(urpc_recv(sock[0], &m, &e) == -EINVAL);
	CHECK(write(sock[1], "\0\0\0\0", 4) == 4);
	CHECK(urpc_recv(sock[0], &m, &e) == -EINVAL);
	close(sock[1]);
	CHECK(urpc_recv(sock[0], &m, &e) == -ENODATA);
	CHECK(m.doc == NULL && m.nfds == 0);
}

static void *send_big(void *arg)
{
	struct json_doc *d = json_new(JSON_ARRAY);

	for (int i = 0; i < 100000; i++)
		json_add_int(d, json_root(d), NULL, i);
	CHECK(urpc_send(sock[1], json_root(d), NULL, 0, &e) == 0);
	json_free(d);
	return arg;
}

TEST(urpc, messages_larger_than_the_socket)
{
	struct urpc_msg m;
	struct err mine;
	pthread_t id;

	open_channel();
	CHECK(pthread_create(&id, NULL, send_big, NULL) == 0);
	CHECK(urpc_recv(sock[0], &m, &mine) == 0);
	CHECK(json_root(m.doc)->n == 100000);
	CHECK(pthread_join(id, NULL) == 0);
	urpc_msg_fini(&m);
}
