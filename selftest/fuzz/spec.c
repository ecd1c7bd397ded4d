/* spec.c - fuzz: any config.json; what it takes must have its ends and free. */
#include "applets/oci/spec.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct spec s;
	struct err e;
	size_t n = 0;

	if (spec_parse(&s, (const char *)data, size, "/bundle", &e))
		return 0;
	if (!s.process.args || !s.process.args[0] || s.process.cwd[0] != '/' ||
		!s.root || s.root[0] != '/')
		abort();
	while (s.process.args[n])
		n += strlen(s.process.args[n]) >= size ? abort(), 1 : 1;
	for (size_t i = 0; i < s.nmounts; i++)
		if (!s.mounts[i].type || s.mounts[i].dest[0] != '/')
			abort();
	spec_fini(&s);
	return 0;
}
