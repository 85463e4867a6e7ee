// SPDX-License-Identifier: Apache-2.0
/* github_broker.c - see github_broker.h.
 *
 * Runs in: broker's courier. What the broker says is foreign: bounded, and a job message is handed
 * on unread. A poll is given up when the agent has something to say, and never because the runner
 * became free: the broker may have written the next message to it already. */
#include "github_broker.h"

#include "base/exit_code.h"
#include "drydock/clock.h"
#include "drydock/fd.h"
#include "forges/actions/runner_facts.h"
#include "github_ask.h"
#include "github_token.h"
#include "job_message.h"
#include "message_json.h"

#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

enum {
	POLL_SEC = 100,
	CONFLICT_MS = 4 * 60 * 1000,
	CLOCK_MS = 30 * 60 * 1000,
	ACKNOWLEDGE_SEC = 5,
	END_SEC = 30,
	ACQUIRE_TRIES = 5,
	CANCEL_SEC = 5 * 60,
	CANCEL_LEAST_SEC = 60,
	FREE_MS = 2000,
	SOON_MS = 200, /* an empty answer that comes sooner is no long poll */
};

static const char ZERO[] = "00000000-0000-0000-0000-000000000000";

struct broker {
	const struct github_broker_work *work;
	struct http *http;
	int sock;
	char *token;
	long skew_sec;
	char session[65];
	char job[65]; /* the last one that was acquired, by its id; "": it says none */
	bool busy, ending;
	bool leaves_session; /* it is not ours to end any more */
	unsigned misses;     /* in a row */
	/* once it is over */
	bool over;
	int code;
	char why[500];
};

static void tell(struct broker *b, const char *text)
{
	(void)frame_send(b->sock, &(struct frame){ .kind = BROKER_TOLD,
	                                           .bytes = (char *)(uintptr_t)text,
	                                           .len = (uint32_t)strlen(text) });
}

__attribute__((format(printf, 3, 4))) static void end_with(struct broker *b, int code,
                                                           const char *fmt, ...)
{
	va_list ap;

	if (b->over)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(b->why, sizeof(b->why), fmt, ap);
	va_end(ap);
	b->over = true;
	b->code = code;
}

/* ---- the agent's word ---- */

static void hear(struct broker *b)
{
	struct frame frame;
	if (frame_recv(b->sock, &frame) <= 0) {
		b->ending = true;
		return;
	}
	b->ending |= frame.kind == BROKER_END;
	if (frame.kind == BROKER_FREE)
		b->busy = false;
	frame_done(&frame);
}

static bool is_said(const struct broker *b, unsigned ms)
{
	struct pollfd p = { .fd = b->sock, .events = POLLIN };
	return poll(&p, 1, (int)ms) > 0;
}

/* While a poll runs. That the runner is free again ends none. */
static bool is_quiet(void *arg)
{
	struct broker *b = arg;
	uint32_t kind = 0;

	if (!is_said(b, 0))
		return true;
	if (recv(b->sock, &kind, sizeof(kind), MSG_PEEK | MSG_DONTWAIT) != (ssize_t)sizeof(kind) ||
	    kind != BROKER_FREE)
		return false;
	hear(b);
	return true;
}

/* False: it is to end. */
static bool wait_ms(struct broker *b, unsigned ms)
{
	int64_t until = dd_now_ms() + ms;
	for (int64_t left = ms; !b->ending && left >= 0; left = until - dd_now_ms()) {
		if (!is_said(b, (unsigned)left))
			break;
		hear(b);
	}
	return !b->ending;
}

static bool pause_after_miss(struct broker *b)
{
	return wait_ms(b, github_pause_ms(b->misses++));
}

/* ---- requests ---- */

static void forget_token(struct broker *b)
{
	if (b->token)
		explicit_bzero(b->token, strlen(b->token));
	free(b->token);
	b->token = NULL;
}

/* 0; -ESTALE: there will be none; other: not now. */
static int want_token(struct broker *b, struct dd_err *err)
{
	int64_t began = dd_now_ms();

	for (unsigned try = 0; !b->token; try++) {
		enum github_token_end end = github_token(b->http, b->work->runner, &b->skew_sec,
		                                         &b->token, err);
		if (end == GITHUB_TOKEN_GONE) {
			b->leaves_session = true;
			end_with(b, DRYDOCK_EXIT_INTERNAL, "%s", err->msg);
			return -ESTALE;
		}
		if (end == GITHUB_TOKEN_FAILED)
			return -EAGAIN;
		if (end != GITHUB_TOKEN_CLOCK)
			continue;
		if (try == 0)
			tell(b, err->msg);
		if (dd_now_ms() - began > CLOCK_MS) {
			end_with(b, DRYDOCK_EXIT_INTERNAL, "%s", err->msg);
			return -ESTALE;
		}
		if (!wait_ms(b, github_pause_ms(try)))
			return -ECANCELED;
	}
	return 0;
}

/* A token that is not taken any more is replaced once. */
static int ask(struct broker *b, const struct github_ask *what, struct github_answer *ret,
               struct dd_err *err)
{
	for (int round = 0;; round++) {
		struct github_ask one = *what;
		int r = want_token(b, err);
		if (r < 0)
			return r;
		one.token = b->token;
		r = github_ask(b->http, &one, ret, err);
		if (r < 0 || ret->status != 401 || round > 0)
			return r;
		github_answer_done(ret);
		forget_token(b);
	}
}

/* ---- what goes wrong ---- */

enum reaction { REACT_LATER = 0, REACT_END, REACT_SESSION };

static const struct kind_row {
	const char *kind;
	enum reaction reaction;
	bool session_gone;
	const char *what;
} kind_rows[] = {
	{ "RunnerNotFound", REACT_END, true,
	  "the server does not know this runner any more: register it again" },
	{ "RunnerVersionTooOld", REACT_END, false,
	  "the server refuses the version that this runner reports: when drydock does what the "
	  "newer "
	  "one does, report it with --runner-version" },
	{ "RunnerSessionInvalid", REACT_SESSION, true, "the server has ended the session" },
	{ "HostedRunnerDeprovisioned", REACT_END, true, "the server has taken this runner out" },
};

static enum reaction react(struct broker *b, const struct github_answer *answer)
{
	const char *kind = message_text(answer->said, "errorKind");
	char text[200];

	for (size_t i = 0; kind && i < ARRAY_LEN(kind_rows); i++) {
		const struct kind_row *row = &kind_rows[i];
		if (strcasecmp(row->kind, kind) != 0)
			continue;
		b->leaves_session |= row->session_gone;
		if (row->reaction == REACT_SESSION && !b->work->runner->keeps_session)
			return REACT_SESSION;
		end_with(b, DRYDOCK_EXIT_INTERNAL, "%s (%s%s)", row->what, row->kind,
		         github_answer_text(answer, text));
		return REACT_END;
	}
	return REACT_LATER;
}

/* ---- the session ---- */

static json_t *session_body(const struct broker *b)
{
	const struct github_runner *r = b->work->runner;
	char owner[HOST_NAME_MAX + 40], host[HOST_NAME_MAX + 1] = "", os[160];
	struct utsname un;

	(void)gethostname(host, sizeof(host) - 1);
	(void)snprintf(owner, sizeof(owner), "%s (PID: %d)", host[0] ? host : "drydock",
	               (int)getppid());
	(void)uname(&un);
	(void)snprintf(os, sizeof(os), "%.60s %.80s", un.sysname, un.release);
	return json_pack("{s:s, s:s, s:{s:I, s:s, s:s, s:s}, s:b}", "sessionId", ZERO, "ownerName",
	                 owner, "agent", "id", (json_int_t)r->id, "name", r->name, "version",
	                 b->work->version, "osDescription", os, "useFipsEncryption", 0);
}

/* True: it was answered for good, one way or the other. */
static bool session_answered(struct broker *b, const struct github_answer *answer, int64_t began)
{
	const char *id = message_text(answer->said, "sessionId");
	char text[200];

	if (answer->status >= 200 && answer->status <= 299 && id && *id &&
	    strlen(id) < sizeof(b->session) &&
	    strspn(id, "0123456789abcdefABCDEF-") == strlen(id)) {
		(void)snprintf(b->session, sizeof(b->session), "%s", id);
		return true;
	}
	if (react(b, answer) == REACT_END)
		return true;
	if (answer->status == 403)
		end_with(b, DRYDOCK_EXIT_INTERNAL,
		         "the server refuses a session to %.60s: the version that it reports "
		         "(%.20s) is too old, the runner is disabled, or this address may not%s",
		         b->work->runner->name, b->work->version, github_answer_text(answer, text));
	else if (answer->status == 409 && dd_now_ms() - began > CONFLICT_MS)
		end_with(b, DRYDOCK_EXIT_INTERNAL,
		         "another process has the session of %.60s since four minutes: is the same "
		         "configuration in use somewhere else?",
		         b->work->runner->name);
	return b->over;
}

static void begin_session(struct broker *b)
{
	int64_t began = dd_now_ms();
	char url[GITHUB_URL_MAX];
	bool told = false;

	if (!github_url(b->work->runner->broker, "session", url)) {
		end_with(b, DRYDOCK_EXIT_USAGE, "the broker has no address that can be asked");
		return;
	}
	for (b->misses = 0; !b->over && !b->ending;) {
		struct github_answer answer;
		struct dd_err err = { 0 };
		json_t *body = session_body(b);
		int r = ask(b, &(struct github_ask){ .method = "POST", .url = url, .body = body },
		            &answer, &err);
		json_decref(body);
		bool done = r == 0 && session_answered(b, &answer, began);
		if (r == 0 && !done && !told)
			(void)dd_err_say(&err, EAGAIN, "the server gives no session: HTTP %ld",
			                 answer.status);
		if (r == 0)
			github_answer_done(&answer);
		if (done || b->over)
			return;
		if (!told)
			tell(b, err.msg);
		told = true;
		(void)pause_after_miss(b);
	}
}

static void end_session(struct broker *b)
{
	struct github_answer answer;
	struct dd_err err = { 0 };
	char url[GITHUB_URL_MAX];

	if (!b->session[0] || b->leaves_session ||
	    !github_url(b->work->runner->broker, "session", url))
		return;
	if (ask(b, &(struct github_ask){ .method = "DELETE", .url = url, .timeout_sec = END_SEC },
	        &answer, &err) == 0)
		github_answer_done(&answer);
}

/* ---- a job ---- */

static bool query_url(const struct broker *b, const char *name, char ret[GITHUB_URL_MAX])
{
	char tail[400];
	(void)snprintf(tail, sizeof(tail),
	               "%s?sessionId=%s&status=%s&runnerVersion=%s&os=Linux&architecture=%s&"
	               "disableUpdate=true",
	               name, b->session, b->busy ? "Busy" : "Online", b->work->version,
	               runner_arch());
	return github_url(b->work->runner->broker, tail, ret);
}

/* Best effort. False: there is no such job, and for a runner of one job that is the end. */
static bool acknowledge(struct broker *b, const char *request_id)
{
	struct github_answer answer;
	struct dd_err err = { 0 };
	char url[GITHUB_URL_MAX];
	json_t *body = json_pack("{s:s}", "runnerRequestId", request_id);
	bool there = true;

	if (query_url(b, "acknowledge", url) &&
	    ask(b,
	        &(struct github_ask){ .method = "POST",
	                              .url = url,
	                              .body = body,
	                              .tries = 1,
	                              .timeout_sec = ACKNOWLEDGE_SEC },
	        &answer, &err) == 0) {
		const char *kind = message_text(answer.said, "errorKind");
		there = !kind || strcasecmp(kind, "AcknowledgeJobNotFound") != 0;
		github_answer_done(&answer);
	}
	json_decref(body);
	/* of a runner that stays, acquiring decides: this is for the server's statistics */
	if (there || !b->work->runner->ephemeral)
		return true;
	end_with(b, DRYDOCK_EXIT_OK, "the job that was offered is not there any more");
	return false;
}

/* 1: it is ours; 0: somebody else's, or none; -1: try again. */
static int acquired(struct broker *b, const struct github_answer *answer)
{
	long code = github_answer_code(answer);
	char text[200], line[300];

	if (code >= 200 && code <= 299 && answer->said) {
		struct frame frame = { .kind = BROKER_JOB,
			               .bytes = answer->bytes,
			               .len = (uint32_t)answer->len };
		const char *id = message_text(answer->said, "jobId");
		b->busy = true;
		(void)snprintf(b->job, sizeof(b->job), "%s",
		               id && strlen(id) < sizeof(b->job) ? id : "");
		if (frame_send(b->sock, &frame) < 0)
			b->ending = true;
		return 1;
	}
	if (code != 404 && code != 409 && code != 422 && !(code >= 200 && code <= 299))
		return -1;
	(void)snprintf(line, sizeof(line), "a job that was offered could not be had (%ld)%s", code,
	               github_answer_text(answer, text));
	tell(b, line);
	return 0;
}

static void acquire(struct broker *b, const char *request_id, const char *base, const char *billing)
{
	char url[GITHUB_URL_MAX];
	json_t *body = json_pack("{s:s, s:s, s:s}", "jobMessageId", request_id, "runnerOS", "Linux",
	                         "billingOwnerId", billing);
	struct dd_err err = { 0 };
	int got = -1;

	if (!github_url(base, "acquirejob", url)) {
		tell(b, "a job was offered at an address that is not https://: it is left alone");
		got = 0;
	}
	for (unsigned try = 1; got < 0 && !b->ending && try <= ACQUIRE_TRIES; try++) {
		struct github_answer answer;
		if (ask(b,
		        &(struct github_ask){ .method = "POST",
		                              .url = url,
		                              .body = body,
		                              .tries = 1,
		                              .timeout_sec = END_SEC,
		                              .answer_max = JOB_MESSAGE_BYTES_MAX },
		        &answer, &err) == 0) {
			got = acquired(b, &answer);
			github_answer_done(&answer);
		}
		if (got < 0 && try < ACQUIRE_TRIES)
			(void)wait_ms(b, github_pause_ms(try));
	}
	if (got < 0)
		tell(b, err.code ? err.msg
		                 : "the run service does not hand over a job that it offered");
	json_decref(body);
}

/* The server may know that a job is over before its processes are. */
static void wait_until_free(struct broker *b)
{
	int64_t until = dd_now_ms() + FREE_MS;
	for (int64_t left = FREE_MS; b->busy && !b->ending && left > 0; left = until - dd_now_ms())
		if (is_said(b, (unsigned)left))
			hear(b);
}

static void on_job(struct broker *b, const json_t *body)
{
	const char *id = message_text(body, "runner_request_id");
	const char *base = message_text(body, "run_service_url");
	const char *billing = message_text(body, "billing_owner_id");

	if (b->busy && !b->work->runner->ephemeral)
		wait_until_free(b);
	if (b->busy) {
		tell(b, "another job was offered while one runs: it is left to other runners");
		return;
	}
	if (!id || !*id || !base || !*base) {
		tell(b,
		     "a job was offered that only the older protocol can fetch: it is left alone");
		return;
	}
	if (!message_truth(body, "should_acknowledge", false) || acknowledge(b, id))
		acquire(b, id, base, billing ? billing : "");
}

/* ---- messages ---- */

/* "00:05:00", with days and fractions or without. */
static unsigned seconds_of(const char *text)
{
	unsigned days = 0, h = 0, m = 0, s = 0;
	if (!text)
		return CANCEL_SEC;
	if (sscanf(text, "%u.%2u:%2u:%2u", &days, &h, &m, &s) != 4) {
		days = 0;
		if (sscanf(text, "%3u:%2u:%2u", &h, &m, &s) != 3)
			return CANCEL_SEC;
	}
	uint64_t all = (uint64_t)days * 86400 + (uint64_t)h * 3600 + (uint64_t)m * 60 + s;
	return all < CANCEL_LEAST_SEC ? CANCEL_LEAST_SEC : all > 86400 ? 86400 : (unsigned)all;
}

static void on_cancel(struct broker *b, const json_t *body)
{
	const char *id = message_text(body, "jobId");
	if (!id)
		return;
	if (!b->busy || (b->job[0] && strcasecmp(id, b->job) != 0))
		tell(b, "a job is to be cancelled that does not run here");
	else
		(void)frame_send(b->sock,
		                 &(struct frame){ .kind = BROKER_CANCEL,
		                                  .a = seconds_of(message_text(body, "timeout")),
		                                  .bytes = (char *)(uintptr_t)id,
		                                  .len = (uint32_t)strlen(id) });
}

static void on_refresh_token(struct broker *b, const json_t *body)
{
	(void)body;
	forget_token(b);
}

static void on_update(struct broker *b, const json_t *body)
{
	const char *version = message_text(body, "target_version");
	char line[200];

	if (!version)
		version = message_text(body, "targetVersion");
	(void)snprintf(line, sizeof(line),
	               "the server asks runners to become version %.30s; drydock fetches no "
	               "programs: that is your package manager's",
	               version ? version : "of another number");
	tell(b, line);
}

static void on_settings(struct broker *b, const json_t *body)
{
	(void)body;
	tell(b, "the server has new settings for this runner; drydock keeps those that it has");
}

static void on_shutdown(struct broker *b, const json_t *body)
{
	(void)body;
	b->leaves_session = true;
	end_with(b, DRYDOCK_EXIT_CANCELLED, "the server shuts this runner down");
}

static const struct message_row {
	const char *type;
	void (*take)(struct broker *b, const json_t *body);
} message_rows[] = {
	{ "RunnerJobRequest", on_job },
	{ "JobCancellation", on_cancel },
	{ "ForceTokenRefresh", on_refresh_token },
	{ "RunnerRefresh", on_update },
	{ "AgentRefresh", on_update },
	{ "RunnerRefreshConfig", on_settings },
	{ "HostedRunnerShutdown", on_shutdown },
};

static void take_message(struct broker *b, const json_t *message)
{
	const char *type = message_text(message, "messageType"),
		   *text = message_text(message, "body");
	char why[100], line[200];
	json_t *body = text ? message_json_load(text, strlen(text), why, sizeof(why))
	                    : json_incref(message_member(message, "body"));

	for (size_t i = 0; type && i < ARRAY_LEN(message_rows); i++)
		if (strcasecmp(message_rows[i].type, type) == 0) {
			message_rows[i].take(b, body);
			json_decref(body);
			return;
		}
	(void)snprintf(line, sizeof(line),
	               "the server sent a message of the kind %.60s, which means "
	               "nothing here",
	               type ? type : "(none)");
	tell(b, line);
	json_decref(body);
}

/* ---- the loop ---- */

static void polled(struct broker *b, const struct github_answer *answer, int64_t took_ms)
{
	if (answer->status >= 200 && answer->status <= 299) {
		b->misses = 0;
		if (answer->said)
			take_message(b, answer->said);
		else if (took_ms < SOON_MS)
			(void)wait_ms(b, SOON_MS);
		return;
	}
	switch (react(b, answer)) {
	case REACT_END:
		return;
	case REACT_SESSION:
		b->session[0] = '\0';
		b->leaves_session = false;
		begin_session(b);
		return;
	case REACT_LATER:
		(void)pause_after_miss(b);
		return;
	}
}

static void poll_once(struct broker *b)
{
	struct github_answer answer;
	struct dd_err err = { 0 };
	char url[GITHUB_URL_MAX];
	int64_t began = dd_now_ms();

	if (!query_url(b, "message", url)) {
		end_with(b, DRYDOCK_EXIT_USAGE, "the broker has no address that can be asked");
		return;
	}
	int r = ask(b,
	            &(struct github_ask){ .method = "GET",
	                                  .url = url,
	                                  .timeout_sec = POLL_SEC,
	                                  .tries = 1,
	                                  .wanted = is_quiet,
	                                  .wanted_arg = b },
	            &answer, &err);
	if (r == 0) {
		polled(b, &answer, dd_now_ms() - began);
		github_answer_done(&answer);
	} else if (r == -ECANCELED) {
		hear(b);
	} else if (!b->over) {
		if (b->misses == 1)
			tell(b, err.msg);
		(void)pause_after_miss(b);
	}
}

int github_broker_main(void *arg, int sock, const int *lent)
{
	struct broker b = { .work = arg, .sock = sock, .code = DRYDOCK_EXIT_OK };
	b.busy = b.work->busy;
	struct dd_err err = { 0 };

	(void)lent;
	if (http_new(&(struct http_tls){ .ca = b.work->ca }, &b.http, &err) < 0)
		end_with(&b, DRYDOCK_EXIT_HOST, "%s", err.msg);
	else
		begin_session(&b);
	while (!b.over && !b.ending)
		poll_once(&b);
	b.ending = false; /* what follows has its own bounds */
	if (b.http)
		end_session(&b);
	(void)frame_send(sock, &(struct frame){ .kind = BROKER_OVER,
	                                        .a = b.code,
	                                        .bytes = b.why,
	                                        .len = (uint32_t)strlen(b.why) });
	forget_token(&b);
	http_free(b.http);
	return 0;
}
