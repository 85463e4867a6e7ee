// SPDX-License-Identifier: Apache-2.0
/* step_gate.h - the supervisor's side of one step's gate: answers its questions, writes down what
 * it reports, closes it and takes the receipt.
 *
 * The gate reads hostile bytes and is believed in nothing that matters: every name it wants
 * admitted is held against the allowlist again, every message is checked for shape and turn. Order
 * of use: start (rules verified), open (ready), serve whenever ctl is readable, close, finish,
 * destroy.
 */
#ifndef RUNNER_STEP_GATE_H
#define RUNNER_STEP_GATE_H

#include "drydock/gate.h"
#include "job.h"
#include "process_look.h"

struct mask;

enum {
	/* what a gate has addresses for; in observe mode every name gets one */
	STEP_GATE_NAMES_MAX = 16384,
	STEP_GATE_NAMES_BYTES = STEP_GATE_NAMES_MAX * (EGRESS_HOST_MAX + 3),
};

struct step_gate {
	struct job *job;
	const struct job_step *step;
	struct step_result *result;
	const struct net_plan *net;
	struct gate gate;
	int rules_fd;              /* owned; keeps the netns alive until the counters are read */
	pid_t step_init;           /* to name the process behind a refusal */
	struct process_look *look; /* borrowed */
	bool parked, ready, closing, closed, done;
	/* by synthetic address: index 0 is NET_SYNTHETIC_FIRST */
	char (*names)[EGRESS_HOST_MAX + 3]; /* NULL until the gate asks for one */
	struct net_element *admitted;       /* to the rules, in this step */
	size_t n_admitted;
	unsigned *counted;      /* by entry: names or addresses that count against its cap */
	uint64_t untold_before; /* events of earlier steps for which the record had no room */
	unsigned peak_connections;
	unsigned wants_read; /* step_wants.h */
	uint64_t strays;     /* packets that the wall refused and that were no attempt */
	/* the name that was refused last and is no echo of another (step_gate.c) */
	char asked[EGRESS_HOST_MAX + 3];
	uint64_t names_refused; /* queries: the kernel counts only packets that the wall refused */
	struct mask *mask;      /* of the job: what may not be written down; borrowed */
	void (*tell)(void *arg, const char *line); /* one line for the step's own log (W-09) */
	void *tell_arg;
};

/* Take the netns sockets (@net: all become the callee's), start the gate and verify the rules
 * meanwhile; then wait until it serves. On failure of either nothing of it is left and the caller
 * destroys the sandbox: no byte of the step has run. */
int step_gate_start(struct step_gate *sg, int net[NET_FD__COUNT], struct dd_err *err);
/* Start one ahead, of a step whose turn has not come: @sg->job, and what it may (@terms, whose list
 * is empty: what the steps before will have used of one is not known yet). Its rules are verified
 * by step_gate_start(), which takes it over as it is, with the rest of @sg filled in. */
int step_gate_park(struct step_gate *sg, const struct grant_terms *terms, int net[NET_FD__COUNT],
                   struct dd_err *err);
int step_gate_open(struct step_gate *sg, struct dd_err *err);
/* Handle what ctl holds, up to a bound: poll again. <0: the gate is broken or gone, end the step
 * now. */
int step_gate_serve(struct step_gate *sg, struct dd_err *err);
/* Rules closed and read back, flows reset. After this not a byte passes. */
int step_gate_close(struct step_gate *sg, struct dd_err *err);
/* After the step's last process is dead: the last refusals, the receipt, the gate.close event. */
int step_gate_finish(struct step_gate *sg, struct dd_err *err);
void step_gate_destroy(struct step_gate *sg);

#endif
