// SPDX-License-Identifier: Apache-2.0
/* job_message_test.c - what a job message of GitHub becomes, and what of it is refused. */
#include "forges/github/job_message.h"

#include "forges/github/message_json.h"
#include "input/read_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define DATA "tests/unit/data/github/"

struct reading {
	json_t *document; /* to be changed before it is read */
	struct job_message message;
	struct diag_list diags;
	struct dd_err err;
	char *text;
};

static int setup(void **state)
{
	struct reading *r = calloc(1, sizeof(*r));
	size_t len = 0;
	char *text = NULL;
	json_error_t why;
	assert_int_equal(read_file_bounded(DATA "job.json", 1 << 20, &text, &len, &r->err), 0);
	r->document = json_loadb(text, len, 0, &why);
	free(text);
	*state = r;
	return r->document ? 0 : -1;
}

static int teardown(void **state)
{
	struct reading *r = *state;
	if (r->message.arena)
		job_message_done(&r->message);
	diag_list_done(&r->diags);
	json_decref(r->document);
	free(r->text);
	free(r);
	return 0;
}

static int parse(struct reading *r)
{
	r->text = json_dumps(r->document, 0);
	return job_message_read(r->text, strlen(r->text), &r->message, &r->diags, &r->err);
}

static void refused(struct reading *r, const char *words)
{
	assert_true(parse(r) < 0);
	assert_int_equal(r->err.blame, DD_BLAME_CALLER);
	if (!strstr(r->err.msg, words))
		fail_msg("`%s` does not say `%s`", r->err.msg, words);
}

static json_t *step(struct reading *r, size_t i)
{
	return json_array_get(json_object_get(r->document, "steps"), i);
}

static json_t *github(struct reading *r, const char *name)
{
	json_t *list = json_object_get(
		       json_object_get(json_object_get(r->document, "contextData"), "github"), "d"),
	       *pair;
	size_t i;
	json_array_foreach(list, i, pair)
	{
		if (strcmp(json_string_value(json_object_get(pair, "k")), name) == 0)
			return pair;
	}
	return NULL;
}

/* ---- steps ---- */

static void a_policy_matches_the_text_that_people_wrote(void **state)
{
	struct reading *r = *state;
	assert_int_equal(parse(r), 0);
	const struct spec_facts *f = r->message.flat.facts;
	assert_int_equal(r->message.flat.n_facts, 4);
	assert_string_equal(f[0].uses, "actions/checkout@v5");
	assert_null(f[0].id);
	assert_string_equal(f[1].id, "ver");
	assert_string_equal(f[1].name, "Version for ${{ matrix.cc }}");
	assert_string_equal(f[1].run,
	                    "echo \"version=1.4.${{ github.run_number }}\" >> \"$GITHUB_OUTPUT\"\n"
	                    "it's {not} a place; make CC=${{ matrix['cc'] }}\n");
	assert_string_equal(f[3].uses, "./.github/actions/x");
	assert_string_equal(f[1].job, "build");
	assert_string_equal(r->message.workflow.records[1], "aaaaaaaa-0000-4000-8000-000000000013");
}

static void what_looks_like_an_expression_in_a_literal_stays_a_text(void **state)
{
	struct reading *r = *state;
	assert_int_equal(parse(r), 0);
	const struct template_node *run = r->message.doc->jobs[0].steps[2].run;
	assert_int_equal(run->kind, TEMPLATE_EXPRESSION);
	assert_int_equal(expr_contexts_of(run->parts[1].expr), 0);
}

static void of_two_defaults_the_last_counts_as_a_whole(void **state)
{
	struct reading *r = *state;
	assert_int_equal(parse(r), 0);
	const struct template_node *run = template_get(r->message.doc->jobs[0].defaults, "run");
	assert_true(template_is(template_get(run, "shell"), "sh"));
	assert_null(template_get(run, "working-directory"));
}

static void of_three_layers_of_env_the_later_value_wins(void **state)
{
	struct reading *r = *state;
	json_t *layers = json_object_get(r->document, "environmentVariables");
	json_array_append_new(layers,
	                      json_pack("{s:i, s:[{s:s, s:s}, {s:s, s:s}]}", "type", 2, "map",
	                                "Key", "CC", "Value", "clang", "Key", "D", "Value", "1"));
	assert_int_equal(parse(r), 0);
	const struct template_node *env = r->message.doc->jobs[0].env;
	assert_int_equal(env->n, 2);
	assert_true(template_is(template_get(env, "CC"), "clang"));
}

static void a_step_that_is_not_enabled_never_runs(void **state)
{
	struct reading *r = *state;
	assert_int_equal(parse(r), 0);
	assert_string_equal(r->message.doc->jobs[0].steps[3].cond->text, "success() && (false)");
}

static void what_runs_in_the_background_is_refused(void **state)
{
	struct reading *r = *state;
	json_object_set_new(step(r, 1), "background", json_true());
	refused(r, "in the background");
}

static void a_step_type_reference_or_token_that_is_not_known_is_refused(void **state)
{
	struct reading *r = *state;
	json_object_set_new(step(r, 1), "reference", json_pack("{s:i}", "type", 9));
	refused(r, "kind that is not known");
}

static void an_unknown_token_type_is_refused(void **state)
{
	struct reading *r = *state;
	json_object_set_new(step(r, 1), "environment", json_pack("{s:i}", "type", 8));
	refused(r, "type that is not known");
}

static void an_expression_cannot_close_itself(void **state)
{
	struct reading *r = *state;
	json_object_set_new(step(r, 1), "displayNameToken",
	                    json_pack("{s:i, s:s}", "type", 3, "expr", "'a' }} b ${{ 'c'"));
	refused(r, "an expression is malformed");
}

static void an_expression_of_a_context_that_its_place_has_not_is_refused(void **state)
{
	struct reading *r = *state;
	json_object_set_new(step(r, 1), "condition", json_string("secrets.X == 'y'"));
	refused(r, "makes no workflow");
	assert_true(r->diags.n > 0);
}

static void a_debugger_is_refused(void **state)
{
	struct reading *r = *state;
	json_object_set_new(r->document, "enableDebugger", json_true());
	refused(r, "remote debugger");
}

/* ---- trust ---- */

static void the_ref_of_the_forge_counts_and_not_that_of_the_payload(void **state)
{
	struct reading *r = *state;
	assert_int_equal(parse(r), 0);
	assert_string_equal(r->message.event.ref, "refs/heads/main");
	assert_true(event_is_trusted(&r->message.event, NULL));
}

static void without_a_word_about_protection_a_job_is_not_trusted(void **state)
{
	struct reading *r = *state;
	json_object_set_new(github(r, "ref_protected"), "v", json_null());
	assert_int_equal(parse(r), 0);
	assert_false(event_is_trusted(&r->message.event, NULL));
}

static void a_pull_request_is_not_trusted_whatever_its_ref(void **state)
{
	struct reading *r = *state;
	json_object_set_new(github(r, "event_name"), "v", json_string("pull_request_target"));
	assert_int_equal(parse(r), 0);
	assert_false(event_is_trusted(&r->message.event, NULL));
	assert_true(r->message.event.pull_request);
}

static void no_expression_sees_a_token(void **state)
{
	struct reading *r = *state;
	assert_int_equal(parse(r), 0);
	const struct expr_value *token = expr_object_get(r->message.world.github.object, "token",
	                                                 5);
	assert_int_equal(token->kind, EXPR_NULL);
	for (size_t i = 0; i < r->message.secrets.n; i++)
		assert_true(strncasecmp(r->message.secrets.secrets[i].name, "system.", 7) != 0);
	assert_string_equal(r->message.secrets.secrets[0].name, "GITHUB_TOKEN");
	assert_string_equal(r->message.secrets.secrets[1].name, "DEPLOY_KEY");
}

static void what_other_jobs_gave_may_be_an_outsiders(void **state)
{
	struct reading *r = *state;
	assert_int_equal(parse(r), 0);
	const struct expr_value *first = expr_object_get(r->message.needs.object, "first", 5);
	const struct expr_value *outputs = expr_object_get(first->object, "outputs", 7);
	assert_non_null(expr_object_get(outputs->object, "v", 1)->outsider);
	assert_non_null(expr_object_get(r->message.matrix.object, "cc", 2)->outsider);
}

/* ---- the address of its courier ---- */

static void two_endpoints_of_one_name_are_refused(void **state)
{
	struct reading *r = *state;
	json_t *list = json_object_get(json_object_get(r->document, "resources"), "endpoints");
	json_array_append(list, json_array_get(list, 0));
	refused(r, "exactly one endpoint");
}

static void a_service_without_tls_is_refused(void **state)
{
	struct reading *r = *state;
	json_t *list = json_object_get(json_object_get(r->document, "resources"), "endpoints");
	json_object_set_new(json_array_get(list, 0), "url", json_string("http://run.forge.test/"));
	refused(r, "not https://");
}

static void a_token_with_a_line_break_is_refused(void **state)
{
	struct reading *r = *state;
	json_t *list = json_object_get(json_object_get(r->document, "resources"), "endpoints");
	json_t *parameters = message_at(json_array_get(list, 0), "authorization.parameters");
	json_object_set_new(parameters, "AccessToken", json_string("a\r\nX-Evil: 1"));
	refused(r, "no token");
}

/* ---- malformed ---- */

static void what_is_no_document_is_refused_with_a_reason(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"", "[]", "{", "nul", "{\"a\":\"\\u0000\"}", "{\"steps\":[]}"
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct job_message m;
		struct diag_list diags = { 0 };
		struct dd_err err = { 0 };
		assert_true(job_message_read(rows[i], strlen(rows[i]), &m, &diags, &err) < 0);
		assert_int_equal(err.blame, DD_BLAME_CALLER);
		assert_true(strlen(err.msg) > 20);
		job_message_done(&m);
		diag_list_done(&diags);
	}
}

static void a_document_of_a_thousand_levels_is_refused(void **state)
{
	(void)state;
	char text[2 * 1000 + 20], why[100];
	memset(text, '[', 1000);
	memset(text + 1000, ']', 1000);
	assert_null(message_json_load(text, 2000, why, sizeof(why)));
	assert_non_null(strstr(why, "deeper"));
}

static void names_count_in_any_case_and_a_byte_order_mark_is_fine(void **state)
{
	(void)state;
	static const char text[] =
		"\xef\xbb\xbf{\"Plan\":{\"PlanID\":\"7\"},\"N\":\"12\",\"B\":\"True\"}";
	char why[100];
	json_t *root = message_json_load(text, sizeof(text) - 1, why, sizeof(why));
	assert_non_null(root);
	assert_string_equal(message_text(root, "plan.planId"), "7");
	assert_int_equal(message_number(root, "n", 0), 12);
	assert_true(message_truth(root, "b", false));
	json_decref(root);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_policy_matches_the_text_that_people_wrote),
		TEST(what_looks_like_an_expression_in_a_literal_stays_a_text),
		TEST(of_two_defaults_the_last_counts_as_a_whole),
		TEST(of_three_layers_of_env_the_later_value_wins),
		TEST(a_step_that_is_not_enabled_never_runs),
		TEST(what_runs_in_the_background_is_refused),
		TEST(a_step_type_reference_or_token_that_is_not_known_is_refused),
		TEST(an_unknown_token_type_is_refused),
		TEST(an_expression_cannot_close_itself),
		TEST(an_expression_of_a_context_that_its_place_has_not_is_refused),
		TEST(a_debugger_is_refused),
		TEST(the_ref_of_the_forge_counts_and_not_that_of_the_payload),
		TEST(without_a_word_about_protection_a_job_is_not_trusted),
		TEST(a_pull_request_is_not_trusted_whatever_its_ref),
		TEST(no_expression_sees_a_token),
		TEST(what_other_jobs_gave_may_be_an_outsiders),
		TEST(two_endpoints_of_one_name_are_refused),
		TEST(a_service_without_tls_is_refused),
		TEST(a_token_with_a_line_break_is_refused),
		cmocka_unit_test(what_is_no_document_is_refused_with_a_reason),
		cmocka_unit_test(a_document_of_a_thousand_levels_is_refused),
		cmocka_unit_test(names_count_in_any_case_and_a_byte_order_mark_is_fine),
	};
	cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
