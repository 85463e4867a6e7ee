// SPDX-License-Identifier: Apache-2.0
/* forge_wire.c - see forge_wire.h.
 *
 * Runs in: courier. What a server says is hostile: of it only known headers, bounded, and what
 * wire_says() made printable leave this process. */
#include "forge_wire.h"

#include "base/text_escape.h"
#include "drydock/fd.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

enum {
	HOPS_MAX = 5,
	TOTAL_SEC = 3600,
	BACKOFF_MIN_MS = 100,
	BACKOFF_MAX_MS = 60000,
	TICK_MS = 100
};

struct wire {
	struct wire_origin origin;
	struct http *http;
	bool (*stopped)(void *arg);
	void *stop_arg;
};

static const char *const header_names[] = {
	[WIRE_CONTENT_TYPE] = "Content-Type",
	[WIRE_RETRY_AFTER] = "Retry-After",
	[WIRE_RATE_RESET] = "RateLimit-ResetTime",
	[WIRE_RANGE] = "Range",
	[WIRE_JOB_STATUS] = "Job-Status",
	[WIRE_TRACE_INTERVAL] = "X-GitLab-Trace-Update-Interval",
	[WIRE_LAST_UPDATE] = "X-GitLab-Last-Update",
	[WIRE_REQUEST_ID] = "X-Request-Id",
};
_Static_assert(ARRAY_LEN(header_names) == WIRE__HEADERS, "a header has no name");

/* ---- addresses ---- */

int wire_base(const char *url, const char *below, char ret[WIRE_URL_MAX], struct dd_err *err)
{
	size_t len = strlen(url);
	if (strncasecmp(url, "http://", 7) == 0)
		return dd_err_say(err, EINVAL,
		                  "plain HTTP to a forge is refused: tokens and secrets would go "
		                  "over it in clear; write https://");
	if (strncasecmp(url, "https://", 8) != 0 || len < 9 || len > 1000)
		return dd_err_say(err, EINVAL,
		                  "`%.80s` is no address of a forge; it begins with https://", url);
	for (size_t i = 0; i < len; i++)
		if (!isgraph((unsigned char)url[i]) || strchr("?#@\"'\\", url[i]))
			return dd_err_say(err, EINVAL,
			                  "the address of a forge has a scheme, a host, perhaps a "
			                  "port and a path, and nothing else");
	while (len > 8 && url[len - 1] == '/')
		len--;
	if (len > 11 && strncmp(url + len - 3, "/ci", 3) == 0)
		len -= 3;
	while (len > 8 && url[len - 1] == '/')
		len--;
	if (len == 8 || url[8] == '/' || url[8] == ':')
		return dd_err_say(err, EINVAL, "`%.80s` names no host", url);
	(void)snprintf(ret, WIRE_URL_MAX, "https://%.*s/%s", (int)(len - 8), url + 8, below);
	return 0;
}

/* Scheme, host and port of @url as text; without a port the scheme's own. */
static size_t origin_of(const char *url, char *ret, size_t size)
{
	const char *host = strstr(url, "://");
	if (!host)
		return 0;
	size_t scheme = (size_t)(host - url);
	host += 3;
	size_t len = strcspn(host, "/?#");
	const char *user = memchr(host, '@', len);
	if (user) {
		len -= (size_t)(user + 1 - host);
		host = user + 1;
	}
	/* behind the brackets of an IPv6 address */
	const char *end = memchr(host, ']', len), *colon;
	const char *from = end ? end : host;
	colon = memchr(from, ':', len - (size_t)(from - host));
	const char *port = colon ? "" : scheme == 5 ? ":443" : ":80";
	int n = snprintf(ret, size, "%.*s://%.*s%s", (int)scheme, url, (int)len, host, port);
	for (char *p = ret; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

bool wire_same_origin(const char *a, const char *b)
{
	char one[300], two[300];
	return origin_of(a, one, sizeof(one)) && origin_of(b, two, sizeof(two)) &&
	       strcmp(one, two) == 0;
}

/* ---- again ---- */

bool wire_is_retriable(long status)
{
	return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
	       status == 504 || status >= 512;
}

unsigned long wire_pause_ms(const char *rate_reset, const char *retry_after, unsigned try, long now,
                            unsigned chance)
{
	struct tm at = { 0 };
	/* "Fri, 02 Jan 2026 03:04:05 GMT" */
	const char *end = *rate_reset ? strptime(rate_reset, "%a, %d %b %Y %H:%M:%S", &at) : NULL;
	long until = end ? (long)timegm(&at) : 0;
	if (until > now)
		return (unsigned long)(until - now) * 1000;
	char *rest = NULL;
	unsigned long sec = isdigit((unsigned char)*retry_after) ? strtoul(retry_after, &rest, 10)
	                                                         : 0;
	if (sec > 0 && sec < 86400 && rest && !*rest)
		return sec * 1000;
	unsigned long most = (unsigned long)BACKOFF_MIN_MS << (try < 10 ? try + 1 : 10);
	most = most > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : most;
	return BACKOFF_MIN_MS + chance % (most - BACKOFF_MIN_MS + 1);
}

static bool wire_is_stopped(const struct wire *w)
{
	return w->stopped && w->stopped(w->stop_arg);
}

static bool wire_is_wanted(void *arg)
{
	return !wire_is_stopped(arg);
}

/* False: it is not wanted any more. */
static bool wire_wait(const struct wire *w, unsigned long ms)
{
	for (; ms > 0 && !wire_is_stopped(w); ms -= ms < TICK_MS ? ms : TICK_MS) {
		unsigned long some = ms < TICK_MS ? ms : TICK_MS;
		const struct timespec pause = { .tv_nsec = (long)some * 1000000L };
		(void)nanosleep(&pause, NULL);
	}
	return !wire_is_stopped(w);
}

/* ---- one request ---- */

static void wire_keep_headers(struct wire_answer *a)
{
	a->location[0] = '\0';
	for (size_t i = 0; i < WIRE__HEADERS; i++) {
		a->header[i][0] = '\0';
		(void)http_header(&a->http, header_names[i], a->header[i], sizeof(a->header[i]));
	}
	(void)http_header(&a->http, "Location", a->location, sizeof(a->location));
}

static void request_id(char ret[60])
{
	unsigned char id[16];
	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		memset(id, 0, sizeof(id));
	int n = snprintf(ret, 60, "X-Request-Id: ");
	for (size_t i = 0; i < sizeof(id); i++)
		n += snprintf(ret + n, 60 - (size_t)n, "%02x", id[i]);
}

static int wire_once(struct wire *w, const struct wire_ask *ask, const char *url, bool with_secret,
                     struct wire_answer *a, struct dd_err *err)
{
	char id[60], agent[260];
	struct http_request request = { .method = ask->method,
		                        .url = url,
		                        .type = ask->type,
		                        .body = ask->body,
		                        .body_len = ask->body_len,
		                        .source = ask->source,
		                        .tls_only = true,
		                        .proxies = w->origin.proxies,
		                        .timeout_sec = ask->total_sec ? ask->total_sec : TOTAL_SEC,
		                        .answer_max = ask->answer_max,
		                        .tries = 1,
		                        .wanted = w->stopped ? wire_is_wanted : NULL,
		                        .wanted_arg = w,
		                        .take = ask->take,
		                        .take_arg = ask->take_arg };
	size_t n = 0;
	request_id(id);
	request.headers[n++] = id;
	if (ask->secret && with_secret)
		request.headers[n++] = ask->secret;
	for (size_t i = 0; i < ARRAY_LEN(ask->headers) && ask->headers[i]; i++)
		request.headers[n++] = ask->headers[i];
	(void)snprintf(agent, sizeof(agent), "User-Agent: %.240s", w->origin.agent);
	request.headers[n++] = agent;
	int r = http_ask(w->http, &request, &a->http, err);
	if (r == 0)
		wire_keep_headers(a);
	return r;
}

/* 1: @url is where to go now; 0: the answer stands. */
static int redirected(const struct wire *w, const struct wire_ask *ask, const struct wire_answer *a,
                      char url[WIRE_URL_MAX], bool *with_secret, struct dd_err *err)
{
	const char *to = a->location;
	bool read = strcmp(ask->method, "GET") == 0;
	long status = a->http.status;
	char next[WIRE_URL_MAX];
	if (!*to || !(status == 307 || status == 308 || (read && (status == 302 || status == 301))))
		return 0;
	if (*to == '/' && to[1] != '/') {
		char origin[300];
		if (!origin_of(url, origin, sizeof(origin)))
			return 0;
		if ((size_t)snprintf(next, sizeof(next), "%s%s", origin, to) >= sizeof(next))
			return dd_err_say(err, EPROTO,
			                  "a redirect leads to an address that is too "
			                  "long");
	} else {
		if (strncasecmp(to, "https://", 8) != 0)
			return dd_err_say(err, EPROTO,
			                  "the forge redirects to an address without TLS, which is "
			                  "not followed");
		(void)snprintf(next, sizeof(next), "%s", to);
	}
	*with_secret = *with_secret && wire_same_origin(next, w->origin.base);
	(void)snprintf(url, WIRE_URL_MAX, "%s", next);
	return 1;
}

static int wire_follow(struct wire *w, const struct wire_ask *ask, struct wire_answer *a,
                       struct dd_err *err)
{
	char url[WIRE_URL_MAX];
	bool with_secret = true;
	if ((size_t)snprintf(url, sizeof(url), "%s%s", w->origin.base, ask->path) >= sizeof(url))
		return dd_err_say(err, E2BIG, "an address at the forge is too long");
	for (int hops = 0;; hops++) {
		int r = wire_once(w, ask, url, with_secret, a, err);
		if (r < 0)
			return r;
		if (hops == HOPS_MAX) {
			http_answer_done(&a->http);
			return dd_err_say(err, EPROTO, "the forge redirects more than %d times",
			                  HOPS_MAX);
		}
		r = redirected(w, ask, a, url, &with_secret, err);
		if (r == 0)
			return 0;
		http_answer_done(&a->http);
		if (r < 0)
			return r;
	}
}

static bool is_json(const struct wire_answer *a)
{
	const char *type = a->header[WIRE_CONTENT_TYPE];
	size_t len = strcspn(type, "; \t");
	return len == strlen("application/json") && strncasecmp(type, "application/json", len) == 0;
}

int wire_ask(struct wire *w, const struct wire_ask *ask, struct wire_answer *ret,
             struct dd_err *err)
{
	const unsigned tries = ask->tries ? ask->tries : WIRE_TRIES;
	ret->retried = false;
	for (unsigned try = 0;; try++) {
		unsigned chance = 0;
		int r = wire_follow(w, ask, ret, err);
		if (r < 0)
			return r;
		if (!wire_is_retriable(ret->http.status) || try + 1 >= tries)
			break;
		ret->retried = true;
		(void)!getrandom(&chance, sizeof(chance), GRND_NONBLOCK);
		if (!wire_wait(w, wire_pause_ms(ret->header[WIRE_RATE_RESET],
		                                ret->header[WIRE_RETRY_AFTER], try,
		                                (long)time(NULL), chance)))
			break;
		http_answer_done(&ret->http);
	}
	if (!ask->wants_json || ret->http.status / 100 != 2 || ret->http.len == 0 || is_json(ret))
		return 0;
	int r = dd_err_say(err, EPROTO,
	                   "the forge answered %ld with something that is not JSON (%.60s): is "
	                   "this its address?",
	                   ret->http.status,
	                   *ret->header[WIRE_CONTENT_TYPE] ? ret->header[WIRE_CONTENT_TYPE]
	                                                   : "no type");
	wire_answer_done(ret);
	return r;
}

void wire_answer_done(struct wire_answer *answer)
{
	http_answer_done(&answer->http);
}

int wire_new(const struct wire_origin *origin, struct wire **ret, struct dd_err *err)
{
	struct wire *w = calloc(1, sizeof(*w));
	if (!w)
		return dd_err_set(err, ENOMEM, "prepare to ask the forge");
	w->origin = *origin;
	int r = http_new(&origin->tls, &w->http, err);
	if (r < 0) {
		free(w);
		return r;
	}
	*ret = w;
	return 0;
}

void wire_free(struct wire *w)
{
	if (!w)
		return;
	http_free(w->http);
	free(w);
}

void wire_stop(struct wire *w, bool (*stopped)(void *arg), void *arg)
{
	w->stopped = stopped;
	w->stop_arg = arg;
}

/* ---- what an error says ---- */

static void append_words(char *ret, size_t size, const json_t *value)
{
	const char *key;
	json_t *item;
	size_t i;
	size_t used = strlen(ret);
	if (json_is_string(value))
		(void)snprintf(ret + used, size - used, "%s%s", used ? "; " : "",
		               json_string_value(value));
	json_array_foreach(value, i, item) append_words(ret, size, item);
	json_object_foreach((json_t *)(uintptr_t)value, key, item)
	{
		used = strlen(ret);
		(void)snprintf(ret + used, size - used, "%s%s", used ? "; " : "", key);
		append_words(ret, size, item);
	}
}

static void xml_part(const struct wire_answer *a, const char *open, char *ret, size_t size)
{
	const char *at = strstr(a->http.body, open);
	if (!at)
		return;
	at += strlen(open);
	size_t used = strlen(ret);
	(void)snprintf(ret + used, size - used, "%s%.*s", used ? ": " : "", (int)strcspn(at, "<"),
	               at);
}

void wire_says(const struct wire_answer *answer, char *ret, size_t size)
{
	char said[300] = "", shown[TEXT_ESCAPE_MAX * sizeof(said) + 1];
	json_t *json = is_json(answer) ? http_json(&answer->http) : NULL;
	const char *type = answer->header[WIRE_CONTENT_TYPE];
	if (json) {
		append_words(said, sizeof(said), json_object_get(json, "message"));
		append_words(said, sizeof(said), json_object_get(json, "error"));
		json_decref(json);
	} else if (strncasecmp(type, "application/xml", 15) == 0 ||
	           strncasecmp(type, "text/xml", 8) == 0) {
		xml_part(answer, "<Code>", said, sizeof(said));
		xml_part(answer, "<Message>", said, sizeof(said));
	}
	(void)text_escape(shown, said, strlen(said));
	(void)snprintf(ret, size, "%ld%s%s", answer->http.status, *shown ? ": " : "", shown);
}
