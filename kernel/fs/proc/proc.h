/*
 * proc.h - what the files of /proc share: nodes, and text by callback.
 *
 * A struct proc_node describes a name in a directory.  Most are text files: a
 * show function prints the whole of it whenever it is read from the start.  The
 * same node serves every process: struct proc_inode says which one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "core/str.h"
#include "kernel/vfs/inode.h"

struct dirsink;
struct file;
struct pid_ns;
struct proc_inode;
struct task;
struct tgroup;

struct proc_node {
	const char *name;
	uint32_t mode;			/* type and permissions */
	/* Text file.  0, or -errno for the reader.  Prints everything; @out says when it was too small. */
	int (*show)(struct proc_inode *p, struct strbuf *out);
	/* Takes all of one write, NUL-terminated.  0 or -errno */
	int (*store)(struct proc_inode *p, struct task *t, char *text, size_t n);	/* -EIO */
	int (*readlink)(struct proc_inode *p, struct task *t, char **target);
	int (*getlink)(struct proc_inode *p, struct task *t, struct path *out);	/* by readlink */
	const struct proc_node *children;	/* of a directory; ends with a NULL name */
	/* Names beyond the children: returns a reference, or -ENOENT. */
	int (*lookup)(struct proc_inode *dir, const char *name, size_t len, struct inode **out);
	/* Emits them; *@pos counts from 0.  Stops when proc_emit() says false. */
	void (*list)(struct proc_inode *dir, struct dirsink *to, int64_t *pos);
	int (*open)(struct proc_inode *p, const struct path *path, int flags, struct cred *cred,
		struct file **out);	/* by show */
	bool mounts;			/* poll(2) tells of changes to the mounts of the task's namespace */
	bool ptrace;			/* only for those who may trace the process: EACCES */
	uint32_t magic_ino;		/* not 0: shown as the inode number */
};

struct proc_inode {
	struct inode in;
	const struct proc_node *node;	/* I */
	struct pid_ns *ns;		/* I: reference of the super */
	struct task *task;		/* I: reference; NULL: about no task */
	int64_t arg;			/* I: descriptor number... */
	bool group;			/* I: /proc/PID, not /proc/PID/task/TID */
};

#define PROC_FILE(n, fn)	{ .name = n, .mode = S_IFREG | 0444, .show = fn }
#define PROC_DIR(n, kids)	{ .name = n, .mode = S_IFDIR | 0555, .children = kids }

static inline struct proc_inode *proc_of(struct inode *in)
{
	return container_of(in, struct proc_inode, in);
}

/* A new inode below @dir; @task borrowed, may be NULL.  0 or -ENOMEM. */
int proc_inode_new(struct proc_inode *dir, const struct proc_node *node, struct task *task,
	int64_t arg, struct inode **out) MUST_CHECK;
/* False: the buffer is full. */
bool proc_emit(struct proc_inode *dir, struct dirsink *to, const char *name, unsigned type,
	int64_t next);
/* A whole decimal number without a leading zero, as a name; -1. */
int64_t proc_number(const char *name, size_t len);
/* Text that a show function made, malloc'ed; @n its length. */
int proc_text(int (*show)(struct proc_inode *p, struct strbuf *out), struct proc_inode *p,
	char **text, size_t *n) MUST_CHECK;
void proc_bytes(struct strbuf *out, const void *p, size_t n);
/* The caller's root directory, a reference; empty at start-up. */
void proc_root_of(struct task *t, struct path *root);
/* May the current task look into @p's?  0 or -EACCES. */
int proc_may_look(struct proc_inode *p) MUST_CHECK;
bool proc_gone(struct proc_inode *p);	/* the process has been reaped */

/* The process that an open /proc/PID stands for: reference; NULL: it is another file. */
struct tgroup *proc_file_tgroup(struct file *f);

const struct proc_node *proc_root_node(void);
extern const struct proc_node proc_pid_node, proc_tid_node;	/* /proc/PID, task/TID */
extern const struct proc_node proc_net[], proc_sys[], proc_ns[];

/* fd.c */
int proc_fd_lookup(struct proc_inode *dir, const char *name, size_t len, struct inode **out);
int proc_fdinfo_lookup(struct proc_inode *dir, const char *name, size_t len, struct inode **out);
void proc_fd_list(struct proc_inode *dir, struct dirsink *to, int64_t *pos);
/* status.c */
int proc_show_nothing(struct proc_inode *p, struct strbuf *out);	/* an empty file */
int proc_show_stat(struct proc_inode *p, struct strbuf *out);
int proc_show_status(struct proc_inode *p, struct strbuf *out);
int proc_show_statm(struct proc_inode *p, struct strbuf *out);
int proc_show_limits(struct proc_inode *p, struct strbuf *out);
/* maps.c */
int proc_show_maps(struct proc_inode *p, struct strbuf *out);
int proc_show_smaps(struct proc_inode *p, struct strbuf *out);
int proc_show_rollup(struct proc_inode *p, struct strbuf *out);
int proc_open_mem(struct proc_inode *p, const struct path *path, int flags, struct cred *cred,
	struct file **out);
int proc_open_pagemap(struct proc_inode *p, const struct path *path, int flags, struct cred *cred,
	struct file **out);
/* root.c */
int proc_ncpu(void);

#ifdef SANITIZED
/* debug.c */
int proc_show_objects(struct proc_inode *p, struct strbuf *out);
int proc_show_fail_nth(struct proc_inode *p, struct strbuf *out);
int proc_store_fail_nth(struct proc_inode *p, struct task *t, char *text, size_t n);
#define PROC_DEBUG_ROOT PROC_FILE("objects", proc_show_objects)
#define PROC_DEBUG_TASK \
	{ .name = "fail-nth", .mode = S_IFREG | 0644, .show = proc_show_fail_nth, .store = proc_store_fail_nth }
#else
#define PROC_DEBUG_ROOT { .name = NULL }	/* an end before the end */
#define PROC_DEBUG_TASK { .name = NULL }
#endif
