// SPDX-License-Identifier: Apache-2.0
/* event_schema.c - the table of events as a JSON Schema: configs/record.schema.json.
 *
 * Runs in: command line. Each event is one definition by its name, complete, so that a validator
 * which knows the event says what is wrong with it, and not that it fits none of seventeen.
 */
#include "event_fields.h"

#include <string.h>

static json_t *shape_schema(const struct event_shape *shape);

static json_t *words_schema(const char *const *words)
{
	json_t *all = json_array();
	for (size_t i = 0; words[i]; i++)
		if (words[i][0])
			(void)json_array_append_new(all, json_string(words[i]));
	return json_pack("{s:s, s:o}", "type", "string", "enum", all);
}

static json_t *reasons_schema(void)
{
	json_t *all = json_array();
	for (unsigned r = REASON_NONE + 1; r < REASON__COUNT; r++)
		(void)json_array_append_new(all, json_string(dd_reason_row(r)->name));
	return json_pack("{s:s, s:o}", "type", "string", "enum", all);
}

/* What a value of the kind looks like. */
static json_t *value_schema(const struct event_field *f)
{
	switch (f->kind) {
	case FIELD_TEXT:
		return f->words ? words_schema(f->words)
		                : json_pack("{s:s, s:i}", "type", "string", "maxLength",
		                            (int)FACTS_TEXT_MAX);
	case FIELD_TEXTS:
		return json_pack("{s:s, s:{s:s}}", "type", "array", "items", "type", "string");
	case FIELD_COUNT:
		return json_pack("{s:s, s:i}", "type", "integer", "minimum", 0);
	case FIELD_NUMBER:
		return json_pack("{s:s}", "type", "integer");
	case FIELD_PORT:
		return json_pack("{s:s, s:i, s:i}", "type", "integer", "minimum", 0, "maximum",
		                 (int)UINT16_MAX);
	case FIELD_REAL:
		return json_pack("{s:s, s:i}", "type", "number", "minimum", 0);
	case FIELD_BOOL:
		return json_pack("{s:s}", "type", "boolean");
	case FIELD_MARK:
	case FIELD_WORD:
		return words_schema(f->words);
	case FIELD_REASON:
		return reasons_schema();
	case FIELD_OBJECT:
		return shape_schema(f->of);
	case FIELD_LIST:
		return json_pack("{s:s, s:o}", "type", "array", "items", shape_schema(f->of));
	case FIELD__KINDS:
		break;
	}
	return NULL;
}

static json_t *field_schema(const struct event_field *f)
{
	json_t *value = value_schema(f);
	if (f->need == FIELD_OR_NULL)
		value = json_pack("{s:[o, {s:s}]}", "anyOf", value, "type", "null");
	(void)json_object_set_new(value, "description",
	                          f->unit ? json_sprintf("%s (%s)", f->says, f->unit)
	                                  : json_string(f->says));
	return value;
}

static void add_fields(const struct event_shape *shape, json_t *properties, json_t *required)
{
	for (size_t i = 0; i < shape->n; i++) {
		const struct event_field *f = &shape->fields[i];
		(void)json_object_set_new(properties, f->name, field_schema(f));
		if (f->need != FIELD_MAYBE)
			(void)json_array_append_new(required, json_string(f->name));
	}
}

static json_t *object_schema(json_t *properties, json_t *required)
{
	return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties,
	                 "required", required, "additionalProperties", false);
}

static json_t *shape_schema(const struct event_shape *shape)
{
	json_t *properties = json_object(), *required = json_array();
	add_fields(shape, properties, required);
	return object_schema(properties, required);
}

/* ---- what every line has ---- */

static json_t *phases_schema(void)
{
	json_t *all = json_array();
	for (enum dd_phase p = 0; p < DD_PHASE__COUNT; p++)
		(void)json_array_append_new(all, json_string(dd_phase_name(p)));
	return json_pack("{s:s, s:o}", "type", "string", "enum", all);
}

static json_t *common_schema(const struct event_row *row, const struct event_common *c)
{
	bool of_step = row->of == EVENT_OF_STEP;
	if (strcmp(c->name, "event") == 0)
		return json_pack("{s:s}", "const", row->name);
	if (strcmp(c->name, "step") == 0)
		return of_step ? json_pack("{s:s}", "type", "string")
		       : row->of == EVENT_OF_SOME_STEP
		               ? json_pack("{s:[s, s]}", "type", "string", "null")
		               : json_pack("{s:s}", "type", "null");
	if (strcmp(c->name, "phase") == 0)
		return of_step ? phases_schema() : json_pack("{s:s}", "type", "null");
	if (strcmp(c->name, "time") == 0)
		return json_pack("{s:s, s:s}", "type", "string", "pattern",
		                 "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
		                 "[.][0-9]{6}Z$");
	if (strcmp(c->name, "prev") == 0)
		return json_pack("{s:s, s:s}", "type", "string", "pattern", "^[0-9a-f]{64}$");
	if (strcmp(c->name, "clock_jump_ms") == 0)
		return json_pack("{s:s}", "type", "integer");
	return c->type == JSON_INTEGER ? json_pack("{s:s, s:i}", "type", "integer", "minimum", 0)
	                               : json_pack("{s:s}", "type", "string");
}

static void add_common(const struct event_row *row, size_t from, size_t to, json_t *properties,
                       json_t *required)
{
	for (size_t i = from; i < to; i++) {
		const struct event_common *c = &event_common[i];
		json_t *one = common_schema(row, c);
		(void)json_object_set_new(one, "description",
		                          c->unit ? json_sprintf("%s (%s)", c->says, c->unit)
		                                  : json_string(c->says));
		(void)json_object_set_new(properties, c->name, one);
		if (!c->may_be_absent)
			(void)json_array_append_new(required, json_string(c->name));
	}
}

static json_t *event_row_schema(const struct event_row *row)
{
	json_t *properties = json_object(), *required = json_array();
	add_common(row, 0, EVENT_COMMON, properties, required);
	add_fields(&row->shape, properties, required);
	json_t *out = object_schema(properties, required);
	(void)json_object_set_new(out, "description", json_string(row->says));
	return out;
}

json_t *event_schema(void)
{
	json_t *defs = json_object(), *any = json_array();
	for (enum event e = 0; e < EVENT__COUNT; e++) {
		(void)json_object_set_new(defs, event_rows[e].name,
		                          event_row_schema(&event_rows[e]));
		(void)json_array_append_new(
			any,
			json_pack("{s:o}", "$ref", json_sprintf("#/$defs/%s", event_rows[e].name)));
	}
	return json_pack("{s:s, s:s, s:s, s:o, s:o}", "$schema",
	                 "https://json-schema.org/draft/2020-12/schema", "title",
	                 "One line of a record of drydock", "description",
	                 "What this version writes. Another one may have more events and fields: a "
	                 "reader skips what it does not know.",
	                 "oneOf", any, "$defs", defs);
}
