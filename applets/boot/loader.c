/* loader.c - from the specification to calls of kernel/kernel.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "applets/boot/boot.h"
#include "core/caps.h"
#include "core/fdio.h"
#include "core/log.h"
#include "core/own.h"
#include "core/str.h"
#include "kernel/kernel.h"
#include "kernel/vfs/mount.h"

#define MAX_PASS        64
#define CAP_NET_RAW_BIT (1ULL << 13)

static int start_kernel(const struct boot *b, struct err *e)
{
	const struct config *conf = b->conf;
	struct kernel_conf k = { .release = conf->kernel_release,
		.memory = b->memory,
		.ncpu = b->ncpu,
		.strace = conf->strace,
		.strace_syscalls =
			conf->strace_syscalls[0] ? conf->strace_syscalls : NULL,
		.strace_size = conf->strace_log_size,
		.allow_suid = conf->allow_suid,
		.marker_file = conf->marker_file,
		.override_procs = conf->override_procs };

	return kernel_init(&k, e);
}

/* What a mount of the specification is in this kernel; NULL: nothing. */
static const char *mount_type(const struct spec_mount *m)
{
	if (!strcmp(m->dest, "/dev") && !strcmp(m->type, "tmpfs"))
		return "devtmpfs";
	if (fs_type_find(m->type))
		return m->type;
	log_info("mount of type %s on %s is left out: there is no such "
		 "filesystem here",
		m->type, m->dest);
	return NULL;
}

/* The gofer says of each export, in order, whether it is a directory. */
static int fill_mounts(
	const struct boot *b, struct mount_conf *out, size_t *n, struct err *e)
{
	bool exclusive = b->conf->file_access_mounts == MOUNTS_EXCLUSIVE;
	size_t io = 1;
	char kind;

	if (read_full(b->mounts, &kind, 1))
		return err_set(e, EPIPE, "the gofer ended before it was ready");
	for (size_t i = 0; i < b->spec.nmounts; i++) {
		const struct spec_mount *m = &b->spec.mounts[i];
		struct mount_conf *c = &out[*n];
		*c = (struct mount_conf){ m->bind ? "bind" : mount_type(m),
			m->source, m->dest, m->data, m->flags, -1, exclusive,
			false, m->copyup };
		if (!c->type)
			continue;
		++*n;
		if (!m->bind)
			continue;
		if (read_full(b->mounts, &kind, 1))
			return err_set(e, EPIPE,
				"the gofer ended before it "
				"was ready");
		c->is_file = kind == 'f';
		c->sock = atoi(b->io.v[io++]);
	}
	return 0;
}

static struct device_conf *fill_devices(const struct spec *s)
{
	struct device_conf *d = xzalloc((s->ndevices + 1) * sizeof *d);

	for (size_t i = 0; i < s->ndevices; i++) {
		const struct spec_device *from = &s->devices[i];

		d[i] = (struct device_conf){ from->path, from->mode,
			makedev(from->major, from->minor), from->uid,
			from->gid };
	}
	return d;
}

/* Takes what --net-raw=false withholds. */
static uint64_t allowed_caps(const struct boot *b)
{
	return b->conf->net_raw ? CAP_ALL : CAP_ALL & ~CAP_NET_RAW_BIT;
}

static void fill_process(const struct boot *b, const struct spec_process *p,
	struct rlimit_conf *limits, struct process_conf *out)
{
	uint64_t allowed = allowed_caps(b);

	for (size_t i = 0; i < p->nrlimits; i++)
		limits[i] = (struct rlimit_conf){ p->rlimits[i].resource,
			p->rlimits[i].soft, p->rlimits[i].hard };
	*out = (struct process_conf){
		.argv = p->args,
		.envp = p->env,
		.cwd = p->cwd,
		.uid = p->uid,
		.gid = p->gid,
		.groups = p->groups,
		.ngroups = p->ngroups,
		.umask = p->umask,
		.set_umask = p->set_umask,
		.cap_bounding = p->bounding & allowed,
		.cap_permitted = p->permitted & allowed,
		.cap_effective = p->effective & allowed,
		.cap_inheritable = p->inheritable & allowed,
		.cap_ambient = p->ambient & allowed,
		.no_new_privs = p->no_new_privs,
		.rlimits = limits,
		.nrlimits = p->nrlimits,
		.oom_score_adj = p->oom_score_adj,
		.terminal = p->terminal,
		.rows = p->rows,
		.cols = p->cols,
		.stdio = { -1, -1, -1 },
	};
}

unsigned pids_limit(int64_t n)
{
	return n > 0 && n < INT32_MAX ? (unsigned)n : 0;
}

int loader_create(struct boot *b, struct container **out, struct err *e)
{
	const struct spec *s = &b->spec;
	own_mem struct mount_conf *mounts =
		xzalloc((s->nmounts + 1) * sizeof *mounts);
	own_mem struct rlimit_conf *limits =
		xzalloc((s->process.nrlimits + 1) * sizeof *limits);
	unsigned pids =
		pids_limit(json_int(json_path(s->resources, "pids.limit"), 0));
	own_mem struct device_conf *devices = fill_devices(s);
	struct process_conf p;
	size_t n = 0;

	if (start_kernel(b, e) || fill_mounts(b, mounts, &n, e))
		return -e->code;
	close(b->mounts);
	struct container_conf c = { .id = b->id,
		.hostname = s->hostname ? s->hostname : "runsc",
		.domainname = s->domainname,
		.root_sock = atoi(b->io.v[0]),
		.root_readonly = s->root_readonly,
		.root_exclusive = b->conf->file_access == FILE_EXCLUSIVE,
		.mounts = mounts,
		.nmounts = n,
		.devices = devices,
		.ndevices = s->ndevices,
		.masked = s->masked,
		.readonly = s->readonly,
		.sysctl = s->sysctl,
		.pids_limit = pids };
	if (container_create(&c, out, e))
		return -e->code;
	fill_process(b, &s->process, limits, &p);
	return container_check(*out, &p, e);
}

int loader_start(struct boot *b, struct container *c, pid_t *pid, struct err *e)
{
	int fds[3 + MAX_PASS], guest[MAX_PASS];
	size_t npass = 0;

	for (size_t i = 0; i < 3; i++)
		fds[i] = atoi(b->stdio.v[i]);
	for (; npass < b->pass.n && npass < MAX_PASS; npass++) {
		char *colon = strchr(b->pass.v[npass], ':');
		fds[3 + npass] = atoi(b->pass.v[npass]);
		guest[npass] = colon ? atoi(colon + 1) : 0;
	}
	return loader_exec(
		b, c, &b->spec.process, false, fds, 3, guest, npass, pid, e);
}

int loader_exec(struct boot *b, struct container *c,
	const struct spec_process *sp, bool hook, const int *fds, size_t nfds,
	const int *guest, size_t npass, pid_t *pid, struct err *e)
{
	own_mem struct rlimit_conf *limits =
		xzalloc((sp->nrlimits + 1) * sizeof *limits);
	struct process_conf p;

	fill_process(b, sp, limits, &p);
	for (size_t i = 0; i < 3 && i < nfds; i++)
		p.stdio[i] = fds[i];
	p.pass_host = fds + nfds;
	p.pass_guest = guest;
	p.npass = npass;
	p.hook = hook;
	return container_exec(c, &p, pid, e);
}
