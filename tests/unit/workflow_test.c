// SPDX-License-Identifier: Apache-2.0
/* workflow_test.c - what GitHub does not know is refused where it stands; what only `run` does not
 * know is kept, and noted where it stands. */
#include "complaint.h"

#include "runner/forges/actions/workflow.h"

#define J(body) "jobs:\n  a:\n    runs-on: x\n" body
#define S(step) J("    steps:\n      - " step "\n")
#define R       "    steps: [ { run: x } ]\n"

static const struct wrong wrongs[] = {
	{ "", "the file is empty" },
	{ "|>- a\n", "must be a map" },
	{ "|>on: push\n", "`jobs` is missing" },
	{ "jobs: |>{}\n", "`jobs` is empty" },
	{ "jobs: |>[]\n", "must be a map" },
	{ "|>job: {}\njobs: { a: { steps: [ { run: x } ] } }\n", "unknown key `job`" },
	{ "jobs: { |>a b: { steps: [ { run: x } ] } }\n", "cannot be the id of a job" },
	{ "jobs: { |>1a: { steps: [ { run: x } ] } }\n", "cannot be the id of a job" },
	{ "jobs: { |>a: {} }\n", "has no `steps`" },
	{ "jobs: { a: { steps: |>[] } }\n", "`steps` is empty" },
	{ "jobs: { a: { steps: [ |>x ] } }\n", "must be a map" },
	{ "jobs: { a: { steps: [ { run: x } ] }, |>a: { steps: [ { run: x } ] } }\n",
	  "duplicate key `a`: first at w.yml:1:9" },
	{ J("    |>step: []\n" R), "unknown key `step`" },
	{ S("run: x\n        |>phase: push"), "unknown key `phase`" },
	{ S("run: x\n        |>working_directory: y"), "unknown key `working_directory`" },
	{ S("|>name: x"), "a step needs `run`" },
	{ S("run: |>''"), "`run` is empty" },
	{ S("run: |>~"), "`run` is empty" },
	{ S("run: |>[ x ]"), "must be a single value" },
	{ S("run: x\n        id: |>a.b"), "cannot be the id of a step" },
	{ S("{ id: a, run: x }\n      - { id: |>a, run: y }"), "two steps with id `a`" },
	{ S("run: x\n        env: { |>A-B: 1 }"), "variable's name" },
	{ S("run: x\n        env: { A: |>[ 1 ] }"), "must be a single value" },
	{ S("run: x\n        timeout-minutes: |>0"), "cannot be `0`" },
	{ S("run: x\n        timeout-minutes: |>-5"), "cannot be `-5`" },
	{ S("run: x\n        timeout-minutes: |>1e9"), "cannot be" },
	{ S("run: x\n        timeout-minutes: |>'5'"), "cannot be" },
	{ S("run: x\n        continue-on-error: |>yes"), "true or false" },
	{ "env: |>[]\n" J(R), "must be a map" },
	{ "defaults: { |>shell: bash }\n" J(R), "unknown key `shell` in defaults" },
	{ S("run: |>*x"), "aliases are not supported" },
	{ S("run: |>&x y"), "anchors are not supported" },
	{ S("run: |>!!str y"), "tags are not supported" },
	{ S("|><<: {}"), "merge keys are not supported" },
	{ S("run: x\n\t|>bad: y"), "" },
	{ "|>\xff\n", "" },
	{ J(R) "|>---\nx: y\n", "a second document" },
	{ S("run: x\n        |>with: {}"), "`with` is for `uses`" },
	{ S("run: x\n        |>uses: a/b@v1"), "either `run` or `uses`" },
	{ S("uses: a/b@v1\n        |>wiht: {}"), "unknown key `wiht`" },
	{ S("uses: |>''"), "`uses` is empty" },
	{ S("uses: a/b@v1\n        with: |>[]"), "must be a map" },
	{ J("    |>need: b\n" R), "unknown key `need`" },
	{ J("    needs: |>{}\n" R), "must be a single value or a list" },
	{ J("    strategy: { |>matrx: {} }\n" R), "unknown key `matrx` in strategy" },
	{ J("    strategy: { matrix: { os: |>a } }\n" R), "`os` must be a list" },
	{ J("    strategy: { matrix: { os: |>[] } }\n" R), "`os` has no values" },
	{ J("    strategy: { matrix: |>{} }\n" R), "`matrix` is empty" },
	{ J("    strategy: { matrix: { os: [ a ], include: [ |>b ] } }\n" R), "must be a map" },
	{ J("    container: |>{ options: x }\n" R), "`image` is missing in container" },
	{ J("    container: { image: x, |>imag: y }\n" R), "unknown key `imag` in container" },
	{ J("    services: { db: { image: x, |>port: [] } }\n" R),
	  "unknown key `port` in services.db" },
	{ "jobs: { |>a: { uses: ./x.yml, steps: [ { run: x } ] } }\n", "either `steps` or `uses`" },
	{ "|>defualts: {}\n" J(R), "unknown key `defualts`" },
};

/* Complaints of `run`, notes for `plan`. */
static const struct wrong noted[] = {
	{ J("    |>needs: b\n" R), "`needs` in jobs.a is not supported yet" },
	{ J("    |>if: always()\n" R), "not supported yet" },
	{ J("    |>strategy: {}\n" R), "not supported yet" },
	{ J("    |>services: {}\n" R), "not supported yet" },
	{ J("    |>container: x\n" R), "not supported yet" },
	{ J("    |>outputs: {}\n" R), "not supported yet" },
	{ J("    |>secrets: inherit\n" R), "not supported yet" },
	{ J("    |>with: {}\n" R), "not supported yet" },
	{ S("|>uses: actions/setup-node@v4"), "not supported yet" },
	{ S("uses: actions/checkout@v4\n        with: { fetch-depth: 0, |>repository: a/b }"),
	  "`repository` of a checkout is not supported yet" },
	{ S("uses: actions/checkout@v4\n        with: { |>path: a }"), "`path` of a checkout" },
	{ S("|>uses: actions/checkout-else@v4"), "not supported yet" },
	{ S("run: x\n        |>if: failure()"), "not supported yet" },
	{ S("run: echo |>${{ github.ref }} b"), "expressions are not supported" },
	{ S("run: \"echo |>${{ github.ref }}\""), "expressions are not supported" },
	{ S("run: |\n          echo one\n          echo two |>${{ github.event.title }}"),
	  "expressions are not supported" },
	{ S("run: >\n          echo one\n\n          |>${{ x }}"),
	  "expressions are not supported" },
	{ S("run: x\n        name: |>${{ x }}"), "expressions are not supported" },
	{ S("run: x\n        shell: |>${{ x }}"), "expressions are not supported" },
	{ S("run: x\n        working-directory: a/|>${{ x }}"), "expressions are not supported" },
	{ S("run: x\n        env:\n          A: b|>${{ x }}"), "expressions are not supported" },
	{ S("run: x\n        timeout-minutes: |>${{ 5 }}"), "expressions are not supported" },
	{ S("run: x\n        continue-on-error: |>${{ true }}"), "expressions are not supported" },
	{ J("    |>environment: prod\n" R), "not supported yet" },
	{ J("    |>continue-on-error: true\n" R), "not supported yet" },
	{ "jobs: { a: { |>uses: ./x.yml } }\n", "`uses` in jobs.a is not supported yet" },
	{ S("uses: a/b@v1\n        |>with: { x: 1 }"), "not supported yet" },
	{ "env:\n  A: |>${{ github.sha }}\n" J(R), "expressions are not supported" },
};

static void every_wrong_workflow_is_refused_where_it_stands(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		struct diag_list diags = { 0 };
		struct workflow *wf = NULL;
		struct marked m;
		unmark(wrongs[i].text, &m);
		if (wrongs[i].fragment[0] == '\0')
			m.line = m.column = 0; /* libyaml's own words and place */
		if (workflow_parse("w.yml", m.text, strlen(m.text), &wf, &diags) != -EINVAL)
			fail_msg("accepted:\n%s", m.text);
		assert_true(has_complaint(&diags, &m, wrongs[i].fragment));
		diag_list_done(&diags);
	}
}

static struct workflow *parse_fine(const char *text)
{
	struct diag_list diags = { 0 };
	struct workflow *wf = NULL;
	if (workflow_parse("w.yml", text, strlen(text), &wf, &diags) < 0) {
		diag_print(stdout, &diags, text, strlen(text));
		fail_msg("refused:\n%s", text);
	}
	diag_list_done(&diags);
	return wf;
}

static void what_only_run_does_not_know_is_noted_where_it_stands(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(noted) / sizeof(noted[0]); i++) {
		struct marked m;
		unmark(noted[i].text, &m);
		struct workflow *wf = parse_fine(m.text);
		assert_true(has_complaint(wf->notes.n ? &wf->notes : &wf->jobs[0].notes, &m,
		                          noted[i].fragment));
		workflow_free(wf);
	}
}

static void an_expression_is_underlined_whole(void **state)
{
	(void)state;
	struct workflow *wf = parse_fine("jobs: { a: { steps: [ { run: 'ä ${{ x }} b' } ] } }\n");
	assert_int_equal(wf->jobs[0].notes.items[0].mark.column, 33); /* characters, not bytes */
	assert_int_equal(wf->jobs[0].notes.items[0].mark.length, 8);
	/* and stays as it is written */
	assert_string_equal(wf->jobs[0].steps[0].run, "ä ${{ x }} b");
	workflow_free(wf);
}

static void a_checkout_of_this_repository_needs_no_note(void **state)
{
	(void)state;
	struct workflow *wf = parse_fine(
		"jobs: { a: { steps: [ { uses: actions/checkout@v4, with: { "
		"fetch-depth: 0, submodules: true } }, { run: x } ] } }\n");
	assert_int_equal(wf->jobs[0].notes.n, 0);
	assert_true(wf->jobs[0].steps[0].is_local_checkout);
	assert_false(wf->jobs[0].steps[1].is_local_checkout);
	workflow_free(wf);
}

static void a_note_belongs_to_its_job(void **state)
{
	(void)state;
	struct workflow *wf = parse_fine("jobs:\n  a: { steps: [ { run: x } ] }\n  b: { needs: a, "
	                                 "steps: [ { uses: c/d@v1, if: always() } ] }\n");
	assert_int_equal(wf->jobs[0].notes.n, 0);
	assert_int_equal(wf->jobs[1].notes.n, 3);
	assert_int_equal(wf->notes.n, 0);
	workflow_free(wf);
}

static void what_github_knows_of_a_job_is_kept(void **state)
{
	(void)state;
	struct workflow *wf = parse_fine(
		"name: CI\non: { push: { branches: [ main ] }, pull_request: }\npermissions: { "
		"contents: read, id-token: write }\n"
		"concurrency: { group: \"${{ github.ref }}\", cancel-in-progress: true }\n"
		"jobs:\n  a:\n    runs-on: [ self-hosted, linux ]\n    needs: [ x, y ]\n    if: "
		"github.ref == 'refs/heads/main'\n"
		"    environment: { name: prod, url: x }\n    container: { image: node:20 }\n    "
		"services: { db: { image: postgres:16, ports: [ 5432 ] } }\n"
		"    outputs: { v: '${{ steps.s.outputs.v }}' }\n    timeout-minutes: ${{ 5 }}\n"
		"    steps:\n      - { id: s, uses: actions/setup-node@v4, with: { node-version: "
		"20, cache: npm }, if: always() }\n");
	const struct workflow_job *job = &wf->jobs[0];
	assert_string_equal(wf->on, "push, pull_request");
	assert_string_equal(wf->permissions, "{contents: read, id-token: write}");
	assert_string_equal(job->runs_on, "[self-hosted, linux]");
	assert_string_equal(job->needs, "[x, y]");
	assert_string_equal(job->cond, "github.ref == 'refs/heads/main'");
	assert_string_equal(job->environment, "{name: prod, url: x}");
	assert_string_equal(job->container, "node:20");
	assert_string_equal(job->services[0].name, "db");
	assert_string_equal(job->services[0].value, "postgres:16");
	assert_string_equal(job->outputs, "{v: ${{ steps.s.outputs.v }}}");
	assert_true(job->timeout_minutes < 1); /* not known before it runs */
	assert_string_equal(job->steps[0].uses, "actions/setup-node@v4");
	assert_string_equal(job->steps[0].with[1].name, "cache");
	assert_string_equal(job->steps[0].with[1].value, "npm");
	assert_string_equal(job->steps[0].cond, "always()");
	assert_null(job->steps[0].run);
	workflow_free(wf);
}

/* ---- a matrix ---- */

static void matrix_names(const char *job, const char *matrix, const char *want)
{
	char text[2000], got[2000] = "";
	(void)snprintf(text, sizeof(text),
	               "jobs:\n  test:\n    %s\n    strategy: { matrix: %s }\n" R, job, matrix);
	struct workflow *wf = parse_fine(text);
	const char *const *names = wf->jobs[0].matrix.names;
	for (size_t i = 0; names && names[i]; i++)
		(void)snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", i ? "|" : "",
		               names[i]);
	assert_string_equal(got, want);
	workflow_free(wf);
}

static void combinations_are_named_as_github_names_them(void **state)
{
	(void)state;
	matrix_names("if: x", "{ os: [ ubuntu-latest, windows-latest ], node: [ 18, 20 ] }",
	             "test (ubuntu-latest, 18)|test (ubuntu-latest, 20)|test (windows-latest, "
	             "18)|test (windows-latest, 20)");
	matrix_names("name: Unit", "{ py: [ '3.10', 3.12 ] }", "Unit (3.10)|Unit (3.12)");
	matrix_names("name: 'T ${{ matrix.py }} on ${{matrix.os.name}} ${{ github.ref }}'",
	             "{ py: [ 3 ], os: [ { name: deb } ] }", "T 3 on deb ${{ github.ref }}");
	matrix_names("if: x",
	             "{ os: [ a, b ], v: [ 1, 2 ], exclude: [ { os: a, v: 2 }, { v: 1, os: b } ] }",
	             "test (a, 1)|test (b, 2)");
	matrix_names("if: x", "{ cfg: [ { os: a, v: 1 }, { os: b, v: 2 } ] }",
	             "test (a, 1)|test (b, 2)");
	matrix_names("if: x", "{ include: [ { os: a }, { os: b, v: 2 } ] }",
	             "test (a)|test (b, 2)");
}

/* The example of GitHub's own documentation of `include`. */
static void include_extends_where_it_changes_nothing_and_adds_where_it_would(void **state)
{
	(void)state;
	matrix_names("if: x",
	             "{ fruit: [ apple, pear ], animal: [ cat, dog ], include: [ { color: green }, "
	             "{ color: pink, animal: cat }, { fruit: apple, shape: circle },"
	             " { fruit: banana }, { fruit: banana, animal: cat } ] }",
	             "test (apple, cat, pink, circle)|test (apple, dog, green, circle)|test (pear, "
	             "cat, pink)|test (pear, dog, green)|test (banana)|test (banana, cat)");
}

static void a_computed_matrix_has_no_names_and_says_what_computes_it(void **state)
{
	(void)state;
	struct workflow *wf = parse_fine(
		"jobs: { a: { strategy: { matrix: { p: \"${{ "
		"fromJSON(needs.x.outputs.p) }}\" } }, steps: [ { run: x } ] } }\n");
	assert_null(wf->jobs[0].matrix.names);
	assert_string_equal(wf->jobs[0].matrix.computed, "${{ fromJSON(needs.x.outputs.p) }}");
	assert_string_equal(wf->jobs[0].matrix.axes[0].name, "p");
	workflow_free(wf);
}

static void a_matrix_of_more_than_256_jobs_is_refused(void **state)
{
	(void)state;
	char text[4000] = "jobs: { a: { strategy: { matrix: { x: [ 0";
	for (int axis = 0; axis < 2; axis++) {
		for (int i = 1; i < 17; i++)
			(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), ", %d", i);
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
		               axis ? " ] } }" : " ], y: [ 0");
	}
	(void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
	               ", steps: [ { run: x } ] } }\n");
	struct diag_list diags = { 0 };
	struct workflow *wf = NULL;
	const struct marked m = { .line = 1, .column = 34 };
	assert_int_equal(workflow_parse("w.yml", text, strlen(text), &wf, &diags), -EINVAL);
	assert_true(has_complaint(&diags, &m, "more than 256 combinations"));
	diag_list_done(&diags);
}

static void a_plain_workflow_keeps_texts_as_written(void **state)
{
	(void)state;
	static const char text[] =
		"name: W\non: [push]\npermissions: {}\nenv: { N: 1.0, B: on, E: , Q: 'x' }\n"
		"defaults: { run: { shell: sh, working-directory: d } }\n"
		"jobs:\n  one:\n    runs-on: [self-hosted]\n    timeout-minutes: 1.5\n    "
		"defaults: { run: { shell: bash } }\n"
		"    steps:\n      - id: s\n        continue-on-error: true\n        run: |\n      "
		"    a\n            b\n";
	struct diag_list diags = { 0 };
	struct workflow *wf = NULL;
	assert_int_equal(workflow_parse("w.yml", text, sizeof(text) - 1, &wf, &diags), 0);
	assert_string_equal(wf->name, "W");
	assert_string_equal(wf->env[0].value, "1.0");
	assert_string_equal(wf->env[1].value, "on");
	assert_string_equal(wf->env[2].value, "");
	assert_string_equal(wf->jobs[0].default_shell, "bash");
	assert_string_equal(wf->jobs[0].default_workdir, "d");
	assert_string_equal(wf->jobs[0].steps[0].run, "a\n  b\n");
	assert_true(wf->jobs[0].steps[0].continue_on_error);
	assert_int_equal(wf->jobs[0].steps[0].mark.line, 12);
	workflow_free(wf);
	diag_list_done(&diags);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_wrong_workflow_is_refused_where_it_stands),
		cmocka_unit_test(what_only_run_does_not_know_is_noted_where_it_stands),
		cmocka_unit_test(an_expression_is_underlined_whole),
		cmocka_unit_test(a_checkout_of_this_repository_needs_no_note),
		cmocka_unit_test(a_note_belongs_to_its_job),
		cmocka_unit_test(what_github_knows_of_a_job_is_kept),
		cmocka_unit_test(combinations_are_named_as_github_names_them),
		cmocka_unit_test(include_extends_where_it_changes_nothing_and_adds_where_it_would),
		cmocka_unit_test(a_computed_matrix_has_no_names_and_says_what_computes_it),
		cmocka_unit_test(a_matrix_of_more_than_256_jobs_is_refused),
		cmocka_unit_test(a_plain_workflow_keeps_texts_as_written),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
