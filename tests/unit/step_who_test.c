// SPDX-License-Identifier: Apache-2.0
/* step_who_test.c - what the record says about a step's script, and what of its own secrets it
 * keeps out. */
#include "runner/job/step_who.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runner/lease/mask_text.h"

/* Nothing was granted. */
static struct mask *none;

static const struct row {
	const char *script, *want;
	bool exact;
} rows[] = {
	{ "npm ci\n", "npm ci", true },
	{ "\n\t npm ci  \n\n", "npm ci", true },
	{ "", "", true },
	{ "curl https://host.test/a/b", "curl https://host.test/a/b", true },
	{ "curl https://user:pw@host.test/a", "curl https://host.test/a", false },
	{ "curl 'https://host.test/a?token=x&y=z' -o f", "curl 'https://host.test/a' -o f", false },
	{ "git clone https://$TOKEN@host.test/r.git && ls",
	  "git clone https://host.test/r.git && ls", false },
	{ "a://u@h?q b://v@i?r", "a://h b://i", false },
	{ "echo a?b@c", "echo a?b@c", true },
	{ "://", "://", true },
	{ "x://@", "x://", false },
	{ "https://host.test/at@sign", "https://host.test/at@sign", true },
	{ "https://a@b@host.test/", "https://host.test/", false },
};

static void a_script_is_trimmed_and_its_urls_lose_what_may_be_secret(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool exact = !rows[i].exact;
		char *got = step_match_run(rows[i].script, none, &exact);
		assert_non_null(got);
		assert_string_equal(got, rows[i].want);
		assert_int_equal(exact, rows[i].exact);
		free(got);
	}
}

static void a_long_script_is_cut_and_said_to_be(void **state)
{
	(void)state;
	char long_script[STEP_MATCH_MAX + 100];
	bool exact = true;
	memset(long_script, 'x', sizeof(long_script));
	long_script[sizeof(long_script) - 1] = '\0';
	char *got = step_match_run(long_script, none, &exact);
	assert_int_equal(strlen(got), STEP_MATCH_MAX);
	assert_false(exact);
	free(got);
}

static void the_secrets_of_a_step_are_in_nothing_that_is_written(void **state)
{
	(void)state;
	const struct grant_lease lease = { .name = "key" };
	const struct job_step step = { .leases = &lease, .n_leases = 1 }, later = { .number = 2 };
	struct process_hint who = { .pid = 7, .exe = "canary-value", .argv = "deploy canary-val" };
	char name[40] = "canary-value.evil.test", text[200];
	struct mask *mask = NULL;
	bool exact = true;

	assert_int_equal(mask_new(&mask, NULL), 0);
	assert_int_equal(mask_add(mask, "canary-value", 12, NULL), 0);
	char *got = step_match_run("echo canary-value | deploy", mask, &exact);
	assert_string_equal(got, "echo *** | deploy");
	assert_false(exact);
	free(got);
	mask_text(mask, name, sizeof(name));
	assert_string_equal(name, "***.evil.test");
	step_who_clean(&step, mask, &who);
	step_who_text(&who, text, sizeof(text));
	/* and no arguments: a secret that was cut in two is not found */
	assert_string_equal(text, "***");
	/* A later step of the job holds nothing, and may know the value all the same (C-17). */
	who = (struct process_hint){ .pid = 7, .exe = "sh", .argv = "sh -c echo canary-value" };
	step_who_clean(&later, mask, &who);
	step_who_text(&who, text, sizeof(text));
	assert_string_equal(text, "sh (sh -c echo ***)");
	/* ... cut where the room for arguments ends, too */
	memset(who.argv, 'x', sizeof(who.argv));
	memcpy(who.argv + sizeof(who.argv) - 7, "canary", 7);
	step_who_clean(&later, mask, &who);
	assert_null(strstr(who.argv, "canary"));
	/* What making it printable would change is not looked for: nothing is shown. */
	assert_int_equal(mask_add(mask, "p\xc3\xa4sswort", 9, NULL), 0);
	who = (struct process_hint){ .pid = 7, .exe = "sh", .argv = "sh -c p??sswort" };
	step_who_clean(&later, mask, &who);
	assert_string_equal(who.argv, "");
	mask_free(mask);
	/* With no mask to ask, nothing is shown. */
	mask_text(NULL, name, sizeof(name));
	assert_string_equal(name, "");
}

static void an_unknown_process_is_not_known(void **state)
{
	(void)state;
	const struct process_hint nobody = { .pid = 0 };
	char text[10] = "x";
	assert_false(step_who_facts(&nobody).known);
	step_who_text(&nobody, text, sizeof(text));
	assert_string_equal(text, "");
}

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_script_is_trimmed_and_its_urls_lose_what_may_be_secret),
		cmocka_unit_test(a_long_script_is_cut_and_said_to_be),
		cmocka_unit_test(the_secrets_of_a_step_are_in_nothing_that_is_written),
		cmocka_unit_test(an_unknown_process_is_not_known),
	};
	if (mask_new(&none, NULL) < 0)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	mask_free(none);
	return failed;
}
