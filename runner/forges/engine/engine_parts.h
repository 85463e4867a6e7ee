// SPDX-License-Identifier: Apache-2.0
/* engine_parts.h - what the files of the engine share; nobody else includes it. */
#ifndef RUNNER_ENGINE_PARTS_H
#define RUNNER_ENGINE_PARTS_H

#include "command_files.h"
#include "job_engine.h"

#include "matcher.h"

#include "forges/actions/expr.h"
#include "job/job_voice.h"
#include "lease/mask.h"
#include "job_result.h"

#include "drydock/clock.h"

#include <time.h>

enum engine_status { ENGINE_SUCCESS, ENGINE_FAILURE, ENGINE_CANCELLED };
enum engine_outcome { OUTCOME_SUCCESS, OUTCOME_FAILURE, OUTCOME_CANCELLED, OUTCOME_SKIPPED };
extern const char *const engine_outcome_names[]; /* as steps.X.outcome has it */

/* Files that a step leaves; the order in which they are read. */
enum engine_file {
	FILE_PATH,
	FILE_ENV,
	FILE_SUMMARY,
	FILE_STATE,
	FILE_OUTPUT,
	ENGINE_FILES,
};

enum { ENGINE_TEXT_MAX = 900 };

/* Of an action: most have the main one alone. */
enum engine_stage { STAGE_MAIN = 0, STAGE_PRE, STAGE_POST };

/* What is known of the step whose turn it is. All of it is gone with the next one, but for a step
 * whose action is composite: its turn waits until those of the action are over. */
struct engine_turn {
	const struct wf_step *step;
	struct engine_frame *frame; /* where it is written */
	struct engine_use *use;     /* of an action, from when that is found on; NULL */
	bool brings_sources;        /* job_script.h; for the first step alone */
	const struct grant *grant;
	struct plan_arena *arena;
	struct expr_memory mem;
	struct expr_value env;     /* the context: global and the step's own */
	struct expr_value own_env; /* of the step itself */
	struct env_layer own;      /* the same */
	/* an outsider's values that its script refers to; over everything */
	struct env_layer values;
	struct env_layer given[2]; /* to an action: its inputs and its state */
	const char *name;          /* for people; the written one where the evaluated one fails */
	double timeout_minutes;    /* as it was evaluated */
	/* an outsider's value reached it: what it leaves is theirs, too. The path, or NULL */
	const char *saw_outsider;
	struct expr_value secrets; /* the context, of this step */
	const char **told_secrets; /* names that are empty here, and told */
	size_t n_told_secrets;
	struct recipe recipe;
	enum engine_stage stage;
	unsigned timeout_sec; /* of timeout-minutes; 0: none */
	bool arena_is_kept;   /* the frame of its action owns it */
	bool has_bash;        /* where the step names no shell */
	bool time_is_jobs;    /* what ends it first is the time of the whole job */
	/* what it printed so far */
	bool echo, command_failed, told_annotations, told_dead[6];
	unsigned n_annotations;
	char token[256]; /* commands are stopped until ::TOKEN::; empty: they are not */
};

/* fetch and build see one another's files anyway; push trusts neither */
enum engine_trust { TRUST_BUILD, TRUST_PUSH, ENGINE_TRUSTS };

/* What the steps of one trust see of what steps wrote. */
struct engine_view {
	struct expr_value written;    /* to GITHUB_ENV, by name */
	struct expr_value global_env; /* the same over the env of file and job */
	const char **paths;           /* of GITHUB_PATH, the newest last */
	size_t n_paths;
};

/* What does not cross into a more trusted step; told when there is one. */
struct engine_withheld {
	bool is_path, told;
	const char *name, *reason;
	unsigned grant; /* of the step that wrote it */
};

/* Whose steps are at hand: those of the job, or of a composite action that one of them uses. */
struct engine_frame {
	struct engine_frame *outer; /* NULL: the job itself */
	const struct wf_step *steps;
	size_t n_steps, next;
	struct expr_value results;  /* context `steps` */
	struct expr_value inputs;   /* of the action */
	enum engine_status status;  /* of an action: github.action_status */
	const struct grant *grant;  /* of the written step that brought it */
	unsigned depth;             /* 0: the job */
	bool keep;                  /* a stage behind the job's last step is evaluated in it */
	int64_t deadline_ms;        /* of the step that uses it; 0: none */
	struct engine_turn turn;    /* of the step that uses it */
	struct engine_frame *older; /* of all that were made */
};

/* What stands for a credential of the plan until job/ has its value. */
struct engine_secret {
	const struct grant_lease *lease;
	const char *text;
	bool told; /* that some step does not hold it */
};

struct job_engine {
	struct job_script script;
	struct actions_job what;
	struct actions_world world;
	const struct plan *plan;
	struct plan_arena *arena;
	struct expr_memory mem;
	struct job *job; /* once it has begun */
	struct expr_scope scope;
	/* contexts */
	struct expr_value github, secrets, runner, job_context;
	struct engine_frame root, *frame; /* of the job; the one at hand */
	struct engine_frame *frames;      /* all others, the newest first */
	struct engine_use **uses; /* of the job's steps, where they are known before the first */
	struct engine_use **pres; /* those with a stage before it, in their order */
	size_t n_pres, next_pre;
	unsigned n_known;                   /* how many were looked at for that */
	struct engine_use *posts;           /* stages that are still to come, the next one first */
	struct action_manifest **manifests; /* that were read on the way */
	size_t n_manifests;
	const char *node; /* of the host, once it was looked for; NULL */
	struct engine_view views[ENGINE_TRUSTS];
	struct env_layer file_env, job_env;
	struct engine_secret *blanks;
	size_t n_blanks;
	const char *blank; /* what the texts of all of them begin with */
	struct engine_withheld *withheld;
	size_t n_withheld;
	struct plan_arena *line; /* of the line that was printed last */
	unsigned n_masks;
	struct matcher_set *matchers; /* of the job; NULL: none was ever added */
	bool told_masks, debug;
	const char *default_shell, *default_directory; /* of defaults.run, or NULL */
	struct recipe_file event_file;
	enum engine_status status;
	bool asked_cancelled; /* conditions are asked as if the job were cancelled */
	int64_t deadline_ms;  /* of the job; 0: none */
	char tracking[64];    /* RUNNER_TRACKING_ID */
	bool out_of_time;     /* of the job; the deadline is that of cleaning up now */
	struct engine_turn now;
	char why[ENGINE_TEXT_MAX]; /* of what failed last */
};

/* ---- engine_turn.c ---- */

void engine_turn_done(struct job_engine *e);
int engine_turn_begin(struct job_engine *e, struct engine_frame *frame, const struct wf_step *step,
                      const struct grant *grant, struct dd_err *err);

/* ---- engine_contexts.c ---- */

/* Contexts that do not change, and the scope. Before anything is evaluated. */
int engine_contexts_make(struct job_engine *e, struct dd_err *err);
/* Of the step at hand: github.action and its kin. */
int engine_contexts_turn(struct job_engine *e, struct dd_err *err);
/* A context of its own for the steps of an action. */
bool engine_contexts_frame(struct job_engine *e, struct engine_frame *frame);
/* steps.ID gets its outcome; its outputs are there already or none. */
int engine_contexts_ended(struct job_engine *e, const struct wf_step *step,
                          enum engine_outcome outcome, enum engine_outcome conclusion,
                          struct dd_err *err);
int engine_outputs_of(struct job_engine *e, const struct wf_step *step, struct expr_value *ret,
                      struct dd_err *err);
int engine_no_memory(struct dd_err *err);
/* Whose text it is what the step at hand leaves: the path that it saw, or "steps.x.outputs.y" */
__attribute__((format(printf, 2, 3))) const char *engine_origin(struct job_engine *e,
                                                                const char *fmt, ...);

/* ---- engine_env.c ---- */

/* env of the file and of the job, defaults.run. -EINVAL with e->why: the job fails. */
int engine_env_begin(struct job_engine *e);
/* The step's own env, and the context `env`. */
int engine_env_step(struct job_engine *e);
/* What every process of a step is given, whatever it is: files, variables, time. Of a recipe whose
 * command is made. */
void engine_recipe_rest(struct job_engine *e);
bool engine_is_env_name(const char *name, size_t len);

/* A step's GITHUB_ENV and GITHUB_PATH, read whole. */
int engine_env_written(struct job_engine *e, const struct command_pairs *pairs, struct dd_err *err);
int engine_paths_written(struct job_engine *e, const struct command_pairs *paths,
                         struct dd_err *err);
/* What the step at hand does not get, once for each. */
int engine_withheld_tell(struct job_engine *e, struct dd_err *err);
static inline enum engine_trust engine_trust_of(const struct grant *grant)
{
	return grant->phase == DD_PHASE_PUSH ? TRUST_PUSH : TRUST_BUILD;
}

/* An object of variables, or of what an action is given, as a layer. */
struct env_layer engine_env_layer_of(struct plan_arena *arena, const struct expr_value *object,
                                     const char *origin);

/* ---- engine_left.c ---- */

/* What the step at hand left in its files. -EINVAL with e->why: it fails by that. */
int engine_left_read(struct job_engine *e, const struct step_left *left, struct dd_err *err);

/* ---- engine_secrets.c ---- */

int engine_secrets_make(struct job_engine *e, struct dd_err *err);
/* The context: of what the step at hand holds, or of all that any step does. */
bool engine_secrets_context(struct job_engine *e, bool held_only, struct expr_memory *mem,
                            struct expr_value *ret);
/* github.token, of such a context. False when over the limit. */
bool engine_secrets_token(struct job_engine *e, const struct expr_value *secrets);
/* Names that the texts of the step at hand ask for and that are empty in it. */
void engine_secrets_tell(struct job_engine *e);
bool engine_secrets_in(const struct job_engine *e, const char *text);
/* @text without what the step at hand does not hold; that is told. */
const char *engine_secrets_fit(struct job_engine *e, struct plan_arena *arena, const char *text);
/* What job/ needs to know to fill in the others. */
void engine_secrets_recipe(struct job_engine *e);

/* ---- engine_said.c ---- */

struct step_said engine_said(void *arg, enum step_stream stream, const char *text, size_t len);

/* ---- engine_matchers.c ---- */

/* Counted, and bounded for each step. */
void engine_annotate(struct job_engine *e, const struct voice_annotation *what);
/* Below the workspace, as the repository has it; NULL for NULL. */
const char *engine_file_of(const char *file);
/* ::add-matcher::FILE. False: the command failed, and that is told. */
bool engine_matchers_add(struct job_engine *e, struct plan_arena *arena, const char *file);
/* ::remove-matcher owner=OWNER:: or ::remove-matcher::FILE. @owner: NULL where there is none. */
void engine_matchers_remove(struct job_engine *e, struct plan_arena *arena, const char *file,
                            const char *owner);
/* A line that is no command. The level of the annotation that was made of it, or NULL. */
const char *engine_matchers_ask(struct job_engine *e, const char *line, size_t len);

/* ---- engine_recipe.c ---- */

/* Script, shell, directory, environment of the step at hand. -EINVAL with e->why. */
int engine_recipe_make(struct job_engine *e);
void engine_name_make(struct job_engine *e);

/* Something of the step at hand is wrong: told, and an annotation as it is at GitHub. */
__attribute__((format(printf, 2, 3))) void engine_complain(struct job_engine *e, const char *fmt,
                                                           ...);

/* ---- evaluation, with the error as e->why ---- */

int engine_text(struct job_engine *e, const struct template_node *node, struct expr_memory *mem,
                struct expr_value *ret);
int engine_value(struct job_engine *e, const struct template_node *node, struct expr_memory *mem,
                 struct expr_value *ret);
/* What is wrong, with its place. */
void engine_why(struct job_engine *e, const struct wf_errors *errors);

#endif
