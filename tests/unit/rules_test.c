// SPDX-License-Identifier: Apache-2.0
/* rules_test.c - the wall, tried from inside: what passes, what is refused and how, and what a
 * read-back notices.
 *
 * Each case runs in a forked child with a network namespace of its own (an ordinary user: a user
 * namespace too, as its id 0, because nft(8) asks for that). A failed CHECK ends the child; the
 * parent fails the test. `nft` is the second opinion, never part of the product.
 */
#include "netpolicy/wall/attrs.h"
#include "netpolicy/wall/plan_model.h"
#include "drydock/egress.h"
#include "drydock/fault.h"
#include "drydock/fd.h"
#include "drydock/netns.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <jansson.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

/* One feature at a time; NULL: none. */
static void take_away(const char *name)
{
	(void)snprintf(dd_fault_names, sizeof(dd_fault_names), "%s", name ? name : "");
}
/* ---- a child with a network namespace ---- */

#define CHECK(cond, ...)                                                                           \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			int code = errno;                                                          \
			(void)fprintf(stderr, "# line %d: %s: ", __LINE__, #cond);                 \
			(void)fprintf(stderr, __VA_ARGS__);                                        \
			(void)fprintf(stderr, " (errno: %s)\n", strerrordesc_np(code));            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

enum { EXIT_SKIP = 77 };

static void write_file(const char *path, const char *text)
{
	dd_auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), "%s", path);
}

static void enter_netns(void)
{
	char map[64];
	uid_t uid = getuid();
	gid_t gid = getgid();

	if (unshare(uid == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		perror("# this machine gives no network namespace");
		_exit(EXIT_SKIP);
	}
	if (uid == 0)
		return;
	write_file("/proc/self/setgroups", "deny");
	(void)snprintf(map, sizeof(map), "0 %u 1", uid);
	write_file("/proc/self/uid_map", map);
	(void)snprintf(map, sizeof(map), "0 %u 1", gid);
	write_file("/proc/self/gid_map", map);
}

static void in_netns(void (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		enter_netns();
		fn();
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == EXIT_SKIP)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- a wall ---- */

static struct egress_entry entries[] = {
	{ .host = "registry.example.test", .port = 443, .origin = "test:1" },
	{ .host = "example.test", .wildcard = true, .port = 8080, .origin = "test:2" },
	{ .prefix = 16, .port = 80, .origin = "test:3" },
	{ .prefix = 32, .port = 80, .private_ok = true, .origin = "test:4" },
};

static struct egress_list open_list(void)
{
	entries[2].cidr.s_addr = htonl(0xA9FE0000); /* 169.254.0.0/16, and in it by name: */
	entries[3].cidr.s_addr = htonl(0xA9FEAA02); /* 169.254.170.2/32 */
	return (struct egress_list){ .entries = entries, .n = ARRAY_LEN(entries) };
}

static struct wall {
	struct egress_list list;
	struct net_plan *plan;
	int fds[NET_FD__COUNT];
} wall;

static void build_wall(bool open)
{
	struct dd_err err = { 0 };
	wall.list = open ? open_list() : (struct egress_list){ 0 };
	CHECK(net_plan_new(&wall.list, &wall.plan, &err) == 0, "%s", err.msg);
	CHECK(net_inside_setup(wall.plan, wall.fds, &err) == 0, "%s", err.msg);
	CHECK(net_rules_verify(wall.fds[NET_FD_RULES], wall.plan, open, &err) == 0, "%s", err.msg);
}

static struct in_addr v4(const char *text)
{
	struct in_addr addr;
	CHECK(inet_pton(AF_INET, text, &addr) == 1, "%s", text);
	return addr;
}

static void admit(const char *addr, uint16_t port)
{
	struct dd_err err = { 0 };
	CHECK(net_rules_admit(wall.fds[NET_FD_RULES], v4(addr), port, &err) == 0, "%s", err.msg);
}

static struct net_counters counters(void)
{
	struct dd_err err = { 0 };
	struct net_counters c;
	CHECK(net_rules_counters(wall.fds[NET_FD_RULES], &c, &err) == 0, "%s", err.msg);
	return c;
}

/* Returns a connected socket, or -errno. */
static int dial(const char *addr, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		                   .sin_addr = v4(addr),
		                   .sin_port = htons(port) };
	dd_auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(fd >= 0, "failed");
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		return -errno;
	return dd_take_fd(&fd);
}

static int accept_at_gate(const char *addr, uint16_t port)
{
	struct sockaddr_in local = { 0 };
	socklen_t len = sizeof(local);
	int fd = accept4(wall.fds[NET_FD_LISTENER], NULL, NULL, SOCK_CLOEXEC);
	CHECK(fd >= 0, "nothing arrived at the gate");
	CHECK(getsockname(fd, (struct sockaddr *)&local, &len) == 0, "failed");
	CHECK(local.sin_addr.s_addr == v4(addr).s_addr && ntohs(local.sin_port) == port,
	      "arrived for %s:%u", inet_ntoa(local.sin_addr), ntohs(local.sin_port));
	return fd;
}

static int64_t now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void must_be_refused(const char *addr, uint16_t port)
{
	uint64_t before = counters().denied_packets;
	int64_t start = now_ms();
	int r = dial(addr, port);
	CHECK(r == -ECONNREFUSED, "%s:%u gave %d", addr, port, r);
	CHECK(now_ms() - start < 1000, "%s:%u took %ld ms", addr, port, (long)(now_ms() - start));
	CHECK(counters().denied_packets == before + 1, "%s:%u was not counted", addr, port);
	CHECK(accept(wall.fds[NET_FD_LISTENER], NULL, NULL) < 0 && errno == EAGAIN,
	      "%s:%u reached the gate", addr, port);
}

/* ---- tests: the rules ---- */

static json_t *nft_listing(void)
{
	FILE *p = popen("nft --json list ruleset", "r"); /* NOLINT: the second opinion */
	CHECK(p, "failed");
	json_t *all = json_loadf(p, 0, NULL);
	CHECK(pclose(p) == 0 && all, "nft --json list ruleset");
	json_t *list = json_object_get(all, "nftables");
	size_t i;
	json_t *item;
	const char *kind;
	json_t *body;
	json_array_foreach(list, i, item) json_object_foreach(item, kind, body)(void)
		json_object_del(body, "handle");
	return list;
}

static void nft(const char *command)
{
	char line[512];
	(void)snprintf(line, sizeof(line), "nft '%s'", command);
	CHECK(system(line) == 0, "%s", line); /* NOLINT */
}

static void build_observing_wall(bool open);

static void listing_equals_text(bool open, bool observe)
{
	if (observe)
		build_observing_wall(open);
	else
		build_wall(open);
	json_t *ours = nft_listing();
	char *text = net_plan_text(wall.plan);
	CHECK(text, "no memory");
	nft("delete table inet drydock");
	FILE *p = popen("nft -f -", "w"); /* NOLINT */
	CHECK(p && fputs(text, p) >= 0 && pclose(p) == 0, "nft does not read net_plan_text():\n%s",
	      text);
	json_t *theirs = nft_listing();
	CHECK(json_array_size(ours) > 10 && json_equal(ours, theirs),
	      "batch and text differ:\n%s\n%s", json_dumps(ours, 0), json_dumps(theirs, 0));
}
static void open_listing(void)
{
	listing_equals_text(true, false);
}
static void closed_listing(void)
{
	listing_equals_text(false, false);
}
static void observing_listing(void)
{
	listing_equals_text(true, true);
}
static void observing_closed_listing(void)
{
	listing_equals_text(false, true);
}

static void the_real_nft_lists_what_the_plan_says(void **state)
{
	(void)state;
	in_netns(open_listing);
	in_netns(closed_listing);
	in_netns(observing_listing);
	in_netns(observing_closed_listing);
}

static void admitted_child(void)
{
	build_wall(true);
	/* the name is in the list, but nobody has asked for it yet (N-26) */
	must_be_refused("198.18.1.0", 443);
	admit("198.18.1.0", 443);
	admit("198.18.1.0", 443);
	int step = dial("198.18.1.0", 443);
	CHECK(step >= 0, "%d", step);
	int gate = accept_at_gate("198.18.1.0", 443);
	char buf[8];
	CHECK(write(step, "ping", 4) == 4 && read(gate, buf, sizeof(buf)) == 4, "failed");
	CHECK(write(gate, "pong", 4) == 4 && read(step, buf, sizeof(buf)) == 4, "failed");
	CHECK(counters().accepted_packets >= 3, "only %lu packets counted",
	      counters().accepted_packets);
	must_be_refused("198.18.1.0", 444);
	must_be_refused("198.18.1.1", 443);
}
static void an_admitted_destination_reaches_the_gate_under_its_own_name_and_nothing_else_does(
	void **state)
{
	(void)state;
	in_netns(admitted_child);
}

static void block_child(void)
{
	build_wall(true);
	int step = dial("169.254.7.7", 80);
	CHECK(step >= 0, "%d", step);
	dd_close(accept_at_gate("169.254.7.7", 80));
	must_be_refused("169.254.7.7", 81);
	must_be_refused("169.254.169.254", 80); /* the block covers it */
	int named = dial("169.254.170.2", 80);  /* an entry names it */
	CHECK(named >= 0, "%d", named);
	dd_close(accept_at_gate("169.254.170.2", 80));
	must_be_refused("169.254.170.2", 81);
	must_be_refused("168.63.129.16", 80);
}
static void a_block_opens_its_addresses_but_never_the_metadata_service(void **state)
{
	(void)state;
	in_netns(block_child);
}

static void everything_child(void)
{
	struct egress_entry all = { .prefix = 0, .port = 443, .origin = "test:1" };
	struct dd_err err = { 0 };
	wall.list = (struct egress_list){ .entries = &all, .n = 1 };
	CHECK(net_plan_new(&wall.list, &wall.plan, &err) == 0, "%s", err.msg);
	CHECK(net_inside_setup(wall.plan, wall.fds, &err) == 0, "%s", err.msg);
	CHECK(net_rules_verify(wall.fds[NET_FD_RULES], wall.plan, true, &err) == 0, "%s", err.msg);
	CHECK(dial("203.0.113.9", 443) >= 0, "the block is not open");
	dd_close(accept_at_gate("203.0.113.9", 443));
	must_be_refused("198.18.1.0", 443);
	must_be_refused("169.254.169.254", 443);
	must_be_refused("100.100.100.200", 443);
}
static void even_a_block_of_everything_opens_no_synthetic_and_no_metadata_address(void **state)
{
	(void)state;
	in_netns(everything_child);
}

static void udp_child(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		                   .sin_addr = v4("198.18.1.0"),
		                   .sin_port = htons(443) };
	build_wall(true);
	admit("198.18.1.0", 443);
	dd_auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK(sendto(fd, "x", 1, 0, (struct sockaddr *)&sin, sizeof(sin)) < 0 &&
	              errno == ENETUNREACH,
	      "QUIC to an admitted name");
	sin.sin_addr = v4("192.0.2.53");
	sin.sin_port = htons(53);
	CHECK(sendto(fd, "x", 1, 0, (struct sockaddr *)&sin, sizeof(sin)) < 0 &&
	              errno == ENETUNREACH,
	      "a foreign resolver");
	CHECK(counters().denied_packets == 2, "%lu counted", counters().denied_packets);
}
/* ---- tests: the observing wall ---- */

static void build_observing_wall(bool open)
{
	struct dd_err err = { 0 };
	wall.list = open ? open_list() : (struct egress_list){ 0 };
	CHECK(net_plan_new_with(&wall.list, true, &wall.plan, &err) == 0, "%s", err.msg);
	CHECK(net_inside_setup(wall.plan, wall.fds, &err) == 0, "%s", err.msg);
	CHECK(net_rules_verify(wall.fds[NET_FD_RULES], wall.plan, true, &err) == 0, "%s", err.msg);
}

static void must_arrive(const char *addr, uint16_t port)
{
	int step = dial(addr, port);
	CHECK(step >= 0, "%s:%u gave %d", addr, port, step);
	dd_close(accept_at_gate(addr, port));
	dd_close(step);
}

static void observing_child(void)
{
	static const char *const special[] = {
		"10.0.0.1",    "172.16.0.1",      "172.31.255.254", "192.168.1.1",     "100.64.0.1",
		"169.254.1.1", "169.254.169.254", "168.63.129.16",  "100.100.100.200", "192.0.0.8",
		"192.0.0.192", "192.88.99.1",     "198.18.1.0",     "198.19.255.254",  "240.0.0.1",
	};
	struct dd_err err = { 0 };

	build_observing_wall(false);
	must_arrive("203.0.113.9", 443);
	must_arrive("8.8.8.8", 53);
	must_arrive("1.2.3.4", 65535);
	for (size_t i = 0; i < ARRAY_LEN(special); i++)
		must_be_refused(special[i], 443);
	must_be_refused("198.18.0.1", NET_GATE_PORT); /* the gate's own listener */
	CHECK(net_rules_admit_host(wall.fds[NET_FD_RULES], v4("198.18.1.0"), &err) == 0, "%s",
	      err.msg);
	must_arrive("198.18.1.0", 443);
	must_arrive("198.18.1.0", 22);
	must_be_refused("198.18.1.1", 443);
	CHECK(net_rules_verify(wall.fds[NET_FD_RULES], wall.plan, true, &err) == 0, "%s", err.msg);
	CHECK(net_rules_close(wall.fds[NET_FD_RULES], &err) == 0, "%s", err.msg);
	CHECK(net_rules_verify(wall.fds[NET_FD_RULES], wall.plan, false, &err) == 0, "%s", err.msg);
	must_be_refused("203.0.113.9", 443);
	must_be_refused("198.18.1.0", 443);
}
static void an_observing_wall_leads_everything_public_to_the_gate_and_nothing_else(void **state)
{
	(void)state;
	in_netns(observing_child);
}

static void observing_list_child(void)
{
	build_observing_wall(true);
	must_arrive("169.254.7.7", 80);   /* the block of the list says so */
	must_arrive("169.254.170.2", 80); /* an entry names it */
	must_be_refused("169.254.7.7", 81);
	must_be_refused("169.254.169.254", 80);
	must_be_refused("169.254.170.2", 81);
	must_arrive("203.0.113.9", 80);
}
static void what_the_list_opens_of_special_ranges_stays_exactly_that_while_observing(void **state)
{
	(void)state;
	in_netns(observing_list_child);
}

static void observing_refuses_child(void)
{
	struct dd_err err = { 0 };
	struct sockaddr_in sin = { .sin_family = AF_INET,
		                   .sin_addr = v4("8.8.8.8"),
		                   .sin_port = htons(443) };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(443) };

	build_observing_wall(false);
	int foreign = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(bind(foreign, (struct sockaddr *)&sin, sizeof(sin)) < 0 && errno == EADDRNOTAVAIL,
	      "a public address can be bound");
	CHECK(inet_pton(AF_INET6, "2001:4860:4860::8888", &sin6.sin6_addr) == 1, "failed");
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
	    tcp6 = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(sendto(udp, "x", 1, 0, (struct sockaddr *)&sin, sizeof(sin)) < 0 &&
	              errno == ENETUNREACH,
	      "UDP left");
	CHECK(connect(tcp6, (struct sockaddr *)&sin6, sizeof(sin6)) < 0 && errno == ECONNREFUSED,
	      "IPv6 left");
	/* An admission for the other kind of wall does not fit. */
	CHECK(net_rules_admit(wall.fds[NET_FD_RULES], v4("198.18.1.0"), 443, &err) < 0,
	      "a port was admitted");
	CHECK(net_rules_admit_host(wall.fds[NET_FD_RULES], v4("203.0.113.9"), &err) == -EINVAL,
	      "a public address was admitted");
	must_be_refused("198.18.1.0", 443);
}
static void an_observing_wall_refuses_udp_ipv6_and_foreign_admissions(void **state)
{
	(void)state;
	in_netns(observing_refuses_child);
}

static void observing_tampered_child(void)
{
	static const char *const tampering[] = {
		"add rule inet drydock gate ip daddr 10.0.0.0/8 accept",
		"add rule inet drydock output accept",
		"add element inet drydock allow { 203.0.113.1 }",
		"flush chain inet drydock prerouting",
	};
	for (size_t i = 0; i < ARRAY_LEN(tampering); i++) {
		struct dd_err err = { 0 };
		build_observing_wall(false);
		nft(tampering[i]);
		CHECK(net_rules_verify(wall.fds[NET_FD_RULES], wall.plan, true, &err) == -EPROTO,
		      "not noticed: %s", tampering[i]);
		CHECK(unshare(CLONE_NEWNET) == 0, "failed");
	}
}
static void read_back_notices_tampering_with_an_observing_wall(void **state)
{
	(void)state;
	in_netns(observing_tampered_child);
}

static void udp_is_refused_at_once_so_that_quic_falls_back(void **state)
{
	(void)state;
	in_netns(udp_child);
}

static int dial6(const char *addr, uint16_t port, int type)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	CHECK(inet_pton(AF_INET6, addr, &sin6.sin6_addr) == 1, "%s", addr);
	dd_auto_fd int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);
	CHECK(fd >= 0, "failed");
	if (connect(fd, (struct sockaddr *)&sin6, sizeof(sin6)) < 0)
		return -errno;
	if (type == SOCK_DGRAM && send(fd, "x", 1, 0) < 0)
		return -errno;
	return dd_take_fd(&fd);
}

static void ipv6_child(void)
{
	build_wall(true);
	admit("198.18.1.0", 443);
	uint64_t before = counters().denied_packets;
	CHECK(dial6("2001:db8::1", 443, SOCK_STREAM) == -ECONNREFUSED, "literal");
	CHECK(dial6("fd00:ec2::254", 80, SOCK_STREAM) == -ECONNREFUSED, "metadata");
	CHECK(dial6("2001:db8::1", 443, SOCK_DGRAM) < 0, "UDP literal");
	CHECK(counters().denied_packets >= before + 3, "not counted");
	before = counters().denied_packets;
	CHECK(dial6("::ffff:192.0.2.1", 443, SOCK_STREAM) == -ECONNREFUSED, "v4-mapped");
	CHECK(counters().denied_packets == before + 1, "v4-mapped was not counted");
	CHECK(accept(wall.fds[NET_FD_LISTENER], NULL, NULL) < 0 && errno == EAGAIN,
	      "something reached the gate");
}
static void ipv6_goes_nowhere_but_home(void **state)
{
	(void)state;
	in_netns(ipv6_child);
}

static void serve_and_dial(int family, int type)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} at = { 0 };
	socklen_t len = family == AF_INET ? sizeof(at.v4) : sizeof(at.v6);
	char buf[4];

	if (family == AF_INET)
		at.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		at.v6.sin6_addr = in6addr_loopback;
	at.any.sa_family = (sa_family_t)family;
	dd_auto_fd int server = socket(family, type | SOCK_CLOEXEC, 0),
		       client = socket(family, type | SOCK_CLOEXEC, 0);
	CHECK(bind(server, &at.any, len) == 0 && getsockname(server, &at.any, &len) == 0, "failed");
	CHECK(type == SOCK_DGRAM || listen(server, 1) == 0, "failed");
	CHECK(connect(client, &at.any, len) == 0 && send(client, "abc", 3, 0) == 3,
	      "family %d type %d", family, type);
	dd_auto_fd int peer = type == SOCK_DGRAM ? dup(server) : accept(server, NULL, NULL);
	CHECK(recv(peer, buf, sizeof(buf), 0) == 3, "failed");
}

static void loopback_child(void)
{
	build_wall(false);
	serve_and_dial(AF_INET, SOCK_STREAM);
	serve_and_dial(AF_INET, SOCK_DGRAM);
	serve_and_dial(AF_INET6, SOCK_STREAM);
	serve_and_dial(AF_INET6, SOCK_DGRAM);
	CHECK(counters().denied_packets == 0, "loopback traffic was refused");
}
static void a_test_suite_may_serve_and_connect_on_loopback_while_the_gate_is_closed(void **state)
{
	(void)state;
	in_netns(loopback_child);
}

static void gate_port_child(void)
{
	build_wall(true);
	must_be_refused("198.18.0.1", NET_GATE_PORT);
	/* and on loopback that port is like any other that nobody listens on */
	uint64_t before = counters().denied_packets;
	CHECK(dial("127.0.0.1", NET_GATE_PORT) == -ECONNREFUSED, "127.0.0.1:1");
	CHECK(counters().denied_packets == before, "127.0.0.1:1 was refused by the wall");
}
static void the_listener_of_the_gate_cannot_be_dialled_directly(void **state)
{
	(void)state;
	in_netns(gate_port_child);
}

static void resolver_child(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		                   .sin_addr = v4("198.18.0.1"),
		                   .sin_port = htons(53) },
			   peer;
	socklen_t len = sizeof(peer);
	char buf[8];

	build_wall(false);
	dd_auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK(sendto(fd, "ask", 3, 0, (struct sockaddr *)&sin, sizeof(sin)) == 3, "failed");
	CHECK(recvfrom(wall.fds[NET_FD_DNS_UDP], buf, sizeof(buf), 0, (struct sockaddr *)&peer,
	               &len) == 3,
	      "failed");
	CHECK(peer.sin_addr.s_addr == htonl(NET_STEP_ADDR), "asked from %s",
	      inet_ntoa(peer.sin_addr));
	CHECK(sendto(wall.fds[NET_FD_DNS_UDP], "no", 2, 0, (struct sockaddr *)&peer, len) == 2 &&
	              recv(fd, buf, sizeof(buf), 0) == 2,
	      "failed");
	CHECK(dial("198.18.0.1", 53) >= 0 && accept(wall.fds[NET_FD_DNS_TCP], NULL, NULL) >= 0,
	      "failed");
	must_be_refused("198.18.0.1", 853);
}
static void the_resolver_answers_on_udp_and_tcp_also_while_the_gate_is_closed(void **state)
{
	(void)state;
	in_netns(resolver_child);
}

/* ---- tests: the log ---- */

static void log_child(void)
{
	_Alignas(struct nlmsghdr) char buf[4096];
	build_wall(false);
	CHECK(dial("203.0.113.7", 4444) == -ECONNREFUSED, "not refused");
	struct pollfd p = { .fd = wall.fds[NET_FD_NFLOG], .events = POLLIN };
	CHECK(poll(&p, 1, 200) == 1, "no log message within 200 ms");
	ssize_t got = recv(p.fd, buf, sizeof(buf), 0);
	CHECK(got > 0, "failed");
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)(const void *)buf;
	const struct nlattr *attr = find_attr(message_attrs(nlh), NFULA_PAYLOAD, 0);
	CHECK(attr && mnl_attr_get_payload_len(attr) >= 24, "the message holds no packet");
	const uint8_t *packet = mnl_attr_get_payload(attr);
	uint32_t daddr = v4("203.0.113.7").s_addr;
	CHECK(memcmp(packet + 16, &daddr, 4) == 0 && (packet[22] << 8 | packet[23]) == 4444,
	      "another destination");
}
static void a_refusal_is_logged_with_its_true_destination(void **state)
{
	(void)state;
	in_netns(log_child);
}

static void flood_child(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		                   .sin_addr = v4("203.0.113.7"),
		                   .sin_port = htons(9) };
	_Alignas(struct nlmsghdr) char buf[4096];
	unsigned logged = 0;
	build_wall(false);
	dd_auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (unsigned i = 0; i < 2000; i++)
		CHECK(sendto(fd, "x", 1, 0, (struct sockaddr *)&sin, sizeof(sin)) < 0,
		      "not refused");
	while (recv(wall.fds[NET_FD_NFLOG], buf, sizeof(buf), 0) > 0)
		logged++;
	CHECK(counters().denied_packets == 2000, "%lu counted", counters().denied_packets);
	CHECK(logged >= 20 && logged <= 1000, "%u logged", logged);
}
static void a_flood_of_refusals_is_counted_in_full_and_logged_at_a_bounded_rate(void **state)
{
	(void)state;
	in_netns(flood_child);
}

/* ---- tests: closing ---- */

static void close_child(void)
{
	struct dd_err err = { 0 };
	char buf[8];
	build_wall(true);
	admit("198.18.1.0", 443);
	int step = dial("198.18.1.0", 443);
	CHECK(step >= 0, "%d", step);
	int gate = accept_at_gate("198.18.1.0", 443);
	CHECK(write(step, "before", 6) == 6 && read(gate, buf, sizeof(buf)) == 6, "failed");
	struct net_counters open = counters();

	CHECK(net_rules_close(wall.fds[NET_FD_RULES], &err) == 0, "%s", err.msg);
	CHECK(net_rules_close(wall.fds[NET_FD_RULES], &err) == 0, "again: %s", err.msg);
	CHECK(net_rules_verify(wall.fds[NET_FD_RULES], wall.plan, false, &err) == 0, "%s", err.msg);
	CHECK(net_rules_verify(wall.fds[NET_FD_RULES], wall.plan, true, &err) == -EPROTO,
	      "closed, but verified as open");

	/* queued; the kernel's reset comes back at once */
	CHECK(send(step, "after", 5, MSG_NOSIGNAL) == 5, "failed");
	CHECK(recv(step, buf, sizeof(buf), 0) < 0 && errno == ECONNRESET, "the flow lives on");
	CHECK(recv(gate, buf, sizeof(buf), MSG_DONTWAIT) <= 0, "payload passed a closed gate");
	must_be_refused("198.18.1.0", 443);
	must_be_refused("169.254.7.7", 80);
	admit("198.18.1.0", 443); /* even so: the gate chain is empty */
	must_be_refused("198.18.1.0", 443);
	struct net_counters closed = counters();
	CHECK(closed.accepted_packets == open.accepted_packets &&
	              closed.accepted_bytes == open.accepted_bytes,
	      "accepted after the close");
	CHECK(open.accepted_bytes > 6 && closed.denied_packets >= 4, "the counters are wrong");
}
static void closing_resets_live_flows_refuses_new_ones_and_keeps_the_counters(void **state)
{
	(void)state;
	in_netns(close_child);
}

static void reset_child(void)
{
	static const struct linger at_once = { .l_onoff = 1 };
	struct dd_err err = { 0 };
	char buf[64];
	build_wall(true);
	admit("198.18.1.0", 443);
	int step = dial("198.18.1.0", 443);
	CHECK(step >= 0, "%d", step);
	int gate = accept_at_gate("198.18.1.0", 443);
	CHECK(net_rules_close(wall.fds[NET_FD_RULES], &err) == 0, "%s", err.msg);

	CHECK(setsockopt(step, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) == 0 &&
	              close(step) == 0,
	      "failed");
	CHECK(recv(wall.fds[NET_FD_NFLOG], buf, sizeof(buf), MSG_DONTWAIT) < 0,
	      "the reset was logged");
	CHECK(counters().denied_packets == 0, "the reset was counted");
	CHECK(recv(gate, buf, sizeof(buf), MSG_DONTWAIT) < 0 && errno == EAGAIN,
	      "the reset passed a closed gate");
}

/* The peer's end arrives when the gate has closed, and the kernel acknowledges it for the step. */
static void farewell_child(void)
{
	struct dd_err err = { 0 };
	char buf[64];
	build_wall(true);
	admit("198.18.1.0", 443);
	int step = dial("198.18.1.0", 443);
	CHECK(step >= 0, "%d", step);
	int gate = accept_at_gate("198.18.1.0", 443);
	CHECK(shutdown(step, SHUT_WR) == 0, "failed");
	CHECK(recv(gate, buf, sizeof(buf), 0) == 0, "no end came");
	CHECK(net_rules_close(wall.fds[NET_FD_RULES], &err) == 0, "%s", err.msg);

	CHECK(send(gate, "late", 4, MSG_NOSIGNAL) == 4 && shutdown(gate, SHUT_WR) == 0, "failed");
	CHECK(recv(step, buf, sizeof(buf), MSG_WAITALL) == 4, "the answer was lost");
	CHECK(recv(wall.fds[NET_FD_NFLOG], buf, sizeof(buf), MSG_DONTWAIT) < 0,
	      "an acknowledgement was logged");
	CHECK(counters().denied_packets == 0, "an acknowledgement was counted");
}
static void an_acknowledgement_after_the_gate_has_closed_is_no_refusal(void **state)
{
	(void)state;
	in_netns(farewell_child);
}

static void the_reset_of_a_socket_that_outlived_its_gate_is_no_refusal(void **state)
{
	(void)state;
	in_netns(reset_child);
}

static void conntrack_child(void)
{
	build_wall(true);
	admit("198.18.1.0", 443);
	int step = dial("198.18.1.0", 443);
	CHECK(step >= 0, "%d", step);
	serve_and_dial(AF_INET, SOCK_DGRAM);
	FILE *f = fopen("/proc/sys/net/netfilter/nf_conntrack_count", "re");
	if (!f && errno == ENOENT)
		return; /* not even loaded */
	int count = -1;
	CHECK(f && fscanf(f, "%d", &count) == 1, "failed");
	CHECK(count == 0, "%d flows are tracked", count);
}
static void nothing_is_ever_tracked_by_conntrack(void **state)
{
	(void)state;
	in_netns(conntrack_child);
}

static void two_walls_child(void)
{
	build_wall(true);
	admit("198.18.1.0", 443);
	CHECK(unshare(CLONE_NEWNET) == 0, "failed");
	build_wall(true);
	must_be_refused("198.18.1.0", 443); /* N-27 */
}
static void what_one_step_was_admitted_to_another_is_not(void **state)
{
	(void)state;
	in_netns(two_walls_child);
}

/* ---- tests: power ---- */

static int try_flush(int fd)
{
	struct dd_err err = { 0 };
	return net_rules_close(fd, &err);
}

static void powerless_child(void)
{
	build_wall(true);
	dd_auto_fd int leaked = dup(wall.fds[NET_FD_RULES]);
	pid_t pid = fork();
	if (pid == 0) {
		cap_t none = cap_init();
		/* no other id in a map of one */
		CHECK(setresuid(65534, 65534, 65534) == 0 || errno == EINVAL, "failed");
		CHECK(none && cap_set_proc(none) == 0, "failed");
		dd_auto_fd int own = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
		CHECK(own >= 0, "failed");
		int r = try_flush(own);
		CHECK(r == -EPERM, "own socket: %d", r);
		r = try_flush(leaked);
		CHECK(r == -EPERM, "leaked socket: %d", r);
		_exit(0);
	}
	int status;
	CHECK(waitpid(pid, &status, 0) == pid && status == 0, "status %x", (unsigned)status);
	struct dd_err err = { 0 };
	CHECK(net_rules_verify(wall.fds[NET_FD_RULES], wall.plan, true, &err) == 0, "%s", err.msg);
}
static void without_capabilities_neither_a_new_nor_a_leaked_socket_changes_a_rule(void **state)
{
	(void)state;
	in_netns(powerless_child);
}

/* As it is in the product: namespace made by a child, rules changed from outside by the creator of
 * its user namespace. */
static void outside_child(void)
{
	int pair[2], fds[NET_FD__COUNT];
	char byte = 0;
	struct dd_err err = { 0 };
	wall.list = open_list();
	CHECK(net_plan_new(&wall.list, &wall.plan, &err) == 0, "%s", err.msg);
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "failed");
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0, "failed");
		CHECK(net_inside_setup(wall.plan, fds, &err) == 0, "%s", err.msg);
		CHECK(dd_send_msg(pair[1], &byte, 1, fds, NET_FD__COUNT) == 0, "send");
		CHECK(dd_recv_msg(pair[1], &byte, 1, NULL, 0) == 1, "wait");
		CHECK(dial("198.18.1.0", 443) >= 0, "admitted from outside, but refused");
		_exit(0);
	}
	CHECK(dd_recv_msg(pair[0], &byte, 1, wall.fds, NET_FD__COUNT) == 1, "receive");
	CHECK(net_rules_verify(wall.fds[NET_FD_RULES], wall.plan, true, &err) == 0, "%s", err.msg);
	admit("198.18.1.0", 443);
	CHECK(dd_send_msg(pair[0], &byte, 1, NULL, 0) == 0, "release");
	int status;
	CHECK(waitpid(pid, &status, 0) == pid && status == 0, "status %x", (unsigned)status);
	CHECK(net_rules_close(wall.fds[NET_FD_RULES], &err) == 0, "%s", err.msg);
	CHECK(counters().accepted_packets >= 2, "nothing counted");
}
static void the_creator_of_the_user_namespace_changes_the_rules_from_outside(void **state)
{
	(void)state;
	in_netns(outside_child);
}

/* ---- tests: read-back (G-08) ---- */

static const struct tamper_row {
	const char *what, *command, *told; /* @told must be part of the sentence */
} tamper_rows[] = {
	{ "nothing at all", "list tables", NULL },
	{ "a rule is missing", "flush chain inet drydock output",
	  "rule 1 of chain output is missing" },
	{ "a verdict is another",
	  "flush chain inet drydock prerouting; add rule inet drydock prerouting accept",
	  "rule 1 of chain prerouting" },
	{ "a rule too many", "add rule inet drydock output udp dport 53 accept",
	  "rule that was not sent" },
	{ "a rule too many in front", "insert rule inet drydock output accept",
	  "rule 1 of chain output" },
	{ "a rule too many in an empty place", "add rule inet drydock gate accept",
	  "rule that was not sent" },
	{ "the policy is accept", "add chain inet drydock output { policy accept; }",
	  "chain output is not what was sent" },
	{ "a second table", "add table ip other", "table that was not sent" },
	{ "a second table of our family", "add table inet other", "table that was not sent" },
	{ "our table sleeps", "add table inet drydock { flags dormant; }",
	  "table inet drydock is not what was sent" },
	{ "a chain too many", "add chain inet drydock mine", "chain that was not sent" },
	{ "a set too many", "add set inet drydock mine { type ipv4_addr; }",
	  "set that was not sent" },
	{ "a counter too many", "add counter inet drydock mine", "counter that was not sent" },
	{ "a foreign address in the set", "add element inet drydock allow { 203.0.113.1 . 443 }",
	  "cannot have been admitted" },
	{ "a foreign port in the set", "add element inet drydock allow { 198.18.1.0 . 22 }",
	  "cannot have been admitted" },
	{ "an inverted lookup",
	  "flush chain inet drydock gate; add rule inet drydock gate ip daddr . tcp dport != "
	  "@allow counter name accepted accept",
	  "rule 1 of chain gate" },
};
static const struct tamper_row *tamper;

static void tamper_child(void)
{
	struct dd_err err = { 0 };
	build_wall(true);
	nft(tamper->command);
	int r = net_rules_verify(wall.fds[NET_FD_RULES], wall.plan, true, &err);
	if (!tamper->told) {
		CHECK(r == 0, "%s", err.msg);
		return;
	}
	CHECK(r == -EPROTO, "%s: %d", tamper->what, r);
	CHECK(strstr(err.msg, tamper->told), "%s: told %s", tamper->what, err.msg);
}

static void read_back_notices_every_tampering(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tamper_rows); i++) {
		tamper = &tamper_rows[i];
		in_netns(tamper_child);
	}
}

static void admitted_exactly_child(void)
{
	struct dd_err err = { 0 };
	build_wall(true);
	int fd = wall.fds[NET_FD_RULES];
	const struct net_element two[] = { { v4("198.18.1.0"), 443 }, { v4("198.18.1.1"), 8080 } };
	CHECK(net_rules_verify_admitted(fd, two, 0, &err) == 0, "%s", err.msg);
	CHECK(net_rules_verify_admitted(fd, two, 1, &err) == -EPROTO,
	      "a missing element was not noticed");
	admit("198.18.1.1", 8080);
	admit("198.18.1.0", 443);
	CHECK(net_rules_verify_admitted(fd, two, 2, &err) == 0, "%s", err.msg);
	CHECK(net_rules_verify_admitted(fd, two, 1, &err) == -EPROTO,
	      "an extra element was not noticed");
	CHECK(net_rules_verify(fd, wall.plan, true, &err) == 0, "%s", err.msg);
	CHECK(net_rules_admit(fd, v4("8.8.8.8"), 443, &err) == -EINVAL,
	      "a real address was admitted");
	CHECK(net_rules_admit(fd, v4("198.18.0.2"), 443, &err) == -EINVAL,
	      "the step's own address was admitted");
	CHECK(net_rules_admit(fd, v4("198.18.1.0"), 0, &err) == -EINVAL, "port 0 was admitted");
}
static void the_set_can_be_held_against_the_admissions(void **state)
{
	(void)state;
	in_netns(admitted_exactly_child);
}

static void stale_child(void)
{
	struct dd_err err = { 0 };
	build_wall(true);
	_Alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = 4711;
	(void)mnl_nlmsg_put_extra_header(nlh, sizeof(struct nfgenmsg));
	CHECK(send(wall.fds[NET_FD_RULES], nlh, nlh->nlmsg_len, 0) > 0, "failed");
	int r = net_rules_admit(wall.fds[NET_FD_RULES], v4("198.18.1.0"), 443, &err);
	CHECK(r == -EPROTO, "an answer to somebody else's question was taken: %d", r);
}
static void an_answer_that_nobody_asked_for_is_an_error(void **state)
{
	(void)state;
	in_netns(stale_child);
}

/* ---- tests: set-up fails closed ---- */

static const struct fault_row {
	const char *point, *told;
} fault_rows[] = {
	{ "nftables", "/etc/modules-load.d" },
	{ "nflog", "nfnetlink_log" },
	{ "tproxy", "nft_tproxy" },
	{ "routes", "addresses and routes" },
	{ "listener", "open listener" },
};
static const struct fault_row *fault;

static unsigned open_fds(void)
{
	unsigned n = 0;
	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void fault_child(void)
{
	struct dd_err err = { 0 };
	int fds[NET_FD__COUNT] = { -7, -7, -7, -7, -7, -7 };
	wall.list = open_list();
	CHECK(net_plan_new(&wall.list, &wall.plan, &err) == 0, "%s", err.msg);
	unsigned before = open_fds();
	take_away(fault->point);
	CHECK(net_inside_setup(wall.plan, fds, &err) == -ENOSYS, "%s", fault->point);
	CHECK(strstr(err.msg, fault->told), "%s: told %s", fault->point, err.msg);
	CHECK(fds[0] == -7 && fds[4] == -7 && open_fds() == before, "%s left something open",
	      fault->point);
}

static void read_back_fault_child(void)
{
	struct dd_err err = { 0 };
	build_wall(true);
	take_away("rules_readback");
	CHECK(net_rules_verify(wall.fds[NET_FD_RULES], wall.plan, true, &err) == -ENOSYS,
	      "verified without reading");
}

static void each_missing_kernel_feature_ends_the_set_up_and_names_the_remedy(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fault_rows); i++) {
		fault = &fault_rows[i];
		in_netns(fault_child);
	}
	in_netns(read_back_fault_child);
}

static void twice_child(void)
{
	struct dd_err err = { 0 };
	int fds[NET_FD__COUNT];
	build_wall(true);
	CHECK(net_inside_setup(wall.plan, fds, &err) == -EEXIST, "a second wall over the first");
	CHECK(strstr(err.msg, "table inet drydock"), "told %s", err.msg);
	CHECK(net_rules_verify(wall.fds[NET_FD_RULES], wall.plan, true, &err) == 0,
	      "half of a batch was applied: %s", err.msg);
}
static void one_refused_message_refuses_the_whole_batch_and_is_named(void **state)
{
	(void)state;
	in_netns(twice_child);
}

static void sockets_child(void)
{
	build_wall(true);
	for (size_t i = 0; i < NET_FD__COUNT; i++)
		CHECK(fcntl(wall.fds[i], F_GETFD) & FD_CLOEXEC, "socket %zu", i);
	for (size_t i = NET_FD_NFLOG; i < NET_FD__COUNT; i++)
		CHECK(fcntl(wall.fds[i], F_GETFL) & O_NONBLOCK, "socket %zu", i);
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = v4("8.8.8.8") };
	dd_auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 && errno == EADDRNOTAVAIL,
	      "a step can pose as 8.8.8.8");
}
static void sockets_close_on_exec_and_foreign_addresses_cannot_be_bound(void **state)
{
	(void)state;
	in_netns(sockets_child);
}

/* ---- tests: the plan ---- */

static void refuses(struct egress_entry entry, const char *told)
{
	struct dd_err err = { 0 };
	struct net_plan *plan = NULL;
	entry.origin = "p.yml:3:7";
	const struct egress_list list = { .entries = &entry, .n = 1 };
	assert_int_equal(net_plan_new(&list, &plan, &err), -EINVAL);
	assert_null(plan);
	assert_non_null(strstr(err.msg, "p.yml:3:7"));
	assert_non_null(strstr(err.msg, told));
}

static void an_entry_that_cannot_be_enforced_is_refused_with_its_place(void **state)
{
	(void)state;
	refuses((struct egress_entry){ .host = "a.test" }, "port");
	refuses((struct egress_entry){ .host = "A.test", .port = 1 }, "canonical");
	refuses((struct egress_entry){ .prefix = 33, .port = 1 }, "prefix");
	refuses((struct egress_entry){ .prefix = 8, .port = 1, .cidr.s_addr = htonl(0x0A000001) },
	        "bits set");
	refuses((struct egress_entry){ .prefix = 8, .port = 1, .cidr.s_addr = htonl(0x7F000000) },
	        "loopback");
	refuses((struct egress_entry){ .prefix = 24, .port = 1, .cidr.s_addr = htonl(0xC6120100) },
	        "198.18.0.0/15");
	refuses((struct egress_entry){ .prefix = 4, .port = 1, .cidr.s_addr = htonl(0xE0000000) },
	        "multicast");
}

static void too_many_blocks_are_refused_and_as_many_as_promised_work_child(void)
{
	static struct egress_entry many[129];
	struct dd_err err = { 0 };
	for (uint32_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = (struct egress_entry){ .prefix = 24,
			                         .port = 443,
			                         .cidr.s_addr = htonl(0x0B000000 + (i << 8)),
			                         .origin = "t" };
	wall.list = (struct egress_list){ .entries = many, .n = ARRAY_LEN(many) };
	CHECK(net_plan_new(&wall.list, &wall.plan, &err) == -EINVAL, "129 blocks");
	wall.list.n--;
	CHECK(net_plan_new(&wall.list, &wall.plan, &err) == 0, "%s", err.msg);
	CHECK(net_inside_setup(wall.plan, wall.fds, &err) == 0, "%s", err.msg);
	CHECK(net_rules_verify(wall.fds[NET_FD_RULES], wall.plan, true, &err) == 0, "%s", err.msg);
	CHECK(dial("11.0.127.5", 443) >= 0, "the last block is not open");
}
static void as_many_blocks_as_promised_fit_and_one_more_is_refused(void **state)
{
	(void)state;
	in_netns(too_many_blocks_are_refused_and_as_many_as_promised_work_child);
}

/* ---- tests: what a wall costs ---- */

static unsigned expressions_of(const struct nlmsghdr *nlh)
{
	const struct nlattr *list = find_attr(message_attrs(nlh), NFTA_RULE_EXPRESSIONS, 0);
	struct attrs left = list ? nested_attrs(list) : (struct attrs){ 0 };
	unsigned n = 0;

	while (next_attr(&left))
		n++;
	return n;
}

/* Each expression costs every step 1.5 us, each object 3: a row that grows them says so here. */
static void a_wall_is_made_of_few_rules_and_expressions(void **state)
{
	(void)state;
	const struct egress_entry entry = { .host = "a.test", .port = 443, .origin = "test:1" };
	const struct egress_list list = { .entries = &entry, .n = 1 };
	struct dd_err err = { 0 };
	struct net_plan *plan = NULL;
	unsigned rules = 0, expressions = 0;

	assert_int_equal(net_plan_new(&list, &plan, &err), 0);
	for (size_t at = 0; at < plan->nft.len;) {
		const struct nlmsghdr *nlh = (const void *)(plan->nft.bytes + at);
		at += NLMSG_ALIGN(nlh->nlmsg_len);
		if (nlh->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE))
			continue;
		rules++;
		expressions += expressions_of(nlh);
	}
	assert_in_range(rules, 1, 15);
	assert_in_range(expressions, 1, 74);
	net_plan_free(plan);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wall_is_made_of_few_rules_and_expressions),
		cmocka_unit_test(the_real_nft_lists_what_the_plan_says),
		cmocka_unit_test(
			an_admitted_destination_reaches_the_gate_under_its_own_name_and_nothing_else_does),
		cmocka_unit_test(a_block_opens_its_addresses_but_never_the_metadata_service),
		cmocka_unit_test(
			even_a_block_of_everything_opens_no_synthetic_and_no_metadata_address),
		cmocka_unit_test(
			an_observing_wall_leads_everything_public_to_the_gate_and_nothing_else),
		cmocka_unit_test(
			what_the_list_opens_of_special_ranges_stays_exactly_that_while_observing),
		cmocka_unit_test(an_observing_wall_refuses_udp_ipv6_and_foreign_admissions),
		cmocka_unit_test(read_back_notices_tampering_with_an_observing_wall),
		cmocka_unit_test(udp_is_refused_at_once_so_that_quic_falls_back),
		cmocka_unit_test(ipv6_goes_nowhere_but_home),
		cmocka_unit_test(
			a_test_suite_may_serve_and_connect_on_loopback_while_the_gate_is_closed),
		cmocka_unit_test(the_listener_of_the_gate_cannot_be_dialled_directly),
		cmocka_unit_test(the_resolver_answers_on_udp_and_tcp_also_while_the_gate_is_closed),
		cmocka_unit_test(a_refusal_is_logged_with_its_true_destination),
		cmocka_unit_test(
			a_flood_of_refusals_is_counted_in_full_and_logged_at_a_bounded_rate),
		cmocka_unit_test(closing_resets_live_flows_refuses_new_ones_and_keeps_the_counters),
		cmocka_unit_test(the_reset_of_a_socket_that_outlived_its_gate_is_no_refusal),
		cmocka_unit_test(an_acknowledgement_after_the_gate_has_closed_is_no_refusal),
		cmocka_unit_test(nothing_is_ever_tracked_by_conntrack),
		cmocka_unit_test(what_one_step_was_admitted_to_another_is_not),
		cmocka_unit_test(
			without_capabilities_neither_a_new_nor_a_leaked_socket_changes_a_rule),
		cmocka_unit_test(the_creator_of_the_user_namespace_changes_the_rules_from_outside),
		cmocka_unit_test(read_back_notices_every_tampering),
		cmocka_unit_test(the_set_can_be_held_against_the_admissions),
		cmocka_unit_test(an_answer_that_nobody_asked_for_is_an_error),
		cmocka_unit_test(each_missing_kernel_feature_ends_the_set_up_and_names_the_remedy),
		cmocka_unit_test(one_refused_message_refuses_the_whole_batch_and_is_named),
		cmocka_unit_test(sockets_close_on_exec_and_foreign_addresses_cannot_be_bound),
		cmocka_unit_test(an_entry_that_cannot_be_enforced_is_refused_with_its_place),
		cmocka_unit_test(as_many_blocks_as_promised_fit_and_one_more_is_refused),
	};
	(void)setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1); /* nft is not in a user's own */
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
