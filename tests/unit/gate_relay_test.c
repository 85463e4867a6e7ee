// SPDX-License-Identifier: Apache-2.0
/* gate_relay_test.c - the relay of the gate under edge-triggered events: no byte and no end is left
 * lying, whatever came at once. The gate is stopped while it comes, so that it is one event. */
#include "gate_fixture.h"

#include "netpolicy/gate/gate_internal.h"

#include <linux/sockios.h>
#include <sys/wait.h>

enum {
	STREAMS = 8,
	/* several turns of the gate's, and less than a socket holds here: it is all there when the
	 * gate looks, and nothing comes after it */
	STREAM_BYTES = 5 << 20,
	/* before: what makes the windows of both sides wide */
	WARM_BYTES = 16 << 20,
};

static const struct egress_entry entries[] = {
	{ .host = "raw.test",
	  .port = 22,
	  .tls = EGRESS_TLS_RAW,
	  .pins = { WORLD_PUBLIC },
	  .origin = "t.yml:1:1" },
	{ .host = "good.test", .port = 443, .pins = { WORLD_PUBLIC }, .origin = "t.yml:2:1" },
};
static const struct egress_list list = {
	.entries = entries,
	.n = ARRAY_LEN(entries),
	.job = EGRESS_CAPS_WIDEST,
	.step = EGRESS_CAPS_WIDEST,
	.connections = STREAMS,
};

static int set_up(void **state)
{
	(void)state;
	struct dd_err err = { 0 };
	if (!have_world || world_start(&w, &list, &err))
		return 0;
	print_error("gate world: %s\n", err.msg);
	return -1;
}

/* Sockets that hold a whole stream, so that all of it is there when the gate looks. */
static int set_up_wide(void **state)
{
	w.wide = true;
	return !have_world || world_widen() ? set_up(state) : -1;
}

static void gate_stop(void)
{
	siginfo_t info;
	assert_int_equal(kill(w.gate.pid, SIGSTOP), 0);
	assert_int_equal(waitid(P_PID, (id_t)w.gate.pid, &info, WSTOPPED), 0);
}

static void gate_go_on(void)
{
	assert_int_equal(kill(w.gate.pid, SIGCONT), 0);
}

static void connect_raw(void)
{
	struct in_addr addr;
	server = world_listen(WORLD_PUBLIC, 22);
	assert_int_equal(world_resolve(&w, "raw.test", 1, &addr), 0);
	client = world_dial(&w, addr, 22);
	assert_true(client >= 0);
	peer = world_accept(&w, server, 2000);
	assert_true(peer >= 0);
}

/* Exactly @want, whatever the pieces. */
static void reads(int fd, const char *want)
{
	char got[64] = "";
	size_t n = 0;
	while (n < strlen(want)) {
		ssize_t r = world_read(&w, fd, got + n, sizeof(got) - 1 - n, 2000);
		if (r <= 0)
			fail_msg("\"%s\" came of \"%s\", then %zd", got, want, r);
		n += (size_t)r;
	}
	assert_string_equal(got, want);
}

/* ---- tests ---- */

static struct stream {
	int server, client;
	int from, to; /* the same two, by who sends */
	size_t sent, got;
} streams[STREAMS];
static size_t stream_end; /* of each: what is to be sent */

static void open_streams(size_t n, bool up)
{
	struct in_addr addr;
	server = world_listen(WORLD_PUBLIC, 22);
	assert_int_equal(world_resolve(&w, "raw.test", 1, &addr), 0);
	for (size_t i = 0; i < n; i++) {
		streams[i] = (struct stream){ .client = world_dial(&w, addr, 22) };
		streams[i].server = world_accept(&w, server, 2000);
		assert_true(streams[i].client >= 0 && streams[i].server >= 0);
		streams[i].from = up ? streams[i].client : streams[i].server;
		streams[i].to = up ? streams[i].server : streams[i].client;
	}
}

/* What there is to send, or to read; false: nothing moved. */
static bool move_streams(bool sending)
{
	static char buf[1 << 16];
	bool moved = false;
	for (size_t i = 0; i < STREAMS; i++) {
		struct stream *s = &streams[i];
		size_t left = stream_end - (sending ? s->sent : s->got);
		left = left < sizeof(buf) ? left : sizeof(buf);
		ssize_t n = left == 0 ? 0
		            : sending ? send(s->from, buf, left, MSG_DONTWAIT | MSG_NOSIGNAL)
		                      : recv(s->to, buf, left, MSG_DONTWAIT);
		if (n <= 0)
			continue;
		*(sending ? &s->sent : &s->got) += (size_t)n;
		moved = true;
	}
	return moved;
}

/* True: each has sent and got all of it. */
static bool all_came(void)
{
	uint64_t moved = world_ms();
	for (;;) {
		bool missing = false;
		for (size_t i = 0; i < STREAMS; i++)
			missing = missing || streams[i].got < stream_end;
		if (!missing || world_ms() - moved > 3000)
			return !missing;
		if (move_streams(true) | move_streams(false))
			moved = world_ms();
		else
			(void)world_serve(&w, -1, 0, 1);
	}
}

/* Sent, and acknowledged by the kernel of the stopped gate. */
static void all_lies_before_the_gate(void)
{
	uint64_t end = world_ms() + 5000;
	for (size_t i = 0; i < STREAMS;) {
		int unsent = 0;
		(void)move_streams(true);
		assert_int_equal(ioctl(streams[i].from, SIOCOUTQ, &unsent), 0);
		if (streams[i].sent == stream_end && unsent == 0)
			i++;
		else if (world_ms() > end)
			fail_msg("stream %zu: %zu bytes sent, %d of them on the way", i,
			         streams[i].sent, unsent);
		else
			(void)world_serve(&w, -1, 0, 1);
	}
}

/* A flow whose turn is over has no event to wait for, and the one that the other end causes
 * meanwhile is about the other direction: it hung one of eight streams. */
static void streams_come_to_their_end(bool up)
{
	open_streams(STREAMS, up);
	stream_end = WARM_BYTES;
	assert_true(all_came());
	gate_stop();
	stream_end += STREAM_BYTES;
	all_lies_before_the_gate();
	for (size_t i = 0; i < STREAMS; i += 2)
		assert_int_equal(send(streams[i].to, "x", 1, 0), 1);
	gate_go_on();
	bool came = all_came();
	for (size_t i = 0; i < STREAMS; i++) {
		char byte = 0;
		if (!came && streams[i].got != stream_end)
			fail_msg("stream %zu: %zu of %zu bytes came", i, streams[i].got,
			         stream_end);
		if (i % 2 == 0)
			assert_int_equal(world_read(&w, streams[i].from, &byte, 1, 2000), 1);
		dd_close_p(&streams[i].server);
		dd_close_p(&streams[i].client);
	}
}

static void eight_downloads_come_to_their_end_while_some_clients_speak(void **state)
{
	(void)state;
	need_world();
	streams_come_to_their_end(false);
}

static void eight_uploads_come_to_their_end_while_some_servers_speak(void **state)
{
	(void)state;
	need_world();
	streams_come_to_their_end(true);
}

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 7 + (at >> 8));
}

/* More than the client's side holds, in pieces that the gate has time to take one by one, as a
 * copy; returns how many bytes went. */
static size_t choke(struct stream *s)
{
	uint8_t piece[5000];
	size_t sent = 0;
	while (sent < 200 * sizeof(piece)) {
		for (size_t i = 0; i < sizeof(piece); i++)
			piece[i] = pattern(sent + i);
		ssize_t n = send(s->from, piece, sizeof(piece), MSG_DONTWAIT | MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
		(void)world_serve(&w, -1, 0, 1);
	}
	return sent;
}

static void what_a_slow_client_leaves_is_kept_apart_from_others(void **state)
{
	(void)state;
	static uint8_t buf[1 << 16];
	size_t got = 0, sent;
	need_world();
	open_streams(2, false);
	sent = choke(&streams[0]);
	assert_int_equal(send(streams[1].server, "other", 5, 0), 5);
	reads(streams[1].client, "other");
	while (got < sent) {
		ssize_t n = world_read(&w, streams[0].client, buf, sizeof(buf), 2000);
		if (n <= 0)
			fail_msg("%zu of %zu bytes came, then %zd", got, sent, n);
		for (ssize_t i = 0; i < n; i++, got++)
			if (buf[i] != pattern(got))
				fail_msg("byte %zu is another one", got);
	}
	for (size_t i = 0; i < 2; i++) {
		dd_close_p(&streams[i].server);
		dd_close_p(&streams[i].client);
	}
}

static void the_end_that_comes_with_the_last_bytes_is_seen(void **state)
{
	(void)state;
	char byte;
	need_world();
	connect_raw();
	gate_stop();
	assert_int_equal(send(peer, "last words", 10, 0), 10);
	assert_int_equal(shutdown(peer, SHUT_WR), 0);
	gate_go_on();
	reads(client, "last words");
	assert_int_equal(world_read(&w, client, &byte, 1, 2000), 0);
	gate_stop();
	assert_int_equal(send(client, "and mine", 8, 0), 8);
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	gate_go_on();
	reads(peer, "and mine");
	assert_int_equal(world_read(&w, peer, &byte, 1, 2000), 0);
}

/* A read ends at it, and what comes behind it has no event of its own. */
static void urgent_data_holds_up_nothing_that_comes_behind_it(void **state)
{
	(void)state;
	need_world();
	connect_raw();
	gate_stop();
	assert_int_equal(send(peer, "before", 6, 0), 6);
	assert_int_equal(send(peer, "!", 1, MSG_OOB), 1);
	assert_int_equal(send(peer, "behind", 6, 0), 6);
	gate_go_on();
	reads(client, "beforebehind");
}

static void a_hello_and_the_end_at_once_are_relayed(void **state)
{
	(void)state;
	struct in_addr addr;
	uint8_t hello[600];
	char buf[600];
	size_t len = world_hello("good.test", hello);
	need_world();
	server = world_listen(WORLD_PUBLIC, 443);
	assert_int_equal(world_resolve(&w, "good.test", 1, &addr), 0);
	gate_stop();
	client = world_dial(&w, addr, 443);
	assert_int_equal(send(client, hello, len, 0), len);
	assert_int_equal(send(client, "early", 5, 0), 5);
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	gate_go_on();
	peer = world_accept(&w, server, 2000);
	assert_true(peer >= 0);
	for (size_t n = 0; n < len + 5;) {
		ssize_t r = world_read(&w, peer, buf, sizeof(buf), 2000);
		assert_true(r > 0);
		n += (size_t)r;
	}
	assert_int_equal(world_read(&w, peer, buf, sizeof(buf), 2000), 0);
	assert_string_equal(told_of(GATE_NET_ALLOW, "", 500)->host, "good.test");
}

static void bytes_said_while_the_gate_dials_arrive(void **state)
{
	(void)state;
	struct in_addr addr;
	uint8_t hello[600];
	char buf[600];
	size_t len = world_hello("good.test", hello), n = 0;
	need_world();
	server = world_listen(WORLD_PUBLIC, 443);
	assert_int_equal(world_resolve(&w, "good.test", 1, &addr), 0);
	client = world_dial(&w, addr, 443);
	for (size_t i = 0; i < len; i += 40) /* in pieces: some are read before, some meanwhile */
		assert_true(send(client, hello + i, len - i < 40 ? len - i : 40, 0) > 0);
	assert_int_equal(send(client, "early", 5, 0), 5);
	peer = world_accept(&w, server, 2000);
	assert_true(peer >= 0);
	while (n < len + 5) {
		ssize_t r = world_read(&w, peer, buf, sizeof(buf), 2000);
		if (r <= 0)
			fail_msg("%zu of %zu bytes came, then %zd", n, len + 5, r);
		n += (size_t)r;
	}
}

/* ---- the lock ---- */

/* How a locked gate ends that makes this call on a pipe. */
static int fate_of_fcntl(bool closed, int command, int arg)
{
	int status = 0, fd[2];
	pid_t me = getpid();
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct gate_lock lock = { .kind = closed ? GATE_CLOSED_KIND : GATE_OPEN,
			                  .supervisor = me };
		_exit(gate_lock(&lock, NULL) < 0 ? 77 : fcntl(fd[1], command, arg) < 0);
	}
	(void)waitpid(pid, &status, 0);
	dd_close(fd[0]);
	dd_close(fd[1]);
	return status;
}

static void a_gate_may_grow_a_pipe_and_ask_nothing_else_of_a_descriptor(void **state)
{
	(void)state;
	assert_int_equal(fate_of_fcntl(false, F_SETPIPE_SZ, GATE_PIPE_GROWN), 0);
	assert_int_equal(WTERMSIG(fate_of_fcntl(false, F_SETFL, 0)), SIGSYS);
	assert_int_equal(WTERMSIG(fate_of_fcntl(false, F_DUPFD, 0)), SIGSYS);
	assert_int_equal(WTERMSIG(fate_of_fcntl(true, F_SETPIPE_SZ, GATE_PIPE_GROWN)), SIGSYS);
}

#define RELAY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		RELAY(what_a_slow_client_leaves_is_kept_apart_from_others),
		RELAY(the_end_that_comes_with_the_last_bytes_is_seen),
		RELAY(urgent_data_holds_up_nothing_that_comes_behind_it),
		RELAY(a_hello_and_the_end_at_once_are_relayed),
		RELAY(bytes_said_while_the_gate_dials_arrive),
		/* last: what it does to the network stays */
		cmocka_unit_test_setup_teardown(
			eight_downloads_come_to_their_end_while_some_clients_speak, set_up_wide,
			tear_down),
		cmocka_unit_test_setup_teardown(
			eight_uploads_come_to_their_end_while_some_servers_speak, set_up_wide,
			tear_down),
		cmocka_unit_test(a_gate_may_grow_a_pipe_and_ask_nothing_else_of_a_descriptor),
	};
	(void)signal(SIGPIPE, SIG_IGN);
	have_world = world_enter();
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
