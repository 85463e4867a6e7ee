// SPDX-License-Identifier: Apache-2.0
/* http_head.c - reads the head of an HTTP/1 request (RFC 9112), strictly, and steps over its body.
 *
 * Runs in: gate, on bytes that hostile code chose. Pure. A cleartext connection may carry many
 * requests, and each of them names a host; the gate must know where each begins. Whatever two
 * servers are known to frame differently (bare LF, folded lines, both lengths, lengths twice, space
 * before a colon) is refused, not repaired: a repaired request is a smuggled one.
 */
#include "http_head.h"

#include <string.h>
#include <strings.h>

enum {
	METHOD_MAX = 24,
	HEADERS_MAX = 128,
	CHUNK_LINE_MAX = 256,
	TRAILERS_MAX = 4096,
};

struct span {
	const char *at;
	size_t len;
};

static bool span_is(struct span s, const char *text)
{
	return s.len == strlen(text) && strncasecmp(s.at, text, s.len) == 0;
}

static struct span span_trim(struct span s)
{
	while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == '\t')) {
		s.at++;
		s.len--;
	}
	while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static bool head_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_method_char(char c)
{
	return (c >= 'A' && c <= 'Z') || c == '-';
}

static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || head_is_digit(c) ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

enum parse http_head_sniff(const uint8_t *in, size_t len)
{
	size_t i = 0;
	while (i < len && i < METHOD_MAX && is_method_char((char)in[i]))
		i++;
	if (i == len)
		return PARSE_MORE;
	if (i == 0 || in[i] != ' ')
		return PARSE_REFUSED;
	if (i + 1 == len)
		return PARSE_MORE;
	/* The target of CONNECT begins with a letter or digit, of "PRI * HTTP/2.0" with a star:
	 * both are told apart later, where the sentence can say so. */
	char c = (char)in[i + 1];
	return c == '/' || c == '*' || is_token_char(c) || c == '[' ? PARSE_OK : PARSE_REFUSED;
}

/* "name[:port]" as in Host or in an absolute target. The name is checked by egress_host_canonical()
 * later. */
static bool read_authority(struct span in, struct span *ret_name, uint16_t *ret_port)
{
	const char *colon = memchr(in.at, ':', in.len);
	uint32_t port = 0;

	*ret_name = in;
	*ret_port = 0;
	if (in.len == 0)
		return false;
	if (!colon)
		return true;
	ret_name->len = (size_t)(colon - in.at);
	size_t digits = in.len - ret_name->len - 1;
	if (ret_name->len == 0 || digits < 1 || digits > 5)
		return false;
	for (size_t i = 0; i < digits; i++) {
		if (!head_is_digit(colon[1 + i]))
			return false;
		port = port * 10 + (uint32_t)(colon[1 + i] - '0');
	}
	*ret_port = (uint16_t)port;
	return port >= 1 && port <= 65535;
}

struct request {
	struct span target_host; /* of an absolute target; at == NULL otherwise */
	uint16_t target_port;
	bool http10, may_have_body;
	unsigned hosts, lengths, encodings, upgrades, expects;
	struct http_head head;
};

static enum dd_reason read_target(struct span target, struct request *r)
{
	static const char scheme[] = "http://";

	for (size_t i = 0; i < target.len; i++) {
		if (target.at[i] < 0x21 || target.at[i] > 0x7e)
			return REASON_HTTP_TARGET;
	}
	if (target.len == 0)
		return REASON_HTTP_REQUEST_LINE;
	if (target.at[0] == '/' || span_is(target, "*"))
		return REASON_NONE;
	if (target.len < sizeof(scheme) || strncasecmp(target.at, scheme, sizeof(scheme) - 1) != 0)
		return REASON_HTTP_TARGET;
	struct span authority = { target.at + sizeof(scheme) - 1, 0 };
	size_t left = target.len - (sizeof(scheme) - 1);
	while (authority.len < left && !strchr("/?#", authority.at[authority.len]))
		authority.len++;
	if (!read_authority(authority, &r->target_host, &r->target_port))
		return REASON_HTTP_TARGET;
	return REASON_NONE;
}

/* Servers look for a body behind these. Behind another method some read it, some skip it, and some
 * take it for the next request, which could then name any host (N-31). */
static const char *const body_methods[] = { "POST",     "PUT",       "PATCH",
	                                    "PROPFIND", "PROPPATCH", "REPORT" };

static enum dd_reason read_request_line(struct span line, struct request *r)
{
	const char *first = memchr(line.at, ' ', line.len);
	if (!first)
		return REASON_HTTP_REQUEST_LINE;
	struct span method = { line.at, (size_t)(first - line.at) };
	struct span rest = { first + 1, line.len - method.len - 1 };
	const char *second = memchr(rest.at, ' ', rest.len);
	if (!second)
		return REASON_HTTP_REQUEST_LINE;
	struct span target = { rest.at, (size_t)(second - rest.at) };
	struct span version = { second + 1, rest.len - target.len - 1 };

	if (method.len == 0 || method.len > METHOD_MAX)
		return REASON_HTTP_REQUEST_LINE;
	for (size_t i = 0; i < method.len; i++) {
		if (!is_method_char(method.at[i]))
			return REASON_HTTP_REQUEST_LINE;
	}
	if (span_is(method, "CONNECT"))
		return REASON_HTTP_CONNECT;
	for (size_t i = 0; i < sizeof(body_methods) / sizeof(body_methods[0]); i++)
		r->may_have_body |= span_is(method, body_methods[i]);
	if (version.len < 5 || memcmp(version.at, "HTTP/", 5) != 0)
		return REASON_HTTP_REQUEST_LINE;
	r->http10 = version.len == 8 && memcmp(version.at, "HTTP/1.0", 8) == 0;
	if (!r->http10 && (version.len != 8 || memcmp(version.at, "HTTP/1.1", 8) != 0))
		return REASON_HTTP_VERSION;
	return read_target(target, r);
}

static enum dd_reason on_host(struct span value, struct request *r)
{
	struct span name;
	if (r->hosts++ > 0)
		return REASON_HTTP_HOSTS;
	if (!read_authority(value, &name, &r->head.port))
		return REASON_HTTP_HOST_MALFORMED;
	r->head.host = name.at;
	r->head.host_len = name.len;
	return REASON_NONE;
}

static enum dd_reason on_content_length(struct span value, struct request *r)
{
	if (r->lengths++ > 0)
		return REASON_HTTP_LENGTHS;
	if (value.len < 1 || value.len > 18)
		return REASON_HTTP_LENGTH;
	for (size_t i = 0; i < value.len; i++) {
		if (!head_is_digit(value.at[i]))
			return REASON_HTTP_LENGTH;
		r->head.body_len = r->head.body_len * 10 + (uint64_t)(value.at[i] - '0');
	}
	return REASON_NONE;
}

static enum dd_reason on_transfer_encoding(struct span value, struct request *r)
{
	if (r->encodings++ > 0 || !span_is(value, "chunked"))
		return REASON_HTTP_ENCODING;
	r->head.chunked = true;
	return REASON_NONE;
}

static enum dd_reason on_upgrade(struct span value, struct request *r)
{
	r->head.upgrade = r->upgrades++ == 0 && span_is(value, "websocket") ? HTTP_UPGRADE_WEBSOCKET
	                                                                    : HTTP_UPGRADE_OTHER;
	return REASON_NONE;
}

static enum dd_reason on_expect(struct span value, struct request *r)
{
	r->head.expects = true;
	return r->expects++ == 0 && span_is(value, "100-continue") ? REASON_NONE
	                                                           : REASON_HTTP_EXPECT;
}

static enum dd_reason on_connection(struct span value, struct request *r);

static const struct header_row {
	const char *name;
	enum dd_reason (*read)(struct span value, struct request *r);
	bool frames; /* whose request it is and where it ends hang on it */
} header_rows[] = {
	{ "Host", on_host, true },
	{ "Content-Length", on_content_length, true },
	{ "Transfer-Encoding", on_transfer_encoding, true },
	{ "Upgrade", on_upgrade, false },
	{ "Expect", on_expect, true },
	{ "Connection", on_connection, false },
};

static bool is_framing(struct span name)
{
	for (size_t i = 0; i < sizeof(header_rows) / sizeof(header_rows[0]); i++)
		if (header_rows[i].frames && span_is(name, header_rows[i].name))
			return true;
	return false;
}

/* What Connection names is taken out by whoever forwards the request: without its length or its
 * host it is another one. */
static enum dd_reason on_connection(struct span value, struct request *r)
{
	(void)r;
	while (value.len > 0) {
		const char *comma = memchr(value.at, ',', value.len);
		size_t len = comma ? (size_t)(comma - value.at) : value.len;
		if (is_framing(span_trim((struct span){ value.at, len })))
			return REASON_HTTP_CONNECTION;
		value.at += len + (comma != NULL);
		value.len -= len + (comma != NULL);
	}
	return REASON_NONE;
}

/* "Content_Length" is "Content-Length" to a server that turns names into variables, and nothing to
 * the next one. */
static bool reads_as_framing(struct span name)
{
	char folded[HTTP_NAME_KEPT];
	if (name.len > sizeof(folded))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];
		bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || head_is_digit(c);
		folded[i] = (char)(word ? c : '-');
	}
	return is_framing((struct span){ folded, name.len });
}

static enum dd_reason check_header(struct span line, struct span *ret_name, struct span *ret_value)
{
	const char *colon = memchr(line.at, ':', line.len);
	if (line.at[0] == ' ' || line.at[0] == '\t')
		return REASON_HTTP_HEADER;
	if (!colon || colon == line.at)
		return REASON_HTTP_HEADER;
	*ret_name = (struct span){ line.at, (size_t)(colon - line.at) };
	*ret_value = span_trim((struct span){ colon + 1, line.len - ret_name->len - 1 });
	for (size_t i = 0; i < ret_name->len; i++) {
		if (!is_token_char(ret_name->at[i]))
			return REASON_HTTP_HEADER;
	}
	for (size_t i = 0; i < ret_value->len; i++) {
		uint8_t c = (uint8_t)ret_value->at[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return REASON_HTTP_HEADER;
	}
	return REASON_NONE;
}

static enum dd_reason read_header(struct span line, struct request *r)
{
	struct span name;
	struct span value;
	enum dd_reason reason = check_header(line, &name, &value);

	if (!reason && reads_as_framing(name) && !is_framing(name))
		return REASON_HTTP_HEADER_NAME;
	for (size_t i = 0; !reason && i < sizeof(header_rows) / sizeof(header_rows[0]); i++) {
		if (span_is(name, header_rows[i].name))
			reason = header_rows[i].read(value, r);
	}
	return reason;
}

/* What only the whole head can tell. */
static enum dd_reason check_request(const struct request *r)
{
	if (r->hosts != 1)
		return REASON_HTTP_NO_HOST;
	if (r->lengths > 0 && r->encodings > 0)
		return REASON_HTTP_BOTH_LENGTHS;
	if (r->http10 && r->encodings > 0)
		return REASON_HTTP_ENCODING;
	bool body = r->head.chunked || r->head.body_len > 0;
	if (body && !r->may_have_body)
		return REASON_HTTP_BODY;
	if (r->expects > 0 && !body)
		return REASON_HTTP_EXPECT;
	if (!r->target_host.at)
		return REASON_NONE;
	if (r->target_host.len != r->head.host_len ||
	    strncasecmp(r->target_host.at, r->head.host, r->head.host_len) != 0 ||
	    r->target_port != r->head.port)
		return REASON_HTTP_TARGET_HOST;
	return REASON_NONE;
}

/* One line up to CRLF. Bare CR or LF and NUL are refused here, for every line, before anything
 * interprets it. */
static enum parse next_line(const uint8_t *in, size_t len, size_t *pos, struct span *ret_line,
                            enum dd_reason *ret_reason)
{
	for (size_t i = *pos; i < len; i++) {
		if (in[i] == '\0' || in[i] == '\n') {
			*ret_reason = REASON_HTTP_LINE_END;
			return PARSE_REFUSED;
		}
		if (in[i] != '\r')
			continue;
		if (i + 1 == len)
			return PARSE_MORE;
		if (in[i + 1] != '\n') {
			*ret_reason = REASON_HTTP_LINE_END;
			return PARSE_REFUSED;
		}
		*ret_line = (struct span){ (const char *)in + *pos, i - *pos };
		*pos = i + 2;
		return PARSE_OK;
	}
	return PARSE_MORE;
}

enum parse http_head_parse(const uint8_t *in, size_t len, struct http_head *ret_head,
                           enum dd_reason *ret_reason)
{
	struct request r = { .head = { .len = 0 } };
	size_t pos = 0;

	for (unsigned n = 0; n < HEADERS_MAX; n++) {
		struct span line = { NULL, 0 };
		enum parse result = next_line(in, len, &pos, &line, ret_reason);
		if (result != PARSE_OK)
			return result;
		enum dd_reason reason = REASON_NONE;
		if (n == 0)
			reason = read_request_line(line, &r);
		else if (line.len > 0)
			reason = read_header(line, &r);
		else
			reason = check_request(&r);
		if (reason) {
			*ret_reason = reason;
			return PARSE_REFUSED;
		}
		if (n > 0 && line.len == 0) {
			*ret_head = r.head;
			ret_head->len = pos;
			return PARSE_OK;
		}
	}
	*ret_reason = REASON_HTTP_TOO_LARGE;
	return PARSE_REFUSED;
}

/* ---- chunked bodies ---- */

enum chunk_state {
	CHUNK_SIZE = 0,
	CHUNK_EXTENSION,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	TRAILER_START,
	TRAILER_NAME,
	TRAILER,
	TRAILER_LF,
	END_LF,
};

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

static enum dd_reason chunk_size_byte(struct http_chunked *b, uint8_t c)
{
	int digit = hex_value(c);

	if (digit >= 0) {
		if (b->left >> 56)
			return REASON_HTTP_CHUNK;
		b->left = b->left << 4 | (uint64_t)digit;
		b->digit = true;
	} else if (b->digit && c == '\r') {
		b->state = CHUNK_SIZE_LF;
	} else if (b->digit && c == ';') {
		b->state = CHUNK_EXTENSION;
	} else {
		return REASON_HTTP_CHUNK;
	}
	return REASON_NONE;
}

static enum dd_reason head_expect(struct http_chunked *b, uint8_t c, uint8_t wanted,
                                  enum chunk_state next)
{
	if (c != wanted)
		return REASON_HTTP_CHUNK;
	b->state = (uint8_t)next;
	return REASON_NONE;
}

/* An extension or a trailer: printable, bounded, ended by CRLF. */
static enum dd_reason text_byte(struct http_chunked *b, uint8_t c, enum chunk_state after_cr)
{
	if (c == '\r')
		b->state = (uint8_t)after_cr;
	else if ((c < 0x20 && c != '\t') || c == 0x7f)
		return REASON_HTTP_CHUNK;
	return REASON_NONE;
}

static enum dd_reason trailer_start_byte(struct http_chunked *b, uint8_t c)
{
	if (c == '\r') {
		b->state = END_LF;
		return REASON_NONE;
	}
	if (!is_token_char((char)c))
		return REASON_HTTP_CHUNK;
	b->state = TRAILER_NAME;
	b->name[0] = (char)c;
	b->name_len = 1;
	return REASON_NONE;
}

/* A trailer that a server adds to the headers must be none that the request hangs on. A name too
 * long to be kept is none of them. */
static enum dd_reason trailer_name_byte(struct http_chunked *b, uint8_t c)
{
	if (c == ':') {
		b->state = TRAILER;
		return b->name_len <= HTTP_NAME_KEPT &&
		                       reads_as_framing((struct span){ b->name, b->name_len })
		               ? REASON_HTTP_HEADER_NAME
		               : REASON_NONE;
	}
	if (!is_token_char((char)c))
		return REASON_HTTP_CHUNK;
	if (b->name_len < HTTP_NAME_KEPT)
		b->name[b->name_len++] = (char)c;
	else
		b->name_len = HTTP_NAME_KEPT + 1;
	return REASON_NONE;
}

static enum dd_reason chunk_byte(struct http_chunked *b, uint8_t c)
{
	bool trailers = b->state >= TRAILER_START;

	if (++b->line > (trailers ? TRAILERS_MAX : CHUNK_LINE_MAX))
		return REASON_HTTP_TOO_LARGE;
	switch ((enum chunk_state)b->state) {
	case CHUNK_SIZE:
		return chunk_size_byte(b, c);
	case CHUNK_EXTENSION:
		return text_byte(b, c, CHUNK_SIZE_LF);
	case CHUNK_SIZE_LF:
		b->line = 0;
		return head_expect(b, c, '\n', b->left > 0 ? CHUNK_DATA : TRAILER_START);
	case CHUNK_DATA_CR:
		return head_expect(b, c, '\r', CHUNK_DATA_LF);
	case CHUNK_DATA_LF:
		b->line = 0;
		b->digit = false;
		return head_expect(b, c, '\n', CHUNK_SIZE);
	case TRAILER_START:
		return trailer_start_byte(b, c);
	case TRAILER_NAME:
		return trailer_name_byte(b, c);
	case TRAILER:
		return text_byte(b, c, TRAILER_LF);
	case TRAILER_LF:
		return head_expect(b, c, '\n', TRAILER_START);
	case END_LF:
		b->done = c == '\n';
		return b->done ? REASON_NONE : REASON_HTTP_CHUNK;
	case CHUNK_DATA:
		break;
	}
	return REASON_HTTP_CHUNK;
}

enum parse http_chunked_step(struct http_chunked *body, const uint8_t *in, size_t len,
                             size_t *ret_used, enum dd_reason *ret_reason)
{
	size_t pos = 0;

	while (pos < len && !body->done) {
		if (body->state == CHUNK_DATA) {
			size_t n = len - pos < body->left ? len - pos : (size_t)body->left;
			pos += n;
			body->left -= n;
			body->line = 0;
			if (body->left == 0)
				body->state = CHUNK_DATA_CR;
			continue;
		}
		enum dd_reason reason = chunk_byte(body, in[pos++]);
		if (reason) {
			*ret_reason = reason;
			return PARSE_REFUSED;
		}
	}
	*ret_used = pos;
	return body->done ? PARSE_OK : PARSE_MORE;
}
