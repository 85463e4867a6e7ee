// SPDX-License-Identifier: Apache-2.0
/* record_facts_step.c - the events of one step into struct facts_step.
 *
 * Runs in: command line. The lines are foreign; their chain holds, their content may be anything.
 */
#include "base/words.h"
#include "record_fields.h"

#include <string.h>

/* ---- from start to end ---- */

static int check_phase(const struct facts_reading *r, const char *phase)
{
	for (int p = 0; p < DD_PHASE__COUNT; p++)
		if (phase && strcmp(phase, phase_names[p]) == 0)
			return 0;
	return dd_err_say(r->err, EBADMSG, "the field phase is none of build, fetch and push");
}

static int check_view(const struct facts_reading *r, const char *view)
{
	for (int v = WORKSPACE_PRISTINE; view && v <= WORKSPACE_SHARED; v++)
		if (strcmp(view, workspace_view_names[v]) == 0)
			return 0;
	return view ? dd_err_say(r->err, EBADMSG,
	                         "the field workspace is none of pristine, artifacts and shared")
	            : 0;
}

static int read_match(const struct facts_reading *r, json_t *line, struct facts_match *out)
{
	static const struct field_row rows[] = {
		ROW_TEXT(struct facts_match, id),  ROW_TEXT(struct facts_match, name),
		ROW_TEXT(struct facts_match, job), ROW_TEXT(struct facts_match, uses),
		ROW_TEXT(struct facts_match, run),
	};
	static const struct field_row exact = ROW_BOOL(struct facts_match, run_exact);
	json_t *object;
	int code = fields_member(r, line, "match", JSON_OBJECT, &object);
	if (code < 0 || !object)
		return code;
	out->known = true;
	code = fields_rows(r, object, rows, ARRAY_LEN(rows), out);
	if (code == 0)
		code = fields_rows(r, object, &exact, 1, out);
	/* beside `match`, or in it */
	return code < 0 ? code : fields_rows(r, line, &exact, 1, out);
}

int facts_step_start(const struct facts_reading *r, json_t *line, struct facts_step *unused)
{
	static const struct field_row rows[] = {
		ROW_NAMED("step", FIELD_TEXT, struct facts_step, ref),
		ROW_TEXT(struct facts_step, phase),
		ROW_COUNT(struct facts_step, index),
		ROW_TEXT(struct facts_step, id),
		ROW_TEXT(struct facts_step, name),
		ROW_TEXT(struct facts_step, phase_why),
		ROW_TEXT(struct facts_step, argv0),
		ROW_NAMED("gate", FIELD_TEXT, struct facts_step, gate_state),
		ROW_TEXT(struct facts_step, seccomp),
		ROW_TEXT(struct facts_step, workspace),
		ROW_TEXTS(struct facts_step, read),
		ROW_TEXTS(struct facts_step, artifacts),
		ROW_TEXTS(struct facts_step, syscalls),
	};
	struct record_facts *f = r->facts;
	(void)unused;
	if (f->n_steps == FACTS_STEPS_MAX)
		return dd_err_say(r->err, E2BIG, "more than %d steps", FACTS_STEPS_MAX);
	f->steps = arena_grow(r->arena, f->steps, f->n_steps, sizeof(*f->steps));
	struct facts_step *s = &f->steps[f->n_steps++];
	*s = (struct facts_step){
		.start = fields_at(line),
		.index = (int64_t)f->n_steps,
		.exit = FACTS_ABSENT,
		.signal = FACTS_ABSENT,
		.cpu_usec = FACTS_ABSENT,
		.peak_memory_bytes = FACTS_ABSENT,
		.output_bytes = FACTS_ABSENT,
		.refused = FACTS_ABSENT,
		.files = FACTS_ABSENT,
		.disk_bytes = FACTS_ABSENT,
		.wall_sec = FACTS_ABSENT,
		.delta.added = FACTS_ABSENT,
		.gate = { .upload_bytes = FACTS_ABSENT,
		          .peak_connections = FACTS_ABSENT,
		          .unreported = FACTS_ABSENT },
	};
	int code = fields_rows(r, line, rows, ARRAY_LEN(rows), s);
	if (code == 0 && !s->ref)
		code = dd_err_say(r->err, EBADMSG, "a step starts without a name");
	if (code == 0)
		code = check_phase(r, s->phase);
	if (code == 0)
		code = check_view(r, s->workspace);
	return code < 0 ? code : read_match(r, line, &s->match);
}

int facts_step_end(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	static const struct field_row rows[] = {
		ROW_TEXT(struct facts_step, outcome),
		ROW_NAMED("why", FIELD_TEXT, struct facts_step, message),
		ROW_COUNT(struct facts_step, exit),
		ROW_COUNT(struct facts_step, signal),
		ROW_COUNT(struct facts_step, cpu_usec),
		ROW_COUNT(struct facts_step, peak_memory_bytes),
		ROW_COUNT(struct facts_step, output_bytes),
		ROW_COUNT(struct facts_step, refused),
		ROW_COUNT(struct facts_step, files),
		ROW_COUNT(struct facts_step, disk_bytes),
		ROW_NAMED("wall_sec", FIELD_REAL, struct facts_step, wall_sec),
	};
	if (step->end.seq)
		return dd_err_say(r->err, EBADMSG, "the step ends a second time");
	step->end = fields_at(line);
	return fields_rows(r, line, rows, ARRAY_LEN(rows), step);
}

/* ---- what it did ---- */

static int read_process(const struct facts_reading *r, json_t *line, struct facts_process *out)
{
	static const struct field_row rows[] = {
		ROW_COUNT(struct facts_process, pid),
		ROW_TEXT(struct facts_process, exe),
		ROW_TEXT(struct facts_process, argv),
	};
	json_t *object;
	out->pid = FACTS_ABSENT;
	int code = fields_member(r, line, "process", JSON_OBJECT, &object);
	return code < 0 || !object ? code : fields_rows(r, object, rows, ARRAY_LEN(rows), out);
}

static int read_speaks(const struct facts_reading *r, const char *word, enum facts_speaks *out)
{
	static const char *const words[] = {
		[FACTS_SPEAKS_TLS] = "tls", [FACTS_SPEAKS_HTTP] = "http", [FACTS_SPEAKS_RAW] = "raw"
	};
	for (size_t i = FACTS_SPEAKS_TLS; word && i < ARRAY_LEN(words); i++)
		if (strcmp(word, words[i]) == 0)
			*out = (enum facts_speaks)i;
	return !word || !*word || *out
	               ? 0
	               : dd_err_say(r->err, EBADMSG,
	                            "the field speaks is none of tls, http and raw");
}

static int add_net(const struct facts_reading *r, json_t *line, struct facts_step *step,
                   enum facts_net_kind kind)
{
	static const struct field_row rows[] = {
		ROW_TEXT(struct facts_net, host),  ROW_TEXT(struct facts_net, address),
		ROW_TEXT(struct facts_net, proto), ROW_TEXT(struct facts_net, why),
		ROW_PORT(struct facts_net, port),  ROW_COUNT(struct facts_net, count),
	};
	enum { WOULD, SPEAKS, REASON, WOULD_REASON, WORDS };
	static const struct field_row words[] = {
		{ "would", FIELD_TEXT, WOULD * sizeof(const char *) },
		{ "speaks", FIELD_TEXT, SPEAKS * sizeof(const char *) },
		{ "reason", FIELD_TEXT, REASON * sizeof(const char *) },
		{ "would_reason", FIELD_TEXT, WOULD_REASON * sizeof(const char *) },
	};
	const char *word[WORDS] = { NULL };
	step->net = arena_grow(r->arena, step->net, step->n_net, sizeof(*step->net));
	struct facts_net *one = &step->net[step->n_net++];
	*one = (struct facts_net){ .at = fields_at(line), .kind = kind, .count = FACTS_ABSENT };
	int code = fields_rows(r, line, rows, ARRAY_LEN(rows), one);
	if (code == 0)
		code = fields_rows(r, line, words, ARRAY_LEN(words), word);
	if (code == 0)
		code = read_speaks(r, word[SPEAKS], &one->speaks);
	one->host = one->host ? one->host : "";
	one->address = one->address ? one->address : "";
	one->would_deny = word[WOULD] && strcmp(word[WOULD], "deny") == 0;
	one->reason = dd_reason_by_name(word[REASON]);
	one->would_reason = word[WOULD_REASON] ? dd_reason_by_name(word[WOULD_REASON])
	                    : one->would_deny  ? one->reason
	                                       : REASON_NONE;
	return code < 0 ? code : read_process(r, line, &one->process);
}

int facts_net_allow(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	return add_net(r, line, step, FACTS_CONNECTED);
}

int facts_net_deny(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	return add_net(r, line, step, FACTS_REFUSED);
}

int facts_dns_allow(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	return add_net(r, line, step, FACTS_RESOLVED);
}

int facts_dns_deny(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	return add_net(r, line, step, FACTS_NAME_REFUSED);
}

int facts_sys_deny(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	static const struct field_row rows[] = {
		ROW_NAMED("syscall", FIELD_TEXT, struct facts_syscall, name),
		ROW_TEXT(struct facts_syscall, answer),
		ROW_TEXT(struct facts_syscall, detail),
		ROW_COUNT(struct facts_syscall, nr),
		ROW_COUNT(struct facts_syscall, count),
	};
	step->calls = arena_grow(r->arena, step->calls, step->n_calls, sizeof(*step->calls));
	struct facts_syscall *one = &step->calls[step->n_calls++];
	*one = (struct facts_syscall){ .at = fields_at(line),
		                       .nr = FACTS_ABSENT,
		                       .count = FACTS_ABSENT };
	int code = fields_rows(r, line, rows, ARRAY_LEN(rows), one);
	return code < 0 ? code : read_process(r, line, &one->process);
}

int facts_cred_grant(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	static const struct field_row rows[] = {
		ROW_NAMED("credential", FIELD_TEXT, struct facts_lease, name),
		ROW_TEXT(struct facts_lease, kind),
		ROW_TEXT(struct facts_lease, delivery),
		ROW_TEXT(struct facts_lease, from),
		ROW_TEXT(struct facts_lease, as),
		ROW_COUNT(struct facts_lease, ttl_sec),
	};
	step->leases = arena_grow(r->arena, step->leases, step->n_leases, sizeof(*step->leases));
	struct facts_lease *one = &step->leases[step->n_leases++];
	*one = (struct facts_lease){ .at = fields_at(line), .ttl_sec = FACTS_ABSENT };
	int code = fields_rows(r, line, rows, ARRAY_LEN(rows), one);
	return code == 0 && !one->name ? dd_err_say(r->err, EBADMSG, "a credential without a name")
	                               : code;
}

int facts_violation_seen(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	static const struct field_row rows[] = {
		ROW_NAMED("case", FIELD_TEXT, struct facts_violation, kind),
		ROW_TEXT(struct facts_violation, subject),
		ROW_TEXT(struct facts_violation, why),
		ROW_TEXT(struct facts_violation, change),
		ROW_TEXT(struct facts_violation, consequence),
		ROW_PORT(struct facts_violation, port),
		ROW_COUNT(struct facts_violation, bytes_out),
	};
	step->violations = arena_grow(r->arena, step->violations, step->n_violations,
	                              sizeof(*step->violations));
	struct facts_violation *one = &step->violations[step->n_violations++];
	*one = (struct facts_violation){ .at = fields_at(line), .bytes_out = FACTS_ABSENT };
	static const struct field_row reason_row = { "reason", FIELD_TEXT, 0 };
	const char *reason = NULL;
	int code = fields_rows(r, line, rows, ARRAY_LEN(rows), one);
	if (code == 0)
		code = fields_rows(r, line, &reason_row, 1, &reason);
	one->reason = dd_reason_by_name(reason);
	return code;
}

int facts_fs_delta(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	static const struct field_row rows[] = {
		ROW_COUNT(struct facts_delta, added),    ROW_COUNT(struct facts_delta, changed),
		ROW_COUNT(struct facts_delta, removed),  ROW_COUNT(struct facts_delta, bytes),
		ROW_COUNT(struct facts_delta, tampered),
	};
	step->delta = (struct facts_delta){ 0 };
	return fields_rows(r, line, rows, ARRAY_LEN(rows), &step->delta);
}

/* ---- the gate ---- */

int facts_gate_open(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	static const struct field_row rows[] = { ROW_TEXT(struct facts_gate, state),
		                                 ROW_COUNT(struct facts_gate, upload_bytes) };
	static const struct field_row entry_rows[] = {
		ROW_TEXT(struct facts_entry, entry),
		ROW_TEXT(struct facts_entry, origin),
		ROW_TEXT(struct facts_entry, why),
	};
	static const struct facts_entry empty = { .entry = "" };
	void *entries = NULL;
	step->gate.opened = fields_at(line);
	/* a second event may have no list, and the pointer below starts afresh */
	step->gate.n_entries = 0;
	int code = fields_rows(r, line, rows, ARRAY_LEN(rows), &step->gate);
	if (code == 0)
		code = fields_list(r, line, "entries", entry_rows, ARRAY_LEN(entry_rows), &empty,
		                   sizeof(empty), &entries, &step->gate.n_entries);
	step->gate.entries = entries;
	return code;
}

int facts_gate_close(const struct facts_reading *r, json_t *line, struct facts_step *step)
{
	static const struct field_row rows[] = {
		ROW_BOOL(struct facts_gate, verified),
		ROW_COUNT(struct facts_gate, peak_connections),
		ROW_COUNT(struct facts_gate, unreported),
	};
	static const struct field_row receipt_rows[] = {
		ROW_TEXT(struct facts_receipt, host),
		ROW_PORT(struct facts_receipt, port),
		ROW_COUNT(struct facts_receipt, connections),
		ROW_COUNT(struct facts_receipt, bytes_in),
		ROW_COUNT(struct facts_receipt, bytes_out),
		ROW_COUNT(struct facts_receipt, denials),
	};
	static const struct field_row wild_rows[] = { ROW_TEXT(struct facts_wildcard, entry),
		                                      ROW_COUNT(struct facts_wildcard, names) };
	static const struct facts_receipt no_receipt = { .host = "" };
	static const struct facts_wildcard no_wildcard = { .entry = "" };
	struct facts_gate *gate = &step->gate;
	void *receipts = NULL, *wildcards = NULL;
	gate->closed = fields_at(line);
	gate->n_receipts = gate->n_wildcards = 0;
	int code = fields_rows(r, line, rows, ARRAY_LEN(rows), gate);
	if (code == 0)
		code = fields_list(r, line, "receipt", receipt_rows, ARRAY_LEN(receipt_rows),
		                   &no_receipt, sizeof(no_receipt), &receipts, &gate->n_receipts);
	if (code == 0)
		code = fields_list(r, line, "wildcard_names", wild_rows, ARRAY_LEN(wild_rows),
		                   &no_wildcard, sizeof(no_wildcard), &wildcards,
		                   &gate->n_wildcards);
	gate->receipts = receipts;
	gate->wildcards = wildcards;
	return code;
}
