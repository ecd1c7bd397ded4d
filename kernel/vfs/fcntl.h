/* fcntl.h - fcntl(2), and the ioctl(2) numbers that every file has. */
#pragma once

#include <stdint.h>

#include "core/attr.h"

struct file;
struct task;

/* @fd: the number that @f came from. */
long vfs_fcntl(struct task *t, int fd, struct file *f, int cmd, uint64_t arg) MUST_CHECK;
long vfs_ioctl(struct task *t, int fd, struct file *f, unsigned cmd, uint64_t arg) MUST_CHECK;
