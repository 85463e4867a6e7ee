// SPDX-License-Identifier: Apache-2.0
/* hatch_request_test.c - what a step asks the hatch for, out of its bytes; and which scopes a job
 * has. */
#include "runner/hatch/hatch_request.h"
#include "runner/hatch/store_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct hatch_request q;
static struct dd_err err;

static int request(enum hatch_method method, const char *text)
{
	memset(&q, 0, sizeof(q));
	memset(&err, 0, sizeof(err));
	return hatch_request_read(method, text, strlen(text), &q, &err);
}

static void methods_are_those_of_caches_and_artifacts(void **state)
{
	(void)state;
	assert_int_equal(hatch_method_of("/twirp/github.actions.results.api.v1.CacheService/"
	                                 "CreateCacheEntry"),
	                 HATCH_CREATE_CACHE);
	assert_int_equal(hatch_method_of("/twirp/github.actions.results.api.v1.ArtifactService/"
	                                 "GetSignedArtifactURL"),
	                 HATCH_GET_ARTIFACT);
	assert_int_equal(hatch_method_of("/_apis/artifactcache/cache"), HATCH_METHOD_NONE);
	assert_int_equal(hatch_method_of(""), HATCH_METHOD_NONE);
	assert_int_equal(request(HATCH_METHOD_NONE, "{}"), -EINVAL);
}

static void members_come_in_either_spelling_and_numbers_as_strings(void **state)
{
	(void)state;
	assert_int_equal(request(HATCH_FINALIZE_CACHE,
	                         "{\"key\":\"k\",\"version\":\"v\",\"size_bytes\":\"225\"}"),
	                 0);
	assert_int_equal(q.size, 225);
	assert_int_equal(request(HATCH_FINALIZE_CACHE,
	                         "{\"key\":\"k\",\"version\":\"v\",\"sizeBytes\":226}"),
	                 0);
	assert_int_equal(q.size, 226);
	assert_int_equal(request(HATCH_FIND_CACHE,
	                         "{\"key\":\"k\",\"version\":\"v\",\"restore_keys\":"
	                         "[\"a\",\"b\"]}"),
	                 0);
	assert_int_equal(q.n_restore, 2);
	assert_string_equal(q.restore[1], "b");
	assert_int_equal(
		request(HATCH_FINALIZE_ARTIFACT,
	                "{\"name\":\"n\",\"size\":\"3\",\"hash\":{\"value\":\"sha256:"
	                "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}}"),
		0);
	assert_string_equal(q.hash,
	                    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
}

static void what_is_no_request_is_refused_with_a_sentence(void **state)
{
	(void)state;
	static const struct {
		enum hatch_method method;
		const char *text, *why;
	} rows[] = {
		{ HATCH_FIND_CACHE, "", "no JSON" },
		{ HATCH_FIND_CACHE, "[]", "no JSON object" },
		{ HATCH_FIND_CACHE, "{\"key\":1,\"version\":\"v\"}", "key is not a string" },
		{ HATCH_FIND_CACHE, "{\"key\":\"k\"}", "version is missing" },
		{ HATCH_FIND_CACHE, "{\"key\":\"a,b\",\"version\":\"v\"}", "comma" },
		{ HATCH_FIND_CACHE, "{\"key\":\"a\\u0001\",\"version\":\"v\"}", "control" },
		{ HATCH_FIND_CACHE, "{\"key\":\"k\",\"key\":\"l\",\"version\":\"v\"}", "no JSON" },
		{ HATCH_FIND_CACHE, "{\"key\":\"k\",\"version\":\"v\",\"restore_keys\":\"a\"}",
		  "not a list" },
		{ HATCH_FIND_CACHE,
		  "{\"key\":\"k\",\"version\":\"v\",\"restore_keys\":[1,2,3,4,5,6,7,8,9,10,11]}",
		  "more than 10" },
		{ HATCH_FINALIZE_CACHE, "{\"key\":\"k\",\"version\":\"v\",\"size_bytes\":-1}",
		  "no number" },
		{ HATCH_FINALIZE_CACHE,
		  "{\"key\":\"k\",\"version\":\"v\",\"size_bytes\":\"99999999999999999999\"}",
		  "no number" },
		{ HATCH_CREATE_ARTIFACT, "{\"name\":\"../x\"}", "cannot be called" },
		{ HATCH_CREATE_ARTIFACT, "{\"name\":\".hidden\"}", "cannot be called" },
		{ HATCH_CREATE_ARTIFACT, "{\"name\":\"\"}", "name is missing" },
		{ HATCH_FINALIZE_ARTIFACT, "{\"name\":\"n\",\"hash\":\"md5:00\"}", "sha256" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(request(rows[i].method, rows[i].text), -EINVAL);
		if (!strstr(err.msg, rows[i].why))
			fail_msg("%s: told %s", rows[i].text, err.msg);
	}
}

static void a_range_is_cut_at_the_end_and_one_beyond_it_is_told_apart(void **state)
{
	(void)state;
	uint64_t first = 7, len = 7;
	assert_int_equal(hatch_range_read("bytes=2-4", 10, &first, &len), 0);
	assert_int_equal(first, 2);
	assert_int_equal(len, 3);
	assert_int_equal(hatch_range_read("bytes=8-99", 10, &first, &len), 0);
	assert_int_equal(len, 2);
	assert_int_equal(hatch_range_read("bytes=0-", 10, &first, &len), 0);
	assert_int_equal(len, 10);
	assert_int_equal(hatch_range_read("bytes=10-", 10, &first, &len), -ERANGE);
	static const char *const others[] = {
		"",          "bytes=",        "bytes=-5",  "bytes=a-b",
		"bytes=5-2", "bytes=0-1,3-4", "lines=0-1", "bytes=18446744073709551616-"
	};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(hatch_range_read(others[i], 10, &first, &len), -EINVAL);
}

static int note_block(void *arg, const char *id)
{
	(void)strncat(arg, id, 200 - strlen(arg) - 1);
	return 0;
}

static int list(const char *text, char seen[200])
{
	seen[0] = '\0';
	memset(&err, 0, sizeof(err));
	return hatch_block_list_read(text, strlen(text), note_block, seen, &err);
}

static void a_list_of_blocks_names_them_in_order_and_nothing_else(void **state)
{
	(void)state;
	char seen[200];
	assert_int_equal(list("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList><Latest>QQ==</"
	                      "Latest><Uncommitted>Qg==</Uncommitted></BlockList>",
	                      seen),
	                 0);
	assert_string_equal(seen, "QQ==Qg==");
	assert_int_equal(list("<BlockList><Committed>QQ==</Committed></BlockList>", seen), -EINVAL);
	assert_int_equal(list("<BlockList><Latest>QQ==", seen), -EINVAL);
	assert_int_equal(list("<!DOCTYPE a [<!ENTITY b 'c'>]><BlockList/>", seen), -EINVAL);
}

static void scopes_are_the_refs_own_then_the_base_then_the_default(void **state)
{
	(void)state;
	struct hatch_scopes scopes;
	struct event_facts pull = { .pull_number = 7,
		                    .base_ref = "refs/heads/main",
		                    .default_ref = "refs/heads/trunk" },
			   push = { .ref = "refs/heads/main", .default_ref = "refs/heads/main" },
			   local;
	store_scopes(&pull, false, &scopes);
	assert_int_equal(scopes.n, 3);
	assert_string_equal(scopes.ref[0], "refs/pull/7/merge");
	assert_string_equal(scopes.ref[1], "refs/heads/main");
	assert_string_equal(scopes.ref[2], "refs/heads/trunk");
	assert_false(scopes.trusted);
	store_scopes(&push, true, &scopes);
	assert_int_equal(scopes.n, 1);
	assert_true(scopes.trusted);
	event_local(&local);
	store_scopes(&local, true, &scopes);
	assert_int_equal(scopes.n, 1);
	assert_string_equal(scopes.ref[0], "local");
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(methods_are_those_of_caches_and_artifacts),
		cmocka_unit_test(members_come_in_either_spelling_and_numbers_as_strings),
		cmocka_unit_test(what_is_no_request_is_refused_with_a_sentence),
		cmocka_unit_test(a_range_is_cut_at_the_end_and_one_beyond_it_is_told_apart),
		cmocka_unit_test(a_list_of_blocks_names_them_in_order_and_nothing_else),
		cmocka_unit_test(scopes_are_the_refs_own_then_the_base_then_the_default),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
