// SPDX-License-Identifier: Apache-2.0
/* read_back.h - inside netpolicy/: asking the kernel what is in the set and in chain gate. See
 * read_back.c. */
#ifndef NETPOLICY_READ_BACK_H
#define NETPOLICY_READ_BACK_H

#include "drydock/netns.h"

/* Like struct nl_sink, but for one element of the set at a time. */
struct net_element_sink {
	void (*restart)(void *arg); /* may be NULL */
	int (*element)(void *arg, struct net_element element, struct dd_err *err);
	void *arg;
};
int read_back_elements(int fd, const struct net_element_sink *elements, struct dd_err *err);
int read_back_gate_is_empty(int fd, struct dd_err *err);

#endif
