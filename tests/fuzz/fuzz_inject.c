// SPDX-License-Identifier: Apache-2.0
/* fuzz_inject.c - any script with values in it: what is passed on is the script byte for byte with
 * references between, and never the value. 0x01 stands for a value; the first byte chooses the
 * shell. */
#include "runner/forges/actions/inject.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char value[] = "\x02value\x02";

static size_t cut(const char *text, size_t len, struct inject_piece *ret, size_t max)
{
	size_t n = 0, from = 0;
	for (size_t i = 0; i <= len && n + 2 < max; i++) {
		if (i < len && text[i] != '\x01')
			continue;
		ret[n++] = (struct inject_piece){ .text = text + from, .len = i - from };
		if (i < len)
			ret[n++] = (struct inject_piece){ .text = value,
				                          .len = sizeof(value) - 1,
				                          .outsider = true,
				                          .certain = true };
		from = i + 1;
	}
	return n;
}

/* The forms that a reference is put in, longest first. */
static const char *skip_reference(const char *at, size_t number)
{
	static const char *const forms[][2] = {
		{ "'\"", "\"$'" }, { "'\"", "\"'" }, { "\"", "\"" }, { "", "" }
	};
	char text[64];
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		(void)snprintf(text, sizeof(text), "%s${" INJECT_VARIABLE "%zu}%s", forms[i][0],
		               number, forms[i][1]);
		if (strncmp(at, text, strlen(text)) == 0)
			return at + strlen(text);
	}
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { PIECES_MAX = 64, SCRIPT_MAX = 4096 };
	struct inject_piece pieces[PIECES_MAX];
	struct plan_arena *arena = arena_new();
	struct inject_result done;
	char text[SCRIPT_MAX + 1];
	size_t len = 0;

	for (size_t i = 1; i < size && len < SCRIPT_MAX; i++)
		if (data[i] && data[i] != 2)
			text[len++] = (char)data[i];
	size_t n = size ? cut(text, len, pieces, PIECES_MAX) : 0;
	if (n && inject_rewrite(arena, data[0] % 2 ? INJECT_BASH : INJECT_SH, pieces, n, &done)) {
		const char *at = done.script;
		size_t number = 0;
		if (strchr(at, '\x02'))
			abort();
		for (size_t i = 0; i < n && at; i++) {
			if (pieces[i].outsider) {
				at = skip_reference(at, ++number);
			} else {
				if (strncmp(at, pieces[i].text, pieces[i].len) != 0)
					abort();
				at += pieces[i].len;
			}
		}
		if (!at || *at)
			abort();
	}
	arena_free(arena);
	return 0;
}
