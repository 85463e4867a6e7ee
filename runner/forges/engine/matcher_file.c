// SPDX-License-Identifier: Apache-2.0
/* matcher_file.c - reads a file of problem matchers, by GitHub's rules for it, and compiles its
 * patterns. Runs in: supervisor, on what a step or an action wrote. */
#include "matcher_parts.h"

#include "drydock/fd.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const names[MATCHER_FIELDS] = {
	[FIELD_FILE] = "file",       [FIELD_FROM_PATH] = "fromPath", [FIELD_LINE] = "line",
	[FIELD_COLUMN] = "column",   [FIELD_SEVERITY] = "severity",  [FIELD_CODE] = "code",
	[FIELD_MESSAGE] = "message",
};

/* One file's reading: which fields of the matcher at hand some pattern says already. */
struct reading {
	const char *owner;
	bool said[MATCHER_FIELDS];
	struct dd_err *err;
};

__attribute__((format(printf, 2, 3))) static int wrong(struct reading *r, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return r->owner ? dd_err_say(r->err, EINVAL, "matcher `%.60s`: %s", r->owner, text)
	                : dd_err_say(r->err, EINVAL, "%s", text);
}

/* ---- patterns ---- */

/* As .NET reads them in its ECMAScript mode: \d, \w and \s are ASCII, \u is a character. */
static pcre2_code *compile(const char *regexp, size_t len, char why[200])
{
	const uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_ALT_BSUX |
	                         PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY;
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	pcre2_code *code = NULL;
	PCRE2_SIZE at = 0;
	int number = PCRE2_ERROR_NOMEMORY;

	if (context && pcre2_set_parens_nest_limit(context, 50) == 0 &&
	    pcre2_set_newline(context, PCRE2_NEWLINE_LF) == 0)
		code = pcre2_compile((PCRE2_SPTR)regexp, len, options, &number, &at, context);
	pcre2_compile_context_free(context);
	if (!code) {
		PCRE2_UCHAR text[120] = "";
		(void)pcre2_get_error_message(number, text, sizeof(text));
		(void)snprintf(why, 200, "%s (character %zu)", (const char *)text, at + 1);
	}
	return code;
}

static int read_regexp(struct reading *r, const json_t *object, struct matcher_pattern *ret)
{
	const json_t *value = json_object_get(object, "regexp");
	char why[200];

	if (value && !json_is_null(value) && !json_is_string(value))
		return wrong(r, "`regexp` is no text");
	const char *text = json_is_string(value) ? json_string_value(value) : "";
	size_t len = json_is_string(value) ? json_string_length(value) : 0;
	if (len > MATCHER_REGEXP_MAX)
		return wrong(r, "a pattern has %zu bytes, more than %d", len, MATCHER_REGEXP_MAX);
	ret->code = compile(text, len, why);
	return ret->code ? 0 : wrong(r, "pattern `%.60s`: %s", text, why);
}

/* A number of a group, or nothing. */
static int read_field(struct reading *r, const json_t *object, enum matcher_field field,
                      struct matcher_pattern *ret)
{
	const json_t *value = json_object_get(object, names[field]);
	uint32_t groups = 0;

	ret->group[field] = -1;
	if (!value || json_is_null(value))
		return 0;
	(void)pcre2_pattern_info(ret->code, PCRE2_INFO_CAPTURECOUNT, &groups);
	if (!json_is_integer(value))
		return wrong(r, "`%s` is no number of a group", names[field]);
	if (r->said[field])
		return wrong(r, "`%s` is set twice", names[field]);
	json_int_t number = json_integer_value(value);
	if (number < 0 || number > (json_int_t)groups)
		return wrong(r, "`%s` is %lld, and its pattern has %u groups", names[field],
		             (long long)number, groups);
	ret->group[field] = (int)number;
	r->said[field] = true;
	return 0;
}

static int read_pattern(struct reading *r, const json_t *object, bool may_loop,
                        struct matcher_pattern *ret)
{
	if (!json_is_object(object))
		return wrong(r, "a pattern is no map");
	ret->loop = json_is_true(json_object_get(object, "loop"));
	if (ret->loop && !may_loop)
		return wrong(r, "only the last of several patterns may `loop`");
	int code = read_regexp(r, object, ret);
	for (enum matcher_field i = 0; code == 0 && i < MATCHER_FIELDS; i++)
		code = read_field(r, object, i, ret);
	if (code == 0 && ret->loop && ret->group[FIELD_MESSAGE] < 0)
		code = wrong(r, "the pattern that loops must set `message`");
	return code;
}

/* ---- matchers ---- */

void matcher_free(struct matcher *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++)
		pcre2_code_free(m->patterns[i].code);
	arena_free(m->kept);
	free(m->owner);
	free(m->severity);
	free(m);
}

static int read_severity(struct reading *r, const json_t *object, struct matcher *ret)
{
	static const char *const levels[] = { "", "error", "warning", "notice" };
	const json_t *value = json_object_get(object, "severity");
	const char *text = json_is_string(value) ? json_string_value(value) : "";

	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (strcasecmp(text, levels[i]) == 0) {
			ret->severity = i == 0 ? NULL : strdup(levels[i]);
			return i == 0 || ret->severity ? 0 : dd_err_set(r->err, ENOMEM, "keep it");
		}
	return wrong(r, "`severity` is `%.40s`: error, warning or notice", text);
}

static int read_matcher(struct reading *r, const json_t *object, struct matcher *ret)
{
	const json_t *owner = json_object_get(object, "owner"),
		     *patterns = json_object_get(object, "pattern");
	size_t n = json_array_size(patterns);

	memset(r->said, 0, sizeof(r->said));
	r->owner = NULL;
	if (!json_is_string(owner) || !json_string_length(owner))
		return wrong(r, "a matcher has no `owner`");
	r->owner = json_string_value(owner);
	ret->owner = strdup(r->owner);
	if (!ret->owner)
		return dd_err_set(r->err, ENOMEM, "keep a matcher");
	if (n == 0 || n > MATCHER_PATTERNS_MAX)
		return wrong(r, "it has %zu patterns: one, or up to %d", n, MATCHER_PATTERNS_MAX);
	int code = read_severity(r, object, ret);
	for (size_t i = 0; code == 0 && i < n; i++) {
		bool may_loop = i > 0 && i == n - 1;
		ret->n = i + 1;
		code = read_pattern(r, json_array_get(patterns, i), may_loop, &ret->patterns[i]);
	}
	if (code == 0 && !r->said[FIELD_MESSAGE])
		code = wrong(r, "no pattern sets `message`");
	return code;
}

static bool is_twice(struct matcher *const *list, size_t n)
{
	for (size_t i = 0; i + 1 < n; i++)
		if (list[i]->owner && list[n - 1]->owner &&
		    strcasecmp(list[i]->owner, list[n - 1]->owner) == 0)
			return true;
	return false;
}

static int read_list(struct reading *r, const json_t *all, struct matcher **list, size_t *ret_n)
{
	const json_t *given = json_object_get(all, "problemMatcher");
	int code = 0;

	if (!json_is_object(all) || (given && !json_is_null(given) && !json_is_array(given)))
		return wrong(r, "it is no {\"problemMatcher\": [...]}");
	for (size_t i = 0; code == 0 && i < json_array_size(given); i++) {
		if (i == MATCHERS_MAX)
			return wrong(r, "it has more than %d matchers", MATCHERS_MAX);
		list[i] = calloc(1, sizeof(*list[i]));
		if (!list[i])
			return dd_err_set(r->err, ENOMEM, "keep a matcher");
		*ret_n = i + 1;
		code = read_matcher(r, json_array_get(given, i), list[i]);
		if (code == 0 && is_twice(list, *ret_n))
			code = wrong(r, "there are two of that owner");
	}
	return code;
}

int matcher_file_read(const char *text, size_t len, struct matcher ***ret, size_t *ret_n,
                      struct dd_err *err)
{
	struct reading r = { .err = err };
	json_error_t where;
	size_t n = 0;

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
	}
	json_t *all = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
	if (!all)
		return dd_err_say(err, EINVAL, "line %d: %.100s", where.line, where.text);
	struct matcher **list = calloc(MATCHERS_MAX, sizeof(struct matcher *));
	int code = list ? read_list(&r, all, list, &n)
	                : dd_err_set(err, ENOMEM, "keep problem matchers");
	json_decref(all);
	if (code < 0) {
		for (size_t i = 0; i < n; i++)
			matcher_free(list[i]);
		free(list);
		return code;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}
