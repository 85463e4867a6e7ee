// SPDX-License-Identifier: Apache-2.0
/* step_gate_test.c - the supervisor does not believe its gate: a gate that somebody has taken over
 * gets nothing that the allowlist does not hold. */
#include "runner/job/step_gate.h"

#include "drydock/fd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static struct egress_entry entries[] = {
	{ .host = "allowed.test", .port = 443, .origin = "policy.yml:1:1" },
	{ .host = "wild.test",
	  .wildcard = true,
	  .port = 443,
	  .origin = "policy.yml:2:1",
	  .account = 1,
	  .account_wildcard = true },
	{ .prefix = 8, .port = 7000, .origin = "policy.yml:3:1", .account = 2 }, /* 203.0.0.0/8 */
};
static const struct grant_terms terms = {
	.phase = DD_PHASE_FETCH,
	.egress = { .entries = entries,
	            .n = ARRAY_LEN(entries),
	            .job = { .upload_bytes = 1000, .wildcard_names = 2, .cidr_addresses = 1 } },
};
static struct job_step step = { .phase = DD_PHASE_FETCH, .ref = "s", .terms = &terms };
static struct step_result result;
static struct job job;
static struct step_gate sg;
static int gate_end; /* what the gate would hold */

static int setup(void **state)
{
	int pair[2];
	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -1;
	gate_end = pair[1];
	sg = (struct step_gate){ .job = &job,
		                 .step = &step,
		                 .result = &result,
		                 .gate = { .ctl = pair[0] },
		                 .rules_fd = -1,
		                 .ready = true,
		                 .counted = calloc(ARRAY_LEN(entries), sizeof(*sg.counted)) };
	entries[2].cidr.s_addr = htonl(0xCB000000);
	result = (struct step_result){ .outcome = STEP_NOT_RUN };
	job.spent[DD_PHASE_FETCH] = egress_spent_new(&terms.egress);
	return sg.counted && job.spent[DD_PHASE_FETCH] ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	dd_close_p(&gate_end);
	step_gate_destroy(&sg);
	egress_spent_free(job.spent[DD_PHASE_FETCH]);
	job.spent[DD_PHASE_FETCH] = NULL;
	return 0;
}

static struct gate_msg ask(const char *host, const char *addr)
{
	struct gate_msg m = { .type = GATE_ASK_ADMIT, .id = 1 };
	(void)snprintf(m.host, sizeof(m.host), "%s", host);
	(void)snprintf(m.addr, sizeof(m.addr), "%s", addr);
	return m;
}

/* What the supervisor says to @m: the step goes on (0), or the reason why it ends. */
static const char *verdict(struct gate_msg m)
{
	static struct dd_err err;
	err = (struct dd_err){ .code = 0 };
	assert_int_equal(dd_send_msg(gate_end, &m, sizeof(m), NULL, 0), 0);
	return step_gate_serve(&sg, &err) < 0 ? err.msg : "";
}

static void nothing_is_admitted_that_the_list_does_not_hold(void **state)
{
	(void)state;
	assert_non_null(strstr(verdict(ask("evil.test", "198.18.1.0")), "not on the allowlist"));
	assert_non_null(
		strstr(verdict(ask("notallowed.test", "198.18.1.1")), "not on the allowlist"));
	assert_non_null(
		strstr(verdict(ask("sub.allowed.test", "198.18.1.2")), "not on the allowlist"));
}

static void a_question_that_no_honest_gate_asks_ends_the_step(void **state)
{
	(void)state;
	static const char *const hosts[] = { "ALLOWED.test", "allowed.test.", "", "a b",
		                             "10.0.0.1" };
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
		assert_non_null(
			strstr(verdict(ask(hosts[i], "198.18.1.0")), "no name or no address"));
	assert_non_null(strstr(verdict(ask("allowed.test", "here")), "no name or no address"));
	static const char *const addrs[] = { "45.10.20.1", "127.0.0.1", "198.18.0.1", "198.18.0.2",
		                             "198.19.255.255" };
	for (size_t i = 0; i < ARRAY_LEN(addrs); i++)
		assert_non_null(
			strstr(verdict(ask("allowed.test", addrs[i])), "outside of its range"));
}

static void the_table_of_names_is_made_with_the_first_name(void **state)
{
	(void)state;
	assert_null(sg.names);
	(void)verdict(ask("allowed.test", "198.18.1.0"));
	assert_non_null(sg.names);
}

static struct gate_msg counted(uint32_t entry, const char *host)
{
	struct gate_msg m = { .type = GATE_COUNTED, .id = entry };
	(void)snprintf(m.host, sizeof(m.host), "%s", host);
	return m;
}

static void names_are_counted_by_the_supervisor_too_and_over_the_cap_the_step_ends(void **state)
{
	(void)state;
	struct egress_spent *spent = job.spent[DD_PHASE_FETCH];
	assert_non_null(strstr(verdict(ask("a.wild.test", "198.18.1.1")), "did not count"));
	assert_string_equal(verdict(counted(1, "a.wild.test")), "");
	assert_string_equal(verdict(counted(1, "a.wild.test")), "");
	assert_string_equal(verdict(counted(1, "b.wild.test")), "");
	assert_int_equal(egress_spent_names(spent, 1), 2);
	assert_non_null(strstr(verdict(counted(1, "c.wild.test")), "over the cap"));
	assert_string_equal(verdict(counted(2, "203.0.113.10")), "");
	assert_non_null(strstr(verdict(counted(2, "203.0.113.11")), "over the cap"));
	/* lies about what falls under what */
	assert_non_null(strstr(verdict(counted(0, "allowed.test")), "does not fall under"));
	assert_non_null(strstr(verdict(counted(1, "allowed.test")), "does not fall under"));
	assert_non_null(strstr(verdict(counted(2, "a.wild.test")), "does not fall under"));
	assert_non_null(strstr(verdict(counted(2, "45.1.2.3")), "does not fall under"));
	assert_non_null(strstr(verdict(counted(3, "a.wild.test")), "does not fall under"));
}

static struct gate_msg receipt(const char *host, uint16_t port, uint64_t out)
{
	struct gate_msg m = { .type = GATE_RECEIPT,
		              .port = port,
		              .connections = 1,
		              .bytes_in = 2,
		              .bytes_out = out };
	(void)snprintf(m.host, sizeof(m.host), "%s", host);
	return m;
}

/* G-15: the list has an end, the sums have none. */
static void receipts_pay_into_the_jobs_account_and_sums_are_whole_although_the_list_is_cut(
	void **state)
{
	(void)state;
	struct egress_spent *spent = job.spent[DD_PHASE_FETCH];
	char name[40];
	sg.closed = true;
	assert_string_equal(verdict(receipt("allowed.test", 443, 400)), "");
	assert_string_equal(verdict(receipt("203.0.113.10", 7000, 70)), "");
	assert_int_equal(egress_spent_bytes(spent, 0), 400);
	assert_int_equal(egress_spent_bytes(spent, 2), 70);
	for (unsigned i = 0; i < 300; i++) {
		(void)snprintf(name, sizeof(name), "n%u.wild.test", i);
		assert_string_equal(verdict(receipt(name, 443, 1)), "");
	}
	assert_int_equal(egress_spent_bytes(spent, 1), 300);
	assert_int_equal(result.n_destinations, STEP_DESTINATIONS_MAX);
	assert_int_equal(result.all_destinations, 302);
	assert_int_equal(result.total.bytes_out, 770);
	assert_int_equal(result.total.bytes_in, 604);
	assert_int_equal(result.cut.connections, 302 - STEP_DESTINATIONS_MAX);
	assert_int_equal(result.cut.bytes_out, 302 - STEP_DESTINATIONS_MAX);
	assert_non_null(strstr(verdict(receipt("evil.test", 443, 1)), "not on the allowlist"));
	assert_non_null(strstr(verdict(receipt("allowed.test", 80, 1)), "not on the allowlist"));
}

static void an_address_stands_for_one_name_only(void **state)
{
	(void)state;
	(void)verdict(ask("first.test", "198.18.1.7"));
	assert_non_null(
		strstr(verdict(ask("allowed.test", "198.18.1.7")), "the address of first.test"));
}

static void a_message_out_of_turn_ends_the_step(void **state)
{
	(void)state;
	static const enum gate_msg_type serving[] = { GATE_READY, GATE_RECEIPT, GATE_DONE },
					closed[] = { GATE_ASK_ADMIT, GATE_NET_ALLOW, GATE_CLOSED };
	for (size_t i = 0; i < ARRAY_LEN(serving); i++)
		assert_non_null(
			strstr(verdict((struct gate_msg){ .type = serving[i] }), "out of turn"));
	sg.closed = true;
	for (size_t i = 0; i < ARRAY_LEN(closed); i++)
		assert_non_null(
			strstr(verdict((struct gate_msg){ .type = closed[i] }), "out of turn"));
	sg.ready = sg.closed = false;
	assert_non_null(
		strstr(verdict((struct gate_msg){ .type = GATE_NET_ALLOW }), "out of turn"));
}

static void the_end_of_the_gate_is_the_end_of_the_step(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	dd_close_p(&gate_end);
	assert_int_equal(step_gate_serve(&sg, &err), -EPIPE);
}

/* A flood comes back to the caller, which looks at the clock and at the signals in between. */
static void a_flood_does_not_keep_the_supervisor(void **state)
{
	(void)state;
	struct gate_msg m = { .type = GATE_READY };
	struct dd_err err = { 0 };
	sg.ready = false;
	assert_int_equal(dd_send_msg(gate_end, &m, sizeof(m), NULL, 0), 0);
	assert_int_equal(step_gate_serve(&sg, &err), 0);
	sg.closing = true; /* asked too late: answered with no, the step goes on */
	m = ask("allowed.test", "198.18.1.0");
	size_t sent = 0, answered = 0;
	while (dd_send_msg(gate_end, &m, sizeof(m), NULL, 0) == 0)
		sent++;
	assert_true(sent > 64);
	assert_int_equal(step_gate_serve(&sg, &err), 0);
	while (dd_recv_msg(gate_end, &m, sizeof(m), NULL, 0) == 1) {
		assert_int_equal(m.admitted, 0);
		answered++;
	}
	assert_true(answered > 0 && answered < sent);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_admitted_that_the_list_does_not_hold,
		                                setup, teardown),
		cmocka_unit_test_setup_teardown(a_question_that_no_honest_gate_asks_ends_the_step,
		                                setup, teardown),
		cmocka_unit_test_setup_teardown(the_table_of_names_is_made_with_the_first_name,
		                                setup, teardown),
		cmocka_unit_test_setup_teardown(
			names_are_counted_by_the_supervisor_too_and_over_the_cap_the_step_ends,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			receipts_pay_into_the_jobs_account_and_sums_are_whole_although_the_list_is_cut,
			setup, teardown),
		cmocka_unit_test_setup_teardown(an_address_stands_for_one_name_only, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(a_message_out_of_turn_ends_the_step, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(the_end_of_the_gate_is_the_end_of_the_step, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(a_flood_does_not_keep_the_supervisor, setup,
		                                teardown),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("step_gate", tests, NULL, NULL);
}
