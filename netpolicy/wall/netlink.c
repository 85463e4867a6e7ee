// SPDX-License-Identifier: Apache-2.0
/* netlink.c - sends compiled netlink messages and believes only the answers that the kernel gave to
 * them.
 *
 * Runs in: launcher (set-up inside the step's netns), supervisor (rules socket, from outside that
 * netns). Invariant: after each call the socket's queue is empty, or the call has failed. A message
 * from anyone but the kernel, with a foreign sequence number, or one that does not fit, is an
 * error: somebody else is on this socket, and the state of the gate is unknown.
 */
#include "netlink.h"

#include "drydock/fd.h"

#include <libmnl/libmnl.h>
#include <stdbool.h>

enum { DUMP_BUFFER = 32768, DUMP_TRIES = 5 };

static int netlink_grow(void **block, size_t item, size_t *cap, size_t need)
{
	if (need <= *cap)
		return 0;
	size_t more = *cap ? *cap * 2 : 64;
	while (more < need)
		more *= 2;
	void *bigger = reallocarray(*block, more, item);
	if (!bigger)
		return -ENOMEM;
	*block = bigger;
	*cap = more;
	return 0;
}

int nl_batch_add(struct nl_batch *batch, const struct nlmsghdr *nlh, const char *label,
                 struct dd_err *err)
{
	size_t len = NLMSG_ALIGN(nlh->nlmsg_len), cap_labels = batch->cap_labels;
	void *bytes = batch->bytes, *labels = batch->labels;

	int r = netlink_grow(&bytes, 1, &batch->cap, batch->len + len);
	batch->bytes = bytes;
	if (r == 0)
		r = netlink_grow(&labels, NL_LABEL_MAX, &cap_labels, batch->n + 1);
	batch->labels = labels;
	batch->cap_labels = (uint32_t)cap_labels;
	if (r < 0)
		return dd_err_set(err, -r, "compile netlink message for %s", label);

	struct nlmsghdr *copy = (struct nlmsghdr *)(void *)(batch->bytes + batch->len);
	memset(copy, 0, len);
	memcpy(copy, nlh, nlh->nlmsg_len);
	copy->nlmsg_seq = batch->n + 1;
	copy->nlmsg_pid = 0;
	(void)snprintf(batch->labels[batch->n], NL_LABEL_MAX, "%s", label);
	batch->len += len;
	batch->n++;
	return 0;
}

void nl_batch_done(struct nl_batch *batch)
{
	free(batch->bytes);
	free(batch->labels);
	*batch = (struct nl_batch){ 0 };
}

static int netlink_send_all(int fd, const void *bytes, size_t len, struct dd_err *err)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t sent;

	do
		sent = sendto(fd, bytes, len, 0, (const struct sockaddr *)&kernel, sizeof(kernel));
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return dd_err_set(err, errno, "send %zu bytes of netlink messages", len);
	if ((size_t)sent != len)
		return dd_err_set(err, EMSGSIZE, "netlink took %zd of %zu bytes", sent, len);
	return 0;
}

/* Take one datagram out of the queue. Returns its length; -EAGAIN when the queue is empty, without
 * a word in @err. */
static int netlink_receive(int fd, void *buf, size_t cap, struct dd_err *err)
{
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { .iov_base = buf, .iov_len = cap };
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1
	};
	ssize_t got;

	do
		got = recvmsg(fd, &msg, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN)
		return -EAGAIN;
	if (got < 0) /* ENOBUFS too: an answer is lost, so nothing is known any more */
		return dd_err_set(err, errno, "read netlink answer");
	if (msg.msg_flags & MSG_TRUNC)
		return dd_err_say(err, EPROTO, "netlink answer longer than %zu bytes", cap);
	if (msg.msg_namelen != sizeof(from) || from.nl_pid != 0)
		return dd_err_say(err, EPROTO, "netlink message from port %u, not from the kernel",
		                  from.nl_pid);
	return (int)got;
}

struct answers {
	const struct nl_batch *batch;
	uint32_t ack; /* waits for this one */
	bool acked;
	int error; /* of the first message that failed; 0: none */
	uint32_t error_seq;
};

static int take_answer(struct answers *a, const struct nlmsghdr *nlh, struct dd_err *err)
{
	if (nlh->nlmsg_type != NLMSG_ERROR ||
	    nlh->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr)))
		return dd_err_say(
			err, EPROTO,
			"netlink answered with message type %u, expected an acknowledgement",
			nlh->nlmsg_type);
	if (nlh->nlmsg_seq == 0 || nlh->nlmsg_seq > a->batch->n)
		return dd_err_say(err, EPROTO,
		                  "netlink answer to message %u, but only %u were sent",
		                  nlh->nlmsg_seq, a->batch->n);

	const struct nlmsgerr *answer = mnl_nlmsg_get_payload(nlh);
	if (answer->error != 0 && a->error == 0) {
		a->error = answer->error;
		a->error_seq = nlh->nlmsg_seq;
	}
	if (nlh->nlmsg_seq == a->ack && answer->error == 0)
		a->acked = true;
	return 0;
}

/* Errors are always reported, acknowledgements only where asked for. The kernel reports in order,
 * and a failed commit of an nftables batch (reported against the first message) before anything
 * else; so one acknowledgement, at the end, speaks for all before it (nfnetlink_rcv_batch() in
 * net/netfilter/nfnetlink.c; the error path is tested on 6.18, a failing commit is not). The
 * closing message of a batch is not the one to ask: older kernels never acknowledge it. The
 * read-back proves the rest. */
int nl_batch_send(int fd, const struct nl_batch *batch, uint32_t ack, struct dd_err *err)
{
	_Alignas(struct nlmsghdr) char buf[8192];
	struct answers a = { .batch = batch, .ack = ack };

	int r = netlink_send_all(fd, batch->bytes, batch->len, err);
	if (r < 0)
		return r;
	while ((r = netlink_receive(fd, buf, sizeof(buf), err)) >= 0) {
		int left = r;
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)(void *)buf;
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			int refused = take_answer(&a, nlh, err);
			if (refused < 0)
				return refused;
		}
	}
	if (r != -EAGAIN)
		return r;
	if (a.error != 0)
		return dd_err_set(err, -a.error, "%s", batch->labels[a.error_seq - 1]);
	if (!a.acked)
		return dd_err_say(err, EPROTO, "%s: the kernel did not acknowledge it",
		                  batch->labels[ack - 1]);
	return 0;
}

struct dump {
	uint32_t seq;
	const struct nl_sink *sink;
	bool done, interrupted;
	int refused; /* by the sink; the rest is still taken out of the queue */
};

static int take_object(struct dump *d, const struct nlmsghdr *nlh, struct dd_err *err)
{
	if (nlh->nlmsg_seq != d->seq || d->done)
		return dd_err_say(err, EPROTO,
		                  "netlink message %u of type %u does not belong to the read-back",
		                  nlh->nlmsg_seq, nlh->nlmsg_type);
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		d->interrupted = true;
	if (nlh->nlmsg_type == NLMSG_DONE) {
		d->done = true;
		const int *status = mnl_nlmsg_get_payload(nlh);
		if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(*status) && *status < 0)
			return dd_err_set(err, -*status, "read back rules");
		return 0;
	}
	if (nlh->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *answer = mnl_nlmsg_get_payload(nlh);
		int code = nlh->nlmsg_len >= NLMSG_LENGTH(sizeof(*answer)) && answer->error < 0
		                   ? -answer->error
		                   : EPROTO;
		return dd_err_set(err, code, "read back rules");
	}
	if (d->refused == 0)
		d->refused = d->sink->object(d->sink->arg, nlh, err);
	return 0;
}

static int read_dump(int fd, struct dump *d, char *buf, struct dd_err *err)
{
	while (!d->done) {
		int r = netlink_receive(fd, buf, DUMP_BUFFER, err);
		if (r == -EAGAIN)
			return dd_err_say(
				err, EPROTO,
				"read back rules: the kernel stopped in the middle of the list");
		if (r < 0)
			return r;
		int left = r;
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)(void *)buf;
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			r = take_object(d, nlh, err);
			if (r < 0)
				return r;
		}
	}
	return d->refused;
}

int nl_read_back(int fd, struct nlmsghdr *nlh, const struct nl_sink *sink, struct dd_err *err)
{
	/* above any batch, so that answers cannot be taken for each other */
	static _Thread_local uint32_t last_seq = 0x10000;
	dd_auto_free char *buf = malloc(DUMP_BUFFER);
	if (!buf)
		return dd_err_set(err, ENOMEM, "read back rules");

	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	for (unsigned tries = 0; tries < DUMP_TRIES; tries++) {
		struct dump d = { .seq = ++last_seq, .sink = sink };
		nlh->nlmsg_seq = d.seq;
		if (sink->restart)
			sink->restart(sink->arg);
		int r = netlink_send_all(fd, nlh, nlh->nlmsg_len, err);
		if (r == 0)
			r = read_dump(fd, &d, buf, err);
		if (r < 0 || !d.interrupted)
			return r;
	}
	return dd_err_say(err, EPROTO, "read back rules: they keep changing while they are read");
}
