// SPDX-License-Identifier: Apache-2.0
/* engine.c - one job of a workflow file with contexts of one's own: for tests of the engine that
 * need another event, or a matrix, without a forge.
 *
 *     fake_engine POLICY WORKSPACE RECORD WORKFLOW JOB CONTEXTS.json [OPTION...]
 *
 * Options: `hatch` (every step is treated as an action: it has the hatch), event=FILE, state=DIR,
 * artifacts=DIR, out=DIR.
 *
 * CONTEXTS holds github, inputs, vars, secrets, needs, matrix, strategy and timeout_sec, each or
 * none. What it hears as a sink is printed, a line a call, and last what the job came to. */
#include "drydock/err.h"
#include "drydock/fault.h"
#include "forges/actions/taint.h"
#include "forges/engine/job_engine.h"
#include "forges/engine/job_result.h"
#include "input/read_file.h"
#include "job/job_start.h"
#include "job/job_voice.h"
#include "model/places.h"
#include "policy/policy.h"

#include <stdlib.h>
#include <string.h>

static void hear_step(void *arg, const struct job_step *step)
{
	(void)arg;
	printf("begins %s: %s\n", step->ref, step->shown);
}

static void hear_line(void *arg, const struct job_step *step, const struct step_line *line)
{
	(void)arg;
	printf("%s| %s\n", step->label, line->text);
}

static void hear_note(void *arg, const struct job_step *step, enum sink_level level,
                      const char *text)
{
	(void)arg;
	(void)step;
	printf("note %d: %s\n", (int)level, text);
}

static void hear_refusal(void *arg, const struct job_step *step, const char *line)
{
	(void)arg;
	printf("refused %s: %s\n", step->ref, line);
}

static void hear_ended(void *arg, const struct job_step *step, const struct step_result *result)
{
	(void)arg;
	printf("ended %s: %s%s%s\n", step->ref, step_outcome_names[result->outcome],
	       result->message[0] ? ": " : "", result->message);
}

static void hear_not_run(void *arg, const struct grant *grant, const char *name, bool failed,
                         const char *why)
{
	(void)arg;
	printf("heard not_run %u %s failed=%d %s\n", grant->index, name, failed, why);
}

static void hear_forgiven(void *arg, const struct grant *grant)
{
	(void)arg;
	printf("heard forgiven %u\n", grant->index);
}

static void hear_annotation(void *arg, const struct grant *grant,
                            const struct voice_annotation *what)
{
	(void)arg;
	printf("heard annotation %u %s %s %s:%u\n", grant->index, what->level, what->message,
	       what->file ? what->file : "", what->line);
}

static void hear_summary(void *arg, const struct grant *grant, const char *text, size_t len)
{
	(void)arg;
	printf("heard summary %u %zu %s\n", grant->index, len, text);
}

static void hear_end(void *arg, const struct sink_end *end)
{
	(void)arg;
	printf("job %s\n", end->status);
}

static const char *as_written(struct plan_arena *arena, const struct template_node *node)
{
	return !node ? NULL : node->tree ? node->tree->text : template_text(arena, node);
}

static void make_steps(struct plan_arena *arena, const struct wf_job *job, struct job_spec *spec)
{
	static const char *const unknown[] = { NULL };
	struct spec_step *steps = arena_array(arena, job->n_steps, sizeof(*steps));

	for (size_t i = 0; i < job->n_steps; i++) {
		const struct wf_step *from = &job->steps[i];
		struct spec_step *to = &steps[i];
		const char *name = as_written(arena, from->name);
		to->mark = from->mark;
		to->facts = (struct spec_facts){ .job = job->id->text,
			                         .id = from->id_written ? from->id : NULL,
			                         .name = name,
			                         .uses = as_written(arena, from->uses),
			                         .run = as_written(arena, from->run) };
		to->label = job_spec_label(arena, (unsigned)i + 1, from->id);
		to->shell = as_written(arena, from->shell);
		to->recipe = (struct recipe){ .name = name ? name : "Run",
			                      .argv = unknown,
			                      .script = to->facts.run,
			                      .workdir = PLACE_WORKSPACE };
	}
	spec->steps = steps;
	spec->n_steps = job->n_steps;
}

static struct expr_value member(const struct expr_value *object, const char *key)
{
	const struct expr_value *v = object->kind == EXPR_OBJECT
	                                     ? expr_object_get(object->object, key, strlen(key))
	                                     : NULL;
	return v ? *v : expr_null();
}

static void read_world(const char *path, struct expr_memory *mem, struct actions_world *world,
                       struct actions_job *what)
{
	struct dd_err err = { 0 };
	struct expr_value all = expr_null();
	char *text = NULL;
	size_t len = 0, at;
	const char *why;

	if (read_file_bounded(path, 10 * 1024 * 1024, &text, &len, &err) < 0 ||
	    expr_json_parse(mem, text, len, NULL, &all, &at, &why) < 0) {
		(void)fprintf(stderr, "fake_engine: %s: %s\n", path, err.msg);
		exit(2);
	}
	world->github = member(&all, "github");
	world->inputs = member(&all, "inputs");
	world->vars = member(&all, "vars");
	world->needs = member(&all, "needs");
	world->matrix = member(&all, "matrix");
	world->strategy = member(&all, "strategy");
	if (world->github.kind == EXPR_OBJECT && !taint_mark_github(mem, &world->github))
		exit(2);
	struct expr_value secrets = member(&all, "secrets"), sec = member(&all, "timeout_sec");
	what->timeout_sec = (unsigned)expr_to_number(&sec);
	if (secrets.kind != EXPR_OBJECT)
		return;
	struct actions_secret *list = arena_array(mem->arena, secrets.object->n, sizeof(*list));
	for (size_t i = 0; i < secrets.object->n; i++)
		list[i] =
			(struct actions_secret){ .name = secrets.object->members[i].key,
			                         .literal = secrets.object->members[i].value.text };
	world->secrets = list;
	world->n_secrets = secrets.object->n;
}

static void print_result(int fd, struct expr_memory *mem)
{
	struct dd_err err = { 0 };
	struct job_result result;

	if (job_result_read(fd, mem, &result, &err) < 0) {
		printf("result: %s\n", err.msg);
		return;
	}
	printf("result: %s\n", job_result_name(result.is));
	for (size_t i = 0; i < result.outputs.object->n; i++) {
		const struct expr_member *m = &result.outputs.object->members[i];
		printf("output %s=%s <%s>\n", m->key, m->value.text,
		       m->value.outsider ? m->value.outsider : "-");
	}
}

static const struct wf_job *read_workflow(const char *path, const char *job, struct wf_doc **ret)
{
	static struct wf_errors errors;
	struct dd_err err = { 0 };
	char *text = NULL;
	size_t len = 0;

	if (read_file_bounded(path, 1024 * 1024, &text, &len, &err) < 0 ||
	    wf_parse(path, text, len, &(struct wf_options){ .skip_calls = true }, ret, &errors) <
	            0) {
		for (size_t i = 0; i < errors.n; i++)
			(void)fprintf(stderr, "%s:%u: %s\n", path, errors.items[i].at.line,
			              errors.items[i].text);
		exit(2);
	}
	return wf_find_job((*ret)->jobs, (*ret)->n_jobs, job);
}

static const struct job_script *engine_script;

/* The order of the engine, for a step that is an action. */
static int next_with_hatch(void *arg, const struct job_so_far *so_far, struct step_order *ret,
                           enum job_conclusion *conclusion, struct dd_err *err)
{
	static struct recipe recipe;
	int r = engine_script->next(arg, so_far, ret, conclusion, err);
	if (r == 1) {
		recipe = *ret->recipe;
		recipe.hatch = true;
		ret->recipe = &recipe;
	}
	return r;
}

/* "NAME=VALUE" among the options; NULL: not there. */
static const char *option(char **options, const char *name)
{
	size_t len = strlen(name);
	for (; *options; options++)
		if (strncmp(*options, name, len) == 0 && (*options)[len] == '=')
			return *options + len + 1;
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct job_sink sink = { .step_begins = hear_step,
		                              .line = hear_line,
		                              .note = hear_note,
		                              .refusal = hear_refusal,
		                              .step_ended = hear_ended,
		                              .not_run = hear_not_run,
		                              .forgiven = hear_forgiven,
		                              .annotation = hear_annotation,
		                              .summary = hear_summary,
		                              .job_ended = hear_end };
	static const struct job_sink *const sinks[] = { &sink };
	struct expr_memory mem = { .arena = arena_new() };
	struct actions_world world = { .mem = &mem };
	struct actions_job what = { .result_fd = -1 };
	struct checkout checkout = CHECKOUT_NONE;
	struct job_engine *engine = NULL;
	struct diag_list diags = { 0 };
	struct policy *policy = NULL;
	struct plan *plan = NULL;
	struct wf_doc *doc = NULL;
	struct dd_err err = { 0 };
	struct identity id;
	char **options = argv + (argc < 7 ? argc : 7);

	dd_fault_init();
	if (argc < 7 || identity_enter(&id, &err) < 0)
		return 5;
	setvbuf(stdout, NULL, _IOLBF, 0);
	what.job = read_workflow(argv[4], argv[5], &doc);
	if (!what.job || checkout_open(argv[2], &checkout, &err) < 0)
		return 2;
	what.file_env = doc->env;
	what.file_defaults = doc->defaults;
	what.id = what.name = what.job->id->text;
	read_world(argv[6], &mem, &world, &what);
	struct job_spec spec = {
		.source = argv[4], .pipeline = "fake", .id = what.id, .name = what.id
	};
	event_local(&spec.event);
	if (option(options, "event") && event_load(option(options, "event"), &spec.event, &err) < 0)
		return 2;
	make_steps(mem.arena, what.job, &spec);
	if (policy_load(argv[1], &policy, &diags, &err) < 0 ||
	    plan_make(&spec, policy, &plan, &diags) < 0) {
		diag_print_files(stderr, &diags);
		return 2;
	}
	what.result_fd = job_result_open(&err);
	if (what.result_fd < 0 || job_engine_new(&what, &world, plan, &engine, &err) < 0) {
		(void)fprintf(stderr, "fake_engine: %s\n", err.msg);
		return 5;
	}
	struct job_script script = *job_engine_script(engine);
	engine_script = job_engine_script(engine);
	if (argc > 7 && strcmp(argv[7], "hatch") == 0)
		script.next = next_with_hatch;
	int code = job_start(&(struct job_request){ .plan = plan,
	                                            .id = &id,
	                                            .checkout = &checkout,
	                                            .script = &script,
	                                            .state_dir = option(options, "state"),
	                                            .artifacts = option(options, "artifacts"),
	                                            .out = option(options, "out"),
	                                            .sinks = sinks,
	                                            .n_sinks = 1,
	                                            .record = argv[3] });
	print_result(what.result_fd, &mem);
	job_engine_free(engine);
	wf_free(doc);
	return code;
}
