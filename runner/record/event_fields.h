// SPDX-License-Identifier: Apache-2.0
/* event_fields.h - what an event of the record is made of: a table of fields over a plain struct.
 *
 * One table (event_table.c) is all that knows the names. The writer, the reader, the JSON Schema
 * and, through the schema, docs/record.md are made from it: an event that is written is an event
 * that can be read.
 */
#ifndef RUNNER_EVENT_FIELDS_H
#define RUNNER_EVENT_FIELDS_H

#include "base/words.h"
#include "record.h"
#include "record_facts.h"

#include <jansson.h>

enum field_kind {
	FIELD_TEXT = 0, /* const char *; absent: NULL */
	FIELD_TEXTS,    /* const char *const *, NULL-terminated; absent: NULL */
	FIELD_COUNT,    /* int64_t, not negative; absent: FACTS_ABSENT */
	FIELD_NUMBER,   /* int64_t that may be negative: never absent where it is written */
	FIELD_PORT,     /* uint16_t; absent: 0 */
	FIELD_REAL,     /* double, not negative; absent: negative */
	FIELD_BOOL,     /* bool */
	FIELD_MARK,     /* bool, written as its one word when true and not at all when false */
	FIELD_WORD,     /* an enum, by its word; absent: 0, which has no word */
	FIELD_REASON,   /* enum dd_reason, by its name; absent: REASON_NONE, and so a name that this
	                   drydock does not know */
	FIELD_OBJECT,   /* a struct, see `known` of its shape */
	FIELD_LIST,     /* pointer to the first of n structs; absent: NULL */
	FIELD__KINDS
};

enum field_need {
	FIELD_ALWAYS = 0, /* drydock writes it in every such event; an older record may lack it */
	FIELD_OR_NULL,    /* likewise; null where nothing is known */
	FIELD_MAYBE,      /* left out where it does not apply */
};

struct event_shape;

struct event_field {
	const char *name;
	enum field_kind kind;
	enum field_need need;
	size_t offset;                /* in the struct of the shape */
	const char *unit;             /* of a number, or NULL */
	const char *const *words;     /* TEXT, MARK, WORD: the only ones, NULL-terminated */
	const struct event_shape *of; /* OBJECT, LIST */
	size_t n_offset;              /* LIST: of the size_t that counts it */
	size_t when;                  /* MAYBE: offset of a pointer; NULL there leaves it out. 0:
	                                 the field's own value says so */
	const char *says;             /* a sentence for the reader of the record */
};

struct event_shape {
	const struct event_field *fields;
	size_t n;
	size_t size;       /* of the struct */
	const void *empty; /* the struct with nothing known */
	bool known;        /* it begins with `bool known`: whether it is there at all */
};

enum event_of {
	EVENT_OF_RUN = 0,   /* step and phase are null */
	EVENT_OF_STEP,      /* both are there */
	EVENT_OF_SOME_STEP, /* the step may be null, the phase is */
};

/* A line for each event: its constant, its noun, the struct that carries its fields, where it
 * happens. The typed functions of event_write.h are made from it, so that no call can hand over
 * another struct than the table reads. */
#define RECORD_EVENTS(X)                                                                           \
	X(RUN_START, run_start, struct record_facts, RUN)                                          \
	X(POLICY_NARROWED, policy_narrowed, struct facts_narrowed, RUN)                            \
	X(WORKSPACE, workspace, struct facts_workspace, RUN)                                       \
	X(RECORD_LIMITED, record_limited, struct facts_limited, RUN)                               \
	X(STEP_NOT_RUN, step_not_run, struct facts_not_run, STEP)                                  \
	X(ENV_WITHHELD, env_withheld, struct facts_withheld, STEP)                                 \
	X(STEP_START, step_start, struct facts_step, STEP)                                         \
	X(CRED_ABSENT, cred_absent, struct facts_lease, STEP)                                      \
	X(CRED_GRANT, cred_grant, struct facts_lease, STEP)                                        \
	X(CRED_RENEW, cred_renew, struct facts_lease, STEP)                                        \
	X(CRED_REVOKE, cred_revoke, struct facts_lease, STEP)                                      \
	X(GATE_OPEN, gate_open, struct facts_gate, STEP)                                           \
	X(NET_ALLOW, net_allow, struct facts_net, STEP)                                            \
	X(NET_DENY, net_deny, struct facts_net, STEP)                                              \
	X(DNS_ALLOW, dns_allow, struct facts_net, STEP)                                            \
	X(DNS_DENY, dns_deny, struct facts_net, STEP)                                              \
	X(SYS_DENY, sys_deny, struct facts_syscall, STEP)                                          \
	X(VIOLATION, violation, struct facts_violation, STEP)                                      \
	X(ANNOTATION, annotation, struct facts_annotation, STEP)                                   \
	X(GATE_CLOSE, gate_close, struct facts_gate, STEP)                                         \
	X(FS_DELTA, fs_delta, struct facts_delta, STEP)                                            \
	X(STEP_END, step_end, struct facts_step, STEP)                                             \
	X(STEP_SUMMARY, step_summary, struct facts_summary, STEP)                                  \
	X(HATCH, hatch, struct facts_hatch, STEP)                                                  \
	X(ARTIFACT, artifact, struct facts_artifact, SOME_STEP)                                    \
	X(RUN_END, run_end, struct record_facts, RUN)

#define EVENT_CONSTANT(constant, noun, type, of) EVENT_##constant,
enum event { RECORD_EVENTS(EVENT_CONSTANT) EVENT__COUNT };
#undef EVENT_CONSTANT

struct event_row {
	const char *name, *says;
	enum event_of of;
	enum record_weight weight;
	struct event_shape shape;
};
extern const struct event_row event_rows[EVENT__COUNT];

/* What every line has, in this order, but for those that may be absent; not in any struct. */
struct event_common {
	const char *name;
	json_type type;
	bool may_be_null, may_be_absent;
	const char *unit, *says;
};
enum { EVENT_COMMON = 11 };
extern const struct event_common event_common[EVENT_COMMON];

/* EVENT__COUNT: no such event. */
enum event event_named(const char *name);

/* The JSON Schema of one line of a record, from the table. NULL without memory. */
json_t *event_schema(void);

#endif
