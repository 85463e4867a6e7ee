// SPDX-License-Identifier: Apache-2.0
/* checkout.h - actions/checkout as drydock does it: git, in the sandbox of the step.
 *
 * A local run's own checkout is the workspace as it stands. Another tree, or the same one
 * elsewhere, is a script of ours that the step runs: what it is asked for are variables and never
 * parts of it.
 */
#ifndef RUNNER_ENGINE_CHECKOUT_H
#define RUNNER_ENGINE_CHECKOUT_H

#include "engine_uses.h"

enum { CHECKOUT_INPUTS = 21 };
extern const struct action_manifest_input checkout_inputs[CHECKOUT_INPUTS];
/* `ref` and `commit` of a step for which nothing is run: the workspace as it was copied. */
void checkout_outputs(struct job_engine *e);
int checkout_main(struct job_engine *e, struct engine_use *use);
extern const char checkout_script[];

#endif
