// SPDX-License-Identifier: Apache-2.0
/* gl_stages.c - see gl_stages.h.
 *
 * Runs in: supervisor. Order: the script that it is around says which segment is next; that waits
 * until somebody asks for its stage. A stage is over when what comes next is of another one. */
#include "gl_stages.h"

#include "base/interrupt.h"
#include "drydock/clock.h"
#include "drydock/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 200, AFTER_DEADLINE_MS = 15 * 60 * 1000 };

struct gl_stages {
	struct gl_stages_spec spec;
	struct job_script script;
	struct step_order order; /* that waits for its stage */
	bool waits, over;        /* over: the script inside has no more */
	enum job_conclusion conclusion;
	/* the stage at hand */
	int asker;
	char stage[GL_STAGE_NAME_MAX];
	enum gl_result before; /* what the job had come to when it began */
	bool ran;
};

/* Stages in the order in which the runner calls them, and what belongs to each. */
static const struct stage_row {
	const char *stage;
	enum gl_kind kind;
	const char *step; /* of the message; NULL: of drydock's own */
} stage_rows[] = {
	{ "get_sources", GL_GET_SOURCES, NULL },
	{ "restore_cache", GL_RESTORE_CACHE, NULL },
	{ "download_artifacts", GL_GET_ARTIFACTS, NULL },
	{ "build_script", GL_OF_SCRIPT, "script" },
	{ "step_script", GL_OF_SCRIPT, "script" },
	{ "step_", GL_OF_SCRIPT, "" }, /* and any name */
	{ "after_script", GL_OF_SCRIPT, "after_script" },
	{ "archive_cache", GL_ARCHIVE_CACHE, NULL },
	{ "archive_cache_on_failure", GL_ARCHIVE_CACHE, NULL },
};

static const struct stage_row *stage_row(const char *stage)
{
	for (size_t i = 0; i < ARRAY_LEN(stage_rows); i++) {
		const struct stage_row *row = &stage_rows[i];
		size_t len = strlen(row->stage);
		bool any = row->step && !*row->step;
		if (any ? strncmp(stage, row->stage, len) == 0 && stage[len]
		        : strcmp(stage, row->stage) == 0)
			return row;
	}
	return NULL;
}

bool gl_stage_is_known(const char *stage)
{
	return stage_row(stage) != NULL;
}

bool gl_stage_may_be_empty(const char *stage)
{
	const struct stage_row *row = stage_row(stage);
	return row && !row->step;
}

static const struct stage_row *row_of_order(const struct gl_stages *s)
{
	const struct gl_segment *segment = &s->spec.front->plan->segments[s->order.grant - 1];
	for (size_t i = 0; i < ARRAY_LEN(stage_rows); i++) {
		const struct stage_row *row = &stage_rows[i];
		if (row->kind == segment->kind &&
		    (!row->step || !*row->step || strcmp(row->step, segment->of->name) == 0))
			return row;
	}
	return &stage_rows[ARRAY_LEN(stage_rows) - 1];
}

/* What comes next belongs to the stage at hand, or is a step of drydock's own that the runner had
 * no stage for: without a configuration for caches it calls none of theirs. */
static bool order_is_of(const struct gl_stages *s, const char *stage)
{
	const struct gl_segment *segment = &s->spec.front->plan->segments[s->order.grant - 1];
	const struct stage_row *asked = stage_row(stage), *next = row_of_order(s);
	if (!asked)
		return false;
	if (asked->kind != segment->kind)
		return segment->kind != GL_OF_SCRIPT && next < asked;
	return !asked->step ||
	       strcmp(*asked->step ? asked->step : stage + 5, segment->of->name) == 0;
}

/* ---- one who asks ---- */

static void stage_log(struct gl_stages *s, int fd)
{
	(void)dup3(fd, s->spec.trace_fd, O_CLOEXEC);
}

static void answer(struct gl_stages *s)
{
	const struct gl_outcome *o = s->spec.front->outcome;
	struct gl_stage_answer a = { .result = s->ran ? GL_SUCCESS : GL_RESULT_NONE };
	if (o->result != s->before && o->result != GL_SUCCESS) {
		a.result = o->result;
		a.exit_code = o->exit_code;
		(void)snprintf(a.why, sizeof(a.why), "%s", o->why);
	}
	stage_log(s, s->spec.log_fd); /* the pipe is at its end before the answer is there */
	(void)dd_send_msg(s->asker, &a, sizeof(a), NULL, 0);
	dd_close_p(&s->asker);
}

/* Who is no process of this account's cannot open the directory; what says nothing in time, or
 * something else than an ask, is let go. */
static void take_asker(struct gl_stages *s)
{
	struct gl_stage_ask ask;
	int log_fd = -1;
	dd_auto_fd int sock = accept4(s->spec.listener, NULL, NULL, SOCK_CLOEXEC);
	const struct timeval patience = { .tv_sec = 2 };
	if (sock < 0 ||
	    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    dd_recv_msg(sock, &ask, sizeof(ask), &log_fd, 1) != 1)
		return;
	ask.stage[sizeof(ask.stage) - 1] = '\0';
	memcpy(s->stage, ask.stage, sizeof(s->stage));
	stage_log(s, log_fd);
	dd_close(log_fd);
	s->asker = dd_take_fd(&sock);
	s->before = s->spec.front->outcome->result;
	s->ran = false;
}

/* False: nobody will ask any more. */
static bool wait_asker(struct gl_stages *s)
{
	while (s->asker < 0) {
		struct pollfd polls[2] = { { .fd = s->spec.listener, .events = POLLIN },
			                   { .fd = s->spec.runner, .events = POLLIN } };
		int n = poll(polls, 2, LOOK_MS);
		if (interrupt_check(NULL) < 0 ||
		    dd_now_ms() > s->spec.front->deadline_ms + AFTER_DEADLINE_MS)
			return false;
		if (n > 0 && polls[1].revents) /* it was killed: its clean-up does not come */
			return false;
		if (n > 0 && polls[0].revents)
			take_asker(s);
	}
	return true;
}

/* ---- the script ---- */

static int stages_begins(void *arg, struct job *job, struct dd_err *err)
{
	struct gl_stages *s = arg;
	int r = s->spec.inner->begins(s->spec.inner->arg, job, err);
	if (r == 0 && write(s->spec.ready, "r", 1) != 1)
		r = dd_err_set(err, errno, "say that the job waits");
	dd_close_p(&s->spec.ready);
	return r;
}

static int ask_inner(struct gl_stages *s, const struct job_so_far *so_far, struct dd_err *err)
{
	int r = s->spec.inner->next(s->spec.inner->arg, so_far, &s->order, &s->conclusion, err);
	s->waits = r == 1;
	s->over = r == 0;
	return r;
}

static int stages_next(void *arg, const struct job_so_far *so_far, struct step_order *ret,
                       enum job_conclusion *ret_conclusion, struct dd_err *err)
{
	struct gl_stages *s = arg;
	for (;;) {
		if (!s->waits && !s->over && ask_inner(s, so_far, err) < 0)
			return -err->code;
		if (s->asker >= 0 && s->waits && order_is_of(s, s->stage)) {
			s->waits = false;
			s->ran = true;
			*ret = s->order;
			return 1;
		}
		if (s->asker >= 0)
			answer(s);
		if (!wait_asker(s))
			break;
	}
	*ret_conclusion = s->over ? s->conclusion : JOB_FAILED;
	return 0;
}

static int stages_ended(void *arg, const struct step_order *order, const struct step_result *result,
                        const struct step_left *left, struct dd_err *err)
{
	struct gl_stages *s = arg;
	return s->spec.inner->ended(s->spec.inner->arg, order, result, left, err);
}

static void stages_over(void *arg, enum step_stream stream, const char *text, size_t len)
{
	struct gl_stages *s = arg;
	s->spec.inner->over(s->spec.inner->arg, stream, text, len);
}

int gl_stages_new(const struct gl_stages_spec *spec, struct gl_stages **ret, struct dd_err *err)
{
	struct gl_stages *s = calloc(1, sizeof(*s));
	if (!s)
		return dd_err_set(err, ENOMEM, "prepare the job");
	s->spec = *spec;
	s->asker = -1;
	s->script = (struct job_script){ .arg = s,
		                         .begins = stages_begins,
		                         .next = stages_next,
		                         .over = stages_over,
		                         .ended = stages_ended };
	*ret = s;
	return 0;
}

const struct job_script *gl_stages_script(struct gl_stages *s)
{
	return &s->script;
}
