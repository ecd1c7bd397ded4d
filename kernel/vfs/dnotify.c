/*
 * dnotify.c - signals about changes in a directory: what was before inotify(7).
 *
 * A watch belongs to an open directory and hangs on its inode.  The events are
 * inotify's, which are reported once for both.
 */
#include "kernel/vfs/dnotify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "core/lock.h"
#include "core/str.h"
#include "kernel/fs/types.h"
#include "kernel/vfs/fasync.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/inode.h"
#include "kernel/vfs/inotify.h"

struct dnotify { /* lc_inotify */
	struct dnotify *next;
	struct file *f; /* borrowed: its end takes the watch along */
	uint32_t mask;  /* IN_* */
	bool again;     /* DN_MULTISHOT */
	unsigned round; /* of the event that it was told last */
};

static struct dnotify_all {
	struct mutex lock;
} all = { .lock = MUTEX_INIT(inotify) };
LOCK_OPS(inotify, struct dnotify_all, lock)

static uint32_t mask_of(unsigned events)
{
	static const struct {
		unsigned dn;
		uint32_t in;
	} map[] = { { DN_ACCESS, IN_ACCESS }, { DN_MODIFY, IN_MODIFY },
		{ DN_CREATE, IN_CREATE | IN_MOVED_TO },
		{ DN_DELETE, IN_DELETE | IN_MOVED_FROM },
		{ DN_RENAME, NOTIFY_RENAMED }, { DN_ATTRIB, IN_ATTRIB } };
	uint32_t mask = 0;

	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		if (events & map[i].dn)
			mask |= map[i].in;
	return mask;
}

/* The link that leads to @f's watch, or the last one. */
HOLDS(lc_inotify)
static struct dnotify **find(const struct file *f)
{
	struct dnotify **at = &f->inode->dnotify;

	while (*at && (*at)->f != f)
		at = &(*at)->next;
	return at;
}

HOLDS(lc_inotify)
static void drop(struct dnotify **at)
{
	struct dnotify *d = *at;

	*at = d->next;
	atomic_fetch_sub(&inotify_nwatches, 1);
	free(d);
}

void dnotify_file_gone(struct file *f)
{
	struct dnotify **at;

	inotify_lock(&all);
	at = find(f);
	if (*at)
		drop(at);
	inotify_unlock(&all);
}

int dnotify_set(struct task *t, struct file *f, int fd, unsigned events)
{
	uint32_t mask = mask_of(events);
	struct dnotify **at, *new;
	int err;

	if (!proc_sysctl_value("dir-notify-enable"))
		return -EINVAL;
	if (!(events & ~(unsigned)DN_MULTISHOT)) {
		dnotify_file_gone(f);
		return 0;
	}
	if (!S_ISDIR(f->inode->mode))
		return -ENOTDIR;
	err = fasync_claim(t, f, fd);
	if (err)
		return err;
	new = calloc(1, sizeof *new);
	if (!new)
		return -ENOMEM;
	new->f = f;
	inotify_lock(&all);
	at = find(f);
	if (!*at) {
		*at = new;
		new = NULL;
		atomic_fetch_add(&inotify_nwatches, 1);
	}
	(*at)->mask |= mask;
	(*at)->again |= (events & DN_MULTISHOT) != 0;
	inotify_unlock(&all);
	free(new);
	return 0;
}

/* Takes one watch that wants @mask and was not told of it yet: whom to tell. */
HOLDS(lc_inotify)
static struct fasync *next_to_tell(
	struct inode *in, uint32_t mask, unsigned round)
{
	struct fasync *fa;

	for (struct dnotify **at = &in->dnotify; *at; at = &(*at)->next) {
		if (!((*at)->mask & mask) || (*at)->round == round)
			continue;
		(*at)->round = round;
		fa = fasync_hold((*at)->f);
		if (!(*at)->again)
			drop(at);
		return fa;
	}
	return NULL;
}

void dnotify_post(struct inode *in, uint32_t mask)
{
	static atomic_uint rounds;
	struct fasync *fa;
	unsigned round;

	if (!__atomic_load_n(&in->dnotify, __ATOMIC_ACQUIRE))
		return;
	round = atomic_fetch_add(&rounds, 1) + 1;
	do {
		inotify_lock(&all);
		fa = next_to_tell(in, mask, round);
		inotify_unlock(&all);
		if (fa)
			fasync_message(fa);
	} while (fa);
}
