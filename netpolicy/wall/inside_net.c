// SPDX-License-Identifier: Apache-2.0
/* inside_net.c - puts the wall up: rules, then addresses and routes, then the sockets that the gate
 * will own.
 *
 * Runs in: launcher, inside the step's new netns, with CAP_NET_ADMIN and CAP_NET_BIND_SERVICE over
 * that netns only; nothing hostile runs yet. Order: the rules stand before the interface is up, so
 * there is no moment with an address and no wall. The resolver's sockets come last: 198.18.0.1 can
 * be bound only once the local route exists.
 */
#include "plan_model.h"

#include "drydock/fault.h"
#include "drydock/fd.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>

static const char modules_remedy[] =
	"load the modules nf_tables nft_tproxy nft_log nfnetlink_log nft_limit nft_reject_inet "
	"(modprobe now, a file in /etc/modules-load.d "
	"for every start) or use a kernel that has CONFIG_NF_TABLES_INET, CONFIG_NFT_TPROXY, "
	"CONFIG_NFT_LOG, CONFIG_NETFILTER_NETLINK_LOG";

/* These errors mean "the kernel does not have it", not "we did it wrong". */
int net_add_remedy(struct dd_err *err, int r)
{
	static const int missing[] = { -ENOENT, -EOPNOTSUPP,   -EPROTONOSUPPORT,
		                       -ENOSYS, -EAFNOSUPPORT, -ENOPROTOOPT };

	for (size_t i = 0; err && i < ARRAY_LEN(missing); i++) {
		if (r != missing[i])
			continue;
		size_t len = strlen(err->msg);
		(void)snprintf(err->msg + len, sizeof(err->msg) - len, "; %s", modules_remedy);
	}
	return r;
}

static int open_netlink(int protocol, int flags, const char *what, int *ret_fd, struct dd_err *err)
{
	dd_auto_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, protocol);
	if (fd < 0)
		return dd_err_set(err, errno, "open netlink socket for %s", what);
	*ret_fd = dd_take_fd(&fd);
	return 0;
}

static int setup_rules(const struct net_plan *plan, int *ret_fd, struct dd_err *err)
{
	dd_auto_fd int fd = -1;

	if (dd_fault("nftables"))
		return net_add_remedy(err, dd_err_set(err, ENOSYS, "nftables"));
	int r = open_netlink(NETLINK_NETFILTER, 0, "nftables", &fd, err);
	if (r == 0)
		r = nl_batch_send(fd, &plan->nft, nft_last_object(&plan->nft), err);
	if (r < 0)
		return net_add_remedy(err, dd_err_ctx(err, r, "nftables"));
	*ret_fd = dd_take_fd(&fd);
	return 0;
}

static int setup_nflog(const struct net_plan *plan, int *ret_fd, struct dd_err *err)
{
	dd_auto_fd int fd = -1;

	if (dd_fault("nflog"))
		return net_add_remedy(err, dd_err_set(err, ENOSYS, "nflog"));
	int r = open_netlink(NETLINK_NETFILTER, SOCK_NONBLOCK, "nflog", &fd, err);
	if (r == 0)
		r = nl_batch_send(fd, &plan->nflog, plan->nflog.n, err);
	if (r < 0)
		return net_add_remedy(err, dd_err_ctx(err, r, "nflog"));
	*ret_fd = dd_take_fd(&fd);
	return 0;
}

static int setup_routes(const struct net_plan *plan, struct dd_err *err)
{
	dd_auto_fd int fd = -1;

	if (dd_fault("routes"))
		return dd_err_set(err, ENOSYS, "addresses and routes of lo");
	int r = open_netlink(NETLINK_ROUTE, 0, "routes", &fd, err);
	if (r == 0)
		r = nl_batch_send(fd, &plan->routes, plan->routes.n, err);
	if (r == -EACCES || r == -EOPNOTSUPP || r == -EAFNOSUPPORT) {
		(void)dd_err_ctx(err, r, "addresses and routes of lo");
		size_t len = err ? strlen(err->msg) : 0;
		if (err)
			(void)snprintf(
				err->msg + len, sizeof(err->msg) - len,
				"; IPv6 must be on inside the sandbox, where it reaches nothing: "
				"boot without "
				"ipv6.disable=1 and set net.ipv6.conf.default.disable_ipv6=0; and "
				"the kernel needs CONFIG_IP_MULTIPLE_TABLES and "
				"CONFIG_IPV6_MULTIPLE_TABLES");
		return r;
	}
	return r < 0 ? dd_err_ctx(err, r, "addresses and routes of lo") : 0;
}

/* ---- the gate's sockets ---- */

struct socket_row {
	enum net_fd fd;
	const char *name;
	int type;
	uint32_t addr;
	uint16_t port;
	bool transparent; /* may stand for addresses that are not ours: what TPROXY needs */
	int backlog;      /* 0: not listening */
};

static const struct socket_row socket_rows[] = {
	{ NET_FD_LISTENER, "listener of the gate (tproxy)", SOCK_STREAM, NET_GATE_ADDR,
	  NET_GATE_PORT, true, 1024 },
	{ NET_FD_DNS_UDP, "resolver (UDP)", SOCK_DGRAM, NET_RESOLVER_ADDR, 53, false, 0 },
	{ NET_FD_DNS_TCP, "resolver (TCP)", SOCK_STREAM, NET_RESOLVER_ADDR, 53, false, 64 },
	/* bound, so that the port is taken; it listens where a step has a hatch (hatch_start.c) */
	{ NET_FD_HATCH, "socket of the hatch", SOCK_STREAM, INADDR_LOOPBACK, NET_HATCH_PORT, false,
	  0 },
};

static int set_transparent(int fd, struct dd_err *err)
{
	const int one = 1;
	int code = dd_fault("tproxy")                                              ? ENOSYS
	           : setsockopt(fd, SOL_IP, IP_TRANSPARENT, &one, sizeof(one)) < 0 ? errno
	                                                                           : 0;
	return code ? net_add_remedy(
			      err,
			      dd_err_set(err, code, "tproxy: make the gate's listener transparent"))
	            : 0;
}

static int make_socket(const struct socket_row *row, int *ret_fd, struct dd_err *err)
{
	const struct sockaddr_in sin = { .sin_family = AF_INET,
		                         .sin_addr.s_addr = htonl(row->addr),
		                         .sin_port = htons(row->port) };

	if (dd_fault("listener"))
		return dd_err_set(err, ENOSYS, "open %s", row->name);
	dd_auto_fd int fd = socket(AF_INET, row->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return dd_err_set(err, errno, "open %s", row->name);
	if (row->transparent) {
		int r = set_transparent(fd, err);
		if (r < 0)
			return r;
	}
	if (bind(fd, (const struct sockaddr *)&sin, sizeof(sin)) < 0)
		return dd_err_set(err, errno, "bind %s", row->name);
	if (row->backlog > 0 && listen(fd, row->backlog) < 0)
		return dd_err_set(err, errno, "listen on %s", row->name);
	*ret_fd = dd_take_fd(&fd);
	return 0;
}

static void close_all(int (*fds)[NET_FD__COUNT])
{
	for (size_t i = 0; i < NET_FD__COUNT; i++)
		dd_close_p(&(*fds)[i]);
}

int net_inside_setup(const struct net_plan *plan, int ret_fds[NET_FD__COUNT], struct dd_err *err)
{
	__attribute__((cleanup(close_all))) int fds[NET_FD__COUNT] = { -1, -1, -1, -1, -1, -1 };

	int r = setup_rules(plan, &fds[NET_FD_RULES], err);
	if (r == 0)
		r = setup_nflog(plan, &fds[NET_FD_NFLOG], err);
	if (r == 0)
		r = setup_routes(plan, err);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(socket_rows); i++)
		r = make_socket(&socket_rows[i], &fds[socket_rows[i].fd], err);
	if (r < 0)
		return dd_err_ctx(err, r, "network of the step");
	for (size_t i = 0; i < NET_FD__COUNT; i++)
		ret_fds[i] = dd_take_fd(&fds[i]);
	return 0;
}
