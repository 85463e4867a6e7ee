// SPDX-License-Identifier: Apache-2.0
/* gate_world.h - a small world for tests and measurements of the real gate: a "host" network
 * namespace with public-looking addresses and a fake upstream resolver, and a step's namespace with
 * the real wall. The caller is the supervisor; its client sockets are made inside the step by
 * changing namespace for a moment. No threads, nothing outside the namespaces.
 */
#ifndef TESTS_UNIT_GATE_WORLD_H
#define TESTS_UNIT_GATE_WORLD_H

#include "drydock/fd.h"
#include "drydock/gate.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define WORLD_PUBLIC  "203.0.113.10"
#define WORLD_PUBLIC2 "203.0.113.11"

struct world {
	int host_ns, step_ns;
	struct net_plan *plan;
	int net[NET_FD__COUNT];
	struct gate gate;
	const struct egress_list *list;
	bool refuse_admit;
	bool blind;                 /* does not say that it has looked who asked (GATE_SEEN) */
	bool observe;               /* as used for the next world_start() */
	bool wide;                  /* the step's sockets: see world_widen() */
	struct gate_zygote *zygote; /* likewise; NULL: none */
	/* what "earlier steps" of the job used; as used for the next world_start() */
	struct egress_spent *spent;
	uid_t gate_uid; /* as used for the next world_start(); 0 = the caller's own */
	struct gate_msg events[400];
	size_t n_events;
	int upstream; /* UDP 127.0.0.1:53 */
	unsigned upstream_queries;
	/* space-separated IPv4 addresses; "" = NODATA, NULL = NXDOMAIN, "fail" = SERVFAIL */
	const char *answer;
};

static inline uint64_t world_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static inline bool world_write(const char *path, const char *text)
{
	dd_auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static inline bool world_replace(const char *path, const char *text)
{
	char tmp[] = "/tmp/gate_world_XXXXXX";
	dd_auto_fd int fd = mkstemp(tmp);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
	          fchmod(fd, 0644) == 0 && mount(tmp, path, NULL, MS_BIND, NULL) == 0;
	(void)unlink(tmp);
	return ok;
}

static inline bool world_address(int sock, const char *ifname, const char *addr)
{
	struct ifreq ifr = { .ifr_flags = 0 };
	struct sockaddr_in in = { .sin_family = AF_INET };
	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	(void)inet_pton(AF_INET, addr, &in.sin_addr);
	memcpy(&ifr.ifr_addr, &in, sizeof(in));
	return ioctl(sock, SIOCSIFADDR, &ifr) == 0;
}

/* Enter a "host" of our own. Once per process. false: this machine does not let us (the caller
 * skips loudly). */
static inline bool world_enter(void)
{
	char map[64];
	uid_t uid = getuid();
	gid_t gid = getgid();

	if (uid != 0) {
		if (unshare(CLONE_NEWUSER) < 0 || !world_write("/proc/self/setgroups", "deny"))
			return false;
		(void)snprintf(map, sizeof(map), "0 %u 1", uid);
		if (!world_write("/proc/self/uid_map", map))
			return false;
		(void)snprintf(map, sizeof(map), "0 %u 1", gid);
		if (!world_write("/proc/self/gid_map", map))
			return false;
	}
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return false;
	dd_auto_fd int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq up = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	return sock >= 0 && ioctl(sock, SIOCSIFFLAGS, &up) == 0 &&
	       world_address(sock, "lo:1", WORLD_PUBLIC) &&
	       world_address(sock, "lo:2", WORLD_PUBLIC2) &&
	       world_address(sock, "lo:3", "10.9.9.9") &&
	       world_replace("/etc/resolv.conf", "nameserver 127.0.0.1\n") &&
	       world_replace("/etc/hosts",
	                     "127.0.0.1 localhost\n" WORLD_PUBLIC " hosts.test # a comment\n");
}

/* Sockets of this network namespace hold megabytes and are not paced. */
static inline bool world_widen(void)
{
	return world_write("/proc/sys/net/ipv4/tcp_rmem", "4096 33554432 33554432") &&
	       world_write("/proc/sys/net/ipv4/tcp_wmem", "4096 8388608 33554432") &&
	       world_write("/proc/sys/net/ipv4/tcp_congestion_control", "reno");
}

static inline bool world_step_ns(struct world *w, struct dd_err *err)
{
	w->host_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (w->host_ns < 0 || unshare(CLONE_NEWNET) < 0)
		return false;
	w->step_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (w->wide && !world_widen())
		return false;
	int r = net_inside_setup(w->plan, w->net, err);
	return setns(w->host_ns, CLONE_NEWNET) == 0 && r == 0;
}

static inline int world_socket(struct world *w, int type)
{
	(void)setns(w->step_ns, CLONE_NEWNET);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)setns(w->host_ns, CLONE_NEWNET);
	return fd;
}

static inline struct sockaddr_in world_sockaddr(struct in_addr addr, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		                     .sin_port = htons(port),
		                     .sin_addr = addr };
}

static inline struct in_addr world_ip(const char *text)
{
	struct in_addr addr = { 0 };
	(void)inet_pton(AF_INET, text, &addr);
	return addr;
}

static inline int world_listen(const char *addr, uint16_t port)
{
	int one = 1;
	struct sockaddr_in in = world_sockaddr(world_ip(addr), port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (void *)&in, sizeof(in)) < 0 || listen(fd, 512) < 0)
		dd_close_p(&fd);
	return fd;
}

/* ---- the fake upstream ---- */

static inline size_t world_rr(uint8_t *out, const char *ip, uint32_t ttl)
{
	struct in_addr addr = world_ip(ip);
	uint8_t rr[16] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, (uint8_t)ttl, 0, 4 };
	memcpy(rr + 12, &addr, 4);
	memcpy(out, rr, sizeof(rr));
	return sizeof(rr);
}

static inline void world_upstream(struct world *w)
{
	uint8_t in[512];
	uint8_t out[1024];
	char list[256];
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	ssize_t n = recvfrom(w->upstream, in, sizeof(in), MSG_DONTWAIT, (void *)&peer, &len);
	if (n < 17)
		return;
	w->upstream_queries++;
	size_t q = 12;
	while (in[q])
		q += in[q] + 1u;
	q += 5;
	memcpy(out, in, q);
	bool is_a = in[q - 3] == 1;
	uint8_t rcode = !w->answer ? 3 : strcmp(w->answer, "fail") == 0 ? 2 : 0;
	uint8_t head[10] = { 0x81, (uint8_t)(0x80 | rcode), 0, 1, 0, 0, 0, 0, 0, 0 };
	memcpy(out + 2, head, sizeof(head));
	if (rcode == 0 && is_a) {
		(void)snprintf(list, sizeof(list), "%s", w->answer);
		for (char *save = NULL, *ip = strtok_r(list, " ", &save); ip;
		     ip = strtok_r(NULL, " ", &save)) {
			q += world_rr(out + q, ip, 0);
			out[7]++;
		}
	}
	(void)sendto(w->upstream, out, q, 0, (void *)&peer, len);
}

/* ---- the supervisor ---- */

static inline void world_admit(struct world *w, const struct gate_msg *ask)
{
	struct gate_msg reply = { .type = GATE_ADMITTED, .id = ask->id, .admitted = 0 };
	if (w->observe && !w->refuse_admit)
		reply.admitted = net_rules_admit_host(w->net[NET_FD_RULES], world_ip(ask->addr),
		                                      NULL) == 0;
	for (size_t i = 0; !w->observe && !w->refuse_admit && i < w->list->n; i++) {
		uint16_t port = w->list->entries[i].port;
		if (egress_verdict_name(w->list, ask->host, port).entry == &w->list->entries[i])
			reply.admitted = net_rules_admit(w->net[NET_FD_RULES], world_ip(ask->addr),
			                                 port, NULL) == 0;
	}
	(void)gate_send(&w->gate, &reply, NULL);
}

/* Serve gate and upstream until @fd is ready for @events, or for @ms. @fd may be -1. */
static inline bool world_serve(struct world *w, int fd, short events, int ms)
{
	uint64_t end = world_ms() + (uint64_t)ms;
	for (;;) {
		uint64_t now = world_ms();
		struct pollfd p[3] = { { w->gate.ctl, POLLIN, 0 },
			               { w->upstream, POLLIN, 0 },
			               { fd, events, 0 } };
		int n = poll(p, fd < 0 ? 2 : 3, now >= end ? 0 : (int)(end - now));
		struct gate_msg msg;
		if (p[1].revents)
			world_upstream(w);
		while (p[0].revents && gate_recv(&w->gate, &msg, NULL) == 1) {
			if (msg.type == GATE_ASK_ADMIT)
				world_admit(w, &msg);
			else if (w->n_events < ARRAY_LEN(w->events))
				w->events[w->n_events++] = msg;
			if (msg.type == GATE_DNS_DENY && msg.id && !w->blind)
				(void)gate_send(
					&w->gate,
					&(struct gate_msg){ .type = GATE_SEEN, .id = msg.id },
					NULL);
		}
		if (fd >= 0 && p[2].revents)
			return true;
		if (n <= 0 || now >= end)
			return false;
		if (p[0].revents & POLLHUP)
			return false;
	}
}

static inline const struct gate_msg *world_event(struct world *w, enum gate_msg_type type,
                                                 const char *why, int ms)
{
	uint64_t end = world_ms() + (uint64_t)ms;
	for (;;) {
		for (size_t i = 0; i < w->n_events; i++) {
			const struct gate_msg *m = &w->events[i];
			char said[400];
			dd_reason_say(m->reason ? m->reason : m->would, m->why, said, sizeof(said));
			if (m->type == type && (strstr(said, why) || strstr(m->why, why)))
				return m;
		}
		if (world_ms() >= end)
			return NULL;
		(void)world_serve(w, -1, 0, 20);
	}
}

static inline bool world_start(struct world *w, const struct egress_list *list, struct dd_err *err)
{
	*w = (struct world){
		.gate_uid = w->gate_uid,
		.observe = w->observe,
		.wide = w->wide,
		.zygote = w->zygote,
		.spent = w->spent,
		.host_ns = -1,
		.step_ns = -1,
		.list = list,
		.gate = GATE_NONE,
		.answer = WORLD_PUBLIC,
	};
	for (int i = 0; i < NET_FD__COUNT; i++)
		w->net[i] = -1;
	struct sockaddr_in in = world_sockaddr(world_ip("127.0.0.1"), 53);
	w->upstream = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(w->upstream, (void *)&in, sizeof(in)) < 0 ||
	    net_plan_new_with(list, w->observe, &w->plan, err) < 0 || !world_step_ns(w, err))
		return false;
	struct gate_spec spec = {
		.egress = list,
		.spent = w->spent,
		.observe = w->observe,
		.zygote = w->zygote,
		.net = w->net,
		.switch_ids = w->gate_uid != 0,
		.uid = w->gate_uid,
		.gid = w->gate_uid,
	};
	if (gate_start(&spec, &w->gate, err) < 0)
		return false;
	for (int i = NET_FD_NFLOG; i < NET_FD__COUNT; i++)
		dd_close_p(&w->net[i]);
	return world_event(w, GATE_READY, "", 3000) != NULL;
}

static inline void world_end(struct world *w)
{
	gate_destroy(&w->gate);
	for (int i = 0; i < NET_FD__COUNT; i++)
		dd_close_p(&w->net[i]);
	dd_close_p(&w->upstream);
	dd_close_p(&w->step_ns);
	dd_close_p(&w->host_ns);
	net_plan_free(w->plan);
	w->plan = NULL;
}

/* ---- the step ---- */

/* A query in wire form; returns its length. */
static inline size_t world_query(uint8_t q[300], const char *name, uint16_t type)
{
	size_t len = 12;
	memcpy(q, "\x12\x34\1\0\0\1\0\0\0\0\0\0", 12);
	for (const char *p = name; *p;) {
		size_t label = strcspn(p, ".");
		q[len++] = (uint8_t)label;
		memcpy(q + len, p, label);
		len += label;
		p += label + (p[label] == '.');
	}
	memcpy(q + len, "\0\0\0\0\1", 5);
	q[len + 2] = (uint8_t)type;
	return len + 5;
}

/* Ask the step's resolver. Returns the rcode, -1 without an answer; *ret_addr is 0 without an
 * address. */
static inline int world_resolve(struct world *w, const char *name, uint16_t type,
                                struct in_addr *ret_addr)
{
	uint8_t q[300];
	uint8_t a[600];
	size_t len = world_query(q, name, type);
	struct sockaddr_in to = world_sockaddr((struct in_addr){ htonl(NET_RESOLVER_ADDR) }, 53);

	ret_addr->s_addr = 0;
	dd_auto_fd int fd = world_socket(w, SOCK_DGRAM);
	if (sendto(fd, q, len, 0, (void *)&to, sizeof(to)) < 0 || !world_serve(w, fd, POLLIN, 8000))
		return -1;
	ssize_t n = recv(fd, a, sizeof(a), 0);
	if (n < 12)
		return -1;
	if (a[7] == 1)
		memcpy(ret_addr, a + n - 4, 4);
	return a[3] & 15;
}

/* Connect from inside the step; -errno on failure. */
static inline int world_dial(struct world *w, struct in_addr addr, uint16_t port)
{
	struct sockaddr_in to = world_sockaddr(addr, port);
	int error = 0;
	socklen_t len = sizeof(error);
	int fd = world_socket(w, SOCK_STREAM);

	if (connect(fd, (void *)&to, sizeof(to)) < 0 && errno != EINPROGRESS) {
		error = errno;
	} else {
		if (!world_serve(w, fd, POLLOUT, 3000))
			error = ETIMEDOUT;
		else
			(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	}
	if (error)
		dd_close_p(&fd);
	return error ? -error : fd;
}

static inline int world_accept(struct world *w, int listener, int ms)
{
	if (!world_serve(w, listener, POLLIN, ms))
		return -1;
	return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* Bytes read within @ms; 0 at the end of the stream; -errno. */
static inline ssize_t world_read(struct world *w, int fd, void *buf, size_t len, int ms)
{
	if (!world_serve(w, fd, POLLIN, ms))
		return -ETIMEDOUT;
	ssize_t n = recv(fd, buf, len, MSG_DONTWAIT);
	return n < 0 ? -errno : n;
}

/* A small, proper TLS 1.2 ClientHello with this server name ("" = none). */
static inline size_t world_hello(const char *sni, uint8_t out[600])
{
	size_t name = strlen(sni);
	size_t ext = name ? 9 + name : 0;
	size_t body = 2 + 32 + 1 + 4 + 2 + 2 + ext;
	uint8_t *p = out;
	uint8_t head[] = { 22,
		           3,
		           1,
		           (uint8_t)((body + 4) >> 8),
		           (uint8_t)(body + 4),
		           1,
		           0,
		           (uint8_t)(body >> 8),
		           (uint8_t)body,
		           3,
		           3 };
	memcpy(p, head, sizeof(head));
	p += sizeof(head);
	memset(p, 7, 32);
	p += 32;
	uint8_t middle[] = { 0, 0, 2, 0x13, 1, 1, 0, (uint8_t)(ext >> 8), (uint8_t)ext };
	memcpy(p, middle, sizeof(middle));
	p += sizeof(middle);
	if (name) {
		uint8_t server_name[] = {
			0, 0, 0, (uint8_t)(name + 5), 0, (uint8_t)(name + 3), 0, 0, (uint8_t)name
		};
		memcpy(p, server_name, sizeof(server_name));
		memcpy(p + sizeof(server_name), sni, name);
		p += sizeof(server_name) + name;
	}
	return (size_t)(p - out);
}

#endif
