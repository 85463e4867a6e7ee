// SPDX-License-Identifier: Apache-2.0
/* step_output.h - what a step prints, on its way to the log file and to a person's terminal, in
 * bounded memory.
 *
 * Both get one line at a time, masked and escaped: controls and broken UTF-8 as \xNN, so that a log
 * can be shown with cat (L-04); up to log_bytes of what the step printed, and a line that says so
 * (L-07, P-11). A line reaches the log when it ends, or in pieces. Workflow commands are plain text
 * here (L-03): a front end may hide a line, show another one instead, or have a value masked from
 * there on, and nothing else in this output is ever obeyed.
 * drydock's own lines carry STEP_OUTPUT_MARK; a line of the step never does, in any case of letters
 * and whatever it puts between them unseen: its first letter is spelled \x64 (L-10). stdout and
 * stderr have a mask and a line of their own. A secret that a step prints half to each is therefore
 * not masked; it never stands in one line (limit of L-01).
 */
#ifndef RUNNER_STEP_OUTPUT_H
#define RUNNER_STEP_OUTPUT_H

#include "drydock/err.h"
#include "lease/mask.h"

#include <stdbool.h>
#include <stdint.h>

#define STEP_OUTPUT_MARK "drydock:"

enum step_stream { STEP_STDOUT = 0, STEP_STDERR, STEP_STREAMS };
enum { STEP_COMMAND_MAX = 68 * 1024 };
enum { STEP_LINE_MAX = 4096 }; /* bytes of a piece of a line before escaping */

struct step_line {
	enum step_stream stream;
	const char *text; /* escaped, NUL-terminated, without its newline */
	size_t len;
	/* the same with the colours (SGR sequences) that the step chose, ended by a reset; @text
	 * where it chose none, or nobody asked for them */
	const char *coloured;
	size_t coloured_len;
	bool continues; /* the next call goes on with the same line */
	bool own;       /* drydock's word between those of the step */
};
/* What becomes of a whole line of the step's. */
struct step_said {
	bool hidden;
	const char *instead; /* what is shown; NULL: the line as it is. Alive until the next one */
	size_t len;
};
/* Non-zero stops the feed with that result. */
typedef int (*step_line_fn)(void *arg, const struct step_line *line);

struct step_output_spec {
	struct mask *mask;  /* borrowed, must outlive */
	int log_fd;         /* borrowed; -1: no log */
	uint64_t log_bytes; /* of both streams together, on the way to both places */
	bool colour;        /* make step_line.coloured; colours never reach the log */
	/* asked of every line with its masked bytes, as far as STEP_COMMAND_MAX where it begins
	 * like a workflow command, else as far as STEP_LINE_MAX; NULL: lines stay as they are */
	struct step_said (*said)(void *arg, enum step_stream stream, const char *text, size_t len);
	/* told of what a line was written over with, up to its last CR, masked, before the
	 * rest of it is shown. NULL: nobody asks */
	void (*over)(void *arg, enum step_stream stream, const char *text, size_t len);
	step_line_fn line; /* may be NULL */
	void *arg;
};

struct step_output;
int step_output_new(const struct step_output_spec *spec, struct step_output **ret,
                    struct dd_err *err);
/* For the next step, with the memory of the one before: it is large, and a page of it that is not
 * touched costs nothing. */
int step_output_restart(struct step_output *so, const struct step_output_spec *spec,
                        struct dd_err *err);
/* No byte comes any more: what is held of the step's own bytes is wiped, and its mask takes values
 * again. */
void step_output_stop(struct step_output *so);
/* -errno with @err when the log cannot be written (the job ends, X-09). The caller wipes its own
 * read buffer. */
int step_output_feed(struct step_output *so, enum step_stream stream, const char *bytes, size_t len,
                     struct dd_err *err);
/* From the next line on @value is masked (add-mask); also from within the spec's said(). -EINVAL as
 * mask_add(). */
int step_output_mask(struct step_output *so, const char *value, size_t len, struct dd_err *err);
/* The step is over: what was held back, and lines without an end. */
int step_output_end(struct step_output *so, struct dd_err *err);
bool step_output_was_cut(const struct step_output *so);
void step_output_free(struct step_output *so);

#endif
