// SPDX-License-Identifier: Apache-2.0
/* gl_script.h - a list of commands becomes shell scripts of steps, and what one shell knew is known
 * to the next.
 *
 * GitLab runs all elements of a script in one shell. Where a policy puts some of them in another
 * phase, the list is cut into *segments*, each a step of its own with a shell of its own; between
 * two of them the state is carried: directory, variables, functions, options, traps. A segment ends
 * by leaving its state in the step's channel: where it is missing the script ended by itself
 * (exit), and nothing comes behind it.
 *
 * What crosses depends on where to (gl_carry). Pure, but for the time.
 */
#ifndef RUNNER_GL_SCRIPT_H
#define RUNNER_GL_SCRIPT_H

#include "base/arena.h"
#include "drydock/phase.h"
#include "model/pair.h"
#include "model/recipe.h"

#include <stdbool.h>
#include <stddef.h>

#define GL_SCRIPT_PATH "/run/drydock/step/script.sh"
#define GL_STATE_PATH  "/run/drydock/step/state.sh"

/* A command that asks for a phase, and runs nothing. */
enum gl_marker { GL_NO_MARKER = 0, GL_MARKER_FETCH, GL_MARKER_BUILD, GL_MARKER_PUSH };
enum gl_marker gl_marker_of(const char *element);

/* An element without the white space around it. */
const char *gl_element(struct plan_arena *arena, const char *element);

/* Records "KIND NAME=value\0", KIND one of: e (of the environment that a shell began with), x
 * (exported), - (plain variable), d (its directory, without a name). Of a name that stands there
 * twice the last counts. */
struct gl_records {
	const char *bytes;
	size_t len;
};

/* What a script's shells have left for the next one. NULL members: nothing. Hostile. */
struct gl_shell_state {
	const char *shell; /* a script that makes another shell the same */
	size_t shell_len;
	struct gl_records first; /* e: of the first shell of the script */
	struct gl_records vars;  /* x and -: all that is known */
	struct gl_records newer; /* of them those that @shell does not know yet */
	const char *dir;         /* absolute */
};

enum gl_carry {
	GL_CARRY_NOTHING = 0, /* a new shell */
	GL_CARRY_ALL,         /* to where nothing can be gained by it */
	GL_CARRY_VALUES,      /* variables that decide nothing, and the directory */
};

struct gl_rendering {
	const char *const *elements;
	size_t n;
	enum gl_carry carry;
	const struct gl_shell_state *state;
	bool leaves;              /* another segment follows */
	const char *const *apart; /* names that never cross: the policy's variables, credentials */
	size_t n_apart;
	/* asked of each variable that would cross with GL_CARRY_VALUES: why it does not, or NULL */
	const char *(*reason)(const char *name, size_t len);
	void (*withheld)(void *arg, const char *name, const char *reason);
	void *arg;
};

/* The script, on @arena. @ret_env: variables that cross as the step's environment. */
const char *gl_render(struct plan_arena *arena, const struct gl_rendering *what,
                      struct pair **ret_env, size_t *ret_n_env);
/* What a segment left: @shell and @vars as its channel has them, copied onto @arena together with
 * what is still good of @before. @whole: it had all that was known, so that what it left is all
 * that is. False: it did not come to its end. */
bool gl_state_take(struct plan_arena *arena, const struct gl_shell_state *before, bool whole,
                   struct gl_records shell, struct gl_records vars, struct gl_shell_state *ret);

#endif
