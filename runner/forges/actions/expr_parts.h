// SPDX-License-Identifier: Apache-2.0
/* expr_parts.h - what lexer, parser, evaluator and functions share; only expr_*.c and template.c
 * include it. */
#ifndef RUNNER_EXPR_PARTS_H
#define RUNNER_EXPR_PARTS_H

#include "expr.h"

/* ---- tokens (expr_lex.c) ---- */

enum token_kind {
	TOKEN_NONE, /* before the first one */
	TOKEN_GROUP_OPEN,
	TOKEN_INDEX_OPEN,
	TOKEN_CALL_OPEN,
	TOKEN_GROUP_CLOSE,
	TOKEN_INDEX_CLOSE,
	TOKEN_CALL_CLOSE,
	TOKEN_COMMA,
	TOKEN_DOT,
	TOKEN_STAR,
	TOKEN_NOT,
	TOKEN_BINARY, /* which one: op */
	TOKEN_LITERAL,
	TOKEN_PROPERTY,
	TOKEN_FUNCTION,
	TOKEN_CONTEXT,
	TOKEN__COUNT
};

enum expr_op {
	OP_NONE,
	OP_OR,
	OP_AND,
	OP_EQUAL,
	OP_NOT_EQUAL,
	OP_LESS,
	OP_LESS_EQUAL,
	OP_GREATER,
	OP_GREATER_EQUAL,
};

struct token {
	enum token_kind kind;
	enum expr_op op;
	size_t at, len;          /* bytes of the source */
	struct expr_value value; /* of a literal; the name of a property, function or context */
};

struct lexer {
	struct plan_arena *arena;
	const char *text;
	size_t len, at;
	struct token last;
	/* open brackets, innermost last */
	enum token_kind *open;
	size_t n_open;
};

/* 1 with a token, 0 at the end, -EINVAL with @err. */
int lex_next(struct lexer *lexer, struct token *ret, struct expr_error *err);
void expr_fault_at(struct expr_error *err, enum expr_fault fault, const char *source, size_t at,
                   size_t len);

/* ---- tree (expr_parse.c) ---- */

enum node_kind {
	NODE_LITERAL,
	NODE_CONTEXT,
	NODE_STAR,
	NODE_NOT,
	NODE_BINARY,
	NODE_ALL, /* a && b && c */
	NODE_ANY, /* a || b || c */
	NODE_INDEX,
	NODE_CALL,
};

struct function_row;

struct expr_node {
	enum node_kind kind;
	enum expr_op op;
	unsigned height;
	size_t at, len;          /* of its token */
	struct expr_value value; /* literal; the context's name */
	const struct function_row *function;
	struct expr_node *first, *last,
		*next; /* operands, as a list: chains are joined end to end */
	size_t n;
	const struct expr_node **args; /* of a call: the same as an array */
};

struct expr {
	const char *text;
	size_t len;
	const struct expr_node *root; /* NULL: blank */
	unsigned contexts;
	bool asks_status;
};

/* ---- evaluation (expr_eval.c) ---- */

struct eval {
	const struct expr *expr;
	const struct expr_scope *scope;
	struct expr_memory *mem;
	struct expr_error *err;
	size_t steps, steps_max, live, live_max;
	size_t live_at[EXPR_DEPTH_MAX + 2]; /* by level of the tree */
	unsigned deepest;
	struct expr_piece *pieces; /* of the outermost format, when they are asked for */
	size_t n_pieces, cap_pieces;
	bool wants_pieces;
};

/* Each is false with e->err set. */
bool eval_node(struct eval *e, const struct expr_node *node, unsigned level,
               struct expr_value *ret);
bool eval_string(struct eval *e, const struct expr_node *node, unsigned level,
                 struct expr_value *ret);
bool eval_steps(struct eval *e, size_t steps);
bool eval_over_memory(struct eval *e);
bool eval_add_piece(struct eval *e, struct expr_piece piece);
__attribute__((format(printf, 4, 5))) bool eval_fault(struct eval *e, enum expr_fault fault,
                                                      const struct expr_node *node, const char *fmt,
                                                      ...);
/* One function's own account of what it builds, as GitHub has it: units of text plus a head each.
 */
struct eval_piece {
	struct eval *e;
	size_t used;
};
bool eval_piece_add(void *piece, size_t units);

/* ---- functions (expr_functions.c) ---- */

enum { ARGS_MAX = 255, ARGS_ANY = 21000 };

struct function_row {
	const char *name;
	bool (*call)(struct eval *e, const struct expr_node *node, unsigned level,
	             struct expr_value *ret);
	unsigned needs; /* one of these bits of enum expr_functions; 0: there everywhere */
	unsigned short min, max;
	bool status; /* asks how things went so far */
};

/* NULL when there is none of that name in such a place. */
const struct function_row *expr_function(const char *name, size_t len, unsigned functions);
/* How many arguments it takes there. */
unsigned expr_function_max(const struct function_row *row, unsigned functions);

#endif
