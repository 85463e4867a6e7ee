// SPDX-License-Identifier: Apache-2.0
/* wf_world_test.c - what expressions see before anything has run, and which jobs a job with a
 * matrix becomes with it. */
#include "plan_fixture.h"

#include "runner/forges/actions/wf_combine.h"

#define DISPATCH                                                                                   \
	"on:\n  workflow_dispatch:\n    inputs:\n      dry: { type: boolean, default: true }\n"    \
	"      n: { type: number }\n      how: { type: choice, options: [ a, b ] }\n"              \
	"      who: { required: true }\n"
static const struct marked nowhere;
#define JOBS "jobs: { j: { runs-on: x, steps: [ { run: x } ] } }\n"

struct world_test {
	struct made m;
	struct expr_memory mem;
	int r;
};

static struct world_test world_of(const char *text, const char *event_text,
                                  const char *const *inputs, size_t n_inputs)
{
	struct world_test w = { .r = 0 };
	struct event_facts event;

	made_parse(&w.m, text);
	w.mem = (struct expr_memory){ .arena = w.m.wf->arena };
	event_local(&event);
	(void)strcpy(event.checkout.ref, "refs/heads/main");
	(void)strcpy(event.checkout.sha, "0123456789012345678901234567890123456789");
	(void)strcpy(event.checkout.repository, "acme/app");
	if (event_text) {
		struct dd_err err = { 0 };
		struct event_facts local = event;
		assert_int_equal(event_parse(event_text, strlen(event_text), &event, &err), 0);
		event.checkout = local.checkout;
	}
	w.r = wf_world_make(
		&(struct wf_world_asked){ .flat = &w.m.jobs,
	                                  .event = &event,
	                                  .event_text = event_text,
	                                  .event_len = event_text ? strlen(event_text) : 0,
	                                  .inputs = inputs,
	                                  .n_inputs = n_inputs },
		&w.mem, &w.m.world, &w.m.diags);
	return w;
}

/* The value of an expression in that world, as JSON. */
static const char *value_of(struct world_test *w, const char *text)
{
	const struct expr_rules all = { .contexts = EXPR_GITHUB | EXPR_INPUTS | EXPR_VARS };
	struct wf_job_scope scope = { .inputs = w->m.world.inputs, .vars = w->m.world.vars };
	const struct expr *expr = NULL;
	struct expr_value v, json;
	struct expr_error err;

	wf_job_scope_init(&scope);
	assert_true(wf_world_github(&w->m.world, "j", &w->mem, &scope.github));
	assert_int_equal(expr_parse(w->mem.arena, text, strlen(text), &all, &expr, &err), 0);
	assert_int_equal(expr_eval(expr, &scope.scope, &w->mem, &v, &err), 0);
	assert_true(expr_json_write(&w->mem, &v, NULL, NULL, &json));
	return json.text;
}

static void expect(struct world_test *w, const char *text, const char *want)
{
	const char *got = value_of(w, text);
	if (strcmp(got, want) != 0)
		fail_msg("%s is %s, not %s", text, got, want);
}

static void a_local_run_is_a_push_of_the_checkout(void **state)
{
	(void)state;
	struct world_test w = world_of("on: push\n" JOBS, NULL, NULL, 0);
	assert_int_equal(w.r, 0);
	expect(&w, "github.event_name", "\"push\"");
	expect(&w, "github.ref", "\"refs/heads/main\"");
	expect(&w, "github.ref_name", "\"main\"");
	expect(&w, "github.ref_type", "\"branch\"");
	expect(&w, "github.repository", "\"acme/app\"");
	expect(&w, "github.repository_owner", "\"acme\"");
	expect(&w, "github.event.repository.name", "\"app\"");
	expect(&w, "github.event.after == github.sha", "true");
	expect(&w, "github.run_attempt", "\"1\"");
	expect(&w, "github.job", "\"j\"");
	expect(&w, "github.ref_protected", "true");
	expect(&w, "github.token", "null");
	expect(&w, "github.head_ref", "\"\"");
	made_done(&w.m);
}

static void inputs_have_their_types_and_the_event_their_texts(void **state)
{
	(void)state;
	static const char *const given[] = { "who=me", "n=7" };
	struct world_test w = world_of(DISPATCH JOBS, NULL, given, 2);
	assert_int_equal(w.r, 0);
	expect(&w, "github.event_name", "\"workflow_dispatch\"");
	expect(&w, "inputs.dry", "true");
	expect(&w, "github.event.inputs.dry", "\"true\"");
	expect(&w, "inputs.n", "7");
	expect(&w, "github.event.inputs.n", "\"7\"");
	expect(&w, "inputs.how", "\"a\"");
	expect(&w, "inputs.who", "\"me\"");
	made_done(&w.m);
}

static void what_is_given_wins_over_the_event_and_that_over_the_default(void **state)
{
	(void)state;
	static const char *const given[] = { "who=me" };
	struct world_test w = world_of(
		DISPATCH JOBS,
		"{\"inputs\":{\"who\":\"you\",\"dry\":\"false\"},\"ref\":\"refs/heads/x\"}", given,
		1);
	assert_int_equal(w.r, 0);
	expect(&w, "inputs.who", "\"me\"");
	expect(&w, "inputs.dry", "false");
	expect(&w, "github.ref", "\"refs/heads/x\"");
	made_done(&w.m);
}

static void an_input_that_cannot_be_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *given, *says;
	} rows[] = {
		{ "nobody=x", "has no input `nobody`" }, { "n=seven", "is no number" },
		{ "dry=yes", "is no boolean" },          { "how=c", "none of its choices" },
		{ "n=1", "`who` is required" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world_test w = world_of(DISPATCH JOBS, NULL, &rows[i].given, 1);

		assert_int_equal(w.r, -EINVAL);
		assert_true(has_complaint(&w.m.diags, &nowhere, rows[i].says));
		made_done(&w.m);
	}
}

static void a_pull_requests_title_carries_its_origin(void **state)
{
	(void)state;
	struct world_test w = world_of("on: pull_request\n" JOBS,
	                               "{\"pull_request\":{\"title\":\"$(evil)\",\"number\":7,"
	                               "\"head\":{\"ref\":\"a;b\"},\"base\":{\"ref\":\"main\"}}}",
	                               NULL, 0);
	assert_int_equal(w.r, 0);
	expect(&w, "github.ref", "\"refs/pull/7/merge\"");
	expect(&w, "github.head_ref", "\"a;b\"");
	expect(&w, "github.event_name", "\"pull_request\"");
	const struct expr_value *head = expr_object_get(w.m.world.github.object, "head_ref", 8);
	assert_string_equal(head->outsider, "github.head_ref");
	made_done(&w.m);
}

/* ---- combinations ---- */

static void combine(const char *job, struct made *m, struct expr_memory *mem, unsigned unknown,
                    struct wf_combined *ret)
{
	char text[2000];
	static struct wf_errors errors;
	struct event_facts local;

	(void)snprintf(text, sizeof(text), "on: push\njobs:\n  j:\n    steps: [ { run: x } ]\n%s",
	               job);
	made_parse(m, text);
	event_local(&local);
	made_world(m, &local);
	*mem = (struct expr_memory){ .arena = m->wf->arena };
	struct wf_job_scope scope = { .inputs = m->world.inputs,
		                      .vars = m->world.vars,
		                      .github = m->world.github,
		                      .unknown = unknown };
	wf_job_scope_init(&scope);
	assert_int_equal(wf_combine(&m->jobs.jobs[0], &scope, mem, ret, &errors), 0);
}

static void a_combination_has_its_own_name_labels_and_bounds(void **state)
{
	(void)state;
	struct made m = { .plan = NULL };
	struct expr_memory mem;
	struct wf_combined c;
	combine("    strategy: { max-parallel: 2, fail-fast: false, matrix: { os: [ ubuntu-latest, "
	        "Windows-2022 ], v: [ 1.10 ] } }\n    runs-on: \"${{ matrix.os }}\"\n"
	        "    timeout-minutes: \"${{ matrix.v == 1.1 && 5 || 6 }}\"\n"
	        "    continue-on-error: \"${{ matrix.os != 'ubuntu-latest' }}\"\n"
	        "    concurrency: \"g-${{ matrix.os }}\"\n",
	        &m, &mem, 0, &c);
	assert_int_equal(c.n, 2);
	assert_false(c.fail_fast);
	assert_int_equal(c.max_parallel, 2);
	assert_string_equal(c.items[0].name, "j (ubuntu-latest, 1.1)");
	assert_null(c.items[0].elsewhere);
	assert_string_equal(c.items[1].elsewhere, "Windows-2022");
	assert_int_equal(c.items[0].timeout_sec, 300);
	assert_false(c.items[0].continue_on_error);
	assert_true(c.items[1].continue_on_error);
	assert_string_equal(c.items[1].group, "g-Windows-2022");
	made_done(&m);
}

static void what_needs_other_jobs_is_computed_later(void **state)
{
	(void)state;
	struct made m = { .plan = NULL };
	struct expr_memory mem;
	struct wf_combined c;
	combine("    runs-on: x\n    strategy: { matrix: \"${{ fromJSON(needs.a.outputs.m) }}\" "
	        "}\n",
	        &m, &mem, EXPR_NEEDS, &c);
	assert_true(c.later);
	made_done(&m);
	combine("    runs-on: \"${{ needs.a.outputs.l }}\"\n", &m, &mem, EXPR_NEEDS, &c);
	assert_int_equal(c.n, 1);
	assert_string_equal(c.items[0].runs_on, "${{ needs.a.outputs.l }}");
	made_done(&m);
}

static void runs_on_takes_a_text_a_list_and_a_group(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "ubuntu-latest", "ubuntu-latest" },
		{ "[ self-hosted, linux ]", "self-hosted, linux" },
		{ "{ group: big, labels: [ x64 ] }", "big, x64" },
		{ "\"${{ fromJSON('[\\\"a\\\", \\\"b\\\"]') }}\"", "a, b" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct made m = { .plan = NULL };
		struct expr_memory mem;
		struct wf_combined c;
		char job[200];
		(void)snprintf(job, sizeof(job), "    runs-on: %s\n", rows[i].text);
		combine(job, &m, &mem, 0, &c);
		assert_string_equal(c.items[0].runs_on, rows[i].want);
		made_done(&m);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_local_run_is_a_push_of_the_checkout),
		cmocka_unit_test(inputs_have_their_types_and_the_event_their_texts),
		cmocka_unit_test(what_is_given_wins_over_the_event_and_that_over_the_default),
		cmocka_unit_test(an_input_that_cannot_be_is_refused),
		cmocka_unit_test(a_pull_requests_title_carries_its_origin),
		cmocka_unit_test(a_combination_has_its_own_name_labels_and_bounds),
		cmocka_unit_test(what_needs_other_jobs_is_computed_later),
		cmocka_unit_test(runs_on_takes_a_text_a_list_and_a_group),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
