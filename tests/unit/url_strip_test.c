// SPDX-License-Identifier: Apache-2.0
/* url_strip_test.c - what of a URL may stand in a record (L-08). */
#include "runner/base/url_strip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>

static void user_info_query_and_fragment_are_taken_out_of_every_url(void **state)
{
	(void)state;
	static const struct row {
		const char *in, *out;
	} rows[] = {
		{ "", "" },
		{ "no url: a?b@c", "no url: a?b@c" },
		{ "curl https://h.test/p", "curl https://h.test/p" },
		{ "curl 'https://u:p@h.test:8443/p?q=1#f' -o x",
		  "curl 'https://h.test:8443/p' -o x" },
		{ "two https://u@a.test/?x http://v:w@b.test",
		  "two https://a.test/ http://b.test" },
		{ "https://u@v@h/@kept", "https://h/@kept" },
		/* the slash ends the authority: what follows is a path */
		{ "https://u:p/w@h", "https://u:p/w@h" },
		{ "git+ssh://git@h/x.git", "git+ssh://h/x.git" },
		{ "://@", "://" },
		{ "x://", "x://" },
		{ "https://h#access_token=s", "https://h" },
		{ "(https://h?a),https://u@i", "(https://h),https://i" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *out = url_strip_dup(rows[i].in);
		assert_string_equal(out, rows[i].out);
		free(out);
	}
}

static void bytes_are_copied_by_length_and_not_by_terminator(void **state)
{
	(void)state;
	char out[16];
	assert_int_equal(url_strip("a\0://u@h\xff", 9, out), 7);
	assert_memory_equal(out, "a\0://h\xff", 7);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(user_info_query_and_fragment_are_taken_out_of_every_url),
		cmocka_unit_test(bytes_are_copied_by_length_and_not_by_terminator),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("url_strip", tests, NULL, NULL);
}
