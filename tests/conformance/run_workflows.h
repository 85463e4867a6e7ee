// SPDX-License-Identifier: Apache-2.0
/* run_workflows.h - runs GitHub's own test data of the workflow file (workflow-reader/\*.yml, MIT):
 * options, a workflow, the files that it calls, and what it is read as, or the errors.
 *
 * The column of the server's parser ("C#") is the one that counts. Of an error file, line, column
 * and class are compared, in order and number; sentences are our own. */
#ifndef TESTS_CONFORMANCE_RUN_WORKFLOWS_H
#define TESTS_CONFORMANCE_RUN_WORKFLOWS_H

#include "tally.h"

#include "runner/forges/actions/wf_doc.h"

#include <jansson.h>
#include <math.h>
#include <stdint.h>

/* ---- a test file ---- */

enum { DOCUMENTS_MAX = 64 };

struct workflow_case {
	const char *name;
	char path[300]; /* of the workflow */
	char *documents[DOCUMENTS_MAX];
	size_t n;
	bool source, partial_rerun;
};

/* Cuts at lines that are "---" and blanks. */
static inline void cut_documents(char *text, struct workflow_case *c)
{
	c->documents[c->n++] = text;
	for (char *line = text; line && *line && c->n < DOCUMENTS_MAX;) {
		char *end = strchr(line, '\n');
		size_t len = end ? (size_t)(end - line) : strlen(line);
		if (strncmp(line, "---", 3) == 0 && strspn(line + 3, " \r") == len - 3) {
			*line = '\0';
			c->documents[c->n++] = end ? end + 1 : line + len;
		}
		line = end ? end + 1 : NULL;
	}
}

/* The value of a top-level option, or NULL. */
static inline const char *case_option(const struct workflow_case *c, const char *name)
{
	for (const char *line = c->documents[0]; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		size_t len = strlen(name);
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			return line + len + 1 + strspn(line + len + 1, " ");
	}
	return NULL;
}

static inline size_t number_option(const struct workflow_case *c, const char *name)
{
	const char *value = case_option(c, name);
	return value ? strtoul(value, NULL, 10) : 0;
}

static inline bool true_option(const struct workflow_case *c, const char *name, bool otherwise)
{
	const char *value = case_option(c, name);
	return value ? strncmp(value, "true", 4) == 0 : otherwise;
}

/* `skip: [...]` or a list below it names the column. */
static inline bool is_skipped(const struct workflow_case *c)
{
	const char *value = case_option(c, "skip");
	const char *end = value ? value : "";
	while (*end && !(*end == '\n' && end[1] != ' ' && end[1] != '-'))
		end++;
	return value && memmem(value, (size_t)(end - value), "C#", 2);
}

static inline int load_case_file(void *user, const char *caller, const char *ref, char **ret,
                                 size_t *ret_len, struct dd_err *err)
{
	const struct workflow_case *c = user;
	(void)caller;
	(void)err;
	for (size_t i = 2; i + 2 < c->n; i += 2) {
		size_t len = strcspn(c->documents[i], " \r\n");
		if (strncmp(c->documents[i], ref, len) != 0 || ref[len])
			continue;
		*ret = strdup(c->documents[i + 1]);
		*ret_len = strlen(c->documents[i + 1]);
		return *ret ? 0 : -ENOMEM;
	}
	return -ENOENT;
}

/* ---- a document as the data writes it ---- */

struct dumper {
	const struct wf_doc *doc;
	bool source;
};

static inline size_t file_number(const struct dumper *d, const char *file)
{
	for (size_t i = 0; i < d->doc->n_files; i++)
		if (strcmp(d->doc->files[i], file) == 0)
			return i + 1;
	return 0;
}

static inline json_t *dump_number(double number)
{
	if (isfinite(number))
		return json_real(number);
	return json_string(isnan(number) ? "NaN" : number < 0 ? "-Infinity" : "Infinity");
}

static inline json_t *dump_node(const struct dumper *d, const struct template_node *node);

static inline json_t *dump_payload(const struct dumper *d, const struct template_node *node,
                                   const char **key)
{
	json_t *list = NULL;

	switch (node->kind) {
	case TEMPLATE_STRING:
		*key = "lit";
		return json_stringn(node->text, node->len);
	case TEMPLATE_LIST:
		*key = "seq";
		for (size_t i = 0; i < node->n; i++) {
			list = list ? list : json_array();
			(void)json_array_append_new(list, dump_node(d, node->items[i]));
		}
		return list;
	case TEMPLATE_MAP:
		*key = "map";
		for (size_t i = 0; i < node->n; i++) {
			list = list ? list : json_array();
			(void)json_array_append_new(
				list,
				json_pack("{s:o,s:o}", "Key", dump_node(d, node->pairs[i].key),
			                  "Value", dump_node(d, node->pairs[i].value)));
		}
		return list;
	case TEMPLATE_EXPRESSION:
		*key = "expr";
		return json_stringn(node->text, node->len);
	case TEMPLATE_INSERT:
		*key = "directive";
		return json_string("insert");
	case TEMPLATE_BOOL:
		*key = "bool";
		return json_boolean(node->truth);
	case TEMPLATE_NUMBER:
		*key = "num";
		return dump_number(node->number);
	case TEMPLATE_NULL:
		*key = "null";
		return json_null();
	}
	return NULL;
}

static inline json_t *dump_node(const struct dumper *d, const struct template_node *node)
{
	const char *key = NULL;
	json_t *payload = dump_payload(d, node, &key), *out;
	bool bare = node->kind == TEMPLATE_STRING || node->kind == TEMPLATE_BOOL ||
	            node->kind == TEMPLATE_NUMBER || node->kind == TEMPLATE_NULL;

	if (bare && !d->source)
		return payload;
	out = json_pack("{s:i}", "type", (int)node->kind);
	if (d->source && node->mark.line) {
		(void)json_object_set_new(
			out, "file", json_integer((json_int_t)file_number(d, node->mark.file)));
		(void)json_object_set_new(out, "line", json_integer(node->mark.line));
		(void)json_object_set_new(out, "col", json_integer(node->mark.column));
	}
	if (payload && node->kind != TEMPLATE_NULL)
		(void)json_object_set_new(out, key, payload);
	else
		json_decref(payload);
	return out;
}

static inline void put_node(const struct dumper *d, json_t *out, const char *key,
                            const struct template_node *node)
{
	if (node)
		(void)json_object_set_new(out, key, dump_node(d, node));
}

/* The data is older than some names that read-all and write-all stand for. */
static inline bool is_newer(const char *name)
{
	static const char *const newer[] = {
		"artifact-metadata", "attestations",     "models", "vulnerability-alerts",
		"code-quality",      "copilot-requests", "drives"
	};
	for (size_t i = 0; i < ARRAY_LEN(newer); i++)
		if (strcmp(newer[i], name) == 0)
			return true;
	return false;
}

static inline void put_permissions(json_t *out, const struct wf_permissions *p)
{
	json_t *map = p ? json_object() : NULL;
	for (size_t i = 0; p && i < WF_PERMISSIONS_N; i++) {
		const char *name = wf_permission_name(i);
		if (p->levels[i] != WF_LEVEL_NONE && !(p->all && is_newer(name)))
			(void)json_object_set_new(map, name,
			                          json_string(wf_level_name(p->levels[i])));
	}
	if (map)
		(void)json_object_set_new(out, "permissions", map);
}

static inline json_t *dump_step(const struct dumper *d, const struct wf_step *step)
{
	json_t *out = json_pack("{s:s}", "id", step->id);
	put_node(d, out, "name", step->name);
	put_node(d, out, "if", step->cond);
	put_node(d, out, "continue-on-error", step->continue_on_error);
	put_node(d, out, "timeout-minutes", step->timeout_minutes);
	put_node(d, out, "env", step->env);
	put_node(d, out, "working-directory", step->working_directory);
	put_node(d, out, "shell", step->shell);
	put_node(d, out, "run", step->run);
	put_node(d, out, "uses", step->uses);
	put_node(d, out, "with", step->with);
	return out;
}

static inline json_t *dump_jobs(const struct dumper *d, const struct wf_job *jobs, size_t n);

static inline void put_call(const struct dumper *d, json_t *out, const struct wf_job *job)
{
	const struct wf_call *call = job->call;
	put_node(d, out, "ref", call->ref);
	put_permissions(out, call->permissions ? call->permissions : job->permissions);
	put_node(d, out, "input-definitions", call->input_definitions);
	put_node(d, out, "input-values", call->with);
	put_node(d, out, "secret-definitions", call->secret_definitions);
	put_node(d, out, "secret-values", call->secrets);
	if (call->inherit_secrets)
		(void)json_object_set_new(out, "inherit-secrets", json_true());
	put_node(d, out, "outputs", call->outputs);
	put_node(d, out, "defaults", call->defaults);
	put_node(d, out, "env", call->env);
	put_node(d, out, "concurrency", job->concurrency);
	put_node(d, out, "embedded-concurrency", call->concurrency);
	put_node(d, out, "strategy", job->strategy);
	(void)json_object_set_new(out, "jobs", dump_jobs(d, call->jobs, call->n_jobs));
}

static inline void put_steps_job(const struct dumper *d, json_t *out, const struct wf_job *job)
{
	json_t *steps = json_array();
	put_node(d, out, "strategy", job->strategy);
	put_node(d, out, "continue-on-error", job->continue_on_error);
	put_node(d, out, "timeout-minutes", job->timeout_minutes);
	put_node(d, out, "cancel-timeout-minutes", job->cancel_timeout_minutes);
	put_node(d, out, "concurrency", job->concurrency);
	put_permissions(out, job->permissions);
	put_node(d, out, "env", job->env);
	put_node(d, out, "environment", job->environment);
	put_node(d, out, "defaults", job->defaults);
	put_node(d, out, "runs-on", job->runs_on);
	put_node(d, out, "container", job->container);
	put_node(d, out, "services", job->services);
	put_node(d, out, "outputs", job->outputs);
	for (size_t i = 0; i < job->n_steps; i++)
		(void)json_array_append_new(steps, dump_step(d, &job->steps[i]));
	if (job->n_steps)
		(void)json_object_set(out, "steps", steps);
	json_decref(steps);
	put_node(d, out, "snapshot", job->snapshot);
}

static inline json_t *dump_jobs(const struct dumper *d, const struct wf_job *jobs, size_t n)
{
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++) {
		const struct wf_job *job = &jobs[i];
		json_t *out = json_pack("{s:s}", "type", job->call ? "reusableWorkflowJob" : "job");
		json_t *needs = json_array();
		put_node(d, out, "id", job->id);
		put_node(d, out, "name", job->name);
		for (size_t k = 0; k < job->n_needs; k++)
			(void)json_array_append_new(needs, dump_node(d, job->needs[k]));
		if (job->n_needs || job->call)
			(void)json_object_set(out, "needs", needs);
		json_decref(needs);
		put_node(d, out, "if", job->cond);
		if (job->call)
			put_call(d, out, job);
		else
			put_steps_job(d, out, job);
		(void)json_array_append_new(list, out);
	}
	return list;
}

static inline int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static inline json_t *dump_document(const struct workflow_case *c, const struct wf_doc *doc)
{
	const struct dumper d = { .doc = doc, .source = c->source };
	json_t *out = json_object(), *types = json_object(), *files = json_array();
	const char *names[DOCUMENTS_MAX];

	for (size_t i = 0; i < doc->n_inputs; i++)
		(void)json_object_set_new(types, doc->inputs[i].name,
		                          json_string(doc->inputs[i].type));
	if (doc->n_inputs)
		(void)json_object_set(out, "input-types", types);
	json_decref(types);
	put_node(&d, out, "env", doc->env);
	put_permissions(out, doc->permissions);
	put_node(&d, out, "defaults", doc->defaults);
	put_node(&d, out, "concurrency", doc->concurrency);
	(void)json_object_set_new(out, "jobs", dump_jobs(&d, doc->jobs, doc->n_jobs));
	for (size_t i = 0; i < doc->n_files && i < DOCUMENTS_MAX; i++)
		names[i] = doc->files[i];
	if (c->partial_rerun)
		qsort(names, doc->n_files, sizeof(names[0]), by_name);
	for (size_t i = 0; i < doc->n_files && i < DOCUMENTS_MAX; i++)
		(void)json_array_append_new(files, json_string(names[i]));
	if (c->source)
		(void)json_object_set(out, "file-table", files);
	json_decref(files);
	return out;
}

/* ---- comparing ---- */

/* Where two trees differ first, or NULL; numbers of either kind are numbers. */
static inline const char *json_difference(const json_t *want, const json_t *got, char *path,
                                          size_t size)
{
	const char *key;
	json_t *item;
	size_t used = strlen(path), i;

	if (json_is_number(want) && json_is_number(got))
		return json_number_value(want) == json_number_value(got) ? NULL : path;
	if (!got || json_typeof(want) != json_typeof(got))
		return path;
	if (json_is_object(want)) {
		json_object_foreach((json_t *)(uintptr_t)want, key, item)
		{
			(void)snprintf(path + used, size - used, ".%s", key);
			if (json_difference(item, json_object_get(got, key), path, size))
				return path;
		}
		json_object_foreach((json_t *)(uintptr_t)got, key,
		                    item) if (!json_object_get(want, key))
		{
			(void)snprintf(path + used, size - used, ".%s (not wanted)", key);
			return path;
		}
		path[used] = '\0';
		return NULL;
	}
	if (json_is_array(want)) {
		if (json_array_size(want) != json_array_size(got))
			return path;
		json_array_foreach(want, i, item)
		{
			(void)snprintf(path + used, size - used, "[%zu]", i);
			if (json_difference(item, json_array_get(got, i), path, size))
				return path;
		}
		path[used] = '\0';
		return NULL;
	}
	return json_equal(want, got) ? NULL : path;
}

/* ---- errors ---- */

static const struct message_row {
	const char *holds;
	const char *class; /* ours; "expression: fault" for those */
} messages[] = {
	{ "Unexpected symbol: ", "unexpected symbol" },
	{ "Unexpected end of expression", "unexpected end" },
	{ "Unrecognized named-value", "unknown context" },
	{ "Unrecognized function", "unknown function" },
	{ "Too few parameters supplied", "too few arguments" },
	{ "Too many parameters supplied", "too many arguments" },
	{ "Even number of parameters", "even number of arguments" },
	{ "Exceeded max expression length", "too long" },
	{ "Exceeded max expression depth", "too deep" },
	{ "Unexpected value '", "unexpected value" },
	{ "A sequence was not expected", "unexpected list" },
	{ "A mapping was not expected", "unexpected map" },
	{ "Required property is missing", "missing key" },
	{ "There's not enough info", "ambiguous" },
	{ "' is already defined", "duplicate key" },
	{ "A template expression is not allowed", "expression not allowed" },
	{ "The expression is not closed", "expression not closed" },
	{ "An expression was expected", "expression empty" },
	{ "The directive 'insert' is not allowed", "directive inside text" },
	{ "parameter(s) were expected following", "directive with arguments" },
	{ "IDs may only contain", "invalid id" },
	{ "are reserved", "reserved id" },
	{ "may not be used more than once", "id twice" },
	{ "Expected format {org}/{repo}", "uses" },
	{ "at least one job with no dependencies", "no job to start with" },
	{ "creates a cycle", "cycle" },
	{ "depends on unknown job", "unknown need" },
	{ "Matrix vector '", "matrix vector empty" },
	{ "Matrix must define at least", "matrix without vector" },
	{ "Matrix include mapping", "matrix include empty" },
	{ "Matrix exclude filter must", "matrix exclude empty" },
	{ "Matrix exclude key", "matrix exclude key" },
	{ "Container image cannot be empty", "image empty" },
	{ "Concurrency group name cannot be empty", "concurrency group empty" },
	{ "Concurrency group name must be less", "concurrency group too long" },
	{ "Invalid runs-on group name", "runner group" },
	{ "Expected format '{major-version}", "snapshot version" },
	{ "workflow_call key is not defined", "not callable" },
	{ "is required, but not provided", "required" },
	{ "Invalid input, ", "input undefined" },
	{ "Invalid secret, ", "secret undefined" },
	{ "is requesting '", "permissions" },
	{ "Nested reusable workflow depth", "nesting of calls" },
	{ "Workflows may not contain more than", "too many jobs" },
	{ "Maximum object depth", "depth" },
	{ "Maximum object size", "size" },
	{ "Maximum events exceeded", "nodes" },
	{ "Maximum YAML nodes", "nodes" },
	{ "The maximum file size", "file size" },
	{ "The maximum file count", "too many files" },
	{ "Anchors are not currently supported", "anchor" },
	{ "Unexpected tag '", "tag" },
	{ "is not valid with the tag", "tag" },
	{ "is invalid for the type", "value does not fit its tag" },
	{ "' is not allowed", "key not allowed" },
};

static inline const char *class_of_message(const char *message)
{
	for (size_t i = 0; i < ARRAY_LEN(messages); i++)
		if (strstr(message, messages[i].holds))
			return messages[i].class;
	return "syntax";
}

static inline bool is_class(const struct wf_error *e, const char *class)
{
	if (strcmp(class, "required") == 0)
		return e->class == WF_INPUT_REQUIRED || e->class == WF_SECRET_REQUIRED;
	return strcmp(e->class == WF_EXPRESSION ? expr_fault_name(e->fault)
	                                        : wf_class_name(e->class),
	              class) == 0;
}

/* "FILE (Line: L, Col: C): ..." or "FILE: ..." or no place at all. */
static inline bool same_place_of(const struct wf_error *e, const char *message)
{
	static const char called[] = "Error from called workflow ";
	const char *at = strstr(message, called);
	unsigned line = 0, column = 0;
	char file[500] = "";

	if (at) {
		if (!e->caller.line ||
		    sscanf(message, "In %499s (Line: %u, Col: %u)", file, &line, &column) != 3 ||
		    strcmp(file, e->caller.file) != 0 || line != e->caller.line ||
		    column != e->caller.column)
			return false;
		message = at + sizeof(called) - 1;
	}
	if (sscanf(message, "%499s (Line: %u, Col: %u):", file, &line, &column) == 3)
		return strcmp(file, e->node.file) == 0 && line == e->node.line &&
		       column == e->node.column;
	if (sscanf(message, "%499[^ ]", file) == 1 && file[strlen(file) - 1] == ':')
		return e->node.line == 0 && strncmp(file, e->node.file, strlen(file) - 1) == 0;
	return e->node.line == 0;
}

static inline void compare_errors(const struct workflow_case *c, const json_t *want,
                                  const struct wf_errors *errors, struct tally *t)
{
	bool same = json_array_size(want) == errors->n;

	for (size_t i = 0; same && i < errors->n; i++) {
		const char *message =
			json_string_value(json_object_get(json_array_get(want, i), "Message"));
		same = message && is_class(&errors->items[i], class_of_message(message)) &&
		       same_place_of(&errors->items[i], message);
	}
	if (same) {
		tally_pass(t);
		return;
	}
	tally_fail(t, "%s: other errors", c->name);
	for (size_t i = 0; !t->quiet && i < json_array_size(want); i++)
		printf("#   wanted %.250s\n",
		       json_string_value(json_object_get(json_array_get(want, i), "Message")));
	for (size_t i = 0; !t->quiet && i < errors->n; i++)
		printf("#   got %s:%u:%u: %s: %s\n", errors->items[i].node.file,
		       errors->items[i].node.line, errors->items[i].node.column,
		       wf_class_name(errors->items[i].class), errors->items[i].text);
}

/* ---- a case ---- */

static inline void run_case(struct workflow_case *c, struct tally *t)
{
	const struct wf_options options = {
		.refuse_anchors = !true_option(c, "allow-anchors", false),
		.file_size_max = number_option(c, "max-file-size"),
		.size_max = number_option(c, "max-result-size"),
		.depth_max = (unsigned)number_option(c, "max-depth"),
		.jobs_max = (unsigned)number_option(c, "max-job-limit"),
		.files_max = (unsigned)number_option(c, "max-files"),
		.call_depth_max = (unsigned)number_option(c, "max-nested-reusable-workflows-depth"),
		.permissions_write_all = !case_option(c, "permissions-policy") ||
		                         strncmp(case_option(c, "permissions-policy"),
		                                 "LimitedRead", 11) != 0,
		.skip_calls = true_option(c, "skip-reusable-workflows", false),
		.load = load_case_file,
		.user = c,
	};
	struct wf_errors errors = { .n = 0 };
	struct wf_doc *doc = NULL;
	json_error_t bad;
	json_t *want = json_loads(c->documents[c->n - 1], 0, &bad);
	const json_t *wrong = json_object_get(want, "errors");

	c->source = true_option(c, "include-source", true);
	c->partial_rerun = true_option(c, "is-partial-rerun", false);
	int r = wf_parse(c->path, c->documents[1], strlen(c->documents[1]), &options, &doc,
	                 &errors);
	if (!want) {
		tally_fail(t, "%s: no expectation: %s", c->name, bad.text);
	} else if (r < 0 || wrong) {
		compare_errors(c, wrong, &errors, t);
	} else {
		json_t *got = dump_document(c, doc);
		char path[1000] = "";
		if (json_difference(want, got, path, sizeof(path)))
			tally_fail(t, "%s: other at %s", c->name, path);
		else
			tally_pass(t);
		json_decref(got);
	}
	json_decref(want);
	wf_free(doc);
	wf_errors_done(&errors);
}

static inline void run_workflow_file(const char *dir, const char *name, struct tally *t)
{
	struct workflow_case c = { .name = name };
	size_t len = 0;
	char *text = tally_read(dir, name, &len);

	(void)snprintf(c.path, sizeof(c.path), ".github/workflows/%.250s", name);
	if (text)
		cut_documents(text, &c);
	if (c.n < 3)
		tally_fail(t, "%s: cannot be read", name);
	else if (is_skipped(&c))
		t->skipped++;
	else
		run_case(&c, t);
	free(text);
}

static inline bool run_workflows(const char *dir, struct tally *t)
{
	return tally_files(dir, ".yml", t, run_workflow_file);
}

#endif
