// SPDX-License-Identifier: Apache-2.0
/* replay_step.c - credentials, the view of the file system and limits of a recorded step against a
 * policy.
 *
 * Runs in: command line. A view that is another one than the step saw is "cannot be judged": what
 * the step would do there is not in the record. A wider budget or an unused credential is a note.
 */
#include "model/event.h"
#include "replay_parts.h"

#include <string.h>

bool replay_is_trusted(const struct replay_step *s)
{
	const struct facts_event *event = &s->facts->event;
	return s->facts->trusted && (!event->known || !event->name ||
	                             event_name_counts(event->name, s->r->policy->trusted_events));
}

/* ---- credentials ---- */

static bool names_step(const struct policy_credential *cred, const char *id)
{
	for (size_t i = 0; id && i < cred->n_steps; i++)
		if (strcmp(cred->steps[i], id) == 0)
			return true;
	return false;
}

static bool gives(const struct replay_step *s, const struct policy_credential *cred)
{
	return cred->phase == s->phase && s->phase != DD_PHASE_BUILD &&
	       names_step(cred, replay_step_id(s->step));
}

/* What the step sees of a lease is how it is called there; an older record only has the
 * credential's own name. */
static bool is_same(const struct replay_step *s, const struct policy_credential *cred,
                    const struct facts_lease *lease)
{
	const char *kind = cred->as ? lease_as_names[cred->as] : "";
	if (lease->as)
		return strcmp(lease->as, arena_printf(s->r->arena, "%s:%s", kind, cred->target)) ==
		       0;
	return strcmp(lease->name, cred->name) == 0 &&
	       (!lease->delivery || strcmp(lease->delivery, kind) == 0);
}

static const char *place_of(const struct replay_step *s, struct diag_mark mark)
{
	return arena_printf(s->r->arena, "%s:%u:%u", mark.file, mark.line, mark.column);
}

/* What the record says of the job; it does not say the environment, so one that is asked for is not
 * met. A local run is judged by its own facts. */
static const char *condition_unmet(const struct replay_step *s,
                                   const struct policy_credential *cred)
{
	const struct facts_event *from = &s->facts->event;
	struct event_facts event;
	event_local(&event);
	if (from->known) {
		event = (struct event_facts){ .ref_protected = from->is_protected };
		(void)snprintf(event.name, sizeof(event.name), "%s", from->name ? from->name : "");
		(void)snprintf(event.ref, sizeof(event.ref), "%s", from->ref ? from->ref : "");
	}
	const char *why = policy_condition_unmet(&cred->when, &event, NULL, s->r->arena);
	return why || !cred->also ? why
	                          : policy_condition_unmet(cred->also, &event, NULL, s->r->arena);
}

static void judge_lease(const struct replay_step *s, const struct facts_lease *lease)
{
	const struct policy *policy = s->r->policy;
	const struct policy_credential *found = NULL;
	s->r->judged++;
	for (size_t i = 0; i < policy->n_credentials && !found; i++)
		if (gives(s, &policy->credentials[i]) && is_same(s, &policy->credentials[i], lease))
			found = &policy->credentials[i];
	if (!found || (s->facts->trusted_known && !replay_is_trusted(s))) {
		replay_refuse(s, lease->at.seq, "credential", lease->name,
		              found ? "the job is not trusted, so no step gets a credential"
		                    : "this policy does not give it to the step",
		              found ? place_of(s, found->mark)
		                    : replay_policy_key(s, "credentials"));
		return;
	}
	const char *unmet = condition_unmet(s, found);
	if (unmet) {
		replay_refuse(s, lease->at.seq, "credential", lease->name, unmet,
		              place_of(s, found->mark));
		return;
	}
	replay_use_credential(s, found);
	double needed = s->step->wall_sec;
	if (lease->ttl_sec > (int64_t)found->ttl_sec &&
	    (needed < 0 || needed > (double)found->ttl_sec))
		replay_refuse(s, lease->at.seq, "credential", lease->name,
		              arena_printf(s->r->arena,
		                           "it would expire after %u s; the run gave %lld s",
		                           found->ttl_sec, (long long)lease->ttl_sec),
		              place_of(s, found->mark));
}

/* The plan refuses a credential whose list names a step of another phase, so the whole run would be
 * refused (C-02). */
static void judge_bindings(const struct replay_step *s)
{
	const struct policy *policy = s->r->policy;
	for (size_t i = 0; i < policy->n_credentials; i++) {
		const struct policy_credential *cred = &policy->credentials[i];
		if (names_step(cred, replay_step_id(s->step)) && cred->phase != s->phase)
			replay_refuse(s, s->step->start.seq, "credential", cred->name,
			              arena_printf(s->r->arena,
			                           "it is for %s, and the step is in %s: the job "
			                           "would be refused",
			                           phase_names[cred->phase], phase_names[s->phase]),
			              place_of(s, cred->phase_mark));
	}
}

static void note_extra(const struct replay_step *s)
{
	const struct policy *policy = s->r->policy;
	for (size_t i = 0; i < policy->n_credentials; i++) {
		bool had = false;
		for (size_t k = 0; k < s->step->n_leases; k++)
			had = had || is_same(s, &policy->credentials[i], &s->step->leases[k]);
		if (gives(s, &policy->credentials[i]) && !had)
			replay_note(s, 0, "credential", policy->credentials[i].name,
			            "the step did not hold it in the run",
			            place_of(s, policy->credentials[i].mark));
	}
}

void replay_leases(const struct replay_step *s)
{
	for (size_t i = 0; i < s->step->n_leases; i++)
		judge_lease(s, &s->step->leases[i]);
	judge_bindings(s);
	note_extra(s);
}

/* ---- what it saw ---- */

static bool shows(const char *const *dirs, const char *wanted)
{
	for (size_t i = 0; dirs[i]; i++) {
		size_t len = strlen(dirs[i]);
		if (strncmp(dirs[i], wanted, len) == 0 &&
		    (wanted[len] == '\0' || wanted[len] == '/'))
			return true;
	}
	return false;
}

static bool among(const char *const *texts, const char *wanted)
{
	for (size_t i = 0; texts && texts[i]; i++)
		if (strcmp(texts[i], wanted) == 0)
			return true;
	return false;
}

static void judge_workspace(const struct replay_step *s)
{
	const char *recorded = strcmp(s->step->phase, phase_names[DD_PHASE_PUSH]) == 0
	                               ? s->step->workspace
	                               : workspace_view_names[WORKSPACE_SHARED];
	const char *given =
		workspace_view_names[s->phase == DD_PHASE_PUSH ? s->rules->view : WORKSPACE_SHARED];
	s->r->judged++;
	if (!recorded)
		replay_doubt(s, s->step->start.seq, "view", "workspace",
		             "the record does not say what the step saw of the workspace", NULL);
	else if (strcmp(recorded, given) != 0)
		replay_doubt(s, s->step->start.seq, "view", "workspace",
		             arena_printf(s->r->arena,
		                          "the run saw it %s, here it is %s: what the step does "
		                          "there is not in the record",
		                          recorded, given),
		             s->phase == DD_PHASE_PUSH ? replay_phase_key(s, "workspace")
		                                       : s->rule_at);
}

void replay_view(const struct replay_step *s)
{
	const struct facts_step *step = s->step;
	judge_workspace(s);
	for (size_t i = 0; step->read && step->read[i]; i++) {
		s->r->judged++;
		if (!shows(s->r->policy->read, step->read[i]))
			replay_refuse(s, step->start.seq, "view", step->read[i],
			              "this directory of the host was shown in the run",
			              replay_policy_key(s, "sandbox.read"));
	}
	for (size_t i = 0; s->phase == DD_PHASE_PUSH && step->artifacts && step->artifacts[i];
	     i++) {
		s->r->judged++;
		if (!among(s->rules->artifacts, step->artifacts[i]))
			replay_refuse(s, step->start.seq, "view", step->artifacts[i],
			              "these artifacts were shown in the run",
			              replay_phase_key(s, "artifacts"));
	}
	if (!step->read && s->facts->mode != FACTS_MODE_UNKNOWN)
		replay_doubt(s, step->start.seq, "view", "read",
		             "the record does not say which directories of the host the step saw",
		             NULL);
	if (s->phase != DD_PHASE_PUSH || s->rules->trust == POLICY_TRUST_ANY)
		return;
	if (!s->facts->trusted_known)
		replay_doubt(s, step->start.seq, "trust", "push",
		             "the record does not say whether the job was trusted", NULL);
	else if (!replay_is_trusted(s))
		replay_refuse(s, step->start.seq, "trust", "push", "the job was not trusted",
		              replay_phase_key(s, "trust"));
}

/* ---- what it was ---- */

/* An action of another repository that the policy does not allow ends the run before its first
 * step. */
void replay_action(const struct replay_step *s)
{
	const struct policy_actions *actions = policy_actions_of(s->r->policy);
	const struct facts_step *step = s->step;
	const char *at = step->action && step->action_sha256 ? strchr(step->action, '@') : NULL;
	if (!at)
		return;
	const char *name = arena_strndup(s->r->arena, step->action, (size_t)(at - step->action));
	size_t len = strlen(at + 1);
	bool commit = (len == 40 || len == 64) && strspn(at + 1, "0123456789abcdef") == len;
	bool branch = step->action_named && strcmp(step->action_named, "branch") == 0;
	s->r->judged++;
	if (!policy_allows_action(actions, name))
		replay_refuse(s, step->start.seq, "action", step->action,
		              "no line allows it: the run would end before its first step",
		              replay_policy_key(s, "actions.allow"));
	else if (!actions->mirror && !actions->from.url)
		replay_refuse(s, step->start.seq, "action", step->action,
		              "no line says where actions come from: the run would end before its "
		              "first step",
		              replay_policy_key(s, "actions"));
	else if ((actions->pin == ACTIONS_PIN_SHA && !commit) ||
	         (actions->pin == ACTIONS_PIN_TAG && branch))
		replay_refuse(s, step->start.seq, "action", step->action,
		              "it is named less firmly than the policy asks for",
		              replay_policy_key(s, "actions.pin"));
}

/* ---- limits ---- */

static void judge_limit(const struct replay_step *s, const char *key, int64_t seen,
                        uint64_t allowed)
{
	if (allowed == 0) /* not limited */
		return;
	s->r->judged++;
	const char *at = replay_policy_key(s, arena_printf(s->r->arena, "limits.%s", key));
	if (seen == FACTS_ABSENT)
		replay_doubt(s, s->step->end.seq, "limit", key,
		             "the record does not say how much the step used", at);
	else if ((uint64_t)seen > allowed)
		replay_refuse(s, s->step->end.seq, "limit", key,
		              arena_printf(s->r->arena, "%lld were used, and %llu are allowed",
		                           (long long)seen, (unsigned long long)allowed),
		              at);
}

void replay_limits(const struct replay_step *s)
{
	const struct step_limits *limits = &s->r->policy->limits;
	const struct facts_step *step = s->step;
	if (!step->end.seq) {
		replay_doubt(s, step->start.seq, "step", "", "it did not end in this record", NULL);
		return;
	}
	judge_limit(s, "time",
	            step->wall_sec < 0     ? FACTS_ABSENT
	            : step->wall_sec > 1e9 ? INT64_MAX
	                                   : (int64_t)step->wall_sec,
	            limits->time_sec);
	judge_limit(s, "log", step->output_bytes, limits->log_bytes);
	judge_limit(s, "memory", step->peak_memory_bytes, limits->sandbox.memory_bytes);
	judge_limit(s, "files", step->files, limits->files);
	judge_limit(s, "disk", step->disk_bytes, limits->disk_bytes);
}
