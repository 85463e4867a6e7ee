// SPDX-License-Identifier: Apache-2.0
/* words.c - one table for each word. Data only. */
#include "words.h"

const char *const phase_names[DD_PHASE__COUNT] = {
	[DD_PHASE_BUILD] = "build",
	[DD_PHASE_FETCH] = "fetch",
	[DD_PHASE_PUSH] = "push",
};

const char *const workspace_view_names[WORKSPACE__VIEWS] = {
	[WORKSPACE_PRISTINE] = "pristine",
	[WORKSPACE_ARTIFACTS] = "artifacts",
	[WORKSPACE_SHARED] = "shared",
};

const char *dd_phase_name(enum dd_phase phase)
{
	return phase < DD_PHASE__COUNT ? phase_names[phase] : "?";
}
