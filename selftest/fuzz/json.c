/* json.c - fuzz: any bytes to the parser; what it takes must print and return.
 */
#include "core/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct json_doc *d, *again;
	char *text, *same;
	struct err e;

	d = json_parse((const char *)data, size, &e);
	if (!d)
		return 0;
	json_path(json_root(d), "linux.resources.memory");
	text = json_print(json_root(d), 0, false);
	again = json_parse(text, strlen(text), &e);
	if (!again)
		abort();
	same = json_print(json_root(again), 0, false);
	if (strcmp(text, same))
		abort();
	json_free(d);
	json_free(again);
	free(text);
	free(same);
	return 0;
}
