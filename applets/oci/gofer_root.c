/*
 * gofer_root.c - the tree that the gofer process sees.
 *
 * The tree is a tmpfs, mounted over the state directory: the one place
 * that no container has reason to mount.  Export i is the name "i" in it.
 */
#include "applets/oci/gofer_root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "applets/boot/isolate.h"
#include "core/fdio.h"
#include "core/str.h"

struct export
{
	const char *source, *field;
	unsigned flags; /* MS_RDONLY, NOSUID, NODEV, NOEXEC */
	bool recursive;
};

static int bind_export(const struct export *x, const char *place, size_t i,
	char *kind, struct err *e)
{
	const unsigned keep = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
	char name[450];
	struct stat st;
	int fd;

	snprintf(name, sizeof name, "%s/%zu", place, i);
	if (stat(x->source, &st))
		return err_set(e, errno, "%s %s: %s", x->field, x->source,
			strerror(errno));
	*kind = S_ISDIR(st.st_mode) ? 'd' : 'f';
	if (!i && *kind != 'd')
		return err_set(e, ENOTDIR, "%s %s: not a directory", x->field,
			x->source);
	if (*kind == 'd') {
		fd = mkdir(name, 0700) ? -1 : 0;
	} else {
		fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC | O_EXCL, 0600);
		if (fd >= 0)
			close(fd);
	}
	if (fd < 0)
		return err_set(e, errno, "%s: %s", name, strerror(errno));
	if (mount(x->source, name, NULL, MS_BIND | (x->recursive ? MS_REC : 0),
		    NULL))
		return err_set(e, errno, "%s: mounting %s: %s", x->field,
			x->source, strerror(errno));
	if (!(x->flags & keep))
		return 0;
	if (mount(NULL, name, NULL, MS_BIND | MS_REMOUNT | (x->flags & keep),
		    NULL) &&
		errno != EPERM)
		return err_set(e, errno, "%s: remounting %s: %s", x->field,
			x->source, strerror(errno));
	return 0;
}

int gofer_root(
	const struct spec *spec, const char *place, int mounts, struct err *e)
{
	struct export root = { spec->root, "root.path",
		spec->root_readonly ? MS_RDONLY : 0, true };
	char kinds[512], field[64];
	size_t n = 0;

	if (isolate_mounts(e))
		return -e->code;
	if (mount("runsc-gofer", place, "tmpfs", MS_NOSUID | MS_NODEV,
		    "mode=0700"))
		return err_set(e, errno,
			"mounting a tree for the gofer on "
			"%s: %s",
			place, strerror(errno));
	if (bind_export(&root, place, n, &kinds[n], e))
		return -e->code;
	n++;
	for (size_t i = 0; i < spec->nmounts; i++) {
		const struct spec_mount *m = &spec->mounts[i];
		struct export x = { m->source, field, m->flags, true };
		if (!m->bind)
			continue;
		snprintf(field, sizeof field,
			"config.json line %u: "
			"mounts[%zu].source",
			m->line, i);
		if (n == sizeof kinds)
			return err_set(e, E2BIG, "too many bind mounts");
		if (bind_export(&x, place, n, &kinds[n], e))
			return -e->code;
		n++;
	}
	if (isolate_pivot(place, e))
		return -e->code;
	if (mount(NULL, "/", NULL,
		    MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV,
		    NULL))
		return err_set(e, errno,
			"making the gofer's root read-only: "
			"%s",
			strerror(errno));
	if (write_full(mounts, kinds, n))
		return err_set(e, EPIPE, "the sandbox went away");
	return 0;
}
