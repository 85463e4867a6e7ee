// SPDX-License-Identifier: Apache-2.0
/* err_test.c - a failure is a negative number with a sentence, whatever errno was at the time. */
#include "drydock/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void the_code_comes_back_negative_with_its_text(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	assert_int_equal(dd_err_set(&err, ENOENT, "open %s", "x"), -ENOENT);
	assert_int_equal(err.code, ENOENT);
	assert_string_equal(err.msg, "open x: No such file or directory");
	assert_int_equal(dd_err_say(&err, EPERM, "no %d", 7), -EPERM);
	assert_int_equal(err.code, EPERM);
	assert_string_equal(err.msg, "no 7");
	assert_int_equal(dd_err_set(NULL, EPERM, "probe"), -EPERM);
}

/* write(2) that writes less than asked sets no errno: "return dd_err_set(err, errno, ...)" must not
 * say that all is well. */
static void a_failure_without_errno_is_not_success(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	assert_int_equal(dd_err_set(&err, 0, "write"), -EIO);
	assert_int_equal(err.code, EIO);
	assert_string_equal(err.msg, "write: Input/output error");
	assert_int_equal(dd_err_say(&err, -ENOENT, "a sign too many"), -EIO);
	assert_int_equal(err.code, EIO);
}

static void context_stands_in_front_and_the_number_stays(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	int r = dd_err_set(&err, EACCES, "open");
	assert_int_equal(dd_err_ctx(&err, r, "step %d", 3), -EACCES);
	assert_string_equal(err.msg, "step 3: open: Permission denied");
	assert_int_equal(err.code, EACCES);
}

static void blame_is_the_hosts_unless_said_and_survives_context_but_no_new_sentence(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	int r = dd_err_blame(&err, DD_BLAME_STEP, dd_err_set(&err, EACCES, "open"));
	assert_int_equal(r, -EACCES);
	assert_int_equal(err.blame, DD_BLAME_STEP);
	dd_err_ctx(&err, r, "step %d", 3);
	assert_int_equal(err.blame, DD_BLAME_STEP);
	dd_err_say(&err, EACCES, "another");
	assert_int_equal(err.blame, DD_BLAME_HOST);
	assert_int_equal(dd_err_blame(NULL, DD_BLAME_STEP, -EIO), -EIO);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_code_comes_back_negative_with_its_text),
		cmocka_unit_test(a_failure_without_errno_is_not_success),
		cmocka_unit_test(context_stands_in_front_and_the_number_stays),
		cmocka_unit_test(
			blame_is_the_hosts_unless_said_and_survives_context_but_no_new_sentence),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
