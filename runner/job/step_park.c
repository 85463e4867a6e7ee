// SPDX-License-Identifier: Apache-2.0
/* step_park.c - parks sandbox and gate of the next step while this one runs, and takes them over.
 *
 * Runs in: supervisor. What a sandbox is built from is in the plan, and no step can change that;
 * script, environment, arguments, working directory and credentials come when its turn does. Which
 * step is next the plan only suggests: the one that comes is compared, and what does not fit goes.
 * Not parked is what has a tree of its own (push: it is copied when everything before it is known),
 * what is given credentials as files (it would wait with capabilities), a shell, an action. Nothing
 * falls back: a step whose parked sandbox could not be built ends.
 */
#include "step_park.h"

#include "drydock/fd.h"
#include "job_tree.h"
#include "step_spec.h"

#include <fcntl.h>

struct step_parked {
	bool stands; /* in @is */
	struct step_taken is;
	const struct grant_terms *terms;
	int r; /* of what failed; then it does not stand */
	struct dd_err err;
	char label[JOB_STEP_NAME_MAX];
};

static int stream_make(const struct job *job, int ends[2], struct dd_err *err)
{
	if (pipe2(ends, O_CLOEXEC) < 0)
		return dd_err_set(err, errno, "make a pipe for the step's output");
	/* The step may open /dev/stdout again: that is a permission check on the pipe, and the step
	 * has an id of its own. */
	int r = 0;
	if (job->id->mode == IDENTITY_RANGE && fchown(ends[1], job->step_uid, job->step_uid) < 0)
		r = dd_err_set(err, errno, "give the output pipe to the step's id");
	if (r == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
		r = dd_err_set(err, errno, "make the output pipe non-blocking");
	if (r < 0) {
		dd_close(ends[0]);
		dd_close(ends[1]);
	}
	return r;
}

int step_streams_make(const struct job *job, int ret_read[2], int ret_write[2], struct dd_err *err)
{
	int out[2], errs[2];
	int r = stream_make(job, out, err);

	if (r < 0)
		return r;
	if ((r = stream_make(job, errs, err)) < 0) {
		dd_close(out[0]);
		dd_close(out[1]);
		return r;
	}
	ret_read[0] = out[0];
	ret_read[1] = errs[0];
	ret_write[0] = out[1];
	ret_write[1] = errs[1];
	return 0;
}

/* ---- which ---- */

static bool gets_files(const struct grant *grant)
{
	for (size_t i = 0; i < grant->n_leases; i++)
		if (grant->leases[i].as != LEASE_AS_ENV)
			return true;
	return false;
}

/* NULL: none that could be built now. Steps that a written one brings are not in the plan. */
static const struct grant *next_of(const struct job *job, const struct job_step *step)
{
	const struct plan *plan = job->plan;
	const size_t at = step->grant->index; /* counted from 1, so of the one behind it */

	if (!step->written || at >= plan->n_grants || job->written[at] || job->shell ||
	    job->cancel != JOB_GOES_ON)
		return NULL;
	const struct grant *next = &plan->grants[at];
	const struct spec_step *written = next->written;
	return next->phase == DD_PHASE_PUSH || written->recipe.nothing || written->facts.uses ||
	                       gets_files(next)
	               ? NULL
	               : next;
}

/* What of the next recipe a sandbox is built from, as far as anybody can tell: names of files, and
 * whether there is a channel. The front end that made this one makes that one too. */
static struct recipe recipe_like(const struct recipe *now, const struct recipe *written)
{
	return (struct recipe){
		.name = written->name,
		.script = "",
		.script_path = written->script_path ? written->script_path : now->script_path,
		.files = now->files,
		.n_files = now->n_files,
		.channel = now->channel,
	};
}

/* ---- the tree ---- */

int step_park_tree(struct job *job, struct dd_err *err)
{
	static const char *const unknown[] = { NULL };
	static const struct job_terms none = { .terms = NULL };
	const struct recipe recipe = { .channel = job->script->has_channel ? unknown : NULL };
	const struct grant *first = job->plan->n_grants ? &job->plan->grants[0] : NULL;
	struct step_view view;
	struct step_spec spec;

	if (!first || first->phase == DD_PHASE_PUSH || first->written->recipe.nothing)
		return 0;
	job_tree_shared(job, &view);
	int r = recipe.channel ? step_channel_begin(job, view.channel, err) : 0;
	if (r < 0)
		return r;
	step_spec_make(job,
	               &(struct step_spec_of){ .terms = first->terms,
	                                       .compiled = &none,
	                                       .recipe = &recipe,
	                                       .view = &view,
	                                       .label = first->label },
	               &spec);
	return sandbox_zygote_ahead(&spec.spec, err);
}

/* ---- park ---- */

static int park(struct job *job, struct step_parked *parked, const struct grant *next,
                const struct recipe *recipe, const struct step_view *view)
{
	struct step_spec spec;
	int ours[2], theirs[2];

	int r = step_streams_make(job, ours, theirs, &parked->err);
	if (r < 0)
		return r;
	step_spec_make(job,
	               &(struct step_spec_of){ .terms = next->terms,
	                                       .compiled = job_terms_of(&job->terms, next->terms),
	                                       .recipe = recipe,
	                                       .view = view,
	                                       .label = parked->label,
	                                       .out = theirs[0],
	                                       .err = theirs[1] },
	               &spec);
	/* late, and not known yet */
	static char *const unknown[] = { (char *)(uintptr_t) "", NULL };
	spec.spec.argv = unknown;
	r = sandbox_park(&spec.spec, &parked->is.sb, &parked->err);
	dd_close(theirs[0]);
	dd_close(theirs[1]);
	parked->stands = r == 1;
	for (int i = 0; i < 2; i++)
		if (parked->stands)
			parked->is.read[i] = ours[i];
		else
			dd_close(ours[i]);
	return r < 0 ? r : 0;
}

void step_park_next(struct job *job, const struct job_step *step, const struct step_view *view)
{
	const struct grant *next = next_of(job, step);

	if (!next || step->recipe->action || !step->recipe->script)
		return;
	if (!job->parked)
		job->parked = calloc(1, sizeof(*job->parked));
	if (!job->parked) /* as without: the next one is built when its turn comes */
		return;
	const struct recipe recipe = recipe_like(step->recipe, &next->written->recipe);
	*job->parked = (struct step_parked){
		.is = { .sb = SANDBOX_NONE,
		        .gate = { .job = job, .rules_fd = -1 },
		        .read = { -1, -1 } },
		.terms = next->terms,
	};
	(void)snprintf(job->parked->label, sizeof(job->parked->label), "%s", next->label);
	job->parked->r = park(job, job->parked, next, &recipe, view);
}

static void parked_end(struct step_parked *parked)
{
	if (!parked->stands)
		return;
	if (parked->is.gate.parked)
		step_gate_destroy(&parked->is.gate);
	(void)sandbox_destroy(&parked->is.sb, NULL);
	dd_close_p(&parked->is.read[0]);
	dd_close_p(&parked->is.read[1]);
	parked->stands = false;
}

/* ---- its gate ---- */

/* A gate with a list begins with what the steps before it used of that list, and this one is still
 * at it. */
static bool gate_can_start(const struct job *job, const struct step_parked *parked)
{
	return parked->stands && parked->is.sb.asked_of && parked->terms->egress.n == 0 &&
	       !job->observe;
}

int step_park_fd(const struct job *job)
{
	return job->parked && gate_can_start(job, job->parked) ? job->parked->is.sb.ctl : -1;
}

void step_park_serve(struct job *job)
{
	struct step_parked *parked = job->parked;
	struct step_taken *is = &parked->is;

	if (!gate_can_start(job, parked))
		return;
	int r = sandbox_parked_net(&is->sb, &parked->err);
	if (r == 0)
		r = step_gate_park(&is->gate, parked->terms, is->sb.net, &parked->err);
	if (r == 0)
		return;
	parked->r = r;
	parked_end(parked);
}

/* ---- its turn ---- */

int step_park_take(struct job *job, const struct sandbox_spec *spec, struct step_taken *ret,
                   struct dd_err *err)
{
	struct step_parked *parked = job->parked;

	if (!parked)
		return 0;
	int r = parked->r;
	parked->r = 0;
	if (r < 0)
		return strcmp(parked->label, spec->name) == 0
		               ? dd_err_blame(err, parked->err.blame,
		                              dd_err_say(err, -r, "%s", parked->err.msg))
		               : 0;
	if (!parked->stands)
		return 0;
	if (!sandbox_fits(&parked->is.sb, spec)) {
		parked_end(parked);
		return 0;
	}
	if ((r = sandbox_unpark(spec, &parked->is.sb, err)) < 0) {
		parked_end(parked);
		return r;
	}
	*ret = parked->is;
	parked->stands = false;
	return 1;
}

void step_park_drop(struct job *job)
{
	if (job->parked)
		parked_end(job->parked);
	free(job->parked);
	job->parked = NULL;
}
