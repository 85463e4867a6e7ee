// SPDX-License-Identifier: Apache-2.0
/* expr_value.c - values, coercions and comparisons of GitHub's expression language. Runs in:
 * command line and supervisor, on values that hostile text chose. Pure.
 *
 * Loose comparison: values of one kind compare as that kind; otherwise both become numbers, and
 * what is no number (an array, an object, most texts) is NaN, which is equal to nothing and in no
 * order. */
#include "expr_value.h"

#include "unicode_text.h"

#include "drydock/err.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static const char *const kind_names[] = {
	[EXPR_NULL] = "Null",     [EXPR_BOOL] = "Boolean", [EXPR_NUMBER] = "Number",
	[EXPR_STRING] = "String", [EXPR_ARRAY] = "Array",  [EXPR_OBJECT] = "Object",
};
static_assert(ARRAY_LEN(kind_names) == EXPR_KIND__COUNT, "a kind has no name");

const char *expr_kind_name(enum expr_kind kind)
{
	return (size_t)kind < ARRAY_LEN(kind_names) ? kind_names[kind] : "?";
}

/* ---- making ---- */

struct expr_value expr_null(void)
{
	return (struct expr_value){ .kind = EXPR_NULL };
}

struct expr_value expr_bool(bool truth)
{
	return (struct expr_value){ .kind = EXPR_BOOL, .truth = truth };
}

struct expr_value expr_number(double number)
{
	return (struct expr_value){ .kind = EXPR_NUMBER, .number = number };
}

struct expr_value expr_string(const char *text, size_t len)
{
	return (struct expr_value){ .kind = EXPR_STRING, .text = text, .len = len };
}

struct expr_value expr_text(const char *text)
{
	return text ? expr_string(text, strlen(text)) : expr_null();
}

bool expr_copy_string(struct expr_memory *mem, const char *text, size_t len, struct expr_value *ret)
{
	const char *copy = expr_strndup(mem, text, len);
	if (copy)
		*ret = expr_string(copy, len);
	return copy;
}

bool expr_array_new(struct expr_memory *mem, struct expr_value *ret)
{
	struct expr_array *array = expr_alloc(mem, sizeof(*array));
	if (array)
		*ret = (struct expr_value){ .kind = EXPR_ARRAY, .array = array };
	return array;
}

bool expr_array_add(struct expr_memory *mem, struct expr_array *array, struct expr_value item)
{
	if (!expr_reserve(mem, &array->items, &array->cap, array->n, array->n + 1,
	                  sizeof(*array->items)))
		return false;
	array->items[array->n++] = item;
	return true;
}

bool expr_object_new(struct expr_memory *mem, bool exact_case, struct expr_value *ret)
{
	struct expr_object *object = expr_alloc(mem, sizeof(*object));
	if (!object)
		return false;
	object->exact_case = exact_case;
	*ret = (struct expr_value){ .kind = EXPR_OBJECT, .object = object };
	return true;
}

/* ---- members ---- */

enum {
	FEW_MEMBERS = 8,  /* up to here a walk is faster than an index */
	PROBES_MAX = 256, /* at half-full tables chance does not come near; malice does */
};

/* Whoever chooses keys can choose them to fall together; index_slot() ends that as an error. */
static uint32_t key_hash(const struct expr_object *object, const char *key, size_t len)
{
	uint32_t hash = 2166136261u; /* FNV-1a */
	if (!object->exact_case)
		return text_hash(key, len);
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)key[i]) * 16777619u;
	return hash;
}

static bool key_is(const struct expr_object *object, const struct expr_member *member,
                   const char *key, size_t len, uint32_t hash)
{
	if (member->hash != hash)
		return false;
	return object->exact_case ? member->key_len == len && memcmp(member->key, key, len) == 0
	                          : text_equal(member->key, member->key_len, key, len);
}

/* The slot of @key, or the free one where it belongs; NULL when there are too many on the way. */
static uint32_t *index_slot(const struct expr_object *object, const char *key, size_t len,
                            uint32_t hash)
{
	for (size_t i = 0; i < PROBES_MAX; i++) {
		uint32_t *slot = &object->index[(hash + i) & (object->index_size - 1)];
		if (*slot == 0 || key_is(object, &object->members[*slot - 1], key, len, hash))
			return slot;
	}
	return NULL;
}

static struct expr_member *find_member(const struct expr_object *object, const char *key,
                                       size_t len)
{
	uint32_t hash = key_hash(object, key, len);

	if (object->index) {
		uint32_t *slot = index_slot(object, key, len, hash);
		return slot && *slot ? &object->members[*slot - 1] : NULL;
	}
	for (size_t i = 0; i < object->n; i++)
		if (key_is(object, &object->members[i], key, len, hash))
			return &object->members[i];
	return NULL;
}

static bool index_add(struct expr_object *object, size_t place)
{
	const struct expr_member *member = &object->members[place];
	uint32_t *slot = index_slot(object, member->key, member->key_len, member->hash);
	if (slot)
		*slot = (uint32_t)place + 1;
	return slot;
}

/* At least twice as many slots as members. */
static bool index_grow(struct expr_memory *mem, struct expr_object *object)
{
	size_t size = object->index_size ? object->index_size : 16;

	while (size < 4 * object->n)
		size *= 2;
	object->index = expr_alloc(mem, size * sizeof(*object->index));
	object->index_size = size;
	for (size_t i = 0; object->index && i < object->n; i++)
		if (!index_add(object, i))
			return false;
	return object->index;
}

bool expr_object_set(struct expr_memory *mem, struct expr_object *object, const char *key,
                     size_t key_len, struct expr_value value)
{
	struct expr_member *member = find_member(object, key, key_len);

	if (member) {
		member->value = value;
		return true;
	}
	if (object->n >= UINT32_MAX - 1 ||
	    !expr_reserve(mem, &object->members, &object->cap, object->n, object->n + 1,
	                  sizeof(*object->members)))
		return false;
	object->members[object->n] = (struct expr_member){ .key = key,
		                                           .key_len = key_len,
		                                           .hash = key_hash(object, key, key_len),
		                                           .value = value };
	object->n++;
	bool ok = true;
	if (object->n > FEW_MEMBERS && object->n * 2 > object->index_size)
		ok = index_grow(mem, object);
	else if (object->index)
		ok = index_add(object, object->n - 1);
	mem->exceeded |= !ok;
	return ok;
}

const struct expr_value *expr_object_get(const struct expr_object *object, const char *key,
                                         size_t key_len)
{
	const struct expr_member *member = find_member(object, key, key_len);
	return member ? &member->value : NULL;
}

/* ---- coercions ---- */

bool expr_is_scalar(const struct expr_value *v)
{
	return v->kind != EXPR_ARRAY && v->kind != EXPR_OBJECT;
}

bool expr_is_true(const struct expr_value *v)
{
	switch (v->kind) {
	case EXPR_BOOL:
		return v->truth;
	case EXPR_NUMBER:
		return v->number != 0 && !isnan(v->number);
	case EXPR_STRING:
		return v->len > 0;
	case EXPR_ARRAY:
	case EXPR_OBJECT:
		return true;
	case EXPR_NULL:
	case EXPR_KIND__COUNT:
		break;
	}
	return false;
}

double expr_to_number(const struct expr_value *v)
{
	switch (v->kind) {
	case EXPR_NULL:
		return 0;
	case EXPR_BOOL:
		return v->truth;
	case EXPR_NUMBER:
		return v->number;
	case EXPR_STRING:
		return expr_number_parse(v->text, v->len);
	case EXPR_ARRAY:
	case EXPR_OBJECT:
	case EXPR_KIND__COUNT:
		break;
	}
	return NAN;
}

bool expr_to_string(struct expr_memory *mem, const struct expr_value *v, struct expr_value *ret)
{
	char number[EXPR_NUMBER_TEXT];

	switch (v->kind) {
	case EXPR_STRING:
		*ret = *v;
		return true;
	case EXPR_NUMBER:
		return expr_copy_string(mem, number, expr_number_format(v->number, number), ret);
	case EXPR_BOOL:
		*ret = expr_text(v->truth ? "true" : "false");
		return true;
	case EXPR_ARRAY:
	case EXPR_OBJECT:
		*ret = expr_text(expr_kind_name(v->kind));
		return true;
	case EXPR_NULL:
	case EXPR_KIND__COUNT:
		break;
	}
	*ret = expr_text("");
	return true;
}

/* ---- comparisons ---- */

/* How @a stands to @b: ORDER_NONE is what NaN, and things that are not the same object, are to
 * everything. */
enum order { ORDER_NONE, ORDER_LESS, ORDER_EQUAL, ORDER_GREATER };

static enum order number_order(double a, double b)
{
	return a < b ? ORDER_LESS : a > b ? ORDER_GREATER : a == b ? ORDER_EQUAL : ORDER_NONE;
}

static enum order order_of(const struct expr_value *a, const struct expr_value *b)
{
	if (a->kind == b->kind && a->kind == EXPR_STRING) {
		int r = text_compare(a->text, a->len, b->text, b->len);
		return r < 0 ? ORDER_LESS : r > 0 ? ORDER_GREATER : ORDER_EQUAL;
	}
	if (a->kind == b->kind && a->kind == EXPR_ARRAY)
		return a->array == b->array ? ORDER_EQUAL : ORDER_NONE;
	if (a->kind == b->kind && a->kind == EXPR_OBJECT)
		return a->object == b->object ? ORDER_EQUAL : ORDER_NONE;
	return number_order(expr_to_number(a), expr_to_number(b));
}

bool expr_equal(const struct expr_value *a, const struct expr_value *b)
{
	return order_of(a, b) == ORDER_EQUAL;
}

bool expr_less(const struct expr_value *a, const struct expr_value *b)
{
	return order_of(a, b) == ORDER_LESS;
}

bool expr_greater(const struct expr_value *a, const struct expr_value *b)
{
	return order_of(a, b) == ORDER_GREATER;
}
