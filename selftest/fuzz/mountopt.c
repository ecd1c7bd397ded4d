/*
 * mountopt.c - the options of mount(2), which a guest may write as it likes.
 *
 * Input: which filesystem[1], flags of mount[1], the comma-separated options.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/fs/tmpfs.h"
#include "kernel/fs/types.h"
#include "kernel/mm/mm.h"
#include "kernel/task/cred.h"
#include "kernel/vfs/mount.h"
#include "platform/phys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fs_type *const types[] = { &tmpfs_fs, &devpts_fs };
	static struct cred *cred;
	struct fs_context fc = { .source = "fuzz", .sock = -1 };
	struct mnt_ns *ns;
	struct err e;
	char *text;

	if (size < 2)
		return 0;
	if (!cred) {
		if (phys_init(1 << 28, 1 << 28, &e) || memfile_init(1 << 27))
			abort();
		users_init();
		vfs_init();
		cred = cred_new(0, 0, NULL, 0);
	}
	text = malloc(size - 1);
	if (!text)
		return 0;
	memcpy(text, data + 2, size - 2);
	text[size - 2] = 0;
	fc.type = types[data[0] % ARRAY_SIZE(types)];
	fc.flags = data[1];
	fc.data = text;
	fc.cred = cred;
	if (!mnt_ns_create(&fc, &ns))
		mnt_ns_put(ns);
	free(text);
	return 0;
}
