// SPDX-License-Identifier: Apache-2.0
/* taint.c - see taint.h. Runs in: command line and supervisor; the event was made by a forge out of
 * what outsiders wrote. */
#include "taint.h"

#include "drydock/err.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* ---- shapes ---- */

enum shape {
	SHAPE_ANY,    /* the workflow's own words: its author writes the script as well */
	SHAPE_WORD,   /* opened, pull_request, CONTRIBUTOR */
	SHAPE_HEX,    /* a digest */
	SHAPE_NUMBER, /* digits */
	SHAPE_NAME,   /* of an account or a repository; bots end in [bot] */
	SHAPE_SLUG,   /* owner/repository */
	SHAPE_TIME,   /* 2022-08-09T12:40:12-05:00 */
	SHAPE_TOKEN,  /* base64 and its like */
	SHAPE_URL,
	SHAPE_PATH, /* of the runner's own directories */
};

static const char *const allowed_signs[] = {
	[SHAPE_WORD] = "_",      [SHAPE_HEX] = "",
	[SHAPE_NUMBER] = "",     [SHAPE_NAME] = "._-",
	[SHAPE_SLUG] = "._-/",   [SHAPE_TIME] = ":.+- TZ",
	[SHAPE_TOKEN] = "_=+/-", [SHAPE_URL] = ":/._-~?=%#@,+{}",
	[SHAPE_PATH] = "/._-",
};

/* Letters and digits, or only some of them. */
static bool is_letter(enum shape shape, unsigned char c)
{
	switch (shape) {
	case SHAPE_HEX:
		return isxdigit(c);
	case SHAPE_NUMBER:
	case SHAPE_TIME:
		return isdigit(c);
	case SHAPE_WORD:
		return isalpha(c);
	case SHAPE_ANY:
	case SHAPE_NAME:
	case SHAPE_SLUG:
	case SHAPE_TOKEN:
	case SHAPE_URL:
	case SHAPE_PATH:
		break;
	}
	return isalnum(c);
}

static bool has_shape(enum shape shape, const char *text, size_t len)
{
	static const char bot[] = "[bot]";

	if (shape == SHAPE_ANY)
		return true;
	if (shape == SHAPE_NAME && len > sizeof(bot) - 1 &&
	    memcmp(text + len - (sizeof(bot) - 1), bot, sizeof(bot) - 1) == 0)
		len -= sizeof(bot) - 1;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c >= 0x80 || (!is_letter(shape, c) && !(c && strchr(allowed_signs[shape], c))))
			return false;
	}
	return len == 0 || text[0] != '-'; /* no option of any command */
}

bool taint_is_inert(const char *text, size_t len)
{
	static const char signs[] = "._-/:@,+=";
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c >= 0x80 || (!isalnum(c) && !(c && strchr(signs, c))))
			return false;
	}
	return len > 0 && text[0] != '-';
}

/* ---- the table ---- */

/* `*` is one name, also a part of one: `*_at`; `**` is any number of names. First match wins. */
static const struct taint_row {
	const char *path;
	enum shape shape;
} forge_rows[] = {
	/* the run and the workflow */
	{ "github.action", SHAPE_ANY },
	{ "github.action_path", SHAPE_PATH },
	{ "github.action_ref", SHAPE_ANY },
	{ "github.action_repository", SHAPE_SLUG },
	{ "github.action_status", SHAPE_WORD },
	{ "github.actor", SHAPE_NAME },
	{ "github.actor_id", SHAPE_NUMBER },
	{ "github.api_url", SHAPE_URL },
	{ "github.artifact_cache_size_limit", SHAPE_NUMBER },
	{ "github.env", SHAPE_PATH },
	{ "github.event_name", SHAPE_WORD },
	{ "github.event_path", SHAPE_PATH },
	{ "github.graphql_url", SHAPE_URL },
	{ "github.job", SHAPE_ANY },
	{ "github.output", SHAPE_PATH },
	{ "github.path", SHAPE_PATH },
	{ "github.ref_type", SHAPE_WORD },
	{ "github.repository", SHAPE_SLUG },
	{ "github.repository_id", SHAPE_NUMBER },
	{ "github.repository_owner", SHAPE_NAME },
	{ "github.repository_owner_id", SHAPE_NUMBER },
	{ "github.repository_visibility", SHAPE_WORD },
	{ "github.repositoryUrl", SHAPE_URL },
	{ "github.retention_days", SHAPE_NUMBER },
	{ "github.run_attempt", SHAPE_NUMBER },
	{ "github.run_id", SHAPE_NUMBER },
	{ "github.run_number", SHAPE_NUMBER },
	{ "github.secret_source", SHAPE_WORD },
	{ "github.server_url", SHAPE_URL },
	{ "github.sha", SHAPE_HEX },
	{ "github.state", SHAPE_PATH },
	{ "github.step_summary", SHAPE_PATH },
	{ "github.token", SHAPE_TOKEN },
	{ "github.triggering_actor", SHAPE_NAME },
	{ "github.workflow", SHAPE_ANY },
	{ "github.workflow_sha", SHAPE_HEX },
	{ "github.workspace", SHAPE_PATH },
	/* who may start a workflow by hand may also push */
	{ "github.event.inputs.**", SHAPE_ANY },
	/* what the forge makes in every kind of event */
	{ "github.event.action", SHAPE_WORD },
	{ "github.event.after", SHAPE_HEX },
	{ "github.event.before", SHAPE_HEX },
	{ "github.event.schedule", SHAPE_ANY },
	{ "github.event.**.*_at", SHAPE_TIME },
	{ "github.event.**.timestamp", SHAPE_TIME },
	{ "github.event.**.sha", SHAPE_HEX },
	{ "github.event.**.head_sha", SHAPE_HEX },
	{ "github.event.**.merge_commit_sha", SHAPE_HEX },
	{ "github.event.**.commit_id", SHAPE_HEX },
	{ "github.event.**.original_commit_id", SHAPE_HEX },
	{ "github.event.**.tree_id", SHAPE_HEX },
	{ "github.event.commits.*.id", SHAPE_HEX },
	{ "github.event.head_commit.id", SHAPE_HEX },
	{ "github.event.**.node_id", SHAPE_TOKEN },
	/* numbers and truth values: listed for those who look before there is a value */
	{ "github.event.**.id", SHAPE_NUMBER },
	{ "github.event.**.number", SHAPE_NUMBER },
	{ "github.event.**.*_number", SHAPE_NUMBER },
	{ "github.event.**.draft", SHAPE_WORD },
	{ "github.event.**.merged", SHAPE_WORD },
	{ "github.event.**.private", SHAPE_WORD },
	{ "github.event.**.fork", SHAPE_WORD },
	{ "github.event.created", SHAPE_WORD },
	{ "github.event.deleted", SHAPE_WORD },
	{ "github.event.forced", SHAPE_WORD },
	{ "github.event.**.author_association", SHAPE_WORD },
	{ "github.event.**.state", SHAPE_WORD },
	{ "github.event.**.state_reason", SHAPE_WORD },
	{ "github.event.**.status", SHAPE_WORD },
	{ "github.event.**.conclusion", SHAPE_WORD },
	{ "github.event.**.mergeable_state", SHAPE_WORD },
	{ "github.event.**.visibility", SHAPE_WORD },
	{ "github.event.**.type", SHAPE_WORD },
	{ "github.event.**.event", SHAPE_WORD },
	{ "github.event.**.login", SHAPE_NAME },
	{ "github.event.**.gravatar_id", SHAPE_HEX },
	{ "github.event.repository.name", SHAPE_NAME },
	{ "github.event.**.repo.name", SHAPE_NAME },
	{ "github.event.**.full_name", SHAPE_SLUG },
	{ "github.event.**.language", SHAPE_WORD },
	{ "github.event.**.url", SHAPE_URL },
	{ "github.event.**.*_url", SHAPE_URL },
};

/* One name against one name of a pattern, with at most one `*` in it. */
static bool name_fits(const char *pattern, size_t pattern_len, const char *name, size_t len)
{
	const char *star = memchr(pattern, '*', pattern_len);
	size_t head = star ? (size_t)(star - pattern) : pattern_len;
	size_t tail = star ? pattern_len - head - 1 : 0;

	if (!star)
		return len == pattern_len && strncasecmp(pattern, name, len) == 0;
	return len >= head + tail && strncasecmp(pattern, name, head) == 0 &&
	       strncasecmp(star + 1, name + len - tail, tail) == 0;
}

static size_t name_len(const char *path)
{
	return strcspn(path, ".");
}

static bool path_fits(const char *pattern, const char *path)
{
	size_t p = name_len(pattern), n = name_len(path);

	if (strncmp(pattern, "**", 2) == 0 && p == 2) {
		if (pattern[2] == '\0')
			return *path != '\0';
		for (const char *at = path;; at += name_len(at) + 1) {
			if (path_fits(pattern + 3, at))
				return true;
			if (at[name_len(at)] == '\0')
				return false;
		}
	}
	if (!name_fits(pattern, p, path, n))
		return false;
	if (pattern[p] == '\0' || path[n] == '\0')
		return pattern[p] == path[n];
	return path_fits(pattern + p + 1, path + n + 1);
}

static const struct taint_row *row_of(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(forge_rows); i++)
		if (path_fits(forge_rows[i].path, path))
			return &forge_rows[i];
	return NULL;
}

static bool of_github(const char *path)
{
	return strncmp(path, "github", 6) == 0 && (path[6] == '.' || path[6] == '\0');
}

bool taint_path(const char *path)
{
	return of_github(path) && !row_of(path);
}

/* ---- before anything runs ---- */

struct first_path {
	struct plan_arena *arena;
	const char *path;
};

/* A `*` in a path, of a filter or a computed index, fits what a row calls by any name only if that
 * row has a `*` there, too: anything else may be behind it. */
static bool see_path(void *user, const char *path)
{
	struct first_path *first = user;
	if (!taint_path(path))
		return true;
	first->path = arena_strdup(first->arena, path);
	return false;
}

const char *taint_of_expr(struct plan_arena *arena, const struct expr *expr)
{
	struct first_path first = { .arena = arena };
	expr_paths(expr, see_path, &first);
	return first.path;
}

/* ---- marking ---- */

enum { PATH_BYTES = 1024, MARK_DEPTH_MAX = 200 };

struct marking {
	struct expr_memory *mem;
	char path[PATH_BYTES];
	const char *all; /* one origin for everything, or NULL */
};

static bool origin_is(struct marking *m, const char **ret)
{
	const char *path = m->all ? m->all : expr_strndup(m->mem, m->path, strlen(m->path));
	if (path)
		*ret = path;
	return path;
}

static bool mark_value(struct marking *m, struct expr_value *v, unsigned depth);

static bool mark_text(struct marking *m, struct expr_value *v)
{
	const struct taint_row *row = m->all ? NULL : row_of(m->path);
	if (row && has_shape(row->shape, v->text, v->len))
		return true;
	return origin_is(m, &v->outsider);
}

/* The path with one more name; a name that does not fit makes it end in `*`, which no row takes for
 * its own. */
static size_t path_push(struct marking *m, const char *name, size_t len)
{
	size_t used = strlen(m->path);
	bool fits = used + len + 2 < PATH_BYTES && !memchr(name, '\0', len);
	(void)snprintf(m->path + used, PATH_BYTES - used, ".%.*s", fits ? (int)len : 1,
	               fits ? name : "*");
	return used;
}

static bool is_plain_key(const struct expr_member *member)
{
	return has_shape(SHAPE_NAME, member->key, member->key_len);
}

static bool mark_object(struct marking *m, struct expr_value *v, unsigned depth)
{
	struct expr_object *object = v->object;

	for (size_t i = 0; i < object->n; i++) {
		size_t used = path_push(m, object->members[i].key, object->members[i].key_len);
		bool ok = mark_value(m, &object->members[i].value, depth + 1);
		m->path[used] = '\0';
		if (!ok)
			return false;
		if ((m->all || !is_plain_key(&object->members[i])) && !v->outsider &&
		    !origin_is(m, &v->outsider))
			return false;
	}
	return true;
}

static bool mark_value(struct marking *m, struct expr_value *v, unsigned depth)
{
	if (depth > MARK_DEPTH_MAX) {
		m->mem->exceeded = true;
		return false;
	}
	if (v->kind == EXPR_STRING)
		return mark_text(m, v);
	if (v->kind == EXPR_OBJECT)
		return mark_object(m, v, depth);
	if (v->kind != EXPR_ARRAY)
		return true;
	for (size_t i = 0; i < v->array->n; i++) {
		size_t used = path_push(m, "*", 1);
		bool ok = mark_value(m, &v->array->items[i], depth + 1);
		m->path[used] = '\0';
		if (!ok)
			return false;
	}
	return true;
}

bool taint_mark_github(struct expr_memory *mem, struct expr_value *github)
{
	struct marking m = { .mem = mem, .path = "github" };
	return mark_value(&m, github, 0);
}

bool taint_mark_all(struct expr_memory *mem, struct expr_value *value, const char *origin)
{
	struct marking m = { .mem = mem, .path = "", .all = origin };
	return mark_value(&m, value, 0);
}
