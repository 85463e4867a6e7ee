// SPDX-License-Identifier: Apache-2.0
/* policy_narrowing.h - between policy_narrow.c and policy_narrow_egress.c. */
#ifndef RUNNER_POLICY_NARROWING_H
#define RUNNER_POLICY_NARROWING_H

#include "policy_model.h"

enum { NARROWED_MAX = 100 };

struct narrowing {
	struct policy *policy;    /* the operator's; becomes the intersection */
	const struct policy *own; /* the repository's */
	struct plan_arena *arena;
	struct policy_narrowed *refused;
	size_t n, left_out;
	struct diag_list *diags; /* the result itself cannot be used */
};

/* One thing that was asked for and is not given. Texts are kept, not copied. */
void narrow_refuse(struct narrowing *n, struct diag_mark mark, const char *key, const char *asked,
                   const char *allowed, const char *why);

/* The allowlist of phase @p becomes what both lists allow, each on the stricter terms. */
void narrow_egress(struct narrowing *n, enum dd_phase p);

#endif
