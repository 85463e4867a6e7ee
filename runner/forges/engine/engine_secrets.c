// SPDX-License-Identifier: Apache-2.0
/* engine_secrets.c - what `secrets.NAME` is: a text that the caller of a workflow gave, or a blank
 * for a credential of the step's grant. Runs in: supervisor.
 *
 * No expression ever holds the value of a credential: it computes with a blank, which nobody can
 * guess, and job/ puts the value in its place in variables alone, when the lease is there. A step
 * without the lease gets nothing, and is told the line that would give it. What expressions can
 * know of a secret is whether it is there. */
#include "engine_parts.h"

#include "drydock/fd.h"

#include <string.h>
#include <strings.h>
#include <sys/random.h>

#define TOKEN_NAME "GITHUB_TOKEN"

/* ---- names ---- */

/* A credential is called like a file, a secret like a variable: `-` is `_`. */
static char *as_secret(struct plan_arena *arena, const char *credential)
{
	char *name = arena_strdup(arena, credential);
	for (char *at = name; *at; at++)
		if (*at == '-' || *at == '.')
			*at = '_';
	return name;
}

static bool is_named(struct job_engine *e, const struct grant_lease *lease, const char *name)
{
	return strcasecmp(as_secret(e->arena, lease->name), name) == 0 ||
	       strcasecmp(lease->name, name) == 0 ||
	       (lease->from == LEASE_FROM_FORGE && lease->source &&
	        strcasecmp(lease->source, name) == 0);
}

static struct engine_secret *known(struct job_engine *e, const char *credential)
{
	for (size_t i = 0; i < e->n_blanks; i++)
		if (strcmp(e->blanks[i].lease->name, credential) == 0)
			return &e->blanks[i];
	return NULL;
}

int engine_secrets_make(struct job_engine *e, struct dd_err *err)
{
	uint64_t r[2];

	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return dd_err_set(err, errno ? errno : EIO, "make blanks for secrets");
	e->blank = arena_printf(e->arena, "drydock_secret_%016llx%016llx_",
	                        (unsigned long long)r[0], (unsigned long long)r[1]);
	for (size_t i = 0; i < e->plan->n_grants; i++)
		for (size_t k = 0; k < e->plan->grants[i].n_leases; k++) {
			const struct grant_lease *lease = &e->plan->grants[i].leases[k];
			if (known(e, lease->name))
				continue;
			e->blanks = arena_grow(e->arena, e->blanks, e->n_blanks,
			                       sizeof(*e->blanks));
			e->blanks[e->n_blanks] = (struct engine_secret){
				.lease = lease,
				.text = arena_printf(e->arena, "%s%zu_", e->blank, e->n_blanks),
			};
			e->n_blanks++;
		}
	return 0;
}

/* Does the step at hand hold it? The written one does, and the steps of the action that it is;
 * those before the first step and behind the last one hold none. */
static bool is_held(const struct job_engine *e, const char *credential)
{
	if (!e->now.step || e->now.stage != STAGE_MAIN)
		return false;
	for (size_t i = 0; i < e->now.grant->n_leases; i++)
		if (strcmp(e->now.grant->leases[i].name, credential) == 0)
			return !e->now.grant->leases[i].withheld;
	return false;
}

/* ---- the context ---- */

/* The first of the credentials that may stand for it and that there is a blank for. */
static const char *blank_for(struct job_engine *e, const struct actions_secret *s, bool held_only)
{
	for (size_t i = 0; i < s->n_credentials; i++)
		for (size_t k = 0; k < e->n_blanks; k++)
			if (is_named(e, e->blanks[k].lease, s->credentials[i]) &&
			    (!held_only || is_held(e, e->blanks[k].lease->name)))
				return e->blanks[k].text;
	return NULL;
}

static bool put(struct expr_memory *mem, struct expr_value *into, const char *name,
                const char *text)
{
	return expr_object_set(mem, into->object, name, strlen(name), expr_text(text));
}

bool engine_secrets_context(struct job_engine *e, bool held_only, struct expr_memory *mem,
                            struct expr_value *ret)
{
	if (!expr_object_new(mem, false, ret))
		return false;
	for (size_t i = 0; e->world.secrets_all && i < e->n_blanks; i++) {
		const struct grant_lease *lease = e->blanks[i].lease;
		const char *forge = lease->from == LEASE_FROM_FORGE ? lease->source : NULL;
		if (held_only && !is_held(e, lease->name))
			continue;
		if (!put(mem, ret, as_secret(mem->arena, lease->name), e->blanks[i].text) ||
		    (forge && !put(mem, ret, forge, e->blanks[i].text)))
			return false;
	}
	for (size_t i = 0; i < e->world.n_secrets; i++) {
		const struct actions_secret *s = &e->world.secrets[i];
		const char *text = blank_for(e, s, held_only);
		if (!text)
			text = s->literal;
		if (text && !put(mem, ret, s->name, text))
			return false;
	}
	return true;
}

/* The same secret by its other name. */
bool engine_secrets_token(struct job_engine *e, const struct expr_value *secrets)
{
	static const char token[] = "token";
	const struct expr_value *value = expr_object_get(secrets->object, TOKEN_NAME,
	                                                 sizeof(TOKEN_NAME) - 1);
	return expr_object_set(&e->mem, e->github.object, token, sizeof(token) - 1,
	                       value ? *value : expr_null());
}

/* ---- what a step does not get ---- */

/* The line of a policy that gives @credential to the step at hand. */
static const char *line_for(struct job_engine *e, const char *name, const struct grant_lease *there)
{
	const struct grant *g = e->now.grant;
	const char *id = g->id[0] ? g->id : "ID",
		   *give_id = g->id[0] ? "" : "give the step an id; ";

	if (g->phase != DD_PHASE_FETCH && g->phase != DD_PHASE_PUSH)
		give_id = arena_printf(
			e->now.arena,
			"%sonly fetch and push steps hold any: steps: [ { phase: push, "
			"match: { id: %s } } ]; ",
			give_id, id);
	if (there)
		return arena_printf(e->now.arena, "%scredentials.%s.for.steps: [ ..., %s ]",
		                    give_id, there->name, id);
	return arena_printf(
		e->now.arena,
		"%scredentials: { %s: { from: { %s%s }, for: { phase: %s, steps: [ %s ] }, as: { "
		"env: %s }, ttl: 5m } }",
		give_id, name,
		e->world.secrets_sent ? "forge: " : "file: ", e->world.secrets_sent ? name : "FILE",
		g->phase == DD_PHASE_FETCH ? "fetch" : "push", id, name);
}

static void tell_withheld(struct job_engine *e, const char *name, const struct grant_lease *there)
{
	for (size_t i = 0; i < e->now.n_told_secrets; i++)
		if (strcasecmp(e->now.told_secrets[i], name) == 0)
			return;
	e->now.told_secrets = arena_grow(e->now.arena, e->now.told_secrets, e->now.n_told_secrets,
	                                 sizeof(*e->now.told_secrets));
	e->now.told_secrets[e->now.n_told_secrets++] = arena_strdup(e->now.arena, name);
	const char *why = e->now.stage == STAGE_MAIN
	                          ? "the policy gives this step no credential of that name"
	                          : "a stage before or behind the job's steps holds no credential";
	/* a record that cannot be written to ends the job with its next event */
	(void)job_voice_secret_absent(e->job, e->now.grant->index, name, why, NULL);
	job_voice_note(e->job, e->now.grant->index, SINK_WARN,
	               "secrets.%.60s is empty here: %s; to give it, write in %s: %.700s", name,
	               why, e->plan->policy_path ? e->plan->policy_path : "a policy",
	               line_for(e, name, there));
}

struct naming {
	struct job_engine *e;
	const struct expr_value *have;
};

static bool see_path(void *user, const char *path)
{
	static const char context[] = "secrets.";
	struct naming *n = user;

	if (strcasecmp(path, "github.token") == 0)
		path = "secrets." TOKEN_NAME;
	const char *name = path + sizeof(context) - 1;

	if (strncasecmp(path, context, sizeof(context) - 1) != 0 || !*name || *name == '*' ||
	    expr_object_get(n->have->object, name, strlen(name)))
		return true;
	const struct grant_lease *there = NULL;
	for (size_t i = 0; i < n->e->n_blanks && !there; i++)
		if (is_named(n->e, n->e->blanks[i].lease, name))
			there = n->e->blanks[i].lease;
	tell_withheld(n->e, name, there);
	return true;
}

static void see_node(struct naming *n, const struct template_node *node)
{
	if (!node)
		return;
	for (size_t i = 0; node->kind == TEMPLATE_EXPRESSION && i < node->n; i++)
		if (node->parts[i].expr)
			expr_paths(node->parts[i].expr, see_path, n);
	for (size_t i = 0; node->kind == TEMPLATE_LIST && i < node->n; i++)
		see_node(n, node->items[i]);
	for (size_t i = 0; node->kind == TEMPLATE_MAP && i < node->n; i++) {
		see_node(n, node->pairs[i].key);
		see_node(n, node->pairs[i].value);
	}
}

void engine_secrets_tell(struct job_engine *e)
{
	const struct wf_step *s = e->now.step;
	const struct template_node *nodes[] = { s->env, s->run, s->with, s->working_directory };
	struct naming n = { e, &e->now.secrets };

	for (size_t i = 0; i < ARRAY_LEN(nodes); i++)
		see_node(&n, nodes[i]);
}

/* ---- texts ---- */

bool engine_secrets_in(const struct job_engine *e, const char *text)
{
	return e->n_blanks > 0 && strstr(text, e->blank);
}

const char *engine_secrets_fit(struct job_engine *e, struct plan_arena *arena, const char *text)
{
	if (!engine_secrets_in(e, text))
		return text;
	for (size_t i = 0; i < e->n_blanks; i++) {
		const struct engine_secret *s = &e->blanks[i];
		for (const char *at; !is_held(e, s->lease->name) && (at = strstr(text, s->text));) {
			text = arena_printf(arena, "%.*s%s", (int)(at - text), text,
			                    at + strlen(s->text));
			if (!e->blanks[i].told) /* of a variable around all steps, once */
				tell_withheld(e, as_secret(arena, s->lease->name), s->lease);
			e->blanks[i].told = true;
		}
	}
	return text;
}

void engine_secrets_recipe(struct job_engine *e)
{
	struct recipe_secret *list = arena_array(e->now.arena, e->n_blanks, sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; i < e->n_blanks; i++)
		if (is_held(e, e->blanks[i].lease->name))
			list[n++] = (struct recipe_secret){
				.blank = e->blanks[i].text,
				.credential = e->blanks[i].lease->name,
			};
	e->now.recipe.secrets = list;
	e->now.recipe.n_secrets = n;
}
