// SPDX-License-Identifier: Apache-2.0
/* job_script.h - who says what a job runs next: a front end.
 *
 * The supervisor asks next() when no process of a step lives (the sandbox of a later one may stand
 * already; nothing has run in it), runs the step that it orders, hands what came of it to ended(),
 * and asks again. Which steps run after a failure, what a condition
 * says, which steps appear late, is the front end's to know; what a step may is not: an order names
 * a grant, and grants were made before anything ran. Whatever the script says, the supervisor ends
 * the job when a gate, a receipt or the accounting of what a step left is missing, and a step that
 * the policy refused keeps its mark on the job.
 *
 * Both functions run in the supervisor, beside the job's leases. They parse hostile bytes (what
 * steps left) only as those reach them: bounded, and never by path.
 */
#ifndef RUNNER_JOB_SCRIPT_H
#define RUNNER_JOB_SCRIPT_H

#include "step_channel.h"
#include "step_output.h"
#include "step_result.h"

enum { JOB_STEPS_RUN_MAX = 10000 };

/* What is kept of every step that was run. */
struct step_summary {
	const struct grant *grant;
	bool written;
	enum step_outcome outcome;
	int exit_code;
	uint64_t refused, would_refuse;
};

struct job_so_far {
	const struct step_summary *steps; /* in the order in which they ran */
	size_t n_steps;
	/* somebody asked for the end: only what must run even so should follow */
	bool cancelled;
};

struct step_order {
	unsigned grant; /* index of the grant that it runs under, from 1 */
	/* the written step itself: once for each grant. false: one that the written step brought */
	bool written;
	/* a part of the written step itself, whose turn has come and is not over: of an action that
	 * is made of steps. It holds what the policy gives to the written one */
	bool part;
	/* alive until ended() has returned. Must be whole: nothing in it waits for an evaluation */
	const struct recipe *recipe;
	/* it goes on when the job is cancelled while it runs, for a few minutes: what cleans up */
	bool outlives_cancel;
	/* it brings the sources: what it leaves in the workspace is what later steps are compared
	 * with, as a checkout is that was copied in. Only before anything of the job ran */
	bool brings_sources;
};

/* What the job came to, in the front end's judgement. Zero is the safe value. */
enum job_conclusion { JOB_FAILED = 0, JOB_SUCCEEDED };

struct job;

struct job_script {
	void *arg;
	/* the steps of the plan have channels: then the tree that all of them have in common is
	 * begun before the first of them is known. A wrong answer costs that time */
	bool has_channel;
	/* Before the first next(), with the job that it may speak of (job_voice.h); NULL: it has
	 * nothing to say. -errno: the job is broken off */
	int (*begins)(void *arg, struct job *job, struct dd_err *err);
	/* 1: *@ret is set; 0: over, and *@ret_conclusion is; -errno: the front end cannot go on,
	 * and the job is broken off */
	int (*next)(void *arg, const struct job_so_far *so_far, struct step_order *ret,
	            enum job_conclusion *ret_conclusion, struct dd_err *err);
	/* A line that the step at hand printed, as step_output.h has it; NULL: lines stay as they
	 * are. Hostile bytes; what is given back is masked and escaped like any other line */
	struct step_said (*said)(void *arg, enum step_stream stream, const char *text, size_t len);
	/* What the line that comes next was written over with, as step_output.h has it; NULL:
	 * nobody asks. Hostile bytes, masked */
	void (*over)(void *arg, enum step_stream stream, const char *text, size_t len);
	/* For each step that was run, also for one that was refused. @result and @left are gone
	 * when it returns. -errno as above. */
	int (*ended)(void *arg, const struct step_order *order, const struct step_result *result,
	             const struct step_left *left, struct dd_err *err);
};

#endif
