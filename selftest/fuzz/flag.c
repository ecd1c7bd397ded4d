/* flag.c - fuzz: command lines; words are separated by newlines. */
#include "core/flag.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WORDS 32

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	bool b = false;
	int n = 0, choice = 0, argc = 1, at;
	int64_t i64 = 0, d = 0;
	uint64_t u64 = 0;
	const char *s = NULL;
	struct flag_list list = { 0 };
	const struct flag table[] = { { "b", FLAG_BOOL, &b, NULL, NULL },
		{ "n", FLAG_INT, &n, NULL, NULL },
		{ "i", FLAG_I64, &i64, NULL, NULL },
		{ "u", FLAG_U64, &u64, NULL, NULL },
		{ "s", FLAG_STR, &s, NULL, NULL },
		{ "l", FLAG_LIST, &list, NULL, NULL },
		{ "d", FLAG_DURATION, &d, NULL, NULL },
		{ "c", FLAG_ENUM, &choice, "a|bb|c", NULL }, { 0 } };
	char *text = calloc(1, size + 1), *argv[WORDS + 1], *save, *word;
	struct err e;

	if (!text)
		return 0;
	memcpy(text, data, size);
	argv[0] = text;
	for (word = strtok_r(text, "\n", &save); word && argc < WORDS;
		word = strtok_r(NULL, "\n", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	at = flags_parse(table, argc, argv, &e);
	if (at > argc || choice > 2 || (at < 0 && !e.code))
		abort();
	free(list.v);
	free(text);
	return 0;
}
