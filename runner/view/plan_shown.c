// SPDX-License-Identifier: Apache-2.0
/* plan_shown.c - works out what follows from a plan without running it: mounts, rules, system
 * calls.
 *
 * Runs in: command line. Everything comes from the functions that `run` uses for the same purpose,
 * so the two cannot differ. */
#include "plan_print.h"

#include "input/config_path.h"
#include "drydock/netns.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static bool same_texts(const char *const *a, const char *const *b)
{
	size_t i = 0;
	if (!a || !b)
		return (!a || !a[0]) && (!b || !b[0]);
	while (a[i] && b[i] && strcmp(a[i], b[i]) == 0)
		i++;
	return !a[i] && !b[i];
}

static struct seccomp_view *view_of_earlier(const struct plan_shown *shown, size_t step)
{
	const struct grant *grants = shown->plan->grants;
	for (size_t i = 0; i < step; i++)
		if (grants[i].terms == grants[step].terms ||
		    (strcmp(grants[i].terms->seccomp, grants[step].terms->seccomp) == 0 &&
		     same_texts(grants[i].terms->syscalls, grants[step].terms->syscalls)))
			return shown->views[i];
	return NULL;
}

static int load_view(const struct grant_terms *terms, struct seccomp_view **ret, struct dd_err *err)
{
	char path[512];
	int r = config_path_seccomp(terms->seccomp, path, sizeof(path), err);
	return r < 0 ? r : seccomp_view_load(path, terms->syscalls, ret, err);
}

int plan_shown_load(const struct plan *plan, struct plan_shown *ret, struct dd_err *err)
{
	struct plan_shown shown = {
		.plan = plan, .views = calloc(plan->n_grants + 1, sizeof(struct seccomp_view *))
	};
	int r = 0;
	if (!shown.views)
		return dd_err_set(err, ENOMEM, "show the plan");
	for (size_t i = 0; r == 0 && i < plan->n_grants; i++) {
		shown.views[i] = view_of_earlier(&shown, i);
		if (!shown.views[i])
			r = load_view(plan->grants[i].terms, &shown.views[i], err);
	}
	if (r < 0)
		plan_shown_free(&shown);
	else
		*ret = shown;
	return r;
}

void plan_shown_free(struct plan_shown *shown)
{
	for (size_t i = 0; shown->views && i < shown->plan->n_grants; i++)
		if (!view_of_earlier(shown, i))
			seccomp_view_free(shown->views[i]);
	free(shown->views);
	shown->views = NULL;
}

void plan_shown_mounts(const struct grant *grant, struct step_mounts *ret)
{
	const struct grant_terms *terms = grant->terms;
#define FRESH     "fresh for this step"
#define JOBS_COPY "the job's copy of the workspace"
	static const struct step_view shared = { .place = { [STEP_WORK] = JOBS_COPY,
		                                            [STEP_HOME] = "the job's home",
		                                            [STEP_TOOLS] = "the job's tools",
		                                            [STEP_TEMP] = "the job's",
		                                            [STEP_TMP] = "the job's",
		                                            [STEP_VAR_TMP] = "the job's" },
		                                 .channel = "what this step leaves" };
	static const struct step_view pushed = { .place = { "put together anew for this step",
		                                            FRESH, FRESH, FRESH, FRESH, FRESH },
		                                 .channel = "what this step leaves" };
	static const struct step_view pushed_shared = { .place = { JOBS_COPY, FRESH, FRESH, FRESH,
		                                                   FRESH, FRESH },
		                                        .channel = "what this step leaves" };
#undef FRESH
#undef JOBS_COPY
	const struct step_view *view = terms->phase != DD_PHASE_PUSH     ? &shared
	                               : terms->view == WORKSPACE_SHARED ? &pushed_shared
	                                                                 : &pushed;
	step_mounts_make(terms, &grant->written->recipe, view, ret);
}

const char *plan_shown_view(const struct grant_terms *terms)
{
	static const char *const views[] = {
		[WORKSPACE_PRISTINE] = "the checkout as it was fetched, and the artifacts as they "
				       "were when the build ended",
		[WORKSPACE_ARTIFACTS] = "only the artifacts, as they were when the build ended",
		[WORKSPACE_SHARED] = "the workspace as the steps before left it; refused when a "
				     "tracked file has changed",
	};
	return views[terms->view];
}

void plan_shown_env(const struct grant *grant, struct step_env *ret)
{
	step_env_make(&grant->written->recipe, grant->terms, grant->leases, grant->n_leases, ret);
}

void plan_shown_entry(const struct egress_entry *e, char ret[PLAN_ENTRY_MAX])
{
	char addr[INET_ADDRSTRLEN] = "?";
	if (e->host) {
		(void)snprintf(ret, PLAN_ENTRY_MAX, "%s%s:%u", e->wildcard ? "*." : "", e->host,
		               (unsigned)e->port);
		return;
	}
	(void)inet_ntop(AF_INET, &e->cidr, addr, sizeof(addr));
	(void)snprintf(ret, PLAN_ENTRY_MAX, "%s/%u:%u", addr, e->prefix, (unsigned)e->port);
}

const struct grant *plan_shown_with(const struct plan *plan, const struct grant *grant)
{
	size_t i = 0;
	if (grant->terms->egress.n < PLAN_ENTRIES_LONG)
		return grant;
	while (plan->grants[i].terms != grant->terms)
		i++;
	return &plan->grants[i];
}

char *plan_shown_rules(const struct grant_terms *terms)
{
	struct net_plan *net = NULL;
	struct dd_err err;
	if (net_plan_new(&terms->egress, &net, &err) < 0)
		return NULL;
	char *text = net_plan_text(net);
	net_plan_free(net);
	return text;
}

void plan_shown_counts(const struct seccomp_view *view, struct seccomp_counts *ret)
{
	unsigned count[SECCOMP_ANSWER_DEPENDS + 1] = { 0 };
	*ret = (struct seccomp_counts){ .otherwise = "nothing" };
	for (size_t i = 0; i < seccomp_view_count(view); i++) {
		const struct seccomp_view_call *call = seccomp_view_at(view, i);
		if (call->named)
			count[call->answer]++;
		else
			ret->otherwise = plan_shown_answer(call);
	}
	ret->allowed = count[SECCOMP_ANSWER_ALLOW];
	ret->depends = count[SECCOMP_ANSWER_DEPENDS];
	ret->refused = count[SECCOMP_ANSWER_ERRNO];
	ret->killed = count[SECCOMP_ANSWER_KILL];
}

const char *plan_shown_answer(const struct seccomp_view_call *call)
{
	static const char *const words[] = { [SECCOMP_ANSWER_ALLOW] = "allow",
		                             [SECCOMP_ANSWER_KILL] = "kill",
		                             [SECCOMP_ANSWER_DEPENDS] = "depends" };
	if (call->answer != SECCOMP_ANSWER_ERRNO)
		return words[call->answer];
	const char *name = call->err ? strerrorname_np(call->err) : "pretend";
	return name ? name : "errno";
}
