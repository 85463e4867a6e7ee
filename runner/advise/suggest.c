// SPDX-License-Identifier: Apache-2.0
/* suggest.c - from records to the text of a policy, and the small things that every part of that
 * needs.
 *
 * Runs in: command line. Records are foreign; pure but for the package managers' own configuration
 * and the seccomp profile. */
#include "suggest_parts.h"

#include "base/text_escape.h"

#include <stdlib.h>
#include <string.h>

void suggest_add_text(struct plan_arena *arena, struct suggest_texts *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->items[i], text) == 0)
			return;
	list->items = arena_grow(arena, list->items, list->n, sizeof(*list->items));
	list->items[list->n++] = text;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void suggest_sort_texts(struct suggest_texts *list)
{
	if (list->n)
		qsort(list->items, list->n, sizeof(*list->items), by_text);
}

/* Escaped as a whole: a warning becomes a comment, and must not end its line whoever chose a word
 * of it. */
void suggest_warn(struct suggest *s, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		suggest_add_text(s->arena, &s->warnings, "a warning was lost: out of memory");
		return;
	}
	char *safe = arena_array(s->arena, (size_t)n + 1, TEXT_ESCAPE_MAX);
	(void)text_escape(safe, text, (size_t)n);
	suggest_add_text(s->arena, &s->warnings, safe);
	free(text);
}

bool suggest_cut_short(const struct record_facts *facts, char *ret, size_t size)
{
	bool ended = facts->end.seq && !facts->torn_bytes;
	bool failed = ended && facts->status && strcmp(facts->status, "succeeded") != 0;

	char of[32] = "";

	if (ended && !failed)
		return false;
	if (facts->n_planned != FACTS_ABSENT)
		(void)snprintf(of, sizeof(of), " of %lld", (long long)facts->n_planned);
	(void)snprintf(ret, size,
	               "the run %s, %zu%s steps began: what it would have needed next is not in "
	               "the policy",
	               ended ? "failed" : "did not end in this record", facts->n_steps, of);
	return true;
}

/* ---- quoting ---- */

static unsigned code_point(const char *s, size_t len)
{
	static const unsigned char lead_bits[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	unsigned code = (unsigned char)s[0] & lead_bits[len];
	for (size_t i = 1; i < len; i++)
		code = code << 6 | ((unsigned char)s[i] & 0x3f);
	return code;
}

/* What every YAML reader takes as it is inside of double quotes, and no terminal obeys. */
static bool stands_for_itself(const char *s, size_t len, unsigned code)
{
	return code != '"' && code != '\\' && code != '\t' && code != 0xfeff && code < 0xfffe &&
	       utf8_char_is_plain(s, len);
}

const char *suggest_quoted(struct plan_arena *arena, const char *text)
{
	enum { WIDEST = 10 }; /* \UXXXXXXXX, for at least one byte */
	size_t len = strlen(text), n = 0;
	char *out = arena_alloc(arena, len * WIDEST + 3);
	out[n++] = '"';
	for (size_t i = 0; i < len;) {
		size_t c = utf8_char_len(text + i, len - i);
		unsigned code = c ? code_point(text + i, c) : (unsigned char)text[i];
		if (c && stands_for_itself(text + i, c, code)) {
			memcpy(out + n, text + i, c);
			n += c;
		} else if (code == '"' || code == '\\') {
			out[n++] = '\\';
			out[n++] = (char)code;
		} else {
			n += (size_t)sprintf(out + n,
			                     code < 0x100     ? "\\x%02x"
			                     : code < 0x10000 ? "\\u%04x"
			                                      : "\\U%08x",
			                     code);
		}
		i += c ? c : 1;
	}
	out[n++] = '"';
	return out;
}

/* ---- all of it ---- */

/* What the text says, held against the records by the loader and the replay that the operator would
 * use. */
static void prove(struct suggest *s, const char *text, size_t len)
{
	struct diag_list diags = { 0 };
	struct policy *policy = NULL;
	struct dd_err err = { 0 };
	if (policy_parse_at("the suggested policy", s->options->set_dir, text, len, &policy,
	                    &diags) < 0) {
		suggest_warn(s, "the policy does not load: %s",
		             diags.n ? diags.items[0].text : "?");
		diag_list_done(&diags);
		return;
	}
	struct replay *r = replay_new(policy);
	r->profile_dir = s->options->profile_dir;
	int code = 0;
	for (size_t i = 0; i < s->n_records && code == 0; i++)
		code = replay_add(r, s->records[i], &err);
	if (code < 0)
		suggest_warn(s, "the policy cannot be tried: %s", err.msg);
	const struct replay_list *lists[] = { &r->refused, &r->unknown };
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		for (size_t k = 0; k < lists[i]->n; k++) {
			const struct replay_finding *f = &lists[i]->items[k];
			suggest_warn(s, "%s under this policy: step %s: %s %s: %s",
			             i == 0 ? "refused" : "cannot be judged",
			             suggest_quoted(s->arena, f->step ? f->step : "-"), f->what,
			             suggest_quoted(s->arena, f->subject ? f->subject : ""),
			             suggest_quoted(s->arena, f->why));
		}
	replay_free(r);
	policy_free(policy);
	diag_list_done(&diags);
}

static int write_text(struct suggest *s, struct suggestion *ret, struct dd_err *err)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	if (!out)
		return dd_err_set(err, errno, "write the policy");
	int r = suggest_write(s, out);
	if (fclose(out) != 0 || r < 0) {
		free(text);
		return dd_err_set(err, ENOMEM, "write the policy");
	}
	ret->text = text;
	ret->len = len;
	return 0;
}

/* Written once to be proved, and a second time when the proof has something to say at its head. */
static int write_proved(struct suggest *s, struct suggestion *ret, struct dd_err *err)
{
	struct suggestion first = { .text = NULL };
	int r = write_text(s, &first, err);
	if (r < 0)
		return r;
	prove(s, first.text, first.len);
	free(first.text);
	return write_text(s, ret, err);
}

int suggest_policy(const struct record_facts *const *records, size_t n,
                   const struct suggest_options *options, struct suggestion *ret,
                   struct dd_err *err)
{
	struct suggest s = {
		.arena = arena_new(), .records = records, .n_records = n, .options = options
	};
	struct suggestion made = { .arena = s.arena };
	suggest_steps(&s);
	suggest_phases(&s);
	suggest_rules(&s);
	suggest_dests(&s);
	suggest_egress(&s);
	int r = suggest_rest(&s, err);
	if (r == 0)
		r = write_proved(&s, &made, err);
	if (r < 0) {
		arena_free(s.arena);
		return r;
	}
	s.warnings.items = arena_grow(s.arena, s.warnings.items, s.warnings.n,
	                              sizeof(*s.warnings.items));
	s.warnings.items[s.warnings.n] = NULL;
	made.warnings = s.warnings.items;
	*ret = made;
	return 0;
}

void suggestion_done(struct suggestion *s)
{
	free(s->text);
	arena_free(s->arena);
	*s = (struct suggestion){ .text = NULL };
}
