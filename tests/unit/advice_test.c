// SPDX-License-Identifier: Apache-2.0
/* advice_test.c - each refusal of the gate gets the narrowest change that allows it, or the reason
 * why none does. */
#include "runner/policy/advice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct advice_row {
	enum dd_reason reason;
	const char *host, *address, *proto;
	enum dd_phase phase;
	const char *origin;
	const char *where, *text; /* NULL: no line */
} advice_rows[] = {
	{ REASON_NAME_NOT_LISTED, "a.test", "198.18.0.3", "tcp", DD_PHASE_FETCH, NULL,
	  "phases.fetch.egress", "{ host: a.test, port: 8443, why: \"...\" }" },
	{ REASON_NAME_NOT_LISTED, "a.test", "", "dns", DD_PHASE_PUSH, NULL, "phases.push.egress",
	  "{ host: a.test, port: 443, why: \"...\" }" },
	{ REASON_PORT_NOT_LISTED, "a.test", "198.18.0.3", "tcp", DD_PHASE_FETCH, NULL,
	  "phases.fetch.egress", "{ host: a.test, port: 8443, why: \"...\" }" },
	{ REASON_ADDRESS_NOT_LISTED, "", "45.1.2.3", "tcp", DD_PHASE_FETCH, NULL,
	  "phases.fetch.egress", "{ cidr: 45.1.2.3/32, port: 8443, why: \"...\" }" },
	{ REASON_ADDRESS_NOT_LISTED, "", "10.1.2.3", "tcp", DD_PHASE_FETCH, NULL,
	  "phases.fetch.egress",
	  "{ cidr: 10.1.2.3/32, port: 8443, private: allow, why: \"...\" }" },
	{ REASON_ADDRESS_PRIVATE, "", "10.1.2.3", "tcp", DD_PHASE_FETCH, NULL,
	  "phases.fetch.egress",
	  "{ cidr: 10.1.2.3/32, port: 8443, private: allow, why: \"...\" }" },
	{ REASON_ANSWER_PRIVATE, "a.test", "10.1.2.3", "tcp", DD_PHASE_FETCH, "p.yml:5:9", "",
	  "private: allow" },
	{ REASON_TLS_OTHER_HOST, "a.test", "198.18.0.3", "tcp", DD_PHASE_FETCH, "p.yml:5:9", "",
	  "tls: raw" },
	{ REASON_TLS_ENCRYPTED_HELLO, "a.test", "198.18.0.3", "tcp", DD_PHASE_FETCH, "p.yml:5:9",
	  "", "ech: pass" },
	{ REASON_SPEAKS_NEITHER, "a.test", "198.18.0.3", "tcp", DD_PHASE_FETCH, "p.yml:5:9", "",
	  "tls: raw" },
	{ REASON_CONNECTIONS, "a.test", "198.18.0.3", "tcp", DD_PHASE_FETCH, "p.yml:5:9",
	  "phases.fetch.connections", "512" },
	{ REASON_WILDCARD_NAMES, "x.a.test", "", "dns", DD_PHASE_FETCH, NULL,
	  "phases.fetch.wildcard_names", "128" },
	{ REASON_CIDR_ADDRESSES, "", "45.1.2.3", "tcp", DD_PHASE_FETCH, "p.yml:5:9",
	  "phases.fetch.cidr_addresses", "128" },
	{ REASON_STEP_UPLOAD, "a.test", "198.18.0.3", "tcp", DD_PHASE_PUSH, "p.yml:5:9",
	  "phases.push.step_upload", "4MiB" },
	{ REASON_UPLOAD, "a.test", "198.18.0.3", "tcp", DD_PHASE_FETCH, "p.yml:5:9",
	  "phases.fetch.upload", "4MiB" },
	/* no line helps, or should */
	{ REASON_ADDRESS_METADATA, "", "169.254.169.254", "tcp", DD_PHASE_FETCH, NULL, NULL, NULL },
	{ REASON_ANSWER_METADATA, "a.test", "169.254.169.254", "tcp", DD_PHASE_FETCH, "p.yml:5:9",
	  NULL, NULL },
	{ REASON_ADDRESS_SPECIAL, "", "224.0.0.251", "tcp", DD_PHASE_FETCH, NULL, NULL, NULL },
	{ REASON_ANSWER_SPECIAL, "a.test", "0.0.0.0", "tcp", DD_PHASE_FETCH, "p.yml:5:9", NULL,
	  NULL },
	{ REASON_ADDRESS_NOT_LISTED, "", "169.254.169.254", "tcp", DD_PHASE_FETCH, NULL, NULL,
	  NULL },
	{ REASON_ADDRESS_NOT_LISTED, "", "2a0a::1", "tcp", DD_PHASE_FETCH, NULL, NULL, NULL },
	{ REASON_ADDRESS_NOT_LISTED, "", "127.0.0.1", "tcp", DD_PHASE_FETCH, NULL, NULL, NULL },
	{ REASON_ADDRESS_NOT_LISTED, "", "198.18.1.77", "tcp", DD_PHASE_FETCH, NULL, NULL, NULL },
	{ REASON_ADDRESS_NOT_LISTED, "", "45.1.2.3", "udp", DD_PHASE_FETCH, NULL, NULL, NULL },
	{ REASON_UDP, "a.test", "198.18.0.3", "udp", DD_PHASE_FETCH, NULL, NULL, NULL },
	{ REASON_FOREIGN_RESOLVER, "", "45.1.2.3", "udp", DD_PHASE_FETCH, NULL, NULL, NULL },
	{ REASON_UNREACHABLE, "a.test", "198.18.0.3", "tcp", DD_PHASE_FETCH, "p.yml:5:9", NULL,
	  NULL },
	{ REASON_NAME_NOT_LISTED, "***", "", "dns", DD_PHASE_FETCH, NULL, NULL, NULL },
	{ REASON_NAME_NOT_LISTED, "a\\x0ab.test", "", "dns", DD_PHASE_FETCH, NULL, NULL, NULL },
	{ REASON_NAME_NOT_LISTED, "A.test", "", "dns", DD_PHASE_FETCH, NULL, NULL, NULL },
	{ REASON_ANSWER_PRIVATE, "a.test", "10.1.2.3", "tcp", DD_PHASE_FETCH, "npm: registry",
	  "phases.fetch.egress", "{ host: a.test, port: 8443, private: allow, why: \"...\" }" },
	{ REASON_NONE, "a.test", "198.18.0.3", "tcp", DD_PHASE_FETCH, NULL, NULL, NULL },
};

static struct advice advise(const struct advice_row *row)
{
	struct advice a;
	const struct advice_case c = {
		.phase = row->phase,
		.host = row->host,
		.address = row->address,
		.proto = row->proto,
		.reason = row->reason,
		.port = 8443,
		.origin = row->origin,
		.upload_bytes = 1048576,
		.bytes_out = 1048577,
		.limit = row->reason == REASON_CONNECTIONS      ? 256
		         : row->reason == REASON_WILDCARD_NAMES ? 64
		         : row->reason == REASON_CIDR_ADDRESSES ? 64
		                                                : 1048576,
	};
	advice_make(&c, &a);
	return a;
}

static void every_reason_has_its_line_or_says_why_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(advice_rows); i++) {
		const struct advice_row *row = &advice_rows[i];
		struct advice a = advise(row);
		if (!row->where) {
			if (a.n || !a.instead)
				fail_msg("row %zu (%s %s%s): a line where none should be: %s", i,
				         dd_reason_row(row->reason)->name, row->host, row->address,
				         a.change[0].text);
			continue;
		}
		if (a.n != 1)
			fail_msg("row %zu (%s): %zu changes, %s", i,
			         dd_reason_row(row->reason)->name, a.n, a.instead ? a.instead : "");
		assert_string_equal(a.change[0].where, row->where);
		assert_string_equal(a.change[0].text, row->text);
		assert_null(a.instead);
		assert_true(a.n_beyond > 0);
	}
}

static void a_build_step_must_become_fetch_and_that_is_said(void **state)
{
	(void)state;
	struct advice a;
	char text[1000];
	struct advice_case c = { .phase = DD_PHASE_BUILD,
		                 .step_id = "de\"ps",
		                 .host = "a.test",
		                 .port = 80,
		                 .proto = "tcp",
		                 .reason = REASON_NAME_NOT_LISTED };
	advice_make(&c, &a);
	assert_int_equal(a.n, 2);
	assert_string_equal(a.change[0].where, "steps");
	assert_string_equal(a.change[0].text, "{ phase: fetch, match: { id: \"de\\\"ps\" } }");
	assert_string_equal(a.change[1].where, "phases.fetch.egress");
	assert_non_null(strstr(a.beyond[0], "leaves build"));
	advice_sentence(&c, &a, "p.yml", text, sizeof(text));
	assert_string_equal(text, "; to allow it, in p.yml add under steps, before the others: "
	                          "- { phase: fetch, match: { id: \"de\\\"ps\" } } and "
	                          "under phases.fetch.egress: - "
	                          "{ host: a.test, port: 80, why: \"...\" }");
	c.step_id = "";
	c.step_name = "Build: it";
	advice_make(&c, &a);
	assert_string_equal(a.change[0].text, "{ phase: fetch, match: { name: \"Build: it\" } }");
	c.step_name = "two\nlines";
	advice_make(&c, &a);
	assert_int_equal(a.n, 0);
	assert_non_null(a.instead);
	advice_sentence(&c, &a, "p.yml", text, sizeof(text));
	assert_non_null(strstr(text, "give the step an id")); /* its log says what to do, too */
	static const char *const vars[] = { "CC", "MY_X", NULL };
	c.step_run = "make *.o";
	c.step_run_sha256 = "00ff";
	c.step_shell = "sh -x {0}";
	c.step_workdir = "web";
	c.step_vars = vars;
	advice_make(&c, &a);
	assert_string_equal(a.change[0].text,
	                    "{ phase: fetch, match: { run: \"make ?.o\", shell: \"sh -x {0}\", "
	                    "working_directory: \"web\", env: [ CC, MY_X ] } }");
	c.step_run = "two\nlines";
	advice_make(&c, &a);
	assert_int_equal(
		strncmp(a.change[0].text, "{ phase: fetch, match: { run_sha256: \"00ff\"", 43), 0);
}

/* All that is known to be needed stands in the first line that is shown (W-09). */
static void what_is_known_of_a_destination_is_in_its_line(void **state)
{
	(void)state;
	static const char *const pins[] = { "10.0.0.1", "::1", NULL };
	static const struct {
		struct advice_wants wants;
		uint16_t port;
		const char *proto, *text;
	} rows[] = {
		{ { .port = 22, .raw = true },
		  53,
		  "dns",
		  "{ host: a.test, port: 22, tls: raw, why: \"...\" }" },
		{ { .port = 8080 }, 53, "dns", "{ host: a.test, port: 8080, why: \"...\" }" },
		{ { .raw = true },
		  5432,
		  "tcp",
		  "{ host: a.test, port: 5432, tls: raw, why: \"...\" }" },
		{ { .private_ok = true, .addresses = pins },
		  81,
		  "tcp",
		  "{ host: a.test, port: 81, address: [ \"10.0.0.1\", \"::1\" ], private: allow, "
		  "why: "
		  "\"...\" }" },
		{ { .port = 22, .raw = true, .private_ok = true },
		  53,
		  "dns",
		  "{ host: a.test, port: 22, tls: raw, private: allow, why: \"...\" }" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct advice a;
		const struct advice_case c = { .phase = DD_PHASE_FETCH,
			                       .host = "a.test",
			                       .port = rows[i].port,
			                       .proto = rows[i].proto,
			                       .reason = REASON_NAME_NOT_LISTED,
			                       .wants = rows[i].wants };
		advice_make(&c, &a);
		assert_int_equal(a.n, 1);
		assert_string_equal(a.change[0].text, rows[i].text);
	}
}

static void a_private_answer_gets_all_that_its_entry_lacks(void **state)
{
	(void)state;
	struct advice a;
	char text[1000];
	struct advice_case c = { .phase = DD_PHASE_FETCH,
		                 .host = "a.test",
		                 .port = 22,
		                 .proto = "tcp",
		                 .origin = "p.yml:5:9",
		                 .reason = REASON_ANSWER_PRIVATE,
		                 .wants = { .raw = true } };
	advice_make(&c, &a);
	advice_sentence(&c, &a, "p.yml", text, sizeof(text));
	assert_string_equal(text,
	                    "; to allow it, add `private: allow` and `tls: raw` to the entry at "
	                    "p.yml:5:9");
	/* observed, and on no list */
	c.origin = NULL;
	c.port = 0;
	c.wants = (struct advice_wants){ .port = 8080 };
	advice_make(&c, &a);
	assert_string_equal(a.change[0].text,
	                    "{ host: a.test, port: 8080, private: allow, why: \"...\" }");
	/* an entry of a set cannot be written to: one of the operator's own takes its place */
	c.origin = "npm: registry";
	c.port = 443;
	c.wants = (struct advice_wants){ .port = 0 };
	advice_make(&c, &a);
	assert_string_equal(a.change[0].where, "phases.fetch.egress");
	assert_string_equal(a.change[0].text,
	                    "{ host: a.test, port: 443, private: allow, why: \"...\" }");
}

static void a_system_call_is_added_unless_it_is_never(void **state)
{
	(void)state;
	struct advice a;
	struct advice_case c = { .reason = REASON_CALL_NOT_LISTED,
		                 .call = "ptrace",
		                 .call_why = "other processes' memory" };
	advice_make(&c, &a);
	assert_int_equal(a.n, 1);
	assert_string_equal(a.change[0].where, "sandbox.syscalls");
	assert_string_equal(a.change[0].text, "ptrace");
	c.reason = REASON_CALL_NEVER;
	advice_make(&c, &a);
	assert_int_equal(a.n, 0);
	c.reason = REASON_CALL_NOT_LISTED;
	c.call = "ptrace, mount"; /* from a record that somebody edited */
	advice_make(&c, &a);
	assert_int_equal(a.n, 0);
}

static void the_sentence_points_at_the_entry_when_there_is_one(void **state)
{
	(void)state;
	struct advice a;
	char text[1000];
	struct advice_case c = { .phase = DD_PHASE_FETCH,
		                 .host = "a.test",
		                 .port = 443,
		                 .proto = "tcp",
		                 .origin = "p.yml:5:9",
		                 .reason = REASON_UNREACHABLE };
	advice_make(&c, &a);
	advice_sentence(&c, &a, "p.yml", text, sizeof(text));
	assert_string_equal(text, "; the entry is at p.yml:5:9");
	c.reason = REASON_ANSWER_PRIVATE;
	advice_make(&c, &a);
	advice_sentence(&c, &a, "p.yml", text, sizeof(text));
	assert_string_equal(text, "; to allow it, add `private: allow` to the entry at p.yml:5:9");
	c.origin = NULL;
	c.reason = REASON_ADDRESS_METADATA;
	advice_make(&c, &a);
	advice_sentence(&c, &a, "p.yml", text, sizeof(text));
	assert_string_equal(text, "");
}

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason_has_its_line_or_says_why_not),
		cmocka_unit_test(a_build_step_must_become_fetch_and_that_is_said),
		cmocka_unit_test(what_is_known_of_a_destination_is_in_its_line),
		cmocka_unit_test(a_private_answer_gets_all_that_its_entry_lacks),
		cmocka_unit_test(a_system_call_is_added_unless_it_is_never),
		cmocka_unit_test(the_sentence_points_at_the_entry_when_there_is_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
