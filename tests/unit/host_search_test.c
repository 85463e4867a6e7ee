// SPDX-License-Identifier: Apache-2.0
/* host_search_test.c - what a step gets of the host's search list. */
#include "runner/job/host_search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct {
	const char *text, *spelt;
	unsigned left_out;
} rows[] = {
	{ "", "nameserver 198.18.0.1\noptions timeout:2 attempts:2\n", 0 },
	{ "nameserver 10.0.0.1\nsearch Corp.Test. b.test\n",
	  "nameserver 198.18.0.1\nsearch corp.test b.test\noptions timeout:2 attempts:2\n", 0 },
	{ "search a.test\ndomain b.test\n",
	  "nameserver 198.18.0.1\nsearch b.test\noptions timeout:2 attempts:2\n", 0 },
	{ "\tsearch\ta.test\r\noptions rotate ndots:5 edns0\n",
	  "nameserver 198.18.0.1\nsearch a.test\noptions timeout:2 attempts:2 ndots:5\n", 0 },
	{ "search .\n", "nameserver 198.18.0.1\noptions timeout:2 attempts:2\n", 0 },
	{ "search\nsearching x\n#search x.test\n; search x.test\n",
	  "nameserver 198.18.0.1\noptions timeout:2 attempts:2\n", 0 },
	{ "options ndots:99\n", "nameserver 198.18.0.1\noptions timeout:2 attempts:2 ndots:15\n",
	  0 },
	{ "options ndots:0 ndots:x\n", "nameserver 198.18.0.1\noptions timeout:2 attempts:2\n", 0 },
	/* what is no name stands in no step's file */
	{ "search a.test 10.0.0.1 b@d \x01 -- %s\n",
	  "nameserver 198.18.0.1\nsearch a.test --\noptions timeout:2 attempts:2\n", 4 },
	{ "search a.test b.test c.test d.test e.test f.test g.test h.test\n",
	  "nameserver 198.18.0.1\nsearch a.test b.test c.test d.test e.test f.test\n"
	  "options timeout:2 attempts:2\n",
	  2 },
};

static void the_list_is_canonical_and_bounded(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct host_search s;
		char out[HOST_SEARCH_BYTES + 128];
		host_search_parse(rows[i].text, &s);
		host_search_spell(&s, out, sizeof(out));
		assert_string_equal(out, rows[i].spelt);
		assert_int_equal(s.left_out, rows[i].left_out);
	}
}

static void long_names_fill_the_list_and_no_more(void **state)
{
	(void)state;
	char text[2000] = "search", out[HOST_SEARCH_BYTES + 128];
	struct host_search s;
	for (int i = 0; i < 6; i++) {
		char name[70];
		memset(name, 'a' + i, 60);
		strcpy(name + 60, ".test");
		strcat(strcat(text, " "), name);
	}
	host_search_parse(text, &s);
	host_search_spell(&s, out, sizeof(out));
	assert_int_equal(s.left_out, 3); /* three of 66 bytes fit into 256 */
	assert_null(s.domains[3]);
	assert_non_null(strstr(out, "options timeout:2 attempts:2\n"));
}

static void a_longer_name_knows_its_short_one(void **state)
{
	(void)state;
	struct host_search s;
	host_search_parse("search corp.test b.test\n", &s);
	assert_int_equal(host_search_short(&s, "registry.corp.test"), 8);
	assert_int_equal(host_search_short(&s, "a.b.b.test"), 3);
	assert_int_equal(host_search_short(&s, "corp.test"), 0);
	assert_int_equal(host_search_short(&s, ".corp.test"), 0);
	assert_int_equal(host_search_short(&s, "xcorp.test"), 0);
	assert_int_equal(host_search_short(&s, "registry"), 0);
}

static void a_client_means_the_name_that_its_resolver_made(void **state)
{
	(void)state;
	static const char *const search[] = { "corp.test", "b.test", NULL };
	assert_true(egress_host_means("r.corp.test", "r.corp.test", NULL));
	assert_true(egress_host_means("r", "r.corp.test", search));
	assert_true(egress_host_means("r.x", "r.x.b.test", search));
	assert_false(egress_host_means("r", "r.corp.test", NULL));
	assert_false(egress_host_means("r", "r.other.test", search));
	assert_false(egress_host_means("r", "x.r.corp.test", search));
	assert_false(egress_host_means("r.corp.test", "r", search));
	assert_false(egress_host_means("q", "r.corp.test", search));
	assert_false(egress_host_means("r", "rr.corp.test", search));
	assert_false(egress_host_means("", "r.corp.test", search));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_list_is_canonical_and_bounded),
		cmocka_unit_test(long_names_fill_the_list_and_no_more),
		cmocka_unit_test(a_longer_name_knows_its_short_one),
		cmocka_unit_test(a_client_means_the_name_that_its_resolver_made),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("host_search", tests, NULL, NULL);
}
