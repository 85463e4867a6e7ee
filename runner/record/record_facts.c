// SPDX-License-Identifier: Apache-2.0
/* record_facts.c - the events of a record, one row each, into struct record_facts.
 *
 * Runs in: command line. The record is foreign: its chain is checked before a line gets here. A
 * step's event before its step.start, a second run.start, a phase that does not exist are errors,
 * because whoever reads facts must not have to wonder. */
#include "record_facts.h"

#include "base/named_path.h"
#include "drydock/fd.h"
#include "record.h"
#include "record_fields.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

/* What is handed out: the facts and the arena that they live in. */
struct facts_owner {
	struct record_facts facts; /* first: the pointer that callers hold */
	struct plan_arena *arena;
};

/* ---- the run ---- */

static int read_event(const struct facts_reading *r, json_t *line)
{
	static const struct field_row rows[] = {
		ROW_TEXT(struct facts_event, name),
		ROW_TEXT(struct facts_event, repository),
		ROW_TEXT(struct facts_event, ref),
		ROW_NAMED("protected", FIELD_BOOL, struct facts_event, is_protected),
	};
	json_t *object;
	int code = fields_member(r, line, "forge_event", JSON_OBJECT, &object);
	if (code < 0 || !object)
		return code;
	r->facts->event.known = true;
	return fields_rows(r, object, rows, ARRAY_LEN(rows), &r->facts->event);
}

static int read_policy(const struct facts_reading *r, json_t *line)
{
	static const struct field_row rows[] = {
		ROW_NAMED("path", FIELD_TEXT, struct record_facts, policy_path),
		ROW_NAMED("sha256", FIELD_TEXT, struct record_facts, policy_sha256),
	};
	json_t *object;
	int code = fields_member(r, line, "policy", JSON_OBJECT, &object);
	return code < 0 || !object ? code : fields_rows(r, object, rows, ARRAY_LEN(rows), r->facts);
}

static int read_mode(const struct facts_reading *r, const char *mode)
{
	if (!mode)
		return 0;
	r->facts->mode_known = true;
	r->facts->observed = strcmp(mode, "observe") == 0;
	return r->facts->observed || strcmp(mode, "enforce") == 0
	               ? 0
	               : dd_err_say(r->err, EBADMSG,
	                            "the field mode is neither enforce nor observe");
}

static int on_run_start(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	static const struct field_row rows[] = {
		ROW_TEXT(struct record_facts, version),
		ROW_TEXT(struct record_facts, kernel),
		ROW_TEXT(struct record_facts, workflow),
		ROW_TEXT(struct record_facts, identity),
		ROW_TEXT(struct record_facts, trust_why),
		ROW_BOOL(struct record_facts, trusted),
		ROW_NAMED("steps", FIELD_COUNT, struct record_facts, n_planned),
		ROW_NAMED("time", FIELD_TEXT, struct record_facts, start_time),
	};
	static const struct field_row mode_row = { "mode", FIELD_TEXT, 0 };
	struct record_facts *f = r->facts;
	const char *mode = NULL;
	(void)step;
	if (f->start.seq)
		return dd_err_say(r->err, EBADMSG, "the run starts a second time");
	f->start = fields_at(line);
	f->trusted_known = json_is_boolean(json_object_get(line, "trusted"));
	int code = fields_rows(r, line, rows, ARRAY_LEN(rows), f);
	if (code == 0)
		code = fields_rows(r, line, &mode_row, 1, &mode);
	if (code == 0)
		code = read_mode(r, mode);
	if (code == 0)
		code = read_policy(r, line);
	return code < 0 ? code : read_event(r, line);
}

static int on_run_end(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	static const struct field_row rows[] = { ROW_TEXT(struct record_facts, status),
		                                 ROW_NAMED("why", FIELD_TEXT, struct record_facts,
		                                           end_why) };
	(void)step;
	if (r->facts->end.seq)
		return dd_err_say(r->err, EBADMSG, "the run ends a second time");
	r->facts->end = fields_at(line);
	return fields_rows(r, line, rows, ARRAY_LEN(rows), r->facts);
}

static int on_narrowed(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	static const struct field_row rows[] = {
		ROW_TEXT(struct facts_narrowed, key),     ROW_TEXT(struct facts_narrowed, asked),
		ROW_TEXT(struct facts_narrowed, allowed), ROW_TEXT(struct facts_narrowed, why),
		ROW_COUNT(struct facts_narrowed, line),
	};
	struct record_facts *f = r->facts;
	(void)step;
	f->narrowed = arena_grow(r->arena, f->narrowed, f->n_narrowed, sizeof(*f->narrowed));
	struct facts_narrowed *one = &f->narrowed[f->n_narrowed++];
	*one = (struct facts_narrowed){ .at = fields_at(line), .line = FACTS_ABSENT };
	return fields_rows(r, line, rows, ARRAY_LEN(rows), one);
}

static int on_artifact(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	static const struct field_row rows[] = {
		ROW_TEXT(struct facts_artifact, step),
		ROW_TEXT(struct facts_artifact, path),
		ROW_TEXT(struct facts_artifact, sha256),
		ROW_COUNT(struct facts_artifact, size),
	};
	struct record_facts *f = r->facts;
	(void)step;
	f->artifacts = arena_grow(r->arena, f->artifacts, f->n_artifacts, sizeof(*f->artifacts));
	struct facts_artifact *one = &f->artifacts[f->n_artifacts++];
	*one = (struct facts_artifact){ .at = fields_at(line), .size = FACTS_ABSENT };
	return fields_rows(r, line, rows, ARRAY_LEN(rows), one);
}

/* ---- routing ---- */

static const struct event_row {
	const char *name;
	bool of_step; /* the step that it names must have started */
	int (*read)(const struct facts_reading *r, json_t *line, struct facts_step *step);
} event_rows[] = {
	{ "run.start", false, on_run_start },        { "run.end", false, on_run_end },
	{ "policy.narrowed", false, on_narrowed },   { "artifact", false, on_artifact },
	{ "step.start", false, facts_step_start },   { "step.end", true, facts_step_end },
	{ "gate.open", true, facts_gate_open },      { "gate.close", true, facts_gate_close },
	{ "net.allow", true, facts_net_allow },      { "net.deny", true, facts_net_deny },
	{ "dns.allow", true, facts_dns_allow },      { "dns.deny", true, facts_dns_deny },
	{ "sys.deny", true, facts_sys_deny },        { "cred.grant", true, facts_cred_grant },
	{ "violation", true, facts_violation_seen }, { "fs.delta", true, facts_fs_delta },
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
	const char *event = json_string_value(json_object_get(line, "event"));
	const struct event_row *row = NULL;
	for (size_t i = 0; i < ARRAY_LEN(event_rows) && !row; i++)
		if (strcmp(event, event_rows[i].name) == 0)
			row = &event_rows[i];
	if (!row)
		return 0;
	struct facts_step *step =
		row->of_step
			? step_named(r->facts, json_string_value(json_object_get(line, "step")))
			: NULL;
	if (row->of_step && !step)
		return dd_err_say(r->err, EBADMSG, "the event %s names no step that has started",
		                  event);
	return row->read(r, line, step);
}

static int read_line(void *arg, json_t *line)
{
	const struct facts_reading *r = arg;
	int code = route(r, line);
	return code == 0 ? 0
	                 : dd_err_ctx(r->err, code, "line %llu",
	                              (unsigned long long)fields_at(line).seq);
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
	owner->facts.n_planned = FACTS_ABSENT;
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
