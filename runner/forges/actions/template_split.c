// SPDX-License-Identifier: Apache-2.0
/* template_split.c - takes the ${{ }} of a text apart. Runs in: command line and supervisor; reads
 * commit content, fuzzed.
 *
 * An expression ends at the first }} that no single quote holds; quotes toggle, so '' works by
 * itself. What has text around it is, for GitHub, one expression: format('a {0}', x). It is kept in
 * parts besides, because a script must not mix what was written with what was computed. */
#include "template.h"

#include "unicode_text.h"

#include "drydock/err.h"

#include <string.h>

enum { FORMAT_EXPRESSIONS_MAX = 254 }; /* and the format itself makes 255 arguments */

/* ---- places ---- */

/* Where in the source the text of a scalar has been followed to. */
struct follower {
	const char *source, *at, *end; /* at NULL: lost, or nothing to follow */
	const struct template_node *node;
	size_t offset;       /* of node->text */
	char style;          /* ' " | > or 0 for a plain one */
	const char *counted; /* up to here lines and characters are counted */
	unsigned line, column;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_spaces(const char *at, const char *end)
{
	while (at < end && is_space(*at))
		at++;
	return at;
}

static struct follower follow(const char *source, const struct template_node *node)
{
	struct follower f = { .source = source, .node = node };
	const struct tree_node *tree = node->tree;

	if (!source || !tree)
		return f;
	const char *at = source + tree->start, *end = source + tree->end;
	while (at < end && (*at == '!' || *at == '&')) { /* tag and anchor */
		while (at < end && !is_space(*at))
			at++;
		at = skip_spaces(at, end);
	}
	if (at < end && strchr("'\"|>", *at))
		f.style = *at++;
	if (f.style == '|' || f.style == '>')
		while (at < end && *at++ != '\n') /* the head of a block may hold a comment */
			continue;
	f.at = at;
	f.counted = source + tree->start;
	f.line = node->mark.line;
	f.column = node->mark.column;
	f.end = end;
	return f;
}

/* Behind a backslash and what belongs to it. */
static const char *skip_escape(const char *at, const char *end)
{
	static const struct escape_row {
		char name;
		size_t len;
	} rows[] = { { 'x', 4 }, { 'u', 6 }, { 'U', 10 } };
	size_t len = 2;

	for (size_t i = 0; end - at > 1 && i < ARRAY_LEN(rows); i++)
		if (at[1] == rows[i].name)
			len = rows[i].len;
	return (size_t)(end - at) < len ? end : at + len;
}

/* One character of the text further, in text and source. */
static void follow_one(struct follower *f)
{
	const char *text = f->node->text + f->offset, *next = text;
	bool folds = is_space(*text);

	(void)text_next(&next, f->node->text + f->node->len);
	if (f->style == '\'' && f->at < f->end && f->at[0] == '\'')
		f->at++; /* '' is one quote */
	if (f->style == '"' && f->at < f->end && *f->at == '\\') {
		const char *behind = skip_escape(f->at, f->end);
		bool joins = behind > f->at &&
		             behind[-1] == '\n'; /* two lines, and is no character */
		f->at = joins ? skip_spaces(behind, f->end) : behind;
		if (joins)
			return;
	} else if (f->end - f->at >= next - text && *f->at == *text) {
		f->at += next - text;
	} else if (f->at < f->end && is_space(*f->at)) {
		f->at = skip_spaces(f->at, f->end);
		if (!folds) /* indentation: the character itself follows */
			f->at += f->end - f->at >= next - text && *f->at == *text ? next - text : 0;
	} else if (!folds) {
		f->at = NULL;
		return;
	}
	f->offset += (size_t)(next - text);
}

/* Marks are asked for in order, so that a text full of expressions is walked once. */
static struct diag_mark mark_at(struct follower *f, const char *at, size_t len)
{
	struct diag_mark mark = f->node->mark;
	const char *nl = memchr(at, '\n', len), *end = nl ? nl : at + len;

	for (; f->counted < at; f->counted++) {
		if (*f->counted == '\n') {
			f->line++;
			f->column = 1;
		} else if (((unsigned char)*f->counted & 0xc0) != 0x80) {
			f->column++;
		}
	}
	mark.line = f->line;
	mark.column = f->column;
	mark.length = 0;
	for (const char *p = at; p < end; p++)
		mark.length += ((unsigned char)*p & 0xc0) != 0x80;
	return mark;
}

/* The place of the expression that begins at @offset of the text, or the scalar's own when it was
 * lost. */
static struct diag_mark place_of(struct follower *f, size_t offset, size_t len)
{
	while (f->at && f->offset < offset)
		follow_one(f);
	if (!f->at)
		return f->node->mark;
	const char *at = skip_spaces(f->at, f->end);
	if (f->end - at < 3 || memcmp(at, "${{", 3) != 0)
		return f->node->mark;
	return mark_at(f, at, (size_t)(f->end - at) < len ? (size_t)(f->end - at) : len);
}

/* ---- taking apart ---- */

struct splitting {
	struct template_split *split;
	const struct template_node *node;
	const struct expr_rules *rules;
	struct follower follower;
	struct template_part *parts;
	size_t n, n_expressions;
	size_t format_units; /* of GitHub's one-expression form so far */
	bool insert;
};

static bool split_error(struct splitting *s, enum wf_class class, struct diag_mark at,
                        const char *text, const char *hint)
{
	struct wf_error *e = wf_error_add(s->split->errors, class, s->node->mark, "%s", text);
	e->at = at;
	(void)snprintf(e->hint, sizeof(e->hint), "%s", hint ? hint : "");
	return false;
}

static bool expression_error(struct splitting *s, const struct expr_error *err, struct diag_mark at)
{
	(void)wf_error_expression(s->split->errors, err, s->node->mark, at);
	return false;
}

/* Offset behind the closing }}, or 0. @from stands behind ${{. */
static size_t find_end(const struct template_node *node, size_t from)
{
	bool quoted = false;

	for (size_t i = from; i < node->len; i++) {
		if (node->text[i] == '\'')
			quoted = !quoted;
		else if (!quoted && node->text[i] == '}' && node->text[i - 1] == '}')
			return i + 1;
	}
	return 0;
}

/* `insert`, alone or with something behind that it does not take. */
static bool is_insert(const char *text, size_t len)
{
	static const char word[] = "insert";
	const char *next = text + sizeof(word) - 1;
	if (len < sizeof(word) - 1 || memcmp(text, word, sizeof(word) - 1) != 0)
		return false;
	return next == text + len || text_is_blank(text_next(&next, text + len));
}

static bool add_part(struct splitting *s, struct template_part part)
{
	if (!part.expr)
		part.text = arena_strndup(s->split->arena, part.text, part.len);
	s->parts = arena_grow(s->split->arena, s->parts, s->n, sizeof(*s->parts));
	s->parts[s->n++] = part;
	s->format_units += text_units(part.text, part.len) + (part.expr ? 5 : 0);
	for (size_t i = 0; !part.expr && i < part.len; i++) /* doubled in a format */
		s->format_units += part.text[i] == '\'' || part.text[i] == '{' ||
		                   part.text[i] == '}';
	if (s->n == 1 || s->format_units <= EXPR_LENGTH_MAX)
		return true;
	const struct expr_error err = { .fault = EXPR_TOO_LONG,
		                        .text = "with the text around it, longer than 21000 "
		                                "characters" };
	return expression_error(s, &err, s->node->mark);
}

static bool add_expression(struct splitting *s, size_t from, size_t end, bool alone)
{
	struct template_part part = { .text = s->node->text + from + 3, .len = end - from - 5 };
	struct expr_error err;

	part.at = place_of(&s->follower, from, end - from);
	text_trim(&part.text, &part.len);
	if (part.len == 0)
		return split_error(s, WF_EXPRESSION_EMPTY, part.at, "an expression is empty",
		                   "write what belongs between ${{ and }}");
	if (is_insert(part.text, part.len)) {
		if (part.len != strlen("insert"))
			return split_error(s, WF_DIRECTIVE_ARGUMENTS, part.at,
			                   "`insert` stands alone between ${{ and }}", NULL);
		if (!alone)
			return split_error(s, WF_DIRECTIVE_INLINE, part.at,
			                   "`insert` cannot stand inside of a text",
			                   "it is a key: ${{ insert }}: ${{ a map }}");
		s->insert = true;
		return true;
	}
	if (expr_parse(s->split->arena, part.text, part.len, s->rules, &part.expr, &err) < 0)
		return expression_error(s, &err, part.at);
	s->n_expressions++;
	return add_part(s, part);
}

static bool take_apart(struct splitting *s)
{
	const struct template_node *node = s->node;
	size_t at = 0;

	while (at < node->len) {
		const char *open = memmem(node->text + at, node->len - at, "${{", 3);
		size_t from = open ? (size_t)(open - node->text) : node->len;
		if (from > at && !add_part(s, (struct template_part){ .text = node->text + at,
		                                                      .len = from - at }))
			return false;
		if (!open)
			break;
		size_t end = find_end(node, from + 3);
		if (end == 0)
			return split_error(
				s, WF_EXPRESSION_NOT_CLOSED, place_of(&s->follower, from, 3),
				"an expression begins with ${{ and has no end",
				"close it with }}, or write ${{ '${{' }} for the text itself");
		if (!add_expression(s, from, end, from == 0 && end == node->len))
			return false;
		at = end;
	}
	return true;
}

/* ---- GitHub's one-expression form ---- */

static void put_literal(struct expr_text *out, const struct template_part *part)
{
	for (size_t i = 0; i < part->len; i++) {
		if (strchr("'{}", part->text[i]) && part->text[i])
			expr_text_add(out, &part->text[i], 1);
		expr_text_add(out, &part->text[i], 1);
	}
}

static void write_format(struct splitting *s, struct template_node *ret)
{
	struct expr_memory mem = { .arena = s->split->arena };
	struct expr_text out = { .mem = &mem };
	char place[24];
	size_t k = 0;

	expr_text_add(&out, "format('", 8);
	for (size_t i = 0; i < s->n; i++) {
		if (!s->parts[i].expr)
			put_literal(&out, &s->parts[i]);
		else
			expr_text_add(&out, place,
			              (size_t)snprintf(place, sizeof(place), "{%zu}", k++));
	}
	expr_text_add(&out, "'", 1);
	for (size_t i = 0; i < s->n; i++) {
		if (!s->parts[i].expr)
			continue;
		expr_text_add(&out, ", ", 2);
		expr_text_add(&out, s->parts[i].text, s->parts[i].len);
	}
	expr_text_add(&out, ")", 1);
	(void)expr_text_take(&out, &ret->text, &ret->len);
}

/* The bounds of an expression hold for the form with `format`, too. */
static bool check_format(struct splitting *s, const struct template_node *ret)
{
	struct expr_error err = { .fault = EXPR_FAULT_NONE };

	if (text_units(ret->text, ret->len) > EXPR_LENGTH_MAX) {
		err.fault = EXPR_TOO_LONG;
		(void)snprintf(err.text, sizeof(err.text),
		               "with the text around it, longer than %d characters",
		               EXPR_LENGTH_MAX);
	} else if (s->n_expressions > FORMAT_EXPRESSIONS_MAX) {
		err.fault = EXPR_TOO_MANY;
		(void)snprintf(err.text, sizeof(err.text), "more than %d of them in one text",
		               FORMAT_EXPRESSIONS_MAX);
	}
	for (size_t i = 0; i < s->n && err.fault == EXPR_FAULT_NONE; i++) {
		if (!s->parts[i].expr || expr_height(s->parts[i].expr) < EXPR_DEPTH_MAX)
			continue;
		err.fault = EXPR_TOO_DEEP;
		(void)snprintf(err.text, sizeof(err.text),
		               "inside of a text, nested deeper than %d levels",
		               EXPR_DEPTH_MAX - 1);
	}
	return err.fault == EXPR_FAULT_NONE || expression_error(s, &err, s->node->mark);
}

static struct template_node *finish(struct splitting *s, bool *ret_failed)
{
	struct template_node *ret = arena_alloc(s->split->arena, sizeof(*ret));
	struct expr_value literal;

	*ret = *s->node;
	if (s->insert) {
		ret->kind = TEMPLATE_INSERT;
		return ret;
	}
	if (s->n == 1 && expr_is_literal(s->parts[0].expr, &literal)) {
		ret->text = literal.text;
		ret->len = literal.len;
		return ret;
	}
	ret->kind = TEMPLATE_EXPRESSION;
	ret->parts = s->parts;
	ret->n = s->n;
	if (s->n == 1) {
		ret->text = arena_strndup(s->split->arena, s->parts[0].text, s->parts[0].len);
		ret->len = s->parts[0].len;
		return ret;
	}
	write_format(s, ret);
	*ret_failed = !check_format(s, ret);
	return ret;
}

struct template_node *template_split(struct template_split *split, struct template_node *node,
                                     const struct expr_rules *rules, bool *ret_failed)
{
	struct splitting s = { .split = split, .node = node, .rules = rules };

	*ret_failed = false;
	if (node->kind != TEMPLATE_STRING || node->bad || !memmem(node->text, node->len, "${{", 3))
		return node;
	s.follower = follow(split->source, node);
	*ret_failed = !take_apart(&s);
	struct template_node *ret = *ret_failed ? node : finish(&s, ret_failed);
	return *ret_failed ? node : ret;
}

/* ---- conditions ---- */

static bool is_blank(const struct template_node *node)
{
	const char *text = node->text;
	size_t len = node->len;

	if (node->kind == TEMPLATE_NULL)
		return true;
	text_trim(&text, &len);
	return len == 0;
}

struct template_node *template_condition(struct template_split *split,
                                         const struct template_node *node,
                                         const struct expr_rules *rules)
{
	struct template_node *ret = arena_alloc(split->arena, sizeof(*ret));
	struct template_part *part = arena_alloc(split->arena, sizeof(*part));
	const char *text = "success()";
	const struct expr *expr = NULL;
	struct expr_error err;

	if (node)
		*ret = *node;
	ret->kind = TEMPLATE_EXPRESSION;
	ret->parts = part;
	ret->n = 1;
	part->at = node && node->kind == TEMPLATE_EXPRESSION && node->n == 1 ? node->parts[0].at
	                                                                     : ret->mark;
	if (node && !is_blank(node)) {
		text = template_text(split->arena, node);
		if (node->kind == TEMPLATE_EXPRESSION)
			text = node->text;
		if (expr_parse(split->arena, text, strlen(text), rules, &expr, &err) < 0) {
			(void)wf_error_expression(split->errors, &err, node->mark, part->at);
			return NULL;
		}
		if (!expr_asks_status(expr))
			text = arena_printf(split->arena, "success() && (%s)", text);
	}
	ret->text = part->text = text;
	ret->len = part->len = strlen(text);
	/* success() is in every list of functions for conditions, and two levels deeper is still
	 * short of what a condition of 50 levels may be: such a one is refused here. */
	if (expr_parse(split->arena, text, ret->len, rules, &part->expr, &err) == 0)
		return ret;
	(void)wf_error_expression(split->errors, &err, ret->mark, part->at);
	return NULL;
}
