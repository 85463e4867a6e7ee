// SPDX-License-Identifier: Apache-2.0
/* step_result.h - what one step did, for the record, the console and the job's exit code. */
#ifndef RUNNER_STEP_RESULT_H
#define RUNNER_STEP_RESULT_H

#include "job_step.h"

enum step_outcome {
	STEP_NOT_RUN = 0, /* an earlier step failed, or the job was cancelled before it */
	STEP_SUCCEEDED,
	STEP_FAILED, /* its process said so */
	STEP_TIMED_OUT,
	STEP_CANCELLED,
	STEP_OVER_LIMIT, /* files, disk or another measured budget */
	STEP_REFUSED,    /* policy: tampering, trust, a missing lease */
	/* the sandbox could not be built or verified, or a part of it died: the step was ended */
	STEP_BROKEN,
	STEP__OUTCOMES
};

/* One destination of one step, as the gate counted it. */
struct step_destination {
	char host[EGRESS_HOST_MAX + 3];
	uint16_t port;
	uint64_t connections, bytes_in, bytes_out, denials;
	uint64_t ech; /* connections whose hello held an encrypted one */
};

/* One refusal, merged with its repeats. */
struct step_refusal {
	char what[320]; /* "tcp 203.0.113.7:443", "dns evil.example" */
	char why[160];
	char process[200]; /* "curl (curl -sS https://...)"; empty = unknown */
	uint64_t count;
};

enum { STEP_DESTINATIONS_MAX = 256, STEP_REFUSALS_MAX = 64 };

/* A quarter of a megabyte, nearly all of it room for lists: made once for a job. */
struct step_result {
	enum step_outcome outcome;
	int exit_code, signal;
	double wall_sec;
	uint64_t cpu_usec, peak_memory_bytes, output_bytes;
	uint64_t would_refuse; /* of all of them, told or not */
	uint64_t refused;      /* attempts, by the kernel's and the gate's counters */
	uint64_t unreported;   /* of them, not told one by one */
	uint64_t left;         /* processes that were ended because the main one had */
	bool log_cut;          /* it printed more than its log may hold */
	bool unaccounted;      /* what it left is not known: nothing may run on top of it */
	bool gate_verified;    /* rules read back empty when the gate closed */
	char message[500];     /* why, for outcomes that drydock caused; masked and escaped */
	/* of all destinations, and of those that are not listed; no host, no port */
	struct step_destination total, cut;
	size_t all_destinations, reached; /* reached: with a connection */
	size_t n_destinations, n_refusals, n_would;
	/* what follows is written entry by entry and never cleared as a whole */
	struct step_destination destinations[STEP_DESTINATIONS_MAX];
	struct step_refusal refusals[STEP_REFUSALS_MAX];
	/* observe mode: let through, and why enforcing would not have */
	struct step_refusal would[STEP_REFUSALS_MAX];
};

/* Of the step before. Leaves the pages of the lists alone: after each fork the first write to one
 * copies it. */
void step_result_clear(struct step_result *result);

/* What becomes of a step that drydock cannot take to its end, and of the process of a job that
 * cannot even begin, by whose fault it is. The only place where blame becomes a consequence. */
struct blame_row {
	enum step_outcome outcome;
	int exit_code; /* exit_code.h */
};
extern const struct blame_row blame_rows[DD_BLAME__COUNT];

extern const char *const step_outcome_names[STEP__OUTCOMES];
static inline bool step_outcome_is_failure(enum step_outcome outcome)
{
	return outcome != STEP_NOT_RUN && outcome != STEP_SUCCEEDED;
}

#endif
