// SPDX-License-Identifier: Apache-2.0
/* expr_lex.c - the words of an expression. Runs in: command line and supervisor; reads commit
 * content, fuzzed.
 *
 * A table says which word may follow which, so a misplaced one is found where it stands, before
 * anything is built; the parser behind can rely on it. Numbers take everything up to a separator,
 * points included, and must then be one: `1.2.3` is one wrong word, not three. */
#include "expr_parts.h"

#include "unicode_text.h"

#include "drydock/err.h"

#include <math.h>
#include <string.h>

#define BIT(kind) (1u << (kind))

/* ends of an operand */
#define AFTER_OPERAND                                                                              \
	(BIT(TOKEN_GROUP_CLOSE) | BIT(TOKEN_CALL_CLOSE) | BIT(TOKEN_INDEX_CLOSE) |                 \
	 BIT(TOKEN_STAR) | BIT(TOKEN_PROPERTY) | BIT(TOKEN_CONTEXT))
/* where an operand may begin */
#define BEFORE_OPERAND                                                                             \
	(BIT(TOKEN_NONE) | BIT(TOKEN_COMMA) | BIT(TOKEN_GROUP_OPEN) | BIT(TOKEN_CALL_OPEN) |       \
	 BIT(TOKEN_INDEX_OPEN) | BIT(TOKEN_NOT) | BIT(TOKEN_BINARY))

static const unsigned may_follow[TOKEN__COUNT] = {
	[TOKEN_GROUP_OPEN] = BEFORE_OPERAND,
	[TOKEN_INDEX_OPEN] = AFTER_OPERAND,
	[TOKEN_CALL_OPEN] = BIT(TOKEN_FUNCTION),
	[TOKEN_GROUP_CLOSE] = AFTER_OPERAND | BIT(TOKEN_LITERAL),
	[TOKEN_INDEX_CLOSE] = AFTER_OPERAND | BIT(TOKEN_LITERAL),
	[TOKEN_CALL_CLOSE] = AFTER_OPERAND | BIT(TOKEN_LITERAL) | BIT(TOKEN_CALL_OPEN),
	[TOKEN_COMMA] = AFTER_OPERAND | BIT(TOKEN_LITERAL),
	[TOKEN_DOT] = AFTER_OPERAND,
	[TOKEN_STAR] = BIT(TOKEN_INDEX_OPEN) | BIT(TOKEN_DOT),
	[TOKEN_NOT] = BEFORE_OPERAND,
	[TOKEN_BINARY] = AFTER_OPERAND | BIT(TOKEN_LITERAL),
	[TOKEN_LITERAL] = BEFORE_OPERAND,
	[TOKEN_PROPERTY] = BIT(TOKEN_DOT),
	[TOKEN_FUNCTION] = BEFORE_OPERAND,
	[TOKEN_CONTEXT] = BEFORE_OPERAND,
};

/* The bracket that must be the innermost open one. */
static const enum token_kind closes[TOKEN__COUNT] = {
	[TOKEN_GROUP_CLOSE] = TOKEN_GROUP_OPEN,
	[TOKEN_INDEX_CLOSE] = TOKEN_INDEX_OPEN,
	[TOKEN_CALL_CLOSE] = TOKEN_CALL_OPEN,
	[TOKEN_COMMA] = TOKEN_CALL_OPEN,
};

static const struct op_row {
	const char *text;
	enum token_kind kind;
	enum expr_op op;
} ops[] = {
	{ "!=", TOKEN_BINARY, OP_NOT_EQUAL },  { ">=", TOKEN_BINARY, OP_GREATER_EQUAL },
	{ "<=", TOKEN_BINARY, OP_LESS_EQUAL }, { "==", TOKEN_BINARY, OP_EQUAL },
	{ "&&", TOKEN_BINARY, OP_AND },        { "||", TOKEN_BINARY, OP_OR },
	{ "!", TOKEN_NOT, OP_NONE },           { ">", TOKEN_BINARY, OP_GREATER },
	{ "<", TOKEN_BINARY, OP_LESS },
};

static const struct word_row {
	const char *text;
	struct expr_value value;
} words[] = {
	{ "null", { .kind = EXPR_NULL } },
	{ "true", { .kind = EXPR_BOOL, .truth = true } },
	{ "false", { .kind = EXPR_BOOL, .truth = false } },
	{ "NaN", { .kind = EXPR_NUMBER, .number = NAN } },
	{ "Infinity", { .kind = EXPR_NUMBER, .number = INFINITY } },
};

void expr_fault_at(struct expr_error *err, enum expr_fault fault, const char *source, size_t at,
                   size_t len)
{
	err->fault = fault;
	err->offset = at;
	err->length = len;
	err->position = len ? text_units(source, at) + 1 : 0;
}

/* The word is wrong where it stands. @fault tells a malformed word from a misplaced one. */
static int wrong_word(const struct lexer *l, enum expr_fault fault, size_t at, size_t len,
                      struct expr_error *err)
{
	expr_fault_at(err, fault, l->text, at, len);
	(void)snprintf(err->text, sizeof(err->text),
	               fault == EXPR_BAD_SYMBOL ? "`%.*s` is no word of an expression"
	                                        : "`%.*s` does not belong there",
	               (int)(len < 120 ? len : 120), l->text + at);
	return -EINVAL;
}

/* ---- characters ---- */

static uint32_t peek(const struct lexer *l, size_t at, size_t *ret_next)
{
	const char *p = l->text + at;
	if (at >= l->len)
		return 0;
	uint32_t code = text_next(&p, l->text + l->len);
	*ret_next = (size_t)(p - l->text);
	return code;
}

static size_t skip_blanks(const struct lexer *l, size_t at)
{
	size_t next = at;
	while (at < l->len && text_is_blank(peek(l, at, &next)))
		at = next;
	return at;
}

static bool is_boundary(uint32_t code)
{
	return text_is_blank(code) || (code && code < 0x80 && strchr("()[],.!><=&|", (int)code));
}

/* Everything up to the next boundary; at least one character. */
static size_t word_end(const struct lexer *l, size_t at, bool points)
{
	size_t next = at;

	(void)peek(l, at, &next);
	for (at = next; at < l->len; at = next) {
		uint32_t code = peek(l, at, &next);
		if (is_boundary(code) && !(points && code == '.'))
			break;
	}
	return at;
}

static bool is_name(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
		if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '-')))
			return false;
	}
	return len > 0;
}

/* ---- words ---- */

static struct token token_of(enum token_kind kind, size_t at, size_t len)
{
	return (struct token){ .kind = kind, .at = at, .len = len };
}

static int read_number(struct lexer *l, struct token *ret, struct expr_error *err)
{
	size_t len = word_end(l, l->at, true) - l->at;
	const char *copy = arena_strndup(l->arena, l->text + l->at, len);
	double number = expr_number_parse(copy, len);

	if (isnan(number))
		return wrong_word(l, EXPR_BAD_SYMBOL, l->at, len, err);
	*ret = token_of(TOKEN_LITERAL, l->at, len);
	ret->value = expr_number(number);
	return 0;
}

/* Behind the closing quote, or 0. '' inside stands for one quote; there are no other escapes. */
static size_t string_end(const struct lexer *l)
{
	for (size_t at = l->at + 1; at < l->len; at++) {
		if (l->text[at] != '\'')
			continue;
		if (at + 1 == l->len || l->text[at + 1] != '\'')
			return at + 1;
		at++;
	}
	return 0;
}

static int read_string(struct lexer *l, struct token *ret, struct expr_error *err)
{
	size_t end = string_end(l), n = 0;

	if (end == 0)
		return wrong_word(l, EXPR_BAD_SYMBOL, l->at, l->len - l->at, err);
	char *out = arena_alloc(l->arena, end - l->at);
	for (size_t at = l->at + 1; at < end - 1; at++) {
		at += l->text[at] == '\'';
		out[n++] = l->text[at];
	}
	*ret = token_of(TOKEN_LITERAL, l->at, end - l->at);
	ret->value = expr_string(out, n);
	return 0;
}

static int read_name(struct lexer *l, struct token *ret, struct expr_error *err)
{
	size_t end = word_end(l, l->at, false), len = end - l->at;
	const char *text = l->text + l->at;

	if (!is_name(text, len))
		return wrong_word(l, EXPR_BAD_SYMBOL, l->at, len, err);
	*ret = token_of(TOKEN_CONTEXT, l->at, len);
	ret->value = expr_string(arena_strndup(l->arena, text, len), len);
	if (l->last.kind == TOKEN_DOT) {
		ret->kind = TOKEN_PROPERTY;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(words[i].text, ret->value.text) != 0)
			continue;
		ret->kind = TOKEN_LITERAL;
		ret->value = words[i].value;
		return 0;
	}
	size_t next = skip_blanks(l, end);
	if (next < l->len && l->text[next] == '(')
		ret->kind = TOKEN_FUNCTION;
	return 0;
}

static int read_operator(struct lexer *l, struct token *ret, struct expr_error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		size_t len = strlen(ops[i].text);
		if (l->len - l->at < len || memcmp(l->text + l->at, ops[i].text, len) != 0)
			continue;
		*ret = token_of(ops[i].kind, l->at, len);
		ret->op = ops[i].op;
		return 0;
	}
	return wrong_word(l, EXPR_BAD_SYMBOL, l->at, word_end(l, l->at, false) - l->at, err);
}

static enum token_kind innermost(const struct lexer *l)
{
	return l->n_open ? l->open[l->n_open - 1] : TOKEN_NONE;
}

static enum token_kind bracket_of(const struct lexer *l, char c)
{
	switch (c) {
	case '(':
		return l->last.kind == TOKEN_FUNCTION ? TOKEN_CALL_OPEN : TOKEN_GROUP_OPEN;
	case ')':
		return innermost(l) == TOKEN_CALL_OPEN ? TOKEN_CALL_CLOSE : TOKEN_GROUP_CLOSE;
	case '[':
		return TOKEN_INDEX_OPEN;
	case ']':
		return TOKEN_INDEX_CLOSE;
	case ',':
		return TOKEN_COMMA;
	case '*':
		return TOKEN_STAR;
	case '.': /* in front of an operand it begins a number */
		return BEFORE_OPERAND & BIT(l->last.kind) ? TOKEN_NONE : TOKEN_DOT;
	default:
		return TOKEN_NONE;
	}
}

static int read_word(struct lexer *l, struct token *ret, struct expr_error *err)
{
	char c = l->text[l->at];
	enum token_kind bracket = bracket_of(l, c);

	if (bracket != TOKEN_NONE) {
		*ret = token_of(bracket, l->at, 1);
		return 0;
	}
	if (c == '\'')
		return read_string(l, ret, err);
	if (c == '.' || c == '-' || c == '+' || (c >= '0' && c <= '9'))
		return read_number(l, ret, err);
	if (c && strchr("!><=&|", c))
		return read_operator(l, ret, err);
	return read_name(l, ret, err);
}

static bool is_legal(struct lexer *l, const struct token *token)
{
	bool opens = token->kind == TOKEN_GROUP_OPEN || token->kind == TOKEN_INDEX_OPEN ||
	             token->kind == TOKEN_CALL_OPEN;

	if (!(may_follow[token->kind] & BIT(l->last.kind)))
		return false;
	if (closes[token->kind] != TOKEN_NONE && innermost(l) != closes[token->kind])
		return false;
	if (opens) {
		l->open = arena_grow(l->arena, l->open, l->n_open, sizeof(*l->open));
		l->open[l->n_open++] = token->kind;
	} else if (closes[token->kind] != TOKEN_NONE && token->kind != TOKEN_COMMA) {
		l->n_open--;
	}
	return true;
}

int lex_next(struct lexer *l, struct token *ret, struct expr_error *err)
{
	l->at = skip_blanks(l, l->at);
	if (l->at == l->len)
		return 0;
	if (read_word(l, ret, err) < 0)
		return -EINVAL;
	if (!is_legal(l, ret))
		return wrong_word(l, EXPR_UNEXPECTED_SYMBOL, ret->at, ret->len, err);
	l->at = ret->at + ret->len;
	l->last = *ret;
	return 1;
}
