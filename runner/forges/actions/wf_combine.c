// SPDX-License-Identifier: Apache-2.0
/* wf_combine.c - see wf_combine.h. Pure.
 *
 * Runs in: command line and the process that hands out a workflow's jobs. What is computed is made
 * of commit content, of the event, and of what steps of other jobs wrote. */
#include "wf_combine.h"

#include "wf_spec.h"

#include <string.h>
#include <strings.h>

/* ---- the scope ---- */

static int scope_context(void *user, const char *name, struct expr_value *ret,
                         struct expr_error *err)
{
	struct wf_job_scope *s = user;
	const struct {
		const char *name;
		const struct expr_value *value;
	} rows[] = {
		{ "github", &s->github }, { "inputs", &s->inputs },     { "vars", &s->vars },
		{ "needs", &s->needs },   { "strategy", &s->strategy }, { "matrix", &s->matrix },
		{ "jobs", &s->jobs },     { "secrets", &s->secrets },
	};
	(void)err;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			*ret = *rows[i].value;
	return 0;
}

static int scope_status(void *user, enum expr_status which, const struct expr_value *ids, size_t n,
                        bool *ret, struct expr_error *err)
{
	struct wf_job_scope *s = user;
	if (s->status)
		return s->status(s->user, which, ids, n, ret, err);
	*ret = which == EXPR_ALWAYS || which == EXPR_SUCCESS;
	return 0;
}

void wf_job_scope_init(struct wf_job_scope *s)
{
	s->scope =
		(struct expr_scope){ .context = scope_context, .status = scope_status, .user = s };
}

bool wf_asks_for(const struct template_node *node, unsigned contexts)
{
	bool asks = false;
	if (!node)
		return false;
	for (size_t i = 0; !asks && i < node->n; i++) {
		if (node->kind == TEMPLATE_EXPRESSION)
			asks = node->parts[i].expr &&
			       (expr_contexts_of(node->parts[i].expr) & contexts);
		else if (node->kind == TEMPLATE_LIST)
			asks = wf_asks_for(node->items[i], contexts);
		else if (node->kind == TEMPLATE_MAP)
			asks = wf_asks_for(node->pairs[i].key, contexts) ||
			       wf_asks_for(node->pairs[i].value, contexts);
	}
	return asks;
}

int wf_condition(const struct wf_job *job, struct wf_job_scope *s, struct expr_memory *mem,
                 bool *ret, struct wf_errors *errors)
{
	struct expr_value v;
	if (template_value(job->cond, &s->scope, mem, &v, errors) < 0)
		return -EINVAL;
	*ret = expr_is_true(&v);
	return 0;
}

/* ---- single values ---- */

struct combining {
	const struct wf_flat_job *job;
	struct wf_job_scope *s;
	struct expr_memory *mem;
	struct wf_errors *errors;
};

/* Can it be told now? */
static bool is_known(const struct combining *c, const struct template_node *node)
{
	return !wf_asks_for(node, c->s->unknown);
}

/* The value held against what its place in the schema takes, as the forge does it. */
static struct template_node *checked(const struct combining *c, const struct template_node *node,
                                     enum schema_id id)
{
	struct template_node *resolved = NULL;
	struct schema_walk walk = {
		.split = { .arena = c->mem->arena, .errors = c->errors },
		.account = { .bytes_max = EXPR_MEMORY_MAX, .events_max = 1000000, .depth_max = 50 },
		.computed = true,
	};
	size_t before = c->errors->n;

	if (template_resolve(node, &c->s->scope, c->mem, &resolved, c->errors) < 0)
		return NULL;
	resolved = schema_apply(&walk, resolved, id);
	return c->errors->n > before ? NULL : resolved;
}

static bool text_value(const struct combining *c, const struct template_node *node,
                       const char **ret)
{
	struct expr_value text;
	if (!is_known(c, node)) {
		*ret = wf_written(c->mem->arena, node);
		return true;
	}
	if (template_string(node, &c->s->scope, c->mem, &text, c->errors) < 0)
		return false;
	*ret = text.text;
	return true;
}

/* ---- runs-on ---- */

static const char *const other_systems[] = { "windows", "macos" };

static bool holds_word(const char *text, const char *word)
{
	for (; *text; text++)
		if (strncasecmp(text, word, strlen(word)) == 0)
			return true;
	return false;
}

static void add_label(const struct combining *c, const char *label, struct wf_combined_one *one)
{
	one->runs_on = one->runs_on ? arena_printf(c->mem->arena, "%s, %s", one->runs_on, label)
	                            : label;
	for (size_t i = 0; i < ARRAY_LEN(other_systems); i++)
		if (holds_word(label, other_systems[i]))
			one->elsewhere = label;
}

static bool read_runs_on(const struct combining *c, struct wf_combined_one *one)
{
	const struct template_node *node = c->job->job->runs_on;

	if (!node) /* a job that calls a workflow runs nowhere itself */
		return true;
	if (!is_known(c, node)) {
		one->runs_on = wf_on_one_line(c->mem->arena, node);
		return true;
	}
	const struct template_node *value = checked(c, node, SCHEMA_RUNS_ON), *group;
	if (!value)
		return false;
	group = template_get(value, "group");
	if (value->kind == TEMPLATE_MAP)
		value = template_get(value, "labels");
	if (group)
		one->runs_on = template_text(c->mem->arena, group);
	for (size_t i = 0; value && value->kind == TEMPLATE_LIST && i < value->n; i++)
		add_label(c, template_text(c->mem->arena, value->items[i]), one);
	if (value && !template_is_collection(value))
		add_label(c, template_text(c->mem->arena, value), one);
	return true;
}

/* ---- one combination ---- */

static bool read_name(const struct combining *c, const struct wf_combination *from,
                      struct wf_combined_one *one)
{
	const struct template_node *name = c->job->job->name;

	if (name->kind != TEMPLATE_EXPRESSION) {
		one->name = from->name;
		return true;
	}
	if (!text_value(c, name, &one->name))
		return false;
	if (!one->name[0])
		one->name = c->job->job->id->text;
	return true;
}

static bool read_numbers(const struct combining *c, struct wf_combined_one *one)
{
	const struct wf_job *job = c->job->job;
	struct template_node *v = NULL;

	one->timeout_sec = WF_TIMEOUT_MINUTES * 60;
	if (job->timeout_minutes && is_known(c, job->timeout_minutes)) {
		if (!(v = checked(c, job->timeout_minutes, SCHEMA_JOB_NUMBER)))
			return false;
		unsigned sec = v->kind == TEMPLATE_NUMBER ? wf_seconds(v->number) : 0;
		one->timeout_sec = sec ? sec : one->timeout_sec;
	}
	if (job->continue_on_error && is_known(c, job->continue_on_error)) {
		if (!(v = checked(c, job->continue_on_error, SCHEMA_JOB_BOOL)))
			return false;
		one->continue_on_error = v->kind == TEMPLATE_BOOL && v->truth;
	}
	return true;
}

static bool read_group(const struct combining *c, struct wf_combined_one *one)
{
	const struct template_node *node = c->job->job->concurrency;

	if (!node || !is_known(c, node))
		return true;
	const struct template_node *v = checked(c, node, SCHEMA_JOB_CONCURRENCY);
	if (v && v->kind == TEMPLATE_MAP)
		v = template_get(v, "group");
	if (!v)
		return c->errors->n == 0;
	one->group = template_text(c->mem->arena, v);
	return true;
}

static bool read_environment(const struct combining *c, struct wf_combined_one *one)
{
	const struct template_node *node = c->job->job->environment;

	if (node && node->kind == TEMPLATE_MAP)
		node = template_get(node, "name"); /* its url is known when the job ends */
	return !node || text_value(c, node, &one->environment);
}

static bool combine_one(const struct combining *c, const struct wf_combination *from,
                        struct wf_combined_one *one)
{
	c->s->matrix = from->matrix;
	c->s->strategy = from->strategy;
	*one = (struct wf_combined_one){ .matrix = from->matrix, .strategy = from->strategy };
	return read_name(c, from, one) && read_runs_on(c, one) && read_numbers(c, one) &&
	       read_group(c, one) && read_environment(c, one);
}

int wf_combine(const struct wf_flat_job *job, struct wf_job_scope *s, struct expr_memory *mem,
               struct wf_combined *ret, struct wf_errors *errors)
{
	const struct combining c = { .job = job, .s = s, .mem = mem, .errors = errors };
	const struct template_node *name = job->job->name;
	struct wf_matrix matrix;

	*ret = (struct wf_combined){ .later = true };
	if (!is_known(&c, job->job->strategy))
		return 0;
	if (wf_matrix_compute(job->job->strategy,
	                      name->kind == TEMPLATE_EXPRESSION ? NULL
	                                                        : wf_written(mem->arena, name),
	                      &s->scope, mem, &matrix, errors) < 0)
		return -EINVAL;
	struct wf_combined out = { .n = matrix.n,
		                   .fail_fast = matrix.fail_fast,
		                   .max_parallel = matrix.max_parallel };
	out.items = arena_array(mem->arena, out.n, sizeof(*out.items));
	for (size_t i = 0; i < out.n; i++)
		if (!combine_one(&c, &matrix.combinations[i], &out.items[i]))
			return -EINVAL;
	*ret = out;
	return 0;
}

unsigned wf_seconds(double minutes)
{
	const double most = 35.0 * 24 * 60; /* a workflow's own end at GitHub */
	if (!(minutes > 0))
		return 0;
	double sec = (minutes < most ? minutes : most) * 60;
	return sec < 1 ? 1 : (unsigned)sec;
}
