// SPDX-License-Identifier: Apache-2.0
/* step_wants_test.c - what is known of a refused destination when it is refused. */
#include "runner/job/step_wants.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct egress_entry entries[] = {
	{ .host = "inside.test", .port = 80, .private_ok = true, .origin = "p.yml:1:1" },
	{ .host = "pinned.test",
	  .port = 80,
	  .pins = { "10.0.0.1", "10.0.0.2" },
	  .private_ok = true,
	  .origin = "p.yml:2:1" },
	{ .host = "raw.test", .port = 22, .tls = EGRESS_TLS_RAW, .origin = "p.yml:3:1" },
	{ .host = "plain.test", .port = 22, .origin = "p.yml:4:1" },
	{ .host = "set.test", .port = 22, .tls = EGRESS_TLS_RAW, .origin = "npm: registry" },
};
static const struct grant_terms terms = {
	.phase = DD_PHASE_FETCH,
	.egress = { .entries = entries, .n = sizeof(entries) / sizeof(entries[0]) },
};
static const struct recipe recipe = { .name = "s",
	                              .script = "export DB=postgres://db.test:5433/x\nmake it\n" };
static const struct job_step step = { .phase = DD_PHASE_FETCH, .terms = &terms, .recipe = &recipe };

static struct facts_wants wants_of(const char *host, uint16_t port, enum dd_reason reason,
                                   struct process_aim aim)
{
	struct facts_wants w;
	unsigned reads = 0;
	const struct process_hint who = { .pid = 7, .aim = aim };
	struct gate_msg msg = { .type = port ? GATE_NET_DENY : GATE_DNS_DENY,
		                .proto = IPPROTO_TCP,
		                .port = port ? port : 53,
		                .reason = (uint16_t)reason };
	(void)strcpy(msg.host, host);
	step_wants(&step, &msg, &who, &reads, &w);
	return w;
}

static const struct process_aim nothing, ssh = { 22, true, true };

static void a_query_has_the_port_and_the_protocol_of_its_program(void **state)
{
	(void)state;
	struct facts_wants w = wants_of("new.test", 0, REASON_NAME_NOT_LISTED, ssh);
	assert_true(w.known && w.port == 22 && w.raw && !w.private_ok && !w.address);
	w = wants_of("new.test", 0, REASON_NAME_NOT_LISTED, nothing);
	assert_false(w.known);
	w = wants_of("db.test", 0, REASON_NAME_NOT_LISTED, nothing); /* by the step's script */
	assert_true(w.port == 5433 && w.raw);
}

static void another_entry_of_the_name_says_where_it_leads(void **state)
{
	(void)state;
	struct facts_wants w = wants_of("inside.test", 8080, REASON_PORT_NOT_LISTED, nothing);
	assert_true(w.known && w.private_ok && !w.raw && w.port == 0);
	w = wants_of("pinned.test", 8080, REASON_PORT_NOT_LISTED, nothing);
	assert_string_equal(w.address[1], "10.0.0.2");
	assert_null(w.address[2]);
}

static void an_entry_that_can_be_written_to_is_asked_for_what_it_lacks(void **state)
{
	(void)state;
	assert_true(wants_of("plain.test", 22, REASON_ANSWER_PRIVATE, ssh).raw);
	assert_false(wants_of("raw.test", 22, REASON_ANSWER_PRIVATE, ssh).raw);
	/* one of a set is written anew, with all that it has */
	assert_true(wants_of("set.test", 22, REASON_ANSWER_PRIVATE, nothing).raw);
}

static void what_no_entry_answers_wants_nothing(void **state)
{
	(void)state;
	assert_false(wants_of("new.test", 443, REASON_UDP, ssh).known);
	assert_false(wants_of("new.test", 443, REASON_ANSWER_METADATA, ssh).known);
	assert_false(wants_of("", 443, REASON_ADDRESS_NOT_LISTED, ssh).known);
}

static void behind_a_number_of_refusals_nothing_is_read_any_more(void **state)
{
	(void)state;
	struct facts_wants w;
	const struct process_hint nobody = { .pid = 0 };
	struct gate_msg msg = { .type = GATE_DNS_DENY, .reason = REASON_NAME_NOT_LISTED };
	unsigned reads = STEP_WANTS_READS_MAX - 1;
	(void)strcpy(msg.host, "db.test");
	step_wants(&step, &msg, &nobody, &reads, &w);
	assert_int_equal(w.port, 5433);
	step_wants(&step, &msg, &nobody, &reads, &w);
	assert_false(w.known);
	assert_int_equal(reads, STEP_WANTS_READS_MAX);
}

static void the_hosts_file_counts_where_it_says_one_thing(void **state)
{
	(void)state;
	static const char hosts[] = "127.0.0.1 localhost\n10.0.0.5\tregistry.corp Registry # web\n"
				    "8.8.8.8 both\n10.0.0.6 both\n#10.0.0.7 off\nfd00::1 six\n"
				    "169.254.169.254 meta\nnonsense off\n10.0.0.8 last";
	static const struct {
		const char *name;
		bool inside;
	} rows[] = { { "registry.corp", true }, { "registry", true }, { "both", false },
		     { "off", false },          { "six", true },      { "meta", false },
		     { "last", true },          { "web", false },     { "10.0.0.5", false } };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(step_wants_inside(hosts, rows[i].name), rows[i].inside);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_query_has_the_port_and_the_protocol_of_its_program),
		cmocka_unit_test(another_entry_of_the_name_says_where_it_leads),
		cmocka_unit_test(an_entry_that_can_be_written_to_is_asked_for_what_it_lacks),
		cmocka_unit_test(what_no_entry_answers_wants_nothing),
		cmocka_unit_test(behind_a_number_of_refusals_nothing_is_read_any_more),
		cmocka_unit_test(the_hosts_file_counts_where_it_says_one_thing),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("step_wants", tests, NULL, NULL);
}
