// SPDX-License-Identifier: Apache-2.0
/* expr.h - GitHub's expression language: what stands between ${{ and }}, and in `if`.
 *
 * Order of use: expr_parse() once, when a workflow is read, with the contexts and functions that
 * the place offers; expr_eval() each time a value is needed. Both are pure but for the callbacks of
 * the scope. Foreign text decides everything here, so everything is bounded: 21,000 characters, 50
 * levels, GitHub's own account of live memory (10 MiB), ours of all memory, and steps. What is over
 * a bound is an error with a name, never a crash and never a value.
 */
#ifndef RUNNER_EXPR_H
#define RUNNER_EXPR_H

#include "expr_value.h"

/* ---- what a place offers ---- */

enum expr_context { /* bits */
	            EXPR_GITHUB = 1 << 0,
	            EXPR_INPUTS = 1 << 1,
	            EXPR_VARS = 1 << 2,
	            EXPR_NEEDS = 1 << 3,
	            EXPR_STRATEGY = 1 << 4,
	            EXPR_MATRIX = 1 << 5,
	            EXPR_SECRETS = 1 << 6,
	            EXPR_STEPS = 1 << 7,
	            EXPR_JOB = 1 << 8,
	            EXPR_RUNNER = 1 << 9,
	            EXPR_ENV = 1 << 10,
	            EXPR_JOBS = 1 << 11,
	            EXPR_CONTEXT__ALL = (1 << 12) - 1,
};
enum { EXPR_CONTEXTS = 12 };

enum expr_functions { /* bits; those that every place has need none */
	              EXPR_STATUS =
	                      1 << 0, /* always, cancelled, failure, success without arguments */
	              EXPR_JOB_STATUS =
	                      1 << 1, /* the same; failure and success also with ids of jobs */
	              EXPR_HASH_FILES = 1 << 2,
};

struct expr_rules {
	unsigned contexts, functions;
	const char *const *more; /* further contexts by name, NULL-terminated; NULL: none */
};

const char *expr_context_name(unsigned bit);

/* ---- errors ---- */

enum expr_fault {
	EXPR_FAULT_NONE,
	/* lexing */
	EXPR_BAD_SYMBOL,
	/* parsing */
	EXPR_UNEXPECTED_SYMBOL,
	EXPR_UNEXPECTED_END,
	EXPR_UNKNOWN_CONTEXT,
	EXPR_UNKNOWN_FUNCTION,
	EXPR_TOO_FEW,
	EXPR_TOO_MANY,
	EXPR_EVEN,
	EXPR_TOO_LONG,
	EXPR_TOO_DEEP,
	/* evaluation */
	EXPR_BAD_FORMAT,
	EXPR_FORMAT_ARGUMENT,
	EXPR_FORMAT_SPECIFIER,
	EXPR_BAD_JSON,
	EXPR_NOT_A_PREDICATE,
	EXPR_OVER_MEMORY,
	EXPR_OVER_STEPS,
	EXPR_CALLBACK, /* the scope's own words */
	EXPR_FAULT__COUNT
};

enum expr_stage { EXPR_LEXING, EXPR_PARSING, EXPR_EVALUATION };

struct expr_error {
	enum expr_fault fault;
	/* of the symbol, in bytes of the expression; length 0: the whole expression */
	size_t offset, length;
	size_t position; /* the same counted as GitHub counts: from 1, in UTF-16 units; 0 with
	                    length 0 */
	char text[300];  /* a sentence without the place */
};

enum expr_stage expr_fault_stage(enum expr_fault fault);
const char *expr_fault_name(enum expr_fault fault); /* "unexpected symbol", for tests and records */

/* ---- parsing ---- */

enum { EXPR_LENGTH_MAX = 21000, EXPR_DEPTH_MAX = 50 };

struct expr; /* a parsed expression; lives in the arena */

/* @text is copied. Blank text is an expression too, with the value null. -EINVAL with @err. */
int expr_parse(struct plan_arena *arena, const char *text, size_t len,
               const struct expr_rules *rules, const struct expr **ret, struct expr_error *err);

const char *expr_source(const struct expr *expr, size_t *ret_len);
bool expr_is_empty(const struct expr *expr);
/* The whole expression is one literal text: how `${{ '${{' }}` writes what is no expression. */
bool expr_is_literal(const struct expr *expr, struct expr_value *ret);
unsigned expr_height(const struct expr *expr); /* levels of its tree; 0: blank */
/* always, cancelled, failure or success anywhere in it: then a condition gets no implied success().
 */
bool expr_asks_status(const struct expr *expr);
/* Which known contexts it names, as bits. */
unsigned expr_contexts_of(const struct expr *expr);
/* Calls @see with every chain of a context and the properties behind it,
 * "github.event.issue.title", `*` for a filter or a computed index, until it gives false. */
void expr_paths(const struct expr *expr, bool (*see)(void *user, const char *path), void *user);

/* ---- evaluation ---- */

enum expr_status { EXPR_ALWAYS, EXPR_CANCELLED, EXPR_FAILURE, EXPR_SUCCESS };

/* Where names get their values. A callback that fails returns -errno and says why in @err->text. */
struct expr_scope {
	/* The value of the context @name (lower case for known ones); *@ret stays null when there
	 * is none yet. The value must outlive the evaluation. */
	int (*context)(void *user, const char *name, struct expr_value *ret,
	               struct expr_error *err);
	/* @ids: of jobs, as texts; none for the plain question. NULL: as after success. */
	int (*status)(void *user, enum expr_status which, const struct expr_value *ids, size_t n,
	              bool *ret, struct expr_error *err);
	/* Patterns as texts; the digest in hexadecimal, or an empty text, made in @mem. */
	int (*hash_files)(void *user, struct expr_memory *mem, const struct expr_value *patterns,
	                  size_t n, struct expr_value *ret, struct expr_error *err);
	void *user;
	size_t live_max;  /* bytes by GitHub's account; 0 means 10 MiB */
	size_t steps_max; /* 0 means EXPR_STEPS_MAX */
};

enum {
	EXPR_STEPS_MAX = 200 * 1000 * 1000
}; /* a step is a node, an item, or some bytes of text: ~1 s */

/* What it makes lives in @mem, what it finds belongs to the scope. -EINVAL with @err. */
int expr_eval(const struct expr *expr, const struct expr_scope *scope, struct expr_memory *mem,
              struct expr_value *ret, struct expr_error *err);

/* A text and where it is from: written in the workflow, or computed. */
struct expr_piece {
	const char *text; /* with a NUL behind */
	size_t len;
	const char *outsider;  /* as in a value */
	bool written;          /* a literal of the expression itself */
	size_t offset, length; /* of what computed it, in bytes of the expression */
};

/* The value as text, in pieces: a `format` whose format is a literal comes apart into that literal
 * and its arguments, anything else is one piece. */
int expr_eval_pieces(const struct expr *expr, const struct expr_scope *scope,
                     struct expr_memory *mem, struct expr_piece **ret, size_t *ret_n,
                     struct expr_error *err);

#endif
