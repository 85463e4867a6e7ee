// SPDX-License-Identifier: Apache-2.0
/* wf_ids.c - ids of jobs and steps: what is allowed, and those that GitHub makes. Runs in: command
 * line and supervisor; reads commit content. Pure. */
#include "wf_read.h"

#include "unicode_text.h"

#include <string.h>

enum { ID_LENGTH = 100, NUMBERS_MAX = 999 };

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_id_char(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '-';
}

static bool is_id(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (i == 0 ? !is_letter(text[i]) : !is_id_char(text[i]))
			return false;
	return len > 0 && len < ID_LENGTH;
}

void wf_ids_open(struct wf_ids *ids, struct plan_arena *arena)
{
	*ids = (struct wf_ids){ .mem = { .arena = arena } };
	(void)expr_object_new(&ids->mem, false, &ids->known);
}

bool wf_ids_add(struct wf_reader *r, struct wf_ids *ids, const struct template_node *node,
                const char *what)
{
	const char *text = node->text;
	struct wf_error *e = NULL;

	if (!is_id(text, node->len)) {
		e = wf_error_add(r->errors, WF_ID_INVALID, node->mark,
		                 "`%.120s` cannot be the id of a %s", text, what);
		(void)snprintf(
			e->hint, sizeof(e->hint),
			"a letter or _ first, then letters, digits, - and _; shorter than %d",
			ID_LENGTH);
	} else if (strncmp(text, "__", 2) == 0) {
		e = wf_error_add(
			r->errors, WF_ID_RESERVED, node->mark,
			"`%.120s` cannot be the id of a %s: __ begins what GitHub makes itself",
			text, what);
	} else if (expr_object_get(ids->known.object, text, node->len)) {
		e = wf_error_add(r->errors, WF_ID_TWICE, node->mark,
		                 "two with the id `%.120s` (the case of letters does not count)",
		                 text);
	}
	if (e)
		return false;
	(void)expr_object_set(&ids->mem, ids->known.object, text, node->len, expr_null());
	return true;
}

const char *wf_ids_make(struct plan_arena *arena, struct wf_ids *ids, const char *from, size_t len)
{
	struct expr_memory mem = { .arena = arena };
	struct expr_text out = { .mem = &mem };
	const char *base;
	size_t base_len;

	expr_text_add(&out, "__", 2);
	for (const char *p = from, *end = from + len; p < end;) {
		const char *c = p;
		uint32_t code = text_next(&p, end);
		if (code < 0x80 && is_id_char(*c))
			expr_text_add(&out, c, 1);
		else /* one _ for each UTF-16 unit */
			expr_text_fill(&out, '_', code >= 0x10000 ? 2 : 1);
	}
	if (!expr_text_take(&out, &base, &base_len))
		return NULL;
	for (unsigned attempt = 1; attempt <= NUMBERS_MAX; attempt++) {
		char suffix[8] = "";
		if (attempt > 1)
			(void)snprintf(suffix, sizeof(suffix), "_%u", attempt);
		size_t room = ID_LENGTH - strlen(suffix);
		const char *id = arena_printf(
			arena, "%.*s%s", (int)(base_len < room ? base_len : room), base, suffix);
		if (expr_object_get(ids->known.object, id, strlen(id)))
			continue;
		(void)expr_object_set(&ids->mem, ids->known.object, id, strlen(id), expr_null());
		return id;
	}
	return NULL;
}
