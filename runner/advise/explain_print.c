// SPDX-License-Identifier: Apache-2.0
/* explain_print.c - an answer of `policy explain` for people and for tools, with the edits that
 * would change it.
 *
 * Runs in: command line (an edge: it prints). Whatever came from a step or a record is escaped.
 */
#include "explain.h"

#include "drydock/fd.h"
#include "policy_edit.h"
#include "base/text_escape.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 80, LABEL = 10 };

/* @text between words, continued below itself; a word that is longer than the line stays whole. */
static void put(FILE *out, const char *label, const char *text)
{
	size_t column = LABEL;
	if (!*text)
		return;
	dd_auto_free char *safe = malloc(strlen(text) * TEXT_ESCAPE_MAX + 1);
	if (!safe)
		return;
	(void)text_escape(safe, text, strlen(text));
	(void)fprintf(out, "  %-*s", LABEL - 2, label);
	for (const char *p = safe; *p;) {
		size_t gap = strspn(p, " "), len = strcspn(p + gap, " ");
		bool fold = column > LABEL && column + gap + len > WIDTH;
		(void)(fold ? fprintf(out, "\n%*s", LABEL, "") : fprintf(out, "%.*s", (int)gap, p));
		(void)fprintf(out, "%.*s", (int)len, p + gap);
		column = (fold ? LABEL : column + gap) + len;
		p += gap + len;
	}
	(void)fputc('\n', out);
}

static void put_lines(FILE *out, const char *lines)
{
	for (const char *p = lines; *p;) {
		size_t len = strcspn(p, "\n");
		char shown[3000];
		diag_escape(shown, sizeof(shown), p, len);
		(void)fprintf(out, "%*s| %s\n", LABEL, "", shown);
		p += len + (p[len] == '\n');
	}
}

static void put_edit(FILE *out, const char *policy, const struct policy_edit *e)
{
	char head[1000];
	if (e->whole_lines && e->line > 1)
		(void)snprintf(head, sizeof(head), "in %s after line %u:", policy, e->line - 1);
	else if (e->whole_lines)
		(void)snprintf(head, sizeof(head), "in %s before line 1:", policy);
	else if (e->removed)
		(void)snprintf(head, sizeof(head),
		               "in %s line %u, column %u, instead of `%.200s`:", policy, e->line,
		               e->column, e->removed);
	else
		(void)snprintf(head, sizeof(head),
		               "in %s line %u, before column %u, insert:", policy, e->line,
		               e->column);
	put(out, "add", head);
	put_lines(out, e->insert);
}

static void put_edits(FILE *out, const struct explain_answer *a)
{
	struct policy_text text = { .arena = NULL };
	struct dd_err err = { .code = 0 };
	if (!a->policy[0]) {
		struct plan_arena *arena = arena_new();
		put(out, "add", "there is no policy yet; a file for --policy:");
		put_lines(out, policy_edit_new_file(arena, a->advice.change, a->advice.n));
		arena_free(arena);
		return;
	}
	if (policy_text_load(a->policy, &text, &err) < 0) {
		put(out, "add", err.msg);
		return;
	}
	for (size_t i = 0; i < a->advice.n; i++) {
		struct policy_edit e;
		if (policy_edit_make(&text, &a->advice.change[i], &e, &err) == 0)
			put_edit(out, a->policy, &e);
		else
			put(out, "add", err.msg);
	}
	policy_text_done(&text);
}

void explain_print_text(const struct explain_answer *a, FILE *out)
{
	char text[900];
	(void)snprintf(text, sizeof(text), "%s", a->asked);
	char shown[sizeof(a->asked) * 4];
	diag_escape(shown, sizeof(shown), text, strlen(text));
	(void)fprintf(out, "%s %s\n", a->verdict, shown);
	(void)snprintf(text, sizeof(text), "%s, %s%s%s%s", a->step, a->phase,
	               a->phase_why[0] ? " (" : "", a->phase_why, a->phase_why[0] ? ")" : "");
	put(out, "step", text);
	if (a->seq) {
		(void)snprintf(text, sizeof(text), "%+.3f s, event %llu%s", a->at_sec,
		               (unsigned long long)a->seq, a->count > 1 ? ", and again:" : "");
		size_t len = strlen(text);
		if (a->count > 1)
			(void)snprintf(text + len, sizeof(text) - len, " %llu times in all",
			               (unsigned long long)a->count);
		put(out, "when", text);
	}
	put(out, "tried", a->process);
	put(out, "action", a->action);
	put(out, "by", a->decided[0] ? a->decided : a->seq ? "" : "no line of the policy");
	put(out, "why", a->why);
	put(out, "note", a->note);
	if (!a->has_advice)
		return;
	if (a->advice.n)
		put_edits(out, a);
	else
		put(out, "no line", a->advice.instead);
	for (size_t i = 0; i < a->advice.n_beyond; i++)
		put(out, i ? "" : "allows", a->advice.beyond[i]);
}

/* ---- JSON ---- */

static json_t *safe_text(const char *text)
{
	dd_auto_free char *safe = malloc(strlen(text) * TEXT_ESCAPE_MAX + 1);
	if (!safe)
		return NULL;
	(void)text_escape(safe, text, strlen(text));
	return json_string(safe);
}

static json_t *edit_json(const struct explain_answer *a, const struct policy_text *text,
                         const struct advice_change *change)
{
	struct policy_edit e;
	struct dd_err err = { .code = 0 };
	if (policy_edit_make(text, change, &e, &err) < 0)
		return json_pack("{s:s, s:s}", "where", change->where, "error", err.msg);
	return json_pack("{s:s, s:s, s:i, s:i, s:I, s:I, s:s, s:b}", "file", a->policy, "where",
	                 change->where, "line", (int)e.line, "column", (int)e.column, "offset",
	                 (json_int_t)e.offset, "remove", (json_int_t)e.remove, "insert", e.insert,
	                 "whole_lines", e.whole_lines);
}

static json_t *edits_json(const struct explain_answer *a)
{
	struct policy_text text = { .arena = NULL };
	json_t *edits = json_array();
	if (!a->advice.n || !a->policy[0] || policy_text_load(a->policy, &text, NULL) < 0)
		return edits;
	for (size_t i = 0; i < a->advice.n; i++)
		(void)json_array_append_new(edits, edit_json(a, &text, &a->advice.change[i]));
	policy_text_done(&text);
	return edits;
}

static json_t *new_policy_json(const struct explain_answer *a)
{
	if (!a->advice.n || a->policy[0])
		return json_null();
	struct plan_arena *arena = arena_new();
	json_t *text = json_string(policy_edit_new_file(arena, a->advice.change, a->advice.n));
	arena_free(arena);
	return text;
}

static json_t *advice_json(const struct explain_answer *a)
{
	if (!a->has_advice)
		return json_null();
	json_t *lines = json_array(), *beyond = json_array();
	for (size_t i = 0; i < a->advice.n; i++)
		(void)json_array_append_new(lines, json_pack("{s:s, s:s}", "where",
		                                             a->advice.change[i].where, "text",
		                                             a->advice.change[i].text));
	for (size_t i = 0; i < a->advice.n_beyond; i++)
		(void)json_array_append_new(beyond, safe_text(a->advice.beyond[i]));
	return json_pack("{s:o, s:o, s:o, s:s?, s:o}", "lines", lines, "edits", edits_json(a),
	                 "new_policy", new_policy_json(a), "instead", a->advice.instead, "allows",
	                 beyond);
}

int explain_print_json(const struct explain_answer *a, FILE *out)
{
	json_t *root = json_pack(
		"{s:b, s:s, s:o, s:o, s:s, s:o, s:o?, s:o, s:o?, s:o?, s:s?, s:s?, s:s?, s:o}",
		"allow", a->allow, "verdict", a->verdict, "asked", safe_text(a->asked), "step",
		safe_text(a->step), "phase", a->phase, "phase_why", safe_text(a->phase_why),
		"entry", a->decided[0] ? safe_text(a->decided) : NULL, "why", safe_text(a->why),
		"process", a->process[0] ? safe_text(a->process) : NULL, "action",
		a->action[0] ? safe_text(a->action) : NULL, "note", a->note[0] ? a->note : NULL,
		"policy", a->policy[0] ? a->policy : NULL, "event", NULL, "advice", advice_json(a));
	if (root && a->seq)
		(void)json_object_set_new(root, "event",
		                          json_pack("{s:I, s:f, s:I}", "seq", (json_int_t)a->seq,
		                                    "at_sec", a->at_sec, "count",
		                                    (json_int_t)a->count));
	bool good = root && json_dumpf(root, out, JSON_INDENT(2)) == 0 && fputc('\n', out) != EOF;
	json_decref(root);
	return good ? 0 : -EIO;
}
