// SPDX-License-Identifier: Apache-2.0
/* expr_memory.c - see expr_memory.h. Runs in: command line and supervisor. */
#include "expr_memory.h"

#include <stdint.h>
#include <string.h>

void *expr_alloc(struct expr_memory *mem, size_t size)
{
	size_t limit = mem->limit ? mem->limit : EXPR_MEMORY_MAX;

	if (mem->exceeded || size > limit - mem->used) {
		mem->exceeded = true;
		return NULL;
	}
	mem->used += size;
	return arena_alloc(mem->arena, size ? size : 1);
}

bool expr_reserve(struct expr_memory *mem, void *list, size_t *cap, size_t used, size_t want,
                  size_t size)
{
	void **items = list;
	size_t n = *cap ? *cap : 4, bytes;

	if (want <= *cap)
		return true;
	while (n < want && n <= SIZE_MAX / 2)
		n *= 2;
	if (__builtin_mul_overflow(n, size, &bytes)) {
		mem->exceeded = true;
		return false;
	}
	void *bigger = expr_alloc(mem, bytes);
	if (!bigger)
		return false;
	if (used)
		memcpy(bigger, *items, used * size);
	*items = bigger;
	*cap = n;
	return true;
}

char *expr_strndup(struct expr_memory *mem, const char *text, size_t len)
{
	char *out = len == SIZE_MAX ? NULL : expr_alloc(mem, len + 1);
	if (out && len)
		memcpy(out, text, len);
	return out;
}

/* One byte is always left for the NUL. */
static char *text_room(struct expr_text *out, size_t len)
{
	if (len >= SIZE_MAX - out->len ||
	    !expr_reserve(out->mem, &out->text, &out->cap, out->len, out->len + len + 1, 1)) {
		out->mem->exceeded = true;
		return NULL;
	}
	char *at = out->text + out->len;
	out->len += len;
	return at;
}

void expr_text_add(struct expr_text *out, const char *text, size_t len)
{
	char *at = text_room(out, len);
	if (at && len)
		memcpy(at, text, len);
}

void expr_text_fill(struct expr_text *out, char c, size_t n)
{
	char *at = text_room(out, n);
	if (at)
		memset(at, c, n);
}

bool expr_text_take(struct expr_text *out, const char **ret, size_t *ret_len)
{
	if (out->mem->exceeded || !text_room(out, 0))
		return false;
	out->text[out->len] = '\0';
	*ret = out->text;
	*ret_len = out->len;
	return true;
}
