// SPDX-License-Identifier: Apache-2.0
/* wf_permissions.c - what a job asks the forge's token to be allowed. Runs in: command line and
 * supervisor; reads commit content. It decides nothing here: a called workflow just cannot ask for
 * more than its caller has. */
#include "wf_read.h"

#include <assert.h>
#include <string.h>

static const struct permission_row {
	const char *name;
	enum wf_level most; /* what write-all gives */
} rows[] = {
	{ "actions", WF_LEVEL_WRITE },
	{ "artifact-metadata", WF_LEVEL_WRITE },
	{ "attestations", WF_LEVEL_WRITE },
	{ "checks", WF_LEVEL_WRITE },
	{ "contents", WF_LEVEL_WRITE },
	{ "deployments", WF_LEVEL_WRITE },
	{ "discussions", WF_LEVEL_WRITE },
	{ "issues", WF_LEVEL_WRITE },
	{ "packages", WF_LEVEL_WRITE },
	{ "pages", WF_LEVEL_WRITE },
	{ "pull-requests", WF_LEVEL_WRITE },
	{ "repository-projects", WF_LEVEL_WRITE },
	{ "statuses", WF_LEVEL_WRITE },
	{ "security-events", WF_LEVEL_WRITE },
	{ "id-token", WF_LEVEL_WRITE },
	{ "models", WF_LEVEL_READ },
	{ "vulnerability-alerts", WF_LEVEL_READ },
	{ "code-quality", WF_LEVEL_WRITE },
	{ "copilot-requests", WF_LEVEL_WRITE },
	{ "drives", WF_LEVEL_WRITE },
};
static_assert(ARRAY_LEN(rows) == WF_PERMISSIONS_N, "a permission has no row");

static const char *const level_names[] = { "none", "read", "write" };

const char *wf_permission_name(size_t i)
{
	return i < ARRAY_LEN(rows) ? rows[i].name : "?";
}

const char *wf_level_name(enum wf_level level)
{
	return level_names[level];
}

static void fill(struct wf_permissions *p, enum wf_level level)
{
	p->all = true;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		p->levels[i] = level > rows[i].most ? rows[i].most : level;
}

/* The schema has looked at it: only known names and levels are left. */
const struct wf_permissions *wf_read_permissions(struct wf_reader *r,
                                                 const struct template_node *node)
{
	struct wf_permissions *p = arena_alloc(r->arena, sizeof(*p));

	if (node->kind == TEMPLATE_STRING)
		fill(p, template_is(node, "write-all") ? WF_LEVEL_WRITE : WF_LEVEL_READ);
	for (size_t i = 0; i < node->n; i++) {
		const struct template_pair *pair = node->kind == TEMPLATE_MAP ? &node->pairs[i]
		                                                              : NULL;
		for (size_t k = 0; pair && k < ARRAY_LEN(rows); k++)
			if (template_is(pair->key, rows[k].name))
				p->levels[k] = template_is(pair->value, "write")  ? WF_LEVEL_WRITE
				               : template_is(pair->value, "read") ? WF_LEVEL_READ
				                                                  : WF_LEVEL_NONE;
	}
	return p;
}

void wf_inherit_permissions(struct wf_job *jobs, size_t n, const struct wf_permissions *from)
{
	for (size_t i = 0; from && i < n; i++)
		if (!jobs[i].permissions)
			jobs[i].permissions = from;
}

/* What a caller has that writes nothing of it. */
static struct wf_permissions default_permissions(const struct wf_reader *r)
{
	struct wf_permissions p = { .all = false };

	if (r->options->permissions_write_all) {
		fill(&p, WF_LEVEL_WRITE);
		return p;
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].name, "contents") == 0 || strcmp(rows[i].name, "packages") == 0)
			p.levels[i] = WF_LEVEL_READ;
	return p;
}

void wf_check_permissions(struct wf_reader *r, const struct wf_job *caller,
                          const struct wf_job *nested, const struct wf_permissions *asked,
                          const struct wf_permissions *most)
{
	struct wf_permissions least = default_permissions(r);
	char list[240] = "";

	if (!most)
		most = &least;
	for (size_t i = 0; asked && i < ARRAY_LEN(rows); i++) {
		size_t used = strlen(list);
		if (asked->levels[i] > most->levels[i])
			(void)snprintf(list + used, sizeof(list) - used, "%s%s: %s (has %s)",
			               used ? ", " : "", rows[i].name,
			               level_names[asked->levels[i]], level_names[most->levels[i]]);
	}
	if (!list[0])
		return;
	struct wf_error *e = wf_error_add(r->errors, WF_PERMISSIONS, caller->id->mark,
	                                  "%.100s%s%.60s asks for more than job `%.60s` has: %s",
	                                  caller->call->ref->text, nested ? ", job " : "",
	                                  nested ? nested->id->text : "", caller->id->text, list);
	(void)snprintf(e->hint, sizeof(e->hint),
	               "write them under `permissions` of the calling job");
}
