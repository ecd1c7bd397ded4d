/* uts.c - UTS namespaces and the shared half of CLONE_FS. */
#include <stdlib.h>
#include <string.h>

#include "kernel/task/task.h"

struct uts_ns *uts_ns_new(const char *nodename, const char *domainname)
{
	struct uts_ns *u = calloc(1, sizeof *u);

	if (!u)
		return NULL;
	ref_init(&u->ref);
	mutex_init(&u->lock, &lc_fsctx);
	uts_ns_set(u, nodename, domainname);
	return u;
}

struct uts_ns *uts_ns_copy(struct uts_ns *from)
{
	char node[65], domain[65];

	uts_ns_names(from, node, domain);
	return uts_ns_new(node, domain);
}

struct uts_ns *uts_ns_get(struct uts_ns *u)
{
	ref_get(&u->ref);
	return u;
}

void uts_ns_put(struct uts_ns *u)
{
	if (u && ref_put(&u->ref))
		free(u);
}

void uts_ns_names(struct uts_ns *u, char *nodename, char *domainname)
{
	mutex_acquire(&u->lock);
	if (nodename)
		memcpy(nodename, u->nodename, sizeof u->nodename);
	if (domainname)
		memcpy(domainname, u->domainname, sizeof u->domainname);
	mutex_release(&u->lock);
}

static void set_name(char *to, const char *from)
{
	size_t n = strnlen(from, 64);

	memset(to, 0, 65);
	memcpy(to, from, n);
}

void uts_ns_set(struct uts_ns *u, const char *nodename, const char *domainname)
{
	mutex_acquire(&u->lock);
	if (nodename)
		set_name(u->nodename, nodename);
	if (domainname)
		set_name(u->domainname, domainname);
	mutex_release(&u->lock);
}

/* --- fsctx */

LOCKS_UNCHECKED /* not published */
	struct fsctx *
	fsctx_new(
		const struct path *root, const struct path *cwd, unsigned umask)
{
	struct fsctx *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	ref_init(&f->ref);
	mutex_init(&f->lock, &lc_fsctx);
	path_get(root);
	path_get(cwd);
	f->root = *root;
	f->cwd = *cwd;
	f->umask = umask;
	return f;
}

struct fsctx *fsctx_copy(struct fsctx *from)
{
	struct fsctx *f;

	fsctx_lock(from);
	f = fsctx_new(&from->root, &from->cwd, from->umask);
	fsctx_unlock(from);
	return f;
}

struct fsctx *fsctx_get(struct fsctx *f)
{
	ref_get(&f->ref);
	return f;
}

LOCKS_UNCHECKED /* nobody else has it */
	void
	fsctx_put(struct fsctx *f)
{
	if (!f || !ref_put(&f->ref))
		return;
	path_put(&f->root);
	path_put(&f->cwd);
	free(f);
}
