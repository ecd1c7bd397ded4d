/*
 * unit.h - tests that run inside the program's own code.
 *
 * Each test runs in a process of its own, under an alarm.  CHECK() prints the
 * condition that failed and ends the test; SKIP() ends it with a reason.  For
 * behaviour that a guest can see, write a guest test instead (selftest/test.h).
 */
#pragma once

#include <stdbool.h>

struct test {
	const char *group, *name;
	int line;
	void (*fn)(void);
};

#define TEST(group, name)						\
	static void group##_##name(void);				\
	static const struct test group##_##name##_test			\
		__attribute__((used, section("tests"), aligned(8))) =	\
		{ #group, #name, __LINE__, group##_##name };			\
	static void group##_##name(void)

#define CHECK(cond) \
	do { if (!(cond)) test_fail(__FILE__, __LINE__, #cond); } while (0)
#define SKIP(why)	test_skip(why)

__attribute__((noreturn)) void test_fail(const char *file, int line, const char *cond);
__attribute__((noreturn)) void test_skip(const char *why);
/* Runs @fn in a child and returns its wait status; @err gets its standard error. */
int test_fork(void (*fn)(void), char *err, unsigned long cap);
