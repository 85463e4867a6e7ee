// SPDX-License-Identifier: Apache-2.0
/* event.c - a forge's event file into the few facts from which trust follows.
 *
 * Runs in: command line and supervisor. The bytes are the forge's, so they are parsed as foreign:
 * bounded, strict about the types of what is used, and whatever is missing counts against trust.
 * jansson bounds the depth (2048) and refuses bad UTF-8. */
#include "event.h"

#include "input/read_file.h"

#include <jansson.h>
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
	ev->pull_request = true;
	ev->fork = head[0] == '\0' || strcmp(head, base) != 0;
	return r;
}

static int read_name(const json_t *root, struct event_facts *ev, struct dd_err *err)
{
	int r = copy_text(json_object_get(root, "event_name"), "event_name", ev->name,
	                  sizeof(ev->name), err);
	if (r < 0)
		return r;
	if (ev->name[0] == '\0')
		(void)snprintf(ev->name, sizeof(ev->name), "%s",
		               ev->pull_request ? "pull_request" : "push");
	/* pull_request_target and its relatives run with the base's rights on a stranger's request:
	 * the name alone is enough. */
	if (strncmp(ev->name, "pull_request", strlen("pull_request")) == 0 ||
	    strcmp(ev->name, "merge_group") == 0)
		ev->pull_request = true;
	return 0;
}

static int read_facts(const json_t *root, struct event_facts *ev, struct dd_err *err)
{
	const json_t *pr, *repository;
	if (!json_is_object(root))
		return dd_err_say(err, EINVAL, "event: not a JSON object");
	int r = object_at(root, "pull_request", &pr, err);
	if (r == 0)
		r = object_at(root, "repository", &repository, err);
	if (r == 0 && json_is_object(pr))
		r = read_pull_request(pr, ev, err);
	if (r == 0)
		r = read_name(root, ev, err);
	if (r == 0)
		r = copy_text(json_object_get(repository, "full_name"), "repository.full_name",
		              ev->repository, sizeof(ev->repository), err);
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

int event_load(const char *path, struct event_facts *ret, struct dd_err *err)
{
	char *text = NULL;
	size_t len = 0;
	struct named_link link;
	int r = read_named_file(path, EVENT_BYTES_MAX, &text, &len, &link, err);
	if (r < 0)
		return dd_err_ctx(err, r, "event");
	r = event_parse(text, len, ret, err);
	free(text);
	if (r < 0 && link.path[0]) /* the reason may hold words of the file */
		return dd_err_say(
			err, -r,
			"%.150s is no event that can be read; why would quote a file that "
			"was reached through the link %.150s: name the file itself",
			path, link.path);
	return r < 0 ? dd_err_ctx(err, r, "%s", path) : 0;
}

bool event_is_trusted(const struct event_facts *ev, const char **ret_why)
{
	const char *why = ev->local            ? "local run: the operator's own"
	                  : ev->fork           ? "the code comes from a fork"
	                  : ev->pull_request   ? "the event is a pull request"
	                  : !ev->ref_protected ? "the ref is not protected"
	                                       : "protected ref, no fork, no pull request";
	if (ret_why)
		*ret_why = why;
	return ev->local || (!ev->fork && !ev->pull_request && ev->ref_protected);
}
