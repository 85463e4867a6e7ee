// SPDX-License-Identifier: Apache-2.0
/* event_write.c - the struct of an event into the fields of a line, by the table.
 *
 * Runs in: supervisor. The values may be anything that a step made up; which fields there are, and
 * of which type, is ours: a struct that lacks one is a mistake of drydock, and no line is written.
 */
#include "event_write.h"

#include "base/text_escape.h"
#include "drydock/fd.h"

#include <stdlib.h>

/* ---- texts ---- */

/* A text that no reader would take is cut, never left out: what a step or a repository can make
 * long must not make the record unreadable. */
static json_t *text_cut(const char *text, size_t len)
{
	char tail[64];
	size_t keep = FACTS_TEXT_MAX - sizeof(tail);
	int n = snprintf(tail, sizeof(tail), "... (%zu bytes more)", len - keep);
	dd_auto_free char *cut = malloc(keep + sizeof(tail));
	if (!cut)
		return NULL;
	memcpy(cut, text, keep);
	memcpy(cut + keep, tail, (size_t)n);
	return record_text_n(cut, keep + (size_t)n);
}

/* Bytes that are not UTF-8 become four, so the length that counts is the one of the result. */
static json_t *text_json(const char *text)
{
	json_t *v = record_text(text);
	if (!v || json_string_length(v) <= FACTS_TEXT_MAX)
		return v;
	json_t *cut = text_cut(json_string_value(v), json_string_length(v));
	json_decref(v);
	return cut;
}

static json_t *texts_json(const char *const *texts)
{
	json_t *all = json_array();
	for (size_t i = 0; texts[i]; i++)
		if (json_array_append_new(all, text_json(texts[i])) < 0) {
			json_decref(all);
			return NULL;
		}
	return all;
}

static bool is_word(const char *text, const char *const *words)
{
	while (*words && strcmp(text, *words) != 0)
		words++;
	return *words;
}

/* ---- fields ---- */

static json_t *shape_json(const struct event_shape *shape, const void *from, struct dd_err *err);

static json_t *list_json(const struct event_shape *of, const char *items, size_t n,
                         struct dd_err *err)
{
	json_t *all = json_array();
	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(all, shape_json(of, items + i * of->size, err)) < 0) {
			json_decref(all);
			return NULL;
		}
	return all;
}

/* Does the struct leave the field out? What each kind spells as "absent": event_fields.h. */
static bool is_absent(const struct event_field *f, const char *from)
{
	const void *at = from + f->offset;
	if (f->when && !*(const void *const *)(const void *)(from + f->when))
		return true;
	switch (f->kind) {
	case FIELD_TEXT:
	case FIELD_TEXTS:
		return !*(const void *const *)at;
	case FIELD_LIST: /* none of them is an empty list, unless the field may be left out */
		return !*(const void *const *)at &&
		       (f->need == FIELD_MAYBE ||
		        *(const size_t *)(const void *)(from + f->n_offset) > 0);
	case FIELD_COUNT:
		return *(const int64_t *)at < 0;
	case FIELD_PORT:
		return *(const uint16_t *)at == 0 && f->need == FIELD_MAYBE;
	case FIELD_REAL:
		return *(const double *)at < 0;
	case FIELD_MARK:
		return !*(const bool *)at;
	case FIELD_WORD:
		return *(const int *)at <= 0;
	case FIELD_REASON:
		return *(const enum dd_reason *)at == REASON_NONE;
	case FIELD_OBJECT:
		return f->of->known && !*(const bool *)at;
	case FIELD_NUMBER:
	case FIELD_BOOL:
	case FIELD__KINDS:
		break;
	}
	return false;
}

static json_t *text_field(const struct event_field *f, const char *text)
{
	return f->words && !is_word(text, f->words) ? NULL : text_json(text);
}

/* NULL: no memory, or a text that is none of the words. */
static json_t *value_json(const struct event_field *f, const char *from, struct dd_err *err)
{
	const void *at = from + f->offset;
	switch (f->kind) {
	case FIELD_TEXT:
		return text_field(f, *(const char *const *)at);
	case FIELD_TEXTS:
		return texts_json(*(const char *const *const *)at);
	case FIELD_COUNT:
	case FIELD_NUMBER:
		return json_integer(*(const int64_t *)at);
	case FIELD_PORT:
		return json_integer(*(const uint16_t *)at);
	case FIELD_REAL:
		return json_real(*(const double *)at);
	case FIELD_BOOL:
		return json_boolean(*(const bool *)at);
	case FIELD_MARK:
		return json_string(f->words[0]);
	case FIELD_WORD:
		return json_string(f->words[*(const int *)at]);
	case FIELD_REASON:
		return json_string(dd_reason_row(*(const enum dd_reason *)at)->name);
	case FIELD_OBJECT:
		return shape_json(f->of, at, err);
	case FIELD_LIST:
		return list_json(f->of, *(const char *const *)at,
		                 *(const size_t *)(const void *)(from + f->n_offset), err);
	case FIELD__KINDS:
		break;
	}
	return NULL;
}

static json_t *shape_json(const struct event_shape *shape, const void *from, struct dd_err *err)
{
	json_t *object = json_object();
	for (size_t i = 0; object && i < shape->n; i++) {
		const struct event_field *f = &shape->fields[i];
		bool absent = is_absent(f, from);
		if (absent && f->need == FIELD_MAYBE)
			continue;
		json_t *v = !absent                    ? value_json(f, from, err)
		            : f->need == FIELD_OR_NULL ? json_null()
		                                       : NULL;
		if (json_object_set_new(object, f->name, v) < 0) {
			(void)dd_err_say(err, EINVAL,
			                 "the field %s has no value that may stand there", f->name);
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

json_t *event_json(enum event event, const void *what, struct dd_err *err)
{
	return shape_json(&event_rows[event].shape, what, err);
}

/* ---- values of credentials (L-08, C-17) ---- */

static int clean_text(const struct record *rec, json_t *text)
{
	char *clean = NULL;
	int r = !json_is_string(text) ? 0
	                              : record_clean_text(rec, json_string_value(text),
	                                                  json_string_length(text), &clean);
	if (clean)
		r = json_string_set(text, clean);
	free(clean);
	return r;
}

static int clean_shape(const struct record *rec, const struct event_shape *shape, json_t *object);

static int clean_value(const struct record *rec, const struct event_field *f, json_t *value)
{
	int r = 0;
	if (f->kind == FIELD_TEXT && !f->words)
		return clean_text(rec, value);
	if (f->kind == FIELD_OBJECT)
		return clean_shape(rec, f->of, value);
	for (size_t i = 0; r == 0 && i < json_array_size(value); i++)
		r = f->kind == FIELD_LIST ? clean_shape(rec, f->of, json_array_get(value, i))
		                          : clean_text(rec, json_array_get(value, i));
	return r;
}

/* Words of the tables stay: a reader decides by them, and no step can choose one. */
static int clean_shape(const struct record *rec, const struct event_shape *shape, json_t *object)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < shape->n; i++)
		r = clean_value(rec, &shape->fields[i],
		                json_object_get(object, shape->fields[i].name));
	return r;
}

/* Once, where the counting begins. */
static int say_limited(struct record *rec, struct dd_err *err)
{
	return record_record_limited(
		rec, &(struct facts_limited){ .limit_bytes = (int64_t)record_limit_bytes(rec) },
		err);
}

int event_write(struct record *rec, enum event event, const char *step, const char *phase,
                const void *what, struct dd_err *err)
{
	const char *name = event_rows[event].name;
	json_t *fields = event_json(event, what, err);
	if (!fields)
		return dd_err_ctx(err, -EINVAL, "record %s: the event %s", record_path(rec), name);
	if (record_cleans(rec) && clean_shape(rec, &event_rows[event].shape, fields) < 0) {
		json_decref(fields);
		return dd_err_set(err, ENOMEM, "record %s: the event %s", record_path(rec), name);
	}
	int r = record_add(rec, event_rows[event].weight, step, phase, name, fields, err);
	if (r != RECORD_UNTOLD)
		return r;
	return record_untold(rec) == 1 ? say_limited(rec, err) : 0;
}
