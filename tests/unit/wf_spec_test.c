// SPDX-License-Identifier: Apache-2.0
/* wf_spec_test.c - a job of a workflow in drydock's words: what it runs as far as that is written,
 * and what this build cannot run, noted where it stands. */
#include "plan_fixture.h"

#define J(body) "jobs:\n  a:\n    runs-on: x\n" body
#define S(step) J("    steps:\n      - " step "\n")
#define R       "    steps: [ { run: x } ]\n"

static const struct wrong noted[] = {
	{ J("    services: |>{ db: { image: x } }\n" R), "`services` is not supported yet" },
	{ J("    container: |>x\n" R), "`container` is not supported yet" },
	{ S("uses: actions/checkout@v4\n        with: { fetch-depth: 0, |>ssh-key: x }"),
	  "`ssh-key` of a checkout is not done" },
	{ S("uses: actions/checkout@v4\n        with: { |>SSH-Key: a }"),
	  "`SSH-Key` of a checkout" },
	{ S("uses: |>docker://alpine:3"), "an action in a container" },
	{ S("run: x\n        shell: |>cmd"), "shell `cmd` is not supported yet" },
};

static struct made spec_of(const char *text)
{
	struct made m = { .plan = NULL };
	struct event_facts local;
	event_local(&local);
	made_parse(&m, text);
	made_world(&m, &local);
	if (wf_job_spec(&m.jobs, &m.jobs.jobs[0], &local, &m.world, &m.spec, &m.diags) < 0) {
		diag_print(stdout, &m.diags, text, strlen(text));
		fail_msg("refused:\n%s", text);
	}
	return m;
}

static bool has_note(const struct job_spec *spec, const struct marked *m, const char *fragment)
{
	for (size_t i = 0; i < spec->n_notes; i++)
		if (strstr(spec->notes[i].text, fragment) && spec->notes[i].mark.line == m->line &&
		    spec->notes[i].mark.column == m->column)
			return true;
	for (size_t i = 0; i < spec->n_notes; i++)
		print_message("# got %u:%u: %s\n", spec->notes[i].mark.line,
		              spec->notes[i].mark.column, spec->notes[i].text);
	return false;
}

static void what_run_cannot_do_is_noted_where_it_stands(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(noted); i++) {
		struct marked m;
		unmark(noted[i].text, &m);
		struct made made = spec_of(m.text);
		if (!has_note(made.spec, &m, noted[i].fragment))
			fail_msg("no note `%s` at %u:%u in:\n%s", noted[i].fragment, m.line,
			         m.column, m.text);
		made_done(&made);
	}
}

static void values_of_outsiders_in_a_script_are_found_before_anything_runs(void **state)
{
	(void)state;
	struct made m = spec_of(
		S("run: |\n          echo '${{ github.event.issue.title }}' ${{ github.sha }}\n"
	          "          ${{ github.head_ref }}\n"
	          "      - run: echo ${{ github.run_id }}\n"
	          "      - run: print('${{ github.ref_name }}')\n        shell: python"));
	const struct spec_step *s = m.spec->steps;
	assert_int_equal(s[0].n_outsiders, 2);
	assert_string_equal(s[0].outsiders[0].path, "github.event.issue.title");
	assert_null(s[0].outsiders[0].refused);
	assert_string_equal(s[0].outsiders[1].expression, "github.head_ref");
	assert_non_null(strstr(s[0].outsiders[1].refused, "a command"));
	assert_int_equal(s[1].n_outsiders, 0);
	assert_non_null(strstr(s[2].outsiders[0].refused, "no variables"));
	made_done(&m);
}

static void a_checkout_of_this_repository_needs_no_process_and_no_note(void **state)
{
	(void)state;
	struct made m = spec_of(S("{ uses: actions/checkout@v4, with: { fetch-depth: 0, "
	                          "submodules: true } }\n      - run: x"));
	assert_int_equal(m.spec->n_notes, 0);
	assert_non_null(m.spec->steps[0].recipe.nothing);
	assert_null(m.spec->steps[1].recipe.nothing);
	made_done(&m);
}

static void values_are_texts_as_github_writes_them(void **state)
{
	(void)state;
	struct made m = spec_of("name: W\nenv: { N: 1.0, B: on, E: , Q: 'x', T: True, "
	                        "L: \"${{ '${{' }}\", GITHUB_X: lie }\n" J(R));
	const struct env_layer *env = &m.spec->steps[0].recipe.env[0];
	static const char *const want[] = { "1", "on", "", "x", "true", "${{" };
	assert_string_equal(m.spec->pipeline, "W");
	assert_int_equal(env->n, ARRAY_LEN(want));
	for (size_t i = 0; i < env->n; i++)
		assert_string_equal(env->vars[i].value, want[i]);
	made_done(&m);
}

static void the_jobs_defaults_stand_in_for_the_workflows_as_a_whole(void **state)
{
	(void)state;
	static const char head[] = "defaults: { run: { shell: sh, working-directory: d } }\n";
	char text[600];
	(void)snprintf(text, sizeof(text), "%s%s", head,
	               J("    steps:\n      - run: x\n      - { run: x, working-directory: '' }\n"
	                 "      - { run: x, shell: bash }\n"));
	struct made m = spec_of(text);
	assert_string_equal(m.spec->steps[0].recipe.workdir, "/work/d");
	assert_string_equal(m.spec->steps[0].shell, "sh");
	assert_string_equal(m.spec->steps[1].recipe.workdir, "/work");
	assert_string_equal(m.spec->steps[2].shell, "bash");
	made_done(&m);
	(void)snprintf(text, sizeof(text), "%s%s", head,
	               J("    defaults: { run: { shell: bash } }\n" R));
	m = spec_of(text);
	assert_string_equal(m.spec->steps[0].recipe.workdir, "/work");
	made_done(&m);
}

/* Grants come first: what rules are held against is the text, with its expressions. */
static void facts_are_the_written_text(void **state)
{
	(void)state;
	struct made m = spec_of(S("{ name: 'N ${{ github.ref }}', run: \"npm ci ${{ inputs.x }}\", "
	                          "working-directory: \"${{ github.ref }}\" }"));
	assert_string_equal(m.spec->steps[0].facts.run, "npm ci ${{ inputs.x }}");
	assert_string_equal(m.spec->steps[0].facts.name, "N ${{ github.ref }}");
	assert_string_equal(m.spec->steps[0].recipe.workdir, "${{ github.ref }}");
	assert_null(m.spec->steps[0].facts.id);
	made_done(&m);
}

static const char called_policy[] =
	"version: 1\nsteps: [ { phase: fetch, match: { run: 'npm ci' } } ]\n"
	"phases: { fetch: { egress: [ { host: r.test } ] } }\n";

static void variables_that_an_expression_names_keep_a_rule_from_deciding(void **state)
{
	(void)state;
	static const char *const envs[] = { "\"${{ fromJSON('{}') }}\"",
		                            "{ \"${{ insert }}\": \"${{ github.event }}\" }",
		                            "{ \"${{ github.ref }}\": x }" };
	for (size_t i = 0; i < ARRAY_LEN(envs); i++) {
		char text[600];
		(void)snprintf(text, sizeof(text), J("    steps: [ { run: npm ci, env: %s } ]\n"),
		               envs[i]);
		struct made m = made_fine(text, called_policy, NULL);
		assert_int_equal(m.plan->grants[0].phase, DD_PHASE_BUILD);
		assert_non_null(strstr(m.plan->grants[0].phase_why, "which may decide what runs"));
		made_done(&m);
	}
	struct made m = made_fine(J("    steps: [ { run: npm ci, env: { A: \"${{ github.ref }}\" } "
	                            "} ]\n"),
	                          called_policy, NULL);
	assert_int_equal(m.plan->grants[0].phase, DD_PHASE_FETCH);
	made_done(&m);
}

/* ---- jobs ---- */

static int load(void *user, const char *caller, const char *ref, char **ret, size_t *ret_len,
                struct dd_err *err)
{
	static const char text[] =
		"on: workflow_call\nenv: { WHOSE: called }\njobs:\n  x: { runs-on: x, steps: "
		"[ { id: s, run: make } ] }\n  y: { needs: x, runs-on: x, steps: [ { run: z } ] "
		"}\n";
	(void)user;
	(void)caller;
	(void)ref;
	(void)err;
	*ret = strdup(text);
	*ret_len = sizeof(text) - 1;
	return *ret ? 0 : -ENOMEM;
}

static void a_job_of_a_called_workflow_is_named_by_the_way_to_it(void **state)
{
	(void)state;
	static const char text[] =
		"on: push\nenv: { WHOSE: caller }\njobs:\n  x: { runs-on: x, "
		"steps: [ { run: a } ] }\n  c: { uses: ./.github/workflows/c.yml }\n";
	const struct wf_options options = { .load = load };
	struct wf_errors errors = { .n = 0 };
	struct diag_list diags = { 0 };
	struct made m = { .plan = NULL };
	struct event_facts local;

	event_local(&local);
	assert_int_equal(wf_parse("w.yml", text, strlen(text), &options, &m.wf, &errors), 0);
	wf_flatten(m.wf, &m.jobs);
	static const char *const want[] = { "x", "c", "c/x", "c/y" };
	assert_int_equal(m.jobs.n, ARRAY_LEN(want));
	for (size_t i = 0; i < m.jobs.n; i++)
		assert_string_equal(m.jobs.jobs[i].id, want[i]);
	assert_int_equal(m.jobs.jobs[3].first_beside + m.jobs.jobs[3].job->need_jobs[0], 2);
	const struct wf_flat_job *one = wf_flat_find(&m.jobs, "C/X", &diags);
	assert_ptr_equal(one, &m.jobs.jobs[2]);
	made_world(&m, &local);
	assert_int_equal(wf_job_spec(&m.jobs, one, &local, &m.world, &m.spec, &diags), 0);
	assert_string_equal(m.spec->steps[0].facts.job, "c/x");
	/* of the called file alone */
	assert_string_equal(m.spec->steps[0].recipe.env[0].vars[0].value, "called");
	assert_null(wf_flat_find(&m.jobs, NULL, &diags));
	assert_non_null(strstr(diags.items[0].text, "x, c, c/x, c/y"));
	diag_list_done(&diags);
	made_done(&m);
}

static void what_github_knows_of_a_job_is_kept(void **state)
{
	(void)state;
	struct made m = spec_of(
		"name: CI\non: { push: { branches: [ main ] }, pull_request: }\npermissions: { "
		"contents: read, id-token: write }\n"
		"concurrency: { group: \"${{ github.ref }}\", cancel-in-progress: true }\n"
		"jobs:\n  a:\n    runs-on: [ self-hosted, linux ]\n    needs: [ ]\n    if: "
		"github.ref == 'refs/heads/main'\n"
		"    environment: { name: prod, url: x }\n    container: { image: node:20 }\n    "
		"services: { db: { image: postgres:16, ports: [ 5432 ] } }\n"
		"    outputs: { v: '${{ steps.s.outputs.v }}' }\n    timeout-minutes: ${{ 5 }}\n"
		"    steps:\n      - { id: s, uses: actions/setup-node@v4, with: { node-version: "
		"20, cache: npm }, if: always() }\n");
	const struct spec_about *about = &m.spec->about;
	assert_string_equal(about->on, "push, pull_request");
	assert_string_equal(about->permissions, "contents: read, id-token: write");
	assert_string_equal(about->runs_on, "[self-hosted, linux]");
	assert_string_equal(about->cond, "github.ref == 'refs/heads/main'");
	assert_string_equal(about->environment, "{name: prod, url: x}");
	assert_string_equal(about->container, "node:20");
	assert_string_equal(about->services[0].name, "db");
	assert_string_equal(about->services[0].value, "postgres:16");
	assert_string_equal(about->outputs, "{v: ${{ steps.s.outputs.v }}}");
	assert_int_equal(m.spec->steps[0].time_sec, 0); /* not known before it runs */
	assert_string_equal(m.spec->steps[0].with[1].name, "cache");
	assert_string_equal(m.spec->steps[0].with[1].value, "npm");
	assert_string_equal(m.spec->steps[0].cond, "always()");
	made_done(&m);
}

static void combinations_are_named_also_by_a_name_that_is_an_expression(void **state)
{
	(void)state;
	struct made m =
		spec_of(J("    name: 'T ${{ matrix.py }} on ${{matrix.os.name}}'\n    "
	                  "strategy: { matrix: { py: [ 3.10 ], os: [ { name: deb } ] } }\n" R));
	assert_int_equal(m.spec->about.n_combinations, 1);
	assert_string_equal(m.spec->about.combinations[0].name, "T 3.1 on deb");
	made_done(&m);
	m = spec_of(
		J("    strategy: { matrix: { p: \"${{ fromJSON(needs.x.outputs.y) }}\" } }\n" R));
	assert_int_equal(m.spec->about.n_combinations, 0);
	assert_string_equal(m.spec->about.computed, "${{ fromJSON(needs.x.outputs.y) }}");
	assert_string_equal(m.spec->about.axes[0].name, "p");
	made_done(&m);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_run_cannot_do_is_noted_where_it_stands),
		cmocka_unit_test(values_of_outsiders_in_a_script_are_found_before_anything_runs),
		cmocka_unit_test(a_checkout_of_this_repository_needs_no_process_and_no_note),
		cmocka_unit_test(values_are_texts_as_github_writes_them),
		cmocka_unit_test(the_jobs_defaults_stand_in_for_the_workflows_as_a_whole),
		cmocka_unit_test(facts_are_the_written_text),
		cmocka_unit_test(variables_that_an_expression_names_keep_a_rule_from_deciding),
		cmocka_unit_test(a_job_of_a_called_workflow_is_named_by_the_way_to_it),
		cmocka_unit_test(what_github_knows_of_a_job_is_kept),
		cmocka_unit_test(combinations_are_named_also_by_a_name_that_is_an_expression),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
