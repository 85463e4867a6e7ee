// SPDX-License-Identifier: Apache-2.0
/* netlink.h - inside netpolicy/: a row of netlink messages compiled once, sent in one piece, with
 * every answer accounted for.
 *
 * Order of use: nl_batch_add() for each message (the plan does that once per allowlist);
 * nl_batch_send() as often as needed; nl_read_back() to read back.
 */
#ifndef NETPOLICY_NETLINK_H
#define NETPOLICY_NETLINK_H

#include "drydock/err.h"

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

enum { NL_MESSAGE_MAX = 4096, NL_LABEL_MAX = 64 };

struct nl_batch {
	uint8_t *bytes;
	size_t len, cap;
	/* of message i, whose sequence number is i + 1: "chain output", "route default" */
	char (*labels)[NL_LABEL_MAX];
	uint32_t n, cap_labels;
};

/* Append a copy of @nlh under the next sequence number. Only the last message of a batch is
 * acknowledged when all is well (see nl_batch_send). */
int nl_batch_add(struct nl_batch *batch, const struct nlmsghdr *nlh, const char *label,
                 struct dd_err *err);
void nl_batch_done(struct nl_batch *batch);

/* Send all of @batch with one sendmsg(2) and read the kernel's answers. @ack is the 1-based number
 * of the message that asked for an acknowledgement: the last one that the kernel answers. Returns 0
 * only if that one succeeded and no other complained; otherwise @err names the first message that
 * failed. Never blocks: netlink requests are handled inside sendmsg(2), so an answer that is not
 * there will not come. */
int nl_batch_send(int fd, const struct nl_batch *batch, uint32_t ack, struct dd_err *err);

/* Send the dump request @nlh (flags and sequence number are set here) and call @sink for each
 * object; once it has returned -errno (with @err of its own) it is called no more, but the dump is
 * still read to its end. A dump that the kernel marks as interrupted is not used: it is asked
 * again, @restart first. */
struct nl_sink {
	void (*restart)(void *arg); /* may be NULL */
	int (*object)(void *arg, const struct nlmsghdr *nlh, struct dd_err *err);
	void *arg;
};
int nl_read_back(int fd, struct nlmsghdr *nlh, const struct nl_sink *sink, struct dd_err *err);

#endif
