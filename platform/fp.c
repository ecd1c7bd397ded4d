/*
 * fp.c - how large the floating-point state of this CPU is.
 *
 * CPUID leaf 13, sub-leaf 0: EBX is the size of the XSAVE area, in standard
 * format, for the features that the host's kernel enabled in XCR0 (Intel SDM 1,
 * chapter 13).  Without XSAVE it is FXSAVE's 512 bytes.
 */
#include <cpuid.h>

#include "platform/platform.h"

#define FXSAVE_SIZE    512
#define CPUID1_OSXSAVE (1u << 27)

size_t fp_area_size(void)
{
	unsigned a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & CPUID1_OSXSAVE))
		return FXSAVE_SIZE;
	if (!__get_cpuid_count(13, 0, &a, &b, &c, &d) || b < FXSAVE_SIZE)
		return FXSAVE_SIZE;
	return b;
}
