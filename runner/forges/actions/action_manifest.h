// SPDX-License-Identifier: Apache-2.0
/* action_manifest.h - action.yml: what an action is, what it takes and gives, and what runs for it.
 *
 * Read as GitHub's runner reads it: unknown keys at the top and in an input are ignored, unknown
 * keys of what runs are errors, anchors are refused. Nothing in it is computed. Which kinds can be
 * run is not said here. */
#ifndef RUNNER_ACTION_MANIFEST_H
#define RUNNER_ACTION_MANIFEST_H

#include "wf_doc.h"

enum action_manifest_kind {
	ACTION_NONE,
	ACTION_NODE,
	ACTION_DOCKER,
	ACTION_COMPOSITE,
	ACTION_PLUGIN, /* of the runner itself; nobody can write one */
};
const char *action_manifest_kind_name(enum action_manifest_kind kind);

struct action_manifest_input {
	const char *name;
	const struct template_node *fallback; /* NULL: none */
	const char *deprecated;               /* what to say when it is given, or NULL */
	bool required;                        /* said, and held against nobody */
};

struct action_manifest_output {
	const char *name;
	const struct template_node *value; /* of a composite; NULL: none */
};

struct action_manifest {
	struct plan_arena *arena;
	enum action_manifest_kind kind;
	const char *name, *description, *using; /* "": not said */
	const struct action_manifest_input *inputs;
	const struct action_manifest_output *outputs;
	size_t n_inputs, n_outputs;
	/* node: files; docker: entry points; plugin: its name in main. NULL: none */
	const char *main, *pre, *post;
	/* conditions of pre and post: expressions of one part, always() when none is written */
	const struct template_node *pre_if, *post_if;
	/* docker */
	const char *image;
	const struct template_node *args, *env; /* NULL: none */
	/* composite */
	const struct wf_step *steps;
	size_t n_steps;
};

/* 0 with a manifest, or -EINVAL with errors, which wf_errors_done() frees. */
int action_manifest_parse(const char *path, const char *text, size_t len,
                          struct action_manifest **ret, struct wf_errors *errors);
void action_manifest_free(struct action_manifest *manifest); /* NULL is fine */

#endif
