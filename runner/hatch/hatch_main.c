// SPDX-License-Identifier: Apache-2.0
/* hatch_main.c - the hatch process: from the fork through the lock to the loop, and out.
 *
 * Runs in: hatch. Who am I: a child of the supervisor, in the host's network namespace. What can I
 * still do after hatch_lock(): accept at one socket, read and write files that I am handed. What do
 * I hold: that socket, which was made in the step's network namespace, one to the storekeeper, one
 * to the supervisor. No credential, no file of the host. libmicrohttpd reads the requests; it is
 * set up before the lock, runs without threads, and its memory is bounded by connections times
 * HATCH_CONNECTION_BYTES. The hatch ends with the socket to its storekeeper. */
#include "hatch_state.h"

#include "drydock/fd.h"
#include "drydock/hatch_lock.h"

#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { FD_LISTENER = 3, FD_STORE, FD_REPORT };

/* ---- one request ---- */

/* Of all bytes, so that the time it takes says nothing about the token. */
static bool token_is_right(const struct hatch_state *h, const char *said)
{
	static const char first[] = "Bearer ";
	if (!said || strncasecmp(said, first, sizeof(first) - 1) != 0)
		return false;
	said += sizeof(first) - 1;
	size_t len = strlen(h->token), differs = strlen(said) ^ len;
	for (size_t i = 0; i < len && said[i]; i++)
		differs |= (size_t)(unsigned char)(said[i] ^ h->token[i]);
	return differs == 0;
}

static bool is_get(const char *method)
{
	return strcmp(method, MHD_HTTP_METHOD_GET) == 0 ||
	       strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
}

static void call_begin(struct hatch_state *h, struct MHD_Connection *c, const char *path,
                       const char *method, struct hatch_call *call)
{
	const char *said = mhd.lookup_connection_value(c, MHD_HEADER_KIND,
	                                               MHD_HTTP_HEADER_AUTHORIZATION);
	if (strncmp(path, "/blob/", 6) == 0) {
		if (strcmp(method, MHD_HTTP_METHOD_PUT) == 0) {
			hatch_put_begin(h, c, path, call);
		} else if (!is_get(method)) {
			call->status = MHD_HTTP_METHOD_NOT_ALLOWED;
			call->why = "a blob is put or got";
		}
		return;
	}
	if (!token_is_right(h, said)) {
		call->status = MHD_HTTP_UNAUTHORIZED;
		call->why = "this is not the token of this step: a token ends with its step";
		return;
	}
	call->method = hatch_method_of(path);
	if (call->method == HATCH_METHOD_NONE || strcmp(method, MHD_HTTP_METHOD_POST) != 0) {
		call->status = MHD_HTTP_NOT_FOUND;
		call->why = "this serves caches (v2) and artifacts (v4), and nothing else here";
	}
}

static void call_body(struct hatch_call *call, const char *bytes, size_t len)
{
	const size_t most = call->is_list ? HATCH_BLOCK_LIST_MAX : HATCH_BODY_MAX;
	if (call->status)
		return;
	if (len > most - call->len) {
		call->status = MHD_HTTP_CONTENT_TOO_LARGE;
		call->why = "the request is too large";
		return;
	}
	if (call->len + len > call->room) {
		size_t room = 2 * (call->len + len);
		char *more = realloc(call->body, room);
		if (!more) {
			call->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
			call->why = "no memory";
			return;
		}
		call->body = more;
		call->room = room;
	}
	memcpy(call->body + call->len, bytes, len);
	call->len += len;
}

static const char *twirp_code(unsigned status)
{
	return status == MHD_HTTP_UNAUTHORIZED ? "unauthenticated"
	       : status == MHD_HTTP_NOT_FOUND  ? "bad_route"
	                                       : "invalid_argument";
}

static enum MHD_Result call_refuse(struct MHD_Connection *c, const struct hatch_call *call)
{
	char text[600];
	(void)snprintf(text, sizeof(text), "{\"code\":\"%s\",\"msg\":\"%s\"}",
	               twirp_code(call->status), call->why);
	return hatch_answer(c, call->status, "application/json", text);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *path,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *n, void **state)
{
	struct hatch_state *h = arg;
	struct hatch_call *call = *state;

	(void)version;
	if (!call) { /* the head is here, the body is not */
		call = calloc(1, sizeof(*call));
		if (!call)
			return MHD_NO;
		*state = call;
		call_begin(h, c, path, method, call);
		/* before the body has been read: what is refused need not be sent */
		return call->status && *n == 0 ? call_refuse(c, call) : MHD_YES;
	}
	if (*n > 0) {
		if (call->upload && !call->is_list)
			hatch_put_bytes(h, call, bytes, *n);
		else
			call_body(call, bytes, *n);
		*n = 0;
		return MHD_YES;
	}
	if (call->status)
		return call_refuse(c, call);
	if (call->upload)
		return hatch_put_end(h, c, call);
	return call->method ? hatch_serve_method(h, c, call) : hatch_get(h, c, path);
}

static void on_ended(void *arg, struct MHD_Connection *c, void **state,
                     enum MHD_RequestTerminationCode code)
{
	struct hatch_call *call = *state;
	(void)arg, (void)c, (void)code;
	if (!call)
		return;
	hatch_put_cut(call);
	free(call->body);
	free(call);
	*state = NULL;
}

/* ---- the process ---- */

static int hatch_prepare(struct hatch_state *h, const struct hatch_spec *spec, pid_t supervisor,
                         struct MHD_Daemon **ret, struct dd_err *err)
{
	size_t seed = 0;
	uint64_t most = spec->cache_bytes > spec->artifact_bytes ? spec->cache_bytes
	                                                         : spec->artifact_bytes;

	/* jansson would open /dev/urandom for the first object */
	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return dd_err_set(err, EIO, "hatch: getrandom");
	json_object_seed(seed ? seed : 1);
	for (size_t i = 0; i < HATCH_UPLOADS_MAX; i++)
		h->uploads[i].fd = -1;
	for (size_t i = 0; i < HATCH_BLOBS_MAX; i++)
		h->blobs[i].fd = -1;
	int r = hatch_library_load(err);
	if (r < 0)
		return r;
	*ret = mhd.start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, h,
	                        MHD_OPTION_LISTEN_SOCKET, FD_LISTENER, MHD_OPTION_CONNECTION_LIMIT,
	                        (unsigned)HATCH_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	                        (size_t)HATCH_CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
	                        (unsigned)HATCH_IDLE_SEC, MHD_OPTION_NOTIFY_COMPLETED, on_ended,
	                        NULL, MHD_OPTION_END);
	if (!*ret)
		return dd_err_say(err, ENOMEM, "hatch: the HTTP server cannot be set up");
	const struct hatch_lock lock = { .supervisor = supervisor,
		                         .switch_ids = spec->switch_ids,
		                         .uid = spec->uid,
		                         .gid = spec->gid,
		                         .file_bytes = 2 * most };
	return hatch_lock(&lock, err);
}

/* Nothing but end of file comes from the storekeeper unasked. */
static void hatch_loop(struct hatch_state *h, struct MHD_Daemon *daemon)
{
	const union MHD_DaemonInfo *info = mhd.get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
	for (;;) {
		MHD_UNSIGNED_LONG_LONG most = 0;
		struct pollfd p[] = { { .fd = info->epoll_fd, .events = POLLIN },
			              { .fd = h->store, .events = POLLIN } };
		int timeout = mhd.get_timeout(daemon, &most) == MHD_YES
		                      ? (int)(most < 1000 ? most : 1000)
		                      : -1;
		if (poll(p, ARRAY_LEN(p), timeout) < 0 && errno != EINTR)
			_exit(1);
		if (p[1].revents)
			_exit(1);
		(void)mhd.run(daemon);
	}
}

void hatch_main(const struct hatch_spec *spec, const char *token, int store, int report,
                pid_t supervisor)
{
	static struct hatch_state state;
	static char own_token[HATCH_TOKEN_MAX];
	const int keep[] = { spec->listener, store, report };
	struct hatch_event said = { .type = HATCH_READY };
	struct MHD_Daemon *daemon = NULL;
	struct dd_err err = { 0 };

	(void)snprintf(own_token, sizeof(own_token), "%s", token);
	state.token = own_token;
	state.port = spec->port;
	state.store = FD_STORE;
	int r = hatch_become("drydock-hatch", keep, ARRAY_LEN(keep), &err);
	if (r == 0)
		r = hatch_prepare(&state, spec, supervisor, &daemon, &err);
	if (r < 0) {
		said.type = HATCH_EVENT_INVALID;
		(void)snprintf(said.why, sizeof(said.why), "%.399s", err.msg);
	}
	(void)dd_send_msg(FD_REPORT, &said, sizeof(said), NULL, 0);
	if (r < 0)
		_exit(1);
	hatch_loop(&state, daemon);
	_exit(1);
}
