// SPDX-License-Identifier: Apache-2.0
/* wf_world.c - see wf_world.h.
 *
 * Runs in: command line and supervisor. The event is a forge's, made of what outsiders wrote; the
 * checkout's words are those of whoever made it. */
#include "wf_world.h"

#include "model/places.h"
#include "taint.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

struct world_build {
	const struct wf_world_asked *asked;
	struct expr_memory *mem;
	struct diag_list *diags;
	struct expr_value github, event, inputs, given;
	const char *event_name;
	bool over;
};

__attribute__((format(printf, 4, 5))) static bool complain(struct world_build *b,
                                                           struct diag_mark mark, const char *hint,
                                                           const char *fmt, ...)
{
	char text[300];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (!mark.file)
		mark.file = b->asked->flat->doc->files[0];
	diag_add(b->diags, mark, hint, "%s", text);
	return false;
}

/* ---- members ---- */

static void put(struct world_build *b, struct expr_value *object, const char *key,
                struct expr_value value)
{
	if (!expr_object_set(b->mem, object->object, key, strlen(key), value))
		b->over = true;
}

static void put_text(struct world_build *b, struct expr_value *object, const char *key,
                     const char *text)
{
	put(b, object, key, expr_text(text ? text : ""));
}

static struct expr_value new_object(struct world_build *b)
{
	struct expr_value object = expr_null();
	if (!expr_object_new(b->mem, false, &object))
		b->over = true;
	return object;
}

/* The value at "a.b.c" of an object, or NULL. */
static const struct expr_value *at(const struct expr_value *value, const char *path)
{
	while (value && *path) {
		size_t len = strcspn(path, ".");
		value = value->kind == EXPR_OBJECT ? expr_object_get(value->object, path, len)
		                                   : NULL;
		path += len + (path[len] == '.');
	}
	return value;
}

static const char *text_at(const struct expr_value *value, const char *path)
{
	const struct expr_value *v = at(value, path);
	return v && v->kind == EXPR_STRING ? v->text : NULL;
}

/* ---- which event ---- */

static bool names_event(const struct template_node *on, const char *event)
{
	if (!on)
		return false;
	for (size_t i = 0; on->kind == TEMPLATE_LIST && i < on->n; i++)
		if (template_is(on->items[i], event))
			return true;
	for (size_t i = 0; on->kind == TEMPLATE_MAP && i < on->n; i++)
		if (template_is(on->pairs[i].key, event))
			return true;
	return template_is(on, event);
}

const char *wf_world_event_name(const struct wf_flat *flat, bool inputs_given)
{
	return inputs_given || names_event(flat->doc->on, "workflow_dispatch") ? "workflow_dispatch"
	                                                                       : "push";
}

/* ---- inputs ---- */

/* Splits NAME=VALUE of the command line into @ret. */
static bool read_given(struct world_build *b, const char *option, const char *const *list, size_t n,
                       struct expr_value *ret)
{
	bool fine = true;
	*ret = new_object(b);
	for (size_t i = 0; i < n && !b->over; i++) {
		const char *equals = strchr(list[i], '=');
		if (!equals || equals == list[i]) {
			fine = complain(b, (struct diag_mark){ 0 }, NULL, "%s needs NAME=VALUE",
			                option);
			continue;
		}
		if (!expr_object_set(b->mem, ret->object, list[i], (size_t)(equals - list[i]),
		                     expr_text(equals + 1)))
			b->over = true;
	}
	return fine;
}

static bool is_option(const struct template_node *options, const char *value)
{
	for (size_t i = 0; options && options->kind == TEMPLATE_LIST && i < options->n; i++)
		if (template_is(options->items[i], value))
			return true;
	return false;
}

/* @text as what its definition says it is. */
static bool typed(struct world_build *b, const struct wf_input *input, struct diag_mark mark,
                  const struct expr_value *text, struct expr_value *ret)
{
	const struct template_node *options = template_get(input->definition, "options");

	*ret = *text;
	if (strcmp(input->type, "boolean") == 0) {
		if (strcmp(text->text, "true") != 0 && strcmp(text->text, "false") != 0)
			return complain(b, mark, "true or false", "input `%s` is no boolean",
			                input->name);
		*ret = expr_bool(text->text[0] == 't');
	} else if (strcmp(input->type, "number") == 0) {
		double number = expr_number_parse(text->text, text->len);
		if (isnan(number))
			return complain(b, mark, NULL, "input `%s` is no number", input->name);
		*ret = expr_number(number);
	} else if (strcmp(input->type, "choice") == 0 && !is_option(options, text->text)) {
		return complain(b, mark, "one of its `options`",
		                "input `%s` is none of its choices", input->name);
	}
	return true;
}

/* What an input is when nobody gives it. */
static struct expr_value fallback(const struct wf_input *input, struct plan_arena *arena)
{
	const struct template_node *value = template_get(input->definition, "default");
	const struct template_node *options = template_get(input->definition, "options");

	if (value)
		return expr_text(template_text(arena, value));
	if (strcmp(input->type, "boolean") == 0)
		return expr_text("false");
	if (strcmp(input->type, "choice") == 0 && options && options->kind == TEMPLATE_LIST &&
	    options->n)
		return expr_text(template_text(arena, options->items[0]));
	return expr_text("");
}

static bool read_input(struct world_build *b, const struct wf_input *input,
                       struct expr_value *texts)
{
	struct diag_mark mark = input->definition ? input->definition->mark
	                                          : (struct diag_mark){ 0 };
	const struct template_node *required = template_get(input->definition, "required");
	const struct expr_value *given = expr_object_get(b->given.object, input->name,
	                                                 strlen(input->name));
	struct expr_value text = expr_text(""), value;

	if (given)
		(void)expr_to_string(b->mem, given, &text);
	else
		text = fallback(input, b->mem->arena);
	if (!given && text.len == 0 && !b->asked->only_look && required &&
	    required->kind == TEMPLATE_BOOL && required->truth)
		return complain(b, mark, "--input NAME=VALUE", "input `%s` is required and missing",
		                input->name);
	put(b, texts, input->name, text);
	if (!given && text.len == 0) /* none of the types but text has an empty value */
		value = strcmp(input->type, "number") == 0 ? expr_number(0) : text;
	else if (!typed(b, input, mark, &text, &value))
		return false;
	put(b, &b->inputs, input->name, value);
	return true;
}

static bool is_input(const struct wf_doc *doc, const struct expr_member *m)
{
	const struct expr_value key = expr_string(m->key, m->key_len);
	for (size_t i = 0; i < doc->n_inputs; i++) {
		const struct expr_value name = expr_text(doc->inputs[i].name);
		if (expr_equal(&key, &name))
			return true;
	}
	return false;
}

/* Of a workflow_dispatch: --input over what the event says over the default. */
static bool read_inputs(struct world_build *b)
{
	const struct wf_doc *doc = b->asked->flat->doc;
	const struct expr_value *of_event = at(&b->event, "inputs");
	struct expr_value texts = new_object(b), asked = b->given;
	bool fine = true;

	for (size_t i = 0; i < asked.object->n; i++)
		if (!is_input(doc, &asked.object->members[i]))
			fine = complain(b, (struct diag_mark){ 0 },
			                "those under `on.workflow_dispatch.inputs`",
			                "--input: the workflow has no input `%s`",
			                arena_strndup(b->mem->arena, asked.object->members[i].key,
			                              asked.object->members[i].key_len));
	for (size_t i = 0; of_event && of_event->kind == EXPR_OBJECT && i < of_event->object->n;
	     i++) {
		const struct expr_member *m = &of_event->object->members[i];
		if (!expr_object_get(b->given.object, m->key, m->key_len) && is_input(doc, m))
			if (!expr_object_set(b->mem, b->given.object, m->key, m->key_len, m->value))
				b->over = true;
	}
	for (size_t i = 0; i < doc->n_inputs && !b->over; i++)
		fine &= read_input(b, &doc->inputs[i], &texts);
	put(b, &b->event, "inputs", texts);
	return fine;
}

/* ---- the event ---- */

static const char *ref_of(const struct world_build *b)
{
	const struct event_facts *ev = b->asked->event;
	const struct expr_value *number = at(&b->event, "pull_request.number");
	const char *tag = text_at(&b->event, "release.tag_name");

	if (strncmp(ev->ref, "refs/", 5) == 0)
		return ev->ref;
	if (number && number->kind == EXPR_NUMBER && ev->pull_request)
		return arena_printf(b->mem->arena, "refs/pull/%.0f/merge", number->number);
	if (tag && !ev->local)
		return arena_printf(b->mem->arena, "refs/tags/%s", tag);
	return ev->checkout.ref;
}

static const char *repository_of(const struct event_facts *ev)
{
	return ev->repository[0] ? ev->repository : ev->checkout.repository;
}

/* What a forge would have sent: as much of it as a checkout tells. */
static void invent_event(struct world_build *b)
{
	const struct event_facts *ev = b->asked->event;
	struct expr_value repository = new_object(b), owner = new_object(b);
	const char *slug = repository_of(ev), *slash = strchr(slug, '/');

	b->event = new_object(b);
	if (b->over)
		return;
	put_text(b, &owner, "login",
	         arena_strndup(b->mem->arena, slug, slash ? (size_t)(slash - slug) : 0));
	put_text(b, &repository, "full_name", slug);
	put_text(b, &repository, "name", slash ? slash + 1 : slug);
	put(b, &repository, "owner", owner);
	put_text(b, &b->event, "ref", ev->checkout.ref);
	put(b, &b->event, "repository", repository);
	if (strcmp(b->event_name, "push") != 0)
		return;
	struct expr_value commit = new_object(b);
	put_text(b, &commit, "id", ev->checkout.sha);
	put_text(b, &b->event, "before", "0000000000000000000000000000000000000000");
	put_text(b, &b->event, "after", ev->checkout.sha);
	put(b, &b->event, "head_commit", commit);
}

static bool read_event(struct world_build *b)
{
	const char *why = NULL;
	size_t where = 0;

	if (!b->asked->event_text) {
		invent_event(b);
		return true;
	}
	if (expr_json_parse(b->mem, b->asked->event_text, b->asked->event_len, NULL, &b->event,
	                    &where, &why) == 0 &&
	    b->event.kind == EXPR_OBJECT)
		return true;
	return complain(b, (struct diag_mark){ 0 }, NULL,
	                "the event is no JSON that can be used: %s",
	                why ? why : "it takes too much memory");
}

/* ---- github ---- */

static void put_ref(struct world_build *b, const char *ref)
{
	static const struct {
		const char *prefix, *type;
	} types[] = { { "refs/heads/", "branch" },
		      { "refs/tags/", "tag" },
		      { "refs/pull/", "branch" } };

	if (!*ref)
		return;
	put_text(b, &b->github, "ref", ref);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		size_t len = strlen(types[i].prefix);
		if (strncmp(ref, types[i].prefix, len) != 0)
			continue;
		put_text(b, &b->github, "ref_name", ref + len);
		put_text(b, &b->github, "ref_type", types[i].type);
		return;
	}
}

static const char *sha_of(const struct world_build *b)
{
	const char *texts[] = { b->asked->event->checkout.sha, text_at(&b->event, "after"),
		                text_at(&b->event, "pull_request.merge_commit_sha") };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i] && texts[i][0])
			return texts[i];
	return "";
}

/* Where a forge has the file: its path in the repository. */
static const char *path_in_repository(const char *path)
{
	static const char place[] = ".github/workflows/";
	const char *last = NULL;
	for (const char *p = strstr(path, place); p; p = strstr(p + 1, place))
		last = p;
	return last ? last : path;
}

static void make_github(struct world_build *b)
{
	const struct event_facts *ev = b->asked->event;
	const struct wf_flat *flat = b->asked->flat;
	const char *repository = repository_of(ev), *ref = ref_of(b), *sha = sha_of(b);
	const char *actor = text_at(&b->event, "sender.login");
	const char *head = text_at(&b->event, "pull_request.head.ref"),
		   *base = text_at(&b->event, "pull_request.base.ref");
	const struct {
		const char *key, *text;
	} rows[] = {
		{ "sha", sha },
		{ "repository", repository },
		{ "repository_owner",
		  arena_strndup(b->mem->arena, repository, strcspn(repository, "/")) },
		{ "repositoryUrl",
		  *repository ? arena_printf(b->mem->arena, "git://github.com/%s.git", repository)
		              : "" },
		{ "run_id", "1" },
		{ "run_number", "1" },
		{ "run_attempt", "1" },
		{ "retention_days", "90" },
		{ "actor", actor       ? actor
		           : ev->local ? "drydock"
		                       : "" },
		{ "triggering_actor", actor       ? actor
		                      : ev->local ? "drydock"
		                                  : "" },
		{ "workflow", flat->name },
		{ "workflow_ref", arena_printf(b->mem->arena, "%s/%s@%s", repository,
		                               path_in_repository(flat->doc->files[0]), ref) },
		{ "workflow_sha", sha },
		{ "event_name", b->event_name },
		{ "server_url", "https://github.com" },
		{ "api_url", "https://api.github.com" },
		{ "graphql_url", "https://api.github.com/graphql" },
		{ "workspace", PLACE_WORKSPACE },
		{ "secret_source", "None" },
	};

	put_ref(b, ref);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (*rows[i].text) /* what nobody can tell is not there */
			put_text(b, &b->github, rows[i].key, rows[i].text);
	put_text(b, &b->github, "head_ref", head);
	put_text(b, &b->github, "base_ref", base);
	put(b, &b->github, "ref_protected", expr_bool(ev->ref_protected));
	put(b, &b->github, "event", b->event);
}

int wf_world_make(const struct wf_world_asked *asked, struct expr_memory *mem, struct wf_world *ret,
                  struct diag_list *diags)
{
	struct world_build b = { .asked = asked, .mem = mem, .diags = diags };
	struct expr_value vars;
	bool fine;

	b.event_name = asked->event->local ? wf_world_event_name(asked->flat, asked->n_inputs > 0)
	                                   : asked->event->name;
	b.github = new_object(&b);
	b.inputs = new_object(&b);
	fine = !b.over && read_event(&b) &&
	       read_given(&b, "--input", asked->inputs, asked->n_inputs, &b.given) &&
	       read_given(&b, "--var", asked->vars, asked->n_vars, &vars);
	if (fine && !b.over && strcmp(b.event_name, "workflow_dispatch") == 0)
		fine = read_inputs(&b);
	else if (fine && asked->n_inputs > 0)
		fine = complain(&b, (struct diag_mark){ 0 }, NULL,
		                "--input: a run by the event %s has no inputs", b.event_name);
	if (fine && !b.over) {
		make_github(&b);
		b.over |= !taint_mark_github(mem, &b.github);
	}
	if (b.over)
		fine = complain(&b, (struct diag_mark){ 0 }, NULL, "%s takes too much memory",
		                "the event");
	if (!fine)
		return -EINVAL;
	*ret = (struct wf_world){ .github = b.github, .inputs = b.inputs, .vars = vars };
	return 0;
}

bool wf_world_github(const struct wf_world *world, const char *job, struct expr_memory *mem,
                     struct expr_value *ret)
{
	const struct expr_object *from = world->github.object;

	if (!expr_object_new(mem, false, ret))
		return false;
	for (size_t i = 0; i < from->n; i++)
		if (!expr_object_set(mem, ret->object, from->members[i].key,
		                     from->members[i].key_len, from->members[i].value))
			return false;
	ret->outsider = world->github.outsider;
	return expr_object_set(mem, ret->object, "job", 3, expr_text(job));
}
