// SPDX-License-Identifier: Apache-2.0
/* action_manifest_test.c - the manifest of an action: what it says, and what is refused where it
 * stands.
 */
#include "complaint.h"

#include "runner/forges/actions/action_manifest.h"

static const struct wrong wrongs[] = {
	{ "|>name: x\n", "needs `runs`" },
	{ "runs: |>{ main: a.js }\n", "needs `using`" },
	{ "runs: { using: |>node99, main: a.js }\n", "is no kind of action" },
	{ "runs: |>{ using: node20, pre: a.js }\n", "needs `main`" },
	{ "runs: |>{ using: docker, entrypoint: a }\n", "needs `image`" },
	{ "runs: { using: docker, image: |>x.txt }\n", "neither a Dockerfile" },
	{ "runs: { using: composite, |>main: x }\n", "" },
	{ "runs: { using: composite, steps: [ |>{ run: x } ] }\n", "`shell`" },
	{ "runs: { using: composite, steps: [ { run: x, shell: sh, |>timeout-minutes: 5 } ] }\n",
	  "timeout-minutes" },
	{ "runs: { using: composite, steps: [ { run: \"|>${{ secrets.X }}\", shell: sh } ] }\n",
	  "`secrets` is not available here" },
	{ "runs: { using: composite, steps: [ { run: \"|>${{ vars.X }}\", shell: sh } ] }\n",
	  "`vars` is not available here" },
	{ "runs: { using: docker, image: Dockerfile, env: { A: \"|>${{ github.sha }}\" } }\n",
	  "`github` is not available here" },
	{ "inputs: { a: { default: \"|>${{ env.X }}\" } }\nruns: { using: node20, main: x }\n",
	  "`env` is not available here" },
	{ "a: &x 1\nruns: { using: node20, main: *x }\n", "" },
};

static void every_wrong_manifest_is_refused_where_it_stands(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		static struct wf_errors errors;
		static struct marked m;
		struct diag_list diags = { 0 };
		struct action_manifest *manifest = NULL;
		unmark(wrongs[i].text, &m);
		if (wrongs[i].fragment[0] == '\0')
			m.line = 0;
		if (action_manifest_parse("action.yml", m.text, strlen(m.text), &manifest,
		                          &errors) != -EINVAL)
			fail_msg("accepted:\n%s", m.text);
		wf_errors_to_diags(&errors, &diags);
		assert_true(has_complaint(&diags, &m, wrongs[i].fragment));
		diag_list_done(&diags);
		wf_errors_done(&errors);
	}
}

static struct action_manifest *read_fine(const char *text)
{
	static struct wf_errors errors;
	struct action_manifest *m = NULL;
	if (action_manifest_parse("action.yml", text, strlen(text), &m, &errors) < 0)
		fail_msg("%u:%u: %s in:\n%s", errors.items[0].at.line, errors.items[0].at.column,
		         errors.items[0].text, text);
	return m;
}

static void what_is_unknown_at_the_top_and_in_an_input_is_ignored(void **state)
{
	(void)state;
	struct action_manifest *m = read_fine(
		"name: N\nbranding: { icon: x }\nwhatever: [ 1 ]\ninputs:\n  token: { default: "
		"\"${{ github.token }}\", required: 'true', deprecationMessage: old, x: y }\n"
		"outputs: { o: { description: d } }\nruns: { using: Node24, main: m.js, post: "
		"p.js, "
		"post-if: \"failure()\" }\n");
	assert_int_equal(m->kind, ACTION_NODE);
	assert_string_equal(m->inputs[0].name, "token");
	assert_true(m->inputs[0].required);
	assert_string_equal(m->inputs[0].deprecated, "old");
	assert_non_null(m->inputs[0].fallback);
	assert_string_equal(m->outputs[0].name, "o");
	assert_string_equal(m->main, "m.js");
	assert_null(m->pre);
	assert_string_equal(m->pre_if->text, "always()");
	assert_string_equal(m->post_if->text, "failure()");
	action_manifest_free(m);
}

static void steps_of_a_composite_are_steps(void **state)
{
	(void)state;
	struct action_manifest *m = read_fine(
		"outputs: { v: { value: \"${{ steps.s.outputs.v }}\" } }\nruns:\n  using: "
		"composite\n"
		"  steps:\n    - { id: s, run: \"echo ${{ inputs.x }}\", shell: \"${{ inputs.sh "
		"}}\" "
		"}\n    - { uses: actions/checkout@v4, if: inputs.x == 1, with: { a: b } }\n");
	assert_int_equal(m->n_steps, 2);
	assert_string_equal(m->steps[0].id, "s");
	assert_string_equal(m->steps[1].id, "__actions_checkout");
	assert_string_equal(m->steps[1].cond->text, "success() && (inputs.x == 1)");
	assert_non_null(m->outputs[0].value);
	action_manifest_free(m);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_wrong_manifest_is_refused_where_it_stands),
		cmocka_unit_test(what_is_unknown_at_the_top_and_in_an_input_is_ignored),
		cmocka_unit_test(steps_of_a_composite_are_steps),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
