// SPDX-License-Identifier: Apache-2.0
/* tinycheck.h - a test framework in one header. */
#ifndef TINYCHECK_H
#define TINYCHECK_H

#include <stdio.h>

static unsigned tinycheck_checks, tinycheck_failed;

#define CHECK(condition)                                                                             \
	do {                                                                                         \
		tinycheck_checks++;                                                                  \
		if (!(condition)) {                                                                  \
			tinycheck_failed++;                                                          \
			printf("    %s:%d: not so: %s\n", __FILE__, __LINE__, #condition);           \
		}                                                                                    \
	} while (0)

#define RUN(test)                                                                                    \
	do {                                                                                         \
		unsigned before = tinycheck_failed;                                                  \
		test();                                                                              \
		printf("%s %s\n", tinycheck_failed == before ? "  ok  " : "  FAIL", #test);          \
	} while (0)

static int tinycheck_result(void)
{
	printf("%u checks, %u failed\n", tinycheck_checks, tinycheck_failed);
	return tinycheck_failed != 0;
}

#endif
