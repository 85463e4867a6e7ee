// SPDX-License-Identifier: Apache-2.0
/* record_fields.c - reads the fields of a record's line by a table.
 *
 * Runs in: command line. The line is foreign: a text that C would read differently (a NUL inside)
 * is refused, not shortened. */
#include "record_fields.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static int read_text(struct plan_arena *arena, const json_t *v, const char **ret)
{
	size_t len = json_string_length(v);
	const char *text = json_string_value(v);
	if (!text || len > FACTS_TEXT_MAX || strlen(text) != len)
		return -EBADMSG;
	*ret = arena_strndup(arena, text, len);
	return 0;
}

static int field_text(struct plan_arena *arena, json_t *v, void *to)
{
	return read_text(arena, v, to);
}

static int field_count(struct plan_arena *arena, json_t *v, void *to)
{
	(void)arena;
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return -EBADMSG;
	*(int64_t *)to = json_integer_value(v);
	return 0;
}

static int field_port(struct plan_arena *arena, json_t *v, void *to)
{
	(void)arena;
	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > UINT16_MAX)
		return -EBADMSG;
	*(uint16_t *)to = (uint16_t)json_integer_value(v);
	return 0;
}

static int field_bool(struct plan_arena *arena, json_t *v, void *to)
{
	(void)arena;
	if (!json_is_boolean(v))
		return -EBADMSG;
	*(bool *)to = json_is_true(v);
	return 0;
}

static int field_real(struct plan_arena *arena, json_t *v, void *to)
{
	(void)arena;
	if (!json_is_number(v) || !isfinite(json_number_value(v)) || json_number_value(v) < 0)
		return -EBADMSG;
	*(double *)to = json_number_value(v);
	return 0;
}

static int field_texts(struct plan_arena *arena, json_t *v, void *to)
{
	if (!json_is_array(v))
		return -EBADMSG;
	size_t n = json_array_size(v);
	const char **texts = arena_array(arena, n + 1, sizeof(*texts));
	for (size_t i = 0; i < n; i++)
		if (read_text(arena, json_array_get(v, i), &texts[i]) < 0)
			return -EBADMSG;
	*(const char *const **)to = texts;
	return 0;
}

static const struct kind_row {
	int (*read)(struct plan_arena *arena, json_t *v, void *to);
	const char *expected;
} kind_rows[] = {
	[FIELD_TEXT] = { field_text, "a text without NUL of at most 64 KiB" },
	[FIELD_COUNT] = { field_count, "a whole number, not negative" },
	[FIELD_PORT] = { field_port, "a port" },
	[FIELD_BOOL] = { field_bool, "true or false" },
	[FIELD_REAL] = { field_real, "a number, not negative" },
	[FIELD_TEXTS] = { field_texts, "a list of texts" },
};
static_assert(ARRAY_LEN(kind_rows) == FIELD__KINDS, "a kind has no reader");

int fields_rows(const struct facts_reading *r, json_t *object, const struct field_row *rows,
                size_t n, void *out)
{
	for (size_t i = 0; i < n; i++) {
		json_t *v = json_object_get(object, rows[i].name);
		const struct kind_row *kind = &kind_rows[rows[i].kind];
		if (!v || json_is_null(v))
			continue;
		if (kind->read(r->arena, v, (char *)out + rows[i].offset) < 0)
			return dd_err_say(r->err, EBADMSG, "the field %s is not %s", rows[i].name,
			                  kind->expected);
	}
	return 0;
}

int fields_member(const struct facts_reading *r, json_t *object, const char *name, json_type type,
                  json_t **ret)
{
	json_t *v = json_object_get(object, name);
	*ret = NULL;
	if (!v || json_is_null(v))
		return 0;
	if (json_typeof(v) != type)
		return dd_err_say(r->err, EBADMSG, "the field %s is not %s", name,
		                  type == JSON_OBJECT ? "an object" : "a list");
	*ret = v;
	return 0;
}

int fields_list(const struct facts_reading *r, json_t *object, const char *name,
                const struct field_row *rows, size_t n_rows, const void *empty, size_t size,
                void **ret, size_t *ret_n)
{
	json_t *list, *one;
	size_t i;
	int code = fields_member(r, object, name, JSON_ARRAY, &list);
	if (code < 0 || !list)
		return code;
	char *items = arena_array(r->arena, json_array_size(list) + 1, size);
	json_array_foreach(list, i, one)
	{
		memcpy(items + i * size, empty, size);
		if (!json_is_object(one))
			return dd_err_say(r->err, EBADMSG, "an item of %s is not an object", name);
		if ((code = fields_rows(r, one, rows, n_rows, items + i * size)) < 0)
			return code;
	}
	*ret = items;
	*ret_n = json_array_size(list);
	return 0;
}

struct facts_at fields_at(json_t *line)
{
	return (struct facts_at){ .seq = (uint64_t)json_integer_value(json_object_get(line, "seq")),
		                  .mono_ns = json_integer_value(json_object_get(line, "mono_ns")) };
}
