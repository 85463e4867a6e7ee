// SPDX-License-Identifier: Apache-2.0
/* wf_flat.c - jobs of a workflow and of what it calls, in one list; and values as they are written.
 *
 * Runs in: command line and supervisor. Pure; the texts are commit content. */
#include "wf_flat.h"

#include "unicode_text.h"

#include <stdlib.h>
#include <string.h>

/* ---- the list ---- */

struct flattening {
	struct wf_flat *out;
	struct plan_arena *arena;
};

static size_t count_jobs(const struct wf_job *jobs, size_t n)
{
	size_t all = n;
	for (size_t i = 0; i < n; i++)
		if (jobs[i].call)
			all += count_jobs(jobs[i].call->jobs, jobs[i].call->n_jobs);
	return all;
}

static size_t count_steps(const struct wf_flat *flat)
{
	size_t all = 0;
	for (size_t i = 0; i < flat->n; i++)
		all += flat->jobs[i].job->n_steps;
	return all;
}

/* The jobs of one file stand together, so that `needs`, which counts them, finds them; what they
 * call comes behind. */
static void add_jobs(struct flattening *f, const struct wf_job *jobs, size_t n,
                     const struct wf_flat_job *caller, const struct template_node *env,
                     const struct template_node *defaults)
{
	size_t first = f->out->n;
	for (size_t i = 0; i < n; i++) {
		const char *id = jobs[i].id->text;
		f->out->jobs[f->out->n++] = (struct wf_flat_job){
			.job = &jobs[i],
			.id = caller ? arena_printf(f->arena, "%s/%s", caller->id, id) : id,
			.caller = caller,
			.file_env = env,
			.file_defaults = defaults,
			.first_beside = first,
			.n_beside = n,
		};
	}
	for (size_t i = 0; i < n; i++) {
		const struct wf_call *call = jobs[i].call;
		if (call)
			add_jobs(f, call->jobs, call->n_jobs, &f->out->jobs[first + i], call->env,
			         call->defaults);
	}
}

static void gather_facts(struct flattening *f)
{
	struct spec_facts *facts = arena_array(f->arena, count_steps(f->out), sizeof(*facts));
	size_t n = 0;
	for (size_t i = 0; i < f->out->n; i++) {
		const struct wf_job *job = f->out->jobs[i].job;
		for (size_t k = 0; k < job->n_steps; k++)
			facts[n++] = (struct spec_facts){
				.job = f->out->jobs[i].id,
				.id = job->steps[k].id_written ? job->steps[k].id : NULL,
				.name = wf_written(f->arena, job->steps[k].name),
				.uses = wf_written(f->arena, job->steps[k].uses),
				.run = wf_written(f->arena, job->steps[k].run),
			};
	}
	f->out->facts = facts;
	f->out->n_facts = n;
}

void wf_flatten(struct wf_doc *doc, struct wf_flat *ret)
{
	struct flattening f = { .out = ret, .arena = doc->arena };
	const char *name = doc->name ? wf_written(doc->arena, doc->name) : "";

	*ret = (struct wf_flat){ .doc = doc, .name = *name ? name : doc->files[0] };
	ret->jobs = arena_array(doc->arena, count_jobs(doc->jobs, doc->n_jobs), sizeof(*ret->jobs));
	add_jobs(&f, doc->jobs, doc->n_jobs, NULL, doc->env, doc->defaults);
	gather_facts(&f);
}

/* ---- finding one ---- */

static void list_ids(const struct wf_flat *flat, char *list, size_t size)
{
	size_t left_out = 0;
	list[0] = '\0';
	for (size_t i = 0; i < flat->n; i++) {
		size_t len = strlen(list);
		if (left_out ||
		    len + strlen(flat->jobs[i].id) + sizeof(", and 1000000 more") > size)
			left_out++;
		else
			(void)snprintf(list + len, size - len, "%s%s", i ? ", " : "",
			               flat->jobs[i].id);
	}
	if (left_out)
		(void)snprintf(list + strlen(list), size - strlen(list), ", and %zu more",
		               left_out);
}

const struct wf_flat_job *wf_flat_find(const struct wf_flat *flat, const char *id,
                                       struct diag_list *diags)
{
	const struct diag_mark mark = { .file = flat->doc->files[0] };
	char list[180]; /* fits a hint */

	if (!id && flat->n == 1)
		return &flat->jobs[0];
	for (size_t i = 0; id && i < flat->n; i++)
		if (text_equal(flat->jobs[i].id, strlen(flat->jobs[i].id), id, strlen(id)))
			return &flat->jobs[i];
	list_ids(flat, list, sizeof(list));
	if (id)
		diag_add(diags, mark, list, "the workflow has no job `%s`", id);
	else
		diag_add(diags, mark, "choose one with --job", "the workflow has several jobs: %s",
		         list);
	return NULL;
}

/* ---- values as they are written ---- */

const char *wf_written(struct plan_arena *arena, const struct template_node *node)
{
	if (!node)
		return NULL;
	if (!node->tree || node->tree->kind != TREE_SCALAR)
		return template_is_collection(node) ? wf_on_one_line(arena, node)
		                                    : template_text(arena, node);
	return tree_is_null(node->tree) ? "" : node->tree->text;
}

const char *wf_literal(struct plan_arena *arena, const struct template_node *node)
{
	if (!node || node->kind == TEMPLATE_EXPRESSION || template_is_collection(node))
		return NULL;
	return template_text(arena, node);
}

static void flat_walk(FILE *out, const struct tree_node *node)
{
	for (size_t i = 0; node->kind == TREE_LIST && i < node->n; i++) {
		(void)fputs(i ? ", " : "[", out);
		flat_walk(out, node->items[i]);
	}
	for (size_t i = 0; node->kind == TREE_MAP && i < node->n; i++) {
		(void)fprintf(out, "%s%s: ", i ? ", " : "{", node->pairs[i].key->text);
		flat_walk(out, node->pairs[i].value);
	}
	if (node->kind == TREE_SCALAR)
		(void)fputs(tree_is_null(node) ? "" : node->text, out);
	else if (node->n == 0)
		(void)fputs(node->kind == TREE_LIST ? "[]" : "{}", out);
	else
		(void)fputs(node->kind == TREE_LIST ? "]" : "}", out);
}

static void names_walk(FILE *out, const struct tree_node *node)
{
	if (node->kind == TREE_SCALAR)
		flat_walk(out, node);
	for (size_t i = 0; node->kind != TREE_SCALAR && i < node->n; i++) {
		(void)fputs(i ? ", " : "", out);
		flat_walk(out, node->kind == TREE_MAP ? node->pairs[i].key : node->items[i]);
	}
}

static const char *one_line(struct plan_arena *arena, const struct template_node *node,
                            void (*walk)(FILE *out, const struct tree_node *node))
{
	char *text = NULL;
	size_t len = 0;
	const char *kept = "";
	if (!node || !node->tree)
		return NULL;
	FILE *out = open_memstream(&text, &len);
	if (out) {
		walk(out, node->tree);
		if (fclose(out) == 0)
			kept = arena_strdup(arena, text);
	}
	free(text);
	return kept;
}

const char *wf_on_one_line(struct plan_arena *arena, const struct template_node *node)
{
	return one_line(arena, node, flat_walk);
}

const char *wf_names(struct plan_arena *arena, const struct template_node *node)
{
	return one_line(arena, node, names_walk);
}
