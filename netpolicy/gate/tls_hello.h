// SPDX-License-Identifier: Apache-2.0
/* tls_hello.h - what a TLS client says about where it wants to go. Pure; runs in the gate on
 * hostile bytes. */
#ifndef NETPOLICY_TLS_HELLO_H
#define NETPOLICY_TLS_HELLO_H

#include "parse.h"

#include <stddef.h>
#include <stdint.h>

enum { TLS_RECORD_HANDSHAKE = 22, TLS_SNI_MAX = 255 };

struct tls_hello {
	/* as sent, not canonical, may hold any byte; NUL-terminated for convenience only */
	uint8_t sni[TLS_SNI_MAX + 1];
	size_t sni_len;
};

/* Read one ClientHello from the @len first bytes of a connection; it may be split over several
 * records. PARSE_OK only if it is complete, well-formed to the last byte, holds exactly one server
 * name and no encrypted ClientHello. @ret_hello is written only then; *ret_reason only
 * on PARSE_REFUSED. Bytes after the hello are not looked at. */
enum parse tls_hello_parse(const uint8_t *in, size_t len, struct tls_hello *ret_hello,
                           enum dd_reason *ret_reason);

#endif
