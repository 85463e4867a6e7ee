// SPDX-License-Identifier: Apache-2.0
/* gl_sender.c - see gl_sender.h.
 *
 * Runs in: courier (all but the last section); job's host. The log is a file that others append to,
 * so where it stands is asked of the file and never remembered for it. */
#include "gl_sender.h"

#include "drydock/clock.h"
#include "drydock/fd.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum {
	TICK_MS = 3000,
	TOUCH_MS = 30000,
	FINAL_TRIES = 10,
	PAUSE_MIN_MS = 1000,
	PAUSE_MAX_MS = 60 * 60 * 1000,
	ACCEPT_TRIES = 5,
};

struct sender {
	int sock, trace, spool;
	struct wire *wire;
	struct gl_job_ref job;
	bool debug;
	unsigned tick_ms;
	uint64_t sent;
	int64_t heard_ms; /* when the server last took something */
	bool cancelled, aborted;
	bool ended, gone; /* the job is over; nobody is there to hear us */
	struct sender_end end;
	char *chunk;
};

/* ---- with the job's host ---- */

static void sender_tell(struct sender *s, enum sender_frame kind, const char *text)
{
	const struct frame f = { .kind = kind,
		                 .len = text ? (uint32_t)strlen(text) : 0,
		                 .bytes = (char *)(uintptr_t)text };
	if (frame_send(s->sock, &f) < 0)
		s->gone = true;
}

static void sender_wish(struct sender *s, enum gl_wish wish, bool abort)
{
	if ((abort || wish == GL_ABORT) && !s->aborted) {
		s->aborted = true;
		sender_tell(s, SENDER_ABORT, NULL);
	} else if (wish == GL_CANCEL && !s->cancelled && !s->aborted) {
		s->cancelled = true;
		sender_tell(s, SENDER_CANCEL, NULL);
	}
}

static void sender_upload(struct sender *s, const struct frame *f)
{
	struct gl_upload what;
	char said[GL_SAID_MAX] = "";
	memcpy(&what, f->bytes, sizeof(what));
	enum gl_uploaded done = gl_upload(s->wire, &s->job, &what, said);
	const struct frame answer = {
		.kind = SENDER_UPLOADED, .a = done, .len = (uint32_t)strlen(said), .bytes = said
	};
	if (frame_send(s->sock, &answer) < 0)
		s->gone = true;
}

static void sender_download(struct sender *s, const struct frame *f)
{
	char said[GL_SAID_MAX] = "";
	uint64_t len = 0;
	enum gl_uploaded done = gl_download(s->wire, &s->job, f->a, s->spool, (uint64_t)f->b, &len,
	                                    said);
	const struct frame answer = { .kind = SENDER_DOWNLOADED,
		                      .a = done,
		                      .b = (int64_t)len,
		                      .len = (uint32_t)strlen(said),
		                      .bytes = said };
	if (frame_send(s->sock, &answer) < 0)
		s->gone = true;
}

/* False: the other side is gone, or says what it must not. */
static bool sender_hear(struct sender *s)
{
	struct frame f = { .bytes = NULL };
	if (frame_recv(s->sock, &f) != 1) {
		s->gone = true;
		return false;
	}
	bool fine = f.kind == SENDER_END && f.len == sizeof(s->end);
	if (f.kind == SENDER_DOWNLOAD && f.b >= 0) {
		sender_download(s, &f);
		frame_done(&f);
		return true;
	}
	if (f.kind == SENDER_UPLOAD && f.len == sizeof(struct gl_upload)) {
		sender_upload(s, &f);
		frame_done(&f);
		return true;
	}
	if (fine) {
		memcpy(&s->end, f.bytes, sizeof(s->end));
		s->end.state[sizeof(s->end.state) - 1] = '\0';
		s->end.reason[sizeof(s->end.reason) - 1] = '\0';
		s->ended = true;
	}
	frame_done(&f);
	return fine;
}

static void sender_wait(struct sender *s, int64_t ms)
{
	struct pollfd p = { .fd = s->sock, .events = POLLIN };
	if (!s->ended && !s->gone && poll(&p, 1, (int)ms) > 0)
		(void)sender_hear(s);
	else if (s->ended && ms > 0)
		(void)poll(NULL, 0, (int)ms);
}

/* ---- the log ---- */

static uint64_t trace_size(const struct sender *s)
{
	struct stat st;
	return fstat(s->trace, &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size : 0;
}

/* CRC of the first @size bytes. */
static uint32_t trace_crc(const struct sender *s, uint64_t size)
{
	uLong crc = crc32(0, NULL, 0);
	for (uint64_t at = 0; at < size;) {
		size_t want = size - at < GL_PATCH_MAX ? (size_t)(size - at) : GL_PATCH_MAX;
		ssize_t n = pread(s->trace, s->chunk, want, (off_t)at);
		if (n <= 0)
			break;
		crc = crc32(crc, (const Bytef *)s->chunk, (uInt)n);
		at += (uint64_t)n;
	}
	return (uint32_t)crc;
}

enum sent { SENT_ALL, SENT_SOME, SENT_FAILED, SENT_ABORTED };

/* One patch at most. */
static enum sent send_some(struct sender *s)
{
	struct gl_reply reply;
	uint64_t size = trace_size(s);
	if (s->sent > size)
		s->sent = size;
	if (s->sent == size)
		return SENT_ALL;
	size_t want = size - s->sent < GL_PATCH_MAX ? (size_t)(size - s->sent) : GL_PATCH_MAX;
	ssize_t n = pread(s->trace, s->chunk, want, (off_t)s->sent);
	if (n <= 0)
		return SENT_FAILED;
	enum gl_patch patch = gl_patch_trace(s->wire, &s->job, s->sent, s->chunk, (size_t)n,
	                                     s->debug, &reply);
	if (reply.interval_sec)
		s->tick_ms = reply.interval_sec * 1000;
	sender_wish(s, reply.wish, patch == GL_PATCH_ABORT);
	switch (patch) {
	case GL_PATCH_TAKEN:
		s->sent = reply.offset;
		s->heard_ms = dd_now_ms();
		return s->sent < trace_size(s) ? SENT_SOME : SENT_ALL;
	case GL_PATCH_RANGE:
		s->sent = reply.offset;
		return SENT_SOME;
	case GL_PATCH_ABORT:
		return SENT_ABORTED;
	case GL_PATCH_GIVE_UP:
	case GL_PATCH_FAILED:
	default:
		return SENT_FAILED;
	}
}

static enum gl_put sender_put(struct sender *s, const char *state, const struct sender_end *end,
                              bool first, struct gl_reply *reply)
{
	uint64_t size = first ? 0 : trace_size(s);
	const struct gl_state what = { .state = state,
		                       .reason = end && *end->reason ? end->reason : NULL,
		                       .exit_code = end ? end->exit_code : 0,
		                       .crc = size ? trace_crc(s, size) : 0,
		                       .bytes = size,
		                       .first = first };
	enum gl_put put = gl_put_state(s->wire, &s->job, &what, reply);
	if (reply->interval_sec)
		s->tick_ms = reply->interval_sec * 1000;
	return put;
}

static void sender_touch(struct sender *s)
{
	struct gl_reply reply;
	enum gl_put put = sender_put(s, "running", NULL, false, &reply);
	if (put == GL_PUT_DONE || put == GL_PUT_LATER)
		s->heard_ms = dd_now_ms();
	if (put == GL_PUT_RESEND)
		s->sent = 0;
	sender_wish(s, reply.wish, put == GL_PUT_ABORT);
}

/* ---- a job's three parts ---- */

/* True: it is ours. */
static bool sender_accept(struct sender *s)
{
	struct gl_reply reply = { .wish = GL_GO_ON };
	enum gl_put put = GL_PUT_TRY_AGAIN;
	for (int try = 0; try < ACCEPT_TRIES && put == GL_PUT_TRY_AGAIN; try++) {
		if (try > 0)
			(void)poll(NULL, 0, PAUSE_MIN_MS << (try - 1));
		put = sender_put(s, "running", NULL, true, &reply);
	}
	if (put != GL_PUT_DONE) {
		sender_tell(s, SENDER_DECLINED, reply.said);
		return false;
	}
	s->heard_ms = dd_now_ms();
	/* a wish first: what is not wanted any more is not begun */
	sender_wish(s, reply.wish, false);
	sender_tell(s, SENDER_ACCEPTED, NULL);
	return true;
}

static void sender_stream(struct sender *s)
{
	int64_t next = dd_now_ms() + s->tick_ms;
	while (!s->ended && !s->gone) {
		int64_t left = next - dd_now_ms();
		if (left > 0) {
			sender_wait(s, left);
			continue;
		}
		enum sent sent = s->aborted ? SENT_ABORTED : send_some(s);
		if (sent == SENT_ALL && dd_now_ms() - s->heard_ms > TOUCH_MS)
			sender_touch(s);
		next = dd_now_ms() + (sent == SENT_SOME ? 0 : s->tick_ms);
	}
}

/* Everything that is not there yet. False: not now. */
static bool send_rest(struct sender *s)
{
	for (int rounds = 0; rounds < 10000; rounds++) {
		enum sent sent = send_some(s);
		if (sent != SENT_SOME)
			return sent == SENT_ALL;
	}
	return false;
}

static int64_t pause_of(int tries)
{
	int64_t ms = PAUSE_MIN_MS;
	for (int i = 1; i < tries && ms < PAUSE_MAX_MS; i++)
		ms *= 2;
	return ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS;
}

/* The last word, until it is taken. What waits for the server's own work is not counted. */
static void sender_finish(struct sender *s)
{
	struct gl_reply reply = { .wish = GL_GO_ON };
	s->tick_ms = TICK_MS;
	if (s->aborted) {
		(void)sender_put(s, s->end.state, &s->end, false, &reply);
		sender_tell(s, SENDER_DONE, NULL);
		return;
	}
	for (int tries = 0; tries < FINAL_TRIES;) {
		enum gl_put put = GL_PUT_TRY_AGAIN;
		bool rest = send_rest(s);
		if (s->aborted || rest)
			put = sender_put(s, s->end.state, &s->end, false, &reply);
		if (put == GL_PUT_DONE || put == GL_PUT_ABORT || s->aborted) {
			sender_tell(s, SENDER_DONE, NULL);
			return;
		}
		if (put == GL_PUT_RESEND)
			s->sent = 0;
		if (put == GL_PUT_LATER || put == GL_PUT_RESEND) {
			(void)poll(NULL, 0, (int)s->tick_ms);
			continue;
		}
		(void)poll(NULL, 0, (int)pause_of(++tries));
	}
	sender_tell(s, SENDER_LOST, reply.said);
}

static int sender_main(void *arg, int sock, const int *lent)
{
	const struct gl_instance *instance = arg;
	struct sender s = { .sock = sock, .trace = lent[0], .spool = lent[1], .tick_ms = TICK_MS };
	struct frame f = { .bytes = NULL };
	struct sender_job job;
	struct dd_err err = { 0 };
	if (frame_recv(sock, &f) != 1 || f.kind != SENDER_START || f.len <= sizeof(job))
		return 1;
	memcpy(&job, f.bytes, sizeof(job));
	s.job = (struct gl_job_ref){ job.id, f.bytes + sizeof(job) };
	s.debug = job.debug;
	s.chunk = malloc(GL_PATCH_MAX);
	if (!s.chunk || gl_wire(instance, &s.wire, &err) < 0) {
		sender_tell(&s, SENDER_LOST, err.code ? err.msg : "no memory");
		return 1;
	}
	s.heard_ms = dd_now_ms();
	if (job.accepted || sender_accept(&s)) {
		sender_stream(&s);
		if (s.ended)
			sender_finish(&s);
	}
	wire_free(s.wire);
	free(s.chunk);
	frame_done(&f);
	return 0;
}

/* ---- job's host ---- */

int gl_sender_start(const struct gl_instance *instance, int trace_fd, int spool_fd,
                    struct courier_process *ret, struct dd_err *err)
{
	return courier_process_start(&(struct courier_work){ .run = sender_main,
	                                                     .arg = (void *)(uintptr_t)instance,
	                                                     .lent = { trace_fd, spool_fd },
	                                                     .n_lent = 2,
	                                                     .name = "drydock-voice" },
	                             ret, err);
}

int gl_sender_begin(const struct courier_process *c, const struct sender_job *job,
                    const char *token)
{
	size_t len = sizeof(*job) + strlen(token) + 1;
	char *bytes = malloc(len);
	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, job, sizeof(*job));
	memcpy(bytes + sizeof(*job), token, strlen(token) + 1);
	int r = frame_send(
		c->sock,
		&(struct frame){ .kind = SENDER_START, .len = (uint32_t)len, .bytes = bytes });
	explicit_bzero(bytes, len);
	free(bytes);
	return r;
}

int gl_sender_upload(const struct courier_process *c, const struct gl_upload *what)
{
	return frame_send(c->sock, &(struct frame){ .kind = SENDER_UPLOAD,
	                                            .len = sizeof(*what),
	                                            .bytes = (char *)(uintptr_t)what });
}

int gl_sender_end(const struct courier_process *c, const struct sender_end *end)
{
	return frame_send(c->sock, &(struct frame){ .kind = SENDER_END,
	                                            .len = sizeof(*end),
	                                            .bytes = (char *)(uintptr_t)end });
}

int gl_sender_download(const struct courier_process *c, long long dependency, uint64_t max)
{
	return frame_send(c->sock,
	                  &(struct frame){ .kind = SENDER_DOWNLOAD,
	                                   .a = dependency,
	                                   .b = max < INT64_MAX ? (int64_t)max : INT64_MAX });
}
