/* hash.h - one good hash for tables keyed by bytes (FNV-1a, finalised). */
#pragma once

#include <stddef.h>
#include <stdint.h>

static inline uint32_t hash_u64(uint64_t v)
{
	return (uint32_t)((v * 0x9e3779b97f4a7c15ULL) >> 32);
}

static inline uint32_t hash_bytes(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t h = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 0x100000001b3ULL;
	return hash_u64(h);
}
