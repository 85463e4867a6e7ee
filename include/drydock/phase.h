// SPDX-License-Identifier: Apache-2.0
/* phase.h - the three phases of a job; the gate follows from the phase and the policy, never from
 * what a step says. */
#ifndef DRYDOCK_PHASE_H
#define DRYDOCK_PHASE_H

enum dd_phase {
	/* zero is the safe value: a step that no rule matches is a build step, its gate is closed
	 */
	DD_PHASE_BUILD = 0,
	DD_PHASE_FETCH,
	DD_PHASE_PUSH,
	DD_PHASE__COUNT
};

#endif
