/* urpc.c - the control channel between the CLI and a sandbox. */
#include "core/urpc.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cursor.h"
#include "core/fdpass.h"
#include "core/own.h"

#define HEADER 4 /* bytes: the length of the body, little-endian */

/* Sends all of @n bytes, the descriptors with the first of them. */
static int send_all(
	int sock, const char *p, size_t n, const int *fds, size_t nfds)
{
	ssize_t sent;

	for (; n; p += sent, n -= (size_t)sent, nfds = 0) {
		sent = fd_send(sock, p, n, fds, nfds);
		if (sent < 0)
			return (int)sent;
	}
	return 0;
}

int urpc_send(int sock, const struct json *body, const int *fds, size_t nfds,
	struct err *e)
{
	own_mem char *text = json_print_exact(body);
	size_t n = strlen(text);
	char header[HEADER];
	struct cursor c = cursor(header, sizeof header);
	int err;

	if (n > URPC_MAX || nfds > URPC_FDS)
		return err_set(e, E2BIG,
			"the message is too large: %zu bytes, %zu files", n,
			nfds);
	cur_put_u32(&c, (uint32_t)n);
	err = send_all(sock, header, sizeof header, fds, nfds);
	if (!err)
		err = send_all(sock, text, n, NULL, 0);
	if (err)
		return err_set(e, -err, "send: %s", strerror(-err));
	return 0;
}

/*
 * Receives all of @n bytes, collecting descriptors in @m.  -ENODATA when the
 * stream ends before the first, -EPIPE when it ends later.
 */
static int recv_all(int sock, struct urpc_msg *m, char *p, size_t n)
{
	size_t got = 0, nfds;
	ssize_t r;

	for (; got < n; got += (size_t)r) {
		nfds = URPC_FDS - m->nfds;
		r = fd_recv(sock, p + got, n - got, m->fds + m->nfds, &nfds, 0);
		if (r < 0)
			return (int)r;
		m->nfds += nfds;
		if (r == 0)
			return got ? -EPIPE : -ENODATA;
	}
	return 0;
}

static int recv_error(int err, struct err *e)
{
	if (err == -ENODATA)
		return err_set(e, ENODATA, "the peer has closed the channel");
	if (err == -EPIPE)
		return err_set(e, EPIPE,
			"the peer closed the channel inside a message");
	return err_set(e, -err, "receive: %s", strerror(-err));
}

static int recv_body(int sock, struct urpc_msg *m, size_t n, struct err *e)
{
	own_mem char *text = malloc(n ? n : 1);
	int err;

	if (!text)
		return err_set(
			e, ENOMEM, "no memory for a message of %zu bytes", n);
	err = recv_all(sock, m, text, n);
	if (err)
		return recv_error(err == -ENODATA ? -EPIPE : err, e);
	m->doc = json_parse(text, n, e);
	return m->doc ? 0 : err_wrap(e, "the peer's message");
}

int urpc_recv(int sock, struct urpc_msg *m, struct err *e)
{
	char header[HEADER];
	struct cursor c = cursor(header, sizeof header);
	uint32_t n;
	int err;

	*m = (struct urpc_msg){ 0 };
	err = recv_all(sock, m, header, sizeof header);
	if (err) {
		urpc_msg_fini(m);
		return recv_error(err, e);
	}
	n = cur_u32(&c);
	if (n > URPC_MAX)
		err = err_set(
			e, EMSGSIZE, "a message of %u bytes is too large", n);
	else
		err = recv_body(sock, m, n, e);
	if (err)
		urpc_msg_fini(m);
	return err;
}

void urpc_msg_fini(struct urpc_msg *m)
{
	for (size_t i = 0; i < m->nfds; i++)
		if (m->fds[i] >= 0) /* -1: the receiver has taken it */
			close(m->fds[i]);
	json_free(m->doc);
	*m = (struct urpc_msg){ 0 };
}

static int send_request(int sock, const char *method, const struct json *arg,
	const int *fds, size_t nfds, struct err *e)
{
	struct json_doc *d = json_new(JSON_OBJECT);
	int err;

	json_add_str(d, json_root(d), "method", method);
	if (arg)
		json_add_copy(d, json_root(d), "arg", arg);
	err = urpc_send(sock, json_root(d), fds, nfds, e);
	json_free(d);
	return err;
}

static int reply_error(const struct json *reply, struct err *e)
{
	int64_t code = json_int(json_get(reply, "errno"), EIO);

	if (json_bool(json_get(reply, "success"), false))
		return 0;
	if (code <= 0 || code > 4095)
		code = EIO;
	return err_set(e, (int)code, "%s",
		json_str(json_get(reply, "err"),
			"the reply says neither success nor why"));
}

int urpc_call(int sock, const char *method, const struct json *arg,
	const int *fds, size_t nfds, struct urpc_msg *reply, struct err *e)
{
	struct urpc_msg m = { 0 };
	int err = send_request(sock, method, arg, fds, nfds, e);

	if (!err)
		err = urpc_recv(sock, &m, e);
	if (err == -ENODATA || err == -EPIPE || err == -ECONNRESET)
		return err_set(e, EPIPE,
			"%s: the sandbox ended before it replied", method);
	if (err)
		return err_wrap(e, "%s", method);
	err = reply_error(json_root(m.doc), e);
	if (!err && reply) {
		*reply = m;
		return 0;
	}
	urpc_msg_fini(&m);
	return err;
}
