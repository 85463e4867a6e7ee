// SPDX-License-Identifier: Apache-2.0
/* plan_fixture.h - a plan with all that it borrows from, made from two texts. */
#ifndef TESTS_PLAN_FIXTURE_H
#define TESTS_PLAN_FIXTURE_H

#include "complaint.h"

#include "runner/forges/actions/wf_spec.h"
#include "runner/grant/plan.h"
#include "runner/grant/step_env.h"
#include "runner/policy/policy.h"

struct made {
	struct wf_doc *wf;
	struct wf_flat jobs;
	struct wf_world world;
	struct policy *policy;
	struct job_spec *spec;
	struct plan *plan; /* NULL: refused */
	struct diag_list diags;
};

static inline void made_parse(struct made *m, const char *text)
{
	const struct wf_options none = { .load = NULL };
	struct wf_errors errors = { .n = 0 };
	if (wf_parse("w.yml", text, strlen(text), &none, &m->wf, &errors) < 0)
		fail_msg("%s\n%u:%u: %s", text, errors.items[0].at.line, errors.items[0].at.column,
		         errors.items[0].text);
	wf_flatten(m->wf, &m->jobs);
}

static inline void made_world(struct made *m, const struct event_facts *event)
{
	struct expr_memory mem = { .arena = m->wf->arena };
	assert_int_equal(wf_world_make(&(struct wf_world_asked){ .flat = &m->jobs, .event = event },
	                               &mem, &m->world, &m->diags),
	                 0);
}

/* Both texts must parse; what wf_job_spec() and plan_make() say of them is returned. */
static inline int made_try(struct made *m, const char *wf_text, const char *pol_text,
                           const char *job, const struct event_facts *event)
{
	*m = (struct made){ .plan = NULL };
	made_parse(m, wf_text);
	if (pol_text)
		assert_int_equal(
			policy_parse("p.yml", pol_text, strlen(pol_text), &m->policy, &m->diags),
			0);
	const struct wf_flat_job *one = wf_flat_find(&m->jobs, job, &m->diags);
	made_world(m, event);
	int r = one ? wf_job_spec(&m->jobs, one, event, &m->world, &m->spec, &m->diags) : -EINVAL;
	return r < 0 ? r : plan_make(m->spec, m->policy, &m->plan, &m->diags);
}

static inline void made_done(struct made *m)
{
	plan_free(m->plan);
	job_spec_free(m->spec);
	policy_free(m->policy);
	wf_free(m->wf);
	diag_list_done(&m->diags);
	*m = (struct made){ .plan = NULL };
}

/* A local run of job @job (NULL: the only one), which nothing is wrong with. */
static inline struct made made_fine(const char *wf_text, const char *pol_text, const char *job)
{
	struct made m;
	struct event_facts local;
	event_local(&local);
	assert_int_equal(made_try(&m, wf_text, pol_text, job, &local), 0);
	assert_int_equal(m.diags.n, 0);
	return m;
}

#endif
