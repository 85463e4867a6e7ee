// SPDX-License-Identifier: Apache-2.0
/* plan_find.c - the step that somebody names on a command line. Pure. */
#include "plan.h"

#include <stdio.h>
#include <string.h>

const struct grant *plan_find(const struct plan *plan, const char *wanted)
{
	const struct grant *named = NULL;
	size_t n_named = 0;

	for (size_t i = 0; i < plan->n_grants; i++) {
		char number[16];
		const struct grant *s = &plan->grants[i];
		(void)snprintf(number, sizeof(number), "%u", s->index);
		if (strcmp(s->id, wanted) == 0 || strcmp(s->label, wanted) == 0 ||
		    strcmp(number, wanted) == 0)
			return s;
		if (strcmp(s->name, wanted) == 0) {
			named = s;
			n_named++;
		}
	}
	return n_named == 1 ? named : NULL;
}
