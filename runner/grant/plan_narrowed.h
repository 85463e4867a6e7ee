// SPDX-License-Identifier: Apache-2.0
/* plan_narrowed.h - refused widenings of the repository's .drydock.yml on their way from the policy
 * to the record. */
#ifndef RUNNER_PLAN_NARROWED_H
#define RUNNER_PLAN_NARROWED_H

#include "plan_build.h"
#include "record/record.h"

/* plan_make(): first those that the two files alone show; then, step by step, rules that wanted
 * another open phase. */
void plan_narrowed_begin(struct plan_build *b);
void plan_narrowed_step(struct plan_build *b, const struct policy_rule *refused,
                        enum dd_phase phase, const char *step);

/* Supervisor, right after run.start: one policy.narrowed event each, and a line for the person. */
int plan_narrowed_record(struct record *rec, const struct plan *plan, struct dd_err *err);

#endif
