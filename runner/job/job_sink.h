// SPDX-License-Identifier: Apache-2.0
/* job_sink.h - who hears what happens in a job: a terminal, a test's list, a log on its way to a
 * forge.
 *
 * job/ prints nothing. It tells sinks, and every text that reaches one is masked and escaped: no
 * value that was granted in the job stands in it, and a terminal may show it. A sink only listens:
 * it returns soon whatever its own reader does (what is slow spools), it cannot fail, and it must
 * not end the process.
 *
 * A member that is NULL is not told. Calls come from the supervisor; note() also from the keeper,
 * before the supervisor lives and after it is gone, which is another process: what a sink gathered
 * in one is not there in the other.
 */
#ifndef RUNNER_JOB_SINK_H
#define RUNNER_JOB_SINK_H

#include "drydock/identity.h"
#include "job_step.h"
#include "step_output.h"
#include "step_result.h"

struct mask;
struct voice_annotation; /* job_voice.h */

enum sink_level {
	SINK_NOTE,  /* worth knowing */
	SINK_WARN,  /* somebody should look at it */
	SINK_ERROR, /* why the job does not run, or cannot go on */
};

struct sink_job {
	const struct plan *plan;
	const struct identity *id;
	const char *run, *record;
	bool observe;
};

struct sink_end {
	const struct plan *plan;
	const char *status; /* as in run.end */
	int exit_code;
	uint64_t would_refuse;
	bool observe;
	const char *record, *logs; /* where they are */
	/* where copies of what failed steps left are, and in it the last of them; NULL: nowhere */
	const char *kept, *kept_step;
	/* SHA-256 of the record's last line: a cut or an edit at the end of the record shows in it
	 */
	const char *head;
};

struct job_sink {
	void *arg;
	bool colour; /* wants step_line.coloured */
	void (*job_begins)(void *arg, const struct sink_job *job);
	void (*step_begins)(void *arg, const struct job_step *step);
	void (*line)(void *arg, const struct job_step *step, const struct step_line *line);
	/* @step NULL: about the job */
	void (*note)(void *arg, const struct job_step *step, enum sink_level level,
	             const char *text);
	/* the first of its kind in this step; @line says what, who tried, why, and what would allow
	 * it. All of them are in the result of the step */
	void (*refusal)(void *arg, const struct job_step *step, const char *line);
	void (*step_ended)(void *arg, const struct job_step *step,
	                   const struct step_result *result);
	/* ---- what only a front end knows, of the written step @grant ---- */
	/* its turn is over, and it was not run; @failed: that counts as its failure */
	void (*not_run)(void *arg, const struct grant *grant, const char *name, bool failed,
	                const char *why);
	/* what ended last failed, and that does not count */
	void (*forgiven)(void *arg, const struct grant *grant);
	void (*annotation)(void *arg, const struct grant *grant,
	                   const struct voice_annotation *what);
	/* for people to read when the job is over; markdown of the step's, masked */
	void (*summary)(void *arg, const struct grant *grant, const char *text, size_t len);
	void (*job_ended)(void *arg, const struct sink_end *end);
	/* what was told should be seen now, if that takes no time worth speaking of: a step is
	 * about to write to the caller's terminal */
	void (*settle)(void *arg);
};

/* All who hear one job. */
struct job_sinks {
	const struct job_sink *const *items;
	size_t n;
	struct mask *mask; /* NULL: nothing has been granted yet */
};

bool sink_wants_colour(const struct job_sinks *sinks);
void sink_job_begins(const struct job_sinks *sinks, const struct sink_job *job);
void sink_step_begins(const struct job_sinks *sinks, const struct job_step *step);
/* The texts of @line are masked and escaped already: they come from step_output. */
void sink_line(const struct job_sinks *sinks, const struct job_step *step,
               const struct step_line *line);
__attribute__((format(printf, 4, 5))) void sink_note(const struct job_sinks *sinks,
                                                     const struct job_step *step,
                                                     enum sink_level level, const char *fmt, ...);
void sink_refusal(const struct job_sinks *sinks, const struct job_step *step, const char *line);
void sink_step_ended(const struct job_sinks *sinks, const struct job_step *step,
                     const struct step_result *result);
/* The texts of these four are masked already. */
void sink_not_run(const struct job_sinks *sinks, const struct grant *grant, const char *name,
                  bool failed, const char *why);
void sink_forgiven(const struct job_sinks *sinks, const struct grant *grant);
void sink_annotation(const struct job_sinks *sinks, const struct grant *grant,
                     const struct voice_annotation *what);
void sink_summary(const struct job_sinks *sinks, const struct grant *grant, const char *text,
                  size_t len);
void sink_settle(const struct job_sinks *sinks);
void sink_job_ended(const struct job_sinks *sinks, const struct sink_end *end);

#endif
