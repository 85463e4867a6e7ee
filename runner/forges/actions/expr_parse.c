// SPDX-License-Identifier: Apache-2.0
/* expr_parse.c - words into a tree. Runs in: command line and supervisor; reads commit content,
 * fuzzed.
 *
 * Operands and operators wait on two stacks until something that binds less follows, so no text,
 * however many brackets it opens, costs stack of ours. Names are checked as they come: an unknown
 * function is an error also in a branch that would never be taken. */
#include "expr_parts.h"

#include "unicode_text.h"

#include "drydock/err.h"

#include <ctype.h>
#include <string.h>

struct parser {
	struct plan_arena *arena;
	const struct expr_rules *rules;
	struct expr *expr;
	struct expr_error *err;
	struct expr_node **operands;
	struct token *operators;
	size_t n_operands, n_operators;
	struct token last;
};

/* ---- names ---- */

static const char *const context_names[EXPR_CONTEXTS] = {
	"github",  "inputs", "vars", "needs",  "strategy", "matrix",
	"secrets", "steps",  "job",  "runner", "env",      "jobs",
};

static bool same_name(const char *name, const char *text, size_t len)
{
	return strlen(name) == len && strncasecmp(name, text, len) == 0;
}

const char *expr_context_name(unsigned bit)
{
	for (size_t i = 0; i < EXPR_CONTEXTS; i++)
		if (bit == 1u << i)
			return context_names[i];
	return "?";
}

/* Its bit, 0 when unknown or not offered here. */
static unsigned context_bit(const struct expr_rules *rules, const char *text, size_t len)
{
	for (unsigned i = 0; i < EXPR_CONTEXTS; i++)
		if (same_name(context_names[i], text, len))
			return rules->contexts & 1u << i;
	return 0;
}

static const char *other_context(const struct expr_rules *rules, const char *text, size_t len)
{
	for (size_t i = 0; rules->more && rules->more[i]; i++)
		if (same_name(rules->more[i], text, len))
			return rules->more[i];
	return NULL;
}

/* ---- faults ---- */

static bool parse_fault(struct parser *p, enum expr_fault fault, const struct token *token,
                        const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static bool parse_fault(struct parser *p, enum expr_fault fault, const struct token *token,
                        const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	expr_fault_at(p->err, fault, p->expr->text, token ? token->at : 0, token ? token->len : 0);
	(void)vsnprintf(p->err->text, sizeof(p->err->text), fmt, ap);
	va_end(ap);
	return false;
}

/* Whether it is a name at all decides what to say. */
static bool unknown_context(struct parser *p, const struct token *token)
{
	const struct expr_rules all = { .contexts = EXPR_CONTEXT__ALL };
	const char *name = token->value.text;
	char offered[200] = "";

	if (!context_bit(&all, name, token->value.len))
		return parse_fault(p, EXPR_UNKNOWN_CONTEXT, token,
		                   "`%.100s` is neither a context nor, without (), a function",
		                   name);
	for (unsigned i = 0; i < EXPR_CONTEXTS; i++) {
		size_t used = strlen(offered);
		if (p->rules->contexts & 1u << i)
			(void)snprintf(offered + used, sizeof(offered) - used, "%s%s",
			               used ? ", " : "", context_names[i]);
	}
	return parse_fault(p, EXPR_UNKNOWN_CONTEXT, token, "`%.100s` is not available here; %s%s",
	                   name, offered[0] ? "what is: " : "nothing is", offered);
}

static bool unknown_function(struct parser *p, const struct token *token)
{
	const char *name = token->value.text;
	bool elsewhere = expr_function(name, token->value.len, ~0u);

	return parse_fault(p, EXPR_UNKNOWN_FUNCTION, token,
	                   elsewhere ? "`%.100s()` is not available here"
	                             : "there is no function `%.100s`",
	                   name);
}

/* ---- stacks ---- */

static void push_operand(struct parser *p, struct expr_node *node)
{
	p->operands = arena_grow(p->arena, p->operands, p->n_operands, sizeof(struct expr_node *));
	p->operands[p->n_operands++] = node;
}

static void push_operator(struct parser *p, const struct token *token)
{
	p->operators = arena_grow(p->arena, p->operators, p->n_operators, sizeof(*p->operators));
	p->operators[p->n_operators++] = *token;
}

/* The lexer lets a closing bracket through only where its opening one waits; a word of no kind is
 * what is left if it did not. */
static struct token pop_operator(struct parser *p)
{
	return p->n_operators ? p->operators[--p->n_operators] : (struct token){ 0 };
}

static bool is_waiting(const struct parser *p, enum token_kind kind)
{
	return p->n_operators && p->operators[p->n_operators - 1].kind == kind;
}

static struct expr_node *node_new(struct parser *p, enum node_kind kind, const struct token *token)
{
	struct expr_node *node = arena_alloc(p->arena, sizeof(*node));
	*node = (struct expr_node){
		.kind = kind, .op = token->op, .height = 1, .at = token->at, .len = token->len
	};
	return node;
}

static void rise_above(struct expr_node *node, unsigned height)
{
	if (height >= node->height)
		node->height = height + 1;
}

/* The list from @first to @last, of @n nodes, behind the operands of @node. */
static void join(struct expr_node *node, struct expr_node *first, struct expr_node *last, size_t n)
{
	if (node->last)
		node->last->next = first;
	else
		node->first = first;
	node->last = last;
	node->n += n;
}

/* A chain of the same && or || is one node, wherever its brackets stand; joining costs the same
 * however long it is. */
static void add_arg(struct expr_node *node, struct expr_node *arg)
{
	bool chain = node->kind == NODE_ALL || node->kind == NODE_ANY;
	if (chain && arg->kind == node->kind) {
		rise_above(node, arg->height - 1);
		join(node, arg->first, arg->last, arg->n);
	} else {
		rise_above(node, arg->height);
		join(node, arg, arg, 1);
	}
}

/* How tightly what waits on the stack binds; brackets and commas, with 0, end all. */
static unsigned binding(const struct token *token)
{
	static const unsigned char by_kind[TOKEN__COUNT] = { [TOKEN_NOT] = 5, [TOKEN_DOT] = 6 };
	static const unsigned char by_op[] = {
		[OP_OR] = 1,   [OP_AND] = 2,        [OP_EQUAL] = 3,   [OP_NOT_EQUAL] = 3,
		[OP_LESS] = 4, [OP_LESS_EQUAL] = 4, [OP_GREATER] = 4, [OP_GREATER_EQUAL] = 4,
	};
	return token->kind == TOKEN_BINARY ? by_op[token->op] : by_kind[token->kind];
}

static enum node_kind node_kind_of(const struct token *token)
{
	if (token->kind == TOKEN_NOT)
		return NODE_NOT;
	if (token->kind == TOKEN_DOT || token->kind == TOKEN_INDEX_OPEN)
		return NODE_INDEX;
	return token->op == OP_AND ? NODE_ALL : token->op == OP_OR ? NODE_ANY : NODE_BINARY;
}

/* The last @n operands become what @token makes of them. */
static void build(struct parser *p, const struct token *token, size_t n)
{
	struct expr_node *node = node_new(p, node_kind_of(token), token);
	size_t from = p->n_operands - n;

	for (size_t i = from; i < p->n_operands; i++)
		add_arg(node, p->operands[i]);
	p->n_operands = from;
	push_operand(p, node);
}

/* All waiting operators that bind at least as tightly as @least. */
static void reduce(struct parser *p, unsigned least)
{
	while (p->n_operators > 0) {
		struct token top = p->operators[p->n_operators - 1];
		if (binding(&top) == 0 || binding(&top) < least)
			return;
		p->n_operators--;
		build(p, &top, top.kind == TOKEN_NOT ? 1 : 2);
	}
}

/* ---- words ---- */

static bool close_call(struct parser *p)
{
	size_t n = p->last.kind == TOKEN_CALL_OPEN ? 0 : 1;

	for (; is_waiting(p, TOKEN_COMMA); n++)
		(void)pop_operator(p);
	struct token open = pop_operator(p);
	size_t from = p->n_operands - n;
	struct expr_node *call = p->operands[from - 1];
	call->args = arena_array(p->arena, n, sizeof(const struct expr_node *));
	for (size_t i = 0; i < n; i++) {
		add_arg(call, p->operands[from + i]);
		call->args[i] = p->operands[from + i];
	}
	p->n_operands = from;

	unsigned max = expr_function_max(call->function, p->rules->functions);
	const char *name = call->function->name;
	if (n < call->function->min)
		return parse_fault(p, EXPR_TOO_FEW, &open,
		                   "`%s` takes at least %u argument%s, not %zu", name,
		                   call->function->min, call->function->min == 1 ? "" : "s", n);
	if (n > max)
		return parse_fault(p, EXPR_TOO_MANY, &open,
		                   "`%s` takes at most %u argument%s, not %zu", name, max,
		                   max == 1 ? "" : "s", n);
	if (strcmp(name, "case") == 0 && n % 2 == 0)
		return parse_fault(
			p, EXPR_EVEN, &open,
			"`case` takes pairs of a condition and a value, and one value for "
			"the rest");
	return true;
}

static bool put_name(struct parser *p, const struct token *token)
{
	unsigned bit = context_bit(p->rules, token->value.text, token->value.len);
	const char *name = bit ? expr_context_name(bit)
	                       : other_context(p->rules, token->value.text, token->value.len);
	if (!name)
		return unknown_context(p, token);
	struct expr_node *node = node_new(p, NODE_CONTEXT, token);
	node->value = expr_text(name);
	p->expr->contexts |= bit;
	push_operand(p, node);
	return true;
}

static bool put_function(struct parser *p, const struct token *token)
{
	const struct function_row *row = expr_function(token->value.text, token->value.len,
	                                               p->rules->functions);
	if (!row)
		return unknown_function(p, token);
	struct expr_node *node = node_new(p, NODE_CALL, token);
	node->function = row;
	p->expr->asks_status |= row->status;
	push_operand(p, node);
	return true;
}

static void put_value(struct parser *p, const struct token *token)
{
	bool star = token->kind == TOKEN_STAR;
	struct expr_node *node = node_new(p, star ? NODE_STAR : NODE_LITERAL, token);
	node->value = token->value;
	push_operand(p, node);
}

static bool put(struct parser *p, const struct token *token)
{
	struct token top;

	switch (token->kind) {
	case TOKEN_LITERAL:
	case TOKEN_PROPERTY:
	case TOKEN_STAR:
		put_value(p, token);
		return true;
	case TOKEN_CONTEXT:
		return put_name(p, token);
	case TOKEN_FUNCTION:
		return put_function(p, token);
	case TOKEN_BINARY:
	case TOKEN_DOT:
		reduce(p, binding(token));
		push_operator(p, token);
		return true;
	case TOKEN_INDEX_OPEN: /* binds like a point: `a.b[0]` is (a.b)[0] */
		reduce(p, 6);
		push_operator(p, token);
		return true;
	case TOKEN_NOT:
	case TOKEN_GROUP_OPEN:
	case TOKEN_CALL_OPEN:
		push_operator(p, token);
		return true;
	case TOKEN_COMMA:
		reduce(p, 0);
		push_operator(p, token);
		return true;
	case TOKEN_GROUP_CLOSE:
		reduce(p, 0);
		(void)pop_operator(p);
		return true;
	case TOKEN_INDEX_CLOSE:
		reduce(p, 0);
		top = pop_operator(p);
		build(p, &top, 2);
		return true;
	case TOKEN_CALL_CLOSE:
		reduce(p, 0);
		return close_call(p);
	case TOKEN_NONE:
	case TOKEN__COUNT:
		break;
	}
	return false;
}

static bool is_operand_end(const struct token *token)
{
	static const bool ends[TOKEN__COUNT] = {
		[TOKEN_GROUP_CLOSE] = true, [TOKEN_INDEX_CLOSE] = true, [TOKEN_CALL_CLOSE] = true,
		[TOKEN_STAR] = true,        [TOKEN_LITERAL] = true,     [TOKEN_PROPERTY] = true,
		[TOKEN_CONTEXT] = true,
	};
	return ends[token->kind];
}

static bool finish(struct parser *p, const struct lexer *lexer)
{
	if (p->last.kind == TOKEN_NONE)
		return true;
	if (!is_operand_end(&p->last) || lexer->n_open > 0)
		return parse_fault(
			p, EXPR_UNEXPECTED_END, &p->last, "something is missing behind `%.*s`",
			(int)(p->last.len < 120 ? p->last.len : 120), p->expr->text + p->last.at);
	reduce(p, 0);
	p->expr->root = p->operands[0];
	if (p->expr->root->height > EXPR_DEPTH_MAX)
		return parse_fault(p, EXPR_TOO_DEEP, NULL, "nested deeper than %d levels",
		                   EXPR_DEPTH_MAX);
	return true;
}

int expr_parse(struct plan_arena *arena, const char *text, size_t len,
               const struct expr_rules *rules, const struct expr **ret, struct expr_error *err)
{
	struct expr *expr = arena_alloc(arena, sizeof(*expr));
	struct parser p = {
		.arena = arena,
		.rules = rules,
		.expr = expr,
		.err = err,
		.operands = arena_array(arena, 1, sizeof(struct expr_node *)),
		.operators = arena_array(arena, 1, sizeof(struct token)),
	};
	int r;

	*err = (struct expr_error){ 0 };
	expr->text = arena_strndup(arena, text, len);
	expr->len = len;
	if (text_units(text, len) > EXPR_LENGTH_MAX) {
		(void)parse_fault(&p, EXPR_TOO_LONG, NULL, "longer than %d characters",
		                  EXPR_LENGTH_MAX);
		return -EINVAL;
	}
	struct lexer lexer = { .arena = arena, .text = expr->text, .len = len };
	struct token token;
	while ((r = lex_next(&lexer, &token, err)) > 0) {
		if (!put(&p, &token))
			return -EINVAL;
		p.last = token;
	}
	if (r < 0 || !finish(&p, &lexer))
		return -EINVAL;
	*ret = expr;
	return 0;
}

/* ---- looking at a tree ---- */

const char *expr_source(const struct expr *expr, size_t *ret_len)
{
	*ret_len = expr->len;
	return expr->text;
}

bool expr_is_empty(const struct expr *expr)
{
	return !expr->root;
}

bool expr_is_literal(const struct expr *expr, struct expr_value *ret)
{
	const struct expr_node *root = expr->root;
	if (!root || root->kind != NODE_LITERAL || root->value.kind != EXPR_STRING ||
	    root->len != expr->len)
		return false;
	*ret = root->value;
	return true;
}

unsigned expr_height(const struct expr *expr)
{
	return expr->root ? expr->root->height : 0;
}

bool expr_asks_status(const struct expr *expr)
{
	return expr->asks_status;
}

unsigned expr_contexts_of(const struct expr *expr)
{
	return expr->contexts;
}

struct path_walk {
	bool (*see)(void *user, const char *path);
	void *user;
	bool done;
};

enum { PATH_BYTES = 1024 };

/* Appends ".name" or ".*"; what does not fit becomes "*". */
static void path_step(char *path, const struct expr_node *key)
{
	size_t used = strlen(path);
	bool named = key->kind == NODE_LITERAL && key->value.kind == EXPR_STRING;
	const char *name = named ? key->value.text : "*";

	if (used + strlen(name) + 2 <= PATH_BYTES)
		(void)snprintf(path + used, PATH_BYTES - used, ".%s", name);
}

/* The path of a chain that begins with a context, or false. */
static bool path_of(const struct expr_node *node, char *path)
{
	if (node->kind == NODE_CONTEXT) {
		(void)snprintf(path, PATH_BYTES, "%s", node->value.text);
		return true;
	}
	if (node->kind != NODE_INDEX || !path_of(node->first, path))
		return false;
	path_step(path, node->first->next);
	return true;
}

/* @inside: the chain that this is the beginning of was told already. */
static void path_walk(struct path_walk *w, const struct expr_node *node, bool inside)
{
	char path[PATH_BYTES];

	if (!inside && !w->done && path_of(node, path)) {
		w->done = !w->see(w->user, path);
		inside = true;
	}
	for (const struct expr_node *arg = node->first; arg && !w->done; arg = arg->next)
		path_walk(w, arg, inside && node->kind == NODE_INDEX && arg == node->first);
}

void expr_paths(const struct expr *expr, bool (*see)(void *user, const char *path), void *user)
{
	struct path_walk w = { .see = see, .user = user };
	if (expr->root)
		path_walk(&w, expr->root, false);
}
