// SPDX-License-Identifier: Apache-2.0
/* job_source.c - reads what `run` and `plan` were given and makes the plan; says what is wrong and
 * with which exit code.
 *
 * Runs in: command line and supervisor (an edge: it prints). */
#include "job_source.h"

#include "base/arena.h"
#include "drydock/fd.h"
#include "base/exit_code.h"
#include "base/named_path.h"
#include "forges/actions/wf_spec.h"
#include "actions_fetch.h"
#include "wf_load.h"
#include "workflow_choice.h"
#include "job/step_result.h"
#include "policy/policy_find.h"
#include "policy/policy_narrow.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* An event of 10 MiB has many small values. */
#define WORLD_BYTES_MAX ((size_t)256 * 1024 * 1024)

struct loading {
	struct job_source *source;
	struct diag_list diags, notes;
	struct dd_err err;
};

/* What cannot be read is a mistake of whoever named it, unless its reader knows better. */
static int named(struct loading *s, int r)
{
	if (r < 0 && s->err.blame == DD_BLAME_HOST)
		s->err.blame = DD_BLAME_CALLER;
	return r;
}

/* Before anything of the job is read: where its files are, and that no place which drydock will
 * write to lies behind a link of the checkout. What is wrong with it otherwise is said when it is
 * opened. */
static int check_places(const struct run_args *args, const char *workspace, struct dd_err *err)
{
	const struct {
		const char *option, *path;
	} places[] = { { "--out", args->out },
		       { "--record", args->record },
		       { "--state-dir", args->state_dir } };
	int r = named_fence(workspace, err);

	if (r < 0)
		return dd_err_ctx(err, r, "the workspace");
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		dd_auto_fd int fd = -1;
		struct dd_err why = { 0 };
		if (!places[i].path)
			continue;
		r = named_open(places[i].path, O_PATH, 0, &fd, NULL, &why);
		if (r == -ELOOP || r == -EACCES)
			return dd_err_say(err, -r, "%s: %s", places[i].option, why.msg);
	}
	return 0;
}

static void tell_of_checkout(const struct checkout *c, struct event_facts *event)
{
	(void)snprintf(event->checkout.sha, sizeof(event->checkout.sha), "%s", c->facts.sha);
	(void)snprintf(event->checkout.ref, sizeof(event->checkout.ref), "%s", c->facts.ref);
	(void)snprintf(event->checkout.repository, sizeof(event->checkout.repository), "%s",
	               c->facts.repository);
}

static int read_sources(const struct run_args *args, struct loading *s)
{
	struct checkout *checkout = &s->source->checkout;
	int r = named(s, checkout_open(args->workspace, checkout, &s->err));
	if (r == 0)
		r = named(s, check_places(args, checkout->path, &s->err));
	if (r == 0 && args->rev && args->untracked)
		r = named(s,
		          dd_err_say(&s->err, EINVAL,
		                     "--rev takes the commit alone, --untracked what lies around "
		                     "it: one of them"));
	if (r == 0 && args->rev)
		r = named(s, checkout_rev(checkout, args->rev, &s->err));
	if (r == 0 && args->event)
		r = named(s, event_load_text(args->event, &s->source->event, &s->source->event_text,
		                             &s->source->event_len, &s->err));
	else if (r == 0)
		event_local(&s->source->event);
	tell_of_checkout(checkout, &s->source->event);
	if (r == 0)
		r = named(s, wf_load(args->workflow, checkout->path, &s->source->wf, &s->diags,
		                     &s->err));
	if (r < 0)
		return r;
	r = args->policy
	            ? named(s, policy_load(args->policy, &s->source->policy, &s->diags, &s->err))
	            : named(s, policy_find(POLICY_DIR, &s->source->event, &s->source->policy,
	                                   &s->diags, &s->err));
	if (r == 0)
		r = policy_check_host(s->source->policy, &s->diags, &s->notes, &s->err);
	return r < 0 ? r
	             : named(s, policy_narrow_load(&s->source->policy, checkout->path, &s->diags,
	                                           &s->err));
}

/* --secret NAME=FILE for every lease of that name. A name that no step holds is a mistake worth
 * saying. */
static size_t replace_sources(struct plan *plan, const char *secret, size_t len)
{
	size_t hits = 0;
	for (size_t i = 0; i < plan->n_grants; i++)
		for (size_t k = 0; k < plan->grants[i].n_leases; k++) {
			struct grant_lease *lease =
				(struct grant_lease *)(uintptr_t)&plan->grants[i].leases[k];
			if (strlen(lease->name) != len || strncmp(lease->name, secret, len) != 0)
				continue;
			lease->from = LEASE_FROM_FILE;
			lease->source = arena_strdup(plan->arena, secret + len + 1);
			hits++;
		}
	return hits;
}

static int apply_secret(struct job_source *source, const char *secret, struct dd_err *err)
{
	const char *equals = strchr(secret, '=');
	size_t len = equals ? (size_t)(equals - secret) : 0, hits = 0;
	if (len == 0 || equals[1] == '\0')
		return dd_err_say(err, EINVAL, "--secret needs NAME=FILE");
	for (size_t i = 0; i < source->n_planned; i++)
		hits += replace_sources(source->planned[i].plan, secret, len);
	if (hits == 0)
		return dd_err_say(err, EINVAL,
		                  "--secret %.*s: no step of %s holds a credential of that name",
		                  (int)(len < 100 ? len : 100), secret,
		                  source->n_planned == 1 ? "this job" : "any of these jobs");
	return 0;
}

static int apply_secrets(const struct run_args *args, struct job_source *source, struct dd_err *err)
{
	for (size_t i = 0; i < args->n_secrets; i++) {
		int r = apply_secret(source, args->secrets[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* `plan` shows what a job is made of, also what this build cannot run; `run` does not begin with
 * what it could not end. A job that will not run here, whatever the others come to, is no obstacle.
 */
static int refuse_notes(struct loading *s)
{
	struct job_source *source = s->source;
	int r = 0;
	for (size_t k = 0; k < source->n_planned; k++) {
		const struct job_spec *spec = source->planned[k].spec;
		if (spec->n_notes == 0 || workflow_never_runs(source, &source->planned[k]))
			continue;
		r = -EINVAL;
		for (size_t i = 0; i < spec->n_notes; i++) {
			diag_add(&s->diags, spec->notes[i].mark, spec->notes[i].hint, "%s",
			         spec->notes[i].text);
			if (spec->notes[i].kind == SPEC_NOTE_REFUSED)
				s->err.blame = DD_BLAME_POLICY;
		}
	}
	return r;
}

static int explain(struct loading *s, FILE *errors)
{
	diag_print_files(errors, &s->diags);
	if (s->err.code && s->diags.n == 0) {
		char shown[sizeof(s->err.msg) * 4];
		diag_escape(shown, sizeof(shown), s->err.msg, strlen(s->err.msg));
		(void)fprintf(errors, "drydock: %s\n", shown);
	}
	if (s->err.code == ECANCELED)
		return DRYDOCK_EXIT_CANCELLED;
	/* Complaints with a place are about a file that somebody wrote. */
	if (s->diags.n > 0 && s->err.blame == DD_BLAME_HOST)
		return DRYDOCK_EXIT_USAGE;
	return blame_rows[s->err.blame].exit_code;
}

/* For the plan and the head of a run. */
static void describe_workspace(const struct run_args *args, struct job_source *source)
{
	const struct checkout *c = &source->checkout;
	checkout_look(c, &source->checkout_notes);
	for (size_t i = 0; i < source->checkout_notes.n; i++)
		source->notes[i] = source->checkout_notes.text[i];
	(void)snprintf(source->takes, sizeof(source->takes),
	               "the commit %.12s alone (--rev %.200s)", c->facts.sha, c->rev);
	source->workspace = (struct spec_workspace){
		.path = c->path,
		.takes = c->git.kind == GIT_NONE ? "everything: it is in no git repository"
		         : c->rev[0]             ? source->takes
		         : args->untracked ? "everything, also what git does not track or ignores"
		                           : "what git tracks, as it stands on disk",
		.notes = source->notes,
		.n_notes = source->checkout_notes.n,
	};
}

static int make_world(const struct run_args *args, struct loading *s)
{
	struct job_source *source = s->source;
	wf_flatten(source->wf, &source->jobs);
	source->mem = (struct expr_memory){ .arena = source->wf->arena, .limit = WORLD_BYTES_MAX };
	return wf_world_make(&(struct wf_world_asked){ .flat = &source->jobs,
	                                               .event = &source->event,
	                                               .event_text = source->event_text,
	                                               .event_len = source->event_len,
	                                               .inputs = args->inputs,
	                                               .n_inputs = args->n_inputs,
	                                               .vars = args->vars,
	                                               .n_vars = args->n_vars,
	                                               .only_look = args->dry_run },
	                     &source->mem, &source->world, &s->diags);
}

static int plan_job(struct loading *s, const struct wf_flat_job *job)
{
	struct job_source *source = s->source;
	struct source_job *made = &source->planned[source->n_planned++];

	made->job = job;
	int r = wf_job_spec(&source->jobs, job, &source->event, &source->world, &made->spec,
	                    &s->diags);
	if (r < 0)
		return r;
	made->spec->workspace = &source->workspace;
	if ((r = plan_make(made->spec, source->policy, &made->plan, &s->diags)) ==
	    -EACCES) /* it is pure: nobody but the policy says that */
		s->err.blame = DD_BLAME_POLICY;
	return r;
}

/* All jobs, or the named one with what it calls. */
static bool is_chosen(const struct wf_flat_job *job, const struct wf_flat_job *named)
{
	for (; named && job; job = job->caller)
		if (job == named)
			return true;
	return !named;
}

static int plan_jobs(const struct run_args *args, struct loading *s)
{
	struct job_source *source = s->source;
	const struct wf_flat_job *named = NULL;
	int r = 0;

	if ((args->job || !args->whole) &&
	    !(named = wf_flat_find(&source->jobs, args->job, &s->diags)))
		return -EINVAL;
	source->planned = arena_array(source->wf->arena, source->jobs.n, sizeof(*source->planned));
	for (size_t i = 0; r == 0 && i < source->jobs.n; i++)
		if (is_chosen(&source->jobs.jobs[i], named))
			r = plan_job(s, &source->jobs.jobs[i]);
	return r;
}

struct forge_asked {
	const struct run_args *args;
	const struct job_source *source;
};

static int fetch_action(void *arg, const struct store_asked *asked, const char *into,
                        struct dd_err *err)
{
	const struct forge_asked *a = arg;
	if (!a->args->id)
		return dd_err_say(err, ENOENT,
		                  "it must be fetched, and no sandbox can be built here: see "
		                  "`drydock doctor`");
	return actions_fetch(&(struct actions_fetch){ .args = a->args,
	                                              .policy = a->source->policy,
	                                              .event = &a->source->event },
	                     asked, into, err);
}

/* When jobs are planned; of those that never run here, none is looked for. */
static int find_actions(const struct run_args *args, struct loading *s)
{
	struct job_source *source = s->source;
	struct forge_asked forge = { args, source };
	struct actions_lock *lock = NULL;
	int r = 0;

	if (args->locked && (r = actions_lock_read(source->checkout.dir_fd, &lock, &s->err)) < 0)
		return dd_err_blame(&s->err, DD_BLAME_CALLER, dd_err_ctx(&s->err, r, "--locked"));
	source->actions = (struct actions_finding){
		.policy = source->policy,
		.policy_name = args->policy,
		.arena = source->wf->arena,
		.state_dir = args->state_dir,
		.id = args->id,
		.lock = lock,
		.workspace_fd = source->checkout.rev[0] ? -1 : source->checkout.dir_fd,
		.fetch = args->fetch ? fetch_action : NULL,
		.fetch_arg = &forge,
	};
	for (size_t i = 0; r == 0 && i < source->n_planned; i++)
		if (!workflow_never_runs(source, &source->planned[i]))
			r = actions_find_job(&source->actions, source->planned[i].job->job,
			                     source->planned[i].spec, &s->err);
	actions_find_end(&source->actions);
	actions_lock_free(lock);
	source->actions.lock = NULL;
	source->actions.fetch_arg = NULL;
	return r;
}

static int load(const struct run_args *args, struct loading *s)
{
	struct job_source *source = s->source;
	int r = read_sources(args, s);
	if (r == 0)
		r = make_world(args, s);
	if (r == 0) {
		describe_workspace(args, source);
		r = plan_jobs(args, s);
	}
	if (r == 0)
		r = find_actions(args, s);
	if (r == 0)
		r = named(s, apply_secrets(args, source, &s->err));
	if (r == 0 && !args->dry_run)
		r = refuse_notes(s);
	return r;
}

int job_source_load(const struct run_args *args, struct job_source **ret, FILE *errors)
{
	struct loading s = { .source = calloc(1, sizeof(*s.source)) };
	if (s.source)
		s.source->checkout = (struct checkout)CHECKOUT_NONE;
	int r = s.source ? load(args, &s) : dd_err_set(&s.err, ENOMEM, "read the job");
	int code = r < 0 ? explain(&s, errors) : 0;
	diag_print_notes(errors, &s.notes);
	if (r < 0)
		job_source_free(s.source);
	else
		*ret = s.source;
	diag_list_done(&s.diags);
	diag_list_done(&s.notes);
	return code;
}

void job_source_free(struct job_source *source)
{
	if (!source)
		return;
	for (size_t i = 0; i < source->n_planned; i++) {
		plan_free(source->planned[i].plan);
		job_spec_free(source->planned[i].spec);
	}
	policy_free(source->policy);
	actions_find_done(&source->actions);
	wf_free(source->wf);
	checkout_close(&source->checkout);
	free(source->event_text);
	free(source);
}
