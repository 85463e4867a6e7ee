// SPDX-License-Identifier: Apache-2.0
/* parse.h - the three answers that every parser of the step's bytes gives.
 *
 * The parsers (tls_hello, http_head, dns_message, nflog_packet) are pure functions of (bytes,
 * length): no allocation, no clock, no socket, so that a fuzzer can drive them and a reader can
 * believe them. Runs in: gate.
 */
#ifndef NETPOLICY_PARSE_H
#define NETPOLICY_PARSE_H

#include "drydock/reason.h"

/* Zero is the safe value: a result that nobody set refuses. */
enum parse {
	PARSE_REFUSED = 0, /* never valid, however many bytes follow; *ret_reason says why */
	PARSE_MORE,        /* a proper beginning; ask again with more bytes */
	PARSE_OK,
};

#endif
