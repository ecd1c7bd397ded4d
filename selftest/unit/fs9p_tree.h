/*
 * fs9p_tree.h - a temporary tree, a gofer that serves it, and who speaks to that.
 *
 * The server runs in a child process.  The tests of the client (fs9p.c) own a
 * struct p9_client; those of the wire (fs9p_lies.c) speak raw messages, as a
 * hostile sandbox might.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

static inline char *under(const char *name)
{
	static char path[4][256];
	static unsigned i;
	char *p = path[i++ % 4];

	snprintf(p, sizeof path[0], "%s/%s", tree, name);
	return p;
}

static inline void spit(const char *name, const char *text)
{
	FILE *f = fopen(under(name), "w");

	CHECK(f);
	fputs(text, f);
	fclose(f);
}

static inline void make_tree(void)
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

static inline void remove_tree(void)
{
	char cmd[128];

	snprintf(cmd, sizeof cmd, "rm -rf %s", tree);
	CHECK(system(cmd) == 0);
}

static inline void serve(int sock, const struct p9_export *like)
{
	struct p9_export x = *like;
	int proc;

	log_set_user(-1, LOG_TEXT);
	x.sock = sock;
	x.root = open(tree, O_PATH | O_DIRECTORY | O_CLOEXEC);
	proc = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_exit(p9_serve(&x, 1, proc) ? 1 : 0);
}

static inline int start_sock(const struct p9_export *x, bool stream)
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
static inline void finish(struct p9_client *c)
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

static inline struct p9_client *start_as(const struct p9_export *x, uint32_t *root)
{
	struct p9_client *c;
	struct p9_attr a;

	CHECK(!p9_client_create(start_sock(x, false), NULL, &c));
	CHECK(!p9_attach(c, root, &a));
	CHECK(S_ISDIR(a.mode));
	return c;
}

static inline struct p9_client *start(uint32_t *root)
{
	static const struct p9_export plain;

	return start_as(&plain, root);
}

static inline int walk1(struct p9_client *c, uint32_t fid, const char *name,
	uint32_t *out, struct p9_attr *a)
{
	struct p9_str s = S(name);
	unsigned got;

	return p9_walk(c, fid, &s, 1, out, a, &got);
}
