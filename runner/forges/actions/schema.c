// SPDX-License-Identifier: Apache-2.0
/* schema.c - GitHub's workflow schema as a table. Pure data.
 *
 * The rows follow GitHub's own schema of the workflow file, as the server's parser reads it. What
 * newer editions of it know besides is accepted where it changes nothing here, and marked so. */
#include "schema_rows.h"

#include "drydock/err.h"

#include <assert.h>

enum {
	CALL = EXPR_GITHUB | EXPR_INPUTS | EXPR_VARS,
	NEEDS = CALL | EXPR_NEEDS,
	JOB = NEEDS | EXPR_STRATEGY | EXPR_MATRIX,
	RUNNER = JOB | EXPR_STEPS | EXPR_JOB | EXPR_RUNNER | EXPR_ENV,
	SECRET_RUNNER = RUNNER | EXPR_SECRETS,
	ACTION = EXPR_GITHUB | EXPR_STRATEGY | EXPR_MATRIX | EXPR_JOB | EXPR_RUNNER,
	COMPOSITE = ACTION | EXPR_INPUTS | EXPR_STEPS | EXPR_ENV,
	IF_FUNCTIONS = EXPR_STATUS | EXPR_HASH_FILES,
};

#define KEYS(list)   .keys = (list), .n_keys = ARRAY_LEN(list)
#define ONE_OF(list) .kind = SCHEMA_KIND_ONE_OF, .one_of = (list), .n_one_of = ARRAY_LEN(list)

/* ---- the file ---- */

static const struct schema_key workflow_keys[] = {
	{ "on", SCHEMA_ON, false },
	{ "name", SCHEMA_STRING, false },
	{ "description", SCHEMA_STRING, false },
	{ "run-name", SCHEMA_RUN_NAME, false },
	{ "defaults", SCHEMA_DEFAULTS, false },
	{ "env", SCHEMA_WORKFLOW_ENV, false },
	{ "permissions", SCHEMA_PERMISSIONS, false },
	{ "concurrency", SCHEMA_WORKFLOW_CONCURRENCY, false },
	{ "jobs", SCHEMA_JOBS, true },
};
static const struct schema_key on_keys[] = { { "workflow_call", SCHEMA_CALL, false } };
static const struct schema_key call_keys[] = {
	{ "inputs", SCHEMA_CALL_INPUTS, false },
	{ "secrets", SCHEMA_CALL_SECRETS, false },
	{ "outputs", SCHEMA_CALL_OUTPUTS, false },
};
static const struct schema_key call_input_keys[] = {
	{ "description", SCHEMA_STRING, false },
	{ "type", SCHEMA_CALL_INPUT_TYPE, true },
	{ "required", SCHEMA_BOOL, false },
	{ "default", SCHEMA_CALL_DEFAULT, false },
};
static const struct schema_key call_secret_keys[] = {
	{ "description", SCHEMA_STRING, false },
	{ "required", SCHEMA_BOOL, false },
};
static const struct schema_key call_output_keys[] = {
	{ "description", SCHEMA_STRING, false },
	{ "value", SCHEMA_CALL_OUTPUT_VALUE, true },
};
static const struct schema_key defaults_keys[] = { { "run", SCHEMA_DEFAULTS_RUN, false } };
static const struct schema_key defaults_run_keys[] = {
	{ "shell", SCHEMA_NON_EMPTY, false },
	{ "working-directory", SCHEMA_NON_EMPTY, false },
};
static const struct schema_key concurrency_keys[] = {
	{ "group", SCHEMA_NON_EMPTY, true },
	{ "cancel-in-progress", SCHEMA_BOOL, false },
	{ "queue", SCHEMA_NON_EMPTY, false }, /* newer: how many may wait */
};
static const struct schema_key permissions_keys[] = {
	{ "actions", SCHEMA_LEVEL, false },
	{ "artifact-metadata", SCHEMA_LEVEL, false },
	{ "attestations", SCHEMA_LEVEL, false },
	{ "checks", SCHEMA_LEVEL, false },
	{ "contents", SCHEMA_LEVEL, false },
	{ "deployments", SCHEMA_LEVEL, false },
	{ "discussions", SCHEMA_LEVEL, false },
	{ "id-token", SCHEMA_LEVEL_NO_READ, false },
	{ "issues", SCHEMA_LEVEL, false },
	{ "models", SCHEMA_LEVEL_NO_WRITE, false },
	{ "packages", SCHEMA_LEVEL, false },
	{ "pages", SCHEMA_LEVEL, false },
	{ "pull-requests", SCHEMA_LEVEL, false },
	{ "repository-projects", SCHEMA_LEVEL, false },
	{ "security-events", SCHEMA_LEVEL, false },
	{ "statuses", SCHEMA_LEVEL, false },
	{ "vulnerability-alerts", SCHEMA_LEVEL_NO_WRITE, false },
	/* newer */
	{ "code-quality", SCHEMA_LEVEL, false },
	{ "copilot-requests", SCHEMA_LEVEL, false },
	{ "drives", SCHEMA_LEVEL, false },
};

static const enum schema_id any_ids[] = { SCHEMA_NULL,   SCHEMA_BOOL, SCHEMA_NUMBER,
	                                  SCHEMA_STRING, SCHEMA_LIST, SCHEMA_MAP };
static const enum schema_id on_ids[] = { SCHEMA_STRING, SCHEMA_LIST, SCHEMA_ON_MAP };
static const enum schema_id call_ids[] = { SCHEMA_NULL, SCHEMA_CALL_MAP };
static const enum schema_id call_input_type_ids[] = { SCHEMA_TYPE_STRING, SCHEMA_TYPE_BOOL,
	                                              SCHEMA_TYPE_NUMBER };
static const enum schema_id scalar_ids[] = { SCHEMA_STRING, SCHEMA_BOOL, SCHEMA_NUMBER };
static const enum schema_id call_secret_ids[] = { SCHEMA_NULL, SCHEMA_CALL_SECRET_MAP };
static const enum schema_id workflow_concurrency_ids[] = { SCHEMA_STRING, SCHEMA_CONCURRENCY_MAP };
static const enum schema_id permissions_ids[] = { SCHEMA_PERMISSIONS_MAP, SCHEMA_READ_ALL,
	                                          SCHEMA_WRITE_ALL };
static const enum schema_id level_ids[] = { SCHEMA_LEVEL_READ, SCHEMA_LEVEL_WRITE,
	                                    SCHEMA_LEVEL_NONE };
static const enum schema_id level_no_write_ids[] = { SCHEMA_LEVEL_READ, SCHEMA_LEVEL_NONE };
static const enum schema_id level_no_read_ids[] = { SCHEMA_LEVEL_WRITE, SCHEMA_LEVEL_NONE };

/* ---- jobs ---- */

static const struct schema_key steps_job_keys[] = {
	{ "needs", SCHEMA_NEEDS, false },
	{ "if", SCHEMA_JOB_IF, false },
	{ "strategy", SCHEMA_STRATEGY, false },
	{ "name", SCHEMA_JOB_STRING, false },
	{ "runs-on", SCHEMA_RUNS_ON, true },
	{ "timeout-minutes", SCHEMA_JOB_NUMBER, false },
	{ "cancel-timeout-minutes", SCHEMA_JOB_NUMBER, false },
	{ "continue-on-error", SCHEMA_JOB_BOOL, false },
	{ "container", SCHEMA_CONTAINER, false },
	{ "services", SCHEMA_SERVICES, false },
	{ "env", SCHEMA_JOB_ENV, false },
	{ "environment", SCHEMA_ENVIRONMENT, false },
	{ "permissions", SCHEMA_PERMISSIONS, false },
	{ "concurrency", SCHEMA_JOB_CONCURRENCY, false },
	{ "outputs", SCHEMA_OUTPUTS, false },
	{ "defaults", SCHEMA_JOB_DEFAULTS, false },
	{ "steps", SCHEMA_STEPS, false },
	{ "snapshot", SCHEMA_SNAPSHOT, false },
};
static const struct schema_key call_job_keys[] = {
	{ "name", SCHEMA_JOB_STRING, false },
	{ "uses", SCHEMA_NON_EMPTY, true },
	{ "with", SCHEMA_CALL_WITH, false },
	{ "secrets", SCHEMA_CALL_SECRETS_GIVEN, false },
	{ "needs", SCHEMA_NEEDS, false },
	{ "if", SCHEMA_JOB_IF, false },
	{ "permissions", SCHEMA_PERMISSIONS, false },
	{ "concurrency", SCHEMA_JOB_CONCURRENCY, false },
	{ "strategy", SCHEMA_STRATEGY, false },
};
static const struct schema_key strategy_keys[] = {
	{ "fail-fast", SCHEMA_BOOL, false },
	{ "max-parallel", SCHEMA_NUMBER, false },
	{ "matrix", SCHEMA_MATRIX, false },
};
static const struct schema_key matrix_keys[] = {
	{ "include", SCHEMA_MATRIX_ENTRIES, false },
	{ "exclude", SCHEMA_MATRIX_ENTRIES, false },
};
static const struct schema_key runs_on_keys[] = {
	{ "group", SCHEMA_NON_EMPTY, false },
	{ "labels", SCHEMA_RUNS_ON_LABELS, false },
};
static const struct schema_key environment_keys[] = {
	{ "name", SCHEMA_ENVIRONMENT_NAME, true },
	{ "url", SCHEMA_ENVIRONMENT_URL, false },
	{ "deployment", SCHEMA_BOOL, false }, /* newer */
};
static const struct schema_key job_defaults_keys[] = { { "run", SCHEMA_JOB_DEFAULTS_RUN, false } };
static const struct schema_key container_keys[] = {
	{ "image", SCHEMA_IMAGE, false },       { "options", SCHEMA_STRING, false },
	{ "env", SCHEMA_CONTAINER_ENV, false }, { "ports", SCHEMA_STRINGS, false },
	{ "volumes", SCHEMA_STRINGS, false },   { "credentials", SCHEMA_CREDENTIALS, false },
};
static const struct schema_key service_keys[] = {
	{ "image", SCHEMA_IMAGE, false },       { "options", SCHEMA_STRING, false },
	{ "entrypoint", SCHEMA_STRING, false }, { "command", SCHEMA_STRING, false },
	{ "env", SCHEMA_CONTAINER_ENV, false }, { "ports", SCHEMA_STRINGS, false },
	{ "volumes", SCHEMA_STRINGS, false },   { "credentials", SCHEMA_CREDENTIALS, false },
};
static const struct schema_key credentials_keys[] = {
	{ "username", SCHEMA_NON_EMPTY, false },
	{ "password", SCHEMA_NON_EMPTY, false },
};
static const struct schema_key snapshot_keys[] = {
	{ "image-name", SCHEMA_NON_EMPTY, true },
	{ "if", SCHEMA_STEP_IF, false },
	{ "version", SCHEMA_NON_EMPTY, false },
};

static const enum schema_id job_ids[] = { SCHEMA_STEPS_JOB, SCHEMA_CALL_JOB };
static const enum schema_id needs_ids[] = { SCHEMA_STRINGS, SCHEMA_NON_EMPTY };
static const enum schema_id runs_on_ids[] = { SCHEMA_NON_EMPTY, SCHEMA_STRINGS,
	                                      SCHEMA_RUNS_ON_MAP };
static const enum schema_id labels_ids[] = { SCHEMA_NON_EMPTY, SCHEMA_STRINGS };
static const enum schema_id job_concurrency_ids[] = { SCHEMA_NON_EMPTY, SCHEMA_CONCURRENCY_MAP };
static const enum schema_id environment_ids[] = { SCHEMA_STRING, SCHEMA_ENVIRONMENT_MAP };
static const enum schema_id container_ids[] = { SCHEMA_STRING, SCHEMA_CONTAINER_MAP };
static const enum schema_id service_ids[] = { SCHEMA_IMAGE, SCHEMA_SERVICE_MAP };
static const enum schema_id snapshot_ids[] = { SCHEMA_NON_EMPTY, SCHEMA_SNAPSHOT_MAP };
static const enum schema_id secrets_given_ids[] = { SCHEMA_CALL_SECRETS_GIVEN_MAP, SCHEMA_INHERIT };

/* ---- steps ---- */

static const struct schema_key run_step_keys[] = {
	{ "name", SCHEMA_STEP_STRING, false }, { "id", SCHEMA_NON_EMPTY, false },
	{ "if", SCHEMA_STEP_IF, false },       { "timeout-minutes", SCHEMA_STEP_NUMBER, false },
	{ "run", SCHEMA_STEP_STRING, true },   { "continue-on-error", SCHEMA_STEP_BOOL, false },
	{ "env", SCHEMA_STEP_ENV, false },     { "working-directory", SCHEMA_STEP_STRING, false },
	{ "shell", SCHEMA_NON_EMPTY, false },
};
static const struct schema_key uses_step_keys[] = {
	{ "name", SCHEMA_STEP_STRING, false },
	{ "id", SCHEMA_NON_EMPTY, false },
	{ "if", SCHEMA_STEP_IF, false },
	{ "continue-on-error", SCHEMA_STEP_BOOL, false },
	{ "timeout-minutes", SCHEMA_STEP_NUMBER, false },
	{ "uses", SCHEMA_NON_EMPTY, true },
	{ "with", SCHEMA_STEP_WITH, false },
	{ "env", SCHEMA_STEP_ENV, false },
};

static const enum schema_id step_ids[] = { SCHEMA_RUN_STEP, SCHEMA_USES_STEP };

/* ---- the manifest of an action ---- */

static const struct schema_key action_keys[] = {
	{ "name", SCHEMA_STRING, false },          { "description", SCHEMA_STRING, false },
	{ "inputs", SCHEMA_ACTION_INPUTS, false }, { "outputs", SCHEMA_ACTION_OUTPUTS, false },
	{ "runs", SCHEMA_ACTION_RUNS, false },
};
static const struct schema_key action_input_keys[] = { { "default", SCHEMA_ACTION_DEFAULT,
	                                                 false } };
static const struct schema_key action_output_keys[] = {
	{ "description", SCHEMA_STRING, false },
	{ "value", SCHEMA_ACTION_OUTPUT_VALUE, false },
};
static const struct schema_key action_docker_keys[] = {
	{ "using", SCHEMA_NON_EMPTY, false },      { "image", SCHEMA_NON_EMPTY, false },
	{ "entrypoint", SCHEMA_NON_EMPTY, false }, { "args", SCHEMA_ACTION_ARGS, false },
	{ "env", SCHEMA_ACTION_ENV, false },       { "pre-entrypoint", SCHEMA_NON_EMPTY, false },
	{ "pre-if", SCHEMA_NON_EMPTY, false },     { "post-entrypoint", SCHEMA_NON_EMPTY, false },
	{ "post-if", SCHEMA_NON_EMPTY, false },
};
static const struct schema_key action_node_keys[] = {
	{ "using", SCHEMA_NON_EMPTY, false }, { "main", SCHEMA_NON_EMPTY, false },
	{ "pre", SCHEMA_NON_EMPTY, false },   { "pre-if", SCHEMA_NON_EMPTY, false },
	{ "post", SCHEMA_NON_EMPTY, false },  { "post-if", SCHEMA_NON_EMPTY, false },
};
static const struct schema_key action_plugin_keys[] = { { "plugin", SCHEMA_NON_EMPTY, false } };
static const struct schema_key action_composite_keys[] = {
	{ "using", SCHEMA_NON_EMPTY, false },
	{ "steps", SCHEMA_ACTION_STEPS, false },
};
static const struct schema_key action_run_step_keys[] = {
	{ "name", SCHEMA_ACTION_STEP_STRING, false },
	{ "id", SCHEMA_NON_EMPTY, false },
	{ "if", SCHEMA_ACTION_STEP_IF, false },
	{ "run", SCHEMA_ACTION_STEP_STRING, true },
	{ "env", SCHEMA_ACTION_STEP_ENV, false },
	{ "continue-on-error", SCHEMA_ACTION_STEP_BOOL, false },
	{ "working-directory", SCHEMA_ACTION_STEP_STRING, false },
	{ "shell", SCHEMA_ACTION_STEP_STRING, true },
};
static const struct schema_key action_uses_step_keys[] = {
	{ "name", SCHEMA_ACTION_STEP_STRING, false },
	{ "id", SCHEMA_NON_EMPTY, false },
	{ "if", SCHEMA_ACTION_STEP_IF, false },
	{ "uses", SCHEMA_NON_EMPTY, true },
	{ "continue-on-error", SCHEMA_ACTION_STEP_BOOL, false },
	{ "with", SCHEMA_ACTION_STEP_ENV, false },
	{ "env", SCHEMA_ACTION_STEP_ENV, false },
};

static const enum schema_id action_runs_ids[] = { SCHEMA_ACTION_DOCKER, SCHEMA_ACTION_NODE,
	                                          SCHEMA_ACTION_PLUGIN, SCHEMA_ACTION_COMPOSITE };
static const enum schema_id action_step_ids[] = { SCHEMA_ACTION_RUN_STEP, SCHEMA_ACTION_USES_STEP };

/* ---- the table ---- */

#define CONSTANT(text)                                                                             \
	{                                                                                          \
		.kind = SCHEMA_KIND_STRING, .constant = (text)                                     \
	}
#define LIST_OF(id) .kind = SCHEMA_KIND_LIST, .item = (id)
/* any keys but empty ones */
#define MAP_OF(id) .kind = SCHEMA_KIND_MAP, .loose_key = SCHEMA_NON_EMPTY, .loose_value = (id)

const struct schema_row schema_rows[] = {
	[SCHEMA_NULL] = { .kind = SCHEMA_KIND_NULL },
	[SCHEMA_BOOL] = { .kind = SCHEMA_KIND_BOOL },
	[SCHEMA_NUMBER] = { .kind = SCHEMA_KIND_NUMBER },
	[SCHEMA_STRING] = { .kind = SCHEMA_KIND_STRING },
	[SCHEMA_NON_EMPTY] = { .kind = SCHEMA_KIND_STRING, .non_empty = true },
	[SCHEMA_STRINGS] = { LIST_OF(SCHEMA_NON_EMPTY) },
	[SCHEMA_LIST] = { LIST_OF(SCHEMA_ANY) },
	[SCHEMA_MAP] = { .kind = SCHEMA_KIND_MAP,
	                 .loose_key = SCHEMA_STRING,
	                 .loose_value = SCHEMA_ANY },
	[SCHEMA_ANY] = { ONE_OF(any_ids) },

	[SCHEMA_WORKFLOW] = { .kind = SCHEMA_KIND_MAP, KEYS(workflow_keys) },
	[SCHEMA_ON] = { ONE_OF(on_ids) },
	[SCHEMA_ON_MAP] = { MAP_OF(SCHEMA_ANY), KEYS(on_keys) },
	[SCHEMA_CALL] = { ONE_OF(call_ids) },
	[SCHEMA_CALL_MAP] = { .kind = SCHEMA_KIND_MAP, KEYS(call_keys) },
	[SCHEMA_CALL_INPUTS] = { MAP_OF(SCHEMA_CALL_INPUT) },
	[SCHEMA_CALL_INPUT] = { .kind = SCHEMA_KIND_MAP, KEYS(call_input_keys) },
	[SCHEMA_CALL_INPUT_TYPE] = { ONE_OF(call_input_type_ids) },
	[SCHEMA_TYPE_STRING] = CONSTANT("string"),
	[SCHEMA_TYPE_BOOL] = CONSTANT("boolean"),
	[SCHEMA_TYPE_NUMBER] = CONSTANT("number"),
	[SCHEMA_CALL_DEFAULT] = { ONE_OF(scalar_ids), .contexts = CALL },
	[SCHEMA_CALL_SECRETS] = { MAP_OF(SCHEMA_CALL_SECRET) },
	[SCHEMA_CALL_SECRET] = { ONE_OF(call_secret_ids) },
	[SCHEMA_CALL_SECRET_MAP] = { .kind = SCHEMA_KIND_MAP, KEYS(call_secret_keys) },
	[SCHEMA_CALL_OUTPUTS] = { MAP_OF(SCHEMA_CALL_OUTPUT) },
	[SCHEMA_CALL_OUTPUT] = { .kind = SCHEMA_KIND_MAP, KEYS(call_output_keys) },
	[SCHEMA_CALL_OUTPUT_VALUE] = { .kind = SCHEMA_KIND_STRING, .contexts = CALL | EXPR_JOBS },
	[SCHEMA_RUN_NAME] = { .kind = SCHEMA_KIND_STRING, .contexts = CALL },
	[SCHEMA_DEFAULTS] = { .kind = SCHEMA_KIND_MAP, KEYS(defaults_keys) },
	[SCHEMA_DEFAULTS_RUN] = { .kind = SCHEMA_KIND_MAP, KEYS(defaults_run_keys) },
	[SCHEMA_WORKFLOW_ENV] = { MAP_OF(SCHEMA_STRING), .contexts = CALL | EXPR_SECRETS },
	[SCHEMA_WORKFLOW_CONCURRENCY] = { ONE_OF(workflow_concurrency_ids), .contexts = CALL },
	[SCHEMA_CONCURRENCY_MAP] = { .kind = SCHEMA_KIND_MAP, KEYS(concurrency_keys) },
	[SCHEMA_PERMISSIONS] = { ONE_OF(permissions_ids) },
	[SCHEMA_PERMISSIONS_MAP] = { .kind = SCHEMA_KIND_MAP, KEYS(permissions_keys) },
	[SCHEMA_READ_ALL] = CONSTANT("read-all"),
	[SCHEMA_WRITE_ALL] = CONSTANT("write-all"),
	[SCHEMA_LEVEL] = { ONE_OF(level_ids) },
	[SCHEMA_LEVEL_NO_WRITE] = { ONE_OF(level_no_write_ids) },
	[SCHEMA_LEVEL_NO_READ] = { ONE_OF(level_no_read_ids) },
	[SCHEMA_LEVEL_READ] = CONSTANT("read"),
	[SCHEMA_LEVEL_WRITE] = CONSTANT("write"),
	[SCHEMA_LEVEL_NONE] = CONSTANT("none"),

	[SCHEMA_JOBS] = { MAP_OF(SCHEMA_JOB) },
	[SCHEMA_JOB] = { ONE_OF(job_ids) },
	[SCHEMA_STEPS_JOB] = { .kind = SCHEMA_KIND_MAP, KEYS(steps_job_keys) },
	[SCHEMA_CALL_JOB] = { .kind = SCHEMA_KIND_MAP, KEYS(call_job_keys) },
	[SCHEMA_NEEDS] = { ONE_OF(needs_ids) },
	[SCHEMA_JOB_IF] = { .kind = SCHEMA_KIND_STRING,
	                    .contexts = NEEDS,
	                    .functions = EXPR_JOB_STATUS },
	[SCHEMA_STRATEGY] = { .kind = SCHEMA_KIND_MAP, KEYS(strategy_keys), .contexts = NEEDS },
	[SCHEMA_MATRIX] = { MAP_OF(SCHEMA_LIST), KEYS(matrix_keys) },
	[SCHEMA_MATRIX_ENTRIES] = { LIST_OF(SCHEMA_MATRIX_ENTRY) },
	[SCHEMA_MATRIX_ENTRY] = { MAP_OF(SCHEMA_ANY) },
	[SCHEMA_RUNS_ON] = { ONE_OF(runs_on_ids), .contexts = JOB },
	[SCHEMA_RUNS_ON_MAP] = { .kind = SCHEMA_KIND_MAP, KEYS(runs_on_keys) },
	[SCHEMA_RUNS_ON_LABELS] = { ONE_OF(labels_ids) },
	[SCHEMA_JOB_STRING] = { .kind = SCHEMA_KIND_STRING, .contexts = JOB },
	[SCHEMA_JOB_NUMBER] = { .kind = SCHEMA_KIND_NUMBER, .contexts = JOB },
	[SCHEMA_JOB_BOOL] = { .kind = SCHEMA_KIND_BOOL, .contexts = JOB },
	[SCHEMA_JOB_ENV] = { MAP_OF(SCHEMA_STRING), .contexts = JOB | EXPR_SECRETS },
	[SCHEMA_JOB_CONCURRENCY] = { ONE_OF(job_concurrency_ids), .contexts = JOB },
	[SCHEMA_ENVIRONMENT] = { ONE_OF(environment_ids), .contexts = JOB },
	[SCHEMA_ENVIRONMENT_MAP] = { .kind = SCHEMA_KIND_MAP, KEYS(environment_keys) },
	[SCHEMA_ENVIRONMENT_NAME] = { .kind = SCHEMA_KIND_STRING, .contexts = JOB },
	[SCHEMA_ENVIRONMENT_URL] = { .kind = SCHEMA_KIND_STRING, .contexts = RUNNER },
	[SCHEMA_JOB_DEFAULTS] = { .kind = SCHEMA_KIND_MAP, KEYS(job_defaults_keys) },
	[SCHEMA_JOB_DEFAULTS_RUN] = { .kind = SCHEMA_KIND_MAP,
	                              KEYS(defaults_run_keys),
	                              .contexts = JOB | EXPR_ENV },
	[SCHEMA_OUTPUTS] = { MAP_OF(SCHEMA_RUNNER_STRING) },
	[SCHEMA_RUNNER_STRING] = { .kind = SCHEMA_KIND_STRING, .contexts = SECRET_RUNNER },
	[SCHEMA_CONTAINER] = { ONE_OF(container_ids), .contexts = JOB },
	[SCHEMA_CONTAINER_MAP] = { .kind = SCHEMA_KIND_MAP, KEYS(container_keys) },
	[SCHEMA_CONTAINER_ENV] = { MAP_OF(SCHEMA_RUNNER_STRING) },
	[SCHEMA_IMAGE] = { .kind = SCHEMA_KIND_STRING, .non_empty = true, .computed_empty = true },
	[SCHEMA_CREDENTIALS] = { .kind = SCHEMA_KIND_MAP,
	                         KEYS(credentials_keys),
	                         .contexts = CALL | EXPR_SECRETS | EXPR_ENV },
	[SCHEMA_SERVICES] = { MAP_OF(SCHEMA_SERVICE), .contexts = JOB },
	[SCHEMA_SERVICE] = { ONE_OF(service_ids), .contexts = JOB },
	[SCHEMA_SERVICE_MAP] = { .kind = SCHEMA_KIND_MAP, KEYS(service_keys) },
	[SCHEMA_SNAPSHOT] = { ONE_OF(snapshot_ids), .contexts = JOB },
	[SCHEMA_SNAPSHOT_MAP] = { .kind = SCHEMA_KIND_MAP, KEYS(snapshot_keys) },
	[SCHEMA_CALL_WITH] = { MAP_OF(SCHEMA_CALL_WITH_VALUE) },
	[SCHEMA_CALL_WITH_VALUE] = { ONE_OF(scalar_ids), .contexts = JOB },
	[SCHEMA_CALL_SECRETS_GIVEN] = { ONE_OF(secrets_given_ids) },
	[SCHEMA_CALL_SECRETS_GIVEN_MAP] = { MAP_OF(SCHEMA_CALL_SECRET_VALUE) },
	[SCHEMA_CALL_SECRET_VALUE] = { ONE_OF(scalar_ids), .contexts = JOB | EXPR_SECRETS },
	[SCHEMA_INHERIT] = CONSTANT("inherit"),
	[SCHEMA_INPUT_STRING] = { .kind = SCHEMA_KIND_STRING, .contexts = NEEDS },
	[SCHEMA_INPUT_BOOL] = { .kind = SCHEMA_KIND_BOOL, .contexts = NEEDS },
	[SCHEMA_INPUT_NUMBER] = { .kind = SCHEMA_KIND_NUMBER, .contexts = NEEDS },

	[SCHEMA_STEPS] = { LIST_OF(SCHEMA_STEP) },
	[SCHEMA_STEP] = { ONE_OF(step_ids) },
	[SCHEMA_RUN_STEP] = { .kind = SCHEMA_KIND_MAP, KEYS(run_step_keys) },
	[SCHEMA_USES_STEP] = { .kind = SCHEMA_KIND_MAP, KEYS(uses_step_keys) },
	[SCHEMA_STEP_IF] = { .kind = SCHEMA_KIND_STRING,
	                     .contexts = RUNNER,
	                     .functions = IF_FUNCTIONS },
	[SCHEMA_STEP_ENV] = { MAP_OF(SCHEMA_STRING), .contexts = SECRET_RUNNER,
	                      .functions = EXPR_HASH_FILES },
	[SCHEMA_STEP_WITH] = { MAP_OF(SCHEMA_STRING), .contexts = SECRET_RUNNER,
	                       .functions = EXPR_HASH_FILES },
	[SCHEMA_STEP_STRING] = { .kind = SCHEMA_KIND_STRING,
	                         .contexts = SECRET_RUNNER,
	                         .functions = EXPR_HASH_FILES },
	[SCHEMA_STEP_NUMBER] = { .kind = SCHEMA_KIND_NUMBER,
	                         .contexts = SECRET_RUNNER,
	                         .functions = EXPR_HASH_FILES },
	[SCHEMA_STEP_BOOL] = { .kind = SCHEMA_KIND_BOOL,
	                       .contexts = SECRET_RUNNER,
	                       .functions = EXPR_HASH_FILES },

	[SCHEMA_ACTION] = { .kind = SCHEMA_KIND_MAP,
	                    KEYS(action_keys),
	                    .loose_key = SCHEMA_NON_EMPTY,
	                    .loose_value = SCHEMA_ANY },
	[SCHEMA_ACTION_INPUTS] = { MAP_OF(SCHEMA_ACTION_INPUT) },
	[SCHEMA_ACTION_INPUT] = { MAP_OF(SCHEMA_ANY), KEYS(action_input_keys) },
	[SCHEMA_ACTION_DEFAULT] = { .kind = SCHEMA_KIND_STRING,
	                            .contexts = ACTION,
	                            .functions = EXPR_HASH_FILES },
	[SCHEMA_ACTION_OUTPUTS] = { MAP_OF(SCHEMA_ACTION_OUTPUT) },
	[SCHEMA_ACTION_OUTPUT] = { .kind = SCHEMA_KIND_MAP, KEYS(action_output_keys) },
	[SCHEMA_ACTION_OUTPUT_VALUE] = { .kind = SCHEMA_KIND_STRING, .contexts = COMPOSITE },
	[SCHEMA_ACTION_RUNS] = { ONE_OF(action_runs_ids) },
	[SCHEMA_ACTION_DOCKER] = { .kind = SCHEMA_KIND_MAP, KEYS(action_docker_keys) },
	[SCHEMA_ACTION_ARGS] = { LIST_OF(SCHEMA_ACTION_ARG) },
	[SCHEMA_ACTION_ARG] = { .kind = SCHEMA_KIND_STRING, .contexts = EXPR_INPUTS },
	[SCHEMA_ACTION_ENV] = { MAP_OF(SCHEMA_STRING), .contexts = EXPR_INPUTS },
	[SCHEMA_ACTION_NODE] = { .kind = SCHEMA_KIND_MAP, KEYS(action_node_keys) },
	[SCHEMA_ACTION_PLUGIN] = { .kind = SCHEMA_KIND_MAP, KEYS(action_plugin_keys) },
	[SCHEMA_ACTION_COMPOSITE] = { .kind = SCHEMA_KIND_MAP, KEYS(action_composite_keys) },
	[SCHEMA_ACTION_STEPS] = { LIST_OF(SCHEMA_ACTION_STEP) },
	[SCHEMA_ACTION_STEP] = { ONE_OF(action_step_ids) },
	[SCHEMA_ACTION_RUN_STEP] = { .kind = SCHEMA_KIND_MAP, KEYS(action_run_step_keys) },
	[SCHEMA_ACTION_USES_STEP] = { .kind = SCHEMA_KIND_MAP, KEYS(action_uses_step_keys) },
	[SCHEMA_ACTION_STEP_IF] = { .kind = SCHEMA_KIND_STRING,
	                            .contexts = COMPOSITE,
	                            .functions = IF_FUNCTIONS },
	[SCHEMA_ACTION_STEP_ENV] = { MAP_OF(SCHEMA_STRING), .contexts = COMPOSITE,
	                             .functions = EXPR_HASH_FILES },
	[SCHEMA_ACTION_STEP_STRING] = { .kind = SCHEMA_KIND_STRING,
	                                .contexts = COMPOSITE,
	                                .functions = EXPR_HASH_FILES },
	[SCHEMA_ACTION_STEP_BOOL] = { .kind = SCHEMA_KIND_BOOL,
	                              .contexts = COMPOSITE,
	                              .functions = EXPR_HASH_FILES },
};
static_assert(ARRAY_LEN(schema_rows) == SCHEMA__COUNT, "a place has no row");

struct expr_rules schema_rules(enum schema_id id)
{
	return (struct expr_rules){ .contexts = schema_rows[id].contexts,
		                    .functions = schema_rows[id].functions };
}
