// SPDX-License-Identifier: Apache-2.0
/* event_read.h - the fields of a line into the struct of its event. Shared by record_facts*.c; the
 * command line only. */
#ifndef RUNNER_EVENT_READ_H
#define RUNNER_EVENT_READ_H

#include "base/arena.h"
#include "event_fields.h"

struct facts_reading {
	struct plan_arena *arena;
	struct record_facts *facts;
	struct dd_err *err; /* never NULL */
};

/* The fields that @line has into @out, whose other members stay: two events of a step may fill one
 * struct. null counts as absent, what the table does not know is skipped. -EBADMSG: wrong type, NUL
 * in a text, too long, a word that is none; err names the field. */
int event_read(const struct facts_reading *r, json_t *line, enum event event, void *out);
/* Likewise, but @out begins as the shape's empty. */
int event_read_shape(const struct facts_reading *r, json_t *object, const struct event_shape *shape,
                     void *out);
/* A common field. */
int event_read_text(const struct facts_reading *r, json_t *line, const char *name,
                    const char **ret);
struct facts_at event_at(json_t *line);

/* record_facts_step.c: where in the facts an event of a step is put; NULL: @err says why not.
 * @step: the latest that started under the name; NULL for step.start. */
void *facts_place_step_start(const struct facts_reading *r, json_t *line, struct facts_step *none);
void *facts_place_step_end(const struct facts_reading *r, json_t *line, struct facts_step *step);
void *facts_place_gate_open(const struct facts_reading *r, json_t *line, struct facts_step *step);
void *facts_place_gate_close(const struct facts_reading *r, json_t *line, struct facts_step *step);
void *facts_place_net(const struct facts_reading *r, json_t *line, struct facts_step *step);
void *facts_place_sys_deny(const struct facts_reading *r, json_t *line, struct facts_step *step);
void *facts_place_cred_grant(const struct facts_reading *r, json_t *line, struct facts_step *step);
void *facts_place_violation(const struct facts_reading *r, json_t *line, struct facts_step *step);
void *facts_place_fs_delta(const struct facts_reading *r, json_t *line, struct facts_step *step);

#endif
