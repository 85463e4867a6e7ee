// SPDX-License-Identifier: Apache-2.0
/* suggest.c - from records to the text of a policy.
 *
 * Runs in: command line. Records are foreign; pure but for the package managers' own configuration
 * and the seccomp profile. */
#include "suggest_parts.h"

#include "base/text_escape.h"

#include <stdlib.h>
#include <string.h>

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
	suggest_actions(&s);
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
