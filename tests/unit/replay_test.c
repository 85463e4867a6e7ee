// SPDX-License-Identifier: Apache-2.0
/* replay_test.c - what a policy would have refused of a record: one fact, one policy, one answer.
 */
#include "runner/advise/replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "record_maker.h"

#define FETCH "version: 1\nsteps:\n  - { phase: fetch, match: { id: s } }\n"
#define PUSH  "version: 1\nsteps:\n  - { phase: push, match: { id: s } }\n"
#define OPEN  FETCH "phases: { fetch: { egress: [ { host: a.test } ] } }\n"

static struct policy *policy;
static struct replay *r;

static void replay(const char *text)
{
	struct diag_list diags = { 0 };
	struct dd_err err = { 0 };
	if (policy_parse("p.yml", text, strlen(text), &policy, &diags) < 0)
		fail_msg("%s: %s", diags.items[0].text, text);
	r = replay_new(policy);
	r->profile_dir = "configs/seccomp";
	assert_int_equal(replay_add(r, maker_facts ? maker_facts : load(), &err), 0);
	replay_end(r);
}

static void done(void)
{
	replay_free(r);
	policy_free(policy);
}

static void says(const struct replay_list *list, const char *what, const char *why,
                 const char *decided)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct replay_finding *f = &list->items[i];
		if (strcmp(f->what, what) == 0 && strstr(f->why, why) &&
		    (!decided || (f->decided && strstr(f->decided, decided))))
			return;
	}
	fail_msg("nothing about `%s`: `%s` among %zu findings (first: %s)", what, why, list->n,
	         list->n ? list->items[0].why : "-");
}

/* One event of the step, a policy, and what is said of the two. */
enum answer { FINE, REFUSED, UNKNOWN };
static const struct {
	const char *phase, *event, *fields, *policy;
	enum answer answer;
	const char *what, *why, *decided;
} rows[] = {
	{ "fetch", "net.allow",
	  "{\"host\":\"a.test\",\"port\":443,\"address\":\"192.0.2.1\",\"speaks\":\"tls\"}", OPEN,
	  FINE, NULL, NULL, NULL },
	{ "fetch", "net.allow",
	  "{\"host\":\"b.test\",\"port\":443,\"address\":\"192.0.2.1\",\"speaks\":\"tls\"}", OPEN,
	  REFUSED, "connection", "not in the allowlist", "phases.fetch.egress" },
	{ "fetch", "net.allow",
	  "{\"host\":\"a.test\",\"port\":80,\"address\":\"192.0.2.1\",\"speaks\":\"http\"}", OPEN,
	  REFUSED, "connection", "not this port", NULL },
	{ "fetch", "net.allow",
	  "{\"host\":\"a.test\",\"port\":443,\"address\":\"192.0.2.1\",\"speaks\":\"raw\"}", OPEN,
	  REFUSED, "connection", "tls: raw", "p.yml:4:30" },
	{ "fetch", "net.allow",
	  "{\"host\":\"a.test\",\"port\":443,\"address\":\"10.0.0.1\",\"speaks\":\"tls\"}", OPEN,
	  REFUSED, "connection", "private", "p.yml:4:30" },
	{ "fetch", "net.allow",
	  "{\"host\":\"a.test\",\"port\":443,\"address\":\"192.0.2.1\",\"speaks\":\"tls\","
	  "\"would\":\"deny\","
	  "\"reason\":\"tls-other-host\"}",
	  OPEN, REFUSED, "connection", "another host", "p.yml:4:30" },
	{ "fetch", "net.allow",
	  "{\"host\":\"a.test\",\"port\":443,\"address\":\"192.0.2.1\",\"speaks\":\"tls\","
	  "\"ech\":\"outer\"}",
	  OPEN, FINE, NULL, NULL, NULL },
	{ "fetch", "net.allow",
	  "{\"host\":\"a.test\",\"port\":443,\"address\":\"192.0.2.1\",\"speaks\":\"tls\","
	  "\"ech\":\"outer\",\"would\":\"deny\",\"reason\":\"tls-encrypted-hello\"}",
	  OPEN, FINE, NULL, NULL, NULL },
	{ "fetch", "net.allow",
	  "{\"host\":\"a.test\",\"port\":443,\"address\":\"192.0.2.1\",\"speaks\":\"tls\","
	  "\"ech\":\"outer\"}",
	  FETCH "phases: { fetch: { egress: [ { host: a.test, ech: refuse } ] } }\n", REFUSED,
	  "connection", "ech: refuse", NULL },
	{ "fetch", "net.allow", "{\"host\":\"a.test\",\"port\":443,\"address\":\"192.0.2.1\"}",
	  OPEN, UNKNOWN, "connection", "does not say what the client", NULL },
	{ "fetch", "net.allow",
	  "{\"host\":\"***.test\",\"port\":443,\"address\":\"192.0.2.1\",\"speaks\":\"tls\"}", OPEN,
	  UNKNOWN, "connection", "does not hold the name", NULL },
	{ "fetch", "net.allow",
	  "{\"host\":\"\",\"port\":22,\"address\":\"192.0.2.1\",\"speaks\":\"raw\"}",
	  FETCH "phases: { fetch: { egress: [ { cidr: 192.0.2.0/24, port: 22 } ] } }\n", FINE, NULL,
	  NULL, NULL },
	{ "fetch", "net.allow",
	  "{\"host\":\"\",\"port\":23,\"address\":\"192.0.2.1\",\"speaks\":\"raw\"}",
	  FETCH "phases: { fetch: { egress: [ { cidr: 192.0.2.0/24, port: 22 } ] } }\n", REFUSED,
	  "connection", "no entry for this address", NULL },
	{ "build", "net.allow",
	  "{\"host\":\"a.test\",\"port\":443,\"address\":\"192.0.2.1\",\"speaks\":\"tls\"}",
	  "version: 1\n", REFUSED, "connection", "not in the allowlist",
	  "no rule of `steps` matches" },
	{ "fetch", "dns.allow", "{\"host\":\"a.test\"}", OPEN, FINE, NULL, NULL, NULL },
	{ "fetch", "dns.allow", "{\"host\":\"c.test\"}", OPEN, REFUSED, "query",
	  "not in the allowlist", NULL },
	{ "fetch", "gate.close",
	  "{\"receipt\":[{\"host\":\"b.test\",\"port\":443,\"connections\":1}]}", OPEN, REFUSED,
	  "connection", "not in the allowlist", NULL },
	{ "fetch", "gate.close", "{\"unreported\":5,\"receipt\":[]}", OPEN, UNKNOWN, "connection",
	  "5 events", NULL },
	{ "fetch", "gate.close", "{\"peak_connections\":257,\"receipt\":[]}", OPEN, REFUSED,
	  "budget", "257 were open", "connections" },
	{ "fetch", "gate.close", "{\"peak_connections\":256,\"receipt\":[]}", OPEN, FINE, NULL,
	  NULL, NULL },
	{ "fetch", "gate.open", "{}", OPEN, UNKNOWN, "budget", "no receipt", NULL },
	{ "fetch", "sys.deny", "{\"syscall\":\"ptrace\",\"answer\":\"continued\"}", FETCH, REFUSED,
	  "system call", "observed", "default.seccomp" },
	{ "fetch", "sys.deny", "{\"syscall\":\"mount\",\"answer\":\"EPERM\"}", FETCH, FINE, NULL,
	  NULL, NULL },
	{ "fetch", "sys.deny", "{\"syscall\":\"mount\"}", FETCH, UNKNOWN, "system call",
	  "how it was answered", NULL },
	{ "fetch", "cred.grant",
	  "{\"credential\":\"c\",\"from\":\"env:A\",\"as\":\"env:B\",\"ttl_sec\":300}", FETCH,
	  REFUSED, "credential", "does not give it", NULL },
	{ "fetch", "cred.grant",
	  "{\"credential\":\"c\",\"from\":\"env:A\",\"as\":\"env:B\",\"ttl_sec\":300}",
	  FETCH "credentials: { x: { from: { file: /f }, for: { phase: fetch, steps: s }, as: { "
	        "env: B } } }\n",
	  FINE, NULL, NULL, NULL },
	{ "fetch", "cred.grant",
	  "{\"credential\":\"c\",\"from\":\"env:A\",\"as\":\"env:B\",\"ttl_sec\":300}",
	  FETCH "credentials: { c: { from: { env: A }, for: { phase: fetch, steps: s }, as: { "
	        "file: B } } }\n",
	  REFUSED, "credential", "does not give it", NULL },
	{ "fetch", "fs.delta", "{}",
	  FETCH "credentials: { c: { from: { env: A }, for: { phase: push, steps: s }, as: { env: "
	        "B } } }\n",
	  REFUSED, "credential", "it is for push, and the step is in fetch", "p.yml:4:" },
	{ "fetch", "fs.delta", "{}", FETCH "limits: { files: 5 }\n", UNKNOWN, "limit", "how much",
	  "limits.files" },
	{ "fetch", "fs.delta", "{}", FETCH "limits: { log: 9B }\n", REFUSED, "limit",
	  "10 were used, and 9 are allowed", "limits.log" },
	{ "fetch", "fs.delta", "{}", FETCH "limits: { log: 10B }\n", FINE, NULL, NULL, NULL },
	{ "push", "fs.delta", "{}", PUSH, FINE, NULL, NULL, NULL },
	{ "push", "fs.delta", "{}", PUSH "phases: { push: { workspace: shared } }\n", UNKNOWN,
	  "view", "the run saw it pristine, here it is shared", "phases.push.workspace" },
	{ "push", "fs.delta", "{}", FETCH, UNKNOWN, "view", "the run saw it pristine", NULL },
	{ "fetch", "fs.delta", "{}",
	  "version: 1\nsteps: [ { phase: fetch, match: { run: \"make\" } } ]\n", FINE, NULL, NULL,
	  NULL },
};

static void each_fact_is_judged_as_a_run_would(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		add_step(rows[i].phase, "observe");
		add("s", rows[i].phase, rows[i].event, rows[i].fields);
		add_end("");
		replay(rows[i].policy);
		if (r->refused.n != (rows[i].answer == REFUSED) ||
		    r->unknown.n != (rows[i].answer == UNKNOWN))
			fail_msg("row %zu: %zu refused, %zu unknown (%s)", i, r->refused.n,
			         r->unknown.n,
			         r->refused.n   ? r->refused.items[0].why
			         : r->unknown.n ? r->unknown.items[0].why
			                        : "-");
		if (rows[i].answer != FINE)
			says(rows[i].answer == REFUSED ? &r->refused : &r->unknown, rows[i].what,
			     rows[i].why, rows[i].decided);
		done();
		assert_int_equal(maker_teardown(NULL), 0);
		assert_int_equal(maker_setup(NULL), 0);
	}
}

static void upload_is_judged_per_destination(void **state)
{
	(void)state;
	add_step("fetch", "observe");
	add("s", "fetch", "gate.close",
	    "{\"peak_connections\":2,\"receipt\":[{\"host\":\"a.test\",\"port\":443,"
	    "\"connections\":1,\"bytes_out\":65536},"
	    "{\"host\":\"a.test\",\"port\":444,\"connections\":1,\"bytes_out\":65537}]}");
	add_end("");
	replay(FETCH "phases: { fetch: { egress: [ { host: a.test, tls: raw }, { host: a.test, "
	             "port: 444, tls: raw } ], upload: 64KiB } }\n");
	assert_int_equal(r->refused.n, 1);
	assert_string_equal(r->refused.items[0].subject, "a.test:444");
	done();
}

static void a_rule_that_the_record_cannot_answer_is_no_guess(void **state)
{
	(void)state;
	add(NULL, NULL, "run.start", "{\"trusted\":true}");
	add("02-x", "build", "step.start", "{\"id\":\"\",\"name\":\"Run make\"}");
	add("02-x", "build", "step.end", "{\"output_bytes\":1,\"wall_sec\":1.0}");
	add(NULL, NULL, "run.end", "{}");
	replay("version: 1\nsteps: [ { phase: fetch, match: { id: other } }, { phase: fetch, "
	       "match: { run: make } } ]\n");
	assert_int_equal(r->refused.n, 0);
	says(&r->unknown, "step", "lacks the text", "p.yml:2:");
	done();
	replay("version: 1\nsteps: [ { phase: fetch, match: { id: other, run: make } }, { phase: "
	       "fetch, match: { job: elsewhere, name: x } } ]\n");
	says(&r->unknown, "system call", "seccomp profile", NULL);
	assert_int_equal(r->unknown.n, 1); /* both rules are out by what the record does have */
	done();
}

static void too_many_names_under_a_wildcard_are_counted_once_each(void **state)
{
	(void)state;
	char fields[100];
	add_step("fetch", "observe");
	for (int i = 0; i < 6; i++) {
		(void)snprintf(fields, sizeof(fields),
		               "{\"host\":\"h%d.a.test\",\"port\":443,\"address\":\"192.0.2.1\","
		               "\"speaks\":\"tls\"}",
		               i % 3);
		add("s", "fetch", "net.allow", fields);
	}
	add_end("");
	replay(FETCH
	       "phases: { fetch: { egress: [ { host: \"*.a.test\" } ], wildcard_names: 3 } }\n");
	assert_int_equal(r->refused.n, 0);
	done();
	replay(FETCH
	       "phases: { fetch: { egress: [ { host: \"*.a.test\" } ], wildcard_names: 2 } }\n");
	assert_int_equal(r->refused.n, 1);
	says(&r->refused, "budget", "3 names under this wildcard", "wildcard_names");
	done();
}

static void what_the_policy_gives_beyond_the_run_is_a_note(void **state)
{
	(void)state;
	add_step("build", "observe");
	add_end("");
	replay(FETCH "phases: { fetch: { egress: [ { host: a.test } ] } }\n"
	             "credentials: { c: { from: { env: A }, for: { phase: fetch, steps: s }, as: { "
	             "env: B } } }\n");
	assert_int_equal(r->refused.n + r->unknown.n, 0);
	says(&r->notes, "step", "the run had it in build", "p.yml:3:");
	says(&r->notes, "credential", "did not hold it", NULL);
	says(&r->notes, "entry", "no record used it", "p.yml:4:");
	done();
}

static void another_profile_is_a_doubt_unless_it_allows_no_less(void **state)
{
	(void)state;
	add(NULL, NULL, "run.start", "{\"mode\":\"enforce\",\"trusted\":true}");
	add("s", "build", "step.start",
	    "{\"id\":\"s\",\"seccomp\":\"debug\",\"read\":[],\"match\":{\"id\":\"s\",\"job\":"
	    "\"test\"}}");
	add_end("");
	replay("version: 1\n");
	says(&r->unknown, "system call", "the run had the profile debug", "sandbox.seccomp");
	done();
	replay("version: 1\nsandbox: { seccomp: debug }\n");
	assert_int_equal(r->unknown.n + r->refused.n, 0);
	done();
}

static void an_untrusted_job_may_not_push_and_holds_nothing(void **state)
{
	(void)state;
	add(NULL, NULL, "run.start", "{\"mode\":\"enforce\",\"trusted\":false}");
	add("s", "push", "step.start",
	    "{\"id\":\"s\",\"seccomp\":\"default\",\"read\":[],\"workspace\":\"pristine\","
	    "\"match\":{\"id\":\"s\",\"job\":\"test\"}}");
	add_end("");
	replay(PUSH);
	says(&r->refused, "trust", "not trusted", NULL);
	done();
	replay(PUSH "phases: { push: { trust: any } }\n");
	assert_int_equal(r->refused.n, 0);
	done();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_fact_is_judged_as_a_run_would, maker_setup,
		                                maker_teardown),
		cmocka_unit_test_setup_teardown(upload_is_judged_per_destination, maker_setup,
		                                maker_teardown),
		cmocka_unit_test_setup_teardown(a_rule_that_the_record_cannot_answer_is_no_guess,
		                                maker_setup, maker_teardown),
		cmocka_unit_test_setup_teardown(
			too_many_names_under_a_wildcard_are_counted_once_each, maker_setup,
			maker_teardown),
		cmocka_unit_test_setup_teardown(what_the_policy_gives_beyond_the_run_is_a_note,
		                                maker_setup, maker_teardown),
		cmocka_unit_test_setup_teardown(another_profile_is_a_doubt_unless_it_allows_no_less,
		                                maker_setup, maker_teardown),
		cmocka_unit_test_setup_teardown(an_untrusted_job_may_not_push_and_holds_nothing,
		                                maker_setup, maker_teardown),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
