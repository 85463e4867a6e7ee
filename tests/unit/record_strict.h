// SPDX-License-Identifier: Apache-2.0
/* record_strict.h - an event that a test makes up has no field that drydock would not write. Fewer
 * are fine: an older record has fewer. Types are the reader's business. */
#ifndef TESTS_UNIT_RECORD_STRICT_H
#define TESTS_UNIT_RECORD_STRICT_H

#include "runner/record/event_fields.h"
#include "runner/record/record.h"

static inline void must_have_known_fields(const char *event, json_t *object,
                                          const struct event_shape *shape)
{
	const char *name;
	json_t *value, *one;
	size_t k;
	json_object_foreach(object, name, value)
	{
		const struct event_field *f = shape->fields;
		while (f < shape->fields + shape->n && strcmp(f->name, name) != 0)
			f++;
		if (f == shape->fields + shape->n)
			fail_msg("%s has no field %s: runner/record/event_table.c", event, name);
		if (f->kind == FIELD_OBJECT && json_is_object(value))
			must_have_known_fields(event, value, f->of);
		if (f->kind == FIELD_LIST)
			json_array_foreach(value, k, one) must_have_known_fields(event, one, f->of);
	}
}

static inline void must_be_known(const char *event, json_t *fields)
{
	enum event e = event_named(event);
	if (e == EVENT__COUNT)
		fail_msg("there is no event %s", event);
	must_have_known_fields(event, fields, &event_rows[e].shape);
}

#endif
