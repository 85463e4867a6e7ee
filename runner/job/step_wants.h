// SPDX-License-Identifier: Apache-2.0
/* step_wants.h - what the line that would allow a refusal has to say, put together from all that is
 * known when it is refused.
 *
 * Supervisor only. Nothing is asked outside for it: a name that the list refuses leaves this host
 * in no way (N-04), so where it leads is known only if the host's own file says so, another entry
 * of the policy does, or the gate has just been told.
 */
#ifndef RUNNER_STEP_WANTS_H
#define RUNNER_STEP_WANTS_H

#include "drydock/gate.h"
#include "job_step.h"
#include "process_find.h"
#include "record/record_facts.h"

enum { STEP_WANTS_READS_MAX = 256 };

/* @msg as the gate sent it, unmasked. The addresses of @ret are borrowed from the policy. *@reads:
 * how many refusals of the step had script and hosts file read, counted here; a step has no end of
 * refusals, so behind STEP_WANTS_READS_MAX both are left alone. */
void step_wants(const struct job_step *step, const struct gate_msg *msg,
                const struct process_hint *who, unsigned *reads, struct facts_wants *ret);

/* Does the host's own file know the name? */
bool step_wants_hosts_has(const char *host);

/* Does @hosts, a file as hosts(5) has it, put @host inside the network, and nowhere else? */
bool step_wants_inside(const char *hosts, const char *host);

#endif
