// SPDX-License-Identifier: Apache-2.0
/* event_read.c - the fields of a record's line into the struct of its event, by the table.
 *
 * Runs in: command line. The line is foreign: a text that C would read differently (a NUL inside)
 * is refused, not shortened. */
#include "event_read.h"

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

static int field_number(struct plan_arena *arena, json_t *v, void *to)
{
	(void)arena;
	if (!json_is_integer(v))
		return -EBADMSG;
	*(int64_t *)to = json_integer_value(v);
	return 0;
}

static int field_reason(struct plan_arena *arena, json_t *v, void *to)
{
	(void)arena;
	if (!json_is_string(v))
		return -EBADMSG;
	*(enum dd_reason *)to = dd_reason_by_name(json_string_value(v));
	return 0;
}

static const struct kind_row {
	int (*read)(struct plan_arena *arena, json_t *v, void *to);
	const char *expected;
} kind_rows[] = {
	[FIELD_TEXT] = { field_text, "a text without NUL of at most 64 KiB" },
	[FIELD_TEXTS] = { field_texts, "a list of texts" },
	[FIELD_COUNT] = { field_count, "a whole number, not negative" },
	[FIELD_NUMBER] = { field_number, "a whole number" },
	[FIELD_PORT] = { field_port, "a port" },
	[FIELD_REAL] = { field_real, "a number, not negative" },
	[FIELD_BOOL] = { field_bool, "true or false" },
	[FIELD_MARK] = { NULL, "a text" },
	[FIELD_WORD] = { NULL, "a text" },
	[FIELD_REASON] = { field_reason, "a text" },
	[FIELD_OBJECT] = { NULL, "an object" },
	[FIELD_LIST] = { NULL, "a list" },
};
static_assert(ARRAY_LEN(kind_rows) == FIELD__KINDS, "a kind has no row");

static int wrong_type(const struct facts_reading *r, const struct event_field *f)
{
	return dd_err_say(r->err, EBADMSG, "the field %s is not %s", f->name,
	                  kind_rows[f->kind].expected);
}

static int wrong_word(const struct facts_reading *r, const struct event_field *f)
{
	char words[200] = "";
	for (size_t i = 0; f->words[i]; i++)
		if (f->words[i][0])
			(void)snprintf(words + strlen(words), sizeof(words) - strlen(words), "%s%s",
			               words[0] ? ", " : "", f->words[i]);
	return dd_err_say(r->err, EBADMSG, "the field %s is none of %s", f->name, words);
}

/* The place of a word in its list; -1: not there. */
static int word_index(const struct event_field *f, const char *text)
{
	for (int i = 0; f->words[i]; i++)
		if (f->words[i][0] && strcmp(f->words[i], text) == 0)
			return i;
	return -1;
}

/* An empty word counts as none: a client that said nothing was written so once. */
static int read_word(const struct facts_reading *r, const struct event_field *f, const json_t *v,
                     void *to)
{
	const char *text = json_string_value(v);
	if (!text)
		return wrong_type(r, f);
	int i = word_index(f, text);
	if (i < 0 && *text)
		return wrong_word(r, f);
	if (f->kind == FIELD_MARK)
		*(bool *)to = i == 0;
	else
		*(int *)to = i < 0 ? 0 : i;
	return 0;
}

static int read_list(const struct facts_reading *r, const struct event_field *f, json_t *list,
                     char *out)
{
	const struct event_shape *of = f->of;
	json_t *one;
	size_t i;
	if (!json_is_array(list))
		return wrong_type(r, f);
	char *items = arena_array(r->arena, json_array_size(list) + 1, of->size);
	json_array_foreach(list, i, one)
	{
		if (!json_is_object(one))
			return dd_err_say(r->err, EBADMSG, "an item of %s is not an object",
			                  f->name);
		int code = event_read_shape(r, one, of, items + i * of->size);
		if (code < 0)
			return code;
	}
	*(void **)(void *)(out + f->offset) = items;
	*(size_t *)(void *)(out + f->n_offset) = json_array_size(list);
	return 0;
}

static int read_object(const struct facts_reading *r, const struct event_field *f, json_t *v,
                       void *to)
{
	if (!json_is_object(v))
		return wrong_type(r, f);
	int code = event_read_shape(r, v, f->of, to);
	if (code == 0 && f->of->known)
		*(bool *)to = true;
	return code;
}

static int read_field(const struct facts_reading *r, const struct event_field *f, json_t *v,
                      char *out)
{
	void *to = out + f->offset;
	if (f->kind == FIELD_OBJECT)
		return read_object(r, f, v, to);
	if (f->kind == FIELD_LIST)
		return read_list(r, f, v, out);
	if (f->kind == FIELD_MARK || f->kind == FIELD_WORD)
		return read_word(r, f, v, to);
	if (f->kind == FIELD_TEXT && f->words && json_is_string(v) &&
	    word_index(f, json_string_value(v)) < 0)
		return wrong_word(r, f);
	return kind_rows[f->kind].read(r->arena, v, to) < 0 ? wrong_type(r, f) : 0;
}

static int read_fields(const struct facts_reading *r, json_t *object,
                       const struct event_shape *shape, void *out)
{
	for (size_t i = 0; i < shape->n; i++) {
		json_t *v = json_object_get(object, shape->fields[i].name);
		if (!v || json_is_null(v))
			continue;
		int code = read_field(r, &shape->fields[i], v, out);
		if (code < 0)
			return code;
	}
	return 0;
}

int event_read_shape(const struct facts_reading *r, json_t *object, const struct event_shape *shape,
                     void *out)
{
	memcpy(out, shape->empty, shape->size);
	return read_fields(r, object, shape, out);
}

int event_read(const struct facts_reading *r, json_t *line, enum event event, void *out)
{
	return read_fields(r, line, &event_rows[event].shape, out);
}

struct facts_at event_at(json_t *line)
{
	return (struct facts_at){ .seq = (uint64_t)json_integer_value(json_object_get(line, "seq")),
		                  .mono_ns = json_integer_value(json_object_get(line, "mono_ns")) };
}

int event_read_text(const struct facts_reading *r, json_t *line, const char *name, const char **ret)
{
	json_t *v = json_object_get(line, name);
	*ret = NULL;
	return !v || json_is_null(v) || read_text(r->arena, v, ret) == 0
	               ? 0
	               : dd_err_say(r->err, EBADMSG, "the field %s is not %s", name,
	                            kind_rows[FIELD_TEXT].expected);
}
