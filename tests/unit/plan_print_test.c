// SPDX-License-Identifier: Apache-2.0
/* plan_print_test.c - what is shown of a plan: complete, escaped, and the same rules that a sandbox
 * gets. */
#include "plan_fixture.h"

#include "runner/view/plan_print.h"
#include "drydock/sandbox_shown.h"

#include <jansson.h>

static const char workflow_text[] =
	"jobs:\n  j:\n    name: \"J\\e[31m\"\n    runs-on: x\n    steps:\n      - { id: get, run: "
	"\"npm ci\\n\\e[2Jevil\" }\n      - { run: make }\n"
	"      - { id: out, run: x, continue-on-error: true }\n      - { uses: 'docker://x', with: "
	"{ t: "
	"\"\\e[0m\" }, if: \"'\\e]0;x'\" }\n";
static const char policy_text[] = "version: 1\nsteps:\n  - { phase: fetch, match: { id: get } }\n  "
				  "- { phase: push, match: { id: out } }\n"
				  "phases:\n  fetch: { egress: [ { host: '*.r.test', why: 'e' }, { "
				  "cidr: 192.0.2.0/24, port: 22 } ], wildcard_names: 7 }\n"
				  "  push: { workspace: artifacts, artifacts: [ 'dist/**' ] "
				  "}\nsandbox: { read: [ /opt/x ] }\n";

/* The profiles as in the source tree; the tests run there. */
static struct plan_shown shown_of(const struct plan *plan)
{
	struct plan_shown shown = {
		.plan = plan, .views = calloc(plan->n_grants, sizeof(struct seccomp_view *))
	};
	struct dd_err err = { 0 };
	assert_non_null(shown.views);
	assert_int_equal(
		seccomp_view_load("configs/seccomp/default.seccomp", NULL, &shown.views[0], &err),
		0);
	for (size_t i = 1; i < plan->n_grants; i++)
		shown.views[i] = shown.views[0];
	return shown;
}

static char *printed(const struct plan *plan, const struct plan_shown *shown,
                     struct plan_print_options how, bool json)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	assert_non_null(out);
	assert_int_equal(json ? plan_print_json(plan, shown, how, out)
	                      : plan_print_text(plan, shown, how, out),
	                 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void nothing_of_the_workflow_reaches_the_terminal_unescaped(void **state)
{
	(void)state;
	struct made m = made_fine(workflow_text, policy_text, NULL);
	struct plan *plan = m.plan;
	struct plan_shown shown = shown_of(plan);
	char *text = printed(plan, &shown,
	                     (struct plan_print_options){ .rules = true, .syscalls = true }, false);
	assert_null(strchr(text, '\x1b'));
	assert_non_null(strstr(text, "\\x1b[2Jevil"));
	free(text);
	plan_shown_free(&shown);
	made_done(&m);
}

static void the_text_says_what_each_step_gets(void **state)
{
	(void)state;
	static const char *const wanted[] = {
		"*.r.test:443",
		"192.0.2.0/24:22",
		"7 names for each wildcard",
		"gate       closed",
		"artifacts: only the artifacts, as they were when the build ended",
		"/opt/x  read-only: the host's own",
		"/work  read-write: put together anew for this step",
		"limits     as in step 1",
		"seccomp    as in step 1",
		"others ENOSYS",
		"Landlock",
		"/var/lib/dpkg",
		"the job goes on",
		("`run` would refuse this: w.yml:9:17: an action in a container (`uses: "
		 "docker://x`)"),
		"nftables (--rules shows them)",
	};
	struct made m = made_fine(workflow_text, policy_text, NULL);
	struct plan *plan = m.plan;
	struct plan_shown shown = shown_of(plan);
	char *text = printed(plan, &shown, (struct plan_print_options){ .rules = false }, false);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		if (!strstr(text, wanted[i]))
			fail_msg("the plan does not say `%s`:\n%s", wanted[i], text);
	assert_null(strstr(text, "chain output"));
	assert_null(strstr(text, "system calls of profile"));
	free(text);
	plan_shown_free(&shown);
	made_done(&m);
}

static json_t *parsed(char *text)
{
	json_error_t error;
	json_t *root = json_loads(text, 0, &error);
	free(text);
	assert_non_null(root);
	return root;
}

static void the_json_has_the_digest_that_a_run_records_and_all_rules(void **state)
{
	(void)state;
	struct made m = made_fine(workflow_text, policy_text, NULL);
	struct plan *plan = m.plan;
	struct plan_shown shown = shown_of(plan);
	json_t *root = parsed(
		printed(plan, &shown, (struct plan_print_options){ .syscalls = true }, true));
	json_t *first = json_array_get(json_object_get(root, "steps"), 0);
	/* Where a run's directories are does not matter: the digest is over the places. */
	static const struct step_view elsewhere = { .place = { "/a", "/b", "/c", "/d", "/e",
		                                               "/f" } };
	struct step_mounts mounts;
	char digest[65];
	step_mounts_make(plan->grants[0].terms, &plan->grants[0].written->recipe, &elsewhere,
	                 &mounts);
	assert_int_equal(step_mounts_digest(plan->grants[0].terms, &mounts, digest, NULL), 0);
	assert_string_equal(json_string_value(json_object_get(first, "mounts_digest")), digest);
	assert_int_equal(json_array_size(json_object_get(first, "mounts")), mounts.n);
	assert_true(json_array_size(json_object_get(json_object_get(first, "egress"), "rules")) >
	            20);
	json_t *calls = json_object_get(json_array_get(json_object_get(root, "syscalls"), 0),
	                                "calls");
	assert_int_equal(json_array_size(calls), seccomp_view_count(shown.views[0]));
	/* one profile, one list */
	assert_int_equal(json_array_size(json_object_get(root, "syscalls")), 1);
	json_decref(root);
	plan_shown_free(&shown);
	made_done(&m);
}

static void a_profile_that_is_not_there_is_named(void **state)
{
	(void)state;
	struct made m = made_fine(workflow_text, policy_text, NULL);
	struct plan *plan = m.plan;
	struct plan_shown shown = { 0 };
	struct dd_err err = { 0 };
	struct grant_terms other = *plan->grants[0].terms;
	other.seccomp = "no-such-profile";
	plan->grants[0].terms = &other;
	assert_true(plan_shown_load(plan, &shown, &err) < 0);
	assert_null(shown.views);
	assert_non_null(strstr(err.msg, "no-such-profile"));
	made_done(&m);
}

/* ---- the tables of the sandbox, shown ---- */

static void landlock_lets_a_step_write_in_its_read_write_mounts_only(void **state)
{
	(void)state;
	static const struct sandbox_mount mounts[] = {
		{ "/x", "/opt/x", SANDBOX_MOUNT_RO },
		{ "/y", "/work", SANDBOX_MOUNT_RW },
		{ "/z", "/home/runner", SANDBOX_MOUNT_RW },
	};
	struct sandbox_landlock_rule rule;
	size_t n = 0, work = 0, home = 0;
	for (; sandbox_landlock_rule_at(mounts, ARRAY_LEN(mounts), n, &rule); n++) {
		bool writes = false;
		for (size_t k = 0; rule.rights[k]; k++) {
			writes = writes || strcmp(rule.rights[k], "write_file") == 0;
			assert_string_not_equal(rule.rights[k], "make_char");
			assert_string_not_equal(rule.rights[k], "make_block");
		}
		assert_true(writes == (strcmp(rule.path, "/") != 0));
		assert_string_not_equal(rule.path, "/opt/x");
		work += strcmp(rule.path, "/work") == 0;
		home += strcmp(rule.path, "/home/runner") == 0;
	}
	assert_int_equal(work, 1);
	assert_int_equal(home, 1);
	assert_false(sandbox_landlock_rule_at(mounts, ARRAY_LEN(mounts), n + 1, &rule));
	/* without mounts, only the places of every sandbox */
	assert_false(sandbox_landlock_rule_at(NULL, 0, n - 2, &rule));
}

static void only_shared_memory_and_queues_are_writable_besides_the_mounts(void **state)
{
	(void)state;
	struct sandbox_place place;
	size_t n = 0, writable = 0;
	for (; sandbox_place_at(n, &place); n++) {
		assert_int_equal(place.path[0], '/');
		assert_non_null(place.why);
		writable += place.kind == SANDBOX_PLACE_PRIVATE;
		assert_null(strstr(place.path, "/shadow"));
	}
	assert_int_equal(writable, 2);
	assert_true(n > 30);
	assert_false(sandbox_place_at(n + 1, &place));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_of_the_workflow_reaches_the_terminal_unescaped),
		cmocka_unit_test(the_text_says_what_each_step_gets),
		cmocka_unit_test(the_json_has_the_digest_that_a_run_records_and_all_rules),
		cmocka_unit_test(a_profile_that_is_not_there_is_named),
		cmocka_unit_test(landlock_lets_a_step_write_in_its_read_write_mounts_only),
		cmocka_unit_test(only_shared_memory_and_queues_are_writable_besides_the_mounts),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
