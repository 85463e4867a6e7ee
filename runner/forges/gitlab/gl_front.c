// SPDX-License-Identifier: Apache-2.0
/* gl_front.c - see gl_front.h.
 *
 * Runs in: supervisor. What steps leave is hostile: of it the shell's state is a text that only
 * other steps read, and variables are read as data. */
#include "gl_front.h"

#include "drydock/clock.h"
#include "gl_artifacts.h"
#include "drydock/fd.h"
#include "forges/engine/env_carry.h"
#include "job/job_cache.h"
#include "job/job_voice.h"
#include "base/size_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AFTER_SEC = 300, APART_MAX = 400 };
/* How much may come out of an archive: text shrinks to a tenth. */
enum { RATIO_MAX = 200 };
#define UNPACKED_MIN (256ULL << 20)

static const char *const channel[] = { "shell", "vars", NULL };

struct gl_front {
	struct gl_front_spec spec;
	struct job_script script;
	struct job_sink sink;
	struct job *voice;
	size_t at;                    /* the segment that is next */
	const struct gl_segment *now; /* that runs, or ran last */
	const struct gl_step *open;   /* its section is open in the log */
	bool reached;                 /* a command of the job began */
	bool packed;
	int archive; /* that the step at hand unpacks; -1: none */
	bool over;   /* of its script nothing follows */
	struct gl_shell_state state;
	const char *status; /* CI_JOB_STATUS of after_script */
	int64_t script_deadline_ms, after_deadline_ms;
	int64_t step_began_ms; /* of the step at hand */
	/* of the step at hand */
	struct plan_arena *arena;
	struct recipe recipe;
	struct env_layer layers[GL_LAYERS];
	struct recipe_file file;
	const char *apart[APART_MAX];
	size_t n_apart;
	/* of the state, which outlives a step */
	struct plan_arena *kept;
};

/* ---- time ---- */

unsigned gl_duration_sec(const char *text)
{
	static const struct {
		const char *name;
		double sec;
	} units[] = { { "ms", 1e-3 }, { "us", 1e-6 }, { "ns", 1e-9 },
		      { "h", 3600 },  { "m", 60 },    { "s", 1 } };
	double total = 0;
	if (!text || !*text)
		return 0;
	while (*text) {
		char *end;
		if (!isdigit((unsigned char)*text) && *text != '.')
			return 0;
		double n = strtod(text, &end);
		size_t i = 0;
		while (i < ARRAY_LEN(units) &&
		       strncmp(end, units[i].name, strlen(units[i].name)) != 0)
			i++;
		if (end == text || i == ARRAY_LEN(units))
			return 0;
		total += n * units[i].sec;
		text = end + strlen(units[i].name);
	}
	return total >= 1 && total < 30.0 * 86400 ? (unsigned)total : 0;
}

/* Of a variable of the job; @fallback with a warning where it says nothing that can be used. */
static unsigned timeout_of(struct gl_front *f, const char *name, unsigned fallback)
{
	const char *text = gl_job_last(f->spec.job, name);
	unsigned sec = gl_duration_sec(text);
	if (!text)
		return fallback;
	if (sec == 0 || sec > f->spec.job->timeout_sec) {
		gl_trace_say(f->spec.trace, GL_SAY_WARNING,
		             "%s is no time within the job's (%u s), and is ignored: %.60s", name,
		             f->spec.job->timeout_sec, text);
		return fallback;
	}
	return sec;
}

static unsigned left_sec(int64_t deadline_ms)
{
	int64_t left = deadline_ms - dd_now_ms();
	return left <= 1000 ? 1 : (unsigned)((left + 999) / 1000);
}

/* ---- what came of it ---- */

__attribute__((format(printf, 3, 4))) static void conclude(struct gl_front *f, enum gl_result what,
                                                           const char *fmt, ...)
{
	struct gl_outcome *o = f->spec.outcome;
	va_list ap;
	if (o->result != GL_RESULT_NONE) /* the first word counts */
		return;
	o->result = what;
	va_start(ap, fmt);
	(void)vsnprintf(o->why, sizeof(o->why), fmt, ap);
	va_end(ap);
	f->status = what == GL_TIMED_OUT   ? "timedout"
	            : what == GL_CANCELLED ? "canceled"
	                                   : "failed";
}

static bool job_time_is_over(const struct gl_front *f)
{
	return dd_now_ms() + 500 >= f->spec.deadline_ms;
}

static void judge(struct gl_front *f, const struct step_result *result)
{
	int code = result->signal ? 128 + result->signal : result->exit_code;
	switch (result->outcome) {
	case STEP_FAILED:
		conclude(f, GL_SCRIPT_FAILED, "exit status %d", code);
		f->spec.outcome->exit_code = f->spec.outcome->exit_code ? f->spec.outcome->exit_code
		                                                        : code;
		break;
	case STEP_TIMED_OUT:
		conclude(f, GL_TIMED_OUT, "execution took longer than %u seconds",
		         job_time_is_over(f) ? f->spec.job->timeout_sec : f->recipe.time_sec);
		break;
	case STEP_CANCELLED:
		conclude(f, GL_CANCELLED, "canceled");
		break;
	case STEP_REFUSED:
		conclude(f, GL_REFUSED, "refused by the policy: %.250s", result->message);
		break;
	case STEP_OVER_LIMIT:
		conclude(f, GL_SCRIPT_FAILED, "%.290s", result->message);
		break;
	case STEP_BROKEN:
		conclude(f, GL_BROKEN, "%.290s", result->message);
		break;
	case STEP_SUCCEEDED:
	case STEP_NOT_RUN:
	case STEP__OUTCOMES:
	default:
		break;
	}
}

/* ---- sections of the log ---- */

static const char *section_of(const struct gl_step *step, char ret[140])
{
	if (strcmp(step->name, "after_script") == 0 || step->script == NULL)
		return step->name;
	(void)snprintf(ret, 140, "step_");
	size_t n = 5;
	for (const char *p = step->name; *p && n < 120; p++)
		ret[n++] = isalnum((unsigned char)*p) || strchr("_.-", *p) ? *p : '_';
	ret[n] = '\0';
	return ret;
}

static void close_section(struct gl_front *f)
{
	char name[140];
	if (f->open)
		gl_trace_section(f->spec.trace, false, section_of(f->open, name), NULL);
	f->open = NULL;
}

/* Sections of steps of drydock's own. */
static const struct gl_step sources_step = { .name = "get_sources" };
static const struct gl_step restore_step = { .name = "restore_cache" };
static const struct gl_step download_step = { .name = "download_artifacts" };
static const struct gl_step archive_steps[2] = { { .name = "archive_cache_on_failure" },
	                                         { .name = "archive_cache" } };

static const char *title_of(const struct gl_step *step)
{
	static const struct {
		const struct gl_step *step;
		const char *title;
	} rows[] = { { &sources_step, "Getting source from Git repository" },
		     { &restore_step, "Restoring cache" },
		     { &download_step, "Downloading artifacts" },
		     { &archive_steps[0], "Saving cache for failed job" },
		     { &archive_steps[1], "Saving cache for successful job" } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].step == step)
			return rows[i].title;
	return NULL;
}

static void open_section(struct gl_front *f, const struct gl_step *step)
{
	char name[140];
	const char *section = section_of(step, name);
	if (f->open == step)
		return;
	close_section(f);
	f->open = step;
	gl_trace_section(f->spec.trace, true, section, NULL);
	if (title_of(step))
		gl_trace_say(f->spec.trace, GL_SAY_TITLE, "%s", title_of(step));
	else if (strcmp(section, "after_script") == 0)
		gl_trace_say(f->spec.trace, GL_SAY_TITLE, "Running after_script");
	else
		gl_trace_say(f->spec.trace, GL_SAY_TITLE,
		             "Executing \"%s\" stage of the job script", section);
}

/* ---- a turn ---- */

/* Names that never cross by themselves, in either direction. */
static void note_apart(struct gl_front *f)
{
	const struct plan *plan = f->spec.plan->plan;
	for (size_t i = 0; i < plan->n_grants; i++) {
		const struct grant *g = &plan->grants[i];
		for (size_t k = 0; k < g->terms->n_env && f->n_apart < APART_MAX; k++)
			f->apart[f->n_apart++] = g->terms->env[k].name;
		for (size_t k = 0; k < g->n_leases; k++) {
			const char *names[LEASE_VARIABLES_MAX];
			size_t n = lease_variables(g->leases[k].as, g->leases[k].targets,
			                           g->leases[k].n_targets, names);
			for (size_t v = 0; v < n && f->n_apart < APART_MAX; v++)
				f->apart[f->n_apart++] = names[v];
		}
	}
	if (f->n_apart < APART_MAX)
		f->apart[f->n_apart++] = "CI_JOB_STATUS";
}

static void tell_withheld(void *arg, const char *name, const char *reason)
{
	struct gl_front *f = arg;
	struct dd_err ignored;
	(void)job_voice_withheld(f->voice, (unsigned)f->at + 1, false, name, reason,
	                         (unsigned)f->at, &ignored);
}

/* What the shell before it knew crosses whole only where it gains nothing by that. */
static enum gl_carry carry_of(const struct gl_segment *s)
{
	if (!s->follows)
		return GL_CARRY_NOTHING;
	return s->phase == DD_PHASE_BUILD || s->asked ? GL_CARRY_ALL : GL_CARRY_VALUES;
}

static void make_recipe(struct gl_front *f, const struct gl_segment *s)
{
	struct pair *env = NULL;
	size_t n_env = 0;
	const struct gl_rendering what = { .elements = s->elements,
		                           .n = s->n,
		                           .carry = carry_of(s),
		                           .state = &f->state,
		                           .leaves = s->leaves,
		                           .apart = f->apart,
		                           .n_apart = f->n_apart,
		                           .reason = env_carry_reason,
		                           .withheld = tell_withheld,
		                           .arg = f };
	arena_free(f->arena);
	f->arena = arena_new();
	f->recipe = f->spec.plan->spec.steps[f->at].recipe;
	f->recipe.script = gl_render(f->arena, &what, &env, &n_env);
	memcpy(f->layers, f->spec.plan->layers, sizeof(f->layers));
	f->layers[1].vars = env;
	f->layers[1].n = n_env;
	f->recipe.env = f->layers;
	if (what.carry == GL_CARRY_ALL && f->state.shell) {
		f->file = (struct recipe_file){ GL_STATE_PATH, f->state.shell, f->state.shell_len };
		f->recipe.files = &f->file;
		f->recipe.n_files = 1;
	}
	f->recipe.channel = s->leaves ? channel : NULL;
	f->recipe.time_sec = left_sec(s->after ? f->after_deadline_ms : f->script_deadline_ms);
	if (s->after)
		((struct pair *)(uintptr_t)f->layers[2].vars)[f->layers[2].n - 1].value = f->status;
}

/* Is a step of drydock's own wanted now? What keeps caches follows whatever the job came to. */
static bool own_is_wanted(const struct gl_front *f, const struct gl_segment *s)
{
	const struct gl_outcome *o = f->spec.outcome;
	if (s->kind != GL_ARCHIVE_CACHE)
		return o->result == GL_RESULT_NONE;
	return f->reached && !job_time_is_over(f) && !o->stop && o->result != GL_REFUSED &&
	       o->result != GL_BROKEN &&
	       gl_is_wanted(f->spec.keep->caches[s->index].cache->when,
	                    o->result == GL_RESULT_NONE);
}

/* The next segment that is to be run; false: none is. */
static bool find_next(struct gl_front *f, bool cancelled)
{
	const struct gl_plan *plan = f->spec.plan;
	if (cancelled)
		conclude(f, GL_CANCELLED, "canceled");
	for (; f->at < plan->spec.n_steps; f->at++) {
		const struct gl_segment *s = &plan->segments[f->at];
		bool same = f->now && f->now->of == s->of;
		if (s->kind != GL_OF_SCRIPT) {
			if (own_is_wanted(f, s))
				return true;
			continue;
		}
		if (same && f->over)
			continue;
		/* what always runs does where anything did, and time is left */
		if (s->after ? f->reached && !job_time_is_over(f) && !f->spec.outcome->stop
		             : f->spec.outcome->result == GL_RESULT_NONE)
			return true;
	}
	return false;
}

/* ---- artifacts ---- */

static void say_packing(void *arg, bool warning, const char *text)
{
	struct gl_front *f = arg;
	gl_trace_say(f->spec.trace, warning ? GL_SAY_WARNING : GL_SAY, "%s", text);
}

const char *gl_upload_section(bool succeeded)
{
	return succeeded ? "upload_artifacts_on_success" : "upload_artifacts_on_failure";
}

static void pack_one(struct gl_front *f, unsigned i)
{
	const struct env_layer *own = &f->spec.plan->layers[0], *forges = &f->spec.plan->layers[2];
	struct plan_arena *arena = arena_new();
	struct pair *vars = arena_array(arena, own->n + forges->n, sizeof(*vars));
	struct dd_err err = { 0 };
	memcpy(vars, own->vars, own->n * sizeof(*vars));
	memcpy(vars + own->n, forges->vars, forges->n * sizeof(*vars));
	const struct gl_packing how = { .job = f->voice,
		                        .dir = f->spec.ticket,
		                        .number = i,
		                        .vars = vars,
		                        .n_vars = own->n + forges->n,
		                        .say = say_packing,
		                        .arg = f };
	if (gl_pack(&how, &f->spec.job->artifacts[i], &err) < 0) {
		gl_trace_say(f->spec.trace, GL_SAY_ERROR, "%s", err.msg);
		conclude(f, GL_SCRIPT_FAILED, "artifacts: %.280s", err.msg);
	}
	arena_free(arena);
}

/* No process of the job lives. What is packed here is uploaded by the host. */
static void pack(struct gl_front *f)
{
	bool succeeded = f->spec.outcome->result == GL_RESULT_NONE;
	if (f->packed || f->spec.outcome->stop || job_time_is_over(f) ||
	    f->spec.outcome->result == GL_REFUSED || f->spec.outcome->result == GL_BROKEN)
		return;
	f->packed = true;
	for (unsigned i = 0; i < f->spec.job->n_artifacts; i++) {
		if (!gl_artifact_wanted(&f->spec.job->artifacts[i], succeeded))
			continue;
		if (!f->spec.outcome->uploads) {
			f->spec.outcome->uploads = true;
			gl_trace_section(f->spec.trace, true, gl_upload_section(succeeded), NULL);
			gl_trace_say(f->spec.trace, GL_SAY_TITLE, "Uploading artifacts for %s job",
			             succeeded ? "successful" : "failed");
		}
		pack_one(f, i);
	}
}

/* ---- caches, and artifacts of other jobs ---- */

static void borrow_recipe(struct gl_front *f)
{
	arena_free(f->arena);
	f->arena = arena_new();
	f->recipe = f->spec.plan->spec.steps[f->at].recipe;
	f->recipe.time_sec = left_sec(f->spec.deadline_ms);
}

static uint64_t unpacked_max(uint64_t bytes)
{
	uint64_t most = UNPACKED_MIN + (bytes < (1ULL << 40) ? bytes * RATIO_MAX : bytes);
	return most;
}

/* True: the step has something to do. A cache that is not there, or cannot be had, is a word in the
 * log and no more. */
static bool prepare_restore(struct gl_front *f, const struct gl_segment *s)
{
	const struct gl_cache_plan *c = &f->spec.keep->caches[s->index];
	struct job_cache_found found;
	struct dd_err err = { 0 };
	open_section(f, &restore_step);
	gl_trace_say(f->spec.trace, GL_SAY, "Checking cache for %s...", c->keys[0]);
	int r = job_cache_find(f->voice, (unsigned)f->at + 1, c->keys, c->n_keys,
	                       f->spec.keep->version, &found, &err);
	if (r == 0)
		gl_trace_say(f->spec.trace, GL_SAY, "No cache of this key is there");
	if (r <= 0 && err.code)
		gl_trace_say(f->spec.trace, GL_SAY_WARNING, "drydock: %s", err.msg);
	if (r != 1)
		return false;
	char size[16];
	size_text(found.size, size);
	gl_trace_say(f->spec.trace, GL_SAY, "Extracting cache %s (%s)", found.key, size);
	const struct gl_region whole = { 0, found.size };
	borrow_recipe(f);
	f->archive = found.fd;
	f->recipe.input_fd = found.fd;
	f->recipe.argv = gl_unpack_argv(f->spec.keep, f->arena, &whole, 1,
	                                unpacked_max(found.size));
	return true;
}

static bool prepare_download(struct gl_front *f)
{
	const struct gl_fetched *from = &f->spec.fetched;
	uint64_t bytes = 0;
	open_section(f, &download_step);
	for (size_t i = 0; i < from->n; i++) {
		char size[16];
		size_text(from->regions[i].len, size);
		gl_trace_say(
			f->spec.trace, GL_SAY, "Downloading artifacts for %s (%lld)... ok (%s)",
			f->spec.job->dependencies[i].name, f->spec.job->dependencies[i].id, size);
		bytes += from->regions[i].len;
	}
	borrow_recipe(f);
	f->recipe.input_fd = from->fd;
	f->recipe.argv = gl_unpack_argv(f->spec.keep, f->arena, from->regions, from->n,
	                                unpacked_max(bytes));
	return true;
}

static bool prepare_archive(struct gl_front *f, const struct gl_segment *s)
{
	const struct gl_cache_plan *c = &f->spec.keep->caches[s->index];
	const struct env_layer *own = &f->spec.plan->layers[0], *forges = &f->spec.plan->layers[2];
	struct dd_err err = { 0 };
	uint64_t most = 0;
	int fd = -1;
	open_section(f, &archive_steps[f->spec.outcome->result == GL_RESULT_NONE]);
	gl_trace_say(f->spec.trace, GL_SAY, "Creating cache %s...", c->keys[0]);
	borrow_recipe(f);
	struct pair *vars = arena_array(f->arena, own->n + forges->n, sizeof(*vars));
	memcpy(vars, own->vars, own->n * sizeof(*vars));
	memcpy(vars + own->n, forges->vars, forges->n * sizeof(*vars));
	int r = job_cache_begin(f->voice, (unsigned)f->at + 1, c->keys[0], f->spec.keep->version,
	                        &fd, &most, &err);
	if (r == 0)
		r = gl_pack_argv(f->spec.keep, f->arena, c->cache, f->voice, vars,
		                 own->n + forges->n, most, &f->recipe.argv, &err);
	if (r < 0) {
		gl_trace_say(f->spec.trace, GL_SAY_WARNING, "drydock: no cache is kept: %s",
		             err.msg);
		return false;
	}
	if (c->cache->untracked) {
		f->recipe.files = &f->spec.keep->tracked;
		f->recipe.n_files = 1;
	}
	f->recipe.input_fd = fd;
	return true;
}

static bool prepare_own(struct gl_front *f, const struct gl_segment *s)
{
	switch (s->kind) {
	case GL_GET_SOURCES:
		open_section(f, &sources_step);
		borrow_recipe(f);
		return true;
	case GL_RESTORE_CACHE:
		return prepare_restore(f, s);
	case GL_GET_ARTIFACTS:
		return prepare_download(f);
	case GL_ARCHIVE_CACHE:
		return prepare_archive(f, s);
	case GL_OF_SCRIPT:
	default:
		return false;
	}
}

static void end_archive(struct gl_front *f, const struct step_result *result)
{
	struct dd_err err = { 0 };
	int r = result->outcome == STEP_SUCCEEDED
	                ? job_cache_keep(f->voice, (unsigned)f->at + 1, &err)
	                : -ECANCELED;
	if (r == 1)
		gl_trace_say(f->spec.trace, GL_SAY_GOOD, "Created cache");
	else if (r == 0)
		gl_trace_say(f->spec.trace, GL_SAY_GOOD, "Archive is up to date!");
	else
		gl_trace_say(f->spec.trace, GL_SAY_WARNING, "drydock: no cache is kept%s%s",
		             err.code ? ": " : "", err.code ? err.msg : "");
}

/* Caches never fail a job; artifacts of other jobs do. The time of the job, its cancel and a
 * sandbox that cannot be built count as of any step. */
static void end_own(struct gl_front *f, const struct gl_segment *s,
                    const struct step_result *result)
{
	bool failed = step_outcome_is_failure(result->outcome);
	bool soft = result->outcome == STEP_FAILED || result->outcome == STEP_OVER_LIMIT;
	dd_close_p(&f->archive);
	if (s->kind == GL_ARCHIVE_CACHE)
		end_archive(f, result);
	else if (s->kind == GL_RESTORE_CACHE && !failed)
		gl_trace_say(f->spec.trace, GL_SAY_GOOD, "Successfully extracted cache");
	if (s->kind == GL_RESTORE_CACHE && failed && soft)
		gl_trace_say(f->spec.trace, GL_SAY_WARNING,
		             "drydock: this cache was not unpacked whole; the job goes on");
	else if (s->kind == GL_GET_ARTIFACTS && result->outcome == STEP_FAILED)
		conclude(f, GL_SCRIPT_FAILED, "the artifacts of another job could not be unpacked");
	else if (failed && !(soft && s->kind == GL_ARCHIVE_CACHE))
		judge(f, result);
	f->at++;
}

static int front_next(void *arg, const struct job_so_far *so_far, struct step_order *ret,
                      enum job_conclusion *ret_conclusion, struct dd_err *err)
{
	struct gl_front *f = arg;
	(void)err;
	bool more;
	while ((more = find_next(f, so_far->cancelled)) &&
	       f->spec.plan->segments[f->at].kind != GL_OF_SCRIPT &&
	       !prepare_own(f, &f->spec.plan->segments[f->at]))
		f->at++;
	if (!more) {
		close_section(f);
		pack(f);
		if (f->spec.outcome->result == GL_RESULT_NONE)
			f->spec.outcome->result = GL_SUCCESS;
		*ret_conclusion = f->spec.outcome->result == GL_SUCCESS ? JOB_SUCCEEDED
		                                                        : JOB_FAILED;
		return 0;
	}
	const struct gl_segment *s = &f->spec.plan->segments[f->at];
	if (s->kind != GL_OF_SCRIPT) {
		f->now = s;
		*ret = (struct step_order){ .grant = (unsigned)f->at + 1,
			                    .written = true,
			                    .recipe = &f->recipe,
			                    .brings_sources = s->kind == GL_GET_SOURCES,
			                    .outlives_cancel = s->kind == GL_ARCHIVE_CACHE };
		return 1;
	}
	if (!f->now || f->now->of != s->of) {
		f->state = (struct gl_shell_state){ .shell = NULL };
		f->over = false;
	}
	if (s->after && !f->after_deadline_ms) {
		int64_t until = dd_now_ms() +
		                1000LL * timeout_of(f, "RUNNER_AFTER_SCRIPT_TIMEOUT", AFTER_SEC);
		f->after_deadline_ms = until < f->spec.deadline_ms ? until : f->spec.deadline_ms;
	}
	open_section(f, s->of);
	make_recipe(f, s);
	f->now = s;
	f->reached = true;
	*ret = (struct step_order){ .grant = (unsigned)f->at + 1,
		                    .written = true,
		                    .recipe = &f->recipe,
		                    .outlives_cancel = s->after };
	return 1;
}

static const struct step_file *file_of(const struct step_left *left, const char *name)
{
	for (size_t i = 0; i < left->n; i++)
		if (strcmp(left->files[i].name, name) == 0)
			return &left->files[i];
	return NULL;
}

/* Of a step that held a credential nothing crosses: its variables may be the credential. The state
 * before it stays. */
static bool take_state(struct gl_front *f, const struct step_left *left)
{
	const struct step_file *shell = file_of(left, "shell"), *vars = file_of(left, "vars");
	const struct grant *grant = &f->spec.plan->plan->grants[f->at];
	struct plan_arena *arena = arena_new();
	struct gl_shell_state state;
	const struct gl_records none = { NULL, 0 };
	if (!shell || !shell->bytes ||
	    !gl_state_take(arena, &f->state, carry_of(f->now) != GL_CARRY_VALUES,
	                   (struct gl_records){ shell->bytes, shell->len },
	                   vars && vars->bytes ? (struct gl_records){ vars->bytes, vars->len }
	                                       : none,
	                   &state)) {
		arena_free(arena);
		return false;
	}
	if (grant->n_leases) {
		gl_trace_say(
			f->spec.trace, GL_SAY,
			"drydock: what this shell knew stays here: the step held a credential");
		arena_free(arena);
		return true;
	}
	arena_free(f->kept);
	f->kept = arena;
	f->state = state;
	return true;
}

static int front_ended(void *arg, const struct step_order *order, const struct step_result *result,
                       const struct step_left *left, struct dd_err *err)
{
	struct gl_front *f = arg;
	const struct gl_segment *s = f->now;
	(void)order;
	(void)err;
	bool failed = step_outcome_is_failure(result->outcome);
	if (s->kind != GL_OF_SCRIPT && s->kind != GL_GET_SOURCES) {
		end_own(f, s, result);
		return 0;
	}
	f->over = failed;
	const char *ignore = gl_job_last(f->spec.job, "AFTER_SCRIPT_IGNORE_ERRORS");
	bool counts = ignore && *ignore && !gl_is_true(ignore);
	if (failed && s->after && !counts && result->outcome != STEP_REFUSED &&
	    result->outcome != STEP_BROKEN)
		gl_trace_say(f->spec.trace, GL_SAY_WARNING,
		             "after_script failed, but job will continue "
		             "unaffected: %s",
		             result->message[0] ? result->message : "its exit status is not 0");
	else if (failed)
		judge(f, result);
	else if (s->leaves && !take_state(f, left)) {
		const struct step_file *shell = file_of(left, "shell");
		f->over = true; /* it said exit, and meant it */
		if (shell && !shell->bytes)
			conclude(f, GL_SCRIPT_FAILED,
			         "what the shell knew cannot be handed to its next step: %s",
			         shell->why);
	}
	f->at++;
	return 0;
}

/* The values are on no line from here on, and nowhere else in the job's processes. */
static int front_begins(void *arg, struct job *job, struct dd_err *err)
{
	struct gl_front *f = arg;
	int r = 0;
	f->voice = job;
	job_voice_mask_word(job, "[MASKED]");
	for (size_t i = 0; r == 0 && i < f->spec.vars->n_masked; i++) {
		const struct lease_forge_secret *one = &f->spec.vars->masked[i];
		size_t from = 0, len = one->len;
		while (from < len && isspace((unsigned char)one->value[from]))
			from++;
		while (len > from && isspace((unsigned char)one->value[len - 1]))
			len--;
		r = job_voice_mask(job, one->value + from, len - from, err);
		if (r == -EINVAL && len - from < MASK_MIN) {
			if (len > from)
				gl_trace_say(f->spec.trace, GL_SAY_WARNING,
				             "%s has fewer than %d characters and cannot be masked",
				             one->name, MASK_MIN);
			r = 0;
		}
	}
	gl_vars_wipe(f->spec.vars, true);
	/* everything stands for the first step; whether there is one the forge says now */
	char go = 'n';
	ssize_t n;
	while ((n = read(f->spec.go_fd, &go, 1)) < 0 && errno == EINTR)
		;
	if (n != 1 || go != 'y')
		conclude(f, GL_CANCELLED, "canceled");
	unsigned sec = timeout_of(f, "RUNNER_SCRIPT_TIMEOUT", f->spec.job->timeout_sec);
	f->script_deadline_ms = dd_now_ms() + 1000LL * sec;
	if (f->script_deadline_ms > f->spec.deadline_ms)
		f->script_deadline_ms = f->spec.deadline_ms;
	return r;
}

/* ---- sections that a script prints ---- */

enum { SECTION_DIGITS = 12, SECTION_NAME = 100, SECTION_OPTIONS = 80 };

/* "section_start:1700000000:name[collapsed=true]", all of it. @ret_name: where its name begins. */
static bool is_section(const char *text, size_t len, const char **ret_name, size_t *ret_name_len)
{
	static const char *const begins[] = { "section_start:", "section_end:" };
	const char *end = text + len;
	for (size_t i = 0; i < ARRAY_LEN(begins); i++) {
		size_t n = strlen(begins[i]), digits = 0, name = 0, options = 0;
		if (len <= n || memcmp(text, begins[i], n) != 0)
			continue;
		const char *at = text + n;
		while (at + digits < end && isdigit((unsigned char)at[digits]))
			digits++;
		at += digits;
		if (digits == 0 || digits > SECTION_DIGITS || at == end || *at++ != ':')
			return false;
		*ret_name = at;
		while (at + name < end &&
		       (isalnum((unsigned char)at[name]) || strchr("_.-", at[name])))
			name++;
		*ret_name_len = name;
		at += name;
		if (name == 0 || name > SECTION_NAME || at == end)
			return name > 0 && name <= SECTION_NAME;
		while (at + options < end &&
		       (isalnum((unsigned char)at[options]) || strchr("[]_,=", at[options])))
			options++;
		return *at == '[' && end[-1] == ']' && at + options == end &&
		       options <= SECTION_OPTIONS;
	}
	return false;
}

/* A script opens and closes sections of its own, as GitLab's users know it: each marker ends in a
 * CR, and what follows on the line writes over it. Ours it neither opens nor closes. */
static void front_over(void *arg, enum step_stream stream, const char *text, size_t len)
{
	struct gl_front *f = arg;
	static const char clear[] = "\x1b[0K";
	const char *end = text + len, *name;
	char ours[140];
	size_t name_len;
	for (const char *at = text; at < end;) {
		const char *cr = memchr(at, '\r', (size_t)(end - at));
		const char *stop = cr ? cr : end;
		while (stop - at >= 4 && memcmp(at, clear, 4) == 0)
			at += 4;
		if (is_section(at, (size_t)(stop - at), &name, &name_len)) {
			const char *open = f->open ? section_of(f->open, ours) : "";
			if (strlen(open) != name_len || strncmp(open, name, name_len) != 0)
				gl_trace_own_section(f->spec.trace,
				                     stream == STEP_STDERR ? GL_STDERR : GL_STDOUT,
				                     at, (size_t)(stop - at));
		}
		at = stop + 1;
	}
}

/* ---- who hears ---- */

static void hear_line(void *arg, const struct job_step *step, const struct step_line *line)
{
	struct gl_front *f = arg;
	(void)step;
	gl_trace_line(f->spec.trace, line->stream == STEP_STDERR ? GL_STDERR : GL_STDOUT,
	              line->coloured, line->coloured_len, line->continues);
}

static void hear_note(void *arg, const struct job_step *step, enum sink_level level,
                      const char *text)
{
	struct gl_front *f = arg;
	static const enum gl_colour colours[] = {
		[SINK_NOTE] = GL_SAY, [SINK_WARN] = GL_SAY_WARNING, [SINK_ERROR] = GL_SAY_ERROR
	};
	(void)step;
	gl_trace_say(f->spec.trace, colours[level], "drydock: %s", text);
}

static void hear_refusal(void *arg, const struct job_step *step, const char *line)
{
	struct gl_front *f = arg;
	(void)step;
	if (f->spec.counts)
		f->spec.counts->refused++;
	gl_trace_say(f->spec.trace, GL_SAY_WARNING, "%s%s",
	             strncmp(line, "drydock:", 8) == 0 ? "" : "drydock: ", line);
}

static void hear_begin(void *arg, const struct job_step *step)
{
	struct gl_front *f = arg;
	f->step_began_ms = dd_now_ms();
	if (f->spec.counts)
		f->spec.counts->leases += (uint32_t)step->n_leases;
	if (step->phase != DD_PHASE_BUILD)
		gl_trace_say(f->spec.trace, GL_SAY, "drydock: phase %s, %s",
		             phase_names[step->phase],
		             step->terms->egress.n ? "the gate is open for its allowlist"
		                                   : "its allowlist is empty");
}

static void hear_ended(void *arg, const struct job_step *step, const struct step_result *result)
{
	struct gl_front *f = arg;
	if (f->spec.counts && f->step_began_ms)
		agent_histogram_add(&f->spec.counts->steps[step->phase],
		                    (double)(dd_now_ms() - f->step_began_ms) / 1000);
	f->step_began_ms = 0;
	if (step_outcome_is_failure(result->outcome) && result->outcome != STEP_FAILED &&
	    result->message[0])
		gl_trace_say(f->spec.trace, GL_SAY_WARNING, "drydock: %s", result->message);
}

static void hear_end(void *arg, const struct sink_end *end)
{
	struct gl_front *f = arg;
	close_section(f);
	(void)end;
}

/* ---- life ---- */

int gl_front_new(const struct gl_front_spec *spec, struct gl_front **ret, struct dd_err *err)
{
	struct gl_front *f = calloc(1, sizeof(*f));
	if (!f)
		return dd_err_set(err, ENOMEM, "prepare the job");
	f->spec = *spec;
	f->status = "success";
	f->archive = -1;
	f->script = (struct job_script){ .arg = f,
		                         .begins = front_begins,
		                         .next = front_next,
		                         .over = front_over,
		                         .ended = front_ended };
	f->sink = (struct job_sink){ .arg = f,
		                     .colour = true,
		                     .step_begins = hear_begin,
		                     .line = hear_line,
		                     .note = hear_note,
		                     .refusal = hear_refusal,
		                     .step_ended = hear_ended,
		                     .job_ended = hear_end };
	note_apart(f);
	*ret = f;
	return 0;
}

const struct job_script *gl_front_script(struct gl_front *f)
{
	return &f->script;
}

const struct job_sink *gl_front_sink(struct gl_front *f)
{
	return &f->sink;
}
