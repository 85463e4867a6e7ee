// SPDX-License-Identifier: Apache-2.0
/* http.c - libcurl with everything off that could carry a token to somebody else.
 *
 * Runs in: courier, and the agent that speaks with a forge. */
#include "http.h"

#include "drydock/fault.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

enum { CONNECT_SEC = 5, TOTAL_SEC = 20, TRIES = 3, PAUSE_MS = 250, SKEW_TOLD_SEC = 20 };
enum { HEAD_MAX = 16 * 1024, BODY_FIRST = 16 * 1024 };

#define CURL_CALLS(X)                                                                              \
	X(curl_global_init)                                                                        \
	X(curl_easy_init)                                                                          \
	X(curl_easy_setopt)                                                                        \
	X(curl_easy_perform)                                                                       \
	X(curl_easy_getinfo)                                                                       \
	X(curl_easy_strerror)                                                                      \
	X(curl_easy_cleanup)                                                                       \
	X(curl_easy_reset)                                                                         \
	X(curl_easy_send)                                                                          \
	X(curl_easy_recv)                                                                          \
	X(curl_slist_append)                                                                       \
	X(curl_slist_free_all)                                                                     \
	X(curl_getdate)

static struct {
#define MEMBER(name) __typeof__(&(name)) name; /* NOLINT(bugprone-macro-parentheses) */
	CURL_CALLS(MEMBER)
#undef MEMBER
} curl;

/* The checking macros of curl.h would take the names of the members for calls. */
#undef curl_easy_setopt
#undef curl_easy_getinfo

struct http {
	struct http_tls tls;
	CURL *easy;
};

int http_load(struct dd_err *err)
{
	static const struct {
		const char *name;
		size_t at;
	} calls[] = {
#define ROW(name) { #name, offsetof(__typeof__(curl), name) },
		CURL_CALLS(ROW)
#undef ROW
	};
	if (curl.curl_easy_perform)
		return 0;
	void *lib = dd_fault("libcurl") ? NULL : dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
	if (!lib)
		return dd_err_say(
			err, ENOENT,
			"libcurl cannot be loaded, and without it no issuer can be asked: "
			"install it (package libcurl4)");
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		void *call = dlsym(lib, calls[i].name);
		if (!call)
			return dd_err_say(err, ENOSYS, "libcurl.so.4 has no %s", calls[i].name);
		memcpy((char *)&curl + calls[i].at, &call, sizeof(call));
	}
	return curl.curl_global_init(CURL_GLOBAL_DEFAULT)
	               ? dd_err_say(err, EIO, "libcurl cannot begin")
	               : 0;
}

int http_new(const struct http_tls *tls, struct http **ret, struct dd_err *err)
{
	int r = http_load(err);
	if (r < 0)
		return r;
	struct http *h = calloc(1, sizeof(*h));
	if (!h)
		return dd_err_set(err, ENOMEM, "prepare to ask an issuer");
	h->tls = *tls;
	h->easy = curl.curl_easy_init();
	if (!h->easy) {
		free(h);
		return dd_err_set(err, ENOMEM, "prepare to ask an issuer");
	}
	*ret = h;
	return 0;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	curl.curl_easy_cleanup(h->easy);
	free(h);
}

/* What an answer is read into. */
struct taking {
	struct http *h;
	const struct http_request *request;
	struct http_answer *answer;
	size_t max;
	uint64_t taken, given; /* bytes of this try */
};

/* Grows by twice, and wipes what it leaves behind. */
static bool make_room(struct taking *t, size_t len)
{
	size_t cap = t->answer->cap;
	while (cap < len + 1)
		cap *= 2;
	if (cap == t->answer->cap)
		return true;
	char *body = malloc(cap);
	if (!body)
		return false;
	memcpy(body, t->answer->body, t->answer->len);
	explicit_bzero(t->answer->body, t->answer->cap);
	free(t->answer->body);
	t->answer->body = body;
	t->answer->cap = cap;
	return true;
}

static size_t take_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct taking *t = arg;
	struct http_answer *a = t->answer;
	size_t len = size * n;
	long status = 0;
	t->taken += len;
	if (t->taken > t->max)
		return 0; /* libcurl gives up */
	(void)curl.curl_easy_getinfo(t->h->easy, CURLINFO_RESPONSE_CODE, &status);
	if (t->request->take && status == 200)
		return t->request->take(t->request->take_arg, bytes, len) < 0 ? 0 : len;
	if (!make_room(t, a->len + len))
		return 0;
	memcpy(a->body + a->len, bytes, len);
	a->len += len;
	a->body[a->len] = '\0';
	return len;
}

static size_t give_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct taking *t = arg;
	const struct http_source *source = t->request->source;
	long got = source->read(source->arg, t->given, bytes, size * n);
	if (got < 0)
		return CURL_READFUNC_ABORT;
	t->given += (uint64_t)got;
	return (size_t)got;
}

static void take_date(struct http_answer *a, const char *bytes, size_t len)
{
	char date[80];
	if (len <= 6 || len >= sizeof(date) || strncasecmp(bytes, "Date:", 5) != 0)
		return;
	memcpy(date, bytes + 5, len - 5);
	date[len - 5] = '\0';
	time_t theirs = curl.curl_getdate(date, NULL);
	a->skew_sec = theirs > 0 ? (long)(time(NULL) - theirs) : 0;
}

static size_t take_header(char *bytes, size_t size, size_t n, void *arg)
{
	struct http_answer *a = ((struct taking *)arg)->answer;
	size_t len = size * n;
	if (a->head_len + len <= HEAD_MAX) {
		memcpy(a->head + a->head_len, bytes, len);
		a->head_len += len;
	}
	take_date(a, bytes, len);
	return len;
}

static int look_at_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct http_request *request = arg;
	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return !request->wanted(request->wanted_arg);
}

static void set_tls(const struct http *h)
{
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_SSL_VERIFYPEER, 1L);
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_SSL_VERIFYHOST, 2L);
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (h->tls.ca) {
		(void)curl.curl_easy_setopt(h->easy, CURLOPT_CAINFO, h->tls.ca);
		(void)curl.curl_easy_setopt(h->easy, CURLOPT_CAPATH, NULL);
	}
	if (h->tls.certificate) {
		(void)curl.curl_easy_setopt(h->easy, CURLOPT_SSLCERT, h->tls.certificate);
		(void)curl.curl_easy_setopt(h->easy, CURLOPT_SSLKEY,
		                            h->tls.key ? h->tls.key : h->tls.certificate);
	}
}

static void set_limits(const struct http *h, const struct http_request *request)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_PROTOCOLS_STR,
	                            request->tls_only ? "https" : "https,http");
#else
	(void)curl.curl_easy_setopt(
		h->easy, CURLOPT_PROTOCOLS,
		(long)(CURLPROTO_HTTPS | (request->tls_only ? 0 : CURLPROTO_HTTP)));
#endif
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_PROXY, request->proxies ? NULL : "");
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SEC);
	(void)curl.curl_easy_setopt(
		h->easy, CURLOPT_TIMEOUT,
		(long)(request->timeout_sec ? request->timeout_sec : TOTAL_SEC));
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_USERAGENT, "drydock");
	if (!request->wanted)
		return;
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_NOPROGRESS, 0L);
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_XFERINFOFUNCTION, look_at_progress);
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_XFERINFODATA, request);
}

static struct curl_slist *headers_of(const struct http_request *request)
{
	struct curl_slist *list = curl.curl_slist_append(NULL, "Accept: application/json");
	for (size_t i = 0; list && i < HTTP_HEADERS_MAX && request->headers[i]; i++)
		list = curl.curl_slist_append(list, request->headers[i]);
	char type[100];
	(void)snprintf(type, sizeof(type), "Content-Type: %s", request->type ? request->type : "");
	if (list && request->type)
		list = curl.curl_slist_append(list, type);
	return list ? curl.curl_slist_append(list, "Expect:") : NULL;
}

static void set_body(const struct http *h, const struct http_request *request,
                     struct taking *taking)
{
	if (request->source) {
		(void)curl.curl_easy_setopt(h->easy, CURLOPT_POST, 1L);
		(void)curl.curl_easy_setopt(h->easy, CURLOPT_READFUNCTION, give_body);
		(void)curl.curl_easy_setopt(h->easy, CURLOPT_READDATA, taking);
		(void)curl.curl_easy_setopt(h->easy, CURLOPT_POSTFIELDSIZE_LARGE,
		                            (curl_off_t)request->source->size);
	} else if (request->body || strcmp(request->method, "POST") == 0) {
		const char *body = request->body ? request->body : "";
		(void)curl.curl_easy_setopt(h->easy, CURLOPT_POSTFIELDS, body);
		(void)curl.curl_easy_setopt(
			h->easy, CURLOPT_POSTFIELDSIZE_LARGE,
			(curl_off_t)(request->body_len ? request->body_len : strlen(body)));
	}
	/* after what chooses a method of its own */
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static CURLcode ask_once(struct http *h, const struct http_request *request, struct taking *taking)
{
	struct http_answer *answer = taking->answer;

	answer->len = answer->head_len = 0;
	taking->taken = taking->given = 0;
	answer->body[0] = '\0';
	curl.curl_easy_reset(h->easy);
	set_tls(h);
	set_limits(h, request);
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_URL, request->url);
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, take_body);
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_WRITEDATA, taking);
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_HEADERFUNCTION, take_header);
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_HEADERDATA, taking);
	set_body(h, request, taking);
	struct curl_slist *headers = headers_of(request);
	if (!headers)
		return CURLE_OUT_OF_MEMORY;
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, headers);
	CURLcode code = curl.curl_easy_perform(h->easy);
	(void)curl.curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &answer->status);
	curl.curl_slist_free_all(headers);
	return code;
}

/* Nothing was made at the server, and a moment later it may be. */
static bool is_worth_another(const struct http_request *request, CURLcode code, long status)
{
	if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
		return true;
	if (code != CURLE_OK)
		return !request->creates &&
		       (code == CURLE_OPERATION_TIMEDOUT || code == CURLE_GOT_NOTHING ||
		        code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR);
	return status == 429 || status == 503 ||
	       (!request->creates && (status == 500 || status == 502 || status == 504));
}

static const struct code_row {
	CURLcode code;
	const char *what;
} code_rows[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, "its name does not resolve on this host" },
	{ CURLE_COULDNT_CONNECT, "nobody answers there" },
	{ CURLE_OPERATION_TIMEDOUT, "no answer in time" },
	{ CURLE_PEER_FAILED_VERIFICATION,
	  "its certificate is not one that this host trusts for that name (see `ca`), or is over" },
	{ CURLE_SSL_CACERT_BADFILE, "the file of `ca` cannot be read" },
	{ CURLE_SSL_CERTPROBLEM, "the file of `certificate` or `key` cannot be used" },
	{ CURLE_SSL_CONNECT_ERROR, "TLS 1.2 or later could not be agreed on" },
	{ CURLE_WRITE_ERROR, "its answer is longer than it may be" },
	{ CURLE_URL_MALFORMAT, "that is no address" },
	{ CURLE_UNSUPPORTED_PROTOCOL, "only https:// is spoken there, so that no token goes in the "
	                              "clear" },
};

static int explain(const struct http_request *request, CURLcode code, struct dd_err *err)
{
	const char *what = curl.curl_easy_strerror(code);
	for (size_t i = 0; i < ARRAY_LEN(code_rows); i++)
		if (code_rows[i].code == code)
			what = code_rows[i].what;
	/* what stands behind the host may be somebody's secret */
	const char *host = strstr(request->url, "://");
	int len = host ? (int)(host - request->url) + 3 + (int)strcspn(host + 3, "/?#") : 0;
	return dd_err_say(err, EHOSTUNREACH, "%.*s: %s", len, request->url, what);
}

static int begin_answer(struct http *h, const struct http_request *request,
                        struct http_answer *answer, struct taking *taking, struct dd_err *err)
{
	*answer = (struct http_answer){ .body = malloc(BODY_FIRST),
		                        .cap = BODY_FIRST,
		                        .head = malloc(HEAD_MAX) };
	*taking = (struct taking){ .h = h,
		                   .request = request,
		                   .answer = answer,
		                   .max = request->answer_max ? request->answer_max
		                                              : HTTP_BODY_MAX };
	if (answer->body && answer->head)
		return 0;
	http_answer_done(answer);
	return dd_err_set(err, ENOMEM, "ask a server");
}

int http_ask(struct http *h, const struct http_request *request, struct http_answer *ret,
             struct dd_err *err)
{
	const unsigned tries = request->tries ? request->tries : TRIES;
	struct taking taking;
	int r = begin_answer(h, request, ret, &taking, err);

	if (r < 0)
		return r;
	for (unsigned try = 0;; try++) {
		struct timespec pause = { .tv_nsec = (PAUSE_MS << (try % 2)) * 1000000L };
		CURLcode code = ask_once(h, request, &taking);
		if (code == CURLE_ABORTED_BY_CALLBACK ||
		    (request->wanted && !request->wanted(request->wanted_arg) &&
		     code != CURLE_OK)) {
			http_answer_done(ret);
			return dd_err_say(err, ECANCELED, "it is not wanted any more");
		}
		if (try + 1 < tries && is_worth_another(request, code, ret->status)) {
			(void)nanosleep(&pause, NULL);
			continue;
		}
		if (code == CURLE_OK)
			return 0;
		http_answer_done(ret);
		return explain(request, code, err);
	}
}

int http_connect(struct http *h, const char *url, unsigned timeout_sec, struct dd_err *err)
{
	const struct http_request request = { .url = url,
		                              .tls_only = true,
		                              .timeout_sec = timeout_sec };

	curl.curl_easy_reset(h->easy);
	set_tls(h);
	set_limits(h, &request);
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_URL, url);
	(void)curl.curl_easy_setopt(h->easy, CURLOPT_CONNECT_ONLY, 1L);
	CURLcode code = curl.curl_easy_perform(h->easy);
	return code == CURLE_OK ? 0 : explain(&request, code, err);
}

long http_put(struct http *h, const void *bytes, size_t len)
{
	size_t n = 0;
	CURLcode code = curl.curl_easy_send(h->easy, bytes, len, &n);
	return code == CURLE_OK ? (long)n : code == CURLE_AGAIN ? -EAGAIN : -EPIPE;
}

long http_get(struct http *h, void *bytes, size_t len)
{
	size_t n = 0;
	CURLcode code = curl.curl_easy_recv(h->easy, bytes, len, &n);
	return code == CURLE_OK ? (long)n : code == CURLE_AGAIN ? -EAGAIN : -EPIPE;
}

int http_socket(struct http *h)
{
	curl_socket_t fd = -1;
	(void)curl.curl_easy_getinfo(h->easy, CURLINFO_ACTIVESOCKET, &fd);
	return (int)fd;
}

void http_answer_done(struct http_answer *answer)
{
	if (answer->body)
		explicit_bzero(answer->body, answer->cap);
	if (answer->head)
		explicit_bzero(answer->head, answer->head_len);
	free(answer->body);
	free(answer->head);
	*answer = (struct http_answer){ .body = NULL };
}

bool http_header(const struct http_answer *answer, const char *name, char *ret, size_t size)
{
	const size_t len = strlen(name);
	const char *end = answer->head + answer->head_len, *at = answer->head;

	for (const char *eol; at < end && (eol = memchr(at, '\n', (size_t)(end - at)));
	     at = eol + 1) {
		const char *value = at + len + 1, *stop = eol;
		if ((size_t)(eol - at) <= len || at[len] != ':' || strncasecmp(at, name, len) != 0)
			continue;
		while (value < stop && (*value == ' ' || *value == '\t'))
			value++;
		while (stop > value && (stop[-1] == '\r' || stop[-1] == ' '))
			stop--;
		if ((size_t)(stop - value) >= size)
			return false;
		memcpy(ret, value, (size_t)(stop - value));
		ret[stop - value] = '\0';
		return true;
	}
	return false;
}

json_t *http_json(const struct http_answer *answer)
{
	json_error_t ignored;
	return json_loadb(answer->body, answer->len, JSON_REJECT_DUPLICATES, &ignored);
}

char *http_escape(const char *text)
{
	char *out = malloc(3 * strlen(text) + 1), *p = out;
	for (; out && *text; text++) {
		unsigned char c = (unsigned char)*text;
		bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		             (c >= 'a' && c <= 'z') || strchr("-._~", c);
		p += plain ? sprintf(p, "%c", c) : sprintf(p, "%%%02X", c);
	}
	if (out)
		*p = '\0';
	return out;
}

const char *http_skew_text(const struct http_answer *answer, char ret[80])
{
	long by = answer->skew_sec < 0 ? -answer->skew_sec : answer->skew_sec;
	ret[0] = '\0';
	if (by > SKEW_TOLD_SEC)
		(void)snprintf(ret, 80, " (this host's clock is %ld s %s the server's)", by,
		               answer->skew_sec > 0 ? "ahead of" : "behind");
	return ret;
}
