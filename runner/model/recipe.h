// SPDX-License-Identifier: Apache-2.0
/* recipe.h - what a step runs: made by a front end, from what it was given and, for a step that
 * runs late, from what has happened so far.
 *
 * A recipe decides nothing about what the step may: that is its grant (grant/grant.h), which was
 * made from the written text before anything ran. All texts are the repository's or the forge's, so
 * they are hostile. Borrowed from whoever made the recipe, and alive until the step has ended.
 */
#ifndef RUNNER_RECIPE_H
#define RUNNER_RECIPE_H

#include "drydock/err.h"
#include "pair.h"

#include <stdbool.h>

/* Variables of one origin. A later layer wins over an earlier one; the policy's variables win over
 * all but the fixed ones, and a lease wins over everything. */
struct env_layer {
	const char *origin; /* "workflow", "job", "step", "drydock"; for people */
	const struct pair *vars;
	size_t n;
	bool fixed; /* what the forge says about the job itself: nobody overrides it */
	/* an expression that gives further names when it is computed; NULL: these are all */
	const char *unknown;
};

/* A file that the step is given, read-only. */
struct recipe_file {
	const char *path; /* below PLACE_SCRIPTS, which holds no folders */
	const char *bytes;
	size_t len;
};

/* A text that stands for the value of a credential of the step's grant, in values of its variables;
 * where it stands elsewhere it is a text like any other. */
struct recipe_secret {
	const char *blank, *credential;
};

/* A directory that a step is shown, read-only: the files of an action, a runtime for it. */
struct recipe_shown {
	const char *source; /* on this host; the front end's own, and no text of the job's */
	const char *target; /* in the sandbox, below PLACE_ACTIONS */
	const char *digest; /* what stands for it in the record: of its content, or its path */
};

struct recipe {
	/* as log and record call the step; never empty */
	const char *name;
	/* of an action: as it is named, the digest of its files (NULL: the workspace's), and "pre",
	 * "main", "post" or "inside"; NULL: of none. For people and the record */
	const char *action, *action_sha256, *stage;
	/* its commit; "commit", "tag", "branch" or "files": how firmly it is named; the mirror or
	 * forge that it came from. NULL: not known */
	const char *action_commit, *action_named, *action_from;
	/* why no process is started for it; then everything below is empty. NULL: one is */
	const char *nothing;
	/* NULL-terminated, with the script's path where the shell wants it. Empty: not known before
	 * the step's turn comes */
	const char *const *argv;
	const char *script;      /* content of the file at script_path; NULL: there is none */
	const char *script_path; /* inside the sandbox, below PLACE_SCRIPTS */
	const struct recipe_file *files; /* besides the script */
	size_t n_files;
	const struct recipe_shown *shown;
	size_t n_shown;
	const char *workdir; /* inside the sandbox, absolute, without `..` */
	const struct env_layer *env;
	size_t n_env;
	const struct recipe_secret *secrets;
	size_t n_secrets;
	unsigned time_sec; /* it can only shorten what the grant gives; 0: it does not */
	/* of a step of drydock's own (spec_step.own): a regular file at its standard input, open
	 * for what the step is to do with it; borrowed. 0: none */
	int input_fd;
	/* it is an action: the step is given the loopback service of caches and artifacts
	 * (hatch/hatch.h), as far as the policy lets its phase */
	bool hatch;
	/* files in which the step leaves something for its front end, found at PLACE_CHANNEL
	 * "/NAME": names [a-z0-9_]+, NULL-terminated. NULL: none (job/step_channel.h) */
	const char *const *channel;
};

enum {
	RECIPE_FILES_MAX = 4,
	RECIPE_CHANNEL_MAX = 8,
	RECIPE_CHANNEL_NAME_MAX = 32,
	RECIPE_SHOWN_MAX = 16
};

/* Is it whole, and fit to be run? What needs an expression is not. 0, or -EINVAL. */
int recipe_check(const struct recipe *recipe, struct dd_err *err);

#endif
