// SPDX-License-Identifier: Apache-2.0
/* taint_test.c - which values an outsider can write: everything that the forge did not make itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runner/forges/actions/taint.h"

#include "drydock/err.h"

static const struct path_row {
	const char *path;
	bool outsider;
} paths[] = {
	/* GitHub's own list of what not to trust */
	{ "github.event.issue.title", true },
	{ "github.event.issue.body", true },
	{ "github.event.pull_request.title", true },
	{ "github.event.pull_request.body", true },
	{ "github.event.comment.body", true },
	{ "github.event.review.body", true },
	{ "github.event.review_comment.body", true },
	{ "github.event.pages.*.page_name", true },
	{ "github.event.commits.*.message", true },
	{ "github.event.commits.*.author.email", true },
	{ "github.event.commits.*.author.name", true },
	{ "github.event.head_commit.message", true },
	{ "github.event.head_commit.author.email", true },
	{ "github.event.head_commit.author.name", true },
	{ "github.event.pull_request.head.ref", true },
	{ "github.event.pull_request.head.label", true },
	{ "github.event.pull_request.head.repo.default_branch", true },
	{ "github.head_ref", true },
	{ "github.ref", true },
	{ "github.ref_name", true },
	{ "github.event.discussion.title", true },
	{ "github.event.workflow_run.head_branch", true },
	{ "github.event.workflow_run.head_commit.message", true },
	{ "github.event.client_payload.anything", true },
	{ "github.event.release.tag_name", true },
	{ "github.event.inputs_of_tomorrow", true },
	{ "github.something_new", true },
	/* whole objects, and what is computed */
	{ "github", true },
	{ "github.event", true },
	{ "github.event.*", true },
	{ "github.*", true },
	{ "github.event.pull_request", true },
	/* what the forge makes */
	{ "github.sha", false },
	{ "GITHUB.SHA", false },
	{ "github.event_name", false },
	{ "github.repository", false },
	{ "github.run_id", false },
	{ "github.actor", false },
	{ "github.workspace", false },
	{ "github.event.action", false },
	{ "github.event.number", false },
	{ "github.event.pull_request.number", false },
	{ "github.event.pull_request.draft", false },
	{ "github.event.pull_request.id", false },
	{ "github.event.pull_request.head.sha", false },
	{ "github.event.pull_request.base.sha", false },
	{ "github.event.pull_request.user.login", false },
	{ "github.event.pull_request.created_at", false },
	{ "github.event.pull_request.html_url", false },
	{ "github.event.sender.login", false },
	{ "github.event.repository.full_name", false },
	{ "github.event.inputs.version", false },
	/* other contexts are known when they are there */
	{ "env.TITLE", false },
	{ "steps.a.outputs.b", false },
	{ "githubby.x", false },
};

static void everything_that_the_forge_did_not_make_is_an_outsiders(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		char path[200];
		(void)snprintf(path, sizeof(path), "%s", paths[i].path);
		if (strncmp(path, "GITHUB", 6) == 0)
			memcpy(path, "github",
			       6); /* contexts come in lower case, members as written */
		if (taint_path(path) != paths[i].outsider)
			fail_msg("%s: %d", path, !paths[i].outsider);
	}
}

static const struct mark_row {
	const char *path, *value;
	bool outsider;
} marks[] = {
	{ "sha", "\"0123456789abcdef0123456789abcdef01234567\"", false },
	{ "sha", "\"$(x)\"", true }, /* not what the forge makes */
	{ "sha", "\"\"", false },
	{ "event_name", "\"pull_request\"", false },
	{ "event_name", "\"pull request\"", true },
	{ "actor", "\"dependabot[bot]\"", false },
	{ "actor", "\"a[bot]b\"", true },
	{ "actor", "\"-x\"", true },
	{ "repository", "\"a/b.c\"", false },
	{ "repository", "\"a/b c\"", true },
	{ "run_id", "\"12\"", false },
	{ "run_id", "12", false },
	{ "ref", "\"refs/heads/main\"", true },
	{ "workspace", "\"/work space\"", true },
	{ "api_url", "\"https://api.github.com\"", false },
	{ "api_url", "\"https://x/`y`\"", true },
	{ "action", "\"__run_2\"", false },
	{ "new_thing", "\"x\"", true },
	{ "new_thing", "1.5", false },
	{ "new_thing", "true", false },
};

static void a_value_that_has_not_the_shape_of_its_row_is_an_outsiders(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		struct expr_memory mem = { .arena = arena_new() };
		struct expr_value github;
		char text[300];
		const char *why;
		size_t at;
		(void)snprintf(text, sizeof(text), "{\"%s\": %s}", marks[i].path, marks[i].value);
		assert_int_equal(
			expr_json_parse(&mem, text, strlen(text), NULL, &github, &at, &why), 0);
		assert_true(taint_mark_github(&mem, &github));
		const struct expr_value *v = &github.object->members[0].value;
		if (marks[i].outsider != !!v->outsider)
			fail_msg("%s: %s", text, v->outsider ? v->outsider : "nobody's");
		if (v->outsider)
			assert_true(strncmp(v->outsider, "github.", 7) == 0 &&
			            strcmp(v->outsider + 7, marks[i].path) == 0);
		arena_free(mem.arena);
	}
}

static void a_whole_event_is_marked_by_paths_and_odd_keys_by_their_object(void **state)
{
	(void)state;
	static const char text[] =
		"{\"event\": {\"commits\": [{\"id\": \"0123456789012345678901234567890123456789\","
		" \"message\": \"m\"}], \"client_payload\": {\"$(x)\": 1, \"fine\": 2}}}";
	struct expr_memory mem = { .arena = arena_new() };
	struct expr_value github;
	const char *why;
	size_t at;
	assert_int_equal(expr_json_parse(&mem, text, sizeof(text) - 1, NULL, &github, &at, &why),
	                 0);
	assert_true(taint_mark_github(&mem, &github));
	const struct expr_value *event = expr_object_get(github.object, "event", 5);
	const struct expr_value *commits = expr_object_get(event->object, "commits", 7);
	const struct expr_value *payload = expr_object_get(event->object, "client_payload", 14);
	const struct expr_object *commit = commits->array->items[0].object;
	assert_null(expr_object_get(commit, "id", 2)->outsider);
	assert_string_equal(expr_object_get(commit, "message", 7)->outsider,
	                    "github.event.commits.*.message");
	assert_string_equal(payload->outsider, "github.event.client_payload");
	assert_null(event->outsider);
	arena_free(mem.arena);
}

static void everything_can_be_marked_with_one_origin(void **state)
{
	(void)state;
	static const char text[] = "{\"a\": [\"x\", 1, {\"b\": \"y\"}]}";
	struct expr_memory mem = { .arena = arena_new() };
	struct expr_value v;
	const char *why;
	size_t at;
	assert_int_equal(expr_json_parse(&mem, text, sizeof(text) - 1, NULL, &v, &at, &why), 0);
	assert_true(taint_mark_all(&mem, &v, "steps.a.outputs"));
	const struct expr_value *a = expr_object_get(v.object, "a", 1);
	assert_string_equal(v.outsider, "steps.a.outputs");
	assert_string_equal(a->array->items[0].outsider, "steps.a.outputs");
	assert_null(a->array->items[1].outsider);
	assert_string_equal(a->array->items[2].outsider, "steps.a.outputs");
	arena_free(mem.arena);
}

static const struct expr_row {
	const char *text, *path;
} exprs[] = {
	{ "github.sha", NULL },
	{ "github.event.issue.title", "github.event.issue.title" },
	{ "format('{0}', github.sha) || github['head_ref']", "github.head_ref" },
	{ "toJSON(github.event)", "github.event" },
	{ "github.event[env.X]", "github.event.*" },
	{ "github.event.commits[0].id", NULL },
	{ "github.event.commits.*.message", "github.event.commits.*.message" },
	{ "matrix.os", NULL },
};

static void what_an_expression_may_hold_is_known_before_it_is_computed(void **state)
{
	(void)state;
	const struct expr_rules all = { .contexts = EXPR_CONTEXT__ALL };
	struct plan_arena *arena = arena_new();
	for (size_t i = 0; i < ARRAY_LEN(exprs); i++) {
		const struct expr *expr = NULL;
		struct expr_error err;
		assert_int_equal(
			expr_parse(arena, exprs[i].text, strlen(exprs[i].text), &all, &expr, &err),
			0);
		const char *path = taint_of_expr(arena, expr);
		if (exprs[i].path ? !path || strcmp(path, exprs[i].path) != 0 : path != NULL)
			fail_msg("%s: %s", exprs[i].text, path ? path : "nobody's");
	}
	arena_free(arena);
}

static void an_inert_text_means_nothing_to_anybody(void **state)
{
	(void)state;
	static const char *const inert[] = { "main", "v1.2.3", "refs/heads/a-b_c", "a@b.c", "1,2" };
	static const char *const not [] = { "",     "-x",       "a b", "$x",  "a;b", "a'b",
		                            "a\nb", "\xc3\xa4", "a#b", "~x",  "a*b", "[x]",
		                            "a{b",  "a%b",      "a!b", "a\\b" };
	for (size_t i = 0; i < ARRAY_LEN(inert); i++)
		assert_true(taint_is_inert(inert[i], strlen(inert[i])));
	for (size_t i = 0; i < ARRAY_LEN(not ); i++)
		if (taint_is_inert(not [i], strlen(not [i])))
			fail_msg("`%s` is inert", not [i]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_that_the_forge_did_not_make_is_an_outsiders),
		cmocka_unit_test(a_value_that_has_not_the_shape_of_its_row_is_an_outsiders),
		cmocka_unit_test(a_whole_event_is_marked_by_paths_and_odd_keys_by_their_object),
		cmocka_unit_test(everything_can_be_marked_with_one_origin),
		cmocka_unit_test(what_an_expression_may_hold_is_known_before_it_is_computed),
		cmocka_unit_test(an_inert_text_means_nothing_to_anybody),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
