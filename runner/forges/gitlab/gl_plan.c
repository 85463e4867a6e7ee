// SPDX-License-Identifier: Apache-2.0
/* gl_plan.c - see gl_plan.h.
 *
 * Runs in: the process of a job, before anything of it runs. Texts are hostile. */
#include "gl_plan.h"

#include "base/glob.h"
#include "model/places.h"
#include "policy/policy.h"

#include <string.h>

static const char *const argv_bash[] = { "bash", "--noprofile", "--norc", GL_SCRIPT_PATH, NULL };

static const char *const marker_text[] = { [GL_MARKER_FETCH] = ": drydock fetch",
	                                   [GL_MARKER_BUILD] = ": drydock build",
	                                   [GL_MARKER_PUSH] = ": drydock push" };

/* One command, between the rounds. */
struct piece {
	const struct gl_step *of;
	const char *text;
	enum gl_marker region; /* of the marker before it */
	bool first;            /* of its script */
	size_t probe;          /* its step in the first round, from 1; 0: it has none */
};

struct planning {
	const struct gl_job *job;
	const struct gl_sources *sources;
	const struct gl_keep *keep;
	const struct event_facts *event;
	const struct policy *policy;
	struct plan_arena *arena;
	struct gl_plan *plan;
	struct diag_list *diags;
	struct dd_err *err;
	struct piece *pieces;
	size_t n_pieces;
	struct spec_step *probes; /* of the first round */
	size_t n_probes;
	size_t marker_probe[4]; /* by marker: its step in the first round, from 1 */
	struct plan *probed;
};

static void note(struct planning *p, const char *text)
{
	struct gl_plan *plan = p->plan;
	for (size_t i = 0; i < plan->n_notes; i++)
		if (strcmp(plan->notes[i], text) == 0)
			return;
	plan->notes = arena_grow(p->arena, plan->notes, plan->n_notes, sizeof(*plan->notes));
	plan->notes[plan->n_notes++] = text;
}

/* ---- the environment ---- */

/* What git and the runner of GitLab are told by a job: git itself knows no such variable, and so
 * none of them decides what a command means. */
static const char *const runners_own[] = { "GIT_STRATEGY",
	                                   "GIT_DEPTH",
	                                   "GIT_CHECKOUT",
	                                   "GIT_CLEAN_FLAGS",
	                                   "GIT_FETCH_EXTRA_FLAGS",
	                                   "GIT_CLONE_EXTRA_FLAGS",
	                                   "GIT_CLONE_PATH",
	                                   "GIT_SUBMODULE_STRATEGY",
	                                   "GIT_SUBMODULE_DEPTH",
	                                   "GIT_SUBMODULE_PATHS",
	                                   "GIT_SUBMODULE_UPDATE_FLAGS",
	                                   "GIT_SUBMODULE_FORCE_HTTPS",
	                                   "GIT_LFS_SKIP_SMUDGE" };

static bool is_forges(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(runners_own); i++)
		if (strcmp(name, runners_own[i]) == 0)
			return true;
	return strncmp(name, "CI_", 3) == 0 || strncmp(name, "GITLAB_", 7) == 0 ||
	       strcmp(name, "CI") == 0;
}

/* What the forge says about the job, and what the job says, apart: the first decides nothing and
 * nobody overrides it. */
static void make_layers(struct planning *p, const struct gl_vars *vars)
{
	struct pair *own = arena_array(p->arena, vars->n_plain + 1, sizeof(*own));
	struct pair *forges = arena_array(p->arena, vars->n_plain + 2, sizeof(*forges));
	struct gl_plan *plan = p->plan;
	plan->layers[0] = (struct env_layer){ .origin = "job", .vars = own };
	plan->layers[1] = (struct env_layer){ .origin = "an earlier step" };
	plan->layers[2] = (struct env_layer){ .origin = "gitlab", .vars = forges, .fixed = true };
	for (size_t i = 0; i < vars->n_plain; i++)
		if (is_forges(vars->plain[i].name))
			forges[plan->layers[2].n++] = vars->plain[i];
		else
			own[plan->layers[0].n++] = vars->plain[i];
	/* the last one: gl_front.c says another value for after_script */
	forges[plan->layers[2].n++] = (struct pair){ .name = "CI_JOB_STATUS", .value = "running" };
}

/* ---- the first round ---- */

static struct spec_step step_of(struct planning *p, size_t index, const char *name, const char *run)
{
	return (struct spec_step){
		.mark = { .file = p->plan->spec.source, .line = (unsigned)index + 1, .column = 1 },
		.facts = { .job = p->job->name, .name = name, .run = run },
		.label = job_spec_label(p->arena, (unsigned)index + 1, name),
		.recipe = { .name = name,
		            .argv = argv_bash,
		            .script = run,
		            .script_path = GL_SCRIPT_PATH,
		            .workdir = PLACE_WORKSPACE,
		            .env = p->plan->layers,
		            .n_env = GL_LAYERS }
	};
}

static size_t probe(struct planning *p, const char *name, const char *text)
{
	p->probes = arena_grow(p->arena, p->probes, p->n_probes, sizeof(*p->probes));
	p->probes[p->n_probes] = step_of(p, p->n_probes, name, text);
	return ++p->n_probes;
}

static void cut_step(struct planning *p, const struct gl_step *step)
{
	enum gl_marker region = GL_NO_MARKER;
	bool first = true;
	for (size_t i = 0; i < step->n_script; i++) {
		const char *text = gl_element(p->arena, step->script[i]);
		enum gl_marker marker = gl_marker_of(text);
		if (marker != GL_NO_MARKER) {
			region = marker;
			if (!p->marker_probe[marker])
				p->marker_probe[marker] = probe(p, step->name, marker_text[marker]);
			continue;
		}
		struct piece *piece = &p->pieces[p->n_pieces++];
		*piece = (struct piece){ step, text, region, first, 0 };
		first = false;
		if (*text && region != GL_MARKER_BUILD && region != GL_MARKER_FETCH)
			piece->probe = probe(p, step->name, text);
	}
}

static int first_round(struct planning *p)
{
	struct job_spec spec = p->plan->spec;
	size_t room = 0;
	for (size_t i = 0; i < p->job->n_steps; i++)
		room += p->job->steps[i].n_script;
	p->pieces = arena_array(p->arena, room + 1, sizeof(*p->pieces));
	for (size_t i = 0; i < p->job->n_steps; i++)
		cut_step(p, &p->job->steps[i]);
	if (p->n_probes == 0)
		return 0;
	spec.steps = p->probes;
	spec.n_steps = p->n_probes;
	return plan_make(&spec, p->policy, &p->probed, p->diags);
}

static enum dd_phase phase_of_probe(const struct planning *p, size_t probe)
{
	return probe ? p->probed->grants[probe - 1].phase : DD_PHASE_BUILD;
}

/* ---- the second round ---- */

/* An empty command goes with the one before it. */
static enum dd_phase phase_of(struct planning *p, const struct piece *piece, bool *ret_asked,
                              enum dd_phase before, bool before_asked)
{
	*ret_asked = false;
	if (piece->region == GL_MARKER_BUILD)
		return DD_PHASE_BUILD;
	if (piece->region == GL_MARKER_FETCH) {
		*ret_asked = phase_of_probe(p, p->marker_probe[GL_MARKER_FETCH]) == DD_PHASE_FETCH;
		if (!*ret_asked)
			note(p, "`: drydock fetch` asks for an open gate, and no rule of the "
			        "policy gives it one: what follows runs in build. The line that "
			        "would: steps: [ { phase: fetch, match: { run: \": drydock fetch\" "
			        "} } ]");
		return *ret_asked ? DD_PHASE_FETCH : DD_PHASE_BUILD;
	}
	if (!*piece->text) {
		*ret_asked = before_asked;
		return before;
	}
	enum dd_phase phase = phase_of_probe(p, piece->probe);
	const char *why = p->probed->grants[piece->probe - 1].phase_why;
	if (phase == DD_PHASE_BUILD && strstr(why, "would match, but"))
		note(p, arena_printf(p->arena, "`%.100s` runs in build: %s", piece->text, why));
	if (piece->region == GL_MARKER_PUSH && phase != DD_PHASE_PUSH)
		note(p, arena_printf(p->arena,
		                     "`: drydock push` asks, and gives nothing: no rule of the "
		                     "policy puts `%.100s` into push, so it runs in %s",
		                     piece->text, phase_names[phase]));
	return phase;
}

static bool is_after(const struct gl_step *step)
{
	return strcmp(step->name, "after_script") == 0;
}

/* What the rules are held against in the second round: what decided in the first. */
static const char *deciding_text(const struct planning *p, const struct piece *piece, bool asked)
{
	if (asked)
		return marker_text[GL_MARKER_FETCH];
	if (!piece->probe)
		return marker_text[GL_MARKER_BUILD];
	return p->probes[piece->probe - 1].facts.run;
}

/* "script-push", "script-push-2": what a credential of the policy names. */
static const char *id_of(struct planning *p, size_t n, const struct gl_segment *segment)
{
	unsigned nth = 1;
	for (size_t i = 0; i < n; i++)
		nth += p->plan->segments[i].of == segment->of &&
		       p->plan->segments[i].phase == segment->phase;
	const char *id = arena_printf(p->arena, "%s-%s", segment->of->name,
	                              phase_names[segment->phase]);
	return nth == 1 ? id : arena_printf(p->arena, "%s-%u", id, nth);
}

static void join(struct planning *p, struct spec_step *steps, size_t *ret_n)
{
	size_t n = *ret_n;
	const char **elements = arena_array(p->arena, p->n_pieces + 1, sizeof(*elements));
	struct gl_segment *now = NULL;
	for (size_t i = 0; i < p->n_pieces; i++) {
		const struct piece *piece = &p->pieces[i];
		bool asked;
		enum dd_phase phase = phase_of(p, piece, &asked,
		                               now && !piece->first ? now->phase : DD_PHASE_BUILD,
		                               now && !piece->first && now->asked);
		elements[i] = piece->text;
		if (now && !piece->first && now->phase == phase && now->asked == asked) {
			now->n++;
			continue;
		}
		if (now && !piece->first)
			now->leaves = true;
		now = &p->plan->segments[n];
		*now = (struct gl_segment){ .of = piece->of,
			                    .elements = elements + i,
			                    .n = 1,
			                    .phase = phase,
			                    .asked = asked,
			                    .follows = !piece->first,
			                    .after = is_after(piece->of) };
		steps[n] = step_of(p, n, piece->of->name, deciding_text(p, piece, asked));
		steps[n].facts.id = id_of(p, n, now);
		n++;
	}
	*ret_n = n;
}

static void show_scripts(struct planning *p, struct spec_step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct gl_segment *s = &p->plan->segments[i];
		if (s->kind != GL_OF_SCRIPT)
			continue;
		const char *script = s->elements[0];
		for (size_t k = 1; k < s->n; k++)
			script = arena_printf(p->arena, "%s\n%s", script, s->elements[k]);
		steps[i].recipe.script = script;
	}
}

static void put_sources(struct planning *p, struct spec_step *steps)
{
	if (p->sources->strategy == GL_SOURCES_NONE)
		return;
	steps[0] = step_of(p, 0, "get_sources", NULL);
	steps[0].facts.id = "get_sources";
	steps[0].facts.uses = "gitlab/sources";
	steps[0].forge = &p->sources->forge;
	steps[0].recipe = p->sources->recipe;
	p->plan->segments[0] = (struct gl_segment){ .kind = GL_GET_SOURCES,
		                                    .phase = DD_PHASE_FETCH };
	p->plan->spec.n_steps = 1;
}

/* A step that unpacks or packs; what it has to do is known when its turn comes. */
static void put_own(struct planning *p, struct spec_step *steps, enum gl_kind kind, size_t index)
{
	static const struct {
		const char *name, *verb;
	} rows[] = { [GL_RESTORE_CACHE] = { "restore_cache", "unpack" },
		     [GL_GET_ARTIFACTS] = { "download_artifacts", "unpack" },
		     [GL_ARCHIVE_CACHE] = { "archive_cache", "pack" } };
	const char *name = rows[kind].name;
	size_t n = p->plan->spec.n_steps++;
	steps[n] = step_of(p, n, name, NULL);
	steps[n].facts.id = index ? arena_printf(p->arena, "%s-%zu", name, index + 1) : name;
	steps[n].facts.uses = "drydock/archive";
	steps[n].own = true;
	gl_keep_recipe(p->keep, name, rows[kind].verb, p->arena, &steps[n].recipe);
	p->plan->segments[n] =
		(struct gl_segment){ .kind = kind, .index = index, .phase = DD_PHASE_BUILD };
}

static int second_round(struct planning *p)
{
	struct gl_plan *plan = p->plan;
	const struct gl_keep *keep = p->keep;
	size_t room = p->n_pieces + 2 * keep->n_caches + 3;
	struct spec_step *steps = arena_array(p->arena, room, sizeof(*steps));
	plan->segments = arena_array(p->arena, room, sizeof(*plan->segments));
	put_sources(p, steps);
	for (size_t i = 0; i < keep->n_caches; i++)
		if (keep->caches[i].pull)
			put_own(p, steps, GL_RESTORE_CACHE, i);
	if (p->job->n_dependencies)
		put_own(p, steps, GL_GET_ARTIFACTS, 0);
	join(p, steps, &plan->spec.n_steps);
	for (size_t i = 0; i < keep->n_caches; i++)
		if (keep->caches[i].push)
			put_own(p, steps, GL_ARCHIVE_CACHE, i);
	show_scripts(p, steps, plan->spec.n_steps);
	plan->spec.steps = steps;
	int r = plan_make(&plan->spec, p->policy, &plan->plan, p->diags);
	if (r < 0)
		return r;
	for (size_t i = 0; i < plan->spec.n_steps; i++)
		if (plan->plan->grants[i].phase != plan->segments[i].phase)
			return dd_err_blame(
				p->err, DD_BLAME_POLICY,
				dd_err_say(
					p->err, EACCES,
					"a rule of the policy puts step %s into %s by its id, and "
					"its commands are of %s: rules for GitLab match `run:`, "
					"`name:` or `job:`",
					steps[i].facts.id, phase_names[plan->plan->grants[i].phase],
					phase_names[plan->segments[i].phase]));
	return 0;
}

int gl_plan_make(const struct gl_job *job, const struct gl_vars *vars,
                 const struct gl_sources *sources, const struct gl_keep *keep,
                 const struct event_facts *event, const struct policy *policy,
                 struct plan_arena *arena, struct gl_plan *ret, struct diag_list *diags,
                 struct dd_err *err)
{
	struct planning p = { .job = job,
		              .sources = sources,
		              .keep = keep,
		              .event = event,
		              .policy = policy,
		              .arena = arena,
		              .plan = ret,
		              .diags = diags,
		              .err = err };
	*ret = (struct gl_plan){ .spec = { .source = arena_printf(arena, "job %lld", job->id),
		                           .pipeline = arena_printf(arena, "pipeline %lld",
		                                                    job->pipeline_id),
		                           .id = job->name,
		                           .name = job->name,
		                           .event = *event } };
	make_layers(&p, vars);
	int r = first_round(&p);
	if (r == 0)
		r = second_round(&p);
	plan_free(p.probed);
	return r;
}

void gl_plan_done(struct gl_plan *plan)
{
	plan_free(plan->plan);
	plan->plan = NULL;
}

/* ---- what cannot be run ---- */

static bool is_among(const char *const *globs, const char *text)
{
	for (size_t i = 0; globs && globs[i]; i++)
		if (glob_match(GLOB_TEXT, globs[i], text))
			return true;
	return false;
}

const char *gl_unsupported(const struct gl_job *job, const char *const *images,
                           const char *const *projects, struct plan_arena *arena)
{
	if (projects && !is_among(projects, job->project))
		return arena_printf(arena,
		                    "this runner runs no jobs of %.200s: `projects` of drydock.yml "
		                    "says whose",
		                    job->project);
	if (job->image && !is_among(images, job->image))
		return arena_printf(arena,
		                    "this runner has no image %.200s: steps run on the host's own "
		                    "root, and `images` of drydock.yml says for which names that "
		                    "will do",
		                    job->image);
	if (job->services.n)
		return arena_printf(arena, "this runner starts no services (%.200s)",
		                    job->services.items[0]);
	if (job->has_run)
		return "this runner knows no `run:` steps; write `script:`";
	if (job->has_secrets)
		return "this runner resolves no `secrets:`; a credential of the policy can ask the "
		       "same issuer (docs/credentials.md)";
	if (job->has_hooks)
		return "this runner runs no `hooks:`";
	return NULL;
}
