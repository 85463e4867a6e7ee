// SPDX-License-Identifier: Apache-2.0
/* wf_notes.c - what of a job this build cannot run. Pure; the texts are commit content.
 *
 * Runs in: command line and supervisor. `plan` shows a job with notes, `run` refuses it before
 * anything of the workflow runs: nothing is ever skipped in silence. */
#include "wf_notes.h"

#include "wf_combine.h"

#include <string.h>
#include <strings.h>

static const char not_yet[] = "`%s` is not supported yet";

/* ---- the checkout ---- */

/* Parameters of actions/checkout that say how the forge hands over the same tree. All others ask
 * for another one, or for credentials. */
static const char *const checkout_rows[] = {
	"clean",         "fetch-depth",         "fetch-tags",
	"lfs",           "persist-credentials", "set-safe-directory",
	"show-progress", "submodules",
};

static bool is_checkout_row(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(checkout_rows); i++)
		if (strcmp(checkout_rows[i], name) == 0)
			return true;
	return false;
}

static bool is_checkout(const struct wf_step *step)
{
	static const char checkout[] = "actions/checkout@";
	return step->uses && step->uses->kind == TEMPLATE_STRING &&
	       strncasecmp(step->uses->text, checkout, sizeof(checkout) - 1) == 0;
}

/* What of a checkout asks for another tree than the caller's; NULL: nothing. */
static const struct template_node *other_tree(const struct template_node *with)
{
	if (with && with->kind != TEMPLATE_MAP)
		return with;
	for (size_t i = 0; with && i < with->n; i++)
		if (with->pairs[i].key->kind != TEMPLATE_STRING ||
		    !is_checkout_row(with->pairs[i].key->text))
			return with->pairs[i].key;
	return NULL;
}

bool wf_is_local_checkout(const struct wf_step *step)
{
	return is_checkout(step) && !other_tree(step->with);
}

/* What of it is never done, whatever the value is. */
static const struct template_node *checkout_not_done(const struct template_node *with)
{
	static const char *const names[] = { "ssh-key", "ssh-known-hosts" };
	for (size_t i = 0; with && with->kind == TEMPLATE_MAP && i < with->n; i++)
		for (size_t k = 0; k < ARRAY_LEN(names); k++)
			if (with->pairs[i].key->kind == TEMPLATE_STRING &&
			    strcasecmp(with->pairs[i].key->text, names[k]) == 0)
				return with->pairs[i].key;
	return NULL;
}

static void note_uses(const struct wf_step *step, struct plan_arena *arena, struct diag_list *notes)
{
	const struct template_node *other = is_checkout(step) ? checkout_not_done(step->with)
	                                                      : NULL;
	const enum wf_uses kind = wf_uses_kind(step->uses->text);
	if (kind == WF_USES_LOCAL || kind == WF_USES_SELF)
		return;
	if (kind == WF_USES_DOCKER)
		diag_add(notes, step->uses->mark, "steps run on the host's own tools",
		         "an action in a container (`uses: %.100s`) is not supported yet",
		         wf_written(arena, step->uses));
	else if (!is_checkout(step))
		return; /* whether it is here is the front end's to know */
	else if (other)
		diag_add(notes, other->mark,
		         "a checkout fetches over https: `token`, or a credential of the policy "
		         "with `as: { git: HOST }`",
		         "`%.60s` of a checkout is not done", wf_written(arena, other));
}

/* ---- secrets that a called workflow is given ---- */

static const char *trimmed(struct plan_arena *arena, const char *text, size_t len)
{
	while (len > 0 && strchr(" \t\r\n", text[len - 1]))
		len--;
	size_t skip = 0;
	while (skip < len && strchr(" \t\r\n", text[skip]))
		skip++;
	return arena_strndup(arena, text + skip, len - skip);
}

/* NAME of `secrets.NAME`, or NULL. */
static const char *secret_name(const char *text)
{
	static const char context[] = "secrets.";
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	if (strncasecmp(text, context, sizeof(context) - 1) != 0)
		return NULL;
	text += sizeof(context) - 1;
	return *text && text[strspn(text, letters)] == '\0' ? text : NULL;
}

/* X of `'X'`, without quotes in it, or NULL. */
static const char *plain_text(struct plan_arena *arena, const char *text)
{
	size_t len = strlen(text);
	return len >= 2 && text[0] == '\'' && strchr(text + 1, '\'') == text + len - 1
	               ? arena_strndup(arena, text + 1, len - 2)
	               : NULL;
}

bool wf_secret_chain(struct plan_arena *arena, const struct template_node *node,
                     struct wf_secret_chain *ret)
{
	*ret = (struct wf_secret_chain){ .n = 0 };
	if (node->kind != TEMPLATE_EXPRESSION || node->n != 1)
		return false;
	const char *text = arena_strndup(arena, node->parts[0].text, node->parts[0].len);
	for (const char *next; text; text = next) {
		const char *end = strstr(text, "||");
		next = end ? end + 2 : NULL;
		const char *one = trimmed(arena, text, end ? (size_t)(end - text) : strlen(text));
		const char *name = secret_name(one);
		ret->last = end || name ? NULL : plain_text(arena, one);
		if (!name && !ret->last)
			return false;
		if (name) {
			ret->names = arena_grow(arena, ret->names, ret->n, sizeof(*ret->names));
			ret->names[ret->n++] = name;
		}
	}
	return ret->n > 0;
}

/* A credential is delivered by its name and is in no expression's hands, so one cannot be computed
 * from others. */
static void note_secrets(const struct wf_call *call, struct plan_arena *arena,
                         struct diag_list *notes)
{
	const struct template_node *map = call->secrets;
	struct wf_secret_chain chain;
	for (size_t i = 0; map && map->kind == TEMPLATE_MAP && i < map->n; i++)
		if (wf_asks_for(map->pairs[i].value, EXPR_SECRETS) &&
		    !wf_secret_chain(arena, map->pairs[i].value, &chain))
			diag_add(notes, map->pairs[i].value->mark,
			         "${{ secrets.NAME }}, or several with || between them",
			         "a secret that is computed is not supported yet");
}

/* ---- the job ---- */

static bool has_container(const struct template_node *container)
{
	return container && !(container->kind == TEMPLATE_STRING && container->len == 0) &&
	       container->kind != TEMPLATE_NULL;
}

void wf_note_job(const struct wf_flat_job *flat, struct plan_arena *arena, struct diag_list *notes)
{
	const struct wf_job *job = flat->job;
	const struct {
		const struct template_node *node;
		const char *key, *hint;
	} rows[] = {
		{ has_container(job->container) ? job->container : NULL, "container",
		  "steps run on the host's own tools" },
		{ job->services, "services", "start what is needed inside a step" },
		{ job->snapshot, "snapshot", "nothing is kept of a machine" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].node)
			diag_add(notes, rows[i].node->mark, rows[i].hint, not_yet, rows[i].key);
	if (job->call && job->call->unread)
		diag_add(notes, job->call->ref->mark,
		         "copy it to .github/workflows and call it as "
		         "./.github/workflows/NAME.yml",
		         "a workflow of another repository is not supported yet");
	if (job->call)
		note_secrets(job->call, arena, notes);
	for (size_t i = 0; i < job->n_steps; i++)
		if (job->steps[i].uses)
			note_uses(&job->steps[i], arena, notes);
}
