// SPDX-License-Identifier: Apache-2.0
/* template.h - a workflow's values between file and run: what is written, with the expressions in
 * it.
 *
 * Order of use: template_of_tree() turns YAML into nodes with types; schema_apply() (schema.h)
 * holds them against what a place allows and takes the expressions in texts apart;
 * template_resolve(), template_value() and template_pieces() compute them when their contexts are
 * known. Nodes know where they stand, also those that an expression gave: they stand where it does.
 */
#ifndef RUNNER_TEMPLATE_H
#define RUNNER_TEMPLATE_H

#include "input/yaml_tree.h"
#include "wf_error.h"

enum template_kind { /* numbered as on GitHub's wire */
	             TEMPLATE_STRING = 0,
	             TEMPLATE_LIST = 1,
	             TEMPLATE_MAP = 2,
	             TEMPLATE_EXPRESSION = 3,
	             TEMPLATE_INSERT =
	                     4, /* ${{ insert }} as a key: the members of its value belong here */
	             TEMPLATE_BOOL = 5,
	             TEMPLATE_NUMBER = 6,
	             TEMPLATE_NULL = 7,
};

/* Literal text, or one ${{ }} of it. */
struct template_part {
	const struct expr *expr; /* NULL: literal */
	const char *text;        /* of a literal with a NUL behind */
	size_t len;
	struct diag_mark at; /* of the ${{ */
};

struct template_pair;

struct template_node {
	enum template_kind kind;
	struct diag_mark mark;
	const char *outsider; /* of a text that was computed; see expr_value.h */
	/* texts: the text; expressions: GitHub's one-expression form, "format('a {0}', x)" */
	const char *text;
	size_t len;
	struct template_part *parts; /* of an expression; one part: its value keeps its type */
	struct template_node **items;
	struct template_pair *pairs;
	size_t n; /* of parts, items or pairs */
	double number;
	bool truth;
	/* NULL, or why this scalar has no value: a tag that is unknown or does not fit. Fatal when
	 * met. */
	const char *bad;
	enum wf_class bad_class;
	const struct tree_node *tree; /* where it was read from; NULL: computed */
};

struct template_pair {
	struct template_node *key, *value;
};

/* YAML 1.2 core: null, booleans, integers (also 0x, 0o), floats of plain scalars; everything quoted
 * is text. Explicit tags str, bool, int, float, null. */
struct template_node *template_of_tree(struct plan_arena *arena, const struct tree_node *tree);

/* The value of @key in a map, or NULL. Case counts. */
const struct template_node *template_get(const struct template_node *map, const char *key);
bool template_is(const struct template_node *node, const char *text); /* a text, and exactly that */
bool template_has_expression(const struct template_node *node);       /* anywhere in it */
bool template_is_collection(const struct template_node *node);
/* A scalar as text: "true", "3.1", "". For messages and coercions. */
const char *template_text(struct plan_arena *arena, const struct template_node *node);

/* ---- taking texts apart ---- */

struct template_split {
	struct plan_arena *arena;
	const char *source; /* of the file, for places inside scalars; may be NULL */
	struct wf_errors *errors;
};

/* @node, when it holds no ${{; the text of ${{ 'literal' }}; or an expression, or an insert. With
 * an error it is @node as it was, and @ret_failed tells. @node stays. */
struct template_node *template_split(struct template_split *split, struct template_node *node,
                                     const struct expr_rules *rules, bool *ret_failed);
/* A condition: with or without ${{ }}, with success() && in front where it asks for no status.
 * Blank or NULL is success(). NULL with an error. */
struct template_node *template_condition(struct template_split *split,
                                         const struct template_node *node,
                                         const struct expr_rules *rules);

/* ---- computing ---- */

/* The value of one scalar or collection; an expression alone keeps its type. -EINVAL with errors.
 */
int template_value(const struct template_node *node, const struct expr_scope *scope,
                   struct expr_memory *mem, struct expr_value *ret, struct wf_errors *errors);
/* A scalar as text; arrays and objects are errors. */
int template_string(const struct template_node *node, const struct expr_scope *scope,
                    struct expr_memory *mem, struct expr_value *ret, struct wf_errors *errors);
/* The same node without expressions: `insert` spliced, values in their place. */
int template_resolve(const struct template_node *node, const struct expr_scope *scope,
                     struct expr_memory *mem, struct template_node **ret, struct wf_errors *errors);
/* A node for a value, standing at @mark. NULL when over the limit. */
struct template_node *template_of_value(struct expr_memory *mem, const struct expr_value *value,
                                        struct diag_mark mark);

/* A text in pieces, for whoever must not mix what was written with what was computed. */
struct template_piece {
	const char *text; /* with a NUL behind */
	size_t len;
	const char *outsider;   /* the path that an outsider can write, or NULL */
	bool written;           /* literal text of the workflow */
	const char *expression; /* what computed it, for messages; NULL when written */
	size_t expression_len;
	struct diag_mark at;
};

int template_pieces(const struct template_node *node, const struct expr_scope *scope,
                    struct expr_memory *mem, struct template_piece **ret, size_t *ret_n,
                    struct wf_errors *errors);

#endif
