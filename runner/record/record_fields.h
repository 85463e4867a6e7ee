// SPDX-License-Identifier: Apache-2.0
/* record_fields.h - fields of one record line into a struct, by a table: a field is one row. Shared
 * by record_facts*.c only. */
#ifndef RUNNER_RECORD_FIELDS_H
#define RUNNER_RECORD_FIELDS_H

#include "base/arena.h"
#include "record_facts.h"

#include <jansson.h>

enum field_kind {
	FIELD_TEXT = 0, /* const char * */
	FIELD_COUNT,    /* int64_t, not negative */
	FIELD_PORT,     /* uint16_t */
	FIELD_BOOL,
	FIELD_REAL,  /* double, not negative */
	FIELD_TEXTS, /* const char *const *, NULL-terminated */
	FIELD__KINDS
};

struct field_row {
	const char *name;
	enum field_kind kind;
	size_t offset; /* in the struct that is filled */
};

/* A row whose field is called as the member; ROW_NAMED where the two differ. */
#define ROW_NAMED(name, kind, type, member)                                                        \
	{                                                                                          \
		name, kind, offsetof(type, member)                                                 \
	}
#define ROW_TEXT(type, member)  ROW_NAMED(#member, FIELD_TEXT, type, member)
#define ROW_COUNT(type, member) ROW_NAMED(#member, FIELD_COUNT, type, member)
#define ROW_PORT(type, member)  ROW_NAMED(#member, FIELD_PORT, type, member)
#define ROW_BOOL(type, member)  ROW_NAMED(#member, FIELD_BOOL, type, member)
#define ROW_TEXTS(type, member) ROW_NAMED(#member, FIELD_TEXTS, type, member)

struct facts_reading {
	struct plan_arena *arena;
	struct record_facts *facts;
	struct dd_err *err; /* never NULL */
};

/* What absent means is already in @out. null counts as absent. -EBADMSG: wrong type, NUL in a text,
 * too long; err names the field. */
int fields_rows(const struct facts_reading *r, json_t *object, const struct field_row *rows,
                size_t n, void *out);
/* A member of one JSON type, borrowed; NULL when it is absent. -EBADMSG: another type. */
int fields_member(const struct facts_reading *r, json_t *object, const char *name, json_type type,
                  json_t **ret);
/* A list of objects, each into a @size struct that starts as @empty. Absent: NULL and 0. */
int fields_list(const struct facts_reading *r, json_t *object, const char *name,
                const struct field_row *rows, size_t n_rows, const void *empty, size_t size,
                void **ret, size_t *ret_n);
struct facts_at fields_at(json_t *line);

/* record_facts_step.c: the events of a step. @step: the latest that started under the name; NULL
 * for step.start. */
int facts_step_start(const struct facts_reading *r, json_t *line, struct facts_step *unused);
int facts_step_end(const struct facts_reading *r, json_t *line, struct facts_step *step);
int facts_gate_open(const struct facts_reading *r, json_t *line, struct facts_step *step);
int facts_gate_close(const struct facts_reading *r, json_t *line, struct facts_step *step);
int facts_net_allow(const struct facts_reading *r, json_t *line, struct facts_step *step);
int facts_net_deny(const struct facts_reading *r, json_t *line, struct facts_step *step);
int facts_dns_allow(const struct facts_reading *r, json_t *line, struct facts_step *step);
int facts_dns_deny(const struct facts_reading *r, json_t *line, struct facts_step *step);
int facts_sys_deny(const struct facts_reading *r, json_t *line, struct facts_step *step);
int facts_cred_grant(const struct facts_reading *r, json_t *line, struct facts_step *step);
int facts_violation_seen(const struct facts_reading *r, json_t *line, struct facts_step *step);
int facts_fs_delta(const struct facts_reading *r, json_t *line, struct facts_step *step);

#endif
