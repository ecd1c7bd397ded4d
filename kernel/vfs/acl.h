/*
 * acl.h - POSIX access control lists: acl(5).
 *
 * Kept with the inode, for filesystems whose super says so (super.acls).
 * GAP: lists of the host's files are not seen; there the mode decides alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/attr.h"

struct cred;
struct inode;

#define ACL_ACCESS	0
#define ACL_DEFAULT	1
#define ACL_NONE	1		/* of acl_permission(): the mode decides */

void acl_init(void);			/* once */
/* ACL_ACCESS or ACL_DEFAULT when @name is the attribute of one, else -1. */
int acl_type(const char *name);

/* The attribute's value: its length, or -errno.  @n 0 asks for the length. */
ssize_t acl_get(struct inode *in, int type, void *buf, size_t n) MUST_CHECK;
/* Of no bytes: takes it away.  Access control is the mode's group bits' business too. */
int acl_set(struct inode *in, int type, const struct cred *cred, const void *buf, size_t n) MUST_CHECK;
/* Names of those that are there, each with its NUL: the length, or -ERANGE. */
ssize_t acl_list(struct inode *in, char *buf, size_t n) MUST_CHECK;

/* May @cred, who is not the owner?  0, -EACCES or ACL_NONE.  Never sleeps. */
int acl_permission(const struct inode *in, const struct cred *cred, unsigned mask) MUST_CHECK;
/* The mode of @in has changed: its list follows. */
void acl_chmod(struct inode *in);
/* Permissions of a new object in @dir: a default list there stands in for the umask. */
uint32_t acl_new_mode(const struct inode *dir, uint32_t mode, unsigned umask) MUST_CHECK;
/* @in, made in @dir with such a mode, gets its lists. */
void acl_inherit(const struct inode *dir, struct inode *in);
void acl_inode_gone(struct inode *in);
