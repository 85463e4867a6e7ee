// SPDX-License-Identifier: Apache-2.0
/* plan_test.c - what a step gets follows from policy and event, never from what the workflow claims
 * (G-05, C-02, C-12). */
#include "complaint.h"

#include "runner/model/event.h"
#include "runner/forges/actions/workflow.h"
#include "runner/grant/plan.h"
#include "runner/policy/policy.h"
#include "model/places.h"

static const char workflow_text[] =
	"name: W\nenv: { A: workflow, B: workflow, GITHUB_REF: lie, DRYDOCK_PHASE: push, TOKEN: "
	"lie }\n"
	"jobs:\n  j:\n    env: { B: job, C: job }\n    steps:\n"
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

static int make(const char *wf_text, const char *pol_text, const char *job,
                const struct event_facts *event, struct plan **ret, struct diag_list *diags)
{
	struct workflow *wf = NULL;
	struct policy *policy = NULL;
	assert_int_equal(workflow_parse("w.yml", wf_text, strlen(wf_text), &wf, diags), 0);
	if (pol_text)
		assert_int_equal(policy_parse("p.yml", pol_text, strlen(pol_text), &policy, diags),
		                 0);
	int r = plan_make(wf, job, policy, event, ret, diags);
	/* a plan outlives its sources: reading it below would fail under ASan otherwise */
	workflow_free(wf);
	policy_free(policy);
	return r;
}

static struct plan *make_fine(const char *wf_text, const char *pol_text)
{
	struct diag_list diags = { 0 };
	struct plan *plan = NULL;
	struct event_facts local;
	event_local(&local);
	assert_int_equal(make(wf_text, pol_text, NULL, &local, &plan, &diags), 0);
	diag_list_done(&diags);
	return plan;
}

static const struct plan_env *env_of(const struct plan_step *step, const char *name)
{
	const struct plan_env *hit = NULL;
	for (size_t i = 0; i < step->n_env; i++)
		if (strcmp(step->env[i].name, name) == 0) {
			assert_null(hit); /* one row for each name */
			hit = &step->env[i];
		}
	return hit;
}

static void without_a_policy_every_step_is_build_and_closed(void **state)
{
	(void)state;
	struct plan *plan = make_fine(workflow_text, NULL);
	for (size_t i = 0; i < plan->n_steps; i++) {
		assert_int_equal(plan->steps[i].phase, DD_PHASE_BUILD);
		assert_int_equal(plan->steps[i].egress.n, 0);
		assert_int_equal(plan->steps[i].n_leases, 0);
	}
	plan_free(plan);
}

static void of_many_jobs_those_that_find_no_room_are_counted(void **state)
{
	(void)state;
	char text[4000] = "jobs:\n";
	for (unsigned i = 10; i < 50; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
		               "  a-job-with-a-name-%u:\n    steps: [ { run: x } ]\n", i);
	for (int wanted = 0; wanted < 2; wanted++) {
		struct diag_list diags = { 0 };
		struct plan *plan = NULL;
		struct event_facts local;
		event_local(&local);
		assert_int_equal(make(text, NULL, wanted ? "b" : NULL, &local, &plan, &diags),
		                 -EINVAL);
		assert_non_null(strstr(wanted ? diags.items[0].hint : diags.items[0].text,
		                       "a-job-with-a-name-16, and 33 more"));
		diag_list_done(&diags);
	}
}

static void what_of_a_policy_fits_no_step_is_said(void **state)
{
	(void)state;
	struct plan *plan = make_fine(workflow_text, policy_text);
	assert_int_equal(plan->n_unused, 0);
	plan_free(plan);
	plan = make_fine("jobs:\n  j:\n    steps: [ { id: publsh, run: x } ]\n", policy_text);
	assert_int_equal(plan->n_unused, 4);
	assert_string_equal(plan->unused[1],
	                    "p.yml:4:5: id: \"publish\": this rule decides about no step");
	assert_non_null(strstr(plan->unused[2],
	                       "credential `reg` is for `publish`, an id that no step has"));
	plan_free(plan);
}

static void phases_come_from_the_policy_and_not_from_what_a_step_says(void **state)
{
	(void)state;
	struct plan *plan = make_fine(workflow_text, policy_text);
	assert_int_equal(plan->steps[0].phase, DD_PHASE_FETCH);
	assert_string_equal(plan->steps[0].phase_why, "p.yml:3:5: run: \"npm ci*\"");
	assert_string_equal(plan->steps[0].egress.entries[0].host, "r.test");
	/* its first line matches, its second is somebody else's */
	assert_int_equal(plan->steps[1].phase, DD_PHASE_BUILD);
	assert_int_equal(plan->steps[1].egress.n, 0);
	assert_int_equal(plan->steps[2].phase, DD_PHASE_PUSH);
	assert_int_equal(plan->steps[2].view, WORKSPACE_ARTIFACTS);
	assert_string_equal(plan->steps[2].egress.entries[0].host, "p.test");
	assert_string_equal(plan->steps[2].label, "03-publish");
	plan_free(plan);
}

static void environment_layers_win_in_order_and_nothing_is_inherited(void **state)
{
	(void)state;
	assert_int_equal(setenv("DRYDOCK_TEST_CANARY", "x", 1), 0);
	struct plan *plan = make_fine(workflow_text, policy_text);
	const struct plan_step *step = &plan->steps[0];
	assert_null(env_of(step, "DRYDOCK_TEST_CANARY"));
	assert_string_equal(env_of(step, "A")->value, "workflow");
	assert_string_equal(env_of(step, "B")->value, "job");
	assert_string_equal(env_of(step, "C")->value, "step");
	assert_string_equal(env_of(step, "D")->value, "policy");
	/* a local run has no ref, and the workflow cannot invent one */
	assert_null(env_of(step, "GITHUB_REF"));
	assert_string_equal(env_of(step, "GITHUB_WORKSPACE")->value, PLACE_WORKSPACE);
	assert_string_equal(env_of(step, "GITHUB_JOB")->value, "j");
	assert_string_equal(env_of(step, "CI")->value, "true");
	plan_free(plan);
}

static void only_the_named_push_step_holds_the_credential(void **state)
{
	(void)state;
	struct plan *plan = make_fine(workflow_text, policy_text);
	const struct plan_step *push = &plan->steps[2];
	assert_int_equal(plan->steps[0].n_leases, 0);
	assert_int_equal(plan->steps[1].n_leases, 0);
	assert_int_equal(push->n_leases, 2);
	assert_string_equal(push->leases[0].target, "TOKEN");
	assert_int_equal(push->leases[0].ttl_sec, 60);
	assert_null(env_of(push, "TOKEN")); /* the lease wins over the workflow's variable */
	assert_string_equal(env_of(push, "CREDENTIALS_DIRECTORY")->value, SANDBOX_CREDENTIALS_DIR);
	assert_string_equal(env_of(push, "SIGN_KEY")->value, SANDBOX_CREDENTIALS_DIR "/SIGN_KEY");
	assert_null(env_of(&plan->steps[0], "CREDENTIALS_DIRECTORY"));
	plan_free(plan);
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
		struct diag_list diags = { 0 };
		struct plan *plan = NULL;
		assert_int_equal(make(workflow_text, policy_text, NULL, &events[i], &plan, &diags),
		                 -EACCES);
		assert_null(plan);
		assert_int_equal(diags.items[0].mark.line, 9);
		diag_list_done(&diags);
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
	struct diag_list diags = { 0 };
	struct plan *plan = NULL;
	assert_int_equal(make(workflow_text, text, NULL, &fork, &plan, &diags), 0);
	assert_false(plan->trusted);
	assert_int_equal(plan->steps[2].phase, DD_PHASE_PUSH);
	assert_int_equal(plan->steps[2].n_leases, 0);
	plan_free(plan);
}

static void a_credential_bound_to_a_step_of_another_phase_is_refused(void **state)
{
	(void)state;
	static const char text[] = "version: 1\n"
				   "credentials: { reg: { from: { file: /s }, for: { phase: push, "
				   "steps: [ get ] }, as: { env: TOKEN } } }\n";
	struct diag_list diags = { 0 };
	struct plan *plan = NULL;
	struct event_facts local;
	event_local(&local);
	assert_int_equal(make(workflow_text, text, NULL, &local, &plan, &diags), -EACCES);
	assert_int_equal(diags.n, 2);
	assert_string_equal(diags.items[0].mark.file, "p.yml");
	assert_string_equal(diags.items[1].mark.file, "w.yml");
	diag_list_done(&diags);
}

static void working_directories_stay_in_the_workspace(void **state)
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
		{ "..", NULL },
		{ "a/../../b", NULL },
		{ "/etc", NULL },
		{ PLACE_WORKSPACE "/../etc", NULL },
		{ PLACE_WORKSPACE "x", NULL },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct diag_list diags = { 0 };
		struct plan *plan = NULL;
		struct event_facts local;
		char text[300];
		event_local(&local);
		(void)snprintf(text, sizeof(text),
		               "jobs: { a: { steps: [ { run: x, working-directory: '%s' } ] } }",
		               rows[i].dir);
		int r = make(text, NULL, NULL, &local, &plan, &diags);
		assert_int_equal(r, rows[i].want ? 0 : -EINVAL);
		if (rows[i].want)
			assert_string_equal(plan->steps[0].workdir, rows[i].want);
		else
			assert_int_equal(diags.items[0].mark.column, 52);
		plan_free(plan);
		diag_list_done(&diags);
	}
}

static void several_jobs_need_a_choice(void **state)
{
	(void)state;
	static const char text[] =
		"jobs: { a: { steps: [ { run: x } ] }, b: { steps: [ { run: x } ] } }";
	struct diag_list diags = { 0 };
	struct plan *plan = NULL;
	struct event_facts local;
	event_local(&local);
	assert_int_equal(make(text, NULL, NULL, &local, &plan, &diags), -EINVAL);
	assert_non_null(strstr(diags.items[0].text, "a, b"));
	assert_int_equal(make(text, NULL, "c", &local, &plan, &diags), -EINVAL);
	diag_list_done(&diags);
	assert_int_equal(make(text, NULL, "b", &local, &plan, &diags), 0);
	assert_string_equal(plan->job_id, "b");
	plan_free(plan);
}

static void the_shortest_time_counts(void **state)
{
	(void)state;
	struct plan *plan = make_fine(workflow_text, policy_text);
	assert_int_equal(plan->steps[0].limits.time_sec, 3600);
	assert_int_equal(plan->steps[2].limits.time_sec, 120);
	plan_free(plan);
}

static void a_policy_for_another_repository_is_refused(void **state)
{
	(void)state;
	const struct event_facts ev = { .name = "push",
		                        .repository = "evil/x",
		                        .ref_protected = true };
	struct diag_list diags = { 0 };
	struct plan *plan = NULL;
	assert_int_equal(make(workflow_text, "version: 1\nfor: { repository: acme/* }\n", NULL, &ev,
	                      &plan, &diags),
	                 -EACCES);
	assert_int_equal(diags.items[0].mark.line, 2);
	diag_list_done(&diags);
}

/* ---- what only a forge can run ---- */

static const char real_text[] =
	"on: push\njobs:\n  t:\n    strategy: { matrix: { os: [ a, b ], v: [ 1 ] } }\n    steps:\n"
	"      - { id: src, uses: actions/checkout@v4 }\n"
	"      - { uses: actions/setup-node@v4, if: always(), with: { node-version: 20 } }\n"
	"      - { run: x, shell: pwsh }\n      - { run: x, shell: \"${{ matrix.sh }}\", "
	"working-directory: \"${{ matrix.d }}/..\" }\n"
	"  other: { steps: [ { uses: a/b@v1 } ] }\n";
static const char real_policy[] =
	"version: 1\nsteps:\n  - { phase: fetch, match: { uses: 'actions/*' } }\nphases:\n  fetch: "
	"{ egress: [ { host: r.test } ] }\n"
	"credentials: { key: { from: { env: K }, for: { phase: fetch, steps: [ src ] }, as: { env: "
	"T } } }\n";

static struct plan *make_job(const char *wf_text, const char *pol_text, const char *job)
{
	struct diag_list diags = { 0 };
	struct plan *plan = NULL;
	struct event_facts local;
	event_local(&local);
	assert_int_equal(make(wf_text, pol_text, job, &local, &plan, &diags), 0);
	diag_list_done(&diags);
	return plan;
}

static void uses_chooses_the_phase_of_a_step(void **state)
{
	(void)state;
	struct plan *plan = make_job(real_text, real_policy, "t");
	assert_int_equal(plan->steps[1].phase, DD_PHASE_FETCH);
	assert_string_equal(plan->steps[1].phase_why, "p.yml:3:5: uses: \"actions/*\"");
	assert_string_equal(plan->steps[1].name, "Run actions/setup-node@v4");
	assert_string_equal(plan->steps[1].cond, "always()");
	assert_string_equal(plan->steps[1].with[0].value, "20");
	assert_null(plan->steps[1].script);
	assert_null(plan->steps[1].nothing);
	assert_int_equal(plan->steps[1].egress.n, 1);
	assert_int_equal(plan->steps[2].phase, DD_PHASE_BUILD);
	plan_free(plan);
}

static void a_step_without_a_process_gets_neither_gate_nor_credential(void **state)
{
	(void)state;
	struct plan *plan = make_job(real_text, real_policy, "t");
	assert_non_null(plan->steps[0].nothing);
	assert_int_equal(plan->steps[0].phase, DD_PHASE_FETCH);
	assert_int_equal(plan->steps[0].egress.n, 0);
	assert_int_equal(plan->steps[0].n_leases, 0);
	plan_free(plan);
}

static void the_notes_of_a_plan_are_those_of_its_job(void **state)
{
	(void)state;
	static const struct {
		unsigned line;
		const char *text;
	} want[] = {
		{ 4, "`strategy`" },  { 7, "`if`" },        { 7, "`uses`" }, { 7, "`with`" },
		{ 9, "expressions" }, { 9, "expressions" }, { 8, "pwsh" },
	};
	struct plan *plan = make_job(real_text, real_policy, "t");
	assert_int_equal(plan->n_notes, ARRAY_LEN(want));
	for (size_t i = 0; i < plan->n_notes; i++) {
		assert_int_equal(plan->notes[i].mark.line, want[i].line);
		assert_non_null(strstr(plan->notes[i].text, want[i].text));
		assert_string_equal(plan->notes[i].mark.file, "w.yml");
	}
	/* not known yet: as it is written */
	assert_string_equal(plan->steps[3].workdir, "${{ matrix.d }}/..");
	assert_string_equal(plan->job.combinations[1], "t (b, 1)");
	assert_string_equal(plan->job.axes[0].value, "a, b");
	plan_free(plan);
	plan = make_job(real_text, NULL, "other");
	assert_int_equal(plan->n_notes, 1);
	plan_free(plan);
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
		cmocka_unit_test(working_directories_stay_in_the_workspace),
		cmocka_unit_test(several_jobs_need_a_choice),
		cmocka_unit_test(the_shortest_time_counts),
		cmocka_unit_test(a_policy_for_another_repository_is_refused),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
