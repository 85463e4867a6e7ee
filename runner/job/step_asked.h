// SPDX-License-Identifier: Apache-2.0
/* step_asked.h - observe mode: answers the step's system call filter and counts what it asked.
 *
 * Order of use: step_asked_serve() whenever the sandbox's asked_fd is readable, while the step
 * lives; step_asked_record() when it has ended.
 */
#ifndef RUNNER_STEP_ASKED_H
#define RUNNER_STEP_ASKED_H

#include "drydock/sandbox.h"
#include "process_find.h"
#include "record/record.h"
#include "step_result.h"

struct mask;

enum { STEP_ASKED_MAX = 256, STEP_ASKED_DETAILS = 16 };

/* One kind of question: a system call, the answer, and the argument that matters. */
struct step_asked_row {
	int nr, answer; /* answer 0: continued */
	char call[32], detail[32];
	uint64_t count;
	struct process_hint who; /* the first that asked */
};

struct step_asked {
	struct step_asked_row rows[STEP_ASKED_MAX]; /* the last one takes what finds no room */
	size_t n;
	bool over; /* nobody is left who could ask */
};

/* Answer what waits, at most so much that everything else of the step has its turn too. */
int step_asked_serve(struct step_asked *a, const struct sandbox *sb,
                     const struct seccomp_program *prog, const struct plan_step *step,
                     struct mask *mask, struct dd_err *err);
/* One sys.deny for each row, and a line of the summary each. */
int step_asked_record(const struct step_asked *a, struct record *rec, struct step_result *result,
                      struct dd_err *err);

#endif
