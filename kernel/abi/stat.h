/* stat.h - stat(2), statx(2) and statfs(2) as a 64-bit guest sees them. */
#pragma once

#include <stdint.h>

struct timespec_abi { int64_t sec, nsec; };

struct stat_abi {
	uint64_t dev, ino, nlink;
	uint32_t mode, uid, gid, pad0;
	uint64_t rdev;
	int64_t size, blksize, blocks;
	struct timespec_abi atime, mtime, ctime;
	int64_t unused[3];
};
_Static_assert(sizeof(struct stat_abi) == 144, "struct stat");

struct statx_time_abi { int64_t sec; uint32_t nsec; int32_t pad; };

struct statx_abi {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, pad0;
	uint64_t ino, size, blocks, attributes_mask;
	struct statx_time_abi atime, btime, ctime, mtime;
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t mnt_id;
	uint32_t dio_mem_align, dio_offset_align;
	uint64_t spare[12];
};
_Static_assert(sizeof(struct statx_abi) == 256, "struct statx");

struct statfs_abi {
	int64_t type, bsize;
	uint64_t blocks, bfree, bavail, files, ffree;
	int32_t fsid[2];
	int64_t namelen, frsize, flags, spare[4];
};
_Static_assert(sizeof(struct statfs_abi) == 120, "struct statfs");
