// SPDX-License-Identifier: Apache-2.0
/* suggest_rest.c - what the policy says besides rules and destinations: budgets, limits, views,
 * system calls, credentials.
 *
 * Runs in: command line. A line is made only where the default would have refused something that
 * was seen, and then with head-room; so taking any of them out shows. */
#include "suggest_parts.h"

#include "drydock/seccomp_view.h"

#include <string.h>

enum {
	KIB = 1024,
	CONNECTIONS_MAX = 65535,
	TIME_MAX_SEC = 30 * 86400,
	HOUR_SEC = 3600,
	TTL_DEFAULT_SEC = 300
};

uint64_t suggest_head_room(uint64_t seen, uint64_t unit)
{
	uint64_t wanted = seen > UINT64_MAX / 4 ? UINT64_MAX / 4 : seen * 2, room = unit;
	while (room < wanted)
		room *= 2;
	return room;
}

static void at_least(uint64_t *largest, int64_t seen)
{
	if (seen > 0 && (uint64_t)seen > *largest)
		*largest = (uint64_t)seen;
}

/* ---- budgets ---- */

/* How much each entry sent in a job is counted where the entries are made (suggest_egress.c). */
static void see_budgets(struct suggest *s, const struct suggest_step *step,
                        const struct facts_step *seen)
{
	const char *cut = replay_not_listed(s->arena, seen);
	at_least(&s->phases[suggest_effective(step)].connections_seen, seen->gate.peak_connections);
	if (cut)
		suggest_warn(s, "step %s: %s", suggest_quoted(s->arena, step->label), cut);
}

static void decide_budgets(struct suggest *s, enum dd_phase which, const struct policy *defaults)
{
	const struct egress_list *usual = &defaults->phases[which].egress;
	struct suggest_phase *phase = &s->phases[which];
	uint64_t names = phase->wildcard_names;
	phase->wildcard_names = 0;
	if (which == DD_PHASE_BUILD)
		return;
	if (phase->upload_seen > usual->job.upload_bytes)
		phase->upload = suggest_head_room(phase->upload_seen, KIB);
	if (phase->connections_seen > usual->connections)
		phase->connections = suggest_head_room(phase->connections_seen, 1);
	if (phase->connections > CONNECTIONS_MAX)
		phase->connections = CONNECTIONS_MAX;
	for (uint64_t cap = 1; names > usual->job.wildcard_names && phase->wildcard_names == 0;
	     cap *= 2)
		phase->wildcard_names = cap >= names ? cap : 0;
}

/* ---- push ---- */

static bool was_in(const struct suggest_seen *seen, enum dd_phase phase)
{
	return strcmp(seen->step->phase, phase_names[phase]) == 0;
}

static void see_push(struct suggest *s, const struct suggest_seen *seen)
{
	struct suggest_phase *push = &s->phases[DD_PHASE_PUSH];
	const char *view = was_in(seen, DD_PHASE_PUSH) ? seen->step->workspace
	                                               : workspace_view_names[WORKSPACE_SHARED];
	push->trust_any = push->trust_any || (seen->facts->trusted_known && !seen->facts->trusted);
	for (size_t i = 0; seen->step->artifacts && seen->step->artifacts[i]; i++)
		suggest_add_text(s->arena, &push->artifacts, seen->step->artifacts[i]);
	if (!view)
		return;
	if (push->view && strcmp(push->view, view) != 0)
		suggest_warn(s,
		             "push steps saw the workspace %s and %s; the policy can say only one",
		             push->view, view);
	else
		push->view = view;
}

/* ---- credentials ---- */

static const char *credential_name(struct suggest *s, const char *name)
{
	char *plain = arena_strdup(s->arena, *name ? name : "credential");
	for (char *c = plain; *c; c++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", *c))
			*c = '-';
	const char *unique = plain;
	for (size_t i = 0, k = 2; i < s->n_credentials; i++)
		if (strcmp(s->credentials[i].name, unique) == 0) {
			unique = arena_printf(s->arena, "%s-%zu", plain, k++);
			i = (size_t)-1; /* from the start: the new name may be taken as well */
		}
	return unique;
}

/* "env:NAME" -> key "env", value NAME; NULL: neither file nor env. */
static const char *split(const char *text, const char **ret_value)
{
	static const char *const keys[] = { "file", "env" };
	for (size_t i = 0; text && i < ARRAY_LEN(keys); i++) {
		size_t len = strlen(keys[i]);
		if (strncmp(text, keys[i], len) == 0 && text[len] == ':' && text[len + 1]) {
			*ret_value = text + len + 1;
			return keys[i];
		}
	}
	return NULL;
}

static struct suggest_credential *find_credential(struct suggest *s,
                                                  const struct suggest_credential *wanted,
                                                  const char *recorded)
{
	for (size_t i = 0; i < s->n_credentials; i++) {
		struct suggest_credential *c = &s->credentials[i];
		if (c->phase == wanted->phase && strcmp(c->recorded, recorded) == 0 && wanted->as &&
		    strcmp(c->from, wanted->from) == 0 && strcmp(c->as, wanted->as) == 0 &&
		    c->from_key == wanted->from_key && c->as_key == wanted->as_key)
			return c;
	}
	return NULL;
}

/* Can `from` and `as` be written as the record has them? What an issuer was asked, and how several
 * parts are called, is not in it. */
static bool is_whole_lease(const struct suggest_credential *c)
{
	bool known = false;
	for (int i = LEASE_FROM_FILE; c->from_key && i <= LEASE_FROM_FORGE; i++)
		known = known || strcmp(c->from_key, lease_from_names[i]) == 0;
	return known && c->as_key && !strchr(c->as, ',');
}

static void see_lease(struct suggest *s, const struct suggest_step *step,
                      const struct suggest_seen *seen, const struct facts_lease *lease)
{
	struct suggest_credential one = { .phase = suggest_effective(step),
		                          .ttl_sec = FACTS_ABSENT,
		                          .recorded = lease->name };
	const char *id = replay_step_id(seen->step), *label = suggest_quoted(s->arena, step->label),
		   *name = suggest_quoted(s->arena, lease->name);
	one.from_key = split(lease->from, &one.from);
	one.as_key = split(lease->as, &one.as);
	if (!id || one.phase == DD_PHASE_BUILD) {
		suggest_warn(s, "credential %s of step %s: %s", name, label,
		             id ? "the step is in build here"
		                : "a step without an id cannot hold one");
		return;
	}
	if (!is_whole_lease(&one)) {
		suggest_warn(
			s,
			"credential %s of step %s: the record does not say all of from where and "
			"as what; write it yourself",
			name, label);
		return;
	}
	struct suggest_credential *c = find_credential(s, &one, lease->name);
	if (!c) {
		one.name = credential_name(s, lease->name);
		s->credentials = arena_grow(s->arena, s->credentials, s->n_credentials,
		                            sizeof(*s->credentials));
		c = &s->credentials[s->n_credentials++];
		*c = one;
	}
	suggest_add_text(s->arena, &c->ids, id);
	if (lease->ttl_sec != TTL_DEFAULT_SEC && lease->ttl_sec > c->ttl_sec)
		c->ttl_sec = lease->ttl_sec;
}

/* ---- system calls ---- */

static void see_profile(struct suggest *s, const struct facts_step *step)
{
	const char *name = step->seccomp && strcmp(step->seccomp, "default") != 0 ? step->seccomp
	                                                                          : NULL;
	if (step->seccomp && !s->profile_seen) {
		s->seccomp = name;
		s->profile_seen = true;
	} else if (step->seccomp && strcmp(name ? name : "", s->seccomp ? s->seccomp : "") != 0) {
		suggest_warn(s,
		             "the records have the seccomp profiles %s and %s; the policy can name "
		             "only one",
		             s->seccomp ? s->seccomp : "default", step->seccomp);
	}
}

static void see_call(struct suggest *s, const struct seccomp_view *view,
                     const struct suggest_step *step, const char *name)
{
	const struct seccomp_view_call *call = seccomp_view_find(view, name);
	if (call && call->answer == SECCOMP_ANSWER_ALLOW)
		return;
	if (call && !call->never)
		suggest_add_text(s->arena, &s->syscalls, name);
	else
		suggest_warn(s, "system call %s of step %s: %s", suggest_quoted(s->arena, name),
		             suggest_quoted(s->arena, step->label),
		             call ? "no policy may allow it" : "there is none of that name here");
}

static void see_calls(struct suggest *s, const struct seccomp_view *view,
                      const struct suggest_step *step, const struct facts_step *seen)
{
	for (size_t i = 0; seen->syscalls && seen->syscalls[i]; i++)
		see_call(s, view, step, seen->syscalls[i]);
	for (size_t i = 0; i < seen->n_calls; i++) {
		const struct facts_syscall *call = &seen->calls[i];
		if (!call->name || !call->answer)
			continue;
		if (strcmp(call->answer, "continued") == 0)
			see_call(s, view, step, call->name);
		else
			suggest_add_text(
				s->arena, &s->call_notes,
				arena_printf(
					s->arena,
					"%s, by %s: answered with %s in the run, and will be again",
					suggest_quoted(s->arena, call->name),
					suggest_quoted(s->arena, step->label),
					suggest_quoted(s->arena, call->answer)));
	}
}

/* ---- directories and limits ---- */

static bool is_below(const char *dir, const char *parent)
{
	size_t len = strlen(parent);
	return strlen(dir) > len && strncmp(dir, parent, len) == 0 && dir[len] == '/';
}

static void drop_children(struct suggest_texts *dirs)
{
	size_t kept = 0;
	for (size_t i = 0; i < dirs->n; i++) {
		bool shown = false;
		for (size_t k = 0; k < dirs->n && !shown; k++)
			shown = is_below(dirs->items[i], dirs->items[k]);
		if (!shown)
			dirs->items[kept++] = dirs->items[i];
	}
	dirs->n = kept;
}

static void see_use(struct suggest *s, const struct facts_step *step)
{
	at_least(&s->time_sec,
	         step->wall_sec > 0 && step->wall_sec < TIME_MAX_SEC ? (int64_t)step->wall_sec : 0);
	at_least(&s->log_bytes, step->output_bytes);
	at_least(&s->memory_seen, step->peak_memory_bytes);
	at_least(&s->files_seen, step->files);
	at_least(&s->disk_seen, step->disk_bytes);
	for (size_t i = 0; step->read && step->read[i]; i++)
		suggest_add_text(s->arena, &s->read, step->read[i]);
}

static void decide_limits(struct suggest *s, const struct policy *defaults)
{
	uint64_t hours = (s->time_sec * 2 + HOUR_SEC - 1) / HOUR_SEC;
	s->time_sec = s->time_sec <= defaults->limits.time_sec ? 0
	              : hours * HOUR_SEC > TIME_MAX_SEC        ? TIME_MAX_SEC
	                                                       : hours * HOUR_SEC;
	s->log_bytes = s->log_bytes <= defaults->limits.log_bytes
	                       ? 0
	                       : suggest_head_room(s->log_bytes, KIB);
}

static void see_step(struct suggest *s, const struct seccomp_view *view,
                     const struct suggest_step *step)
{
	enum dd_phase phase = suggest_effective(step);
	for (size_t i = 0; i < step->n_seen; i++) {
		const struct facts_step *seen = step->seen[i].step;
		see_budgets(s, step, seen);
		see_use(s, seen);
		see_calls(s, view, step, seen);
		if (phase == DD_PHASE_PUSH)
			see_push(s, &step->seen[i]);
		for (size_t k = 0; k < seen->n_leases; k++)
			see_lease(s, step, &step->seen[i], &seen->leases[k]);
	}
}

int suggest_rest(struct suggest *s, struct dd_err *err)
{
	struct policy defaults = { .arena = s->arena };
	struct seccomp_view *view = NULL;
	policy_defaults(&defaults);
	for (size_t i = 0; i < s->n_steps; i++)
		for (size_t k = 0; k < s->steps[i].n_seen; k++)
			see_profile(s, s->steps[i].seen[k].step);
	int r = replay_profile(s->options->profile_dir, s->seccomp ? s->seccomp : "default", NULL,
	                       &view, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < s->n_steps; i++)
		see_step(s, view, &s->steps[i]);
	seccomp_view_free(view);
	for (int p = 0; p < DD_PHASE__COUNT; p++)
		decide_budgets(s, (enum dd_phase)p, &defaults);
	decide_limits(s, &defaults);
	drop_children(&s->read);
	suggest_sort_texts(&s->read);
	suggest_sort_texts(&s->syscalls);
	suggest_sort_texts(&s->call_notes);
	struct suggest_phase *push = &s->phases[DD_PHASE_PUSH];
	if (push->view && strcmp(push->view, workspace_view_names[WORKSPACE_PRISTINE]) == 0)
		push->view = NULL;
	return 0;
}
