/*
 * p9client.c - a hostile server: replies to every request of our client.
 *
 * Input: records of flags[1] type[1] length[2] and the payload, each one reply,
 * sent before the calls are made.  Flags: 0x80 a wrong size, 0x40 with a
 * descriptor, 0x20 to another tag.  Whatever is said, each call returns.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cursor.h"
#include "core/log.h"
#include "fs9p/client.h"
#include "fs9p/frame.h"

#define REPLIES 24
#define BODY    4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void reply(
	int sock, uint8_t flags, uint8_t type, const uint8_t *body, size_t n)
{
	static uint8_t buf[P9_HEADER + BODY];
	struct cursor c = cursor(buf, sizeof buf);
	struct iovec iov = { buf, n + P9_HEADER };

	cur_put_u32(&c, (uint32_t)(n + P9_HEADER) + (flags >> 7));
	cur_put_u8(&c, type);
	cur_put_u16(&c, flags & 0x20 ? flags & 0x1f : 0);
	cur_put_bytes(&c, body, n);
	(void)!frame_send(sock, &iov, 1, flags & 0x40 ? 0 : -1);
}

static void close_if(int err, int hfd)
{
	if (!err && hfd >= 0)
		close(hfd);
}

static void use(struct p9_client *c, unsigned what)
{
	struct p9_str name = p9_str("name", 4);
	struct p9_Tmake k = { .name = name };
	struct p9_Tchange ch = { 0 };
	struct p9_attr a[P9_WALK_MAX];
	struct p9_str names[3] = { name, name, name };
	struct p9_Rstatfs fs;
	static char buf[P9_MSIZE];
	struct p9_data d;
	struct p9_dirent e;
	uint32_t fid;
	unsigned got;
	char *text;
	int hfd;

	switch (what % 16) {
	case 0:
		(void)!p9_attach(c, &fid, a);
		break;
	case 1:
		(void)!p9_walk(c, 1, names, 3, &fid, a, &got);
		break;
	case 2:
		close_if(p9_open(c, 1, O_RDONLY, &hfd), hfd);
		break;
	case 3:
		close_if(p9_make(c, &k, &hfd, a), hfd);
		break;
	case 4:
		if (!p9_list(c, 1, &fid, buf, &d))
			while (p9_dirent_get(&d, true, &e))
				;
		break;
	case 5:
		(void)!p9_read(c, 1, buf, 100, 0);
		break;
	case 6:
		(void)!p9_write(c, 1, buf, 100, 0);
		break;
	case 7:
		if (!p9_readlink(c, 1, &text))
			free(text);
		break;
	case 8:
		(void)!p9_getxattr(c, 1, "user.a", buf, 64);
		break;
	case 9:
		(void)!p9_listxattr(c, 1, buf, 64);
		break;
	case 10:
		(void)!p9_change(c, &ch, a);
		break;
	case 11:
		(void)!p9_statfs(c, 1, &fs);
		break;
	case 12:
		close_if(p9_connect(c, 1, SOCK_STREAM, &hfd), hfd);
		break;
	case 13:
		p9_clunk(c, 1, true);
		break;
	case 14:
		(void)!p9_rename(c, 1, name, 2, name, 0);
		break;
	default:
		(void)!p9_allocate(c, 1, 0, 0, 1, a);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t version[] = { 0, 2, 1, 0, 14, 0, '9', 'P', '2',
		'0', '0', '0', '.', 'L', '.', 'r', 'u', 'n', 's', 'c' };
	uint8_t calls[REPLIES];
	struct p9_client *c;
	unsigned n = 0;
	int sv[2];

	log_set_user(-1, LOG_TEXT);
	if (p9_socketpair(sv))
		abort();
	reply(sv[1], 0, P9_Rversion, version, sizeof version);
	while (size >= 4 && n < REPLIES) {
		size_t len = (size_t)(data[2] | data[3] << 8);

		len = len > size - 4 ? size - 4 : len;
		len = len > BODY ? BODY : len;
		reply(sv[1], data[0], data[1], data + 4, len);
		calls[n++] = data[1] ^ data[0];
		data += 4 + len;
		size -= 4 + len;
	}
	shutdown(sv[1], SHUT_WR);
	if (p9_client_create(sv[0], NULL, &c))
		abort();
	for (unsigned i = 0; i < n; i++)
		use(c, calls[i]);
	p9_client_free(c);
	close(sv[1]);
	return 0;
}
