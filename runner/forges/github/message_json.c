// SPDX-License-Identifier: Apache-2.0
/* message_json.c - see message_json.h.
 *
 * Runs in: agent, courier, and the process of a job. The bytes are a forge's. */
#include "message_json.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LEVELS_MAX = 64 };

static bool is_deeper_than(const json_t *value, unsigned levels)
{
	const char *key;
	json_t *child;
	size_t i;

	if (levels == 0)
		return true;
	if (json_is_array(value)) {
		json_array_foreach(value, i, child)
		{
			if (is_deeper_than(child, levels - 1))
				return true;
		}
	}
	json_object_foreach((json_t *)(uintptr_t)value, key, child)
	{
		if (is_deeper_than(child, levels - 1))
			return true;
	}
	return false;
}

json_t *message_json_load(const char *bytes, size_t len, char *room, size_t size)
{
	json_error_t why;

	if (len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
		bytes += 3;
		len -= 3;
	}
	json_t *root = json_loadb(bytes, len, 0, &why);
	if (!root) {
		(void)snprintf(room, size, "line %d, column %d: %s", why.line, why.column,
		               why.text);
		return NULL;
	}
	if (!is_deeper_than(root, LEVELS_MAX))
		return root;
	(void)snprintf(room, size, "it is nested deeper than %d levels", LEVELS_MAX);
	json_decref(root);
	return NULL;
}

static json_t *by_name(const json_t *object, const char *name, size_t len)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		if (strncasecmp(key, name, len) == 0 && key[len] == '\0')
			return json_is_null(value) ? NULL : value;
	}
	return NULL;
}

json_t *message_member(const json_t *object, const char *name)
{
	json_t *exact = json_object_get(object, name);
	return exact && !json_is_null(exact) ? exact : by_name(object, name, strlen(name));
}

json_t *message_at(const json_t *object, const char *path)
{
	while (object && *path) {
		size_t len = strcspn(path, ".");
		object = by_name(object, path, len);
		path += len + (path[len] == '.');
	}
	return (json_t *)(uintptr_t)object;
}

const char *message_text(const json_t *object, const char *path)
{
	return json_string_value(message_at(object, path));
}

bool message_truth(const json_t *object, const char *path, bool absent)
{
	const json_t *value = message_at(object, path);
	if (json_is_boolean(value))
		return json_is_true(value);
	return json_is_string(value) ? strcasecmp(json_string_value(value), "true") == 0 : absent;
}

long long message_number(const json_t *object, const char *path, long long absent)
{
	const json_t *value = message_at(object, path);
	const char *text = json_string_value(value);
	char *end = NULL;

	if (json_is_integer(value))
		return json_integer_value(value);
	if (!text || !*text)
		return absent;
	long long number = strtoll(text, &end, 10);
	return *end ? absent : number;
}
