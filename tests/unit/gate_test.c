// SPDX-License-Identifier: Apache-2.0
/* gate_test.c - the real gate process, driven over its control socket, with real sockets on both
 * sides. */
#include "gate_fixture.h"

#include "netpolicy/gate/gate_internal.h"

#include "drydock/fault.h"

#include <sys/eventfd.h>
#include <sys/syscall.h>

static bool have_root;

static const struct egress_entry entries[] = {
	{ .host = "good.test", .port = 443, .why = "tests need it", .origin = "t.yml:1:1" },
	{ .host = "good.test", .port = 80, .origin = "t.yml:2:1", .account = 1 },
	{ .host = "raw.test",
	  .port = 22,
	  .tls = EGRESS_TLS_RAW,
	  .origin = "t.yml:3:1",
	  .account = 2 },
	{ .host = "pin.test",
	  .port = 443,
	  .pins = { WORLD_PUBLIC2 },
	  .tls = EGRESS_TLS_RAW,
	  .origin = "t.yml:4:1",
	  .account = 3 },
	{ .host = "wild.test",
	  .wildcard = true,
	  .port = 443,
	  .origin = "t.yml:5:1",
	  .account = 4,
	  .account_wildcard = true },
	/* narrowed out of the wildcard by a repository: the operator's cap counts them too */
	{ .host = "one.wild.test",
	  .port = 443,
	  .account = 4,
	  .account_wildcard = true,
	  .origin = "t.yml:5:1" },
	{ .host = "two.wild.test",
	  .port = 443,
	  .account = 4,
	  .account_wildcard = true,
	  .origin = "t.yml:5:1" },
	{ .host = "hosts.test",
	  .port = 22,
	  .tls = EGRESS_TLS_RAW,
	  .origin = "t.yml:6:1",
	  .account = 5 },
	{ .host = "meta.test",
	  .port = 443,
	  .private_ok = true,
	  .origin = "t.yml:7:1",
	  .account = 6 },
	/* two names that a repository made of one entry */
	{ .host = "left.test",
	  .port = 22,
	  .tls = EGRESS_TLS_RAW,
	  .origin = "t.yml:8:1",
	  .account = 7 },
	{ .host = "right.test",
	  .port = 22,
	  .tls = EGRESS_TLS_RAW,
	  .origin = "t.yml:8:1",
	  .account = 7 },
	/* 203.0.0.0/8, where WORLD_PUBLIC and its neighbours are */
	{ .cidr = { 203 }, .prefix = 8, .port = 7000, .origin = "t.yml:9:1", .account = 8 },
};
static const struct egress_list list = {
	.entries = entries,
	.n = ARRAY_LEN(entries),
	.job = { .upload_bytes = 1000000, .wildcard_names = 3, .cidr_addresses = 2 },
	.step = EGRESS_CAPS_WIDEST,
	.connections = 4,
};
static const struct egress_list small = {
	.entries = entries,
	.n = ARRAY_LEN(entries),
	.job = { .upload_bytes = 1000, .wildcard_names = 3, .cidr_addresses = 2 },
	.step = EGRESS_CAPS_WIDEST,
	.connections = 4,
};
static const struct egress_list small_step = {
	.entries = entries,
	.n = ARRAY_LEN(entries),
	.job = { .upload_bytes = 1000000, .wildcard_names = 3, .cidr_addresses = 2 },
	.step = { .upload_bytes = 500, .wildcard_names = 1, .cidr_addresses = 1 },
	.connections = 4,
};
static const struct egress_list none = { .n = 0 };

static int start(const struct egress_list *l)
{
	struct dd_err err = { 0 };
	if (have_world && world_start(&w, l, &err))
		return 0;
	if (have_world)
		print_error("gate world: %s\n", err.msg);
	return have_world ? -1 : 0;
}

static int set_up(void **state)
{
	(void)state;
	return start(&list);
}

static int set_up_small(void **state)
{
	(void)state;
	return start(&small);
}

/* Earlier steps of the job have sent 900 bytes over raw.test's entry, and looked up two names below
 * the wildcard. */
static int set_up_later_step(void **state)
{
	(void)state;
	w.spent = egress_spent_new(&small);
	if (!w.spent || egress_spent_count(w.spent, 4, "old.wild.test") < 0 ||
	    egress_spent_count(w.spent, 4, "older.wild.test") < 0)
		return -1;
	egress_spent_add(w.spent, 2, 900);
	egress_spent_add(w.spent, 5, 1000);
	return start(&small);
}

static int set_up_small_step(void **state)
{
	(void)state;
	return start(&small_step);
}

static int set_up_closed(void **state)
{
	(void)state;
	return start(&none);
}

static void send_hello(const char *sni)
{
	uint8_t hello[600];
	size_t len = world_hello(sni, hello);
	assert_int_equal(send(client, hello, len, MSG_NOSIGNAL), len);
}

static void connect_to(const char *name, uint16_t port)
{
	struct in_addr addr;
	assert_int_equal(world_resolve(&w, name, 1, &addr), 0);
	assert_int_not_equal(addr.s_addr, 0);
	client = world_dial(&w, addr, port);
	assert_true(client >= 0 || client == -ECONNRESET);
}

/* A gate that refuses at once may be faster than our look at the new connection: then the dial
 * itself says it. */
static void is_reset(int fd)
{
	char byte;
	if (fd == -ECONNRESET)
		return;
	ssize_t n = world_read(&w, fd, &byte, 1, 3000);
	assert_true(n == -ECONNRESET || n == -EPIPE);
}

static void nobody_arrives(void)
{
	assert_int_equal(world_accept(&w, server, 150), -1);
}

static void finish(void)
{
	struct gate_msg close_msg = { .type = GATE_CLOSE };
	struct gate_msg finish_msg = { .type = GATE_FINISH };
	int status = -1;
	assert_int_equal(gate_send(&w.gate, &close_msg, NULL), 0);
	(void)told_of(GATE_CLOSED, "", 1000);
	assert_int_equal(gate_send(&w.gate, &finish_msg, NULL), 0);
	(void)told_of(GATE_DONE, "", 2000);
	assert_int_equal(waitpid(w.gate.pid, &status, 0), w.gate.pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	w.gate.pid = 0;
}

/* ---- what must work ---- */

static void an_allowed_name_works_end_to_end_and_is_receipted(void **state)
{
	(void)state;
	char buf[2000];
	need_world();
	server = world_listen(WORLD_PUBLIC, 443);
	connect_to("GOOD.test.", 443);
	send_hello("good.test");
	peer = world_accept(&w, server, 2000);
	assert_true(peer >= 0);
	ssize_t hello = world_read(&w, peer, buf, sizeof(buf), 1000);
	assert_true(hello > 50);
	assert_int_equal(send(peer, "answer", 6, 0), 6);
	assert_int_equal(world_read(&w, client, buf, sizeof(buf), 1000), 6);
	assert_int_equal(send(client, "more", 4, 0), 4);
	assert_int_equal(world_read(&w, peer, buf, sizeof(buf), 1000), 4);
	const struct gate_msg *allow = told_of(GATE_NET_ALLOW, "tests need it", 500);
	assert_string_equal(allow->host, "good.test");
	assert_string_equal(allow->addr, WORLD_PUBLIC);
	finish();
	const struct gate_msg *receipt = told_of(GATE_RECEIPT, "", 0);
	assert_int_equal(receipt->connections, 1);
	assert_int_equal(receipt->bytes_in, 6);
	assert_int_equal(receipt->bytes_out, hello + 4);
}

static void a_raw_entry_relays_half_closes_and_large_transfers(void **state)
{
	(void)state;
	static char buf[1 << 16];
	size_t total = 0;
	need_world();
	server = world_listen(WORLD_PUBLIC, 22);
	connect_to("raw.test", 22);
	peer = world_accept(&w, server, 2000);
	assert_true(peer >= 0);
	assert_int_equal(send(peer, "SSH-2.0-x\r\n", 11, 0), 11); /* the server speaks first */
	assert_int_equal(world_read(&w, client, buf, sizeof(buf), 1000), 11);
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	assert_int_equal(world_read(&w, peer, buf, sizeof(buf), 1000), 0);
	for (size_t sent = 0; total < 5000000;) {
		ssize_t n = sent < 5000000
		                    ? send(peer, buf, sizeof(buf), MSG_DONTWAIT | MSG_NOSIGNAL)
		                    : 0;
		sent += n > 0 ? (size_t)n : 0;
		n = world_read(&w, client, buf, sizeof(buf), 1000);
		assert_true(n > 0);
		total += (size_t)n;
	}
	dd_close_p(&peer);
	ssize_t n;
	while ((n = world_read(&w, client, buf, sizeof(buf), 1000)) > 0)
		;
	assert_int_equal(n, 0);
}

static void pins_and_the_hosts_file_need_no_upstream(void **state)
{
	(void)state;
	need_world();
	server = world_listen(WORLD_PUBLIC2, 443);
	connect_to("pin.test", 443);
	peer = world_accept(&w, server, 2000);
	assert_true(peer >= 0);
	dd_close_p(&peer);
	dd_close_p(&client);
	dd_close_p(&server);
	server = world_listen(WORLD_PUBLIC, 22);
	connect_to("hosts.test", 22);
	peer = world_accept(&w, server, 2000);
	assert_true(peer >= 0);
	assert_int_equal(w.upstream_queries, 0);
}

static void http_works_and_a_second_request_for_another_host_is_refused(void **state)
{
	(void)state;
	char buf[500];
	static const char good[] =
		"POST /a HTTP/1.1\r\nHost: good.test\r\nContent-Length: 3\r\n\r\nabc";
	static const char evil[] = "GET /b HTTP/1.1\r\nHost: evil.test\r\n\r\n";
	need_world();
	server = world_listen(WORLD_PUBLIC, 80);
	connect_to("good.test", 80);
	assert_int_equal(send(client, good, strlen(good), 0), strlen(good));
	peer = world_accept(&w, server, 2000);
	assert_int_equal(world_read(&w, peer, buf, sizeof(buf), 1000), strlen(good));
	assert_int_equal(send(peer, "HTTP/1.1 204 No\r\n\r\n", 19, 0), 19);
	assert_int_equal(world_read(&w, client, buf, sizeof(buf), 1000), 19);
	assert_int_equal(send(client, good, strlen(good), 0), strlen(good));
	assert_int_equal(world_read(&w, peer, buf, sizeof(buf), 1000), strlen(good));
	assert_int_equal(send(client, evil, strlen(evil), 0), strlen(evil));
	is_reset(client);
	is_reset(peer);
	(void)told_of(GATE_NET_DENY, "Host names another host", 500);
}

/* What a server that skips the body of a GET would take for the next request (N-31). */
static void a_get_with_a_body_never_arrives(void **state)
{
	(void)state;
	static const char evil[] =
		"GET /a HTTP/1.1\r\nHost: good.test\r\nContent-Length: 36\r\n\r\n"
		"GET /b HTTP/1.1\r\nHost: evil.test\r\n\r\n";
	need_world();
	server = world_listen(WORLD_PUBLIC, 80);
	connect_to("good.test", 80);
	assert_int_equal(send(client, evil, strlen(evil), 0), strlen(evil));
	is_reset(client);
	nobody_arrives();
	assert_int_equal(told_of(GATE_NET_DENY, "", 500)->reason, REASON_HTTP_BODY);
}

static const char put_head[] = "PUT /a HTTP/1.1\r\nHost: good.test\r\nExpect: 100-continue\r\n"
			       "Content-Length: 36\r\n\r\n";
static const char put_body[] = "GET /b HTTP/1.1\r\nHost: evil.test\r\n\r\n";

static void expect_a_word(void)
{
	char buf[500];
	need_world();
	server = world_listen(WORLD_PUBLIC, 80);
	connect_to("good.test", 80);
	assert_int_equal(send(client, put_head, strlen(put_head), 0), strlen(put_head));
	assert_int_equal(send(client, put_body, strlen(put_body), 0), strlen(put_body));
	peer = world_accept(&w, server, 2000);
	assert_int_equal(world_read(&w, peer, buf, sizeof(buf), 1000), strlen(put_head));
	assert_int_equal(world_read(&w, peer, buf, sizeof(buf), 200), -ETIMEDOUT);
}

static void a_body_that_waits_for_the_servers_word_goes_when_it_comes(void **state)
{
	(void)state;
	char buf[500];
	expect_a_word();
	assert_int_equal(send(peer, "HTTP/1.1 100 Continue\r\n\r\n", 25, 0), 25);
	assert_int_equal(world_read(&w, client, buf, sizeof(buf), 1000), 25);
	assert_int_equal(world_read(&w, peer, buf, sizeof(buf), 1000), strlen(put_body));
	assert_int_equal(send(peer, "HTTP/1.1 204 No\r\n\r\n", 19, 0), 19);
	assert_int_equal(world_read(&w, client, buf, sizeof(buf), 1000), 19);
	/* the next request of the connection is checked as ever, and cannot wait again */
	assert_int_equal(send(client, put_head, strlen(put_head), 0), strlen(put_head));
	is_reset(client);
	assert_int_equal(told_of(GATE_NET_DENY, "", 500)->reason, REASON_HTTP_EXPECT);
}

/* A server that has answered without the body may take it for the next request. */
static void a_body_that_the_server_did_not_ask_for_never_arrives(void **state)
{
	(void)state;
	char buf[500];
	static const char no[] = "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n";
	expect_a_word();
	assert_int_equal(send(peer, no, strlen(no), 0), strlen(no));
	assert_int_equal(world_read(&w, client, buf, sizeof(buf), 1000), strlen(no));
	assert_int_equal(world_read(&w, peer, buf, sizeof(buf), 300), -ETIMEDOUT);
}

static void a_websocket_goes_raw_only_after_the_101(void **state)
{
	(void)state;
	char buf[500];
	static const char ask[] = "GET /ws HTTP/1.1\r\nHost: good.test\r\nConnection: "
				  "Upgrade\r\nUpgrade: websocket\r\n\r\n";
	need_world();
	server = world_listen(WORLD_PUBLIC, 80);
	connect_to("good.test", 80);
	assert_int_equal(send(client, ask, strlen(ask), 0), strlen(ask));
	peer = world_accept(&w, server, 2000);
	assert_int_equal(world_read(&w, peer, buf, sizeof(buf), 1000), strlen(ask));
	assert_int_equal(send(client, "\x81\x01x", 3, 0), 3);
	assert_int_equal(world_read(&w, peer, buf, sizeof(buf), 100), -ETIMEDOUT);
	assert_int_equal(send(peer, "HTTP/1.1 101 Switching\r\n\r\n", 26, 0), 26);
	assert_int_equal(world_read(&w, peer, buf, sizeof(buf), 1000), 3);
	assert_int_equal(world_read(&w, client, buf, sizeof(buf), 1000), 26);
}

/* ---- what must not ---- */

static void another_server_name_is_refused_and_the_server_sees_nothing(void **state)
{
	(void)state;
	static const char *const names[] = { "evil.test", "good.test.evil.test", "notgood.test",
		                             "" };
	need_world();
	server = world_listen(WORLD_PUBLIC, 443);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		connect_to("good.test", 443);
		send_hello(names[i]);
		is_reset(client);
		dd_close_p(&client);
	}
	nobody_arrives();
	(void)told_of(GATE_NET_DENY, "the server name is another host", 500);
	(void)told_of(GATE_NET_DENY, "no server name", 500);
}

static void a_client_that_says_neither_tls_nor_http_is_refused(void **state)
{
	(void)state;
	need_world();
	server = world_listen(WORLD_PUBLIC, 443);
	connect_to("good.test", 443);
	assert_int_equal(send(client, "SSH-2.0-x\r\n", 11, 0), 11);
	is_reset(client);
	nobody_arrives();
	(void)told_of(GATE_NET_DENY, "neither TLS nor HTTP: entry needs tls: raw", 500);
}

static void other_names_and_types_are_refused_without_a_query_outside(void **state)
{
	(void)state;
	struct in_addr addr;
	need_world();
	assert_int_equal(world_resolve(&w, "evil.test", 1, &addr), 3);
	assert_int_equal(world_resolve(&w, "notgood.test", 1, &addr), 3);
	assert_int_equal(world_resolve(&w, "good.test", 16, &addr), 0);
	assert_int_equal(world_resolve(&w, "good.test", 28, &addr), 0);
	assert_int_equal(addr.s_addr, 0);
	assert_int_equal(w.upstream_queries, 0);
	const struct gate_msg *deny = told_of(GATE_DNS_DENY, "", 500);
	assert_string_equal(deny->host, "evil.test");
	assert_int_not_equal(deny->src_port, 0);
}

/* W-09: the process that asked must still be there when the supervisor looks for it. */
static void a_refused_name_is_answered_when_somebody_has_looked_who_asked(void **state)
{
	(void)state;
	uint8_t q[300];
	uint8_t a[600];
	need_world();
	w.blind = true;
	size_t len = world_query(q, "evil.test", 1);
	struct sockaddr_in to = world_sockaddr((struct in_addr){ htonl(NET_RESOLVER_ADDR) }, 53);
	int fd = world_socket(&w, SOCK_DGRAM);
	assert_int_equal(sendto(fd, q, len, 0, (void *)&to, sizeof(to)), len);
	const struct gate_msg *deny = told_of(GATE_DNS_DENY, "", 500);
	assert_int_not_equal(deny->id, 0);
	assert_int_equal(recv(fd, a, sizeof(a), MSG_DONTWAIT), -1);
	assert_int_equal(
		gate_send(&w.gate, &(struct gate_msg){ .type = GATE_SEEN, .id = deny->id }, NULL),
		0);
	assert_true(world_serve(&w, fd, POLLIN, 8000));
	assert_true(recv(fd, a, sizeof(a), 0) > 12);
	assert_int_equal(a[3] & 15, 3);
	dd_close(fd);
}

static void a_refused_name_is_answered_although_nobody_looks(void **state)
{
	(void)state;
	struct in_addr addr;
	need_world();
	w.blind = true;
	assert_int_equal(world_resolve(&w, "evil.test", 1, &addr), 3);
}

static void private_answers_are_refused_and_nothing_is_admitted(void **state)
{
	(void)state;
	static const char *const answers[] = {
		"127.0.0.1",  "10.9.9.9",   "192.168.1.1",
		"172.16.0.1", "100.64.0.1", "169.254.169.254",
	};
	struct in_addr addr;
	need_world();
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		w.answer = answers[i];
		assert_int_equal(world_resolve(&w, "good.test", 1, &addr), 3);
		assert_int_equal(addr.s_addr, 0);
		(void)told_of(GATE_NET_DENY, answers[i], 500);
		(void)world_serve(&w, -1, 0, 1050); /* a failure is remembered for a second */
	}
	addr.s_addr = htonl(NET_SYNTHETIC_FIRST);
	assert_int_equal(world_dial(&w, addr, 443), -ECONNREFUSED);
}

static void of_a_mixed_answer_only_the_public_part_is_dialled(void **state)
{
	(void)state;
	need_world();
	dd_auto_fd int private_server = world_listen("10.9.9.9", 443);
	server = world_listen(WORLD_PUBLIC, 443);
	w.answer = "10.9.9.9 " WORLD_PUBLIC;
	connect_to("good.test", 443);
	send_hello("good.test");
	peer = world_accept(&w, server, 2000);
	assert_true(peer >= 0);
	assert_int_equal(world_accept(&w, private_server, 100), -1);
	(void)told_of(GATE_NET_DENY, "private answer: 10.9.9.9", 500);
}

static void rebinding_never_dials_the_private_address(void **state)
{
	(void)state;
	struct in_addr addr;
	need_world();
	dd_auto_fd int private_server = world_listen("10.9.9.9", 443);
	assert_int_equal(world_resolve(&w, "good.test", 1, &addr), 0);
	w.answer = "10.9.9.9";
	(void)world_serve(&w, -1, 0, 2200); /* the answer's time is over */
	client = world_dial(&w, addr, 443);
	assert_true(client >= 0);
	send_hello("good.test");
	is_reset(client);
	assert_int_equal(world_accept(&w, private_server, 100), -1);
}

static void private_allow_does_not_include_the_metadata_service(void **state)
{
	(void)state;
	struct in_addr addr;
	need_world();
	w.answer = "169.254.169.254";
	assert_int_equal(world_resolve(&w, "meta.test", 1, &addr), 3);
}

static void upstream_failures_and_refused_admissions_are_passed_on(void **state)
{
	(void)state;
	struct in_addr addr;
	need_world();
	w.answer = NULL;
	assert_int_equal(world_resolve(&w, "good.test", 1, &addr), 3);
	w.answer = "fail";
	assert_int_equal(world_resolve(&w, "raw.test", 1, &addr), 2);
	w.answer = WORLD_PUBLIC;
	w.refuse_admit = true;
	assert_int_equal(world_resolve(&w, "a.wild.test", 1, &addr), 2);
	assert_int_equal(addr.s_addr, 0);
}

static void names_under_a_wildcard_are_counted(void **state)
{
	(void)state;
	struct in_addr addr;
	char name[40];
	unsigned good = 0;
	need_world();
	for (int i = 0; i < 50; i++) {
		(void)snprintf(name, sizeof(name), "x%d.wild.test", i);
		good += world_resolve(&w, name, 1, &addr) == 0;
	}
	assert_int_equal(good, 3);
	assert_true(w.upstream_queries <= 6); /* A and AAAA */
	(void)told_of(GATE_DNS_DENY, "too many different names under this wildcard", 500);
}

/* The operator wrote one wildcard; that a repository lists two names of it makes no third one
 * (G-13). */
static void names_narrowed_out_of_a_wildcard_use_its_cap(void **state)
{
	(void)state;
	struct in_addr addr;
	need_world();
	assert_int_equal(world_resolve(&w, "one.wild.test", 1, &addr), 0);
	assert_int_equal(world_resolve(&w, "two.wild.test", 1, &addr), 0);
	assert_int_equal(world_resolve(&w, "three.wild.test", 1, &addr), 0);
	assert_int_not_equal(world_resolve(&w, "four.wild.test", 1, &addr), 0);
	assert_int_equal(told_of(GATE_DNS_DENY, "", 500)->reason, REASON_WILDCARD_NAMES);
	/* before anything is asked outside, the supervisor knows what it counts against */
	const struct gate_msg *counted = told_of(GATE_COUNTED, "", 0);
	assert_string_equal(counted->host, "one.wild.test");
	assert_int_equal(list.entries[counted->id].account, 4);
}

static void names_of_earlier_steps_are_free_and_leave_less_room_for_others(void **state)
{
	(void)state;
	struct in_addr addr;
	need_world();
	assert_int_equal(world_resolve(&w, "old.wild.test", 1, &addr), 0);
	assert_int_equal(world_resolve(&w, "new.wild.test", 1, &addr), 0);
	assert_int_not_equal(world_resolve(&w, "newer.wild.test", 1, &addr), 0);
	assert_int_equal(told_of(GATE_DNS_DENY, "", 500)->reason, REASON_WILDCARD_NAMES);
	assert_int_equal(world_resolve(&w, "older.wild.test", 1, &addr), 0);
}

static void a_step_may_have_a_cap_of_its_own(void **state)
{
	(void)state;
	struct in_addr addr;
	need_world();
	assert_int_equal(world_resolve(&w, "a.wild.test", 1, &addr), 0);
	assert_int_not_equal(world_resolve(&w, "b.wild.test", 1, &addr), 0);
	assert_int_equal(told_of(GATE_DNS_DENY, "", 500)->reason, REASON_STEP_WILDCARD_NAMES);
}

static void addresses_of_a_block_are_counted(void **state)
{
	(void)state;
	need_world();
	static const char *const addrs[] = { WORLD_PUBLIC, WORLD_PUBLIC2, WORLD_PUBLIC,
		                             "203.0.113.12", "203.0.113.13" };
	server = world_listen("0.0.0.0", 7000);
	for (size_t i = 0; i < ARRAY_LEN(addrs); i++) {
		client = world_dial(&w, world_ip(addrs[i]), 7000);
		if (i < 3) {
			assert_true(client >= 0);
			peer = world_accept(&w, server, 2000);
			assert_true(peer >= 0);
		} else {
			if (client >= 0) /* the reset may come before the dialling is over */
				is_reset(client);
			nobody_arrives();
		}
		dd_close_p(&peer);
		dd_close_p(&client);
	}
	assert_int_equal(told_of(GATE_NET_DENY, "in this block", 500)->reason,
	                 REASON_CIDR_ADDRESSES);
}

static void connections_are_capped(void **state)
{
	(void)state;
	struct in_addr addr;
	int fds[5];
	need_world();
	assert_int_equal(world_resolve(&w, "good.test", 1, &addr), 0);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = world_dial(&w, addr, 443);
	is_reset(fds[4]);
	(void)told_of(GATE_NET_DENY, "too many open connections", 500);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		dd_close(fds[i]);
}

static void a_server_that_does_not_answer_is_named(void **state)
{
	(void)state;
	need_world();
	connect_to("raw.test", 22);
	is_reset(client);
	(void)told_of(GATE_NET_DENY, "could not connect: Connection refused", 500);
}

static void the_upload_budget_cuts_both_ends_at_the_last_allowed_byte(void **state)
{
	(void)state;
	char buf[4000] = { 0 };
	size_t total = 0;
	ssize_t n;
	need_world();
	server = world_listen(WORLD_PUBLIC, 22);
	connect_to("raw.test", 22);
	peer = world_accept(&w, server, 2000);
	assert_int_equal(send(client, buf, sizeof(buf), 0), sizeof(buf));
	while ((n = world_read(&w, peer, buf, sizeof(buf), 1000)) > 0)
		total += (size_t)n;
	assert_int_equal(n, -ECONNRESET);
	assert_true(total <= 1000);
	is_reset(client);
	const struct gate_msg *v =
		told_of(GATE_VIOLATION,
	                "over the upload budget of this entry: 1000 bytes for the whole job", 500);
	assert_int_equal(v->bytes_out, 1000);
	dd_close_p(&client);
	connect_to("raw.test", 22);
	is_reset(client);
	nobody_arrives();
}

/* What arrives of @n bytes for @name before the reset. */
static size_t upload_to(const char *name, size_t n)
{
	char buf[4000] = { 0 };
	size_t total = 0;
	ssize_t got = 0;
	connect_to(name, 22);
	peer = world_accept(&w, server, 2000);
	assert_int_equal(send(client, buf, n, 0), n);
	while (total < n && (got = world_read(&w, peer, buf, sizeof(buf), 1000)) > 0)
		total += (size_t)got;
	dd_close_p(&client);
	dd_close_p(&peer);
	return total;
}

/* A repository made two names of one entry; the budget is still one (G-13). */
static void entries_of_one_account_share_its_budget(void **state)
{
	(void)state;
	need_world();
	server = world_listen(WORLD_PUBLIC, 22);
	assert_int_equal(upload_to("left.test", 600), 600);
	assert_true(upload_to("right.test", 600) <= 400);
	assert_int_equal(told_of(GATE_VIOLATION, "", 500)->bytes_out, 1000);
	assert_int_equal(upload_to("raw.test", 600), 600); /* another entry */
}

/* However many steps a workflow has, an entry has one budget (G-14). */
static void what_earlier_steps_sent_is_gone_from_the_budget(void **state)
{
	(void)state;
	need_world();
	server = world_listen(WORLD_PUBLIC, 22);
	assert_true(upload_to("raw.test", 600) <= 100);
	assert_int_equal(told_of(GATE_VIOLATION, "", 500)->bytes_out, 1000);
	connect_to("hosts.test", 22); /* all of it used by earlier steps */
	is_reset(client);
	nobody_arrives();
	assert_int_equal(told_of(GATE_NET_DENY, "", 500)->reason, REASON_UPLOAD_USED_UP);
}

static void a_step_may_have_a_budget_of_its_own(void **state)
{
	(void)state;
	need_world();
	server = world_listen(WORLD_PUBLIC, 22);
	assert_true(upload_to("raw.test", 600) <= 500);
	assert_int_equal(told_of(GATE_VIOLATION, "500 bytes for one step", 500)->reason,
	                 REASON_STEP_UPLOAD);
}

static void closing_resets_within_100_ms_and_no_byte_follows(void **state)
{
	(void)state;
	static char buf[1 << 16];
	struct gate_msg msg = { .type = GATE_CLOSE };
	need_world();
	server = world_listen(WORLD_PUBLIC, 22);
	connect_to("raw.test", 22);
	peer = world_accept(&w, server, 2000);
	while (send(client, buf, sizeof(buf), MSG_DONTWAIT | MSG_NOSIGNAL) >
	       0) /* fill every buffer on the way */
		(void)world_serve(&w, -1, 0, 1);
	uint64_t begin = world_ms();
	assert_int_equal(gate_send(&w.gate, &msg, NULL), 0);
	(void)told_of(GATE_CLOSED, "", 1000);
	assert_true(world_ms() - begin < 100);
	int queued = 0;
	assert_int_equal(ioctl(peer, FIONREAD, &queued), 0);
	assert_true(send(client, "x", 1, MSG_NOSIGNAL) < 0);
	(void)world_serve(&w, -1, 0, 50);
	int later = 0;
	assert_int_equal(ioctl(peer, FIONREAD, &later), 0);
	assert_int_equal(queued, later);
	struct in_addr addr = { htonl(NET_SYNTHETIC_FIRST) };
	assert_true(world_dial(&w, addr, 22) < 0);
}

/* The connection above dies of its budget before the gate is closed; this one is alive. */
static void closing_resets_a_connection_that_did_nothing_wrong(void **state)
{
	(void)state;
	char buf[64];
	struct gate_msg msg = { .type = GATE_CLOSE };
	need_world();
	server = world_listen(WORLD_PUBLIC, 22);
	connect_to("raw.test", 22);
	peer = world_accept(&w, server, 2000);
	assert_int_equal(send(client, "up", 2, MSG_NOSIGNAL), 2);
	assert_int_equal(world_read(&w, peer, buf, 2, 2000), 2);
	assert_int_equal(send(peer, "dn", 2, MSG_NOSIGNAL), 2);
	assert_int_equal(world_read(&w, client, buf, 2, 2000), 2);
	assert_int_equal(gate_send(&w.gate, &msg, NULL), 0);
	(void)told_of(GATE_CLOSED, "", 1000);
	is_reset(peer);
	is_reset(client);
}

static void refusals_of_the_wall_are_reported(void **state)
{
	(void)state;
	struct in_addr addr;
	need_world();
	assert_int_equal(world_dial(&w, world_ip("8.8.8.8"), 443), -ECONNREFUSED);
	const struct gate_msg *deny = told_of(GATE_NET_DENY, "no entry for this address", 1000);
	assert_string_equal(deny->addr, "8.8.8.8");
	assert_int_equal(deny->port, 443);
	assert_int_equal(deny->proto, IPPROTO_TCP);
	assert_int_not_equal(deny->src_port, 0);
	assert_true(world_dial(&w, world_ip("169.254.169.254"), 80) < 0);
	(void)told_of(GATE_NET_DENY, "metadata service", 1000);
	addr.s_addr = htonl(NET_SYNTHETIC_FIRST + 77);
	assert_true(world_dial(&w, addr, 443) < 0);
	(void)told_of(GATE_NET_DENY, "no lookup in this step", 1000);
	assert_int_equal(world_resolve(&w, "good.test", 1, &addr), 0);
	struct sockaddr_in to = world_sockaddr(addr, 443);
	dd_auto_fd int udp = world_socket(&w, SOCK_DGRAM);
	(void)sendto(udp, "quic", 4, 0, (void *)&to, sizeof(to));
	deny = told_of(GATE_NET_DENY, "UDP is not carried", 1000);
	assert_string_equal(deny->host, "good.test");
}

static void a_flood_of_refusals_is_merged_and_counted(void **state)
{
	(void)state;
	uint64_t told = 0;
	need_world();
	for (int i = 0; i < 500; i++)
		(void)world_dial(&w, world_ip("8.8.8.8"), 443);
	finish();
	for (size_t i = 0; i < w.n_events; i++)
		told += w.events[i].type == GATE_NET_DENY ? w.events[i].denials : 0;
	assert_true(w.n_events < 100);
	const struct gate_msg *done = told_of(GATE_DONE, "", 0);
	assert_true(done->denials > 0 && told + done->dropped >= done->denials);
}

static void a_direct_connection_to_the_listener_is_refused(void **state)
{
	(void)state;
	need_world();
	client = world_dial(&w, world_ip("198.18.0.1"), NET_GATE_PORT);
	if (client >= 0)
		is_reset(client);
	else
		assert_true(client == -ECONNRESET || client == -ECONNREFUSED);
	(void)told_of(GATE_NET_DENY, "", 1000); /* by the gate, or by the wall before it */
}

static void a_closed_gate_refuses_every_name_and_finishes(void **state)
{
	(void)state;
	struct in_addr addr;
	need_world();
	assert_int_equal(world_resolve(&w, "good.test", 1, &addr), 3);
	assert_true(world_dial(&w, world_ip(WORLD_PUBLIC), 443) < 0);
	assert_int_equal(w.upstream_queries, 0);
	finish();
	assert_null(world_event(&w, GATE_RECEIPT, "", 0));
	assert_true(told_of(GATE_DONE, "", 0)->denials >= 2);
}

static int rcode_over_tcp(const char *name)
{
	uint8_t q[302];
	uint8_t a[600];
	size_t len = world_query(q + 2, name, 1);
	q[0] = (uint8_t)(len >> 8);
	q[1] = (uint8_t)len;
	for (size_t i = 0; i < len + 2; i++) { /* byte by byte: the gate must put it together */
		if (send(client, q + i, 1, MSG_NOSIGNAL) != 1)
			return -1;
	}
	return world_read(&w, client, a, sizeof(a), 3000) < 14 ? -1 : a[5] & 15;
}

static void dns_over_tcp_obeys_the_same_policy(void **state)
{
	(void)state;
	need_world();
	client = world_dial(&w, (struct in_addr){ htonl(NET_RESOLVER_ADDR) }, 53);
	assert_true(client >= 0);
	assert_int_equal(rcode_over_tcp("evil.test"), 3);
	assert_int_equal(w.upstream_queries, 0);
	assert_int_equal(rcode_over_tcp("good.test"), 0);
	assert_int_equal(rcode_over_tcp("notgood.test"), 3);
}

static void a_client_that_says_nothing_is_reset_after_ten_seconds(void **state)
{
	(void)state;
	char byte;
	need_world();
	connect_to("good.test", 443);
	assert_int_equal(send(client, "\x16\x03\x01", 3, 0), 3);
	assert_int_equal(world_read(&w, client, &byte, 1, 12500), -ECONNRESET);
	(void)told_of(GATE_NET_DENY, "did not come within 10 s", 500);
}

static void receipts_of_an_open_gate_are_not_given(void **state)
{
	(void)state;
	struct gate_msg msg = { .type = GATE_FINISH };
	int status = 0;
	need_world();
	assert_int_equal(gate_send(&w.gate, &msg, NULL), 0);
	assert_int_equal(waitpid(w.gate.pid, &status, 0), w.gate.pid);
	w.gate.pid = 0;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

/* ---- death ---- */

static void killing_the_gate_closes_its_listeners_and_connections(void **state)
{
	(void)state;
	struct in_addr addr;
	need_world();
	server = world_listen(WORLD_PUBLIC, 22);
	connect_to("raw.test", 22);
	peer = world_accept(&w, server, 2000);
	assert_int_equal(world_resolve(&w, "raw.test", 1, &addr), 0);
	assert_int_equal(kill(w.gate.pid, SIGKILL), 0);
	assert_int_equal(waitpid(w.gate.pid, NULL, 0), w.gate.pid);
	w.gate.pid = 0;
	char byte;
	assert_true(recv(client, &byte, 1, 0) <= 0);
	assert_true(recv(peer, &byte, 1, 0) <= 0);
	assert_true(world_dial(&w, addr, 22) < 0);
}

static void the_gate_dies_with_its_supervisor(void **state)
{
	int pair[2];
	pid_t gate_pid = 0;
	need_world();
	w.gate_uid = *state ? 65534 : 0;
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	pid_t supervisor = fork();
	if (supervisor == 0) {
		struct dd_err err = { 0 };
		if (!world_start(&w, &list, &err))
			_exit(1);
		/* A copy of our end of the control socket survives in nobody: only the signal and
		 * end of file are left. */
		(void)!write(pair[1], &w.gate.pid, sizeof(w.gate.pid));
		(void)pause();
		_exit(0);
	}
	dd_close(pair[1]);
	assert_int_equal(read(pair[0], &gate_pid, sizeof(gate_pid)), sizeof(gate_pid));
	int pidfd = (int)syscall(SYS_pidfd_open, gate_pid, 0);
	assert_true(pidfd >= 0);
	assert_int_equal(kill(supervisor, SIGKILL), 0);
	struct pollfd p = { pidfd, POLLIN, 0 };
	assert_int_equal(poll(&p, 1, 1000), 1);
	assert_int_equal(waitpid(supervisor, NULL, 0), supervisor);
	dd_close(pidfd);
	dd_close(pair[0]);
	w.gate_uid = 0;
}

static void in_range_mode_the_gate_has_an_id_of_its_own_and_dies_as_well(void **state)
{
	(void)state;
	struct stat st;
	char path[64];
	void *own_id = &st;
	need_world();
	if (!have_root) {
		print_message("# SKIP needs a second id\n");
		skip();
	}
	w.gate_uid = 65534;
	assert_int_equal(start(&list), 0);
	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)w.gate.pid);
	FILE *f = fopen(path, "re");
	char line[200];
	bool found = false;
	while (f && fgets(line, sizeof(line), f))
		found = found || strcmp(line, "Uid:\t65534\t65534\t65534\t65534\n") == 0;
	if (f)
		(void)fclose(f);
	assert_true(found);
	finish();
	world_end(&w);
	the_gate_dies_with_its_supervisor(&own_id);
}

/* ---- the lock ---- */

static int fate_of_socket_call(bool closed)
{
	int status = 0;
	pid_t me = getpid();
	pid_t pid = fork();
	if (pid == 0) {
		struct gate_lock lock = { .kind = closed ? GATE_CLOSED_KIND : GATE_OPEN,
			                  .supervisor = me };
		if (gate_lock(&lock, NULL) < 0)
			_exit(77);
		_exit(socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 0 : 1);
	}
	(void)waitpid(pid, &status, 0);
	return status;
}

static void a_closed_gate_dies_when_it_calls_socket(void **state)
{
	(void)state;
	int closed = fate_of_socket_call(true);
	assert_true(WIFSIGNALED(closed) && WTERMSIG(closed) == SIGSYS);
	int open_gate = fate_of_socket_call(false);
	assert_true(WIFEXITED(open_gate) && WEXITSTATUS(open_gate) == 0);
}

static void a_locked_gate_can_open_no_file_and_has_no_capability(void **state)
{
	(void)state;
	int status = 0;
	pid_t me = getpid();
	pid_t pid = fork();
	if (pid == 0) {
		struct gate_lock lock = { .kind = GATE_OPEN, .supervisor = me };
		_exit(gate_lock(&lock, NULL) < 0 ? 77 : open("/etc/hosts", O_RDONLY) >= 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	if (have_world) {
		char path[64];
		char text[4096];
		assert_int_equal(start(&list), 0);
		(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)w.gate.pid);
		FILE *f = fopen(path, "re");
		size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
		text[n] = '\0';
		if (f)
			(void)fclose(f);
		assert_non_null(strstr(text, "CapEff:\t0000000000000000"));
		assert_non_null(strstr(text, "NoNewPrivs:\t1"));
		assert_non_null(strstr(text, "Seccomp:\t2"));
		world_end(&w);
	}
}

/* Somebody who takes the gate over finds nothing of the operator's in it (C-20). */
static void a_gate_holds_nothing_of_the_environment(void **state)
{
	(void)state;
	char path[64];
	static char text[65536];
	need_world();
	if (!have_root) {
		print_message("# SKIP only root may look at a process that is not dumpable\n");
		skip();
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)w.gate.pid);
	dd_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t n = read(fd, text, sizeof(text));
	assert_true(n >= 0);
	for (ssize_t i = 0; i < n; i++)
		if (text[i])
			fail_msg("%s holds %.40s", path, text + i);
	assert_non_null(getenv("PATH")); /* ours is whole */
}

static void a_missing_kernel_feature_stops_the_gate_with_a_sentence(void **state)
{
	(void)state;
	static const char *const points[] = { "gate_fork", "gate_lock", "gate_seccomp" };
	int net[NET_FD__COUNT];
	for (int i = 0; i < NET_FD__COUNT; i++)
		net[i] = eventfd(0, EFD_CLOEXEC);
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		struct gate gate = GATE_NONE;
		struct gate_msg msg;
		struct dd_err err = { 0 };
		struct gate_spec spec = { .net = net };
		assert_int_equal(setenv("DRYDOCK_FAULT", points[i], 1), 0);
		dd_fault_init();
		int r = gate_start(&spec, &gate, &err);
		if (r == 0) {
			struct pollfd p = { gate.ctl, POLLIN, 0 };
			assert_int_equal(poll(&p, 1, 3000), 1);
			r = gate_recv(&gate, &msg, &err);
		}
		assert_true(r < 0);
		assert_non_null(strstr(err.msg, "gate"));
		gate_destroy(&gate);
	}
	assert_int_equal(unsetenv("DRYDOCK_FAULT"), 0);
	dd_fault_init();
	for (int i = 0; i < NET_FD__COUNT; i++)
		dd_close(net[i]);
}

static void a_gate_never_becomes_id_0(void **state)
{
	(void)state;
	int net[NET_FD__COUNT] = { 0 };
	struct gate gate = GATE_NONE;
	struct dd_err err = { 0 };
	struct gate_spec spec = { .net = net, .switch_ids = true, .uid = 0, .gid = 5 };
	assert_int_equal(gate_start(&spec, &gate, &err), -EINVAL);
}

static void insane_messages_are_told_apart(void **state)
{
	(void)state;
	struct gate_msg m = { .type = GATE_NET_DENY, .why = "x", .reason = REASON_UDP };
	assert_true(gate_msg_is_sane(&m));
	m.reason = REASON_NONE; /* a refusal for no reason */
	assert_false(gate_msg_is_sane(&m));
	m.reason = REASON__COUNT;
	assert_false(gate_msg_is_sane(&m));
	m = (struct gate_msg){ .type = GATE_NET_ALLOW };
	assert_true(gate_msg_is_sane(&m));
	m.would = REASON__COUNT;
	assert_false(gate_msg_is_sane(&m));
	m = (struct gate_msg){ .type = GATE_DNS_ALLOW }; /* only ever told in observe mode */
	assert_false(gate_msg_is_sane(&m));
	m = (struct gate_msg){ .type = GATE_NET_DENY, .reason = REASON_UDP };
	m.host[0] = '\n';
	assert_false(gate_msg_is_sane(&m));
	memset(m.host, 'a', sizeof(m.host));
	assert_false(gate_msg_is_sane(&m));
	m = (struct gate_msg){ .type = GATE_MSG__COUNT };
	assert_false(gate_msg_is_sane(&m));
	m = (struct gate_msg){ .type = GATE_MSG_INVALID };
	assert_false(gate_msg_is_sane(&m));
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(an_allowed_name_works_end_to_end_and_is_receipted),
		IN_WORLD(a_raw_entry_relays_half_closes_and_large_transfers),
		IN_WORLD(pins_and_the_hosts_file_need_no_upstream),
		IN_WORLD(http_works_and_a_second_request_for_another_host_is_refused),
		IN_WORLD(a_get_with_a_body_never_arrives),
		IN_WORLD(a_body_that_waits_for_the_servers_word_goes_when_it_comes),
		IN_WORLD(a_body_that_the_server_did_not_ask_for_never_arrives),
		IN_WORLD(a_websocket_goes_raw_only_after_the_101),
		IN_WORLD(another_server_name_is_refused_and_the_server_sees_nothing),
		IN_WORLD(a_client_that_says_neither_tls_nor_http_is_refused),
		IN_WORLD(other_names_and_types_are_refused_without_a_query_outside),
		IN_WORLD(a_refused_name_is_answered_when_somebody_has_looked_who_asked),
		IN_WORLD(a_refused_name_is_answered_although_nobody_looks),
		IN_WORLD(private_answers_are_refused_and_nothing_is_admitted),
		IN_WORLD(of_a_mixed_answer_only_the_public_part_is_dialled),
		IN_WORLD(rebinding_never_dials_the_private_address),
		IN_WORLD(private_allow_does_not_include_the_metadata_service),
		IN_WORLD(upstream_failures_and_refused_admissions_are_passed_on),
		IN_WORLD(names_under_a_wildcard_are_counted),
		IN_WORLD(names_narrowed_out_of_a_wildcard_use_its_cap),
		cmocka_unit_test_setup_teardown(
			names_of_earlier_steps_are_free_and_leave_less_room_for_others,
			set_up_later_step, tear_down),
		cmocka_unit_test_setup_teardown(a_step_may_have_a_cap_of_its_own, set_up_small_step,
		                                tear_down),
		IN_WORLD(addresses_of_a_block_are_counted),
		IN_WORLD(connections_are_capped),
		IN_WORLD(a_server_that_does_not_answer_is_named),
		cmocka_unit_test_setup_teardown(
			the_upload_budget_cuts_both_ends_at_the_last_allowed_byte, set_up_small,
			tear_down),
		cmocka_unit_test_setup_teardown(entries_of_one_account_share_its_budget,
		                                set_up_small, tear_down),
		cmocka_unit_test_setup_teardown(what_earlier_steps_sent_is_gone_from_the_budget,
		                                set_up_later_step, tear_down),
		cmocka_unit_test_setup_teardown(a_step_may_have_a_budget_of_its_own,
		                                set_up_small_step, tear_down),
		IN_WORLD(closing_resets_within_100_ms_and_no_byte_follows),
		IN_WORLD(closing_resets_a_connection_that_did_nothing_wrong),
		IN_WORLD(refusals_of_the_wall_are_reported),
		IN_WORLD(a_flood_of_refusals_is_merged_and_counted),
		IN_WORLD(a_direct_connection_to_the_listener_is_refused),
		cmocka_unit_test_setup_teardown(a_closed_gate_refuses_every_name_and_finishes,
		                                set_up_closed, tear_down),
		IN_WORLD(dns_over_tcp_obeys_the_same_policy),
		IN_WORLD(a_client_that_says_nothing_is_reset_after_ten_seconds),
		IN_WORLD(receipts_of_an_open_gate_are_not_given),
		IN_WORLD(killing_the_gate_closes_its_listeners_and_connections),
		cmocka_unit_test(the_gate_dies_with_its_supervisor),
		cmocka_unit_test(in_range_mode_the_gate_has_an_id_of_its_own_and_dies_as_well),
		cmocka_unit_test(a_closed_gate_dies_when_it_calls_socket),
		cmocka_unit_test(a_locked_gate_can_open_no_file_and_has_no_capability),
		IN_WORLD(a_gate_holds_nothing_of_the_environment),
		cmocka_unit_test(a_missing_kernel_feature_stops_the_gate_with_a_sentence),
		cmocka_unit_test(a_gate_never_becomes_id_0),
		cmocka_unit_test(insane_messages_are_told_apart),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	have_root = getuid() == 0;
	have_world = world_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
