// SPDX-License-Identifier: Apache-2.0
/* workflow_spec.c - a job of a workflow into a job_spec: steps with their environment, shell and
 * directory as GitHub's runner would have them.
 *
 * Runs in: command line and supervisor. Pure, but for one look at whether the host has bash. The
 * workflow is hostile, and nothing here decides what a step may.
 *
 * Layers of a step's environment, later wins: workflow, job, step (commit content: it may set what
 * it likes for itself, LD_PRELOAD included, for it is the step's own code that runs), and GITHUB_*
 * and RUNNER_*, which nobody overrides. Layers of workflow and job are one array for all steps. */
#include "workflow_spec.h"

#include "model/places.h"
#include "shell_command.h"

#include <string.h>
#include <sys/utsname.h>

struct spec_build {
	struct job_spec *spec;
	struct plan_arena *arena;
	const struct workflow *wf;
	const struct workflow_job *job;
	struct diag_list *diags;
	struct diag_list notes; /* about shells, found while building */
	struct env_layer workflow, job_vars, owned;
};

/* ---- which job ---- */

static const struct workflow_job *find_job(struct spec_build *b, const char *wanted)
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

/* ---- the job as a whole ---- */

static const char *joined(struct plan_arena *arena, const char *const *values)
{
	size_t len = 1;
	for (size_t i = 0; values && values[i]; i++)
		len += strlen(values[i]) + 2;
	char *text = arena_alloc(arena, len), *at = text;
	for (size_t i = 0; values && values[i]; i++)
		at = stpcpy(stpcpy(at, i ? ", " : ""), values[i]);
	return text;
}

static void describe_job(struct spec_build *b)
{
	const struct workflow_job *from = b->job;
	const struct workflow_matrix *matrix = &from->matrix;
	struct pair *axes = arena_array(b->arena, matrix->n_axes, sizeof(*axes));
	for (size_t i = 0; i < matrix->n_axes; i++)
		axes[i] = (struct pair){ .name = matrix->axes[i].name,
			                 .value = joined(b->arena, matrix->axes[i].values) };
	b->spec->about = (struct spec_about){
		.on = b->wf->on,
		.cond = from->cond,
		.runs_on = from->runs_on,
		.needs = from->needs,
		.permissions = from->permissions ? from->permissions : b->wf->permissions,
		.environment = from->environment,
		.concurrency = from->concurrency ? from->concurrency : b->wf->concurrency,
		.container = from->container,
		.outputs = from->outputs,
		.uses = from->uses,
		.services = from->services,
		.n_services = from->n_services,
		.axes = axes,
		.n_axes = matrix->n_axes,
		.combinations = matrix->names,
		.computed = matrix->computed,
	};
}

static void keep_notes(struct spec_build *b)
{
	const struct diag_list *lists[] = { &b->wf->notes, &b->job->notes, &b->notes };
	struct spec_note *notes = arena_array(b->arena, lists[0]->n + lists[1]->n + lists[2]->n,
	                                      sizeof(*notes));
	size_t n = 0;
	for (size_t k = 0; k < ARRAY_LEN(lists); k++)
		for (size_t i = 0; i < lists[k]->n; i++, n++) {
			const struct diag *d = &lists[k]->items[i];
			notes[n] = (struct spec_note){ d->mark, arena_strdup(b->arena, d->text),
				                       arena_strdup(b->arena, d->hint) };
			notes[n].mark.file = arena_strdup(b->arena, d->mark.file);
		}
	b->spec->notes = notes;
	b->spec->n_notes = n;
}

/* ---- environment ---- */

static bool is_owned(const char *name)
{
	return strncmp(name, "GITHUB_", 7) == 0 || strncmp(name, "RUNNER_", 7) == 0;
}

/* Without what is not a workflow's to say. The array is shared where there is nothing of that. */
static struct env_layer layer_of(struct spec_build *b, const struct pair *vars, size_t n,
                                 const char *origin)
{
	size_t owned = 0, kept = 0;
	for (size_t i = 0; i < n; i++)
		owned += is_owned(vars[i].name);
	if (owned == 0)
		return (struct env_layer){ .origin = origin, .vars = vars, .n = n };
	struct pair *rest = arena_array(b->arena, n - owned, sizeof(*rest));
	for (size_t i = 0; i < n; i++)
		if (!is_owned(vars[i].name))
			rest[kept++] = vars[i];
	return (struct env_layer){ .origin = origin, .vars = rest, .n = kept };
}

static const char *runner_arch(void)
{
	static const struct {
		const char *machine, *github;
	} archs[] = {
		{ "x86_64", "X64" },
		{ "aarch64", "ARM64" },
		{ "i686", "X86" },
		{ "armv7l", "ARM" },
	};
	struct utsname uts;
	if (uname(&uts) < 0)
		return "unknown";
	for (size_t i = 0; i < ARRAY_LEN(archs); i++)
		if (strcmp(archs[i].machine, uts.machine) == 0)
			return archs[i].github;
	return "unknown";
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

static void make_owned(struct spec_build *b)
{
	const struct event_facts *ev = &b->spec->event;
	const struct pair rows[] = {
		{ .name = "GITHUB_ACTIONS", .value = "true" },
		{ .name = "GITHUB_WORKSPACE", .value = PLACE_WORKSPACE },
		{ .name = "RUNNER_OS", .value = "Linux" },
		{ .name = "RUNNER_TEMP", .value = PLACE_TEMP },
		{ .name = "RUNNER_TOOL_CACHE", .value = PLACE_TOOLS },
		{ .name = "RUNNER_NAME", .value = "drydock" },
		{ .name = "RUNNER_ENVIRONMENT", .value = "self-hosted" },
		{ .name = "RUNNER_ARCH", .value = runner_arch() },
		{ .name = "GITHUB_JOB", .value = b->job->id },
		{ .name = "GITHUB_WORKFLOW", .value = b->wf->name },
		{ .name = "GITHUB_EVENT_NAME",
		  .value = ev->local ? "workflow_dispatch" : ev->name },
	};
	struct pair *vars = arena_array(b->arena, ARRAY_LEN(rows) + CHECKOUT_VARS, sizeof(*vars));
	memcpy(vars, rows, sizeof(rows));
	size_t n = ARRAY_LEN(rows) + checkout_vars(b, vars + ARRAY_LEN(rows));
	b->owned = (struct env_layer){ .origin = "drydock", .vars = vars, .n = n, .fixed = true };
}

static void make_env(struct spec_build *b, const struct workflow_step *from, struct recipe *recipe)
{
	const struct env_layer all[] = { b->workflow, b->job_vars,
		                         layer_of(b, from->env, from->n_env, "step"), b->owned };
	struct env_layer *layers = arena_array(b->arena, ARRAY_LEN(all), sizeof(*layers));
	memcpy(layers, all, sizeof(all));
	recipe->env = layers;
	recipe->n_env = ARRAY_LEN(all);
}

/* ---- what runs, and where ---- */

static bool is_expression(const char *text)
{
	return text && strstr(text, "${{");
}

static void choose_command(struct spec_build *b, const struct workflow_step *from,
                           struct spec_step *step)
{
	static const char *const unknown[] = { NULL };
	struct recipe *recipe = &step->recipe;
	recipe->argv = unknown;
	recipe->nothing = from->is_local_checkout ? "the workspace already is the checkout" : NULL;
	if (from->uses)
		return;
	const char *shell = from->shell ? from->shell : b->job->default_shell;
	struct diag_mark mark = from->shell ? from->shell_mark : b->job->default_shell_mark;
	struct dd_err err = { 0 };
	recipe->script = from->run;
	step->shell = shell;
	if (is_expression(shell))
		/* noted by the parser; which program that is will be known when it runs */
		return;
	const char *base = arena_printf(b->arena, PLACE_SCRIPTS "/%s", step->label);
	int r = shell_command(b->arena, shell, base, &recipe->argv, &recipe->script_path, &err);
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

static void choose_workdir(struct spec_build *b, const struct workflow_step *from,
                           struct recipe *recipe)
{
	const char *dir = from->workdir ? from->workdir : b->job->default_workdir;
	struct diag_mark mark = from->workdir ? from->workdir_mark : b->job->default_workdir_mark;
	if (is_expression(dir))
		recipe->workdir = dir;
	else if (join_workdir(b->arena, dir ? dir : "", &recipe->workdir) < 0)
		diag_add(b->diags, mark, "a directory below the workspace",
		         "working-directory `%s` leaves the workspace", dir);
}

/* The shorter of the step's and the job's timeout-minutes; 0: neither is given. */
static unsigned choose_time(const struct spec_build *b, const struct workflow_step *from)
{
	const double asked[] = { from->timeout_minutes * 60, b->job->timeout_minutes * 60 };
	unsigned sec = 0;
	for (size_t i = 0; i < ARRAY_LEN(asked); i++)
		if (asked[i] > 0 && (sec == 0 || asked[i] < (double)sec))
			sec = asked[i] < 1 ? 1 : (unsigned)asked[i];
	return sec;
}

/* ---- steps ---- */

static struct spec_facts facts_of(const struct workflow_job *job, const struct workflow_step *from)
{
	return (struct spec_facts){ .job = job->id,
		                    .id = from->id,
		                    .name = from->name,
		                    .uses = from->uses,
		                    .run = from->run };
}

static const char *first_line(struct plan_arena *arena, const char *script)
{
	script += strspn(script, " \t\r\n");
	return arena_strndup(arena, script, strcspn(script, "\r\n"));
}

static void make_step(struct spec_build *b, unsigned index, const struct workflow_step *from,
                      struct spec_step *step)
{
	const char *text = from->id     ? from->id
	                   : from->name ? from->name
	                   : from->uses ? from->uses
	                                : "run";
	step->mark = from->mark;
	step->facts = facts_of(b->job, from);
	step->label = job_spec_label(b->arena, index, text);
	step->cond = from->cond;
	step->with = from->with;
	step->n_with = from->n_with;
	step->continue_on_error = from->continue_on_error;
	step->time_sec = choose_time(b, from);
	step->recipe.name = from->name ? from->name
	                               : arena_printf(b->arena, "Run %s",
	                                              first_line(b->arena, from->uses ? from->uses
	                                                                              : from->run));
	choose_command(b, from, step);
	choose_workdir(b, from, &step->recipe);
	make_env(b, from, &step->recipe);
}

static void make_steps(struct spec_build *b)
{
	struct spec_step *steps = arena_array(b->arena, b->job->n_steps, sizeof(*steps));
	b->workflow = layer_of(b, b->wf->env, b->wf->n_env, "workflow");
	b->job_vars = layer_of(b, b->job->env, b->job->n_env, "job");
	make_owned(b);
	for (size_t i = 0; i < b->job->n_steps; i++)
		make_step(b, (unsigned)i + 1, &b->job->steps[i], &steps[i]);
	b->spec->steps = steps;
	b->spec->n_steps = b->job->n_steps;
}

static void list_others(struct spec_build *b)
{
	size_t n = 0;
	for (size_t i = 0; i < b->wf->n_jobs; i++)
		n += &b->wf->jobs[i] == b->job ? 0 : b->wf->jobs[i].n_steps;
	struct spec_facts *others = arena_array(b->arena, n, sizeof(*others));
	n = 0;
	for (size_t i = 0; i < b->wf->n_jobs; i++)
		for (size_t k = 0; &b->wf->jobs[i] != b->job && k < b->wf->jobs[i].n_steps; k++)
			others[n++] = facts_of(&b->wf->jobs[i], &b->wf->jobs[i].steps[k]);
	b->spec->others = others;
	b->spec->n_others = n;
}

int workflow_job_spec(const struct workflow *wf, const char *job, const struct event_facts *event,
                      struct job_spec **ret, struct diag_list *diags)
{
	struct plan_arena *arena = arena_new();
	struct spec_build b = { .spec = arena_alloc(arena, sizeof(*b.spec)),
		                .arena = arena,
		                .wf = wf,
		                .diags = diags };
	size_t before = diags->n;
	b.job = find_job(&b, job);
	*b.spec = (struct job_spec){
		.source = wf->path, .pipeline = wf->name, .event = *event, .arena = arena
	};
	if (b.job) {
		b.spec->mark = b.job->mark;
		b.spec->id = b.job->id;
		b.spec->name = b.job->name ? b.job->name : b.job->id;
		describe_job(&b);
		make_steps(&b);
		list_others(&b);
		keep_notes(&b);
	}
	diag_list_done(&b.notes);
	if (diags->n > before || diags->truncated) {
		job_spec_free(b.spec);
		return -EINVAL;
	}
	*ret = b.spec;
	return 0;
}
