// SPDX-License-Identifier: Apache-2.0
/* step_asked.h - answers the step's system call filter, tells the step's log what it refused, and
 * counts.
 *
 * Order of use: step_asked_begin(); step_asked_serve() whenever the sandbox's asked_fd is readable
 * and step_asked_wait() is 0, while the step lives; step_asked_record() when it has ended.
 */
#ifndef RUNNER_STEP_ASKED_H
#define RUNNER_STEP_ASKED_H

#include "drydock/sandbox.h"
#include "process_look.h"
#include "record/record.h"
#include "step_result.h"

struct mask;

enum { STEP_ASKED_MAX = 256, STEP_ASKED_DETAILS = 16, STEP_ASKED_TOLD_MAX = 64 };

/* One kind of question: a system call, the answer, and the argument that matters. */
struct step_asked_row {
	int nr, answer; /* answer 0: continued */
	bool never, ends;
	bool told; /* refused, and worth a line */
	char call[32], detail[48];
	uint64_t count;
	struct process_hint who; /* the first that asked */
};

struct step_asked {
	size_t n;
	bool over; /* nobody is left who could ask */
	/* what the log has heard: one line for each sentence of the profile, however many calls
	 * come to it */
	const char *told[STEP_ASKED_TOLD_MAX];
	size_t n_told;
	void (*tell)(void *arg, const char *line); /* one line for the step's own log */
	void *tell_arg;
	const char *policy;                         /* path, for that line; NULL: none */
	double credit;                              /* questions that may be answered at once */
	int64_t credit_ms;                          /* when that was counted; 0: not yet */
	struct process_look *look;                  /* borrowed */
	struct step_asked_row rows[STEP_ASKED_MAX]; /* the last one takes what finds no room */
};

/* Nothing was asked yet. Leaves the rows alone. */
void step_asked_begin(struct step_asked *a);

/* Milliseconds until the next question may be answered; 0: now. */
int step_asked_wait(struct step_asked *a, int64_t now_ms);

/* Answer what waits, at most so much that everything else of the step has its turn too. */
int step_asked_serve(struct step_asked *a, const struct sandbox *sb,
                     const struct seccomp_program *prog, const struct job_step *step,
                     struct mask *mask, struct dd_err *err);
/* One sys.deny for each row, and a line of the summary each. */
int step_asked_record(const struct step_asked *a, struct record *rec, const struct job_step *step,
                      struct step_result *result, struct dd_err *err);

#endif
