// SPDX-License-Identifier: Apache-2.0
/* recipe_test.c - a recipe that is not whole, or leads out of its places, is not run. */
#include "runner/model/recipe.h"

#include "runner/model/job_spec.h"
#include "runner/model/places.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char *const argv_sh[] = { "sh", PLACE_SCRIPTS "/x.sh", NULL }, *const nobody[] = {
	NULL
};
static const struct recipe good = { .name = "n",
	                            .argv = argv_sh,
	                            .script = "true",
	                            .script_path = PLACE_SCRIPTS "/x.sh",
	                            .workdir = PLACE_WORKSPACE };

static void a_recipe_that_is_not_whole_is_not_run(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	struct recipe r = good;
	assert_int_equal(recipe_check(&r, &err), 0);
	r.argv = nobody;
	assert_int_equal(recipe_check(&r, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "command of step `n` is not known"));
	r = (struct recipe){ .name = "n", .nothing = "there is nothing to do" };
	assert_int_equal(recipe_check(&r, &err), 0);
	r.name = "";
	assert_int_equal(recipe_check(&r, &err), -EINVAL);
}

static void places_of_a_recipe_are_its_own(void **state)
{
	(void)state;
	static const char
		*const dirs[] = { NULL,         "",        "work",    "/work/..",
		                  "/work/../x", "/tmp/..", "/../etc", "${{ matrix.dir }}" },
		       *const scripts[] = { NULL,
		                            "/work/x.sh",
		                            PLACE_SCRIPTS,
		                            PLACE_SCRIPTS "/",
		                            PLACE_SCRIPTS "/../x",
		                            PLACE_SCRIPTS "/a/b",
		                            PLACE_SCRIPTS "/.x" };
	struct recipe r = good;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		r.workdir = dirs[i];
		assert_int_equal(recipe_check(&r, NULL), -EINVAL);
	}
	r = good;
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		r.script_path = scripts[i];
		assert_int_equal(recipe_check(&r, NULL), -EINVAL);
	}
	r.script = NULL; /* a program without a script has none to lie anywhere */
	assert_int_equal(recipe_check(&r, NULL), 0);
	r.workdir = PLACE_WORKSPACE "/a..b/c";
	assert_int_equal(recipe_check(&r, NULL), 0);
	r.workdir = PLACE_TMP "/x";
	assert_int_equal(recipe_check(&r, NULL), 0);
}

static void names_that_front_ends_choose_are_checked_again(void **state)
{
	(void)state;
	const struct pair bad[] = { { .name = "A=B", .value = "" } };
	const struct env_layer layer = { .origin = "late", .vars = bad, .n = 1 };
	const char *const out[] = { "../output", NULL }, *const upper[] = { "OUTPUT", NULL };
	struct recipe r = good;
	r.env = &layer;
	r.n_env = 1;
	assert_int_equal(recipe_check(&r, NULL), -EINVAL);
	r = good;
	r.channel = out;
	assert_int_equal(recipe_check(&r, NULL), -EINVAL);
	r.channel = upper;
	assert_int_equal(recipe_check(&r, NULL), -EINVAL);
}

/* ---- of a whole job ---- */

static struct spec_step steps[] = {
	{ .facts = { .job = "j", .id = "a", .run = "true" }, .label = "01-a", .recipe.name = "a" },
	{ .facts = { .job = "j", .id = "b", .uses = "x/y" }, .label = "02-b", .recipe.name = "b" },
};

static size_t complaints(const char *about)
{
	struct job_spec spec = { .source = "s", .id = "j", .steps = steps, .n_steps = 2 };
	struct diag_list diags = { 0 };
	int r = job_spec_check(&spec, &diags);
	size_t n = diags.n;
	assert_int_equal(r, n ? -EINVAL : 0);
	if (n && about)
		assert_non_null(strstr(diags.items[0].text, about));
	diag_list_done(&diags);
	return n;
}

static void what_grants_rely_on_is_checked_once_for_all_front_ends(void **state)
{
	(void)state;
	assert_int_equal(complaints(NULL), 0);
	steps[1].facts.id = "a";
	assert_int_equal(complaints("the id `a`"), 1);
	steps[1].facts.id = "b";
	steps[1].label = "01-a";
	assert_int_equal(complaints("the label `01-a`"), 1);
	steps[1].label = "../02";
	assert_int_equal(complaints("no job, no name or no label"), 1);
	steps[1].label = "02-b";
	steps[1].facts.run = "true";
	assert_int_equal(complaints("one thing to do"), 1);
	steps[1].facts.run = NULL;
	assert_int_equal(complaints(NULL), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recipe_that_is_not_whole_is_not_run),
		cmocka_unit_test(places_of_a_recipe_are_its_own),
		cmocka_unit_test(names_that_front_ends_choose_are_checked_again),
		cmocka_unit_test(what_grants_rely_on_is_checked_once_for_all_front_ends),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
