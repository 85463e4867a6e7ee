// SPDX-License-Identifier: Apache-2.0
/* wf_jobs.c - the jobs of a file and the graph of their needs. Runs in: command line and
 * supervisor; reads commit content that the schema has looked at. */
#include "wf_read.h"

#include "unicode_text.h"

#include <stdint.h>
#include <string.h>

/* ---- one job ---- */

enum job_key {
	JOB_NAME,
	JOB_IF,
	JOB_STRATEGY,
	JOB_CONCURRENCY,
	JOB_RUNS_ON,
	JOB_TIMEOUT,
	JOB_CANCEL_TIMEOUT,
	JOB_CONTINUE,
	JOB_ENV,
	JOB_ENVIRONMENT,
	JOB_DEFAULTS,
	JOB_CONTAINER,
	JOB_SERVICES,
	JOB_OUTPUTS,
	JOB_SNAPSHOT,
	JOB_USES,
	JOB_WITH,
	JOB_SECRETS,
	JOB_KEYS
};

static void check_container(struct wf_reader *r, const struct template_node *node)
{
	wf_check_container(r, node, false);
}

static const struct job_row {
	const char *name;
	void (*check)(struct wf_reader *r, const struct template_node *node);
} job_rows[JOB_KEYS] = {
	[JOB_NAME] = { "name", NULL },
	[JOB_IF] = { "if", NULL },
	[JOB_STRATEGY] = { "strategy", wf_check_strategy },
	[JOB_CONCURRENCY] = { "concurrency", wf_check_concurrency },
	[JOB_RUNS_ON] = { "runs-on", wf_check_runs_on },
	[JOB_TIMEOUT] = { "timeout-minutes", NULL },
	[JOB_CANCEL_TIMEOUT] = { "cancel-timeout-minutes", NULL },
	[JOB_CONTINUE] = { "continue-on-error", NULL },
	[JOB_ENV] = { "env", NULL },
	[JOB_ENVIRONMENT] = { "environment", NULL },
	[JOB_DEFAULTS] = { "defaults", NULL },
	[JOB_CONTAINER] = { "container", check_container },
	[JOB_SERVICES] = { "services", wf_check_services },
	[JOB_OUTPUTS] = { "outputs", NULL },
	[JOB_SNAPSHOT] = { "snapshot", wf_check_snapshot },
	[JOB_USES] = { "uses", NULL },
	[JOB_WITH] = { "with", NULL },
	[JOB_SECRETS] = { "secrets", NULL },
};

static void read_needs(struct wf_reader *r, const struct template_node *node, struct wf_job *job)
{
	bool list = node->kind == TEMPLATE_LIST;
	size_t n = list ? node->n : 1;
	const struct template_node **needs = arena_array(r->arena, n,
	                                                 sizeof(const struct template_node *));

	for (size_t i = 0; i < n; i++)
		needs[i] = list ? node->items[i] : node;
	job->needs = needs;
	job->n_needs = n;
}

static const struct wf_call *read_call(struct wf_reader *r,
                                       const struct template_node *const *values)
{
	struct wf_call *call = arena_alloc(r->arena, sizeof(*call));
	const struct template_node *secrets = values[JOB_SECRETS];

	call->ref = values[JOB_USES];
	call->with = values[JOB_WITH];
	call->inherit_secrets = secrets && secrets->kind == TEMPLATE_STRING;
	call->secrets = call->inherit_secrets ? NULL : secrets;
	return call;
}

/* In the order of the file, so that errors come in it. */
static void read_property(struct wf_reader *r, const struct template_pair *pair, struct wf_job *job,
                          const struct template_node **values)
{
	const struct expr_rules rules = schema_rules(SCHEMA_JOB_IF);

	if (template_is(pair->key, "needs"))
		read_needs(r, pair->value, job);
	else if (template_is(pair->key, "permissions"))
		job->permissions = wf_read_permissions(r, pair->value);
	else if (template_is(pair->key, "steps"))
		wf_read_steps(r, pair->value, job);
	for (size_t k = 0; k < JOB_KEYS; k++) {
		if (!template_is(pair->key, job_rows[k].name))
			continue;
		values[k] = pair->value;
		if (job_rows[k].check)
			job_rows[k].check(r, pair->value);
		if (k == JOB_IF)
			job->cond = template_condition(&r->walk.split, pair->value, &rules);
	}
}

static bool is_no_name(const struct template_node *name)
{
	return !name || (name->kind == TEMPLATE_STRING && name->len == 0);
}

static void read_job(struct wf_reader *r, const struct template_pair *pair, struct wf_job *job)
{
	const struct expr_rules rules = schema_rules(SCHEMA_JOB_IF);
	const struct template_node *values[JOB_KEYS] = { NULL };
	struct wf_ids ids;

	wf_ids_open(&ids, r->arena);
	job->id = pair->key;
	(void)wf_ids_add(r, &ids, pair->key, "job");
	for (size_t i = 0; i < pair->value->n; i++)
		read_property(r, &pair->value->pairs[i], job, values);
	job->cond_written = values[JOB_IF];
	if (!job->cond_written)
		job->cond = template_condition(&r->walk.split, NULL, &rules);
	job->name = is_no_name(values[JOB_NAME]) ? job->id : values[JOB_NAME];
	job->strategy = values[JOB_STRATEGY];
	job->concurrency = values[JOB_CONCURRENCY];
	job->runs_on = values[JOB_RUNS_ON];
	job->timeout_minutes = values[JOB_TIMEOUT];
	job->cancel_timeout_minutes = values[JOB_CANCEL_TIMEOUT];
	job->continue_on_error = values[JOB_CONTINUE];
	job->env = values[JOB_ENV];
	job->environment = values[JOB_ENVIRONMENT];
	job->defaults = values[JOB_DEFAULTS];
	job->container = values[JOB_CONTAINER];
	job->services = values[JOB_SERVICES];
	job->outputs = values[JOB_OUTPUTS];
	job->snapshot = values[JOB_SNAPSHOT];
	if (values[JOB_USES])
		job->call = read_call(r, values);
}

/* ---- the graph ---- */

struct edge {
	size_t job, next; /* who waits; the next one that waits for the same; both plus one */
};

struct graph {
	struct wf_reader *r;
	struct wf_job *jobs;
	size_t n;
	struct edge *edges;
	size_t n_edges;
	size_t *first;   /* of the edges from a job */
	size_t *waiting; /* needs of a job that are not done */
	size_t *queue;
	size_t n_queue;
	bool *done;
};

/* Fills in which job each need is. */
static bool resolve_needs(struct graph *g)
{
	struct expr_memory mem = { .arena = g->r->arena };
	struct expr_value places; /* number of a job by its id, without case */

	if (!expr_object_new(&mem, false, &places))
		return false;
	for (size_t i = 0; i < g->n; i++)
		(void)expr_object_set(&mem, places.object, g->jobs[i].id->text, g->jobs[i].id->len,
		                      expr_number((double)i));
	for (size_t i = 0; i < g->n; i++) {
		struct wf_job *job = &g->jobs[i];
		size_t *need_jobs = arena_array(g->r->arena, job->n_needs, sizeof(*need_jobs));
		for (size_t k = 0; k < job->n_needs; k++) {
			const struct expr_value *place = expr_object_get(
				places.object, job->needs[k]->text, job->needs[k]->len);
			need_jobs[k] = place ? (size_t)place->number : SIZE_MAX;
		}
		job->need_jobs = need_jobs;
		g->n_edges += job->n_needs;
	}
	return !mem.exceeded;
}

static void make_edges(struct graph *g)
{
	g->edges = arena_array(g->r->arena, g->n_edges, sizeof(*g->edges));
	g->n_edges = 0;
	for (size_t i = 0; i < g->n; i++) {
		const struct wf_job *job = &g->jobs[i];
		g->waiting[i] = job->n_needs;
		if (job->n_needs == 0)
			g->queue[g->n_queue++] = i;
		for (size_t k = 0; k < job->n_needs; k++) {
			if (job->need_jobs[k] == SIZE_MAX)
				continue;
			size_t *first = &g->first[job->need_jobs[k]];
			g->edges[g->n_edges] = (struct edge){ i + 1, *first };
			*first = ++g->n_edges;
		}
	}
}

/* What has nothing to wait for is done, and lets others go. */
static void run_through(struct graph *g)
{
	for (size_t at = 0; at < g->n_queue; at++) {
		size_t job = g->queue[at];
		g->done[job] = true;
		for (size_t e = g->first[job]; e; e = g->edges[e - 1].next) {
			size_t waiter = g->edges[e - 1].job - 1;
			if (--g->waiting[waiter] == 0)
				g->queue[g->n_queue++] = waiter;
		}
	}
}

static void complain_of_needs(struct graph *g, const struct wf_job *job)
{
	for (size_t k = 0; k < job->n_needs; k++) {
		bool known = job->need_jobs[k] != SIZE_MAX;
		if (known && g->done[job->need_jobs[k]])
			continue;
		(void)wf_error_add(g->r->errors, known ? WF_CYCLE : WF_UNKNOWN_NEED,
		                   job->needs[k]->mark,
		                   known ? "job `%.80s` waits for `%.80s`, which can never be done"
		                         : "job `%.80s` needs `%.80s`, and there is no such job",
		                   job->id->text, job->needs[k]->text);
	}
}

static void check_graph(struct wf_reader *r, const struct template_node *map, struct wf_job *jobs,
                        size_t n)
{
	struct graph g = { .r = r, .jobs = jobs, .n = n };

	g.first = arena_array(r->arena, n, sizeof(*g.first));
	g.waiting = arena_array(r->arena, n, sizeof(*g.waiting));
	g.queue = arena_array(r->arena, n, sizeof(*g.queue));
	g.done = arena_array(r->arena, n, sizeof(*g.done));
	if (!resolve_needs(&g))
		return;
	make_edges(&g);
	if (g.n_queue == 0) {
		(void)wf_error_add(r->errors, WF_NO_START, map->mark,
		                   "no job can be the first: there must be one without `needs`");
		return;
	}
	run_through(&g);
	for (size_t i = 0; i < n; i++)
		if (!g.done[i])
			complain_of_needs(&g, &jobs[i]);
}

void wf_read_jobs(struct wf_reader *r, const struct template_node *map, const struct wf_job **ret,
                  size_t *ret_n)
{
	struct wf_job *jobs = arena_array(r->arena, map->n, sizeof(*jobs));
	unsigned most = r->options->jobs_max;

	for (size_t i = 0; i < map->n; i++) {
		if (++r->n_jobs == most + 1 && most)
			(void)wf_error_add(r->errors, WF_TOO_MANY_JOBS, map->pairs[i].key->mark,
			                   "more than %u jobs in all the files", most);
		read_job(r, &map->pairs[i], &jobs[i]);
	}
	if (r->errors->n == 0)
		check_graph(r, map, jobs, map->n);
	*ret = jobs;
	*ret_n = map->n;
}

const struct wf_job *wf_find_job(const struct wf_job *jobs, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (text_equal(jobs[i].id->text, jobs[i].id->len, id, strlen(id)))
			return &jobs[i];
	return NULL;
}
