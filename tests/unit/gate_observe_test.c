// SPDX-License-Identifier: Apache-2.0
/* gate_observe_test.c - the gate in observe mode, with real sockets on both sides: what passes,
 * what is said about it, and what never passes. */
#include "gate_fixture.h"

static struct egress_entry entries[] = {
	{ .host = "good.test", .port = 443, .why = "tests need it", .origin = "t.yml:1:1" },
	{ .host = "good.test", .port = 80, .origin = "t.yml:2:1", .account = 1 },
	{ .host = "pin.test",
	  .port = 443,
	  .pins = { WORLD_PUBLIC2 },
	  .origin = "t.yml:3:1",
	  .account = 2 },
	{ .host = "wild.test", .wildcard = true, .port = 443, .origin = "t.yml:4:1", .account = 3 },
	{ .prefix = 8,
	  .port = 80,
	  .origin = "t.yml:5:1",
	  .account = 4 }, /* 10.0.0.0/8, without `private: allow`: the wall lets it through
	       to the gate */
};
static const struct egress_list list = {
	.entries = entries,
	.n = ARRAY_LEN(entries),
	.job = { .upload_bytes = 1000, .wildcard_names = 1, .cidr_addresses = 1 },
	.step = EGRESS_CAPS_WIDEST,
	.connections = 100,
};
static const struct egress_list none = { .n = 0 };

static int start(const struct egress_list *l)
{
	struct dd_err err = { 0 };
	w.observe = true;
	entries[4].cidr.s_addr = htonl(0x0A000000);
	if (!have_world || world_start(&w, l, &err))
		return 0;
	print_error("gate world: %s\n", err.msg);
	return -1;
}

static int set_up(void **state)
{
	(void)state;
	return start(&list);
}

static int set_up_none(void **state)
{
	(void)state;
	return start(&none);
}

static void connect_to(const char *name, uint16_t port)
{
	struct in_addr addr;
	assert_int_equal(world_resolve(&w, name, 1, &addr), 0);
	client = world_dial(&w, addr, port);
	assert_true(client >= 0);
}

static void reached(const char *addr, uint16_t port)
{
	if (server < 0)
		server = world_listen(addr, port);
	assert_true(server >= 0);
	peer = world_accept(&w, server, 2000);
	assert_true(peer >= 0);
}

static void send_text(const char *text)
{
	assert_int_equal(send(client, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void receive_text(int fd, const char *text)
{
	char buf[4000];
	size_t got = 0;
	while (got < strlen(text)) {
		ssize_t n = world_read(&w, fd, buf + got, sizeof(buf) - got, 2000);
		assert_true(n > 0);
		got += (size_t)n;
	}
	assert_int_equal(got, strlen(text));
	assert_memory_equal(buf, text, got);
}

static void is(const struct gate_msg *m, const char *host, uint16_t port, bool would,
               enum gate_speaks speaks)
{
	assert_string_equal(m->host, host);
	assert_int_equal(m->port, port);
	assert_int_equal(m->would != REASON_NONE, would);
	assert_int_equal(m->speaks, speaks);
}

static void
a_connection_is_dialled_before_the_client_says_a_word_and_a_server_that_speaks_first_is_heard(
	void **state)
{
	(void)state;
	need_world();
	server = world_listen(WORLD_PUBLIC, 443);
	connect_to("good.test", 443);
	reached(WORLD_PUBLIC, 443);
	assert_int_equal(send(peer, "220 hello\r\n", 11, 0), 11);
	receive_text(client, "220 hello\r\n");
	is(told_of(GATE_NET_ALLOW, "entry needs tls: raw", 500), "good.test", 443, true,
	   GATE_SPEAKS_RAW);
	send_text("EHLO x\r\n");
	receive_text(peer, "EHLO x\r\n");
}

static void a_listed_name_with_its_own_hello_would_have_passed(void **state)
{
	(void)state;
	uint8_t hello[600];
	need_world();
	server = world_listen(WORLD_PUBLIC, 443);
	connect_to("good.test", 443);
	size_t len = world_hello("good.test", hello);
	assert_int_equal(send(client, hello, len, MSG_NOSIGNAL), len);
	reached(WORLD_PUBLIC, 443);
	is(told_of(GATE_NET_ALLOW, "tests need it", 1000), "good.test", 443, false,
	   GATE_SPEAKS_TLS);
}

/* In pieces, and all of it arrives: what is judged is not lost. */
static void another_server_name_is_let_through_to_the_address_of_the_looked_up_name(void **state)
{
	(void)state;
	uint8_t hello[600];
	char buf[600];
	need_world();
	server = world_listen(WORLD_PUBLIC, 443);
	connect_to("good.test", 443);
	size_t len = world_hello("evil.test", hello);
	for (size_t at = 0; at < len; at += 20) {
		size_t n = len - at < 20 ? len - at : 20;
		assert_int_equal(send(client, hello + at, n, MSG_NOSIGNAL), n);
		(void)world_serve(&w, -1, 0, 5);
	}
	reached(WORLD_PUBLIC, 443);
	size_t got = 0;
	while (got < len) {
		ssize_t n = world_read(&w, peer, buf + got, sizeof(buf) - got, 2000);
		assert_true(n > 0);
		got += (size_t)n;
	}
	assert_memory_equal(buf, hello, len);
	is(told_of(GATE_NET_ALLOW, "the server name is another host", 500), "good.test", 443, true,
	   GATE_SPEAKS_RAW);
}

static void requests_that_would_be_cut_go_on_and_are_said(void **state)
{
	(void)state;
	static const char good[] =
		"POST /a HTTP/1.1\r\nHost: good.test\r\nContent-Length: 3\r\n\r\nabc",
			  evil[] = "GET /b HTTP/1.1\r\nHost: evil.test\r\n\r\n";
	need_world();
	server = world_listen(WORLD_PUBLIC, 80);
	connect_to("good.test", 80);
	send_text(good);
	reached(WORLD_PUBLIC, 80);
	receive_text(peer, good);
	is(told_of(GATE_NET_ALLOW, "t.yml:2:1", 500), "good.test", 80, false, GATE_SPEAKS_HTTP);
	send_text(evil);
	receive_text(peer, evil);
	is(told_of(GATE_NET_ALLOW, "Host names another host", 500), "good.test", 80, true,
	   GATE_SPEAKS_RAW);
	send_text("\1\2\3 anything");
	receive_text(peer, "\1\2\3 anything");
}

static void an_upgrade_that_would_be_refused_becomes_opaque(void **state)
{
	(void)state;
	static const char ask[] =
		"GET /x HTTP/1.1\r\nHost: good.test\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
	need_world();
	server = world_listen(WORLD_PUBLIC, 80);
	connect_to("good.test", 80);
	send_text(ask);
	reached(WORLD_PUBLIC, 80);
	receive_text(peer, ask);
	assert_int_equal(send(peer, "HTTP/1.1 101 Go\r\n\r\n", 19, 0), 19);
	receive_text(client, "HTTP/1.1 101 Go\r\n\r\n");
	send_text("PRI * binary");
	receive_text(peer, "PRI * binary");
	(void)told_of(GATE_NET_ALLOW, "protocol other than WebSocket", 500);
}

static void a_client_that_ends_without_a_word_is_told_without_a_protocol(void **state)
{
	(void)state;
	need_world();
	server = world_listen(WORLD_PUBLIC, 443);
	connect_to("good.test", 443);
	reached(WORLD_PUBLIC, 443);
	dd_close_p(&client);
	is(told_of(GATE_NET_ALLOW, "", 1000), "good.test", 443, false, GATE_SPEAKS_NOTHING);
}

static void a_name_of_no_list_is_answered_said_once_and_reached_at_any_port(void **state)
{
	(void)state;
	struct in_addr addr;
	need_world();
	server = world_listen(WORLD_PUBLIC, 12345);
	connect_to("other.test", 12345);
	reached(WORLD_PUBLIC, 12345);
	send_text("\1binary");
	assert_string_equal(told_of(GATE_DNS_ALLOW, "not in the allowlist", 500)->host,
	                    "other.test");
	assert_int_equal(world_resolve(&w, "other.test", 1, &addr), 0);
	unsigned told = 0;
	for (size_t i = 0; i < w.n_events; i++)
		told += w.events[i].type == GATE_DNS_ALLOW;
	assert_int_equal(told, 1);
}

static void the_kernel_must_admit_an_observed_name_before_it_is_answered(void **state)
{
	(void)state;
	struct in_addr addr;
	need_world();
	w.refuse_admit = true;
	assert_int_equal(world_resolve(&w, "other.test", 1, &addr), 2);
	assert_int_equal(addr.s_addr, 0);
	assert_int_equal(world_dial(&w, (struct in_addr){ htonl(NET_SYNTHETIC_FIRST) }, 443),
	                 -ECONNREFUSED);
}

static void private_answers_of_a_name_of_no_list_are_refused(void **state)
{
	(void)state;
	static const char *const answers[] = { "127.0.0.1",    "10.9.9.9",   "192.168.1.1",
		                               "172.16.0.1",   "100.64.0.1", "169.254.169.254",
		                               "168.63.129.16" };
	struct in_addr addr;
	need_world();
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		w.answer = answers[i];
		char name[40];
		(void)snprintf(name, sizeof(name), "evil%zu.test", i);
		assert_int_equal(world_resolve(&w, name, 1, &addr), 3);
		assert_int_equal(addr.s_addr, 0);
		(void)told_of(GATE_NET_DENY, answers[i], 500);
	}
}

/* The wall let it through: the list has a block that covers it. The gate is the second lock. */
static void a_private_address_that_comes_past_the_wall_is_refused_by_the_gate(void **state)
{
	(void)state;
	char byte;
	need_world();
	dd_auto_fd int private_server = world_listen("10.9.9.9", 80);
	client = world_dial(&w, world_ip("10.9.9.9"), 80);
	if (client >= 0)
		assert_int_equal(world_read(&w, client, &byte, 1, 3000), -ECONNRESET);
	assert_int_equal(world_accept(&w, private_server, 150), -1);
	assert_int_equal(told_of(GATE_NET_DENY, "private (RFC 1918)", 500)->would, 0);
}

static void a_pinned_name_is_reached_at_other_ports_where_the_policy_put_it(void **state)
{
	(void)state;
	need_world();
	server = world_listen(WORLD_PUBLIC2, 9000);
	connect_to("pin.test", 9000);
	reached(WORLD_PUBLIC2, 9000);
	send_text("x y");
	is(told_of(GATE_NET_ALLOW, "not this port", 500), "pin.test", 9000, true, GATE_SPEAKS_RAW);
	assert_int_equal(w.upstream_queries, 0);
}

static void a_raw_public_address_is_reached(void **state)
{
	(void)state;
	need_world();
	server = world_listen(WORLD_PUBLIC2, 2222);
	client = world_dial(&w, world_ip(WORLD_PUBLIC2), 2222);
	reached(WORLD_PUBLIC2, 2222);
	const struct gate_msg *m = told_of(GATE_NET_ALLOW, "no entry for this address", 500);
	is(m, "", 2222, true, GATE_SPEAKS_RAW);
	assert_string_equal(m->addr, WORLD_PUBLIC2);
}

static void the_upload_budget_is_said_once_and_not_enforced(void **state)
{
	(void)state;
	static char body[5000];
	char buf[8000];
	need_world();
	memset(body, 'x', sizeof(body));
	server = world_listen(WORLD_PUBLIC, 80);
	connect_to("good.test", 80);
	send_text("POST /up HTTP/1.1\r\nHost: good.test\r\nContent-Length: 5000\r\n\r\n");
	assert_int_equal(send(client, body, sizeof(body), MSG_NOSIGNAL), sizeof(body));
	reached(WORLD_PUBLIC, 80);
	for (size_t got = 0; got < sizeof(body) + 60;) {
		ssize_t n = world_read(&w, peer, buf, sizeof(buf), 2000);
		assert_true(n > 0);
		got += (size_t)n;
	}
	assert_true(
		told_of(GATE_VIOLATION, "over the upload budget of this entry: 1000 bytes", 1000)
			->bytes_out > 1000);
}

static void closing_ends_an_observing_gate_like_any_other(void **state)
{
	(void)state;
	struct gate_msg close_msg = { .type = GATE_CLOSE }, finish_msg = { .type = GATE_FINISH };
	char byte;
	int status = -1;
	need_world();
	server = world_listen(WORLD_PUBLIC, 443);
	connect_to("other.test", 443);
	reached(WORLD_PUBLIC, 443);
	assert_int_equal(gate_send(&w.gate, &close_msg, NULL), 0);
	(void)told_of(GATE_CLOSED, "", 1000);
	assert_int_equal(world_read(&w, client, &byte, 1, 1000), -ECONNRESET);
	assert_int_equal(world_read(&w, peer, &byte, 1, 1000), -ECONNRESET);
	assert_int_equal(gate_send(&w.gate, &finish_msg, NULL), 0);
	assert_int_equal(told_of(GATE_DONE, "", 2000)->connections, 1);
	assert_int_equal(waitpid(w.gate.pid, &status, 0), w.gate.pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	w.gate.pid = 0;
}

#define OBSERVE(test)      cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define OBSERVE_NONE(test) cmocka_unit_test_setup_teardown(test, set_up_none, tear_down)

int main(int argc, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN);
	have_world = world_enter();
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		OBSERVE(a_connection_is_dialled_before_the_client_says_a_word_and_a_server_that_speaks_first_is_heard),
		OBSERVE(a_listed_name_with_its_own_hello_would_have_passed),
		OBSERVE(another_server_name_is_let_through_to_the_address_of_the_looked_up_name),
		OBSERVE(requests_that_would_be_cut_go_on_and_are_said),
		OBSERVE(an_upgrade_that_would_be_refused_becomes_opaque),
		OBSERVE(a_client_that_ends_without_a_word_is_told_without_a_protocol),
		OBSERVE_NONE(a_name_of_no_list_is_answered_said_once_and_reached_at_any_port),
		OBSERVE_NONE(the_kernel_must_admit_an_observed_name_before_it_is_answered),
		OBSERVE_NONE(private_answers_of_a_name_of_no_list_are_refused),
		OBSERVE(a_private_address_that_comes_past_the_wall_is_refused_by_the_gate),
		OBSERVE(a_pinned_name_is_reached_at_other_ports_where_the_policy_put_it),
		OBSERVE_NONE(a_raw_public_address_is_reached),
		OBSERVE(the_upload_budget_is_said_once_and_not_enforced),
		OBSERVE_NONE(closing_ends_an_observing_gate_like_any_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
