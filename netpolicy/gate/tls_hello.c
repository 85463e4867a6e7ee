// SPDX-License-Identifier: Apache-2.0
/* tls_hello.c - reads the server name out of a TLS ClientHello (RFC 8446 4.1.2, RFC 6066 3),
 * strictly.
 *
 * Runs in: gate, on bytes that hostile code chose. Pure. Strict because two readers of the same
 * bytes must agree: a hello that this file accepts for one name must not mean another name to the
 * server. So lengths must nest exactly and no extension may come twice.
 *
 * A hello may hold a second one, encrypted (ECH, RFC 9849): browsers always send something in its
 * place, so that the real ones do not stand out. What is judged is the outer name. Only a server
 * that answers for the outer name, and so is allowed, can open the inner hello; where it then goes
 * with it is its own doing, as with a Host header inside of TLS (N-15). That one was there is said
 * (struct tls_hello), and the entry decides whether it may be. The form "inner" is what such a
 * server says to the one behind it; no client sends it in the clear.
 *
 * Not covered: a server that answers with HelloRetryRequest receives a second hello, which nobody
 * reads. RFC 8446 makes the server check that it equals the first, and RFC 9849 that it holds an
 * encrypted one exactly if the first did; where it does not, that is domain fronting by the allowed
 * server's own doing.
 */
#include "tls_hello.h"

#include <string.h>

enum {
	HELLO_CLIENT = 1,
	EXT_SERVER_NAME = 0,
	EXT_ECH = 0xfe0d, /* RFC 9849, and drafts from the 13th on */
	EXT_ECH_DRAFT_FIRST = 0xfe08,
	EXT_ECH_DRAFT_LAST = 0xfe0c,
	EXT_ESNI = 0xffce, /* before there was ECH: the name alone, encrypted */
	ECH_OUTER = 0,
	NAME_TYPE_HOST = 0,
	RECORD_MAX = 16384,
	EXTENSIONS_MAX = 64, /* browsers send about 20 */
};

/* The handshake stream inside the records: reading skips record headers, so a hello cut into many
 * records reads as one. */
struct stream {
	const uint8_t *in;
	size_t len, pos;
	size_t record_left; /* handshake bytes left in the current record */
	size_t left;        /* bytes left in the hello; SIZE_MAX until its length is known */
	enum parse bad;     /* PARSE_OK while everything was fine */
	enum dd_reason reason;
};

static void fail(struct stream *s, enum dd_reason reason)
{
	if (s->bad == PARSE_OK) {
		s->bad = PARSE_REFUSED;
		s->reason = reason;
	}
}

static void need_more(struct stream *s)
{
	if (s->bad == PARSE_OK)
		s->bad = PARSE_MORE;
}

static void next_record(struct stream *s)
{
	/* Each header byte is judged as soon as it is there: a stream that can never become a hello
	 * is not waited for. */
	const uint8_t *h = s->in + s->pos;
	size_t have = s->len - s->pos;

	if (have >= 1 && h[0] != TLS_RECORD_HANDSHAKE) {
		fail(s, REASON_TLS_NOT_A_HELLO);
		return;
	}
	if (have >= 2 && h[1] != 3) {
		fail(s, REASON_TLS_VERSION);
		return;
	}
	if (have < 5) {
		need_more(s);
		return;
	}
	s->record_left = (size_t)h[3] << 8 | h[4];
	s->pos += 5;
	if (s->record_left == 0 || s->record_left > RECORD_MAX)
		fail(s, REASON_TLS_MALFORMED);
}

static uint8_t hello_get8(struct stream *s)
{
	if (s->bad == PARSE_OK && s->left == 0)
		fail(s, REASON_TLS_MALFORMED);
	if (s->bad == PARSE_OK && s->record_left == 0)
		next_record(s);
	if (s->bad == PARSE_OK && s->pos >= s->len)
		need_more(s);
	if (s->bad != PARSE_OK)
		return 0;
	s->record_left--;
	s->left--;
	return s->in[s->pos++];
}

static size_t hello_get16(struct stream *s)
{
	size_t high = hello_get8(s);
	return high << 8 | hello_get8(s);
}

static void skip(struct stream *s, size_t n)
{
	while (n-- > 0 && s->bad == PARSE_OK)
		(void)hello_get8(s);
}

/* RFC 6066: a list of names, of which only host_name was ever defined, once. */
static void read_server_name(struct stream *s, size_t ext_len, struct tls_hello *hello)
{
	size_t list_len = hello_get16(s);
	uint8_t type = hello_get8(s);
	size_t name_len = hello_get16(s);

	if (s->bad != PARSE_OK)
		return;
	if (ext_len < 5 || list_len != ext_len - 2 || type != NAME_TYPE_HOST) {
		fail(s, REASON_TLS_NAME_MALFORMED);
		return;
	}
	if (name_len != list_len - 3) {
		fail(s, REASON_TLS_NAMES);
		return;
	}
	if (name_len == 0 || name_len > TLS_SNI_MAX) {
		fail(s, REASON_TLS_NAME_MALFORMED);
		return;
	}
	for (size_t i = 0; i < name_len; i++)
		hello->sni[i] = hello_get8(s);
	hello->sni[name_len] = 0;
	hello->sni_len = name_len;
}

/* RFC 9849 5: type, cipher suite, config id, then two lengths that fill the extension. The first
 * may be nothing (after a HelloRetryRequest), the second never is. */
static void read_ech(struct stream *s, size_t ext_len, struct tls_hello *hello)
{
	const size_t fixed = 1 + 2 + 2 + 1 + 2 + 2;
	uint8_t type = hello_get8(s);

	if (type != ECH_OUTER || ext_len <= fixed)
		fail(s, REASON_TLS_MALFORMED);
	skip(s, 2 + 2 + 1);
	size_t key_len = hello_get16(s);
	if (s->bad == PARSE_OK && key_len >= ext_len - fixed)
		fail(s, REASON_TLS_MALFORMED);
	skip(s, key_len);
	size_t payload_len = hello_get16(s);
	if (s->bad == PARSE_OK && payload_len != ext_len - fixed - key_len)
		fail(s, REASON_TLS_MALFORMED);
	skip(s, payload_len);
	hello->ech = true;
}

/* Forms that nobody should send any more, and that some server may still open. */
static bool is_old_ech(size_t type)
{
	return type == EXT_ESNI || (type >= EXT_ECH_DRAFT_FIRST && type <= EXT_ECH_DRAFT_LAST);
}

static void read_extension(struct stream *s, size_t type, size_t ext_len, struct tls_hello *hello)
{
	hello->ech |= is_old_ech(type);
	if (type == EXT_ECH)
		read_ech(s, ext_len, hello);
	else if (type == EXT_SERVER_NAME)
		read_server_name(s, ext_len, hello);
	else
		skip(s, ext_len);
}

static void read_extensions(struct stream *s, struct tls_hello *hello)
{
	size_t seen[EXTENSIONS_MAX];
	size_t n = 0;

	size_t extensions_len = hello_get16(s); /* before s->left is looked at: reading moves it */
	if (extensions_len != s->left)
		fail(s, REASON_TLS_MALFORMED);
	while (s->bad == PARSE_OK && s->left > 0) {
		size_t type = hello_get16(s);
		size_t ext_len = hello_get16(s);
		if (s->bad == PARSE_OK && ext_len > s->left)
			fail(s, REASON_TLS_MALFORMED);
		if (n == EXTENSIONS_MAX)
			fail(s, REASON_TLS_TOO_LARGE);
		for (size_t i = 0; i < n; i++) {
			if (seen[i] == type)
				fail(s, REASON_TLS_EXTENSION_TWICE);
		}
		if (s->bad != PARSE_OK)
			return;
		seen[n++] = type;
		read_extension(s, type, ext_len, hello);
	}
}

static void read_hello(struct stream *s, struct tls_hello *hello)
{
	uint8_t type = hello_get8(s);
	size_t length = (size_t)hello_get8(s) << 16;
	length |= hello_get16(s);

	if (s->bad != PARSE_OK)
		return;
	if (type != HELLO_CLIENT) {
		fail(s, REASON_TLS_NOT_A_HELLO);
		return;
	}
	if (length > RECORD_MAX) {
		fail(s, REASON_TLS_TOO_LARGE);
		return;
	}
	s->left = length;
	if (hello_get8(s) != 3)
		fail(s, REASON_TLS_VERSION);
	skip(s, 1 + 32);
	size_t session_len = hello_get8(s);
	if (session_len > 32)
		fail(s, REASON_TLS_MALFORMED);
	skip(s, session_len);
	size_t ciphers_len = hello_get16(s);
	if (s->bad == PARSE_OK && (ciphers_len < 2 || ciphers_len % 2 != 0))
		fail(s, REASON_TLS_MALFORMED);
	skip(s, ciphers_len);
	size_t methods_len = hello_get8(s);
	if (s->bad == PARSE_OK && methods_len < 1)
		fail(s, REASON_TLS_MALFORMED);
	skip(s, methods_len);
	if (s->bad == PARSE_OK && s->left == 0)
		return; /* no extensions at all: an old client, and no name */
	read_extensions(s, hello);
}

enum parse tls_hello_parse(const uint8_t *in, size_t len, struct tls_hello *ret_hello,
                           enum dd_reason *ret_reason)
{
	struct stream s = { .in = in, .len = len, .left = SIZE_MAX, .bad = PARSE_OK };
	struct tls_hello hello = { .sni_len = 0 };

	read_hello(&s, &hello);
	if (s.bad == PARSE_OK && hello.sni_len == 0)
		fail(&s, REASON_TLS_NO_NAME);
	if (s.bad == PARSE_REFUSED)
		*ret_reason = s.reason;
	if (s.bad == PARSE_OK)
		*ret_hello = hello;
	return s.bad;
}
