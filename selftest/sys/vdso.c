/* vdso.c - vdso(7), getauxval(3). */
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "selftest/test.h"

static int64_t direct(clockid_t clk)
{
	struct timespec ts;

	syscall(SYS_clock_gettime, clk, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* Finds a function in the vDSO by name, as a C library does. */
static void *find(const char *name)
{
	uintptr_t base = getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *eh = (void *)base;
	const Elf64_Phdr *ph = (void *)(base + eh->e_phoff);
	const Elf64_Dyn *dyn = NULL;
	const Elf64_Sym *sym = NULL;
	const uint32_t *hash = NULL;
	const char *str = NULL;
	uintptr_t bias = base;

	for (int i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD)
			bias = base + ph[i].p_offset - ph[i].p_vaddr;
		else if (ph[i].p_type == PT_DYNAMIC)
			dyn = (void *)(base + ph[i].p_offset);
	for (; dyn && dyn->d_tag; dyn++) {
		void *p = (void *)(bias + dyn->d_un.d_ptr);

		if (dyn->d_tag == DT_STRTAB)
			str = p;
		else if (dyn->d_tag == DT_SYMTAB)
			sym = p;
		else if (dyn->d_tag == DT_HASH)
			hash = p;
	}
	for (uint32_t i = 0; sym && str && hash && i < hash[1]; i++)
		if (sym[i].st_shndx && !strcmp(str + sym[i].st_name, name))
			return (void *)(bias + sym[i].st_value);
	return NULL;
}

typedef int (*gettime_fn)(clockid_t, struct timespec *);

static int64_t through(gettime_fn fn, clockid_t clk)
{
	struct timespec ts;

	fn(clk, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

TEST(vdso, exports)
{
	SEE(getauxval(AT_SYSINFO_EHDR) != 0);
	SEE(find("__vdso_clock_gettime") != NULL);
	SEE(find("__vdso_gettimeofday") != NULL);
	SEE(find("__vdso_time") != NULL);
	SEE(find("__vdso_clock_getres") != NULL);
	SEE(find("__vdso_getcpu") != NULL);
}

TEST(vdso, never_behind_the_system_call)
{
	static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME,
		CLOCK_BOOTTIME };
	gettime_fn fn = (gettime_fn)find("__vdso_clock_gettime");

	for (int round = 0; round < 40; round++) {
		for (int c = 0; c < 3; c++) {
			int64_t last = direct(clocks[c]);

			for (int i = 0; i < 200; i++) {
				int64_t now = i % 10 ? through(fn, clocks[c])
						     : direct(clocks[c]);

				CHECK(now >= last);
				CHECK(now - last < 2000000000);
				last = now;
			}
		}
		usleep(round < 20 ? 1000 : 10000);
	}
}

TEST(vdso, arguments)
{
	gettime_fn fn = (gettime_fn)find("__vdso_clock_gettime");
	gettime_fn res = (gettime_fn)find("__vdso_clock_getres");
	struct timespec ts;

	SEE(fn(1000, &ts));
	SEE(fn(CLOCK_MONOTONIC, &ts));
	SEE(res(CLOCK_MONOTONIC, &ts));
	SEE(ts.tv_sec);
	SEE(ts.tv_nsec);
	SEE(res(CLOCK_MONOTONIC, NULL));
	SEE(fn(CLOCK_THREAD_CPUTIME_ID, &ts));
}

TEST(vdso, auxiliary_vector)
{
	SEE(getauxval(AT_PAGESZ));
	SEE(getauxval(AT_CLKTCK));
	SEE(getauxval(AT_PHENT));
	SEE(getauxval(AT_PHDR) != 0);
	SEE(getauxval(AT_ENTRY) != 0);
	SEE(getauxval(AT_SECURE));
	SEE(getauxval(AT_UID) == getuid());
	SEE(getauxval(AT_EGID) == getegid());
	SEE(getauxval(AT_RANDOM) != 0);
	SEE(getauxval(AT_HWCAP) != 0);
	SEE(getauxval(AT_EXECFN) != 0);
	SEE_STR((const char *)getauxval(AT_PLATFORM));
	SEE(getauxval(51) > 1000);
}
