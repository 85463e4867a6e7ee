// SPDX-License-Identifier: Apache-2.0
/* http_test.c - what a request may not do, and how a header of an answer is read. */
#include "lease/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static void a_header_is_found_whatever_its_case_and_without_blanks_around(void **state)
{
	(void)state;
	char text[] = "HTTP/1.1 200 OK\r\nRange: 0-7\r\nX-Trace-Interval:   3 \r\nrange: 9\r\n\r\n";
	const struct http_answer answer = { .head = text, .head_len = sizeof(text) - 1 };
	char ret[8];

	assert_true(http_header(&answer, "x-trace-interval", ret, sizeof(ret)));
	assert_string_equal(ret, "3");
	assert_true(http_header(&answer, "RANGE", ret, sizeof(ret)));
	assert_string_equal(ret, "0-7");
	assert_false(http_header(&answer, "Rang", ret, sizeof(ret)));
	assert_false(http_header(&answer, "Location", ret, sizeof(ret)));
}

static void a_header_that_does_not_fit_is_not_cut(void **state)
{
	(void)state;
	char text[] = "Location: https://forge.example/\r\n";
	const struct http_answer answer = { .head = text, .head_len = sizeof(text) - 1 };
	char ret[8];

	assert_false(http_header(&answer, "Location", ret, sizeof(ret)));
}

/* A port where nobody listens, but that nobody else gets meanwhile. */
static unsigned closed_port(int *ret_fd)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	*ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(*ret_fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(getsockname(*ret_fd, (struct sockaddr *)&at, &len), 0);
	return ntohs(at.sin_port);
}

static struct http *client(void)
{
	struct http *h = NULL;
	struct dd_err err = { 0 };
	const struct http_tls tls = { .ca = NULL };
	assert_int_equal(http_new(&tls, &h, &err), 0);
	return h;
}

static void plain_http_is_refused_before_anything_is_sent(void **state)
{
	(void)state;
	struct http *h = client();
	struct http_answer answer;
	struct dd_err err = { 0 };
	const struct http_request request = { .method = "GET",
		                              .url = "http://127.0.0.1:9/token",
		                              .tls_only = true };

	assert_int_equal(http_ask(h, &request, &answer, &err), -EHOSTUNREACH);
	assert_non_null(strstr(err.msg, "only https:// is spoken there"));
	assert_null(answer.body);
	http_free(h);
}

static bool never(void *arg)
{
	unsigned *asked = arg;
	++*asked;
	return false;
}

static void what_nobody_wants_any_more_is_not_asked_again(void **state)
{
	(void)state;
	struct http *h = client();
	struct http_answer answer;
	struct dd_err err = { 0 };
	char url[60];
	unsigned asked = 0;
	int fd = -1;

	(void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", closed_port(&fd));
	const struct http_request request = {
		.method = "GET", .url = url, .wanted = never, .wanted_arg = &asked
	};
	assert_int_equal(http_ask(h, &request, &answer, &err), -ECANCELED);
	assert_true(asked > 0);
	(void)close(fd);
	http_free(h);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_is_found_whatever_its_case_and_without_blanks_around),
		cmocka_unit_test(a_header_that_does_not_fit_is_not_cut),
		cmocka_unit_test(plain_http_is_refused_before_anything_is_sent),
		cmocka_unit_test(what_nobody_wants_any_more_is_not_asked_again),
	};
	cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
