// SPDX-License-Identifier: Apache-2.0
/* policy_find_test.c - which of several policies a job runs under. */
#include "policy/policy_find.h"

#include "model/event.h"
#include "policy/policy_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

struct place {
	char dir[40];
	struct policy *policy;
	struct diag_list diags;
	struct dd_err err;
	struct event_facts event;
};

static void put(const struct place *p, const char *name, const char *text)
{
	char path[100];
	(void)snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	*p = (struct place){ .dir = "/tmp/dd-policy-find-XXXXXX",
		             .event = { .name = "push", .repository = "acme/app" } };
	*state = p;
	return mkdtemp(p->dir) ? 0 : -1;
}

static int teardown(void **state)
{
	struct place *p = *state;
	char command[80];
	policy_free(p->policy);
	diag_list_done(&p->diags);
	(void)snprintf(command, sizeof(command), "rm -rf %s", p->dir);
	int r = system(command);
	free(p);
	return r;
}

static int find(struct place *p, const char *dir)
{
	return policy_find(dir, &p->event, &p->policy, &p->diags, &p->err);
}

static void the_first_file_by_name_whose_for_names_the_job_counts(void **state)
{
	struct place *p = *state;
	put(p, "10-other.yml", "version: 1\nfor: { repository: \"acme/other\" }\n");
	put(p, "30-all.yml", "version: 1\n");
	put(p, "20-app.yml", "version: 1\nfor: { repository: \"acme/*\" }\n");
	put(p, ".05-hidden.yml", "version: 1\n");
	put(p, "00-no-policy.txt", "nonsense");

	assert_int_equal(find(p, p->dir), 0);
	assert_non_null(p->policy);
	assert_non_null(strstr(p->policy->path, "20-app.yml"));
}

static void policies_of_which_none_is_for_the_job_refuse_it(void **state)
{
	struct place *p = *state;
	put(p, "a.yml", "version: 1\nfor: { repository: \"acme/other\" }\n");

	assert_int_equal(find(p, p->dir), -EACCES);
	assert_int_equal(p->err.blame, DD_BLAME_POLICY);
	assert_null(p->policy);
}

static void a_broken_file_before_the_one_that_fits_ends_the_search(void **state)
{
	struct place *p = *state;
	put(p, "a.yml", "version: 1\nfor: { repositry: \"acme/other\" }\n");
	put(p, "b.yml", "version: 1\n");

	assert_true(find(p, p->dir) < 0);
	assert_null(p->policy);
	assert_true(p->diags.n > 0);
}

static void without_a_directory_or_a_file_there_is_no_policy_and_no_error(void **state)
{
	struct place *p = *state;
	assert_int_equal(find(p, "/nowhere/policy.d"), 0);
	assert_int_equal(find(p, p->dir), 0);
	assert_null(p->policy);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_first_file_by_name_whose_for_names_the_job_counts),
		TEST(policies_of_which_none_is_for_the_job_refuse_it),
		TEST(a_broken_file_before_the_one_that_fits_ends_the_search),
		TEST(without_a_directory_or_a_file_there_is_no_policy_and_no_error),
	};
	cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
