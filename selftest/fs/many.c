/*
 * many.c - more open files than the gofer may have descriptors.
 *
 * oci/files.sh runs this with few of them; then 9P serves most of the files.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "selftest/test.h"

#define FILES 60

static int fd[FILES];
static char *map[FILES];

static char *name_of(int i)
{
	static char name[32];

	snprintf(name, sizeof name, "many%03d", i);
	return name;
}

static void open_all(void)
{
	char text[16];

	for (int i = 0; i < FILES; i++) {
		fd[i] = open(name_of(i), O_RDWR | O_CREAT | O_TRUNC, 0600);
		snprintf(text, sizeof text, "file %3d", i);
		CHECK(pwrite(fd[i], text, 8, 4090) == 8);
	}
}

static void map_all(int prot, int flags)
{
	for (int i = 0; i < FILES; i++) {
		map[i] = mmap(NULL, 8192, prot, flags, fd[i], 0);
		CHECK(map[i] != MAP_FAILED);
	}
}

static void unmap_all(void)
{
	for (int i = 0; i < FILES; i++)
		CHECK(!munmap(map[i], 8192));
}

static void remove_all(void)
{
	for (int i = 0; i < FILES; i++)
		CHECK(!close(fd[i]) && !unlink(name_of(i)));
}

TEST(many, shared_mappings_and_reads_agree)
{
	char text[16];

	open_all();
	map_all(PROT_READ | PROT_WRITE, MAP_SHARED);
	for (int i = 0; i < FILES; i++) {
		snprintf(text, sizeof text, "file %3d", i);
		CHECK(!memcmp(map[i] + 4090, text, 8));
		map[i][4095] = '!';
		CHECK(pread(fd[i], text, 8, 4090) == 8 && text[5] == '!');
		CHECK(pwrite(fd[i], "?", 1, 1) == 1 && map[i][1] == '?');
	}
	unmap_all();
	for (int i = 0; i < FILES; i++) {
		CHECK(pread(fd[i], text, 8, 4090) == 8 && text[5] == '!');
		CHECK(lseek(fd[i], 0, SEEK_END) == 4098);
	}
	remove_all();
}

TEST(many, private_mappings_stay_private)
{
	char text[16];

	open_all();
	map_all(PROT_READ | PROT_WRITE, MAP_PRIVATE);
	for (int i = 0; i < FILES; i++) {
		map[i][4091] = '!';
		CHECK(map[i][4090] == 'f' && map[i][4097] != 0);
		CHECK(pread(fd[i], text, 8, 4090) == 8 && text[1] == 'i');
	}
	unmap_all();
	remove_all();
}

TEST(many, a_reader_then_a_writer_map_one_file)
{
	char *w;
	int ro;

	open_all();
	ro = open(name_of(FILES - 1), O_RDONLY);
	map[0] = mmap(NULL, 4096, PROT_READ, MAP_SHARED, ro, 0);
	CHECK(map[0] != MAP_FAILED && map[0][4090] == 'f');
	w = mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd[FILES - 1], 0);
	CHECK(w != MAP_FAILED);
	w[10] = 'w';
	SEE(map[0][10]);
	SEE(msync(w, 4096, MS_SYNC));
	SEE(ftruncate(fd[FILES - 1], 0));
	SEE(munmap(w, 4096));
	SEE(munmap(map[0], 4096));
	SEE(lseek(fd[FILES - 1], 0, SEEK_END));
	close(ro);
	remove_all();
}
