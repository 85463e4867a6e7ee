// SPDX-License-Identifier: Apache-2.0
/* tls_hello.h - what a TLS client says about where it wants to go. Pure; runs in the gate on
 * hostile bytes. */
#ifndef NETPOLICY_TLS_HELLO_H
#define NETPOLICY_TLS_HELLO_H

#include "parse.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TLS_RECORD_HANDSHAKE = 22, TLS_SNI_MAX = 255 };

struct tls_hello {
	/* as sent, not canonical, may hold any byte; NUL-terminated for convenience only */
	uint8_t sni[TLS_SNI_MAX + 1];
	size_t sni_len;
	/* it holds an encrypted ClientHello as well, real or a decoy (GREASE): on the wire nobody
	 * but the server can tell them apart. The name above is then the outer one. */
	bool ech;
};

/* Read one ClientHello from the @len first bytes of a connection; it may be split over several
 * records. PARSE_OK only if it is complete, well-formed to the last byte and holds exactly one
 * server name in the clear. @ret_hello is written only then; *ret_reason only on PARSE_REFUSED.
 * Bytes after the hello are not looked at. */
enum parse tls_hello_parse(const uint8_t *in, size_t len, struct tls_hello *ret_hello,
                           enum dd_reason *ret_reason);

#endif
