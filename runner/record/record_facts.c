// SPDX-License-Identifier: Apache-2.0
/* record_facts.c - the events of a record, one row each, into struct record_facts.
 *
 * Runs in: command line. The record is foreign: its chain is checked before a line gets here. A
 * step's event before its step.start, a second run.start, a phase that does not exist are errors,
 * because whoever reads facts must not have to wonder. */
#include "record_facts.h"

#include "base/named_path.h"
#include "drydock/fd.h"
#include "event_read.h"
#include "record.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

/* What is handed out: the facts and the arena that they live in. */
struct facts_owner {
	struct record_facts facts; /* first: the pointer that callers hold */
	struct plan_arena *arena;
};

/* ---- where an event of the run is put ---- */

static void *place_run_start(const struct facts_reading *r, json_t *line, struct facts_step *none)
{
	struct record_facts *f = r->facts;
	(void)none;
	if (f->start.seq) {
		(void)dd_err_say(r->err, EBADMSG, "the run starts a second time");
		return NULL;
	}
	f->start = event_at(line);
	f->trusted_known = json_is_boolean(json_object_get(line, "trusted"));
	return event_read_text(r, line, "time", &f->start_time) < 0 ? NULL : f;
}

static void *place_run_end(const struct facts_reading *r, json_t *line, struct facts_step *none)
{
	(void)none;
	if (r->facts->end.seq) {
		(void)dd_err_say(r->err, EBADMSG, "the run ends a second time");
		return NULL;
	}
	r->facts->end = event_at(line);
	return r->facts;
}

static void *place_workspace(const struct facts_reading *r, json_t *line, struct facts_step *none)
{
	struct facts_workspace *w = &r->facts->workspace;
	(void)none;
	memcpy(w, event_rows[EVENT_WORKSPACE].shape.empty, sizeof(*w));
	w->at = event_at(line);
	return w;
}

static void *place_narrowed(const struct facts_reading *r, json_t *line, struct facts_step *none)
{
	struct record_facts *f = r->facts;
	(void)none;
	f->narrowed = arena_grow(r->arena, f->narrowed, f->n_narrowed, sizeof(*f->narrowed));
	struct facts_narrowed *one = &f->narrowed[f->n_narrowed++];
	memcpy(one, event_rows[EVENT_POLICY_NARROWED].shape.empty, sizeof(*one));
	one->at = event_at(line);
	return one;
}

static void *place_artifact(const struct facts_reading *r, json_t *line, struct facts_step *none)
{
	struct record_facts *f = r->facts;
	(void)none;
	f->artifacts = arena_grow(r->arena, f->artifacts, f->n_artifacts, sizeof(*f->artifacts));
	struct facts_artifact *one = &f->artifacts[f->n_artifacts++];
	memcpy(one, event_rows[EVENT_ARTIFACT].shape.empty, sizeof(*one));
	one->at = event_at(line);
	return event_read_text(r, line, "step", &one->step) < 0 ? NULL : one;
}

/* One more of a list, empty, with its place in the record and the step that it names. */
#define PLACE_SAID(function, member, n_member, event)                                              \
	static void *function(const struct facts_reading *r, json_t *line,                         \
	                      struct facts_step *none)                                             \
	{                                                                                          \
		struct record_facts *f = r->facts;                                                 \
		(void)none;                                                                        \
		f->member = arena_grow(r->arena, f->member, f->n_member, sizeof(*f->member));      \
		memcpy(&f->member[f->n_member], event_rows[event].shape.empty,                     \
		       sizeof(*f->member));                                                        \
		f->member[f->n_member].at = event_at(line);                                        \
		return event_read_text(r, line, "step", &f->member[f->n_member].step) < 0          \
		               ? NULL                                                              \
		               : &f->member[f->n_member++];                                        \
	}
PLACE_SAID(place_not_run, not_run, n_not_run, EVENT_STEP_NOT_RUN)
PLACE_SAID(place_annotation, annotations, n_annotations, EVENT_ANNOTATION)
PLACE_SAID(place_summary, summaries, n_summaries, EVENT_STEP_SUMMARY)
PLACE_SAID(place_withheld, withheld, n_withheld, EVENT_ENV_WITHHELD)
#undef PLACE_SAID

static void *place_limited(const struct facts_reading *r, json_t *line, struct facts_step *none)
{
	(void)none;
	r->facts->limited.at = event_at(line);
	return &r->facts->limited;
}

/* What a reader must be able to rely on besides the types. */
static int finish_lease(const struct facts_reading *r, void *what)
{
	const struct facts_lease *lease = what;
	return lease->name ? 0 : dd_err_say(r->err, EBADMSG, "a credential without a name");
}

/* What was let through has one reason, and it is that of enforcing. */
static int finish_net(const struct facts_reading *r, void *what)
{
	struct facts_net *net = what;
	(void)r;
	if (net->would_deny && net->kind != FACTS_REFUSED)
		net->would_reason = net->reason;
	return 0;
}

static void add_saturating(int64_t *to, int64_t n)
{
	if (n > 0 && __builtin_add_overflow(*to, n, to))
		*to = INT64_MAX;
}

/* Records of before listed at most so many destinations, said nothing of more, and had no sums. */
enum { LISTED_BEFORE = 256 };

static int finish_gate_close(const struct facts_reading *r, void *what)
{
	struct facts_gate *gate = what;
	(void)r;
	if (gate->total.known)
		return 0;
	for (size_t i = 0; i < gate->n_receipts; i++) {
		const struct facts_receipt *one = &gate->receipts[i];
		add_saturating(&gate->total.destinations, 1);
		add_saturating(&gate->total.connections, one->connections);
		add_saturating(&gate->total.bytes_in, one->bytes_in);
		add_saturating(&gate->total.bytes_out, one->bytes_out);
		add_saturating(&gate->total.denials, one->denials);
	}
	if (gate->n_receipts >= LISTED_BEFORE)
		gate->not_listed.destinations = FACTS_ABSENT;
	return 0;
}

/* A list that is written once is found again where it was. */
static int finish_gate_open(const struct facts_reading *r, void *what)
{
	struct facts_gate *gate = what;
	if (gate->entries_in < 0)
		return 0;
	for (size_t i = 0; i < r->facts->n_steps; i++) {
		const struct facts_gate *listed = &r->facts->steps[i].gate;
		if (listed == gate || listed->opened.seq != (uint64_t)gate->entries_in ||
		    listed->entries_in >= 0)
			continue;
		gate->entries = listed->entries;
		gate->n_entries = listed->n_entries;
		return 0;
	}
	return dd_err_say(r->err, EBADMSG,
	                  "no gate was opened in event %lld, which lists its entries",
	                  (long long)gate->entries_in);
}

/* ---- routing ---- */

/* An event without a row is not read. */
static const struct reading_row {
	/* NULL: @err says why it cannot be */
	void *(*place)(const struct facts_reading *r, json_t *line, struct facts_step *step);
	int (*finish)(const struct facts_reading *r, void *what);
	bool of_any_step; /* it need not have started */
} reading_rows[EVENT__COUNT] = {
	[EVENT_RUN_START] = { place_run_start },
	[EVENT_RUN_END] = { place_run_end },
	[EVENT_POLICY_NARROWED] = { place_narrowed },
	[EVENT_WORKSPACE] = { place_workspace },
	[EVENT_RECORD_LIMITED] = { place_limited },
	[EVENT_ARTIFACT] = { place_artifact },
	[EVENT_STEP_START] = { facts_place_step_start },
	[EVENT_STEP_END] = { facts_place_step_end },
	[EVENT_GATE_OPEN] = { facts_place_gate_open, finish_gate_open },
	[EVENT_GATE_CLOSE] = { facts_place_gate_close, finish_gate_close },
	[EVENT_NET_ALLOW] = { facts_place_net, finish_net },
	[EVENT_NET_DENY] = { facts_place_net, finish_net },
	[EVENT_DNS_ALLOW] = { facts_place_net, finish_net },
	[EVENT_DNS_DENY] = { facts_place_net, finish_net },
	[EVENT_SYS_DENY] = { facts_place_sys_deny },
	[EVENT_CRED_GRANT] = { facts_place_cred_grant, finish_lease },
	[EVENT_VIOLATION] = { facts_place_violation },
	[EVENT_FS_DELTA] = { facts_place_fs_delta },
	[EVENT_STEP_NOT_RUN] = { place_not_run, .of_any_step = true },
	[EVENT_ANNOTATION] = { place_annotation, .of_any_step = true },
	[EVENT_STEP_SUMMARY] = { place_summary, .of_any_step = true },
	[EVENT_ENV_WITHHELD] = { place_withheld, .of_any_step = true },
};

/* The latest of that name: nothing forbids two steps with one id, and events follow their
 * step.start. */
static struct facts_step *step_named(const struct record_facts *facts, const char *ref)
{
	for (size_t i = facts->n_steps; ref && i > 0; i--)
		if (strcmp(facts->steps[i - 1].ref, ref) == 0)
			return &facts->steps[i - 1];
	return NULL;
}

static int route(const struct facts_reading *r, json_t *line)
{
	enum event event = event_named(json_string_value(json_object_get(line, "event")));
	if (event == EVENT__COUNT || !reading_rows[event].place)
		return 0;
	struct facts_step *step = NULL;
	if (event_rows[event].of == EVENT_OF_STEP && event != EVENT_STEP_START &&
	    !reading_rows[event].of_any_step) {
		step = step_named(r->facts, json_string_value(json_object_get(line, "step")));
		if (!step)
			return dd_err_say(r->err, EBADMSG,
			                  "the event %s names no step that has started",
			                  event_rows[event].name);
	}
	void *what = reading_rows[event].place(r, line, step);
	int code = what ? event_read(r, line, event, what) : -EBADMSG;
	return code == 0 && reading_rows[event].finish ? reading_rows[event].finish(r, what) : code;
}

static void note_jump(const struct facts_reading *r, json_t *line)
{
	struct record_facts *f = r->facts;
	const json_t *ms = json_object_get(line, "clock_jump_ms");
	if (!ms)
		return;
	f->jumps = arena_grow(r->arena, f->jumps, f->n_jumps, sizeof(*f->jumps));
	f->jumps[f->n_jumps++] = (struct facts_jump){ .at = event_at(line),
		                                      .ms = json_integer_value(ms) };
}

static int read_line(void *arg, json_t *line)
{
	const struct facts_reading *r = arg;
	note_jump(r, line);
	int code = route(r, line);
	return code == 0 ? 0
	                 : dd_err_ctx(r->err, code, "line %llu",
	                              (unsigned long long)event_at(line).seq);
}

static int scan(struct facts_reading *r, int fd, const char *path)
{
	struct record_state state;
	struct stat st;
	if (fstat(fd, &st) < 0)
		return dd_err_set(r->err, errno, "look at the record");
	if (st.st_size > FACTS_FILE_MAX)
		return dd_err_say(r->err, E2BIG, "larger than %d MiB",
		                  FACTS_FILE_MAX / 1024 / 1024);
	int code = record_scan(fd, &state, read_line, r, r->err);
	if (code < 0)
		return code;
	struct record_facts *f = r->facts;
	f->path = arena_strdup(r->arena, path);
	f->run = arena_strdup(r->arena, state.run);
	f->job = arena_strdup(r->arena, state.job);
	f->lines = state.lines;
	f->torn_bytes = state.torn_bytes;
	memcpy(f->head, state.head, sizeof(f->head));
	return f->start.seq ? 0 : dd_err_say(r->err, EBADMSG, "no run starts in it");
}

int record_facts_read(int fd, const char *path, struct record_facts **ret, struct dd_err *err)
{
	struct plan_arena *arena = arena_new();
	struct facts_owner *owner = arena_alloc(arena, sizeof(*owner));
	/* lines put their number in front of it, so there must be one */
	struct dd_err local = { 0 };
	struct facts_reading r = { .arena = arena,
		                   .facts = &owner->facts,
		                   .err = err ? err : &local };
	owner->arena = arena;
	memcpy(&owner->facts, event_rows[EVENT_RUN_START].shape.empty, sizeof(owner->facts));
	int code = scan(&r, fd, path);
	if (code < 0) {
		arena_free(arena);
		return dd_err_ctx(err, code, "%s", path);
	}
	*ret = &owner->facts;
	return 0;
}

int record_facts_load(const char *path, struct record_facts **ret, struct dd_err *err)
{
	dd_auto_fd int fd = -1;
	int opened = named_open(path, O_RDONLY | O_NONBLOCK, 0, &fd, NULL, err);
	if (opened < 0)
		return dd_err_ctx(err, opened, "the record");
	return record_facts_read(fd, path, ret, err);
}

void record_facts_free(struct record_facts *facts)
{
	if (facts)
		arena_free(((struct facts_owner *)(void *)facts)->arena);
}
