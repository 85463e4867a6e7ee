// SPDX-License-Identifier: Apache-2.0
/* gl_job.c - reads a job's message with jansson into an arena.
 *
 * Runs in: the process of a job, before anything of it runs. A member may be missing or null, which
 * means nothing; one of another type is an error that names it: a job that is read differently than
 * it was meant could run in another phase. */
#include "gl_job.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { PROJECT_MAX = 255, DEPTH_MAX = 1000000000 };

struct gl_reading {
	struct plan_arena *arena;
	struct dd_err *err;
	const char *bad; /* the first member that cannot be used */
};

static void bad(struct gl_reading *r, const char *what)
{
	r->bad = r->bad ? r->bad : what;
}

static const json_t *member(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	return v && !json_is_null(v) ? v : NULL;
}

static const char *text(struct gl_reading *r, const json_t *o, const char *key)
{
	const json_t *v = member(o, key);
	if (!v)
		return "";
	if (!json_is_string(v) || json_string_length(v) > GL_TEXT_MAX) {
		bad(r, key);
		return "";
	}
	return arena_strdup(r->arena, json_string_value(v));
}

static long long number(struct gl_reading *r, const json_t *o, const char *key)
{
	const json_t *v = member(o, key);
	if (v && !json_is_number(v))
		bad(r, key);
	return json_is_real(v) ? (long long)json_real_value(v) : json_integer_value(v);
}

static bool flag(struct gl_reading *r, const json_t *o, const char *key)
{
	const json_t *v = member(o, key);
	if (v && !json_is_boolean(v))
		bad(r, key);
	return json_is_true(v);
}

static const json_t *list(struct gl_reading *r, const json_t *o, const char *key, size_t max)
{
	const json_t *v = member(o, key);
	if (v && (!json_is_array(v) || json_array_size(v) > max)) {
		bad(r, key);
		return NULL;
	}
	return v;
}

static const json_t *object(struct gl_reading *r, const json_t *o, const char *key)
{
	const json_t *v = member(o, key);
	if (v && !json_is_object(v)) {
		bad(r, key);
		return NULL;
	}
	return v;
}

static struct gl_texts texts(struct gl_reading *r, const json_t *o, const char *key, size_t max)
{
	const json_t *v = list(r, o, key, max);
	const char **items = arena_array(r->arena, json_array_size(v) + 1, sizeof(*items));
	struct gl_texts ret = { items, json_array_size(v) };
	for (size_t i = 0; i < ret.n; i++) {
		const json_t *item = json_array_get(v, i);
		if (!json_is_string(item) || json_string_length(item) > GL_TEXT_MAX)
			bad(r, key);
		else
			items[i] = arena_strdup(r->arena, json_string_value(item));
		items[i] = items[i] ? items[i] : "";
	}
	return ret;
}

/* ---- parts ---- */

static bool is_name(const char *key)
{
	size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
	return n > 0 && !key[n] && strchr("0123456789", key[0]) == NULL;
}

static void read_variables(struct gl_reading *r, const json_t *o, struct gl_job *job)
{
	const json_t *v = list(r, o, "variables", GL_VARIABLES_MAX);
	struct gl_var *vars = arena_array(r->arena, json_array_size(v) + 1, sizeof(*vars));
	for (size_t i = 0; i < json_array_size(v); i++) {
		const json_t *one = json_array_get(v, i);
		const struct gl_var var = { .key = text(r, one, "key"),
			                    .value = text(r, one, "value"),
			                    .is_public = flag(r, one, "public"),
			                    .masked = flag(r, one, "masked"),
			                    .file = flag(r, one, "file"),
			                    .raw = flag(r, one, "raw") };
		if (!json_is_object(one))
			bad(r, "variables");
		/* what no shell can name is no variable of a script either */
		if (is_name(var.key))
			vars[job->n_vars++] = var;
	}
	job->vars = vars;
}

static void read_steps(struct gl_reading *r, const json_t *o, struct gl_job *job)
{
	const json_t *v = list(r, o, "steps", GL_STEPS_MAX);
	struct gl_step *steps = arena_array(r->arena, json_array_size(v) + 1, sizeof(*steps));
	size_t total = 0;
	for (size_t i = 0; i < json_array_size(v); i++) {
		const json_t *one = json_array_get(v, i);
		struct gl_texts script = texts(r, one, "script", GL_ELEMENTS_MAX);
		steps[i] = (struct gl_step){ text(r, one, "name"), script.items, script.n };
		if (!json_is_object(one) || !*steps[i].name || strlen(steps[i].name) > 100)
			bad(r, "steps");
		total += script.n;
	}
	if (total > GL_ELEMENTS_MAX)
		bad(r, "steps");
	job->steps = steps;
	job->n_steps = json_array_size(v);
}

static void read_git(struct gl_reading *r, const json_t *o, struct gl_job *job)
{
	const json_t *git = object(r, o, "git_info");
	const json_t *protected = member(git, "protected");
	job->git = (struct gl_git){ .repo_url = text(r, git, "repo_url"),
		                    .ref = text(r, git, "ref"),
		                    .sha = text(r, git, "sha"),
		                    .before_sha = text(r, git, "before_sha"),
		                    .ref_type = text(r, git, "ref_type"),
		                    .object_format = text(r, git, "repo_object_format"),
		                    .refspecs = texts(r, git, "refspecs", 100),
		                    .depth = number(r, git, "depth") };
	if (job->git.depth < 0 || job->git.depth > DEPTH_MAX)
		bad(r, "depth");
	/* older servers say it in a variable, before anything that a job file can say */
	job->git.protected_ref = protected
	                                 ? flag(r, git, "protected")
	                                 : gl_is_true(gl_job_first(job, "CI_COMMIT_REF_PROTECTED"));
}

static void read_image(struct gl_reading *r, const json_t *o, struct gl_job *job)
{
	const json_t *image = object(r, o, "image"), *services = list(r, o, "services", 100);
	const char *name = text(r, image, "name");
	job->image = *name ? name : NULL;
	const char **names = arena_array(r->arena, json_array_size(services) + 1, sizeof(*names));
	for (size_t i = 0; i < json_array_size(services); i++)
		names[i] = text(r, json_array_get(services, i), "name");
	job->services = (struct gl_texts){ names, json_array_size(services) };
}

static void read_artifacts(struct gl_reading *r, const json_t *o, struct gl_job *job)
{
	const json_t *v = list(r, o, "artifacts", GL_ARTIFACTS_MAX);
	struct gl_artifact *all = arena_array(r->arena, json_array_size(v) + 1, sizeof(*all));
	for (size_t i = 0; i < json_array_size(v); i++) {
		const json_t *one = json_array_get(v, i);
		all[i] = (struct gl_artifact){ .name = text(r, one, "name"),
			                       .when = text(r, one, "when"),
			                       .expire_in = text(r, one, "expire_in"),
			                       .type = text(r, one, "artifact_type"),
			                       .format = text(r, one, "artifact_format"),
			                       .paths = texts(r, one, "paths", 1000),
			                       .exclude = texts(r, one, "exclude", 1000),
			                       .untracked = flag(r, one, "untracked") };
		if (!json_is_object(one))
			bad(r, "artifacts");
	}
	job->artifacts = all;
	job->n_artifacts = json_array_size(v);
}

static void read_caches(struct gl_reading *r, const json_t *o, struct gl_job *job)
{
	const json_t *v = list(r, o, "cache", GL_CACHES_MAX);
	struct gl_cache *all = arena_array(r->arena, json_array_size(v) + 1, sizeof(*all));
	for (size_t i = 0; i < json_array_size(v); i++) {
		const json_t *one = json_array_get(v, i);
		const struct gl_cache c = { .key = text(r, one, "key"),
			                    .policy = text(r, one, "policy"),
			                    .when = text(r, one, "when"),
			                    .paths = texts(r, one, "paths", 1000),
			                    .fallback_keys = texts(r, one, "fallback_keys", 100),
			                    .untracked = flag(r, one, "untracked") };
		if (!json_is_object(one))
			bad(r, "cache");
		if (c.paths.n || c.untracked)
			all[job->n_caches++] = c;
	}
	job->caches = all;
}

/* The token of an entry is that of the job itself. */
static void read_dependencies(struct gl_reading *r, const json_t *o, struct gl_job *job)
{
	const json_t *v = list(r, o, "dependencies", GL_DEPENDENCIES_MAX);
	struct gl_dependency *all = arena_array(r->arena, json_array_size(v) + 1, sizeof(*all));
	for (size_t i = 0; i < json_array_size(v); i++) {
		const json_t *one = json_array_get(v, i), *file = object(r, one, "artifacts_file");
		const struct gl_dependency d = { .id = number(r, one, "id"),
			                         .name = text(r, one, "name"),
			                         .size = number(r, file, "size") };
		if (!json_is_object(one))
			bad(r, "dependencies");
		if (!*text(r, file, "filename"))
			continue;
		if (d.id <= 0 || d.size < 0)
			bad(r, "dependencies");
		all[job->n_dependencies++] = d;
	}
	job->dependencies = all;
}

static void read_rest(struct gl_reading *r, const json_t *o, struct gl_job *job)
{
	const json_t *info = object(r, o, "job_info"), *features = object(r, o, "features");
	long long timeout = number(r, object(r, o, "runner_info"), "timeout");
	const json_t *queued = member(info, "time_in_queue_seconds");
	job->queued_sec = json_is_number(queued) ? json_number_value(queued) : -1;
	job->allow_git_fetch = flag(r, o, "allow_git_fetch");
	job->name = text(r, info, "name");
	job->stage = text(r, info, "stage");
	job->project = text(r, info, "project_full_path");
	job->project_id = number(r, info, "project_id");
	job->pipeline_id = number(r, info, "pipeline_id");
	job->timeout_sec = timeout > 0 && timeout < 30LL * 86400 ? (unsigned)timeout
	                                                         : GL_TIMEOUT_DEFAULT_SEC;
	/* a string that holds JSON, and so may be empty */
	job->has_run = json_string_length(member(o, "run")) > 2 ||
	               json_array_size(member(o, "run"));
	job->has_secrets = json_object_size(object(r, o, "secrets")) > 0;
	job->has_hooks = json_array_size(list(r, o, "hooks", 100)) > 0;
	read_artifacts(r, o, job);
	read_caches(r, o, job);
	read_dependencies(r, o, job);
	job->trace_sections = flag(r, features, "trace_sections");
	job->prefixes = texts(r, features, "token_mask_prefixes", 1000);
	job->failure_reasons = texts(r, features, "failure_reasons", 1000);
}

/* It stands in the record, and is matched by policies: what no person can see is not in it. */
static bool is_plain(const char *text_)
{
	for (; *text_; text_++)
		if ((unsigned char)*text_ < 0x20 || *text_ == 0x7f)
			return false;
	return true;
}

int gl_job_parse(struct plan_arena *arena, const char *text_, size_t len, struct gl_job *ret,
                 struct dd_err *err)
{
	struct gl_reading r = { .arena = arena, .err = err };
	json_error_t why;
	json_t *o = json_loadb(text_, len, 0, &why);
	*ret = (struct gl_job){ .name = "", .stage = "", .project = "", .token = "" };
	if (!json_is_object(o)) {
		json_decref(o);
		return dd_err_say(err, EINVAL,
		                  "GitLab's message of the job is no JSON object: %.100s",
		                  why.text);
	}
	ret->id = number(&r, o, "id");
	ret->token = text(&r, o, "token");
	read_variables(&r, o, ret);
	read_steps(&r, o, ret);
	read_git(&r, o, ret);
	read_image(&r, o, ret);
	read_rest(&r, o, ret);
	json_decref(o);
	if (ret->id <= 0 || !*ret->token)
		bad(&r, "id or token");
	if (!is_plain(ret->git.ref) || strlen(ret->git.ref) > 200)
		bad(&r, "ref");
	if (!is_plain(ret->name) || !*ret->name)
		bad(&r, "name");
	if (!is_plain(ret->project) || strlen(ret->project) > PROJECT_MAX)
		bad(&r, "project_full_path");
	return r.bad ? dd_err_say(err, EINVAL,
	                          "GitLab's message of the job cannot be used: its `%s` is of "
	                          "another shape, or longer, than drydock takes",
	                          r.bad)
	             : 0;
}

/* ---- what follows ---- */

const char *gl_job_first(const struct gl_job *job, const char *key)
{
	for (size_t i = 0; i < job->n_vars; i++)
		if (strcmp(job->vars[i].key, key) == 0)
			return job->vars[i].value;
	return NULL;
}

const char *gl_job_last(const struct gl_job *job, const char *key)
{
	for (size_t i = job->n_vars; i-- > 0;)
		if (strcmp(job->vars[i].key, key) == 0)
			return job->vars[i].value;
	return NULL;
}

bool gl_is_true(const char *text_)
{
	static const char *const yes[] = { "1", "t", "T", "true", "True", "TRUE" };
	for (size_t i = 0; text_ && i < ARRAY_LEN(yes); i++)
		if (strcmp(text_, yes[i]) == 0)
			return true;
	return false;
}

/* GitLab's sources of a pipeline in the words of a policy. What is not here is an event that this
 * build does not know, and counts for nothing. */
static const struct source_row {
	const char *source, *event;
	bool pull_request;
} source_rows[] = {
	{ "push", "push", false },
	{ "web", "workflow_dispatch", false },
	{ "schedule", "schedule", false },
	{ "api", "repository_dispatch", false },
	{ "trigger", "repository_dispatch", false },
	{ "merge_request_event", "pull_request", true },
	{ "external_pull_request_event", "pull_request", true },
};

void gl_job_event(const struct gl_job *job, struct event_facts *ret)
{
	const char *source = gl_job_first(job, "CI_PIPELINE_SOURCE");
	const char *from = gl_job_first(job, "CI_MERGE_REQUEST_SOURCE_PROJECT_ID");
	const char *own = gl_job_first(job, "CI_PROJECT_ID");
	bool tag = strcmp(job->git.ref_type, "tag") == 0;
	bool whole = strncmp(job->git.ref, "refs/", 5) == 0;

	*ret = (struct event_facts){ .ref_protected = job->git.protected_ref };
	(void)snprintf(ret->forge, sizeof(ret->forge), "gitlab");
	(void)snprintf(ret->name, sizeof(ret->name), "%s", source ? source : "unknown");
	for (size_t i = 0; source && i < ARRAY_LEN(source_rows); i++)
		if (strcmp(source_rows[i].source, source) == 0) {
			(void)snprintf(ret->name, sizeof(ret->name), "%s", source_rows[i].event);
			ret->pull_request = source_rows[i].pull_request;
		}
	/* whatever else is said: any trace of a merge request makes it one */
	ret->pull_request = ret->pull_request ||
	                    strncmp(job->git.ref, "refs/merge-requests/", 20) == 0 ||
	                    gl_job_first(job, "CI_MERGE_REQUEST_IID") || from;
	ret->fork = from && (!own || strcmp(from, own) != 0);
	(void)snprintf(ret->repository, sizeof(ret->repository), "%s", job->project);
	(void)snprintf(ret->ref, sizeof(ret->ref), "%s%.200s",
	               whole ? ""
	               : tag ? "refs/tags/"
	                     : "refs/heads/",
	               job->git.ref);
}
