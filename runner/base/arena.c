// SPDX-License-Identifier: Apache-2.0
/* arena.c - a list of blocks, freed in one go. Runs in: command line and supervisor. */
#include "arena.h"

#include "exit_code.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct block {
	struct block *next;
	size_t used, size;
	alignas(max_align_t) unsigned char bytes[];
};

struct plan_arena {
	struct block *head;
};

enum { BLOCK_SIZE = 16 * 1024 };

__attribute__((noreturn)) static void out_of_memory(void)
{
	(void)fputs("drydock: out of memory; nothing goes on from here\n", stderr);
	_exit(DRYDOCK_EXIT_INTERNAL);
}

struct plan_arena *arena_new(void)
{
	struct plan_arena *arena = calloc(1, sizeof(*arena));
	if (!arena)
		out_of_memory();
	return arena;
}

void arena_free(struct plan_arena *arena)
{
	if (!arena)
		return;
	while (arena->head) {
		struct block *next = arena->head->next;
		free(arena->head);
		arena->head = next;
	}
	free(arena);
}

void *arena_alloc(struct plan_arena *arena, size_t size)
{
	const size_t align = alignof(max_align_t);
	if (size > SIZE_MAX / 2)
		out_of_memory();
	size = (size + align - 1) / align * align;
	if (!arena->head || arena->head->size - arena->head->used < size) {
		size_t want = size > BLOCK_SIZE ? size : BLOCK_SIZE;
		struct block *block = calloc(1, sizeof(*block) + want);
		if (!block)
			out_of_memory();
		block->size = want;
		block->next = arena->head;
		arena->head = block;
	}
	void *out = arena->head->bytes + arena->head->used;
	arena->head->used += size;
	return out;
}

void *arena_array(struct plan_arena *arena, size_t n, size_t size)
{
	size_t total;
	if (__builtin_mul_overflow(n, size, &total))
		out_of_memory();
	return arena_alloc(arena, total ? total : 1);
}

char *arena_strndup(struct plan_arena *arena, const char *text, size_t len)
{
	char *out = arena_alloc(arena, len + 1);
	memcpy(out, text, len);
	return out;
}

void *arena_grow(struct plan_arena *arena, void *items, size_t n, size_t size)
{
	enum { FIRST = 4 };
	if (n != 0 && (n < FIRST || (n & (n - 1)) != 0))
		return items;
	void *bigger = arena_array(arena, n ? n * 2 : FIRST, size);
	if (n)
		memcpy(bigger, items, n * size);
	return bigger;
}

char *arena_strdup(struct plan_arena *arena, const char *text)
{
	return text ? arena_strndup(arena, text, strlen(text)) : NULL;
}

char *arena_printf(struct plan_arena *arena, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0)
		out_of_memory();
	char *out = arena_alloc(arena, (size_t)len + 1);
	(void)vsnprintf(out, (size_t)len + 1, fmt, again);
	va_end(again);
	return out;
}
