// SPDX-License-Identifier: Apache-2.0
/* schema.h - which keys a workflow has where, of which kind, and which contexts and functions an
 * expression may use there: one table, and one walk that holds a tree of values against it.
 *
 * What a place allows is inherited by everything below it. A place that may be several maps (a job
 * with steps, a job that calls a workflow) becomes the one that the first telling key belongs to.
 */
#ifndef RUNNER_SCHEMA_H
#define RUNNER_SCHEMA_H

#include "template.h"

enum schema_id {
	SCHEMA_NONE,
	/* kinds */
	SCHEMA_NULL,
	SCHEMA_BOOL,
	SCHEMA_NUMBER,
	SCHEMA_STRING,
	SCHEMA_NON_EMPTY,
	SCHEMA_STRINGS, /* a list of texts that are not empty */
	SCHEMA_LIST,
	SCHEMA_MAP,
	SCHEMA_ANY,
	/* the file */
	SCHEMA_WORKFLOW,
	SCHEMA_ON,
	SCHEMA_ON_MAP,
	SCHEMA_CALL,
	SCHEMA_CALL_MAP,
	SCHEMA_CALL_INPUTS,
	SCHEMA_CALL_INPUT,
	SCHEMA_CALL_INPUT_TYPE,
	SCHEMA_TYPE_STRING,
	SCHEMA_TYPE_BOOL,
	SCHEMA_TYPE_NUMBER,
	SCHEMA_CALL_DEFAULT,
	SCHEMA_CALL_SECRETS,
	SCHEMA_CALL_SECRET,
	SCHEMA_CALL_SECRET_MAP,
	SCHEMA_CALL_OUTPUTS,
	SCHEMA_CALL_OUTPUT,
	SCHEMA_CALL_OUTPUT_VALUE,
	SCHEMA_RUN_NAME,
	SCHEMA_DEFAULTS,
	SCHEMA_DEFAULTS_RUN,
	SCHEMA_WORKFLOW_ENV,
	SCHEMA_WORKFLOW_CONCURRENCY,
	SCHEMA_CONCURRENCY_MAP,
	SCHEMA_PERMISSIONS,
	SCHEMA_PERMISSIONS_MAP,
	SCHEMA_READ_ALL,
	SCHEMA_WRITE_ALL,
	SCHEMA_LEVEL,
	SCHEMA_LEVEL_NO_WRITE,
	SCHEMA_LEVEL_NO_READ,
	SCHEMA_LEVEL_READ,
	SCHEMA_LEVEL_WRITE,
	SCHEMA_LEVEL_NONE,
	/* jobs */
	SCHEMA_JOBS,
	SCHEMA_JOB,
	SCHEMA_STEPS_JOB,
	SCHEMA_CALL_JOB,
	SCHEMA_NEEDS,
	SCHEMA_JOB_IF,
	SCHEMA_STRATEGY,
	SCHEMA_MATRIX,
	SCHEMA_MATRIX_ENTRIES,
	SCHEMA_MATRIX_ENTRY,
	SCHEMA_RUNS_ON,
	SCHEMA_RUNS_ON_MAP,
	SCHEMA_RUNS_ON_LABELS,
	SCHEMA_JOB_STRING,
	SCHEMA_JOB_NUMBER,
	SCHEMA_JOB_BOOL,
	SCHEMA_JOB_ENV,
	SCHEMA_JOB_CONCURRENCY,
	SCHEMA_ENVIRONMENT,
	SCHEMA_ENVIRONMENT_MAP,
	SCHEMA_ENVIRONMENT_NAME,
	SCHEMA_ENVIRONMENT_URL,
	SCHEMA_JOB_DEFAULTS,
	SCHEMA_JOB_DEFAULTS_RUN,
	SCHEMA_OUTPUTS,
	SCHEMA_RUNNER_STRING,
	SCHEMA_CONTAINER,
	SCHEMA_CONTAINER_MAP,
	SCHEMA_CONTAINER_ENV,
	SCHEMA_IMAGE,
	SCHEMA_CREDENTIALS,
	SCHEMA_SERVICES,
	SCHEMA_SERVICE,
	SCHEMA_SERVICE_MAP,
	SCHEMA_SNAPSHOT,
	SCHEMA_SNAPSHOT_MAP,
	SCHEMA_CALL_WITH,
	SCHEMA_CALL_WITH_VALUE,
	SCHEMA_CALL_SECRETS_GIVEN,
	SCHEMA_CALL_SECRETS_GIVEN_MAP,
	SCHEMA_CALL_SECRET_VALUE,
	SCHEMA_INHERIT,
	/* what the value of an input of a called workflow must be */
	SCHEMA_INPUT_STRING,
	SCHEMA_INPUT_BOOL,
	SCHEMA_INPUT_NUMBER,
	/* steps */
	SCHEMA_STEPS,
	SCHEMA_STEP,
	SCHEMA_RUN_STEP,
	SCHEMA_USES_STEP,
	SCHEMA_STEP_IF,
	SCHEMA_STEP_ENV,
	SCHEMA_STEP_WITH,
	SCHEMA_STEP_STRING,
	SCHEMA_STEP_NUMBER,
	SCHEMA_STEP_BOOL,
	/* the manifest of an action */
	SCHEMA_ACTION,
	SCHEMA_ACTION_INPUTS,
	SCHEMA_ACTION_INPUT,
	SCHEMA_ACTION_DEFAULT,
	SCHEMA_ACTION_OUTPUTS,
	SCHEMA_ACTION_OUTPUT,
	SCHEMA_ACTION_OUTPUT_VALUE,
	SCHEMA_ACTION_RUNS,
	SCHEMA_ACTION_DOCKER,
	SCHEMA_ACTION_ARGS,
	SCHEMA_ACTION_ARG,
	SCHEMA_ACTION_ENV,
	SCHEMA_ACTION_NODE,
	SCHEMA_ACTION_PLUGIN,
	SCHEMA_ACTION_COMPOSITE,
	SCHEMA_ACTION_STEPS,
	SCHEMA_ACTION_STEP,
	SCHEMA_ACTION_RUN_STEP,
	SCHEMA_ACTION_USES_STEP,
	SCHEMA_ACTION_STEP_IF,
	SCHEMA_ACTION_STEP_ENV,
	SCHEMA_ACTION_STEP_STRING,
	SCHEMA_ACTION_STEP_BOOL,
	SCHEMA__COUNT
};

/* GitHub's bounds on what reading a workflow may produce, counted as GitHub counts. */
struct schema_account {
	size_t bytes, bytes_max;
	size_t events, events_max;
	unsigned depth, depth_max;
};

struct schema_walk {
	struct template_split split;
	struct schema_account account;
	bool computed;         /* the tree was computed: ${{ in a text is text now */
	bool runs_on_optional; /* wf_options */
	bool fatal; /* a bound, or a scalar without a value: nothing after it was looked at */
};

/* @node, held against @id: texts taken apart, scalars made texts where texts belong. Errors are
 * added to the walk's; what is returned is only of use when there are none. */
struct template_node *schema_apply(struct schema_walk *walk, struct template_node *node,
                                   enum schema_id id);
/* The value of an input of a called workflow, held against the type that the definition writes;
 * @node itself where that is none of the three. */
struct template_node *schema_apply_input(struct schema_walk *walk, struct template_node *node,
                                         const struct template_node *type);
/* Adds to the account; with an error at @mark's file, false when that is over. */
bool schema_count(struct schema_walk *walk, size_t bytes, struct diag_mark mark);
size_t schema_text_bytes(const char *text, size_t len); /* what GitHub counts for a text */

/* What expressions may use below a row that stands by itself, such as SCHEMA_STEP_IF. */
struct expr_rules schema_rules(enum schema_id id);

#endif
