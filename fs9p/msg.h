/*
 * msg.h - 9P messages as structs, and the codec between them and bytes.
 *
 * struct msg holds any message; m->Twalk is the body of a Twalk.  Strings, data
 * and attrs borrow from the buffer that was decoded; names on the wire are not
 * NUL-terminated and are not checked here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/attr.h"

#define P9_VERSION_L	"9P2000.L"
#define P9_VERSION_OURS	"9P2000.L.runsc"

#define P9_HEADER	7		/* size[4] type[1] tag[2] */
#define P9_IOHEADER	24		/* room to leave beside the data of Tread and Twrite */
#define P9_MSIZE	(65536 + 512)	/* what our client asks for */
#define P9_MSIZE_MIN	4096		/* what a server accepts at least */
#define P9_MSIZE_MAX	(1u << 20)
#define P9_NOFID	(~0u)
#define P9_NOTAG	0xffff
#define P9_NONUID	(~0u)
#define P9_NAME_MAX	255
#define P9_WALK_MAX	16		/* names in a walk */
#define P9_CLUNK_MAX	64		/* fids in a Tclunks */
#define P9_ATTR_SIZE	105		/* bytes of an attr on the wire */

#define P9_QTDIR	0x80
#define P9_QTSYMLINK	0x02
#define P9_QTFILE	0x00

#define P9_GETATTR_BASIC 0x7ffULL
#define P9_GETATTR_BTIME 0x800ULL

#define P9_SET_MODE	0x1		/* Tsetattr and Tchange */
#define P9_SET_UID	0x2
#define P9_SET_GID	0x4
#define P9_SET_SIZE	0x8
#define P9_SET_ATIME	0x10		/* to now, unless _SET is there too */
#define P9_SET_MTIME	0x20
#define P9_SET_CTIME	0x40
#define P9_SET_ATIME_SET 0x80
#define P9_SET_MTIME_SET 0x100
#define P9_SET_ALL	0x1ff

#define P9_XATTR_REMOVE	4		/* Tsetxattr, beside XATTR_CREATE and XATTR_REPLACE */
#define P9_UNLINK_DIR	0x200		/* Tunlinkat: AT_REMOVEDIR */

struct p9_str { const char *s; uint16_t n; };
/* Encoded with p NULL: the caller sends the @n bytes after the message itself. */
struct p9_data { void *p; uint32_t n; };
struct p9_qid { uint8_t type; uint32_t version; uint64_t path; };
struct p9_names { uint16_t n; struct p9_str v[P9_WALK_MAX]; };
struct p9_qids { uint16_t n; struct p9_qid v[P9_WALK_MAX]; };
struct p9_fids { uint16_t n; uint32_t v[P9_CLUNK_MAX]; };
struct p9_attrs { uint16_t n; uint8_t *raw; };	/* p9_attrs_get() reads one */

struct p9_attr {			/* statx(2), without what nobody needs */
	struct p9_qid qid;
	uint64_t dev, ino;		/* of the host */
	uint32_t mode, nlink, uid, gid;
	uint64_t rdev, size, blocks;	/* rdev as makedev(3); blocks of 512 bytes */
	uint32_t blksize;
	int64_t atime, mtime, ctime, btime;	/* ns since 1970 */
};

#define P9_KIND_u8	uint8_t
#define P9_KIND_u16	uint16_t
#define P9_KIND_u32	uint32_t
#define P9_KIND_u64	uint64_t
#define P9_KIND_str	struct p9_str
#define P9_KIND_data	struct p9_data
#define P9_KIND_qid	struct p9_qid
#define P9_KIND_names	struct p9_names
#define P9_KIND_qids	struct p9_qids
#define P9_KIND_fids	struct p9_fids
#define P9_KIND_attr	struct p9_attr
#define P9_KIND_attrs	struct p9_attrs

#define F(kind, name)			P9_KIND_##kind name;
#define MSG(nr, name, fields)		struct p9_##name { fields };
#include "fs9p/msg.def"
#undef MSG
#undef F

enum p9_type {
#define MSG(nr, name, fields)		P9_##name = nr,
#include "fs9p/msg.def"
#undef MSG
};

struct msg {
	uint8_t type;			/* enum p9_type */
	uint16_t tag;
	union {
#define MSG(nr, name, fields)		struct p9_##name name;
#include "fs9p/msg.def"
#undef MSG
	};
};

/* Bytes written (trailing data with p NULL counted, not written), or -EMSGSIZE. */
ssize_t p9_encode(const struct msg *m, void *buf, size_t cap) MUST_CHECK;
/* 0; -EBADMSG when @buf is not exactly one message; -EOPNOTSUPP, with the tag, for an unknown type. */
int p9_decode(struct msg *m, void *buf, size_t n) MUST_CHECK;
const char *p9_type_name(uint8_t type);	/* "Twalk"; NULL when unknown */

/* Item @i < a->n. */
void p9_attrs_get(const struct p9_attrs *a, unsigned i, struct p9_attr *out);
/* Writes one item into @raw[P9_ATTR_SIZE]. */
void p9_attr_put(const struct p9_attr *a, uint8_t *raw);

/* Entries of Rreaddir and Rreadplus data. */
struct p9_dirent {
	struct p9_attr attr;		/* Rreaddir: the qid only */
	uint64_t next;			/* offset of the entry after it */
	uint8_t type;			/* DT_* */
	struct p9_str name;
};
/* Takes one entry off the front of @d: true, or false at the end (@d->n > 0: malformed). */
bool p9_dirent_get(struct p9_data *d, bool plus, struct p9_dirent *e) MUST_CHECK;
/* Bytes written, 0 when they do not fit. */
size_t p9_dirent_put(void *buf, size_t cap, bool plus, const struct p9_dirent *e) MUST_CHECK;
