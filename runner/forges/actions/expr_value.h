// SPDX-License-Identifier: Apache-2.0
/* expr_value.h - the values of GitHub's expression language, with its coercions and comparisons,
 * and who may have written them.
 *
 * Six kinds. Texts carry a length, may hold a NUL, and always have one behind them. Arrays and
 * objects are the same value only when they are the same object. Members keep their order; keys
 * ignore case unless the object says otherwise (`env`).
 *
 * `outsider` is the origin: the first context path, such as "github.event.pull_request.title", that
 * somebody without write access could fill and that this text is made of. It follows texts through
 * format, join, toJSON and fromJSON. NULL: no outsider had a hand in it. Truth values and numbers
 * never carry one, for they cannot hold text.
 */
#ifndef RUNNER_EXPR_VALUE_H
#define RUNNER_EXPR_VALUE_H

#include "expr_memory.h"

#include <stdint.h>

enum expr_kind {
	EXPR_NULL, /* zero: what is absent */
	EXPR_BOOL,
	EXPR_NUMBER,
	EXPR_STRING,
	EXPR_ARRAY,
	EXPR_OBJECT,
	EXPR_KIND__COUNT
};

struct expr_array;
struct expr_object;

struct expr_value {
	enum expr_kind kind;
	const char
		*outsider; /* of texts, and of arrays and objects whose shape or keys are theirs */
	union {
		bool truth;
		double number;
		struct {
			const char *text;
			size_t len;
		};
		struct expr_array *array;
		struct expr_object *object;
	};
};

struct expr_array {
	struct expr_value *items;
	size_t n, cap;
	bool filtered; /* made by `.*`: the next index goes to every item */
};

struct expr_member {
	const char *key;
	size_t key_len;
	uint32_t hash;
	struct expr_value value;
};

struct expr_object {
	struct expr_member *members;
	size_t n, cap;
	uint32_t *index; /* places in members, plus one, by hash; NULL while there are few */
	size_t index_size;
	bool exact_case;
};

/* ---- making; @mem owns all of it, texts are not copied ---- */

struct expr_value expr_null(void);
struct expr_value expr_bool(bool truth);
struct expr_value expr_number(double number);
struct expr_value expr_string(const char *text, size_t len); /* a NUL stands at text[len] */
struct expr_value expr_text(const char *text);               /* NULL gives null */
bool expr_copy_string(struct expr_memory *mem, const char *text, size_t len,
                      struct expr_value *ret);

bool expr_array_new(struct expr_memory *mem, struct expr_value *ret);
bool expr_array_add(struct expr_memory *mem, struct expr_array *array, struct expr_value item);
bool expr_object_new(struct expr_memory *mem, bool exact_case, struct expr_value *ret);
/* A key that is there keeps its place and spelling and gets the new value. Keys are not copied.
 * False when over the limit, or when keys were chosen to fall on one another. */
bool expr_object_set(struct expr_memory *mem, struct expr_object *object, const char *key,
                     size_t key_len, struct expr_value value);
/* The member's value, or NULL. */
const struct expr_value *expr_object_get(const struct expr_object *object, const char *key,
                                         size_t key_len);

/* ---- reading ---- */

const char *expr_kind_name(
	enum expr_kind kind); /* "Null" "Boolean" "Number" "String" "Array" "Object" */
bool expr_is_scalar(const struct expr_value *v);
bool expr_is_true(const struct expr_value *v); /* all but null, false, 0, NaN and the empty text */
double expr_to_number(const struct expr_value *v);
/* null is empty; arrays and objects are the words "Array" and "Object". False when over the limit.
 */
bool expr_to_string(struct expr_memory *mem, const struct expr_value *v, struct expr_value *ret);

bool expr_equal(const struct expr_value *a, const struct expr_value *b);
bool expr_less(const struct expr_value *a, const struct expr_value *b);
bool expr_greater(const struct expr_value *a, const struct expr_value *b);

/* ---- numbers (expr_number.c) ---- */

enum { EXPR_NUMBER_TEXT = 32 };
/* Blanks around it are ignored, the empty text is 0; decimal with exponent, 0x and 0o in 32 bits
 * with sign, Infinity and NaN in exactly that spelling. Everything else is NaN. A NUL at text[len].
 */
double expr_number_parse(const char *text, size_t len);
/* At most 15 digits, exponent from 1E+15 and below 1E-4 on; -0 is 0. Returns the length. */
size_t expr_number_format(double number, char out[EXPR_NUMBER_TEXT]);

/* ---- JSON (expr_json.c) ---- */

enum { EXPR_JSON_DEPTH = 100 };
/* RFC 8259 and nothing else; of equal keys the last one wins. -EINVAL with *@ret_at, the offset of
 * what is wrong, and *@ret_why; -ENOMEM when over the limit. What it makes carries @outsider. */
int expr_json_parse(struct expr_memory *mem, const char *text, size_t len, const char *outsider,
                    struct expr_value *ret, size_t *ret_at, const char **ret_why);
/* Indented by two blanks, as toJSON does. @piece, when given, is told the size of every piece. The
 * result carries the origin of everything in it. */
bool expr_json_write(struct expr_memory *mem, const struct expr_value *v,
                     bool (*piece)(void *user, size_t units), void *user, struct expr_value *ret);

#endif
