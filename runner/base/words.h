// SPDX-License-Identifier: Apache-2.0
/* words.h - the words that policy, plan, record and console have in common: one spelling each. */
#ifndef RUNNER_WORDS_H
#define RUNNER_WORDS_H

#include "drydock/phase.h"

extern const char *const phase_names[DD_PHASE__COUNT];
const char *dd_phase_name(enum dd_phase phase); /* "build", "fetch", "push" */

/* what a push step sees of the workspace; zero is the safe value */
enum workspace_view {
	WORKSPACE_PRISTINE = 0,
	WORKSPACE_ARTIFACTS,
	WORKSPACE_SHARED,
	WORKSPACE__VIEWS
};
extern const char *const workspace_view_names[WORKSPACE__VIEWS];

#endif
