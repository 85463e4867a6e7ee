// SPDX-License-Identifier: Apache-2.0
/* event.c - a forge's event file into the few facts from which trust follows.
 *
 * Runs in: command line and supervisor. The bytes are the forge's, so they are parsed as foreign:
 * bounded, strict about the types of what is used, and whatever is missing counts against trust.
 * jansson bounds the depth (2048) and refuses bad UTF-8.
 *
 * Events that count are listed, and everything else is a stranger's: anybody may comment, fork,
 * star, open an issue, and have a run of his own end, and the forge then starts workflows with the
 * base's rights. */
#include "event.h"

#include "input/read_file.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EVENT_BYTES_MAX ((size_t)10 * 1024 * 1024)

void event_local(struct event_facts *ret)
{
	*ret = (struct event_facts){ .local = true, .name = "local", .ref_protected = true };
}

static int copy_text(const json_t *value, const char *what, char *out, size_t size,
                     struct dd_err *err)
{
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return dd_err_say(err, EINVAL, "event: %s is not a string", what);
	const char *text = json_string_value(value);
	size_t len = json_string_length(value);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return dd_err_say(err, EINVAL, "event: %s holds a control character", what);
	if (len >= size)
		return dd_err_say(err, EINVAL, "event: %s is longer than %zu bytes", what,
		                  size - 1);
	memcpy(out, text, len + 1);
	return 0;
}

/* Absent and null are @absent; anything but a boolean is an error, so that "false" in quotes is
 * never read as a value. */
static int copy_bool(const json_t *value, const char *what, bool absent, bool *out,
                     struct dd_err *err)
{
	if (value && !json_is_null(value) && !json_is_boolean(value))
		return dd_err_say(err, EINVAL, "event: %s is not true or false", what);
	*out = value && !json_is_null(value) ? json_is_true(value) : absent;
	return 0;
}

static int object_at(const json_t *parent, const char *key, const json_t **ret, struct dd_err *err)
{
	*ret = json_object_get(parent, key);
	if (*ret && !json_is_object(*ret) && !json_is_null(*ret))
		return dd_err_say(err, EINVAL, "event: %s is not an object", key);
	return 0;
}

/* A pull request is from a fork unless both repositories are named and the same. */
/* "main" of @value as "refs/heads/main". */
static int copy_branch(const json_t *value, const char *what, char ret[256], struct dd_err *err)
{
	char branch[240] = "";
	int r = copy_text(value, what, branch, sizeof(branch), err);
	if (r == 0 && branch[0])
		(void)snprintf(ret, 256, "refs/heads/%s", branch);
	return r;
}

static int read_pull_request(const json_t *pr, struct event_facts *ev, struct dd_err *err)
{
	char head[sizeof(ev->repository)] = "", base[sizeof(ev->repository)] = "";
	const json_t *head_repo = json_object_get(json_object_get(pr, "head"), "repo");
	const json_t *base_repo = json_object_get(json_object_get(pr, "base"), "repo");
	int r = copy_text(json_object_get(head_repo, "full_name"),
	                  "pull_request.head.repo.full_name", head, sizeof(head), err);
	if (r == 0)
		r = copy_text(json_object_get(base_repo, "full_name"),
		              "pull_request.base.repo.full_name", base, sizeof(base), err);
	if (r == 0)
		r = copy_branch(json_object_get(json_object_get(pr, "base"), "ref"),
		                "pull_request.base.ref", ev->base_ref, err);
	const json_t *number = json_object_get(pr, "number");
	if (json_is_integer(number) && json_integer_value(number) > 0)
		ev->pull_number = json_integer_value(number);
	ev->pull_request = true;
	ev->fork = head[0] == '\0' || strcmp(head, base) != 0;
	return r;
}

/* ---- which event ---- */

/* Only people who may write to the repository, or the forge's own clock, cause these. */
static const char *const counting[] = { "push", "workflow_dispatch", "schedule", "release", NULL };

const char *const event_names[] = { "branch_protection_rule",
	                            "check_run",
	                            "check_suite",
	                            "create",
	                            "delete",
	                            "deployment",
	                            "deployment_status",
	                            "discussion",
	                            "discussion_comment",
	                            "fork",
	                            "gollum",
	                            "image_version",
	                            "issue_comment",
	                            "issues",
	                            "label",
	                            "member",
	                            "merge_group",
	                            "milestone",
	                            "page_build",
	                            "project",
	                            "project_card",
	                            "project_column",
	                            "public",
	                            "pull_request",
	                            "pull_request_comment",
	                            "pull_request_review",
	                            "pull_request_review_comment",
	                            "pull_request_target",
	                            "push",
	                            "registry_package",
	                            "release",
	                            "repository_dispatch",
	                            "schedule",
	                            "status",
	                            "watch",
	                            "workflow_call",
	                            "workflow_dispatch",
	                            "workflow_run",
	                            NULL };

/* What a message that says no name is about, by an object that only such a message has. The first
 * that is there decides. @stranger: no event that counts has it, so a name that counts is not
 * believed beside it. */
static const struct object_row {
	const char *object, *name;
	bool stranger;
} object_rows[] = {
	{ "pull_request", "pull_request", true },
	{ "workflow_run", "workflow_run", true },
	{ "check_run", "check_run", true },
	{ "check_suite", "check_suite", true },
	{ "review", "pull_request_review", true },
	{ "discussion", "discussion", true },
	{ "issue", "issues", true },
	{ "comment", "commit_comment", true },
	{ "forkee", "fork", true },
	{ "client_payload", "repository_dispatch", true },
	{ "merge_group", "merge_group", true },
	{ "deployment_status", "deployment_status", true },
	{ "deployment", "deployment", true },
	{ "release", "release", false },
	{ "schedule", "schedule", false },
	{ "inputs", "workflow_dispatch", false },
};

/* All that a push says, and what drydock adds. A message with anything else is no push. */
static const char *const push_keys[] = {
	"after",        "base_ref",   "before",     "commits",       "compare",     "created",
	"deleted",      "enterprise", "event_name", "forced",        "head_commit", "installation",
	"organization", "pusher",     "ref",        "ref_protected", "repository",  "sender",
};

static bool among(const char *const *words, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

static bool among_all(const char *const *words, const char *word)
{
	size_t n = 0;
	while (words && words[n])
		n++;
	return among(words, n, word);
}

static bool is_there(const json_t *root, const char *key)
{
	const json_t *value = json_object_get(root, key);
	return value && !json_is_null(value);
}

static const char *infer_name(const json_t *root)
{
	const char *key;
	json_t *value;
	for (size_t i = 0; i < ARRAY_LEN(object_rows); i++)
		if (is_there(root, object_rows[i].object))
			return object_rows[i].name;
	json_object_foreach((json_t *)(uintptr_t)root, key, value) /* reads only */
		if (!among(push_keys, ARRAY_LEN(push_keys), key)) return "unknown";
	return "push";
}

bool event_name_is_pull_request(const char *name)
{
	/* pull_request_target and its relatives run with the base's rights on a stranger's request:
	 * the name alone is enough. */
	static const char first[] = "pull_request";
	const size_t len = sizeof(first) - 1;
	return strlen(name) >= len && memcmp(name, first, len) == 0;
}

bool event_name_counts(const char *name, const char *const *also)
{
	return among_all(counting, name) ||
	       (!event_name_is_pull_request(name) && among_all(also, name));
}

static int read_name(const json_t *root, struct event_facts *ev, struct dd_err *err)
{
	int r = copy_text(json_object_get(root, "event_name"), "event_name", ev->name,
	                  sizeof(ev->name), err);
	if (r < 0)
		return r;
	if (strspn(ev->name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(ev->name))
		return dd_err_say(err, EINVAL, "event: event_name is no name of an event");
	for (size_t i = 0; ev->name[0] && i < ARRAY_LEN(object_rows); i++)
		if (object_rows[i].stranger && is_there(root, object_rows[i].object) &&
		    event_name_counts(ev->name, NULL) && !ev->contradiction[0])
			(void)snprintf(ev->contradiction, sizeof(ev->contradiction), "%s",
			               object_rows[i].object);
	if (ev->name[0] == '\0')
		(void)snprintf(ev->name, sizeof(ev->name), "%s", infer_name(root));
	ev->pull_request |= event_name_is_pull_request(ev->name);
	if (ev->contradiction[0])
		(void)snprintf(ev->name_why, sizeof(ev->name_why),
		               "the message holds a %s, which no %s has", ev->contradiction,
		               ev->name);
	else
		(void)snprintf(ev->name_why, sizeof(ev->name_why),
		               "strangers can cause the event %s, and the policy does not say "
		               "`trust: { events: [ %s ] }`",
		               ev->name, ev->name);
	return 0;
}

/* Whose code a workflow_run is about: that of the run before it. Not said is a stranger's. */
static int read_workflow_run(const json_t *run, const json_t *repository, struct event_facts *ev,
                             struct dd_err *err)
{
	char head[sizeof(ev->repository)] = "", own[sizeof(ev->repository)] = "",
	     event[sizeof(ev->name)] = "";
	int r = copy_text(json_object_get(json_object_get(run, "head_repository"), "full_name"),
	                  "workflow_run.head_repository.full_name", head, sizeof(head), err);
	if (r == 0)
		r = copy_text(json_object_get(repository, "full_name"), "repository.full_name", own,
		              sizeof(own), err);
	if (r == 0)
		r = copy_text(json_object_get(run, "event"), "workflow_run.event", event,
		              sizeof(event), err);
	ev->fork |= head[0] == '\0' || strcmp(head, own) != 0;
	ev->pull_request |= event_name_is_pull_request(event);
	return r;
}

static int read_facts(const json_t *root, struct event_facts *ev, struct dd_err *err)
{
	const json_t *pr, *repository, *run;
	if (!json_is_object(root))
		return dd_err_say(err, EINVAL, "event: not a JSON object");
	int r = object_at(root, "pull_request", &pr, err);
	if (r == 0)
		r = object_at(root, "repository", &repository, err);
	if (r == 0)
		r = object_at(root, "workflow_run", &run, err);
	if (r == 0 && json_is_object(pr))
		r = read_pull_request(pr, ev, err);
	if (r == 0 && json_is_object(run))
		r = read_workflow_run(run, repository, ev, err);
	if (r == 0)
		r = read_name(root, ev, err);
	if (r == 0)
		r = copy_text(json_object_get(repository, "full_name"), "repository.full_name",
		              ev->repository, sizeof(ev->repository), err);
	if (r == 0)
		r = copy_branch(json_object_get(repository, "default_branch"),
		                "repository.default_branch", ev->default_ref, err);
	if (r == 0)
		r = copy_text(json_object_get(root, "ref"), "ref", ev->ref, sizeof(ev->ref), err);
	if (r == 0)
		r = copy_bool(json_object_get(root, "ref_protected"), "ref_protected", false,
		              &ev->ref_protected, err);
	return r;
}

int event_parse(const char *text, size_t len, struct event_facts *ret, struct dd_err *err)
{
	json_error_t why;
	struct event_facts ev = { 0 };
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (!root)
		return dd_err_say(err, EINVAL, "event: line %d, column %d: %s", why.line,
		                  why.column, why.text);
	int r = read_facts(root, &ev, err);
	json_decref(root);
	if (r == 0)
		*ret = ev;
	return r;
}

int event_load_text(const char *path, struct event_facts *ret, char **ret_text, size_t *ret_len,
                    struct dd_err *err)
{
	char *text = NULL;
	size_t len = 0;
	struct named_link link;
	int r = read_named_file(path, EVENT_BYTES_MAX, &text, &len, &link, err);
	if (r < 0)
		return dd_err_ctx(err, r, "event");
	r = event_parse(text, len, ret, err);
	if (r == 0) {
		*ret_text = text;
		*ret_len = len;
		return 0;
	}
	free(text);
	if (link.path[0]) /* the reason may hold words of the file */
		return dd_err_say(
			err, -r,
			"%.150s is no event that can be read; why would quote a file that "
			"was reached through the link %.150s: name the file itself",
			path, link.path);
	return dd_err_ctx(err, r, "%s", path);
}

int event_load(const char *path, struct event_facts *ret, struct dd_err *err)
{
	char *text = NULL;
	size_t len = 0;
	int r = event_load_text(path, ret, &text, &len, err);
	free(text);
	return r;
}

/* A release is of a tag: on any other ref its name says nothing about the code. */
static bool is_release_of_no_tag(const struct event_facts *ev)
{
	return strcmp(ev->name, "release") == 0 && strncmp(ev->ref, "refs/tags/", 10) != 0;
}

bool event_is_trusted_with(const struct event_facts *ev, const char *const *also,
                           const char **ret_why)
{
	static const char trusted[] = "protected ref, no fork, no pull request";
	static const char local[] = "local run: the operator's own";
	const char *why = ev->fork               ? "the code comes from a fork"
	                  : ev->pull_request     ? "the event is a pull request"
	                  : ev->contradiction[0] ? ev->name_why
	                  : !event_name_counts(ev->name, also)
	                          ? ev->name_why[0] ? ev->name_why : "strangers can cause the event"
	                  : is_release_of_no_tag(ev) ? "the release is not of a tag"
	                  : !ev->ref_protected       ? "the ref is not protected"
	                                             : trusted;
	if (ev->local)
		why = local;
	if (ret_why)
		*ret_why = why;
	return why == local || why == trusted;
}

bool event_is_trusted(const struct event_facts *ev, const char **ret_why)
{
	return event_is_trusted_with(ev, NULL, ret_why);
}
