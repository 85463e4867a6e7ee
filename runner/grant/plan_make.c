// SPDX-License-Identifier: Apache-2.0
/* plan_make.c - workflow + policy + event -> what every step will get. Pure: no file is opened,
 * nothing is started.
 *
 * Runs in: command line and supervisor. The workflow is hostile: phase, trust and credentials come
 * from the policy and the event only (G-05). All strings are copied into the plan's arena, so a
 * plan outlives what it was made from. */
#include "plan_build.h"

#include "plan_narrowed.h"
#include "forges/actions/shell_command.h"
#include "model/places.h"

#include <ctype.h>
#include <string.h>

static struct plan_arena *arena_of(const struct plan_build *b)
{
	return b->plan->arena;
}

static struct diag_mark mark_copy(const struct plan_build *b, struct diag_mark mark)
{
	mark.file = arena_strdup(arena_of(b), mark.file);
	return mark;
}

/* ---- which job ---- */

static const struct workflow_job *find_job(struct plan_build *b, const char *wanted)
{
	char list[180] = ""; /* fits a hint */
	size_t left_out = 0;
	for (size_t i = 0; i < b->wf->n_jobs; i++) {
		if (wanted ? strcmp(b->wf->jobs[i].id, wanted) == 0 : b->wf->n_jobs == 1)
			return &b->wf->jobs[i];
		size_t len = strlen(list);
		if (left_out ||
		    len + strlen(b->wf->jobs[i].id) + sizeof(", and 1000 more") > sizeof(list))
			left_out++;
		else
			(void)snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "",
			               b->wf->jobs[i].id);
	}
	if (left_out)
		(void)snprintf(list + strlen(list), sizeof(list) - strlen(list), ", and %zu more",
		               left_out);
	struct diag_mark mark = { .file = b->wf->path };
	if (wanted)
		diag_add(b->diags, mark, list, "the workflow has no job `%s`", wanted);
	else
		diag_add(b->diags, mark, "choose one with --job",
		         "the workflow has several jobs: %s", list);
	return NULL;
}

/* ---- phase ---- */

/* What a `run:` glob is held against: the script without white space at its ends. */
static const char *trimmed(struct plan_arena *arena, const char *script)
{
	while (isspace((unsigned char)*script))
		script++;
	size_t len = strlen(script);
	while (len > 0 && isspace((unsigned char)script[len - 1]))
		len--;
	return arena_strndup(arena, script, len);
}

const char *plan_rule_text(struct plan_arena *arena, const struct policy_rule *rule)
{
	const char *text = arena_printf(arena, "%s:%u:%u:", rule->mark.file, rule->mark.line,
	                                rule->mark.column);
	for (int f = 0; f < RULE__COUNT; f++)
		if (rule->glob[f])
			text = arena_printf(arena, "%s %s: \"%s\"", text, rule_field_names[f],
			                    rule->glob[f]);
	return text;
}

struct phase_choice plan_choose_phase(struct plan_build *b, const struct workflow_job *job,
                                      const struct workflow_step *from)
{
	struct step_facts facts = { .field = {
					    [RULE_ID] = from->id,
					    [RULE_NAME] = from->name,
					    [RULE_JOB] = job->id,
					    [RULE_USES] = from->uses,
					    [RULE_RUN] = from->run ? trimmed(arena_of(b), from->run)
		                                                   : NULL,
				    } };
	return policy_choose_phase(b->policy, &facts);
}

static void choose_phase(struct plan_build *b, const struct workflow_step *from,
                         struct plan_step *step)
{
	struct phase_choice choice = plan_choose_phase(b, b->job, from);
	step->phase = choice.phase;
	step->moved = choice.moved;
	plan_narrowed_step(b, choice.refused, step->phase, step->ref);
	if (choice.rule)
		step->phase_why = plan_rule_text(arena_of(b), choice.rule);
	else
		step->phase_why = b->policy ? "no rule matches: build" : "no policy: build";
}

/* ---- names ---- */

static const char *first_line(struct plan_arena *arena, const char *script)
{
	script += strspn(script, " \t\r\n");
	return arena_strndup(arena, script, strcspn(script, "\r\n"));
}

/* "03-publish": from the id, else the name; only [a-z0-9-], so it is fit for a cgroup and a host
 * name. The number makes it unique. */
static const char *make_label(struct plan_arena *arena, const struct plan_step *step,
                              const struct workflow_step *from)
{
	enum { LABEL_TEXT = 40 };
	char text[LABEL_TEXT + 1];
	const char *in = from->id     ? from->id
	                 : from->name ? from->name
	                 : from->uses ? from->uses
	                              : "run";
	size_t n = 0;
	for (; *in && n < LABEL_TEXT; in++) {
		if (isalnum((unsigned char)*in))
			text[n++] = (char)tolower((unsigned char)*in);
		else if (n > 0 && text[n - 1] != '-')
			text[n++] = '-';
	}
	while (n > 0 && text[n - 1] == '-')
		n--;
	text[n] = '\0';
	return arena_printf(arena, "%02u-%s", step->index, n ? text : "step");
}

static void name_step(const struct plan_build *b, const struct workflow_step *from,
                      struct plan_step *step)
{
	struct plan_arena *arena = arena_of(b);
	step->id = from->id ? arena_strdup(arena, from->id) : "";
	step->name = from->name
	                     ? arena_strdup(arena, from->name)
	                     : arena_printf(arena, "Run %s",
	                                    first_line(arena, from->uses ? from->uses : from->run));
	step->is_named = from->name != NULL;
	step->label = make_label(arena, step, from);
	step->ref = step->id[0] ? step->id : step->label;
	step->mark = mark_copy(b, from->mark);
}

/* ---- what runs, and where ---- */

static bool is_expression(const char *text)
{
	return text && strstr(text, "${{");
}

static void choose_command(struct plan_build *b, const struct workflow_step *from,
                           struct plan_step *step)
{
	step->uses = arena_strdup(arena_of(b), from->uses);
	step->with = plan_copy_pairs(arena_of(b), from->with, from->n_with);
	step->n_with = from->n_with;
	step->cond = arena_strdup(arena_of(b), from->cond);
	step->argv = arena_array(arena_of(b), 1, sizeof(*step->argv));
	step->nothing = from->is_local_checkout ? "the workspace already is the checkout" : NULL;
	if (from->uses)
		return;
	const char *shell = from->shell ? from->shell : b->job->default_shell;
	struct diag_mark mark = from->shell ? from->shell_mark : b->job->default_shell_mark;
	struct dd_err err = { 0 };
	const char *base = arena_printf(arena_of(b), PLACE_SCRIPTS "/%s", step->label);
	step->script = arena_strdup(arena_of(b), from->run);
	step->shell = arena_strdup(arena_of(b), shell);
	if (is_expression(shell))
		/* noted by the parser; which program that is will be known when it runs */
		return;
	int r = shell_command(arena_of(b), step->shell, base, &step->argv, &step->script_path,
	                      &err);
	if (r < 0)
		diag_add(r == -ENOTSUP ? &b->notes : b->diags, mark, NULL, "%s", err.msg);
}

/* Join lexically: `.` and `..` are taken away by name. -1 when the path climbs out of the
 * workspace. The sandbox checks the real directory again, after pivot_root (F-08): a symlink is not
 * seen here. */
static int join_workdir(struct plan_arena *arena, const char *dir, const char **ret)
{
	char *out = arena_alloc(arena, strlen(PLACE_WORKSPACE) + strlen(dir) + 2);
	const size_t root = strlen(PLACE_WORKSPACE);
	size_t n = root;
	memcpy(out, PLACE_WORKSPACE, root);
	if (dir[0] == '/') {
		if (strncmp(dir, PLACE_WORKSPACE, root) != 0 ||
		    (dir[root] != '/' && dir[root] != '\0'))
			return -1;
		dir += root;
	}
	while (*dir) {
		size_t len = strcspn(dir, "/");
		if (len == 2 && dir[0] == '.' && dir[1] == '.') {
			if (n == root)
				return -1;
			while (out[n] != '/')
				n--;
		} else if (len > 0 && !(len == 1 && dir[0] == '.')) {
			out[n++] = '/';
			memcpy(out + n, dir, len);
			n += len;
		}
		dir += len;
		dir += *dir == '/';
	}
	out[n] = '\0';
	*ret = out;
	return 0;
}

static void choose_workdir(struct plan_build *b, const struct workflow_step *from,
                           struct plan_step *step)
{
	const char *dir = from->workdir ? from->workdir : b->job->default_workdir;
	struct diag_mark mark = from->workdir ? from->workdir_mark : b->job->default_workdir_mark;
	if (is_expression(dir))
		step->workdir = arena_strdup(arena_of(b), dir);
	else if (join_workdir(arena_of(b), dir ? dir : "", &step->workdir) < 0)
		diag_add(b->diags, mark, "a directory below the workspace",
		         "working-directory `%s` leaves the workspace", dir);
}

/* ---- what the policy gives ---- */

static const char *const *copy_texts(struct plan_arena *arena, const char *const *texts)
{
	size_t n = 0;
	while (texts[n])
		n++;
	const char **out = arena_array(arena, n + 1, sizeof(*out));
	for (size_t i = 0; i < n; i++)
		out[i] = arena_strdup(arena, texts[i]);
	return out;
}

static void copy_egress(struct plan_arena *arena, const struct egress_list *from,
                        struct egress_list *to)
{
	struct egress_entry *entries = arena_array(arena, from->n, sizeof(*entries));
	for (size_t i = 0; i < from->n; i++) {
		entries[i] = from->entries[i];
		entries[i].host = arena_strdup(arena, entries[i].host);
		entries[i].why = arena_strdup(arena, entries[i].why);
		entries[i].origin = arena_strdup(arena, entries[i].origin);
		for (size_t k = 0; k < EGRESS_PINS_MAX; k++)
			entries[i].pins[k] = arena_strdup(arena, entries[i].pins[k]);
	}
	*to = *from;
	to->entries = entries;
	to->index = egress_index_make(arena_alloc(arena, egress_index_size(from->n)), entries,
	                              from->n);
}

/* The smallest of the policy's `time`, the job's and the step's timeout-minutes. */
static unsigned choose_time(const struct plan_build *b, const struct workflow_step *from,
                            unsigned policy_sec)
{
	double asked[] = { from->timeout_minutes * 60, b->job->timeout_minutes * 60 };
	unsigned sec = policy_sec;
	for (size_t i = 0; i < ARRAY_LEN(asked); i++)
		if (asked[i] > 0 && asked[i] < (double)sec)
			sec = asked[i] < 1 ? 1 : (unsigned)asked[i];
	return sec;
}

static void apply_policy(const struct plan_build *b, const struct policy *policy,
                         const struct workflow_step *from, struct plan_step *step)
{
	const struct policy_phase *phase = &policy->phases[step->phase];
	copy_egress(arena_of(b), &phase->egress, &step->egress);
	if (step->phase == DD_PHASE_BUILD)
		/* the loader refuses entries here; the gate of build stays closed even so */
		step->egress.n = 0;
	if (step->nothing)
		step->egress.n = 0;
	step->view = step->phase == DD_PHASE_PUSH ? phase->view : WORKSPACE_PRISTINE;
	step->artifacts = copy_texts(arena_of(b), policy->phases[DD_PHASE_PUSH].artifacts);
	step->limits = policy->limits;
	step->limits.time_sec = choose_time(b, from, policy->limits.time_sec);
	step->seccomp = arena_strdup(arena_of(b), policy->seccomp);
	step->syscalls = copy_texts(arena_of(b), policy->syscalls);
	step->read = copy_texts(arena_of(b), policy->read);
}

/* A push step of an untrusted job stops the job before its first step: half a pipeline helps
 * nobody, and a push step that is left out silently looks like a success. */
static void check_trust(struct plan_build *b, struct plan_step *step)
{
	if (step->phase != DD_PHASE_PUSH || b->plan->trusted ||
	    b->policy->phases[DD_PHASE_PUSH].trust == POLICY_TRUST_ANY)
		return;
	diag_add(b->diags, step->mark, step->phase_why,
	         "step `%s` is in push, but this job is not trusted: %s", step->name,
	         b->plan->trust_why);
	b->refused = true;
}

static void make_step(struct plan_build *b, const struct policy *policy,
                      const struct workflow_step *from, struct plan_step *step)
{
	name_step(b, from, step);
	choose_phase(b, from, step);
	choose_command(b, from, step);
	choose_workdir(b, from, step);
	apply_policy(b, policy, from, step);
	plan_make_leases(b, step);
	plan_make_env(b, from, step);
	check_trust(b, step);
	step->continue_on_error = from->continue_on_error;
}

static bool policy_fits(struct plan_build *b)
{
	const char *why = NULL;
	if (!b->policy || policy_is_for(b->policy, b->event, &why))
		return true;
	diag_add(b->diags, b->policy->for_.mark, "choose another policy",
	         "this policy is not for the job: `%s` differs (repository `%s`, ref `%s`, event "
	         "`%s`)",
	         why, b->event->repository, b->event->ref, b->event->name);
	b->refused = true;
	return false;
}

static void describe(struct plan_build *b)
{
	struct plan *plan = b->plan;
	plan->workflow_path = arena_strdup(plan->arena, b->wf->path);
	plan->workflow_name = arena_strdup(plan->arena, b->wf->name);
	plan->job_id = arena_strdup(plan->arena, b->job->id);
	plan->job_name = arena_strdup(plan->arena, b->job->name ? b->job->name : b->job->id);
	if (b->policy) {
		plan->policy_path = arena_strdup(plan->arena, b->policy->path);
		plan->artifacts = copy_texts(plan->arena,
		                             b->policy->phases[DD_PHASE_PUSH].artifacts);
		memcpy(plan->policy_sha256, b->policy->sha256, sizeof(plan->policy_sha256));
	}
	plan->trusted = event_is_trusted(b->event, &plan->trust_why);
	plan_describe_job(b);
}

static void make_steps(struct plan_build *b)
{
	struct policy none = { .arena = arena_of(b) };
	policy_defaults(&none);
	plan_narrowed_begin(b);
	b->plan->steps = arena_array(arena_of(b), b->job->n_steps, sizeof(*b->plan->steps));
	b->plan->n_steps = b->job->n_steps;
	for (size_t i = 0; i < b->job->n_steps; i++) {
		b->plan->steps[i].index = (unsigned)i + 1;
		make_step(b, b->policy ? b->policy : &none, &b->job->steps[i], &b->plan->steps[i]);
	}
	plan_check_leases(b);
	plan_note_unused(b);
}

int plan_make(const struct workflow *wf, const char *job, const struct policy *policy,
              const struct event_facts *event, struct plan **ret, struct diag_list *diags)
{
	struct plan_arena *arena = arena_new();
	struct plan_build b = { .plan = arena_alloc(arena, sizeof(struct plan)),
		                .wf = wf,
		                .policy = policy,
		                .event = event,
		                .diags = diags };
	size_t before = diags->n;
	b.plan->arena = arena;
	b.job = find_job(&b, job);
	if (b.job && policy_fits(&b)) {
		describe(&b);
		make_steps(&b);
		plan_keep_notes(&b);
	}
	diag_list_done(&b.notes);
	if (diags->n > before || diags->truncated) {
		plan_free(b.plan);
		return b.refused ? -EACCES : -EINVAL;
	}
	*ret = b.plan;
	return 0;
}

void plan_free(struct plan *plan)
{
	if (plan)
		arena_free(plan->arena);
}
