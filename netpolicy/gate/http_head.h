// SPDX-License-Identifier: Apache-2.0
/* http_head.h - the head of an HTTP/1 request, and the length of what follows it. Pure; runs in the
 * gate on hostile bytes. */
#ifndef NETPOLICY_HTTP_HEAD_H
#define NETPOLICY_HTTP_HEAD_H

#include "parse.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_upgrade {
	HTTP_UPGRADE_NONE = 0,
	HTTP_UPGRADE_OTHER, /* h2c and the like: forwarded, but the bytes after it stay HTTP/1 or
	                       are refused */
	HTTP_UPGRADE_WEBSOCKET, /* after the server's 101 the bytes are no longer HTTP */
};

enum { HTTP_NAME_KEPT = 24 };

struct http_head {
	size_t len; /* bytes of the head, final empty line included */
	/* points into the input, not terminated; canonical form is the caller's business */
	const char *host;
	size_t host_len;
	uint16_t port; /* 0: none named */
	bool chunked;
	bool expects;      /* `Expect: 100-continue`: the body waits for the server's word */
	uint64_t body_len; /* when not chunked */
	enum http_upgrade upgrade;
};

/* Do these bytes begin like an HTTP/1 request ("METHOD /", "METHOD http:", "METHOD *")? PARSE_OK:
 * yes; PARSE_REFUSED: no. */
enum parse http_head_sniff(const uint8_t *in, size_t len);

/* Read one request head from @in. PARSE_OK only for one that every server must read the same way:
 * CRLF line ends, no folded line, exactly one Host, a target that agrees with it, at most one of
 * Content-Length and Transfer-Encoding: chunked, a body only where every server looks for one; no
 * CONNECT. */
enum parse http_head_parse(const uint8_t *in, size_t len, struct http_head *ret_head,
                           enum dd_reason *ret_reason);

/* Where a chunked body is. { 0 } before its first byte; done when it has ended, trailers included.
 */
struct http_chunked {
	uint8_t state;
	bool digit; /* the size line has at least one digit */
	bool done;
	uint64_t left;
	uint32_t line;             /* bytes of the current line, of all trailers */
	char name[HTTP_NAME_KEPT]; /* of the trailer at hand, as far as it matters */
	uint8_t name_len;
};

/* Step over body bytes of @in. Returns PARSE_MORE with *ret_used == len inside the body, PARSE_OK
 * with *ret_used just behind its last byte, PARSE_REFUSED on a framing that servers may read
 * differently. */
enum parse http_chunked_step(struct http_chunked *body, const uint8_t *in, size_t len,
                             size_t *ret_used, enum dd_reason *ret_reason);

#endif
