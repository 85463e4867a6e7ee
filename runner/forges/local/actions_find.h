// SPDX-License-Identifier: Apache-2.0
/* actions_find.h - the actions of other repositories that a workflow uses, found before anything
 * runs: those of its steps, and those that these use.
 *
 * Command line. What runs afterwards is what was found here and nothing else. */
#ifndef RUNNER_ACTIONS_FIND_H
#define RUNNER_ACTIONS_FIND_H

#include "job_source.h"

/* When jobs are planned: fills source->found and source->runtimes, tells each step what its action
 * is (spec_action), and adds notes to the jobs that one is missing for. @err: this host cannot keep
 * them. */
int actions_find(const struct run_args *args, struct job_source *source, struct dd_err *err);
void actions_find_done(struct job_source *source);

#endif
