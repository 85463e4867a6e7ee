// SPDX-License-Identifier: Apache-2.0
/* job_message.c - see job_message.h.
 *
 * Runs in: the process of one job, which holds no credential of another. The document is the
 * forge's; names and texts in it are a repository's and an outsider's. Bounded, fuzzed. */
#include "job_message.h"

#include "forges/actions/taint.h"
#include "message_json.h"
#include "message_values.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONTEXT_BYTES_MAX ((size_t)256 * 1024 * 1024)

static int malformed(struct dd_err *err, const char *what)
{
	return dd_err_blame(err, DD_BLAME_CALLER,
	                    dd_err_say(err, EINVAL, "the job message %s", what));
}

static int load(const char *bytes, size_t len, json_t **ret, struct dd_err *err)
{
	char why[300] = "it is no object";

	if (len > JOB_MESSAGE_BYTES_MAX)
		return malformed(err, "is longer than 16 MiB");
	*ret = message_json_load(bytes, len, why, sizeof(why));
	if (!*ret || !json_is_object(*ret))
		return dd_err_blame(
			err, DD_BLAME_CALLER,
			dd_err_say(err, EINVAL, "the job message cannot be read: %.300s", why));
	return 0;
}

/* ---- whom its courier asks ---- */

/* There is exactly one with the right of the job. */
static const json_t *endpoint_of(const json_t *document)
{
	const json_t *one, *found = NULL;
	size_t i;

	json_array_foreach(message_at(document, "resources.endpoints"), i, one)
	{
		const char *name = message_text(one, "name");
		if (!name || strcasecmp(name, "SystemVssConnection") != 0)
			continue;
		if (found)
			return NULL;
		found = one;
	}
	return found;
}

static bool is_https(const char *url)
{
	return !*url || strncasecmp(url, "https://", 8) == 0;
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

static const char *variable(const json_t *document, const char *name)
{
	const json_t *one = message_member(message_member(document, "variables"), name);
	return json_is_string(one) ? json_string_value(one) : message_text(one, "value");
}

static bool is_guid(const char *text)
{
	size_t i = 0;
	for (; text && text[i]; i++)
		if (!isxdigit((unsigned char)text[i]) && text[i] != '-')
			return false;
	return i > 0 && i <= 64;
}

static bool is_switched_on(const json_t *document, const char *name)
{
	const char *text = variable(document, name);
	return text && strcasecmp(text, "true") == 0;
}

static int read_address(json_t *document, struct job_address *ret, struct dd_err *err)
{
	const json_t *endpoint = endpoint_of(document);

	*ret = (struct job_address){
		.document = document,
		.plan_id = message_text(document, "plan.planId"),
		.job_id = message_text(document, "jobId"),
		.billing_owner = or_empty(message_text(document, "billingOwnerId")),
		.run_service = or_empty(message_text(endpoint, "url")),
		.token = message_text(endpoint, "authorization.parameters.AccessToken"),
		.results = or_empty(variable(document, "system.github.results_endpoint")),
		.wants_annotations = is_switched_on(document, "actions_send_job_level_annotations"),
	};
	if (!endpoint)
		return malformed(err, "does not name exactly one endpoint SystemVssConnection");
	if (!is_guid(ret->plan_id) || !is_guid(ret->job_id))
		return malformed(err, "has no id of its plan or of its job");
	if (!ret->token || !*ret->token || strpbrk(ret->token, " \t\r\n"))
		return malformed(err, "brings no token for its end");
	if (!*ret->run_service || !is_https(ret->run_service) || !is_https(ret->results))
		return malformed(err, "names a service that is not https://");
	return 0;
}

int job_address_read(const char *bytes, size_t len, struct job_address *ret, struct dd_err *err)
{
	json_t *document = NULL;
	*ret = (struct job_address){ .document = NULL };
	int r = load(bytes, len, &document, err);
	if (r < 0) {
		json_decref(document);
		return r;
	}
	return read_address(document, ret, err);
}

/* jansson's texts are not ours to write to by its interface; they are wiped all the same. */
static void wipe(const char *text)
{
	if (text)
		explicit_bzero((char *)(uintptr_t)text, strlen(text));
}

static void wipe_secrets(json_t *document)
{
	const char *key;
	json_t *value;

	json_object_foreach(message_member(document, "variables"), key, value)
	{
		if (message_truth(value, "isSecret", false))
			wipe(message_text(value, "value"));
	}
}

void job_address_done(struct job_address *address)
{
	wipe(address->token);
	wipe_secrets(address->document);
	json_decref(address->document);
	*address = (struct job_address){ .document = NULL };
}

/* ---- secrets ---- */

/* GITHUB_TOKEN is `github_token`, and system.github.token where there is none. */
static const char *secret_name(struct plan_arena *arena, const char *name)
{
	if (strcasecmp(name, "system.github.token") == 0)
		return "GITHUB_TOKEN";
	if (strncasecmp(name, "system.", 7) == 0)
		return NULL;
	char *upper = arena_strdup(arena, name);
	for (char *p = upper; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	return upper;
}

static int read_secrets(struct job_message *m, struct dd_err *err)
{
	const json_t *variables = message_member(m->document, "variables");
	const size_t room = json_object_size(variables);
	struct lease_forge_secret *list = arena_array(m->arena, room, sizeof(*list));
	const char *key;
	json_t *one;
	size_t n = 0;

	json_object_foreach((json_t *)(uintptr_t)variables, key, one)
	{
		const json_t *value = message_member(one, "value");
		const char *name = message_truth(one, "isSecret", false)
		                           ? secret_name(m->arena, key)
		                           : NULL;
		bool there = false;
		for (size_t i = 0; name && i < n; i++)
			there |= strcmp(list[i].name, name) == 0;
		if (!name || there || !json_is_string(value) || json_string_length(value) == 0)
			continue;
		if (n == JOB_SECRETS_MAX)
			return malformed(err, "brings more than 1000 secrets");
		list[n++] = (struct lease_forge_secret){
			.name = name,
			.value = arena_strdup(m->arena, json_string_value(value)),
			.len = json_string_length(value),
		};
		wipe(json_string_value(value));
	}
	m->secrets = (struct lease_forge){ .secrets = list, .n = n };
	return 0;
}

/* ---- contexts ---- */

static const struct expr_value *member(const struct expr_value *object, const char *name)
{
	return object->kind == EXPR_OBJECT ? expr_object_get(object->object, name, strlen(name))
	                                   : NULL;
}

static const char *text_member(const struct expr_value *object, const char *name)
{
	const struct expr_value *v = member(object, name);
	return v && v->kind == EXPR_STRING ? v->text : "";
}

static bool put(struct job_message *m, struct expr_value *object, const char *name,
                struct expr_value value)
{
	return expr_object_set(&m->mem, object->object, name, strlen(name), value);
}

static bool is_true(const struct expr_value *v)
{
	return v &&
	       (v->kind == EXPR_BOOL ? v->truth
	                             : v->kind == EXPR_STRING && strcasecmp(v->text, "true") == 0);
}

/* The forge's own words, in the shape of an event file, so that one reader judges both (event.h).
 * What stands in the payload under the same names does not count. */
static int read_event(struct job_message *m, struct dd_err *err)
{
	const struct expr_value *github = &m->world.github, *payload = member(github, "event");
	struct expr_value event, repository, text;
	bool good = expr_object_new(&m->mem, false, &event) &&
	            expr_object_new(&m->mem, false, &repository);

	for (size_t i = 0;
	     good && payload && payload->kind == EXPR_OBJECT && i < payload->object->n; i++) {
		const struct expr_member *one = &payload->object->members[i];
		good = expr_object_set(&m->mem, event.object, one->key, one->key_len, one->value);
	}
	good = good &&
	       put(m, &repository, "full_name", expr_text(text_member(github, "repository"))) &&
	       put(m, &event, "repository", repository) &&
	       put(m, &event, "event_name", expr_text(text_member(github, "event_name"))) &&
	       put(m, &event, "ref", expr_text(text_member(github, "ref"))) &&
	       put(m, &event, "ref_protected",
	           expr_bool(is_true(member(github, "ref_protected")))) &&
	       expr_json_write(&m->mem, &event, NULL, NULL, &text);
	if (!good)
		return dd_err_say(err, E2BIG, "the job message: its event needs too much memory");
	int r = event_parse(text.text, text.len, &m->event, err);
	if (r < 0)
		return dd_err_blame(err, DD_BLAME_CALLER, r);
	if (!m->event.repository[0] || !text_member(github, "event_name")[0])
		return malformed(err, "does not say of which repository or for which event it is");
	(void)snprintf(m->event.checkout.sha, sizeof(m->event.checkout.sha), "%s",
	               text_member(github, "sha"));
	return 0;
}

/* What other jobs gave, and what is made of it, may be an outsider's: whose it was is lost on the
 * way through the forge. */
static bool mark_origins(struct job_message *m)
{
	const struct {
		struct expr_value *value;
		const char *name;
		bool doubtful;
	} rows[] = {
		{ &m->needs, "needs", true },
		{ &m->matrix, "matrix", m->needs.kind == EXPR_OBJECT && m->needs.object->n > 0 },
		{ &m->world.inputs, "inputs", !event_name_counts(m->event.name, NULL) },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].doubtful && !taint_mark_all(&m->mem, rows[i].value, rows[i].name))
			return false;
	return taint_mark_github(&m->mem, &m->world.github);
}

static int read_contexts(struct job_message *m, struct dd_err *err)
{
	const json_t *data = message_member(m->document, "contextData");
	const struct {
		const char *name;
		struct expr_value *value;
	} rows[] = {
		{ "github", &m->world.github }, { "inputs", &m->world.inputs },
		{ "vars", &m->world.vars },     { "needs", &m->needs },
		{ "matrix", &m->matrix },       { "strategy", &m->strategy },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(rows); i++)
		r = message_value(message_member(data, rows[i].name), &m->mem, rows[i].value, err);
	if (r < 0)
		return dd_err_blame(err, DD_BLAME_CALLER, r);
	if (m->world.github.kind != EXPR_OBJECT)
		return malformed(err, "has no github context");
	/* a credential, and no expression's */
	if (member(&m->world.github, "token") && !put(m, &m->world.github, "token", expr_null()))
		return malformed(err, "needs too much memory");
	if ((r = read_event(m, err)) < 0)
		return r;
	return mark_origins(m) ? 0 : malformed(err, "needs too much memory");
}

/* ---- steps ---- */

static bool is_job_id(const char *text)
{
	if (!text || strncmp(text, "__", 2) == 0 || strlen(text) >= 100 ||
	    !(isalpha((unsigned char)*text) || *text == '_'))
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && *text != '_' && *text != '-')
			return false;
	return true;
}

static const char *job_id_of(const struct job_message *m)
{
	const char *texts[] = { variable(m->document, "system.github.job"),
		                text_member(&m->world.github, "job"),
		                message_text(m->document, "jobName") };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (is_job_id(texts[i]))
			return texts[i];
	return "job";
}

static int read_steps(struct job_message *m, struct diag_list *diags, struct dd_err *err)
{
	const struct wf_options options = { .refuse_anchors = true,
		                            .runs_on_optional = true,
		                            .skip_calls = true };
	struct wf_errors errors = { .n = 0 };
	int r = message_workflow(m->document, job_id_of(m), m->arena, &m->workflow, err);

	if (r < 0)
		return r;
	if (message_truth(m->document, "enableDebugger", false))
		return malformed(err, "asks for a remote debugger, which does not exist here");
	r = wf_parse(MESSAGE_SOURCE, m->workflow.text, m->workflow.len, &options, &m->doc, &errors);
	wf_errors_to_diags(&errors, diags);
	wf_errors_done(&errors);
	if (r < 0)
		return malformed(err, "makes no workflow that can be read");
	if (m->doc->n_jobs != 1 || m->doc->jobs[0].n_steps != m->workflow.n_steps)
		return malformed(err, "makes another number of steps than it has");
	wf_flatten(m->doc, &m->flat);
	return 0;
}

int job_message_read(const char *bytes, size_t len, struct job_message *ret,
                     struct diag_list *diags, struct dd_err *err)
{
	struct job_address address;
	int r;

	*ret = (struct job_message){ .arena = arena_new() };
	ret->mem = (struct expr_memory){ .arena = ret->arena, .limit = CONTEXT_BYTES_MAX };
	if ((r = load(bytes, len, &ret->document, err)) < 0 ||
	    (r = read_address(ret->document, &address, err)) < 0)
		return r;
	const json_t *data = message_member(endpoint_of(ret->document), "data");
	ret->plan_id = address.plan_id;
	ret->job_id = address.job_id;
	ret->billing_owner = address.billing_owner;
	ret->run_service = address.run_service;
	ret->token = address.token;
	ret->results = address.results;
	ret->name = or_empty(message_text(ret->document, "jobDisplayName"));
	ret->launch = or_empty(variable(ret->document, "system.github.launch_endpoint"));
	ret->id_token = or_empty(message_text(data, "GenerateIdTokenUrl"));
	ret->feed = or_empty(message_text(data, "FeedStreamUrl"));
	ret->wants_annotations = address.wants_annotations;
	ret->bearer_for_codeload = is_switched_on(ret->document,
	                                          "actions_use_bearer_token_for_codeload");
	ret->mask = message_member(ret->document, "mask");
	if (!ret->mask)
		ret->mask = message_member(ret->document, "maskHints");
	ret->dependencies = message_member(ret->document, "dependencies");
	if ((r = read_secrets(ret, err)) < 0 || (r = read_contexts(ret, err)) < 0)
		return r;
	return read_steps(ret, diags, err);
}

void job_message_forget(struct job_message *m)
{
	wipe(m->token);
	wipe_secrets(m->document);
}

void job_message_done(struct job_message *m)
{
	for (size_t i = 0; i < m->secrets.n; i++)
		explicit_bzero(m->secrets.secrets[i].value, m->secrets.secrets[i].len);
	job_message_forget(m);
	wf_free(m->doc);
	json_decref(m->document);
	arena_free(m->arena);
	*m = (struct job_message){ .arena = NULL };
}
