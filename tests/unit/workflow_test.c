// SPDX-License-Identifier: Apache-2.0
/* workflow_test.c - what a run without a forge cannot do is refused where it stands, before anything runs. */
#include "complaint.h"

#include "../../runner/local/workflow.h"

#define J(body) "jobs:\n  a:\n    runs-on: x\n" body
#define S(step) J("    steps:\n      - " step "\n")
#define R "    steps: [ { run: x } ]\n"

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
	{ "jobs: { a: { steps: [ { run: x } ] }, |>a: { steps: [ { run: x } ] } }\n", "duplicate key `a`: first at w.yml:1:9" },
	{ J("    |>needs: b\n" R), "`needs` in jobs.a is not supported yet" },
	{ J("    |>if: always()\n" R), "not supported yet" },
	{ J("    |>strategy: {}\n" R), "not supported yet" },
	{ J("    |>services: {}\n" R), "not supported yet" },
	{ J("    |>container: x\n" R), "not supported yet" },
	{ J("    |>outputs: {}\n" R), "not supported yet" },
	{ J("    |>secrets: inherit\n" R), "not supported yet" },
	{ J("    |>with: {}\n" R), "not supported yet" },
	{ J("    |>step: []\n" R), "unknown key `step`" },
	{ S("|>uses: actions/checkout@v4"), "not supported yet" },
	{ S("run: x\n        |>with: {}"), "not supported yet" },
	{ S("run: x\n        |>if: failure()"), "not supported yet" },
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
	{ S("run: echo |>${{ github.ref }} b"), "expressions are not supported" },
	{ S("run: \"echo |>${{ github.ref }}\""), "expressions are not supported" },
	{ S("run: |\n          echo one\n          echo two |>${{ github.event.title }}"), "expressions are not supported" },
	{ S("run: >\n          echo one\n\n          |>${{ x }}"), "expressions are not supported" },
	{ S("run: x\n        name: |>${{ x }}"), "expressions are not supported" },
	{ S("run: x\n        shell: |>${{ x }}"), "expressions are not supported" },
	{ S("run: x\n        working-directory: a/|>${{ x }}"), "expressions are not supported" },
	{ S("run: x\n        env:\n          A: b|>${{ x }}"), "expressions are not supported" },
	{ S("run: x\n        timeout-minutes: |>${{ 5 }}"), "expressions are not supported" },
	{ S("run: x\n        continue-on-error: |>${{ true }}"), "expressions are not supported" },
	{ "env: |>[]\n" J(R), "must be a map" },
	{ "defaults: { |>shell: bash }\n" J(R), "unknown key `shell` in defaults" },
	{ S("run: |>*x"), "aliases are not supported" },
	{ S("run: |>&x y"), "anchors are not supported" },
	{ S("run: |>!!str y"), "tags are not supported" },
	{ S("|><<: {}"), "merge keys are not supported" },
	{ S("run: x\n\t|>bad: y"), "" },
	{ "|>\xff\n", "" },
	{ J(R) "|>---\nx: y\n", "a second document" },
};

static void every_unsupported_workflow_is_refused_where_it_stands(void **state)
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

static void an_expression_is_underlined_whole(void **state)
{
	(void)state;
	static const char text[] = "jobs: { a: { steps: [ { run: 'ä ${{ x }} b' } ] } }\n";
	struct diag_list diags = { 0 };
	struct workflow *wf = NULL;
	assert_int_equal(workflow_parse("w.yml", text, sizeof(text) - 1, &wf, &diags), -EINVAL);
	assert_int_equal(diags.items[0].mark.column, 33); /* characters, not bytes */
	assert_int_equal(diags.items[0].mark.length, 8);
	diag_list_done(&diags);
}

static void a_plain_workflow_keeps_texts_as_written(void **state)
{
	(void)state;
	static const char text[] =
		"name: W\non: [push]\npermissions: {}\nenv: { N: 1.0, B: on, E: , Q: 'x' }\n"
		"defaults: { run: { shell: sh, working-directory: d } }\n"
		"jobs:\n  one:\n    runs-on: [self-hosted]\n    timeout-minutes: 1.5\n    defaults: { run: { shell: bash } }\n"
		"    steps:\n      - id: s\n        continue-on-error: true\n        run: |\n          a\n            b\n";
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
		cmocka_unit_test(every_unsupported_workflow_is_refused_where_it_stands),
		cmocka_unit_test(an_expression_is_underlined_whole),
		cmocka_unit_test(a_plain_workflow_keeps_texts_as_written),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
