// SPDX-License-Identifier: Apache-2.0
/* event_table.c - every event of the record and every field of it, once.
 *
 * Runs in: supervisor (which writes by it) and command line (which reads by it). A new field is one
 * row here and one member of the struct; a new event is one line of RECORD_EVENTS, one table here
 * and, if a reader wants it, one row in record_facts.c.
 */
#include "event_fields.h"

#include <assert.h>
#include <stddef.h>

/* The type that a kind reads and writes. */
#define TYPE_TEXT   const char *
#define TYPE_TEXTS  const char *const *
#define TYPE_COUNT  int64_t
#define TYPE_NUMBER int64_t
#define TYPE_PORT   uint16_t
#define TYPE_REAL   double
#define TYPE_BOOL   bool
#define TYPE_MARK   bool
#define TYPE_REASON enum dd_reason

/* The offset of a member, if it has the type: the table is the one place where C would not see a
 * double read as an int64_t. */
#define TYPE_OF(type, member) __typeof__(((type *)NULL)->member)
#define OFFSET(type, member, wanted)                                                               \
	(offsetof(type, member) +                                                                  \
	 0 * sizeof(struct {                                                                       \
		 static_assert(__builtin_types_compatible_p(TYPE_OF(type, member), wanted),        \
		               "the member has another type than its kind");                       \
		 char some;                                                                        \
	 }))

#define FIELD(kind_, type, member, name_, need_, ...)                                              \
	{                                                                                          \
		.name = (name_), .kind = FIELD_##kind_, .need = FIELD_##need_,                     \
		.offset = OFFSET(type, member, TYPE_##kind_), __VA_ARGS__                          \
	}
/* An enum has whatever integer type the compiler takes; ours all fit an int. */
#define WORD(type, member, name_, need_, ...)                                                      \
	{                                                                                          \
		.name = (name_), .kind = FIELD_WORD, .need = FIELD_##need_,                        \
		.offset = offsetof(type, member) +                                                 \
		          0 * sizeof(char[sizeof(TYPE_OF(type, member)) == sizeof(int) ? 1 : -1]), \
		__VA_ARGS__                                                                        \
	}
#define OBJECT(type, member, shape, name_, need_, ...)                                             \
	{                                                                                          \
		.name = (name_), .kind = FIELD_OBJECT, .need = FIELD_##need_,                      \
		.offset = OFFSET(type, member, struct facts_##shape), .of = &shape##_shape,        \
		__VA_ARGS__                                                                        \
	}
#define LIST(type, member, count, shape, name_, need_, ...)                                        \
	{                                                                                          \
		.name = (name_), .kind = FIELD_LIST, .need = FIELD_##need_,                        \
		.offset = OFFSET(type, member, struct facts_##shape *), .of = &shape##_shape,      \
		.n_offset = OFFSET(type, count, size_t), __VA_ARGS__                               \
	}
#define SHAPE(type, rows, empty_, known_)                                                          \
	{                                                                                          \
		.fields = (rows), .n = ARRAY_LEN(rows), .size = sizeof(type),                      \
		.empty = true ? &(empty_) : (const type *)NULL, .known = (known_)                  \
	}

/* ---- words ---- */

static const char *const modes[] = { "", [FACTS_ENFORCED] = "enforce", [FACTS_OBSERVED] = "observe",
	                             NULL };
static const char *const speaks[] = {
	"", [FACTS_SPEAKS_TLS] = "tls", [FACTS_SPEAKS_HTTP] = "http", [FACTS_SPEAKS_RAW] = "raw",
	NULL
};
static const char *const ech_forms[] = { "", [FACTS_ECH_OUTER] = "outer", NULL };
static const char *const gate_states[] = { "open", "closed", NULL };
static const char *const views[] = { "pristine", "artifacts", "shared", NULL };
static const char *const hands[] = { "terminal", "pipe", NULL };
static const char *const deny[] = { "deny", NULL };
static const char *const annotation_levels[] = { "notice", "warning", "error", NULL };
static const char *const withheld_kinds[] = { "env", "path", NULL };
static const char *const action_stages[] = { "pre", "main", "post", "inside", NULL };
static const char *const action_names[] = { "commit", "tag", "branch", "files", NULL };
static const char *const not_run_outcomes[] = { "skipped", "failure", NULL };

/* ---- parts ---- */

static const struct event_field process_rows[] = {
	FIELD(COUNT, struct facts_process, pid, "pid", ALWAYS, .says = "as the host counts"),
	FIELD(TEXT, struct facts_process, exe, "exe", ALWAYS, .says = "base name of the program"),
	FIELD(TEXT, struct facts_process, argv, "argv", ALWAYS,
	      .says = "its arguments, shortened; empty in a step that holds a credential"),
};
static const struct facts_process no_process = { .pid = FACTS_ABSENT };
static const struct event_shape process_shape = SHAPE(struct facts_process, process_rows,
                                                      no_process, true);

static const char *const raw_mark[] = { "raw", NULL };
static const char *const allow_mark[] = { "allow", NULL };
static const struct event_field wants_rows[] = {
	FIELD(PORT, struct facts_wants, port, "port", MAYBE,
	      .says = "of a query: where the program would have gone, by its arguments or its "
	              "custom"),
	FIELD(MARK, struct facts_wants, raw, "tls", MAYBE, .words = raw_mark,
	      .says = "the program speaks neither TLS nor HTTP"),
	FIELD(MARK, struct facts_wants, private_ok, "private", MAYBE, .words = allow_mark,
	      .says = "the name leads inside the network"),
	FIELD(TEXTS, struct facts_wants, address, "address", MAYBE,
	      .says = "where an entry for another port pins the name"),
};
static const struct facts_wants no_wants = { .known = false };
static const struct event_shape wants_shape = SHAPE(struct facts_wants, wants_rows, no_wants, true);

static const struct event_field policy_rows[] = {
	FIELD(TEXT, struct facts_policy, path, "path", OR_NULL, .says = "null without a policy"),
	FIELD(TEXT, struct facts_policy, sha256, "sha256", ALWAYS,
	      .says = "of the file; empty without a policy"),
};
static const struct facts_policy no_policy = { .path = NULL };
static const struct event_shape policy_shape = SHAPE(struct facts_policy, policy_rows, no_policy,
                                                     false);

static const struct event_field forge_rows[] = {
	FIELD(TEXT, struct facts_event, name, "name", ALWAYS,
	      .says = "`push`, `pull_request`, ..."),
	FIELD(TEXT, struct facts_event, repository, "repository", ALWAYS, .says = "OWNER/NAME"),
	FIELD(TEXT, struct facts_event, ref, "ref", ALWAYS, .says = "refs/..."),
	FIELD(BOOL, struct facts_event, is_protected, "protected", ALWAYS,
	      .says = "the forge protects that ref"),
};
static const struct facts_event no_event = { .name = NULL };
static const struct event_shape event_shape = SHAPE(struct facts_event, forge_rows, no_event, true);

static const struct event_field counts_rows[] = {
	FIELD(COUNT, struct facts_counts, steps, "steps", ALWAYS, .says = "of the plan"),
	FIELD(COUNT, struct facts_counts, ran, "ran", ALWAYS, .says = "of them"),
	FIELD(COUNT, struct facts_counts, failed, "failed", ALWAYS, .says = "of them"),
	FIELD(COUNT, struct facts_counts, refused, "refused", ALWAYS,
	      .says = "attempts to reach something, of all steps"),
	FIELD(COUNT, struct facts_counts, would_refuse, "would_refuse", ALWAYS,
	      .says = "what observing let pass"),
	FIELD(COUNT, struct facts_counts, untold, "untold", ALWAYS,
	      .says = "events for which the record had no room (`record.limited`)"),
	FIELD(COUNT, struct facts_counts, undelivered, "undelivered", MAYBE,
	      .says = "lines before this one that a collector (`--record-to`) did not get; absent "
	              "without one"),
};
static const struct facts_counts no_counts = { .steps = FACTS_ABSENT, .undelivered = FACTS_ABSENT };
static const struct event_shape counts_shape = SHAPE(struct facts_counts, counts_rows, no_counts,
                                                     true);

static const struct event_field match_rows[] = {
	FIELD(TEXT, struct facts_match, id, "id", MAYBE, .says = "as the workflow gives it"),
	FIELD(TEXT, struct facts_match, name, "name", MAYBE, .says = "likewise"),
	FIELD(TEXT, struct facts_match, job, "job", ALWAYS, .says = "the job's id"),
	FIELD(TEXT, struct facts_match, uses, "uses", MAYBE, .says = "as the workflow gives it"),
	FIELD(TEXT, struct facts_match, run, "run", MAYBE,
	      .says = "the script without white space at its ends, without user info and query "
	              "strings in URLs, the step's secrets replaced, at most 4096 bytes"),
	FIELD(TEXT, struct facts_match, run_sha256, "run_sha256", MAYBE,
	      .says = "of the whole script as the workflow has it, without white space at its "
	              "ends: what `run_sha256` of a rule is held against"),
	FIELD(TEXT, struct facts_match, shell, "shell", MAYBE,
	      .says = "as the workflow gives it, if it does"),
	FIELD(TEXT, struct facts_match, workdir, "working_directory", MAYBE,
	      .says = "below the workspace, if not the workspace itself"),
	FIELD(TEXTS, struct facts_match, vars, "vars", MAYBE,
	      .says = "names of variables that the workflow sets for the step and that may decide "
	              "what runs, at most 257; absent without any"),
};
static const struct facts_match no_match = { .known = false };
static const struct event_shape match_shape = SHAPE(struct facts_match, match_rows, no_match, true);

static const struct event_field entry_rows[] = {
	FIELD(TEXT, struct facts_entry, entry, "entry", ALWAYS,
	      .says = "`HOST:PORT`, `*.HOST:PORT` or `ADDRESS/PREFIX:PORT`"),
	FIELD(TEXT, struct facts_entry, origin, "origin", ALWAYS,
	      .says = "place in the policy, or the named set"),
	FIELD(TEXT, struct facts_entry, why, "why", OR_NULL, .says = "the entry's own reason"),
};
static const struct facts_entry no_entry = { .entry = "" };
static const struct event_shape entry_shape = SHAPE(struct facts_entry, entry_rows, no_entry,
                                                    false);

static const struct event_field receipt_rows[] = {
	FIELD(TEXT, struct facts_receipt, host, "host", ALWAYS, .says = "or a raw address"),
	FIELD(PORT, struct facts_receipt, port, "port", ALWAYS, .says = "of it"),
	FIELD(COUNT, struct facts_receipt, connections, "connections", ALWAYS,
	      .says = "that were opened"),
	FIELD(COUNT, struct facts_receipt, bytes_in, "bytes_in", ALWAYS, .unit = "bytes",
	      .says = "to the step"),
	FIELD(COUNT, struct facts_receipt, bytes_out, "bytes_out", ALWAYS, .unit = "bytes",
	      .says = "from the step"),
	FIELD(COUNT, struct facts_receipt, denials, "denials", ALWAYS,
	      .says = "connections that the gate refused"),
	FIELD(COUNT, struct facts_receipt, ech, "ech", MAYBE,
	      .says = "connections whose hello held an encrypted one (`ech` of `net.allow`); "
	              "absent without any"),
};
static const struct facts_receipt no_receipt = { .host = "", .ech = FACTS_ABSENT };
static const struct event_shape receipt_shape = SHAPE(struct facts_receipt, receipt_rows,
                                                      no_receipt, false);

static const struct event_field wildcard_rows[] = {
	FIELD(TEXT, struct facts_wildcard, entry, "entry", ALWAYS,
	      .says = "`*.HOST:PORT`, or `HOST:PORT` narrowed out of it"),
	FIELD(COUNT, struct facts_wildcard, names, "names", ALWAYS,
	      .says = "different names that were asked for below it"),
};
static const struct facts_wildcard no_wildcard = { .entry = "" };
static const struct event_shape wildcard_shape = SHAPE(struct facts_wildcard, wildcard_rows,
                                                       no_wildcard, false);

static const struct event_field block_rows[] = {
	FIELD(TEXT, struct facts_block, entry, "entry", ALWAYS, .says = "`ADDRESS/PREFIX:PORT`"),
	FIELD(COUNT, struct facts_block, addresses, "addresses", ALWAYS,
	      .says = "different addresses that were dialled in it"),
};
static const struct facts_block no_block = { .entry = "" };
static const struct event_shape block_shape = SHAPE(struct facts_block, block_rows, no_block,
                                                    false);

static const struct event_field sums_rows[] = {
	FIELD(COUNT, struct facts_sums, destinations, "destinations", ALWAYS,
	      .says = "that were reached or refused by the gate"),
	FIELD(COUNT, struct facts_sums, connections, "connections", ALWAYS,
	      .says = "that were opened"),
	FIELD(COUNT, struct facts_sums, bytes_in, "bytes_in", ALWAYS, .unit = "bytes",
	      .says = "to the step"),
	FIELD(COUNT, struct facts_sums, bytes_out, "bytes_out", ALWAYS, .unit = "bytes",
	      .says = "from the step"),
	FIELD(COUNT, struct facts_sums, denials, "denials", ALWAYS,
	      .says = "connections that the gate refused"),
};
static const struct facts_sums no_sums = { .known = false };
static const struct event_shape sums_shape = SHAPE(struct facts_sums, sums_rows, no_sums, true);

static const struct event_field kernel_rows[] = {
	FIELD(COUNT, struct facts_kernel, accepted_packets, "accepted_packets", ALWAYS,
	      .says = "to the gate"),
	FIELD(COUNT, struct facts_kernel, accepted_bytes, "accepted_bytes", ALWAYS, .unit = "bytes",
	      .says = "to the gate"),
	FIELD(COUNT, struct facts_kernel, denied_packets, "denied_packets", ALWAYS,
	      .says = "rejected"),
	FIELD(COUNT, struct facts_kernel, denied_bytes, "denied_bytes", ALWAYS, .unit = "bytes",
	      .says = "rejected"),
};
static const struct facts_kernel no_kernel = { .accepted_packets = 0 };
static const struct event_shape kernel_shape = SHAPE(struct facts_kernel, kernel_rows, no_kernel,
                                                     false);

/* ---- the run ---- */

static const struct event_field run_start_rows[] = {
	FIELD(TEXT, struct record_facts, version, "version", ALWAYS, .says = "of drydock"),
	WORD(struct record_facts, mode, "mode", ALWAYS, .words = modes,
	     .says = "`observe`: public destinations and system calls were reported, not refused "
	             "(below)"),
	FIELD(TEXT, struct record_facts, kernel, "kernel", ALWAYS, .says = "of the host"),
	OBJECT(struct record_facts, event, event, "forge_event", MAYBE,
	       .says = "what the event file said; absent without one"),
	OBJECT(struct record_facts, policy, policy, "policy", ALWAYS, .says = "the operator's"),
	FIELD(TEXT, struct record_facts, identity, "identity", ALWAYS,
	      .says = "the identity mode: `range` or `single`"),
	FIELD(TEXTS, struct record_facts, enforcement, "enforcement", ALWAYS,
	      .says = "the locks in force"),
	FIELD(TEXT, struct record_facts, workflow, "workflow", ALWAYS, .says = "the file"),
	FIELD(BOOL, struct record_facts, trusted, "trusted", ALWAYS,
	      .says = "whether the job counts as protected"),
	FIELD(TEXT, struct record_facts, trust_why, "trust_why", ALWAYS,
	      .says = "the fact that decided"),
	FIELD(COUNT, struct record_facts, n_planned, "steps", ALWAYS, .says = "of the plan"),
};

static const struct event_field run_end_rows[] = {
	FIELD(TEXT, struct record_facts, status, "status", ALWAYS,
	      .says = "`succeeded`, `failed`, `refused`, `cancelled`, `broken`"),
	WORD(struct record_facts, mode, "mode", MAYBE, .words = modes,
	     .says = "as in `run.start`; absent when the job did not come to its end by itself"),
	OBJECT(struct record_facts, counts, counts, "counts", MAYBE,
	       .says = "sums over the steps; absent likewise"),
	FIELD(TEXT, struct record_facts, end_why, "why", MAYBE, .says = "what broke the job off"),
};

static const struct event_field narrowed_rows[] = {
	FIELD(TEXT, struct facts_narrowed, key, "key", ALWAYS, .says = "of the policy"),
	FIELD(TEXT, struct facts_narrowed, asked, "asked", ALWAYS, .says = "by the repository"),
	FIELD(TEXT, struct facts_narrowed, allowed, "allowed", ALWAYS, .says = "what it gets"),
	FIELD(COUNT, struct facts_narrowed, line, "line", ALWAYS, .says = "of `.drydock.yml`"),
	FIELD(TEXT, struct facts_narrowed, why, "why", ALWAYS, .says = "the reason"),
};

static const char *const copied_words[] = { "tracked", "everything", "commit", NULL };
static const char *const staged_words[] = { "nothing", "changes", "unknown", NULL };

static const struct event_field workspace_rows[] = {
	FIELD(TEXT, struct facts_workspace, path, "path", ALWAYS,
	      .says = "the directory that was copied"),
	FIELD(TEXT, struct facts_workspace, copied, "copied", ALWAYS, .words = copied_words,
	      .says = "`tracked`: what git tracks, as it stands on disk; `everything`; `commit`: "
	              "the commit alone"),
	FIELD(TEXT, struct facts_workspace, rev, "rev", MAYBE,
	      .says = "with `commit`: what `--rev` named it by"),
	FIELD(TEXT, struct facts_workspace, commit, "commit", MAYBE,
	      .says = "that it stands on; absent outside of a repository, and before the first "
	              "commit"),
	FIELD(TEXT, struct facts_workspace, ref, "ref", MAYBE,
	      .says = "refs/...; absent where HEAD is detached"),
	FIELD(BOOL, struct facts_workspace, dirty, "dirty", ALWAYS,
	      .says = "what was copied is known to differ from that commit"),
	FIELD(COUNT, struct facts_workspace, changed, "changed", MAYBE,
	      .says = "tracked files that differ from git's index; absent where not all copied "
	              "files are tracked"),
	FIELD(COUNT, struct facts_workspace, missing, "missing", MAYBE,
	      .says = "tracked files that are not there; likewise"),
	FIELD(TEXT, struct facts_workspace, staged, "staged", MAYBE, .words = staged_words,
	      .says = "what git's index holds that was not committed; likewise"),
	FIELD(COUNT, struct facts_workspace, files, "files", ALWAYS,
	      .says = "that were copied, git's own among them"),
	FIELD(COUNT, struct facts_workspace, bytes, "bytes", ALWAYS, .unit = "bytes",
	      .says = "in them"),
	FIELD(TEXTS, struct facts_workspace, notes, "notes", MAYBE,
	      .says = "what is not as in the caller's directory, a sentence each"),
};

static const struct event_field limited_rows[] = {
	FIELD(COUNT, struct facts_limited, limit_bytes, "limit_bytes", ALWAYS, .unit = "bytes",
	      .says = "`limits.record` of the policy"),
};

static const struct event_field artifact_rows[] = {
	FIELD(TEXT, struct facts_artifact, path, "path", ALWAYS, .says = "in the workspace"),
	FIELD(COUNT, struct facts_artifact, size, "size", ALWAYS, .unit = "bytes",
	      .says = "of the file"),
	FIELD(TEXT, struct facts_artifact, sha256, "sha256", ALWAYS, .says = "of its content"),
};

static const char *const hatch_of[] = { "cache", "artifact", NULL };
static const char *const hatch_did[] = { "saved",  "restored", "missed", "removed",
	                                 "served", "refused",  NULL };
static const struct event_field hatch_rows[] = {
	FIELD(TEXT, struct facts_hatch, did, "did", ALWAYS, .words = hatch_did,
	      .says = "`restored` and `served`: bytes were offered to the step"),
	FIELD(TEXT, struct facts_hatch, of, "of", MAYBE, .words = hatch_of, .says = "of what"),
	FIELD(TEXT, struct facts_hatch, name, "name", MAYBE,
	      .says = "key of the cache, or name of the artifact; the step's words"),
	FIELD(TEXT, struct facts_hatch, scope, "scope", MAYBE,
	      .says = "the ref that it was written for; of `missed`: that was looked at first"),
	FIELD(BOOL, struct facts_hatch, trusted, "trusted", ALWAYS,
	      .says = "a job of a protected ref wrote it; of `missed`: asked for it"),
	FIELD(COUNT, struct facts_hatch, size, "size", MAYBE, .unit = "bytes", .says = "of it"),
	FIELD(TEXT, struct facts_hatch, sha256, "sha256", MAYBE,
	      .says = "of its bytes, taken when nobody could write them any more"),
	FIELD(TEXT, struct facts_hatch, why, "why", MAYBE,
	      .says = "it was removed or refused, and what would change that"),
};

/* ---- a step ---- */

static const struct event_field step_start_rows[] = {
	FIELD(COUNT, struct facts_step, index, "index", ALWAYS,
	      .says = "which step of the run it is, from 1"),
	FIELD(TEXT, struct facts_step, id, "id", ALWAYS, .says = "the workflow's id; may be empty"),
	FIELD(TEXT, struct facts_step, name, "name", ALWAYS, .says = "the name that is shown"),
	FIELD(TEXT, struct facts_step, argv0, "argv0", ALWAYS, .says = "the shell"),
	FIELD(TEXT, struct facts_step, gate_state, "gate", ALWAYS, .words = gate_states,
	      .says = "as the policy has it"),
	FIELD(TEXT, struct facts_step, seccomp, "seccomp", ALWAYS,
	      .says = "the profile of system calls"),
	FIELD(TEXT, struct facts_step, filter, "filter", MAYBE,
	      .says = "SHA-256 of the filter that was compiled from it"),
	FIELD(TEXT, struct facts_step, phase_why, "phase_why", ALWAYS,
	      .says = "the rule that chose the phase"),
	FIELD(TEXT, struct facts_step, mounts, "mounts", ALWAYS,
	      .says = "digest of what the step sees"),
	FIELD(TEXT, struct facts_step, nothing, "nothing", MAYBE,
	      .says = "nothing is run for this step, and why"),
	FIELD(TEXT, struct facts_step, brought_by, "brought_by", MAYBE,
	      .says = "`step` of the written step that this one belongs to, and whose rights it "
	              "has"),
	FIELD(TEXT, struct facts_step, action, "action", MAYBE,
	      .says = "that it is a part of, as it was named: the innermost one"),
	FIELD(TEXT, struct facts_step, action_sha256, "action_sha256", MAYBE,
	      .says = "of all the action's files; absent when they are the workspace's"),
	FIELD(TEXT, struct facts_step, action_commit, "action_commit", MAYBE,
	      .says = "that its name was resolved to; absent when it came as files"),
	FIELD(TEXT, struct facts_step, action_named, "action_named", MAYBE, .words = action_names,
	      .says = "how firmly its name says what it is: by a `commit`, a `tag`, a `branch`, or "
	              "as `files` of the mirror"),
	FIELD(TEXT, struct facts_step, action_from, "action_from", MAYBE,
	      .says = "the mirror, or the address of the forge, that it came from"),
	FIELD(TEXT, struct facts_step, stage, "stage", MAYBE, .words = action_stages,
	      .says = "`pre`, `main`, `post` of the action, or `inside`: a step of a composite "
	              "one"),
	FIELD(TEXTS, struct facts_step, read, "read", ALWAYS,
	      .says = "host directories that are shown"),
	FIELD(TEXTS, struct facts_step, syscalls, "syscalls", ALWAYS,
	      .says = "what is allowed besides the profile (`sandbox.syscalls`)"),
	OBJECT(struct facts_step, match, match, "match", ALWAYS,
	       .says = "what a rule of a policy can match the step by"),
	FIELD(BOOL, struct facts_step, match.run_exact, "run_exact", MAYBE,
	      .when = offsetof(struct facts_step, match.run),
	      .says = "true: `match.run` is the whole script, unchanged"),
	FIELD(TEXT, struct facts_step, evaluated, "evaluated", MAYBE,
	      .says = "the script that was run, where it is not the written one; as `match.run`"),
	FIELD(TEXT, struct facts_step, interactive, "interactive", MAYBE, .words = hands,
	      .says = "a person's shell ran instead of the script (`run --shell`), and by what it "
	              "was held; `argv0` is the shell"),
	FIELD(TEXT, struct facts_step, workspace, "workspace", MAYBE, .words = views,
	      .says = "only in push: the view of it"),
	FIELD(TEXTS, struct facts_step, artifacts, "artifacts", MAYBE,
	      .says = "only in push: what else it sees"),
};

static const struct event_field step_end_rows[] = {
	FIELD(TEXT, struct facts_step, outcome, "outcome", ALWAYS,
	      .says = "`succeeded`, `failed`, `timed out`, `cancelled`, `over its limit`, "
	              "`refused`, `broken off`"),
	FIELD(COUNT, struct facts_step, exit, "exit", ALWAYS, .says = "status of the process"),
	FIELD(COUNT, struct facts_step, signal, "signal", ALWAYS, .says = "that ended it, or 0"),
	FIELD(REAL, struct facts_step, wall_sec, "wall_sec", ALWAYS, .unit = "seconds",
	      .says = "from release to end"),
	FIELD(COUNT, struct facts_step, cpu_usec, "cpu_usec", ALWAYS, .unit = "microseconds",
	      .says = "of all its processes"),
	FIELD(COUNT, struct facts_step, peak_memory_bytes, "peak_memory_bytes", ALWAYS,
	      .unit = "bytes", .says = "the most at once"),
	FIELD(COUNT, struct facts_step, output_bytes, "output_bytes", ALWAYS, .unit = "bytes",
	      .says = "that it printed"),
	FIELD(COUNT, struct facts_step, refused, "refused", ALWAYS,
	      .says = "attempts, by the counters of kernel and gate"),
	FIELD(TEXT, struct facts_step, message, "why", ALWAYS,
	      .says = "for an outcome that drydock caused; else empty"),
	FIELD(COUNT, struct facts_step, left, "left", ALWAYS,
	      .says = "processes that were still running when the main one had ended, and were "
	              "ended"),
	FIELD(BOOL, struct facts_step, log_cut, "log_cut", ALWAYS,
	      .says = "true: it printed more than `limits.log`, and the rest is in no log"),
	FIELD(TEXT, struct facts_step, kept, "kept", MAYBE,
	      .says = "directory in which a copy of its trees was left (`run --keep`)"),
	FIELD(COUNT, struct facts_step, files, "files", MAYBE,
	      .says = "the most that was measured of the job's trees; absent when nothing was "
	              "measured (no limit, and not observing)"),
	FIELD(COUNT, struct facts_step, disk_bytes, "disk_bytes", MAYBE, .unit = "bytes",
	      .says = "likewise"),
};

static const struct event_field grant_rows[] = {
	FIELD(TEXT, struct facts_lease, name, "credential", ALWAYS, .says = "its name"),
	FIELD(TEXT, struct facts_lease, kind, "kind", ALWAYS,
	      .says = "of the source: `file`, `env`, `systemd`, `forge`, `vault`, `oidc` or "
	              "`github-app`"),
	FIELD(TEXT, struct facts_lease, delivery, "delivery", ALWAYS,
	      .says = "`env`, `file`, `fd`, `git`, `netrc`, `npmrc`, `docker`, `pip` or `cargo`"),
	FIELD(TEXT, struct facts_lease, from, "from", ALWAYS,
	      .says = "the kind and where: `file:PATH`, `env:NAME`, `vault:URL/PATH`"),
	FIELD(TEXT, struct facts_lease, as, "as", ALWAYS,
	      .says = "the delivery and how it is called there: `env:NAME`, `docker:HOST`"),
	FIELD(COUNT, struct facts_lease, ttl_sec, "ttl_sec", ALWAYS, .unit = "seconds",
	      .says = "as the policy says, or as its issuer gives where that is less"),
};

static const struct event_field absent_rows[] = {
	FIELD(TEXT, struct facts_lease, name, "secret", ALWAYS,
	      .says = "the name that its workflow uses: `secrets.NAME`"),
	FIELD(TEXT, struct facts_lease, result, "why", ALWAYS, .says = "it is empty"),
};

static const struct event_field renew_rows[] = {
	FIELD(TEXT, struct facts_lease, name, "credential", ALWAYS, .says = "its name"),
	FIELD(TEXT, struct facts_lease, result, "result", ALWAYS,
	      .says = "`renewed`, or `not renewed: ...`"),
	FIELD(COUNT, struct facts_lease, ttl_sec, "ttl_sec", MAYBE, .unit = "seconds",
	      .says = "it lives from now on, if it was renewed; never beyond the policy's `ttl`"),
};

static const struct event_field revoke_rows[] = {
	FIELD(TEXT, struct facts_lease, name, "credential", ALWAYS, .says = "its name"),
	FIELD(TEXT, struct facts_lease, result, "result", ALWAYS,
	      .says = "what became of it; of an issued one the answers: `revoked: lease 204, token "
	              "204`, or `not revoked: ...`"),
};

static const struct event_field delta_rows[] = {
	FIELD(COUNT, struct facts_delta, added, "added", ALWAYS, .says = "files"),
	FIELD(COUNT, struct facts_delta, changed, "changed", ALWAYS, .says = "files"),
	FIELD(COUNT, struct facts_delta, removed, "removed", ALWAYS, .says = "files"),
	FIELD(COUNT, struct facts_delta, bytes, "bytes", ALWAYS, .unit = "bytes",
	      .says = "of what was added and changed"),
	FIELD(COUNT, struct facts_delta, tampered, "tampered", ALWAYS,
	      .says = "tracked source files among them"),
	FIELD(TEXT, struct facts_delta, ledger, "ledger", ALWAYS,
	      .says = "digest over path and digest of every file"),
};

/* ---- what it tried ---- */

static const struct event_field gate_open_rows[] = {
	FIELD(TEXT, struct facts_gate, state, "state", ALWAYS, .words = gate_states,
	      .says = "as the policy has it"),
	FIELD(BOOL, struct facts_gate, observing, "observing", ALWAYS,
	      .says = "true: open for reporting whatever `state` says"),
	LIST(struct facts_gate, entries, n_entries, entry, "entries", MAYBE,
	     .says = "the allowlist; absent where `entries_in` says where it stands"),
	FIELD(COUNT, struct facts_gate, entries_in, "entries_in", MAYBE,
	      .says = "`seq` of an earlier `gate.open` with the same allowlist: one of more than "
	              "32 "
	              "entries is written once for each phase"),
	FIELD(COUNT, struct facts_gate, upload_bytes, "upload_bytes", ALWAYS, .unit = "bytes",
	      .says = "what may go out over each entry in the whole job; 0: nothing"),
};

static const struct event_field gate_close_rows[] = {
	LIST(struct facts_gate, receipts, n_receipts, receipt, "receipt", ALWAYS,
	     .says = "what passed, by destination; what sent most first, at most 256"),
	OBJECT(struct facts_gate, total, sums, "total", ALWAYS,
	       .says = "of all destinations, however many"),
	OBJECT(struct facts_gate, not_listed, sums, "not_listed", MAYBE,
	       .says = "of those that `receipt` does not list"),
	FIELD(BOOL, struct facts_gate, verified, "verified", ALWAYS,
	      .says = "the rules were read back and nothing is open"),
	FIELD(COUNT, struct facts_gate, peak_connections, "peak_connections", ALWAYS,
	      .says = "most that were open at once"),
	LIST(struct facts_gate, wildcards, n_wildcards, wildcard, "wildcard_names", MAYBE,
	     .says = "for the wildcards that this step used, and what is narrowed out of them"),
	LIST(struct facts_gate, blocks, n_blocks, block, "cidr_addresses", MAYBE,
	     .says = "for the blocks of addresses that this step used"),
	OBJECT(struct facts_gate, kernel, kernel, "kernel", ALWAYS,
	       .says = "the counters of the step's rules"),
	FIELD(COUNT, struct facts_gate, unreported, "unreported", ALWAYS,
	      .says = "refusals and connections that were counted and not told one by one"),
};

/* The four of one try differ in what can be known of it. */
#define NET_HOST                                                                                   \
	FIELD(TEXT, struct facts_net, host, "host", ALWAYS, .says = "empty for a raw address")
#define NET_PORT                                                                                   \
	FIELD(PORT, struct facts_net, port, "port", ALWAYS,                                        \
	      .says = "0: unknown, refused when the name was looked up")
#define NET_ADDRESS                                                                                \
	FIELD(TEXT, struct facts_net, address, "address", ALWAYS,                                  \
	      .says = "what was dialled; may be empty")
#define NET_PROTO                                                                                  \
	FIELD(TEXT, struct facts_net, proto, "proto", ALWAYS,                                      \
	      .says = "`tcp`, `udp`, ...; `dns` for a name that was asked for")
#define NET_WHY(...) FIELD(TEXT, struct facts_net, why, "why", ALWAYS, .says = __VA_ARGS__)
#define NET_REASON(need, ...)                                                                      \
	FIELD(REASON, struct facts_net, reason, "reason", need, .says = __VA_ARGS__)
#define NET_COUNT                                                                                  \
	FIELD(COUNT, struct facts_net, count, "count", ALWAYS,                                     \
	      .says = "merges the repeats of a second")
#define NET_WANTS                                                                                  \
	OBJECT(struct facts_net, wants, wants, "wants", MAYBE,                                     \
	       .says = "what the line that would allow it has to say, as far as it is known; "     \
	               "absent where only host and port are")
#define NET_WOULD(need, ...)                                                                       \
	FIELD(MARK, struct facts_net, would_deny, "would", need, .words = deny, .says = __VA_ARGS__)

static const struct event_field net_allow_rows[] = {
	NET_HOST,
	NET_PORT,
	NET_ADDRESS,
	NET_REASON(MAYBE, "with `would`: why enforcing would have refused; a word (below)"),
	NET_WHY("the entry's reason or place; with `would`, the sentence to `reason`"),
	NET_PROTO,
	WORD(struct facts_net, speaks, "speaks", MAYBE, .words = speaks,
	     .says = "`tls`: a hello for this very name; `http`: requests for this very name; "
	             "`raw`: anything else, or nobody looked (an entry with `tls: raw`, a raw "
	             "address): only `tls: raw` lets it pass. Absent: the client said nothing"),
	WORD(struct facts_net, ech, "ech", MAYBE, .words = ech_forms,
	     .says = "`outer`: the name is that of the outer hello, which holds an encrypted one, "
	             "real or a decoy (GREASE), which cannot be told apart"),
	NET_WOULD(MAYBE, "let through only because the run observed"),
	OBJECT(struct facts_net, process, process, "process", MAYBE,
	       .says = "in observe mode, where it was found"),
};

static const struct event_field net_deny_rows[] = {
	NET_HOST,
	NET_PORT,
	NET_ADDRESS,
	NET_PROTO,
	NET_WOULD(MAYBE, "in observe mode it was tried and could not be reached; enforcing would "
	                 "not have tried"),
	FIELD(REASON, struct facts_net, would_reason, "would_reason", MAYBE,
	      .says = "why enforcing would not have tried; a word (below)"),
	NET_REASON(ALWAYS, "a word (below)"),
	NET_WHY("its sentence, for people"),
	NET_COUNT,
	NET_WANTS,
	OBJECT(struct facts_net, process, process, "process", OR_NULL, .says = "who tried"),
};

static const struct event_field dns_allow_rows[] = {
	FIELD(TEXT, struct facts_net, host, "host", ALWAYS, .says = "the name"),
	NET_WOULD(ALWAYS, "enforcing would not have answered"),
	NET_REASON(ALWAYS, "that enforcing would have had; a word (below)"),
	NET_WHY("its sentence, for people"),
};

static const struct event_field dns_deny_rows[] = {
	NET_HOST,
	NET_PORT,
	NET_ADDRESS,
	NET_PROTO,
	NET_REASON(ALWAYS, "a word (below)"),
	NET_WHY("its sentence, for people"),
	NET_COUNT,
	NET_WANTS,
	OBJECT(struct facts_net, process, process, "process", OR_NULL, .says = "who asked"),
};

static const struct event_field syscall_rows[] = {
	FIELD(TEXT, struct facts_syscall, name, "syscall", ALWAYS,
	      .says = "the number where no name is known; `others` takes what finds no room among "
	              "256 rows"),
	FIELD(NUMBER, struct facts_syscall, nr, "nr", ALWAYS, .says = "-1 for `others`"),
	FIELD(REASON, struct facts_syscall, reason, "reason", ALWAYS, .says = "a word (below)"),
	FIELD(COUNT, struct facts_syscall, count, "count", ALWAYS, .says = "of the same"),
	OBJECT(struct facts_syscall, process, process, "process", OR_NULL,
	       .says = "the first that asked"),
	FIELD(TEXT, struct facts_syscall, answer, "answer", ALWAYS,
	      .says = "`continued`: observing let it through; the name of an errno; `SIGSYS`: a "
	              "32-bit program, which ends"),
	FIELD(TEXT, struct facts_syscall, detail, "detail", MAYBE,
	      .says = "the argument that matters (`AF_VSOCK`, `0x40000`); `others` after 16 "
	              "different ones of a call"),
};

static const struct event_field violation_rows[] = {
	FIELD(TEXT, struct facts_violation, kind, "case", ALWAYS, .says = "`tamper`, `budget`"),
	FIELD(TEXT, struct facts_violation, subject, "subject", ALWAYS,
	      .says = "the path or the host"),
	FIELD(TEXT, struct facts_violation, change, "change", MAYBE,
	      .says = "`tamper`: `changed` or `removed`"),
	FIELD(PORT, struct facts_violation, port, "port", MAYBE, .says = "`budget`: of the host"),
	FIELD(REASON, struct facts_violation, reason, "reason", MAYBE,
	      .says = "`budget`: a word (below)"),
	FIELD(TEXT, struct facts_violation, why, "why", MAYBE, .says = "`budget`: which one"),
	FIELD(COUNT, struct facts_violation, bytes_out, "bytes_out", MAYBE, .unit = "bytes",
	      .says = "`budget`: that had left over the entry"),
	FIELD(TEXT, struct facts_violation, consequence, "consequence", ALWAYS,
	      .says = "what drydock did about it; `connection cut`, or `none: observing`"),
};

static const struct event_field not_run_rows[] = {
	FIELD(TEXT, struct facts_not_run, id, "id", ALWAYS, .says = "empty when none is given"),
	FIELD(TEXT, struct facts_not_run, name, "name", ALWAYS,
	      .says = "as the forge shows it; evaluated, where that is possible"),
	FIELD(TEXT, struct facts_not_run, outcome, "outcome", ALWAYS, .words = not_run_outcomes,
	      .says = "`skipped`, or `failure` for an error before it began"),
	FIELD(TEXT, struct facts_not_run, stage, "stage", MAYBE, .words = action_stages,
	      .says = "of an action that the written step uses; absent when it is that step"),
	FIELD(TEXT, struct facts_not_run, why, "why", ALWAYS,
	      .says = "the condition that did not hold, or the error"),
};

static const struct event_field annotation_rows[] = {
	FIELD(TEXT, struct facts_annotation, level, "level", ALWAYS, .words = annotation_levels,
	      .says = "`notice`, `warning`, `error`"),
	FIELD(TEXT, struct facts_annotation, message, "message", ALWAYS,
	      .says = "the step's own words"),
	FIELD(TEXT, struct facts_annotation, title, "title", MAYBE, .says = "likewise"),
	FIELD(TEXT, struct facts_annotation, code, "code", MAYBE,
	      .says = "of the problem, where a problem matcher finds one; the step's own word"),
	FIELD(TEXT, struct facts_annotation, file, "file", MAYBE,
	      .says = "that it is about, below the workspace; the step's own word"),
	FIELD(COUNT, struct facts_annotation, line, "line", MAYBE, .says = "of the file"),
	FIELD(COUNT, struct facts_annotation, end_line, "end_line", MAYBE, .says = "likewise"),
	FIELD(COUNT, struct facts_annotation, column, "column", MAYBE, .says = "of the line"),
	FIELD(COUNT, struct facts_annotation, end_column, "end_column", MAYBE, .says = "likewise"),
};

static const struct event_field summary_rows[] = {
	FIELD(TEXT, struct facts_summary, text, "text", ALWAYS,
	      .says = "what it wrote to GITHUB_STEP_SUMMARY, masked; its beginning, where it is "
	              "longer than a field may be"),
	FIELD(COUNT, struct facts_summary, bytes, "bytes", ALWAYS, .unit = "bytes",
	      .says = "of the whole"),
	FIELD(BOOL, struct facts_summary, cut, "cut", ALWAYS, .says = "not all of it is here"),
};

static const struct event_field withheld_rows[] = {
	FIELD(TEXT, struct facts_withheld, kind, "kind", ALWAYS, .words = withheld_kinds,
	      .says = "`env`: a variable; `path`: an entry of PATH"),
	FIELD(TEXT, struct facts_withheld, name, "name", ALWAYS, .says = "of it; no value"),
	FIELD(TEXT, struct facts_withheld, why, "why", ALWAYS, .says = "what it could do"),
	FIELD(TEXT, struct facts_withheld, from, "from", ALWAYS, .says = "the step that wrote it"),
};

/* ---- all of them ---- */

static const struct record_facts no_run = { .n_planned = FACTS_ABSENT };
static const struct facts_narrowed no_narrowed = { .line = FACTS_ABSENT };
static const struct facts_workspace no_workspace = { .files = FACTS_ABSENT,
	                                             .bytes = FACTS_ABSENT,
	                                             .changed = FACTS_ABSENT,
	                                             .missing = FACTS_ABSENT };
static const struct facts_limited no_limited = { .limit_bytes = FACTS_ABSENT };
static const struct facts_hatch no_hatch = { .size = FACTS_ABSENT };
static const struct facts_artifact no_artifact = { .size = FACTS_ABSENT };
static const struct facts_lease no_lease = { .ttl_sec = FACTS_ABSENT };
#define NO_GATE                                                                                    \
	{                                                                                          \
		.upload_bytes = FACTS_ABSENT, .peak_connections = FACTS_ABSENT,                    \
		.unreported = FACTS_ABSENT, .entries_in = FACTS_ABSENT                             \
	}
static const struct facts_gate no_gate = NO_GATE;
static const struct facts_step no_step = {
	.exit = FACTS_ABSENT,
	.signal = FACTS_ABSENT,
	.cpu_usec = FACTS_ABSENT,
	.peak_memory_bytes = FACTS_ABSENT,
	.output_bytes = FACTS_ABSENT,
	.refused = FACTS_ABSENT,
	.left = FACTS_ABSENT,
	.files = FACTS_ABSENT,
	.disk_bytes = FACTS_ABSENT,
	.wall_sec = FACTS_ABSENT,
	.delta.added = FACTS_ABSENT,
	.gate = NO_GATE,
};
static const struct facts_net no_net = { .host = "", .address = "", .count = FACTS_ABSENT };
static const struct facts_syscall no_call = { .nr = FACTS_ABSENT, .count = FACTS_ABSENT };
static const struct facts_violation no_violation = { .bytes_out = FACTS_ABSENT };
static const struct facts_not_run no_not_run = { .id = NULL };
static const struct facts_annotation no_annotation = { .line = FACTS_ABSENT,
	                                               .end_line = FACTS_ABSENT,
	                                               .column = FACTS_ABSENT,
	                                               .end_column = FACTS_ABSENT };
static const struct facts_summary no_summary = { .bytes = FACTS_ABSENT };
static const struct facts_withheld no_withheld = { .name = NULL };
static const struct facts_delta no_delta = { .ledger = NULL };

#define MEMBER(constant, noun, type, of) type noun;
union event_struct { /* only for its types */
	RECORD_EVENTS(MEMBER)
};
#undef MEMBER

#define EVENT(noun, name_, of_, weight_, rows, empty_, says_)                                      \
	{                                                                                          \
		.name = (name_), .says = (says_), .of = EVENT_OF_##of_,                            \
		.weight = RECORD_##weight_,                                                        \
		.shape = SHAPE(TYPE_OF(union event_struct, noun), rows, empty_, false)             \
	}

const struct event_row event_rows[EVENT__COUNT] = {
	[EVENT_RUN_START] = EVENT(run_start, "run.start", RUN, BEGINS, run_start_rows, no_run,
	                          "the run begins; always the first line"),
	[EVENT_POLICY_NARROWED] = EVENT(
		policy_narrowed, "policy.narrowed", RUN, BEGINS, narrowed_rows, no_narrowed,
		"the repository's `.drydock.yml` asked for more than the operator's policy gives"),
	[EVENT_WORKSPACE] = EVENT(workspace, "workspace", RUN, BEGINS, workspace_rows, no_workspace,
	                          "what the job's workspace was copied from; absent when it "
	                          "begins empty"),
	[EVENT_RECORD_LIMITED] =
		EVENT(record_limited, "record.limited", RUN, BEGINS, limited_rows, no_limited,
	              "the record has come to three quarters of its limit: from here on "
	              "connections, refusals and violations are counted, not told one by one"),
	[EVENT_STEP_NOT_RUN] =
		EVENT(step_not_run, "step.not_run", STEP, BEGINS, not_run_rows, no_not_run,
	              "a step had its turn and was not run: a written one, or one that it brought"),
	[EVENT_ENV_WITHHELD] = EVENT(env_withheld, "env.withheld", STEP, BEGINS, withheld_rows,
	                             no_withheld,
	                             "what a less trusted step left for later ones and this step "
	                             "does not get; before its step.start"),
	[EVENT_ANNOTATION] = EVENT(annotation, "annotation", STEP, REPEATS, annotation_rows,
	                           no_annotation, "a step said something about a file, or the job"),
	[EVENT_STEP_SUMMARY] = EVENT(step_summary, "step.summary", STEP, REPEATS, summary_rows,
	                             no_summary, "what a step wrote for people to read"),
	[EVENT_STEP_START] = EVENT(step_start, "step.start", STEP, BEGINS, step_start_rows, no_step,
	                           "a step begins"),
	[EVENT_CRED_ABSENT] = EVENT(cred_absent, "cred.absent", STEP, REPEATS, absent_rows,
	                            no_lease, "a step names a secret and gets nothing for it"),
	[EVENT_CRED_GRANT] = EVENT(cred_grant, "cred.grant", STEP, BEGINS, grant_rows, no_lease,
	                           "a step gets a credential; its value is nowhere"),
	[EVENT_CRED_RENEW] = EVENT(cred_renew, "cred.renew", STEP, REPEATS, renew_rows, no_lease,
	                           "its issuer was asked to let a credential live on"),
	[EVENT_CRED_REVOKE] = EVENT(cred_revoke, "cred.revoke", STEP, ENDS, revoke_rows, no_lease,
	                            "the credential is taken back"),
	[EVENT_GATE_OPEN] = EVENT(gate_open, "gate.open", STEP, BEGINS, gate_open_rows, no_gate,
	                          "the gate of the step serves"),
	[EVENT_NET_ALLOW] = EVENT(net_allow, "net.allow", STEP, REPEATS, net_allow_rows, no_net,
	                          "a connection was let through"),
	[EVENT_NET_DENY] = EVENT(net_deny, "net.deny", STEP, REPEATS, net_deny_rows, no_net,
	                         "a connection was refused"),
	[EVENT_DNS_ALLOW] = EVENT(dns_allow, "dns.allow", STEP, REPEATS, dns_allow_rows, no_net,
	                          "only in observe mode: a name was answered that enforcing would "
	                          "have refused; once for each name"),
	[EVENT_DNS_DENY] = EVENT(dns_deny, "dns.deny", STEP, REPEATS, dns_deny_rows, no_net,
	                         "a name was not answered"),
	[EVENT_SYS_DENY] =
		EVENT(sys_deny, "sys.deny", STEP, BEGINS, syscall_rows, no_call,
	              "at the end of the step: one event for each different call, answer "
	              "and detail. Enforcing: the calls that the profile has a `tell` "
	              "for ([seccomp.md](seccomp.md)); observing: every call outside "
	              "the profile"),
	[EVENT_VIOLATION] = EVENT(violation, "violation", STEP, REPEATS, violation_rows,
	                          no_violation, "a rule that the step must keep was broken"),
	[EVENT_GATE_CLOSE] = EVENT(gate_close, "gate.close", STEP, ENDS, gate_close_rows, no_gate,
	                           "the gate is closed, read back and accounted for"),
	[EVENT_FS_DELTA] = EVENT(fs_delta, "fs.delta", STEP, ENDS, delta_rows, no_delta,
	                         "what the step did to the workspace"),
	[EVENT_STEP_END] = EVENT(step_end, "step.end", STEP, ENDS, step_end_rows, no_step,
	                         "the step is over"),
	[EVENT_HATCH] = EVENT(hatch, "hatch", STEP, REPEATS, hatch_rows, no_hatch,
	                      "a step and the store of caches and artifacts"),
	[EVENT_ARTIFACT] = EVENT(artifact, "artifact", SOME_STEP, BEGINS, artifact_rows,
	                         no_artifact, "a file went to a push step, or to `--out`"),
	[EVENT_RUN_END] = EVENT(run_end, "run.end", RUN, ENDS, run_end_rows, no_run,
	                        "the run is over; always the last line"),
};

/* Those that may be absent stand behind the fields of the event, and `prev` is the last. */
const struct event_common event_common[EVENT_COMMON] = {
	{ "seq", JSON_INTEGER, false, false, NULL, "1, 2, ..." },
	{ "time", JSON_STRING, false, false, NULL, "RFC 3339, UTC, microseconds" },
	{ "mono_ns", JSON_INTEGER, false, false, "nanoseconds", "of the monotonic clock" },
	{ "run", JSON_STRING, false, false, NULL, "one id for all lines" },
	{ "job", JSON_STRING, false, false, NULL, "of the workflow" },
	{ "step", JSON_STRING, true, false, NULL,
	  "the id, or a label for a step without one; null in an event of the whole run" },
	{ "phase", JSON_STRING, true, false, NULL, "`build`, `fetch`, `push`; null likewise" },
	{ "event", JSON_STRING, false, false, NULL, "one of the table" },
	{ "cut_bytes", JSON_INTEGER, false, true, "bytes",
	  "of a torn last line that were cut off before this one" },
	{ "clock_jump_ms", JSON_INTEGER, false, true, "milliseconds",
	  "the host's wall clock was set since the line before, by so much; `mono_ns` goes on" },
	{ "prev", JSON_STRING, false, false, NULL,
	  "SHA-256, in hex, of the line before; 64 zeros in the first" },
};

enum event event_named(const char *name)
{
	enum event e = 0;
	while (e < EVENT__COUNT && strcmp(event_rows[e].name, name) != 0)
		e++;
	return e;
}
