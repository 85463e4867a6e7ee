// SPDX-License-Identifier: Apache-2.0
/* spool_mask.c - see spool_mask.h. Runs in: job host, keeper, supervisor. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "spool_mask.h"

#include "message_json.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { STEPS_MAX = 200 * 1000, DEPTH_MAX = 2000, HEAP_KIB = 4096 };

static const char STARS[] = "***";

struct spool_masks {
	size_t n;
	struct one {
		pcre2_code *code; /* NULL: only the text counts */
		char *text;
	} all[SPOOL_MASKS_MAX];
	pcre2_match_context *bounds;
	pcre2_match_data *found;
};

static void add(struct spool_masks *m, const char *pattern,
                void (*wrong)(void *arg, const char *pattern, const char *why), void *arg)
{
	PCRE2_SIZE at = 0;
	int code = 0;
	unsigned char why[120] = "";
	struct one *o = &m->all[m->n];

	*o = (struct one){ .text = strdup(pattern) };
	if (!o->text)
		return;
	o->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_NEVER_BACKSLASH_C,
	                        &code, &at, NULL);
	m->n++;
	if (o->code)
		return;
	(void)pcre2_get_error_message(code, why, sizeof(why));
	wrong(arg, pattern, (char *)why);
}

struct spool_masks *spool_masks_new(const json_t *mask,
                                    void (*wrong)(void *arg, const char *pattern, const char *why),
                                    void *arg)
{
	struct spool_masks *m = json_array_size(mask) ? calloc(1, sizeof(*m)) : NULL;
	const json_t *hint;
	size_t i;

	if (!m)
		return NULL;
	m->bounds = pcre2_match_context_create(NULL);
	m->found = pcre2_match_data_create(1, NULL);
	if (m->bounds) {
		(void)pcre2_set_match_limit(m->bounds, STEPS_MAX);
		(void)pcre2_set_depth_limit(m->bounds, DEPTH_MAX);
		(void)pcre2_set_heap_limit(m->bounds, HEAP_KIB);
	}
	json_array_foreach(mask, i, hint)
	{
		const char *type = message_text(hint, "type"), *value = message_text(hint, "value");
		if (type && strcasecmp(type, "regex") == 0 && value && *value &&
		    strlen(value) <= SPOOL_MASK_LEN_MAX && m->n < SPOOL_MASKS_MAX)
			add(m, value, wrong, arg);
	}
	if (m->n > 0 && m->bounds && m->found)
		return m;
	spool_masks_free(m);
	return NULL;
}

void spool_masks_free(struct spool_masks *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++) {
		pcre2_code_free(m->all[i].code);
		free(m->all[i].text);
	}
	pcre2_match_context_free(m->bounds);
	pcre2_match_data_free(m->found);
	free(m);
}

/* From @at on: true and where. An expression that takes too long is a match of all that is left. */
static bool find(const struct spool_masks *m, const struct one *o, const char *text, size_t len,
                 size_t at, size_t *ret_from, size_t *ret_to)
{
	const char *plain = memmem(text + at, len - at, o->text, strlen(o->text));
	int r = o->code ? pcre2_match(o->code, (PCRE2_SPTR)text, len, at, 0, m->found, m->bounds)
	                : PCRE2_ERROR_NOMATCH;

	*ret_from = *ret_to = len;
	if (r >= 0) {
		const PCRE2_SIZE *where = pcre2_get_ovector_pointer(m->found);
		*ret_from = where[0];
		*ret_to = where[1] > where[0] ? where[1] : where[0];
	} else if (r != PCRE2_ERROR_NOMATCH) {
		*ret_from = at;
		return true;
	}
	if (plain && (size_t)(plain - text) < *ret_from) {
		*ret_from = (size_t)(plain - text);
		*ret_to = *ret_from + strlen(o->text);
	}
	return *ret_from<len && * ret_to> * ret_from;
}

/* One expression over the whole text; NULL: nothing. */
static char *apply_one(const struct spool_masks *m, const struct one *o, const char *text,
                       size_t len, size_t *ret_len)
{
	char *out = NULL;
	size_t n = 0, at = 0, from, to;

	while (at < len && find(m, o, text, len, at, &from, &to)) {
		if (!out && !(out = malloc(3 * len + 4)))
			return NULL;
		memcpy(out + n, text + at, from - at);
		n += from - at;
		memcpy(out + n, STARS, 3);
		n += 3;
		at = to;
	}
	if (!out)
		return NULL;
	memcpy(out + n, text + at, len - at);
	n += len - at;
	out[n] = '\0';
	*ret_len = n;
	return out;
}

char *spool_masks_apply(const struct spool_masks *m, const char *text, size_t len, size_t *ret_len)
{
	char *out = NULL;

	for (size_t i = 0; m && i < m->n; i++) {
		size_t n = 0;
		char *next = apply_one(m, &m->all[i], out ? out : text, len, &n);
		if (!next)
			continue;
		free(out);
		out = next;
		len = n;
	}
	if (out)
		*ret_len = len;
	return out;
}
