/*
 * p9server.c - a hostile client: requests against a server over a tiny tree.
 *
 * Input: records of flags[1] type[1] length[2] and the payload.  The header's
 * size is right unless the top bit of the flags is set.  A file beside the tree
 * must stay as it was.
 */
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cursor.h"
#include "core/log.h"
#include "fs9p/export.h"
#include "fs9p/msg.h"
#include "fs9p/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char top[64], tree[96], beside[96];
static int cwd, proc;
static struct stat before;

static void write_text(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_CREAT | O_WRONLY | O_TRUNC, 0644);

	if (write(fd, text, strlen(text)) < 0)
		abort();
	close(fd);
}

static int remove_one(
	const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st, (void)f;
	if (type == FTW_DNR)
		chmod(path, 0700);
	return remove(path) && 0;
}

static void remove_top(void)
{
	nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void set_up(void)
{
	struct rlimit small = { 1 << 20, 1 << 20 };

	/* A fallocate of gigabytes would be served. */
	setrlimit(RLIMIT_FSIZE, &small);
	signal(SIGXFSZ, SIG_IGN);
	cwd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	proc = open("/proc/self/fd", O_PATH | O_CLOEXEC);
	strcpy(top, "/tmp/p9server.XXXXXX");
	if (!mkdtemp(top))
		abort();
	atexit(remove_top);
	snprintf(tree, sizeof tree, "%s/tree", top);
	snprintf(beside, sizeof beside, "%s/beside", top);
	write_text(AT_FDCWD, beside, "not yours");
	log_set_user(-1, LOG_TEXT);
}

static int plant(void)
{
	int dir;

	nftw(tree, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	mkdir(tree, 0755);
	dir = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	write_text(dir, "f", "text");
	mkdirat(dir, "d", 0755);
	write_text(dir, "d/g", "");
	if (symlinkat("../beside", dir, "l") || symlinkat("..", dir, "d/u"))
		abort();
	return dir;
}

static void request(struct p9_peer *p, uint8_t flags, uint8_t type,
	const uint8_t *body, size_t n)
{
	static uint8_t in[P9_HEADER + 65536], out[P9_MSIZE_MAX];
	struct cursor c = cursor(in, sizeof in);
	int donated;

	cur_put_u32(&c, (uint32_t)(n + P9_HEADER) + (flags >> 7));
	cur_put_u8(&c, type);
	cur_put_u16(&c, flags);
	cur_put_bytes(&c, body, n);
	(void)p9_peer_handle(p, in, n + P9_HEADER, out, &donated);
	if (donated >= 0)
		close(donated);
}

static void begin(struct p9_peer *p)
{
	struct msg v = { .type = P9_Tversion,
		.Tversion = { 8192,
			{ P9_VERSION_OURS, sizeof P9_VERSION_OURS - 1 } } };
	struct msg a = { .type = P9_Tattach,
		.Tattach = { 0, P9_NOFID, { "", 0 }, { "", 0 }, 0 } };
	uint8_t buf[128];

	(void)!p9_encode(&v, buf, sizeof buf);
	request(p, 0, v.type, buf + P9_HEADER, 4 + 2 + v.Tversion.version.n);
	(void)!p9_encode(&a, buf, sizeof buf);
	request(p, 0, a.type, buf + P9_HEADER, 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct p9_export x = { .sock = -1 };
	struct p9_peer *p;
	struct stat st;

	if (!top[0])
		set_up();
	x.root = plant();
	if (stat(beside, &before) || export_init(proc))
		abort();
	x.readonly = size && data[0] == 'r';
	p = p9_peer_new(&x);
	begin(p);
	while (size >= 4) {
		size_t n = (size_t)(data[2] | data[3] << 8);

		n = n > size - 4 ? size - 4 : n;
		request(p, data[0], data[1], data + 4, n);
		data += 4 + n;
		size -= 4 + n;
	}
	p9_peer_free(p);
	close(x.root);
	if (stat(beside, &st) || st.st_size != before.st_size ||
		st.st_mode != before.st_mode || st.st_uid != before.st_uid ||
		st.st_nlink != before.st_nlink ||
		memcmp(&st.st_ctim, &before.st_ctim, sizeof st.st_ctim))
		abort();
	return fchdir(cwd);
}
