// SPDX-License-Identifier: Apache-2.0
/* step_who.h - what may be written down about a step and its processes: names without the job's
 * secrets. */
#ifndef RUNNER_STEP_WHO_H
#define RUNNER_STEP_WHO_H

#include "lease/mask.h"
#include "job_step.h"
#include "process_find.h"
#include "record/record_facts.h"

/* Take out of @who what a step with a secret may have put there. */
void step_who_clean(const struct job_step *step, struct mask *mask, struct process_hint *who);
/* As the record has it; borrows the texts of @who. */
struct facts_process step_who_facts(const struct process_hint *who);
/* "curl (curl -sS https://...)"; empty when nobody is known. */
void step_who_text(const struct process_hint *who, char *out, size_t size);

/* The script as `match.run` of the record has it: no white space at its ends, no user info and no
 * query strings in what looks like a URL, secrets replaced, cut to STEP_MATCH_MAX bytes. Heap, the
 * caller frees; NULL without memory. *ret_exact: it is the whole script, unchanged. */
enum { STEP_MATCH_MAX = 4096 };
char *step_match_run(const char *script, struct mask *mask, bool *ret_exact);

#endif
