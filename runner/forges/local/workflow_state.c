// SPDX-License-Identifier: Apache-2.0
/* workflow_state.c - see workflow_state.h.
 *
 * Runs in: the process that the user started. */
#include "workflow_state.h"

#include "workflow_choice.h"

#include <stdlib.h>
#include <string.h>

#define RUN_BYTES_MAX ((size_t)512 * 1024 * 1024)

const char workflow_not_asked[] = "this run is not about it";

void workflow_complain(struct workflow_run *run, struct wf_errors *errors)
{
	struct diag_list diags = { 0 };
	wf_errors_to_diags(errors, &diags);
	diag_print_files(run->errors, &diags);
	diag_list_done(&diags);
	errors->n = 0;
}

/* ---- making it ---- */

static const struct source_job *planned_of(const struct job_source *source,
                                           const struct wf_flat_job *flat)
{
	for (size_t i = 0; i < source->n_planned; i++)
		if (source->planned[i].job == flat)
			return &source->planned[i];
	return NULL;
}

/* Is this run about the job, or about one that it calls? */
static bool is_on_the_way(const struct job_source *source, const struct wf_flat_job *flat)
{
	for (size_t i = 0; i < source->n_planned; i++)
		for (const struct wf_flat_job *at = source->planned[i].job; at; at = at->caller)
			if (at == flat)
				return true;
	return false;
}

/* All that the job waits for, and what those wait for. */
static void mark_needs(const struct run_file *file, const struct wf_job *job, bool *seen)
{
	for (size_t i = 0; i < job->n_needs; i++) {
		size_t at = job->need_jobs[i];
		if (seen[at])
			continue;
		seen[at] = true;
		mark_needs(file, file->jobs[at].flat->job, seen);
	}
}

/* A job that is run alone sees those that it waits for as they are not: that is worth a line. */
static void tell_left_out(struct workflow_run *run, const struct run_file *file)
{
	for (size_t i = 0; i < file->n; i++) {
		const struct run_job *job = &file->jobs[i];
		bool *seen = arena_array(run->mem.arena, file->n, sizeof(*seen));
		const char *names = NULL;
		if (job->why == workflow_not_asked)
			continue;
		mark_needs(file, job->flat->job, seen);
		for (size_t k = 0; k < file->n; k++)
			if (seen[k] && file->jobs[k].why == workflow_not_asked)
				names = arena_printf(run->mem.arena, "%s%s%s", names ? names : "",
				                     names ? ", " : "",
				                     file->jobs[k].flat->job->id->text);
		if (names)
			(void)fprintf(
				run->errors,
				"drydock: --job: %s runs without what it needs (%.500s): they "
				"count as done well, and have no outputs\n",
				job->flat->job->id->text, names);
	}
}

/* With --job the rest is over before it begins, and counts as done well. */
void workflow_open_file(struct workflow_run *run, struct run_file *file, size_t first, size_t n,
                        struct run_turn *caller)
{
	file->caller = caller;
	file->n = n;
	file->jobs = arena_array(run->mem.arena, n, sizeof(*file->jobs));
	for (size_t i = 0; i < n; i++) {
		const struct wf_flat_job *flat = &run->source->jobs.jobs[first + i];
		struct run_job *job = &file->jobs[i];
		*job = (struct run_job){ .flat = flat,
			                 .planned = planned_of(run->source, flat),
			                 .file = file };
		if (is_on_the_way(run->source, flat))
			continue;
		job->state = JOB_OVER;
		job->result = JOB_RESULT_SUCCESS;
		job->why = workflow_not_asked;
	}
	tell_left_out(run, file);
}

void workflow_state_init(struct workflow_run *run)
{
	const struct wf_flat *flat = &run->source->jobs;
	run->mem = (struct expr_memory){ .arena = arena_new(), .limit = RUN_BYTES_MAX };
	run->root = (struct run_file){ .inputs = run->source->world.inputs, .secrets_all = true };
	workflow_open_file(run, &run->root, 0, flat->doc->n_jobs, NULL);
	run->turns = arena_array(run->mem.arena, WORKFLOW_TURNS_MAX, sizeof(struct run_turn *));
}

/* ---- what a job sees of the others ---- */

static bool put(struct workflow_run *run, struct expr_value *object, const char *key,
                struct expr_value value)
{
	return expr_object_set(&run->mem, object->object, key, strlen(key), value);
}

static bool describe(struct workflow_run *run, const struct run_job *job, struct expr_value *object)
{
	struct expr_value one, outputs = job->outputs;

	if (!expr_object_new(&run->mem, false, &one))
		return false;
	if (outputs.kind != EXPR_OBJECT && !expr_object_new(&run->mem, false, &outputs))
		return false;
	return put(run, &one, "result", expr_text(job_result_name(job->result))) &&
	       put(run, &one, "outputs", outputs) &&
	       put(run, object, job->flat->job->id->text, one);
}

static bool make_needs(struct workflow_run *run, const struct run_job *job, struct expr_value *ret)
{
	const struct wf_job *from = job->flat->job;
	if (!expr_object_new(&run->mem, false, ret))
		return false;
	for (size_t i = 0; i < from->n_needs; i++)
		if (!describe(run, &job->file->jobs[from->need_jobs[i]], ret))
			return false;
	return true;
}

struct status_question {
	const struct run_job *job;
	bool *needs; /* by place in the file */
};

static bool is_named(const struct run_job *job, const struct expr_value *ids, size_t n)
{
	const struct expr_value id = expr_text(job->flat->job->id->text);
	for (size_t i = 0; i < n; i++)
		if (expr_equal(&ids[i], &id))
			return true;
	return false;
}

static int answer_status(void *user, enum expr_status which, const struct expr_value *ids, size_t n,
                         bool *ret, struct expr_error *err)
{
	const struct status_question *q = user;
	const struct run_file *file = q->job->file;
	bool all = !file->cancelled, any = false;

	(void)err;
	for (size_t i = 0; i < file->n; i++) {
		if (n ? !is_named(&file->jobs[i], ids, n) : !q->needs[i])
			continue;
		all = all && file->jobs[i].result == JOB_RESULT_SUCCESS;
		any = any || file->jobs[i].result == JOB_RESULT_FAILURE;
	}
	*ret = which == EXPR_ALWAYS      ? true
	       : which == EXPR_CANCELLED ? file->cancelled
	       : which == EXPR_SUCCESS   ? all
	                                 : any && !file->cancelled;
	return 0;
}

bool workflow_scope(struct workflow_run *run, const struct run_job *job, struct wf_job_scope *ret)
{
	*ret = (struct wf_job_scope){ .inputs = job->file->inputs,
		                      .vars = run->source->world.vars };
	wf_job_scope_init(ret);
	return wf_world_github(&run->source->world, job->flat->job->id->text, &run->mem,
	                       &ret->github) &&
	       make_needs(run, job, &ret->needs);
}

bool workflow_world(struct workflow_run *run, const struct run_turn *turn,
                    struct actions_world *ret)
{
	struct wf_job_scope scope;
	const struct run_file *file = turn->job->file;

	if (!workflow_scope(run, turn->job, &scope))
		return false;
	*ret = (struct actions_world){
		.mem = &run->mem,
		.github = scope.github,
		.inputs = scope.inputs,
		.vars = scope.vars,
		.needs = scope.needs,
		.matrix = turn->one.matrix,
		.strategy = turn->one.strategy,
		.secrets = file->secrets,
		.n_secrets = file->n_secrets,
		.secrets_all = file->secrets_all,
		.event_text = run->source->event_text,
		.event_len = run->source->event_len,
	};
	return true;
}

/* ---- the end of a job ---- */

static void merge_outputs(struct workflow_run *run, struct run_job *job,
                          const struct expr_value *from)
{
	if (job->outputs.kind != EXPR_OBJECT && !expr_object_new(&run->mem, false, &job->outputs)) {
		run->broken = true;
		return;
	}
	for (size_t i = 0; from->kind == EXPR_OBJECT && i < from->object->n; i++) {
		const struct expr_member *m = &from->object->members[i];
		if (m->value.kind == EXPR_STRING && m->value.len == 0)
			continue; /* of a matrix the last one that says something counts */
		if (!expr_object_set(&run->mem, job->outputs.object, m->key, m->key_len, m->value))
			run->broken = true;
	}
}

static void end_job(struct run_job *job, enum job_result_is result, const char *why)
{
	job->state = JOB_OVER;
	job->result = result;
	job->why = why;
}

/* A failure counts most, then that somebody ended it; all skipped is skipped. */
static void judge_job(struct run_job *job)
{
	size_t n[JOB_RESULT__COUNT] = { 0 };
	for (size_t i = 0; i < job->n_turns; i++) {
		if (job->turns[i].state != TURN_OVER)
			return;
		n[job->turns[i].result]++;
	}
	end_job(job,
	        n[JOB_RESULT_FAILURE]     ? JOB_RESULT_FAILURE
	        : n[JOB_RESULT_CANCELLED] ? JOB_RESULT_CANCELLED
	        : n[JOB_RESULT_SUCCESS]   ? JOB_RESULT_SUCCESS
	                                  : JOB_RESULT_SKIPPED,
	        NULL);
}

static void skip_turn(struct run_turn *turn, enum job_result_is result, const char *why)
{
	turn->state = TURN_OVER;
	turn->result = result;
	turn->why = why;
}

/* With fail-fast one failure ends the others of the same matrix. */
static void fail_fast(struct workflow_run *run, struct run_turn *turn)
{
	struct run_job *job = turn->job;
	for (size_t i = 0; job->combined.fail_fast && i < job->n_turns; i++) {
		struct run_turn *other = &job->turns[i];
		if (other->state == TURN_PENDING)
			skip_turn(other, JOB_RESULT_CANCELLED,
			          "another of the matrix failed (fail-fast)");
		other->stopped |= other->state == TURN_RUNNING;
		if (other->state == TURN_RUNNING && other->called)
			workflow_cancel(run, other->called);
	}
}

void workflow_turn_over(struct workflow_run *run, struct run_turn *turn,
                        const struct job_result *result)
{
	turn->state = TURN_OVER;
	turn->result = result->is;
	turn->outputs = result->outputs;
	turn->failed = result->is == JOB_RESULT_FAILURE;
	if (turn->failed && turn->one.continue_on_error)
		turn->result = JOB_RESULT_SUCCESS;
	else if (turn->failed)
		fail_fast(run, turn);
	merge_outputs(run, turn->job, &turn->outputs);
	judge_job(turn->job);
}

/* ---- the beginning of a job ---- */

static void name_turn(struct workflow_run *run, struct run_turn *turn)
{
	const struct run_turn *caller = turn->job->file->caller;
	turn->name = caller ? arena_printf(run->mem.arena, "%s / %s", caller->name, turn->one.name)
	                    : turn->one.name;
}

static bool make_turns(struct workflow_run *run, struct run_job *job)
{
	const size_t n = job->combined.n;
	if (run->n_turns + n > WORKFLOW_TURNS_MAX) {
		(void)fprintf(run->errors, "drydock: more than %d jobs in one run\n",
		              WORKFLOW_TURNS_MAX);
		run->too_many = true;
		return false;
	}
	job->turns = arena_array(run->mem.arena, n, sizeof(*job->turns));
	job->n_turns = n;
	for (size_t i = 0; i < n; i++) {
		struct run_turn *turn = &job->turns[i];
		*turn = (struct run_turn){ .job = job, .one = job->combined.items[i] };
		turn->number = (unsigned)run->n_turns + 1;
		name_turn(run, turn);
		run->turns[run->n_turns++] = turn;
		if (turn->one.elsewhere)
			skip_turn(turn, JOB_RESULT_SKIPPED,
			          arena_printf(run->mem.arena, "it runs on %s, and this is Linux",
			                       turn->one.elsewhere));
	}
	job->state = JOB_TURNS;
	return true;
}

/* Its needs are over: does it run, and as what? */
static void decide(struct workflow_run *run, struct run_job *job)
{
	struct wf_errors errors = { .n = 0 };
	struct wf_job_scope scope;
	struct status_question question = { .job = job };
	bool yes = false;

	question.needs = calloc(job->file->n + 1, sizeof(*question.needs));
	if (!question.needs || !workflow_scope(run, job, &scope)) {
		run->broken = true;
		end_job(job, JOB_RESULT_FAILURE, "there is no memory for it");
		free(question.needs);
		return;
	}
	mark_needs(job->file, job->flat->job, question.needs);
	scope.status = answer_status;
	scope.user = &question;
	int r = wf_condition(job->flat->job, &scope, &run->mem, &yes, &errors);
	free(question.needs);
	if (r == 0 && !yes) {
		end_job(job, JOB_RESULT_SKIPPED,
		        job->flat->job->cond_written ? "its `if` is false"
		        : job->file->cancelled       ? "the run was cancelled"
		                                     : "a job that it needs did not succeed");
		return;
	}
	if (r == 0)
		r = wf_combine(job->flat, &scope, &run->mem, &job->combined, &errors);
	if (r < 0) {
		workflow_complain(run, &errors);
		end_job(job, JOB_RESULT_FAILURE, "what it is made of could not be computed");
		return;
	}
	workflow_pick(run->args, &run->mem, &job->combined);
	if (!make_turns(run, job)) {
		run->broken = true;
		end_job(job, JOB_RESULT_FAILURE, "the run has too many jobs");
	} else if (job->n_turns == 0) {
		end_job(job, run->args->job ? JOB_RESULT_FAILURE : JOB_RESULT_SKIPPED,
		        "no combination of it is what --matrix asks for");
	} else {
		judge_job(job);
	}
}

static bool is_ready(const struct run_job *job)
{
	const struct wf_job *from = job->flat->job;
	for (size_t i = 0; i < from->n_needs; i++)
		if (job->file->jobs[from->need_jobs[i]].state != JOB_OVER)
			return false;
	return job->state == JOB_WAITING;
}

/* ---- called workflows ---- */

static bool is_file_over(const struct run_file *file)
{
	for (size_t i = 0; i < file->n; i++)
		if (file->jobs[i].state != JOB_OVER)
			return false;
	return true;
}

static void end_call(struct workflow_run *run, struct run_turn *turn)
{
	const struct run_file *file = turn->called;
	struct job_result result = { .is = JOB_RESULT_SKIPPED };
	struct wf_errors errors = { .n = 0 };
	size_t n[JOB_RESULT__COUNT] = { 0 };

	for (size_t i = 0; i < file->n; i++)
		n[file->jobs[i].result]++;
	result.is = n[JOB_RESULT_FAILURE]     ? JOB_RESULT_FAILURE
	            : n[JOB_RESULT_CANCELLED] ? JOB_RESULT_CANCELLED
	            : n[JOB_RESULT_SUCCESS]   ? JOB_RESULT_SUCCESS
	                                      : JOB_RESULT_SKIPPED;
	if (!workflow_call_outputs(run, turn, &errors)) {
		workflow_complain(run, &errors);
		result.is = JOB_RESULT_FAILURE;
	}
	result.outputs = turn->outputs;
	workflow_turn_over(run, turn, &result);
}

static bool advance_file(struct workflow_run *run, struct run_file *file)
{
	bool changed = false;
	for (size_t i = 0; i < file->n; i++) {
		struct run_job *job = &file->jobs[i];
		if (is_ready(job) && !run->broken) {
			decide(run, job);
			changed = true;
		}
		for (size_t k = 0; job->state == JOB_TURNS && k < job->n_turns; k++) {
			struct run_turn *turn = &job->turns[k];
			if (turn->state != TURN_RUNNING || !turn->called)
				continue;
			changed |= advance_file(run, turn->called);
			if (is_file_over(turn->called)) {
				end_call(run, turn);
				changed = true;
			}
		}
	}
	return changed;
}

bool workflow_advance(struct workflow_run *run)
{
	bool changed = false;
	while (advance_file(run, &run->root))
		changed = true;
	return changed;
}

bool workflow_is_over(const struct workflow_run *run)
{
	if (!run->broken)
		return is_file_over(&run->root);
	for (size_t i = 0; i < run->n_turns; i++) /* nothing more begins */
		if (run->turns[i]->state == TURN_RUNNING && !run->turns[i]->called)
			return false;
	return true;
}

void workflow_cancel(struct workflow_run *run, struct run_file *file)
{
	file->cancelled = true;
	for (size_t i = 0; i < file->n; i++) {
		struct run_job *job = &file->jobs[i];
		for (size_t k = 0; job->state == JOB_TURNS && k < job->n_turns; k++) {
			struct run_turn *turn = &job->turns[k];
			if (turn->state == TURN_PENDING)
				skip_turn(turn, JOB_RESULT_CANCELLED, "the run was cancelled");
			turn->stopped |= turn->state == TURN_RUNNING;
			if (turn->state == TURN_RUNNING && turn->called)
				workflow_cancel(run, turn->called);
		}
		if (job->state == JOB_TURNS)
			judge_job(job);
	}
}

/* ---- side by side ---- */

static bool same_group(const char *a, const char *b)
{
	const struct expr_value x = expr_text(a), y = expr_text(b);
	return a && b && expr_equal(&x, &y);
}

bool workflow_may_begin(const struct workflow_run *run, const struct run_turn *turn)
{
	const struct wf_combined *combined = &turn->job->combined;
	size_t beside = 0;

	if (turn->state != TURN_PENDING || run->broken)
		return false;
	for (size_t i = 0; i < run->n_turns; i++) {
		const struct run_turn *other = run->turns[i];
		if (other->state != TURN_RUNNING)
			continue;
		beside += other->job == turn->job;
		if (!turn->job->flat->job->call && !other->called &&
		    same_group(other->one.group, turn->one.group))
			return false;
	}
	return combined->max_parallel == 0 || beside < combined->max_parallel;
}
