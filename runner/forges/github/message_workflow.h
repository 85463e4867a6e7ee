// SPDX-License-Identifier: Apache-2.0
/* message_workflow.h - the steps of a job message as the text of a workflow.
 *
 * The server has taken a workflow apart into typed tokens. Here they are put together again, as a
 * workflow of one job, and the reader of workflow files reads it (forges/actions/wf_doc.h): schema,
 * contexts, injection, policy rules and what this build refuses are the same for a job of a message
 * and a job of a file, because they are the same code. `format('a {0}', x)`, which is what the
 * server makes of `a ${{ x }}`, becomes that again, so that a rule of a policy matches the text
 * that people wrote.
 */
#ifndef RUNNER_MESSAGE_WORKFLOW_H
#define RUNNER_MESSAGE_WORKFLOW_H

#include "base/arena.h"
#include "drydock/err.h"

#include <jansson.h>

enum { MESSAGE_WORKFLOW_MAX = 8 * 1024 * 1024, MESSAGE_STEPS_MAX = 1000 };

/* The name that places in it have: no file is called so. */
#define MESSAGE_SOURCE "<job message>"

struct message_workflow {
	const char *text; /* of the workflow; in the arena */
	size_t len;
	/* of each step the id by which the server knows it; borrowed from the message */
	const char **records;
	size_t n_steps;
};

/* @job_id: the job's id in the workflow. -EINVAL: the message holds what no workflow can say, or
 * what this build would have to leave out; @err says what. */
int message_workflow(const json_t *message, const char *job_id, struct plan_arena *arena,
                     struct message_workflow *ret, struct dd_err *err);

#endif
