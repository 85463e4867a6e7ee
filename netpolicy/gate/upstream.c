// SPDX-License-Identifier: Apache-2.0
/* upstream.c - asks the host's own resolver for an allowed name, with c-ares.
 *
 * Runs in: gate. upstream_init() runs before the lock: it reads the host's resolver configuration
 * and hosts file into memory; afterwards no file is opened. Sockets are made by our own functions,
 * so that the filter sees exactly the calls it knows, whatever c-ares would choose. Search domains
 * are never applied: the name is sent as the policy has it, or not at all. Answers are not trusted:
 * gate_name.c validates each one.
 */
#include "gate_internal.h"

/* The calls of c-ares 1.18 (Debian 12, Ubuntu 22.04). 1.28 has successors for them, which those do
 * not have, and calls these deprecated. */
#define CARES_NO_DEPRECATED 1

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>
#include <sys/uio.h>

enum {
	SOCKETS_MAX = 64,
	TIMEOUT_MS = 2000,
	TRIES = 2,
	HOSTS_FILE_MAX = 1 << 20,
	HOSTS_MAX = 65536,
	PER_FAMILY = GATE_ANSWERS_MAX / 2,
	HOSTS_TTL_SEC = 300,
	CLASS_IN = 1,
	TYPE_A = 1,
	TYPE_AAAA = 28,
};

struct host_line {
	char name[EGRESS_HOST_MAX + 1];
	union gate_addr addr;
};

struct upstream {
	struct gate_state *gate;
	ares_channel channel;
	struct gate_source sockets[SOCKETS_MAX];
	struct host_line *hosts;
	size_t n_hosts;
};

struct question {
	struct gate_name *name;
	uint32_t attempt;
	int type;
};

/* ---- the hosts file ---- */

static bool upstream_parse_address(const char *text, union gate_addr *ret)
{
	*ret = (union gate_addr){ .v4 = { .sin_family = AF_INET } };
	if (inet_pton(AF_INET, text, &ret->v4.sin_addr) == 1)
		return true;
	*ret = (union gate_addr){ .v6 = { .sin6_family = AF_INET6 } };
	return inet_pton(AF_INET6, text, &ret->v6.sin6_addr) == 1;
}

static int add_host(struct upstream *u, const char *name, const union gate_addr *addr)
{
	char canonical[EGRESS_HOST_MAX + 1];

	if (egress_host_canonical(name, strlen(name), canonical) < 0 || u->n_hosts >= HOSTS_MAX)
		return 0;
	if ((u->n_hosts & (u->n_hosts - 1)) == 0) { /* full at each power of two */
		struct host_line *more = reallocarray(u->hosts, u->n_hosts ? u->n_hosts * 2 : 1,
		                                      sizeof(*more));
		if (!more)
			return -ENOMEM;
		u->hosts = more;
	}
	memcpy(u->hosts[u->n_hosts].name, canonical, sizeof(canonical));
	u->hosts[u->n_hosts++].addr = *addr;
	return 0;
}

static int read_host_line(struct upstream *u, char *line)
{
	char *save = NULL;
	union gate_addr addr;
	int r = 0;

	line[strcspn(line, "#\n")] = '\0';
	const char *word = strtok_r(line, " \t\r", &save);
	if (!word || !upstream_parse_address(word, &addr))
		return 0;
	while (r == 0 && (word = strtok_r(NULL, " \t\r", &save)))
		r = add_host(u, word, &addr);
	return r;
}

static int upstream_read_hosts(struct upstream *u, struct dd_err *err)
{
	FILE *file = fopen("/etc/hosts", "re");
	char *line = NULL;
	size_t cap = 0;
	size_t total = 0;
	ssize_t n;
	int r = 0;

	if (!file)
		return errno == ENOENT ? 0 : dd_err_set(err, errno, "gate: read /etc/hosts");
	while (r == 0 && total < HOSTS_FILE_MAX && (n = getline(&line, &cap, file)) > 0) {
		total += (size_t)n;
		r = read_host_line(u, line);
	}
	free(line);
	(void)fclose(file);
	return r < 0 ? dd_err_set(err, -r, "gate: keep /etc/hosts") : 0;
}

/* ---- c-ares ---- */

static ares_socket_t open_socket(int family, int type, int protocol, void *arg)
{
	(void)arg;
	return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

static int close_socket(ares_socket_t fd, void *arg)
{
	(void)arg;
	return close(fd);
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *addr, ares_socklen_t len,
                          void *arg)
{
	(void)arg;
	return connect(fd, addr, len);
}

static ares_ssize_t upstream_receive(ares_socket_t fd, void *buf, size_t len, int flags,
                                     struct sockaddr *from, ares_socklen_t *from_len, void *arg)
{
	(void)arg;
	return recvfrom(fd, buf, len, flags, from, from_len);
}

static ares_ssize_t send_vector(ares_socket_t fd, const struct iovec *iov, int n, void *arg)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n };
	(void)arg;
	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static const struct ares_socket_functions socket_functions = {
	.asocket = open_socket,
	.aclose = close_socket,
	.aconnect = connect_socket,
	.arecvfrom = upstream_receive,
	.asendv = send_vector,
};

static struct gate_source *upstream_slot_of(struct upstream *u, int fd)
{
	for (size_t i = 0; i < SOCKETS_MAX; i++) {
		if (u->sockets[i].fd == fd)
			return &u->sockets[i];
	}
	return NULL;
}

/* c-ares says what it wants to know about a socket. One that finds no slot is not watched: its
 * query times out. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct upstream *u = arg;
	struct gate_source *s = upstream_slot_of(u, fd);
	struct epoll_event ev = { .events = (readable ? (uint32_t)EPOLLIN : 0) |
		                            (writable ? (uint32_t)EPOLLOUT : 0) };

	if (!readable && !writable) {
		if (s) {
			(void)epoll_ctl(u->gate->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
			s->fd = -1; /* c-ares closes it */
		}
		return;
	}
	bool known = s != NULL;
	if (!known)
		s = upstream_slot_of(u, -1);
	if (!s)
		return;
	s->fd = fd;
	ev.data.ptr = s;
	(void)epoll_ctl(u->gate->epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev);
}

int upstream_init(struct gate_state *g, struct dd_err *err)
{
	struct upstream *u = calloc(1, sizeof(*u));
	if (!u)
		return dd_err_set(err, ENOMEM, "gate: resolver");
	u->gate = g;
	for (size_t i = 0; i < SOCKETS_MAX; i++)
		u->sockets[i] =
			(struct gate_source){ .kind = SOURCE_UPSTREAM, .fd = -1, .owner = u };
	g->upstream = u;
	int r = upstream_read_hosts(u, err);
	if (r < 0)
		return r;

	char lookups[] = "b"; /* the resolver only; the hosts file is ours */
	struct ares_options options = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
		.timeout = TIMEOUT_MS,
		.tries = TRIES,
		.ednspsz = 1232,
		.lookups = lookups,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = u,
	};
	int status = ares_library_init(ARES_LIB_INIT_ALL);
	if (status == ARES_SUCCESS)
		status = ares_init_options(&u->channel, &options,
		                           ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
		                                   ARES_OPT_EDNSPSZ | ARES_OPT_LOOKUPS |
		                                   ARES_OPT_SOCK_STATE_CB);
	if (status != ARES_SUCCESS)
		return dd_err_say(err, EIO, "gate: set up the resolver from /etc/resolv.conf: %s",
		                  ares_strerror(status));
	ares_set_socket_functions(u->channel, &socket_functions, u);
	return 0;
}

static void keep(struct gate_name *name, const union gate_addr *addr, uint32_t ttl)
{
	if (name->n_answers < GATE_ANSWERS_MAX)
		name->answers[name->n_answers++] = *addr;
	if (ttl < name->ttl_sec)
		name->ttl_sec = ttl;
}

/* c-ares follows the CNAMEs inside the answer and gives the smallest TTL of the chain. */
static int keep_answers(struct gate_name *name, int type, const unsigned char *answer, int len)
{
	struct ares_addrttl v4[PER_FAMILY];
	struct ares_addr6ttl v6[PER_FAMILY];
	int n = PER_FAMILY;
	int status = type == TYPE_A ? ares_parse_a_reply(answer, len, NULL, v4, &n)
	                            : ares_parse_aaaa_reply(answer, len, NULL, v6, &n);

	for (int i = 0; status == ARES_SUCCESS && i < n; i++) {
		union gate_addr addr;
		if (type == TYPE_A) {
			addr = (union gate_addr){ .v4 = { .sin_family = AF_INET,
				                          .sin_addr = v4[i].ipaddr } };
			keep(name, &addr, v4[i].ttl > 0 ? (uint32_t)v4[i].ttl : 0);
		} else {
			addr = (union gate_addr){ .v6 = { .sin6_family = AF_INET6 } };
			memcpy(&addr.v6.sin6_addr, &v6[i].ip6addr, sizeof(addr.v6.sin6_addr));
			keep(name, &addr, v6[i].ttl > 0 ? (uint32_t)v6[i].ttl : 0);
		}
	}
	return status;
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *answer, int len)
{
	struct question *question = arg;
	struct gate_name *name = question->name;

	(void)timeouts;
	if (question->attempt == name->attempt && name->state == NAME_RESOLVING) {
		if (status == ARES_SUCCESS)
			status = keep_answers(name, question->type, answer, len);
		name->not_found += status == ARES_ENOTFOUND;
		name->no_data += status == ARES_ENODATA;
		if (--name->outstanding == 0)
			gate_name_resolved(name);
	}
	free(question);
}

static void upstream_ask(struct gate_name *name, int type)
{
	struct question *question = malloc(sizeof(*question));
	if (!question) {
		name->outstanding--;
		return;
	}
	*question = (struct question){ .name = name, .attempt = name->attempt, .type = type };
	ares_query(name->gate->upstream->channel, name->host, CLASS_IN, type, on_answer, question);
}

void upstream_resolve(struct gate_name *name)
{
	struct upstream *u = name->gate->upstream;

	name->attempt++;
	for (size_t i = 0; i < u->n_hosts; i++) {
		if (strcmp(u->hosts[i].name, name->host) == 0)
			keep(name, &u->hosts[i].addr, HOSTS_TTL_SEC);
	}
	if (name->n_answers > 0) {
		gate_name_resolved(name);
		return;
	}
	/* one more than questions: an answer that comes at once must not end the attempt early */
	name->outstanding = 3;
	upstream_ask(name, TYPE_A);
	upstream_ask(name, TYPE_AAAA);
	if (--name->outstanding == 0 && name->state == NAME_RESOLVING)
		gate_name_resolved(name);
}

void upstream_event(struct gate_state *g, struct gate_source *s, uint32_t events)
{
	if (s->fd < 0)
		return;
	bool failed = (events & (EPOLLERR | EPOLLHUP)) != 0;
	ares_process_fd(g->upstream->channel,
	                failed || (events & EPOLLIN) ? s->fd : ARES_SOCKET_BAD,
	                events & EPOLLOUT ? s->fd : ARES_SOCKET_BAD);
}

void upstream_sweep(struct gate_state *g)
{
	if (g->upstream)
		ares_process_fd(g->upstream->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}
