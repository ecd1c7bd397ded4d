/* dnotify.h - signals about changes in a directory: fcntl(2), F_NOTIFY. */
#pragma once

#include <stdint.h>

#include "core/attr.h"

struct file;
struct inode;
struct task;

/* @events: DN_*, added to what @f has asked for; none takes all away. */
int dnotify_set(struct task *t, struct file *f, int fd, unsigned events) MUST_CHECK;
/* IN_* of inotify happened to @in or, when it is a directory, in it. */
void dnotify_post(struct inode *in, uint32_t mask);
/* The last reference to @f, an open directory, is gone. */
void dnotify_file_gone(struct file *f);
