// SPDX-License-Identifier: Apache-2.0
/* feed_socket_test.c - the client's half of a WebSocket, as far as it is pure. */
#include "forges/github/feed_socket.h"
#include "forges/github/github_feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants those first */
#include <cmocka.h>
#include <string.h>

static void the_server_proves_itself_as_in_the_example_of_the_standard(void **state)
{
	char accept[29];
	(void)state;
	feed_accept("dGhlIHNhbXBsZSBub25jZQ==", accept);
	assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void every_frame_is_masked_and_says_how_long_it_is(void **state)
{
	static const unsigned char mask[4] = { 1, 2, 3, 4 };
	static const struct {
		size_t len, head;
		unsigned char at[4];
	} rows[] = {
		{ 0, 6, { 0x81, 0x80 } },
		{ 125, 6, { 0x81, 0x80 | 125 } },
		{ 126, 8, { 0x81, 0x80 | 126, 0, 126 } },
		{ 1024, 8, { 0x81, 0x80 | 126, 4, 0 } },
		{ 0x10000, 14, { 0x81, 0x80 | 127, 0, 0 } },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned char head[14] = { 0 };
		assert_int_equal(feed_frame_head(1, true, rows[i].len, mask, head), rows[i].head);
		assert_memory_equal(head, rows[i].at, rows[i].len < 126 ? 2 : 4);
		assert_memory_equal(head + rows[i].head - 4, mask, 4);
	}
	unsigned char first[14];
	(void)feed_frame_head(1, false, 1, mask, first);
	assert_int_equal(first[0], 0x01);
}

static void a_feed_goes_to_tls_addresses_alone(void **state)
{
	(void)state;
	char *url = github_feed_url("wss://host:1/path?x=1");
	assert_string_equal(url, "https://host:1/path?x=1");
	free(url);
	assert_null(github_feed_url("ws://host/path"));
	assert_null(github_feed_url("http://host/path"));
	assert_null(github_feed_url(""));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_server_proves_itself_as_in_the_example_of_the_standard),
		cmocka_unit_test(every_frame_is_masked_and_says_how_long_it_is),
		cmocka_unit_test(a_feed_goes_to_tls_addresses_alone),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
