// SPDX-License-Identifier: Apache-2.0
/* http_head_test.c - which request heads every server reads the same way, and which are refused
 * (N-17). */
#include "netpolicy/gate/http_head.h"

#include "drydock/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define GET  "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n"
#define HOST "Host: a.test\r\n"
#define ROW(text, result, reason)                                                                  \
	{                                                                                          \
		text, sizeof(text) - 1, result, reason                                             \
	}

static const struct row {
	const char *text;
	size_t len;
	enum parse result;
	enum dd_reason reason;
} rows[] = {
	ROW(GET HOST "\r\n", PARSE_OK, REASON_NONE),
	ROW(GET "hOsT:a.test:80\t\r\n\r\n", PARSE_OK, REASON_NONE),
	ROW("GET http://a.test/x HTTP/1.1\r\n" HOST "\r\n", PARSE_OK, REASON_NONE),
	ROW("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", PARSE_OK, REASON_NONE),
	ROW(GET HOST, PARSE_MORE, REASON_NONE),
	ROW(GET "\r\n", PARSE_REFUSED, REASON_HTTP_NO_HOST),
	ROW(GET HOST HOST "\r\n", PARSE_REFUSED, REASON_HTTP_HOSTS),
	ROW(GET HOST "Host: b.test\r\n\r\n", PARSE_REFUSED, REASON_HTTP_HOSTS),
	ROW("GET http://b.test/ HTTP/1.1\r\n" HOST "\r\n", PARSE_REFUSED, REASON_HTTP_TARGET_HOST),
	ROW("GET http://a.test:81/ HTTP/1.1\r\n" HOST "\r\n", PARSE_REFUSED,
	    REASON_HTTP_TARGET_HOST),
	ROW("GET http://a.test@b.test/ HTTP/1.1\r\n" HOST "\r\n", PARSE_REFUSED,
	    REASON_HTTP_TARGET_HOST),
	ROW("GET https://a.test/ HTTP/1.1\r\n" HOST "\r\n", PARSE_REFUSED, REASON_HTTP_TARGET),
	ROW("CONNECT a.test:443 HTTP/1.1\r\n" HOST "\r\n", PARSE_REFUSED, REASON_HTTP_CONNECT),
	ROW("PRI * HTTP/2.0\r\n\r\n", PARSE_REFUSED, REASON_HTTP_VERSION),
	ROW(GET "Host : a.test\r\n\r\n", PARSE_REFUSED, REASON_HTTP_HEADER),
	ROW(GET HOST " b.test\r\n\r\n", PARSE_REFUSED, REASON_HTTP_HEADER),
	ROW(GET "Host: a.test\n\r\n", PARSE_REFUSED, REASON_HTTP_LINE_END),
	ROW(GET "Host: a.test\rX: y\r\n\r\n", PARSE_REFUSED, REASON_HTTP_LINE_END),
	ROW(GET "Host: a.test\0b\r\n\r\n", PARSE_REFUSED, REASON_HTTP_LINE_END),
	ROW(GET "Host: a.test\x01\r\n\r\n", PARSE_REFUSED, REASON_HTTP_HEADER),
	ROW(GET "Host:\r\n\r\n", PARSE_REFUSED, REASON_HTTP_HOST_MALFORMED),
	ROW(GET "Host: a.test:0\r\n\r\n", PARSE_REFUSED, REASON_HTTP_HOST_MALFORMED),
	ROW(GET "Host: a.test:65536\r\n\r\n", PARSE_REFUSED, REASON_HTTP_HOST_MALFORMED),
	ROW(GET "Host: a.test:80x\r\n\r\n", PARSE_REFUSED, REASON_HTTP_HOST_MALFORMED),
	ROW("GET /\x7f HTTP/1.1\r\n" HOST "\r\n", PARSE_REFUSED, REASON_HTTP_TARGET),
	ROW("GET  / HTTP/1.1\r\n" HOST "\r\n", PARSE_REFUSED, REASON_HTTP_REQUEST_LINE),
	ROW(GET HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", PARSE_REFUSED,
	    REASON_HTTP_LENGTHS),
	ROW(GET HOST "Content-Length: +5\r\n\r\n", PARSE_REFUSED, REASON_HTTP_LENGTH),
	ROW(GET HOST "Content-Length: 5, 5\r\n\r\n", PARSE_REFUSED, REASON_HTTP_LENGTH),
	ROW(GET HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", PARSE_REFUSED,
	    REASON_HTTP_BOTH_LENGTHS),
	ROW(GET HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", PARSE_REFUSED,
	    REASON_HTTP_ENCODING),
	ROW(GET HOST "Transfer-Encoding: xchunked\r\n\r\n", PARSE_REFUSED, REASON_HTTP_ENCODING),
	/* N-31: a body where some servers look for the next request */
	ROW(GET HOST "Content-Length: 5\r\n\r\n", PARSE_REFUSED, REASON_HTTP_BODY),
	ROW("HEAD / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", PARSE_REFUSED,
	    REASON_HTTP_BODY),
	ROW("DELETE / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", PARSE_REFUSED,
	    REASON_HTTP_BODY),
	ROW("OPTIONS / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", PARSE_REFUSED,
	    REASON_HTTP_BODY),
	ROW("TRACE / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n", PARSE_REFUSED,
	    REASON_HTTP_BODY),
	ROW("NOBODY-KNOWS / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n", PARSE_REFUSED,
	    REASON_HTTP_BODY),
	ROW(GET HOST "Content-Length: 0\r\n\r\n", PARSE_OK, REASON_NONE),
	ROW("DELETE / HTTP/1.1\r\n" HOST "\r\n", PARSE_OK, REASON_NONE),
	ROW("PROPFIND / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", PARSE_OK, REASON_NONE),
	ROW(POST HOST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", PARSE_OK, REASON_NONE),
	ROW(POST HOST "Expect: 100-continue\r\n\r\n", PARSE_REFUSED, REASON_HTTP_EXPECT),
	ROW(POST HOST "Expect: y 100-continue\r\nContent-Length: 5\r\n\r\n", PARSE_REFUSED,
	    REASON_HTTP_EXPECT),
	ROW(POST HOST "Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
	    PARSE_REFUSED, REASON_HTTP_EXPECT),
	ROW(POST HOST "Content_Length: 5\r\n\r\n", PARSE_REFUSED, REASON_HTTP_HEADER_NAME),
	ROW(POST HOST "Content-Length: 5\r\nTransfer_Encoding: chunked\r\n\r\n", PARSE_REFUSED,
	    REASON_HTTP_HEADER_NAME),
	ROW(POST HOST "transfer.encoding: chunked\r\n\r\n", PARSE_REFUSED, REASON_HTTP_HEADER_NAME),
	ROW(POST HOST "Content-Length: 5\r\nConnection: close, Content-Length\r\n\r\n",
	    PARSE_REFUSED, REASON_HTTP_CONNECTION),
	ROW(POST HOST "Content-Length: 5\r\nConnection: host\r\n\r\n", PARSE_REFUSED,
	    REASON_HTTP_CONNECTION),
	ROW(POST HOST "Content-Length: 5\r\nConnection: keep-alive, Upgrade\r\n\r\n", PARSE_OK,
	    REASON_NONE),
	ROW(POST HOST "Transfer-Encoding: chunked, chunked\r\n\r\n", PARSE_REFUSED,
	    REASON_HTTP_ENCODING),
	ROW(POST HOST "Transfer-Encoding: identity\r\n\r\n", PARSE_REFUSED, REASON_HTTP_ENCODING),
	ROW(POST HOST "Transfer-Encoding: \"chunked\"\r\n\r\n", PARSE_REFUSED,
	    REASON_HTTP_ENCODING),
	ROW(POST HOST "Transfer-Encoding:\r\n\r\n", PARSE_REFUSED, REASON_HTTP_ENCODING),
	ROW("GET / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", PARSE_REFUSED,
	    REASON_HTTP_ENCODING),
};

static void heads_are_accepted_or_refused_as_the_table_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_head h;
		enum dd_reason why = REASON_NONE;
		enum parse result = http_head_parse((const uint8_t *)rows[i].text, rows[i].len, &h,
		                                    &why);
		if (result != rows[i].result || why != rows[i].reason)
			fail_msg("row %zu: result %d, %s", i, (int)result,
			         dd_reason_row(why)->name);
		for (size_t len = 0; rows[i].result == PARSE_OK && len < rows[i].len; len++)
			assert_int_equal(
				http_head_parse((const uint8_t *)rows[i].text, len, &h, &why),
				PARSE_MORE);
	}
}

static void the_length_of_a_body_is_known(void **state)
{
	(void)state;
	static const char post[] = "POST / HTTP/1.1\r\nHost: a.test:8080\r\nContent-Length: "
				   "12\r\nUpgrade: WebSocket\r\n\r\nbody";
	struct http_head h;
	enum dd_reason why = REASON_NONE;
	assert_int_equal(http_head_parse((const uint8_t *)post, sizeof(post) - 1, &h, &why),
	                 PARSE_OK);
	assert_int_equal(h.len, sizeof(post) - 1 - 4);
	assert_int_equal(h.body_len, 12);
	assert_int_equal(h.port, 8080);
	assert_int_equal(h.host_len, 6);
	assert_int_equal(h.upgrade, HTTP_UPGRADE_WEBSOCKET);
}

static void chunked_bodies_end_where_they_end(void **state)
{
	(void)state;
	static const char body[] = "5;x=y\r\nhello\r\n0\r\nT: v\r\n\r\nGET /";
	const size_t end = sizeof(body) - 1 - 5;
	enum dd_reason why = REASON_NONE;
	for (size_t cut = 0; cut <= end; cut++) {
		struct http_chunked c = { 0 };
		size_t used = 0;
		if (http_chunked_step(&c, (const uint8_t *)body, cut, &used, &why) == PARSE_MORE)
			assert_int_equal(used, cut);
		size_t more = 0;
		if (!c.done)
			assert_int_equal(http_chunked_step(&c, (const uint8_t *)body + cut,
			                                   sizeof(body) - 1 - cut, &more, &why),
			                 PARSE_OK);
		assert_int_equal(used + more, end);
	}
}

static void chunk_tricks_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "x\r\n",
		                           "\r\n",
		                           "5\nhello",
		                           "5\r\nhelloX",
		                           "0x5\r\n",
		                           "fffffffffffffffff\r\n",
		                           " 5\r\n",
		                           "5 \r\n",
		                           "-1\r\n",
		                           "0\r\n folded\r\n",
		                           "0\r\nHost: b.test\r\n",
		                           "0\r\nA: b\r\ncontent_length: 5\r\n",
		                           "0\r\nnothing\r\n",
		                           "5;\n" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct http_chunked c = { 0 };
		size_t used = 0;
		enum dd_reason why = REASON_NONE;
		assert_int_equal(
			http_chunked_step(&c, (const uint8_t *)bad[i], strlen(bad[i]), &used, &why),
			PARSE_REFUSED);
	}
}

static void other_protocols_do_not_look_like_http(void **state)
{
	(void)state;
	assert_int_equal(http_head_sniff((const uint8_t *)"SSH-2.0-x y\r\n", 13), PARSE_REFUSED);
	assert_int_equal(http_head_sniff((const uint8_t *)"\x05\x01\x00", 3), PARSE_REFUSED);
	assert_int_equal(http_head_sniff((const uint8_t *)"GET", 3), PARSE_MORE);
	assert_int_equal(http_head_sniff((const uint8_t *)"GET /", 5), PARSE_OK);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_are_accepted_or_refused_as_the_table_says),
		cmocka_unit_test(the_length_of_a_body_is_known),
		cmocka_unit_test(chunked_bodies_end_where_they_end),
		cmocka_unit_test(chunk_tricks_are_refused),
		cmocka_unit_test(other_protocols_do_not_look_like_http),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
