// SPDX-License-Identifier: Apache-2.0
/* record_facts.h - a record as plain structs: what the run was, its steps in order, and what each
 * of them did. The supervisor fills the same structs to write an event (event_write.h).
 *
 * Absent is: NULL for a text or list, FACTS_ABSENT for a number, port 0, `false` for a bool or a
 * `known`. Every text is bytes that somebody else chose: escape it wherever it is shown. Which
 * members an event carries, and what they are called there: event_table.c.
 *
 * For whoever reads: the file is foreign. Its chain is checked line by line (record.h), sizes are
 * bounded, a field of the wrong type is an error that names the line. Unknown events and fields are
 * skipped, missing ones stay absent. A reader that needs a fact which an older record lacks says
 * so, and never guesses. Reading is for the command line only.
 */
#ifndef RUNNER_RECORD_FACTS_H
#define RUNNER_RECORD_FACTS_H

#include "drydock/err.h"
#include "drydock/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FACTS_ABSENT = -1,
	FACTS_FILE_MAX = 256 * 1024 * 1024, /* a larger record is refused: -E2BIG */
	FACTS_STEPS_MAX = 2000,
	FACTS_TEXT_MAX = 65536, /* of one field */
};

/* Where and when, in every fact that is an event of its own. */
struct facts_at {
	uint64_t seq;
	int64_t mono_ns;
};

struct facts_process {
	bool known;
	int64_t pid;
	const char *exe, *argv;
};

enum facts_net_kind {
	FACTS_CONNECTED = 0, /* net.allow */
	FACTS_REFUSED,       /* net.deny */
	/* dns.allow: in observe mode, a name that enforcing would have refused was answered */
	FACTS_RESOLVED,
	FACTS_NAME_REFUSED, /* dns.deny */
};

enum facts_speaks {
	FACTS_SPEAKS_UNKNOWN = 0,
	FACTS_SPEAKS_TLS,
	FACTS_SPEAKS_HTTP,
	FACTS_SPEAKS_RAW
};

/* What an entry would have to say besides for it to pass, as far as it was known. */
struct facts_wants {
	bool known;
	uint16_t port; /* of a query: where the program goes next; 0: not known */
	bool raw;
	bool private_ok;
	const char *const *address; /* NULL: none */
};

enum facts_ech { FACTS_ECH_NONE = 0, FACTS_ECH_OUTER };

/* One try of a step to reach something, let through or not. */
struct facts_net {
	struct facts_at at;
	enum facts_net_kind kind;
	/* "" for a raw address; as the gate wrote it: a masked name is not canonical */
	const char *host;
	const char *address, *proto, *why;
	uint16_t port;   /* 0: none (a query) */
	bool would_deny; /* let through only because the run was observed */
	/* REASON_NONE: nothing was refused, or the record does not say, or this drydock does not
	 * know the word */
	enum dd_reason reason;
	enum dd_reason would_reason; /* of what was let through, or tried, while observing */
	int64_t count;               /* refusals that were merged; FACTS_ABSENT: one */
	enum facts_speaks speaks;
	enum facts_ech ech; /* its hello held an encrypted one besides */
	struct facts_wants wants;
	struct facts_process process;
};

struct facts_syscall { /* sys.deny */
	struct facts_at at;
	const char *name, *answer, *detail; /* answer: an errno's name or "continued" */
	enum dd_reason reason;
	int64_t nr, count;
	struct facts_process process;
};

struct facts_receipt {
	const char *host;
	uint16_t port;
	int64_t connections, bytes_in, bytes_out, denials;
	int64_t ech; /* connections whose hello held an encrypted one; FACTS_ABSENT: none */
};

/* Of all destinations of a step, or of those that its receipt does not list. */
struct facts_sums {
	bool known;
	/* FACTS_ABSENT: not known (an older record, whose list may have been cut) */
	int64_t destinations;
	int64_t connections, bytes_in, bytes_out, denials;
};

struct facts_entry { /* of the allowlist, as gate.open shows it */
	const char *entry, *origin, *why;
};

struct facts_wildcard {
	const char *entry;
	int64_t names;
};

struct facts_block {
	const char *entry;
	int64_t addresses;
};

struct facts_lease { /* cred.grant, cred.renew, cred.revoke */
	struct facts_at at;
	const char *name, *kind, *delivery;
	const char *from, *as; /* "file:/path", "env:NAME"; NULL in older records */
	int64_t ttl_sec;
	const char *result; /* written by cred.renew and cred.revoke, not read */
};

/* What front ends say of steps; @step need not have started: it may never do. */
struct facts_not_run { /* step.not_run */
	struct facts_at at;
	const char *step;
	const char *id, *name, *outcome, *why, *stage;
};

struct facts_annotation { /* annotation */
	struct facts_at at;
	const char *step;
	const char *level, *title, *code, *file, *message;
	int64_t line, end_line, column, end_column;
};

struct facts_summary { /* step.summary */
	struct facts_at at;
	const char *step;
	const char *text;
	int64_t bytes;
	bool cut;
};

struct facts_withheld { /* env.withheld */
	struct facts_at at;
	const char *step;
	const char *kind, *name, *why, *from;
};

struct facts_violation {
	struct facts_at at;
	const char *kind; /* the event's `case`: "budget", "tamper", ... */
	const char *subject, *why, *change, *consequence;
	enum dd_reason reason; /* of a budget */
	uint16_t port;
	int64_t bytes_out;
};

struct facts_kernel { /* the counters of the step's rules */
	int64_t accepted_packets, accepted_bytes, denied_packets, denied_bytes;
};

struct facts_gate {
	struct facts_at opened, closed; /* seq 0: it was not */
	const char *state;              /* "open", "closed" */
	bool observing;
	int64_t upload_bytes;
	struct facts_entry *entries; /* read: also where another event lists them */
	size_t n_entries;
	/* seq of the gate.open that lists the entries, which are the same; FACTS_ABSENT: this one
	 */
	int64_t entries_in;
	struct facts_receipt *receipts;
	size_t n_receipts;
	struct facts_sums total, not_listed; /* total: an older record has only what is listed */
	struct facts_wildcard *wildcards;    /* NULL: not known */
	size_t n_wildcards;
	struct facts_block *blocks; /* NULL: not known */
	size_t n_blocks;
	int64_t peak_connections, unreported;
	struct facts_kernel kernel;
	bool verified;
};

/* What a rule of a policy is held against; `known` is false in an older record, and then only the
 * id and the shown name are. */
struct facts_match {
	bool known;
	const char *id, *name, *job, *uses, *run; /* NULL: the step has none */
	bool run_exact;                           /* `run` is the whole, unchanged script */
	const char *run_sha256; /* of the script as the workflow has it; NULL: none, or not known */
	const char *shell, *workdir; /* NULL: the default one; the workspace itself */
	/* variables that the workflow sets and that may decide what runs; NULL: none */
	const char *const *vars;
};

struct facts_delta { /* fs.delta; added FACTS_ABSENT: no such event */
	int64_t added, changed, removed, bytes, tampered;
	const char *ledger; /* digest of all digests of the workspace */
};

struct facts_step {
	struct facts_at start, end; /* end.seq 0: it did not end */
	const char *ref; /* what events call it: the id, or the label of a step without one */
	int64_t index;   /* 1-based; counted here where the record does not say */
	const char *id, *name, *phase, *phase_why, *argv0, *gate_state, *seccomp, *workspace,
		*mounts, *nothing;
	const char
		*filter; /* SHA-256 of the compiled filter; NULL: nothing was run, or not known */
	const char *evaluated; /* what was run, where it differs from the written script; or NULL */
	const char
		*brought_by; /* ref of the written step that it belongs to; NULL: itself written */
	const char *action, *action_sha256, *stage;             /* of an action; NULL: of none */
	const char *action_commit, *action_named, *action_from; /* NULL: not known */
	const char *const *read; /* the three: NULL-terminated, or NULL: not known */
	const char *const *artifacts;
	const char *const *syscalls;
	struct facts_match match;

	struct facts_gate gate;
	struct facts_net *net; /* in order */
	size_t n_net;
	struct facts_syscall *calls;
	size_t n_calls;
	struct facts_lease *leases;
	size_t n_leases;
	struct facts_violation *violations;
	size_t n_violations;
	struct facts_delta delta;

	const char *outcome, *message; /* step.end: outcome, why */
	const char *interactive;       /* a shell instead of its script; NULL: its script */
	const char *kept;              /* where its trees were left; NULL: nowhere */
	int64_t exit, signal, cpu_usec, peak_memory_bytes, output_bytes, refused, left, files,
		disk_bytes;
	double wall_sec; /* negative: not known */
	bool log_cut;    /* it printed more than its log holds */
};

struct facts_event { /* the forge's; known only when an event file was given */
	bool known, is_protected;
	const char *name, *repository, *ref;
};

struct facts_narrowed { /* policy.narrowed */
	struct facts_at at;
	const char *key, *asked, *allowed, *why;
	int64_t line;
};

struct facts_workspace { /* workspace */
	struct facts_at at;
	const char *rev; /* as it was asked for; NULL: what stood on disk */
	const char *path, *copied, *commit, *ref, *staged;
	bool dirty;
	int64_t files, bytes, changed, missing;
	const char *const *notes;
};

struct facts_artifact {
	struct facts_at at;
	const char *step, *path, *sha256;
	int64_t size;
};

struct facts_hatch { /* hatch: written, not read */
	struct facts_at at;
	const char *of, *did, *name, *sha256, *scope, *why;
	int64_t size;
	bool trusted;
};

enum facts_mode { FACTS_MODE_UNKNOWN = 0, FACTS_ENFORCED, FACTS_OBSERVED };

struct facts_policy {
	const char *path, *sha256;
};

struct facts_jump { /* of the wall clock */
	struct facts_at at;
	int64_t ms;
};

struct facts_counts { /* run.end */
	bool known;
	int64_t steps, ran, failed, refused, would_refuse, untold, undelivered;
};

struct facts_limited { /* record.limited */
	struct facts_at at;
	int64_t limit_bytes;
};

struct record_facts {
	const char *path, *run, *job;
	enum facts_mode mode;
	const char *version, *kernel, *workflow, *identity, *trust_why;
	const char *const *enforcement;
	struct facts_policy policy;
	bool trusted, trusted_known;
	struct facts_event event;
	struct facts_at start, end; /* end.seq 0: the run did not end */
	const char *start_time, *status, *end_why;
	struct facts_counts counts;
	struct facts_jump *jumps;
	size_t n_jumps;
	struct facts_limited limited; /* at.seq 0: the record had room for all events */
	int64_t n_planned;            /* steps of the plan */
	struct facts_step *steps;
	size_t n_steps;
	struct facts_narrowed *narrowed;
	size_t n_narrowed;
	struct facts_workspace workspace; /* at.seq 0: it began empty, or an older record */
	struct facts_artifact *artifacts;
	size_t n_artifacts;
	struct facts_not_run *not_run;
	size_t n_not_run;
	struct facts_annotation *annotations;
	size_t n_annotations;
	struct facts_summary *summaries;
	size_t n_summaries;
	struct facts_withheld *withheld;
	size_t n_withheld;
	uint64_t lines, torn_bytes; /* torn: half a line behind the last good one */
	char head[65];
};

/* 0; -EBADMSG: the chain does not hold, or a fact has the wrong type or place (@err names the
 * line); -E2BIG; other -errno: cannot be read. A run that did not end and a torn last line are
 * facts, not errors. */
int record_facts_load(const char *path, struct record_facts **ret, struct dd_err *err);
/* The same from an open regular file; @path is for messages. Fuzzed. */
int record_facts_read(int fd, const char *path, struct record_facts **ret, struct dd_err *err);
void record_facts_free(
	struct record_facts *facts); /* NULL is fine; everything above dies with it */

#endif
