// SPDX-License-Identifier: Apache-2.0
/* fuzz_command_files.c - any bytes in a command file: pairs or an error, texts that are UTF-8 and
 * end where they say, and the same again when they are written in the long form. */
#include "runner/base/text_escape.h"
#include "runner/forges/engine/command_files.h"
#include "runner/forges/engine/env_carry.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t len)
{
	if (text[len] != '\0')
		abort();
	for (size_t i = 0; i < len;) {
		size_t n = (unsigned char)text[i] < 0x80 ? 1 : utf8_char_len(text + i, len - i);
		if (n == 0)
			abort();
		i += n;
	}
}

static void write_again(struct plan_arena *arena, const struct command_pair *p)
{
	static const char mark[] = "a mark that no value holds 8f2c";
	size_t room = p->name_len + p->value_len + 2 * sizeof(mark) + 8;
	char *text = arena_alloc(arena, room), *at = text;
	struct command_pairs again;

	if (memmem(p->value, p->value_len, mark, strlen(mark)) ||
	    memchr(p->name, '<', p->name_len) || memchr(p->name, '=', p->name_len))
		return;
	at = mempcpy(at, p->name, p->name_len);
	at = stpcpy(stpcpy(stpcpy(at, "<<"), mark), "\n");
	at = mempcpy(at, p->value, p->value_len);
	at = stpcpy(stpcpy(at, "\n"), mark);
	if (!command_pairs_read(arena, text, (size_t)(at - text), &again) || again.n != 1 ||
	    again.items[0].value_len != p->value_len ||
	    memcmp(again.items[0].value, p->value, p->value_len) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plan_arena *arena = arena_new();
	char *bytes = arena_alloc(arena, size + 1);
	struct command_pairs pairs;

	memcpy(bytes, data, size);
	bool read = command_pairs_read(arena, bytes, size, &pairs);
	if (!read && !pairs.why[0])
		abort();
	for (size_t i = 0; read && i < pairs.n; i++) {
		const struct command_pair *p = &pairs.items[i];
		if (p->name_len == 0)
			abort();
		check_text(p->name, p->name_len);
		check_text(p->value, p->value_len);
		(void)env_carry_reason(p->name, p->name_len);
		if (i < 4 && (unsigned char)p->name[0] != 0xef)
			write_again(arena, p);
	}
	read = command_paths_read(arena, bytes, size, &pairs);
	for (size_t i = 0; read && i < pairs.n; i++) {
		if (pairs.items[i].value_len == 0 || strpbrk(pairs.items[i].value, "\r\n"))
			abort();
		check_text(pairs.items[i].value, pairs.items[i].value_len);
	}
	arena_free(arena);
	return 0;
}
