// SPDX-License-Identifier: Apache-2.0
/* wf_check.c - what can be said of the values of a job before anything is computed. Runs in:
 * command line and supervisor; reads commit content that the schema has looked at. */
#include "wf_matrix.h"
#include "wf_read.h"

#include "unicode_text.h"

#include <string.h>

void wf_check_strategy(struct wf_reader *r, const struct template_node *node)
{
	struct expr_memory mem = { .arena = r->arena };
	struct wf_matrix matrix;
	(void)wf_matrix_expand(node, NULL, &mem, &matrix, r->errors);
}

/* ---- runs-on ---- */

/* `name`, or one of four prefixes, a slash and a name. */
static bool is_group(const char *text)
{
	static const char *const prefixes[] = { "org", "organization", "ent", "enterprise" };
	const char *slash = strchr(text, '/');

	if (!slash)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (strlen(prefixes[i]) == (size_t)(slash - text) &&
		    strncmp(prefixes[i], text, (size_t)(slash - text)) == 0)
			return slash[1] && !strchr(slash + 1, '/');
	return false;
}

void wf_check_runs_on(struct wf_reader *r, const struct template_node *node)
{
	const struct template_node *group = template_get(node, "group");

	if (!group || group->kind != TEMPLATE_STRING || is_group(group->text))
		return;
	struct wf_error *e = wf_error_add(r->errors, WF_RUNNER_GROUP, group->mark,
	                                  "`%.150s` is no runner group", group->text);
	(void)snprintf(
		e->hint, sizeof(e->hint),
		"a name, or organization/NAME or enterprise/NAME where two are called the same");
}

/* ---- containers ---- */

void wf_check_container(struct wf_reader *r, const struct template_node *node, bool service)
{
	static const char prefix[] = "docker://";
	const struct template_node *image = node->kind == TEMPLATE_MAP ? template_get(node, "image")
	                                                               : node;

	if (template_has_expression(node))
		return;
	bool prefixed = image && image->kind == TEMPLATE_STRING &&
	                strncmp(image->text, prefix, sizeof(prefix) - 1) == 0;
	size_t len = image && image->kind == TEMPLATE_STRING ? image->len : 0;
	if (prefixed ? len > sizeof(prefix) - 1 : len > 0)
		return;
	if (prefixed || service)
		(void)wf_error_add(r->errors, WF_IMAGE_EMPTY, node->mark,
		                   "a container needs an image");
}

void wf_check_services(struct wf_reader *r, const struct template_node *node)
{
	if (template_has_expression(node))
		return;
	for (size_t i = 0; node->kind == TEMPLATE_MAP && i < node->n; i++)
		wf_check_container(r, node->pairs[i].value, true);
}

/* ---- the rest ---- */

void wf_check_concurrency(struct wf_reader *r, const struct template_node *node)
{
	enum { GROUP_UNITS = 400 };
	const struct template_node *group = node->kind == TEMPLATE_MAP ? template_get(node, "group")
	                                                               : node;

	if (group && group->kind == TEMPLATE_STRING &&
	    text_units(group->text, group->len) > GROUP_UNITS)
		(void)wf_error_add(r->errors, WF_CONCURRENCY_LONG, node->mark,
		                   "a concurrency group may have %d characters", GROUP_UNITS);
}

/* "MAJOR.*" */
static bool is_version(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	return digits > 0 && digits < 10 && strcmp(text + digits, ".*") == 0;
}

void wf_check_snapshot(struct wf_reader *r, const struct template_node *node)
{
	const struct expr_rules rules = schema_rules(SCHEMA_STEP_IF);

	for (size_t i = 0; node->kind == TEMPLATE_MAP && i < node->n; i++) {
		const struct template_pair *pair = &node->pairs[i];
		bool text = pair->value->kind == TEMPLATE_STRING;
		if (template_is(pair->key, "if"))
			(void)template_condition(&r->walk.split, pair->value, &rules);
		else if (template_is(pair->key, "version") && text &&
		         !is_version(pair->value->text))
			(void)wf_error_add(
				r->errors, WF_SNAPSHOT_VERSION, node->mark,
				"a version of a snapshot is written like `1.*`, not `%.100s`",
				pair->value->text);
	}
}
