/*
 * scm.c - control messages of sendmsg(2) and recvmsg(2).
 *
 * Input: room for the receiver[1], flags[1], the control buffer.  What is
 * parsed is delivered again, whole and as a copy; no descriptor may be lost on
 * the way.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "kernel/fs/memfd.h"
#include "kernel/mm/mm.h"
#include "kernel/socket/scm.h"
#include "kernel/task/cred.h"
#include "kernel/task/task.h"
#include "kernel/vfs/fdtable.h"
#include "kernel/vfs/file.h"
#include "kernel/vfs/mount.h"
#include "platform/phys.h"

#define OPEN 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct task *me;

static void begin(void)
{
	struct file *f;
	struct err e;

	if (phys_init(1 << 28, 1 << 28, &e) || memfile_init(1 << 27))
		abort();
	users_init();
	vfs_init();
	me = calloc(1, sizeof *me);
	me->tg = calloc(1, sizeof *me->tg);
	ref_init(&me->ref);
	mutex_init(&me->tg->lock, &lc_sighand);
	mutex_init(&me->res_lock, &lc_fsctx);
	for (int i = 0; i < RLIM_GUEST; i++)
		me->tg->rlim[i] = (struct rlim){ ~0ULL, ~0ULL };
	me->tg->rlim[RLIMIT_NOFILE].cur = 64;
	me->cred = cred_new(0, 0, NULL, 0);
	me->fdt = fdtable_new();
	park_init(&me->park);
	current = me;
	for (int i = 0; i < OPEN; i++)
		if (memfd_create_file("x", 0, me->cred, &f) ||
			fd_open(me, f, 0) != i)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scm *s, *copy;
	char room[256];
	size_t cap, n;
	int flags = 0;

	if (size < 2)
		return 0;
	if (!me)
		begin();
	cap = data[0];
	if (scm_parse(me, data + 2, size - 2, &s))
		return 0;
	copy = scm_copy(s);
	n = scm_deliver(me, s, data[1] & 1, data[1] & 2, room, cap, &flags);
	if (n > cap)
		abort();
	n = scm_deliver(me, copy, true, false, room, sizeof room, &flags);
	if (n > sizeof room)
		abort();
	scm_free(s);
	scm_free(copy);
	if (fd_close_range(me, OPEN, ~0U, false))
		abort();
	return 0;
}
