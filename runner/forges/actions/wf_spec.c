// SPDX-License-Identifier: Apache-2.0
/* wf_spec.c - a job of a workflow into a job_spec: steps with their environment, shell and
 * directory as GitHub's runner would have them, as far as they are known before anything runs.
 *
 * Runs in: command line and supervisor. Pure, but for one look at whether the host has bash. The
 * workflow is hostile, and nothing here decides what a step may.
 *
 * Layers of a step's environment, later wins: workflow, job, step (commit content: it may set what
 * it likes for itself, LD_PRELOAD included, for it is the step's own code that runs), and GITHUB_*
 * and RUNNER_*, which nobody overrides. Layers of workflow and job are one array for all steps. */
#include "wf_spec.h"

#include "model/places.h"
#include "inject.h"
#include "runner_facts.h"
#include "shell_command.h"
#include "taint.h"
#include "wf_notes.h"

#include <math.h>
#include <string.h>

struct spec_build {
	struct job_spec *spec;
	struct plan_arena *arena;
	const struct wf_flat *flat;
	const struct wf_flat_job *job;
	const struct wf_world *world;
	struct diag_list *diags;
	struct diag_list notes;
	const struct template_node *default_shell, *default_workdir;
	struct env_layer workflow, job_vars, owned;
};

/* ---- environment ---- */

static bool is_owned(const char *name)
{
	return strncmp(name, "GITHUB_", 7) == 0 || strncmp(name, "RUNNER_", 7) == 0;
}

/* Names that only an expression knows: the whole map is one, or a key is. */
static const char *names_unknown(struct plan_arena *arena, const struct template_node *env)
{
	if (env->kind == TEMPLATE_EXPRESSION)
		return wf_written(arena, env);
	for (size_t i = 0; env->kind == TEMPLATE_MAP && i < env->n; i++) {
		const struct template_pair *pair = &env->pairs[i];
		if (pair->key->kind == TEMPLATE_INSERT || pair->key->kind == TEMPLATE_EXPRESSION)
			return wf_written(arena, pair->key);
	}
	return NULL;
}

/* Without what is not a workflow's to say. A value that waits for an expression is as written. */
static struct env_layer layer_of(struct spec_build *b, const struct template_node *env,
                                 const char *origin)
{
	struct env_layer layer = { .origin = origin };
	if (!env)
		return layer;
	layer.unknown = names_unknown(b->arena, env);
	if (env->kind != TEMPLATE_MAP)
		return layer;
	struct pair *vars = arena_array(b->arena, env->n, sizeof(*vars));
	for (size_t i = 0; i < env->n; i++) {
		const struct template_pair *pair = &env->pairs[i];
		const char *name = wf_literal(b->arena, pair->key);
		if (pair->key->kind == TEMPLATE_INSERT || !name || is_owned(name))
			continue;
		const char *value = wf_literal(b->arena, pair->value);
		vars[layer.n++] = (struct pair){
			.name = name,
			.value = value ? value : wf_written(b->arena, pair->value),
			.mark = pair->key->mark,
		};
	}
	layer.vars = vars;
	return layer;
}

enum { CHECKOUT_VARS = 6 };

/* Which commit it is: by the forge's word, and by the checkout's where that says nothing. */
static size_t checkout_vars(struct spec_build *b, struct pair *ret)
{
	static const struct {
		const char *prefix, *type;
	} types[] = { { "refs/heads/", "branch" }, { "refs/tags/", "tag" }, { "refs/", NULL } };
	const struct event_facts *ev = &b->spec->event;
	const char *ref = ev->ref[0] ? ev->ref : ev->local ? ev->checkout.ref : "";
	const char *repository = ev->repository[0] ? ev->repository
	                         : ev->local       ? ev->checkout.repository
	                                           : "";
	size_t n = 0;

	if (ev->checkout.sha[0])
		ret[n++] = (struct pair){ .name = "GITHUB_SHA", .value = ev->checkout.sha };
	if (ref[0])
		ret[n++] = (struct pair){ .name = "GITHUB_REF", .value = ref };
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		size_t len = strlen(types[i].prefix);
		if (strncmp(ref, types[i].prefix, len) != 0)
			continue;
		ret[n++] = (struct pair){ .name = "GITHUB_REF_NAME", .value = ref + len };
		if (types[i].type)
			ret[n++] = (struct pair){ .name = "GITHUB_REF_TYPE",
				                  .value = types[i].type };
		break;
	}
	if (repository[0]) {
		const char *owner = arena_strndup(b->arena, repository, strcspn(repository, "/"));
		ret[n++] = (struct pair){ .name = "GITHUB_REPOSITORY", .value = repository };
		ret[n++] = (struct pair){ .name = "GITHUB_REPOSITORY_OWNER", .value = owner };
	}
	return n;
}

static const char *event_name(const struct wf_world *world)
{
	static const char key[] = "event_name";
	return expr_object_get(world->github.object, key, sizeof(key) - 1)->text;
}

static void make_owned(struct spec_build *b)
{
	const struct pair rows[] = {
		{ .name = "GITHUB_ACTIONS", .value = "true" },
		{ .name = "GITHUB_WORKSPACE", .value = PLACE_WORKSPACE },
		{ .name = "RUNNER_OS", .value = "Linux" },
		{ .name = "RUNNER_TEMP", .value = PLACE_TEMP },
		{ .name = "RUNNER_TOOL_CACHE", .value = PLACE_TOOLS },
		{ .name = "RUNNER_NAME", .value = "drydock" },
		{ .name = "RUNNER_ENVIRONMENT", .value = "self-hosted" },
		{ .name = "RUNNER_ARCH", .value = runner_arch() },
		{ .name = "GITHUB_JOB", .value = b->job->job->id->text },
		{ .name = "GITHUB_WORKFLOW", .value = b->flat->name },
		{ .name = "GITHUB_EVENT_NAME", .value = event_name(b->world) },
	};
	struct pair *vars = arena_array(b->arena, ARRAY_LEN(rows) + CHECKOUT_VARS, sizeof(*vars));
	memcpy(vars, rows, sizeof(rows));
	size_t n = ARRAY_LEN(rows) + checkout_vars(b, vars + ARRAY_LEN(rows));
	b->owned = (struct env_layer){ .origin = "drydock", .vars = vars, .n = n, .fixed = true };
}

static void make_env(struct spec_build *b, const struct wf_step *from, struct recipe *recipe)
{
	const struct env_layer all[] = { b->workflow, b->job_vars, layer_of(b, from->env, "step"),
		                         b->owned };
	struct env_layer *layers = arena_array(b->arena, ARRAY_LEN(all), sizeof(*layers));
	memcpy(layers, all, sizeof(all));
	recipe->env = layers;
	recipe->n_env = ARRAY_LEN(all);
}

/* ---- defaults ---- */

/* Of `defaults.run`, the job's map stands in for the workflow's as a whole. */
static void choose_defaults(struct spec_build *b)
{
	const struct template_node *maps[] = { template_get(b->job->job->defaults, "run"),
		                               template_get(b->job->file_defaults, "run") };
	for (size_t i = 0; i < ARRAY_LEN(maps); i++) {
		if (!maps[i])
			continue;
		b->default_shell = template_get(maps[i], "shell");
		b->default_workdir = template_get(maps[i], "working-directory");
		return;
	}
}

/* ---- what runs, and where ---- */

static bool is_empty(const struct template_node *node)
{
	return !node || (node->kind == TEMPLATE_STRING && node->len == 0);
}

static void choose_command(struct spec_build *b, const struct wf_step *from, struct spec_step *step)
{
	static const char *const unknown[] = { NULL };
	struct recipe *recipe = &step->recipe;
	const struct template_node *shell = is_empty(from->shell) ? b->default_shell : from->shell;
	const char *literal = wf_literal(b->arena, from->run);
	struct dd_err err = { 0 };

	recipe->argv = unknown;
	recipe->nothing = wf_is_local_checkout(from) ? "the workspace already is the checkout"
	                                             : NULL;
	if (from->uses)
		return;
	recipe->channel = runner_file_names;
	recipe->script = literal ? literal : step->facts.run;
	step->shell = wf_written(b->arena, shell);
	if (shell && shell->kind == TEMPLATE_EXPRESSION)
		return; /* which program that is will be known when it runs */
	const char *base = arena_printf(b->arena, PLACE_SCRIPTS "/%s", step->label);
	int r = shell_command(b->arena, wf_literal(b->arena, shell), base, &recipe->argv,
	                      &recipe->script_path, &err);
	if (r < 0)
		diag_add(&b->notes, shell ? shell->mark : from->mark, NULL, "%s", err.msg);
}

/* Joined lexically: `.` and `..` are taken away by name. The sandbox looks at the real directory,
 * after pivot_root (F-08): a symlink is not seen here. */
const char *wf_place(struct plan_arena *arena, const char *dir)
{
	char *out = arena_alloc(arena, strlen(PLACE_WORKSPACE) + strlen(dir) + 2);
	size_t n = 0;

	if (dir[0] != '/')
		n = (size_t)(stpcpy(out, PLACE_WORKSPACE) - out);
	while (*dir) {
		size_t len = strcspn(dir, "/");
		if (len == 2 && dir[0] == '.' && dir[1] == '.') {
			while (n > 0 && out[--n] != '/')
				;
		} else if (len > 0 && !(len == 1 && dir[0] == '.')) {
			out[n++] = '/';
			memcpy(out + n, dir, len);
			n += len;
		}
		dir += len;
		dir += *dir == '/';
	}
	if (n == 0)
		out[n++] = '/';
	out[n] = '\0';
	return out;
}

const char *wf_workdir(struct plan_arena *arena, const char *dir)
{
	const char *place = wf_place(arena, dir);
	return strcmp(place, "/proc") == 0 || strncmp(place, "/proc/", 6) == 0 ? NULL : place;
}

/* The default counts only where the step says nothing: an empty text is the workspace. */
static void choose_workdir(struct spec_build *b, const struct wf_step *from, struct recipe *recipe)
{
	const struct template_node *node = from->working_directory ? from->working_directory
	                                                           : b->default_workdir;
	const char *dir = node ? wf_literal(b->arena, node) : "";
	recipe->workdir = dir ? wf_workdir(b->arena, dir) : wf_written(b->arena, node);
	if (!recipe->workdir)
		diag_add(b->diags, node->mark, "a directory that is the same for every process",
		         "working-directory `%s` lies in /proc", dir);
}

/* The shorter of the step's and the job's timeout-minutes; 0: neither is given. */
static unsigned choose_time(const struct spec_build *b, const struct wf_step *from)
{
	const struct template_node *asked[] = { from->timeout_minutes,
		                                b->job->job->timeout_minutes };
	unsigned sec = 0;
	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		unsigned one = asked[i] && asked[i]->kind == TEMPLATE_NUMBER
		                       ? wf_seconds(asked[i]->number)
		                       : 0;
		if (one && (sec == 0 || one < sec))
			sec = one;
	}
	return sec;
}

/* ---- steps ---- */

static const char *first_line(struct plan_arena *arena, const char *script)
{
	script += strspn(script, " \t\r\n");
	return arena_strndup(arena, script, strcspn(script, "\r\n"));
}

static void list_parameters(struct spec_build *b, const struct template_node *with,
                            struct spec_step *step)
{
	if (!with || with->kind != TEMPLATE_MAP)
		return;
	struct pair *pairs = arena_array(b->arena, with->n, sizeof(*pairs));
	for (size_t i = 0; i < with->n; i++) {
		const char *value = wf_literal(b->arena, with->pairs[i].value);
		pairs[i] = (struct pair){
			.name = wf_written(b->arena, with->pairs[i].key),
			.value = value ? value : wf_written(b->arena, with->pairs[i].value),
			.mark = with->pairs[i].key->mark,
		};
	}
	step->with = pairs;
	step->n_with = with->n;
}

/* Which values of the script an outsider writes, and whether a variable can stand in their place:
 * what the engine will find, as far as no value is needed for it. What anybody else computes stands
 * for a word. */
static void find_outsiders(struct spec_build *b, const struct wf_step *from, struct spec_step *step)
{
	const struct template_node *run = from->run;
	const struct template_node *shell = from->shell ? from->shell : b->default_shell;
	if (!run || run->kind != TEMPLATE_EXPRESSION)
		return;
	struct inject_piece *pieces = arena_array(b->arena, run->n, sizeof(*pieces));
	struct spec_outsider *found = arena_array(b->arena, run->n, sizeof(*found));
	size_t *row_of = arena_array(b->arena, run->n, sizeof(*row_of));
	struct inject_result done;

	for (size_t i = 0; i < run->n; i++) {
		const struct template_part *part = &run->parts[i];
		const char *path = part->expr ? taint_of_expr(b->arena, part->expr) : NULL;
		pieces[i] = part->expr
		                    ? (struct inject_piece){ .text = "x", .len = 1 }
		                    : (struct inject_piece){ .text = part->text, .len = part->len };
		if (!path)
			continue;
		pieces[i].outsider = pieces[i].certain = true;
		row_of[i] = step->n_outsiders;
		found[step->n_outsiders++] = (struct spec_outsider){
			.mark = part->at,
			.expression = arena_strndup(b->arena, part->text, part->len),
			.path = path,
		};
	}
	step->outsiders = found;
	enum inject_shell kind = inject_shell_of(shell ? wf_literal(b->arena, shell) : NULL, true);
	if (step->n_outsiders && !inject_rewrite(b->arena, kind, pieces, run->n, &done))
		found[row_of[done.refused]].refused = done.why;
}

static void make_step(struct spec_build *b, unsigned index, const struct wf_step *from,
                      struct spec_step *step)
{
	step->facts = (struct spec_facts){ .job = b->job->id,
		                           .id = from->id_written ? from->id : NULL,
		                           .name = wf_written(b->arena, from->name),
		                           .uses = wf_written(b->arena, from->uses),
		                           .run = wf_written(b->arena, from->run) };
	const struct spec_facts *f = &step->facts;
	if (f->name && !*f->name)
		step->facts.name = NULL;
	const char *what = f->uses ? f->uses : f->run;
	const char *text = f->id ? f->id : f->name ? f->name : f->uses ? f->uses : "run";
	step->mark = from->mark;
	step->mark.length = 1;
	step->label = job_spec_label(b->arena, index, text);
	step->cond = from->cond_written ? wf_written(b->arena, from->cond) : NULL;
	step->continue_on_error = from->continue_on_error &&
	                          from->continue_on_error->kind == TEMPLATE_BOOL &&
	                          from->continue_on_error->truth;
	step->time_sec = choose_time(b, from);
	step->recipe.name = f->name ? f->name
	                            : arena_printf(b->arena, "Run %s", first_line(b->arena, what));
	list_parameters(b, from->with, step);
	choose_command(b, from, step);
	choose_workdir(b, from, &step->recipe);
	make_env(b, from, &step->recipe);
	find_outsiders(b, from, step);
}

static void make_steps(struct spec_build *b)
{
	const struct wf_job *job = b->job->job;
	struct spec_step *steps = arena_array(b->arena, job->n_steps, sizeof(*steps));
	b->workflow = layer_of(b, b->job->file_env, "workflow");
	b->job_vars = layer_of(b, job->env, "job");
	make_owned(b);
	choose_defaults(b);
	for (size_t i = 0; i < job->n_steps; i++)
		make_step(b, (unsigned)i + 1, &job->steps[i], &steps[i]);
	b->spec->steps = steps;
	b->spec->n_steps = job->n_steps;
}

static void keep_notes(struct spec_build *b)
{
	struct spec_note *notes = arena_array(b->arena, b->notes.n, sizeof(*notes));
	for (size_t i = 0; i < b->notes.n; i++) {
		const struct diag *d = &b->notes.items[i];
		notes[i] = (struct spec_note){ .mark = d->mark,
			                       .text = arena_strdup(b->arena, d->text),
			                       .hint = arena_strdup(b->arena, d->hint) };
		notes[i].mark.file = arena_strdup(b->arena, d->mark.file);
	}
	b->spec->notes = notes;
	b->spec->n_notes = b->notes.n;
}

int wf_job_spec(const struct wf_flat *flat, const struct wf_flat_job *job,
                const struct event_facts *event, const struct wf_world *world,
                struct job_spec **ret, struct diag_list *diags)
{
	struct plan_arena *arena = arena_new();
	struct spec_build b = { .spec = arena_alloc(arena, sizeof(*b.spec)),
		                .arena = arena,
		                .flat = flat,
		                .job = job,
		                .world = world,
		                .diags = diags };
	size_t before = diags->n;
	const char *name = wf_written(arena, job->job->name);

	*b.spec = (struct job_spec){
		.source = flat->doc->files[0],
		.mark = job->job->id->mark,
		.pipeline = flat->name,
		.id = job->id,
		.name = job->job->name == job->job->id ? job->id : name,
		.event = *event,
		.others = flat->facts,
		.n_others = flat->n_facts,
		.arena = arena,
	};
	wf_about(flat, job, world, arena, &b.spec->about);
	make_steps(&b);
	wf_note_job(job, arena, &b.notes);
	diag_sort(&b.notes, 0);
	keep_notes(&b);
	diag_list_done(&b.notes);
	if (diags->n > before || diags->truncated) {
		job_spec_free(b.spec);
		return -EINVAL;
	}
	*ret = b.spec;
	return 0;
}
