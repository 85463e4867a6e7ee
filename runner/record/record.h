// SPDX-License-Identifier: Apache-2.0
/* record.h - the chained log of a run: JSON Lines, append-only, one object per line, each naming
 * the SHA-256 of the line before.
 *
 * Written by the supervisor only. Never a secret, a query string, or a URL with user info (L-08). A
 * line that cannot be written ends the job: there is no run without a record. Field names:
 * docs/record.md.
 */
#ifndef RUNNER_RECORD_H
#define RUNNER_RECORD_H

#include "drydock/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct record;

enum {
	RECORD_LINE_MAX = 16 * 1024 * 1024, /* a longer line is refused on both sides */
	RECORD_NAME_MAX = 120,              /* of run and job */
	RECORD_EVENT_MAX = 63,              /* of an event's name */
};

/* Create @path (0600). A file that is there must be empty, ours, written by nobody else and no
 * link: -EEXIST, -ELOOP. @run is a unique id, @job the job's; at most RECORD_NAME_MAX bytes each
 * (-EINVAL). */
int record_open(const char *path, const char *run, const char *job, struct record **ret,
                struct dd_err *err);
/* No more than so many bytes; 0: no limit. See enum record_weight. */
void record_limit(struct record *rec, uint64_t bytes);

/* What becomes of an event when the record comes to its limit. */
enum record_weight {
	RECORD_BEGINS = 0, /* up to 15/16 of it; beyond, -EFBIG: the job must end */
	RECORD_REPEATS,    /* a step can cause it without end: beyond 3/4 it is only counted */
	RECORD_ENDS,       /* what is left is for these; each happens once for what has begun */
};
enum { RECORD_UNTOLD = 1 };

/* Append one event. @step and @phase may be NULL. Steals @fields (an object, may be NULL), whose
 * names must not clash with the common ones. Written with one write(2); fdatasync at run.end and
 * cred.*. RECORD_UNTOLD: there was no room, it was counted. Everybody but tests goes through
 * event_write.h, which knows what an event is made of. */
int record_add(struct record *rec, enum record_weight weight, const char *step, const char *phase,
               const char *event, json_t *fields, struct dd_err *err);
/* Takes the values of credentials out of a text, in place: @text stands in a buffer of @size bytes
 * and never gets longer. With @text NULL: is there any value to look for? */
typedef bool (*record_clean_fn)(void *arg, char *text, size_t size);
/* From here on every text of an event that is no word of a table passes through @clean. */
void record_clean_by(struct record *rec, record_clean_fn clean, void *arg);
/* Every line that is written also goes to @mirror (record_mirror.h), which outlives the record;
 * NULL: to nobody. */
struct mirror;
void record_mirror_to(struct record *rec, struct mirror *mirror);
/* Lines that some collector did not get; *ret_asked: there is one. */
uint64_t record_undelivered(const struct record *rec, bool *ret_asked);
/* @text (of @len bytes) as it may be written, or NULL: as it is. The caller frees. */
int record_clean_text(const struct record *rec, const char *text, size_t len, char **ret);
bool record_cleans(const struct record *rec);

const char *record_path(const struct record *rec);
const char *record_head(
	const struct record *rec); /* SHA-256 (hex) of the last line: what `record verify` prints,
                                      so that a cut or an edit at the end shows */
uint64_t record_seq(const struct record *rec);    /* of the last line */
uint64_t record_untold(const struct record *rec); /* events that were counted and not written */
uint64_t record_limit_bytes(const struct record *rec);
bool record_is_full(const struct record *rec); /* -EFBIG was returned */
/* For the keeper after a supervisor's death, which has the record open since before: go on behind
 * the last whole line (a torn one is cut off and said so), if the chain up to there is intact.
 * -EALREADY: the run has ended. */
int record_resume(struct record *rec, struct dd_err *err);
/* The same for a record whose every process died: opened again at @path. -EALREADY: it has its end;
 * -EBADMSG: its chain does not hold. */
int record_reopen(const char *path, struct record **ret, struct dd_err *err);
void record_free(struct record *rec); /* closes; writes nothing */

/* A JSON string of any bytes: what is not UTF-8 is spelled \\xNN, the rest stays. NULL only without
 * memory. For every field that others chose. */
json_t *record_text_n(const char *bytes, size_t len);
json_t *record_text(const char *text);

/* 0: the chain holds and ends with run.end. -EBADMSG: @err names the line and what is wrong
 * (edited, deleted, torn, not JSON). -ENODATA: the chain holds but the run did not end (killed, or
 * the end was cut off). @ret_lines (may be NULL) counts the good lines in each of the three. */
int record_verify(const char *path, uint64_t *ret_lines, struct dd_err *err);

/* What record_verify is made of. @fn (may be NULL) sees each good line, borrowed; a non-zero result
 * stops and is returned. */
struct record_state {
	uint64_t lines;      /* good ones */
	uint64_t good_bytes; /* where the last good line ends */
	uint64_t torn_bytes; /* behind it, without a newline */
	char head[65];       /* SHA-256 of the last good line; zeros when there is none */
	char last_event[64];
	char run[512], job[512];
};
typedef int (*record_line_fn)(void *arg, json_t *line);
/* 0: every complete line is good (torn bytes are counted, not judged), -EBADMSG: see above, other
 * -errno: cannot read. */
int record_scan(int fd, struct record_state *ret, record_line_fn fn, void *arg, struct dd_err *err);

#endif
