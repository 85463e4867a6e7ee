// SPDX-License-Identifier: Apache-2.0
/* plan_test.c - what a step gets follows from policy and event, never from what the workflow claims
 * (G-05, C-02, C-12). */
#include "plan_fixture.h"

#include "model/places.h"
#include "runner/policy/policy_narrow.h"

#include <stdlib.h>

static const char workflow_text[] =
	"name: W\nenv: { A: workflow, B: workflow, GITHUB_REF: lie, DRYDOCK_PHASE: push, TOKEN: "
	"lie }\n"
	"jobs:\n  j:\n    env: { B: job, C: job }\n    runs-on: x\n    steps:\n"
	"      - { id: get, run: npm ci, env: { C: step, D: step, PHASE: push } }\n"
	"      - { name: 'Phase: push', run: \"npm ci\\ncurl evil\" }\n"
	"      - { id: publish, run: ./push.sh, shell: bash, working-directory: a/./b/../c, "
	"timeout-minutes: 2 }\n";
static const char policy_text[] =
	"version: 1\nsteps:\n  - { phase: fetch, match: { run: 'npm ci*' } }\n  - { phase: push, "
	"match: { id: publish } }\n"
	"phases:\n  fetch: { egress: [ { host: r.test } ], env: { D: policy } }\n"
	"  push: { egress: [ { host: p.test } ], workspace: artifacts, artifacts: [ 'dist/**' ] }\n"
	"credentials: { reg: { from: { file: /s }, for: { phase: push, steps: [ publish ] }, as: { "
	"env: TOKEN }, ttl: 1m },\n"
	"  key: { from: { env: K }, for: { phase: push, steps: [ publish ] }, as: { file: SIGN_KEY "
	"} } }\n"
	"limits: { time: 1h }\n";

/* The value of @name in the environment of a step, and whether there is one. */
static const char *env_of(const struct grant *grant, const char *name)
{
	static char value[200];
	const char *hit = NULL;
	struct step_env env;
	step_env_make(&grant->written->recipe, grant->terms, grant->leases, grant->n_leases, &env);
	for (size_t i = 0; i < env.n; i++)
		if (strcmp(env.rows[i].name, name) == 0) {
			assert_null(hit); /* one row for each name */
			(void)snprintf(value, sizeof(value), "%s", env.rows[i].value);
			hit = value;
		}
	step_env_done(&env);
	return hit;
}

static void without_a_policy_every_step_is_build_and_closed(void **state)
{
	(void)state;
	struct made m = made_fine(workflow_text, NULL, NULL);
	for (size_t i = 0; i < m.plan->n_grants; i++) {
		assert_int_equal(m.plan->grants[i].phase, DD_PHASE_BUILD);
		assert_int_equal(m.plan->grants[i].terms->egress.n, 0);
		assert_int_equal(m.plan->grants[i].n_leases, 0);
	}
	made_done(&m);
}

static void of_many_jobs_those_that_find_no_room_are_counted(void **state)
{
	(void)state;
	char text[4000] = "jobs:\n";
	for (unsigned i = 10; i < 50; i++)
		(void)snprintf(
			text + strlen(text), sizeof(text) - strlen(text),
			"  a-job-with-a-name-%u:\n    { runs-on: x, steps: [ { run: x } ] }\n", i);
	for (int wanted = 0; wanted < 2; wanted++) {
		struct made m;
		struct event_facts local;
		event_local(&local);
		assert_int_equal(made_try(&m, text, NULL, wanted ? "b" : NULL, &local), -EINVAL);
		assert_non_null(strstr(wanted ? m.diags.items[0].hint : m.diags.items[0].text,
		                       "a-job-with-a-name-16, and 33 more"));
		made_done(&m);
	}
}

static void what_of_a_policy_fits_no_step_is_said(void **state)
{
	(void)state;
	struct made m = made_fine(workflow_text, policy_text, NULL);
	assert_int_equal(m.plan->n_unused, 0);
	made_done(&m);
	m = made_fine("jobs:\n  j:\n    runs-on: x\n    steps: [ { id: publsh, run: x } ]\n",
	              policy_text, NULL);
	assert_int_equal(m.plan->n_unused, 4);
	assert_string_equal(m.plan->unused[1],
	                    "p.yml:4:5: id: \"publish\": this rule decides about no step");
	assert_non_null(strstr(m.plan->unused[2],
	                       "credential `reg` is for `publish`, an id that no step has"));
	made_done(&m);
}

static void phases_come_from_the_policy_and_not_from_what_a_step_says(void **state)
{
	(void)state;
	struct made m = made_fine(workflow_text, policy_text, NULL);
	assert_int_equal(m.plan->grants[0].phase, DD_PHASE_FETCH);
	assert_string_equal(m.plan->grants[0].phase_why, "p.yml:3:5: run: \"npm ci*\"");
	assert_string_equal(m.plan->grants[0].terms->egress.entries[0].host, "r.test");
	/* its first line matches, its second is somebody else's */
	assert_int_equal(m.plan->grants[1].phase, DD_PHASE_BUILD);
	assert_int_equal(m.plan->grants[1].terms->egress.n, 0);
	assert_int_equal(m.plan->grants[2].phase, DD_PHASE_PUSH);
	assert_int_equal(m.plan->grants[2].terms->view, WORKSPACE_ARTIFACTS);
	assert_string_equal(m.plan->grants[2].terms->egress.entries[0].host, "p.test");
	assert_string_equal(m.plan->grants[2].label, "03-publish");
	made_done(&m);
}

static void environment_layers_win_in_order_and_nothing_is_inherited(void **state)
{
	(void)state;
	assert_int_equal(setenv("DRYDOCK_TEST_CANARY", "x", 1), 0);
	struct made m = made_fine(workflow_text, policy_text, NULL);
	const struct grant *step = &m.plan->grants[0];
	assert_null(env_of(step, "DRYDOCK_TEST_CANARY"));
	assert_string_equal(env_of(step, "A"), "workflow");
	assert_string_equal(env_of(step, "B"), "job");
	assert_string_equal(env_of(step, "C"), "step");
	assert_string_equal(env_of(step, "D"), "policy");
	/* a local run has no ref, and the workflow cannot invent one */
	assert_null(env_of(step, "GITHUB_REF"));
	assert_string_equal(env_of(step, "GITHUB_WORKSPACE"), PLACE_WORKSPACE);
	assert_string_equal(env_of(step, "GITHUB_JOB"), "j");
	assert_string_equal(env_of(step, "CI"), "true");
	made_done(&m);
}

static void only_the_named_push_step_holds_the_credential(void **state)
{
	(void)state;
	struct made m = made_fine(workflow_text, policy_text, NULL);
	const struct grant *push = &m.plan->grants[2];
	assert_int_equal(m.plan->grants[0].n_leases, 0);
	assert_int_equal(m.plan->grants[1].n_leases, 0);
	assert_int_equal(push->n_leases, 2);
	assert_string_equal(push->leases[0].target, "TOKEN");
	assert_int_equal(push->leases[0].ttl_sec, 60);
	assert_null(env_of(push, "TOKEN")); /* the lease wins over the workflow's variable */
	assert_string_equal(env_of(push, "CREDENTIALS_DIRECTORY"), SANDBOX_CREDENTIALS_DIR);
	assert_string_equal(env_of(push, "SIGN_KEY"), SANDBOX_CREDENTIALS_DIR "/SIGN_KEY");
	assert_null(env_of(&m.plan->grants[0], "CREDENTIALS_DIRECTORY"));
	made_done(&m);
}

static void a_push_step_of_an_untrusted_job_is_refused_before_anything_runs(void **state)
{
	(void)state;
	static const struct event_facts events[] = {
		{ .name = "pull_request", .pull_request = true, .ref_protected = true },
		{ .name = "push", .fork = true, .ref_protected = true },
		{ .name = "push", .ref_protected = false },
	};
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		struct made m;
		assert_int_equal(made_try(&m, workflow_text, policy_text, NULL, &events[i]),
		                 -EACCES);
		assert_null(m.plan);
		assert_int_equal(m.diags.items[0].mark.line, 10);
		made_done(&m);
	}
}

static void an_untrusted_job_that_may_push_still_gets_no_credential(void **state)
{
	(void)state;
	static const char text[] = "version: 1\nsteps: [ { phase: push, match: { id: publish } } "
				   "]\nphases: { push: { trust: any } }\n"
				   "credentials: { reg: { from: { file: /s }, for: { phase: push, "
				   "steps: [ publish ] }, as: { env: TOKEN } } }\n";
	const struct event_facts fork = { .name = "push", .fork = true };
	struct made m;
	assert_int_equal(made_try(&m, workflow_text, text, NULL, &fork), 0);
	assert_false(m.plan->trusted);
	assert_int_equal(m.plan->grants[2].phase, DD_PHASE_PUSH);
	assert_int_equal(m.plan->grants[2].n_leases, 0);
	made_done(&m);
}

static void a_credential_bound_to_a_step_of_another_phase_is_refused(void **state)
{
	(void)state;
	static const char text[] = "version: 1\n"
				   "credentials: { reg: { from: { file: /s }, for: { phase: push, "
				   "steps: [ get ] }, as: { env: TOKEN } } }\n";
	struct made m;
	struct event_facts local;
	event_local(&local);
	assert_int_equal(made_try(&m, workflow_text, text, NULL, &local), -EACCES);
	assert_int_equal(m.diags.n, 2);
	assert_string_equal(m.diags.items[0].mark.file, "p.yml");
	assert_string_equal(m.diags.items[1].mark.file, "w.yml");
	made_done(&m);
}

static void working_directories_are_joined_by_name_and_have_no_dots(void **state)
{
	(void)state;
	static const struct {
		const char *dir, *want;
	} rows[] = {
		{ "a/./b/../c", PLACE_WORKSPACE "/a/c" },
		{ ".", PLACE_WORKSPACE },
		{ "a//b/", PLACE_WORKSPACE "/a/b" },
		{ PLACE_WORKSPACE "/x", PLACE_WORKSPACE "/x" },
		{ "a/..", PLACE_WORKSPACE },
		{ "..", "/" },
		{ "a/../../b", "/b" },
		{ "a/../../../../b", "/b" },
		{ "/", "/" },
		{ "/tmp/./x/..//y", "/tmp/y" },
		{ PLACE_WORKSPACE "/../etc", "/etc" },
		{ PLACE_TEMP "/x", PLACE_TEMP "/x" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct made m;
		struct event_facts local;
		char text[300];
		event_local(&local);
		(void)snprintf(text, sizeof(text),
		               "jobs: { a: { runs-on: x, steps: [ { run: x, working-directory: "
		               "'%s' } ] } }",
		               rows[i].dir);
		int r = made_try(&m, text, NULL, NULL, &local);
		assert_int_equal(r, 0);
		assert_string_equal(m.spec->steps[0].recipe.workdir, rows[i].want);
		made_done(&m);
	}
}

static void a_working_directory_in_proc_is_refused(void **state)
{
	(void)state;
	static const char *const rows[] = { "/proc", "/proc/self/fd/3", "../proc/1/cwd",
		                            "/proc/self/fd/7/../../..", "/tmp/../proc/self/root" };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct made m;
		struct event_facts local;
		event_local(&local);
		char text[300];
		(void)snprintf(text, sizeof(text),
		               "jobs: { a: { runs-on: x, steps: [ { run: x, working-directory: "
		               "'%s' } ] } }",
		               rows[i]);
		assert_int_equal(made_try(&m, text, NULL, NULL, &local), -EINVAL);
		assert_non_null(strstr(m.diags.items[0].text, "lies in /proc"));
		made_done(&m);
	}
}

static void several_jobs_need_a_choice(void **state)
{
	(void)state;
	static const char text[] = "jobs: { a: { runs-on: x, steps: [ { run: x } ] }, b: { "
				   "runs-on: x, steps: [ { run: x } ] } }";
	struct made m;
	struct event_facts local;
	event_local(&local);
	assert_int_equal(made_try(&m, text, NULL, NULL, &local), -EINVAL);
	assert_non_null(strstr(m.diags.items[0].text, "a, b"));
	made_done(&m);
	assert_int_equal(made_try(&m, text, NULL, "c", &local), -EINVAL);
	made_done(&m);
	assert_int_equal(made_try(&m, text, NULL, "b", &local), 0);
	assert_string_equal(m.spec->id, "b");
	made_done(&m);
}

static void the_shortest_time_counts(void **state)
{
	(void)state;
	struct made m = made_fine(workflow_text, policy_text, NULL);
	assert_int_equal(m.plan->grants[0].time_sec, 3600);
	assert_int_equal(m.plan->grants[2].time_sec, 120);
	made_done(&m);
}

static void a_policy_for_another_repository_is_refused(void **state)
{
	(void)state;
	const struct event_facts ev = { .name = "push",
		                        .repository = "evil/x",
		                        .ref_protected = true };
	struct made m;
	assert_int_equal(
		made_try(&m, workflow_text, "version: 1\nfor: { repository: acme/* }\n", NULL, &ev),
		-EACCES);
	assert_int_equal(m.diags.items[0].mark.line, 2);
	made_done(&m);
}

/* ---- what only a forge can run ---- */

static const char real_text[] =
	"on: push\njobs:\n  t:\n    strategy: { matrix: { os: [ a, b ], v: [ 1 ] } }\n    runs-on: "
	"x\n    defaults: { run: { shell: \"${{ matrix.sh }}\" } }\n    steps:\n"
	"      - { id: src, uses: actions/checkout@v4 }\n"
	"      - { uses: actions/setup-node@v4, if: always(), with: { node-version: 20 } }\n"
	"      - { run: x, shell: cmd }\n      - { run: x, "
	"working-directory: \"${{ matrix.d }}/..\" }\n"
	"  other: { runs-on: x, steps: [ { uses: 'docker://x' } ] }\n";
static const char real_policy[] =
	"version: 1\nsteps:\n  - { phase: fetch, match: { uses: 'actions/*' } }\nphases:\n  fetch: "
	"{ egress: [ { host: r.test } ] }\n"
	"credentials: { key: { from: { env: K }, for: { phase: fetch, steps: [ src ] }, as: { env: "
	"T } } }\n";

static void uses_chooses_the_phase_of_a_step(void **state)
{
	(void)state;
	struct made m = made_fine(real_text, real_policy, "t");
	assert_int_equal(m.plan->grants[1].phase, DD_PHASE_FETCH);
	assert_string_equal(m.plan->grants[1].phase_why, "p.yml:3:5: uses: \"actions/*\"");
	assert_string_equal(m.plan->grants[1].name, "Run actions/setup-node@v4");
	assert_string_equal(m.spec->steps[1].cond, "always()");
	assert_string_equal(m.spec->steps[1].with[0].value, "20");
	assert_null(m.spec->steps[1].recipe.script);
	assert_null(m.spec->steps[1].recipe.nothing);
	assert_int_equal(m.plan->grants[1].terms->egress.n, 1);
	assert_int_equal(m.plan->grants[2].phase, DD_PHASE_BUILD);
	made_done(&m);
}

static void a_step_without_a_process_gets_neither_gate_nor_credential(void **state)
{
	(void)state;
	struct made m = made_fine(real_text, real_policy, "t");
	assert_non_null(m.spec->steps[0].recipe.nothing);
	assert_int_equal(m.plan->grants[0].phase, DD_PHASE_FETCH);
	assert_int_equal(m.plan->grants[0].terms->egress.n, 0);
	assert_int_equal(m.plan->grants[0].n_leases, 0);
	made_done(&m);
}

static void the_notes_of_a_plan_are_those_of_its_job(void **state)
{
	(void)state;
	static const struct {
		unsigned line;
		const char *text;
	} want[] = {
		{ 10, "pwsh" },
	};
	struct made m = made_fine(real_text, real_policy, "t");
	assert_int_equal(m.spec->n_notes, ARRAY_LEN(want));
	for (size_t i = 0; i < m.spec->n_notes; i++) {
		assert_int_equal(m.spec->notes[i].mark.line, want[i].line);
		assert_non_null(strstr(m.spec->notes[i].text, want[i].text));
		assert_string_equal(m.spec->notes[i].mark.file, "w.yml");
	}
	/* not known yet: as it is written */
	assert_string_equal(m.spec->steps[3].recipe.workdir, "${{ matrix.d }}/..");
	assert_string_equal(m.spec->about.combinations[1].name, "t (b, 1)");
	assert_string_equal(m.spec->about.axes[0].value, "a, b");
	made_done(&m);
	m = made_fine(real_text, NULL, "other");
	assert_int_equal(m.spec->n_notes, 1);
	made_done(&m);
}

/* ---- cost ---- */

static void steps_of_one_phase_share_what_the_policy_gives(void **state)
{
	(void)state;
	struct made m = made_fine(real_text, real_policy, "t");
	const struct grant *g = m.plan->grants;
	assert_ptr_equal(g[2].terms, g[3].terms);
	assert_ptr_not_equal(g[1].terms, g[2].terms);
	/* nothing is run for the first one: its gate is another one */
	assert_ptr_not_equal(g[0].terms, g[1].terms);
	assert_ptr_equal(g[1].terms->egress.entries, g[0].terms->egress.entries);
	assert_ptr_equal(m.spec->steps[1].recipe.env[0].vars, m.spec->steps[2].recipe.env[0].vars);
	made_done(&m);
}

/* A job with @vars variables and @steps steps. */
static char *job_text(unsigned vars, unsigned steps)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	assert_non_null(out);
	(void)fputs("jobs:\n  j:\n    env: { ", out);
	for (unsigned i = 0; i < vars; i++)
		(void)fprintf(out, "%sV%u: %u", i ? ", " : "", i, i);
	(void)fputs(" }\n    runs-on: x\n    steps:\n", out);
	for (unsigned i = 0; i < steps; i++)
		(void)fprintf(out, "      - { id: s%u, run: 'true' }\n", i);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void variables_times_steps_are_bounded(void **state)
{
	(void)state;
	static const struct {
		unsigned vars, steps;
		bool fits;
	} rows[] = { { 1000, 150, true }, { 150, 1000, true }, { 1000, 1000, false } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct made m;
		struct event_facts local;
		char *text = job_text(rows[i].vars, rows[i].steps);
		event_local(&local);
		assert_int_equal(made_try(&m, text, NULL, NULL, &local),
		                 rows[i].fits ? 0 : -EINVAL);
		if (!rows[i].fits)
			assert_non_null(strstr(m.diags.items[0].text, "variables together"));
		made_done(&m);
		free(text);
	}
}

/* A workflow, a policy and a repository's file multiply, and strangers write two of them: a
 * job of @n_steps scripts of @size bytes under @n_rules rules. */
static int made_large(struct made *m, size_t n_steps, size_t size, size_t n_rules,
                      bool of_repository)
{
	char *workflow = NULL, *policy = NULL;
	size_t len;
	struct event_facts local;
	FILE *f = open_memstream(&workflow, &len);
	assert_non_null(f);
	(void)fputs("jobs:\n  j:\n    runs-on: x\n    steps:\n", f);
	for (size_t i = 0; i < n_steps; i++) {
		(void)fprintf(f, "      - { id: s%zu, run: ", i);
		for (size_t k = 0; k < size; k++)
			(void)fputc('a', f);
		(void)fputs(" }\n", f);
	}
	(void)fclose(f);
	f = open_memstream(&policy, &len);
	assert_non_null(f);
	(void)fputs("version: 1\nsteps:\n", f);
	for (size_t i = 0; i < n_rules; i++) { /* of the second kind, as dear as they can be */
		(void)fputs("  - { phase: build, match: { run: '*", f);
		for (int k = 0; k < (of_repository ? 110 : 10); k++)
			(void)fputs("a?", f);
		(void)fprintf(f, "b%04zu*' } }\n", i);
	}
	(void)fclose(f);
	*m = (struct made){ .plan = NULL };
	event_local(&local);
	made_parse(m, workflow);
	const char *operators = of_repository ? "version: 1\n" : policy;
	assert_int_equal(policy_parse("p.yml", operators, strlen(operators), &m->policy, &m->diags),
	                 0);
	if (of_repository)
		assert_int_equal(
			policy_narrow_parse(m->policy, ".drydock.yml", policy, len, &m->diags), 0);
	const struct wf_flat_job *one = wf_flat_find(&m->jobs, NULL, &m->diags);
	made_world(m, &local);
	int r = wf_job_spec(&m->jobs, one, &local, &m->world, &m->spec, &m->diags);
	r = r < 0 ? r : plan_make(m->spec, m->policy, &m->plan, &m->diags);
	free(workflow);
	free(policy);
	return r;
}

static void rules_times_texts_are_bounded_before_they_are_compared(void **state)
{
	(void)state;
	struct made m;
	assert_int_equal(made_large(&m, 100, 1000, 100, false), 0); /* 10 Mi */
	made_done(&m);
	assert_int_equal(made_large(&m, 900, 1000, 300, false), -EINVAL);
	assert_non_null(strstr(m.diags.items[0].text, "257 Mi bytes of text"));
	assert_string_equal(m.diags.items[0].mark.file, "p.yml");
	made_done(&m);
	assert_int_equal(made_large(&m, 10, 1000, 30, true), 0); /* 9 Mi */
	made_done(&m);
	assert_int_equal(made_large(&m, 1, 900000, 30, true), -EINVAL);
	assert_string_equal(m.diags.items[0].mark.file, ".drydock.yml");
	made_done(&m);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uses_chooses_the_phase_of_a_step),
		cmocka_unit_test(a_step_without_a_process_gets_neither_gate_nor_credential),
		cmocka_unit_test(the_notes_of_a_plan_are_those_of_its_job),
		cmocka_unit_test(without_a_policy_every_step_is_build_and_closed),
		cmocka_unit_test(of_many_jobs_those_that_find_no_room_are_counted),
		cmocka_unit_test(what_of_a_policy_fits_no_step_is_said),
		cmocka_unit_test(phases_come_from_the_policy_and_not_from_what_a_step_says),
		cmocka_unit_test(environment_layers_win_in_order_and_nothing_is_inherited),
		cmocka_unit_test(only_the_named_push_step_holds_the_credential),
		cmocka_unit_test(a_push_step_of_an_untrusted_job_is_refused_before_anything_runs),
		cmocka_unit_test(an_untrusted_job_that_may_push_still_gets_no_credential),
		cmocka_unit_test(a_credential_bound_to_a_step_of_another_phase_is_refused),
		cmocka_unit_test(working_directories_are_joined_by_name_and_have_no_dots),
		cmocka_unit_test(a_working_directory_in_proc_is_refused),
		cmocka_unit_test(several_jobs_need_a_choice),
		cmocka_unit_test(the_shortest_time_counts),
		cmocka_unit_test(a_policy_for_another_repository_is_refused),
		cmocka_unit_test(steps_of_one_phase_share_what_the_policy_gives),
		cmocka_unit_test(variables_times_steps_are_bounded),
		cmocka_unit_test(rules_times_texts_are_bounded_before_they_are_compared),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
