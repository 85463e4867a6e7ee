// SPDX-License-Identifier: Apache-2.0
/* job_terms.c - compiles profile and rules of each phase once.
 *
 * Runs in: supervisor. Reading and compiling a profile costs more than half a launch.
 */
#include "job_terms.h"

#include "input/config_path.h"

static bool same_texts(const char *const *a, const char *const *b)
{
	size_t i = 0;
	if (a == b || !a || !b)
		return a == b;
	while (a[i] && b[i] && strcmp(a[i], b[i]) == 0)
		i++;
	return !a[i] && !b[i];
}

static struct seccomp_program *compiled(const struct job_terms_set *set,
                                        const struct grant_terms *terms)
{
	for (size_t i = 0; i < set->n; i++)
		if (strcmp(set->rows[i].terms->seccomp, terms->seccomp) == 0 &&
		    same_texts(set->rows[i].terms->syscalls, terms->syscalls))
			return set->rows[i].seccomp;
	return NULL;
}

static int compile(struct job_terms_set *set, const struct grant_terms *terms, enum seccomp_ask ask,
                   bool observe, struct dd_err *err)
{
	struct job_terms *row = &set->rows[set->n];
	char profile[512];
	int r;

	*row = (struct job_terms){ .terms = terms, .seccomp = compiled(set, terms) };
	if ((r = net_plan_new_with(&terms->egress, observe, &row->net, err)) < 0)
		return r;
	set->n++; /* from here on job_terms_done() frees it */
	if (row->seccomp)
		return 0;
	if ((r = config_path_seccomp(terms->seccomp, profile, sizeof(profile), err)) < 0 ||
	    (r = seccomp_program_load_with(profile, terms->syscalls, ask, &row->seccomp, err)) < 0)
		return r;
	row->owns_seccomp = true;
	return 0;
}

const struct job_terms *job_terms_of(const struct job_terms_set *set,
                                     const struct grant_terms *terms)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->rows[i].terms == terms)
			return &set->rows[i];
	return NULL;
}

int job_terms_compile(const struct plan *plan, enum seccomp_ask ask, bool observe,
                      struct job_terms_set *ret, struct dd_err *err)
{
	int r = 0;

	*ret = (struct job_terms_set){ .n = 0 };
	for (size_t i = 0; r == 0 && i < plan->n_grants; i++) {
		const struct grant *grant = &plan->grants[i];
		if (grant->written->recipe.nothing || job_terms_of(ret, grant->terms))
			continue;
		r = ret->n < JOB_TERMS_MAX
		            ? compile(ret, grant->terms, ask, observe, err)
		            : dd_err_say(err, E2BIG, "a plan has more kinds of terms than phases");
	}
	if (r < 0)
		job_terms_done(ret);
	return r;
}

void job_terms_done(struct job_terms_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		net_plan_free(set->rows[i].net);
		if (set->rows[i].owns_seccomp)
			seccomp_program_free(set->rows[i].seccomp);
	}
	*set = (struct job_terms_set){ .n = 0 };
}
