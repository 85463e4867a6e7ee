// SPDX-License-Identifier: Apache-2.0
/* message_workflow.c - typed tokens of a job message into the text of a workflow.
 *
 * Runs in: the process of one job. The message is the forge's, made of what a repository holds:
 * parsed as foreign, bounded, fuzzed. Pure. Every text is written as a quoted scalar, so nothing in
 * it is syntax; a type that is not known is an error. */
#include "message_workflow.h"

#include "forges/actions/expr_value.h"
#include "forges/actions/unicode_text.h"
#include "message_json.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NESTING_MAX = 50, FORMAT_ARGS = 256, ENV_PAIRS_MAX = 4000 };

struct writing {
	struct plan_arena *arena;
	struct dd_err *err;
	char *text;
	size_t len, cap;
	int r; /* of what went wrong first */
};

__attribute__((format(printf, 2, 3))) static void refuse(struct writing *w, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	if (w->r < 0)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	w->r = dd_err_blame(w->err, DD_BLAME_CALLER,
	                    dd_err_say(w->err, EINVAL, "the job message: %s", text));
}

static void put(struct writing *w, const char *bytes, size_t len)
{
	if (w->r < 0 || len == 0)
		return;
	if (w->len + len > MESSAGE_WORKFLOW_MAX) {
		refuse(w, "its steps make more than %d MiB of text",
		       MESSAGE_WORKFLOW_MAX / 1024 / 1024);
		return;
	}
	if (w->len + len > w->cap) {
		size_t cap = w->cap ? w->cap : 4096;
		while (cap < w->len + len)
			cap *= 2;
		char *more = realloc(w->text, cap);
		if (!more) {
			refuse(w, "there is no memory for its steps");
			return;
		}
		w->text = more;
		w->cap = cap;
	}
	memcpy(w->text + w->len, bytes, len);
	w->len += len;
}

static void put_text(struct writing *w, const char *text)
{
	put(w, text, strlen(text));
}

/* ---- texts ---- */

/* Inside of double quotes: all that is not plain ASCII by its number. */
static void put_quoted_part(struct writing *w, const char *text, size_t len)
{
	const char *end = text + len;

	while (text < end && w->r == 0) {
		char escape[16];
		size_t plain = 0;
		while (text + plain < end && text[plain] >= ' ' && text[plain] < 0x7f &&
		       text[plain] != '"' && text[plain] != '\\')
			plain++;
		put(w, text, plain);
		text += plain;
		if (text == end)
			return;
		unsigned code = text_next(&text, end);
		(void)snprintf(escape, sizeof(escape), code < 0x100 ? "\\x%02x" : "\\U%08x", code);
		put_text(w, escape);
	}
}

/* A literal in which a workflow would see an expression says so. */
static void put_literal_part(struct writing *w, const char *text, size_t len)
{
	static const char open[] = "${{", written[] = "${{ '${{' }}";
	const char *at;

	while ((at = memmem(text, len, open, sizeof(open) - 1))) {
		put_quoted_part(w, text, (size_t)(at - text));
		put_quoted_part(w, written, sizeof(written) - 1);
		len -= (size_t)(at - text) + sizeof(open) - 1;
		text = at + sizeof(open) - 1;
	}
	put_quoted_part(w, text, len);
}

static void put_literal(struct writing *w, const char *text)
{
	put_text(w, "\"");
	put_literal_part(w, text, strlen(text));
	put_text(w, "\"");
}

/* ---- expressions ---- */

struct span {
	const char *text;
	size_t len;
};

static struct span trimmed(const char *text, size_t len)
{
	while (len && strchr(" \t\r\n", *text)) {
		text++;
		len--;
	}
	while (len && strchr(" \t\r\n", text[len - 1]))
		len--;
	return (struct span){ text, len };
}

/* The arguments of `format(...)` where that is all of the expression; 0: it is something else. */
static size_t format_arguments(struct span whole, struct span args[FORMAT_ARGS])
{
	static const char name[] = "format";
	size_t n = 0, depth = 0, from;
	bool quoted = false;

	if (whole.len < sizeof(name) + 1 || strncasecmp(whole.text, name, sizeof(name) - 1) != 0 ||
	    whole.text[whole.len - 1] != ')')
		return 0;
	size_t i = sizeof(name) - 1;
	while (i < whole.len && strchr(" \t\r\n", whole.text[i]))
		i++;
	if (whole.text[i] != '(')
		return 0;
	from = ++i;
	for (; i < whole.len; i++) {
		char c = whole.text[i];
		bool last = i + 1 == whole.len;
		if (c == '\'')
			quoted = !quoted;
		if (quoted)
			continue;
		if ((c == ',' && depth == 0) || (c == ')' && depth == 0)) {
			if ((c == ')') != last || n == FORMAT_ARGS)
				return 0;
			args[n++] = trimmed(whole.text + from, i - from);
			from = i + 1;
		} else if (c == '(' || c == '[') {
			depth++;
		} else if (c == ')' || c == ']') {
			depth--;
		}
	}
	return quoted ? 0 : n;
}

/* The text between the quotes, with '' as one quote. NULL: it is no literal. */
static char *literal_of(struct plan_arena *arena, struct span arg)
{
	char *out, *to;

	if (arg.len < 2 || arg.text[0] != '\'' || arg.text[arg.len - 1] != '\'')
		return NULL;
	out = to = arena_alloc(arena, arg.len);
	for (size_t i = 1; i + 1 < arg.len; i++) {
		*to++ = arg.text[i];
		if (arg.text[i] != '\'')
			continue;
		if (i + 2 >= arg.len || arg.text[i + 1] != '\'')
			return NULL;
		i++;
	}
	*to = '\0';
	return out;
}

/* One piece of a format at *@at: a literal in @ret_literal, or a place. False: it is malformed. */
static bool format_piece(const char **at, char *literal, size_t *ret_len, size_t *ret_place)
{
	const char *p = *at;

	*ret_len = 0;
	*ret_place = SIZE_MAX;
	for (; *p; p++) {
		if (*p != '{' && *p != '}') {
			literal[(*ret_len)++] = *p;
			continue;
		}
		if (p[1] == *p) {
			literal[(*ret_len)++] = *p++;
			continue;
		}
		if (*p == '}' || p[1] < '0' || p[1] > '9')
			return false;
		char *end = NULL;
		*ret_place = strtoul(p + 1, &end, 10);
		*at = end + 1;
		return *end == '}';
	}
	*at = p;
	return true;
}

/* Is @format one whose places are all of the arguments behind it? */
static bool format_is_whole(const char *format, char *room, size_t n_args)
{
	bool used[FORMAT_ARGS] = { false };
	size_t len, place;

	while (*format) {
		if (!format_piece(&format, room, &len, &place))
			return false;
		if (place == SIZE_MAX)
			continue;
		if (place + 1 >= n_args)
			return false;
		used[place] = true;
	}
	for (size_t i = 0; i + 1 < n_args; i++)
		if (!used[i])
			return false;
	return true;
}

static bool closes_early(const char *text, size_t len)
{
	bool quoted = false;
	for (size_t i = 0; i < len; i++) {
		quoted ^= text[i] == '\'';
		if (!quoted && i + 1 < len && text[i] == '}' && text[i + 1] == '}')
			return true;
	}
	return quoted;
}

static void put_expression_part(struct writing *w, struct span expr)
{
	if (closes_early(expr.text, expr.len)) {
		refuse(w, "an expression is malformed: %.*s",
		       (int)(expr.len < 100 ? expr.len : 100), expr.text);
		return;
	}
	put_text(w, "${{ ");
	put_quoted_part(w, expr.text, expr.len);
	put_text(w, " }}");
}

static void put_expression(struct writing *w, const char *text)
{
	struct span args[FORMAT_ARGS], whole = trimmed(text, strlen(text));
	size_t n = format_arguments(whole, args);
	const char *format = n > 1 ? literal_of(w->arena, args[0]) : NULL;
	char *room = format ? arena_alloc(w->arena, strlen(format) + 1) : NULL;
	size_t len, place;

	put_text(w, "\"");
	if (!format || !format_is_whole(format, room, n)) {
		put_expression_part(w, whole);
		format = "";
	}
	while (*format && w->r == 0) {
		(void)format_piece(&format, room, &len, &place);
		put_literal_part(w, room, len);
		if (place != SIZE_MAX)
			put_expression_part(w, args[place + 1]);
	}
	put_text(w, "\"");
}

/* ---- tokens ---- */

enum token_type { /* as the wire numbers them */
	          TOKEN_TEXT,
	          TOKEN_LIST,
	          TOKEN_MAP,
	          TOKEN_EXPRESSION,
	          TOKEN_INSERT,
	          TOKEN_TRUTH,
	          TOKEN_NUMBER,
	          TOKEN_EMPTY,
	          TOKEN__TYPES
};

static void put_number(struct writing *w, double number)
{
	char text[EXPR_NUMBER_TEXT];
	if (!isfinite(number)) {
		refuse(w, "a number is none");
		return;
	}
	put(w, text, expr_number_format(number, text));
}

static void put_token(struct writing *w, const json_t *token, unsigned level);

static void put_list(struct writing *w, const json_t *list, unsigned level)
{
	const json_t *item;
	size_t i;

	put_text(w, "[");
	json_array_foreach(list, i, item)
	{
		put_text(w, i ? ", " : "");
		put_token(w, item, level + 1);
	}
	put_text(w, "]");
}

static enum token_type type_of(const json_t *token)
{
	if (!json_is_object(token))
		return json_is_string(token)           ? TOKEN_TEXT
		       : json_is_boolean(token)        ? TOKEN_TRUTH
		       : json_is_number(token)         ? TOKEN_NUMBER
		       : !token || json_is_null(token) ? TOKEN_EMPTY
		                                       : TOKEN__TYPES;
	long long type = message_number(token, "type", message_member(token, "type") ? -1 : 0);
	return type < 0 || type >= TOKEN__TYPES ? TOKEN__TYPES : (enum token_type)type;
}

static void put_key(struct writing *w, const json_t *key)
{
	enum token_type type = type_of(key);
	if (type == TOKEN_LIST || type == TOKEN_MAP || type == TOKEN_EMPTY)
		refuse(w, "the key of a map is no text");
	bool quotes = type == TOKEN_TRUTH || type == TOKEN_NUMBER;
	put_text(w, quotes ? "\"" : "");
	put_token(w, key, 0);
	put_text(w, quotes ? "\"" : "");
}

static void put_map(struct writing *w, const json_t *pairs, unsigned level)
{
	const json_t *pair;
	size_t i;

	put_text(w, "{");
	json_array_foreach(pairs, i, pair)
	{
		put_text(w, i ? ", " : "");
		put_key(w, message_member(pair, "key"));
		put_text(w, ": ");
		put_token(w, message_member(pair, "value"), level + 1);
	}
	put_text(w, "}");
}

static void put_text_of(struct writing *w, const json_t *token, const char *member, bool expression)
{
	const char *text = json_is_string(token) ? json_string_value(token)
	                                         : message_text(token, member);
	if (!text && expression)
		refuse(w, "an expression is missing");
	else if (expression)
		put_expression(w, text);
	else
		put_literal(w, text ? text : "");
}

static void put_token(struct writing *w, const json_t *token, unsigned level)
{
	const json_t *value;

	if (level > NESTING_MAX) {
		refuse(w, "a value is nested deeper than %d levels", NESTING_MAX);
		return;
	}
	switch (type_of(token)) {
	case TOKEN_TEXT:
		put_text_of(w, token, "lit", false);
		return;
	case TOKEN_LIST:
		put_list(w, message_member(token, "seq"), level);
		return;
	case TOKEN_MAP:
		put_map(w, message_member(token, "map"), level);
		return;
	case TOKEN_EXPRESSION:
		put_text_of(w, token, "expr", true);
		return;
	case TOKEN_INSERT:
		put_text(w, "\"${{ insert }}\"");
		return;
	case TOKEN_TRUTH:
		value = json_is_boolean(token) ? token : message_member(token, "bool");
		put_text(w, json_is_true(value) ? "true" : "false");
		return;
	case TOKEN_NUMBER:
		value = json_is_number(token) ? token : message_member(token, "num");
		put_number(w, json_number_value(value));
		return;
	case TOKEN_EMPTY:
		put_text(w, "null");
		return;
	case TOKEN__TYPES:
		break;
	}
	refuse(w, "a value is of a type that is not known");
}

static bool is_empty(const json_t *token)
{
	return type_of(token) == TOKEN_EMPTY ||
	       (type_of(token) == TOKEN_TEXT && json_is_string(token) &&
	        json_string_length(token) == 0);
}

static void put_row(struct writing *w, const char *lead, const char *key, const json_t *token)
{
	if (is_empty(token))
		return;
	put_text(w, lead);
	put_text(w, key);
	put_text(w, ": ");
	put_token(w, token, 0);
	put_text(w, "\n");
}

static void put_text_row(struct writing *w, const char *lead, const char *key, const char *text)
{
	put_text(w, lead);
	put_text(w, key);
	put_text(w, ": ");
	put_literal(w, text);
	put_text(w, "\n");
}

/* ---- steps ---- */

static const char LEAD[] = "        ";

/* A member of a map token, by the name of its key. */
static const json_t *map_get(const json_t *map, const char *name)
{
	const json_t *pair, *found = NULL;
	size_t i;

	json_array_foreach(message_member(map, "map"), i, pair)
	{
		const json_t *key = message_member(pair, "key");
		const char *text = json_is_string(key) ? json_string_value(key)
		                                       : message_text(key, "lit");
		if (text && strcasecmp(text, name) == 0)
			found = message_member(pair, "value");
	}
	return found;
}

static void put_script(struct writing *w, const json_t *step)
{
	const json_t *inputs = message_member(step, "inputs");
	const json_t *script = map_get(inputs, "script");

	put_text(w, LEAD);
	put_text(w, "run: ");
	put_token(w, script ? script : json_null(), 0);
	put_text(w, "\n");
	put_row(w, LEAD, "shell", map_get(inputs, "shell"));
	const json_t *dir = map_get(inputs, "workingDirectory");
	if (dir) { /* an empty one is one, too */
		put_text(w, LEAD);
		put_text(w, "working-directory: ");
		put_token(w, dir, 0);
		put_text(w, "\n");
	}
}

static const char *uses_of(struct writing *w, const json_t *reference)
{
	const char *type = message_text(reference, "repositoryType");
	const char *name = message_text(reference, "name"), *ref = message_text(reference, "ref");
	const char *path = message_text(reference, "path");

	path = path ? path : "";
	if (type && strcasecmp(type, "self") == 0)
		return strncmp(path, "./", 2) == 0 ? path : arena_printf(w->arena, "./%s", path);
	if (type && strcasecmp(type, "selfRepository") == 0)
		return strncmp(path, "$/", 2) == 0 ? path : arena_printf(w->arena, "$/%s", path);
	if (type && strcasecmp(type, "GitHub") != 0)
		refuse(w, "an action is of a kind that is not known: %.60s", type);
	if (!name || !ref || !*name || !*ref)
		refuse(w, "an action has no name or no ref");
	return arena_printf(w->arena, "%s%s%s@%s", name ? name : "",
	                    *path && *path != '/' ? "/" : "", path, ref ? ref : "");
}

/* 1 to 3 or their words; 0: neither. */
static int kind_of(const json_t *step)
{
	static const char *const words[] = { NULL, "repository", "containerRegistry", "script" };
	const json_t *type = message_at(step, "reference.type");
	const char *text = json_string_value(type);

	for (int i = 1; i < (int)ARRAY_LEN(words); i++)
		if ((text && strcasecmp(text, words[i]) == 0) ||
		    message_number(step, "reference.type", 0) == i)
			return i;
	return 0;
}

static void put_work(struct writing *w, const json_t *step)
{
	const json_t *reference = message_member(step, "reference");
	const char *image = message_text(reference, "image");

	switch (kind_of(step)) {
	case 1:
		put_text_row(w, LEAD, "uses", uses_of(w, reference));
		break;
	case 2:
		put_text_row(w, LEAD, "uses",
		             arena_printf(w->arena, "docker://%s", image ? image : ""));
		break;
	case 3:
		put_script(w, step);
		return;
	default:
		refuse(w, "a step is of a kind that is not known");
		return;
	}
	put_row(w, LEAD, "with", message_member(step, "inputs"));
}

/* `__run`, `__actions_checkout`: GitHub's own, and the reader makes the same. */
static void put_id(struct writing *w, const json_t *step)
{
	const char *id = message_text(step, "contextName");
	if (!id)
		id = message_text(step, "name");
	if (id && *id && strncmp(id, "__", 2) != 0)
		put_text_row(w, LEAD, "id", id);
}

/* What the server derives from the script is no name that somebody wrote. */
static void put_name(struct writing *w, const json_t *step)
{
	const char *name = message_text(step, "displayName");
	const json_t *token = message_member(step, "displayNameToken");

	if (token)
		put_row(w, LEAD, "name", token);
	else if (name && *name && strncmp(name, "Run ", 4) != 0)
		put_text_row(w, LEAD, "name", name);
}

static void put_condition(struct writing *w, const json_t *step)
{
	const char *condition = message_text(step, "condition");

	if (!message_truth(step, "enabled", true)) {
		put_text(w, LEAD);
		put_text(w, "if: \"false\"\n");
	} else if (condition && *condition && strcmp(condition, "success()") != 0) {
		put_text(w, LEAD);
		put_text(w, "if: \"");
		put_quoted_part(w, condition, strlen(condition));
		put_text(w, "\"\n");
	}
}

static bool is_action(const json_t *step)
{
	const char *type = message_text(step, "type");
	return (type && strcasecmp(type, "action") == 0) || message_number(step, "type", 0) == 4;
}

static void put_step(struct writing *w, const json_t *step)
{
	if (!is_action(step) || message_truth(step, "background", false)) {
		refuse(w, "a step runs in the background, or waits for one that does; this is not "
		          "supported yet");
		return;
	}
	put_text(w, "      -\n");
	put_id(w, step);
	put_name(w, step);
	put_condition(w, step);
	put_row(w, LEAD, "env", message_member(step, "environment"));
	put_row(w, LEAD, "timeout-minutes", message_member(step, "timeoutInMinutes"));
	put_row(w, LEAD, "continue-on-error", message_member(step, "continueOnError"));
	put_work(w, step);
}

static void put_steps(struct writing *w, const json_t *message, struct message_workflow *ret)
{
	const json_t *steps = message_member(message, "steps"), *step;
	size_t n = json_array_size(steps), i;

	if (n == 0 || n > MESSAGE_STEPS_MAX) {
		refuse(w, "it has %zu steps; 1 to %d are possible", n, MESSAGE_STEPS_MAX);
		return;
	}
	ret->records = arena_array(w->arena, n, sizeof(*ret->records));
	put_text(w, "    steps:\n");
	json_array_foreach(steps, i, step)
	{
		const char *record = message_text(step, "id");
		put_step(w, step);
		if (!record || !*record || strlen(record) > 64)
			refuse(w, "step %zu has no id", i + 1);
		ret->records[ret->n_steps++] = record;
	}
}

/* ---- the job ---- */

static const char JOB[] = "    ";

/* Of several maps the last one that has a `run` counts, as a whole. */
static void put_defaults(struct writing *w, const json_t *message)
{
	const json_t *item, *run = NULL;
	size_t i;

	json_array_foreach(message_member(message, "defaults"), i, item)
	{
		if (map_get(item, "run"))
			run = map_get(item, "run");
	}
	if (is_empty(run))
		return;
	put_text(w, JOB);
	put_text(w, "defaults: {run: ");
	put_token(w, run, 1);
	put_text(w, "}\n");
}

static const char *literal_key(const json_t *pair)
{
	const json_t *key = message_member(pair, "key");
	return json_is_string(key) ? json_string_value(key) : message_text(key, "lit");
}

/* Does a later layer give the variable another value? */
static bool is_given_again(const json_t *layers, size_t layer, const json_t *pair)
{
	const char *name = literal_key(pair), *other;
	const json_t *later;
	size_t k;

	for (size_t i = layer + 1; name && i < json_array_size(layers); i++) {
		json_array_foreach(message_member(json_array_get(layers, i), "map"), k, later)
		{
			other = literal_key(later);
			if (other && strcmp(other, name) == 0)
				return true;
		}
	}
	return false;
}

/* The first of several is the workflow's; the others, which see it, become one: the job's. */
static void put_job_env(struct writing *w, const json_t *layers)
{
	const size_t n = json_array_size(layers), first = n > 1 ? 1 : 0;
	const json_t *layer, *pair;
	size_t i, k, put_so_far = 0, all = 0;

	json_array_foreach(layers, i, layer) all += json_array_size(message_member(layer, "map"));
	if (all > ENV_PAIRS_MAX)
		refuse(w, "it sets more than %d variables", ENV_PAIRS_MAX);

	if (n > 2 && w->r == 0) {
		put_text(w, JOB);
		put_text(w, "env: {");
		for (i = first; i < n; i++) {
			layer = json_array_get(layers, i);
			json_array_foreach(message_member(layer, "map"), k, pair)
			{
				if (is_given_again(layers, i, pair))
					continue;
				put_text(w, put_so_far++ ? ", " : "");
				put_key(w, message_member(pair, "key"));
				put_text(w, ": ");
				put_token(w, message_member(pair, "value"), 1);
			}
		}
		put_text(w, "}\n");
	} else if (n > 0) {
		put_row(w, JOB, "env", json_array_get(layers, first));
	}
}

static void put_environment(struct writing *w, const json_t *environment)
{
	const char *name = message_text(environment, "name");
	if (!name || !*name)
		return;
	put_text(w, JOB);
	put_text(w, "environment: {name: ");
	put_literal(w, name);
	if (!is_empty(message_member(environment, "url"))) {
		put_text(w, ", url: ");
		put_token(w, message_member(environment, "url"), 1);
	}
	put_text(w, "}\n");
}

static bool has_something(const json_t *map)
{
	return !is_empty(map) &&
	       !(type_of(map) == TOKEN_MAP && json_array_size(message_member(map, "map")) == 0);
}

static void put_job(struct writing *w, const json_t *message, const char *id,
                    struct message_workflow *ret)
{
	const char *name = message_text(message, "jobDisplayName");

	put_text(w, "  ");
	put_text(w, id);
	put_text(w, ":\n");
	if (name && *name)
		put_text_row(w, JOB, "name", name);
	put_text_row(w, JOB, "runs-on", "self-hosted");
	put_job_env(w, message_member(message, "environmentVariables"));
	put_defaults(w, message);
	put_row(w, JOB, "container", message_member(message, "jobContainer"));
	if (has_something(message_member(message, "jobServiceContainers")))
		put_row(w, JOB, "services", message_member(message, "jobServiceContainers"));
	if (has_something(message_member(message, "jobOutputs")))
		put_row(w, JOB, "outputs", message_member(message, "jobOutputs"));
	put_environment(w, message_member(message, "actionsEnvironment"));
	put_steps(w, message, ret);
}

static const char *github_text(const json_t *message, const char *name)
{
	const json_t *pair;
	size_t i;

	json_array_foreach(message_at(message, "contextData.github.d"), i, pair)
	{
		const char *key = message_text(pair, "k");
		if (key && strcmp(key, name) == 0)
			return message_text(pair, "v");
	}
	return NULL;
}

/* For people alone: whose code it is follows from the event itself (job_message.c). */
static const char *event_shown(const json_t *message)
{
	static const char *const plain[] = { "pull_request",  "pull_request_target",
		                             "release",       "issues",
		                             "issue_comment", "workflow_dispatch" };
	const char *name = github_text(message, "event_name");

	for (size_t i = 0; name && i < ARRAY_LEN(plain); i++)
		if (strcmp(name, plain[i]) == 0)
			return plain[i];
	return "push";
}

int message_workflow(const json_t *message, const char *job_id, struct plan_arena *arena,
                     struct message_workflow *ret, struct dd_err *err)
{
	struct writing w = { .arena = arena, .err = err };
	const json_t *layers = message_member(message, "environmentVariables");

	const char *name = github_text(message, "workflow");

	*ret = (struct message_workflow){ .text = NULL };
	if (name && *name)
		put_text_row(&w, "", "name", name);
	put_text_row(&w, "", "on", event_shown(message));
	if (json_array_size(layers) > 1)
		put_row(&w, "", "env", json_array_get(layers, 0));
	put_text(&w, "jobs:\n");
	put_job(&w, message, job_id, ret);
	if (w.r == 0) {
		ret->text = arena_strndup(arena, w.text, w.len);
		ret->len = w.len;
	}
	free(w.text);
	return w.r;
}
