// SPDX-License-Identifier: Apache-2.0
/* key_table.h - one walker for every map that people write: a table says which keys there are and
 * who reads them.
 *
 * Unknown keys, wrong kinds, missing keys and known but unsupported keys are complaints with
 * positions and the nearest key as a hint.
 */
#ifndef RUNNER_KEY_TABLE_H
#define RUNNER_KEY_TABLE_H

#include "yaml_tree.h"

/* What a handler may use; the reader of each file kind puts it first in a struct of its own. */
struct key_context {
	struct plan_arena *arena;
	const char *source; /* bytes of the file, for positions inside scalars */
	struct diag_list *diags;
	/* workflow: what is understood, but not by `run` of this build (`${{`, rows with why_not);
	 * NULL: no such language */
	struct diag_list *notes;
};

struct key_row {
	const char *name;
	/* NULL: accepted and ignored */
	void (*read)(struct key_context *ctx, const struct tree_node *value, void *out);
	/* what to do instead: of a complaint with kinds == 0, of a note otherwise; may be NULL */
	const char *why_not;
	unsigned kinds; /* bits of enum tree_kind; 0 = known, but not supported yet */
	bool required;
};

/* The rows of one kind of map; policy_tables.c lists those of a policy for tools and tests. */
struct key_table {
	const struct key_row *rows;
	size_t n;
};

/* @where for messages: "phases.fetch". False when @node is no map (complained). */
bool key_walk(struct key_context *ctx, const struct tree_node *node, const char *where,
              const struct key_row *rows, size_t n, void *out);

/* Scalars; each complains and returns NULL/false when the node is something else. */
const char *key_text(struct key_context *ctx, const struct tree_node *node,
                     const char *what); /* not empty, not null */
bool key_bool(struct key_context *ctx, const struct tree_node *node, const char *what, bool *ret);
bool key_kind(struct key_context *ctx, const struct tree_node *node, unsigned kinds,
              const char *what);
/* The index of the scalar in @words, or -1 with a complaint that lists them. */
int key_word(struct key_context *ctx, const struct tree_node *node, const char *what,
             const char *const *words, size_t n);
/* One scalar or a list of scalars, NULL-terminated. */
const char *const *key_texts(struct key_context *ctx, const struct tree_node *node,
                             const char *what, size_t *ret_n);
/* True (and a note at its exact place) when the scalar holds an expression; it stays text. */
bool key_has_expression(struct key_context *ctx, const struct tree_node *node);
bool key_is_variable_name(const char *name); /* [A-Za-z_][A-Za-z0-9_]* */
/* What a workflow may set besides: GitHub takes `cache-name` and `a.b` too, and so do programs,
 * though no shell can name them. */
bool key_is_env_name(const char *name);

#endif
