// SPDX-License-Identifier: Apache-2.0
/* github_courier.c - see github_courier.h.
 *
 * Runs in: job's courier. Holds the job's token. Reads the spool, which its own job wrote; what the
 * server answers is foreign. Order: the lease is renewed before anything else, and every 60 s; a
 * step's log goes when the step is over; the result goes when all logs have gone, or when there was
 * time enough for them. */
#include "github_courier.h"

#include "drydock/clock.h"
#include "drydock/fd.h"
#include "github_ask.h"
#include "job_message.h"
#include "job_spool.h"
#include "message_json.h"
#include "spool_left.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	LOOK_MS = 100,
	RENEW_MS = 60 * 1000,
	RENEW_LEAST_MS = 500,
	RENEW_AGAIN_MS = 5 * 1000,
	LEASE_GRACE_MS = 5 * 60 * 1000,
	FIRST_TRIES = 5,
	UPDATE_MS = 500,
	BLOCK_BYTES = 2 * 1024 * 1024,
	UPLOAD_AGAIN_MS = 5 * 1000,
	DRAIN_MS = 60 * 1000,
	COMPLETE_TRIES = 5,
	LINE_MAX_BYTES = 64 * 1024 * 1024,
	NOTES_PER_STEP = 30,
};

#define RECEIVER "twirp/results.services.receiver.Receiver/"
#define UPDATES  "twirp/github.actions.results.api.v1.WorkflowStepUpdateService/WorkflowStepsUpdate"

struct note {
	json_t *what;
};

struct record {
	unsigned number;
	char *id, *name, *began, *ended, *conclusion;
	bool summary, log_there, summary_there;
	bool dirty; /* the server does not know its state yet */
	unsigned misses;
	int64_t again_ms;
	json_t *notes;
};

struct courier {
	const struct github_courier_work *work;
	struct job_address address;
	struct http *http;
	int sock, dir, events, state;
	char *line; /* of the events, so far */
	size_t len, cap;
	struct record *records;
	size_t n;
	json_t *notes; /* of the job */
	char *conclusion;
	json_t *outputs;
	bool over, orphan;
	/* what is remembered over a death */
	struct spool_state kept;
	int64_t renew_ms, lease_until_ms, update_ms, job_log_again_ms;
	bool job_log_there, lost, told_renew, told_log;
};

static void say(struct courier *c, enum github_courier_frame kind, const char *text)
{
	(void)frame_send(c->sock, &(struct frame){ .kind = kind,
	                                           .bytes = (char *)(uintptr_t)text,
	                                           .len = text ? (uint32_t)strlen(text) : 0 });
}

static void keep(struct courier *c)
{
	if (lseek(c->state, 0, SEEK_SET) == 0)
		(void)!write(c->state, &c->kept, sizeof(c->kept));
}

/* Our side of the socket is all that this process listens to: its end is the job host's. */
static bool host_lives(void *arg)
{
	const struct courier *c = arg;
	char byte;
	ssize_t n = recv(c->sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n != 0;
}

static void pause_ms(const struct courier *c, unsigned ms)
{
	struct pollfd p = { .fd = c->orphan ? -1 : c->sock, .events = POLLIN };
	(void)poll(&p, 1, (int)ms);
}

/* ---- requests ---- */

static int ask_times(struct courier *c, const char *base, const char *name, json_t *body,
                     unsigned tries, struct github_answer *ret, struct dd_err *err)
{
	char url[GITHUB_URL_MAX];
	int r = -EINVAL;

	if (!body)
		(void)dd_err_set(err, ENOMEM, "tell the server");
	else if (!github_url(base, name, url))
		(void)dd_err_say(err, EINVAL, "the server's address is none that can be asked");
	else
		r = github_ask(c->http,
		               &(struct github_ask){ .method = "POST",
		                                     .url = url,
		                                     .token = c->address.token,
		                                     .body = body,
		                                     .tries = tries },
		               ret, err);
	json_decref(body);
	return r;
}

static int ask(struct courier *c, const char *base, const char *name, json_t *body,
               struct github_answer *ret, struct dd_err *err)
{
	return ask_times(c, base, name, body, 0, ret, err);
}

static json_t *ids(const struct courier *c, const char *step)
{
	return json_pack("{s:s, s:s, s:s*}", "workflow_run_backend_id", c->address.plan_id,
	                 "workflow_job_run_backend_id", c->address.job_id, "step_backend_id", step);
}

/* ---- the lease ---- */

static int64_t until_of(const struct github_answer *answer)
{
	const char *text = message_text(answer->said, "lockedUntil");
	struct tm tm = { .tm_isdst = 0 };
	if (!text || !strptime(text, "%Y-%m-%dT%H:%M:%S", &tm))
		return dd_now_ms() + RENEW_MS;
	/* by the server's own clock */
	int64_t left = ((int64_t)timegm(&tm) + answer->skew_sec) * 1000 - github_now_ms();
	return dd_now_ms() + (left < 0 ? 0 : left);
}

/* 1: renewed; 0: not now; -1: it is not ours any more. */
static int renew(struct courier *c, struct dd_err *err)
{
	struct github_answer answer;
	char text[200];
	json_t *body = json_pack("{s:s, s:s}", "planId", c->address.plan_id, "jobId",
	                         c->address.job_id);
	int r = ask(c, c->address.run_service, "renewjob", body, &answer, err);
	if (r < 0)
		return 0;
	long code = github_answer_code(&answer);
	r = code >= 200 && code <= 299 ? 1 : code == 404 || code == 401 ? -1 : 0;
	if (r == 1)
		c->lease_until_ms = until_of(&answer);
	else
		(void)dd_err_say(err, EAGAIN,
		                 "the server does not renew the lease of the job: "
		                 "HTTP %ld%s",
		                 code, github_answer_text(&answer, text));
	github_answer_done(&answer);
	return r;
}

/* Every minute, or sooner where the lease is short. */
static int64_t next_renewal(const struct courier *c)
{
	int64_t now = dd_now_ms(), half = (c->lease_until_ms - now) / 2;
	return now + (half > RENEW_MS ? RENEW_MS : half < RENEW_LEAST_MS ? RENEW_LEAST_MS : half);
}

static bool first_renewal(struct courier *c)
{
	struct dd_err err = { 0 };
	int r = 0;

	for (unsigned try = 0; r == 0 && try < FIRST_TRIES && host_lives(c); try++) {
		pause_ms(c, github_pause_ms(try));
		r = renew(c, &err);
	}
	c->renew_ms = next_renewal(c);
	if (r == 1)
		return true;
	c->lost = true;
	say(c, COURIER_LOST, err.code ? err.msg : "the lease of the job cannot be renewed");
	return false;
}

static void keep_lease(struct courier *c)
{
	struct dd_err err = { 0 };
	int64_t now = dd_now_ms();

	if (c->lost || now < c->renew_ms)
		return;
	int r = renew(c, &err);
	if (r == 1) {
		c->renew_ms = next_renewal(c);
		c->told_renew = false;
		return;
	}
	if (r == 0 && dd_now_ms() < c->lease_until_ms + LEASE_GRACE_MS) {
		c->renew_ms = dd_now_ms() + RENEW_AGAIN_MS;
		if (!c->told_renew)
			say(c, COURIER_TOLD, err.msg);
		c->told_renew = true;
		return;
	}
	c->lost = true;
	say(c, COURIER_LOST, err.msg);
}

/* ---- the spool ---- */

static struct record *record_at(struct courier *c, long long n)
{
	return n >= 1 && (size_t)n <= c->n ? &c->records[n - 1] : NULL;
}

static char *copy(const json_t *event, const char *name)
{
	const char *text = message_text(event, name);
	return strdup(text ? text : "");
}

static void on_begin(struct courier *c, const json_t *event)
{
	struct record *more = c->n < SPOOL_RECORDS_MAX
	                              ? realloc(c->records, (c->n + 1) * sizeof(*more))
	                              : NULL;
	if (!more)
		return;
	c->records = more;
	more[c->n] = (struct record){ .number = (unsigned)c->n + 1,
		                      .id = copy(event, "id"),
		                      .name = copy(event, "name"),
		                      .began = copy(event, "at"),
		                      .dirty = true,
		                      .notes = json_array() };
	c->n++;
}

static void on_end(struct courier *c, const json_t *event)
{
	struct record *r = record_at(c, message_number(event, "n", 0));
	if (!r || r->ended)
		return;
	r->ended = copy(event, "at");
	r->conclusion = copy(event, "conclusion");
	r->log_there = r->summary_there = r->number <= c->kept.brought;
	r->dirty = r->number > c->kept.told;
}

static void on_summary(struct courier *c, const json_t *event)
{
	struct record *r = record_at(c, message_number(event, "n", 0));
	if (r)
		r->summary = true;
}

static void add_number(json_t *to, const char *name, const json_t *event, const char *from)
{
	long long n = message_number(event, from, 0);
	if (n > 0)
		(void)json_object_set_new(to, name, json_integer(n));
}

static void on_note(struct courier *c, const json_t *event)
{
	struct record *r = record_at(c, message_number(event, "n", 0));
	/* where the server shows none of the job as a whole, "Set up job" has them */
	if (!r && !c->address.wants_annotations)
		r = record_at(c, 1);
	json_t *list = r ? r->notes : c->notes;
	const char *texts[] = { "level", "message", "title", "path" };
	json_t *note = json_object();

	if (!list || json_array_size(list) >= NOTES_PER_STEP || !note) {
		json_decref(note);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char *text = message_text(event, texts[i]);
		if (text && *text)
			(void)json_object_set_new(note, texts[i], json_string(text));
	}
	add_number(note, "startLine", event, "line");
	add_number(note, "endLine", event,
	           message_number(event, "end_line", 0) ? "end_line" : "line");
	add_number(note, "startColumn", event, "column");
	add_number(note, "endColumn", event, "end_column");
	if (r)
		(void)json_object_set_new(note, "stepNumber", json_integer(r->number));
	(void)json_array_append_new(list, note);
}

static void on_over(struct courier *c, const json_t *event)
{
	if (c->over)
		return;
	c->over = true;
	c->conclusion = copy(event, "conclusion");
	c->outputs = json_incref(message_member(event, "outputs"));
}

static void on_event(struct courier *c, const char *line, size_t len)
{
	static const struct {
		const char *name;
		void (*take)(struct courier *c, const json_t *event);
	} rows[] = {
		{ "begin", on_begin }, { "end", on_end },   { "summary", on_summary },
		{ "note", on_note },   { "over", on_over },
	};
	char why[100];
	json_t *event = message_json_load(line, len, why, sizeof(why));
	const char *name = message_text(event, "e");

	for (size_t i = 0; name && i < ARRAY_LEN(rows); i++)
		if (strcmp(name, rows[i].name) == 0)
			rows[i].take(c, event);
	json_decref(event);
}

/* All whole lines that are new. */
static void read_events(struct courier *c)
{
	for (;;) {
		if (c->cap - c->len < 4096) {
			size_t cap = c->cap ? 2 * c->cap : 16384;
			char *more = cap <= LINE_MAX_BYTES ? realloc(c->line, cap) : NULL;
			if (!more)
				return;
			c->line = more;
			c->cap = cap;
		}
		ssize_t n = read(c->events, c->line + c->len, c->cap - c->len);
		if (n <= 0)
			return;
		c->len += (size_t)n;
		char *from = c->line, *end = c->line + c->len, *eol;
		while ((eol = memchr(from, '\n', (size_t)(end - from)))) {
			on_event(c, from, (size_t)(eol - from));
			from = eol + 1;
		}
		c->len = (size_t)(end - from);
		memmove(c->line, from, c->len);
	}
}

/* ---- what the server sees of steps ---- */

static const struct conclusion_row {
	const char *name;
	int number;
} conclusion_rows[] = {
	{ "succeeded", 2 },
	{ "failed", 3 },
	{ "canceled", 4 },
	{ "skipped", 7 },
};

static int conclusion_number(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_LEN(conclusion_rows); i++)
		if (strcmp(conclusion_rows[i].name, name) == 0)
			return conclusion_rows[i].number;
	return 0;
}

static json_t *state_of(const struct record *r)
{
	return json_pack("{s:s, s:i, s:s, s:i, s:i, s:s, s:s?}", "external_id", r->id, "number",
	                 (int)r->number, "name", r->name, "status", r->ended ? 6 : 3, "conclusion",
	                 r->ended ? conclusion_number(r->conclusion) : 0, "started_at", r->began,
	                 "completed_at", r->ended);
}

/* Best effort: what did not arrive goes with the next. */
static void tell_states(struct courier *c, bool at_once)
{
	struct github_answer answer;
	struct dd_err err = { 0 };
	json_t *steps = json_array();
	size_t n = 0;

	if (!*c->address.results || (!at_once && dd_now_ms() < c->update_ms)) {
		json_decref(steps);
		return;
	}
	for (size_t i = 0; i < c->n; i++)
		if (c->records[i].dirty &&
		    json_array_append_new(steps, state_of(&c->records[i])) == 0)
			n++;
	if (n == 0) {
		json_decref(steps);
		return;
	}
	c->update_ms = dd_now_ms() + UPDATE_MS;
	c->kept.change_order++;
	keep(c);
	json_t *body = ids(c, NULL);
	(void)json_object_set_new(body, "change_order", json_integer(c->kept.change_order));
	(void)json_object_set_new(body, "steps", steps);
	if (ask(c, c->address.results, UPDATES, body, &answer, &err) < 0) {
		c->update_ms = dd_now_ms() + UPLOAD_AGAIN_MS;
		return;
	}
	for (size_t i = 0; answer.status >= 200 && answer.status <= 299 && i < c->n; i++)
		c->records[i].dirty = false;
	while ((size_t)c->kept.told < c->n && c->records[c->kept.told].ended &&
	       !c->records[c->kept.told].dirty)
		c->kept.told++;
	keep(c);
	github_answer_done(&answer);
}

/* ---- logs ---- */

/* A place to put bytes: asked for anew for each block. False: none. */
static bool signed_url(struct courier *c, const char *method, const char *step, const char *field,
                       char ret[GITHUB_URL_MAX], bool *azure, struct dd_err *err)
{
	struct github_answer answer;
	if (ask(c, c->address.results, method, ids(c, step), &answer, err) < 0)
		return false;
	const char *url = message_text(answer.said, field);
	const char *type = message_text(answer.said, "blob_storage_type");
	bool good = url && strlen(url) < GITHUB_URL_MAX - 64 &&
	            strncasecmp(url, "https://", 8) == 0;

	if (good)
		(void)snprintf(ret, GITHUB_URL_MAX, "%s", url);
	else
		(void)dd_err_say(err, EBADMSG,
		                 "the results service gives no place for a log: "
		                 "HTTP %ld",
		                 answer.status);
	*azure = !type || strcmp(type, "BLOB_STORAGE_TYPE_AZURE") == 0;
	github_answer_done(&answer);
	return good;
}

struct block {
	const char *tail;       /* of the address */
	const char *headers[2]; /* of the blob store */
	const char *type;
};

/* No token goes along: the address is the right. */
static bool put_block(struct courier *c, const char *url, bool azure, const struct block *block,
                      const char *bytes, size_t len, struct dd_err *err)
{
	struct http_answer answer;
	char whole[GITHUB_URL_MAX + 64];

	(void)snprintf(whole, sizeof(whole), "%s%s%s", url,
	               *block->tail ? strchr(url, '?') ? "&" : "?" : "", block->tail);
	const struct http_request request = {
		.method = "PUT",
		.url = whole,
		.headers = { azure ? block->headers[0] : NULL, azure ? block->headers[1] : NULL },
		.type = block->type,
		.body = bytes,
		.body_len = len,
		.tls_only = true,
		.timeout_sec = 100,
	};
	if (http_ask(c->http, &request, &answer, err) < 0)
		return false;
	bool good = answer.status >= 200 && answer.status <= 299;
	if (!good)
		(void)dd_err_say(err, EIO, "the store takes no log: HTTP %ld", answer.status);
	http_answer_done(&answer);
	return good;
}

/* What a log is read from: one file of the spool, or all of them. */
struct source {
	int fd;
	unsigned number, last; /* files log-number to log-last */
	uint64_t left;
};

static size_t source_read(struct courier *c, struct source *s, char *to, size_t room)
{
	size_t got = 0;
	while (got < room) {
		if (s->fd < 0) {
			char name[40];
			if (s->number > s->last)
				return got;
			(void)snprintf(name, sizeof(name), "log-%u", s->number++);
			s->fd = openat(c->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
			if (s->fd < 0)
				continue;
		}
		ssize_t n = read(s->fd, to + got, room - got);
		if (n > 0) {
			got += (size_t)n;
			continue;
		}
		dd_close(s->fd);
		s->fd = -1;
	}
	return got;
}

static uint64_t source_size(const struct courier *c, unsigned first, unsigned last)
{
	uint64_t all = 0;
	for (unsigned i = first; i <= last; i++) {
		char name[40];
		struct stat st;
		(void)snprintf(name, sizeof(name), "log-%u", i);
		if (fstatat(c->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			all += (uint64_t)st.st_size;
	}
	return all;
}

/* Of the job as a whole (@step NULL) or of one step. */
static bool bring_blocks(struct courier *c, const char *step, struct source *s, char *room,
                         long long *lines, struct dd_err *err)
{
	static const struct block whole = { "", { "x-ms-blob-type: BlockBlob" }, "text/plain" },
				  first = { "", { "x-ms-blob-type: AppendBlob" }, "text/plain" },
				  more = { "comp=appendblock",
		                           { "x-ms-blob-sealed: False" },
		                           NULL },
				  last = { "comp=appendblock&seal=true",
		                           { "x-ms-blob-sealed: True" },
		                           NULL };
	const char *method = step ? RECEIVER "GetStepLogsSignedBlobURL"
	                          : RECEIVER "GetJobLogsSignedBlobURL";
	char url[GITHUB_URL_MAX];
	bool azure = true, one = s->left <= BLOCK_BYTES;

	if (!signed_url(c, method, step, "logs_url", url, &azure, err) ||
	    (!one && !put_block(c, url, azure, &first, "", 0, err)))
		return false;
	for (bool begun = false; s->left > 0; begun = true) {
		size_t n = source_read(c, s, room, s->left < BLOCK_BYTES ? s->left : BLOCK_BYTES);
		if (n == 0)
			return dd_err_say(err, EIO, "a log is shorter than it was") == 0;
		s->left -= n;
		for (size_t i = 0; i < n; i++)
			*lines += room[i] == '\n';
		keep_lease(c);
		if (!one && begun && !signed_url(c, method, step, "logs_url", url, &azure, err))
			return false;
		if (!put_block(c, url, azure, one ? &whole : s->left ? &more : &last, room, n, err))
			return false;
	}
	return true;
}

static bool bring_log(struct courier *c, const char *step, unsigned from, unsigned to,
                      struct dd_err *err)
{
	struct source s = {
		.fd = -1, .number = from, .last = to, .left = source_size(c, from, to)
	};
	struct github_answer answer;
	long long lines = 0;
	char now[32];

	if (s.left == 0)
		return true;
	dd_auto_free char *room = malloc(BLOCK_BYTES);
	bool good = room && bring_blocks(c, step, &s, room, &lines, err);

	dd_close(s.fd);
	if (!good)
		return false;
	json_t *body = ids(c, step);
	github_time(github_now_ms(), now);
	(void)json_object_set_new(body, "uploaded_at", json_string(now));
	(void)json_object_set_new(body, "line_count", json_integer(lines));
	if (ask(c, c->address.results,
	        step ? RECEIVER "CreateStepLogsMetadata" : RECEIVER "CreateJobLogsMetadata", body,
	        &answer, err) < 0)
		return false;
	good = answer.status >= 200 && answer.status <= 299;
	if (!good)
		(void)dd_err_say(err, EIO, "the results service does not take a log: HTTP %ld",
		                 answer.status);
	github_answer_done(&answer);
	return good;
}

static bool bring_summary(struct courier *c, const struct record *r, struct dd_err *err)
{
	static const struct block block = { "", { "x-ms-blob-type: BlockBlob" }, "text/markdown" };
	struct github_answer answer;
	char name[40], now[32], url[GITHUB_URL_MAX];
	bool azure = true;
	dd_auto_free char *text = malloc(BLOCK_BYTES);

	(void)snprintf(name, sizeof(name), "summary-%u", r->number);
	dd_auto_fd int fd = openat(c->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = text && fd >= 0 ? read(fd, text, BLOCK_BYTES) : -1;
	if (n <= 0)
		return true; /* there is none */
	if (!signed_url(c, RECEIVER "GetStepSummarySignedBlobURL", r->id, "summary_url", url,
	                &azure, err) ||
	    !put_block(c, url, azure, &block, text, (size_t)n, err))
		return false;
	json_t *body = ids(c, r->id);
	github_time(github_now_ms(), now);
	(void)json_object_set_new(body, "uploaded_at", json_string(now));
	(void)json_object_set_new(body, "size", json_integer(n));
	if (ask(c, c->address.results, RECEIVER "CreateStepSummaryMetadata", body, &answer, err) <
	    0)
		return false;
	github_answer_done(&answer);
	return true;
}

/* What a courier after this one need not bring again. */
static void note_brought(struct courier *c)
{
	while ((size_t)c->kept.brought < c->n) {
		const struct record *r = &c->records[c->kept.brought];
		if (!r->ended || !r->log_there || (r->summary && !r->summary_there))
			break;
		c->kept.brought++;
	}
	keep(c);
}

/* One of them; true: there was something to do. A service that is slow or down costs time between
 * two looks at the lease, so there is one try, and the next one later. */
static bool bring_something(struct courier *c)
{
	for (size_t i = 0; *c->address.results && i < c->n; i++) {
		struct record *r = &c->records[i];
		struct dd_err err = { 0 };
		bool log = r->ended && !r->log_there,
		     summary = r->ended && r->summary && !r->summary_there;
		if ((!log && !summary) || dd_now_ms() < r->again_ms)
			continue;
		if (log)
			r->log_there = bring_log(c, r->id, r->number, r->number, &err);
		if (summary && (r->log_there || !log))
			r->summary_there = bring_summary(c, r, &err);
		r->again_ms = dd_now_ms() + UPLOAD_AGAIN_MS;
		note_brought(c);
		if (err.code && !c->told_log)
			say(c, COURIER_TOLD, err.msg);
		c->told_log |= err.code != 0;
		return !err.code;
	}
	return false;
}

static bool all_there(const struct courier *c)
{
	for (size_t i = 0; *c->address.results && i < c->n; i++)
		if (!c->records[i].log_there ||
		    (c->records[i].summary && !c->records[i].summary_there) || c->records[i].dirty)
			return false;
	return !*c->address.results || c->job_log_there;
}

static void bring_job_log(struct courier *c)
{
	struct dd_err err = { 0 };

	if (!*c->address.results || c->job_log_there || dd_now_ms() < c->job_log_again_ms)
		return;
	c->job_log_there = bring_log(c, NULL, 1, (unsigned)c->n, &err);
	c->job_log_again_ms = dd_now_ms() + UPLOAD_AGAIN_MS;
}

/* ---- the end ---- */

static json_t *result_of(const struct record *r)
{
	return json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:O}", "external_id", r->id, "number",
	                 (int)r->number, "name", r->name, "status", "completed", "conclusion",
	                 r->conclusion ? r->conclusion : "failed", "started_at", r->began,
	                 "completed_at", r->ended ? r->ended : r->began, "annotations", r->notes);
}

static json_t *completion(const struct courier *c)
{
	json_t *steps = json_array(), *outputs = json_object(), *value;
	const char *name;

	for (size_t i = 0; i < c->n; i++)
		(void)json_array_append_new(steps, result_of(&c->records[i]));
	json_object_foreach(c->outputs, name, value)
	{
		(void)json_object_set_new(outputs, name,
		                          json_pack("{s:O, s:b}", "value", value, "isSecret", 0));
	}
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:O, s:[], s:s}", "planId", c->address.plan_id,
	                 "jobId", c->address.job_id, "conclusion", c->conclusion, "outputs",
	                 outputs, "stepResults", steps, "annotations", c->notes, "telemetry",
	                 "billingOwnerId", c->address.billing_owner);
}

static void complete(struct courier *c)
{
	const bool before = c->kept.complete != 0; /* by a courier that died since */
	struct dd_err err = { 0 };
	char text[200];

	c->kept.complete = 1;
	keep(c);
	for (unsigned try = 0; try < COMPLETE_TRIES; try++) {
		struct github_answer answer;
		pause_ms(c, github_pause_ms(try));
		/* one try at a time: whether one before arrived decides what a 404 means */
		if (ask_times(c, c->address.run_service, "completejob", completion(c), 1, &answer,
		              &err) < 0)
			continue;
		long code = github_answer_code(&answer);
		(void)dd_err_say(&err, EIO, "the server does not take the result: HTTP %ld%s", code,
		                 github_answer_text(&answer, text));
		github_answer_done(&answer);
		bool good = code >= 200 && code <= 299;
		/* the one before may have arrived, and only its answer not */
		if (good || (code == 404 && (try > 0 || before))) {
			c->kept.complete = 2;
			keep(c);
			say(c, COURIER_COMPLETE, NULL);
			return;
		}
		if (code == 401 || code == 404)
			break;
	}
	say(c, COURIER_LEFT, err.msg);
}

/* Logs first: the server takes none of a job that is complete. They have a minute. */
static void finish(struct courier *c)
{
	int64_t until = dd_now_ms() + DRAIN_MS;

	tell_states(c, true);
	while (!c->lost && dd_now_ms() < until && !all_there(c)) {
		keep_lease(c);
		if (bring_something(c))
			continue;
		bring_job_log(c);
		tell_states(c, false);
		if (!all_there(c))
			pause_ms(c, LOOK_MS);
	}
	if (c->lost)
		return;
	if (!all_there(c))
		say(c, COURIER_TOLD,
		    "the server has not taken all logs of the job; they are in its "
		    "record's directory on this host");
	complete(c);
}

/* ---- the loop ---- */

/* Whoever ran the job is gone without a word: it failed, and the server is told so once. */
static void on_orphan(struct courier *c)
{
	c->orphan = true;
	read_events(c);
	if (c->over)
		return;
	c->over = true;
	c->conclusion = strdup("failed");
	for (size_t i = 0; i < c->n; i++)
		if (!c->records[i].ended) {
			c->records[i].ended = strdup(c->records[i].began);
			c->records[i].conclusion = strdup("failed");
			c->records[i].dirty = true;
		}
	json_t *list = c->address.wants_annotations || c->n == 0 ? c->notes : c->records[0].notes;
	(void)json_array_append_new(list,
	                            json_pack("{s:s, s:s}", "level", "failure", "message",
	                                      "drydock was ended from outside while the job ran"));
}

static void run(struct courier *c)
{
	if (!first_renewal(c))
		return;
	say(c, COURIER_GO, NULL);
	while (!c->over && !c->lost) {
		read_events(c);
		keep_lease(c);
		tell_states(c, false);
		if (!c->over && bring_something(c))
			continue;
		if (!c->over && !host_lives(c))
			on_orphan(c);
		if (!c->over)
			pause_ms(c, LOOK_MS);
	}
	if (!c->lost)
		finish(c);
}

int github_courier_main(void *arg, int sock, const int *lent)
{
	struct courier c = { .work = arg,
		             .sock = sock,
		             .dir = lent[COURIER_LENT_DIR],
		             .state = lent[COURIER_LENT_STATE],
		             .notes = json_array() };
	struct dd_err err = { 0 };

	(void)!pread(c.state, &c.kept, sizeof(c.kept), 0);
	c.events = openat(c.dir, "events", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (c.events < 0)
		(void)dd_err_set(&err, errno, "read the spool of a job");
	if (c.events < 0 || job_address_read(c.work->message, c.work->len, &c.address, &err) < 0 ||
	    http_new(&(struct http_tls){ .ca = c.work->ca }, &c.http, &err) < 0) {
		say(&c, COURIER_LEFT, err.msg);
		return 1;
	}
	run(&c);
	job_address_done(&c.address);
	http_free(c.http);
	return 0;
}
