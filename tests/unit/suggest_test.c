// SPDX-License-Identifier: Apache-2.0
/* suggest_test.c - what becomes a line of the suggested policy, what becomes a comment, and that no
 * text of a record can become either by itself. */
#include "runner/policy/policy.h"
#include "runner/advise/suggest_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "record_maker.h"

static struct suggestion made;

static void suggest(void)
{
	const struct suggest_options options = { .no_sets = true,
		                                 .profile_dir = "configs/seccomp" };
	const struct record_facts *facts = maker_facts ? maker_facts : load();
	struct dd_err err = { 0 };
	assert_int_equal(suggest_policy(&facts, 1, &options, &made, &err), 0);
}

static size_t warnings(void)
{
	size_t n = 0;
	while (made.warnings[n])
		n++;
	return n;
}

static void has(const char *text)
{
	if (!strstr(made.text, text))
		fail_msg("`%s` is not in\n%s", text, made.text);
}

static void has_not(const char *text)
{
	if (strstr(made.text, text))
		fail_msg("`%s` is in\n%s", text, made.text);
}

static void connect_to(const char *host, const char *more)
{
	char fields[400];
	(void)snprintf(fields, sizeof(fields),
	               "{\"host\":\"%s\",\"port\":443,\"address\":\"192.0.2.1\",\"would\":\"deny\","
	               "\"why\":\"not in the allowlist\"%s}",
	               host, more);
	add("s", "build", "net.allow", fields);
}

static void a_step_that_needed_nothing_has_no_line(void **state)
{
	(void)state;
	add_step("build", "observe");
	add_end("");
	suggest();
	has("version: 1\n\n# No step needs more than build.");
	has_not("steps:\n");
	assert_int_equal(warnings(), 0);
	suggestion_done(&made);
}

static void a_run_that_failed_is_said_to_be_cut_short(void **state)
{
	(void)state;
	add(NULL, NULL, "run.start", "{\"mode\":\"observe\",\"trusted\":true,\"steps\":3}");
	add("s", "build", "step.start",
	    "{\"index\":1,\"id\":\"s\",\"name\":\"S\",\"match\":{\"id\":\"s\",\"job\":\"test\","
	    "\"run\":\"make\"},\"run_exact\":true}");
	add("s", "build", "step.end", "{\"outcome\":\"failed\",\"exit\":1,\"wall_sec\":1.0}");
	add(NULL, NULL, "run.end", "{\"status\":\"failed\"}");
	suggest();
	has("#     the run failed, 1 of 3 steps began: what it would have needed next is not in "
	    "the policy\n");
	suggestion_done(&made);
}

static void names_become_a_wildcard_only_from_four_below_three_labels(void **state)
{
	(void)state;
	static const struct {
		const char *suffix;
		int n;
		bool wildcard;
	} rows[] = {
		{ "pool.a.test", 3, false },
		{ "pool.a.test", 4, true },
		{ "a.test", 9, false },
		{ "test", 9, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char host[64];
		add_step("build", "observe");
		for (int k = 0; k < rows[i].n; k++) {
			(void)snprintf(host, sizeof(host), "h%d.%s", k, rows[i].suffix);
			connect_to(host, ",\"speaks\":\"tls\"");
		}
		add_end("");
		suggest();
		(rows[i].wildcard ? has : has_not)("host: \"*.");
		(rows[i].wildcard ? has_not : has)("host: \"h0.");
		assert_int_equal(warnings(), 0);
		suggestion_done(&made);
		assert_int_equal(maker_teardown(NULL), 0);
		assert_int_equal(maker_setup(NULL), 0);
	}
}

static void raw_clients_get_raw_entries_and_never_a_wildcard(void **state)
{
	(void)state;
	add_step("build", "observe");
	connect_to("a.pool.x.test", ",\"speaks\":\"raw\"");
	connect_to("b.pool.x.test", ",\"speaks\":\"raw\"");
	connect_to("c.pool.x.test", ",\"speaks\":\"raw\"");
	connect_to("d.pool.x.test", ",\"speaks\":\"raw\"");
	add_end("");
	suggest();
	has("{ host: \"a.pool.x.test\", port: 443, tls: raw, why:");
	has_not("*.");
	suggestion_done(&made);
}

static void what_may_not_be_suggested_is_said_instead(void **state)
{
	(void)state;
	static const struct {
		const char *event, *fields, *says;
		bool warned;
	} rows[] = {
		{ "net.deny",
		  "{\"host\":\"in.test\",\"port\":443,\"address\":\"10.0.0.1\",\"why\":\"private "
		  "answer: private (RFC 1918)\"}",
		  "# no entry for \"in.test\"", false },
		{ "net.allow",
		  "{\"host\":\"in.test\",\"port\":443,\"address\":\"10.0.0.1\",\"would\":\"deny\","
		  "\"speaks\":\"tls\"}",
		  "a private address is never", true },
		{ "net.allow",
		  "{\"host\":\"md.test\",\"port\":80,\"address\":\"169.254.169.254\",\"speaks\":"
		  "\"http\"}",
		  "a metadata service is never", true },
		{ "net.allow",
		  "{\"host\":\"a.test\",\"port\":443,\"address\":\"192.0.2.1\",\"would\":\"deny\","
		  "\"speaks\":\"tls\",\"reason\":\"tls-other-host\"}",
		  "another host", true },
		{ "net.allow",
		  "{\"host\":\"***\",\"port\":443,\"address\":\"192.0.2.1\",\"speaks\":\"tls\"}",
		  "does not hold the name", true },
		{ "sys.deny", "{\"syscall\":\"mount\",\"answer\":\"EPERM\"}",
		  "# no line for \"mount\"", false },
		{ "sys.deny", "{\"syscall\":\"io_uring_setup\",\"answer\":\"continued\"}",
		  "no policy may allow it", true },
		{ "sys.deny", "{\"syscall\":\"no_such\\n  - x\",\"answer\":\"continued\"}",
		  "there is none of that name", true },
		{ "cred.grant", "{\"credential\":\"c\",\"ttl_sec\":300}", "write it yourself",
		  true },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		add_step("fetch", "observe");
		add("s", "fetch", rows[i].event, rows[i].fields);
		add_end("");
		suggest();
		has(rows[i].says);
		has_not("private: allow,");
		has_not("host: \"in.test\"");
		has_not("    - \"");
		if ((warnings() > 0) != rows[i].warned)
			fail_msg("row %zu: %zu warnings (%s)", i, warnings(),
			         warnings() ? made.warnings[0] : "-");
		suggestion_done(&made);
		assert_int_equal(maker_teardown(NULL), 0);
		assert_int_equal(maker_setup(NULL), 0);
	}
}

static void a_private_answer_that_the_recorded_policy_allowed_is_kept(void **state)
{
	(void)state;
	add_step("fetch", "enforce");
	add("s", "fetch", "net.allow",
	    "{\"host\":\"in.test\",\"port\":443,\"address\":\"10.0.0.1\",\"speaks\":\"tls\"}");
	add_end("");
	suggest();
	has("{ host: \"in.test\", port: 443, private: allow, why:");
	assert_int_equal(warnings(), 0);
	suggestion_done(&made);
}

static void a_name_that_observing_refused_as_private_gets_its_line_and_a_warning(void **state)
{
	(void)state;
	add_step("fetch", "observe");
	add("s", "fetch", "net.deny",
	    "{\"host\":\"in.test\",\"port\":0,\"address\":\"10.0.0.1\",\"proto\":\"tcp\","
	    "\"reason\":\"answer-private\",\"why\":\"private answer\","
	    "\"wants\":{\"port\":22,\"tls\":\"raw\",\"private\":\"allow\"}}");
	add("s", "fetch", "net.deny",
	    "{\"host\":\"md.test\",\"port\":0,\"address\":\"169.254.169.254\",\"proto\":\"tcp\","
	    "\"reason\":\"answer-metadata\",\"why\":\"metadata\",\"wants\":{\"private\":\"allow\"}"
	    "}");
	add_end("");
	suggest();
	has("{ host: \"in.test\", port: 22, tls: raw, private: allow, why:");
	has("inside your network");
	has_not("md.test\", port");
	assert_int_equal(warnings(), 1);
	suggestion_done(&made);
}

static void a_step_that_no_rule_can_name_stays_build_and_is_a_warning(void **state)
{
	(void)state;
	add(NULL, NULL, "run.start", "{\"mode\":\"observe\",\"trusted\":true}");
	for (int i = 0; i < 2; i++) {
		char ref[8];
		(void)snprintf(ref, sizeof(ref), "0%d-x", i);
		add(ref, "build", "step.start",
		    "{\"id\":\"\",\"name\":\"Run "
		    "x\",\"seccomp\":\"default\",\"read\":[],\"match\":{\"job\":\"test\",\"run\":"
		    "\"curl https://a.test\"},"
		    "\"run_exact\":false}");
		if (i == 0)
			add(ref, "build", "net.allow",
			    "{\"host\":\"a.test\",\"port\":443,\"address\":\"192.0.2.1\",\"would\":"
			    "\"deny\",\"speaks\":\"tls\"}");
		add(ref, "build", "step.end", "{\"wall_sec\":1.0,\"output_bytes\":1}");
	}
	add(NULL, NULL, "run.end", "{}");
	suggest();
	has("# WARNING: step \"Run x\" should be in fetch, but no rule can name it alone");
	has_not("steps:\n");
	assert_int_equal(strncmp(made.warnings[0], "step \"Run x\"", 12), 0);
	suggestion_done(&made);
}

static void a_publishing_command_is_push_only_where_push_fits(void **state)
{
	(void)state;
	static const struct {
		const char *run;
		bool trusted, push;
	} rows[] = {
		{ "npm publish", true, true },
		{ "npm ci\\n  npm publish --tag x", true,
		  false /* no rule for push by a first line */ },
		{ "npm publishing", true, false },
		{ "npm publish", false, false },
		{ "echo npm publish", true, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char start[400];
		(void)snprintf(start, sizeof(start), "{\"mode\":\"observe\",\"trusted\":%s}",
		               rows[i].trusted ? "true" : "false");
		add(NULL, NULL, "run.start", start);
		(void)snprintf(start, sizeof(start),
		               "{\"id\":\"\",\"name\":\"x\",\"seccomp\":\"default\",\"read\":[],"
		               "\"match\":{\"job\":\"test\",\"run\":\"%s\"},\"run_exact\":true}",
		               rows[i].run);
		add("s", "build", "step.start", start);
		connect_to("a.test", ",\"speaks\":\"tls\"");
		add_end("");
		suggest();
		(rows[i].push ? has : has_not)("phase: push, match: { run: \"npm publish\" }");
		(rows[i].push ? has : has_not)("workspace: shared");
		suggestion_done(&made);
		assert_int_equal(maker_teardown(NULL), 0);
		assert_int_equal(maker_setup(NULL), 0);
	}
}

/* Every text of a record, as hostile as JSON lets it be. */
static void no_text_of_a_record_becomes_a_line(void **state)
{
	(void)state;
#define EVIL "x\\n  evil: \\\"1\\u2028\\u0085\\r- y # z"
	add(NULL, NULL, "run.start",
	    "{\"mode\":\"observe\",\"trusted\":true,\"forge_event\":{\"name\":\"" EVIL
	    "\",\"repository\":\"" EVIL "\",\"ref\":\"" EVIL "\"}}");
	add("e\nvil: 2", "push", "step.start",
	    "{\"id\":\"" EVIL "\",\"name\":\"" EVIL
	    "\",\"seccomp\":\"default\",\"read\":[\"/opt/" EVIL "\"],"
	    "\"syscalls\":[\"" EVIL "\"],\"workspace\":\"shared\",\"artifacts\":[\"" EVIL
	    "\"],\"match\":{\"id\":\"" EVIL "\",\"name\":\"" EVIL "\",\"job\":\"" EVIL
	    "\",\"uses\":\"" EVIL "\",\"run\":\"npm publish\\n" EVIL "\"},\"run_exact\":true}");
	add("e\nvil: 2", "push", "net.allow",
	    "{\"host\":\"" EVIL "\",\"port\":443,\"address\":\"" EVIL "\",\"why\":\"" EVIL
	    "\",\"would\":\"deny\"}");
	add("e\nvil: 2", "push", "net.deny",
	    "{\"host\":\"" EVIL "\",\"port\":443,\"address\":\"" EVIL "\",\"why\":\"" EVIL "\"}");
	add("e\nvil: 2", "push", "sys.deny",
	    "{\"syscall\":\"" EVIL "\",\"answer\":\"" EVIL "\",\"detail\":\"" EVIL "\"}");
	add("e\nvil: 2", "push", "cred.grant",
	    "{\"credential\":\"" EVIL "\",\"from\":\"file:/" EVIL "\",\"as\":\"file:" EVIL
	    "\",\"ttl_sec\":9}");
	add("second", "push", "step.start",
	    "{\"id\":\"second\",\"seccomp\":\"" EVIL "\",\"match\":{\"id\":\"second\"}}");
	suggest();
	for (const char *at = made.text; (at = strstr(at, "evil")); at++) {
		const char *line = at;
		while (line > made.text && line[-1] != '\n')
			line--;
		/* Inside of quotes or in a comment, or as the name of the credential, of which only
		 * letters are left. */
		if (at[-1] != '-' && strcspn(line, "#\"") >= (size_t)(at - line))
			fail_msg("%.*s", (int)strcspn(line, "\n"), line);
	}
	has_not("\xe2\x80\xa8");
	has_not("\xc2\x85");
	suggestion_done(&made);
#undef EVIL
}

static void quoting_leaves_no_byte_that_ends_a_line_or_a_scalar(void **state)
{
	(void)state;
	static const struct {
		const char *text, *quoted;
	} rows[] = {
		{ "", "\"\"" },
		{ "a b", "\"a b\"" },
		{ "a\"b\\c", "\"a\\\"b\\\\c\"" },
		{ "a\nb\r\t", "\"a\\x0ab\\x0d\\x09\"" },
		{ "\xc3\xa4", "\"\xc3\xa4\"" },
		{ "\xc2\x85", "\"\\x85\"" },
		{ "\xe2\x80\xa8", "\"\\u2028\"" },
		{ "\xef\xbb\xbf", "\"\\ufeff\"" },
		{ "\xf0\x9f\x9a\xa2", "\"\\U0001f6a2\"" },
		{ "\xff", "\"\\xff\"" },
	};
	struct plan_arena *arena = arena_new();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(suggest_quoted(arena, rows[i].text), rows[i].quoted);
	arena_free(arena);
}

static void head_room_is_twice_rounded_up_and_never_overflows(void **state)
{
	(void)state;
	assert_int_equal(suggest_head_room(1, 1024), 1024);
	assert_int_equal(suggest_head_room(1024, 1024), 2048);
	assert_int_equal(suggest_head_room(1025, 1024), 4096);
	assert_int_equal(suggest_head_room(257, 1), 1024);
	assert_true(suggest_head_room(UINT64_MAX, 1024) >= UINT64_MAX / 4);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_step_that_needed_nothing_has_no_line, maker_setup,
		                                maker_teardown),
		cmocka_unit_test_setup_teardown(a_run_that_failed_is_said_to_be_cut_short,
		                                maker_setup, maker_teardown),
		cmocka_unit_test_setup_teardown(
			names_become_a_wildcard_only_from_four_below_three_labels, maker_setup,
			maker_teardown),
		cmocka_unit_test_setup_teardown(raw_clients_get_raw_entries_and_never_a_wildcard,
		                                maker_setup, maker_teardown),
		cmocka_unit_test_setup_teardown(what_may_not_be_suggested_is_said_instead,
		                                maker_setup, maker_teardown),
		cmocka_unit_test_setup_teardown(
			a_private_answer_that_the_recorded_policy_allowed_is_kept, maker_setup,
			maker_teardown),
		cmocka_unit_test_setup_teardown(
			a_name_that_observing_refused_as_private_gets_its_line_and_a_warning,
			maker_setup, maker_teardown),
		cmocka_unit_test_setup_teardown(
			a_step_that_no_rule_can_name_stays_build_and_is_a_warning, maker_setup,
			maker_teardown),
		cmocka_unit_test_setup_teardown(a_publishing_command_is_push_only_where_push_fits,
		                                maker_setup, maker_teardown),
		cmocka_unit_test_setup_teardown(no_text_of_a_record_becomes_a_line, maker_setup,
		                                maker_teardown),
		cmocka_unit_test(quoting_leaves_no_byte_that_ends_a_line_or_a_scalar),
		cmocka_unit_test(head_room_is_twice_rounded_up_and_never_overflows),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
