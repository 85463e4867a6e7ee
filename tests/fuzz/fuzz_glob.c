// SPDX-License-Identifier: Apache-2.0
/* fuzz_glob.c - a pattern, a text and a second pattern: the machine says what a table that asks
 * every place of the pattern about every place of the text says, and what covers a pattern matches
 * all that it does. */
#include "runner/base/glob.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 400, PATTERN_MAX = 300 };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static bool begins_directories(const char *pattern, size_t at)
{
	return strncmp(pattern + at, "**/", 3) == 0 && (at == 0 || pattern[at - 1] == '/');
}

/* From the end: does the pattern from @p on match the text from @t on? Row @p of the table needs
 * rows behind it only. */
static bool slow_match(enum glob_kind kind, const char *pattern, const char *text)
{
	static bool table[PATTERN_MAX + 4][TEXT_MAX + 2];
	const size_t np = strlen(pattern), nt = strlen(text);
	for (size_t p = np + 1; p-- > 0;) {
		for (size_t t = nt + 1; t-- > 0;) {
			bool more = t < nt;
			char bound = kind == GLOB_PATH ? '/' : kind == GLOB_LINE ? '\n' : '\0';
			bool crosses = more && !(bound && text[t] == bound);
			bool hit;
			if (p == np) {
				hit = !more;
			} else if (kind == GLOB_PATH && begins_directories(pattern, p)) {
				hit = table[p + 3][t];
				for (size_t k = t; !hit && k < nt; k++)
					hit = text[k] == '/' && table[p + 3][k + 1];
			} else if (pattern[p] == '*') {
				size_t run = strspn(pattern + p, "*");
				bool deep = kind == GLOB_TEXT || (kind == GLOB_PATH && run > 1);
				hit = table[p + run][t] ||
				      ((deep ? more : crosses) && table[p][t + 1]);
			} else if (pattern[p] == '?') {
				hit = crosses && table[p + 1][t + 1];
			} else {
				hit = more && pattern[p] == text[t] && table[p + 1][t + 1];
			}
			table[p][t] = hit;
		}
	}
	return table[0][0];
}

/* Up to @max bytes, none of them NUL, until a 0xff. */
static void take(const unsigned char **data, size_t *size, char *out, size_t max)
{
	size_t n = 0;
	while (*size > 0 && **data != 0xff && n < max) {
		if (**data)
			out[n++] = (char)**data;
		++*data;
		--*size;
	}
	if (*size > 0) {
		++*data;
		--*size;
	}
	out[n] = '\0';
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char pattern[PATTERN_MAX + 1], text[TEXT_MAX + 1], other[PATTERN_MAX + 1];
	if (size == 0)
		return 0;
	const enum glob_kind kind = (enum glob_kind)(data[0] % 3);
	data++;
	size--;
	take(&data, &size, pattern, PATTERN_MAX);
	take(&data, &size, text, TEXT_MAX);
	take(&data, &size, other, PATTERN_MAX);
	bool hit = glob_match(kind, pattern, text);
	if (hit != (glob_is_usable(kind, pattern) && slow_match(kind, pattern, text)))
		abort();
	if (glob_covers(kind, pattern, other) && glob_match(kind, other, text) && !hit)
		abort();
	return 0;
}
