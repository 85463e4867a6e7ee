// SPDX-License-Identifier: Apache-2.0
/* message_values.c - see message_values.h.
 *
 * Runs in: the process of one job. The bytes are the forge's, made of what outsiders wrote; fuzzed.
 * How deep they nest is bounded when the document is read. */
#include "message_values.h"

#include "message_json.h"

#include <string.h>

enum value_kind { /* as the wire numbers them */
	          VALUE_TEXT,
	          VALUE_LIST,
	          VALUE_OBJECT,
	          VALUE_TRUTH,
	          VALUE_NUMBER,
	          VALUE_EXACT_OBJECT,
};

static int too_much(struct dd_err *err)
{
	return dd_err_say(err, E2BIG, "the job message: its contexts need too much memory");
}

static int text_value(const json_t *text, struct expr_memory *mem, struct expr_value *ret,
                      struct dd_err *err)
{
	return expr_copy_string(mem, json_string_value(text), json_string_length(text), ret)
	               ? 0
	               : too_much(err);
}

static int list_value(const json_t *list, struct expr_memory *mem, struct expr_value *ret,
                      struct dd_err *err)
{
	const json_t *item;
	size_t i;

	if (!expr_array_new(mem, ret))
		return too_much(err);
	json_array_foreach(list, i, item)
	{
		struct expr_value one;
		int r = message_value(item, mem, &one, err);
		if (r < 0)
			return r;
		if (!expr_array_add(mem, ret->array, one))
			return too_much(err);
	}
	return 0;
}

/* Of two members with one name the last one counts. */
static int object_value(const json_t *pairs, bool exact, struct expr_memory *mem,
                        struct expr_value *ret, struct dd_err *err)
{
	const json_t *pair;
	size_t i;

	if (!expr_object_new(mem, exact, ret))
		return too_much(err);
	json_array_foreach(pairs, i, pair)
	{
		const json_t *key = message_member(pair, "k");
		struct expr_value one;
		if (!json_is_string(key))
			return dd_err_say(err, EINVAL,
			                  "the job message: a member of a context has no name");
		int r = message_value(message_member(pair, "v"), mem, &one, err);
		const size_t len = json_string_length(key);
		const char *name = r == 0 ? expr_strndup(mem, json_string_value(key), len) : NULL;
		if (r < 0)
			return r;
		if (!name || !expr_object_set(mem, ret->object, name, len, one))
			return too_much(err);
	}
	return 0;
}

static int tagged_value(const json_t *value, struct expr_memory *mem, struct expr_value *ret,
                        struct dd_err *err)
{
	const json_t *text = message_member(value, "s");

	switch (message_number(value, "t", message_member(value, "t") ? -1 : VALUE_TEXT)) {
	case VALUE_TEXT:
		if (text && !json_is_string(text))
			break;
		*ret = expr_text("");
		return text ? text_value(text, mem, ret, err) : 0;
	case VALUE_LIST:
		return list_value(message_member(value, "a"), mem, ret, err);
	case VALUE_OBJECT:
		return object_value(message_member(value, "d"), false, mem, ret, err);
	case VALUE_EXACT_OBJECT:
		return object_value(message_member(value, "d"), true, mem, ret, err);
	case VALUE_TRUTH:
		*ret = expr_bool(message_truth(value, "b", false));
		return 0;
	case VALUE_NUMBER:
		*ret = expr_number(json_number_value(message_member(value, "n")));
		return 0;
	default:
		break;
	}
	return dd_err_say(err, EINVAL,
	                  "the job message: a value of a context is of a type that is not known");
}

int message_value(const json_t *value, struct expr_memory *mem, struct expr_value *ret,
                  struct dd_err *err)
{
	*ret = expr_null();
	if (!value || json_is_null(value))
		return 0;
	if (json_is_string(value))
		return text_value(value, mem, ret, err);
	if (json_is_array(value))
		return list_value(value, mem, ret, err);
	if (json_is_object(value))
		return tagged_value(value, mem, ret, err);
	*ret = json_is_boolean(value) ? expr_bool(json_is_true(value))
	                              : expr_number(json_number_value(value));
	return 0;
}
