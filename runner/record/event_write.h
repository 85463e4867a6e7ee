// SPDX-License-Identifier: Apache-2.0
/* event_write.h - one function for each event: its struct becomes one line of the record.
 *
 * Supervisor, and the keeper after its death. A text is any bytes: what is not UTF-8 is spelled
 * \\xNN, and what is longer than a reader takes is cut and says so. Fill what the event carries
 * (event_table.c); a member that it needs and that is NULL is -EINVAL, and a record that lacks a
 * line ends the job.
 *
 *     record_net_deny(rec, step->ref, step->phase,
 *                     &(struct facts_net){ .host = msg->host, .port = msg->port, ... }, err);
 */
#ifndef RUNNER_EVENT_WRITE_H
#define RUNNER_EVENT_WRITE_H

#include "drydock/phase.h"
#include "event_fields.h"
#include "record.h"

/* @what: the struct of that event. Use the functions below: they know which. */
int event_write(struct record *rec, enum event event, const char *step, const char *phase,
                const void *what, struct dd_err *err);
/* The fields alone, as they stand in a line; NULL with @err set. */
json_t *event_json(enum event event, const void *what, struct dd_err *err);

/* int record_NOUN(struct record *rec, [const char *step, enum dd_phase phase,]
 *                 const TYPE *what, struct dd_err *err) */
#define EVENT_WRITER_RUN(constant, noun, type)                                                     \
	static inline int record_##noun(struct record *rec, const type *what, struct dd_err *err)  \
	{                                                                                          \
		return event_write(rec, EVENT_##constant, NULL, NULL, what, err);                  \
	}
#define EVENT_WRITER_STEP(constant, noun, type)                                                    \
	static inline int record_##noun(struct record *rec, const char *step, enum dd_phase phase, \
	                                const type *what, struct dd_err *err)                      \
	{                                                                                          \
		return event_write(rec, EVENT_##constant, step, dd_phase_name(phase), what, err);  \
	}
#define EVENT_WRITER_SOME_STEP(constant, noun, type)                                               \
	static inline int record_##noun(struct record *rec, const char *step, const type *what,    \
	                                struct dd_err *err)                                        \
	{                                                                                          \
		return event_write(rec, EVENT_##constant, step, NULL, what, err);                  \
	}
#define EVENT_WRITER(constant, noun, type, of) EVENT_WRITER_##of(constant, noun, type)
RECORD_EVENTS(EVENT_WRITER)
#undef EVENT_WRITER
#undef EVENT_WRITER_RUN
#undef EVENT_WRITER_STEP
#undef EVENT_WRITER_SOME_STEP

#endif
